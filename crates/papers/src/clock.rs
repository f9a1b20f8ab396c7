//! Clocks of zones. The rules of zones are an argument: native programs have the compiled-in database, a browser its own.

use telcon_proto::civil::MONTHS;
pub(crate) use telcon_proto::civil::civil;

/// The clock of one IANA zone.
pub trait ZoneClock {
    /// Its IANA name.
    fn name(&self) -> &str;
    /// Seconds east of UTC at a moment (milliseconds since the Unix epoch).
    fn offset_seconds(&self, at_ms: i64) -> i32;
    /// `EDT`; none if the zone has no letters for it.
    fn abbreviation(&self, _at_ms: i64) -> Option<String> {
        None
    }
}

/// Coordinated universal time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Utc;

impl ZoneClock for Utc {
    fn name(&self) -> &str {
        "UTC"
    }

    fn offset_seconds(&self, _at_ms: i64) -> i32 {
        0
    }

    fn abbreviation(&self, _at_ms: i64) -> Option<String> {
        Some("UTC".to_owned())
    }
}

/// What a clock shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shown {
    /// The year.
    pub year: i64,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59.
    pub second: u8,
}

const DAY_S: i64 = 86_400;

impl Shown {
    /// What a clock shows that is `offset_seconds` east of UTC.
    pub fn at(at_ms: i64, offset_seconds: i32) -> Self {
        let seconds = at_ms.div_euclid(1000) + i64::from(offset_seconds);
        let (days, rest) = (seconds.div_euclid(DAY_S), seconds.rem_euclid(DAY_S));
        let (year, month, day) = civil(days);
        let (hour, minute, second) = ((rest / 3600) as u8, (rest / 60 % 60) as u8, (rest % 60) as u8);
        Self { year, month, day, hour, minute, second }
    }

    /// What a zone's clock shows.
    pub fn of(zone: &dyn ZoneClock, at_ms: u64) -> Self {
        let at_ms = i64::try_from(at_ms).unwrap_or(i64::MAX / 4);
        Self::at(at_ms, zone.offset_seconds(at_ms))
    }

    /// Seconds since the Unix epoch if the clock were UTC's; none if there is no such day or time.
    pub fn as_utc_seconds(&self) -> Option<i64> {
        let is_time = self.hour < 24 && self.minute < 60 && self.second < 60;
        let is_date = (1..=12).contains(&self.month) && self.day >= 1 && self.day <= days_in(self.year, self.month);
        if !is_time || !is_date || !(0..=9999).contains(&self.year) {
            return None;
        }
        let time = i64::from(self.hour) * 3600 + i64::from(self.minute) * 60 + i64::from(self.second);
        Some(days_from_civil(self.year, self.month, self.day) * DAY_S + time)
    }

    /// `29 May 2026`.
    pub fn long_date(&self) -> String {
        format!("{} {} {}", self.day, MONTHS[usize::from(self.month) - 1], self.year)
    }

    /// `09:28`.
    pub fn hour_minute(&self) -> String {
        format!("{:02}:{:02}", self.hour, self.minute)
    }

    /// `09:28:03`.
    pub fn clock(&self) -> String {
        format!("{:02}:{:02}:{:02}", self.hour, self.minute, self.second)
    }

    /// `20260529T092800`, as calendars write it.
    pub fn basic(&self) -> String {
        let Self { year, month, day, hour, minute, second } = self;
        format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}")
    }
}

/// The moment at which a zone's clocks show this, milliseconds since the Unix epoch. Of two such moments (clocks were set back) the
/// first; where there is none (they were set forward) the one that the offset before the change gives (RFC 5545, section 3.3.5).
pub fn moment(zone: &dyn ZoneClock, shown: &Shown) -> Option<i64> {
    let naive_ms = shown.as_utc_seconds()?.checked_mul(1000)?;
    let half_day = DAY_S * 1000;
    let before = zone.offset_seconds(naive_ms - half_day);
    let after = zone.offset_seconds(naive_ms + half_day);
    let candidate = |offset: i32| naive_ms - i64::from(offset) * 1000;
    let fits = |offset: i32| zone.offset_seconds(candidate(offset)) == offset;
    let chosen = [before, after].into_iter().filter(|offset| fits(*offset)).min_by_key(|offset| candidate(*offset));
    Some(candidate(chosen.unwrap_or(before)))
}

/// `UTC-04:00`.
pub fn offset_text(seconds: i32) -> String {
    let (sign, size) = (if seconds < 0 { '-' } else { '+' }, seconds.unsigned_abs());
    format!("UTC{sign}{:02}:{:02}", size / 3600, size / 60 % 60)
}

/// The zone's letters at a moment, or its offset.
pub fn zone_text(zone: &dyn ZoneClock, at_ms: u64) -> String {
    let at_ms = i64::try_from(at_ms).unwrap_or(i64::MAX / 4);
    let letters =
        zone.abbreviation(at_ms).filter(|text| text.chars().all(|c| c.is_ascii_alphabetic()) && !text.is_empty());
    letters.unwrap_or_else(|| offset_text(zone.offset_seconds(at_ms)))
}

/// Days of a month.
pub(crate) fn days_in(year: i64, month: u8) -> u8 {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar.
pub(crate) fn days_from_civil(year: i64, month: u8, day: u8) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let shifted = (i64::from(month) + 9) % 12;
    let of_year = (153 * shifted + 2) / 5 + i64::from(day) - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn dates_and_days_are_inverse(days in -700_000i64..3_000_000) {
            let (year, month, day) = civil(days);
            prop_assert_eq!(days_from_civil(year, month, day), days);
            prop_assert!(day >= 1 && day <= days_in(year, month));
        }
    }

    #[test]
    fn known_dates() {
        assert_eq!(Shown::at(1_795_995_128_479, 0).basic(), "20261129T233208");
        assert_eq!(Shown::at(0, -3600).long_date(), "31 December 1969");
        assert_eq!(moment(&Utc, &Shown::at(1_795_995_128_000, 0)), Some(1_795_995_128_000));
    }
}
