//! Path delay: the minimum is the path's own delay; what exceeds it is jitter or a standing queue.

use telcon_proto::limits::FRAME_MS;

/// Relative transit time of a frame, microseconds: its arrival less its nominal send time (RFC 3550, appendix A.8).
pub fn transit(counter: u64, now_us: u64) -> i64 {
    let nominal = counter.saturating_mul(1000 * FRAME_MS);
    i64::try_from(now_us).unwrap_or(i64::MAX).saturating_sub(i64::try_from(nominal).unwrap_or(i64::MAX))
}

/// Minimum over a sliding window of one to two window lengths.
pub struct WindowedMin {
    window_us: u64,
    previous: Option<i64>,
    current: Option<i64>,
    since_us: u64,
}

impl WindowedMin {
    /// An empty filter.
    pub fn new(window_us: u64) -> Self {
        Self { window_us, previous: None, current: None, since_us: 0 }
    }

    /// Adds a sample taken at `now_us`.
    pub fn add(&mut self, value: i64, now_us: u64) {
        if self.current.is_none() || now_us.saturating_sub(self.since_us) >= self.window_us {
            self.previous = self.current.take();
            self.since_us = now_us;
        }
        self.current = Some(self.current.map_or(value, |least| least.min(value)));
    }

    /// The minimum; 0 before the first sample.
    pub fn min(&self) -> i64 {
        match (self.previous, self.current) {
            (Some(a), Some(b)) => a.min(b),
            (a, b) => a.or(b).unwrap_or(0),
        }
    }
}

/// Half of the window of the path's own delay: longer than a standing queue lasts, short enough for the drift of two
/// clocks (100 ppm) to stay small.
const PATH_WINDOW_US: u64 = 60_000_000;
/// Half of the window of the current delay. Of fifty packets at least one has no jitter.
const CURRENT_WINDOW_US: u64 = 500_000;
/// A larger change of the transit time is no queue: the sender paused or restarted.
const RESTART_US: i64 = 3_000_000;

/// Estimates the standing queue on the path (RFC 8289): the current minimum delay above the minimum of the last minutes.
pub struct StandingQueue {
    path: WindowedMin,
    current: WindowedMin,
}

impl StandingQueue {
    /// No samples yet.
    pub fn new() -> Self {
        Self { path: WindowedMin::new(PATH_WINDOW_US), current: WindowedMin::new(CURRENT_WINDOW_US) }
    }

    /// A frame arrived at `now_us`. Gives the queue in milliseconds.
    pub fn add(&mut self, counter: u64, now_us: u64) -> u32 {
        let transit = transit(counter, now_us);
        if self.path.current.is_some() && transit.abs_diff(self.path.min()) > RESTART_US.unsigned_abs() {
            *self = Self::new();
        }
        self.path.add(transit, now_us);
        self.current.add(transit, now_us);
        (self.current.min().saturating_sub(self.path.min()) / 1000).try_into().unwrap_or(0)
    }
}

impl Default for StandingQueue {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const TICK: u64 = 20_000;

    /// The estimate after more `frames` with a path delay of `delay` microseconds each.
    fn feed(queue: &mut StandingQueue, frames: std::ops::Range<u64>, mut delay: impl FnMut(u64) -> u64) -> u32 {
        frames.map(|counter| queue.add(counter, 1_000_000 + counter * TICK + delay(counter))).last().unwrap()
    }

    #[test]
    fn jitter_is_no_queue_and_a_queue_is_detected_within_a_second() {
        let mut queue = StandingQueue::new();
        assert_eq!(feed(&mut queue, 0..500, |counter| 30_000 + counter * 7_919 % 200 * 1_000) / 10, 0);
        assert!((145..=160).contains(&feed(&mut queue, 500..560, |counter| 180_000 + counter % 3 * 1_000)));
        assert!(feed(&mut queue, 560..565, |_| 30_000) < 10, "it drains at once");
    }

    #[test]
    fn a_sender_that_paused_or_restarted_has_no_queue() {
        let mut queue = StandingQueue::new();
        feed(&mut queue, 0..500, |_| 30_000);
        assert_eq!(feed(&mut queue, 500..510, |_| 10_000_000), 0);
        assert_eq!(queue.add(0, 30_000_000), 0);
        assert_eq!(queue.add(u64::MAX >> 20, 0), 0);
    }
}
