//! Devices that use ICE-TCP (RFC 6544), over real sockets on loopback.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "real sockets, real time")]

mod common;

use common::{Device, call, relay_addr};
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};
use str0m::{
    Input,
    net::{Protocol, Receive},
};
use telcon_relay::{
    LegId, OpenedCall, Relay, RelayConfig, TcpConnId,
    limits::{MAX_DATAGRAM_BYTES, MAX_TCP_CONNS_PER_SUBSCRIBER},
    net::{RelayHandle, start},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinHandle,
    time::timeout,
};

fn loopback() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

async fn relay_with_call() -> (RelayHandle, JoinHandle<std::io::Result<()>>) {
    let (relay, task) = start(loopback(), RelayConfig::new(vec![loopback()])).await.unwrap();
    relay.open_call(OpenedCall { call: call(1), log_index: 1 }).await.unwrap();
    (relay, task)
}

/// A device that uses one TCP connection, and splits each packet and its length field over several writes.
struct TcpDevice {
    device: Device,
    stream: TcpStream,
    relay: SocketAddr,
    buffer: Vec<u8>,
}

impl TcpDevice {
    async fn join(relay: &RelayHandle, leg: u64) -> Self {
        let (mut device, offer) = Device::new(Instant::now(), "127.0.0.1:9".parse().unwrap());
        let answer = relay.add_leg(call(1), LegId(leg), offer).await.unwrap();
        let address = tcp_address(&answer);
        device.accept(&answer);
        let stream = TcpStream::connect(address).await.unwrap();
        Self { device, stream, relay: address, buffer: Vec::new() }
    }

    async fn send(&mut self, datagrams: Vec<(SocketAddr, Vec<u8>)>) {
        for (_, bytes) in datagrams {
            let length = u16::try_from(bytes.len()).unwrap().to_be_bytes();
            // The length field itself may be split.
            self.stream.write_all(&length[..1]).await.unwrap();
            self.stream.write_all(&length[1..]).await.unwrap();
            let (head, tail) = bytes.split_at(bytes.len() / 2);
            self.stream.write_all(head).await.unwrap();
            self.stream.write_all(tail).await.unwrap();
        }
    }

    async fn run_until(&mut self, done: impl Fn(&Device) -> bool) {
        while !done(&self.device) {
            let sent = self.device.step(Input::Timeout(Instant::now()));
            self.send(sent).await;
            // While it connects, the device's timers are a few milliseconds apart.
            let mut buffer = [0; 2000];
            let Ok(read) = timeout(Duration::from_millis(10), self.stream.read(&mut buffer)).await else { continue };
            self.buffer.extend_from_slice(&buffer[..read.unwrap()]);
            while let Some((head, rest)) = self.buffer.split_first_chunk::<2>() {
                let length = usize::from(u16::from_be_bytes(*head));
                if rest.len() < length {
                    break;
                }
                let datagram = rest[..length].to_vec();
                self.buffer.drain(..2 + length);
                let receive = Receive::new(Protocol::Udp, self.relay, self.device.addr, &datagram).unwrap();
                let sent = self.device.step(Input::Receive(Instant::now(), receive));
                self.send(sent).await;
            }
        }
    }
}

/// The ICE-TCP candidate of an answer.
fn tcp_address(answer: &str) -> SocketAddr {
    let line = answer.lines().find(|line| line.ends_with("tcptype passive")).expect("the answer has a TCP candidate");
    let words: Vec<&str> = line.split(' ').collect();
    SocketAddr::new(words[4].parse().unwrap(), words[5].parse().unwrap())
}

#[tokio::test]
async fn media_flows_over_tcp_and_a_closed_connection_is_removed() {
    let (relay, task) = relay_with_call().await;
    let mut one = TcpDevice::join(&relay, 1).await;
    one.run_until(|device| device.connected).await;
    let mut two = TcpDevice::join(&relay, 2).await;
    two.run_until(|device| device.connected).await;
    for i in 0..50 {
        let payload = format!("packet {i}").into_bytes();
        one.device.send_media(Instant::now(), &payload, 0);
        one.run_until(|_| true).await;
        let sent = one.device.step(Input::Timeout(Instant::now()));
        one.send(sent).await;
        two.run_until(|device| device.received.len() > i).await;
        assert_eq!(two.device.received[i].payload, payload);
    }
    let before = relay.stats().await.unwrap();
    assert_eq!((before.media_forwarded, before.contained_panics), (50, 0));
    drop(two.stream);
    // Packets for the closed connection are counted as dropped.
    loop {
        one.device.send_media(Instant::now(), b"undeliverable", 0);
        let sent = one.device.step(Input::Timeout(Instant::now()));
        one.send(sent).await;
        one.run_until(|_| true).await;
        let stats = relay.stats().await.unwrap();
        if stats.dropped_not_connected > 0 {
            break;
        }
        tokio::task::yield_now().await;
    }
    drop(relay);
    task.await.unwrap().unwrap();
}

#[tokio::test]
async fn an_invalid_stream_closes_its_own_connection_only() {
    let (relay, task) = relay_with_call().await;
    let mut good = TcpDevice::join(&relay, 1).await;
    good.run_until(|device| device.connected).await;
    let too_long = u16::try_from(MAX_DATAGRAM_BYTES + 1).unwrap().to_be_bytes();
    for invalid in [&too_long[..], b"GET / HTTP/1.1\r\n\r\n", &[0xff; 4000]] {
        let mut attacker = TcpStream::connect(good.relay).await.unwrap();
        attacker.write_all(invalid).await.unwrap();
        let mut response = [0; 1];
        assert!(matches!(attacker.read(&mut response).await, Ok(0) | Err(_)), "no response");
    }
    // Packets of valid sizes without authentication: read, counted, not answered.
    let mut attacker = TcpStream::connect(good.relay).await.unwrap();
    for length in [0_u16, 1, 11, 12, 1_500] {
        attacker.write_all(&length.to_be_bytes()).await.unwrap();
        attacker.write_all(&vec![0x80; usize::from(length)]).await.unwrap();
    }
    while relay.stats().await.unwrap().dropped_malformed < 3 {
        tokio::task::yield_now().await;
    }
    good.device.send_media(Instant::now(), b"unaffected", 0);
    let sent = good.device.step(Input::Timeout(Instant::now()));
    good.send(sent).await;
    while relay.stats().await.unwrap().media_in < 1 {
        tokio::task::yield_now().await;
    }
    drop(relay);
    task.await.unwrap().unwrap();
}

#[tokio::test]
async fn connections_per_subscriber_are_limited() {
    let (relay, task) = relay_with_call().await;
    let good = TcpDevice::join(&relay, 1).await;
    let mut held = Vec::new();
    for _ in 1..MAX_TCP_CONNS_PER_SUBSCRIBER {
        held.push(TcpStream::connect(good.relay).await.unwrap());
    }
    let mut one_more = TcpStream::connect(good.relay).await.unwrap();
    let mut response = [0; 1];
    assert!(matches!(one_more.read(&mut response).await, Ok(0) | Err(_)));
    // Closing a connection makes room for another.
    drop(held.pop());
    loop {
        let mut next = TcpStream::connect(good.relay).await.unwrap();
        if timeout(Duration::from_millis(200), next.read(&mut response)).await.is_err() {
            break;
        }
    }
    drop(relay);
    task.await.unwrap().unwrap();
}

#[test]
fn a_datagram_from_a_tcp_placeholder_address_is_dropped() {
    let now = Instant::now();
    let mut relay = Relay::new(RelayConfig::new(vec![relay_addr()]), now).unwrap();
    let mut check = [0; 20];
    check[1] = 1;
    relay.handle_datagram(now, TcpConnId(1).address(), &mut check);
    assert_eq!((relay.stats().dropped_unknown_source, relay.stats().dropped_unknown_user), (1, 0));
    relay.handle_tcp_packet(now, TcpConnId(1), "192.0.2.1:9".parse().unwrap(), &mut check);
    assert!(!relay.is_authenticated(TcpConnId(1)));
    assert_eq!(relay.stats().datagrams_in, 2);
}

#[tokio::test]
async fn accepting_resumes_after_running_out_of_file_descriptors() {
    let (relay, task) = relay_with_call().await;
    let mut good = TcpDevice::join(&relay, 1).await;
    good.run_until(|device| device.connected).await;
    // Nextest runs each test in its own process, so the limit affects no other test.
    let own = std::process::id().to_string();
    let limited = std::process::Command::new("prlimit").args(["--nofile=256:256", "--pid", &own]).status().unwrap();
    assert!(limited.success());
    let mut files = Vec::new();
    while let Ok(file) = std::fs::File::open("/dev/null") {
        files.push(file);
    }
    // One descriptor for this end of the connection, none for the relay's.
    drop(files.pop());
    let mut attacker = TcpStream::connect(good.relay).await.unwrap();
    for _ in 0..3 {
        // Each request is one more iteration of the worker's loop.
        relay.stats().await.unwrap();
    }
    drop(files);
    attacker.write_all(&[0xff; 4000]).await.unwrap();
    let ended =
        timeout(Duration::from_secs(20), attacker.read(&mut [0; 16])).await.expect("the connection is accepted");
    assert!(matches!(ended, Ok(0) | Err(_)), "and closed because its stream is invalid");
    drop((good, relay));
    task.await.unwrap().unwrap();
}
