//! Acting for somebody: what works, and what devices and server refuse.

use std::{cell::RefCell, rc::Rc};
use telcon_core::{
    UserCommand,
    call::hold::HoldWord,
    io::NewDelegate,
    view::{CallState, Direction},
};
use telcon_proto::{
    ClientMessage, Role, ServerMessage,
    delegation::{Act, ProvenDelegation},
    limits::{MAX_PROOF_AGE_MS, RING_TIMEOUT_MS},
};
use telcon_server::limits::CONTACTS_INTERVAL_MS;
use telcon_sim::script::Scenario;

const PRINCIPAL: usize = 0;
const CALLEE: usize = 1;
const DESK: usize = 2;
const HOUR_MS: u64 = 3_600_000;

/// The principal (0), a counterpart (1), the desk (2), a note-taker (3), and what the desk may do. Calls on somebody's behalf are none
/// that the simulation's plan has, so its invariants do not know them.
fn office(seed: u64, acts: &[Act], lasts_ms: u64) -> (Scenario, String) {
    let mut world = Scenario::of_four(seed);
    world.settle();
    world.tamper(|_, message| vec![message]);
    let statement = give(&mut world, acts, lasts_ms);
    assert!(world.problems().is_empty(), "{:?}", world.problems());
    (world, statement)
}

fn give(world: &mut Scenario, acts: &[Act], lasts_ms: u64) -> String {
    let to = NewDelegate {
        delegate: world.card(DESK),
        acts: acts.to_vec(),
        not_before_ms: None,
        not_after_ms: world.now() + lasts_ms,
    };
    world.command(PRINCIPAL, UserCommand::Delegate(to));
    world.settle();
    let statement = world.sent(PRINCIPAL, |message| match message {
        ClientMessage::Delegate { statement } => Some(statement.clone()),
        _ => None,
    });
    statement.last().expect("it was signed").clone()
}

fn ring_for(world: &mut Scenario, statement: &str) {
    let person = world.card(CALLEE).person;
    world.command(DESK, UserCommand::RingFor { person, mode: None, statement: statement.to_owned(), prepare: false });
    world.settle();
}

fn answer(world: &mut Scenario, node: usize) {
    world.command(node, UserCommand::Answer { call: None });
    world.settle();
}

fn end(world: &mut Scenario, statement: &str) {
    let delegation = world.stolen(PRINCIPAL).office().verify_delegation(statement).unwrap().content().delegation;
    world.command(PRINCIPAL, UserCommand::EndDelegation { delegation });
    world.settle();
}

/// The newest refusal of the office to a device.
fn amber(world: &Scenario, node: usize) -> String {
    world.screen_of(node).alerts.first().map(|alert| alert.text.clone()).unwrap_or_default()
}

#[test]
fn the_desk_rings_for_its_principal_who_takes_the_call_over() {
    let (mut world, statement) = office(700, &[Act::Ring], HOUR_MS);
    assert!(
        world.screen_of(DESK).people.iter().any(|one| one.card == world.card(CALLEE)),
        "whom the principal may ring"
    );
    ring_for(&mut world, &statement);
    let shown = world.view(CALLEE);
    assert_eq!((shown.state, shown.direction, shown.verified), (CallState::Ringing, Direction::In, true));
    assert_eq!(shown.other, Some(world.card(DESK)), "who rings");
    let [acts] = &shown.acts_for[..] else { panic!("{shown:?}") };
    assert_eq!((&acts.acts.principal, acts.acts.act), (&world.card(PRINCIPAL), Act::Ring), "and for whom");
    answer(&mut world, CALLEE);
    assert_eq!([world.state(DESK), world.state(CALLEE)], [CallState::Live; 2], "{:?}", world.problems());
    assert!(world.hears(CALLEE, DESK) && world.hears(DESK, CALLEE), "the desk speaks");
    let speakers: Vec<_> = world.view(CALLEE).members.into_iter().filter(|member| member.speaks).collect();
    assert_eq!(speakers.len(), 2, "and is shown as a speaker");

    let notices = world.screen_of(PRINCIPAL).notices;
    let [notice] = &notices[..] else { panic!("the principal is told: {notices:?}") };
    assert!(notice.can_take_over);
    world.command(PRINCIPAL, UserCommand::Listen { call: notice.call });
    world.settle();
    assert_eq!(world.state(PRINCIPAL), CallState::Live, "{:?}", world.problems());
    assert!(world.hears(CALLEE, PRINCIPAL) && world.hears(PRINCIPAL, CALLEE) && world.hears(DESK, PRINCIPAL));
    assert!(world.speak(DESK, b"opus").is_none(), "the desk only listens from now on");
    for node in [PRINCIPAL, CALLEE, DESK] {
        let view = world.view(node);
        assert!(view.acts_for[0].taken_over, "on the screen of {node}");
        assert_eq!(view.members.iter().filter(|member| member.speaks).count(), 2, "on the screen of {node}");
    }
    assert_eq!(world.view(CALLEE).other, Some(world.card(PRINCIPAL)));
    assert_eq!(world.view(PRINCIPAL).other, Some(world.card(CALLEE)));

    // The desk leaves, and the call goes on.
    world.command(DESK, UserCommand::HangUp);
    world.settle();
    assert!(world.hears(CALLEE, PRINCIPAL) && world.hears(PRINCIPAL, CALLEE), "{:?}", world.problems());
    assert_eq!(world.screen(CALLEE), ["Person 1", "Person 2"]);
    world.command(PRINCIPAL, UserCommand::HangUp);
    world.settle();
    assert_eq!(world.view(CALLEE).ended, Some("hung_up"));
    assert_eq!(world.view(CALLEE).hung_up_by, Some(world.card(PRINCIPAL)));
    assert!(world.problems().is_empty(), "{:?}", world.problems());
}

#[test]
fn the_desk_answers_for_its_principal() {
    let (mut world, _) = office(701, &[Act::Answer], HOUR_MS);
    world.ring(CALLEE, PRINCIPAL);
    world.settle();
    assert_eq!([world.state(PRINCIPAL), world.state(DESK)], [CallState::Ringing; 2], "{:?}", world.problems());
    assert_eq!(world.view(DESK).acts_for[0].acts.principal, world.card(PRINCIPAL));
    answer(&mut world, DESK);
    assert_eq!([world.state(CALLEE), world.state(DESK)], [CallState::Live; 2], "{:?}", world.problems());
    assert_eq!(world.view(PRINCIPAL).ended, Some("taken_elsewhere"));
    let shown = world.view(CALLEE);
    let [acts] = &shown.acts_for[..] else { panic!("{shown:?}") };
    assert_eq!((&acts.acts.principal, &acts.acts.delegate), (&world.card(PRINCIPAL), &world.card(DESK)));
    assert_eq!((acts.acts.act, shown.other), (Act::Answer, Some(world.card(PRINCIPAL))));
    assert!(world.hears(CALLEE, DESK) && world.hears(DESK, CALLEE));
    // A listener who joins later verifies it too.
    let call = world.seen().id;
    world.set_recording(3, true);
    world.listen(3);
    world.settle();
    assert_eq!(world.view(3).acts_for, shown.acts_for, "{:?}", world.problems());
    world.command(PRINCIPAL, UserCommand::Dismiss);
    world.command(PRINCIPAL, UserCommand::Listen { call });
    world.settle();
    assert!(world.hears(CALLEE, PRINCIPAL) && world.speak(DESK, b"opus").is_none(), "{:?}", world.problems());
}

#[test]
fn a_desk_that_reloads_goes_on_speaking_for_its_principal() {
    let (mut world, statement) = office(702, &[Act::Ring], HOUR_MS);
    ring_for(&mut world, &statement);
    answer(&mut world, CALLEE);
    world.reload(DESK);
    world.settle();
    assert!(world.hears(CALLEE, DESK) && world.hears(DESK, CALLEE), "{:?}", world.problems());
    assert_eq!(world.view(DESK).direction, Direction::Out);
    world.restart_server();
    for node in [PRINCIPAL, CALLEE, DESK] {
        world.connect(node);
    }
    world.settle();
    assert!(world.hears(CALLEE, DESK) && world.hears(DESK, CALLEE), "{:?}", world.problems());
    let call = world.seen().id;
    world.command(PRINCIPAL, UserCommand::Listen { call });
    world.settle();
    assert!(world.hears(CALLEE, PRINCIPAL), "the server knows for whom it rang: {:?}", world.problems());
}

#[test]
fn a_desk_without_a_delegation_rings_nobody() {
    let mut world = Scenario::of_four(703);
    world.settle();
    world.tamper(|_, message| vec![message]);
    let person = world.card(CALLEE).person;
    world.command(DESK, UserCommand::Ring { person, mode: None });
    world.settle();
    assert!(world.screen_of(DESK).call.is_none() && world.screen_of(CALLEE).call.is_none());
    assert!(world.screen_of(DESK).people.is_empty());
}

#[test]
fn a_delegation_for_another_act_is_refused_by_the_desk_itself_and_by_the_server() {
    let (mut world, statement) = office(704, &[Act::Answer], HOUR_MS);
    ring_for(&mut world, &statement);
    assert!(world.screen_of(DESK).call.is_none());
    assert!(amber(&world, DESK).contains("another act"), "{}", amber(&world, DESK));
    // And the other way round: a ring for the principal does not ring at the desk.
    let (mut world, _) = office(705, &[Act::Ring], HOUR_MS);
    world.ring(CALLEE, PRINCIPAL);
    world.settle();
    assert!(world.screen_of(DESK).call.is_none());
}

/// Catches what the callee is sent of a ring on the principal's behalf.
fn caught(seed: u64, lasts_ms: u64) -> (Scenario, ProvenDelegation, ServerMessage) {
    let (mut world, statement) = office(seed, &[Act::Ring], lasts_ms);
    let caught: Rc<RefCell<Vec<ServerMessage>>> = Rc::default();
    let catch = caught.clone();
    world.tamper(move |node, message| match message {
        ServerMessage::Delegation(_) | ServerMessage::Ringing { .. } if node == CALLEE => {
            catch.borrow_mut().push(message);
            vec![]
        }
        message => vec![message],
    });
    ring_for(&mut world, &statement);
    world.tamper(|_, message| vec![message]);
    let messages = caught.borrow().clone();
    let [ServerMessage::Delegation(proven), ringing] = &messages[..] else { panic!("{messages:?}") };
    (world, proven.clone(), ringing.clone())
}

fn not_shown(world: &Scenario, why: &str) -> bool {
    let red = world.red(CALLEE);
    let told = red.iter().any(|text| text.contains("could not be verified") && text.contains(why));
    world.screen_of(CALLEE).call.is_none() && told
}

#[test]
fn a_ring_on_somebodys_behalf_without_the_delegation_is_refused() {
    let (mut world, _, ringing) = caught(706, HOUR_MS);
    world.inject(CALLEE, ringing);
    assert!(not_shown(&world, "without their delegation"), "{:?}", world.problems());
}

#[test]
fn a_delegation_counts_for_the_message_after_it_and_no_other() {
    let (mut world, proven, ringing) = caught(707, HOUR_MS);
    world.inject(CALLEE, ServerMessage::Delegation(proven.clone()));
    // Another ring uses it up.
    let ServerMessage::Ringing { jws, opened, device } = ringing.clone() else { unreachable!() };
    let damaged = jws.replacen('.', ".e", 1);
    world.inject(CALLEE, ServerMessage::Ringing { jws: damaged, opened, device });
    world.inject(CALLEE, ringing.clone());
    assert!(not_shown(&world, "without their delegation"), "{:?}", world.problems());
    world.inject(CALLEE, ServerMessage::Delegation(proven));
    world.inject(CALLEE, ringing);
    assert_eq!(world.state(CALLEE), CallState::Ringing);
}

#[test]
fn a_ring_in_flight_when_its_delegation_ends_is_refused() {
    let (mut world, proven, ringing) = caught(708, 20_000);
    world.advance(20_001);
    world.inject(CALLEE, ServerMessage::Delegation(proven));
    world.inject(CALLEE, ringing);
    assert!(not_shown(&world, "a delegation has ended"), "{:?}", world.problems());
    assert_eq!(world.view(DESK).ended, Some("revoked"), "the server ends it too");
}

#[test]
fn an_old_state_of_the_log_in_which_the_delegation_had_not_ended_is_refused() {
    let (mut world, old, ringing) = caught(709, HOUR_MS);
    // The log grows, by the end of the delegation too, and the callee follows it.
    for _ in 0..4 {
        world.join_office(5, Role::Principal);
        world.advance(MAX_PROOF_AGE_MS / 4);
    }
    world.advance(CONTACTS_INTERVAL_MS);
    world.inject(CALLEE, ServerMessage::Delegation(old));
    world.inject(CALLEE, ringing);
    assert!(world.screen_of(CALLEE).call.is_none());
    assert!(!world.red(CALLEE).is_empty(), "{:?}", world.problems());
}

#[test]
fn a_delegation_signed_by_nobody_of_the_office_is_refused() {
    let (mut world, proven, ringing) = caught(710, HOUR_MS);
    // As the server could: the principal's certificates, and a key of its own.
    let (signed, _) = proven.statement.rsplit_once('.').unwrap();
    let statement = format!("{signed}.{}", "A".repeat(86));
    world.inject(CALLEE, ServerMessage::Delegation(ProvenDelegation { statement, ..proven }));
    world.inject(CALLEE, ringing);
    assert!(world.red(CALLEE).iter().any(|text| text.contains("delegation was refused")), "{:?}", world.problems());
    assert!(not_shown(&world, "without their delegation"), "{:?}", world.problems());
}

#[test]
fn an_answer_by_the_desk_without_the_delegation_is_refused_by_the_caller() {
    let (mut world, _) = office(711, &[Act::Answer], HOUR_MS);
    world.ring(CALLEE, PRINCIPAL);
    world.settle();
    world.tamper(|node, message| match message {
        ServerMessage::Delegation(_) if node == CALLEE => vec![],
        message => vec![message],
    });
    answer(&mut world, DESK);
    assert!(world.red(CALLEE).iter().any(|text| text.contains("another person answered")), "{:?}", world.problems());
    assert_eq!(world.state(CALLEE), CallState::Ringing, "and nobody hears it");
    assert!(world.speak(CALLEE, b"opus").is_none());
}

#[test]
fn the_end_of_a_delegation_ends_the_desks_call_and_its_right_to_ring() {
    let (mut world, statement) = office(712, &[Act::Ring], HOUR_MS);
    ring_for(&mut world, &statement);
    answer(&mut world, CALLEE);
    end(&mut world, &statement);
    assert_eq!([world.view(DESK).ended, world.view(CALLEE).ended], [Some("revoked"); 2]);
    assert!(world.screen_of(DESK).people.is_empty(), "and nobody is listed any more");
    let person = world.card(CALLEE).person;
    world.command(DESK, UserCommand::RingFor { person, mode: None, statement: statement.clone(), prepare: false });
    world.settle();
    let desk = world.view(DESK);
    assert!(desk.state == CallState::Ended || world.screen_of(DESK).call.is_none());
    // Replayed: the same statement is not accepted once more, from whatever device.
    let before = world.screen_of(PRINCIPAL).alerts_raised;
    world.tamper_up(move |node, message| match message {
        ClientMessage::Silence { .. } if node == PRINCIPAL => {
            vec![ClientMessage::Delegate { statement: statement.clone() }]
        }
        message => vec![message],
    });
    world.command(PRINCIPAL, UserCommand::Silence { person, on: true });
    world.settle();
    assert_eq!(world.screen_of(PRINCIPAL).alerts_raised, before + 1);
    assert!(amber(&world, PRINCIPAL).contains("given before"), "{}", amber(&world, PRINCIPAL));
}

#[test]
fn a_principal_who_took_over_keeps_the_call_when_the_delegation_ends() {
    let (mut world, statement) = office(713, &[Act::Ring], HOUR_MS);
    ring_for(&mut world, &statement);
    answer(&mut world, CALLEE);
    let call = world.seen().id;
    world.command(PRINCIPAL, UserCommand::Listen { call });
    world.settle();
    end(&mut world, &statement);
    assert!(world.hears(CALLEE, PRINCIPAL) && world.hears(PRINCIPAL, CALLEE), "{:?}", world.problems());
}

#[test]
fn a_revoked_device_takes_its_delegations_with_it() {
    let (mut world, statement) = office(714, &[Act::Ring], HOUR_MS);
    ring_for(&mut world, &statement);
    answer(&mut world, CALLEE);
    world.revoke(PRINCIPAL);
    world.settle();
    assert_eq!([world.view(DESK).ended, world.view(CALLEE).ended], [Some("revoked"); 2]);
    world.command(DESK, UserCommand::Dismiss);
    let person = world.card(CALLEE).person;
    world.command(DESK, UserCommand::RingFor { person, mode: None, statement, prepare: false });
    world.settle();
    assert!(world.screen_of(CALLEE).call.is_none_or(|call| call.state == CallState::Ended));
}

#[test]
fn only_the_device_that_signed_gives_or_ends_a_delegation() {
    let (mut world, statement) = office(715, &[Act::Ring], HOUR_MS);
    let refusals = |world: &Scenario, node: usize| world.screen_of(node).alerts_raised;
    // Another principal's device sends what this one signed, and ends what is not its person's.
    let other = world.join_office(6, Role::Principal);
    let delegation = world.stolen(PRINCIPAL).office().verify_delegation(&statement).unwrap().content().delegation;
    let before = refusals(&world, other);
    world.command(other, UserCommand::EndDelegation { delegation });
    world.settle();
    assert_eq!(refusals(&world, other), before + 1);
    assert!(amber(&world, other).contains("only its principal, or a security officer"), "{}", amber(&world, other));
    let person = world.card(CALLEE).person;
    let stolen = statement.clone();
    world.tamper_up(move |node, message| match message {
        ClientMessage::Silence { .. } if node == other => vec![ClientMessage::Delegate { statement: stolen.clone() }],
        message => vec![message],
    });
    world.command(other, UserCommand::Silence { person, on: true });
    world.settle();
    assert!(amber(&world, other).contains("given by the device that signed it"), "{}", amber(&world, other));
    // A security officer ends any.
    let officer = world.join_office(7, Role::SecurityOfficer);
    world.command(officer, UserCommand::EndDelegation { delegation });
    world.settle();
    ring_for(&mut world, &statement);
    assert!(world.screen_of(CALLEE).call.is_none());
}

#[test]
fn the_desk_holds_the_call_hands_it_over_and_calls_the_principal_back() {
    let (mut world, statement) = office(716, &[Act::Ring], HOUR_MS);
    let second = world.join_office(1, Role::Principal);
    world.settle();
    ring_for(&mut world, &statement);
    answer(&mut world, CALLEE);
    world.command(DESK, UserCommand::Hold { word: HoldWord::Coming, text: String::new() });
    world.settle();
    assert!(world.hear_silence(CALLEE, DESK) && world.hear_silence(DESK, CALLEE));
    let notice = |world: &Scenario, node: usize| world.screen_of(node).notices.into_iter().next().expect("a notice");
    assert_eq!(notice(&world, PRINCIPAL).asks_until_ms, None, "nobody asked yet");
    // Who acts for nobody asks nobody.
    world.command(CALLEE, UserCommand::HandOver);
    world.settle();
    assert_eq!(notice(&world, PRINCIPAL).asks_until_ms, None);
    world.command(DESK, UserCommand::HandOver);
    world.settle();
    let rings = notice(&world, PRINCIPAL).asks_until_ms.expect("it rings");
    assert_eq!(rings, world.now() + RING_TIMEOUT_MS);
    assert!(notice(&world, second).asks_until_ms.is_some(), "on all devices of the principal");
    assert!(notice(&world, DESK).asked && notice(&world, DESK).asks_until_ms.is_none(), "and the desk sees it");
    // That it is told once more does not ring anew.
    world.advance(5_000);
    world.disconnect(PRINCIPAL);
    world.connect(PRINCIPAL);
    world.settle();
    assert_eq!(notice(&world, PRINCIPAL).asks_until_ms, Some(rings));
    let call = world.seen().id;
    world.command(PRINCIPAL, UserCommand::Listen { call });
    world.settle();
    assert!(world.view(CALLEE).holds.is_empty(), "the principal took over: nobody waits any more");
    assert!(world.hears(CALLEE, PRINCIPAL) && world.hears(PRINCIPAL, CALLEE), "{:?}", world.problems());
    assert!(!notice(&world, DESK).asked);
    // The principal's phone is gone; the desk, which listens, calls them back on whatever device.
    world.disconnect(PRINCIPAL);
    world.settle();
    world.command(DESK, UserCommand::HandOver);
    world.settle();
    let offered = notice(&world, second);
    assert!(offered.can_continue && offered.asks_until_ms.is_some(), "{offered:?}");
    world.command(second, UserCommand::Listen { call });
    world.settle();
    assert!(world.hears(second, CALLEE), "{:?}", world.problems());
    world.settle();
    assert!(world.hears(CALLEE, second) && world.speak(DESK, b"opus").is_none(), "{:?}", world.problems());
    assert!(world.view(CALLEE).members.iter().all(|member| member.device != world.id(PRINCIPAL)));
}
