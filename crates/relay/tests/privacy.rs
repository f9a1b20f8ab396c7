//! Privacy between legs: no address, host name or CNAME of one leg reaches another.

mod common;

use common::{World, call, relay_addr};
use std::{net::SocketAddr, time::Duration};
use telcon_relay::LegId;

/// The encodings of an address in packets and SDP, and the device's CNAME.
fn encodings(addr: SocketAddr) -> Vec<Vec<u8>> {
    let SocketAddr::V4(v4) = addr else { panic!("the simulation uses IPv4") };
    let octets = v4.ip().octets();
    let magic = [0x21, 0x12, 0xa4, 0x42];
    let mapped: Vec<u8> = octets.iter().zip(magic).map(|(a, b)| a ^ b).collect();
    vec![v4.ip().to_string().into_bytes(), octets.to_vec(), mapped, format!("device-at-{}", v4.ip()).into_bytes()]
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|w| w == needle)
}

#[test]
fn no_address_or_name_of_one_leg_reaches_another() {
    let mut world = World::default();
    world.open(1);
    let mut answers = Vec::new();
    for leg in 0..3u64 {
        let (mut device, offer) = common::Device::new(world.now, World::addr_of(leg as usize));
        assert!(contains(offer.as_bytes(), &encodings(device.addr)[0]), "the offer contains its own address");
        assert!(contains(offer.as_bytes(), &encodings(device.addr)[3]), "and its own CNAME");
        let answer = world.relay.add_leg(call(1), LegId(leg), &offer, world.now).unwrap();
        device.accept(&answer);
        world.devices.push(device);
        answers.push(answer);
    }
    world.connect();
    // Long enough for several RTCP reports of each stream, which contain CNAMEs (RFC 3550 section 6.5.1).
    for _ in 0..20 {
        for device in 0..3 {
            world.send_media(device, 10);
        }
    }
    world.run(Duration::from_secs(12));
    for device in 0..3 {
        world.send_media(device, 2);
    }
    for (me, answer) in answers.iter().enumerate() {
        for other in (0..3).filter(|o| *o != me) {
            for form in encodings(World::addr_of(other)) {
                let to_me = world.wire.iter().filter(|(_, dst, _)| *dst == World::addr_of(me));
                let mut count = 0;
                for (src, _, bytes) in to_me {
                    count += 1;
                    assert_eq!(*src, relay_addr(), "devices receive from the relay only");
                    // Ciphertext may contain any four bytes; unencrypted addresses occur only in STUN attributes.
                    if form.len() > 4 || bytes[0] < 2 {
                        assert!(!contains(bytes, &form));
                    }
                }
                assert!(count > 400, "there was traffic to inspect");
                if form.len() > 4 {
                    assert!(!contains(answer.as_bytes(), &form));
                }
            }
            // CNAMEs inside encrypted RTCP.
            let cnames = &world.devices[me].cnames;
            assert!(!cnames.is_empty(), "reports with CNAMEs were received");
            assert!(cnames.iter().all(|n| !n.contains(&World::addr_of(other).ip().to_string())));
        }
        let candidates: Vec<_> = answer.lines().filter(|l| l.starts_with("a=candidate:")).collect();
        assert!(!candidates.is_empty() && candidates.iter().all(|c| c.contains("203.0.113.1 3478")));
    }
    // Receivers never see a sender's SSRC.
    for sender in 0..3 {
        let mid = world.devices[sender].sending;
        let ssrc = *world.devices[sender].rtc.direct_api().stream_tx_by_mid(mid, None).unwrap().ssrc();
        assert!(world.devices.iter().flat_map(|d| &d.received).all(|r| r.ssrc != ssrc));
    }
}
