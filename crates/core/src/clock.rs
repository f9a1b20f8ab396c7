//! The clocks of an engine: wall time as the device reports it, and two monotonic ones derived from it, without and with the time for
//! which the device was suspended.

/// How much later than it asked for an engine may be woken, milliseconds. A longer gap is a clock that was set, or a machine that
/// was suspended, and does not count as uptime.
const MAX_LATE_MS: u64 = 10_000;

/// The time at an entry of the engine.
#[derive(Clone, Copy, Default)]
pub(crate) struct Clock {
    /// Milliseconds since 1970 UTC, by the device's clock.
    pub(crate) wall_ms: u64,
    /// How long the engine has run, milliseconds. Monotonic: setting the device's clock does not move it.
    pub(crate) uptime_ms: u64,
    /// The uptime with all gaps, milliseconds: no less than the time that has passed, unless the device's clock was set back. For
    /// bounds that must hold over a suspension.
    pub(crate) elapsed_ms: u64,
}

impl Clock {
    /// The device's clock now says `now_ms`. `wait_ms` is after how long the engine wanted to be woken at the entry before.
    pub(crate) fn advance(&mut self, now_ms: u64, wait_ms: u64) {
        let longest_ms = wait_ms.saturating_add(MAX_LATE_MS);
        let passed = now_ms.checked_sub(self.wall_ms).filter(|passed| *passed <= longest_ms);
        self.uptime_ms += passed.unwrap_or_default();
        // The first entry is no gap.
        if self.wall_ms > 0 {
            self.elapsed_ms += now_ms.saturating_sub(self.wall_ms);
        }
        self.wall_ms = now_ms;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_gap_counts_up_to_the_wake_up_that_was_asked_for_and_a_suspension_does_not() {
        let start = Clock { wall_ms: 1_000_000, uptime_ms: 5, elapsed_ms: 7 };
        let after = |gap_ms: i64, wait_ms| {
            let mut clock = start;
            clock.advance(start.wall_ms.saturating_add_signed(gap_ms), wait_ms);
            clock.uptime_ms - start.uptime_ms
        };
        assert_eq!(after(20_000, 20_000), 20_000, "an idle device sleeps until its next ping");
        assert_eq!(after(30_000, 20_000), 30_000);
        assert_eq!(after(30_001, 20_000), 0, "a suspension");
        assert_eq!([after(10_000, 0), after(10_001, 0), after(-1, 20_000)], [10_000, 0, 0]);
    }

    #[test]
    fn the_elapsed_time_has_suspensions_and_never_goes_back() {
        let mut clock = Clock::default();
        for now_ms in [1_000_000, 1_600_000, 1_500_000, 1_500_001] {
            clock.advance(now_ms, 0);
        }
        assert_eq!((clock.elapsed_ms, clock.uptime_ms), (600_001, 1));
    }
}
