//! `telcon log`: verifies an office's log from outside, over HTTP, and follows it for the devices of a person.

mod evidence;
mod person;
mod source;
mod state;
mod verify;
mod watch;

use crate::output::tell;
use clap::{Args, Subcommand};
use std::{path::PathBuf, process::ExitCode};

/// Exit code: the log was forked, rolled back or damaged.
const NOT_CONSISTENT: u8 = 1;
/// Exit code: nothing was verified, because of wrong usage or because the office cannot be reached.
const NOT_VERIFIED: u8 = 2;

/// `telcon log …`.
#[derive(Subcommand)]
pub enum LogCommand {
    /// Verify the whole log of an office from outside: signature, history, entries.
    Verify(verify::VerifyArgs),
    /// Report every device that was ever enrolled in a person's name, and follow the log for changes.
    Watch(watch::WatchArgs),
}

/// What is remembered between runs.
#[derive(Args)]
pub struct StateArgs {
    /// File that remembers the newest checkpoint that was verified: the log has to continue it. It is created, and replaced
    /// after each verification. If the log does not continue it, the file stays, and evidence is written beside it.
    #[arg(long)]
    pub state: Option<PathBuf>,
}

/// Runs it.
pub fn run(command: LogCommand) -> ExitCode {
    let result = match command {
        LogCommand::Verify(args) => verify::verify(&args),
        LogCommand::Watch(args) => watch::watch(&args),
    };
    result.unwrap_or_else(|error| {
        tell!("telcon: {}", crate::causes(&error));
        ExitCode::from(NOT_VERIFIED)
    })
}
