//! WebSocket messages in both directions: parsed messages round-trip.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde::{Serialize, de::DeserializeOwned};
use telcon_proto::{ClientMessage, ServerMessage};

fn same_again<T: Serialize + DeserializeOwned>(text: &str) {
    if let Ok(message) = serde_json::from_str::<T>(text) {
        let written = serde_json::to_string(&message).expect("what was read can be written");
        let again: T = serde_json::from_str(&written).expect("what was written can be read");
        assert_eq!(serde_json::to_string(&again).ok(), Some(written));
    }
}

fuzz_target!(|text: &str| {
    same_again::<ClientMessage>(text);
    same_again::<ServerMessage>(text);
});
