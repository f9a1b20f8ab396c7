//! Legs against the real relay: engine against engine in virtual time, and driver against driver on loopback.

use super::{
    driver::{LegDriver, LegEvent},
    leg::{CONNECT_TIMEOUT, FRAME_TICKS, MEDIA_TIMEOUT},
    *,
};
use std::{
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};
use telcon_proto::{CallId, limits::MAX_FRAME_BYTES};
use telcon_relay::{LegId, OpenedCall, Output, Relay, RelayConfig};

const RELAY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1)), 3478);
const CALL: CallId = CallId::from_bytes([7; 16]);
const STEP: Duration = Duration::from_millis(5);

/// Legs and a relay. Datagrams arrive at the next step.
struct World {
    now: Instant,
    relay: Relay,
    legs: Vec<(SocketAddr, Leg)>,
    in_flight: Vec<(SocketAddr, SocketAddr, Vec<u8>)>,
    received: Vec<Vec<ReceivedPacket>>,
    failed: Vec<Option<LegFailure>>,
    /// A leg that is disconnected from the network.
    disconnected: Option<usize>,
}

impl World {
    fn new(legs: usize) -> Self {
        let now = Instant::now();
        let mut relay = Relay::new(RelayConfig::new(vec![RELAY]), now).unwrap();
        relay.open_call(OpenedCall { call: CALL, log_index: 0 }).unwrap();
        let mut world = Self {
            now,
            relay,
            legs: vec![],
            in_flight: vec![],
            received: vec![vec![]; legs],
            failed: vec![None; legs],
            disconnected: None,
        };
        for i in 0..legs {
            let addr = SocketAddr::from(([192, 0, 2, i as u8 + 1], 40_000));
            let (mut leg, offer) = Leg::new(now, addr).unwrap();
            let answer = world.relay.add_leg(CALL, LegId(i as u64), &offer, now).unwrap();
            leg.accept_answer(now, &answer).unwrap();
            world.legs.push((addr, leg));
        }
        world
    }

    fn step(&mut self) {
        self.now += STEP;
        let disconnected = self.disconnected.map(|leg| self.legs[leg].0);
        self.in_flight.retain(|(src, dst, _)| disconnected.is_none_or(|leg| *src != leg && *dst != leg));
        for (src, dst, bytes) in std::mem::take(&mut self.in_flight) {
            if dst == RELAY {
                self.relay.handle_packet(self.now, src, dst, &bytes);
            } else if let Some((_, leg)) = self.legs.iter_mut().find(|(addr, _)| *addr == dst) {
                leg.handle_packet(self.now, src, &bytes);
            }
        }
        self.relay.handle_timeout(self.now);
        loop {
            match self.relay.poll() {
                Output::Transmit { dst, bytes } => self.in_flight.push((RELAY, dst, bytes)),
                Output::Event(_) => {}
                Output::Timeout(_) => break,
            }
        }
        for (i, (addr, leg)) in self.legs.iter_mut().enumerate() {
            leg.handle_timeout(self.now);
            loop {
                match leg.poll() {
                    LegOutput::Transmit { dst, bytes } => self.in_flight.push((*addr, dst, bytes)),
                    LegOutput::Received(received) => self.received[i].push(received),
                    LegOutput::Failed(failure) => self.failed[i] = Some(failure),
                    LegOutput::Connected => {}
                    LegOutput::Timeout(_) => break,
                }
            }
        }
    }

    fn run(&mut self, span: Duration) {
        let end = self.now + span;
        while self.now < end {
            self.step();
        }
    }

    fn connect(&mut self) -> Duration {
        let start = self.now;
        while !self.legs.iter().all(|(_, leg)| leg.is_connected()) {
            assert!(self.now < start + Duration::from_secs(2), "legs connect");
            self.step();
        }
        self.now - start
    }
}

#[test]
fn legs_connect_within_half_a_second_at_ten_milliseconds_round_trip() {
    let took = World::new(2).connect();
    assert!(took < Duration::from_millis(500), "{took:?}");
}

#[test]
fn payloads_arrive_in_order_with_their_timestamps() {
    let mut world = World::new(3);
    world.connect();
    let mut sent = Vec::new();
    for i in 0..120u32 {
        let payload = vec![i as u8; 80];
        world.legs[0].1.send(world.now, &payload, 1_000 + i * FRAME_TICKS).unwrap();
        sent.push((1_000 + i * FRAME_TICKS, payload));
        world.run(Duration::from_millis(20));
    }
    world.run(Duration::from_millis(50));
    for receiver in [1, 2] {
        let packets = &world.received[receiver];
        let got: Vec<_> = packets.iter().map(|r| (r.rtp_time, r.payload.to_vec())).collect();
        assert_eq!(got, sent);
        assert!(packets.windows(2).all(|w| w[1].rtp_seq == w[0].rtp_seq + 1 && w[1].slot == w[0].slot));
    }
    assert!(world.received[0].is_empty());
}

#[test]
fn a_closed_leg_and_a_lost_relay_are_distinguished() {
    let mut world = World::new(2);
    world.connect();
    world.relay.remove_leg(LegId(0));
    world.run(Duration::from_millis(100));
    assert_eq!(world.failed, [Some(LegFailure::Closed), None]);
    let now = world.now;
    assert_eq!(world.legs[0].1.send(now, b"x", 0), Err(LegError::NotConnected));
    // The relay restarts without state.
    world.relay = Relay::new(RelayConfig::new(vec![RELAY]), world.now).unwrap();
    world.run(Duration::from_secs(60));
    assert_eq!(world.failed[1], Some(LegFailure::ConnectivityLost));
}

#[test]
fn a_disconnected_leg_fails_within_two_seconds_and_one_without_remote_media_does_not() {
    let mut world = World::new(2);
    world.connect();
    let talk = |world: &mut World, rounds: u32| {
        for i in 0..rounds {
            for leg in 0..2 {
                let _ = world.legs[leg].1.send(world.now, &[1; 80], i * FRAME_TICKS);
            }
            world.run(Duration::from_millis(20));
        }
    };
    talk(&mut world, 100);
    assert_eq!(world.failed, [None, None]);
    world.disconnected = Some(1);
    talk(&mut world, (MEDIA_TIMEOUT.as_millis() / 20) as u32 + 2);
    assert_eq!(world.failed, [None, Some(LegFailure::MediaTimeout)]);
    // The other side receives no media now, but its relay is reachable.
    talk(&mut world, 500);
    assert_eq!(world.failed[0], None);
}

#[test]
fn a_leg_without_a_relay_times_out() {
    let mut world = World::new(1);
    world.relay.close_call(CALL);
    world.run(CONNECT_TIMEOUT + STEP);
    assert_eq!(world.failed, [Some(LegFailure::ConnectTimeout)]);
}

#[test]
fn misuse_and_invalid_answers_are_rejected() {
    let now = Instant::now();
    let any = SocketAddr::from(([0, 0, 0, 0], 9));
    assert_eq!(Leg::new(now, any).err(), Some(LegError::Address));
    let addr = SocketAddr::from(([192, 0, 2, 1], 9));
    let (mut leg, offer) = Leg::new(now, addr).unwrap();
    assert!(!offer.contains("a=extmap:"), "a header extension is offered: {offer}");
    assert_eq!(leg.send(now, b"x", 0), Err(LegError::NotConnected));
    assert_eq!(leg.send(now, b"", 0), Err(LegError::FrameSize));
    assert_eq!(leg.send(now, &[0; MAX_FRAME_BYTES + 1], 0), Err(LegError::FrameSize));
    assert_eq!(leg.accept_answer(now, "v=0\r\n"), Err(LegError::Answer));
    assert_eq!(leg.accept_answer(now, "v=0\r\n"), Err(LegError::AlreadyAnswered));
    // An answer that does not receive our audio.
    let mut relay = Relay::new(RelayConfig::new(vec![RELAY]), now).unwrap();
    relay.open_call(OpenedCall { call: CALL, log_index: 0 }).unwrap();
    let (mut leg, offer) = Leg::new(now, addr).unwrap();
    let answer = relay.add_leg(CALL, LegId(0), &offer, now).unwrap();
    assert_eq!(leg.accept_answer(now, &answer.replacen("a=recvonly", "a=inactive", 1)), Err(LegError::Answer));
}

#[test]
fn garbage_from_the_relays_address_does_not_end_a_leg() {
    let mut world = World::new(2);
    world.connect();
    for i in 0..=255u8 {
        world.legs[1].1.handle_packet(world.now, RELAY, &[i; 60]);
        world.legs[1].1.handle_packet(world.now, RELAY, &[[0x80, i].as_slice(), &[i; 60]].concat());
    }
    world.legs[0].1.send(world.now, b"still here", 0).unwrap();
    world.run(Duration::from_millis(50));
    assert_eq!(world.failed, [None, None]);
    assert_eq!(world.received[1].len(), 1);
}

/// Consumes events until the leg is connected.
async fn connected(events: &mut tokio::sync::mpsc::Receiver<LegEvent>) {
    while !matches!(events.recv().await, Some(LegEvent::Connected)) {}
}

#[tokio::test]
async fn legs_connect_and_exchange_payloads_over_sockets() {
    let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let (relay, _task) = telcon_relay::net::start(loopback, RelayConfig::new(vec![loopback])).await.unwrap();
    relay.open_call(OpenedCall { call: CALL, log_index: 0 }).await.unwrap();
    let mut legs = Vec::new();
    for i in 0..2 {
        let local = Ipv4Addr::LOCALHOST.into();
        let (leg, offer, mut events) = LegDriver::start(local, None).await.unwrap();
        let answer = relay.add_leg(CALL, LegId(i), offer).await.unwrap();
        leg.accept_answer(answer).await.unwrap();
        connected(&mut events).await;
        legs.push((leg, events));
    }
    let (mut receiver, (sender, _)) = (legs.pop().unwrap(), legs.pop().unwrap());
    for i in 0..100u32 {
        sender.send(vec![i as u8; 80], i * FRAME_TICKS).unwrap();
        let event = receiver.1.recv().await.unwrap();
        let LegEvent::Received(received) = event else { panic!("not a payload") };
        assert_eq!((received.payload.as_ref(), received.rtp_time), (&[i as u8; 80][..], i * FRAME_TICKS));
    }
    // Each side detects that the other closed.
    let mut relay_events = relay.events();
    drop(sender);
    let gone = relay_events.recv().await.unwrap();
    assert!(matches!(gone, telcon_relay::RelayEvent::LegGone { leg: LegId(0), .. }), "{gone:?}");
    relay.close_call(CALL).await.unwrap();
    let event = receiver.1.recv().await;
    assert!(matches!(event, Some(LegEvent::Failed(LegFailure::Closed))));
    assert!(receiver.1.recv().await.is_none());
}
