//! Durations, counted so that a percentile costs nothing while packets fly.

/// Buckets per power of two: a value is known to within 1/128, less than one percent.
const PER_OCTAVE_BITS: u32 = 7;
const PER_OCTAVE: u64 = 1 << PER_OCTAVE_BITS;
/// Powers of two above the first linear stretch: up to 2⁴² ns, more than an hour.
const OCTAVES: u64 = 36;

/// A count for each stretch of values, in nanoseconds. Values beyond an hour count as an hour.
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
    /// Counts one value.
    pub fn record(&mut self, nanoseconds: u64) {
        let index = index_of(nanoseconds).min(self.buckets.len() - 1);
        self.buckets[index] += 1;
        self.count += 1;
        self.max = self.max.max(nanoseconds);
    }

    /// How many values were counted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The largest value, exactly.
    pub fn max(&self) -> u64 {
        self.max
    }

    /// The smallest value that at least `share` (0 to 1) of all values do not exceed, to within the bucket's width and
    /// rounded up; 0 if nothing was counted.
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
    fn every_value_lies_in_its_bucket_and_buckets_join_without_a_gap() {
        for value in (0..5_000).chain([1 << 20, (1 << 20) + 1, 123_456_789, (1 << 41) - 1]) {
            let index = index_of(value);
            assert!(value <= upper_end(index), "{value}");
            assert!(index == 0 || value > upper_end(index - 1), "{value}");
            assert!(upper_end(index) - value <= value / 128, "{value} is known to within one percent");
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
    fn one_slow_packet_in_a_hundred_shows_at_the_right_place() {
        let mut histogram = Histogram::default();
        (0..99).for_each(|_| histogram.record(100));
        histogram.record(50_000_000);
        assert_eq!(histogram.percentile(0.99), 100);
        assert_eq!(histogram.percentile(0.999), 50_000_000);
    }

    #[test]
    fn nothing_counted_and_more_than_can_be() {
        assert_eq!(Histogram::default().percentile(0.99), 0);
        let mut histogram = Histogram::default();
        histogram.record(u64::MAX);
        assert_eq!(histogram.count(), 1);
        assert!(histogram.percentile(0.5) > 3_600_000_000_000);
    }
}
