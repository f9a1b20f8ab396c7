//! Product terms as types: roles, record modes, how a call ended, the identity of a person.

use crate::{DeviceId, OfficeName, PersonId, Qualified};
use serde::{Deserialize, Serialize};

/// Role of a person in the office that certified them. Certificates carry it: a device reads it from the verified
/// certificate, never from the server's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A leader of the office, who rings and is rung.
    Principal,
    /// Prepares the calls of the office's principals; joins none.
    Scheduler,
    /// Connects calls, listens visibly.
    DutyOfficer,
    /// Transcribes calls and seals their records; usually a program of the office.
    NoteTaker,
    /// Hears calls as a visible member, to interpret for one side.
    Interpreter,
    /// A person outside the office to whom it gave access.
    Counterpart,
    /// Invites people and approves their devices.
    SecurityOfficer,
    /// Keeps the archive.
    RecordsOfficer,
    /// Verifies what took place, without access to content.
    Auditor,
}

impl Role {
    /// All roles, in the order of the policy's columns. Registrar certificates name roles in this order: a new role is put between
    /// others, and those that are there keep their order.
    pub const ALL: [Self; 9] = [
        Self::Principal,
        Self::Counterpart,
        Self::Scheduler,
        Self::DutyOfficer,
        Self::NoteTaker,
        Self::Interpreter,
        Self::SecurityOfficer,
        Self::RecordsOfficer,
        Self::Auditor,
    ];

    /// The name in certificates and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Principal => "principal",
            Self::Scheduler => "scheduler",
            Self::Interpreter => "interpreter",
            Self::Auditor => "auditor",
            Self::DutyOfficer => "duty_officer",
            Self::NoteTaker => "note_taker",
            Self::Counterpart => "counterpart",
            Self::SecurityOfficer => "security_officer",
            Self::RecordsOfficer => "records_officer",
        }
    }

    /// The name for people: "note-taker", "security officer".
    pub fn words(self) -> String {
        self.as_str().replace("note_taker", "note-taker").replace('_', " ")
    }

    /// Parses [`Role::as_str`].
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }
}

/// Record mode: what is kept of a call. The screen of every participant shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RecordMode {
    /// Only that the call took place, nothing of its content.
    LogOnly,
    /// Notes and a transcript.
    Memo,
    /// Memo and sound.
    Audio,
}

impl RecordMode {
    /// The name on the wire.
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
    /// One of the two parties hung up.
    HungUp,
    /// The callee declined.
    Declined,
    /// The caller cancelled the ring before an answer.
    Cancelled,
    /// Nobody answered in time.
    Missed,
    /// The callee was in another call.
    Busy,
    /// A device aborted the call: a verification failed, or it could not encrypt.
    Failed,
    /// All connections were lost for longer than [`crate::limits::ABANDONED_AFTER_MS`].
    Interrupted,
    /// The office revoked the device of one of the two parties.
    Revoked,
}

impl Ended {
    /// The name on the wire and in the log.
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

    /// Whether the call was never answered, so that there is nothing to record. A failed call may have been answered.
    pub const fn was_unanswered(self) -> bool {
        matches!(self, Self::Declined | Self::Cancelled | Self::Missed | Self::Busy)
    }
}

/// Identity of a person, from a verified certificate. In contact lists it is unverified, as the server sent it: enough to
/// choose whom to ring, never to identify a caller.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Card {
    /// The person.
    pub person: PersonId,
    /// The office whose authority certified the person.
    pub office: OfficeName,
    /// The name or title to show, such as "The President of Norland".
    pub name: String,
    /// Their own organisation, such as "Chancellery of Norland".
    pub organisation: String,
    /// Their role in that office.
    pub role: Role,
    /// IANA time zone of where they work, such as `Europe/Oslo`.
    pub zone: String,
    /// Whether it is a place of the office, such as an operations room or a car, and not a person: its name is the place's, and people
    /// work at its devices in shifts ([`crate::shift`]). Certified, as the role is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub place: bool,
}

impl Card {
    /// Reads a stored card. Absent before version 4: the office. It is then the home office of the device or server that
    /// stored the card.
    ///
    /// # Errors
    /// If it is not the JSON of a card.
    pub fn from_stored(json: &str, home: &OfficeName) -> serde_json::Result<Self> {
        let mut stored: serde_json::Map<String, serde_json::Value> = serde_json::from_str(json)?;
        stored.entry("office").or_insert_with(|| home.as_str().into());
        serde_json::from_value(stored.into())
    }

    /// The person's qualified identifier: people are compared by it.
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

/// A device in a call, with the card that the server has for it.
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
        // On the wire the field is mandatory, and cards stored now contain it.
        assert!(serde_json::from_value::<Card>(json.clone()).is_err());
        let stored = serde_json::to_string(&card).unwrap();
        assert_eq!(Card::from_stored(&stored, &OfficeName::parse("other.example").unwrap()).unwrap(), card);
        let mut bad = json;
        bad["office"] = "Office.example".into();
        assert!(Card::from_stored(&bad.to_string(), &home).is_err());
        assert!(Card::from_stored("[]", &home).is_err());
    }
}
