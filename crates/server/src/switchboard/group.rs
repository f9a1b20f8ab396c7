//! Who is in the group. The server orders commits and routes by what their senders declare; it cannot look inside
//! them, and members believe only what MLS shows them.

use super::{
    call::{Call, tell_members},
    desk::Desk,
    port::SessionId,
};
use crate::store::{Ask, Handshake, Write};
use telcon_proto::{Blob, DeviceId, Role, ServerMessage, limits::MAX_MEMBERS, message::RefusalCode};

/// A commit that a member wants ordered.
pub(super) struct Proposed {
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
        desk: &mut Desk,
        now_ms: u64,
    ) {
        let id = self.row.call;
        let Some(role) = desk.role(&from) else { return };
        // A note-taker that left is one that comes anew: meanwhile another may have taken its place.
        let stays = self.members.contains(&from) && (role != Role::NoteTaker || self.is_member(&from));
        let returns = self.is_principals(&from) || stays;
        if !returns && !self.admits(role) {
            let text =
                "this device may not join the call: its person neither rang, answered, nor listens for the office";
            return desk.refuse(session, Some(id), RefusalCode::NotAllowed, text);
        }
        let others = self.members.iter().any(|d| *d != from && !self.leaving.contains(d) && !self.is_waiting(d));
        if !others {
            let text = "nobody else holds the keys of this call: hang up and ring again";
            return desk.refuse(session, Some(id), RefusalCode::NotAllowed, text);
        }
        if role == Role::NoteTaker && !returns && self.is_noted_by_another(&from, desk) {
            let text = "another note-taker writes this call";
            return desk.refuse(session, Some(id), RefusalCode::NotAllowed, text);
        }
        let coming =
            self.waiting.iter().filter(|w| !self.members.contains(&w.ask.device) && w.ask.device != from).count();
        if !self.members.contains(&from) && self.members.len() + coming >= MAX_MEMBERS {
            let text = "the call is full: somebody must leave it first";
            return desk.refuse(session, Some(id), RefusalCode::TooMany, text);
        }
        self.arrive(from, session);
        self.wait(Ask { device: from, key_package, answer: false }, desk, now_ms);
        if role == Role::NoteTaker && !returns {
            // Before any other one asks as well.
            self.notify_staff(desk);
        }
    }

    pub(super) fn commit(
        &mut self,
        session: SessionId,
        from: DeviceId,
        proposed: Proposed,
        desk: &mut Desk,
        now_ms: u64,
    ) {
        let id = self.row.call;
        if !self.is_member(&from) || self.present.get(&from) != Some(&session) {
            let text = "only a member that takes part can commit: resume or ask to join first";
            return desk.refuse(session, Some(id), RefusalCode::NotAllowed, text);
        }
        let refused = ServerMessage::CommitRefused { call: id, epoch: proposed.epoch, now: self.row.epoch };
        if proposed.epoch != self.row.epoch {
            return desk.send(session, refused);
        }
        // One member does the work; a listener that commits unasked could otherwise end the call with a damaged commit.
        let asked = self.committer().is_some_and(|(device, _)| device == from);
        let check = match asked || self.is_principals(&from) {
            true => self.check_commit(&from, &proposed),
            false => Err("only the member that was asked, or a principal, changes who is in the call"),
        };
        if let Err(text) = check {
            // What else it held is still to be done, and is asked for again.
            self.waiting.iter_mut().filter(|w| proposed.adds.contains(&w.ask.device)).for_each(|w| w.asked = None);
            self.removal_asked = None;
            // Both: the device must drop the commit, and somebody must read why.
            desk.send(session, refused);
            return desk.refuse(session, Some(id), RefusalCode::NotAllowed, text);
        }
        let Proposed { commit, welcome, adds, removes, .. } = proposed;
        let before = self.members.clone();
        self.members.retain(|d| !removes.contains(d));
        self.members.extend(&adds);
        self.participants.extend(&adds);
        self.row.epoch += 1;
        self.row.noted |= adds.iter().any(|d| desk.role(d) == Some(Role::NoteTaker));
        let handshake = Handshake { seq: self.row.epoch, from, commit, welcome, adds, members: self.members.clone() };
        desk.write(Write::Committed { call: id, handshake: Box::new(handshake.clone()), noted: self.row.noted });

        // Everybody who was a member and still takes part hears of it, those it removes as well: they stop decrypting.
        let committed = self.committed(&handshake, desk);
        for device in before.iter().filter(|d| !handshake.adds.contains(d)) {
            if let Some(session) = self.present.get(device) {
                desk.send(*session, committed.clone());
            }
        }
        if let Some(welcome) = self.welcome(&handshake, desk) {
            for device in &handshake.adds {
                if let Some(session) = self.present.get(device) {
                    desk.send(*session, welcome.clone());
                }
            }
        }
        for device in &handshake.adds {
            self.leaving.remove(device);
            self.waiting.retain(|w| w.ask.device != *device);
            if !self.present.contains_key(device) {
                // Added while away: it has as long to come back as any other.
                self.lost.entry(*device).or_insert(now_ms);
            }
        }
        for device in removes.iter().filter(|d| !handshake.adds.contains(d)) {
            self.leaving.remove(device);
            self.lost.remove(device);
            self.drop_leg(*device, desk);
            if !self.is_waiting(device) {
                self.present.remove(device);
            }
        }
        self.takers.came(&handshake.adds, now_ms);
        self.keep(handshake, desk);
        self.notify_staff(desk);
    }

    /// Whether the member may add and remove those.
    fn check_commit(&self, from: &DeviceId, proposed: &Proposed) -> Result<(), &'static str> {
        let Proposed { commit, welcome, adds, removes, .. } = proposed;
        if commit.0.is_empty() {
            return Err("the commit is empty");
        }
        if welcome.is_some() == adds.is_empty() {
            return Err("a commit has a welcome if, and only if, it adds somebody");
        }
        if has_twice(adds) || has_twice(removes) {
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
        // A principal may show a listener the door; nobody removes a principal that did not leave.
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

    /// A device came back that kept its keys: it gets what it missed.
    pub(super) fn resume(&mut self, session: SessionId, from: DeviceId, after: u64, desk: &mut Desk) {
        let id = self.row.call;
        if !(self.is_member(&from) || (self.is_principals(&from) && self.is_waiting(&from))) {
            let text = "this device is no member of the call any more: ask to join";
            return desk.refuse(session, Some(id), RefusalCode::NotAllowed, text);
        }
        let added = self.handshakes.iter().rev().find(|h| h.adds.contains(&from)).map(|h| h.seq);
        let welcomed = added.filter(|seq| *seq > after);
        let from_seq = welcomed.unwrap_or(after.saturating_add(1));
        if from_seq <= self.forgotten || after > self.row.epoch {
            let text = "what this device missed is no longer kept: ask to join";
            return desk.refuse(session, Some(id), RefusalCode::NotAllowed, text);
        }
        self.arrive(from, session);
        if self.is_member(&from) {
            for handshake in self.handshakes.iter().filter(|h| h.seq >= from_seq) {
                let message = if welcomed == Some(handshake.seq) {
                    self.welcome(handshake, desk)
                } else {
                    Some(self.committed(handshake, desk))
                };
                if let Some(message) = message {
                    desk.send(session, message);
                }
            }
        }
        self.tell_again(&from, session, desk);
        if !self.legs.contains(&from) {
            desk.send(session, ServerMessage::MediaLost { call: id });
        }
    }

    pub(super) fn application(
        &mut self,
        session: SessionId,
        from: DeviceId,
        message: Blob,
        desk: &mut Desk,
        now_ms: u64,
    ) {
        let id = self.row.call;
        if !self.is_member(&from) || self.present.get(&from) != Some(&session) {
            let text = "only a member that takes part can send to the others";
            return desk.refuse(session, Some(id), RefusalCode::NotAllowed, text);
        }
        if message.0.len() > telcon_proto::limits::MAX_APPLICATION_BYTES {
            let text = "the message is too long: send less at once";
            return desk.refuse(session, Some(id), RefusalCode::Malformed, text);
        }
        tell_members(self, desk, &[from], &ServerMessage::Application { call: id, from, message });
        self.spoke(from, desk, now_ms);
    }
}

fn has_twice(devices: &[DeviceId]) -> bool {
    devices.iter().enumerate().any(|(i, d)| devices[..i].contains(d))
}
