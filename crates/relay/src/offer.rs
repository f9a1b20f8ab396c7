//! Validation of a device's SDP offer (RFC 3264).
//!
//! An offer negotiates one Opus stream from the device and a few to it, in one BUNDLE group over one DTLS association
//! of which the device is the client. All other attributes are ignored.

use crate::{
    dtls::Fingerprint,
    limits::{MAX_MEMBERS, MAX_SDP_BYTES, RECEIVE_SLOTS},
};

/// Why an offer was refused. The offering device is to blame for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OfferError {
    /// Longer than [`MAX_SDP_BYTES`].
    #[error("the offer is longer than {MAX_SDP_BYTES} bytes")]
    TooLong,
    /// Invalid SDP, or without a required attribute.
    #[error("the offer is not valid SDP")]
    Malformed,
    /// A media section other than audio.
    #[error("the offer has a section that is not audio")]
    NotAudio,
    /// More media sections than a call can have members.
    #[error("the offer has more than {MAX_MEMBERS} sections")]
    TooManySections,
    /// Not exactly one `sendonly` section, or a `sendrecv` section. Browsers were observed to ignore encoded transforms
    /// on `sendrecv` sections, which would send media without end-to-end encryption.
    #[error("the offer must have one sendonly section, and recvonly sections")]
    Directions,
    /// A section without Opus at 48 kHz.
    #[error("the offer has no Opus")]
    NoOpus,
}

/// Direction of a media section, from the device's point of view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    SendOnly,
    RecvOnly,
    Inactive,
}

/// A media section of an offer.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Section {
    pub(crate) mid: String,
    pub(crate) direction: Direction,
    /// Payload type of Opus. `None` in an inactive section without Opus, which the answer rejects.
    pub(crate) payload_type: Option<u8>,
    /// SSRC of the device's stream, if signalled.
    pub(crate) ssrc: Option<u32>,
    /// The first payload type of the section; the answer repeats it when it rejects the section.
    pub(crate) format: String,
}

/// A validated offer. The device's candidates are discarded: an ICE-lite agent sends no checks.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct CheckedOffer {
    pub(crate) sections: Vec<Section>,
    /// SHA-256 of the device's certificate (RFC 8122 section 5).
    pub(crate) fingerprint: Fingerprint,
    /// The device's ICE credentials. A change is an ICE restart (RFC 8839 section 4.4.3).
    pub(crate) ice: String,
    /// Identifies the device's peer connection: origin (RFC 8866 section 5.2) and fingerprint.
    pub(crate) session: String,
}

impl CheckedOffer {
    /// The `sendonly` section.
    pub(crate) fn sending(&self) -> Option<&Section> {
        self.sections.iter().find(|s| s.direction == Direction::SendOnly)
    }

    /// The `recvonly` sections, in order.
    pub(crate) fn receiving(&self) -> impl Iterator<Item = &Section> {
        self.sections.iter().filter(|s| s.direction == Direction::RecvOnly)
    }
}

/// Validates an offer.
pub(crate) fn check_offer(offer: &str) -> Result<CheckedOffer, OfferError> {
    if offer.len() > MAX_SDP_BYTES {
        return Err(OfferError::TooLong);
    }
    if offer.chars().any(|c| c.is_control() && c != '\r' && c != '\n') {
        return Err(OfferError::Malformed);
    }
    let mut session = String::new();
    let mut transport = Transport::default();
    let mut sections: Vec<SectionParser> = Vec::new();
    for line in offer.lines().map(str::trim_end).filter(|l| !l.is_empty()) {
        if let Some(media) = line.strip_prefix("m=") {
            if !media.starts_with("audio ") {
                return Err(OfferError::NotAudio);
            }
            if sections.len() == MAX_MEMBERS {
                return Err(OfferError::TooManySections);
            }
            sections.push(SectionParser::begin(media)?);
        }
        if let Some(section) = sections.last_mut() {
            section.read(line)?;
        }
        transport.read(line)?;
        if let Some(origin) = line.strip_prefix("o=") {
            // User name and session id; the third field is the version, which increases with each offer.
            session.extend(origin.split(' ').take(2).flat_map(|word| [word, " "]));
        } else if line.starts_with("a=fingerprint:") && !session.contains(line) {
            session.push_str(line);
        }
    }
    let sections: Vec<Section> = sections.into_iter().map(SectionParser::end).collect::<Result<_, _>>()?;
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

/// Attributes of the bundled transport, at session level or repeated in each section (RFC 9143).
#[derive(Default)]
struct Transport {
    fingerprint: Option<Fingerprint>,
    user: Option<String>,
    password: Option<String>,
}

impl Transport {
    fn read(&mut self, line: &str) -> Result<(), OfferError> {
        if let Some(value) = line.strip_prefix("a=fingerprint:") {
            // Fingerprints of other hash functions are allowed beside it (RFC 8122 section 5.1).
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
            // The relay is always the DTLS server.
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

/// A media section while it is parsed.
struct SectionParser {
    mid: Option<String>,
    direction: Option<Direction>,
    payload_type: Option<u8>,
    ssrc: Option<u32>,
    format: String,
}

impl SectionParser {
    fn begin(media: &str) -> Result<Self, OfferError> {
        let mut words = media.split(' ');
        let (_, _, protocol, format) = (words.next(), words.next(), words.next(), words.next());
        // SRTP keyed by DTLS is mandatory.
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
    fn a_valid_offer_is_parsed() {
        let checked = check_offer(&good(2)).ok().unwrap();
        let mids: Vec<_> = checked.receiving().map(|s| s.mid.as_str()).collect();
        assert_eq!(mids, ["1", "2"]);
        let sending = checked.sending().unwrap();
        assert_eq!((sending.mid.as_str(), sending.payload_type, sending.ssrc), ("0", Some(111), Some(700)));
        assert_eq!(checked.fingerprint[..2], [0xab, 0]);
        assert_eq!(checked.ice, "abcd:secret");
    }

    #[test]
    fn renegotiation_keeps_the_session_of_a_peer_connection() {
        let first = check_offer(&good(1)).ok().unwrap().session;
        let later = check_offer(&good(1).replace("- 42 2 ", "- 42 3 ")).ok().unwrap().session;
        let other = check_offer(&good(1).replace("- 42 2 ", "- 43 2 ")).ok().unwrap().session;
        let other_key = check_offer(&good(1).replace(&digest("AB"), &digest("AC"))).ok().unwrap().session;
        assert_eq!(first, later);
        assert_ne!(first, other);
        assert_ne!(first, other_key);
    }

    #[test]
    fn invalid_offers_are_refused() {
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
        // No direction attribute means sendrecv (RFC 8866 section 6.7).
        assert_eq!(refused(&offer(&[section("audio", 0, "ssrc:1 x")])), Some(OfferError::Directions));
        let two = [section("audio", 0, "sendonly"), section("audio", 1, "sendonly")];
        assert_eq!(refused(&offer(&two)), Some(OfferError::Directions));
        assert_eq!(refused(&good(1).replacen("opus", "PCMU", 1)), Some(OfferError::NoOpus));
        let malformed = Some(OfferError::Malformed);
        assert_eq!(refused(&good(1).replace("a=mid:1", "a=x")), malformed);
        assert_eq!(refused(&good(1).replace("a=mid:1", "a=mid:0")), malformed);
        assert_eq!(refused(&good(1).replace("actpass", "passive")), malformed);
        assert_eq!(refused(&good(1).replace("UDP/TLS/RTP/SAVPF", "RTP/AVP")), malformed, "unencrypted RTP");
        assert_eq!(refused(&good(1).replace("a=ice-pwd", "a=x")), malformed);
        assert_eq!(refused(&good(1).replace("sha-256", "sha-1")), malformed);
        assert_eq!(refused(&good(1).replace(&digest("AB"), "AB:00")), malformed);
        let other = format!("a=fingerprint:sha-256 {}\r\n", digest("AC"));
        assert_eq!(refused(&(good(1) + &other)), malformed);
    }
}
