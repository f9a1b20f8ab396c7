//! Membership of the call: requests to join and leave, commits, and the epochs that they start.

use super::{
    Call, MAX_WAITING, Member, MembershipChange, OptimisticCommit, PendingCommit,
    admission::{self, Refusal},
    blob,
    captions::CaptionKey,
    message::GroupMessage,
};
use crate::{
    device::Device,
    engine::{Event, Output},
    mls::{
        Leaf,
        group::{CallGroup, Incoming, OwnCommit, StagedChange},
        key_package::{Joiner, read_key_package},
    },
    view::{CallState, Direction},
};
use chacha20::ChaCha20Rng;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use telcon_identity::{LoggedDevice, VerifiedDevice};
use telcon_proto::{Blob, CallId, ClientMessage, DeviceId, Role, message::Logged};

impl Call {
    pub(super) fn on_join_request(
        &mut self,
        device: &Device,
        from: DeviceId,
        key_package: Vec<u8>,
        logged: &Logged,
        answer: bool,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        let (Some(ring), Some(group)) = (&self.ring, &self.group) else { return Ok(()) };
        let joiner = read_key_package(&key_package, self.id, self.suite)?;
        if group.was_used(&joiner) {
            // It was asked twice, or a server asks again by what a device asked that has left since.
            return Ok(());
        }
        let joining = admission::verify(device.office(), &joiner.leaf, std::slice::from_ref(logged), now_ms)?;
        admission::admit(ring, joining.device())?;
        if joining.device().device() != from {
            return Err(Refusal::NotAllowed("a key package of another device was handed over"));
        }
        if answer && joining.device().card().person != ring.ring().ring().to {
            return Err(Refusal::NotAllowed("somebody else answered"));
        }
        self.check_callee_name(joining.device())?;
        if self.waiting.len() >= MAX_WAITING {
            return Err(Refusal::NotAllowed("too many asked to join at once"));
        }
        self.waiting.retain(|change| !matches!(change, MembershipChange::Join { device, .. } if *device == from));
        self.waiting.push(MembershipChange::Join { device: from, key_package, logged: Box::new(joining) });
        Ok(())
    }

    /// The list that a person rings from is the server's; the name in the certificate is the office authority's. Who comes in
    /// the place of the person who was rung has the name that was rung, however they come in.
    fn check_callee_name(&self, device: &VerifiedDevice) -> Result<(), Refusal> {
        let (Some(ring), Direction::Out, Some((_, to))) = (&self.ring, self.direction, &self.hint) else {
            return Ok(());
        };
        if device.card().person == ring.ring().ring().to && device.card().name != to.name {
            return Err(Refusal::NotAllowed("who answered has another name than the one that was rung"));
        }
        Ok(())
    }

    pub(super) fn on_remove_request(&mut self, devices: Vec<DeviceId>) {
        for device in devices {
            self.waiting.retain(
                |change| !matches!(change, MembershipChange::Join { device: joining, .. } if *joining == device),
            );
            if self.waiting.len() < MAX_WAITING {
                self.waiting.push(MembershipChange::Remove(device));
            }
        }
    }

    fn leaf_of(&self, device: DeviceId) -> Option<u32> {
        self.roster.iter().find(|(_, member)| member.device == device).map(|(leaf, _)| *leaf)
    }

    /// Commits what waits, all in one epoch, unless a commit is already on its way.
    pub(super) fn try_commit(
        &mut self,
        device: &Device,
        now_ms: u64,
        out: &mut VecDeque<Output>,
    ) -> Result<(), Refusal> {
        if self.pending.is_some() || self.waiting.is_empty() {
            return Ok(());
        }
        let changes = std::mem::take(&mut self.waiting);
        let (mut joiners, mut removed): (Vec<Joiner>, Vec<u32>) = (Vec::new(), Vec::new());
        let own = self.group.as_ref().map(CallGroup::own_index);
        let (mut adds, mut removes) = (Vec::new(), Vec::new());
        for change in &changes {
            let (MembershipChange::Join { device, .. } | MembershipChange::Remove(device)) = change;
            let joiner = match change {
                MembershipChange::Join { key_package, .. } => Some(read_key_package(key_package, self.id, self.suite)?),
                MembershipChange::Remove(_) => None,
            };
            // Another member's commit may have been first.
            if joiner.as_ref().is_some_and(|joiner| self.group.as_ref().is_some_and(|group| group.was_used(joiner))) {
                continue;
            }
            // A device that joins again lost its keys: its old leaf goes in the same commit.
            if let Some(leaf) = self.leaf_of(*device).filter(|leaf| Some(*leaf) != own && !removed.contains(leaf)) {
                removed.push(leaf);
                removes.push(*device);
            }
            if let Some(joiner) = joiner {
                joiners.push(joiner);
                adds.push(*device);
            }
        }
        if joiners.is_empty() && removed.is_empty() {
            return Ok(());
        }
        let Some(group) = &mut self.group else { return Ok(()) };
        let own = group.commit(joiners, &removed)?;
        let message = commit_message(self.id, &own, adds, removes);
        out.push_back(Output::Send(message.clone()));
        self.pending = Some(PendingCommit { own, message, changes });
        self.apply_optimistically(device, now_ms, out)
    }

    /// Goes live in the epoch of this device's own commit while the commit is still on its way: whom it adds was
    /// verified here and is shown from now on, and the first word comes a round trip earlier. Only in a call that is
    /// not live yet, where nobody can miss sound by a key that they do not have.
    fn apply_optimistically(
        &mut self,
        device: &Device,
        now_ms: u64,
        out: &mut VecDeque<Output>,
    ) -> Result<(), Refusal> {
        let (Some(pending), Some(group)) = (&self.pending, &self.group) else { return Ok(()) };
        if self.started_ms.is_some() || self.is_live() || !self.own_role.speaks() {
            return Ok(());
        }
        let mut joining = vec![device.me().device()];
        for change in &pending.changes {
            if let MembershipChange::Join { device, logged, .. } = change {
                self.verified.insert(*device, (**logged).clone());
                joining.push(*device);
            }
        }
        let (next, own) = (group.pending_epoch()?, group.own_index());
        self.optimistic = Some(OptimisticCommit { joining, phrase: next.phrase, was: self.state });
        if !self.go_live(device, now_ms, out) {
            self.optimistic = None;
            return Ok(());
        }
        self.keys.seal_with_pending_epoch(next.number, &next.sframe_base_key, own);
        Ok(())
    }

    /// The commit that this device went optimistic with was not taken: nobody joined, and nothing more is sealed.
    fn roll_back(&mut self) {
        if let Some(optimistic) = self.optimistic.take() {
            self.state = optimistic.was;
            self.started_ms = None;
            self.keys.stop_sealing();
        }
    }

    pub(super) fn resend(&self, out: &mut VecDeque<Output>) {
        out.extend(self.pending.as_ref().map(|pending| Output::Send(pending.message.clone())));
    }

    /// The switchboard did not take the commit that this device made in `epoch`; the call is in `now`.
    pub(super) fn on_commit_refused(
        &mut self,
        device: &Device,
        epoch: u64,
        now: u64,
        now_ms: u64,
        out: &mut VecDeque<Output>,
    ) -> Result<(), Refusal> {
        // Of an earlier commit, when another member's was processed meanwhile: what waited is in a new one already.
        let Some(pending) = self.pending.take_if(|pending| pending.own.epoch == epoch) else { return Ok(()) };
        self.roll_back();
        let Some(group) = &mut self.group else { return Ok(()) };
        group.discard()?;
        if now > epoch {
            // Another member's commit was first. It is on its way, and what is still to do is done after it.
            self.waiting.splice(0..0, pending.changes);
            return Ok(());
        }
        self.try_commit(device, now_ms, out)
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of one wire message, and what they are checked against")]
    pub(super) fn on_committed(
        &mut self,
        device: &Device,
        seq: u64,
        from: DeviceId,
        commit: &Blob,
        proofs: &[Logged],
        now_ms: u64,
        rng: &mut ChaCha20Rng,
        out: &mut VecDeque<Output>,
    ) -> Result<(), Refusal> {
        if self.group.is_none() || seq <= self.seq {
            // Before the welcome, or a second copy of what was processed.
            return Ok(());
        }
        let own = self.pending.as_ref().is_some_and(|pending| pending.own.commit == commit.0);
        let mut somebody_joined = false;
        if own {
            let pending = self.pending.take().expect("invariant: it was just compared");
            somebody_joined = pending.changes.iter().any(|change| matches!(change, MembershipChange::Join { .. }));
            self.group.as_mut().expect("invariant: checked above").confirm()?;
            self.optimistic = None;
            for change in pending.changes {
                if let MembershipChange::Join { logged, .. } = change {
                    self.on_member_joined(*logged);
                }
            }
        } else if from == device.me().device() {
            return Err(Refusal::NotAllowed("a commit came under this device's name that it did not make"));
        } else {
            let group = self.group.as_mut().expect("invariant: checked above");
            let Incoming::Commit(change) = group.process(commit.as_slice())? else {
                return Err(Refusal::NotAllowed("another kind of message came in place of a commit"));
            };
            self.verify_and_merge(device, *change, proofs, now_ms)?;
            if let Some(pending) = self.pending.take() {
                // Ours was made in the epoch that just ended, and cannot be taken any more.
                self.roll_back();
                self.waiting.splice(0..0, pending.changes);
            }
        }
        self.seq = seq;
        self.enter_epoch(device, now_ms, rng, out)?;
        if let Some(since_ms) = self.started_ms.filter(|_| own && somebody_joined) {
            self.send_group_message(&GroupMessage::Live { since_ms }, out);
        }
        self.try_commit(device, now_ms, out)
    }

    /// Checks everybody whom a commit adds, and only then enters its epoch.
    fn verify_and_merge(
        &mut self,
        device: &Device,
        change: StagedChange,
        proofs: &[Logged],
        now_ms: u64,
    ) -> Result<(), Refusal> {
        let ring = self.ring.as_ref().ok_or(Refusal::NotAllowed("a commit before the ring was verified"))?;
        let mut joined = Vec::new();
        for leaf in &change.added {
            let logged = admission::verify(device.office(), leaf, proofs, now_ms)?;
            admission::admit(ring, logged.device())?;
            self.check_callee_name(logged.device())?;
            joined.push(logged);
        }
        let group = self.group.as_mut().expect("invariant: the commit was processed by it");
        if self.pending.is_some() {
            group.discard()?;
        }
        group.merge(change)?;
        for logged in joined {
            self.on_member_joined(logged);
        }
        Ok(())
    }

    /// A verified device is in it, for the first time or anew: what it said before it lost its keys is not compared.
    fn on_member_joined(&mut self, logged: LoggedDevice) {
        let device = logged.device().device();
        self.presence.on_joined(device);
        self.verified.insert(device, logged);
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of one wire message, and what they are checked against")]
    pub(super) fn on_welcome(
        &mut self,
        device: &Device,
        seq: u64,
        welcome: &Blob,
        jws: String,
        opened: &Logged,
        proofs: &[Logged],
        now_ms: u64,
        rng: &mut ChaCha20Rng,
        out: &mut VecDeque<Output>,
    ) -> Result<(), Refusal> {
        let Some(join) = self.join.take() else { return Ok(()) };
        let office = device.office();
        let ring = match self.ring.take() {
            // A welcome to a ring this device verified: the server cannot change what it rang for.
            Some(ring) => ring,
            None => {
                if self
                    .rejoin_ring_sha256
                    .as_ref()
                    .is_some_and(|ring| ring.as_slice() != Sha256::digest(&jws).as_slice())
                {
                    return Err(Refusal::NotAllowed("a welcome to another call than this device was in"));
                }
                let ring = office.verify_ring_past(&jws)?;
                if ring.ring().mode < office.floor() {
                    return Err(Refusal::NotAllowed("it keeps less than the office keeps of every call"));
                }
                office.verify_opening(ring, opened)?
            }
        };
        if ring.ring().ring().call != self.id {
            return Err(Refusal::NotAllowed("a welcome with the ring of another call"));
        }
        let me = device.me().device();
        let mut members = Vec::new();
        let mut check = |leaves: &[Leaf]| -> Result<(), Refusal> {
            for leaf in leaves {
                let identified = admission::identify(office, leaf, now_ms)?;
                admission::admit(&ring, &identified)?;
                members.push(admission::verify(office, leaf, proofs, now_ms)?);
            }
            Ok(())
        };
        let group = join.join(self.id, ring.ring().ring().suite, welcome.as_slice(), &mut check)?;
        if !members.iter().any(|member| member.device().device() == me) {
            return Err(Refusal::NotAllowed("a welcome to a call without this device in it"));
        }
        self.verified.extend(members.into_iter().map(|member| (member.device().device(), member)));
        let ring_jws = self.ring_jws.take().unwrap_or(jws);
        self.take_ring(ring, ring_jws);
        self.group = Some(group);
        self.seq = seq;
        self.enter_epoch(device, now_ms, rng, out)
    }

    /// Takes the new epoch's keys first and changes the list on the screen with them.
    fn enter_epoch(
        &mut self,
        device: &Device,
        now_ms: u64,
        rng: &mut ChaCha20Rng,
        out: &mut VecDeque<Output>,
    ) -> Result<(), Refusal> {
        let group = self.group.as_ref().ok_or(Refusal::NotAllowed("an epoch without a group"))?;
        if group.is_removed() {
            self.end(if self.own_role.speaks() { "hung_up" } else { "interrupted" }, out);
            return Ok(());
        }
        let first = self.roster.is_empty();
        let (epoch, own) = (group.epoch(), group.own_index());
        let mut roster = BTreeMap::new();
        for leaf in group.members()? {
            let identified = admission::identify(device.office(), &leaf, now_ms)?;
            let id = identified.device();
            let known = id == device.me().device()
                || self.verified.get(&id).is_some_and(|known| known.device().public_key() == leaf.signature_key);
            if !known {
                return Err(Refusal::NotAllowed("a member that this device never verified"));
            }
            let muted = self.roster.values().any(|member| member.device == id && member.muted);
            self.leaf_owners.insert((epoch, leaf.index), id);
            roster.insert(leaf.index, Member { device: id, muted });
        }
        let base_key = group.sframe_base_key()?;
        let authenticator = group.epoch_authenticator();
        self.keys.enter(epoch, base_key, own, roster.keys().copied().collect(), now_ms);
        self.leaf_owners.retain(|(of, _), _| of + 2 > epoch);
        self.roster = roster;
        let me = device.me().device();
        let mut note_takers: BTreeSet<_> = self.note_takers(me).collect();
        self.noted |= !note_takers.is_empty();
        note_takers.remove(&me);
        self.presence.set_note_takers(note_takers, self.clock.uptime_ms);
        self.readers.retain(|reader, _| self.roster.values().any(|member| member.device == *reader));
        let members = self
            .roster
            .values()
            .filter_map(|member| Some((member.device, self.card(device, member.device)?)))
            .collect();
        out.push_back(Output::Event(Event::Epoch { call: self.id, epoch, authenticator, members }));
        self.go_live(device, now_ms, out);
        // Others may remember this device as muted, or as not, from before it came back.
        if self.muted || first {
            self.send_group_message(&GroupMessage::Muted { on: self.muted }, out);
        }
        if self.own_role == Role::NoteTaker {
            self.send_heartbeat(out);
        }
        if self.own_role == Role::DutyOfficer {
            let key = self.caption_key.get_or_insert_with(|| CaptionKey::new(rng)).public();
            self.send_group_message(&GroupMessage::ReadCaptions { key }, out);
        }
        Ok(())
    }

    /// A call is live when both its people are in it. Says whether it is.
    fn go_live(&mut self, device: &Device, now_ms: u64, out: &mut VecDeque<Output>) -> bool {
        let Some(ring) = &self.ring else { return false };
        let mut people = [ring.ring().device().card().person, ring.ring().ring().to].into_iter();
        let here: Vec<_> = self.present().filter_map(|member| Some(self.card(device, member)?.person)).collect();
        if people.all(|person| here.contains(&person)) {
            self.state = CallState::Live;
            if self.started_ms.is_none() {
                self.started_ms = Some(now_ms);
                out.push_back(Output::Event(Event::Live { call: self.id }));
            }
        } else if self.own_role.speaks() && self.state == CallState::Answering {
            // Came back to a call whose other person is away for a moment.
            self.state = CallState::Live;
        }
        self.started_ms.is_some()
    }
}

fn commit_message(call: CallId, own: &OwnCommit, adds: Vec<DeviceId>, removes: Vec<DeviceId>) -> ClientMessage {
    ClientMessage::Commit {
        call,
        epoch: own.epoch,
        commit: blob(&own.commit),
        welcome: own.welcome.as_deref().map(blob),
        adds,
        removes,
    }
}
