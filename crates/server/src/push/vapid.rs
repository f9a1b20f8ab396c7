//! The office's key for push services (VAPID, RFC 8292): a subscription is made for it, so that nobody else can send to it.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use std::{io, path::Path};
use telcon_files::{read_named, replace_private};

/// How long a signature is valid, seconds: RFC 8292 allows a day, and clocks differ.
const VALID_S: u64 = 12 * 60 * 60;
/// Longest key file, bytes.
const MAX_KEY_BYTES: u64 = 1024;

/// The key.
pub struct Vapid {
    pair: EcdsaKeyPair,
    contact: String,
}

impl Vapid {
    /// Reads the key in this file (PKCS #8), or makes one if there is none. `domain` is the office's: push services require an address
    /// of the sender.
    ///
    /// # Errors
    /// If the file cannot be read or written, or is no such key.
    pub fn open(path: &Path, domain: &str) -> io::Result<Self> {
        let bytes = match read_named(path, MAX_KEY_BYTES) {
            Ok(bytes) => bytes,
            Err(error) if error.is_not_found() => {
                let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
                let document = document.map_err(|_| io::Error::other("no key could be made"))?;
                replace_private(path, document.as_ref())?;
                document.as_ref().to_vec()
            }
            Err(error) => return Err(error.into()),
        };
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &bytes).map_err(|_| {
            io::Error::other(
                "it holds no key: restore it, or delete it; then devices subscribe again when they are opened",
            )
        })?;
        Ok(Self { pair, contact: format!("https://{domain}") })
    }

    /// The public key as browsers take it: an uncompressed point, base64url without padding.
    pub fn public(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.pair.public_key())
    }

    /// Value of the header `Authorization` of a request to a push service.
    pub(super) fn authorization(&self, origin: &str, now_ms: u64) -> io::Result<String> {
        let header = URL_SAFE_NO_PAD.encode(r#"{"typ":"JWT","alg":"ES256"}"#);
        let claims = serde_json::json!({ "aud": origin, "exp": now_ms / 1000 + VALID_S, "sub": self.contact });
        let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes());
        let signature = signature.map_err(|_| io::Error::other("the push service's token could not be signed"))?;
        Ok(format!("vapid t={signed}.{}, k={}", URL_SAFE_NO_PAD.encode(signature), self.public()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn the_key_is_made_once_for_its_owner_alone_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("push.key");
        let made = Vapid::open(&path, "office.example").unwrap().public();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Vapid::open(&path, "office.example").unwrap().public(), made);
        assert_eq!(URL_SAFE_NO_PAD.decode(&made).unwrap().len(), 65);
        std::fs::write(&path, b"no key").unwrap();
        assert!(Vapid::open(&path, "office.example").err().unwrap().to_string().contains("restore it"));
    }
}
