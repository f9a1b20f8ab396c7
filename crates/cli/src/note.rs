//! `telcon note`: runs a note-taker and delivers its records.

use crate::{
    device::{self, REVOKED, revoked},
    office,
};
use anyhow::{Context as _, bail};
use clap::Args;
use std::{
    collections::VecDeque,
    fs::File,
    path::PathBuf,
    sync::mpsc::{Receiver, TryRecvError},
    time::{Duration, Instant},
};
use telcon_client::{
    endpoint::{Endpoint, EndpointConfig, now_ms},
    hearing::Whisper,
    note::{self, MakeRecognisers, NoteConfig, NoteTaker, Report},
    upload::upload,
};
use telcon_core::{
    Device,
    view::{CallState, ConnectionState},
};
use telcon_proto::{CallId, Role, message::NoticeState};
use telcon_record::CustodianRecipient;

/// How often the note-taker's reports are looked at.
const BEAT: Duration = Duration::from_millis(50);
/// How long a record waits after the office did not take it; twice as long after each further time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Ending of a record's directory in the spool that the archive has.
const KEPT: &str = "kept";

/// Arguments of `telcon note`.
#[derive(Args)]
#[command(
    after_help = "Example: telcon note --device note-taker.json --spool spool/ --custodians custodians.txt --asr-model tiny.en"
)]
pub struct NoteArgs {
    /// The note-taker's device file (see telcon enrol).
    #[arg(long)]
    pub device: PathBuf,
    /// Address of the office's server.
    #[arg(long, default_value = "http://localhost:8080")]
    pub server: String,
    /// Directory for sealed records until they are archived. One per note-taker.
    #[arg(long)]
    pub spool: PathBuf,
    /// File with the custodians' recipients (age1pq1…), one per line.
    #[arg(long)]
    pub custodians: PathBuf,
    /// Directory of a Whisper model in CTranslate2 format. Without it records have no transcript, and say so.
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
    /// The device and the spool are this process's as long as it takes notes.
    _held: [File; 2],
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
    /// The record's directory below the archive's `records`.
    pub record: String,
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
        bail!("{} is a device of {}, who is not a note-taker", args.device.display(), own.me().card().name);
    }
    let held =
        [device::hold(&args.device)?, device::hold(&args.spool).context("each note-taker needs a spool of its own")?];
    let state = device::open(&args.device)?;
    for kept in std::fs::read_dir(&args.spool).into_iter().flatten().flatten() {
        if kept.path().extension().is_some_and(|ending| ending == KEPT) {
            let _ = std::fs::remove_dir_all(kept.path());
        }
    }
    let left = note::left_behind(&args.spool);
    let spool = args.spool.clone();
    let config = NoteConfig { spool: spool.clone(), custodians: custodians.clone(), recogniser };
    let (taker, reports) = NoteTaker::new(config);
    let server = office::server_url(&args.server)?;
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
        // The archive has it, and the log says so: only now may the spool forget it. Under a name that is no call's, so that
        // half of it is not taken for a record that waits.
        let (kept_index, done) = (kept.logged.index, self.dir.with_extension(KEPT));
        std::fs::rename(&self.dir, &done).with_context(|| format!("cannot clear {}", self.dir.display()))?;
        if let Err(error) = std::fs::remove_dir_all(&done) {
            tracing::warn!(%error, "{} is in the archive and can be removed", done.display());
        }
        Ok(kept_index)
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
                    self.wait(call, dir, transcript);
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

    /// The record of a call is to be brought. It may be found twice, when its call ends and when the spool is tidied: it is brought
    /// once.
    fn wait(&mut self, call: CallId, dir: PathBuf, transcript: Vec<note::Line>) {
        match self.waiting.iter_mut().find(|waiting| waiting.call == call) {
            Some(waiting) if waiting.transcript.is_empty() => waiting.transcript = transcript,
            Some(_) => {}
            None => self.waiting.push_back(Waiting::new(call, dir, transcript)),
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
                    self.wait(call, self.spool.join(call.to_hex()), Vec::new());
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
            Ok(log_index) => {
                let Waiting { call, transcript, .. } = first;
                let record = format!("{call}-{}", self.own.me().device());
                Ok(Some(Kept { call, record, log_index, transcript }))
            }
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
    crate::plain::tell!("the note-taker is ready and waits for calls");
    loop {
        let mut view = noting.endpoint.view();
        tokio::select! {
            gone = view.wait_for(|view| view.phase == ConnectionState::Revoked) => match gone {
                Ok(_) => bail!(REVOKED),
                Err(_) => bail!("the note-taker ended"),
            },
            kept = noting.next() => match kept {
                Ok(kept) => crate::plain::tell!("record of call {} is in the archive, log entry {}", kept.call, kept.log_index),
                Err(error) => tracing::error!("{error:#}"),
            },
            _ = tokio::signal::ctrl_c() => return Ok(()),
        }
    }
}
