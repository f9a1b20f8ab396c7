//! A call that both sides' aides prepare before the principals join it.

use telcon_core::{
    Event, UserCommand,
    call::green_room::{Aides, GreenRoomView, RoomEvent, RoomSaid, RoomTerms},
    io::NewDelegate,
    media::silence::silence,
    view::CallState,
};
use telcon_proto::{CallId, ClientMessage, RecordMode, Role, delegation::Act, limits::MAX_ROOM_LINES};
use telcon_sim::script::Scenario;

pub(crate) const A: usize = 0;
pub(crate) const B: usize = 1;
pub(crate) const AIDE_A: usize = 2;
pub(crate) const NOTES: usize = 3;
pub(crate) const AIDE_B: usize = 4;
const HOUR_MS: u64 = 3_600_000;

fn give(world: &mut Scenario, from: usize, to: usize, act: Act) -> String {
    let (delegate, not_after_ms) = (world.card(to), world.now() + HOUR_MS);
    let new = NewDelegate { delegate, acts: vec![act], not_before_ms: None, not_after_ms };
    world.command(from, UserCommand::Delegate(new));
    world.settle();
    let given = world.sent(from, |message| match message {
        ClientMessage::Delegate { statement } => Some(statement.clone()),
        _ => None,
    });
    given.last().expect("it was signed").clone()
}

/// Two principals (0, 1), their aides (2, 4) and a note-taker (3), and what the first aide rings with.
pub(crate) fn office(seed: u64) -> (Scenario, String) {
    let mut world = Scenario::new(seed);
    for (person, role) in [Role::Principal, Role::Principal, Role::DutyOfficer, Role::NoteTaker, Role::DutyOfficer]
        .into_iter()
        .enumerate()
    {
        world.join_office(person + 1, role);
    }
    // Calls on somebody's behalf are none that the simulation's plan has, so its invariants do not know them.
    world.tamper(|_, message| vec![message]);
    let statement = give(&mut world, A, AIDE_A, Act::Ring);
    give(&mut world, B, AIDE_B, Act::Answer);
    (world, statement)
}

fn ring(world: &mut Scenario, statement: String, prepare: bool) {
    let person = world.card(B).person;
    world.command(AIDE_A, UserCommand::RingFor { person, mode: Some(RecordMode::Memo), statement, prepare });
    world.settle();
}

fn answer(world: &mut Scenario, node: usize) -> CallId {
    world.command(node, UserCommand::Answer { call: None });
    world.settle();
    assert_eq!([world.state(AIDE_A), world.state(node)], [CallState::Live; 2], "{:?}", world.problems());
    world.seen().id
}

/// Both aides are in a call that was rung to be prepared.
pub(crate) fn aides_in(seed: u64) -> (Scenario, CallId) {
    let (mut world, statement) = office(seed);
    ring(&mut world, statement, true);
    let call = answer(&mut world, AIDE_B);
    (world, call)
}

pub(crate) fn room(world: &Scenario, node: usize) -> GreenRoomView {
    world.view(node).green_room.expect("a green room")
}

pub(crate) fn said(ready: bool) -> RoomSaid {
    RoomSaid { agrees_mode: true, heard: true, ready, ..RoomSaid::default() }
}

pub(crate) fn state(world: &mut Scenario, node: usize, said: RoomSaid) {
    world.command(node, UserCommand::GreenRoom(Box::new(said)));
    world.settle();
}

/// Both sides say what they bring, and that they are ready.
pub(crate) fn agree(world: &mut Scenario, said: &RoomSaid) {
    for node in [AIDE_A, AIDE_B] {
        state(world, node, RoomSaid { ready: false, ..said.clone() });
    }
    for node in [AIDE_A, AIDE_B] {
        state(world, node, RoomSaid { ready: true, ..said.clone() });
    }
}

pub(crate) fn join(world: &mut Scenario, node: usize, call: CallId) {
    world.command(node, UserCommand::Listen { call });
    world.settle();
    assert_eq!(world.state(node), CallState::Live, "{:?}", world.problems());
}

/// Both principals join, and their devices receive.
fn meet(world: &mut Scenario, call: CallId) {
    join(world, A, call);
    assert!(world.hear_silence(A, AIDE_B));
    join(world, B, call);
    assert!(world.hear_silence(B, A));
    world.settle();
}

/// How often a device asked its principal to the call.
fn asked(world: &Scenario, node: usize) -> usize {
    world.sent(node, |message| matches!(message, ClientMessage::HandOver { .. }).then_some(())).len()
}

/// Whether a frame of `speaker` is sent as silence, and one of `other` played as silence there.
pub(crate) fn waits(world: &mut Scenario, speaker: usize, listener: usize) -> bool {
    let frame = world.speak(speaker, &[0x78; 80]).expect("frames of the same size");
    let sent = world.hear(listener, &frame).unwrap().packet == silence(80);
    world.view(speaker).green_room.is_some_and(|room| room.waits) && sent
}

#[test]
fn both_principals_are_connected_at_the_same_moment() {
    let (mut world, call) = aides_in(900);
    world.set_recording(NOTES, true);
    world.listen(NOTES);
    world.settle();
    let shown = room(&world, AIDE_B);
    assert_eq!((shown.caller.principal, shown.caller.by), (Some(world.card(A)), Some(world.card(AIDE_A))));
    assert_eq!((shown.callee.principal, shown.callee.by), (Some(world.card(B)), Some(world.card(AIDE_B))));
    let names: Vec<String> = (0..20).map(|n| format!(" Name {n} \u{202e}")).collect();
    let terms = RoomTerms { present: names, listening: vec!["The minister".into()], ..RoomTerms::default() };
    state(&mut world, AIDE_A, RoomSaid { terms, more_minutes: 2, ..said(true) });
    let shown = room(&world, AIDE_B).caller;
    assert_eq!(shown.terms.present.len(), MAX_ROOM_LINES, "bounded, and printable");
    assert!(shown.terms.present[0].starts_with("Name 0") && !shown.terms.present[0].contains('\u{202e}'));
    assert_eq!(shown.more_until_ms, Some(world.now() + 120_000), "two more minutes");
    assert!(!shown.ready, "who needs time is not ready");
    agree(&mut world, &said(true));
    assert!(room(&world, NOTES).caller.ready && room(&world, NOTES).callee.ready);
    assert_eq!((asked(&world, AIDE_A), asked(&world, AIDE_B)), (1, 1), "each device asks its own principal, once");
    for node in [A, B] {
        let notice = world.screen_of(node).notices.into_iter().next().expect("it rings");
        assert!(notice.asks_until_ms.is_some() && notice.can_take_over);
    }
    join(&mut world, A, call);
    assert!(waits(&mut world, A, AIDE_B), "nothing of the principal's sound leaves");
    assert!(world.hear_silence(A, AIDE_B) && world.hear_silence(A, AIDE_A), "and nothing is played");
    assert!(world.hears(AIDE_B, AIDE_A) && world.hears(AIDE_A, AIDE_B), "the aides go on speaking");
    assert!(room(&world, A).caller.here && !room(&world, A).callee.here && !room(&world, A).may_state);
    let late_at_ms = room(&world, AIDE_B).late_at_ms.expect("a principal waits");
    assert!(late_at_ms > world.now());
    join(&mut world, B, call);
    // Both are members; the second one's leg is not up.
    assert!(waits(&mut world, A, AIDE_B) && waits(&mut world, B, AIDE_A));
    assert!(world.hear_silence(B, A), "its first frame arrives, and is not played");
    world.settle();
    assert!(world.hears(A, B) && world.hears(B, A), "{:?}", world.problems());
    for node in [AIDE_A, AIDE_B] {
        assert!(world.speak(node, b"opus").is_none(), "the aides listen");
        assert!(world.hears(node, A) && world.hears(node, B));
        let connected = room(&world, node);
        assert!(connected.connected_ms.is_some() && connected.late_at_ms.is_none() && !connected.may_state);
    }
    let events: Vec<_> = world
        .events(NOTES)
        .iter()
        .filter_map(|event| match event {
            Event::GreenRoom { what, .. } => Some(what.clone()),
            _ => None,
        })
        .collect();
    assert!(matches!(&events[..], [RoomEvent::Opened, RoomEvent::Connected { .. }]), "{events:?}");

    // A principal who drops is brought back with one press; the other one's device stays open.
    world.disconnect(B);
    world.settle();
    world.command(AIDE_B, UserCommand::HandOver);
    world.settle();
    world.reload(B);
    world.settle();
    assert!(world.hears(A, B) && world.hears(B, A), "{:?}", world.view(B).green_room);
    assert!(world.problems().is_empty(), "{:?}", world.problems());
}

#[test]
fn a_party_in_person_is_in_the_green_room_and_hears_the_principal_at_once() {
    let (mut world, statement) = office(901);
    ring(&mut world, statement, false);
    let call = answer(&mut world, B);
    assert!(world.view(AIDE_A).green_room.is_none());
    state(&mut world, AIDE_A, said(false));
    assert!(room(&world, B).may_state && !room(&world, B).waits);
    assert!(world.hears(AIDE_A, B) && world.hears(B, AIDE_A), "the sound check");
    state(&mut world, B, said(false));
    state(&mut world, AIDE_A, said(true));
    assert_eq!(asked(&world, AIDE_A), 0);
    state(&mut world, B, said(true));
    assert_eq!(asked(&world, AIDE_A), 1);
    join(&mut world, A, call);
    world.hear_silence(A, B);
    world.settle();
    assert!(world.hears(A, B) && world.hears(B, A), "{:?}", room(&world, A));
    assert!(world.problems().is_empty(), "{:?}", world.problems());
}

#[test]
fn what_changes_after_ready_has_to_be_agreed_to_again() {
    let (mut world, _) = aides_in(902);
    for node in [AIDE_A, AIDE_B] {
        state(&mut world, node, said(false));
    }
    state(&mut world, AIDE_A, said(true));
    assert!(room(&world, AIDE_B).caller.ready);
    let more = RoomTerms { listening: vec!["Somebody else".into()], ..RoomTerms::default() };
    state(&mut world, AIDE_B, RoomSaid { terms: more.clone(), ..said(true) });
    let shown = room(&world, AIDE_A);
    assert!(!shown.caller.ready && shown.caller.outdated && shown.callee.ready);
    assert_eq!(asked(&world, AIDE_A) + asked(&world, AIDE_B), 0);
    state(&mut world, AIDE_A, said(true));
    assert_eq!((asked(&world, AIDE_A), asked(&world, AIDE_B)), (1, 1));
    // Without the record mode, or the sound check, nobody is ready.
    for half in [RoomSaid { heard: false, ..said(true) }, RoomSaid { agrees_mode: false, ..said(true) }] {
        state(&mut world, AIDE_A, half);
        assert!(!room(&world, AIDE_B).caller.ready);
    }
}

#[test]
fn aides_leave_when_that_was_agreed_and_the_call_goes_on() {
    let (mut world, call) = aides_in(903);
    let terms = RoomTerms { aides: Aides::Leave, ..RoomTerms::default() };
    agree(&mut world, &RoomSaid { terms, ..said(true) });
    meet(&mut world, call);
    for node in [AIDE_A, AIDE_B] {
        assert_eq!(world.view(node).ended, Some("stepped_out"), "{:?}", world.problems());
    }
    assert_eq!(world.screen(A), ["Person 1", "Person 2"]);
    assert!(world.hears(A, B) && world.hears(B, A), "{:?}", world.problems());
}

#[test]
fn a_principal_who_waits_may_leave_or_speak_and_is_asked_again() {
    let (mut world, call) = aides_in(904);
    agree(&mut world, &said(true));
    join(&mut world, A, call);
    world.command(A, UserCommand::HangUp);
    world.settle();
    assert_eq!(world.view(A).ended, Some("stepped_out"));
    assert_eq!([world.state(AIDE_A), world.state(AIDE_B)], [CallState::Live; 2], "the aides keep the call");
    assert!(world.hears(AIDE_B, AIDE_A) && world.hears(AIDE_A, AIDE_B), "{:?}", world.problems());
    assert!(!room(&world, AIDE_B).caller.here);
    // The server knows it after a restart too.
    world.restart_server();
    for node in [A, B, AIDE_A, AIDE_B] {
        world.connect(node);
    }
    world.settle();
    assert!(world.hears(AIDE_B, AIDE_A) && world.hears(AIDE_A, AIDE_B), "{:?}", world.problems());
    world.command(A, UserCommand::Dismiss);
    world.command(AIDE_A, UserCommand::HandOver);
    world.settle();
    join(&mut world, A, call);
    assert!(waits(&mut world, A, AIDE_B));
    world.command(A, UserCommand::SpeakNow);
    world.settle();
    assert!(world.hears(AIDE_B, A) && world.hears(A, AIDE_B), "{:?}", world.problems());
    join(&mut world, B, call);
    assert!(world.hear_silence(B, A), "who has just come waits for the sound");
    world.settle();
    assert!(world.hears(A, B) && world.hears(B, A), "{:?}", world.problems());
}

#[test]
fn a_principal_who_takes_an_unprepared_call_does_not_wait() {
    let (mut world, statement) = office(905);
    ring(&mut world, statement, false);
    let call = answer(&mut world, AIDE_B);
    join(&mut world, A, call);
    assert!(world.hears(AIDE_B, A) && world.hears(A, AIDE_B), "{:?}", world.view(A).green_room);
    assert!(world.view(A).green_room.is_none() && world.speak(AIDE_A, b"opus").is_none());
    // And it cannot be made a green room by the other side, in which the principal would fall silent.
    state(&mut world, AIDE_B, said(false));
    assert!(world.view(A).green_room.is_none() && world.hears(AIDE_B, A));
}

#[test]
fn the_green_room_survives_restarts_of_everybody() {
    let (mut world, call) = aides_in(906);
    agree(&mut world, &RoomSaid { ready: false, ..said(false) });
    world.reload(AIDE_A);
    world.settle();
    // The device knows nothing of what it stated, and the others see that.
    assert!(room(&world, AIDE_A).callee.stated && !room(&world, AIDE_A).caller.heard);
    assert!(!room(&world, AIDE_B).caller.ready && !room(&world, AIDE_B).caller.heard);
    world.restart_server();
    for node in [A, B, AIDE_A, AIDE_B, NOTES] {
        world.connect(node);
    }
    world.settle();
    agree(&mut world, &said(true));
    join(&mut world, A, call);
    assert!(waits(&mut world, A, AIDE_B));
    world.reload(A);
    world.settle();
    assert!(waits(&mut world, A, AIDE_B), "it waits after a restart too: {:?}", world.problems());
    world.reload(AIDE_B);
    world.settle();
    assert!(waits(&mut world, A, AIDE_B));
    join(&mut world, B, call);
    assert!(world.hear_silence(A, B) && world.hear_silence(B, A));
    world.settle();
    assert!(world.hears(A, B) && world.hears(B, A), "{:?} {:?}", world.problems(), room(&world, A));
    // An aide whose device is reloaded then is heard by nobody, at no moment.
    world.reload(AIDE_A);
    for _ in 0..200 {
        assert!(world.speak(AIDE_A, b"opus").is_none());
        world.step();
    }
    world.settle();
    // While the other one is away, a principal who comes back waits for them.
    assert!(room(&world, AIDE_A).connected_ms.is_some());
}

#[test]
fn two_principals_whose_devices_never_say_that_they_receive_are_connected_all_the_same() {
    let (mut world, call) = aides_in(907);
    agree(&mut world, &said(true));
    for node in [A, B] {
        join(&mut world, node, call);
    }
    world.advance(2_900);
    assert!(room(&world, A).waits && room(&world, B).waits);
    world.advance(200);
    world.settle();
    assert!(!room(&world, A).waits && !room(&world, B).waits);
    assert!(world.hears(A, B) && world.hears(B, A), "{:?}", world.problems());
}

#[test]
fn connections_that_break_at_any_step_leave_the_principals_connected() {
    for steps in 0..24 {
        let (mut world, call) = aides_in(940 + steps);
        world.slow_network();
        agree(&mut world, &said(true));
        for node in [A, B] {
            world.command(node, UserCommand::Listen { call });
        }
        for _ in 0..steps {
            world.step();
        }
        let node = [A, B, AIDE_A, AIDE_B][steps as usize % 4];
        world.disconnect(node);
        world.connect(node);
        world.settle();
        for node in [A, B] {
            // The request may have been lost with the connection: its person presses again.
            if world.view(node).ended == Some("interrupted") {
                world.command(node, UserCommand::Dismiss);
                join(&mut world, node, call);
            }
            assert_eq!(world.state(node), CallState::Live, "step {steps}: {:?}", world.problems());
            for speaker in [AIDE_A, AIDE_B, A, B] {
                if let Some(frame) = world.speak(speaker, &[0x78; 80]).filter(|_| speaker != node) {
                    let _ = world.hear(node, &frame);
                }
            }
        }
        world.settle();
        assert!(world.hears(A, B) && world.hears(B, A), "step {steps}: {:?} {:?}", world.problems(), room(&world, A));
    }
}
