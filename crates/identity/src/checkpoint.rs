//! Verification of checkpoints and of their consistency.

use crate::{
    error::{Flaw, Result},
    office::Office,
};
use telcon_log::{Hash, verify_consistency};
use telcon_proto::Blob;

/// Longest consistency proof, hashes: two for each level of a tree of 2^63 entries.
const MAX_CONSISTENCY_HASHES: usize = 126;

impl Office {
    /// Verifies that the office's log signed a checkpoint, and gives the size of its tree.
    ///
    /// # Errors
    /// [`Flaw::Checkpoint`].
    pub fn verify_checkpoint(&self, checkpoint: &str) -> Result<u64> {
        Ok(self.log.verify_checkpoint(checkpoint).map_err(|_| Flaw::Checkpoint)?.size)
    }

    /// Verifies that the tree of checkpoint `newer` continues the one of `older`: nothing in it was removed or changed
    /// (RFC 9162, section 2.1.4). Gives the newer size.
    ///
    /// # Errors
    /// [`Flaw::Checkpoint`] for a signature, [`Flaw::LogProof`] where the history was rewritten or rolled back, [`Flaw::TooLong`] for a
    /// proof of too many hashes.
    pub fn verify_continues(&self, older: &str, newer: &str, proof: &[Blob]) -> Result<u64> {
        let old = self.log.verify_checkpoint(older).map_err(|_| Flaw::Checkpoint)?;
        let new = self.log.verify_checkpoint(newer).map_err(|_| Flaw::Checkpoint)?;
        if proof.len() > MAX_CONSISTENCY_HASHES {
            return Err(Flaw::TooLong.into());
        }
        let hashes = proof.iter().map(|hash| hash.as_slice().try_into().map(Hash));
        let proof = hashes.collect::<std::result::Result<Vec<_>, _>>().map_err(|_| Flaw::LogProof)?;
        verify_consistency(old.size, &old.root, new.size, &new.root, &proof).map_err(|_| Flaw::LogProof)?;
        Ok(new.size)
    }
}
