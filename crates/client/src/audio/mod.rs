//! Sound, from files and from the wire, without devices or clocks.
//!
//! Everything here moves in frames of 20 ms, 48 kHz, one channel. Nothing reads a clock: time is an argument.

pub mod frame;
pub mod jitter;
pub mod opus;
pub mod playout;
pub mod rate;
pub mod wav;

pub use frame::{FRAME_DURATION, FRAME_SAMPLES, Frame, SAMPLE_RATE, SILENCE, frames, to_f32, to_i16};
