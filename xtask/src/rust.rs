//! Build, formatting, lints, tests, documentation and dependency rules of the Rust workspace.

use crate::metadata::Metadata;
use crate::{fixtures, process, tools};
use anyhow::Result;
use std::path::PathBuf;

/// Cargo for what contains `telcon-client`, which links the speech engine.
pub fn cargo(arguments: &[&str]) -> Result<std::process::Command> {
    fixtures::recognizer()?;
    Ok(process::cargo(arguments))
}

/// As [`binary`], with the server optimised as in a release. Only two crates are compiled anew for it; the development profile
/// leaves them unoptimised because most of a server's time is waiting, which is not so when its cost is measured.
pub fn optimised_binary() -> Result<PathBuf> {
    let mut command = cargo(&["build", "--locked", "--workspace", "--bin", "telcon", "--test", "bad_input"])?;
    for setting in ["telcon-server.opt-level=3", "telcon.opt-level=1"] {
        command.arg("--config").arg(format!("profile.dev.package.{setting}"));
    }
    process::run(command.args(features()?))?;
    Ok(process::target_dir().join("debug/telcon"))
}

/// `rustfmt` has nothing to change. Names the files where it has; `make fmt` changes them.
pub fn fmt() -> Result<()> {
    process::run(&mut process::cargo(&["fmt", "--all", "--check", "--", "-l"]))?;
    process::run(&mut process::cargo(&["fmt", "--manifest-path", "fuzz/Cargo.toml", "--check", "--", "-l"]))
}

/// No warnings from the compiler or clippy, in any target.
pub fn clippy() -> Result<()> {
    let mut command = cargo(&["clippy", "--locked", "--workspace", "--all-targets"])?;
    command.args(features()?).args(["--", "-D", "warnings"]);
    process::run(&mut command)
}

/// Every test of the workspace, with the fixtures that some of them need.
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
    // All failures at once: a run takes minutes.
    command.arg("--no-fail-fast").args(features()?).envs(fixtures::for_tests()?);
    process::run(&mut command)
}

/// Examples in documentation compile and hold.
pub fn doctest() -> Result<()> {
    process::run(cargo(&["test", "--locked", "--workspace", "--doc"])?.args(features()?))
}

/// The documentation builds, without broken links, of private items too: its readers work on the code.
pub fn doc() -> Result<()> {
    let mut command = cargo(&["doc", "--locked", "--workspace", "--no-deps", "--document-private-items"])?;
    command.args(features()?).env("RUSTDOCFLAGS", "-D warnings -A rustdoc::private-intra-doc-links");
    process::run(&mut command)
}

/// Licences, sources and bans in `deny.toml`; known vulnerabilities where their database can be reached.
pub fn deny() -> Result<()> {
    let workspace = ["--workspace", "--all-features", "--locked"];
    let check =
        |what: &[&str]| tools::DENY.command(&[&workspace[..], &["check", "--hide-inclusion-graph"], what].concat());
    process::run(&mut check(&["licenses", "bans", "sources"])?)?;
    let mut fetch = tools::DENY.command(&[&workspace[..], &["fetch", "db"]].concat())?;
    if process::succeeds(&mut fetch) {
        process::run(&mut check(&["advisories"])?)
    } else {
        println!("NOT CHECKED: known vulnerabilities. The RustSec database cannot be reached from here.");
        Ok(())
    }
}

/// Builds the command `telcon` with the features that tests have on, so that what was tried is what was tested, and nothing is
/// built twice. Its path. Naming one test target, a small one, makes cargo choose the same features for all dependencies as
/// when it builds every test.
pub fn binary() -> Result<PathBuf> {
    let mut command = cargo(&["build", "--locked", "--workspace", "--bin", "telcon", "--test", "bad_input"])?;
    process::run(command.args(features()?))?;
    Ok(process::target_dir().join("debug/telcon"))
}

/// The features that tests need, as an argument.
pub fn features() -> Result<Vec<String>> {
    Ok(features_from(&Metadata::read()?))
}

/// The same, of metadata that was read already.
pub fn features_from(metadata: &Metadata) -> Vec<String> {
    let features = metadata.features_of_tests();
    if features.is_empty() { Vec::new() } else { vec![format!("--features={}", features.join(","))] }
}
