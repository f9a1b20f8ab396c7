//! Sealed files: whole age v1 files in memory, sealed to post-quantum hybrid keys ([`Recipient`]) and to no others.
//!
//! Records are sealed to custodians, documents to the devices of their readers. Both open with stock `age` 1.3 or later. Randomness is the
//! system's, in a browser the page's: a file key that is drawn twice would be worse than a test that cannot be repeated.
//!
//! ```
//! use telcon_sealing::{Identity, open, seal};
//!
//! let reader = Identity::from_seed(&[7; 32]);
//! let sealed = seal(b"talking points", &[reader.recipient()]).unwrap();
//! assert_eq!(*open(&sealed, &[reader], 4096).unwrap(), b"talking points");
//! ```

mod recipient;

use age::{DecryptError, Decryptor, Encryptor};
use std::io::{Read as _, Write as _};
use zeroize::Zeroizing;

/// The `rand_core` version whose traits this crate's functions take.
pub use hpke::rand_core;
pub use recipient::{Identity, KeyError, Recipient, SEED_BYTES, STANZA_TAG, check_share};

/// Length of all lines of a stanza's body but the last.
const STANZA_LINE_CHARS: usize = 64;

/// Why nothing was sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// There is nobody to seal to.
    #[error("sealing needs at least one key")]
    NoRecipient,
    /// The encryption failed.
    #[error("age: {0}")]
    Io(#[from] std::io::Error),
}

/// Why a sealed file does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It is not sealed to any of these keys.
    #[error("it is sealed to other keys")]
    OtherKey,
    /// It is no age file, or none that all implementations open.
    #[error("{0}")]
    Header(&'static str),
    /// It was changed or truncated.
    #[error("{0}")]
    Damaged(String),
}

/// Seals `plaintext` to all `recipients`.
///
/// # Errors
/// [`SealError`].
pub fn seal(plaintext: &[u8], recipients: &[Recipient]) -> Result<Vec<u8>, SealError> {
    let encryptor = Encryptor::with_recipients(recipients.iter().map(|key| key as &dyn age::Recipient))
        .map_err(|_| SealError::NoRecipient)?;
    let mut sealed = Vec::with_capacity(plaintext.len() + plaintext.len() / 4096 + 2048 * (recipients.len() + 1));
    let mut writer = encryptor.wrap_output(&mut sealed)?;
    writer.write_all(plaintext).and_then(|()| writer.finish().map(drop))?;
    Ok(sealed)
}

/// Opens a sealed file with the first key that fits.
///
/// # Errors
/// [`OpenError`].
pub fn open(sealed: &[u8], identities: &[Identity], max_header_bytes: usize) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    stanzas_of(sealed, max_header_bytes).map_err(OpenError::Header)?;
    let decryptor = Decryptor::new_buffered(sealed).map_err(|e| OpenError::Damaged(one_line(&e)))?;
    let mut reader = match decryptor.decrypt(identities.iter().map(|key| key as &dyn age::Identity)) {
        Ok(reader) => reader,
        Err(DecryptError::NoMatchingKeys) => return Err(OpenError::OtherKey),
        Err(e) => return Err(OpenError::Damaged(one_line(&e))),
    };
    // Allocated once: reallocation would leave copies of the plaintext in freed memory.
    let mut plaintext = Zeroizing::new(Vec::with_capacity(sealed.len()));
    reader.read_to_end(&mut plaintext).map_err(|e| OpenError::Damaged(e.to_string()))?;
    Ok(plaintext)
}

/// The error's own words: `age` adds a line of advice about its command line, which is not ours.
fn one_line(error: &DecryptError) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

/// The first line of each stanza in a header, without its arrow, by the grammar of age v1: each stanza has a body of lines of
/// 64 characters and a last line of fewer, possibly none. The crate `age` accepts a stanza without that last line, which
/// other implementations refuse; what we seal has to open with all of them.
///
/// # Errors
/// What is wrong with the header, which has at most `max_header_bytes`.
pub fn stanzas_of(sealed: &[u8], max_header_bytes: usize) -> Result<Vec<&str>, &'static str> {
    let header = &sealed[..sealed.len().min(max_header_bytes)];
    // The header ends with the line of its MAC; what follows is not text.
    let mut lines = header.split_inclusive(|b| *b == b'\n').map(|line| {
        let line = line.strip_suffix(b"\n").ok_or("the header is not terminated")?;
        std::str::from_utf8(line).map_err(|_| "the header is not text")
    });
    let mut next = || lines.next().unwrap_or(Err("the header is not terminated"));
    if next().ok() != Some("age-encryption.org/v1") {
        return Err("not an age file");
    }
    let mut stanzas = Vec::new();
    loop {
        let line = next()?;
        if let Some(mac) = line.strip_prefix("--- ") {
            return if mac.len() == 43 && is_base64(mac) {
                Ok(stanzas)
            } else {
                Err("the MAC of the header is malformed")
            };
        }
        let Some(stanza) = line.strip_prefix("-> ") else {
            return Err("a line of the header is neither a stanza nor its end");
        };
        loop {
            let body = next()?;
            if !is_base64(body) || body.len() > STANZA_LINE_CHARS {
                return Err("the body of a stanza has no final line");
            }
            if body.len() < STANZA_LINE_CHARS {
                break;
            }
        }
        stanzas.push(stanza);
    }
}

fn is_base64(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'))
}
