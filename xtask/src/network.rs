//! Intelligibility of speech over impaired networks: runs the benchmark and generates its page.

use crate::{fixtures, process, rust};
use anyhow::Result;
use std::path::PathBuf;

/// The benchmark's name.
pub const BENCH: &str = "network";

/// Level of the room noise below the speech, dB. With less noise, the recognizer tolerates gaps.
const NOISE: &str = "5";

/// Runs the benchmark and writes `docs/network.md` with its plots. With arguments, which are passed on, it only prints
/// the table.
pub fn bench(arguments: &[String]) -> Result<()> {
    let (model, talk, pesq) = (fixtures::model()?, fixtures::talk()?, pesq()?);
    // The test profile suffices: the speech model and the codec, which dominate, are optimised in it.
    let mut command = rust::cargo(&["bench", "--locked", "--workspace", "--profile", "dev", "--bench", BENCH])?;
    command.args(rust::features()?).arg("--").arg("--cache").arg(process::target_dir().join("network"));
    command.arg("--speech").arg(talk).args(["--repeats", "1", "--noise", NOISE]);
    if arguments.is_empty() {
        command.arg("--write").arg(process::root().join("docs"));
    }
    process::run(command.args(arguments).env("TELCON_ASR_MODEL", model).env("TELCON_PESQ", pesq))
}

/// A Python interpreter with `pesq`, installed if missing.
fn pesq() -> Result<PathBuf> {
    Ok(fixtures::venv("network")?.join("python"))
}
