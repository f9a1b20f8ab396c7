//! What the transcript gets wrong, and what it invents. Run by `make bench-transcript`.
//!
//! `--speech DIR` has `manifest.json` (see `scripts/transcript/make_speech.py`); `--model NAME=DIR` may be repeated; `--offline FILE`
//! has what faster-whisper made of the same files; `--write FILE` writes the page; `--joins N` and `--hours H` make it shorter.

mod call;
mod delay;
mod joins;
mod noise;
mod page;
mod words;

use std::collections::BTreeMap;
use std::path::PathBuf;
use telcon_client::audio::resample::ASR_SAMPLE_RATE;
use telcon_client::audio::{Frame, frames, wav};
use telcon_client::transcription::Whisper;

/// A file of speech.
#[derive(serde::Deserialize)]
pub struct Speech {
    /// The language's code.
    pub language: String,
    /// `human` or `synthetic`.
    pub kind: String,
    /// The file's name.
    pub sound: String,
    /// What is said.
    pub text: String,
    /// The sound, 48 kHz.
    #[serde(skip)]
    pub frames: Vec<Frame>,
    /// The sound, 16 kHz.
    #[serde(skip)]
    pub samples: Vec<f32>,
}

/// A model with its name.
pub struct Model {
    /// The name.
    pub name: String,
    /// The model.
    pub whisper: Whisper,
}

/// Texts by model and file, as faster-whisper gave them.
pub type Offline = BTreeMap<String, BTreeMap<String, String>>;

struct Arguments {
    speech: PathBuf,
    models: Vec<(String, PathBuf)>,
    offline: Option<PathBuf>,
    write: Option<PathBuf>,
    joins: usize,
    hours: f64,
}

fn arguments() -> Arguments {
    let mut given =
        Arguments { speech: PathBuf::new(), models: Vec::new(), offline: None, write: None, joins: 100, hours: 1.0 };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().unwrap_or_else(|| panic!("{argument} needs a value"));
        match argument.as_str() {
            "--speech" => given.speech = value().into(),
            "--model" => {
                let value = value();
                let (name, dir) = value.split_once('=').expect("--model NAME=DIR");
                given.models.push((name.to_owned(), dir.into()));
            }
            "--offline" => given.offline = Some(value().into()),
            "--write" => given.write = Some(value().into()),
            "--joins" => given.joins = value().parse().expect("--joins is a number"),
            "--hours" => given.hours = value().parse().expect("--hours is a number"),
            // Cargo's own.
            "--bench" => {}
            other => panic!("{other} is not an argument of this benchmark"),
        }
    }
    given
}

fn main() {
    let arguments = arguments();
    let manifest =
        std::fs::read(arguments.speech.join("manifest.json")).expect("--speech names a directory with manifest.json");
    let mut speech: Vec<Speech> = serde_json::from_slice(&manifest).expect("manifest.json is a list of files");
    for file in &mut speech {
        let path = arguments.speech.join(&file.sound);
        file.frames = frames(&wav::read(&path).expect("the audio file can be read")).collect();
        file.samples = wav::read_at(&path, ASR_SAMPLE_RATE).expect("the audio file can be read");
    }
    let offline: Offline = arguments.offline.map_or_else(BTreeMap::new, |file| {
        serde_json::from_slice(&std::fs::read(file).expect("--offline names a file")).expect("the file is JSON")
    });
    let models: Vec<Model> = arguments
        .models
        .into_iter()
        .map(|(name, dir)| Model { whisper: Whisper::load(&dir).unwrap_or_else(|error| panic!("{error}")), name })
        .collect();
    let load = load_average();
    let mut page = page::Page {
        words: Vec::new(),
        joins: Vec::new(),
        noise: Vec::new(),
        delay: Vec::new(),
        load,
        offline: !offline.is_empty(),
    };
    for model in &models {
        page.words.extend(words::measure(model, &speech, offline.get(&model.name)));
        page.joins.push(joins::measure(model, &speech, arguments.joins));
        page.noise.extend(noise::measure(model, arguments.hours));
    }
    page.delay.push(delay::measure(&models, &speech));
    let text = page.text();
    println!("{text}");
    if let Some(file) = arguments.write {
        std::fs::write(&file, text).expect("the page can be written");
    }
}

/// Runnable processes on this machine in the last minute, if it says so.
fn load_average() -> Option<f64> {
    std::fs::read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()
}
