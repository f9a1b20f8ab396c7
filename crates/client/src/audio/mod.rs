//! Audio from files and packets, without audio devices or clocks.
//!
//! The unit is a frame of 20 ms, 48 kHz, one channel. Time is an argument.

pub mod frame;
pub mod jitter;
pub mod mix;
pub mod opus;
pub mod playout;
pub mod resample;
pub mod wav;
mod wav_format;

pub use frame::{FRAME_DURATION, FRAME_SAMPLES, Frame, SAMPLE_RATE, SILENCE, frames, to_f32, to_i16};
