//! `seal.json`: what a record consists of, and the note-taker's signature under it.
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
//! Everything in `seal.json` except `version` (the first line fixes it) and `jws` (which signs the digest) is in it.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::archive::Devices;
use crate::custodian::CustodianRecipient;
use crate::digest::Digest;
use crate::error::RecordError;
use crate::part::{MAX_PART_BYTES, part_name};
use crate::path::is_call_id;

/// The only version there is.
pub const SEAL_VERSION: u32 = 1;

/// Name of the file in the record's directory.
pub const SEAL_FILE: &str = "seal.json";

/// Bytes of `seal.json`: a hundred thousand parts at 130 bytes, custodians at 2 kB.
pub const MAX_SEAL_BYTES: u64 = 16 << 20;

/// Parts of a record: a day of ten-second parts is 8,640.
pub const MAX_PARTS: usize = 100_000;

/// Custodians of a record; each adds 1.6 kB to every part.
pub const MAX_CUSTODIANS: usize = 32;

/// Bytes of the signature; a certificate chain with post-quantum keys fits.
pub const MAX_JWS_BYTES: usize = 64 * 1024;

/// One part as the seal lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartDigest {
    /// File name, see [`part_name`].
    pub name: String,
    /// SHA-256 of the sealed file.
    pub sha256: Digest,
    /// Length of the sealed file in bytes.
    pub bytes: u64,
}

/// The content of `seal.json`. A value of this type was checked: see [`Seal::parse`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seal {
    /// [`SEAL_VERSION`].
    pub version: u32,
    /// 32 hexadecimal digits.
    pub call_id: String,
    /// All parts, in order.
    pub parts: Vec<PartDigest>,
    /// See the module's documentation.
    pub record_digest: Digest,
    /// To whom every part is sealed, `age1pq1…`.
    pub custodians: Vec<String>,
    /// Whether the record is known to lack something.
    pub partial: bool,
    /// Compact JWS (RFC 7515) by the note-taker's device; its payload names the call and the record digest, see
    /// [`SealClaims`]. Absent until it is attached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jws: Option<String>,
}

/// What the payload of the seal's JWS should be, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealClaims {
    /// The call, 32 hexadecimal digits.
    pub call: String,
    /// The record digest.
    pub record_digest: Digest,
}

/// Who signed a seal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// The device's id, as the log's entries name it.
    pub device: String,
    /// SHA-256 of the certificate the signature was verified with, where that is known. An archive check compares it with
    /// the log.
    pub cert_sha256: Option<Digest>,
}

/// Verifies the signature under a seal. Implemented over `telcon-identity` by who has it; this crate knows no signatures.
pub trait SignatureVerifier {
    /// Whether `jws` is a valid signature by a device over exactly `claims`. `devices` has the archive's certificates
    /// (outside of an archive it is empty, and the verifier needs its own). Whether the device was enrolled at the time is
    /// checked by the caller. An error says why not, in words for a report.
    fn verify(&self, jws: &str, claims: &SealClaims, devices: &Devices) -> Result<Signer, String>;

    /// Whether the office vouched for a device at `enrolled_ms`: its certificate is by `issuer` (both DER), and that by the
    /// office's authority. Gives the device's id. An error says why not.
    fn vouched(&self, certificate: &[u8], issuer: &[u8], enrolled_ms: u64) -> Result<String, String>;
}

impl Seal {
    /// A seal without a signature.
    pub(crate) fn new(call_id: &str, parts: Vec<PartDigest>, custodians: Vec<String>, partial: bool) -> Self {
        let record_digest = record_digest(call_id, &parts, &custodians, partial);
        Self {
            version: SEAL_VERSION,
            call_id: call_id.to_owned(),
            parts,
            record_digest,
            custodians,
            partial,
            jws: None,
        }
    }

    /// Reads and checks `seal.json`: version, names and order of parts, limits, custodians' keys, and that `record_digest`
    /// is that of the rest. Does not look at the parts or the signature.
    pub fn parse(bytes: &[u8]) -> Result<Self, RecordError> {
        let bad = |what: String| RecordError::Seal(what);
        if bytes.len() as u64 > MAX_SEAL_BYTES {
            return Err(bad("too large".into()));
        }
        let seal: Seal = serde_json::from_slice(bytes).map_err(|e| bad(e.to_string()))?;
        if seal.version != SEAL_VERSION {
            return Err(bad(format!("version {} is not known", seal.version)));
        }
        if !is_call_id(&seal.call_id) {
            return Err(bad("the call id is not 32 hexadecimal digits".into()));
        }
        if seal.parts.is_empty() || seal.parts.len() > MAX_PARTS {
            return Err(bad("it lists no parts, or too many".into()));
        }
        for (index, part) in seal.parts.iter().enumerate() {
            if part.name != part_name(index) || part.bytes > MAX_PART_BYTES {
                return Err(bad(format!("part {index} has a wrong name or is too large")));
            }
        }
        let custodians = seal.custodians.as_slice();
        if custodians.is_empty() || custodians.len() > MAX_CUSTODIANS {
            return Err(bad("it lists no custodians, or too many".into()));
        }
        for (index, custodian) in custodians.iter().enumerate() {
            // The text is hashed, so only its one canonical form will do.
            let canonical = CustodianRecipient::parse(custodian).is_ok_and(|key| key.to_string() == *custodian);
            if !canonical || custodians[..index].contains(custodian) {
                return Err(bad(format!("custodian {index} is no post-quantum age recipient, or listed twice")));
            }
        }
        if seal.record_digest != record_digest(&seal.call_id, &seal.parts, custodians, seal.partial) {
            return Err(bad("the record digest is not that of what it lists".into()));
        }
        if seal.jws.as_ref().is_some_and(|jws| jws.len() > MAX_JWS_BYTES) {
            return Err(bad("the signature is too large".into()));
        }
        Ok(seal)
    }

    /// Reads and checks `seal.json` in a record's directory.
    pub fn load(dir: &Path) -> Result<Self, RecordError> {
        let path = dir.join(SEAL_FILE);
        let length = std::fs::metadata(&path).map_err(|e| RecordError::io(&path, e))?.len();
        if length > MAX_SEAL_BYTES {
            return Err(RecordError::Seal("too large".into()));
        }
        Self::parse(&std::fs::read(&path).map_err(|e| RecordError::io(&path, e))?)
    }

    /// What a signature must cover.
    pub fn claims(&self) -> SealClaims {
        SealClaims { call: self.call_id.clone(), record_digest: self.record_digest }
    }

    pub(crate) fn to_json(&self) -> Vec<u8> {
        let mut json = serde_json::to_vec_pretty(self).expect("invariant: a seal has nothing JSON cannot hold");
        json.push(b'\n');
        json
    }
}

fn record_digest(call_id: &str, parts: &[PartDigest], custodians: &[String], partial: bool) -> Digest {
    let mut listing = format!("telcon-record-v1\ncall {call_id}\npartial {partial}\n");
    custodians.iter().for_each(|custodian| listing.push_str(&format!("custodian {custodian}\n")));
    parts.iter().for_each(|p| listing.push_str(&format!("part {} {} {}\n", p.name, p.bytes, p.sha256)));
    Digest::of(listing.as_bytes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::custodian::CustodianIdentity;

    type Edit<'a> = &'a dyn Fn(&mut Seal);

    fn seal() -> Seal {
        let part = |i| PartDigest { name: part_name(i), sha256: Digest::of(&[i as u8]), bytes: 10 };
        let custodian = |n| CustodianIdentity::from_seed(&[n; 32]).recipient().to_string();
        Seal::new(&"ab".repeat(16), vec![part(0), part(1)], vec![custodian(1), custodian(2)], false)
    }

    #[test]
    fn round_trip() {
        let mut signed = seal();
        signed.jws = Some("a.b.c".into());
        assert_eq!(Seal::parse(&signed.to_json()).unwrap(), signed);
    }

    #[test]
    fn the_digest_is_the_documented_one() {
        let seal = seal();
        let listing = format!(
            "telcon-record-v1\ncall {}\npartial false\ncustodian {}\ncustodian {}\npart part-000000.tar.age 10 {}\npart \
             part-000001.tar.age 10 {}\n",
            seal.call_id, seal.custodians[0], seal.custodians[1], seal.parts[0].sha256, seal.parts[1].sha256
        );
        assert_eq!(seal.record_digest, Digest::of(listing.as_bytes()));
    }

    #[test]
    fn every_change_is_refused() {
        let edits: [(&str, Edit); 12] = [
            ("version", &|s| s.version = 2),
            ("call", &|s| s.call_id = "cd".repeat(16)),
            ("call form", &|s| s.call_id = "../x".into()),
            ("partial", &|s| s.partial = true),
            ("digest", &|s| s.parts[0].sha256 = Digest::of(b"other")),
            ("length", &|s| s.parts[0].bytes = 11),
            ("swap", &|s| s.parts.swap(0, 1)),
            ("missing", &|s| drop(s.parts.pop())),
            ("none", &|s| s.parts.clear()),
            ("custodian", &|s| drop(s.custodians.pop())),
            ("repeated", &|s| s.custodians[1] = s.custodians[0].clone()),
            ("record digest", &|s| s.record_digest = Digest::of(b"other")),
        ];
        for (what, edit) in edits {
            let mut changed = seal();
            edit(&mut changed);
            assert!(matches!(Seal::parse(&changed.to_json()), Err(RecordError::Seal(_))), "{what}");
        }
    }

    #[test]
    fn even_a_consistent_seal_must_name_parts_and_keys_properly() {
        let rebuild = |edit: &dyn Fn(&mut Seal)| {
            let mut s = seal();
            edit(&mut s);
            let s = Seal::new(&s.call_id, s.parts, s.custodians, s.partial);
            Seal::parse(&s.to_json())
        };
        assert!(rebuild(&|s| s.parts[1].name = "../../part".into()).is_err());
        assert!(rebuild(&|s| s.parts[1].bytes = MAX_PART_BYTES + 1).is_err());
        let classical = age::x25519::Identity::generate().to_public().to_string();
        assert!(rebuild(&|s| s.custodians[1] = classical.clone()).is_err());
        assert!(rebuild(&|s| s.custodians[1].insert(0, ' ')).is_err());
        assert!(rebuild(&|_| ()).is_ok());
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = Seal::parse(&bytes);
        }

        #[test]
        fn no_flipped_byte_is_accepted_as_another_record(at in 0usize..4000, bit in 0u8..8) {
            let original = seal();
            let mut json = original.to_json();
            let at = at % json.len();
            json[at] ^= 1 << bit;
            if let Ok(read) = Seal::parse(&json) {
                prop_assert_eq!(read, original);
            }
        }
    }
}
