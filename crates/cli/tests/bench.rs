//! The load generator against our relay, in separate processes: few packets, no performance assertions.

use serde_json::Value;
use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

fn measured(folder: &Path, arguments: &[&str]) -> Value {
    let file = folder.join("run.json");
    let mut command = Command::new(env!("CARGO_BIN_EXE_telcon"));
    command.args(["bench", "relay", "--warm", "0.1", "--seconds", "0.3", "--json"]).arg(&file).args(arguments);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn packets_through_our_relay_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let run = measured(folder.path(), &["--calls", "2", "--parties", "3"]);
    let figures = &run["rounds"][0]["figures"];
    assert_eq!(run["rounds"][0]["peer"], "telcon");
    assert!(figures["suite"].as_str().unwrap().contains("AEAD_AES"), "{figures}");
    assert!(number(&figures["received"]) > 0.0);
    assert_eq!(figures["refused"], 0, "everything that arrived could be decrypted");
    // Everybody but the first of each call joined somebody who was sending.
    assert_eq!(figures["setups"], 4);
    assert!(number(&figures["nanoseconds_per_packet"]) > 0.0);
    assert!(number(&figures["latency"]["p50"]) > 0.0);
    assert!(number(&figures["latency"]["max"]) >= number(&figures["latency"]["p99"]));
}

#[test]
fn endpoint_to_endpoint_needs_no_relay() {
    let folder = tempfile::tempdir().unwrap();
    let run = measured(folder.path(), &["--peer", "none", "--calls", "1", "--parties", "4"]);
    let figures = &run["rounds"][0]["figures"];
    assert!(number(&figures["received"]) > 0.0);
    assert_eq!(figures["refused"], 0);
    assert_eq!(figures["nanoseconds_per_packet"], Value::Null, "there is no process to blame");
}

#[test]
fn idle_legs_only_connect() {
    let folder = tempfile::tempdir().unwrap();
    let run = measured(folder.path(), &["--idle", "--calls", "2", "--parties", "2"]);
    let figures = &run["rounds"][0]["figures"];
    assert_eq!((&figures["received"], &figures["parties"]), (&0.into(), &4.into()));
    assert!(figures["resident_per_party"].is_f64(), "two parties more than at first");
    let run = measured(folder.path(), &["--peer", "none", "--idle", "--calls", "1", "--parties", "2"]);
    assert_eq!(run["rounds"][0]["figures"]["received"], 0, "idle endpoints send no packets without a relay either");
}

#[test]
fn curve_keeps_its_calls_and_adds_more() {
    let folder = tempfile::tempdir().unwrap();
    let run = measured(folder.path(), &["--peer", "none", "--parties", "2", "--calls-curve", "1,3"]);
    let calls: Vec<&Value> = run["rounds"].as_array().unwrap().iter().map(|round| &round["figures"]["calls"]).collect();
    assert_eq!(calls.last(), Some(&&Value::from(3)));
}

#[test]
fn interrupted_run_stops_the_measured_relay() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_telcon"));
    command.args(["bench", "relay", "--calls", "1", "--parties", "2", "--seconds", "1000"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let Some(relay) = first_child(child.id()) else { panic!("{:?}", child.wait()) };
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "it ended by itself, not by the signal");
    assert!(String::from_utf8_lossy(&output.stderr).contains("interrupted"));
    assert!(!Path::new("/proc").join(relay).exists());
}

/// The id of the first child process; `None` if the parent exits without one.
fn first_child(parent: u32) -> Option<String> {
    loop {
        for task in std::fs::read_dir(format!("/proc/{parent}/task")).ok()? {
            let children = std::fs::read_to_string(task.ok()?.path().join("children")).unwrap_or_default();
            if let Some(child) = children.split_whitespace().next() {
                return Some(child.to_owned());
            }
        }
        std::thread::yield_now();
    }
}

#[test]
fn small_office_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("office.json");
    let mut command = Command::new(env!("CARGO_BIN_EXE_telcon"));
    command.args([
        "bench",
        "office",
        "--devices",
        "20,40",
        "--live",
        "2",
        "--lines",
        "5,20",
        "--rings",
        "2",
        "--peak",
        "0",
    ]);
    command.args(["--seconds", "1", "--idle-seconds", "1", "--log-entries", "300", "--json"]).arg(&file);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let run: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    assert_eq!(run["by_devices"].as_array().unwrap().len(), 2);
    assert_eq!(run["by_live_calls"][0]["calls"], 2);
    assert_eq!((&run["by_lines"][1]["lines"], &run["by_lines"][1]["principals"]), (&20.into(), &1.into()));
    for point in [&run["by_devices"][1], &run["by_live_calls"][0], &run["by_lines"][0], &run["by_lines"][1]] {
        let rings = &point["rings"];
        assert!(number(&rings["completed"]) > 0.0, "{point}");
        assert_eq!((&rings["sent"], &rings["refused"]), (&rings["completed"], &0.into()), "{point}");
        assert!(number(&rings["latency"]["p99"]) > 0.0, "{point}");
    }
    assert_eq!(run["restart"]["devices"], 40);
    assert_eq!((&run["restart"]["lost_devices"], &run["restart"]["lost_entries"]), (&0.into(), &0.into()));
    assert!(number(&run["log"]["verify_seconds"]) > 0.0);
}

#[test]
fn invalid_arguments_are_refused() {
    for arguments in [["--parties", "1"], ["--parties", "9"], ["--frame", "17"], ["--calls", "0"], ["--peer", "nobody"]]
    {
        let mut command = Command::new(env!("CARGO_BIN_EXE_telcon"));
        let output = command.args(["bench", "relay"]).args(arguments).output().unwrap();
        assert!(!output.status.success(), "{arguments:?}");
    }
    let mut node = Command::new(env!("CARGO_BIN_EXE_telcon"));
    node.args(["bench", "relay-node", "--address", "127.0.0.1"]);
    let mut child = node.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"{\"join\":{}}\n").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

#[test]
fn unmeasurable_configurations_are_refused_before_starting() {
    let wrong = [
        ["--seconds", "0"],
        ["--seconds", "NaN"],
        ["--calls", "0"],
        ["--calls", "99999999"],
        ["--parties", "9"],
        ["--frame", "30"],
        ["--joins", "0"],
        ["--calls-curve", "10,0"],
    ];
    for arguments in wrong {
        let output =
            Command::new(env!("CARGO_BIN_EXE_telcon")).args(["bench", "relay"]).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
    let nowhere = ["bench", "relay", "--json", "/nonexistent/run.json"];
    let output = Command::new(env!("CARGO_BIN_EXE_telcon")).args(nowhere).output().unwrap();
    assert!(output.status.code() == Some(1) && output.stdout.is_empty());
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot write /nonexistent/run.json"));
}
