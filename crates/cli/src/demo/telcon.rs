//! `telcon demo --scenario telcon`: a planned call from request to readout, with native devices and a real server.

mod after;
mod before;
mod during;
mod first_heard;

use self::{
    after::{Circulated, Said},
    first_heard::FirstHeard,
};
use super::{
    DemoArgs, SPEECH_A, SPEECH_B, endpoint_with,
    shared::{LineGiver, Report, bind_line, data_dir, enrol, finish, in_new_office, note_args},
    speech_or_fixture, until,
};
use crate::{
    call::{WavSink, read_speech},
    custodian,
    note::{RunningNoteTaker, start_note_taker},
    office,
    store::{private_dir, random},
};
use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use telcon_client::{
    audio::frame::Frame,
    documents::Documents,
    endpoint::{Endpoint, NullSink, now_ms},
    papers::Paper,
};
use telcon_core::{UserCommand, io::NewDelegate};
use telcon_proto::{
    Card, DocumentId, ItemId, LineId, PersonId, RecordMode, Role,
    delegation::{Act, DelegationList},
    document::{About, DocumentKind},
    hex,
    http::API_PREFIX,
};

/// People of the office: name, organisation, role, zone, file.
const PEOPLE: [(&str, &str, Role, &str, &str); 7] = [
    ("The President", "Office of the President", Role::Principal, "America/New_York", "president"),
    ("Chief of Staff", "Office of the President", Role::Scheduler, "America/New_York", "chief-of-staff"),
    ("National Security Adviser", "Office of the President", Role::Scheduler, "America/New_York", "adviser"),
    ("Duty officer", "Office of the President", Role::DutyOfficer, "America/New_York", "duty-officer"),
    ("The Foreign Minister", "Ministry of Foreign Affairs", Role::Principal, "America/New_York", "foreign-minister"),
    ("Records officer", "Office of the President", Role::RecordsOfficer, "America/New_York", "records-officer"),
    ("Note-taker", "Office of the President", Role::NoteTaker, "America/New_York", "note-taker"),
];
/// Name of the counterpart, of their organisation, and their zone.
const COUNTERPART: (&str, &str, &str) = ("The President of Norland", "Chancellery of Norland", "Europe/Oslo");
const COUNTERPARTS_FILE: &str = "counterpart";

/// Somebody with a device.
struct Person {
    card: Card,
    endpoint: Endpoint,
    server: String,
}

impl Person {
    fn id(&self) -> PersonId {
        self.card.person
    }

    fn documents(&self) -> Documents<'_> {
        Documents::new(&self.endpoint, self.server.clone())
    }
}

/// Everybody, and what they work with.
struct Cast<'a> {
    data: &'a Path,
    out: &'a Path,
    server: &'a str,
    president: Person,
    chief: Person,
    adviser: Person,
    duty: Person,
    minister: Person,
    records: Person,
    /// Holds a line of the President's.
    counterpart: Person,
    line: LineId,
    note_taker: RunningNoteTaker,
    /// When the President, the counterpart and the Chief of Staff heard the others first.
    heard: [FirstHeard; 3],
    /// What they say.
    say: [Vec<Frame>; 2],
    /// To whom an approved memorandum is sealed beside its readers.
    custodians: Vec<String>,
}

/// What the report has beside its steps.
#[derive(Default)]
struct Told {
    /// Documents that were written, each read by the Chief of Staff.
    documents: Vec<Paper>,
    bridged_ms: Option<u64>,
    said: Option<Said>,
    circulation: Vec<Circulated>,
    trace: Value,
    listed: Vec<Value>,
}

impl Told {
    /// A new document of this kind.
    fn paper(&mut self, kind: DocumentKind, about: Option<About>, readers: &[&Person]) -> anyhow::Result<Paper> {
        let document = DocumentId::from_bytes(random_id()?);
        let paper = Paper { document, kind, about, readers: readers.iter().map(|reader| reader.id()).collect() };
        self.documents.push(paper.clone());
        Ok(paper)
    }
}

/// Runs the scenario. The report is written whether it succeeds or not.
pub(super) async fn run(args: &DemoArgs) -> anyhow::Result<()> {
    let data = data_dir(args, "telcon")?;
    let out = args.out.clone().context("this scenario leaves files: add --out with a directory")?;
    for path in [&args.say_a, &args.say_b].into_iter().flatten() {
        read_speech(path)?;
    }
    private_dir(&out)?;
    private_dir(&out.join("copies"))?;
    crate::output::say!("Telcon demonstration of a planned call in {}", data.display());
    let (mut report, mut told) = (Report::default(), Told::default());
    let floor = RecordMode::from(args.record_mode);
    let play = async |server: &str, report: &mut Report| play(args, &data, &out, server, report, &mut told).await;
    let done = in_new_office(args, &data, floor, &mut report, play).await;
    let said = told.said.as_ref();
    let more = json!({
        "bridged_ms": told.bridged_ms,
        "call_id": said.map(|said| said.call),
        "transcript": said.map(|said| &said.transcript),
        "record_path": said.map(|said| &said.record_path),
        "custodian_identity_path": data.join("custodian/identity.txt"),
        "documents": told.listed,
        "circulation": told.circulation.iter().map(Circulated::report).collect::<Vec<_>>(),
        "trace": told.trace,
    });
    finish(args, &data, report, done, more)
}

async fn play(
    args: &DemoArgs,
    data: &Path,
    out: &Path,
    server: &str,
    report: &mut Report,
    told: &mut Told,
) -> anyhow::Result<()> {
    let mut cast = report.step("enrol everybody, and give a line", gather(args, data, out, server)).await?;
    report.step("let the Chief of Staff act for the President", delegate(&cast)).await?;
    let request = before::request(&cast, report, told).await?;
    before::schedule(&cast, report, told, request).await?;
    let prepared = before::brief(&cast, report, told, request).await?;
    let call;
    (cast, call) = during::call(cast, report, told).await?;
    let memorandum = after::memorandum(&mut cast, report, told, call).await?;
    after::circulate(&cast, report, told, &memorandum).await?;
    after::readout(&cast, report, told, &memorandum).await?;
    after::promises(&cast, report, told, &memorandum, prepared).await?;
    told.listed = report.step("list every version with its signature and entry", list(&cast, told)).await?;
    Ok(())
}

/// Enrols the office's people, gives a line to the counterpart, and starts all devices.
async fn gather<'a>(args: &DemoArgs, data: &'a Path, out: &'a Path, server: &'a str) -> anyhow::Result<Cast<'a>> {
    let domain = office::authority(data)?.domain().clone();
    let mut cards = Vec::new();
    for (name, organisation, role, zone, file) in PEOPLE {
        let card = office::card(&domain, name, organisation, role, zone)?;
        enrol(data, server, &card, file).await?;
        cards.push(card);
    }
    let heard: [FirstHeard; 3] = Default::default();
    let hearing = |at: usize, file: &str| anyhow::Ok(heard[at].over(WavSink::new(&data.join("heard").join(file))?));
    let mut people = Vec::new();
    // All but the note-taker, which is another program.
    for (card, (.., file)) in cards.into_iter().zip(PEOPLE).filter(|(card, _)| card.role != Role::NoteTaker) {
        let sink = match file {
            "president" => hearing(0, file)?,
            "chief-of-staff" => hearing(2, file)?,
            _ => Box::new(NullSink),
        };
        let endpoint = endpoint_with(data, server, file, false, sink)?;
        until(&endpoint, "everybody to sign in", |view| view.token.is_some()).await?;
        people.push(Person { card, endpoint, server: server.to_owned() });
    }
    let [president, chief, adviser, duty, minister, records] =
        <[Person; 6]>::try_from(people).ok().context("the cast is not complete")?;
    let giver = LineGiver { endpoint: &president.endpoint, server };
    let (name, organisation, zone) = COUNTERPART;
    let given = giver.give(name, organisation, zone, RecordMode::from(args.record_mode)).await?;
    let device = (COUNTERPARTS_FILE, hearing(1, COUNTERPARTS_FILE)?);
    let holder = bind_line(&giver, &given, data, president.id(), device).await?;
    let line = LineId::of_offer(given.invitation);
    let card = giver.line(line).await?.line.holder;
    let note_taker = start_note_taker(&note_args(data, server, args.asr_model.clone())).await?;
    let custodians = custodian::custodians(&data.join("custodians.txt"))?;
    Ok(Cast {
        data,
        out,
        server,
        president,
        chief,
        adviser,
        duty,
        minister,
        records,
        counterpart: Person { card, endpoint: holder, server: server.to_owned() },
        line,
        note_taker,
        heard,
        say: [
            speech_or_fixture(args.say_a.as_deref(), SPEECH_A, data, "a.wav")?,
            speech_or_fixture(args.say_b.as_deref(), SPEECH_B, data, "b.wav")?,
        ],
        custodians: custodians.iter().map(ToString::to_string).collect(),
    })
}

/// How long the Chief of Staff may act, milliseconds.
const DELEGATION_MS: u64 = 24 * 60 * 60_000;

async fn delegate(cast: &Cast<'_>) -> anyhow::Result<()> {
    let before = cast.chief.endpoint.view().borrow().delegations_changed;
    cast.president.endpoint.command(UserCommand::Delegate(NewDelegate {
        delegate: cast.chief.card.clone(),
        acts: Act::ALL.to_vec(),
        not_before_ms: None,
        not_after_ms: now_ms() + DELEGATION_MS,
    }));
    until(&cast.chief.endpoint, "the delegation", |view| view.delegations_changed != before).await?;
    delegation(cast).await.map(drop)
}

/// The delegation under which the Chief of Staff acts, as the office lists it.
async fn delegation(cast: &Cast<'_>) -> anyhow::Result<String> {
    let list: DelegationList = get(&cast.chief, "/delegations").await?;
    let of = |listed: &telcon_proto::delegation::ListedDelegation| listed.principal.person == cast.president.id();
    let found = list.delegations.into_iter().find(of);
    Ok(found.context("the office lists no delegation of the President's")?.statement)
}

/// What the office answers to a person.
async fn get<T: serde::de::DeserializeOwned + Send + 'static>(person: &Person, path: &str) -> anyhow::Result<T> {
    let token = person.endpoint.view().borrow().token.clone();
    let url = format!("{}{API_PREFIX}{path}", person.server);
    Ok(tokio::task::spawn_blocking(move || telcon_client::http::get_json(&url, token.as_deref())).await??)
}

fn random_id() -> anyhow::Result<[u8; 16]> {
    Ok(random()?[..16].try_into().expect("invariant: 16 of 32 bytes"))
}

fn item() -> anyhow::Result<ItemId> {
    Ok(ItemId::from_bytes(random_id()?))
}

fn write(path: PathBuf, bytes: impl AsRef<[u8]>) -> anyhow::Result<()> {
    std::fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

/// All versions of all documents, as the Chief of Staff's device verifies them.
async fn list(cast: &Cast<'_>, told: &Told) -> anyhow::Result<Vec<Value>> {
    let mut listed = Vec::new();
    for paper in &told.documents {
        let history = cast.chief.documents().history(paper.document).await?;
        ensure!(!history.is_empty(), "a {} has no version", paper.kind.as_str());
        let versions = history.iter().map(|version| {
            let content = version.content();
            json!({
                "version": content.version,
                "state": content.state,
                "author": content.author.name,
                "digest": hex(version.version().sha256().as_bytes()),
                "content_digest": hex(content.content_sha256.as_bytes()),
                "log_index": version.entry().index(),
                "readers": content.readers.len(),
            })
        });
        listed.push(json!({
            "id": paper.document,
            "kind": paper.kind,
            "about": paper.about,
            "versions": versions.collect::<Vec<_>>(),
        }));
    }
    Ok(listed)
}
