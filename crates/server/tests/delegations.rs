//! Acting for somebody, on real sockets: what the server grants, lists and refuses.

mod common;

use common::{Client, Device, Office, now_ms};
use std::collections::BTreeSet;
use telcon_identity::{sign_delegation, sign_delegation_end, sign_ring};
use telcon_proto::{
    CallId, ClientMessage as C, DelegationId, PersonId, RecordMode, Role, ServerMessage as S, WIRE_VERSION,
    delegation::{Act, Delegation, DelegationEnd, DelegationList, OnBehalf},
    entry::Entry,
    message::{RefusalCode, Ring},
};

const ID: DelegationId = DelegationId::from_bytes([0xde; 16]);
const CALL: CallId = CallId::from_bytes([0xca; 16]);
const HOUR_MS: u64 = 3_600_000;

struct People {
    principal: Device,
    counterpart: Device,
    desk: Device,
    officer: Device,
}

async fn people(office: &Office) -> People {
    People {
        principal: office.person(Role::Principal).await,
        counterpart: office.person(Role::Counterpart).await,
        desk: office.person(Role::DutyOfficer).await,
        officer: office.person(Role::SecurityOfficer).await,
    }
}

fn content(office: &Office, by: &Device, to: &Device) -> Delegation {
    Delegation {
        office: office.anchor.domain().clone(),
        delegation: ID,
        principal: by.person(),
        delegate: to.card.clone(),
        acts: vec![Act::Ring],
        not_before_ms: now_ms(),
        not_after_ms: now_ms() + HOUR_MS,
        at_ms: now_ms(),
    }
}

fn signed(by: &Device, delegation: &Delegation) -> String {
    sign_delegation(&by.key, &by.chain, delegation)
}

fn end(office: &Office, by: &Device) -> C {
    let end = DelegationEnd { office: office.anchor.domain().clone(), delegation: ID, at_ms: now_ms() };
    C::EndDelegation { statement: sign_delegation_end(&by.key, &by.chain, &end) }
}

fn on_behalf(office: &Office, statement: &str) -> OnBehalf {
    office.anchor.verify_delegation(statement).unwrap().on_behalf()
}

fn ring_for(office: &Office, from: &Device, to: PersonId, call: CallId, on_behalf: Option<OnBehalf>) -> C {
    let ring = Ring {
        version: WIRE_VERSION,
        call: call.at(office.anchor.domain()),
        from: from.id.at(office.anchor.domain()),
        to: to.at(office.anchor.domain()),
        mode: RecordMode::Memo,
        suite: office.info.suite,
        at_ms: now_ms(),
        on_behalf,
        over: None,
    };
    C::Ring { jws: sign_ring(&from.key, &from.chain, &ring) }
}

async fn changed(client: &mut Client) {
    client.until(|message| matches!(message, S::DelegationsChanged {}).then_some(())).await;
}

async fn refused(client: &mut Client) -> (RefusalCode, String) {
    let refusal = |message| match message {
        S::Refused { code, message, .. } => Some((code, message)),
        _ => None,
    };
    client.until(refusal).await
}

async fn list(office: &Office, client: &Client) -> (u16, Option<DelegationList>) {
    let answer = office.http("GET", "/api/v1/delegations", &[("authorization", &client.bearer())], b"").await;
    (answer.status, (answer.status == 200).then(|| answer.json()))
}

#[tokio::test]
async fn a_delegation_is_told_to_those_concerned_and_a_ring_under_it_carries_its_proofs() {
    let office = Office::start().await;
    let People { principal, counterpart, desk, officer } = people(&office).await;
    let mut of_principal = Client::sign_in(office.addr(), &principal).await;
    let mut of_callee = Client::sign_in(office.addr(), &counterpart).await;
    let mut of_desk = Client::sign_in(office.addr(), &desk).await;
    let mut of_officer = Client::sign_in(office.addr(), &officer).await;
    let statement = signed(&principal, &content(&office, &principal, &desk));
    of_principal.send(&C::Delegate { statement: statement.clone() }).await;
    for client in [&mut of_principal, &mut of_desk, &mut of_officer] {
        changed(client).await;
    }
    // Each is listed what concerns them.
    let (_, Some(own)) = list(&office, &of_principal).await else { panic!("a list") };
    assert_eq!(own.candidates, std::slice::from_ref(&desk.card));
    for client in [&of_principal, &of_desk, &of_officer] {
        let (_, Some(listed)) = list(&office, client).await else { panic!("a list") };
        let [one] = &listed.delegations[..] else { panic!("{listed:?}") };
        assert_eq!((&one.statement, &one.principal, &one.delegate), (&statement, &principal.card, &desk.card));
    }
    assert_eq!(list(&office, &of_callee).await.0, 403);
    let stranger = office.person(Role::Principal).await;
    let of_stranger = Client::sign_in(office.addr(), &stranger).await;
    assert_eq!(list(&office, &of_stranger).await.1.unwrap().delegations, []);

    of_desk.send(&ring_for(&office, &desk, counterpart.person(), CALL, Some(on_behalf(&office, &statement)))).await;
    let proven = of_callee
        .until(|message| match message {
            S::Delegation(proven) => Some(proven),
            S::Ringing { .. } => panic!("a ring before its delegation"),
            _ => None,
        })
        .await;
    let (jws, opened) = of_callee
        .until(|message| match message {
            S::Ringing { jws, opened, .. } => Some((jws, opened)),
            _ => None,
        })
        .await;
    // The callee verifies all of it without believing the server.
    let delegation = office.anchor.verify_delegation_logged(&proven).unwrap();
    assert_eq!((delegation.principal(), delegation.delegate()), (&principal.card, &desk.card));
    let ring = office.anchor.verify_ring(&jws, now_ms()).unwrap();
    assert_eq!(ring.check_delegation(Some(delegation.delegation())), Ok(()));
    office.anchor.verify_opening(ring, &opened).unwrap();
    // The principal is told that somebody rings for them; a stranger is not.
    let notice = of_principal
        .until(|message| match message {
            S::Notice(notice) => Some(notice),
            _ => None,
        })
        .await;
    assert_eq!((&notice.acts_for[0].principal, notice.acts_for[0].act), (&principal.card, Act::Ring));
    let kinds: BTreeSet<_> = office.log_entries().iter().map(Entry::kind).collect();
    assert!(kinds.contains("delegation_given"));
    let named = office.log_entries().into_iter().find_map(|entry| match entry {
        Entry::CallOpened { delegation, .. } => delegation,
        _ => None,
    });
    assert_eq!(named, Some(ID), "the log says that it was on somebody's behalf, and names nobody");
}

#[tokio::test]
async fn what_a_delegation_does_not_allow_is_refused() {
    let office = Office::start().await;
    let People { principal, counterpart, desk, officer } = people(&office).await;
    let other_desk = office.person(Role::DutyOfficer).await;
    let _of_callee = Client::sign_in(office.addr(), &counterpart).await;
    let mut of_principal = Client::sign_in(office.addr(), &principal).await;
    let mut of_desk = Client::sign_in(office.addr(), &desk).await;
    let mut of_other = Client::sign_in(office.addr(), &other_desk).await;
    let mut of_officer = Client::sign_in(office.addr(), &officer).await;
    let to = counterpart.person();
    let statement = signed(&principal, &content(&office, &principal, &desk));
    let under = Some(on_behalf(&office, &statement));

    // Before it was given, though its signature is good.
    of_desk.send(&ring_for(&office, &desk, to, CALL, under)).await;
    assert_eq!(refused(&mut of_desk).await.0, RefusalCode::NotAllowed);
    // By somebody else than its signer, and by somebody who is no principal.
    of_officer.send(&C::Delegate { statement: statement.clone() }).await;
    assert!(refused(&mut of_officer).await.1.contains("roles that may: principal"));
    let forged = signed(&desk, &content(&office, &desk, &other_desk));
    of_principal.send(&C::Delegate { statement: forged }).await;
    assert!(refused(&mut of_principal).await.1.contains("does not verify"));
    // To a person under other words than theirs.
    let mut renamed = content(&office, &principal, &desk);
    renamed.delegate.name = "Somebody trusted".into();
    of_principal.send(&C::Delegate { statement: signed(&principal, &renamed) }).await;
    assert!(refused(&mut of_principal).await.1.contains("other words"));
    // That is over, or dated by a clock that is wrong.
    let over = Delegation { not_before_ms: 1, not_after_ms: 2, ..content(&office, &principal, &desk) };
    of_principal.send(&C::Delegate { statement: signed(&principal, &over) }).await;
    assert!(refused(&mut of_principal).await.1.contains("is over already"));
    let wrong = Delegation { at_ms: now_ms() - HOUR_MS, ..content(&office, &principal, &desk) };
    of_principal.send(&C::Delegate { statement: signed(&principal, &wrong) }).await;
    let text = refused(&mut of_principal).await.1;
    assert!(text.contains("clock") || text.contains("does not verify"), "{text}");

    of_principal.send(&C::Delegate { statement: statement.clone() }).await;
    changed(&mut of_desk).await;
    // By another person, to the principal themselves, and without naming it.
    of_other.send(&ring_for(&office, &other_desk, to, CALL, under)).await;
    assert!(refused(&mut of_other).await.1.contains("no such delegation"));
    of_desk.send(&ring_for(&office, &desk, principal.person(), CALL, under)).await;
    assert!(refused(&mut of_desk).await.1.contains("for themselves"));
    of_desk.send(&ring_for(&office, &desk, to, CALL, None)).await;
    assert_eq!(refused(&mut of_desk).await.0, RefusalCode::NotAllowed);
    // Given twice.
    of_principal.send(&C::Delegate { statement: statement.clone() }).await;
    assert!(refused(&mut of_principal).await.1.contains("given before"));
    // Ended by who may not.
    of_desk.send(&end(&office, &desk)).await;
    assert!(refused(&mut of_desk).await.1.contains("roles that may"));
    of_principal.send(&end(&office, &officer)).await;
    assert!(refused(&mut of_principal).await.1.contains("sent by the device that signed it"));
}

#[tokio::test]
async fn an_ended_delegation_stays_ended_after_a_restart() {
    let mut office = Office::start().await;
    let People { principal, counterpart, desk, officer } = people(&office).await;
    let mut of_principal = Client::sign_in(office.addr(), &principal).await;
    let statement = signed(&principal, &content(&office, &principal, &desk));
    of_principal.send(&C::Delegate { statement: statement.clone() }).await;
    changed(&mut of_principal).await;
    // It outlives a restart of the server.
    drop(of_principal);
    office.stop().await;
    office.run().await;
    let mut of_officer = Client::sign_in(office.addr(), &officer).await;
    of_officer.send(&end(&office, &officer)).await;
    changed(&mut of_officer).await;
    drop(of_officer);
    office.stop().await;
    office.run().await;
    let _of_callee = Client::sign_in(office.addr(), &counterpart).await;
    let mut of_desk = Client::sign_in(office.addr(), &desk).await;
    let mut of_principal = Client::sign_in(office.addr(), &principal).await;
    of_desk.send(&ring_for(&office, &desk, counterpart.person(), CALL, Some(on_behalf(&office, &statement)))).await;
    assert!(refused(&mut of_desk).await.1.contains("it has ended"));
    // And the same statement cannot be given again.
    of_principal.send(&C::Delegate { statement }).await;
    assert!(refused(&mut of_principal).await.1.contains("given before"));
    let (_, Some(listed)) = list(&office, &of_principal).await else { panic!("a list") };
    assert!(listed.delegations[0].ended_ms.is_some());
    let ended: Vec<_> =
        office.log_entries().into_iter().filter(|entry| matches!(entry, Entry::DelegationEnded { .. })).collect();
    assert!(
        matches!(&ended[..], [Entry::DelegationEnded { by: Some(by), statement_sha256: Some(_), .. }] if *by == officer.id)
    );
}
