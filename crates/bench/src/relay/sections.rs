//! The relay's sections of `docs/benchmarks.md`.

use crate::{
    plot::{self, Bars, Line},
    relay::{
        baseline::Baseline,
        peer::Peer,
        report::{Round, Run, Summary},
    },
    saturation::is_exhausted,
    times::{Times, millis},
};
use std::fmt::Write;

const PEERS: [Peer; 3] = [Peer::Telcon, Peer::Janus, Peer::Coturn];

/// Appends the sections of all runs, and passes each chart to `draw`.
pub(crate) fn write(out: &mut String, runs: &[Run], mut draw: impl FnMut(&str, String)) {
    let loads: Vec<&Run> = ordered(runs.iter().filter(|run| run.plan == "rounds" && !run.load.idle));
    let idle: Vec<&Run> = ordered(runs.iter().filter(|run| run.plan == "rounds" && run.load.idle));
    let steps: Vec<&Run> = runs.iter().filter(|run| run.plan == "step").collect();
    let floods: Vec<&Run> = runs.iter().filter(|run| run.plan == "flood").collect();
    let curves: Vec<&Run> = runs.iter().filter(|run| run.plan == "curve").collect();
    let Some(run) = runs.first() else { return };
    let pinned = if run.pinned { "relay and generator pinned to separate cores" } else { "not pinned to cores" };
    let _ = writeln!(out, "Relay. Machine: {}; {pinned}. Network: {}.\n", run.machine.join("; "), run.network);
    for run in &loads {
        load_section(out, run);
    }
    if !loads.is_empty() {
        let groups = loads.iter().map(|run| cost_group(run)).collect::<Vec<_>>();
        draw("cost.svg", plot::bars("CPU time per packet sent", "µs", &PEERS.map(Peer::name), &groups));
        out.push_str("![CPU time per packet sent](benchmarks/cost.svg)\n\n");
        let groups: Vec<Bars> = loads.iter().map(|run| latency_group(run)).collect();
        let title = "Added one-way latency, 99th percentile";
        draw("latency.svg", plot::bars(title, "ms", &PEERS.map(Peer::name), &groups));
        let _ = writeln!(out, "![{title}](benchmarks/latency.svg)\n");
    }
    baseline_section(out, &loads);
    memory_section(out, &loads, &idle);
    if !steps.is_empty() {
        step_section(out, &steps);
        let lines = by_peer(&steps, |round| {
            Some((round.figures.packets_out, round.figures.latency.p99 as f64 / 1e6)).filter(|(x, _)| *x > 0.0)
        });
        let title = "One-way latency, 99th percentile, by load";
        draw("step.svg", plot::lines(title, "packets sent per second", "ms", &lines));
        let _ = writeln!(out, "![{title}](benchmarks/step.svg)\n");
    }
    if !curves.is_empty() {
        curve_section(out, &curves);
        let lines = by_peer(&curves, |round| {
            Some((f64::from(round.figures.calls), round.figures.nanoseconds_per_packet? / 1000.0))
        });
        let title = "CPU time per packet sent, by concurrent calls";
        draw("curve.svg", plot::lines(title, "calls", "µs", &lines));
        let _ = writeln!(out, "![{title}](benchmarks/curve.svg)\n");
    }
    if !floods.is_empty() {
        flood_section(out, &floods);
    }
}

fn ordered<'a>(runs: impl Iterator<Item = &'a Run>) -> Vec<&'a Run> {
    let mut runs: Vec<&Run> = runs.collect();
    runs.sort_by_key(|run| (run.load.frame_ms, std::cmp::Reverse(run.load.calls)));
    runs
}

fn name_of(run: &Run) -> String {
    format!("{} × {}, {} ms", run.load.calls, run.load.parties, run.load.frame_ms)
}

fn load_section(out: &mut String, run: &Run) {
    let load = run.load;
    let _ = writeln!(
        out,
        "## Relay: {} calls of {} parties, {} ms packets\n\n\
         | | packets in /s | packets out /s | loss | µs CPU per packet out (min–max) | packets per CPU second, × Janus | added latency p50 / p99 / p99.9 / max, ms | setup p50 / p99, ms | generator's core | generator waited | other processes |\n\
         |---|---|---|---|---|---|---|---|---|---|---|",
        load.calls, load.parties, load.frame_ms
    );
    for one in run.summaries() {
        let _ = writeln!(out, "{}", row(&one));
    }
    let rounds = run.summaries().first().map_or(0, |one| one.rounds);
    let suites: Vec<String> = run
        .summaries()
        .iter()
        .filter_map(|one| Some(format!("{}: {}", one.peer.name(), one.figures.suite.as_ref()?)))
        .collect();
    let _ = writeln!(out, "\n{rounds} rounds counted; figures are medians. {}.\n", suites.join("; "));
}

fn row(one: &Summary) -> String {
    let figures = &one.figures;
    let dash = || "–".to_owned();
    let micro = |ns: f64| format!("{:.2}", ns / 1000.0);
    let cost = figures.nanoseconds_per_packet.zip(one.range);
    // The row of `none` is absolute: it is subtracted from the others.
    let latency = one.added.unwrap_or(figures.latency);
    format!(
        "| {} | {:.0} | {:.0} | {:.3} % | {} | {} | {} | {} | {:.0} % | {:.1} % | {:.0} % |",
        one.peer.name(),
        figures.packets_in,
        figures.packets_out,
        figures.loss * 100.0,
        cost.map_or_else(dash, |(cost, (least, most))| format!(
            "**{}** ({}–{})",
            micro(cost),
            micro(least),
            micro(most)
        )),
        one.against_janus.map_or_else(dash, |times| format!("{times:.1}")),
        times(latency),
        figures.setup.map_or_else(dash, |setup| format!("{} / {}", millis(setup.p50), millis(setup.p99))),
        figures.generator_share * 100.0,
        figures.waited_share * 100.0,
        figures.others_share * 100.0,
    )
}

fn times(times: Times) -> String {
    [times.p50, times.p99, times.p999, times.max].map(millis).join(" / ")
}

fn cost_group(run: &Run) -> Bars {
    let all = run.summaries();
    let value =
        |peer: Peer| all.iter().find(|one| one.peer == peer)?.figures.nanoseconds_per_packet.map(|ns| ns / 1000.0);
    Bars { name: name_of(run), values: PEERS.map(value).to_vec() }
}

fn latency_group(run: &Run) -> Bars {
    let all = run.summaries();
    let value = |peer: Peer| {
        let one = all.iter().find(|one| one.peer == peer)?;
        Some(one.added.unwrap_or(one.figures.latency).p99 as f64 / 1e6)
    };
    Bars { name: name_of(run), values: PEERS.map(value).to_vec() }
}

/// The lower bound for a relay with one system call per packet, or one per sixteen packets.
fn baseline_section(out: &mut String, runs: &[&Run]) {
    let baselines: Vec<(&Run, Baseline)> = runs.iter().filter_map(|run| Some((*run, run.baseline?))).collect();
    if baselines.is_empty() {
        return;
    }
    out.push_str(
        "## Baseline cost of a packet\n\nCPU time per packet in microseconds, each operation in a tight loop, measured \
         between the rounds of the same run. *Single* and *GSO* are the sums for a packet that is sent; reading and \
         decrypting are divided by the number of its copies. Wake-ups are not included: their cost per packet depends on \
         the number of packets per wake-up.\n\n\
         | | `sendto` | GSO of 16 | `recvmmsg` of 1 | of 32 | AES-GCM encrypt | decrypt | wake-up | single | GSO | \
         Telcon |\n|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for (run, baseline) in baselines {
        let receivers = f64::from(run.load.parties - 1);
        let single = baseline.send + baseline.seal + (baseline.receive + baseline.open) / receivers;
        let gso = baseline.send_sixteen + baseline.seal + (baseline.receive_batch + baseline.open) / receivers;
        let ours = run.summaries().into_iter().find(|one| one.peer == Peer::Telcon);
        let ours = ours.and_then(|one| one.figures.nanoseconds_per_packet);
        let Baseline { send, send_sixteen, receive, receive_batch, seal, open, wake } = baseline;
        let cells = [send, send_sixteen, receive, receive_batch, seal, open, wake];
        let cells = cells.into_iter().chain([single, gso]).map(|ns| format!("{:.2}", ns / 1000.0));
        let ours = ours.map_or("–".to_owned(), |ns| format!("{:.2}", ns / 1000.0));
        let cells: Vec<String> = cells.chain([ours]).collect();
        let _ = writeln!(out, "| {} | {} |", name_of(run), cells.join(" | "));
    }
    out.push('\n');
}

fn memory_section(out: &mut String, loads: &[&Run], idle: &[&Run]) {
    let _ = writeln!(
        out,
        "## Relay: memory\n\nGrowth of the process per party: proportional (resident) kB.\n\n| | {} |\n|---|{}",
        PEERS.map(Peer::name).join(" | "),
        "---|".repeat(PEERS.len())
    );
    let what = |run: &Run| if run.load.idle { "idle: " } else { "" };
    for run in loads.iter().chain(idle) {
        let all = run.summaries();
        let cell = |peer: Peer| {
            let figures = all.iter().find(|one| one.peer == peer).map(|one| &one.figures);
            let both = figures.and_then(|figures| figures.bytes_per_party.zip(figures.resident_per_party));
            both.map_or("–".to_owned(), |(own, all)| format!("{:.0} ({:.0})", own / 1000.0, all / 1000.0))
        };
        let _ = writeln!(out, "| {}{} | {} |", what(run), name_of(run), PEERS.map(cell).join(" | "));
    }
    out.push('\n');
}

fn step_section(out: &mut String, runs: &[&Run]) {
    out.push_str(
        "## Relay: the highest sustained load\n\nCalls are added until packet loss exceeds 0.1 % or the 99th percentile of latency \
         exceeds 20 ms. The last sustained load:\n\n| | calls × parties | packets out /s | µs per packet out | relay's core | \
         latency p50 / p99 / p99.9 / max, ms | loss | generator's core | limited by |\n|---|---|---|---|---|---|---|---|---|\n",
    );
    for run in runs {
        for peer in PEERS {
            let of_peer: Vec<&Round> = run.rounds.iter().filter(|round| round.peer == peer).collect();
            let Some(sustained) = of_peer.iter().rev().find(|round| round.counts) else { continue };
            let figures = &sustained.figures;
            let last = of_peer.last().map_or(0.0, |round| round.figures.generator_share);
            let why = if is_exhausted(last) { "the generator's core" } else { "the relay" };
            let _ = writeln!(
                out,
                "| {} | {} × {} | {:.0} | {:.2} | {:.0} % | {} | {:.3} % | {:.0} % | {why} |",
                peer.name(),
                figures.calls,
                run.load.parties,
                figures.packets_out,
                figures.nanoseconds_per_packet.unwrap_or(0.0) / 1000.0,
                figures.relay_share.unwrap_or(0.0) * 100.0,
                times(figures.latency),
                figures.loss * 100.0,
                figures.generator_share * 100.0,
            );
        }
    }
    out.push('\n');
}

fn curve_section(out: &mut String, runs: &[&Run]) {
    out.push_str(
        "## Relay: by number of calls\n\n| | calls × parties | packets out /s | µs per packet out | latency p99, ms | loss | relay's \
         core | generator's core |\n|---|---|---|---|---|---|---|---|\n",
    );
    for run in runs {
        for round in &run.rounds {
            let figures = &round.figures;
            let _ = writeln!(
                out,
                "| {} | {} × {} | {:.0} | {:.2} | {} | {:.3} % | {:.0} % | {:.0} % |",
                round.peer.name(),
                figures.calls,
                run.load.parties,
                figures.packets_out,
                figures.nanoseconds_per_packet.unwrap_or(0.0) / 1000.0,
                millis(figures.latency.p99),
                figures.loss * 100.0,
                figures.relay_share.unwrap_or(0.0) * 100.0,
                figures.generator_share * 100.0,
            );
        }
    }
    out.push('\n');
}

fn flood_section(out: &mut String, runs: &[&Run]) {
    out.push_str(
        "## Relay under a flood\n\nUnsolicited datagrams to the relay's port, from 64 addresses: RTP, connectivity checks for unknown \
         users, truncated DTLS records, and noise of 1,200 bytes, in turn. The effect on calls:\n\n| | calls × parties | \
         unsolicited datagrams /s | packets out /s | loss | latency p50 / p99 / p99.9 / max, ms | relay's core | generator's core |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for run in runs {
        for round in &run.rounds {
            let figures = &round.figures;
            let _ = writeln!(
                out,
                "| {} | {} × {} | {:.0} | {:.0} | {:.3} % | {} | {:.0} % | {:.0} % |",
                round.peer.name(),
                figures.calls,
                run.load.parties,
                figures.flood,
                figures.packets_out,
                figures.loss * 100.0,
                times(figures.latency),
                figures.relay_share.unwrap_or(0.0) * 100.0,
                figures.generator_share * 100.0,
            );
        }
    }
    out.push('\n');
}

fn by_peer(runs: &[&Run], point: impl Fn(&Round) -> Option<(f64, f64)>) -> Vec<Line> {
    let rounds = || runs.iter().flat_map(|run| &run.rounds);
    let line = |peer: Peer| Line {
        name: peer.name().to_owned(),
        points: rounds().filter(|round| round.peer == peer).filter_map(&point).collect(),
    };
    PEERS.map(line).into_iter().filter(|line| !line.points.is_empty()).collect()
}

/// How the figures were measured.
pub(crate) const METHOD: &str = "\
### Relay

`telcon bench relay` runs all devices in one thread that is pinned to one core; the relay under test is a process pinned
to another. Each endpoint has a UDP socket, performs ICE and DTLS 1.2, verifies the certificate's fingerprint, and then
sends one packet per frame: 12 bytes of RTP header, a frame of 100 bytes with the shape of SFrame, and 16 bytes of AES-GCM
tag. The phase of each device within the frame interval is pseudo-random, and the same in every run. Every received packet
is decrypted and verified.

- **Packets out** are authentic packets that arrived, of those sent during the measurement; the number of sent packets
  only determines how many should have arrived.
- **CPU time** is the kernel's accounting of all threads of the relay's process (`/proc/PID/task/*/schedstat`,
  nanoseconds), between the first and the last sample. On one machine, delivery into the receiver's socket happens in the
  sender's system call and is charged to the relay, for all peers. Waking the receiver is not: the generator polls when it
  has something to send, and at least every millisecond.
- **Latency** is from just before `send` at one endpoint to the kernel's arrival timestamp (`SO_TIMESTAMPNS`) at the
  other's socket, so that the generator's own queue is not included. *Added* latency is the difference to the same
  percentile from endpoint to endpoint (row *none*).
- **Memory** is the growth of `smaps_rollup` from the first call to the end of the run, per party added in between,
  including their calls and rooms.
- **Setup** is from the join request to the first decrypted packet of another party, including signalling, ICE and DTLS,
  with four parties joining concurrently while others send. For Janus it starts with the subscription: publishing is not
  included.
- Peers take turns, each with a fresh process per round; the first round is a warm-up. A round is repeated when all other
  processes used more than a tenth of a core, or the generator waited for its core for more than 2 % of the time, up to
  three attempts in all; the last attempt counts.
- **Telcon** is the driver that the server runs, in a process without the server. **Janus** 1.1.2 (Debian) has one
  videoroom per call, sixteen event loops (the cheapest of none, 1, 4, 16 and 64), ICE-lite, no header extensions, RTCP
  feedback, logs or other plug-ins; the suite is the same AES-256-GCM; each party publishes on one connection and
  subscribes on a second one. **coturn** (Debian) has one relay thread; each sender has an allocation and sends each
  packet once per receiver through a channel, so coturn reads as many packets as it sends, without encryption or fan-out.
  **none** has no relay: every endpoint sends to every other.
- All peers are reached through a veth pair between two network namespaces, because Janus ignores loopback. Packets of
  *none* stay on the generator's side.
";

/// A run for tests of the document.
#[cfg(test)]
pub(crate) fn example_run(plan: &str, calls: u32, idle: bool) -> Run {
    use crate::relay::report::{Figures, Load};
    let rounds = [Peer::Telcon, Peer::Janus, Peer::None].map(|peer| Round {
        peer,
        number: 1,
        counts: true,
        figures: Figures {
            calls,
            parties: calls * 4,
            packets_out: 18_000.0,
            nanoseconds_per_packet: (peer != Peer::None).then_some(1_234.0),
            bytes_per_party: Some(50_000.0),
            resident_per_party: Some(60_000.0),
            latency: Times { p50: 100_000, p99: 900_000, p999: 2_000_000, max: 3_000_000 },
            ..Figures::default()
        },
    });
    Run {
        machine: vec!["2 × a CPU".into()],
        network: "veth".into(),
        pinned: true,
        load: Load { calls, parties: 4, frame_ms: 20, idle },
        plan: plan.into(),
        baseline: Some(Baseline {
            send: 600.0,
            send_sixteen: 200.0,
            receive: 300.0,
            receive_batch: 150.0,
            seal: 90.0,
            open: 90.0,
            wake: 5_000.0,
        }),
        rounds: rounds.into(),
    }
}
