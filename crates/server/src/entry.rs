//! Entries of the office's log. They hold opaque ids, digests and times, and nothing that was said.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use telcon_proto::{CallId, DeviceId, Ended, RecordMode, SuiteName};

/// One entry, as it stands in the log in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Entry {
    /// A device of the office's own people or of a counterpart was enrolled.
    DeviceEnrolled {
        /// When, milliseconds since 1970 UTC.
        time_ms: u64,
        /// The device.
        device: DeviceId,
        /// SHA-256 of its DER certificate, hexadecimal.
        cert_sha256: String,
        /// The enrolment it used up.
        enrolment: String,
    },
    /// A device may no longer sign in.
    DeviceRevoked {
        /// When, milliseconds since 1970 UTC.
        time_ms: u64,
        /// The device.
        device: DeviceId,
    },
    /// A device rings. This entry is in the log before anybody hears of the call.
    CallOpened {
        /// When, milliseconds since 1970 UTC.
        time_ms: u64,
        /// The call.
        call: CallId,
        /// SHA-256 of the ring's compact JWS, hexadecimal.
        ring_sha256: String,
        /// What is to be kept.
        mode: RecordMode,
        /// The suite of the call.
        suite: SuiteName,
        /// The caller's device.
        devices: Vec<DeviceId>,
    },
    /// The call is over.
    CallEnded {
        /// When, milliseconds since 1970 UTC.
        time_ms: u64,
        /// The call.
        call: CallId,
        /// How.
        how: Ended,
        /// Whether anybody answered.
        answered: bool,
        /// When, milliseconds since 1970 UTC. Older programs did not say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        answered_ms: Option<u64>,
    },
    /// The sealed record of a call is in the archive.
    RecordSealed {
        /// When, milliseconds since 1970 UTC.
        time_ms: u64,
        /// The call.
        call: CallId,
        /// The note-taker's device that sealed it. A call has a record of each note-taker that heard some of it. Older
        /// programs did not name it: then it stands in the signature alone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        device: Option<DeviceId>,
        /// The record's digest.
        record_digest: String,
        /// The note-taker's signature over it.
        jws: String,
        /// How many parts the record has.
        parts: usize,
        /// Whether the note-taker says that something is missing from it.
        partial: bool,
    },
    /// A call that should have a record had none when it was due. A later [`Entry::RecordSealed`] may follow.
    RecordMissing {
        /// When, milliseconds since 1970 UTC.
        time_ms: u64,
        /// The call.
        call: CallId,
        /// The reason, as far as the server can tell.
        why: String,
    },
}

impl Entry {
    /// Whether it says that the record of this digest is in the archive.
    pub fn is_of_record(&self, digest: &str) -> bool {
        matches!(self, Self::RecordSealed { record_digest, .. } if record_digest == digest)
    }

    /// The bytes that go into the log.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("invariant: an entry has no map keys that JSON cannot hold")
    }
}

/// SHA-256 in lower-case hexadecimal, as entries and file names carry it.
pub fn sha256_hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut text, byte| {
        write!(text, "{byte:02x}").expect("invariant: writing to a String cannot fail");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_reads_as_documented() {
        let entry = Entry::CallEnded {
            time_ms: 5,
            call: CallId::from_bytes([1; 16]),
            how: Ended::Missed,
            answered: false,
            answered_ms: None,
        };
        let text = String::from_utf8(entry.to_bytes()).unwrap();
        assert_eq!(
            text,
            r#"{"type":"call_ended","time_ms":5,"call":"01010101010101010101010101010101","how":"missed","answered":false}"#
        );
        assert_eq!(serde_json::from_str::<Entry>(&text).unwrap(), entry);
    }

    #[test]
    fn digests_are_lower_case() {
        assert_eq!(sha256_hex(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}
