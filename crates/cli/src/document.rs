//! `telcon document`: documents of a native device's person, sealed and verified on this machine.

use crate::{
    custodian,
    device::{self, revoked},
    office::server_url,
    output::{Printable, say, tell},
};
use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use std::{path::PathBuf, time::Duration};
use telcon_client::{
    documents::Documents,
    endpoint::{Endpoint, EndpointConfig, NullSink},
};
use telcon_core::document::Draft;
use telcon_proto::{
    CallId, DocumentId, PersonId,
    document::{About, DocumentKind, DocumentState},
    limits::MAX_DOCUMENT_BYTES,
};
use tokio::time::timeout;
use zeroize::Zeroizing;

/// Timeout for connecting to the office.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// Timeout for the endpoint to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// What to do with documents.
#[derive(Subcommand)]
pub enum DocumentCommand {
    /// Write a document, or its next version, sealed to its readers' devices.
    Put(PutArgs),
    /// List the documents that this device's person may read: what the server knows of them.
    List(ListArgs),
    /// Read the newest version of a document, verified.
    Get(GetArgs),
}

/// The device and its office.
#[derive(Args)]
pub struct AtOffice {
    /// The device's state file (see telcon enrol).
    #[arg(long)]
    device: PathBuf,
    /// Address of the office's server.
    #[arg(long, default_value = "http://localhost:8080")]
    server: String,
}

/// Arguments of `telcon document put`.
#[derive(Args)]
pub struct PutArgs {
    #[command(flatten)]
    at: AtOffice,
    /// The document to write the next version of; a new one without.
    #[arg(long)]
    document: Option<DocumentId>,
    /// What it is: request, schedule, brief, profile, notes, memorandum, circulation, copy, debrief, readout or actions.
    #[arg(long, value_parser = kind)]
    kind: DocumentKind,
    /// What this version claims to be: draft, reviewed, approved, declined, published, recalled, closed or destroyed.
    #[arg(long, value_parser = state, default_value = "draft")]
    state: DocumentState,
    /// A reader, by person id; repeat it for each. The author always reads.
    #[arg(long = "reader", value_name = "PERSON")]
    readers: Vec<PersonId>,
    /// The call that it is about.
    #[arg(long, value_name = "CALL", conflicts_with = "about_document")]
    about_call: Option<CallId>,
    /// The document that it is about.
    #[arg(long, value_name = "DOCUMENT")]
    about_document: Option<DocumentId>,
    /// File with custodians' recipients, one a line, to whom it is sealed beside its readers: a memorandum that is approved is kept with
    /// the record of its call.
    #[arg(long)]
    custodians: Option<PathBuf>,
    /// The file with the content.
    file: PathBuf,
}

/// Arguments of `telcon document list`.
#[derive(Args)]
pub struct ListArgs {
    #[command(flatten)]
    at: AtOffice,
    /// Only of this kind.
    #[arg(long, value_parser = kind)]
    kind: Option<DocumentKind>,
}

/// Arguments of `telcon document get`.
#[derive(Args)]
pub struct GetArgs {
    #[command(flatten)]
    at: AtOffice,
    /// Write the content to this file, which must not exist.
    #[arg(long)]
    out: PathBuf,
    /// The document.
    document: DocumentId,
}

fn word<T: serde::de::DeserializeOwned>(text: &str, what: &str) -> Result<T, String> {
    serde_json::from_value(text.into()).map_err(|_| format!("there is no such {what}"))
}

fn kind(text: &str) -> Result<DocumentKind, String> {
    word(text, "kind of document")
}

fn state(text: &str) -> Result<DocumentState, String> {
    word(text, "state")
}

/// `telcon document`.
pub async fn run(command: DocumentCommand) -> anyhow::Result<()> {
    let at = match &command {
        DocumentCommand::Put(args) => &args.at,
        DocumentCommand::List(args) => &args.at,
        DocumentCommand::Get(args) => &args.at,
    };
    let server = server_url(&at.server)?;
    // Fails early, before waiting for the lock, if the state is unusable.
    device::open_or_erase(&at.device, &server).await?;
    let _lock = device::lock(&at.device)?;
    let state = device::open(&at.device)?;
    let config = EndpointConfig { server: server.clone(), state, auto_answer: false, auto_join: false };
    let endpoint = Endpoint::start(config, Box::new(NullSink), device::persister(at.device.clone()))?;
    let done = tokio::select! {
        done = with_office(&command, &endpoint, server) => done,
        revoked = revoked(&endpoint) => revoked,
        // The reason was logged.
        _ = endpoint.cannot_connect() => Err(anyhow::anyhow!("stopped, because trying again cannot help: check --server {}", at.server)),
    };
    // What this device has seen is stored before it ends.
    let _ = timeout(STOP_TIMEOUT, endpoint.stop()).await;
    done
}

async fn with_office(command: &DocumentCommand, endpoint: &Endpoint, server: String) -> anyhow::Result<()> {
    let connected = endpoint.until(|view| view.token.is_some() && view.caught_up);
    timeout(CONNECT_TIMEOUT, connected).await.context("cannot connect to the office")??;
    let documents = Documents::new(endpoint, server);
    match command {
        DocumentCommand::Put(args) => put(args, endpoint, &documents).await,
        DocumentCommand::List(args) => list(args, &documents).await,
        DocumentCommand::Get(args) => get(args, &documents).await,
    }
}

async fn put(args: &PutArgs, endpoint: &Endpoint, documents: &Documents<'_>) -> anyhow::Result<()> {
    let content = telcon_files::read_named(&args.file, MAX_DOCUMENT_BYTES as u64)
        .with_context(|| format!("cannot read {}", args.file.display()))?;
    let document = match args.document {
        Some(document) => document,
        None => endpoint.with_engine(|engine, _| engine.new_document()).await?,
    };
    let about = args.about_call.map(About::Call).or(args.about_document.map(About::Document));
    let draft = Draft {
        document,
        kind: args.kind,
        about,
        state: args.state,
        due_ms: None,
        readers: args.readers.clone(),
        on_behalf: None,
        content: Zeroizing::new(content),
    };
    let custodians = args.custodians.as_deref().map(custodian::custodians).transpose()?.unwrap_or_default();
    let custodians = custodians.iter().map(ToString::to_string).collect();
    let (version, log_index) = documents.write(draft, args.document.is_none(), custodians).await?;
    tell!("version {version} of {} {document} is in the office's log, entry {log_index}", args.kind.as_str());
    say!("{document}");
    Ok(())
}

async fn list(args: &ListArgs, documents: &Documents<'_>) -> anyhow::Result<()> {
    for listed in documents.list(args.kind).await? {
        let (kind, state) = (listed.kind.as_str(), listed.state.as_str());
        say!("{}  {kind}  version {}, {state}, by {}", listed.document, listed.version, Printable(&listed.author.name));
    }
    Ok(())
}

async fn get(args: &GetArgs, documents: &Documents<'_>) -> anyhow::Result<()> {
    if args.out.exists() {
        bail!("{} exists: name another file, or remove it", args.out.display());
    }
    let (version, content) = documents.read(args.document).await?;
    telcon_files::create_private(&args.out, &content)
        .with_context(|| format!("cannot write {}", args.out.display()))?;
    tell!(
        "version {} of {}, {}, signed by {} of {}: verified",
        version.version,
        version.kind.as_str(),
        version.state.as_str(),
        Printable(&version.author.name),
        Printable(&version.author.organisation)
    );
    Ok(())
}
