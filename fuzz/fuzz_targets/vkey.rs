//! Verifier keys as text: a parsed key prints as its input.
#![no_main]

use libfuzzer_sys::fuzz_target;
use telcon_log::{CosignerKey, VerifierKey};

fuzz_target!(|text: &str| {
    if let Ok(key) = VerifierKey::parse(text) {
        assert_eq!(key.to_string(), text);
    }
    if let Ok(key) = CosignerKey::parse(text) {
        assert_eq!(key.to_string(), text);
    }
});
