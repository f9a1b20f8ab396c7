//! The live transcriber: frames of several speakers in, provisional captions and a final transcript out.
//!
//! Each speaker is a separate stream, so attribution is certain.

use std::collections::BTreeMap;
use std::time::Instant;

use super::recognizer::{Phrase, RecognitionError, Recognizer};
use super::segmenter::{Segmenter, SpeechSegment};
use super::worker::{Job, JobResult, Worker};
use crate::audio::frame::Frame;

/// A phrase this far (seconds) from all detected speech is a hallucination of the model.
const MAX_DISTANCE_S: f64 = 0.5;

/// A recognized phrase, or provisional text, of one speaker.
#[derive(Clone, Debug, PartialEq)]
pub struct RecognitionResult {
    /// The speaker, as given to [`Transcriber::push`].
    pub speaker: u32,
    /// Number of the group of utterances, increasing per speaker. The first final result of a group replaces all its
    /// provisional ones.
    pub group: u64,
    /// Part of the group, if provisional: it replaces an earlier result of the same group and part.
    pub part: u32,
    /// Start, seconds since the start of the call.
    pub start_s: f64,
    /// End, seconds since the start of the call.
    pub end_s: f64,
    /// The text. Empty only in a final result: the group contained no words.
    pub text: String,
    /// Whether this is final. The final text of a group is one result per phrase.
    pub is_final: bool,
}

/// An event of the transcriber.
#[derive(Debug)]
pub enum TranscriberEvent {
    /// Speech was recognized.
    Result(RecognitionResult),
    /// A segment could not be recognized: a gap in the transcript, to be shown as one.
    Failed {
        /// The speaker.
        speaker: u32,
        /// Start of the segment, seconds since the start of the call.
        start_s: f64,
        /// End of the segment.
        end_s: f64,
        /// The cause.
        error: RecognitionError,
    },
}

/// Transcribes several speakers; recognizers run on separate threads.
///
/// Call time is an argument; the clock is only read to measure caption latency. Only [`Transcriber::finish`] blocks.
pub struct Transcriber {
    speakers: BTreeMap<u32, Segmenter>,
    worker: Worker,
    /// Final segments in recognition: (speaker, group) to their start and end.
    pending: BTreeMap<(u32, u64), (f64, f64)>,
    /// Per speaker, the last group with a final result: later provisional results of it are discarded.
    finalized: BTreeMap<u32, u64>,
}

impl Transcriber {
    /// A transcriber with one recognizer, which makes captions when no final segment waits.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn new(recognizer: Box<dyn Recognizer + Send>) -> std::io::Result<Self> {
        Self::start(recognizer, None)
    }

    /// A transcriber with a second recognizer for captions, so that they are timely while the first works on the transcript.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn with_captioner(
        recognizer: Box<dyn Recognizer + Send>,
        captioner: Box<dyn Recognizer + Send>,
    ) -> std::io::Result<Self> {
        Self::start(recognizer, Some(captioner))
    }

    fn start(
        recognizer: Box<dyn Recognizer + Send>,
        captioner: Option<Box<dyn Recognizer + Send>>,
    ) -> std::io::Result<Self> {
        let worker = Worker::start(recognizer, captioner)?;
        Ok(Self { speakers: BTreeMap::new(), worker, pending: BTreeMap::new(), finalized: BTreeMap::new() })
    }

    /// Adds 20 ms of a speaker that start at `at_s` seconds of the call. To end the open group of a speaker without further
    /// frames, call [`Transcriber::leave`].
    pub fn push(&mut self, speaker: u32, frame: &Frame, at_s: f64) {
        for segment in self.speakers.entry(speaker).or_default().push(frame, at_s) {
            self.submit(speaker, segment);
        }
    }

    /// A speaker stopped sending: ends the open group. The speaker may resume.
    pub fn leave(&mut self, speaker: u32) {
        if let Some(segment) = self.speakers.get_mut(&speaker).and_then(Segmenter::finish) {
            self.submit(speaker, segment);
        }
    }

    /// The events since the last call, in order.
    pub fn events(&mut self) -> Vec<TranscriberEvent> {
        let results: Vec<JobResult> = self.worker.results().collect();
        results.into_iter().flat_map(|result| self.handle_result(result)).collect()
    }

    /// Ends all speakers' streams, waits for the recognizers, and returns the remaining events.
    pub fn finish(mut self) -> Vec<TranscriberEvent> {
        let speakers: Vec<u32> = self.speakers.keys().copied().collect();
        for speaker in speakers {
            self.leave(speaker);
        }
        self.worker.close();
        let joined = self.worker.join();
        let mut events = self.events();
        let cause = if joined { "the recognizer stopped early" } else { "the recognizer thread panicked" };
        events.extend(self.pending.into_iter().map(|((speaker, _), (start_s, end_s))| TranscriberEvent::Failed {
            speaker,
            start_s,
            end_s,
            error: RecognitionError::Engine(cause.into()),
        }));
        events
    }

    fn submit(&mut self, speaker: u32, segment: SpeechSegment) {
        if segment.is_final {
            self.pending.insert((speaker, segment.group), (segment.start_s, segment.end_s));
        }
        self.worker.submit(Job { speaker, segment, submitted: Instant::now() });
    }

    /// Converts a job's result into events.
    fn handle_result(&mut self, done: JobResult) -> Vec<TranscriberEvent> {
        let JobResult { speaker, segment, result } = done;
        let SpeechSegment { group, part, is_final, start_s, end_s, ref speech, .. } = segment;
        if is_final {
            self.pending.remove(&(speaker, group));
            self.finalized.insert(speaker, group);
        } else if self.finalized.get(&speaker).is_some_and(|finalized| *finalized >= group) {
            return Vec::new();
        }
        let event = |start_s, end_s, text| {
            TranscriberEvent::Result(RecognitionResult { speaker, group, part, start_s, end_s, text, is_final })
        };
        let mut phrases = match result {
            Ok(phrases) => phrases,
            Err(error) if is_final => return vec![TranscriberEvent::Failed { speaker, start_s, end_s, error }],
            Err(error) => {
                // The final pass covers the same speech.
                tracing::warn!(speaker, %error, "a caption could not be recognized; the transcript is not affected");
                return Vec::new();
            }
        };
        phrases.retain(|phrase| near(speech, phrase));
        if phrases.is_empty() {
            return if is_final { vec![event(start_s, end_s, String::new())] } else { Vec::new() };
        }
        if !is_final {
            let text: Vec<&str> = phrases.iter().map(|phrase| phrase.text.as_str()).collect();
            return vec![event(start_s, end_s, text.join(" "))];
        }
        phrases
            .into_iter()
            .map(|phrase| event(start_s + phrase.start_s, (start_s + phrase.end_s).min(end_s), phrase.text))
            .collect()
    }
}

fn near(speech: &[(f64, f64)], phrase: &Phrase) -> bool {
    speech.iter().any(|(begin, end)| phrase.start_s < end + MAX_DISTANCE_S && phrase.end_s > begin - MAX_DISTANCE_S)
}

#[cfg(test)]
#[path = "transcriber_tests.rs"]
mod tests;
