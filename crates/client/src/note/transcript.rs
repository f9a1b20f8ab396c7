//! The live transcript of a call: packets in, recognition results out, and what is not transcribed yet.

use super::pending::{LeftSound, PendingPacket, PendingSound, PendingStore};
use super::{RecognizerFactory, SpokenLanguages};
use crate::transcription::{
    RecognitionResult, Transcriber, certainty::FAILED, reassembler::StreamReassembler, transcriber::TranscriberEvent,
};
use std::collections::{BTreeMap, btree_map::Entry};
use telcon_proto::{CallId, Card, DeviceId};
use telcon_record::Segment;

/// Lag from which captions say that they are behind, seconds. A passage of 25 s takes up to ten to recognize with a larger model.
const BEHIND_S: f64 = 15.0;
/// Interval of saying so, milliseconds.
const BEHIND_INTERVAL_MS: u64 = 2_000;

/// The live transcript of a call. All times are milliseconds since the call was answered.
pub(super) struct LiveTranscript {
    call: CallId,
    transcriber: Transcriber,
    reassemblers: BTreeMap<DeviceId, StreamReassembler>,
    /// The transcriber's speaker numbers.
    numbers: BTreeMap<DeviceId, u32>,
    languages: SpokenLanguages,
    /// Sound that a killed note-taker could not transcribe otherwise; none in mode *memo*, which keeps no sound.
    pending: Option<(PendingStore, PendingSound)>,
    /// Time up to which [`LiveTranscript::feed`] was called.
    fed_ms: u64,
    behind_said_ms: u64,
    was_behind: bool,
}

/// A recognition result with its speaker.
pub(super) struct Spoken {
    pub(super) speaker: DeviceId,
    pub(super) result: RecognitionResult,
    /// Why a passage has no words, for the record's events.
    pub(super) failure: Option<String>,
}

impl LiveTranscript {
    pub(super) fn new(
        call: CallId,
        transcriber: Transcriber,
        languages: SpokenLanguages,
        pending: Option<PendingStore>,
    ) -> Self {
        Self {
            call,
            transcriber,
            reassemblers: BTreeMap::new(),
            numbers: BTreeMap::new(),
            languages,
            pending: pending.map(|store| (store, PendingSound::default())),
            fed_ms: 0,
            behind_said_ms: 0,
            was_behind: false,
        }
    }

    /// What an earlier run left of this call.
    pub(super) fn left(&self) -> Option<LeftSound> {
        self.pending.as_ref().and_then(|(store, _)| store.read())
    }

    /// Transcribes what an earlier run left, before the first packet of this one. Returns its time span.
    pub(super) fn resume(&mut self, left: LeftSound) -> Option<(u64, u64)> {
        let span = (left.packets.first()?.at_ms, left.packets.last()?.at_ms);
        for packet in left.packets {
            let at_ms = packet.at_ms;
            self.push(packet);
            self.feed(at_ms, false);
        }
        self.feed(span.1, true);
        for number in self.numbers.values() {
            self.transcriber.leave(*number);
        }
        // What follows is another timeline.
        self.reassemblers.clear();
        Some(span)
    }

    /// The participants of a new epoch.
    pub(super) fn on_members(&mut self, members: &[(DeviceId, Card)]) {
        for (device, card) in members {
            let number = self.number(*device);
            self.transcriber.set_language(number, self.languages.of(card));
        }
    }

    /// A packet arrived.
    pub(super) fn push(&mut self, packet: PendingPacket) {
        let reassembler = match self.reassemblers.entry(packet.from) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => match StreamReassembler::new() {
                Ok(reassembler) => place.insert(reassembler),
                Err(error) => {
                    return tracing::warn!(call = %self.call, device = %packet.from, %error, "no decoder: this speaker is not transcribed");
                }
            },
        };
        reassembler.push(packet.stream, packet.counter, packet.packet.as_slice(), packet.at_ms);
        if let Some((_, sound)) = &mut self.pending {
            sound.push(packet);
        }
    }

    /// Passes the frames that are available to the recognizer; all remaining ones if `is_last`.
    pub(super) fn feed(&mut self, at_ms: u64, is_last: bool) {
        self.fed_ms = self.fed_ms.max(at_ms);
        let devices: Vec<DeviceId> = self.reassemblers.keys().copied().collect();
        for device in devices {
            let number = self.number(device);
            let Some(reassembler) = self.reassemblers.get_mut(&device) else { continue };
            for timed in if is_last { reassembler.finish() } else { reassembler.frames(at_ms) } {
                self.transcriber.push(number, &timed.frame, timed.at_s);
            }
            if reassembler.stopped(at_ms) {
                self.transcriber.leave(number);
            }
        }
    }

    /// The results since the last call.
    pub(super) fn results(&mut self) -> Vec<Spoken> {
        let events = self.transcriber.events();
        events.into_iter().filter_map(|event| self.spoken(event)).collect()
    }

    /// Recognizes what is left; blocks for seconds. Returns the last results.
    pub(super) fn finish(mut self) -> Vec<Spoken> {
        self.feed(self.fed_ms, true);
        let numbers = self.numbers;
        let events = self.transcriber.finish();
        let speaker = |number| numbers.iter().find(|(_, of)| **of == number).map(|(device, _)| *device);
        events.into_iter().filter_map(|event| spoken(event, speaker)).collect()
    }

    /// Time up to which the transcript of every speaker is complete.
    pub(super) fn settled_ms(&self) -> u64 {
        let settled = self.numbers.values().filter_map(|number| self.transcriber.settled_s(*number));
        settled.map(|settled_s| (settled_s * 1000.0) as u64).fold(self.fed_ms, u64::min)
    }

    /// Keeps the sound that is not transcribed yet, for a run after this one.
    pub(super) fn keep_pending(&mut self, names: BTreeMap<DeviceId, String>) {
        let Some((store, sound)) = &mut self.pending else { return };
        for (device, number) in &self.numbers {
            if let Some(settled_s) = self.transcriber.settled_s(*number) {
                sound.settle(*device, (settled_s * 1000.0) as u64);
            }
        }
        if let Err(error) = store.write(sound, names) {
            tracing::warn!(call = %self.call, %error, "sound that is not transcribed yet cannot be kept: if this process is killed, the transcript has a gap");
        }
    }

    /// The lag to show, milliseconds, when it is time to say it: while recognition is behind, and once when it has caught up.
    pub(super) fn behind_ms(&mut self, at_ms: u64) -> Option<u64> {
        if at_ms < self.behind_said_ms + BEHIND_INTERVAL_MS {
            return None;
        }
        let behind_s = self.transcriber.behind_s(at_ms as f64 / 1000.0);
        let is_behind = behind_s >= BEHIND_S;
        let changed = std::mem::replace(&mut self.was_behind, is_behind) != is_behind;
        if changed {
            let dropped = self.transcriber.dropped_captions();
            if is_behind {
                tracing::warn!(call = %self.call, behind_s, dropped, "speech recognition is behind: the machine is too busy or the model too large. Captions are dropped before the transcript is; nothing of the record is lost");
            } else {
                tracing::info!(call = %self.call, behind_s, dropped, "speech recognition has caught up");
            }
        }
        (is_behind || changed).then(|| {
            self.behind_said_ms = at_ms;
            (behind_s * 1000.0) as u64
        })
    }

    fn number(&mut self, device: DeviceId) -> u32 {
        let next = self.numbers.len() as u32;
        *self.numbers.entry(device).or_insert(next)
    }

    fn spoken(&self, event: TranscriberEvent) -> Option<Spoken> {
        let speaker = |number| self.numbers.iter().find(|(_, of)| **of == number).map(|(device, _)| *device);
        spoken(event, speaker)
    }
}

fn spoken(event: TranscriberEvent, speaker: impl Fn(u32) -> Option<DeviceId>) -> Option<Spoken> {
    match event {
        TranscriberEvent::Result(result) => Some(Spoken { speaker: speaker(result.speaker)?, result, failure: None }),
        TranscriberEvent::Failed { speaker: number, group, start_s, end_s, error } => {
            let result = RecognitionResult {
                speaker: number,
                group,
                part: 0,
                start_s,
                end_s,
                text: FAILED.to_owned(),
                confidence: vec![0; FAILED.split_whitespace().count()],
                language: None,
                is_final: true,
            };
            Some(Spoken { speaker: speaker(number)?, result, failure: Some(error.to_string()) })
        }
    }
}

/// A line of the transcript for the record.
pub(super) fn segment(spoken: &Spoken, name: String) -> Segment {
    let result = &spoken.result;
    Segment {
        start_ms: (result.start_s * 1000.0) as u64,
        end_ms: (result.end_s * 1000.0) as u64,
        speaker: spoken.speaker.to_hex(),
        name,
        text: result.text.clone(),
        language: result.language.map(|language| language.code().to_owned()),
        confidence: result.confidence.clone(),
    }
}

/// The transcript of what an earlier run left.
pub(super) struct LeftTranscript {
    pub(super) segments: Vec<Segment>,
    /// From when to when in the call.
    pub(super) span: Option<(u64, u64)>,
}

/// Transcribes what an earlier run left of a call that is over. Blocks for seconds.
pub(super) fn transcribe_left(
    call: CallId,
    left: LeftSound,
    recognizers: &RecognizerFactory,
    languages: SpokenLanguages,
) -> std::io::Result<LeftTranscript> {
    let (transcript, _) = recognizers();
    let mut live = LiveTranscript::new(call, Transcriber::new(transcript)?, languages, None);
    let names = left.names.clone();
    let span = live.resume(left);
    let finals = live.finish().into_iter().filter(|spoken| spoken.result.is_final && !spoken.result.text.is_empty());
    let name = |spoken: &Spoken| names.get(&spoken.speaker).cloned().unwrap_or_default();
    Ok(LeftTranscript { segments: finals.map(|spoken| segment(&spoken, name(&spoken))).collect(), span })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::opus::{Encoder, Settings};
    use crate::audio::{SILENCE, frames, wav};
    use crate::transcription::recognizer::{Phrase, Quality, Recognition, RecognitionError, Recognizer, Request, Word};
    use std::path::Path;
    use std::sync::Arc;
    use std::sync::mpsc::{Receiver, Sender, channel};
    use telcon_proto::Blob;

    const CALL: CallId = CallId::from_bytes([7; 16]);
    const SPEAKER: DeviceId = DeviceId::from_bytes([1; 16]);

    /// Says how long the sound is, after a permit if it needs one.
    struct Length(Option<Receiver<()>>);

    impl Recognizer for Length {
        fn transcribe(&mut self, sound: &[f32], _: &Request) -> Result<Recognition, RecognitionError> {
            if let Some(permits) = &self.0 {
                let _ = permits.recv();
            }
            let (start_s, end_s) = (0.0, sound.len() as f64 / 16_000.0);
            let text = format!("{end_s:.0}");
            let words = vec![Word { text, start_s, end_s, confidence: 0.99, onset_confidence: 0.99, spaced: true }];
            let phrases = vec![Phrase { start_s, end_s, words, quality: Quality::CERTAIN }];
            Ok(Recognition { phrases, language: None })
        }
    }

    fn length() -> Box<dyn Recognizer + Send> {
        Box::new(Length(None))
    }

    /// Ten seconds of speech from `start_ms` of the call on, with `quiet_s` of silence after it.
    fn speech(start_ms: u64, quiet_s: usize) -> Vec<PendingPacket> {
        let sound = wav::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/b.wav")).unwrap();
        let mut encoder = Encoder::new(Settings::default()).unwrap();
        let all = frames(&sound).chain(std::iter::repeat_n(SILENCE, 50 * quiet_s));
        let packet = |(i, frame): (usize, crate::audio::Frame)| {
            let counter = start_ms / 20 + i as u64;
            let packet = Blob(encoder.encode(&frame).unwrap());
            PendingPacket { from: SPEAKER, stream: (1, 0), counter, at_ms: 20 * counter, packet }
        };
        all.enumerate().map(packet).collect()
    }

    fn live(spool: Option<&Path>, permits: Option<Receiver<()>>) -> LiveTranscript {
        let transcriber = Transcriber::new(Box::new(Length(permits))).unwrap();
        let store = spool.map(|dir| PendingStore::with_key_directory(dir, CALL, Some(dir.to_owned())));
        LiveTranscript::new(CALL, transcriber, SpokenLanguages::default(), store)
    }

    fn hear(live: &mut LiveTranscript, packets: Vec<PendingPacket>) {
        for packet in packets {
            let at_ms = packet.at_ms;
            live.push(packet);
            live.feed(at_ms, false);
        }
    }

    #[test]
    fn a_killed_note_taker_loses_no_words_of_the_sound_that_it_kept() {
        let spool = tempfile::tempdir().unwrap();
        let (_never, permits): (Sender<()>, Receiver<()>) = channel();
        let mut killed = live(Some(spool.path()), Some(permits));
        // One finished passage that waits for the recognizer, and one that is still being said.
        hear(&mut killed, speech(20_000, 2));
        hear(&mut killed, speech(40_000, 0));
        assert!(killed.settled_ms() < 21_000, "nothing is transcribed");
        killed.keep_pending([(SPEAKER, "The President".to_owned())].into());
        // The process is killed: nothing else of it is left. Its thread is leaked, as it would be ended.
        std::mem::forget(killed);
        let store = PendingStore::with_key_directory(spool.path(), CALL, Some(spool.path().to_owned()));
        let left = store.read().unwrap();
        let recognizers: RecognizerFactory = Arc::new(|| (length(), length()));
        let done = transcribe_left(CALL, left, &recognizers, SpokenLanguages::default()).unwrap();
        let starts: Vec<u64> = done.segments.iter().map(|segment| segment.start_ms / 1_000).collect();
        assert_eq!(starts, [20, 40]);
        assert!(done.segments.iter().all(|segment| segment.name == "The President"));
        let (from_ms, to_ms) = done.span.unwrap();
        assert!((19_000..20_100).contains(&from_ms) && to_ms > 48_000, "{from_ms} to {to_ms}");
    }

    #[test]
    fn what_is_transcribed_is_not_kept() {
        let spool = tempfile::tempdir().unwrap();
        let mut heard = live(Some(spool.path()), None);
        hear(&mut heard, speech(0, 3));
        while heard.results().is_empty() {
            std::thread::yield_now();
        }
        while heard.settled_ms() < 10_000 {
            heard.results();
            std::thread::yield_now();
        }
        heard.keep_pending(BTreeMap::new());
        let left = heard.left().map_or(0, |left| left.packets.len());
        assert!(left <= 25, "{left} packets of half a second");
    }

    #[test]
    fn in_mode_memo_no_sound_is_kept() {
        let mut heard = live(None, None);
        hear(&mut heard, speech(0, 0));
        heard.keep_pending(BTreeMap::new());
        assert!(heard.left().is_none());
    }

    #[test]
    fn recognition_that_is_behind_is_said_until_it_has_caught_up() {
        let (permit, permits): (Sender<()>, Receiver<()>) = channel();
        let mut heard = live(None, Some(permits));
        hear(&mut heard, speech(0, 2));
        assert_eq!(heard.behind_ms(12_000), None);
        assert!(heard.behind_ms(30_000).is_some_and(|behind_ms| behind_ms > 15_000));
        assert_eq!(heard.behind_ms(30_500), None, "not more often than every two seconds");
        assert!(heard.behind_ms(33_000).is_some_and(|behind_ms| behind_ms > 18_000));
        drop(permit);
        while heard.settled_ms() < 10_000 {
            heard.results();
            std::thread::yield_now();
        }
        assert_eq!(heard.behind_ms(36_000), Some(0));
        assert_eq!(heard.behind_ms(40_000), None);
    }
}
