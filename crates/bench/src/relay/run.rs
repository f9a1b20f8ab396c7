//! A run: starts each peer in turn, fills it with calls, measures it, and ends it.

use crate::{
    clock::SECOND,
    process,
    relay::{
        baseline::{self, Baseline},
        options::{LoadPlan, Options},
        peer::Peer,
        report::{Figures, Load, Round, Run},
        trial::Trial,
    },
    testbed::{Cores, Testbed},
};
use anyhow::{Context, Result, ensure};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Packet loss above which a load counts as not sustained.
const MAX_LOSS: f64 = 0.001;
/// 99th percentile of latency above which a load counts as not sustained, nanoseconds.
const MAX_LATENCY_P99: u64 = SECOND / 50;
/// CPU share of the generator's core above which the generator is the bottleneck.
const MAX_GENERATOR_SHARE: f64 = 0.97;
/// CPU share of all other processes above which a round is repeated.
const MAX_OTHERS_SHARE: f64 = 0.1;
/// Share of a round that the generator may wait for its core before the round is repeated. Shows interference by
/// short-lived processes, which [`MAX_OTHERS_SHARE`] misses.
const MAX_WAITED_SHARE: f64 = 0.02;
/// Attempts per round that was disturbed, and per load that was not sustained.
const ATTEMPTS: u32 = 3;

/// Measures, and passes each round to `on_round` when it is complete.
///
/// # Errors
/// When a peer does not start, an endpoint cannot connect, or the run is cancelled.
pub fn run(options: &Options, mut on_round: impl FnMut(&Round)) -> Result<Run> {
    ensure!(options.parties >= 2 && options.calls >= 1, "a call has at least two parties");
    ensure!(options.parties <= 8, "our relay allows at most eight parties per call");
    ensure!(matches!(options.frame_ms, 10 | 20 | 40 | 60), "Opus has frames of 10, 20, 40 or 60 ms");
    raise_fd_limit()?;
    let cores = Cores::assign()?;
    if let Some(cores) = cores {
        process::pin(cores.generator)?;
    }
    let needs_netns = options.netns || options.peers.contains(&Peer::Janus);
    let testbed = if needs_netns { Testbed::netns(cores)? } else { Testbed::loopback(cores) };
    let mut rounds = Vec::new();
    let mut baselines: Vec<Baseline> = Vec::new();
    if options.plan == LoadPlan::Rounds {
        let first_counts = options.rounds == 0;
        for number in 0..=options.rounds {
            if !options.idle {
                baselines.push(baseline::measure(&testbed, &options.program, &options.stop)?);
            }
            for peer in &options.peers {
                let meant_to_count = first_counts || number > 0;
                for left in (0..ATTEMPTS).rev() {
                    let figures = one_round(options, &testbed, *peer)?;
                    let disturbed = figures.others_share > MAX_OTHERS_SHARE || figures.waited_share > MAX_WAITED_SHARE;
                    let quiet = first_counts || !disturbed;
                    // On a machine that is never quiet the last attempt counts; its disturbance is part of the report.
                    let counts = meant_to_count && (quiet || left == 0);
                    let round = Round { peer: *peer, number, counts, figures };
                    on_round(&round);
                    rounds.push(round);
                    if counts || !meant_to_count {
                        break;
                    }
                }
            }
        }
    } else {
        for peer in &options.peers {
            run_plan(options, &testbed, *peer, |round| {
                on_round(&round);
                rounds.push(round);
            })?;
        }
    }
    Ok(Run {
        machine: process::machine(),
        network: if testbed.is_netns() { "veth between two namespaces" } else { "loopback" }.to_owned(),
        pinned: cores.is_some(),
        load: Load { calls: options.calls, parties: options.parties, frame_ms: options.frame_ms, idle: options.idle },
        plan: options.plan.name().to_owned(),
        baseline: Baseline::minimum(&baselines),
        rounds,
    })
}

/// Raises the limit of open files to the maximum.
pub(crate) fn raise_fd_limit() -> Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).context("cannot raise the limit of open files")
}

fn one_round(options: &Options, testbed: &Testbed, peer: Peer) -> Result<Figures> {
    let mut trial = Trial::start(options, testbed, peer)?;
    // The first call causes one-time allocations; memory growth is measured after it.
    trial.fill(1)?;
    trial.record_memory()?;
    trial.fill(options.calls)?;
    trial.measure(options)
}

/// Measures a plan other than [`LoadPlan::Rounds`] in one process.
fn run_plan(options: &Options, testbed: &Testbed, peer: Peer, mut on_round: impl FnMut(Round)) -> Result<()> {
    let mut trial = Trial::start(options, testbed, peer)?;
    let mut number = 0;
    let mut sustains = |trial: &mut Trial<'_>, calls: u32| -> Result<bool> {
        let mut sustained = false;
        for _ in 0..ATTEMPTS {
            trial.fill(calls)?;
            let figures = trial.measure(options)?;
            sustained = figures.loss <= MAX_LOSS && figures.latency.p99 <= MAX_LATENCY_P99;
            let saturated = figures.generator_share > MAX_GENERATOR_SHARE;
            on_round(Round { peer, number, counts: sustained, figures });
            number += 1;
            if saturated {
                return Ok(false);
            }
            if sustained {
                break;
            }
        }
        Ok(sustained)
    };
    match &options.plan {
        LoadPlan::Flood(rates) => {
            trial.fill(options.calls)?;
            for (number, rate) in (0..).zip(rates) {
                let figures = trial.measure_under_flood(options, *rate)?;
                on_round(Round { peer, number, counts: true, figures });
            }
            Ok(())
        }
        LoadPlan::Curve(steps) => {
            for calls in steps {
                if !sustains(&mut trial, *calls)? {
                    return Ok(());
                }
            }
            Ok(())
        }
        LoadPlan::Rounds | LoadPlan::Step => {
            let mut calls = options.calls;
            while sustains(&mut trial, calls)? {
                calls += calls.div_ceil(4);
            }
            Ok(())
        }
    }
}
