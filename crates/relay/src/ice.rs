//! ICE of one leg, the lite kind (RFC 8445 section 2.5): the relay never asks, it answers whoever knows the password.

use aws_lc_rs::{
    hmac::{Context, HMAC_SHA1_FOR_LEGACY_USE_ONLY, Key},
    rand,
};
use is::stun::StunMessage;
use std::net::SocketAddr;

/// Letters of a user name: 96 bits. RFC 8445 section 5.3 asks for 24 bits at least.
const USER_LETTERS: usize = 16;
/// Letters of a password: 144 bits. RFC 8445 section 5.3 asks for 128 bits at least.
const PASSWORD_LETTERS: usize = 24;
/// Longest answer: header, address, integrity and fingerprint.
const ANSWER_BYTES: usize = 100;

/// What a device proves that it knows.
pub(crate) struct Credentials {
    pub(crate) user: Box<str>,
    pub(crate) password: Box<str>,
}

impl Credentials {
    /// New ones.
    pub(crate) fn draw() -> Self {
        Self { user: letters(USER_LETTERS), password: letters(PASSWORD_LETTERS) }
    }

    /// Whether a request was made by somebody who knows the password. The user name is what found these credentials.
    pub(crate) fn prove(&self, request: &StunMessage<'_>) -> bool {
        request.verify(self.password.as_bytes(), hmac_sha1)
    }

    /// The answer to a request from `src` that was proved.
    pub(crate) fn answer(&self, request: &StunMessage<'_>, src: SocketAddr) -> Option<Vec<u8>> {
        let reply = StunMessage::binding_reply(request.trans_id(), src);
        let mut bytes = vec![0; ANSWER_BYTES];
        let length = reply.to_bytes(Some(self.password.as_bytes()), &mut bytes, hmac_sha1).ok()?;
        bytes.truncate(length);
        Some(bytes)
    }
}

fn hmac_sha1(key: &[u8], parts: &[&[u8]]) -> [u8; 20] {
    let mut context = Context::with_key(&Key::new(HMAC_SHA1_FOR_LEGACY_USE_ONLY, key));
    parts.iter().for_each(|part| context.update(part));
    context.sign().as_ref().try_into().expect("invariant: SHA-1 has twenty bytes")
}

/// Random letters that may stand in SDP (RFC 8839 section 5.4), six bits each.
pub(crate) fn letters(count: usize) -> Box<str> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = vec![0; count];
    draw(&mut bytes);
    bytes.iter().map(|b| char::from(LETTERS[usize::from(b & 63)])).collect()
}

/// Random bits for an SSRC. Zero is left to those that use it as "none".
pub(crate) fn ssrc() -> u32 {
    let mut bytes = [0; 4];
    draw(&mut bytes);
    u32::from_ne_bytes(bytes).max(1)
}

fn draw(bytes: &mut [u8]) {
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
    fn whoever_knows_the_password_is_answered_with_the_address_seen() {
        let ours = Credentials::draw();
        let bytes = request(&format!("{}:theirs", ours.user), ours.password.as_bytes());
        let message = StunMessage::parse(&bytes).unwrap();
        assert!(ours.prove(&message));
        assert!(!Credentials::draw().prove(&message));
        for src in ["192.0.2.1:50000", "[2001:db8::1]:50000"] {
            let src = src.parse().unwrap();
            let answer = ours.answer(&message, src).unwrap();
            let answer = StunMessage::parse(&answer).unwrap();
            assert!(answer.is_successful_binding_response());
            assert_eq!((answer.mapped_address(), answer.trans_id()), (Some(src), message.trans_id()));
            assert!(answer.verify(ours.password.as_bytes(), hmac_sha1), "the relay proves itself too");
        }
    }

    #[test]
    fn credentials_are_letters_and_never_the_same() {
        let (one, two) = (Credentials::draw(), Credentials::draw());
        assert!(one.user != two.user && one.password != two.password);
        assert!(one.password.len() == PASSWORD_LETTERS && one.user.len() == USER_LETTERS);
        assert!(one.password.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/'));
    }
}
