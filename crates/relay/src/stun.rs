//! What RFC 8489 asks of a STUN agent beyond the parser of the crate `is`: a fingerprint that is there must be right, and a
//! request with a comprehension-required attribute that this agent does not know is answered with 420.

use crate::ice::hmac_sha1;
use crc::{CRC_32_ISO_HDLC, Crc};

const HEADER_BYTES: usize = 20;
const FINGERPRINT: u16 = 0x8028;
const MESSAGE_INTEGRITY: u16 = 0x0008;
const ERROR_CODE: u16 = 0x0009;
const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
/// Attributes below this must be understood (RFC 8489 section 14).
const COMPREHENSION_OPTIONAL: u16 = 0x8000;
/// The comprehension-required attributes of a connectivity check: USERNAME, MESSAGE-INTEGRITY, MESSAGE-INTEGRITY-SHA256, PRIORITY
/// and USE-CANDIDATE (RFC 8489 section 18.3, RFC 8445 section 16.1). Others, such as REALM and NONCE, may come with them.
const KNOWN: [u16; 7] = [0x0006, MESSAGE_INTEGRITY, 0x001c, 0x0024, 0x0025, 0x0014, 0x0015];
/// Most unknown attributes that an answer lists.
const MAX_LISTED: usize = 8;
const BINDING_ERROR: u16 = 0x0111;

/// Result of the checks that the parser does not make.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Extras {
    /// Nothing that matters.
    None,
    /// Attributes that must be understood and are not: answered with [`unknown_attributes_reply`].
    Unknown(Vec<u16>),
    /// Its fingerprint is wrong, or its attributes do not fit: not a STUN message.
    Malformed,
}

/// Looks through the attributes of a message whose header is valid.
pub(crate) fn extras(message: &[u8]) -> Extras {
    let mut unknown = Vec::new();
    let (mut offset, mut after_integrity) = (HEADER_BYTES, false);
    while offset < message.len() {
        let Some((kind, length)) = attribute(message, offset) else { return Extras::Malformed };
        let end = offset + 4 + length.next_multiple_of(4);
        if end > message.len() {
            return Extras::Malformed;
        }
        match kind {
            FINGERPRINT => {
                let right = message[offset + 4..offset + 4 + length] == fingerprint(&message[..offset]).to_be_bytes();
                if !right || end != message.len() {
                    return Extras::Malformed;
                }
            }
            // Attributes after MESSAGE-INTEGRITY are not authenticated, and ignored (RFC 8489, section 14.5).
            _ if after_integrity => {}
            MESSAGE_INTEGRITY => after_integrity = true,
            kind if kind < COMPREHENSION_OPTIONAL && !KNOWN.contains(&kind) && unknown.len() < MAX_LISTED => {
                unknown.push(kind);
            }
            _ => {}
        }
        offset = end;
    }
    if unknown.is_empty() { Extras::None } else { Extras::Unknown(unknown) }
}

/// The answer to a request of this transaction with unknown attributes (RFC 8489 section 6.3.1): error 420 and their list, with
/// the integrity of the request's password.
pub(crate) fn unknown_attributes_reply(request: &[u8], unknown: &[u16], password: &[u8]) -> Option<Vec<u8>> {
    let mut message = Vec::with_capacity(96);
    message.extend_from_slice(&BINDING_ERROR.to_be_bytes());
    message.extend_from_slice(&[0, 0]);
    message.extend_from_slice(request.get(4..HEADER_BYTES)?);
    push(&mut message, ERROR_CODE, &[&[0, 0, 4, 20][..], b"Unknown Attribute"].concat());
    push(&mut message, UNKNOWN_ATTRIBUTES, &unknown.iter().flat_map(|kind| kind.to_be_bytes()).collect::<Vec<_>>());
    set_length(&mut message, 24);
    let integrity = hmac_sha1(password, &[&message]);
    push(&mut message, MESSAGE_INTEGRITY, &integrity);
    set_length(&mut message, 8);
    let fingerprint = fingerprint(&message);
    push(&mut message, FINGERPRINT, &fingerprint.to_be_bytes());
    Some(message)
}

/// Type and length of the attribute at this offset.
fn attribute(message: &[u8], offset: usize) -> Option<(u16, usize)> {
    let [a, b, c, d] = *message.get(offset..offset + 4)?.first_chunk()?;
    Some((u16::from_be_bytes([a, b]), usize::from(u16::from_be_bytes([c, d]))))
}

fn push(message: &mut Vec<u8>, kind: u16, value: &[u8]) {
    message.extend_from_slice(&kind.to_be_bytes());
    message.extend_from_slice(&(value.len() as u16).to_be_bytes());
    message.extend_from_slice(value);
    message.resize(message.len().next_multiple_of(4), 0);
}

/// Sets the length field to what the message has with `more` bytes still to come.
fn set_length(message: &mut [u8], more: usize) {
    let length = (message.len() - HEADER_BYTES + more) as u16;
    message[2..4].copy_from_slice(&length.to_be_bytes());
}

/// RFC 8489 section 14.7, over everything before the attribute.
fn fingerprint(before: &[u8]) -> u32 {
    Crc::<u32>::new(&CRC_32_ISO_HDLC).checksum(before) ^ 0x5354_554e
}

#[cfg(test)]
mod tests {
    use super::*;
    use is::stun::{StunMessage, TransId};

    const PASSWORD: &[u8] = b"VOkJxbRl1RmTxUk/WvJxBt";

    /// RFC 5769 section 2.1: a binding request with a fingerprint.
    const SAMPLE: &str = "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74002400046e0001ff\
                          80290008932ff9b151263b36000600096576746a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5b2d3f249\
                          c1b571a280280004e57a3bcf";

    fn sample() -> Vec<u8> {
        (0..SAMPLE.len()).step_by(2).map(|at| u8::from_str_radix(&SAMPLE[at..at + 2], 16).unwrap()).collect()
    }

    /// A check with this attribute before its integrity.
    fn with_attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut message = sample()[..HEADER_BYTES].to_vec();
        push(&mut message, 0x0006, b"ours:theirs");
        push(&mut message, 0x0024, &[0x6e, 0, 1, 0xff]);
        push(&mut message, kind, value);
        set_length(&mut message, 24);
        let integrity = hmac_sha1(PASSWORD, &[&message]);
        push(&mut message, MESSAGE_INTEGRITY, &integrity);
        set_length(&mut message, 8);
        let crc = fingerprint(&message);
        push(&mut message, FINGERPRINT, &crc.to_be_bytes());
        message
    }

    #[test]
    fn the_sample_of_rfc_5769_is_accepted() {
        assert_eq!(extras(&sample()), Extras::None);
    }

    #[test]
    fn a_wrong_or_misplaced_fingerprint_makes_a_message_malformed() {
        for byte in [20, 60, sample().len() - 1] {
            let mut message = sample();
            message[byte] ^= 1;
            assert_eq!(extras(&message), Extras::Malformed, "byte {byte}");
        }
        let mut message = sample();
        push(&mut message, 0x8022, b"more");
        assert_eq!(extras(&message), Extras::Malformed, "an attribute after it");
        let truncated = sample();
        assert_eq!(extras(&truncated[..truncated.len() - 2]), Extras::Malformed);
    }

    #[test]
    fn only_unknown_attributes_that_must_be_understood_are_refused() {
        assert_eq!(extras(&with_attribute(0x7fff, b"odd")), Extras::Unknown(vec![0x7fff]));
        assert_eq!(extras(&with_attribute(0x0002, &[])), Extras::Unknown(vec![0x0002]));
        assert_eq!(extras(&with_attribute(0x8030, b"optional")), Extras::None);
        assert_eq!(extras(&with_attribute(0x0025, &[])), Extras::None);
    }

    #[test]
    fn the_refusal_names_them_and_is_authentic() {
        let request = with_attribute(0x7fff, b"odd");
        let reply = unknown_attributes_reply(&request, &[0x7fff], PASSWORD).unwrap();
        assert_eq!(extras(&reply).clone_unknown(), [ERROR_CODE, UNKNOWN_ATTRIBUTES], "its fingerprint is right");
        let parsed = StunMessage::parse(&reply).unwrap();
        assert!(parsed.is_failed_binding_response() && parsed.verify(PASSWORD, hmac_sha1));
        assert_eq!(parsed.error_code().map(|(code, _)| code), Some(420));
        let asked: TransId = StunMessage::parse(&request).unwrap().trans_id();
        assert_eq!(parsed.trans_id(), asked);
        assert!(reply.windows(6).any(|bytes| bytes == [0, 0x0a, 0, 2, 0x7f, 0xff]));
    }

    impl Extras {
        fn clone_unknown(&self) -> Vec<u16> {
            if let Self::Unknown(unknown) = self { unknown.clone() } else { panic!("{self:?}") }
        }
    }
}
