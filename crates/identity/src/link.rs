//! What the fragments of all enrolment links have in common.

use telcon_proto::SuiteName;

/// A fragment without surrounding blanks and without its `#`.
pub(crate) fn bare_fragment(fragment: &str) -> &str {
    let fragment = fragment.trim();
    fragment.strip_prefix('#').unwrap_or(fragment)
}

/// The second byte of a fragment.
pub(crate) fn suite_byte(suite: SuiteName) -> u8 {
    match suite {
        SuiteName::Hybrid => 1,
        SuiteName::Cnsa2 => 2,
    }
}

/// The suite of [`suite_byte`].
pub(crate) fn suite_of_byte(byte: u8) -> Option<SuiteName> {
    [SuiteName::Hybrid, SuiteName::Cnsa2].into_iter().find(|suite| suite_byte(*suite) == byte)
}
