//! The note-taker: a visible member that writes the record of a call, seals it where it was heard, and never has any
//! of it on its disk in the clear.

mod taking;

use crate::{
    attendance::GAP_MS,
    endpoint::Ear,
    hearing::{Recogniser, Scribe},
};
use serde::Serialize;
use std::{
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, Sender, channel},
    time::{Duration, Instant},
};
use taking::{Taking, date, sign};
use telcon_core::{Engine, Event, call::captions::Caption};
use telcon_proto::{CallId, DeviceId, RecordMode, message::NoticeState};
use telcon_record::{BagInfo, CustodianRecipient, RecordError, RecordWriter, Recovered};

/// How often what was heard is sealed, milliseconds. A note-taker that is killed loses at most this much, and a part
/// has a cost of about 1.5 KB for the custodians' stanzas.
pub const PART_EVERY_MS: u64 = 5_000;
// A call of a day has a record that the archive takes, in lines of about 130 bytes.
const _: () = {
    use telcon_proto::limits::{MAX_RECORD_PARTS, MAX_SEAL_BYTES};
    assert!(MAX_RECORD_PARTS as u64 * PART_EVERY_MS >= 24 * 3_600_000);
    assert!(MAX_RECORD_PARTS * 150 <= MAX_SEAL_BYTES);
};
/// How long a finished record waits before it tries a full disk again.
const TRY_AGAIN: Duration = Duration::from_secs(1);
/// How a call ended from which this device fell out, see [`telcon_core::view::CallView::ended`].
const INTERRUPTED: &str = "interrupted";

/// One line of the transcript, for whoever started the note-taker.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    /// Who spoke, by key.
    pub speaker: DeviceId,
    /// Seconds since the call was live.
    pub start_s: f64,
    /// Seconds since the call was live.
    pub end_s: f64,
    /// What the machine heard.
    pub text: String,
}

/// What a note-taker reports.
#[derive(Debug)]
pub enum Report {
    /// The record of a call is sealed and signed, in this directory.
    Sealed {
        /// The call.
        call: CallId,
        /// The record's directory in the spool.
        dir: PathBuf,
        /// The transcript.
        transcript: Vec<Line>,
    },
    /// This device fell out of a call that may go on: its record is in the spool, and not finished.
    Unfinished(CallId),
    /// Something went wrong, and what to do.
    Trouble(String),
}

/// Where and for whom a note-taker writes.
pub struct NoteConfig {
    /// Directory of records that are not in the archive yet.
    pub spool: PathBuf,
    /// Whose keys open the records.
    pub custodians: Vec<CustodianRecipient>,
    /// Makes the speech recognisers; none: the record says that it has no transcript.
    pub recogniser: Option<MakeRecognisers>,
}

/// Makes the recognisers of one call: one for the transcript, and one for captions, which must not wait for it.
pub type MakeRecognisers = Box<dyn Fn() -> (Box<dyn Recogniser + Send>, Box<dyn Recogniser + Send>) + Send>;

/// An [`Ear`] that writes records.
pub struct NoteTaker {
    config: NoteConfig,
    reports: Sender<Report>,
    taking: Option<Taking>,
    /// What was to be sealed last could not be.
    failing: bool,
    /// When this process was last seen to run.
    ran: Instant,
    /// When it went on after it stood still, and for how long it did.
    still: Option<(Instant, Duration)>,
}

impl NoteTaker {
    /// A note-taker, and what it reports.
    pub fn new(config: NoteConfig) -> (Self, Receiver<Report>) {
        let (reports, taken) = channel();
        (Self { config, reports, taking: None, failing: false, ran: Instant::now(), still: None }, taken)
    }

    fn trouble(&self, text: impl Into<String>) {
        let text = text.into();
        tracing::error!("{text}");
        let _ = self.reports.send(Report::Trouble(text));
    }

    /// Something is done now.
    fn runs(&mut self) {
        let (now, stood) = (Instant::now(), self.ran.elapsed());
        if stood > Duration::from_millis(GAP_MS) {
            self.still = Some((now, stood));
        }
        self.ran = now;
    }

    /// For how long this process stood still until now, or just before: milliseconds, 0 if it did not.
    fn stood_still_ms(&mut self) -> u64 {
        self.runs();
        let lately = self.still.filter(|(until, _)| until.elapsed() < Duration::from_millis(GAP_MS));
        lately.map_or(0, |(until, stood)| (until.elapsed() + stood).as_millis() as u64)
    }

    fn begin(&mut self, call: CallId, engine: &Engine, now_ms: u64) {
        let mode = engine.view().call.map_or(RecordMode::LogOnly, |view| view.mode);
        let scribe = match self.config.recogniser.as_ref().filter(|_| mode != RecordMode::LogOnly) {
            Some(make) => {
                let (transcript, captions) = make();
                match Scribe::with_captioner(transcript, captions) {
                    Ok(scribe) => Some(scribe),
                    Err(error) => {
                        self.trouble(format!("no transcript of this call: the system gives no thread ({error})"));
                        None
                    }
                }
            }
            None => None,
        };
        let live_ms = live_since(call, engine, now_ms);
        self.taking = Some(Taking::new(&self.config, engine, (call, mode), scribe, live_ms, now_ms));
        self.failing = false;
        self.seal();
    }

    /// Seals what is new, once there is something to keep: of a call that nobody answers there is no record.
    fn seal(&mut self) {
        let sealed = match &mut self.taking {
            Some(taking) if taking.live_ms.is_some() => taking.seal(),
            _ => return,
        };
        self.failing = sealed.is_err();
        if let Err(error) = sealed {
            self.trouble(cannot_be_sealed(&error));
        }
    }

    fn finish(&mut self, how: &str, said_by: Option<DeviceId>, now_ms: u64) {
        let Some(mut taking) = self.taking.take() else { return };
        if taking.live_ms.is_none() {
            return;
        }
        taking.came(now_ms);
        for gap in taking.attendance.over(taking.live_ms, now_ms) {
            taking.missed(&gap, now_ms);
        }
        taking.events.push(serde_json::json!({ "at_ms": now_ms, "what": "ended", "how": how, "said_by": said_by }));
        taking.end_is_known = said_by.is_some();
        let reports = self.reports.clone();
        if how == INTERRUPTED {
            // The call may go on without this device, which then comes back to it. The record is not finished: what was
            // heard is sealed, and it goes on, or is closed as a partial one, when it is known how the call ended.
            if let Err(error) = taking.seal() {
                self.trouble(format!("the last seconds before this device fell out of a call are lost: {error}"));
            }
            let _ = reports.send(Report::Unfinished(taking.call));
            return;
        }
        // Recognising the last words takes seconds; the endpoint must be free for the next call.
        std::thread::spawn(move || {
            taking.gather(now_ms);
            let report = loop {
                match taking.finish(now_ms) {
                    Ok(()) => {
                        let Taking { spool, lines, call, .. } = taking;
                        break Report::Sealed { call, dir: spool.dir, transcript: lines };
                    }
                    Err(error @ (RecordError::DiskFull { .. } | RecordError::Io { .. })) => {
                        let _ = reports.send(Report::Trouble(cannot_be_sealed(&error)));
                        std::thread::sleep(TRY_AGAIN);
                    }
                    Err(error) => {
                        let _ = reports.send(Report::Trouble(format!("the record could not be finished: {error}")));
                        let call = taking.call;
                        // What is sealed already is a partial record.
                        drop(taking);
                        break Report::Unfinished(call);
                    }
                }
            };
            let _ = reports.send(report);
        });
    }
}

/// Since when the call is live, for a device that comes to it later. None for one that is there from the beginning. The office's
/// server says so, and is believed between the call's opening in the log and now.
fn live_since(call: CallId, engine: &Engine, now_ms: u64) -> Option<u64> {
    let view = engine.view();
    let since = view.notices.iter().find(|notice| notice.call == call).and_then(|notice| match notice.state {
        NoticeState::Live { since_ms } => Some(since_ms),
        _ => None,
    });
    // Whoever comes back is told by the others since when it is live, but only after the first word could have come.
    let since = view.call.and_then(|call| call.started_ms).into_iter().chain(since).min()?;
    Some(believed(since, engine.opened_ms(), now_ms))
}

/// When a call was answered that a server says was answered then.
fn believed(since_ms: u64, opened_ms: Option<u64>, now_ms: u64) -> u64 {
    since_ms.clamp(opened_ms.unwrap_or(now_ms).min(now_ms), now_ms)
}

fn cannot_be_sealed(error: &RecordError) -> String {
    format!(
        "the record cannot be sealed now: {error}. Make room on the note-taker's disk and leave it running: what was heard \
         waits in its memory, and it tries again."
    )
}

/// Calls of which a note-taker that was killed left something in the spool.
pub fn left_behind(spool: &Path) -> Vec<CallId> {
    let Ok(entries) = std::fs::read_dir(spool) else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_string_lossy().parse().ok()).collect()
}

/// Seals and signs what was left of the record of a call that is over, as a partial one. False if nothing of it was
/// ever written.
///
/// # Errors
/// When it cannot be read or written. It stays as it is.
pub fn seal_left_behind(
    spool: &Path,
    custodians: &[CustodianRecipient],
    device: &telcon_core::Device,
    call: CallId,
    now_ms: u64,
) -> Result<bool, RecordError> {
    let dir = &spool.join(call.to_hex());
    let mut sealed = match RecordWriter::recover(dir, custodians) {
        Ok(Recovered::Sealed(sealed)) => sealed,
        Ok(Recovered::Unfinished(mut writer)) => writer.finish(&BagInfo {
            date: date(now_ms),
            partial: true,
            reason: "the note-taker was interrupted and the call ended before it came back".into(),
            extra: Vec::new(),
        })?,
        Err(RecordError::NoRecord(_)) => return Ok(false),
        Err(error) => return Err(error),
    };
    if sealed.seal().jws.is_none() {
        sign(&mut sealed, device.key(), device.chain(), call, now_ms)?;
    }
    Ok(true)
}

impl Ear for NoteTaker {
    fn writes(&self) -> bool {
        self.taking.as_ref().is_some_and(|taking| !taking.hears_nobody) && !self.failing
    }

    fn plays(&self) -> bool {
        false
    }

    fn packet(&mut self, from: DeviceId, stream: (u64, u32), counter: u64, packet: &[u8], now_ms: u64) {
        if let Some(taking) = &mut self.taking {
            taking.came(now_ms);
            taking.packet(from, stream, counter, packet, now_ms);
            taking.hear(from, stream, counter, packet, now_ms);
        }
    }

    fn event(&mut self, event: &Event, engine: &Engine, now_ms: u64) {
        match event {
            Event::Epoch { call, epoch, authenticator, members } => {
                if self.taking.as_ref().is_none_or(|taking| taking.call != *call) {
                    self.begin(*call, engine, now_ms);
                }
                let Some(taking) = &mut self.taking else { return };
                let authenticator: String = authenticator.iter().map(|byte| format!("{byte:02x}")).collect();
                let ids: Vec<_> = members.iter().map(|(device, _)| device.to_hex()).collect();
                taking.events.push(serde_json::json!({
                    "at_ms": now_ms, "what": "epoch", "epoch": epoch, "authenticator": authenticator, "members": ids,
                }));
                for gap in taking.attendance.members(members, taking.live_ms, now_ms) {
                    taking.missed(&gap, now_ms);
                }
                taking.people.extend(members.iter().cloned());
            }
            Event::Live { .. } => {
                // To one that stood still, the answer may have come at any time of that.
                let stood_still_ms = self.stood_still_ms();
                if let Some(taking) = &mut self.taking {
                    taking.live_ms.get_or_insert(now_ms.saturating_sub(stood_still_ms));
                    taking.events.push(serde_json::json!({ "at_ms": now_ms, "what": "live" }));
                }
                // At once, so that a note-taker killed in the first seconds leaves a record that can be taken up again.
                self.seal();
            }
            Event::Ended { call, how, signed_by } => {
                if self.taking.as_ref().is_none_or(|taking| taking.call != *call) {
                    // An earlier run may have begun its record, and this one was not let in any more.
                    let _ = self.reports.send(Report::Unfinished(*call));
                    return;
                }
                self.finish(how, *signed_by, now_ms);
            }
        }
    }

    fn beat(&mut self, now_ms: u64) -> Vec<Caption> {
        self.runs();
        let Some(taking) = &mut self.taking else { return Vec::new() };
        taking.hears_nobody = taking.attendance.hears_nobody(taking.live_ms, now_ms);
        taking.dictate(now_ms, false);
        let heard = taking.scribe.as_mut().map(Scribe::events).unwrap_or_default();
        let captions = taking.listen(heard, now_ms);
        if now_ms >= taking.sealed_ms + PART_EVERY_MS {
            taking.sealed_ms = now_ms;
            self.seal();
        }
        captions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_cannot_move_the_answer_out_of_the_call() {
        assert_eq!(believed(1_500, Some(1_000), 2_000), 1_500);
        for (said, believed_at) in [(0, 1_000), (1, 1_000), (5_600_000, 2_000), (u64::MAX, 2_000)] {
            assert_eq!(believed(said, Some(1_000), 2_000), believed_at);
        }
        assert_eq!(believed(7, Some(u64::MAX), 2_000), 2_000, "clocks that differ");
        assert_eq!(believed(7, None, 2_000), 2_000);
    }
}
