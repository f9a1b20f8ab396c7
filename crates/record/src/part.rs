//! One part of a record: a complete age file sealed to every custodian.

use std::io::{Read, Write};

use age::{DecryptError, Decryptor, Encryptor, Identity, Recipient};
use zeroize::Zeroizing;

use crate::custodian::{CustodianIdentity, CustodianRecipient, STANZA_TAG};
use crate::error::RecordError;

/// Maximum size of an age header, bytes: about 1.6 kB per custodian and one grease stanza.
const MAX_HEADER_BYTES: usize = 256 * 1024;

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
    let decryptor = Decryptor::new_buffered(sealed).map_err(|e| failed(e.to_string()))?;
    let mut reader = match decryptor.decrypt(identities.iter().map(|i| i as &dyn Identity)) {
        Ok(reader) => reader,
        Err(DecryptError::NoMatchingKeys) => return Err(RecordError::WrongIdentity(name.to_owned())),
        Err(e) => return Err(failed(e.to_string())),
    };
    // Allocated once: reallocation would leave copies of the plaintext in freed memory.
    let mut plaintext = Zeroizing::new(Vec::with_capacity(sealed.len()));
    reader.read_to_end(&mut plaintext).map_err(|e| failed(e.to_string()))?;
    Ok(plaintext)
}

/// Checks without a key that a part's header has one post-quantum stanza per custodian and no other recipient. The header
/// is authenticated by the file key: a changed header makes the part undecryptable.
pub(crate) fn check_header(name: &str, sealed: &[u8], custodians: usize) -> Result<(), RecordError> {
    let bad = |what: String| Err(RecordError::PartHeader { part: name.to_owned(), what });
    let header = &sealed[..sealed.len().min(MAX_HEADER_BYTES)];
    let mut lines = header.split(|b| *b == b'\n');
    if lines.next() != Some(b"age-encryption.org/v1".as_slice()) {
        return bad("not an age file".into());
    }
    let mut stanzas = 0;
    for line in lines {
        if line.starts_with(b"---") {
            return match stanzas == custodians {
                true => Ok(()),
                false => bad(format!("sealed to {stanzas} keys, but the seal lists {custodians} custodians")),
            };
        }
        let Some(stanza) = line.strip_prefix(b"-> ") else {
            continue;
        };
        let tag = String::from_utf8_lossy(stanza.split(|b| *b == b' ').next().unwrap_or_default());
        if tag == STANZA_TAG {
            stanzas += 1;
        } else if !tag.ends_with("-grease") {
            // age adds a random `…-grease` stanza so that readers ignore unknown ones. Anything else is another recipient.
            return bad(format!("also sealed to a recipient of another kind ({tag})"));
        }
    }
    bad("the header is not terminated".into())
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
}
