//! Signature keys: Ed25519 in the hybrid suite, ML-DSA-87 in the CNSA 2.0 profile.
//!
//! Formats are those of the MLS provider in use, so that a device has one key for its certificate, its signed texts and
//! its group membership: public keys raw (RFC 8032: 32 bytes; FIPS 204: 2592 bytes), signatures raw (64; 4627 bytes),
//! ML-DSA with an empty context and deterministic, so that no source of randomness is needed to sign.

use crate::error::{Flaw, Result};
use ml_dsa::{EncodedSignature, EncodedVerifyingKey, MlDsa87};
use std::fmt;
use telcon_proto::SuiteName;

/// Bytes of a seed, the private key in both suites (RFC 8032 section 5.1.5; FIPS 204 section 5.1).
pub const SEED_BYTES: usize = 32;

/// A signature key: a device's, an enrolment's or the authority's. Erased when dropped; its `Debug` shows the suite.
pub struct DeviceKey(Secret);

/// Boxed: the expanded ML-DSA key is tens of kilobytes, and a moved key would leave copies behind.
enum Secret {
    Ed25519(Box<ed25519_dalek::SigningKey>),
    MlDsa87(Box<ml_dsa::SigningKey<MlDsa87>>),
}

impl DeviceKey {
    /// The key of a seed, which the caller generated at random and stores or erases.
    pub fn from_seed(suite: SuiteName, seed: &[u8; SEED_BYTES]) -> Self {
        Self(match suite {
            SuiteName::Hybrid => Secret::Ed25519(Box::new(ed25519_dalek::SigningKey::from_bytes(seed))),
            SuiteName::Cnsa2 => {
                let seed: &ml_dsa::Seed = seed.into();
                Secret::MlDsa87(Box::new(ml_dsa::SigningKey::from_seed(seed)))
            }
        })
    }

    /// The suite that the key belongs to.
    pub fn suite(&self) -> SuiteName {
        match self.0 {
            Secret::Ed25519(_) => SuiteName::Hybrid,
            Secret::MlDsa87(_) => SuiteName::Cnsa2,
        }
    }

    /// Signs: 64 bytes (Ed25519) or 4627 (ML-DSA-87, empty context). The same message gives the same signature.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        match &self.0 {
            Secret::Ed25519(key) => ed25519_dalek::Signer::sign(&**key, message).to_bytes().to_vec(),
            Secret::MlDsa87(key) => ml_dsa::Signer::sign(&**key, message).encode().to_vec(),
        }
    }

    /// The public key: 32 bytes (Ed25519) or 2592 (ML-DSA-87).
    pub fn public_bytes(&self) -> Vec<u8> {
        match &self.0 {
            Secret::Ed25519(key) => key.verifying_key().to_bytes().to_vec(),
            Secret::MlDsa87(key) => ml_dsa::Keypair::verifying_key(&**key).encode().to_vec(),
        }
    }
}

impl fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceKey({:?})", self.suite())
    }
}

/// Verifies a signature of [`DeviceKey::sign`]. Ed25519 verification is strict: keys and commitments of small order, with
/// which one signature is valid for many messages, are refused.
///
/// # Errors
/// [`Flaw::PublicKey`] and [`Flaw::Signature`].
pub fn verify_signature(suite: SuiteName, public: &[u8], message: &[u8], signature: &[u8]) -> Result<()> {
    match suite {
        SuiteName::Hybrid => {
            let public = public.try_into().map_err(|_| Flaw::PublicKey)?;
            let public = ed25519_dalek::VerifyingKey::from_bytes(public).map_err(|_| Flaw::PublicKey)?;
            let signature = ed25519_dalek::Signature::from_slice(signature).map_err(|_| Flaw::Signature)?;
            Ok(public.verify_strict(message, &signature).map_err(|_| Flaw::Signature)?)
        }
        SuiteName::Cnsa2 => {
            let public: &EncodedVerifyingKey<MlDsa87> = public.try_into().map_err(|_| Flaw::PublicKey)?;
            let public = ml_dsa::VerifyingKey::<MlDsa87>::decode(public);
            let signature: &EncodedSignature<MlDsa87> = signature.try_into().map_err(|_| Flaw::Signature)?;
            let signature = ml_dsa::Signature::<MlDsa87>::decode(signature).ok_or(Flaw::Signature)?;
            Ok(ml_dsa::Verifier::verify(&public, message, &signature).map_err(|_| Flaw::Signature)?)
        }
    }
}

/// Length of a suite's public key, bytes.
pub(crate) const fn public_key_bytes(suite: SuiteName) -> usize {
    match suite {
        SuiteName::Hybrid => 32,
        SuiteName::Cnsa2 => 2592,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::SUITES;
    use sha2::{Digest, Sha256};

    #[test]
    fn ed25519_keys_and_signatures_are_those_of_rfc_8032() {
        let seed = hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
        let key = DeviceKey::from_seed(SuiteName::Hybrid, &seed.try_into().unwrap());
        assert_eq!(key.public_bytes(), hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"));
        assert_eq!(
            key.sign(b""),
            hex(
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
            )
        );
    }

    #[test]
    fn ml_dsa_87_keys_and_signatures_are_those_of_another_implementation() {
        // SHA-256 of key and deterministic signature by noble-post-quantum 0.7 (JavaScript), empty context.
        let key = DeviceKey::from_seed(SuiteName::Cnsa2, &[1; 32]);
        let digest = |bytes: &[u8]| Sha256::digest(bytes).to_vec();
        assert_eq!(
            digest(&key.public_bytes()),
            hex("ce2acc0495fd8ba20b7cafb87baba23e0c4285988a7c11a0b32defd26d7d35b1")
        );
        assert_eq!(
            digest(&key.sign(b"message")),
            hex("f8576b052c10d62f182a0a8e6a37d2c8195ae51162bbc213692f7d365752eda3")
        );
    }

    #[test]
    fn a_signature_is_valid_for_its_message_key_and_suite_only() {
        for suite in SUITES {
            let (key, other) = (DeviceKey::from_seed(suite, &[1; 32]), DeviceKey::from_seed(suite, &[2; 32]));
            let (public, signature) = (key.public_bytes(), key.sign(b"message"));
            assert_eq!(public.len(), public_key_bytes(suite));
            assert_eq!(key.sign(b"message"), signature, "deterministic");
            assert_eq!(verify_signature(suite, &public, b"message", &signature), Ok(()));
            let refused = Err(Flaw::Signature.into());
            assert_eq!(verify_signature(suite, &public, b"massage", &signature), refused);
            assert_eq!(verify_signature(suite, &other.public_bytes(), b"message", &signature), refused);
            assert_eq!(verify_signature(suite, &public, b"message", &signature[1..]), refused);
            assert_eq!(verify_signature(suite, &public[1..], b"message", &signature), Err(Flaw::PublicKey.into()));
            let swapped = if suite == SuiteName::Hybrid { SuiteName::Cnsa2 } else { SuiteName::Hybrid };
            assert_eq!(verify_signature(swapped, &public, b"message", &signature), Err(Flaw::PublicKey.into()));
        }
    }

    #[test]
    fn ed25519_keys_of_small_order_are_refused() {
        // The neutral element as key and commitment, with s = 0, satisfies the cofactored equation for every message.
        let mut neutral = [0; 32];
        neutral[0] = 1;
        let mut signature = [0; 64];
        signature[0] = 1;
        assert!(verify_signature(SuiteName::Hybrid, &neutral, b"anything", &signature).is_err());
    }

    #[test]
    fn debug_shows_no_key() {
        let key = DeviceKey::from_seed(SuiteName::Hybrid, &[0xab; 32]);
        assert_eq!(format!("{key:?}"), "DeviceKey(Hybrid)");
    }

    fn hex(digits: &str) -> Vec<u8> {
        digits.as_bytes().chunks(2).map(|p| u8::from_str_radix(std::str::from_utf8(p).unwrap(), 16).unwrap()).collect()
    }
}
