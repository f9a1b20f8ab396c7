//! Signed notes and checkpoints: parsing is strict, and nothing unsigned is accepted.
#![no_main]

use libfuzzer_sys::fuzz_target;
use telcon_log::{Checkpoint, LogSigner, Note};

fuzz_target!(|text: &str| {
    if let Ok(note) = Note::parse(text) {
        let again = Note::parse(&note.to_string()).expect("a note that was read can be read again");
        assert_eq!(note.text(), again.text());
        assert_eq!(note.signatures().len(), again.signatures().len());
    }
    if let Ok(checkpoint) = Checkpoint::parse(text) {
        // Extension lines are not kept, so that what is printed is where the text begins.
        assert!(text.starts_with(&checkpoint.to_string()));
    }
    let signer = LogSigner::from_seed(&[7; 32], "log.office.example").expect("a good name");
    assert!(signer.verifier_key().open(text).is_err(), "nobody has signed anything with this key");
});
