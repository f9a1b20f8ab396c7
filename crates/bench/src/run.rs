//! Rounds: each contestant is started, filled with calls, measured and ended; then the next.

use crate::{
    clock::SECOND,
    flood::Flood,
    floor::{self, Floor},
    network::{self, Place},
    peer::{Coturn, Janus, Peer, Relay, Running},
    process::{self, Memory},
    report::{Figures, Load, Round, Run, Spent},
    signalling::Switchboard,
    stop::Stop,
    transport,
    world::{Manners, Targets, World},
};
use anyhow::{Context, Result, bail, ensure};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::{
    fs,
    net::{SocketAddr, UdpSocket},
    path::PathBuf,
};

/// A packet in a thousand: more is no load that is held.
const MOST_LOSS: f64 = 0.001;
/// Nanoseconds: more is no load that is held.
const MOST_DELAY: u64 = SECOND / 50;
/// What the generator may have of its core. Above it, more load would measure the generator.
const MOST_OF_A_CORE: f64 = 0.97;
/// What all other processes of the machine may have of a processor in a round that counts: else it is measured again.
const MOST_OF_OTHERS: f64 = 0.1;
/// For how much of a round the generator may wait for its own processor. Processes that come and go use it unseen.
const MOST_WAITED: f64 = 0.02;
/// How often a round that was disturbed is measured, and a load that was not held is tried, in case it was the machine.
const TRIES: u32 = 3;

/// What is to be measured.
#[derive(Debug, Clone)]
pub struct Options {
    /// Who, in this order in each round.
    pub peers: Vec<Peer>,
    /// Calls at a moment.
    pub calls: u32,
    /// Parties of each.
    pub parties: u32,
    /// Sound per packet.
    pub frame_ms: u64,
    /// Rounds that count. One more goes first, which does not, unless this is 0: then there is one, and it counts.
    pub rounds: u32,
    /// Seconds before counting.
    pub warm: f64,
    /// Seconds of counting.
    pub seconds: f64,
    /// How many parties join at the same time.
    pub joins: usize,
    /// Nobody speaks: only memory is of interest.
    pub idle: bool,
    /// Numbers of calls to go through in one process, instead of rounds.
    pub ladder: Ladder,
    /// In a network namespace, even if nobody needs it.
    pub cable: bool,
    /// Our relay's program.
    pub program: PathBuf,
    /// Ends the run early.
    pub stop: Stop,
}

/// How the load grows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ladder {
    /// It does not.
    None,
    /// By a quarter each time, from the given number of calls, until a load is not held.
    Step,
    /// Through these numbers of calls.
    Curve(Vec<u32>),
    /// The load stays, beside so many datagrams of strangers a second.
    Flood(Vec<u32>),
}

impl Options {
    fn manners(&self, peer: Peer) -> Manners {
        Manners {
            parties: self.parties,
            frame_ms: self.frame_ms,
            speak: !self.idle,
            separate_listener: peer == Peer::Janus,
            joins: self.joins,
        }
    }
}

/// Measures. `said` is told of each figure as it comes.
///
/// # Errors
/// When a contestant does not start, or an endpoint cannot be set up, or the run is to stop.
pub fn run(options: &Options, mut said: impl FnMut(&Round)) -> Result<Run> {
    ensure!(options.parties >= 2 && options.calls >= 1, "a call has two parties or more");
    ensure!(options.parties <= 8, "no more than eight parties: our relay takes no more");
    ensure!(matches!(options.frame_ms, 10 | 20 | 40 | 60), "Opus has frames of 10, 20, 40 or 60 ms");
    raise_limit()?;
    let cores = network::two_cores()?;
    if let Some(cores) = cores {
        process::pin(cores.generator)?;
    }
    let needs_cable = options.cable || options.peers.contains(&Peer::Janus);
    let place = if needs_cable { Place::cable(cores)? } else { Place::loopback(cores) };
    let mut rounds = Vec::new();
    let mut floors: Vec<Floor> = Vec::new();
    if options.ladder == Ladder::None {
        let first_counts = options.rounds == 0;
        for number in 0..=options.rounds {
            if !options.idle {
                floors.push(floor::measure(&place, &options.program, &options.stop)?);
            }
            for peer in &options.peers {
                let meant_to_count = first_counts || number > 0;
                for left in (0..TRIES).rev() {
                    let figures = one_round(options, &place, *peer)?;
                    let disturbed = figures.others_share > MOST_OF_OTHERS || figures.waited_share > MOST_WAITED;
                    let quiet = first_counts || !disturbed;
                    // Where it never is quiet, the last try counts, and the document says how loud it was.
                    let counts = meant_to_count && (quiet || left == 0);
                    let round = Round { peer: *peer, number, counts, figures };
                    said(&round);
                    rounds.push(round);
                    if counts || !meant_to_count {
                        break;
                    }
                }
            }
        }
    } else {
        for peer in &options.peers {
            climb(options, &place, *peer, |round| {
                said(&round);
                rounds.push(round);
            })?;
        }
    }
    Ok(Run {
        machine: process::machine(),
        network: if place.is_cable() { "veth between two namespaces" } else { "loopback" }.to_owned(),
        pinned: cores.is_some(),
        load: Load { calls: options.calls, parties: options.parties, frame_ms: options.frame_ms, idle: options.idle },
        ladder: match options.ladder {
            Ladder::None => "rounds",
            Ladder::Step => "step",
            Ladder::Curve(_) => "curve",
            Ladder::Flood(_) => "flood",
        }
        .to_owned(),
        floor: Floor::least(&floors),
        rounds,
    })
}

/// As many sockets as the system allows.
fn raise_limit() -> Result<()> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most).context("cannot raise the limit of open files")
}

fn one_round(options: &Options, place: &Place, peer: Peer) -> Result<Figures> {
    let mut contest = Contest::start(options, place, peer)?;
    // The first call brings what a process makes once; memory is counted from there.
    contest.fill(1)?;
    contest.remember()?;
    contest.fill(options.calls)?;
    contest.measure(options)
}

fn climb(options: &Options, place: &Place, peer: Peer, mut found: impl FnMut(Round)) -> Result<()> {
    let mut contest = Contest::start(options, place, peer)?;
    let mut number = 0;
    let mut next = |contest: &mut Contest<'_>, calls: u32| -> Result<bool> {
        let mut held = false;
        for _ in 0..TRIES {
            contest.fill(calls)?;
            let figures = contest.measure(options)?;
            held = figures.loss <= MOST_LOSS && figures.delay.p99 <= MOST_DELAY;
            let full = figures.generator_share > MOST_OF_A_CORE;
            found(Round { peer, number, counts: held, figures });
            number += 1;
            if full {
                return Ok(false);
            }
            if held {
                break;
            }
        }
        Ok(held)
    };
    match &options.ladder {
        Ladder::Flood(rates) => {
            contest.fill(options.calls)?;
            for (number, rate) in (0..).zip(rates) {
                let figures = contest.flooded(options, *rate)?;
                found(Round { peer, number, counts: true, figures });
            }
            Ok(())
        }
        Ladder::Curve(steps) => {
            for calls in steps {
                if !next(&mut contest, *calls)? {
                    return Ok(());
                }
            }
            Ok(())
        }
        _ => {
            let mut calls = options.calls;
            while next(&mut contest, calls)? {
                calls += calls.div_ceil(4);
            }
            Ok(())
        }
    }
}

/// A contestant under way, and the devices at it. The devices are ended first.
struct Contest<'a> {
    world: World,
    place: &'a Place,
    parties: u32,
    kind: Kind,
    running: Option<Running>,
    /// Memory and parties, at some moment before.
    before: Option<(Memory, usize)>,
    _folder: Option<Folder>,
}

enum Kind {
    /// Devices come through a switchboard.
    Server,
    Coturn(Coturn),
    Direct,
}

impl<'a> Contest<'a> {
    fn start(options: &Options, place: &'a Place, peer: Peer) -> Result<Self> {
        let mut folder = None;
        let (running, switchboard, kind) = match peer {
            Peer::Telcon => {
                let (running, relay) = Relay::start(place, &options.program)?;
                (Some(running), Some(Switchboard::start(Box::new(relay))?), Kind::Server)
            }
            Peer::Janus => {
                let files = folder.insert(Folder::new()?);
                let (running, janus) = Janus::start(place, &files.0, options.parties)?;
                (Some(running), Some(Switchboard::start(Box::new(janus))?), Kind::Server)
            }
            Peer::Coturn => {
                let files = folder.insert(Folder::new()?);
                let (running, coturn) = Coturn::start(place, &files.0)?;
                (Some(running), None, Kind::Coturn(coturn))
            }
            Peer::None => (None, None, Kind::Direct),
        };
        let world = World::new(place.generator, options.manners(peer), switchboard, options.stop.clone())?;
        Ok(Self { world, place, parties: options.parties, kind, running, before: None, _folder: folder })
    }

    fn memory(&self) -> Result<Option<Memory>> {
        self.running.as_ref().map(|running| process::memory(running.pid())).transpose()
    }

    fn remember(&mut self) -> Result<()> {
        self.before = self.memory()?.map(|memory| (memory, self.world.parties()));
        Ok(())
    }

    /// Adds calls until there are so many.
    fn fill(&mut self, calls: u32) -> Result<()> {
        let there = self.world.parties() as u32 / self.parties;
        let missing = calls.saturating_sub(there);
        match &mut self.kind {
            Kind::Server if missing > 0 => self.world.add_calls(missing)?,
            Kind::Server => {}
            Kind::Coturn(coturn) => {
                for _ in 0..missing {
                    self.world.add_plain_call(coturn.call(self.place, self.parties)?)?;
                }
            }
            Kind::Direct => {
                for _ in 0..missing {
                    self.world.add_plain_call(direct_call(self.place, self.parties)?)?;
                }
            }
        }
        Ok(())
    }

    fn measure(&mut self, options: &Options) -> Result<Figures> {
        let us = std::process::id();
        let them = self.running.as_ref().map(Running::pid);
        let known: Vec<u32> = them.into_iter().chain([us]).collect();
        let mut times = Vec::new();
        let mut others = Vec::new();
        let window = self.world.measure(options.warm, options.seconds, || {
            // Looking at everybody takes a moment: before what counts begins, and after it has ended.
            if times.is_empty() {
                others.push(process::everybody_else(&known));
            }
            times.push((them.map(process::cpu_nanoseconds).transpose()?, process::times(us)?));
            if times.len() == 2 {
                others.push(process::everybody_else(&known));
            }
            Ok(())
        })?;
        let [(before, our_before), (after, our_after)] = times[..] else { bail!("invariant: looked twice") };
        let [others_before, others_after] = &others[..] else { bail!("invariant: looked twice") };
        let memory = self.before.zip(self.memory()?);
        let spent = before.zip(after).map(|(before, after)| after.saturating_sub(before));
        let spent = Spent {
            relay: spent,
            generator: our_after.0.saturating_sub(our_before.0),
            waited: our_after.1.saturating_sub(our_before.1),
            others: process::used_between(others_before, others_after),
        };
        Ok(Figures::of(&window, options.seconds, spent, memory, &self.world))
    }

    /// Measures beside so many datagrams of strangers a second.
    fn flooded(&mut self, options: &Options, per_second: u32) -> Result<Figures> {
        let to = self.world.contestant().context("there is nobody to flood")?;
        let flood = (per_second > 0).then(|| Flood::start(self.place.generator, to, per_second)).transpose()?;
        let figures = self.measure(options);
        // It ends whatever became of the measurement.
        let flood = flood.map_or(0.0, Flood::stop);
        Ok(Figures { flood, ..figures? })
    }
}

/// Everybody sends to everybody.
fn direct_call(place: &Place, parties: u32) -> Result<Vec<(UdpSocket, Targets)>> {
    let sockets: Vec<UdpSocket> = (0..parties).map(|_| transport::socket(place.generator)).collect::<Result<_>>()?;
    let addresses: Vec<SocketAddr> = sockets.iter().map(UdpSocket::local_addr).collect::<Result<_, _>>()?;
    let call = sockets.into_iter().zip(&addresses).map(|(socket, here)| {
        let others = addresses.iter().filter(|other| *other != here).copied().collect();
        (socket, Targets::Direct(others))
    });
    Ok(call.collect())
}

/// A folder for a contestant's files, gone when this is.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("telcon-bench-{}-{}", std::process::id(), crate::clock::now()));
        fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Self(folder))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is in the folder for temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}
