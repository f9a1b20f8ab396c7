//! `telcon call`: a device in a terminal, with WAV files for audio.

mod wav_sink;

pub use wav_sink::WavSink;

use self::wav_sink::Written;
use crate::{
    device::{self, revoked, why_revoked},
    office::server_url,
    output::{Printable, tell},
};
use anyhow::{Context as _, bail};
use clap::Args;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use telcon_client::{
    audio::{
        frame::{Frame, frames},
        playout::Origin,
        wav,
    },
    endpoint::{Endpoint, EndpointConfig, MediaSink},
};
use telcon_core::{
    Engine, Event, UserCommand,
    view::{CallState, ConnectionState, View},
};
use telcon_proto::{
    DeviceId, PersonId, RecordMode,
    contact::Contact,
    policy::{Action, allows},
};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::timeout,
};

/// Timeout for the end of the call after a hang-up.
const HANG_UP_TIMEOUT: Duration = Duration::from_secs(2);
/// Timeout for the endpoint to stop after the call.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);
/// Timeout for finding somebody by name who is not in the list.
const FIND_TIMEOUT: Duration = Duration::from_secs(5);
/// Timeout for connecting to the office before ringing.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// Interval at which reception is checked: short against [`NO_AUDIO_TIMEOUT`].
const RECEPTION_CHECK_INTERVAL: Duration = Duration::from_millis(200);
/// Time without audio after which the terminal says so. Devices send continuously, silence too, so that none means a failure.
const NO_AUDIO_TIMEOUT: Duration = Duration::from_secs(3);
/// Time for the last messages to be sent before the process ends.
const FLUSH_TIME: Duration = Duration::from_millis(50);

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
    /// Ring the person with this name (case-insensitive), or with this person id if several have the name.
    #[arg(long, conflicts_with = "answer", required_unless_present = "answer")]
    pub to: Option<String>,
    /// Wait for a ring and answer it.
    #[arg(long)]
    pub answer: bool,
    /// With --answer: give up if nobody rings for this many seconds. (With --to, connecting to the office times out after 30.)
    #[arg(long, conflicts_with = "to", value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub wait: Option<u64>,
    /// Send this WAV file, then hang up (unless --stay).
    #[arg(long)]
    pub say: Option<PathBuf>,
    /// Write received audio to this directory: one WAV file per speaker.
    #[arg(long)]
    pub hear: Option<PathBuf>,
    /// Stay in the call after sending the file, until the other side hangs up.
    #[arg(long, requires = "say")]
    pub stay: bool,
}

/// Locks state that the terminal and the endpoint's task share.
fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    // No code panics between two related updates, so what a poisoned lock protects is still consistent.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Names of the participants, by device.
type Names = Arc<Mutex<BTreeMap<DeviceId, String>>>;

/// What was heard in the call.
#[derive(Default)]
struct Heard {
    names: Names,
    written: Arc<Mutex<Written>>,
}

/// A [`MediaSink`] that collects participants' names, and writes WAV files if requested.
struct TerminalSink {
    wav: Option<WavSink>,
    names: Names,
}

impl MediaSink for TerminalSink {
    fn on_event(&mut self, event: &Event, engine: &Engine, now_ms: u64) {
        if let Event::Epoch { members, .. } = event {
            let members = members.iter().map(|(device, card)| (*device, card.name.clone()));
            lock(&self.names).extend(members);
        }
        if let Some(wav) = &mut self.wav {
            wav.on_event(event, engine, now_ms);
        }
    }

    fn on_frame(&mut self, from: DeviceId, frame: &Frame, origin: Origin, now_ms: u64) {
        if let Some(wav) = &mut self.wav {
            wav.on_frame(from, frame, origin, now_ms);
        }
    }
}

/// Reads a WAV file as frames to send.
///
/// # Errors
/// When it cannot be read.
pub fn read_speech(path: &Path) -> anyhow::Result<Vec<Frame>> {
    let samples = wav::read(path).with_context(|| format!("cannot send {}", path.display()))?;
    Ok(frames(&samples).collect())
}

/// `telcon call`.
pub async fn call(args: CallArgs) -> anyhow::Result<()> {
    let wav = args.hear.as_deref().map(WavSink::new).transpose()?;
    let heard = Heard { names: Names::default(), written: wav.as_ref().map(WavSink::written).unwrap_or_default() };
    let sink: Box<dyn MediaSink> = Box::new(TerminalSink { wav, names: heard.names.clone() });
    let say = args.say.as_deref().map(read_speech).transpose()?;
    // Fails early, before waiting for the lock, if the state is unusable.
    device::open_or_erase(&args.device, &server_url(&args.server)?).await?;
    let _lock = device::lock(&args.device)?;
    // Read again, because the previous holder of the lock may have changed it.
    let state = device::open(&args.device)?;
    let config =
        EndpointConfig { server: server_url(&args.server)?, state, auto_answer: args.answer, auto_join: false };
    let endpoint = Endpoint::start(config, sink, device::persister(args.device.clone()))?;
    let mut stop = signal(SignalKind::terminate()).context("cannot install a signal handler")?;
    let ended = tokio::select! {
        done = call_with(&args, &endpoint, &heard, say) => done,
        revoked = revoked(&endpoint) => revoked,
        // The reason was logged.
        _ = endpoint.cannot_connect() => bail!("stopped, because trying again cannot help: check --server {}", args.server),
        shown = show_changes(&endpoint) => shown,
        () = show_reception(&endpoint) => Ok(()),
        _ = tokio::signal::ctrl_c() => hang_up(&args, &endpoint, &heard).await,
        _ = stop.recv() => hang_up(&args, &endpoint, &heard).await,
    };
    ended?;
    if let Some(dir) = &args.hear {
        // The sink writes the end of the files before the endpoint stops.
        let _ = timeout(STOP_TIMEOUT, endpoint.stop()).await;
        if let Some(failure) = &lock(&heard.written).failure {
            bail!("the received audio in {} is incomplete: {failure}", dir.display());
        }
    }
    Ok(())
}

/// Hangs up, so that the other participants do not wait for this device.
async fn hang_up(args: &CallArgs, endpoint: &Endpoint, heard: &Heard) -> anyhow::Result<()> {
    let was_live = match &endpoint.view().borrow().call {
        Some(call) if call.state != CallState::Ended => call.started_ms.is_some(),
        _ => bail!("stopped before there was a call"),
    };
    endpoint.command(UserCommand::HangUp);
    let over = endpoint.until(|view| view.call.as_ref().is_none_or(|call| call.state == CallState::Ended));
    let _ = timeout(HANG_UP_TIMEOUT, over).await;
    // Lets the last messages be sent.
    tokio::time::sleep(FLUSH_TIME).await;
    if !was_live {
        bail!("stopped before the call was answered");
    }
    print_received(args, endpoint, heard);
    tell!("hung up");
    Ok(())
}

/// Prints the receive statistics of each speaker.
fn print_received(args: &CallArgs, endpoint: &Endpoint, heard: &Heard) {
    for (device, stats) in endpoint.stats().received {
        let name = lock(&heard.names).get(&device).cloned();
        let file = match lock(&heard.written).names.get(&device) {
            Some(file) => format!(" ({file})"),
            None if args.hear.is_some() => " (not written)".to_owned(),
            None => String::new(),
        };
        let who = name.unwrap_or_else(|| device.to_hex());
        tell!("heard {}{file}: {} frames, {} lost", Printable(&who), stats.frames, stats.lost);
    }
}

/// The state of a call as printed.
#[derive(Default, PartialEq)]
struct PrintedState {
    phrase: String,
    members: String,
    record: String,
    office: &'static str,
}

const OFFICE_UNREACHABLE: &str = "the office's server is not reachable: the call continues as long as audio is received, \
                                  and whether it is recorded is unknown";
const OFFICE_REACHABLE: &str = "the office's server is reachable again";

impl PrintedState {
    fn of(view: &View) -> Option<Self> {
        let is_live = |state| matches!(state, CallState::Live | CallState::Reconnecting);
        let call = view.call.as_ref().filter(|call| is_live(call.state) && call.started_ms.is_some())?;
        let reconnecting = call.state == CallState::Reconnecting;
        let member = |member: &telcon_core::view::MemberView| {
            let activity = match (member.you, member.lost, member.muted, member.card.role) {
                (true, ..) => "you",
                (_, true, ..) => "not reachable",
                (_, _, true, _) => "muted",
                (.., role) if allows(role, Action::WriteRecord) => "listens, records",
                (.., role) if role.speaks() => "speaks",
                _ => "listens",
            };
            format!("{} ({activity})", member.card.name)
        };
        let record = match (call.mode, call.note_taker) {
            (RecordMode::LogOnly, _) => "log only".to_owned(),
            (mode, true) => format!("on the record: {}", record_mode_name(mode)),
            (mode, false) => format!("NOT BEING RECORDED, although it should be: {}", record_mode_name(mode)),
        };
        Some(Self {
            phrase: call.phrase.map(|words| words.join(" · ")).unwrap_or_default(),
            members: call.members.iter().map(member).collect::<Vec<_>>().join(", "),
            record,
            office: if reconnecting { OFFICE_UNREACHABLE } else { OFFICE_REACHABLE },
        })
    }
}

/// Prints changes of the call: participants, recording, phrase, reachability of the office.
async fn show_changes(endpoint: &Endpoint) -> anyhow::Result<()> {
    let mut view = endpoint.view();
    let (mut before, mut alerts) = (PrintedState { office: OFFICE_REACHABLE, ..PrintedState::default() }, Vec::new());
    loop {
        let now = view.borrow_and_update().clone();
        for alert in now.alerts.iter().filter(|alert| !alerts.contains(*alert)) {
            tell!("ALERT: {}", Printable(&alert.text));
            if let Some(evidence) = alert.fork.as_ref().and_then(|fork| serde_json::to_string(fork).ok()) {
                tell!("EVIDENCE: {}", Printable(&evidence));
            }
        }
        alerts.clone_from(&now.alerts);
        if let Some(now) = PrintedState::of(&now).filter(|now| *now != before) {
            if now.office != before.office {
                tell!("{}", now.office);
            }
            let lines = [("in this call: ", &before.members, &now.members), ("", &before.record, &now.record)];
            let lines = lines.into_iter().chain([("phrase on all screens: ", &before.phrase, &now.phrase)]);
            lines.filter(|(_, was, is)| was != is).for_each(|(what, _, is)| tell!("{what}{}", Printable(is)));
            before = now;
        }
        view.changed().await.context("the endpoint ended")?;
    }
}

/// Prints when no audio is received in a call, and the duration when it resumes. Devices send continuously, silence too.
async fn show_reception(endpoint: &Endpoint) {
    let mut checks = tokio::time::interval(RECEPTION_CHECK_INTERVAL);
    let (mut received, mut since, mut reported) = (0, Instant::now(), false);
    loop {
        checks.tick().await;
        let now = endpoint.stats().frames_received();
        let live = endpoint.view().borrow().call.as_ref().is_some_and(|call| {
            matches!(call.state, CallState::Live | CallState::Reconnecting)
                && call.members.iter().any(|member| !member.you && member.card.role.speaks())
        });
        if !live || now != received {
            if reported && live {
                tell!("audio is received again, after {:.1} s without any", since.elapsed().as_secs_f64());
            }
            (received, since, reported) = (now, Instant::now(), false);
        } else if !reported && since.elapsed() > NO_AUDIO_TIMEOUT {
            tell!(
                "NO AUDIO RECEIVED for {} s, over UDP, TCP or TLS: check that this device can reach the office's relay",
                NO_AUDIO_TIMEOUT.as_secs()
            );
            reported = true;
        }
    }
}

/// Whether a typed name matches.
fn matches_name(name: &str, typed: &str) -> bool {
    name.trim().to_lowercase() == typed.trim().to_lowercase()
}

/// The contact that `--to` names.
fn contact<'a>(people: &'a [Contact], named: &str) -> anyhow::Result<&'a Contact> {
    let id: Option<PersonId> = named.parse().ok();
    let found: Vec<_> =
        people.iter().filter(|one| matches_name(&one.card.name, named) || Some(one.card.person) == id).collect();
    match found[..] {
        [one] => Ok(one),
        [] => {
            let names: Vec<_> = people.iter().map(|contact| contact.card.name.as_str()).collect();
            bail!("there is nobody named {named:?} that this device may ring; it may ring: {}", names.join(", "))
        }
        _ => {
            let each = found.iter().map(|one| format!("{} ({})", one.card.person.to_hex(), one.card.organisation));
            bail!("several people are named {named:?}; use a person id: {}", each.collect::<Vec<_>>().join(", "))
        }
    }
}

/// An office with many people sends a part of them; the others are found by name.
async fn find(endpoint: &Endpoint, view: View, name: &str) -> anyhow::Result<View> {
    if !view.people_more || view.people.iter().any(|one| matches_name(&one.card.name, name)) {
        return Ok(view);
    }
    endpoint.command(UserCommand::FindPeople { name: name.to_owned() });
    let found = endpoint.until(|view| view.people.iter().any(|one| matches_name(&one.card.name, name)));
    // If the office does not know the name either, the error shows the list that there is.
    match timeout(FIND_TIMEOUT, found).await {
        Ok(found) => Ok(found?),
        Err(_) => Ok(view),
    }
}

/// A device whose process died in a call rejoins it on connecting. Ringing somebody ends that call first.
async fn end_previous_call(endpoint: &Endpoint) -> anyhow::Result<()> {
    let in_call = |view: &View| view.call.as_ref().is_some_and(|call| call.state != CallState::Ended);
    let view = endpoint.until(|view| view.caught_up).await?;
    if !in_call(&view) {
        return Ok(());
    }
    tell!("this device is still in a call; ending it first");
    endpoint.command(UserCommand::HangUp);
    endpoint.until(|view| !in_call(view)).await?;
    endpoint.command(UserCommand::Dismiss);
    endpoint.until(|view| view.call.is_none()).await?;
    Ok(())
}

async fn call_with(args: &CallArgs, endpoint: &Endpoint, heard: &Heard, say: Option<Vec<Frame>>) -> anyhow::Result<()> {
    let began = Instant::now();
    let connected = endpoint.until(|view| view.token.is_some());
    let view = match args.wait.map(Duration::from_secs).or(args.to.is_some().then_some(CONNECT_TIMEOUT)) {
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
        end_previous_call(endpoint).await?;
        let view = find(endpoint, view, name).await?;
        let Contact { card, reachable, notified, .. } = contact(&view.people, name)?;
        endpoint.command(UserCommand::Ring { person: card.person, mode: None });
        let reachability = match (reachable, notified) {
            (true, _) => "",
            (false, true) => " (none of their devices is connected: the office notifies them)",
            (false, false) => " (none of their devices is connected: only the attempt will be logged)",
        };
        tell!("ringing {}, {}{reachability} …", Printable(&card.name), Printable(&card.organisation));
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
    tell!("in a call with {}", Printable(&other));
    let over = || endpoint.until(|view| view.call.as_ref().is_none_or(|call| call.state == CallState::Ended));
    if let Some(frames) = say {
        let sent = endpoint.send_audio(frames);
        // Sending stops when the other side hangs up.
        tokio::select! {
            _ = sent => {}
            view = over() => drop(view?),
        }
    }
    if args.say.is_some() && !args.stay {
        endpoint.command(UserCommand::HangUp);
    }
    let view = over().await?;
    print_received(args, endpoint, heard);
    let no_audio = began_live.elapsed() > 2 * NO_AUDIO_TIMEOUT && endpoint.stats().frames_received() == 0;
    if view.phase == ConnectionState::Revoked {
        bail!(why_revoked(&view));
    }
    let ended = view.call.and_then(|call| Some((call.ended?, call.problem)));
    match ended {
        Some(("failed", problem)) => bail!("the call was stopped: {}", problem.unwrap_or_default()),
        Some(("interrupted", _)) => bail!("the connection was lost, and the call ended"),
        Some(("revoked", _)) => bail!("the call was closed: the office revoked a party's device"),
        _ if no_audio => {
            bail!("no audio was received in this call: check that this device can reach the office's relay")
        }
        _ => Ok(()),
    }
}

/// The record mode as shown to people.
pub fn record_mode_name(mode: RecordMode) -> &'static str {
    match mode {
        RecordMode::LogOnly => "log only",
        RecordMode::Memo => "memo",
        RecordMode::Audio => "audio",
    }
}
