//! `participants.json` in a record's bag: the devices that were in the call, and their people.

use crate::{
    Card, DeviceId, LineId, Role,
    delegation::{Act, ActsFor},
    line::Line,
    shift::OnShift,
};
use serde::{Deserialize, Serialize};

/// A device that was in a recorded call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordParticipant {
    /// The device.
    pub device: DeviceId,
    /// The person whom its verified certificate named.
    pub card: RecordPerson,
    /// Of its holder: the line that the call was over, as the note-taker's device verified it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<LineId>,
}

/// A person of a recorded call. As [`Card`], but a record of before wire version 4 names no office, and whoever opens it may
/// not know which one it was.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordPerson {
    /// The person's identifier, hexadecimal.
    pub person: String,
    /// Name or title.
    pub name: String,
    /// Their organisation.
    pub organisation: String,
    /// Their role.
    pub role: Role,
    /// IANA time zone of where they work; empty if unknown.
    #[serde(default)]
    pub zone: String,
    /// The office that certified them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub office: Option<String>,
    /// For whom they acted in the call, under a delegation that the note-taker's device verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acted_for: Option<RecordPrincipal>,
    /// Whether it is a place of the office and not a person.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub place: bool,
    /// Who was on shift at the place's device during the call, in this order, as the office's server said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on_shift: Vec<RecordShift>,
}

/// Somebody who was on shift at a device of a place in a recorded call. Nothing but the server's word says so.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordShift {
    /// The person's identifier, hexadecimal.
    pub person: String,
    /// Their name or title.
    pub name: String,
    /// Since when they were on shift, milliseconds since 1970 UTC.
    pub since_ms: u64,
}

/// The principal for whom somebody acted in a recorded call.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordPrincipal {
    /// The principal's identifier, hexadecimal.
    pub person: String,
    /// Their name or title.
    pub name: String,
    /// What was done for them.
    pub act: Act,
}

/// Without the person: names do not belong into logs.
impl std::fmt::Debug for RecordPerson {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RecordPerson({})", self.role.as_str())
    }
}

impl RecordParticipant {
    /// A device and its person.
    pub fn new(device: DeviceId, card: &Card) -> Self {
        let card = RecordPerson {
            person: card.person.to_hex(),
            name: card.name.clone(),
            organisation: card.organisation.clone(),
            role: card.role,
            zone: card.zone.clone(),
            office: Some(card.office.as_str().to_owned()),
            acted_for: None,
            place: card.place,
            on_shift: Vec::new(),
        };
        Self { device, card, line: None }
    }

    /// The same, if its person held the line that the call was over.
    #[must_use]
    pub fn holding(mut self, line: Option<&Line>) -> Self {
        let held = line.filter(|line| line.holder.person.to_hex() == self.card.person);
        self.line = held.map(|line| line.line);
        self
    }

    /// The same, with who was on shift at it.
    #[must_use]
    pub fn with_shifts<'a>(mut self, shifts: impl IntoIterator<Item = &'a OnShift>) -> Self {
        let shown = |shift: &OnShift| RecordShift {
            person: shift.person.person.to_hex(),
            name: shift.person.name.clone(),
            since_ms: shift.since_ms,
        };
        self.card.on_shift = shifts.into_iter().map(shown).collect();
        self
    }

    /// The same, if its person is one of those who acted for a party.
    #[must_use]
    pub fn acting(mut self, acts: &[ActsFor]) -> Self {
        let own = acts.iter().find(|acts| acts.delegate.person.to_hex() == self.card.person);
        self.card.acted_for = own.map(|acts| RecordPrincipal {
            person: acts.principal.person.to_hex(),
            name: acts.principal.name.clone(),
            act: acts.act,
        });
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn participants_of_every_version_are_read() {
        let id = "01010101010101010101010101010101";
        let card = format!(r#""person":"{id}","name":"A","organisation":"B","role":"principal","zone":"Europe/Oslo""#);
        let old: RecordParticipant =
            serde_json::from_str(&format!(r#"{{"device":"{id}","card":{{{card}}}}}"#)).unwrap();
        assert_eq!((old.card.name.as_str(), old.card.office.as_deref()), ("A", None));
        // As it was written when the card was a [`Card`].
        let text = format!(r#"{{"device":"{id}","card":{{{card},"office":"office.example"}}}}"#);
        let new: RecordParticipant = serde_json::from_str(&text).unwrap();
        assert_eq!(new.card.office.as_deref(), Some("office.example"));
        let card: Card = serde_json::from_value(serde_json::to_value(&new.card).unwrap()).unwrap();
        assert_eq!(RecordParticipant::new(new.device, &card), new);
        assert!(!format!("{new:?}").contains("\"A\""));
    }
}
