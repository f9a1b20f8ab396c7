//! Live speech recognition on this machine.
//!
//! Packets of each speaker pass through [`reassembler`] (order, decoding), [`segmenter`] (voice activity, segments) and the
//! recognizer threads (Whisper); [`transcriber`] runs them for all speakers of a call. Speakers are identified by their
//! media keys, so no diarization is needed.
//!
//! A transcript is a machine's draft: recognition can be wrong and can hallucinate words. The transcript says so.

pub mod mel;
pub mod reassembler;
pub mod recognizer;
pub mod segmenter;
pub mod transcriber;
pub mod vad;
pub mod wer;
pub mod whisper;
mod worker;

pub use recognizer::{Effort, Phrase, RecognitionError, Recognizer};
pub use transcriber::{RecognitionResult, Transcriber};
pub use whisper::Whisper;
