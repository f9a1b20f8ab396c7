//! The sealed forms of lines: demanded where the charter names custodians, stored before the version is logged, and named in its entry.

use super::*;
use telcon_identity::with_sealed_form;

/// The server cannot read it: any bytes stand for a sealed form here.
const FORM: &[u8] = b"age-encryption.org/v1";

/// An office whose charter names a custodian, with a principal and a counterpart whom its registrars enrolled.
async fn sealing() -> (Office, Giver, Device) {
    let terms = CharterTerms { floor: RecordMode::LogOnly, registrars: Registrars::One, rings: Rings::OverLines };
    let office = Office::start_sealing(terms, SuiteName::Hybrid, vec!["age1pq1x".into()]).await;
    let giver = Giver::new(&office).await;
    let counterpart = office.person(Role::Counterpart).await;
    (office, giver, counterpart)
}

/// The first version of a line to them.
fn first_to(giver: &Giver, counterpart: &Device) -> Line {
    Line {
        office: giver.device.card.office.clone(),
        line: LineId::from_bytes([7; 16]),
        version: 1,
        previous: None,
        principal: giver.device.card.clone(),
        holder: counterpart.card.clone(),
        device: None,
        terms: terms(),
        state: LineState::Live,
        at_ms: now_ms(),
        on_behalf: None,
    }
}

fn signed(giver: &Giver, line: &Line) -> String {
    sign_line(&giver.device.key, &giver.device.chain, line)
}

/// The digests of sealed forms in the log.
fn logged(office: &Office) -> Vec<Option<Digest>> {
    let sealed = |entry| match entry {
        Entry::LineSigned { sealed_sha256, .. } => Some(sealed_sha256),
        _ => None,
    };
    office.log_entries().into_iter().filter_map(sealed).collect()
}

#[tokio::test]
async fn a_sealed_form_is_in_the_archive_and_its_digest_in_the_log() {
    let (office, mut giver, counterpart) = sealing().await;
    let statement = signed(&giver, &first_to(&giver, &counterpart));
    giver.client.send(&C::SignLine { statement: with_sealed_form(&statement, FORM) }).await;
    lines_changed(&mut giver.client).await;
    let [Some(digest)] = logged(&office)[..] else { panic!("{:?}", logged(&office)) };
    let stored = office.dir.path().join(format!("server/archive/lines/{digest}.age"));
    assert_eq!(std::fs::read(stored).unwrap(), FORM);
    // What is shown and proven is the statement alone.
    let list = list(&office, &giver.client).await;
    assert_eq!(list.lines[0].statement, statement);
    // A stop has one, too.
    let (_, stop) = giver.next(&office, list.lines[0].line.line, |line| line.state = LineState::Paused).await;
    giver.client.send(&C::StopLine { statement: stop.clone() }).await;
    assert!(refused(&mut giver.client).await.1.contains("sealed form is missing"));
    giver.client.send(&C::StopLine { statement: with_sealed_form(&stop, b"another") }).await;
    lines_changed(&mut giver.client).await;
    assert!(matches!(logged(&office)[..], [Some(one), Some(two)] if one != two));
}

#[tokio::test]
async fn a_version_without_a_sealed_form_or_with_an_unwanted_one_is_refused() {
    let (office, mut giver, counterpart) = sealing().await;
    let statement = signed(&giver, &first_to(&giver, &counterpart));
    for (sent, why) in [
        (statement.clone(), "sealed form is missing"),
        (format!("{statement}~"), "no sealed form"),
        (format!("{statement}~not base64"), "no sealed form"),
    ] {
        giver.client.send(&C::SignLine { statement: sent }).await;
        let (_, text) = refused(&mut giver.client).await;
        assert!(text.contains(why), "{text}");
    }
    assert_eq!(logged(&office), []);

    let office = over_lines().await;
    let mut giver = Giver::new(&office).await;
    let counterpart = office.person(Role::Counterpart).await;
    let statement = signed(&giver, &first_to(&giver, &counterpart));
    giver.client.send(&C::SignLine { statement: with_sealed_form(&statement, FORM) }).await;
    assert!(refused(&mut giver.client).await.1.contains("names no custodians"));
    assert!(!office.dir.path().join("server/archive/lines").exists());
}

#[tokio::test]
async fn a_form_of_a_version_that_another_device_signed_is_not_stored() {
    let (office, giver, counterpart) = sealing().await;
    let mut other = Giver::new(&office).await;
    let statement = signed(&giver, &first_to(&giver, &counterpart));
    other.client.send(&C::SignLine { statement: with_sealed_form(&statement, FORM) }).await;
    refused(&mut other.client).await;
    assert!(!office.dir.path().join("server/archive/lines").exists());
}
