//! ICE-lite of one leg (RFC 8445 section 2.5): the relay sends no checks; it answers checks that prove the password.

use aws_lc_rs::{
    hmac::{Context, HMAC_SHA1_FOR_LEGACY_USE_ONLY, Key},
    rand,
};
use is::stun::StunMessage;
use std::net::SocketAddr;

/// Length of a user name fragment: 96 bits. RFC 8445 section 5.3 requires at least 24.
const UFRAG_CHARS: usize = 16;
/// Length of a password: 144 bits. RFC 8445 section 5.3 requires at least 128.
const PASSWORD_CHARS: usize = 24;
/// Largest binding response: header, address, integrity and fingerprint, bytes.
const MAX_RESPONSE_BYTES: usize = 100;

/// The relay's ICE credentials of one leg.
pub(crate) struct Credentials {
    pub(crate) user: Box<str>,
    pub(crate) password: Box<str>,
}

impl Credentials {
    /// Random credentials.
    pub(crate) fn random() -> Self {
        Self { user: random_ice_chars(UFRAG_CHARS), password: random_ice_chars(PASSWORD_CHARS) }
    }

    /// Verifies the message integrity of a request. The caller has matched the user name.
    pub(crate) fn verify(&self, request: &StunMessage<'_>) -> bool {
        request.verify(self.password.as_bytes(), hmac_sha1)
    }

    /// The binding response to a verified request from `src`.
    pub(crate) fn respond(&self, request: &StunMessage<'_>, src: SocketAddr) -> Option<Vec<u8>> {
        let reply = StunMessage::binding_reply(request.trans_id(), src);
        let mut bytes = vec![0; MAX_RESPONSE_BYTES];
        let length = reply.to_bytes(Some(self.password.as_bytes()), &mut bytes, hmac_sha1).ok()?;
        bytes.truncate(length);
        Some(bytes)
    }
}

/// HMAC-SHA1, which STUN's integrity uses.
pub(crate) fn hmac_sha1(key: &[u8], parts: &[&[u8]]) -> [u8; 20] {
    let mut context = Context::with_key(&Key::new(HMAC_SHA1_FOR_LEGACY_USE_ONLY, key));
    parts.iter().for_each(|part| context.update(part));
    context.sign().as_ref().try_into().expect("invariant: SHA-1 has twenty bytes")
}

/// Random characters of the `ice-char` alphabet (RFC 8839 section 5.4), six bits each.
pub(crate) fn random_ice_chars(count: usize) -> Box<str> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = vec![0; count];
    fill_random(&mut bytes);
    bytes.iter().map(|b| char::from(ALPHABET[usize::from(b & 63)])).collect()
}

/// A random non-zero SSRC.
pub(crate) fn random_ssrc() -> u32 {
    let mut bytes = [0; 4];
    fill_random(&mut bytes);
    u32::from_ne_bytes(bytes).max(1)
}

fn fill_random(bytes: &mut [u8]) {
    rand::fill(bytes).expect("invariant: AWS-LC's generator is seeded when it is first used, or aborts");
}

#[cfg(test)]
mod tests {
    use super::*;
    use is::stun::TransId;

    fn request(user: &str, password: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; 400];
        let message = StunMessage::binding_request(user, TransId::new(), true, 1, 1, true);
        let length = message.to_bytes(Some(password), &mut bytes, hmac_sha1).unwrap();
        bytes.truncate(length);
        bytes
    }

    #[test]
    fn a_check_with_the_password_is_answered_with_its_reflexive_address() {
        let ours = Credentials::random();
        let bytes = request(&format!("{}:theirs", ours.user), ours.password.as_bytes());
        let message = StunMessage::parse(&bytes).unwrap();
        assert!(ours.verify(&message));
        assert!(!Credentials::random().verify(&message));
        for src in ["192.0.2.1:50000", "[2001:db8::1]:50000"] {
            let src = src.parse().unwrap();
            let answer = ours.respond(&message, src).unwrap();
            let answer = StunMessage::parse(&answer).unwrap();
            assert!(answer.is_successful_binding_response());
            assert_eq!((answer.mapped_address(), answer.trans_id()), (Some(src), message.trans_id()));
            assert!(answer.verify(ours.password.as_bytes(), hmac_sha1), "the response has message integrity");
        }
    }

    #[test]
    fn credentials_are_ice_chars_and_distinct() {
        let (one, two) = (Credentials::random(), Credentials::random());
        assert!(one.user != two.user && one.password != two.password);
        assert!(one.password.len() == PASSWORD_CHARS && one.user.len() == UFRAG_CHARS);
        assert!(one.password.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/'));
    }
}
