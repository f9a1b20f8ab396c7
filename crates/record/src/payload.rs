//! Payload files: salted, so that their digests reveal nothing, and padded, so that their lengths reveal little.
//!
//! The journal contains, unencrypted, the path, length and SHA-256 of every payload file written so far. The digest of a short
//! guessable text ("yes", a list of participants) would reveal the text to a thief of the spool, who hashes guesses until one
//! matches. Every payload file therefore contains a salt of 256 random bits, which makes guessing infeasible and gives equal
//! texts unrelated digests. The salt is stored in the sealed part only, and in the writer's memory until then.
//!
//! A [`Payload`] can only be made by this crate's builders, each of which consumes a fresh [`Salt`]. Text payloads are padded
//! to multiples of [`TEXT_BLOCK_BYTES`] and audio has a constant bit rate, so that the size of a part does not reveal when
//! somebody spoke.

use std::fmt;

use serde::Serialize;
use telcon_sealing::rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::digest::{Digest, sha256};
use crate::vtt::{self, Cue};

/// Text payloads are padded to a multiple of this, bytes. Ten seconds of fast speech are about 400 bytes of transcript and a
/// few hundred bytes of events: one block, whether anybody spoke or not.
pub const TEXT_BLOCK_BYTES: usize = 4096;

/// 256 random bits for one file. Consumed by use: the same salt in two files would reveal whether the files are equal.
pub struct Salt([u8; 32]);

impl Salt {
    /// A salt from `rng`.
    pub fn random(rng: &mut impl CryptoRng) -> Self {
        let mut bytes = [0; 32];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// A salt from 32 random bytes. The same bytes must never be used twice.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub(crate) fn hex(&self) -> String {
        telcon_proto::hex(&self.0)
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt")
    }
}

/// The content of one salted file, zeroized on drop.
pub struct Payload(Zeroizing<Vec<u8>>);

impl Payload {
    pub(crate) fn salted(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The file's content, salt included.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// SHA-256 of the content.
    pub fn digest(&self) -> Digest {
        sha256(&self.0)
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes)", self.0.len())
    }
}

/// JSON lines: a first line `{"salt":"…"}` padded with spaces, then one line per item. Readers skip objects whose only field
/// is `salt`.
///
/// # Errors
/// An item's own serialization fails.
pub fn salted_jsonl<T: Serialize>(salt: Salt, items: &[T]) -> Result<Payload, serde_json::Error> {
    let mut body = Zeroizing::new(Vec::new());
    for item in items {
        serde_json::to_writer(&mut *body, item)?;
        body.push(b'\n');
    }
    let head = format!("{{\"salt\":\"{}\"}}", salt.hex());
    Ok(padded(&[head.as_bytes()], &[b"\n", &body]))
}

/// Whether a line of such a file is its salt.
pub(crate) fn is_salt(line: &serde_json::Value) -> bool {
    line.as_object().is_some_and(|object| object.len() == 1 && object.contains_key("salt"))
}

/// A JSON document `{"salt":"…","content":…}`, padded with spaces before the final newline.
///
/// # Errors
/// The serialization of `content` fails.
pub fn salted_json<T: Serialize>(salt: Salt, content: &T) -> Result<Payload, serde_json::Error> {
    let body = Zeroizing::new(serde_json::to_vec(content)?);
    let head = format!("{{\"salt\":\"{}\",\"content\":", salt.hex());
    Ok(padded(&[head.as_bytes(), &body, b"}"], &[b"\n"]))
}

/// A WebVTT file whose first block is a `NOTE` comment with the salt.
pub fn salted_vtt(salt: Salt, cues: &[Cue]) -> Payload {
    let body = Zeroizing::new(vtt::cues_text(cues));
    let head = format!("WEBVTT\n\nNOTE salt {}", salt.hex());
    padded(&[head.as_bytes()], &[b"\n\n", body.as_bytes()])
}

/// `before` and `after` with spaces between them, up to a whole number of blocks.
fn padded(before: &[&[u8]], after: &[&[u8]]) -> Payload {
    let length = |pieces: &[&[u8]]| pieces.iter().map(|p| p.len()).sum::<usize>();
    let total = (length(before) + length(after)).next_multiple_of(TEXT_BLOCK_BYTES);
    // Allocated once: reallocation would leave copies of the plaintext in freed memory.
    let mut bytes = Vec::with_capacity(total);
    before.iter().for_each(|piece| bytes.extend_from_slice(piece));
    bytes.resize(total - length(after), b' ');
    after.iter().for_each(|piece| bytes.extend_from_slice(piece));
    Payload::salted(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn salt(n: u8) -> Salt {
        Salt::from_bytes([n; 32])
    }

    #[test]
    fn every_format_contains_the_salt_which_changes_the_digest() {
        let cue = [Cue { start_ms: 0, end_ms: 1, voice: "A".into(), text: "yes".into() }];
        let make: [fn(Salt, &[Cue]) -> Payload; 3] =
            [|salt, _| salted_jsonl(salt, &["yes"]).unwrap(), |salt, _| salted_json(salt, &"yes").unwrap(), salted_vtt];
        for build in make {
            let (one, two) = (build(salt(1), &cue), build(salt(2), &cue));
            assert_ne!(one.digest(), two.digest());
            assert!(String::from_utf8_lossy(one.bytes()).contains(&"01".repeat(32)));
        }
    }

    #[test]
    fn length_does_not_reveal_content() {
        let short = salted_jsonl(salt(1), &["yes"]).unwrap();
        let long = salted_jsonl(salt(1), &["well, ".repeat(300)]).unwrap();
        assert_eq!((short.bytes().len(), long.bytes().len()), (TEXT_BLOCK_BYTES, TEXT_BLOCK_BYTES));
    }

    #[test]
    fn padded_formats_remain_readable() {
        let lines = salted_jsonl(salt(1), &[1, 2]).unwrap();
        let values: Vec<serde_json::Value> = lines
            .bytes()
            .split(|b| *b == b'\n')
            .filter(|l| !l.is_empty())
            .map(|l| serde_json::from_slice(l).unwrap())
            .collect();
        assert_eq!(values[1..], [1, 2]);
        let document: serde_json::Value = serde_json::from_slice(salted_json(salt(1), &[1]).unwrap().bytes()).unwrap();
        assert_eq!(document["content"], serde_json::json!([1]));
    }
}
