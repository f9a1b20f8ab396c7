//! People whom a screen shows otherwise than their certificates say.

use telcon_core::{
    Event, UserCommand,
    mls::{join::PendingJoin, key_package::read_key_package},
    view::CallState,
};
use telcon_proto::{Blob, Card, Role, ServerMessage, ShiftId, SuiteName, shift::OnShift};
use telcon_sim::script::Scenario;

/// Alters one field of a card that a screen shows.
type Alteration = fn(&mut Card);

/// Every field that a screen shows before a call, altered.
const ALTERATIONS: [Alteration; 4] = [
    |card| card.name = "The President of Norland".into(),
    |card| card.organisation = "Ministry of Another Country".into(),
    |card| card.zone = "Pacific/Auckland".into(),
    |card| card.role = Role::Principal,
];

#[test]
fn a_person_shown_otherwise_than_certified_is_detected_before_the_call_is_live() {
    for (alter, as_an_answer) in ALTERATIONS.iter().flat_map(|alter| [(*alter, true), (*alter, false)]) {
        let mut world = Scenario::of_two(50);
        world.tamper(move |_, message| {
            vec![match message {
                ServerMessage::SignedIn {
                    you,
                    mut people,
                    people_more,
                    silenced,
                    suite,
                    mode,
                    token,
                    in_call,
                    checkpoint,
                    recovered_ms,
                    shift,
                    key_missing: false,
                } => {
                    people.iter_mut().for_each(|contact| alter(&mut contact.card));
                    ServerMessage::SignedIn {
                        you,
                        people,
                        people_more,
                        silenced,
                        suite,
                        mode,
                        token,
                        in_call,
                        checkpoint,
                        recovered_ms,
                        shift,
                        key_missing: false,
                    }
                }
                // The `answer` flag is not authenticated: the server may claim that it is a listener, or a rejoin.
                ServerMessage::JoinAsked { call, from, key_package, device, .. } => {
                    ServerMessage::JoinAsked { call, from, key_package, device, answer: as_an_answer }
                }
                message => message,
            }]
        });
        world.disconnect(0);
        world.connect(0);
        world.settle();
        let mut shown = world.card(1);
        alter(&mut shown);
        if shown == world.card(1) {
            continue;
        }
        world.ring(0, 1);
        world.settle();
        assert_eq!(world.view(0).other.unwrap(), shown);
        world.command(1, UserCommand::Answer { call: None });
        world.settle();
        assert!(world.red(0).iter().any(|text| text.contains("another name, organisation")), "{:?}", world.problems());
        assert!(world.speak(0, b"opus").is_none());
    }
}

#[test]
fn a_listener_is_not_brought_into_a_call_of_people_whom_its_screen_did_not_show() {
    for alter in ALTERATIONS {
        for caller in [true, false] {
            let mut world = Scenario::of_four(51);
            world.tamper(move |to, message| match message {
                ServerMessage::Notice(mut notice) if to == 3 => {
                    alter(if caller { &mut notice.from } else { &mut notice.to.card });
                    vec![ServerMessage::Notice(notice)]
                }
                message => vec![message],
            });
            world.ring(0, 1);
            world.settle();
            let call = world.seen().id;
            let certified = world.card(if caller { 0 } else { 1 });
            let mut shown = certified.clone();
            alter(&mut shown);
            world.command(3, UserCommand::Listen { call });
            world.settle();
            world.command(1, UserCommand::Answer { call: None });
            world.settle();
            assert_eq!(world.state(3) == CallState::Ended, shown != certified, "{:?}", world.problems());
        }
    }
}

#[test]
fn a_renamed_person_is_detected_when_a_listener_admits_them() {
    let mut world = Scenario::of_four(47);
    world.tamper(|_, mut message| {
        if let ServerMessage::SignedIn { people, .. } = &mut message {
            people.iter_mut().for_each(|contact| contact.card.name = "The President of Norland".into());
        }
        vec![message]
    });
    world.disconnect(0);
    world.connect(0);
    world.settle();
    world.ring(0, 1);
    world.settle();
    let call = world.seen().id;
    world.command(3, UserCommand::Listen { call });
    world.settle();
    let joiner = PendingJoin::new(&world.stolen(1), world.seen().id).unwrap();
    let joiner = read_key_package(joiner.key_package(), world.seen().id, SuiteName::Hybrid).unwrap();
    let own = world.group(3).commit(vec![joiner], &[]).unwrap();
    let (from, proof) = (world.id(3), world.proof(1));
    let seq = world.seen().epoch + 1;
    world.inject(0, ServerMessage::Committed { call, seq, from, commit: Blob(own.commit), devices: vec![proof] });
    assert!(world.red(0).iter().any(|text| text.contains("another name")), "{:?}", world.problems());
    assert_eq!(world.view(0).ended, Some("failed"));
    assert!(world.speak(0, b"opus").is_none());
}

/// The attacker controls the server, and says that somebody is on shift at a person's device: the screen would show two people as one.
#[test]
fn nobody_is_on_shift_at_a_device_that_is_not_certified_as_a_places() {
    let mut world = Scenario::of_two(51);
    world.call();
    let (call, devices) = (world.view(0).call, [world.id(0), world.id(1)]);
    let mut person = world.card(1);
    person.name = "Somebody else".into();
    for device in devices {
        let shift = ShiftId::from_bytes([5; 16]);
        let on_shift = OnShift { shift, person: person.clone(), since_ms: 1, until_ms: 2 };
        world.inject(0, ServerMessage::OnShift { call, device, on_shift });
    }
    world.settle();
    let view = world.view(0);
    assert_eq!(view.members.len(), 2);
    assert!(view.members.iter().all(|member| member.on_shift.is_none()), "{:?}", view.members);
    assert!(!world.events(0).iter().any(|event| matches!(event, Event::OnShift { .. })), "nor is it recorded");
    assert_eq!(view.state, CallState::Live);
}
