//! The SFrame keys of a call: one per sender and epoch, derived from the MLS exporter (RFC 9605, section 5.2).

use super::{
    feedback::ReceiverFeedback,
    rate::{RateController, SendProfile},
    red::{Payload, PayloadError, RedEncoder},
    replay::ReplayWindow,
    sframe::{BaseKey, Header, KEY_LEN, Key, SframeError},
};
use std::collections::BTreeMap;

/// Low bits of the epoch in a key id (`E` of RFC 9605, section 5.2).
pub const EPOCH_BITS: u32 = 8;
/// Bits of the sender's leaf index (`S`). Leaves of removed members are reused, so eight members stay far below.
pub const INDEX_BITS: u32 = 8;
/// How long frames of the previous epoch are still opened, milliseconds: those in flight when the keys changed. Nobody
/// seals with the old key any more, and it is erased after this.
pub const PREVIOUS_EPOCH_MS: u64 = 2_000;
/// Why a frame could not be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Not an SFrame, altered, or sealed with another key.
    #[error(transparent)]
    Frame(#[from] SframeError),
    /// The key id names an epoch that this device has no key of: it left, has not joined yet, or the commit is in flight.
    /// The frame may be retried after the next commit.
    #[error("no key for this epoch yet")]
    UnknownEpoch,
    /// The key id names no member of its epoch.
    #[error("the sender is not a member of the call")]
    NotAMember,
    /// This frame was opened before, or is older than the replay window.
    #[error("the frame was replayed")]
    Replayed,
    /// Its payload is malformed or of another version.
    #[error(transparent)]
    Payload(#[from] PayloadError),
}

/// An opened frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenedFrame {
    /// Leaf index of the sender in its epoch.
    pub leaf: u32,
    /// The epoch it was sealed in.
    pub epoch: u64,
    /// The sender's frame counter. It continues across epochs, one per 20 ms of audio, so it orders and times the stream,
    /// and unlike an RTP header it is authenticated.
    pub counter: u64,
    /// The Opus packet.
    pub packet: Vec<u8>,
    /// Whether that packet was received before, as a redundant copy.
    pub duplicate: bool,
    /// Earlier packets that were not received before, each with its counter, oldest first.
    pub earlier: Vec<(u64, Vec<u8>)>,
    /// Whether the earlier packets were sent here for the first time, to be played with the packet.
    pub aggregated: bool,
    /// Whether the sender's microphone is muted.
    pub muted: bool,
}

struct Sender {
    key: Key,
    /// Frames that were opened.
    frames: ReplayWindow,
    /// Packets that were handed out, from their own frame or as redundant copies.
    packets: ReplayWindow,
}

struct Epoch {
    number: u64,
    base_key: BaseKey,
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
    red: RedEncoder,
    feedback: ReceiverFeedback,
    rate: RateController,
}

impl Default for Keyring {
    fn default() -> Self {
        Self::new()
    }
}

impl Keyring {
    /// A keyring without any key: it seals and opens nothing.
    pub fn new() -> Self {
        Self {
            epochs: Vec::new(),
            own: None,
            next_counter: 0,
            red: RedEncoder::default(),
            feedback: ReceiverFeedback::default(),
            rate: RateController::default(),
        }
    }

    /// Enters an epoch: from now on frames are sealed with its key only; frames of the previous epoch are still opened for
    /// [`PREVIOUS_EPOCH_MS`].
    ///
    /// `leaves` are the members' leaf indices, `own` this device's.
    pub fn enter(&mut self, number: u64, base_key: BaseKey, own: u32, leaves: Vec<u32>, now_ms: u64) {
        for epoch in &mut self.epochs {
            epoch.until_ms.get_or_insert(now_ms.saturating_add(PREVIOUS_EPOCH_MS));
        }
        // RFC 9605, 5.2: an old epoch with the same low bits must go.
        self.epochs.retain(|epoch| low_bits(epoch.number) != low_bits(number));
        self.set_sealing_key(Key::derive(&**base_key, kid(own, number)));
        // Nobody sends this device its own audio: a frame under its own key is a replay.
        let leaves: Vec<u32> = leaves.into_iter().filter(|leaf| *leaf != own).collect();
        self.feedback.retain_leaves(&leaves);
        self.epochs.push(Epoch { number, base_key, leaves, senders: BTreeMap::new(), until_ms: None });
    }

    /// Seals from now on with the key of an epoch whose commit is not confirmed yet. Its frames can be opened only after
    /// [`Keyring::enter`]. If another epoch of the same number is entered instead, it has different keys, and the counter
    /// continues: no key ever seals two frames under one counter.
    pub fn seal_with_pending_epoch(&mut self, number: u64, base_key: &[u8; KEY_LEN], own: u32) {
        self.set_sealing_key(Key::derive(base_key, kid(own, number)));
    }

    /// Seals with another key from now on. Packets sealed with the previous key are not repeated under this one: a member
    /// who joined with it must not hear what was said before.
    fn set_sealing_key(&mut self, key: Key) {
        if self.own.as_ref().is_none_or(|own| !own.same_as(&key)) {
            self.red.clear();
        }
        self.own = Some(key);
    }

    /// Erases the sealing key until an epoch is entered.
    pub fn stop_sealing(&mut self) {
        self.own = None;
        self.red.clear();
    }

    /// Erases the keys of expired epochs.
    pub fn expire(&mut self, now_ms: u64) {
        self.epochs.retain(|epoch| epoch.until_ms.is_none_or(|until| now_ms < until));
    }

    /// When [`Keyring::expire`] is due next, milliseconds.
    pub fn next_expiry_ms(&self) -> Option<u64> {
        self.epochs.iter().filter_map(|epoch| epoch.until_ms).min()
    }

    /// Erases all keys.
    pub fn clear(&mut self) {
        self.epochs.clear();
        self.own = None;
        self.red.clear();
    }

    /// How this device sends now; it follows the receivers' reports.
    pub fn send_profile(&self) -> SendProfile {
        self.rate.profile()
    }

    /// Records when frame `counter` of a leaf arrived, microseconds on a monotonic clock: for the standing queue that is
    /// reported to its sender.
    pub fn record_arrival(&mut self, leaf: u32, counter: u64, now_us: u64) {
        self.feedback.on_arrival(leaf, counter, now_us);
    }

    /// From the next frame on, tells the receivers whether this device's microphone is muted.
    pub fn set_muted(&mut self, muted: bool) {
        self.red.set_muted(muted);
    }

    /// Seals one Opus packet. Gives the frame to send; nothing when there is no key, since what cannot be encrypted is not
    /// sent, and while the packet waits for others that share its frame.
    pub fn seal(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        let own = self.own.as_ref()?;
        let SendProfile { redundancy, packets_per_frame, .. } = self.rate.profile();
        self.red.configure(redundancy, packets_per_frame);
        let payload = self.red.encode(packet, || self.feedback.next_report());
        let frame = payload.map(|payload| own.seal(self.next_counter, b"", &payload)).transpose().ok()?;
        self.rate.on_frame(self.feedback.worst(self.next_counter));
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
            key: Key::derive(&***base_key, header.kid),
            frames: ReplayWindow::default(),
            packets: ReplayWindow::default(),
        });
        let payload = sender.key.open(header, header_len, b"", frame)?;
        if !sender.frames.accept(header.ctr) {
            return Err(OpenError::Replayed);
        }
        let Payload { packet, earlier, aggregated, report, muted } = Payload::parse(&payload)?;
        self.feedback.on_frame(leaf, header.ctr);
        if aggregated {
            let before = earlier.iter().filter_map(|(age, _)| header.ctr.checked_sub((*age).into()));
            before.for_each(|counter| self.feedback.on_frame(leaf, counter));
        }
        let about_this = |about: u8| self.own.as_ref().is_some_and(|own| own.kid() >> EPOCH_BITS == u64::from(about));
        if let Some(report) = report.filter(|report| about_this(report.about)) {
            self.feedback.on_report(leaf, report, self.next_counter);
        }
        let mut earlier: Vec<(u64, Vec<u8>)> = earlier
            .into_iter()
            .filter_map(|(age, packet)| Some((header.ctr.checked_sub(age.into())?, packet)))
            .filter(|(counter, _)| sender.packets.accept(*counter))
            .map(|(counter, packet)| (counter, packet.to_vec()))
            .collect();
        earlier.sort_unstable_by_key(|(counter, _)| *counter);
        let duplicate = !sender.packets.accept(header.ctr);
        let (packet, epoch) = (packet.to_vec(), epoch.number);
        Ok(OpenedFrame { leaf, epoch, counter: header.ctr, packet, duplicate, earlier, aggregated, muted })
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
    use crate::media::replay::WINDOW_FRAMES;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;
    use zeroize::Zeroizing;

    fn base(bytes: [u8; KEY_LEN]) -> BaseKey {
        Box::new(Zeroizing::new(bytes))
    }

    fn pair() -> (Keyring, Keyring) {
        let (mut a, mut b) = (Keyring::new(), Keyring::new());
        a.enter(3, base([1; 32]), 0, vec![0, 1], 0);
        b.enter(3, base([1; 32]), 1, vec![0, 1], 0);
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
        let frames: Vec<_> = (0..2 * WINDOW_FRAMES).map(|_| a.seal(b"opus").unwrap()).collect();
        b.open(&frames[5]).unwrap();
        b.open(&frames[2]).unwrap();
        b.open(&frames[2 * WINDOW_FRAMES - 1]).unwrap();
        b.open(&frames[WINDOW_FRAMES]).unwrap();
        assert_eq!(b.open(&frames[3]), Err(OpenError::Replayed));
        assert_eq!(b.open(&frames[WINDOW_FRAMES]), Err(OpenError::Replayed));
    }

    #[test]
    fn counters_continue_across_epochs_and_old_keys_are_erased() {
        let (mut a, mut b) = pair();
        let old = a.seal(b"one").unwrap();
        a.enter(4, base([2; 32]), 0, vec![0, 1], 100);
        let new = a.seal(b"two").unwrap();
        assert_eq!(b.open(&new), Err(OpenError::UnknownEpoch));
        b.enter(4, base([2; 32]), 1, vec![0, 1], 100);
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

    /// A pair in which `b` has reported so much loss that `a` sends two redundant copies.
    fn with_redundancy() -> (Keyring, Keyring) {
        let (mut a, mut b) = pair();
        for round in 0..400 {
            let frame = a.seal(&packet(0)).unwrap();
            if round % 5 != 0 {
                b.open(&frame).unwrap();
            }
            a.open(&b.seal(&packet(0)).unwrap()).unwrap();
        }
        assert_eq!(a.send_profile().redundancy, [2, 4]);
        (a, b)
    }

    fn packet(number: u8) -> Vec<u8> {
        vec![number; 80]
    }

    #[test]
    fn a_lost_packet_is_recovered_once_from_later_frames() {
        let (mut a, mut b) = with_redundancy();
        let frames: Vec<_> = (1..=6).map(|number| a.seal(&packet(number)).unwrap()).collect();
        b.open(&frames[0]).unwrap();
        // Two frames are missing, one of them only late.
        let fourth = b.open(&frames[3]).unwrap();
        assert_eq!(fourth.earlier, [(401, packet(2))]);
        assert_eq!((fourth.packet, fourth.duplicate), (packet(4), false));
        assert_eq!(b.open(&frames[4]).unwrap().earlier, [(402, packet(3))]);
        let late = b.open(&frames[2]).unwrap();
        assert_eq!((late.counter, late.duplicate, late.earlier.len()), (402, true, 0));
        assert!(b.open(&frames[5]).unwrap().earlier.is_empty());
    }

    #[test]
    fn no_packet_is_repeated_in_the_next_epoch() {
        let (mut a, _) = with_redundancy();
        a.seal(&packet(7)).unwrap();
        let mut joiner = Keyring::new();
        let second = base([2; 32]);
        joiner.enter(4, second.clone(), 1, vec![0, 1], 0);
        // The committer seals with the pending epoch's key, and enters that epoch later.
        a.seal_with_pending_epoch(4, &second, 0);
        let first = joiner.open(&a.seal(&packet(8)).unwrap()).unwrap();
        assert!(first.earlier.is_empty(), "the joiner hears what was said before it joined");
        a.enter(4, second, 0, vec![0, 1], 0);
        let fourth = {
            a.seal(&packet(9)).unwrap();
            a.seal(&packet(10)).unwrap();
            joiner.open(&a.seal(&packet(11)).unwrap()).unwrap()
        };
        assert_eq!(fourth.earlier, [(402, packet(9))]);
        let mut later = Keyring::new();
        later.enter(5, base([3; 32]), 1, vec![0, 1], 0);
        a.stop_sealing();
        a.enter(5, base([3; 32]), 0, vec![0, 1], 0);
        assert!(later.open(&a.seal(&packet(11)).unwrap()).unwrap().earlier.is_empty());
    }

    #[test]
    fn frame_sizes_depend_on_loss_and_not_on_content() {
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
        assert!(most - least > 150, "no redundancy was sent: {least} to {most} bytes");
    }

    #[test]
    fn a_report_about_another_sender_changes_nothing() {
        let (mut a, mut b) = (Keyring::new(), Keyring::new());
        a.enter(3, base([1; 32]), 0, vec![0, 1, 2], 0);
        b.enter(3, base([1; 32]), 1, vec![0, 1, 2], 0);
        let mut c = Keyring::new();
        c.enter(3, base([1; 32]), 2, vec![0, 1, 2], 0);
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
        assert_eq!((a.send_profile().redundancy, c.send_profile().redundancy), (&[][..], &[2, 4][..]));
    }

    #[test]
    fn a_frame_of_a_leaf_that_is_not_a_member_is_refused() {
        let (_, mut b) = pair();
        let mut ghost = Keyring::new();
        ghost.enter(3, base([1; 32]), 7, vec![7], 0);
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
