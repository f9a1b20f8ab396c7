//! Who joins and leaves a call: requests, this device's own commits, and those of other members.

use super::{MAX_QUEUED, MembershipChange, Processed};
use crate::{
    call::{admission::Refusal, phase::OptimisticCommit, ring::check_fresh, session::Session},
    context::Context,
    io::Output,
    mls::{group::Incoming, key_package::read_key_package},
};
use telcon_identity::LoggedDevice;
use telcon_proto::{Blob, DeviceId, message::Logged};

impl Session {
    /// A device asks to join: verifies it, and queues it for a commit.
    pub(in crate::call) fn on_join_request(
        &mut self,
        context: &Context<'_>,
        from: DeviceId,
        key_package: Vec<u8>,
        logged: &Logged,
        answer: bool,
    ) -> Result<(), Refusal> {
        let membership = &mut self.membership;
        let ring = self.ring.logged.ring().ring();
        let joiner = read_key_package(&key_package, ring.call.id, membership.group.suite())?;
        if membership.group.was_used(&joiner) {
            // A repeated request, or a server that replays the request of a device that has left since.
            return Ok(());
        }
        let joining = self.ring.verify_member(context, &joiner.leaf, std::slice::from_ref(logged))?;
        if joining.device().device() != from {
            return Err(Refusal::NotAllowed("a key package of another device was handed over"));
        }
        if answer && !joining.device().card().is_of(&ring.to) {
            let card = joining.device().card();
            let delegation = context.delegations.answering(&ring.to, card, &[context.now_ms()]);
            let delegation = delegation.ok_or(Refusal::NotAllowed("another person answered"))?;
            check_fresh(context, delegation)?;
            self.answers = Some(delegation.clone());
        }
        membership.check_shown(joining.device().card())?;
        self.check_same_words(joining.device().card())?;
        let membership = &mut self.membership;
        if membership.queue.len() >= MAX_QUEUED {
            return Err(Refusal::TooMany("too many devices asked to join at once"));
        }
        membership.queue.retain(|change| !matches!(change, MembershipChange::Join { device, .. } if *device == from));
        membership.queue.push(MembershipChange::Join { device: from, key_package, logged: Box::new(joining) });
        Ok(())
    }

    /// Commits the queued changes, if no commit is pending. Returns whether one was made.
    pub(in crate::call) fn commit_queued(&mut self, context: &mut Context<'_>) -> Result<bool, Refusal> {
        let message = self.membership.commit_queued(self.ring.logged.ring().ring().call.id)?;
        let made = message.is_some();
        context.out.extend(message.map(Output::Send));
        Ok(made)
    }

    /// Acts on this device's own commit before it is confirmed, if it brings both parties together: the first word is heard
    /// a round trip earlier. Whom it adds was verified here and is on the screen from now on. Only in a call that is not live
    /// yet, where nobody can miss audio sealed with a key that they do not have.
    pub(in crate::call) fn optimistic_commit(
        &mut self,
        context: &Context<'_>,
    ) -> Result<Option<OptimisticCommit>, Refusal> {
        let Some(pending) = &self.membership.pending else { return Ok(None) };
        let joining = pending.changes.iter().filter_map(|change| match change {
            MembershipChange::Join { device, logged, .. } => Some((*device, (**logged).clone())),
            MembershipChange::Remove(_) => None,
        });
        let joining: Vec<_> = joining.collect();
        let mut members = vec![context.device.me().device()];
        members.extend(joining.iter().map(|(device, _)| *device));
        self.membership.verified.extend(joining);
        let present: Vec<_> = self.membership.devices().chain(members.iter().copied()).collect();
        if !self.has_both_parties(context, &present) {
            return Ok(None);
        }
        let (next, own) = (self.membership.group.pending_epoch()?, self.membership.group.own_index());
        self.membership.keys.seal_with_pending_epoch(next.number, &next.sframe_base_key, own);
        Ok(Some(OptimisticCommit { members, phrase: next.phrase }))
    }

    /// The switchboard ordered a commit. A commit of another member is merged only after everybody whom it adds was verified.
    pub(in crate::call) fn on_committed(
        &mut self,
        context: &Context<'_>,
        seq: u64,
        from: DeviceId,
        commit: &Blob,
        proofs: &[Logged],
    ) -> Result<Processed, Refusal> {
        let membership = &mut self.membership;
        if seq <= membership.seq {
            return Ok(Processed::Known);
        }
        if let Some(pending) = membership.pending.take_if(|pending| pending.own.commit == commit.0) {
            let changed = !pending.changes.is_empty();
            let joined = membership.confirm(pending)?;
            let added = !joined.is_empty();
            joined.into_iter().for_each(|logged| self.on_member_joined(logged));
            self.membership.seq = seq;
            return Ok(Processed::Own { added, changed });
        }
        if from == context.device.me().device() {
            return Err(Refusal::NotAllowed("a commit came under this device's name that it did not make"));
        }
        let Incoming::Commit(change) = membership.group.process(commit.as_slice())? else {
            return Err(Refusal::NotAllowed("another kind of message came in place of a commit"));
        };
        let mut joined = Vec::new();
        for leaf in &change.added {
            let logged = self.ring.verify_member(context, leaf, proofs)?;
            membership.check_shown(logged.device().card())?;
            joined.push(logged);
        }
        joined.iter().try_for_each(|logged| self.check_same_words(logged.device().card()))?;
        let membership = &mut self.membership;
        // A pending commit was made in the epoch that ends now, and cannot be accepted any more.
        let lost = membership.pending.take();
        if lost.is_some() {
            membership.group.discard()?;
        }
        let changed = !change.added.is_empty() || !change.removed.is_empty();
        membership.group.merge(*change)?;
        let processed = Processed::Other { lost: lost.is_some(), changed };
        if let Some(pending) = lost {
            membership.requeue(pending.changes);
        }
        membership.seq = seq;
        for logged in joined {
            self.note_answer(context, logged.device().card())?;
            self.on_member_joined(logged);
        }
        Ok(processed)
    }

    /// A verified device joined, possibly again with fresh keys.
    fn on_member_joined(&mut self, logged: LoggedDevice) {
        let device = logged.device().device();
        self.presence.on_joined(device);
        self.membership.verified.insert(device, logged);
    }
}
