//! A simulation without sockets: a relay, devices, and a network with constant latency, in virtual time.
#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::disallowed_methods, reason = "virtual time starts somewhere")]

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    net::SocketAddr,
    time::{Duration, Instant},
};
use str0m::{
    Candidate, Event, Input, Rtc, RtcConfig,
    change::{SdpAnswer, SdpPendingOffer},
    format::{Codec, FormatParams},
    media::{Direction, Frequency, MediaKind, Mid, Pt},
    net::{Protocol, Receive},
    rtp::RtpWrite,
};
use telcon_proto::CallId;
use telcon_relay::{LegId, OpenedCall, Output, Relay, RelayConfig, RelayError, RelayEvent};

pub const RELAY: &str = "203.0.113.1:3478";
pub const LATENCY: Duration = Duration::from_millis(10);

pub fn relay_addr() -> SocketAddr {
    RELAY.parse().unwrap()
}

pub fn call(n: u8) -> CallId {
    CallId::from_bytes([n; 16])
}

/// A packet received by a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    pub slot: usize,
    pub sequence: u64,
    pub timestamp: u32,
    pub marker: bool,
    pub ssrc: u32,
    pub payload: Vec<u8>,
}

/// A device: a WebRTC endpoint with one sendonly and seven recvonly sections.
pub struct Device {
    pub rtc: Rtc,
    pub addr: SocketAddr,
    pub sending: Mid,
    pub receiving: Vec<Mid>,
    pub pending: Option<SdpPendingOffer>,
    pub connected: bool,
    pub closed: bool,
    pub received: Vec<Received>,
    pub cnames: Vec<String>,
    sequence: u64,
    timeout: Instant,
    pub last_destination: Option<SocketAddr>,
}

pub fn device_config() -> RtcConfig {
    let mut config = RtcConfig::new().set_rtp_mode(true).clear_codecs();
    let format = FormatParams { min_p_time: Some(10), use_inband_fec: Some(true), ..FormatParams::default() };
    config.codec_config().add_config(96.into(), None, Codec::Opus, Frequency::FORTY_EIGHT_KHZ, Some(2), format);
    config
}

impl Device {
    pub fn new(now: Instant, addr: SocketAddr) -> (Self, String) {
        Self::with_slots(now, addr, 7)
    }

    pub fn with_slots(now: Instant, addr: SocketAddr, slots: usize) -> (Self, String) {
        let mut rtc = device_config().build(now);
        rtc.add_local_candidate(Candidate::host(addr, Protocol::Udp).unwrap());
        let mut api = rtc.sdp_api();
        let cname = Some(format!("device-at-{}", addr.ip()));
        let sending = api.add_media(MediaKind::Audio, Direction::SendOnly, cname.clone(), cname, None);
        let receiving =
            (0..slots).map(|_| api.add_media(MediaKind::Audio, Direction::RecvOnly, None, None, None)).collect();
        let (offer, pending) = api.apply().unwrap();
        let device = Self {
            rtc,
            addr,
            sending,
            receiving,
            pending: Some(pending),
            connected: false,
            closed: false,
            received: Vec::new(),
            cnames: Vec::new(),
            sequence: 60_000,
            timeout: now,
            last_destination: None,
        };
        (device, offer.to_sdp_string())
    }

    pub fn accept(&mut self, answer: &str) {
        let answer = SdpAnswer::from_sdp_string(answer).unwrap();
        self.rtc.sdp_api().accept_answer(self.pending.take().unwrap(), answer).unwrap();
    }

    /// Queues a packet, which the next step sends. `skip` sequence numbers are left out.
    pub fn send_media(&mut self, now: Instant, payload: &[u8], skip: u64) {
        self.sequence += 1 + skip;
        let pt: Pt = self.rtc.media(self.sending).unwrap().remote_pts()[0];
        let timestamp = (self.sequence as u32).wrapping_mul(960);
        let write = RtpWrite::new(pt, self.sequence.into(), timestamp, now, payload);
        self.rtc.direct_api().stream_tx_by_mid(self.sending, None).unwrap().write_rtp(write);
    }

    pub fn sent_sequence(&self) -> u64 {
        self.sequence
    }

    /// Runs the transport. Returns the datagrams it sends.
    pub fn step(&mut self, input: Input<'_>) -> Vec<(SocketAddr, Vec<u8>)> {
        let _ = self.rtc.handle_input(input);
        let mut sent = Vec::new();
        while let Ok(output) = self.rtc.poll_output() {
            match output {
                str0m::Output::Timeout(at) => {
                    self.timeout = at;
                    break;
                }
                str0m::Output::Transmit(t) => {
                    self.last_destination = Some(t.destination);
                    sent.push((t.destination, t.contents.into()));
                }
                str0m::Output::Event(Event::Connected) => self.connected = true,
                str0m::Output::Event(Event::Closed) => self.closed = true,
                str0m::Output::Event(Event::RtpPacket(p)) => {
                    let mut api = self.rtc.direct_api();
                    let stream = api.stream_rx(&p.header.ssrc).unwrap();
                    let mid = stream.mid();
                    self.cnames.extend(stream.cname().map(str::to_owned));
                    self.received.push(Received {
                        slot: self.receiving.iter().position(|m| *m == mid).unwrap(),
                        sequence: *p.seq_no,
                        timestamp: p.header.timestamp,
                        marker: p.header.marker,
                        ssrc: *p.header.ssrc,
                        payload: p.payload.to_vec(),
                    });
                }
                str0m::Output::Event(_) => {}
            }
        }
        sent
    }
}

/// A datagram in flight.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct InFlight {
    at: Instant,
    number: u64,
    src: SocketAddr,
    dst: SocketAddr,
    bytes: Vec<u8>,
}

pub struct World {
    pub now: Instant,
    pub relay: Relay,
    pub devices: Vec<Device>,
    pub events: Vec<RelayEvent>,
    /// Every delivered datagram, in order: source, destination, content.
    pub wire: Vec<(SocketAddr, SocketAddr, Vec<u8>)>,
    in_flight: BinaryHeap<Reverse<InFlight>>,
    number: u64,
    relay_timeout: Instant,
}

impl Default for World {
    fn default() -> Self {
        let now = Instant::now();
        let relay = Relay::new(RelayConfig::new(vec![relay_addr()]), now).unwrap();
        Self {
            now,
            relay,
            devices: Vec::new(),
            events: Vec::new(),
            wire: Vec::new(),
            in_flight: BinaryHeap::new(),
            number: 0,
            relay_timeout: now,
        }
    }
}

impl World {
    /// Call 1 with `n` connected devices, which are legs 0 to n-1.
    pub fn with_call(n: usize) -> Self {
        let mut world = Self::default();
        world.open(1);
        for i in 0..n {
            world.join(1, i as u64).unwrap();
        }
        world.connect();
        world
    }

    pub fn open(&mut self, n: u8) {
        self.relay.open_call(OpenedCall { call: call(n), log_index: u64::from(n) }).unwrap();
    }

    pub fn addr_of(index: usize) -> SocketAddr {
        format!("192.0.2.{}:{}", index + 1, 40_000 + index).parse().unwrap()
    }

    /// Adds a device and its leg. Returns its index in `devices`.
    pub fn join(&mut self, n: u8, leg: u64) -> Result<usize, RelayError> {
        let (device, offer) = Device::new(self.now, Self::addr_of(self.devices.len()));
        self.join_with(n, leg, device, &offer)
    }

    pub fn join_with(&mut self, n: u8, leg: u64, mut device: Device, offer: &str) -> Result<usize, RelayError> {
        let answer = self.relay.add_leg(call(n), LegId(leg), offer, self.now)?;
        device.accept(&answer);
        self.devices.push(device);
        Ok(self.devices.len() - 1)
    }

    /// Runs until all devices are connected.
    pub fn connect(&mut self) {
        let deadline = self.now + Duration::from_secs(10);
        while !self.devices.iter().all(|d| d.connected || d.closed) {
            assert!(self.now < deadline, "devices connect within ten seconds");
            self.run(Duration::from_millis(20));
        }
        self.run(Duration::from_millis(100));
    }

    pub fn inject(&mut self, src: SocketAddr, dst: SocketAddr, bytes: Vec<u8>) {
        self.number += 1;
        self.in_flight.push(Reverse(InFlight { at: self.now + LATENCY, number: self.number, src, dst, bytes }));
    }

    /// Advances the virtual time.
    pub fn run(&mut self, span: Duration) {
        let end = self.now + span;
        self.run_due();
        loop {
            let mut next = end;
            if let Some(Reverse(datagram)) = self.in_flight.peek() {
                next = next.min(datagram.at);
            }
            let timers = self.devices.iter().map(|d| d.timeout).chain([self.relay_timeout]);
            // A timer that is already due fires a millisecond later, so that time always advances.
            next = timers.map(|t| t.max(self.now + Duration::from_millis(1))).fold(next, Instant::min);
            self.now = self.now.max(next);
            while self.in_flight.peek().is_some_and(|Reverse(f)| f.at <= self.now) {
                let Reverse(datagram) = self.in_flight.pop().unwrap();
                self.deliver(datagram);
            }
            self.run_due();
            if self.now >= end {
                return;
            }
        }
    }

    /// Runs all timers that are due now.
    fn run_due(&mut self) {
        for i in 0..self.devices.len() {
            let sent = self.devices[i].step(Input::Timeout(self.now));
            self.sent_by(i, sent);
        }
        if self.relay_timeout <= self.now {
            self.relay.handle_timeout(self.now);
        }
        self.drain_relay();
    }

    fn sent_by(&mut self, device: usize, sent: Vec<(SocketAddr, Vec<u8>)>) {
        let src = self.devices[device].addr;
        for (dst, bytes) in sent {
            self.inject(src, dst, bytes);
        }
    }

    pub fn drain_relay(&mut self) {
        loop {
            match self.relay.poll() {
                Output::Transmit { dst, bytes } => self.inject(relay_addr(), dst, bytes),
                Output::Event(event) => self.events.push(event),
                Output::Timeout(at) => {
                    self.relay_timeout = at;
                    return;
                }
            }
        }
    }

    fn deliver(&mut self, datagram: InFlight) {
        self.wire.push((datagram.src, datagram.dst, datagram.bytes.clone()));
        if datagram.dst == relay_addr() {
            self.relay.handle_packet(self.now, datagram.src, datagram.dst, &datagram.bytes);
            self.drain_relay();
        } else if let Some(i) = self.devices.iter().position(|d| d.addr == datagram.dst)
            && let Ok(receive) = Receive::new(Protocol::Udp, datagram.src, datagram.dst, &datagram.bytes)
        {
            let sent = self.devices[i].step(Input::Receive(self.now, receive));
            self.sent_by(i, sent);
        }
    }

    /// A device sends `count` packets, 20 ms apart. Returns their payloads.
    pub fn send_media(&mut self, device: usize, count: usize) -> Vec<Vec<u8>> {
        let mut sent = Vec::new();
        for i in 0..count {
            let payload = format!("device {device} packet {i} {}", "x".repeat(60)).into_bytes();
            self.devices[device].send_media(self.now, &payload, 0);
            sent.push(payload);
            self.run(Duration::from_millis(20));
        }
        self.run(Duration::from_millis(40));
        sent
    }

    pub fn payloads(&self, device: usize) -> Vec<Vec<u8>> {
        self.devices[device].received.iter().map(|r| r.payload.clone()).collect()
    }
}
