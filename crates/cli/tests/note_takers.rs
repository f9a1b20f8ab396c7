//! Several note-takers: as many simultaneous calls are recorded.

mod office;

use office::{Office, PATIENCE, Running, members, speak, state, until};
use std::{collections::BTreeSet, path::Path};
use telcon_client::endpoint::{Endpoint, NullSink};
use telcon_core::{
    UserCommand as Do,
    view::{CallState, View},
};
use telcon_proto::{
    Role,
    http::{RecordLine, RecordProof},
};

/// Starts a note-taker with its own spool.
fn take_notes(office: &Office, device: &Path, spool: &str) -> Running {
    let mut note = office::telcon();
    note.arg("note").arg("--device").arg(device).arg("--server").arg(office.url());
    note.arg("--spool").arg(office.path(spool)).arg("--custodians").arg(office.path("custodians.txt"));
    let notes = Running::start(&mut note);
    notes.wait_for_line("waits for calls");
    notes
}

async fn rings(from: &Endpoint, to: &str) {
    let reachable = |view: &View| view.people.iter().any(|c| c.reachable && c.card.name == to);
    let view = until(from, "the other side to be reachable", |view| view.token.is_some() && reachable(view)).await;
    let person = view.people.iter().find(|contact| contact.card.name == to).unwrap().card.person;
    from.command(Do::Ring { person, mode: None });
}

fn note_takers(view: &View) -> BTreeSet<String> {
    let members = view.call.iter().flat_map(|call| &call.members);
    members.filter(|m| m.card.role == Role::NoteTaker).map(|m| m.card.name.clone()).collect()
}

/// Waits until each of two calls has its own note-taker. (A note-taker that joined a ringing call can leave it for a live
/// one, and return.)
async fn one_each(a: &Endpoint, c: &Endpoint) {
    let (mut a, mut c) = (a.view(), c.view());
    let settle = async {
        loop {
            let (of_a, of_c) = (note_takers(&a.borrow_and_update()), note_takers(&c.borrow_and_update()));
            if of_a.len() == 1 && of_c.len() == 1 && of_a != of_c {
                return;
            }
            tokio::select! {
                changed = a.changed() => changed.unwrap(),
                changed = c.changed() => changed.unwrap(),
            }
        }
    };
    if tokio::time::timeout(PATIENCE, settle).await.is_err() {
        panic!("timed out waiting for one note-taker per call: {:#?} {:#?}", *a.borrow(), *c.borrow());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn simultaneous_calls_have_a_note_taker_and_record_each() {
    let office = Office::new();
    let notes: Vec<Running> = ["Notes one", "Notes two"]
        .iter()
        .map(|name| take_notes(&office, &office.enrol(name, "note-taker"), &format!("spool of {name}")))
        .collect();
    let mut people = Vec::new();
    for (name, answers) in [("A", false), ("B", true), ("C", false), ("D", true)] {
        people.push(office.endpoint(&office.enrol(name, "principal"), answers, Box::new(NullSink)));
    }
    let [a, b, c, d] = &people[..] else { unreachable!() };
    rings(a, "B").await;
    rings(c, "D").await;
    // Both note-takers see both calls; each records one, and no call has two.
    one_each(a, c).await;
    for endpoint in [a, b, c, d] {
        until(endpoint, "the note-taker", |view| members(view) == 3).await;
    }
    speak(a, 25).await;
    speak(c, 25).await;
    for endpoint in [a, c] {
        endpoint.command(Do::HangUp);
    }
    for endpoint in [b, d] {
        until(endpoint, "the end", |view| state(view) == Some(CallState::Ended)).await;
    }
    for taker in &notes {
        taker.wait_for_line("is in the archive");
    }
    let report = office.verify();
    assert_eq!((report["calls"].as_u64(), report["records_good"].as_u64()), (Some(2), Some(2)), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn note_takers_do_not_share_a_spool() {
    let office = Office::new();
    let (one, two) = (office.enrol("Notes one", "note-taker"), office.enrol("Notes two", "note-taker"));
    let first = take_notes(&office, &one, "spool");
    let mut second = office::telcon();
    second.arg("note").arg("--device").arg(&two).arg("--server").arg(office.url());
    second.arg("--spool").arg(office.path("spool")).arg("--custodians").arg(office.path("custodians.txt"));
    let output = second.output().unwrap();
    let printed = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{printed}");
    assert!(printed.contains("its own spool directory") && printed.contains("in use"), "{printed}");
    drop(first);
}

#[tokio::test(flavor = "multi_thread")]
async fn both_records_are_kept_after_note_taker_failover() {
    let office = Office::new();
    let (one, two) = (office.enrol("Notes one", "note-taker"), office.enrol("Notes two", "note-taker"));
    let mut first = take_notes(&office, &one, "spool one");
    let (a, b) = (office.enrol("A", "principal"), office.enrol("B", "principal"));
    let (a, b) = (office.endpoint(&a, false, Box::new(NullSink)), office.endpoint(&b, true, Box::new(NullSink)));
    office::ring(&a, &b).await;
    until(&a, "the first note-taker", |view| note_takers(view).contains("Notes one")).await;
    speak(&a, 150).await;
    let second = take_notes(&office, &two, "spool two");
    // It hangs: its connection stays open, but it sends nothing.
    let hung = std::process::Command::new("kill").args(["-STOP", &first.id().to_string()]).status();
    assert!(hung.unwrap().success());
    until(&a, "the other note-taker", |view| note_takers(view).contains("Notes two")).await;
    first.kill();
    speak(&b, 150).await;
    let call = a.view().borrow().call.as_ref().unwrap().call;
    a.command(Do::HangUp);
    second.wait_for_line("is in the archive");
    // The first one's machine resumes when the call is over.
    let first = take_notes(&office, &one, "spool one");
    first.wait_for_line("is in the archive");

    let report = office.verify();
    let count = |name: &str| report[name].as_u64().unwrap();
    assert_eq!((count("calls"), count("records_good"), count("records_partial")), (1, 2, 2), "{report}");
    for spool in ["spool one", "spool two"] {
        let left: Vec<_> = std::fs::read_dir(office.path(spool)).unwrap().flatten().collect();
        assert!(left.iter().all(|entry| entry.file_name() != *call.to_hex()), "{left:?}");
    }

    // The call's id alone is ambiguous.
    let records = office.path("server/archive/records");
    let open = |record: &Path, out: &str| {
        let mut open = office::telcon();
        open.args(["archive", "open", "--identity"]).arg(office.path("custodian/identity.txt"));
        open.arg(record).arg("--out").arg(office.path(out)).output().unwrap()
    };
    let output = open(&records.join(call.to_hex()), "neither");
    let printed = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && printed.contains("has 2 records"), "{printed}");
    let mut reasons = BTreeSet::new();
    for (n, record) in std::fs::read_dir(&records).unwrap().flatten().enumerate() {
        assert!(printed.contains(&*record.path().to_string_lossy()), "{printed}");
        let output = open(&record.path(), &format!("opened {n}"));
        assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        reasons.extend(
            printed.lines().find_map(|line| line.strip_prefix("missing: the note-taker says: ").map(str::to_owned)),
        );
    }
    assert_eq!(reasons.len(), 2, "{reasons:?}");
    assert!(reasons.iter().any(|reason| reason.contains("the call ended before it resumed")), "{reasons:?}");
    assert!(reasons.iter().any(|reason| reason.contains("after the call was answered")), "{reasons:?}");

    // A device verifies both.
    let (server, token) = (office.url(), a.view().borrow().token.clone().unwrap());
    let get = move || telcon_client::http::get_json(&format!("{server}/api/v1/records/{call}"), Some(&token));
    let proof: RecordProof = tokio::task::spawn_blocking(get).await.unwrap().unwrap();
    assert_eq!((proof.records.len(), proof.line.records, proof.line.partial), (2, 2, true));
    let checked = telcon_core::proof::check_record(&office.anchor(), &proof, |_, _| None);
    assert!(checked.ok && checked.partial, "{checked:#?}");
    let sealed = checked.checks.iter().find(|check| check.title == "Sealed by its note-taker").unwrap();
    assert!(sealed.detail.contains("Notes one · ") && sealed.detail.contains("Notes two · "), "{}", sealed.detail);
    // The server's summary is not trusted.
    type Lie = fn(&mut RecordLine);
    let lies: [(&str, Lie); 5] = [
        ("nobody answered", |line| line.answered_ms = None),
        ("it was answered later", |line| line.answered_ms = line.ended_ms),
        ("there is no record", |line| line.records = 0),
        ("there are three", |line| line.records = 3),
        ("one of them is complete", |line| line.partial = false),
    ];
    for (lie, change) in lies {
        let mut told = proof.clone();
        change(&mut told.line);
        assert!(!telcon_core::proof::check_record(&office.anchor(), &told, |_, _| None).ok, "{lie}");
    }
    // A repeated record counts once.
    let twice = RecordProof { records: vec![proof.records[0].clone(), proof.records[0].clone()], ..proof };
    assert!(!telcon_core::proof::check_record(&office.anchor(), &twice, |_, _| None).ok);
}

#[tokio::test(flavor = "multi_thread")]
async fn call_without_note_taker_is_shown_without_record() {
    let office = Office::new();
    let (a, b) = (office.enrol("A", "principal"), office.enrol("B", "principal"));
    let (a, b) = (office.endpoint(&a, false, Box::new(NullSink)), office.endpoint(&b, true, Box::new(NullSink)));
    rings(&a, "B").await;
    until(&b, "the call", |view| state(view) == Some(CallState::Live)).await;
    until(&a, "the call", |view| state(view) == Some(CallState::Live)).await;
    let call = a.view().borrow().call.as_ref().unwrap().call;
    let token = a.view().borrow().token.clone().unwrap();
    a.command(Do::HangUp);
    until(&b, "the end", |view| view.call.as_ref().is_some_and(|call| call.ended.is_some())).await;
    // The entry follows after the end of the call.
    let proof = loop {
        let (url, token) = (format!("{}/api/v1/records/{call}", office.url()), token.clone());
        let get = move || telcon_client::http::get_json::<RecordProof>(&url, Some(&token));
        let proof = tokio::task::spawn_blocking(get).await.unwrap().unwrap();
        if proof.line.missing {
            break proof;
        }
    };
    let checked = telcon_core::proof::check_record(&office.anchor(), &proof, |_, _| None);
    assert_eq!((checked.ok, checked.missing.as_deref()), (true, Some("no note-taker was in the call")), "{checked:#?}");
    // Neither its absence nor its presence is trusted without a log proof.
    let shown = |missing, line| {
        let mut told = RecordProof { missing, ..proof.clone() };
        told.line.missing = line;
        telcon_core::proof::check_record(&office.anchor(), &told, |_, _| None)
    };
    for (entry, line) in [(None, true), (None, false), (proof.missing.clone(), false), (proof.ended.clone(), true)] {
        let checked = shown(entry, line);
        assert!(!checked.ok, "{checked:#?}");
    }
}
