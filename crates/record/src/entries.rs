//! What the office's log says of calls, devices and records: the JSON objects in its entries.
//!
//! The switchboard writes them, and cannot depend on this crate; the JSON is the contract. Every entry is one object with
//! `type` and `time_ms` (milliseconds since the Unix epoch). Readers skip types and fields they do not know, so that newer
//! servers can add some; a known type without its fields is a fault of the log's writer and is reported.
//!
//! ```json
//! {"type":"device_enrolled","time_ms":1,"device":"<id>","cert_sha256":"<64 hex>","enrolment":"<id>"}
//! {"type":"device_revoked","time_ms":1,"device":"<id>"}
//! {"type":"call_opened","time_ms":1,"call":"<32 hex>","ring_sha256":"<64 hex>","mode":"log_only|memo|audio","suite":"…","devices":["<id>"]}
//! {"type":"call_ended","time_ms":1,"call":"<32 hex>","how":"hung_up|declined|cancelled|missed|busy|failed|interrupted|revoked","answered":true,"answered_ms":1}
//! {"type":"record_sealed","time_ms":1,"call":"<32 hex>","device":"<id>","record_digest":"<64 hex>","jws":"…","parts":1,"partial":false}
//! {"type":"record_missing","time_ms":1,"call":"<32 hex>","why":"…"}
//! {"type":"archive_opened","time_ms":1,"call":"<32 hex>","by":"…"}
//! ```

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// One entry of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[allow(missing_docs, reason = "the fields are documented at the module, in the form that counts: the JSON")]
pub enum LogEntry {
    /// A device's certificate was made from an enrolment. One enrolment makes one device.
    DeviceEnrolled { time_ms: u64, device: String, cert_sha256: Digest, enrolment: String },
    /// The device is no longer one of the office.
    DeviceRevoked { time_ms: u64, device: String },
    /// Written before anybody's device rings.
    CallOpened {
        time_ms: u64,
        call: String,
        ring_sha256: Digest,
        mode: RecordMode,
        suite: String,
        devices: Vec<String>,
    },
    /// However it ended.
    CallEnded { time_ms: u64, call: String, how: Ending },
    /// The note-taker sealed and signed the record.
    RecordSealed {
        time_ms: u64,
        call: String,
        /// Older programs did not name it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        device: Option<String>,
        record_digest: Digest,
        jws: String,
        parts: u64,
        partial: bool,
    },
    /// There is no record, and somebody said why.
    RecordMissing { time_ms: u64, call: String, why: String },
    /// Custodians opened the record.
    ArchiveOpened { time_ms: u64, call: String, by: String },
}

/// What is kept of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordMode {
    /// Nothing but these entries.
    LogOnly,
    /// Notes, and a transcript where wanted.
    Memo,
    /// Memo and sound.
    Audio,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Somebody hung up.
    HungUp,
    /// The callee declined.
    Declined,
    /// The caller gave up before an answer.
    Cancelled,
    /// Nobody answered.
    Missed,
    /// The callee was in another call.
    Busy,
    /// It broke for a technical reason.
    Failed,
    /// It was cut off and not resumed.
    Interrupted,
    /// The office revoked a device of one of the two.
    Revoked,
}

impl Ending {
    /// Whether nobody can have spoken, so that there is nothing to record. Of a call that failed that is not certain.
    pub fn was_unanswered(self) -> bool {
        matches!(self, Ending::Declined | Ending::Cancelled | Ending::Missed | Ending::Busy)
    }
}

/// An entry as far as it could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadEntry {
    /// One of [`LogEntry`].
    Known(LogEntry),
    /// An object of another type, which is named.
    Unknown(String),
    /// No such object; says why.
    Bad(String),
}

impl ReadEntry {
    /// Reads the bytes of one entry. Never fails: see the variants.
    pub fn parse(bytes: &[u8]) -> Self {
        const KNOWN: [&str; 7] = [
            "device_enrolled",
            "device_revoked",
            "call_opened",
            "call_ended",
            "record_sealed",
            "record_missing",
            "archive_opened",
        ];
        let value: serde_json::Value = match serde_json::from_slice(bytes) {
            Ok(value) => value,
            Err(e) => return Self::Bad(e.to_string()),
        };
        match value.get("type").and_then(|t| t.as_str()).map(str::to_owned) {
            None => Self::Bad("it has no type".to_owned()),
            Some(kind) if !KNOWN.contains(&kind.as_str()) => Self::Unknown(kind),
            Some(_) => serde_json::from_value(value).map_or_else(|e| Self::Bad(e.to_string()), Self::Known),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_json_is_the_documented_one() {
        let call = "ab".repeat(16);
        let digest = Digest::of(b"");
        let cases = [
            (
                LogEntry::DeviceEnrolled { time_ms: 1, device: "d".into(), cert_sha256: digest, enrolment: "e".into() },
                format!(
                    r#"{{"type":"device_enrolled","time_ms":1,"device":"d","cert_sha256":"{digest}","enrolment":"e"}}"#
                ),
            ),
            (
                LogEntry::DeviceRevoked { time_ms: 1, device: "d".into() },
                r#"{"type":"device_revoked","time_ms":1,"device":"d"}"#.to_owned(),
            ),
            (
                LogEntry::CallOpened {
                    time_ms: 1,
                    call: call.clone(),
                    ring_sha256: digest,
                    mode: RecordMode::LogOnly,
                    suite: "s".into(),
                    devices: vec!["d".into()],
                },
                format!(
                    r#"{{"type":"call_opened","time_ms":1,"call":"{call}","ring_sha256":"{digest}","mode":"log_only","suite":"s","devices":["d"]}}"#
                ),
            ),
            (
                LogEntry::CallEnded { time_ms: 1, call: call.clone(), how: Ending::HungUp },
                format!(r#"{{"type":"call_ended","time_ms":1,"call":"{call}","how":"hung_up"}}"#),
            ),
            (
                LogEntry::RecordSealed {
                    time_ms: 1,
                    call: call.clone(),
                    device: None,
                    record_digest: digest,
                    jws: "a.b.c".into(),
                    parts: 2,
                    partial: false,
                },
                format!(
                    r#"{{"type":"record_sealed","time_ms":1,"call":"{call}","record_digest":"{digest}","jws":"a.b.c","parts":2,"partial":false}}"#
                ),
            ),
            (
                LogEntry::RecordMissing { time_ms: 1, call: call.clone(), why: "w".into() },
                format!(r#"{{"type":"record_missing","time_ms":1,"call":"{call}","why":"w"}}"#),
            ),
            (
                LogEntry::ArchiveOpened { time_ms: 1, call: call.clone(), by: "b".into() },
                format!(r#"{{"type":"archive_opened","time_ms":1,"call":"{call}","by":"b"}}"#),
            ),
        ];
        for (entry, json) in cases {
            assert_eq!(serde_json::to_string(&entry).unwrap(), json);
            let more = json.replacen('{', r#"{"added_later":[1],"#, 1);
            assert_eq!(ReadEntry::parse(more.as_bytes()), ReadEntry::Known(entry));
        }
    }

    #[test]
    fn other_types_are_tolerated_and_broken_ones_reported() {
        let newer = br#"{"type":"line_revoked","time_ms":1}"#;
        assert_eq!(ReadEntry::parse(newer), ReadEntry::Unknown("line_revoked".into()));
        for bad in [&b"{}"[..], b"[1]", b"\xff", br#"{"type":"call_ended","time_ms":1,"call":"x","how":"vanished"}"#] {
            assert!(matches!(ReadEntry::parse(bad), ReadEntry::Bad(_)));
        }
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = ReadEntry::parse(&bytes);
        }
    }
}
