//! `seal.json`: the parts of a sealed record, with the note-taker's signature. The note-taker writes it, the server validates it
//! before it stores the record, and auditors verify it.
//!
//! `record_digest` is the SHA-256 of this listing (UTF-8, every line ends with one line feed, fields separated by one space):
//!
//! ```text
//! telcon-record-v1
//! call <call id>
//! partial <true|false>
//! custodian <age1pq1…>                      one line per custodian, in the order of seal.json
//! part <name> <length in bytes> <sha256>    one line per part, in order
//! ```
//!
//! Everything in `seal.json` except `version` (the first line fixes it) and `jws` (which signs the digest) is in the listing.

use crate::{
    CallId, Digest,
    limits::{MAX_CUSTODIANS, MAX_RECORD_PART_BYTES, MAX_RECORD_PARTS, MAX_SEAL_BYTES, MAX_SEAL_JWS_BYTES},
};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

/// The only version there is.
pub const SEAL_VERSION: u32 = 1;

/// Name of the file in the record's directory.
pub const SEAL_FILE: &str = "seal.json";

/// File name of part `index`, counted from 0.
pub fn part_name(index: usize) -> String {
    format!("part-{index:06}.tar.age")
}

/// One part as the seal lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PartDigest {
    /// File name, see [`part_name`].
    pub name: String,
    /// SHA-256 of the sealed file.
    pub sha256: Digest,
    /// Length of the sealed file in bytes.
    pub bytes: u64,
}

/// The content of `seal.json`. A value that came from [`Seal::parse`] was checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Seal {
    /// [`SEAL_VERSION`].
    pub version: u32,
    /// The call.
    pub call_id: CallId,
    /// All parts, in order.
    pub parts: Vec<PartDigest>,
    /// See the module's documentation.
    pub record_digest: Digest,
    /// The age recipients that every part is encrypted to, `age1pq1…`.
    pub custodians: Vec<String>,
    /// Whether the record is partial: its note-taker signed that something is missing.
    pub partial: bool,
    /// Compact JWS (RFC 7515) by the note-taker's device; its payload names the call and the record digest ([`crate::statement::RecordSigned`]).
    /// Absent until it is attached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jws: Option<String>,
}

/// Which record a seal is of: what its note-taker's device signs over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RecordReference {
    /// The call.
    pub call: CallId,
    /// The record digest.
    pub record_digest: Digest,
}

/// Why a text is not a seal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Longer than [`MAX_SEAL_BYTES`].
    #[error("it is longer than {MAX_SEAL_BYTES} bytes")]
    TooLong,
    /// Not the JSON of a seal.
    #[error("{0}")]
    Json(String),
    /// A version that this program does not know.
    #[error("version {0} is not known: a newer program wrote it")]
    Version(u32),
    /// No part, or more than [`MAX_RECORD_PARTS`].
    #[error("a record has 1 to {MAX_RECORD_PARTS} parts")]
    PartCount,
    /// A part that does not have the name for its position.
    #[error("part {0} does not have the name for its position, such as part-000000.tar.age")]
    PartName(usize),
    /// A part that is too large.
    #[error("part {0} has more than {MAX_RECORD_PART_BYTES} bytes: seal more often")]
    PartBytes(usize),
    /// No custodian, or more than [`MAX_CUSTODIANS`].
    #[error("a record has 1 to {MAX_CUSTODIANS} custodians")]
    CustodianCount,
    /// A custodian that is not of the form of a post-quantum recipient, or is listed twice.
    #[error("custodian {0} is not a post-quantum age recipient (age1pq1…), or is listed twice")]
    Custodian(usize),
    /// `record_digest` is not the digest of the listing.
    #[error("record_digest is not the digest of what it lists")]
    Digest,
    /// The signature is too long.
    #[error("the signature is longer than {MAX_SEAL_JWS_BYTES} bytes")]
    SignatureTooLong,
}

impl Seal {
    /// A seal without a signature. `sha256` computes SHA-256.
    pub fn unsigned(
        call_id: CallId,
        parts: Vec<PartDigest>,
        custodians: Vec<String>,
        partial: bool,
        sha256: impl Fn(&[u8]) -> Digest,
    ) -> Self {
        let record_digest = sha256(listing(&call_id, &parts, &custodians, partial).as_bytes());
        Self { version: SEAL_VERSION, call_id, parts, record_digest, custodians, partial, jws: None }
    }

    /// Reads and checks `seal.json`: version, names and order of parts, limits, the form of the custodians' recipients, and
    /// that `record_digest` is the digest of the rest. Does not look at the parts or the signature. `sha256` computes SHA-256.
    ///
    /// # Errors
    /// [`SealError`]: the first check that failed.
    pub fn parse(bytes: &[u8], sha256: impl Fn(&[u8]) -> Digest) -> Result<Self, SealError> {
        if bytes.len() > MAX_SEAL_BYTES {
            return Err(SealError::TooLong);
        }
        let seal: Self = serde_json::from_slice(bytes).map_err(|e| SealError::Json(e.to_string()))?;
        seal.check_limits()?;
        let listing = listing(&seal.call_id, &seal.parts, &seal.custodians, seal.partial);
        if seal.record_digest != sha256(listing.as_bytes()) {
            return Err(SealError::Digest);
        }
        Ok(seal)
    }

    fn check_limits(&self) -> Result<(), SealError> {
        if self.version != SEAL_VERSION {
            return Err(SealError::Version(self.version));
        }
        if self.parts.is_empty() || self.parts.len() > MAX_RECORD_PARTS {
            return Err(SealError::PartCount);
        }
        for (index, part) in self.parts.iter().enumerate() {
            if part.name != part_name(index) {
                return Err(SealError::PartName(index));
            }
            if part.bytes > MAX_RECORD_PART_BYTES as u64 {
                return Err(SealError::PartBytes(index));
            }
        }
        if self.custodians.is_empty() || self.custodians.len() > MAX_CUSTODIANS {
            return Err(SealError::CustodianCount);
        }
        for (index, custodian) in self.custodians.iter().enumerate() {
            if !is_recipient(custodian) || self.custodians[..index].contains(custodian) {
                return Err(SealError::Custodian(index));
            }
        }
        if self.jws.as_ref().is_some_and(|jws| jws.len() > MAX_SEAL_JWS_BYTES) {
            return Err(SealError::SignatureTooLong);
        }
        Ok(())
    }

    /// The payload that the signature has to cover.
    pub fn claims(&self) -> RecordReference {
        RecordReference { call: self.call_id, record_digest: self.record_digest }
    }

    /// The bytes of `seal.json`.
    pub fn to_json(&self) -> Vec<u8> {
        let mut json = serde_json::to_vec_pretty(self).expect("invariant: a seal has nothing that JSON cannot hold");
        json.push(b'\n');
        json
    }
}

fn listing(call_id: &CallId, parts: &[PartDigest], custodians: &[String], partial: bool) -> String {
    let mut listing = format!("telcon-record-v1\ncall {call_id}\npartial {partial}\n");
    for custodian in custodians {
        listing.extend(["custodian ", custodian, "\n"]);
    }
    for PartDigest { name, sha256, bytes } in parts {
        writeln!(listing, "part {name} {bytes} {sha256}").expect("invariant: writing to a String cannot fail");
    }
    listing
}

/// Whether this has the form of a post-quantum age recipient: bech32 with the human-readable part `age1pq`. The key itself is
/// checked by the crate that can use it.
pub(crate) fn is_recipient(text: &str) -> bool {
    let data = text.strip_prefix("age1pq1");
    data.is_some_and(|data| !data.is_empty() && data.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stand-in for SHA-256: these tests check which bytes are hashed.
    fn fold(bytes: &[u8]) -> Digest {
        let mut sum = [0u8; 32];
        bytes
            .iter()
            .enumerate()
            .for_each(|(at, byte)| sum[at % 32] = sum[at % 32].wrapping_mul(31).wrapping_add(*byte));
        Digest::from_bytes(sum)
    }

    fn seal() -> Seal {
        let part = |i| PartDigest { name: part_name(i), sha256: fold(&[i as u8]), bytes: 10 };
        let custodians = vec!["age1pq1x".to_owned(), "age1pq1y".to_owned()];
        Seal::unsigned(CallId::from_bytes([0xab; 16]), vec![part(0), part(1)], custodians, false, fold)
    }

    #[test]
    fn the_json_is_the_one_that_archives_hold() {
        let mut signed = seal();
        signed.jws = Some("a.b.c".into());
        assert_eq!(Seal::parse(&signed.to_json(), fold), Ok(signed.clone()));
        let value: serde_json::Value = serde_json::from_slice(&signed.to_json()).unwrap();
        let members: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(members, ["call_id", "custodians", "jws", "partial", "parts", "record_digest", "version"]);
    }

    #[test]
    fn the_listing_is_the_documented_one() {
        let Seal { call_id, parts, custodians, partial, .. } = seal();
        let digests = (parts[0].sha256, parts[1].sha256);
        assert_eq!(
            listing(&call_id, &parts, &custodians, partial),
            format!(
                "telcon-record-v1\ncall {}\npartial false\ncustodian age1pq1x\ncustodian age1pq1y\n\
                 part part-000000.tar.age 10 {}\npart part-000001.tar.age 10 {}\n",
                "ab".repeat(16),
                digests.0,
                digests.1
            )
        );
    }

    #[test]
    fn every_change_is_refused() {
        type Edit<'a> = &'a dyn Fn(&mut Seal);
        let edits: [(Edit, SealError); 11] = [
            (&|s| s.version = 2, SealError::Version(2)),
            (&|s| s.call_id = CallId::from_bytes([0xcd; 16]), SealError::Digest),
            (&|s| s.partial = true, SealError::Digest),
            (&|s| s.parts[0].sha256 = fold(b"other"), SealError::Digest),
            (&|s| s.parts[0].bytes = 11, SealError::Digest),
            (&|s| s.parts.swap(0, 1), SealError::PartName(0)),
            (&|s| s.parts.clear(), SealError::PartCount),
            (&|s| drop(s.parts.pop()), SealError::Digest),
            (&|s| drop(s.custodians.pop()), SealError::Digest),
            (&|s| s.custodians[1] = s.custodians[0].clone(), SealError::Custodian(1)),
            (&|s| s.record_digest = fold(b"other"), SealError::Digest),
        ];
        for (edit, why) in edits {
            let mut changed = seal();
            edit(&mut changed);
            assert_eq!(Seal::parse(&changed.to_json(), fold), Err(why));
        }
    }

    #[test]
    fn a_consistent_seal_over_a_limit_is_refused() {
        let rebuilt = |edit: &dyn Fn(&mut Seal)| {
            let mut s = seal();
            edit(&mut s);
            let jws = s.jws;
            let s = Seal { jws, ..Seal::unsigned(s.call_id, s.parts, s.custodians, s.partial, fold) };
            Seal::parse(&s.to_json(), fold).err()
        };
        assert_eq!(rebuilt(&|_| ()), None);
        assert_eq!(rebuilt(&|s| s.parts[1].name = "../../part".into()), Some(SealError::PartName(1)));
        assert_eq!(rebuilt(&|s| s.parts[1].bytes = MAX_RECORD_PART_BYTES as u64 + 1), Some(SealError::PartBytes(1)));
        assert_eq!(rebuilt(&|s| s.custodians[1] = "age1x".into()), Some(SealError::Custodian(1)));
        assert_eq!(rebuilt(&|s| s.custodians[1].insert(0, ' ')), Some(SealError::Custodian(1)));
        assert_eq!(rebuilt(&|s| s.custodians.clear()), Some(SealError::CustodianCount));
        let many = |s: &mut Seal| s.custodians = (0..=MAX_CUSTODIANS).map(|n| format!("age1pq1{n}")).collect();
        assert_eq!(rebuilt(&many), Some(SealError::CustodianCount));
        let signature = |s: &mut Seal| s.jws = Some("x".repeat(MAX_SEAL_JWS_BYTES + 1));
        assert_eq!(rebuilt(&signature), Some(SealError::SignatureTooLong));
        assert_eq!(Seal::parse(&vec![b' '; MAX_SEAL_BYTES + 1], fold), Err(SealError::TooLong));
    }
}
