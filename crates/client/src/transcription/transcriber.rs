//! The live transcriber: frames of several speakers in, provisional captions and a final transcript out.
//!
//! Each speaker is a separate stream, so attribution is certain.

use std::collections::BTreeMap;
use std::time::Instant;

use super::certainty::{self, Context, Line, judge};
use super::language::Language;
use super::recognizer::{Effort, RecognitionError, Recognizer, Request};
use super::segmenter::{Segmenter, SpeechSegment};
use super::worker::{Job, JobResult, Worker};
use crate::audio::frame::Frame;

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
    /// The text, with uncertain words as `[word?]` and with [`certainty::MARKS`]. Empty only in a final result: the group
    /// contained no words.
    pub text: String,
    /// Confidence of each word of the text (separated by spaces), percent; 0 for the words of a mark.
    pub confidence: Vec<u8>,
    /// The language, if it is known.
    pub language: Option<Language>,
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
        /// Number of the group of utterances.
        group: u64,
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
    /// Per speaker, the end of the oldest provisional segment that has no result yet.
    awaited: BTreeMap<u32, f64>,
    languages: BTreeMap<u32, SpeakerLanguage>,
}

/// What is known of a speaker's language.
#[derive(Clone, Copy, Debug, Default)]
struct SpeakerLanguage {
    /// The language as configured.
    fixed: Option<Language>,
    /// The language of the last final segment, as detected.
    last: Option<Language>,
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
        Ok(Self {
            speakers: BTreeMap::new(),
            worker,
            pending: BTreeMap::new(),
            finalized: BTreeMap::new(),
            awaited: BTreeMap::new(),
            languages: BTreeMap::new(),
        })
    }

    /// Adds 20 ms of a speaker that start at `at_s` seconds of the call. To end the open group of a speaker without further
    /// frames, call [`Transcriber::leave`].
    pub fn push(&mut self, speaker: u32, frame: &Frame, at_s: f64) {
        for segment in self.speakers.entry(speaker).or_default().push(frame, at_s) {
            self.submit(speaker, segment);
        }
    }

    /// The language that a speaker speaks. Without it, it is detected.
    pub fn set_language(&mut self, speaker: u32, language: Option<Language>) {
        self.languages.entry(speaker).or_default().fixed = language;
    }

    /// How far recognition is behind the call at `now_s`, seconds: since the oldest speech that was submitted and has no result.
    pub fn behind_s(&self, now_s: f64) -> f64 {
        let finals = self.pending.values().map(|(_, end_s)| *end_s);
        finals.chain(self.awaited.values().copied()).map(|end_s| now_s - end_s).fold(0.0, f64::max)
    }

    /// How many captions were dropped because the transcript was late.
    pub fn dropped_captions(&self) -> u64 {
        self.worker.dropped()
    }

    /// Call time up to which the transcript of a speaker is complete, seconds; none for a speaker without frames.
    pub fn settled_s(&self, speaker: u32) -> Option<f64> {
        let open = self.speakers.get(&speaker)?.settled_s();
        let pending = self.pending.range((speaker, 0)..=(speaker, u64::MAX)).map(|(_, (start_s, _))| *start_s);
        Some(pending.fold(open, f64::min))
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
        events.extend(self.pending.into_iter().map(|((speaker, group), (start_s, end_s))| TranscriberEvent::Failed {
            speaker,
            group,
            start_s,
            end_s,
            error: RecognitionError::Engine(cause.into()),
        }));
        events
    }

    fn submit(&mut self, speaker: u32, segment: SpeechSegment) {
        let effort = if segment.is_final { Effort::Best } else { Effort::Quick };
        if segment.is_final {
            self.pending.insert((speaker, segment.group), (segment.start_s, segment.end_s));
            self.awaited.remove(&speaker);
        } else {
            self.awaited.entry(speaker).or_insert(segment.end_s);
        }
        let SpeakerLanguage { fixed, last } = self.languages.get(&speaker).copied().unwrap_or_default();
        let request = Request { effort, language: fixed, previous: last };
        self.worker.submit(Job { speaker, segment, request, submitted: Instant::now() });
    }

    /// Converts a job's result into events.
    fn handle_result(&mut self, done: JobResult) -> Vec<TranscriberEvent> {
        let JobResult { speaker, segment, result } = done;
        let SpeechSegment { group, part, is_final, start_s, end_s, ref speech, ref cut_beginnings, cut_end, .. } =
            segment;
        if is_final {
            self.pending.remove(&(speaker, group));
            self.finalized.insert(speaker, group);
        } else {
            // Later segments contain this one's words.
            self.awaited.remove(&speaker);
            if self.finalized.get(&speaker).is_some_and(|finalized| *finalized >= group) {
                return Vec::new();
            }
        }
        let context = Context { speech, cut_beginnings, cut_end };
        let (lines, language) = match result {
            Ok(recognition) => {
                let language = recognition.language.map(|detection| detection.language);
                if is_final && language.is_some() {
                    self.languages.entry(speaker).or_default().last = language;
                }
                (judge(&recognition, &context), language)
            }
            Err(RecognitionError::UnknownLanguage(language)) => {
                (vec![Line::of_mark(certainty::OTHER_LANGUAGE, end_s - start_s)], Some(language))
            }
            Err(error) if is_final => return vec![TranscriberEvent::Failed { speaker, group, start_s, end_s, error }],
            Err(error) => {
                // The final pass covers the same speech.
                tracing::warn!(speaker, %error, "a caption could not be recognized; the transcript is not affected");
                return Vec::new();
            }
        };
        let event = |line: Line| {
            TranscriberEvent::Result(RecognitionResult {
                speaker,
                group,
                part,
                start_s: start_s + line.start_s,
                end_s: (start_s + line.end_s).min(end_s),
                text: line.text,
                confidence: line.confidence,
                language,
                is_final,
            })
        };
        if lines.is_empty() {
            return if is_final { vec![event(Line::of_mark("", end_s - start_s))] } else { Vec::new() };
        }
        if !is_final {
            return vec![event(Line::joined(&lines, end_s - start_s))];
        }
        lines.into_iter().map(event).collect()
    }
}

#[cfg(test)]
#[path = "transcriber_tests.rs"]
mod tests;
