//! A token bucket whose clock is an argument.

use std::time::{Duration, Instant};

/// Limits a sustained rate and a burst. The state is a time instead of a token count (the generic cell rate algorithm),
/// which needs neither floating point nor rounding: `full_at` is when the bucket will be full again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TokenBucket {
    interval: Duration,
    depth: Duration,
    full_at: Instant,
}

impl TokenBucket {
    /// A full bucket for `per_second` packets sustained and `burst` at once, both at least 1.
    pub(crate) fn new(now: Instant, per_second: u32, burst: u32) -> Self {
        let interval = Duration::from_secs(1) / per_second;
        Self { interval, depth: interval * burst, full_at: now }
    }

    /// Takes one token. Returns whether there was one.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let after = self.full_at.max(now) + self.interval;
        let allowed = after.saturating_duration_since(now) <= self.depth;
        if allowed {
            self.full_at = after;
        }
        allowed
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "virtual time starts somewhere")]
mod tests {
    use super::*;

    #[test]
    fn burst_then_sustained_rate() {
        let start = Instant::now();
        let mut bucket = TokenBucket::new(start, 100, 20);
        assert_eq!((0..50).filter(|_| bucket.take(start)).count(), 20);
        // Two seconds at four times the rate pass exactly two seconds' worth of tokens.
        let passed = (1..=800).filter(|i| bucket.take(start + Duration::from_micros(2_500) * *i)).count();
        assert_eq!(passed, 200);
    }

    #[test]
    fn an_idle_bucket_holds_no_more_than_its_burst() {
        let start = Instant::now();
        let mut bucket = TokenBucket::new(start, 100, 20);
        let later = start + Duration::from_secs(3600);
        assert_eq!((0..50).filter(|_| bucket.take(later)).count(), 20);
    }

    #[test]
    fn a_clock_that_stops_or_runs_backwards_refills_nothing() {
        let start = Instant::now() + Duration::from_secs(10);
        let mut bucket = TokenBucket::new(start, 10, 1);
        assert!(bucket.take(start));
        assert!(!bucket.take(start));
        assert!(!bucket.take(start - Duration::from_secs(5)));
    }
}
