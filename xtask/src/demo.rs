//! Builds `telcon`, and runs its demonstration.

use crate::{fixtures, process, rust, web};
use anyhow::{Context, Result};
use std::os::unix::process::CommandExt;

/// Builds the command and the web pages, and fetches the speech model.
pub fn build() -> Result<()> {
    web::build()?;
    rust::binary()?;
    fixtures::model().map(drop)
}

/// Builds what is missing, then executes (`exec`) `telcon demo` in this process, so that Ctrl-C reaches it. `arguments`
/// are passed to it.
pub fn run(arguments: &[String]) -> Result<()> {
    web::build()?;
    let model = fixtures::model()?;
    let mut telcon = process::command(rust::binary()?);
    telcon
        .args(["demo", "--data", "data/demo", "--asr-model"])
        .arg(model)
        .arg("--web")
        .arg(web::dist())
        .args(arguments);
    let failure = telcon.exec();
    Err(failure).context("cannot start the demonstration")
}

/// Runs the demonstration's call once and fails if any of its checks fails. (`crates/cli/tests/demo.rs` does so for
/// each suite and verifies the report.)
pub fn once() -> Result<()> {
    let (binary, model) = (rust::binary()?, fixtures::model()?);
    let data = process::target_dir().join("demo");
    if data.exists() {
        std::fs::remove_dir_all(&data).context("cannot clear the last demonstration")?;
    }
    std::fs::create_dir_all(&data)?;
    let mut telcon = process::command(&binary);
    telcon.args(["demo", "--once", "--asr-model"]).arg(&model);
    telcon.arg("--data").arg(data.join("office")).arg("--json").arg(data.join("report.json"));
    process::run(&mut telcon)?;
    println!("1 passed, 0 failed");
    Ok(())
}
