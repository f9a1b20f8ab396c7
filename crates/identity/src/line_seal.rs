//! The sealed form of a line's version on its way: behind the statement, as it is sent and never as it is signed, kept or shown.

use crate::{
    error::{Flaw, Result},
    rights::BESIDE,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use telcon_proto::line_seal::MAX_SEALED_LINE_BYTES;

/// A statement with its sealed form behind it.
pub fn with_sealed_form(statement: &str, sealed: &[u8]) -> String {
    format!("{statement}{BESIDE}{}", STANDARD.encode(sealed))
}

/// A statement, and the sealed form that stands behind it.
///
/// # Errors
/// [`Flaw::SealedLineForm`]: it is not base64, or too long.
pub fn split_sealed_form(sent: &str) -> Result<(&str, Option<Vec<u8>>)> {
    let Some((statement, sealed)) = sent.split_once(BESIDE) else { return Ok((sent, None)) };
    // Base64 takes four characters for three bytes.
    if sealed.len() / 4 * 3 > MAX_SEALED_LINE_BYTES + 2 {
        return Err(Flaw::SealedLineForm.into());
    }
    let sealed = STANDARD.decode(sealed).map_err(|_| Flaw::SealedLineForm)?;
    if sealed.is_empty() || sealed.len() > MAX_SEALED_LINE_BYTES {
        return Err(Flaw::SealedLineForm.into());
    }
    Ok((statement, Some(sealed)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_form_stands_behind_its_statement_and_comes_off_it() {
        assert_eq!(split_sealed_form("a.b.c").unwrap(), ("a.b.c", None));
        let sent = with_sealed_form("a.b.c", b"age");
        assert_eq!(split_sealed_form(&sent).unwrap(), ("a.b.c", Some(b"age".to_vec())));
        let longest = vec![7; MAX_SEALED_LINE_BYTES];
        assert_eq!(split_sealed_form(&with_sealed_form("a", &longest)).unwrap().1, Some(longest));
    }

    #[test]
    fn what_is_no_sealed_form_is_refused() {
        for sent in ["a.b.c~", "a.b.c~?", "a.b.c~YQ==~YQ=="] {
            assert_eq!(split_sealed_form(sent), Err(Flaw::SealedLineForm.into()), "{sent}");
        }
        let long = with_sealed_form("a.b.c", &vec![7; MAX_SEALED_LINE_BYTES + 1]);
        assert_eq!(split_sealed_form(&long), Err(Flaw::SealedLineForm.into()));
    }
}
