//! `telcon demo --scenario lines`: giving, binding, ringing, pausing and revoking lines, and lines that somebody else took, with native
//! devices and a real server.

use super::{DemoArgs, endpoint, state, step, until};
use crate::{
    archive, device,
    new_office::{NewOffice, create_office},
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
    endpoint::{Endpoint, now_ms},
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
    InvitationId, LineId, PersonId, RecordMode, Role,
    entry::ReadEntry,
    http::{API_PREFIX, AskRequest, Asked},
    line::{LineList, LineState, LineTerms, ListedLine, Reach, Rings},
};

/// Name of the principal's device file.
const PRESIDENT: &str = "president";
/// Largest description of an office, bytes.
const MAX_OFFICE_BYTES: u64 = 1 << 20;
/// Name of the holder's device file.
const HOLDER: &str = "holder";

/// What the scenario writes as its report.
#[derive(Default)]
struct Report {
    steps: Vec<Value>,
    refusals: Vec<Value>,
    line: Value,
}

impl Report {
    /// Runs one step and notes whether it succeeded, and how long it took.
    async fn step<T>(&mut self, name: &str, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
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
    fn refused(&mut self, tried: &str, by: &str, why: impl Into<String>) {
        let why = why.into();
        step(format!("refused: {tried}, by {by}: {why}"));
        self.refusals.push(json!({ "tried": tried, "by": by, "why": why }));
    }
}

/// Runs the scenario. The report is written whether it succeeds or not: on failure it has `error` too.
pub(super) async fn run(args: &DemoArgs) -> anyhow::Result<()> {
    ensure!(args.once, "this scenario makes its calls and ends: add --once");
    let data = match &args.data {
        Some(dir) => dir.clone(),
        None => std::env::temp_dir().join(format!("telcon-demo-lines-{}", std::process::id())),
    };
    let data = std::path::absolute(&data)?;
    let mut report = Report::default();
    let done = perform(args, &data, &mut report).await;
    let log = entries(&data);
    let mut written = json!({
        "steps": report.steps,
        "line": report.line,
        "log": log.as_ref().ok(),
        "refusals": report.refusals,
        "archive_dir": data.join("server/archive"),
    });
    if let Some(error) = done.as_ref().err().or(log.as_ref().err()) {
        written["error"] = json!(format!("{error:#}"));
    }
    if let Some(path) = &args.json {
        std::fs::write(path, serde_json::to_vec_pretty(&written)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    done?;
    log?;
    if args.data.is_none() {
        crate::output::say!("All files, with every key, remain in {} until you delete them.", data.display());
    }
    Ok(())
}

async fn perform(args: &DemoArgs, data: &Path, report: &mut Report) -> anyhow::Result<()> {
    private_dir(data)?;
    crate::output::say!("Telcon demonstration of lines in {}", data.display());
    let terms = CharterTerms { rings: Rings::OverLines, ..RecordMode::LogOnly.into() };
    let (domain, name) = ("office.example", "Office of the President");
    create_office(
        data,
        &NewOffice { domain, name, suite: args.suite.into(), terms, custodians: &[], passphrase: None },
    )?;
    let listen = args.listen.unwrap_or_else(|| ([127, 0, 0, 1], 0).into());
    let serving = serve::start(&data.join("server"), listen, None, None, None).await?;
    let server = format!("http://localhost:{}", serving.http_addr.port());
    let done = play(data, &server, report).await;
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

/// The principal, with what the scenario asks of their device and of the office.
struct Principal<'a> {
    endpoint: Endpoint,
    server: &'a str,
}

async fn play(data: &Path, server: &str, report: &mut Report) -> anyhow::Result<()> {
    let authority = office::authority(data)?;
    let card =
        office::card(authority.domain(), "The President", "Office of the President", Role::Principal, "Europe/Oslo")?;
    let link = office::invitation(&authority, card.clone(), 60)?.to_fragment();
    let president = report
        .step("enrol the principal's device", async {
            let (to, path) = (server.to_owned(), data.join(format!("devices/{PRESIDENT}.json")));
            tokio::task::spawn_blocking(move || device::enrol_at(&to, &link, &path)).await??;
            let endpoint = endpoint(data, server, PRESIDENT, true)?;
            until(&endpoint, "the principal to sign in", |view| view.token.is_some()).await?;
            Ok(Principal { endpoint, server })
        })
        .await?;

    // A line that a thief takes first: whoever gave it sees that it is not the right one.
    let stolen = report.step("give a line", president.give("President Halvorsen")).await?;
    let (thief, guest) = (Asking::new(server, &stolen, "thief"), Asking::new(server, &stolen, "guest"));
    report
        .step("somebody else opens the link first, and is refused", async {
            thief.asks().await?;
            let asked = president.asked(stolen.invitation).await?;
            ensure!(asked.request.is_some_and(|request| request.code == thief.code().ok()), "another code");
            president.endpoint.command(UserCommand::CloseInvitation { invitation: stolen.invitation });
            ensure!(matches!(thief.answer().await?, Asked::Refused {}), "the thief was not refused");
            Ok(())
        })
        .await?;
    report.refused(
        "take a line with a stolen link, before its binding",
        "the principal",
        "the person who asked is not the guest",
    );
    match guest.asks().await {
        Ok(Asked::Waiting { .. } | Asked::Approved { .. }) => bail!("a link that was used up let somebody ask"),
        Ok(_) => report.refused("use the link after that", "the server", "it is closed"),
        Err(error) => report.refused("use the link after that", "the server", format!("{error:#}")),
    }

    // The line that is bound.
    let given = report.step("give another line", president.give("President Halvorsen")).await?;
    let holder = report
        .step("the holder opens it, and the principal confirms the code", async {
            let asking = Asking::new(server, &given, HOLDER);
            asking.asks().await?;
            let asked = president.asked(given.invitation).await?;
            let code = asked.request.and_then(|request| request.code).context("no device asked")?;
            ensure!(code == asking.code()?, "the two screens show different codes");
            president.endpoint.command(UserCommand::ConfirmLine { invitation: given.invitation, code });
            asking.enrol(data).await?;
            let holder = endpoint(data, server, HOLDER, true)?;
            until(&holder, "the holder to see the principal", |view| reaches(view, card.person)).await?;
            Ok(holder)
        })
        .await?;
    let late = Asking::new(server, &given, "late");
    match late.asks().await {
        Ok(_) => bail!("a bound line's link let another device ask"),
        Err(error) => report.refused("open the link of a bound line", "the server", format!("{error:#}")),
    }
    let line = LineId::of_offer(given.invitation);
    let bound = president.line(line).await?;
    report.line = json!({
        "id": line.to_hex(),
        "terms": bound.line.terms,
        "holder": { "name": bound.line.holder.name, "organisation": bound.line.holder.organisation, "device": bound.line.device },
    });
    let holder_person = bound.line.holder.person;

    report.step("the holder rings, and the principal answers", call(&holder, &president.endpoint, card.person)).await?;
    report.step("the principal rings the holder back", call(&president.endpoint, &holder, holder_person)).await?;

    report.step("pause the line", president.change(line, LineState::Paused)).await?;
    report.refused(
        "ring over a paused line",
        "the holder's device or the server",
        refused_ring(&holder, card.person).await?,
    );
    report.step("use it again", president.change(line, LineState::Live)).await?;

    report
        .step("end the line during a call", async {
            ring(&holder, card.person).await?;
            live(&holder).await?;
            president.sign(line, LineState::Ended).await?;
            over([&holder, &president.endpoint]).await
        })
        .await?;
    report.refused(
        "ring over an ended line",
        "the holder's device or the server",
        refused_ring(&holder, card.person).await?,
    );
    match president.change(line, LineState::Live).await {
        Ok(()) => bail!("an ended line was used again"),
        Err(error) => report.refused("use an ended line again", "the principal's own device", format!("{error:#}")),
    }
    president.endpoint.stop().await;
    holder.stop().await;
    Ok(())
}

impl Principal<'_> {
    /// Offers a line with the office's defaults, and waits for its link.
    async fn give(&self, name: &str) -> anyhow::Result<InvitationView> {
        let before: Vec<InvitationId> = invitations(&self.endpoint.view().borrow());
        self.endpoint.command(UserCommand::GiveLine(NewLine {
            name: name.to_owned(),
            organisation: "Presidency of Norland".to_owned(),
            zone: "Europe/Oslo".to_owned(),
            terms: LineTerms {
                reach: Reach::Direct,
                hours: None,
                until_ms: None,
                rings_per_day: None,
                mode: RecordMode::LogOnly,
                purpose: "Grain".to_owned(),
            },
            valid_ms: None,
            under: None,
        }));
        let new = |view: &View| {
            let mut found = view.invitations.iter();
            found.find(|one| !before.contains(&one.invitation) && one.link.is_some()).cloned()
        };
        let view = until(&self.endpoint, "the link", |view| new(view).is_some()).await?;
        new(&view).context("the link went away")
    }

    /// Waits until a device has asked with an invitation.
    async fn asked(&self, invitation: InvitationId) -> anyhow::Result<InvitationView> {
        let found = |view: &View| {
            view.invitations.iter().find(|one| one.invitation == invitation && one.request.is_some()).cloned()
        };
        let view = until(&self.endpoint, "a device to ask", |view| found(view).is_some()).await?;
        found(&view).context("the request went away")
    }

    async fn line(&self, line: LineId) -> anyhow::Result<ListedLine> {
        let token = self.endpoint.view().borrow().token.clone();
        let url = format!("{}{API_PREFIX}/lines", self.server);
        let list: LineList = tokio::task::spawn_blocking(move || get_json(&url, token.as_deref())).await??;
        list.lines.into_iter().find(|listed| listed.line.line == line).context("the office lists no such line")
    }

    /// Signs the next version of a line.
    async fn sign(&self, line: LineId, to: LineState) -> anyhow::Result<()> {
        let statement = self.line(line).await?.statement;
        let change = LineChange { terms: None, state: Some(to) };
        self.endpoint.command(UserCommand::SignLineChange { statement, lost: None, change, under: None });
        Ok(())
    }

    /// The same, and waits until the office has it.
    async fn change(&self, line: LineId, to: LineState) -> anyhow::Result<()> {
        let (before, alerts) = {
            let view = self.endpoint.view();
            let view = view.borrow();
            (view.lines_changed, view.alerts_raised)
        };
        self.sign(line, to).await?;
        let done = |view: &View| view.lines_changed != before || view.alerts_raised != alerts;
        let view = until(&self.endpoint, "the line to change", done).await?;
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
struct Asking {
    server: String,
    fragment: String,
    name: &'static str,
    asking: std::sync::OnceLock<String>,
}

impl Asking {
    fn new(server: &str, offered: &InvitationView, name: &'static str) -> Self {
        let fragment = offered.link.clone().unwrap_or_default();
        Self { server: server.to_owned(), fragment, name, asking: std::sync::OnceLock::new() }
    }

    fn asking(&self) -> anyhow::Result<AskingDevice> {
        Ok(AskingDevice::parse(self.asking.get().context("it has not asked")?)?)
    }

    /// Makes a key, and asks the office with it.
    async fn asks(&self) -> anyhow::Result<Asked> {
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
    async fn answer(&self) -> anyhow::Result<Asked> {
        let begun = Instant::now();
        loop {
            match self.ask_again().await? {
                Asked::Waiting { .. } if begun.elapsed() < super::STEP_TIMEOUT => {
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                }
                answer => return Ok(answer),
            }
        }
    }

    fn code(&self) -> anyhow::Result<String> {
        Ok(self.asking()?.code()?)
    }

    /// Takes the certificate and keeps the device's keys.
    async fn enrol(&self, data: &Path) -> anyhow::Result<PathBuf> {
        let Asked::Approved { chain } = self.answer().await? else { bail!("the device was not confirmed") };
        let state = self.asking()?.complete(chain, now_ms())?;
        let path = data.join(format!("devices/{}.json", self.name));
        write_secret(&path, state.to_text().as_bytes())?;
        Ok(path)
    }
}

/// Whether a person is in the list with a line that is in use.
fn reaches(view: &View, person: PersonId) -> bool {
    let live = |contact: &telcon_proto::contact::Contact| {
        contact.card.person == person && contact.line.as_ref().is_some_and(|line| line.state == LineState::Live)
    };
    view.token.is_some() && view.people.iter().any(live)
}

async fn ring(from: &Endpoint, to: PersonId) -> anyhow::Result<()> {
    until(from, "a line to ring over", |view| reaches(view, to)).await?;
    from.command(UserCommand::Ring { person: to, mode: None });
    Ok(())
}

async fn live(endpoint: &Endpoint) -> anyhow::Result<()> {
    let over = |view: &View| matches!(state(view), Some(CallState::Live | CallState::Ended));
    let view = until(endpoint, "the answer", over).await?;
    let call = view.call.context("there is no call")?;
    ensure!(call.state == CallState::Live, "the call failed: {:?} {:?}", call.ended, call.problem);
    ensure!(call.line.is_some(), "the call is over no line that this device verified");
    Ok(())
}

/// A call over the line, which the other side answers, and who rang ends.
async fn call(from: &Endpoint, to: &Endpoint, person: PersonId) -> anyhow::Result<()> {
    ring(from, person).await?;
    live(from).await?;
    live(to).await?;
    from.command(UserCommand::HangUp);
    over([from, to]).await
}

/// Waits for the end of a call on these devices, and clears it from their screens.
async fn over(endpoints: [&Endpoint; 2]) -> anyhow::Result<()> {
    for endpoint in endpoints {
        until(endpoint, "the end", |view| state(view) == Some(CallState::Ended)).await?;
        endpoint.command(UserCommand::Dismiss);
        until(endpoint, "the end to be dismissed", |view| view.call.is_none()).await?;
    }
    Ok(())
}

/// Rings and gives why that was refused.
async fn refused_ring(from: &Endpoint, person: PersonId) -> anyhow::Result<String> {
    let alerts = from.view().borrow().alerts_raised;
    from.command(UserCommand::Ring { person, mode: None });
    let refused = |view: &View| {
        view.alerts_raised != alerts || view.call.as_ref().is_some_and(|call| call.state == CallState::Ended)
    };
    let view = until(from, "the ring to be refused", refused).await?;
    if let Some(call) = view.call.filter(|call| call.state == CallState::Ended) {
        ensure!(call.opened_index.is_none(), "the ring was logged");
        from.command(UserCommand::Dismiss);
        until(from, "the refusal to be dismissed", |view| view.call.is_none()).await?;
        return Ok(call.problem.unwrap_or_default());
    }
    Ok(view.alerts.last().map(|alert| alert.text.clone()).unwrap_or_default())
}

/// The log, entry by entry.
fn entries(data: &Path) -> anyhow::Result<Vec<Value>> {
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
