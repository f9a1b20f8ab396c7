//! Files as they go into a record: salted, so that their digests tell nothing.
//!
//! The resume journal holds, in clear text, the path, length and SHA-256 of every payload file so far. The SHA-256 of a
//! short guessable text ("yes", a list of participants) is as good as the text: whoever steals the spool hashes guesses
//! until one fits. So every payload file carries 256 random bits of its own, inside the file. To test a guess, a thief
//! would have to guess those bits too, 2^256 times, for each file; and two equal texts have unrelated digests. The bits are
//! stored only in the sealed part (and in the writer's memory until then).
//!
//! That is why [`Payload`] can only be made by the builders of this crate, each of which consumes a fresh [`Salt`].
//! Lengths are not secret-proof: text payloads are therefore padded to multiples of [`TEXT_BLOCK_BYTES`], and sound is of
//! constant bit rate, so that the size of a part does not show in which ten seconds somebody spoke.

use std::fmt;

use hpke::rand_core::CryptoRng;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::digest::{Digest, hex, sha256};
use crate::vtt::{self, Cue};

/// Text payloads are padded to a multiple of this. Ten seconds of fast speech are about 400 bytes of transcript and a few
/// hundred of events: one block whether anybody spoke or not.
pub const TEXT_BLOCK_BYTES: usize = 4096;

/// 256 random bits for one file. Consumed by use: one salt in two files would show that the files are equal.
pub struct Salt([u8; 32]);

impl Salt {
    /// A salt from `rng`.
    pub fn random(rng: &mut impl CryptoRng) -> Self {
        let mut bytes = [0; 32];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// A salt from 32 bytes of the caller's randomness; never use the same bytes twice.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub(crate) fn hex(&self) -> String {
        hex(&self.0)
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt")
    }
}

/// The bytes of one salted file, wiped when dropped.
pub struct Payload(Zeroizing<Vec<u8>>);

impl Payload {
    pub(crate) fn salted(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The file's bytes, salt included.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// SHA-256 of the bytes.
    pub fn digest(&self) -> Digest {
        sha256(&self.0)
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes)", self.0.len())
    }
}

/// JSON lines: a first line `{"salt":"…"}` padded with spaces, then one line per item. Readers skip objects that have only
/// a `salt`. Fails only if an item's own serialisation does.
pub fn salted_jsonl<T: Serialize>(salt: Salt, items: &[T]) -> Result<Payload, serde_json::Error> {
    let mut body = Zeroizing::new(Vec::new());
    for item in items {
        serde_json::to_writer(&mut *body, item)?;
        body.push(b'\n');
    }
    let head = format!("{{\"salt\":\"{}\"}}", salt.hex());
    Ok(padded(&[head.as_bytes()], &[b"\n", &body]))
}

/// One JSON document `{"salt":"…","content":…}`, padded with spaces before the final newline.
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

/// `before`, spaces up to a whole number of blocks, `after`.
fn padded(before: &[&[u8]], after: &[&[u8]]) -> Payload {
    let length = |pieces: &[&[u8]]| pieces.iter().map(|p| p.len()).sum::<usize>();
    let total = (length(before) + length(after)).next_multiple_of(TEXT_BLOCK_BYTES);
    // Allocated once: a growing Vec would leave copies of the text in freed memory.
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
    fn the_salt_is_in_every_kind_and_changes_the_digest() {
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
    fn length_does_not_follow_the_content() {
        let short = salted_jsonl(salt(1), &["yes"]).unwrap();
        let long = salted_jsonl(salt(1), &["well, ".repeat(300)]).unwrap();
        assert_eq!((short.bytes().len(), long.bytes().len()), (TEXT_BLOCK_BYTES, TEXT_BLOCK_BYTES));
    }

    #[test]
    fn padding_keeps_the_formats_readable() {
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
