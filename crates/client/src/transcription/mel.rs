//! Whisper's input features: the log-mel spectrogram of Radford et al. 2022, section 2.2.

use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};

use crate::audio::resample::ASR_SAMPLE_RATE;

/// Samples of one analysis window: 25 ms.
const WINDOW: usize = 400;
/// Samples from one window to the next: 10 ms.
pub const HOP: usize = 160;
/// Length of one model input, seconds. Shorter audio is zero-padded.
pub const INPUT_SECONDS: usize = 30;
/// Samples of one model input.
pub const INPUT_SAMPLES: usize = INPUT_SECONDS * ASR_SAMPLE_RATE as usize;
/// Windows of one model input.
pub const INPUT_FRAMES: usize = INPUT_SAMPLES / HOP;
/// Lower bound of spectral power.
const LEAST_POWER: f32 = 1e-10;
/// Dynamic range of the spectrogram, in powers of ten below its maximum.
const RANGE: f32 = 8.0;

/// Computes model inputs for one number of mel bands.
pub struct MelSpectrogram {
    bands: Vec<Band>,
    taper: Vec<f32>,
    fft: Arc<dyn RealToComplex<f32>>,
}

/// One triangular filter: the first spectral line it touches, and its weights from there on.
struct Band {
    first: usize,
    weights: Vec<f32>,
}

impl MelSpectrogram {
    /// A spectrogram of `bands` mel bands between 0 and 8 kHz: 80 for most models, 128 for large-v3.
    pub fn new(bands: usize) -> Self {
        let taper = (0..WINDOW).map(|i| 0.5 - 0.5 * (std::f32::consts::TAU * i as f32 / WINDOW as f32).cos()).collect();
        Self { bands: filters(bands), taper, fft: RealFftPlanner::new().plan_fft_forward(WINDOW) }
    }

    /// The model input for samples at 16 kHz (-1..1): band-major, `frames` values (10 ms each, at most [`INPUT_FRAMES`])
    /// per band. Shorter audio is zero-padded, longer audio is truncated.
    pub fn features(&self, samples: &[f32], frames: usize) -> Vec<f32> {
        let frames = frames.min(INPUT_FRAMES);
        let samples = &samples[..samples.len().min(frames * HOP)];
        let mut out = vec![LEAST_POWER.log10(); self.bands.len() * frames];
        let mut window = vec![0.0; WINDOW];
        let mut spectrum = self.fft.make_output_vec();
        let mut scratch = self.fft.make_scratch_vec();
        // Windows after the end of the samples are silence, with which `out` is initialised.
        let touched = (samples.len() + WINDOW / 2).div_ceil(HOP).min(frames);
        for frame in 0..touched {
            for (i, (value, taper)) in window.iter_mut().zip(&self.taper).enumerate() {
                *value = taper * at(samples, frames * HOP, (frame * HOP + i) as isize - (WINDOW / 2) as isize);
            }
            self.fft
                .process_with_scratch(&mut window, &mut spectrum, &mut scratch)
                .expect("invariant: buffers come from the transform itself");
            let power: Vec<f32> = spectrum.iter().map(Complex::norm_sqr).collect();
            for (number, band) in self.bands.iter().enumerate() {
                let sum: f32 =
                    band.weights.iter().zip(&power[band.first..]).map(|(weight, power)| weight * power).sum();
                out[number * frames + frame] = sum.max(LEAST_POWER).log10();
            }
        }
        let loudest = out.iter().copied().fold(f32::MIN, f32::max);
        for value in &mut out {
            *value = (value.max(loudest - RANGE) + 4.0) / 4.0;
        }
        out
    }
}

/// A sample, with reflection padding at both ends of the input of `length` samples.
fn at(samples: &[f32], length: usize, index: isize) -> f32 {
    let index = index.unsigned_abs();
    let index = if index < length { index } else { (2 * length - 2).saturating_sub(index) };
    samples.get(index).copied().unwrap_or(0.0)
}

/// Slaney's mel scale: linear up to 1 kHz, logarithmic above.
fn to_mel(hertz: f64) -> f64 {
    if hertz < 1_000.0 { hertz * 3.0 / 200.0 } else { 15.0 + (hertz / 1_000.0).ln() * 27.0 / 6.4_f64.ln() }
}

fn to_hertz(mel: f64) -> f64 {
    if mel < 15.0 { mel * 200.0 / 3.0 } else { 1_000.0 * ((mel - 15.0) * 6.4_f64.ln() / 27.0).exp() }
}

/// Triangular filters between adjacent points of the mel scale, normalised to equal area.
fn filters(count: usize) -> Vec<Band> {
    let top = f64::from(ASR_SAMPLE_RATE) / 2.0;
    let edges: Vec<f64> = (0..count + 2).map(|i| to_hertz(to_mel(top) * i as f64 / (count + 1) as f64)).collect();
    let line = |i: usize| i as f64 * f64::from(ASR_SAMPLE_RATE) / WINDOW as f64;
    let triangle = |edges: &[f64]| {
        let [low, middle, high] = [edges[0], edges[1], edges[2]];
        let weight = |i: usize| {
            let rise = (line(i) - low) / (middle - low);
            let fall = (high - line(i)) / (high - middle);
            (rise.min(fall).max(0.0) * 2.0 / (high - low)) as f32
        };
        let touched: Vec<usize> = (0..=WINDOW / 2).filter(|i| weight(*i) > 0.0).collect();
        let first = touched.first().copied().unwrap_or(0);
        Band { first, weights: touched.iter().map(|i| weight(*i)).collect() }
    };
    edges.windows(3).map(triangle).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loudest_band(hertz: f32) -> usize {
        let tone: Vec<f32> =
            (0..16_000).map(|i| 0.5 * (std::f32::consts::TAU * hertz * i as f32 / 16_000.0).sin()).collect();
        let features = MelSpectrogram::new(80).features(&tone, INPUT_FRAMES);
        let level = |band: usize| features[band * INPUT_FRAMES + 50];
        (0..80).max_by(|a, b| level(*a).total_cmp(&level(*b))).unwrap()
    }

    #[test]
    fn the_mel_scale_round_trips() {
        for hertz in [0.0, 440.0, 999.0, 1_000.0, 4_000.0, 8_000.0] {
            assert!((to_hertz(to_mel(hertz)) - hertz).abs() < 1e-6);
        }
        assert!((to_mel(1_000.0) - 15.0).abs() < 1e-9);
    }

    #[test]
    fn a_tone_is_loudest_in_the_band_around_it() {
        let centre = |band: usize| to_hertz(to_mel(8_000.0) * (band + 1) as f64 / 81.0);
        for hertz in [300.0, 1_000.0, 3_000.0, 6_000.0] {
            let found = centre(loudest_band(hertz));
            assert!((found / f64::from(hertz)).ln().abs() < 0.1, "{hertz} Hz was found at {found} Hz");
        }
    }

    #[test]
    fn every_band_has_weight() {
        for bands in [80, 128] {
            assert!(filters(bands).iter().all(|band| band.weights.iter().sum::<f32>() > 0.0));
        }
    }

    #[test]
    fn silence_is_flat_and_padding_is_the_floor() {
        let spectrogram = MelSpectrogram::new(80);
        let silence = spectrogram.features(&[0.0; 1_600], INPUT_FRAMES);
        assert_eq!(silence.len(), 80 * INPUT_FRAMES);
        assert!(silence.iter().all(|value| *value == -1.5));
        let click = spectrogram.features(&[0.9; 16_000], INPUT_FRAMES);
        let (top, tail) = (click.iter().copied().fold(f32::MIN, f32::max), click[INPUT_FRAMES - 1]);
        assert!((top - tail - 2.0).abs() < 1e-5, "the floor is eight powers of ten below the top");
    }

    #[test]
    fn samples_longer_than_the_input_are_truncated() {
        let spectrogram = MelSpectrogram::new(80);
        let long: Vec<f32> = (0..INPUT_SAMPLES + 16_000).map(|i| (i as f32 * 0.01).sin()).collect();
        let whole = spectrogram.features(&long, usize::MAX);
        assert_eq!(whole, spectrogram.features(&long[..INPUT_SAMPLES], INPUT_FRAMES));
    }

    #[test]
    fn a_short_input_is_a_prefix_of_a_long_one() {
        let spectrogram = MelSpectrogram::new(80);
        let samples: Vec<f32> = (0..16_000).map(|i| 0.3 * (i as f32 * 0.05).sin()).collect();
        let (long, short) = (spectrogram.features(&samples, INPUT_FRAMES), spectrogram.features(&samples, 300));
        assert_eq!(short.len(), 80 * 300);
        for (long, short) in long.chunks(INPUT_FRAMES).zip(short.chunks(300)) {
            assert_eq!(long[..300], *short);
        }
    }
}
