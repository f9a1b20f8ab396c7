//! Opus (RFC 6716) at a constant bit rate: all packets have the same size, independent of the audio.
//!
//! Packet sizes that vary with the audio leak phrases and the language through any encryption (RFC 6562). Therefore there
//! is no variable bit rate and no discontinuous transmission, and a packet of another size is never returned.

use ::opus::{Application, Bandwidth, Bitrate, Channels, Signal, packet};

use telcon_core::media::rate::SendProfile;

use super::frame::{FRAME_SAMPLES, Frame, SAMPLE_RATE, SILENCE};

/// Samples at 48 kHz that the encoder needs before its sound comes out, and that players discard (RFC 7845 section 4.2).
pub const PRE_SKIP: u16 = 312;
/// Default bit rate, bit/s: wideband speech and the redundancy of in-band FEC.
pub const DEFAULT_BITRATE: u32 = 32_000;
/// Supported bit rates. Below, speech is hard to understand; above, it does not improve.
pub const BITRATES: std::ops::RangeInclusive<u32> = 8_000..=128_000;
/// Default expected packet loss, percent. At 0 the encoder would send no redundancy, and the first loss would be audible
/// before a receiver could report it.
pub const DEFAULT_EXPECTED_LOSS: u8 = 10;
/// Largest expected packet loss, percent: above this, the redundancy degrades speech more than the loss does.
pub const MAX_EXPECTED_LOSS: u8 = 30;
/// Largest packet decoded, bytes: one Opus frame (RFC 6716 section 3.2.1) and its TOC byte.
pub const MAX_PACKET: usize = 1_276;
/// Encoder complexity, 0 to 10. The step from 9 to 10 costs most and is inaudible in speech.
const COMPLEXITY: i32 = 9;
/// Frames per second.
const FRAMES_PER_SECOND: u32 = SAMPLE_RATE / FRAME_SAMPLES as u32;

/// Why coding failed.
#[derive(Debug, thiserror::Error)]
pub enum OpusError {
    /// Misuse: a bit rate or expected loss outside the limits.
    #[error("{0}")]
    Setting(String),
    /// Hostile or incompatible peer: not a 20 ms Opus packet.
    #[error("not a 20 ms Opus packet of at most {MAX_PACKET} bytes")]
    Packet,
    /// The encoder produced a packet of another size. It must not be sent, because its size would leak content.
    #[error("the encoder produced a packet of {got} bytes instead of {wanted}")]
    Size {
        /// Bytes produced.
        got: usize,
        /// Bytes of every other packet.
        wanted: usize,
    },
    /// libopus failed.
    #[error("libopus: {0}")]
    Library(#[from] ::opus::Error),
}

/// Encoder settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Bits per second, in [`BITRATES`].
    pub bitrate: u32,
    /// Expected packet loss, percent, 1 to [`MAX_EXPECTED_LOSS`].
    pub expected_loss: u8,
}

impl Default for Settings {
    fn default() -> Self {
        Self { bitrate: DEFAULT_BITRATE, expected_loss: DEFAULT_EXPECTED_LOSS }
    }
}

/// Encodes one speaker's frames into packets of constant size.
pub struct Encoder {
    inner: ::opus::Encoder,
    settings: Settings,
    packet_size: usize,
}

impl Encoder {
    /// A speech encoder with these settings.
    ///
    /// # Errors
    /// [`OpusError::Setting`] and [`OpusError::Library`].
    pub fn new(settings: Settings) -> Result<Self, OpusError> {
        let mut inner = ::opus::Encoder::new(SAMPLE_RATE, Channels::Mono, Application::Voip)?;
        inner.set_vbr(false)?;
        inner.set_dtx(false)?;
        inner.set_inband_fec(true)?;
        inner.set_complexity(COMPLEXITY)?;
        // Only the speech mode (SILK) carries in-band FEC, so the encoder must not switch to the music mode.
        inner.set_signal(Signal::Voice)?;
        inner.set_max_bandwidth(Bandwidth::Fullband)?;
        let mut encoder = Self { inner, settings, packet_size: 0 };
        encoder.set_bitrate(settings.bitrate)?;
        encoder.set_expected_loss(settings.expected_loss)?;
        Ok(encoder)
    }

    /// Applies the send profile of the call engine from the next frame on. It depends on receiver reports, never on the audio.
    ///
    /// # Errors
    /// [`OpusError::Setting`] and [`OpusError::Library`].
    pub fn apply(&mut self, profile: SendProfile) -> Result<(), OpusError> {
        if profile.bitrate != self.settings.bitrate {
            self.set_bitrate(profile.bitrate)?;
        }
        if profile.expected_loss != self.settings.expected_loss {
            self.set_expected_loss(profile.expected_loss)?;
        }
        Ok(())
    }

    /// Changes the bit rate, and so the packet size, from the next packet on.
    ///
    /// # Errors
    /// [`OpusError::Setting`] and [`OpusError::Library`].
    pub fn set_bitrate(&mut self, bitrate: u32) -> Result<(), OpusError> {
        if !BITRATES.contains(&bitrate) {
            let (low, high) = (BITRATES.start(), BITRATES.end());
            return Err(OpusError::Setting(format!("{bitrate} bit/s; {low} to {high} are supported")));
        }
        self.inner.set_bitrate(Bitrate::Bits(i32::try_from(bitrate).expect("invariant: checked against BITRATES")))?;
        self.settings.bitrate = bitrate;
        self.packet_size = (bitrate / (8 * FRAMES_PER_SECOND)) as usize;
        Ok(())
    }

    /// Sets the packet loss (percent) that receivers report. More loss means more redundancy at the same packet size.
    ///
    /// # Errors
    /// [`OpusError::Setting`] and [`OpusError::Library`].
    pub fn set_expected_loss(&mut self, percent: u8) -> Result<(), OpusError> {
        if !(1..=MAX_EXPECTED_LOSS).contains(&percent) {
            return Err(OpusError::Setting(format!("{percent} % loss; 1 to {MAX_EXPECTED_LOSS} are supported")));
        }
        self.inner.set_packet_loss_perc(i32::from(percent))?;
        self.settings.expected_loss = percent;
        Ok(())
    }

    /// Size of every packet, bytes.
    pub fn packet_size(&self) -> usize {
        self.packet_size
    }

    /// Encodes a frame into a packet of exactly [`Encoder::packet_size`] bytes.
    ///
    /// # Errors
    /// [`OpusError::Size`] and [`OpusError::Library`].
    pub fn encode(&mut self, frame: &Frame) -> Result<Vec<u8>, OpusError> {
        let mut packet = vec![0; MAX_PACKET];
        let got = self.inner.encode(frame, &mut packet)?;
        if got != self.packet_size {
            return Err(OpusError::Size { got, wanted: self.packet_size });
        }
        packet.truncate(got);
        Ok(packet)
    }
}

/// Decodes one speaker's packets and conceals lost ones.
pub struct Decoder {
    inner: ::opus::Decoder,
}

impl Decoder {
    /// A decoder at the start of a stream.
    ///
    /// # Errors
    /// When the decoder cannot be allocated.
    pub fn new() -> Result<Self, OpusError> {
        Ok(Self { inner: ::opus::Decoder::new(SAMPLE_RATE, Channels::Mono)? })
    }

    /// Decodes a packet. A packet that is not exactly 20 ms is rejected without changing the decoder's state.
    ///
    /// # Errors
    /// [`OpusError::Packet`] and [`OpusError::Library`].
    pub fn decode(&mut self, packet: &[u8]) -> Result<Frame, OpusError> {
        check(packet)?;
        self.run(packet, false)
    }

    /// Recovers the frame *before* `next` from its in-band FEC (LBRR, RFC 6716 section 4.2.5); without FEC data, conceals it
    /// as [`Decoder::conceal`]. Call `decode(next)` afterwards.
    ///
    /// # Errors
    /// [`OpusError::Packet`] and [`OpusError::Library`].
    pub fn recover(&mut self, next: &[u8]) -> Result<Frame, OpusError> {
        check(next)?;
        self.run(next, true)
    }

    /// Packet loss concealment: extrapolates the last frames, fading out.
    ///
    /// # Errors
    /// [`OpusError::Library`].
    pub fn conceal(&mut self) -> Result<Frame, OpusError> {
        self.run(&[], false)
    }

    fn run(&mut self, packet: &[u8], redundancy: bool) -> Result<Frame, OpusError> {
        let mut frame = SILENCE;
        match self.inner.decode(packet, &mut frame, redundancy)? {
            FRAME_SAMPLES => Ok(frame),
            _ => Err(OpusError::Packet),
        }
    }
}

/// Rejects everything but a 20 ms packet. libopus interprets an empty packet as a loss, so a peer must not send one.
fn check(packet: &[u8]) -> Result<(), OpusError> {
    if packet.is_empty() || packet.len() > MAX_PACKET {
        return Err(OpusError::Packet);
    }
    match packet::get_nb_samples(packet, SAMPLE_RATE) {
        Ok(FRAME_SAMPLES) => Ok(()),
        _ => Err(OpusError::Packet),
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame::frames;
    use super::*;

    /// A synthetic vowel (a pulse train through two moving resonances) with the rhythm of syllables.
    fn speech(seconds: f32) -> Vec<f32> {
        let mut noise = noise(7);
        let mut low = [0.0_f32; 2];
        let mut high = [0.0_f32; 2];
        (0..(48_000.0 * seconds) as usize)
            .map(|i| {
                let t = i as f32 / 48_000.0;
                let pitch = 120.0 + 15.0 * (t * 3.0).sin();
                let pulse = if (t * pitch).fract() < pitch / 48_000.0 { 1.0 } else { 0.0 } + 0.002 * noise();
                let voiced = (t * 4.0).fract() < 0.7;
                let source = if voiced { pulse } else { 0.02 * noise() };
                let resonate = |state: &mut [f32; 2], hertz: f32| {
                    let r = 0.995_f32;
                    let y = source + 2.0 * r * (std::f32::consts::TAU * hertz / 48_000.0).cos() * state[0]
                        - r * r * state[1];
                    *state = [y, state[0]];
                    y
                };
                let y = resonate(&mut low, 500.0 + 200.0 * (t * 5.0).sin()) + resonate(&mut high, 1_500.0);
                (0.01 * y).clamp(-0.9, 0.9)
            })
            .collect()
    }

    fn noise(seed: u32) -> impl FnMut() -> f32 {
        let mut state = seed;
        move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        }
    }

    fn all_kinds_of_audio() -> Vec<(&'static str, Vec<f32>)> {
        let mut hiss = noise(1);
        vec![
            ("digital silence", vec![0.0; 48_000]),
            ("faint noise", (0..48_000).map(|_| 0.0005 * hiss()).collect()),
            ("speech", speech(2.0)),
            ("loud noise", (0..48_000).map(|_| 0.9 * hiss()).collect()),
            ("clipped square", (0..48_000).map(|i| if i / 50 % 2 == 0 { 1.0 } else { -1.0 }).collect()),
            ("silence after speech", vec![0.0; 96_000]),
        ]
    }

    #[test]
    fn every_packet_has_the_same_size_at_every_rate_and_expected_loss() {
        for bitrate in [8_000, 12_000, 24_000, 32_000, 64_000, 128_000] {
            for expected_loss in [1, 10, 30] {
                let mut encoder = Encoder::new(Settings { bitrate, expected_loss }).unwrap();
                for (what, sound) in all_kinds_of_audio() {
                    for frame in frames(&sound) {
                        let packet = encoder
                            .encode(&frame)
                            .unwrap_or_else(|e| panic!("{bitrate} bit/s, {expected_loss} %, {what}: {e}"));
                        assert_eq!(packet.len(), encoder.packet_size());
                    }
                }
            }
        }
    }

    #[test]
    fn the_size_stays_when_the_expected_loss_changes_in_mid_speech() {
        let mut encoder = Encoder::new(Settings::default()).unwrap();
        assert_eq!(encoder.packet_size(), 80);
        for (i, frame) in frames(&speech(3.0)).enumerate() {
            encoder.set_expected_loss(1 + (i * 7 % usize::from(MAX_EXPECTED_LOSS)) as u8).unwrap();
            assert_eq!(encoder.encode(&frame).unwrap().len(), 80);
        }
    }

    #[test]
    fn a_new_bit_rate_changes_the_size_of_the_next_packet() {
        let mut encoder = Encoder::new(Settings::default()).unwrap();
        let mut decoder = Decoder::new().unwrap();
        for (i, frame) in frames(&speech(4.0)).enumerate() {
            let (bitrate, size) = [(32_000, 80), (24_000, 60), (16_000, 40), (12_000, 30), (8_000, 20)][i / 10 % 5];
            encoder.apply(SendProfile { redundancy: &[], expected_loss: 10, bitrate, packets_per_frame: 1 }).unwrap();
            let packet = encoder.encode(&frame).unwrap();
            assert_eq!(packet.len(), size);
            decoder.decode(&packet).unwrap();
        }
        assert!(
            encoder
                .apply(SendProfile { redundancy: &[], expected_loss: 10, bitrate: 1_000, packets_per_frame: 1 })
                .is_err()
        );
    }

    /// The highest cross-correlation of input and output over all shifts.
    fn similarity(a: &[f32], b: &[f32]) -> f32 {
        (0..1_000)
            .map(|shift| {
                let (a, b) = (&a[..a.len() - shift], &b[shift..]);
                let dot: f32 = a.iter().zip(b).map(|(a, b)| a * b).sum();
                let norm: f32 = a.iter().map(|a| a * a).sum::<f32>() * b.iter().map(|b| b * b).sum::<f32>();
                if norm > 0.0 { dot / norm.sqrt() } else { 0.0 }
            })
            .fold(0.0, f32::max)
    }

    #[test]
    fn recovery_from_fec_is_better_than_concealment() {
        let sound = speech(4.0);
        let mut encoder = Encoder::new(Settings { expected_loss: 20, ..Settings::default() }).unwrap();
        let packets: Vec<_> = frames(&sound).map(|frame| encoder.encode(&frame).unwrap()).collect();
        let decode = |lost: &dyn Fn(usize) -> bool, redundancy: bool| {
            let mut decoder = Decoder::new().unwrap();
            let mut output = Vec::new();
            for (i, packet) in packets.iter().enumerate() {
                let frame = match (lost(i), packets.get(i + 1)) {
                    (false, _) => decoder.decode(packet).unwrap(),
                    (true, Some(next)) if redundancy => decoder.recover(next).unwrap(),
                    (true, _) => decoder.conceal().unwrap(),
                };
                output.push(frame);
            }
            output
        };
        let every_fifth = |i: usize| i % 5 == 4;
        let whole = decode(&|_| false, false);
        let error = |output: &[Frame]| -> f64 {
            let apart = |(a, b): (&Frame, &Frame)| {
                a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum::<f64>()
            };
            output.iter().zip(&whole).map(apart).sum()
        };
        let (recovered, concealed) = (error(&decode(&every_fifth, true)), error(&decode(&every_fifth, false)));
        assert!(concealed > 0.0);
        assert!(recovered < 0.6 * concealed, "recovered {recovered:.0}, concealed {concealed:.0}");
        let flat: Vec<f32> = whole.iter().flatten().map(|s| super::super::frame::to_f32(*s)).collect();
        let similar = similarity(&sound[..96_000], &flat[..96_000]);
        assert!(similar > 0.8, "the similarity of input and output is only {similar}");
    }

    #[test]
    fn concealment_fades_out() {
        let mut encoder = Encoder::new(Settings::default()).unwrap();
        let mut decoder = Decoder::new().unwrap();
        // The audio ends in the middle of a vowel.
        for frame in frames(&speech(0.9)) {
            decoder.decode(&encoder.encode(&frame).unwrap()).unwrap();
        }
        let concealed: Vec<Frame> = (0..50).map(|_| decoder.conceal().unwrap()).collect();
        let peak = |frame: &Frame| frame.iter().map(|s| s.unsigned_abs()).max().unwrap();
        let (first, last) = (peak(&concealed[0]), peak(&concealed[49]));
        assert!(last < first / 4, "{first} after 20 ms, {last} after a second");
    }

    #[test]
    fn invalid_packets_are_rejected_and_do_not_affect_the_decoder() {
        let mut decoder = Decoder::new().unwrap();
        assert!(matches!(decoder.decode(&[]), Err(OpusError::Packet)));
        assert!(matches!(decoder.decode(&[0; MAX_PACKET + 1]), Err(OpusError::Packet)));
        // Configuration 3: SILK narrowband, 60 ms (RFC 6716 table 2).
        assert!(matches!(decoder.decode(&[3 << 3, 0, 0]), Err(OpusError::Packet)));
        // Code 3 with 20 frames of 20 ms: 400 ms in one packet.
        assert!(matches!(decoder.recover(&[(1 << 3) | 3, 20]), Err(OpusError::Packet)));
        let mut random = noise(3);
        for length in 1..400 {
            let bytes: Vec<u8> = (0..length).map(|_| (random() * 127.0) as i8 as u8).collect();
            if let Ok(frame) = decoder.decode(&bytes) {
                assert_eq!(frame.len(), FRAME_SAMPLES);
            }
        }
        let mut encoder = Encoder::new(Settings::default()).unwrap();
        assert!(decoder.decode(&encoder.encode(&SILENCE).unwrap()).is_ok());
    }

    #[test]
    fn settings_outside_the_limits_are_refused() {
        assert!(Encoder::new(Settings { bitrate: 6_000, ..Settings::default() }).is_err());
        assert!(Encoder::new(Settings { expected_loss: 0, ..Settings::default() }).is_err());
        assert!(Encoder::new(Settings { expected_loss: 31, ..Settings::default() }).is_err());
    }
}
