//! Every file that a command reads, damaged: truncated, oversized, random, of another kind, missing. The command reports the
//! problem, exits with 1 (2 for wrong usage), and changes nothing.

mod office;

use office::{Office, ok, telcon};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::mpsc,
};

/// Damaged versions of a file.
fn damaged(good: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut flipped = good.to_vec();
    if let Some(byte) = flipped.get_mut(good.len() / 2) {
        *byte ^= 0x55;
    }
    let noise = |seed: u32, length: usize| -> Vec<u8> {
        let mut x = seed;
        let mut next = || {
            x ^= x << 13;
            x ^= x >> 17;
            x ^= x << 5;
            x as u8
        };
        (0..length).map(|_| next()).collect()
    };
    vec![
        ("empty", Vec::new()),
        ("cut", good[..good.len() / 2].to_vec()),
        ("altered", flipped),
        ("random", noise(7, 4096)),
        ("oversized", noise(9, 8 << 20)),
        ("deep", [b"[".repeat(100_000), b"]".repeat(100_000)].concat()),
    ]
}

/// Everything below a folder, by name.
fn snapshot(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap().flatten() {
            if entry.path().is_dir() {
                dirs.push(entry.path());
            } else {
                all.push((entry.path(), fs::read(entry.path()).unwrap()));
            }
        }
    }
    all.sort();
    all
}

/// Runs a command that must fail with a message and leave the folder unchanged.
fn refused(what: &str, command: &mut Command, folder: &Path) {
    let before = snapshot(folder);
    let output = output_soon(what, command);
    let printed = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{what}: {printed}");
    assert!(printed.starts_with("telcon: ") || printed.contains("\ntelcon: "), "{what}: {printed}");
    assert!(!printed.contains("panicked") && printed.len() < 2_000, "{what}: {printed}");
    assert!(snapshot(folder) == before, "{what}: something was changed");
}

/// The output of a command that must exit by itself.
fn output_soon(what: &str, command: &mut Command) -> Output {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let id = child.id();
    let (done, ended) = mpsc::channel();
    std::thread::spawn(move || done.send(child.wait_with_output()));
    match ended.recv_timeout(office::PATIENCE) {
        Ok(output) => output.unwrap(),
        Err(_) => {
            let _ = Command::new("kill").arg(id.to_string()).status();
            panic!("{what}: it keeps running");
        }
    }
}

/// An office whose server is stopped.
fn quiet_office() -> Office {
    let mut office = Office::new();
    office.enrol("A", "principal");
    office.enrol("Notes", "note-taker");
    office.kill_server();
    office
}

#[test]
fn damaged_office_files_are_refused() {
    let office = quiet_office();
    let path = |name: &str| office.path(name);
    let invite = || {
        let mut invite = telcon();
        invite.args(["invite", "--name", "X", "--organisation", "Y", "--role", "principal"]);
        invite.arg("--data").arg(office.dir.path());
        invite
    };
    let verify = || {
        let mut verify = telcon();
        verify.args(["archive", "verify"]).arg(path("server/archive"));
        verify
    };
    let call = || {
        let mut call = telcon();
        call.args(["call", "--to", "B", "--device"]).arg(path("A.json")).arg("--server").arg(office.url());
        call
    };
    let serve = || {
        let mut serve = telcon();
        serve.args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--data"]).arg(path("server"));
        serve
    };
    let note = || office.note(&path("Notes.json"));
    let cases: [(&str, &dyn Fn() -> Command); 8] = [
        ("authority/seed", &invite),
        ("authority/certificate.der", &invite),
        ("A.json", &call),
        ("Notes.json", &note),
        ("custodians.txt", &note),
        ("server/office.json", &serve),
        ("server/archive/office.json", &verify),
        ("server/archive/log/checkpoint", &verify),
    ];
    for (name, command) in cases {
        let good = fs::read(path(name)).unwrap_or_else(|_| panic!("{name} is not there"));
        for (how, bytes) in damaged(&good) {
            fs::write(path(name), bytes).unwrap();
            refused(&format!("{name}, {how}"), &mut command(), office.dir.path());
        }
        fs::remove_file(path(name)).unwrap();
        refused(&format!("{name}, missing"), &mut command(), office.dir.path());
        fs::write(path(name), good).unwrap();
    }
}

#[test]
fn invalid_audio_is_refused_before_ringing() {
    let office = quiet_office();
    let good = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../client/fixtures/a.wav")).unwrap();
    for (how, bytes) in damaged(&good[..200]) {
        fs::write(office.path("say.wav"), bytes).unwrap();
        let mut call = telcon();
        call.args(["call", "--to", "B", "--device"]).arg(office.path("A.json")).arg("--server").arg(office.url());
        refused(how, call.arg("--say").arg(office.path("say.wav")), office.dir.path());
    }
}

#[test]
fn invalid_enrolment_links_enrol_nobody() {
    let office = Office::new();
    let good = office.invite("A", "principal");
    let (server, fragment) = good.split_once("/#enrol=").unwrap();
    let wrong = [
        String::new(),
        "hello".into(),
        server.to_owned(),
        format!("{server}/#enrol="),
        format!("{server}/#enrol=AAAA"),
        format!("{server}/#enrol={}", &fragment[..fragment.len() / 2]),
        format!("{server}/#enrol={}", fragment.replace('A', "B")),
        format!("{server}/#enrol={}", "A".repeat(60_000)),
    ];
    for link in wrong {
        let device = office.path("new.json");
        let mut enrol = telcon();
        refused(
            &link.chars().take(60).collect::<String>(),
            enrol.args(["enrol", "--device"]).arg(&device).arg(&link),
            &office.path("server"),
        );
        assert!(!device.exists());
    }
    // A valid link works once.
    ok(telcon().args(["enrol", "--device"]).arg(office.path("one.json")).arg(&good));
    let mut again = telcon();
    refused("used", again.args(["enrol", "--device"]).arg(office.path("two.json")).arg(&good), &office.path("server"));
    assert!(!office.path("two.json").exists());
}

#[test]
fn invite_refuses_invalid_servers_and_time_zones() {
    let office = quiet_office();
    let invite = |more: &[&str]| {
        let mut invite = telcon();
        invite.args(["invite", "--name", "X", "--organisation", "Y", "--role", "principal"]).args(more);
        invite.arg("--data").arg(office.dir.path());
        invite
    };
    for zone in ["Europe/Nowhere", "", "Oslo", "../../etc/passwd"] {
        refused(zone, &mut invite(&["--zone", zone]), office.dir.path());
    }
    for server in
        ["office.example", "ftp://office.example", "https://", "https://office.example/page", "http://a@b", "x y"]
    {
        refused(server, &mut invite(&["--server", server]), office.dir.path());
    }
    let link = ok(invite(&["--server", "https://office.example/", "--zone", "Asia/Kolkata"]).arg("--hours=1")).stdout;
    assert!(link.starts_with(b"https://office.example/#enrol="), "{}", String::from_utf8_lossy(&link));
}

#[test]
fn devices_lists_the_ids_that_revoke_needs() {
    let office = quiet_office();
    let listed = |dir: &str| ok(telcon().args(["devices", "--data"]).arg(office.path(dir))).stdout;
    let text = String::from_utf8(listed("server")).unwrap();
    let lines: Vec<_> = text.lines().skip(1).collect();
    assert_eq!(lines.len(), 2, "{text}");
    for (line, role) in lines.iter().zip(["principal", "note-taker"]) {
        let id = line.split_whitespace().next().unwrap();
        assert!(id.len() == 32 && line.contains(role) && line.contains("enrolled"), "{line}");
    }
    let mut nothing = telcon();
    refused("no server there", nothing.args(["devices", "--data"]).arg(office.dir.path()), office.dir.path());
}

#[test]
fn damaged_record_or_key_opens_nothing() {
    let office = quiet_office();
    let identity = office.path("custodian/identity.txt");
    let good = fs::read(&identity).unwrap();
    let record = office.path("no-record");
    fs::create_dir(&record).unwrap();
    let open = || {
        let mut open = telcon();
        open.args(["archive", "open", "--identity"]).arg(&identity).arg(&record).arg("--out").arg(office.path("out"));
        open
    };
    refused("no record", &mut open(), office.dir.path());
    for (how, bytes) in damaged(b"{\"version\":1,\"call\":\"00000000000000000000000000000000\",\"parts\":[]}") {
        fs::write(record.join("seal.json"), bytes).unwrap();
        refused(&format!("seal.json, {how}"), &mut open(), office.dir.path());
    }
    for (how, bytes) in damaged(&good) {
        fs::write(&identity, bytes).unwrap();
        refused(&format!("identity, {how}"), &mut open(), office.dir.path());
    }
}

#[test]
fn wrong_usage_exits_with_two_and_help_has_examples() {
    for arguments in [&["nonsense"][..], &["call"], &["serve", "--listen", "nowhere"], &["archive", "open"]] {
        assert_eq!(telcon().args(arguments).output().unwrap().status.code(), Some(2), "{arguments:?}");
    }
    for command in ["demo", "init", "serve", "invite", "relay", "enrol", "devices", "revoke", "call", "note"] {
        let output = ok(telcon().args([command, "--help"]));
        assert!(String::from_utf8(output.stdout).unwrap().contains("Example"), "{command} --help has no example");
    }
    let groups = [["archive", "verify"], ["archive", "open"], ["archive", "checkpoint"], ["bench", "relay"]];
    let keys = [["office", "init"], ["custodian", "new"], ["custodian", "passphrase"], ["authority", "passphrase"]];
    for command in groups.into_iter().chain(keys) {
        let output = ok(telcon().args(command).arg("--help"));
        assert!(String::from_utf8(output.stdout).unwrap().contains("Example"), "{command:?} --help has no example");
    }
}
