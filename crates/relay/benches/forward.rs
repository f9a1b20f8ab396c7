//! Packets forwarded per second on one core, and the time to create a leg.
//!
//! Devices' packets are encrypted beforehand; only the relay is measured: authenticate, map into slots, encrypt for each
//! receiver, and return the datagrams. A call of two is one packet in and one out, a call of eight one in
//! and seven out.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![allow(missing_docs, reason = "criterion's macro makes a public function")]

#[path = "../tests/common/mod.rs"]
mod common;

use common::{Device, World, call, relay_addr};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::{hint::black_box, net::SocketAddr, time::Duration};
use str0m::Input;
use telcon_relay::{LegId, Output};

/// Packets per measurement: below a leg's burst limit, so that none is dropped.
const BATCH: usize = 100;

/// Encrypts the next packets of device 0.
fn packets(world: &mut World) -> Vec<Vec<u8>> {
    let mut out = Vec::with_capacity(BATCH);
    for _ in 0..BATCH {
        let now = world.now;
        world.devices[0].send_media(now, &[0x5a; 110], 0);
        let sent = world.devices[0].step(Input::Timeout(now));
        out.extend(sent.into_iter().map(|(_, bytes)| bytes).filter(|b| b[0] & 0xc0 == 0x80 && b[1] & 0x7f >= 96));
    }
    out
}

fn forward(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("forward");
    for legs in [2, 8] {
        let mut world = World::with_call(legs);
        let src: SocketAddr = World::addr_of(0);
        group.throughput(Throughput::Elements((BATCH * (legs - 1)) as u64));
        group.bench_function(format!("{legs} legs"), |bencher| {
            bencher.iter_custom(|rounds| {
                let mut took = Duration::ZERO;
                for _ in 0..rounds {
                    // Virtual time advances, so that the rate limit never applies.
                    world.now += Duration::from_secs(2);
                    let batch = packets(&mut world);
                    let before = world.relay.stats().media_forwarded;
                    let start = std::time::Instant::now();
                    for packet in &batch {
                        world.relay.handle_packet(world.now, src, relay_addr(), packet);
                        while let Output::Transmit { bytes, .. } = world.relay.poll() {
                            black_box(bytes);
                        }
                    }
                    took += start.elapsed();
                    let forwarded = world.relay.stats().media_forwarded - before;
                    assert_eq!(forwarded, (batch.len() * (legs - 1)) as u64);
                }
                took
            });
        });
    }
    group.finish();
}

fn make_leg(criterion: &mut Criterion) {
    let mut world = World::default();
    world.open(1);
    let (_, offer) = Device::new(world.now, World::addr_of(0));
    criterion.bench_function("offer to answer", |bencher| {
        bencher.iter_batched(
            || (),
            |()| {
                let answer = world.relay.add_leg(call(1), LegId(0), &offer, world.now).unwrap();
                world.relay.remove_leg(LegId(0));
                answer
            },
            BatchSize::SmallInput,
        );
    });
}

criterion_group!(benches, forward, make_leg);
criterion_main!(benches);
