//! CPU time per packet of the relay with its driver: real sockets on loopback, paced speech, the CPU time of the relay's
//! threads.
//!
//! Run it as `cargo bench --bench driver --features driver -- CALLS PARTIES SECONDS`. Devices make real handshakes
//! and encrypt their packets beforehand; then one thread, on another core than the relay's, sends every packet on
//! schedule and receives what the relay forwards. Latency is measured from sending to receiving, so it includes the
//! generator's own system calls.

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "a benchmark reads the clock and has sockets")]

#[path = "../tests/common/mod.rs"]
mod common;

use common::{Device, call};
use std::{
    fs,
    net::UdpSocket,
    process::Command,
    time::{Duration, Instant},
};
use str0m::{
    Input,
    net::{Protocol, Receive},
    rtp::RtpWrite,
};
use telcon_relay::{LegId, OpenedCall, RelayConfig, RelayStats, net::RelayHandle};

const FRAME: Duration = Duration::from_millis(20);
const PAYLOAD: usize = 110;
/// Interval between two reads of all sockets: the resolution of latencies.
const SWEEP: Duration = Duration::from_micros(200);

struct SocketDevice {
    device: Device,
    socket: UdpSocket,
    packets: Vec<Vec<u8>>,
    sent: Vec<Instant>,
    phase: Duration,
}

fn main() {
    let numbers: Vec<usize> = std::env::args().filter_map(|a| a.parse().ok()).collect();
    let (calls, parties, seconds) = match numbers[..] {
        [calls, parties, seconds, ..] => (calls, parties, seconds),
        // `cargo test` and `cargo bench` without arguments: a smoke test.
        _ => (2, 3, 1),
    };
    let (ready, relay) = std::sync::mpsc::channel::<RelayHandle>();
    let thread = std::thread::Builder::new().name("relay-host".into()).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let loopback = "127.0.0.1:0".parse().unwrap();
            let (handle, task) = telcon_relay::net::start(loopback, RelayConfig::new(vec![loopback])).await.unwrap();
            ready.send(handle).unwrap();
            task.await.unwrap().unwrap();
        });
    });
    let relay = relay.recv().unwrap();
    let asker = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let before = rss();
    let mut wired = connect(&relay, &asker, calls, parties);
    println!("memory of relay and devices per leg: {} kB", (rss() - before) / (calls * parties));
    let frames = seconds * 50;
    for (index, one) in wired.iter_mut().enumerate() {
        one.prepare(index, frames);
    }
    pin();
    let (stats, cpu) = (asker.block_on(relay.stats()).unwrap(), relay_cpu());
    let began = Instant::now();
    let mut latencies = run(&mut wired, frames);
    let took = began.elapsed();
    let after = asker.block_on(relay.stats()).unwrap();
    report(&stats, &after, relay_cpu() - cpu, took, &mut latencies);
    drop(relay);
    thread.unwrap().join().unwrap();
}

fn connect(relay: &RelayHandle, asker: &tokio::runtime::Runtime, calls: usize, parties: usize) -> Vec<SocketDevice> {
    let mut wired = Vec::new();
    for n in 0..calls {
        let call = call(n as u8);
        asker.block_on(relay.open_call(OpenedCall { call, log_index: n as u64 })).unwrap();
        for party in 0..parties {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.set_nonblocking(true).unwrap();
            let (mut device, offer) = Device::new(Instant::now(), socket.local_addr().unwrap());
            let leg = LegId((n * parties + party) as u64);
            device.accept(&asker.block_on(relay.add_leg(call, leg, offer)).unwrap());
            let phase = Duration::from_micros(((n * parties + party) as u64 * 7919) % 20_000);
            wired.push(SocketDevice { device, socket, packets: Vec::new(), sent: Vec::new(), phase });
        }
    }
    while !wired.iter().all(|w| w.device.connected) {
        wired.iter_mut().for_each(SocketDevice::step);
    }
    wired
}

impl SocketDevice {
    fn send(&self, sent: Vec<(std::net::SocketAddr, Vec<u8>)>) {
        for (dst, bytes) in sent {
            self.socket.send_to(&bytes, dst).unwrap();
        }
    }

    fn step(&mut self) {
        let sent = self.device.step(Input::Timeout(Instant::now()));
        self.send(sent);
        let mut buffer = [0; 2000];
        while let Ok((length, src)) = self.socket.recv_from(&mut buffer) {
            let receive = Receive::new(Protocol::Udp, src, self.device.addr, &buffer[..length]).unwrap();
            let sent = self.device.step(Input::Receive(Instant::now(), receive));
            self.send(sent);
        }
    }

    /// Encrypts all packets of the device. The RTP timestamp, which is forwarded unchanged, contains device and frame.
    fn prepare(&mut self, index: usize, frames: usize) {
        let now = Instant::now();
        for frame in 0..frames {
            let mid = self.device.sending;
            let pt = self.device.rtc.media(mid).unwrap().remote_pts()[0];
            let timestamp = ((index as u32) << 16) | frame as u32;
            let write = RtpWrite::new(pt, (60_000 + frame as u64).into(), timestamp, now, &[0x5a; PAYLOAD][..]);
            self.device.rtc.direct_api().stream_tx_by_mid(mid, None).unwrap().write_rtp(write);
            let sent = self.device.step(Input::Timeout(now));
            self.packets.extend(sent.into_iter().map(|s| s.1).filter(|b| b[0] & 0xc0 == 0x80 && b[1] & 0x7f >= 96));
        }
        self.sent = vec![now; frames];
    }
}

/// Sends and receives all packets. Returns the latency of each received packet.
fn run(wired: &mut [SocketDevice], frames: usize) -> Vec<Duration> {
    let mut order: Vec<usize> = (0..wired.len()).collect();
    order.sort_by_key(|i| wired[*i].phase);
    let relay = wired[0].device.last_destination.unwrap();
    let mut latencies = Vec::new();
    let began = Instant::now() + FRAME;
    for frame in 0..frames {
        for &index in &order {
            let due = began + FRAME * frame as u32 + wired[index].phase;
            loop {
                let left = due.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    break;
                }
                receive(wired, &mut latencies);
                // Busy waiting would slow the relay down on a core with shared execution units.
                std::thread::sleep(left.min(SWEEP));
            }
            wired[index].sent[frame] = Instant::now();
            wired[index].socket.send_to(&wired[index].packets[frame], relay).unwrap();
        }
    }
    let until = Instant::now() + Duration::from_millis(100);
    while Instant::now() < until {
        receive(wired, &mut latencies);
        std::thread::sleep(SWEEP);
    }
    latencies
}

fn receive(wired: &[SocketDevice], latencies: &mut Vec<Duration>) {
    let mut buffer = [0; 2000];
    for one in wired {
        while let Ok(length) = one.socket.recv(&mut buffer) {
            if length > 12 && buffer[0] & 0xc0 == 0x80 && buffer[1] & 0x7f >= 96 {
                let timestamp = u32::from_be_bytes(buffer[4..8].try_into().unwrap());
                let sent = wired[(timestamp >> 16) as usize].sent[(timestamp & 0xffff) as usize];
                latencies.push(sent.elapsed());
            }
        }
    }
}

/// Pins the relay to one core and this thread to another.
fn pin() {
    for (thread, name) in threads() {
        let core = if name.contains("relay") { "0" } else { "1" };
        // Without `taskset` the figures are noisier, but valid.
        let _ = Command::new("taskset").args(["-pc", core, &thread]).output();
    }
}

fn threads() -> Vec<(String, String)> {
    let tasks = fs::read_dir("/proc/self/task").unwrap().flatten();
    tasks
        .map(|t| (t.file_name().into_string().unwrap(), fs::read_to_string(t.path().join("comm")).unwrap_or_default()))
        .collect()
}

/// CPU time of the relay's threads.
fn relay_cpu() -> Duration {
    let spent = |thread: &str| {
        let text = fs::read_to_string(format!("/proc/self/task/{thread}/schedstat")).unwrap_or_default();
        text.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0)
    };
    Duration::from_nanos(threads().iter().filter(|(_, name)| name.contains("relay")).map(|(t, _)| spent(t)).sum())
}

/// Resident memory, kB.
fn rss() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn report(before: &RelayStats, after: &RelayStats, cpu: Duration, took: Duration, latencies: &mut [Duration]) {
    latencies.sort();
    let (read, sent) = (after.media_in - before.media_in, after.media_forwarded - before.media_forwarded);
    let at = |q: f64| latencies.get((latencies.len() as f64 * q) as usize).copied().unwrap_or_default();
    println!(
        "{read} in, {sent} out, {} received, in {took:?}; {:.0} out per second",
        latencies.len(),
        sent as f64 / took.as_secs_f64()
    );
    println!(
        "relay: {:.2} µs per packet sent, {:.1} % of a core",
        cpu.as_secs_f64() * 1e6 / sent as f64,
        100. * cpu.as_secs_f64() / took.as_secs_f64()
    );
    println!("latency: p50 {:?}, p99 {:?}, p99.9 {:?}, most {:?}", at(0.5), at(0.99), at(0.999), latencies.last());
}
