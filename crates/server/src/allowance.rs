//! A rate limit whose clock is an argument (the generic cell rate algorithm): a sustained interval and a burst, in one number.

/// How often something is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    /// Sustained interval, milliseconds.
    pub interval_ms: u64,
    /// How many are allowed at once, at least 1.
    pub burst: u32,
}

/// What one party has left of a [`Rate`]. Full by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Allowance {
    /// When it is full again, milliseconds.
    full_at_ms: u64,
}

impl Allowance {
    /// Takes one; returns whether there was one left. A refused attempt costs nothing.
    pub fn take(&mut self, rate: Rate, now_ms: u64) -> bool {
        let after = now_ms.max(self.full_at_ms) + rate.interval_ms;
        let allowed = after - now_ms <= u64::from(rate.burst) * rate.interval_ms;
        if allowed {
            self.full_at_ms = after;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_allowed_and_then_one_in_each_interval() {
        let rate = Rate { interval_ms: 500, burst: 6 };
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
    fn a_clock_that_goes_back_refills_nothing() {
        let rate = Rate { interval_ms: 1_000, burst: 1 };
        let mut allowance = Allowance::default();
        assert!(allowance.take(rate, 10_000) && !allowance.take(rate, 10_000) && !allowance.take(rate, 5_000));
    }
}
