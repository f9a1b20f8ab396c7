//! `telcon bench`: load tests of relays, ours or another one, and of an office's server.

use crate::new_office::{NewOffice, create_office};
use anyhow::{Context, Result};
use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use std::{
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
};
use telcon_bench::{
    Cancellation, office,
    relay::{self, LoadPlan, Peer},
};
use telcon_identity::CharterTerms;
use telcon_proto::{RecordMode, SuiteName, limits::MAX_MEMBERS};
use tokio::signal::unix::{SignalKind, signal};

/// Domain of the office that is created for a load test.
const DOMAIN: &str = "bench.invalid";

#[derive(Subcommand)]
pub enum BenchCommand {
    /// Load a relay with calls, and report its cost per packet.
    Relay(RelayArgs),
    /// Load an office's server with devices and rings, and report its cost per ring.
    Office(OfficeArgs),
    /// Write benchmarks.md and its charts from the JSON files of runs.
    #[command(hide = true)]
    Document(DocumentArgs),
    /// A relay controlled by JSON lines on standard input: what `bench relay` measures.
    #[command(hide = true)]
    RelayNode(NodeArgs),
    /// The baseline cost of a packet on this machine, controlled by JSON lines on standard input.
    #[command(hide = true)]
    Baseline(NodeArgs),
}

#[derive(Args)]
pub struct NodeArgs {
    /// Address to bind.
    #[arg(long)]
    address: IpAddr,
}

#[derive(Args)]
pub struct DocumentArgs {
    /// Directory with the JSON files.
    #[arg(long)]
    from: PathBuf,
    /// Directory of the document.
    #[arg(long)]
    to: PathBuf,
}

#[derive(Args)]
#[command(after_help = "Example: telcon bench relay --peer telcon --peer coturn --calls 30 --parties 4 --rounds 3")]
pub struct RelayArgs {
    /// The relay to measure; several are measured in turn. Janus needs root for a network namespace.
    #[arg(long = "peer", value_enum, default_values_t = [PeerArg::Telcon])]
    peers: Vec<PeerArg>,
    /// Simultaneous calls; with --step, the initial number.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    calls: u32,
    /// Parties of each call, 2 to 8.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(2..=MAX_MEMBERS as i64))]
    parties: u32,
    /// Audio per packet, milliseconds: 10, 20, 40 or 60.
    #[arg(long, value_name = "MS", default_value_t = 20, value_parser = frame)]
    frame: u64,
    /// Measured rounds after a warm-up round. 0 is one round without warm-up.
    #[arg(long, default_value_t = 0)]
    rounds: u32,
    /// Measured time per round, seconds.
    #[arg(long, default_value_t = 5.0, value_parser = |text: &str| seconds(text, 0.1))]
    seconds: f64,
    /// Warm-up time per round, seconds.
    #[arg(long, default_value_t = 2.0, value_parser = |text: &str| seconds(text, 0.0))]
    warm: f64,
    /// Parties that join simultaneously.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    joins: u64,
    /// No media, to measure the memory of an idle leg.
    #[arg(long)]
    idle: bool,
    /// Raise the load until loss exceeds 0.1 % or the 99th percentile of latency exceeds 20 ms.
    #[arg(long, conflicts_with_all = ["calls_curve", "flood"])]
    step: bool,
    /// Measure these numbers of calls in turn, for example 10,20,40.
    #[arg(long, value_name = "CALLS", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=10_000))]
    calls_curve: Vec<u32>,
    /// Add this many unsolicited datagrams per second, in turn: 0,10000,100000.
    #[arg(long, value_name = "PER_SECOND", value_delimiter = ',', conflicts_with = "calls_curve", value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    flood: Vec<u32>,
    /// Run in a network namespace, as Janus does. Needs root.
    #[arg(long)]
    netns: bool,
    /// Write the results to this file, as JSON. Times are in nanoseconds.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Args)]
#[command(after_help = "Example: telcon bench office --devices 100,1000,10000 --live 10,500,2000 --json office.json\n\
                        A new office is created in the directory for temporary files (TMPDIR), which should be on the \
                        disk that is to be measured.")]
pub struct OfficeArgs {
    /// Numbers of enrolled and connected devices, ascending.
    #[arg(long, value_delimiter = ',', default_value = "100,1000,10000", value_parser = clap::value_parser!(u32).range(20..=100_000))]
    devices: Vec<u32>,
    /// Numbers of live calls, ascending, in a second office. --live with 0 leaves this out.
    #[arg(long, value_delimiter = ',', default_value = "10,500,2000", value_parser = clap::value_parser!(u32).range(0..=4_000))]
    live: Vec<u32>,
    /// Numbers of lines, ascending, in a third office, which demands them. --lines with 0 leaves this out.
    #[arg(long, value_delimiter = ',', default_value = "100,1000,10000", value_parser = clap::value_parser!(u32).range(0..=100_000))]
    lines: Vec<u32>,
    /// Rings per second at each size. A person may ring every five seconds, so 100 devices reach about 18.
    #[arg(long, default_value_t = 10.0, value_parser = |text: &str| number(text, 0.1, 1_000.0))]
    rings: f64,
    /// Rings per second with the largest number of devices, and of lines; 0 leaves this out.
    #[arg(long, default_value_t = 100.0, value_parser = |text: &str| number(text, 0.0, 10_000.0))]
    peak: f64,
    /// Seconds of each ring load.
    #[arg(long, default_value_t = 20.0, value_parser = |text: &str| seconds(text, 1.0))]
    seconds: f64,
    /// Seconds of each measurement without rings.
    #[arg(long, default_value_t = 40.0, value_parser = |text: &str| seconds(text, 1.0))]
    idle_seconds: f64,
    /// Leave the crash and restart out.
    #[arg(long)]
    no_restart: bool,
    /// Entries for the measurement of the log alone; 0 leaves it out.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(..=10_000_000))]
    log_entries: u64,
    /// The `telcon` program whose server is measured, to compare versions that speak the same protocol. This one if not
    /// given.
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// Write the results to this file, as JSON. Times are in nanoseconds unless named otherwise.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

fn frame(text: &str) -> Result<u64, String> {
    let opus = text.parse().ok().filter(|ms| [10, 20, 40, 60].contains(ms));
    opus.ok_or_else(|| "Opus frames are 10, 20, 40 or 60 ms long".to_owned())
}

fn seconds(text: &str, least: f64) -> Result<f64, String> {
    number(text, least, 3_600.0).map_err(|range| format!("{range} seconds"))
}

fn number(text: &str, least: f64, most: f64) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| format!("{least} to {most}"))
}

#[derive(Clone, Copy, ValueEnum)]
enum PeerArg {
    /// Our relay.
    Telcon,
    /// A Janus videoroom.
    Janus,
    /// A TURN server: no cryptography, no fan-out.
    Coturn,
    /// Endpoint to endpoint.
    None,
}

impl From<PeerArg> for Peer {
    fn from(peer: PeerArg) -> Self {
        match peer {
            PeerArg::Telcon => Self::Telcon,
            PeerArg::Janus => Self::Janus,
            PeerArg::Coturn => Self::Coturn,
            PeerArg::None => Self::None,
        }
    }
}

pub async fn run(command: BenchCommand) -> Result<()> {
    match command {
        BenchCommand::RelayNode(args) => relay::node::run(args.address).await,
        BenchCommand::Baseline(args) => relay::baseline::serve(args.address),
        BenchCommand::Document(args) => telcon_bench::write_document(&args.from, &args.to),
        BenchCommand::Relay(args) => generate(|cancellation| bench_relay(args, cancellation)).await,
        BenchCommand::Office(args) => generate(|cancellation| bench_office(args, cancellation)).await,
    }
}

/// Runs a load generator on a thread of its own, because it is pinned to one core, and cancels it on SIGTERM and SIGINT,
/// so that it removes its processes, namespaces and files.
async fn generate(run: impl FnOnce(Cancellation) -> Result<()> + Send + 'static) -> Result<()> {
    let cancellation = Cancellation::default();
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let shared = cancellation.clone();
    let thread = std::thread::Builder::new().name("generator".into()).spawn(move || run(shared))?;
    let mut ended = tokio::task::spawn_blocking(move || thread.join());
    loop {
        tokio::select! {
            result = &mut ended => return result?.ok().context("the generator panicked")?,
            _ = terminate.recv() => cancellation.cancel(),
            _ = interrupt.recv() => cancellation.cancel(),
        }
    }
}

fn bench_relay(args: RelayArgs, cancellation: Cancellation) -> Result<()> {
    let plan = match (args.step, args.calls_curve, args.flood) {
        (true, ..) => LoadPlan::Step,
        (_, curve, _) if !curve.is_empty() => LoadPlan::Curve(curve),
        (.., flood) if !flood.is_empty() => LoadPlan::Flood(flood),
        _ => LoadPlan::Rounds,
    };
    let options = relay::Options {
        peers: args.peers.into_iter().map(Peer::from).collect(),
        calls: args.calls,
        parties: args.parties,
        frame_ms: args.frame,
        rounds: args.rounds,
        warm: args.warm,
        seconds: args.seconds,
        joins: args.joins as usize,
        idle: args.idle,
        plan,
        netns: args.netns,
        program: std::env::current_exe()?,
        cancellation,
    };
    check_writable(args.json.as_deref())?;
    let run = relay::run(&options, |round| crate::output::tell!("{}", round.line()))?;
    write_json(args.json.as_deref(), &run)?;
    crate::output::print(&run.table());
    Ok(())
}

fn bench_office(args: OfficeArgs, cancellation: Cancellation) -> Result<()> {
    let create = |directory: &Path, rings| {
        // Log only, so that no call waits for a note-taker.
        let terms = CharterTerms { rings, ..RecordMode::LogOnly.into() };
        let (domain, name, suite) = (DOMAIN, "Load test", SuiteName::Hybrid);
        create_office(directory, &NewOffice { domain, name, suite, terms, custodians: &[], passphrase: None })?;
        let authority = crate::office::authority(directory)?;
        Ok(office::NewOffice { server: directory.join("server"), authority })
    };
    let options = office::Options {
        devices: args.devices,
        live: args.live.into_iter().filter(|calls| *calls > 0).collect(),
        lines: args.lines.into_iter().filter(|lines| *lines > 0).collect(),
        rings: args.rings,
        peak: args.peak,
        seconds: args.seconds,
        idle_seconds: args.idle_seconds,
        restart: !args.no_restart,
        log_entries: args.log_entries,
        create: &create,
        program: args.program.map_or_else(std::env::current_exe, Ok)?,
        cancellation,
    };
    check_writable(args.json.as_deref())?;
    let run = office::run(&options, |line| crate::output::tell!("{line}"))?;
    write_json(args.json.as_deref(), &run)?;
    crate::output::print(&run.lines());
    Ok(())
}

/// Fails before the measurement rather than after it.
fn check_writable(file: Option<&Path>) -> Result<()> {
    if let Some(file) = file {
        let writable = fs::OpenOptions::new().append(true).create(true).open(file);
        writable.with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

fn write_json(file: Option<&Path>, run: &impl Serialize) -> Result<()> {
    if let Some(file) = file {
        let text = serde_json::to_string_pretty(run)? + "\n";
        fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}
