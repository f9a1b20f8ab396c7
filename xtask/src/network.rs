//! What is understood of speech over bad networks: the measurement, and the page about it.

use crate::{fixtures, process, rust};
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
    let mut command = rust::cargo(&["bench", "--locked", "--workspace", "--profile", "dev", "--bench", BENCH])?;
    command.args(rust::features()?).arg("--").arg("--cache").arg(process::target_dir().join("network"));
    command.arg("--speech").arg(talk).args(["--repeats", "1", "--noise", NOISE]);
    if arguments.is_empty() {
        command.arg("--write").arg(process::root().join("docs"));
    }
    process::run(command.args(arguments).env("TELCON_ASR_MODEL", model).env("TELCON_PESQ", pesq))
}

/// A Python that has the objective measure, installed if missing.
fn pesq() -> Result<PathBuf> {
    Ok(fixtures::venv("network")?.join("python"))
}
