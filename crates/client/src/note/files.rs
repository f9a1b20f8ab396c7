//! The files of a record while its call is being recorded: events, transcript and audio are collected in memory, and sealed
//! into the spool part by part.

use super::{
    NoteConfig,
    audio::{self, SpeakerAudio},
};
use std::{
    collections::{BTreeMap, VecDeque},
    path::{Path, PathBuf},
    sync::Arc,
};
use telcon_core::Device;
use telcon_identity::{DeviceKey, sign_record};
use telcon_proto::{CallId, DeviceId, participant::RecordParticipant};
use telcon_record::{
    BagInfo, CustodianRecipient, Payload, RecordError, RecordWriter, Recovered, Salt, Sealed, Segment, salted_json,
    salted_jsonl, salted_vtt,
};

/// Most events that wait to be sealed. Further ones caused by a participant's packets are a flood and are dropped.
const MAX_QUEUED_EVENTS: usize = 10_000;

/// Collects and seals the files of one call's record.
pub(super) struct RecordFiles {
    call: CallId,
    spool: SpoolDir,
    signing: Signing,
    /// Number of the next `events/` and `transcript/` file.
    next_part: u32,
    /// Number of the next audio file.
    next_audio: u32,
    events: Vec<serde_json::Value>,
    audio: BTreeMap<DeviceId, SpeakerAudio>,
    /// Transcript segments that are not sealed yet, and all of them.
    new_segments: Vec<Segment>,
    segments: Vec<Segment>,
    /// Complete files that are not in the record yet.
    queue: VecDeque<(String, Payload)>,
    /// Whether all files are in the record.
    complete: bool,
    sealed: Option<Sealed>,
}

/// The record's directory in the spool. It is created when the disk first has room for it.
struct SpoolDir {
    dir: PathBuf,
    custodians: Vec<CustodianRecipient>,
    writer: Option<RecordWriter>,
}

struct Signing {
    key: Arc<DeviceKey>,
    chain: Vec<Vec<u8>>,
}

impl SpoolDir {
    /// Creates the record, or resumes the one that an earlier run of the process started.
    fn open(&mut self, call: CallId) -> Result<&mut RecordWriter, RecordError> {
        let writer = match self.writer.take() {
            Some(writer) => writer,
            None => match RecordWriter::recover(&self.dir, &self.custodians) {
                Ok(Recovered::Unfinished(writer)) => *writer,
                Ok(Recovered::Sealed(_)) => return Err(RecordError::Exists(self.dir.clone())),
                Err(RecordError::NoRecord(_)) => RecordWriter::create(&self.dir, &self.custodians, &call.to_hex())?,
                Err(error) => return Err(error),
            },
        };
        Ok(self.writer.insert(writer))
    }
}

impl RecordFiles {
    pub(super) fn new(config: &NoteConfig, device: &Device, call: CallId) -> Self {
        let dir = config.spool.join(call.to_hex());
        Self {
            call,
            spool: SpoolDir { dir, custodians: config.custodians.clone(), writer: None },
            signing: Signing { key: device.shared_key(), chain: device.chain().to_vec() },
            next_part: 0,
            next_audio: 0,
            events: Vec::new(),
            audio: BTreeMap::new(),
            new_segments: Vec::new(),
            segments: Vec::new(),
            queue: VecDeque::new(),
            complete: false,
            sealed: None,
        }
    }

    /// The record's directory.
    pub(super) fn dir(&self) -> &Path {
        &self.spool.dir
    }

    /// Adds an event.
    pub(super) fn push_event(&mut self, event: serde_json::Value) {
        self.events.push(event);
    }

    /// Adds an event that a participant can cause at will; dropped if too many are queued.
    pub(super) fn push_untrusted_event(&mut self, event: serde_json::Value) {
        if self.events.len() < MAX_QUEUED_EVENTS {
            self.events.push(event);
        }
    }

    /// Adds a transcript segment.
    pub(super) fn push_segment(&mut self, segment: Segment) {
        self.new_segments.push(segment.clone());
        self.segments.push(segment);
    }

    /// Adds an audio packet: `run` and `counter` give its position, `at_ms` its time in the call.
    pub(super) fn push_packet(&mut self, from: DeviceId, run: u32, counter: u64, at_ms: u64, packet: &[u8]) {
        self.audio.entry(from).or_default().push(run, counter, at_ms, packet);
    }

    /// Seals everything new as the next part of the record. If the disk is full, everything stays in memory for the next
    /// attempt.
    pub(super) fn seal_part(&mut self, sealed_ms: u64) -> Result<(), RecordError> {
        let part = self.next_part;
        self.next_part += 1;
        if !self.events.is_empty()
            && let Ok(payload) = salted_jsonl(salt(), &self.events)
        {
            self.queue.push_back((format!("events/{part:06}.jsonl"), payload));
            self.events.clear();
        }
        if !self.new_segments.is_empty()
            && let Ok(payload) = salted_jsonl(salt(), &self.new_segments)
        {
            self.queue.push_back((format!("transcript/{part:06}.jsonl"), payload));
            self.new_segments.clear();
        }
        for (device, packets) in std::mem::take(&mut self.audio) {
            let chunks = packets.into_chunks();
            if chunks.omitted > 0 {
                self.events.push(serde_json::json!({
                    "at_ms": sealed_ms, "what": "audio_omitted", "from": device.to_hex(), "chunks": chunks.omitted,
                }));
            }
            for chunk in chunks.kept {
                match audio::encode_chunk(salt(), &chunk) {
                    Ok(payload) => {
                        let name = format!("audio/{}/{:06}.opus", device.to_hex(), self.next_audio);
                        self.next_audio += 1;
                        self.queue.push_back((name, payload));
                    }
                    Err(error) => {
                        tracing::error!(call = %self.call, %device, %error, "audio of this call could not be encoded");
                    }
                }
            }
        }
        self.write_queue()
    }

    /// Writes the queued files to the spool, sealed and durable.
    fn write_queue(&mut self) -> Result<(), RecordError> {
        let writer = self.spool.open(self.call)?;
        while let Some((path, payload)) = self.queue.pop_front() {
            match writer.add(&path, payload) {
                Ok(()) => {}
                Err((error, payload)) => {
                    self.queue.push_front((path, payload));
                    match error {
                        RecordError::BufferFull => drop(writer.flush_part()?),
                        error => return Err(error),
                    }
                }
            }
        }
        writer.flush_part().map(drop)
    }

    /// Queues the files about the whole call, after the last segment: the transcript in order, and the participants.
    pub(super) fn add_summaries(&mut self, participants: &[RecordParticipant]) {
        self.segments.sort_by_key(|segment| segment.start_ms);
        if !self.segments.is_empty() {
            let cues: Vec<_> = self.segments.iter().map(Into::into).collect();
            self.queue.push_back(("transcript.vtt".into(), salted_vtt(salt(), &cues)));
            if let Ok(payload) = salted_json(salt(), &self.segments) {
                self.queue.push_back(("transcript.json".into(), payload));
            }
        }
        if let Ok(payload) = salted_json(salt(), &participants) {
            self.queue.push_back(("participants.json".into(), payload));
        }
    }

    /// Seals and signs the record. `info` is called with the number of processes that wrote it. Idempotent: after an error,
    /// call it again to continue.
    pub(super) fn finish(&mut self, now_ms: u64, info: impl FnOnce(u32) -> BagInfo) -> Result<(), RecordError> {
        if !self.complete {
            self.seal_part(now_ms)?;
            self.complete = true;
        }
        let sealed = match self.sealed.take() {
            Some(sealed) => sealed,
            None => {
                let writer = self.spool.open(self.call)?;
                let info = info(writer.session());
                writer.finish(&info)?
            }
        };
        let sealed = self.sealed.insert(sealed);
        sign(sealed, &self.signing.key, &self.signing.chain, self.call, now_ms)
    }
}

/// Signs a sealed record with the note-taker's device key.
pub(super) fn sign(
    sealed: &mut Sealed,
    key: &DeviceKey,
    chain: &[Vec<u8>],
    call: CallId,
    now_ms: u64,
) -> Result<(), RecordError> {
    let digest = sealed.record_digest();
    let partial = sealed.seal().partial;
    let jws = sign_record(key, chain, call, &digest, sealed.parts().len(), partial, now_ms);
    sealed.attach_signature(&jws)
}

/// When an earlier run last wrote to the record in `dir`, milliseconds since 1970 UTC.
pub(super) fn last_written_ms(dir: &Path) -> Option<u64> {
    let files = std::fs::read_dir(dir).ok()?.flatten();
    let newest = files.filter_map(|file| file.metadata().ok()?.modified().ok()).max()?;
    newest.duration_since(std::time::UNIX_EPOCH).ok().map(|since| since.as_millis() as u64)
}

/// Fresh randomness for one file.
pub(super) fn salt() -> Salt {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("invariant: the system has randomness, or no key could have been generated");
    Salt::from_bytes(bytes)
}
