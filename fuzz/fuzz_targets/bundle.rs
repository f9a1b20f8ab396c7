//! Entry bundles: parsing consumes every byte.
#![no_main]

use libfuzzer_sys::fuzz_target;
use telcon_log::bundle::parse_bundle;

fuzz_target!(|input: (u16, &[u8])| {
    let (width, bytes) = input;
    if let Ok(entries) = parse_bundle(bytes, width) {
        assert_eq!(entries.len(), usize::from(width));
        let lengths: usize = entries.iter().map(|entry| entry.len() + 2).sum();
        assert_eq!(lengths, bytes.len());
    }
});
