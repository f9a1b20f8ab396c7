//! A rate limit whose clock is an argument (the generic cell rate algorithm): a sustained interval and a burst, in one number.
//! Every rate limit of the server is one of these.

const NS_PER_MS: u64 = 1_000_000;

/// How often something is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    /// Sustained interval, nanoseconds.
    interval_ns: u64,
    /// How many are allowed at once, at least 1.
    burst: u32,
}

impl Rate {
    /// One in each interval, and at once so many.
    pub const fn every_ms(interval_ms: u64, burst: u32) -> Self {
        Self { interval_ns: interval_ms * NS_PER_MS, burst }
    }

    /// So many a second, and at once so many.
    pub const fn per_second(count: u32, burst: u32) -> Self {
        Self { interval_ns: (1_000 * NS_PER_MS).div_ceil(count as u64), burst }
    }

    /// How many are allowed at once.
    #[cfg(test)]
    pub const fn burst(self) -> u32 {
        self.burst
    }

    /// Sustained interval, milliseconds.
    #[cfg(test)]
    pub const fn interval_ms(self) -> u64 {
        self.interval_ns / NS_PER_MS
    }
}

/// What one party has left of a [`Rate`]. Full by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Allowance {
    /// When it is full again, nanoseconds.
    full_at_ns: u64,
}

impl Allowance {
    /// Whether nothing is missing: it need not be remembered.
    pub fn is_full(&self, now_ms: u64) -> bool {
        self.full_at_ns <= now_ms.saturating_mul(NS_PER_MS)
    }

    /// Takes one; returns whether there was one left. A refused attempt costs nothing.
    pub fn take(&mut self, rate: Rate, now_ms: u64) -> bool {
        self.take_many(1, rate, now_ms)
    }

    /// Takes `count` if there are as many left; returns whether there were.
    pub fn take_many(&mut self, count: u64, rate: Rate, now_ms: u64) -> bool {
        // Nanoseconds since 1970 fit until the year 2554.
        let now_ns = now_ms.saturating_mul(NS_PER_MS);
        let after = now_ns.max(self.full_at_ns).saturating_add(count.saturating_mul(rate.interval_ns));
        let allowed = after - now_ns <= u64::from(rate.burst) * rate.interval_ns;
        if allowed {
            self.full_at_ns = after;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_allowed_and_then_one_in_each_interval() {
        let rate = Rate::every_ms(500, 6);
        let mut allowance = Allowance::default();
        assert_eq!((0..100).filter(|_| allowance.take(rate, 1_000)).count(), 6);
        assert_eq!((1..=1_000).filter(|ms| allowance.take(rate, 1_000 + ms * 10)).count(), 20);
        assert_eq!(
            (0..100).filter(|_| allowance.take(rate, 1_000_000)).count(),
            6,
            "idle time adds no more than the burst"
        );
    }

    #[test]
    fn what_is_taken_together_counts_each() {
        let rate = Rate::per_second(1_000, 5_000);
        let mut allowance = Allowance::default();
        assert!(!allowance.take_many(5_001, rate, 0), "more than the burst");
        assert!(allowance.take_many(4_000, rate, 0) && !allowance.take_many(1_001, rate, 0));
        assert!(allowance.take_many(1_000, rate, 0), "what was refused cost nothing");
        assert!(!allowance.take_many(11, rate, 10) && allowance.take_many(10, rate, 10));
    }

    #[test]
    fn a_clock_that_goes_back_refills_nothing() {
        let rate = Rate::every_ms(1_000, 1);
        let mut allowance = Allowance::default();
        assert!(allowance.take(rate, 10_000) && !allowance.take(rate, 10_000) && !allowance.take(rate, 5_000));
    }
}
