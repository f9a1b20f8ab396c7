//! Dates and times as feeds write them (RFC 5545, sections 3.3.4 and 3.3.5).

use crate::clock::Shown;

/// A date or time as a feed writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Written {
    /// Seconds since the Unix epoch, as if its clock were UTC's.
    pub(super) seconds: i64,
    pub(super) is_date: bool,
    pub(super) is_utc: bool,
}

/// `20260529`, `20260529T092800` or `20260529T092800Z`.
pub(super) fn time(value: &str) -> Option<Written> {
    let (value, is_utc) = value.strip_suffix('Z').map_or((value, false), |value| (value, true));
    let bytes = value.as_bytes();
    let is_date = bytes.len() == 8 && !is_utc;
    if !is_date && (bytes.len() != 15 || bytes[8] != b'T') {
        return None;
    }
    let number = |from: usize, digits: usize| {
        let digits = &bytes[from..from + digits];
        let all = digits.iter().all(u8::is_ascii_digit);
        all.then(|| digits.iter().fold(0i64, |value, digit| value * 10 + i64::from(digit - b'0')))
    };
    let two = |from: usize| number(from, 2).map(|value| value as u8);
    let (hour, minute, second) = if is_date { (0, 0, 0) } else { (two(9)?, two(11)?, two(13)?) };
    let shown = Shown { year: number(0, 4)?, month: two(4)?, day: two(6)?, hour, minute, second: second.min(59) };
    Some(Written { seconds: shown.as_utc_seconds()?, is_date, is_utc })
}
