//! Speech from one device to another over an impaired network, in virtual time: Telcon's audio path, and plain Opus.
//!
//! Both devices send continuously, as in a call, and both directions are impaired equally: receiver reports are lost as often
//! as audio.

use super::channel::{Channel, Impairments};
use std::collections::BTreeMap;
use telcon_client::audio::{
    FRAME_SAMPLES, Frame, SAMPLE_RATE, SILENCE,
    opus::{Decoder, Encoder, Settings},
    playout::{Origin, SpeakerPlayout},
};
use telcon_core::media::{delay::StandingQueue, keyring::Keyring, sframe};

const TICK_US: u64 = 20_000;
/// Offset between the ticks of the two audio devices.
const PHASE_US: u64 = 7_000;
/// Overhead per packet around the SFrame payload: IPv4, UDP, RTP, and the SRTP tag.
pub const OVERHEAD: usize = 28 + 12 + 16;
/// Frames played after the last one was sent: more than any buffer holds.
pub const TAIL: usize = 40;

/// The received audio.
#[derive(Default)]
pub struct Reception {
    /// One frame per frame sent, and [`TAIL`] more.
    pub frames: Vec<Frame>,
    /// Frames decoded from their own packet or a redundant copy.
    pub decoded: usize,
    /// Frames recovered from in-band FEC.
    pub recovered: usize,
    /// Bytes sent, with IP headers.
    pub bytes: u64,
    /// Number of packets by size.
    pub sizes: BTreeMap<usize, usize>,
    /// Sum of the target delay over all ticks, microseconds.
    pub delay_sum_us: u64,
    /// The standing queue that the receiver measured at the end, milliseconds.
    pub queue_ms: u32,
}

impl Reception {
    /// Share of the sent frames that were concealed.
    pub fn concealed(&self) -> f64 {
        let sent = self.frames.len() - TAIL;
        1.0 - ((self.decoded + self.recovered) as f64 / sent as f64).min(1.0)
    }

    /// Bits per second on the wire.
    pub fn rate(&self) -> f64 {
        self.bytes as f64 * 8.0 / (self.frames.len() - TAIL) as f64 * 50.0
    }

    /// Mean delay of the buffer, milliseconds.
    pub fn delay_ms(&self) -> f64 {
        self.delay_sum_us as f64 / 1e3 / self.frames.len() as f64
    }

    fn sent(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
        *self.sizes.entry(bytes).or_default() += 1;
    }
}

/// Packets in in_flight, by arrival time.
#[derive(Default)]
struct InFlight(BTreeMap<(u64, u64), Vec<u8>>, u64);

impl InFlight {
    fn send(&mut self, channel: &mut Channel, frame: Vec<u8>, now_us: u64) -> usize {
        let bytes = frame.len() + OVERHEAD;
        if let Some(at) = channel.send(bytes, now_us) {
            self.1 += 1;
            self.0.insert((at, self.1), frame);
        }
        bytes
    }

    fn arrived(&mut self, now_us: u64) -> Option<(u64, Vec<u8>)> {
        let first = self.0.first_entry().filter(|first| first.key().0 <= now_us)?;
        let ((at, _), frame) = first.remove_entry();
        Some((at, frame))
    }
}

/// Telcon's audio path between two native devices.
pub fn telcon(input: &[Frame], impairments: Impairments, seed: u64) -> Reception {
    let (mut sender_keys, mut receiver_keys) = (Keyring::new(), Keyring::new());
    sender_keys.enter(1, Box::new([1; 32].into()), 0, vec![0, 1], 0);
    receiver_keys.enter(1, Box::new([1; 32].into()), 1, vec![0, 1], 0);
    let (mut there, mut back) = (Channel::new(impairments, seed), Channel::new(impairments, !seed));
    let (mut to_receiver, mut to_sender) = (InFlight::default(), InFlight::default());
    let mut encoder = Encoder::new(Settings::default()).unwrap();
    let mut speaker = SpeakerPlayout::new().unwrap();
    let mut queue = StandingQueue::new();
    let mut output = Reception::default();
    for tick in 0..input.len() + TAIL {
        let now = 1_000_000 + tick as u64 * TICK_US;
        if let Some(frame) = input.get(tick) {
            while let Some((at, frame)) = to_sender.arrived(now) {
                let opened = sender_keys.open(&frame).unwrap();
                sender_keys.record_arrival(1, opened.counter, at);
            }
            encoder.apply(sender_keys.send_profile()).unwrap();
            if let Some(sealed) = sender_keys.seal(&encoder.encode(frame).unwrap()) {
                output.sent(to_receiver.send(&mut there, sealed, now));
            }
        }
        let now = now + PHASE_US;
        while let Some((at, frame)) = to_receiver.arrived(now) {
            let opened = receiver_keys.open(&frame).unwrap();
            receiver_keys.record_arrival(0, opened.counter, at);
            output.queue_ms = queue.add(opened.counter, at);
            speaker.push_with_copies(opened.counter, opened.packet, opened.earlier, at);
        }
        // The receiver sends silence in packets of the same size.
        let silence = vec![0; (receiver_keys.send_profile().bitrate / 400) as usize];
        if let Some(sealed) = receiver_keys.seal(&silence) {
            to_sender.send(&mut back, sealed, now);
        }
        let played = speaker.pull(now);
        output.decoded += usize::from(played.origin == Origin::Decoded);
        output.recovered += usize::from(played.origin == Origin::Recovered);
        output.delay_sum_us += u64::try_from(speaker.delay_us()).unwrap();
        output.frames.push(played.frame);
    }
    output
}

/// Fixed delay of the plain jitter buffer.
const PLAIN_DELAY_US: u64 = 60_000;
/// Consecutive frames without a timely packet after which the plain jitter buffer restarts.
const PLAIN_RESTART_AFTER: u32 = 15;

/// Plain Opus at the same bit rate with the same encryption: no FEC, no redundant copies, a fixed jitter buffer.
pub fn plain(input: &[Frame], impairments: Impairments, seed: u64) -> Reception {
    let key = sframe::Key::derive(&[1; 32], 1);
    let mut channel = Channel::new(impairments, seed);
    let mut in_flight = InFlight::default();
    let mut encoder = plain_encoder();
    let mut decoder = Decoder::new().unwrap();
    let mut output = Reception::default();
    let mut waiting = BTreeMap::new();
    // Playout time of frame 0, once the first packet arrived.
    let mut start: Option<u64> = None;
    let mut missed = 0;
    let mut next = 0;
    for tick in 0..input.len() + TAIL {
        let now = 1_000_000 + tick as u64 * TICK_US;
        if let Some(frame) = input.get(tick) {
            let mut packet = vec![0; 1_276];
            let length = encoder.encode(frame, &mut packet).unwrap();
            let sealed = key.seal(tick as u64, b"", &packet[..length]).unwrap();
            output.sent(in_flight.send(&mut channel, sealed, now));
        }
        let now = now + PHASE_US;
        while let Some((at, frame)) = in_flight.arrived(now) {
            let (header, length) = sframe::Header::decode(&frame).unwrap();
            start.get_or_insert_with(|| {
                next = header.ctr;
                at + PLAIN_DELAY_US - header.ctr * TICK_US
            });
            if header.ctr >= next {
                waiting.insert(header.ctr, key.open(header, length, b"", &frame).unwrap());
            }
        }
        let due = start.is_some_and(|start| now >= start + next * TICK_US);
        let packet = if due { waiting.remove(&next) } else { None };
        let frame = match packet {
            Some(packet) => {
                missed = 0;
                output.decoded += 1;
                decoder.decode(&packet).unwrap()
            }
            None if next > 0 || due => {
                missed += u32::from(due);
                decoder.conceal().unwrap()
            }
            None => SILENCE,
        };
        next += u64::from(due);
        if missed >= PLAIN_RESTART_AFTER {
            (start, missed) = (None, 0);
            waiting.clear();
        }
        output.delay_sum_us += PLAIN_DELAY_US;
        output.frames.push(frame);
    }
    output
}

fn plain_encoder() -> opus::Encoder {
    let mut encoder = opus::Encoder::new(SAMPLE_RATE, opus::Channels::Mono, opus::Application::Voip).unwrap();
    encoder.set_bitrate(opus::Bitrate::Bits(32_000)).unwrap();
    encoder.set_vbr(false).unwrap();
    encoder.set_inband_fec(false).unwrap();
    encoder.set_complexity(9).unwrap();
    encoder.set_signal(opus::Signal::Voice).unwrap();
    assert_eq!(FRAME_SAMPLES as u32 * 50, SAMPLE_RATE);
    encoder
}
