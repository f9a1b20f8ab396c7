//! What is understood of speech over bad networks: the measurement, and the page about it.

use crate::{fixtures, process, rust, stamp};
use anyhow::Result;
use std::path::PathBuf;

/// The benchmark's name.
pub const BENCH: &str = "network";

/// How far below the speech the noise of a room is, dB: with less of it, the recogniser hardly minds gaps.
const NOISE: &str = "5";

/// Runs it and writes `docs/network.md` with its plots; with arguments, which go to it, it only prints its table.
pub fn bench(arguments: &[String]) -> Result<()> {
    let (model, talk, pesq) = (fixtures::model()?, fixtures::talk()?, pesq()?);
    // Its time is the speech model's and the codec's, which are optimised in the build that tests use too.
    let mut command = process::cargo(&["bench", "--locked", "--workspace", "--profile", "dev", "--bench", BENCH]);
    command.args(rust::features()?).arg("--").arg("--cache").arg(process::target_dir().join("network"));
    command.arg("--speech").arg(talk).args(["--repeats", "1", "--noise", NOISE]);
    if arguments.is_empty() {
        command.arg("--write").arg(process::root().join("docs"));
    }
    process::run(command.args(arguments).env("TELCON_ASR_MODEL", model).env("TELCON_PESQ", pesq))
}

/// A Python that has the objective measure, installed where it is missing.
fn pesq() -> Result<PathBuf> {
    let list = process::root().join("scripts/network/requirements.txt");
    let folder = process::target_dir().join("cache/network");
    let python = folder.join("venv/bin/python");
    let inputs = stamp::Inputs::default().path(&list, &[])?;
    stamp::unless_done(&folder.join("stamp"), inputs, &[&python], || {
        std::fs::create_dir_all(&folder)?;
        process::run(process::command("python3").args(["-m", "venv"]).arg(folder.join("venv")))?;
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
        process::run(process::command(&python).args(pip).arg(&list))
    })?;
    Ok(python)
}
