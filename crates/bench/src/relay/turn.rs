//! The two TURN requests (RFC 8656) of a sender without authentication: an allocation, and a channel per receiver.

use anyhow::{Context, Result, bail, ensure};
use std::net::{IpAddr, SocketAddr};

const COOKIE: u32 = 0x2112_a442;
const HEADER: usize = 20;
const ALLOCATE: u16 = 0x0003;
const CHANNEL_BIND: u16 = 0x0009;
/// Class bits of a success response (RFC 8489 section 5).
const SUCCESS: u16 = 0x0100;
const CHANNEL_NUMBER: u16 = 0x000c;
const XOR_PEER_ADDRESS: u16 = 0x0012;
const REQUESTED_TRANSPORT: u16 = 0x0019;
const ERROR_CODE: u16 = 0x0009;
/// Longest response that is accepted, bytes.
const MAX_RESPONSE: usize = 1500;
/// The first channel (RFC 8656 section 12).
pub const FIRST_CHANNEL: u16 = 0x4000;

/// A transaction id.
pub type Transaction = [u8; 12];

/// An Allocate request for UDP.
pub fn allocate(transaction: Transaction) -> Vec<u8> {
    const UDP: u8 = 17;
    message(ALLOCATE, transaction, &[(REQUESTED_TRANSPORT, vec![UDP, 0, 0, 0])])
}

/// A ChannelBind request, which also installs the permission for the peer.
///
/// # Errors
/// For an address other than IPv4.
pub fn bind_channel(transaction: Transaction, channel: u16, peer: SocketAddr) -> Result<Vec<u8>> {
    let IpAddr::V4(ip) = peer.ip() else { bail!("only IPv4 is measured") };
    let [high, low] = (peer.port() ^ (COOKIE >> 16) as u16).to_be_bytes();
    let mut address = vec![0, 1, high, low];
    address.extend((u32::from(ip) ^ COOKIE).to_be_bytes());
    let [first, second] = channel.to_be_bytes();
    let attributes = [(CHANNEL_NUMBER, vec![first, second, 0, 0]), (XOR_PEER_ADDRESS, address)];
    Ok(message(CHANNEL_BIND, transaction, &attributes))
}

fn message(method: u16, transaction: Transaction, attributes: &[(u16, Vec<u8>)]) -> Vec<u8> {
    // All attribute lengths are multiples of four, so none is padded.
    let length: usize = attributes.iter().map(|(_, value)| 4 + value.len()).sum();
    let mut out = Vec::with_capacity(HEADER + length);
    out.extend(method.to_be_bytes());
    out.extend((length as u16).to_be_bytes());
    out.extend(COOKIE.to_be_bytes());
    out.extend(transaction);
    for (kind, value) in attributes {
        out.extend(kind.to_be_bytes());
        out.extend((value.len() as u16).to_be_bytes());
        out.extend(value);
    }
    out
}

/// Checks that a datagram is the success response to a request.
///
/// # Errors
/// When it is an error response, or not a response to this request.
pub fn accepted(datagram: &[u8], request: &[u8]) -> Result<()> {
    ensure!(datagram.len() <= MAX_RESPONSE, "a response of {} bytes", datagram.len());
    let (header, body) = datagram.split_at_checked(HEADER).context("too short for a response")?;
    let word = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    ensure!(usize::from(word(2)) == body.len() && body.len().is_multiple_of(4), "a response of another length");
    ensure!(header[4..] == request[4..HEADER], "a response to another request");
    let method = u16::from_be_bytes([request[0], request[1]]);
    if word(0) == method | SUCCESS {
        return Ok(());
    }
    bail!("the TURN server refused: {}", error_of(body).unwrap_or_else(|| "without an error code".to_owned()))
}

/// RFC 8489 section 14.8.
fn error_of(mut body: &[u8]) -> Option<String> {
    loop {
        let kind = u16::from_be_bytes([*body.first()?, *body.get(1)?]);
        let length = usize::from(u16::from_be_bytes([*body.get(2)?, *body.get(3)?]));
        let value = body.get(4..4 + length)?;
        if kind == ERROR_CODE {
            let code = u16::from(*value.get(2)?) * 100 + u16::from(*value.get(3)?);
            return Some(format!("{code} {}", String::from_utf8_lossy(value.get(4..)?)));
        }
        body = body.get(4 + length.next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRANSACTION: Transaction = *b"abcdefghijkl";

    #[test]
    fn requests_match_the_standard() {
        let request = allocate(TRANSACTION);
        assert_eq!(request, b"\x00\x03\x00\x08\x21\x12\xa4\x42abcdefghijkl\x00\x19\x00\x04\x11\x00\x00\x00");
        // Port and address as in RFC 5769 section 2.2: 192.0.2.1:32853.
        let request = bind_channel(TRANSACTION, FIRST_CHANNEL, "192.0.2.1:32853".parse().unwrap()).unwrap();
        assert_eq!(request[HEADER..][..8], *b"\x00\x0c\x00\x04\x40\x00\x00\x00");
        assert_eq!(request[HEADER + 8..], *b"\x00\x12\x00\x08\x00\x01\xa1\x47\xe1\x12\xa6\x43");
        assert!(bind_channel(TRANSACTION, FIRST_CHANNEL, "[::1]:1".parse().unwrap()).is_err());
    }

    #[test]
    fn responses_are_parsed_strictly() {
        let request = allocate(TRANSACTION);
        let good = message(ALLOCATE | SUCCESS, TRANSACTION, &[(0x8022, b"none".to_vec())]);
        assert!(accepted(&good, &request).is_ok());
        for length in 0..good.len() {
            assert!(accepted(&good[..length], &request).is_err(), "cut to {length}");
        }
        assert!(accepted(&message(ALLOCATE | SUCCESS, *b"ABCDEFGHIJKL", &[]), &request).is_err());
        assert!(accepted(&message(CHANNEL_BIND | SUCCESS, TRANSACTION, &[]), &request).is_err());
        assert!(accepted(&vec![0; MAX_RESPONSE + 1], &request).is_err());
    }

    #[test]
    fn error_responses_are_reported() {
        let request = allocate(TRANSACTION);
        let reason = |attributes: &[(u16, Vec<u8>)]| {
            accepted(&message(0x0113, TRANSACTION, attributes), &request).unwrap_err().to_string()
        };
        let error = (ERROR_CODE, b"\x00\x00\x04\x01Unauthorized".to_vec());
        assert!(reason(&[(0x8022, b"x\0\0\0".to_vec()), error.clone()]).contains("401 Unauthorized"));
        assert!(reason(&[]).contains("without an error code"));
        // An attribute longer than the message.
        assert!(reason(&[(0x0900, b"\x00\x09\xff\xff".to_vec())]).contains("without an error code"));
    }
}
