//! Fuzzing of all parsers of untrusted input. The targets are in `fuzz/`.

use crate::{process, tools};
use anyhow::{Context, Result, bail, ensure};
use std::time::Duration;

/// Default duration per target: enough for shallow bugs, short enough for interactive use.
const DEFAULT: Duration = Duration::from_secs(60);

/// `[TARGET] [--seconds N]`: that target, or all in turn.
pub fn run(arguments: &[String]) -> Result<()> {
    let (only, time) = parse(arguments)?;
    let targets = targets()?;
    if let Some(only) = &only {
        ensure!(targets.contains(only), "no fuzz target {only:?}; there are {}", targets.join(", "));
    }
    for target in targets.iter().filter(|target| only.as_ref().is_none_or(|only| only == *target)) {
        println!("\n==> fuzz {target} for {} s", time.as_secs());
        let limit = format!("-max_total_time={}", time.as_secs());
        let mut command = tools::FUZZ.command(&["fuzz", "run", target, "--", &limit, "-print_final_stats=1"])?;
        // Coverage and sanitizer options are nightly-only; this variable unlocks them on stable Rust.
        process::run(command.env("RUSTC_BOOTSTRAP", "1"))
            .with_context(|| format!("{target}: the failing input is in fuzz/artifacts/{target}"))?;
    }
    Ok(())
}

/// Checks that every fuzz target compiles. They are outside the workspace, so no other step would notice a changed API.
/// Uses a separate target directory, as their profiles differ, and no sanitizers.
pub fn check() -> Result<()> {
    let mut command = process::cargo(&["check", "--manifest-path", "fuzz/Cargo.toml", "--bins"]);
    process::run(command.env("CARGO_TARGET_DIR", process::target_dir().join("fuzz")))
}

fn parse(arguments: &[String]) -> Result<(Option<String>, Duration)> {
    let (mut only, mut time) = (None, DEFAULT);
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        if argument == "--seconds" {
            let seconds = rest.next().context("--seconds needs a number")?;
            time =
                Duration::from_secs(seconds.parse().with_context(|| format!("{seconds:?} is no number of seconds"))?);
        } else if argument.starts_with('-') || only.is_some() {
            bail!("usage: cargo xtask fuzz [TARGET] [--seconds N]");
        } else {
            only = Some(argument.clone());
        }
    }
    Ok((only, time))
}

/// Names of all targets: the files in `fuzz/fuzz_targets`.
fn targets() -> Result<Vec<String>> {
    let folder = process::root().join("fuzz/fuzz_targets");
    let entries = std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            names.extend(path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned));
        }
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(words: &str) -> Result<(Option<String>, Duration)> {
        parse(&words.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn arguments_are_parsed() {
        assert_eq!(arguments("").unwrap(), (None, DEFAULT));
        assert_eq!(arguments("tile --seconds 5").unwrap(), (Some("tile".into()), Duration::from_secs(5)));
        for wrong in ["--seconds", "--seconds soon", "a b", "--help"] {
            assert!(arguments(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn each_target_is_built_by_the_manifest() {
        let manifest = std::fs::read_to_string(process::root().join("fuzz/Cargo.toml")).unwrap();
        let targets = targets().unwrap();
        assert!(!targets.is_empty());
        for target in &targets {
            assert!(
                manifest.contains(&format!("path = \"fuzz_targets/{target}.rs\"")),
                "{target} is not in fuzz/Cargo.toml"
            );
        }
    }
}
