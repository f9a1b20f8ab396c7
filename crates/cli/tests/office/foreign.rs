//! Other people's programs, which read what ours write.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Runs a script of `tests/foreign` with an npm package of the directory `modules`; returns its output.
fn run(script: &str, modules: &Path, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    assert!(modules.join("node_modules").is_dir(), "{} has no npm packages: run make test", modules.display());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/foreign").join(script);
    let mut node = Command::new("node");
    node.arg(script).arg(modules).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = node.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writes = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    writes.join().unwrap().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// npm `age-encryption`: `open` or `seal` with a passphrase.
pub fn age(action: &str, passphrase: &str, input: &[u8]) -> Vec<u8> {
    let modules = std::env::var_os("TELCON_INTEROP").map_or_else(|| root().join("target/cache/interop"), PathBuf::from);
    run("age.mjs", &modules, &[action, passphrase], input)
}

/// npm `qr`: the text of a code in a `terminal`'s text or a `pdf`.
pub fn qr(from: &str, input: &[u8]) -> String {
    String::from_utf8(run("qr.mjs", &root().join("web"), &[from], input)).unwrap().trim().to_owned()
}
