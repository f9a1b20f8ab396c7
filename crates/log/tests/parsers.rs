//! Arbitrary input to every parser: it may be rejected but must not panic, and accepted input round-trips.

use proptest::prelude::*;
use telcon_log::bundle::parse_bundle;
use telcon_log::note::NoteSignature;
use telcon_log::staging::StagedFiles;
use telcon_log::tile::{encode_tile, parse_tile};
use telcon_log::{
    Checkpoint, Cosigner, CosignerKey, Hash, Log, LogSigner, MemoryStorage, Note, Reader, TilePath, VerifierKey,
};

fn every_text_parser(text: &str) {
    if let Ok(note) = Note::parse(text) {
        assert_eq!(note.to_string(), text);
    }
    if let Ok(line) = NoteSignature::parse(text) {
        assert_eq!(line.to_string(), text);
    }
    if let Ok(checkpoint) = Checkpoint::parse(text) {
        assert!(text.starts_with(&checkpoint.to_string()));
    }
    if let Ok(key) = VerifierKey::parse(text) {
        assert_eq!(key.to_string(), text);
    }
    if let Ok(key) = CosignerKey::parse(text) {
        assert_eq!(key.to_string(), text);
    }
    if let Ok(path) = TilePath::parse(text) {
        assert_eq!(path.to_string(), text);
    }
    if let Ok(hash) = text.parse::<Hash>() {
        assert_eq!(hash.to_string(), text);
    }
}

fn every_byte_parser(bytes: &[u8], width: u16) {
    if let Ok(hashes) = parse_tile(bytes, width) {
        assert_eq!(encode_tile(&hashes), bytes);
    }
    if let Ok(entries) = parse_bundle(bytes, width) {
        let again: Vec<u8> =
            entries.iter().flat_map(|entry| [&(entry.len() as u16).to_be_bytes()[..], entry].concat()).collect();
        assert_eq!((again.as_slice(), entries.len()), (bytes, usize::from(width)));
    }
    if let Ok(staged) = StagedFiles::parse(bytes) {
        assert_eq!(staged.encode(), bytes);
    }
    every_text_parser(&String::from_utf8_lossy(bytes));
}

/// Valid texts of every kind, to be mutated.
fn samples() -> Vec<String> {
    let signer = LogSigner::from_seed(&[1; 32], "office.example/log").unwrap();
    let witness = Cosigner::from_seed(&[2; 32], "witness.example/w1").unwrap();
    let mut log = Log::create(MemoryStorage::new(), signer, 5_000).unwrap();
    let signed = log.append(&[b"entry".to_vec()], 6_000).unwrap().checkpoint;
    let line = witness.cosign(&signed, 7).unwrap();
    let cosigned = log.add_cosignature(witness.key(), &line).unwrap().note().to_owned();
    let signer = LogSigner::from_seed(&[1; 32], "office.example/log").unwrap();
    vec![
        cosigned,
        line.trim_end().to_owned(),
        signed.checkpoint().to_string(),
        signer.verifier_key().to_string(),
        witness.key().to_string(),
        signed.root().to_string(),
        "tile/entries/x001/x234/067.p/8".to_owned(),
    ]
}

#[test]
fn the_unmodified_samples_are_accepted() {
    let samples = samples();
    Note::parse(&samples[0]).unwrap();
    NoteSignature::parse(&samples[1]).unwrap();
    Checkpoint::parse(&samples[2]).unwrap();
    VerifierKey::parse(&samples[3]).unwrap();
    CosignerKey::parse(&samples[4]).unwrap();
    samples[5].parse::<Hash>().unwrap();
    TilePath::parse(&samples[6]).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..600), width in 0..300u16) {
        every_byte_parser(&bytes, width);
    }

    #[test]
    fn any_text(text in "\\PC{0,80}|[a-z0-9+/=\\n \u{2014}.]{0,200}") {
        every_text_parser(&text);
    }

    #[test]
    fn small_bundles(bytes in prop::collection::vec(0..4u8, 0..40), width in 0..12u16) {
        every_byte_parser(&bytes, width);
    }

    #[test]
    fn mutated_samples(
        which in 0..7usize,
        mutations in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3u8), 1..4),
    ) {
        let mut bytes = samples()[which].clone().into_bytes();
        for (position, byte, kind) in mutations {
            let position = position.index(bytes.len() + 1);
            match kind {
                0 => bytes.insert(position, byte),
                1 if position < bytes.len() => {
                    bytes.remove(position);
                }
                _ if position < bytes.len() => bytes[position] = byte,
                _ => {}
            }
        }
        every_byte_parser(&bytes, 1);
    }

    /// Opening a log with a garbage file fails without panicking, unless the log does not need that file.
    #[test]
    fn a_log_with_a_garbage_file(path in 0..5usize, bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let signer = || LogSigner::from_seed(&[1; 32], "office.example/log").unwrap();
        let mut log = Log::create(MemoryStorage::new(), signer(), 0).unwrap();
        log.append(&[b"entry".to_vec()], 0).unwrap();
        let mut storage = log.storage().clone();
        let path = [".state/lock", "checkpoint", "tile/0/000.p/1", "tile/entries/000.p/1", ".state/stage/x"][path];
        let unneeded = storage.files_mut().insert(path.into(), bytes).is_none();
        prop_assert_eq!(Log::open(storage.clone(), signer()).is_ok(), unneeded);
        let verified = telcon_log::verify_tree(&storage, signer().verifier_key(), &[]).is_ok();
        prop_assert_eq!(verified, unneeded || path == ".state/lock");
        prop_assert!(storage.read(path).unwrap().is_some());
    }
}
