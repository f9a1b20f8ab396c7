//! Words invented in sound without speech.

use crate::{Model, call};
use std::f64::consts::TAU;
use telcon_client::audio::{FRAME_SAMPLES, Frame, SAMPLE_RATE};
use telcon_client::transcription::certainty::without_marks;
use telcon_client::transcription::wer::words;

/// Length of one clip, seconds.
const CLIP_S: f64 = 60.0;

/// What a model makes of one kind of sound.
pub struct Invented {
    /// The model's name.
    pub model: String,
    /// The kind of sound.
    pub sound: &'static str,
    /// Its length, seconds.
    pub seconds: f64,
    /// Words that nobody said.
    pub words: usize,
    /// Passages marked as unclear.
    pub marks: usize,
}

/// Measures `hours` of sound, the same length of each kind.
pub fn measure(model: &Model, hours: f64) -> Vec<Invented> {
    type Maker = fn(&mut Random, f64, usize) -> f64;
    let kinds: [(&'static str, Maker); 6] = [
        ("silence", |_, _, _| 0.0),
        ("noise", |random, _, clip| random.pink() * [0.01, 0.05, 0.2][clip % 3]),
        ("hum", |random, t, clip| {
            let mains = [50.0, 60.0][clip % 2];
            let wave: f64 = (1..6).map(|n| (TAU * mains * f64::from(n) * t).sin() / f64::from(n)).sum();
            0.1 * wave + 0.002 * random.pink()
        }),
        ("keyboard", keyboard),
        ("music: chords", |_, t, clip| music(t, clip, &[0, 4, 7, 12])),
        ("music: a melody", |_, t, clip| music(t, clip, &[[0, 2, 4, 5, 7, 9, 11, 12][(t * 2.0) as usize * 5 % 8]])),
    ];
    let clips = ((hours * 3_600.0 / CLIP_S) / kinds.len() as f64).ceil().max(1.0) as usize;
    let mut found = Vec::new();
    for (sound, make) in kinds {
        let mut row = Invented { model: model.name.clone(), sound, seconds: 0.0, words: 0, marks: 0 };
        for clip in 0..clips {
            let mut random = Random(clip as u64 + 1, 0.0, 0.0);
            let rate = f64::from(SAMPLE_RATE);
            let frames: Vec<Frame> = (0..(CLIP_S * 50.0) as usize)
                .map(|frame| {
                    std::array::from_fn(|i| {
                        let t = (frame * FRAME_SAMPLES + i) as f64 / rate;
                        (make(&mut random, t, clip).clamp(-1.0, 1.0) * 32_767.0) as i16
                    })
                })
                .collect();
            let lines = call::lines(model.whisper.clone(), None, &frames, 0);
            let text = call::text(&lines);
            let invented = words(&without_marks(&text)).len();
            if invented > 0 {
                println!("{} invented in {sound} {clip}: {text}", model.name);
            }
            row.seconds += CLIP_S;
            row.words += invented;
            row.marks += lines.iter().filter(|line| words(&without_marks(&line.text)).is_empty()).count();
        }
        found.push(row);
    }
    found
}

/// Key strokes: bursts of noise that decay within milliseconds, four to nine a second, over room noise.
fn keyboard(random: &mut Random, t: f64, clip: usize) -> f64 {
    let rate = 4.0 + (clip % 6) as f64;
    let since = (t * rate).fract() / rate;
    let key = ((t * rate) as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 60;
    let loud = 0.1 + 0.02 * key as f64;
    loud * random.white() * (-since * 180.0).exp() + 0.003 * random.pink()
}

/// Tones of an instrument that is struck every half second, above a root that changes every two seconds.
fn music(t: f64, clip: usize, steps: &[i32]) -> f64 {
    let root = 110.0 * 2_f64.powf(((t / 2.0) as usize * 7 % 12 + clip % 5) as f64 / 12.0);
    let decay = (-(t * 2.0).fract() * 2.0).exp();
    let tone = |step: &i32| {
        let hertz = root * 2_f64.powf(f64::from(*step) / 12.0);
        (1..5).map(|n| (TAU * hertz * f64::from(n) * t).sin() / f64::from(n * n)).sum::<f64>()
    };
    0.3 * decay * steps.iter().map(tone).sum::<f64>() / steps.len() as f64
}

/// Deterministic noise.
struct Random(u64, f64, f64);

impl Random {
    fn white(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as f64 / (1_u64 << 30) as f64 - 1.0
    }

    /// About pink between 50 Hz and 5 kHz: two low passes over white noise.
    fn pink(&mut self) -> f64 {
        let white = self.white();
        self.1 = 0.995 * self.1 + 0.1 * white;
        self.2 = 0.92 * self.2 + 0.2 * white;
        (self.1 + self.2 + 0.1 * white) / 3.0
    }
}
