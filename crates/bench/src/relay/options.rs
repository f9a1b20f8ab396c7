//! What a run measures.

use crate::{
    cancellation::Cancellation,
    relay::{generator::LoadProfile, peer::Peer},
};
use std::path::PathBuf;

/// Parameters of a run.
#[derive(Debug, Clone)]
pub struct Options {
    /// The peers, in the order of each round.
    pub peers: Vec<Peer>,
    /// Concurrent calls.
    pub calls: u32,
    /// Parties per call, 2 to [`telcon_proto::limits::MAX_MEMBERS`].
    pub parties: u32,
    /// Frame duration, milliseconds.
    pub frame_ms: u64,
    /// Counted rounds, after one warm-up round. 0 is a single counted round.
    pub rounds: u32,
    /// Seconds of media before each measurement.
    pub warm: f64,
    /// Seconds of each measurement.
    pub seconds: f64,
    /// Parties that join concurrently.
    pub joins: usize,
    /// No media is sent, to measure the memory of idle legs.
    pub idle: bool,
    /// How the load varies.
    pub plan: LoadPlan,
    /// Use a network namespace even if no peer requires it.
    pub netns: bool,
    /// The `telcon` program.
    pub program: PathBuf,
    /// Cancels the run.
    pub cancellation: Cancellation,
}

/// How the load varies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoadPlan {
    /// Constant, in rounds with a fresh process each.
    Rounds,
    /// Grows by a quarter, from the given number of calls, until it is not sustained.
    Step,
    /// These numbers of calls, with one process of the peer.
    Curve(Vec<u32>),
    /// Constant, beside these rates of unsolicited datagrams per second.
    Flood(Vec<u32>),
}

impl LoadPlan {
    /// Its name in JSON.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Rounds => "rounds",
            Self::Step => "step",
            Self::Curve(_) => "curve",
            Self::Flood(_) => "flood",
        }
    }
}

impl Options {
    pub(super) fn profile(&self, peer: Peer) -> LoadProfile {
        LoadProfile {
            parties: self.parties,
            frame_ms: self.frame_ms,
            send: !self.idle,
            separate_subscriber: peer == Peer::Janus,
            joins: self.joins,
        }
    }
}
