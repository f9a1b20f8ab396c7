//! SDP offers of devices: refused, or answered with the same number of media sections.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::{cell::RefCell, time::Instant};
use telcon_proto::CallId;
use telcon_relay::{LegId, OpenedCall, Relay, RelayConfig};

const CALL: CallId = CallId::from_bytes([1; 16]);

thread_local! {
    // Made once: its certificate costs more than a thousand offers.
    static RELAY: RefCell<Relay> = RefCell::new({
        let here = "192.0.2.1:9".parse().unwrap();
        let mut relay = Relay::new(RelayConfig::new(vec![here]), Instant::now()).unwrap();
        relay.open_call(OpenedCall { call: CALL, log_index: 1 }).unwrap();
        relay
    });
}

fuzz_target!(|offer: &str| {
    RELAY.with_borrow_mut(|relay| {
        if let Ok(answer) = relay.add_leg(CALL, LegId(1), offer, Instant::now()) {
            let sections = |text: &str| text.lines().filter(|line| line.starts_with("m=")).count();
            assert_eq!(sections(&answer), sections(offer));
            // What it says about itself is not in the answer.
            assert!(!answer.contains("a=candidate") || answer.contains("192.0.2.1"));
        }
        relay.remove_leg(LegId(1));
    });
});
