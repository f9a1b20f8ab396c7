//! The switchboard's driver: what `hub` does.

use crate::event::Event;
use crate::process::{Batch, HubInput, Request, Step};
use crate::world::World;
use telcon_proto::{ClientMessage, LineId, ServerMessage};
use telcon_server::limits::MAX_BATCH;
use telcon_server::placement::Event as Placed;
use telcon_server::reconcile;
use telcon_server::store::{Store as _, Write};
use telcon_server::switchboard::{
    CloseReason, Effects, NewDelegation, NewDevice, NewLine, Output, RefusedRing, RelayCommand, RequestId, SessionId,
    Switchboard, VerifiedRing,
};

impl World {
    /// Hands something to the switchboard.
    pub fn input(&mut self, input: HubInput) {
        let now = self.now;
        let lag = self.wait(0, 2);
        let Some(process) = self.process() else { return };
        process.inbox.push_back(input);
        self.schedule_hub(now + lag);
    }

    fn schedule_hub(&mut self, at: u64) {
        let Some(process) = self.process() else { return };
        if process.hub_at.is_none_or(|scheduled| scheduled > at) {
            process.hub_at = Some(at);
            let boot = process.boot;
            self.at(at, Event::Hub(boot));
        }
    }

    pub(super) fn schedule_board(&mut self) {
        let now = self.now;
        let Some(process) = self.process() else { return };
        if let Some(at) = process.board.next_timeout() {
            self.schedule_hub(at.max(now + 1));
        }
    }

    /// The switchboard takes its inputs: one batch, one transaction.
    pub fn hub(&mut self, boot: u64) {
        let now = self.now;
        let Some(process) = self.process().filter(|process| process.boot == boot) else { return };
        if process.hub_at.is_none_or(|at| at > now) {
            return;
        }
        process.hub_at = None;
        let mut batch = Batch::default();
        if process.state_unknown {
            self.recover(Vec::new());
        } else if process.board.next_timeout().is_some_and(|at| at <= now) {
            batch.add(process.board.timeout(now));
        }
        for _ in 0..MAX_BATCH {
            let Some(input) = self.process().and_then(|process| process.inbox.pop_front()) else { break };
            self.take(input, &mut batch);
        }
        self.commit(batch);
        let Some(process) = self.process() else { return };
        if process.state_unknown {
            self.schedule_hub(now + 1_000);
        } else if !process.inbox.is_empty() {
            self.schedule_hub(now + 1);
        }
        self.schedule_board();
    }

    /// What `hub::Hub::take` does.
    fn take(&mut self, input: HubInput, batch: &mut Batch) {
        let now = self.now;
        let Self { server, .. } = self;
        let Some(process) = server.process.as_deref_mut() else { return };
        if process.state_unknown {
            return;
        }
        let effects = match input {
            HubInput::Connected(connection, session, device) => {
                process.outboxes.insert(session, connection);
                match process.board.connected(session, device, format!("token {}", session.0), now) {
                    Ok((signed_in, effects)) => {
                        batch.steps.push(Step::Admit(connection, Ok(signed_in)));
                        effects
                    }
                    Err(message) => {
                        process.outboxes.remove(&session);
                        return batch.steps.push(Step::Admit(connection, Err(message)));
                    }
                }
            }
            HubInput::Disconnected(session) => {
                process.outboxes.remove(&session);
                process.board.disconnected(session, now)
            }
            HubInput::SignInFailed(device) => process.board.sign_in_failed(device, now),
            HubInput::Message(session, message) => {
                let exists = match &message {
                    ClientMessage::Invite { invitation, .. } => server
                        .store
                        .invitation_exists(invitation)
                        .and_then(|exists| Ok(exists || server.store.line_exists(&LineId::of_offer(*invitation))?)),
                    _ => Ok(false),
                };
                match exists {
                    Ok(false) => process.board.message(session, message, now),
                    Ok(true) => process.board.invitation_exists(session, now),
                    Err(_) => process.board.invitation_unavailable(session, "the store failed", now),
                }
            }
            HubInput::Ring(session, ring) => {
                let looked_up = ring.and_then(|ring| match server.store.call_exists(&ring.ring.call.id) {
                    Ok(call_exists) => {
                        let line = ring.ring.over.and_then(|over| server.store.signed_line(&over).ok().flatten());
                        Ok(VerifiedRing { call_exists, line: line.map(Box::new), ..ring })
                    }
                    Err(_) => Err(RefusedRing::store_failed(ring.ring.call.id)),
                });
                process.board.ring(session, looked_up, now)
            }
            HubInput::Delegate(session, new) => {
                let new = new.and_then(|new| match server.store.delegation_exists(&new.content.delegation) {
                    Ok(exists) => Ok(NewDelegation { exists, ..new }),
                    Err(_) => Err("the store failed".to_owned()),
                });
                process.board.delegate(session, new, now)
            }
            HubInput::PublishKey(session, new) => process.board.publish_key(session, new, now),
            HubInput::EndDelegation(session, ending) => process.board.end_delegation(session, ending, now),
            HubInput::SignLine(session, new) => {
                let new = new.and_then(|new: NewLine| {
                    let line = new.content.line;
                    let exists = server
                        .store
                        .line_exists(&line)
                        .and_then(|exists| Ok(exists || server.store.invitation_exists(&line.offer())?));
                    match exists {
                        Ok(exists) => Ok(NewLine { exists: exists || new.content.version != 1, ..new }),
                        Err(_) => Err("the store failed".to_owned()),
                    }
                });
                process.board.sign_line(session, new, now)
            }
            HubInput::Approve(session, invitation, chain, line) => {
                let snapshot = server.store.load().map_err(|_| "the store failed".to_owned());
                let approved = snapshot.and_then(|snapshot| {
                    let row = snapshot.invitations.iter().find(|row| row.invitation == invitation);
                    self.office.new_holder(row, chain, line, now)
                });
                process.next_request += 1;
                let id = RequestId(process.next_request);
                process.requests.insert(id, Request::Approval);
                process.board.approve(session, id, invitation, approved, now)
            }
            HubInput::Ping(session, from_size) => return batch.steps.push(Step::Checkpoint(session, from_size)),
            HubInput::Http(request) => {
                process.next_request += 1;
                let id = RequestId(process.next_request);
                process.requests.insert(id, request.clone());
                match request {
                    Request::Enrol(draft) => {
                        let Some(new) = self.drafts[draft].as_ref().map(|draft| draft.new.clone()) else { return };
                        let enrolment_is_used = server.store.enrolment_is_used(&new.enrolment).unwrap_or(true);
                        process.board.enrol(id, NewDevice { enrolment_is_used, ..new }, now)
                    }
                    Request::Revoke(device, jws) => process.board.revoke(id, self.devices[device].id, jws, now),
                    Request::Ask(_, asked) => process.board.device_asked(id, *asked, now),
                    Request::Approval => return,
                    Request::Record(_, seal) => {
                        let exists = process.board.awaits_record(&seal.call)
                            || server.store.call_exists(&seal.call).unwrap_or(false);
                        process.board.seal(id, *seal, exists, now)
                    }
                }
            }
            HubInput::Logged(append, index) => process.board.logged(append, index, now),
            HubInput::LogReported(size) => {
                process.log_reported = Some(size);
                return;
            }
            HubInput::LegAdded(call, device, session, answer) => {
                process.board.leg_added(call, device, session, answer, now)
            }
            HubInput::LegLost(call, device) => process.board.leg_lost(call, device, now),
        };
        batch.add(effects);
    }

    /// Makes the writes of a batch durable, then carries out the rest.
    pub(super) fn commit(&mut self, mut batch: Batch) {
        let Self { server, .. } = self;
        let Some(process) = server.process.as_deref_mut() else { return };
        if !batch.writes.is_empty() {
            batch.writes.extend(process.log_reported.take().map(Write::LogSeen));
        }
        if let Err(error) = server.store.apply(&batch.writes) {
            if server.store.has_crashed() {
                return self.crash_server();
            }
            if !error.to_string().contains("injected") {
                self.watch.fail(format!("the store refused what the switchboard wrote: {error}"));
            }
            self.note("server: the store failed");
            return self.recover(batch.steps);
        }
        for step in batch.steps {
            if let Some(left) = &mut self.server.crash_in_outputs {
                if *left == 0 {
                    return self.crash_server();
                }
                *left -= 1;
            }
            match step {
                Step::Output(output) => self.carry_out(output),
                Step::Checkpoint(session, from_size) => self.send_checkpoint(session, from_size),
                Step::Admit(_, Ok(_)) => {}
                Step::Admit(connection, Err(message)) => {
                    self.send_down(connection, &message);
                    self.close_at_server(connection, false);
                }
            }
            if self.server.process.is_none() {
                return;
            }
        }
    }

    fn carry_out(&mut self, output: Output) {
        let now = self.now;
        let Some(process) = self.process() else { return };
        match output {
            Output::Send(session, mut message) => {
                let Some(connection) = process.outboxes.get(&session).copied() else { return };
                match process.prover.fill(&mut message) {
                    Ok(()) => self.send_down(connection, &message),
                    Err(error) => {
                        self.watch.fail(format!("a message needs a proof that the log does not have: {error}"))
                    }
                }
            }
            Output::Close(session, reason) => {
                let Some(connection) = process.outboxes.remove(&session) else { return };
                if let Some(script) = &mut self.script {
                    script.closed.push((session, reason));
                }
                let word = match reason {
                    CloseReason::Replaced => "replaced",
                    CloseReason::Revoked => "revoked",
                    CloseReason::ShiftOver => "its shift is over",
                };
                self.note(format!("server: closes {} ({word})", session.0));
                self.close_at_server(connection, false);
            }
            Output::Append(append, entry) => {
                process.entries.push_back((append, entry));
                if !std::mem::replace(&mut process.log_busy, true) {
                    let boot = process.boot;
                    let (least, most) = if self.rng.percent(95) { (1, 15) } else { (15, 900) };
                    let wait = self.wait(least, most);
                    self.at(now + wait, Event::Log(boot));
                }
            }
            Output::Relay(command) => {
                if let Some(script) = &mut self.script {
                    script.relay.push(command.clone());
                }
                self.placement(match command {
                    RelayCommand::KeepOnly(calls) => Placed::KeepOnly(calls),
                    RelayCommand::OpenCall(call, index) => Placed::CallOpened(call, index),
                    RelayCommand::CloseCall(call) => Placed::CallClosed(call),
                    RelayCommand::AddLeg { call, device, session, sdp } => {
                        Placed::Offered { call, device, session, offer: sdp }
                    }
                    RelayCommand::RemoveLeg(call, device) => Placed::LegClosed(call, device),
                });
            }
            // Nobody subscribes here.
            Output::Push(_) => {}
            Output::Reply(id, answer) => {
                if let Some(request) = process.requests.remove(&id) {
                    if let Some(script) = &mut self.script {
                        script.replies.push(answer.clone());
                    }
                    if let (Request::Revoke(device, _), Ok(_)) = (&request, &answer) {
                        self.watch.revoked(*device);
                    }
                    let wait = self.wait(5, 60);
                    self.after(wait, Event::HttpDone(request, answer));
                }
            }
        }
    }

    fn send_checkpoint(&mut self, session: SessionId, from_size: u64) {
        let Some(process) = self.process() else { return };
        let Some(connection) = process.outboxes.get(&session).copied() else { return };
        let message = process.prover.checkpoint_message(from_size);
        if let ServerMessage::Refused { message, .. } = &message {
            self.watch.fail(format!("no consistency proof from {from_size}: {message}"));
        }
        self.send_down(connection, &message);
    }

    /// What `hub::Hub::recover` does: everything is closed, and the engine starts from what is durable.
    fn recover(&mut self, lost: Vec<Step>) {
        drop(lost);
        let now = self.now;
        let Some(process) = self.process() else { return };
        let requests = std::mem::take(&mut process.requests);
        let sessions = std::mem::take(&mut process.outboxes);
        for (_, request) in requests {
            self.fail_request(request);
        }
        for (_, connection) in sessions {
            self.close_at_server(connection, true);
        }
        let policy = self.policy();
        let Self { server, .. } = self;
        let Some(process) = server.process.as_deref_mut() else { return };
        process.state_unknown = true;
        if reconcile(&mut server.store, &process.prover, &(), false).is_err() {
            return self.crash_if_the_power_failed();
        }
        let Ok(snapshot) = server.store.load() else { return };
        let (board, effects) = Switchboard::new(policy, snapshot, now);
        if server.store.apply(&effects.writes).is_err() {
            return self.crash_if_the_power_failed();
        }
        (process.board, process.state_unknown) = (board, false);
        let mut batch = Batch::default();
        batch.add(Effects { writes: Vec::new(), outputs: effects.outputs });
        self.commit(batch);
    }

    fn crash_if_the_power_failed(&mut self) {
        if self.server.store.has_crashed() || self.server.disk.has_crashed() {
            self.crash_server();
        }
    }
}
