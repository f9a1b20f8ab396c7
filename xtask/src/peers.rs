//! `make bench-peers`: our relay beside Janus and coturn, and the document about it.

use crate::{demo, process};
use anyhow::{Context, Result, bail};
use std::{fs, path::Path};

/// One command to `telcon bench relay`, and the name of the file that it fills.
struct Part {
    name: &'static str,
    arguments: &'static [&'static str],
}

/// Everybody, in turns.
const EVERYBODY: [&str; 8] = ["--peer", "telcon", "--peer", "janus", "--peer", "coturn", "--peer", "none"];
/// Three rounds count. A quarter of an hour in all is what somebody waits for.
const ROUNDS: [&str; 6] = ["--rounds", "3", "--warm", "1", "--seconds", "4"];

const PARTS: &[Part] = &[
    Part { name: "30x4", arguments: &["--calls", "30", "--parties", "4"] },
    Part { name: "20x2", arguments: &["--calls", "20", "--parties", "2"] },
    Part { name: "6x8", arguments: &["--calls", "6", "--parties", "8"] },
    Part { name: "30x4-60ms", arguments: &["--calls", "30", "--parties", "4", "--frame", "60"] },
    // A hundred calls of which nobody says a word. With fewer, what the first leg costs would be counted as theirs.
    Part { name: "idle", arguments: &["--calls", "100", "--parties", "4", "--idle"] },
    Part { name: "step-janus", arguments: &["--peer", "janus", "--step", "--calls", "30"] },
    Part { name: "step-coturn", arguments: &["--peer", "coturn", "--cable", "--step", "--calls", "40"] },
    Part { name: "step-telcon", arguments: &["--cable", "--step", "--calls", "150"] },
    Part { name: "curve", arguments: &["--cable", "--calls-curve", "10,20,40,80,160,320,480,640,800,1000"] },
    Part { name: "flood", arguments: &["--cable", "--calls", "30", "--flood", "0,10000,50000,100000,0"] },
];

/// Measures all parts, or those that are named, and writes `docs/benchmarks.md` from all that were ever measured here.
pub fn bench(arguments: &[String]) -> Result<()> {
    if let Some(unknown) =
        arguments.iter().find(|name| *name != "document" && PARTS.iter().all(|part| part.name != **name))
    {
        let names: Vec<&str> = PARTS.iter().map(|part| part.name).collect();
        bail!("no part {unknown:?}; there are {}, and `document`, which measures nothing", names.join(", "));
    }
    let telcon = demo::tested_binary()?;
    let folder = process::target_dir().join("bench-peers");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for part in PARTS {
        if arguments.is_empty() || arguments.iter().any(|name| name == part.name) {
            measure(&telcon, &folder, part)?;
        }
    }
    let mut document = process::command(&telcon);
    document.args(["bench", "document", "--to", "docs", "--from"]).arg(&folder);
    process::run(&mut document)?;
    println!("docs/benchmarks.md is written, from {}", folder.display());
    Ok(())
}

fn measure(telcon: &Path, folder: &Path, part: &Part) -> Result<()> {
    println!("\n{}", part.name);
    // Whoever ends us ends it as well, and gives it time to clear up (setpriv belongs to util-linux).
    let mut command = process::command("setpriv");
    command.args(["--pdeathsig", "TERM"]).arg(telcon).args(["bench", "relay"]).args(part.arguments);
    match part.arguments {
        steps if ["--step", "--calls-curve", "--flood"].iter().any(|ladder| steps.contains(ladder)) => {
            command.args(["--warm", "1", "--seconds", "3"]);
        }
        // What a leg holds is the same each time.
        idle if idle.contains(&"--idle") => {
            command.args(["--peer", "telcon", "--peer", "janus", "--peer", "coturn", "--cable"]);
            command.args(["--rounds", "0", "--warm", "1", "--seconds", "1"]);
        }
        _ => {
            command.args(EVERYBODY).args(ROUNDS);
        }
    }
    command.arg("--json").arg(folder.join(part.name).with_extension("json"));
    process::run(&mut command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_has_a_file_of_its_own() {
        let mut names: Vec<&str> = PARTS.iter().map(|part| part.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), PARTS.len());
        assert!(names.iter().all(|name| !name.contains('.')), "an extension is added to it");
    }

    #[test]
    fn a_part_that_is_not_there_is_refused_before_anything_is_built() {
        assert!(bench(&["30×4".to_owned()]).unwrap_err().to_string().contains("30x4"));
    }
}
