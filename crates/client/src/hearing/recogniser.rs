//! What turns sound into words, as the scribe sees it.

use std::path::PathBuf;

/// How much work a recogniser should put into a passage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// For a caption that will be replaced soon.
    Quick,
    /// For the transcript.
    Best,
}

/// A passage that was heard, within the sound that was given.
#[derive(Clone, Debug, PartialEq)]
pub struct Phrase {
    /// Where it begins, in seconds from the start of the sound.
    pub start_s: f64,
    /// Where it ends, in seconds from the start of the sound.
    pub end_s: f64,
    /// What was said, trimmed, never empty.
    pub text: String,
}

/// Writes down what is said in a piece of sound.
pub trait Recogniser {
    /// The phrases in `pcm16k` (16 kHz, one channel, -1..1), in order of time. The same sound always gives the same
    /// phrases.
    fn transcribe(&mut self, pcm16k: &[f32], effort: Effort) -> Result<Vec<Phrase>, HearingError>;
}

/// Why speech recognition failed.
#[derive(Debug, thiserror::Error)]
pub enum HearingError {
    /// The model directory lacks a file.
    #[error("{dir} has no {file}: {advice}", dir = dir.display())]
    MissingFile {
        /// The directory that was to hold a model.
        dir: PathBuf,
        /// The file it lacks.
        file: &'static str,
        /// What to do about it.
        advice: &'static str,
    },
    /// The files are there but are no model that can be used.
    #[error("{dir} cannot be loaded as a Whisper model: {cause}", dir = dir.display())]
    Load {
        /// The directory.
        dir: PathBuf,
        /// What the engine said.
        cause: String,
    },
    /// The engine failed on a piece of sound.
    #[error("speech recognition failed: {0}")]
    Engine(String),
}
