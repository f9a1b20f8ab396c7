//! Datagrams to the relay's port, from unknown addresses and from a device with a validated address: only validated
//! addresses are sent to.
#![no_main]

use aws_lc_rs::hmac::{Context, HMAC_SHA1_FOR_LEGACY_USE_ONLY, Key};
use is::stun::{StunMessage, TransId};
use libfuzzer_sys::fuzz_target;
use std::{
    cell::RefCell,
    net::SocketAddr,
    time::{Duration, Instant},
};
use telcon_proto::CallId;
use telcon_relay::{LegId, OpenedCall, Output, Relay, RelayConfig};

const CALL: CallId = CallId::from_bytes([1; 16]);
const OFFER: &str = "v=0\r\no=- 42 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=ice-ufrag:abcd\r\na=ice-pwd:secretsecretsecretsecret\r\n\
    a=setup:actpass\r\na=fingerprint:sha-256 AB:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:\
00:00:00:00:00:00\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=sendonly\r\na=rtpmap:111 opus/48000/2\r\n\
    a=ssrc:700 cname:x\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:1\r\na=recvonly\r\na=rtpmap:111 opus/48000/2\r\n";

fn here() -> SocketAddr {
    "192.0.2.1:9".parse().unwrap()
}

fn device() -> SocketAddr {
    "192.0.2.2:9".parse().unwrap()
}

fn unknown() -> SocketAddr {
    "192.0.2.3:9".parse().unwrap()
}

struct World {
    relay: Relay,
    now: Instant,
}

thread_local! {
    // Made once: its certificate costs more than a thousand datagrams.
    static WORLD: RefCell<World> = RefCell::new({
        let now = Instant::now();
        let mut relay = Relay::new(RelayConfig::new(vec![here()]), now).unwrap();
        relay.open_call(OpenedCall { call: CALL, log_index: 1 }).unwrap();
        World { relay, now }
    });
}

impl World {
    /// A leg whose device has proved its address, so that its datagrams get as far as they can.
    fn join(&mut self) {
        let answer = self.relay.add_leg(CALL, LegId(1), OFFER, self.now).expect("a good offer");
        let field = |name: &str| answer.lines().find_map(|line| line.strip_prefix(name)).unwrap().to_owned();
        let (user, password) = (field("a=ice-ufrag:"), field("a=ice-pwd:"));
        let name = format!("{user}:abcd");
        let check = StunMessage::binding_request(&name, TransId::new(), true, 1, 1, true);
        let mut bytes = [0; 400];
        let length = check.to_bytes(Some(password.as_bytes()), &mut bytes, hmac_sha1).unwrap();
        self.relay.handle_packet(self.now, device(), here(), &bytes[..length]);
        assert_eq!(self.sent(), [device()], "the check is answered");
    }

    fn sent(&mut self) -> Vec<SocketAddr> {
        let mut to = Vec::new();
        for _ in 0..1_000 {
            match self.relay.poll() {
                Output::Timeout(_) => return to,
                Output::Transmit { dst, .. } => to.push(dst),
                Output::Event(_) => {}
            }
        }
        panic!("the relay never becomes idle");
    }
}

fn hmac_sha1(key: &[u8], parts: &[&[u8]]) -> [u8; 20] {
    let mut context = Context::with_key(&Key::new(HMAC_SHA1_FOR_LEGACY_USE_ONLY, key));
    parts.iter().for_each(|part| context.update(part));
    context.sign().as_ref().try_into().unwrap()
}

fuzz_target!(|datagrams: Vec<(bool, u8, Vec<u8>)>| {
    WORLD.with_borrow_mut(|world| {
        world.join();
        for (known, later, datagram) in &datagrams {
            world.now += Duration::from_millis(u64::from(*later));
            let src = if *known { device() } else { unknown() };
            world.relay.handle_packet(world.now, src, here(), datagram);
            world.relay.handle_timeout(world.now);
            assert!(world.sent().iter().all(|to| *to == device()), "an unknown address gets nothing");
        }
        world.relay.remove_leg(LegId(1));
    });
});
