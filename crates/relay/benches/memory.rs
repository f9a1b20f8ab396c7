//! Memory per leg: growth of the resident set while legs are added to a relay; the devices are discarded.
//!
//! Run it as `cargo bench --bench memory -- LEGS`, or with `active` at the end for legs that have
//! sent and received media. Idle legs are connected and have never carried media.

#![allow(missing_docs, reason = "a benchmark has no API")]

#[path = "../tests/common/mod.rs"]
mod common;

use common::World;
use telcon_relay::{LegId, OpenedCall};

/// Parties of a call.
const PARTIES: usize = 4;

fn main() {
    // More would take longer than the liveness limit of the legs whose devices are gone.
    let legs = std::env::args().find_map(|a| a.parse().ok()).unwrap_or(8).min(320);
    let active = std::env::args().any(|a| a == "active");
    let mut world = World::default();
    // Excludes one-time allocations of the libraries and of the first devices.
    grow(&mut world, 0, 20, active);
    let before = rss();
    grow(&mut world, 20, legs, active);
    let name = if active { "active, in calls of four" } else { "idle" };
    println!("{name}: {:.1} kB per leg", (rss() - before) as f64 / legs as f64);
    assert_eq!(world.relay.stats().legs, (legs + 20) as u64);
}

fn grow(world: &mut World, from: usize, legs: usize, active: bool) {
    for first in (from..from + legs).step_by(PARTIES) {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&(first as u64 + 1).to_be_bytes());
        let call = telcon_proto::CallId::from_bytes(id);
        world.relay.open_call(OpenedCall { call, log_index: first as u64 }).unwrap();
        world.devices.clear();
        for party in first..first + PARTIES {
            let at = std::net::SocketAddr::from(([192, 0, 2, 1], 1_000 + party as u16));
            let (mut device, offer) = common::Device::new(world.now, at);
            let answer = world.relay.add_leg(call, LegId(party as u64), &offer, world.now).unwrap();
            device.accept(&answer);
            world.devices.push(device);
        }
        world.connect();
        if active {
            let now = world.now;
            world.devices.iter_mut().for_each(|device| device.send_media(now, &[7; 110], 0));
            world.run(std::time::Duration::from_millis(30));
            assert_eq!(world.devices[0].received.len(), PARTIES - 1);
        }
        world.wire.clear();
    }
}

/// Resident memory, kB.
fn rss() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
