//! The SDP answer to a validated offer (RFC 3264): one Opus stream per section, in one BUNDLE group.

use crate::{
    dtls::Fingerprint,
    offer::{CheckedOffer, Direction},
};
use std::net::SocketAddr;
use telcon_proto::limits::{FRAME_MS, OPUS_BITRATE};

/// The relay's parameters in an answer.
pub(crate) struct AnswerParams<'a> {
    /// Session id and version of the origin line (RFC 8866 section 5.2).
    pub(crate) session: (u64, u64),
    pub(crate) ufrag: &'a str,
    pub(crate) password: &'a str,
    pub(crate) fingerprint: &'a Fingerprint,
    pub(crate) candidates: &'a [SocketAddr],
    /// Whether to add ICE-TCP candidates.
    pub(crate) tcp: bool,
    /// CNAME of the relay's streams (RFC 7022), random per leg.
    pub(crate) cname: &'a str,
}

/// Writes the answer. `ssrc_of` returns the SSRC of a `recvonly` section by its mid. Header extensions and RTCP feedback
/// messages are never negotiated.
pub(crate) fn answer(offer: &CheckedOffer, relay: &AnswerParams<'_>, ssrc_of: impl Fn(&str) -> Option<u32>) -> String {
    let mut out = SdpWriter(String::with_capacity(512 + 768 * offer.sections.len()));
    let AnswerParams { session: (id, version), ufrag, password, fingerprint, candidates, tcp, cname } = relay;
    out.line(format_args!("v=0"));
    out.line(format_args!("o=- {id} {version} IN IP4 0.0.0.0"));
    out.line(format_args!("s=-"));
    out.line(format_args!("t=0 0"));
    let mids = offer.sections.iter().filter(|s| s.payload_type.is_some()).map(|s| s.mid.as_str());
    out.line(format_args!("a=group:BUNDLE {}", mids.collect::<Vec<_>>().join(" ")));
    out.line(format_args!("a=msid-semantic: WMS {cname}"));
    out.line(format_args!("a=ice-lite"));
    // A device may have sent a newer offer meanwhile: it must know which one this answers.
    if let Some(id) = offer.session.split(' ').nth(1) {
        out.line(format_args!("a=x-telcon-offer:{id}"));
    }
    let fingerprint: Vec<String> = fingerprint.iter().map(|b| format!("{b:02X}")).collect();
    let fingerprint = fingerprint.join(":");
    let mut first = true;
    for (number, section) in offer.sections.iter().enumerate() {
        let Some(payload_type) = section.payload_type else {
            out.line(format_args!("m=audio 0 UDP/TLS/RTP/SAVPF {}", section.format));
            out.line(format_args!("c=IN IP4 0.0.0.0"));
            out.line(format_args!("a=mid:{}", section.mid));
            out.line(format_args!("a=inactive"));
            continue;
        };
        out.line(format_args!("m=audio 9 UDP/TLS/RTP/SAVPF {payload_type}"));
        out.line(format_args!("c=IN IP4 0.0.0.0"));
        // Later sections are bundled with the first.
        for (n, address) in candidates.iter().enumerate().filter(|_| first) {
            // Host candidates (RFC 8445 section 5.1.2.1), in the order of the configuration.
            let priority = (126 << 24) | ((65_535 - n as u32) << 8) | 255;
            let (ip, port) = (address.ip(), address.port());
            out.line(format_args!("a=candidate:{} 1 udp {priority} {ip} {port} typ host", n + 1));
        }
        for (n, address) in candidates.iter().enumerate().filter(|_| first && *tcp) {
            // Below all UDP candidates (RFC 6544 section 4.2): TCP delays all packets behind a lost one.
            let priority = (90 << 24) | ((4 << 13 | (8_191 - n as u32)) << 8) | 255;
            let (foundation, ip, port) = (candidates.len() + n + 1, address.ip(), address.port());
            out.line(format_args!("a=candidate:{foundation} 1 tcp {priority} {ip} {port} typ host tcptype passive"));
        }
        first = false;
        out.line(format_args!("a=ice-ufrag:{ufrag}"));
        out.line(format_args!("a=ice-pwd:{password}"));
        out.line(format_args!("a=ice-options:trickle"));
        out.line(format_args!("a=fingerprint:sha-256 {fingerprint}"));
        out.line(format_args!("a=setup:passive"));
        out.line(format_args!("a=mid:{}", section.mid));
        out.line(format_args!(
            "a={}",
            match section.direction {
                Direction::SendOnly => "recvonly",
                Direction::RecvOnly => "sendonly",
                Direction::Inactive => "inactive",
            }
        ));
        out.line(format_args!("a=rtcp-mux"));
        out.line(format_args!("a=rtpmap:{payload_type} opus/48000/2"));
        out.line(format_args!("a=fmtp:{payload_type} {}", opus_parameters()));
        out.line(format_args!("a=ptime:{FRAME_MS}"));
        if let Some(ssrc) = ssrc_of(&section.mid) {
            out.line(format_args!("a=msid:{cname} {cname}{number}"));
            out.line(format_args!("a=ssrc:{ssrc} cname:{cname}"));
            out.line(format_args!("a=ssrc:{ssrc} msid:{cname} {cname}{number}"));
        }
    }
    out.0
}

struct SdpWriter(String);

impl SdpWriter {
    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        use std::fmt::Write;
        write!(self.0, "{line}\r\n").expect("invariant: writing into a string does not fail");
    }
}

/// Format parameters of every section (RFC 7587 section 6.1). Constant bit rate and no discontinuous transmission,
/// because packet sizes and rates reveal speech even when it is encrypted (RFC 6562).
pub fn opus_parameters() -> String {
    format!("minptime={FRAME_MS};useinbandfec=1;usedtx=0;cbr=1;maxaveragebitrate={OPUS_BITRATE}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::offer::check_offer;

    #[test]
    fn the_answer_contains_the_relays_parameters_and_none_of_the_devices() {
        let section = |mid: usize, direction: &str, codec: &str| {
            format!(
                "m=audio 9 UDP/TLS/RTP/SAVPF 63 111\r\na=mid:{mid}\r\na={direction}\r\na=rtpmap:{codec}/48000/2\r\n\
                 a=ssrc:70{mid} cname:device\r\na=candidate:1 1 udp 2130706431 192.0.2.7 50000 typ host\r\n"
            )
        };
        let sections =
            [section(0, "sendonly", "111 opus"), section(1, "recvonly", "111 opus"), section(2, "inactive", "0 PCMU")];
        let head = format!(
            "v=0\r\no=- 42 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=ice-ufrag:abcd\r\na=ice-pwd:secret\r\n\
             a=setup:actpass\r\na=fingerprint:sha-256 {}\r\n",
            vec!["AB"; 32].join(":")
        );
        let offer = check_offer(&(head + &sections.concat()));
        let candidates = ["203.0.113.1:3478".parse().unwrap(), "[2001:db8::1]:3478".parse().unwrap()];
        let fingerprint = [0xcd; 32];
        let relay = AnswerParams {
            session: (7, 2),
            ufrag: "user",
            password: "password",
            fingerprint: &fingerprint,
            candidates: &candidates,
            tcp: true,
            cname: "relay",
        };
        let answer = answer(&offer.ok().unwrap(), &relay, |mid| (mid == "1").then_some(99));
        let digest = vec!["CD"; 32].join(":");
        let both = format!(
            "a=ice-ufrag:user\r\na=ice-pwd:password\r\na=ice-options:trickle\r\na=fingerprint:sha-256 {digest}\r\n\
             a=setup:passive\r\n"
        );
        let opus = "a=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\n\
                    a=fmtp:111 minptime=20;useinbandfec=1;usedtx=0;cbr=1;maxaveragebitrate=32000\r\na=ptime:20\r\n";
        let expected = format!(
            "v=0\r\no=- 7 2 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\na=msid-semantic: WMS relay\r\n\
             a=ice-lite\r\na=x-telcon-offer:42\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\n\
             a=candidate:1 1 udp 2130706431 203.0.113.1 3478 typ host\r\n\
             a=candidate:2 1 udp 2130706175 2001:db8::1 3478 typ host\r\n\
             a=candidate:3 1 tcp 1520435199 203.0.113.1 3478 typ host tcptype passive\r\n\
             a=candidate:4 1 tcp 1520434943 2001:db8::1 3478 typ host tcptype passive\r\n{both}a=mid:0\r\na=recvonly\r\n{opus}\
             m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\n{both}a=mid:1\r\na=sendonly\r\n{opus}\
             a=msid:relay relay1\r\na=ssrc:99 cname:relay\r\na=ssrc:99 msid:relay relay1\r\n\
             m=audio 0 UDP/TLS/RTP/SAVPF 63\r\nc=IN IP4 0.0.0.0\r\na=mid:2\r\na=inactive\r\n"
        );
        assert_eq!(answer, expected);
    }
}
