//! One call as it is written down: what came of whom, the words, and the record that they become.

use super::{Line, NoteConfig};
use crate::{
    attendance::{Attendance, GAP_MS, Gap},
    hearing::{
        Scribe,
        listener::Listener,
        scribe::{self, Event as Heard},
    },
};
use std::{
    collections::{BTreeMap, VecDeque, btree_map::Entry},
    path::{Path, PathBuf},
    sync::Arc,
};
use telcon_core::{Engine, call::captions::Caption};
use telcon_identity::{DeviceKey, sign_record};
use telcon_proto::{CallId, Card, DeviceId, RecordMode};
use telcon_record::{
    BagInfo, CustodianRecipient, OpusChunk, Payload, RecordError, RecordWriter, Recovered, Salt, Sealed, Segment,
    ogg_opus, salted_json, salted_jsonl, salted_vtt,
};

/// Most packets of one speaker that wait for room on the disk, in one piece: half an hour, 7 MB.
const MAX_PIECE_PACKETS: usize = 50 * 60 * 30;
/// Largest Opus packet (RFC 6716, section 3.4), bytes.
const MAX_PACKET_BYTES: usize = 1275;
/// Places that may be missing between two packets of one piece: five seconds.
const MAX_GAP_PACKETS: u64 = 250;
/// Pieces of one speaker's sound in one seal. A device counts its packets in order, but for a reload; one that jumps all the time
/// would fill the record with files until it can take no more.
const MAX_STRETCHES: usize = 16;
/// Events that may wait to be sealed; more are a flood.
const MAX_EVENTS: usize = 10_000;
/// What the transcript says of a time of which the note-taker has nothing.
const NOTHING_CAME: &str = "[The note-taker has nothing of this time.]";
/// Opus look-ahead that players drop, samples at 48 kHz.
const PRE_SKIP: u16 = 312;

/// A call that is being written down.
pub(super) struct Taking {
    pub(super) call: CallId,
    mode: RecordMode,
    pub(super) spool: Spool,
    pub(super) scribe: Option<Scribe>,
    listeners: BTreeMap<DeviceId, Listener>,
    signing: Signing,
    began_ms: u64,
    pub(super) live_ms: Option<u64>,
    pub(super) sealed_ms: u64,
    piece: u32,
    sound_piece: u32,
    pub(super) events: Vec<serde_json::Value>,
    pub(super) people: BTreeMap<DeviceId, Card>,
    numbers: BTreeMap<DeviceId, u32>,
    sound: BTreeMap<DeviceId, Sound>,
    fresh: Vec<Segment>,
    all: Vec<Segment>,
    pub(super) lines: Vec<Line>,
    /// Files that are whole and not in the record yet.
    ready: VecDeque<(String, Payload)>,
    /// Whether all files are in the record.
    written: bool,
    /// When a packet of anybody came last, and for how long none came, in all. Sound comes all the time, silence too: where
    /// none comes, something is missing.
    last_packet_ms: Option<u64>,
    missed_ms: u64,
    /// How long after the answer this note-taker came, if it did.
    late_ms: u64,
    /// From when to when nothing came of anybody, last.
    nobody: Option<(u64, u64)>,
    /// Who was heard.
    pub(super) attendance: Attendance,
    /// Nothing comes of anybody who speaks.
    pub(super) hears_nobody: bool,
    /// A party of the call said that it was over, and not only the server.
    pub(super) end_is_known: bool,
    sealed: Option<Sealed>,
}

/// The record's place on disk, opened when there first is room for it.
pub(super) struct Spool {
    pub(super) dir: PathBuf,
    custodians: Vec<CustodianRecipient>,
    writer: Option<RecordWriter>,
}

impl Spool {
    fn new(config: &NoteConfig, call: CallId) -> Self {
        Self { dir: config.spool.join(call.to_hex()), custodians: config.custodians.clone(), writer: None }
    }

    /// Makes the record, or goes on with the one that an earlier run began.
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

struct Signing {
    key: Arc<DeviceKey>,
    chain: Vec<Vec<u8>>,
}

/// A speaker's packets that are not in the record yet: by how often it began to count anew and their authenticated counter, with
/// when they came.
type Sound = BTreeMap<(u32, u64), (u64, Vec<u8>)>;

/// Splits sound where a device began to count anew, and where more than [`MAX_GAP_PACKETS`] are missing: a sender that jumps
/// starts another piece, and cannot fill the record with silence.
fn stretches(sound: Sound) -> Vec<Sound> {
    let mut all: Vec<Sound> = Vec::new();
    for ((run, counter), packet) in sound {
        let near = all
            .last()
            .and_then(|last| last.last_key_value())
            .is_some_and(|((last_run, last), _)| run == *last_run && counter - last <= MAX_GAP_PACKETS);
        if !near {
            all.push(Sound::new());
        }
        all.last_mut().expect("invariant: one was just pushed").insert((run, counter), packet);
    }
    all
}

fn salt() -> Salt {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("invariant: the system has randomness, or nothing was encrypted until here");
    Salt::from_bytes(bytes)
}

/// `YYYY-MM-DD` in UTC of a time since 1970.
pub(super) fn date(ms: u64) -> String {
    time::OffsetDateTime::from_unix_timestamp((ms / 1000) as i64)
        .map(|t| format!("{:04}-{:02}-{:02}", t.year(), u8::from(t.month()), t.day()))
        .unwrap_or_else(|_| "1970-01-01".into())
}

/// `YYYY-MM-DDTHH:MM:SSZ` of a time since 1970.
fn utc(ms: u64) -> String {
    let time = time::OffsetDateTime::from_unix_timestamp((ms / 1000) as i64);
    let clock = time.map_or((0, 0, 0), |t| t.to_hms());
    format!("{}T{:02}:{:02}:{:02}Z", date(ms), clock.0, clock.1, clock.2)
}

/// When the record that an earlier run left in `dir` was written last, milliseconds since 1970.
fn written_until_ms(dir: &Path) -> Option<u64> {
    let files = std::fs::read_dir(dir).ok()?.flatten();
    let newest = files.filter_map(|file| file.metadata().ok()?.modified().ok()).max()?;
    newest.duration_since(std::time::UNIX_EPOCH).ok().map(|age| age.as_millis() as u64)
}

impl Taking {
    /// Of a call that is live since `live_ms`, if it is.
    pub(super) fn new(
        config: &NoteConfig,
        engine: &Engine,
        (call, mode): (CallId, RecordMode),
        scribe: Option<Scribe>,
        live_ms: Option<u64>,
        now_ms: u64,
    ) -> Self {
        let device = engine.device();
        Self {
            call,
            mode,
            spool: Spool::new(config, call),
            scribe,
            listeners: BTreeMap::new(),
            signing: Signing { key: device.shared_key(), chain: device.chain().to_vec() },
            began_ms: now_ms,
            live_ms,
            sealed_ms: now_ms,
            piece: 0,
            sound_piece: 0,
            events: vec![serde_json::json!({
                "at_ms": now_ms, "what": "note_taker_joined", "mode": mode,
                "transcript": if config.recogniser.is_some() { "by machine" } else { "none: no speech model was set" },
                "ring": engine.ring_jws(),
            })],
            people: BTreeMap::new(),
            numbers: BTreeMap::new(),
            sound: BTreeMap::new(),
            fresh: Vec::new(),
            all: Vec::new(),
            lines: Vec::new(),
            ready: VecDeque::new(),
            written: false,
            last_packet_ms: written_until_ms(&config.spool.join(call.to_hex())),
            missed_ms: 0,
            late_ms: 0,
            nobody: None,
            attendance: Attendance::default(),
            hears_nobody: false,
            end_is_known: false,
            sealed: None,
        }
    }

    fn at(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.live_ms.unwrap_or(self.began_ms))
    }

    fn device(&self, number: u32) -> Option<DeviceId> {
        self.numbers.iter().find(|(_, n)| **n == number).map(|(device, _)| *device)
    }

    pub(super) fn packet(&mut self, from: DeviceId, stream: (u64, u32), counter: u64, packet: &[u8], now_ms: u64) {
        let (run, gap) = self.attendance.packet(from, stream, counter, self.live_ms, now_ms);
        gap.into_iter().for_each(|gap| self.missed(&gap, now_ms));
        if self.mode != RecordMode::Audio {
            return;
        }
        if packet.is_empty() || packet.len() > MAX_PACKET_BYTES {
            // No Opus packet (RFC 6716, section 3.2.1). It is kept out alone, and that it came is on the record.
            if self.events.len() < MAX_EVENTS {
                self.events.push(serde_json::json!({
                    "at_ms": now_ms, "what": "not_sound", "from": from.to_hex(), "bytes": packet.len(),
                }));
            }
            return;
        }
        let at = self.at(now_ms);
        let sound = self.sound.entry(from).or_default();
        if sound.len() < MAX_PIECE_PACKETS {
            // What came first stays: a member that counts back replaces nothing.
            sound.entry((run, counter)).or_insert_with(|| (at, packet.to_vec()));
        }
    }

    /// Nothing of somebody came until now. Says so in the record.
    pub(super) fn missed(&mut self, gap: &Gap, now_ms: u64) {
        let of_all = |(since, until): (u64, u64)| gap.since_ms + GAP_MS >= since && now_ms <= until + GAP_MS;
        if self.nobody.is_some_and(of_all) {
            return self.attendance.excuse(gap, now_ms);
        }
        let (device, since_ms) = (gap.device, gap.since_ms);
        self.events
            .push(serde_json::json!({ "at_ms": now_ms, "what": "nothing_came", "from": device, "since_ms": since_ms }));
        if self.scribe.is_some() {
            let (start_ms, end_ms) = (self.at(since_ms), self.at(now_ms));
            let (speaker, name, text) = (device.to_hex(), self.attendance.name(device), NOTHING_CAME.to_owned());
            self.write_down(Segment { start_ms, end_ms, speaker, name, text, language: None });
        }
    }

    /// A packet came now, or the call ended. Says in the record for how long none did.
    pub(super) fn came(&mut self, now_ms: u64) {
        let Some(live_ms) = self.live_ms else { return };
        let since = self.last_packet_ms.unwrap_or(live_ms).max(live_ms);
        // The first that came to one that was not there when the call was answered.
        let late = self.last_packet_ms.is_none() && self.began_ms > live_ms.saturating_add(GAP_MS);
        self.last_packet_ms = Some(now_ms);
        let missed = now_ms.saturating_sub(since);
        if missed > GAP_MS {
            self.nobody = Some((since, now_ms));
            *(if late { &mut self.late_ms } else { &mut self.missed_ms }) += missed;
            self.events.push(serde_json::json!({ "at_ms": now_ms, "what": "nothing_came", "since_ms": since }));
            if self.scribe.is_some() {
                let (start_ms, end_ms) = (since - live_ms, now_ms - live_ms);
                let (text, nobody) = (NOTHING_CAME.to_owned(), String::new);
                self.write_down(Segment { start_ms, end_ms, speaker: nobody(), name: nobody(), text, language: None });
            }
        }
    }

    /// Takes a packet for the transcript.
    pub(super) fn hear(&mut self, from: DeviceId, stream: (u64, u32), counter: u64, packet: &[u8], now_ms: u64) {
        if self.scribe.is_none() {
            return;
        }
        let at_ms = self.at(now_ms);
        let listener = match self.listeners.entry(from) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => match Listener::new() {
                Ok(listener) => place.insert(listener),
                Err(error) => return tracing::warn!(%error, "a speaker cannot be decoded"),
            },
        };
        listener.packet(stream, counter, packet, at_ms);
    }

    /// Gives the scribe what can be heard by now, or, if `over`, all that is left.
    pub(super) fn dictate(&mut self, now_ms: u64, over: bool) {
        let at_ms = self.at(now_ms);
        let Some(scribe) = &mut self.scribe else { return };
        for (device, listener) in &mut self.listeners {
            let next = self.numbers.len() as u32;
            let number = *self.numbers.entry(*device).or_insert(next);
            for heard in if over { listener.finish() } else { listener.frames(at_ms) } {
                scribe.push(number, &heard.frame, heard.at_s);
            }
            if listener.stopped(at_ms) {
                scribe.leave(number);
            }
        }
    }

    /// Takes what the scribe heard; gives captions for the desk.
    pub(super) fn listen(&mut self, heard: Vec<Heard>, now_ms: u64) -> Vec<Caption> {
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
                        passage: line.group,
                        part: line.part,
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
        self.write_down(segment);
        self.lines.push(Line { speaker, start_s: line.start_s, end_s: line.end_s, text: line.text.clone() });
    }

    fn write_down(&mut self, segment: Segment) {
        self.fresh.push(segment.clone());
        self.all.push(segment);
    }

    /// Puts what is new into the record and seals it. On a full disk everything stays in memory for the next try.
    pub(super) fn seal(&mut self) -> Result<(), RecordError> {
        let piece = self.piece;
        self.piece += 1;
        if !self.events.is_empty()
            && let Ok(payload) = salted_jsonl(salt(), &self.events)
        {
            self.ready.push_back((format!("events/{piece:06}.jsonl"), payload));
            self.events.clear();
        }
        if !self.fresh.is_empty()
            && let Ok(payload) = salted_jsonl(salt(), &self.fresh)
        {
            self.ready.push_back((format!("transcript/{piece:06}.jsonl"), payload));
            self.fresh.clear();
        }
        for (device, sound) in std::mem::take(&mut self.sound) {
            let stretches = stretches(sound);
            if let Some(left_out) = stretches.len().checked_sub(MAX_STRETCHES).filter(|left_out| *left_out > 0) {
                self.events.push(serde_json::json!({
                    "at_ms": self.sealed_ms, "what": "sound_left_out", "from": device.to_hex(), "stretches": left_out,
                }));
            }
            for stretch in stretches.into_iter().take(MAX_STRETCHES) {
                let Some(((_, first), (start_ms, _))) = stretch.first_key_value() else { continue };
                let (first, start_ms) = (*first, *start_ms);
                let places = stretch.keys().next_back().map_or(0, |(_, last)| (last - first) as usize + 1);
                // A packet has its place by its counter; places of lost ones stay empty.
                let mut packets: Vec<&[u8]> = vec![&[]; places];
                for ((_, counter), (_, packet)) in &stretch {
                    packets[(counter - first) as usize] = packet;
                }
                let chunk = OpusChunk { start_ms, pre_skip: PRE_SKIP, packets: &packets };
                match ogg_opus(salt(), &chunk) {
                    Ok(payload) => {
                        let name = format!("audio/{}/{:06}.opus", device.to_hex(), self.sound_piece);
                        self.sound_piece += 1;
                        self.ready.push_back((name, payload));
                    }
                    Err(error) => tracing::error!(%error, "sound of this call could not be kept"),
                }
            }
        }
        self.write()
    }

    /// Puts what is ready on disk, sealed.
    fn write(&mut self) -> Result<(), RecordError> {
        let writer = self.spool.open(self.call)?;
        while let Some((path, payload)) = self.ready.pop_front() {
            match writer.add(&path, payload) {
                Ok(()) => {}
                Err((error, payload)) => {
                    self.ready.push_front((path, payload));
                    match error {
                        RecordError::BufferFull => drop(writer.flush_part()?),
                        error => return Err(error),
                    }
                }
            }
        }
        writer.flush_part().map(drop)
    }

    /// After the last words: the files about the whole call.
    pub(super) fn gather(&mut self, now_ms: u64) {
        self.dictate(now_ms, true);
        if let Some(scribe) = self.scribe.take() {
            let heard = scribe.finish();
            self.listen(heard, now_ms);
        }
        self.all.sort_by_key(|segment| segment.start_ms);
        self.lines.sort_by(|a, b| a.start_s.total_cmp(&b.start_s));
        if !self.all.is_empty() {
            let cues: Vec<_> = self.all.iter().map(Into::into).collect();
            self.ready.push_back(("transcript.vtt".into(), salted_vtt(salt(), &cues)));
            if let Ok(payload) = salted_json(salt(), &self.all) {
                self.ready.push_back(("transcript.json".into(), payload));
            }
        }
        self.events.push(serde_json::json!({ "at_ms": now_ms, "what": "heard", "speakers": self.attendance.told() }));
        let people: Vec<_> =
            self.people.iter().map(|(device, card)| serde_json::json!({ "device": device, "card": card })).collect();
        if let Ok(payload) = salted_json(salt(), &people) {
            self.ready.push_back(("participants.json".into(), payload));
        }
    }

    /// What a person wants to know of a record before reading it, for `bag-info.txt`.
    fn in_short(&self, now_ms: u64) -> Vec<(String, String)> {
        let mut parties = String::new();
        let mut speak: Vec<_> = self.people.values().filter(|card| card.role.speaks()).collect();
        speak.sort_by(|a, b| (&a.name, a.person).cmp(&(&b.name, b.person)));
        speak.dedup_by_key(|card| card.person);
        for card in speak {
            let party = format!("{}{}, {}", if parties.is_empty() { "" } else { "; " }, card.name, card.organisation);
            if parties.len() + party.len() <= telcon_record::MAX_INFO_VALUE_BYTES {
                parties.push_str(&party);
            }
        }
        let began = self
            .live_ms
            .map(|ms| [("Telcon-Answered", utc(ms)), ("Telcon-Seconds", (self.at(now_ms) / 1000).to_string())]);
        let lines = began.into_iter().flatten().chain([("Telcon-Parties", parties)]);
        lines.map(|(label, value)| (label.to_owned(), value)).collect()
    }

    /// Seals and signs the record. May be tried again after an error, and goes on where it stopped.
    pub(super) fn finish(&mut self, now_ms: u64) -> Result<(), RecordError> {
        if !self.written {
            self.seal()?;
            self.written = true;
        }
        let sealed = match self.sealed.take() {
            Some(sealed) => sealed,
            None => {
                let (more, lacks) = (self.in_short(now_ms), self.attendance.lacks());
                let writer = self.spool.open(self.call)?;
                let [missed, late] = [self.missed_ms, self.late_ms].map(|ms| ms.div_ceil(1000));
                let reason = match (writer.session(), self.end_is_known, lacks) {
                    (2.., ..) => {
                        format!("the note-taker was interrupted and went on: for {missed} s nothing was written")
                    }
                    (_, false, _) => {
                        "only the server said that the call was over: what was said after that is not in it".into()
                    }
                    _ if late > 0 => format!("the note-taker came {late} s after the call was answered"),
                    _ if missed > 0 => format!("for {missed} s nothing came to the note-taker"),
                    (.., Some(lacks)) => lacks,
                    _ => String::new(),
                };
                let (date, partial) = (date(now_ms), !reason.is_empty());
                writer.finish(&BagInfo { date, partial, reason, extra: more })?
            }
        };
        let sealed = self.sealed.insert(sealed);
        sign(sealed, &self.signing.key, &self.signing.chain, self.call, now_ms)
    }
}

/// Signs a sealed record.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_that_counts_back_replaces_nothing_and_begins_another_piece() {
        let packet = |at| (at, vec![1]);
        let sound: Sound =
            [((0, 1), packet(0)), ((0, 2), packet(20)), ((1, 1), packet(40)), ((1, 900), packet(60))].into();
        let pieces: Vec<usize> = stretches(sound).iter().map(BTreeMap::len).collect();
        assert_eq!(pieces, [2, 1, 1]);
    }
}
