//! `telcon demo`: a complete office on one machine, and one recorded and verified call, step by step.

mod lines;
mod shared;
mod telcon;

use crate::{
    archive,
    call::{WavSink, read_speech, record_mode_name},
    custodian, device,
    note::{RunningNoteTaker, start_note_taker},
    office, registrar,
    secret::PassphraseArgs,
    serve::{self, Serving},
    store::{private_dir, write_secret},
};
use anyhow::{Context as _, bail};
use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};
use telcon_client::{
    audio::frame::Frame,
    endpoint::{Endpoint, EndpointConfig, MediaSink, ReceiveStats, Stats, now_ms},
    note::delivery::DeliveredRecord,
};
use telcon_core::{
    UserCommand,
    io::NewDelegate,
    view::{CallState, Direction, View},
};
use telcon_log::{StorageError, log::Error as LogError};
use telcon_proto::{
    Card, DeviceId, OfficeName, PersonId, RecordMode, Role, SuiteName,
    delegation::{Act, ListedDelegation},
    limits::MAX_DELEGATIONS_LISTED,
    policy::{Action, ROLES, allows},
};
use telcon_server::{StartError, store::StoreLocation};
use tokio::{sync::mpsc, time::timeout};

/// Largest list of the demonstration's people, bytes.
const MAX_PEOPLE_BYTES: u64 = 1 << 20;
/// Timeout of a step of the demonstration.
const STEP_TIMEOUT: Duration = Duration::from_secs(60);
/// Timeout for transcribing the last words and sealing the record.
const SEALING_TIMEOUT: Duration = Duration::from_secs(600);
const SPEECH_A: &[u8] = include_bytes!("../../client/fixtures/a.wav");
const SPEECH_B: &[u8] = include_bytes!("../../client/fixtures/b.wav");

/// What a demonstration shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Scenario {
    /// One recorded call, and then an office to try in a browser.
    Call,
    /// Lines: giving, binding, ringing, pausing and ending one, and what is refused. Needs --once.
    Lines,
    /// A planned call: request, schedule, brief, call, memorandum, circulation, readout. Needs --once and --out.
    Telcon,
}

/// Arguments of `telcon demo`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  telcon demo --asr-model tiny.en\n  telcon demo --once --json report.json --say-a a.wav --say-b b.wav"
)]
pub struct DemoArgs {
    /// Make the call, check everything, and exit.
    #[arg(long)]
    pub once: bool,
    /// What to show.
    #[arg(long, value_enum, default_value_t = Scenario::Call)]
    pub scenario: Scenario,
    /// Write a report to this file, as JSON; on failure, an object with `error`.
    #[arg(long)]
    pub json: Option<PathBuf>,
    /// Directory for what a planned call leaves: calendar files, brief, memorandum, copies, readout.
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// WAV file that A sends; a fixture by default.
    #[arg(long)]
    pub say_a: Option<PathBuf>,
    /// WAV file that B sends after A; a fixture by default.
    #[arg(long)]
    pub say_b: Option<PathBuf>,
    /// Directory of a Whisper model in CTranslate2 format. Without one, the record states that it has no transcript.
    #[arg(long)]
    pub asr_model: Option<PathBuf>,
    /// The office's data directory, kept between runs. With --once, a new temporary directory by default.
    #[arg(long)]
    pub data: Option<PathBuf>,
    /// Directory of the built web page.
    #[arg(long)]
    pub web: Option<PathBuf>,
    /// Address of the page and the API. Port 0 uses a free port (the default with --once).
    #[arg(long)]
    pub listen: Option<SocketAddr>,
    /// Cipher suite of a new office.
    #[arg(long, value_enum, default_value_t = office::Suite::Hybrid)]
    pub suite: office::Suite,
    /// What is kept of calls in a new office.
    #[arg(long, value_enum, default_value_t = office::Mode::Audio)]
    pub record_mode: office::Mode,
}

/// People of the demonstration: name, organisation, role, zone, file. The order is that of stored casts.
const PEOPLE: [(&str, &str, Role, &str, &str); 11] = [
    ("The President", "Office of the President", Role::Principal, "America/New_York", "president"),
    (
        "The Prime Minister of Estmark",
        "Office of the Prime Minister",
        Role::Principal,
        "Europe/Tallinn",
        "prime-minister",
    ),
    ("The President of Norland", "Chancellery of Norland", Role::Counterpart, "Europe/Oslo", "counterpart"),
    ("Note-taker", "Office of the President", Role::NoteTaker, "America/New_York", "note-taker"),
    ("Duty officer", "Office of the President", Role::DutyOfficer, "America/New_York", "duty-officer"),
    ("Security officer", "Office of the President", Role::SecurityOfficer, "America/New_York", "security-officer"),
    ("The Secretary-General", "Northern Council", Role::Counterpart, "Europe/Helsinki", "secretary-general"),
    ("Chief of Staff", "Office of the President", Role::Scheduler, "America/New_York", "chief-of-staff"),
    ("Interpreter", "Office of the President", Role::Interpreter, "America/New_York", "interpreter"),
    ("Records officer", "Office of the President", Role::RecordsOfficer, "America/New_York", "records-officer"),
    ("Auditor", "Court of Audit", Role::Auditor, "America/New_York", "auditor"),
];
/// Places in [`PEOPLE`] of those who answer by themselves.
const MINISTER: usize = 1;
const NORLAND: usize = 2;
/// Place of the one who may act for the Prime Minister.
const CHIEF_OF_STAFF: usize = 7;
/// Files of those who have a program as their device. The President has one for the first call only, and a browser afterwards.
const PROGRAMS: [&str; 4] = ["president", "prime-minister", "counterpart", "note-taker"];

/// Whether a person of the demonstration is the visitor in a browser.
fn is_visitor(file: &str) -> bool {
    file == "president" || !PROGRAMS.contains(&file)
}

/// What a visitor can try as a person of this role.
fn to_try(role: Role) -> &'static str {
    match role {
        Role::Principal => "ring The Prime Minister of Estmark or The President of Norland: they answer and speak",
        Role::Counterpart => "a leader elsewhere, who was given access: ring The Prime Minister of Estmark",
        Role::Scheduler => {
            "ring and answer for The Prime Minister of Estmark, who lets you (Acting); press Enter in this terminal for a call"
        }
        Role::DutyOfficer => "press Enter in this terminal for a call, join it visibly, read its captions",
        Role::NoteTaker => "watch a call and its record",
        Role::Interpreter => "press Enter in this terminal for a call, and join it as a visible listener",
        Role::SecurityOfficer => "invite somebody, compare the codes, approve the device, read the alerts",
        Role::RecordsOfficer => "check the proof of a call's record",
        Role::Auditor => "check the proofs, and read the alerts",
    }
}

/// The people of the demonstration, kept so that links of later runs are for the same ones.
#[derive(Serialize)]
struct Cast {
    people: Vec<Card>,
}

impl Cast {
    /// Reads what an earlier run stored, perhaps before cards named their office.
    fn from_stored(json: &[u8], home: &OfficeName) -> serde_json::Result<Self> {
        #[derive(Deserialize)]
        struct Stored {
            people: Vec<serde_json::Value>,
        }
        let stored: Stored = serde_json::from_slice(json)?;
        let people = stored.people.iter().map(|card| Card::from_stored(&card.to_string(), home));
        Ok(Self { people: people.collect::<Result<_, _>>()? })
    }
}

fn step(text: impl AsRef<str>) {
    crate::output::say!("  ✓ {}", text.as_ref());
}

/// `telcon demo`.
pub async fn run(args: DemoArgs) -> anyhow::Result<()> {
    // The other scenarios write the report of a failure themselves, with what came before it.
    let report = args.json.clone().filter(|_| args.scenario == Scenario::Call);
    let done = demonstrate(args).await;
    if let (Err(error), Some(path)) = (&done, report) {
        // The report of an earlier run must not remain.
        let failed = format!("{:#}\n", json!({ "error": format!("{error:#}") }));
        if let Err(error) = fs::write(&path, failed) {
            crate::output::tell!("telcon: cannot write {}: {error}", path.display());
        }
    }
    done
}

async fn demonstrate(args: DemoArgs) -> anyhow::Result<()> {
    match args.scenario {
        Scenario::Call => {}
        Scenario::Lines => return lines::run(&args).await,
        Scenario::Telcon => return telcon::run(&args).await,
    }
    serve::check_page(args.web.as_deref())?;
    // Arguments are checked before an office is created.
    for path in [&args.say_a, &args.say_b].into_iter().flatten() {
        read_speech(path)?;
    }
    if let Some(dir) = args.asr_model.as_ref().filter(|dir| !dir.join("model.bin").is_file()) {
        bail!("{} is not a speech model: it has no model.bin (`make build` fetches one)", dir.display());
    }
    let data = match &args.data {
        Some(dir) => dir.clone(),
        None if args.once => std::env::temp_dir().join(format!("telcon-demo-{}", std::process::id())),
        None => PathBuf::from("data/demo"),
    };
    private_dir(&data)?;
    let data = fs::canonicalize(&data)?;
    let listen = args.listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], if args.once { 0 } else { 8080 })));
    crate::output::say!("Telcon demonstration in {}", data.display());
    if data.join("authority/certificate.der").exists() {
        if !data.join(CAST_FILE).exists() {
            bail!("{} has an office that no demonstration made: choose another directory with --data", data.display());
        }
    } else {
        office::create(
            &data,
            "office.example",
            "Office of the President",
            args.suite.into(),
            RecordMode::from(args.record_mode),
        )?;
        step("created an office with its own authority, log and custodian");
    }
    let serving = serve::start(&data.join("server"), listen, None, args.web.clone(), None)
        .await
        .map_err(|error| explained(error, &data))?;
    let server = format!("http://localhost:{}", serving.http_addr.port());
    step(format!("the server is ready at {server}"));
    let cast = cast(&data)?;
    for (card, person) in cast.people.iter().zip(PEOPLE) {
        let path = data.join("devices").join(format!("{}.json", person.4));
        if PROGRAMS.contains(&person.4) && !path.exists() {
            let link = office::invitation(&office::authority(&data)?, card.clone(), 60)?.to_fragment();
            let (server, to) = (server.clone(), path.clone());
            tokio::task::spawn_blocking(move || device::enrol_at(&server, &link, &to)).await??;
            step(format!("enrolled a device of {}; its certificate is in the log", card.name));
        }
    }
    let note_taker = start_note_taker(&shared::note_args(&data, &server, args.asr_model.clone())).await?;
    let report = run_call(&args, &data, &server, note_taker, &cast).await;
    let (report, note_taker) = match report {
        Ok(done) => done,
        Err(error) => {
            serving.shutdown().await;
            return Err(error.context("the demonstration failed"));
        }
    };
    if let Some(path) = &args.json {
        fs::write(path, serde_json::to_vec_pretty(&report)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    if args.once {
        serving.shutdown().await;
        if args.data.is_none() {
            crate::output::say!(
                "All files, including the custodian's key, remain in {} until you delete them.",
                data.display()
            );
        }
        return Ok(());
    }
    keep_serving(&data, &server, note_taker, serving, &cast).await
}

/// What to do about an office that cannot be started. A person is not told to delete one that only runs already.
fn explained(error: anyhow::Error, data: &Path) -> anyhow::Error {
    let text = match error.chain().find_map(|cause| cause.downcast_ref::<StartError>()) {
        Some(StartError::Listen { addr, source }) if source.kind() == std::io::ErrorKind::AddrInUse => {
            let other = addr.port().saturating_add(1);
            format!(
                "port {} is in use, perhaps by another demonstration: stop it, or add --listen {}:{other}",
                addr.port(),
                addr.ip()
            )
        }
        Some(StartError::Log(LogError::Storage(StorageError::InUse))) => {
            format!(
                "a demonstration runs over {} already: stop it, or choose another directory with --data",
                data.display()
            )
        }
        _ => format!("the demonstration's office in {} cannot be started", data.display()),
    };
    error.context(text)
}

/// The people of a demonstration. Without it a directory is no demonstration's.
const CAST_FILE: &str = "people.json";

fn cast(data: &Path) -> anyhow::Result<Cast> {
    let path = data.join(CAST_FILE);
    let office = office::authority(data)?.domain().clone();
    let mut cast = match telcon_files::read_named(&path, MAX_PEOPLE_BYTES) {
        Ok(text) => Cast::from_stored(&text, &office).with_context(|| format!("{} is corrupt", path.display()))?,
        Err(_) => Cast { people: Vec::new() },
    };
    // A demonstration of an earlier version had fewer.
    let missing = PEOPLE.iter().skip(cast.people.len());
    let before = cast.people.len();
    for (name, organisation, role, zone, _) in missing {
        cast.people.push(office::card(&office, name, organisation, *role, zone)?);
    }
    if cast.people.len() > before {
        write_secret(&path, &serde_json::to_vec(&cast)?)?;
    }
    Ok(cast)
}

fn speech_or_fixture(path: Option<&Path>, fixture: &[u8], data: &Path, name: &str) -> anyhow::Result<Vec<Frame>> {
    if let Some(path) = path {
        return read_speech(path);
    }
    let path = data.join(name);
    fs::write(&path, fixture).with_context(|| format!("cannot write {}", path.display()))?;
    read_speech(&path)
}

fn endpoint(data: &Path, server: &str, who: &str, auto_answer: bool) -> anyhow::Result<Endpoint> {
    let sink = WavSink::new(&data.join("heard").join(who))?;
    endpoint_with(data, server, who, auto_answer, Box::new(sink))
}

fn endpoint_with(
    data: &Path,
    server: &str,
    who: &str,
    auto_answer: bool,
    sink: Box<dyn MediaSink>,
) -> anyhow::Result<Endpoint> {
    let path = data.join(format!("devices/{who}.json"));
    let config =
        EndpointConfig { server: server.to_owned(), state: device::open(&path)?, auto_answer, auto_join: false };
    Ok(Endpoint::start(config, sink, device::persister(path))?)
}

async fn until(endpoint: &Endpoint, what: &str, predicate: impl FnMut(&View) -> bool) -> anyhow::Result<View> {
    match timeout(STEP_TIMEOUT, endpoint.until(predicate)).await {
        Ok(view) => Ok(view?),
        Err(_) => {
            let view = endpoint.view().borrow().clone();
            let problem = view.call.and_then(|call| call.problem);
            let alerts: Vec<_> = view.alerts.into_iter().map(|alert| alert.text).collect();
            bail!("timed out waiting for {what}. {} {}", problem.unwrap_or_default(), alerts.join(" "))
        }
    }
}

fn state(view: &View) -> Option<CallState> {
    view.call.as_ref().map(|call| call.state)
}

fn receive_report(stats: &Stats, names: &[(telcon_proto::DeviceId, &str)]) -> serde_json::Value {
    let one = |(device, stats): (&telcon_proto::DeviceId, &ReceiveStats)| {
        let name = names.iter().find(|(id, _)| id == device).map_or("unknown", |(_, name)| name);
        let seconds = (stats.frames + stats.lost) as f64 * 0.02;
        (name.to_owned(), json!({ "seconds": seconds, "packets": stats.frames, "lost": stats.lost }))
    };
    stats.received.iter().map(one).collect::<serde_json::Map<_, _>>().into()
}

async fn run_call(
    args: &DemoArgs,
    data: &Path,
    server: &str,
    mut note_taker: RunningNoteTaker,
    cast: &Cast,
) -> anyhow::Result<(serde_json::Value, RunningNoteTaker)> {
    let say_a = speech_or_fixture(args.say_a.as_deref(), SPEECH_A, data, "a.wav")?;
    let say_b = speech_or_fixture(args.say_b.as_deref(), SPEECH_B, data, "b.wav")?;
    let a = endpoint(data, server, "president", false)?;
    let b = endpoint(data, server, "prime-minister", true)?;
    let callee = cast.people[MINISTER].person;
    until(&b, "B to sign in", |view| view.token.is_some()).await?;
    until(&a, "A to sign in", |view| {
        view.token.is_some() && view.people.iter().any(|contact| contact.card.person == callee && contact.reachable)
    })
    .await?;
    crate::output::say!("\nThe call");
    a.command(UserCommand::Ring { person: callee, mode: None });
    let view = until(&a, "the opening in the log", |view| state(view).is_some_and(|s| s != CallState::Opening)).await?;
    let call = view.call.as_ref().context("there is no call")?;
    let index = call.opened_index.with_context(|| format!("the ring failed: {:?} {:?}", call.ended, call.problem))?;
    step(format!("rung: the opening is entry {index} of the log; the callee's device rang only after that"));
    let (view_a, view_b) = tokio::try_join!(
        until(&a, "the answer", |view| state(view).is_some_and(|s| matches!(s, CallState::Live | CallState::Ended))),
        until(&b, "the ring", |view| state(view).is_some_and(|s| matches!(s, CallState::Live | CallState::Ended))),
    )?;
    let (call_a, call_b) = (view_a.call.context("A has no call")?, view_b.call.context("B has no call")?);
    if call_a.state != CallState::Live || call_b.state != CallState::Live {
        bail!("the call failed: {:?} {:?}", call_a.problem, call_b.problem);
    }
    step(format!("verified: B's device verified the ring of {}, {}", cast.people[0].name, cast.people[0].organisation));
    let both = |view: &View| view.call.as_ref().is_some_and(|call| call.members.len() >= 3);
    let (view_a, view_b) = tokio::try_join!(until(&a, "the note-taker", both), until(&b, "the note-taker", both))?;
    let (call_a, call_b) = (view_a.call.context("A has no call")?, view_b.call.context("B has no call")?);
    if call_a.phrase.is_none() || call_a.phrase != call_b.phrase {
        bail!("the two screens show different phrases");
    }
    let phrase = call_a.phrase.map(|words| words.join(" · ")).unwrap_or_default();
    let names: Vec<_> = call_a.members.iter().map(|member| member.card.name.as_str()).collect();
    step(format!("answered: both screens show “{phrase}” and the same participants: {}", names.join(", ")));
    let suite = match call_a.suite {
        SuiteName::Hybrid => "MLS_128_MLKEM768X25519_AES256GCM_SHA384_Ed25519 (0x004E)",
        SuiteName::Cnsa2 => "MLS_256_MLKEM1024_AES256GCM_SHA384_MLDSA87 (0x0907)",
    };
    step(format!("suite {suite}; record mode {}", record_mode_name(call_a.mode)));
    a.send_audio(say_a).await.context("A could not speak")?;
    step("A spoke");
    b.send_audio(say_b).await.context("B could not speak")?;
    step("B spoke");
    let devices: Vec<_> = call_a
        .members
        .iter()
        .filter_map(|member| match () {
            () if member.card.person == cast.people[0].person => Some((member.device, "a")),
            () if member.card.person == callee => Some((member.device, "b")),
            () => None,
        })
        .collect();
    // The last words are still in jitter buffers: a second of silence, then the end.
    let _ = a.send_audio(vec![telcon_client::audio::frame::SILENCE; 50]).await;
    a.command(UserCommand::HangUp);
    until(&b, "the end", |view| state(view) == Some(CallState::Ended)).await?;
    step("ended: the end is in the log");
    let record = timeout(SEALING_TIMEOUT, note_taker.uploader.next())
        .await
        .context("the record was not delivered in time")??;
    step(format!("sealed on the note-taker's machine; the digest is entry {} of the log", record.log_index));
    let report = prove(data, &record, &devices)?;
    let (stats_a, stats_b, stats_n) = (a.stats(), b.stats(), note_taker.uploader.endpoint.stats());
    let report = json!({
        "call_id": record.call,
        "record_path": data.join("server/archive/records").join(&record.record),
        "custodian_identity_path": data.join("custodian/identity.txt"),
        "archive_dir": data.join("server/archive"),
        "transcript": report.0,
        "heard": { "a": receive_report(&stats_a, &devices), "b": receive_report(&stats_b, &devices), "note_taker": receive_report(&stats_n, &devices) },
        "setup_ms": { "ring_to_ringing": stats_a.ring_to_ringing_ms, "answer_to_audio": stats_b.answer_to_audio_ms },
        "suite": suite,
        "verify": report.1,
    });
    for (listener, speaker) in [("a", "b"), ("b", "a"), ("note_taker", "a"), ("note_taker", "b")] {
        let line = &report["heard"][listener][speaker];
        let (packets, lost) = (line["packets"].as_u64().unwrap_or(0), line["lost"].as_u64().unwrap_or(0));
        if packets == 0 || lost * 100 > packets + lost {
            bail!("{listener} received {packets} frames of {speaker} and lost {lost}: more than 1 %");
        }
    }
    Ok((report, note_taker))
}

/// Verifies the archive offline and opens the record with the custodian's key.
fn prove(
    data: &Path,
    record: &DeliveredRecord,
    devices: &[(telcon_proto::DeviceId, &str)],
) -> anyhow::Result<(Vec<serde_json::Value>, serde_json::Value)> {
    let archive_dir = data.join("server/archive");
    let report = archive::Auditor::new(&archive_dir, &archive::Known::default(), now_ms())?.verify();
    if !report.is_good() {
        let problems: Vec<_> = report.problems.iter().map(|problem| problem.text.as_str()).collect();
        bail!("the archive does not verify: {}", problems.join("; "));
    }
    step(format!(
        "verified offline: {} log entries, {} calls, {} of {} records valid",
        report.entries, report.calls, report.records_good, report.records
    ));
    let out = data.join("opened").join(record.call.to_hex());
    private_dir(&data.join("opened"))?;
    let record_dir = archive_dir.join("records").join(&record.record);
    let identities = custodian::identities(&data.join("custodian/identity.txt"), &PassphraseArgs::default())?;
    let opened = archive::open_record(&identities, &record_dir, &out, &archive::Known::default())?;
    step(format!("opened with the custodian's key: {} files, {} lines of transcript", opened.files, opened.segments));
    let transcript = record
        .transcript
        .iter()
        .map(|line| {
            let speaker = devices.iter().find(|(id, _)| *id == line.speaker).map_or("unknown", |(_, name)| name);
            crate::output::say!("      {speaker} {:6.2}–{:6.2}  {}", line.start_s, line.end_s, line.text);
            json!({ "speaker": speaker, "start_s": line.start_s, "end_s": line.end_s, "text": line.text })
        })
        .collect();
    Ok((transcript, serde_json::to_value(&report)?))
}

async fn keep_serving(
    data: &Path,
    server: &str,
    mut note_taker: RunningNoteTaker,
    serving: Serving,
    cast: &Cast,
) -> anyhow::Result<()> {
    let minister = endpoint(data, server, "prime-minister", true)?;
    let counterpart = endpoint(data, server, "counterpart", true)?;
    let first = speech_or_fixture(None, SPEECH_A, data, "a.wav")?;
    let reply = speech_or_fixture(None, SPEECH_B, data, "b.wav")?;
    crate::output::say!(
        "\nOpen the links side by side in one browser: each has an address of its own below localhost, and is one person's device."
    );
    crate::output::say!("Each link works once; run the demo again for new ones.");
    for (card, person) in cast.people.iter().zip(PEOPLE).filter(|(_, person)| is_visitor(person.4)) {
        let link = office::invitation(&office::authority(data)?, card.clone(), LINK_MINUTES)?.to_fragment();
        let address = server.replacen("localhost", &format!("{}.localhost", person.4), 1);
        let (role, hint) = (person.2.words(), to_try(person.2));
        crate::output::say!("\n  {} ({role}): {hint}\n  {address}/#enrol={link}", card.name);
    }
    let (caller, callee) = (&cast.people[MINISTER].name, &cast.people[NORLAND].name);
    crate::output::say!(
        "\nEnter: {caller} rings {callee}, and both speak for a minute. Ctrl-C: end the demonstration."
    );
    // Each future lives for the whole time, so that events that occur while another one is busy are not lost.
    let speech = Speech { first: &first, reply: &reply };
    let answers = speak_when_live(&counterpart, &speech);
    let minister_answers = speak_when_live(&minister, &speech);
    let mut enter = enter_pressed();
    let rings_on_enter = async {
        while enter.recv().await.is_some() {
            if minister.view().borrow().call.as_ref().is_none_or(|call| call.state == CallState::Ended) {
                minister.command(UserCommand::Ring { person: cast.people[NORLAND].person, mode: None });
            }
        }
        // Without a terminal nobody presses Enter.
        std::future::pending::<()>().await;
    };
    let appoints = appoint_officers(data, server);
    let delegates = delegate_to_staff(data, &minister, cast);
    let stop = tokio::signal::ctrl_c();
    tokio::pin!(answers, minister_answers, rings_on_enter, appoints, delegates, stop);
    loop {
        tokio::select! {
            failed = &mut appoints => failed?,
            failed = &mut delegates => failed?,
            ended = &mut answers => ended?,
            ended = &mut minister_answers => ended?,
            () = &mut rings_on_enter => {}
            delivered = note_taker.uploader.next() => match delivered {
                Ok(record) => crate::output::say!("  ✓ record of {} sealed, log entry {}", record.call, record.log_index),
                Err(error) => crate::output::tell!("  ✗ {error:#}"),
            },
            _ = &mut stop => break,
        }
    }
    crate::output::say!("\nStopping.");
    serving.shutdown().await;
    crate::output::say!("Stopped. Run it again to go on, or delete {} to start over.", data.display());
    Ok(())
}

/// How often a program of the demonstration speaks in a call.
const ROUNDS: usize = 3;
/// Validity of a link of the demonstration, minutes.
const LINK_MINUTES: u64 = 24 * 60;

/// What programs say, in turns.
struct Speech<'a> {
    /// Who rang speaks second, so that a visitor who rang is answered at once.
    first: &'a [Frame],
    reply: &'a [Frame],
}

/// Speaks in each call of a program until it ends: at once where it answered, in turns with the other one. Where it rang, it hangs up
/// at the end.
async fn speak_when_live(endpoint: &Endpoint, speech: &Speech<'_>) -> anyhow::Result<()> {
    loop {
        let view = endpoint.until(|view| state(view) == Some(CallState::Live)).await?;
        let rang = view.call.is_some_and(|call| call.direction == Direction::Out);
        let (own, other) = if rang { (speech.first, speech.reply) } else { (speech.reply, speech.first) };
        let silence = || vec![telcon_client::audio::frame::SILENCE; other.len()];
        let speak = async {
            for _ in 0..ROUNDS {
                let round = if rang { [silence(), own.to_vec()] } else { [own.to_vec(), silence()] };
                for frames in round {
                    endpoint.send_audio(frames).await?;
                }
            }
            anyhow::Ok(())
        };
        let over = endpoint.until(|view| state(view) == Some(CallState::Ended));
        tokio::pin!(over);
        tokio::select! {
            _ = speak => {
                if rang {
                    endpoint.command(UserCommand::HangUp);
                }
                over.await?;
            }
            view = &mut over => drop(view?),
        }
    }
}

/// A message for each line on the standard input.
fn enter_pressed() -> mpsc::Receiver<()> {
    let (pressed, receiver) = mpsc::channel(1);
    // Reading blocks for as long as the process lives.
    std::thread::spawn(move || {
        for line in std::io::stdin().lines() {
            if line.is_err() || pressed.is_closed() {
                break;
            }
            // Pressed again before the first one was acted on: once is enough.
            let _ = pressed.try_send(());
        }
    });
    receiver
}

/// How often the demonstration looks for a security officer's new device.
const APPOINT_INTERVAL: Duration = Duration::from_secs(2);

/// Appoints the security officer's devices as they are enrolled: the demonstration holds the authority's key, which an office
/// keeps offline.
async fn appoint_officers(data: &Path, server: &str) -> anyhow::Result<()> {
    loop {
        tokio::time::sleep(APPOINT_INTERVAL).await;
        let (data, server) = (data.to_owned(), server.to_owned());
        for device in tokio::task::spawn_blocking(move || appoint_new(&data, &server)).await?? {
            step(format!("appointed the security officer's device {device}: it may invite people"));
        }
    }
}

/// Has the Prime Minister let the Chief of Staff act for them, once the latter's device is enrolled: a delegation is to somebody who has
/// one. One that a visitor ended is not given again.
async fn delegate_to_staff(data: &Path, minister: &Endpoint, cast: &Cast) -> anyhow::Result<()> {
    let (principal, delegate) = (cast.people[MINISTER].person, cast.people[CHIEF_OF_STAFF].clone());
    loop {
        tokio::time::sleep(APPOINT_INTERVAL).await;
        let (data, to) = (data.to_owned(), delegate.clone());
        if !tokio::task::spawn_blocking(move || lacks_delegation(&data, principal, &to)).await?? {
            continue;
        }
        minister.command(UserCommand::Delegate(NewDelegate {
            delegate: delegate.clone(),
            acts: vec![Act::Ring, Act::Answer],
            not_before_ms: None,
            not_after_ms: now_ms() + LINK_MINUTES * 60_000,
        }));
        step(format!(
            "{} lets {} ring and answer for them, for a day: see Acting",
            cast.people[MINISTER].name, delegate.name
        ));
        // It is in the list once the log has it.
        tokio::time::sleep(STEP_TIMEOUT).await;
    }
}

/// Whether somebody has a device and may not act for a principal yet.
fn lacks_delegation(data: &Path, principal: PersonId, delegate: &Card) -> anyhow::Result<bool> {
    let authority = office::authority(data)?;
    let database = StoreLocation::Sqlite(data.join("server/telcon.db")).reader(authority.domain())?;
    let has_device = database.delegates(MAX_DELEGATIONS_LISTED as u32)?.contains(delegate);
    let given = database.delegations(Some(principal), MAX_DELEGATIONS_LISTED as u32)?;
    let lasts = |one: &ListedDelegation| one.delegate.person == delegate.person && one.not_after_ms > now_ms();
    Ok(has_device && !given.iter().any(lasts))
}

fn appoint_new(data: &Path, server: &str) -> anyhow::Result<Vec<DeviceId>> {
    let authority = office::authority(data)?;
    let database = StoreLocation::Sqlite(data.join("server/telcon.db")).reader(authority.domain())?;
    let officers = database
        .listed_devices(None)?
        .into_iter()
        .filter(|row| allows(row.card.role, Action::EnrolDevices) && !row.registrar && row.revoked_ms.is_none());
    let mut new = Vec::new();
    for device in officers.map(|row| row.device) {
        let Some(row) = database.device(&device)? else { continue };
        let chain: Vec<&[u8]> = row.chain.iter().map(|der| der.as_slice()).collect();
        let verified = registrar::office(server, &authority)?.verify_chain(&chain, now_ms())?;
        registrar::appoint_at(server, &authority, &verified, &ROLES)?;
        new.push(device);
    }
    Ok(new)
}
