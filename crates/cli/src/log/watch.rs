//! `telcon log watch`.

use super::{
    NOT_CONSISTENT, StateArgs, evidence,
    person::{DeviceEvent, LoggedEvent, Owner, PersonDevices, Revoker},
    source::{Failure, Source},
    state::{State, StateFile},
    verify::{remembered_in, same_key},
};
use crate::{
    office::digest,
    output::{say, tell, utc},
};
use anyhow::Context as _;
use clap::Args;
use serde::Serialize;
use std::{path::PathBuf, process::ExitCode, time::Duration};
use telcon_client::endpoint::now_ms;
use telcon_core::Device;
use telcon_log::{FollowedTree, SignedCheckpoint};
use telcon_proto::{PersonId, entry::InvitationClosed};

/// Version of the lines for programs.
const LINE_VERSION: u16 = 1;

/// Arguments of `telcon log watch`.
#[derive(Args)]
#[command(
    after_help = "Example: telcon log watch --office https://office.example --device mine.json --state mine.state\n\
                  Exit codes: 0 consistent (with --once); 1 forked, rolled back or damaged: the signed checkpoints are kept as \
                  evidence; 2 not verified: wrong usage, or the office cannot be reached."
)]
pub struct WatchArgs {
    /// Address of the office's server.
    #[arg(long)]
    pub office: String,
    /// The authority's digest (printed by `telcon init`), from a source other than the server.
    #[arg(long, value_parser = digest, required_unless_present = "device")]
    pub authority: Option<[u8; 32]>,
    /// The person, by identifier (see telcon devices).
    #[arg(long, required_unless_present = "device")]
    pub person: Option<PersonId>,
    /// A device file of the person, in place of --person and --authority. It is only read, and may be in use.
    #[arg(long, conflicts_with_all = ["authority", "person"])]
    pub device: Option<PathBuf>,
    #[command(flatten)]
    pub state: StateArgs,
    /// Report what is in the log now, and exit.
    #[arg(long)]
    pub once: bool,
    /// How often to look for new entries, seconds.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub interval: u64,
    /// Print a line of JSON for each event, for programs.
    #[arg(long)]
    pub json: bool,
}

/// An event for programs.
#[derive(Serialize)]
struct Line<'a> {
    version: u16,
    person: PersonId,
    #[serde(flatten)]
    event: &'a LoggedEvent,
}

/// `telcon log watch`.
pub fn watch(args: &WatchArgs) -> anyhow::Result<ExitCode> {
    let (authority, person) = subject(args)?;
    let opened = args.state.state.as_deref().map(|path| StateFile::open(path, &authority)).transpose()?;
    let (file, state) = opened.map_or((None, None), |(file, state)| (Some(file), state));
    let source = Source::open(&args.office, &authority)?;
    let mut watch = Watch { args, source: &source, person, file, state, unreported: 0 };
    match watch.run() {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(Failure::Unreachable(error) | Failure::Local(error)) => Err(error),
        Err(Failure::Finding(finding)) => {
            let path = watch.file.as_ref().map(StateFile::path);
            let kept = evidence::keep(&source, &finding, watch.state.as_ref(), &[], path, now_ms())?;
            evidence::advise(&finding, &kept);
            Ok(ExitCode::from(NOT_CONSISTENT))
        }
    }
}

/// The authority's digest, and the person to watch.
fn subject(args: &WatchArgs) -> anyhow::Result<([u8; 32], PersonId)> {
    if let Some(path) = &args.device {
        let device = Device::open(&crate::device::open(path)?, now_ms())?;
        return Ok((device.office().authority_sha256(), device.me().card().person));
    }
    args.authority.zip(args.person).context("give --authority and --person, or --device")
}

struct Watch<'a> {
    args: &'a WatchArgs,
    source: &'a Source,
    person: PersonId,
    file: Option<StateFile>,
    state: Option<State>,
    /// The first entry that was not reported.
    unreported: u64,
}

impl Watch<'_> {
    fn run(&mut self) -> Result<(), Failure> {
        let mut devices = PersonDevices::new(self.person);
        let mut followed = self.begin(&mut devices)?;
        if self.args.once {
            return Ok(());
        }
        let seconds = self.args.interval;
        tell!("Following the log, every {seconds} s. Ctrl-C ends it.");
        let mut reachable = true;
        loop {
            std::thread::sleep(Duration::from_secs(seconds));
            match self.advance(&mut followed, &mut devices) {
                Ok(()) if reachable => {}
                Ok(()) => tell!("The office can be reached again."),
                Err(Failure::Unreachable(error)) => {
                    if reachable {
                        tell!("telcon: {}. Trying again every {seconds} s.", crate::causes(&error));
                    }
                    reachable = false;
                    continue;
                }
                Err(failure) => return Err(failure),
            }
            reachable = true;
        }
    }

    /// Verifies the whole log and reports what it says of the person.
    fn begin(&mut self, devices: &mut PersonDevices) -> Result<FollowedTree, Failure> {
        let checkpoint = self.source.checkpoint()?;
        same_key(self.source, self.state.as_ref(), &checkpoint)?;
        let remembered = remembered_in(self.state.as_ref()).map_err(Failure::Local)?;
        let remembered: Vec<_> = remembered.into_iter().collect();
        self.unreported = self.state.as_ref().map_or(0, |state| state.first_unreported(self.person));
        let mut events = Vec::new();
        let tree = self.source.verify(&checkpoint, &remembered, |index, entry| {
            events.extend(devices.add(index, entry, &self.source.office));
        })?;
        let counts = devices.counts();
        tell!(
            "{} entries verified. Devices that were ever enrolled in this person's name: {}, of which the authority revoked: {}.",
            checkpoint.size(),
            counts.of_person,
            counts.revoked
        );
        if counts.of_person == 0 {
            tell!("If that is not so, compare the person's identifier with the one that telcon devices lists.");
        }
        if counts.unknown > 0 {
            tell!(
                "Devices of which the log does not say whose they are: {}. Each is reported: compare them with Your devices in Settings.",
                counts.unknown
            );
        }
        if counts.hidden > 0 {
            tell!(
                "{} devices whose entries HIDE their owner, although earlier entries name it. They may be in this person's name: tell \
                 the security officer.",
                counts.hidden
            );
        }
        if self.state.is_none() {
            tell!("First use: a log that was rewritten before now is not detected.");
        }
        self.report(&events, &checkpoint)?;
        Ok(tree.follow())
    }

    /// Verifies what was added to the log, and reports it.
    fn advance(&mut self, followed: &mut FollowedTree, devices: &mut PersonDevices) -> Result<(), Failure> {
        let checkpoint = self.source.checkpoint()?;
        if checkpoint.note() == followed.checkpoint().note() {
            return Ok(());
        }
        let office = &self.source.office;
        // Entries are taken in one by one, into a copy, because they are not verified until all were read.
        let (mut after, mut events) = (devices.clone(), Vec::new());
        let snapshot = self.source.at(&checkpoint);
        let advanced = followed.advance(&snapshot, &checkpoint, |index, entry| {
            events.extend(after.add(index, entry, office));
        });
        if advanced.is_err() {
            // Reading everything tells a fork from damage, and both from a server that cannot be reached.
            (after, events) = (devices.clone(), Vec::new());
            let size = followed.checkpoint().size();
            let remembered = followed.checkpoint().checkpoint().clone();
            let whole = self.source.verify(&checkpoint, &[remembered], |index, entry| {
                if index >= size {
                    events.extend(after.add(index, entry, office));
                }
            })?;
            *followed = whole.follow();
        }
        *devices = after;
        self.report(&events, &checkpoint)
    }

    /// Prints events that were not printed, then remembers that they were. A process that is killed between the two prints them
    /// again.
    fn report(&mut self, events: &[LoggedEvent], checkpoint: &SignedCheckpoint) -> Result<(), Failure> {
        for event in events.iter().filter(|event| event.entry >= self.unreported) {
            if self.args.json {
                let line = Line { version: LINE_VERSION, person: self.person, event };
                let line =
                    serde_json::to_string(&line).expect("invariant: an event has no map keys that JSON cannot hold");
                say!("{line}");
            } else {
                say!("entry {:<6} {}  {}", event.entry, utc(event.time_ms), words(event));
            }
        }
        self.unreported = checkpoint.size();
        let mut state = State::after(self.source, self.state.as_ref(), checkpoint, now_ms());
        state.reported.insert(self.person.to_hex(), checkpoint.size());
        if let Some(file) = &self.file {
            file.write(&state).map_err(Failure::Local)?;
        }
        self.state = Some(state);
        Ok(())
    }
}

/// An event for people.
fn words(event: &LoggedEvent) -> String {
    let device = event.device;
    let what = match &event.event {
        DeviceEvent::ShiftStarted { shift } => format!("started the shift {shift}"),
        DeviceEvent::ShiftEnded { shift, how } => {
            format!("ended the shift {shift}: {}", how.as_str().replace('_', " "))
        }
        DeviceEvent::DeviceEnrolled { registrars: 2, .. } => "was enrolled by two registrars".to_owned(),
        DeviceEvent::DeviceEnrolled { registrars: 1, .. } => "was enrolled by a registrar".to_owned(),
        DeviceEvent::DeviceEnrolled { enrolment, .. } => {
            format!("was enrolled with the authority's link {}", crate::output::Printable(enrolment))
        }
        DeviceEvent::InvitationClosed { invitation, how, by } => {
            format!("{} with the invitation {invitation}{}", closed(*how), by_registrar(*by))
        }
        DeviceEvent::DeviceRevoked { by: Revoker::Authority } => "was REVOKED by the authority".to_owned(),
        DeviceEvent::DeviceRevoked { by: Revoker::ClaimedRegistrar(by) } => {
            format!("was revoked, the log claims,{}; the signature was not verified here", by_registrar(Some(*by)))
        }
        DeviceEvent::DeviceRevoked { by: Revoker::Nobody } => {
            "is called revoked without a valid statement: devices ignore that".to_owned()
        }
        DeviceEvent::RegistrarAppointed { .. } => "was appointed as a REGISTRAR: it may enrol people".to_owned(),
        DeviceEvent::RegistrarInvited { invitation } => format!("made the invitation {invitation}, as a registrar"),
        DeviceEvent::RegistrarAnswered { invitation, how, asked } => {
            let asked = asked.map_or_else(String::new, |asked| format!(" of the device {asked}"));
            format!("closed the invitation {invitation}{asked}, as a registrar: {}", how.as_str())
        }
        DeviceEvent::DelegationGiven { delegation, until_ms } => {
            format!("signed the delegation {delegation}: until {} SOMEBODY MAY ACT for its person", utc(*until_ms))
        }
        DeviceEvent::DelegationEnded { delegation, by } => {
            let by = match by {
                Some(by) if *by == device => String::new(),
                Some(by) => format!(", by the device {by}"),
                None => ", with a revoked device".to_owned(),
            };
            format!("signed the delegation {delegation}, which ended before its time{by}")
        }
        DeviceEvent::EndedDelegation { delegation } => format!("ended the delegation {delegation} of another device"),
    };
    match event.owner {
        Owner::Place => format!("the person, at the place's device {device}, {what}"),
        Owner::Person => format!("device {device} {what}"),
        Owner::Unknown => format!("device {device} of an unknown person {what}"),
        Owner::Hidden => format!("device {device}, whose owner the LOG HIDES, {what}"),
    }
}

fn by_registrar(by: Option<telcon_proto::DeviceId>) -> String {
    by.map_or_else(String::new, |by| format!(" by the registrar's device {by}"))
}

fn closed(how: InvitationClosed) -> &'static str {
    match how {
        InvitationClosed::Approved => "was approved",
        InvitationClosed::Refused => "was refused",
        InvitationClosed::Withdrawn => "asked, and its invitation was withdrawn,",
        InvitationClosed::Expired => "was not answered",
    }
}
