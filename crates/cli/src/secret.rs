//! Keys at rest: files behind a passphrase, which a person types or a script passes.

use crate::output::tell;
use crate::questions::{MAX_TRIES, is_terminal, read_line};
use anyhow::{Context as _, bail};
use clap::Args;
use std::{
    fs,
    path::{Path, PathBuf},
};
use telcon_identity::SEED_BYTES;
use telcon_record::secret_file::{
    MAX_PASSPHRASE_BYTES, Passphrase, SecretFileError, check_header, decrypt_secret, encrypt_secret, is_encrypted,
    max_encrypted_bytes,
};
use zeroize::Zeroizing;

/// Where a passphrase comes from, as arguments.
#[derive(Args, Clone, Debug, Default)]
pub struct PassphraseArgs {
    /// File whose first line is the key's passphrase; `-` is standard input. Without it the terminal asks.
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
}

/// How a new key is protected, as arguments.
#[derive(Args, Clone, Debug, Default)]
pub struct NewPassphraseArgs {
    /// File whose first line is the passphrase for the new key; `-` is standard input. Without it the terminal asks.
    #[arg(long, value_name = "FILE", conflicts_with = "no_passphrase")]
    pub passphrase_file: Option<PathBuf>,
    /// Store the key unencrypted: anyone who can read the file can use it. For tests and demonstrations.
    #[arg(long)]
    pub no_passphrase: bool,
}

/// How an existing key is protected from now on, as arguments.
#[derive(Args, Clone, Debug)]
pub struct ChangeArgs {
    #[command(flatten)]
    pub old: PassphraseArgs,
    /// File whose first line is the new passphrase; `-` is standard input. Without it the terminal asks.
    #[arg(long, value_name = "FILE", conflicts_with = "no_passphrase")]
    pub new_passphrase_file: Option<PathBuf>,
    /// Store the key unencrypted: anyone who can read the file can use it.
    #[arg(long)]
    pub no_passphrase: bool,
}

/// Reads a file with a secret of at most `limit` bytes. If it is encrypted, its passphrase is asked for.
///
/// # Errors
/// When it cannot be read; after [`MAX_TRIES`] wrong passphrases of a person, or the first of a script.
pub fn read_secret(path: &Path, limit: usize, args: &PassphraseArgs) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let file = telcon_files::read_named(path, max_encrypted_bytes(limit) as u64)
        .map(Zeroizing::new)
        .with_context(|| format!("cannot read {}", path.display()))?;
    if !is_encrypted(&file) {
        return Ok(file);
    }
    check_header(&file).with_context(|| format!("cannot open {}", path.display()))?;
    let mut left = if args.passphrase_file.is_none() && is_terminal() { MAX_TRIES } else { 1 };
    loop {
        let passphrase = one_passphrase(&format!("Passphrase of {}", path.display()), args.passphrase_file.as_deref())?;
        left -= 1;
        match decrypt_secret(&file, &passphrase, limit) {
            Err(SecretFileError::WrongPassphrase) if left > 0 => tell!("The passphrase is wrong; {left} more to try."),
            opened => return opened.with_context(|| format!("cannot open {}", path.display())),
        }
    }
}

/// The seed of an authority.
///
/// # Errors
/// As [`read_secret`]; when it is no seed.
pub fn read_seed(path: &Path, args: &PassphraseArgs) -> anyhow::Result<Zeroizing<[u8; SEED_BYTES]>> {
    let bytes = read_secret(path, SEED_BYTES, args)?;
    seed_of(&bytes).with_context(|| path.display().to_string()).copied().map(Zeroizing::new)
}

/// A seed in a file's content.
///
/// # Errors
/// When it has another length.
pub fn seed_of(bytes: &[u8]) -> anyhow::Result<&[u8; SEED_BYTES]> {
    bytes.try_into().ok().with_context(|| format!("it is corrupt: it must contain {SEED_BYTES} bytes"))
}

/// The passphrase for a new key; none, with a warning, if it is to be stored unencrypted.
///
/// # Errors
/// When there is none, or a weak one.
pub fn new_passphrase(of: &str, args: &NewPassphraseArgs) -> anyhow::Result<Option<Passphrase>> {
    if args.no_passphrase {
        tell!("Without a passphrase, anyone who can read the file of {of} can use it.");
        return Ok(None);
    }
    chosen_passphrase(of, args.passphrase_file.as_deref()).map(Some)
}

/// What a key's file contains: the key itself, or encrypted. What was encrypted is opened again before it replaces anything.
///
/// # Errors
/// When that fails.
pub fn file_content(secret: &[u8], passphrase: Option<&Passphrase>) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let Some(passphrase) = passphrase else { return Ok(Zeroizing::new(secret.to_vec())) };
    let file = encrypt_secret(secret, passphrase).context("the key could not be encrypted")?;
    let opened = decrypt_secret(&file, passphrase, secret.len());
    if opened.context("the encrypted key does not open again")?.as_slice() != secret {
        bail!("the encrypted key opens to something else; nothing was written");
    }
    Ok(Zeroizing::new(file))
}

/// Changes, adds or removes the passphrase of a file, whose content `check` accepts. A process that is killed at any moment leaves the
/// old file or the new one.
///
/// # Errors
/// When it cannot be opened or written; then the old file stays.
pub fn change(
    path: &Path,
    limit: usize,
    args: &ChangeArgs,
    check: impl FnOnce(&[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    // A link would be replaced by the file, and the old one remain where it leads.
    let path = fs::canonicalize(path).with_context(|| format!("cannot read {}", path.display()))?;
    let secret = read_secret(&path, limit, &args.old)?;
    check(&secret)?;
    let new =
        NewPassphraseArgs { passphrase_file: args.new_passphrase_file.clone(), no_passphrase: args.no_passphrase };
    let passphrase = new_passphrase(&format!("{}", path.display()), &new)?;
    crate::store::write_secret(&path, &file_content(&secret, passphrase.as_ref())?)?;
    match passphrase {
        Some(_) => crate::output::say!("{} opens with the new passphrase.", path.display()),
        None => crate::output::say!("{} is stored unencrypted.", path.display()),
    }
    tell!("Copies of the old file, such as backups, still open as before: replace or destroy them.");
    Ok(())
}

/// A passphrase that is strong enough, typed twice by a person.
fn chosen_passphrase(of: &str, file: Option<&Path>) -> anyhow::Result<Passphrase> {
    let mut left = if file.is_none() && is_terminal() { MAX_TRIES } else { 1 };
    loop {
        left -= 1;
        let passphrase = one_passphrase(&format!("New passphrase for {of}"), file)?;
        let typed = file.is_none() && is_terminal();
        let problem = match passphrase.check() {
            Err(error) => error.to_string(),
            Ok(()) if typed && one_passphrase("Repeat the passphrase", None)? != passphrase => {
                "the passphrases do not match".to_owned()
            }
            Ok(()) => return Ok(passphrase),
        };
        if left == 0 {
            bail!("the passphrase for {of} is not accepted: {problem}");
        }
        tell!("  {problem}");
    }
}

/// A passphrase from a file, a terminal without echo, or a line of standard input.
fn one_passphrase(prompt: &str, file: Option<&Path>) -> anyhow::Result<Passphrase> {
    match file {
        Some(path) if path != Path::new("-") => {
            let text = telcon_files::read_text_named(path, MAX_PASSPHRASE_BYTES as u64 + 2).map(Zeroizing::new);
            let text = text.with_context(|| format!("cannot read the passphrase in {}", path.display()))?;
            Ok(Passphrase::new(text.lines().next().unwrap_or_default().to_owned()))
        }
        None if is_terminal() => {
            let typed = rpassword::prompt_password(format!("{prompt}: "));
            Ok(Passphrase::new(typed.context("the terminal did not pass a passphrase on: use --passphrase-file")?))
        }
        _ => match read_line()? {
            Some(line) => Ok(Passphrase::new(line.as_str().to_owned())),
            None => bail!("{prompt} is needed: run this at a terminal, or give --passphrase-file"),
        },
    }
}
