//! Playout of one remote speaker: packets in, a steady 20 ms of audio out per tick.

use super::frame::{Frame, SILENCE};
use super::jitter::{JitterBuffer, JitterStats, Pull};
use super::opus::{Decoder, OpusError};

/// Most consecutive concealed frames before silence: after half a second, concealment is noise.
const MAX_CONCEALED: u32 = 25;
/// Amplitude below which a frame counts as a pause (-42 dBFS): speech is at least ten times louder.
const PAUSE_AMPLITUDE: u16 = 256;

/// The origin of a played frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Decoded from its own packet or a redundant copy of it.
    Decoded,
    /// Recovered from the in-band FEC of the next packet.
    Recovered,
    /// Concealed.
    Concealed,
    /// Silence: no stream, or a loss too long to conceal.
    Silence,
}

/// The output of one tick.
pub struct PlayedFrame {
    /// 20 ms of audio.
    pub frame: Frame,
    /// Its origin.
    pub origin: Origin,
}

/// Playout statistics of a speaker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlayoutStats {
    /// Statistics of the jitter buffer.
    pub buffer: JitterStats,
    /// Frames recovered from in-band FEC.
    pub recovered: u64,
    /// Frames concealed.
    pub concealed: u64,
    /// Packets that were not 20 ms of Opus, from a broken or hostile sender.
    pub bad_packets: u64,
}

/// Jitter buffer and decoder of one remote speaker.
pub struct SpeakerPlayout {
    buffer: JitterBuffer,
    decoder: Decoder,
    in_pause: bool,
    consecutive_concealed: u32,
    decoded_any: bool,
    recovered: u64,
    concealed: u64,
    bad_packets: u64,
}

impl SpeakerPlayout {
    /// A speaker before the first packet.
    ///
    /// # Errors
    /// When the decoder cannot be allocated.
    pub fn new() -> Result<Self, OpusError> {
        Ok(Self {
            buffer: JitterBuffer::new(),
            decoder: Decoder::new()?,
            in_pause: true,
            consecutive_concealed: 0,
            decoded_any: false,
            recovered: 0,
            concealed: 0,
            bad_packets: 0,
        })
    }

    /// Adds an Opus packet with its authenticated frame counter that arrived at `now_us`.
    pub fn push(&mut self, counter: u64, packet: Vec<u8>, now_us: u64) {
        self.push_with_copies(counter, packet, Vec::new(), now_us);
    }

    /// Adds an Opus packet and the redundant copies of earlier packets that arrived with it.
    pub fn push_with_copies(&mut self, counter: u64, packet: Vec<u8>, copies: Vec<(u64, Vec<u8>)>, now_us: u64) {
        self.buffer.push(counter, packet, now_us);
        for (counter, copy) in copies {
            self.buffer.push_copy(counter, copy, now_us);
        }
    }

    /// The frame to play at the tick `now_us`.
    pub fn pull(&mut self, now_us: u64) -> PlayedFrame {
        let played = self.play(now_us);
        self.in_pause = played.frame.iter().all(|sample| sample.unsigned_abs() < PAUSE_AMPLITUDE);
        played
    }

    fn play(&mut self, now_us: u64) -> PlayedFrame {
        match self.buffer.pull(now_us, self.in_pause) {
            Pull::Packet(packet) => match self.decoder.decode(&packet) {
                Ok(frame) => {
                    self.consecutive_concealed = 0;
                    self.decoded_any = true;
                    PlayedFrame { frame, origin: Origin::Decoded }
                }
                Err(_) => {
                    self.bad_packets += 1;
                    self.conceal()
                }
            },
            Pull::Lost { fec_from: Some(next) } if self.decoded_any => match self.decoder.recover(&next) {
                Ok(frame) => {
                    self.recovered += 1;
                    PlayedFrame { frame, origin: Origin::Recovered }
                }
                // It is counted as a bad packet when it is played itself.
                Err(_) => self.conceal(),
            },
            Pull::Lost { .. } | Pull::NotYet => self.conceal(),
        }
    }

    /// The statistics so far.
    pub fn stats(&self) -> PlayoutStats {
        PlayoutStats {
            buffer: self.buffer.stats(),
            recovered: self.recovered,
            concealed: self.concealed,
            bad_packets: self.bad_packets,
        }
    }

    /// The current target delay of the jitter buffer, microseconds.
    pub fn delay_us(&self) -> i64 {
        self.buffer.target_delay_us()
    }

    fn conceal(&mut self) -> PlayedFrame {
        if !self.decoded_any || self.consecutive_concealed >= MAX_CONCEALED {
            return PlayedFrame { frame: SILENCE, origin: Origin::Silence };
        }
        self.consecutive_concealed += 1;
        match self.decoder.conceal() {
            Ok(frame) => {
                self.concealed += 1;
                PlayedFrame { frame, origin: Origin::Concealed }
            }
            Err(_) => PlayedFrame { frame: SILENCE, origin: Origin::Silence },
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
    fn every_frame_is_played_once_and_losses_are_recovered_at_the_same_level() {
        let packets = packets(4.0);
        let mut speaker = SpeakerPlayout::new().unwrap();
        let mut played = Vec::new();
        for tick in 0..packets.len() as u64 + 10 {
            if let Some(packet) = packets.get(tick as usize)
                && tick % 10 != 7
            {
                speaker.push(tick, packet.clone(), tick * TICK + 3_000);
            }
            played.push(speaker.pull(tick * TICK));
        }
        let stats = speaker.stats();
        assert_eq!(stats.buffer.played, 180);
        assert_eq!(stats.recovered, 20);
        // Recovered frames have lower quality but are not silent.
        let levels: Vec<f32> = played[10..200].iter().map(|played| level(&played.frame)).collect();
        assert!(levels.iter().all(|level| *level > 0.03), "gaps in the tone: {levels:.2?}");
    }

    #[test]
    fn garbage_is_counted_and_concealed_and_the_stream_continues() {
        let packets = packets(2.0);
        let mut speaker = SpeakerPlayout::new().unwrap();
        for tick in 0..100_u64 {
            let packet = if tick == 50 { vec![0xff; 80] } else { packets[tick as usize].clone() };
            speaker.push(tick, packet, tick * TICK);
            let played = speaker.pull(tick * TICK + 1_000);
            assert!(tick < 5 || played.origin == Origin::Decoded || speaker.stats().bad_packets == 1);
        }
        let stats = speaker.stats();
        assert_eq!((stats.bad_packets, stats.concealed), (1, 1));
    }

    #[test]
    fn silence_before_the_first_and_long_after_the_last_packet() {
        let packets = packets(1.0);
        let mut speaker = SpeakerPlayout::new().unwrap();
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
