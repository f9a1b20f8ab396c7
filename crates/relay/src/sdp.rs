//! The two texts of an offer and answer exchange (RFC 3264): what an offer may contain, and what an answer says.
//!
//! Nothing but one Opus stream up and a few down can be negotiated, in one bundle over one DTLS association, with the
//! relay as the end that waits. Whatever else an offer says is passed over.

use crate::{
    dtls::Fingerprint,
    limits::{MAX_MEMBERS, MAX_SDP_BYTES, RECEIVE_SLOTS},
};
use std::net::SocketAddr;
use telcon_proto::limits::{FRAME_MS, OPUS_BITRATE};

/// Why an offer was refused. All of them are the offering device's doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OfferError {
    /// Longer than [`MAX_SDP_BYTES`].
    #[error("the offer is longer than {MAX_SDP_BYTES} bytes")]
    TooLong,
    /// Not SDP, or not one that could be used.
    #[error("the offer is not valid SDP")]
    Malformed,
    /// A section that is not audio.
    #[error("the offer has a section that is not audio")]
    NotAudio,
    /// More sections than a call can have members.
    #[error("the offer has more than {MAX_MEMBERS} sections")]
    TooManySections,
    /// Not exactly one section that sends, or a section that both sends and receives. Receivers' transforms were seen
    /// ignored on `sendrecv` sections, which would send sound unencrypted.
    #[error("the offer must have one sendonly section, and recvonly sections")]
    Directions,
    /// No Opus at 48 kHz in some section.
    #[error("the offer has no Opus")]
    NoOpus,
}

/// What a section is for, seen from the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    SendOnly,
    RecvOnly,
    Inactive,
}

/// A section of an offer.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Section {
    pub(crate) mid: String,
    pub(crate) direction: Direction,
    /// Payload type of Opus. `None` in an inactive section that offers something else; the answer rejects it.
    pub(crate) payload_type: Option<u8>,
    /// SSRC that the device will send with, where it says so.
    pub(crate) ssrc: Option<u32>,
    /// A payload type, whichever it is: a rejected section repeats one.
    format: String,
}

/// What is left of an offer: no address of the device, since the relay answers whoever proves the ICE password and
/// never starts a check itself.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct CheckedOffer {
    pub(crate) sections: Vec<Section>,
    /// SHA-256 of the device's certificate (RFC 8122 section 5).
    pub(crate) fingerprint: Fingerprint,
    /// The device's ICE credentials. Others than before mean an ICE restart (RFC 8839 section 4.4.3).
    pub(crate) ice: String,
    /// What says that two offers come from one peer connection: origin (RFC 8866 section 5.2) and fingerprint.
    pub(crate) session: String,
}

impl CheckedOffer {
    /// The section that the device sends with.
    pub(crate) fn sending(&self) -> Option<&Section> {
        self.sections.iter().find(|s| s.direction == Direction::SendOnly)
    }

    /// The sections that the device receives with, in order.
    pub(crate) fn receiving(&self) -> impl Iterator<Item = &Section> {
        self.sections.iter().filter(|s| s.direction == Direction::RecvOnly)
    }
}

/// Checks an offer.
pub(crate) fn check_offer(offer: &str) -> Result<CheckedOffer, OfferError> {
    if offer.len() > MAX_SDP_BYTES {
        return Err(OfferError::TooLong);
    }
    if offer.chars().any(|c| c.is_control() && c != '\r' && c != '\n') {
        return Err(OfferError::Malformed);
    }
    let mut session = String::new();
    let mut transport = Transport::default();
    let mut sections: Vec<Lines> = Vec::new();
    for line in offer.lines().map(str::trim_end).filter(|l| !l.is_empty()) {
        if let Some(media) = line.strip_prefix("m=") {
            if !media.starts_with("audio ") {
                return Err(OfferError::NotAudio);
            }
            if sections.len() == MAX_MEMBERS {
                return Err(OfferError::TooManySections);
            }
            sections.push(Lines::begin(media)?);
        }
        if let Some(section) = sections.last_mut() {
            section.read(line)?;
        }
        transport.read(line)?;
        if let Some(origin) = line.strip_prefix("o=") {
            // Name and session id; the third word is a version, which grows from offer to offer.
            session.extend(origin.split(' ').take(2).flat_map(|word| [word, " "]));
        } else if line.starts_with("a=fingerprint:") && !session.contains(line) {
            session.push_str(line);
        }
    }
    let sections: Vec<Section> = sections.into_iter().map(Lines::end).collect::<Result<_, _>>()?;
    let count = |direction| sections.iter().filter(|s| s.direction == direction).count();
    if count(Direction::SendOnly) != 1 || count(Direction::RecvOnly) > RECEIVE_SLOTS {
        return Err(OfferError::Directions);
    }
    if sections.iter().any(|s| s.payload_type.is_none() && s.direction != Direction::Inactive) {
        return Err(OfferError::NoOpus);
    }
    if sections.iter().enumerate().any(|(n, s)| sections[..n].iter().any(|t| t.mid == s.mid)) {
        return Err(OfferError::Malformed);
    }
    let (fingerprint, ice) = transport.end()?;
    Ok(CheckedOffer { sections, fingerprint, ice, session })
}

/// What an offer says about its one transport. All sections say the same, or the session says it for them (RFC 9143).
#[derive(Default)]
struct Transport {
    fingerprint: Option<Fingerprint>,
    user: Option<String>,
    password: Option<String>,
}

impl Transport {
    fn read(&mut self, line: &str) -> Result<(), OfferError> {
        if let Some(value) = line.strip_prefix("a=fingerprint:") {
            // Other digests may stand beside it (RFC 8122 section 5.1).
            if let Some(hex) = value.strip_prefix("sha-256 ") {
                let fingerprint = parse_fingerprint(hex).ok_or(OfferError::Malformed)?;
                if self.fingerprint.replace(fingerprint).is_some_and(|before| before != fingerprint) {
                    return Err(OfferError::Malformed);
                }
            }
        } else if let Some(user) = line.strip_prefix("a=ice-ufrag:") {
            self.user.get_or_insert_with(|| user.to_owned());
        } else if let Some(password) = line.strip_prefix("a=ice-pwd:") {
            self.password.get_or_insert_with(|| password.to_owned());
        } else if let Some(role) = line.strip_prefix("a=setup:")
            && role != "actpass"
            && role != "active"
        {
            // The relay waits for the device's handshake, always.
            return Err(OfferError::Malformed);
        }
        Ok(())
    }

    fn end(self) -> Result<(Fingerprint, String), OfferError> {
        match (self.fingerprint, self.user, self.password) {
            (Some(fingerprint), Some(user), Some(password)) => Ok((fingerprint, user + ":" + &password)),
            _ => Err(OfferError::Malformed),
        }
    }
}

fn parse_fingerprint(hex: &str) -> Option<Fingerprint> {
    let mut bytes = hex.trim().split(':').map(|b| u8::from_str_radix(b, 16).ok().filter(|_| b.len() == 2));
    let mut out = Fingerprint::default();
    for byte in &mut out {
        *byte = bytes.next()??;
    }
    bytes.next().is_none().then_some(out)
}

/// A section while it is read.
struct Lines {
    mid: Option<String>,
    direction: Option<Direction>,
    payload_type: Option<u8>,
    ssrc: Option<u32>,
    format: String,
}

impl Lines {
    fn begin(media: &str) -> Result<Self, OfferError> {
        let mut words = media.split(' ');
        let (_, _, protocol, format) = (words.next(), words.next(), words.next(), words.next());
        // Never in the clear.
        let (Some("UDP/TLS/RTP/SAVPF"), Some(format)) = (protocol, format) else { return Err(OfferError::Malformed) };
        Ok(Self { mid: None, direction: None, payload_type: None, ssrc: None, format: format.to_owned() })
    }

    fn read(&mut self, line: &str) -> Result<(), OfferError> {
        match line {
            "a=sendonly" => self.direction = Some(Direction::SendOnly),
            "a=recvonly" => self.direction = Some(Direction::RecvOnly),
            "a=inactive" => self.direction = Some(Direction::Inactive),
            "a=sendrecv" => return Err(OfferError::Directions),
            _ => {
                if let Some(mid) = line.strip_prefix("a=mid:") {
                    self.mid = Some(mid.to_owned());
                } else if let Some(map) = line.strip_prefix("a=rtpmap:").filter(|map| is_opus(map)) {
                    let number = map.split(' ').next().and_then(|n| n.parse().ok()).filter(|n| *n < 128);
                    self.payload_type = self.payload_type.or(number);
                } else if let Some(source) = line.strip_prefix("a=ssrc:") {
                    let number = source.split(' ').next().and_then(|n| n.parse().ok());
                    self.ssrc = self.ssrc.or(number);
                }
            }
        }
        Ok(())
    }

    fn end(self) -> Result<Section, OfferError> {
        let Self { mid, direction, payload_type, ssrc, format } = self;
        let direction = direction.ok_or(OfferError::Directions)?;
        let mid = mid.ok_or(OfferError::Malformed)?;
        Ok(Section { mid, direction, payload_type, ssrc, format })
    }
}

fn is_opus(rtpmap: &str) -> bool {
    rtpmap.split_once(' ').is_some_and(|(_, codec)| codec.eq_ignore_ascii_case("opus/48000/2"))
}

/// What an answer says of the relay.
pub(crate) struct Answering<'a> {
    /// Number of the relay's session, and of this description of it (RFC 8866 section 5.2).
    pub(crate) session: (u64, u64),
    pub(crate) user: &'a str,
    pub(crate) password: &'a str,
    pub(crate) fingerprint: &'a Fingerprint,
    pub(crate) candidates: &'a [SocketAddr],
    /// Whether they take TCP too.
    pub(crate) tcp: bool,
    /// Name of the relay's end (RFC 7022), drawn for this leg.
    pub(crate) name: &'a str,
}

/// Writes the answer. `ssrc_of` gives the SSRC of each section that the device receives with. There is no header
/// extension and no feedback other than plain reports.
pub(crate) fn answer(offer: &CheckedOffer, relay: &Answering<'_>, ssrc_of: impl Fn(&str) -> Option<u32>) -> String {
    let mut out = Text(String::with_capacity(512 + 768 * offer.sections.len()));
    let Answering { session: (id, version), user, password, fingerprint, candidates, tcp, name } = relay;
    out.line(format_args!("v=0"));
    out.line(format_args!("o=- {id} {version} IN IP4 0.0.0.0"));
    out.line(format_args!("s=-"));
    out.line(format_args!("t=0 0"));
    let mids = offer.sections.iter().filter(|s| s.payload_type.is_some()).map(|s| s.mid.as_str());
    out.line(format_args!("a=group:BUNDLE {}", mids.collect::<Vec<_>>().join(" ")));
    out.line(format_args!("a=msid-semantic: WMS {name}"));
    out.line(format_args!("a=ice-lite"));
    // A device may have made another leg meanwhile: it must know which one this answers.
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
        // Later sections are in the bundle of the first.
        for (n, address) in candidates.iter().enumerate().filter(|_| first) {
            // Host candidate, all addresses alike (RFC 8445 section 5.1.2.1), the first one first.
            let priority = (126 << 24) | ((65_535 - n as u32) << 8) | 255;
            let (ip, port) = (address.ip(), address.port());
            out.line(format_args!("a=candidate:{} 1 udp {priority} {ip} {port} typ host", n + 1));
        }
        for (n, address) in candidates.iter().enumerate().filter(|_| first && *tcp) {
            // Behind all of UDP (RFC 6544 section 4.2): what one lost packet holds up is late as well.
            let priority = (90 << 24) | ((4 << 13 | (8_191 - n as u32)) << 8) | 255;
            let (foundation, ip, port) = (candidates.len() + n + 1, address.ip(), address.port());
            out.line(format_args!("a=candidate:{foundation} 1 tcp {priority} {ip} {port} typ host tcptype passive"));
        }
        first = false;
        out.line(format_args!("a=ice-ufrag:{user}"));
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
            out.line(format_args!("a=msid:{name} {name}{number}"));
            out.line(format_args!("a=ssrc:{ssrc} cname:{name}"));
            out.line(format_args!("a=ssrc:{ssrc} msid:{name} {name}{number}"));
        }
    }
    out.0
}

struct Text(String);

impl Text {
    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        use std::fmt::Write;
        write!(self.0, "{line}\r\n").expect("invariant: writing into a string does not fail");
    }
}

/// Format parameters of every section (RFC 7587 section 6.1). Constant bit rate and no discontinuous transmission,
/// because the size and the rate of packets tell what is said even when their content is encrypted.
pub fn opus_parameters() -> String {
    format!("minptime={FRAME_MS};useinbandfec=1;usedtx=0;cbr=1;maxaveragebitrate={OPUS_BITRATE}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(kind: &str, mid: usize, direction: &str) -> String {
        format!(
            "m={kind} 9 UDP/TLS/RTP/SAVPF 63 111\r\na=mid:{mid}\r\na={direction}\r\na=rtpmap:63 red/48000/2\r\n\
             a=rtpmap:111 opus/48000/2\r\na=ssrc:70{mid} cname:x\r\n\
             a=candidate:1 1 udp 2130706431 192.0.2.7 50000 typ host\r\n"
        )
    }

    fn digest(first: &str) -> String {
        first.to_owned() + &":00".repeat(31)
    }

    fn offer(sections: &[String]) -> String {
        let head = "v=0\r\no=- 42 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=ice-ufrag:abcd\r\na=ice-pwd:secret\r\n\
                    a=setup:actpass\r\na=fingerprint:sha-256 ";
        head.to_owned() + &digest("AB") + "\r\n" + &sections.concat()
    }

    fn good(receiving: usize) -> String {
        let mut sections = vec![section("audio", 0, "sendonly")];
        sections.extend((1..=receiving).map(|i| section("audio", i, "recvonly")));
        offer(&sections)
    }

    #[test]
    fn what_is_read_of_an_offer() {
        let checked = check_offer(&good(2)).ok().unwrap();
        let mids: Vec<_> = checked.receiving().map(|s| s.mid.as_str()).collect();
        assert_eq!(mids, ["1", "2"]);
        let sending = checked.sending().unwrap();
        assert_eq!((sending.mid.as_str(), sending.payload_type, sending.ssrc), ("0", Some(111), Some(700)));
        assert_eq!(checked.fingerprint[..2], [0xab, 0]);
        assert_eq!(checked.ice, "abcd:secret");
    }

    #[test]
    fn one_peer_connection_keeps_its_session_through_new_versions() {
        let first = check_offer(&good(1)).ok().unwrap().session;
        let later = check_offer(&good(1).replace("- 42 2 ", "- 42 3 ")).ok().unwrap().session;
        let other = check_offer(&good(1).replace("- 42 2 ", "- 43 2 ")).ok().unwrap().session;
        let other_key = check_offer(&good(1).replace(&digest("AB"), &digest("AC"))).ok().unwrap().session;
        assert_eq!(first, later);
        assert_ne!(first, other);
        assert_ne!(first, other_key);
    }

    #[test]
    fn refusals() {
        let refused = |text: &str| check_offer(text).err();
        assert_eq!(refused(&good(RECEIVE_SLOTS)), None);
        assert_eq!(refused(&good(RECEIVE_SLOTS + 1)), Some(OfferError::TooManySections));
        assert_eq!(refused(&("a".repeat(MAX_SDP_BYTES + 1))), Some(OfferError::TooLong));
        assert_eq!(refused(""), Some(OfferError::Directions));
        assert_eq!(refused("v=0\0"), Some(OfferError::Malformed));
        assert_eq!(refused(&offer(&[section("video", 0, "sendonly")])), Some(OfferError::NotAudio));
        assert_eq!(refused(&offer(&[section("application", 0, "sendonly")])), Some(OfferError::NotAudio));
        assert_eq!(refused(&offer(&[section("audio", 0, "sendrecv")])), Some(OfferError::Directions));
        assert_eq!(refused(&offer(&[section("audio", 0, "recvonly")])), Some(OfferError::Directions));
        // No direction at all means sendrecv (RFC 8866 section 6.7).
        assert_eq!(refused(&offer(&[section("audio", 0, "ssrc:1 x")])), Some(OfferError::Directions));
        let two = [section("audio", 0, "sendonly"), section("audio", 1, "sendonly")];
        assert_eq!(refused(&offer(&two)), Some(OfferError::Directions));
        assert_eq!(refused(&good(1).replacen("opus", "PCMU", 1)), Some(OfferError::NoOpus));
        let malformed = Some(OfferError::Malformed);
        assert_eq!(refused(&good(1).replace("a=mid:1", "a=x")), malformed);
        assert_eq!(refused(&good(1).replace("a=mid:1", "a=mid:0")), malformed);
        assert_eq!(refused(&good(1).replace("actpass", "passive")), malformed);
        assert_eq!(refused(&good(1).replace("UDP/TLS/RTP/SAVPF", "RTP/AVP")), malformed, "never in the clear");
        assert_eq!(refused(&good(1).replace("a=ice-pwd", "a=x")), malformed);
        assert_eq!(refused(&good(1).replace("sha-256", "sha-1")), malformed);
        assert_eq!(refused(&good(1).replace(&digest("AB"), "AB:00")), malformed);
        let other = format!("a=fingerprint:sha-256 {}\r\n", digest("AC"));
        assert_eq!(refused(&(good(1) + &other)), malformed);
    }

    #[test]
    fn the_answer_has_our_parameters_and_nothing_of_the_devices() {
        let sections =
            [section("audio", 0, "sendonly"), section("audio", 1, "recvonly"), section("audio", 2, "inactive")];
        let offer = check_offer(
            &offer(&sections)
                .replace("a=inactive\r\na=rtpmap:63 red/48000/2\r\na=rtpmap:111 opus", "a=inactive\r\na=rtpmap:0 PCMU"),
        );
        let candidates = ["203.0.113.1:3478".parse().unwrap(), "[2001:db8::1]:3478".parse().unwrap()];
        let fingerprint = [0xcd; 32];
        let relay = Answering {
            session: (7, 2),
            user: "user",
            password: "password",
            fingerprint: &fingerprint,
            candidates: &candidates,
            tcp: true,
            name: "relay",
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
