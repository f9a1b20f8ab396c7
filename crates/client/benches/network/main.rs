//! Speech over bad networks: what is understood of it, what it sounds like. `make bench-network` runs this.
//!
//! Every condition is run with all that Telcon does and with plain Opus, over the same seeded network, in virtual time.
//! Results are kept in `--cache` by condition, for this very program and speech, so that a run that was interrupted goes
//! on; with `--only NAME` just those conditions run whose name begins so.

#[path = "../../tests/network/channel.rs"]
mod channel;
#[path = "../../tests/network/path.rs"]
mod path;
mod report;
mod score;

use channel::Weather;
use path::Heard;
use score::{Material, Model};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Seed of all networks.
const SEED: u64 = 2026;

/// How often the speech is repeated, where nobody says: the clips of the tests are short.
const REPEATS: usize = 3;

/// A condition's name, what it is on a plot's axis, and its network.
pub struct Condition {
    /// Which plot it is on, and where.
    pub name: String,
    /// Family.
    pub family: &'static str,
    /// Place on the axis of the family.
    pub at: f64,
    weather: Weather,
}

fn conditions() -> Vec<Condition> {
    let calm = Weather { burst: 1.0, ..Weather::default() };
    let mut all = Vec::new();
    let mut add =
        |family: &'static str, at: f64, name: String, weather| all.push(Condition { name, family, at, weather });
    for percent in [0, 5, 10, 20, 30] {
        let weather = Weather { loss: f64::from(percent) / 100.0, ..calm };
        add("loss", percent.into(), format!("loss {percent} %"), weather);
    }
    for percent in [5, 10, 20] {
        let weather = Weather { loss: f64::from(percent) / 100.0, burst: 4.0, ..calm };
        add("bursts", percent.into(), format!("bursts {percent} %, 4 in a row"), weather);
    }
    for ms in [20, 50, 100, 200] {
        add("jitter", ms as f64, format!("jitter {ms} ms"), Weather { jitter_us: ms * 1_000, ..calm });
    }
    for kbit in [64, 48, 32, 24, 16] {
        add(
            "bottleneck",
            kbit as f64,
            format!("bottleneck {kbit} kbit/s"),
            Weather { bottleneck: kbit * 1_000, ..calm },
        );
    }
    let mobile = Weather { loss: 0.1, burst: 2.0, jitter_us: 80_000, bottleneck: 0 };
    add("mobile", 10.0, "mobile: 10 % in pairs, jitter 80 ms".into(), mobile);
    all
}

/// How one path did under one condition.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Measured {
    /// Wrong words, and words said.
    pub wrong: usize,
    /// Words said.
    pub words: usize,
    /// Mean PESQ (wide band), if it was measured.
    pub pesq: Option<f64>,
    /// Share of frames that were made up.
    pub made_up: f64,
    /// Mean delay of the jitter buffer, ms.
    pub delay_ms: f64,
    /// Sent, kbit/s with IP headers.
    pub kbit: f64,
}

impl Measured {
    /// Words wrong, percent.
    pub fn rate(&self) -> f64 {
        100.0 * self.wrong as f64 / self.words as f64
    }
}

/// Both paths under one condition.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// The condition.
    pub name: String,
    /// Its family.
    pub family: String,
    /// Its place on the axis.
    pub at: f64,
    /// With all that Telcon does.
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
        let mut value = || arguments.next().unwrap_or_else(|| panic!("{argument} wants a value"));
        match argument.as_str() {
            "--bench" => {}
            "--speech" => given.speech = Some(value().into()),
            "--cache" => given.cache = Some(value().into()),
            "--write" => given.write = Some(value().into()),
            "--only" => given.only.push(value()),
            "--repeats" => given.repeats = Some(value().parse().expect("--repeats wants a number")),
            "--noise" => given.noise = Some(value().parse().expect("--noise wants dB")),
            "--frames-only" => given.frames_only = true,
            other => panic!("{other:?} is not known; see the head of this file"),
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
    std::fs::create_dir_all(&cache).expect("the cache directory can be made");
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
                let run = |path: fn(&[_], Weather, u64) -> Heard| {
                    let heard = path(&material.said, condition.weather, seed);
                    measure(&material, model.as_ref().filter(|_| !given.frames_only), &heard, &cache)
                };
                let (telcon, plain) = std::thread::scope(|scope| {
                    let theirs = scope.spawn(|| run(path::plain));
                    (run(path::telcon), theirs.join().expect("the plain path runs"))
                });
                let Condition { name, family, at, .. } = condition;
                let outcome = Outcome { name, family: family.into(), at, telcon, plain };
                std::fs::write(&kept, serde_json::to_vec(&outcome).expect("numbers serialise")).expect("it is kept");
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

fn measure(material: &Material, model: Option<&Model>, heard: &Heard, scratch: &Path) -> Measured {
    let (wrong, words) = model.map_or((0, 0), |model| material.words_wrong(model, &heard.frames));
    let pesq = model.and_then(|_| material.pesq(&heard.frames, scratch));
    Measured { wrong, words, pesq, made_up: heard.made_up(), delay_ms: heard.delay_ms(), kbit: heard.rate() / 1e3 }
}
