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
    pub(crate) forks: Vec<KeptFork>,
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
    /// Whether the person was alerted. The proof is still asked for: it withdraws the alert.
    #[serde(default)]
    pub(crate) reported: bool,
    /// Wrong proofs so far.
    #[serde(skip)]
    pub(crate) refused: u32,
    /// How long its proof was waited for while connected, milliseconds, without what passed since `since_ms`: a server that closes
    /// the connection does not gain time.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) waited_ms: u64,
    /// Since when its proof is waited for beyond that, by the engine's uptime; none before it was asked for over this connection.
    #[serde(skip)]
    pub(crate) since_ms: Option<u64>,
}

fn is_zero(value: &u64) -> bool {
    *value == 0
}

impl PeerCheckpoint {
    /// How long its proof has been waited for while connected, milliseconds.
    pub(crate) fn total_wait_ms(&self, uptime_ms: u64) -> u64 {
        self.waited_ms + self.since_ms.map_or(0, |since_ms| uptime_ms.saturating_sub(since_ms))
    }
}

/// What became of a checkpoint ([`PeerLog::add`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Added {
    /// It waits for its proof.
    New,
    /// It waits already.
    Known,
    /// It is not kept: too many wait.
    NoRoom,
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

/// A fork as it is kept: from the evidence follow the alert on the screen and the report to the office.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeptFork {
    /// The evidence.
    #[serde(flatten)]
    pub(crate) evidence: LogFork,
    /// Whether the office got the report.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) reported: bool,
    /// Whether the report was sent over this connection.
    #[serde(skip)]
    pub(crate) sent: bool,
}

impl KeptFork {
    /// Whether the report was sent, and the office may not have got it.
    pub(crate) fn awaits_confirmation(&self) -> bool {
        self.sent && !self.reported
    }
}

fn is_false(value: &bool) -> bool {
    !value
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

    /// Adds a checkpoint behind the others, in place of one of the same device whose proof was not asked for yet. The oldest are
    /// kept, so that a flood does not evict the evidence of a fork.
    pub(crate) fn add(&mut self, new: PeerCheckpoint) -> Added {
        if self.unproven.iter().any(|known| known.checkpoint == new.checkpoint) {
            return Added::Known;
        }
        let awaiting_proof = |known: &PeerCheckpoint| known.reported || known.since_ms.is_some() || known.waited_ms > 0;
        self.unproven.retain(|known| known.device != new.device || awaiting_proof(known));
        if self.unproven.len() >= MAX_PEER_CHECKPOINTS {
            return Added::NoRoom;
        }
        self.unproven.push(new);
        Added::New
    }

    /// Whether a member of this call was shown another log, or may have been: what is not kept any more could be of this call.
    pub(crate) fn is_forked_in(&self, call: CallId) -> bool {
        self.forks.len() == MAX_LOG_FORKS
            || self.forks.iter().any(|fork| fork.evidence.call == call)
            || self.unproven.iter().any(|peer| peer.reported && peer.call == call)
    }

    /// Keeps the evidence of a fork, unless it is known or there is enough. Two roots prove a fork by themselves: they replace what
    /// rested on a missing proof, of the same checkpoint first, otherwise the newest of another one, which the server could still
    /// withdraw by proving it. Returns whether it was added.
    pub(crate) fn keep(&mut self, fork: LogFork) -> bool {
        self.withdraw(&fork.other);
        if self.has_evidence(&fork.other) {
            return false;
        }
        if self.forks.len() >= MAX_LOG_FORKS && fork.how == ForkFinding::RootsDiffer {
            let newest = |how| self.forks.iter().rposition(|known| known.evidence.how == how);
            let weaker = newest(ForkFinding::ProofOverdue).or_else(|| newest(ForkFinding::ProofRefused));
            weaker.map(|at| self.forks.remove(at));
        }
        let room = self.forks.len() < MAX_LOG_FORKS;
        if room {
            self.forks.push(KeptFork { evidence: fork, reported: false, sent: false });
        }
        room
    }

    /// Whether there is evidence about this checkpoint of a member.
    pub(crate) fn has_evidence(&self, checkpoint: &str) -> bool {
        self.forks.iter().any(|fork| fork.evidence.other == checkpoint)
    }

    /// Whether this checkpoint of a member is evidence, or the absence of its proof was reported.
    pub(crate) fn is_suspect(&self, checkpoint: &str) -> bool {
        self.has_evidence(checkpoint) || self.unproven.iter().any(|peer| peer.reported && peer.checkpoint == checkpoint)
    }

    /// Whether this checkpoint of a member waits for its proof, or is evidence.
    pub(crate) fn knows(&self, checkpoint: &str) -> bool {
        self.has_evidence(checkpoint) || self.unproven.iter().any(|peer| peer.checkpoint == checkpoint)
    }

    /// Removes what rests on the missing proof of a checkpoint.
    fn withdraw(&mut self, checkpoint: &str) {
        self.forks.retain(|fork| fork.evidence.other != checkpoint || fork.evidence.how == ForkFinding::RootsDiffer);
    }

    /// A proof showed that a checkpoint is part of the followed log: forgets it, and withdraws what rested on its missing proof.
    /// Where that makes room, what was reported and could not be kept is looked at again.
    pub(crate) fn settle(&mut self, checkpoint: &str) {
        self.unproven.retain(|known| known.checkpoint != checkpoint);
        self.withdraw(checkpoint);
        if self.forks.len() < MAX_LOG_FORKS {
            let forks = &self.forks;
            let not_kept =
                |known: &&mut PeerCheckpoint| forks.iter().all(|fork| fork.evidence.other != known.checkpoint);
            self.unproven.iter_mut().filter(not_kept).for_each(|known| known.reported = false);
        }
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
            waited_ms: 0,
            since_ms: None,
        }
    }

    fn fork(how: ForkFinding, other: &str) -> LogFork {
        LogFork {
            version: LOG_FORK_VERSION,
            found_ms: 1,
            how,
            call: CallId::from_bytes([1; 16]),
            device: DeviceId::from_bytes([2; 16]),
            own: "own".into(),
            other: other.into(),
        }
    }

    #[test]
    fn version_1_opens() {
        let stored: PeerLog = serde_json::from_str(VERSION_1).unwrap();
        stored.check_version().unwrap();
        assert_eq!((stored.unproven.len(), stored.forks.len()), (1, 1));
        assert_eq!((stored.unproven[0].reported, stored.forks[0].evidence.how), (true, ForkFinding::ProofOverdue));
        let again = serde_json::to_value(&stored).unwrap();
        assert_eq!(again, serde_json::from_str::<serde_json::Value>(VERSION_1).unwrap());
    }

    #[test]
    fn a_newer_version_is_refused() {
        let newer = PeerLog { version: PEER_LOG_VERSION + 1, ..PeerLog::default() };
        assert!(newer.check_version().unwrap_err().contains("version 2"));
    }

    #[test]
    fn one_checkpoint_of_each_device_waits_and_those_awaiting_their_proof_stay() {
        let mut log = PeerLog::default();
        assert_eq!([log.add(peer(1, 1)), log.add(peer(1, 1))], [Added::New, Added::Known]);
        log.unproven[0].since_ms = Some(0);
        for n in 2..100 {
            assert_eq!(log.add(peer(1, n)), Added::New);
        }
        let kept: Vec<u64> = log.unproven.iter().map(|peer| peer.size).collect();
        assert_eq!(kept, [1, 99]);
        let added = (2..100).filter(|device| log.add(peer(*device, 1)) == Added::New).count();
        assert_eq!(added, MAX_PEER_CHECKPOINTS - 2);
        assert_eq!(log.unproven.len(), MAX_PEER_CHECKPOINTS);
        assert_eq!(log.unproven[0].size, 1, "the oldest are kept");
    }

    #[test]
    fn a_proof_withdraws_what_rested_on_its_absence_and_not_two_roots() {
        let mut log = PeerLog::default();
        assert!(log.keep(fork(ForkFinding::ProofOverdue, "a")) && log.keep(fork(ForkFinding::RootsDiffer, "b")));
        assert!(log.keep(fork(ForkFinding::RootsDiffer, "a")), "two roots say more");
        assert!(log.keep(fork(ForkFinding::ProofRefused, "c")));
        for other in ["a", "b", "c"] {
            log.settle(other);
        }
        assert!(log.forks.iter().all(|fork| fork.evidence.how == ForkFinding::RootsDiffer) && log.forks.len() == 2);
    }

    #[test]
    fn two_roots_evict_a_missing_proof_and_nothing_evicts_two_roots() {
        use ForkFinding::{ProofOverdue, ProofRefused, RootsDiffer};
        let mut log = PeerLog::default();
        for (how, other) in [(ProofOverdue, "a"), (ProofRefused, "b"), (ProofOverdue, "c"), (ProofRefused, "d")] {
            assert!(log.keep(fork(how, other)));
        }
        assert!(!log.keep(fork(ProofOverdue, "e")) && !log.keep(fork(ProofRefused, "e")));
        for (other, left) in [("1", "abd1"), ("2", "bd12"), ("3", "b123"), ("4", "1234")] {
            assert!(log.keep(fork(RootsDiffer, other)));
            assert_eq!(log.forks.iter().map(|fork| fork.evidence.other.as_str()).collect::<String>(), left);
        }
        assert!(!log.keep(fork(RootsDiffer, "5")));
    }

    #[test]
    fn what_could_not_be_kept_is_looked_at_again_once_there_is_room() {
        let mut log = PeerLog::default();
        for n in 0..=MAX_LOG_FORKS as u64 {
            log.add(PeerCheckpoint { reported: true, ..peer(1, n) });
            log.keep(fork(ForkFinding::ProofOverdue, &format!("1/{n}")));
        }
        log.settle("1/0");
        let reported: Vec<bool> = log.unproven.iter().map(|peer| peer.reported).collect();
        assert_eq!(reported, [true, true, true, false]);
    }

    #[test]
    fn the_wait_for_a_proof_is_stored() {
        let mut log = PeerLog::default();
        log.add(PeerCheckpoint { waited_ms: 40_000, since_ms: Some(7), ..peer(1, 1) });
        let stored: PeerLog = serde_json::from_str(&serde_json::to_string(&log).unwrap()).unwrap();
        assert_eq!((stored.unproven[0].waited_ms, stored.unproven[0].since_ms), (40_000, None));
        assert_eq!(log.unproven[0].total_wait_ms(10), 40_003);
    }

    #[test]
    fn that_the_office_got_the_report_is_stored_with_the_evidence() {
        let mut log = PeerLog::default();
        log.keep(fork(ForkFinding::RootsDiffer, "a"));
        log.keep(fork(ForkFinding::RootsDiffer, "b"));
        (log.forks[0].reported, log.forks[1].sent) = (true, true);
        let stored: PeerLog = serde_json::from_str(&serde_json::to_string(&log).unwrap()).unwrap();
        let reported = |kept: &KeptFork| (kept.reported, kept.sent);
        assert_eq!(stored.forks.iter().map(reported).collect::<Vec<_>>(), [(true, false), (false, false)]);
        assert_eq!(stored.forks[0].evidence, fork(ForkFinding::RootsDiffer, "a"));
    }
}
