//! Hearing: finding speech in a stream and writing down what was said, on this machine.
//!
//! What a model heard is a machine's draft: it can be wrong, and it can make words up. The transcript says so.

pub mod listener;
pub mod mel;
pub mod recogniser;
pub mod scribe;
pub mod speaker;
pub mod vad;
pub mod wer;
pub mod whisper;
mod worker;

pub use recogniser::{Effort, HearingError, Phrase, Recogniser};
pub use scribe::{Caption, Scribe};
pub use whisper::Whisper;
