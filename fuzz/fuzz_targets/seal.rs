//! `seal.json`: a validated seal round-trips.
#![no_main]

use libfuzzer_sys::fuzz_target;
use telcon_record::seal::parse;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(seal) = parse(bytes) {
        let written = seal.to_json();
        assert_eq!(parse(&written).expect("what was written can be read"), seal);
    }
});
