//! The device's audit of the office's log: it follows one tree, and every checkpoint that it relied on must be shown to be
//! part of that tree.

use super::keepalive::PING_INTERVAL_MS;
use crate::{
    Engine,
    device::{Claim, LogHead},
    io::Output,
    view::{AlertLevel, LogState},
};
use telcon_identity::IdentityError;
use telcon_proto::{Blob, ClientMessage, alert::ReportedAlert, limits::MAX_PROOF_AGE_MS};

/// Checkpoints that were relied on and not yet shown to be part of the log. A call adds a handful.
const MAX_CLAIMS: usize = 64;
/// How many of them are asked about with one ping.
const CLAIMS_PER_PING: usize = 8;
/// Time for the office to prove that its log continues a claimed checkpoint, milliseconds.
const CLAIM_TIMEOUT_MS: u64 = 120_000;

/// Which trees are too old for an inclusion proof, for [`MAX_PROOF_AGE_MS`]. Checkpoints carry no date; their age is measured by when
/// this device verified a larger one. Times are [`crate::clock::Clock::elapsed_ms`]: a suspended device asks for no checkpoint, and
/// what it had verified grows old.
#[derive(Default)]
pub(super) struct Freshness {
    least_size: u64,
    /// A tree that was verified over this connection. Its size becomes `least_size` after half the time.
    next: Option<Verified>,
    /// The newest such tree: it takes the place of `next`, after at most the other half.
    newest: Option<Verified>,
}

#[derive(Clone, Copy)]
struct Verified {
    size: u64,
    at_ms: u64,
}

impl Freshness {
    /// What this device verified before it signed in is as old as its time offline.
    pub(super) fn at_sign_in(size: u64) -> Self {
        Self { least_size: size, ..Self::default() }
    }

    /// The tree that this device follows has this size now.
    fn on_verified(&mut self, size: u64, elapsed_ms: u64) {
        self.age(elapsed_ms);
        let verified = Verified { size, at_ms: elapsed_ms };
        self.next.get_or_insert(verified);
        self.newest = Some(verified);
    }

    /// Time passed.
    pub(super) fn age(&mut self, elapsed_ms: u64) {
        let is_old = |verified: &mut Verified| elapsed_ms.saturating_sub(verified.at_ms) >= MAX_PROOF_AGE_MS / 2;
        if let Some(old) = self.next.take_if(is_old) {
            self.least_size = self.least_size.max(old.size);
            self.next = self.newest;
        }
        if let Some(old) = self.newest.take_if(is_old) {
            self.least_size = self.least_size.max(old.size);
            self.next = None;
        }
    }

    /// Least size of a tree that a proof may lead to.
    pub(super) fn least_size(&self) -> u64 {
        self.least_size
    }
}

impl Engine {
    /// The checkpoint sent at sign-in: trusted on first use only.
    pub(super) fn on_sign_in_checkpoint(&mut self, checkpoint: &str, now_ms: u64) {
        match self.device.office().verify_checkpoint(checkpoint) {
            Ok(size) if self.state.log.is_none() => self.accept_log_head(size, checkpoint, now_ms),
            Ok(_) => {}
            Err(error) => self.report_log_problem(format!("The log's checkpoint is invalid: {error}."), now_ms),
        }
    }

    /// A checkpoint with its consistency proof, in answer to a ping.
    pub(super) fn on_checkpoint(&mut self, checkpoint: &str, from_size: u64, proof: &[Blob], now_ms: u64) {
        let Some(head) = self.state.log.clone() else { return };
        if head.size == from_size {
            if let Err(error) = self.continue_log(&head, checkpoint, proof, now_ms) {
                let text = "The office's log does not continue what this device saw before";
                self.report_log_problem(format!("{text}: {error}. Tell the security officer."), now_ms);
            }
            self.next_ping_ms = Some(now_ms + PING_INTERVAL_MS);
        }
        if from_size == 0 {
            self.on_reports_confirmed();
        }
        let asked = self.peer_checkpoints_of(from_size);
        let claimed = self.state.claims.iter().any(|claim| claim.size == from_size);
        if asked.is_empty() && !claimed {
            return;
        }
        let followed = self.is_followed(checkpoint);
        if let Some(followed) = followed {
            self.settle_log_claims(checkpoint, from_size, proof, followed, now_ms);
        }
        self.settle_peer_checkpoints(asked, checkpoint, proof, followed == Some(true), now_ms);
    }

    /// Whether a checkpoint is of the tree that this device follows; none if the log did not sign it.
    fn is_followed(&self, checkpoint: &str) -> Option<bool> {
        let (office, head) = (self.device.office(), self.state.log.as_ref()?);
        if head.checkpoint == checkpoint {
            return Some(true);
        }
        let size = office.verify_checkpoint(checkpoint).ok()?;
        Some(size == head.size && office.verify_continues(&head.checkpoint, checkpoint, &[]).is_ok())
    }

    /// Records checkpoints that an accepted proof rests on: the log must be shown to continue them. A server that showed this
    /// device a forked log cannot give that consistency proof, now or later.
    pub(super) fn record_log_claims(&mut self, checkpoints: impl IntoIterator<Item = String>, now_ms: u64) {
        let mut grown = false;
        for checkpoint in checkpoints {
            let known = self.state.log.as_ref().is_some_and(|head| head.checkpoint == checkpoint)
                || self.state.claims.iter().any(|claim| claim.checkpoint == checkpoint);
            let Ok(size) = self.device.office().verify_checkpoint(&checkpoint) else { continue };
            if known {
                continue;
            }
            // The oldest claims are kept: a flood must not evict the evidence of a fork.
            if self.state.claims.len() == MAX_CLAIMS {
                return self.report_log_fork("too many checkpoints without a consistency proof", now_ms);
            }
            self.state.claims.push(Claim { size, checkpoint, since_ms: self.clock.uptime_ms });
            self.out.push_back(Output::Persist);
            grown |= self.state.log.as_ref().is_some_and(|head| head.size < size);
        }
        // What this call rests on is in the checkpoint that its members are sent, however short the call is.
        if let Some(head) = self.state.log.as_ref().filter(|_| grown) {
            self.send(ClientMessage::Ping { log_size: head.size });
        }
    }

    /// Requests consistency proofs from the claimed checkpoints; reports claims whose proof is overdue. Sent after the ping for
    /// the newest tree head, so that the proofs lead to that one.
    pub(super) fn request_log_proofs(&mut self, now_ms: u64) {
        let sizes: Vec<u64> = self.state.claims.iter().map(|claim| claim.size).take(CLAIMS_PER_PING).collect();
        for log_size in sizes {
            self.send(ClientMessage::Ping { log_size });
        }
        // Not by the date: an adjusted clock must not accuse an honest office.
        let uptime_ms = self.clock.uptime_ms;
        if self.state.claims.iter().any(|claim| uptime_ms.saturating_sub(claim.since_ms) > CLAIM_TIMEOUT_MS) {
            self.report_log_fork("no consistency proof arrived", now_ms);
        }
    }

    /// Holds a checkpoint that a proof rests on to the log that this device follows, and follows it from then on. `proof` proves
    /// that it continues the tree of `from_size` entries.
    ///
    /// # Errors
    /// A sentence for people: it is older, of another log, or proven from another tree than this device's.
    pub(crate) fn follow_log(
        &mut self,
        size: u64,
        checkpoint: &str,
        from_size: u64,
        proof: &[Blob],
        now_ms: u64,
    ) -> Result<(), String> {
        let Some(head) = self.state.log.clone() else {
            self.accept_log_head(size, checkpoint, now_ms);
            return Ok(());
        };
        if head.checkpoint == checkpoint {
            return Ok(());
        }
        if size < head.size {
            return Err(format!(
                "the office showed a log of {size} entries, but this device has seen {}: try again, and tell the security \
                 officer if it stays so",
                head.size
            ));
        }
        if from_size != head.size {
            return Err("the log has grown meanwhile: try again".into());
        }
        self.continue_log(&head, checkpoint, proof, now_ms).map_err(|error| {
            self.report_log_fork(&error.to_string(), now_ms);
            format!("the office showed another log than this device has seen: {error}")
        })
    }

    /// The office's answer about the claims of `from_size` entries. Only a proof that leads to the tree that this device follows,
    /// `followed`, settles one.
    fn settle_log_claims(&mut self, newest: &str, from_size: u64, proof: &[Blob], followed: bool, now_ms: u64) {
        let office = self.device.office();
        let mut forked = None;
        let mut settled = Vec::new();
        for claim in self.state.claims.iter().filter(|claim| claim.size == from_size) {
            match office.verify_continues(&claim.checkpoint, newest, proof) {
                Ok(_) if followed => settled.push(claim.checkpoint.clone()),
                Ok(_) => {}
                Err(error) => forked = Some(error.to_string()),
            }
        }
        self.state.claims.retain(|claim| !settled.contains(&claim.checkpoint));
        if !settled.is_empty() {
            self.out.push_back(Output::Persist);
        }
        if let Some(error) = forked {
            self.report_log_fork(&error, now_ms);
        }
    }

    /// This device accepted a proof from a forked log. This state is permanent.
    fn report_log_fork(&mut self, why: &str, now_ms: u64) {
        self.log_forked = true;
        let text = "This device accepted a call or a device from another log than the office's";
        self.report_log_problem(format!("{text}: {why}. Tell the security officer."), now_ms);
    }

    /// Follows the log from `head` to a checkpoint, if that continues it.
    fn continue_log(
        &mut self,
        head: &LogHead,
        checkpoint: &str,
        proof: &[Blob],
        now_ms: u64,
    ) -> Result<(), IdentityError> {
        let size = self.device.office().verify_continues(&head.checkpoint, checkpoint, proof)?;
        self.accept_log_head(size, checkpoint, now_ms);
        Ok(())
    }

    fn accept_log_head(&mut self, size: u64, checkpoint: &str, now_ms: u64) {
        let grown = self.state.log.as_ref().is_none_or(|head| head.size != size);
        self.state.log = Some(LogHead { size, checkpoint: checkpoint.to_owned() });
        self.freshness.on_verified(size, self.clock.elapsed_ms);
        let problem = self.log.take().and_then(|log| log.problem).filter(|_| self.log_forked);
        self.log = Some(LogState { size, checked_ms: now_ms, ok: !self.log_forked, problem });
        if grown {
            self.out.push_back(Output::Persist);
        }
    }

    fn report_log_problem(&mut self, problem: String, now_ms: u64) {
        let size = self.state.log.as_ref().map_or(0, |head| head.size);
        self.log = Some(LogState { size, checked_ms: now_ms, ok: false, problem: Some(problem.clone()) });
        self.report(ReportedAlert::LogForked, None);
        self.alert(AlertLevel::Red, problem);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn no_tree_is_fresh_for_longer_than_the_bound() {
        // One that is verified with each ping, for ten minutes: the log grows by an entry a second.
        let mut freshness = Freshness::at_sign_in(5);
        for second in (0..600).step_by(20) {
            freshness.on_verified(10 + second, second * 1_000);
            let least_age_ms = (10 + second - freshness.least_size()) * 1_000;
            assert!(second * 1_000 < MAX_PROOF_AGE_MS || least_age_ms <= MAX_PROOF_AGE_MS, "{least_age_ms} ms");
            assert!(least_age_ms >= MAX_PROOF_AGE_MS / 2 || freshness.least_size() == 5, "an honest proof is accepted");
        }
    }

    #[test]
    fn what_was_verified_before_a_suspension_is_old_after_it() {
        let mut freshness = Freshness::at_sign_in(5);
        freshness.on_verified(10, 0);
        freshness.on_verified(20, MAX_PROOF_AGE_MS / 2 - 1);
        assert_eq!(freshness.least_size(), 5);
        freshness.age(MAX_PROOF_AGE_MS / 2);
        assert_eq!(freshness.least_size(), 10);
        freshness.age(600_000);
        assert_eq!(freshness.least_size(), 20, "and not only the tree before it");
    }
}
