//! `telcon demo`, end to end: a real server, real sockets, real speech.

#[path = "../../server/tests/common/names.rs"]
mod names;

use serde_json::Value;
use std::process::Command;

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
