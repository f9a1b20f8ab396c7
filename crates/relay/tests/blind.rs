//! The tap shows a test what the relay sees.

mod common;

use common::World;
use std::sync::{Arc, Mutex};

#[test]
fn the_tap_sees_each_payload_once_and_as_it_was_sent() {
    let mut world = World::with_call(3);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let tap = seen.clone();
    world.relay.set_tap(Box::new(move |payload| tap.lock().unwrap().push(payload.to_vec())));
    let said = world.speak(0, 20);
    assert_eq!(*seen.lock().unwrap(), said);
}
