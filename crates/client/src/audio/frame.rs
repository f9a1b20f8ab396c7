//! Audio frames: 20 ms at 48 kHz, one channel, 16-bit.

use std::time::Duration;

/// Sample rate from capture to playout, Hz: the native rate of Opus and browsers.
pub const SAMPLE_RATE: u32 = 48_000;
/// Samples per frame.
pub const FRAME_SAMPLES: usize = 960;
/// Duration of a frame. 20 ms is the default of Opus (RFC 6716 section 2.1.4) and the packet interval of a leg.
pub const FRAME_DURATION: Duration = Duration::from_millis(20);

/// One frame: 960 samples, 16-bit, 48 kHz, one channel.
pub type Frame = [i16; FRAME_SAMPLES];

/// A frame of digital silence.
pub const SILENCE: Frame = [0; FRAME_SAMPLES];

/// Splits samples (-1..1, 48 kHz, one channel) into frames; the last one is padded with silence.
pub fn frames(samples: &[f32]) -> impl ExactSizeIterator<Item = Frame> + '_ {
    samples.chunks(FRAME_SAMPLES).map(|chunk| {
        let mut frame = SILENCE;
        for (to, from) in frame.iter_mut().zip(chunk) {
            *to = to_i16(*from);
        }
        frame
    })
}

/// Converts a sample of -1..1 to 16-bit. Values outside the range are clipped; NaN becomes silence.
pub fn to_i16(sample: f32) -> i16 {
    // A saturating cast: NaN becomes 0, and ±∞ the limits of the range.
    (sample * 32_768.0).round() as i16
}

/// Converts a 16-bit sample to -1..1.
pub fn to_f32(sample: i16) -> f32 {
    f32::from(sample) / 32_768.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_frame_is_padded_with_silence() {
        let samples = vec![0.5; FRAME_SAMPLES + 1];
        let cut: Vec<Frame> = frames(&samples).collect();
        assert_eq!(cut.len(), 2);
        assert_eq!(cut[0], [16_384; FRAME_SAMPLES]);
        assert_eq!(cut[1][0], 16_384);
        assert!(cut[1][1..].iter().all(|sample| *sample == 0));
    }

    #[test]
    fn no_samples_make_no_frames() {
        assert_eq!(frames(&[]).len(), 0);
    }

    #[test]
    fn sample_conversion_round_trips_and_clips() {
        for sample in [i16::MIN, -1, 0, 1, 12_345, i16::MAX] {
            assert_eq!(to_i16(to_f32(sample)), sample);
        }
        assert_eq!(to_i16(1.5), i16::MAX);
        assert_eq!(to_i16(-1.5), i16::MIN);
        assert_eq!(to_i16(f32::NAN), 0);
    }
}
