//! SDP of the endpoints (RFC 8866, RFC 8829): offers and answers like those of a browser with one audio track, without
//! header extensions and RTCP feedback; and the parts of a server's description that are used.

use crate::relay::ice::Credentials;
use anyhow::{Context, Result, ensure};
use std::{fmt::Write, net::SocketAddr};

/// Payload type of Opus in offers.
pub const OPUS: u8 = 111;
/// Longest session description that is accepted, bytes.
const MAX_BYTES: usize = 64 * 1024;
/// Maximum number of media sections.
const MAX_SECTIONS: usize = 64;

/// The remote side of a description.
#[derive(Clone, PartialEq, Eq)]
pub struct Remote {
    /// ICE credentials.
    pub ice: Credentials,
    /// SHA-256 fingerprint of the certificate.
    pub fingerprint: [u8; 32],
    /// The first UDP candidate.
    pub address: SocketAddr,
    /// Whether it is the DTLS client: `a=setup:active`.
    pub active: bool,
    /// `a=mid` of each section.
    pub mids: Vec<String>,
    /// The payload type of each section.
    pub payload_types: Vec<u8>,
}

/// The local side of a description.
pub struct Local<'a> {
    /// ICE credentials.
    pub ice: &'a Credentials,
    /// SHA-256 fingerprint of our certificate.
    pub fingerprint: &'a [u8; 32],
    /// Address of our only candidate.
    pub address: SocketAddr,
    /// SSRC of our stream.
    pub ssrc: u32,
}

/// An offer with one `sendonly` and `slots` `recvonly` sections.
pub fn offer(local: &Local<'_>, slots: usize) -> String {
    let mids: Vec<String> = (0..=slots).map(|mid| mid.to_string()).collect();
    let mut text = head(local, &mids);
    for (index, mid) in mids.iter().enumerate() {
        section(&mut text, local, mid, OPUS, "actpass", if index == 0 { "sendonly" } else { "recvonly" });
        if index == 0 {
            let _ = write!(text, "a=ssrc:{} cname:bench\r\n", local.ssrc);
        }
    }
    text
}

/// An answer that accepts all sections as `recvonly`, as the DTLS client.
pub fn answer(local: &Local<'_>, offer: &Remote) -> String {
    let mut text = head(local, &offer.mids);
    for (mid, payload_type) in offer.mids.iter().zip(&offer.payload_types) {
        section(&mut text, local, mid, *payload_type, "active", "recvonly");
    }
    text
}

fn head(local: &Local<'_>, mids: &[String]) -> String {
    // A distinct session id per endpoint, so that no two look like one peer connection.
    let session = local.ice.user.bytes().fold(0u64, |all, byte| (all << 7) ^ u64::from(byte)) >> 2;
    format!("v=0\r\no=- {session} 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {}\r\n", mids.join(" "))
}

fn section(text: &mut String, local: &Local<'_>, mid: &str, payload_type: u8, setup: &str, direction: &str) {
    let fingerprint: Vec<String> = local.fingerprint.iter().map(|byte| format!("{byte:02X}")).collect();
    let _ = write!(
        text,
        "m=audio 9 UDP/TLS/RTP/SAVPF {payload_type}\r\nc=IN IP4 0.0.0.0\r\na=mid:{mid}\r\na=ice-ufrag:{}\r\n\
         a=ice-pwd:{}\r\na=fingerprint:sha-256 {}\r\na=setup:{setup}\r\na={direction}\r\na=rtcp-mux\r\n\
         a=rtpmap:{payload_type} opus/48000/2\r\na=fmtp:{payload_type} minptime=20;useinbandfec=1\r\n\
         a=candidate:1 1 udp {} {} {} typ host\r\na=end-of-candidates\r\n",
        local.ice.user,
        local.ice.password,
        fingerprint.join(":"),
        crate::relay::ice::HOST_PRIORITY,
        local.address.ip(),
        local.address.port(),
    );
}

/// Parses a server's offer or answer.
///
/// # Errors
/// When a required attribute is missing, or it is too long.
pub fn read(text: &str) -> Result<Remote> {
    ensure!(text.len() <= MAX_BYTES, "a session description of {} bytes", text.len());
    let value = |name: &str| text.lines().find_map(|line| line.trim_end().strip_prefix(name));
    let ice = Credentials {
        user: value("a=ice-ufrag:").context("no ice-ufrag")?.to_owned(),
        password: value("a=ice-pwd:").context("no ice-pwd")?.to_owned(),
    };
    ensure!(ice.user.len() <= 64 && ice.password.len() <= 256, "an ICE name or password that is too long");
    let fingerprint = value("a=fingerprint:sha-256 ").context("no sha-256 fingerprint")?;
    let candidates = text.lines().filter_map(|line| candidate(line.trim_end()));
    let mids: Vec<String> =
        text.lines().filter_map(|line| line.trim_end().strip_prefix("a=mid:").map(str::to_owned)).collect();
    let payload_types: Vec<u8> = text.lines().filter_map(first_payload_type).collect();
    ensure!(!mids.is_empty() && mids.len() == payload_types.len(), "not one mid per section");
    ensure!(mids.len() <= MAX_SECTIONS, "more than {MAX_SECTIONS} sections");
    Ok(Remote {
        ice,
        fingerprint: read_fingerprint(fingerprint).context("an invalid fingerprint")?,
        address: candidates.into_iter().next().context("no candidate over UDP")?,
        active: value("a=setup:").context("no setup")? == "active",
        mids,
        payload_types,
    })
}

fn first_payload_type(line: &str) -> Option<u8> {
    line.trim_end().strip_prefix("m=audio ")?.split(' ').nth(2)?.parse().ok()
}

/// RFC 8839 section 5.1: foundation, component, transport, priority, address, port.
fn candidate(line: &str) -> Option<SocketAddr> {
    let mut words = line.strip_prefix("a=candidate:")?.split(' ').skip(2);
    let udp = words.next()?.eq_ignore_ascii_case("udp");
    let (address, port) = (words.nth(1)?, words.next()?);
    udp.then_some(SocketAddr::new(address.parse().ok()?, port.parse().ok()?))
}

fn read_fingerprint(text: &str) -> Option<[u8; 32]> {
    let bytes: Option<Vec<u8>> = text.trim().split(':').map(|pair| u8::from_str_radix(pair, 16).ok()).collect();
    bytes?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(slots: usize) -> String {
        let ice = Credentials { user: "abcdefgh".into(), password: "0123456789abcdefghijklmn".into() };
        let local = Local { ice: &ice, fingerprint: &[0xa5; 32], address: "192.0.2.7:5000".parse().unwrap(), ssrc: 9 };
        offer(&local, slots)
    }

    #[test]
    fn descriptions_round_trip() {
        let read = read(&written(3)).unwrap();
        assert_eq!(read.ice.user, "abcdefgh");
        assert_eq!(read.fingerprint, [0xa5; 32]);
        assert_eq!(read.address, "192.0.2.7:5000".parse().unwrap());
        assert_eq!(read.mids, ["0", "1", "2", "3"]);
        assert_eq!(read.payload_types, [111; 4]);
        assert!(!read.active);
        let ice = Credentials { user: "x".into(), password: "y".into() };
        let local = Local { ice: &ice, fingerprint: &[0; 32], address: "192.0.2.8:1".parse().unwrap(), ssrc: 0 };
        let answered = super::read(&answer(&local, &read)).unwrap();
        assert!(answered.active);
        assert_eq!(answered.mids, read.mids);
    }

    #[test]
    fn incomplete_descriptions_are_refused() {
        let good = written(1);
        assert!(read(&good).is_ok());
        for part in ["a=ice-ufrag", "a=ice-pwd", "a=fingerprint", "a=setup", "a=candidate", "a=mid", "m=audio"] {
            assert!(read(&good.replace(part, "a=x")).is_err(), "without {part}");
        }
        assert!(read(&good.replace(":A5", ":A")).is_ok(), "a leading zero may be omitted");
        assert!(read(&good.replace("A5:A5", "A5A5")).is_err());
        assert!(read(&good.replace(" 5000 typ", " 500000 typ")).is_err());
        assert!(read(&good.replace(" udp ", " tcp ")).is_err());
        assert!(read(&(good.clone() + &" ".repeat(MAX_BYTES))).is_err());
        assert!(read(&written(MAX_SECTIONS)).is_err());
    }
}
