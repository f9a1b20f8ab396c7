//! `seal.json`: what was checked and written again is the same record.
#![no_main]

use libfuzzer_sys::fuzz_target;
use telcon_record::Seal;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(seal) = Seal::parse(bytes) {
        let written = serde_json::to_vec(&seal).expect("what was read can be written");
        assert_eq!(Seal::parse(&written).expect("what was written can be read"), seal);
    }
});
