//! One part of a record: a complete age file sealed to every custodian.

use std::io::{Read, Write};

use age::{DecryptError, Decryptor, Encryptor, Identity, Recipient};
use zeroize::Zeroizing;

use crate::custodian::{CustodianIdentity, CustodianRecipient, STANZA_TAG};
use crate::error::RecordError;

/// Bytes of a part's file. A writer's parts are smaller (its buffer is bounded, the last part has the manifests too); an
/// opener holds one part in memory.
pub const MAX_PART_BYTES: u64 = 160 << 20;

/// Bytes of an age header: about 1.6 kB per custodian, and one line of grease.
const MAX_HEADER_BYTES: usize = 256 * 1024;

pub use telcon_proto::seal::part_name;

/// Whether a file's name is, or was meant to be, that of a part.
pub(crate) fn is_part_name(name: &str) -> bool {
    name.starts_with("part-") && name.ends_with(".tar.age")
}

/// Seals `plaintext` to all `custodians`. In memory only.
pub(crate) fn seal(plaintext: &[u8], custodians: &[CustodianRecipient]) -> Result<Vec<u8>, RecordError> {
    let to_error = |e: std::io::Error| RecordError::io("age", e);
    let encryptor = Encryptor::with_recipients(custodians.iter().map(|c| c as &dyn Recipient))
        .map_err(|_| RecordError::Misuse("sealing needs at least one custodian"))?;
    let mut sealed = Vec::with_capacity(plaintext.len() + plaintext.len() / 4096 + 2048 * (custodians.len() + 1));
    let mut writer = encryptor.wrap_output(&mut sealed).map_err(to_error)?;
    writer.write_all(plaintext).and_then(|()| writer.finish().map(drop)).map_err(to_error)?;
    Ok(sealed)
}

/// Opens a part with the first identity that fits.
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
    // Once: growing would leave copies of the plaintext in freed memory.
    let mut plaintext = Zeroizing::new(Vec::with_capacity(sealed.len()));
    reader.read_to_end(&mut plaintext).map_err(|e| failed(e.to_string()))?;
    Ok(plaintext)
}

/// Checks, without any key, that a part's header has one post-quantum stanza per custodian and no other way in. The
/// header is authenticated by the file key, so this is what the note-taker wrote or the part does not open.
pub(crate) fn check_header(name: &str, sealed: &[u8], custodians: usize) -> Result<(), RecordError> {
    let bad = |what: String| Err(RecordError::PartHeader { part: name.to_owned(), what });
    let header = &sealed[..sealed.len().min(MAX_HEADER_BYTES)];
    let mut lines = header.split(|b| *b == b'\n');
    if lines.next() != Some(b"age-encryption.org/v1".as_slice()) {
        return bad("no age file".into());
    }
    let mut stanzas = 0;
    for line in lines {
        if line.starts_with(b"---") {
            return match stanzas == custodians {
                true => Ok(()),
                false => bad(format!("sealed to {stanzas} keys, the seal lists {custodians} custodians")),
            };
        }
        let Some(stanza) = line.strip_prefix(b"-> ") else {
            continue;
        };
        let tag = String::from_utf8_lossy(stanza.split(|b| *b == b' ').next().unwrap_or_default());
        if tag == STANZA_TAG {
            stanzas += 1;
        } else if !tag.ends_with("-grease") {
            // age writes a meaningless `…-grease` stanza to keep readers tolerant. Anything else is another way in.
            return bad(format!("also sealed to a recipient of another kind ({tag})"));
        }
    }
    bad("its header has no end".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(n: u8) -> CustodianIdentity {
        CustodianIdentity::from_seed(&[n; 32])
    }

    #[test]
    fn each_custodian_opens_and_nobody_else() {
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
    fn a_classical_recipient_in_the_header_is_found() {
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
