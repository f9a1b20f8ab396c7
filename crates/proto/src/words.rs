//! The product's words as types: roles, record modes, how a call ended, who somebody is.

use crate::{DeviceId, OfficeName, PersonId, Qualified};
use serde::{Deserialize, Serialize};

/// What a person does in the office that vouches for them. Certificates carry it, so a device reads it from what it
/// verified and not from what a server said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A leader, who rings and is rung.
    Principal,
    /// Connects calls, listens visibly.
    DutyOfficer,
    /// Writes the record; here usually a machine of the office.
    NoteTaker,
    /// Somebody outside the office to whom it gave access.
    Counterpart,
}

impl Role {
    /// The word in certificates and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Principal => "principal",
            Self::DutyOfficer => "duty_officer",
            Self::NoteTaker => "note_taker",
            Self::Counterpart => "counterpart",
        }
    }

    /// Reads [`Role::as_str`] back.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Principal, Self::DutyOfficer, Self::NoteTaker, Self::Counterpart]
            .into_iter()
            .find(|r| r.as_str() == word)
    }
}

/// What is kept of a call. Everybody in it sees this word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RecordMode {
    /// That it took place, and nothing said in it.
    LogOnly,
    /// Notes and a transcript.
    Memo,
    /// Memo and sound.
    Audio,
}

impl RecordMode {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LogOnly => "log_only",
            Self::Memo => "memo",
            Self::Audio => "audio",
        }
    }
}

/// The MLS cipher suite of an office, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SuiteName {
    /// MLS suite 0x004E: ML-KEM-768 + X25519, AES-256-GCM, SHA-384, Ed25519.
    Hybrid,
    /// ML-KEM-1024, AES-256-GCM, SHA-384, ML-DSA-87.
    Cnsa2,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// One of the principals hung up.
    HungUp,
    /// The person rung said no.
    Declined,
    /// The caller gave up before an answer.
    Cancelled,
    /// Nobody answered in time.
    Missed,
    /// The person rung was in another call.
    Busy,
    /// A device could not go on: it refused what it saw, or could not encrypt.
    Failed,
    /// All connections were lost for longer than [`crate::limits::ABANDONED_AFTER_MS`].
    Interrupted,
    /// The office revoked the device through which one of the two was in it.
    Revoked,
}

impl Ended {
    /// The word on the wire and in the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HungUp => "hung_up",
            Self::Declined => "declined",
            Self::Cancelled => "cancelled",
            Self::Missed => "missed",
            Self::Busy => "busy",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
            Self::Revoked => "revoked",
        }
    }

    /// Whether nobody can have spoken, so that there is nothing to record. Of a call that failed that is not certain.
    pub const fn was_unanswered(self) -> bool {
        matches!(self, Self::Declined | Self::Cancelled | Self::Missed | Self::Busy)
    }
}

/// Who somebody is, as a verified certificate says it (or, in a list of people, as the office's server says it:
/// good enough to choose whom to ring, never enough to believe who rings).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Card {
    /// The person.
    pub person: PersonId,
    /// The office whose authority certifies this card, and whose person it is.
    pub office: OfficeName,
    /// The name or title to show, such as "The President of Norland".
    pub name: String,
    /// Their own organisation, such as "Chancellery of Norland".
    pub organisation: String,
    /// What they do.
    pub role: Role,
    /// IANA time zone of where they work, such as `Europe/Oslo`.
    pub zone: String,
}

impl Card {
    /// Reads a card as it was stored. Before version 4 cards did not name their office, and were all of the home office of
    /// whoever stored them.
    ///
    /// # Errors
    /// If it is not the JSON of a card.
    pub fn from_stored(json: &str, home: &OfficeName) -> serde_json::Result<Self> {
        let mut stored: serde_json::Map<String, serde_json::Value> = serde_json::from_str(json)?;
        stored.entry("office").or_insert_with(|| home.as_str().into());
        serde_json::from_value(stored.into())
    }

    /// The person, with their office: what to compare people by.
    pub fn qualified(&self) -> Qualified<PersonId> {
        self.person.at(&self.office)
    }

    /// Whether this is the person's card.
    pub fn is_of(&self, person: &Qualified<PersonId>) -> bool {
        self.person == person.id && self.office == person.office
    }

    /// Whether two cards are the same person's.
    pub fn is_same_person(&self, other: &Card) -> bool {
        self.person == other.person && self.office == other.office
    }
}

impl std::fmt::Debug for Card {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Card({}, {})", self.role.as_str(), self.office)
    }
}

/// A person of the office whom one can ring, and whether a device of theirs is connected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Contact {
    /// Who.
    #[serde(flatten)]
    pub card: Card,
    /// Whether one of their devices is connected now.
    pub reachable: bool,
}

/// A device in a call, named by what the server knows of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Party {
    /// The device.
    pub device: DeviceId,
    /// Its person.
    #[serde(flatten)]
    pub card: Card,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_card_that_names_no_office_is_of_the_home_office() {
        let home = OfficeName::parse("office.example").unwrap();
        let json = serde_json::json!({
            "person": "07".repeat(16), "name": "A", "organisation": "B", "role": "principal", "zone": "UTC",
        });
        let card = Card::from_stored(&json.to_string(), &home).unwrap();
        assert_eq!(card.office, home);
        // On the wire it is never left out, and what is stored now says it.
        assert!(serde_json::from_value::<Card>(json.clone()).is_err());
        let stored = serde_json::to_string(&card).unwrap();
        assert_eq!(Card::from_stored(&stored, &OfficeName::parse("other.example").unwrap()).unwrap(), card);
        let mut bad = json;
        bad["office"] = "Office.example".into();
        assert!(Card::from_stored(&bad.to_string(), &home).is_err());
        assert!(Card::from_stored("[]", &home).is_err());
    }
}
