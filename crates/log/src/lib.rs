//! An append-only transparency log in the C2SP tlog-tiles layout: append, checkpoints, proofs, verifier.
//!
//! Standard tools can read and verify what it writes: the tree is the Merkle tree of RFC 6962 over SHA-256, stored as
//! [C2SP tlog-tiles](https://c2sp.org/tlog-tiles) (256 hashes per tile) under a checkpoint that is a C2SP signed note
//! with Ed25519 signatures. The checkpoint's timestamp is the log's own cosignature (C2SP tlog-cosignature v1), made
//! with the same key and name; witnesses add cosignatures in the same format.
//!
//! | module | contents | needs a file system |
//! |---|---|---|
//! | [`hash`], [`proof`] | tree hashes; verification of inclusion and consistency proofs | no |
//! | [`note`], [`checkpoint`] | signed notes, tree heads | no |
//! | [`key`], [`cosigner`] | the log's keys; witnesses' keys and cosignatures | no |
//! | [`tile`], [`bundle`], [`tree`] | file names and contents; hashes and proofs computed from them | no |
//! | [`storage`] | the storage interface; in-memory storage | no |
//! | [`log`] | the writer: stage, commit, publish, and recovery after a crash | no |
//! | [`audit`] | verification of a whole log that trusts only the log's public key | no |
//! | `disk` (feature `disk`) | storage on a local disk | yes |
//!
//! # What each store is trusted for
//! * **The signing seed**: whoever holds it can sign a forked history. Only witnesses and remembered checkpoints detect
//!   that.
//! * **The lock file** is the authority on what was signed last. Rolling it back together with the published files makes
//!   the log sign a second history. Never restore it from a backup: start a new log. A lock file older than the published
//!   files is refused.
//! * **Published files** are trusted for availability only. Every client that checks proofs, and [`audit::verify_tree`],
//!   detects modifications; the writer itself checks the right edge of the tree when it opens.
//! * **Staged files** are trusted between commit and publication only; corruption is detected and stops the log.
//!
//! This crate reads no clock, randomness or socket: times and seeds are arguments. Only `disk` starts threads, to flush
//! files in parallel.

pub mod audit;
pub mod bundle;
pub mod checkpoint;
mod commit;
pub mod cosigner;
#[cfg(feature = "disk")]
pub mod disk;
pub mod hash;
pub mod key;
pub mod log;
mod named_key;
pub mod note;
pub mod proof;
pub mod staging;
pub mod storage;
pub mod tile;
pub mod tree;

pub use audit::{AuditError, FollowedTree, TreeReport, verify_tree, verify_tree_visiting};
pub use bundle::MAX_ENTRY_LEN;
pub use checkpoint::{Checkpoint, SignedCheckpoint};
pub use cosigner::{Cosigner, CosignerKey};
#[cfg(feature = "disk")]
pub use disk::{DiskReader, DiskStorage};
pub use hash::{Hash, empty_root, leaf_hash, node_hash};
pub use key::{KeyError, LogSigner, VerifierKey};
pub use log::{Appended, Error, Log, MAX_APPEND_ENTRIES};
pub use note::{Note, NoteError};
pub use proof::{ProofError, verify_consistency, verify_inclusion, verify_inclusion_hash};
pub use storage::{MemoryStorage, Reader, Storage, StorageError};
pub use tile::{TILE_WIDTH, TileKind, TilePath};
