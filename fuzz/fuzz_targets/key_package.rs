//! Key packages from a switchboard: an accepted one has a certificate chain and a key.
#![no_main]

use libfuzzer_sys::fuzz_target;
use telcon_core::mls::key_package::read_key_package;
use telcon_proto::{CallId, SuiteName};

fuzz_target!(|bytes: &[u8]| {
    for suite in [SuiteName::Hybrid, SuiteName::Cnsa2] {
        if let Ok(joiner) = read_key_package(bytes, CallId::from_bytes([9; 16]), suite) {
            assert!(!joiner.leaf.chain.is_empty() && !joiner.leaf.signature_key.is_empty());
        }
    }
});
