//! What the members of calls showed this device of its office's log, at rest: checkpoints that wait for a consistency proof, and the
//! evidence of forks.

use serde::{Deserialize, Serialize};
use telcon_proto::{
    CallId, DeviceId,
    limits::{MAX_LOG_FORKS, MAX_PEER_CHECKPOINTS},
};

/// Version of [`PeerLog`] at rest.
const PEER_LOG_VERSION: u16 = 1;

/// Version of [`LogFork`].
pub const LOG_FORK_VERSION: u16 = 1;

/// See the module. Bounded: at most [`MAX_PEER_CHECKPOINTS`] and [`MAX_LOG_FORKS`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerLog {
    version: u16,
    /// Checkpoints that the home office's log signed and that are not shown to be part of the log that this device follows, oldest
    /// first. After a restart their proofs are asked for again.
    pub(crate) unproven: Vec<PeerCheckpoint>,
    /// Evidence, oldest first.
    pub(crate) forks: Vec<LogFork>,
}

impl Default for PeerLog {
    fn default() -> Self {
        Self { version: PEER_LOG_VERSION, unproven: Vec::new(), forks: Vec::new() }
    }
}

/// A signed checkpoint that a member of a call sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerCheckpoint {
    /// The call.
    pub call: CallId,
    /// The member's device.
    pub device: DeviceId,
    /// Entries of its tree.
    pub size: u64,
    /// The signed note.
    pub checkpoint: String,
    /// Whether the person was alerted. The proof is asked for further: it withdraws the alert.
    #[serde(default)]
    pub(crate) reported: bool,
    /// Wrong proofs so far.
    #[serde(skip)]
    pub(crate) refused: u32,
    /// Since when its proof is waited for, by the engine's uptime; none before it was asked for over this connection.
    #[serde(skip)]
    pub(crate) since_ms: Option<u64>,
}

/// Two signed checkpoints of one log that do not belong to one history, as far as this device was shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LogFork {
    /// Version of this format, which is also that of the file that a page saves and of the line that a program logs:
    /// [`LOG_FORK_VERSION`].
    pub version: u16,
    /// When this device found it, milliseconds since 1970 UTC by its clock.
    pub found_ms: u64,
    /// How.
    pub how: ForkFinding,
    /// The call in which the other checkpoint came.
    pub call: CallId,
    /// The member's device that sent it.
    pub device: DeviceId,
    /// The signed checkpoint that this device follows (C2SP signed note).
    pub own: String,
    /// The signed checkpoint that the member's device follows.
    pub other: String,
}

/// How a fork was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ForkFinding {
    /// Two trees of one size have different roots: the two notes alone prove it.
    RootsDiffer,
    /// The server gave wrong proofs that one tree continues the other. Everybody who has the log's tiles can check it.
    ProofRefused,
    /// The server gave no such proof in time.
    ProofOverdue,
}

impl PeerLog {
    /// Nothing to store.
    pub(crate) fn is_empty(&self) -> bool {
        self.unproven.is_empty() && self.forks.is_empty()
    }

    /// Refuses what a newer program stored: evidence must not be dropped because it is not understood.
    pub(crate) fn check_version(&self) -> Result<(), String> {
        if self.version == PEER_LOG_VERSION {
            return Ok(());
        }
        Err(format!("evidence of version {}, this program reads {PEER_LOG_VERSION}", self.version))
    }

    /// Adds a checkpoint behind the others, in place of one of the same device that nobody was asked about yet. Returns whether it is
    /// new and there was room: the oldest are kept, so that a flood does not evict the evidence of a fork.
    pub(crate) fn add(&mut self, new: PeerCheckpoint) -> bool {
        if self.unproven.iter().any(|known| known.checkpoint == new.checkpoint) {
            return false;
        }
        let in_work = |known: &PeerCheckpoint| known.reported || known.since_ms.is_some();
        self.unproven.retain(|known| known.device != new.device || in_work(known));
        let room = self.unproven.len() < MAX_PEER_CHECKPOINTS;
        if room {
            self.unproven.push(new);
        }
        room
    }

    /// Whether a member of this call was shown another log, or may have been: what is not kept any more could be of this call.
    pub(crate) fn is_forked_in(&self, call: CallId) -> bool {
        self.forks.len() == MAX_LOG_FORKS
            || self.forks.iter().any(|fork| fork.call == call)
            || self.unproven.iter().any(|peer| peer.reported && peer.call == call)
    }

    /// Keeps the evidence of a fork, unless it is known or there is enough. Two roots replace what rested on a missing proof.
    /// Returns whether it is kept.
    pub(crate) fn keep(&mut self, fork: LogFork) -> bool {
        self.forks.retain(|known| known.other != fork.other || known.how == ForkFinding::RootsDiffer);
        let known = self.forks.iter().any(|known| known.other == fork.other);
        let kept = !known && self.forks.len() < MAX_LOG_FORKS;
        if kept {
            self.forks.push(fork);
        }
        kept
    }

    /// A proof showed that a checkpoint is part of the followed log: forgets it, and withdraws what rested on its missing proof.
    pub(crate) fn settle(&mut self, checkpoint: &str) {
        self.unproven.retain(|known| known.checkpoint != checkpoint);
        self.forks.retain(|fork| fork.other != checkpoint || fork.how == ForkFinding::RootsDiffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// What version 1 stored.
    const VERSION_1: &str = include_str!("../tests/vectors/peer_log_v1.json");

    fn peer(device: u8, n: u64) -> PeerCheckpoint {
        PeerCheckpoint {
            call: CallId::from_bytes([1; 16]),
            device: DeviceId::from_bytes([device; 16]),
            size: n,
            checkpoint: format!("{device}/{n}"),
            reported: false,
            refused: 0,
            since_ms: None,
        }
    }

    #[test]
    fn version_1_opens() {
        let stored: PeerLog = serde_json::from_str(VERSION_1).unwrap();
        stored.check_version().unwrap();
        assert_eq!((stored.unproven.len(), stored.forks.len()), (1, 1));
        assert_eq!((stored.unproven[0].reported, stored.forks[0].how), (true, ForkFinding::ProofOverdue));
        let again = serde_json::to_value(&stored).unwrap();
        assert_eq!(again, serde_json::from_str::<serde_json::Value>(VERSION_1).unwrap());
    }

    #[test]
    fn a_newer_version_is_refused() {
        let newer = PeerLog { version: PEER_LOG_VERSION + 1, ..PeerLog::default() };
        assert!(newer.check_version().unwrap_err().contains("version 2"));
    }

    #[test]
    fn one_checkpoint_of_each_device_waits_and_those_in_work_stay() {
        let mut log = PeerLog::default();
        assert!(log.add(peer(1, 1)) && !log.add(peer(1, 1)));
        log.unproven[0].since_ms = Some(0);
        for n in 2..100 {
            assert!(log.add(peer(1, n)));
        }
        let kept: Vec<u64> = log.unproven.iter().map(|peer| peer.size).collect();
        assert_eq!(kept, [1, 99]);
        let added = (2..100).filter(|device| log.add(peer(*device, 1))).count();
        assert_eq!(added, MAX_PEER_CHECKPOINTS - 2);
        assert_eq!(log.unproven.len(), MAX_PEER_CHECKPOINTS);
        assert_eq!(log.unproven[0].size, 1, "the oldest are kept");
    }

    #[test]
    fn a_proof_withdraws_what_rested_on_its_absence_and_not_two_roots() {
        let mut log = PeerLog::default();
        let fork = |how, other: &str| LogFork {
            version: LOG_FORK_VERSION,
            found_ms: 1,
            how,
            call: CallId::from_bytes([1; 16]),
            device: DeviceId::from_bytes([2; 16]),
            own: "own".into(),
            other: other.into(),
        };
        assert!(log.keep(fork(ForkFinding::ProofOverdue, "a")) && log.keep(fork(ForkFinding::RootsDiffer, "b")));
        assert!(log.keep(fork(ForkFinding::RootsDiffer, "a")), "two roots say more");
        assert!(log.keep(fork(ForkFinding::ProofRefused, "c")));
        for other in ["a", "b", "c"] {
            log.settle(other);
        }
        assert!(log.forks.iter().all(|fork| fork.how == ForkFinding::RootsDiffer) && log.forks.len() == 2);
    }
}
