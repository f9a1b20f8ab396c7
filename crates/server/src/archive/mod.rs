//! The archive: everything that is stored permanently, in one directory that can be handed to an auditor as it is:
//!
//! ```text
//! archive/office.json                        the office: domain, authority's certificate, log key
//! archive/log/                               the log, C2SP tlog-tiles
//! archive/records/<call id>-<device id>/     sealed records, by call and note-taker: parts and seal.json
//! archive/documents/<id>/<version>-<sha256>    sealed versions of documents, by the digest of their statement, which has `.jws` behind
//! archive/lines/<sha256 hex>.age             sealed forms of lines' versions
//! archive/devices/<sha256 hex>.der           certificates of all devices ever enrolled
//! archive/issuers/<sha256 hex>.der           what signed them, under the same names; registrars' certificates, under their own
//! ```
//!
//! The log is always on the local disk of the server: it has one writer, its files are small and rewritten as it grows, and
//! each append waits for them. Everything else is in an object store ([`crate::objects`]), which is this directory by
//! default. Where it is a bucket, the bucket copied into `archive/` beside the log makes the same directory.

mod cache;
mod certificates;
mod documents;
mod lines;
mod proofs;
mod readouts;
mod records;
mod writer;

pub use certificates::{ArchivedDevices, Certificates};
pub use documents::SealedDocuments;
pub use lines::SealedLines;
pub use proofs::{ProofError, Prover};
pub use readouts::{PublishedReadout, PublishedReadouts};
pub use records::{Claim, PartUpload, RecordError, RecordStore, parse_seal};
pub use writer::{Appender, LogEvent, LogWriter};

pub(crate) use writer::now_ms;
