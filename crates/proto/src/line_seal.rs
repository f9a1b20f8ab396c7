//! The sealed form of a line's version: what custodians open to say who could reach whom on a day of the past.
//!
//! It has the signed statement itself, whose digest the log entry has ([`crate::entry::Entry::LineSigned`]): what a custodian opens is
//! what was logged, or another thing, and that is seen. The device that signs a version seals it to the custodians that the office's
//! charter names, and sends it behind the statement: the compact JWS, `~`, base64 of the age file. The archive has it as
//! `lines/<SHA-256 of the age file>.age`, and the log entry has that digest too, so that one which is withheld or exchanged is found by
//! everybody who has the archive and no key.

use crate::{
    Digest,
    limits::{MAX_CUSTODIANS, MAX_LINE_STATEMENT_CHARS},
    seal::is_recipient,
};
use serde::{Deserialize, Serialize};

/// The form of [`LineForm`] that this program writes.
pub const LINE_FORM_VERSION: u32 = 1;

/// Most bytes of a sealed form: a statement, its frame, and the stanzas of as many custodians as there can be.
pub const MAX_SEALED_LINE_BYTES: usize = MAX_LINE_STATEMENT_CHARS + 2048 * (MAX_CUSTODIANS + 2);

/// The archive's directory of sealed forms.
pub const SEALED_LINES_DIR: &str = "lines";

/// What is sealed: JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineForm {
    /// [`LINE_FORM_VERSION`].
    pub version: u32,
    /// The version of the line as it was signed, a compact JWS over [`crate::line::Line`]: its people, terms, device and state, the
    /// delegation that it was signed under, and in its certificates who signed it.
    pub statement: String,
}

/// Why a list of custodians cannot be in a charter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a charter names at most {MAX_CUSTODIANS} custodians, each once, as post-quantum age recipients (age1pq1…)")]
pub struct CustodiansError;

/// Checks the number and form of custodians' recipients; the keys themselves are checked by who seals to them.
///
/// # Errors
/// [`CustodiansError`].
pub fn check_custodians(custodians: &[String]) -> Result<(), CustodiansError> {
    let one = |(at, text): (usize, &String)| is_recipient(text) && !custodians[..at].contains(text);
    let fits = custodians.len() <= MAX_CUSTODIANS && custodians.iter().enumerate().all(one);
    if fits { Ok(()) } else { Err(CustodiansError) }
}

/// The name of a sealed form in the archive, below [`SEALED_LINES_DIR`].
pub fn sealed_line_name(sealed_sha256: &Digest) -> String {
    format!("{sealed_sha256}.age")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_charter_names_each_custodian_once_and_by_its_form() {
        let text = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        assert_eq!(check_custodians(&[]), Ok(()));
        assert_eq!(check_custodians(&text(&["age1pq1x", "age1pq1y"])), Ok(()));
        assert_eq!(check_custodians(&text(&["age1pq1x", "age1pq1x"])), Err(CustodiansError));
        assert_eq!(check_custodians(&text(&["age1x"])), Err(CustodiansError));
        let many: Vec<String> = (0..=MAX_CUSTODIANS).map(|n| format!("age1pq1{n}")).collect();
        assert_eq!(check_custodians(&many), Err(CustodiansError));
        assert_eq!(check_custodians(&many[1..]), Ok(()));
    }

    #[test]
    fn the_form_refuses_what_it_does_not_know() {
        let form = LineForm { version: LINE_FORM_VERSION, statement: "a.b.c".into() };
        let text = serde_json::to_string(&form).unwrap();
        assert_eq!(text, r#"{"version":1,"statement":"a.b.c"}"#);
        assert_eq!(serde_json::from_str::<LineForm>(&text).unwrap(), form);
        assert!(serde_json::from_str::<LineForm>(r#"{"version":1,"statement":"a","more":1}"#).is_err());
    }
}
