//! When, and in which order, principals are reached: kept per principal, set by them and by who may answer for them.
//!
//! What holds is decided once, when a ring begins. A caller is not told of it: that they reach the office is what they also hear when
//! the principal passes a ring on, and that nobody answered is what they also hear when no device is connected.

use super::{Switchboard, call::Call, port::SessionId};
use crate::{
    limits::NOTIFIED_UNLESS_SHOWN_MS,
    local_time,
    store::{ReachRow, Stage, Write},
};
use std::collections::{BTreeSet, HashMap};
use telcon_proto::{
    CallId, Card, DeviceId, Ended, PersonId, Role, ServerMessage,
    line::LocalMinute,
    message::RefusalCode,
    policy::{Action, allows, may_ring},
    reach::{PersonsReach, ReachSettings},
};

/// People whom one message names: with the longest names it stays below the length that devices accept. Whoever is not named is in the
/// lists all the same.
const MAX_NAMED: usize = 400;

/// What principals have set.
#[derive(Debug, Default)]
pub(super) struct Reached(HashMap<PersonId, ReachRow>);

impl Reached {
    pub fn restore(&mut self, stored: Vec<ReachRow>) {
        self.0.extend(stored.into_iter().map(|row| (row.person, row)));
    }

    /// What holds for a person.
    pub fn of(&self, person: PersonId) -> ReachSettings {
        self.0.get(&person).map(|row| row.settings.clone()).unwrap_or_default()
    }

    /// Whether this person lets that one ring while they are in a call.
    fn lets_wait(&self, person: PersonId, caller: PersonId) -> bool {
        self.0.get(&person).is_some_and(|row| row.settings.call_waiting.contains(&caller))
    }
}

/// Where a ring to a principal goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// To the principal, and after this many seconds, or at once, to whoever may answer for them.
    Principal { desk_after_s: Option<u16> },
    /// The same, but of the principal's devices only to those that are in a call.
    BesideCall { desk_after_s: Option<u16> },
    /// To whoever may answer for the principal, and not to the principal.
    DeskOnly,
    /// The principal is in a call.
    Busy,
}

/// Where a ring goes that this person makes, or has made. `engaged`: the principal is in a call, or rings somebody.
pub(super) fn way(
    settings: &ReachSettings,
    caller: PersonId,
    engaged: bool,
    now_ms: u64,
    local: impl FnOnce(&str) -> Option<LocalMinute>,
) -> Way {
    // What reaches the office alone does not depend on what the principal does.
    if !settings.exceptions.contains(&caller) && settings.is_quiet(now_ms, local) {
        return Way::DeskOnly;
    }
    let desk_after_s = settings.desk_after_s;
    match (engaged, settings.call_waiting.contains(&caller)) {
        (false, _) => Way::Principal { desk_after_s },
        (true, true) => Way::BesideCall { desk_after_s },
        (true, false) => Way::Busy,
    }
}

impl Switchboard {
    pub(super) fn set_reach(
        &mut self,
        session: SessionId,
        from: DeviceId,
        person: PersonId,
        mut settings: ReachSettings,
        now_ms: u64,
    ) {
        let Some(me) = self.context.directory.card(&from).cloned() else { return };
        let own = me.person == person;
        // Who may answer for somebody gets the rings that do not reach them; it gives nobody a ring that they could not take before.
        let may = match own {
            true => allows(me.role, Action::SetReach),
            false => self.context.delegations.answers(person, &me).is_some(),
        };
        if !may {
            let text = "only a principal, or who may answer for them, decides when they are reached";
            return self.context.refuse(session, None, RefusalCode::NotAllowed, text);
        }
        let known_zone = settings.quiet_hours.as_ref().is_none_or(|hours| local_time::is_zone(&hours.zone));
        if !settings.is_well_formed() || !known_zone {
            let text = "these hours or numbers are not within their limits: choose again";
            return self.context.refuse(session, None, RefusalCode::Malformed, text);
        }
        // Whoever cannot ring a principal has no place in it, and whoever has no device any more.
        let directory = &self.context.directory;
        let rings = |other: &PersonId| {
            *other != person && directory.person(*other).is_some_and(|card| may_ring(card.role, Role::Principal))
        };
        settings.exceptions.retain(rings);
        settings.call_waiting.retain(rings);
        let set_by = (!own).then(|| Card::clone(&me));
        let row = ReachRow { person, settings, set_by, set_ms: now_ms };
        self.context.write(Write::Reach(Box::new(row.clone())));
        self.reached.0.insert(person, row);
        self.tell_reach(person);
        for delegate in self.context.delegations.answerers(person) {
            self.tell_reach(delegate);
        }
    }

    /// Tells a person's devices when they, and those for whom they may answer, are reached.
    pub(super) fn tell_reach(&mut self, person: PersonId) {
        let devices = self.context.directory.online_devices_of(person);
        if devices.is_empty() {
            return;
        }
        let of = self.reach_for(person);
        for device in devices {
            self.context.tell(&device, ServerMessage::Reach { of: of.clone() });
        }
    }

    /// At sign-in.
    pub(super) fn send_reach(&mut self, session: SessionId, person: PersonId) {
        let of = self.reach_for(person);
        if !of.is_empty() {
            self.context.send(session, ServerMessage::Reach { of });
        }
    }

    fn reach_for(&self, person: PersonId) -> Vec<PersonsReach> {
        let own = self.reached.0.contains_key(&person).then_some(person);
        let others = self.context.delegations.answered_by(person);
        let mut of: Vec<PersonsReach> =
            own.into_iter().chain(others).filter_map(|principal| self.persons_reach(principal)).collect();
        let mut named = 0;
        for one in &mut of {
            one.people.truncate(MAX_NAMED - named);
            named += one.people.len();
        }
        of
    }

    fn persons_reach(&self, person: PersonId) -> Option<PersonsReach> {
        let directory = &self.context.directory;
        let principal = Card::clone(directory.person(person)?);
        let row = self.reached.0.get(&person);
        let settings = self.reached.of(person);
        let named: BTreeSet<&PersonId> = settings.exceptions.iter().chain(&settings.call_waiting).collect();
        let people = named.into_iter().filter_map(|named| directory.person(*named)).map(|card| Card::clone(card));
        Some(PersonsReach {
            principal,
            people: people.collect(),
            set_by: row.and_then(|row| row.set_by.clone()),
            set_ms: row.map(|row| row.set_ms),
            settings,
        })
    }

    /// Where a ring to this person goes.
    pub(super) fn way_of(&self, call: &Call, engaged: bool, now_ms: u64) -> Way {
        let settings = self.reached.of(call.row.to.person);
        way(&settings, call.rings_in_the_name_of(), engaged, now_ms, |zone| local_time::minute(zone, now_ms))
    }

    /// After a restart. A ring whose opening was logged when the server ended was not sent its way yet.
    pub(super) fn direct_again(&mut self, call: &mut Call, now_ms: u64) {
        let directed = call.rings_desk_alone() || call.row.desk_from_ms.is_some();
        if call.row.stage != Stage::Ringing || directed {
            return;
        }
        match self.way_of(call, false, now_ms) {
            Way::DeskOnly => {
                call.row.diverted = true;
                self.context.write(Write::CallDiverted(call.id()));
            }
            Way::Principal { desk_after_s: Some(after_s) } => {
                let from_ms = call.row.opened_ms + u64::from(after_s) * 1000;
                call.row.desk_from_ms = Some(from_ms);
                call.desk_waits = Some(from_ms).filter(|at| now_ms < *at);
                self.context.write(Write::CallDeskFrom(call.id(), from_ms));
            }
            Way::Principal { desk_after_s: None } | Way::BesideCall { .. } | Way::Busy => {}
        }
    }

    /// A ring for somebody who has just answered another one goes on, if they let this caller wait.
    pub(super) fn may_wait(&self, call: &Call) -> bool {
        self.reached.lets_wait(call.row.to.person, call.rings_in_the_name_of())
    }

    /// The devices of a person that are in a call other than this one.
    pub(super) fn devices_in_call(&self, person: PersonId, except: CallId) -> BTreeSet<DeviceId> {
        let in_call = |device: &DeviceId| {
            self.calls.of_device(device).into_iter().any(|id| {
                id != except
                    && self.calls.get(&id).is_some_and(|call| call.is_ringing_or_live() && call.takes_part(device))
            })
        };
        self.context.directory.devices_of(person).map(|(device, _)| *device).filter(in_call).collect()
    }

    /// It is time for whoever may answer for the person rung to be rung as well.
    pub(super) fn ring_desk_when_due(&mut self, id: CallId, now_ms: u64) {
        let waits =
            self.calls.get(&id).filter(|call| call.row.stage == Stage::Ringing).and_then(|call| call.desk_waits);
        if waits.is_some_and(|at| at <= now_ms) {
            self.ring_desk(id, now_ms);
        }
    }

    /// Rings whoever may answer for the person rung, who has the whole time of a ring.
    fn ring_desk(&mut self, id: CallId, now_ms: u64) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.desk_waits = None;
        if call.row.desk_from_ms.is_some_and(|at| at > now_ms) {
            call.row.desk_from_ms = Some(now_ms);
            self.context.write(Write::CallDeskFrom(id, now_ms));
        }
        let to = call.row.to.person;
        let (desk, notified) = (self.answering_devices(to), self.notifiable_devices(id));
        let Some(call) = self.calls.get_mut(&id) else { return };
        let before = call.ringing.len() + call.notified.len();
        for device in desk {
            call.ring_device(device, &mut self.context);
        }
        call.notify_devices(notified, &mut self.context);
        call.notify_unless_shown(&self.context, now_ms);
        if call.ringing.len() + call.notified.len() > before {
            call.ring_since_ms = now_ms;
        }
    }

    /// A device does not ring any more. Without any other that does, or can, the ring ends; but first the desk is rung that was to be rung
    /// later.
    pub(super) fn end_unless_it_rings(&mut self, id: CallId, how: Ended, now_ms: u64) {
        let rings = |call: &Call, board: &Self| !call.ringing.is_empty() || call.awaits_notified(&board.context);
        let Some(call) = self.calls.get(&id) else { return };
        if rings(call, self) {
            return;
        }
        if call.desk_waits.is_some() {
            self.ring_desk(id, now_ms);
        }
        if self.calls.get(&id).is_some_and(|call| !rings(call, self)) {
            self.end(id, how, now_ms);
        }
    }

    /// A call that nobody answered is over, and the person rung did not see it ring.
    pub(super) fn tell_kept_from(&mut self, call: &Call, how: Ended) {
        let principal = call.row.on_behalf.as_ref().map(|(_, card)| card.person);
        let to = call.row.to.person;
        if !call.was_kept_from_callee(how) || self.silenced.is_silenced(to, call.row.from.person, principal) {
            return;
        }
        let notice = ServerMessage::Notice(call.notice(&self.context));
        for device in self.context.directory.online_devices_of(to) {
            self.context.tell(&device, notice.clone());
        }
    }

    /// A call of these people is over: who waited meanwhile rings at all devices of theirs. Those that are not connected are notified a
    /// moment later, unless it was answered then.
    pub(super) fn ring_everywhere(&mut self, people: impl IntoIterator<Item = PersonId>, now_ms: u64) {
        for person in people {
            let waits = |call: &&Call| call.row.to.person == person && call.only_on.is_some();
            let waiting: Vec<CallId> = self.calls.of_person(person).filter(waits).map(Call::id).collect();
            for id in waiting {
                if !self.devices_in_call(person, id).is_empty() {
                    continue;
                }
                let devices = self.context.directory.online_devices_of(person);
                let Some(call) = self.calls.get_mut(&id) else { continue };
                call.only_on = None;
                for device in devices {
                    call.ring_device(device, &mut self.context);
                }
                call.notify_ms.get_or_insert(now_ms + NOTIFIED_UNLESS_SHOWN_MS);
            }
        }
    }
}

impl Call {
    /// Who rings, or for whom.
    fn rings_in_the_name_of(&self) -> PersonId {
        self.row.on_behalf.as_ref().map_or(self.row.from.person, |(_, principal)| principal.person)
    }

    /// Whether nobody answered it, and the person rung did not see it ring: they are told of it.
    pub(super) fn was_kept_from_callee(&self, how: Ended) -> bool {
        let ended_unanswered = self.row.answered_ms.is_none() && how != Ended::Revoked;
        ended_unanswered && self.row.opened_index.is_some() && (self.rings_desk_alone() || how == Ended::Busy)
    }
}

#[cfg(test)]
mod tests;
