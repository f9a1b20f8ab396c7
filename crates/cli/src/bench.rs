//! `telcon bench`: measures a relay, ours or another one.

use anyhow::{Context, Result};
use clap::{Args, Subcommand, ValueEnum};
use std::{fs, net::IpAddr, path::PathBuf};
use telcon_bench::{Ladder, Options, Peer, Stop};
use tokio::signal::unix::{SignalKind, signal};

#[derive(Subcommand)]
pub enum BenchCommand {
    /// Load a relay with calls, and report its cost per packet.
    Relay(RelayArgs),
    /// Write benchmarks.md and its pictures from the JSON files of runs.
    #[command(hide = true)]
    Document(DocumentArgs),
    /// A relay alone, told about legs on standard input: what `bench relay` measures.
    #[command(hide = true)]
    RelayNode(NodeArgs),
    /// What a packet costs here whoever relays it, measured when told on standard input.
    #[command(hide = true)]
    Floor(NodeArgs),
}

#[derive(Args)]
pub struct NodeArgs {
    /// Where to listen.
    #[arg(long)]
    address: IpAddr,
}

#[derive(Args)]
pub struct DocumentArgs {
    /// The folder with the JSON files.
    #[arg(long)]
    from: PathBuf,
    /// The folder for the document.
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
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(2..=8))]
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
    #[arg(long, value_name = "A_SECOND", value_delimiter = ',', conflicts_with = "calls_curve", value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    flood: Vec<u32>,
    /// Run in a network namespace, as Janus does. Needs root.
    #[arg(long)]
    cable: bool,
    /// Write the results to this file, as JSON. Times are in nanoseconds.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

fn frame(text: &str) -> Result<u64, String> {
    let opus = text.parse().ok().filter(|ms| [10, 20, 40, 60].contains(ms));
    opus.ok_or_else(|| "Opus frames are 10, 20, 40 or 60 ms long".to_owned())
}

fn seconds(text: &str, least: f64) -> Result<f64, String> {
    let some = text.parse().ok().filter(|seconds| (least..=3_600.0).contains(seconds));
    some.ok_or_else(|| format!("{least} to 3600 seconds"))
}

#[derive(Clone, Copy, ValueEnum)]
enum PeerArg {
    /// Our relay.
    Telcon,
    /// A Janus videoroom.
    Janus,
    /// A TURN relay: no cryptography, no copies.
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
        BenchCommand::RelayNode(args) => telcon_bench::node::run(args.address).await,
        BenchCommand::Floor(args) => telcon_bench::floor::serve(args.address),
        BenchCommand::Document(args) => telcon_bench::write_document(&args.from, &args.to),
        BenchCommand::Relay(args) => {
            let stop = Stop::default();
            let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
            let told = stop.clone();
            // A thread of its own, because it is bound to one processor and never waits for anything else.
            let thread = std::thread::Builder::new().name("generator".into()).spawn(move || relay(args, told))?;
            let mut ended = tokio::task::spawn_blocking(move || thread.join());
            loop {
                // Whoever made contestants and namespaces takes them down.
                tokio::select! {
                    result = &mut ended => return result?.ok().context("the generator panicked")?,
                    _ = terminate.recv() => stop.now(),
                    _ = interrupt.recv() => stop.now(),
                }
            }
        }
    }
}

fn relay(args: RelayArgs, stop: Stop) -> Result<()> {
    let ladder = match (args.step, args.calls_curve, args.flood) {
        (true, ..) => Ladder::Step,
        (_, curve, _) if !curve.is_empty() => Ladder::Curve(curve),
        (.., flood) if !flood.is_empty() => Ladder::Flood(flood),
        _ => Ladder::None,
    };
    let options = Options {
        peers: args.peers.into_iter().map(Peer::from).collect(),
        calls: args.calls,
        parties: args.parties,
        frame_ms: args.frame,
        rounds: args.rounds,
        warm: args.warm,
        seconds: args.seconds,
        joins: args.joins as usize,
        idle: args.idle,
        ladder,
        cable: args.cable,
        program: std::env::current_exe()?,
        stop,
    };
    // Found before the work and not after it.
    if let Some(file) = &args.json {
        let writable = fs::OpenOptions::new().append(true).create(true).open(file);
        writable.with_context(|| format!("cannot write {}", file.display()))?;
    }
    let run = telcon_bench::run(&options, |round| crate::plain::tell!("{}", round.line()))?;
    if let Some(file) = args.json {
        let text = serde_json::to_string_pretty(&run)? + "\n";
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    print!("{}", run.table());
    Ok(())
}
