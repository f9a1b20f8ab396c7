//! Delegations: which are in force, and the calls that are rung or answered under them.
//!
//! A delegation counts once the log has it, within its term, until it is ended by its principal or a security officer, or with the
//! device that signed it. The driver verifies statements; a call under a delegation carries the statement and its proofs to every
//! device that has to verify who acts for whom. What changes concerns the principal, the delegate and security officers alone.

use super::{
    Switchboard,
    call::Call,
    context::{Context, Timer},
    directory::Directory,
    held_delegations::Acting,
    port::{DelegationEnding, Effects, NewDelegation, PendingAppend, SessionId},
};
use crate::{
    limits::LOG_RETRY_MS,
    store::{DelegationEndRow, DelegationRow, Stage, Write},
};
use std::collections::BTreeSet;
use telcon_identity::CLOCK_TOLERANCE_S;
use telcon_proto::{
    CallId, Card, DelegationId, DeviceId, Ended, PersonId, Role, ServerMessage,
    entry::Entry,
    limits::MAX_DELEGATIONS_PER_PERSON,
    message::RefusalCode,
    policy::{Action, ROLES, allows},
};

impl Context {
    /// The role by which a person's contact list is made: who may ring for a principal sees whom principals may ring.
    pub fn contact_role(&self, card: &Card) -> Role {
        match allows(card.role, Action::ActForPrincipal) && self.delegations.rings(card.person) {
            true => Role::Principal,
            false => card.role,
        }
    }
}

impl Switchboard {
    pub(super) fn restore_delegations(&mut self, stored: Vec<DelegationRow>) -> Vec<DelegationId> {
        let ids = stored.iter().map(|row| row.delegation).collect();
        for row in stored {
            let id = row.delegation;
            if row.given_index.is_none() {
                self.context.append(PendingAppend::DelegationGiven(id), given(&row));
            }
            if row.ended.is_some() && row.ended_index.is_none() {
                self.context.append(PendingAppend::DelegationEnded(id), ended(&row));
            }
            self.context.delegations.insert(row);
        }
        ids
    }

    /// After a restart, once the calls are restored that need their statements.
    pub(super) fn settle_delegations(&mut self, ids: &[DelegationId], now_ms: u64) {
        for id in ids {
            match self.context.delegations.rows.get(id).map(|held| held.row.ended_index) {
                Some(Some(_)) => drop(self.context.delegations.rows.remove(id)),
                _ => self.settle_delegation(*id, now_ms),
            }
        }
    }

    /// A device of a principal gives a delegation that the driver verified, unless `new` says why not.
    pub fn delegate(&mut self, session: SessionId, new: Result<NewDelegation, String>, now_ms: u64) -> Effects {
        match new.and_then(|new| self.may_delegate(session, &new, now_ms).map(|()| new)) {
            Ok(new) => {
                let id = new.content.delegation;
                let row = DelegationRow {
                    delegation: id,
                    principal: new.content.principal,
                    device: new.device,
                    delegate: new.content.delegate,
                    acts: new.content.acts,
                    statement: new.statement,
                    statement_sha256: new.sha256,
                    not_before_ms: new.content.not_before_ms,
                    not_after_ms: new.content.not_after_ms,
                    given_ms: now_ms,
                    given_index: None,
                    ended: None,
                    ended_index: None,
                };
                self.context.write(Write::Delegation(Box::new(row.clone())));
                self.context.append(PendingAppend::DelegationGiven(id), given(&row));
                self.context.delegations.asked_by.insert(id, session);
                self.context.delegations.insert(row);
            }
            Err(text) => self.context.refuse(session, None, RefusalCode::NotAllowed, &text),
        }
        self.finish(now_ms)
    }

    fn may_delegate(&self, session: SessionId, new: &NewDelegation, now_ms: u64) -> Result<(), String> {
        let (context, content) = (&self.context, &new.content);
        let own = context
            .directory
            .session(session)
            .is_some_and(|session| session.device == new.device && session.card.person == content.principal);
        let known = context
            .directory
            .person(content.delegate.person)
            .is_some_and(|card| **card == content.delegate && !card.place);
        let full = |person| context.delegations.of(person).len() >= MAX_DELEGATIONS_PER_PERSON;
        let text = if !own {
            "a delegation is given by the device that signed it"
        } else if !known {
            "the person who is to act has no device here, or is enrolled under other words: choose them again"
        } else if new.exists || context.delegations.rows.contains_key(&content.delegation) {
            "a delegation of this id was given before: give another"
        } else if content.not_after_ms <= now_ms {
            "this delegation is over already: choose a later end"
        } else if content.at_ms.abs_diff(now_ms) > CLOCK_TOLERANCE_S * 1000 {
            "this device's clock differs from the office's: set it, then try again"
        } else if full(content.principal) || full(content.delegate.person) {
            "too many delegations by or to this person: end one first"
        } else {
            return Ok(());
        };
        Err(text.to_owned())
    }

    pub(super) fn delegation_logged(&mut self, id: DelegationId, index: Option<u64>, now_ms: u64) {
        let session = self.context.delegations.asked_by.remove(&id);
        let Some(held) = self.context.delegations.rows.get_mut(&id) else { return };
        let Some(index) = index else {
            self.context.timers.set(Timer::Delegation(id), Some(now_ms + LOG_RETRY_MS));
            if let Some(session) = session {
                let text = "the office's log cannot be written now: the delegation counts once it can";
                self.context.refuse(session, None, RefusalCode::Unavailable, text);
            }
            return;
        };
        held.row.given_index = Some(index);
        let (principal, delegate) = (held.row.principal, held.row.delegate.person);
        self.context.write(Write::DelegationLogged(id, index));
        self.settle_delegation(id, now_ms);
        self.tell_delegations_changed(principal, delegate);
    }

    /// Its principal, or somebody who may end all, ends a delegation, by a statement that the driver verified.
    pub fn end_delegation(
        &mut self,
        session: SessionId,
        ending: Result<DelegationEnding, String>,
        now_ms: u64,
    ) -> Effects {
        match ending.and_then(|ending| self.may_end(session, &ending).map(|()| ending)) {
            Ok(DelegationEnding { delegation, by, sha256 }) => {
                let end = DelegationEndRow { at_ms: now_ms, by: Some(by), statement_sha256: Some(sha256) };
                self.end_one(delegation, end, now_ms);
            }
            Err(text) => self.context.refuse(session, None, RefusalCode::NotAllowed, &text),
        }
        self.finish(now_ms)
    }

    fn may_end(&self, session: SessionId, ending: &DelegationEnding) -> Result<(), String> {
        let signer = self.context.directory.session(session).filter(|session| session.device == ending.by);
        let signer = signer.ok_or("the end of a delegation is sent by the device that signed it")?;
        let held = self.context.delegations.rows.get(&ending.delegation).filter(|held| held.row.ended.is_none());
        let held = held.ok_or("there is no such delegation, or it has ended")?;
        let may = held.row.principal == signer.card.person || allows(signer.card.role, Action::EndDelegations);
        if may { Ok(()) } else { Err("only its principal, or a security officer, ends a delegation".to_owned()) }
    }

    /// Delegations end with the device that signed them, because a thief may have, and with the last device of either person.
    pub(super) fn end_delegations_of_device(&mut self, device: DeviceId, person: PersonId, now_ms: u64) {
        let last = self.context.directory.devices_of(person).next().is_none();
        let delegations = &self.context.delegations;
        let signed = |id: &DelegationId| delegations.rows.get(id).is_some_and(|held| held.row.device == device);
        let ids: Vec<_> = delegations.of(person).into_iter().filter(|id| last || signed(id)).collect();
        for id in ids {
            self.end_one(id, DelegationEndRow { at_ms: now_ms, by: None, statement_sha256: None }, now_ms);
        }
    }

    fn end_one(&mut self, id: DelegationId, end: DelegationEndRow, now_ms: u64) {
        let Some(held) = self.context.delegations.rows.get_mut(&id) else { return };
        held.row.ended = Some(end.clone());
        let (entry, logged) = (ended(&held.row), held.row.given_index.is_some());
        let (principal, delegate) = (held.row.principal, held.row.delegate.person);
        self.context.write(Write::DelegationEnded(id, Box::new(end)));
        self.lapse(id, Stage::Live, now_ms);
        if logged {
            self.context.append(PendingAppend::DelegationEnded(id), entry);
        } else {
            // The log failed: both entries follow.
            self.context.timers.set(Timer::Delegation(id), Some(now_ms + LOG_RETRY_MS));
        }
        self.tell_delegations_changed(principal, delegate);
    }

    pub(super) fn delegation_end_logged(&mut self, id: DelegationId, index: Option<u64>, now_ms: u64) {
        match index {
            Some(index) => {
                self.context.write(Write::DelegationEndLogged(id, index));
                self.context.delegations.rows.remove(&id);
                self.context.timers.set(Timer::Delegation(id), None);
            }
            None => self.context.timers.set(Timer::Delegation(id), Some(now_ms + LOG_RETRY_MS)),
        }
    }

    /// A delegation begins or ends by its term, or the log is tried again.
    pub(super) fn delegation_due(&mut self, id: DelegationId, now_ms: u64) {
        let Some(held) = self.context.delegations.rows.get(&id) else { return };
        let row = held.row.clone();
        if row.given_index.is_none() {
            self.context.append(PendingAppend::DelegationGiven(id), given(&row));
        }
        match row.ended {
            Some(_) => self.context.append(PendingAppend::DelegationEnded(id), ended(&row)),
            None => self.settle_delegation(id, now_ms),
        }
    }

    /// Brings a delegation up to the time, and sets its next timer.
    fn settle_delegation(&mut self, id: DelegationId, now_ms: u64) {
        let Some(held) = self.context.delegations.rows.get_mut(&id) else { return };
        let row = &held.row;
        if row.ended.is_some() || row.given_index.is_none() {
            return;
        }
        let was = held.current;
        let (begins, over) = (row.not_before_ms.saturating_sub(CLOCK_TOLERANCE_S * 1000), row.not_after_ms < now_ms);
        held.current = begins <= now_ms && !over;
        let (now_current, delegate, principal) = (held.current, row.delegate.person, row.principal);
        let next = if now_current { row.not_after_ms.saturating_add(1) } else { begins };
        self.context.timers.set(Timer::Delegation(id), (!over).then_some(next));
        if over {
            self.lapse(id, Stage::Ringing, now_ms);
            self.context.delegations.rows.remove(&id);
            self.tell_delegations_changed(principal, delegate);
        } else if now_current && !was {
            self.refresh_contacts(delegate);
            self.ring_delegates(principal);
        }
    }

    /// A delegation counts no more: calls under it end that nobody has taken over, up to this stage of theirs, rings for its principal stop
    /// at the delegate, and what it offered is closed.
    fn lapse(&mut self, id: DelegationId, up_to: Stage, now_ms: u64) {
        let Some(held) = self.context.delegations.rows.get(&id) else { return };
        let (principal, delegate) = (held.row.principal, held.row.delegate.person);
        self.context.delegations.unindex(id);
        let devices: Vec<DeviceId> = self.context.directory.devices_of(delegate).map(|(device, _)| *device).collect();
        for device in &devices {
            for call in self.calls.of_device(device) {
                let under = |call: &Call| {
                    let rings = matches!(call.row.stage, Stage::Opening | Stage::Ringing);
                    (rings || up_to == Stage::Live)
                        && call.acting().any(|acting| acting.delegation == id && acting.taken_by.is_none())
                };
                if self.calls.get(&call).is_some_and(under) {
                    self.end(call, Ended::Revoked, now_ms);
                } else if let Some(found) = self.calls.get_mut(&call) {
                    found.stop_ringing_at(device, principal, &mut self.context);
                }
            }
        }
        self.close_offers_under(id, principal, now_ms);
        self.refresh_contacts(delegate);
    }

    /// Rings for this person are shown to those who may answer for them.
    fn ring_delegates(&mut self, principal: PersonId) {
        let ringing: Vec<CallId> = self.calls.of_person(principal).map(Call::id).collect();
        for id in ringing {
            for device in self.answering_devices(principal) {
                if let Some(call) = self.calls.get_mut(&id) {
                    call.ring_device(device, &mut self.context);
                }
            }
        }
    }

    /// Connected devices of those who may answer for this person.
    pub(super) fn answering_devices(&self, principal: PersonId) -> Vec<DeviceId> {
        let people = self.context.delegations.answerers(principal);
        people.into_iter().flat_map(|person| self.context.directory.online_devices_of(person)).collect()
    }

    /// A device signs in: rings of those for whom its person may answer.
    pub(super) fn ring_for_principals(&mut self, device: DeviceId, person: PersonId) {
        let principals = self.context.delegations.answered_by(person);
        let ids: Vec<CallId> =
            principals.into_iter().flat_map(|principal| self.calls.of_person(principal)).map(Call::id).collect();
        for id in ids {
            if let Some(call) = self.calls.get_mut(&id) {
                call.ring_device(device, &mut self.context);
            }
        }
    }

    /// A principal's device signs in: calls in which somebody acts for them.
    pub(super) fn send_notices_for(&mut self, session: SessionId, person: PersonId) {
        let device = self.context.directory.session(session).map(|session| session.device);
        let calls: Vec<ServerMessage> = self
            .calls
            .of_person(person)
            .filter(|call| {
                call.is_ringing_or_live() && call.represents(person)
                    || device.is_some_and(|device| call.may_continue(&device, &self.context) && !call.concerns(&device))
            })
            .map(|call| ServerMessage::Notice(call.notice(&self.context)))
            .collect();
        for notice in calls {
            self.context.send(session, notice);
        }
    }

    /// Whom a delegate may ring depends on their delegations.
    fn refresh_contacts(&mut self, delegate: PersonId) {
        let context = &mut self.context;
        for device in context.directory.online_devices_of(delegate) {
            let card = context.directory.card(&device).cloned();
            let (Some(session), Some(card)) = (context.directory.session_of(&device), card) else { continue };
            let viewer = context.list_viewer(&card, device);
            let (contacts, known) = context.contacts();
            if let Some(message) = contacts.reopen_list(session, viewer, &known) {
                context.send(session, message);
            }
        }
        self.tell_reach(delegate);
    }

    fn tell_delegations_changed(&mut self, principal: PersonId, delegate: PersonId) {
        let directory = &self.context.directory;
        let roles = ROLES.into_iter().filter(|role| allows(*role, Action::EndDelegations));
        let mut sessions: BTreeSet<_> = roles.flat_map(|role| directory.sessions_of_role(role)).collect();
        for person in [principal, delegate] {
            let devices = directory.online_devices_of(person);
            sessions.extend(devices.iter().filter_map(|device| directory.session_of(device)));
        }
        for session in sessions {
            self.context.send(session, ServerMessage::DelegationsChanged {});
        }
    }
}

impl Call {
    /// Who acts for its parties.
    pub fn acting(&self) -> impl Iterator<Item = &Acting> {
        self.rang.iter().chain(&self.answered)
    }

    /// Whether somebody acts in it for this person.
    pub fn represents(&self, person: PersonId) -> bool {
        self.acting().any(|acting| acting.who.principal.person == person)
    }

    /// Whether a device is of the principal for whom somebody acts, and may take the call over or has.
    pub fn may_take_over(&self, device: &DeviceId, context: &Context) -> bool {
        let may = |acting: &Acting| {
            context.directory.is_person(device, acting.who.principal.person)
                && acting.taken_by.is_none_or(|by| by == *device)
        };
        self.row.stage == Stage::Live && self.acting().any(may)
    }

    /// Devices joined: a principal's takes the call over from who acts for them.
    pub fn note_taken_over(&mut self, joined: &[DeviceId], directory: &Directory) {
        for acting in self.rang.iter_mut().chain(&mut self.answered) {
            let own = joined.iter().find(|device| directory.is_person(device, acting.who.principal.person));
            if acting.taken_by.is_none() {
                acting.taken_by = own.copied();
            }
        }
    }

    /// Whether the person is busy with it.
    pub fn engages(&self, person: PersonId) -> bool {
        let taken = |acting: &Acting| acting.taken_by.is_some();
        if self.rang.as_ref().is_some_and(|acting| acting.who.principal.person == person) {
            return self.rang.as_ref().is_some_and(taken);
        }
        if self.row.from.person == person {
            return true;
        }
        self.row.to.person == person && self.row.stage == Stage::Live && self.answered.as_ref().is_none_or(taken)
    }

    /// Sends what a device needs to verify who acts in it for whom, before the message that relies on it.
    pub fn send_delegations(&self, session: SessionId, context: &mut Context) {
        for acting in self.acting() {
            context.send(session, ServerMessage::Delegation(acting.proven.clone()));
        }
    }

    /// The ring stops at a device whose person may not answer for the callee any more.
    fn stop_ringing_at(&mut self, device: &DeviceId, principal: PersonId, context: &mut Context) {
        let theirs = self.row.to.person == principal && !context.directory.is_person(device, principal);
        let may_still = self.may_answer_for_callee(device, context).is_some();
        if theirs && !may_still && self.row.stage == Stage::Ringing && self.ringing.remove(device) {
            context.tell(device, ServerMessage::Ended { call: self.row.call, how: Ended::Missed, reply: None });
            self.drop_leg(*device, context);
        }
    }
}

/// The entry of a delegation.
fn given(row: &DelegationRow) -> Entry {
    Entry::DelegationGiven {
        time_ms: row.given_ms,
        delegation: row.delegation,
        device: row.device,
        statement_sha256: row.statement_sha256,
        until_ms: row.not_after_ms,
    }
}

/// The entry of the end of one.
fn ended(row: &DelegationRow) -> Entry {
    let (time_ms, by, statement_sha256) = match &row.ended {
        Some(end) => (end.at_ms, end.by, end.statement_sha256),
        None => (row.not_after_ms, None, None),
    };
    Entry::DelegationEnded { time_ms, delegation: row.delegation, by, statement_sha256 }
}

#[cfg(test)]
mod tests;
