//! `telcon demo`, end to end: a real server, real sockets, real speech.

#[path = "../../server/tests/common/names.rs"]
mod names;

use serde_json::Value;
use std::{
    collections::BTreeSet,
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Command,
};

fn demo(extra: &[&str]) -> (Value, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let json = dir.path().join("report.json");
    let mut command = Command::new(env!("CARGO_BIN_EXE_telcon"));
    command.args(["demo", "--once", "--json"]).arg(&json).arg("--data").arg(dir.path().join("office")).args(extra);
    if let Ok(model) = std::env::var("TELCON_ASR_MODEL") {
        command.arg("--asr-model").arg(model);
    } else {
        println!("without a transcript: TELCON_ASR_MODEL names no model");
    }
    let output = command.output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}");
    (serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap(), dir)
}

/// The public log names nobody of the demonstration, no organisation and no time zone.
fn check_log(dir: &tempfile::TempDir) {
    let words = ["Estmark", "Norland", "Chancellery", "Prime Minister", "President", "Duty", "Europe/"];
    let archive = dir.path().join("office/server/archive");
    assert_eq!(names::find_word_below(&archive.join("log"), &words), None);
    let certificates = names::find_word_below(&archive.join("devices"), &words);
    assert!(certificates.is_some(), "the search finds what certificates name");
}

fn check(report: &Value) {
    for listener in ["a", "b", "note_taker"] {
        let heard = report["heard"][listener].as_object().unwrap();
        assert!(!heard.is_empty(), "{listener} heard nobody");
        for (speaker, line) in heard {
            let (packets, lost) = (line["packets"].as_u64().unwrap(), line["lost"].as_u64().unwrap());
            assert!(packets > 500 && lost * 100 <= packets, "{listener} of {speaker}: {packets} heard, {lost} lost");
        }
    }
    assert_eq!(report["verify"]["problems"].as_array().unwrap().len(), 0);
    assert!(std::path::Path::new(report["record_path"].as_str().unwrap()).join("seal.json").exists());
    if std::env::var("TELCON_ASR_MODEL").is_ok() {
        let words = |speaker: &str| -> String {
            let lines = report["transcript"].as_array().unwrap().iter().filter(|line| line["speaker"] == speaker);
            lines.map(|line| line["text"].as_str().unwrap()).collect::<Vec<_>>().join(" ")
        };
        for (speaker, other, printed) in [
            ("a", "b", include_str!("../../client/fixtures/a.txt")),
            ("b", "a", include_str!("../../client/fixtures/b.txt")),
        ] {
            let rate = telcon_client::transcription::wer::word_errors(printed, &words(speaker)).rate();
            assert!(rate < 0.2, "{speaker}: word error rate {rate}: {}", words(speaker));
            assert!(
                telcon_client::transcription::wer::word_errors(printed, &words(other)).rate() > 0.5,
                "speakers were swapped"
            );
        }
    }
}

#[test]
fn demo_call_is_recorded_and_verified() {
    let (report, dir) = demo(&[]);
    check(&report);
    check_log(&dir);
    assert!(report["suite"].as_str().unwrap().contains("0x004E"));
}

#[test]
fn demo_call_with_cnsa2_suite() {
    let (report, _dir) = demo(&["--suite", "cnsa2"]);
    check(&report);
    assert!(report["suite"].as_str().unwrap().contains("MLDSA87"));
}

#[test]
fn demo_of_lines_gives_binds_rings_and_refuses() {
    for suite in ["hybrid", "cnsa2"] {
        let dir = tempfile::tempdir().unwrap();
        let json = dir.path().join("report.json");
        let mut command = Command::new(env!("CARGO_BIN_EXE_telcon"));
        command.args(["demo", "--scenario", "lines", "--once", "--suite", suite, "--json"]).arg(&json);
        let output = command.arg("--data").arg(dir.path().join("office")).output().unwrap();
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{text}");
        let report: Value = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
        let steps = report["steps"].as_array().unwrap();
        assert!(steps.len() >= 10 && steps.iter().all(|step| step["ok"] == true), "{steps:#?}");
        let refusals = report["refusals"].as_array().unwrap();
        assert_eq!(refusals.len(), 6, "{refusals:#?}");
        assert!(refusals.iter().all(|refusal| !refusal["why"].as_str().unwrap().is_empty()), "{refusals:#?}");
        // The log: the line's versions in order, three calls over it, and no ring that was refused.
        let line = report["line"]["id"].as_str().unwrap();
        let entries: Vec<&Value> = report["log"].as_array().unwrap().iter().map(|one| &one["entry"]).collect();
        let of = |kind: &str| entries.iter().filter(|entry| entry["type"] == kind).copied().collect::<Vec<_>>();
        let signed = of("line_signed").into_iter().filter(|entry| entry["line"] == line);
        let states: Vec<_> = signed.map(|entry| entry["state"].as_str().unwrap()).collect();
        assert_eq!(states, ["live", "paused", "live", "ended"]);
        let rung = of("call_opened");
        assert!(rung.len() == 3 && rung.iter().all(|entry| entry["line"] == line), "{rung:#?}");
        assert!(report["archive_dir"].as_str().is_some_and(|dir| std::path::Path::new(dir).join("log").is_dir()));
        check_log(&dir);
    }
}

#[test]
fn a_demo_of_lines_that_cannot_be_set_up_reports_why() {
    let dir = tempfile::tempdir().unwrap();
    let (json, data) = (dir.path().join("report.json"), dir.path().join("office"));
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("custodians.txt"), "").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_telcon"));
    command.args(["demo", "--scenario", "lines", "--once", "--json"]).arg(&json).arg("--data").arg(&data);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    assert!(report["error"].as_str().unwrap().contains("already contains an office"), "{report:#}");
    assert!(report["log"].is_null() && report["steps"].as_array().unwrap().is_empty(), "{report:#}");
}

/// Runs a foreign program that must succeed; gives what it prints.
fn foreign(program: &Path, arguments: &[&OsStr]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The three calendar files are one event for a foreign parser. Needs `TELCON_INTEROP`, as the tests of `telcon-papers`.
fn check_calendar(out: &Path) {
    let tools = std::env::var_os("TELCON_INTEROP").map(PathBuf::from);
    let tools = tools.expect(
        "this test needs icalendar: run the tests with `cargo xtask unit`, or name its directory in TELCON_INTEROP",
    );
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../papers/tests/interop/ics.py");
    let files = ["invite.ics", "update.ics", "cancel.ics"].map(|name| out.join(name));
    let arguments: Vec<&OsStr> = [&script].into_iter().chain(&files).map(|path| path.as_os_str()).collect();
    let read = foreign(&tools.join("venv/bin/python"), &arguments);
    let lines: Vec<&str> = read.lines().collect();
    let [invite, update, cancel, event] = lines[..] else { panic!("{read}") };
    assert!(invite.starts_with("REQUEST 0 ") && update.starts_with("REQUEST 1 ") && cancel.starts_with("CANCEL 2 "));
    assert_ne!(invite.split(' ').nth(2), update.split(' ').nth(2), "it was not moved");
    assert_eq!(event, "1 uid, zones America/New_York Europe/Oslo, title Private call");
}

/// OpenSSL verifies the readout's signature, and the chain of the certificate to the office's authority.
fn check_readout(out: &Path, authority: &Path) {
    use base64::{
        Engine as _,
        engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
    };
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let openssl = |arguments: &[&OsStr]| foreign(Path::new("openssl"), arguments);
    let jws = std::fs::read_to_string(out.join("readout.jws")).unwrap();
    let (signed, signature) = jws.rsplit_once('.').unwrap();
    let (header, payload) = signed.split_once('.').unwrap();
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    let pem = |name: &str, der: &Path| {
        write(
            name,
            openssl(&["x509".as_ref(), "-inform".as_ref(), "DER".as_ref(), "-in".as_ref(), der.as_ref()]).as_bytes(),
        )
    };
    let certificate = |number: usize| {
        let der = write("der", &STANDARD.decode(header["x5c"][number].as_str().unwrap()).unwrap());
        pem(&format!("{number}.pem"), &der)
    };
    let (signer, issuer, root) = (certificate(0), certificate(1), pem("authority.pem", authority));
    let key = openssl(&["x509".as_ref(), "-pubkey".as_ref(), "-noout".as_ref(), "-in".as_ref(), signer.as_ref()]);
    let key = write("key", key.as_bytes());
    let signature = write("signature", &URL_SAFE_NO_PAD.decode(signature).unwrap());
    let verify = |signed: &str| {
        let mut command = Command::new("openssl");
        command.args(["pkeyutl", "-verify", "-rawin", "-pubin", "-inkey"]).arg(&key);
        command.arg("-in").arg(write("signed", signed.as_bytes())).arg("-sigfile").arg(&signature);
        command.output().unwrap().status.success()
    };
    assert!(verify(signed), "OpenSSL does not verify the readout");
    assert!(!verify(&signed.replacen('.', ".A", 1)), "OpenSSL verifies anything");
    let arguments: [&OsStr; 6] =
        ["verify".as_ref(), "-CAfile".as_ref(), root.as_ref(), "-untrusted".as_ref(), issuer.as_ref(), signer.as_ref()];
    openssl(&arguments);
    let readout: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    let page = std::fs::read_to_string(out.join("readout.html")).unwrap();
    assert!(page.contains(readout["title"].as_str().unwrap()) && page.contains("readout.jws"));
}

#[test]
fn demo_of_a_planned_call_goes_from_request_to_readout() {
    let out = tempfile::tempdir().unwrap();
    let (report, dir) = demo(&["--scenario", "telcon", "--out", out.path().to_str().unwrap()]);
    let list = |name: &str| report[name].as_array().unwrap_or_else(|| panic!("{report:#}")).clone();
    let steps = list("steps");
    assert!(steps.len() >= 35 && steps.iter().all(|step| step["ok"] == true), "{steps:#?}");
    let refusals = list("refusals");
    assert!(refusals.len() >= 9, "{refusals:#?}");
    assert!(refusals.iter().all(|refusal| !refusal["why"].as_str().unwrap().is_empty()), "{refusals:#?}");
    assert!(report["bridged_ms"].as_u64().is_some_and(|ms| ms < 150), "{report:#}");
    assert!(Path::new(report["record_path"].as_str().unwrap()).join("seal.json").exists());

    let documents = list("documents");
    let of = |kind: &str| documents.iter().filter(|one| one["kind"] == kind).cloned().collect::<Vec<_>>();
    let counts = [
        ("request", 1),
        ("schedule", 2),
        ("brief", 1),
        ("profile", 1),
        ("notes", 2),
        ("memorandum", 1),
        ("circulation", 1),
        ("copy", 4),
        ("readout", 1),
        ("actions", 2),
    ];
    for (kind, count) in counts {
        assert_eq!(of(kind).len(), count, "{kind}: {documents:#?}");
    }
    let versions = |document: &Value, name: &str| -> Vec<String> {
        let versions = document["versions"].as_array().unwrap().iter();
        versions.map(|version| version[name].as_str().unwrap().to_owned()).collect()
    };
    let memorandum = &of("memorandum")[0];
    assert_eq!(versions(memorandum, "state"), ["draft", "reviewed", "approved"]);
    assert_eq!(versions(memorandum, "author"), ["Note-taker", "Chief of Staff", "The President"]);
    assert_eq!(versions(&of("readout")[0], "state"), ["draft", "reviewed", "approved", "published"]);
    let all = documents.iter().flat_map(|one| one["versions"].as_array().unwrap());
    let indices: Vec<u64> = all.map(|version| version["log_index"].as_u64().unwrap()).collect();
    let different: BTreeSet<_> = indices.iter().collect();
    assert_eq!(different.len(), indices.len(), "one entry for two versions");

    let circulation = list("circulation");
    let numbers: Vec<u64> = circulation.iter().map(|one| one["copy"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [1, 2, 3, 4]);
    assert!(circulation.iter().all(|one| one["opened_at_ms"].as_u64().is_some_and(|at_ms| at_ms > 0)));
    let probability = |copy: &Value| copy["probability"].as_f64().unwrap();
    let fits = report["trace"]["copies"].as_array().unwrap();
    let leaked = fits.iter().find(|fit| fit["copy"] == report["trace"]["leaked_copy"]).unwrap();
    assert!(probability(leaked) > 0.9, "{fits:#?}");
    let total: f64 = fits.iter().map(probability).sum::<f64>() + report["trace"]["none"].as_f64().unwrap();
    assert!((total - 1.0).abs() < 1e-9, "{total}");

    let read = |name: &str| std::fs::read(out.path().join(name)).unwrap();
    let copies = [1, 2, 3, 4].map(|number| read(&format!("copies/{number}.pdf")));
    for pdf in copies.iter().chain([&read("brief.pdf"), &read("memorandum.pdf")]) {
        assert!(pdf.starts_with(b"%PDF-1.7") && pdf.trim_ascii_end().ends_with(b"%%EOF"));
    }
    assert!((0..4).all(|a| (0..a).all(|b| copies[a] != copies[b])), "two readers have the same copy");
    assert!(read("memorandum.docx").starts_with(b"PK"));
    check_calendar(out.path());
    check_readout(out.path(), &dir.path().join("office/authority/certificate.der"));

    // An auditor is told which version is in force, a custodian finds it beside the record.
    let archive = dir.path().join("office/server/archive");
    let mut verify = Command::new(env!("CARGO_BIN_EXE_telcon"));
    let verified = verify.args(["archive", "verify"]).arg(&archive).output().unwrap();
    let said = String::from_utf8_lossy(&verified.stdout);
    assert!(said.contains(": version 3 approved by The President, in force since "), "{said}");
    let mut open = Command::new(env!("CARGO_BIN_EXE_telcon"));
    open.args(["archive", "open", "--identity"]).arg(report["custodian_identity_path"].as_str().unwrap());
    let opened = out.path().join("opened");
    let said = open.arg(report["record_path"].as_str().unwrap()).arg("--out").arg(&opened).output().unwrap();
    assert!(opened.join("memorandum.pdf").exists() && opened.join("memorandum.json").exists(), "{said:?}");

    // What was written is nowhere in what the server keeps.
    let words = ["convoys", "harvest", "inspect", "patrols", "northern strait", "Surrender"];
    assert_eq!(names::find_word_below(&dir.path().join("office/server"), &words), None);
    check_log(&dir);
}

#[test]
fn a_demo_of_a_planned_call_without_a_directory_says_so() {
    let output = Command::new(env!("CARGO_BIN_EXE_telcon")).args(["demo", "--scenario", "telcon", "--once"]).output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("add --out"), "{output:?}");
}
