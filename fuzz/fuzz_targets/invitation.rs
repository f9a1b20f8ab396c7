//! Enrolment links: a parsed link serializes to its input.
#![no_main]

use libfuzzer_sys::fuzz_target;
use telcon_identity::Invitation;

fuzz_target!(|fragment: &str| {
    if let Ok(invitation) = Invitation::parse(fragment) {
        assert_eq!(invitation.to_fragment(), fragment);
    }
});
