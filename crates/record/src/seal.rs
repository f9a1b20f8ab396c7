//! Reading and checking `seal.json` on this side of the archive: the format is [`telcon_proto::seal`]'s; here custodians' keys
//! are checked to be keys, and the signature's verifier is named.

use std::path::Path;

pub use telcon_proto::limits::{MAX_CUSTODIANS, MAX_RECORD_PARTS, MAX_SEAL_BYTES, MAX_SEAL_JWS_BYTES};
pub use telcon_proto::seal::{PartDigest, SEAL_FILE, SEAL_VERSION, Seal, SealClaims};

use crate::archive::Devices;
use crate::custodian::CustodianRecipient;
use crate::digest::{Digest, sha256};
use crate::error::RecordError;

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

/// Reads and checks `seal.json` ([`Seal::parse`]), and that each custodian is a key in its canonical form: the text is hashed.
/// Does not look at the parts or the signature.
///
/// # Errors
/// [`RecordError::Seal`].
pub fn parse(bytes: &[u8]) -> Result<Seal, RecordError> {
    let seal = Seal::parse(bytes, sha256).map_err(|e| RecordError::Seal(e.to_string()))?;
    let canonical = |text: &String| CustodianRecipient::parse(text).is_ok_and(|key| key.to_string() == *text);
    match seal.custodians.iter().position(|custodian| !canonical(custodian)) {
        None => Ok(seal),
        Some(index) => Err(RecordError::Seal(format!("custodian {index} is not a post-quantum age recipient"))),
    }
}

/// Reads and checks `seal.json` in a record's directory.
///
/// # Errors
/// Those of [`parse`], and [`RecordError::Io`].
pub fn load(dir: &Path) -> Result<Seal, RecordError> {
    let path = dir.join(SEAL_FILE);
    let length = std::fs::metadata(&path).map_err(|e| RecordError::io(&path, e))?.len();
    if length > MAX_SEAL_BYTES as u64 {
        return Err(RecordError::Seal("too large".into()));
    }
    parse(&std::fs::read(&path).map_err(|e| RecordError::io(&path, e))?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use telcon_proto::{CallId, seal::part_name};

    use super::*;
    use crate::custodian::CustodianIdentity;

    fn sealed_to(custodians: Vec<String>) -> Seal {
        let part = |i| PartDigest { name: part_name(i), sha256: sha256(&[i as u8]), bytes: 10 };
        Seal::unsigned(CallId::from_bytes([0xab; 16]), vec![part(0), part(1)], custodians, false, sha256)
    }

    fn seal() -> Seal {
        let custodian = |n| CustodianIdentity::from_seed(&[n; 32]).recipient().to_string();
        sealed_to(vec![custodian(1), custodian(2)])
    }

    #[test]
    fn round_trip() {
        let mut signed = seal();
        signed.jws = Some("a.b.c".into());
        assert_eq!(parse(&signed.to_json()).unwrap(), signed);
    }

    #[test]
    fn a_changed_custodian_or_digest_is_refused() {
        let mut changed = seal();
        changed.custodians.pop();
        assert!(matches!(parse(&changed.to_json()), Err(RecordError::Seal(_))));
        changed = seal();
        changed.record_digest = sha256(b"other");
        assert!(matches!(parse(&changed.to_json()), Err(RecordError::Seal(_))));
    }

    #[test]
    fn even_a_consistent_seal_must_name_keys_properly() {
        let good = seal().custodians;
        assert!(parse(&sealed_to(good.clone()).to_json()).is_ok());
        let classical = age::x25519::Identity::generate().to_public().to_string();
        let upper = good[1].to_uppercase();
        let torn = good[1][..good[1].len() - 1].to_owned();
        for bad in [classical, upper, torn, "age1pq1x".to_owned(), format!(" {}", good[1])] {
            let refused = parse(&sealed_to(vec![good[0].clone(), bad.clone()]).to_json());
            assert!(matches!(refused, Err(RecordError::Seal(_))), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn no_flipped_byte_is_accepted_as_another_record(at in 0usize..4000, bit in 0u8..8) {
            let original = seal();
            let mut json = original.to_json();
            let at = at % json.len();
            json[at] ^= 1 << bit;
            if let Ok(read) = parse(&json) {
                prop_assert_eq!(read, original);
            }
        }
    }
}
