//! Lines: what a principal gives a counterpart instead of a number.
//!
//! A line is a chain of statements, each signed by a device of the principal (or of a delegate, or, to hand it back, of the holder) over
//! the digest of the one before. The newest one says who holds it, on which device, what it allows, and whether it is in use. Its digest
//! and version are in the log. A ring names the statement that it is over, and the devices that it rings verify that: the server can
//! neither make nor change one, nor bring back an older version to a device that has seen a newer one.

use crate::{
    Card, DeviceId, Digest, LineId, OfficeName, RecordMode,
    delegation::{OnBehalf, ProvenDelegation},
    limits::{MAX_LINE_PURPOSE_CHARS, MAX_RINGS_PER_DAY},
    message::Logged,
    printable,
};
use serde::{Deserialize, Serialize};

/// Who may ring whom in an office: part of its charter, which its authority signs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Rings {
    /// By role: every counterpart may ring every principal, and the other way round. So it is in charters of earlier versions.
    #[default]
    ByRole,
    /// Between a principal and a counterpart only over a line that the principal gave.
    OverLines,
}

impl Rings {
    /// Whether it is the default.
    pub const fn is_by_role(&self) -> bool {
        matches!(self, Self::ByRole)
    }
}

/// Whom a ring over a line reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// The principal, and whoever may answer for them.
    Direct,
    /// Whoever may answer for the principal, and not the principal.
    Desk,
    /// Nobody: the holder may only ask for planned calls.
    Planned,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names of the days")]
pub enum Weekday {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

impl Weekday {
    /// All days, from Monday.
    pub const ALL: [Self; 7] =
        [Self::Monday, Self::Tuesday, Self::Wednesday, Self::Thursday, Self::Friday, Self::Saturday, Self::Sunday];

    /// The day before.
    pub const fn before(self) -> Self {
        Self::ALL[(self as usize + 6) % 7]
    }
}

/// A moment as the clocks of a zone show it, to the minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalMinute {
    /// The day.
    pub day: Weekday,
    /// Minutes since midnight, below 1440.
    pub minute: u16,
}

/// When a line may be rung over, by the clocks of one zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Hours {
    /// IANA name of the zone.
    pub zone: String,
    /// On which days, each once.
    pub days: Vec<Weekday>,
    /// From which minute of these days, below 1440.
    pub from_min: u16,
    /// Until which minute, exclusive, at most 1440. Not after `from_min`: until then on the next day.
    pub until_min: u16,
}

impl Hours {
    /// Whether a moment of [`Hours::zone`] is within them. Hours over midnight belong to the day on which they begin.
    ///
    /// ```
    /// use telcon_proto::line::{Hours, LocalMinute, Weekday};
    ///
    /// let night = Hours { zone: "Europe/Oslo".into(), days: vec![Weekday::Friday], from_min: 22 * 60, until_min: 6 * 60 };
    /// assert!(night.contains(LocalMinute { day: Weekday::Saturday, minute: 5 * 60 }));
    /// assert!(!night.contains(LocalMinute { day: Weekday::Friday, minute: 5 * 60 }));
    /// ```
    pub fn contains(&self, at: LocalMinute) -> bool {
        let on = |day| self.days.contains(&day);
        if self.from_min < self.until_min {
            return on(at.day) && (self.from_min..self.until_min).contains(&at.minute);
        }
        (on(at.day) && at.minute >= self.from_min) || (on(at.day.before()) && at.minute < self.until_min)
    }

    /// Whether days and minutes are within their limits.
    pub fn is_well_formed(&self) -> bool {
        let once = self.days.iter().enumerate().all(|(at, day)| !self.days[..at].contains(day));
        !self.days.is_empty() && once && self.from_min < 1440 && (1..=1440).contains(&self.until_min)
    }
}

/// What a line allows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct LineTerms {
    /// Whom a ring reaches.
    pub reach: Reach,
    /// When it may be rung over; always, without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<Hours>,
    /// Until when, milliseconds since 1970 UTC; without an end, without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<u64>,
    /// How often the holder may ring in 24 hours; as often as anybody, without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rings_per_day: Option<u16>,
    /// The lowest record mode of calls over it.
    pub mode: RecordMode,
    /// What it is for, as the giver wrote it; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub purpose: String,
}

impl LineTerms {
    /// Whether lengths, hours and numbers are within their limits. Whether the zone exists is for whoever has a list of zones.
    pub fn is_well_formed(&self) -> bool {
        let purpose = self.purpose.chars().count() <= MAX_LINE_PURPOSE_CHARS;
        let rings = self.rings_per_day.is_none_or(|rings| (1..=MAX_RINGS_PER_DAY).contains(&rings));
        purpose
            && rings
            && printable::printable(&self.purpose) == self.purpose
            && self.hours.as_ref().is_none_or(Hours::is_well_formed)
    }
}

/// Whether a line is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum LineState {
    /// It may be rung over.
    Live,
    /// Not for now.
    Paused,
    /// Somebody doubted that its holder is who they say: not in use until the principal, or a delegate for lines, signs otherwise.
    Suspect,
    /// Never again.
    Ended,
}

impl LineState {
    /// All states.
    pub const ALL: [Self; 4] = [Self::Live, Self::Paused, Self::Suspect, Self::Ended];

    /// The word in the log and in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Paused => "paused",
            Self::Suspect => "suspect",
            Self::Ended => "ended",
        }
    }
}

/// Payload of `telcon-line+jws`: one version of a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// The principal's office.
    pub office: OfficeName,
    /// The line; drawn at random by the giver's device. The invitation to take it has the same identifier.
    pub line: LineId,
    /// From 1, by one each.
    pub version: u32,
    /// SHA-256 of the statement of the version before; none of the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Digest>,
    /// Who can be reached over it.
    pub principal: Card,
    /// Who holds it, as the giver named them.
    pub holder: Card,
    /// The one device that it is bound to; none if it is for every device that the office's registrars certified for the holder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceId>,
    /// What it allows.
    pub terms: LineTerms,
    /// Whether it is in use.
    pub state: LineState,
    /// When it was signed, milliseconds since 1970 UTC by the signer's clock.
    pub at_ms: u64,
    /// The delegation under which the signer acts for the principal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf: Option<OnBehalf>,
}

/// In a ring: the version of the line that it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct OverLine {
    /// The line.
    pub line: LineId,
    /// SHA-256 of the statement.
    pub statement_sha256: Digest,
}

/// A line with the proofs that this version of it, and the device that signed it, are in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProvenLine {
    /// The statement, a compact JWS of type `telcon-line+jws`.
    pub statement: String,
    /// Proof that the log has it.
    pub signed: Logged,
    /// Proof that the certificate of the signing device is in the log.
    pub device: Logged,
    /// The delegation that it was signed under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegation: Option<Box<ProvenDelegation>>,
}

impl ProvenLine {
    /// The log entries in it, with their proofs.
    pub fn proofs(&self) -> impl Iterator<Item = &Logged> {
        let delegation = self.delegation.iter().flat_map(|under| [&under.given, &under.device]);
        [&self.signed, &self.device].into_iter().chain(delegation)
    }

    /// The same, to put proofs in.
    pub fn proofs_mut(&mut self) -> impl Iterator<Item = &mut Logged> {
        let delegation = self.delegation.iter_mut().flat_map(|under| [&mut under.given, &mut under.device]);
        [&mut self.signed, &mut self.device].into_iter().chain(delegation)
    }
}

/// What a contact's line allows, as the server states it: the devices that are rung verify the line itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ContactLine {
    /// What a ring has to name.
    #[serde(flatten)]
    pub over: OverLine,
    /// Whether it is in use.
    pub state: LineState,
    /// What it allows.
    pub terms: LineTerms,
}

/// What the log says of a version of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LoggedVersion {
    /// Its number.
    pub version: u32,
    /// Whether the line is in use by it.
    pub state: LineState,
    /// SHA-256 of the statement.
    pub statement_sha256: Digest,
}

/// A line in the list of `GET /api/v1/lines`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ListedLine {
    /// The newest statement that the server has, a compact JWS: its certificates name who signed it.
    pub statement: String,
    /// Its digest.
    pub statement_sha256: Digest,
    /// Its content.
    pub line: Line,
    /// A newer version that the log has and the server lost, because its database was restored from an older backup. The line is not in
    /// use; the next version, which the principal signs, follows this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<LoggedVersion>,
    /// When the first version was logged, milliseconds since 1970 UTC by the server's clock.
    pub given_ms: u64,
    /// When the newest version was.
    pub changed_ms: u64,
    /// When it was last rung over, in either direction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_rung_ms: Option<u64>,
    /// Whether a device of the holder is connected.
    pub reachable: bool,
}

/// `GET /api/v1/lines`: those that the bearer's person gave or holds; of those for whom they act; all for who may see all. Newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LineList {
    /// Lines, at most [`crate::limits::MAX_LINES_LISTED`].
    pub lines: Vec<ListedLine>,
    /// Whether there are more: ask again with the parameter `before`, the last one's `given_ms`.
    pub more: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(days: &[Weekday], from_min: u16, until_min: u16) -> Hours {
        Hours { zone: "Europe/Oslo".into(), days: days.to_vec(), from_min, until_min }
    }

    fn terms() -> LineTerms {
        LineTerms {
            reach: Reach::Direct,
            hours: None,
            until_ms: None,
            rings_per_day: None,
            mode: RecordMode::Memo,
            purpose: String::new(),
        }
    }

    #[test]
    fn hours_hold_on_their_days_and_until_before_their_end() {
        let office = hours(&[Weekday::Monday, Weekday::Tuesday], 540, 1020);
        let at = |day, minute| office.contains(LocalMinute { day, minute });
        assert!(at(Weekday::Monday, 540) && at(Weekday::Tuesday, 1019));
        assert!(!at(Weekday::Monday, 539) && !at(Weekday::Monday, 1020) && !at(Weekday::Wednesday, 600));
    }

    #[test]
    fn hours_over_midnight_belong_to_the_day_on_which_they_begin() {
        let night = hours(&[Weekday::Sunday], 1320, 360);
        let at = |day, minute| night.contains(LocalMinute { day, minute });
        assert!(
            at(Weekday::Sunday, 1320)
                && at(Weekday::Sunday, 1439)
                && at(Weekday::Monday, 0)
                && at(Weekday::Monday, 359)
        );
        assert!(!at(Weekday::Sunday, 0) && !at(Weekday::Monday, 360) && !at(Weekday::Monday, 1320));
        // A whole day.
        let all = hours(&[Weekday::Friday], 0, 1440);
        assert!(all.contains(LocalMinute { day: Weekday::Friday, minute: 1439 }));
        assert!(!all.contains(LocalMinute { day: Weekday::Saturday, minute: 0 }));
    }

    #[test]
    fn every_part_of_the_terms_has_a_limit() {
        type Change = fn(&mut LineTerms);
        assert!(terms().is_well_formed());
        let bad: [Change; 9] = [
            |terms| terms.purpose = "p".repeat(MAX_LINE_PURPOSE_CHARS + 1),
            |terms| terms.purpose = "a\u{202e}b".into(),
            |terms| terms.rings_per_day = Some(0),
            |terms| terms.rings_per_day = Some(MAX_RINGS_PER_DAY + 1),
            |terms| terms.hours = Some(hours(&[], 0, 60)),
            |terms| terms.hours = Some(hours(&[Weekday::Monday, Weekday::Monday], 0, 60)),
            |terms| terms.hours = Some(hours(&[Weekday::Monday], 1440, 60)),
            |terms| terms.hours = Some(hours(&[Weekday::Monday], 0, 1441)),
            |terms| terms.hours = Some(hours(&[Weekday::Monday], 0, 0)),
        ];
        for (at, change) in bad.into_iter().enumerate() {
            let mut terms = terms();
            change(&mut terms);
            assert!(!terms.is_well_formed(), "{at}");
        }
    }

    #[test]
    fn words_of_states_are_those_on_the_wire() {
        for state in LineState::ALL {
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
    }
}
