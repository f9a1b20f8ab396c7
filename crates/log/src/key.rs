//! Signing and verifier keys of logs (signed-note type 0x01) and cosigners (tlog-cosignature v1, type 0x04), both
//! Ed25519.

use crate::checkpoint::{Checkpoint, SignedCheckpoint};
use crate::note::{Note, NoteError, NoteSignature, is_key_name};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;

/// Longest verifier key accepted as text, in bytes: more than the longest name and 60 characters of key.
pub const MAX_VERIFIER_KEY_LEN: usize = 1024;

const TYPE_NOTE: u8 = 0x01;
const TYPE_COSIGNATURE: u8 = 0x04;
const COSIGNATURE_HEADER: &str = "cosignature/v1";

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
struct NamedKey {
    name: String,
    id: [u8; 4],
    kind: u8,
    key: VerifyingKey,
}

impl NamedKey {
    fn new(name: &str, kind: u8, key: VerifyingKey) -> Result<Self, KeyError> {
        // Notes of a log with this origin would begin like the message signed by a cosignature.
        if !is_key_name(name) || name == COSIGNATURE_HEADER {
            return Err(KeyError::Name);
        }
        let hash = Sha256::new().chain_update(name).chain_update([b'\n', kind]).chain_update(key.as_bytes()).finalize();
        Ok(NamedKey { name: name.to_owned(), id: [hash[0], hash[1], hash[2], hash[3]], kind, key })
    }

    /// Parses `name+id+base64(type ‖ key)`. Base64 contains plus signs, so only the first two are separators.
    fn parse(text: &str, kind: u8) -> Result<Self, KeyError> {
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

    fn is_by(&self, line: &NoteSignature) -> bool {
        line.name == self.name && line.key_id == self.id
    }

    /// Verifies a bare signature, strictly: no two signatures are valid for one message and key.
    fn check(&self, message: &[u8], signature: &[u8]) -> Result<(), NoteError> {
        let signature = Signature::from_slice(signature).map_err(|_| NoteError::BadSignature)?;
        self.key.verify_strict(message, &signature).map_err(|_| NoteError::BadSignature)
    }

    /// Verifies a cosignature line over `text`; returns its timestamp.
    fn check_cosignature(&self, text: &str, line: &NoteSignature) -> Result<u64, NoteError> {
        let (time, signature) = line.signature.split_first_chunk::<8>().ok_or(NoteError::BadSignature)?;
        let time_s = u64::from_be_bytes(*time);
        if time_s > i64::MAX as u64 {
            return Err(NoteError::BadSignature);
        }
        self.check(cosignature_message(text, time_s).as_bytes(), signature)?;
        Ok(time_s)
    }
}

impl fmt::Display for NamedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = [&[self.kind][..], self.key.as_bytes()].concat();
        write!(f, "{}+{:08x}+{}", self.name, u32::from_be_bytes(self.id), STANDARD.encode(key))
    }
}

/// The message that a cosigner signs (tlog-cosignature, "Ed25519 signed message").
fn cosignature_message(text: &str, time_s: u64) -> String {
    format!("{COSIGNATURE_HEADER}\ntime {time_s}\n{text}")
}

/// The newest timestamp of the lines by `key`; an error if one of them does not verify.
fn cosigned_time(note: &Note, key: &NamedKey) -> Result<Option<u64>, NoteError> {
    let mut newest = None;
    for line in note.signatures().iter().filter(|line| key.is_by(line)) {
        newest = newest.max(Some(key.check_cosignature(note.text(), line)?));
    }
    Ok(newest)
}

/// A log's public key. Its text form is the signed-note verifier key `name+id+base64`; the name is the log's origin.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey(NamedKey);

impl VerifierKey {
    /// Parses the text form.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        NamedKey::parse(text, TYPE_NOTE).map(VerifierKey)
    }

    /// The origin of the log that this key signs for.
    pub fn origin(&self) -> &str {
        &self.0.name
    }

    /// Verifies the note's signature and returns its checkpoint.
    ///
    /// # Errors
    /// [`NoteError`]: not a note, not a checkpoint, not signed by this key, an invalid signature, or another origin.
    pub fn verify_checkpoint(&self, note: &str) -> Result<Checkpoint, NoteError> {
        self.open(note).map(|signed| signed.checkpoint().clone())
    }

    /// [`VerifierKey::verify_checkpoint`], returning also the note and the log's timestamp.
    pub fn open(&self, note: &str) -> Result<SignedCheckpoint, NoteError> {
        let note = Note::parse(note)?;
        let mut signed = false;
        for line in note.signatures().iter().filter(|line| self.0.is_by(line)) {
            self.0.check(note.text().as_bytes(), &line.signature)?;
            signed = true;
        }
        if !signed {
            return Err(NoteError::UnknownSigner);
        }
        let checkpoint = Checkpoint::parse(note.text())?;
        if checkpoint.origin != self.0.name {
            return Err(NoteError::OtherOrigin);
        }
        let time_s = cosigned_time(&note, &self.as_cosigner().0)?;
        Ok(SignedCheckpoint::new(checkpoint, time_s, &note))
    }

    /// The same key and name as a cosigner key, with which the log signs its timestamp.
    pub fn as_cosigner(&self) -> CosignerKey {
        CosignerKey(NamedKey::new(&self.0.name, TYPE_COSIGNATURE, self.0.key).expect("invariant: the name was checked"))
    }
}

/// A cosigner's (witness's) public key. Text form as [`VerifierKey`]'s, with type 0x04.
#[derive(Clone, PartialEq, Eq)]
pub struct CosignerKey(NamedKey);

impl CosignerKey {
    /// Parses the text form.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        NamedKey::parse(text, TYPE_COSIGNATURE).map(CosignerKey)
    }

    /// The cosigner's name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Verifies this cosigner's signature; returns its timestamp, in seconds since the Unix epoch.
    pub fn verify(&self, checkpoint: &SignedCheckpoint) -> Result<u64, NoteError> {
        cosigned_time(&Note::parse(checkpoint.note())?, &self.0)?.ok_or(NoteError::UnknownSigner)
    }

    /// Verifies a cosignature line and adds it to the checkpoint.
    ///
    /// # Errors
    /// [`NoteError`]: not a signature line, by another cosigner, invalid, or the note has too many lines.
    pub fn attach(&self, checkpoint: &SignedCheckpoint, line: &str) -> Result<SignedCheckpoint, NoteError> {
        let line = NoteSignature::parse(line.strip_suffix('\n').unwrap_or(line))?;
        let mut note = Note::parse(checkpoint.note())?;
        if !self.0.is_by(&line) {
            return Err(NoteError::UnknownSigner);
        }
        self.0.check_cosignature(note.text(), &line)?;
        note.sign(line);
        Note::parse(&note.to_string())?;
        Ok(SignedCheckpoint::new(checkpoint.checkpoint().clone(), checkpoint.time_s(), &note))
    }
}

macro_rules! key_text {
    ($key:ident) => {
        impl fmt::Display for $key {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
        impl fmt::Debug for $key {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($key), "({})"), self.0)
            }
        }
        impl FromStr for $key {
            type Err = KeyError;
            fn from_str(text: &str) -> Result<Self, KeyError> {
                Self::parse(text)
            }
        }
        impl Serialize for $key {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $key {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
            }
        }
    };
}
key_text!(VerifierKey);
key_text!(CosignerKey);

/// A log's signing key. It cannot be formatted, and the seed is zeroised on drop.
pub struct LogSigner {
    key: SigningKey,
    public: VerifierKey,
}

impl LogSigner {
    /// The key of the log `origin`, derived from 32 random bytes that the caller keeps secret.
    ///
    /// # Errors
    /// [`KeyError::Name`] if `origin` is not a valid key name.
    pub fn from_seed(seed: &[u8; 32], origin: &str) -> Result<Self, KeyError> {
        let key = SigningKey::from_bytes(seed);
        let public = VerifierKey(NamedKey::new(origin, TYPE_NOTE, key.verifying_key())?);
        Ok(LogSigner { key, public })
    }

    /// The public key.
    pub fn verifier_key(&self) -> &VerifierKey {
        &self.public
    }

    /// Signs a tree head. Private to the crate, because a signed tree head is history.
    pub(crate) fn sign(&self, checkpoint: Checkpoint, time_s: u64) -> SignedCheckpoint {
        let mut note = Note::unsigned(checkpoint.to_string());
        let signature = self.key.sign(note.text().as_bytes()).to_vec();
        note.sign(NoteSignature { name: self.public.0.name.clone(), key_id: self.public.0.id, signature });
        note.sign(cosignature(&self.key, &self.public.as_cosigner().0, note.text(), time_s));
        SignedCheckpoint::new(checkpoint, Some(time_s), &note)
    }
}

impl fmt::Debug for LogSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogSigner({})", self.public)
    }
}

/// A cosigner's signing key. It cannot be formatted, and the seed is zeroised on drop.
///
/// A cosignature states that this is the largest consistent tree the cosigner has seen. The cosigner must durably
/// remember the last checkpoint it signed for each origin, and sign a newer one only after
/// [`Checkpoint::followed_by`]. A key belongs to one cosigner name.
pub struct Cosigner {
    key: SigningKey,
    public: CosignerKey,
}

impl Cosigner {
    /// The key of the cosigner `name`, derived from 32 random bytes that the caller keeps secret.
    pub fn from_seed(seed: &[u8; 32], name: &str) -> Result<Self, KeyError> {
        let key = SigningKey::from_bytes(seed);
        let public = CosignerKey(NamedKey::new(name, TYPE_COSIGNATURE, key.verifying_key())?);
        Ok(Cosigner { key, public })
    }

    /// The public key.
    pub fn key(&self) -> &CosignerKey {
        &self.public
    }

    /// The signature line for a checkpoint at `time_s` seconds since the Unix epoch, with its newline.
    ///
    /// Takes a [`SignedCheckpoint`], so that only checkpoints signed by a log can be cosigned.
    pub fn cosign(&self, checkpoint: &SignedCheckpoint, time_s: u64) -> Result<String, NoteError> {
        let note = Note::parse(checkpoint.note())?;
        Ok(format!("{}\n", cosignature(&self.key, &self.public.0, note.text(), time_s)))
    }
}

impl fmt::Debug for Cosigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cosigner({})", self.public)
    }
}

fn cosignature(key: &SigningKey, public: &NamedKey, text: &str, time_s: u64) -> NoteSignature {
    // The specification's upper bound.
    let time_s = time_s.min(i64::MAX as u64);
    let signature = key.sign(cosignature_message(text, time_s).as_bytes());
    let signature = [&time_s.to_be_bytes()[..], &signature.to_bytes()].concat();
    NoteSignature { name: public.name.clone(), key_id: public.id, signature }
}

#[cfg(test)]
#[path = "key_tests.rs"]
mod tests;
