//! Build, formatting, lints, tests, documentation and dependency rules of the Rust workspace.

use crate::metadata::Metadata;
use crate::{fixtures, process, tools};
use anyhow::Result;
use std::path::PathBuf;

/// Cargo for builds that contain `telcon-client`, which links the speech engine.
pub fn cargo(arguments: &[&str]) -> Result<std::process::Command> {
    fixtures::recognizer()?;
    Ok(process::cargo(arguments))
}

/// As [`binary`], with the server optimised as in a release, for measurements. Only two crates are recompiled; the
/// development profile leaves them unoptimised, because tests spend little time in them.
pub fn optimised_binary() -> Result<PathBuf> {
    let mut command = cargo(&["build", "--locked", "--workspace", "--bin", "telcon", "--test", "bad_input"])?;
    for setting in ["telcon-server.opt-level=3", "telcon.opt-level=1"] {
        command.arg("--config").arg(format!("profile.dev.package.{setting}"));
    }
    process::run(command.args(features()?))?;
    Ok(process::target_dir().join("debug/telcon"))
}

/// Checks formatting and names the unformatted files; `make fmt` formats them.
pub fn fmt() -> Result<()> {
    process::run(&mut process::cargo(&["fmt", "--all", "--check", "--", "-l"]))?;
    process::run(&mut process::cargo(&["fmt", "--manifest-path", "fuzz/Cargo.toml", "--check", "--", "-l"]))
}

/// Fails on warnings of the compiler or clippy, in any target.
pub fn clippy() -> Result<()> {
    let mut command = cargo(&["clippy", "--locked", "--workspace", "--all-targets"])?;
    command.args(features()?).args(["--", "-D", "warnings"]);
    process::run(&mut command)
}

/// Runs every test of the workspace, with the fixtures that some need.
pub fn unit() -> Result<()> {
    fixtures::recognizer()?;
    let mut command = tools::NEXTEST.command(&[
        "nextest",
        "run",
        "--locked",
        "--workspace",
        "--config-file",
        "xtask/nextest.toml",
    ])?;
    // Reports all failures at once: a run takes minutes.
    command.arg("--no-fail-fast").args(features()?).envs(fixtures::for_tests()?);
    process::run(&mut command)
}

/// Runs the documentation's examples.
pub fn doctest() -> Result<()> {
    process::run(cargo(&["test", "--locked", "--workspace", "--doc"])?.args(features()?))
}

/// Builds the documentation, private items included, and fails on broken links.
pub fn doc() -> Result<()> {
    let mut command = cargo(&["doc", "--locked", "--workspace", "--no-deps", "--document-private-items"])?;
    command.args(features()?).env("RUSTDOCFLAGS", "-D warnings -A rustdoc::private-intra-doc-links");
    process::run(&mut command)
}

/// Checks licences, sources and bans of `deny.toml`, and known vulnerabilities if their database is reachable.
pub fn deny() -> Result<()> {
    let workspace = ["--workspace", "--all-features", "--locked"];
    let check =
        |what: &[&str]| tools::DENY.command(&[&workspace[..], &["check", "--hide-inclusion-graph"], what].concat());
    process::run(&mut check(&["licenses", "bans", "sources"])?)?;
    let mut fetch = tools::DENY.command(&[&workspace[..], &["fetch", "db"]].concat())?;
    if process::succeeds(&mut fetch) {
        process::run(&mut check(&["advisories"])?)
    } else {
        println!("NOT CHECKED: known vulnerabilities. The RustSec database is not reachable.");
        Ok(())
    }
}

/// Builds `telcon` with the features that tests enable, so that the tested program is the one that runs and nothing is
/// built twice. Returns its path. Naming a small test target makes cargo resolve the same dependency features as for
/// all tests.
pub fn binary() -> Result<PathBuf> {
    let mut command = cargo(&["build", "--locked", "--workspace", "--bin", "telcon", "--test", "bad_input"])?;
    process::run(command.args(features()?))?;
    Ok(process::target_dir().join("debug/telcon"))
}

/// The features that tests need, as an argument.
pub fn features() -> Result<Vec<String>> {
    Ok(features_from(&Metadata::read()?))
}

/// [`features`], from metadata that was read already.
pub fn features_from(metadata: &Metadata) -> Vec<String> {
    let features = metadata.features_of_tests();
    if features.is_empty() { Vec::new() } else { vec![format!("--features={}", features.join(","))] }
}
