use super::*;
use crate::cosigner::Cosigner;
use crate::hash::Hash;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

pub(crate) const SEED: [u8; 32] = [7; 32];

/// A log's key, and a checkpoint that it signed.
pub(crate) fn signed() -> (LogSigner, SignedCheckpoint) {
    let signer = LogSigner::from_seed(&SEED, "office.example/log").unwrap();
    let checkpoint = Checkpoint { origin: "office.example/log".into(), size: 42, root: Hash([5; 32]) };
    let signed = signer.sign(checkpoint, 1_700_000_000);
    (signer, signed)
}

#[test]
fn the_key_of_the_go_checksum_database_round_trips() {
    // Published by sum.golang.org: independent evidence that the key id is computed correctly.
    let text = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8";
    let key = VerifierKey::parse(text).unwrap();
    assert_eq!((key.origin(), key.to_string().as_str()), ("sum.golang.org", text));
    assert_eq!(CosignerKey::parse(text), Err(KeyError::OtherType));
    let json = serde_json::to_string(&key).unwrap();
    assert_eq!(serde_json::from_str::<VerifierKey>(&json).unwrap(), key);
}

/// A note signed by another implementation (the example in Go's documentation of signed notes).
#[test]
fn a_note_signed_by_gos_tools_verifies() {
    let key = VerifierKey::parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW").unwrap();
    let note = "If you think cryptography is the answer to your problem,\n\
        then you don't know what your problem is.\n\n\
        — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
    let parsed = Note::parse(note).unwrap();
    assert!(key.0.is_by(&parsed.signatures()[0]));
    assert_eq!(key.0.check(parsed.text().as_bytes(), &parsed.signatures()[0].signature), Ok(()));
    assert_eq!(key.open(note), Err(NoteError::NotACheckpoint), "signed, but not a tree head");
}

#[test]
fn hostile_verifier_keys_are_rejected() {
    let good = signed().0.verifier_key().to_string();
    assert!(VerifierKey::parse(&good).is_ok());
    let (name, rest) = good.split_once('+').unwrap();
    let (id, key) = rest.split_once('+').unwrap();
    let swapped = format!("{name}+{}+{key}", "00000000");
    let malformed = [
        String::new(),
        "+".into(),
        "++".into(),
        name.into(),
        format!("{name}+{id}"),
        format!("{name}+{id}+"),
        swapped,
        format!("{name}+{id}+{}", &key[1..]),
        format!("{name}+{id}+{key} "),
        format!("{name}+{id}+{key}\n"),
        format!("x{good}"),
        format!("{name}+{}+{key}", id.to_uppercase() + "0"),
        format!("{name}+0{id}+{key}"),
        "a".repeat(MAX_VERIFIER_KEY_LEN + 1),
        format!("{name}+{id}+AQ=="),
    ];
    for bad in malformed {
        assert_eq!(VerifierKey::parse(&bad), Err(KeyError::Malformed), "{bad:?}");
    }
    for bad in ["", " ", "a b", "cosignature/v1", "a\nb", "a\u{2003}b"] {
        assert_eq!(LogSigner::from_seed(&SEED, bad).err(), Some(KeyError::Name), "{bad:?}");
    }
    // The identity point: under it, one signature verifies for every message in lax implementations.
    let mut weak = [0; 33];
    (weak[0], weak[1]) = (TYPE_NOTE, 1);
    let weak = format!("{name}+{id}+{}", STANDARD.encode(weak));
    assert_eq!(VerifierKey::parse(&weak), Err(KeyError::Weak));
    assert_eq!(VerifierKey::parse(&signed().0.verifier_key().as_cosigner().to_string()), Err(KeyError::OtherType));
}

#[test]
fn a_checkpoint_is_opened_with_its_timestamp() {
    let (signer, signed) = signed();
    let opened = signer.verifier_key().open(signed.note()).unwrap();
    assert_eq!(opened, signed);
    assert_eq!((opened.size(), opened.time_s()), (42, Some(1_700_000_000)));
    assert_eq!(signer.verifier_key().as_cosigner().verify(&opened), Ok(1_700_000_000));
    assert_eq!(serde_json::to_value(&opened).unwrap(), signed.note());
}

#[test]
fn every_modified_byte_of_a_checkpoint_is_detected() {
    let (signer, signed) = signed();
    let key = signer.verifier_key();
    for position in 0..signed.note().len() {
        let mut bytes = signed.note().as_bytes().to_vec();
        bytes[position] ^= 1;
        if let Ok(note) = String::from_utf8(bytes) {
            // A modified name or id in the second signature line makes it a line by an unknown key, which a note may
            // carry; the tree head must still be the signed one.
            if let Ok(opened) = key.open(&note) {
                assert_eq!(opened.checkpoint(), signed.checkpoint());
                assert_eq!(opened.time_s(), None, "position {position}");
            }
        }
    }
    for end in 0..signed.note().len() {
        if let Some(Ok(opened)) = signed.note().get(..end).map(|note| key.open(note)) {
            assert_eq!(opened.checkpoint(), signed.checkpoint());
        }
    }
}

#[test]
fn another_key_origin_or_text_is_rejected() {
    let (signer, signed) = signed();
    let other = LogSigner::from_seed(&[8; 32], "office.example/log").unwrap();
    assert_eq!(other.verifier_key().open(signed.note()), Err(NoteError::UnknownSigner));
    let foreign = Checkpoint { origin: "other.example/log".into(), ..signed.checkpoint().clone() };
    let foreign = signer.sign(foreign, 0);
    assert_eq!(signer.verifier_key().open(foreign.note()), Err(NoteError::OtherOrigin));
    let modified = signed.note().replace("\n42\n", "\n43\n");
    assert_eq!(signer.verifier_key().open(&modified), Err(NoteError::BadSignature));
    let mut note = Note::unsigned("not a checkpoint\n".into());
    let signature = signer.key.sign(note.text().as_bytes()).to_vec();
    note.sign(NoteSignature { name: "office.example/log".into(), key_id: signer.public.0.id, signature });
    assert_eq!(signer.verifier_key().open(&note.to_string()), Err(NoteError::NotACheckpoint));
}

#[test]
fn the_signing_key_is_not_formatted() {
    let seed = [0xA7; 32];
    let printed =
        format!("{:?}{:?}", LogSigner::from_seed(&seed, "a").unwrap(), Cosigner::from_seed(&seed, "a").unwrap());
    assert!(!printed.contains("167") && !printed.to_lowercase().contains("a7a7"), "{printed}");
}
