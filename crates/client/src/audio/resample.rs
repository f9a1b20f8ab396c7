//! Sample rate conversion: of whole clips, and of a live stream down to the rate of speech recognition.

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler, WindowFunction};

use super::frame::{FRAME_SAMPLES, Frame, SAMPLE_RATE, to_f32};

/// Sample rate of speech recognition and voice activity detection, Hz.
pub const ASR_SAMPLE_RATE: u32 = 16_000;
/// Samples of one 20 ms frame at [`ASR_SAMPLE_RATE`].
pub const ASR_FRAME_SAMPLES: usize = FRAME_SAMPLES / 3;

/// FFT size for whole clips: long, for a steep filter.
const CLIP_CHUNK: usize = 4096;

/// Why a sample rate could not be converted.
#[derive(Debug, thiserror::Error)]
pub enum ResampleError {
    /// The rates are not supported: one is zero, or their ratio is too extreme.
    #[error("cannot convert {from} to {to} samples per second")]
    Unsupported {
        /// Input sample rate, Hz.
        from: u32,
        /// Output sample rate, Hz.
        to: u32,
    },
}

/// Resamples a whole clip (one channel). The result has the same start and duration as the input.
///
/// # Errors
/// [`ResampleError::Unsupported`].
pub fn resample(samples: &[f32], from: u32, to: u32) -> Result<Vec<f32>, ResampleError> {
    if from == to || samples.is_empty() {
        return Ok(samples.to_vec());
    }
    let unsupported = |_| ResampleError::Unsupported { from, to };
    let mut fft = Fft::<f32>::new_custom(
        from as usize,
        to as usize,
        CLIP_CHUNK,
        1,
        1,
        WindowFunction::BlackmanHarris2,
        FixedSync::Both,
    )
    .map_err(unsupported)?;
    let input = InterleavedSlice::new(samples, 1, samples.len()).expect("invariant: one channel, its own length");
    let output = fft.process_all(&input, samples.len(), None).map_err(|_| ResampleError::Unsupported { from, to })?;
    Ok(output.take_data())
}

/// Resamples frames from 48 kHz to 16 kHz, one output per input, with 10 ms of latency.
pub struct Downsampler {
    fft: Fft<f32>,
    input: Vec<f32>,
}

impl Downsampler {
    /// A downsampler at the start of a stream.
    pub fn new() -> Self {
        let fft = Fft::new_custom(
            SAMPLE_RATE as usize,
            ASR_SAMPLE_RATE as usize,
            FRAME_SAMPLES,
            1,
            1,
            WindowFunction::BlackmanHarris2,
            FixedSync::Both,
        )
        .expect("invariant: 48 kHz to 16 kHz in frames of 960 is a ratio of three");
        Self { fft, input: vec![0.0; FRAME_SAMPLES] }
    }

    /// Latency, in output samples.
    pub fn delay(&self) -> usize {
        self.fft.output_delay()
    }

    /// Resamples one frame; returns 20 ms at 16 kHz (-1..1).
    pub fn push(&mut self, frame: &Frame) -> [f32; ASR_FRAME_SAMPLES] {
        for (to, from) in self.input.iter_mut().zip(frame) {
            *to = to_f32(*from);
        }
        let mut out = [0.0; ASR_FRAME_SAMPLES];
        let input = InterleavedSlice::new(&self.input, 1, FRAME_SAMPLES).expect("invariant: a whole frame");
        let mut output = InterleavedSlice::new_mut(&mut out, 1, ASR_FRAME_SAMPLES).expect("invariant: a whole frame");
        let (read, written) =
            self.fft.process_into_buffer(&input, &mut output, None).expect("invariant: both sides are one frame long");
        debug_assert_eq!((read, written), (FRAME_SAMPLES, ASR_FRAME_SAMPLES));
        out
    }
}

impl Default for Downsampler {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame::frames;
    use super::*;

    fn tone(rate: u32, hertz: f32, seconds: f32) -> Vec<f32> {
        let count = (rate as f32 * seconds) as usize;
        (0..count).map(|i| 0.5 * (std::f32::consts::TAU * hertz * i as f32 / rate as f32).sin()).collect()
    }

    fn rms(samples: &[f32]) -> f32 {
        (samples.iter().map(|s| s * s).sum::<f32>() / samples.len() as f32).sqrt()
    }

    fn difference(a: &[f32], b: &[f32]) -> f32 {
        a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    }

    #[test]
    fn a_clip_keeps_its_duration_pitch_and_position() {
        for from in [8_000, 11_025, 16_000, 22_050, 24_000, 44_100, 96_000] {
            let clip = resample(&tone(from, 440.0, 1.0), from, 48_000).unwrap();
            assert!(clip.len().abs_diff(48_000) <= 1, "{from}: {} samples", clip.len());
            let wanted = tone(48_000, 440.0, 1.0);
            let worst = difference(&clip[4_000..44_000], &wanted[4_000..44_000]);
            assert!(worst < 0.01, "{from}: off by {worst}");
        }
    }

    #[test]
    fn tiny_clips_are_resampled() {
        assert_eq!(resample(&[], 8_000, 48_000).unwrap(), Vec::<f32>::new());
        assert_eq!(resample(&[0.1], 8_000, 48_000).unwrap().len(), 6);
        assert!(resample(&[0.1], 0, 48_000).is_err());
    }

    #[test]
    fn the_stream_passes_speech_and_filters_aliases() {
        let run = |hertz| {
            let mut down = Downsampler::new();
            frames(&tone(48_000, hertz, 1.0)).flat_map(|frame| down.push(&frame)).collect::<Vec<f32>>()
        };
        let kept = run(1_000.0);
        assert_eq!(kept.len(), 16_000);
        let delay = Downsampler::new().delay();
        let worst = difference(&kept[2_000 + delay..12_000 + delay], &tone(16_000, 1_000.0, 1.0)[2_000..12_000]);
        assert!(worst < 0.01, "off by {worst}");
        assert!(rms(&run(12_000.0)[2_000..]) < 0.001);
    }
}
