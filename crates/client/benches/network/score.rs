//! Word error rate and PESQ of received speech against the input.

use crate::channel::Random;
use std::path::{Path, PathBuf};
use std::process::Command;
use telcon_client::audio::resample::{ASR_SAMPLE_RATE, resample};
use telcon_client::audio::{FRAME_SAMPLES, Frame, SAMPLE_RATE, SILENCE, frames, to_f32, wav};
use telcon_client::transcription::wer::word_errors;
use telcon_client::transcription::{Effort, Recognizer as _, Request, Whisper};

/// Silence after each clip, frames: longer than any buffer delay, so that the clips can be separated in the output.
const GAP: usize = 60;
/// Offset of a clip in the output, frames: the network's base delay and a small buffer's.
const OUTPUT_OFFSET: usize = 5;
/// Longest piece for PESQ, frames: 10 s, as recommended by ITU-T P.862 section 8.
const PIECE: usize = 500;

/// The speech model.
pub struct Model(Whisper);

impl Model {
    /// The model that `TELCON_ASR_MODEL` names.
    pub fn from_environment() -> Option<Self> {
        let dir = PathBuf::from(std::env::var_os("TELCON_ASR_MODEL")?);
        Some(Self(Whisper::load(&dir).expect("TELCON_ASR_MODEL names a model")))
    }
}

/// A clip within the input.
struct Clip {
    start: usize,
    length: usize,
}

/// The input: two clips, repeated.
pub struct Material {
    /// All frames.
    pub input: Vec<Frame>,
    /// Duration, seconds.
    pub seconds: f64,
    /// Level of the noise below the speech, dB.
    pub noise: Option<f32>,
    rounds: Vec<[Clip; 2]>,
    text: String,
}

impl Material {
    /// Reads `a.wav`, `a.txt`, `b.wav`, `b.txt`.
    ///
    /// `noise`: level of added room noise below the speech, dB; none if not given.
    pub fn read(dir: &Path, repeats: usize, noise: Option<f32>) -> Self {
        let text = |name| std::fs::read_to_string(dir.join(name)).expect("the text of the speech is there");
        let clip = |name| -> Vec<Frame> { frames(&wav::read(&dir.join(name)).expect("the speech is there")).collect() };
        let clips = [clip("a.wav"), clip("b.wav")];
        let speech: f64 = clips.iter().map(|clip| loudness(clip)).sum::<f64>() / 2.0;
        let mut input = Vec::new();
        let mut round = || {
            clips.each_ref().map(|clip| {
                let start = input.len();
                input.extend_from_slice(clip);
                input.extend([SILENCE; GAP]);
                Clip { start, length: clip.len() }
            })
        };
        let rounds = (0..repeats).map(|_| round()).collect();
        if let Some(below) = noise {
            add_noise(&mut input, speech * 10_f64.powf(f64::from(-below) / 20.0));
        }
        let seconds = input.len() as f64 / 50.0;
        Self { input, seconds, noise, rounds, text: format!("{}\n{}", text("a.txt"), text("b.txt")) }
    }

    /// Word errors, and words of the reference.
    pub fn words_wrong(&self, model: &Model, output: &[Frame]) -> (usize, usize) {
        let mut total = (0, 0);
        for [first, second] in &self.rounds {
            let sound = at_asr_rate(
                &output[first.start + OUTPUT_OFFSET..second.start + second.length + GAP / 2 + OUTPUT_OFFSET],
            );
            let text = model.0.clone().transcribe(&sound, &Request::new(Effort::Best)).expect("the model works").text();
            let errors = word_errors(&self.text, &text);
            total = (total.0 + errors.errors, total.1 + errors.words);
        }
        total
    }

    /// Mean PESQ of all pieces, or none if `TELCON_PESQ` names no Python interpreter with the package.
    pub fn pesq(&self, output: &[Frame], scratch: &Path) -> Option<f64> {
        let python = std::env::var_os("TELCON_PESQ")?;
        let folder = scratch.join(format!("pesq-{:?}", std::thread::current().id()).replace(['(', ')'], ""));
        std::fs::create_dir_all(&folder).expect("a directory for sound can be created");
        let mut pairs = Vec::new();
        for clip in self.rounds.iter().flatten() {
            // Equal pieces of at most ten seconds.
            let pieces = clip.length.div_ceil(PIECE);
            for piece in 0..pieces {
                let start = clip.start + clip.length * piece / pieces;
                let end = clip.start + clip.length * (piece + 1) / pieces;
                let pair = [&self.input[start..end], &output[start + OUTPUT_OFFSET..end + OUTPUT_OFFSET]];
                for (which, sound) in ["said", "heard"].iter().zip(pair) {
                    let path = folder.join(format!("{}-{which}.wav", pairs.len()));
                    write(&path, &at_asr_rate(sound));
                }
                pairs.push(pairs.len().to_string());
            }
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/network/pesq_mean.py");
        let output = Command::new(python).arg(script).arg(&folder).args(&pairs).output().expect("Python runs");
        assert!(output.status.success(), "PESQ: {}", String::from_utf8_lossy(&output.stderr));
        std::fs::remove_dir_all(&folder).expect("the directory can be removed");
        String::from_utf8_lossy(&output.stdout).trim().parse().ok()
    }
}

/// Root mean square of the louder half of the frames, to exclude pauses.
fn loudness(frames: &[Frame]) -> f64 {
    let power = |frame: &Frame| frame.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / frame.len() as f64;
    let mut powers: Vec<f64> = frames.iter().map(power).collect();
    powers.sort_by(f64::total_cmp);
    let loud = &powers[powers.len() / 2..];
    (loud.iter().sum::<f64>() / loud.len() as f64).sqrt()
}

/// Adds deterministic, approximately pink noise of this root mean square.
fn add_noise(input: &mut [Frame], level: f64) {
    let mut random = Random(7);
    let (mut slow, mut middle) = (0.0, 0.0);
    let noise: Vec<f64> = (0..input.len() * FRAME_SAMPLES)
        .map(|_| {
            let white = random.share() * 2.0 - 1.0;
            // Two one-pole low passes over white noise: about pink between 50 Hz and 5 kHz.
            slow = 0.995 * slow + 0.1 * white;
            middle = 0.92 * middle + 0.2 * white;
            slow + middle + 0.1 * white
        })
        .collect();
    let power = noise.iter().map(|sample| sample * sample).sum::<f64>() / noise.len() as f64;
    for (sample, noise) in input.iter_mut().flatten().zip(noise) {
        *sample = (f64::from(*sample) + noise * level / power.sqrt()).round() as i16;
    }
}

fn at_asr_rate(sound: &[Frame]) -> Vec<f32> {
    let flat: Vec<f32> = sound.iter().flatten().map(|sample| to_f32(*sample)).collect();
    assert_eq!(flat.len(), sound.len() * FRAME_SAMPLES);
    resample(&flat, SAMPLE_RATE, ASR_SAMPLE_RATE).expect("48 kHz becomes 16 kHz")
}

fn write(path: &Path, sound: &[f32]) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: ASR_SAMPLE_RATE,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec).expect("a file can be created");
    for sample in sound {
        writer.write_sample(telcon_client::audio::to_i16(*sample)).expect("a file can be written");
    }
    writer.finalize().expect("a file can be written");
}

/// FNV-1a.
pub fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Fingerprint of this program and its input, so that cached results are only used for the same ones.
pub fn fingerprint(material: &Material, frames_only: bool) -> u64 {
    let program = std::env::current_exe().and_then(std::fs::read).expect("the program can read itself");
    let samples: Vec<u8> = material.input.iter().flatten().flat_map(|sample| sample.to_le_bytes()).collect();
    fnv(&program) ^ fnv(&samples).rotate_left(1) ^ u64::from(frames_only)
}
