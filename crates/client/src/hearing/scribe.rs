//! The live transcriber: several speakers in, captions and a transcript out.
//!
//! Each speaker comes as a stream of their own, so who said what is known and never guessed.

use std::collections::BTreeMap;
use std::time::Instant;

use super::recogniser::{HearingError, Phrase, Recogniser};
use super::speaker::{Passage, SpeakerStream};
use super::worker::{Done, Job, Worker};
use crate::audio::frame::Frame;

/// A phrase that lies this far (seconds) from all detected speech was made up by the model.
const STRAY_S: f64 = 0.5;

/// What was heard of one speaker.
#[derive(Clone, Debug, PartialEq)]
pub struct Caption {
    /// The speaker, as given to [`Scribe::push`].
    pub speaker: u32,
    /// Number of the group of utterances it belongs to, growing per speaker. The first final caption of a group takes
    /// the place of all its provisional ones.
    pub group: u64,
    /// Which part of the group, if provisional: it takes the place of an earlier caption of the same group and part.
    pub part: u32,
    /// Where it begins, in seconds of the call.
    pub start_s: f64,
    /// Where it ends, in seconds of the call.
    pub end_s: f64,
    /// What was said. Empty only if final: then there turned out to be no words in the group.
    pub text: String,
    /// Whether it will not change any more. A group's final text comes as one caption per phrase.
    pub is_final: bool,
}

/// What the scribe has to say.
#[derive(Debug)]
pub enum Event {
    /// Something was heard.
    Caption(Caption),
    /// A passage could not be transcribed: a gap in the transcript, to be shown as one.
    Failed {
        /// The speaker.
        speaker: u32,
        /// Where the passage begins, in seconds of the call.
        start_s: f64,
        /// Where it ends.
        end_s: f64,
        /// Why.
        error: HearingError,
    },
}

/// Transcribes several speakers, with recognisers on threads of their own.
///
/// The time of the call is given, not read; the clock only tells how late captions are. Nothing here waits, except
/// [`Scribe::finish`].
pub struct Scribe {
    speakers: BTreeMap<u32, SpeakerStream>,
    worker: Worker,
    /// Final passages whose result is still to come: (speaker, group) to where they are.
    awaited: BTreeMap<(u32, u64), (f64, f64)>,
    /// Per speaker, the last group whose final text was told: captions of it come too late.
    settled: BTreeMap<u32, u64>,
}

impl Scribe {
    /// A scribe around one recogniser, which makes captions when it has nothing better to do. Fails if the system gives
    /// no thread.
    pub fn new(recogniser: Box<dyn Recogniser + Send>) -> std::io::Result<Self> {
        Self::start(recogniser, None)
    }

    /// A scribe whose captions come from a second recogniser, so that they are in time while the first works on the
    /// transcript.
    pub fn with_captioner(
        recogniser: Box<dyn Recogniser + Send>,
        captioner: Box<dyn Recogniser + Send>,
    ) -> std::io::Result<Self> {
        Self::start(recogniser, Some(captioner))
    }

    fn start(
        recogniser: Box<dyn Recogniser + Send>,
        captioner: Option<Box<dyn Recogniser + Send>>,
    ) -> std::io::Result<Self> {
        let worker = Worker::start(recogniser, captioner)?;
        Ok(Self { speakers: BTreeMap::new(), worker, awaited: BTreeMap::new(), settled: BTreeMap::new() })
    }

    /// Takes 20 ms of a speaker that began at `at_s` seconds of the call. A speaker of whom nothing is given for a
    /// while falls silent; [`Scribe::leave`] says so at once.
    pub fn push(&mut self, speaker: u32, frame: &Frame, at_s: f64) {
        for passage in self.speakers.entry(speaker).or_default().push(frame, at_s) {
            self.submit(speaker, passage);
        }
    }

    /// A speaker left: what they said last is finished now. They may come back.
    pub fn leave(&mut self, speaker: u32) {
        if let Some(passage) = self.speakers.get_mut(&speaker).and_then(SpeakerStream::finish) {
            self.submit(speaker, passage);
        }
    }

    /// What has been heard since the last call, in the order in which it became known.
    pub fn events(&mut self) -> Vec<Event> {
        let done: Vec<Done> = self.worker.done().collect();
        done.into_iter().flat_map(|done| self.settle(done)).collect()
    }

    /// Ends all speakers' streams, waits until everything is heard, and gives what was still to come.
    pub fn finish(mut self) -> Vec<Event> {
        let speakers: Vec<u32> = self.speakers.keys().copied().collect();
        for speaker in speakers {
            self.leave(speaker);
        }
        self.worker.close();
        let in_order = self.worker.join();
        let mut events = self.events();
        let cause = if in_order { "the recogniser stopped early" } else { "the recogniser broke down" };
        events.extend(self.awaited.into_iter().map(|((speaker, _), (start_s, end_s))| Event::Failed {
            speaker,
            start_s,
            end_s,
            error: HearingError::Engine(cause.into()),
        }));
        events
    }

    fn submit(&mut self, speaker: u32, passage: Passage) {
        if passage.is_final {
            self.awaited.insert((speaker, passage.group), (passage.start_s, passage.end_s));
        }
        self.worker.submit(Job { speaker, passage, submitted: Instant::now() });
    }

    /// Turns a result into captions.
    fn settle(&mut self, done: Done) -> Vec<Event> {
        let Done { speaker, passage, result } = done;
        let Passage { group, part, is_final, start_s, end_s, ref speech, .. } = passage;
        if is_final {
            self.awaited.remove(&(speaker, group));
            self.settled.insert(speaker, group);
        } else if self.settled.get(&speaker).is_some_and(|settled| *settled >= group) {
            return Vec::new();
        }
        let caption =
            |start_s, end_s, text| Event::Caption(Caption { speaker, group, part, start_s, end_s, text, is_final });
        let mut phrases = match result {
            Ok(phrases) => phrases,
            Err(error) if is_final => return vec![Event::Failed { speaker, start_s, end_s, error }],
            Err(error) => {
                // The final pass will tell; a missing caption is not worth an alarm.
                tracing::warn!(%error, "no caption");
                return Vec::new();
            }
        };
        phrases.retain(|phrase| near(speech, phrase));
        if phrases.is_empty() {
            return if is_final { vec![caption(start_s, end_s, String::new())] } else { Vec::new() };
        }
        if !is_final {
            let text: Vec<&str> = phrases.iter().map(|phrase| phrase.text.as_str()).collect();
            return vec![caption(start_s, end_s, text.join(" "))];
        }
        phrases
            .into_iter()
            .map(|phrase| caption(start_s + phrase.start_s, (start_s + phrase.end_s).min(end_s), phrase.text))
            .collect()
    }
}

fn near(speech: &[(f64, f64)], phrase: &Phrase) -> bool {
    speech.iter().any(|(begin, end)| phrase.start_s < end + STRAY_S && phrase.end_s > begin - STRAY_S)
}

#[cfg(test)]
#[path = "scribe_tests.rs"]
mod tests;
