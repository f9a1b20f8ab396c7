//! Requests and schedules: the steps that people take, calendar files, and calendars read for conflicts.

use crate::{answer, argument, fail, read, zones::BrowserZone};
use serde::Serialize;
use telcon_papers::{
    Content,
    calendar::{Conflict, Feed, Invitation, conflicts, invitation},
    clock::{Shown, ZoneClock, moment},
    request::Request,
    schedule::{Place, Schedule, Side, Slot},
    steps::{By, Known, RequestStep, ScheduleStep, Stands},
};
use telcon_proto::{Digest, OfficeName, PersonId, document::DocumentState};
use wasm_bindgen::prelude::*;

/// The content of the next version, and the state that it claims.
#[derive(Serialize)]
struct Next<T: Content> {
    content: T,
    state: DocumentState,
}

impl<T: Content> Next<T> {
    fn json(self) -> Result<String, JsError> {
        self.content.check().map_err(fail)?;
        answer(&self)
    }
}

/// Takes a step (JSON of a `RequestStep`) about a request; returns its content and state. `known` and `by` are JSON of `Known` and `By`.
#[wasm_bindgen]
pub fn request_step(request: &str, step: &str, known: &str, by: &str) -> Result<String, JsError> {
    let mut content: Request = read(request)?;
    let state = content.take(argument::<RequestStep>(step)?, argument::<Known>(known)?, argument::<By>(by)?);
    Next { content, state: state.map_err(fail)? }.json()
}

#[derive(Serialize)]
struct RequestStands {
    stands: Stands,
    is_proven: bool,
}

/// Where a request stands, and whether it is proven to be theirs.
#[wasm_bindgen]
pub fn request_stands(request: &str, known: &str) -> Result<String, JsError> {
    let (request, known) = (read::<Request>(request)?, argument::<Known>(known)?);
    answer(&RequestStands { stands: request.stands(known.state), is_proven: request.is_proven(known.first) })
}

/// The first offer of times for a call: content and state. `uid` is drawn at random by the caller, `places` is JSON of `Place[]`.
#[wasm_bindgen]
pub fn new_schedule(uid: &str, title: &str, places: &str, step: &str, by: &str) -> Result<String, JsError> {
    let uid = uid.parse().map_err(fail)?;
    next_schedule(Schedule::new(uid, title, argument::<Vec<Place>>(places)?), step, None, by)
}

/// Takes a step (JSON of a `ScheduleStep`) about a schedule whose newest version claims `state`; returns its content and state.
#[wasm_bindgen]
pub fn schedule_step(schedule: &str, step: &str, state: &str, by: &str) -> Result<String, JsError> {
    next_schedule(read(schedule)?, step, Some(argument(state)?), by)
}

fn next_schedule(mut content: Schedule, step: &str, state: Option<DocumentState>, by: &str) -> Result<String, JsError> {
    let state = content.take(argument::<ScheduleStep>(step)?, state, argument::<By>(by)?).map_err(fail)?;
    Next { content, state }.json()
}

/// Whether a version of a request by this person of the other side is what they may make of the version before; an empty text: of nothing.
#[wasm_bindgen]
pub fn is_their_request(after: &str, before: &str, author: &str) -> Result<bool, JsError> {
    let before = if before.is_empty() { None } else { Some(read::<Request>(before)?) };
    let author = author.parse::<PersonId>().map_err(fail)?;
    Ok(read::<Request>(after)?.is_their_version(before.as_ref(), author))
}

/// Whether a version by the other side is one step of theirs after the version before.
#[wasm_bindgen]
pub fn is_their_step(after: &str, before: &str) -> Result<bool, JsError> {
    Ok(read::<Schedule>(after)?.is_step_of(&read(before)?, Side::Theirs))
}

/// The calendar file of a schedule that is confirmed or cancelled, with the zones' rules as this browser knows them.
#[wasm_bindgen]
pub fn calendar_file(schedule: &str, office: &str) -> Result<Option<String>, JsError> {
    let (schedule, office) = (read::<Schedule>(schedule)?, office.parse::<OfficeName>().map_err(fail)?);
    let zones: Vec<_> = schedule.places.iter().filter_map(|place| BrowserZone::new(&place.zone)).collect();
    let zones = zones.iter().map(|zone| zone as &dyn ZoneClock).collect();
    Ok(invitation(&Invitation { schedule: &schedule, office: &office, organizer: None, attendees: Vec::new(), zones }))
}

#[derive(Serialize)]
struct Conflicts {
    conflicts: Vec<&'static str>,
    not_understood: u32,
}

/// Whether times (JSON of `Slot[]`) conflict with a calendar: for each `free`, `unsure` or `busy`. `zone` is its owner's.
#[wasm_bindgen]
pub fn calendar_conflicts(calendar: &[u8], slots: &str, zone: &str) -> Result<String, JsError> {
    let slots: Vec<Slot> = argument(slots)?;
    let from_ms = slots.iter().map(|slot| slot.start_ms).min().unwrap_or(0);
    let to_ms = slots.iter().map(Slot::end_ms).max().unwrap_or(0);
    let zone = BrowserZone::new(zone).ok_or_else(|| JsError::new("this browser does not know the time zone"))?;
    let zones = |name: &str| BrowserZone::new(name).map(|zone| Box::new(zone) as Box<dyn ZoneClock>);
    let feed = Feed::read(calendar, (from_ms, to_ms), &zone, &zones).map_err(fail)?;
    let words = conflicts(&feed, &slots).into_iter().map(|conflict| match conflict {
        Conflict::Free => "free",
        Conflict::Unsure => "unsure",
        Conflict::Busy => "busy",
    });
    answer(&Conflicts { conflicts: words.collect(), not_understood: feed.not_understood })
}

/// When the clocks of a zone show this (`2026-12-01T15:30`), milliseconds since the Unix epoch; none if it is no time.
#[wasm_bindgen]
pub fn moment_in(zone: &str, local: &str) -> Option<f64> {
    let number = |range: std::ops::Range<usize>| local.get(range)?.parse::<u16>().ok();
    let shown = Shown {
        year: number(0..4)?.into(),
        month: number(5..7)?.try_into().ok()?,
        day: number(8..10)?.try_into().ok()?,
        hour: number(11..13)?.try_into().ok()?,
        minute: number(14..16)?.try_into().ok()?,
        second: 0,
    };
    moment(&BrowserZone::new(zone)?, &shown).map(|at_ms| at_ms as f64)
}

/// The digest by which a version names the delegation under which it is written.
#[wasm_bindgen]
pub fn statement_sha256(statement: &str) -> Result<String, JsError> {
    let digest: Digest = telcon_papers::steps::statement_sha256(statement);
    Ok(digest.to_string())
}
