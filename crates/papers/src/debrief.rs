//! A debrief: what is remembered of a call without notes, after a direct call or one outside of Telcon.

use crate::action::Action;
use crate::content::*;
use serde::{Deserialize, Serialize};
use telcon_proto::{CallId, PersonId, RecordMode, http::RecordLine};

/// Days until a record of a call outside of the office's system has to be in it: the deadline that 44 U.S.C. 2209(a) and 2911(a) set for
/// messages sent from other accounts.
pub const OUTSIDE_DEADLINE_DAYS: u64 = 20;
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Which call a debrief is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "of", rename_all = "snake_case", deny_unknown_fields)]
pub enum DebriefOf {
    /// A direct call over Telcon.
    Call {
        /// The call.
        call: CallId,
    },
    /// A call outside of Telcon: an *open call*.
    Outside(OutsideCall),
}

/// A call outside of Telcon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct OutsideCall {
    /// When it was, milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// How exact that is, minutes to either side: people remember `around noon`.
    pub within_min: u32,
    /// How long, minutes; none if nobody remembers.
    pub length_min: Option<u16>,
    /// Over what: `my own telephone`.
    pub over: String,
    /// With whom.
    pub with: Vec<String>,
    /// When it was reported, milliseconds since the Unix epoch.
    pub reported_ms: u64,
}

/// How the duty to record an outside call stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "stands", rename_all = "snake_case", deny_unknown_fields)]
pub enum Countdown {
    /// It was in the record in time.
    Met,
    /// It was in the record, after the deadline.
    Late {
        /// Whole days after it.
        days: u64,
    },
    /// It is not in the record yet.
    DaysLeft {
        /// Whole days until the deadline.
        days: u64,
    },
    /// It is not in the record, and should be.
    Overdue {
        /// Whole days after the deadline.
        days: u64,
    },
}

impl OutsideCall {
    /// Until when it has to be in the record, milliseconds since the Unix epoch. Counted from the call, not from its report.
    pub fn deadline_ms(&self) -> u64 {
        self.at_ms.saturating_add(OUTSIDE_DEADLINE_DAYS * DAY_MS)
    }

    /// How it stands at `now_ms`; `filed_ms` is when it became part of the record.
    pub fn countdown(&self, filed_ms: Option<u64>, now_ms: u64) -> Countdown {
        let deadline = self.deadline_ms();
        match filed_ms {
            Some(filed) if filed <= deadline => Countdown::Met,
            Some(filed) => Countdown::Late { days: (filed - deadline) / DAY_MS },
            None if now_ms <= deadline => Countdown::DaysLeft { days: (deadline - now_ms) / DAY_MS },
            None => Countdown::Overdue { days: (now_ms - deadline) / DAY_MS },
        }
    }
}

/// How a debrief came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum DebriefSource {
    /// Spoken, and transcribed by the office's machine.
    Spoken,
    /// Typed.
    Written,
}

/// A debrief.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Debrief {
    /// [`Content::VERSION`].
    pub version: u32,
    /// The call.
    pub call: DebriefOf,
    /// Whose memory it is.
    pub by: PersonId,
    /// How it was taken.
    pub source: DebriefSource,
    /// When, milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// What is remembered, paragraph by paragraph.
    pub remembered: Vec<String>,
    /// What was promised.
    pub actions: Vec<Action>,
}

/// Whether a debrief of a call is due: the call was answered and has ended, it has no record, and no document is about it (`is_written`:
/// notes, a memorandum or a debrief).
pub fn is_due(line: &RecordLine, is_written: bool) -> bool {
    let is_over = line.answered_ms.is_some() && line.ended_ms.is_some();
    let has_no_record = line.records == 0 && (line.mode == RecordMode::LogOnly || line.missing);
    is_over && has_no_record && !is_written
}

impl Content for Debrief {
    fn check(&self) -> Result<(), Invalid> {
        time("at_ms", self.at_ms)?;
        if let DebriefOf::Outside(outside) = &self.call {
            time("at_ms", outside.at_ms)?;
            time("reported_ms", outside.reported_ms)?;
            ensure(outside.within_min <= 60 * 24 * 31, "within_min", Reason::OutOfRange)?;
            // Nobody reports a call of the future; the clocks of two devices may differ by the uncertainty.
            let latest = outside.reported_ms.saturating_add(u64::from(outside.within_min.max(5)) * 60_000);
            ensure(outside.at_ms <= latest, "at_ms", Reason::Contradiction)?;
            short("over", &outside.over)?;
            ensure(!outside.with.is_empty(), "with", Reason::Empty)?;
            shorts("with", &outside.with)?;
        }
        crate::brief::paragraphs("remembered", &self.remembered)?;
        count("actions", &self.actions, MAX_ITEMS)?;
        unique("actions", self.actions.iter().map(|action| action.id))?;
        self.actions.iter().try_for_each(Content::check)
    }
}
