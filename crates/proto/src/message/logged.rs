//! A log entry with the proof that the log contains it.

use crate::{Blob, OfficeName};
use serde::{Deserialize, Serialize};

/// An entry of the log with the proof that it is in the tree of a signed checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Logged {
    /// The entry's bytes (JSON, see the archive's documentation).
    pub entry: Blob,
    /// Its index.
    pub index: u64,
    /// RFC 6962 inclusion proof, base64 hashes, from the leaf upwards.
    pub proof: Vec<Blob>,
    /// The signed checkpoint of the tree that the proof leads to.
    pub checkpoint: String,
    /// The office whose log it is. Absent before version 4: the reader's home office.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub office: Option<OfficeName>,
}
