//! Ed25519 public keys with a name and a signature type: what log keys and cosigner keys have in common.

use crate::note::{NoteError, NoteSignature, is_key_name};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest, Sha256};
use std::fmt;

/// Longest verifier key accepted as text, in bytes: more than the longest name and 60 characters of key.
pub const MAX_VERIFIER_KEY_LEN: usize = 1024;

/// Type of a log's signatures (signed note).
pub(crate) const TYPE_NOTE: u8 = 0x01;
/// Type of a cosigner's signatures (tlog-cosignature).
pub(crate) const TYPE_COSIGNATURE: u8 = 0x04;
/// First line of the message that a cosigner signs.
pub(crate) const COSIGNATURE_HEADER: &str = "cosignature/v1";

/// Why a key is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Empty, too long, reserved, or with whitespace, a plus sign or a control character.
    #[error("not a valid key name")]
    Name,
    /// Not `name+id+base64`, or the id does not match name and key.
    #[error("not a verifier key")]
    Malformed,
    /// The key is for another signature type.
    #[error("a key of another type")]
    OtherType,
    /// Not a curve point, or a point of small order, under which one signature verifies for many messages.
    #[error("not a usable Ed25519 key")]
    Weak,
}

/// A name and a public key, for one signature type.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct NamedKey {
    pub(crate) name: String,
    pub(crate) id: [u8; 4],
    pub(crate) kind: u8,
    pub(crate) key: VerifyingKey,
}

impl NamedKey {
    pub(crate) fn new(name: &str, kind: u8, key: VerifyingKey) -> Result<Self, KeyError> {
        // Notes of a log with this origin would begin like the message signed by a cosignature.
        if !is_key_name(name) || name == COSIGNATURE_HEADER {
            return Err(KeyError::Name);
        }
        let hash = Sha256::new().chain_update(name).chain_update([b'\n', kind]).chain_update(key.as_bytes()).finalize();
        Ok(NamedKey { name: name.to_owned(), id: [hash[0], hash[1], hash[2], hash[3]], kind, key })
    }

    /// Parses `name+id+base64(type ‖ key)`. Base64 contains plus signs, so only the first two are separators.
    pub(crate) fn parse(text: &str, kind: u8) -> Result<Self, KeyError> {
        if text.len() > MAX_VERIFIER_KEY_LEN {
            return Err(KeyError::Malformed);
        }
        let (name, rest) = text.split_once('+').ok_or(KeyError::Malformed)?;
        let (_, key) = rest.split_once('+').ok_or(KeyError::Malformed)?;
        let bytes = STANDARD.decode(key).map_err(|_| KeyError::Malformed)?;
        let (found, key) = bytes.split_first().ok_or(KeyError::Malformed)?;
        if *found != kind {
            return Err(KeyError::OtherType);
        }
        let key: &[u8; 32] = key.try_into().map_err(|_| KeyError::Malformed)?;
        let key = VerifyingKey::from_bytes(key).ok().filter(|key| !key.is_weak()).ok_or(KeyError::Weak)?;
        let parsed = NamedKey::new(name, kind, key)?;
        if parsed.to_string() == text { Ok(parsed) } else { Err(KeyError::Malformed) }
    }

    pub(crate) fn is_by(&self, line: &NoteSignature) -> bool {
        line.name == self.name && line.key_id == self.id
    }

    /// Verifies a bare signature, strictly: no two signatures are valid for one message and key.
    pub(crate) fn check(&self, message: &[u8], signature: &[u8]) -> Result<(), NoteError> {
        let signature = Signature::from_slice(signature).map_err(|_| NoteError::BadSignature)?;
        self.key.verify_strict(message, &signature).map_err(|_| NoteError::BadSignature)
    }
}

impl fmt::Display for NamedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = [&[self.kind][..], self.key.as_bytes()].concat();
        write!(f, "{}+{:08x}+{}", self.name, u32::from_be_bytes(self.id), STANDARD.encode(key))
    }
}

/// Text form of a public key that wraps a [`NamedKey`]: formatted, parsed, and as a string in JSON.
macro_rules! key_text {
    ($key:ident) => {
        impl std::fmt::Display for $key {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
        impl std::fmt::Debug for $key {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!(stringify!($key), "({})"), self.0)
            }
        }
        impl std::str::FromStr for $key {
            type Err = $crate::KeyError;
            fn from_str(text: &str) -> Result<Self, $crate::KeyError> {
                Self::parse(text)
            }
        }
        impl serde::Serialize for $key {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> serde::Deserialize<'de> for $key {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::parse(&<String as serde::Deserialize>::deserialize(deserializer)?)
                    .map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use key_text;
