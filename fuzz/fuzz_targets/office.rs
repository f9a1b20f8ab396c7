//! Signed statements from a switchboard: no forged one verifies.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use telcon_identity::{Authority, Office};
use telcon_proto::{CallId, Digest, RecordMode, SuiteName};

/// 1 June 2026.
const NOW: u64 = 1_780_272_000_000;

static OFFICE: LazyLock<Office> = LazyLock::new(|| {
    let authority = Authority::create(SuiteName::Hybrid, &[1; 32], "office.example", "Chancellery", NOW).unwrap();
    let log = telcon_log::LogSigner::from_seed(&[2; 32], "office.example/log").unwrap();
    let info = authority.office(&log.verifier_key().to_string(), RecordMode::Memo, NOW).unwrap();
    Office::pin(&info, None).unwrap()
});

fuzz_target!(|input: (&str, Vec<Vec<u8>>)| {
    let (text, chain) = input;
    assert!(OFFICE.verify_ring(text, NOW).is_err());
    assert!(OFFICE.verify_ring_past(text).is_err());
    assert!(OFFICE.verify_revocation(text).is_err());
    assert!(OFFICE.verify_record(text, CallId::from_bytes([0; 16]), &Digest::from_bytes([0; 32])).is_err());
    assert!(OFFICE.verify_checkpoint(text).is_err());
    assert!(OFFICE.verify_chain(&chain, NOW).is_err());
});
