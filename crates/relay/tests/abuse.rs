//! Floods and spoofed packets are dropped early, counted by reason, never answered, and do not affect other calls.

mod common;

use common::{World, call, relay_addr};
use std::{net::SocketAddr, time::Duration};
use str0m::ice::{StunMessage, TransId};
use telcon_relay::{
    LegId, RelayStats,
    limits::{MEDIA_BURST, MEDIA_PACKETS_PER_SECOND, STUN_BURST},
};

/// Call 1 has devices 0 and 1, call 2 has devices 2 and 3.
fn two_calls() -> World {
    let mut world = World::with_call(2);
    world.open(2);
    world.join(2, 2).unwrap();
    world.join(2, 3).unwrap();
    world.connect();
    world
}

/// Runs `attack` while both devices of call 2 send media, and asserts that call 2 loses nothing. Returns the counters
/// that changed, without those of call 2.
fn during_call_2(world: &mut World, mut attack: impl FnMut(&mut World, usize)) -> RelayStats {
    let before = world.relay.stats();
    let received = (world.payloads(2).len(), world.payloads(3).len());
    let mut sent = (Vec::new(), Vec::new());
    for round in 0..50 {
        attack(world, round);
        sent.0.extend(world.send_media(3, 1));
        sent.1.extend(world.send_media(2, 1));
    }
    assert_eq!(world.payloads(2)[received.0..], sent.0);
    assert_eq!(world.payloads(3)[received.1..], sent.1);
    let after = world.relay.stats();
    assert_eq!(after.contained_panics, 0);
    RelayStats {
        media_in: after.media_in - before.media_in - 100,
        media_forwarded: after.media_forwarded - before.media_forwarded - 100,
        dropped_rate: after.dropped_rate - before.dropped_rate,
        dropped_flood: after.dropped_flood - before.dropped_flood,
        dropped_refused: after.dropped_refused - before.dropped_refused,
        dropped_malformed: after.dropped_malformed - before.dropped_malformed,
        dropped_unknown_source: after.dropped_unknown_source - before.dropped_unknown_source,
        dropped_unknown_user: after.dropped_unknown_user - before.dropped_unknown_user,
        ..RelayStats::default()
    }
}

fn attack_with(world: &mut World, src: SocketAddr, bytes: &[u8]) {
    world.relay.handle_packet(world.now, src, relay_addr(), bytes);
}

fn attacker(n: usize) -> SocketAddr {
    SocketAddr::from(([198, 51, 100, (n % 250) as u8], 1_024 + (n / 250) as u16))
}

/// Bytes sent to addresses of neither a device nor the relay.
fn bytes_to_unknown(world: &World) -> usize {
    let devices: Vec<SocketAddr> = world.devices.iter().map(|d| d.addr).chain([relay_addr()]).collect();
    world.wire.iter().filter(|(_, dst, _)| !devices.contains(dst)).map(|w| w.2.len()).sum()
}

#[test]
fn a_leg_at_a_hundred_times_its_rate_is_limited() {
    let mut world = two_calls();
    // Six seconds of virtual time.
    let moved = during_call_2(&mut world, |world, _| {
        for _ in 0..600 {
            let now = world.now;
            world.devices[0].send_media(now, &[7; 110], 0);
        }
    });
    let flood = 50 * 600;
    assert_eq!(moved.media_in + moved.dropped_flood, flood, "{moved:?}");
    assert_eq!(moved.media_forwarded + moved.dropped_rate, moved.media_in, "{moved:?}");
    // The limit before authentication is higher than the limit of forwarded media; both hold.
    let passed = moved.media_forwarded;
    assert!(
        passed >= u64::from(MEDIA_BURST) && passed < u64::from(MEDIA_BURST + 7 * MEDIA_PACKETS_PER_SECOND),
        "{moved:?}"
    );
    assert!(moved.dropped_flood > flood / 3, "{moved:?}");
}

#[test]
fn media_from_unknown_addresses_is_dropped_by_address() {
    let mut world = two_calls();
    let rtp = [&[0x80, 111, 0, 1][..], &[7; 120]].concat();
    let moved = during_call_2(&mut world, |world, round| {
        (0..1_000).for_each(|n| attack_with(world, attacker(round * 1_000 + n), &rtp));
    });
    assert_eq!(moved, RelayStats { dropped_unknown_source: 50_000, ..RelayStats::default() });
    assert_eq!(bytes_to_unknown(&world), 0);
}

fn request(user: &str, password: &[u8]) -> Vec<u8> {
    let provider = str0m::crypto::from_feature_flags();
    let message = StunMessage::binding_request(user, TransId::new(), true, 1, 1, true);
    let mut bytes = vec![0; 400];
    let sign = |key: &[u8], data: &[&[u8]]| provider.sha1_hmac_provider.sha1_hmac(key, data);
    let length = message.to_bytes(Some(password), &mut bytes, sign).unwrap();
    bytes.truncate(length);
    bytes
}

#[test]
fn a_flood_of_checks_with_unknown_user_names_is_never_answered() {
    let mut world = two_calls();
    let check = request("nobody:nowhere", b"password");
    let moved = during_call_2(&mut world, |world, round| {
        (0..500).for_each(|n| attack_with(world, attacker(round * 500 + n), &check));
    });
    assert_eq!(moved, RelayStats { dropped_unknown_user: 25_000, ..RelayStats::default() });
    assert_eq!(bytes_to_unknown(&world), 0);
}

#[test]
fn a_flood_of_checks_with_a_legs_user_name_does_not_affect_its_media() {
    let mut world = two_calls();
    // ICE user names are not encrypted: an on-path attacker knows device 2's.
    let device = world.devices[2].addr;
    let seen = world.wire.iter().find(|(src, _, b)| *src == device && b[..2] == [0, 1]).unwrap().2.clone();
    let user = StunMessage::parse(&seen).unwrap().username().unwrap().to_owned();
    let check = request(&user, b"a guess");
    let moved = during_call_2(&mut world, |world, round| {
        (0..500).for_each(|n| attack_with(world, attacker(round * 500 + n), &check));
    });
    assert_eq!(moved.dropped_refused + moved.dropped_flood, 25_000, "{moved:?}");
    assert!(moved.dropped_refused >= u64::from(STUN_BURST) - 50 && moved.dropped_flood > 20_000, "{moved:?}");
    assert_eq!(bytes_to_unknown(&world), 0, "no amplification");
}

/// The media packets that a device has sent.
fn media_of(world: &World, device: usize) -> Vec<Vec<u8>> {
    let src = world.devices[device].addr;
    let sent = world.wire.iter().filter(|(from, _, b)| *from == src && b[0] & 0xc0 == 0x80 && b[1] & 0x7f >= 96);
    sent.map(|w| w.2.clone()).collect()
}

#[test]
fn a_replayed_stream_is_refused_packet_by_packet() {
    let mut world = two_calls();
    world.send_media(2, 300);
    let recorded = media_of(&world, 2);
    assert!(recorded.len() >= 300);
    let received = world.payloads(3).len();
    let src = world.devices[2].addr;
    let (mut replayed, before) = (0, world.relay.stats());
    for packet in recorded.iter().rev().chain(&recorded) {
        attack_with(&mut world, src, packet);
        replayed += 1;
    }
    let after = world.relay.stats();
    assert_eq!(after.dropped_refused - before.dropped_refused, replayed);
    assert_eq!((after.media_in, world.payloads(3).len()), (before.media_in, received));
    let sent = world.send_media(2, 5);
    assert_eq!(world.payloads(3)[received..], sent);
}

#[test]
fn a_devices_packets_are_refused_from_another_devices_address() {
    let mut world = two_calls();
    world.send_media(0, 10);
    let before = world.relay.stats();
    for packet in media_of(&world, 0) {
        let elsewhere = world.devices[2].addr;
        attack_with(&mut world, elsewhere, &packet);
    }
    let after = world.relay.stats();
    assert_eq!(after.dropped_refused - before.dropped_refused, 10);
    assert_eq!(after.media_forwarded, before.media_forwarded);
}

#[test]
fn a_late_packet_is_forwarded_once() {
    let mut world = two_calls();
    world.send_media(2, 3);
    // Sent, and delayed by the network.
    let now = world.now;
    world.devices[2].send_media(now, b"late", 0);
    let late = world.devices[2].step(str0m::Input::Timeout(now));
    let late = late.into_iter().map(|s| s.1).rfind(|b| b[1] & 0x7f >= 96 && b[0] & 0xc0 == 0x80).unwrap();
    let sent = world.send_media(2, 3);
    let src = world.devices[2].addr;
    for _ in 0..3 {
        attack_with(&mut world, src, &late);
    }
    world.run(Duration::from_millis(50));
    let received = world.payloads(3);
    assert_eq!(received.len(), 7);
    assert!(received.contains(&b"late".to_vec()) && sent.iter().all(|s| received.contains(s)));
}

#[test]
fn forged_media_from_a_devices_address_affects_only_that_leg() {
    let mut world = two_calls();
    let noise = [&[0x80, 96][..], &[5; 100]].concat();
    let src = world.devices[0].addr;
    let moved = during_call_2(&mut world, |world, _| (0..400).for_each(|_| attack_with(world, src, &noise)));
    assert_eq!(moved.dropped_refused + moved.dropped_flood, 20_000, "{moved:?}");
    assert!(moved.dropped_flood > 10_000, "{moved:?}");
    // The leg works again after the flood.
    world.run(Duration::from_secs(3));
    let before = world.payloads(1).len();
    let sent = world.send_media(0, 5);
    assert_eq!(world.payloads(1)[before..], sent);
    assert_eq!(world.relay.slot_of(LegId(1), LegId(0)), Some(0));
    assert!(world.relay.close_call(call(1)));
}

#[test]
fn no_packet_index_is_encrypted_twice_for_a_receiver() {
    let mut world = World::with_call(3);
    world.send_media(0, 20);
    world.send_media(1, 20);
    // A device restarts twice: new keys, and sequence numbers from the beginning.
    for port in [50_001, 50_002] {
        let (mut device, offer) = common::Device::new(world.now, SocketAddr::from(([192, 0, 2, 1], port)));
        let answer = world.relay.add_leg(call(1), LegId(0), &offer, world.now).unwrap();
        device.accept(&answer);
        world.devices[0] = device;
        world.connect();
        world.send_media(0, 20);
        world.send_media(1, 20);
    }
    let to = world.devices[2].addr;
    let media = world.wire.iter().filter(|(_, dst, b)| *dst == to && b[0] & 0xc0 == 0x80 && b[1] & 0x7f >= 96);
    let nonces: Vec<[u8; 6]> = media.map(|(_, _, b)| [b[2], b[3], b[8], b[9], b[10], b[11]]).collect();
    let distinct: std::collections::HashSet<_> = nonces.iter().collect();
    assert_eq!((nonces.len(), distinct.len()), (120, 120));
}
