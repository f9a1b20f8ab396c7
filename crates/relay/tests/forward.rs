//! Forwarding: the other legs of the same call receive what one leg sends; no other leg does.

mod common;

use common::{Device, World, call};
use std::time::Duration;
use telcon_relay::{LegEnd, LegId, OfferError, OpenedCall, Refused, RelayError, RelayEvent};

#[test]
fn payloads_are_forwarded_unchanged() {
    let mut world = World::with_call(2);
    let first = world.send_media(0, 100);
    let second = world.send_media(1, 100);
    assert_eq!(world.payloads(1), first);
    assert_eq!(world.payloads(0), second);
    let stats = world.relay.stats();
    assert_eq!((stats.media_in, stats.media_forwarded), (200, 200));
    assert_eq!(stats.contained_panics, 0);
}

#[test]
fn each_sender_has_its_own_slot() {
    let mut world = World::with_call(3);
    let mut sent = vec![Vec::new(); 3];
    for _ in 0..40 {
        for (device, sent) in sent.iter_mut().enumerate() {
            sent.extend(world.send_media(device, 1));
        }
    }
    for listener in 0..3 {
        for speaker in (0..3).filter(|s| *s != listener) {
            let slot = world.relay.slot_of(LegId(listener as u64), LegId(speaker as u64)).unwrap();
            let received: Vec<_> =
                world.devices[listener].received.iter().filter(|r| r.slot == slot).map(|r| r.payload.clone()).collect();
            assert_eq!(received, sent[speaker], "from {speaker} to {listener}");
        }
        assert_eq!(world.payloads(listener).len(), 80);
    }
}

#[test]
fn packet_loss_and_timestamps_are_preserved() {
    let mut world = World::with_call(2);
    for skip in [0, 0, 3, 0, 1, 0] {
        let now = world.now;
        world.devices[0].send_media(now, b"frame", skip);
        world.run(Duration::from_millis(20));
    }
    world.run(Duration::from_millis(50));
    let received = &world.devices[1].received;
    let steps: Vec<u64> = received.windows(2).map(|w| w[1].sequence - w[0].sequence).collect();
    assert_eq!(steps, [1, 4, 1, 2, 1]);
    let last = received.last().unwrap();
    assert_eq!(last.timestamp, (world.devices[0].sent_sequence() as u32).wrapping_mul(960));
    assert!(received[0].marker && !received[1].marker);
}

#[test]
fn a_call_that_is_not_opened_has_no_legs() {
    let mut world = World::default();
    assert_eq!(world.join(1, 0).unwrap_err(), RelayError::Refused(Refused::NotOpened));
    assert_eq!(world.relay.stats().legs, 0);
    // A device that sends to the relay without a leg reaches nobody.
    world.open(2);
    world.join(2, 5).unwrap();
    let src = World::addr_of(7);
    world.inject(src, common::relay_addr(), vec![0x80; 60]);
    world.connect();
    let stats = world.relay.stats();
    assert_eq!((stats.media_forwarded, stats.dropped_unknown_source), (0, 1));
}

#[test]
fn a_call_is_opened_by_one_log_entry() {
    let mut world = World::default();
    world.open(1);
    assert_eq!(world.relay.open_call(OpenedCall { call: call(1), log_index: 1 }), Ok(()));
    let other = world.relay.open_call(OpenedCall { call: call(1), log_index: 9 });
    assert_eq!(other, Err(RelayError::Refused(Refused::OtherEntry)));
}

#[test]
fn closing_a_call_ends_its_legs_and_refuses_new_ones() {
    let mut world = World::with_call(2);
    assert!(world.relay.close_call(call(1)));
    assert!(!world.relay.close_call(call(1)));
    world.run(Duration::from_millis(100));
    assert!(world.devices.iter().all(|d| d.closed), "devices receive close_notify");
    assert_eq!(world.relay.stats().legs, 0);
    world.devices.clear();
    assert_eq!(world.join(1, 2).unwrap_err(), RelayError::Refused(Refused::NotOpened));
}

#[test]
fn legs_of_another_call_receive_nothing() {
    let mut world = World::with_call(2);
    world.open(2);
    world.join(2, 10).unwrap();
    world.join(2, 11).unwrap();
    world.connect();
    world.send_media(0, 100);
    assert_eq!(world.payloads(1).len(), 100);
    assert!(world.payloads(2).is_empty() && world.payloads(3).is_empty());
    let (_, offer) = Device::new(world.now, World::addr_of(9));
    let moved = world.relay.add_leg(call(2), LegId(0), &offer, world.now);
    assert_eq!(moved, Err(RelayError::Refused(Refused::OtherCall)));
}

#[test]
fn a_slot_is_freed_and_the_next_leg_continues_its_stream() {
    let mut world = World::default();
    world.open(1);
    // The receiver has one slot.
    let (device, offer) = Device::with_slots(world.now, World::addr_of(0), 1);
    world.join_with(1, 0, device, &offer).unwrap();
    world.join(1, 1).unwrap();
    world.join(1, 2).unwrap();
    world.connect();
    let first = world.send_media(1, 10);
    world.send_media(2, 5);
    assert_eq!(world.payloads(0), first, "no slot for the third leg");
    assert_eq!(world.relay.stats().dropped_no_slot, 5);

    assert!(world.relay.remove_leg(LegId(1)));
    assert_eq!(world.relay.slot_of(LegId(0), LegId(1)), None);
    world.run(Duration::from_secs(1));
    let second = world.send_media(2, 10);
    let received = &world.devices[0].received;
    assert_eq!(received.len(), 20);
    assert_eq!(world.payloads(0)[10..], second);
    let numbers: Vec<u64> = received.windows(2).map(|w| w[1].sequence - w[0].sequence).collect();
    assert!(numbers.iter().all(|n| *n == 1), "one continuous stream: {numbers:?}");
    assert!(received.iter().all(|r| r.ssrc == received[0].ssrc));
    assert!(received[10].marker);
    let pause = received[10].timestamp.wrapping_sub(received[9].timestamp);
    assert!((48_000..480_000).contains(&pause), "the timestamp accounts for the pause: {pause}");
}

#[test]
fn a_new_offer_replaces_the_leg_and_keeps_its_slots() {
    let mut world = World::with_call(3);
    world.send_media(0, 3);
    world.send_media(1, 3);
    let slot = world.relay.slot_of(LegId(2), LegId(1)).unwrap();
    let own = world.relay.slot_of(LegId(1), LegId(0)).unwrap();
    // Device 1 restarts: another peer connection, another port.
    world.devices[1].connected = false;
    let (mut device, offer) = Device::new(world.now, "192.0.2.2:50001".parse().unwrap());
    let answer = world.relay.add_leg(call(1), LegId(1), &offer, world.now).unwrap();
    device.accept(&answer);
    world.devices[1] = device;
    world.connect();
    assert_eq!(world.relay.slot_of(LegId(1), LegId(0)), Some(own));
    let sent = world.send_media(1, 20);
    assert_eq!(world.relay.slot_of(LegId(2), LegId(1)), Some(slot));
    assert_eq!(world.payloads(2)[6..], sent);
    let received: Vec<_> = world.devices[2].received.iter().filter(|r| r.slot == slot).collect();
    assert!(received.windows(2).all(|w| w[1].sequence == w[0].sequence + 1));
    assert_eq!(world.relay.stats().legs, 3);
}

#[test]
fn an_ice_restart_continues_the_same_leg() {
    let mut world = World::with_call(2);
    world.send_media(0, 3);
    let mut api = world.devices[0].rtc.sdp_api();
    api.ice_restart(true);
    let (offer, pending) = api.apply().unwrap();
    let answer = world.relay.add_leg(call(1), LegId(0), &offer.to_sdp_string(), world.now).unwrap();
    world.devices[0].pending = Some(pending);
    world.devices[0].accept(&answer);
    world.run(Duration::from_secs(2));
    let sent = world.send_media(0, 10);
    assert_eq!(world.payloads(1)[3..], sent);
    assert_eq!(world.relay.stats().legs_opened, 2);
}

#[test]
fn an_unresponsive_device_is_interrupted_and_then_times_out() {
    let mut world = World::with_call(2);
    world.send_media(0, 3);
    world.events.clear();
    world.devices.remove(0);
    world.run(Duration::from_secs(10));
    assert_eq!(world.events, [RelayEvent::LegInterrupted { call: call(1), leg: LegId(0) }]);
    let (forwarded, old_address) = (world.relay.stats().media_forwarded, World::addr_of(0));
    world.wire.clear();
    world.send_media(0, 5);
    assert_eq!(world.relay.stats().media_forwarded, forwarded, "nothing is sent to an interrupted leg");
    assert_eq!(world.relay.stats().dropped_not_connected, 5);
    assert!(world.wire.iter().all(|(_, dst, _)| *dst != old_address));
    world.run(Duration::from_secs(30));
    assert_eq!(world.events[1..], [RelayEvent::LegGone { call: call(1), leg: LegId(0), why: LegEnd::TimedOut }]);
    assert_eq!(world.relay.slot_of(LegId(1), LegId(0)), None);
    assert_eq!(world.relay.stats().legs, 1);
}

#[test]
fn an_interrupted_device_resumes() {
    let mut world = World::with_call(2);
    world.send_media(0, 3);
    world.events.clear();
    let unresponsive = world.devices.remove(0);
    world.run(Duration::from_secs(8));
    world.devices.insert(0, unresponsive);
    world.run(Duration::from_secs(4));
    let expected = [
        RelayEvent::LegInterrupted { call: call(1), leg: LegId(0) },
        RelayEvent::LegConnected { call: call(1), leg: LegId(0) },
    ];
    assert_eq!(world.events, expected);
    let (first, second) = (world.send_media(0, 5), world.send_media(1, 5));
    assert_eq!(world.payloads(1)[3..], first);
    assert_eq!(world.payloads(0), second);
}

#[test]
fn a_leg_that_never_connects_is_ended() {
    let mut world = World::default();
    world.open(1);
    world.join(1, 0).unwrap();
    world.devices.clear();
    world.run(Duration::from_secs(31));
    let gone = RelayEvent::LegGone { call: call(1), leg: LegId(0), why: LegEnd::NeverConnected };
    assert_eq!(world.events, [gone]);
}

#[test]
fn close_notify_ends_a_leg_at_once() {
    let mut world = World::with_call(2);
    world.events.clear();
    world.devices[0].rtc.close().unwrap();
    world.run(Duration::from_millis(100));
    assert_eq!(world.events, [RelayEvent::LegGone { call: call(1), leg: LegId(0), why: LegEnd::Closed }]);
}

#[test]
fn answers_negotiate_constant_rate_opus_and_no_extension() {
    let mut world = World::default();
    world.open(1);
    let (_, offer) = Device::new(world.now, World::addr_of(0));
    assert!(offer.contains("ssrc-audio-level"), "the offer contains a header extension");
    let answer = world.relay.add_leg(call(1), LegId(0), &offer, world.now).unwrap();
    assert!(!answer.contains("extmap"), "{answer}");
    assert!(!answer.contains("rtcp-fb"), "{answer}");
    assert_eq!(answer.matches("a=rtpmap:").count(), 8);
    assert_eq!(answer.matches("opus/48000/2").count(), 8);
    assert_eq!(answer.matches(&telcon_relay::opus_parameters()).count(), 8);
    assert!(telcon_relay::opus_parameters().contains("cbr=1"));
    assert!(answer.contains("a=ice-lite"));
    let broken = world.relay.add_leg(call(1), LegId(1), "v=0\r\n", world.now);
    assert_eq!(broken, Err(RelayError::Offer(OfferError::Directions)));
}
