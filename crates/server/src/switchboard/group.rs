//! Group membership. The server orders commits and routes messages by what their senders declare; it cannot read them,
//! and members rely only on what they verify by MLS.

use super::{
    call::{Call, tell_members},
    context::Context,
    port::SessionId,
};
use crate::store::{Ask, Handshake, Write};
use std::collections::BTreeSet;
use telcon_proto::{Blob, DeviceId, ServerMessage, limits::MAX_MEMBERS, message::RefusalCode};

/// A commit submitted by a member for ordering.
pub(super) struct SubmittedCommit {
    pub epoch: u64,
    pub commit: Blob,
    pub welcome: Option<Blob>,
    pub adds: Vec<DeviceId>,
    pub removes: Vec<DeviceId>,
}

impl Call {
    pub(super) fn ask_join(
        &mut self,
        session: SessionId,
        from: DeviceId,
        key_package: Blob,
        context: &mut Context,
        now_ms: u64,
    ) {
        let id = self.row.call;
        let Some(role) = context.directory.role(&from) else { return };
        let writes = context.directory.writes_records(&from);
        // A note-taker that left has no precedence: another may have replaced it meanwhile.
        let stays = self.members.contains(&from) && (!writes || self.is_member(&from));
        let rejoins = self.is_principals(&from)
            || stays
            || self.may_take_over(&from, context)
            || self.may_continue(&from, context);
        if !rejoins && !self.admits(role) {
            let text = "this device may not join the call: its person neither rang, answered, nor may listen";
            return context.refuse(session, Some(id), RefusalCode::NotAllowed, text);
        }
        let others = self.members.iter().any(|d| *d != from && !self.leaving.contains(d) && !self.is_waiting(d));
        if !others {
            let text = "nobody else holds the keys of this call: hang up and ring again";
            return context.refuse(session, Some(id), RefusalCode::NotAllowed, text);
        }
        if writes && !rejoins && !context.assignment.may_request(id, from) {
            let text = "another note-taker records this call";
            return context.refuse(session, Some(id), RefusalCode::NotAllowed, text);
        }
        let waiting =
            self.waiting.iter().filter(|w| !self.members.contains(&w.ask.device) && w.ask.device != from).count();
        if !self.members.contains(&from) && self.members.len() + waiting >= MAX_MEMBERS {
            let text = "the call is full: somebody must leave it first";
            return context.refuse(session, Some(id), RefusalCode::TooMany, text);
        }
        let accepted = self.accept_request(session, Ask { device: from, key_package, answer: false }, context, now_ms);
        if accepted && writes {
            context.assignment.requested(id, from, now_ms);
        }
    }

    /// Accepts a request to be added: an answer, or one to join. Returns whether it did; a repeated one changes nothing, and one
    /// too many is refused.
    pub(super) fn accept_request(&mut self, session: SessionId, ask: Ask, context: &mut Context, now_ms: u64) -> bool {
        let from = ask.device;
        // A device asks again when it gets the welcome to an earlier request, while this one is on its way to a member.
        if self.waits_with(&from, &ask.key_package) && self.present.get(&from) == Some(&session) {
            return false;
        }
        if !self.asks.count(from, self.is_waiting(&from), session, self.row.epoch, now_ms) {
            let text = "this device has asked already: wait until a member lets it in, or a few seconds";
            context.refuse(session, Some(self.row.call), RefusalCode::TooMany, text);
            return false;
        }
        self.connect(from, session);
        self.wait(ask, context);
        true
    }

    pub(super) fn commit(
        &mut self,
        session: SessionId,
        from: DeviceId,
        submitted: SubmittedCommit,
        context: &mut Context,
        now_ms: u64,
    ) {
        let id = self.row.call;
        if !self.is_member(&from) || self.present.get(&from) != Some(&session) {
            let text = "only a member that takes part can commit: resume or ask to join first";
            return context.refuse(session, Some(id), RefusalCode::NotAllowed, text);
        }
        let refused = ServerMessage::CommitRefused { call: id, epoch: submitted.epoch, now: self.row.epoch };
        if submitted.epoch != self.row.epoch {
            return context.send(session, refused);
        }
        // A listener that commits without being asked could end the call with a damaged commit.
        let asked = self.committer().is_some_and(|(device, _)| device == from);
        let check = match asked || self.is_principals(&from) {
            true => self.check_commit(&from, &submitted),
            false => Err("only the member that was asked, or a principal, changes who is in the call"),
        };
        if let Err(text) = check {
            // The changes that the refused commit contained are still pending: ask for them again.
            self.waiting.iter_mut().filter(|w| submitted.adds.contains(&w.ask.device)).for_each(|w| w.asked = None);
            self.removal_asked = None;
            // Both: the first makes the device drop the commit, the second is shown to its person.
            context.send(session, refused);
            return context.refuse(session, Some(id), RefusalCode::NotAllowed, text);
        }
        let SubmittedCommit { commit, welcome, adds, removes, .. } = submitted;
        let before = self.members.clone();
        self.members.retain(|d| !removes.contains(d));
        self.members.extend(&adds);
        self.participants.extend(&adds);
        self.row.epoch += 1;
        self.row.noted |= adds.iter().any(|d| context.directory.writes_records(d));
        let handshake = Handshake { seq: self.row.epoch, from, commit, welcome, adds, members: self.members.clone() };
        context.write(Write::Committed { call: id, handshake: Box::new(handshake.clone()), noted: self.row.noted });

        // To every connected member, including those that it removes, so that they stop decrypting.
        let committed = self.committed(&handshake, &context.directory);
        let acts = self.row.answerer.is_some_and(|answerer| handshake.adds.contains(&answerer));
        for device in before.iter().filter(|d| !handshake.adds.contains(d)) {
            if let Some(session) = self.present.get(device) {
                if acts {
                    self.send_delegations(*session, context);
                }
                context.send(*session, committed.clone());
            }
        }
        if let Some(welcome) = self.welcome(&handshake, &context.directory) {
            for device in &handshake.adds {
                if let Some(session) = self.present.get(device) {
                    self.send_basis(*session, context);
                    context.send(*session, welcome.clone());
                }
            }
        }
        self.note_taken_over(&handshake.adds, &context.directory);
        self.note_continued(&handshake.adds, &context.directory);
        self.end_asking(&handshake.adds, context, now_ms);
        for device in &handshake.adds {
            self.leaving.remove(device);
            self.waiting.retain(|w| w.ask.device != *device);
            if !self.present.contains_key(device) {
                // Added while it was disconnected: its time to resume starts now.
                self.lost.entry(*device).or_insert(now_ms);
            }
        }
        for device in removes.iter().filter(|d| !handshake.adds.contains(d)) {
            self.leaving.remove(device);
            self.lost.remove(device);
            self.drop_leg(*device, context);
            if !self.is_waiting(device) {
                self.present.remove(device);
            }
        }
        self.leave_behind(&handshake.adds, context);
        context.assignment.admitted(id, &handshake.adds, now_ms);
        self.send_shifts(&handshake.adds.iter().copied().collect(), context);
        self.keep(handshake, context);
        self.notify_staff();
    }

    /// Checks that the member may add and remove these devices.
    fn check_commit(&self, from: &DeviceId, submitted: &SubmittedCommit) -> Result<(), &'static str> {
        let SubmittedCommit { commit, welcome, adds, removes, .. } = submitted;
        if commit.0.is_empty() {
            return Err("the commit is empty");
        }
        if welcome.is_some() == adds.is_empty() {
            return Err("a commit has a welcome if, and only if, it adds somebody");
        }
        if has_duplicates(adds) || has_duplicates(removes) {
            return Err("the commit names a device twice");
        }
        if !adds.iter().all(|d| self.is_waiting(d)) {
            return Err("the commit adds a device that did not ask to join");
        }
        if adds.iter().any(|d| self.members.contains(d) && !removes.contains(d)) {
            return Err("the commit adds a member that it does not remove first");
        }
        if !removes.iter().all(|d| self.members.contains(d)) {
            return Err("the commit removes a device that is no member");
        }
        if removes.contains(from) {
            return Err("a member cannot remove itself: hang up, and another removes it");
        }
        // A principal may remove a listener; nobody removes a principal that did not leave.
        let allowed = |d: &DeviceId| {
            self.leaving.contains(d) || adds.contains(d) || (self.is_principals(from) && !self.is_principals(d))
        };
        if !removes.iter().all(allowed) {
            return Err("the commit removes a member that did not leave");
        }
        if self.members.len() + adds.len() - removes.len() > MAX_MEMBERS {
            return Err("the call is full");
        }
        Ok(())
    }

    /// A device that still has its keys resumes the call: replays the handshakes that it missed.
    pub(super) fn resume(&mut self, session: SessionId, from: DeviceId, after: u64, context: &mut Context) {
        let id = self.row.call;
        if !(self.is_member(&from) || (self.is_principals(&from) && self.is_waiting(&from))) {
            let text = "this device is no member of the call any more: ask to join";
            return context.refuse(session, Some(id), RefusalCode::NotAllowed, text);
        }
        let added = self.handshakes.iter().rev().find(|h| h.adds.contains(&from)).map(|h| h.seq);
        let welcomed = added.filter(|seq| *seq > after);
        let from_seq = welcomed.unwrap_or(after.saturating_add(1));
        if from_seq <= self.forgotten || after > self.row.epoch {
            let text = "what this device missed is no longer kept: ask to join";
            return context.refuse(session, Some(id), RefusalCode::NotAllowed, text);
        }
        // Once per connection: a replay is up to 16 MiB, and a connection misses nothing after it.
        if self.replayed.insert(from, session) == Some(session) {
            return;
        }
        self.connect(from, session);
        if self.is_member(&from) {
            self.send_basis(session, context);
            for handshake in self.handshakes.iter().filter(|h| h.seq >= from_seq) {
                let message = if welcomed == Some(handshake.seq) {
                    self.welcome(handshake, &context.directory)
                } else {
                    Some(self.committed(handshake, &context.directory))
                };
                if let Some(message) = message {
                    context.send(session, message);
                }
            }
        }
        if self.is_member(&from) {
            self.send_shifts(&BTreeSet::from([from]), context);
        }
        if after == 0 {
            self.resend_opened(&from, session, context);
        }
        if !self.legs.contains(&from) {
            context.send(session, ServerMessage::MediaLost { call: id });
        }
    }

    pub(super) fn application(
        &mut self,
        session: SessionId,
        from: DeviceId,
        message: Blob,
        context: &mut Context,
        now_ms: u64,
    ) {
        let id = self.row.call;
        if !self.is_member(&from) || self.present.get(&from) != Some(&session) {
            let text = "only a member that takes part can send to the others";
            return context.refuse(session, Some(id), RefusalCode::NotAllowed, text);
        }
        if message.0.len() > telcon_proto::limits::MAX_APPLICATION_BYTES {
            let text = "the message is too long: send less at once";
            return context.refuse(session, Some(id), RefusalCode::Malformed, text);
        }
        tell_members(self, context, &[from], &ServerMessage::Application { call: id, from, message });
        context.assignment.message_received(id, from, now_ms);
    }
}

fn has_duplicates(devices: &[DeviceId]) -> bool {
    devices.iter().enumerate().any(|(i, d)| devices[..i].contains(d))
}
