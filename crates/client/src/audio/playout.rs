//! One remote speaker: packets in, a steady 20 ms of sound out per tick, whatever the network does.

use super::frame::{Frame, SILENCE};
use super::jitter::{Counts, JitterBuffer, Pull};
use super::opus::{Decoder, OpusError};

/// Guesses in a row before the gap is plain silence: half a second on, a guess is noise.
const MAX_GUESSES: u32 = 25;
/// Samples that stay below this (-42 dB) are a pause: speech at any usable level is ten times as loud.
const QUIET: u16 = 256;

/// How a frame came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Decoded from the packet that carried it.
    Heard,
    /// Decoded from the copy in the packet after it.
    Recovered,
    /// Made up to fill a gap.
    Concealed,
    /// Nothing to play: no stream, or a gap too long to fill.
    Silence,
}

/// One tick of a speaker.
pub struct Played {
    /// 20 ms of sound.
    pub frame: Frame,
    /// Where it comes from.
    pub origin: Origin,
}

/// What a speaker's playout went through, for the leg's statistics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlayoutCounts {
    /// The jitter buffer's share.
    pub buffer: Counts,
    /// Frames decoded from the copy in the packet after.
    pub recovered: u64,
    /// Frames made up.
    pub concealed: u64,
    /// Packets that were no Opus packet of 20 ms: a broken or hostile sender.
    pub bad_packets: u64,
}

/// Jitter buffer and decoder of one remote speaker.
pub struct Speaker {
    buffer: JitterBuffer,
    decoder: Decoder,
    quiet: bool,
    guesses: u32,
    heard_any: bool,
    recovered: u64,
    concealed: u64,
    bad_packets: u64,
}

impl Speaker {
    /// A speaker of whom nothing has arrived.
    pub fn new() -> Result<Self, OpusError> {
        Ok(Self {
            buffer: JitterBuffer::new(),
            decoder: Decoder::new()?,
            quiet: true,
            guesses: 0,
            heard_any: false,
            recovered: 0,
            concealed: 0,
            bad_packets: 0,
        })
    }

    /// Takes an Opus packet with its authenticated frame counter, arrived at `now_us`.
    pub fn push(&mut self, counter: u64, packet: Vec<u8>, now_us: u64) {
        self.receive(counter, packet, Vec::new(), now_us);
    }

    /// Takes an Opus packet and the earlier ones that came with it.
    pub fn receive(&mut self, counter: u64, packet: Vec<u8>, copies: Vec<(u64, Vec<u8>)>, now_us: u64) {
        self.buffer.push(counter, packet, now_us);
        for (counter, copy) in copies {
            self.buffer.push_copy(counter, copy, now_us);
        }
    }

    /// The 20 ms to play at the tick `now_us`.
    pub fn pull(&mut self, now_us: u64) -> Played {
        let played = self.play(now_us);
        self.quiet = played.frame.iter().all(|sample| sample.unsigned_abs() < QUIET);
        played
    }

    fn play(&mut self, now_us: u64) -> Played {
        match self.buffer.pull(now_us, self.quiet) {
            Pull::Packet(packet) => match self.decoder.decode(&packet) {
                Ok(frame) => {
                    self.guesses = 0;
                    self.heard_any = true;
                    Played { frame, origin: Origin::Heard }
                }
                Err(_) => {
                    self.bad_packets += 1;
                    self.guess()
                }
            },
            Pull::Lost { fec_from: Some(next) } if self.heard_any => match self.decoder.recover(&next) {
                Ok(frame) => {
                    self.recovered += 1;
                    Played { frame, origin: Origin::Recovered }
                }
                // It is counted as bad when its own turn comes.
                Err(_) => self.guess(),
            },
            Pull::Lost { .. } | Pull::NotYet => self.guess(),
        }
    }

    /// What happened so far.
    pub fn counts(&self) -> PlayoutCounts {
        PlayoutCounts {
            buffer: self.buffer.counts(),
            recovered: self.recovered,
            concealed: self.concealed,
            bad_packets: self.bad_packets,
        }
    }

    /// How long the buffer holds packets back at the moment, in microseconds.
    pub fn delay_us(&self) -> i64 {
        self.buffer.target_delay_us()
    }

    fn guess(&mut self) -> Played {
        if !self.heard_any || self.guesses >= MAX_GUESSES {
            return Played { frame: SILENCE, origin: Origin::Silence };
        }
        self.guesses += 1;
        match self.decoder.conceal() {
            Ok(frame) => {
                self.concealed += 1;
                Played { frame, origin: Origin::Concealed }
            }
            Err(_) => Played { frame: SILENCE, origin: Origin::Silence },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame::{FRAME_SAMPLES, frames, to_f32};
    use super::super::opus::{Encoder, Settings};
    use super::*;

    const TICK: u64 = 20_000;

    fn tone(seconds: f32) -> Vec<f32> {
        (0..(48_000.0 * seconds) as usize)
            .map(|i| 0.3 * (std::f32::consts::TAU * 220.0 * i as f32 / 48_000.0).sin())
            .collect()
    }

    fn packets(seconds: f32) -> Vec<Vec<u8>> {
        let mut encoder = Encoder::new(Settings { expected_loss: 20, ..Settings::default() }).unwrap();
        frames(&tone(seconds)).map(|frame| encoder.encode(&frame).unwrap()).collect()
    }

    fn level(frame: &Frame) -> f32 {
        (frame.iter().map(|s| to_f32(*s).powi(2)).sum::<f32>() / FRAME_SAMPLES as f32).sqrt()
    }

    #[test]
    fn every_frame_is_played_once_and_losses_are_filled_at_the_level_around_them() {
        let packets = packets(4.0);
        let mut speaker = Speaker::new().unwrap();
        let mut played = Vec::new();
        for tick in 0..packets.len() as u64 + 10 {
            if let Some(packet) = packets.get(tick as usize)
                && tick % 10 != 7
            {
                speaker.push(tick, packet.clone(), tick * TICK + 3_000);
            }
            played.push(speaker.pull(tick * TICK));
        }
        let counts = speaker.counts();
        assert_eq!(counts.buffer.played, 180);
        assert_eq!(counts.recovered, 20);
        // A recovered copy is coarser, never silence.
        let levels: Vec<f32> = played[10..200].iter().map(|played| level(&played.frame)).collect();
        assert!(levels.iter().all(|level| *level > 0.03), "holes in the tone: {levels:.2?}");
    }

    #[test]
    fn garbage_is_counted_and_concealed_and_the_stream_goes_on() {
        let packets = packets(2.0);
        let mut speaker = Speaker::new().unwrap();
        for tick in 0..100_u64 {
            let packet = if tick == 50 { vec![0xff; 80] } else { packets[tick as usize].clone() };
            speaker.push(tick, packet, tick * TICK);
            let played = speaker.pull(tick * TICK + 1_000);
            assert!(tick < 5 || played.origin == Origin::Heard || speaker.counts().bad_packets == 1);
        }
        let counts = speaker.counts();
        assert_eq!((counts.bad_packets, counts.concealed), (1, 1));
    }

    #[test]
    fn before_the_first_packet_and_long_after_the_last_there_is_silence() {
        let packets = packets(1.0);
        let mut speaker = Speaker::new().unwrap();
        assert_eq!(speaker.pull(0).origin, Origin::Silence);
        for tick in 0..50 {
            speaker.push(tick, packets[tick as usize].clone(), tick * TICK);
            speaker.pull(tick * TICK);
        }
        let mut last = speaker.pull(50 * TICK);
        for tick in 51..120 {
            last = speaker.pull(tick * TICK);
        }
        assert_eq!(last.origin, Origin::Silence);
        assert_eq!(last.frame, SILENCE);
    }
}
