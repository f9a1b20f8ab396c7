//! The wall clock of an endpoint.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use telcon_proto::limits::FRAME_MS;

/// Largest step of time passed to an engine in a call, milliseconds: half of the step that the engine takes for a clock
/// adjustment.
const MAX_STEP_MS: u64 = 5_000;

/// Milliseconds since 1970 UTC.
pub fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// Time for the engine and the record. During a call it does not follow adjustments of the system clock, so that record
/// positions stay consistent and nothing expires early or late.
pub(super) struct CallClock {
    synchronized_at: Instant,
    synchronized_ms: u64,
    /// The last time passed to the engine.
    engine_ms: u64,
}

impl CallClock {
    /// A clock synchronized with the system clock.
    pub(super) fn new() -> Self {
        let now = now_ms();
        Self { synchronized_at: Instant::now(), synchronized_ms: now, engine_ms: now }
    }

    /// Milliseconds since 1970 UTC.
    pub(super) fn now_ms(&self) -> u64 {
        self.synchronized_ms + self.synchronized_at.elapsed().as_millis() as u64
    }

    /// Synchronizes with the system clock. Not to be called during a call.
    pub(super) fn synchronize(&mut self) {
        (self.synchronized_at, self.synchronized_ms) = (Instant::now(), now_ms());
    }

    /// The time for the next engine input. After a suspension of the process during a call, `tick` is called for
    /// intermediate times first, because the engine takes a large step for a clock adjustment.
    pub(super) fn advance(&mut self, in_call: bool, mut tick: impl FnMut(u64)) -> u64 {
        let now = self.now_ms();
        steps(self.engine_ms, now, in_call).for_each(&mut tick);
        self.engine_ms = now;
        now
    }
}

/// Intermediate times between two engine inputs.
fn steps(last_ms: u64, now_ms: u64, in_call: bool) -> impl Iterator<Item = u64> {
    let count = if in_call { now_ms.saturating_sub(last_ms).saturating_sub(1) / MAX_STEP_MS } else { 0 };
    (1..=count).map(move |step| last_ms + step * MAX_STEP_MS)
}

/// The 20 ms ticks of an endpoint.
pub(super) fn media_ticks() -> tokio::time::Interval {
    let mut ticks = tokio::time::interval(Duration::from_millis(FRAME_MS));
    // Late ticks are made up for, so that the packet rate is constant regardless of the scheduler.
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Burst);
    ticks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suspension_in_a_call_is_passed_to_the_engine_in_steps() {
        let steps = |last, now, in_call| steps(last, now, in_call).collect::<Vec<_>>();
        assert_eq!(steps(1_000, 6_000, true), [0; 0]);
        assert_eq!(steps(1_000, 6_001, true), [6_000]);
        assert_eq!(steps(1_000, 16_500, true), [6_000, 11_000, 16_000]);
        assert_eq!(steps(1_000, 16_500, false), [0; 0]);
        assert_eq!(steps(9_000, 1_000, true), [0; 0], "time that goes backwards");
    }
}
