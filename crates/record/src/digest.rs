//! SHA-256 of bytes and files, as [`Digest`]s.

use sha2::{Digest as _, Sha256};
use std::io::Read;
pub use telcon_proto::Digest;

/// The digest of `bytes`.
pub fn sha256(bytes: &[u8]) -> Digest {
    Digest::from_bytes(Sha256::digest(bytes).into())
}

/// The digest and length of everything that `reader` yields.
///
/// # Errors
/// Those of the reader; an interrupted read is repeated.
pub fn sha256_reader(mut reader: impl Read) -> std::io::Result<(Digest, u64)> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    let mut total = 0;
    loop {
        let n = match reader.read(&mut buffer) {
            Ok(0) => return Ok((Digest::from_bytes(hash.finalize().into()), total)),
            Ok(n) => n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        hash.update(&buffer[..n]);
        total += n as u64;
    }
}

/// Whether `text` is `digits` lower-case hexadecimal digits.
pub(crate) fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_readers_have_the_same_digest() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(sha256(b"").to_string(), empty);
        assert_eq!(sha256_reader(&b""[..]).unwrap(), (sha256(b""), 0));
        assert_eq!(sha256_reader(&b"abc"[..]).unwrap(), (sha256(b"abc"), 3));
    }
}
