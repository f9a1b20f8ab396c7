//! An append-only transparency log in the C2SP tlog-tiles layout: append, checkpoints, proofs, verifier.
//!
//! What is written can be read and checked by anybody's tools: the tree is the one of RFC 6962 over SHA-256, stored as
//! [C2SP tlog-tiles](https://c2sp.org/tlog-tiles) (256 hashes a tile) under a checkpoint that is a C2SP signed note with
//! Ed25519 signatures. A checkpoint's time travels as the log's own cosignature (C2SP tlog-cosignature v1), made with
//! the same key and name; witnesses add theirs in the same form.
//!
//! | module | idea | needs a file system |
//! |---|---|---|
//! | [`hash`], [`proof`] | tree hashes; checking inclusion and consistency | no |
//! | [`note`], [`checkpoint`], [`key`] | signed notes, tree heads, who signed them | no |
//! | [`tile`], [`bundle`], [`tree`] | what the files are called and hold; hashes and proofs out of them | no |
//! | [`storage`] | what the log asks of storage; a storage in memory | no |
//! | [`log`] | writing: stage, commit, publish, and the same again after a crash | no |
//! | [`audit`] | reading everything and believing nothing but the key | no |
//! | `disk` (feature `disk`) | the storage on a local disk | yes |
//!
//! # What each store is trusted for
//! * **The signing seed**: whoever has it can sign another history. Only witnesses and remembered checkpoints tell.
//! * **The lock file** is the truth about what was signed last. Put back to an older state together with the published
//!   files, it makes the log sign a second history. Never restore it from a backup: start a new log.
//!   An older lock beside newer published files is refused.
//! * **Published files** are trusted for being there. Changing them is detected by every client that checks proofs and
//!   by [`audit::verify_tree`]; the writer itself checks only the right edge, when it opens.
//! * **Staged files** are trusted between commit and publish only; damage to them is detected and stops the log.
//!
//! This crate has no clock, randomness, socket or thread: times and seeds are arguments.

pub mod audit;
pub mod bundle;
pub mod checkpoint;
#[cfg(feature = "disk")]
pub mod disk;
pub mod hash;
pub mod key;
pub mod log;
pub mod note;
pub mod proof;
mod sequence;
pub mod stage;
pub mod storage;
pub mod tile;
pub mod tree;

pub use audit::{AuditError, TreeReport, verify_tree};
pub use bundle::MAX_ENTRY_LEN;
pub use checkpoint::{Checkpoint, SignedCheckpoint};
#[cfg(feature = "disk")]
pub use disk::{DiskReader, DiskStorage};
pub use hash::{Hash, empty_root, leaf_hash, node_hash};
pub use key::{Cosigner, CosignerKey, KeyError, LogSigner, VerifierKey};
pub use log::{Appended, Error, Log, MAX_APPEND_ENTRIES};
pub use note::{Note, NoteError};
pub use proof::{ProofError, verify_consistency, verify_inclusion, verify_inclusion_hash};
pub use storage::{MemoryStorage, Reader, Storage, StorageError};
pub use tile::{TILE_WIDTH, TileKind, TilePath};
