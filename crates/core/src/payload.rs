//! What a frame carries inside of its SFrame: one Opus packet, copies of some before it or those before it that were not
//! sent yet, and what its sender hears of one of the others.
//!
//! ```text
//! byte 0      version (high four bits), bundle (one bit), number of other packets c (low three bits)
//! bytes 1-4   a report: about which leaf, its lost frames in 1/255, how many of them in a row in 1/16, and the queue on
//!             the way in units of 4 ms
//! c bytes     the age of each other packet, in frames; 0: there is none yet, and its place is filled with zeros
//! c + 1       blocks of one size: the others, then the packet
//! ```
//!
//! In a bundle the others are the c packets before, sent here for the first time: on a narrow way most of a small frame would
//! be the headers of its packet, so several share one. A bundle carries no copies.
//!
//! The size of a frame depends on the number of packets and the size of a packet alone. Copies are for losses: they are
//! there whatever is said, and their number follows what was lost, which the network knows anyway. The idea is that of
//! RFC 2198; its own headers have no place in here, because they would have to be in the clear.

use std::collections::VecDeque;

/// Version of the layout.
pub const VERSION: u8 = 1;
/// Most packets in one frame: 120 ms. A longer bundle saves little more, and its loss is a word.
pub const MAX_PACKETS: usize = 6;
/// How old a copy can be, in frames. What is older would be played too late by anybody.
pub const MAX_AGE: u8 = 15;
/// In byte 0: the other packets were not sent before.
const BUNDLE: u8 = 8;
/// Longest frame, bytes: the longest Opus packet (RFC 6716, section 3.2.1). Copies that do not fit beside a packet are
/// left out, which for one size of packets is always or never.
pub const MAX_LEN: usize = 1275;
/// Bytes before the ages of the copies.
const FIXED: usize = 5;
/// Leaf that a report is about when there is nothing to report.
const NOBODY: u8 = u8::MAX;
/// Unit of a reported queue, milliseconds.
const QUEUE_UNIT_MS: u32 = 4;
/// A queue that the reporter cannot measure.
const UNKNOWN: u8 = u8::MAX;

/// Why a payload was refused. Its sender holds a key of the call: it is broken, hostile, or of another version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// A layout that this version does not know.
    #[error("a frame of layout version {0}, which this device does not know: update it")]
    Version(u8),
    /// Not laid out as its own header says.
    #[error("a frame that is not laid out as its header says")]
    Layout,
}

/// What a receiver tells a sender of its frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// The leaf of the sender that it is about.
    pub about: u8,
    /// Frames lost on the way, of 255.
    pub lost: u8,
    /// How many were lost in a row on average, in sixteenths.
    pub run: u8,
    /// How long frames stand in a queue on the way, milliseconds; none where the reporter cannot tell (a browser).
    pub queue_ms: Option<u32>,
}

/// A payload that was taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload<'a> {
    /// The Opus packet.
    pub packet: &'a [u8],
    /// Earlier packets, each with its age in frames: 1 to [`MAX_AGE`], no two alike.
    pub copies: Vec<(u8, &'a [u8])>,
    /// Whether those are no copies: they were not sent before.
    pub bundle: bool,
    /// A report.
    pub report: Option<Report>,
}

impl<'a> Payload<'a> {
    /// Takes a payload apart.
    ///
    /// # Errors
    /// When it is not laid out as above. There is one way to lay out each content, so whatever else is in it is refused.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, PayloadError> {
        let (fixed, rest) = bytes.split_at_checked(FIXED).ok_or(PayloadError::Layout)?;
        if fixed[0] >> 4 != VERSION {
            return Err(PayloadError::Version(fixed[0] >> 4));
        }
        let (bundle, count) = (fixed[0] & BUNDLE != 0, usize::from(fixed[0] & !BUNDLE & 0x0f));
        let (ages, blocks) = rest.split_at_checked(count).ok_or(PayloadError::Layout)?;
        let size = blocks.len() / (count + 1);
        if count >= MAX_PACKETS
            || bundle && count == 0
            || size == 0
            || size * (count + 1) != blocks.len()
            || bytes.len() > MAX_LEN
        {
            return Err(PayloadError::Layout);
        }
        let (copied, packet) = blocks.split_at(size * count);
        let mut copies = Vec::with_capacity(count);
        for (place, (age, block)) in ages.iter().zip(copied.chunks_exact(size)).enumerate() {
            match *age {
                0 if block.iter().all(|byte| *byte == 0) => {}
                1.. if bundle && usize::from(*age) != count - place => return Err(PayloadError::Layout),
                1..=MAX_AGE if copies.iter().all(|(other, _)| other != age) => copies.push((*age, block)),
                _ => return Err(PayloadError::Layout),
            }
        }
        let report = match fixed[1] {
            NOBODY if fixed[2..] == [0; 3] => None,
            NOBODY => return Err(PayloadError::Layout),
            about => {
                let queue_ms = (fixed[4] != UNKNOWN).then(|| u32::from(fixed[4]) * QUEUE_UNIT_MS);
                Some(Report { about, lost: fixed[2], run: fixed[3], queue_ms })
            }
        };
        Ok(Self { packet, copies, bundle, report })
    }
}

/// Lays out one sender's payloads, and keeps what was sent for the copies.
pub struct Loader {
    ages: &'static [u8],
    bundle: usize,
    /// Packets, the newest first.
    packets: VecDeque<Vec<u8>>,
    /// How many of them, at the front, are not sent yet.
    unsent: usize,
}

impl Default for Loader {
    fn default() -> Self {
        Self { ages: &[], bundle: 1, packets: VecDeque::new(), unsent: 0 }
    }
}

impl Loader {
    /// From the next packet on, sends `bundle` packets together (1 to [`MAX_PACKETS`]) or, where that is one, copies of the
    /// packets of these ages (1 to [`MAX_AGE`], each another) with it.
    pub fn carry(&mut self, ages: &'static [u8], bundle: usize) {
        debug_assert!(ages.len() < MAX_PACKETS && ages.iter().all(|age| (1..=MAX_AGE).contains(age)));
        (self.ages, self.bundle) = (ages, bundle.clamp(1, MAX_PACKETS));
    }

    /// Forgets all packets: they were for those who were in the call then.
    pub fn forget(&mut self) {
        self.packets.clear();
        self.unsent = 0;
    }

    /// Takes a packet, and gives the payload to send: nothing while a bundle is not full, or for a packet that has no place
    /// in a frame (empty, or too long).
    pub fn load(&mut self, packet: &[u8], report: impl FnOnce() -> Option<Report>) -> Option<Vec<u8>> {
        if packet.is_empty() || FIXED + packet.len() > MAX_LEN {
            return None;
        }
        self.packets.push_front(packet.to_vec());
        self.packets.truncate(usize::from(MAX_AGE) + 1);
        self.unsent = (self.unsent + 1).min(MAX_PACKETS);
        if self.unsent < self.bundle {
            return None;
        }
        const BEFORE: [u8; MAX_PACKETS - 1] = [5, 4, 3, 2, 1];
        let bundle = self.unsent > 1;
        let ages = if bundle { &BEFORE[MAX_PACKETS - self.unsent..] } else { self.ages };
        self.unsent = 0;
        // What does not fit is the oldest, of a bundle, and the copies named last.
        let fit = |count: usize| FIXED + count + (count + 1) * packet.len() <= MAX_LEN;
        let count = (0..=ages.len()).rev().find(|count| fit(*count)).unwrap_or(0);
        let ages = if bundle { &ages[ages.len() - count..] } else { &ages[..count] };
        // A packet of another size has no place beside this one: there are none under a constant bit rate.
        let of_age = |age: u8| self.packets.get(usize::from(age)).filter(|other| other.len() == packet.len());
        let mut payload = Vec::with_capacity(FIXED + count + (count + 1) * packet.len());
        payload.push(VERSION << 4 | count as u8 | if bundle && count > 0 { BUNDLE } else { 0 });
        payload.extend(match report() {
            Some(Report { about, lost, run, queue_ms }) => {
                let queue = queue_ms.map_or(UNKNOWN, |ms| (ms / QUEUE_UNIT_MS).min(u32::from(UNKNOWN) - 1) as u8);
                [about, lost, run, queue]
            }
            None => [NOBODY, 0, 0, 0],
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

    fn report() -> Report {
        Report { about: 3, lost: 51, run: 20, queue_ms: Some(60) }
    }

    #[test]
    fn a_frame_carries_its_packet_its_report_and_the_packets_before() {
        let mut loader = Loader::default();
        loader.carry(&[1, 3], 1);
        for number in 0..10 {
            let payload = loader.load(&packet(number), || Some(report())).unwrap();
            let read = Payload::parse(&payload).unwrap();
            assert_eq!((read.packet, read.report), (&packet(number)[..], Some(report())));
            let expected: Vec<(u8, Vec<u8>)> =
                [1, 3].into_iter().filter(|age| *age <= number).map(|age| (age, packet(number - age))).collect();
            let copies: Vec<_> = read.copies.iter().map(|(age, copy)| (*age, copy.to_vec())).collect();
            assert_eq!(copies, expected);
        }
    }

    #[test]
    fn the_size_depends_on_the_number_of_copies_alone() {
        for ages in [&[][..], &[1], &[1, 2], &[1, 2, 4]] {
            let mut loader = Loader::default();
            loader.carry(ages, 1);
            for number in 0..200_u8 {
                if number == 100 {
                    loader.forget();
                }
                let report = (number % 3 == 0).then(report);
                let payload = loader.load(&packet(number), || report).unwrap();
                assert_eq!(payload.len(), 5 + ages.len() + 80 * (ages.len() + 1));
            }
        }
    }

    #[test]
    fn a_bundle_carries_every_packet_once() {
        for bundle in 2..=MAX_PACKETS {
            let mut loader = Loader::default();
            loader.carry(&[1], bundle);
            let mut got = Vec::new();
            for number in 0..60_u8 {
                let Some(payload) = loader.load(&packet(number), || None) else { continue };
                assert_eq!(payload.len(), 5 + bundle - 1 + 80 * bundle);
                let read = Payload::parse(&payload).unwrap();
                assert!(read.bundle);
                got.extend(read.copies.iter().map(|(age, copy)| (number - age, copy.to_vec())));
                got.push((number, read.packet.to_vec()));
            }
            assert_eq!(got, (0..60).map(|number| (number, packet(number))).collect::<Vec<_>>());
        }
    }

    #[test]
    fn packets_that_wait_for_their_bundle_go_with_the_next_frame_when_bundles_end() {
        let mut loader = Loader::default();
        loader.carry(&[], 3);
        assert_eq!(loader.load(&packet(0), || None), None);
        assert_eq!(loader.load(&packet(1), || None), None);
        loader.carry(&[], 1);
        let payload = loader.load(&packet(2), || None).unwrap();
        assert_eq!(Payload::parse(&payload).unwrap().copies, [(2, &packet(0)[..]), (1, &packet(1)[..])]);
        let payload = loader.load(&packet(3), || None).unwrap();
        assert!(Payload::parse(&payload).unwrap().copies.is_empty());
    }

    #[test]
    fn what_was_forgotten_is_in_no_frame() {
        let mut loader = Loader::default();
        loader.carry(&[1, 2], 1);
        loader.load(&packet(7), || None).unwrap();
        loader.forget();
        let payload = loader.load(&packet(8), || None).unwrap();
        assert!(!payload.contains(&7));
        assert!(Payload::parse(&payload).unwrap().copies.is_empty());
    }

    #[test]
    fn a_packet_of_another_size_is_not_copied() {
        let mut loader = Loader::default();
        loader.carry(&[1, 2], 1);
        loader.load(&packet(1), || None).unwrap();
        loader.load(&[2; 60], || None).unwrap();
        let payload = loader.load(&packet(3), || None).unwrap();
        assert_eq!(payload.len(), 5 + 2 + 3 * 80);
        assert_eq!(Payload::parse(&payload).unwrap().copies, [(2, &packet(1)[..])]);
    }

    #[test]
    fn copies_that_do_not_fit_are_left_out_and_no_frame_is_too_long() {
        let mut loader = Loader::default();
        loader.carry(&[1, 2, 3], 1);
        for (size, copies) in [(1, 3), (300, 3), (400, 2), (600, 1), (1270, 0)] {
            loader.forget();
            for _ in 0..4 {
                let payload = loader.load(&vec![9; size], || None).unwrap();
                assert!(payload.len() <= MAX_LEN);
                assert_eq!(usize::from(payload[0] & 0x07), copies, "{size} bytes");
                Payload::parse(&payload).unwrap();
            }
        }
        assert_eq!(loader.load(&[9; 1271], || None), None);
        assert_eq!(loader.load(&[], || None), None);
    }

    #[test]
    fn a_queue_is_told_in_steps_and_has_an_end() {
        let told = |queue_ms| {
            let report = Report { about: 0, lost: 255, run: 16, queue_ms };
            let payload = Loader::default().load(&packet(1), || Some(report)).unwrap();
            Payload::parse(&payload).unwrap().report.unwrap().queue_ms
        };
        assert_eq!(told(None), None);
        assert_eq!(told(Some(0)), Some(0));
        assert_eq!(told(Some(101)), Some(100));
        assert_eq!(told(Some(100_000)), Some(1016));
    }

    #[test]
    fn hostile_payloads_by_name() {
        let refused = |bytes: &[u8]| Payload::parse(bytes).err();
        let layout = Some(PayloadError::Layout);
        assert_eq!(refused(&[]), layout, "nothing");
        let with = |head: [u8; 5], rest: &[u8]| Payload::parse(&[&head[..], rest].concat()).err();
        let plain = |count: u8| [0x10 | count, 255, 0, 0, 0];
        assert_eq!(with(plain(0), &[]), layout, "no packet");
        assert_eq!(with([0x20, 255, 0, 0, 0], &[1]), Some(PayloadError::Version(2)), "from the future");
        assert_eq!(refused(&[0x78, 0x0b, 0xe4, 0x31, 0x5f]), Some(PayloadError::Version(7)), "a bare Opus packet");
        assert_eq!(with(plain(6), &[1, 2, 3, 4, 5, 6, 0, 0, 0, 0, 0, 0, 0]), layout, "too many packets");
        assert_eq!(with(plain(8), &[1]), layout, "a bundle of one");
        assert_eq!(with(plain(9), &[2, 5, 6]), layout, "a bundle with a hole");
        assert_eq!(with(plain(10), &[1, 2, 5, 6, 7]), layout, "a bundle out of order");
        assert_eq!(with(plain(10), &[2, 1, 5, 6, 7]), None, "a bundle as it should be");
        assert_eq!(with(plain(1), &[1, 5, 6, 7]), layout, "blocks of two sizes");
        assert_eq!(with(plain(1), &[16, 5, 6]), layout, "a copy too old");
        assert_eq!(with(plain(2), &[1, 1, 5, 6, 7]), layout, "one age twice");
        assert_eq!(with(plain(1), &[0, 5, 6]), layout, "something in a place that is empty");
        assert_eq!(with([0x10, 255, 1, 0, 0], &[6]), layout, "a report about nobody");
        assert_eq!(with(plain(0), &[1; 1271]), layout, "too long");
        assert_eq!(with(plain(3), &[1]), layout, "ends in its header");
        assert_eq!(with(plain(1), &[1, 5, 6]), None, "and one that is as it should be");
    }

    /// Whatever parses is exactly what its parts say, and nothing makes the parser fail otherwise.
    #[test]
    fn whatever_parses_is_what_its_parts_say() {
        let mut state = 1_u64;
        let mut random = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize
        };
        let mut parsed = 0;
        for _ in 0..200_000 {
            let mut bytes: Vec<u8> = (0..random() % 40).map(|_| random() as u8).collect();
            if let [first, about, rest @ ..] = &mut bytes[..] {
                *first = 0x10 | *first & 0x0b;
                if random() % 2 == 0 {
                    *about = NOBODY;
                    rest.iter_mut().take(3).for_each(|byte| *byte = 0);
                }
                rest.iter_mut().skip(3).take(3).for_each(|age| *age %= 20);
            }
            let Ok(read) = Payload::parse(&bytes) else { continue };
            parsed += 1;
            let count = usize::from(bytes[0] & 0x07);
            assert_eq!(bytes.len(), FIXED + count + (count + 1) * read.packet.len());
            assert!(read.copies.len() <= count && read.copies.iter().all(|(_, copy)| copy.len() == read.packet.len()));
            assert!(bytes.ends_with(read.packet));
        }
        assert!(parsed > 1_000, "only {parsed} of the random payloads were valid: the test tests nothing");
    }
}
