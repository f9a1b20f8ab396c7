//! `telcon note`: the office's note-taker.

use crate::{
    device::{self, REVOKED, revoked},
    office,
    output::tell,
};
use anyhow::{Context as _, bail};
use clap::Args;
use std::{fs::File, path::PathBuf};
use telcon_client::{
    endpoint::{Endpoint, EndpointConfig, now_ms},
    note::{
        NoteConfig, NoteTaker, RecognizerFactory,
        delivery::{RecordUploader, delete_delivered},
        unfinished_records,
    },
    transcription::Whisper,
};
use telcon_core::{Device, view::ConnectionState};
use telcon_proto::policy::{Action, allows};

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
    let state = device::open(&args.device)?;
    let custodians = office::custodians(&args.custodians)?;
    crate::store::private_dir(&args.spool)?;
    let recognizers = args.asr_model.clone().map(load_model).transpose()?;
    let own = Device::open(&state, now_ms())?;
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
    let server = office::server_url(&args.server)?;
    let config = NoteConfig { spool: args.spool.clone(), custodians: custodians.clone(), recognizers };
    let (note_taker, events) = NoteTaker::new(config);
    let config = EndpointConfig { server: server.clone(), state, auto_answer: false, auto_join: true };
    let endpoint = Endpoint::start(config, Box::new(note_taker), device::persister(args.device.clone()))?;
    tokio::select! {
        caught_up = endpoint.until(|view| view.caught_up) => drop(caught_up?),
        revoked = revoked(&endpoint) => revoked?,
    }
    let spool = args.spool.clone();
    let uploader = RecordUploader::new(endpoint, events, server, spool, custodians, own, unfinished);
    Ok(RunningNoteTaker { uploader, _locks: locks })
}

/// Loads the speech model before any call, because loading takes a second of audio. Calls share it.
fn load_model(dir: PathBuf) -> anyhow::Result<RecognizerFactory> {
    let model = Whisper::load(&dir).map_err(|error| anyhow::anyhow!("{error}"))?;
    Ok(Box::new(move || (Box::new(model.clone()), Box::new(model.clone()))))
}

/// `telcon note`.
///
/// # Errors
/// When the note-taker cannot start, or its device was revoked.
pub async fn note(args: NoteArgs) -> anyhow::Result<()> {
    let mut running = start_note_taker(&args).await?;
    tell!("the note-taker waits for calls");
    loop {
        let mut view = running.uploader.endpoint.view();
        tokio::select! {
            revoked = view.wait_for(|view| view.phase == ConnectionState::Revoked) => match revoked {
                Ok(_) => bail!(REVOKED),
                Err(_) => bail!("the note-taker ended"),
            },
            delivered = running.uploader.next() => match delivered {
                Ok(record) => tell!("record of {} is in the archive, log entry {}", record.call, record.log_index),
                Err(error) => tracing::error!("{error:#}"),
            },
            _ = tokio::signal::ctrl_c() => return Ok(()),
        }
    }
}
