//! Relays: the real engine's side of calls and legs. What is simulated is the way to it: no datagram is sent and no DTLS
//! handshake is made, so that whether a leg is connected, and who receives a frame, is decided here by the engine's legs.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    time::{Duration, Instant},
};
use telcon_proto::CallId;
use telcon_relay::{LegId, OpenedCall, Relay, RelayConfig};

/// A leg of a device at a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelayLeg {
    /// Its call.
    pub call: CallId,
    /// Whether media can flow.
    pub connected: bool,
}

/// A relay.
pub struct RelayHost {
    engine: Relay,
    started: Instant,
    /// Where it says that it is.
    pub address: SocketAddr,
    /// Whether its process runs.
    pub up: bool,
    /// Whether devices reach it.
    pub reachable: bool,
    /// Whether it is about to stop.
    pub draining: bool,
    /// Its connection to the switchboard, if it has one.
    pub connection: Option<u64>,
    /// Legs by number.
    pub legs: BTreeMap<LegId, RelayLeg>,
    /// Calls that are open, and the index of their log entry.
    pub calls: BTreeMap<CallId, u64>,
    /// Calls of an earlier connection that the switchboard has not opened again.
    pub unconfirmed: Vec<CallId>,
}

impl RelayHost {
    /// Relay number `n`, started now.
    pub fn new(n: usize) -> Self {
        let address = SocketAddr::from(([203, 0, 113, n as u8 + 1], 3478));
        let started = Instant::now();
        let engine = Relay::new(RelayConfig::new(vec![address]), started).expect("a relay");
        Self {
            engine,
            started,
            address,
            up: true,
            reachable: true,
            draining: false,
            connection: None,
            legs: BTreeMap::new(),
            calls: BTreeMap::new(),
            unconfirmed: Vec::new(),
        }
    }

    /// Opens a call.
    ///
    /// # Errors
    /// The engine's, as text.
    pub fn open_call(&mut self, call: CallId, log_index: u64) -> Result<(), String> {
        self.engine.open_call(OpenedCall { call, log_index }).map_err(|error| error.to_string())?;
        self.unconfirmed.retain(|other| *other != call);
        self.calls.insert(call, log_index);
        Ok(())
    }

    /// Closes a call and its legs.
    pub fn close_call(&mut self, call: CallId) {
        self.engine.close_call(call);
        self.calls.remove(&call);
        self.legs.retain(|_, leg| leg.call != call);
    }

    /// Adds or replaces a leg.
    ///
    /// # Errors
    /// The engine's, as text.
    pub fn add_leg(&mut self, call: CallId, id: LegId, offer: &str, now_ms: u64) -> Result<String, String> {
        let now = self.started + Duration::from_millis(now_ms);
        let answer = self.engine.add_leg(call, id, offer, now).map_err(|error| error.to_string())?;
        self.legs.insert(id, RelayLeg { call, connected: false });
        Ok(answer)
    }

    /// Removes a leg.
    pub fn remove_leg(&mut self, id: LegId) {
        self.engine.remove_leg(id);
        self.legs.remove(&id);
    }

    /// Calls and legs that the engine counts.
    pub fn load(&self) -> (u64, u64) {
        let stats = self.engine.stats();
        (stats.calls, stats.legs)
    }
}

/// A device's offer number `n`: one section that sends and seven that receive, as all our clients make them.
pub fn offer(device: usize, n: u64) -> String {
    let print: Vec<String> = (0..32).map(|byte| format!("{:02X}", (byte + device * 7 + n as usize) % 256)).collect();
    let mut sdp = format!(
        "v=0\r\no=- {device}{n:05} 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1 2 3 4 5 6 7\r\n\
         a=ice-ufrag:d{device}n{n:04}\r\na=ice-pwd:passwordpasswordpassword{n:04}\r\na=fingerprint:sha-256 {}\r\n\
         a=setup:actpass\r\n",
        print.join(":")
    );
    for mid in 0..8 {
        let direction = if mid == 0 { "sendonly" } else { "recvonly" };
        sdp.push_str(&format!(
            "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:{mid}\r\na={direction}\r\na=rtcp-mux\r\n\
             a=rtpmap:111 opus/48000/2\r\n"
        ));
    }
    sdp
}
