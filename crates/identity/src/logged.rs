//! Verification of log proofs: that a device was enrolled, that a call was opened, and when.

use crate::{
    chain::VerifiedDevice,
    error::{Flaw, Result},
    office::Office,
    ring::{RING_MAX_FUTURE_MS, VerifiedRing},
};
use serde::Deserialize;
use telcon_log::{Hash, MAX_ENTRY_LEN, verify_inclusion};
use telcon_proto::{
    OfficeName,
    entry::{Entry, ReadEntry},
    limits::RING_MAX_AGE_MS,
    message::Logged,
};

/// Most hashes in an inclusion proof: the height of a tree of 2^64 entries.
const MAX_PROOF_HASHES: usize = 64;

/// An entry that is in the office's log. Only verification creates one.
#[derive(Clone, Debug, PartialEq)]
pub struct LoggedEntry {
    office: OfficeName,
    index: u64,
    size: u64,
    root: Hash,
    entry: Option<Entry>,
    time_ms: u64,
}

impl LoggedEntry {
    /// The office whose log it is in.
    pub fn office(&self) -> &OfficeName {
        &self.office
    }

    /// Its index in the log, from 0.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// Size of the tree that the proof led to.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Root of that tree: store it with the size, and accept a later checkpoint only with a consistency proof.
    pub fn root(&self) -> &Hash {
        &self.root
    }

    /// The entry; none if a newer program wrote it, of a type that this one does not know.
    pub fn entry(&self) -> Option<&Entry> {
        self.entry.as_ref()
    }

    /// When, milliseconds since 1970 UTC, by the switchboard's clock.
    pub fn time_ms(&self) -> u64 {
        self.time_ms
    }
}

/// A verified device of which exactly this certificate is in the log, entered while its enrolment was open.
#[derive(Clone, Debug, PartialEq)]
pub struct LoggedDevice {
    device: VerifiedDevice,
    entry: LoggedEntry,
}

impl LoggedDevice {
    /// The device.
    pub fn device(&self) -> &VerifiedDevice {
        &self.device
    }

    /// Its entry.
    pub fn entry(&self) -> &LoggedEntry {
        &self.entry
    }
}

/// A verified ring whose call was opened in the log for exactly this ring.
#[derive(Clone, Debug, PartialEq)]
pub struct LoggedRing {
    ring: VerifiedRing,
    entry: LoggedEntry,
}

impl LoggedRing {
    /// The ring.
    pub fn ring(&self) -> &VerifiedRing {
        &self.ring
    }

    /// The entry of the opening.
    pub fn entry(&self) -> &LoggedEntry {
        &self.entry
    }
}

impl Office {
    /// Verifies that an entry is in the tree of a checkpoint that the office's log signed. The caller
    /// has to verify that the checkpoint continues those that it has accepted before. A proof without an office was made before
    /// version 4.
    ///
    /// # Errors
    /// [`Flaw::OtherOffice`], [`Flaw::TooLong`], [`Flaw::Checkpoint`], [`Flaw::LogProof`], [`Flaw::LogEntry`].
    pub fn verify_logged(&self, logged: &Logged) -> Result<LoggedEntry> {
        if logged.office.as_ref().is_some_and(|office| office != self.domain()) {
            return Err(Flaw::OtherOffice.into());
        }
        let bytes = logged.entry.as_slice();
        if bytes.len() > MAX_ENTRY_LEN || logged.proof.len() > MAX_PROOF_HASHES {
            return Err(Flaw::TooLong.into());
        }
        let head = self.log.verify_checkpoint(&logged.checkpoint).map_err(|_| Flaw::Checkpoint)?;
        let hashes = logged.proof.iter().map(|hash| hash.as_slice().try_into().map(Hash));
        let proof = hashes.collect::<std::result::Result<Vec<_>, _>>().map_err(|_| Flaw::LogProof)?;
        verify_inclusion(bytes, logged.index, head.size, &proof, &head.root).map_err(|_| Flaw::LogProof)?;
        let entry = match ReadEntry::parse(bytes) {
            ReadEntry::Known(entry) => Some(entry),
            ReadEntry::Unknown(_) => None,
            ReadEntry::Malformed(_) => return Err(Flaw::LogEntry.into()),
        };
        let time_ms = match &entry {
            Some(entry) => entry.time_ms(),
            None => serde_json::from_slice::<Timestamped>(bytes).map_err(|_| Flaw::LogEntry)?.time_ms,
        };
        let office = self.domain().clone();
        Ok(LoggedEntry { office, index: logged.index, size: head.size, root: head.root, entry, time_ms })
    }

    /// Verifies that a device's certificate is in the log, entered while its enrolment was open, within the tolerance of the
    /// clocks: an expired link cannot be used with a backdated certificate.
    ///
    /// # Errors
    /// Those of [`Office::verify_logged`]; [`Flaw::LogEntry`], [`Flaw::OtherEntry`], [`Flaw::EntryTime`].
    pub fn verify_device_logged(&self, device: VerifiedDevice, logged: &Logged) -> Result<LoggedDevice> {
        if device.office() != self.domain() {
            return Err(Flaw::OtherOffice.into());
        }
        let entry = self.verify_logged(logged)?;
        let Some(Entry::DeviceEnrolled {
            device: enrolled,
            cert_sha256,
            enrolment,
            person_sha256,
            second_cert_sha256,
            ..
        }) = entry.entry()
        else {
            return Err(Flaw::LogEntry.into());
        };
        let same = *enrolled == device.device()
            && *cert_sha256.as_bytes() == device.cert_sha256()
            && *enrolment == device.enrolment_hex()
            && second_cert_sha256.map(|second| *second.as_bytes()) == device.second_cert_sha256()
            // Whoever follows the log for the devices of a person relies on it. Entries of older versions have none.
            && person_sha256.is_none_or(|logged| logged == device.person_sha256());
        if !same {
            return Err(Flaw::OtherEntry.into());
        }
        if !device.enrolled_at(entry.time_ms) {
            return Err(Flaw::EntryTime.into());
        }
        Ok(LoggedDevice { device, entry })
    }

    /// Verifies that the opening of a ring's call is in the log: of this call, mode and suite, by this caller, over exactly this
    /// JWS, and while the ring was recent.
    ///
    /// # Errors
    /// Those of [`Office::verify_logged`]; [`Flaw::LogEntry`], [`Flaw::OtherEntry`], [`Flaw::EntryTime`].
    pub fn verify_opening(&self, ring: VerifiedRing, opened: &Logged) -> Result<LoggedRing> {
        if ring.ring().call.office != *self.domain() {
            return Err(Flaw::OtherOffice.into());
        }
        let entry = self.verify_logged(opened)?;
        let Some(Entry::CallOpened { call, ring_sha256, mode, suite, devices, delegation, line, .. }) = entry.entry()
        else {
            return Err(Flaw::LogEntry.into());
        };
        let content = ring.ring();
        let same = *call == content.call.id
            && *ring_sha256.as_bytes() == ring.sha256()
            && *mode == content.mode
            && *suite == content.suite
            && devices[..] == [content.from.id]
            && *delegation == content.on_behalf.map(|named| named.delegation)
            && *line == content.over.map(|named| named.line);
        if !same {
            return Err(Flaw::OtherEntry.into());
        }
        let too_late = entry.time_ms.saturating_sub(content.at_ms) > RING_MAX_AGE_MS;
        let too_early = content.at_ms.saturating_sub(entry.time_ms) > RING_MAX_FUTURE_MS;
        if too_late || too_early {
            return Err(Flaw::EntryTime.into());
        }
        Ok(LoggedRing { ring, entry })
    }
}

/// The field of every entry, including those of unknown types.
#[derive(Deserialize)]
struct Timestamped {
    time_ms: u64,
}
