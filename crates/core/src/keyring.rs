//! The SFrame keys of a call: one per sender and epoch, from the MLS exporter (RFC 9605, section 5.2).

use crate::{
    link::Link,
    payload::{Loader, Payload, PayloadError},
    sframe::{Header, KEY_LEN, Key, SframeError},
    shape::{Shape, Shaper},
};
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
    /// What it carries is not laid out as this version knows it.
    #[error(transparent)]
    Payload(#[from] PayloadError),
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
    pub packet: Vec<u8>,
    /// Whether that packet came before, as a copy.
    pub known: bool,
    /// Earlier packets that had not come in any way before, each with its counter, the oldest first.
    pub copies: Vec<(u64, Vec<u8>)>,
    /// Whether those were not sent before, and are to be played with the packet.
    pub bundle: bool,
}

struct Window {
    newest: u64,
    seen: [u64; REPLAY_WINDOW / 64],
}

impl Default for Window {
    fn default() -> Self {
        Self { newest: 0, seen: [0; REPLAY_WINDOW / 64] }
    }
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
    /// Frames that were opened.
    window: Window,
    /// Packets that were handed out, from their own frame or as copies.
    packets: Window,
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
    loader: Loader,
    link: Link,
    shaper: Shaper,
}

impl Default for Keyring {
    fn default() -> Self {
        Self::new()
    }
}

impl Keyring {
    /// Without any key: seals and opens nothing.
    pub fn new() -> Self {
        Self {
            epochs: Vec::new(),
            own: None,
            next_counter: 0,
            loader: Loader::default(),
            link: Link::default(),
            shaper: Shaper::default(),
        }
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
        self.take_own(Key::derive(&*base_key, kid(own, number)));
        // Nobody sends this device its own sound: frames under its own key are somebody's replay.
        let leaves: Vec<u32> = leaves.into_iter().filter(|leaf| *leaf != own).collect();
        self.link.members(&leaves);
        self.epochs.push(Epoch { number, base_key, leaves, senders: BTreeMap::new(), until_ms: None });
    }

    /// Seals from now on with the key of an epoch that is not entered yet. Nothing of it can be opened before
    /// [`Keyring::enter`]. If another epoch of the same number is entered instead, its keys are others, and the counter
    /// has run on: no key ever seals two frames under one counter.
    pub fn seal_ahead(&mut self, number: u64, base_key: &[u8; KEY_LEN], own: u32) {
        self.take_own(Key::derive(base_key, kid(own, number)));
    }

    /// Seals with another key from now on. What was sealed with the one before is not copied under this one: whoever
    /// joins with it has not heard what was said before.
    fn take_own(&mut self, key: Key) {
        if self.own.as_ref().is_none_or(|own| !own.is(&key)) {
            self.loader.forget();
        }
        self.own = Some(key);
    }

    /// Erases the sealing key, until an epoch is entered.
    pub fn stop_sealing(&mut self) {
        self.own = None;
        self.loader.forget();
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
        self.loader.forget();
    }

    /// How this device sends now. It changes with what the others report.
    pub fn shape(&self) -> Shape {
        self.shaper.shape()
    }

    /// The frame `counter` of a leaf came at `now_us`, by a clock that does not go back. Its sender is told of a queue.
    pub fn arrived(&mut self, leaf: u32, counter: u64, now_us: u64) {
        self.link.arrived(leaf, counter, now_us);
    }

    /// Seals one Opus packet. Gives the frame to send, or nothing: when there is no key, because what cannot be encrypted is
    /// not sent, and while the packet waits for others that share its frame.
    pub fn seal(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        let own = self.own.as_ref()?;
        let Shape { copies, bundle, .. } = self.shaper.shape();
        self.loader.carry(copies, bundle);
        let payload = self.loader.load(packet, || self.link.next_report());
        let frame = payload.map(|payload| own.seal(self.next_counter, b"", &payload)).transpose().ok()?;
        self.shaper.frame(self.link.worst(self.next_counter));
        self.next_counter += 1;
        frame
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
            window: Window::default(),
            packets: Window::default(),
        });
        let payload = sender.key.open(header, header_len, b"", frame)?;
        if !sender.window.take(header.ctr) {
            return Err(OpenError::Replayed);
        }
        let Payload { packet, copies, bundle, report } = Payload::parse(&payload)?;
        self.link.came(leaf, header.ctr);
        if bundle {
            let before = copies.iter().filter_map(|(age, _)| header.ctr.checked_sub((*age).into()));
            before.for_each(|counter| self.link.came(leaf, counter));
        }
        let about_this = |about: u8| self.own.as_ref().is_some_and(|own| own.kid() >> EPOCH_BITS == u64::from(about));
        if let Some(report) = report.filter(|report| about_this(report.about)) {
            self.link.reported(leaf, report, self.next_counter);
        }
        let mut copies: Vec<(u64, Vec<u8>)> = copies
            .into_iter()
            .filter_map(|(age, copy)| Some((header.ctr.checked_sub(age.into())?, copy)))
            .filter(|(counter, _)| sender.packets.take(*counter))
            .map(|(counter, copy)| (counter, copy.to_vec()))
            .collect();
        copies.sort_unstable_by_key(|(counter, _)| *counter);
        let known = !sender.packets.take(header.ctr);
        let (packet, epoch) = (packet.to_vec(), epoch.number);
        Ok(OpenedFrame { leaf, epoch, counter: header.ctr, packet, known, copies, bundle })
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
        assert_eq!((opened.leaf, opened.epoch, opened.counter, &opened.packet[..]), (0, 3, 0, &b"opus"[..]));
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

    /// Frames of `a` after `b` has reported so much loss that two copies are carried.
    fn with_copies() -> (Keyring, Keyring) {
        let (mut a, mut b) = pair();
        for round in 0..400 {
            let frame = a.seal(&packet(0)).unwrap();
            if round % 5 != 0 {
                b.open(&frame).unwrap();
            }
            a.open(&b.seal(&packet(0)).unwrap()).unwrap();
        }
        assert_eq!(a.shape().copies, [2, 4]);
        (a, b)
    }

    fn packet(number: u8) -> Vec<u8> {
        vec![number; 80]
    }

    #[test]
    fn what_was_lost_comes_again_once_with_the_frames_after_it() {
        let (mut a, mut b) = with_copies();
        let frames: Vec<_> = (1..=6).map(|number| a.seal(&packet(number)).unwrap()).collect();
        b.open(&frames[0]).unwrap();
        // Two are lost, one of which is only late.
        let fourth = b.open(&frames[3]).unwrap();
        assert_eq!(fourth.copies, [(401, packet(2))]);
        assert_eq!((fourth.packet, fourth.known), (packet(4), false));
        assert_eq!(b.open(&frames[4]).unwrap().copies, [(402, packet(3))]);
        let late = b.open(&frames[2]).unwrap();
        assert_eq!((late.counter, late.known, late.copies.len()), (402, true, 0));
        assert!(b.open(&frames[5]).unwrap().copies.is_empty());
    }

    #[test]
    fn nothing_of_an_epoch_is_copied_into_the_next() {
        let (mut a, _) = with_copies();
        a.seal(&packet(7)).unwrap();
        let mut joiner = Keyring::new();
        let base = Zeroizing::new([2; 32]);
        joiner.enter(4, base.clone(), 1, vec![0, 1], 0);
        // The one who commits goes ahead with the next key, and enters its epoch later.
        a.seal_ahead(4, &base, 0);
        let first = joiner.open(&a.seal(&packet(8)).unwrap()).unwrap();
        assert!(first.copies.is_empty(), "the joiner hears what was said before it joined");
        a.enter(4, base, 0, vec![0, 1], 0);
        let fourth = {
            a.seal(&packet(9)).unwrap();
            a.seal(&packet(10)).unwrap();
            joiner.open(&a.seal(&packet(11)).unwrap()).unwrap()
        };
        assert_eq!(fourth.copies, [(402, packet(9))]);
        let mut later = Keyring::new();
        later.enter(5, Zeroizing::new([3; 32]), 1, vec![0, 1], 0);
        a.stop_sealing();
        a.enter(5, Zeroizing::new([3; 32]), 0, vec![0, 1], 0);
        assert!(later.open(&a.seal(&packet(11)).unwrap()).unwrap().copies.is_empty());
    }

    #[test]
    fn sizes_follow_loss_and_not_what_is_said() {
        let sizes = |said: &dyn Fn(u64) -> u8| -> Vec<usize> {
            let (mut a, mut b) = pair();
            let mut sizes = Vec::new();
            for round in 0..2_000 {
                let frame = a.seal(&packet(said(round))).unwrap();
                sizes.push(frame.len());
                if !(500..1_000).contains(&round) || round % 4 != 0 {
                    b.open(&frame).unwrap();
                }
                a.open(&b.seal(&packet(said(round + 7))).unwrap()).unwrap();
            }
            sizes
        };
        let silent = sizes(&|_| 0);
        assert_eq!(silent, sizes(&|round| (round * 31 % 251) as u8));
        let (least, most) = (silent.iter().min().unwrap(), silent.iter().max().unwrap());
        assert!(most - least > 150, "no copies were carried: {least} to {most} bytes");
    }

    #[test]
    fn a_report_about_somebody_else_changes_nothing() {
        let (mut a, mut b) = (Keyring::new(), Keyring::new());
        a.enter(3, Zeroizing::new([1; 32]), 0, vec![0, 1, 2], 0);
        b.enter(3, Zeroizing::new([1; 32]), 1, vec![0, 1, 2], 0);
        let mut c = Keyring::new();
        c.enter(3, Zeroizing::new([1; 32]), 2, vec![0, 1, 2], 0);
        for round in 0..400 {
            let (of_a, of_c) = (a.seal(&packet(0)).unwrap(), c.seal(&packet(0)).unwrap());
            b.open(&of_a).unwrap();
            if round % 4 != 0 {
                b.open(&of_c).unwrap();
            }
            let of_b = b.seal(&packet(0)).unwrap();
            a.open(&of_b).unwrap();
            c.open(&of_b).unwrap();
        }
        assert_eq!((a.shape().copies, c.shape().copies), (&[][..], &[2, 4][..]));
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
