//! One call's record: its bag, sealing to custodians, opening, and verification of an archive against its log.
//!
//! A record is a directory `<call_id>/` with `part-000000.tar.age`, `part-000001.tar.age`, … and `seal.json`. Each part is a
//! complete age file sealed to all custodians. Its plaintext is a fragment of a tar stream that contains whole members only;
//! decrypted and concatenated, the parts are one tar stream with one BagIt bag (RFC 8493) in the directory `<call_id>`. A
//! record therefore opens without this crate:
//!
//! ```text
//! for part in part-*.tar.age; do age -d -i custodian.key "$part"; done | tar x
//! ```
//!
//! A note-taker writes with [`RecordWriter`], a custodian opens with [`open_record`], and an auditor verifies with
//! [`check_record`] and [`verify_archive`], which need no key. Plaintext reaches a disk only when a custodian opens the record;
//! [`payload`] lists what an unopened spool reveals.

pub mod archive;
mod assemble;
pub mod bag;
pub mod check;
mod contents;
pub mod custodian;
pub mod digest;
pub mod document;
pub mod error;
mod file_name;
pub mod fs;
mod history;
mod identity_file;
mod journal;
pub mod local_time;
mod log_history;
mod open;
pub mod opus;
pub mod part;
mod path;
pub mod payload;
pub mod progress;
mod recovery;
pub mod report;
pub mod seal;
mod sealed;
pub mod secret_file;
pub mod signature;
mod tar;
pub mod transcript;
pub mod vtt;
mod writer;

pub use archive::{
    ArchiveOptions, CallState, LineEntries, LineFlaw, LineListing, ListedCall, ListedCertificate, ListedRecord,
    Listing, LoggedLineVersion, LoggedOffer, RecordStanding, list_calls, list_lines, open_line, read_bag_info,
    verify_archive, verify_record,
};
pub use assemble::SpeakerAudio;
pub use bag::{BagInfo, FileEntry, MAX_INFO_VALUE_BYTES};
pub use check::check_record;
pub use custodian::{CustodianIdentity, CustodianRecipient, KeyError};
pub use digest::{Digest, sha256, sha256_reader};
pub use error::RecordError;
pub use identity_file::{IdentityFileError, MAX_IDENTITY_FILE_BYTES, identity_file_text, parse_identity_file};
pub use journal::JOURNAL_FILE;
pub use log_history::{LogFindings, LogHistory};
pub use open::{EVIDENCE_DIR, OpenedRecord, open_record, open_record_with};
pub use opus::{OpusChunk, OpusError, OpusPackets, OpusWriter, ogg_opus};
pub use path::{MAX_NAME_BYTES, MAX_PATH_BYTES, is_bag_path, is_call_id};
pub use payload::{Payload, Salt, salted_json, salted_jsonl, salted_vtt};
pub use recovery::Recovered;
pub use report::{
    ArchiveReport, ArchiveVerdict, Gap, InForce, MemorandumReport, MemorandumVersion, PartialRecord, Problem,
    ProblemKind, Stray,
};
pub use seal::{PartDigest, RecordReference, SEAL_FILE, Seal};
pub use sealed::Sealed;
pub use signature::{Devices, EnrolledDevice, SignatureVerifier, SignedVersion, Signer};
pub use tar::{MAX_MEMBER_BYTES, MAX_MEMBERS, MAX_RECORD_BYTES};
/// The `rand_core` version whose traits this crate's functions take.
pub use telcon_sealing::rand_core;
pub use transcript::{NO_AUDIO, NO_TRANSCRIPT, Segment};
pub use vtt::{Cue, VttError, parse_vtt, write_vtt};
pub use writer::{MAX_BUFFERED_BYTES, RecordWriter};
