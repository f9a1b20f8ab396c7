//! Cargo tools that are not part of Rust: used from the `PATH`, or else built into `target/tools`.

use crate::process;
use anyhow::{Context, Result};
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A tool from crates.io.
pub struct Tool {
    package: &'static str,
    binary: &'static str,
    /// The version to install if there is none.
    version: Cow<'static, str>,
    /// Whether any version on the `PATH` will do: true if their results do not depend on it, so that an installed one is
    /// not built again.
    any_version: bool,
}

/// Runs each test in its own process.
pub const NEXTEST: Tool =
    Tool { package: "cargo-nextest", binary: "cargo-nextest", version: Cow::Borrowed("0.9.143"), any_version: true };
/// Checks licences, sources and known vulnerabilities of dependencies.
pub const DENY: Tool =
    Tool { package: "cargo-deny", binary: "cargo-deny", version: Cow::Borrowed("0.20.2"), any_version: true };
/// Fuzzes with libFuzzer.
pub const FUZZ: Tool =
    Tool { package: "cargo-fuzz", binary: "cargo-fuzz", version: Cow::Borrowed("0.13.2"), any_version: true };

/// Runs WebAssembly tests in Node.js. Must have exactly the version of the wasm-bindgen that tests are built with.
pub fn wasm_test_runner(version: String) -> Tool {
    Tool {
        package: "wasm-bindgen-cli",
        binary: "wasm-bindgen-test-runner",
        version: version.into(),
        any_version: false,
    }
}

impl Tool {
    /// Its path, after installing it where it is missing.
    pub fn path(&self) -> Result<PathBuf> {
        if self.fits(self.binary.as_ref()) {
            return Ok(self.binary.into());
        }
        let folder = process::target_dir().join("tools");
        let ours = folder.join("bin").join(self.binary);
        if !self.fits(&ours) {
            println!("building {} {} (once, some minutes)", self.package, self.version);
            // With its own lock file; without it if the registry lacks a locked version.
            if let Err(locked) = self.install(&folder, true) {
                self.install(&folder, false).with_context(|| {
                    format!(
                        "{} could not be installed from crates.io; with its lock file: {locked:#}; without it",
                        self.package
                    )
                })?;
            }
        }
        Ok(ours)
    }

    /// A cargo command of the tool: `cargo deny check …` is `DENY.command(&["deny", "check", …])`.
    pub fn command(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = process::command(self.path()?);
        process::set_cargo_env(command.args(arguments));
        Ok(command)
    }

    fn fits(&self, path: &Path) -> bool {
        let Ok(output) = process::command(path).arg("--version").output() else {
            return false;
        };
        let printed = String::from_utf8_lossy(&output.stdout);
        output.status.success() && (self.any_version || printed.split_whitespace().any(|word| word == self.version))
    }

    fn install(&self, folder: &Path, locked: bool) -> Result<()> {
        let mut command = process::cargo(&["install", "--quiet", "--force", "--version", &self.version, "--root"]);
        command.arg(folder).args(["--bin", self.binary, self.package]);
        if locked {
            command.arg("--locked");
        }
        // The tools run for seconds: build time matters more than their speed.
        command
            .env("CARGO_TARGET_DIR", process::target_dir().join("tools/build"))
            .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0")
            .env("CARGO_PROFILE_RELEASE_LTO", "off")
            .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
            .env("CARGO_PROFILE_RELEASE_DEBUG", "0");
        process::run(&mut command)
    }
}
