//! Recurrence rules (RFC 5545, section 3.3.10), expanded within a window and a budget.
//!
//! Daily, weekly (with days), monthly (by day of the month, or the nth weekday) and yearly (the same day) are expanded. A rule with
//! anything else is not guessed at: it is reported, and shown as *may conflict*.

use crate::clock::{civil, days_from_civil, days_in};

/// Most occurrences or steps of all rules of a feed together.
pub(super) const BUDGET: u32 = 200_000;

/// A rule that can be expanded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    frequency: Frequency,
    interval: i64,
    count: Option<u32>,
    /// The last moment, seconds by the clock of the event (or UTC's if `until_is_utc`).
    until: Option<i64>,
    until_is_utc: bool,
    /// Weekdays, Monday 0, with their number in the month (0: each).
    days: Vec<(i8, u8)>,
    month_days: Vec<i8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Frequency {
    Daily,
    Weekly,
    Monthly,
    Yearly,
}

/// Why a rule is not expanded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotExpanded;

impl Rule {
    pub(super) fn parse(value: &str) -> Result<Self, NotExpanded> {
        let mut frequency = None;
        let (mut interval, mut count, mut until, mut until_is_utc) = (1, None, None, false);
        let (mut days, mut month_days) = (Vec::new(), Vec::new());
        for part in value.split(';').filter(|part| !part.is_empty()) {
            let (key, value) = part.split_once('=').ok_or(NotExpanded)?;
            match key.to_ascii_uppercase().as_str() {
                "FREQ" => {
                    frequency = Some(match value {
                        "DAILY" => Frequency::Daily,
                        "WEEKLY" => Frequency::Weekly,
                        "MONTHLY" => Frequency::Monthly,
                        "YEARLY" => Frequency::Yearly,
                        // By the second, minute or hour: no meeting, and a way to exhaust a reader.
                        _ => return Err(NotExpanded),
                    });
                }
                "INTERVAL" => interval = value.parse().ok().filter(|n| (1..=1000).contains(n)).ok_or(NotExpanded)?,
                "COUNT" => count = Some(value.parse().map_err(|_| NotExpanded)?),
                "UNTIL" => {
                    let at = super::written::time(value).ok_or(NotExpanded)?;
                    // A date alone includes its day.
                    until = Some(at.seconds + if at.is_date { 86_399 } else { 0 });
                    until_is_utc = at.is_utc;
                }
                "BYDAY" => {
                    for day in value.split(',').take(64) {
                        let (number, name) = day.split_at(
                            day.len().checked_sub(2).filter(|at| day.is_char_boundary(*at)).ok_or(NotExpanded)?,
                        );
                        let day = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"].iter().position(|known| *known == name);
                        let number: i8 = if number.is_empty() { 0 } else { number.parse().map_err(|_| NotExpanded)? };
                        // A month has at most five of each weekday.
                        let is_number = (-5..=5).contains(&number);
                        days.push((number, day.filter(|_| is_number).ok_or(NotExpanded)? as u8));
                    }
                    days.sort_unstable();
                    days.dedup();
                }
                "BYMONTHDAY" => {
                    for day in value.split(',').take(64) {
                        let day: i8 = day.parse().map_err(|_| NotExpanded)?;
                        month_days.push(if (1..=31).contains(&day.abs()) { day } else { return Err(NotExpanded) });
                    }
                }
                "WKST" => {
                    if value != "MO" && interval > 1 {
                        return Err(NotExpanded);
                    }
                }
                _ => return Err(NotExpanded),
            }
        }
        let frequency = frequency.ok_or(NotExpanded)?;
        let fits = match frequency {
            Frequency::Daily | Frequency::Yearly => days.is_empty() && month_days.is_empty(),
            Frequency::Weekly => month_days.is_empty() && days.iter().all(|(number, _)| *number == 0),
            Frequency::Monthly => days.is_empty() || month_days.is_empty(),
        };
        fits.then_some(Self { frequency, interval, count, until, until_is_utc, days, month_days }).ok_or(NotExpanded)
    }

    /// The last moment at which an occurrence may start, seconds since the Unix epoch, if the rule gives it in UTC.
    pub(super) fn until_utc(&self) -> Option<i64> {
        self.until.filter(|_| self.until_is_utc)
    }

    /// Starts within `[from, to)` (seconds by the event's clock) of an event that first starts at `start`. Starts of up to a day
    /// after [`Rule::until_utc`] may be among them: only the caller knows the zone's offset then. `budget` is lowered by each step;
    /// when none is left: what was found so far, and an error.
    pub(super) fn starts(
        &self,
        start: i64,
        (from, to): (i64, i64),
        budget: &mut u32,
    ) -> (Vec<i64>, Result<(), NotExpanded>) {
        const DAY: i64 = 86_400;
        let (first_day, of_day) = (start.div_euclid(DAY), start.rem_euclid(DAY));
        let until = self.until.map_or(i64::MAX, |until| until + if self.until_is_utc { DAY } else { 0 });
        let (mut found, mut counted) = (Vec::new(), 0u32);
        let mut period = 0;
        // Without a count, periods before the window need not be visited.
        if self.count.is_none() && from > start {
            let days = (from - start) / DAY;
            let length = match self.frequency {
                Frequency::Daily => 1,
                Frequency::Weekly => 7,
                Frequency::Monthly => 31,
                Frequency::Yearly => 366,
            };
            period = (days / (length * self.interval) - 1).max(0);
        }
        loop {
            let candidates = self.days_of(first_day, period);
            period += 1;
            *budget = match budget.checked_sub((1 + candidates.len() + self.days.len()) as u32) {
                Some(left) => left,
                None => return (found, Err(NotExpanded)),
            };
            for day in candidates {
                let at = day * DAY + of_day;
                if at < start {
                    continue;
                }
                counted += 1;
                if at > until || at >= to || self.count.is_some_and(|count| counted > count) {
                    return (found, Ok(()));
                }
                if at >= from {
                    found.push(at);
                }
            }
            let reached = self.first_day_of(first_day, period);
            if reached * DAY >= to || reached * DAY > until {
                return (found, Ok(()));
            }
        }
    }

    /// No occurrence of a period is before this day.
    fn first_day_of(&self, first_day: i64, period: i64) -> i64 {
        match self.frequency {
            Frequency::Daily => first_day + period * self.interval,
            Frequency::Weekly => first_day - weekday(first_day) + period * 7 * self.interval,
            Frequency::Monthly => {
                let (year, month) = self.month_of(first_day, period);
                days_from_civil(year, month, 1)
            }
            Frequency::Yearly => {
                let (year, month, _) = civil(first_day);
                days_from_civil(year + period * self.interval, month, 1)
            }
        }
    }

    fn month_of(&self, first_day: i64, period: i64) -> (i64, u8) {
        let (year, month, _) = civil(first_day);
        let months = year * 12 + i64::from(month) - 1 + period * self.interval;
        (months.div_euclid(12), (months.rem_euclid(12) + 1) as u8)
    }

    /// The days of a period on which the event may start, in order.
    fn days_of(&self, first_day: i64, period: i64) -> Vec<i64> {
        let (_, _, day) = civil(first_day);
        match self.frequency {
            Frequency::Daily => vec![self.first_day_of(first_day, period)],
            Frequency::Weekly => {
                let monday = self.first_day_of(first_day, period);
                let mut days: Vec<i64> = self.days.iter().map(|(_, day)| monday + i64::from(*day)).collect();
                if days.is_empty() {
                    days.push(monday + weekday(first_day));
                }
                days.sort_unstable();
                days.dedup();
                days
            }
            Frequency::Yearly => {
                let (year, month, day) = civil(first_day);
                let year = year + period * self.interval;
                if day <= days_in(year, month) { vec![days_from_civil(year, month, day)] } else { vec![] }
            }
            Frequency::Monthly => {
                let (year, month) = self.month_of(first_day, period);
                let length = days_in(year, month);
                let of_month = |day: u8| days_from_civil(year, month, day);
                let mut days: Vec<i64> = Vec::new();
                if !self.days.is_empty() {
                    for (number, wanted) in &self.days {
                        let all: Vec<i64> =
                            (1..=length).map(of_month).filter(|day| weekday(*day) == i64::from(*wanted)).collect();
                        match *number {
                            0 => days.extend(&all),
                            n if n > 0 => days.extend(all.get(n as usize - 1)),
                            n => days.extend(all.len().checked_sub(usize::from(n.unsigned_abs())).map(|at| all[at])),
                        }
                    }
                } else if !self.month_days.is_empty() {
                    for day in &self.month_days {
                        let day = if *day > 0 { *day } else { length as i8 + 1 + *day };
                        if (1..=length as i8).contains(&day) {
                            days.push(of_month(day as u8));
                        }
                    }
                } else if day <= length {
                    days.push(of_month(day));
                }
                days.sort_unstable();
                days.dedup();
                days
            }
        }
    }
}

/// Monday is 0.
fn weekday(day: i64) -> i64 {
    (day + 3).rem_euclid(7)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Shown;

    fn starts(rule: &str, start: &str, days: i64) -> Vec<String> {
        let start = super::super::written::time(start).unwrap().seconds;
        let rule = Rule::parse(rule).unwrap();
        let (found, whole) = rule.starts(start, (start, start + days * 86_400), &mut 10_000);
        assert_eq!(whole, Ok(()));
        found.into_iter().map(|at| Shown::at(at * 1000, 0).basic()[..8].to_owned()).collect()
    }

    #[test]
    fn the_usual_rules_are_expanded() {
        // A Friday.
        let start = "20260529T093000";
        assert_eq!(starts("FREQ=DAILY;COUNT=3", start, 30), ["20260529", "20260530", "20260531"]);
        assert_eq!(
            starts("FREQ=DAILY;INTERVAL=2;UNTIL=20260602T235959", start, 30),
            ["20260529", "20260531", "20260602"]
        );
        assert_eq!(starts("FREQ=WEEKLY;BYDAY=MO,FR", start, 9), ["20260529", "20260601", "20260605"]);
        assert_eq!(starts("FREQ=WEEKLY;INTERVAL=2", start, 30), ["20260529", "20260612", "20260626"]);
        assert_eq!(starts("FREQ=MONTHLY;BYDAY=-1FR", start, 65), ["20260529", "20260626", "20260731"]);
        assert_eq!(starts("FREQ=MONTHLY;BYMONTHDAY=-1", start, 40), ["20260531", "20260630"]);
        assert_eq!(starts("FREQ=MONTHLY", "20260131T090000", 100), ["20260131", "20260331"]);
        assert_eq!(starts("FREQ=YEARLY", "20240229T090000", 366 * 5), ["20240229", "20280229"]);
    }

    #[test]
    fn rules_that_are_not_understood_are_not_guessed_at() {
        for rule in [
            "FREQ=SECONDLY",
            "FREQ=MONTHLY;BYSETPOS=1;BYDAY=MO",
            "INTERVAL=2",
            "FREQ=DAILY;INTERVAL=0",
            "FREQ=WEEKLY;BYDAY=é",
        ] {
            assert_eq!(Rule::parse(rule), Err(NotExpanded), "{rule}");
        }
    }

    #[test]
    fn a_rule_from_long_ago_costs_what_its_window_costs() {
        let rule = Rule::parse("FREQ=DAILY").unwrap();
        let (start, now) = (super::super::written::time("19700101T090000").unwrap().seconds, 1_800_000_000);
        let mut budget = 100;
        let (found, whole) = rule.starts(start, (now, now + 3 * 86_400), &mut budget);
        assert_eq!((found.len(), whole), (3, Ok(())));
        // With a count, each has to be counted: the budget ends it.
        let rule = Rule::parse("FREQ=DAILY;COUNT=4000000000").unwrap();
        assert_eq!(rule.starts(start, (now, now + 1), &mut 1000).1, Err(NotExpanded));
    }
}
