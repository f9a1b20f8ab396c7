//! Runs seeds of the simulation, spread over the machine's cores.

use std::sync::{
    Mutex,
    atomic::{AtomicU64, Ordering},
};
use telcon_sim::{Echo, Outcome, run};

/// Seeds that a run of the test tries unless `TELCON_SIM_SEEDS` says otherwise.
const SEEDS: u64 = 200;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text:?}")))
}

fn report(seed: u64, outcome: &Outcome) -> String {
    let failure = outcome.failure.as_deref().unwrap_or("a panic");
    format!(
        "{}\nseed {seed}: {failure}\nto see it again: TELCON_SIM_SEED={seed} cargo test -p telcon-sim --test seeds -- --nocapture",
        outcome.tail
    )
}

/// A panic is a bug of an engine: it is a failure of its seed like any other.
fn try_seed(seed: u64, echo: Option<Echo>) -> Outcome {
    std::panic::catch_unwind(|| run(seed, echo)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        let failure = Some(format!("panic: {}", text.unwrap_or_default()));
        Outcome { failure, hash: 0, lines: 0, tail: String::new(), line_rings: 0 }
    })
}

#[test]
fn every_seed_keeps_the_promises() {
    if let Some(seed) = number("TELCON_SIM_SEED") {
        let outcome = try_seed(seed, Some(|line| println!("{line}")));
        assert!(outcome.failure.is_none(), "{}", report(seed, &outcome));
        return println!("seed {seed}: {} lines, trace {:016x}", outcome.lines, outcome.hash);
    }
    let (first, seeds) = (number("TELCON_SIM_FIRST").unwrap_or(1), number("TELCON_SIM_SEEDS").unwrap_or(SEEDS));
    let next = AtomicU64::new(first);
    let (failures, line_rings) = (Mutex::new(Vec::new()), AtomicU64::new(0));
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + seeds {
                        return;
                    }
                    let outcome = try_seed(seed, None);
                    line_rings.fetch_add(outcome.line_rings, Ordering::Relaxed);
                    if outcome.failure.is_some() {
                        failures.lock().unwrap().push((seed, outcome));
                    }
                }
            });
        }
    });
    let mut failures = failures.into_inner().unwrap();
    failures.sort_by_key(|(seed, _)| *seed);
    for (seed, outcome) in &failures {
        println!("seed {seed}: {}", outcome.failure.as_deref().unwrap_or_default());
    }
    if let Some((seed, outcome)) = failures.first() {
        panic!("{} of {seeds} seeds failed; the first:\n{}", failures.len(), report(*seed, outcome));
    }
    let line_rings = line_rings.into_inner();
    println!("{seeds} seeds, {line_rings} rings over lines");
    assert!(seeds < 16 || line_rings > seeds / 2, "{line_rings} rings over lines: the plan does not try them");
}

#[test]
fn a_seed_runs_the_same_way_twice() {
    for seed in [3, 4] {
        let (once, twice) = (run(seed, None), run(seed, None));
        assert!(once.lines > 100, "the trace says what happened");
        assert_eq!((once.hash, once.lines), (twice.hash, twice.lines), "seed {seed}");
    }
}
