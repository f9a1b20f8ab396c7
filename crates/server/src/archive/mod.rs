//! What is kept for good, in one directory that an auditor can be handed as it is:
//!
//! ```text
//! archive/office.json                        the office: domain, authority's certificate, log key
//! archive/log/                               the log, C2SP tlog-tiles
//! archive/records/<call id>-<device id>/     sealed records, by call and note-taker: parts and seal.json
//! archive/devices/<sha256 hex>.der           certificates of all devices there ever were
//! archive/issuers/<sha256 hex>.der           and, under the same names, the enrolment certificates that signed them
//! ```

mod cache;
mod certificates;
mod proofs;
mod records;
mod writer;

pub use certificates::Certificates;
pub use proofs::{ProofError, Prover};
pub use records::{Claim, RecordError, RecordStore, parse_seal};
pub use writer::{Appender, LogWriter};

pub(crate) use writer::now_ms;
