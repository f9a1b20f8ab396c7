//! Captions: what an office's note-taker recognised, for the office's own desk.
//!
//! A call's application messages reach every member, the counterpart included, so a caption is sealed once more, to a key
//! that its reader made for this call and announced under its own signature: HPKE (RFC 9180) with X-Wing (ML-KEM-768 and
//! X25519).
//!
//! The server sees when a message is sent and how long it is. So that neither tells when and how much somebody speaks, a
//! note-taker sends each reader one batch of [`BATCH_BYTES`] per [`BATCH_INTERVAL_MS`], with the captions that wait, or none.

pub use super::message::Caption;
use super::message::GroupMessage;
use crate::view::CaptionView;
use chacha20::ChaCha20Rng;
use hpke::{
    Deserializable, Kem as _, OpModeR, OpModeS, Serializable, aead::ChaCha20Poly1305, kdf::HkdfSha256, kem::XWing,
};
use std::collections::{BTreeMap, VecDeque};
use telcon_proto::{Blob, DeviceId};

const INFO: &[u8] = b"telcon captions v2";
/// Length of a batch before it is sealed, bytes: several times what is said in an interval, also in scripts of three bytes per
/// character.
pub const BATCH_BYTES: usize = 1024;
/// Interval between two batches, milliseconds.
pub const BATCH_INTERVAL_MS: u64 = 500;
/// Longest text of a line, bytes. A longer one is sent as several lines, a longer draft without its beginning.
pub const MAX_LINE_BYTES: usize = 400;
/// Captions that wait to be sent: minutes of speech. Beyond that drafts are dropped first, then the oldest captions.
const MAX_QUEUED: usize = 512;
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

    /// Opens captions sealed to this key; nothing if they are for another key or were altered.
    pub fn open(&self, enc: &Blob, sealed: &Blob) -> Option<Vec<Caption>> {
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

/// Seals a batch of captions to a reader's key; nothing if the key is malformed, or the captions do not fit into
/// [`BATCH_BYTES`].
pub fn seal(key: &Blob, captions: &[&Caption], to: DeviceId, rng: &mut ChaCha20Rng) -> Option<GroupMessage> {
    let key = <XWing as hpke::Kem>::PublicKey::from_bytes(key.as_slice()).ok()?;
    let mut json = serde_json::to_vec(captions).ok().filter(|json| json.len() <= BATCH_BYTES)?;
    json.resize(BATCH_BYTES, b' ');
    let (enc, sealed) = hpke::single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, XWing>(
        &OpModeS::Base,
        &key,
        INFO,
        &json,
        b"",
        rng,
    )
    .ok()?;
    Some(GroupMessage::Captions { to, enc: Blob(enc.to_bytes().to_vec()), sealed: Blob(sealed) })
}

/// The captions of a call on this device: those that a desk reads, and the readers that a note-taker writes for.
#[derive(Default)]
pub(crate) struct CaptionState {
    lines: Vec<CaptionView>,
    latency_ms: Option<u64>,
    key: Option<CaptionKey>,
    queued: VecDeque<Caption>,
    /// When the next batch is sent, by engine uptime; none before there is a reader.
    due_ms: Option<u64>,
    readers: BTreeMap<DeviceId, CaptionReader>,
}

/// A member who may read captions.
#[derive(Clone)]
pub(crate) struct CaptionReader {
    key: Blob,
    /// When it joined the call, milliseconds since 1970 UTC.
    since_ms: u64,
}

impl CaptionState {
    /// As if the readers of `other` had announced themselves to this device.
    #[cfg(feature = "test-keys")]
    pub(crate) fn take_readers_of(&mut self, other: &Self) {
        (self.readers, self.due_ms) = (other.readers.clone(), other.due_ms);
    }

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

    /// Opens captions sealed to this reader.
    pub(super) fn open(&self, enc: &Blob, sealed: &Blob) -> Vec<Caption> {
        self.key.as_ref().and_then(|key| key.open(enc, sealed)).unwrap_or_default()
    }

    /// A member requests captions.
    pub(super) fn add_reader(&mut self, reader: DeviceId, key: Blob, now_ms: u64, uptime_ms: u64) {
        self.due_ms.get_or_insert(uptime_ms + BATCH_INTERVAL_MS);
        let since_ms = self.readers.get(&reader).map_or(now_ms, |known| known.since_ms);
        self.readers.insert(reader, CaptionReader { key, since_ms });
    }

    /// Drops readers that are not members any more.
    pub(super) fn retain_readers(&mut self, is_member: impl Fn(DeviceId) -> bool) {
        self.readers.retain(|reader, _| is_member(*reader));
        if self.readers.is_empty() {
            self.due_ms = None;
        }
    }

    /// Queues a caption for the next batches. It replaces drafts that wait and are superseded by it.
    pub(super) fn queue(&mut self, caption: Caption) {
        if self.readers.is_empty() {
            return;
        }
        self.queued.retain(|waiting| !caption.supersedes(waiting));
        self.queued.extend(lines(caption));
        while self.queued.len() > MAX_QUEUED {
            let draft = self.queued.iter().position(|waiting| !waiting.done);
            self.queued.remove(draft.unwrap_or(0));
        }
    }

    /// When the next batch is due, by engine uptime.
    pub(super) fn due_ms(&self) -> Option<u64> {
        self.due_ms
    }

    /// Whether a batch is due. The next one is due an interval later, whether this one can be sent or not.
    pub(super) fn take_due(&mut self, uptime_ms: u64) -> bool {
        let Some(due_ms) = self.due_ms.filter(|due_ms| uptime_ms >= *due_ms) else { return false };
        self.due_ms = Some(if uptime_ms - due_ms < BATCH_INTERVAL_MS { due_ms } else { uptime_ms } + BATCH_INTERVAL_MS);
        true
    }

    /// The next batch for each reader. Words said before a reader joined are not for it, as the audio was not.
    pub(super) fn next_batch(&mut self, rng: &mut ChaCha20Rng) -> Vec<GroupMessage> {
        let (mut batch, mut length) = (Vec::new(), "[]".len());
        while let Some(next) = self.queued.front() {
            length += serde_json::to_vec(next).map_or(0, |json| json.len() + ",".len());
            if length > BATCH_BYTES {
                break;
            }
            batch.extend(self.queued.pop_front());
        }
        let seal = |(device, reader): (&DeviceId, &CaptionReader)| {
            let present: Vec<_> = batch.iter().filter(|caption| caption.start_ms >= reader.since_ms).collect();
            seal(&reader.key, &present, *device, rng)
        };
        self.readers.iter().filter_map(seal).collect()
    }

    /// Adds a caption of the speaker `name` to the screen; it replaces its drafts.
    pub(super) fn show(&mut self, name: String, caption: Caption) {
        self.latency_ms = Some(caption.behind_ms);
        self.lines.retain(|line| !caption.supersedes(&line.caption));
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

impl Caption {
    /// Whether this replaces `old`: a draft of the same part, or any draft of a passage that is final now.
    fn supersedes(&self, old: &Self) -> bool {
        let draft_of_it = !old.done && old.speaker == self.speaker && old.passage == self.passage;
        draft_of_it && (self.done || old.part == self.part)
    }
}

/// The caption as lines that fit into a batch each.
fn lines(caption: Caption) -> Vec<Caption> {
    let mut lines = split(&caption.text);
    if !caption.done {
        // The newest words of a draft are what a reader waits for.
        lines.drain(..lines.len().saturating_sub(1));
    }
    lines.into_iter().map(|text| Caption { text, ..caption.clone() }).collect()
}

/// Splits a text between words into lines whose JSON has at most [`MAX_LINE_BYTES`] bytes; at least one line.
fn split(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_inclusive(' ') {
        // A word without spaces may be long, in Chinese for example: then it is split between characters.
        let whole = json_length(word) <= MAX_LINE_BYTES;
        let pieces = if whole { vec![word.to_owned()] } else { word.chars().map(String::from).collect() };
        for piece in pieces {
            match lines.last_mut() {
                Some(line) if json_length(line) + json_length(&piece) <= MAX_LINE_BYTES => line.push_str(&piece),
                _ => lines.push(piece),
            }
        }
    }
    lines
}

fn json_length(text: &str) -> usize {
    serde_json::to_string(text).map_or(usize::MAX / 2, |json| json.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use chacha20::rand_core::SeedableRng as _;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const DESK: DeviceId = DeviceId::from_bytes([2; 16]);

    fn caption(passage: u64, text: &str, done: bool) -> Caption {
        let speaker = DeviceId::from_bytes([1; 16]);
        Caption { speaker, passage, part: 0, start_ms: 5, text: text.into(), done, behind_ms: 9 }
    }

    fn rng() -> ChaCha20Rng {
        ChaCha20Rng::from_seed([1; 32])
    }

    /// A note-taker's state with one reader, and the reader's key.
    fn with_reader() -> (CaptionState, CaptionKey) {
        let key = CaptionKey::new(&mut rng());
        let mut state = CaptionState::default();
        state.add_reader(DESK, key.public(), 0, 0);
        (state, key)
    }

    /// What the reader gets of the next batch, and the length of the message.
    fn next(state: &mut CaptionState, key: &CaptionKey) -> (Vec<Caption>, usize) {
        let mut messages = state.next_batch(&mut rng());
        let (Some(message), true) = (messages.pop(), messages.is_empty()) else { panic!("not one message") };
        let length = serde_json::to_vec(&message).unwrap().len();
        let GroupMessage::Captions { to: DESK, enc, sealed } = message else { panic!("{message:?}") };
        (key.open(&enc, &sealed).unwrap(), length)
    }

    #[test]
    fn only_their_reader_can_open_captions() {
        let (mut state, desk) = with_reader();
        state.queue(caption(1, "on inspections", true));
        let Some(GroupMessage::Captions { enc, mut sealed, .. }) = state.next_batch(&mut rng()).pop() else { panic!() };
        assert_eq!(desk.open(&enc, &sealed), Some(vec![caption(1, "on inspections", true)]));
        assert_eq!(CaptionKey::new(&mut ChaCha20Rng::from_seed([2; 32])).open(&enc, &sealed), None);
        sealed.0[0] ^= 1;
        assert_eq!(desk.open(&enc, &sealed), None);
    }

    #[test]
    fn every_batch_has_one_length_whatever_was_said() {
        let (mut state, desk) = with_reader();
        let (silence, length) = next(&mut state, &desk);
        assert!(silence.is_empty());
        for text in ["Yes.", &"word ".repeat(500), &"\u{1}\"\\".repeat(300), &"\u{4e2d}\u{6587}".repeat(400)] {
            state.queue(caption(1, text, true));
            let mut got = String::new();
            while !state.queued.is_empty() {
                let (captions, this) = next(&mut state, &desk);
                assert_eq!(this, length);
                assert!(!captions.is_empty());
                captions.iter().for_each(|caption| got.push_str(&caption.text));
            }
            assert_eq!(got, text);
        }
    }

    #[test]
    fn a_waiting_draft_is_replaced_and_a_final_text_is_not_lost_in_a_flood_of_drafts() {
        let (mut state, desk) = with_reader();
        state.queue(caption(1, "the", false));
        state.queue(caption(1, "the treaty", false));
        assert_eq!(next(&mut state, &desk).0, [caption(1, "the treaty", false)]);
        state.queue(caption(1, "the trea", false));
        state.queue(caption(1, "The treaty.", true));
        for passage in 2..2_000 {
            state.queue(caption(passage, "draft", false));
        }
        assert_eq!(state.queued.len(), MAX_QUEUED);
        assert_eq!(next(&mut state, &desk).0[0], caption(1, "The treaty.", true));
    }

    #[test]
    fn batches_are_due_at_a_constant_interval_while_there_is_a_reader() {
        let (mut state, _) = with_reader();
        let due: Vec<u64> = (0..2_000).filter(|uptime_ms| state.take_due(*uptime_ms)).collect();
        assert_eq!(due, [500, 1_000, 1_500]);
        // After a time in which the device slept, the missed batches are not made up for.
        assert!(state.take_due(60_000));
        assert_eq!(state.due_ms(), Some(60_500));
        state.retain_readers(|_| false);
        assert_eq!(state.due_ms(), None);
    }

    #[test]
    fn a_malformed_key_is_refused() {
        assert_eq!(seal(&Blob(vec![0; 10]), &[&caption(1, "", true)], DESK, &mut rng()), None);
    }
}
