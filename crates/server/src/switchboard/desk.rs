//! Who is enrolled, who is connected, and what goes out: all that the calls share.

use super::port::{CloseReason, Effects, Output, Policy, RelayCommand, SessionId, Ticket};
use crate::{limits::MAX_RINGS_PER_MINUTE, store::Write};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use telcon_proto::entry::Entry;
use telcon_proto::{
    Blob, CallId, Card, DeviceId, PersonId, Role, ServerMessage,
    message::{Logged, RefusalCode},
    words::{Contact, Party},
};

/// An enrolled device.
#[derive(Clone, Debug)]
pub(super) struct Device {
    pub card: Card,
    pub enrolled_ms: u64,
    /// Since when it is revoked.
    pub revoked_ms: Option<u64>,
    /// The authority's word for it, where it is known.
    pub revocation: Option<String>,
    /// Index of its entry in the log. Without one it cannot sign in.
    pub log_index: Option<u64>,
}

/// A signed-in connection.
#[derive(Debug)]
pub(super) struct Session {
    pub device: DeviceId,
    pub card: Card,
}

/// The switchboard without its calls.
pub(super) struct Desk {
    pub policy: Policy,
    pub devices: HashMap<DeviceId, Device>,
    pub enrolments: HashSet<String>,
    pub sessions: BTreeMap<SessionId, Session>,
    pub online: HashMap<DeviceId, SessionId>,
    rings: HashMap<DeviceId, VecDeque<u64>>,
    effects: Effects,
}

impl Desk {
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            devices: HashMap::new(),
            enrolments: HashSet::new(),
            sessions: BTreeMap::new(),
            online: HashMap::new(),
            rings: HashMap::new(),
            effects: Effects::default(),
        }
    }

    pub fn take_effects(&mut self) -> Effects {
        std::mem::take(&mut self.effects)
    }

    pub fn write(&mut self, write: Write) {
        self.effects.writes.push(write);
    }

    pub fn output(&mut self, output: Output) {
        self.effects.outputs.push(output);
    }

    pub fn send(&mut self, to: SessionId, message: ServerMessage) {
        self.output(Output::Send(to, Box::new(message)));
    }

    /// Sends to the device, if it is connected.
    pub fn tell(&mut self, device: &DeviceId, message: ServerMessage) {
        if let Some(session) = self.online.get(device) {
            self.send(*session, message);
        }
    }

    pub fn refuse(&mut self, to: SessionId, call: Option<CallId>, code: RefusalCode, message: &str) {
        self.send(to, ServerMessage::Refused { call, code, message: message.to_owned() });
    }

    pub fn append(&mut self, ticket: Ticket, entry: Entry) {
        self.output(Output::Append(ticket, entry));
    }

    pub fn relay(&mut self, command: RelayCommand) {
        self.output(Output::Relay(command));
    }

    pub fn close(&mut self, session: SessionId, reason: CloseReason) {
        self.output(Output::Close(session, reason));
    }

    /// A reference to the device's entry, to be filled in with its proof by whoever sends it.
    pub fn device_entry(&self, device: &DeviceId) -> Logged {
        entry_at(self.devices.get(device).and_then(|d| d.log_index).unwrap_or_default())
    }

    pub fn card(&self, device: &DeviceId) -> Option<&Card> {
        self.devices.get(device).map(|d| &d.card)
    }

    pub fn role(&self, device: &DeviceId) -> Option<Role> {
        self.card(device).map(|c| c.role)
    }

    pub fn is_person(&self, device: &DeviceId, person: PersonId) -> bool {
        self.card(device).is_some_and(|c| c.person == person)
    }

    pub fn party(&self, device: &DeviceId) -> Option<Party> {
        self.card(device).map(|card| Party { device: *device, card: card.clone() })
    }

    /// The person, as their newest device's certificate names them.
    pub fn person(&self, person: PersonId) -> Option<&Card> {
        self.good_devices().filter(|d| d.card.person == person).max_by_key(|d| d.enrolled_ms).map(|d| &d.card)
    }

    fn good_devices(&self) -> impl Iterator<Item = &Device> {
        self.devices.values().filter(|d| d.revoked_ms.is_none() && d.log_index.is_some())
    }

    pub fn online_devices_of(&self, person: PersonId) -> Vec<DeviceId> {
        let mut devices: Vec<_> = self.online.keys().filter(|d| self.is_person(d, person)).copied().collect();
        devices.sort_unstable();
        devices
    }

    /// Whom somebody can ring, by name.
    pub fn contacts_of(&self, you: &Card) -> Vec<Contact> {
        let people: BTreeSet<PersonId> = self.good_devices().map(|d| d.card.person).collect();
        let reachable: HashSet<PersonId> = self.online.keys().filter_map(|d| self.card(d)).map(|c| c.person).collect();
        let mut contacts: Vec<Contact> = people
            .into_iter()
            .filter(|p| *p != you.person)
            .filter_map(|p| self.person(p))
            .filter(|card| may_ring(you.role, card.role))
            .map(|card| Contact { reachable: reachable.contains(&card.person), card: card.clone() })
            .collect();
        contacts.sort_by(|a, b| a.card.name.cmp(&b.card.name).then(a.card.person.cmp(&b.card.person)));
        contacts
    }

    /// Tells everybody who can ring this person how things stand now.
    pub fn people_changed(&mut self, about: &Card) {
        let told: Vec<(SessionId, Card)> = self
            .sessions
            .iter()
            .filter(|(_, s)| s.card.person != about.person && may_ring(s.card.role, about.role))
            .map(|(id, s)| (*id, s.card.clone()))
            .collect();
        for (session, card) in told {
            let people = self.contacts_of(&card);
            self.send(session, ServerMessage::People { people });
        }
    }

    /// Sessions of staff, who are told of every call.
    pub fn staff(&self) -> Vec<SessionId> {
        self.sessions.iter().filter(|(_, s)| is_staff(s.card.role)).map(|(id, _)| *id).collect()
    }

    /// Whether the device may ring once more in this minute.
    pub fn count_ring(&mut self, device: DeviceId, now_ms: u64) -> bool {
        let times = self.rings.entry(device).or_default();
        while times.front().is_some_and(|t| now_ms.saturating_sub(*t) >= 60_000) {
            times.pop_front();
        }
        let free = times.len() < MAX_RINGS_PER_MINUTE;
        if free {
            times.push_back(now_ms);
        }
        free
    }
}

/// Whether people of one role ring those of the other. A counterpart rings the office's principals; the other
/// counterparts are none of its business, not even that they exist.
pub(super) fn may_ring(from: Role, to: Role) -> bool {
    match from {
        Role::Principal => to.speaks(),
        Role::Counterpart => to == Role::Principal,
        Role::DutyOfficer | Role::NoteTaker => false,
    }
}

/// Whether the role is told of the office's calls.
pub(super) fn is_staff(role: Role) -> bool {
    matches!(role, Role::DutyOfficer | Role::NoteTaker)
}

/// A reference to an entry of the log; see [`Output::Send`].
pub(super) fn entry_at(index: u64) -> Logged {
    Logged { entry: Blob::default(), index, proof: Vec::new(), checkpoint: String::new() }
}
