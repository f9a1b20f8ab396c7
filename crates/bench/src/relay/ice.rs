//! Minimal ICE for an endpoint whose peer is an ICE-lite server with one address: it sends checks, the server responds
//! (RFC 8445 section 2.5), and further checks renew consent (RFC 7675).

use anyhow::{Context, Result, bail};
use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use is::stun::{StunMessage, TransId};
use std::net::SocketAddr;

/// Priority of a host candidate (RFC 8445 section 5.1.2.1).
pub const HOST_PRIORITY: u32 = 2_130_706_431;
/// Longest STUN message that is sent, bytes.
const MAX_MESSAGE: usize = 256;

/// User name fragment and password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// `a=ice-ufrag`.
    pub user: String,
    /// `a=ice-pwd`.
    pub password: String,
}

impl Credentials {
    /// Random credentials.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn random() -> Result<Self> {
        let mut bytes = [0; 24];
        getrandom::fill(&mut bytes).context("no randomness")?;
        Ok(Self { user: STANDARD_NO_PAD.encode(&bytes[..6]), password: STANDARD_NO_PAD.encode(&bytes[6..]) })
    }
}

/// A connectivity check that nominates the pair.
///
/// # Errors
/// When the user names do not fit into a message.
pub fn check(ours: &Credentials, theirs: &Credentials) -> Result<Vec<u8>> {
    let name = format!("{}:{}", theirs.user, ours.user);
    let message = StunMessage::binding_request(&name, TransId::new(), true, 1, HOST_PRIORITY, true);
    write(message, &theirs.password)
}

/// Meaning of a STUN message.
pub enum StunEvent {
    /// A valid response to a check: the server is reachable.
    Response,
    /// A valid check, with the response to send.
    Check(Vec<u8>),
}

/// Parses and verifies a message from `from`.
///
/// # Errors
/// When it is malformed, of another type, or fails the integrity check.
pub fn read(datagram: &[u8], from: SocketAddr, ours: &Credentials, theirs: &Credentials) -> Result<StunEvent> {
    let message = StunMessage::parse(datagram).ok().context("not a STUN message")?;
    if message.is_binding_request() {
        if !message.verify(ours.password.as_bytes(), hmac_sha1) {
            bail!("a check with a wrong password");
        }
        return Ok(StunEvent::Check(write(StunMessage::binding_reply(message.trans_id(), from), &ours.password)?));
    }
    if !message.is_successful_binding_response() || !message.verify(theirs.password.as_bytes(), hmac_sha1) {
        bail!("an invalid response");
    }
    Ok(StunEvent::Response)
}

fn write(message: StunMessage<'_>, password: &str) -> Result<Vec<u8>> {
    let mut buffer = vec![0; MAX_MESSAGE];
    let length = message.to_bytes(Some(password.as_bytes()), &mut buffer, hmac_sha1).ok().context("too long")?;
    buffer.truncate(length);
    Ok(buffer)
}

fn hmac_sha1(key: &[u8], parts: &[&[u8]]) -> [u8; 20] {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key));
    parts.iter().for_each(|part| context.update(part));
    context.sign().as_ref().try_into().expect("invariant: SHA-1 has 20 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_and_responses_round_trip() {
        let (device, server) = (Credentials::random().unwrap(), Credentials::random().unwrap());
        let address: SocketAddr = "192.0.2.1:4000".parse().unwrap();
        let asked = check(&device, &server).unwrap();
        let Ok(StunEvent::Check(answer)) = read(&asked, address, &server, &device) else { panic!("a valid check") };
        assert!(matches!(read(&answer, address, &device, &server), Ok(StunEvent::Response)));
        let stranger = Credentials::random().unwrap();
        assert!(read(&asked, address, &stranger, &device).is_err());
        assert!(read(&answer, address, &device, &stranger).is_err());
        for length in 0..answer.len() {
            assert!(read(&answer[..length], address, &device, &server).is_err(), "cut to {length}");
        }
    }
}
