//! When, and in which order, a principal is reached: their server holds each ring to it. A caller is never told of it.

use crate::{
    Card, PersonId,
    limits::{DESK_AFTER_S, MAX_CALL_WAITING, MAX_REACH_EXCEPTIONS},
    line::{Hours, LocalMinute},
};
use serde::{Deserialize, Serialize};

/// A principal is not to be disturbed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct DoNotDisturb {
    /// Until when, milliseconds since 1970 UTC; until it is turned off, without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<u64>,
}

impl DoNotDisturb {
    /// Whether it holds at this time.
    pub fn holds(&self, now_ms: u64) -> bool {
        self.until_ms.is_none_or(|until| now_ms < until)
    }
}

/// When, and in which order, a principal is reached. The default: always, and at the same time as the people who may answer for them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ReachSettings {
    /// Rings go to the people who may answer for the principal, and not to the principal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub do_not_disturb: Option<DoNotDisturb>,
    /// The same, every week in these hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet_hours: Option<Hours>,
    /// People whose rings reach the principal nevertheless; nobody twice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exceptions: Vec<PersonId>,
    /// A ring group: it rings at the principal's devices first, and after this many seconds also at those of the people
    /// who may answer for them. None: at all of them at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desk_after_s: Option<u16>,
    /// People who may ring while the principal is in a call; nobody twice. Others hear that the principal is busy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub call_waiting: Vec<PersonId>,
}

impl ReachSettings {
    /// Whether hours and numbers are within their limits. Whether the zone exists is checked where there is a list of zones.
    pub fn is_well_formed(&self) -> bool {
        let once = |people: &[PersonId]| people.iter().enumerate().all(|(at, one)| !people[..at].contains(one));
        self.quiet_hours.as_ref().is_none_or(Hours::is_well_formed)
            && self.exceptions.len() <= MAX_REACH_EXCEPTIONS
            && self.call_waiting.len() <= MAX_CALL_WAITING
            && once(&self.exceptions)
            && once(&self.call_waiting)
            && self.desk_after_s.is_none_or(|after| DESK_AFTER_S.contains(&after))
    }

    /// Whether the principal is not to be disturbed. `local` gives the time of a zone.
    pub fn is_quiet(&self, now_ms: u64, local: impl FnOnce(&str) -> Option<LocalMinute>) -> bool {
        self.do_not_disturb.is_some_and(|on| on.holds(now_ms))
            || self
                .quiet_hours
                .as_ref()
                .is_some_and(|hours| local(&hours.zone).is_some_and(|minute| hours.contains(minute)))
    }
}

/// Whose reach settings they are, and who set them last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PersonsReach {
    /// The principal.
    pub principal: Card,
    /// What holds.
    pub settings: ReachSettings,
    /// The people whom the settings name, as far as they have a device.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub people: Vec<Card>,
    /// Who set them last, if it was not the principal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set_by: Option<Card>,
    /// When, milliseconds since 1970 UTC; none if they were never set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set_ms: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::Weekday;

    fn person(n: u8) -> PersonId {
        PersonId::from_bytes([n; 16])
    }

    fn many(count: usize) -> Vec<PersonId> {
        (0..count).map(|n| person(n as u8)).collect()
    }

    fn night() -> Hours {
        Hours { zone: "UTC".into(), days: Weekday::ALL.to_vec(), from_min: 22 * 60, until_min: 6 * 60 }
    }

    #[test]
    fn every_part_of_the_settings_has_a_limit() {
        type Change = fn(&mut ReachSettings);
        let good: [Change; 4] = [
            |_| {},
            |settings| settings.desk_after_s = Some(5),
            |settings| settings.desk_after_s = Some(40),
            |settings| (settings.exceptions, settings.call_waiting) = (many(50), many(50)),
        ];
        let bad: [Change; 7] = [
            |settings| settings.desk_after_s = Some(4),
            |settings| settings.desk_after_s = Some(41),
            |settings| settings.exceptions = many(51),
            |settings| settings.call_waiting = many(51),
            |settings| settings.exceptions = vec![person(1), person(1)],
            |settings| settings.call_waiting = vec![person(1), person(1)],
            |settings| settings.quiet_hours = Some(Hours { from_min: 1440, ..night() }),
        ];
        for (changes, well_formed) in [(&good[..], true), (&bad[..], false)] {
            for (at, change) in changes.iter().enumerate() {
                let mut settings = ReachSettings::default();
                change(&mut settings);
                assert_eq!(settings.is_well_formed(), well_formed, "{at}");
            }
        }
    }

    #[test]
    fn nobody_is_disturbed_until_the_time_that_was_set_and_in_quiet_hours() {
        let at = |minute| move |_: &str| Some(LocalMinute { day: Weekday::Monday, minute });
        let until = |until_ms| ReachSettings { do_not_disturb: Some(DoNotDisturb { until_ms }), ..Default::default() };
        assert!(until(None).is_quiet(u64::MAX, at(0)) && until(Some(10)).is_quiet(9, at(0)));
        assert!(!until(Some(10)).is_quiet(10, at(0)) && !ReachSettings::default().is_quiet(0, at(0)));
        let hours = ReachSettings { quiet_hours: Some(night()), ..Default::default() };
        assert!(hours.is_quiet(0, at(23 * 60)) && hours.is_quiet(0, at(5 * 60)) && !hours.is_quiet(0, at(12 * 60)));
        assert!(!hours.is_quiet(0, |_| None), "a zone that is not known");
    }

    #[test]
    fn settings_have_one_spelling() {
        let text = r#"{"do_not_disturb":{},"desk_after_s":10}"#;
        let settings: ReachSettings = serde_json::from_str(text).unwrap();
        assert_eq!(settings.do_not_disturb, Some(DoNotDisturb { until_ms: None }));
        assert_eq!(serde_json::to_string(&settings).unwrap(), text);
        assert!(serde_json::from_str::<ReachSettings>(r#"{"quiet":true}"#).is_err());
        assert_eq!(serde_json::to_string(&ReachSettings::default()).unwrap(), "{}");
    }
}
