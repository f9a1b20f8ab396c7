//! Lines on this device: the one that the office sent with a message about a call, verified, and the newest versions that this device
//! has seen or stopped, below which it accepts none.

use serde::{Deserialize, Serialize};
use telcon_identity::{LoggedLine, Result, TrustStore};
use telcon_proto::{
    Digest, LineId,
    line::{Line, LineState, LocalMinute, OverLine, ProvenLine},
};

/// What the clocks of a zone (IANA name) show at a time, milliseconds since 1970 UTC; none for a zone that is not known. The program
/// around the engine has a database of zones, the engine has none.
pub type Zones = fn(&str, u64) -> Option<LocalMinute>;

/// Until the program says otherwise: no ring over a line with hours is within them.
pub(crate) fn no_zones(_: &str, _: u64) -> Option<LocalMinute> {
    None
}

/// Bounds the stored state. The least recently seen are forgotten first: their older versions are then refused by the server alone.
/// What this device stopped itself, and the office has not shown, is forgotten last.
const MAX_KNOWN: usize = 512;

/// Stops that are kept to be sent again. Of older ones the number of the version is kept, as of any other: a person stops a few lines while
/// their office cannot be reached, and each is as large as a signed statement.
const MAX_UNANSWERED: usize = 8;

/// The line that came before a message. It counts for that message alone, so that a server cannot have one count later that it knows to
/// have been stopped.
#[derive(Default)]
pub(crate) struct SentLine(Option<LoggedLine>);

impl SentLine {
    /// One came.
    pub(crate) fn set(&mut self, trust: &TrustStore, proven: &ProvenLine) -> Result<&LoggedLine> {
        self.0 = None;
        Ok(self.0.insert(trust.verify_line_logged(proven)?))
    }

    /// The message that relies on it was handled.
    pub(crate) fn clear(&mut self) {
        self.0 = None;
    }

    pub(crate) fn get(&self) -> Option<&LoggedLine> {
        self.0.as_ref()
    }
}

/// A version of a line below which this device accepts none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KnownLine {
    line: LineId,
    version: u32,
    /// When the log had it, milliseconds since 1970 UTC by the office's clock; none while the office has not shown it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since_ms: Option<u64>,
    /// This device signed it, to stop the line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stop: Option<Stop>,
}

/// A stop that this device signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Stop {
    /// The version that it stops.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous: Option<Digest>,
    /// What it says, until the office has answered: it is sent again after each sign-in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unanswered: Option<Box<Line>>,
    /// How many pings were sent over this connection before it.
    #[serde(skip)]
    pings_before: Option<u64>,
}

impl KnownLine {
    /// Whether the office had it in its log when it opened a call: then it knew better than to open it over an older version.
    pub(crate) fn was_logged_at(&self, opened_ms: u64) -> bool {
        self.since_ms.is_some_and(|since_ms| opened_ms >= since_ms)
    }
}

/// The newest versions that this device has verified, or with which it stopped a line itself. First versions are not kept: there is
/// none below them.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KnownLines(Vec<KnownLine>);

impl KnownLines {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The office showed this version, and the log had it at `since_ms`. Returns whether that is news: a newer version, or the first
    /// sight in the log of one that this device signed.
    pub(crate) fn saw(&mut self, seen: &Line, since_ms: u64) -> bool {
        match self.0.iter().position(|known| known.line == seen.line && known.version == seen.version) {
            Some(at) => {
                let mut known = self.0.remove(at);
                let news = known.since_ms.is_none();
                // The first time that the office said counts: it cannot move a stop into the past of a ring, or out of it.
                known.since_ms.get_or_insert(since_ms);
                if let Some(stop) = &mut known.stop {
                    stop.unanswered = None;
                }
                self.0.push(known);
                news
            }
            None => self.raise(seen, Some(since_ms), None),
        }
    }

    /// This device signed a version that stops the line: an older one does not ring here, whatever becomes of it. `pings_before` were
    /// sent over this connection before it.
    pub(crate) fn stopped(&mut self, signed: &Line, pings_before: u64) {
        if signed.state == LineState::Live {
            return;
        }
        let unanswered = Some(Box::new(signed.clone()));
        let stop = Stop { previous: signed.previous, unanswered, pings_before: Some(pings_before) };
        let same = |known: &&mut KnownLine| known.line == signed.line && known.version == signed.version;
        match self.0.iter_mut().find(same) {
            // The office has not shown it: what the person wants now takes its place.
            Some(known) if known.since_ms.is_none() => known.stop = Some(stop),
            Some(_) => {}
            None => drop(self.raise(signed, None, Some(stop))),
        }
        let stops = self.0.iter_mut().rev().filter_map(|known| known.stop.as_mut());
        if let Some(surplus) = stops.filter(|stop| stop.unanswered.is_some()).nth(MAX_UNANSWERED) {
            surplus.unanswered = None;
        }
    }

    /// The stops that the office has not answered, the oldest first.
    pub(crate) fn unanswered(&self) -> Vec<Line> {
        self.0.iter().filter_map(|known| known.stop.as_ref()?.unanswered.as_deref().cloned()).collect()
    }

    /// Whether a stop was sent over this connection, and the office has not answered a ping after it.
    pub(crate) fn awaits_answer(&self) -> bool {
        self.0
            .iter()
            .filter_map(|known| known.stop.as_ref())
            .any(|stop| stop.unanswered.is_some() && stop.pings_before.is_some())
    }

    /// The office has answered this many pings of this connection. It answers in order: what was sent before them is stored, or was
    /// refused with a sentence for the person. Returns whether that is news.
    pub(crate) fn pings_answered(&mut self, answered: u64) -> bool {
        let mut news = false;
        for stop in self.0.iter_mut().filter_map(|known| known.stop.as_mut()) {
            if stop.pings_before.is_some_and(|before| before < answered) {
                news |= stop.unanswered.take().is_some();
            }
        }
        news
    }

    fn raise(&mut self, to: &Line, since_ms: Option<u64>, stop: Option<Stop>) -> bool {
        let known = self.0.iter().find(|known| known.line == to.line).map_or(1, |known| known.version);
        if to.version <= known {
            return false;
        }
        self.0.retain(|known| known.line != to.line);
        if self.0.len() == MAX_KNOWN {
            let least = self.0.iter().position(|known| known.since_ms.is_some()).unwrap_or(0);
            self.0.remove(least);
        }
        self.0.push(KnownLine { line: to.line, version: to.version, since_ms, stop });
        true
    }

    /// Whether this device stopped this version of a line itself.
    pub(crate) fn is_stopped(&self, over: &OverLine) -> bool {
        let stop = self.0.iter().find(|known| known.line == over.line).and_then(|known| known.stop.as_ref());
        stop.is_some_and(|stop| stop.previous == Some(over.statement_sha256))
    }

    /// What is known of the line, if that is newer than this version.
    pub(crate) fn newer_than(&self, version: &Line) -> Option<&KnownLine> {
        self.0.iter().find(|known| known.line == version.line && known.version > version.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use telcon_proto::{
        Card, OfficeName, PersonId, RecordMode, Role,
        line::{LineTerms, Reach},
    };
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn line(n: u16, version: u32, state: LineState) -> Line {
        let office = OfficeName::parse("office.example").unwrap();
        let card = |role| Card {
            person: PersonId::from_bytes([1; 16]),
            office: office.clone(),
            name: "A".into(),
            organisation: "B".into(),
            role,
            zone: "UTC".into(),
            place: false,
        };
        let mut id = [0; 16];
        id[..2].copy_from_slice(&n.to_be_bytes());
        Line {
            office: office.clone(),
            line: LineId::from_bytes(id),
            version,
            previous: None,
            principal: card(Role::Principal),
            holder: card(Role::Counterpart),
            device: None,
            terms: LineTerms {
                reach: Reach::Direct,
                hours: None,
                until_ms: None,
                rings_per_day: None,
                mode: RecordMode::Memo,
                purpose: String::new(),
            },
            state,
            at_ms: 1,
            on_behalf: None,
        }
    }

    #[test]
    fn a_version_below_the_newest_is_known_to_be_old() {
        let mut known = KnownLines::default();
        let at = |version| line(1, version, LineState::Live);
        assert!(!known.saw(&at(1), 10) && known.is_empty(), "nothing is below the first");
        assert!(known.saw(&at(3), 10) && !known.saw(&at(2), 20) && !known.saw(&at(3), 30));
        assert_eq!([1, 2, 3, 4].map(|version| known.newer_than(&at(version)).is_some()), [true, true, false, false]);
        assert!(known.newer_than(&line(2, 1, LineState::Live)).is_none(), "another line");
        let newer = known.newer_than(&at(2)).unwrap();
        assert_eq!([9, 10, 30].map(|opened_ms| newer.was_logged_at(opened_ms)), [false, true, true]);
    }

    #[test]
    fn a_stop_counts_from_its_signature_and_what_is_in_use_from_the_log() {
        let mut known = KnownLines::default();
        known.stopped(&line(1, 2, LineState::Live), 0);
        assert!(known.is_empty());
        known.stopped(&line(1, 2, LineState::Paused), 0);
        let first = line(1, 1, LineState::Live);
        assert!(!known.newer_than(&first).unwrap().was_logged_at(u64::MAX), "the office may not have it yet");
        assert!(known.saw(&line(1, 2, LineState::Paused), 7));
        assert!(known.newer_than(&first).unwrap().was_logged_at(7));
    }

    #[test]
    fn what_was_seen_again_and_what_this_device_stopped_are_forgotten_later() {
        let mut known = KnownLines::default();
        let last = MAX_KNOWN as u16;
        known.stopped(&line(0, 2, LineState::Paused), 0);
        for n in 1..last {
            assert!(known.saw(&line(n, 2, LineState::Ended), 1));
        }
        assert!(!known.saw(&line(1, 2, LineState::Ended), 5), "no news");
        let is_known = |known: &KnownLines, n| known.newer_than(&line(n, 1, LineState::Live)).is_some();
        assert!(known.saw(&line(last, 2, LineState::Ended), 1));
        assert_eq!([0, 1, 2, 3, last].map(|n| is_known(&known, n)), [true, true, false, true, true]);
        for n in last + 1..3 * last {
            assert!(known.saw(&line(n, 2, LineState::Ended), 1));
        }
        assert_eq!([0, 1, last].map(|n| is_known(&known, n)), [true, false, false]);
        assert_eq!(known.0.len(), MAX_KNOWN);
        // Where there is nothing else, the first of them.
        let mut own = KnownLines::default();
        for n in 0..=last {
            own.stopped(&line(n, 2, LineState::Paused), 0);
        }
        assert_eq!([0, 1, last].map(|n| is_known(&own, n)), [false, true, true]);
    }

    #[test]
    fn the_least_recent_are_forgotten_first() {
        let mut known = KnownLines::default();
        for n in 0..MAX_KNOWN as u16 + 1 {
            assert!(known.saw(&line(n, 2, LineState::Ended), 1));
        }
        assert_eq!(known.0.len(), MAX_KNOWN);
        let is_known = |n| known.newer_than(&line(n, 1, LineState::Live)).is_some();
        assert_eq!([is_known(0), is_known(1), is_known(MAX_KNOWN as u16)], [false, true, true]);
        let stored = serde_json::to_string(&known).unwrap();
        assert_eq!(serde_json::from_str::<KnownLines>(&stored).unwrap().0, known.0);
    }
}
