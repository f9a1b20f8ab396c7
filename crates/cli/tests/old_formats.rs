//! Compatibility with data of earlier versions: archives, databases, device profiles, spools.

mod office;

use office::{Office, Running, ok, telcon};
use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
};
use telcon_core::{Device, DeviceState};
use telcon_server::store::StoreLocation;

/// The creation time of the fixtures of version 0.1, when their devices' certificates were valid.
const MADE_AT: &str = "2026-11-29 18:00:00";
const MADE_AT_MS: u64 = 1_795_975_200_000;

/// An office of version 0.1, unpacked into a temporary directory. Its server is not started.
fn office_of(name: &str) -> Office {
    let dir = tempfile::tempdir().unwrap();
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v0.1").join(name);
    ok(Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(dir.path()));
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    Office { dir, port, server: None, media: vec!["--media".into(), "127.0.0.1:0".into()] }
}

/// `telcon` with the wall clock set to the fixtures' time (libfaketime); monotonic timeouts are unaffected.
fn telcon_then() -> Command {
    let mut command = telcon();
    command.env("LD_PRELOAD", faketime()).env("FAKETIME", format!("@{MADE_AT}")).env("TZ", "UTC");
    command.env("DONT_FAKE_MONOTONIC", "1");
    command
}

fn faketime() -> PathBuf {
    let libraries = fs::read_dir("/usr/lib").unwrap().flatten().map(|entry| entry.path());
    let mut found = libraries.map(|path| path.join("faketime/libfaketimeMT.so.1")).filter(|path| path.exists());
    found.next().expect("the Debian package libfaketime is installed: scripts/setup.sh test")
}

fn serve_then(office: &mut Office) {
    let mut serve = telcon_then();
    serve.arg("serve").arg("--data").arg(office.path("server")).args(&office.media);
    let running = Running::start(
        serve.args(["--admin-listen", "127.0.0.1:0", "--listen"]).arg(format!("127.0.0.1:{}", office.port)),
    );
    running.wait_for_line("ready at");
    office.server = Some(running);
}

fn count(report: &serde_json::Value, member: &str) -> u64 {
    report[member].as_u64().unwrap_or_else(|| panic!("no {member} in {report}"))
}

#[test]
fn an_archive_of_version_0_1_verifies_and_opens() {
    let office = office_of("office-complete.tar.gz");
    let report = office.verify();
    assert_eq!((count(&report, "calls"), count(&report, "records_good"), count(&report, "devices")), (1, 1, 4));
    assert_eq!(report["gaps"].as_array().unwrap().len(), 0);
    let (printed, out) = office.open_record();
    assert!(printed.contains("7 parts"), "{printed}");
    let transcript = fs::read_to_string(out.join("transcript.vtt")).unwrap();
    assert!(transcript.starts_with("WEBVTT"), "{transcript}");
    assert_eq!(fs::read_dir(out.join("audio")).unwrap().count(), 3, "the sound of both, and the mix");
}

#[test]
fn a_database_of_version_0_1_is_upgraded_by_starting_the_server() {
    let mut office = office_of("office-complete.tar.gz");
    let before = office.verify();
    for _ in 0..2 {
        serve_then(&mut office);
        office.kill_server();
        let after = office.verify();
        assert_eq!(count(&after, "entries"), count(&before, "entries"), "nothing is logged twice by an upgrade");
        assert_eq!(count(&after, "records_good"), 1);
    }
}

#[test]
fn device_profiles_of_version_0_1_open() {
    let office = office_of("office-complete.tar.gz");
    let mut roles = Vec::new();
    for name in ["president", "prime-minister", "counterpart", "note-taker"] {
        let text = fs::read_to_string(office.path(&format!("devices/{name}.json"))).unwrap();
        let state = DeviceState::parse(&text).unwrap();
        let device = Device::open(&state, MADE_AT_MS).unwrap();
        roles.push(device.me().card().role.as_str());
        assert_eq!(device.trust().offices().count(), 1, "it trusts only its home office");
        assert_eq!(&device.me().card().office, device.office().domain());
        // The profile round-trips in the current format.
        assert!(DeviceState::parse(&state.to_text()).is_ok());
    }
    assert_eq!(roles, ["principal", "principal", "counterpart", "note_taker"]);
}

#[test]
fn a_ring_of_version_0_1_verifies_for_its_office_and_is_not_accepted_again() {
    let office = office_of("office-complete.tar.gz");
    let trust = office.anchor();
    let home = trust.home().domain().clone();
    let location = StoreLocation::default_in(&office.path("server"));
    drop(location.writer(&home).unwrap());
    let reader = location.reader(&home).unwrap();
    let [call] = &reader.calls(None, None, 9).unwrap().unwrap()[..] else { panic!("one call") };
    let (stored, _) = reader.record(&call.call).unwrap().unwrap();
    let ring = trust.verify_ring_past(&stored.call.ring).unwrap();
    assert_eq!((ring.ring().version, ring.ring().call.id), (3, stored.call.call));
    assert!(ring.ring().is_within(&home) && stored.call.from.is_same_person(ring.device().card()));
    let again = trust.verify_ring(&stored.call.ring, ring.ring().at_ms).unwrap_err();
    assert!(again.to_string().contains("version 3"), "{again}");
}

#[test]
fn a_spool_of_version_0_1_is_delivered_to_the_upgraded_office() {
    let mut office = office_of("office-interrupted.tar.gz");
    serve_then(&mut office);
    let mut note = telcon_then();
    note.arg("note").arg("--device").arg(office.path("devices/note-taker.json")).arg("--server").arg(office.url());
    note.arg("--spool").arg(office.path("note-taker/spool")).arg("--custodians").arg(office.path("custodians.txt"));
    let mut notes = Running::start(&mut note);
    notes.wait_for_line("is in the archive");
    notes.kill();
    office.kill_server();
    let report = office.verify();
    assert_eq!((count(&report, "calls"), count(&report, "records_good"), count(&report, "pending")), (1, 1, 0));
    let (_, out) = office.open_record();
    assert_eq!(fs::read_dir(out.join("audio")).unwrap().count(), 3, "the sound of both, and of the call");
}
