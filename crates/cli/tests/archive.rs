//! `telcon archive`: what an auditor and a records officer get, with an office of version 0.1 whose call was recorded.

mod office;

use office::{Office, intact, ok, telcon};
use std::{
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

fn recorded_office() -> Office {
    let dir = tempfile::tempdir().unwrap();
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v0.1/office-complete.tar.gz");
    ok(Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(dir.path()));
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    Office { dir, port, server: None, media: vec!["--media".into(), "127.0.0.1:0".into()] }
}

fn record(office: &Office) -> PathBuf {
    let entries = fs::read_dir(office.path("server/archive/records")).unwrap().flatten();
    entries.map(|entry| entry.path()).find(|path| path.is_dir()).expect("a record")
}

fn open(office: &Office, record: &Path, out: &str) -> Command {
    let mut open = telcon();
    open.args(["archive", "open", "--identity"]).arg(office.path("custodian/identity.txt")).arg(record);
    open.arg("--out").arg(office.path(out));
    open
}

fn verify(office: &Office) -> Output {
    telcon().args(["archive", "verify"]).arg(office.path("server/archive")).output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn an_opened_record_is_what_a_records_officer_can_use() {
    let office = recorded_office();
    let output = intact(&mut open(&office, &record(&office), "opened"));
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains("Genuine and complete."), "{}", said(&output));
    let out = office.path("opened");
    let mut names: Vec<_> =
        fs::read_dir(&out).unwrap().flatten().map(|e| e.file_name().into_string().unwrap()).collect();
    names.sort();
    let all = ["audio", "evidence", "record.html", "record.json", "record.pdf", "transcript.json", "transcript.vtt"];
    assert_eq!(names, all);
    let mut sound: Vec<_> =
        fs::read_dir(out.join("audio")).unwrap().flatten().map(|e| e.file_name().into_string().unwrap()).collect();
    sound.sort();
    assert_eq!(sound, ["call.opus", "president.opus", "prime-minister-of-estmark.opus"]);

    let html = fs::read_to_string(out.join("record.html")).unwrap();
    for text in [
        "The President and The Prime Minister of Estmark",
        "Office of the President",
        "America/New_York",
        "Europe/Tallinn",
        "Note-taker",
        "Log entry",
        "Checkpoint",
        "Verified:",
    ] {
        assert!(html.contains(text), "{text} is not in the page");
    }
    assert!(!html.contains("<script") && !html.contains("http://") && !html.contains("https://"));
    let json = fs::read_to_string(out.join("record.json")).unwrap();
    assert!(!json.contains("          "), "no padding");
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["state"]["verdict"], "complete");
    assert_eq!(json["parties"].as_array().unwrap().len(), 2);
    assert!(json["transcript"].as_array().unwrap().iter().all(|line| line["clocks"][0].as_str().unwrap().len() == 8));
    assert!(fs::read(out.join("record.pdf")).unwrap().starts_with(b"%PDF-"));
    assert!(out.join("evidence/bag/bagit.txt").exists() && out.join("evidence/seal.json").exists());
}

#[test]
fn an_opened_record_is_accessible_to_its_opener_alone() {
    fn private(path: &Path) -> usize {
        let mode = fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "others can read {}: {mode:o}", path.display());
        let below = path.is_dir().then(|| fs::read_dir(path).unwrap().map(|entry| private(&entry.unwrap().path())));
        1 + below.into_iter().flatten().sum::<usize>()
    }
    let office = recorded_office();
    intact(&mut open(&office, &record(&office), "opened"));
    assert!(private(&office.path("opened")) > 20);
}

#[test]
fn an_opening_that_is_told_to_stop_leaves_nothing_behind() {
    let office = recorded_office();
    let record = record(&office);
    let left = || -> Vec<PathBuf> {
        let entries = fs::read_dir(office.dir.path()).unwrap().flatten().map(|entry| entry.path());
        entries.filter(|path| path.to_string_lossy().contains(".telcon-opening-")).collect()
    };
    for (name, code) in [("-INT", 130), ("-TERM", 143), ("-HUP", 129)] {
        // One that is faster than this test is tried again.
        let stopped = (0..20).any(|attempt| {
            let mut command = open(&office, &record, &format!("opened{name}{attempt}"));
            let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            let signal = |signal: &str| ok(Command::new("kill").args([signal, &child.id().to_string()]));
            while left().is_empty() && !office.path(&format!("opened{name}{attempt}")).exists() {
                std::thread::yield_now();
            }
            signal("-STOP");
            let is_open = left().is_empty();
            signal(name);
            signal("-CONT");
            let status = child.wait().unwrap();
            !is_open && status.code() == Some(code)
        });
        assert!(stopped, "{name} does not end an opening");
        assert_eq!(left(), Vec::<PathBuf>::new(), "{name}");
    }
}

#[test]
fn a_record_outside_of_an_archive_says_that_it_was_not_verified() {
    let office = recorded_office();
    let record = record(&office);
    let copy = office.path("copy");
    fs::create_dir(&copy).unwrap();
    for file in fs::read_dir(&record).unwrap().flatten() {
        fs::copy(file.path(), copy.join(file.file_name())).unwrap();
    }
    let output = intact(&mut open(&office, &copy, "opened"));
    assert!(
        said(&output).contains("Not verified against a log") && !said(&output).contains("Genuine"),
        "{}",
        said(&output)
    );
}

#[test]
fn calls_are_listed_and_filtered_without_and_with_a_key() {
    let office = recorded_office();
    let list = |more: &[&str]| {
        let mut list = telcon();
        list.args(["archive", "list"]).arg(office.path("server/archive")).args(more).output().unwrap()
    };
    let output = list(&[]);
    let text = said(&output);
    assert!(output.status.success() && text.contains("The President") && text.contains("(sealed)"), "{text}");
    assert!(!text.contains("Estmark") && text.contains("--identity FILE"), "{text}");
    let key = office.path("custodian/identity.txt");
    let with_key = ["--identity", key.to_str().unwrap()];
    let text = said(&list(&with_key));
    assert!(text.contains("Estmark") && text.contains("recorded") && !text.contains("(sealed)"), "{text}");
    let json = |more: &[&str]| -> Vec<serde_json::Value> {
        let output = list(&[&["--json"], &with_key[..], more].concat());
        serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", said(&output)))
    };
    assert_eq!(json(&[]).len(), 1);
    let date = json(&[])[0]["date"].as_str().unwrap().to_owned();
    assert_eq!(json(&["--from", &date, "--to", &date]).len(), 1);
    assert_eq!(json(&["--from", "2090-01-01"]).len(), 0);
    assert_eq!(json(&["--to", "2020-01-01"]).len(), 0);
    assert_eq!(json(&["--person", "estmark"]).len(), 1);
    assert_eq!(json(&["--person", "nobody"]).len(), 0);
    assert_eq!(json(&["--incomplete"]).len(), 0);
    assert_eq!(json(&["--missing"]).len(), 0);
    assert_eq!(list(&["--from", "yesterday"]).status.code(), Some(2));
}

#[test]
fn exit_codes_tell_intact_from_gaps_from_damage() {
    let office = recorded_office();
    let output = verify(&office);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).ends_with("Archive intact.\n"), "{}", said(&output));
    // Files of a desktop environment are named, and harm nothing.
    fs::write(office.path("server/archive/records/.DS_Store"), b"x").unwrap();
    let output = verify(&office);
    assert_eq!(output.status.code(), Some(0));
    assert!(said(&output).contains("records/.DS_Store belongs to no archive"), "{}", said(&output));
    fs::write(record(&office).join("part-000000.tar.age"), b"x").unwrap();
    let output = verify(&office);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("the archive is damaged: 1 problem"), "{}", said(&output));
    assert_eq!(telcon().args(["archive", "verify"]).output().unwrap().status.code(), Some(2));
}

#[test]
fn every_useless_identity_file_has_its_words() {
    let office = recorded_office();
    let record = record(&office);
    let key = fs::read_to_string(office.path("custodian/identity.txt")).unwrap();
    let file = office.path("custodian/identity.txt");
    for (text, words) in [
        ("", "it contains no key"),
        ("AGE-SECRET-KEY-1QQQ\n", "only keys of other kinds (X25519)"),
        ("age-encryption.org/v1\n", "it is damaged, or of a later version of age"),
        ("hello\n", "line 1 is not an age key"),
    ] {
        fs::write(&file, text).unwrap();
        let output = open(&office, &record, "refused").output().unwrap();
        assert!(output.status.code() == Some(1) && said(&output).contains(words), "{text}: {}", said(&output));
    }
    // A byte order mark, a comment and a key of another kind do not matter.
    fs::write(&file, format!("\u{feff}# keys\r\nAGE-SECRET-KEY-1QQQ\r\n{key}")).unwrap();
    intact(&mut open(&office, &record, "opened"));
}

/// The reader of the output went away, or the disk behind it is full.
#[test]
fn no_command_panics_on_a_closed_or_full_output() {
    let office = recorded_office();
    let (data, archive) = (office.path("."), office.path("server/archive"));
    let [data, archive] = [&data, &archive].map(|path| path.to_str().unwrap());
    let identity = office.path("custodian/identity.txt");
    let record = record(&office);
    let fresh = |name: &str| office.path(name).to_str().unwrap().to_owned();
    let commands = |n: &str| -> Vec<Vec<String>> {
        let texts = |all: &[&str]| all.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        vec![
            texts(&[
                "init",
                "--data",
                &fresh(&format!("new{n}")),
                "--domain",
                "x.example",
                "--name",
                "X",
                "--no-passphrase",
            ]),
            texts(&["invite", "--data", data, "--name", "A", "--organisation", "B", "--role", "principal"]),
            texts(&["archive", "verify", archive]),
            texts(&["archive", "list", archive]),
            texts(&["archive", "list", archive, "--json"]),
            texts(&[
                "archive",
                "open",
                "--identity",
                identity.to_str().unwrap(),
                record.to_str().unwrap(),
                "--out",
                &fresh(&format!("out{n}")),
            ]),
        ]
    };
    for command in commands("full") {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let output = telcon().args(&command).stdout(full).stderr(Stdio::piped()).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{command:?}: {errors}");
        assert!(
            errors.contains("cannot write to standard output") && !errors.contains("panicked"),
            "{command:?}: {errors}"
        );
    }
    // What must be kept was written before it could not be printed.
    let digest = fs::read_to_string(office.path("newfull/authority/digest.txt")).unwrap();
    assert_eq!(digest.trim().len(), 64);
    for command in commands("closed") {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let (errors, writer_2) = std::io::pipe().unwrap();
        drop(errors);
        let status = telcon().args(&command).stdout(writer).stderr(writer_2).status().unwrap();
        assert_eq!(status.code(), Some(0), "{command:?}");
    }
}
