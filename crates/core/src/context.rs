//! What a call needs of the device that it is on.

use crate::{clock::Clock, device::Device, io::Output};
use chacha20::ChaCha20Rng;
use std::collections::VecDeque;

/// What a call is given with each input.
pub(crate) struct Context<'a> {
    pub(crate) device: &'a Device,
    pub(crate) clock: Clock,
    /// Whether this note-taker's program can record.
    pub(crate) recording: bool,
    pub(crate) rng: &'a mut ChaCha20Rng,
    pub(crate) out: &'a mut VecDeque<Output>,
}

impl Context<'_> {
    /// Milliseconds since 1970 UTC, by the device's clock.
    pub(crate) fn now_ms(&self) -> u64 {
        self.clock.wall_ms
    }
}
