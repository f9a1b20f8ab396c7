//! `telcon archive`: for auditors and custodians. Needs no server.

use crate::office::{digest, hex};
use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};
use telcon_client::endpoint::now_ms;
use telcon_identity::{Office, TrustStore};
use telcon_proto::http::OfficeInfo;
use telcon_record::{
    ArchiveOptions, ArchiveReport, CustodianIdentity, Devices, Digest, RecordReference, SignatureVerifier, Signer,
    verify_archive,
};

/// Grace period for the record of an ended call, milliseconds: the time after which the server logs it as missing, and two
/// minutes.
const GRACE_MS: u64 = telcon_server::limits::RECORD_DUE_MS + 120_000;
/// Maximum size of a checkpoint file, bytes: a signed note with many cosignatures.
const MAX_CHECKPOINT_BYTES: u64 = 64 * 1024;

/// `telcon archive …`.
#[derive(Subcommand)]
pub enum ArchiveCommand {
    /// Verify an archive offline: log, records, signatures, missing records.
    Verify(VerifyArgs),
    /// Open a record with a custodian's key.
    Open(OpenArgs),
    /// Print the newest checkpoint that a device has verified, for `verify --checkpoint`.
    Checkpoint(CheckpointArgs),
}

/// Arguments of `telcon archive checkpoint`.
#[derive(Args)]
#[command(after_help = "Example: telcon archive checkpoint --device mine.json > seen.txt")]
pub struct CheckpointArgs {
    /// The device's state file.
    #[arg(long)]
    pub device: PathBuf,
}

/// Arguments of `telcon archive verify`.
#[derive(Args)]
#[command(
    after_help = "Example: telcon archive verify /srv/telcon/server/archive --authority 5d1c… --json report.json"
)]
pub struct VerifyArgs {
    /// The archive's directory.
    pub archive: PathBuf,
    /// The authority's digest (printed by `telcon init`), from a source other than the archive. Without it the archive's own
    /// copy is used, and only its consistency is verified.
    #[arg(long, value_parser = digest)]
    pub authority: Option<[u8; 32]>,
    /// File with a checkpoint seen earlier: the log must extend it. Can be repeated.
    #[arg(long)]
    pub checkpoint: Vec<PathBuf>,
    /// Key of a witness that must have cosigned the checkpoint. Can be repeated.
    #[arg(long)]
    pub witness: Vec<String>,
    /// Write the report to this file, as JSON.
    #[arg(long)]
    pub json: Option<PathBuf>,
}

/// Arguments of `telcon archive open`.
#[derive(Args)]
#[command(
    after_help = "Example: telcon archive open --identity custodian/identity.txt archive/records/0f1e… --out opened"
)]
pub struct OpenArgs {
    /// File with the custodian's secret key (AGE-SECRET-KEY-PQ-1…).
    #[arg(long)]
    pub identity: PathBuf,
    /// The record's directory: `records/CALL-DEVICE`, or `records/CALL` if the call has a single record.
    pub record: PathBuf,
    /// Directory to create for bag, audio and transcript.
    #[arg(long)]
    pub out: PathBuf,
}

/// Runs it.
pub fn run(command: ArchiveCommand) -> anyhow::Result<()> {
    match command {
        ArchiveCommand::Verify(args) => verify(&args),
        ArchiveCommand::Open(args) => open(&args),
        ArchiveCommand::Checkpoint(args) => checkpoint(&args),
    }
}

struct Signatures {
    trust: TrustStore,
}

impl SignatureVerifier for Signatures {
    fn verify(&self, jws: &str, claims: &RecordReference, _: &Devices) -> Result<Signer, String> {
        let signed = self.trust.verify_record(jws, claims.call, &claims.record_digest).map_err(|e| e.to_string())?;
        let cert_sha256 = Digest::from_bytes(signed.device().cert_sha256());
        Ok(Signer { device: signed.device().device().to_hex(), cert_sha256: Some(cert_sha256) })
    }

    fn verify_enrolment(&self, certificate: &[u8], issuer: &[u8], enrolled_ms: u64) -> Result<String, String> {
        let device = self.trust.verify_chain(&[certificate, issuer], enrolled_ms).map_err(|e| e.to_string())?;
        Ok(device.device().to_hex())
    }

    fn verify_revocation(&self, jws: &str) -> Result<String, String> {
        let revocation = self.trust.home().verify_revocation(jws).map_err(|e| e.to_string())?;
        Ok(revocation.device.to_hex())
    }
}

/// What an auditor knows from sources other than the archive.
#[derive(Default)]
pub struct Known<'a> {
    /// The authority's digest.
    pub authority: Option<[u8; 32]>,
    /// Files with checkpoints seen earlier.
    pub checkpoints: &'a [PathBuf],
    /// Keys of witnesses.
    pub witnesses: &'a [String],
}

/// Verifies the archive in `dir`.
pub fn report(dir: &Path, known: &Known<'_>) -> anyhow::Result<ArchiveReport> {
    let path = dir.join("office.json");
    if !dir.join("log").is_dir() {
        bail!("{} is not an archive: name the `archive` directory inside the server's", dir.display());
    }
    let info = fs::read(&path).with_context(|| format!("cannot read {}; is this an archive?", path.display()))?;
    let info: OfficeInfo = serde_json::from_slice(&info).with_context(|| format!("{} is damaged", path.display()))?;
    let office = Office::pin(&info, None)?;
    if known.authority.is_some_and(|wanted| office.authority_sha256() != wanted) {
        bail!("the archive's authority is {}, not the one given with --authority", hex(&office.authority_sha256()));
    }
    let mut options = ArchiveOptions {
        log_key: office.log_key().clone(),
        known_checkpoints: Vec::new(),
        witnesses: Vec::new(),
        grace_since_ms: now_ms().saturating_sub(GRACE_MS),
        now_ms: now_ms(),
        floor: office.floor(),
    };
    for path in known.checkpoints {
        let named = || path.display().to_string();
        let mut note = String::new();
        let file = fs::File::open(path).with_context(named)?;
        file.take(MAX_CHECKPOINT_BYTES).read_to_string(&mut note).with_context(named)?;
        let seen =
            options.log_key.open(&note).with_context(|| format!("{} is not a checkpoint of this log", named()))?;
        options.known_checkpoints.push(seen.checkpoint().clone());
    }
    for key in known.witnesses {
        let witness = key.parse().map_err(|_| anyhow::anyhow!("{key:?} is not a witness key (NAME+HASH+BASE64)"))?;
        options.witnesses.push(witness);
    }
    Ok(verify_archive(dir, &Signatures { trust: office.into() }, &options))
}

fn checkpoint(args: &CheckpointArgs) -> anyhow::Result<()> {
    let state = crate::device::open(&args.device)?;
    let seen = state.log.as_ref().context("this device has never connected, so it has no checkpoint")?;
    print!("{}", seen.checkpoint);
    Ok(())
}

fn verify(args: &VerifyArgs) -> anyhow::Result<()> {
    let known = Known { authority: args.authority, checkpoints: &args.checkpoint, witnesses: &args.witness };
    let report = report(&args.archive, &known)?;
    if let Some(path) = &args.json {
        fs::write(path, serde_json::to_vec_pretty(&report)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    println!("log       {} entries; {} tiles and bundles verified", report.entries, report.tiles);
    println!("devices   {}", report.devices);
    println!("calls     {} opened; {} live or waiting for their record", report.calls, report.pending);
    println!("records   {} of {} valid ({} partial)", report.records_good, report.records, report.records_partial);
    if report.unsigned_revocations > 0 {
        let ignored = report.unsigned_revocations;
        println!("note      {ignored} revocations in the log have no statement of the authority and are ignored");
    }
    for partial in &report.partial {
        let when = partial.opened_ms.map(|ms| format!(" of {}", utc(ms))).unwrap_or_default();
        println!(
            "partial   {}{when}: declared incomplete by its note-taker; the record contains the reason",
            partial.record
        );
    }
    for gap in &report.gaps {
        println!(
            "no record {} of {}: {}",
            gap.call,
            utc(gap.opened_ms),
            gap.why.as_deref().unwrap_or("no reason given")
        );
    }
    if args.authority.is_none() {
        println!("note      the authority is the archive's own; --authority verifies that it is yours");
    }
    match args.checkpoint.len() {
        0 => {
            println!("note      without --checkpoint a rewritten log cannot be detected")
        }
        _ if !report.is_good() => {}
        1 => println!("log       extends the given checkpoint"),
        many => println!("log       extends the {many} given checkpoints"),
    }
    for problem in &report.problems {
        let about = match (&problem.record, &problem.call) {
            (Some(record), _) => format!("record {record}: "),
            (None, Some(call)) => format!("call {call}: "),
            (None, None) => String::new(),
        };
        println!("PROBLEM   {about}{}", problem.text);
    }
    if !report.is_good() {
        let found = report.problems.len();
        bail!("the archive is invalid: {found} problem{}", if found == 1 { "" } else { "s" });
    }
    match report.records_partial {
        0 => println!("The archive is valid."),
        1 => println!("The archive is valid; one record is partial."),
        many => println!("The archive is valid; {many} records are partial."),
    }
    Ok(())
}

/// Opens a record with the identities in a file.
pub fn open_with(identity: &Path, record: &Path, out: &Path) -> anyhow::Result<telcon_record::OpenedRecord> {
    let text = fs::read_to_string(identity).with_context(|| format!("cannot read {}", identity.display()))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let identities = lines
        .map(CustodianIdentity::parse)
        .collect::<Result<Vec<_>, _>>()
        .with_context(|| format!("{} does not contain a custodian's key (AGE-SECRET-KEY-PQ-1…)", identity.display()))?;
    let record = find(record)?;
    if out.exists() {
        bail!("{} already exists: choose another directory", out.display());
    }
    Ok(telcon_record::open_record(&record, &identities, out)?)
}

/// The record's directory, given it or the path `records/CALL` of a call with one record.
fn find(named: &Path) -> anyhow::Result<PathBuf> {
    if named.join("seal.json").exists() {
        return Ok(named.to_owned());
    }
    let call = named.file_name().map(|name| format!("{}-", name.to_string_lossy())).unwrap_or_default();
    let beside = named.parent().and_then(|records| fs::read_dir(records).ok()).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = beside
        .filter(|entry| call.len() > 1 && entry.file_name().to_string_lossy().starts_with(&call))
        .map(|entry| entry.path())
        .collect();
    found.sort();
    match &found[..] {
        [] => {
            bail!("{} is not a record: name a directory in `records`; names start with the call's id", named.display())
        }
        [one] => Ok(one.clone()),
        many => {
            let names: Vec<String> = many.iter().map(|path| format!("\n  {}", path.display())).collect();
            bail!("the call has {} records, one per note-taker; open one of:{}", many.len(), names.concat())
        }
    }
}

/// A time for people, to the minute.
fn utc(ms: u64) -> String {
    time::OffsetDateTime::from_unix_timestamp((ms / 1000) as i64).map_or_else(
        |_| format!("{ms} ms after 1970"),
        |t| format!("{} {:02}:{:02} UTC", t.date(), t.hour(), t.minute()),
    )
}

fn open(args: &OpenArgs) -> anyhow::Result<()> {
    let opened = open_with(&args.identity, &args.record, &args.out)?;
    let out = args.out.display();
    let (parts, files) = (opened.parts, opened.files);
    if opened.partial {
        println!("Record {} is intact but partial: {parts} parts, {files} files.", opened.call_id);
        println!("Reason: {}", opened.reason);
    } else {
        println!("Record {} is whole: {parts} parts, {files} files.", opened.call_id);
    }
    for (label, words) in
        [("Telcon-Parties", "between"), ("Telcon-Answered", "answered"), ("Telcon-Seconds", "seconds")]
    {
        if let Some((_, value)) = opened.bag_info.iter().find(|(found, _)| found == label) {
            println!("  {words} {value}");
        }
    }
    for warning in &opened.warnings {
        println!("note: {warning}");
    }
    println!("  {out}/bag            the bag (RFC 8493)");
    if args.out.join("transcript.vtt").exists() {
        println!("  {out}/transcript.vtt {} segments, a machine's draft", opened.segments);
    } else {
        println!("  no transcript");
    }
    for audio in &opened.audio {
        println!(
            "  {out}/audio/{}.opus  {:.1} s from the start of the call",
            audio.speaker,
            audio.length_ms as f64 / 1e3
        );
    }
    Ok(())
}
