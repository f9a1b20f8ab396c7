//! `telcon custodian`: keys of custodians, made on their own machines. Needs no server and no office.

use crate::output::{say, tell};
use crate::secret::{ChangeArgs, NewPassphraseArgs, PassphraseArgs, change, file_content, new_passphrase, read_secret};
use crate::store::{private_dir, random};
use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use std::path::{Path, PathBuf};
use telcon_record::{
    CustodianIdentity, CustodianRecipient, KeyError, MAX_IDENTITY_FILE_BYTES, identity_file_text, parse_identity_file,
    seal::MAX_CUSTODIANS, secret_file::is_encrypted,
};
use zeroize::Zeroizing;

/// Largest list of custodians, bytes: a recipient has 1,959 characters.
const MAX_CUSTODIANS_BYTES: u64 = 1 << 20;

/// Largest content of an identity file, bytes.
const MAX_IDENTITY_BYTES: usize = MAX_IDENTITY_FILE_BYTES as usize;

/// How a custodian gets the two halves of a key apart.
const HOW: &str = "a custodian makes the key on their own machine, with `telcon custodian new FILE`, and gives the office only the line \
                   that it prints (age1pq1…)";

/// `telcon custodian …`.
#[derive(Subcommand)]
pub enum CustodianCommand {
    /// Make a custodian's key, on the custodian's own machine.
    New(NewArgs),
    /// Print the public key of a custodian's key, which the office needs.
    Recipient(RecipientArgs),
    /// Change or add the passphrase of a custodian's key.
    Passphrase(CustodianPassphraseArgs),
}

/// Arguments of `telcon custodian new`.
#[derive(Args)]
#[command(after_help = "Example: telcon custodian new identity.age > recipient.txt\n\
                  The file is an age identity file behind a passphrase: `age -d` opens it too.")]
pub struct NewArgs {
    /// File to create.
    pub file: PathBuf,
    #[command(flatten)]
    pub passphrase: NewPassphraseArgs,
}

/// Arguments of `telcon custodian recipient`.
#[derive(Args)]
#[command(after_help = "Example: telcon custodian recipient identity.age > recipient.txt")]
pub struct RecipientArgs {
    /// The custodian's file.
    pub file: PathBuf,
    #[command(flatten)]
    pub passphrase: PassphraseArgs,
}

/// Arguments of `telcon custodian passphrase`.
#[derive(Args)]
#[command(after_help = "Example: telcon custodian passphrase identity.age")]
pub struct CustodianPassphraseArgs {
    /// The custodian's file.
    pub file: PathBuf,
    #[command(flatten)]
    pub change: ChangeArgs,
}

/// Runs it.
pub fn run(command: &CustodianCommand) -> anyhow::Result<()> {
    match command {
        CustodianCommand::New(args) => new(args),
        CustodianCommand::Recipient(args) => recipient(args),
        CustodianCommand::Passphrase(args) => {
            let file = args.file.display();
            change(&args.file, MAX_IDENTITY_BYTES, &args.change, |content| {
                parse(content).map(drop).with_context(|| format!("{file} has no custodian's key"))
            })
        }
    }
}

fn new(args: &NewArgs) -> anyhow::Result<()> {
    let file = args.file.display();
    if args.file.exists() {
        bail!("{file} already exists; nothing was changed: choose another name");
    }
    let passphrase = new_passphrase("the custodian's key", &args.passphrase)?;
    let identity = CustodianIdentity::from_seed(&Zeroizing::new(random()?));
    let content = file_content(identity_file_text(&identity).as_bytes(), passphrase.as_ref())?;
    if let Some(directory) = args.file.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        private_dir(directory)?;
    }
    telcon_files::create_private(&args.file, &content).with_context(|| format!("cannot write {file}"))?;
    say!("{}", identity.recipient());
    tell!(
        "{file} is the secret key: it opens records. Keep it and its passphrase apart, and a copy of both.\n\
         The line on standard output is the public key: give it to the office, and compare the fingerprint by voice.\n\
         Fingerprint  {}",
        identity.recipient().fingerprint()
    );
    Ok(())
}

fn recipient(args: &RecipientArgs) -> anyhow::Result<()> {
    for identity in identities(&args.file, &args.passphrase)? {
        say!("{}", identity.recipient());
        tell!("Fingerprint  {}", identity.recipient().fingerprint());
    }
    Ok(())
}

/// The custodians' keys in a file, whose passphrase is asked for if it has one.
pub fn identities(path: &Path, passphrase: &PassphraseArgs) -> anyhow::Result<Vec<CustodianIdentity>> {
    let content = read_secret(path, MAX_IDENTITY_BYTES, passphrase)?;
    parse(&content).with_context(|| format!("{} has no custodian's key", path.display()))
}

fn parse(content: &[u8]) -> anyhow::Result<Vec<CustodianIdentity>> {
    let text = std::str::from_utf8(content).ok().context("it is not a text file (UTF-8)")?;
    Ok(parse_identity_file(text)?)
}

/// Reads custodians' recipients, one a line.
pub fn custodians(path: &Path) -> anyhow::Result<Vec<CustodianRecipient>> {
    let text = telcon_files::read_text_named(path, MAX_CUSTODIANS_BYTES);
    let text = Zeroizing::new(text.with_context(|| format!("cannot read {}", path.display()))?);
    let found = recipients_in(&text)
        .with_context(|| format!("{} must contain recipients (age1pq1…), one per line", path.display()))?;
    // Checked here rather than when the first record is sealed.
    check_list(&found).with_context(|| format!("{} is not accepted", path.display()))?;
    Ok(found)
}

/// Whether records can be sealed to these custodians.
pub fn check_list(custodians: &[CustodianRecipient]) -> anyhow::Result<()> {
    if custodians.is_empty() || custodians.len() > MAX_CUSTODIANS {
        bail!("there are {} custodians; 1 to {MAX_CUSTODIANS} are allowed", custodians.len());
    }
    if custodians.iter().enumerate().any(|(i, custodian)| custodians[..i].contains(custodian)) {
        bail!("it lists a custodian twice");
    }
    Ok(())
}

/// The recipients that somebody pasted, or that are in a file of this name. A secret key is refused: the office must not have it.
pub fn recipients_of(text: &str) -> anyhow::Result<Vec<CustodianRecipient>> {
    let text = text.trim();
    refuse_secret(text)?;
    if text.starts_with("age1") {
        return Ok(vec![CustodianRecipient::parse(text).map_err(explained)?]);
    }
    let path = Path::new(text);
    let file = telcon_files::read_named(path, MAX_CUSTODIANS_BYTES).map(Zeroizing::new);
    let file = file.with_context(|| {
        format!("it is neither a recipient (age1pq1…) nor a file that can be read: {}", path.display())
    })?;
    if is_encrypted(&file) {
        bail!("{} is an encrypted file, perhaps the secret key itself: {HOW}", path.display());
    }
    let text = std::str::from_utf8(&file).ok().with_context(|| format!("{} is not a text file", path.display()))?;
    let found = recipients_in(text).with_context(|| format!("{} is not accepted", path.display()))?;
    if found.is_empty() {
        bail!("{} contains no recipient (age1pq1…)", path.display());
    }
    Ok(found)
}

/// The recipients in a text, one a line, with comments.
fn recipients_in(text: &str) -> anyhow::Result<Vec<CustodianRecipient>> {
    refuse_secret(text)?;
    let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| CustodianRecipient::parse(line).map_err(explained)).collect()
}

/// Refuses a text with a secret key, without repeating it.
fn refuse_secret(text: &str) -> anyhow::Result<()> {
    if text.to_ascii_uppercase().contains("SECRET-KEY") || text.contains("PRIVATE KEY-----") {
        bail!(
            "this is a secret key, which must not leave its custodian's machine: do not use it any more, since this one has seen it. \
             Instead, {HOW}"
        );
    }
    Ok(())
}

fn explained(error: KeyError) -> anyhow::Error {
    match error {
        KeyError::WrongKind => anyhow::anyhow!(
            "it is a key of another kind: records are sealed to post-quantum keys (age1pq1…). Therefore, {HOW}"
        ),
        error => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_key_in_any_spelling_is_refused_and_not_repeated() {
        let identity = CustodianIdentity::from_seed(&[1; 32]);
        let secret = identity.to_secret_string();
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("identity.txt");
        std::fs::write(&file, identity_file_text(&identity).as_bytes()).unwrap();
        let file = file.display().to_string();
        for text in
            [secret.as_str(), &secret.to_lowercase(), &secret[3..], &file, "-----BEGIN OPENSSH PRIVATE KEY-----"]
        {
            let error = format!("{:#}", recipients_of(text).unwrap_err());
            assert!(error.contains("is a secret key") && error.contains("telcon custodian new"), "{error}");
            assert!(!error.contains(&secret[20..40]) && !error.contains(&secret.to_lowercase()[20..40]), "{error}");
        }
    }

    #[test]
    fn recipients_are_pasted_or_read_from_a_file() {
        let keys = [1, 2].map(|n| CustodianIdentity::from_seed(&[n; 32]).recipient());
        assert_eq!(recipients_of(&format!(" {}\n", keys[0])).unwrap(), keys[..1]);
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("recipients");
        std::fs::write(&file, format!("\u{feff}# two\r\n{}\r\n\n{}", keys[0], keys[1])).unwrap();
        assert_eq!(recipients_of(&file.display().to_string()).unwrap(), keys);
        for text in ["age1qqqq", "nowhere", "", "age1pq1qqqq"] {
            assert!(recipients_of(text).is_err(), "{text}");
        }
        let same = [keys[0].clone(), keys[0].clone()];
        for list in [&[][..], &same] {
            assert!(check_list(list).is_err());
        }
        assert!(check_list(&keys).is_ok());
    }
}
