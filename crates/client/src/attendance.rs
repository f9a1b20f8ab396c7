//! Of whom the note-taker heard how much. Everybody who speaks sends all the time, silence too; where nothing comes of one of
//! them, something is missing, whoever else is heard.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use telcon_proto::{Card, DeviceId, limits::FRAME_MS};

/// For how long nothing may come before the record says so, milliseconds. A device that joins, and one that comes back after
/// a reload, is there sooner.
pub(crate) const GAP_MS: u64 = 4_000;
/// Share of a speaker's packets that may be lost before the record is signed as partial, per cent: with less, what was said can be
/// understood (docs/network.md).
const MUCH_LOST_PERCENT: u64 = 5;
/// Packets below which nothing can be said of a share.
const LEAST_PACKETS: u64 = 50;
/// A packet this far behind the newest, under a later key, is of a device that reloaded and counts from 0 again. Copies are of
/// packets less far behind.
const RELOADED: u64 = 50;
/// So many packets missing in a row are a time in which nothing came: a second, in which a word is lost that no copy brings back.
const HOLE: u64 = 1_000 / FRAME_MS;
/// How many who speak a record names of whom something is missing.
const MAX_NAMED: usize = 4;

/// A time in which nothing of a speaker came.
#[derive(Debug, PartialEq)]
pub(crate) struct Gap {
    /// Whose.
    pub(crate) device: DeviceId,
    /// From when, milliseconds.
    pub(crate) since_ms: u64,
}

/// What is known of everybody who speaks in a call.
#[derive(Default)]
pub(crate) struct Attendance {
    speakers: BTreeMap<DeviceId, Speaker>,
}

#[derive(Default)]
struct Speaker {
    name: String,
    /// Since when it is in the call; none while it is not.
    here_since_ms: Option<u64>,
    came: Option<Came>,
    missed_ms: u64,
}

/// The packets of a speaker that came.
struct Came {
    first_ms: u64,
    last_ms: u64,
    stream: (u64, u32),
    newest: u64,
    /// How often it began to count anew.
    run: u32,
    packets: u64,
    lost: u64,
}

impl Attendance {
    /// These are in the call from now on. Gives the gaps of those who left it.
    pub(crate) fn members(&mut self, members: &[(DeviceId, Card)], live_ms: Option<u64>, now_ms: u64) -> Vec<Gap> {
        let speak = |device: &DeviceId| members.iter().find(|(member, card)| member == device && card.role.speaks());
        let mut gaps = Vec::new();
        for (device, speaker) in &mut self.speakers {
            if speak(device).is_none() {
                gaps.extend(speaker.gap(*device, live_ms, now_ms));
                speaker.here_since_ms = None;
            }
        }
        for (device, card) in members.iter().filter(|(_, card)| card.role.speaks()) {
            let speaker = self.speakers.entry(*device).or_default();
            speaker.name.clone_from(&card.name);
            speaker.here_since_ms.get_or_insert(now_ms);
        }
        gaps
    }

    /// A packet came, by the epoch and leaf of its key and its authenticated counter. Gives which run of the counter it is of,
    /// and the gap before it.
    pub(crate) fn packet(
        &mut self,
        device: DeviceId,
        stream: (u64, u32),
        counter: u64,
        live_ms: Option<u64>,
        now_ms: u64,
    ) -> (u32, Option<Gap>) {
        let speaker = self.speakers.entry(device).or_default();
        let silent = speaker.gap(device, live_ms, now_ms);
        let came = speaker.came.get_or_insert(Came {
            first_ms: now_ms,
            last_ms: now_ms,
            stream,
            newest: counter.saturating_sub(1),
            run: 0,
            packets: 0,
            lost: 0,
        });
        let missing = came.packet(stream, counter, now_ms);
        let run = came.run;
        (run, silent.or_else(|| speaker.hole(device, missing, live_ms, now_ms)))
    }

    /// The call is over. Gives the gaps of those who were in it.
    pub(crate) fn over(&mut self, live_ms: Option<u64>, now_ms: u64) -> Vec<Gap> {
        self.speakers.iter_mut().filter_map(|(device, speaker)| speaker.gap(*device, live_ms, now_ms)).collect()
    }

    /// Whether there are people in the call who speak, and nothing comes of any of them.
    pub(crate) fn hears_nobody(&self, live_ms: Option<u64>, now_ms: u64) -> bool {
        let mut here = self.speakers.values().filter(|speaker| speaker.here_since_ms.is_some()).peekable();
        here.peek().is_some() && here.all(|speaker| speaker.silent_since(live_ms, now_ms).is_some())
    }

    /// It is known elsewhere for how long nothing came of anybody.
    pub(crate) fn excuse(&mut self, gap: &Gap, now_ms: u64) {
        if let Some(speaker) = self.speakers.get_mut(&gap.device) {
            speaker.missed_ms = speaker.missed_ms.saturating_sub(now_ms.saturating_sub(gap.since_ms));
        }
    }

    /// The name of a speaker.
    pub(crate) fn name(&self, device: DeviceId) -> String {
        self.speakers.get(&device).map(|speaker| speaker.name.clone()).unwrap_or_default()
    }

    /// What of whom is missing so much that the record is not whole, if anything.
    pub(crate) fn lacks(&self) -> Option<String> {
        let name = |speaker: &Speaker| match speaker.name.as_str() {
            "" => "a speaker".to_owned(),
            name => name.to_owned(),
        };
        let missed = self.speakers.values().filter(|speaker| speaker.missed_ms > 0);
        let missed = missed.map(|one| format!("for {} s nothing of {}", one.missed_ms.div_ceil(1000), name(one)));
        let lost = self.speakers.values().filter(|one| one.missed_ms == 0 && one.percent_lost() >= MUCH_LOST_PERCENT);
        let lost = lost.map(|one| format!("only {} % of the sound of {}", 100 - one.percent_lost(), name(one)));
        let mut all: Vec<String> = missed.chain(lost).collect();
        if all.len() > MAX_NAMED {
            all.truncate(MAX_NAMED);
            all.push("not all of others".to_owned());
        }
        (!all.is_empty()).then(|| format!("{} came to the note-taker", all.join(" and ")))
    }

    /// For the record's events.
    pub(crate) fn told(&self) -> Vec<Value> {
        let one = |(device, speaker): (&DeviceId, &Speaker)| {
            let (packets, lost) = speaker.came.as_ref().map_or((0, 0), |came| (came.packets, came.lost()));
            json!({ "from": device, "packets": packets, "lost": lost, "missed_ms": speaker.missed_ms })
        };
        self.speakers.iter().map(one).collect()
    }
}

impl Speaker {
    /// Since when nothing came, if that is too long.
    fn silent_since(&self, live_ms: Option<u64>, now_ms: u64) -> Option<u64> {
        let since = live_ms?.max(self.here_since_ms?).max(self.came.as_ref().map_or(0, |came| came.last_ms));
        (now_ms.saturating_sub(since) > GAP_MS).then_some(since)
    }

    fn gap(&mut self, device: DeviceId, live_ms: Option<u64>, now_ms: u64) -> Option<Gap> {
        let since_ms = self.silent_since(live_ms, now_ms)?;
        self.missed_ms += now_ms - since_ms;
        Some(Gap { device, since_ms })
    }

    /// The time of so many missing packets before the one that came now, if it is long. Whoever counts too fast makes none.
    fn hole(&mut self, device: DeviceId, missing: u64, live_ms: Option<u64>, now_ms: u64) -> Option<Gap> {
        let came = self.came.as_mut()?;
        let here_ms = now_ms.saturating_sub(live_ms?.max(self.here_since_ms?));
        // Nothing is missing of the time when it was not in the call.
        let missing = missing.min(came.lost());
        let missed = missing.min(here_ms / FRAME_MS);
        came.lost -= missing - missed;
        let gap = Gap { device, since_ms: now_ms - missed * FRAME_MS };
        self.missed_ms += if missed >= HOLE { missed * FRAME_MS } else { 0 };
        (missed >= HOLE).then_some(gap)
    }

    fn percent_lost(&self) -> u64 {
        let Some(came) = &self.came else { return 0 };
        let all = came.packets + came.lost();
        if all < LEAST_PACKETS { 0 } else { came.lost() * 100 / all }
    }
}

impl Came {
    /// Gives how many packets are missing between the newest before and this one.
    fn packet(&mut self, stream: (u64, u32), counter: u64, now_ms: u64) -> u64 {
        let mut missing = 0;
        self.packets += 1;
        self.last_ms = self.last_ms.max(now_ms);
        if counter > self.newest {
            missing = counter - self.newest - 1;
            self.lost = self.lost.saturating_add(missing);
        } else if stream > self.stream && self.newest - counter > RELOADED {
            self.run += 1;
        } else {
            // Late, or as a copy.
            self.lost = self.lost.saturating_sub(1);
            return 0;
        }
        (self.newest, self.stream) = (counter, self.stream.max(stream));
        missing
    }

    /// Packets that were missing: as many as the counters say, and no more than there was time for. A member that counts too
    /// fast lost nothing.
    fn lost(&self) -> u64 {
        let time_for = (self.last_ms - self.first_ms) / FRAME_MS + 1;
        self.lost.min(time_for.saturating_sub(self.packets))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use telcon_proto::{PersonId, Role};

    const A: DeviceId = DeviceId::from_bytes([1; 16]);
    const B: DeviceId = DeviceId::from_bytes([2; 16]);
    const KEY: (u64, u32) = (2, 0);

    fn members() -> Vec<(DeviceId, Card)> {
        let card = |n: u8, name: &str, role| Card {
            person: PersonId::from_bytes([n; 16]),
            name: name.into(),
            organisation: "Office".into(),
            role,
            zone: "UTC".into(),
        };
        let desk = DeviceId::from_bytes([3; 16]);
        vec![
            (A, card(1, "A", Role::Principal)),
            (B, card(2, "B", Role::Counterpart)),
            (desk, card(3, "Desk", Role::DutyOfficer)),
        ]
    }

    /// A call of some seconds, live from the first: who came in which of its frames, by counter.
    fn call(seconds: u64, came: impl Fn(DeviceId, u64) -> Option<u64>) -> Attendance {
        let mut attendance = Attendance::default();
        attendance.members(&members(), None, 0);
        for frame in 0..seconds * 50 {
            for device in [A, B] {
                if let Some(counter) = came(device, frame) {
                    attendance.packet(device, KEY, counter, Some(0), 20 * frame);
                }
            }
        }
        attendance.over(Some(0), seconds * 1_000);
        attendance
    }

    #[test]
    fn whoever_is_not_heard_for_some_seconds_is_missed_whoever_else_is() {
        assert_eq!(call(30, |_, frame| Some(frame)).lacks(), None);
        let hole = |frame: u64| (500..800).contains(&frame);
        let lacks = call(30, |device, frame| (device == B || !hole(frame)).then_some(frame)).lacks();
        assert_eq!(lacks.as_deref(), Some("for 7 s nothing of A came to the note-taker"));
        let lacks = call(30, |device, frame| (device == A).then_some(frame)).lacks();
        assert_eq!(lacks.as_deref(), Some("for 30 s nothing of B came to the note-taker"), "nothing at all");
        let lacks = call(30, |device, frame| (device == A || frame < 1_200).then_some(frame)).lacks();
        assert_eq!(lacks.as_deref(), Some("for 7 s nothing of B came to the note-taker"), "to the end");
    }

    #[test]
    fn shorter_holes_are_lost_packets_however_many_there_are() {
        // Eight tenths of every three seconds.
        let lacks = call(60, |device, frame| (device == B || frame % 150 > 40).then_some(frame)).lacks();
        assert_eq!(lacks.as_deref(), Some("only 74 % of the sound of A came to the note-taker"));
        assert_eq!(call(60, |_, frame| (frame % 50 > 0).then_some(frame)).lacks(), None, "two in a hundred");
    }

    #[test]
    fn a_hole_of_seconds_is_a_time_in_which_nothing_came_though_packets_come_again_at_once() {
        // As to a note-taker that stood still for three seconds of two minutes, and whose system kept the first of them.
        let came = |frame: u64| !(1_010..1_150).contains(&frame);
        let mut attendance = Attendance::default();
        attendance.members(&members(), None, 0);
        let mut gaps = Vec::new();
        for frame in (0..6_000).filter(|frame| came(*frame)) {
            let now_ms = 20 * if (1_000..1_150).contains(&frame) { 1_150 } else { frame };
            for device in [A, B] {
                gaps.extend(attendance.packet(device, KEY, frame, Some(0), now_ms).1);
            }
        }
        let gap = |device| Gap { device, since_ms: 20_200 };
        assert_eq!(gaps, [gap(A), gap(B)]);
        let lacks = "for 3 s nothing of A and for 3 s nothing of B came to the note-taker";
        assert_eq!(attendance.lacks().as_deref(), Some(lacks));
    }

    #[test]
    fn what_was_said_before_somebody_came_back_is_no_hole() {
        let mut attendance = call(10, |_, frame| Some(frame));
        attendance.members(&members()[1..], Some(0), 10_000);
        attendance.members(&members(), Some(0), 13_000);
        assert_eq!(attendance.packet(A, KEY, 655, Some(0), 13_100), (0, None));
        assert_eq!(attendance.lacks(), None);
    }

    #[test]
    fn a_member_that_counts_too_fast_has_lost_nothing() {
        let attendance = call(30, |_, frame| Some(11 * frame));
        assert_eq!((attendance.lacks(), attendance.told()[0]["lost"].as_u64()), (None, Some(0)));
        let attendance = call(30, |_, frame| Some(if frame > 700 { u64::MAX - 2_000 + frame } else { frame }));
        assert_eq!(attendance.lacks(), None);
    }

    #[test]
    fn copies_make_good_for_what_was_lost_and_a_reload_is_another_run() {
        let mut attendance = Attendance::default();
        let mut run = |stream, counters: &[u64], at_ms: u64| {
            let mut runs = Vec::new();
            for (n, counter) in counters.iter().enumerate() {
                runs.push(attendance.packet(A, stream, *counter, Some(0), at_ms + 20 * n as u64).0);
            }
            (runs.last().copied(), attendance.speakers[&A].came.as_ref().unwrap().lost)
        };
        assert_eq!(run(KEY, &[7, 8, 11, 10, 9, 12], 0), (Some(0), 0));
        assert_eq!(run(KEY, &[16], 120), (Some(0), 3));
        assert_eq!(run(KEY, &[400], 8_000), (Some(0), 386), "a jump under one key is loss");
        assert_eq!(run((3, 0), &[399], 8_020), (Some(0), 385), "a copy, under the key after");
        assert_eq!(run((4, 0), &[0, 1, 2], 9_000), (Some(1), 385));
    }

    #[test]
    fn who_left_is_not_missed_and_who_comes_back_is() {
        let mut attendance = call(10, |_, frame| Some(frame));
        let all = members();
        assert_eq!(attendance.members(&all[..1], Some(0), 10_000), []);
        for frame in 500..1_000 {
            attendance.packet(A, KEY, frame, Some(0), 20 * frame);
        }
        assert!(!attendance.hears_nobody(Some(0), 20_000));
        assert_eq!(attendance.members(&all, Some(0), 20_000), []);
        assert_eq!(attendance.lacks(), None);
        assert_eq!(attendance.over(Some(0), 26_000).len(), 2);
        assert_eq!(
            attendance.lacks().as_deref(),
            Some("for 7 s nothing of A and for 6 s nothing of B came to the note-taker")
        );
        assert!(attendance.hears_nobody(Some(0), 26_000) && !attendance.hears_nobody(None, 26_000));
    }
}
