//! The unit in which sound moves: 20 ms at 48 kHz, one channel, 16-bit.

use std::time::Duration;

/// Samples per second everywhere between capture and playout. Opus runs at it, and browsers do too.
pub const SAMPLE_RATE: u32 = 48_000;
/// Samples in one frame.
pub const FRAME_SAMPLES: usize = 960;
/// Time that one frame lasts. 20 ms is Opus's default (RFC 6716 section 2.1.4) and the packet rate of a leg.
pub const FRAME_DURATION: Duration = Duration::from_millis(20);

/// One frame of sound: 960 samples, 16-bit, 48 kHz, one channel.
pub type Frame = [i16; FRAME_SAMPLES];

/// A frame of digital silence.
pub const SILENCE: Frame = [0; FRAME_SAMPLES];

/// Cuts samples (-1..1, 48 kHz, one channel) into frames; the last one is filled up with silence.
pub fn frames(samples: &[f32]) -> impl ExactSizeIterator<Item = Frame> + '_ {
    samples.chunks(FRAME_SAMPLES).map(|chunk| {
        let mut frame = SILENCE;
        for (to, from) in frame.iter_mut().zip(chunk) {
            *to = to_i16(*from);
        }
        frame
    })
}

/// A sample of -1..1 as 16-bit. What is outside of the range is clipped; not-a-number becomes silence.
pub fn to_i16(sample: f32) -> i16 {
    // A saturating cast: NaN becomes 0, and ±∞ the ends of the range.
    (sample * 32_768.0).round() as i16
}

/// A 16-bit sample as -1..1.
pub fn to_f32(sample: i16) -> f32 {
    f32::from(sample) / 32_768.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_frame_is_filled_with_silence() {
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
    fn samples_survive_the_way_there_and_back_and_clip_at_the_ends() {
        for sample in [i16::MIN, -1, 0, 1, 12_345, i16::MAX] {
            assert_eq!(to_i16(to_f32(sample)), sample);
        }
        assert_eq!(to_i16(1.5), i16::MAX);
        assert_eq!(to_i16(-1.5), i16::MIN);
        assert_eq!(to_i16(f32::NAN), 0);
    }
}
