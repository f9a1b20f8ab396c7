//! A place's device as its engine shows it: without a shift, and with one.

use telcon_core::{DeviceState, Engine, Output, UserCommand, view::ConnectionState};
use telcon_identity::{Authority, InviteSpec};
use telcon_log::LogSigner;
use telcon_proto::{
    Card, ClientMessage, LineId, PersonId, RecordMode, Role, ServerMessage, ShiftId, SuiteName,
    doubt::DoubtedLine,
    message::{Notice, NoticeState, PersonNamed},
    shift::OnShift,
};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// 1 June 2026.
const NOW: u64 = 1_780_272_000_000;

fn authority() -> Authority {
    Authority::create(SuiteName::Hybrid, &[1; 32], "office.example", "Office", NOW - 1_000).unwrap()
}

fn card(n: u8, role: Role, place: bool) -> Card {
    Card {
        person: PersonId::from_bytes([n; 16]),
        office: authority().domain().clone(),
        name: format!("Person {n}"),
        organisation: "Chancellery".into(),
        role,
        zone: "UTC".into(),
        place,
    }
}

/// A new device's engine, which has connected.
fn engine(card: &Card) -> Engine {
    let authority = authority();
    let log = LogSigner::from_seed(&[2; 32], "office.example/log").unwrap();
    let info = authority.office(&log.verifier_key().to_string(), RecordMode::Memo, NOW - 1_000).unwrap();
    let card = card.clone();
    let spec = InviteSpec { card, enrolment_id: [3; 16], enrolment_seed: [3; 32], now_ms: NOW, ttl_ms: 3_600_000 };
    let link = authority.invite(&spec).unwrap().to_fragment();
    let state = DeviceState::enrol(&link, info, &[4; 32], NOW).unwrap();
    let mut engine = Engine::new(state, [5; 32], NOW).unwrap();
    engine.connected(NOW);
    engine
}

fn on_shift(name: &str) -> OnShift {
    let person = Card { name: name.into(), ..card(9, Role::DutyOfficer, false) };
    OnShift { shift: ShiftId::from_bytes([6; 16]), person, since_ms: NOW, until_ms: NOW + 1 }
}

fn signed_in(you: &Card, shift: Option<OnShift>) -> ServerMessage {
    ServerMessage::SignedIn {
        you: you.clone(),
        people: Vec::new(),
        people_more: false,
        silenced: Vec::new(),
        suite: SuiteName::Hybrid,
        mode: RecordMode::Memo,
        token: "token".into(),
        in_call: None,
        checkpoint: String::new(),
        recovered_ms: None,
        shift,
        key_missing: false,
    }
}

fn sent(engine: &mut Engine) -> Vec<ClientMessage> {
    let sent = |output| if let Output::Send(message) = output { Some(message) } else { None };
    std::iter::from_fn(|| engine.poll()).filter_map(sent).collect()
}

#[test]
fn what_the_last_shift_showed_is_gone_when_the_office_waits_for_the_next() {
    let room = card(1, Role::DutyOfficer, true);
    let mut engine = engine(&room);
    let mut message = signed_in(&room, Some(on_shift("Ana Ruiz")));
    let ServerMessage::SignedIn { people_more, .. } = &mut message else { panic!() };
    *people_more = true;
    engine.handle(NOW, message);
    engine.command(NOW, UserCommand::Suspect { call: None });
    let notice = Notice {
        call: telcon_proto::CallId::from_bytes([7; 16]),
        from: card(2, Role::Principal, false),
        to: PersonNamed { card: card(3, Role::Principal, false) },
        mode: RecordMode::Memo,
        state: NoticeState::Ringing,
        members: Vec::new(),
        note_taker_asks: false,
        note_taker_silent: false,
        opened_ms: NOW,
        acts_for: Vec::new(),
        reply: None,
        asked: Vec::new(),
    };
    engine.handle(NOW, ServerMessage::Notice(notice));
    let (principal, holder) = (card(2, Role::Principal, false), card(4, Role::Counterpart, false));
    let (line, since_ms) = (LineId::from_bytes([8; 16]), NOW);
    engine.handle(NOW, ServerMessage::LinesDoubted { lines: vec![DoubtedLine { line, principal, holder, since_ms }] });
    engine.command(NOW, UserCommand::ShowChallenge { line });
    let view = engine.view();
    assert!(view.people_more && !view.alerts.is_empty() && !view.doubted_lines.is_empty() && view.challenge.is_some());
    assert_eq!((view.shift.map(|shift| shift.person.name), view.notices.len()), (Some("Ana Ruiz".into()), 1));

    engine.command(NOW, UserCommand::EndShift { idle: false });
    assert!(sent(&mut engine).contains(&ClientMessage::EndShift { idle: false }));
    engine.disconnected(NOW);
    engine.connected(NOW);
    engine.handle(NOW, ServerMessage::ShiftRequired { token: "waits".into() });
    let view = engine.view();
    assert_eq!((view.shift_token.as_deref(), view.phase), (Some("waits"), ConnectionState::Offline));
    assert!(view.token.is_none() && view.shift.is_none() && view.notices.is_empty() && view.people.is_empty());
    assert!(!view.people_more && view.alerts.is_empty(), "{:?}", view.alerts);
    assert!(view.doubted_lines.is_empty() && view.challenge.is_none());
    // It sends nothing meanwhile, because the office would close the connection.
    sent(&mut engine);
    engine.command(NOW, UserCommand::EndShift { idle: false });
    engine.tick(NOW + 60_000);
    assert_eq!(sent(&mut engine), []);
    engine.disconnected(NOW);
    assert_eq!(engine.view().shift_token, None, "its token ended with the connection");
}

/// The attacker controls the server.
#[test]
fn a_persons_own_device_shows_nobody_on_shift_and_names_are_shown_as_they_are() {
    let person = card(1, Role::DutyOfficer, false);
    let mut own = engine(&person);
    own.handle(NOW, signed_in(&person, Some(on_shift("Ana Ruiz"))));
    assert_eq!(own.view().shift, None);
    let room = card(1, Role::DutyOfficer, true);
    let mut engine = engine(&room);
    engine.handle(NOW, signed_in(&room, Some(on_shift(&format!("A\u{202e}na{}", "x".repeat(500))))));
    let name = engine.view().shift.unwrap().person.name;
    assert!(!name.contains('\u{202e}') && name.chars().count() <= 64, "{name}");
}
