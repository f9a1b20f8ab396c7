//! The time of an engine's entries: what the device's clock says, and how long the engine has run.

/// Longest time between two entries of an engine in a call, milliseconds: it wakes up more often. More is a clock that was
/// set, or a machine that slept, and neither counts as time that the engine ran.
const LONGEST_SLEEP_MS: u64 = 10_000;

/// The time of an engine's entry.
#[derive(Clone, Copy, Default)]
pub(super) struct Clock {
    /// Milliseconds since 1970 UTC, as the device's clock says.
    pub(super) wall_ms: u64,
    /// For how long the engine has run, milliseconds.
    pub(super) uptime_ms: u64,
}

impl Clock {
    /// Time went on, or the clock was set.
    pub(super) fn pass(&mut self, now_ms: u64) {
        let passed = now_ms.checked_sub(self.wall_ms).filter(|passed| *passed <= LONGEST_SLEEP_MS);
        self.uptime_ms += passed.unwrap_or_default();
        self.wall_ms = now_ms;
    }
}
