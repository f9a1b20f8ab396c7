//! A request: somebody would like to speak.

use crate::content::*;
use crate::schedule::{MAX_LENGTH_MIN, Slot};
use serde::{Deserialize, Serialize};
use telcon_proto::{CallId, ItemId, LineId, PersonId};

/// Most times that a request proposes.
pub const MAX_PROPOSED: usize = 5;
/// Most messages to and fro about one request.
pub const MAX_EXCHANGES: usize = 64;

/// How a request came in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "door", rename_all = "snake_case", deny_unknown_fields)]
pub enum Door {
    /// The holder of a line, or their office, asked over it.
    Line {
        /// The line.
        line: LineId,
    },
    /// The principal wants to talk to them.
    Principal,
    /// The desk entered what came by another way.
    Desk {
        /// By which.
        by: DeskMedium,
    },
}

/// How a request reached the desk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum DeskMedium {
    /// On paper.
    Letter,
    /// By e-mail.
    Mail,
    /// By telephone.
    Telephone,
    /// From a person in the room.
    InPerson,
}

/// Whether it is known that the request comes from them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "verified", rename_all = "snake_case", deny_unknown_fields)]
pub enum Verification {
    /// Nobody knows yet.
    Unverified,
    /// It came over a line, signed by its holder's device, or from the principal's own device.
    BySignature,
    /// The desk called back over a line that it already held, and they confirmed it.
    ByCallBack {
        /// The call.
        call: CallId,
        /// When, milliseconds since the Unix epoch.
        at_ms: u64,
        /// Who called.
        by: PersonId,
    },
    /// The desk called back, and they knew nothing of it.
    Denied {
        /// The call.
        call: CallId,
        /// When, milliseconds since the Unix epoch.
        at_ms: u64,
        /// Who called.
        by: PersonId,
    },
}

impl Verification {
    /// Whether a call may be offered on the strength of it.
    pub fn is_verified(&self) -> bool {
        matches!(self, Self::BySignature | Self::ByCallBack { .. })
    }
}

/// How soon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Urgency {
    /// At some time.
    WhenPossible,
    /// This week.
    ThisWeek,
    /// Today.
    Today,
    /// Now.
    Now,
}

/// What was decided about a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Decision {
    /// What.
    pub verdict: Verdict,
    /// Who decided: the principal, or somebody who may act for them.
    pub by: PersonId,
    /// When, milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// Why, or with which wish; may be empty, but for a refusal.
    pub reason: String,
}

/// What a principal, or somebody for them, can say to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is to be scheduled.
    Yes,
    /// Not now: it stays in the inbox.
    NotNow,
    /// The office will call them.
    MyOfficeWillCall,
    /// No, with a reason.
    Declined,
}

/// A message about a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// Identifies it.
    pub id: ItemId,
    /// What it is.
    pub kind: ExchangeKind,
    /// Who wrote it.
    pub by: PersonId,
    /// When, milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// What.
    pub text: String,
}

/// What a message about a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ExchangeKind {
    /// A question to them.
    AskedBack,
    /// Their answer.
    Answered,
    /// Handed to another person of the office, with a remark.
    Forwarded,
}

/// A request for a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// [`Content::VERSION`].
    pub version: u32,
    /// How it came in.
    pub door: Door,
    /// When it came in, milliseconds since the Unix epoch.
    pub received_ms: u64,
    /// The person of this office whom it concerns.
    pub principal: PersonId,
    /// Who would like to speak, or with whom the principal would: name or title.
    pub counterpart: String,
    /// The counterpart, if they hold a line.
    pub person: Option<PersonId>,
    /// Their office or organisation.
    pub organisation: String,
    /// About what; may be empty if the principal wants to talk to them.
    pub subject: String,
    /// How soon.
    pub urgency: Urgency,
    /// How long, minutes.
    pub length_min: u16,
    /// When it would suit them.
    pub proposed: Vec<Slot>,
    /// Languages, BCP 47 tags, the preferred one first. More than one: an interpreter may be needed.
    pub languages: Vec<String>,
    /// Who else is to be in the call.
    pub others: Vec<String>,
    /// Whether it is known to be theirs.
    pub verification: Verification,
    /// What was decided; none while it waits.
    pub decision: Option<Decision>,
    /// Questions, answers and forwards, oldest first.
    pub exchanges: Vec<Exchange>,
}

impl Request {
    /// How far a request is known to be theirs, from who signed its first version: what its author claims counts for nothing.
    /// `holder` gives the holder of a line in use, as this device verified it.
    pub fn verified_by(&self, author: PersonId, holder: impl Fn(LineId) -> Option<PersonId>) -> Verification {
        let is_theirs = match self.door {
            Door::Line { line } => holder(line) == Some(author),
            Door::Principal => author == self.principal,
            Door::Desk { .. } => false,
        };
        if is_theirs { Verification::BySignature } else { Verification::Unverified }
    }

    /// Whether two requests seem to be the same wish: same principal, same counterpart by name, within 14 days, and one of them
    /// asks for nothing that the other does not name. They are shown together; a person decides.
    pub fn resembles(&self, other: &Self) -> bool {
        const WITHIN_MS: u64 = 14 * 24 * 60 * 60 * 1000;
        let same_line = match (&self.door, &other.door) {
            (Door::Line { line: a }, Door::Line { line: b }) => a == b,
            _ => words(&self.counterpart) == words(&other.counterpart),
        };
        let (a, b) = (words(&self.subject), words(&other.subject));
        let common = a.intersection(&b).count();
        let subjects_meet = a.is_empty() || b.is_empty() || 2 * common >= a.len().min(b.len());
        self.principal == other.principal
            && same_line
            && self.received_ms.abs_diff(other.received_ms) <= WITHIN_MS
            && subjects_meet
    }
}

/// The words of a text that carry it, in lower case.
fn words(text: &str) -> std::collections::BTreeSet<String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| word.chars().count() > 2);
    words.map(str::to_lowercase).filter(|word| !matches!(word.as_str(), "the" | "and" | "for" | "with")).collect()
}

/// Whether a text has the form of a BCP 47 language tag.
pub(crate) fn is_language(tag: &str) -> bool {
    let mut parts = tag.split('-');
    let first = parts.next().unwrap_or_default();
    let is_part = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    tag.len() <= 35
        && (2..=8).contains(&first.len())
        && first.bytes().all(|b| b.is_ascii_alphabetic())
        && parts.all(is_part)
}

pub(crate) fn languages(field: &'static str, tags: &[String]) -> Result<(), Invalid> {
    count(field, tags, 16)?;
    unique(field, tags)?;
    tags.iter().try_for_each(|tag| ensure(is_language(tag), field, Reason::OutOfRange))
}

impl Content for Request {
    fn check(&self) -> Result<(), Invalid> {
        time("received_ms", self.received_ms)?;
        short("counterpart", &self.counterpart)?;
        optional("organisation", &self.organisation, MAX_SHORT_CHARS)?;
        match self.door {
            Door::Principal => optional("subject", &self.subject, MAX_PARAGRAPH_CHARS)?,
            _ => required("subject", &self.subject, MAX_PARAGRAPH_CHARS)?,
        }
        ensure((1..=MAX_LENGTH_MIN).contains(&self.length_min), "length_min", Reason::OutOfRange)?;
        count("proposed", &self.proposed, MAX_PROPOSED)?;
        self.proposed.iter().try_for_each(Slot::check)?;
        languages("languages", &self.languages)?;
        shorts("others", &self.others)?;
        if let Verification::ByCallBack { at_ms, .. } | Verification::Denied { at_ms, .. } = &self.verification {
            time("at_ms", *at_ms)?;
        }
        // What a desk typed carries nobody's signature.
        let is_typed = matches!(self.door, Door::Desk { .. });
        let claims = self.verification == Verification::BySignature;
        ensure(!(is_typed && claims), "verification", Reason::Contradiction)?;
        if let Some(decision) = &self.decision {
            time("at_ms", decision.at_ms)?;
            optional("reason", &decision.reason, MAX_PARAGRAPH_CHARS)?;
            if decision.verdict == Verdict::Declined {
                required("reason", &decision.reason, MAX_PARAGRAPH_CHARS)?;
            }
        }
        count("exchanges", &self.exchanges, MAX_EXCHANGES)?;
        unique("exchanges", self.exchanges.iter().map(|exchange| exchange.id))?;
        self.exchanges.iter().try_for_each(|exchange| {
            time("at_ms", exchange.at_ms)?;
            required("text", &exchange.text, MAX_PARAGRAPH_CHARS)
        })
    }
}
