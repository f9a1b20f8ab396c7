//! Comparison of the log that this device follows with those that members of its calls follow. A server with two histories must
//! prove one from the other, and cannot.

use crate::{
    Engine,
    device::LogHead,
    io::{Event, Output},
    peer_log::{ForkFinding, LOG_FORK_VERSION, LogFork, PeerCheckpoint},
    view::{Alert, AlertLevel, ConnectionState, LogComparison, LogState},
};
use telcon_proto::{
    Blob, CallId, ClientMessage,
    alert::ReportedAlert,
    limits::{MAX_REFUSED_PEER_PROOFS, PEER_PROOF_INTERVAL_MS, PEER_PROOF_TIMEOUT_MS},
};

/// How long a request for a proof is outstanding before it is repeated, milliseconds: the office refuses it while its disk does
/// not answer.
const ASK_AGAIN_MS: u64 = 10_000;

/// The requests for consistency proofs. Times are engine uptime, in milliseconds.
#[derive(Default)]
pub(super) struct Gossip {
    /// When the last one was sent.
    asked_ms: Option<u64>,
    /// Whether it was not answered yet.
    outstanding: bool,
}

impl Gossip {
    /// When the next request may be sent.
    fn next_ms(&self) -> u64 {
        let wait_ms = if self.outstanding { ASK_AGAIN_MS } else { PEER_PROOF_INTERVAL_MS };
        self.asked_ms.map_or(0, |at_ms| at_ms + wait_ms)
    }
}

impl Engine {
    /// Takes the checkpoints that members of the call sent.
    pub(super) fn receive_checkpoints(&mut self) {
        let Some(call) = &mut self.call else { return };
        let mut same = Vec::new();
        for (device, checkpoint) in call.take_checkpoints() {
            if self.state.log.as_ref().is_some_and(|head| head.checkpoint == checkpoint) {
                same.push(call.id);
                continue;
            }
            match self.device.office().verify_checkpoint(&checkpoint) {
                // The log did not sign it: that accuses the sender's program, and not the server.
                Err(_) => call.invalid_checkpoints = call.invalid_checkpoints.saturating_add(1),
                // Every tree continues the empty one.
                Ok(0) => {}
                Ok(size) => {
                    let (call, reported, refused, since_ms) = (call.id, false, 0, None);
                    let new = PeerCheckpoint { call, device, size, checkpoint, reported, refused, since_ms };
                    if self.state.peer_log.add(new) {
                        self.out.push_back(Output::Persist);
                    }
                }
            }
        }
        same.into_iter().for_each(|call| self.mark_call(call));
    }

    /// Compares what can be compared without the server, reports what is overdue, and asks for the next proof.
    pub(super) fn compare_logs(&mut self, now_ms: u64) {
        let Some(head) = self.state.log.clone() else { return };
        self.compare_equal_sizes(&head, now_ms);
        if self.phase != ConnectionState::Ready {
            return;
        }
        let uptime_ms = self.clock.uptime_ms;
        let overdue = |peer: &PeerCheckpoint| {
            !peer.reported
                && peer.since_ms.is_some_and(|since_ms| uptime_ms.saturating_sub(since_ms) > PEER_PROOF_TIMEOUT_MS)
        };
        while let Some(peer) = self.state.peer_log.unproven.iter().find(|peer| overdue(peer)).cloned() {
            self.report_fork(&head, &peer, ForkFinding::ProofOverdue, now_ms);
        }
        if uptime_ms < self.gossip.next_ms() {
            return;
        }
        let Some(peer) = self.state.peer_log.unproven.iter_mut().find(|peer| !peer.reported) else { return };
        peer.since_ms.get_or_insert(uptime_ms);
        let log_size = peer.size;
        self.gossip = Gossip { asked_ms: Some(uptime_ms), outstanding: true };
        // First for the newest tree, so that the proof leads to the one that this device follows then.
        self.send(ClientMessage::Ping { log_size: head.size });
        self.send(ClientMessage::Ping { log_size });
    }

    /// When [`Engine::compare_logs`] has something to do, milliseconds since 1970 UTC.
    pub(super) fn next_comparison_ms(&self) -> Option<u64> {
        let waiting = self.state.peer_log.unproven.iter().any(|peer| !peer.reported);
        let due = waiting && self.phase == ConnectionState::Ready && self.state.log.is_some();
        due.then(|| self.clock.wall_ms + self.gossip.next_ms().saturating_sub(self.clock.uptime_ms))
    }

    /// Trees of one size are the same or not.
    fn compare_equal_sizes(&mut self, head: &LogHead, now_ms: u64) {
        let equal = self.state.peer_log.unproven.iter().filter(|peer| peer.size == head.size);
        for peer in equal.cloned().collect::<Vec<_>>() {
            match self.device.office().verify_continues(&head.checkpoint, &peer.checkpoint, &[]) {
                Ok(_) => self.settle_peer_checkpoint(&peer),
                Err(_) => {
                    self.report_fork(head, &peer, ForkFinding::RootsDiffer, now_ms);
                    // The two notes prove it: there is nothing more to ask for.
                    self.state.peer_log.unproven.retain(|known| known.checkpoint != peer.checkpoint);
                }
            }
        }
    }

    /// The office's answer to a ping, after this device follows the newest tree as far as that is proven.
    pub(super) fn settle_peer_checkpoints(&mut self, newest: &str, from_size: u64, proof: &[Blob], now_ms: u64) {
        let Some(head) = self.state.log.clone() else { return };
        let asked = self.state.peer_log.unproven.iter().filter(|peer| peer.size == from_size);
        let asked: Vec<PeerCheckpoint> = asked.cloned().collect();
        self.gossip.outstanding &= asked.iter().all(|peer| peer.reported);
        // A proof that leads to another tree than the followed one shows nothing. The log may have grown between two answers.
        let office = self.device.office();
        if !office.verify_checkpoint(newest).is_ok_and(|size| size == head.size)
            || office.verify_continues(&head.checkpoint, newest, &[]).is_err()
        {
            return;
        }
        for peer in asked {
            if self.device.office().verify_continues(&peer.checkpoint, newest, proof).is_ok() {
                self.settle_peer_checkpoint(&peer);
                continue;
            }
            let known = self.state.peer_log.unproven.iter_mut().find(|known| known.checkpoint == peer.checkpoint);
            let Some(known) = known.filter(|known| !known.reported && known.since_ms.is_some()) else { continue };
            known.refused += 1;
            if known.refused >= MAX_REFUSED_PEER_PROOFS {
                self.report_fork(&head, &peer, ForkFinding::ProofRefused, now_ms);
            }
        }
    }

    /// A later proof withdraws an alert: asks for it with each regular ping.
    pub(super) fn ask_for_reported_checkpoints(&mut self) {
        if let Some(peer) = self.state.peer_log.unproven.iter().find(|peer| peer.reported) {
            let log_size = peer.size;
            self.send(ClientMessage::Ping { log_size });
        }
    }

    /// After signing in: what was asked for before is asked for again, and its time begins anew.
    pub(super) fn restart_comparisons(&mut self) {
        self.gossip = Gossip::default();
        self.state.peer_log.unproven.iter_mut().for_each(|peer| peer.since_ms = None);
    }

    fn settle_peer_checkpoint(&mut self, peer: &PeerCheckpoint) {
        self.state.peer_log.settle(&peer.checkpoint);
        self.mark_call(peer.call);
        self.out.push_back(Output::Persist);
        self.view_changed();
    }

    /// Keeps both checkpoints. The alert and the state of the log follow from them, also after a restart.
    fn report_fork(&mut self, head: &LogHead, peer: &PeerCheckpoint, how: ForkFinding, now_ms: u64) {
        let (own, other) = (head.checkpoint.clone(), peer.checkpoint.clone());
        let (call, device) = (peer.call, peer.device);
        let fork = LogFork { version: LOG_FORK_VERSION, found_ms: now_ms, how, call, device, own, other };
        if self.state.peer_log.keep(fork.clone()) {
            self.report(ReportedAlert::LogForked, Some(call));
            self.out.push_back(Output::Event(Event::LogFork(fork)));
        }
        let known = self.state.peer_log.unproven.iter_mut().find(|known| known.checkpoint == peer.checkpoint);
        if let Some(known) = known {
            known.reported = true;
        }
        self.mark_call(call);
        self.out.push_back(Output::Persist);
        self.view_changed();
    }

    /// A checkpoint that came in this call was compared.
    fn mark_call(&mut self, id: CallId) {
        if let Some(call) = self.call.as_mut().filter(|call| call.id == id) {
            let different = self.state.peer_log.is_forked_in(id);
            call.logs = if different { LogComparison::Different } else { LogComparison::Same };
        }
    }

    /// The alerts that the evidence calls for.
    pub(super) fn fork_alerts(&self) -> impl Iterator<Item = Alert> {
        let alert = |fork: &LogFork| {
            let text = fork_text(fork.how).to_owned();
            Alert { level: AlertLevel::Red, text, fork: Some(fork.clone()) }
        };
        self.state.peer_log.forks.iter().map(alert)
    }

    /// What this device knows of the log.
    pub(super) fn log_state(&self) -> Option<LogState> {
        let log = self.log.clone()?;
        Some(match self.state.peer_log.forks.first() {
            Some(fork) if log.ok => LogState { ok: false, problem: Some(fork_text(fork.how).to_owned()), ..log },
            _ => log,
        })
    }
}

/// What happened, what it means, and what to do.
fn fork_text(how: ForkFinding) -> &'static str {
    match how {
        ForkFinding::RootsDiffer => {
            "The office's log has two versions: this device and another one in your call were shown different histories. Calls \
             or devices may be hidden from you. Save the evidence, give it to the security officer by another way than this \
             office's server, and make no confidential calls until it is explained."
        }
        ForkFinding::ProofRefused | ForkFinding::ProofOverdue => {
            "The office's log seems to have two versions: the server does not prove that another device in your call was shown \
             the same history as this one. Calls or devices may be hidden from you. Save the evidence, give it to the security \
             officer by another way than this office's server, and make no confidential calls until it is explained."
        }
    }
}
