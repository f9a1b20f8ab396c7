//! Identifiers of ICE-TCP connections (RFC 6544).
//!
//! The engine identifies a path by a socket address. A TCP connection is represented by an address from the
//! discard-only prefix 100::/64 (RFC 6666), which is not routed, so it never collides with the source of a datagram.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// First 64 bits of `100::/64`.
const PREFIX: u64 = 0x0100 << 48;

/// A TCP connection to the relay, numbered by the driver. Numbers are never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TcpConnId(pub u64);

impl TcpConnId {
    /// The placeholder address of this connection.
    pub fn address(self) -> SocketAddr {
        let bits = u128::from(PREFIX) << 64 | u128::from(self.0);
        SocketAddr::new(IpAddr::V6(Ipv6Addr::from_bits(bits)), 0)
    }

    /// The connection that an address stands for; `None` for the address of a datagram.
    pub fn from_address(address: SocketAddr) -> Option<Self> {
        let IpAddr::V6(ip) = address.ip() else { return None };
        let bits = ip.to_bits();
        ((bits >> 64) as u64 == PREFIX).then_some(Self(bits as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholder_addresses_round_trip_and_match_no_other_address() {
        for number in [0, 1, u64::MAX] {
            assert_eq!(TcpConnId::from_address(TcpConnId(number).address()), Some(TcpConnId(number)));
        }
        for other in ["192.0.2.1:9", "[2001:db8::1]:9", "[::ffff:1.0.0.0]:9", "[100:0:0:1::1]:9"] {
            assert_eq!(TcpConnId::from_address(other.parse().unwrap()), None);
        }
    }
}
