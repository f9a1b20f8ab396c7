//! Membership of the call: requests to join and leave, commits, and the epochs that they start.

mod commits;

use super::{
    admission::{self, Refusal},
    blob,
};
use crate::{
    device::Device,
    media::keyring::Keyring,
    mls::{
        group::{CallGroup, OwnCommit},
        key_package::{Joiner, read_key_package},
        phrase::Phrase,
    },
};
use std::collections::{BTreeMap, BTreeSet};
use telcon_identity::{LoggedDevice, VerifiedDevice};
use telcon_proto::{
    CallId, Card, ClientMessage, DeviceId, Role,
    limits::MAX_MEMBERS,
    policy::{Action, allows},
};

/// Queued membership changes. A call has eight members; more requests than this are a flood.
const MAX_QUEUED: usize = 2 * MAX_MEMBERS;

/// The group of the call on this device.
pub(super) struct Membership {
    /// The MLS group.
    pub(super) group: CallGroup,
    /// The media keys of its epochs.
    pub(super) keys: Keyring,
    /// Sequence number of the last processed commit.
    pub(super) seq: u64,
    /// The phrase of the epoch in which the members last changed. Commits that only replace keys keep it: people may be reading it.
    pub(super) phrase: Option<Phrase>,
    /// This device's commit, until the switchboard has ordered it.
    pending: Option<PendingCommit>,
    /// Changes that wait for the next commit.
    queue: Vec<MembershipChange>,
    /// The parties as the office's list showed them, on a device that chose the call from it. The list is not authenticated.
    pub(super) shown: Vec<Card>,
    /// Every device that was verified for this call.
    pub(super) verified: BTreeMap<DeviceId, LoggedDevice>,
    /// The members of the current epoch by leaf index. Empty until this device has entered an epoch with others.
    roster: BTreeMap<u32, Member>,
    /// The owners of leaves by epoch, for frames and messages of the previous epoch.
    leaf_owners: BTreeMap<(u64, u32), DeviceId>,
}

/// A member of the current epoch.
struct Member {
    device: DeviceId,
    muted: bool,
    /// Epoch and counter of its newest frame: an older one that comes late does not change whether it is muted.
    newest: (u64, u64),
}

enum MembershipChange {
    Join { device: DeviceId, key_package: Vec<u8>, logged: Box<LoggedDevice> },
    Remove(DeviceId),
}

struct PendingCommit {
    own: OwnCommit,
    message: ClientMessage,
    changes: Vec<MembershipChange>,
}

/// A new epoch, for the record.
pub(super) struct EnteredEpoch {
    /// Its number.
    pub(super) epoch: u64,
    /// RFC 9420 epoch authenticator.
    pub(super) authenticator: Vec<u8>,
}

/// Result of processing an ordered commit.
pub(super) enum Processed {
    /// The commit was processed before.
    Known,
    /// This device's commit was accepted.
    Own {
        /// Whether it added a device.
        added: bool,
        /// Whether it changed the members.
        changed: bool,
    },
    /// Another member's commit.
    Other {
        /// Whether this device's pending commit was discarded.
        lost: bool,
        /// Whether it changed the members.
        changed: bool,
    },
}

impl Membership {
    pub(super) fn new(
        group: CallGroup,
        seq: u64,
        shown: Vec<Card>,
        verified: BTreeMap<DeviceId, LoggedDevice>,
    ) -> Self {
        Self {
            group,
            keys: Keyring::new(),
            seq,
            phrase: None,
            pending: None,
            queue: Vec::new(),
            shown,
            verified,
            roster: BTreeMap::new(),
            leaf_owners: BTreeMap::new(),
        }
    }

    /// Whether this device has not entered an epoch with others yet.
    pub(super) fn is_empty(&self) -> bool {
        self.roster.is_empty()
    }

    /// The members of the current epoch: all holders of its keys, this device included.
    pub(super) fn devices(&self) -> impl Iterator<Item = DeviceId> {
        self.roster.values().map(|member| member.device)
    }

    /// Whether application messages can be encrypted now: not while a commit of this device is pending.
    pub(super) fn can_encrypt(&self) -> bool {
        !self.is_empty() && self.pending.is_none()
    }

    /// Whether the device is a member of the current epoch.
    pub(super) fn contains(&self, device: DeviceId) -> bool {
        self.devices().any(|member| member == device)
    }

    /// The certified card of a verified device, or of this one.
    pub(super) fn card(&self, me: &VerifiedDevice, device: DeviceId) -> Option<Card> {
        if device == me.device() {
            return Some(me.card().clone());
        }
        Some(self.verified.get(&device)?.device().card().clone())
    }

    /// The certified role of a member.
    pub(super) fn role(&self, device: DeviceId) -> Option<Role> {
        Some(self.verified.get(&device)?.device().card().role)
    }

    /// The note-takers of the current epoch, this device included.
    pub(super) fn note_takers(&self, me: &VerifiedDevice) -> BTreeSet<DeviceId> {
        let role = |device| if device == me.device() { Some(me.card().role) } else { self.role(device) };
        self.devices().filter(|device| role(*device).is_some_and(|role| allows(role, Action::WriteRecord))).collect()
    }

    /// Whether the member's microphone is muted.
    pub(super) fn is_muted(&self, device: DeviceId) -> bool {
        self.roster.values().any(|member| member.device == device && member.muted)
    }

    /// A frame of a member says whether its microphone is muted. Returns whether that is new.
    pub(super) fn on_frame(&mut self, device: DeviceId, position: (u64, u64), muted: bool) -> bool {
        let mut members = self.roster.values_mut();
        let Some(member) = members.find(|member| member.device == device && member.newest < position) else {
            return false;
        };
        member.newest = position;
        std::mem::replace(&mut member.muted, muted) != muted
    }

    /// The device that owned a leaf in an epoch: in the next one, another device may own it.
    pub(super) fn leaf_owner(&self, epoch: u64, leaf: u32) -> Option<DeviceId> {
        self.leaf_owners.get(&(epoch, leaf)).copied()
    }

    fn leaf_of(&self, device: DeviceId) -> Option<u32> {
        self.roster.iter().find(|(_, member)| member.device == device).map(|(leaf, _)| *leaf)
    }

    /// This device's pending commit, to be sent again after a reconnect: the switchboard accepts it once.
    pub(super) fn pending_message(&self) -> Option<ClientMessage> {
        self.pending.as_ref().map(|pending| pending.message.clone())
    }

    /// Everything that the screen showed about a party must be what the party's certificate says, however they join.
    pub(super) fn check_shown(&self, certified: &Card) -> Result<(), Refusal> {
        self.shown.iter().try_for_each(|shown| admission::check_shown(shown, certified))
    }

    /// The switchboard asks to remove devices that left or were revoked.
    pub(super) fn queue_removals(&mut self, devices: Vec<DeviceId>) {
        for device in devices {
            self.queue.retain(
                |change| !matches!(change, MembershipChange::Join { device: joining, .. } if *joining == device),
            );
            if self.queue.len() < MAX_QUEUED {
                self.queue.push(MembershipChange::Remove(device));
            }
        }
    }

    /// Commits the queued changes in one epoch, unless a commit is pending. Gives the commit to send.
    pub(super) fn commit_queued(&mut self, call: CallId) -> Result<Option<ClientMessage>, Refusal> {
        if self.pending.is_some() || self.queue.is_empty() {
            return Ok(None);
        }
        let changes = std::mem::take(&mut self.queue);
        let (mut joiners, mut removed): (Vec<Joiner>, Vec<u32>) = (Vec::new(), Vec::new());
        let (mut adds, mut removes) = (Vec::new(), Vec::new());
        for change in &changes {
            let (MembershipChange::Join { device, .. } | MembershipChange::Remove(device)) = change;
            let joiner = match change {
                MembershipChange::Join { key_package, .. } => {
                    Some(read_key_package(key_package, call, self.group.suite())?)
                }
                MembershipChange::Remove(_) => None,
            };
            // Another member's commit may have been first.
            if joiner.as_ref().is_some_and(|joiner| self.group.was_used(joiner)) {
                continue;
            }
            // A device that joins again lost its keys: the same commit removes its old leaf.
            let own = self.group.own_index();
            if let Some(leaf) = self.leaf_of(*device).filter(|leaf| *leaf != own && !removed.contains(leaf)) {
                removed.push(leaf);
                removes.push(*device);
            }
            if let Some(joiner) = joiner {
                joiners.push(joiner);
                adds.push(*device);
            }
        }
        if joiners.is_empty() && removed.is_empty() {
            return Ok(None);
        }
        Ok(Some(self.make_commit(call, joiners, &removed, adds, removes, changes)?))
    }

    /// Commits fresh keys of this device, and changes no member: who learned the present keys does not have the next ones.
    /// Nothing while another commit is pending.
    pub(super) fn commit_fresh_keys(&mut self, call: CallId) -> Result<Option<ClientMessage>, Refusal> {
        if self.pending.is_some() {
            return Ok(None);
        }
        Ok(Some(self.make_commit(call, Vec::new(), &[], Vec::new(), Vec::new(), Vec::new())?))
    }

    fn make_commit(
        &mut self,
        call: CallId,
        joiners: Vec<Joiner>,
        removed: &[u32],
        adds: Vec<DeviceId>,
        removes: Vec<DeviceId>,
        changes: Vec<MembershipChange>,
    ) -> Result<ClientMessage, Refusal> {
        let own = self.group.commit(joiners, removed)?;
        let message = ClientMessage::Commit {
            call,
            epoch: own.epoch,
            commit: blob(&own.commit),
            welcome: own.welcome.as_deref().map(blob),
            adds,
            removes,
        };
        self.pending = Some(PendingCommit { own, message: message.clone(), changes });
        Ok(message)
    }

    /// The switchboard refused the commit that this device made in `epoch`; the call is in epoch `now`. Returns whether it
    /// was pending.
    pub(super) fn on_commit_refused(&mut self, epoch: u64, now: u64) -> Result<bool, Refusal> {
        // Otherwise the refusal is of an earlier commit, whose changes are in a new one already.
        let Some(pending) = self.pending.take_if(|pending| pending.own.epoch == epoch) else { return Ok(false) };
        self.group.discard()?;
        if now > epoch {
            // Another member's commit was first and will arrive; the changes are committed after it.
            self.requeue(pending.changes);
        }
        Ok(true)
    }

    /// Puts back the changes of a commit that was not accepted, before those that came since. A device that has asked again
    /// since, or left, does not join by its older request.
    fn requeue(&mut self, mut changes: Vec<MembershipChange>) {
        let device = |change: &MembershipChange| match change {
            MembershipChange::Join { device, .. } | MembershipChange::Remove(device) => *device,
        };
        let newer: BTreeSet<DeviceId> = self.queue.iter().map(device).collect();
        changes.retain(|change| matches!(change, MembershipChange::Remove(_)) || !newer.contains(&device(change)));
        self.queue.splice(0..0, changes);
    }

    /// Enters the epoch of this device's own commit.
    fn confirm(&mut self, pending: PendingCommit) -> Result<Vec<LoggedDevice>, Refusal> {
        self.group.confirm()?;
        let joined = pending.changes.into_iter().filter_map(|change| match change {
            MembershipChange::Join { logged, .. } => Some(*logged),
            MembershipChange::Remove(_) => None,
        });
        Ok(joined.collect())
    }

    /// Takes the current epoch's keys first, and the list of members with them.
    /// `changed` is whether the members changed with it.
    pub(super) fn enter_epoch(&mut self, device: &Device, changed: bool, now_ms: u64) -> Result<EnteredEpoch, Refusal> {
        let me = device.me().qualified();
        let (epoch, own) = (self.group.epoch(), self.group.own_index());
        let mut roster = BTreeMap::new();
        for leaf in self.group.members()? {
            let member = admission::identify(device.trust(), &leaf, now_ms)?;
            let id = member.device();
            let known = member.qualified() == me
                || self.verified.get(&id).is_some_and(|known| known.device().public_key() == leaf.signature_key);
            if !known {
                return Err(Refusal::NotAllowed("a member that this device never verified"));
            }
            self.leaf_owners.insert((epoch, leaf.index), id);
            roster.insert(leaf.index, Member { device: id, muted: self.is_muted(id), newest: (0, 0) });
        }
        let base_key = self.group.sframe_base_key()?;
        let authenticator = self.group.epoch_authenticator();
        if changed {
            self.phrase = Some(self.group.phrase()?);
        }
        self.keys.enter(epoch, base_key, own, roster.keys().copied().collect(), now_ms);
        self.leaf_owners.retain(|(of, _), _| of + 2 > epoch);
        self.roster = roster;
        Ok(EnteredEpoch { epoch, authenticator })
    }
}
