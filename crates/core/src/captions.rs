//! What members say to each other beside sound: mute state, and captions for those who may read them.
//!
//! Captions are made by an office's note-taker for its own desk. A call's application messages reach every member,
//! the counterpart too, so a caption is sealed once more, to a key that the reader made for this call and announced
//! under its own signature: HPKE (RFC 9180) with X-Wing, ML-KEM-768 and X25519 together.

use chacha20::ChaCha20Rng;
use hpke::{
    Deserializable, Kem as _, OpModeR, OpModeS, Serializable, aead::ChaCha20Poly1305, kdf::HkdfSha256, kem::XWing,
};
use serde::{Deserialize, Serialize};
use telcon_proto::{Blob, DeviceId};

const INFO: &[u8] = b"telcon caption v1";
/// Longest text of one caption, bytes: about two minutes of fast speech.
pub const MAX_CAPTION_BYTES: usize = 4096;

/// One line of what the note-taker heard: a machine's draft.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Caption {
    /// The device that spoke, known by its key.
    pub speaker: DeviceId,
    /// Number of the passage it belongs to, growing per speaker. Finished lines take the place of all drafts of theirs.
    pub passage: u64,
    /// Which part of the passage, of a draft: a later draft of the same part takes its place.
    #[serde(default)]
    pub part: u32,
    /// Start of the words, milliseconds since 1970 UTC by the note-taker's clock.
    pub start_ms: u64,
    /// The words.
    pub text: String,
    /// Whether the machine is done with this line; otherwise it is a draft.
    #[serde(rename = "final")]
    pub done: bool,
    /// How long after the words were said this was sent, milliseconds.
    pub behind_ms: u64,
}

/// An application message of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case", deny_unknown_fields)]
pub enum Say {
    /// The sender's microphone is off. Its stream goes on at the same size and rate.
    Muted {
        /// Off or on again.
        on: bool,
    },
    /// Since when the call is live: for the clock of a device that has just joined it.
    Live {
        /// Milliseconds since 1970 UTC, by the sender's clock.
        since_ms: u64,
    },
    /// The sender, one of the two whom the call is between, ends it. The switchboard says so too, but it could say so to
    /// one member alone.
    Over,
    /// The sender, a note-taker, is there and writes down what it hears. Said every few seconds, so that silence tells.
    Taking {
        /// Since when the sender's engine runs, milliseconds: what was held back on its way is seen to be late.
        at_ms: u64,
    },
    /// The sender would read captions, with this X-Wing public key.
    ReadCaptions {
        /// 1216 bytes.
        key: Blob,
    },
    /// A caption for one reader.
    Caption {
        /// Whom it is sealed to.
        to: DeviceId,
        /// HPKE encapsulated key.
        enc: Blob,
        /// The sealed [`Caption`] as JSON.
        sealed: Blob,
    },
}

/// A reader's key pair for one call.
pub struct CaptionKey {
    secret: <XWing as hpke::Kem>::PrivateKey,
    public: Vec<u8>,
}

impl CaptionKey {
    /// A fresh pair.
    pub fn new(rng: &mut ChaCha20Rng) -> Self {
        let (secret, public) = XWing::gen_keypair_with_rng(rng);
        Self { secret, public: public.to_bytes().to_vec() }
    }

    /// The public half, for [`Say::ReadCaptions`].
    pub fn public(&self) -> Blob {
        Blob(self.public.clone())
    }

    /// Opens a caption sealed to this key; nothing if it is not for it or was altered.
    pub fn open(&self, enc: &Blob, sealed: &Blob) -> Option<Caption> {
        let enc = <XWing as hpke::Kem>::EncappedKey::from_bytes(enc.as_slice()).ok()?;
        let json = hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, XWing>(
            &OpModeR::Base,
            &self.secret,
            &enc,
            INFO,
            sealed.as_slice(),
            b"",
        )
        .ok()?;
        serde_json::from_slice(&json).ok()
    }
}

/// Seals a caption to a reader's key; nothing if the key is malformed.
pub fn seal(key: &Blob, caption: &Caption, to: DeviceId, rng: &mut ChaCha20Rng) -> Option<Say> {
    let key = <XWing as hpke::Kem>::PublicKey::from_bytes(key.as_slice()).ok()?;
    let json = serde_json::to_vec(caption).ok()?;
    let (enc, sealed) = hpke::single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, XWing>(
        &OpModeS::Base,
        &key,
        INFO,
        &json,
        b"",
        rng,
    )
    .ok()?;
    Some(Say::Caption { to, enc: Blob(enc.to_bytes().to_vec()), sealed: Blob(sealed) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use chacha20::rand_core::SeedableRng as _;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn only_the_reader_it_is_sealed_to_reads_a_caption() {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let (desk, other) = (CaptionKey::new(&mut rng), CaptionKey::new(&mut rng));
        let speaker = DeviceId::from_bytes([1; 16]);
        let caption = Caption {
            speaker,
            passage: 1,
            part: 0,
            start_ms: 5,
            text: "on inspections".into(),
            done: true,
            behind_ms: 9,
        };
        let to = DeviceId::from_bytes([2; 16]);
        let Some(Say::Caption { enc, mut sealed, .. }) = seal(&desk.public(), &caption, to, &mut rng) else { panic!() };
        assert_eq!(desk.open(&enc, &sealed), Some(caption));
        assert_eq!(other.open(&enc, &sealed), None);
        sealed.0[0] ^= 1;
        assert_eq!(desk.open(&enc, &sealed), None);
    }

    #[test]
    fn a_malformed_key_is_refused() {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let device = DeviceId::from_bytes([0; 16]);
        let caption = Caption {
            speaker: device,
            passage: 1,
            part: 0,
            start_ms: 0,
            text: String::new(),
            done: true,
            behind_ms: 0,
        };
        assert_eq!(seal(&Blob(vec![0; 10]), &caption, device, &mut rng), None);
    }
}
