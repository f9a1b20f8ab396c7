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
    saturation::is_exhausted,
    testbed::{Cores, Testbed},
};
use anyhow::{Context, Result, ensure};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::iter;
use telcon_proto::limits::MAX_MEMBERS;

/// Packet loss above which a load counts as not sustained. On one machine nothing is lost before a queue overflows; this
/// tolerates a single short interruption.
const MAX_LOSS: f64 = 0.001;
/// 99th percentile of latency above which a load counts as not sustained, nanoseconds: the duration of a usual frame. Packets
/// that wait longer are in a queue that grows.
const MAX_LATENCY_P99: u64 = SECOND / 50;
/// CPU share of all other processes above which a round is repeated: more than the services of an idle machine use.
const MAX_OTHERS_SHARE: f64 = 0.1;
/// Share of a round that the generator may wait for its core before the round is repeated. Shows interference by
/// short-lived processes, which [`MAX_OTHERS_SHARE`] misses. More would be visible in the 99th percentile of latency.
const MAX_WAITED_SHARE: f64 = 0.02;
/// Attempts per round that was disturbed, and per load that was not sustained: one accident, and one more.
const ATTEMPTS: u32 = 3;

/// Measures, and passes each round to `on_round` when it is complete.
///
/// # Errors
/// When a peer does not start, an endpoint cannot connect, or the run is cancelled.
pub fn run(options: &Options, mut on_round: impl FnMut(&Round)) -> Result<Run> {
    ensure!(options.calls >= 1, "a run has at least one call");
    ensure!(options.parties >= 2, "a call has at least two parties");
    ensure!(options.parties as usize <= MAX_MEMBERS, "our relay allows at most {MAX_MEMBERS} parties per call");
    ensure!(matches!(options.frame_ms, 10 | 20 | 40 | 60), "Opus has frames of 10, 20, 40 or 60 ms");
    raise_fd_limit()?;
    let cores = Cores::assign()?;
    if let Some(cores) = cores {
        process::pin(cores.generator)?;
    }
    // Janus gathers no candidates on loopback: a network namespace gives it another interface.
    let needs_netns = options.netns || options.peers.contains(&Peer::Janus);
    let testbed = if needs_netns { Testbed::netns(cores)? } else { Testbed::loopback(cores) };
    let mut rounds = Vec::new();
    let mut baselines: Vec<Baseline> = Vec::new();
    let mut push = |round: Round| {
        on_round(&round);
        rounds.push(round);
    };
    match &options.plan {
        LoadPlan::Rounds => run_rounds(options, &testbed, &mut baselines, &mut push)?,
        LoadPlan::Step => {
            let loads = iter::successors(Some(options.calls), |calls| Some(calls + calls.div_ceil(4)));
            for peer in &options.peers {
                while_sustained(options, &testbed, *peer, loads.clone(), &mut push)?;
            }
        }
        LoadPlan::Curve(loads) => {
            for peer in &options.peers {
                while_sustained(options, &testbed, *peer, loads.iter().copied(), &mut push)?;
            }
        }
        LoadPlan::Flood(rates) => {
            for peer in &options.peers {
                run_flood(options, &testbed, *peer, rates, &mut push)?;
            }
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

/// Measures all peers in each round, with a process of their own.
fn run_rounds(
    options: &Options,
    testbed: &Testbed,
    baselines: &mut Vec<Baseline>,
    mut on_round: impl FnMut(Round),
) -> Result<()> {
    let no_warm_up = options.rounds == 0;
    for number in 0..=options.rounds {
        if !options.idle {
            baselines.push(baseline::measure(testbed, &options.program, &options.cancellation)?);
        }
        for peer in &options.peers {
            let is_measured = no_warm_up || number > 0;
            for left in (0..ATTEMPTS).rev() {
                let figures = one_round(options, testbed, *peer)?;
                let disturbed = figures.others_share > MAX_OTHERS_SHARE || figures.waited_share > MAX_WAITED_SHARE;
                let accepted = no_warm_up || !disturbed;
                // On a machine that is never quiet the last attempt counts; its disturbance is part of the report.
                let counts = is_measured && (accepted || left == 0);
                on_round(Round { peer: *peer, number, counts, figures });
                if counts || !is_measured {
                    break;
                }
            }
        }
    }
    Ok(())
}

/// Measures these numbers of calls, ascending, with one process of the peer, until one is not sustained.
fn while_sustained(
    options: &Options,
    testbed: &Testbed,
    peer: Peer,
    loads: impl Iterator<Item = u32>,
    mut on_round: impl FnMut(Round),
) -> Result<()> {
    let mut trial = Trial::start(options, testbed, peer)?;
    let mut number = 0;
    for calls in loads {
        let mut sustained = false;
        for _ in 0..ATTEMPTS {
            trial.fill(calls)?;
            let figures = trial.measure(options)?;
            sustained = figures.loss <= MAX_LOSS && figures.latency.p99 <= MAX_LATENCY_P99;
            let exhausted = is_exhausted(figures.generator_share);
            on_round(Round { peer, number, counts: sustained, figures });
            number += 1;
            if exhausted {
                return Ok(());
            }
            if sustained {
                break;
            }
        }
        if !sustained {
            return Ok(());
        }
    }
    Ok(())
}

/// Measures one load beside each rate of unsolicited datagrams, with one process of the peer.
fn run_flood(
    options: &Options,
    testbed: &Testbed,
    peer: Peer,
    rates: &[u32],
    mut on_round: impl FnMut(Round),
) -> Result<()> {
    let mut trial = Trial::start(options, testbed, peer)?;
    trial.fill(options.calls)?;
    for (number, rate) in (0..).zip(rates) {
        let figures = trial.measure_under_flood(options, *rate)?;
        on_round(Round { peer, number, counts: true, figures });
    }
    Ok(())
}
