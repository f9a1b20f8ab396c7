//! One part of a record: a complete age file sealed to every custodian.

use telcon_sealing::{OpenError, STANZA_TAG, SealError, check_share, stanzas_of};
use zeroize::Zeroizing;

use crate::custodian::{CustodianIdentity, CustodianRecipient};
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
    telcon_sealing::seal(plaintext, custodians).map_err(|error| match error {
        SealError::NoRecipient => RecordError::Misuse("sealing needs at least one custodian"),
        SealError::Io(error) => RecordError::io("age", error),
    })
}

/// Decrypts a part with the first matching identity.
pub(crate) fn open(
    name: &str,
    sealed: &[u8],
    identities: &[CustodianIdentity],
) -> Result<Zeroizing<Vec<u8>>, RecordError> {
    let failed = |what: String| RecordError::Decrypt { part: name.to_owned(), what };
    telcon_sealing::open(sealed, identities, MAX_HEADER_BYTES).map_err(|error| match error {
        OpenError::OtherKey => RecordError::WrongIdentity(name.to_owned()),
        OpenError::Header(what) => failed(what.to_owned()),
        OpenError::Damaged(what) => failed(what),
    })
}

/// Checks without a key that a part's header has one post-quantum stanza per custodian and no other recipient. The header
/// is authenticated by the file key: a changed header makes the part undecryptable.
pub(crate) fn check_header(name: &str, sealed: &[u8], custodians: usize) -> Result<(), RecordError> {
    let bad = |what: String| RecordError::PartHeader { part: name.to_owned(), what };
    let mut stanzas = 0;
    for stanza in stanzas_of(sealed, MAX_HEADER_BYTES).map_err(|what| bad(what.to_owned()))? {
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
