//! The arrival rate of packets at one worker, which decides whether batching pays.

use std::time::{Duration, Instant};

/// How long a busy worker collects datagrams: the maximum that batching adds to a packet's delay. `make bench-peers`
/// measures it.
pub(super) const BATCH_WINDOW: Duration = Duration::from_micros(800);
/// Minimum expected datagrams per batch window for batching to pay. A timer wake-up costs as much as the wake-ups of two
/// datagrams, and below three the saved system calls are lost again to cold caches.
const MIN_BATCH: u32 = 3;
/// Averaging window of the arrival rate, in reads. While batching, this many reads last about one 20 ms frame, in which
/// each device sends once.
const AVERAGING_READS: u32 = 32;

/// Arrival rate as an exponentially decaying average. Datagrams and time decay separately: averaging the rate of each
/// read would overestimate the effect of short intervals.
pub(super) struct ArrivalRate {
    datagrams: f64,
    seconds: f64,
    last: Instant,
}

impl ArrivalRate {
    pub(super) fn idle(now: Instant) -> Self {
        Self { datagrams: 0.0, seconds: 0.0, last: now }
    }

    /// Records a read that returned `datagrams` (at least one).
    pub(super) fn record(&mut self, now: Instant, datagrams: usize) {
        const DECAY: f64 = 1.0 - 1.0 / AVERAGING_READS as f64;
        // Bounded, so that one long idle period does not dominate the average.
        let since = now.saturating_duration_since(self.last).min(BATCH_WINDOW * AVERAGING_READS);
        self.last = now;
        self.datagrams = self.datagrams * DECAY + datagrams as f64;
        self.seconds = self.seconds * DECAY + since.as_secs_f64();
    }

    /// Whether a batch window is expected to collect at least the minimum number of datagrams.
    pub(super) fn batching_pays(&self) -> bool {
        self.datagrams * BATCH_WINDOW.as_secs_f64() >= self.seconds * f64::from(MIN_BATCH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(reads: u32, interval: Duration, datagrams: usize) -> bool {
        let start = Instant::now();
        let mut rate = ArrivalRate::idle(start);
        (1..=reads).for_each(|n| rate.record(start + interval * n, datagrams));
        rate.batching_pays()
    }

    #[test]
    fn batching_starts_at_the_minimum_batch_per_window() {
        assert!(after(200, BATCH_WINDOW, 3));
        assert!(!after(200, BATCH_WINDOW, 2));
        assert!(after(200, BATCH_WINDOW / 4, 1), "the size of a read does not matter, only the rate");
        assert!(!after(200, BATCH_WINDOW / 2, 1));
    }

    #[test]
    fn a_long_idle_period_is_forgotten_within_the_averaging_window() {
        let start = Instant::now();
        let mut rate = ArrivalRate::idle(start);
        let busy = start + Duration::from_secs(3600);
        (0..4 * AVERAGING_READS).for_each(|n| rate.record(busy + BATCH_WINDOW * n, 6));
        assert!(rate.batching_pays());
    }
}
