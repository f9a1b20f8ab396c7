//! Opening, ringing, answering and ending calls. Every attempt is logged: its opening first, then its end.

use super::{
    Switchboard,
    alerts::Topic,
    call::Call,
    context::Context,
    held_delegations::Acting,
    held_lines::Ringing,
    port::{Effects, PendingAppend, RefusedRing, RelayCommand, SessionId, VerifiedRing, entry_at},
    reach::Way,
    ring_limits::TooMany,
    ring_pushes::is_missed,
    sides::Side,
};
use crate::{
    digest::sha256,
    store::{Ask, CallRow, SignedLine, Stage, Write},
};
use std::sync::Arc;
use telcon_identity::needs_line;
use telcon_proto::{
    AlertKind, Blob, CallId, Card, DelegationId, DeviceId, Ended, LineId, PersonId, ServerMessage,
    delegation::Act,
    entry::Entry,
    limits::{ABANDONED_AFTER_MS, MAX_RINGS_AT_ONCE},
    message::{DeclineReply, RefusalCode, Ring},
    policy::may_ring,
};

/// Caller and callee of a ring that is allowed, and the delegation and principal for whom it is.
type Parties = (Arc<Card>, Arc<Card>, Option<(DelegationId, Arc<Card>)>);

impl Switchboard {
    /// A signed-in device rings. The driver has verified the ring, or gives the reason of its failure as a sentence.
    pub fn ring(&mut self, session: SessionId, ring: Result<VerifiedRing, RefusedRing>, now_ms: u64) -> Effects {
        let Some(from) = self.context.directory.session(session).map(|s| s.device) else { return Effects::default() };
        match ring {
            Ok(verified) => self.verified_ring(session, from, verified, now_ms),
            Err(RefusedRing { call, code, why, is_hostile }) => {
                if is_hostile {
                    self.raise(Topic::device(AlertKind::RingRefused, from), call, now_ms);
                }
                // With the call's id, by which the operator finds it in the server's messages.
                let of_call = call.map(|call| format!(" of call {call}")).unwrap_or_default();
                let text = format!("the ring{of_call} was not accepted: {why}");
                self.context.refuse(session, call, code, &text);
            }
        }
        self.finish(now_ms)
    }

    fn verified_ring(&mut self, session: SessionId, from: DeviceId, verified: VerifiedRing, now_ms: u64) {
        let VerifiedRing { ring, jws, call_exists, line } = verified;
        // Checked first: the code below compares identifiers without their office.
        if !ring.is_within(&self.context.policy.domain) {
            let text = "this office is not connected to others: only its own people can be rung";
            return self.context.refuse(session, Some(ring.call.id), RefusalCode::NotAllowed, text);
        }
        // Idempotent: a device that lost its connection before it received `opened` sends the same ring again.
        if let Some(call) = self.calls.get_mut(&ring.call.id).filter(|c| c.row.ring == jws && c.row.from_device == from)
        {
            call.connect(from, session);
            if call.row.stage != Stage::Opening {
                call.send_opened(session, &mut self.context);
            }
            return;
        }
        // It ended while its caller was away, and the caller rings once more.
        if ring.from.id == from && self.has_ended(ring.call.id) {
            return self.no_such_call(session, ring.call.id);
        }
        if let Some(other) = self.glare(&ring, from) {
            let text = "they ring you at this moment: answer their ring";
            self.context.refuse(session, Some(ring.call.id), RefusalCode::RingsYou, text);
            if let Some(call) = self.calls.get_mut(&other) {
                // While this device was ringing out, it did not show the other ring: send it again.
                call.ringing.remove(&from);
                call.ring_device(from, &mut self.context);
            }
            return;
        }
        match self.accept(&ring, from, call_exists, line.as_deref(), now_ms) {
            Ok(row) => {
                let over = line.filter(|_| row.line.is_some()).map(|line| *line);
                self.open(session, CallRow { ring: jws, ..row }, &ring, over);
            }
            Err((code, text)) => self.context.refuse(session, Some(ring.call.id), code, &text),
        }
    }

    /// The call in which the callee of this ring rings this device's person.
    fn glare(&self, ring: &Ring, from: DeviceId) -> Option<CallId> {
        let caller = self.context.directory.card(&from)?.person;
        let glares = |call: &&Call| {
            let ringing = matches!(call.row.stage, Stage::Opening | Stage::Ringing);
            ringing && call.row.from.person == ring.to.id && call.row.to.person == caller
        };
        self.calls.of_person(caller).find(glares).map(Call::id)
    }

    fn accept(
        &mut self,
        ring: &Ring,
        from: DeviceId,
        call_exists: bool,
        signed: Option<&SignedLine>,
        now_ms: u64,
    ) -> Result<CallRow, (RefusalCode, String)> {
        let (caller, callee, principal) =
            self.check_ring(ring, from, call_exists, now_ms).map_err(|(code, text)| (code, text.to_owned()))?;
        let parties = (&*caller, &*callee, principal.as_ref().map(|(_, card)| &**card));
        let line =
            self.check_line(ring, from, parties, signed, now_ms).map_err(|text| (RefusalCode::NotAllowed, text))?;
        self.ring_limits.ring(caller.person, callee.person, now_ms).map_err(|limit| {
            let text = match limit {
                TooMany::Caller => "too many rings from this person: wait a few seconds".to_owned(),
                TooMany::Callee(wait_ms) => {
                    let seconds = wait_ms.div_ceil(1_000);
                    format!("they declined or did not answer: this person can be rung again in {seconds} s")
                }
            };
            (RefusalCode::TooMany, text)
        })?;
        Ok(CallRow {
            call: ring.call.id,
            ring: String::new(),
            from_device: from,
            from: (*caller).clone(),
            to: (*callee).clone(),
            mode: ring.mode,
            stage: Stage::Opening,
            epoch: 0,
            answerer: None,
            noted: false,
            opened_ms: now_ms,
            answered_ms: None,
            ended_ms: None,
            how: None,
            opened_index: None,
            ended_index: None,
            missing_index: None,
            on_behalf: principal.map(|(delegation, card)| (delegation, (*card).clone())),
            answered_under: None,
            line,
            diverted: false,
            desk_from_ms: None,
        })
    }

    /// The version of the line that a ring is over, if it allows the ring; none where none is needed.
    fn check_line(
        &self,
        ring: &Ring,
        from: DeviceId,
        (caller, callee, principal): (&Card, &Card, Option<&Card>),
        signed: Option<&SignedLine>,
        now_ms: u64,
    ) -> Result<Option<(LineId, u32)>, String> {
        let rings_for = principal.unwrap_or(caller);
        if ring.over.is_none() {
            return match needs_line(self.context.policy.rings, rings_for.role, callee.role) {
                true => {
                    Err("in this office one rings over a line, and the ring names none: ask the person for one".into())
                }
                false => Ok(None),
            };
        }
        let ringing = Ringing {
            ring,
            caller: rings_for,
            on_behalf: principal.is_some(),
            callee,
            device: from,
            given: self.context.directory.device(&from).is_some_and(|device| device.given),
            now_ms,
            started_ms: self.started_ms,
        };
        self.context.lines.check_ring(&ringing, signed).map(Some)
    }

    /// Whether a ring is allowed, apart from how often and from lines: caller and callee if it is.
    fn check_ring(
        &self,
        ring: &Ring,
        from: DeviceId,
        call_exists: bool,
        now_ms: u64,
    ) -> Result<Parties, (RefusalCode, &'static str)> {
        use RefusalCode::{NotAllowed, Unreachable};
        let policy = &self.context.policy;
        if ring.from.id != from {
            return Err((NotAllowed, "the ring names another device than the one that sent it"));
        }
        if ring.suite != policy.suite {
            return Err((NotAllowed, "the ring names another cipher suite than the office's: sign in again"));
        }
        if ring.mode < policy.floor {
            return Err((
                NotAllowed,
                "the record mode is below the office's minimum: ring with that mode or a higher one",
            ));
        }
        if call_exists || self.calls.contains(&ring.call.id) || self.has_ended(ring.call.id) {
            return Err((NotAllowed, "this call was opened before: ring again"));
        }
        let directory = &self.context.directory;
        let caller = directory.card(&from).cloned().ok_or((NotAllowed, "this device is not enrolled"))?;
        let callee = directory.person(ring.to.id).cloned();
        let callee = callee.ok_or((Unreachable, "no such person here, or they have no device"))?;
        if caller.person == callee.person {
            return Err((NotAllowed, "one cannot ring oneself"));
        }
        let principal = match &ring.on_behalf {
            None => None,
            Some(named) => {
                let row =
                    self.context.delegations.for_ring(named, &caller, now_ms).map_err(|text| (NotAllowed, text))?;
                let principal = directory.person(row.principal).cloned();
                let principal = principal.ok_or((NotAllowed, "the principal has no device any more"))?;
                if principal.person == callee.person {
                    return Err((NotAllowed, "nobody is rung for themselves"));
                }
                Some((row.delegation, principal))
            }
        };
        if !may_ring(principal.as_ref().map_or(caller.role, |(_, principal)| principal.role), callee.role) {
            return Err((NotAllowed, "this role may not be rung from this device"));
        }
        // Being rung hinders nothing: a ring that they have not answered is no call of theirs.
        let takes_part = |id: &CallId| self.calls.get(id).is_some_and(|call| call.takes_part(&from));
        if self.calls.of_person(caller.person).any(|call| call.engages(caller.person))
            || principal.is_some() && self.calls.of_device(&from).iter().any(takes_part)
        {
            return Err((NotAllowed, "you are in another call: end it first"));
        }
        Ok((caller, callee, principal))
    }

    fn open(&mut self, session: SessionId, row: CallRow, ring: &Ring, over: Option<SignedLine>) {
        let entry = Entry::CallOpened {
            time_ms: row.opened_ms,
            call: row.call,
            ring_sha256: sha256(row.ring.as_bytes()),
            mode: row.mode,
            suite: ring.suite,
            devices: vec![row.from_device],
            delegation: row.on_behalf.as_ref().map(|(delegation, _)| *delegation),
            line: row.line.map(|(line, _)| line),
        };
        self.context.write(Write::Call(Box::new(row.clone())));
        self.context.append(PendingAppend::Opened(row.call), entry);
        if let Some((line, _)) = row.line {
            self.context.lines.rung(line, row.from.person, row.opened_ms);
        }
        let mut call = Call::new(row, session);
        call.load_delegations(&self.context);
        call.load_line(over, &self.context);
        self.calls.insert(call);
    }

    /// The result of appending the opening. Without a log entry there is no call.
    pub(super) fn opened(&mut self, id: CallId, index: Option<u64>, now_ms: u64) {
        let opening = self.calls.get(&id).is_some_and(|call| call.row.stage == Stage::Opening);
        let Some(call) = self.calls.get_mut(&id).filter(|_| opening) else {
            // The append succeeded after the call was cancelled: its end must be in the log as well.
            if let Some(index) = index.filter(|_| !self.calls.contains(&id)) {
                self.context.write(Write::CallOpened(id, index));
                self.pending.append_end(id, Ended::Failed, now_ms, &mut self.context);
            }
            return;
        };
        let Some(index) = index else {
            // The row stays: if the entry did reach the disk, a restart finds it and logs the end.
            if let Some(call) = self.calls.remove(&id) {
                self.context.write(Write::CallEnded(id, Ended::Failed, now_ms));
                self.context.write(Write::CallSettled(id));
                let text = "the office's log cannot be written, and no call takes place that is not in it: \
                            tell whoever runs the server";
                if let Some(session) = call.present.get(&call.row.from_device) {
                    self.context.refuse(*session, Some(id), RefusalCode::Unavailable, text);
                }
                self.remember_end(id, Ended::Failed, None);
            }
            return;
        };
        call.row.opened_index = Some(index);
        call.row.stage = Stage::Ringing;
        let from = call.row.from_device;
        self.context.write(Write::CallOpened(id, index));
        // Revoked, or the line was stopped, while the opening was appended.
        if self.context.lines.stops(&call.row)
            || self.context.directory.device(&from).is_none_or(|device| device.revoked_ms.is_some())
        {
            return self.end(id, Ended::Revoked, now_ms);
        }
        self.start_ringing(id, now_ms);
    }

    fn start_ringing(&mut self, id: CallId, now_ms: u64) {
        let parties = self.calls.get(&id).map(|c| {
            let principal = c.row.on_behalf.as_ref().map(|(_, card)| card.person);
            (c.row.from.person, c.row.to.person, principal)
        });
        let Some((from, to, principal)) = parties else { return };
        // Answered another ring while this one was appended to the log.
        if self.is_in_call(from, id) {
            return self.end(id, Ended::Cancelled, now_ms);
        }
        let rings_out =
            self.calls.of_person(to).any(|call| call.row.stage == Stage::Ringing && call.row.from.person == to);
        let engaged = self.is_in_call(to, id) || rings_out;
        let Some(call) = self.calls.get(&id) else { return };
        let way = if call.rings_desk_alone() { Way::DeskOnly } else { self.way_of(call, engaged, now_ms) };
        // Who rings the office does not take the place of who rings its principal.
        let beside = |other: &&Call| {
            let desk_alone = other.rings_desk_alone() == (way == Way::DeskOnly);
            other.id() != id && other.rings_for(to) && desk_alone
        };
        if way == Way::Busy || self.calls.of_person(to).filter(beside).count() >= MAX_RINGS_AT_ONCE {
            return self.end(id, Ended::Busy, now_ms);
        }
        // As if none of their devices were connected: the caller is not told that they were silenced, and can only guess.
        if self.silenced.is_silenced(to, from, principal) {
            // Each attempt adds two entries to the log, which nobody wants.
            self.ring_limits.unwanted(from, to, now_ms);
            return self.end(id, Ended::Missed, now_ms);
        }
        self.direct(id, way, now_ms);
        let (mut own, mut notified) = (self.context.directory.online_devices_of(to), self.notifiable_devices(id));
        let Some(call) = self.calls.get_mut(&id) else { return };
        own.retain(|device| call.rings_at(device, &self.context));
        let mut desk_from_ms = call.desk_waits;
        if desk_from_ms.is_some() && own.is_empty() && notified.is_empty() {
            // Nobody is to be waited for.
            (call.desk_waits, desk_from_ms) = (None, Some(now_ms));
            notified = self.notifiable_devices(id);
        }
        let Some(call) = self.calls.get(&id) else { return };
        let mut devices = own;
        if call.desk_waits.is_none() {
            devices.extend(self.answering_devices(to).into_iter().filter(|device| {
                // Nobody answers what they rang.
                !self.context.directory.is_person(device, from)
            }));
        }
        if devices.is_empty() && notified.is_empty() {
            return self.end(id, Ended::Missed, now_ms);
        }
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.row.desk_from_ms = desk_from_ms;
        if let Some(from_ms) = desk_from_ms {
            self.context.write(Write::CallDeskFrom(id, from_ms));
        }
        if way == Way::DeskOnly && call.row.diverted {
            self.context.write(Write::CallDiverted(id));
        }
        call.only_notified = devices.is_empty();
        self.context.relay(RelayCommand::OpenCall(id, call.row.opened_index.unwrap_or_default()));
        if let Some(session) = call.present.get(&call.row.from_device).copied() {
            call.send_opened(session, &mut self.context);
        }
        for device in devices {
            call.ring_device(device, &mut self.context);
        }
        call.notify_devices(notified, &mut self.context);
        call.notify_unless_shown(&self.context, now_ms);
        call.notify_staff();
    }

    /// Sends a ring its way.
    fn direct(&mut self, id: CallId, way: Way, now_ms: u64) {
        let in_call = match (way, self.calls.get(&id)) {
            (Way::BesideCall { .. }, Some(call)) => Some(self.devices_in_call(call.row.to.person, id)),
            _ => None,
        };
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.only_on = in_call;
        match way {
            Way::Principal { desk_after_s } | Way::BesideCall { desk_after_s } => {
                call.desk_waits = desk_after_s.map(|after_s| now_ms + u64::from(after_s) * 1000);
            }
            // Over a line for the desk, it is the line that says so.
            Way::DeskOnly => call.row.diverted |= !call.rings_desk_alone(),
            Way::Busy => {}
        }
    }

    /// Whether the person is a party of a call, other than `except`, that was answered.
    fn is_in_call(&self, person: PersonId, except: CallId) -> bool {
        let engages = |call: &Call| call.row.stage == Stage::Live && call.engages(person);
        self.calls.of_person(person).any(|call| call.id() != except && engages(call))
    }

    pub(super) fn answer(&mut self, session: SessionId, from: DeviceId, id: CallId, key_package: Blob, now_ms: u64) {
        let rings = self.calls.get(&id).is_some_and(|call| call.rings_at(&from, &self.context));
        let person = self.context.directory.card(&from).map(|card| card.person);
        if rings && person.is_some_and(|person| self.is_in_call(person, id)) {
            let text = "you are in another call: end it first";
            return self.context.refuse(session, Some(id), RefusalCode::NotAllowed, text);
        }
        self.on_call(session, id, |c, context| c.answer(session, from, key_package, context, now_ms));
        if rings {
            self.end_other_rings(id, now_ms);
        }
    }

    /// A call was answered: its parties are in it, so their other rings end, but those to their office alone and of callers whom they let
    /// wait. Who rings them learns that they are busy, and what they rang themselves is cancelled.
    fn end_other_rings(&mut self, id: CallId, now_ms: u64) {
        let Some(call) = self.calls.get(&id).filter(|call| call.row.stage == Stage::Live) else { return };
        let parties = [call.row.from.person, call.row.to.person];
        let engaged: Vec<PersonId> = parties.into_iter().filter(|person| call.engages(*person)).collect();
        self.ring_limits.answered(parties[0], parties[1]);
        for person in engaged {
            let others: Vec<(CallId, Ended)> = self
                .calls
                .of_person(person)
                .filter(|other| other.id() != id && other.row.stage == Stage::Ringing)
                .filter(|other| match other.rings_for(person) {
                    true => !other.rings_desk_alone() && !self.may_wait(other),
                    false => other.row.from.person == person,
                })
                .map(|other| (other.id(), if other.rings_for(person) { Ended::Busy } else { Ended::Cancelled }))
                .collect();
            for (other, how) in others {
                self.end(other, how, now_ms);
            }
        }
    }

    /// Continues a stored call after a restart.
    pub(super) fn restore(&mut self, mut call: Call, now_ms: u64) {
        let id = call.id();
        call.load_delegations(&self.context);
        match call.row.stage {
            // Its entry never reached the log (reconciliation would have found it): there was no call.
            Stage::Opening => {
                self.calls.insert(call);
                self.opened(id, None, now_ms);
            }
            Stage::Ringing | Stage::Live => {
                self.context.relay(RelayCommand::OpenCall(id, call.row.opened_index.unwrap_or_default()));
                // Its line may have been stopped while it was being opened, before the server ended.
                let stopped = self.context.lines.stops(&call.row);
                self.direct_again(&mut call, now_ms);
                self.calls.insert(call);
                if stopped {
                    self.end(id, Ended::Revoked, now_ms);
                }
            }
            Stage::Ended => {}
        }
    }

    pub(super) fn decline(
        &mut self,
        session: SessionId,
        from: DeviceId,
        id: CallId,
        reply: Option<DeclineReply>,
        now_ms: u64,
    ) {
        if reply.is_some_and(|reply| !reply.is_well_formed()) {
            let text = "a call is promised within twelve hours: choose an earlier time";
            return self.context.refuse(session, Some(id), RefusalCode::Malformed, text);
        }
        match self.calls.get(&id).filter(|c| c.row.stage != Stage::Opening) {
            Some(call) if call.rings_at(&from, &self.context) => {
                if self.context.directory.is_person(&from, call.row.to.person) {
                    return match reply {
                        Some(DeclineReply::Office {}) => self.divert(id, now_ms),
                        reply => self.end_with(id, Ended::Declined, reply, now_ms),
                    };
                }
                // Who may answer for somebody declines for themselves alone.
                let Some(call) = self.calls.get_mut(&id) else { return };
                call.failed.insert(from);
                call.ringing.remove(&from);
                call.drop_leg(from, &mut self.context);
                self.end_unless_it_rings(id, Ended::Declined, now_ms);
            }
            Some(_) => {
                let text = "only a device that rings can decline: hang up instead";
                self.context.refuse(session, Some(id), RefusalCode::NotAllowed, text);
            }
            None => self.no_such_call(session, id),
        }
    }

    /// The person rung has a ring handed to their office: it stops at their devices, and goes on, or begins, at those of people who may
    /// answer for them, who have the whole time of a ring. Without any of those it was missed, by the office too.
    fn divert(&mut self, id: CallId, now_ms: u64) {
        let Some(call) = self.calls.get(&id) else { return };
        let (from, to) = (call.row.from.person, call.row.to.person);
        let mut desk = self.answering_devices(to);
        desk.retain(|device| !self.context.directory.is_person(device, from));
        let context = &mut self.context;
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.row.diverted = true;
        call.desk_waits = None;
        call.ring_since_ms = now_ms;
        context.write(Write::CallDiverted(id));
        context.tell(&call.row.from_device, ServerMessage::Diverted { call: id });
        let own: Vec<DeviceId> =
            call.ringing.iter().filter(|device| context.directory.is_person(device, to)).copied().collect();
        for device in own {
            call.ringing.remove(&device);
            call.drop_leg(device, context);
            context.tell(&device, ServerMessage::TakenElsewhere { call: id });
        }
        call.end_notifications_of(to, context, now_ms);
        for device in desk {
            call.ring_device(device, context);
        }
        let notified = self.notifiable_devices(id);
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.notify_devices(notified, &mut self.context);
        call.notify_unless_shown(&self.context, now_ms);
        call.notify_staff();
        if call.ringing.is_empty() && !call.awaits_notified(&self.context) {
            self.end_with(id, Ended::Missed, Some(DeclineReply::Office {}), now_ms);
        }
    }

    pub(super) fn hang_up(&mut self, session: SessionId, from: DeviceId, id: CallId, failed: bool, now_ms: u64) {
        let Some(call) = self.calls.known_mut(&id) else { return self.no_such_call(session, id) };
        // It may not have been able to say that it leaves to the other one.
        if call.is_principals(&from) && !call.has_newer_device(&from) {
            let how = match (failed, call.row.stage) {
                (true, _) => Ended::Failed,
                (false, Stage::Ringing) => Ended::Cancelled,
                (false, _) => Ended::HungUp,
            };
            return self.end(id, how, now_ms);
        }
        if call.rings_at(&from, &self.context) {
            if !failed {
                return self.decline(session, from, id, None, now_ms);
            }
            // A device that refuses the ring does not stop the others.
            call.failed.insert(from);
            call.ringing.remove(&from);
            call.drop_leg(from, &mut self.context);
            return self.end_unless_it_rings(id, Ended::Failed, now_ms);
        }
        if call.members.contains(&from) || call.is_waiting(&from) {
            call.stop_waiting(&from, &mut self.context);
            call.leave(from, &mut self.context);
            return call.notify_staff();
        }
        let text = "this device is not in the call";
        self.context.refuse(session, Some(id), RefusalCode::NotAllowed, text);
    }

    /// Ends the call. The append of its end is retried until it succeeds.
    pub(super) fn end(&mut self, id: CallId, how: Ended, now_ms: u64) {
        self.end_with(id, how, None, now_ms);
    }

    /// Ends the call with what the person rung has the caller told. Their other devices see it too: it was said in their name.
    fn end_with(&mut self, id: CallId, how: Ended, reply: Option<DeclineReply>, now_ms: u64) {
        let Some(mut call) = self.calls.remove(&id) else { return };
        call.reply = reply.or(call.reply);
        self.context.write(Write::CallEnded(id, how, now_ms));
        for device in call.audience() {
            self.context.tell(&device, ServerMessage::Ended { call: id, how, reply });
        }
        let shown =
            call.row.stage == Stage::Ringing && (call.shown || !call.ringing.is_empty() || !call.notified.is_empty());
        // However it ends: a caller chooses to cancel, fail or disconnect. Busy is the callee's doing, who took another call.
        if shown && how != Ended::Busy {
            self.ring_limits.unwanted(call.row.from.person, call.row.to.person, now_ms);
        }
        call.end_notifications(is_missed(how), &mut self.context, now_ms);
        call.row.stage = Stage::Ended;
        call.row.how = Some(how);
        call.row.ended_ms = Some(now_ms);
        self.context.relay(RelayCommand::CloseCall(id));
        call.notify_staff();
        call.send_notice(&mut self.context);
        self.tell_kept_from(&call, how);
        self.remember_end(id, how, reply);
        self.pending.ended(&call.row, &call.participants, &mut self.context, now_ms);
        let people = [call.row.from.person, call.row.to.person]
            .into_iter()
            .chain(call.row.on_behalf.iter().map(|(_, card)| card.person));
        self.ring_everywhere(people, now_ms);
    }
}

impl Call {
    /// Whether it rings for this person, who has not answered it.
    fn rings_for(&self, person: PersonId) -> bool {
        self.row.stage == Stage::Ringing && self.row.to.person == person
    }

    /// Whether it is in the log and has not ended.
    pub(super) fn is_ringing_or_live(&self) -> bool {
        matches!(self.row.stage, Stage::Ringing | Stage::Live)
    }

    fn send_opened(&self, session: SessionId, context: &mut Context) {
        let opened = entry_at(self.row.opened_index.unwrap_or_default());
        self.send_basis(session, context);
        context.send(session, ServerMessage::Opened { call: self.row.call, opened, notified: self.only_notified });
        if self.row.diverted {
            context.send(session, ServerMessage::Diverted { call: self.row.call });
        }
        if self.shown {
            context.send(session, ServerMessage::RingingThere { call: self.row.call });
        }
    }

    /// Repeats `opened` to the caller's device, which resumes and may not have received it: even after an answer.
    pub(super) fn resend_opened(&self, device: &DeviceId, session: SessionId, context: &mut Context) {
        if matches!(self.row.stage, Stage::Ringing | Stage::Live) && self.row.from_device == *device {
            self.send_opened(session, context);
        }
    }

    /// Sends the ring to a device of the callee, if it is connected and did not get it yet.
    pub(super) fn ring_device(&mut self, device: DeviceId, context: &mut Context) {
        let online = context.directory.session_of(&device).is_some();
        if !self.rings_at(&device, context) || self.failed.contains(&device) || !online || !self.ringing.insert(device)
        {
            return;
        }
        self.only_notified = false;
        self.withdraw_notification(device, context);
        let caller = context.directory.device_entry(&self.row.from_device);
        let opened = entry_at(self.row.opened_index.unwrap_or_default());
        if let Some(session) = context.directory.session_of(&device) {
            self.send_basis(session, context);
            if let Some(acting) = self.may_answer_for_callee(&device, context) {
                context.send(session, ServerMessage::Delegation(acting.proven));
            }
        }
        context.tell(&device, ServerMessage::Ringing { jws: self.row.ring.clone(), opened, device: caller });
    }

    pub(super) fn rings_at(&self, device: &DeviceId, context: &Context) -> bool {
        let may = || {
            if context.directory.is_person(device, self.row.to.person) {
                return !self.rings_desk_alone() && self.only_on.as_ref().is_none_or(|only| only.contains(device));
            }
            self.desk_waits.is_none() && self.may_answer_for_callee(device, context).is_some()
        };
        self.row.stage == Stage::Ringing && may()
    }

    /// The delegation under which a device's person may answer for the callee now.
    pub(super) fn may_answer_for_callee(&self, device: &DeviceId, context: &Context) -> Option<Acting> {
        let card = context.directory.card(device).filter(|card| card.person != self.row.from.person)?;
        let id = context.delegations.answers(self.row.to.person, card)?;
        context.delegations.acting(id, &self.row.to, Act::Answer, &context.directory)
    }

    /// What the row says of who acts for whom, after a restart too.
    pub(super) fn load_delegations(&mut self, context: &Context) {
        let acting = |id, principal, act| context.delegations.acting(id, principal, act, &context.directory);
        self.rang = self.row.on_behalf.as_ref().and_then(|(id, principal)| acting(*id, principal, Act::Ring));
        self.answered = self.row.answered_under.and_then(|id| acting(id, &self.row.to, Act::Answer));
        let members: Vec<DeviceId> = self.members.iter().filter(|device| self.is_member(device)).copied().collect();
        self.note_taken_over(&members, &context.directory);
        self.note_continued(&members, &context.directory);
    }

    pub(super) fn ring_shown(&mut self, from: DeviceId, context: &mut Context) {
        // A late message of a device that does not ring any more is ignored.
        if !self.rings_at(&from, context) {
            return;
        }
        self.shown_by.insert(from);
        self.withdraw_notification(from, context);
        if !std::mem::replace(&mut self.shown, true) {
            context.tell(&self.row.from_device, ServerMessage::RingingThere { call: self.row.call });
        }
    }

    pub(super) fn answer(
        &mut self,
        session: SessionId,
        from: DeviceId,
        key_package: Blob,
        context: &mut Context,
        now_ms: u64,
    ) {
        let answered = self.row.stage == Stage::Live && self.row.answerer == Some(from);
        if answered && self.is_member(&from) {
            // It was added while it was away, and has not seen the welcome.
            return self.resume(session, from, 0, context);
        }
        let again = answered && !self.members.contains(&from);
        let acting = self.may_answer_for_callee(&from, context);
        let theirs = context.directory.is_person(&from, self.row.to.person) || acting.is_some();
        if !again && self.row.stage == Stage::Live && theirs {
            return context.send(session, ServerMessage::TakenElsewhere { call: self.row.call });
        }
        if !again && !self.rings_at(&from, context) {
            let text = "another device has answered this call, or it does not ring here";
            return context.refuse(session, Some(self.row.call), RefusalCode::NotAllowed, text);
        }
        if self.accept_request(session, Ask { device: from, key_package, answer: true }, context, now_ms) && !again {
            self.row.stage = Stage::Live;
            self.row.answerer = Some(from);
            self.row.answered_ms = Some(now_ms);
            context.write(Write::CallAnswered(self.row.call, from, now_ms));
            if let Some(acting) = acting.filter(|_| !context.directory.is_person(&from, self.row.to.person)) {
                self.row.answered_under = Some(acting.delegation);
                context.write(Write::AnsweredUnder(self.row.call, acting.delegation));
                self.answered = Some(acting);
            }
            self.end_notifications(false, context, now_ms);
            for other in std::mem::take(&mut self.ringing) {
                if other != from {
                    context.tell(&other, ServerMessage::TakenElsewhere { call: self.row.call });
                    self.drop_leg(other, context);
                }
            }
            self.notify_staff();
        }
    }

    /// Processes due deadlines: removes members that were disconnected for too long; returns how the call ended, if it
    /// did.
    pub(super) fn due(&mut self, context: &mut Context, now_ms: u64) -> Option<Ended> {
        if self.has_lost_its_keys() {
            return Some(Ended::Failed);
        }
        match self.row.stage {
            Stage::Opening | Stage::Ended => return None,
            Stage::Ringing => {
                if now_ms >= self.ring_until_ms() {
                    return Some(Ended::Missed);
                }
                if self.abandoned_by(Side::Caller, &context.directory, now_ms) {
                    return Some(Ended::Interrupted);
                }
            }
            Stage::Live => {
                if [Side::Caller, Side::Callee]
                    .into_iter()
                    .any(|side| self.abandoned_by(side, &context.directory, now_ms))
                {
                    return Some(Ended::Interrupted);
                }
            }
        }
        let long_lost: Vec<DeviceId> =
            self.lost.iter().filter(|(_, since)| now_ms >= *since + ABANDONED_AFTER_MS).map(|(d, _)| *d).collect();
        for device in &long_lost {
            self.leave(*device, context);
        }
        if !long_lost.is_empty() {
            self.notify_staff();
        }
        None
    }
}
