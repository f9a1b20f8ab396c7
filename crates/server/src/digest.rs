//! SHA-256 as [`Digest`]s.

use sha2::{Digest as _, Sha256};
use telcon_proto::Digest;

/// The SHA-256 of `bytes`.
pub fn sha256(bytes: &[u8]) -> Digest {
    Digest::from_bytes(Sha256::digest(bytes).into())
}
