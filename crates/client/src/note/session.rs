//! The recording of one call: which packets of whom arrived, what was said, and the record made of it.

use super::{
    NoteConfig, TranscriptLine,
    files::{RecordFiles, last_written_ms},
};
use crate::{
    attendance::{Attendance, Gap, MAX_GAP_MS},
    transcription::{RecognitionResult, Transcriber, reassembler::StreamReassembler, transcriber::TranscriberEvent},
};
use std::collections::{BTreeMap, btree_map::Entry};
use telcon_core::{Engine, call::captions::Caption};
use telcon_proto::{CallId, Card, DeviceId, RecordMode, participant::RecordParticipant};
use telcon_record::{BagInfo, NO_AUDIO, RecordError, Segment};

/// Largest Opus packet, bytes (RFC 6716 section 3.4).
const MAX_PACKET_BYTES: usize = 1275;

/// A call that is being recorded.
pub(super) struct RecordingSession {
    pub(super) call: CallId,
    mode: RecordMode,
    pub(super) files: RecordFiles,
    transcriber: Option<Transcriber>,
    reassemblers: BTreeMap<DeviceId, StreamReassembler>,
    /// The transcriber's speaker numbers.
    speaker_numbers: BTreeMap<DeviceId, u32>,
    joined_ms: u64,
    pub(super) live_ms: Option<u64>,
    /// When a part was last sealed.
    pub(super) sealed_ms: u64,
    participants: BTreeMap<DeviceId, Card>,
    pub(super) transcript: Vec<TranscriptLine>,
    outage: OutageLog,
    attendance: Attendance,
    /// Nothing is received from any speaker.
    pub(super) receives_nothing: bool,
    /// The end of the call is certain, because a participant said so and not only the server.
    end_is_authentic: bool,
}

/// Periods in which no packet of any speaker arrived. Devices send continuously, silence too, so that audio is missing.
#[derive(Default)]
struct OutageLog {
    last_packet_ms: Option<u64>,
    /// Total duration of outages after the note-taker's first packet.
    missed_ms: u64,
    /// Time from the answer to the note-taker's first packet, if it joined late.
    late_ms: u64,
    /// The last outage.
    last: Option<(u64, u64)>,
}

impl OutageLog {
    /// A packet arrived now, or the call ended. Returns the start of the outage that ended now.
    fn packet(&mut self, joined_ms: u64, live_ms: u64, now_ms: u64) -> Option<u64> {
        let since = self.last_packet_ms.unwrap_or(live_ms).max(live_ms);
        let joined_late = self.last_packet_ms.is_none() && joined_ms > live_ms.saturating_add(MAX_GAP_MS);
        self.last_packet_ms = Some(now_ms);
        let missed = now_ms.saturating_sub(since);
        if missed <= MAX_GAP_MS {
            return None;
        }
        self.last = Some((since, now_ms));
        *(if joined_late { &mut self.late_ms } else { &mut self.missed_ms }) += missed;
        Some(since)
    }

    /// Whether a speaker's gap is part of the last outage of all speakers.
    fn covers(&self, gap: &Gap, now_ms: u64) -> bool {
        self.last.is_some_and(|(since, until)| gap.since_ms + MAX_GAP_MS >= since && now_ms <= until + MAX_GAP_MS)
    }
}

impl RecordingSession {
    /// A session of a call that is live since `live_ms`, if it is.
    pub(super) fn new(
        config: &NoteConfig,
        engine: &Engine,
        (call, mode): (CallId, RecordMode),
        transcriber: Option<Transcriber>,
        live_ms: Option<u64>,
        now_ms: u64,
    ) -> Self {
        let mut files = RecordFiles::new(config, engine.device(), call);
        files.push_event(serde_json::json!({
            "at_ms": now_ms, "what": "note_taker_joined", "mode": mode, "live_ms": live_ms,
            "transcript": if config.recognizers.is_some() { "by machine" } else { "none: no speech model was configured" },
            "ring": engine.ring_jws(),
        }));
        let outage = OutageLog { last_packet_ms: last_written_ms(files.dir()), ..OutageLog::default() };
        Self {
            call,
            mode,
            files,
            transcriber,
            reassemblers: BTreeMap::new(),
            speaker_numbers: BTreeMap::new(),
            joined_ms: now_ms,
            live_ms,
            sealed_ms: now_ms,
            participants: BTreeMap::new(),
            transcript: Vec::new(),
            outage,
            attendance: Attendance::default(),
            receives_nothing: false,
            end_is_authentic: false,
        }
    }

    /// Time in the call, milliseconds.
    fn call_time(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.live_ms.unwrap_or(self.joined_ms))
    }

    /// The participants of a new epoch.
    pub(super) fn on_members(&mut self, members: &[(DeviceId, Card)], now_ms: u64) {
        for gap in self.attendance.members(members, self.live_ms, now_ms) {
            self.record_gap(&gap, now_ms);
        }
        self.participants.extend(members.iter().cloned());
    }

    /// The call was answered at `live_ms`.
    pub(super) fn on_live(&mut self, live_ms: u64, now_ms: u64) {
        let live_ms = *self.live_ms.get_or_insert(live_ms);
        self.files.push_event(serde_json::json!({ "at_ms": now_ms, "what": "live", "live_ms": live_ms }));
    }

    /// A packet arrived.
    pub(super) fn on_packet(&mut self, from: DeviceId, stream: (u64, u32), counter: u64, packet: &[u8], now_ms: u64) {
        self.end_outage(now_ms);
        let (run, gap) = self.attendance.packet(from, stream, counter, self.live_ms, now_ms);
        if let Some(gap) = gap {
            self.record_gap(&gap, now_ms);
        }
        if self.mode == RecordMode::Audio {
            self.record_packet(from, run, counter, packet, now_ms);
        }
        self.reassemble(from, stream, counter, packet, now_ms);
    }

    /// The call ended. `said_by`: the participant who said so; none if only the server did.
    pub(super) fn on_end(&mut self, how: &str, said_by: Option<DeviceId>, now_ms: u64) {
        self.end_outage(now_ms);
        for gap in self.attendance.over(self.live_ms, now_ms) {
            self.record_gap(&gap, now_ms);
        }
        self.files.push_event(serde_json::json!({ "at_ms": now_ms, "what": "ended", "how": how, "said_by": said_by }));
        self.end_is_authentic = said_by.is_some();
    }

    /// Updates [`RecordingSession::receives_nothing`].
    pub(super) fn check_attendance(&mut self, now_ms: u64) {
        self.receives_nothing = self.attendance.receives_nothing(self.live_ms, now_ms);
    }

    fn record_packet(&mut self, from: DeviceId, run: u32, counter: u64, packet: &[u8], now_ms: u64) {
        if packet.is_empty() || packet.len() > MAX_PACKET_BYTES {
            // Not an Opus packet (RFC 6716 section 3.2.1). Only this packet is excluded; its arrival is recorded.
            return self.files.push_untrusted_event(serde_json::json!({
                "at_ms": now_ms, "what": "invalid_packet", "from": from.to_hex(), "bytes": packet.len(),
            }));
        }
        let at_ms = self.call_time(now_ms);
        self.files.push_packet(from, run, counter, at_ms, packet);
    }

    /// Records that nothing of a speaker was received until now.
    fn record_gap(&mut self, gap: &Gap, now_ms: u64) {
        if self.outage.covers(gap, now_ms) {
            return self.attendance.excuse(gap, now_ms);
        }
        let (device, since_ms) = (gap.device, gap.since_ms);
        self.files.push_event(
            serde_json::json!({ "at_ms": now_ms, "what": "no_media", "from": device, "since_ms": since_ms }),
        );
        let name = self.attendance.name(device);
        self.push_gap_segment(since_ms, now_ms, device.to_hex(), name);
    }

    /// A packet arrived now, or the call ended: records the outage of all speakers until now, if there was one.
    fn end_outage(&mut self, now_ms: u64) {
        let Some(live_ms) = self.live_ms else { return };
        if let Some(since_ms) = self.outage.packet(self.joined_ms, live_ms, now_ms) {
            self.files.push_event(serde_json::json!({ "at_ms": now_ms, "what": "no_media", "since_ms": since_ms }));
            self.push_gap_segment(since_ms, now_ms, String::new(), String::new());
        }
    }

    fn push_gap_segment(&mut self, since_ms: u64, until_ms: u64, speaker: String, name: String) {
        if self.transcriber.is_some() {
            let (start_ms, end_ms) = (self.call_time(since_ms), self.call_time(until_ms));
            self.files.push_segment(Segment {
                start_ms,
                end_ms,
                speaker,
                name,
                text: NO_AUDIO.to_owned(),
                language: None,
            });
        }
    }

    /// Passes a packet to transcription.
    fn reassemble(&mut self, from: DeviceId, stream: (u64, u32), counter: u64, packet: &[u8], now_ms: u64) {
        if self.transcriber.is_none() {
            return;
        }
        let at_ms = self.call_time(now_ms);
        let reassembler = match self.reassemblers.entry(from) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => match StreamReassembler::new() {
                Ok(reassembler) => place.insert(reassembler),
                Err(error) => {
                    return tracing::warn!(call = %self.call, device = %from, %error, "no decoder: this speaker is not transcribed");
                }
            },
        };
        reassembler.push(stream, counter, packet, at_ms);
    }

    /// Passes the frames that are available to the recognizer; all remaining ones if `is_last`.
    pub(super) fn feed_recognizer(&mut self, now_ms: u64, is_last: bool) {
        let at_ms = self.call_time(now_ms);
        let Some(transcriber) = &mut self.transcriber else { return };
        for (device, reassembler) in &mut self.reassemblers {
            let next = self.speaker_numbers.len() as u32;
            let number = *self.speaker_numbers.entry(*device).or_insert(next);
            for timed in if is_last { reassembler.finish() } else { reassembler.frames(at_ms) } {
                transcriber.push(number, &timed.frame, timed.at_s);
            }
            if reassembler.stopped(at_ms) {
                transcriber.leave(number);
            }
        }
    }

    /// Handles the transcriber's events; returns captions to publish.
    pub(super) fn take_captions(&mut self, now_ms: u64) -> Vec<Caption> {
        let events = self.transcriber.as_mut().map(Transcriber::events).unwrap_or_default();
        events.into_iter().filter_map(|event| self.handle_event(event, now_ms)).collect()
    }

    fn handle_event(&mut self, event: TranscriberEvent, now_ms: u64) -> Option<Caption> {
        let result = match event {
            TranscriberEvent::Result(result) => result,
            TranscriberEvent::Failed { start_s, end_s, error, .. } => {
                tracing::warn!(call = %self.call, start_s, end_s, %error, "speech could not be recognized; the transcript has a gap");
                self.files.push_event(serde_json::json!({
                    "at_ms": now_ms, "what": "not_transcribed", "from_s": start_s, "to_s": end_s, "why": error.to_string(),
                }));
                return None;
            }
        };
        let (speaker, _) = self.speaker_numbers.iter().find(|(_, number)| **number == result.speaker)?;
        let speaker = *speaker;
        if result.is_final && !result.text.is_empty() {
            self.push_result(speaker, &result);
        }
        let live_ms = self.live_ms.unwrap_or(self.joined_ms);
        let end_ms = live_ms + (result.end_s * 1000.0) as u64;
        Some(Caption {
            speaker,
            passage: result.group,
            part: result.part,
            start_ms: live_ms + (result.start_s * 1000.0) as u64,
            text: result.text,
            done: result.is_final,
            behind_ms: now_ms.saturating_sub(end_ms),
        })
    }

    fn push_result(&mut self, speaker: DeviceId, result: &RecognitionResult) {
        self.files.push_segment(Segment {
            start_ms: (result.start_s * 1000.0) as u64,
            end_ms: (result.end_s * 1000.0) as u64,
            speaker: speaker.to_hex(),
            name: self.participants.get(&speaker).map(|card| card.name.clone()).unwrap_or_default(),
            text: result.text.clone(),
            language: None,
        });
        let (start_s, end_s, text) = (result.start_s, result.end_s, result.text.clone());
        self.transcript.push(TranscriptLine { speaker, start_s, end_s, text });
    }

    /// After the end of the call: recognizes the last words and queues the files about the whole call. Blocks for seconds.
    pub(super) fn complete_transcript(&mut self, now_ms: u64) {
        self.feed_recognizer(now_ms, true);
        if let Some(transcriber) = self.transcriber.take() {
            for event in transcriber.finish() {
                self.handle_event(event, now_ms);
            }
        }
        self.transcript.sort_by(|a, b| a.start_s.total_cmp(&b.start_s));
        let statistics = self.attendance.statistics();
        self.files
            .push_event(serde_json::json!({ "at_ms": now_ms, "what": "receive_statistics", "speakers": statistics }));
        let participants = self.participants.iter().map(|(device, card)| RecordParticipant::new(*device, card));
        self.files.add_summaries(&participants.collect::<Vec<_>>());
    }

    /// Seals and signs the record. Idempotent: after an error, call it again to continue.
    pub(super) fn finish(&mut self, now_ms: u64) -> Result<(), RecordError> {
        let more = self.bag_info(now_ms);
        let lacks = self.attendance.lacks();
        let [missed_s, late_s] = [self.outage.missed_ms, self.outage.late_ms].map(|ms| ms.div_ceil(1000));
        let end_is_authentic = self.end_is_authentic;
        self.files.finish(now_ms, |sessions| {
            let reason = match (sessions, end_is_authentic, lacks) {
                (2.., ..) => {
                    format!("the note-taker was interrupted and resumed: nothing was recorded for {missed_s} s")
                }
                (_, false, _) => {
                    "the end of the call was announced by the server only: anything said after it is missing".into()
                }
                _ if late_s > 0 => format!("the note-taker joined {late_s} s after the call was answered"),
                _ if missed_s > 0 => format!("the note-taker received nothing for {missed_s} s"),
                (.., Some(lacks)) => lacks,
                _ => String::new(),
            };
            BagInfo { date: date(now_ms), partial: !reason.is_empty(), reason, extra: more }
        })
    }

    /// Metadata for `bag-info.txt`, readable without opening the record.
    fn bag_info(&self, now_ms: u64) -> Vec<(String, String)> {
        let mut parties = String::new();
        let mut speakers: Vec<_> = self.participants.values().filter(|card| card.role.speaks()).collect();
        speakers.sort_by(|a, b| (&a.name, a.qualified()).cmp(&(&b.name, b.qualified())));
        speakers.dedup_by_key(|card| card.qualified());
        for card in speakers {
            let party = format!("{}{}, {}", if parties.is_empty() { "" } else { "; " }, card.name, card.organisation);
            if parties.len() + party.len() <= telcon_record::MAX_INFO_VALUE_BYTES {
                parties.push_str(&party);
            }
        }
        let answered = self
            .live_ms
            .map(|ms| [("Telcon-Answered", utc(ms)), ("Telcon-Seconds", (self.call_time(now_ms) / 1000).to_string())]);
        let lines = answered.into_iter().flatten().chain([("Telcon-Parties", parties)]);
        lines.map(|(label, value)| (label.to_owned(), value)).collect()
    }
}

/// `YYYY-MM-DD` in UTC of milliseconds since 1970.
pub(super) fn date(ms: u64) -> String {
    time::OffsetDateTime::from_unix_timestamp((ms / 1000) as i64)
        .map(|t| format!("{:04}-{:02}-{:02}", t.year(), u8::from(t.month()), t.day()))
        .unwrap_or_else(|_| "1970-01-01".into())
}

/// `YYYY-MM-DDTHH:MM:SSZ` of milliseconds since 1970.
fn utc(ms: u64) -> String {
    let time = time::OffsetDateTime::from_unix_timestamp((ms / 1000) as i64);
    let (hour, minute, second) = time.map_or((0, 0, 0), |t| t.to_hms());
    format!("{}T{hour:02}:{minute:02}:{second:02}Z", date(ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outages_are_counted_and_a_late_join_is_distinguished() {
        let mut outage = OutageLog::default();
        assert_eq!(outage.packet(1_000, 1_000, 3_000), None);
        assert_eq!(outage.packet(1_000, 1_000, 9_000), Some(3_000));
        assert_eq!((outage.missed_ms, outage.late_ms), (6_000, 0));
        let mut late = OutageLog::default();
        assert_eq!(late.packet(20_000, 1_000, 21_000), Some(1_000));
        assert_eq!((late.missed_ms, late.late_ms), (0, 20_000));
        let gap = Gap { device: DeviceId::from_bytes([1; 16]), since_ms: 1_000 };
        assert!(late.covers(&gap, 21_000) && !late.covers(&gap, 30_000));
    }
}
