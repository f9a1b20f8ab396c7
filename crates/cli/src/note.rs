//! `telcon note`: the office's note-taker.

use crate::{
    custodian,
    device::{self, revoked, why_revoked},
    office,
    output::tell,
};
use anyhow::{Context as _, bail};
use clap::Args;
use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use telcon_client::{
    endpoint::{Endpoint, EndpointConfig},
    error::ClientError,
    note::{
        NoteConfig, NoteTaker, RecognizerFactory, SpokenLanguages,
        delivery::{DeliveredRecord, RecordUploader, delete_delivered},
        unfinished_records,
    },
    transcription::{Language, Pair, Recognizer, Whisper},
};
use telcon_core::view::{CallState, ConnectionState, View};
use telcon_proto::{
    PersonId, Qualified,
    policy::{Action, allows},
};
use tokio::signal::unix::{SignalKind, signal};

/// How long delivery goes on after a stop signal: less than the ten seconds after which container runtimes kill a process.
const STOP_TIMEOUT: Duration = Duration::from_secs(8);

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
    /// Directory of records that are not in the archive yet.
    #[arg(long)]
    pub spool: PathBuf,
    /// File of the custodians' recipients (age1pq1…), one per line.
    #[arg(long)]
    pub custodians: PathBuf,
    /// Directory of a Whisper model in CTranslate2 format. Without one, records state that they have no transcript.
    #[arg(long)]
    pub asr_model: Option<PathBuf>,
    /// Directory of a larger, multilingual Whisper model, which makes the transcript of the record while --asr-model makes the
    /// captions. It also recognizes the languages that --asr-model does not know.
    #[arg(long, requires = "asr_model")]
    pub asr_final_model: Option<PathBuf>,
    /// The language that is spoken: a code like en or fr, or auto to detect it. A model that knows only English transcribes English
    /// and marks speech whose configured language is another.
    #[arg(long, default_value = "auto", value_parser = parse_language)]
    pub language: DetectOr,
    /// The language of one person, as PERSON@OFFICE=CODE. May be repeated.
    #[arg(long, value_name = "PERSON=CODE", value_parser = parse_speaker_language)]
    pub speaker_language: Vec<(Qualified<PersonId>, Language)>,
}

/// What `--language` says.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DetectOr(pub Option<Language>);

fn parse_language(text: &str) -> Result<DetectOr, String> {
    match text {
        "auto" => Ok(DetectOr(None)),
        code => code.parse().map(|language| DetectOr(Some(language))).map_err(|error| format!("{error}")),
    }
}

fn parse_speaker_language(text: &str) -> Result<(Qualified<PersonId>, Language), String> {
    let (person, code) = text.split_once('=').ok_or("write PERSON@OFFICE=CODE, such as 1f…9a@office.example=fr")?;
    let person = person.parse().map_err(|_| format!("{person:?} is not a person's id with its office"))?;
    Ok((person, code.parse().map_err(|error| format!("{error}"))?))
}

/// A running note-taker. The device and the spool are locked for this process while it exists.
pub struct RunningNoteTaker {
    /// Its endpoint and the delivery of its records.
    pub uploader: RecordUploader,
    _locks: [File; 2],
}

/// Starts a note-taker, and the delivery of records that an earlier run left in the spool.
///
/// # Errors
/// When an argument is invalid, or another process uses the device or the spool.
pub async fn start_note_taker(args: &NoteArgs) -> anyhow::Result<RunningNoteTaker> {
    let server = office::server_url(&args.server)?;
    let own = device::open_or_erase(&args.device, &server).await?;
    let custodians = custodian::custodians(&args.custodians)?;
    crate::store::private_dir(&args.spool)?;
    let recognizers = args.asr_model.as_deref().map(|dir| load_models(dir, args)).transpose()?;
    if !allows(own.me().card().role, Action::WriteRecord) {
        let (file, name) = (args.device.display(), &own.me().card().name);
        bail!(
            "{file} is the device of {name}, who is not a note-taker; use a link of `telcon invite` for a note-taker"
        );
    }
    let locks = [
        device::lock(&args.device)?,
        device::lock(&args.spool).context("each note-taker needs its own spool directory")?,
    ];
    // Read again, because the previous holder of the lock may have changed it.
    let state = device::open(&args.device)?;
    delete_delivered(&args.spool);
    // Before the endpoint starts, so that the records of its calls are not among them.
    let unfinished = unfinished_records(&args.spool);
    let languages =
        SpokenLanguages { default: args.language.0, people: args.speaker_language.iter().cloned().collect() };
    let note_config = NoteConfig { spool: args.spool.clone(), custodians, recognizers, languages };
    let (note_taker, events) = NoteTaker::new(note_config.clone());
    let config = EndpointConfig { server: server.clone(), state, auto_answer: false, auto_join: true };
    let endpoint = Endpoint::start(config, Box::new(note_taker), device::persister(args.device.clone()))?;
    tokio::select! {
        caught_up = endpoint.until(|view| view.caught_up) => drop(caught_up?),
        revoked = revoked(&endpoint) => revoked?,
    }
    let uploader = RecordUploader::new(endpoint, events, server, note_config, own, unfinished);
    Ok(RunningNoteTaker { uploader, _locks: locks })
}

/// Loads the speech models before any call, because loading takes a second of audio. Calls share them.
fn load_models(dir: &Path, args: &NoteArgs) -> anyhow::Result<RecognizerFactory> {
    let load = |dir: &Path| Whisper::load(dir).map_err(|error| anyhow::anyhow!("{error}"));
    let quick = load(dir)?;
    let Some(dir) = &args.asr_final_model else {
        for language in args.language.0.iter().chain(args.speaker_language.iter().map(|(_, language)| language)) {
            if !quick.knows(*language) {
                tracing::warn!(
                    %language,
                    "the speech model knows English only: what is said in this language is marked and not transcribed. Name a \
                     multilingual model with --asr-final-model"
                );
            }
        }
        return Ok(Arc::new(move || (boxed(quick.clone()), boxed(quick.clone()))));
    };
    let best = load(dir)?;
    if !best.is_multilingual() {
        bail!("{} knows English only: --asr-final-model names a multilingual model", dir.display());
    }
    let captions = Pair::new(quick, best.clone());
    Ok(Arc::new(move || (boxed(best.clone()), boxed(captions.clone()))))
}

fn boxed(recognizer: impl Recognizer + Send + 'static) -> Box<dyn Recognizer + Send> {
    Box::new(recognizer)
}

/// `telcon note`.
///
/// # Errors
/// When the note-taker cannot start, or its device was revoked.
pub async fn note(args: NoteArgs) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot install a signal handler")?;
    let mut running = tokio::select! {
        running = start_note_taker(&args) => running?,
        _ = terminate.recv() => return Ok(()),
    };
    tell!("the note-taker waits for calls");
    loop {
        let mut view = running.uploader.endpoint.view();
        tokio::select! {
            revoked = view.wait_for(|view| view.phase == ConnectionState::Revoked) => match revoked {
                Ok(view) => bail!(why_revoked(&view)),
                Err(_) => bail!("the note-taker ended"),
            },
            delivered = running.uploader.next() => report(delivered),
            _ = tokio::signal::ctrl_c() => break,
            _ = terminate.recv() => break,
        }
    }
    let in_call = |view: &View| view.call.as_ref().is_some_and(|call| call.state != CallState::Ended);
    if in_call(&running.uploader.endpoint.view().borrow()) {
        // A record is delivered when its call is over. Leaving the call would end it early, where a restart loses seconds.
        running.uploader.endpoint.stop().await;
        tell!("stopping during a call: the next start goes on with its record, in {}", args.spool.display());
        return Ok(());
    }
    tell!("stopping: delivering what was recorded");
    let deliver = async {
        loop {
            match running.uploader.next_or_idle().await.transpose() {
                Some(delivered) => report(delivered),
                None => return,
            }
        }
    };
    tokio::select! {
        () = deliver => {}
        () = tokio::time::sleep(STOP_TIMEOUT) => {
            tell!("stopped; what is left in {} is delivered by the next start", args.spool.display());
        }
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

fn report(delivered: Result<DeliveredRecord, ClientError>) {
    match delivered {
        Ok(record) => tell!("record of {} is in the archive, log entry {}", record.call, record.log_index),
        Err(error) => tracing::error!("{error:#}"),
    }
}
