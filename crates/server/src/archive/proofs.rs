//! Proofs from the published log. Reading takes no lock that the writer holds, and immutable data is read from disk
//! once: the hub puts proofs into most of its messages.

use super::cache::{EntryCache, TileCache};
use std::{
    ops::Range,
    sync::{Arc, PoisonError, RwLock},
};
use telcon_log::{
    Hash, Reader, SignedCheckpoint,
    tree::{ReadError, Tree},
};
use telcon_proto::{
    Blob, OfficeName, ServerMessage,
    message::{Logged, RefusalCode},
};

/// Why a proof cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// The log's files cannot be read.
    #[error("the log cannot be read: {0}")]
    Log(#[from] ReadError),
    /// Sizes that no checkpoint had, or in the wrong order.
    #[error("the log has {size} entries: ask for proofs between sizes up to that, the smaller first")]
    Range {
        /// Size of the newest tree.
        size: u64,
    },
}

/// Proves entries under the newest checkpoint.
pub struct Prover {
    office: OfficeName,
    reader: TileCache<Arc<dyn Reader + Send + Sync>>,
    entries: EntryCache,
    newest: RwLock<(u64, String)>,
}

impl Prover {
    /// A prover over the log of `office`, read through `log`, whose newest checkpoint is `newest`.
    pub fn new(log: Arc<dyn Reader + Send + Sync>, office: OfficeName, newest: &SignedCheckpoint) -> Self {
        Self {
            office,
            reader: TileCache::new(log),
            entries: EntryCache::new(),
            newest: RwLock::new((newest.size(), newest.note().to_owned())),
        }
    }

    pub(super) fn publish(&self, newest: &SignedCheckpoint) {
        *self.newest.write().unwrap_or_else(PoisonError::into_inner) = (newest.size(), newest.note().to_owned());
    }

    /// Size and text of the newest checkpoint.
    pub fn checkpoint(&self) -> (u64, String) {
        self.newest.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The entry at `index`, proven under the newest checkpoint.
    ///
    /// # Errors
    /// If there is no such entry, or the log cannot be read.
    pub fn prove(&self, index: u64) -> Result<Logged, ProofError> {
        let (size, checkpoint) = self.checkpoint();
        self.prove_under(index, size, checkpoint)
    }

    /// The newest checkpoint, for several proofs under it: the log grows meanwhile.
    pub fn snapshot(&self) -> Snapshot<'_> {
        let (size, checkpoint) = self.checkpoint();
        Snapshot { prover: self, size, checkpoint }
    }

    fn prove_under(&self, index: u64, size: u64, checkpoint: String) -> Result<Logged, ProofError> {
        let tree = Tree::new(self.reader.clone(), size);
        let proof = tree.inclusion_proof(index, size)?;
        let entry = self.entries.get(index, || {
            let mut entries = tree.entries(index..index + 1)?;
            let (_, entry) = entries.next().ok_or(ProofError::Range { size })??;
            Ok::<_, ProofError>(entry)
        })?;
        Ok(Logged { entry: Blob(entry), index, proof: blobs(&proof), checkpoint, office: Some(self.office.clone()) })
    }

    /// The entries of this range of indices, as far as the log has them.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn entries(&self, range: Range<u64>) -> Result<Vec<Vec<u8>>, ProofError> {
        let (size, _) = self.checkpoint();
        let tree = Tree::new(self.reader.clone(), size);
        let entries = tree.entries(range.start.min(size)..range.end.min(size))?;
        entries.map(|entry| Ok(entry?.1)).collect()
    }

    /// Whether a ping of a device that knows the log up to `from_size` is answered without reading the log.
    pub fn needs_no_proof(&self, from_size: u64) -> bool {
        from_size == 0 || from_size >= self.checkpoint().0
    }

    /// The answer to a ping: the newest checkpoint, with the consistency proof from the tree of `from_size` entries. A device
    /// that remembers a longer log than this gets no proof, and alerts its person.
    pub fn checkpoint_message(&self, from_size: u64) -> ServerMessage {
        let (size, checkpoint) = self.checkpoint();
        let proof = if from_size > size { Ok(Vec::new()) } else { self.consistency(from_size, size) };
        match proof {
            Ok(consistency) => ServerMessage::Checkpoint { checkpoint, from_size, consistency },
            Err(error) => {
                tracing::error!(%error, "a consistency proof cannot be read: check the log's disk");
                Self::unavailable()
            }
        }
    }

    /// The refusal for a device whose proof cannot be read.
    pub fn unavailable() -> ServerMessage {
        let message = "the log cannot be read now: try again later".to_owned();
        ServerMessage::Refused { call: None, code: RefusalCode::Unavailable, message }
    }

    /// Proof that the tree of `to` entries continues that of `from`; empty where there is nothing to prove.
    ///
    /// # Errors
    /// If the sizes are not those of two trees, the smaller first.
    pub fn consistency(&self, from: u64, to: u64) -> Result<Vec<Blob>, ProofError> {
        let (size, _) = self.checkpoint();
        if from > to || to > size {
            return Err(ProofError::Range { size });
        }
        if from == 0 || from == to {
            return Ok(Vec::new());
        }
        Ok(blobs(&Tree::new(self.reader.clone(), size).consistency_proof(from, to)?))
    }

    /// Replaces the references to log entries that the switchboard left in a message by proofs, all under one
    /// checkpoint.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn fill(&self, message: &mut ServerMessage) -> Result<(), ProofError> {
        let (size, newest) = self.checkpoint();
        for logged in message.proofs_mut() {
            *logged = self.prove_under(logged.index, size, newest.clone())?;
        }
        if let ServerMessage::SignedIn { checkpoint, .. } = message {
            *checkpoint = newest;
        }
        Ok(())
    }
}

/// One checkpoint of the log.
pub struct Snapshot<'a> {
    prover: &'a Prover,
    size: u64,
    checkpoint: String,
}

impl Snapshot<'_> {
    /// The entry at `index`, proven under this checkpoint.
    ///
    /// # Errors
    /// If it has no such entry, or the log cannot be read.
    pub fn prove(&self, index: u64) -> Result<Logged, ProofError> {
        self.prover.prove_under(index, self.size, self.checkpoint.clone())
    }

    /// Proof that this checkpoint continues the tree of `from` entries; empty if that one is newer than this.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn consistency(&self, from: u64) -> Result<Vec<Blob>, ProofError> {
        if from > self.size { Ok(Vec::new()) } else { self.prover.consistency(from, self.size) }
    }
}

fn blobs(hashes: &[Hash]) -> Vec<Blob> {
    hashes.iter().map(|h| Blob(h.0.to_vec())).collect()
}
