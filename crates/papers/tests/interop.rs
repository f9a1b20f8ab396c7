//! Third-party programs read what we write: PyPI `icalendar`, npm `ical.js`, PyPI `python-docx`.
//!
//! Needs `TELCON_INTEROP`: a directory with `node_modules/ical.js` and `venv/bin/python` with the other two.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use support::*;
use telcon_papers::calendar::{Invitation, Party, invitation};
use telcon_papers::docx::docx;
use telcon_papers::notes::Notes;
use telcon_papers::plain::sheet;
use telcon_papers::schedule::{Schedule, Side, Slot};

fn tools() -> PathBuf {
    let tools = std::env::var_os("TELCON_INTEROP").map(PathBuf::from);
    tools.expect("this test needs ical.js, icalendar and python-docx: run the tests with `cargo xtask unit`, or name their directory in TELCON_INTEROP")
}

fn run(program: &Path, script: &str, arguments: &[&Path]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop").join(script);
    let output = Command::new(program).arg(script).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// `invite.ics`, `update.ics`, `cancel.ics` of one call.
fn files(dir: &Path) -> Vec<PathBuf> {
    let (here, there) = (Zone::named("America/New_York").unwrap(), Zone::named("Asia/Kathmandu").unwrap());
    let places = vec![place("The President", "America/New_York", ""), place("Theirs", "Asia/Kathmandu", "")];
    let mut schedule = Schedule::new(
        item(5),
        "Private call; with, signs \\ and a very long title of an office: Élysée Владимир 主席",
        places,
    );
    let office = "office.example".parse().unwrap();
    let mut written = Vec::new();
    let mut write = |name: &str, schedule: &Schedule| {
        let party = |name: &str, address: &str| Party { name: name.into(), address: address.into() };
        let file = invitation(&Invitation {
            schedule,
            office: &office,
            organizer: Some(party("Desk \"of\" the President", "desk@office.example")),
            attendees: vec![party("Their desk", "desk@estmark.example")],
            zones: vec![&here, &there],
        });
        let path = dir.join(name);
        std::fs::write(&path, file.unwrap()).unwrap();
        written.push(path);
    };
    let slot = |start_ms: u64| Slot { start_ms, length_min: 20 };
    schedule.offer(item(1), Side::Ours, vec![slot(AT)], 1_000).unwrap();
    schedule.pick(Side::Theirs, 0, 2_000).unwrap();
    write("invite.ics", &schedule);
    // After the clocks changed in New York: 1 November 2026.
    schedule.offer(item(2), Side::Theirs, vec![slot(AT + 160 * 86_400_000)], 3_000).unwrap();
    schedule.pick(Side::Ours, 0, 4_000).unwrap();
    write("update.ics", &schedule);
    schedule.cancel(5_000).unwrap();
    write("cancel.ics", &schedule);
    written
}

#[test]
fn two_foreign_parsers_take_the_three_files_as_one_event() {
    let tools = tools();
    let dir = tempfile::tempdir().unwrap();
    let files = files(dir.path());
    let paths: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    let expected = "\
REQUEST 0 2026-05-29T13:28:00Z 2026-05-29T13:48:00Z CONFIRMED
REQUEST 1 2026-11-05T13:28:00Z 2026-11-05T13:48:00Z CONFIRMED
CANCEL 2 2026-11-05T13:28:00Z 2026-11-05T13:48:00Z CANCELLED
1 uid, zones America/New_York Asia/Kathmandu, title Private call; with, signs \\ and a very long title of an office: Élysée Владимир 主席
";
    assert_eq!(run(&tools.join("venv/bin/python"), "ics.py", &paths), expected);
    let modules = tools.join("node_modules");
    let arguments: Vec<&Path> = std::iter::once(modules.as_path()).chain(paths).collect();
    assert_eq!(run(Path::new("node"), "ics.mjs", &arguments), expected);
}

#[test]
fn a_word_processor_s_library_opens_the_memorandum() {
    let tools = tools();
    let dir = tempfile::tempdir().unwrap();
    let mut memo = draft(&Notes::default(), &transcript());
    memo.participants.push(attendee("محمد <&\"'> Владимир 主席"));
    let sheet = sheet(&memo, &colophon(), Some(2), -4 * 3600, &|_| None);
    let path = dir.path().join("memorandum.docx");
    let bytes = docx(&sheet);
    assert_eq!(bytes, docx(&sheet), "the same sheet gives the same bytes");
    std::fs::write(&path, bytes).unwrap();
    let shown = run(&tools.join("venv/bin/python"), "docx_text.py", &[&path]);
    for expected in [
        "NOT YET MARKED",
        "MEMORANDUM OF TELEPHONE CONVERSATION",
        "محمد <&\"'> Владимир 主席",
        "joint patrols?",
        "Copy 2",
    ] {
        assert!(shown.contains(expected), "{expected} is missing in\n{shown}");
    }
}
