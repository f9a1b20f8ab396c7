//! A finished record in the spool, before and after it is signed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::digest::Digest;
use crate::error::RecordError;
use crate::fs::{SpoolFs, replace_file};
use crate::seal::{MAX_SEAL_JWS_BYTES, PartDigest, RecordReference, SEAL_FILE, Seal};

/// A record whose parts and `seal.json` are durable.
pub struct Sealed {
    fs: Arc<dyn SpoolFs>,
    dir: PathBuf,
    seal: Seal,
}

impl Sealed {
    pub(crate) fn new(fs: Arc<dyn SpoolFs>, dir: PathBuf, seal: Seal) -> Self {
        Self { fs, dir, seal }
    }

    /// All parts, in order.
    pub fn parts(&self) -> &[PartDigest] {
        &self.seal.parts
    }

    /// The digest that the log entry and the signature cover.
    pub fn record_digest(&self) -> Digest {
        self.seal.record_digest
    }

    /// Total size of all parts, bytes.
    pub fn total_bytes(&self) -> u64 {
        self.seal.parts.iter().map(|p| p.bytes).sum()
    }

    /// The content of `seal.json`.
    pub fn seal(&self) -> &Seal {
        &self.seal
    }

    /// The record's directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Which record it is: what the note-taker's device signs over.
    pub fn claims(&self) -> RecordReference {
        self.seal.claims()
    }

    /// Adds the signature to `seal.json`. The JWS (compact serialization) is not verified here.
    ///
    /// # Errors
    /// [`RecordError::Misuse`] if the text does not have the form of a compact JWS; disk errors, after which the call can be
    /// retried.
    pub fn attach_signature(&mut self, jws: &str) -> Result<(), RecordError> {
        let url_safe = |part: &str| part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        if jws.len() > MAX_SEAL_JWS_BYTES || jws.split('.').count() != 3 || !jws.split('.').all(url_safe) {
            return Err(RecordError::Misuse("a signature must be a compact JWS"));
        }
        let signed = Seal { jws: Some(jws.to_owned()), ..self.seal.clone() };
        replace_file(&*self.fs, &self.dir, SEAL_FILE, &signed.to_json())?;
        self.seal = signed;
        Ok(())
    }
}
