//! The proxies in front of the server whose `X-Forwarded-For` is believed.

use axum::http::HeaderMap;
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

/// Entries of `X-Forwarded-For` that are looked at, newest first: more hops than any honest chain of proxies has.
const MAX_HOPS: usize = 16;

/// A network in CIDR notation, such as `10.1.0.0/16` or `2001:db8::/32`; an address stands for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    base: IpAddr,
    prefix: u8,
}

/// Why a text is not a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a network: write an address, or one with a prefix such as 10.1.0.0/16 or 2001:db8::/32, without host bits"
)]
pub struct NetworkError;

impl Network {
    /// Whether the address is in it. An IPv4 address written as IPv6 is the IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.base, address.to_canonical()) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                masked(base.to_bits().into(), 32, self.prefix) == masked(address.to_bits().into(), 32, self.prefix)
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                masked(base.to_bits(), 128, self.prefix) == masked(address.to_bits(), 128, self.prefix)
            }
            _ => false,
        }
    }
}

/// The first `prefix` of `width` bits.
fn masked(bits: u128, width: u32, prefix: u8) -> u128 {
    bits.checked_shr(width - u32::from(prefix)).unwrap_or(0)
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let base: IpAddr = address.parse().map_err(|_| NetworkError)?;
        let width = if base.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(width), str::parse).map_err(|_| NetworkError)?;
        if prefix > width {
            return Err(NetworkError);
        }
        let bits: u128 = match base {
            IpAddr::V4(v4) => v4.to_bits().into(),
            IpAddr::V6(v6) => v6.to_bits(),
        };
        // A base with host bits is a typing error: it would match another network than the one meant.
        if bits.trailing_zeros() < u32::from(width - prefix) && bits != 0 {
            return Err(NetworkError);
        }
        Ok(Self { base, prefix })
    }
}

/// The networks of the proxies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedProxies(Vec<Network>);

impl Default for TrustedProxies {
    /// Proxies on this machine.
    fn default() -> Self {
        Self(vec![
            Network { base: Ipv4Addr::new(127, 0, 0, 0).into(), prefix: 8 },
            Network { base: Ipv6Addr::LOCALHOST.into(), prefix: 128 },
        ])
    }
}

impl TrustedProxies {
    /// These networks, and no other.
    pub fn new(networks: Vec<Network>) -> Self {
        Self(networks)
    }

    /// Whether the address is a proxy's.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    /// The client's address. A proxy names its client in the last entry of `X-Forwarded-For`; if that is a trusted proxy as
    /// well, the entry before it counts, and so on. The header of anybody else is ignored.
    pub(super) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer;
        let values = headers.get_all("x-forwarded-for").iter().rev();
        let entries = values.flat_map(|value| value.to_str().unwrap_or("?").rsplit(','));
        for entry in entries.take(MAX_HOPS) {
            if !self.contains(client) {
                break;
            }
            client = parse_address(entry.trim()).unwrap_or(UNPARSABLE_ADDRESS);
        }
        client
    }
}

/// Parses an address as proxies write it: bare, in brackets, or with a port.
fn parse_address(entry: &str) -> Option<IpAddr> {
    let bare = entry.trim_start_matches('[').trim_end_matches(']');
    bare.parse().ok().or_else(|| entry.parse::<std::net::SocketAddr>().ok().map(|address| address.ip()))
}

/// Clients whose forwarded address cannot be parsed are counted together, here.
const UNPARSABLE_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn trusting(networks: &[&str]) -> TrustedProxies {
        TrustedProxies::new(networks.iter().map(|text| text.parse().unwrap()).collect())
    }

    fn forwarded(values: &[&str]) -> HeaderMap {
        values.iter().map(|value| ("x-forwarded-for".parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn networks_are_read_and_matched() {
        let inside = |network: &str, address: &str| network.parse::<Network>().unwrap().contains(at(address));
        assert!(inside("10.1.0.0/16", "10.1.255.3") && !inside("10.1.0.0/16", "10.2.0.1"));
        assert!(inside("10.1.2.3", "10.1.2.3") && !inside("10.1.2.3", "10.1.2.4"));
        assert!(inside("10.1.2.0/24", "::ffff:10.1.2.9"), "an IPv4 address written as IPv6");
        assert!(inside("2001:db8::/32", "2001:db8:ffff::1") && !inside("2001:db8::/32", "2001:db9::1"));
        assert!(
            inside("0.0.0.0/0", "203.0.113.1") && !inside("0.0.0.0/0", "2001:db8::1") && inside("::/0", "2001:db8::1")
        );
        for bad in [
            "",
            "10.1.0.0/33",
            "10.1.0.1/16",
            "10.1.0.0/-1",
            "10.1.0.0/",
            "2001:db8::/129",
            "2001:db8::1/64",
            "proxy",
            "1.0.0.0/0",
        ] {
            assert_eq!(bad.parse::<Network>(), Err(NetworkError), "{bad}");
        }
    }

    #[test]
    fn only_trusted_proxies_may_forward_addresses() {
        let both = forwarded(&["203.0.113.9, 198.51.100.7"]);
        let local = TrustedProxies::default();
        assert_eq!(local.client(at("127.0.0.1"), &both), at("198.51.100.7"), "the entry that the proxy wrote itself");
        assert_eq!(local.client(at("192.0.2.1"), &both), at("192.0.2.1"));
        let container = trusting(&["172.18.0.0/16"]);
        assert_eq!(container.client(at("172.18.0.5"), &both), at("198.51.100.7"));
        assert_eq!(container.client(at("::ffff:172.18.0.5"), &both), at("198.51.100.7"));
        assert_eq!(container.client(at("127.0.0.1"), &both), at("127.0.0.1"), "named proxies only");
        let chain = trusting(&["172.18.0.0/16", "198.51.100.7"]);
        assert_eq!(chain.client(at("172.18.0.5"), &both), at("203.0.113.9"), "a proxy behind a proxy");
        assert_eq!(
            chain.client(at("172.18.0.5"), &forwarded(&["6.6.6.6, 203.0.113.9", "198.51.100.7"])),
            at("203.0.113.9")
        );
        assert_eq!(chain.client(at("172.18.0.5"), &HeaderMap::new()), at("172.18.0.5"));
        let long = vec!["198.51.100.7"; 10_000].join(",");
        assert_eq!(chain.client(at("172.18.0.5"), &forwarded(&[&long])), at("198.51.100.7"));
        for (entry, address) in [
            ("203.0.113.9:4711", "203.0.113.9"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:9", "2001:db8::1"),
            ("unknown", "0.0.0.0"),
        ] {
            assert_eq!(local.client(at("127.0.0.1"), &forwarded(&[entry])), at(address), "{entry}");
        }
    }
}
