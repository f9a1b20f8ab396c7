//! `telcon demo --scenario lines`: giving, binding, ringing, pausing and revoking lines, and lines that somebody else took, with native
//! devices and a real server.

use super::{
    DemoArgs, endpoint,
    shared::{Asking, LineGiver, Report, bind_line, data_dir, enrol, entries, finish, in_new_office, live, over, ring},
    until,
};
use crate::office;
use anyhow::{bail, ensure};
use serde_json::{Value, json};
use std::path::Path;
use telcon_client::endpoint::{Endpoint, NullSink};
use telcon_core::{
    UserCommand,
    view::{CallState, InvitationView, View},
};
use telcon_proto::{LineId, PersonId, RecordMode, Role, http::Asked, line::LineState};

/// Name of the principal's device file.
const PRESIDENT: &str = "president";
/// Name of the holder's device file.
const HOLDER: &str = "holder";

/// Runs the scenario. The report is written whether it succeeds or not: on failure it has `error` too.
pub(super) async fn run(args: &DemoArgs) -> anyhow::Result<()> {
    let data = data_dir(args, "lines")?;
    crate::output::say!("Telcon demonstration of lines in {}", data.display());
    let (mut report, mut line) = (Report::default(), Value::Null);
    let play = async |server: &str, report: &mut Report| play(&data, server, report, &mut line).await;
    let done = in_new_office(args, &data, RecordMode::LogOnly, &mut report, play).await;
    let log = entries(&data);
    let more = json!({ "line": line, "log": log.as_ref().ok() });
    finish(args, &data, report, done.and(log.map(drop)), more)
}

async fn play(data: &Path, server: &str, report: &mut Report, described: &mut Value) -> anyhow::Result<()> {
    let authority = office::authority(data)?;
    let card =
        office::card(authority.domain(), "The President", "Office of the President", Role::Principal, "Europe/Oslo")?;
    let endpoint = report
        .step("enrol the principal's device", async {
            enrol(data, server, &card, PRESIDENT).await?;
            let endpoint = endpoint(data, server, PRESIDENT, true)?;
            until(&endpoint, "the principal to sign in", |view| view.token.is_some()).await?;
            Ok(endpoint)
        })
        .await?;
    let president = LineGiver { endpoint: &endpoint, server };

    // A line that a thief takes first: whoever gave it sees that it is not the right one.
    let stolen = report.step("give a line", give(&president)).await?;
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
    let given = report.step("give another line", give(&president)).await?;
    let holder = report
        .step(
            "the holder opens it, and the principal confirms the code",
            bind_line(&president, &given, data, card.person, (HOLDER, Box::new(NullSink))),
        )
        .await?;
    let late = Asking::new(server, &given, "late");
    match late.asks().await {
        Ok(_) => bail!("a bound line's link let another device ask"),
        Err(error) => report.refused("open the link of a bound line", "the server", format!("{error:#}")),
    }
    let line = LineId::of_offer(given.invitation);
    let bound = president.line(line).await?;
    *described = json!({
        "id": line.to_hex(),
        "terms": bound.line.terms,
        "holder": { "name": bound.line.holder.name, "organisation": bound.line.holder.organisation, "device": bound.line.device },
    });
    let holder_person = bound.line.holder.person;

    report.step("the holder rings, and the principal answers", call(&holder, president.endpoint, card.person)).await?;
    report.step("the principal rings the holder back", call(president.endpoint, &holder, holder_person)).await?;

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
            over([&holder, president.endpoint]).await
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
    endpoint.stop().await;
    holder.stop().await;
    Ok(())
}

async fn give(president: &LineGiver<'_>) -> anyhow::Result<InvitationView> {
    president.give("President Halvorsen", "Presidency of Norland", "Europe/Oslo", RecordMode::LogOnly).await
}

/// A call over the line, which the other side answers, and who rang ends.
async fn call(from: &Endpoint, to: &Endpoint, person: PersonId) -> anyhow::Result<()> {
    ring(from, person).await?;
    live(from).await?;
    live(to).await?;
    from.command(UserCommand::HangUp);
    over([from, to]).await
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
