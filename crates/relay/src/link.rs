//! TCP connections as the engine knows them (RFC 6544): paths that have a number, where UDP has an address.
//!
//! To the engine a path is an address. A connection gets one of the discard-only prefix (RFC 6666), from which no
//! datagram comes and to which none goes, so that the number is all that it says.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// First 64 bits of `100::/64`.
const PREFIX: u64 = 0x0100 << 48;

/// A TCP connection to the relay, as the driver numbers it. Never used for two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

impl LinkId {
    /// What stands for it where the path of a datagram has an address.
    pub fn address(self) -> SocketAddr {
        let bits = u128::from(PREFIX) << 64 | u128::from(self.0);
        SocketAddr::new(IpAddr::V6(Ipv6Addr::from_bits(bits)), 0)
    }

    /// The connection that an address stands for, if it is none of a datagram.
    pub fn of(address: SocketAddr) -> Option<Self> {
        let IpAddr::V6(ip) = address.ip() else { return None };
        let bits = ip.to_bits();
        ((bits >> 64) as u64 == PREFIX).then_some(Self(bits as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_known_by_an_address_of_its_own() {
        for number in [0, 1, u64::MAX] {
            assert_eq!(LinkId::of(LinkId(number).address()), Some(LinkId(number)));
        }
        for other in ["192.0.2.1:9", "[2001:db8::1]:9", "[::ffff:1.0.0.0]:9", "[100:0:0:1::1]:9"] {
            assert_eq!(LinkId::of(other.parse().unwrap()), None);
        }
    }
}
