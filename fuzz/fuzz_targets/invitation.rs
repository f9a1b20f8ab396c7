//! Enrolment links and what devices ask with them: a parsed link serializes to its input, and no text is a request of a device
//! whose key signed it by chance.
#![no_main]

use libfuzzer_sys::fuzz_target;
use telcon_identity::{Ask, Invitation, read_request};
use telcon_proto::{OfficeName, SuiteName};

fuzz_target!(|text: &str| {
    if let Ok(invitation) = Invitation::parse(text) {
        assert_eq!(invitation.to_fragment(), text);
    }
    if let Ok(ask) = Ask::parse(text) {
        assert!(Ask::is_ask(text) && text.contains(&ask.to_fragment()));
    }
    let office = OfficeName::parse("office.example").unwrap();
    assert!(read_request(text, &office, SuiteName::Hybrid).is_err());
    let _ = (telcon_identity::claimed_revoker(text), telcon_identity::without_certificate(text));
});
