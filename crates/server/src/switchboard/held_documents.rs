//! What the switchboard knows of documents: versions that the log may not have, and which devices stated a key. Everything else is in the
//! store, and read when it is asked for.

use super::port::{RequestId, SessionId};
use crate::store::{DeviceKeyRow, DocumentRow};
use std::collections::HashMap;
use telcon_proto::{DeviceId, Digest, DocumentId, PersonId};

/// Versions of documents, and keys of devices.
#[derive(Debug, Default)]
pub(super) struct Documents {
    /// At most one version of each document: no other is taken until the log has it.
    pub pending: HashMap<DocumentId, PendingVersion>,
    /// The key of each device, and whether the log has it.
    pub keys: HashMap<DeviceId, HeldKey>,
    /// What devices did in the last minute, so that none fills the log.
    pub recent: Recent,
}

/// In how long a time writing and opening is counted, milliseconds.
const COUNTED_MS: u64 = 60_000;
/// Versions that one device writes in that time: more than a page that stores what is typed every few seconds.
pub(super) const MAX_WRITTEN: u32 = 60;

/// What devices did since the beginning of the present minute.
#[derive(Debug, Default)]
pub(super) struct Recent {
    since_ms: u64,
    written: HashMap<DeviceId, u32>,
    opened: HashMap<(DocumentId, u32, DeviceId), u64>,
}

impl Recent {
    fn begin(&mut self, now_ms: u64) {
        if now_ms.saturating_sub(self.since_ms) >= COUNTED_MS || now_ms < self.since_ms {
            *self = Self { since_ms: now_ms, ..Self::default() };
        }
    }

    /// Counts a version of a device; whether it is within the limit.
    pub fn may_write(&mut self, device: DeviceId, now_ms: u64) -> bool {
        self.begin(now_ms);
        let written = self.written.entry(device).or_default();
        *written = written.saturating_add(1);
        *written <= MAX_WRITTEN
    }

    /// The entry of an opening of the same copy on the same device a moment ago: a page that is loaded again opens it no second time.
    pub fn opened(&mut self, document: DocumentId, version: u32, device: DeviceId, now_ms: u64) -> Option<u64> {
        self.begin(now_ms);
        self.opened.get(&(document, version, device)).copied()
    }

    /// The log has an opening.
    pub fn note_opening(&mut self, document: DocumentId, version: u32, device: DeviceId, index: u64) {
        self.opened.insert((document, version, device), index);
    }
}

/// A version that the log may not have.
#[derive(Debug)]
pub(super) struct PendingVersion {
    pub row: DocumentRow,
    /// Who may read the version before: they are told as well. Not known after a restart.
    pub before: Vec<PersonId>,
    /// Uploads of it that wait.
    pub requests: Vec<RequestId>,
}

/// A device's key.
#[derive(Debug)]
pub(super) struct HeldKey {
    pub row: DeviceKeyRow,
    pub logged: bool,
    /// Where the answer goes while the log does not have it.
    pub asked_by: Option<SessionId>,
}

impl Documents {
    /// Whether a device has to state its key.
    pub fn lacks_key(&self, device: &DeviceId) -> bool {
        !self.keys.contains_key(device)
    }

    /// The version that waits, if it is the one of this digest.
    pub fn pending_of(&mut self, document: &DocumentId, sha256: &Digest) -> Option<&mut PendingVersion> {
        self.pending.get_mut(document).filter(|pending| pending.row.sha256 == *sha256)
    }
}
