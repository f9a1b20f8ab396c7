//! Signing and verifier keys of logs (signed-note type 0x01, Ed25519).

pub use crate::named_key::{KeyError, MAX_VERIFIER_KEY_LEN};

use crate::checkpoint::{Checkpoint, SignedCheckpoint};
use crate::cosigner::{CosignerKey, cosignature, cosigned_time};
use crate::named_key::{NamedKey, TYPE_COSIGNATURE, TYPE_NOTE, key_text};
use crate::note::{Note, NoteError, NoteSignature};
use ed25519_dalek::{Signer as _, SigningKey};
use std::fmt;

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

key_text!(VerifierKey);

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

#[cfg(test)]
#[path = "key_tests.rs"]
pub(crate) mod tests;
