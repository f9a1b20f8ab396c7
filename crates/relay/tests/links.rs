//! Devices that come by TCP, over real sockets on loopback.
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
    LegId, LinkId, OpenedCall, Relay, RelayConfig,
    driver::{RelayHandle, start},
    limits::{MAX_DATAGRAM_BYTES, MAX_LINKS_PER_ADDRESS},
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

async fn a_relay() -> (RelayHandle, JoinHandle<std::io::Result<()>>) {
    let (relay, task) = start(loopback(), RelayConfig::new(vec![loopback()])).await.unwrap();
    relay.open_call(OpenedCall { call: call(1), log_index: 1 }).await.unwrap();
    (relay, task)
}

/// A device whose datagrams go over one connection, cut where it hurts.
struct Linked {
    device: Device,
    stream: TcpStream,
    relay: SocketAddr,
    came: Vec<u8>,
}

impl Linked {
    async fn join(relay: &RelayHandle, leg: u64) -> Self {
        let (mut device, offer) = Device::new(Instant::now(), "127.0.0.1:9".parse().unwrap());
        let answer = relay.add_leg(call(1), LegId(leg), offer).await.unwrap();
        let address = tcp_address(&answer);
        device.accept(&answer);
        let stream = TcpStream::connect(address).await.unwrap();
        Self { device, stream, relay: address, came: Vec::new() }
    }

    async fn send(&mut self, datagrams: Vec<(SocketAddr, Vec<u8>)>) {
        for (_, bytes) in datagrams {
            let length = u16::try_from(bytes.len()).unwrap().to_be_bytes();
            // The length itself may come in two pieces.
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
            // The device's own timers are a few milliseconds apart while it connects.
            let mut buffer = [0; 2000];
            let Ok(read) = timeout(Duration::from_millis(10), self.stream.read(&mut buffer)).await else { continue };
            self.came.extend_from_slice(&buffer[..read.unwrap()]);
            while let Some((head, rest)) = self.came.split_first_chunk::<2>() {
                let length = usize::from(u16::from_be_bytes(*head));
                if rest.len() < length {
                    break;
                }
                let datagram = rest[..length].to_vec();
                self.came.drain(..2 + length);
                let receive = Receive::new(Protocol::Udp, self.relay, self.device.addr, &datagram).unwrap();
                let sent = self.device.step(Input::Receive(Instant::now(), receive));
                self.send(sent).await;
            }
        }
    }
}

/// Where an answer says that TCP is taken.
fn tcp_address(answer: &str) -> SocketAddr {
    let line = answer.lines().find(|line| line.ends_with("tcptype passive")).expect("the relay takes TCP");
    let words: Vec<&str> = line.split(' ').collect();
    SocketAddr::new(words[4].parse().unwrap(), words[5].parse().unwrap())
}

#[tokio::test]
async fn two_devices_by_tcp_hear_each_other_and_a_connection_that_ends_is_forgotten() {
    let (relay, task) = a_relay().await;
    let mut one = Linked::join(&relay, 1).await;
    one.run_until(|device| device.connected).await;
    let mut two = Linked::join(&relay, 2).await;
    two.run_until(|device| device.connected).await;
    for i in 0..50 {
        let said = format!("packet {i}").into_bytes();
        one.device.speak(Instant::now(), &said, 0);
        one.run_until(|_| true).await;
        let sent = one.device.step(Input::Timeout(Instant::now()));
        one.send(sent).await;
        two.run_until(|device| device.heard.len() > i).await;
        assert_eq!(two.device.heard[i].payload, said);
    }
    let before = relay.stats().await.unwrap();
    assert_eq!((before.media_forwarded, before.contained_panics), (50, 0));
    drop(two.stream);
    // What is said now has nowhere to go, and says so in the counters.
    loop {
        one.device.speak(Instant::now(), b"anybody?", 0);
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
async fn what_no_device_sends_ends_a_connection_and_no_other() {
    let (relay, task) = a_relay().await;
    let mut good = Linked::join(&relay, 1).await;
    good.run_until(|device| device.connected).await;
    let too_long = u16::try_from(MAX_DATAGRAM_BYTES + 1).unwrap().to_be_bytes();
    for noise in [&too_long[..], b"GET / HTTP/1.1\r\n\r\n", &[0xff; 4000]] {
        let mut stranger = TcpStream::connect(good.relay).await.unwrap();
        stranger.write_all(noise).await.unwrap();
        let mut nothing = [0; 1];
        assert!(matches!(stranger.read(&mut nothing).await, Ok(0) | Err(_)), "it is not answered");
    }
    // Packets of a size that may be, from nobody: taken, counted, not answered.
    let mut stranger = TcpStream::connect(good.relay).await.unwrap();
    for length in [0_u16, 1, 11, 12, 1_500] {
        stranger.write_all(&length.to_be_bytes()).await.unwrap();
        stranger.write_all(&vec![0x80; usize::from(length)]).await.unwrap();
    }
    while relay.stats().await.unwrap().dropped_malformed < 3 {
        tokio::task::yield_now().await;
    }
    good.device.speak(Instant::now(), b"goes on", 0);
    let sent = good.device.step(Input::Timeout(Instant::now()));
    good.send(sent).await;
    while relay.stats().await.unwrap().media_in < 1 {
        tokio::task::yield_now().await;
    }
    drop(relay);
    task.await.unwrap().unwrap();
}

#[tokio::test]
async fn one_address_has_so_many_connections_and_no_more() {
    let (relay, task) = a_relay().await;
    let good = Linked::join(&relay, 1).await;
    let mut held = Vec::new();
    for _ in 1..MAX_LINKS_PER_ADDRESS {
        held.push(TcpStream::connect(good.relay).await.unwrap());
    }
    let mut one_more = TcpStream::connect(good.relay).await.unwrap();
    let mut nothing = [0; 1];
    assert!(matches!(one_more.read(&mut nothing).await, Ok(0) | Err(_)));
    // One that ends makes room.
    drop(held.pop());
    loop {
        let mut next = TcpStream::connect(good.relay).await.unwrap();
        if timeout(Duration::from_millis(200), next.read(&mut nothing)).await.is_err() {
            break;
        }
    }
    drop(relay);
    task.await.unwrap().unwrap();
}

#[test]
fn a_datagram_with_a_connections_address_is_forged() {
    let now = Instant::now();
    let mut relay = Relay::new(RelayConfig::new(vec![relay_addr()]), now).unwrap();
    let mut check = [0; 20];
    check[1] = 1;
    relay.handle_datagram(now, LinkId(1).address(), &mut check);
    assert_eq!((relay.stats().dropped_unknown_source, relay.stats().dropped_unknown_user), (1, 0));
    relay.handle_link(now, LinkId(1), "192.0.2.1:9".parse().unwrap(), &mut check);
    assert!(!relay.knows_link(LinkId(1)));
    assert_eq!(relay.stats().datagrams_in, 2);
}

#[tokio::test]
async fn who_found_no_file_left_is_taken_in_when_there_is_one() {
    let (relay, task) = a_relay().await;
    let mut good = Linked::join(&relay, 1).await;
    good.run_until(|device| device.connected).await;
    // Nextest gives each test a process of its own, and so a limit of its own.
    let own = std::process::id().to_string();
    let limited = std::process::Command::new("prlimit").args(["--nofile=256:256", "--pid", &own]).status().unwrap();
    assert!(limited.success());
    let mut files = Vec::new();
    while let Ok(file) = std::fs::File::open("/dev/null") {
        files.push(file);
    }
    // One for this end, and none for the relay's.
    drop(files.pop());
    let mut stranger = TcpStream::connect(good.relay).await.unwrap();
    for _ in 0..3 {
        // Each time the thread has looked once more.
        relay.stats().await.unwrap();
    }
    drop(files);
    stranger.write_all(&[0xff; 4000]).await.unwrap();
    let ended = timeout(Duration::from_secs(20), stranger.read(&mut [0; 16])).await.expect("it is taken in");
    assert!(matches!(ended, Ok(0) | Err(_)), "and ended for what it says");
    drop((good, relay));
    task.await.unwrap().unwrap();
}
