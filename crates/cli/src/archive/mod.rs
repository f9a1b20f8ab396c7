//! `telcon archive`: for auditors, records officers and custodians. Needs no server.

mod auditor;
mod lines;
mod list;
mod memoranda;
mod open;
mod opening;
mod verify;

pub use auditor::{Auditor, GRACE_MS, Known, OfficeVerifier, read_note};
pub use open::open_record;

use crate::office::digest;
use anyhow::Context as _;
use clap::{Args, Subcommand};
use std::{path::PathBuf, process::ExitCode};

/// Exit code: intact, and something is missing that should be there.
const GAPS: u8 = 3;
/// Exit code: damaged.
const DAMAGED: u8 = 1;

/// `telcon archive …`.
#[derive(Subcommand)]
pub enum ArchiveCommand {
    /// Verify an archive offline: log, records, signatures, missing records.
    Verify(verify::VerifyArgs),
    /// List the calls in an archive: when, who, what is kept of them.
    List(list::ListArgs),
    /// Open a record with a custodian's key.
    Open(open::OpenArgs),
    /// Say who could reach whom on a day, with a custodian's key.
    Lines(lines::LinesArgs),
    /// Print the newest checkpoint that a device has verified, for `verify --checkpoint`.
    Checkpoint(CheckpointArgs),
}

/// What an auditor knows from sources other than the archive, as arguments.
#[derive(Args)]
pub struct KnownArgs {
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
}

impl KnownArgs {
    fn known(&self) -> Known<'_> {
        Known { authority: self.authority, checkpoints: &self.checkpoint, witnesses: &self.witness }
    }
}

/// Arguments of `telcon archive checkpoint`.
#[derive(Args)]
#[command(after_help = "Example: telcon archive checkpoint --device mine.json > seen.txt")]
pub struct CheckpointArgs {
    /// The device's state file.
    #[arg(long)]
    pub device: PathBuf,
}

/// Runs it.
pub fn run(command: ArchiveCommand) -> anyhow::Result<ExitCode> {
    match command {
        ArchiveCommand::Verify(args) => verify::verify(&args),
        ArchiveCommand::List(args) => list::list(&args).map(|()| ExitCode::SUCCESS),
        ArchiveCommand::Open(args) => open::open(&args),
        ArchiveCommand::Lines(args) => lines::lines(&args),
        ArchiveCommand::Checkpoint(args) => checkpoint(&args).map(|()| ExitCode::SUCCESS),
    }
}

fn checkpoint(args: &CheckpointArgs) -> anyhow::Result<()> {
    let state = crate::device::open(&args.device)?;
    let seen = state.log.as_ref().context("this device has never connected, so it has no checkpoint")?;
    crate::output::print(&seen.checkpoint);
    Ok(())
}
