//! `telcon call` and `telcon note`: this machine as a device of the office.

use crate::{device, office};
use anyhow::{Context as _, bail};
use clap::Args;
use std::{
    collections::{BTreeMap, VecDeque},
    fs::File,
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, TryRecvError},
    time::{Duration, Instant},
};
use telcon_client::{
    audio::{
        frame::{Frame, frames},
        playout::Origin,
        wav,
    },
    endpoint::{Deaf, Ear, Endpoint, EndpointConfig, now_ms},
    hearing::Whisper,
    note::{self, MakeRecognisers, NoteConfig, NoteTaker, Report},
    upload::upload,
};
use telcon_core::{
    Command, Device, Engine, Event,
    view::{CallState, Phase, View},
};
use telcon_proto::{CallId, DeviceId, PersonId, RecordMode, Role, message::NoticeState, words::Contact};
use telcon_record::CustodianRecipient;
use tokio::signal::unix::{SignalKind, signal};

const REVOKED: &str = "the office says that this device is revoked. Ask it for a new enrolment link.";
/// How long a hang-up may take to be heard.
const HANG_UP_WITHIN: Duration = Duration::from_secs(2);
/// How often the note-taker's reports are looked at.
const BEAT: Duration = Duration::from_millis(50);
/// How long a record waits after the office did not take it; twice as long after each further time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Arguments of `telcon call`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  telcon call --device mine.json --to \"The President\" --say hello.wav --hear heard/\n  \
                        telcon call --device mine.json --answer --say reply.wav --hear heard/"
)]
pub struct CallArgs {
    /// The device's keys (telcon enrol).
    #[arg(long)]
    pub device: PathBuf,
    /// The office's server.
    #[arg(long, default_value = "http://localhost:8080")]
    pub server: String,
    /// Ring the person of this name, or of this person id where several have the name.
    #[arg(long, conflicts_with = "answer", required_unless_present = "answer")]
    pub to: Option<String>,
    /// Wait for a ring and answer it.
    #[arg(long)]
    pub answer: bool,
    /// Speak this WAV file, then hang up (unless --stay).
    #[arg(long)]
    pub say: Option<PathBuf>,
    /// Write what is heard here: one WAV file per speaker.
    #[arg(long)]
    pub hear: Option<PathBuf>,
    /// Stay in the call after speaking, until the other side hangs up.
    #[arg(long)]
    pub stay: bool,
}

/// Writes one WAV file per speaker.
pub struct WavEar {
    dir: PathBuf,
    files: BTreeMap<DeviceId, wav::Writer>,
}

impl WavEar {
    /// Writes into `dir`, which is made.
    pub fn new(dir: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
        Ok(Self { dir: dir.to_owned(), files: BTreeMap::new() })
    }
}

impl Ear for WavEar {
    fn event(&mut self, event: &Event, _: &Engine, _: u64) {
        if let Event::Ended { .. } = event {
            for file in self.files.values_mut() {
                if let Err(error) = file.flush() {
                    tracing::error!(%error, "the end of what was heard cannot be written");
                }
            }
        }
    }

    fn frame(&mut self, from: DeviceId, frame: &Frame, _: Origin, _: u64) {
        let file = match self.files.entry(from) {
            std::collections::btree_map::Entry::Occupied(file) => file.into_mut(),
            std::collections::btree_map::Entry::Vacant(place) => {
                match wav::Writer::create(&self.dir.join(format!("{from}.wav"))) {
                    Ok(file) => place.insert(file),
                    Err(error) => return tracing::error!(%error, "what is heard cannot be written"),
                }
            }
        };
        if let Err(error) = file.write(frame) {
            tracing::error!(%error, "what is heard cannot be written");
        }
    }
}

/// Reads a WAV file as frames to say.
pub fn speech(path: &Path) -> anyhow::Result<Vec<Frame>> {
    let samples = wav::read(path).with_context(|| format!("cannot speak {}", path.display()))?;
    Ok(frames(&samples).collect())
}

/// `telcon call`.
pub async fn call(args: CallArgs) -> anyhow::Result<()> {
    let ear: Box<dyn Ear> = match &args.hear {
        Some(dir) => Box::new(WavEar::new(dir)?),
        None => Box::new(Deaf),
    };
    let say = args.say.as_deref().map(speech).transpose()?;
    Device::open(&device::open(&args.device)?, now_ms())?;
    let _held = device::hold(&args.device)?;
    // Read again: whoever held it before may have changed it.
    let state = device::open(&args.device)?;
    let config = EndpointConfig {
        server: args.server.trim_end_matches('/').to_owned(),
        state,
        auto_answer: args.answer,
        auto_listen: false,
    };
    let endpoint = Endpoint::start(config, ear, device::keeper(args.device.clone()))?;
    let mut stop = signal(SignalKind::terminate()).context("the system gives no signals")?;
    tokio::select! {
        done = call_with(&args, &endpoint, say) => done,
        revoked = revoked(&endpoint) => revoked,
        shown = show_changes(&endpoint) => shown,
        _ = tokio::signal::ctrl_c() => hang_up(&endpoint).await,
        _ = stop.recv() => hang_up(&endpoint).await,
    }
}

/// Leaves as a person would, so that nobody waits for this device.
async fn hang_up(endpoint: &Endpoint) -> anyhow::Result<()> {
    endpoint.command(Command::HangUp);
    let over = endpoint.until(|view| view.call.as_ref().is_none_or(|call| call.state == CallState::Ended));
    let _ = tokio::time::timeout(HANG_UP_WITHIN, over).await;
    // What was said last is on its way.
    tokio::time::sleep(BEAT).await;
    bail!("stopped: the call is over here")
}

/// What a screen shows of a call, in lines.
#[derive(Default, PartialEq)]
struct Shown {
    phrase: String,
    members: String,
    record: String,
    alerts: Vec<String>,
}

impl Shown {
    fn of(view: &View) -> Option<Self> {
        let call = view.call.as_ref().filter(|call| call.state == CallState::Live && call.started_ms.is_some())?;
        let member = |member: &telcon_core::view::MemberView| {
            let does = match (member.you, member.lost, member.muted, member.card.role) {
                (true, ..) => "you",
                (_, true, ..) => "listens, does not answer",
                (_, _, true, _) => "muted",
                (.., Role::NoteTaker) => "listens, writes",
                (.., Role::DutyOfficer) => "listens",
                _ => "speaks",
            };
            format!("{} ({does})", member.card.name)
        };
        let record = match (call.mode, call.note_taker) {
            (RecordMode::LogOnly, _) => "log only".to_owned(),
            (mode, true) => format!("on the record: {}", mode_word(mode)),
            (mode, false) => format!("NOT BEING RECORDED; it should be: {}", mode_word(mode)),
        };
        Some(Self {
            phrase: call.phrase.map(|words| words.join(" · ")).unwrap_or_default(),
            members: call.members.iter().map(member).collect::<Vec<_>>().join(", "),
            record,
            alerts: view.alerts.iter().map(|alert| alert.text.clone()).collect(),
        })
    }
}

/// Prints what changes on the screen of a call: who is in it, whether it is recorded, the phrase.
async fn show_changes(endpoint: &Endpoint) -> anyhow::Result<()> {
    let (mut view, mut before) = (endpoint.view(), Shown::default());
    loop {
        if let Some(now) = Shown::of(&view.borrow_and_update()).filter(|now| *now != before) {
            let lines = [("in this call: ", &before.members, &now.members), ("", &before.record, &now.record)];
            let lines = lines.into_iter().chain([("the screens show: ", &before.phrase, &now.phrase)]);
            lines.filter(|(_, was, is)| was != is).for_each(|(what, _, is)| eprintln!("{what}{is}"));
            now.alerts.iter().filter(|text| !before.alerts.contains(text)).for_each(|text| eprintln!("ALERT: {text}"));
            before = now;
        }
        view.changed().await.context("the endpoint ended")?;
    }
}

/// Whom `--to` names.
fn contact<'a>(people: &'a [Contact], named: &str) -> anyhow::Result<&'a Contact> {
    let id: Option<PersonId> = named.parse().ok();
    let found: Vec<_> = people.iter().filter(|one| one.card.name == named || Some(one.card.person) == id).collect();
    match found[..] {
        [one] => Ok(one),
        [] => {
            let names: Vec<_> = people.iter().map(|contact| contact.card.name.as_str()).collect();
            bail!("nobody here is called {named:?}; there are: {}", names.join(", "))
        }
        _ => {
            let each = found.iter().map(|one| format!("{} ({})", one.card.person.to_hex(), one.card.organisation));
            bail!("several are called {named:?}; name one by id: {}", each.collect::<Vec<_>>().join(", "))
        }
    }
}

/// A device that was in a call when its program died comes back to it. Whoever rings somebody now ends that call first.
async fn leave_the_last(endpoint: &Endpoint) -> anyhow::Result<()> {
    let going_on = |view: &View| view.call.as_ref().is_some_and(|call| call.state != CallState::Ended);
    let view = endpoint.until(|view| view.caught_up).await?;
    if !going_on(&view) {
        return Ok(());
    }
    eprintln!("this device was in a call still; it is ended first");
    endpoint.command(Command::HangUp);
    endpoint.until(|view| !going_on(view)).await?;
    endpoint.command(Command::Dismiss);
    endpoint.until(|view| view.call.is_none()).await.map(drop)
}

/// Ends with an error when the office says that this device is revoked.
async fn revoked(endpoint: &Endpoint) -> anyhow::Result<()> {
    endpoint.until(|view| view.phase == Phase::Revoked).await?;
    bail!(REVOKED)
}

async fn call_with(args: &CallArgs, endpoint: &Endpoint, say: Option<Vec<Frame>>) -> anyhow::Result<()> {
    let view = endpoint.until(|view| view.token.is_some()).await?;
    if let Some(name) = &args.to {
        leave_the_last(endpoint).await?;
        let Contact { card, reachable } = contact(&view.people, name)?;
        endpoint.command(Command::Ring { person: card.person, mode: None });
        let there =
            if *reachable { "" } else { " (no device of theirs is connected: only the attempt will be on record)" };
        eprintln!("ringing {}, {}{there} …", card.name, card.organisation);
    } else {
        eprintln!("waiting for a ring …");
    }
    let live = endpoint
        .until(|view| view.call.as_ref().is_some_and(|c| c.state == CallState::Live || c.state == CallState::Ended));
    let view = live.await?;
    let call = view.call.context("invariant: there is a call")?;
    if call.state == CallState::Ended {
        bail!(
            "no call: {}{}",
            call.ended.unwrap_or("failed"),
            call.problem.map(|p| format!(" ({p})")).unwrap_or_default()
        );
    }
    let other = call.other.map(|card| format!("{}, {}", card.name, card.organisation)).unwrap_or_default();
    eprintln!("in a call with {other}");
    let over = || endpoint.until(|view| view.call.as_ref().is_none_or(|call| call.state == CallState::Ended));
    if let Some(frames) = say {
        let said = endpoint.say(frames);
        // Nothing is said any more once the other side hung up.
        tokio::select! {
            _ = said => {}
            view = over() => drop(view?),
        }
    }
    if args.say.is_some() && !args.stay {
        endpoint.command(Command::HangUp);
    }
    over().await?;
    for (device, heard) in endpoint.stats().heard {
        eprintln!("heard {device}: {} frames, {} lost", heard.packets, heard.lost);
    }
    Ok(())
}

/// Arguments of `telcon note`.
#[derive(Args)]
#[command(
    after_help = "Example: telcon note --device note-taker.json --spool spool/ --custodians custodians.txt --asr-model tiny.en"
)]
pub struct NoteArgs {
    /// The device's keys (telcon enrol, with a link for a note-taker).
    #[arg(long)]
    pub device: PathBuf,
    /// The office's server.
    #[arg(long, default_value = "http://localhost:8080")]
    pub server: String,
    /// Where sealed records wait for the archive.
    #[arg(long)]
    pub spool: PathBuf,
    /// The custodians' recipients (age1pq1…), one a line.
    #[arg(long)]
    pub custodians: PathBuf,
    /// A Whisper model in CTranslate2 form. Without one, records say that they have no transcript.
    #[arg(long)]
    pub asr_model: Option<PathBuf>,
}

/// A running note-taker.
pub struct Noting {
    /// Its endpoint.
    pub endpoint: Endpoint,
    reports: Receiver<Report>,
    server: String,
    spool: PathBuf,
    custodians: Vec<CustodianRecipient>,
    own: Device,
    /// Calls of an earlier run that may still go on.
    left: Vec<CallId>,
    waiting: VecDeque<Waiting>,
    /// The device is this process's as long as it takes notes.
    _held: File,
}

/// A sealed record in the spool, on its way to the archive.
struct Waiting {
    call: CallId,
    dir: PathBuf,
    transcript: Vec<note::Line>,
    next_try: Instant,
    pause: Duration,
}

/// A record that reached the archive.
pub struct Kept {
    /// The call.
    pub call: CallId,
    /// Index of its log entry.
    pub log_index: u64,
    /// What was heard.
    pub transcript: Vec<note::Line>,
}

/// Starts a note-taker; brings to the archive what an earlier run left.
pub async fn start_noting(args: &NoteArgs) -> anyhow::Result<Noting> {
    let state = device::open(&args.device)?;
    let custodians = office::custodians(&args.custodians)?;
    crate::store::private_dir(&args.spool)?;
    let recogniser = args.asr_model.clone().map(ready_models).transpose()?;
    let own = Device::open(&state, now_ms())?;
    if own.me().card().role != Role::NoteTaker {
        bail!("{} is the device of {}, who is no note-taker", args.device.display(), own.me().card().name);
    }
    let held = device::hold(&args.device)?;
    let state = device::open(&args.device)?;
    let left = note::left_behind(&args.spool);
    let spool = args.spool.clone();
    let config = NoteConfig { spool: spool.clone(), custodians: custodians.clone(), recogniser };
    let (taker, reports) = NoteTaker::new(config);
    let server = args.server.trim_end_matches('/').to_owned();
    let config = EndpointConfig { server: server.clone(), state, auto_answer: false, auto_listen: true };
    let endpoint = Endpoint::start(config, Box::new(taker), device::keeper(args.device.clone()))?;
    tokio::select! {
        ready = endpoint.until(|view| view.caught_up) => drop(ready?),
        revoked = revoked(&endpoint) => revoked?,
    }
    Ok(Noting { endpoint, reports, server, spool, custodians, own, left, waiting: VecDeque::new(), _held: held })
}

/// Loads the model once, before any call: loading takes a second, in which a call that begins would not be heard. Calls
/// share it.
fn ready_models(dir: PathBuf) -> anyhow::Result<MakeRecognisers> {
    let model = Whisper::load(&dir).map_err(|error| anyhow::anyhow!("{error}"))?;
    Ok(Box::new(move || (Box::new(model.clone()), Box::new(model.clone()))))
}

impl Waiting {
    fn new(call: CallId, dir: PathBuf, transcript: Vec<note::Line>) -> Self {
        Self { call, dir, transcript, next_try: Instant::now(), pause: FIRST_PAUSE }
    }

    fn bring(&self, server: &str, token: &str) -> anyhow::Result<u64> {
        let kept = upload(server, token, self.call, &self.dir)?;
        // The archive has it, and the log says so: only now may the spool forget it.
        std::fs::remove_dir_all(&self.dir).with_context(|| format!("cannot clear {}", self.dir.display()))?;
        Ok(kept.logged.index)
    }
}

impl Noting {
    /// Waits for the next record and brings it to the archive. While the office does not take it, it stays in the
    /// spool and is tried again and again.
    pub async fn next(&mut self) -> anyhow::Result<Kept> {
        loop {
            match self.reports.try_recv() {
                Ok(Report::Trouble(text)) => bail!("{text}"),
                Ok(Report::Sealed { call, dir, transcript }) => {
                    tracing::info!(%call, "the record is sealed and waits for the archive");
                    self.waiting.push_back(Waiting::new(call, dir, transcript));
                }
                Ok(Report::Unfinished(call)) => self.left.push(call),
                Err(TryRecvError::Empty) => {
                    self.tidy();
                    match self.bring().await? {
                        Some(kept) => return Ok(kept),
                        None => tokio::time::sleep(BEAT).await,
                    }
                }
                Err(TryRecvError::Disconnected) => bail!("the note-taker ended"),
            }
        }
    }

    /// Seals what an earlier run left of calls that are over. A call that still goes on is taken up again instead.
    fn tidy(&mut self) {
        if self.left.is_empty() {
            return;
        }
        let view = self.endpoint.view().borrow().clone();
        if !view.caught_up {
            return;
        }
        let taken = view.call.filter(|call| call.state != CallState::Ended).map(|call| call.call);
        let over = |call: &CallId| {
            let notice = view.notices.iter().find(|notice| notice.call == *call);
            notice.is_none_or(|notice| matches!(notice.state, NoticeState::Ended { .. }))
        };
        let left = std::mem::take(&mut self.left).into_iter().filter(|call| Some(*call) != taken);
        let (over, going_on) = left.partition(over);
        self.left = going_on;
        for call in over {
            match note::seal_left_behind(&self.spool, &self.custodians, &self.own, call, now_ms()) {
                Ok(true) => {
                    let dir = self.spool.join(call.to_hex());
                    self.waiting.push_back(Waiting::new(call, dir, Vec::new()));
                }
                Ok(false) => {}
                // Said, and left for a person: it must not keep other records from the archive.
                Err(error) => tracing::error!(%call, %error, "a record in the spool cannot be finished"),
            }
        }
    }

    /// Tries the records that are due, if there is a connection.
    async fn bring(&mut self) -> anyhow::Result<Option<Kept>> {
        let token = self.endpoint.view().borrow().token.clone();
        let Some(token) = token else { return Ok(None) };
        let Some(due) = self.waiting.iter().position(|waiting| waiting.next_try <= Instant::now()) else {
            return Ok(None);
        };
        let mut first = self.waiting.remove(due).expect("invariant: it was just found");
        let server = self.server.clone();
        let bring = move || (first.bring(&server, &token), first);
        let brought;
        (brought, first) = tokio::task::spawn_blocking(bring).await?;
        match brought {
            Ok(log_index) => Ok(Some(Kept { call: first.call, log_index, transcript: first.transcript })),
            Err(error) => {
                tracing::warn!(call = %first.call, "a sealed record stays in the spool for now: {error:#}");
                first.next_try = Instant::now() + first.pause;
                first.pause = (first.pause * 2).min(LONGEST_PAUSE);
                self.waiting.push_back(first);
                Ok(None)
            }
        }
    }
}

/// `telcon note`.
pub async fn note(args: NoteArgs) -> anyhow::Result<()> {
    let mut noting = start_noting(&args).await?;
    eprintln!("the note-taker waits for calls");
    loop {
        let mut view = noting.endpoint.view();
        tokio::select! {
            gone = view.wait_for(|view| view.phase == Phase::Revoked) => match gone {
                Ok(_) => bail!(REVOKED),
                Err(_) => bail!("the note-taker ended"),
            },
            kept = noting.next() => match kept {
                Ok(kept) => eprintln!("record of {} is in the archive, log entry {}", kept.call, kept.log_index),
                Err(error) => tracing::error!("{error:#}"),
            },
            _ = tokio::signal::ctrl_c() => return Ok(()),
        }
    }
}

/// The mode's word, for people.
pub fn mode_word(mode: RecordMode) -> &'static str {
    match mode {
        RecordMode::LogOnly => "log only",
        RecordMode::Memo => "memo",
        RecordMode::Audio => "audio",
    }
}
