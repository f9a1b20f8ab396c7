//! WebVTT transcripts: parsing and writing are idempotent.
#![no_main]

use libfuzzer_sys::fuzz_target;
use telcon_record::{parse_vtt, write_vtt};

fuzz_target!(|text: &str| {
    if let Ok(cues) = parse_vtt(text) {
        let written = write_vtt(&cues);
        let again = parse_vtt(&written).expect("what was written can be read");
        assert_eq!(write_vtt(&again), written);
    }
});
