//! Sound that sets in abruptly after digital silence: a microphone that was muted, or a sender that resumed.

use std::collections::VecDeque;

use crate::audio::resample::ASR_FRAME_SAMPLES;

/// Amplitude up to which a sample counts as digital silence: three steps of 16 bits, which the codec leaves of zeros.
const SILENT_AMPLITUDE: f32 = 1e-4;
/// Silent frames (20 ms each) before an onset: longer than any pause within a word.
const MIN_SILENT_FRAMES: u32 = 15;
/// Frames after the first that is not silent in which the loudest is looked for.
const LOOKAHEAD_FRAMES: usize = 10;
/// Share of the loudest frame's power that the onset has in its first two frames if it is abrupt: 10 dB below it. A voice that
/// begins, and the room around it, rise more slowly.
const ABRUPT_SHARE: f32 = 0.1;

/// Detects abrupt onsets in one speaker's frames.
#[derive(Default)]
pub struct OnsetDetector {
    silent_frames: u32,
    /// Powers of the frames since the end of silence, while an onset is being judged.
    powers: VecDeque<f32>,
}

impl OnsetDetector {
    /// Adds a frame. Returns the distance in samples from the start of this frame back to an abrupt onset that is certain now.
    pub fn push(&mut self, frame: &[f32]) -> Option<u64> {
        let silent = frame.iter().all(|sample| sample.abs() <= SILENT_AMPLITUDE);
        let power = frame.iter().map(|sample| sample * sample).sum::<f32>() / frame.len().max(1) as f32;
        if self.powers.is_empty() {
            if silent {
                self.silent_frames = self.silent_frames.saturating_add(1);
            } else if std::mem::take(&mut self.silent_frames) >= MIN_SILENT_FRAMES {
                self.powers.push_back(power);
            }
            return None;
        }
        self.powers.push_back(power);
        if self.powers.len() <= LOOKAHEAD_FRAMES {
            return None;
        }
        let loudest = self.powers.iter().copied().fold(0.0, f32::max);
        let first = self.powers.iter().take(2).copied().fold(0.0, f32::max);
        self.powers.clear();
        self.silent_frames = u32::from(silent);
        (first >= ABRUPT_SHARE * loudest).then_some((LOOKAHEAD_FRAMES * ASR_FRAME_SAMPLES) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames of a constant amplitude each.
    fn onsets(amplitudes: impl IntoIterator<Item = f32>) -> Vec<(usize, u64)> {
        let mut detector = OnsetDetector::default();
        let frames = amplitudes.into_iter().enumerate();
        frames.filter_map(|(i, a)| detector.push(&[a; ASR_FRAME_SAMPLES]).map(|back| (i, back))).collect()
    }

    #[test]
    fn only_an_abrupt_onset_after_digital_silence_is_reported() {
        let silence = || std::iter::repeat_n(0.0, 20);
        let voice = || std::iter::repeat_n(0.3, 20);
        assert_eq!(onsets(silence().chain(voice())), [(30, 3_200)]);
        let rising = (0..20).map(|i| 0.3 * (i as f32 / 20.0).powi(2));
        assert_eq!(onsets(silence().chain(rising)), []);
        assert_eq!(onsets(std::iter::repeat_n(0.001, 20).chain(voice())), [], "room noise is not digital silence");
        assert_eq!(onsets(voice().chain(std::iter::repeat_n(0.0, 5)).chain(voice())), [], "a short pause");
    }
}
