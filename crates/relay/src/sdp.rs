//! The two texts of an offer and answer exchange (RFC 3264): what an offer may contain, and what an answer says.
//!
//! The transport library reads and writes the SDP itself. This module narrows what it gets, so that nothing but one
//! audio stream up and a few down can be negotiated, and rewrites what it cannot express.

use crate::limits::{MAX_MEMBERS, MAX_SDP_BYTES, RECEIVE_SLOTS};
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

/// An offer that may be handed to the transport library.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct CheckedOffer {
    /// The offer without the device's addresses. The relay answers whoever proves the ICE password and never starts
    /// a check itself, so it has no use for them.
    pub(crate) text: String,
    /// `a=mid` of the sections that receive, in order.
    pub(crate) receiving: Vec<String>,
    /// What says that two offers come from one peer connection: origin (RFC 8866 section 5.2) and fingerprint.
    pub(crate) session: String,
}

/// Checks an offer.
pub(crate) fn check_offer(offer: &str) -> Result<CheckedOffer, OfferError> {
    if offer.len() > MAX_SDP_BYTES {
        return Err(OfferError::TooLong);
    }
    if offer.chars().any(|c| c.is_control() && c != '\r' && c != '\n') {
        return Err(OfferError::Malformed);
    }
    let mut text = String::with_capacity(offer.len());
    let mut session = String::new();
    let mut sections: Vec<Section> = Vec::new();
    for line in offer.lines().map(str::trim_end).filter(|l| !l.is_empty()) {
        if line.starts_with("a=candidate:") || line == "a=end-of-candidates" {
            continue;
        }
        if let Some(media) = line.strip_prefix("m=") {
            if !media.starts_with("audio ") {
                return Err(OfferError::NotAudio);
            }
            if sections.len() == MAX_MEMBERS {
                return Err(OfferError::TooManySections);
            }
            sections.push(Section::default());
        }
        if let Some(section) = sections.last_mut() {
            section.read(line)?;
        }
        if let Some(origin) = line.strip_prefix("o=") {
            // Name and session id; the third word is a version, which grows from offer to offer.
            session.extend(origin.split(' ').take(2).flat_map(|word| [word, " "]));
        } else if line.starts_with("a=fingerprint:") && !session.contains(line) {
            session.push_str(line);
        }
        text.push_str(line);
        text.push_str("\r\n");
    }
    let sending = sections.iter().filter(|s| s.direction == Some(Direction::SendOnly)).count();
    let receiving: Option<Vec<String>> =
        sections.iter().filter(|s| s.direction == Some(Direction::RecvOnly)).map(|s| s.mid.clone()).collect();
    let receiving = receiving.ok_or(OfferError::Malformed)?;
    if sending != 1 || receiving.len() > RECEIVE_SLOTS || sections.iter().any(|s| s.direction.is_none()) {
        return Err(OfferError::Directions);
    }
    if sections.iter().any(|s| !s.opus && s.direction != Some(Direction::Inactive)) {
        return Err(OfferError::NoOpus);
    }
    Ok(CheckedOffer { text, receiving, session })
}

#[derive(Default)]
struct Section {
    mid: Option<String>,
    direction: Option<Direction>,
    opus: bool,
}

impl Section {
    fn read(&mut self, line: &str) -> Result<(), OfferError> {
        match line {
            "a=sendonly" => self.direction = Some(Direction::SendOnly),
            "a=recvonly" => self.direction = Some(Direction::RecvOnly),
            "a=inactive" => self.direction = Some(Direction::Inactive),
            "a=sendrecv" => return Err(OfferError::Directions),
            _ => {
                if let Some(mid) = line.strip_prefix("a=mid:") {
                    self.mid = Some(mid.to_owned());
                } else if line.starts_with("a=rtpmap:") {
                    self.opus |= is_opus(line);
                }
            }
        }
        Ok(())
    }
}

fn is_opus(rtpmap: &str) -> bool {
    rtpmap.split_once(' ').is_some_and(|(_, codec)| codec.eq_ignore_ascii_case("opus/48000/2"))
}

/// Format parameters of every section (RFC 7587 section 6.1). Constant bit rate and no discontinuous transmission,
/// because the size and the rate of packets tell what is said even when their content is encrypted.
pub fn opus_parameters() -> String {
    format!("minptime={FRAME_MS};useinbandfec=1;usedtx=0;cbr=1;maxaveragebitrate={OPUS_BITRATE}")
}

/// Completes the library's answer: our format parameters, 20 ms packets, no header extension and no feedback other
/// than plain reports.
pub(crate) fn finish_answer(answer: &str) -> String {
    let mut out = String::with_capacity(answer.len() + 512);
    let mut line_out = |line: &str| {
        out.push_str(line);
        out.push_str("\r\n");
    };
    for line in answer.lines().map(str::trim_end).filter(|l| !l.is_empty()) {
        let dropped = ["a=extmap", "a=fmtp:", "a=rtcp-fb:", "a=ptime:", "a=maxptime:"];
        if dropped.iter().any(|prefix| line.starts_with(prefix)) {
            continue;
        }
        line_out(line);
        let payload_type = line.strip_prefix("a=rtpmap:").filter(|_| is_opus(line)).and_then(|r| r.split(' ').next());
        if let Some(payload_type) = payload_type {
            line_out(&format!("a=fmtp:{payload_type} {}", opus_parameters()));
            line_out(&format!("a=ptime:{FRAME_MS}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(kind: &str, mid: usize, direction: &str) -> String {
        format!(
            "m={kind} 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:{mid}\r\na={direction}\r\na=rtpmap:111 opus/48000/2\r\n\
             a=candidate:1 1 udp 2130706431 192.0.2.7 50000 typ host\r\n"
        )
    }

    fn offer(sections: &[String]) -> String {
        let head = "v=0\r\no=- 42 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=fingerprint:sha-256 AA:BB\r\n";
        head.to_owned() + &sections.concat()
    }

    fn good(receiving: usize) -> String {
        let mut sections = vec![section("audio", 0, "sendonly")];
        sections.extend((1..=receiving).map(|i| section("audio", i, "recvonly")));
        offer(&sections)
    }

    #[test]
    fn addresses_are_taken_out() {
        let checked = check_offer(&good(2)).ok().unwrap();
        assert!(!checked.text.contains("192.0.2.7"));
        assert!(!checked.text.contains("candidate"));
        assert_eq!(checked.receiving, ["1", "2"]);
    }

    #[test]
    fn one_peer_connection_keeps_its_session_through_new_versions() {
        let first = check_offer(&good(1)).ok().unwrap().session;
        let later = check_offer(&good(1).replace("- 42 2 ", "- 42 3 ")).ok().unwrap().session;
        let other = check_offer(&good(1).replace("- 42 2 ", "- 43 2 ")).ok().unwrap().session;
        let other_key = check_offer(&good(1).replace("AA:BB", "AA:CC")).ok().unwrap().session;
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
        assert_eq!(refused(&good(1).replace("a=mid:1", "a=x")), Some(OfferError::Malformed));
    }

    #[test]
    fn the_answer_has_our_parameters_and_nothing_that_leaks() {
        let answer = "v=0\r\na=extmap-allow-mixed\r\nm=audio 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\n\
                      a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\na=rtpmap:96 opus/48000/2\r\n\
                      a=rtcp-fb:96 transport-cc\r\na=fmtp:96 minptime=10;usedtx=1\r\na=recvonly\r\n";
        assert_eq!(
            finish_answer(answer),
            "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\na=rtpmap:96 opus/48000/2\r\n\
             a=fmtp:96 minptime=20;useinbandfec=1;usedtx=0;cbr=1;maxaveragebitrate=32000\r\na=ptime:20\r\n\
             a=recvonly\r\n"
        );
    }
}
