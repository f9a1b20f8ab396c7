//! Limits of one relay, with their reasons. Limits that both ends must know are in [`telcon_proto::limits`].

use std::{
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

pub use telcon_proto::limits::{MAX_FRAME_BYTES, MAX_MEMBERS, MAX_SDP_BYTES, RECEIVE_SLOTS};

/// Most calls of one relay at a moment. A call costs what its legs cost; this only bounds what a broken switchboard
/// could ask for.
pub const MAX_CALLS: usize = 4_096;
/// Most legs of one call: [`MAX_MEMBERS`] devices, and for each of two principals a second one while it takes over.
pub const MAX_LEGS_PER_CALL: usize = MAX_MEMBERS + 2;
/// Most legs of one relay: `make bench-peers` measures what each takes.
pub const MAX_LEGS: usize = 8_192;
/// Most threads of one relay. Each needs a port.
pub const MAX_WORKERS: usize = 64;
/// Largest datagram that is looked at, bytes. An Ethernet frame carries no more, and an honest packet is
/// [`MAX_FRAME_BYTES`] and 28 bytes of RTP header and SRTP tag.
pub const MAX_DATAGRAM_BYTES: usize = 1_500;
/// Smallest datagram that is looked at, bytes: an RTP header. STUN, DTLS and SRTCP are all longer.
pub const MIN_DATAGRAM_BYTES: usize = 12;
/// Authenticated media packets of one leg that are forwarded per second, sustained. Speech is 50 (20 ms frames), or
/// 100 with 10 ms frames; every packet is multiplied by the other legs, so this is the relay's amplification bound.
pub const MEDIA_PACKETS_PER_SECOND: u32 = 120;
/// Media packets that a leg may send at once: two seconds of sound after a stall of the sender's network.
pub const MEDIA_BURST: u32 = 240;
/// Datagrams from one leg's addresses that are examined per second, sustained, before authentication. Sources can be
/// forged, so it is well above what a leg may send: a forger has to send more than this to get in its way.
pub const LEG_DATAGRAMS_PER_SECOND: u32 = 1_000;
/// Datagrams from one leg's addresses that are examined at once.
pub const LEG_DATAGRAM_BURST: u32 = 2_000;
/// Connectivity checks in the name of one leg that are examined per second, sustained. A browser sends about twenty for
/// each of its addresses while it connects. They have a limit of their own, so that whoever read a leg's user name off
/// the network cannot use up what its sound needs.
pub const STUN_PER_SECOND: u32 = 200;
/// Connectivity checks that are examined at once.
pub const STUN_BURST: u32 = 400;
/// How long media from an address says that the device is there, whatever its connectivity checks say.
pub const MEDIA_PATH_FRESH: Duration = Duration::from_secs(1);
/// Time between two reports to a device that sends or is sent to. Error correction follows the loss that they tell of.
pub const REPORT_EVERY: Duration = Duration::from_secs(2);
/// Source addresses remembered for one leg: the paths of a phone that walks from Wi-Fi to mobile, IPv4 and IPv6.
pub const MAX_ADDRESSES_PER_LEG: usize = 8;
/// How long a leg may take from its offer to the end of the DTLS handshake. Legs are made while it rings, so that is
/// how long the network may need; afterwards the device offers again.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a leg whose device sends nothing at all is kept. Long enough for a tunnel or a change of networks, short
/// enough that the switchboard can tell the other side within the call's own grace period.
pub const SILENCE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long an address stays with its leg without an authenticated packet, before another leg may claim it. A device
/// that starts again can get its old port back.
pub const ADDRESS_STALE_AFTER: Duration = Duration::from_secs(5);
/// Most TCP connections of one thread. They are for those whose network lets no UDP through, which is few.
pub const MAX_LINKS: usize = 1_024;
/// Most TCP connections from one subscriber ([`subscriber`]): people behind one hotel's router.
pub const MAX_LINKS_PER_ADDRESS: usize = 64;
/// How long a TCP connection may take until a leg's password is proven over it. One that belongs to no leg any more ends too.
pub const LINK_PROVES_WITHIN: Duration = Duration::from_secs(10);
/// Bytes that may wait for a TCP connection that is slow, a second of three speakers. What finds no room is lost, as it
/// would be over UDP.
pub const MAX_LINK_QUEUE_BYTES: usize = 24 * 1024;
/// How long nothing may be heard of a connected device before the switchboard is told. Devices send sound at a
/// constant rate; a browser in the background still renews its ICE consent every few seconds (RFC 7675).
pub const INTERRUPTED_AFTER: Duration = Duration::from_secs(6);

/// What one subscriber has: an IPv4 address, or an IPv6 network of 64 bits.
pub fn subscriber(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) if !v6.is_loopback() => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        other => other,
    }
}
