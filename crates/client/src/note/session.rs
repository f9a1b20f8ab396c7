//! The recording of one call: which packets of whom arrived, what was said, and the record made of it.

use super::{
    NoteConfig, TranscriptLine,
    files::{RecordFiles, last_written_ms},
    pending::PendingPacket,
    transcript::{LiveTranscript, Spoken, segment},
};
use crate::attendance::{Attendance, Gap, MAX_GAP_MS};
use std::collections::BTreeMap;
use telcon_core::{
    Engine,
    call::{captions::Caption, green_room::RoomEvent, hold::HoldWord},
};
use telcon_proto::{
    Blob, CallId, Card, DeviceId, RecordMode, delegation::ActsFor, line::Line, participant::RecordParticipant,
    shift::OnShift,
};
use telcon_record::{
    BagInfo, NO_AUDIO, NO_TRANSCRIPT, RecordError, Segment, local_time::Zone, progress::MIN_MISSING_MS,
};

/// Largest Opus packet, bytes (RFC 6716 section 3.4).
const MAX_PACKET_BYTES: usize = 1275;

/// Most shifts of a call that are noted: its server's choice.
const MAX_SHIFTS: usize = 64;

/// Most beginnings and ends of holds of a call that are noted: a member could send them without end.
const MAX_HOLDS: usize = 256;

/// A call that is being recorded.
pub(super) struct RecordingSession {
    pub(super) call: CallId,
    mode: RecordMode,
    pub(super) files: RecordFiles,
    live: Option<LiveTranscript>,
    joined_ms: u64,
    pub(super) live_ms: Option<u64>,
    /// When a part was last sealed.
    pub(super) sealed_ms: u64,
    participants: BTreeMap<DeviceId, Card>,
    /// Who acted for a party.
    acts_for: Vec<ActsFor>,
    /// The line that the call is over.
    line: Option<Line>,
    /// Who was on shift at devices of places, as the office's server said.
    shifts: Vec<(DeviceId, OnShift)>,
    /// How many beginnings and ends of holds were noted.
    holds: usize,
    pub(super) transcript: Vec<TranscriptLine>,
    outage: OutageLog,
    attendance: Attendance,
    /// Nothing is received from any speaker.
    pub(super) receives_nothing: bool,
    /// What an earlier run left is being transcribed, or there is nothing.
    resumed: bool,
    /// The last event that said so, said that the transcript was complete.
    was_complete: bool,
    /// Speech is recognized.
    transcribes: bool,
    /// Passages that could not be recognized.
    not_transcribed: usize,
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
        live: Option<LiveTranscript>,
        live_ms: Option<u64>,
        now_ms: u64,
    ) -> Self {
        let mut files = RecordFiles::new(config, engine.device(), call);
        files.push_event(serde_json::json!({
            "at_ms": now_ms, "what": "note_taker_joined", "mode": mode, "live_ms": live_ms,
            "transcript": match (&live, &config.recognizers) {
                (Some(_), _) => "by machine",
                (None, None) => "none: no speech model was configured",
                (None, Some(_)) => "none: speech recognition could not be started",
            },
            "ring": engine.ring_jws(),
        }));
        let outage = OutageLog { last_packet_ms: last_written_ms(files.dir()), ..OutageLog::default() };
        Self {
            call,
            mode,
            files,
            transcribes: live.is_some(),
            not_transcribed: 0,
            live,
            joined_ms: now_ms,
            live_ms,
            sealed_ms: now_ms,
            participants: BTreeMap::new(),
            acts_for: Vec::new(),
            line: None,
            shifts: Vec::new(),
            holds: 0,
            transcript: Vec::new(),
            outage,
            attendance: Attendance::default(),
            receives_nothing: false,
            resumed: false,
            was_complete: true,
            end_is_authentic: false,
        }
    }

    /// Time in the call, milliseconds.
    fn call_time(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.live_ms.unwrap_or(self.joined_ms))
    }

    /// The line that the call is over, verified.
    pub(super) fn on_line(&mut self, line: &Line, now_ms: u64) {
        if self.line.as_ref() != Some(line) {
            self.files.push_event(serde_json::json!({
                "at_ms": now_ms, "what": "line", "line": line.line, "version": line.version,
                "principal": line.principal.person.to_hex(), "holder": line.holder.person.to_hex(),
                "purpose": line.terms.purpose,
            }));
            self.line = Some(line.clone());
        }
    }

    /// The participants of a new epoch.
    pub(super) fn on_members(
        &mut self,
        members: &[(DeviceId, Card)],
        speakers: &[DeviceId],
        acts_for: &[ActsFor],
        now_ms: u64,
    ) {
        for acts in acts_for {
            if !self.acts_for.contains(acts) {
                self.acts_for.push(acts.clone());
                self.files.push_event(serde_json::json!({
                    "at_ms": now_ms, "what": "acts_for", "act": acts.act, "principal": acts.principal.person.to_hex(),
                    "delegate": acts.delegate.person.to_hex(),
                }));
            }
        }
        for gap in self.attendance.members(members, speakers, self.live_ms, now_ms) {
            self.record_gap(&gap, now_ms);
        }
        self.participants.extend(members.iter().cloned());
        if let Some(live) = &mut self.live {
            live.on_members(members);
        }
    }

    /// Somebody is on shift at a device of a place that is in the call.
    pub(super) fn on_shift(&mut self, device: DeviceId, on_shift: &OnShift, now_ms: u64) {
        let known = self.shifts.iter().any(|(known, shift)| *known == device && shift.shift == on_shift.shift);
        if known || self.shifts.len() >= MAX_SHIFTS {
            return;
        }
        self.files.push_event(serde_json::json!({
            "at_ms": now_ms, "what": "on_shift", "device": device, "person": on_shift.person.person.to_hex(),
            "name": on_shift.person.name, "since_ms": on_shift.since_ms,
        }));
        self.shifts.push((device, on_shift.clone()));
    }

    /// A party holds the call, with a word to the others, or does not any more.
    pub(super) fn on_hold(&mut self, by: &Card, said: Option<&(HoldWord, String)>, now_ms: u64) {
        if self.holds >= MAX_HOLDS {
            return;
        }
        self.holds += 1;
        let person = by.person.to_hex();
        self.files.push_event(match said {
            Some((word, text)) => {
                serde_json::json!({ "at_ms": now_ms, "what": "held", "person": person, "word": word, "text": text })
            }
            None => serde_json::json!({ "at_ms": now_ms, "what": "resumed", "person": person }),
        });
    }

    /// The call is being prepared, or its principals are connected: each happens once.
    pub(super) fn on_green_room(&mut self, what: &RoomEvent, now_ms: u64) {
        self.files.push_event(match what {
            RoomEvent::Opened => serde_json::json!({ "at_ms": now_ms, "what": "green_room_opened" }),
            RoomEvent::Connected { agreed: [caller, callee] } => serde_json::json!({
                "at_ms": now_ms, "what": "principals_connected", "caller": caller, "callee": callee,
            }),
        });
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
        if self.live.is_some() {
            let (start_ms, end_ms) = (self.call_time(since_ms), self.call_time(until_ms));
            self.files.push_segment(Segment {
                start_ms,
                end_ms,
                speaker,
                name,
                text: NO_AUDIO.to_owned(),
                language: None,
                confidence: Vec::new(),
            });
        }
    }

    /// Passes a packet to transcription.
    fn reassemble(&mut self, from: DeviceId, stream: (u64, u32), counter: u64, packet: &[u8], now_ms: u64) {
        let at_ms = self.call_time(now_ms);
        self.resume_transcript(now_ms);
        if let Some(live) = &mut self.live {
            live.push(PendingPacket { from, stream, counter, at_ms, packet: Blob(packet.to_vec()) });
        }
    }

    /// Transcribes what an earlier run of the process received and did not transcribe, once the time of the answer is known.
    fn resume_transcript(&mut self, now_ms: u64) {
        let Some(live) = self.live.as_mut().filter(|_| self.live_ms.is_some() && !self.resumed) else { return };
        self.resumed = true;
        if let Some((from_ms, to_ms)) = live.left().and_then(|left| live.resume(left)) {
            tracing::info!(call = %self.call, from_ms, to_ms, "transcribing what was received before the interruption");
            self.files.push_event(transcribed_later(now_ms, (from_ms, to_ms)));
        }
    }

    /// Passes the frames that are available to the recognizer.
    pub(super) fn feed_recognizer(&mut self, now_ms: u64) {
        let at_ms = self.call_time(now_ms);
        if let Some(live) = &mut self.live {
            live.feed(at_ms, false);
        }
    }

    /// Notes how far the transcript is, and keeps the sound that it does not cover. To be called before a part is sealed.
    pub(super) fn keep_pending(&mut self, now_ms: u64) {
        // First, because what an earlier run left is replaced here.
        self.resume_transcript(now_ms);
        let (call_ms, is_live) = (self.call_time(now_ms), self.live_ms.is_some());
        let Some(live) = self.live.as_mut().filter(|_| is_live) else { return };
        let names = self.participants.iter().map(|(device, card)| (*device, card.name.clone())).collect();
        live.keep_pending(names);
        let settled_ms = live.settled_ms();
        // A transcript that is complete, as it was before, is no news: nothing would be sealed in a silent call.
        let is_complete = settled_ms + MIN_MISSING_MS > call_ms;
        if std::mem::replace(&mut self.was_complete, is_complete) && is_complete {
            return;
        }
        self.files.push_event(serde_json::json!({
            "at_ms": now_ms, "what": "transcribed", "to_ms": settled_ms, "of_ms": call_ms,
        }));
    }

    /// Handles the recognizer's results; returns captions to publish.
    pub(super) fn take_captions(&mut self, now_ms: u64) -> Vec<Caption> {
        let results = self.live.as_mut().map(LiveTranscript::results).unwrap_or_default();
        let mut captions: Vec<Caption> = results.into_iter().map(|spoken| self.handle_result(spoken, now_ms)).collect();
        let at_ms = self.call_time(now_ms);
        let behind_ms = self.live.as_mut().and_then(|live| live.behind_ms(at_ms));
        // A caption without words: it replaces nothing, and tells readers how late recognition is when no words arrive.
        if let (Some(behind_ms), Some(speaker)) = (behind_ms, self.participants.keys().next()) {
            let (passage, part) = (0, u32::MAX);
            let text = String::new();
            captions.push(Caption { speaker: *speaker, passage, part, start_ms: now_ms, text, done: false, behind_ms });
        }
        captions
    }

    fn handle_result(&mut self, spoken: Spoken, now_ms: u64) -> Caption {
        let (speaker, result) = (spoken.speaker, &spoken.result);
        if let Some(why) = &spoken.failure {
            self.not_transcribed += 1;
            let (start_s, end_s) = (result.start_s, result.end_s);
            tracing::warn!(call = %self.call, start_s, end_s, why, "speech could not be recognized; the transcript has a gap");
            self.files.push_event(serde_json::json!({
                "at_ms": now_ms, "what": "not_transcribed", "from_s": start_s, "to_s": end_s, "why": why,
            }));
        }
        if result.is_final && !result.text.is_empty() {
            let name = self.participants.get(&speaker).map(|card| card.name.clone()).unwrap_or_default();
            self.files.push_segment(segment(&spoken, name));
            let (start_s, end_s, text) = (result.start_s, result.end_s, result.text.clone());
            self.transcript.push(TranscriptLine { speaker, start_s, end_s, text });
        }
        let live_ms = self.live_ms.unwrap_or(self.joined_ms);
        let end_ms = live_ms + (result.end_s * 1000.0) as u64;
        Caption {
            speaker,
            passage: result.group,
            part: result.part,
            start_ms: live_ms + (result.start_s * 1000.0) as u64,
            text: spoken.result.text,
            done: spoken.result.is_final,
            behind_ms: now_ms.saturating_sub(end_ms),
        }
    }

    /// After the end of the call: recognizes the last words and queues the files about the whole call. Blocks for seconds.
    pub(super) fn complete_transcript(&mut self, now_ms: u64) {
        // A call that ended before its first packet since the restart.
        self.resume_transcript(now_ms);
        let call_ms = self.call_time(now_ms);
        if let Some(mut live) = self.live.take() {
            live.feed(call_ms, false);
            tracing::info!(call = %self.call, left_ms = call_ms.saturating_sub(live.settled_ms()), "completing the transcript");
            for spoken in live.finish() {
                self.handle_result(spoken, now_ms);
            }
            self.files.push_event(serde_json::json!({
                "at_ms": now_ms, "what": "transcribed", "to_ms": call_ms, "of_ms": call_ms,
            }));
        }
        self.transcript.sort_by(|a, b| a.start_s.total_cmp(&b.start_s));
        let statistics = self.attendance.statistics();
        self.files
            .push_event(serde_json::json!({ "at_ms": now_ms, "what": "receive_statistics", "speakers": statistics }));
        let participants = self.participants.iter().map(|(device, card)| {
            let shifts = self.shifts.iter().filter(|(at, _)| at == device).map(|(_, shift)| shift);
            let participant = RecordParticipant::new(*device, card).acting(&self.acts_for).with_shifts(shifts);
            participant.holding(self.line.as_ref())
        });
        self.files.add_summaries(&participants.collect::<Vec<_>>());
    }

    /// Seals and signs the record. Idempotent: after an error, call it again to continue.
    pub(super) fn finish(&mut self, now_ms: u64) -> Result<(), RecordError> {
        let more = self.bag_info(now_ms);
        let lacks = self.attendance.lacks();
        let [missed_s, late_s] = [self.outage.missed_ms, self.outage.late_ms].map(|ms| ms.div_ceil(1000));
        let end_is_authentic = self.end_is_authentic;
        let transcript = lacks_transcript(self.mode, self.transcribes, self.not_transcribed);
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
            let reason =
                [reason, transcript].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ");
            BagInfo { date: date(now_ms), partial: !reason.is_empty(), reason, extra: more }
        })
    }

    /// Metadata for `bag-info.txt`, readable without opening the record.
    fn bag_info(&self, now_ms: u64) -> Vec<(String, String)> {
        let mut parties = String::new();
        let mut speakers: Vec<_> = {
            let acts = |card: &Card| self.acts_for.iter().any(|acts| acts.delegate.is_same_person(card));
            self.participants.values().filter(|card| card.role.speaks() || acts(card)).collect()
        };
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

/// What the transcript lacks that the call's mode demands; empty if nothing. Every record has a transcript: a call of which nothing is
/// written down has no record.
fn lacks_transcript(mode: RecordMode, transcribes: bool, not_transcribed: usize) -> String {
    match (mode, transcribes, not_transcribed) {
        (RecordMode::LogOnly, ..) | (_, true, 0) => String::new(),
        (_, false, _) => NO_TRANSCRIPT.to_owned(),
        (_, true, 1) => "a passage could not be transcribed".to_owned(),
        (_, true, many) => format!("{many} passages could not be transcribed"),
    }
}

/// The event that says that a later run transcribed a time span of the call.
pub(super) fn transcribed_later(now_ms: u64, (from_ms, to_ms): (u64, u64)) -> serde_json::Value {
    serde_json::json!({ "at_ms": now_ms, "what": "transcribed_later", "from_ms": from_ms, "to_ms": to_ms })
}

/// `YYYY-MM-DD` in UTC of milliseconds since 1970.
pub(super) fn date(ms: u64) -> String {
    Zone::utc().at(ms).map_or_else(|| "1970-01-01".into(), |time| time.date())
}

/// `YYYY-MM-DDTHH:MM:SSZ` of milliseconds since 1970.
fn utc(ms: u64) -> String {
    let clock = Zone::utc().at(ms).map_or_else(|| "00:00:00".into(), |time| time.clock());
    format!("{}T{clock}Z", date(ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_without_the_transcript_that_its_mode_demands_is_partial() {
        use RecordMode::{Audio, LogOnly, Memo};
        for mode in [Memo, Audio] {
            assert_eq!(lacks_transcript(mode, false, 0), NO_TRANSCRIPT);
            assert_eq!(lacks_transcript(mode, true, 0), "");
            assert!(lacks_transcript(mode, true, 2).starts_with("2 passages"));
        }
        assert_eq!(lacks_transcript(LogOnly, false, 0), "");
    }

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
