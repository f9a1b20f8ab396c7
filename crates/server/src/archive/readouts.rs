//! Published readouts, in the object store beside the records: `readouts/<readout>/<digest of the signed text>.jws`, and
//! `readouts/<readout>/published`, which says which of them the log has. Only that one is served; it stays for ever.

use crate::objects::{Key, ObjectError, Objects};
use std::sync::Arc;
use telcon_proto::{Digest, ItemId};

/// The readouts.
pub struct PublishedReadouts {
    objects: Arc<dyn Objects>,
}

/// A readout that everybody may read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedReadout {
    /// As it was signed.
    pub jws: String,
    /// Index of its log entry.
    pub log_index: u64,
}

fn key(readout: ItemId, name: &str) -> Key {
    Key::parse(&format!("readouts/{}/{name}", readout.to_hex())).expect("invariant: ids and digests are hexadecimal")
}

impl PublishedReadouts {
    /// Readouts in this store.
    pub fn new(objects: Arc<dyn Objects>) -> Self {
        Self { objects }
    }

    /// Stores a signed text durably, before the log has it.
    ///
    /// # Errors
    /// The object store's.
    pub fn put(&self, readout: ItemId, sha256: &Digest, jws: &str) -> Result<(), ObjectError> {
        self.objects.create(&key(readout, &format!("{sha256}.jws")), jws.as_bytes()).map(drop)
    }

    /// The log has this text: it is what is served, unless another one was faster.
    ///
    /// # Errors
    /// The object store's.
    pub fn publish(&self, readout: ItemId, sha256: &Digest, log_index: u64) -> Result<(), ObjectError> {
        self.objects.create(&key(readout, "published"), format!("{sha256} {log_index}").as_bytes()).map(drop)
    }

    /// What is published; none if nothing is.
    ///
    /// # Errors
    /// The object store's.
    pub fn get(&self, readout: ItemId) -> Result<Option<PublishedReadout>, ObjectError> {
        let Some(published) = self.objects.get(&key(readout, "published"))? else { return Ok(None) };
        let published = String::from_utf8_lossy(&published).into_owned();
        let Some((sha256, index)) = published.split_once(' ') else { return Ok(None) };
        let (Ok(sha256), Ok(log_index)) = (sha256.parse::<Digest>(), index.parse()) else { return Ok(None) };
        let jws = self.objects.get(&key(readout, &format!("{sha256}.jws")))?;
        Ok(jws.and_then(|jws| String::from_utf8(jws).ok()).map(|jws| PublishedReadout { jws, log_index }))
    }
}
