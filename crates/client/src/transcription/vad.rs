//! Voice activity detection: where speech starts and ends in a stream.

use std::collections::VecDeque;

use earshot::Detector;

use crate::audio::resample::ASR_SAMPLE_RATE;

/// Samples per detector step: 16 ms.
const STEP: usize = 256;
/// Detector score at which a step starts to count as speech, and below which it no longer does (hysteresis).
const START_SCORE: f32 = 0.5;
const END_SCORE: f32 = 0.35;
/// Consecutive speech steps that start speech. Three are 48 ms: longer than a key stroke, shorter than any syllable.
const START_STEPS: u32 = 3;
/// Consecutive non-speech steps that end speech: 0.3 s, longer than the closure of any consonant.
const END_STEPS: u32 = 19;
/// Mean square below which nothing counts as speech (-60 dBFS), because the detector ignores loudness.
const LEAST_POWER: f32 = 1e-6;

/// A speech boundary, in samples (16 kHz) since the start of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boundary {
    /// Start of speech.
    Start(u64),
    /// End of speech.
    End(u64),
}

/// Voice activity detector for one speaker's stream.
///
/// A start is reported with a latency of 50 ms and an end with 0.3 s, each with its exact position. Soft sounds at either side
/// ("h", "f", a fading vowel) score low, so segments should include a margin.
pub struct SpeechDetector {
    detector: Box<Detector>,
    pending: VecDeque<f32>,
    /// Steps processed so far.
    steps: u64,
    speaking: bool,
    run: u32,
}

impl SpeechDetector {
    /// A detector at the start of a stream.
    pub fn new() -> Self {
        Self { detector: Detector::default_boxed(), pending: VecDeque::new(), steps: 0, speaking: false, run: 0 }
    }

    /// Whether speech has started and not ended.
    pub fn speaking(&self) -> bool {
        self.speaking
    }

    /// Processes the next samples (16 kHz, -1..1, any number) and returns the boundaries that are now certain.
    pub fn push(&mut self, samples: &[f32]) -> Vec<Boundary> {
        self.pending.extend(samples.iter().map(|sample| sample.clamp(-1.0, 1.0)));
        let mut boundaries = Vec::new();
        while self.pending.len() >= STEP {
            let mut step = [0.0; STEP];
            for (to, from) in step.iter_mut().zip(self.pending.drain(..STEP)) {
                *to = from;
            }
            boundaries.extend(self.process_step(&step));
        }
        boundaries
    }

    /// Ends the stream; returns the end of speech that is still open.
    pub fn finish(&mut self) -> Option<Boundary> {
        self.speaking.then(|| {
            self.speaking = false;
            Boundary::End(self.steps * STEP as u64)
        })
    }

    fn process_step(&mut self, step: &[f32; STEP]) -> Option<Boundary> {
        // The detector is stateful, so it must process every step, including silence.
        let score = self.detector.predict_f32(step);
        let power = step.iter().map(|sample| sample * sample).sum::<f32>() / STEP as f32;
        let score = if power < LEAST_POWER { 0.0 } else { score };
        self.steps += 1;
        if !self.speaking {
            self.run = if score >= START_SCORE { self.run + 1 } else { 0 };
            if self.run < START_STEPS {
                return None;
            }
            self.speaking = true;
            return Some(Boundary::Start(self.run_start()));
        }
        self.run = if score < END_SCORE { self.run + 1 } else { 0 };
        if self.run < END_STEPS {
            return None;
        }
        self.speaking = false;
        Some(Boundary::End(self.run_start()))
    }

    /// Ends the current run of equal steps and returns its first sample.
    fn run_start(&mut self) -> u64 {
        (self.steps - u64::from(std::mem::take(&mut self.run))) * STEP as u64
    }
}

impl Default for SpeechDetector {
    fn default() -> Self {
        Self::new()
    }
}

/// Duration of a number of samples at 16 kHz, seconds.
pub fn seconds(samples: u64) -> f64 {
    samples as f64 / f64::from(ASR_SAMPLE_RATE)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::audio::wav;

    fn fixture(name: &str) -> Vec<f32> {
        wav::read_at(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name), ASR_SAMPLE_RATE).unwrap()
    }

    fn spans(sound: &[f32], chunk: usize) -> Vec<(f64, f64)> {
        let mut detector = SpeechDetector::new();
        let mut boundaries: Vec<Boundary> = sound.chunks(chunk).flat_map(|chunk| detector.push(chunk)).collect();
        boundaries.extend(detector.finish());
        let pair = |pair: &[Boundary]| match pair {
            [Boundary::Start(start), Boundary::End(end)] => (seconds(*start), seconds(*end)),
            other => panic!("start and end do not alternate: {other:?}"),
        };
        boundaries.chunks(2).map(pair).collect()
    }

    fn noise(amplitude: f32, seconds: usize) -> Vec<f32> {
        let mut state = 1_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            amplitude * ((state >> 8) as f32 / (1 << 23) as f32 - 1.0)
        };
        (0..seconds * 16_000).map(|_| next()).collect()
    }

    #[test]
    fn silence_and_noise_are_not_speech() {
        assert_eq!(spans(&vec![0.0; 160_000], 320), []);
        for amplitude in [0.0005, 0.01, 0.2] {
            let found: f64 = spans(&noise(amplitude, 20), 320).iter().map(|(start, end)| end - start).sum();
            assert!(found < 0.5, "{found} s of speech in noise of {amplitude}");
        }
    }

    #[test]
    fn sentences_and_pauses_are_detected() {
        for (name, sentences) in [("a.wav", 3), ("b.wav", 3)] {
            let sound = fixture(name);
            let mut padded = vec![0.0; 32_000];
            padded.extend(&sound);
            padded.extend(vec![0.0; 32_000]);
            let found = spans(&padded, 320);
            assert!((sentences..=sentences + 3).contains(&found.len()), "{name}: {found:?}");
            let (first, last) = (found[0].0, found[found.len() - 1].1);
            let length = sound.len() as f64 / 16_000.0;
            assert!((1.9..2.4).contains(&first), "{name} starts at {first}");
            assert!((length + 1.3..length + 2.3).contains(&last), "{name} ends at {last} of {length}");
            let speech: f64 = found.iter().map(|(start, end)| end - start).sum();
            assert!(speech > 0.6 * length, "{name}: {speech} s of {length} s");
        }
    }

    #[test]
    fn the_chunk_size_makes_no_difference() {
        let sound = fixture("a.wav");
        assert_eq!(spans(&sound, 320), spans(&sound, 1_111));
    }
}
