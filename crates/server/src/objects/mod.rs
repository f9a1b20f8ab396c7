//! Object storage of sealed files: sealed records and certificates.
//!
//! | module | idea |
//! |---|---|
//! | `port` | the trait [`Objects`], and the names of objects |
//! | `disk` | a directory: the default |
//! | `s3` | a bucket |
//! | `location` | which of them, from the command line |
//!
//! The keys are the same everywhere and are those of the archive that an auditor reads ([`crate::archive`]): a bucket that
//! is copied beside the log is such an archive.
//!
//! # What it is trusted for
//! Whoever can change the objects can withhold or destroy records, which an auditor detects,
//! because the log contains their digests. They can read none: records are sealed to the custodians before they leave
//! the note-taker's device. They learn ids of calls and devices, sizes and times.

mod disk;
mod location;
mod port;
mod s3;

pub use disk::DiskObjects;
pub use location::ObjectsLocation;
pub use port::{Key, Listed, ObjectError, Objects, Spool};

#[cfg(test)]
mod tests;
