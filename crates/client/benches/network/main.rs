//! Speech over impaired networks: intelligibility (word error rate) and quality (PESQ). Run by `make bench-network`.
//!
//! Every condition is run with Telcon's audio path and with plain Opus, over the same seeded network, in virtual time.
//! Results are cached in `--cache` by condition, program and speech, so that an interrupted run can be resumed; with
//! `--only NAME`, only conditions whose names start with it run.

#[path = "../../tests/network/channel.rs"]
mod channel;
#[path = "../../tests/network/path.rs"]
mod path;
mod report;
mod score;

use channel::Impairments;
use path::Reception;
use score::{Material, Model};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Seed of all networks.
const SEED: u64 = 2026;

/// Default repetitions of the speech, because the clips of the tests are short.
const REPEATS: usize = 3;

/// A network condition and its position in the plots.
pub struct Condition {
    /// Name, for the table and the cache.
    pub name: String,
    /// The plot it belongs to.
    pub family: &'static str,
    /// Position on the plot's axis.
    pub at: f64,
    impairments: Impairments,
}

fn conditions() -> Vec<Condition> {
    let unimpaired = Impairments { burst: 1.0, ..Impairments::default() };
    let mut all = Vec::new();
    let mut add = |family: &'static str, at: f64, name: String, impairments| {
        all.push(Condition { name, family, at, impairments })
    };
    for percent in [0, 5, 10, 20, 30] {
        let impairments = Impairments { loss: f64::from(percent) / 100.0, ..unimpaired };
        add("loss", percent.into(), format!("loss {percent} %"), impairments);
    }
    for percent in [5, 10, 20] {
        let impairments = Impairments { loss: f64::from(percent) / 100.0, burst: 4.0, ..unimpaired };
        add("bursts", percent.into(), format!("bursts {percent} %, 4 in a row"), impairments);
    }
    for ms in [20, 50, 100, 200] {
        add("jitter", ms as f64, format!("jitter {ms} ms"), Impairments { jitter_us: ms * 1_000, ..unimpaired });
    }
    for kbit in [64, 48, 32, 24, 16] {
        add(
            "bottleneck",
            kbit as f64,
            format!("bottleneck {kbit} kbit/s"),
            Impairments { bottleneck: kbit * 1_000, ..unimpaired },
        );
    }
    let mobile = Impairments { loss: 0.1, burst: 2.0, jitter_us: 80_000, bottleneck: 0 };
    add("mobile", 10.0, "mobile: 10 % in pairs, jitter 80 ms".into(), mobile);
    all
}

/// The result of one path under one condition.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Measured {
    /// Word errors.
    pub wrong: usize,
    /// Words of the reference.
    pub words: usize,
    /// Mean PESQ (wide band), if it was measured.
    pub pesq: Option<f64>,
    /// Share of concealed frames.
    pub made_up: f64,
    /// Mean delay of the jitter buffer, ms.
    pub delay_ms: f64,
    /// Send rate with IP headers, kbit/s.
    pub kbit: f64,
}

impl Measured {
    /// Word error rate, percent.
    pub fn rate(&self) -> f64 {
        100.0 * self.wrong as f64 / self.words as f64
    }
}

/// Both paths under one condition.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// The condition.
    pub name: String,
    /// The plot it belongs to.
    pub family: String,
    /// Position on the plot's axis.
    pub at: f64,
    /// Telcon's audio path.
    pub telcon: Measured,
    /// Plain Opus.
    pub plain: Measured,
}

#[derive(Default)]
struct Arguments {
    speech: Option<PathBuf>,
    cache: Option<PathBuf>,
    write: Option<PathBuf>,
    only: Vec<String>,
    repeats: Option<usize>,
    noise: Option<f32>,
    frames_only: bool,
}

fn arguments() -> Arguments {
    let mut given = Arguments::default();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().unwrap_or_else(|| panic!("{argument} requires a value"));
        match argument.as_str() {
            "--bench" => {}
            "--speech" => given.speech = Some(value().into()),
            "--cache" => given.cache = Some(value().into()),
            "--write" => given.write = Some(value().into()),
            "--only" => given.only.push(value()),
            "--repeats" => given.repeats = Some(value().parse().expect("--repeats requires a number")),
            "--noise" => given.noise = Some(value().parse().expect("--noise requires dB")),
            "--frames-only" => given.frames_only = true,
            other => panic!("{other:?} is unknown; see the documentation of this file"),
        }
    }
    given
}

fn main() {
    let given = arguments();
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let material = Material::read(
        &given.speech.unwrap_or_else(|| manifest.join("fixtures")),
        given.repeats.unwrap_or(REPEATS),
        given.noise,
    );
    let model = Model::from_environment();
    if model.is_none() && !given.frames_only {
        println!(
            "TELCON_ASR_MODEL names no speech model, so no words are counted (`cargo xtask bench-network` has one)"
        );
    }
    let cache = given.cache.unwrap_or_else(|| std::env::temp_dir().join("telcon-bench-network"));
    let cache = cache.join(format!("{:016x}", score::fingerprint(&material, given.frames_only)));
    std::fs::create_dir_all(&cache).expect("the cache directory can be created");
    let mut outcomes = Vec::new();
    for condition in conditions() {
        let kept = cache.join(format!("{}.json", condition.name.replace([' ', '/', ':', ',', '%'], "_")));
        let wanted = given.only.is_empty() || given.only.iter().any(|only| condition.name.starts_with(only.as_str()));
        let outcome: Option<Outcome> = std::fs::read(&kept).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let outcome = match outcome {
            Some(outcome) => outcome,
            None if !wanted => continue,
            None => {
                let began = Instant::now();
                let seed = SEED ^ score::fnv(condition.name.as_bytes());
                let run = |path: fn(&[_], Impairments, u64) -> Reception| {
                    let output = path(&material.input, condition.impairments, seed);
                    measure(&material, model.as_ref().filter(|_| !given.frames_only), &output, &cache)
                };
                let (telcon, plain) = std::thread::scope(|scope| {
                    let plain = scope.spawn(|| run(path::plain));
                    (run(path::telcon), plain.join().expect("the plain path runs"))
                });
                let Condition { name, family, at, .. } = condition;
                let outcome = Outcome { name, family: family.into(), at, telcon, plain };
                std::fs::write(&kept, serde_json::to_vec(&outcome).expect("numbers serialise"))
                    .expect("the cache is writable");
                eprintln!("{}: {:.0} s", outcome.name, began.elapsed().as_secs_f64());
                outcome
            }
        };
        outcomes.push(outcome);
    }
    print!("{}", report::table(&outcomes));
    if let Some(folder) = given.write {
        report::write(&folder, &outcomes, &material, SEED).expect("the report can be written");
    }
}

fn measure(material: &Material, model: Option<&Model>, output: &Reception, scratch: &Path) -> Measured {
    let (wrong, words) = model.map_or((0, 0), |model| material.words_wrong(model, &output.frames));
    let pesq = model.and_then(|_| material.pesq(&output.frames, scratch));
    Measured { wrong, words, pesq, made_up: output.concealed(), delay_ms: output.delay_ms(), kbit: output.rate() / 1e3 }
}
