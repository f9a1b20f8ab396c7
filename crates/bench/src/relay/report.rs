//! Figures of a run, as JSON and as a table.

use crate::{
    process::Memory,
    relay::{
        baseline::Baseline,
        generator::{Generator, Measurement},
        peer::Peer,
    },
    times::{Times, median, millis},
};
use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// The result of one `telcon bench relay`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Run {
    /// The machine, one line per fact.
    pub machine: Vec<String>,
    /// The network between generator and server.
    pub network: String,
    /// Whether generator and server were pinned to separate cores.
    pub pinned: bool,
    /// The load; of a varying load, the first one.
    pub load: Load,
    /// `rounds`, `step`, `curve` or `flood`.
    pub plan: String,
    /// Baseline cost of a packet on this machine, if measured.
    pub baseline: Option<Baseline>,
    /// Each measurement, in order.
    pub rounds: Vec<Round>,
}

/// A load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Load {
    /// Concurrent calls.
    pub calls: u32,
    /// Parties per call.
    pub parties: u32,
    /// Frame duration, milliseconds.
    pub frame_ms: u64,
    /// Whether no media is sent.
    pub idle: bool,
}

/// One measurement of one peer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Round {
    /// The peer.
    pub peer: Peer,
    /// Number of the round or step.
    pub number: u32,
    /// Whether it counts: neither a warm-up round nor a load that was not sustained.
    pub counts: bool,
    /// The figures.
    pub figures: Figures,
}

/// The figures of one measurement.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Figures {
    /// Calls.
    pub calls: u32,
    /// Parties of all calls.
    pub parties: u32,
    /// The SRTP suite.
    pub suite: Option<String>,
    /// Packets sent by devices, per second.
    pub packets_in: f64,
    /// Packets received by devices, per second.
    pub packets_out: f64,
    /// Packets received, of those sent during the measurement.
    pub received: u64,
    /// Packet loss, 0 to 1.
    pub loss: f64,
    /// Received packets that failed to decrypt.
    pub refused: u64,
    /// One-way latency, from `send` to arrival.
    pub latency: Times,
    /// Delay of the generator behind its schedule.
    pub lateness: Times,
    /// CPU time of the relay per received packet, nanoseconds.
    pub nanoseconds_per_packet: Option<f64>,
    /// CPU share of the relay, 1 = one core.
    pub relay_share: Option<f64>,
    /// CPU share of the generator, 1 = one core.
    pub generator_share: f64,
    /// CPU share of all other processes: interference.
    pub others_share: f64,
    /// Share of time that the generator waited for its core: interference by short-lived processes.
    #[serde(default)]
    pub waited_share: f64,
    /// Growth of proportional memory (PSS) per party, bytes.
    pub bytes_per_party: Option<f64>,
    /// Growth of resident memory (RSS) per party, bytes.
    pub resident_per_party: Option<f64>,
    /// Setup time: from a join request to the first decrypted packet.
    pub setup: Option<Times>,
    /// Number of measured setups.
    pub setups: u64,
    /// Unsolicited datagrams sent to the relay meanwhile, per second.
    #[serde(default)]
    pub flood: f64,
}

/// CPU time during a measurement, nanoseconds.
pub(crate) struct CpuTime {
    /// Of the relay.
    pub(crate) relay: Option<u64>,
    /// Of the generator.
    pub(crate) generator: u64,
    /// That the generator waited for its core.
    pub(crate) waited: u64,
    /// Of all other processes.
    pub(crate) others: u64,
}

impl Figures {
    pub(crate) fn of(
        measured: &Measurement,
        seconds: f64,
        cpu: CpuTime,
        memory: Option<((Memory, usize), Memory)>,
        generator: &Generator,
    ) -> Self {
        let lost = 1.0 - measured.received as f64 / measured.expected.max(1) as f64;
        let nanoseconds = seconds * 1e9;
        let grown = |of: fn(Memory) -> u64| {
            let ((before, parties), after) = memory?;
            let more = generator.parties().checked_sub(parties).filter(|more| *more > 0)?;
            Some((of(after) as f64 - of(before) as f64) / more as f64)
        };
        Self {
            calls: generator.calls(),
            parties: generator.parties() as u32,
            suite: generator.suite().map(str::to_owned),
            packets_in: measured.sent as f64 / seconds,
            packets_out: measured.received as f64 / seconds,
            received: measured.received,
            loss: if measured.expected == 0 { 0.0 } else { lost.max(0.0) },
            refused: measured.refused,
            latency: Times::of(&measured.latency),
            lateness: Times::of(&measured.lateness),
            nanoseconds_per_packet: cpu
                .relay
                .filter(|_| measured.received > 0)
                .map(|spent| spent as f64 / measured.received as f64),
            relay_share: cpu.relay.map(|spent| spent as f64 / nanoseconds),
            generator_share: cpu.generator as f64 / nanoseconds,
            others_share: cpu.others as f64 / nanoseconds,
            waited_share: cpu.waited as f64 / nanoseconds,
            bytes_per_party: grown(|memory| memory.proportional),
            resident_per_party: grown(|memory| memory.resident),
            setup: (generator.setup().count() > 0).then(|| Times::of(generator.setup())),
            setups: generator.setup().count(),
            flood: 0.0,
        }
    }
}

/// The figures of one peer over all counted rounds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Summary {
    /// The peer.
    pub peer: Peer,
    /// Number of counted rounds.
    pub rounds: usize,
    /// The median of each figure over the rounds, except maxima, which are maxima over the rounds.
    pub figures: Figures,
    /// Minimum and maximum nanoseconds per packet.
    pub range: Option<(f64, f64)>,
    /// Latency added to that of endpoint to endpoint, if that was measured.
    pub added: Option<Times>,
    /// Packets per CPU second relative to Janus, if that was measured.
    pub against_janus: Option<f64>,
}

impl Run {
    /// One summary per peer, in the order of their first round.
    pub fn summaries(&self) -> Vec<Summary> {
        let mut peers: Vec<Peer> = Vec::new();
        for round in &self.rounds {
            if !peers.contains(&round.peer) {
                peers.push(round.peer);
            }
        }
        let mut all: Vec<Summary> = peers.into_iter().filter_map(|peer| self.summary(peer)).collect();
        let find = |peer: Peer| all.iter().find(|one| one.peer == peer);
        let direct = find(Peer::None).map(|none| none.figures.latency);
        let janus = find(Peer::Janus).and_then(|janus| janus.figures.nanoseconds_per_packet);
        for one in &mut all {
            one.added = direct.filter(|_| one.peer != Peer::None).map(|direct| one.figures.latency.above(direct));
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
                latency: times(&|one| one.latency),
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
        if self.plan != "rounds" {
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
            "added latency p50/p99/p99.9/max",
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
            let latency = one.added.unwrap_or(figures.latency);
            let _ = writeln!(
                out,
                "{:8} {:9.0} {:9.0} {:7.3}% {:>22} {:>7}  {:>31}  {:>9} {:>15} {:>4.0}%",
                one.peer.name(),
                figures.packets_in,
                figures.packets_out,
                figures.loss * 100.0,
                cost,
                one.against_janus.map_or("–".to_owned(), |times| format!("{times:.1}")),
                [latency.p50, latency.p99, latency.p999, latency.max].map(millis).join(" / "),
                figures.bytes_per_party.map_or("–".to_owned(), |bytes| format!("{:.0}", bytes / 1000.0)),
                figures.setup.map_or("–".to_owned(), |setup| format!("{}/{}", millis(setup.p50), millis(setup.p99))),
                figures.generator_share * 100.0,
            );
        }
        if let Some(baseline) = self.baseline {
            let _ = writeln!(out, "{}", baseline.line());
        }
        out
    }
}

impl Round {
    /// One line of progress output.
    pub fn line(&self) -> String {
        let figures = &self.figures;
        format!(
            "{:8} {:2}{} {:5} calls {:8.0} in/s {:8.0} out/s loss {:7.4}% {:>7} µs/packet, relay {:>4} of a core, \
             latency p50 {} p99 {} ms, generator {:.0} %, lateness p99 {} ms, waited {:.1} %, others {:.0} %",
            self.peer.name(),
            self.number,
            if self.counts { " " } else { "*" },
            figures.calls,
            figures.packets_in,
            figures.packets_out,
            figures.loss * 100.0,
            figures.nanoseconds_per_packet.map_or("–".to_owned(), |ns| format!("{:.2}", ns / 1000.0)),
            figures.relay_share.map_or("–".to_owned(), |share| format!("{:.0} %", share * 100.0)),
            millis(figures.latency.p50),
            millis(figures.latency.p99),
            figures.generator_share * 100.0,
            millis(figures.lateness.p99),
            figures.waited_share * 100.0,
            figures.others_share * 100.0,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(peer: Peer, number: u32, cost: Option<f64>, p99: u64) -> Round {
        let latency = Times { p50: p99 / 2, p99, p999: p99 * 2, max: p99 * 3 };
        let figures = Figures { nanoseconds_per_packet: cost, latency, ..Figures::default() };
        Round { peer, number, counts: number > 0, figures }
    }

    fn run(rounds: Vec<Round>) -> Run {
        let load = Load { calls: 1, parties: 2, frame_ms: 20, idle: false };
        Run {
            machine: vec![],
            network: String::new(),
            pinned: true,
            load,
            plan: "rounds".into(),
            baseline: None,
            rounds,
        }
    }

    #[test]
    fn the_warm_up_round_does_not_count_and_direct_latency_is_subtracted() {
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
    fn peers_without_counted_rounds_are_omitted() {
        assert!(run(vec![round(Peer::Telcon, 0, Some(1.0), 1)]).summaries().is_empty());
    }

    #[test]
    fn json_round_trips() {
        let one = run(vec![round(Peer::Coturn, 1, Some(2.5), 9)]);
        let text = serde_json::to_string(&one).unwrap();
        let back: Run = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&back).unwrap(), text);
    }
}
