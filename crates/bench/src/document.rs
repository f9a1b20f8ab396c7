//! `docs/benchmarks.md`: made from the JSON files of the runs, so that no figure in it was typed.

use crate::{
    floor::Floor,
    peer::Peer,
    plot::{self, Bars, Line},
    report::{Round, Run, Summary, Times, millis},
};
use anyhow::{Context, Result, ensure};
use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

/// What somebody wrote about the figures stands between these in the document, and stays there.
const NOTES: (&str, &str) = ("<!-- notes: kept when this file is made again -->", "<!-- end of notes -->");
const PEERS: [Peer; 3] = [Peer::Telcon, Peer::Janus, Peer::Coturn];

/// Makes `benchmarks.md` and its pictures in `to`, from all runs whose JSON lies in `from`.
///
/// # Errors
/// When there are none, or a file is not one.
pub fn write(from: &Path, to: &Path) -> Result<()> {
    let runs = read_all(from)?;
    let pictures = to.join("benchmarks");
    fs::create_dir_all(&pictures)?;
    let path = to.join("benchmarks.md");
    let notes = notes_of(&fs::read_to_string(&path).unwrap_or_default());
    let mut drawn = Vec::new();
    let text = document(&runs, &notes, |name, picture| drawn.push((name.to_owned(), picture)));
    for (name, picture) in drawn {
        fs::write(pictures.join(&name), picture).with_context(|| format!("cannot write {name}"))?;
    }
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn read_all(folder: &Path) -> Result<Vec<Run>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    ensure!(!files.is_empty(), "no run in {}", folder.display());
    let read = |file: PathBuf| {
        let text = fs::read_to_string(&file)?;
        serde_json::from_str(&text).with_context(|| format!("{} is not of a run", file.display()))
    };
    files.into_iter().map(read).collect()
}

fn notes_of(document: &str) -> String {
    let inside = document.split_once(NOTES.0).and_then(|(_, rest)| rest.split_once(NOTES.1));
    inside.map_or_else(|| "\n".to_owned(), |(inside, _)| inside.to_owned())
}

fn document(runs: &[Run], notes: &str, mut draw: impl FnMut(&str, String)) -> String {
    let loads: Vec<&Run> = ordered(runs.iter().filter(|run| run.ladder == "rounds" && !run.load.idle));
    let idle: Vec<&Run> = ordered(runs.iter().filter(|run| run.ladder == "rounds" && run.load.idle));
    let steps: Vec<&Run> = runs.iter().filter(|run| run.ladder == "step").collect();
    let floods: Vec<&Run> = runs.iter().filter(|run| run.ladder == "flood").collect();
    let curves: Vec<&Run> = runs.iter().filter(|run| run.ladder == "curve").collect();
    let mut out = String::from(
        "# Benchmarks\n\nMade by `make bench-peers`, which measures everything here again; do not edit the figures.\n\n",
    );
    if let Some(run) = runs.first() {
        let pinned = if run.pinned { "one for the relay, one for the generator" } else { "not bound to processors" };
        let _ = writeln!(out, "Machine: {}; {pinned}. Network: {}.\n", run.machine.join("; "), run.network);
    }
    for run in &loads {
        load_section(&mut out, run);
    }
    if !loads.is_empty() {
        let groups = loads.iter().map(|run| cost_group(run)).collect::<Vec<_>>();
        draw("cost.svg", plot::bars("Processor time per packet sent", "µs", &PEERS.map(Peer::name), &groups));
        out.push_str("![Processor time per packet sent](benchmarks/cost.svg)\n\n");
        let groups: Vec<Bars> = loads.iter().map(|run| delay_group(run)).collect();
        let title = "Added one-way delay, 99 of 100 packets";
        draw("delay.svg", plot::bars(title, "ms", &PEERS.map(Peer::name), &groups));
        let _ = writeln!(out, "![{title}](benchmarks/delay.svg)\n");
    }
    floor_section(&mut out, &loads);
    memory_section(&mut out, &loads, &idle);
    if !steps.is_empty() {
        step_section(&mut out, &steps);
        let lines = by_peer(&steps, |round| {
            Some((round.figures.packets_out, round.figures.delay.p99 as f64 / 1e6)).filter(|(x, _)| *x > 0.0)
        });
        let title = "One-way delay of 99 of 100 packets, as the load rises";
        draw("step.svg", plot::lines(title, "packets sent per second", "ms", &lines));
        let _ = writeln!(out, "![{title}](benchmarks/step.svg)\n");
    }
    if !curves.is_empty() {
        curve_section(&mut out, &curves);
        let lines = by_peer(&curves, |round| {
            Some((f64::from(round.figures.calls), round.figures.nanoseconds_per_packet? / 1000.0))
        });
        let title = "Processor time per packet sent, by calls held";
        draw("curve.svg", plot::lines(title, "calls", "µs", &lines));
        let _ = writeln!(out, "![{title}](benchmarks/curve.svg)\n");
    }
    if !floods.is_empty() {
        flood_section(&mut out, &floods);
    }
    let _ = writeln!(out, "{}{notes}{}\n", NOTES.0, NOTES.1);
    out.push_str(METHOD);
    out
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
        "## {} calls of {} parties, {} ms packets\n\n\
         | | packets in /s | packets out /s | loss | µs of processor per packet out (least–most) | per processor second, × Janus | added delay p50 / p99 / p99.9 / max, ms | setup p50 / p99, ms | generator's core | it waited | rest of the machine |\n\
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
    let _ = writeln!(out, "\n{rounds} rounds counted; figures are their medians. {}.\n", suites.join("; "));
}

fn row(one: &Summary) -> String {
    let figures = &one.figures;
    let dash = || "–".to_owned();
    let micro = |ns: f64| format!("{:.2}", ns / 1000.0);
    let cost = figures.nanoseconds_per_packet.zip(one.range);
    // `none` has nothing below it: its row is what is subtracted from the others.
    let delay = one.added.unwrap_or(figures.delay);
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
        times(delay),
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

fn delay_group(run: &Run) -> Bars {
    let all = run.summaries();
    let value = |peer: Peer| {
        let one = all.iter().find(|one| one.peer == peer)?;
        Some(one.added.unwrap_or(one.figures.delay).p99 as f64 / 1e6)
    };
    Bars { name: name_of(run), values: PEERS.map(value).to_vec() }
}

/// What is below which no relay gets that makes a system call, or a sixteenth of one, for each packet.
fn floor_section(out: &mut String, runs: &[&Run]) {
    let floors: Vec<(&Run, Floor)> = runs.iter().filter_map(|run| Some((*run, run.floor?))).collect();
    if floors.is_empty() {
        return;
    }
    out.push_str(
        "## What the machine charges\n\nMicroseconds of a processor per packet, each done in a loop that does nothing else, \
         between the rounds of the same run. *One by one* and *sixteen at once* are what these add up to for a packet that \
         is sent: reading and opening a packet are shared by those that are made of it. A wake-up is not in them: what it \
         costs a packet depends on how many packets it brings.\n\n\
         | | `sendto` | sixteen in one `sendmsg` (GSO) | `recvmmsg` of 1 | of 32 | AES-GCM seal | open | wake-up | one by one | \
         sixteen at once | Telcon |\n|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for (run, floor) in floors {
        let receivers = f64::from(run.load.parties - 1);
        let one_by_one = floor.send + floor.seal + (floor.receive + floor.open) / receivers;
        let at_once = floor.send_sixteen + floor.seal + (floor.receive_batch + floor.open) / receivers;
        let ours = run.summaries().into_iter().find(|one| one.peer == Peer::Telcon);
        let ours = ours.and_then(|one| one.figures.nanoseconds_per_packet);
        let Floor { send, send_sixteen, receive, receive_batch, seal, open, wake } = floor;
        let cells = [send, send_sixteen, receive, receive_batch, seal, open, wake];
        let cells = cells.into_iter().chain([one_by_one, at_once]).map(|ns| format!("{:.2}", ns / 1000.0));
        let ours = ours.map_or("–".to_owned(), |ns| format!("{:.2}", ns / 1000.0));
        let cells: Vec<String> = cells.chain([ours]).collect();
        let _ = writeln!(out, "| {} | {} |", name_of(run), cells.join(" | "));
    }
    out.push('\n');
}

fn memory_section(out: &mut String, loads: &[&Run], idle: &[&Run]) {
    let _ = writeln!(
        out,
        "## Memory\n\nWhat the process grew by, for each party: proportional (resident) kB.\n\n| | {} |\n|---|{}",
        PEERS.map(Peer::name).join(" | "),
        "---|".repeat(PEERS.len())
    );
    let what = |run: &Run| if run.load.idle { "nobody speaks: " } else { "" };
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
        "## The highest load held\n\nCalls are added until more than 0.1 % of the packets are lost, or 99 of 100 need more \
         than 20 ms. The last load held:\n\n| | calls × parties | packets out /s | µs per packet out | relay's core | \
         delay p50 / p99 / p99.9 / max, ms | loss | generator's core | what ended it |\n|---|---|---|---|---|---|---|---|---|\n",
    );
    for run in runs {
        for peer in PEERS {
            let of_peer: Vec<&Round> = run.rounds.iter().filter(|round| round.peer == peer).collect();
            let Some(held) = of_peer.iter().rev().find(|round| round.counts) else { continue };
            let figures = &held.figures;
            let last = of_peer.last().map_or(0.0, |round| round.figures.generator_share);
            let why = if last > 0.97 { "the generator's core was full" } else { "the relay" };
            let _ = writeln!(
                out,
                "| {} | {} × {} | {:.0} | {:.2} | {:.0} % | {} | {:.3} % | {:.0} % | {why} |",
                peer.name(),
                figures.calls,
                run.load.parties,
                figures.packets_out,
                figures.nanoseconds_per_packet.unwrap_or(0.0) / 1000.0,
                figures.relay_share.unwrap_or(0.0) * 100.0,
                times(figures.delay),
                figures.loss * 100.0,
                figures.generator_share * 100.0,
            );
        }
    }
    out.push('\n');
}

fn curve_section(out: &mut String, runs: &[&Run]) {
    out.push_str(
        "## By number of calls\n\n| | calls × parties | packets out /s | µs per packet out | delay p99, ms | loss | relay's \
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
                millis(figures.delay.p99),
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
        "## Under a flood\n\nStrangers send to the port that calls go through, from 64 addresses: what looks like sound, connectivity \
         checks for nobody, the beginnings of handshakes, and noise of 1,200 bytes, in turns. What the calls notice:\n\n| | calls × parties | \
         datagrams of strangers /s | packets out /s | loss | delay p50 / p99 / p99.9 / max, ms | relay's core | generator's core |\n\
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
                times(figures.delay),
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

const METHOD: &str = "\
## Method

`telcon bench relay` is all the devices, in one thread on a processor of its own; the contestant is a process of its own
on another. Each endpoint has a UDP socket, does ICE and DTLS 1.2, checks the certificate's fingerprint, and then sends a
packet per frame: 12 bytes of RTP header, a frame of 100 bytes that looks like SFrame, and 16 of AES-GCM tag. When in the
frame's time each device sends is random, and the same in every run. Every packet that arrives is decrypted and looked at.

- **Packets out** are those that arrived, were authentic and were sent while it was counted; what was sent is only used
  to know how many should have arrived.
- **Processor time** is the kernel's own account of all threads of the contestant's process
  (`/proc/PID/task/*/schedstat`, nanoseconds, not ticks), from the first to the last counted moment. On one machine the delivery of
  a packet into the receiver's socket happens in the sender's system call: it is in the relay's time, for all contestants. Waking
  the receiver is not: the generator looks when it has something to send, and at least each millisecond.
- **Delay** is from just before `send` in one endpoint to the kernel's stamp of arrival (`SO_TIMESTAMPNS`) at the
  other's socket, so that the generator's own queue is not in it. *Added* delay is what is above the same percentile
  from endpoint to endpoint (row *none*).
- **Memory** is what `smaps_rollup` says after the run less what it said when the first call was up, for each party that
  came after, their calls and rooms included.
- **Setup** is from the request to join to the first packet of somebody else that could be decrypted, signalling, ICE and
  DTLS included, with four parties joining at a time while others speak. For Janus it begins when the party asks to
  listen: its publishing is not in it.
- Contestants take turns, each started anew for each round; the first round of all does not count. A round in which
  everything else on the machine used more than a tenth of a processor, or the generator waited for its own for more than
  2 % of the time, is measured again, up to three times in all; the last try counts as it is.
- **Telcon** is the driver that the server runs, in a process that has nothing else. **Janus** 1.1.2 (Debian) is a
  videoroom per call, with sixteen event loops (of none, 1, 4, 16 and 64, the cheapest), ICE-lite, no header extensions,
  no feedback, no logging, no other plug-in; the suite is the same AES-256-GCM; each party publishes on one connection
  and hears everybody on one more. **coturn** (Debian) has one relay thread; each sender has an allocation and sends each
  packet once for each receiver through a channel: it reads as many packets as it sends, encrypts nothing and copies
  nothing. **none** has no relay: every endpoint sends to every other.
- All contestants are reached the same way: by a pair of virtual Ethernet interfaces between two network namespaces,
  because Janus ignores loopback. Packets of *none* stay on the devices' side of it.
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Figures, Load};

    fn run(ladder: &str, calls: u32, idle: bool) -> Run {
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
                delay: Times { p50: 100_000, p99: 900_000, p999: 2_000_000, max: 3_000_000 },
                ..Figures::default()
            },
        });
        Run {
            machine: vec!["2 × a processor".into()],
            network: "veth".into(),
            pinned: true,
            load: Load { calls, parties: 4, frame_ms: 20, idle },
            ladder: ladder.into(),
            floor: Some(Floor {
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

    #[test]
    fn every_picture_that_is_shown_is_drawn() {
        let ladders = [("rounds", 30, false), ("rounds", 100, true), ("step", 40, false), ("curve", 10, false)];
        let runs = ladders.into_iter().chain([("flood", 30, false)]);
        let runs: Vec<Run> = runs.map(|(ladder, calls, idle)| run(ladder, calls, idle)).collect();
        let mut drawn = Vec::new();
        let text = document(&runs, "\nkept\n", |name, _| drawn.push(name.to_owned()));
        for name in ["cost.svg", "delay.svg", "step.svg", "curve.svg"] {
            assert!(drawn.iter().any(|one| one == name) && text.contains(&format!("(benchmarks/{name})")), "{name}");
        }
        assert!(text.contains("| Telcon |") && text.contains("**1.23**") && text.contains("nobody speaks: 100 × 4"));
        assert!(text.contains("| 0.60 | 0.20 | 0.30 | 0.15 | 0.09 | 0.09 | 5.00 | 0.82 | 0.37 | 1.23 |"), "{text}");
        assert_eq!(notes_of(&text), "\nkept\n");
        assert!(text.contains("## Under a flood"));
        assert!(!text.contains("NaN"));
    }

    #[test]
    fn notes_survive_and_their_absence_too() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("docs"));
        fs::create_dir(&from).unwrap();
        assert!(write(&from, &to).is_err(), "nothing was measured");
        fs::write(from.join("a.json"), serde_json::to_string(&run("rounds", 30, false)).unwrap()).unwrap();
        write(&from, &to).unwrap();
        let file = to.join("benchmarks.md");
        let written = fs::read_to_string(&file).unwrap().replace(NOTES.0, &format!("{}\nWhat bounds it.", NOTES.0));
        fs::write(&file, written).unwrap();
        write(&from, &to).unwrap();
        assert!(fs::read_to_string(&file).unwrap().contains("What bounds it."));
        fs::write(from.join("b.json"), "{}").unwrap();
        assert!(write(&from, &to).is_err(), "not a run");
    }
}
