use super::*;
use crate::checkpoint::Checkpoint;
use crate::key::LogSigner;
use crate::key::tests::{SEED, signed};

#[test]
fn a_cosignature_is_carried_by_the_note() {
    let (signer, signed) = signed();
    let witness = Cosigner::from_seed(&[9; 32], "witness.example/w1").unwrap();
    assert_eq!(witness.key().verify(&signed), Err(NoteError::UnknownSigner));
    let line = witness.cosign(&signed, 1_700_000_005).unwrap();
    let cosigned = witness.key().attach(&signed, &line).unwrap();
    assert_eq!(witness.key().verify(&cosigned), Ok(1_700_000_005));
    assert_eq!(signer.verifier_key().open(cosigned.note()).unwrap(), cosigned);
    // A newer line replaces the older one.
    let later = witness.key().attach(&cosigned, &witness.cosign(&signed, 1_700_000_009).unwrap()).unwrap();
    assert_eq!(witness.key().verify(&later), Ok(1_700_000_009));
    assert_eq!(later.note().lines().count(), cosigned.note().lines().count());
    // The key's text form.
    assert_eq!(&CosignerKey::parse(&witness.key().to_string()).unwrap(), witness.key());
}

#[test]
fn a_cosignature_binds_timestamp_text_and_signer() {
    let (_, signed) = signed();
    let witness = Cosigner::from_seed(&[9; 32], "witness.example/w1").unwrap();
    let line = NoteSignature::parse(witness.cosign(&signed, 5).unwrap().trim_end()).unwrap();
    let attach = |line: &NoteSignature| witness.key().attach(&signed, &line.to_string()).map(|_| ());
    assert_eq!(attach(&line), Ok(()));
    let mut later = line.clone();
    later.signature[7] += 1;
    assert_eq!(attach(&later), Err(NoteError::BadSignature));
    let mut beyond = line.clone();
    beyond.signature[0] = 0x80;
    assert_eq!(attach(&beyond), Err(NoteError::BadSignature));
    for length in 1..line.signature.len() {
        let truncated = NoteSignature { signature: line.signature[..length].to_vec(), ..line.clone() };
        assert_eq!(attach(&truncated), Err(NoteError::BadSignature));
    }
    let foreign = NoteSignature { name: "witness.example/w2".into(), ..line.clone() };
    assert_eq!(attach(&foreign), Err(NoteError::UnknownSigner));
    let signer = LogSigner::from_seed(&SEED, "office.example/log").unwrap();
    let other = signer.sign(Checkpoint { size: 43, ..signed.checkpoint().clone() }, 0);
    assert_eq!(witness.key().attach(&other, &line.to_string()), Err(NoteError::BadSignature));
}
