//! Tiles and tile paths: each has one encoding.
#![no_main]

use libfuzzer_sys::fuzz_target;
use telcon_log::TilePath;
use telcon_log::tile::{encode_tile, parse_tile};

fuzz_target!(|input: (u16, &str, &[u8])| {
    let (width, path, bytes) = input;
    if let Ok(parsed) = TilePath::parse(path) {
        assert_eq!(parsed.to_string(), path);
    }
    if let Ok(hashes) = parse_tile(bytes, width) {
        assert_eq!(encode_tile(&hashes), bytes);
    }
});
