//! Finds speech in a stream: where it begins and where it ends.

use std::collections::VecDeque;

use earshot::Detector;

use crate::audio::rate::HEARING_RATE;

/// Samples that are judged at a time: 16 ms, as the detector wants them.
const STEP: usize = 256;
/// Score from which on a step counts as speech, and below which it no longer does.
const BEGIN_SCORE: f32 = 0.5;
const END_SCORE: f32 = 0.35;
/// Steps of speech in a row that begin it. Three, 48 ms: a key stroke is shorter, every syllable longer.
const BEGIN_STEPS: u32 = 3;
/// Steps without speech that end it: 0.3 s, longer than the closure of any consonant.
const END_STEPS: u32 = 19;
/// Mean square below which nothing is speech (-60 dB of full scale): the detector has no sense of loudness.
const LEAST_POWER: f32 = 1e-6;

/// A boundary of speech, in samples (16 kHz) since the stream began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// Speech begins here.
    Begin(u64),
    /// Speech ends here.
    End(u64),
}

/// Finds speech in one speaker's stream.
///
/// A beginning is told 50 ms after it was, an end 0.3 s after; both name the place where they were. Soft sounds at
/// either side ("h", "f", a fading vowel) score low: who cuts should leave a margin.
pub struct SpeechFinder {
    detector: Box<Detector>,
    pending: VecDeque<f32>,
    /// Steps judged so far.
    steps: u64,
    speaking: bool,
    run: u32,
}

impl SpeechFinder {
    /// A finder at the beginning of a stream.
    pub fn new() -> Self {
        Self { detector: Detector::default_boxed(), pending: VecDeque::new(), steps: 0, speaking: false, run: 0 }
    }

    /// Whether somebody is speaking, as far as is known.
    pub fn speaking(&self) -> bool {
        self.speaking
    }

    /// Takes the next samples (16 kHz, -1..1, any number) and tells which boundaries are now sure.
    pub fn push(&mut self, samples: &[f32]) -> Vec<Edge> {
        self.pending.extend(samples.iter().map(|sample| sample.clamp(-1.0, 1.0)));
        let mut edges = Vec::new();
        while self.pending.len() >= STEP {
            let mut step = [0.0; STEP];
            for (to, from) in step.iter_mut().zip(self.pending.drain(..STEP)) {
                *to = from;
            }
            edges.extend(self.judge(&step));
        }
        edges
    }

    /// Ends the stream: an end that was not sure yet is told now.
    pub fn finish(&mut self) -> Option<Edge> {
        self.speaking.then(|| {
            self.speaking = false;
            Edge::End(self.steps * STEP as u64)
        })
    }

    fn judge(&mut self, step: &[f32; STEP]) -> Option<Edge> {
        // The detector keeps state: it must see every step, the quiet ones too.
        let score = self.detector.predict_f32(step);
        let power = step.iter().map(|sample| sample * sample).sum::<f32>() / STEP as f32;
        let score = if power < LEAST_POWER { 0.0 } else { score };
        self.steps += 1;
        if !self.speaking {
            self.run = if score >= BEGIN_SCORE { self.run + 1 } else { 0 };
            if self.run < BEGIN_STEPS {
                return None;
            }
            self.speaking = true;
            return Some(Edge::Begin(self.run_start()));
        }
        self.run = if score < END_SCORE { self.run + 1 } else { 0 };
        if self.run < END_STEPS {
            return None;
        }
        self.speaking = false;
        Some(Edge::End(self.run_start()))
    }

    /// Ends the run of like steps and gives the sample at which it began.
    fn run_start(&mut self) -> u64 {
        (self.steps - u64::from(std::mem::take(&mut self.run))) * STEP as u64
    }
}

impl Default for SpeechFinder {
    fn default() -> Self {
        Self::new()
    }
}

/// Seconds of a number of samples at 16 kHz.
pub fn seconds(samples: u64) -> f64 {
    samples as f64 / f64::from(HEARING_RATE)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::audio::wav;

    fn fixture(name: &str) -> Vec<f32> {
        wav::read_at(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name), HEARING_RATE).unwrap()
    }

    fn spans(sound: &[f32], chunk: usize) -> Vec<(f64, f64)> {
        let mut finder = SpeechFinder::new();
        let mut edges: Vec<Edge> = sound.chunks(chunk).flat_map(|chunk| finder.push(chunk)).collect();
        edges.extend(finder.finish());
        let pair = |pair: &[Edge]| match pair {
            [Edge::Begin(begin), Edge::End(end)] => (seconds(*begin), seconds(*end)),
            other => panic!("not in turn: {other:?}"),
        };
        edges.chunks(2).map(pair).collect()
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
            let found: f64 = spans(&noise(amplitude, 20), 320).iter().map(|(begin, end)| end - begin).sum();
            assert!(found < 0.5, "{found} s of speech in noise of {amplitude}");
        }
    }

    #[test]
    fn sentences_are_found_with_the_pauses_between_them() {
        for (name, sentences) in [("a.wav", 3), ("b.wav", 3)] {
            let sound = fixture(name);
            let mut padded = vec![0.0; 32_000];
            padded.extend(&sound);
            padded.extend(vec![0.0; 32_000]);
            let found = spans(&padded, 320);
            assert!((sentences..=sentences + 3).contains(&found.len()), "{name}: {found:?}");
            let (first, last) = (found[0].0, found[found.len() - 1].1);
            let length = sound.len() as f64 / 16_000.0;
            assert!((1.9..2.4).contains(&first), "{name} begins at {first}");
            assert!((length + 1.3..length + 2.3).contains(&last), "{name} ends at {last} of {length}");
            let speech: f64 = found.iter().map(|(begin, end)| end - begin).sum();
            assert!(speech > 0.6 * length, "{name}: {speech} s of {length} s");
        }
    }

    #[test]
    fn how_the_stream_is_cut_makes_no_difference() {
        let sound = fixture("a.wav");
        assert_eq!(spans(&sound, 320), spans(&sound, 1_111));
    }
}
