//! Interoperability: third-party tools open our records, and we open what they seal. npm `age-encryption`, Python's
//! `tarfile`, PyPI `bagit`, GNU tar, and opus-tools if installed.
//!
//! Needs `TELCON_INTEROP`: a directory with `node_modules/age-encryption` and `venv/bin/python` with `bagit`.

mod support;

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use support::*;
use telcon_record::*;

fn tools() -> PathBuf {
    let tools = std::env::var_os("TELCON_INTEROP").map(PathBuf::from);
    tools.expect("this test needs age-encryption and bagit: run the tests with `cargo xtask unit`, or name their directory in TELCON_INTEROP")
}

/// Runs a program and returns its output; fails with what it said.
fn run(command: &mut Command, input: &[u8]) -> String {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [&output.stdout[..], &output.stderr[..]].concat();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&said));
    String::from_utf8(output.stdout).unwrap()
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop").join(name)
}

#[test]
fn third_party_tools_open_our_record() {
    let tools = tools();
    let root = tempfile::tempdir().unwrap();
    let dir = small_record(root.path());
    for (n, secret) in [identity(1), identity(2)].iter().enumerate() {
        let stream = root.path().join(format!("{n}.tar"));
        let mut open = Command::new("node");
        open.arg(script("open.mjs")).arg(&tools).arg(&dir).arg(&stream);
        assert_eq!(run(&mut open, secret.to_secret_string().as_bytes()), "3 parts\n");

        let extracted = root.path().join(format!("python-{n}"));
        let mut validate = Command::new(tools.join("venv/bin/python"));
        validate.arg(script("validate.py")).arg(&stream).arg(&extracted).arg(CALL);
        assert_eq!(run(&mut validate, b""), "3 files\n");

        let gnu = root.path().join(format!("gnu-{n}"));
        std::fs::create_dir(&gnu).unwrap();
        run(Command::new("tar").arg("-C").arg(&gnu).arg("-xf").arg(&stream), b"");
        let ours = root.path().join(format!("ours-{n}"));
        open_record(&dir, std::slice::from_ref(secret), &ours).unwrap();
        let bag = files_below(&ours.join("evidence/bag"));
        assert_eq!(files_below(&extracted.join(CALL)), bag);
        assert_eq!(files_below(&gnu.join(CALL)), bag);
    }
}

#[test]
fn we_open_what_third_party_tools_seal() {
    let tools = tools();
    let root = tempfile::tempdir().unwrap();
    let sealed = root.path().join("x.age");
    let ours = identity(7);
    let mut seal = Command::new("node");
    seal.arg(script("seal.mjs")).arg(&tools).arg(ours.recipient().to_string()).arg(&sealed);
    let printed = run(&mut seal, b"good evening");
    let (secret, public) = printed.trim().split_once('\n').unwrap();
    let theirs = CustodianIdentity::parse(secret).unwrap();
    assert_eq!(theirs.recipient().to_string(), public);
    for identity in [&ours, &theirs] {
        let bytes = std::fs::read(&sealed).unwrap();
        let decryptor = age::Decryptor::new_buffered(bytes.as_slice()).unwrap();
        let mut plaintext = Vec::new();
        let mut reader = decryptor.decrypt(std::iter::once(identity as &dyn age::Identity)).unwrap();
        reader.read_to_end(&mut plaintext).unwrap();
        assert_eq!(plaintext, b"good evening");
    }
}

#[test]
fn third_party_tools_play_our_audio() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join(CALL);
    let mut writer = RecordWriter::create(&dir, &custodians(), CALL).unwrap();
    // Digital silence, with a lost packet; then a gap of a second.
    let mut packets = [&[0xf8, 0xff, 0xfe][..]; 100];
    packets[50] = &[];
    for (n, start_ms) in [(0, 0), (1, 2000), (2, 5000)] {
        let chunk = OpusChunk { start_ms, pre_skip: 312, packets: &packets };
        writer.add(&format!("audio/alice/{n:06}.opus"), ogg_opus(salt(n), &chunk).unwrap()).unwrap();
    }
    writer.finish(&info(false)).unwrap();
    let out = root.path().join("out");
    open_record(&dir, &[identity(1)], &out).unwrap();
    let chunk = out.join("evidence/bag/data/session-1/audio/alice/000000.opus");
    for (file, packets) in [(chunk, 100), (out.join("audio/alice.opus"), 350)] {
        let info = run(Command::new("opusinfo").arg(&file), b"").to_lowercase();
        assert!(!info.contains("warning") && !info.contains("error"), "{info}");
        let raw = root.path().join("raw");
        run(Command::new("opusdec").args(["--quiet", "--no-dither", "--rate", "48000"]).arg(&file).arg(&raw), b"");
        let samples = std::fs::metadata(&raw).unwrap().len() / 2;
        assert_eq!(samples, packets * 960 - 312, "{info}");
    }
}
