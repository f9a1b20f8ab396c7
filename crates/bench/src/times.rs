//! Percentiles and medians as they appear in reports.

use crate::histogram::Histogram;
use serde::{Deserialize, Serialize};

/// Percentiles of a duration, nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    /// Median.
    pub p50: u64,
    /// 99th percentile.
    pub p99: u64,
    /// 99.9th percentile.
    pub p999: u64,
    /// Maximum.
    pub max: u64,
}

impl Times {
    pub(crate) fn of(histogram: &Histogram) -> Self {
        Self {
            p50: histogram.percentile(0.5),
            p99: histogram.percentile(0.99),
            p999: histogram.percentile(0.999),
            max: histogram.max(),
        }
    }

    /// The differences to the same percentiles of `base`.
    pub fn above(self, base: Self) -> Self {
        Self {
            p50: self.p50.saturating_sub(base.p50),
            p99: self.p99.saturating_sub(base.p99),
            p999: self.p999.saturating_sub(base.p999),
            max: self.max.saturating_sub(base.max),
        }
    }
}

/// The median.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        count if count % 2 == 1 => Some(values[middle]),
        _ => Some((values[middle - 1] + values[middle]) / 2.0),
    }
}

/// Nanoseconds formatted as milliseconds.
pub fn millis(nanoseconds: u64) -> String {
    let value = nanoseconds as f64 / 1e6;
    if value < 10.0 { format!("{value:.2}") } else { format!("{value:.0}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }
}
