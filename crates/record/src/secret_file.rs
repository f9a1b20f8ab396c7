//! Secrets at rest behind a passphrase: an armored age file with one scrypt stanza (C2SP age, "scrypt recipient stanza").
//!
//! The decrypted content is the plain file itself, so that `age -d FILE` of another implementation gives what this program
//! reads without a passphrase. The version of the format is age's own, in the first line of its header.

use std::fmt;
use std::io::{BufReader, Read as _, Write as _};
use std::iter;

use age::armor::{ArmoredReader, ArmoredWriter, Format};
use age::secrecy::{ExposeSecret as _, SecretString};
use age::{DecryptError, Decryptor, Encryptor, Identity, Recipient, scrypt};
use zeroize::Zeroizing;

/// Work factor of files that are written: scrypt with N = 2^18 and r = 8, as stock age writes: 256 MiB of memory for each attempt.
pub const WORK_FACTOR: u8 = 18;

/// Highest work factor that is opened: N = 2^20, 1 GiB. A file of others must not exhaust the memory.
pub const MAX_WORK_FACTOR: u8 = 20;

/// Fewest characters of a new passphrase: what three or four random words have.
pub const MIN_PASSPHRASE_CHARS: usize = 16;

/// Fewest different characters of a new passphrase: repeating a few adds length, not strength.
pub const MIN_DIFFERENT_CHARS: usize = 8;

/// Longest passphrase, bytes: what a terminal's line holds four times.
pub const MAX_PASSPHRASE_BYTES: usize = 1024;

/// What armor and header add to a secret at most, bytes; the secret itself grows by a third.
const MAX_OVERHEAD_BYTES: usize = 4096;

/// A passphrase. It is erased when dropped, and shown by nothing.
#[derive(Clone)]
pub struct Passphrase(SecretString);

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(secret)")
    }
}

impl PartialEq for Passphrase {
    fn eq(&self, other: &Self) -> bool {
        self.0.expose_secret() == other.0.expose_secret()
    }
}

impl Eq for Passphrase {}

/// Why a passphrase is not accepted for a new file. Never contains it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PassphraseError {
    /// Fewer than [`MIN_PASSPHRASE_CHARS`].
    #[error(
        "it is too short: a passphrase has at least {MIN_PASSPHRASE_CHARS} characters, for example five random words"
    )]
    Short,
    /// Fewer than [`MIN_DIFFERENT_CHARS`].
    #[error("it repeats a few characters: a passphrase has at least {MIN_DIFFERENT_CHARS} different ones")]
    Repetitive,
    /// Blank at an end, or a control character: it could not be typed again from paper.
    #[error("it begins or ends with a blank, or contains a control character, which nobody sees on paper")]
    Invisible,
    /// More than [`MAX_PASSPHRASE_BYTES`].
    #[error("it is longer than {MAX_PASSPHRASE_BYTES} bytes")]
    Long,
}

impl Passphrase {
    /// A passphrase as it was typed or read. Spaces count.
    pub fn new(text: String) -> Self {
        Self(text.into())
    }

    /// Whether it may protect a new file. Old files open with whatever they were encrypted with.
    ///
    /// # Errors
    /// [`PassphraseError`].
    pub fn check(&self) -> Result<(), PassphraseError> {
        let text = self.0.expose_secret();
        if text.len() > MAX_PASSPHRASE_BYTES {
            return Err(PassphraseError::Long);
        }
        if text.trim() != text || text.contains(char::is_control) {
            return Err(PassphraseError::Invisible);
        }
        if text.chars().count() < MIN_PASSPHRASE_CHARS {
            return Err(PassphraseError::Short);
        }
        let mut seen = Zeroizing::new(text.chars().map(u32::from).collect::<Vec<_>>());
        seen.sort_unstable();
        seen.dedup();
        if seen.len() < MIN_DIFFERENT_CHARS { Err(PassphraseError::Repetitive) } else { Ok(()) }
    }
}

/// Why an encrypted file was not opened or written.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    /// Another passphrase, or a damaged stanza: the format does not tell these apart.
    #[error("the passphrase is wrong")]
    WrongPassphrase,
    /// Encrypted to a key.
    #[error("it is encrypted to a key, not with a passphrase: decrypt it first, with `age -d -i KEY`")]
    NotPassphrase,
    /// More work than [`MAX_WORK_FACTOR`].
    #[error(
        "its passphrase takes 2^{0} steps of scrypt, more than the 2^{MAX_WORK_FACTOR} that are allowed: decrypt it with \
         `age -d`, and encrypt it again"
    )]
    TooMuchWork(u8),
    /// Damaged, truncated, or of a later version of age.
    #[error("it is damaged, or of a later version of age ({0}): restore it from the other copy")]
    Damaged(String),
    /// The plaintext is larger than it may be.
    #[error("its content is larger than {0} bytes")]
    TooLarge(usize),
}

/// Whether a file is an age file, armored or not. Comments and keys in plain text do not begin so.
pub fn is_encrypted(file: &[u8]) -> bool {
    let file = file.trim_ascii_start();
    file.starts_with(b"age-encryption.org/") || file.starts_with(b"-----BEGIN AGE ENCRYPTED FILE-----")
}

/// Largest encrypted file of a secret of at most `limit` bytes.
pub const fn max_encrypted_bytes(limit: usize) -> usize {
    limit + limit / 2 + MAX_OVERHEAD_BYTES
}

/// Encrypts a secret with a passphrase: an armored age file. Salt and file key are drawn from the system by `age`.
///
/// # Errors
/// [`SecretFileError::Damaged`] when the encryption fails.
pub fn encrypt_secret(secret: &[u8], passphrase: &Passphrase) -> Result<Vec<u8>, SecretFileError> {
    let failed = |error: std::io::Error| SecretFileError::Damaged(error.to_string());
    let mut recipient = scrypt::Recipient::new(passphrase.0.clone());
    recipient.set_work_factor(WORK_FACTOR);
    let encryptor = Encryptor::with_recipients(iter::once(&recipient as &dyn Recipient))
        .expect("invariant: one recipient mixes with no other");
    let armor = ArmoredWriter::wrap_output(Vec::new(), Format::AsciiArmor).map_err(failed)?;
    let mut writer = encryptor.wrap_output(armor).map_err(failed)?;
    writer.write_all(secret).map_err(failed)?;
    writer.finish().and_then(ArmoredWriter::finish).map_err(failed)
}

/// The first step of opening: the header, without a passphrase.
fn header(file: &[u8]) -> Result<Decryptor<ArmoredReader<BufReader<&[u8]>>>, SecretFileError> {
    let decryptor = Decryptor::new_buffered(ArmoredReader::new(file)).map_err(|error| damaged(&error))?;
    if decryptor.is_scrypt() { Ok(decryptor) } else { Err(SecretFileError::NotPassphrase) }
}

/// The error's own words: `age` adds a line of advice about its command line, which is not ours.
fn damaged(error: &dyn fmt::Display) -> SecretFileError {
    SecretFileError::Damaged(error.to_string().lines().next().unwrap_or_default().to_owned())
}

/// Whether a passphrase may open a file, as far as its header tells: to be called before a person is asked for one.
///
/// # Errors
/// [`SecretFileError::NotPassphrase`], [`SecretFileError::Damaged`].
pub fn check_header(file: &[u8]) -> Result<(), SecretFileError> {
    header(file).map(drop)
}

/// Decrypts a file of [`encrypt_secret`], or one that stock `age -p` wrote, armored or not, of at most `limit` bytes.
///
/// # Errors
/// [`SecretFileError`].
pub fn decrypt_secret(
    file: &[u8],
    passphrase: &Passphrase,
    limit: usize,
) -> Result<Zeroizing<Vec<u8>>, SecretFileError> {
    let decryptor = header(file)?;
    let mut identity = scrypt::Identity::new(passphrase.0.clone());
    identity.set_max_work_factor(MAX_WORK_FACTOR);
    let reader = match decryptor.decrypt(iter::once(&identity as &dyn Identity)) {
        Ok(reader) => reader,
        Err(DecryptError::ExcessiveWork { required, .. }) => return Err(SecretFileError::TooMuchWork(required)),
        Err(DecryptError::DecryptionFailed | DecryptError::KeyDecryptionFailed | DecryptError::NoMatchingKeys) => {
            return Err(SecretFileError::WrongPassphrase);
        }
        Err(error) => return Err(damaged(&error)),
    };
    // Allocated once: reallocation would leave copies of the secret in freed memory. The plaintext is shorter than the file.
    let mut secret = Zeroizing::new(Vec::with_capacity(file.len().min(limit) + 1));
    reader.take(limit as u64 + 1).read_to_end(&mut secret).map_err(|error| damaged(&error))?;
    if secret.len() > limit { Err(SecretFileError::TooLarge(limit)) } else { Ok(secret) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::new(text.to_owned())
    }

    /// As [`encrypt_secret`], with little work: what is tested is not the work.
    fn encrypt(secret: &[u8], text: &str, log_n: u8, format: Format) -> Vec<u8> {
        let mut recipient = scrypt::Recipient::new(text.to_owned().into());
        recipient.set_work_factor(log_n);
        let encryptor = Encryptor::with_recipients(iter::once(&recipient as &dyn Recipient)).unwrap();
        let mut writer = encryptor.wrap_output(ArmoredWriter::wrap_output(Vec::new(), format).unwrap()).unwrap();
        writer.write_all(secret).unwrap();
        writer.finish().and_then(ArmoredWriter::finish).unwrap()
    }

    #[test]
    fn a_secret_opens_with_its_passphrase_only() {
        let file = encrypt_secret(b"secret", &passphrase("correct horse battery")).unwrap();
        assert!(is_encrypted(&file) && file.starts_with(b"-----BEGIN AGE ENCRYPTED FILE-----\n"));
        assert!(file.len() <= max_encrypted_bytes(6));
        assert_eq!(**decrypt_secret(&file, &passphrase("correct horse battery"), 6).unwrap(), *b"secret");
        let wrong = decrypt_secret(&file, &passphrase("Correct horse battery"), 6);
        assert!(matches!(wrong, Err(SecretFileError::WrongPassphrase)), "{wrong:?}");
    }

    #[test]
    fn binary_files_and_other_work_factors_open_up_to_the_limit() {
        for format in [Format::AsciiArmor, Format::Binary] {
            let file = encrypt(b"secret", "p", 10, format);
            assert!(is_encrypted(&file));
            assert_eq!(**decrypt_secret(&file, &passphrase("p"), 100).unwrap(), *b"secret");
            assert!(matches!(decrypt_secret(&file, &passphrase("p"), 5), Err(SecretFileError::TooLarge(5))));
        }
        // The work is refused before it is done: the header is changed, and the file not authenticated yet.
        let file = String::from_utf8_lossy(&encrypt(b"secret", "p", 10, Format::Binary)).replacen(" 10\n", " 30\n", 1);
        let refused = decrypt_secret(file.as_bytes(), &passphrase("p"), 100);
        assert!(matches!(refused, Err(SecretFileError::TooMuchWork(30) | SecretFileError::Damaged(_))), "{refused:?}");
    }

    #[test]
    fn damaged_and_truncated_files_are_refused() {
        let file = encrypt(b"secret", "p", 2, Format::Binary);
        for length in 0..file.len() {
            assert!(decrypt_secret(&file[..length], &passphrase("p"), 100).is_err(), "{length}");
        }
        for at in 0..file.len() {
            let mut file = file.clone();
            file[at] ^= 1;
            assert!(decrypt_secret(&file, &passphrase("p"), 100).is_err(), "{at}");
        }
    }

    #[test]
    fn a_file_encrypted_to_a_key_is_told_apart() {
        let key = age::x25519::Identity::generate().to_public();
        let encryptor = Encryptor::with_recipients(iter::once(&key as &dyn Recipient)).unwrap();
        let mut writer = encryptor.wrap_output(Vec::new()).unwrap();
        writer.write_all(b"secret").unwrap();
        let file = writer.finish().unwrap();
        assert!(matches!(check_header(&file), Err(SecretFileError::NotPassphrase)));
        assert!(matches!(decrypt_secret(&file, &passphrase("p"), 100), Err(SecretFileError::NotPassphrase)));
        assert!(matches!(check_header(b"age-encryption.org/v1\n"), Err(SecretFileError::Damaged(_))));
    }

    #[test]
    fn weak_passphrases_are_refused() {
        for (text, error) in [
            ("", PassphraseError::Short),
            ("fifteen letters", PassphraseError::Short),
            ("abababababababababab", PassphraseError::Repetitive),
            (" correct horse battery", PassphraseError::Invisible),
            ("correct horse\tbattery", PassphraseError::Invisible),
            (&"correct horse battery".repeat(50), PassphraseError::Long),
        ] {
            assert_eq!(passphrase(text).check(), Err(error), "{text:?}");
        }
        for text in ["sixteen letters!", "пароль из пяти слов", "correct horse battery staple"] {
            assert_eq!(passphrase(text).check(), Ok(()), "{text:?}");
        }
        assert_eq!(format!("{:?}", passphrase("correct horse battery")), "Passphrase(secret)");
    }
}
