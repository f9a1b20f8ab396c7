//! The note-taker: a visible participant that records a call, seals the record on its own machine, and never stores any of it
//! unencrypted.
//!
//! [`NoteTaker`] receives the call's media; one [`session::RecordingSession`] per call collects and seals the record
//! ([`files`], [`audio`]); [`delivery`] uploads sealed records to the archive.

mod audio;
pub mod delivery;
mod files;
mod pending;
mod session;
mod transcript;
mod unfinished;

use crate::{
    attendance::MAX_GAP_MS,
    endpoint::MediaSink,
    transcription::{Language, Recognizer, Transcriber},
};
use pending::PendingStore;
use serde::Serialize;
use session::RecordingSession;
use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{Receiver, Sender, channel},
    },
    time::{Duration, Instant},
};
use telcon_core::{Engine, Event, call::captions::Caption, peer_log::LogFork};
use telcon_proto::{CallId, Card, DeviceId, PersonId, Qualified, RecordMode, message::NoticeState};
use telcon_record::{CustodianRecipient, RecordError};
use transcript::LiveTranscript;
pub use unfinished::{seal_unfinished, unfinished_records};

/// Interval of sealing, milliseconds. A note-taker that is killed loses at most this much. Each part costs about 1.5 KB for the
/// custodians' stanzas.
pub const PART_INTERVAL_MS: u64 = 5_000;
// The record of a call of a day is accepted by the archive, with about 130 bytes per part in the seal.
const _: () = {
    use telcon_proto::limits::{MAX_RECORD_PARTS, MAX_SEAL_BYTES};
    assert!(MAX_RECORD_PARTS as u64 * PART_INTERVAL_MS >= 24 * 3_600_000);
    assert!(MAX_RECORD_PARTS * 150 <= MAX_SEAL_BYTES);
};
/// Interval at which a finished record is retried while the disk is full.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// The ending of a call that this device dropped out of, see [`telcon_core::view::CallView::ended`].
const INTERRUPTED: &str = "interrupted";

/// One line of the transcript, for the process that runs the note-taker.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TranscriptLine {
    /// The speaker's device, identified by its media key.
    pub speaker: DeviceId,
    /// Start, seconds since the call was answered.
    pub start_s: f64,
    /// End, seconds since the call was answered.
    pub end_s: f64,
    /// The recognized text.
    pub text: String,
}

/// An event of the note-taker.
#[derive(Debug)]
pub enum NoteEvent {
    /// The record of a call is sealed and signed.
    Sealed {
        /// The call.
        call: CallId,
        /// The record's directory in the spool.
        dir: PathBuf,
        /// The transcript.
        transcript: Vec<TranscriptLine>,
    },
    /// This device dropped out of a call that may continue: its unfinished record is in the spool.
    Unfinished(CallId),
    /// A problem, and what to do about it.
    Problem(String),
}

/// Configuration of a note-taker.
#[derive(Clone)]
pub struct NoteConfig {
    /// Directory of records that are not in the archive yet.
    pub spool: PathBuf,
    /// The recipients that can open the records.
    pub custodians: Vec<CustodianRecipient>,
    /// Creates speech recognizers. Without it, records state that they have no transcript.
    pub recognizers: Option<RecognizerFactory>,
    /// The languages that people speak.
    pub languages: SpokenLanguages,
}

/// Creates the recognizers of a call: one for the transcript, and one for captions, so that captions need not wait.
pub type RecognizerFactory = Arc<dyn Fn() -> (Box<dyn Recognizer + Send>, Box<dyn Recognizer + Send>) + Send + Sync>;

/// The languages that people speak, as configured. Without any, the language of each passage is detected.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SpokenLanguages {
    /// The language of everybody without an own one.
    pub default: Option<Language>,
    /// The languages of certain people.
    pub people: BTreeMap<Qualified<PersonId>, Language>,
}

impl SpokenLanguages {
    /// The language of a person; none if it is to be detected.
    pub fn of(&self, card: &Card) -> Option<Language> {
        self.people.get(&card.qualified()).copied().or(self.default)
    }
}

/// A [`MediaSink`] that records calls.
pub struct NoteTaker {
    config: NoteConfig,
    events: Sender<NoteEvent>,
    session: Option<RecordingSession>,
    /// The last attempt to seal failed.
    sealing_failed: bool,
    suspension: SuspensionDetector,
}

/// Detects that the process was suspended, from the time between ticks.
struct SuspensionDetector {
    last_active: Instant,
    /// End and duration of the last suspension.
    last_suspension: Option<(Instant, Duration)>,
}

impl SuspensionDetector {
    const THRESHOLD: Duration = Duration::from_millis(MAX_GAP_MS);

    /// Called whenever the process does something.
    fn active(&mut self, now: Instant) {
        let idle = now.saturating_duration_since(self.last_active);
        if idle > Self::THRESHOLD {
            self.last_suspension = Some((now, idle));
        }
        self.last_active = now;
    }

    /// Time since the start of the current or a recent suspension, milliseconds; 0 if there was none.
    fn suspended_for_ms(&mut self, now: Instant) -> u64 {
        self.active(now);
        let recent = self.last_suspension.map(|(until, idle)| (now.saturating_duration_since(until), idle));
        let recent = recent.filter(|(since, _)| *since < Self::THRESHOLD);
        recent.map_or(0, |(since, idle)| (since + idle).as_millis() as u64)
    }
}

impl NoteTaker {
    /// A note-taker, and its events.
    pub fn new(config: NoteConfig) -> (Self, Receiver<NoteEvent>) {
        let (events, receiver) = channel();
        let suspension = SuspensionDetector { last_active: Instant::now(), last_suspension: None };
        (Self { config, events, session: None, sealing_failed: false, suspension }, receiver)
    }

    fn report_problem(&self, problem: impl Into<String>) {
        let _ = self.events.send(NoteEvent::Problem(problem.into()));
    }

    fn start_session(&mut self, call: CallId, engine: &Engine, now_ms: u64) {
        let mode = engine.view().call.map_or(RecordMode::LogOnly, |view| view.mode);
        let recognizers = self.config.recognizers.as_ref().filter(|_| mode != RecordMode::LogOnly);
        let transcriber = recognizers.and_then(|create| {
            let (transcript, captions) = create();
            Transcriber::with_captioner(transcript, captions)
                .map_err(|error| {
                    self.report_problem(format!("this call has no transcript: cannot start a thread ({error})"))
                })
                .ok()
        });
        let live = transcriber.map(|transcriber| {
            // In mode memo no sound is kept, not even encrypted and for half a minute.
            let pending = (mode == RecordMode::Audio).then(|| PendingStore::new(&self.config.spool, call));
            LiveTranscript::new(call, transcriber, self.config.languages.clone(), pending)
        });
        let live_ms = live_since(call, engine, now_ms);
        let session = RecordingSession::new(&self.config, engine, (call, mode), live, live_ms, now_ms);
        self.session = Some(session);
        self.sealing_failed = false;
        self.seal_part(now_ms);
    }

    /// Seals new data, once the call was answered: unanswered calls have no record.
    fn seal_part(&mut self, now_ms: u64) {
        let Some(session) = self.session.as_mut().filter(|session| session.live_ms.is_some()) else { return };
        session.keep_pending(now_ms);
        let sealed = session.files.seal_part(session.sealed_ms);
        self.sealing_failed = sealed.is_err();
        if let Err(error) = sealed {
            self.report_problem(sealing_problem(&error));
        }
    }

    fn end_session(&mut self, how: &str, said_by: Option<DeviceId>, now_ms: u64) {
        let Some(mut session) = self.session.take().filter(|session| session.live_ms.is_some()) else { return };
        session.on_end(how, said_by, now_ms);
        if how == INTERRUPTED {
            // The call may continue, and this device may rejoin it. The record stays unfinished: what was recorded is sealed,
            // and it is either resumed, or closed as partial once the end of the call is known.
            session.keep_pending(now_ms);
            if let Err(error) = session.files.seal_part(session.sealed_ms) {
                self.report_problem(format!(
                    "the last seconds before this device dropped out of a call are lost: {error}"
                ));
            }
            let _ = self.events.send(NoteEvent::Unfinished(session.call));
            return;
        }
        // Recognizing the last words takes seconds, during which the endpoint must be available for the next call.
        let events = self.events.clone();
        let pending = PendingStore::new(&self.config.spool, session.call);
        std::thread::spawn(move || {
            session.complete_transcript(now_ms);
            let finished = finish(session, now_ms, &events);
            if matches!(finished, NoteEvent::Sealed { .. }) {
                pending.delete();
            }
            let _ = events.send(finished);
        });
    }
}

/// Finishes a record; retries while the disk is full.
fn finish(mut session: RecordingSession, now_ms: u64, events: &Sender<NoteEvent>) -> NoteEvent {
    loop {
        match session.finish(now_ms) {
            Ok(()) => {
                let dir = session.files.dir().to_owned();
                return NoteEvent::Sealed { call: session.call, dir, transcript: session.transcript };
            }
            Err(error @ (RecordError::DiskFull { .. } | RecordError::Io { .. })) => {
                let _ = events.send(NoteEvent::Problem(sealing_problem(&error)));
                std::thread::sleep(RETRY_INTERVAL);
            }
            Err(error) => {
                let _ = events.send(NoteEvent::Problem(format!("the record cannot be finished: {error}")));
                // The parts that are sealed already will be closed as a partial record.
                return NoteEvent::Unfinished(session.call);
            }
        }
    }
}

/// When the call was answered, for a device that joins it later; `None` for one that joins before the answer. The server's
/// statement is limited to between the call's opening in the log and now.
fn live_since(call: CallId, engine: &Engine, now_ms: u64) -> Option<u64> {
    let view = engine.view();
    let notice = view.notices.iter().find(|notice| notice.call == call);
    let by_server = notice.and_then(|notice| match notice.state {
        NoticeState::Live { since_ms } => Some(since_ms),
        _ => None,
    });
    // On rejoining, participants state it too, but only after the first packet may have arrived.
    let by_participants = view.call.and_then(|call| call.started_ms);
    let since_ms = by_participants.into_iter().chain(by_server).min()?;
    Some(clamp_answer_time(since_ms, engine.opened_ms(), now_ms))
}

fn clamp_answer_time(since_ms: u64, opened_ms: Option<u64>, now_ms: u64) -> u64 {
    since_ms.clamp(opened_ms.unwrap_or(now_ms).min(now_ms), now_ms)
}

fn sealing_problem(error: &RecordError) -> String {
    format!(
        "the record cannot be sealed: {error}. Free space on the note-taker's disk and leave it running: the recording is \
         kept in memory, and sealing is retried."
    )
}

/// The evidence that the office's log has two versions, for the record of the call in which it came.
fn log_fork(fork: &LogFork, now_ms: u64) -> serde_json::Value {
    serde_json::json!({ "at_ms": now_ms, "what": "log_fork", "fork": fork })
}

impl MediaSink for NoteTaker {
    fn is_recording(&self) -> bool {
        self.session.as_ref().is_some_and(|session| !session.receives_nothing) && !self.sealing_failed
    }

    fn wants_playout(&self) -> bool {
        false
    }

    fn on_packet(&mut self, from: DeviceId, stream: (u64, u32), counter: u64, packet: &[u8], now_ms: u64) {
        if let Some(session) = &mut self.session {
            session.on_packet(from, stream, counter, packet, now_ms);
        }
    }

    fn on_event(&mut self, event: &Event, engine: &Engine, now_ms: u64) {
        match event {
            Event::Epoch { call, epoch, authenticator, members, speakers, acts_for, line } => {
                if self.session.as_ref().is_none_or(|session| session.call != *call) {
                    self.start_session(*call, engine, now_ms);
                }
                let Some(session) = &mut self.session else { return };
                let authenticator = telcon_proto::hex(authenticator);
                let ids: Vec<_> = members.iter().map(|(device, _)| device.to_hex()).collect();
                session.files.push_event(serde_json::json!({
                    "at_ms": now_ms, "what": "epoch", "epoch": epoch, "authenticator": authenticator, "members": ids,
                }));
                if let Some(line) = line {
                    session.on_line(line, now_ms);
                }
                session.on_members(members, speakers, acts_for, now_ms);
            }
            Event::OnShift { call, device, on_shift } => {
                if let Some(session) = self.session.as_mut().filter(|session| session.call == *call) {
                    session.on_shift(*device, on_shift, now_ms);
                }
            }
            Event::Held { call, by, said } => {
                if let Some(session) = self.session.as_mut().filter(|session| session.call == *call) {
                    session.on_hold(by, said.as_ref(), now_ms);
                }
            }
            Event::GreenRoom { call, what } => {
                if let Some(session) = self.session.as_mut().filter(|session| session.call == *call) {
                    session.on_green_room(what, now_ms);
                }
            }
            Event::Assigned { .. } => {}
            Event::LogFork(fork) => {
                if let Some(session) = self.session.as_mut().filter(|session| session.call == fork.call) {
                    session.files.push_event(log_fork(fork, now_ms));
                }
            }
            Event::Live { .. } => {
                // After a suspension the answer may have arrived at any time during it.
                let suspended_ms = self.suspension.suspended_for_ms(Instant::now());
                if let Some(session) = &mut self.session {
                    session.on_live(now_ms.saturating_sub(suspended_ms), now_ms);
                }
                // Sealed at once, so that a note-taker killed in the first seconds leaves a record that can be resumed.
                self.seal_part(now_ms);
            }
            Event::Ended { call, how, signed_by } => {
                if self.session.as_ref().is_none_or(|session| session.call != *call) {
                    // An earlier run may have started its record, and this one was not admitted any more.
                    let _ = self.events.send(NoteEvent::Unfinished(*call));
                    return;
                }
                self.end_session(how, *signed_by, now_ms);
            }
        }
    }

    fn on_stop(&mut self, now_ms: u64) {
        self.seal_part(now_ms);
    }

    fn on_tick(&mut self, now_ms: u64) -> Vec<Caption> {
        self.suspension.active(Instant::now());
        let Some(session) = &mut self.session else { return Vec::new() };
        session.check_attendance(now_ms);
        session.feed_recognizer(now_ms);
        let captions = session.take_captions(now_ms);
        if now_ms >= session.sealed_ms + PART_INTERVAL_MS {
            session.sealed_ms = now_ms;
            self.seal_part(now_ms);
        }
        captions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_cannot_move_the_answer_out_of_the_call() {
        assert_eq!(clamp_answer_time(1_500, Some(1_000), 2_000), 1_500);
        for (stated, expected) in [(0, 1_000), (1, 1_000), (5_600_000, 2_000), (u64::MAX, 2_000)] {
            assert_eq!(clamp_answer_time(stated, Some(1_000), 2_000), expected);
        }
        assert_eq!(clamp_answer_time(7, Some(u64::MAX), 2_000), 2_000, "clocks that differ");
        assert_eq!(clamp_answer_time(7, None, 2_000), 2_000);
    }

    #[test]
    fn a_suspension_is_detected_and_forgotten_after_a_while() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut detector = SuspensionDetector { last_active: start, last_suspension: None };
        detector.active(at(20));
        assert_eq!(detector.suspended_for_ms(at(40)), 0);
        assert_eq!(detector.suspended_for_ms(at(10_040)), 10_000);
        assert_eq!(detector.suspended_for_ms(at(10_140)), 10_100);
        assert_eq!(detector.suspended_for_ms(at(13_900)), 13_860);
        detector.active(at(16_000));
        assert_eq!(detector.suspended_for_ms(at(17_000)), 0);
    }
}
