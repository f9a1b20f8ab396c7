//! One part of a record: a complete age file sealed to every custodian.

use std::io::{Read, Write};

use age::{DecryptError, Decryptor, Encryptor, Identity, Recipient};
use zeroize::Zeroizing;

use crate::custodian::{CustodianIdentity, CustodianRecipient, STANZA_TAG, check_share};
use crate::error::RecordError;

/// Maximum size of an age header, bytes: about 1.6 kB per custodian and one grease stanza.
const MAX_HEADER_BYTES: usize = 256 * 1024;

/// Length of all lines of a stanza's body but the last.
const STANZA_LINE_CHARS: usize = 64;

pub use telcon_proto::seal::part_name;

/// Whether a file name has the form of a part's name, valid or not.
pub(crate) fn is_part_name(name: &str) -> bool {
    name.starts_with("part-") && name.ends_with(".tar.age")
}

/// Seals `plaintext` to all `custodians`, in memory.
pub(crate) fn seal(plaintext: &[u8], custodians: &[CustodianRecipient]) -> Result<Vec<u8>, RecordError> {
    let to_error = |e: std::io::Error| RecordError::io("age", e);
    let encryptor = Encryptor::with_recipients(custodians.iter().map(|c| c as &dyn Recipient))
        .map_err(|_| RecordError::Misuse("sealing needs at least one custodian"))?;
    let mut sealed = Vec::with_capacity(plaintext.len() + plaintext.len() / 4096 + 2048 * (custodians.len() + 1));
    let mut writer = encryptor.wrap_output(&mut sealed).map_err(to_error)?;
    writer.write_all(plaintext).and_then(|()| writer.finish().map(drop)).map_err(to_error)?;
    Ok(sealed)
}

/// Decrypts a part with the first matching identity.
pub(crate) fn open(
    name: &str,
    sealed: &[u8],
    identities: &[CustodianIdentity],
) -> Result<Zeroizing<Vec<u8>>, RecordError> {
    let failed = |what: String| RecordError::Decrypt { part: name.to_owned(), what };
    stanzas_of(sealed).map_err(|what| failed(what.to_owned()))?;
    let decryptor = Decryptor::new_buffered(sealed).map_err(|e| failed(one_line(&e)))?;
    let mut reader = match decryptor.decrypt(identities.iter().map(|i| i as &dyn Identity)) {
        Ok(reader) => reader,
        Err(DecryptError::NoMatchingKeys) => return Err(RecordError::WrongIdentity(name.to_owned())),
        Err(e) => return Err(failed(one_line(&e))),
    };
    // Allocated once: reallocation would leave copies of the plaintext in freed memory.
    let mut plaintext = Zeroizing::new(Vec::with_capacity(sealed.len()));
    reader.read_to_end(&mut plaintext).map_err(|e| failed(e.to_string()))?;
    Ok(plaintext)
}

/// The error's own words: `age` adds a line of advice about its command line, which is not ours.
fn one_line(error: &DecryptError) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

/// Checks without a key that a part's header has one post-quantum stanza per custodian and no other recipient. The header
/// is authenticated by the file key: a changed header makes the part undecryptable.
pub(crate) fn check_header(name: &str, sealed: &[u8], custodians: usize) -> Result<(), RecordError> {
    let bad = |what: String| RecordError::PartHeader { part: name.to_owned(), what };
    let mut stanzas = 0;
    for stanza in stanzas_of(sealed).map_err(|what| bad(what.to_owned()))? {
        let (tag, arguments) = stanza.split_once(' ').unwrap_or((stanza, ""));
        if tag == STANZA_TAG {
            check_share(arguments).map_err(|what| bad(what.to_owned()))?;
            stanzas += 1;
        } else if !tag.ends_with("-grease") {
            // age adds a random `…-grease` stanza so that readers ignore unknown ones. Anything else is another recipient.
            return Err(bad(format!("also sealed to a recipient of another kind ({tag})")));
        }
    }
    match stanzas == custodians {
        true => Ok(()),
        false => Err(bad(format!("sealed to {stanzas} keys, but the seal lists {custodians} custodians"))),
    }
}

/// The first line of each stanza in a header, without its arrow, by the grammar of age v1: each stanza has a body of lines of
/// 64 characters and a last line of fewer, possibly none. The crate `age` accepts a stanza without that last line, which
/// other implementations refuse; a record has to open with all of them.
fn stanzas_of(sealed: &[u8]) -> Result<Vec<&str>, &'static str> {
    let header = &sealed[..sealed.len().min(MAX_HEADER_BYTES)];
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

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(n: u8) -> CustodianIdentity {
        CustodianIdentity::from_seed(&[n; 32])
    }

    #[test]
    fn only_listed_custodians_can_decrypt() {
        let sealed = seal(b"hello", &[identity(1).recipient(), identity(2).recipient()]).unwrap();
        check_header("p", &sealed, 2).unwrap();
        for n in [1, 2] {
            assert_eq!(open("p", &sealed, &[identity(n)]).unwrap().as_slice(), b"hello");
        }
        assert!(matches!(open("p", &sealed, &[identity(3)]), Err(RecordError::WrongIdentity(_))));
        assert!(matches!(open("p", &sealed[..sealed.len() - 1], &[identity(1)]), Err(RecordError::Decrypt { .. })));
        assert!(matches!(check_header("p", &sealed, 1), Err(RecordError::PartHeader { .. })));
        assert!(matches!(seal(b"hello", &[]), Err(RecordError::Misuse(_))));
    }

    #[test]
    fn classical_recipient_in_header_is_detected() {
        let sealed = seal(b"hello", &[identity(1).recipient()]).unwrap();
        let text = String::from_utf8_lossy(&sealed[..21]).into_owned();
        assert_eq!(text, "age-encryption.org/v1");
        let mut mixed = sealed[..22].to_vec();
        mixed.extend_from_slice(b"-> X25519 AAAA\nAAAA\n");
        mixed.extend_from_slice(&sealed[22..]);
        assert!(check_header("p", &mixed, 1).unwrap_err().to_string().contains("another kind (X25519)"));
        for garbage in [&b""[..], b"age-encryption.org/v1\n", b"PK\x03\x04"] {
            assert!(check_header("p", garbage, 1).is_err());
        }
    }

    #[test]
    fn a_stanza_without_its_last_line_is_refused() {
        let sealed = seal(b"hello", &[identity(1).recipient()]).unwrap();
        let at = sealed.windows(4).position(|window| window == b"--- ").unwrap();
        let with = |stanza: &[u8]| [&sealed[..at], stanza, &sealed[at..]].concat();
        check_header("p", &with(b"-> x-grease\n\n"), 1).unwrap();
        let full = [&b"-> x-grease\n"[..], &[b'A'; 64], b"\n"].concat();
        for stanza in [&b"-> x-grease\n"[..], b"-> x-grease\nA-\n", &full, b"stray\n"] {
            let refused = check_header("p", &with(stanza), 1).unwrap_err();
            assert!(matches!(refused, RecordError::PartHeader { .. }), "{refused}");
            assert!(matches!(open("p", &with(stanza), &[identity(1)]), Err(RecordError::Decrypt { .. })));
        }
    }
}
