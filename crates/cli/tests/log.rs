//! `telcon log`, against real servers: honest ones, and ones that rewrite, cut or damage the log that they signed.

mod office;

use office::{Office, PATIENCE, Running, ok, telcon, text};
use serde_json::Value;
use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::mpsc,
};
use telcon_log::{Cosigner, DiskStorage, Hash, Log, LogSigner, MemoryStorage, VerifierKey, verify_consistency};

/// The digest of the office's authority, as `telcon init` left it.
fn digest(office: &Office) -> String {
    fs::read_to_string(office.path("authority/digest.txt")).unwrap().trim().to_owned()
}

/// `telcon log COMMAND` as an outsider of the office, at a server.
fn log(command: &str, server: &Office, state: &Path) -> Command {
    let mut log = telcon();
    log.args(["log", command, "--office", &server.url(), "--state"]).arg(state);
    log
}

fn verify(server: &Office, state: &Path) -> Output {
    log("verify", server, state).args(["--authority", &digest(server)]).output().unwrap()
}

fn report(server: &Office, state: &Path) -> (Option<i32>, Value) {
    let output = log("verify", server, state).args(["--json", "--authority", &digest(server)]).output().unwrap();
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap())
}

/// The files of evidence beside a state.
fn evidence(state: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(state.parent().unwrap()).unwrap().flatten().map(|entry| entry.path());
    files.filter(|path| path.to_string_lossy().contains(".evidence-")).collect()
}

/// A second server with the same keys and data, as an attacker who has the machine can run one. It is not started.
fn second_server(office: &Office) -> Office {
    let dir = tempfile::tempdir().unwrap();
    copy(office.dir.path(), dir.path());
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    Office { dir, port, server: None, media: office.media.clone() }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        match source.is_dir() {
            true => copy(&source, &target),
            false => assert!(fs::copy(&source, &target).is_ok()),
        }
    }
}

/// An office with one device, and a copy of it as it is then.
fn office_and_copy() -> (Office, Office) {
    let mut office = Office::new();
    office.enrol("A", "principal");
    office.kill_server();
    let copy = second_server(&office);
    office.serve();
    (office, copy)
}

#[test]
fn a_log_is_verified_from_outside_and_must_continue_what_was_seen() {
    let mut office = Office::new();
    office.enrol("A", "principal");
    let state = office.path("auditor.state");
    let first = verify(&office, &state);
    assert_eq!(first.status.code(), Some(0), "{}", text(&first.stderr));
    let said = text(&first.stdout);
    assert!(said.contains("first use") && said.ends_with("Log consistent.\n"), "{said}");

    office.enrol("B", "principal");
    office.enrol("C", "principal");
    let said = text(&verify(&office, &state).stdout);
    assert!(said.contains("2 entries added since") && said.contains("3 devices enrolled"), "{said}");
    let (code, json) = report(&office, &state);
    assert_eq!((code, &json["verdict"]), (Some(0), &Value::from("consistent")), "{json}");
    assert_eq!((&json["entries"], &json["entries_before"]), (&3.into(), &3.into()), "{json}");
    assert_eq!(json["devices_of_unknown_people"], 0, "{json}");

    // What a device saw is compared, too.
    let mut seen = telcon();
    seen.args(["log", "verify", "--office", &office.url(), "--authority", &digest(&office), "--checkpoint"]);
    let note = json["checkpoint"].as_str().unwrap();
    fs::write(office.path("seen.txt"), note).unwrap();
    let said = text(&ok(seen.arg(office.path("seen.txt"))).stdout);
    assert!(said.contains("continues the 1 checkpoint given") && said.contains("without --state"), "{said}");

    // A checkpoint of this log under another key is evidence, one of another log a mistake.
    for (seed, origin, code) in [([7; 32], "office.example/log", 1), ([7; 32], "other.example/log", 2)] {
        let signer = LogSigner::from_seed(&seed, origin).unwrap();
        let mut log = Log::create(MemoryStorage::new(), signer, 1).unwrap();
        log.append(&[b"{}".to_vec()], 1).unwrap();
        fs::write(office.path("seen.txt"), log.checkpoint().note()).unwrap();
        let mut verify = telcon();
        verify.current_dir(office.dir.path());
        verify.args(["log", "verify", "--office", &office.url(), "--authority", &digest(&office), "--checkpoint"]);
        let output = verify.arg(office.path("seen.txt")).output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert_eq!(said.contains("THE LOG HAS ANOTHER KEY"), code == 1, "{said}");
        assert!(said.contains(&office.path("seen.txt").display().to_string()), "the file is named: {said}");
    }
    for kept in evidence(&office.path("telcon-log")) {
        fs::remove_file(kept).unwrap();
    }

    // Nothing is verified, and nothing remembered.
    let before = fs::read(&state).unwrap();
    let mut stranger = log("verify", &office, &state);
    let other = stranger.args(["--authority", &"0".repeat(64)]).output().unwrap();
    assert_eq!(other.status.code(), Some(2), "{}", text(&other.stderr));
    let mut other_state = telcon();
    other_state.args(["log", "verify", "--office", &office.url(), "--authority", &"0".repeat(64)]);
    let other = other_state.output().unwrap();
    assert!(text(&other.stderr).contains("not the one given"), "{}", text(&other.stderr));
    office.kill_server();
    let away = verify(&office, &state);
    assert_eq!(away.status.code(), Some(2), "{}", text(&away.stderr));
    assert_eq!(fs::read(&state).unwrap(), before);
    assert_eq!(evidence(&state), Vec::<PathBuf>::new());
}

#[test]
fn a_log_forked_by_a_second_server_with_the_same_keys_is_found_and_both_checkpoints_are_kept() {
    let (office, mut fork) = office_and_copy();
    let state = office.path("auditor.state");
    office.enrol("B", "principal");
    assert_eq!(verify(&office, &state).status.code(), Some(0));
    let before = fs::read(&state).unwrap();

    // The attacker's history goes on from the copy: longer, and signed with the same key.
    fork.serve();
    fork.enrol("C", "principal");
    fork.enrol("D", "principal");
    let (code, json) = report(&fork, &state);
    assert_eq!((code, &json["verdict"]), (Some(1), &Value::from("forked")), "{json}");
    let kept = evidence(&state);
    assert_eq!(kept, [PathBuf::from(json["evidence"].as_str().unwrap())]);

    // Who has the evidence alone can verify it: the authority's key signed one log key, which signed both trees.
    let found: Value = serde_json::from_slice(&fs::read(&kept[0]).unwrap()).unwrap();
    let key = VerifierKey::parse(found["newer"]["log_key"].as_str().unwrap()).unwrap();
    let [older, newer] =
        ["older", "newer"].map(|of| key.verify_checkpoint(found[of]["checkpoint"].as_str().unwrap()).unwrap());
    assert_eq!((older.size, newer.size), (2, 3));
    assert_eq!(found["older"]["log_key"], found["newer"]["log_key"]);
    let proof: Vec<Hash> = serde_json::from_value(found["fork"]["consistency"].clone()).unwrap();
    let root: Hash = serde_json::from_value(found["fork"]["root"].clone()).unwrap();
    assert_eq!(found["fork"]["size"], 2);
    assert_eq!(verify_consistency(2, &root, 3, &newer.root, &proof), Ok(()), "the newer tree had this root");
    assert_ne!(root, older.root);

    // The state stays, so that the next check finds it as well, and keeps the same evidence once.
    let again = verify(&fork, &state);
    let said = text(&again.stderr);
    assert_eq!(again.status.code(), Some(1), "{said}");
    assert!(said.contains("THE LOG WAS REWRITTEN") && said.contains("Tell the security officer"), "{said}");
    assert_eq!((evidence(&state), fs::read(&state).unwrap()), (kept, before));
    assert_eq!(verify(&office, &state).status.code(), Some(0), "the honest server still continues it");
}

#[test]
fn a_truncated_log_is_found() {
    let (office, mut rolled_back) = office_and_copy();
    let state = office.path("auditor.state");
    office.enrol("B", "principal");
    assert_eq!(verify(&office, &state).status.code(), Some(0));
    rolled_back.serve();
    let (code, json) = report(&rolled_back, &state);
    assert_eq!((code, &json["verdict"]), (Some(1), &Value::from("rolled_back")), "{json}");
    assert_eq!(evidence(&state).len(), 1);
}

#[test]
fn an_entry_that_was_changed_or_removed_after_it_was_signed_is_found_at_the_first_use() {
    let office = Office::new();
    office.enrol("A", "principal");
    office.enrol("B", "principal");
    let bundle = office.path("server/archive/log/tile/entries/000.p/2");
    let honest = fs::read(&bundle).unwrap();
    let changed = text(&honest).replacen("device_enrolled", "device_enrolleD", 1);
    fs::write(&bundle, changed).unwrap();
    let state = office.path("auditor.state");
    let (code, json) = report(&office, &state);
    assert_eq!((code, &json["verdict"]), (Some(1), &Value::from("damaged")), "{json}");
    assert!(json["text"].as_str().unwrap().contains("entry 0 was modified"), "{json}");
    assert!(!state.exists() && evidence(&state).len() == 1);

    fs::remove_file(&bundle).unwrap();
    let output = verify(&office, &state);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("is missing"), "{}", text(&output.stderr));
    fs::write(&bundle, honest).unwrap();
    assert_eq!(verify(&office, &state).status.code(), Some(0));
}

#[test]
fn entries_that_contradict_each_other_are_found_in_a_log_that_is_signed_as_it_is() {
    let mut office = Office::new();
    office.enrol("A", "principal");
    office.kill_server();
    // Who has the server's keys writes what they want.
    let seed = fs::read(office.path("server/log.seed")).unwrap().try_into().unwrap();
    let info = fs::read_to_string(office.path("server/archive/office.json")).unwrap();
    let key = telcon_identity::Office::pin(&serde_json::from_str(&info).unwrap(), None).unwrap().log_key().clone();
    let signer = LogSigner::from_seed(&seed, key.origin()).unwrap();
    let storage = DiskStorage::open(office.path("server/archive/log")).unwrap();
    let mut signed = Log::open(storage, signer).unwrap();
    let hidden = r#"{"type":"device_enrolled","time_ms":1,"device":"DEVICE","cert_sha256":"CERT","enrolment":"e"}"#;
    let hidden = hidden.replace("DEVICE", &"0a".repeat(16)).replace("CERT", &"0b".repeat(32));
    signed.append(&[hidden.into_bytes()], 1).unwrap();
    drop(signed);
    office.serve();

    let state = office.path("auditor.state");
    let (code, json) = report(&office, &state);
    assert_eq!((code, &json["verdict"]), (Some(1), &Value::from("contradictory")), "{json}");
    let text = json["text"].as_str().unwrap();
    assert!(text.contains("entry 1: it does not say whose device"), "{json}");
    assert!(state.exists(), "the history is as it was signed");
    office.enrol("B", "principal");
    assert_eq!(verify(&office, &state).status.code(), Some(1));
    assert_eq!(evidence(&state).len(), 1);
    // Nor is it hidden from the people.
    let mut watch = log("watch", &office, &office.path("person.state"));
    let said = ok(watch.args(["--once", "--device"]).arg(office.path("A.json"))).stdout;
    assert!(self::text(&said).contains(&format!("device {}, whose owner the LOG HIDES,", "0a".repeat(16))));
    // A witness that is away does not keep it from being reported, and what it did not cosign is not remembered.
    let (key, unseen) =
        (Cosigner::from_seed(&[6; 32], "witness.example").unwrap().key().to_string(), office.path("second.state"));
    let mut strict = log("verify", &office, &unseen);
    let strict = strict.args(["--json", "--authority", &digest(&office), "--witness", &key]).output();
    let json: Value = serde_json::from_slice(&strict.unwrap().stdout).unwrap();
    assert_eq!(json["verdict"], "contradictory", "{json}");
    assert!(!unseen.exists());
}

#[test]
fn a_checkpoint_dated_in_the_future_is_a_finding_and_no_panic() {
    let office = Office::new();
    office.enrol("A", "principal");
    // The same tree, signed with another date by who has the server's keys.
    let seed = fs::read(office.path("server/log.seed")).unwrap().try_into().unwrap();
    let info = fs::read_to_string(office.path("server/archive/office.json")).unwrap();
    let key = telcon_identity::Office::pin(&serde_json::from_str(&info).unwrap(), None).unwrap().log_key().clone();
    let (served, forged) = (office.path("server/archive/log"), office.path("forged"));
    copy(&served, &forged);
    let signer = LogSigner::from_seed(&seed, key.origin()).unwrap();
    let mut signed = Log::open(DiskStorage::open(&forged).unwrap(), signer).unwrap();
    signed.append(&[], u64::MAX).unwrap();
    drop(signed);
    fs::copy(forged.join("checkpoint"), served.join("checkpoint")).unwrap();

    let state = office.path("auditor.state");
    let output = verify(&office, &state);
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("the checkpoint is dated") && !said.contains("panicked"), "{said}");
    let output = telcon().args(["archive", "verify"]).arg(office.path("server/archive")).output().unwrap();
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("the checkpoint is dated"), "{said}");
}

#[test]
fn a_checkpoint_without_the_witness_that_is_required_is_not_accepted() {
    let office = Office::new();
    let state = office.path("auditor.state");
    let with = |key: &str| {
        let authority = digest(&office);
        log("verify", &office, &state).args(["--authority", &authority, "--witness", key]).output().unwrap()
    };
    let witness = Cosigner::from_seed(&[6; 32], "witness.example").unwrap();
    let output = with(&witness.key().to_string());
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let said = text(&output.stderr);
    assert!(
        said.contains("NOT COSIGNED") && said.contains("by the witness witness.example") && !state.exists(),
        "{said}"
    );
    assert!(!said.contains("DAMAGED"), "a witness that is away is no damage: {said}");
    assert_eq!(with("a key").status.code(), Some(2));
}

#[test]
fn evidence_of_a_fork_is_kept_beside_that_of_a_witness_that_was_away() {
    let (office, mut fork) = office_and_copy();
    office.enrol("B", "principal");
    let honest = report(&office, &office.path("auditor.state")).1;
    let seen = office.path("seen.txt");
    fs::write(&seen, honest["checkpoint"].as_str().unwrap()).unwrap();
    fork.serve();
    fork.enrol("C", "principal");
    fork.enrol("D", "principal");
    // Both are about the same checkpoint.
    let state = fork.path("auditor.state");
    let witness = Cosigner::from_seed(&[6; 32], "witness.example").unwrap().key().to_string();
    let with = |flag: &str, value: &str| {
        let authority = digest(&fork);
        let mut verify = log("verify", &fork, &state);
        verify.args(["--json", "--authority", &authority, flag, value]).output().unwrap()
    };
    let kinds = [("--witness", &*witness, "not_cosigned"), ("--checkpoint", seen.to_str().unwrap(), "forked")];
    for (n, (flag, value, kind)) in kinds.into_iter().enumerate() {
        let json: Value = serde_json::from_slice(&with(flag, value).stdout).unwrap();
        assert_eq!(json["verdict"], kind, "{json}");
        assert_eq!(evidence(&state).len(), n + 1, "{json}");
        let kept: Value = serde_json::from_slice(&fs::read(json["evidence"].as_str().unwrap()).unwrap()).unwrap();
        assert_eq!(kept["kind"], kind);
    }
}

#[test]
fn a_state_that_is_damaged_or_of_another_office_or_a_newer_version_verifies_nothing() {
    let office = Office::new();
    let state = office.path("auditor.state");
    assert_eq!(verify(&office, &state).status.code(), Some(0), "an empty log");
    let good = fs::read_to_string(&state).unwrap();
    for (from, to, said) in [
        ("{", "[", "is not a state"),
        ("\"version\": 1", "\"version\": 2", "use a newer telcon"),
        ("office.example/log\\n0", "office.example/log\\n1", "its checkpoint is damaged"),
        (&*digest(&office), &*"0".repeat(64), "give each office its own file"),
    ] {
        let changed = good.replacen(from, to, 1);
        assert_ne!(changed, good, "{from}");
        fs::write(&state, &changed).unwrap();
        let output = verify(&office, &state);
        let error = text(&output.stderr);
        assert!(output.status.code() == Some(2) && error.contains(said), "{from}: {error}");
        assert_eq!(fs::read_to_string(&state).unwrap(), changed);
    }
}

/// A running `telcon log watch --json`. It is killed when dropped.
struct Watching {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Watching {
    fn start(command: &mut Command) -> Self {
        let mut child = command.args(["--json", "--interval", "1"]).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, lines }
    }

    /// The next event.
    fn next(&self) -> Value {
        serde_json::from_str(&self.lines.recv_timeout(PATIENCE).expect("an event")).unwrap()
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Enrols a further device of a person.
fn enrol_further(office: &Office, person: &str, file: &str) {
    let mut invite = telcon();
    invite.args(["invite", "--name", "A", "--organisation", "Office of the President", "--role", "principal"]);
    invite.args(["--person", person, "--server", &office.url(), "--data"]).arg(office.dir.path());
    let link = text(&ok(&mut invite).stdout);
    ok(telcon().args(["enrol", "--device"]).arg(office.path(file)).arg(link.trim()));
}

#[test]
fn a_device_that_is_added_in_a_persons_name_is_shown_to_who_watches_and_its_revocation() {
    let office = Office::new();
    let device = office.enrol("A", "principal");
    let state = office.path("person.state");
    let watching = Watching::start(log("watch", &office, &state).arg("--device").arg(&device));
    let first = watching.next();
    let person = first["person"].as_str().unwrap().to_owned();
    assert_eq!((&first["event"], &first["owner"]), (&"device_enrolled".into(), &"person".into()), "{first}");
    assert_eq!((&first["entry"], &first["registrars"]), (&0.into(), &0.into()), "{first}");

    // A device of somebody else is not this person's business.
    office.enrol("B", "principal");
    enrol_further(&office, &person, "slipped-in.json");
    let added = watching.next();
    assert_eq!((&added["event"], &added["entry"]), (&"device_enrolled".into(), &2.into()), "{added}");
    assert_ne!(added["device"], first["device"]);
    let mut revoke = telcon();
    revoke.args(["revoke", "--server", &office.url(), "--device", added["device"].as_str().unwrap(), "--data"]);
    ok(revoke.arg(office.dir.path()));
    let revoked = watching.next();
    assert_eq!((&revoked["event"], &revoked["device"]), (&"device_revoked".into(), &added["device"]), "{revoked}");
    assert_eq!(revoked["by"], "authority", "{revoked}");

    // By the person's identifier, without a device and without a state: everything from the beginning.
    let mut again = telcon();
    again.args(["log", "watch", "--once", "--office", &office.url(), "--person", &person, "--authority"]);
    let output = ok(again.arg(digest(&office)));
    let (said, remarks) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(said.lines().count(), 3, "{said}");
    assert!(said.contains("REVOKED by the authority"), "{said}");
    assert!(remarks.contains("enrolled in this person's name: 2, of which the authority revoked: 1"), "{remarks}");
    assert!(!said.contains("President") && !remarks.contains("President"), "no names: {said}{remarks}");
}

#[test]
fn a_log_that_is_forked_while_it_is_watched_ends_the_watch_with_evidence() {
    let (mut office, mut fork) = office_and_copy();
    let state = office.path("person.state");
    let mut watching = Watching::start(log("watch", &office, &state).arg("--device").arg(office.path("A.json")));
    let person = watching.next()["person"].as_str().unwrap().to_owned();
    enrol_further(&office, &person, "second.json");
    assert_eq!(watching.next()["entry"], 1);
    // The attacker takes over the address and shows a history without that device. While no server answers, it waits.
    office.kill_server();
    fork.port = office.port;
    fork.serve();
    fork.enrol("C", "principal");
    assert_eq!(watching.child.wait().unwrap().code(), Some(1));
    assert!(!evidence(&state).is_empty());
}

#[test]
fn a_watch_that_is_killed_before_it_remembers_reports_again() {
    let office = Office::new();
    let device = office.enrol("A", "principal");
    let state = office.path("person.state");
    // Standard output is full: the process has fetched and verified everything, and can neither report nor remember.
    let (mut full, reader) = UnixStream::pair().unwrap();
    full.set_nonblocking(true).unwrap();
    while full.write(&[b'x'; 4096]).is_ok() {}
    while full.write(b"x").is_ok() {}
    full.set_nonblocking(false).unwrap();
    let mut watch = log("watch", &office, &state);
    watch.args(["--json", "--device"]).arg(&device);
    let mut running = Running::start_into(&mut watch, OwnedFd::from(full).into());
    running.wait_for_line("1 entries verified");
    running.kill();
    assert!(!state.exists());
    drop(reader);

    let once = || text(&ok(log("watch", &office, &state).args(["--json", "--once", "--device"]).arg(&device)).stdout);
    let reported: Value = serde_json::from_str(&once()).unwrap();
    assert_eq!(reported["event"], "device_enrolled");
    assert_eq!(once(), "", "it is remembered now");
}
