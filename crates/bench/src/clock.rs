//! The clock of a run: the kernel stamps received packets with the wall clock, so sent packets are stamped with it too.

use std::time::{SystemTime, UNIX_EPOCH};

/// Nanoseconds per second.
pub const SECOND: u64 = 1_000_000_000;
/// Nanoseconds per millisecond.
pub const MILLISECOND: u64 = 1_000_000;

/// Wall-clock time, nanoseconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}
