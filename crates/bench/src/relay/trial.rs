//! One peer under load: its process, and the devices connected to it.

use crate::{
    process::{self, Memory},
    relay::{
        endpoint::Targets,
        flood::Flood,
        generator::Generator,
        options::Options,
        peer::{Coturn, Janus, Peer, Telcon},
        report::{CpuTime, Figures},
        signalling::SignallingThread,
        transport::socket,
    },
    testbed::{ServerProcess, TempDir, Testbed},
};
use anyhow::{Context, Result, bail};
use std::net::{SocketAddr, UdpSocket};

/// See the module. Field order is drop order: the devices are ended before the process.
pub(super) struct Trial<'a> {
    generator: Generator,
    testbed: &'a Testbed,
    parties: u32,
    setup: Setup,
    process: Option<ServerProcess>,
    /// Memory and number of parties at an earlier time.
    memory_before: Option<(Memory, usize)>,
    _files: Option<TempDir>,
}

/// How calls are set up.
enum Setup {
    /// Offers and answers through the peer's signalling.
    Signalled,
    /// TURN allocations and channels.
    Turn(Coturn),
    /// No relay.
    Direct,
}

impl<'a> Trial<'a> {
    pub(super) fn start(options: &Options, testbed: &'a Testbed, peer: Peer) -> Result<Self> {
        let mut files = None;
        let (process, signalling, setup) = match peer {
            Peer::Telcon => {
                let (process, relay) = Telcon::start(testbed, &options.program)?;
                (Some(process), Some(SignallingThread::start(Box::new(relay))?), Setup::Signalled)
            }
            Peer::Janus => {
                let directory = files.insert(TempDir::new()?);
                let (process, janus) = Janus::start(testbed, directory.path(), options.parties)?;
                (Some(process), Some(SignallingThread::start(Box::new(janus))?), Setup::Signalled)
            }
            Peer::Coturn => {
                let directory = files.insert(TempDir::new()?);
                let (process, coturn) = Coturn::start(testbed, directory.path())?;
                (Some(process), None, Setup::Turn(coturn))
            }
            Peer::None => (None, None, Setup::Direct),
        };
        let generator =
            Generator::new(testbed.generator, options.profile(peer), signalling, options.cancellation.clone())?;
        let parties = options.parties;
        Ok(Self { generator, testbed, parties, setup, process, memory_before: None, _files: files })
    }

    fn memory(&self) -> Result<Option<Memory>> {
        self.process.as_ref().map(|process| process::memory(process.pid())).transpose()
    }

    /// Records the memory from which growth is measured.
    pub(super) fn record_memory(&mut self) -> Result<()> {
        self.memory_before = self.memory()?.map(|memory| (memory, self.generator.parties()));
        Ok(())
    }

    /// Adds calls until there are `calls`.
    pub(super) fn fill(&mut self, calls: u32) -> Result<()> {
        let existing = self.generator.parties() as u32 / self.parties;
        let missing = calls.saturating_sub(existing);
        match &mut self.setup {
            Setup::Signalled if missing > 0 => self.generator.add_calls(missing)?,
            Setup::Signalled => {}
            Setup::Turn(coturn) => {
                for _ in 0..missing {
                    self.generator.add_plain_call(coturn.call(self.testbed, self.parties)?)?;
                }
            }
            Setup::Direct => {
                for _ in 0..missing {
                    self.generator.add_plain_call(direct_call(self.testbed, self.parties)?)?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn measure(&mut self, options: &Options) -> Result<Figures> {
        let own = std::process::id();
        let server = self.process.as_ref().map(ServerProcess::pid);
        let excluded: Vec<u32> = server.into_iter().chain([own]).collect();
        let mut times = Vec::new();
        let mut others = Vec::new();
        let measured = self.generator.measure(options.warm, options.seconds, || {
            // Sampling all processes takes a while: before the first and after the last sample of the measurement.
            if times.is_empty() {
                others.push(process::cpu_of_others(&excluded));
            }
            times.push((server.map(process::cpu_nanoseconds).transpose()?, process::times(own)?));
            if times.len() == 2 {
                others.push(process::cpu_of_others(&excluded));
            }
            Ok(())
        })?;
        let [(before, own_before), (after, own_after)] = times[..] else { bail!("invariant: sampled twice") };
        let [others_before, others_after] = &others[..] else { bail!("invariant: sampled twice") };
        let memory = self.memory_before.zip(self.memory()?);
        let cpu = CpuTime {
            relay: before.zip(after).map(|(before, after)| after.saturating_sub(before)),
            generator: own_after.0.saturating_sub(own_before.0),
            waited: own_after.1.saturating_sub(own_before.1),
            others: process::used_between(others_before, others_after),
        };
        Ok(Figures::of(&measured, options.seconds, cpu, memory, &self.generator))
    }

    /// Measures beside unsolicited datagrams.
    pub(super) fn measure_under_flood(&mut self, options: &Options, per_second: u32) -> Result<Figures> {
        let to = self.generator.server_address().context("there is no server to flood")?;
        let flood = (per_second > 0).then(|| Flood::start(self.testbed.generator, to, per_second)).transpose()?;
        let figures = self.measure(options);
        // Stopped even if the measurement failed.
        let flood = flood.map_or(0.0, Flood::stop);
        Ok(Figures { flood, ..figures? })
    }
}

/// Sockets of a call in which every party sends to every other.
fn direct_call(testbed: &Testbed, parties: u32) -> Result<Vec<(UdpSocket, Targets)>> {
    let sockets: Vec<UdpSocket> = (0..parties).map(|_| socket(testbed.generator)).collect::<Result<_>>()?;
    let addresses: Vec<SocketAddr> = sockets.iter().map(UdpSocket::local_addr).collect::<Result<_, _>>()?;
    let call = sockets.into_iter().zip(&addresses).map(|(socket, own)| {
        let others = addresses.iter().filter(|other| *other != own).copied().collect();
        (socket, Targets::Direct(others))
    });
    Ok(call.collect())
}
