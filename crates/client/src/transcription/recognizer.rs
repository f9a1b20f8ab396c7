//! The speech recognizer interface.

use std::path::PathBuf;

use super::language::{Detection, Language};

/// The decoding effort for a speech segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// Low latency, for provisional captions.
    Quick,
    /// Best accuracy, for the transcript.
    Best,
}

/// How a speech segment is to be recognized.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// The decoding effort.
    pub effort: Effort,
    /// The language that is spoken; without one the recognizer detects it, if it can.
    pub language: Option<Language>,
    /// The language in which the same speaker spoke last: a detection that is not clear keeps it.
    pub previous: Option<Language>,
}

impl Request {
    /// A request whose language is detected.
    pub fn new(effort: Effort) -> Self {
        Self { effort, language: None, previous: None }
    }

    /// The same in a known language.
    pub fn in_language(self, language: Language) -> Self {
        Self { language: Some(language), ..self }
    }
}

/// A recognized word.
#[derive(Clone, Debug, PartialEq)]
pub struct Word {
    /// The word with its punctuation, without spaces around it.
    pub text: String,
    /// Start, seconds from the start of the samples.
    pub start_s: f64,
    /// End, seconds from the start of the samples.
    pub end_s: f64,
    /// The model's probability of the word: the mean of its tokens, 0..1, as in Whisper's own code.
    pub confidence: f32,
    /// The model's probability of its first token, 0..1. Where a word is cut off, that one is a guess, and the others follow from it.
    pub onset_confidence: f32,
    /// Whether a space precedes it. Chinese and Japanese have none.
    pub spaced: bool,
}

/// What the model says of its certainty about a passage. All of it comes from one decoding, so phrases of the same pass share it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quality {
    /// Mean log probability per token: 0 is certain, below -1 is a guess.
    pub mean_log_prob: f32,
    /// Probability that there is no speech, 0..1.
    pub no_speech_prob: f32,
    /// The model repeated itself, and these words are those of another attempt.
    pub looped: bool,
}

impl Quality {
    /// A model that is certain.
    pub const CERTAIN: Self = Self { mean_log_prob: 0.0, no_speech_prob: 0.0, looped: false };
}

/// A recognized phrase.
#[derive(Clone, Debug, PartialEq)]
pub struct Phrase {
    /// Start, seconds from the start of the samples.
    pub start_s: f64,
    /// End, seconds from the start of the samples.
    pub end_s: f64,
    /// The words, never empty.
    pub words: Vec<Word>,
    /// The model's certainty.
    pub quality: Quality,
}

impl Phrase {
    /// The text, trimmed.
    pub fn text(&self) -> String {
        join(&self.words)
    }
}

/// The text of consecutive words.
pub(super) fn join(words: &[Word]) -> String {
    let mut text = String::new();
    for word in words {
        if word.spaced && !text.is_empty() {
            text.push(' ');
        }
        text.push_str(&word.text);
    }
    text
}

/// What was recognized in a segment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recognition {
    /// The phrases, in order.
    pub phrases: Vec<Phrase>,
    /// The language, as given or as detected; none if the model knows one language only.
    pub language: Option<Detection>,
}

impl Recognition {
    /// The text of all phrases.
    pub fn text(&self) -> String {
        self.phrases.iter().map(Phrase::text).collect::<Vec<_>>().join(" ")
    }
}

/// A speech recognizer.
pub trait Recognizer {
    /// Recognizes the phrases in `pcm16k` (16 kHz, one channel, -1..1), in order. Deterministic: the same samples give the
    /// same phrases.
    ///
    /// # Errors
    /// [`RecognitionError::Engine`], and [`RecognitionError::UnknownLanguage`] for speech that the model cannot recognize.
    fn transcribe(&mut self, pcm16k: &[f32], request: &Request) -> Result<Recognition, RecognitionError>;
}

/// Why speech recognition failed.
#[derive(Debug, thiserror::Error)]
pub enum RecognitionError {
    /// The model directory lacks a file.
    #[error("{dir} has no {file}: {advice}", dir = dir.display())]
    MissingFile {
        /// The model directory.
        dir: PathBuf,
        /// The missing file.
        file: &'static str,
        /// How to fix it.
        advice: &'static str,
    },
    /// The files exist but are not a usable model.
    #[error("{dir} cannot be loaded as a Whisper model: {cause}", dir = dir.display())]
    Load {
        /// The model directory.
        dir: PathBuf,
        /// The engine's error.
        cause: String,
    },
    /// The model does not know the language that is spoken.
    #[error("the model does not know the language {0}: name a model that does, as with --asr-final-model")]
    UnknownLanguage(Language),
    /// The engine failed on a segment.
    #[error("speech recognition failed: {0}")]
    Engine(String),
}
