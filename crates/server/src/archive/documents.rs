//! Sealed files of documents, in the object store beside the records: `documents/<document>/<version>-<digest of the statement>`, and with
//! the id of a device behind that, what was sealed again for it. Beside the first is the statement, with `.jws`: an auditor needs no
//! database to verify it against the log.
//!
//! A file is durable before its version is. One that a killed process left without its version is under the name that the same upload has
//! when it is repeated, and is no other version's.

use crate::objects::{Key, ObjectError, Objects};
use std::{io::Write as _, sync::Arc};
use telcon_proto::{DeviceId, Digest, DocumentId};

/// The sealed files.
pub struct SealedDocuments {
    objects: Arc<dyn Objects>,
}

fn statement_key(document: DocumentId, version: u32, statement_sha256: &Digest) -> Key {
    Key::parse(&format!("documents/{document}/{version}-{statement_sha256}.jws"))
        .expect("invariant: ids and digests are hexadecimal")
}

fn key(document: DocumentId, version: u32, statement_sha256: &Digest, device: Option<DeviceId>) -> Key {
    let device = device.map(|device| format!("-{device}")).unwrap_or_default();
    Key::parse(&format!("documents/{document}/{version}-{statement_sha256}{device}"))
        .expect("invariant: ids and digests are hexadecimal")
}

impl SealedDocuments {
    /// Files in this store.
    pub fn new(objects: Arc<dyn Objects>) -> Self {
        Self { objects }
    }

    /// Stores the statement of a version and its sealed file, durably.
    ///
    /// # Errors
    /// The object store's.
    pub fn put(
        &self,
        document: DocumentId,
        version: u32,
        (statement, sha256): (&str, &Digest),
        bytes: &[u8],
    ) -> Result<(), ObjectError> {
        self.objects.create(&statement_key(document, version, sha256), statement.as_bytes())?;
        self.objects.create(&key(document, version, sha256, None), bytes).map(drop)
    }

    /// Stores what was sealed again for a device, in place of what was before.
    ///
    /// # Errors
    /// The object store's.
    pub fn put_seal(
        &self,
        document: DocumentId,
        version: u32,
        statement: &Digest,
        device: DeviceId,
        bytes: &[u8],
    ) -> Result<(), ObjectError> {
        let spool = self.objects.spool()?;
        let mut file = spool.create()?;
        file.write_all(bytes)?;
        file.sync_all()?;
        self.objects.put(&key(document, version, statement, Some(device)), spool)
    }

    /// The sealed file of a version for a device: what was sealed again for it, or else what was sealed first. None if it is lost.
    ///
    /// # Errors
    /// The object store's.
    pub fn get(
        &self,
        document: DocumentId,
        version: u32,
        statement: &Digest,
        device: DeviceId,
    ) -> Result<Option<Vec<u8>>, ObjectError> {
        match self.objects.get(&key(document, version, statement, Some(device)))? {
            Some(again) => Ok(Some(again)),
            None => self.objects.get(&key(document, version, statement, None)),
        }
    }

    /// Removes statement and sealed file of a version that was not taken.
    ///
    /// # Errors
    /// The object store's.
    pub fn delete(&self, document: DocumentId, version: u32, statement: &Digest) -> Result<(), ObjectError> {
        self.objects.delete(&key(document, version, statement, None))?;
        self.objects.delete(&statement_key(document, version, statement))
    }
}
