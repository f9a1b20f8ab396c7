//! Dates of the Gregorian calendar, without the rules of any zone.

/// The months, as English text has them.
pub const MONTHS: [&str; 12] = [
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

/// Year, month and day, in the proleptic Gregorian calendar, of a number of days since 1970-01-01.
pub fn civil(days: i64) -> (i64, u8, u8) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = (of_year - (153 * shifted + 2) / 5 + 1) as u8;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 } as u8;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// A moment as UTC's calendar and clock show it.
pub(crate) struct Date {
    /// `29 May 2026`.
    pub long: String,
    /// `09:28`.
    pub clock: String,
}

impl Date {
    pub fn of(at_ms: u64) -> Self {
        let minutes = at_ms / 60_000;
        let (year, month, day) = civil(i64::try_from(minutes / 1440).unwrap_or(0));
        let minute = minutes % 1440;
        Self {
            long: format!("{day} {} {year}", MONTHS[usize::from(month) - 1]),
            clock: format!("{:02}:{:02}", minute / 60, minute % 60),
        }
    }
}
