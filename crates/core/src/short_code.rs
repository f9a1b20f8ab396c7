//! Carries a small secret text from one device to another by a short code that one person reads to the other.
//!
//! SPAKE2 over the code's secret gives both devices a key, if both have the same code. Whoever does not know the code, the server
//! that forwards the messages included, can try one code in each attempt and learns nothing else: neither from what was sent, with
//! a dictionary, nor by answering in the other device's place.
//!
//! ```text
//! typed                                         shown
//!   message, key of HPKE ------------------------->
//!   <------------------------------------- message       shows nothing of the code
//!   confirmation --------------------------------->       counted here, if it is wrong
//!   <------------------- confirmation, sealed text
//! ```
//!
//! The device that typed the code confirms first. So every guess at the code of the other device is a wrong confirmation there, and
//! attempts that are broken off need not be counted. The text is sealed with HPKE, to a key of X-Wing that the device made for this
//! attempt, and with the key of SPAKE2 as pre-shared key: who records the messages and breaks elliptic curves later does not
//! read it.

mod shown;
mod typed;

pub use shown::{CodeEvent, ShownCode};
pub use typed::{TypedCode, UnconfirmedCode};

use hkdf::Hkdf;
use hpke::kem::XWing;
use sha2::{Digest as _, Sha256};
use spake2::{Ed25519Group, Identity, Password, Spake2};
use telcon_proto::{
    OfficeName,
    short_code::{CodeTextError, SealedText, ShortCode},
};
use zeroize::Zeroizing;

/// In every derivation and identity: a later version has nothing in common with this one.
const LABEL: &str = "telcon code 1";

/// What a code carries. A code for one purpose cannot be used for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The fragment of a registrar's enrolment link.
    Enrolment,
}

impl Purpose {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Enrolment => "enrolment",
        }
    }
}

/// Why a typed code gives nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// It is not a code.
    #[error(transparent)]
    Text(#[from] CodeTextError),
    /// The other side's message is not one of this version.
    #[error("the answer about this code is malformed: update this device, or reload the page")]
    Malformed,
    /// The other side does not know the code. An honest device that shows another one says so itself.
    #[error("whoever answered does not know this code: check it, and if it is right, tell the security officer")]
    NotProved,
}

/// One side of SPAKE2.
type Exchange = Spake2<Ed25519Group>;
type PublicKey = <XWing as hpke::Kem>::PublicKey;
type PrivateKey = <XWing as hpke::Kem>::PrivateKey;

/// Both sides of a meeting: they differ in office, purpose and slot from all others, and from each other.
fn identities(office: &OfficeName, purpose: Purpose, code: &ShortCode) -> (Identity, Identity) {
    let of =
        |side: &str| Identity::new(format!("{LABEL} {side} {} {office} {}", purpose.as_str(), code.slot()).as_bytes());
    (of("shown"), of("typed"))
}

fn password(code: &ShortCode) -> Password {
    Password::new(code.secret())
}

/// What both sides derive from an attempt, if both have the same code.
struct AttemptKey {
    key: Zeroizing<Vec<u8>>,
    /// Everything that was sent so far.
    transcript: [u8; 32],
}

impl AttemptKey {
    /// `shown` and `typed` are the messages of SPAKE2, `to` the key of HPKE.
    fn new(key: Vec<u8>, shown: &[u8], typed: &[u8], to: &[u8]) -> Self {
        Self { key: Zeroizing::new(key), transcript: digest(&[LABEL.as_bytes(), shown, typed, to]) }
    }

    fn derive(&self, label: &str, context: &[u8; 32]) -> Zeroizing<[u8; 32]> {
        let mut derived = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(Some(&self.transcript), &self.key)
            .expand_multi_info(&[LABEL.as_bytes(), label.as_bytes(), context], &mut *derived)
            .expect("invariant: HKDF expands to 32 bytes");
        derived
    }

    /// Proves that the code was typed.
    fn typed(&self) -> Zeroizing<[u8; 32]> {
        self.derive(" typed", &[0; 32])
    }

    /// Proves that the sender of a sealed text shows the code. HKDF commits to its key, as AEADs do not: without this, a ciphertext
    /// that opens with many keys would try many codes at once.
    fn shown(&self, text: &SealedText) -> Zeroizing<[u8; 32]> {
        self.derive(" shown", &digest(&[text.enc.as_slice(), text.sealed.as_slice()]))
    }

    /// The pre-shared key of HPKE.
    fn psk(&self) -> Zeroizing<[u8; 32]> {
        self.derive(" psk", &[0; 32])
    }
}

/// Each part is preceded by its length.
fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// Whether a received confirmation is the expected one. Each is of one attempt, which is over afterwards: how long the comparison
/// takes tells about a value that is not used again.
fn is_same(received: &[u8], expected: &[u8; 32]) -> bool {
    received == expected.as_slice()
}

/// The generator of the caller, as `spake2` takes it.
struct Spake2Rng<'a>(&'a mut chacha20::ChaCha20Rng);

impl spake2_rand_core::RngCore for Spake2Rng<'_> {
    fn next_u32(&mut self) -> u32 {
        chacha20::rand_core::Rng::next_u32(self.0)
    }

    fn next_u64(&mut self) -> u64 {
        chacha20::rand_core::Rng::next_u64(self.0)
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        chacha20::rand_core::Rng::fill_bytes(self.0, bytes);
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), spake2_rand_core::Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

impl spake2_rand_core::CryptoRng for Spake2Rng<'_> {}

#[cfg(test)]
mod attacks;
#[cfg(test)]
mod tests;
