//! The plaintext inside an SFrame: one Opus packet, redundant copies of earlier packets (or earlier packets aggregated
//! into this frame), and a reception report about one of the other senders.
//!
//! ```text
//! byte 0      muted (highest bit), version (three bits), aggregated (one bit), number of earlier packets c (low three bits)
//! bytes 1-4   reception report: leaf it is about, frames lost in 1/255, mean burst length in 1/16, standing queue in
//!             units of 4 ms
//! c bytes     the age of each earlier packet, in frames; 0: none yet, and its block is zero-filled
//! c + 1       blocks of one size: the earlier packets, then the packet
//! ```
//!
//! In an aggregated frame the earlier packets are the c preceding ones, sent here for the first time: on a narrow link the
//! headers of a datagram outweigh a small packet, so several share one. An aggregated frame carries no redundancy.
//!
//! Whether the sender's microphone is muted is part of every frame, so that muting sends no message of its own, whose time the
//! server would see.
//!
//! The size of a frame depends only on the number of packets and the packet size, never on what is said. The number of
//! redundant copies follows packet loss, which the network observes anyway. The scheme is that of RFC 2198 (RED); its own
//! headers are not used because they would be in the clear.

use std::collections::VecDeque;

/// Version of the payload layout.
pub const VERSION: u8 = 1;
/// Most packets in one frame: 120 ms. More would save little, and one lost frame would cost a whole word.
pub const MAX_PACKETS: usize = 6;
/// Greatest age of a redundant packet, in frames. An older one would miss every receiver's playout deadline.
pub const MAX_AGE: u8 = 15;
/// Flag in byte 0: the sender's microphone is muted.
const MUTED: u8 = 0x80;
/// Flag in byte 0: the earlier packets were not sent before.
const AGGREGATED: u8 = 8;
/// Longest frame, bytes: the longest Opus packet (RFC 6716, section 3.2.1). Redundancy that does not
/// fit is left out; for a constant packet size that is always or never.
pub const MAX_LEN: usize = 1275;
/// Bytes before the ages of the earlier packets.
const FIXED: usize = 5;
/// Leaf index of an absent report.
const NO_REPORT: u8 = u8::MAX;
/// Unit of a reported standing queue, milliseconds.
const QUEUE_UNIT_MS: u32 = 4;
/// Standing queue of a receiver that cannot measure it.
const QUEUE_UNKNOWN: u8 = u8::MAX;

/// Why a payload was refused. Its sender holds a key of the call, so it is faulty, hostile, or of another version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// A layout that this version does not know.
    #[error("a frame of layout version {0}, which this device does not know: update it")]
    Version(u8),
    /// The lengths or ages contradict the header.
    #[error("a frame whose layout does not match its header")]
    Layout,
}

/// What a receiver reports to a sender about its frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceptionReport {
    /// The leaf of the sender that it is about.
    pub about: u8,
    /// Frames lost, of 255.
    pub loss: u8,
    /// Mean length of a loss burst, in sixteenths of a frame.
    pub burst: u8,
    /// Standing queue on the path, milliseconds; none where the receiver cannot measure it (a browser).
    pub queue_ms: Option<u32>,
}

/// A parsed payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload<'a> {
    /// The Opus packet.
    pub packet: &'a [u8],
    /// Earlier packets, each with its age in frames: 1 to [`MAX_AGE`], no two alike.
    pub earlier: Vec<(u8, &'a [u8])>,
    /// Whether the earlier packets are sent here for the first time, instead of being redundant copies.
    pub aggregated: bool,
    /// A reception report.
    pub report: Option<ReceptionReport>,
    /// Whether the sender's microphone is muted: then the packet is silence.
    pub muted: bool,
}

impl<'a> Payload<'a> {
    /// Parses a payload.
    ///
    /// # Errors
    /// When it violates the layout above. The encoding is canonical: each content has exactly one valid layout.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, PayloadError> {
        let (fixed, rest) = bytes.split_at_checked(FIXED).ok_or(PayloadError::Layout)?;
        let (muted, version) = (fixed[0] & MUTED != 0, (fixed[0] & !MUTED) >> 4);
        if version != VERSION {
            return Err(PayloadError::Version(version));
        }
        let (aggregated, count) = (fixed[0] & AGGREGATED != 0, usize::from(fixed[0] & !AGGREGATED & 0x0f));
        let (ages, blocks) = rest.split_at_checked(count).ok_or(PayloadError::Layout)?;
        let size = blocks.len() / (count + 1);
        if count >= MAX_PACKETS
            || aggregated && count == 0
            || size == 0
            || size * (count + 1) != blocks.len()
            || bytes.len() > MAX_LEN
        {
            return Err(PayloadError::Layout);
        }
        let (earlier_blocks, packet) = blocks.split_at(size * count);
        let mut earlier = Vec::with_capacity(count);
        for (place, (age, block)) in ages.iter().zip(earlier_blocks.chunks_exact(size)).enumerate() {
            match *age {
                0 if block.iter().all(|byte| *byte == 0) => {}
                1.. if aggregated && usize::from(*age) != count - place => return Err(PayloadError::Layout),
                1..=MAX_AGE if earlier.iter().all(|(other, _)| other != age) => earlier.push((*age, block)),
                _ => return Err(PayloadError::Layout),
            }
        }
        let report = match fixed[1] {
            NO_REPORT if fixed[2..] == [0; 3] => None,
            NO_REPORT => return Err(PayloadError::Layout),
            about => {
                let queue_ms = (fixed[4] != QUEUE_UNKNOWN).then(|| u32::from(fixed[4]) * QUEUE_UNIT_MS);
                Some(ReceptionReport { about, loss: fixed[2], burst: fixed[3], queue_ms })
            }
        };
        Ok(Self { packet, earlier, aggregated, report, muted })
    }
}

/// Encodes one sender's payloads, and keeps recent packets for redundancy.
pub struct RedEncoder {
    redundancy: &'static [u8],
    packets_per_frame: usize,
    /// Recent packets, newest first.
    packets: VecDeque<Vec<u8>>,
    /// How many of them, at the front, are not sent yet.
    unsent: usize,
    muted: bool,
}

impl Default for RedEncoder {
    fn default() -> Self {
        Self { redundancy: &[], packets_per_frame: 1, packets: VecDeque::new(), unsent: 0, muted: false }
    }
}

impl RedEncoder {
    /// From the next packet on, sends `packets_per_frame` packets in one frame (1 to [`MAX_PACKETS`]) or, where that is one,
    /// redundant copies of the packets of the ages in `redundancy` (1 to [`MAX_AGE`], distinct) with each packet.
    pub fn configure(&mut self, redundancy: &'static [u8], packets_per_frame: usize) {
        debug_assert!(redundancy.len() < MAX_PACKETS && redundancy.iter().all(|age| (1..=MAX_AGE).contains(age)));
        (self.redundancy, self.packets_per_frame) = (redundancy, packets_per_frame.clamp(1, MAX_PACKETS));
    }

    /// From the next frame on, tells the receivers whether the microphone is muted.
    pub fn set_muted(&mut self, muted: bool) {
        self.muted = muted;
    }

    /// Drops all kept packets: they were meant for the members of an earlier epoch.
    pub fn clear(&mut self) {
        self.packets.clear();
        self.unsent = 0;
    }

    /// Takes a packet and gives the payload to send: nothing while an aggregated frame is not full, or for a packet that
    /// cannot be framed (empty, or too long).
    pub fn encode(&mut self, packet: &[u8], report: impl FnOnce() -> Option<ReceptionReport>) -> Option<Vec<u8>> {
        if packet.is_empty() || FIXED + packet.len() > MAX_LEN {
            return None;
        }
        self.packets.push_front(packet.to_vec());
        self.packets.truncate(usize::from(MAX_AGE) + 1);
        self.unsent = (self.unsent + 1).min(MAX_PACKETS);
        if self.unsent < self.packets_per_frame {
            return None;
        }
        const PRECEDING: [u8; MAX_PACKETS - 1] = [5, 4, 3, 2, 1];
        let aggregated = self.unsent > 1;
        let ages = if aggregated { &PRECEDING[MAX_PACKETS - self.unsent..] } else { self.redundancy };
        self.unsent = 0;
        // What does not fit is left out: the oldest packets of an aggregate, the last ages of redundancy.
        let fit = |count: usize| FIXED + count + (count + 1) * packet.len() <= MAX_LEN;
        let count = (0..=ages.len()).rev().find(|count| fit(*count)).unwrap_or(0);
        let ages = if aggregated { &ages[ages.len() - count..] } else { &ages[..count] };
        // All blocks have one size. Under a constant bit rate packets of another size do not occur.
        let of_age = |age: u8| self.packets.get(usize::from(age)).filter(|other| other.len() == packet.len());
        let mut payload = Vec::with_capacity(FIXED + count + (count + 1) * packet.len());
        let flags = if self.muted { MUTED } else { 0 } | if aggregated && count > 0 { AGGREGATED } else { 0 };
        payload.push(VERSION << 4 | count as u8 | flags);
        payload.extend(match report() {
            Some(ReceptionReport { about, loss, burst, queue_ms }) => {
                let queue =
                    queue_ms.map_or(QUEUE_UNKNOWN, |ms| (ms / QUEUE_UNIT_MS).min(u32::from(QUEUE_UNKNOWN) - 1) as u8);
                [about, loss, burst, queue]
            }
            None => [NO_REPORT, 0, 0, 0],
        });
        payload.extend(ages.iter().map(|age| if of_age(*age).is_some() { *age } else { 0 }));
        for age in ages {
            match of_age(*age) {
                Some(other) => payload.extend_from_slice(other),
                None => payload.resize(payload.len() + packet.len(), 0),
            }
        }
        payload.extend_from_slice(packet);
        Some(payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn packet(number: u8) -> Vec<u8> {
        vec![number; 80]
    }

    fn report() -> ReceptionReport {
        ReceptionReport { about: 3, loss: 51, burst: 20, queue_ms: Some(60) }
    }

    #[test]
    fn a_frame_carries_its_packet_a_report_and_earlier_packets() {
        let mut encoder = RedEncoder::default();
        encoder.configure(&[1, 3], 1);
        for number in 0..10 {
            let payload = encoder.encode(&packet(number), || Some(report())).unwrap();
            let read = Payload::parse(&payload).unwrap();
            assert_eq!((read.packet, read.report), (&packet(number)[..], Some(report())));
            let expected: Vec<(u8, Vec<u8>)> =
                [1, 3].into_iter().filter(|age| *age <= number).map(|age| (age, packet(number - age))).collect();
            let earlier: Vec<_> = read.earlier.iter().map(|(age, copy)| (*age, copy.to_vec())).collect();
            assert_eq!(earlier, expected);
        }
    }

    #[test]
    fn the_size_depends_only_on_the_number_of_packets() {
        for ages in [&[][..], &[1], &[1, 2], &[1, 2, 4]] {
            let mut encoder = RedEncoder::default();
            encoder.configure(ages, 1);
            for number in 0..200_u8 {
                if number == 100 {
                    encoder.clear();
                }
                let report = (number % 3 == 0).then(report);
                let payload = encoder.encode(&packet(number), || report).unwrap();
                assert_eq!(payload.len(), 5 + ages.len() + 80 * (ages.len() + 1));
            }
        }
    }

    #[test]
    fn mute_is_told_in_every_frame_and_changes_no_size() {
        let mut encoder = RedEncoder::default();
        let mut sizes = std::collections::BTreeSet::new();
        for muted in [false, true, true, false] {
            encoder.set_muted(muted);
            let payload = encoder.encode(&packet(1), || None).unwrap();
            assert_eq!(Payload::parse(&payload).unwrap().muted, muted);
            sizes.insert(payload.len());
        }
        assert_eq!(sizes.len(), 1);
    }

    #[test]
    fn an_aggregated_frame_carries_every_packet_once() {
        for packets_per_frame in 2..=MAX_PACKETS {
            let mut encoder = RedEncoder::default();
            encoder.configure(&[1], packets_per_frame);
            let mut got = Vec::new();
            for number in 0..60_u8 {
                let Some(payload) = encoder.encode(&packet(number), || None) else { continue };
                assert_eq!(payload.len(), 5 + packets_per_frame - 1 + 80 * packets_per_frame);
                let read = Payload::parse(&payload).unwrap();
                assert!(read.aggregated);
                got.extend(read.earlier.iter().map(|(age, copy)| (number - age, copy.to_vec())));
                got.push((number, read.packet.to_vec()));
            }
            assert_eq!(got, (0..60).map(|number| (number, packet(number))).collect::<Vec<_>>());
        }
    }

    #[test]
    fn packets_waiting_for_aggregation_go_with_the_next_frame_when_it_ends() {
        let mut encoder = RedEncoder::default();
        encoder.configure(&[], 3);
        assert_eq!(encoder.encode(&packet(0), || None), None);
        assert_eq!(encoder.encode(&packet(1), || None), None);
        encoder.configure(&[], 1);
        let payload = encoder.encode(&packet(2), || None).unwrap();
        assert_eq!(Payload::parse(&payload).unwrap().earlier, [(2, &packet(0)[..]), (1, &packet(1)[..])]);
        let payload = encoder.encode(&packet(3), || None).unwrap();
        assert!(Payload::parse(&payload).unwrap().earlier.is_empty());
    }

    #[test]
    fn cleared_packets_are_in_no_later_frame() {
        let mut encoder = RedEncoder::default();
        encoder.configure(&[1, 2], 1);
        encoder.encode(&packet(7), || None).unwrap();
        encoder.clear();
        let payload = encoder.encode(&packet(8), || None).unwrap();
        assert!(!payload.contains(&7));
        assert!(Payload::parse(&payload).unwrap().earlier.is_empty());
    }

    #[test]
    fn a_packet_of_another_size_is_not_repeated() {
        let mut encoder = RedEncoder::default();
        encoder.configure(&[1, 2], 1);
        encoder.encode(&packet(1), || None).unwrap();
        encoder.encode(&[2; 60], || None).unwrap();
        let payload = encoder.encode(&packet(3), || None).unwrap();
        assert_eq!(payload.len(), 5 + 2 + 3 * 80);
        assert_eq!(Payload::parse(&payload).unwrap().earlier, [(2, &packet(1)[..])]);
    }

    #[test]
    fn redundancy_that_does_not_fit_is_left_out_and_no_frame_is_too_long() {
        let mut encoder = RedEncoder::default();
        encoder.configure(&[1, 2, 3], 1);
        for (size, count) in [(1, 3), (300, 3), (400, 2), (600, 1), (1270, 0)] {
            encoder.clear();
            for _ in 0..4 {
                let payload = encoder.encode(&vec![9; size], || None).unwrap();
                assert!(payload.len() <= MAX_LEN);
                assert_eq!(usize::from(payload[0] & 0x07), count, "{size} bytes");
                Payload::parse(&payload).unwrap();
            }
        }
        assert_eq!(encoder.encode(&[9; 1271], || None), None);
        assert_eq!(encoder.encode(&[], || None), None);
    }

    #[test]
    fn a_reported_queue_is_quantised_and_saturates() {
        let reported = |queue_ms| {
            let report = ReceptionReport { about: 0, loss: 255, burst: 16, queue_ms };
            let payload = RedEncoder::default().encode(&packet(1), || Some(report)).unwrap();
            Payload::parse(&payload).unwrap().report.unwrap().queue_ms
        };
        assert_eq!(reported(None), None);
        assert_eq!(reported(Some(0)), Some(0));
        assert_eq!(reported(Some(101)), Some(100));
        assert_eq!(reported(Some(100_000)), Some(1016));
    }

    #[test]
    fn hostile_payloads_by_name() {
        let refused = |bytes: &[u8]| Payload::parse(bytes).err();
        let layout = Some(PayloadError::Layout);
        assert_eq!(refused(&[]), layout, "nothing");
        let with = |head: [u8; 5], rest: &[u8]| Payload::parse(&[&head[..], rest].concat()).err();
        let plain = |count: u8| [0x10 | count, 255, 0, 0, 0];
        assert_eq!(with(plain(0), &[]), layout, "no packet");
        assert_eq!(with([0x20, 255, 0, 0, 0], &[1]), Some(PayloadError::Version(2)), "a future version");
        assert_eq!(refused(&[0x78, 0x0b, 0xe4, 0x31, 0x5f]), Some(PayloadError::Version(7)), "a bare Opus packet");
        assert_eq!(with(plain(6), &[1, 2, 3, 4, 5, 6, 0, 0, 0, 0, 0, 0, 0]), layout, "too many packets");
        assert_eq!(with(plain(8), &[1]), layout, "an aggregate of one");
        assert_eq!(with(plain(9), &[2, 5, 6]), layout, "an aggregate with a gap");
        assert_eq!(with(plain(10), &[1, 2, 5, 6, 7]), layout, "an aggregate out of order");
        assert_eq!(with(plain(10), &[2, 1, 5, 6, 7]), None, "a valid aggregate");
        assert_eq!(with(plain(1), &[1, 5, 6, 7]), layout, "blocks of two sizes");
        assert_eq!(with(plain(1), &[16, 5, 6]), layout, "a redundant packet too old");
        assert_eq!(with(plain(2), &[1, 1, 5, 6, 7]), layout, "one age twice");
        assert_eq!(with(plain(1), &[0, 5, 6]), layout, "data in an empty block");
        assert_eq!(with([0x10, 255, 1, 0, 0], &[6]), layout, "fields in an absent report");
        assert_eq!(with(plain(0), &[1; 1271]), layout, "too long");
        assert_eq!(with(plain(3), &[1]), layout, "truncated header");
        assert_eq!(with(plain(1), &[1, 5, 6]), None, "a valid payload");
    }

    /// Random bytes never make the parser panic, and what parses accounts for every byte.
    #[test]
    fn a_parsed_payload_accounts_for_every_byte() {
        let mut state = 1_u64;
        let mut random = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize
        };
        let mut parsed = 0;
        for _ in 0..200_000 {
            let mut bytes: Vec<u8> = (0..random() % 40).map(|_| random() as u8).collect();
            if let [first, about, rest @ ..] = &mut bytes[..] {
                *first = 0x10 | *first & 0x8b;
                if random() % 2 == 0 {
                    *about = NO_REPORT;
                    rest.iter_mut().take(3).for_each(|byte| *byte = 0);
                }
                rest.iter_mut().skip(3).take(3).for_each(|age| *age %= 20);
            }
            let Ok(read) = Payload::parse(&bytes) else { continue };
            parsed += 1;
            let count = usize::from(bytes[0] & 0x07);
            assert_eq!(bytes.len(), FIXED + count + (count + 1) * read.packet.len());
            assert!(
                read.earlier.len() <= count && read.earlier.iter().all(|(_, copy)| copy.len() == read.packet.len())
            );
            assert!(bytes.ends_with(read.packet));
        }
        assert!(parsed > 1_000, "only {parsed} of the random payloads were valid: the test tests nothing");
    }
}
