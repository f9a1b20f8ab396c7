//! Legs against the real relay: its engine in virtual time, and its driver on loopback.

use super::{
    driver::{LegDriver, LegEvent},
    *,
};
use std::net::Ipv4Addr;
use telcon_proto::CallId;
use telcon_relay::{LegId, OpenedCall, Output, Relay, RelayConfig};

const RELAY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1)), 3478);
const CALL: CallId = CallId::from_bytes([7; 16]);
const STEP: Duration = Duration::from_millis(5);

/// Legs and a relay whose datagrams arrive at the next step.
struct World {
    now: Instant,
    relay: Relay,
    legs: Vec<(SocketAddr, Leg)>,
    flying: Vec<(SocketAddr, SocketAddr, Vec<u8>)>,
    received: Vec<Vec<Received>>,
    failed: Vec<Option<LegFailure>>,
    /// A leg whose network is gone.
    cut: Option<usize>,
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
            flying: vec![],
            received: vec![vec![]; legs],
            failed: vec![None; legs],
            cut: None,
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
        let cut = self.cut.map(|leg| self.legs[leg].0);
        self.flying.retain(|(src, dst, _)| cut.is_none_or(|cut| *src != cut && *dst != cut));
        for (src, dst, bytes) in std::mem::take(&mut self.flying) {
            if dst == RELAY {
                self.relay.handle_packet(self.now, src, dst, &bytes);
            } else if let Some((_, leg)) = self.legs.iter_mut().find(|(addr, _)| *addr == dst) {
                leg.handle_packet(self.now, src, &bytes);
            }
        }
        self.relay.handle_timeout(self.now);
        loop {
            match self.relay.poll() {
                Output::Transmit { dst, bytes } => self.flying.push((RELAY, dst, bytes)),
                Output::Event(_) => {}
                Output::Timeout(_) => break,
            }
        }
        for (i, (addr, leg)) in self.legs.iter_mut().enumerate() {
            leg.handle_timeout(self.now);
            loop {
                match leg.poll() {
                    LegOutput::Transmit { dst, bytes } => self.flying.push((*addr, dst, bytes)),
                    LegOutput::Received(received) => self.received[i].push(received),
                    LegOutput::Failed(why) => self.failed[i] = Some(why),
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
    println!("connected after {took:?} of virtual time");
    assert!(took < Duration::from_millis(500), "{took:?}");
}

#[test]
fn payloads_arrive_with_their_times_and_gaps() {
    let mut world = World::new(3);
    world.connect();
    let mut said = Vec::new();
    for i in 0..120u32 {
        let payload = vec![i as u8; 80];
        world.legs[0].1.send(world.now, &payload, 1_000 + i * FRAME_TICKS).unwrap();
        said.push((1_000 + i * FRAME_TICKS, payload));
        world.run(Duration::from_millis(20));
    }
    world.run(Duration::from_millis(50));
    for listener in [1, 2] {
        let heard = &world.received[listener];
        let got: Vec<_> = heard.iter().map(|r| (r.rtp_time, r.payload.to_vec())).collect();
        assert_eq!(got, said);
        assert!(heard.windows(2).all(|w| w[1].rtp_seq == w[0].rtp_seq + 1 && w[1].slot == w[0].slot));
    }
    assert!(world.received[0].is_empty());
}

#[test]
fn a_closed_leg_and_a_lost_relay_are_told_apart() {
    let mut world = World::new(2);
    world.connect();
    world.relay.remove_leg(LegId(0));
    world.run(Duration::from_millis(100));
    assert_eq!(world.failed, [Some(LegFailure::Closed), None]);
    let now = world.now;
    assert_eq!(world.legs[0].1.send(now, b"x", 0), Err(LegError::NotConnected));
    // The relay vanishes: it starts again and knows nobody.
    world.relay = Relay::new(RelayConfig::new(vec![RELAY]), world.now).unwrap();
    world.run(Duration::from_secs(60));
    assert_eq!(world.failed[1], Some(LegFailure::Lost));
}

#[test]
fn a_leg_whose_network_is_gone_is_given_up_within_two_seconds_and_one_that_hears_nobody_is_not() {
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
    world.cut = Some(1);
    talk(&mut world, (SILENT_AFTER.as_millis() / 20) as u32 + 2);
    assert_eq!(world.failed, [None, Some(LegFailure::Silent)]);
    // The other side hears nobody now, but its relay is there.
    talk(&mut world, 500);
    assert_eq!(world.failed[0], None);
}

#[test]
fn a_leg_without_a_relay_gives_up() {
    let mut world = World::new(1);
    world.relay.close_call(CALL);
    world.run(CONNECT_TIMEOUT + STEP);
    assert_eq!(world.failed, [Some(LegFailure::NeverConnected)]);
}

#[test]
fn misuse_and_bad_answers_are_refused() {
    let now = Instant::now();
    let any = SocketAddr::from(([0, 0, 0, 0], 9));
    assert_eq!(Leg::new(now, any).err(), Some(LegError::Address));
    let addr = SocketAddr::from(([192, 0, 2, 1], 9));
    let (mut leg, offer) = Leg::new(now, addr).unwrap();
    assert!(!offer.contains("a=extmap:"), "no header extension is offered: {offer}");
    assert_eq!(leg.send(now, b"x", 0), Err(LegError::NotConnected));
    assert_eq!(leg.send(now, b"", 0), Err(LegError::FrameSize));
    assert_eq!(leg.send(now, &[0; MAX_FRAME_BYTES + 1], 0), Err(LegError::FrameSize));
    assert_eq!(leg.accept_answer(now, "v=0\r\n"), Err(LegError::Answer));
    assert_eq!(leg.accept_answer(now, "v=0\r\n"), Err(LegError::Answered));
    // An answer that does not want our sound.
    let mut relay = Relay::new(RelayConfig::new(vec![RELAY]), now).unwrap();
    relay.open_call(OpenedCall { call: CALL, log_index: 0 }).unwrap();
    let (mut leg, offer) = Leg::new(now, addr).unwrap();
    let answer = relay.add_leg(CALL, LegId(0), &offer, now).unwrap();
    assert_eq!(leg.accept_answer(now, &answer.replacen("a=recvonly", "a=inactive", 1)), Err(LegError::Answer));
}

#[test]
fn noise_from_the_relays_address_does_not_end_a_leg() {
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

/// Takes events until the leg is connected.
async fn connected(events: &mut tokio::sync::mpsc::Receiver<LegEvent>) {
    while !matches!(events.recv().await, Some(LegEvent::Connected)) {}
}

#[tokio::test]
async fn over_sockets_legs_connect_fast_and_hear_each_other() {
    let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let (relay, _task) = telcon_relay::net::start(loopback, RelayConfig::new(vec![loopback])).await.unwrap();
    relay.open_call(OpenedCall { call: CALL, log_index: 0 }).await.unwrap();
    let mut legs = Vec::new();
    for i in 0..2 {
        let local = Ipv4Addr::LOCALHOST.into();
        let started = Instant::now();
        let (leg, offer, mut events) = LegDriver::start(local, None).await.unwrap();
        let answer = relay.add_leg(CALL, LegId(i), offer).await.unwrap();
        leg.accept_answer(answer).await.unwrap();
        connected(&mut events).await;
        println!("leg {i} connected in {:?}", started.elapsed());
        legs.push((leg, events));
    }
    let (mut listener, (speaker, _)) = (legs.pop().unwrap(), legs.pop().unwrap());
    for i in 0..100u32 {
        speaker.send(vec![i as u8; 80], i * FRAME_TICKS).unwrap();
        let event = listener.1.recv().await.unwrap();
        let LegEvent::Received(received) = event else { panic!("sound") };
        assert_eq!((received.payload.as_ref(), received.rtp_time), (&[i as u8; 80][..], i * FRAME_TICKS));
    }
    // Hanging up is seen by the relay, and the relay's closing is seen by the leg.
    let mut happenings = relay.events();
    drop(speaker);
    let gone = happenings.recv().await.unwrap();
    assert!(matches!(gone, telcon_relay::RelayEvent::LegGone { leg: LegId(0), .. }), "{gone:?}");
    relay.close_call(CALL).await.unwrap();
    let event = listener.1.recv().await;
    assert!(matches!(event, Some(LegEvent::Failed(LegFailure::Closed))));
    assert!(listener.1.recv().await.is_none());
}
