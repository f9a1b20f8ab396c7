//! Cosigners (witnesses): their public and signing keys, and the timestamped signatures that they add to checkpoints
//! (tlog-cosignature v1, type 0x04, Ed25519).

use crate::checkpoint::SignedCheckpoint;
use crate::named_key::{COSIGNATURE_HEADER, KeyError, NamedKey, TYPE_COSIGNATURE, key_text};
use crate::note::{Note, NoteError, NoteSignature};
use ed25519_dalek::{Signer as _, SigningKey};
use std::fmt;

/// A cosigner's (witness's) public key. Text form as [`crate::VerifierKey`]'s, with type 0x04.
#[derive(Clone, PartialEq, Eq)]
pub struct CosignerKey(pub(crate) NamedKey);

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
        check_cosignature(&self.0, note.text(), &line)?;
        note.sign(line);
        Note::parse(&note.to_string())?;
        Ok(SignedCheckpoint::new(checkpoint.checkpoint().clone(), checkpoint.time_s(), &note))
    }
}

key_text!(CosignerKey);

/// A cosigner's signing key. It cannot be formatted, and the seed is zeroised on drop.
///
/// A cosignature states that this is the largest consistent tree the cosigner has seen. The cosigner must durably
/// remember the last checkpoint it signed for each origin, and sign a newer one only after
/// [`crate::Checkpoint::followed_by`]. A key belongs to one cosigner name.
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

/// The cosignature line over `text` at `time_s` seconds since the Unix epoch.
pub(crate) fn cosignature(key: &SigningKey, public: &NamedKey, text: &str, time_s: u64) -> NoteSignature {
    // The specification's upper bound.
    let time_s = time_s.min(i64::MAX as u64);
    let signature = key.sign(cosignature_message(text, time_s).as_bytes());
    let signature = [&time_s.to_be_bytes()[..], &signature.to_bytes()].concat();
    NoteSignature { name: public.name.clone(), key_id: public.id, signature }
}

/// The message that a cosigner signs (tlog-cosignature, "Ed25519 signed message").
fn cosignature_message(text: &str, time_s: u64) -> String {
    format!("{COSIGNATURE_HEADER}\ntime {time_s}\n{text}")
}

/// The newest timestamp of the lines by `key`; an error if one of them does not verify.
pub(crate) fn cosigned_time(note: &Note, key: &NamedKey) -> Result<Option<u64>, NoteError> {
    let mut newest = None;
    for line in note.signatures().iter().filter(|line| key.is_by(line)) {
        newest = newest.max(Some(check_cosignature(key, note.text(), line)?));
    }
    Ok(newest)
}

/// Verifies a cosignature line over `text`; returns its timestamp.
fn check_cosignature(key: &NamedKey, text: &str, line: &NoteSignature) -> Result<u64, NoteError> {
    let (time, signature) = line.signature.split_first_chunk::<8>().ok_or(NoteError::BadSignature)?;
    let time_s = u64::from_be_bytes(*time);
    if time_s > i64::MAX as u64 {
        return Err(NoteError::BadSignature);
    }
    key.check(cosignature_message(text, time_s).as_bytes(), signature)?;
    Ok(time_s)
}

#[cfg(test)]
#[path = "cosigner_tests.rs"]
mod tests;
