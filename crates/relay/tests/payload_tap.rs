//! The test tap receives the payloads that the relay forwards.

mod common;

use common::World;
use std::sync::{Arc, Mutex};

#[test]
fn the_tap_receives_each_payload_once_and_unchanged() {
    let mut world = World::with_call(3);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let tap = seen.clone();
    world.relay.set_tap(Box::new(move |payload| tap.lock().unwrap().push(payload.to_vec())));
    let sent = world.send_media(0, 20);
    assert_eq!(*seen.lock().unwrap(), sent);
}
