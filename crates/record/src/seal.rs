//! Reading `seal.json`: the format is defined in [`telcon_proto::seal`]; here the custodians' keys are validated as well.

use std::path::Path;

use telcon_files::FileError;

pub use telcon_proto::limits::{MAX_CUSTODIANS, MAX_RECORD_PARTS, MAX_SEAL_BYTES, MAX_SEAL_JWS_BYTES};
pub use telcon_proto::seal::{PartDigest, RecordReference, SEAL_FILE, SEAL_VERSION, Seal};

use crate::custodian::CustodianRecipient;
use crate::digest::sha256;
use crate::error::RecordError;

/// Parses and checks `seal.json` ([`Seal::parse`]), and that each custodian is a key in its canonical text form, because the
/// text is hashed. Does not check the parts or the signature.
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
    load_in(dir, Path::new(""))
}

/// As [`load`], of the record in directory `relative` of `root`, where a link in `relative` is not followed.
pub(crate) fn load_in(root: &Path, relative: &Path) -> Result<Seal, RecordError> {
    match telcon_files::read_beneath(root, relative.join(SEAL_FILE), MAX_SEAL_BYTES as u64) {
        Ok(bytes) => parse(&bytes),
        Err(FileError::Io(e)) => Err(RecordError::io(root.join(relative).join(SEAL_FILE), e)),
        Err(other) => Err(RecordError::Seal(other.to_string())),
    }
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
    fn changed_custodian_or_digest_is_refused() {
        let mut changed = seal();
        changed.custodians.pop();
        assert!(matches!(parse(&changed.to_json()), Err(RecordError::Seal(_))));
        changed = seal();
        changed.record_digest = sha256(b"other");
        assert!(matches!(parse(&changed.to_json()), Err(RecordError::Seal(_))));
    }

    #[test]
    fn consistent_seal_with_invalid_keys_is_refused() {
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
        fn flipped_bit_never_yields_another_record(at in 0usize..4000, bit in 0u8..8) {
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
