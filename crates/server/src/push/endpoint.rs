//! Which addresses the server connects to in order to send push messages. They come from devices: none may lead the server to a
//! program inside its own network.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};
use telcon_proto::limits::MAX_PUSH_ENDPOINT_BYTES;
use url::{Host, Position, Url};

/// Port of push services that the operator did not name.
const HTTPS_PORT: u16 = 443;

/// Why an address is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// It is too long.
    #[error("the address of the subscription is longer than {MAX_PUSH_ENDPOINT_BYTES} bytes")]
    TooLong,
    /// It is no address of a push service.
    #[error("the address of the subscription must be an https address at port 443, without a user name or a fragment")]
    Form,
    /// It is in a network of its own.
    #[error(
        "the push service has no public address: the server's operator has to name it, see `telcon serve --push-service`"
    )]
    Private,
}

/// A push service that the operator named: it may be in a private network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushService {
    origin: String,
}

/// Why a push service cannot be named so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a push service is named by its origin, such as https://push.office.example:8443; http only on loopback")]
pub struct PushServiceError;

impl FromStr for PushService {
    type Err = PushServiceError;

    fn from_str(text: &str) -> Result<Self, PushServiceError> {
        let url = Url::parse(text).map_err(|_| PushServiceError)?;
        let loopback = match url.host() {
            Some(Host::Ipv4(at)) => at.is_loopback(),
            Some(Host::Ipv6(at)) => at.is_loopback(),
            _ => false,
        };
        let origin = url.origin().ascii_serialization();
        let plain = url.path() == "/" && url.query().is_none() && url.fragment().is_none() && has_no_user(&url);
        let encrypted = url.scheme() == "https" || (url.scheme() == "http" && loopback);
        if plain && encrypted { Ok(Self { origin }) } else { Err(PushServiceError) }
    }
}

impl fmt::Display for PushService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin)
    }
}

/// The push services named by the operator.
#[derive(Clone, Debug, Default)]
pub struct Services(Vec<PushService>);

impl Services {
    /// These.
    pub fn new(named: Vec<PushService>) -> Self {
        Self(named)
    }

    fn names(&self, url: &Url) -> bool {
        let origin = url.origin().ascii_serialization();
        self.0.iter().any(|service| service.origin == origin)
    }
}

fn has_no_user(url: &Url) -> bool {
    url.username().is_empty() && url.password().is_none()
}

/// Address of a subscription that was checked. What it resolves to is checked when it is connected to ([`Endpoint::may_reach`]).
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    url: Url,
    /// The operator named its service.
    named: bool,
}

impl Endpoint {
    /// Checks an address.
    ///
    /// # Errors
    /// If the server does not connect to it.
    pub fn parse(text: &str, services: &Services) -> Result<Self, EndpointError> {
        if text.len() > MAX_PUSH_ENDPOINT_BYTES {
            return Err(EndpointError::TooLong);
        }
        let url = Url::parse(text).map_err(|_| EndpointError::Form)?;
        let named = services.names(&url);
        // It becomes the target of a request: percent-encoding may not make it longer without limit.
        let form = has_no_user(&url) && url.fragment().is_none() && url.as_str().len() <= 3 * MAX_PUSH_ENDPOINT_BYTES;
        let public_service = url.scheme() == "https" && url.port_or_known_default() == Some(HTTPS_PORT);
        if !form || !(named || public_service) {
            return Err(EndpointError::Form);
        }
        let endpoint = Self { url, named };
        let literal = match endpoint.url.host().ok_or(EndpointError::Form)? {
            Host::Domain(_) => None,
            Host::Ipv4(at) => Some(IpAddr::V4(at)),
            Host::Ipv6(at) => Some(IpAddr::V6(at)),
        };
        match literal {
            Some(at) if !endpoint.may_reach(at) => Err(EndpointError::Private),
            _ => Ok(endpoint),
        }
    }

    /// Whether the server may connect to this address of the push service.
    pub fn may_reach(&self, at: IpAddr) -> bool {
        self.named || is_public(at)
    }

    /// Whether the connection is encrypted. Only a service on loopback that the operator named has none.
    pub(super) fn is_encrypted(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// Name or address of the host, as a URL has it.
    pub(super) fn host(&self) -> String {
        match self.url.host() {
            Some(Host::Ipv6(at)) => at.to_string(),
            Some(host) => host.to_string(),
            None => String::new(),
        }
    }

    pub(super) fn port(&self) -> u16 {
        self.url.port_or_known_default().unwrap_or(HTTPS_PORT)
    }

    /// Scheme, host and port.
    pub(super) fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// Value of the header `Host`.
    pub(super) fn authority(&self) -> &str {
        // Without a user name, which was checked.
        self.url.authority()
    }

    /// Path and query.
    pub(super) fn target(&self) -> &str {
        &self.url[Position::BeforePath..Position::AfterQuery]
    }
}

/// Whether an address is one of the public Internet (IANA's special-purpose registries).
fn is_public(at: IpAddr) -> bool {
    match at {
        IpAddr::V4(at) => is_public_v4(at),
        IpAddr::V6(at) => is_public_v6(at),
    }
}

fn is_public_v4(at: Ipv4Addr) -> bool {
    let [a, b, c, _] = at.octets();
    let special = at.is_private()
        || at.is_loopback()
        || at.is_link_local()
        || at.is_broadcast()
        || at.is_documentation()
        || at.is_multicast()
        || a == 0
        // Shared address space of carriers.
        || (a == 100 && b & 0xc0 == 64)
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        // Benchmarks.
        || (a == 198 && b & 0xfe == 18)
        || a >= 240;
    !special
}

fn is_public_v6(at: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, g, h] = at.segments();
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match (a, b) {
        // NAT64: the IPv4 address that it stands for.
        (0x64, 0xff9b) if [c, d, e, f] == [0; 4] => v4(g, h),
        // 6to4.
        (0x2002, _) => v4(b, c),
        // Teredo, benchmarks, ORCHID and others of the protocols themselves; documentation.
        (0x2001, b) if b < 0x200 || b == 0xdb8 => false,
        (0x3fff, b) if b < 0x1000 => false,
        // Only this eighth of all addresses is assigned.
        (a, _) => a & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Endpoint, EndpointError> {
        Endpoint::parse(text, &Services::default())
    }

    #[test]
    fn addresses_of_public_push_services_are_accepted() {
        for good in [
            "https://fcm.googleapis.com/fcm/send/abc:def",
            "https://updates.push.services.mozilla.com/wpush/v2/gAAA",
            "https://web.push.apple.com/QPz",
            "https://fcm.googleapis.com:443/x",
            "https://8.8.8.8/x",
            "https://[2a00:1450:4001:82a::200a]/x",
        ] {
            assert!(parse(good).is_ok(), "{good}");
        }
        let endpoint = parse("https://push.example/a%2Fb?c=d").unwrap();
        assert_eq!((endpoint.target(), endpoint.port()), ("/a%2Fb?c=d", 443));
        assert_eq!((endpoint.origin().as_str(), endpoint.authority()), ("https://push.example", "push.example"));
    }

    #[test]
    fn an_address_that_is_no_push_services_is_refused() {
        for bad in [
            "http://push.example/x",
            "ftp://push.example/x",
            "file:///etc/passwd",
            "https://user@push.example/x",
            "https://user:secret@push.example/x",
            "https://push.example/x#fragment",
            "https://push.example:8080/x",
            "https://push.example:22/x",
            "//push.example/x",
            "",
            "javascript:alert(1)",
        ] {
            assert_eq!(parse(bad).err(), Some(EndpointError::Form), "{bad}");
        }
        let long = format!("https://push.example/{}", "x".repeat(MAX_PUSH_ENDPOINT_BYTES));
        assert_eq!(parse(&long).err(), Some(EndpointError::TooLong));
    }

    #[test]
    fn an_address_inside_a_network_is_refused_in_every_spelling() {
        for bad in [
            "https://127.0.0.1/x",
            "https://127.1/x",
            "https://2130706433/x",
            "https://0x7f000001/x",
            "https://0177.0.0.1/x",
            "https://0.0.0.0/x",
            "https://10.1.2.3/x",
            "https://172.16.0.1/x",
            "https://192.168.1.1/x",
            "https://169.254.169.254/latest/meta-data",
            "https://100.64.0.1/x",
            "https://198.18.0.1/x",
            "https://224.0.0.1/x",
            "https://255.255.255.255/x",
            "https://[::1]/x",
            "https://[::]/x",
            "https://[::ffff:127.0.0.1]/x",
            "https://[::ffff:10.0.0.1]/x",
            "https://[fe80::1]/x",
            "https://[fd00::1]/x",
            "https://[fec0::1]/x",
            "https://[ff02::1]/x",
            "https://[64:ff9b::127.0.0.1]/x",
            "https://[64:ff9b::10.0.0.1]/x",
            "https://[64:ff9b:1::8.8.8.8]/x",
            "https://[2002:7f00:1::]/x",
            "https://[2001:0:1::]/x",
            "https://[2001:db8::1]/x",
        ] {
            assert_eq!(parse(bad).err(), Some(EndpointError::Private), "{bad}");
        }
    }

    #[test]
    fn what_a_name_resolves_to_is_checked_as_well() {
        let endpoint = parse("https://push.example/x").unwrap();
        for (at, public) in
            [("93.184.216.34", true), ("127.0.0.1", false), ("10.0.0.1", false), ("::1", false), ("2606:4700::1", true)]
        {
            assert_eq!(endpoint.may_reach(at.parse().unwrap()), public, "{at}");
        }
    }

    #[test]
    fn a_service_that_the_operator_names_may_be_in_a_private_network() {
        let named = |text: &str| text.parse::<PushService>();
        let services = Services::new(vec![
            named("http://127.0.0.1:9000").unwrap(),
            named("https://push.office.example:8443").unwrap(),
        ]);
        let accepted = |text| Endpoint::parse(text, &services);
        assert_eq!(accepted("http://127.0.0.1:9000/x").unwrap().authority(), "127.0.0.1:9000");
        assert!(accepted("http://127.0.0.1:9000/x").unwrap().may_reach(Ipv4Addr::LOCALHOST.into()));
        assert!(accepted("https://push.office.example:8443/x").unwrap().may_reach(Ipv4Addr::new(10, 0, 0, 1).into()));
        // Another port, scheme or host is another service.
        assert_eq!(accepted("http://127.0.0.1:9001/x").err(), Some(EndpointError::Form));
        assert_eq!(accepted("https://127.0.0.1/x").err(), Some(EndpointError::Private));
        let other = accepted("https://push.office.example/x").unwrap();
        assert!(!other.may_reach(Ipv4Addr::new(10, 0, 0, 1).into()));
        for bad in
            ["http://10.0.0.1:80", "http://push.office.example", "https://a.example/path", "https://u@a.example", "a"]
        {
            assert_eq!(named(bad), Err(PushServiceError), "{bad}");
        }
    }
}
