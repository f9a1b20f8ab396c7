//! The note-taker: a visible member that writes the record of a call, seals it where it was heard, and never has any
//! of it on its disk in the clear.

use crate::{
    audio::{frame::Frame, playout::Origin},
    endpoint::Ear,
    hearing::{
        Recogniser, Scribe,
        scribe::{self, Event as Heard},
    },
};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{Receiver, Sender, channel},
    },
};
use telcon_core::{Engine, Event, captions::Caption};
use telcon_identity::{DeviceKey, sign_record};
use telcon_proto::{CallId, Card, DeviceId, RecordMode};
use telcon_record::{
    BagInfo, CustodianRecipient, OpusChunk, RecordError, RecordWriter, Resumed, Salt, Sealed, Segment, ogg_opus,
    salted_json, salted_jsonl, salted_vtt,
};

/// How often what was heard is sealed, milliseconds. A note-taker that is killed loses at most this much, and a part
/// has a cost of about 1.5 KB for the custodians' stanzas.
pub const PART_EVERY_MS: u64 = 5_000;
/// Opus look-ahead that players drop, samples at 48 kHz.
const PRE_SKIP: u16 = 312;

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
}

struct Taking {
    call: CallId,
    mode: RecordMode,
    writer: RecordWriter,
    scribe: Option<Scribe>,
    signing: Signing,
    began_ms: u64,
    live_ms: Option<u64>,
    sealed_ms: u64,
    piece: u32,
    events: Vec<serde_json::Value>,
    people: BTreeMap<DeviceId, Card>,
    numbers: BTreeMap<DeviceId, u32>,
    sound: BTreeMap<DeviceId, Sound>,
    fresh: Vec<Segment>,
    all: Vec<Segment>,
    lines: Vec<Line>,
}

struct Signing {
    key: Arc<DeviceKey>,
    chain: Vec<Vec<u8>>,
}

#[derive(Default)]
struct Sound {
    start_ms: u64,
    first: u64,
    packets: Vec<Vec<u8>>,
}

fn salt() -> Salt {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("invariant: the system has randomness, or nothing was encrypted until here");
    Salt::from_bytes(bytes)
}

/// `YYYY-MM-DD` in UTC of a time since 1970.
fn date(ms: u64) -> String {
    time::OffsetDateTime::from_unix_timestamp((ms / 1000) as i64)
        .map(|t| format!("{:04}-{:02}-{:02}", t.year(), u8::from(t.month()), t.day()))
        .unwrap_or_else(|_| "1970-01-01".into())
}

impl NoteTaker {
    /// A note-taker, and what it reports.
    pub fn new(config: NoteConfig) -> (Self, Receiver<Report>) {
        let (reports, taken) = channel();
        (Self { config, reports, taking: None }, taken)
    }

    fn trouble(&self, text: impl Into<String>) {
        let text = text.into();
        tracing::error!("{text}");
        let _ = self.reports.send(Report::Trouble(text));
    }

    fn begin(&mut self, call: CallId, engine: &Engine, now_ms: u64) -> Result<(), RecordError> {
        let dir = self.config.spool.join(call.to_hex());
        let custodians = &self.config.custodians;
        let writer = match RecordWriter::resume(&dir, custodians) {
            Ok(Resumed::Writing(writer)) => *writer,
            Ok(Resumed::Sealed(_)) => return Err(RecordError::Exists(dir)),
            Err(_) => RecordWriter::create(&dir, custodians, &call.to_hex())?,
        };
        let scribe = match &self.config.recogniser {
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
        let device = engine.device();
        let mode = engine.view().call.map_or(RecordMode::LogOnly, |view| view.mode);
        let session = writer.session();
        let signing = Signing { key: device.shared_key(), chain: device.chain().to_vec() };
        self.taking = Some(Taking {
            call,
            mode,
            writer,
            scribe: scribe.filter(|_| mode != RecordMode::LogOnly),
            signing,
            began_ms: now_ms,
            live_ms: engine.view().call.and_then(|view| view.started_ms),
            sealed_ms: now_ms,
            piece: 0,
            events: vec![serde_json::json!({
                "at_ms": now_ms, "what": "note_taker_joined", "session": session, "mode": mode,
                "transcript": if self.config.recogniser.is_some() { "by machine" } else { "none: no speech model was set" },
                "ring": engine.ring_jws(),
            })],
            people: BTreeMap::new(),
            numbers: BTreeMap::new(),
            sound: BTreeMap::new(),
            fresh: Vec::new(),
            all: Vec::new(),
            lines: Vec::new(),
        });
        Ok(())
    }

    fn finish(&mut self, how: &str, now_ms: u64) {
        let Some(mut taking) = self.taking.take() else { return };
        taking.events.push(serde_json::json!({ "at_ms": now_ms, "what": "ended", "how": how }));
        let reports = self.reports.clone();
        // Recognising the last words takes seconds; the endpoint must be free for the next call.
        std::thread::spawn(move || {
            let report = match taking.finish(now_ms) {
                Ok((dir, transcript, call)) => Report::Sealed { call, dir, transcript },
                Err(error) => Report::Trouble(format!(
                    "the record could not be finished: {error}. Make room on the note-taker's disk and start it again: \
                     it goes on from what is sealed."
                )),
            };
            let _ = reports.send(report);
        });
    }
}

impl Taking {
    fn at(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.live_ms.unwrap_or(self.began_ms))
    }

    fn number(&mut self, device: DeviceId) -> u32 {
        let next = self.numbers.len() as u32;
        *self.numbers.entry(device).or_insert(next)
    }

    fn device(&self, number: u32) -> Option<DeviceId> {
        self.numbers.iter().find(|(_, n)| **n == number).map(|(device, _)| *device)
    }

    fn packet(&mut self, from: DeviceId, counter: u64, packet: &[u8], now_ms: u64) {
        if self.mode != RecordMode::Audio {
            return;
        }
        let at = self.at(now_ms);
        let sound = self.sound.entry(from).or_default();
        if sound.packets.is_empty() {
            (sound.start_ms, sound.first) = (at, counter);
        }
        // A packet has its place by its authenticated counter; places of lost ones stay empty.
        let Some(place) = counter.checked_sub(sound.first).map(|place| place as usize) else { return };
        if place < 50 * 60 {
            if sound.packets.len() <= place {
                sound.packets.resize(place + 1, Vec::new());
            }
            sound.packets[place] = packet.to_vec();
        }
    }

    /// Takes what the scribe heard; gives captions for the desk.
    fn listen(&mut self, heard: Vec<Heard>, now_ms: u64) -> Vec<Caption> {
        let live = self.live_ms.unwrap_or(self.began_ms);
        let mut captions = Vec::new();
        for heard in heard {
            match heard {
                Heard::Caption(line) => {
                    let Some(speaker) = self.device(line.speaker) else { continue };
                    if line.is_final && !line.text.is_empty() {
                        self.keep(speaker, &line);
                    }
                    let end_ms = live + (line.end_s * 1000.0) as u64;
                    captions.push(Caption {
                        speaker,
                        start_ms: live + (line.start_s * 1000.0) as u64,
                        text: line.text,
                        done: line.is_final,
                        behind_ms: now_ms.saturating_sub(end_ms),
                    });
                }
                Heard::Failed { start_s, end_s, error, .. } => self.events.push(serde_json::json!({
                    "at_ms": now_ms, "what": "not_transcribed", "from_s": start_s, "to_s": end_s, "why": error.to_string(),
                })),
            }
        }
        captions
    }

    fn keep(&mut self, speaker: DeviceId, line: &scribe::Caption) {
        let segment = Segment {
            start_ms: (line.start_s * 1000.0) as u64,
            end_ms: (line.end_s * 1000.0) as u64,
            speaker: speaker.to_hex(),
            name: self.people.get(&speaker).map(|card| card.name.clone()).unwrap_or_default(),
            text: line.text.clone(),
            language: None,
        };
        self.fresh.push(segment.clone());
        self.all.push(segment);
        self.lines.push(Line { speaker, start_s: line.start_s, end_s: line.end_s, text: line.text.clone() });
    }

    /// Puts what is new into the record and seals it. On a full disk everything stays in memory for the next try.
    fn seal(&mut self) -> Result<(), RecordError> {
        let piece = self.piece;
        if !self.events.is_empty()
            && let Ok(payload) = salted_jsonl(salt(), &self.events)
        {
            self.writer.add(&format!("events/{piece:06}.jsonl"), payload).map_err(|(error, _)| error)?;
            self.events.clear();
        }
        if !self.fresh.is_empty()
            && let Ok(payload) = salted_jsonl(salt(), &self.fresh)
        {
            self.writer.add(&format!("transcript/{piece:06}.jsonl"), payload).map_err(|(error, _)| error)?;
            self.fresh.clear();
        }
        for (device, sound) in &mut self.sound {
            let packets: Vec<&[u8]> = sound.packets.iter().map(Vec::as_slice).collect();
            let chunk = OpusChunk { start_ms: sound.start_ms, pre_skip: PRE_SKIP, packets: &packets };
            if let Ok(payload) = ogg_opus(salt(), &chunk) {
                let path = format!("audio/{}/{piece:06}.opus", device.to_hex());
                self.writer.add(&path, payload).map_err(|(error, _)| error)?;
            }
            sound.packets.clear();
        }
        self.piece += 1;
        self.writer.flush_part().map(drop)
    }

    fn finish(mut self, now_ms: u64) -> Result<(PathBuf, Vec<Line>, CallId), RecordError> {
        if let Some(scribe) = self.scribe.take() {
            let heard = scribe.finish();
            self.listen(heard, now_ms);
        }
        self.all.sort_by_key(|segment| segment.start_ms);
        self.lines.sort_by(|a, b| a.start_s.total_cmp(&b.start_s));
        if !self.all.is_empty() {
            let cues: Vec<_> = self.all.iter().map(Into::into).collect();
            self.writer.add("transcript.vtt", salted_vtt(salt(), &cues)).map_err(|(error, _)| error)?;
            if let Ok(payload) = salted_json(salt(), &self.all) {
                self.writer.add("transcript.json", payload).map_err(|(error, _)| error)?;
            }
        }
        let people: Vec<_> =
            self.people.iter().map(|(device, card)| serde_json::json!({ "device": device, "card": card })).collect();
        if let Ok(payload) = salted_json(salt(), &people) {
            self.writer.add("participants.json", payload).map_err(|(error, _)| error)?;
        }
        self.seal()?;
        let partial = self.writer.session() > 1;
        let reason = if partial { "the note-taker was interrupted and went on" } else { "" };
        let info = BagInfo { date: date(now_ms), partial, reason: reason.into(), more: Vec::new() };
        let mut sealed = self.writer.finish(&info)?;
        sign(&mut sealed, &self.signing.key, &self.signing.chain, self.call, now_ms)?;
        Ok((sealed.dir().to_owned(), self.lines, self.call))
    }
}

fn sign(sealed: &mut Sealed, key: &DeviceKey, chain: &[Vec<u8>], call: CallId, now_ms: u64) -> Result<(), RecordError> {
    let digest = sealed.record_digest().to_string();
    let partial = sealed.seal().partial;
    let jws = sign_record(key, chain, call, &digest, sealed.parts().len(), partial, now_ms);
    sealed.attach_signature(&jws)
}

/// What a note-taker that was killed left behind: every record in the spool that no call goes on with is sealed as a
/// partial one. Gives the records that are ready for the archive.
///
/// # Errors
/// When the spool cannot be read, or a record in it is damaged.
pub fn recover(
    spool: &Path,
    custodians: &[CustodianRecipient],
    device: &telcon_core::Device,
    still_live: Option<CallId>,
    now_ms: u64,
) -> Result<Vec<(CallId, PathBuf)>, RecordError> {
    let mut ready = Vec::new();
    let Ok(entries) = std::fs::read_dir(spool) else { return Ok(ready) };
    for entry in entries.flatten() {
        let Ok(call) = entry.file_name().to_string_lossy().parse::<CallId>() else { continue };
        if still_live == Some(call) {
            continue;
        }
        let sealed = match RecordWriter::resume(&entry.path(), custodians) {
            Ok(Resumed::Sealed(sealed)) => sealed,
            Ok(Resumed::Writing(mut writer)) => writer.finish(&BagInfo {
                date: date(now_ms),
                partial: true,
                reason: "the note-taker was interrupted and the call ended before it came back".into(),
                more: Vec::new(),
            })?,
            Err(RecordError::NoRecord(_)) => continue,
            Err(error) => return Err(error),
        };
        let mut sealed = sealed;
        if sealed.seal().jws.is_none() {
            sign(&mut sealed, device.key(), device.chain(), call, now_ms)?;
        }
        ready.push((call, entry.path()));
    }
    Ok(ready)
}

impl Ear for NoteTaker {
    fn packet(&mut self, from: DeviceId, _stream: (u64, u32), counter: u64, packet: &[u8], now_ms: u64) {
        if let Some(taking) = &mut self.taking {
            taking.packet(from, counter, packet, now_ms);
        }
    }

    fn frame(&mut self, from: DeviceId, frame: &Frame, _origin: Origin, now_ms: u64) {
        if let Some(taking) = &mut self.taking {
            let (number, at_s) = (taking.number(from), taking.at(now_ms) as f64 / 1000.0);
            if let Some(scribe) = &mut taking.scribe {
                scribe.push(number, frame, at_s);
            }
        }
    }

    fn event(&mut self, event: &Event, engine: &Engine, now_ms: u64) {
        match event {
            Event::Epoch { call, epoch, authenticator, members } => {
                if self.taking.as_ref().is_none_or(|taking| taking.call != *call)
                    && let Err(error) = self.begin(*call, engine, now_ms)
                {
                    return self.trouble(format!("this call is not being recorded: {error}"));
                }
                let Some(taking) = &mut self.taking else { return };
                let authenticator: String = authenticator.iter().map(|byte| format!("{byte:02x}")).collect();
                let ids: Vec<_> = members.iter().map(|(device, _)| device.to_hex()).collect();
                taking.events.push(serde_json::json!({
                    "at_ms": now_ms, "what": "epoch", "epoch": epoch, "authenticator": authenticator, "members": ids,
                }));
                taking.people.extend(members.iter().cloned());
            }
            Event::Live { .. } => {
                if let Some(taking) = &mut self.taking {
                    taking.live_ms.get_or_insert(now_ms);
                    taking.events.push(serde_json::json!({ "at_ms": now_ms, "what": "live" }));
                }
            }
            Event::Ended { how, .. } => self.finish(how, now_ms),
        }
    }

    fn beat(&mut self, now_ms: u64) -> Vec<Caption> {
        let Some(taking) = &mut self.taking else { return Vec::new() };
        let heard = taking.scribe.as_mut().map(Scribe::events).unwrap_or_default();
        let captions = taking.listen(heard, now_ms);
        if now_ms >= taking.sealed_ms + PART_EVERY_MS {
            taking.sealed_ms = now_ms;
            if let Err(error) = taking.seal() {
                self.trouble(format!("nothing was lost, but sealing failed and is tried again: {error}"));
            }
        }
        captions
    }
}
