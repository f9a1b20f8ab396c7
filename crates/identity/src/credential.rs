//! A certificate chain as an MLS credential (RFC 9420 section 5.3).
//!
//! ```text
//! struct { opaque cert_data<V>; } Certificate;
//! struct { CredentialType credential_type;
//!          select (...) { case x509: Certificate certificates<V>; }; } Credential;
//! ```
//! Lengths are variable-size integers of QUIC (RFC 9000 section 16) in their shortest form (RFC 9420 section 2.1.2).

use crate::{
    certificate::MAX_CERTIFICATE_BYTES,
    error::{Flaw, Result},
};

/// Most certificates in a credential: of a line's holder, and of the principal's device by two registrars.
const MAX_CERTIFICATES: usize = 5;

/// The *content* of the vector `certificates<V>`: each certificate after its length. The MLS library writes the vector's
/// own length when it encodes the credential, so it is not written here.
///
/// # Panics
/// When a certificate has 2^30 bytes.
pub fn x509_credential(chain: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(chain.iter().map(|der| der.len() + 4).sum());
    for der in chain {
        let length = der.len();
        match length {
            0..64 => bytes.push(length as u8),
            64..16_384 => bytes.extend_from_slice(&(length as u16 | 0x4000).to_be_bytes()),
            16_384..1_073_741_824 => bytes.extend_from_slice(&(length as u32 | 0x8000_0000).to_be_bytes()),
            _ => panic!("a certificate is not that long"),
        }
        bytes.extend_from_slice(der);
    }
    bytes
}

/// Parses [`x509_credential`]. The chain is not verified: see [`crate::Office::verify_chain`].
///
/// # Errors
/// [`Flaw::Credential`], [`Flaw::TooLong`].
pub fn parse_x509_credential(bytes: &[u8]) -> Result<Vec<Vec<u8>>> {
    let mut chain = Vec::new();
    let mut rest = bytes;
    while let Some(first) = rest.first() {
        if chain.len() == MAX_CERTIFICATES {
            return Err(Flaw::TooLong.into());
        }
        let size = match first >> 6 {
            0 => 1,
            1 => 2,
            2 => 4,
            _ => return Err(Flaw::Credential.into()),
        };
        let (prefix, after) = rest.split_at_checked(size).ok_or(Flaw::Credential)?;
        let length = prefix.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        let length = length & ((1 << (size * 8 - 2)) - 1);
        let shortest = match length {
            0..64 => 1,
            64..16_384 => 2,
            _ => 4,
        };
        if size != shortest {
            return Err(Flaw::Credential.into());
        }
        if length > MAX_CERTIFICATE_BYTES {
            return Err(Flaw::TooLong.into());
        }
        let (der, after) = after.split_at_checked(length).ok_or(Flaw::Credential)?;
        chain.push(der.to_vec());
        rest = after;
    }
    Ok(chain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_those_of_rfc_9000() {
        // RFC 9000 appendix A.1: 37 is 0x25, 15293 is 0x7bbd.
        assert_eq!(x509_credential(&[vec![0xaa; 37]])[..2], [0x25, 0xaa]);
        assert_eq!(x509_credential(&[vec![0xaa; 15_293]])[..3], [0x7b, 0xbd, 0xaa]);
        assert_eq!(x509_credential(&[vec![0xaa; 16_384]])[..5], [0x80, 0, 0x40, 0, 0xaa]);
        for length in [0, 63, 64, 300, MAX_CERTIFICATE_BYTES] {
            let chain = vec![vec![1; length], vec![2; 5]];
            assert_eq!(parse_x509_credential(&x509_credential(&chain)).unwrap(), chain);
        }
    }

    #[test]
    fn malformed_credentials_are_refused() {
        let bad = |bytes: &[u8], why: Flaw| assert_eq!(parse_x509_credential(bytes), Err(why.into()), "{bytes:?}");
        bad(&[1], Flaw::Credential);
        bad(&[0x40], Flaw::Credential);
        bad(&[0x40, 1, 7], Flaw::Credential);
        bad(&[0x80, 0, 0, 1, 7], Flaw::Credential);
        bad(&[0xc0, 0, 0, 0, 0, 0, 0, 1, 7], Flaw::Credential);
        bad(&[0xbf, 0xff, 0xff, 0xff], Flaw::TooLong);
        bad(&[0; 6], Flaw::TooLong);
    }
}
