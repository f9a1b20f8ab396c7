//! Registrars: security officers' devices that the authority lets enrol people.

use crate::{
    device,
    office::{RoleArg, authority_with, server_url},
    output::Printable,
    secret::PassphraseArgs,
};
use anyhow::Context as _;
use clap::Args;
use std::path::PathBuf;
use telcon_client::{
    endpoint::now_ms,
    http::{get_json, post_json},
};
use telcon_core::Device;
use telcon_identity::{Authority, Office, VerifiedDevice, request_appointment};
use telcon_proto::{
    Blob, Card, Role,
    http::{API_PREFIX, AppointRequest, Appointed, OfficeInfo},
    policy::ROLES,
};

/// Arguments of `telcon request-appointment`.
#[derive(Args)]
#[command(after_help = "Example: telcon request-appointment --device officer.json > appointment-request.txt")]
pub struct RequestArgs {
    /// The security officer's device file (see telcon enrol).
    #[arg(long)]
    pub device: PathBuf,
}

/// `telcon request-appointment`.
pub fn request(args: &RequestArgs) -> anyhow::Result<()> {
    let now = now_ms();
    let device = Device::open(&device::open(&args.device)?, now)?;
    crate::output::say!("{}", request_appointment(device.key(), device.chain(), device.me(), now));
    Ok(())
}

/// Arguments of `telcon appoint`.
#[derive(Args)]
#[command(
    after_help = "Example: telcon appoint --data /srv/telcon --server https://office.example appointment-request.txt\n\
                  The security officer saves the request on the page, or with telcon request-appointment."
)]
pub struct AppointArgs {
    /// The office directory with its authority.
    #[arg(long)]
    pub data: PathBuf,
    /// Address of the office's server.
    #[arg(long, default_value = "http://localhost:8080")]
    pub server: String,
    /// A role whose people the device may enrol. May be repeated; all roles if not given.
    #[arg(long, value_enum)]
    pub role: Vec<RoleArg>,
    /// The request that the security officer's device saved.
    pub request: PathBuf,
    #[command(flatten)]
    pub passphrase: PassphraseArgs,
}

/// Longest request for an appointment, bytes: four ML-DSA-87 certificates in base64.
const MAX_APPOINTMENT_REQUEST_BYTES: u64 = 128 * 1024;

/// `telcon appoint`.
pub fn appoint(args: &AppointArgs) -> anyhow::Result<()> {
    let server = server_url(&args.server)?;
    let authority = authority_with(&args.data, &args.passphrase)?;
    let request = telcon_files::read_text_named(&args.request, MAX_APPOINTMENT_REQUEST_BYTES)
        .with_context(|| format!("cannot read {}", args.request.display()))?;
    let device = office(&server, &authority)?
        .verify_appointment_request(&request, now_ms())
        .with_context(|| {
            format!(
                "{} is no request of a device of this office: use the appointment-request.txt that the officer's page saved",
                args.request.display()
            )
        })?;
    let roles: Vec<Role> = match args.role.is_empty() {
        true => ROLES.to_vec(),
        false => args.role.iter().map(|role| Role::from(*role)).collect(),
    };
    appoint_at(&server, &authority, &device, &roles)?;
    let Card { name, organisation, .. } = device.card();
    crate::output::say!(
        "The device {} of {}, {} may now enrol people: {}.",
        device.device(),
        Printable(name),
        Printable(organisation),
        roles.iter().map(|role| role.words()).collect::<Vec<_>>().join(", ")
    );
    Ok(())
}

/// The office of this authority, as its server describes it.
pub fn office(server: &str, authority: &Authority) -> anyhow::Result<Office> {
    let info: OfficeInfo = get_json(&format!("{server}{API_PREFIX}/office"), None)?;
    Office::pin(&info, Some(&authority.certificate_sha256()))
        .with_context(|| format!("{server} belongs to another office than this authority: check --server"))
}

/// Appoints a device at a server.
pub fn appoint_at(server: &str, authority: &Authority, device: &VerifiedDevice, roles: &[Role]) -> anyhow::Result<()> {
    let certificate = Blob(authority.appoint(device, roles, now_ms())?);
    let body = serde_json::to_vec(&AppointRequest { certificate })?;
    let _: Appointed = post_json(&format!("{server}{API_PREFIX}/registrars"), None, &body)?;
    Ok(())
}
