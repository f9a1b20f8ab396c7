//! A new office: the keys and directories that `telcon init` and `telcon office init` create, from one definition.

use crate::custodian::{check_list, recipients_of};
use crate::output::{say, tell};
use crate::questions::is_terminal;
use crate::secret::{NewPassphraseArgs, file_content, new_passphrase};
use crate::store::{private_dir, random, write_secret};
use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};
use telcon_client::endpoint::now_ms;
use telcon_identity::{Authority, CharterTerms, Office};
use telcon_proto::{RecordMode, SuiteName, http::Registrars, line::Rings};
use telcon_record::{CustodianIdentity, CustodianRecipient, identity_file_text, secret_file::Passphrase};
use zeroize::Zeroizing;

/// Arguments of `telcon init`.
#[derive(Args)]
#[command(
    after_help = "Example: telcon init --data /srv/telcon --domain office.example --name \"Office of the President\" \
                        --passphrase-file passphrase.txt\n\
                  `telcon office init` asks for all of this, and invites the first security officer."
)]
pub struct InitArgs {
    /// Directory to create. Move its `authority` and `custodian` off the server afterwards.
    #[arg(long)]
    pub data: PathBuf,
    /// Domain that names the office.
    #[arg(long)]
    pub domain: String,
    /// Displayed name.
    #[arg(long)]
    pub name: String,
    /// Cipher suite of the office's calls.
    #[arg(long, value_enum, default_value_t = Suite::Hybrid)]
    pub suite: Suite,
    /// Lowest record mode of all calls; signed into the charter.
    #[arg(long, value_enum, default_value_t = Mode::Memo)]
    pub record_mode: Mode,
    /// A device that security officers enrol needs the approval of two of them; signed into the charter, and not to be changed later.
    #[arg(long)]
    pub two_registrars: bool,
    /// Whether principals and counterparts ring each other over lines that the principal gave, or by their roles; signed into the
    /// charter, and not to be changed later.
    #[arg(long, value_enum, default_value_t = RingsBy::Roles)]
    pub rings: RingsBy,
    /// A custodian's public key (age1pq1…), or a file with some. May be repeated. Without it a custodian's key is made here,
    /// with the same passphrase.
    #[arg(long, value_name = "RECIPIENT")]
    pub custodian: Vec<String>,
    #[command(flatten)]
    pub passphrase: NewPassphraseArgs,
}

/// Cipher suite as an argument.
#[derive(Clone, Copy, ValueEnum, PartialEq, Eq)]
pub enum Suite {
    /// ML-KEM-768 + X25519, AES-256-GCM, SHA-384, Ed25519.
    Hybrid,
    /// ML-KEM-1024, AES-256-GCM, SHA-384, ML-DSA-87.
    Cnsa2,
}

impl From<Suite> for SuiteName {
    fn from(suite: Suite) -> Self {
        match suite {
            Suite::Hybrid => Self::Hybrid,
            Suite::Cnsa2 => Self::Cnsa2,
        }
    }
}

/// Who may ring whom, as an argument.
#[derive(Clone, Copy, ValueEnum)]
pub enum RingsBy {
    /// A counterpart rings a principal who gave them a line, and nobody else; nor does a principal ring a counterpart without one.
    Lines,
    /// By role: every counterpart may ring every principal, and the other way round.
    Roles,
}

impl From<RingsBy> for Rings {
    fn from(rings: RingsBy) -> Self {
        match rings {
            RingsBy::Lines => Self::OverLines,
            RingsBy::Roles => Self::ByRole,
        }
    }
}

/// Record mode as an argument.
#[derive(Clone, Copy, ValueEnum)]
pub enum Mode {
    /// Only that the call took place.
    LogOnly,
    /// Notes and transcript.
    Memo,
    /// Memo and audio.
    Audio,
}

impl From<Mode> for RecordMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::LogOnly => Self::LogOnly,
            Mode::Memo => Self::Memo,
            Mode::Audio => Self::Audio,
        }
    }
}

/// What a new office is made from.
pub struct NewOffice<'a> {
    /// Its domain.
    pub domain: &'a str,
    /// Its displayed name.
    pub name: &'a str,
    /// Its cipher suite.
    pub suite: SuiteName,
    /// What its charter says.
    pub terms: CharterTerms,
    /// The custodians. If there is none, a custodian's key is made beside the authority's.
    pub custodians: &'a [CustodianRecipient],
    /// What protects the keys that are made; without one they are stored unencrypted.
    pub passphrase: Option<&'a Passphrase>,
}

/// The charter's terms.
pub fn terms(mode: Mode, two_registrars: bool, rings: RingsBy) -> CharterTerms {
    let registrars = if two_registrars { Registrars::Two } else { Registrars::One };
    CharterTerms { floor: mode.into(), registrars, rings: rings.into() }
}

/// The parts of an office's directory, in the order in which they are published. The last one makes it an office.
const PARTS: [&str; 4] = ["custodians.txt", "custodian", "server", "authority"];
/// Where a new office is made before its parts are published.
const STAGE: &str = ".new-office";
/// In the stage: all parts are there.
const COMPLETE: &str = "complete";

/// Finishes an office whose creation was interrupted while its parts were published.
///
/// # Errors
/// When there was one, since the directory contains an office now.
pub fn finish_interrupted(data: &Path) -> anyhow::Result<()> {
    let stage = data.join(STAGE);
    if stage.join(COMPLETE).exists() {
        publish(&stage, data)?;
        bail!(
            "{} contains a new office, whose creation was interrupted just before its end: it is complete now, with the keys and the \
             passphrase of that attempt. Its digest is in authority/digest.txt",
            data.display()
        );
    }
    Ok(())
}

/// Refuses a directory that contains an office or a part of one, whose keys must not be replaced.
pub fn check_free(data: &Path) -> anyhow::Result<()> {
    if let Some(part) = PARTS.iter().find(|part| data.join(part).exists()) {
        bail!("{} already contains an office, or a part of one ({part}); nothing was changed", data.display());
    }
    Ok(())
}

/// Creates an office. If it is interrupted, the next attempt starts anew, or finishes moving the parts into place.
pub fn create_office(data: &Path, new: &NewOffice<'_>) -> anyhow::Result<(Office, Authority)> {
    finish_interrupted(data)?;
    check_free(data)?;
    let stage = data.join(STAGE);
    private_dir(data)?;
    // What an interrupted attempt left.
    match fs::remove_dir_all(&stage) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot remove {}", stage.display()));
        }
        _ => private_dir(&stage)?,
    }
    let authority_dir = stage.join("authority");
    let seed = Zeroizing::new(random()?);
    let authority = Authority::create(new.suite, &seed, new.domain, new.name, now_ms())?;
    private_dir(&authority_dir)?;
    write_secret(&authority_dir.join("seed"), &file_content(&*seed, new.passphrase)?)?;
    let recipients: String = match new.custodians {
        [] => {
            private_dir(&stage.join("custodian"))?;
            let identity = CustodianIdentity::from_seed(&Zeroizing::new(random()?));
            let content = file_content(identity_file_text(&identity).as_bytes(), new.passphrase)?;
            write_secret(&stage.join("custodian/identity.txt"), &content)?;
            format!("{}\n", identity.recipient())
        }
        given => given.iter().map(|custodian| format!("{custodian}\n")).collect(),
    };
    write_secret(&stage.join("custodians.txt"), recipients.as_bytes())?;
    // Lines are sealed to those who open the records. Where roles decide who rings, there are no lines.
    let sealed_to = match new.terms.rings {
        Rings::OverLines => recipients.lines().map(str::to_owned).collect(),
        Rings::ByRole => Vec::new(),
    };
    let info = crate::serve::init(&stage.join("server"), &authority, new.terms, sealed_to)?;
    // Before anything is printed: auditors and relays need it, and a terminal may be closed.
    let digest = format!("{}\n", telcon_proto::hex(&authority.certificate_sha256()));
    write_secret(&authority_dir.join("digest.txt"), digest.as_bytes())?;
    write_secret(&authority_dir.join("certificate.der"), authority.certificate_der())?;
    write_secret(&stage.join(COMPLETE), b"")?;
    publish(&stage, data)?;
    Ok((Office::pin(&info, Some(&authority.certificate_sha256()))?, authority))
}

/// Moves the parts of a complete stage to their places; those that an interrupted attempt moved are there.
fn publish(stage: &Path, data: &Path) -> anyhow::Result<()> {
    let publish = || {
        for part in PARTS.iter().filter(|part| stage.join(part).exists()) {
            fs::rename(stage.join(part), data.join(part))?;
        }
        File::open(data)?.sync_all()?;
        fs::remove_dir_all(stage)
    };
    publish().with_context(|| format!("cannot move the new office from {} to {}", stage.display(), data.display()))
}

/// Creates an office with unencrypted keys, for demonstrations and measurements.
pub fn create(data: &Path, domain: &str, name: &str, suite: SuiteName, mode: RecordMode) -> anyhow::Result<Office> {
    let new = NewOffice { domain, name, suite, terms: mode.into(), custodians: &[], passphrase: None };
    Ok(create_office(data, &new)?.0)
}

/// `telcon init`.
pub fn init(args: &InitArgs) -> anyhow::Result<()> {
    finish_interrupted(&args.data)?;
    check_free(&args.data)?;
    let mut custodians = Vec::new();
    for given in &args.custodian {
        custodians.extend(recipients_of(given)?);
    }
    if !custodians.is_empty() {
        check_list(&custodians)?;
    }
    // Scripts of earlier versions name no passphrase and have no terminal: they get unencrypted keys as before, and a warning.
    let unattended = args.passphrase.passphrase_file.is_none() && !is_terminal();
    let no_passphrase = args.passphrase.no_passphrase || unattended;
    let given = NewPassphraseArgs { no_passphrase, ..args.passphrase.clone() };
    let passphrase = new_passphrase("the keys of the new office", &given)?;
    if unattended {
        let data = args.data.display();
        tell!("Add one: telcon authority passphrase --data {data}");
        if custodians.is_empty() {
            tell!("         telcon custodian passphrase {data}/custodian/identity.txt");
        }
    }
    let new = NewOffice {
        domain: &args.domain,
        name: &args.name,
        suite: args.suite.into(),
        terms: terms(args.record_mode, args.two_registrars, args.rings),
        custodians: &custodians,
        passphrase: passphrase.as_ref(),
    };
    let (office, _) = create_office(&args.data, &new)?;
    let data = args.data.display();
    say!("Created the office {} in {data}.", args.domain);
    say!("  {data}/server          for the server: telcon serve --data {data}/server");
    say!("  {data}/authority       the authority's key: keep it offline; it enrols and revokes devices");
    if custodians.is_empty() {
        say!("  {data}/custodian       the custodian's key: keep it offline; it opens records");
        tell!(
            "The custodian's key was made on this machine. Custodians make theirs with telcon custodian new: see --custodian."
        );
    }
    say!("  {data}/custodians.txt  for note-takers: recipients of records, one per line");
    say!("Authority  {}", telcon_proto::hex(&office.authority_sha256()));
    say!(
        "It is also in {data}/authority/digest.txt. Keep it apart from the server. Auditors need it for `telcon archive verify --authority`, standalone relays for"
    );
    say!("`telcon relay --authority`.");
    Ok(())
}
