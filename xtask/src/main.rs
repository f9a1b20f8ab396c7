//! What `make` and CI call: `cargo xtask COMMAND`. `cargo xtask help` lists the commands.
//! `scripts/setup.sh` installs Debian packages; everything else happens here.

#[cfg(test)]
mod architecture;
mod bench;
mod contract;
mod demo;
mod fixtures;
mod fuzz;
mod metadata;
mod network;
mod peers;
mod process;
mod rust;
mod sim;
mod stamp;
mod steps;
#[cfg(test)]
mod structure;
mod tools;
mod transcript;
mod wasm;
mod web;

use anyhow::{Result, bail};
use std::process::ExitCode;

/// A command that is not a step of `test`.
struct Command {
    name: &'static str,
    about: &'static str,
    run: fn(&[String]) -> Result<()>,
}

const COMMANDS: &[Command] = &[
    Command { name: "build", about: "build the command and the web pages", run: |_| demo::build() },
    Command { name: "run", about: "build, then start the demonstration office; arguments go to it", run: demo::run },
    Command { name: "test", about: "all steps below, or the named ones", run: steps::run },
    Command {
        name: "contract",
        about: "[--write]: generate docs/api and the page's types, and compare or write them",
        run: contract::command,
    },
    Command { name: "bench", about: "criterion benchmarks; arguments go to cargo bench", run: bench::run },
    Command {
        name: "bench-network",
        about: "speech over impaired networks: writes docs/network.md",
        run: network::bench,
    },
    Command {
        name: "bench-transcript",
        about: "what the transcript gets wrong and invents: writes docs/transcript.md",
        run: transcript::bench,
    },
    Command { name: "bench-peers", about: "[PART...]: our relay beside Janus and coturn", run: peers::bench },
    Command { name: "bench-office", about: "load test of a server; arguments go to it", run: peers::bench_office },
    Command {
        name: "recognizer",
        about: "[--model tiny.en|base]: fetch the speech engine, which plain cargo commands need, or a speech model",
        run: fixtures::recognizer_command,
    },
    Command {
        name: "sim",
        about: "[--seeds N] [--first N]: simulate offices, 10,000 unless told otherwise",
        run: sim::run,
    },
    Command { name: "fuzz", about: "[TARGET] [--seconds N]: fuzz the parsers", run: fuzz::run },
    Command {
        name: "fixtures",
        about: "install external test dependencies (speech model, tools, servers) and print their paths",
        run: |_| {
            for (name, path) in fixtures::for_tests()? {
                println!("{name}={}", path.display());
            }
            Ok(())
        },
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {failure:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[String]) -> Result<()> {
    let Some((name, rest)) = arguments.split_first() else {
        help();
        return Ok(());
    };
    if matches!(name.as_str(), "help" | "--help" | "-h") {
        help();
        return Ok(());
    }
    if let Some(command) = COMMANDS.iter().find(|command| command.name == name) {
        return (command.run)(rest);
    }
    if steps::find(name).is_some() {
        return steps::run(std::slice::from_ref(name));
    }
    bail!("no command {name:?}; `cargo xtask help` lists them")
}

fn help() {
    let names = COMMANDS.iter().map(|command| command.name).chain(steps::STEPS.iter().map(|step| step.name));
    let width = names.map(str::len).max().unwrap_or_default();
    println!("cargo xtask COMMAND\n");
    for command in COMMANDS {
        println!("  {:<width$}  {}", command.name, command.about);
    }
    println!("\nthe steps of `cargo xtask test`, each also a command of its own:\n");
    for step in steps::STEPS {
        println!("  {:<width$}  {}", step.name, step.about);
    }
}
