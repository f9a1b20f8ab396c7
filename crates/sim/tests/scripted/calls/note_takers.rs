//! Note-takers that join what they are assigned.

use super::*;
use telcon_server::limits::{REQUEST_TIMEOUT_MS, UNATTENDED_MS};

/// Most requests to join that a note-taker sends for a call which nobody is in, in [`AFTER_MS`]: one each time it is assigned.
const MOST_REQUESTS: usize = 4;
/// How long after everything was killed the next call begins, milliseconds.
const AFTER_MS: u64 = 14_000;

#[test]
fn a_call_that_begins_after_everything_was_killed_is_recorded_while_the_earlier_one_has_not_ended() {
    let mut world = Scenario::of_four(61);
    let (caller, callee) = (world.join_office(5, Role::Principal), world.join_office(6, Role::Counterpart));
    world.take_notes(3);
    world.call();
    world.advance(UNATTENDED_MS);
    world.settle();
    assert_eq!(world.state(3), CallState::Live);
    let ghost = world.view(3).call;

    // The parties of the call do not come back; server and note-taker start again.
    for party in [0, 1] {
        world.disconnect(party);
    }
    world.restart_server();
    let requests = |world: &Scenario| {
        world.sent(3, |message| if let ClientMessage::AskJoin { call, .. } = message { Some(*call) } else { None })
    };
    let before = requests(&world).len();
    world.reload(3);
    for node in [caller, callee] {
        world.connect(node);
    }
    world.take_notes(3);
    world.advance(AFTER_MS);
    world.settle();
    let repeated = requests(&world).len() - before;
    assert!(repeated <= MOST_REQUESTS, "{repeated} requests to join a call that nobody is in");

    world.ring(caller, callee);
    world.settle();
    world.command(callee, UserCommand::Answer { call: None });
    world.settle();
    assert_eq!(world.state(caller), CallState::Live);
    world.advance(REQUEST_TIMEOUT_MS + UNATTENDED_MS);
    world.settle();
    assert_ne!(world.view(3).call, ghost);
    assert_eq!((world.state(3), world.view(3).call), (CallState::Live, world.view(caller).call));
    assert!(world.screen(caller).contains(&"Person 4".to_owned()), "{:?}", world.screen(caller));
}
