//! The steps of `cargo xtask test`. Each is also a command; a failure prints how to repeat it.

use crate::{contract, fuzz, rust, wasm, web};
use anyhow::{Result, bail};
use std::io::Write;
use std::time::{Duration, Instant};

/// One check.
pub struct Step {
    /// The command that runs it alone.
    pub name: &'static str,
    /// What it checks.
    pub about: &'static str,
    run: fn() -> Result<()>,
}

/// All steps; fast ones first.
pub const STEPS: &[Step] = &[
    Step { name: "fmt", about: "Rust sources are formatted", run: rust::fmt },
    Step { name: "binary", about: "the command builds", run: || rust::binary().map(drop) },
    Step { name: "demo", about: "the main job, end to end, with real sockets and real speech", run: crate::demo::once },
    Step { name: "clippy", about: "no warnings", run: rust::clippy },
    Step { name: "wasm", about: "the call engine builds for browsers", run: || wasm::build().map(drop) },
    Step { name: "web", about: "the web pages build; view model tests, type checks", run: web::test },
    Step { name: "contract", about: "docs/api and the page's types match the Rust types", run: contract::check },
    Step { name: "unit", about: "all Rust tests", run: rust::unit },
    Step { name: "fuzz-targets", about: "the fuzz targets compile", run: fuzz::check },
    Step { name: "doctest", about: "documentation examples pass", run: rust::doctest },
    Step { name: "doc", about: "documentation builds", run: rust::doc },
    Step { name: "deny", about: "licences, sources and vulnerabilities of dependencies", run: rust::deny },
    Step { name: "test-wasm", about: "the call engine's tests, in WebAssembly", run: wasm::test },
    Step { name: "e2e", about: "end-to-end calls between browsers", run: web::e2e },
];

/// The step of that name.
pub fn find(name: &str) -> Option<&'static Step> {
    STEPS.iter().find(|step| step.name == name)
}

/// Runs the named steps, or all. Continues after a failure, so that one run reports all failures.
pub fn run(names: &[String]) -> Result<()> {
    let chosen = choose(names)?;
    let mut results = Vec::new();
    for (number, step) in chosen.iter().enumerate() {
        println!("\n==> [{}/{}] {}: {}", number + 1, chosen.len(), step.name, step.about);
        let _ = std::io::stdout().flush();
        let start = Instant::now();
        let outcome = (step.run)();
        let took = start.elapsed();
        if let Err(failure) = &outcome {
            println!("{failure:#}\n    to repeat: cargo xtask {}", step.name);
        }
        println!("<== {}: {} in {}", step.name, if outcome.is_ok() { "ok" } else { "FAILED" }, human(took));
        results.push((step.name, outcome.is_ok(), took));
    }
    summarise(&results)
}

fn choose(names: &[String]) -> Result<Vec<&'static Step>> {
    if names.is_empty() {
        return Ok(STEPS.iter().collect());
    }
    names
        .iter()
        .map(|name| find(name).ok_or_else(|| anyhow::anyhow!("no step {name:?}; see cargo xtask help")))
        .collect()
}

fn summarise(results: &[(&str, bool, Duration)]) -> Result<()> {
    println!();
    for (name, ok, took) in results {
        println!("  {:<7} {name:<12} {:>8}", if *ok { "ok" } else { "FAILED" }, human(*took));
    }
    let failed: Vec<_> = results.iter().filter(|(_, ok, _)| !ok).map(|(name, ..)| *name).collect();
    if failed.is_empty() {
        println!("  all in {}", human(results.iter().map(|(.., took)| *took).sum()));
        return Ok(());
    }
    bail!("failed: {}. To repeat one: cargo xtask {}", failed.join(", "), failed[0])
}

fn human(time: Duration) -> String {
    let seconds = time.as_secs_f32();
    if seconds < 60.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{}:{:02} min", seconds as u64 / 60, seconds as u64 % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_fails_the_run_and_is_named() {
        let ok = ("fmt", true, Duration::from_millis(1500));
        assert!(summarise(&[ok]).is_ok());
        let failure = summarise(&[ok, ("deny", false, Duration::ZERO)]).unwrap_err().to_string();
        assert!(failure.contains("cargo xtask deny") && !failure.contains("fmt"), "{failure}");
    }

    #[test]
    fn an_unknown_step_is_refused_before_anything_runs() {
        assert!(choose(&["fmt".into(), "nope".into()]).is_err());
        assert_eq!(choose(&[]).unwrap().len(), STEPS.len());
    }

    #[test]
    fn durations_are_formatted_for_people() {
        assert_eq!(human(Duration::from_millis(1540)), "1.5 s");
        assert_eq!(human(Duration::from_secs(125)), "2:05 min");
    }
}
