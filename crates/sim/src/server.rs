//! What `hub`, `media`, `web::socket` and the log's thread do in the real server, with the real engines, store, log writer and
//! reconciliation, in virtual time.

use crate::{
    connection::{Connection, ConnectionId, Stage},
    event::Event,
    process::{Batch, HubInput, Process, RECORD_DUE_MS, Request, Step},
    relay::RelayHost,
    world::World,
};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};
use telcon_log::MAX_APPEND_ENTRIES;
use telcon_proto::{
    ClientMessage, ServerMessage, WIRE_VERSION,
    entry::Entry,
    limits::CHALLENGE_TTL_MS,
    message::RefusalCode,
    node::{FromNode, NODE_HEARTBEAT_INTERVAL_MS, NODE_HEARTBEAT_TIMEOUT_MS, ToNode},
};
use telcon_relay::LegId;
use telcon_server::{
    archive::{LogEvent, LogWriter},
    limits::{IDLE_TIMEOUT_MS, LOG_RETRY_MS, MAX_BATCH},
    placement::{Decision, Event as Placed, Host, Placement, RelayId},
    reconcile, sign_in,
    store::{Store as _, Write},
    switchboard::{
        CloseReason, Effects, NewDevice, Output, Policy, Refusal, RefusalKind, RefusedRing, RelayCommand, RequestId,
        SessionId, Switchboard, Ticket, VerifiedRing,
    },
};

/// How long a relay keeps calls that its switchboard does not open again, milliseconds (`node::UNCONFIRMED_CALL_TTL`).
const UNCONFIRMED_MS: u64 = 60_000;

impl World {
    fn policy(&self) -> Policy {
        Policy {
            domain: self.office.domain(),
            suite: self.office.info.suite,
            floor: self.office.pinned.floor(),
            record_due_ms: RECORD_DUE_MS,
        }
    }

    /// Starts the server's process over what is durable. A fault may end the attempt.
    pub fn start_server(&mut self) {
        self.server.boots += 1;
        self.server.store.reopen();
        let boot = self.server.boots;
        self.note(format!("server: start {boot}"));
        let files = self.server.disk.writer();
        let reader = Arc::new(self.server.disk.clone());
        let writer = match LogWriter::over(files, reader, self.office.signer(), self.office.domain(), self.now) {
            Ok(writer) => writer,
            Err(error) => return self.start_failed(&error),
        };
        let prover = writer.prover();
        if let Err(error) = reconcile(&mut self.server.store, &prover, &(), true) {
            return self.start_failed(&error);
        }
        let snapshot = match self.server.store.load() {
            Ok(snapshot) => snapshot,
            Err(error) => return self.start_failed(&error),
        };
        let (board, effects) = Switchboard::new(self.policy(), snapshot, self.now);
        self.relays[0] = RelayHost::new(0);
        self.server.process = Some(Box::new(Process {
            boot,
            board,
            writer,
            prover,
            placement: Placement::new(self.now << 16),
            inbox: VecDeque::new(),
            hub_at: None,
            entries: VecDeque::new(),
            log_busy: false,
            outboxes: BTreeMap::new(),
            requests: BTreeMap::new(),
            next_request: boot << 32,
            log_reported: None,
            state_unknown: false,
            relays: BTreeMap::new(),
        }));
        let mut batch = Batch::default();
        batch.add(effects);
        self.commit(batch);
        self.schedule_board();
    }

    fn start_failed(&mut self, error: &dyn std::fmt::Display) {
        // The process that runs next finds it in order, or this is a fault of ours.
        let crashed = self.server.disk.has_crashed() || self.server.store.has_crashed();
        let injected = error.to_string().contains("injected");
        if !crashed && !injected {
            return self.watch.fail(format!("the server does not start: {error}"));
        }
        self.note("server: start failed");
        self.after(500, Event::ServerUp);
    }

    /// The process is gone, and with it what was not durable.
    pub fn stop_process(&mut self) {
        let Some(process) = self.server.process.take() else { return };
        self.server.crash_in_outputs = None;
        self.relays[0].up = false;
        for (_, request) in process.requests {
            self.fail_request(request);
        }
        let open: Vec<ConnectionId> =
            self.connections.iter().filter(|(_, connection)| connection.server_open).map(|(id, _)| *id).collect();
        for id in open {
            self.close_at_server(id, true);
        }
        for relay in 1..self.relays.len() {
            if let Some(connection) = self.relays[relay].connection {
                self.after(1, Event::RelayLost { connection });
            }
        }
    }

    fn fail_request(&mut self, request: Request) {
        let refusal = Refusal::new(RefusalKind::Unavailable, "the server's store failed");
        if let Some(script) = &mut self.script {
            script.replies.push(Err(refusal.clone()));
        }
        self.after(20, Event::HttpDone(request, Err(refusal)));
    }

    fn process(&mut self) -> Option<&mut Process> {
        self.server.process.as_deref_mut()
    }

    // ---- connections

    /// A connection reaches the server.
    pub fn accepted(&mut self, id: ConnectionId) {
        let (running, boot, now) = (self.server.process.is_some(), self.server.boots, self.now);
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if !running {
            connection.server_open = true;
            return self.close_at_server(id, true);
        }
        (connection.server_open, connection.boot, connection.heard_at) = (true, boot, now);
        self.after(CHALLENGE_TTL_MS, Event::IdleCheck(id));
    }

    /// The server looks whether a connection is idle, or did not sign in.
    pub fn idle_check(&mut self, id: ConnectionId) {
        let now = self.now;
        let Some(connection) = self.connections.get(&id).filter(|connection| connection.server_open) else { return };
        let signed_in = matches!(connection.stage, Stage::Session(_));
        let due = connection.heard_at + if signed_in { IDLE_TIMEOUT_MS } else { CHALLENGE_TTL_MS };
        if self.devices[connection.device].mail.is_some() {
            // A script does not write the pings of its devices.
            return self.at(now + IDLE_TIMEOUT_MS, Event::IdleCheck(id));
        }
        if now >= due {
            self.end_connection(id, false);
        } else {
            self.at(due, Event::IdleCheck(id));
        }
    }

    /// The server ends a connection and forgets its session.
    fn end_connection(&mut self, id: ConnectionId, abruptly: bool) {
        if let Some(Connection { stage: Stage::Session(session), .. }) = self.connections.get(&id) {
            let session = *session;
            self.input(HubInput::Disconnected(session));
        }
        self.close_at_server(id, abruptly);
    }

    /// The device's end was closed.
    pub fn closed_at_server(&mut self, id: ConnectionId) {
        self.end_connection(id, true);
        self.drop_if_closed(id);
    }

    fn drop_if_closed(&mut self, id: ConnectionId) {
        if self.connections.get(&id).is_some_and(|connection| !connection.device_open && !connection.server_open) {
            self.connections.remove(&id);
        }
    }

    /// A message reaches the server: what `web::socket` does with it.
    pub fn received_by_server(&mut self, id: ConnectionId, text: &str) {
        let now = self.now;
        let Some(connection) = self.connections.get_mut(&id).filter(|connection| connection.server_open) else {
            return;
        };
        connection.heard_at = now;
        let Ok(message) = serde_json::from_str::<ClientMessage>(text) else {
            return self.watch.fail(format!("a device sent what the server does not understand: {text}"));
        };
        match (&connection.stage, message) {
            (Stage::Hello, ClientMessage::Hello { version, device }) if version == WIRE_VERSION => {
                let nonce = self.keys.bytes();
                connection.stage = Stage::Proof(device, nonce);
                self.send_down(
                    id,
                    &ServerMessage::Challenge { nonce: telcon_proto::Blob(nonce.to_vec()), now_ms: now },
                );
            }
            (Stage::Proof(device, nonce), ClientMessage::Prove { jws }) => {
                let (device, nonce) = (*device, *nonce);
                let row = self.server.store.device(&device);
                let refused = |text: &str| {
                    Box::new(ServerMessage::Refused {
                        call: None,
                        code: RefusalCode::Unavailable,
                        message: text.to_owned(),
                    })
                };
                let checked = match row {
                    Ok(row) => sign_in::check_proof(&self.office.pinned, row, device, &nonce, &jws, now),
                    Err(_) => Err(refused("the server failed: try again later")),
                };
                match checked {
                    Ok(_) => {
                        let session = SessionId(self.server.next_session);
                        self.server.next_session += 1;
                        if let Some(connection) = self.connections.get_mut(&id) {
                            connection.stage = Stage::Session(session);
                        }
                        self.input(HubInput::Connected(id, session, device));
                    }
                    Err(message) => {
                        self.send_down(id, &message);
                        self.close_at_server(id, false);
                    }
                }
            }
            (Stage::Session(session), message) => {
                let session = *session;
                let input = match message {
                    ClientMessage::Ping { log_size } => HubInput::Ping(session, log_size),
                    ClientMessage::Ring { jws } => {
                        HubInput::Ring(session, sign_in::verify_ring(&self.office.pinned, jws, now))
                    }
                    message => HubInput::Message(session, message),
                };
                self.input(input);
            }
            (_, message) => self.watch.fail(format!("a device sent {message:?} before it was signed in")),
        }
    }

    // ---- the hub

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

    fn schedule_board(&mut self) {
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
            HubInput::Message(session, message) => process.board.message(session, message, now),
            HubInput::Ring(session, ring) => {
                let looked_up = ring.and_then(|ring| match server.store.call_exists(&ring.ring.call.id) {
                    Ok(call_exists) => Ok(VerifiedRing { call_exists, ..ring }),
                    Err(_) => Err(RefusedRing::store_failed(ring.ring.call.id)),
                });
                process.board.ring(session, looked_up, now)
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
                    Request::Record(_, seal) => {
                        let exists = process.board.awaits_record(&seal.call)
                            || server.store.call_exists(&seal.call).unwrap_or(false);
                        process.board.seal(id, *seal, exists, now)
                    }
                }
            }
            HubInput::Logged(ticket, index) => process.board.logged(ticket, index, now),
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
    fn commit(&mut self, mut batch: Batch) {
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
                let word = if reason == CloseReason::Replaced { "replaced" } else { "revoked" };
                self.note(format!("server: closes {} ({word})", session.0));
                self.close_at_server(connection, false);
            }
            Output::Append(ticket, entry) => {
                process.entries.push_back((ticket, entry));
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
            Output::Reply(id, answer) => {
                if let Some(request) = process.requests.remove(&id) {
                    if let Some(script) = &mut self.script {
                        script.replies.push(answer.clone());
                    }
                    if let (Request::Revoke(device, _), Ok(_)) = (&request, &answer) {
                        self.watch.revoked(*device);
                    }
                    let wait = self.wait(5, 60);
                    self.after(wait, Event::HttpDone(request, answer.map(drop)));
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

    // ---- the log's thread

    /// Appends what waits, and reports it.
    pub fn log_thread(&mut self, boot: u64) {
        let now = self.now;
        if self.process().is_none_or(|process| process.boot != boot) {
            return;
        }
        if self.script.as_ref().is_some_and(|script| script.hold_log) {
            return;
        }
        let Some(process) = self.process() else { return };
        process.log_busy = false;
        let many = process.entries.len().min(MAX_APPEND_ENTRIES);
        let batch: Vec<(Ticket, Entry)> = process.entries.drain(..many).collect();
        let events = process.writer.append_batch(batch, now);
        let in_doubt = process.writer.has_unresolved();
        if self.server.disk.has_crashed() {
            return self.crash_server();
        }
        let wait = self.wait(0, 4);
        for event in events {
            let input = match event {
                LogEvent::Appended(ticket, index) => {
                    let name = format!("{ticket:?}");
                    let name = name.split(['(', ' ']).next().unwrap_or_default();
                    self.note(format!("log: {name} {}", index.map_or("-".to_owned(), |index| index.to_string())));
                    HubInput::Logged(ticket, index)
                }
                LogEvent::Reported(size) => HubInput::LogReported(size),
            };
            self.after(wait, Event::Input(boot, Box::new(input)));
        }
        if in_doubt {
            self.after(LOG_RETRY_MS, Event::Log(boot));
        }
    }

    // ---- HTTP

    /// An HTTP request reaches the server.
    pub fn http(&mut self, request: Request) {
        if self.server.process.is_none() {
            return self.fail_request(request);
        }
        if let Request::Revoke(device, jws) = &request {
            let revocation = self.office.pinned.verify_revocation(jws).expect("the authority's own word");
            assert_eq!(revocation.device, self.devices[*device].id);
        }
        self.input(HubInput::Http(request));
    }

    // ---- relays

    fn placement(&mut self, event: Placed) {
        let now = self.now;
        let Some(process) = self.process() else { return };
        process.placement.handle(event, now);
        self.carry_out_placement();
    }

    /// Placement looks at what is due.
    pub fn placement_due(&mut self, boot: u64) {
        let now = self.now;
        let Some(process) = self.process().filter(|process| process.boot == boot) else { return };
        process.placement.timeout(now);
        self.carry_out_placement();
    }

    fn carry_out_placement(&mut self) {
        let now = self.now;
        loop {
            let Some(process) = self.process() else { return };
            let Some(decision) = process.placement.poll() else { break };
            let boot = process.boot;
            match decision {
                Decision::OpenCall { host: Host::Embedded, call, log_index } => {
                    if let Err(error) = self.relays[0].open_call(call, log_index) {
                        self.watch.fail(format!("the embedded relay did not open a call: {error}"));
                    }
                }
                Decision::OpenCall { host: Host::Standalone(relay), call, log_index } => {
                    let opened = process.prover.prove(log_index);
                    match opened {
                        Ok(opened) => self.tell_relay(relay, ToNode::OpenCall { call, opened: Box::new(opened) }),
                        Err(error) => self.watch.fail(format!("a call's opening is not in the log: {error}")),
                    }
                }
                Decision::CloseCall { host: Host::Embedded, call } => self.relays[0].close_call(call),
                Decision::CloseCall { host: Host::Standalone(relay), call } => {
                    self.tell_relay(relay, ToNode::CloseCall { call });
                }
                Decision::AddLeg { host: Host::Embedded, call, leg, offer } => {
                    let answer = self.relays[0].add_leg(call, leg, &offer, now);
                    if let Ok(answer) = &answer {
                        self.answers.insert(answer.clone(), (0, leg));
                    }
                    let Some(process) = self.process() else { return };
                    process.placement.handle(Placed::Answered { host: Host::Embedded, leg, answer }, now);
                }
                Decision::AddLeg { host: Host::Standalone(relay), call, leg, offer } => {
                    self.tell_relay(relay, ToNode::AddLeg { call, leg: leg.0, offer });
                }
                Decision::RemoveLeg { host: Host::Embedded, leg } => self.relays[0].remove_leg(leg),
                Decision::RemoveLeg { host: Host::Standalone(relay), leg } => {
                    self.tell_relay(relay, ToNode::RemoveLeg { leg: leg.0 });
                }
                Decision::Answer { call, device, session, answer } => {
                    let wait = self.wait(1, 1);
                    self.after(wait, Event::Input(boot, Box::new(HubInput::LegAdded(call, device, session, answer))));
                }
                Decision::LegLost(call, device) => {
                    let wait = self.wait(1, 1);
                    self.after(wait, Event::Input(boot, Box::new(HubInput::LegLost(call, device))));
                }
                Decision::Evict(relay) => {
                    process.relays.remove(&relay.0);
                    self.note(format!("placement: evicts relay connection {}", relay.0));
                    self.after(1, Event::RelayLost { connection: relay.0 });
                }
                Decision::Report(_) => {}
            }
        }
        let Some(process) = self.process() else { return };
        if let Some(at) = process.placement.next_timeout() {
            let boot = process.boot;
            self.at(at.max(now + 1), Event::PlacementDue(boot));
        }
    }

    fn tell_relay(&mut self, relay: RelayId, message: ToNode) {
        // In order, as over one WebSocket.
        self.after(3, Event::ToRelay { connection: relay.0, message: Box::new(message) });
    }

    fn tell_server(&mut self, connection: u64, message: FromNode) {
        self.after(3, Event::FromRelay { connection, message: Box::new(message) });
    }

    fn relay_of(&self, connection: u64) -> Option<usize> {
        self.relays.iter().position(|relay| relay.connection == Some(connection))
    }

    /// A device's leg is connected, as the relay sees it.
    pub fn relay_connected(&mut self, relay: usize, leg: LegId) {
        if let Some(known) = self.relays[relay].legs.get_mut(&leg) {
            known.connected = true;
        }
        match (relay, self.relays[relay].connection) {
            (0, _) => self.placement(Placed::Connected { host: Host::Embedded, leg }),
            (_, Some(connection)) => self.tell_server(connection, FromNode::LegConnected { leg: leg.0 }),
            _ => {}
        }
    }

    /// A standalone relay's process starts.
    pub fn relay_up(&mut self, relay: usize) {
        if self.relays[relay].up {
            return;
        }
        self.note(format!("relay {relay}: start"));
        self.relays[relay] = RelayHost::new(relay);
        self.after(5, Event::RelayConnect(relay));
    }

    /// A standalone relay's process dies.
    pub fn relay_crash(&mut self, relay: usize) {
        let host = &mut self.relays[relay];
        if relay == 0 || !std::mem::replace(&mut host.up, false) {
            return;
        }
        host.legs.clear();
        host.calls.clear();
        let connection = host.connection.take();
        self.note(format!("relay {relay}: crash"));
        if let Some(connection) = connection {
            // Its host is gone, or only the process: the server learns by silence, or at once.
            let wait = if self.rng.percent(50) { 2 } else { NODE_HEARTBEAT_TIMEOUT_MS };
            self.after(wait, Event::RelayLost { connection });
        }
    }

    /// A standalone relay connects to the server.
    pub fn relay_connect(&mut self, relay: usize) {
        if !self.relays[relay].up || self.relays[relay].connection.is_some() {
            return;
        }
        if self.server.process.is_none() {
            return self.after(500, Event::RelayConnect(relay));
        }
        self.server.next_session += 1;
        let connection = self.server.next_session;
        let now = self.now;
        let host = &mut self.relays[relay];
        host.connection = Some(connection);
        host.unconfirmed = host.calls.keys().copied().collect();
        let address = host.address;
        if let Some(process) = self.process() {
            process.relays.insert(connection, now);
        }
        self.note(format!("relay {relay}: registers"));
        self.placement(Placed::Registered { relay: RelayId(connection), max_calls: 100, address });
        self.after(1, Event::RelayBeat { relay, connection });
        self.after(NODE_HEARTBEAT_TIMEOUT_MS, Event::RelaySilent { connection });
        self.after(UNCONFIRMED_MS, Event::RelayForget { relay, connection });
    }

    /// A standalone relay reports its load.
    pub fn relay_beat(&mut self, relay: usize, connection: u64) {
        if self.relays[relay].connection != Some(connection) {
            return;
        }
        let ((calls, legs), draining) = (self.relays[relay].load(), self.relays[relay].draining);
        self.tell_server(connection, FromNode::Load { calls, legs, draining });
        if draining && legs == 0 {
            self.note(format!("relay {relay}: drained"));
            self.relay_crash(relay);
            return self.after(5_000, Event::RelayUp(relay));
        }
        self.after(NODE_HEARTBEAT_INTERVAL_MS, Event::RelayBeat { relay, connection });
    }

    /// A relay closes calls that were not opened again since it connected.
    pub fn relay_forget(&mut self, relay: usize, connection: u64) {
        if self.relays[relay].connection == Some(connection) {
            for call in std::mem::take(&mut self.relays[relay].unconfirmed) {
                self.relays[relay].close_call(call);
            }
        }
    }

    /// A message of a standalone relay reaches the server.
    pub fn received_from_relay(&mut self, connection: u64, message: FromNode) {
        let now = self.now;
        let Some(heard) = self.process().and_then(|process| process.relays.get_mut(&connection)) else { return };
        *heard = now;
        let (relay, host) = (RelayId(connection), Host::Standalone(RelayId(connection)));
        self.placement(match message {
            FromNode::Load { calls, legs, draining } => Placed::Heartbeat { relay, calls, legs, draining },
            FromNode::LegAdded { leg, answer, refused } => {
                let answer = answer.ok_or_else(|| refused.unwrap_or_default());
                Placed::Answered { host, leg: LegId(leg), answer }
            }
            FromNode::LegGone { leg } => Placed::Gone { host, leg: LegId(leg) },
            FromNode::LegConnected { leg } => Placed::Connected { host, leg: LegId(leg) },
            FromNode::Hello { .. } => return,
        });
    }

    /// A message of the server reaches a standalone relay.
    pub fn received_by_relay(&mut self, connection: u64, message: ToNode) {
        let now = self.now;
        let Some(relay) = self.relay_of(connection) else { return };
        self.note(format!("relay {relay} < {}", crate::kind(&message)));
        match message {
            ToNode::OpenCall { call, opened } => {
                let verified = self.office.pinned.verify_logged(&opened);
                let is_opening = verified.as_ref().is_ok_and(
                    |entry| matches!(entry.entry(), Some(Entry::CallOpened { call: of, .. }) if *of == call),
                );
                if !is_opening {
                    return self.watch.fail(format!("relay {relay} was to open a call that is not in the log"));
                }
                if let Err(error) = self.relays[relay].open_call(call, opened.index) {
                    self.watch.fail(format!("relay {relay} did not open a call: {error}"));
                }
            }
            ToNode::CloseCall { call } => self.relays[relay].close_call(call),
            ToNode::AddLeg { call, leg, offer } => {
                let added = self.relays[relay].add_leg(call, LegId(leg), &offer, now);
                if let Ok(answer) = &added {
                    self.answers.insert(answer.clone(), (relay, LegId(leg)));
                }
                let (answer, refused) = match added {
                    Ok(answer) => (Some(answer), None),
                    Err(error) => (None, Some(error)),
                };
                self.tell_server(connection, FromNode::LegAdded { leg, answer, refused });
            }
            ToNode::RemoveLeg { leg } => self.relays[relay].remove_leg(LegId(leg)),
        }
    }

    /// The server looks whether a standalone relay is silent.
    pub fn relay_silent(&mut self, connection: u64) {
        let now = self.now;
        let Some(heard) = self.process().and_then(|process| process.relays.get(&connection).copied()) else { return };
        if now >= heard + NODE_HEARTBEAT_TIMEOUT_MS {
            self.after(0, Event::RelayLost { connection });
        } else {
            self.at(heard + NODE_HEARTBEAT_TIMEOUT_MS, Event::RelaySilent { connection });
        }
    }

    /// A standalone relay's connection ended, at both ends.
    pub fn relay_lost(&mut self, connection: u64) {
        if let Some(relay) = self.relay_of(connection) {
            self.relays[relay].connection = None;
            self.after(300, Event::RelayConnect(relay));
        }
        let known = self.process().is_some_and(|process| process.relays.remove(&connection).is_some());
        if known {
            self.placement(Placed::Lost(RelayId(connection)));
        }
    }
}
