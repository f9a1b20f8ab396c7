//! One person, several devices: a party continues a call on another of their devices, and who acts for a principal asks them to it.
//!
//! A device that asks to continue is added like any member. Once it receives, it tells the other one so under the call's keys, and that
//! one leaves with [`telcon_proto::ClientMessage::Leave`]. The server decides neither: it counts both as the party's as long as both
//! are members, so that the call depends on none of them alone. What is kept here follows from the members after a restart; that a
//! principal was asked is forgotten then.

use super::{Switchboard, call::Call, context::Context, directory::Directory, port::SessionId, sides::Side};
use crate::store::Stage;
use std::collections::BTreeSet;
use telcon_proto::{CallId, DeviceId, message::RefusalCode};

const SIDES: [Side; 2] = [Side::Caller, Side::Callee];

impl Call {
    /// The device that rang or answered, or with which a principal took over from that one.
    fn first_device(&self, side: Side) -> Option<DeviceId> {
        let (own, acting) = match side {
            Side::Caller => (Some(self.row.from_device), &self.rang),
            Side::Callee => (self.row.answerer, &self.answered),
        };
        acting.as_ref().and_then(|acting| acting.taken_by).or(own)
    }

    /// Devices beside the first one of this side that are members.
    fn further_devices(&self, side: Side) -> impl Iterator<Item = DeviceId> {
        let here = move |(of, device): &&(Side, DeviceId)| *of == side && self.is_member(device);
        self.moves.continued.iter().filter(here).map(|(_, device)| *device)
    }

    /// Whether a device is a party's on this side. The first device is not any more once it left and another is there.
    pub fn has_side(&self, side: Side, device: &DeviceId) -> bool {
        let first = self.first_device(side) == Some(*device);
        self.further_devices(side).any(|further| further == *device)
            || first && (self.is_member(device) || self.further_devices(side).next().is_none())
    }

    /// Whether another device of the same party is a member: then the call does not depend on this one.
    pub fn has_other_device(&self, device: &DeviceId) -> bool {
        SIDES.into_iter().filter(|side| self.has_side(*side, device)).any(|side| {
            let first = self.first_device(side).filter(|first| self.is_member(first));
            self.further_devices(side).chain(first).any(|other| other != *device)
        })
    }

    /// Whether another device of the same party was added after this one: the call is there, and this one has only not left yet.
    pub fn has_newer_device(&self, device: &DeviceId) -> bool {
        let Some(place) = self.members.iter().position(|member| member == device) else { return false };
        let newer = |other: &DeviceId| self.members[place..].contains(other) && other != device;
        SIDES.into_iter().filter(|side| self.has_side(*side, device)).any(|side| {
            let first = self.first_device(side).filter(|first| self.is_member(first));
            self.further_devices(side).chain(first).any(|other| newer(&other))
        })
    }

    /// Whether a device may continue the call as a party: it is another one of the party's person. A device that was certified for one
    /// line is for that line alone. At a place's device somebody else may be: it continues nobody's call.
    pub fn may_continue(&self, device: &DeviceId, context: &Context) -> bool {
        self.row.stage == Stage::Live && SIDES.into_iter().any(|side| self.may_continue_on(side, device, context))
    }

    fn may_continue_on(&self, side: Side, device: &DeviceId, context: &Context) -> bool {
        let directory = &context.directory;
        let Some(first) = self.first_device(side) else { return false };
        let (Some(of), Some(card)) = (directory.card(&first), directory.card(device)) else { return false };
        let given = |device: &DeviceId| directory.device(device).is_some_and(|found| found.given);
        let bound = (given(&first) || given(device)) && first != *device;
        of.person == card.person && !card.place && !bound
    }

    /// Principals who were asked to the call and have joined it: their closed pages are told that nothing waits for them any more.
    pub fn end_asking(&mut self, joined: &[DeviceId], context: &mut Context, now_ms: u64) {
        let card = |device| context.directory.card(device).map(|card| card.person);
        let people: BTreeSet<_> =
            joined.iter().filter_map(card).filter(|person| self.moves.asked.contains_key(person)).collect();
        for person in people {
            self.moves.asked.remove(&person);
            self.end_notifications_of(person, context, now_ms);
        }
    }

    /// Devices joined: those of a party beside its first one are counted as the party's.
    pub fn note_continued(&mut self, joined: &[DeviceId], directory: &Directory) {
        for side in SIDES {
            let Some(first) = self.first_device(side) else { continue };
            let Some(person) = directory.card(&first).map(|card| card.person) else { continue };
            // A principal who took over: who acted for them is no party any more.
            self.moves.continued.retain(|(of, device)| *of != side || directory.is_person(device, person));
            for device in joined.iter().filter(|device| **device != first && directory.is_person(device, person)) {
                if !self.moves.continued.contains(&(side, *device)) {
                    self.moves.continued.push((side, *device));
                }
            }
        }
        for device in joined {
            self.moves.told.remove(device);
        }
    }

    /// Devices joined that continue the call: a device of the same party that is not connected cannot be told to leave, and leaves
    /// now.
    pub fn leave_behind(&mut self, joined: &[DeviceId], context: &mut Context) {
        let mut behind = Vec::new();
        for side in SIDES {
            if joined.iter().any(|device| self.has_side(side, device)) {
                let devices = self.further_devices(side).chain(self.first_device(side));
                behind.extend(devices.filter(|device| {
                    !joined.contains(device) && self.is_member(device) && !self.present.contains_key(device)
                }));
            }
        }
        for device in behind {
            self.leave(device, context);
        }
    }

    /// A principal who took the call over goes back out of it: who acts for them has it again, if they are still there. Returns whether
    /// they are.
    fn give_back(&mut self, device: &DeviceId) -> bool {
        let own = [Some(self.row.from_device), self.row.answerer];
        let here = own.map(|own| own.is_some_and(|own| self.is_member(&own) && self.present.contains_key(&own)));
        let sides = [&mut self.rang, &mut self.answered].into_iter().zip(here);
        let mut back = false;
        for (acting, here) in sides {
            if let Some(acting) = acting.as_mut().filter(|acting| here && acting.taken_by == Some(*device)) {
                acting.taken_by = None;
                back = true;
            }
        }
        back
    }

    /// Whether the device is in the call, or on its way into it.
    pub fn concerns(&self, device: &DeviceId) -> bool {
        self.takes_part(device) || self.is_waiting(device)
    }

    /// Connections of devices that are not in the call, and whose person may continue it there; at its end, of those that were told.
    pub fn sessions_elsewhere(&mut self, context: &Context) -> Vec<SessionId> {
        let directory = &context.directory;
        if self.row.stage == Stage::Live {
            let firsts = SIDES.into_iter().filter_map(|side| self.first_device(side));
            let people: BTreeSet<_> = firsts.filter_map(|first| Some(directory.card(&first)?.person)).collect();
            let devices = people.into_iter().flat_map(|person| directory.online_devices_of(person));
            let told: Vec<_> =
                devices.filter(|device| !self.concerns(device) && self.may_continue(device, context)).collect();
            self.moves.told.extend(told);
        }
        self.moves.told.iter().filter_map(|device| directory.session_of(device)).collect()
    }

    /// Who acts, or acted, for a principal asks them to the call.
    pub fn hand_over(&mut self, session: SessionId, from: DeviceId, context: &mut Context, now_ms: u64) {
        let person = context.directory.card(&from).map(|card| card.person);
        let here = self.row.stage == Stage::Live && self.is_member(&from) && self.present.get(&from) == Some(&session);
        let principals: Vec<_> = self
            .acting()
            .filter(|acting| here && Some(acting.who.delegate.person) == person)
            .map(|acting| acting.who.principal.person)
            .collect();
        if principals.is_empty() {
            let text = "only who acts in this call for somebody asks them to it";
            return context.refuse(session, Some(self.row.call), RefusalCode::NotAllowed, text);
        }
        for principal in principals {
            self.moves.asked.insert(principal, now_ms);
            self.notify_asked(principal, context, now_ms);
        }
        self.notify_staff();
    }
}

impl Switchboard {
    /// A device leaves a call that its person continues on another one, or that goes back to who acts for them. From the last one it is
    /// the end of the call.
    pub(super) fn leave_to_other_device(&mut self, session: SessionId, from: DeviceId, id: CallId, now_ms: u64) {
        let goes_on = self
            .calls
            .known_mut(&id)
            .is_some_and(|call| call.is_principals(&from) && (call.has_other_device(&from) || call.give_back(&from)));
        match self.calls.known_mut(&id) {
            Some(call) if goes_on => {
                call.stop_waiting(&from, &mut self.context);
                call.leave(from, &mut self.context);
                call.notify_staff();
            }
            _ => self.hang_up(session, from, id, false, now_ms),
        }
    }
}
