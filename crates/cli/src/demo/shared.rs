//! What scenarios have in common: an office of their own, steps with their report, giving and taking a line, and the log as it is on disk.

use super::{DemoArgs, STEP_TIMEOUT, endpoint_with, state, step, until};
use crate::{
    archive, device,
    new_office::{NewOffice, create_office},
    note::{DetectOr, NoteArgs},
    office, serve,
    store::{private_dir, random, write_secret},
};
use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};
use std::{
    future::Future,
    path::{Path, PathBuf},
    time::Instant,
};
use telcon_client::{
    endpoint::{Endpoint, MediaSink, now_ms},
    http::{get_json, post_json},
};
use telcon_core::{
    AskingDevice, UserCommand,
    io::{LineChange, NewLine},
    view::{CallState, InvitationView, View},
};
use telcon_identity::{CharterTerms, Office};
use telcon_log::{DiskReader, verify_tree_visiting};
use telcon_proto::{
    Card, InvitationId, LineId, PersonId, RecordMode,
    entry::ReadEntry,
    http::{API_PREFIX, AskRequest, Asked},
    line::{LineList, LineState, LineTerms, ListedLine, Reach, Rings},
};

/// Largest description of an office, bytes.
const MAX_OFFICE_BYTES: u64 = 1 << 20;

/// What the scenario writes as its report.
#[derive(Default)]
pub(super) struct Report {
    /// What was done: name, whether it held, milliseconds.
    pub(super) steps: Vec<Value>,
    /// What was refused, by whom and why.
    pub(super) refusals: Vec<Value>,
}

impl Report {
    /// Runs one step and notes whether it succeeded, and how long it took.
    pub(super) async fn step<T>(
        &mut self,
        name: &str,
        work: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        let begun = Instant::now();
        let done = work.await;
        let ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.steps.push(json!({ "name": name, "ok": done.is_ok(), "ms": ms }));
        if done.is_ok() {
            step(format!("{name} ({ms} ms)"));
        }
        done.with_context(|| format!("the step “{name}” failed"))
    }

    /// Notes what was refused.
    pub(super) fn refused(&mut self, tried: &str, by: &str, why: impl Into<String>) {
        let why = why.into();
        step(format!("refused: {tried}, by {by}: {why}"));
        self.refusals.push(json!({ "tried": tried, "by": by, "why": why }));
    }

    /// A step that holds if what is tried is refused.
    pub(super) async fn refuses<T>(
        &mut self,
        tried: &str,
        by: &str,
        attempt: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<()> {
        let why = self
            .step(&format!("refused: {tried}"), async {
                match attempt.await {
                    Ok(_) => bail!("it was not refused"),
                    Err(error) => Ok(format!("{error:#}")),
                }
            })
            .await?;
        self.refusals.push(json!({ "tried": tried, "by": by, "why": why }));
        Ok(())
    }
}

/// The data directory of a scenario's office.
pub(super) fn data_dir(args: &DemoArgs, scenario: &str) -> anyhow::Result<PathBuf> {
    ensure!(args.once, "this scenario makes its calls and ends: add --once");
    let data = match &args.data {
        Some(dir) => dir.clone(),
        None => std::env::temp_dir().join(format!("telcon-demo-{scenario}-{}", std::process::id())),
    };
    Ok(std::path::absolute(&data)?)
}

/// Creates an office whose calls go over lines, serves it, plays a scenario in it, and verifies its archive.
pub(super) async fn in_new_office(
    args: &DemoArgs,
    data: &Path,
    floor: RecordMode,
    report: &mut Report,
    play: impl AsyncFnOnce(&str, &mut Report) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    private_dir(data)?;
    let terms = CharterTerms { rings: Rings::OverLines, ..floor.into() };
    let (domain, name) = ("office.example", "Office of the President");
    create_office(
        data,
        &NewOffice { domain, name, suite: args.suite.into(), terms, custodians: &[], passphrase: None },
    )?;
    let listen = args.listen.unwrap_or_else(|| ([127, 0, 0, 1], 0).into());
    let serving = serve::start(&data.join("server"), listen, None, None, None).await?;
    let server = format!("http://localhost:{}", serving.http_addr.port());
    let done = play(&server, report).await;
    serving.shutdown().await;
    done?;
    report
        .step("verify the archive offline", async {
            let verified =
                archive::Auditor::new(&data.join("server/archive"), &archive::Known::default(), now_ms())?.verify();
            let problems: Vec<_> = verified.problems.iter().map(|problem| problem.text.as_str()).collect();
            ensure!(verified.is_good(), "the archive does not verify: {}", problems.join("; "));
            Ok(())
        })
        .await
}

/// Writes a scenario's report, whether it succeeded or not: on failure it has `error` too.
pub(super) fn finish(
    args: &DemoArgs,
    data: &Path,
    report: Report,
    done: anyhow::Result<()>,
    more: Value,
) -> anyhow::Result<()> {
    let mut written = json!({
        "steps": report.steps,
        "refusals": report.refusals,
        "archive_dir": data.join("server/archive"),
    });
    if let (Value::Object(written), Value::Object(more)) = (&mut written, more) {
        written.extend(more);
    }
    if let Err(error) = &done {
        written["error"] = json!(format!("{error:#}"));
    }
    if let Some(path) = &args.json {
        std::fs::write(path, serde_json::to_vec_pretty(&written)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    done?;
    if args.data.is_none() {
        crate::output::say!("All files, with every key, remain in {} until you delete them.", data.display());
    }
    Ok(())
}

/// Enrols a device of a person, in the file of this name.
pub(super) async fn enrol(data: &Path, server: &str, card: &Card, file: &str) -> anyhow::Result<()> {
    let link = office::invitation(&office::authority(data)?, card.clone(), 60)?.to_fragment();
    let (to, path) = (server.to_owned(), data.join(format!("devices/{file}.json")));
    tokio::task::spawn_blocking(move || device::enrol_at(&to, &link, &path)).await?
}

/// Gives a line to somebody who opens its link, confirms their code, and starts their device, in the file of this name.
pub(super) async fn bind_line(
    giver: &LineGiver<'_>,
    given: &InvitationView,
    data: &Path,
    principal: PersonId,
    (file, sink): (&'static str, Box<dyn MediaSink>),
) -> anyhow::Result<Endpoint> {
    let asking = Asking::new(giver.server, given, file);
    asking.asks().await?;
    let asked = giver.asked(given.invitation).await?;
    let code = asked.request.and_then(|request| request.code).context("no device asked")?;
    ensure!(code == asking.code()?, "the two screens show different codes");
    giver.endpoint.command(UserCommand::ConfirmLine { invitation: given.invitation, code });
    asking.enrol(data).await?;
    let holder = endpoint_with(data, giver.server, file, true, sink)?;
    until(&holder, "the holder to see the principal", |view| reaches(view, principal)).await?;
    Ok(holder)
}

/// A principal's device that gives lines, and the office that it gives them at.
pub(super) struct LineGiver<'a> {
    /// The device.
    pub(super) endpoint: &'a Endpoint,
    /// The office's server.
    pub(super) server: &'a str,
}

impl LineGiver<'_> {
    /// Offers a line with the office's defaults, and waits for its link.
    pub(super) async fn give(
        &self,
        name: &str,
        organisation: &str,
        zone: &str,
        mode: RecordMode,
    ) -> anyhow::Result<InvitationView> {
        let before: Vec<InvitationId> = invitations(&self.endpoint.view().borrow());
        self.endpoint.command(UserCommand::GiveLine(NewLine {
            name: name.to_owned(),
            organisation: organisation.to_owned(),
            zone: zone.to_owned(),
            terms: LineTerms {
                reach: Reach::Direct,
                hours: None,
                until_ms: None,
                rings_per_day: None,
                mode,
                purpose: "Grain".to_owned(),
            },
            valid_ms: None,
            under: None,
        }));
        let new = |view: &View| {
            let mut found = view.invitations.iter();
            found.find(|one| !before.contains(&one.invitation) && one.link.is_some()).cloned()
        };
        let view = until(self.endpoint, "the link", |view| new(view).is_some()).await?;
        new(&view).context("the link went away")
    }

    /// Waits until a device has asked with an invitation.
    pub(super) async fn asked(&self, invitation: InvitationId) -> anyhow::Result<InvitationView> {
        let found = |view: &View| {
            view.invitations.iter().find(|one| one.invitation == invitation && one.request.is_some()).cloned()
        };
        let view = until(self.endpoint, "a device to ask", |view| found(view).is_some()).await?;
        found(&view).context("the request went away")
    }

    pub(super) async fn line(&self, line: LineId) -> anyhow::Result<ListedLine> {
        let token = self.endpoint.view().borrow().token.clone();
        let url = format!("{}{API_PREFIX}/lines", self.server);
        let list: LineList = tokio::task::spawn_blocking(move || get_json(&url, token.as_deref())).await??;
        list.lines.into_iter().find(|listed| listed.line.line == line).context("the office lists no such line")
    }

    /// Signs the next version of a line.
    pub(super) async fn sign(&self, line: LineId, to: LineState) -> anyhow::Result<()> {
        let statement = self.line(line).await?.statement;
        let change = LineChange { terms: None, state: Some(to) };
        self.endpoint.command(UserCommand::SignLineChange { statement, lost: None, change, under: None });
        Ok(())
    }

    /// The same, and waits until the office has it.
    pub(super) async fn change(&self, line: LineId, to: LineState) -> anyhow::Result<()> {
        let (before, alerts) = {
            let view = self.endpoint.view();
            let view = view.borrow();
            (view.lines_changed, view.alerts_raised)
        };
        self.sign(line, to).await?;
        let done = |view: &View| view.lines_changed != before || view.alerts_raised != alerts;
        let view = until(self.endpoint, "the line to change", done).await?;
        if view.alerts_raised != alerts {
            bail!("{}", view.alerts.last().map_or("refused", |alert| alert.text.as_str()));
        }
        let now = self.line(line).await?.line.state;
        ensure!(now == to, "the line is {}", now.as_str());
        Ok(())
    }
}

fn invitations(view: &View) -> Vec<InvitationId> {
    view.invitations.iter().map(|one| one.invitation).collect()
}

/// A new device that opens a line's link.
pub(super) struct Asking {
    server: String,
    fragment: String,
    name: &'static str,
    asking: std::sync::OnceLock<String>,
}

impl Asking {
    pub(super) fn new(server: &str, offered: &InvitationView, name: &'static str) -> Self {
        let fragment = offered.link.clone().unwrap_or_default();
        Self { server: server.to_owned(), fragment, name, asking: std::sync::OnceLock::new() }
    }

    fn asking(&self) -> anyhow::Result<AskingDevice> {
        Ok(AskingDevice::parse(self.asking.get().context("it has not asked")?)?)
    }

    /// Makes a key, and asks the office with it.
    pub(super) async fn asks(&self) -> anyhow::Result<Asked> {
        let (url, seed) = (format!("{}{API_PREFIX}/office", self.server), random()?);
        let office = tokio::task::spawn_blocking(move || get_json(&url, None)).await??;
        let asking = AskingDevice::ask(&self.fragment, office, self.name, &seed, now_ms())?;
        self.asking.set(asking.to_text().to_string()).map_err(|_| anyhow::anyhow!("it has asked before"))?;
        self.ask_again().await
    }

    async fn ask_again(&self) -> anyhow::Result<Asked> {
        let body = serde_json::to_vec(&AskRequest { request: self.asking()?.request().to_owned() })?;
        let url = format!("{}{API_PREFIX}/device-requests", self.server);
        Ok(tokio::task::spawn_blocking(move || post_json(&url, None, &body)).await??)
    }

    /// Asks until the giver has answered.
    pub(super) async fn answer(&self) -> anyhow::Result<Asked> {
        let begun = Instant::now();
        loop {
            match self.ask_again().await? {
                Asked::Waiting { .. } if begun.elapsed() < STEP_TIMEOUT => {
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                }
                answer => return Ok(answer),
            }
        }
    }

    pub(super) fn code(&self) -> anyhow::Result<String> {
        Ok(self.asking()?.code()?)
    }

    /// Takes the certificate and keeps the device's keys.
    pub(super) async fn enrol(&self, data: &Path) -> anyhow::Result<PathBuf> {
        let Asked::Approved { chain } = self.answer().await? else { bail!("the device was not confirmed") };
        let state = self.asking()?.complete(chain, now_ms())?;
        let path = data.join(format!("devices/{}.json", self.name));
        write_secret(&path, state.to_text().as_bytes())?;
        Ok(path)
    }
}

/// Whether a person is in the list with a line that is in use.
pub(super) fn reaches(view: &View, person: PersonId) -> bool {
    let live = |contact: &telcon_proto::contact::Contact| {
        contact.card.person == person && contact.line.as_ref().is_some_and(|line| line.state == LineState::Live)
    };
    view.token.is_some() && view.people.iter().any(live)
}

/// Rings a person once there is a line to ring over.
pub(super) async fn ring(from: &Endpoint, to: PersonId) -> anyhow::Result<()> {
    until(from, "a line to ring over", |view| reaches(view, to)).await?;
    from.command(UserCommand::Ring { person: to, mode: None });
    Ok(())
}

/// Waits until a call over a line is answered.
pub(super) async fn live(endpoint: &Endpoint) -> anyhow::Result<()> {
    let over = |view: &View| matches!(state(view), Some(CallState::Live | CallState::Ended));
    let view = until(endpoint, "the answer", over).await?;
    let call = view.call.context("there is no call")?;
    ensure!(call.state == CallState::Live, "the call failed: {:?} {:?}", call.ended, call.problem);
    ensure!(call.line.is_some(), "the call is over no line that this device verified");
    Ok(())
}

/// Waits for the end of a call on these devices, and clears it from their screens.
pub(super) async fn over(endpoints: [&Endpoint; 2]) -> anyhow::Result<()> {
    for endpoint in endpoints {
        until(endpoint, "the end", |view| state(view) == Some(CallState::Ended)).await?;
        endpoint.command(UserCommand::Dismiss);
        until(endpoint, "the end to be dismissed", |view| view.call.is_none()).await?;
    }
    Ok(())
}

/// The log, entry by entry.
pub(super) fn entries(data: &Path) -> anyhow::Result<Vec<Value>> {
    let info = telcon_files::read_named(&data.join("server/office.json"), MAX_OFFICE_BYTES)?;
    let office = Office::pin(&serde_json::from_slice(&info)?, None)?;
    let log = DiskReader::new(data.join("server/archive/log"));
    let mut found = Vec::new();
    verify_tree_visiting(log, office.log_key(), &[], |index, bytes| {
        let entry = ReadEntry::parse(bytes).known().and_then(|entry| serde_json::to_value(entry).ok());
        found.push(json!({ "index": index, "entry": entry }));
    })?;
    Ok(found)
}

/// The note-taker of a demonstration's office.
pub(super) fn note_args(data: &Path, server: &str, asr_model: Option<PathBuf>) -> NoteArgs {
    NoteArgs {
        device: data.join("devices/note-taker.json"),
        server: server.to_owned(),
        spool: data.join("note-taker/spool"),
        custodians: data.join("custodians.txt"),
        asr_model,
        asr_final_model: None,
        language: DetectOr::default(),
        speaker_language: Vec::new(),
    }
}
