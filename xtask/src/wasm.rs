//! The call engine for browsers: builds `crates/wasm` for `wasm32-unknown-unknown` and writes its JavaScript.
//!
//! Where rustup has that target's standard library, this is an ordinary build. Where it has not and cannot fetch it,
//! Debian's own Rust compiles the standard library from its sources along with ours; the linker is rustup's.

use crate::metadata::Metadata;
use crate::{process, stamp, tools};
use anyhow::{Context, Result, bail, ensure};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use wasm_bindgen_cli_support::Bindgen;

const TARGET: &str = "wasm32-unknown-unknown";
/// Prefix of cargo's environment variables for [`TARGET`].
const VARIABLES: &str = "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN";
/// The crates whose tests also run in WebAssembly.
const TESTED: &[&str] = &["telcon-core"];
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
/// Environment variable that overrides which Rust is used: `rustup` or `debian`.
const CHOICE: &str = "TELCON_WASM_RUST";

/// The crates that become modules, by the names of those: the call engine; papers and PDF files, which the page loads when they are needed.
const MODULES: &[(&str, &str)] = &[
    ("telcon-wasm", "telcon_wasm"),
    ("telcon-papers-wasm", "telcon_papers_wasm"),
    ("telcon-pdf-wasm", "telcon_pdf_wasm"),
];

/// Builds the modules and their JavaScript into `web/src/wasm` if the inputs have changed. Returns that directory.
pub fn build() -> Result<PathBuf> {
    let packages = MODULES.iter().flat_map(|(package, _)| ["--package", package]);
    let arguments: Vec<_> = ["build", "--locked", "--release"].into_iter().chain(packages).collect();
    let mut command = cargo(&arguments)?;
    // Optimised for size: the page waits for this download first.
    command
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "s")
        .env("CARGO_PROFILE_RELEASE_LTO", "fat")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1")
        .env("CARGO_PROFILE_RELEASE_PANIC", "abort")
        .env("CARGO_PROFILE_RELEASE_DEBUG", "false")
        .env("CARGO_PROFILE_RELEASE_STRIP", "debuginfo");
    process::run(&mut command)?;
    let out = process::root().join("web/src/wasm");
    let version = bindgen_version()?;
    for (package, name) in MODULES {
        let module = target_dir().join(TARGET).join(format!("release/{name}.wasm"));
        ensure!(
            module.exists(),
            "{package} made no module: its Cargo.toml needs [lib] crate-type = [\"cdylib\", \"rlib\"]"
        );
        let (script, wasm) = (out.join(format!("{name}.js")), out.join(format!("{name}_bg.wasm")));
        // What [`bind`] sets: a change of it has to write the module anew.
        let inputs = stamp::Inputs::default().value(&version).value("remove_name_section").path(&module, &[])?;
        let written = stamp::unless_done(&stamp::place(name), inputs, &[&script, &wasm], || bind(&module, &out))?;
        if written {
            let size = std::fs::metadata(&wasm)?.len();
            println!("web/src/wasm/{name}: {} KiB, wasm-bindgen {version}", size / 1024);
        }
    }
    Ok(out)
}

/// Runs the tests of [`TESTED`] in WebAssembly, under Node.js.
pub fn test() -> Result<()> {
    let runner = tools::wasm_test_runner(bindgen_version()?).path()?;
    for package in TESTED {
        let mut command = cargo(&["test", "--locked", "--package", package, "--lib", "--tests"])?;
        command.env(format!("{VARIABLES}_RUNNER"), &runner).env("WASM_BINDGEN_TEST_ONLY_NODE", "1");
        let tests = run_and_count(&mut command)?;
        ensure!(tests > 0, "no test of {package} ran in WebAssembly");
        println!("{package}: {tests} tests passed in WebAssembly");
    }
    Ok(())
}

/// Runs the benchmarks of [`TESTED`] in WebAssembly, under Node.js.
pub fn bench() -> Result<()> {
    let runner = tools::wasm_test_runner(bindgen_version()?).path()?;
    for package in TESTED {
        let mut command = cargo(&["bench", "--locked", "--package", package, "--benches"])?;
        command.env(format!("{VARIABLES}_RUNNER"), &runner).env("WASM_BINDGEN_TEST_ONLY_NODE", "1");
        process::run(&mut command)?;
    }
    Ok(())
}

fn bind(module: &Path, out: &Path) -> Result<()> {
    let mut bindgen = Bindgen::new();
    bindgen
        .input_path(module)
        // Names of functions would be a fifth of the download. Without them a panic still prints its message and place.
        .remove_name_section(true)
        .web(true)?
        .typescript(true)
        .remove_producers_section(true)
        .omit_default_module_path(false);
    bindgen.generate(out).context("wasm-bindgen could not write the JavaScript of the module")
}

/// The version of wasm-bindgen in Cargo.lock. Fails unless it is also the version that xtask was built with.
fn bindgen_version() -> Result<String> {
    let metadata = Metadata::read()?;
    let (library, writer) = (metadata.version_of("wasm-bindgen"), metadata.version_of("wasm-bindgen-cli-support"));
    match (library, writer) {
        (Some(library), Some(writer)) if library == writer => Ok(library),
        (library, writer) => bail!(
            "wasm-bindgen is {library:?} and wasm-bindgen-cli-support {writer:?} in Cargo.lock: they must be the same. \
             cargo update --package wasm-bindgen-cli-support --precise VERSION"
        ),
    }
}

/// Cargo for [`TARGET`], with a separate target directory.
fn cargo(arguments: &[&str]) -> Result<Command> {
    let mut command = process::cargo(arguments);
    command.args(["--target", TARGET]).env("CARGO_TARGET_DIR", target_dir());
    // Set in the environment, these would override the flags below.
    command.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    command.env(format!("{VARIABLES}_RUSTFLAGS"), "--cfg getrandom_backend=\"wasm_js\"");
    let sysroot = PathBuf::from(process::output(process::command("rustc").args(["--print", "sysroot"]))?);
    if !uses_debian(&sysroot)? {
        return Ok(command);
    }
    let linker = sysroot.join("lib/rustlib/x86_64-unknown-linux-gnu/bin/rust-lld");
    ensure!(linker.exists(), "{} is missing: it comes with rustup's Rust", linker.display());
    // `-Z build-std` is nightly-only; this variable unlocks it on stable.
    command.env("RUSTC", DEBIAN_RUSTC).env("RUSTC_BOOTSTRAP", "1").env(format!("{VARIABLES}_LINKER"), linker);
    command.args(["-Z", "build-std=std,panic_abort"]);
    Ok(command)
}

fn uses_debian(sysroot: &Path) -> Result<bool> {
    match std::env::var(CHOICE).as_deref() {
        Ok("rustup") => return Ok(false),
        Ok("debian") => return Ok(true),
        Ok(other) => bail!("{CHOICE} is {other:?}, not rustup or debian"),
        Err(_) => {}
    }
    if sysroot.join("lib/rustlib").join(TARGET).exists() {
        return Ok(false);
    }
    let sources = Path::new("/usr/lib/rustlib/src/rust/library/std");
    if Path::new(DEBIAN_RUSTC).exists() && sources.exists() {
        return Ok(true);
    }
    bail!("no Rust for {TARGET} here. scripts/setup.sh installs it: with `rustup target add {TARGET}`, or from Debian")
}

/// Runs a test command and forwards its output. Returns the number of passed tests.
fn run_and_count(command: &mut Command) -> Result<u64> {
    let mut child = command.stdout(Stdio::piped()).spawn().context("cannot start cargo test")?;
    let output = child.stdout.take().expect("invariant: standard output is piped");
    let mut passed = 0;
    for line in BufReader::new(output).lines() {
        let line = line?;
        println!("{line}");
        passed += passed_in(&line).unwrap_or(0);
    }
    let status = child.wait()?;
    ensure!(status.success(), "the tests in WebAssembly ended with {status}");
    Ok(passed)
}

/// From a line such as `test result: ok. 12 passed; 0 failed; …`.
fn passed_in(line: &str) -> Option<u64> {
    let (_, counts) = line.trim().strip_prefix("test result:")?.split_once(". ")?;
    counts.split_once(" passed")?.0.trim().parse().ok()
}

fn target_dir() -> PathBuf {
    process::target_dir().join("wasm")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passed_tests_are_parsed_from_the_summary_line() {
        assert_eq!(passed_in("test result: ok. 12 passed; 0 failed; 0 ignored; 0 filtered out"), Some(12));
        assert_eq!(passed_in("test result: FAILED. 3 passed; 1 failed"), Some(3));
        assert_eq!(passed_in("test tests::result ... ok"), None);
        assert_eq!(passed_in("no tests to run!"), None);
    }
}
