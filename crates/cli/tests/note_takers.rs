//! An office with more than one note-taker: as many calls at once are on the record.

mod office;

use office::{Office, Running, members, speak, state, until};
use std::{collections::BTreeSet, path::Path};
use telcon_client::endpoint::{Deaf, Endpoint};
use telcon_core::{Command as Do, view::CallState};

/// Starts a note-taker with a spool of its own.
fn take_notes(office: &Office, device: &Path, spool: &str) -> Running {
    let mut note = office::telcon();
    note.arg("note").arg("--device").arg(device).arg("--server").arg(office.url());
    note.arg("--spool").arg(office.path(spool)).arg("--custodians").arg(office.path("custodians.txt"));
    let notes = Running::start(&mut note);
    notes.says("waits for calls");
    notes
}

async fn rings(from: &Endpoint, to: &str) {
    let reachable = |view: &telcon_core::view::View| view.people.iter().any(|c| c.reachable && c.card.name == to);
    let view = until(from, "the other side to be reachable", |view| view.token.is_some() && reachable(view)).await;
    let person = view.people.iter().find(|contact| contact.card.name == to).unwrap().card.person;
    from.command(Do::Ring { person, mode: None });
}

fn takers(endpoint: &Endpoint) -> BTreeSet<String> {
    let call = endpoint.view().borrow().call.clone().unwrap();
    call.members.iter().filter(|m| m.card.role == telcon_proto::Role::NoteTaker).map(|m| m.card.name.clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_calls_at_once_have_a_note_taker_each_and_two_records() {
    let office = Office::new();
    let notes: Vec<Running> = ["Notes one", "Notes two"]
        .iter()
        .map(|name| take_notes(&office, &office.enrol(name, "note-taker"), &format!("spool of {name}")))
        .collect();
    let mut people = Vec::new();
    for (name, answers) in [("A", false), ("B", true), ("C", false), ("D", true)] {
        people.push(office.endpoint(&office.enrol(name, "principal"), answers, Box::new(Deaf)));
    }
    let [a, b, c, d] = &people[..] else { unreachable!() };
    rings(a, "B").await;
    rings(c, "D").await;
    // Both note-takers saw both calls; each is in one, and no call has two.
    for endpoint in [a, b, c, d] {
        until(endpoint, "the note-taker", |view| members(view) == 3).await;
    }
    assert_eq!((takers(a).len(), takers(c).len()), (1, 1));
    assert_ne!(takers(a), takers(c));
    speak(a, 25).await;
    speak(c, 25).await;
    for endpoint in [a, c] {
        endpoint.command(Do::HangUp);
    }
    for endpoint in [b, d] {
        until(endpoint, "the end", |view| state(view) == Some(CallState::Ended)).await;
    }
    for taker in &notes {
        taker.says("is in the archive");
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
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("a spool of its own") && said.contains("in use"), "{said}");
    drop(first);
}
