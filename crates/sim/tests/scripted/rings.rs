//! Several rings at one device. Node 1 is rung by nodes 0, 2 and further ones.

use telcon_core::{
    Event, UserCommand,
    view::{CallState, Direction},
};
use telcon_proto::{
    CallId, ClientMessage, PersonId, Role, ServerMessage, limits::MAX_RINGS_AT_ONCE, message::RefusalCode,
    reach::ReachSettings,
};
use telcon_sim::script::{Node, Scenario};

/// An office in which the callers, nodes 0 and 2 and so on, ring node 1; gives the calls in the order in which they ring.
fn rung_by(seed: u64, callers: usize) -> (Scenario, Vec<CallId>) {
    let mut world = Scenario::new(seed);
    world.join_office(1, Role::Principal);
    world.join_office(2, Role::Principal);
    for person in 3..=callers + 1 {
        world.join_office(person, Role::Counterpart);
    }
    world.settle();
    let mut calls = Vec::new();
    for node in (0..=callers).filter(|node| *node != 1) {
        world.ring(node, 1);
        world.settle();
        calls.push(world.seen().id);
    }
    (world, calls)
}

/// The calls on a device's screen: the call, then further rings.
fn shown(world: &Scenario, node: Node) -> Vec<CallId> {
    let view = world.screen_of(node);
    view.call
        .into_iter()
        .filter(|call| call.state != CallState::Ended)
        .chain(view.rings)
        .map(|call| call.call)
        .collect()
}

#[test]
fn a_second_ring_is_shown_beside_the_first_and_each_can_be_declined() {
    for (declined, left) in [(0, 1), (1, 0)] {
        let (mut world, calls) = rung_by(80, 2);
        assert_eq!(shown(&world, 1), calls);
        let view = world.screen_of(1);
        let [second] = &view.rings[..] else { panic!("{:?}", view.rings) };
        assert!(second.verified && second.direction == Direction::In && second.state == CallState::Ringing);
        assert_eq!(second.other.as_ref().map(|card| &*card.name), Some("Person 3"));
        let confirmed = world.sent(1, |m| if let ClientMessage::RingShown { call } = m { Some(*call) } else { None });
        assert_eq!(confirmed, calls, "both callers learn that it rings");
        let legs = world.legs(1);
        world.command(1, UserCommand::Decline { call: Some(calls[declined]), reply: None });
        let sent = world.sent(1, |m| if let ClientMessage::Decline { call, .. } = m { Some(*call) } else { None });
        assert_eq!(sent, [calls[declined]]);
        world.settle();
        assert_eq!(shown(&world, 1), [calls[left]]);
        assert_eq!(world.view(1).state, CallState::Ringing, "the other one rings on");
        assert_eq!(world.legs(1) - legs, u64::from(declined == 0), "its media leg is prepared when it is the first");
        assert!(world.problems().is_empty(), "{:?}", world.problems());
    }
}

#[test]
fn each_of_several_rings_can_be_answered_and_the_others_end() {
    let (mut world, calls) = rung_by(81, 2);
    world.command(1, UserCommand::Answer { call: Some(calls[1]) });
    world.settle();
    assert_eq!((world.view(1).call, world.state(1), world.state(2)), (calls[1], CallState::Live, CallState::Live));
    assert!(world.hears(2, 1) && world.hears(1, 2), "{:?}", world.problems());
    assert_eq!((world.view(0).ended, shown(&world, 1)), (Some("busy"), vec![calls[1]]));
    assert!(world.hears(2, 1), "the end of a ring leaves the call alone");
    assert_eq!(world.events(1).iter().filter(|event| matches!(event, Event::Ended { .. })).count(), 0);
    world.command(1, UserCommand::Answer { call: Some(calls[0]) });
    assert_eq!(world.view(1).call, calls[1], "a ring that is over cannot be answered");
}

#[test]
fn a_person_who_is_rung_can_ring_and_then_answer_instead() {
    let (mut world, calls) = rung_by(82, 2);
    // Not to somebody who rings: their ring is there to be answered.
    world.ring(1, 0);
    assert_eq!(shown(&world, 1), calls);
    world.join_office(9, Role::Principal);
    world.command(0, UserCommand::HangUp);
    world.settle();
    let waiting = shown(&world, 1);
    world.ring(1, 3);
    world.settle();
    let own = world.seen().id;
    assert_eq!((world.view(1).call, world.view(1).direction), (own, Direction::Out), "{:?}", world.screen_of(1).alerts);
    assert_eq!(shown(&world, 1)[1..], waiting[..]);
    assert_eq!(world.state(3), CallState::Ringing);
    let first = waiting[0];
    world.command(1, UserCommand::Answer { call: Some(first) });
    let hung_up = world.sent(1, |m| if let ClientMessage::HangUp { call, .. } = m { Some(*call) } else { None });
    assert!(hung_up.contains(&own), "its own ring is cancelled");
    let answered = world.sent(1, |m| if let ClientMessage::Answer { call, .. } = m { Some(*call) } else { None });
    assert_eq!(answered, [first]);
}

#[test]
fn rings_that_ended_while_the_device_was_away_disappear_and_the_others_stay() {
    let (mut world, calls) = rung_by(83, 3);
    world.disconnect(1);
    assert_eq!(shown(&world, 1), calls, "until the office says otherwise");
    for node in [0, 2] {
        world.command(node, UserCommand::HangUp);
    }
    world.settle();
    world.connect(1);
    world.settle();
    assert_eq!(shown(&world, 1), calls[2..]);
    assert_eq!(world.view(1).state, CallState::Ringing);
    assert!(world.problems().is_empty(), "{:?}", world.problems());
}

#[test]
fn rings_that_were_declined_without_a_connection_raise_no_alarm_when_they_come_again() {
    let (mut world, calls) = rung_by(84, 2);
    let first = world.screen_of(1);
    assert_eq!(first.rings.len(), 1);
    world.disconnect(1);
    for call in &calls {
        world.command(1, UserCommand::Decline { call: Some(*call), reply: None });
    }
    assert!(shown(&world, 1).is_empty());
    world.connect(1);
    world.settle();
    assert_eq!([0, 2].map(|node| world.view(node).ended), [Some("declined"); 2], "they came again, and were declined");
    assert!(world.problems().is_empty(), "{:?}", world.problems());
}

#[test]
fn the_first_ring_is_declined_where_none_is_named_and_what_one_rings_oneself_goes_on() {
    let (mut world, calls) = rung_by(89, 2);
    world.join_office(9, Role::Principal);
    world.ring(1, 3);
    world.settle();
    let own = world.seen().id;
    assert_eq!(shown(&world, 1)[0], own);
    world.command(1, UserCommand::Decline { call: None, reply: None });
    let declined = world.sent(1, |m| if let ClientMessage::Decline { call, .. } = m { Some(*call) } else { None });
    assert_eq!(declined, calls[..1]);
    world.settle();
    assert_eq!(shown(&world, 1), [own, calls[1]]);
    assert_eq!((world.state(1), world.state(3)), (CallState::Ringing, CallState::Ringing));
    world.command(1, UserCommand::Decline { call: Some(own), reply: None });
    assert_eq!(shown(&world, 1), [own, calls[1]], "it does not ring here");
}

#[test]
fn a_ring_that_cannot_be_accepted_ends_with_the_reason_and_the_calls_id() {
    let mut world = Scenario::of_two(90);
    world.set_clock(0, 90_000);
    world.ring(0, 1);
    let call = world.view(0).call;
    world.settle();
    assert_eq!((world.state(0), world.view(0).ended), (CallState::Ended, Some("failed")), "at once");
    let problem = world.view(0).problem.unwrap();
    assert!(problem.contains("clocks") && problem.contains(&call.to_hex()), "{problem}");
    assert!(world.screen_of(1).call.is_none());
}

/// The attacker is the server, or eight callers and more: they cannot fill the screen or the memory.
#[test]
fn the_number_of_rings_on_a_screen_is_limited_and_a_call_is_not_disturbed_by_rings() {
    let (mut world, calls) = rung_by(85, 11);
    assert_eq!(shown(&world, 1), calls[..MAX_RINGS_AT_ONCE]);
    world.command(1, UserCommand::Answer { call: None });
    assert_eq!(world.view(1).call, calls[0]);
    let (mut world, _) = rung_by(86, 1);
    world.command(1, UserCommand::Answer { call: None });
    world.settle();
    let live = world.view(1).call;
    world.join_office(5, Role::Counterpart);
    world.settle();
    world.ring(2, 1);
    world.settle();
    assert_eq!(shown(&world, 1), [live], "the office answers for who is in a call");
}

#[test]
fn silenced_callers_are_the_offices_list() {
    let (mut world, calls) = rung_by(87, 2);
    let caller = world.card(2);
    world.command(1, UserCommand::Silence { person: caller.person, on: true });
    let sent =
        world.sent(1, |m| if let ClientMessage::Silence { person, on } = m { Some((*person, *on)) } else { None });
    assert_eq!(sent, [(caller.person, true)]);
    world.settle();
    assert_eq!(world.view(2).ended, Some("declined"));
    assert_eq!(world.screen_of(1).silenced, [caller]);
    assert_eq!(shown(&world, 1), calls[..1]);
    let refused = ServerMessage::Refused { call: None, code: RefusalCode::TooMany, message: "the list is full".into() };
    world.inject(1, refused);
    assert_eq!(shown(&world, 1), calls[..1], "a refusal of it ends nothing");
}

#[test]
fn a_ring_that_the_office_does_not_know_any_more_disappears() {
    let (mut world, calls) = rung_by(88, 2);
    let refused = |call, code| ServerMessage::Refused { call: Some(call), code, message: "no".into() };
    world.inject(1, refused(calls[1], RefusalCode::NotAllowed));
    assert_eq!(shown(&world, 1), calls);
    world.inject(1, refused(calls[1], RefusalCode::NoSuchCall));
    assert_eq!(shown(&world, 1), calls[..1]);
    world.inject(1, refused(calls[0], RefusalCode::NoSuchCall));
    assert_eq!(shown(&world, 1), []);
    assert_eq!(world.state_of(1).unreported_rings, [], "the office said that they are over");
}

/// Node 1 in a call with node 0; node 2 rings. Node 1 lets these people ring meanwhile.
fn in_call_and_rung(seed: u64, waits: impl Fn(PersonId) -> Vec<PersonId>) -> (Scenario, [CallId; 2]) {
    let mut world = Scenario::new(seed);
    world.join_office(1, Role::Principal);
    world.join_office(2, Role::Principal);
    world.join_office(3, Role::Principal);
    world.settle();
    let person = |world: &Scenario, node| world.screen_of(node).you.expect("enrolled").card.person;
    let settings = ReachSettings { call_waiting: waits(person(&world, 2)), ..Default::default() };
    let principal = person(&world, 1);
    world.command(1, UserCommand::SetReach { person: principal, settings: settings.clone() });
    world.settle();
    assert_eq!(world.screen_of(1).reach[0].settings, settings);
    let ring = |world: &mut Scenario, from| {
        world.ring(from, 1);
        world.settle();
        world.seen().id
    };
    let first = ring(&mut world, 0);
    world.command(1, UserCommand::Answer { call: None });
    world.settle();
    assert_eq!((world.state(0), world.state(1)), (CallState::Live, CallState::Live), "{:?}", world.problems());
    let second = ring(&mut world, 2);
    (world, [first, second])
}

#[test]
fn who_may_wait_rings_beside_the_call_which_goes_on_until_its_person_ends_it_for_them() {
    let (mut world, calls) = in_call_and_rung(85, |caller| vec![caller]);
    assert_eq!(shown(&world, 1), calls);
    assert!(world.hears(0, 1) && world.hears(1, 0), "the ring leaves the call alone");
    // A plain answer says that the call has to end first.
    world.command(1, UserCommand::Answer { call: Some(calls[1]) });
    assert_eq!(shown(&world, 1), calls);
    world.command(1, UserCommand::AnswerInstead { call: calls[1] });
    world.settle();
    assert_eq!((world.view(1).call, world.state(1), world.state(2)), (calls[1], CallState::Live, CallState::Live));
    assert_eq!(world.view(0).ended, Some("hung_up"));
    assert!(world.hears(2, 1) && world.hears(1, 2), "{:?}", world.problems());
}

#[test]
fn who_waits_rings_on_when_the_call_ends_and_can_be_declined_during_it() {
    let (mut world, calls) = in_call_and_rung(86, |caller| vec![caller]);
    world.command(0, UserCommand::HangUp);
    world.settle();
    assert_eq!((shown(&world, 1), world.state(1)), (vec![calls[1]], CallState::Ringing));
    let (mut world, calls) = in_call_and_rung(87, |caller| vec![caller]);
    world.command(1, UserCommand::Decline { call: Some(calls[1]), reply: None });
    world.settle();
    assert_eq!((world.view(2).ended, shown(&world, 1)), (Some("declined"), vec![calls[0]]));
    assert!(world.hears(0, 1), "{:?}", world.problems());
}

#[test]
fn others_hear_that_the_person_is_busy_who_is_not_disturbed() {
    let (world, calls) = in_call_and_rung(88, |_| Vec::new());
    assert_eq!((world.view(2).ended, shown(&world, 1)), (Some("busy"), vec![calls[0]]));
}
