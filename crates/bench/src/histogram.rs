//! Log-linear histograms of durations.

/// Linear buckets per octave: a relative error of at most 1/128.
const PER_OCTAVE_BITS: u32 = 7;
const PER_OCTAVE: u64 = 1 << PER_OCTAVE_BITS;
/// Octaves above the first linear range: up to 2⁴³ ns, more than two hours.
const OCTAVES: u64 = 36;

/// Counts of values in nanoseconds. Values above the range are counted in the last bucket.
#[derive(Clone)]
pub struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: vec![0; (PER_OCTAVE * (OCTAVES + 1)) as usize], count: 0, max: 0 }
    }
}

impl Histogram {
    /// Records one value.
    pub fn record(&mut self, nanoseconds: u64) {
        let index = index_of(nanoseconds).min(self.buckets.len() - 1);
        self.buckets[index] += 1;
        self.count += 1;
        self.max = self.max.max(nanoseconds);
    }

    /// Number of recorded values.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The largest value, exact.
    pub fn max(&self) -> u64 {
        self.max
    }

    /// The percentile `share` (0 to 1), rounded up to the end of its bucket; 0 if nothing was recorded.
    pub fn percentile(&self, share: f64) -> u64 {
        let wanted = ((self.count as f64 * share).ceil() as u64).clamp(1, self.count.max(1));
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return upper_end(index).min(self.max);
            }
        }
        self.max
    }
}

fn index_of(value: u64) -> usize {
    if value < PER_OCTAVE {
        return value as usize;
    }
    let octave = u64::from(63 - value.leading_zeros() - PER_OCTAVE_BITS);
    ((octave + 1) * PER_OCTAVE + (value >> octave) - PER_OCTAVE) as usize
}

/// The largest value of a bucket.
fn upper_end(index: usize) -> u64 {
    let index = index as u64;
    if index < PER_OCTAVE {
        return index;
    }
    let octave = index / PER_OCTAVE - 1;
    ((index % PER_OCTAVE + PER_OCTAVE + 1) << octave) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_contiguous_and_contain_their_values() {
        for value in (0..5_000).chain([1 << 20, (1 << 20) + 1, 123_456_789, (1 << 41) - 1]) {
            let index = index_of(value);
            assert!(value <= upper_end(index), "{value}");
            assert!(index == 0 || value > upper_end(index - 1), "{value}");
            assert!(upper_end(index) - value <= value / 128, "{value} has a relative error below one percent");
        }
    }

    #[test]
    fn percentiles_of_a_known_set() {
        let mut histogram = Histogram::default();
        (1..=1_000).for_each(|n| histogram.record(n * 1_000));
        let close = |share: f64, expected: u64| {
            let got = histogram.percentile(share);
            assert!((expected..=expected + expected / 100).contains(&got), "{share}: {got} for {expected}");
        };
        close(0.5, 500_000);
        close(0.99, 990_000);
        close(0.999, 999_000);
        assert_eq!(histogram.percentile(1.0), 1_000_000);
        assert_eq!((histogram.max(), histogram.count()), (1_000_000, 1_000));
    }

    #[test]
    fn one_outlier_in_a_hundred_is_above_p99() {
        let mut histogram = Histogram::default();
        (0..99).for_each(|_| histogram.record(100));
        histogram.record(50_000_000);
        assert_eq!(histogram.percentile(0.99), 100);
        assert_eq!(histogram.percentile(0.999), 50_000_000);
    }

    #[test]
    fn empty_and_out_of_range() {
        assert_eq!(Histogram::default().percentile(0.99), 0);
        let mut histogram = Histogram::default();
        histogram.record(u64::MAX);
        assert_eq!(histogram.count(), 1);
        assert!(histogram.percentile(0.5) > 3_600_000_000_000);
    }
}
