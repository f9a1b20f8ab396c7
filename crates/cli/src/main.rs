//! The `telcon` command: parse, run, exit code.

// They panic when the output is closed or full, and let text of others act on the terminal: `output` is the one way.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod archive;
mod bench;
mod call;
mod code;
mod custodian;
mod demo;
mod device;
mod document;
mod log;
mod migrate;
mod new_office;
mod note;
mod office;
mod office_init;
mod output;
mod qr;
mod questions;
mod registrar;
mod relay;
mod secret;
mod serve;
mod store;
mod trace;
#[cfg(test)]
mod usage_tests;

use clap::{Parser, Subcommand};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use output::tell;
use std::process::ExitCode;

/// Calls between leaders: end-to-end encrypted, verified, and on the record.
#[derive(Parser)]
#[command(
    name = "telcon",
    version,
    arg_required_else_help = true,
    after_help = "Exit codes: 0 success, 1 refused or failed, 2 wrong usage;\n`archive verify` and `archive open` also 3: genuine, and something is missing;\n`log verify` and `log watch`: 1 the log is not consistent, 2 it was not verified.\n\
                  TELCON_LOG sets the log level, for example TELCON_LOG=telcon=debug."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a demonstration office on this machine, make a call in it, and keep it running.
    Demo(demo::DemoArgs),
    /// Create an office step by step, with its first security officer.
    #[command(subcommand)]
    Office(office_init::OfficeCommand),
    /// Create an office in one line: authority, log key, custodian key.
    Init(new_office::InitArgs),
    /// Run an office's server.
    Serve(serve::ServeArgs),
    /// Move an office's database and sealed files to PostgreSQL and S3.
    Migrate(migrate::MigrateArgs),
    /// Run a standalone relay, on another machine than the server.
    Relay(relay::RelayArgs),
    /// Create a single-use link that enrols a device for a person.
    Invite(office::InviteArgs),
    /// Let a security officer's device enrol people.
    Appoint(registrar::AppointArgs),
    /// Print the request with which a security officer's device asks to be appointed.
    RequestAppointment(registrar::RequestArgs),
    /// Change the passphrase of the authority's key.
    #[command(subcommand)]
    Authority(office::AuthorityCommand),
    /// Make a custodian's key, on the custodian's own machine.
    #[command(subcommand)]
    Custodian(custodian::CustodianCommand),
    /// Enrol this machine as a device, with a link.
    Enrol(device::EnrolArgs),
    /// List the enrolled devices.
    Devices(office::DevicesArgs),
    /// Revoke a device immediately.
    Revoke(office::RevokeArgs),
    /// Ring or answer from a terminal, with audio files.
    Call(call::CallArgs),
    /// Say how well a leaked text fits each copy of a memorandum in circulation: probabilities, never a culprit.
    Trace(trace::TraceArgs),
    /// Write, list and read sealed documents from a terminal.
    #[command(subcommand)]
    Document(document::DocumentCommand),
    /// Run a note-taker.
    Note(note::NoteArgs),
    /// Verify an archive, list its calls, or open a record in it.
    #[command(subcommand)]
    Archive(archive::ArchiveCommand),
    /// Verify an office's log from outside, or follow it for the devices of a person.
    #[command(subcommand)]
    Log(log::LogCommand),
    /// Measure a relay under load.
    #[command(subcommand)]
    Bench(bench::BenchCommand),
}

/// The error and its causes, without repetition: many errors include their cause in their text. Lines after the first are indented,
/// so that text of others in an error cannot pass for a line of this program.
fn causes(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    let mut lines = text.lines();
    let mut told = lines.next().unwrap_or_default().to_owned();
    for line in lines {
        told = format!("{told}\n    {}", line.trim_start());
    }
    told
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("TELCON_LOG")
                .unwrap_or_else(|_| "error,is=off,telcon=info".into()),
        )
        .with_writer(|| output::LogWriter)
        // Colours are control sequences, which the writer removes wherever they come from.
        .with_ansi(false)
        .without_time()
        .init();
    // Each connection is a file. If the limit cannot be raised, the current one remains.
    if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, most, most);
    }
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            tell!("telcon: cannot start threads: {error}");
            return ExitCode::from(1);
        }
    };
    let result = runtime.block_on(async {
        match cli.command {
            Command::Demo(args) => demo::run(args).await,
            Command::Office(command) => office_init::run(&command),
            Command::Init(args) => new_office::init(&args),
            Command::Serve(args) => serve::run(args).await,
            Command::Migrate(args) => tokio::task::block_in_place(|| migrate::run(&args)),
            Command::Relay(args) => relay::run(args).await,
            Command::Invite(args) => office::invite(args),
            Command::Appoint(args) => registrar::appoint(&args),
            Command::RequestAppointment(args) => registrar::request(&args),
            Command::Authority(command) => office::authority_passphrase(&command),
            Command::Custodian(command) => custodian::run(&command),
            Command::Enrol(args) => device::enrol(args),
            Command::Devices(args) => tokio::task::block_in_place(|| office::devices(&args)),
            Command::Revoke(args) => office::revoke(args),
            Command::Call(args) => call::call(args).await,
            Command::Trace(args) => trace::run(&args),
            Command::Document(command) => document::run(command).await,
            Command::Note(args) => note::note(args).await,
            Command::Archive(command) => return archive::run(command),
            Command::Log(command) => return Ok(tokio::task::block_in_place(|| log::run(command))),
            Command::Bench(command) => bench::run(command).await,
        }
        .map(|()| ExitCode::SUCCESS)
    });
    runtime.shutdown_background();
    match result {
        Ok(code) => match output::failure() {
            None => code,
            Some(error) => {
                tell!("telcon: cannot write to standard output: {error}");
                ExitCode::from(1)
            }
        },
        Err(error) => {
            tell!("telcon: {}", causes(&error));
            ExitCode::from(1)
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_error_has_one_line_of_its_own() {
        let error = anyhow::anyhow!("gone\nentries     everything fine\r\nLog consistent.").context("cannot read it");
        let told = super::causes(&error);
        assert!(told.starts_with("cannot read it: gone\n"), "{told:?}");
        assert!(told.split('\n').skip(1).all(|line| line.starts_with("    ")), "{told:?}");
    }
}
