//! Speech from one device to another over a bad network, in virtual time: with all that Telcon does about it, and plain.
//!
//! Both devices send all the time, as in a call, and both directions are equally bad: what the listener reports is lost
//! as often as what the speaker says.

use super::channel::{Channel, Weather};
use std::collections::BTreeMap;
use telcon_client::audio::{
    FRAME_SAMPLES, Frame, SAMPLE_RATE, SILENCE,
    opus::{Decoder, Encoder, Settings},
    playout::{Origin, Speaker},
};
use telcon_core::media::{delay::StandingQueue, keyring::Keyring, sframe};

const TICK_US: u64 = 20_000;
/// The listener's sound device does not tick when the speaker's does.
const PHASE_US: u64 = 7_000;
/// IPv4 and UDP, RTP, and the tag of SRTP: what a packet has beside its SFrame.
pub const OVERHEAD: usize = 28 + 12 + 16;
/// Sound that is played after the last frame was sent, in frames: more than any buffer holds.
pub const TAIL: usize = 40;

/// What came out at the other end.
#[derive(Default)]
pub struct Heard {
    /// One frame per frame sent, and [`TAIL`] more.
    pub frames: Vec<Frame>,
    /// Frames decoded from their own packet or a copy of it.
    pub whole: usize,
    /// Frames decoded from the low-rate copy that Opus puts into the packet after.
    pub recovered: usize,
    /// Bytes that the speaker sent, with IP headers.
    pub bytes: u64,
    /// Sizes of its packets, and how many there were of each.
    pub sizes: BTreeMap<usize, usize>,
    /// Sum over all ticks of the delay that the buffer held packets back for, microseconds.
    pub held_us: u64,
    /// The queue that the listener measured at the end, milliseconds.
    pub queue_ms: u32,
}

impl Heard {
    /// Share of the frames sent that had to be made up.
    pub fn made_up(&self) -> f64 {
        let sent = self.frames.len() - TAIL;
        1.0 - ((self.whole + self.recovered) as f64 / sent as f64).min(1.0)
    }

    /// Bits per second on the wire.
    pub fn rate(&self) -> f64 {
        self.bytes as f64 * 8.0 / (self.frames.len() - TAIL) as f64 * 50.0
    }

    /// Mean delay of the buffer, milliseconds.
    pub fn delay_ms(&self) -> f64 {
        self.held_us as f64 / 1e3 / self.frames.len() as f64
    }

    fn sent(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
        *self.sizes.entry(bytes).or_default() += 1;
    }
}

/// Packets on their way, by arrival.
#[derive(Default)]
struct Flight(BTreeMap<(u64, u64), Vec<u8>>, u64);

impl Flight {
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

/// As a native device sends and another hears.
pub fn telcon(said: &[Frame], weather: Weather, seed: u64) -> Heard {
    let (mut speaker_keys, mut listener_keys) = (Keyring::new(), Keyring::new());
    speaker_keys.enter(1, [1; 32].into(), 0, vec![0, 1], 0);
    listener_keys.enter(1, [1; 32].into(), 1, vec![0, 1], 0);
    let (mut there, mut back) = (Channel::new(weather, seed), Channel::new(weather, !seed));
    let (mut to_listener, mut to_speaker) = (Flight::default(), Flight::default());
    let mut encoder = Encoder::new(Settings::default()).unwrap();
    let mut speaker = Speaker::new().unwrap();
    let mut queue = StandingQueue::new();
    let mut heard = Heard::default();
    for tick in 0..said.len() + TAIL {
        let now = 1_000_000 + tick as u64 * TICK_US;
        if let Some(frame) = said.get(tick) {
            while let Some((at, frame)) = to_speaker.arrived(now) {
                let opened = speaker_keys.open(&frame).unwrap();
                speaker_keys.record_arrival(1, opened.counter, at);
            }
            encoder.follow(speaker_keys.send_profile()).unwrap();
            if let Some(sealed) = speaker_keys.seal(&encoder.encode(frame).unwrap()) {
                heard.sent(to_listener.send(&mut there, sealed, now));
            }
        }
        let now = now + PHASE_US;
        while let Some((at, frame)) = to_listener.arrived(now) {
            let opened = listener_keys.open(&frame).unwrap();
            listener_keys.record_arrival(0, opened.counter, at);
            heard.queue_ms = queue.add(opened.counter, at);
            speaker.receive(opened.counter, opened.packet, opened.earlier, at);
        }
        // The listener listens; its stream has the size of speech.
        let silence = vec![0; (listener_keys.send_profile().bitrate / 400) as usize];
        if let Some(sealed) = listener_keys.seal(&silence) {
            to_speaker.send(&mut back, sealed, now);
        }
        let played = speaker.pull(now);
        heard.whole += usize::from(played.origin == Origin::Heard);
        heard.recovered += usize::from(played.origin == Origin::Recovered);
        heard.held_us += u64::try_from(speaker.delay_us()).unwrap();
        heard.frames.push(played.frame);
    }
    heard
}

/// Delay of the plain buffer.
const PLAIN_DELAY_US: u64 = 60_000;
/// So many frames in a row that did not come in time, and the plain buffer starts anew with the next packet.
const PLAIN_GIVES_UP: u32 = 15;

/// Plain Opus at the same rate, sealed in the same way: no forward error correction, no copies, a small buffer of one
/// size that waits for nothing.
pub fn plain(said: &[Frame], weather: Weather, seed: u64) -> Heard {
    let key = sframe::Key::derive(&[1; 32], 1);
    let mut channel = Channel::new(weather, seed);
    let mut flight = Flight::default();
    let mut encoder = plain_encoder();
    let mut decoder = Decoder::new().unwrap();
    let mut heard = Heard::default();
    let mut waiting = BTreeMap::new();
    // When frame 0 is due, once the first packet came.
    let mut start: Option<u64> = None;
    let mut missed = 0;
    let mut next = 0;
    for tick in 0..said.len() + TAIL {
        let now = 1_000_000 + tick as u64 * TICK_US;
        if let Some(frame) = said.get(tick) {
            let mut packet = vec![0; 1_276];
            let length = encoder.encode(frame, &mut packet).unwrap();
            let sealed = key.seal(tick as u64, b"", &packet[..length]).unwrap();
            heard.sent(flight.send(&mut channel, sealed, now));
        }
        let now = now + PHASE_US;
        while let Some((at, frame)) = flight.arrived(now) {
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
                heard.whole += 1;
                decoder.decode(&packet).unwrap()
            }
            None if next > 0 || due => {
                missed += u32::from(due);
                decoder.conceal().unwrap()
            }
            None => SILENCE,
        };
        next += u64::from(due);
        if missed >= PLAIN_GIVES_UP {
            (start, missed) = (None, 0);
            waiting.clear();
        }
        heard.held_us += PLAIN_DELAY_US;
        heard.frames.push(frame);
    }
    heard
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
