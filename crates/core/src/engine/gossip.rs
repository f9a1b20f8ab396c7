//! Comparison of the log that this device follows with those that members of its calls follow. A server with two histories must
//! prove one from the other, and cannot.

use crate::{
    Engine,
    device::LogHead,
    io::{Event, Output},
    peer_log::{Added, ForkFinding, KeptFork, LOG_FORK_VERSION, LogFork, PeerCheckpoint},
    view::{Alert, AlertLevel, ConnectionState, LogState},
};
use std::collections::BTreeSet;
use telcon_proto::{
    Blob, CallId, ClientMessage, DeviceId,
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
    pub(super) fn receive_checkpoints(&mut self, now_ms: u64) {
        let Some(call) = &mut self.call else { return };
        for (device, checkpoint) in call.take_checkpoints() {
            self.receive_checkpoint(device, checkpoint, now_ms);
        }
    }

    fn receive_checkpoint(&mut self, device: DeviceId, checkpoint: String, now_ms: u64) {
        let Some(call) = &mut self.call else { return };
        let id = call.id;
        let Some(head) = self.state.log.clone() else { return };
        if head.checkpoint == checkpoint {
            call.await_comparison(device, checkpoint);
            return self.mark_call(Some(&head.checkpoint));
        }
        let size = match self.device.office().verify_checkpoint(&checkpoint) {
            // The log did not sign it: that accuses the sender's program, and not the server.
            Err(_) => return call.invalid_checkpoints = call.invalid_checkpoints.saturating_add(1),
            // Every tree continues the empty one.
            Ok(0) => return,
            Ok(size) => size,
        };
        call.await_comparison(device, checkpoint.clone());
        // It was reported when it came first.
        if self.state.peer_log.has_evidence(&checkpoint) {
            return self.mark_known(checkpoint);
        }
        let (reported, refused, waited_ms, since_ms) = (false, 0, 0, None);
        let new = PeerCheckpoint { call: id, device, size, checkpoint, reported, refused, waited_ms, since_ms };
        match self.state.peer_log.add(new.clone()) {
            Added::New => self.out.push_back(Output::Persist),
            Added::Known => self.mark_known(new.checkpoint),
            // A server that withholds many proofs must not gain that other roots are not seen, or that they count as compared.
            Added::NoRoom if size == head.size => self.compare_equal_size(&head, &new, now_ms),
            Added::NoRoom => call.mark_unknown_log(device),
        }
    }

    /// Compares what can be compared without the server, reports what is overdue, and asks for the next proof.
    pub(super) fn compare_logs(&mut self, now_ms: u64) {
        let Some(head) = self.state.log.clone() else { return };
        self.compare_equal_sizes(&head, now_ms);
        if self.phase != ConnectionState::Ready {
            return;
        }
        let uptime_ms = self.clock.uptime_ms;
        let overdue = |peer: &PeerCheckpoint| !peer.reported && peer.total_wait_ms(uptime_ms) > PEER_PROOF_TIMEOUT_MS;
        while let Some(peer) = self.state.peer_log.unproven.iter().find(|peer| overdue(peer)).cloned() {
            self.report_fork(&head, &peer, ForkFinding::ProofOverdue, now_ms);
        }
        if uptime_ms < self.gossip.next_ms() {
            return;
        }
        let Some(peer) = self.state.peer_log.unproven.iter_mut().find(|peer| !peer.reported) else { return };
        let repeated = peer.since_ms.is_some();
        peer.waited_ms = peer.total_wait_ms(uptime_ms);
        peer.since_ms = Some(uptime_ms);
        let log_size = peer.size;
        if repeated {
            self.out.push_back(Output::Persist);
        }
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
            self.compare_equal_size(head, &peer, now_ms);
        }
    }

    fn compare_equal_size(&mut self, head: &LogHead, peer: &PeerCheckpoint, now_ms: u64) {
        if self.device.office().verify_continues(&head.checkpoint, &peer.checkpoint, &[]).is_ok() {
            return self.settle_peer_checkpoint(peer);
        }
        self.report_fork(head, peer, ForkFinding::RootsDiffer, now_ms);
        // The two notes prove it: once they are kept there is nothing more to ask for.
        if self.state.peer_log.has_evidence(&peer.checkpoint) {
            self.state.peer_log.unproven.retain(|known| known.checkpoint != peer.checkpoint);
        }
    }

    /// Members' checkpoints of this size that are not proven.
    pub(super) fn peer_checkpoints_of(&self, size: u64) -> Vec<PeerCheckpoint> {
        self.state.peer_log.unproven.iter().filter(|peer| peer.size == size).cloned().collect()
    }

    /// The office's answer about the checkpoints `asked`. `followed` is whether the answer leads to the tree that this device
    /// follows: otherwise it shows nothing. The log may have grown between two answers.
    pub(super) fn settle_peer_checkpoints(
        &mut self,
        asked: Vec<PeerCheckpoint>,
        newest: &str,
        proof: &[Blob],
        followed: bool,
        now_ms: u64,
    ) {
        self.gossip.outstanding &= asked.iter().all(|peer| peer.reported);
        let Some(head) = self.state.log.clone().filter(|_| followed) else { return };
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

    /// The connection ended: what was waited over it counts, and no less than the time between two requests, so that a server that
    /// closes the connection at each request is found out too. A device that is suspended or offline waits for nothing.
    pub(super) fn pause_comparisons(&mut self) {
        let uptime_ms = self.clock.uptime_ms;
        for peer in self.state.peer_log.unproven.iter_mut().filter(|peer| peer.since_ms.is_some()) {
            let least_ms = peer.waited_ms + PEER_PROOF_INTERVAL_MS;
            peer.waited_ms = peer.total_wait_ms(uptime_ms).max(least_ms);
            peer.since_ms = None;
            self.out.push_back(Output::Persist);
        }
    }

    /// After signing in: what was asked for before is asked for again, and what the office may not have got is reported again.
    pub(super) fn restart_comparisons(&mut self) {
        self.pause_comparisons();
        self.gossip = Gossip::default();
        self.state.peer_log.forks.iter_mut().for_each(|fork| fork.sent = false);
        self.report_forks();
    }

    /// Reports the forks that the office may not know of, one report for each call. The office does not acknowledge a report, but it
    /// answers in order: its answer to a ping that was sent after the report shows that it got it.
    fn report_forks(&mut self) {
        if self.phase != ConnectionState::Ready || self.awaits_report() {
            return;
        }
        let new = self.state.peer_log.forks.iter_mut().filter(|fork| !fork.reported);
        let calls: BTreeSet<CallId> = new
            .map(|fork| {
                fork.sent = true;
                fork.evidence.call
            })
            .collect();
        for call in &calls {
            self.report(ReportedAlert::LogForked, Some(*call));
        }
        self.confirm_reports();
    }

    /// Whether a report was sent, and the office may not have got it.
    fn awaits_report(&self) -> bool {
        self.state.peer_log.forks.iter().any(KeptFork::awaits_confirmation)
    }

    /// Asks the office for what shows that it got the reports: nothing else asks about the empty tree, and the answer needs no proof.
    pub(super) fn confirm_reports(&mut self) {
        if self.awaits_report() {
            self.send(ClientMessage::Ping { log_size: 0 });
        }
    }

    /// The office answered what [`Engine::confirm_reports`] asked.
    pub(super) fn on_reports_confirmed(&mut self) {
        for fork in self.state.peer_log.forks.iter_mut().filter(|fork| fork.awaits_confirmation()) {
            fork.reported = true;
            self.out.push_back(Output::Persist);
        }
        // What was found meanwhile.
        self.report_forks();
    }

    fn settle_peer_checkpoint(&mut self, peer: &PeerCheckpoint) {
        self.state.peer_log.settle(&peer.checkpoint);
        self.mark_call(Some(&peer.checkpoint));
        self.out.push_back(Output::Persist);
        self.view_changed();
    }

    /// Reports a fork, and keeps both checkpoints. The alert and the state of the log follow from them, also after a restart.
    fn report_fork(&mut self, head: &LogHead, peer: &PeerCheckpoint, how: ForkFinding, now_ms: u64) {
        let (own, other) = (head.checkpoint.clone(), peer.checkpoint.clone());
        let (call, device) = (peer.call, peer.device);
        let fork = LogFork { version: LOG_FORK_VERSION, found_ms: now_ms, how, call, device, own, other };
        let kept = self.state.peer_log.keep(fork.clone());
        let known = self.state.peer_log.unproven.iter_mut().find(|known| known.checkpoint == peer.checkpoint);
        let first = known.is_some_and(|known| !std::mem::replace(&mut known.reported, true));
        self.mark_call(None);
        // Other forks were reported; this one is not kept. It is reported once if it waits for its proof, and otherwise not at all,
        // since nothing would show that it was.
        if !kept && !first {
            return;
        }
        match kept {
            true => self.report_forks(),
            false => self.report(ReportedAlert::LogForked, Some(call)),
        }
        self.out.push_back(Output::Event(Event::LogFork(fork)));
        self.out.push_back(Output::Persist);
        self.view_changed();
    }

    /// A member sent a checkpoint that this device had already got, perhaps in an earlier call.
    fn mark_known(&mut self, checkpoint: String) {
        let Some(call) = &mut self.call else { return };
        // So that there are no more of them than are kept.
        call.known_checkpoints.retain(|known| self.state.peer_log.knows(known));
        call.known_checkpoints.insert(checkpoint);
        self.mark_call(None);
    }

    /// A checkpoint was compared: `same` is part of the log that this device follows.
    fn mark_call(&mut self, same: Option<&str>) {
        let Some(call) = &mut self.call else { return };
        let peer_log = &self.state.peer_log;
        let sent_suspect = call.known_checkpoints.iter().any(|checkpoint| peer_log.is_suspect(checkpoint));
        call.log_differs = peer_log.is_forked_in(call.id) || sent_suspect;
        if let Some(checkpoint) = same {
            call.mark_same_log(checkpoint);
        }
    }

    /// The alerts that the evidence calls for.
    pub(super) fn fork_alerts(&self) -> impl Iterator<Item = Alert> {
        let alert = |fork: &KeptFork| {
            let text = fork_text(fork.evidence.how).to_owned();
            Alert { level: AlertLevel::Red, text, fork: Some(fork.evidence.clone()) }
        };
        self.state.peer_log.forks.iter().map(alert)
    }

    /// What this device knows of the log.
    pub(super) fn log_state(&self) -> Option<LogState> {
        let log = self.log.clone()?;
        Some(match self.state.peer_log.forks.first() {
            Some(fork) if log.ok => {
                LogState { ok: false, problem: Some(fork_text(fork.evidence.how).to_owned()), ..log }
            }
            _ => log,
        })
    }
}

/// What happened, what it means, and what to do.
fn fork_text(how: ForkFinding) -> &'static str {
    match how {
        ForkFinding::RootsDiffer => {
            "The office's log has two versions: this device and another one in your call were shown different histories. Calls \
             or devices may be hidden from you. Save the evidence, give it to the security officer by some means other than this \
             office's server, and make no confidential calls until it is explained."
        }
        ForkFinding::ProofRefused | ForkFinding::ProofOverdue => {
            "The office's log seems to have two versions: the server does not prove that another device in your call was shown \
             the same history as this one. Calls or devices may be hidden from you. Save the evidence, give it to the security \
             officer by some means other than this office's server, and make no confidential calls until this is explained."
        }
    }
}
