//! Rings of every version and their identifiers: parsed rings round-trip.
#![no_main]

use libfuzzer_sys::fuzz_target;
use telcon_proto::{OfficeName, PersonId, Qualified, WIRE_VERSION, message::Ring};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(ring) = Ring::read(bytes) {
        let ring = Ring { version: WIRE_VERSION, ..ring };
        let written = serde_json::to_vec(&ring).expect("what was read can be written");
        assert_eq!(Ring::read(&written), Ok(ring));
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(person) = text.parse::<Qualified<PersonId>>() {
        assert_eq!(person.to_text(), text, "identifiers have one encoding");
        assert_eq!(OfficeName::parse(person.office.as_str()), Ok(person.office));
    }
});
