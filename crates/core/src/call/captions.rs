//! Captions: what an office's note-taker recognised, for the office's own desk.
//!
//! A call's application messages reach every member, the counterpart included, so a caption is sealed once more, to a key
//! that its reader made for this call and announced under its own signature: HPKE (RFC 9180) with X-Wing (ML-KEM-768 and
//! X25519).

use super::message::GroupMessage;
pub use super::message::{Caption, MAX_CAPTION_BYTES};
use crate::view::CaptionView;
use chacha20::ChaCha20Rng;
use hpke::{
    Deserializable, Kem as _, OpModeR, OpModeS, Serializable, aead::ChaCha20Poly1305, kdf::HkdfSha256, kem::XWing,
};
use std::collections::BTreeMap;
use telcon_proto::{Blob, DeviceId};

const INFO: &[u8] = b"telcon caption v1";
/// Captions kept on the screen.
const MAX_CAPTIONS: usize = 500;

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

    /// The public half, for [`GroupMessage::ReadCaptions`].
    pub fn public(&self) -> Blob {
        Blob(self.public.clone())
    }

    /// Opens a caption sealed to this key; nothing if it is for another key or was altered.
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
pub fn seal(key: &Blob, caption: &Caption, to: DeviceId, rng: &mut ChaCha20Rng) -> Option<GroupMessage> {
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
    Some(GroupMessage::Caption { to, enc: Blob(enc.to_bytes().to_vec()), sealed: Blob(sealed) })
}

/// The captions of a call on this device: those that a desk reads, and the readers that a note-taker writes for.
#[derive(Default)]
pub(super) struct CaptionState {
    lines: Vec<CaptionView>,
    latency_ms: Option<u64>,
    key: Option<CaptionKey>,
    pub(super) readers: BTreeMap<DeviceId, CaptionReader>,
}

/// A member who may read captions.
#[derive(Clone)]
pub(crate) struct CaptionReader {
    key: Blob,
    /// When it joined the call, milliseconds since 1970 UTC.
    since_ms: u64,
}

impl CaptionState {
    /// The lines on the screen, oldest first.
    pub(super) fn lines(&self) -> &[CaptionView] {
        &self.lines
    }

    /// Latency of the newest caption, milliseconds.
    pub(super) fn latency_ms(&self) -> Option<u64> {
        self.latency_ms
    }

    /// The public key of this reader, made when first needed.
    pub(super) fn reader_key(&mut self, rng: &mut ChaCha20Rng) -> Blob {
        self.key.get_or_insert_with(|| CaptionKey::new(rng)).public()
    }

    /// Opens a caption sealed to this reader.
    pub(super) fn open(&self, enc: &Blob, sealed: &Blob) -> Option<Caption> {
        self.key.as_ref()?.open(enc, sealed)
    }

    /// A member requests captions.
    pub(super) fn add_reader(&mut self, reader: DeviceId, key: Blob, now_ms: u64) {
        let since_ms = self.readers.get(&reader).map_or(now_ms, |known| known.since_ms);
        self.readers.insert(reader, CaptionReader { key, since_ms });
    }

    /// Drops readers that are not members any more.
    pub(super) fn retain_readers(&mut self, is_member: impl Fn(DeviceId) -> bool) {
        self.readers.retain(|reader, _| is_member(*reader));
    }

    /// Seals a caption to each reader. Words said before a reader joined are not for it, as the audio was not.
    pub(super) fn seal(&self, caption: &Caption, rng: &mut ChaCha20Rng) -> Vec<GroupMessage> {
        let present = self.readers.iter().filter(|(_, reader)| caption.start_ms >= reader.since_ms);
        present.filter_map(|(device, reader)| seal(&reader.key, caption, *device, rng)).collect()
    }

    /// Adds a caption of the speaker `name` to the screen; it replaces its drafts.
    pub(super) fn show(&mut self, name: String, caption: Caption) {
        self.latency_ms = Some(caption.behind_ms);
        let new = &caption;
        self.lines.retain(|line| {
            let old = &line.caption;
            let draft_of_it = !old.done && old.speaker == new.speaker && old.passage == new.passage;
            !(draft_of_it && (new.done || old.part == new.part))
        });
        // The final text of a passage may be empty: then only its drafts are removed.
        if caption.text.is_empty() {
            return;
        }
        self.lines.push(CaptionView { name, caption });
        self.lines.sort_by_key(|line| line.caption.start_ms);
        if self.lines.len() > MAX_CAPTIONS {
            self.lines.remove(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chacha20::rand_core::SeedableRng as _;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn only_its_reader_can_open_a_caption() {
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
        let Some(GroupMessage::Caption { enc, mut sealed, .. }) = seal(&desk.public(), &caption, to, &mut rng) else {
            panic!()
        };
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
