//! Limits of one relay, with their reasons. Limits that both ends must agree on are in [`telcon_proto::limits`].

use std::{
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

pub use telcon_proto::limits::{MAX_FRAME_BYTES, MAX_MEMBERS, MAX_SDP_BYTES, RECEIVE_SLOTS};

/// Maximum concurrent calls of one relay. A call costs no more than its legs; this bounds what a faulty switchboard can
/// request.
pub const MAX_CALLS: usize = 4_096;
/// Maximum legs of one call: [`MAX_MEMBERS`] devices, plus a second device for each of the two principals during a
/// handover.
pub const MAX_LEGS_PER_CALL: usize = MAX_MEMBERS + 2;
/// Maximum legs of one relay. `make bench-peers` measures the memory of each.
pub const MAX_LEGS: usize = 8_192;
/// Maximum worker threads of one relay. Each needs a port.
pub const MAX_WORKERS: usize = 64;
/// Largest accepted datagram, bytes: the Ethernet MTU. A well-formed packet has [`MAX_FRAME_BYTES`] and 28 bytes of RTP
/// header and SRTP tag.
pub const MAX_DATAGRAM_BYTES: usize = 1_500;
/// Smallest accepted datagram, bytes: an RTP header. STUN, DTLS and SRTCP are all longer.
pub const MIN_DATAGRAM_BYTES: usize = 12;
/// Sustained rate of authenticated media packets per leg, per second. Speech is 50 (20 ms frames) or 100 (10 ms
/// frames). Every packet is multiplied by the number of other legs, so this bounds the relay's amplification.
pub const MEDIA_PACKETS_PER_SECOND: u32 = 120;
/// Burst of media packets per leg: two seconds of speech after a stall of the sender's network.
pub const MEDIA_BURST: u32 = 240;
/// Sustained rate of datagrams from one leg's addresses that are processed before authentication, per second. Source
/// addresses can be spoofed, so this is well above the media rate: an attacker has to exceed it to displace the leg's
/// own packets.
pub const LEG_DATAGRAMS_PER_SECOND: u32 = 1_000;
/// Burst of datagrams per leg before authentication.
pub const LEG_DATAGRAM_BURST: u32 = 2_000;
/// Sustained rate of connectivity checks per leg, per second. A browser sends about twenty per candidate pair while it
/// connects. Separate from [`LEG_DATAGRAMS_PER_SECOND`], so that an on-path attacker who has read a leg's ICE user name
/// cannot exhaust the budget of its media.
pub const STUN_PER_SECOND: u32 = 200;
/// Burst of connectivity checks per leg.
pub const STUN_BURST: u32 = 400;
/// For how long media received from an address takes precedence over nominations of other addresses.
pub const MEDIA_PATH_FRESH: Duration = Duration::from_secs(1);
/// RTCP report interval. Senders adapt their forward error correction to the loss in these reports.
pub const REPORT_INTERVAL: Duration = Duration::from_secs(2);
/// Source addresses remembered per leg: IPv4 and IPv6 paths of a phone that moves between Wi-Fi and mobile networks.
pub const MAX_ADDRESSES_PER_LEG: usize = 8;
/// Time limit from a leg's offer to the end of its DTLS handshake. Legs are made while the call rings, so this is all
/// network time; afterwards the device sends a new offer.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// Liveness limit: a leg without any authenticated packet for this long is ended. Covers a tunnel or a network change,
/// and is short enough that the switchboard can inform the other side within the call's own grace period.
pub const LEG_TIMEOUT: Duration = Duration::from_secs(30);
/// How long an address stays bound to its leg without an authenticated packet before another leg may claim it. A
/// restarted device can get its previous port again.
pub const ADDRESS_STALE_AFTER: Duration = Duration::from_secs(5);
/// Maximum TCP connections per worker thread. TCP is the fallback for networks that block UDP, which are few.
pub const MAX_TCP_CONNS: usize = 1_024;
/// Maximum TCP connections per [`subscriber`]: people behind one hotel's NAT.
pub const MAX_TCP_CONNS_PER_SUBSCRIBER: usize = 64;
/// Time limit for a TCP connection to prove a leg's ICE password. Also the limit after its leg has ended.
pub const TCP_AUTH_TIMEOUT: Duration = Duration::from_secs(10);
/// Send queue of a slow TCP connection, bytes: one second of three speakers. Packets that do not fit are dropped, as
/// they would be by a congested UDP path.
pub const MAX_TCP_QUEUE_BYTES: usize = 24 * 1024;
/// Time without an authenticated packet from a connected device after which the switchboard is notified. Devices send
/// media at a constant rate; a browser in the background still renews ICE consent every few seconds (RFC 7675).
pub const INTERRUPTED_AFTER: Duration = Duration::from_secs(6);

/// The unit in which networks assign addresses to a subscriber: an IPv4 address, or an IPv6 /64.
pub fn subscriber(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) if !v6.is_loopback() => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        other => other,
    }
}
