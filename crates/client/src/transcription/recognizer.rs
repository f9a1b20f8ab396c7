//! The speech recognizer interface.

use std::path::PathBuf;

/// The decoding effort for a speech segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// Low latency, for provisional captions.
    Quick,
    /// Best accuracy, for the transcript.
    Best,
}

/// A recognized phrase.
#[derive(Clone, Debug, PartialEq)]
pub struct Phrase {
    /// Start, seconds from the start of the samples.
    pub start_s: f64,
    /// End, seconds from the start of the samples.
    pub end_s: f64,
    /// The text, trimmed, never empty.
    pub text: String,
}

/// A speech recognizer.
pub trait Recognizer {
    /// Recognizes the phrases in `pcm16k` (16 kHz, one channel, -1..1), in order. Deterministic: the same samples give the
    /// same phrases.
    ///
    /// # Errors
    /// [`RecognitionError::Engine`].
    fn transcribe(&mut self, pcm16k: &[f32], effort: Effort) -> Result<Vec<Phrase>, RecognitionError>;
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
    /// The engine failed on a segment.
    #[error("speech recognition failed: {0}")]
    Engine(String),
}
