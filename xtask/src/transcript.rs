//! The transcript benchmark: fetches speech, models and faster-whisper, runs it, and writes its page.

use crate::{fixtures, process, rust, stamp};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// The benchmark's name.
pub const BENCH: &str = "transcript";

/// Runs the benchmark and writes `docs/transcript.md`. With arguments, which are passed on, it only prints the page.
pub fn bench(arguments: &[String]) -> Result<()> {
    let speech = speech()?;
    let models = [("tiny.en", fixtures::model()?), ("base", fixtures::multilingual_model()?)];
    let models = models.map(|(name, dir)| format!("{name}={}", dir.display()));
    let mut command = rust::cargo(&["bench", "--locked", "--workspace", "--profile", "dev", "--bench", BENCH])?;
    command.args(rust::features()?).arg("--").arg("--speech").arg(&speech);
    for model in &models {
        command.arg("--model").arg(model);
    }
    match offline(&speech, &models) {
        Ok(file) => {
            command.arg("--offline").arg(file);
        }
        Err(error) => println!("no comparison with faster-whisper: {error:#}"),
    }
    if arguments.is_empty() {
        command.arg("--write").arg(process::root().join("docs/transcript.md"));
    }
    process::run(command.args(arguments))
}

/// The speech, collected if it is missing.
fn speech() -> Result<PathBuf> {
    let script = process::root().join("scripts/transcript/make_speech.py");
    let folder = process::target_dir().join("cache/transcript-speech");
    let inputs = stamp::Inputs::default().path(&script, &[])?;
    stamp::unless_done(&folder.join("stamp"), inputs, &[&folder.join("manifest.json")], || {
        let fixtures = process::root().join("crates/client/fixtures");
        process::run(process::command("python3").arg(&script).arg(fixtures).arg(&folder))
    })?;
    Ok(folder)
}

/// What faster-whisper makes of the speech, with the same models.
fn offline(speech: &Path, models: &[String]) -> Result<PathBuf> {
    let python = fixtures::venv(BENCH)?.join("python");
    let script = process::root().join("scripts/transcript/offline.py");
    let output =
        process::command(python).arg(script).arg(speech).args(models).output().context("Python does not start")?;
    anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
    let file = process::target_dir().join("cache/transcript-offline.json");
    std::fs::write(&file, output.stdout)?;
    Ok(file)
}
