//! What a log says of the devices of one person.

use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use telcon_identity::{Office, claimed_revocation};
use telcon_proto::{
    DelegationId, DeviceId, Digest, InvitationId, PersonId, ShiftId,
    entry::{Entry, InvitationClosed, ReadEntry, is_by_registrar, person_commitment},
    shift::{ShiftEnd, shift_commitment},
};
use telcon_record::sha256;

/// Longest identifier of an enrolment that is kept, characters: one has 32, and an entry could have 64 kB.
const MAX_ENROLMENT_CHARS: usize = 64;

/// Whose a device is, as far as the log says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// The person's.
    Person,
    /// Anybody's: its entry does not say, as those of version 0.1, so it may be the person's.
    Unknown,
    /// Anybody's: its entry does not say, though earlier ones do. The server hides whose it is.
    Hidden,
    /// A place's, at which the person was on shift.
    Place,
}

/// By whom a device was revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Revoker {
    /// The office's authority, whose signature was verified.
    Authority,
    /// This device, which was appointed as a registrar before, as the statement claims. Registrars' certificates are not public:
    /// that the signature is valid, and the registrar was allowed to, is verified by devices and with the archive.
    ClaimedRegistrar(DeviceId),
    /// Nobody who could: there is no valid statement, and devices ignore the entry.
    Nobody,
}

/// What happened to a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum DeviceEvent {
    /// It was enrolled.
    DeviceEnrolled {
        /// SHA-256 of its certificate.
        cert_sha256: Digest,
        /// The enrolment, hexadecimal.
        enrolment: String,
        /// How many registrars certified it; 0 if it was enrolled with a link of the authority.
        registrars: u8,
    },
    /// A registrar closed the invitation that it asked with.
    InvitationClosed {
        /// The invitation.
        invitation: InvitationId,
        /// How.
        how: InvitationClosed,
        /// The registrar's device.
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<DeviceId>,
    },
    /// It was revoked.
    DeviceRevoked {
        /// By whom.
        by: Revoker,
    },
    /// The authority appointed it as a registrar.
    RegistrarAppointed {
        /// SHA-256 of its registrar certificate.
        cert_sha256: Digest,
    },
    /// It made an invitation, as a registrar.
    RegistrarInvited {
        /// The invitation.
        invitation: InvitationId,
    },
    /// It closed an invitation, as a registrar.
    RegistrarAnswered {
        /// The invitation.
        invitation: InvitationId,
        /// How.
        how: InvitationClosed,
        /// The device that asked, if one did.
        #[serde(skip_serializing_if = "Option::is_none")]
        asked: Option<DeviceId>,
    },
    /// It signed a delegation: somebody may act for its person. Whom it is for is not in the log.
    DelegationGiven {
        /// The delegation.
        delegation: DelegationId,
        /// Until when it is valid, unless it ends before, milliseconds since 1970 UTC.
        until_ms: u64,
    },
    /// A delegation that it signed ended before its time.
    DelegationEnded {
        /// The delegation.
        delegation: DelegationId,
        /// The device whose person ended it; none if it ended with a revoked device.
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<DeviceId>,
    },
    /// It ended a delegation that another device signed.
    EndedDelegation {
        /// The delegation.
        delegation: DelegationId,
    },
    /// A shift started at it, a place's device. It is the watched person's own shift if the owner is [`Owner::Place`].
    ShiftStarted {
        /// The shift.
        shift: ShiftId,
    },
    /// The shift ended.
    ShiftEnded {
        /// The shift.
        shift: ShiftId,
        /// How.
        how: ShiftEnd,
    },
}

/// An event of a device in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LoggedEvent {
    /// Index of its entry.
    pub entry: u64,
    /// When, milliseconds since 1970 UTC, by the switchboard's clock.
    pub time_ms: u64,
    /// The device.
    pub device: DeviceId,
    /// Whose it is.
    pub owner: Owner,
    /// What happened.
    #[serde(flatten)]
    pub event: DeviceEvent,
}

/// The devices of a person, from the entries of a verified log in its order.
#[derive(Debug, Clone)]
pub struct PersonDevices {
    person: PersonId,
    devices: BTreeMap<DeviceId, Owner>,
    /// Whether an entry said whose device was enrolled: all later ones have to.
    owners_named: bool,
    /// Devices that the log says were appointed as registrars.
    registrars: BTreeSet<DeviceId>,
    /// Delegations that devices signed which are, or may be, the person's.
    delegations: BTreeMap<DelegationId, DeviceId>,
    /// Devices that the authority revoked, of all people. A later appointment does not make one a registrar again.
    revoked: BTreeSet<DeviceId>,
    /// Shifts that concern the person, their devices, and whether the person was on shift.
    shifts: BTreeMap<ShiftId, (DeviceId, bool)>,
}

/// Numbers of devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// In the person's name.
    pub of_person: usize,
    /// Of these, those that the authority revoked.
    pub revoked: usize,
    /// Of which the log does not say whose they are, as those of version 0.1.
    pub unknown: usize,
    /// Of which the server hides whose they are.
    pub hidden: usize,
}

impl PersonDevices {
    /// Before the first entry.
    pub fn new(person: PersonId) -> Self {
        let (registrars, revoked) = (BTreeSet::new(), BTreeSet::new());
        let (devices, delegations, shifts) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { person, devices, owners_named: false, registrars, delegations, revoked, shifts }
    }

    /// Adds the next entry of the office's log, and says what it means for a device of the person, or for one that may be.
    pub fn add(&mut self, index: u64, bytes: &[u8], office: &Office) -> Vec<LoggedEvent> {
        // An entry of a type that this program does not know can concern a device only by an enrolment that it does know.
        let ReadEntry::Known(entry) = ReadEntry::parse(bytes) else { return Vec::new() };
        let time_ms = entry.time_ms();
        let events: Vec<(DeviceId, DeviceEvent)> = match entry {
            Entry::DeviceEnrolled { device, cert_sha256, enrolment, person_sha256, second_cert_sha256, .. } => {
                self.enrolled(device, person_sha256);
                let registrars = if is_by_registrar(&cert_sha256, &enrolment) {
                    1 + u8::from(second_cert_sha256.is_some())
                } else {
                    0
                };
                let enrolment = enrolment.chars().take(MAX_ENROLMENT_CHARS).collect();
                vec![(device, DeviceEvent::DeviceEnrolled { cert_sha256, enrolment, registrars })]
            }
            Entry::DeviceRevoked { device, jws, .. } => {
                let by = self.revoker(device, jws.as_deref(), office);
                if by == Revoker::Authority {
                    self.revoked.insert(device);
                }
                vec![(device, DeviceEvent::DeviceRevoked { by })]
            }
            Entry::RegistrarAppointed { device, cert_sha256, .. } => {
                self.registrars.insert(device);
                vec![(device, DeviceEvent::RegistrarAppointed { cert_sha256 })]
            }
            Entry::InvitationMade { invitation, by, .. } => vec![(by, DeviceEvent::RegistrarInvited { invitation })],
            Entry::InvitationClosed { invitation, how, by, device, .. } => {
                let asked = device.map(|device| (device, DeviceEvent::InvitationClosed { invitation, how, by }));
                let answered = by.map(|by| (by, DeviceEvent::RegistrarAnswered { invitation, how, asked: device }));
                asked.into_iter().chain(answered).collect()
            }
            Entry::DelegationGiven { delegation, device, until_ms, .. } => {
                if self.devices.contains_key(&device) {
                    self.delegations.insert(delegation, device);
                }
                vec![(device, DeviceEvent::DelegationGiven { delegation, until_ms })]
            }
            Entry::DelegationEnded { delegation, by, .. } => {
                let given_by = self.delegations.remove(&delegation);
                let ended = given_by.map(|device| (device, DeviceEvent::DelegationEnded { delegation, by }));
                let ender = by.filter(|by| given_by != Some(*by));
                let by_other = ender.map(|by| (by, DeviceEvent::EndedDelegation { delegation }));
                ended.into_iter().chain(by_other).collect()
            }
            Entry::ShiftStarted { shift, device, person_sha256, .. } => {
                let own = person_sha256 == shift_commitment(self.person, shift, sha256);
                if own || self.devices.contains_key(&device) {
                    self.shifts.insert(shift, (device, own));
                }
                vec![(device, DeviceEvent::ShiftStarted { shift })]
            }
            Entry::ShiftEnded { shift, how, .. } => {
                let known = self.shifts.get(&shift);
                known.map(|(device, _)| (*device, DeviceEvent::ShiftEnded { shift, how })).into_iter().collect()
            }
            _ => Vec::new(),
        };
        let logged = |(device, event): (DeviceId, DeviceEvent)| {
            let on_shift = match event {
                DeviceEvent::ShiftStarted { shift } | DeviceEvent::ShiftEnded { shift, .. } => {
                    self.shifts.get(&shift).is_some_and(|(_, own)| *own)
                }
                _ => false,
            };
            let owner = if on_shift { Owner::Place } else { *self.devices.get(&device)? };
            Some(LoggedEvent { entry: index, time_ms, device, owner, event })
        };
        events.into_iter().filter_map(logged).collect()
    }

    fn enrolled(&mut self, device: DeviceId, person_sha256: Option<Digest>) {
        let owner = match person_sha256 {
            None if self.owners_named => Owner::Hidden,
            None => Owner::Unknown,
            Some(logged) => {
                self.owners_named = true;
                // An identifier that is enrolled twice stays the person's.
                if logged != person_commitment(self.person, device, sha256) {
                    return;
                }
                Owner::Person
            }
        };
        let known = self.devices.entry(device).or_insert(owner);
        if owner == Owner::Person {
            *known = owner;
        }
    }

    /// How many devices were found.
    pub fn counts(&self) -> Counts {
        let of = |owner| self.devices.iter().filter(move |(_, known)| **known == owner);
        Counts {
            of_person: of(Owner::Person).count(),
            revoked: of(Owner::Person).filter(|(device, _)| self.revoked.contains(device)).count(),
            unknown: of(Owner::Unknown).count(),
            hidden: of(Owner::Hidden).count(),
        }
    }

    /// Whether a device is a registrar by the entries so far. `appointments` in `crates/record/src/history.rs` has the same rule for
    /// the archive, where registrars' revocations are verified and count, too.
    fn is_registrar(&self, device: DeviceId) -> bool {
        self.registrars.contains(&device) && !self.revoked.contains(&device)
    }

    /// Who revoked a device with the statement of its entry.
    fn revoker(&self, device: DeviceId, jws: Option<&str>, office: &Office) -> Revoker {
        let Some(jws) = jws else { return Revoker::Nobody };
        let claimed = claimed_revocation(jws).filter(|claimed| claimed.device == device);
        match claimed.map(|claimed| claimed.by) {
            Some(Some(by)) if self.is_registrar(by) => Revoker::ClaimedRegistrar(by),
            Some(None) if office.verify_revocation(jws).is_ok() => Revoker::Authority,
            _ => Revoker::Nobody,
        }
    }
}

#[cfg(test)]
mod tests;
