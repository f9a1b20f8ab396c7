//! What a log says of the devices of one person.

use serde::Serialize;
use std::collections::BTreeMap;
use telcon_identity::{Office, claimed_revoker};
use telcon_proto::{
    DeviceId, Digest, InvitationId, PersonId,
    entry::{Entry, InvitationClosed, ReadEntry, person_commitment},
};
use telcon_record::sha256;

/// Whose a device is, as far as the log says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Whose {
    /// The person's.
    Person,
    /// Anybody's: its entry does not say, so it may be the person's.
    Unknown,
}

/// By whom a device was revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Revoker {
    /// The office's authority, whose signature was verified.
    Authority,
    /// The registrar's device with this identifier, as its statement says. Its certificate is not public, so that the signature is
    /// left to devices and to whoever has the archive.
    Registrar(DeviceId),
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
        /// Whether a registrar certified it; otherwise a link of the authority did.
        by_registrar: bool,
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
    /// As a registrar it invited somebody.
    InvitedSomebody {
        /// The invitation.
        invitation: InvitationId,
    },
    /// As a registrar it closed an invitation.
    AnsweredSomebody {
        /// The invitation.
        invitation: InvitationId,
        /// How.
        how: InvitationClosed,
        /// The device that asked, if one did.
        #[serde(skip_serializing_if = "Option::is_none")]
        other: Option<DeviceId>,
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
    pub whose: Whose,
    /// What happened.
    #[serde(flatten)]
    pub event: DeviceEvent,
}

/// The devices of a person, from the entries of a verified log in its order.
#[derive(Debug, Clone)]
pub struct PersonDevices {
    person: PersonId,
    devices: BTreeMap<DeviceId, Known>,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    whose: Whose,
    revoked: bool,
}

/// Numbers of devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// In the person's name.
    pub of_person: usize,
    /// Of these, revoked ones.
    pub revoked: usize,
    /// Of which the log does not say whose they are.
    pub unknown: usize,
}

impl PersonDevices {
    /// Before the first entry.
    pub fn new(person: PersonId) -> Self {
        Self { person, devices: BTreeMap::new() }
    }

    /// Adds the next entry of the office's log, and says what it means for a device of the person, or for one that may be.
    pub fn add(&mut self, index: u64, bytes: &[u8], office: &Office) -> Vec<LoggedEvent> {
        // An entry of a type that this program does not know can concern a device only by an enrolment that it does know.
        let ReadEntry::Known(entry) = ReadEntry::parse(bytes) else { return Vec::new() };
        let time_ms = entry.time_ms();
        let events: Vec<(DeviceId, DeviceEvent)> = match entry {
            Entry::DeviceEnrolled { device, cert_sha256, enrolment, person_sha256, .. } => {
                self.enrolled(device, person_sha256);
                // Identifier of an enrolment by a registrar: the start of the certificate's digest.
                let by_registrar = cert_sha256.to_string().starts_with(&enrolment) && enrolment.len() == 32;
                vec![(device, DeviceEvent::DeviceEnrolled { cert_sha256, enrolment, by_registrar })]
            }
            Entry::DeviceRevoked { device, jws, .. } => {
                let by = revoker(device, jws.as_deref(), office);
                if let Some(known) = self.devices.get_mut(&device) {
                    known.revoked |= by != Revoker::Nobody;
                }
                vec![(device, DeviceEvent::DeviceRevoked { by })]
            }
            Entry::RegistrarAppointed { device, cert_sha256, .. } => {
                vec![(device, DeviceEvent::RegistrarAppointed { cert_sha256 })]
            }
            Entry::InvitationMade { invitation, by, .. } => vec![(by, DeviceEvent::InvitedSomebody { invitation })],
            Entry::InvitationClosed { invitation, how, by, device, .. } => {
                let asked = device.map(|device| (device, DeviceEvent::InvitationClosed { invitation, how, by }));
                let answered = by.map(|by| (by, DeviceEvent::AnsweredSomebody { invitation, how, other: device }));
                asked.into_iter().chain(answered).collect()
            }
            _ => Vec::new(),
        };
        let logged = |(device, event)| {
            let Known { whose, .. } = self.devices.get(&device)?;
            Some(LoggedEvent { entry: index, time_ms, device, whose: *whose, event })
        };
        events.into_iter().filter_map(logged).collect()
    }

    fn enrolled(&mut self, device: DeviceId, person_sha256: Option<Digest>) {
        let whose = match person_sha256 {
            None => Whose::Unknown,
            Some(logged) if logged == person_commitment(self.person, device, sha256) => Whose::Person,
            // An identifier that is enrolled twice stays the person's.
            Some(_) => return,
        };
        let known = self.devices.entry(device).or_insert(Known { whose, revoked: false });
        if whose == Whose::Person {
            known.whose = whose;
        }
    }

    /// How many devices were found.
    pub fn counts(&self) -> Counts {
        let of_person = || self.devices.values().filter(|known| known.whose == Whose::Person);
        Counts {
            of_person: of_person().count(),
            revoked: of_person().filter(|known| known.revoked).count(),
            unknown: self.devices.len() - of_person().count(),
        }
    }
}

fn revoker(device: DeviceId, jws: Option<&str>, office: &Office) -> Revoker {
    let Some(jws) = jws else { return Revoker::Nobody };
    match (claimed_revoker(jws), office.verify_revocation(jws)) {
        (Some(registrar), _) => Revoker::Registrar(registrar),
        (None, Ok(verified)) if verified.device() == device => Revoker::Authority,
        (None, _) => Revoker::Nobody,
    }
}

#[cfg(test)]
mod tests;
