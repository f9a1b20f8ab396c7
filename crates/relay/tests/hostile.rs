//! Invalid, spoofed and replayed datagrams and offers: each is counted by reason, and calls continue.

mod common;

use common::{Device, World, call, device_config, relay_addr};
use proptest::prelude::*;
use std::{net::SocketAddr, time::Duration};
use str0m::ice::{StunMessage, TransId};
use telcon_relay::{
    Full, LegId, OpenedCall, Relay, RelayConfig, RelayError, RelayStats,
    limits::{LEG_DATAGRAM_BURST, MAX_DATAGRAM_BYTES, MAX_FRAME_BYTES, MAX_LEGS_PER_CALL, MEDIA_BURST},
};

fn attacker() -> SocketAddr {
    "198.51.100.66:6666".parse().unwrap()
}

/// The counters that a datagram changed.
fn counted(world: &mut World, src: SocketAddr, bytes: &[u8]) -> RelayStats {
    let before = world.relay.stats();
    world.relay.handle_packet(world.now, src, relay_addr(), bytes);
    world.drain_relay();
    let after = world.relay.stats();
    RelayStats {
        dropped_malformed: after.dropped_malformed - before.dropped_malformed,
        dropped_oversized: after.dropped_oversized - before.dropped_oversized,
        dropped_unknown_source: after.dropped_unknown_source - before.dropped_unknown_source,
        dropped_unknown_user: after.dropped_unknown_user - before.dropped_unknown_user,
        dropped_address_taken: after.dropped_address_taken - before.dropped_address_taken,
        dropped_refused: after.dropped_refused - before.dropped_refused,
        dropped_flood: after.dropped_flood - before.dropped_flood,
        ..RelayStats::default()
    }
}

fn still_works(world: &mut World) {
    let before = world.payloads(1).len();
    let sent = world.send_media(0, 10);
    assert_eq!(world.payloads(1)[before..], sent);
    assert_eq!(world.relay.stats().contained_panics, 0);
}

#[test]
fn garbage_from_unknown_addresses_is_counted_by_reason() {
    let mut world = World::with_call(2);
    let none = RelayStats::default();
    let rtp = [&[0x80, 111, 0, 1][..], &[7; 40]].concat();
    let dtls = [&[22, 0xfe, 0xfd][..], &[0; 40]].concat();
    let broken_stun = [&[0, 1, 0, 90][..], &[3; 40]].concat();
    assert_eq!(counted(&mut world, attacker(), &[]), RelayStats { dropped_malformed: 1, ..none });
    assert_eq!(counted(&mut world, attacker(), &[0x80; 11]), RelayStats { dropped_malformed: 1, ..none });
    assert_eq!(counted(&mut world, attacker(), &[0xff; 100]), RelayStats { dropped_malformed: 1, ..none });
    assert_eq!(counted(&mut world, attacker(), &broken_stun), RelayStats { dropped_malformed: 1, ..none });
    let long = vec![0x80; MAX_DATAGRAM_BYTES + 1];
    assert_eq!(counted(&mut world, attacker(), &long), RelayStats { dropped_oversized: 1, ..none });
    assert_eq!(counted(&mut world, attacker(), &rtp), RelayStats { dropped_unknown_source: 1, ..none });
    assert_eq!(counted(&mut world, attacker(), &dtls), RelayStats { dropped_unknown_source: 1, ..none });
    still_works(&mut world);
}

#[test]
fn packets_spoofed_from_a_devices_address_are_refused() {
    let mut world = World::with_call(2);
    let device = World::addr_of(0);
    let refused = RelayStats { dropped_refused: 1, ..RelayStats::default() };
    // The right SSRC, encrypted with the wrong key.
    let real = world.wire.iter().rfind(|(src, _, b)| *src == device && b[0] >= 0x80).map(|w| w.2.clone());
    let mut forged = real.unwrap_or_else(|| [&[0x80, 111][..], &[9; 60]].concat());
    forged[1] = 111;
    assert_eq!(counted(&mut world, device, &forged), refused);
    // An off-path attacker can neither restart a connected device's handshake nor close its leg.
    for content in [20u8, 21, 22, 23, 63] {
        for version in [[0xfe, 0xfd], [0xfe, 0xff], [3, 3]] {
            let record = [&[content, version[0], version[1], 0, 0, 0, 0, 0, 0, 0, 1, 0, 2][..], &[2, 0]].concat();
            counted(&mut world, device, &record);
        }
    }
    for noise in 0..200u8 {
        counted(&mut world, device, &[[0x80 | (noise & 0x3f), noise].as_slice(), &[noise; 70]].concat());
    }
    assert!(world.events.iter().all(|e| matches!(e, telcon_relay::RelayEvent::LegConnected { .. })));
    still_works(&mut world);
}

#[test]
fn a_replayed_packet_is_refused() {
    let mut world = World::with_call(2);
    world.send_media(0, 5);
    let device = World::addr_of(0);
    let last = world.wire.iter().rfind(|(src, _, b)| *src == device && b[0] & 0xc0 == 0x80 && b[1] & 0x7f >= 96);
    let last = last.unwrap().2.clone();
    let refused = RelayStats { dropped_refused: 1, ..RelayStats::default() };
    assert_eq!(counted(&mut world, device, &last), refused);
    assert_eq!(world.payloads(1).len(), 5);
    still_works(&mut world);
}

/// A connectivity check with this user name and password.
fn binding_request(user: &str, password: &[u8]) -> Vec<u8> {
    let provider = str0m::crypto::from_feature_flags();
    let message = StunMessage::binding_request(user, TransId::new(), true, 1, 1, true);
    let mut bytes = vec![0; 400];
    let length = message
        .to_bytes(Some(password), &mut bytes, |key, data| provider.sha1_hmac_provider.sha1_hmac(key, data))
        .unwrap();
    bytes.truncate(length);
    bytes
}

fn ice_user_of(world: &World, device: SocketAddr) -> String {
    let request = world.wire.iter().find(|(src, dst, b)| *src == device && *dst == relay_addr() && b[..2] == [0, 1]);
    let message = &request.unwrap().2;
    StunMessage::parse(message).unwrap().username().unwrap().to_owned()
}

#[test]
fn checks_without_the_password_have_no_effect() {
    let mut world = World::with_call(2);
    let none = RelayStats::default();
    let unknown = binding_request("nobody:nowhere", b"password");
    assert_eq!(counted(&mut world, attacker(), &unknown), RelayStats { dropped_unknown_user: 1, ..none });
    let user = ice_user_of(&world, World::addr_of(0));
    let forged = binding_request(&user, b"not the password");
    assert_eq!(counted(&mut world, attacker(), &forged), RelayStats { dropped_refused: 1, ..none });
    world.run(Duration::from_secs(3));
    let answered = world.wire.iter().any(|(_, dst, _)| *dst == attacker());
    assert!(!answered, "nothing is sent to an unauthenticated address");
    still_works(&mut world);
}

#[test]
fn a_leg_cannot_take_another_legs_address() {
    let mut world = World::with_call(2);
    // Device 1 is hostile: it sends a check with its own credentials from device 0's address.
    let user = ice_user_of(&world, World::addr_of(1));
    let (ours, theirs) = user.split_once(':').unwrap();
    let creds = world.devices[1].rtc.direct_api().local_ice_credentials();
    assert_eq!(theirs, creds.ufrag);
    let request = binding_request(&format!("{ours}:{theirs}"), b"its own password");
    let taken = RelayStats { dropped_address_taken: 1, ..RelayStats::default() };
    assert_eq!(counted(&mut world, World::addr_of(0), &request), taken);
    still_works(&mut world);
}

#[test]
fn a_device_that_changes_its_address_continues() {
    let mut world = World::with_call(2);
    let moved_to: SocketAddr = "192.0.2.99:41000".parse().unwrap();
    world.devices[0].addr = moved_to;
    let local = str0m::Candidate::host(moved_to, str0m::net::Protocol::Udp).unwrap();
    let old = str0m::Candidate::host(World::addr_of(0), str0m::net::Protocol::Udp).unwrap();
    world.devices[0].rtc.add_local_candidate(local);
    world.devices[0].rtc.direct_api().invalidate_candidate(&old);
    world.run(Duration::from_secs(3));
    still_works(&mut world);
}

/// Destinations of a media packet sent by `speaker`.
fn media_destinations(world: &mut World, speaker: usize) -> Vec<SocketAddr> {
    world.wire.clear();
    let now = world.now;
    world.devices[speaker].send_media(now, b"probe", 0);
    world.run(Duration::from_millis(50));
    let media =
        world.wire.iter().filter(|(src, _, b)| *src == relay_addr() && b[0] & 0xc0 == 0x80 && b[1] & 0x7f >= 96);
    media.map(|w| w.1).collect()
}

/// Two devices in a call, with the ICE user name and password of the first one's leg.
fn with_known_credentials() -> (World, String, String) {
    let mut world = World::default();
    world.open(1);
    let (mut device, offer) = Device::new(world.now, World::addr_of(0));
    let answer = world.relay.add_leg(call(1), LegId(0), &offer, world.now).unwrap();
    let password = answer.lines().find_map(|l| l.strip_prefix("a=ice-pwd:")).unwrap().to_owned();
    device.accept(&answer);
    world.devices.push(device);
    world.join(1, 1).unwrap();
    world.connect();
    let user = ice_user_of(&world, World::addr_of(0));
    (world, user, password)
}

#[test]
fn media_selects_the_path_before_nominations() {
    let (mut world, user, password) = with_known_credentials();
    let other: SocketAddr = "192.0.2.77:40077".parse().unwrap();
    world.send_media(0, 2);
    let choice = binding_request(&user, password.as_bytes());
    world.relay.handle_packet(world.now, other, relay_addr(), &choice);
    assert_eq!(media_destinations(&mut world, 1), [World::addr_of(0)], "media decides against a nomination");
    // A device that only listens, or has moved: no media from the first address.
    world.run(Duration::from_millis(1_100));
    world.relay.handle_packet(world.now, other, relay_addr(), &choice);
    assert_eq!(media_destinations(&mut world, 1), [other]);
    world.send_media(0, 1);
    assert_eq!(media_destinations(&mut world, 1), [World::addr_of(0)]);
}

#[test]
fn a_replayed_check_from_another_address_is_refused() {
    let mut world = World::with_call(2);
    let home = World::addr_of(0);
    let sent = |world: &World| {
        let mut checks =
            world.wire.iter().filter(|(src, dst, b)| *src == home && *dst == relay_addr() && b[..2] == [0, 1]);
        checks.next_back().unwrap().2.clone()
    };
    let recorded = sent(&world);
    for n in 0..40 {
        let elsewhere: SocketAddr = format!("198.51.100.{n}:40000").parse().unwrap();
        let none = RelayStats::default();
        assert_eq!(counted(&mut world, elsewhere, &recorded), RelayStats { dropped_refused: 1, ..none });
    }
    let answered = world.wire.iter().any(|(_, dst, _)| dst.ip().to_string().starts_with("198.51.100."));
    assert!(!answered, "no response is sent");
    assert_eq!(media_destinations(&mut world, 1), [home]);
    // A retransmission from the device itself is accepted.
    assert_eq!(counted(&mut world, home, &recorded).dropped_refused, 0);
    still_works(&mut world);
}

#[test]
fn the_address_in_use_is_never_evicted() {
    let (mut world, user, password) = with_known_credentials();
    world.send_media(0, 2);
    // More addresses are authenticated than are remembered.
    for n in 0..20 {
        let other: SocketAddr = format!("198.51.100.{n}:40000").parse().unwrap();
        world.relay.handle_packet(world.now, other, relay_addr(), &binding_request(&user, password.as_bytes()));
    }
    let before = world.relay.stats().dropped_unknown_source;
    world.send_media(0, 5);
    assert_eq!(world.relay.stats().dropped_unknown_source, before);
    assert_eq!(media_destinations(&mut world, 1), [World::addr_of(0)]);
}

#[test]
fn an_address_claimed_by_another_leg_receives_nothing_of_the_first() {
    let mut world = World::with_call(2);
    world.open(2);
    world.send_media(0, 2);
    world.events.clear();
    // Device 0 disappears, and a device of another call gets its address.
    let at = World::addr_of(0);
    world.devices.remove(0);
    world.run(Duration::from_secs(5));
    let (device, offer) = Device::new(world.now, at);
    world.join_with(2, 9, device, &offer).unwrap();
    world.connect();
    assert!(media_destinations(&mut world, 0).is_empty());
    let interrupted = |e: &_| matches!(e, telcon_relay::RelayEvent::LegInterrupted { .. });
    assert!(!world.events.iter().any(interrupted), "the first leg is not interrupted yet");
}

#[test]
fn media_above_the_rate_is_dropped_and_counted() {
    let mut world = World::with_call(2);
    let count = MEDIA_BURST as usize + 100;
    for i in 0..count {
        let now = world.now;
        world.devices[0].send_media(now, format!("{i:0>80}").as_bytes(), 0);
    }
    world.run(Duration::from_millis(50));
    let stats = world.relay.stats();
    assert_eq!(stats.media_in, count as u64);
    let received = world.payloads(1).len();
    assert_eq!(received as u64 + stats.dropped_rate, count as u64);
    assert!((MEDIA_BURST as usize..MEDIA_BURST as usize + 10).contains(&received), "{received}");
    world.run(Duration::from_secs(3));
    still_works(&mut world);
}

#[test]
fn a_flood_from_one_address_is_limited_before_decryption() {
    let mut world = World::with_call(2);
    let noise = [&[0x80, 111][..], &[5; 100]].concat();
    for _ in 0..LEG_DATAGRAM_BURST + 500 {
        world.relay.handle_packet(world.now, World::addr_of(0), relay_addr(), &noise);
    }
    world.drain_relay();
    let stats = world.relay.stats();
    assert!(stats.dropped_flood >= 500, "{stats:?}");
    world.run(Duration::from_secs(3));
    still_works(&mut world);
}

#[test]
fn oversized_frames_are_not_forwarded() {
    let mut world = World::with_call(2);
    let now = world.now;
    world.devices[0].send_media(now, &vec![1; MAX_FRAME_BYTES + 1], 0);
    world.devices[0].send_media(now, &vec![2; MAX_FRAME_BYTES], 0);
    world.run(Duration::from_millis(100));
    assert_eq!(world.payloads(1), [vec![2; MAX_FRAME_BYTES]]);
    assert_eq!(world.relay.stats().dropped_frame_size, 1);
}

#[test]
fn a_wrong_certificate_ends_the_leg() {
    let mut world = World::default();
    world.open(1);
    let (mut device, offer) = Device::new(world.now, World::addr_of(0));
    let line = offer.lines().find(|l| l.starts_with("a=fingerprint:")).unwrap().to_owned();
    let other = device_config().build(world.now).direct_api().local_dtls_fingerprint().to_string();
    let kind = line.split(' ').next().unwrap();
    let hex = other.rsplit(' ').next().unwrap();
    let answer = world.relay.add_leg(call(1), LegId(0), &offer.replace(&line, &format!("{kind} {hex}")), world.now);
    device.accept(&answer.unwrap());
    world.devices.push(device);
    world.run(Duration::from_secs(5));
    let gone = |e: &_| matches!(e, telcon_relay::RelayEvent::LegGone { why: telcon_relay::LegEnd::Failed, .. });
    assert!(world.events.iter().any(gone), "{:?}", world.events);
    assert_eq!(world.relay.stats().legs, 0);
}

#[test]
fn calls_and_legs_are_limited() {
    let mut world = World::default();
    world.open(1);
    let (_, offer) = Device::new(world.now, World::addr_of(0));
    for leg in 0..MAX_LEGS_PER_CALL as u64 {
        world.relay.add_leg(call(1), LegId(leg), &offer, world.now).unwrap();
    }
    let more = world.relay.add_leg(call(1), LegId(99), &offer, world.now);
    assert_eq!(more, Err(RelayError::Full(Full::LegsOfCall)));

    let config = RelayConfig { max_calls: 1, max_legs: 1, ..RelayConfig::new(vec![relay_addr()]) };
    let mut relay = Relay::new(config, world.now).ok().unwrap();
    relay.open_call(OpenedCall { call: call(1), log_index: 0 }).unwrap();
    let second = relay.open_call(OpenedCall { call: call(2), log_index: 1 });
    assert_eq!(second, Err(RelayError::Full(Full::Calls)));
    relay.add_leg(call(1), LegId(0), &offer, world.now).unwrap();
    let second = relay.add_leg(call(1), LegId(1), &offer, world.now);
    assert_eq!(second, Err(RelayError::Full(Full::Legs)));
    for bad in [vec![], vec!["0.0.0.0:9".parse().unwrap()], vec!["192.0.2.1:0".parse().unwrap()]] {
        assert_eq!(Relay::new(RelayConfig::new(bad), world.now).err(), Some(RelayError::NoAddress));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Arbitrary datagrams from unknown and from spoofed addresses: no panic, and the call continues.
    #[test]
    fn no_datagram_stops_a_call(datagrams in prop::collection::vec(
        (any::<bool>(), prop_oneof![Just(0u8), Just(1), Just(20), Just(22), Just(23), Just(0x80), Just(0x90), any::<u8>()],
         prop::collection::vec(any::<u8>(), 0..200)), 0..60)) {
        let mut world = World::with_call(2);
        for (forged, first, mut bytes) in datagrams {
            if let Some(byte) = bytes.first_mut() {
                *byte = first;
            }
            let src = if forged { World::addr_of(0) } else { attacker() };
            world.inject(src, relay_addr(), bytes);
        }
        world.run(Duration::from_millis(200));
        still_works(&mut world);
    }

    #[test]
    fn no_offer_stops_the_relay(text in "[ -~\r\n]{0,300}", at in 0usize..2000, cut in 0usize..40) {
        let mut world = World::default();
        world.open(1);
        let (_, offer) = Device::new(world.now, World::addr_of(0));
        let at = at.min(offer.len());
        let end = (at + cut).min(offer.len());
        let mangled = format!("{}{text}{}", &offer[..at], &offer[end..]);
        let _ = world.relay.add_leg(call(1), LegId(0), &mangled, world.now);
        let _ = world.relay.add_leg(call(1), LegId(1), &text, world.now);
        world.run(Duration::from_millis(100));
        prop_assert_eq!(world.relay.stats().contained_panics, 0);
    }
}
