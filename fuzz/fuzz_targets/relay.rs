//! Whatever arrives at the relay's port, and whatever a device offers: nothing is sent to anybody who was not there.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::{net::SocketAddr, time::Instant};
use telcon_proto::CallId;
use telcon_relay::{LegId, OpenedCall, Output, Relay, RelayConfig};

fuzz_target!(|input: (&str, Vec<Vec<u8>>)| {
    let (offer, datagrams) = input;
    let (here, there): (SocketAddr, SocketAddr) = ("192.0.2.1:9".parse().unwrap(), "192.0.2.2:9".parse().unwrap());
    let now = Instant::now();
    let mut relay = Relay::new(RelayConfig::new(vec![here]), now).unwrap();
    let call = CallId::from_bytes([1; 16]);
    relay.open_call(OpenedCall { call, log_index: 1 }).unwrap();
    let _ = relay.add_leg(call, LegId(1), offer, now);
    for datagram in &datagrams {
        relay.handle_packet(now, there, here, datagram);
    }
    for _ in 0..1_000 {
        match relay.poll() {
            Output::Timeout(_) => return,
            Output::Transmit { dst, .. } => assert_eq!(dst, there),
            Output::Event(_) => {}
        }
    }
    panic!("the relay goes on for ever");
});
