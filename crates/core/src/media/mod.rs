//! Media of a call: frames are encrypted end to end (SFrame), protected against loss (RED), and rate controlled from the
//! receivers' reports, which travel inside the encrypted frames.

pub mod delay;
pub mod feedback;
pub mod keyring;
pub mod rate;
pub mod red;
pub mod repacketize;
mod replay;
pub mod sframe;
pub mod silence;
