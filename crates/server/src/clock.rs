//! The switchboard's clock: wall time that goes backward only with a step of the wall clock, which it detects.
//!
//! Time is an argument everywhere. The monotonic clock says how much of it passed, except while the machine was suspended; the
//! wall clock says what time it is, and is set forward or back when its machine finds it wrong.

use std::time::{Duration, Instant};

/// Difference between both clocks from which the wall clock was stepped. Below it the switchboard's time follows the wall
/// clock, and stands still for a moment where that went back.
const MIN_STEP_MS: u64 = 2000;
/// How much faster or slower than the monotonic clock the wall clock may run, as one part in so many: time synchronization
/// slews it by at most one in 2000.
const MAX_SLEW: u64 = 1000;

/// The clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    /// When both clocks were last read.
    read: Instant,
    /// The wall clock then.
    wall_ms: u64,
    /// The time of this clock then: the wall clock's, or later, and then this clock stands still until that is reached.
    now_ms: u64,
}

/// The wall clock was set, or the machine was suspended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClockStep {
    /// How far it went beyond the time that passed, milliseconds; negative if it was set back.
    pub by_ms: i64,
}

impl Clock {
    /// A clock that shows `wall_ms`.
    pub fn new(read: Instant, wall_ms: u64) -> Self {
        Self { read, wall_ms, now_ms: wall_ms }
    }

    /// The time at `at`, milliseconds since 1970 UTC. Never less than before, unless [`Clock::follow`] found a step in between.
    pub fn at(&self, at: Instant) -> u64 {
        self.now_ms.max(self.wall_ms + millis(at.saturating_duration_since(self.read)))
    }

    /// Follows the wall clock. After a step the clock shows the wall clock's time, which may be less than before: whoever
    /// holds deadlines in the former time has to make them anew.
    pub fn follow(&mut self, at: Instant, wall_ms: u64) -> Option<ClockStep> {
        let passed = millis(at.saturating_duration_since(self.read));
        let expected = self.wall_ms + passed;
        let by_ms = wall_ms as i64 - expected as i64;
        if by_ms.unsigned_abs() > MIN_STEP_MS + passed / MAX_SLEW {
            *self = Self::new(at, wall_ms);
            return Some(ClockStep { by_ms });
        }
        *self = Self { read: at, wall_ms, now_ms: self.at(at) };
        None
    }
}

fn millis(duration: Duration) -> u64 {
    duration.as_millis() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A clock at noon, and how to read both clocks so many milliseconds after noon.
    fn noon() -> (Clock, impl Fn(u64) -> Instant) {
        let start = Instant::now();
        (Clock::new(start, 43_200_000), move |ms| start + Duration::from_millis(ms))
    }

    #[test]
    fn a_slewed_clock_is_followed_and_never_goes_backward() {
        let (mut clock, after) = noon();
        let mut last = clock.at(after(0));
        // Half a second ahead over an hour, then as much behind, with small jumps of a badly synchronized machine.
        for second in 1..7200u64 {
            let (passed, drift) = (second * 1000, if second < 3600 { second / 7 } else { 514 - (second - 3600) / 7 });
            let jump = if second % 100 == 0 { 0 } else { 900 };
            assert_eq!(clock.follow(after(passed), 43_200_000 + passed + drift - jump), None, "{second}");
            let now = clock.at(after(passed));
            assert!(now >= last, "{second}: {now} after {last}");
            last = now;
        }
        assert!(last.abs_diff(43_200_000 + 7_199_000) < MIN_STEP_MS, "{last}");
    }

    #[test]
    fn a_clock_ahead_of_the_wall_clock_stands_still_until_that_has_caught_up() {
        let (mut clock, after) = noon();
        assert_eq!(clock.follow(after(1_000), 43_201_000), None);
        assert_eq!(clock.follow(after(2_000), 43_201_100), None, "900 ms back");
        assert_eq!((clock.at(after(2_000)), clock.at(after(2_800))), (43_202_000, 43_202_000));
        assert_eq!(clock.follow(after(3_000), 43_202_100), None);
        assert_eq!(clock.at(after(3_500)), 43_202_600, "the wall clock's time again");
    }

    #[test]
    fn a_step_is_noticed_and_followed_in_both_directions() {
        for by_ms in [3_600_000, 2_001, -2_001, -3_600_000] {
            let (mut clock, after) = noon();
            assert_eq!(clock.follow(after(500), 43_200_500), None);
            let wall_ms = (43_201_000 + by_ms) as u64;
            assert_eq!(clock.follow(after(1000), wall_ms), Some(ClockStep { by_ms }));
            assert_eq!(clock.at(after(1250)), wall_ms + 250);
            assert_eq!(clock.follow(after(2000), wall_ms + 1000), None, "once");
        }
    }
}
