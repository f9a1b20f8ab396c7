//! Enrolled devices and connections, indexed by person and by role.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};
use telcon_proto::{
    Card, DeviceId, PersonId, Role,
    contact::Contact,
    message::Logged,
    policy::{Action, allows},
    terms::Party,
};

use super::{namesakes::ByLook, port::SessionId};

/// An enrolled device.
#[derive(Clone, Debug)]
pub(super) struct Device {
    pub card: Arc<Card>,
    pub enrolled_ms: u64,
    /// Since when it is revoked.
    pub revoked_ms: Option<u64>,
    /// The authority's signed revocation, where it is known.
    pub revocation: Option<Box<str>>,
    /// Since when it is ordered to erase itself.
    pub erase_ordered_ms: Option<u64>,
    /// Index of its entry in the log. Without one it cannot sign in.
    pub log_index: Option<u64>,
    /// Whether a principal's device certified it, for the holder of a line.
    pub given: bool,
}

impl Device {
    /// Whether it may sign in.
    pub fn is_valid(&self) -> bool {
        self.revoked_ms.is_none() && self.log_index.is_some()
    }
}

/// An enrolled device whose certificates are lost.
#[derive(Debug)]
struct Lost {
    /// Since when it is revoked.
    revoked_ms: Option<u64>,
    /// As of [`Device`].
    revocation: Option<Box<str>>,
}

/// A signed-in connection.
#[derive(Debug)]
pub(super) struct Session {
    pub device: DeviceId,
    pub card: Arc<Card>,
}

/// The devices of one person, so that no message scans all devices.
#[derive(Debug, Default)]
struct Person {
    /// Devices that are not revoked, those that are being enrolled included.
    devices: Vec<DeviceId>,
    /// How many of them are connected.
    online: usize,
}

/// Devices, people and connections.
#[derive(Debug, Default)]
pub(super) struct Directory {
    devices: HashMap<DeviceId, Device>,
    /// Enrolled devices whose certificates are lost.
    lost: HashMap<DeviceId, Lost>,
    people: HashMap<PersonId, Person>,
    /// Devices that are not revoked, by what is seen of their person's name.
    by_look: ByLook<DeviceId>,
    sessions: HashMap<SessionId, Session>,
    online: HashMap<DeviceId, SessionId>,
    by_role: HashMap<Role, BTreeSet<SessionId>>,
    /// Devices that are notified of rings while they are not connected, by person.
    notifiable: HashMap<PersonId, BTreeSet<DeviceId>>,
    /// People who were recovered lately, and when.
    recovered: HashMap<PersonId, u64>,
    valid: usize,
}

impl Directory {
    pub fn insert(&mut self, id: DeviceId, device: Device) {
        if device.revoked_ms.is_none() {
            self.people.entry(device.card.person).or_default().devices.push(id);
            self.by_look.insert(&device.card.name, &id);
        }
        self.valid += usize::from(device.is_valid());
        self.devices.insert(id, device);
    }

    /// A device is enrolled, but its certificates are lost.
    pub fn insert_lost(&mut self, id: DeviceId, revoked_ms: Option<u64>, revocation: Option<String>) {
        self.lost.insert(id, Lost { revoked_ms, revocation: revocation.map(String::into_boxed_str) });
    }

    /// Whether a device is enrolled whose certificates are lost.
    pub fn is_lost(&self, id: &DeviceId) -> bool {
        self.lost.contains_key(id)
    }

    /// Since when a device is revoked, also if it is lost.
    pub fn revoked_ms(&self, id: &DeviceId) -> Option<u64> {
        let lost = || self.lost.get(id).and_then(|lost| lost.revoked_ms);
        self.devices.get(id).and_then(|device| device.revoked_ms).or_else(lost)
    }

    /// The authority's signed revocation of a device, where it is known, also if it is lost.
    pub fn revocation(&self, id: &DeviceId) -> Option<&str> {
        let lost = || self.lost.get(id).and_then(|lost| lost.revocation.as_deref());
        self.devices.get(id).and_then(|device| device.revocation.as_deref()).or_else(lost)
    }

    /// The log has the device's entry.
    pub fn logged(&mut self, id: DeviceId, index: u64) -> Option<Arc<Card>> {
        let device = self.devices.get_mut(&id)?;
        self.valid -= usize::from(device.is_valid());
        device.log_index = Some(index);
        self.valid += usize::from(device.is_valid());
        Some(device.card.clone())
    }

    /// From now on the device may not sign in.
    pub fn revoke(&mut self, id: DeviceId, now_ms: u64, jws: &str) -> Option<Arc<Card>> {
        if let Some(lost) = self.lost.get_mut(&id) {
            (lost.revoked_ms, lost.revocation) = (Some(now_ms), Some(jws.into()));
        }
        let device = self.devices.get_mut(&id)?;
        self.valid -= usize::from(device.is_valid());
        device.revoked_ms = Some(now_ms);
        device.revocation = Some(jws.into());
        let card = device.card.clone();
        self.by_look.remove(&card.name, &id);
        self.forget_of_person(id, card.person);
        Some(card)
    }

    /// A device that is revoked is ordered to erase itself.
    pub fn order_erasure(&mut self, id: DeviceId, now_ms: u64, jws: &str) -> Option<Arc<Card>> {
        if let Some(lost) = self.lost.get_mut(&id) {
            lost.revocation = Some(jws.into());
        }
        let device = self.devices.get_mut(&id)?;
        (device.revocation, device.erase_ordered_ms) = (Some(jws.into()), Some(now_ms));
        Some(device.card.clone())
    }

    /// A device that is revoked by a statement that is lost is revoked again.
    pub fn state_revocation(&mut self, id: DeviceId, jws: &str) -> Option<Arc<Card>> {
        if let Some(lost) = self.lost.get_mut(&id) {
            lost.revocation = Some(jws.into());
        }
        let device = self.devices.get_mut(&id)?;
        device.revocation = Some(jws.into());
        Some(device.card.clone())
    }

    /// When the order was given that the entry of a revocation states: the revocation itself, or to erase the device after it.
    pub fn order_ms(&self, id: &DeviceId) -> Option<u64> {
        self.devices.get(id).and_then(|device| device.erase_ordered_ms).or_else(|| self.revoked_ms(id))
    }

    fn forget_of_person(&mut self, id: DeviceId, person: PersonId) {
        let Some(found) = self.people.get_mut(&person) else { return };
        found.devices.retain(|device| *device != id);
        if found.devices.is_empty() && found.online == 0 {
            self.people.remove(&person);
        }
    }

    pub fn device(&self, id: &DeviceId) -> Option<&Device> {
        self.devices.get(id)
    }

    /// Devices that may sign in.
    pub fn valid_devices(&self) -> usize {
        self.valid
    }

    pub fn card(&self, device: &DeviceId) -> Option<&Arc<Card>> {
        self.devices.get(device).map(|d| &d.card)
    }

    pub fn role(&self, device: &DeviceId) -> Option<Role> {
        self.card(device).map(|c| c.role)
    }

    /// Whether the device is a note-taker's.
    pub fn writes_records(&self, device: &DeviceId) -> bool {
        self.role(device).is_some_and(|role| allows(role, Action::WriteRecord))
    }

    pub fn is_person(&self, device: &DeviceId, person: PersonId) -> bool {
        self.card(device).is_some_and(|c| c.person == person)
    }

    pub fn party(&self, device: &DeviceId) -> Option<Party> {
        self.card(device).map(|card| Party { device: *device, card: Card::clone(card) })
    }

    /// Reference to the device's log entry; its proof is filled in when it is sent.
    pub fn device_entry(&self, device: &DeviceId) -> Logged {
        super::port::entry_at(self.devices.get(device).and_then(|d| d.log_index).unwrap_or_default())
    }

    /// Devices of a person that are not revoked.
    pub fn devices_of(&self, person: PersonId) -> impl Iterator<Item = (&DeviceId, &Device)> {
        let devices = self.people.get(&person).map(|p| p.devices.as_slice()).unwrap_or_default();
        devices.iter().filter_map(|id| Some((id, self.devices.get(id)?)))
    }

    /// The person's card, from the certificate of their newest device. None without a device that may sign in.
    pub fn person(&self, person: PersonId) -> Option<&Arc<Card>> {
        let valid = self.devices_of(person).filter(|(_, d)| d.is_valid());
        valid.max_by_key(|(_, d)| d.enrolled_ms).map(|(_, d)| &d.card)
    }

    /// People whose names look like this one, by their devices that are not revoked.
    pub fn cards_like(&self, name: &str) -> impl Iterator<Item = &Card> {
        self.by_look.like(name).into_iter().filter_map(|id| self.devices.get(id)).map(|device| &*device.card)
    }

    /// Whether the office's registrars, or its authority, enrolled them: they are more than the holder of some principal's line.
    pub fn is_enrolled_by_office(&self, person: PersonId) -> bool {
        self.devices_of(person).any(|(_, device)| device.is_valid() && !device.given)
    }

    /// The person as shown in contact lists.
    pub fn contact(&self, person: PersonId) -> Option<Contact> {
        let card = Card::clone(self.person(person)?);
        Some(Contact {
            reachable: self.is_reachable(person),
            notified: !self.is_reachable(person) && self.notifiable.contains_key(&person),
            card,
            recovered_ms: self.recovered_ms(person),
            line: None,
            needs_line: false,
        })
    }

    /// When a person was recovered, while it is shown.
    pub fn recovered_ms(&self, person: PersonId) -> Option<u64> {
        self.recovered.get(&person).copied()
    }

    pub fn set_recovered(&mut self, person: PersonId, at_ms: Option<u64>) {
        match at_ms {
            Some(at_ms) => self.recovered.insert(person, at_ms),
            None => self.recovered.remove(&person),
        };
    }

    /// The card of a person's newest device, revoked or not. It looks at all devices: only for what a security officer does seldom.
    pub fn any_card_of(&self, person: PersonId) -> Option<&Arc<Card>> {
        let own = self.devices.values().filter(|device| device.card.person == person && device.log_index.is_some());
        own.max_by_key(|device| device.enrolled_ms).map(|device| &device.card)
    }

    pub fn is_reachable(&self, person: PersonId) -> bool {
        self.people.get(&person).is_some_and(|p| p.online > 0)
    }

    /// Whether a device is notified of rings while it is not connected.
    pub fn set_notifiable(&mut self, device: &DeviceId, on: bool) {
        let Some(person) = self.card(device).map(|card| card.person) else { return };
        let devices = self.notifiable.entry(person).or_default();
        let _ = if on { devices.insert(*device) } else { devices.remove(device) };
        if devices.is_empty() {
            self.notifiable.remove(&person);
        }
    }

    /// Devices of a person that are not connected and can be notified of a ring.
    pub fn notifiable_devices_of(&self, person: PersonId) -> impl Iterator<Item = DeviceId> {
        let devices = self.notifiable.get(&person).into_iter().flatten().copied();
        devices.filter(|device| !self.online.contains_key(device))
    }

    /// Everybody who has a device that may sign in.
    pub fn people(&self) -> impl Iterator<Item = PersonId> {
        self.people.keys().copied()
    }

    pub fn online_devices_of(&self, person: PersonId) -> Vec<DeviceId> {
        let online = self.devices_of(person).map(|(id, _)| *id).filter(|id| self.online.contains_key(id));
        let mut devices: Vec<_> = online.collect();
        devices.sort_unstable();
        devices
    }

    pub fn session_of(&self, device: &DeviceId) -> Option<SessionId> {
        self.online.get(device).copied()
    }

    pub fn session(&self, session: SessionId) -> Option<&Session> {
        self.sessions.get(&session)
    }

    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// Connections of people of a role.
    pub fn sessions_of_role(&self, role: Role) -> impl Iterator<Item = SessionId> {
        self.by_role.get(&role).into_iter().flatten().copied()
    }

    /// How many connections people of a role have.
    pub fn connected(&self, role: Role) -> usize {
        self.by_role.get(&role).map_or(0, |sessions| sessions.len())
    }

    /// Signs a connection in. Returns whether it is the person's first one.
    pub fn sign_in(&mut self, session: SessionId, device: DeviceId, card: Arc<Card>) -> bool {
        let person = self.people.entry(card.person).or_default();
        person.online += 1;
        let first = person.online == 1;
        self.by_role.entry(card.role).or_default().insert(session);
        self.online.insert(device, session);
        self.sessions.insert(session, Session { device, card });
        first
    }

    /// Removes a connection. Returns whose it was, and whether it was the person's last one.
    pub fn sign_out(&mut self, session: SessionId) -> Option<(Session, bool)> {
        let gone = self.sessions.remove(&session)?;
        self.online.remove(&gone.device);
        if let Some(role) = self.by_role.get_mut(&gone.card.role) {
            role.remove(&session);
        }
        let person = self.people.entry(gone.card.person).or_default();
        person.online -= 1;
        let last = person.online == 0;
        if last && person.devices.is_empty() {
            self.people.remove(&gone.card.person);
        }
        Some((gone, last))
    }
}
