//! Live speech recognition on this machine.
//!
//! Packets of each speaker pass through [`reassembler`] (order, decoding), [`segmenter`] (voice activity, segments) and the
//! recognizer threads (Whisper); [`transcriber`] runs them for all speakers of a call. Speakers are identified by their
//! media keys, so no diarization is needed.
//!
//! A transcript is a machine's draft: recognition can be wrong. [`certainty`] decides what of it is shown, shown as uncertain, or
//! replaced by a mark.

pub mod certainty;
pub mod language;
pub mod mel;
mod onset;
pub mod pair;
pub mod reassembler;
pub mod recognizer;
pub mod repetition;
pub mod segmenter;
mod tokens;
pub mod transcriber;
pub mod vad;
pub mod wer;
pub mod whisper;
mod worker;

pub use language::Language;
pub use pair::Pair;
pub use recognizer::{Effort, Phrase, Recognition, RecognitionError, Recognizer, Request};
pub use transcriber::{RecognitionResult, Transcriber};
pub use whisper::Whisper;
