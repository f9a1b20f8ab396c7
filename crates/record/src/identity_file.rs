//! Files with custodians' secret keys, as age writes and reads them: one key a line, comments, and keys of other kinds.

use zeroize::Zeroizing;

use crate::custodian::{CustodianIdentity, KeyError};

/// Largest identity file, bytes: thousands of keys.
pub const MAX_IDENTITY_FILE_BYTES: u64 = 1 << 20;

/// Why a file has no key that opens records. Never contains a line of the file, which may be a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdentityFileError {
    /// Nothing but comments and blank lines.
    #[error("it contains no key: a custodian's key is a line that starts with AGE-SECRET-KEY-PQ-1")]
    Empty,
    /// It contains secret keys, but none of the kind that records are sealed to.
    #[error(
        "it contains only keys of other kinds ({0}): records are sealed to post-quantum keys, which start with \
         AGE-SECRET-KEY-PQ-1"
    )]
    OtherKinds(&'static str),
    /// It contains a public key.
    #[error(
        "line {0} is a public key (age1…): opening needs the secret one, a line that starts with AGE-SECRET-KEY-PQ-1"
    )]
    Public(usize),
    /// The file is itself encrypted.
    #[error("it is encrypted itself: decrypt it first, with `age -d`")]
    Encrypted,
    /// A line is no key.
    #[error("line {0} is not an age key; is it the right file?")]
    NotAKey(usize),
    /// A line is a damaged key of the right kind.
    #[error("the key in line {line}: {error}")]
    Damaged {
        /// Line, from 1.
        line: usize,
        /// What is wrong with it.
        error: KeyError,
    },
}

/// The content of a new custodian's identity file: the public key as a comment, as `age-keygen` writes it, and the secret one.
pub fn identity_file_text(identity: &CustodianIdentity) -> Zeroizing<String> {
    let (public, secret) = (identity.recipient().to_string(), identity.to_secret_string());
    // Reserved at full length: a reallocation would leave a copy of the secret in memory.
    let mut text = Zeroizing::new(String::with_capacity(public.len() + secret.len() + 32));
    for part in ["# public key: ", &public, "\n", &secret, "\n"] {
        text.push_str(part);
    }
    text
}

/// The custodians' keys in a file. Keys of other kinds are skipped, as age does: one file can hold all of a person's keys.
///
/// # Errors
/// [`IdentityFileError`].
pub fn parse_identity_file(text: &str) -> Result<Vec<CustodianIdentity>, IdentityFileError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.starts_with("age-encryption.org/") || text.starts_with("-----BEGIN AGE ENCRYPTED FILE-----") {
        return Err(IdentityFileError::Encrypted);
    }
    if text.starts_with("-----BEGIN ") {
        return Err(IdentityFileError::OtherKinds("an SSH key"));
    }
    let (mut found, mut other) = (Vec::new(), None);
    for (number, line) in text.lines().enumerate().map(|(index, line)| (index + 1, line.trim())) {
        if line.is_empty() || line.starts_with('#') {
        } else if line.starts_with("AGE-SECRET-KEY-PQ-1") {
            let key = CustodianIdentity::parse(line);
            found.push(key.map_err(|error| IdentityFileError::Damaged { line: number, error })?);
        } else if line.starts_with("AGE-SECRET-KEY-1") {
            other.get_or_insert("X25519");
        } else if line.starts_with("AGE-PLUGIN-") {
            other.get_or_insert("of a plugin");
        } else if line.starts_with("AGE-SECRET-KEY-") {
            other.get_or_insert("of a newer version of age");
        } else if line.starts_with("age1") {
            return Err(IdentityFileError::Public(number));
        } else {
            return Err(IdentityFileError::NotAKey(number));
        }
    }
    match (found.is_empty(), other) {
        (false, _) => Ok(found),
        (true, Some(kind)) => Err(IdentityFileError::OtherKinds(kind)),
        (true, None) => Err(IdentityFileError::Empty),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_other_kinds_comments_and_a_byte_order_mark_are_skipped() {
        let key = CustodianIdentity::from_seed(&[1; 32]).to_secret_string();
        let classical = "AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQS7KVHKC";
        let text = format!("\u{feff}# mine\r\n{classical}\r\n  {}\r\nAGE-PLUGIN-YUBIKEY-1QQQ\n\n", &*key);
        let found = parse_identity_file(&text).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].to_secret_string(), key);
    }

    #[test]
    fn a_new_file_has_both_keys() {
        let identity = CustodianIdentity::from_seed(&[1; 32]);
        let text = identity_file_text(&identity);
        assert_eq!(text.lines().next().unwrap(), format!("# public key: {}", identity.recipient()));
        assert_eq!(parse_identity_file(&text).unwrap()[0].to_secret_string(), identity.to_secret_string());
    }

    #[test]
    fn every_useless_file_is_told_apart() {
        let public = CustodianIdentity::from_seed(&[1; 32]).recipient().to_string();
        let damaged = IdentityFileError::Damaged { line: 2, error: KeyError::InvalidEncoding };
        for (text, error) in [
            ("", IdentityFileError::Empty),
            ("\u{feff}", IdentityFileError::Empty),
            ("# comment\n\n", IdentityFileError::Empty),
            ("AGE-SECRET-KEY-1QQQ\n", IdentityFileError::OtherKinds("X25519")),
            ("-----BEGIN OPENSSH PRIVATE KEY-----\n", IdentityFileError::OtherKinds("an SSH key")),
            ("age-encryption.org/v1\n", IdentityFileError::Encrypted),
            ("-----BEGIN AGE ENCRYPTED FILE-----\n", IdentityFileError::Encrypted),
            (&public, IdentityFileError::Public(1)),
            ("{\"device\":1}", IdentityFileError::NotAKey(1)),
            ("#\nAGE-SECRET-KEY-PQ-1QQQQ", damaged),
        ] {
            assert_eq!(parse_identity_file(text).unwrap_err(), error, "{text}");
        }
    }
}
