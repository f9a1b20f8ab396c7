//! The two clocks of an engine: wall time as the device reports it, and monotonic uptime derived from it.

/// Longest time between two entries of an engine in a call, milliseconds: it wakes up more often. A longer gap is a clock
/// that was set, or a machine that was suspended, and does not count as uptime.
const MAX_GAP_MS: u64 = 10_000;

/// The time at an entry of the engine.
#[derive(Clone, Copy, Default)]
pub(crate) struct Clock {
    /// Milliseconds since 1970 UTC, by the device's clock.
    pub(crate) wall_ms: u64,
    /// How long the engine has run, milliseconds. Monotonic: setting the device's clock does not move it.
    pub(crate) uptime_ms: u64,
}

impl Clock {
    /// The device's clock now says `now_ms`.
    pub(crate) fn advance(&mut self, now_ms: u64) {
        let passed = now_ms.checked_sub(self.wall_ms).filter(|passed| *passed <= MAX_GAP_MS);
        self.uptime_ms += passed.unwrap_or_default();
        self.wall_ms = now_ms;
    }
}
