//! Before the call: the request, the schedule with its calendar files, the brief.

use super::{Cast, Person, Told, get, item, write};
use crate::demo::shared::Report;
use anyhow::{Context as _, ensure};
use std::collections::BTreeMap;
use telcon_client::{
    endpoint::now_ms,
    papers::{Clock, Paper},
};
use telcon_papers::{
    action::{Action, ActionState},
    brief::{Brief, Point, When},
    calendar::{Invitation, Party, invitation},
    clock::ZoneClock,
    profile::Profile,
    request::{Decision, Door, Request, Urgency, Verdict, Verification},
    schedule::{Place, Schedule, Side, Slot},
};
use telcon_proto::{
    DocumentId,
    document::{About, DocumentKind, DocumentState},
    line::LineList,
};

const MINUTE_MS: u64 = 60_000;
const DAY_MS: u64 = 24 * 60 * MINUTE_MS;
/// Length of the call, minutes.
const LENGTH_MIN: u16 = 20;
/// What it is about.
pub(super) const SUBJECT: &str = "The grain convoys and the northern strait";

fn slot(start_ms: u64) -> Slot {
    // Offers are at full quarters of an hour.
    let quarter = 15 * MINUTE_MS;
    Slot { start_ms: start_ms.div_ceil(quarter) * quarter, length_min: LENGTH_MIN }
}

/// The counterpart asks over their line, the desk verifies who asked, and the President decides.
pub(super) async fn request(cast: &Cast<'_>, report: &mut Report, told: &mut Told) -> anyhow::Result<DocumentId> {
    let Cast { president, chief, counterpart, .. } = cast;
    let mut paper = told.paper(DocumentKind::Request, None, &[president, chief])?;
    let now = now_ms();
    let asked = Request {
        version: 1,
        door: Door::Line { line: cast.line },
        received_ms: now,
        principal: president.id(),
        person: Some(counterpart.card.person),
        counterpart: counterpart.card.name.clone(),
        organisation: counterpart.card.organisation.clone(),
        subject: SUBJECT.to_owned(),
        urgency: Urgency::ThisWeek,
        length_min: LENGTH_MIN,
        proposed: vec![slot(now + DAY_MS), slot(now + 2 * DAY_MS)],
        languages: vec!["en".to_owned(), "nb-NO".to_owned()],
        others: Vec::new(),
        verification: Verification::Unverified,
        decision: None,
        exchanges: Vec::new(),
    };
    report
        .step("the counterpart asks for a call over their line, sealed to the President and the desk", async {
            let written = counterpart.documents();
            Ok(written.write_paper((&paper, true), DocumentState::Draft, &asked, None, &[]).await?)
        })
        .await?;
    // The answer reaches the other side with the schedule; what the office says among itself does not.
    paper.readers = vec![president.id(), chief.id()];
    report
        .step("the desk verifies that the holder of the line asked", async {
            let (version, mut request) = chief.documents().read_paper::<Request>(paper.document).await?;
            let lines: LineList = get(chief, "/lines").await?;
            let statement = lines.lines.into_iter().find(|listed| listed.line.line == cast.line);
            let statement = statement.context("the office lists no such line")?.statement;
            let line = chief.endpoint.with_engine(move |engine, _| engine.device().office().verify_line(&statement));
            let line = line.await??;
            let holder = line.content().holder.person;
            request.verification = request.verified_by(version.author.person, |id| (id == cast.line).then_some(holder));
            ensure!(request.verification == Verification::BySignature, "somebody else asked");
            let documents = chief.documents();
            Ok(documents.write_paper((&paper, false), DocumentState::Reviewed, &request, None, &[]).await?)
        })
        .await?;
    report
        .step("the President says yes, on their own device", async {
            let (_, mut request) = president.documents().read_paper::<Request>(paper.document).await?;
            ensure!(request.verification.is_verified(), "nobody verified the request");
            let (by, at_ms) = (president.id(), now_ms());
            request.decision = Some(Decision { verdict: Verdict::Yes, by, at_ms, reason: String::new() });
            let documents = president.documents();
            Ok(documents.write_paper((&paper, false), DocumentState::Approved, &request, None, &[]).await?)
        })
        .await?;
    let attempt = async { Ok(counterpart.documents().read(paper.document).await?) };
    report.refuses("the counterpart reads what the office says of their request", "the server", attempt).await?;
    Ok(paper.document)
}

/// A schedule on both sides' devices.
struct Plan<'a> {
    cast: &'a Cast<'a>,
    paper: Paper,
}

impl Plan<'_> {
    async fn begin(&self, slots: Vec<Slot>) -> anyhow::Result<()> {
        let place = |of: &Person, place: &str| Place {
            of: of.card.name.clone(),
            zone: of.card.zone.clone(),
            place: place.into(),
        };
        let places = vec![place(&self.cast.president, "Oval Office"), place(&self.cast.counterpart, "")];
        let mut schedule = Schedule::new(item()?, "Private call", places);
        schedule.offer(item()?, Side::Ours, slots, now_ms())?;
        let written = self.cast.chief.documents();
        written.write_paper((&self.paper, true), DocumentState::Draft, &schedule, None, &[]).await?;
        Ok(())
    }

    /// One side changes it. The office changes it in a version that it confirms; before, its device holds the other side's version to what
    /// that side may change.
    async fn change<T>(
        &self,
        side: Side,
        state: DocumentState,
        act: impl FnOnce(&mut Schedule) -> anyhow::Result<T>,
    ) -> anyhow::Result<Schedule> {
        let by = if side == Side::Ours { &self.cast.chief } else { &self.cast.counterpart };
        let (_, before) = by.documents().read_paper::<Schedule>(self.paper.document).await?;
        let mut schedule = before.clone();
        act(&mut schedule)?;
        ensure!(schedule.may_follow(&before, side), "this side may not change that");
        by.documents().write_paper((&self.paper, false), state, &schedule, None, &[]).await?;
        Ok(schedule)
    }

    /// The calendar file of where it stands.
    fn file(&self, name: &str, schedule: &Schedule) -> anyhow::Result<()> {
        let Cast { chief, president, counterpart, out, .. } = self.cast;
        let zones = [Clock::of(&president.card.zone), Clock::of(&counterpart.card.zone)];
        let party = |name: &str, address: &str| Party { name: name.to_owned(), address: address.to_owned() };
        let file = invitation(&Invitation {
            schedule,
            office: &chief.card.office,
            organizer: Some(party("Office of the President", "desk@office.example")),
            attendees: vec![party(&counterpart.card.organisation, "desk@norland.example")],
            zones: zones.iter().map(|zone| zone as &dyn ZoneClock).collect(),
        });
        write(out.join(name), file.context("the schedule has no time yet")?)
    }
}

/// Times are offered and picked, the call is moved and cancelled; another one is agreed on in its place.
pub(super) async fn schedule(
    cast: &Cast<'_>,
    report: &mut Report,
    told: &mut Told,
    request: DocumentId,
) -> anyhow::Result<()> {
    let readers = [&cast.president, &cast.chief, &cast.counterpart];
    let about = Some(About::Document(request));
    let plan = Plan { cast, paper: told.paper(DocumentKind::Schedule, about, &readers)? };
    report
        .step("the desk offers five times, and the counterpart picks one", async {
            plan.begin((1..=5).map(|day| slot(now_ms() + day * DAY_MS)).collect()).await?;
            let pick = |schedule: &mut Schedule| Ok(schedule.pick(Side::Theirs, 1, now_ms())?);
            plan.change(Side::Theirs, DocumentState::Draft, pick).await
        })
        .await?;
    report
        .step("the desk confirms it: invite.ics", async {
            let schedule = plan.change(Side::Ours, DocumentState::Approved, |_| Ok(())).await?;
            plan.file("invite.ics", &schedule)
        })
        .await?;
    report
        .step("the counterpart asks for another time, and the desk agrees: update.ics", async {
            let other = |schedule: &mut Schedule| {
                let slots = vec![slot(now_ms() + 7 * DAY_MS)];
                Ok(schedule.offer(item()?, Side::Theirs, slots, now_ms())?)
            };
            plan.change(Side::Theirs, DocumentState::Draft, other).await?;
            let pick = |schedule: &mut Schedule| Ok(schedule.pick(Side::Ours, 0, now_ms())?);
            let schedule = plan.change(Side::Ours, DocumentState::Approved, pick).await?;
            ensure!(schedule.sequence == 1, "the event did not change for calendars");
            plan.file("update.ics", &schedule)
        })
        .await?;
    report
        .step("the matter cannot wait, and the desk cancels that call: cancel.ics", async {
            let cancel = |schedule: &mut Schedule| Ok(schedule.cancel(now_ms())?);
            let schedule = plan.change(Side::Ours, DocumentState::Closed, cancel).await?;
            ensure!(schedule.sequence == 2, "the event did not change for calendars");
            plan.file("cancel.ics", &schedule)
        })
        .await?;
    let today = Plan { cast, paper: told.paper(DocumentKind::Schedule, about, &readers)? };
    report
        .step("both sides agree on a call today", async {
            today.begin(vec![slot(now_ms()), slot(now_ms() + 60 * MINUTE_MS)]).await?;
            let pick = |schedule: &mut Schedule| Ok(schedule.pick(Side::Theirs, 0, now_ms())?);
            today.change(Side::Theirs, DocumentState::Draft, pick).await?;
            today.change(Side::Ours, DocumentState::Approved, |_| Ok(())).await
        })
        .await?;
    let attempt = async {
        let rename = |schedule: &mut Schedule| {
            schedule.title = "Surrender".to_owned();
            Ok(())
        };
        today.change(Side::Theirs, DocumentState::Draft, rename).await
    };
    report
        .refuses("the counterpart changes the title that stands in calendars", "every device of the office", attempt)
        .await
}

/// What was prepared, for after the call.
pub(super) struct Prepared {
    /// What the office knows of the counterpart.
    pub(super) profile: Paper,
}

/// The brief, from a template and the profile: drafted by one, reviewed by another, approved by the President.
pub(super) async fn brief(
    cast: &Cast<'_>,
    report: &mut Report,
    told: &mut Told,
    request: DocumentId,
) -> anyhow::Result<Prepared> {
    let Cast { president, chief, adviser, duty, counterpart, .. } = cast;
    let promise = Action {
        version: 1,
        id: item()?,
        call: None,
        side: Side::Theirs,
        who: counterpart.card.name.clone(),
        person: None,
        what: "Open two berths of the northern harbour to inspection".to_owned(),
        due_ms: None,
        remind_ms: None,
        state: ActionState::Open,
    };
    let profile = Profile {
        version: 1,
        name: counterpart.card.name.clone(),
        name_to_use: "Madam President".to_owned(),
        languages: vec!["nb-NO".to_owned(), "en".to_owned()],
        background: vec!["Governs with two seats more than half.".to_owned()],
        calls: Vec::new(),
        promises: vec![promise],
    };
    let about_them = told.paper(DocumentKind::Profile, None, &[chief, adviser])?;
    let mut paper =
        told.paper(DocumentKind::Brief, Some(About::Document(request)), &[president, chief, adviser, duty])?;
    let point = |when, text: &str| anyhow::Ok(Point { id: item()?, when, text: text.to_owned() });
    let mut brief = Brief {
        version: 1,
        template: String::new(),
        counterpart: counterpart.card.name.clone(),
        purpose: "Agree on when the grain convoys sail again.".to_owned(),
        they_want: vec!["Patrols in the strait to end by the summer.".to_owned()],
        we_want: vec!["Convoys from Thursday on, with inspections in harbour and not at sea.".to_owned()],
        points: vec![
            point(When::Say, "The harvest does not wait: the convoys have to sail on Thursday.")?,
            point(When::IfAsked, "Patrols end when inspections work, not before.")?,
            point(When::Avoid, "The boundary of 1962.")?,
        ],
        ticks: BTreeMap::new(),
        background: Vec::new(),
        promised: Vec::new(),
        limits: vec!["No date for the end of the patrols.".to_owned()],
        comments: Vec::new(),
    };
    report
        .step("the adviser drafts a brief, with what the profile knows and was promised", async {
            chief.documents().write_paper((&about_them, true), DocumentState::Draft, &profile, None, &[]).await?;
            let (_, known) = adviser.documents().read_paper::<Profile>(about_them.document).await?;
            known.fill(&mut brief);
            ensure!(brief.promised.len() == 1, "the open promise is not in the brief");
            adviser.documents().write_paper((&paper, true), DocumentState::Draft, &brief, None, &[]).await?;
            let (_, read) = duty.documents().read_paper::<Brief>(paper.document).await?;
            ensure!(read == brief, "the duty officer reads another brief");
            Ok(())
        })
        .await?;
    paper.readers.retain(|reader| *reader != duty.id());
    report
        .step("the Chief of Staff reviews it, and takes the duty officer off its readers", async {
            let (_, read) = chief.documents().read_paper::<Brief>(paper.document).await?;
            Ok(chief.documents().write_paper((&paper, false), DocumentState::Reviewed, &read, None, &[]).await?)
        })
        .await?;
    let attempt = async { Ok(duty.documents().read(paper.document).await?) };
    report.refuses("a reader who was removed reads the next version", "the server", attempt).await?;
    let attempt = async { Ok(counterpart.documents().read(paper.document).await?) };
    report.refuses("the counterpart opens the brief", "the server", attempt).await?;
    report
        .step("the President approves the brief: brief.pdf", async {
            let documents = president.documents();
            let (_, approved) = documents.claim::<Brief>((paper.document, 2), DocumentState::Approved, &[]).await?;
            let pdf = telcon_pdf::brief_pdf(&approved, "PRIVATE", paper.document.as_bytes());
            write(cast.out.join("brief.pdf"), pdf)
        })
        .await?;
    let attempt = async { Ok(chief.documents().claim::<Brief>((paper.document, 2), DocumentState::Draft, &[]).await?) };
    report.refuses("the desk claims something for a version that is not the newest", "its own device", attempt).await?;
    Ok(Prepared { profile: about_them })
}
