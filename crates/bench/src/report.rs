//! Figures of a run: as JSON, and as a table that a person reads.

use crate::{
    floor::Floor,
    histogram::Histogram,
    peer::Peer,
    process::Memory,
    world::{Window, World},
};
use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// Everything that one command measured.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Run {
    /// The machine, a line each.
    pub machine: Vec<String>,
    /// What lay between generator and contestant.
    pub network: String,
    /// Whether each had a processor of its own.
    pub pinned: bool,
    /// The load; of a ladder, where it began.
    pub load: Load,
    /// `rounds`, `step`, `curve` or `flood`.
    pub ladder: String,
    /// What a packet costs here whoever relays it, where it was measured.
    pub floor: Option<Floor>,
    /// Each measurement, in order.
    pub rounds: Vec<Round>,
}

/// A load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Load {
    /// Calls at a moment.
    pub calls: u32,
    /// Parties of each.
    pub parties: u32,
    /// Sound per packet.
    pub frame_ms: u64,
    /// Whether nobody speaks.
    pub idle: bool,
}

/// One measurement of one contestant.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Round {
    /// Who.
    pub peer: Peer,
    /// Which round, or which step.
    pub number: u32,
    /// Whether it counts: not the first round, not a load that was not held.
    pub counts: bool,
    /// What was measured.
    pub figures: Figures,
}

/// Percentiles of a time, nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    /// Half are below.
    pub p50: u64,
    /// 99 of 100 are below.
    pub p99: u64,
    /// 999 of 1000 are below.
    pub p999: u64,
    /// None is above.
    pub max: u64,
}

impl Times {
    fn of(histogram: &Histogram) -> Self {
        Self {
            p50: histogram.percentile(0.5),
            p99: histogram.percentile(0.99),
            p999: histogram.percentile(0.999),
            max: histogram.max(),
        }
    }

    /// What is above the same percentile of `floor`.
    pub fn above(self, floor: Self) -> Self {
        Self {
            p50: self.p50.saturating_sub(floor.p50),
            p99: self.p99.saturating_sub(floor.p99),
            p999: self.p999.saturating_sub(floor.p999),
            max: self.max.saturating_sub(floor.max),
        }
    }
}

/// What one measurement found.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Figures {
    /// Calls.
    pub calls: u32,
    /// Parties of all calls.
    pub parties: u32,
    /// The SRTP suite.
    pub suite: Option<String>,
    /// Packets that devices sent, per second.
    pub packets_in: f64,
    /// Packets that devices got, per second.
    pub packets_out: f64,
    /// Packets of those sent in the window that arrived.
    pub received: u64,
    /// Share of packets that did not arrive.
    pub loss: f64,
    /// Packets that arrived and were no good.
    pub refused: u64,
    /// From `send` to arrival.
    pub delay: Times,
    /// How late the generator sent.
    pub lateness: Times,
    /// Nanoseconds of the contestant's processor for each packet that arrived: CPU-seconds per thousand million.
    pub nanoseconds_per_packet: Option<f64>,
    /// Share of a core that the contestant used.
    pub relay_share: Option<f64>,
    /// Share of a core that the generator used.
    pub generator_share: f64,
    /// Processors that everything else on the machine used: what it was disturbed by.
    pub others_share: f64,
    /// Share of the time that the generator waited for its processor: the same, where those are gone by the end.
    #[serde(default)]
    pub waited_share: f64,
    /// Proportional memory that one more party costs, bytes.
    pub bytes_per_party: Option<f64>,
    /// The same of resident memory.
    pub resident_per_party: Option<f64>,
    /// From a request to join to the first packet that can be decrypted.
    pub setup: Option<Times>,
    /// How many joins that is of.
    pub setups: u64,
    /// Datagrams of strangers that were sent to the contestant meanwhile, per second.
    #[serde(default)]
    pub flood: f64,
}

/// Time on processors while it was counted, nanoseconds.
pub(crate) struct Spent {
    /// Of the contestant.
    pub(crate) relay: Option<u64>,
    /// Of us.
    pub(crate) generator: u64,
    /// That we waited for one.
    pub(crate) waited: u64,
    /// Of everybody else on the machine.
    pub(crate) others: u64,
}

impl Figures {
    pub(crate) fn of(
        window: &Window,
        seconds: f64,
        spent: Spent,
        memory: Option<((Memory, usize), Memory)>,
        world: &World,
    ) -> Self {
        let lost = 1.0 - window.received as f64 / window.expected.max(1) as f64;
        let nanoseconds = seconds * 1e9;
        let grown = |of: fn(Memory) -> u64| {
            let ((before, parties), after) = memory?;
            let more = world.parties().checked_sub(parties).filter(|more| *more > 0)?;
            Some((of(after) as f64 - of(before) as f64) / more as f64)
        };
        Self {
            calls: world.calls(),
            parties: world.parties() as u32,
            suite: world.suite().map(str::to_owned),
            packets_in: window.sent as f64 / seconds,
            packets_out: window.received as f64 / seconds,
            received: window.received,
            loss: if window.expected == 0 { 0.0 } else { lost.max(0.0) },
            refused: window.refused,
            delay: Times::of(&window.delay),
            lateness: Times::of(&window.lateness),
            nanoseconds_per_packet: spent
                .relay
                .filter(|_| window.received > 0)
                .map(|spent| spent as f64 / window.received as f64),
            relay_share: spent.relay.map(|spent| spent as f64 / nanoseconds),
            generator_share: spent.generator as f64 / nanoseconds,
            others_share: spent.others as f64 / nanoseconds,
            waited_share: spent.waited as f64 / nanoseconds,
            bytes_per_party: grown(|memory| memory.proportional),
            resident_per_party: grown(|memory| memory.resident),
            setup: (world.setup().count() > 0).then(|| Times::of(world.setup())),
            setups: world.setup().count(),
            flood: 0.0,
        }
    }
}

/// The middle of some values: of each figure by itself.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        count if count % 2 == 1 => Some(values[middle]),
        _ => Some((values[middle - 1] + values[middle]) / 2.0),
    }
}

/// One contestant's figures over the rounds that count.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Summary {
    /// Who.
    pub peer: Peer,
    /// Rounds that counted.
    pub rounds: usize,
    /// The median of each figure; percentiles are medians over rounds, the maximum is the largest.
    pub figures: Figures,
    /// Least and most nanoseconds per packet.
    pub range: Option<(f64, f64)>,
    /// The delay above endpoint to endpoint, where that was measured.
    pub added: Option<Times>,
    /// Packets per CPU-second, as a multiple of Janus's, where that was measured.
    pub against_janus: Option<f64>,
}

impl Run {
    /// One line per contestant, in the order of their first appearance.
    pub fn summaries(&self) -> Vec<Summary> {
        let mut peers: Vec<Peer> = Vec::new();
        for round in &self.rounds {
            if !peers.contains(&round.peer) {
                peers.push(round.peer);
            }
        }
        let mut all: Vec<Summary> = peers.into_iter().filter_map(|peer| self.summary(peer)).collect();
        let find = |peer: Peer| all.iter().find(|one| one.peer == peer);
        let floor = find(Peer::None).map(|none| none.figures.delay);
        let janus = find(Peer::Janus).and_then(|janus| janus.figures.nanoseconds_per_packet);
        for one in &mut all {
            one.added = floor.filter(|_| one.peer != Peer::None).map(|floor| one.figures.delay.above(floor));
            one.against_janus = janus.zip(one.figures.nanoseconds_per_packet).map(|(janus, ours)| janus / ours);
        }
        all
    }

    fn summary(&self, peer: Peer) -> Option<Summary> {
        let figures: Vec<&Figures> =
            self.rounds.iter().filter(|round| round.peer == peer && round.counts).map(|round| &round.figures).collect();
        let first = *figures.first()?;
        let middle = |of: &dyn Fn(&Figures) -> f64| median(figures.iter().map(|one| of(one)).collect()).unwrap_or(0.0);
        let maybe = |of: &dyn Fn(&Figures) -> Option<f64>| median(figures.iter().filter_map(|one| of(one)).collect());
        let times = |of: &dyn Fn(&Figures) -> Times| Times {
            p50: middle(&|one| of(one).p50 as f64) as u64,
            p99: middle(&|one| of(one).p99 as f64) as u64,
            p999: middle(&|one| of(one).p999 as f64) as u64,
            max: figures.iter().map(|one| of(one).max).max().unwrap_or(0),
        };
        let costs: Vec<f64> = figures.iter().filter_map(|one| one.nanoseconds_per_packet).collect();
        Some(Summary {
            peer,
            rounds: figures.len(),
            figures: Figures {
                calls: first.calls,
                parties: first.parties,
                suite: first.suite.clone(),
                packets_in: middle(&|one| one.packets_in),
                packets_out: middle(&|one| one.packets_out),
                received: figures.iter().map(|one| one.received).sum(),
                loss: middle(&|one| one.loss),
                refused: figures.iter().map(|one| one.refused).sum(),
                delay: times(&|one| one.delay),
                lateness: times(&|one| one.lateness),
                nanoseconds_per_packet: maybe(&|one| one.nanoseconds_per_packet),
                relay_share: maybe(&|one| one.relay_share),
                generator_share: middle(&|one| one.generator_share),
                others_share: middle(&|one| one.others_share),
                waited_share: middle(&|one| one.waited_share),
                bytes_per_party: maybe(&|one| one.bytes_per_party),
                resident_per_party: maybe(&|one| one.resident_per_party),
                setup: first.setup.map(|_| times(&|one| one.setup.unwrap_or_default())),
                setups: figures.iter().map(|one| one.setups).sum(),
                flood: 0.0,
            },
            range: costs.iter().copied().reduce(f64::min).zip(costs.iter().copied().reduce(f64::max)),
            added: None,
            against_janus: None,
        })
    }

    /// The table.
    pub fn table(&self) -> String {
        let mut out = String::new();
        if self.ladder != "rounds" {
            for round in &self.rounds {
                let _ = writeln!(out, "{}", round.line());
            }
            return out;
        }
        let _ = writeln!(
            out,
            "{:8} {:>9} {:>9} {:>8} {:>22} {:>7}  {:>31}  {:>9} {:>15} {:>5}",
            "peer",
            "in/s",
            "out/s",
            "loss",
            "µs CPU per packet out",
            "×Janus",
            "added delay p50/p99/p99.9/max ms",
            "kB/party",
            "setup p50/p99ms",
            "gen"
        );
        for one in self.summaries() {
            let figures = &one.figures;
            let micro = |ns: f64| format!("{:.2}", ns / 1000.0);
            let cost = match (figures.nanoseconds_per_packet, one.range) {
                (Some(middle), Some((least, most))) => format!("{} ({}–{})", micro(middle), micro(least), micro(most)),
                _ => "–".to_owned(),
            };
            let delay = one.added.unwrap_or(figures.delay);
            let _ = writeln!(
                out,
                "{:8} {:9.0} {:9.0} {:7.3}% {:>22} {:>7}  {:>31}  {:>9} {:>15} {:>4.0}%",
                one.peer.name(),
                figures.packets_in,
                figures.packets_out,
                figures.loss * 100.0,
                cost,
                one.against_janus.map_or("–".to_owned(), |times| format!("{times:.1}")),
                [delay.p50, delay.p99, delay.p999, delay.max].map(millis).join(" / "),
                figures.bytes_per_party.map_or("–".to_owned(), |bytes| format!("{:.0}", bytes / 1000.0)),
                figures.setup.map_or("–".to_owned(), |setup| format!("{}/{}", millis(setup.p50), millis(setup.p99))),
                figures.generator_share * 100.0,
            );
        }
        if let Some(floor) = self.floor {
            let _ = writeln!(out, "{}", floor.line());
        }
        out
    }
}

impl Round {
    /// One line while it runs.
    pub fn line(&self) -> String {
        let figures = &self.figures;
        format!(
            "{:8} {:2}{} {:5} calls {:8.0} in/s {:8.0} out/s loss {:7.4}% {:>7} µs/packet, relay {:>4} of a core, \
             delay p50 {} p99 {} ms, generator {:.0} %, late p99 {} ms, waited {:.1} %, others {:.0} %",
            self.peer.name(),
            self.number,
            if self.counts { " " } else { "*" },
            figures.calls,
            figures.packets_in,
            figures.packets_out,
            figures.loss * 100.0,
            figures.nanoseconds_per_packet.map_or("–".to_owned(), |ns| format!("{:.2}", ns / 1000.0)),
            figures.relay_share.map_or("–".to_owned(), |share| format!("{:.0} %", share * 100.0)),
            millis(figures.delay.p50),
            millis(figures.delay.p99),
            figures.generator_share * 100.0,
            millis(figures.lateness.p99),
            figures.waited_share * 100.0,
            figures.others_share * 100.0,
        )
    }
}

/// Nanoseconds as milliseconds, with as many digits as matter.
pub fn millis(nanoseconds: u64) -> String {
    let value = nanoseconds as f64 / 1e6;
    if value < 10.0 { format!("{value:.2}") } else { format!("{value:.0}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(peer: Peer, number: u32, cost: Option<f64>, p99: u64) -> Round {
        let delay = Times { p50: p99 / 2, p99, p999: p99 * 2, max: p99 * 3 };
        let figures = Figures { nanoseconds_per_packet: cost, delay, ..Figures::default() };
        Round { peer, number, counts: number > 0, figures }
    }

    fn run(rounds: Vec<Round>) -> Run {
        let load = Load { calls: 1, parties: 2, frame_ms: 20, idle: false };
        Run {
            machine: vec![],
            network: String::new(),
            pinned: true,
            load,
            ladder: "rounds".into(),
            floor: None,
            rounds,
        }
    }

    #[test]
    fn medians() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }

    #[test]
    fn the_first_round_does_not_count_and_the_floor_is_subtracted() {
        let mut rounds = Vec::new();
        for number in 0..4 {
            let first = if number == 0 { 100.0 } else { 1.0 };
            rounds.push(round(Peer::Telcon, number, Some(1_000.0 * first * f64::from(number.max(1))), 500));
            rounds.push(round(Peer::Janus, number, Some(18_000.0), 700));
            rounds.push(round(Peer::None, number, None, 100));
        }
        let all = run(rounds).summaries();
        assert_eq!(all.iter().map(|one| one.peer).collect::<Vec<_>>(), [Peer::Telcon, Peer::Janus, Peer::None]);
        assert_eq!(all[0].figures.nanoseconds_per_packet, Some(2_000.0));
        assert_eq!(all[0].range, Some((1_000.0, 3_000.0)));
        assert_eq!(all[0].against_janus, Some(9.0));
        assert_eq!(all[0].added, Some(Times { p50: 200, p99: 400, p999: 800, max: 1_200 }));
        assert_eq!(all[1].against_janus, Some(1.0));
        assert_eq!((all[2].added, all[2].against_janus, all[2].rounds), (None, None, 3));
    }

    #[test]
    fn a_contestant_whose_rounds_do_not_count_is_left_out() {
        assert!(run(vec![round(Peer::Telcon, 0, Some(1.0), 1)]).summaries().is_empty());
    }

    #[test]
    fn json_goes_there_and_back() {
        let one = run(vec![round(Peer::Coturn, 1, Some(2.5), 9)]);
        let text = serde_json::to_string(&one).unwrap();
        let back: Run = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&back).unwrap(), text);
    }
}
