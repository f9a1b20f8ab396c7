//! SFrame, RFC 9605, with cipher suite AES_256_GCM_SHA512_128 (0x0005).
//!
//! The header is authenticated as a whole before any field of it is acted on, except that the KID picks the key:
//! there is no trial decryption, so an AEAD that does not commit to its key does no harm.

use aes_gcm::{
    Aes256Gcm, Nonce,
    aead::{Aead, AeadInPlace, KeyInit, Payload},
};
use hkdf::Hkdf;
use sha2::Sha512;
use zeroize::Zeroizing;

/// Code point of the cipher suite (RFC 9605, table 1).
pub const CIPHER_SUITE: u16 = 0x0005;
/// Length of the base key, bytes (`AEAD.Nk`).
pub const KEY_LEN: usize = 32;
/// Length of nonce and salt, bytes (`AEAD.Nn`).
const NONCE_LEN: usize = 12;
/// Length of the tag, bytes (`AEAD.Nt`).
pub const TAG_LEN: usize = 16;
/// Longest header: one byte, an 8-byte KID and an 8-byte CTR.
pub const MAX_HEADER_LEN: usize = 17;

/// Why a frame could not be sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SframeError {
    /// Shorter than its own header says, or without room for a tag.
    #[error("not an SFrame: too short")]
    Truncated,
    /// A field is not in its shortest form. RFC 9605 senders write the shortest; a second way to write the same
    /// header would be a second ciphertext for the same counter.
    #[error("not an SFrame: a header field is not in its shortest form")]
    NotMinimal,
    /// The tag does not match: altered in transit, or sealed with another key.
    #[error("the frame was altered or sealed with another key")]
    Forged,
    /// The counter ran out. At 50 frames a second this takes longer than the universe has.
    #[error("frame counter exhausted; the call must re-key")]
    Exhausted,
}

/// The SFrame header (RFC 9605, section 4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Key id.
    pub kid: u64,
    /// Counter.
    pub ctr: u64,
}

impl Header {
    /// Writes the header.
    pub fn encode(self, out: &mut Vec<u8>) {
        let at = out.len();
        out.push(0);
        let kid = encode_field(self.kid, out);
        let ctr = encode_field(self.ctr, out);
        out[at] = kid << 4 | ctr;
    }

    /// Reads a header from the start of a frame; gives it and its length.
    pub fn decode(frame: &[u8]) -> Result<(Self, usize), SframeError> {
        let first = *frame.first().ok_or(SframeError::Truncated)?;
        let mut at = 1;
        let kid = decode_field(first >> 4, frame, &mut at)?;
        let ctr = decode_field(first & 0x0f, frame, &mut at)?;
        Ok((Self { kid, ctr }, at))
    }
}

/// Appends the bytes of a field that does not fit in its nibble, and gives the nibble: the value itself below 8,
/// otherwise 8 plus the number of bytes minus one.
fn encode_field(value: u64, out: &mut Vec<u8>) -> u8 {
    if value < 8 {
        return value as u8;
    }
    let bytes = value.to_be_bytes();
    let skip = value.leading_zeros() as usize / 8;
    out.extend_from_slice(&bytes[skip..]);
    8 | (7 - skip) as u8
}

fn decode_field(nibble: u8, frame: &[u8], at: &mut usize) -> Result<u64, SframeError> {
    if nibble & 8 == 0 {
        return Ok(u64::from(nibble));
    }
    let len = usize::from(nibble & 7) + 1;
    let bytes = frame.get(*at..*at + len).ok_or(SframeError::Truncated)?;
    *at += len;
    let value = bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
    let shortest = value >= 8 && (len == 1 || value >> (8 * (len - 1)) != 0);
    if shortest { Ok(value) } else { Err(SframeError::NotMinimal) }
}

/// An epoch's base key, from the MLS exporter. Boxed: moving a value copies it, and nothing erases the place that it leaves.
pub type BaseKey = Box<Zeroizing<[u8; KEY_LEN]>>;

/// Key and salt of one sender in one epoch (RFC 9605, section 4.4.2). They are erased when dropped.
pub struct Key {
    kid: u64,
    // Boxed, as is BaseKey.
    aead: Box<Aes256Gcm>,
    salt: Box<Zeroizing<[u8; NONCE_LEN]>>,
}

impl Key {
    /// Derives the key of `kid` from the epoch's base key, [`KEY_LEN`] bytes from the MLS exporter.
    pub fn derive(base_key: &[u8], kid: u64) -> Self {
        let secret = Hkdf::<Sha512>::new(Some(b""), base_key);
        let mut key = Zeroizing::new([0; KEY_LEN]);
        let mut salt = Box::new(Zeroizing::new([0; NONCE_LEN]));
        let suffix = [&kid.to_be_bytes()[..], &CIPHER_SUITE.to_be_bytes()].concat();
        secret
            .expand_multi_info(&[b"SFrame 1.0 Secret key ", &suffix], &mut *key)
            .expect("invariant: 32 bytes are fewer than 255 hashes");
        secret
            .expand_multi_info(&[b"SFrame 1.0 Secret salt ", &suffix], &mut **salt)
            .expect("invariant: 12 bytes are fewer than 255 hashes");
        Self { kid, aead: Box::new(Aes256Gcm::new((&*key).into())), salt }
    }

    /// The key id.
    pub fn kid(&self) -> u64 {
        self.kid
    }

    /// Whether both are the same key.
    pub fn same_as(&self, other: &Self) -> bool {
        self.kid == other.kid && self.salt == other.salt
    }

    fn nonce(&self, ctr: u64) -> [u8; NONCE_LEN] {
        let mut nonce = **self.salt;
        for (byte, counter) in nonce[NONCE_LEN - 8..].iter_mut().zip(ctr.to_be_bytes()) {
            *byte ^= counter;
        }
        nonce
    }

    /// Seals one frame. `metadata` is authenticated with the header and not sent. The caller never uses a counter
    /// twice.
    pub fn seal(&self, ctr: u64, metadata: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, SframeError> {
        let mut frame = Vec::with_capacity(MAX_HEADER_LEN + plaintext.len() + TAG_LEN);
        Header { kid: self.kid, ctr }.encode(&mut frame);
        let header_len = frame.len();
        frame.extend_from_slice(plaintext);
        let nonce = self.nonce(ctr);
        let (header, body) = frame.split_at_mut(header_len);
        let aad;
        let aad = if metadata.is_empty() {
            &*header
        } else {
            aad = [header, metadata].concat();
            &aad
        };
        let tag = self
            .aead
            .encrypt_in_place_detached(Nonce::from_slice(&nonce), aad, body)
            .map_err(|_| SframeError::Exhausted)?;
        frame.extend_from_slice(&tag);
        Ok(frame)
    }

    /// Opens one frame whose header, already read, names this key.
    pub fn open(
        &self,
        header: Header,
        header_len: usize,
        metadata: &[u8],
        frame: &[u8],
    ) -> Result<Vec<u8>, SframeError> {
        let (head, body) = frame.split_at_checked(header_len).ok_or(SframeError::Truncated)?;
        if body.len() < TAG_LEN {
            return Err(SframeError::Truncated);
        }
        let aad = [head, metadata].concat();
        self.aead
            .decrypt(Nonce::from_slice(&self.nonce(header.ctr)), Payload { msg: body, aad: &aad })
            .map_err(|_| SframeError::Forged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn vectors() -> serde_json::Value {
        serde_json::from_str(include_str!("../../tests/vectors/rfc9605.json")).unwrap()
    }

    fn unhex(value: &serde_json::Value) -> Vec<u8> {
        let text = value.as_str().unwrap();
        (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect()
    }

    #[test]
    fn headers_are_those_of_rfc_9605_appendix_c_1() {
        let vectors = vectors();
        let headers = vectors["header"].as_array().unwrap();
        assert!(headers.len() > 200);
        for vector in headers {
            let header = Header { kid: vector["kid"].as_u64().unwrap(), ctr: vector["ctr"].as_u64().unwrap() };
            let mut out = Vec::new();
            header.encode(&mut out);
            assert_eq!(out, unhex(&vector["encoded"]));
            assert_eq!(Header::decode(&out), Ok((header, out.len())));
        }
    }

    #[test]
    fn frames_are_those_of_rfc_9605_appendix_c_3() {
        let vectors = vectors();
        let vector = &vectors["sframe"][0];
        let key = Key::derive(&unhex(&vector["base_key"]), vector["kid"].as_u64().unwrap());
        let metadata = unhex(&vector["metadata"]);
        let frame = key.seal(vector["ctr"].as_u64().unwrap(), &metadata, &unhex(&vector["pt"])).unwrap();
        assert_eq!(frame, unhex(&vector["ct"]));
        let (header, len) = Header::decode(&frame).unwrap();
        assert_eq!(key.open(header, len, &metadata, &frame).unwrap(), unhex(&vector["pt"]));
    }

    #[test]
    fn a_header_that_is_not_minimal_is_refused() {
        assert_eq!(Header::decode(&[0x80, 0x07]), Err(SframeError::NotMinimal));
        assert_eq!(Header::decode(&[0x90, 0x00, 0x09]), Err(SframeError::NotMinimal));
    }

    /// `proptest` does not run in a browser's engine.
    #[cfg(not(target_arch = "wasm32"))]
    mod properties {
        use super::*;
        use proptest::prelude::*;

        proptest! {
            #[test]
            fn any_flipped_bit_is_detected(bit in 0usize..8 * 40, ctr in any::<u64>()) {
                let key = Key::derive(&[7; 32], 300);
                let mut frame = key.seal(ctr, b"", b"twenty bytes of opus").unwrap();
                let bit = bit % (frame.len() * 8);
                frame[bit / 8] ^= 1 << (bit % 8);
                let opened = Header::decode(&frame).and_then(|(h, len)| key.open(h, len, b"", &frame));
                prop_assert!(opened.is_err());
            }

            #[test]
            fn random_bytes_are_an_error_and_never_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
                let key = Key::derive(&[7; 32], 0);
                let opened = Header::decode(&bytes).and_then(|(h, len)| key.open(h, len, b"", &bytes));
                prop_assert!(opened.is_err());
            }
        }
    }
}
