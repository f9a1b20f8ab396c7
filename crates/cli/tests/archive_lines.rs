//! `telcon archive lines`: who could reach whom, from an archive that a real server wrote, with a custodian's key and without.

#[path = "../../server/tests/common/names.rs"]
mod names;

use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};
use telcon_record::{CustodianIdentity, identity_file_text, local_time::Zone};

/// What the demonstration calls the holder.
const HOLDER: &str = "President Halvorsen";

/// An office whose principal gave lines, paused one and ended it.
struct Office {
    dir: tempfile::TempDir,
    line: String,
    /// Entries of the line that was bound.
    signed: Vec<Value>,
    day: String,
}

impl Office {
    fn play(suite: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let json = dir.path().join("report.json");
        let mut command = Command::new(env!("CARGO_BIN_EXE_telcon"));
        command.args(["demo", "--scenario", "lines", "--once", "--suite", suite, "--json"]).arg(&json);
        let output = command.arg("--data").arg(dir.path().join("office")).output().unwrap();
        assert!(output.status.success(), "{}", text(&output));
        let report: Value = serde_json::from_slice(&fs::read(json).unwrap()).unwrap();
        let line = report["line"]["id"].as_str().unwrap().to_owned();
        let entries = report["log"].as_array().unwrap().iter().map(|one| one["entry"].clone());
        let signed: Vec<Value> = entries.filter(|one| one["type"] == "line_signed" && one["line"] == *line).collect();
        let days: Vec<String> = signed.iter().map(|one| day(one["time_ms"].as_u64().unwrap())).collect();
        assert_eq!(days[0], days[3], "the demonstration went over midnight: run it again");
        Self { dir, line, signed, day: days[0].clone() }
    }

    fn archive(&self) -> PathBuf {
        self.dir.path().join("office/server/archive")
    }

    fn custodian(&self) -> PathBuf {
        self.dir.path().join("office/custodian/identity.txt")
    }

    /// The file of the version at `at` in the archive.
    fn form(&self, at: usize) -> PathBuf {
        self.archive().join("lines").join(format!("{}.age", self.signed[at]["sealed_sha256"].as_str().unwrap()))
    }

    fn lines(&self, on: &str, identity: &Path, more: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_telcon"));
        command.args(["archive", "lines"]).arg(self.archive()).args(["--on", on, "--identity"]).arg(identity);
        command.args(more).output().unwrap()
    }

    fn verify(&self) -> Output {
        Command::new(env!("CARGO_BIN_EXE_telcon")).args(["archive", "verify"]).arg(self.archive()).output().unwrap()
    }
}

fn day(ms: u64) -> String {
    Zone::utc().at(ms).unwrap().date()
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn answer(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(output)))
}

#[test]
fn a_custodian_says_who_could_reach_whom_on_a_day_and_nobody_else() {
    for suite in ["hybrid", "cnsa2"] {
        let office = Office::play(suite);
        let output = office.lines(&office.day, &office.custodian(), &["--json"]);
        let found = answer(&output);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
        let reachable = found["reachable"].as_array().unwrap();
        let versions: Vec<_> = reachable.iter().map(|one| one["version"].as_u64().unwrap()).collect();
        assert_eq!(versions, [1, 3], "paused by the second, ended by the fourth: {found:#}");
        for one in reachable {
            assert_eq!((&one["holder"]["name"], &one["principal"]["name"]), (&HOLDER.into(), &"The President".into()));
            assert_eq!(one["line"], *office.line);
            assert!(one["until"].is_string() && one["device"].is_string(), "{one:#}");
            assert_eq!(one["rings"], 3);
        }
        let acts = found["acts"].as_array().unwrap();
        let words: Vec<_> = acts.iter().map(|one| one["act"].as_str().unwrap()).collect();
        assert_eq!(words, ["given and bound", "paused", "used again", "ended"]);
        assert!(acts.iter().all(|one| one["by"]["name"] == "The President"), "{acts:#?}");
        let offers = found["offers"].as_array().unwrap();
        let words: Vec<_> = offers.iter().map(|one| one["what"].as_str().unwrap()).collect();
        assert_eq!(words, ["offered", "refused", "offered", "taken and confirmed"]);

        // For people, of one principal, and of another day.
        let shown = text(&office.lines(&office.day, &office.custodian(), &["--principal", "president"]));
        assert!(shown.contains(&format!("{HOLDER}, Presidency of Norland could reach The President")), "{shown}");
        let other = answer(&office.lines(&office.day, &office.custodian(), &["--principal", "Chancellor", "--json"]));
        assert!(other["reachable"].as_array().unwrap().is_empty() && other["acts"].as_array().unwrap().is_empty());
        let later = answer(&office.lines("2099-01-01", &office.custodian(), &["--json"]));
        assert!(later["reachable"].as_array().unwrap().is_empty() && later["problems"].as_array().unwrap().is_empty());

        // Another custodian opens nothing, and is told of each version that it says nothing of.
        let stranger = office.dir.path().join("stranger.txt");
        fs::write(&stranger, identity_file_text(&CustodianIdentity::from_seed(&[9; 32]))).unwrap();
        let output = office.lines(&office.day, &stranger, &[]);
        assert_eq!(output.status.code(), Some(3), "{}", text(&output));
        assert_eq!(text(&output).matches("sealed to other custodians").count(), 4);
        assert!(!text(&output).contains("Halvorsen"));

        // What auditors have of lines names nobody. Certificates do, and the database of the server.
        let words = ["Halvorsen", "Norland", "Presidency"];
        for quiet in ["lines", "log"] {
            assert_eq!(names::find_word_below(&office.archive().join(quiet), &words), None, "{quiet}");
        }
        assert!(names::find_word_below(&office.archive().join("devices"), &words).is_some());
    }
}

#[test]
fn a_server_that_withholds_or_exchanges_a_sealed_form_is_found_out() {
    let office = Office::play("hybrid");
    let (first, third) = (fs::read(office.form(0)).unwrap(), fs::read(office.form(2)).unwrap());
    assert_eq!(office.verify().status.code(), Some(0), "{}", text(&office.verify()));
    let found = |why: &str| {
        // With a key and without one.
        for output in [office.lines(&office.day, &office.custodian(), &[]), office.verify()] {
            assert_eq!(output.status.code(), Some(1), "{why}: {}", text(&output));
            assert!(text(&output).contains(&format!("version 1 of line {} {why}", office.line)), "{}", text(&output));
        }
    };
    fs::remove_file(office.form(0)).unwrap();
    found("has no sealed form in the archive");
    fs::write(office.form(0), &third).unwrap();
    found("has another file in the archive");
    let mut damaged = first.clone();
    *damaged.last_mut().unwrap() ^= 1;
    fs::write(office.form(0), damaged).unwrap();
    found("has another file in the archive");
    fs::write(office.form(0), &first).unwrap();
    assert_eq!(office.lines(&office.day, &office.custodian(), &[]).status.code(), Some(0));
}
