//! `telcon call`: a person's device in a terminal, with audio files.

use crate::{
    device::{self, REVOKED, revoked},
    office::server_url,
    plain::{plain, tell},
};
use anyhow::{Context as _, bail};
use clap::Args;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use telcon_client::{
    audio::{
        frame::{Frame, frames},
        playout::Origin,
        wav,
    },
    endpoint::{Ear, Endpoint, EndpointConfig, now_ms},
};
use telcon_core::{
    Device, Engine, Event, UserCommand,
    view::{CallState, ConnectionState, View},
};
use telcon_proto::{DeviceId, PersonId, RecordMode, Role, words::Contact};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::timeout,
};

/// How long to wait until a hang-up is confirmed.
const HANG_UP_WITHIN: Duration = Duration::from_secs(2);
/// How long connecting to the office may take before ringing.
const CONNECT_WITHIN: Duration = Duration::from_secs(30);
/// How often received audio is checked, and after how long its absence is reported.
const LOOK_EVERY: Duration = Duration::from_millis(200);
const NO_SOUND_AFTER: Duration = Duration::from_secs(3);
/// Time to flush the last message.
const BEAT: Duration = Duration::from_millis(50);

/// Arguments of `telcon call`.
#[derive(Args)]
#[command(
    after_help = "Ctrl-C or SIGTERM hangs up.\n\nExamples:\n  telcon call --device mine.json --to \"The President\" --say hello.wav --hear heard/\n  \
                        telcon call --device mine.json --answer --say reply.wav --hear heard/"
)]
pub struct CallArgs {
    /// The device's state file (see telcon enrol).
    #[arg(long)]
    pub device: PathBuf,
    /// Address of the office's server.
    #[arg(long, default_value = "http://localhost:8080")]
    pub server: String,
    /// Ring the person with this name (case-insensitive), or with this person id if the name is ambiguous.
    #[arg(long, conflicts_with = "answer", required_unless_present = "answer")]
    pub to: Option<String>,
    /// Wait for a ring and answer it.
    #[arg(long)]
    pub answer: bool,
    /// With --answer: give up after this many seconds without a ring. (With --to, connecting may take 30 s.)
    #[arg(long, conflicts_with = "to", value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub wait: Option<u64>,
    /// Play this WAV file into the call, then hang up (unless --stay).
    #[arg(long)]
    pub say: Option<PathBuf>,
    /// Directory for received audio: one WAV file per speaker.
    #[arg(long)]
    pub hear: Option<PathBuf>,
    /// Stay in the call after --say, until the other side hangs up.
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
        std::fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
        Ok(Self { dir: dir.to_owned(), files: BTreeMap::new() })
    }
}

impl Ear for WavEar {
    fn event(&mut self, event: &Event, _: &Engine, _: u64) {
        if let Event::Ended { .. } = event {
            for file in self.files.values_mut() {
                if let Err(error) = file.flush() {
                    tracing::error!(%error, "cannot complete a file of received audio");
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
                    Err(error) => return tracing::error!(%error, "cannot write received audio"),
                }
            }
        };
        if let Err(error) = file.write(frame) {
            tracing::error!(%error, "cannot write received audio");
        }
    }
}

/// Who was in the call, by device.
type Names = Arc<Mutex<BTreeMap<DeviceId, String>>>;

/// Collects the participants' names, and writes received audio where --hear is given.
struct TerminalEar {
    wav: Option<WavEar>,
    names: Names,
}

impl Ear for TerminalEar {
    fn event(&mut self, event: &Event, engine: &Engine, now_ms: u64) {
        if let Event::Epoch { members, .. } = event {
            let members = members.iter().map(|(device, card)| (*device, card.name.clone()));
            self.names.lock().unwrap_or_else(PoisonError::into_inner).extend(members);
        }
        if let Some(wav) = &mut self.wav {
            wav.event(event, engine, now_ms);
        }
    }

    fn frame(&mut self, from: DeviceId, frame: &Frame, origin: Origin, now_ms: u64) {
        if let Some(wav) = &mut self.wav {
            wav.frame(from, frame, origin, now_ms);
        }
    }
}

/// Reads a WAV file as frames to send.
pub fn speech(path: &Path) -> anyhow::Result<Vec<Frame>> {
    let samples = wav::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(frames(&samples).collect())
}

/// `telcon call`.
pub async fn call(args: CallArgs) -> anyhow::Result<()> {
    let names = Names::default();
    let wav = args.hear.as_deref().map(WavEar::new).transpose()?;
    let ear: Box<dyn Ear> = Box::new(TerminalEar { wav, names: names.clone() });
    let say = args.say.as_deref().map(speech).transpose()?;
    Device::open(&device::open(&args.device)?, now_ms())?;
    let _held = device::hold(&args.device)?;
    // Read again: the previous holder of the lock may have changed it.
    let state = device::open(&args.device)?;
    let config =
        EndpointConfig { server: server_url(&args.server)?, state, auto_answer: args.answer, auto_listen: false };
    let endpoint = Endpoint::start(config, ear, device::keeper(args.device.clone()))?;
    let mut stop = signal(SignalKind::terminate()).context("cannot handle signals")?;
    tokio::select! {
        done = call_with(&args, &endpoint, &names, say) => done,
        revoked = revoked(&endpoint) => revoked,
        shown = show_changes(&endpoint) => shown,
        () = show_sound(&endpoint) => Ok(()),
        _ = tokio::signal::ctrl_c() => hang_up(&args, &endpoint, &names).await,
        _ = stop.recv() => hang_up(&args, &endpoint, &names).await,
    }
}

/// Hangs up, so that nobody waits for this device.
async fn hang_up(args: &CallArgs, endpoint: &Endpoint, names: &Names) -> anyhow::Result<()> {
    let was_live = match &endpoint.view().borrow().call {
        Some(call) if call.state != CallState::Ended => call.started_ms.is_some(),
        _ => bail!("stopped before there was a call"),
    };
    endpoint.command(UserCommand::HangUp);
    let over = endpoint.until(|view| view.call.as_ref().is_none_or(|call| call.state == CallState::Ended));
    let _ = timeout(HANG_UP_WITHIN, over).await;
    // The last message is being sent.
    tokio::time::sleep(BEAT).await;
    if !was_live {
        bail!("stopped before the call was answered");
    }
    tell_heard(args, endpoint, names);
    tell!("hung up");
    Ok(())
}

/// Reports received frames per speaker.
fn tell_heard(args: &CallArgs, endpoint: &Endpoint, names: &Names) {
    for (device, heard) in endpoint.stats().heard {
        let name = names.lock().unwrap_or_else(PoisonError::into_inner).get(&device).cloned();
        let file = if args.hear.is_some() { format!(" ({device}.wav)") } else { String::new() };
        let who = name.unwrap_or_else(|| device.to_hex());
        tell!("heard {}{file}: {} frames, {} lost", plain(&who), heard.packets, heard.lost);
    }
}

/// What a screen shows of a call, as text.
#[derive(Default, PartialEq)]
struct Shown {
    phrase: String,
    members: String,
    record: String,
    office: &'static str,
}

const OFFICE_SILENT: &str = "the office's server does not answer this device: the call continues while audio is received; whether it is \
                             recorded is unknown";
const OFFICE_ANSWERS: &str = "the office's server answers again";

impl Shown {
    fn of(view: &View) -> Option<Self> {
        let going_on = |state| matches!(state, CallState::Live | CallState::Reconnecting);
        let call = view.call.as_ref().filter(|call| going_on(call.state) && call.started_ms.is_some())?;
        let away = call.state == CallState::Reconnecting;
        let member = |member: &telcon_core::view::MemberView| {
            let does = match (member.you, member.lost, member.muted, member.card.role) {
                (true, ..) => "you",
                (_, true, ..) => "listens, not responding",
                (_, _, true, _) => "muted",
                (.., Role::NoteTaker) => "listens, takes notes",
                (.., Role::DutyOfficer) => "listens",
                _ => "speaks",
            };
            format!("{} ({does})", member.card.name)
        };
        let record = match (call.mode, call.note_taker) {
            (RecordMode::LogOnly, _) => "log only".to_owned(),
            (mode, true) => format!("on the record: {}", mode_word(mode)),
            (mode, false) => format!("NOT BEING RECORDED, although it should be: {}", mode_word(mode)),
        };
        Some(Self {
            phrase: call.phrase.map(|words| words.join(" · ")).unwrap_or_default(),
            members: call.members.iter().map(member).collect::<Vec<_>>().join(", "),
            record,
            office: if away { OFFICE_SILENT } else { OFFICE_ANSWERS },
        })
    }
}

/// Prints changes of a call's screen: participants, recording, phrase.
async fn show_changes(endpoint: &Endpoint) -> anyhow::Result<()> {
    let mut view = endpoint.view();
    let (mut before, mut alerts) = (Shown { office: OFFICE_ANSWERS, ..Shown::default() }, Vec::new());
    loop {
        let now = view.borrow_and_update().clone();
        for alert in now.alerts.iter().filter(|alert| !alerts.contains(*alert)) {
            tell!("ALERT: {}", plain(&alert.text));
        }
        alerts.clone_from(&now.alerts);
        if let Some(now) = Shown::of(&now).filter(|now| *now != before) {
            if now.office != before.office {
                tell!("{}", now.office);
            }
            let lines = [("in this call: ", &before.members, &now.members), ("", &before.record, &now.record)];
            let lines = lines.into_iter().chain([("the screens show: ", &before.phrase, &now.phrase)]);
            lines.filter(|(_, was, is)| was != is).for_each(|(what, _, is)| tell!("{what}{}", plain(is)));
            before = now;
        }
        view.changed().await.context("the endpoint ended")?;
    }
}

/// Reports missing audio, and its duration when it returns. Everybody sends continuously, silence too.
async fn show_sound(endpoint: &Endpoint) {
    let mut beat = tokio::time::interval(LOOK_EVERY);
    let (mut heard, mut since, mut told) = (0, Instant::now(), false);
    loop {
        beat.tick().await;
        let now = endpoint.stats().frames_heard();
        let live = endpoint.view().borrow().call.as_ref().is_some_and(|call| {
            matches!(call.state, CallState::Live | CallState::Reconnecting)
                && call.members.iter().any(|member| !member.you && member.card.role.speaks())
        });
        if !live || now != heard {
            if told && live {
                tell!("audio is received again after {:.1} s", since.elapsed().as_secs_f64());
            }
            (heard, since, told) = (now, Instant::now(), false);
        } else if !told && since.elapsed() > NO_SOUND_AFTER {
            tell!(
                "NO AUDIO for {} s, over UDP, TCP or TLS: does this device reach the office's relay?",
                NO_SOUND_AFTER.as_secs()
            );
            told = true;
        }
    }
}

/// Whether a typed name means this name.
fn same(name: &str, typed: &str) -> bool {
    name.trim().to_lowercase() == typed.trim().to_lowercase()
}

/// The contact that `--to` names.
fn contact<'a>(people: &'a [Contact], named: &str) -> anyhow::Result<&'a Contact> {
    let id: Option<PersonId> = named.parse().ok();
    let found: Vec<_> =
        people.iter().filter(|one| same(&one.card.name, named) || Some(one.card.person) == id).collect();
    match found[..] {
        [one] => Ok(one),
        [] => {
            let names: Vec<_> = people.iter().map(|contact| contact.card.name.as_str()).collect();
            bail!("no contact is named {named:?}; contacts: {}", names.join(", "))
        }
        _ => {
            let each = found.iter().map(|one| format!("{} ({})", one.card.person.to_hex(), one.card.organisation));
            bail!("several contacts are named {named:?}; use an id: {}", each.collect::<Vec<_>>().join(", "))
        }
    }
}

/// Ends a call that this device resumed after a crash, before ringing.
async fn leave_the_last(endpoint: &Endpoint) -> anyhow::Result<()> {
    let going_on = |view: &View| view.call.as_ref().is_some_and(|call| call.state != CallState::Ended);
    let view = endpoint.until(|view| view.caught_up).await?;
    if !going_on(&view) {
        return Ok(());
    }
    tell!("this device is still in a call; ending it first");
    endpoint.command(UserCommand::HangUp);
    endpoint.until(|view| !going_on(view)).await?;
    endpoint.command(UserCommand::Dismiss);
    endpoint.until(|view| view.call.is_none()).await.map(drop)
}

async fn call_with(args: &CallArgs, endpoint: &Endpoint, names: &Names, say: Option<Vec<Frame>>) -> anyhow::Result<()> {
    let began = Instant::now();
    let connected = endpoint.until(|view| view.token.is_some());
    let view = match args.wait.map(Duration::from_secs).or(args.to.is_some().then_some(CONNECT_WITHIN)) {
        None => connected.await?,
        Some(limit) => match timeout(limit, connected).await {
            Ok(view) => view?,
            Err(_) => {
                let why = endpoint.view().borrow().alerts.first().map(|alert| alert.text.clone());
                let why = why.unwrap_or_else(|| "is the server running?".to_owned());
                bail!("no connection to {} within {} s: {why}", args.server, limit.as_secs())
            }
        },
    };
    if let Some(name) = &args.to {
        leave_the_last(endpoint).await?;
        let Contact { card, reachable } = contact(&view.people, name)?;
        endpoint.command(UserCommand::Ring { person: card.person, mode: None });
        let there = if *reachable { "" } else { " (no device of theirs is connected: only the attempt is logged)" };
        tell!("ringing {}, {}{there} …", plain(&card.name), plain(&card.organisation));
    } else {
        tell!("waiting for a ring …");
        let rung = endpoint.until(|view| view.call.is_some());
        match args.wait {
            Some(seconds) => {
                let left = Duration::from_secs(seconds).saturating_sub(began.elapsed());
                if timeout(left, rung).await.is_err() {
                    bail!("nobody rang within {seconds} s");
                }
            }
            None => drop(rung.await?),
        }
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
    let began_live = Instant::now();
    let other = call.other.map(|card| format!("{}, {}", card.name, card.organisation)).unwrap_or_default();
    tell!("in a call with {}", plain(&other));
    let over = || endpoint.until(|view| view.call.as_ref().is_none_or(|call| call.state == CallState::Ended));
    if let Some(frames) = say {
        let said = endpoint.say(frames);
        // Stop sending when the other side hangs up.
        tokio::select! {
            _ = said => {}
            view = over() => drop(view?),
        }
    }
    if args.say.is_some() && !args.stay {
        endpoint.command(UserCommand::HangUp);
    }
    let view = over().await?;
    tell_heard(args, endpoint, names);
    let nothing = began_live.elapsed() > 2 * NO_SOUND_AFTER && endpoint.stats().frames_heard() == 0;
    if view.phase == ConnectionState::Revoked {
        bail!(REVOKED);
    }
    let ended = view.call.and_then(|call| Some((call.ended?, call.problem)));
    match ended {
        Some(("failed", problem)) => bail!("the call was stopped: {}", problem.unwrap_or_default()),
        Some(("interrupted", _)) => bail!("the connection was lost and the call ended"),
        Some(("revoked", _)) => bail!("the call ended because the office revoked a device in it"),
        _ if nothing => bail!("no audio was received in this call from the office's relay"),
        _ => Ok(()),
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
