//! A call that goes on on another device of its person, and calls that are held.

use telcon_core::{
    Event, UserCommand,
    call::hold::HoldWord,
    media::silence::silence,
    view::{CallState, NoticeView},
};
use telcon_proto::{
    CallId, ClientMessage, Role, ServerMessage,
    limits::{ABANDONED_AFTER_MS, MAX_HOLD_CHARS},
    message::RefusalCode,
};
use telcon_sim::script::{Direction, Scenario};

pub(crate) const PHONE: usize = 0;
pub(crate) const OTHER: usize = 1;
pub(crate) const DESK: usize = 2;

/// The principal's phone (0), a counterpart (1) and the principal's desk (2), in a call between 0 and 1.
pub(crate) fn in_call(seed: u64) -> (Scenario, CallId) {
    let mut world = Scenario::of_two(seed);
    assert_eq!(world.join_office(1, Role::Principal), DESK);
    world.settle();
    world.call();
    let call = world.seen().id;
    (world, call)
}

/// The notice of the call on a device that is not in it.
pub(crate) fn notice(world: &Scenario, node: usize) -> NoticeView {
    world.screen_of(node).notices.into_iter().next().expect("it was told")
}

/// The devices that a member's screen shows.
fn devices(world: &Scenario, node: usize) -> Vec<telcon_proto::DeviceId> {
    world.view(node).members.iter().map(|member| member.device).collect()
}

#[test]
fn a_call_continues_on_the_desk_and_comes_back() {
    let (mut world, call) = in_call(800);
    assert!(notice(&world, DESK).can_continue, "the desk offers it");
    assert_eq!(notice(&world, DESK).own_devices, [world.id(PHONE)]);
    let before = world.view(OTHER).phrase;
    for (from, to) in [(PHONE, DESK), (DESK, PHONE), (PHONE, DESK)] {
        world.command(to, UserCommand::Listen { call });
        world.settle();
        assert_eq!(world.state(to), CallState::Live, "{:?}", world.problems());
        assert!(world.view(to).arriving && world.legs(to) > 0, "its leg is being set up");
        assert_eq!(world.state(from), CallState::Live, "and the call is where it was");
        assert!(world.hears(OTHER, from) && world.hears(from, OTHER));
        assert_eq!(devices(&world, OTHER).len(), 3, "everybody sees both devices");
        // Nothing of the new microphone is sent, though its frames are, in the same size.
        let frame = world.speak(to, &[0x78; 80]).expect("frames");
        assert_eq!(world.hear(OTHER, &frame).unwrap().packet, silence(80));
        // Its leg is up: a frame arrives.
        assert!(world.hears(to, OTHER));
        world.settle();
        assert_eq!((world.view(from).ended, world.view(from).continued_on), (Some("continued"), Some(world.id(to))));
        assert!(world.speak(from, b"opus").is_none(), "the old microphone is off");
        assert!(!world.view(to).arriving);
        assert!(world.hears(OTHER, to) && world.hears(to, OTHER), "{:?}", world.problems());
        let (mut shown, mut expected) = (devices(&world, OTHER), vec![world.id(OTHER), world.id(to)]);
        shown.sort_unstable();
        expected.sort_unstable();
        assert_eq!(shown, expected);
        assert_eq!(world.view(to).other, Some(world.card(OTHER)));
        assert!(notice(&world, from).can_continue, "it can come back");
        assert_eq!(world.view(to).phrase, world.view(OTHER).phrase);
    }
    assert_ne!(world.view(OTHER).phrase, before, "the members changed");
    world.command(DESK, UserCommand::HangUp);
    world.settle();
    assert_eq!((world.view(OTHER).ended, world.view(OTHER).hung_up_by), (Some("hung_up"), Some(world.card(PHONE))));
    assert!(!notice(&world, PHONE).can_continue, "and it is over there");
    assert!(world.problems().is_empty(), "{:?}", world.problems());
}

#[test]
fn the_callees_devices_continue_it_too_and_the_phone_does_not_end_it() {
    let mut world = Scenario::of_two(801);
    let desk = world.join_office(2, Role::Counterpart);
    world.settle();
    world.call();
    assert_eq!(world.view(desk).ended, Some("taken_elsewhere"));
    let call = world.seen().id;
    world.command(desk, UserCommand::Dismiss);
    world.command(desk, UserCommand::Listen { call });
    world.settle();
    assert!(world.hears(desk, 0));
    world.settle();
    assert_eq!(world.view(1).ended, Some("continued"));
    // The device that answered connects again: it is in no call.
    world.disconnect(1);
    world.connect(1);
    world.settle();
    world.command(1, UserCommand::HangUp);
    world.settle();
    assert!(world.hears(desk, 0) && world.hears(0, desk), "{:?}", world.problems());
    // After a restart of the server the desk is the party, and the phone is not.
    world.restart_server();
    for node in [0, 1, desk] {
        world.connect(node);
    }
    world.settle();
    assert!(world.hears(desk, 0) && world.hears(0, desk), "{:?}", world.problems());
    assert!(notice(&world, 1).can_continue);
    world.command(desk, UserCommand::HangUp);
    world.settle();
    assert_eq!(world.view(0).ended, Some("hung_up"));
    assert!(world.problems().is_empty(), "{:?}", world.problems());
}

#[test]
fn a_desk_that_never_receives_leaves_the_call_where_it_is() {
    let (mut world, call) = in_call(802);
    world.command(DESK, UserCommand::Listen { call });
    world.settle();
    // Its leg never comes up, and its person gives up.
    world.command(DESK, UserCommand::HangUp);
    world.settle();
    assert_eq!((world.view(DESK).ended, world.view(DESK).continued_on), (Some("continued"), Some(world.id(PHONE))));
    assert_eq!(world.view(OTHER).members.len(), 2);
    assert!(world.hears(OTHER, PHONE) && world.hears(PHONE, OTHER), "{:?}", world.problems());
    // The same before a member has let it in.
    world.command(DESK, UserCommand::Dismiss);
    world.hold(Direction::Down, DESK);
    world.command(DESK, UserCommand::Listen { call });
    world.command(DESK, UserCommand::HangUp);
    world.settle();
    world.release(Direction::Down, DESK);
    world.settle();
    assert!(world.hears(OTHER, PHONE) && world.hears(PHONE, OTHER), "{:?}", world.problems());
    assert_eq!(world.view(OTHER).members.len(), 2);
}

#[test]
fn a_phone_that_lost_its_connection_is_left_behind() {
    let (mut world, call) = in_call(803);
    world.disconnect(PHONE);
    world.settle();
    world.command(DESK, UserCommand::Listen { call });
    world.settle();
    assert!(world.hears(DESK, OTHER), "{:?}", world.problems());
    world.settle();
    assert!(world.hears(OTHER, DESK));
    assert_eq!(devices(&world, OTHER).len(), 2, "the phone is removed at once");
    world.connect(PHONE);
    world.settle();
    assert_eq!(world.state(PHONE), CallState::Ended, "{:?}", world.view(PHONE));
    world.advance(2 * ABANDONED_AFTER_MS);
    world.settle();
    assert!(world.hears(OTHER, DESK) && world.hears(DESK, OTHER), "{:?}", world.problems());
}

#[test]
fn one_of_two_that_ask_at_once_has_it() {
    let (mut world, call) = in_call(804);
    let car = world.join_office(1, Role::Principal);
    world.settle();
    for node in [DESK, car] {
        world.command(node, UserCommand::Listen { call });
    }
    world.settle();
    assert!(world.hears(DESK, OTHER));
    world.settle();
    assert_eq!(world.view(PHONE).ended, Some("continued"));
    world.hears(car, OTHER);
    world.advance(5_000);
    world.settle();
    let live: Vec<usize> = [DESK, car].into_iter().filter(|node| world.state(*node) == CallState::Live).collect();
    assert_eq!(live.len(), 1, "one of them, and not none: {:?}", world.problems());
    assert!(world.hears(OTHER, live[0]) && world.hears(live[0], OTHER), "{:?}", world.problems());
    assert_eq!(devices(&world, OTHER).len(), 2);
}

#[test]
fn a_phone_that_reloads_during_the_move_does_not_take_the_call_back() {
    let (mut world, call) = in_call(805);
    world.command(DESK, UserCommand::Listen { call });
    world.settle();
    world.hold(Direction::Down, PHONE);
    assert!(world.hears(DESK, OTHER));
    world.settle();
    world.reload(PHONE);
    world.settle();
    world.release(Direction::Down, PHONE);
    world.settle();
    assert!(world.screen_of(PHONE).call.is_none_or(|call| call.state == CallState::Ended), "{:?}", world.view(PHONE));
    assert!(world.hears(OTHER, DESK) && world.hears(DESK, OTHER), "{:?}", world.problems());
    assert_eq!(devices(&world, OTHER).len(), 2);
}

#[test]
fn a_move_at_any_moment_of_a_restart_leaves_the_call_whole() {
    // The server crashes after each step of the move.
    for steps in 0..40 {
        let (mut world, call) = in_call(820 + steps);
        world.command(DESK, UserCommand::Listen { call });
        let mut heard = false;
        for _ in 0..steps {
            world.step();
            if !heard && world.screen_of(DESK).call.is_some_and(|call| call.arriving && call.state == CallState::Live) {
                heard = world.hears(DESK, OTHER);
            }
        }
        world.restart_server();
        for node in [PHONE, OTHER, DESK] {
            world.connect(node);
        }
        world.settle();
        if !heard && world.screen_of(DESK).call.is_some_and(|call| call.arriving) {
            assert!(world.hears(DESK, OTHER), "after {steps} steps");
            world.settle();
        }
        world.advance(5_000);
        world.settle();
        let on = |world: &Scenario, node| {
            world.screen_of(node).call.is_some_and(|call| call.state == CallState::Live && !call.arriving)
        };
        let live: Vec<usize> = [PHONE, DESK].into_iter().filter(|node| on(&world, *node)).collect();
        assert_eq!(live.len(), 1, "on one of the two, after {steps} steps: {:?}", world.problems());
        assert!(
            world.hears(OTHER, live[0]) && world.hears(live[0], OTHER),
            "after {steps} steps: {:?}",
            world.problems()
        );
        assert_eq!(devices(&world, OTHER).len(), 2, "after {steps} steps");
    }
}

#[test]
fn while_a_party_holds_the_call_no_sound_is_sent() {
    let (mut world, call) = in_call(806);
    let silent = |world: &mut Scenario, speaker: usize, listener: usize| {
        let frame = world.speak(speaker, &[0x78; 80]).expect("frames are sent all the time");
        world.hear(listener, &frame).unwrap().packet == silence(80)
    };
    let text = format!(" {}\u{202e}", "x".repeat(2 * MAX_HOLD_CHARS));
    world.command(PHONE, UserCommand::Hold { word: HoldWord::Coming, text });
    world.settle();
    for node in [PHONE, OTHER] {
        let [hold] = &world.view(node).holds[..] else { panic!("{:?}", world.view(node)) };
        assert_eq!((&hold.by, hold.own, hold.word), (&world.card(PHONE), node == PHONE, HoldWord::Coming));
        assert_eq!(hold.text, "x".repeat(MAX_HOLD_CHARS));
        assert!(!world.view(node).muted, "the person's own choice is another thing");
    }
    assert!(silent(&mut world, PHONE, OTHER) && silent(&mut world, OTHER, PHONE));
    // Who waits cannot end it, and a further hold of theirs is their own.
    world.command(OTHER, UserCommand::Resume);
    world.settle();
    assert_eq!(world.view(PHONE).holds.len(), 1);
    world.command(OTHER, UserCommand::Hold { word: HoldWord::Moment, text: String::new() });
    world.settle();
    world.command(PHONE, UserCommand::Resume);
    world.settle();
    assert!(silent(&mut world, PHONE, OTHER), "the other one holds it still");
    world.command(OTHER, UserCommand::Resume);
    world.settle();
    assert!(world.hears(OTHER, PHONE) && world.hears(PHONE, OTHER));
    // It survives a move, and the person ends it on the new device.
    world.command(PHONE, UserCommand::Hold { word: HoldWord::Moment, text: String::new() });
    world.settle();
    world.command(DESK, UserCommand::Listen { call });
    world.settle();
    assert!(world.hear_silence(DESK, OTHER));
    world.settle();
    assert_eq!(world.view(PHONE).ended, Some("continued"));
    assert!(world.view(DESK).holds[0].own && silent(&mut world, DESK, OTHER));
    world.command(DESK, UserCommand::Resume);
    world.settle();
    assert!(world.hears(OTHER, DESK) && world.hears(DESK, OTHER), "{:?}", world.problems());
    assert!(world.problems().is_empty(), "{:?}", world.problems());
}

#[test]
fn holds_are_in_the_record_and_listeners_hold_nothing() {
    let mut world = Scenario::of_four(807);
    world.set_recording(3, true);
    world.call_of_four();
    world.command(0, UserCommand::Hold { word: HoldWord::LookingUp, text: "the file".into() });
    world.command(0, UserCommand::Resume);
    world.settle();
    let said: Vec<_> = world
        .events(3)
        .iter()
        .filter_map(|event| match event {
            Event::Held { by, said, .. } => Some((by.clone(), said.clone())),
            _ => None,
        })
        .collect();
    let by = world.card(0);
    assert_eq!(said, [(by.clone(), Some((HoldWord::LookingUp, "the file".to_owned()))), (by, None)]);
    world.command(2, UserCommand::Hold { word: HoldWord::Moment, text: String::new() });
    world.settle();
    assert!(world.view(0).holds.is_empty() && world.view(2).holds.is_empty());
    // A listener's program that says it all the same.
    let text = br#"{"say":"hold","word":"moment","text":""}"#;
    let (call, message) = (world.seen().id, world.encrypt(2, text));
    let from = world.id(2);
    world.inject(0, ServerMessage::Application { call, from, message });
    assert!(world.view(0).holds.is_empty());
    // Who joins later waits too; nobody is kept waiting by somebody who is gone.
    world.command(0, UserCommand::Hold { word: HoldWord::Moment, text: String::new() });
    world.settle();
    world.command(2, UserCommand::Leave);
    world.settle();
    world.listen(2);
    world.settle();
    assert_eq!(world.view(2).holds.len(), 1);
}

#[test]
fn only_a_member_that_asked_leaves_to_another_device() {
    let (mut world, call) = in_call(808);
    // Alone, it ends the call, as hanging up does.
    world.tamper_up(move |node, message| match message {
        ClientMessage::Application { .. } if node == PHONE => vec![],
        ClientMessage::HangUp { call, .. } if node == PHONE => vec![ClientMessage::Leave { call }],
        message => vec![message],
    });
    world.command(PHONE, UserCommand::HangUp);
    world.settle();
    assert_eq!(world.view(OTHER).ended, Some("hung_up"));
    // A device that is in no call is refused.
    world.tamper_up(move |node, message| match message {
        ClientMessage::Silence { .. } if node == DESK => {
            vec![ClientMessage::Leave { call: CallId::from_bytes([9; 16]) }]
        }
        message => vec![message],
    });
    let person = world.card(OTHER).person;
    world.command(DESK, UserCommand::Silence { person, on: true });
    world.settle();
    let _ = (call, RefusalCode::NoSuchCall);
    assert!(!world.screen_of(DESK).alerts.is_empty());
}
