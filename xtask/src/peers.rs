//! `make bench-peers` and `make bench-office`: the load tests, and the document generated from their results.

use crate::{process, rust};
use anyhow::{Context, Result, bail};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Arguments of one `telcon bench relay`, and the name of its result file.
struct Part {
    name: &'static str,
    arguments: &'static [&'static str],
}

/// All peers, in turns.
const ALL_PEERS: [&str; 8] = ["--peer", "telcon", "--peer", "janus", "--peer", "coturn", "--peer", "none"];
/// Three counted rounds: about a quarter of an hour in all.
const ROUNDS: [&str; 6] = ["--rounds", "3", "--warm", "1", "--seconds", "4"];

const PARTS: &[Part] = &[
    Part { name: "30x4", arguments: &["--calls", "30", "--parties", "4"] },
    Part { name: "20x2", arguments: &["--calls", "20", "--parties", "2"] },
    Part { name: "6x8", arguments: &["--calls", "6", "--parties", "8"] },
    Part { name: "30x4-60ms", arguments: &["--calls", "30", "--parties", "4", "--frame", "60"] },
    // A hundred calls without media. With fewer, one-time allocations would dominate.
    Part { name: "idle", arguments: &["--calls", "100", "--parties", "4", "--idle"] },
    Part { name: "step-janus", arguments: &["--peer", "janus", "--step", "--calls", "30"] },
    Part { name: "step-coturn", arguments: &["--peer", "coturn", "--netns", "--step", "--calls", "40"] },
    Part { name: "step-telcon", arguments: &["--netns", "--step", "--calls", "150"] },
    Part { name: "curve", arguments: &["--netns", "--calls-curve", "10,20,40,80,160,320,480,640,800,1000"] },
    Part { name: "flood", arguments: &["--netns", "--calls", "30", "--flood", "0,10000,50000,100000,0"] },
];

/// Measures all parts, or the named ones, and writes `docs/benchmarks.md` from all results of this clone.
pub fn bench(arguments: &[String]) -> Result<()> {
    if let Some(unknown) =
        arguments.iter().find(|name| *name != "document" && PARTS.iter().all(|part| part.name != **name))
    {
        let names: Vec<&str> = PARTS.iter().map(|part| part.name).collect();
        bail!("no part {unknown:?}; there are {}, and `document`, which measures nothing", names.join(", "));
    }
    let telcon = rust::binary()?;
    let folder = results()?;
    for part in PARTS {
        if arguments.is_empty() || arguments.iter().any(|name| name == part.name) {
            measure(&telcon, &folder, part)?;
        }
    }
    write_document(&telcon, &folder)
}

/// Runs `telcon bench office` with the given arguments, and writes `docs/benchmarks.md`.
pub fn bench_office(arguments: &[String]) -> Result<()> {
    let telcon = rust::optimised_binary()?;
    let folder = results()?;
    // The office is created on the disk of the clone: the directory for temporary files may be in memory.
    let scratch = process::target_dir().join("bench-office");
    fs::create_dir_all(&scratch).with_context(|| format!("cannot create {}", scratch.display()))?;
    let mut command = command(&telcon);
    command.args(["bench", "office"]).args(arguments).arg("--json").arg(folder.join("office.json"));
    process::run(command.env("TMPDIR", scratch))?;
    write_document(&telcon, &folder)
}

/// The directory of all result files.
fn results() -> Result<PathBuf> {
    let folder = process::target_dir().join("bench-peers");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(folder)
}

fn write_document(telcon: &Path, folder: &Path) -> Result<()> {
    let mut document = process::command(telcon);
    document.args(["bench", "document", "--to", "docs", "--from"]).arg(folder);
    process::run(&mut document)?;
    println!("docs/benchmarks.md is written, from {}", folder.display());
    Ok(())
}

/// Runs `telcon` under `setpriv` (util-linux), which sends it SIGTERM when xtask ends, so that it can clean up.
fn command(telcon: &Path) -> std::process::Command {
    let mut command = process::command("setpriv");
    command.args(["--pdeathsig", "TERM"]).arg(telcon);
    command
}

fn measure(telcon: &Path, folder: &Path, part: &Part) -> Result<()> {
    println!("\n{}", part.name);
    let mut command = command(telcon);
    command.args(["bench", "relay"]).args(part.arguments);
    match part.arguments {
        varying if ["--step", "--calls-curve", "--flood"].iter().any(|plan| varying.contains(plan)) => {
            command.args(["--warm", "1", "--seconds", "3"]);
        }
        // Memory per leg does not vary between rounds.
        idle if idle.contains(&"--idle") => {
            command.args(["--peer", "telcon", "--peer", "janus", "--peer", "coturn", "--netns"]);
            command.args(["--rounds", "0", "--warm", "1", "--seconds", "1"]);
        }
        _ => {
            command.args(ALL_PEERS).args(ROUNDS);
        }
    }
    command.arg("--json").arg(folder.join(part.name).with_extension("json"));
    process::run(&mut command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_have_distinct_files() {
        let mut names: Vec<&str> = PARTS.iter().map(|part| part.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), PARTS.len());
        assert!(names.iter().all(|name| !name.contains('.')), "an extension is appended");
    }

    #[test]
    fn an_unknown_part_is_refused_before_anything_is_built() {
        assert!(bench(&["30×4".to_owned()]).unwrap_err().to_string().contains("30x4"));
    }
}
