//! Security officers who invite and approve, and people who ask with their links.
#![allow(dead_code, reason = "each test file uses a part of it")]

use crate::office::{Office, ok, telcon, until};
use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Stdio},
};
use telcon_client::endpoint::{Endpoint, NullSink};
use telcon_core::{
    UserCommand,
    io::PersonToInvite,
    view::{InvitationView, View},
};
use telcon_proto::Role;

/// The device of a security officer of this name, appointed, and running in this process.
pub async fn officer(office: &Office, name: &str) -> Endpoint {
    let device = office.enrol(name, "security-officer");
    appointed(office, &device, name).await
}

/// Appoints an enrolled device of the person with this name, and runs it in this process.
pub async fn appointed(office: &Office, device: &Path, name: &str) -> Endpoint {
    let request = device.with_extension("request");
    let printed = ok(telcon().args(["request-appointment", "--device"]).arg(device)).stdout;
    std::fs::write(&request, printed).unwrap();
    let mut appoint = telcon();
    appoint.arg("appoint").arg("--data").arg(office.dir.path()).arg("--server").arg(office.url()).arg(&request);
    let said = crate::office::text(&ok(&mut appoint).stdout);
    assert!(said.contains(name) && said.contains("principal"), "{said}");
    let endpoint = office.endpoint(device, false, Box::new(NullSink));
    until(&endpoint, "the appointment", |view| view.registrar.is_some()).await;
    endpoint
}

/// Invites a principal of this name; returns the officer's view with the invitation.
pub async fn invite(officer: &Endpoint, name: &str) -> View {
    officer.command(UserCommand::Invite(PersonToInvite {
        place: false,
        person: None,
        name: name.into(),
        organisation: "Office of the President".into(),
        role: Role::Principal,
        zone: "Europe/Oslo".into(),
        valid_ms: None,
    }));
    let of = |view: &View| view.invitations.iter().any(|invitation| invitation.card.name == name);
    until(officer, "the invitation", of).await
}

/// Waits for an invitation that satisfies the condition.
pub async fn invitation(officer: &Endpoint, what: &str, so: impl Fn(&InvitationView) -> bool) -> InvitationView {
    let view = until(officer, what, |view: &View| view.invitations.iter().any(&so)).await;
    view.invitations.into_iter().find(so).unwrap()
}

/// `telcon enrol` with a registrar's link, which has printed its code.
pub struct Asking {
    /// The process.
    pub child: Child,
    /// The code.
    pub code: String,
}

/// Starts it. Its standard error is not read.
pub fn ask(office: &Office, fragment: &str, device: &Path) -> Asking {
    ask_with(office, fragment, device, Stdio::null())
}

/// As [`ask`], with this standard error.
pub fn ask_with(office: &Office, fragment: &str, device: &Path, stderr: Stdio) -> Asking {
    let mut enrol = telcon();
    enrol.args(["enrol", "--device"]).arg(device).arg(format!("{}/#enrol={fragment}", office.url()));
    let mut child = enrol.stdout(Stdio::piped()).stderr(stderr).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let code = line.trim().strip_prefix("Code: ").unwrap_or_else(|| panic!("no code: {line:?}")).to_owned();
    Asking { child, code }
}
