//! The call: put through by the desk, with two note-takers at their notes.

use super::{
    Cast, Person, Told, delegation,
    first_heard::{FirstHeard, hum},
    item,
};
use crate::call::WavSink;
use crate::demo::{
    SEALING_TIMEOUT, STEP_TIMEOUT, endpoint_with,
    shared::{Report, live, over},
    state, until,
};
use anyhow::{Context as _, ensure};
use telcon_client::{audio::frame::SILENCE, endpoint::Endpoint, note::delivery::DeliveredRecord, papers::Paper};
use telcon_core::{
    UserCommand,
    call::green_room::{RoomSaid, RoomTerms, view::GreenRoomView},
    view::{CallState, MemberView, View},
};
use telcon_papers::{
    action::Side,
    notes::{Draft, NoteMark, Notes},
};
use telcon_proto::{
    CallId, DeviceId, ItemId,
    document::{About, DocumentKind, DocumentState},
};
use tokio::time::timeout;

/// Largest difference between the first frames that the two principals hear, milliseconds.
const MAX_BRIDGED_MS: u64 = 150;
/// Frames of a sound check: a second.
const SOUND_CHECK_FRAMES: usize = 50;

/// Notes word for word: each with its wording and another one of the same meaning.
type Quotes = Vec<(ItemId, [&'static str; 2])>;

/// What is known of a call after its end.
pub(super) struct Call {
    pub(super) call: CallId,
    /// Everybody who was in it, by the verified group.
    pub(super) members: Vec<MemberView>,
    /// Notes of each note-taker.
    pub(super) notes: Vec<Paper>,
    /// What the President said word for word: the author may give other wordings for copies.
    pub(super) quotes: Quotes,
    pub(super) record: DeliveredRecord,
    /// The devices of the two who spoke.
    pub(super) speakers: [DeviceId; 2],
}

/// What the note-takers write down word for word, and another wording of the same meaning.
const QUOTES: [[&str; 2]; 6] = [
    [
        "The convoys must sail on Thursday, because the harvest does not wait for any of us.",
        "The convoys have to leave on Thursday, since the harvest will not wait for anybody here.",
    ],
    [
        "We accept inspections in the harbour, provided that no vessel is stopped on the open sea.",
        "Inspections in port are acceptable to us as long as no ship is halted on the high seas.",
    ],
    [
        "The patrols end when the inspections work, and I will not give a date before that.",
        "Patrols will stop once inspections are working, and I cannot name a day until then.",
    ],
    [
        "Two berths of the northern harbour open on Monday, with three inspectors from each side.",
        "From Monday on two berths in the northern port are open, each side sending three inspectors.",
    ],
    [
        "My minister travels to the strait next week and reports to both of us by Friday evening.",
        "Next week my minister goes to the strait, and both of us hear from him by Friday night.",
    ],
    [
        "Neither of us speaks to the press before the first convoy has arrived without an incident.",
        "Until the first convoy is in without incident, neither side says anything to journalists.",
    ],
];

fn device(view: &View) -> Option<DeviceId> {
    view.you.as_ref().map(|you| you.device)
}

fn own(endpoint: &Endpoint) -> anyhow::Result<DeviceId> {
    device(&endpoint.view().borrow()).context("a device does not know itself")
}

fn has(view: &View, devices: &[DeviceId]) -> bool {
    let members = view.call.iter().filter(|call| call.state == CallState::Live).flat_map(|call| &call.members);
    let members: Vec<_> = members.map(|member| member.device).collect();
    devices.iter().all(|device| members.contains(device))
}

fn room(view: &View) -> Option<&GreenRoomView> {
    view.call.as_ref()?.green_room.as_ref()
}

/// When a device heard a speaker first.
async fn first(heard: &FirstHeard, speaker: DeviceId, listener: &Endpoint) -> anyhow::Result<u64> {
    let mut frames = listener.stats().frames_received();
    loop {
        if let Some(at_ms) = heard.of(speaker) {
            return Ok(at_ms);
        }
        // Frames arrive all the time, silence too.
        frames += 1;
        timeout(STEP_TIMEOUT, listener.until_received(frames)).await??;
    }
}

/// The same of a speaker who hums until then.
async fn heard_humming(
    heard: &FirstHeard,
    (speaker, from): (DeviceId, &Endpoint),
    listener: &Endpoint,
) -> anyhow::Result<u64> {
    let hums = async {
        loop {
            from.send_audio(vec![hum(); 5]).await?;
        }
    };
    tokio::select! {
        failed = hums => failed,
        first = first(heard, speaker, listener) => first,
    }
}

/// The call, from the desk's ring to its sealed record.
pub(super) async fn call<'a>(
    mut cast: Cast<'a>,
    report: &mut Report,
    told: &mut Told,
) -> anyhow::Result<(Cast<'a>, Call)> {
    let (president, counterpart) = (&cast.president.endpoint, &cast.counterpart.endpoint);
    let speakers = [own(president)?, own(counterpart)?];
    let machine = own(&cast.note_taker.uploader.endpoint)?;
    let id = report
        .step("the desk puts the call through, and the note-taker is on both screens", async {
            let (person, statement) = (cast.counterpart.id(), delegation(&cast).await?);
            let chief = &cast.chief.endpoint;
            chief.command(UserCommand::RingFor { person, mode: None, statement, prepare: true });
            live(chief).await?;
            live(counterpart).await?;
            until(counterpart, "the note-taker", |view| has(view, &[machine])).await?;
            let view = until(chief, "the note-taker", |view| has(view, &[machine])).await?;
            Ok(view.call.context("there is no call")?.call)
        })
        .await?;
    report
        .step("the duty officer joins as a visible listener, to take notes", async {
            let duty = &cast.duty.endpoint;
            until(duty, "the notice of the call", |view| view.notices.iter().any(|notice| notice.can_listen)).await?;
            duty.command(UserCommand::Listen { call: id });
            let listener = own(duty)?;
            until(counterpart, "the duty officer on the other side's screen", |view| has(view, &[listener])).await
        })
        .await?;
    report
        .step("green room: both sides check the sound, state what they bring, and are ready", async {
            let chief = &cast.chief.endpoint;
            drop(chief.send_audio(vec![hum(); SOUND_CHECK_FRAMES]));
            drop(counterpart.send_audio(vec![hum(); SOUND_CHECK_FRAMES]));
            first(&cast.heard[1], own(chief)?, counterpart).await?;
            first(&cast.heard[2], speakers[1], chief).await?;
            let present = vec![cast.chief.card.name.clone(), cast.duty.card.name.clone()];
            let terms = RoomTerms { present, ..RoomTerms::default() };
            let ours = RoomSaid { terms, agrees_mode: true, heard: true, ..RoomSaid::default() };
            let theirs = RoomSaid { terms: RoomTerms::default(), ..ours.clone() };
            for (endpoint, said) in [(chief, &ours), (counterpart, &theirs)] {
                endpoint.command(UserCommand::GreenRoom(Box::new(said.clone())));
            }
            // Readiness is for what the other side has stated.
            until(chief, "what the other side states", |view| room(view).is_some_and(|room| room.callee.heard)).await?;
            until(counterpart, "what our side states", |view| room(view).is_some_and(|room| room.caller.heard)).await?;
            for (endpoint, said) in [(chief, ours), (counterpart, theirs)] {
                endpoint.command(UserCommand::GreenRoom(Box::new(RoomSaid { ready: true, ..said })));
            }
            // The desk's device then asks the President's, without a press.
            let asks = |view: &View| view.notices.iter().any(|notice| notice.asks_until_ms.is_some());
            until(president, "the ring to the prepared call", asks).await
        })
        .await?;
    let bridged_ms = report
        .step("the President comes in, and both principals are connected", async {
            president.command(UserCommand::Listen { call: id });
            // Both make a sound before they are connected: it is heard from the moment on in which they are.
            let (here, there) = tokio::try_join!(
                heard_humming(&cast.heard[0], (speakers[1], counterpart), president),
                heard_humming(&cast.heard[1], (speakers[0], president), counterpart),
            )?;
            let connected = |view: &View| room(view).is_some_and(|room| room.connected_ms.is_some());
            until(president, "the principals to be connected", connected).await?;
            until(counterpart, "the principals to be connected", connected).await?;
            Ok(here.abs_diff(there))
        })
        .await?;
    told.bridged_ms = Some(bridged_ms);
    report
        .step("they heard each other first within 150 ms", async {
            ensure!(bridged_ms < MAX_BRIDGED_MS, "{bridged_ms} ms lie between the first frames that they heard");
            Ok(())
        })
        .await?;
    let again = FirstHeard::default();
    let sink = again.over(WavSink::new(&cast.data.join("heard/president-again"))?);
    let president = cast.president;
    let restarted = async {
        // What the device was is in its file alone.
        president.endpoint.stop().await;
        let endpoint = endpoint_with(cast.data, cast.server, "president", false, sink)?;
        until(&endpoint, "the President's device to sign in", |view| view.token.is_some()).await?;
        Ok(Person { endpoint, ..president })
    };
    cast.president = report.step("the President's device drops out of the call, and starts again", restarted).await?;
    let (president, counterpart) = (&cast.president.endpoint, &cast.counterpart.endpoint);
    report
        .step("the desk brings the President back with one press, and both hear each other", async {
            cast.chief.endpoint.command(UserCommand::HandOver);
            until(president, "the President to be back", |view| has(view, &speakers)).await?;
            heard_humming(&again, (speakers[1], counterpart), president).await
        })
        .await?;
    let view = until(president, "the participants", |view| has(view, &speakers)).await?;
    let mut members = view.call.context("there is no call")?.members;
    // Ours first.
    members.sort_by_key(|member| member.device != speakers[0]);
    let (notes, quotes) = report
        .step("both speak, and two people take notes", async {
            let [say_a, say_b] = cast.say.clone();
            president.send_audio(say_a).await.context("the President could not speak")?;
            counterpart.send_audio(say_b).await.context("the counterpart could not speak")?;
            // The last words are still in jitter buffers.
            let _ = president.send_audio(vec![SILENCE; 50]).await;
            take_notes(&cast, told, id).await
        })
        .await?;
    let record = report
        .step("the President ends the call, and its record is sealed, uploaded and logged", async {
            let (president, counterpart) = (&cast.president.endpoint, &cast.counterpart.endpoint);
            president.command(UserCommand::HangUp);
            over([president, counterpart]).await?;
            for endpoint in [&cast.chief.endpoint, &cast.duty.endpoint] {
                until(endpoint, "the end", |view| state(view).is_none_or(|state| state == CallState::Ended)).await?;
            }
            let delivered = timeout(SEALING_TIMEOUT, cast.note_taker.uploader.next()).await;
            Ok(delivered.context("the record was not delivered in time")??)
        })
        .await?;
    ensure!(record.call == id, "another call's record was delivered");
    Ok((cast, Call { call: id, members, notes, quotes, record, speakers }))
}

/// Two people write notes, each in a document of their own that the other and the note-taker read.
async fn take_notes(cast: &Cast<'_>, told: &mut Told, call: CallId) -> anyhow::Result<(Vec<Paper>, Quotes)> {
    let machine = cast.note_taker.uploader.endpoint.with_engine(|engine, _| engine.device().me().card().person).await?;
    let [president, counterpart] = [&cast.president, &cast.counterpart].map(|person| person.card.name.clone());
    let mut quotes = Vec::new();
    let note = |at_ms: u64, speaker: &str, text: &str, kind| Draft {
        at_ms,
        speaker: speaker.to_owned(),
        text: text.to_owned(),
        kind,
    };
    let decision = |at_ms| note(at_ms, "", "Convoys sail again, with inspections in harbour.", NoteMark::Decision);
    let promise = |side, who: &str, days: u64| NoteMark::Action {
        side,
        who: who.to_owned(),
        until_ms: Some(telcon_client::endpoint::now_ms() + days * 24 * 60 * 60_000),
    };
    let mut written = Vec::new();
    for (writer, other) in [(&cast.chief, &cast.duty), (&cast.duty, &cast.chief)] {
        let mut paper = told.paper(DocumentKind::Notes, Some(About::Call(call)), &[writer, other])?;
        paper.readers.push(machine);
        let (device, by) = (own(&writer.endpoint)?, writer.id());
        let mut notes = Notes::default();
        let is_first = written.is_empty();
        let half = if is_first { &QUOTES[..3] } else { &QUOTES[3..] };
        for (number, wordings) in (quotes.len() as u64..).zip(half) {
            let id = item()?;
            let speaker = if number % 2 == 0 { &president } else { &counterpart };
            notes.write(id, note(number * 2_000, speaker, wordings[0], NoteMark::Quote), device, by);
            quotes.push((id, *wordings));
        }
        if is_first {
            let inspectors = promise(Side::Ours, "Chief of Staff", 5);
            notes.write(item()?, decision(9_000), device, by);
            notes.write(item()?, note(9_500, &president, "Name three inspectors", inspectors), device, by);
        } else {
            let berths = promise(Side::Theirs, &counterpart, 6);
            notes.write(item()?, note(9_800, &counterpart, "Open two berths on Monday", berths), device, by);
        }
        writer.documents().write_paper((&paper, true), DocumentState::Draft, &notes, None, &[]).await?;
        written.push(paper);
    }
    Ok((written, quotes))
}
