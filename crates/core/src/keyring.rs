//! The SFrame keys of a call: one per sender and epoch, from the MLS exporter (RFC 9605, section 5.2).

use crate::sframe::{Header, KEY_LEN, Key, SframeError};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// Low bits of the epoch in a key id (`E` of RFC 9605, section 5.2).
pub const EPOCH_BITS: u32 = 8;
/// Bits of the sender's leaf index (`S`). Leaves of removed members are reused, so eight members stay far below.
pub const INDEX_BITS: u32 = 8;
/// How long frames of the epoch before are still opened, milliseconds: what was on its way when the keys changed.
/// Nobody seals with the old key any more, and it is erased after this.
pub const PREVIOUS_EPOCH_MS: u64 = 2_000;
/// How far behind the newest counter a frame may arrive, in frames (20 s). Older ones are of no use to anybody who
/// listens, and a window must end somewhere.
const REPLAY_WINDOW: usize = 1024;

/// Largest frame counter: 700 years of speech. Sums with it cannot overflow.
const MAX_COUNTER: u64 = 1 << 40;

/// What came of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Not an SFrame, altered, or sealed with another key.
    #[error(transparent)]
    Frame(#[from] SframeError),
    /// The key id names an epoch this device has no key of: it left, or has not joined yet, or the commit is on its
    /// way. The frame may be tried again after the next commit.
    #[error("no key for this epoch yet")]
    UnknownEpoch,
    /// The key id names no member of its epoch.
    #[error("the sender is not a member of the call")]
    NotAMember,
    /// This frame, or one long after it, was opened before.
    #[error("the frame was played before")]
    Replayed,
}

/// A frame that was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenedFrame {
    /// Leaf index of the sender in its epoch.
    pub leaf: u32,
    /// The epoch it was sealed in.
    pub epoch: u64,
    /// The sender's frame counter. It runs on across epochs, one per 20 ms of sound, so it orders and times the
    /// stream, and unlike an RTP header it is authenticated.
    pub counter: u64,
    /// The Opus packet.
    pub payload: Vec<u8>,
}

struct Window {
    newest: u64,
    seen: [u64; REPLAY_WINDOW / 64],
}

impl Window {
    /// Whether `counter` is new; remembers it. Only called for counters that were authenticated.
    fn take(&mut self, counter: u64) -> bool {
        let size = REPLAY_WINDOW as u64;
        if counter > MAX_COUNTER {
            return false;
        }
        if counter > self.newest {
            for passed in self.newest + 1..=counter.min(self.newest + size) {
                self.clear(passed);
            }
            if counter - self.newest >= size {
                self.seen = [0; REPLAY_WINDOW / 64];
            }
            self.newest = counter;
        } else if self.newest - counter >= size {
            return false;
        }
        let (word, bit) = Self::place(counter);
        let fresh = self.seen[word] & bit == 0;
        self.seen[word] |= bit;
        fresh
    }

    fn clear(&mut self, counter: u64) {
        let (word, bit) = Self::place(counter);
        self.seen[word] &= !bit;
    }

    fn place(counter: u64) -> (usize, u64) {
        let at = (counter % REPLAY_WINDOW as u64) as usize;
        (at / 64, 1 << (at % 64))
    }
}

struct Sender {
    key: Key,
    window: Window,
}

struct Epoch {
    number: u64,
    base_key: Zeroizing<[u8; KEY_LEN]>,
    leaves: Vec<u32>,
    senders: BTreeMap<u32, Sender>,
    /// When its keys are erased; none for the current epoch.
    until_ms: Option<u64>,
}

/// Seals this device's frames and opens the others'.
pub struct Keyring {
    epochs: Vec<Epoch>,
    own: Option<Key>,
    next_counter: u64,
}

impl Default for Keyring {
    fn default() -> Self {
        Self::new()
    }
}

impl Keyring {
    /// Without any key: seals and opens nothing.
    pub fn new() -> Self {
        Self { epochs: Vec::new(), own: None, next_counter: 0 }
    }

    /// Enters an epoch: from now on frames are sealed with its key only; those of the epoch before are still opened
    /// for [`PREVIOUS_EPOCH_MS`].
    ///
    /// `leaves` are the members' leaf indices, `own` this device's.
    pub fn enter(&mut self, number: u64, base_key: Zeroizing<[u8; KEY_LEN]>, own: u32, leaves: Vec<u32>, now_ms: u64) {
        for epoch in &mut self.epochs {
            epoch.until_ms.get_or_insert(now_ms.saturating_add(PREVIOUS_EPOCH_MS));
        }
        // RFC 9605, 5.2: an old epoch with the same low bits must go.
        self.epochs.retain(|epoch| low_bits(epoch.number) != low_bits(number));
        self.own = Some(Key::derive(&*base_key, kid(own, number)));
        // Nobody sends this device its own sound: frames under its own key are somebody's replay.
        let leaves = leaves.into_iter().filter(|leaf| *leaf != own).collect();
        self.epochs.push(Epoch { number, base_key, leaves, senders: BTreeMap::new(), until_ms: None });
    }

    /// Seals from now on with the key of an epoch that is not entered yet. Nothing of it can be opened before
    /// [`Keyring::enter`]. If another epoch of the same number is entered instead, its keys are others, and the counter
    /// has run on: no key ever seals two frames under one counter.
    pub fn seal_ahead(&mut self, number: u64, base_key: &[u8; KEY_LEN], own: u32) {
        self.own = Some(Key::derive(base_key, kid(own, number)));
    }

    /// Erases the sealing key, until an epoch is entered.
    pub fn stop_sealing(&mut self) {
        self.own = None;
    }

    /// Erases the keys of epochs whose time is over.
    pub fn expire(&mut self, now_ms: u64) {
        self.epochs.retain(|epoch| epoch.until_ms.is_none_or(|until| now_ms < until));
    }

    /// When [`Keyring::expire`] next has something to do.
    pub fn next_expiry_ms(&self) -> Option<u64> {
        self.epochs.iter().filter_map(|epoch| epoch.until_ms).min()
    }

    /// Erases everything.
    pub fn clear(&mut self) {
        self.epochs.clear();
        self.own = None;
    }

    /// Seals one Opus packet, or nothing when there is no key: what cannot be encrypted is not sent.
    pub fn seal(&mut self, payload: &[u8]) -> Option<Vec<u8>> {
        let frame = self.own.as_ref()?.seal(self.next_counter, b"", payload).ok()?;
        self.next_counter += 1;
        Some(frame)
    }

    /// Opens one frame.
    pub fn open(&mut self, frame: &[u8]) -> Result<OpenedFrame, OpenError> {
        let (header, header_len) = Header::decode(frame)?;
        let leaf = u32::try_from(header.kid >> EPOCH_BITS).map_err(|_| OpenError::NotAMember)?;
        let low = header.kid & ((1 << EPOCH_BITS) - 1);
        let epoch =
            self.epochs.iter_mut().find(|epoch| low_bits(epoch.number) == low).ok_or(OpenError::UnknownEpoch)?;
        if !epoch.leaves.contains(&leaf) {
            return Err(OpenError::NotAMember);
        }
        let base_key = &epoch.base_key;
        let sender = epoch.senders.entry(leaf).or_insert_with(|| Sender {
            key: Key::derive(&**base_key, header.kid),
            window: Window { newest: 0, seen: [0; REPLAY_WINDOW / 64] },
        });
        let payload = sender.key.open(header, header_len, b"", frame)?;
        if !sender.window.take(header.ctr) {
            return Err(OpenError::Replayed);
        }
        Ok(OpenedFrame { leaf, epoch: epoch.number, counter: header.ctr, payload })
    }
}

fn low_bits(epoch: u64) -> u64 {
    epoch & ((1 << EPOCH_BITS) - 1)
}

fn kid(leaf: u32, epoch: u64) -> u64 {
    u64::from(leaf) << EPOCH_BITS | low_bits(epoch)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn pair() -> (Keyring, Keyring) {
        let (mut a, mut b) = (Keyring::new(), Keyring::new());
        a.enter(3, Zeroizing::new([1; 32]), 0, vec![0, 1], 0);
        b.enter(3, Zeroizing::new([1; 32]), 1, vec![0, 1], 0);
        (a, b)
    }

    #[test]
    fn without_a_key_nothing_is_sealed() {
        assert_eq!(Keyring::new().seal(b"in the clear"), None);
    }

    #[test]
    fn a_frame_opens_once() {
        let (mut a, mut b) = pair();
        let frame = a.seal(b"opus").unwrap();
        let opened = b.open(&frame).unwrap();
        assert_eq!((opened.leaf, opened.epoch, opened.counter, &opened.payload[..]), (0, 3, 0, &b"opus"[..]));
        assert_eq!(b.open(&frame), Err(OpenError::Replayed));
    }

    #[test]
    fn reordered_frames_open_and_ancient_ones_do_not() {
        let (mut a, mut b) = pair();
        let frames: Vec<_> = (0..2 * REPLAY_WINDOW).map(|_| a.seal(b"opus").unwrap()).collect();
        b.open(&frames[5]).unwrap();
        b.open(&frames[2]).unwrap();
        b.open(&frames[2 * REPLAY_WINDOW - 1]).unwrap();
        b.open(&frames[REPLAY_WINDOW]).unwrap();
        assert_eq!(b.open(&frames[3]), Err(OpenError::Replayed));
        assert_eq!(b.open(&frames[REPLAY_WINDOW]), Err(OpenError::Replayed));
    }

    #[test]
    fn counters_run_on_over_a_new_epoch_and_old_keys_are_erased() {
        let (mut a, mut b) = pair();
        let old = a.seal(b"one").unwrap();
        a.enter(4, Zeroizing::new([2; 32]), 0, vec![0, 1], 100);
        let new = a.seal(b"two").unwrap();
        assert_eq!(b.open(&new), Err(OpenError::UnknownEpoch));
        b.enter(4, Zeroizing::new([2; 32]), 1, vec![0, 1], 100);
        assert_eq!(b.open(&new).unwrap().counter, 1);
        assert_eq!(b.open(&old).unwrap().counter, 0);
        let late = {
            let (mut other, _) = pair();
            other.next_counter = 9;
            other.seal(b"late").unwrap()
        };
        b.expire(100 + PREVIOUS_EPOCH_MS);
        assert_eq!(b.open(&late), Err(OpenError::UnknownEpoch));
    }

    #[test]
    fn a_leaf_that_is_not_in_the_call_cannot_be_heard() {
        let (_, mut b) = pair();
        let mut ghost = Keyring::new();
        ghost.enter(3, Zeroizing::new([1; 32]), 7, vec![7], 0);
        assert_eq!(b.open(&ghost.seal(b"boo").unwrap()), Err(OpenError::NotAMember));
    }

    #[test]
    fn passthrough_is_refused() {
        let (_, mut b) = pair();
        // An Opus packet as a browser would send it without a transform.
        assert!(b.open(&[0x78, 0x0b, 0xe4, 0x31, 0x5f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).is_err());
        assert!(b.open(&[]).is_err());
    }
}
