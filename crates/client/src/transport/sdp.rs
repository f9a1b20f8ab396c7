//! What a leg reads from SDP (RFC 8866) beside what the WebRTC library reads.

use std::net::SocketAddr;

/// Attribute in which a relay's answer names the offer that it answers, by the offer's session id.
const OFFER_ATTRIBUTE: &str = "a=x-telcon-offer:";

/// The session id of a description (RFC 8866 section 5.2).
pub(super) fn session_id(sdp: &str) -> Option<&str> {
    sdp.lines().find_map(|line| line.strip_prefix("o="))?.split(' ').nth(1)
}

/// The session id of the offer that this answer is for, if the answer names one.
pub(super) fn answered_offer(answer: &str) -> Option<&str> {
    answer.lines().find_map(|line| line.strip_prefix(OFFER_ATTRIBUTE))
}

/// The relay's first UDP candidate.
pub(super) fn udp_candidate(answer: &str) -> Option<SocketAddr> {
    answer.lines().find_map(|line| candidate(line, "udp"))
}

/// The relay's first candidate that accepts TCP connections (RFC 6544 section 4.5).
pub(super) fn passive_tcp_candidate(answer: &str) -> Option<SocketAddr> {
    answer.lines().filter(|line| line.ends_with("tcptype passive")).find_map(|line| candidate(line, "tcp"))
}

/// The address of a candidate line with this transport (RFC 8839 section 5.1).
fn candidate(line: &str, transport: &str) -> Option<SocketAddr> {
    let mut fields = line.strip_prefix("a=candidate:")?.split(' ');
    let (found, address, port) = (fields.nth(2)?, fields.nth(1)?, fields.next()?);
    found.eq_ignore_ascii_case(transport).then(|| Some(SocketAddr::new(address.parse().ok()?, port.parse().ok()?)))?
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "v=0\r\no=relay 7 1 IN IP4 0.0.0.0\r\na=x-telcon-offer:42\r\n\
        a=candidate:1 1 UDP 2130706431 192.0.2.1 3478 typ host\r\n\
        a=candidate:2 1 tcp 1015021823 192.0.2.1 9 typ host tcptype active\r\n\
        a=candidate:3 1 tcp 1015021823 192.0.2.1 3479 typ host tcptype passive\r\n";

    #[test]
    fn candidates_and_session_ids_are_read_from_an_answer() {
        assert_eq!((session_id(ANSWER), answered_offer(ANSWER)), (Some("7"), Some("42")));
        assert_eq!(udp_candidate(ANSWER), Some(([192, 0, 2, 1], 3478).into()));
        assert_eq!(passive_tcp_candidate(ANSWER), Some(([192, 0, 2, 1], 3479).into()));
        for malformed in
            ["", "o=", "a=candidate:", "a=candidate:1 1 udp x y z", "a=candidate:1 1 udp 1 192.0.2.1 99999"]
        {
            assert_eq!((session_id(malformed), udp_candidate(malformed)), (None, None), "{malformed:?}");
        }
    }
}
