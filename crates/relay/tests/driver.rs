//! The driver over real sockets on loopback.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "real sockets, real time")]

mod common;

use common::{Device, call};
use std::{net::SocketAddr, time::Instant};
use str0m::{
    Input,
    net::{Protocol, Receive},
};
use telcon_relay::{
    LegEnd, LegId, OpenedCall, Refused, RelayConfig, RelayError, RelayEvent,
    net::{HandleError, RelayHandle, start},
};
use tokio::net::UdpSocket;

fn loopback() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

/// A device with a real socket. It makes progress only inside `run_until`.
struct SocketDevice {
    device: Device,
    socket: UdpSocket,
}

impl SocketDevice {
    async fn join(relay: &RelayHandle, leg: u64) -> Self {
        Self::join_call(relay, 1, leg).await
    }

    async fn join_call(relay: &RelayHandle, number: u8, leg: u64) -> Self {
        let socket = UdpSocket::bind(loopback()).await.unwrap();
        let (mut device, offer) = Device::new(Instant::now(), socket.local_addr().unwrap());
        let answer = relay.add_leg(call(number), LegId(leg), offer).await.unwrap();
        device.accept(&answer);
        Self { device, socket }
    }

    async fn flush(&mut self) {
        for (dst, bytes) in self.device.step(Input::Timeout(Instant::now())) {
            self.socket.send_to(&bytes, dst).await.unwrap();
        }
    }

    async fn run_until(&mut self, done: impl Fn(&Device) -> bool) {
        let mut buffer = [0; 2000];
        while !done(&self.device) {
            self.flush().await;
            // While it connects, the device's timers are a few milliseconds apart.
            let wait = tokio::time::timeout(std::time::Duration::from_millis(10), self.socket.recv_from(&mut buffer));
            if let Ok(received) = wait.await {
                let (length, src) = received.unwrap();
                let receive = Receive::new(Protocol::Udp, src, self.device.addr, &buffer[..length]).unwrap();
                for (dst, bytes) in self.device.step(Input::Receive(Instant::now(), receive)) {
                    self.socket.send_to(&bytes, dst).await.unwrap();
                }
            }
        }
    }
}

#[tokio::test]
async fn a_call_over_real_sockets() {
    let (relay, task) = start(loopback(), RelayConfig::new(vec![loopback()])).await.unwrap();
    let mut events = relay.events();
    let (_, offer) = Device::new(Instant::now(), "127.0.0.1:9".parse().unwrap());
    let refused = relay.add_leg(call(1), LegId(9), offer).await;
    assert_eq!(refused, Err(HandleError::Relay(RelayError::Refused(Refused::NotOpened))));

    relay.open_call(OpenedCall { call: call(1), log_index: 3 }).await.unwrap();
    let began = Instant::now();
    let mut one = SocketDevice::join(&relay, 1).await;
    one.run_until(|d| d.connected).await;
    println!("offer to connected: {:?}", began.elapsed());
    let mut two = SocketDevice::join(&relay, 2).await;
    two.run_until(|d| d.connected).await;
    for leg in [1, 2] {
        assert_eq!(events.recv().await.unwrap(), RelayEvent::LegConnected { call: call(1), leg: LegId(leg) });
    }

    for i in 0..100 {
        let payload = format!("packet {i}").into_bytes();
        one.device.send_media(Instant::now(), &payload, 0);
        one.flush().await;
        two.run_until(|d| d.received.len() > i).await;
        assert_eq!(two.device.received[i].payload, payload);
    }
    // Invalid datagrams have no effect.
    for noise in [&[0xff; 30][..], &[0; 3000], &[]] {
        let attacker = UdpSocket::bind(loopback()).await.unwrap();
        attacker.send_to(noise, relay_of(&one)).await.unwrap();
    }
    one.device.send_media(Instant::now(), b"after invalid datagrams", 0);
    one.flush().await;
    two.run_until(|d| d.received.len() > 100).await;
    let stats = relay.stats().await.unwrap();
    assert_eq!((stats.media_forwarded, stats.legs, stats.contained_panics), (101, 2, 0));

    one.device.rtc.close().unwrap();
    one.flush().await;
    let gone = RelayEvent::LegGone { call: call(1), leg: LegId(1), why: LegEnd::Closed };
    assert_eq!(events.recv().await.unwrap(), gone);
    assert_eq!(relay.remove_leg(LegId(2)).await, Ok(true));
    two.run_until(|d| d.closed).await;
    assert_eq!(relay.close_call(call(1)).await, Ok(true));

    drop(relay);
    task.await.unwrap().unwrap();
}

/// The relay's address, from the device's SDP answer.
fn relay_of(device: &SocketDevice) -> SocketAddr {
    device.device.last_destination.expect("the device has sent something")
}

#[tokio::test]
async fn calls_are_distributed_over_workers() {
    let config = RelayConfig { workers: 2, ..RelayConfig::new(vec![loopback()]) };
    let (relay, task) = start(loopback(), config).await.unwrap();
    // The first worker gets 64 calls before the second one gets any.
    const CALLS: u8 = 65;
    for number in 1..=CALLS {
        relay.open_call(OpenedCall { call: call(number), log_index: u64::from(number) }).await.unwrap();
    }
    let mut ports = Vec::new();
    for number in [1, CALLS] {
        let mut one = SocketDevice::join_call(&relay, number, u64::from(number) * 10).await;
        one.run_until(|d| d.connected).await;
        let mut two = SocketDevice::join_call(&relay, number, u64::from(number) * 10 + 1).await;
        two.run_until(|d| d.connected).await;
        one.device.send_media(Instant::now(), b"one worker per call", 0);
        one.flush().await;
        two.run_until(|d| !d.received.is_empty()).await;
        assert_eq!(relay_of(&one), relay_of(&two), "both legs of a call use one port");
        ports.push(relay_of(&one).port());
    }
    assert_ne!(ports[0], ports[1], "the calls are on different workers");
    let stats = relay.stats().await.unwrap();
    assert_eq!((stats.calls, stats.legs, stats.media_forwarded), (CALLS.into(), 4, 2));
    assert_eq!(relay.remove_leg(LegId(650)).await, Ok(true));
    assert_eq!(relay.remove_leg(LegId(650)).await, Ok(false));
    for number in 1..=CALLS {
        assert_eq!(relay.close_call(call(number)).await, Ok(true));
        assert_eq!(relay.close_call(call(number)).await, Ok(false));
    }
    let (_, offer) = Device::new(Instant::now(), loopback());
    let refused = relay.add_leg(call(1), LegId(1), offer).await;
    assert_eq!(refused, Err(HandleError::Relay(RelayError::Refused(Refused::NotOpened))));
    drop(relay);
    task.await.unwrap().unwrap();
}

#[tokio::test]
async fn segmented_batches_arrive_as_single_packets() {
    let (relay, task) = start(loopback(), RelayConfig::new(vec![loopback()])).await.unwrap();
    relay.open_call(OpenedCall { call: call(1), log_index: 3 }).await.unwrap();
    let mut one = SocketDevice::join(&relay, 1).await;
    one.run_until(|d| d.connected).await;
    let mut two = SocketDevice::join(&relay, 2).await;
    two.run_until(|d| d.connected).await;
    // Two lengths, so that batches are closed by a shorter packet.
    let sent: Vec<Vec<u8>> = (0..100u8).map(|i| vec![i; if i % 7 == 0 { 90 } else { 110 }]).collect();
    sent.iter().for_each(|payload| one.device.send_media(Instant::now(), payload, 0));
    one.flush().await;
    two.run_until(|d| d.received.len() == 100).await;
    assert!(two.device.received.iter().map(|r| &r.payload).eq(&sent));
    assert_eq!(relay.stats().await.unwrap().dropped_unsent, 0);
    drop(relay);
    task.await.unwrap().unwrap();
}

/// Which of the two protocols another process has taken does not matter: devices are told of both.
#[tokio::test]
async fn a_media_port_that_is_taken_is_an_error_at_start() {
    // A port that was free for both.
    let (udp, tcp) = loop {
        let udp = std::net::UdpSocket::bind(loopback()).unwrap();
        if let Ok(tcp) = std::net::TcpListener::bind(udp.local_addr().unwrap()) {
            break (udp, tcp);
        }
    };
    let at = udp.local_addr().unwrap();
    drop(udp);
    let error = start(at, RelayConfig::new(vec![at])).await.err().expect("TCP is taken");
    assert!(error.kind() == std::io::ErrorKind::AddrInUse && error.to_string().contains("TCP"), "{error}");
    drop(tcp);
    let _udp = std::net::UdpSocket::bind(at).unwrap();
    let error = start(at, RelayConfig::new(vec![at])).await.err().expect("UDP is taken");
    assert!(error.kind() == std::io::ErrorKind::AddrInUse && error.to_string().contains("UDP"), "{error}");
}

#[tokio::test]
async fn there_are_no_workers_beyond_the_last_port() {
    let last: SocketAddr = "127.0.0.1:65535".parse().unwrap();
    // Only the candidates are numbered: which ports are free on this machine does not matter.
    let config = RelayConfig { workers: 2, ..RelayConfig::new(vec![last]) };
    let (relay, task) = start(loopback(), config).await.unwrap();
    for number in 1..=65 {
        relay.open_call(OpenedCall { call: call(number), log_index: u64::from(number) }).await.unwrap();
    }
    for number in [1, 65] {
        let (_, offer) = Device::new(Instant::now(), loopback());
        let answer = relay.add_leg(call(number), LegId(number.into()), offer).await.unwrap();
        assert!(answer.contains(" 65535 "), "{answer}");
    }
    drop(relay);
    task.await.unwrap().unwrap();
}
