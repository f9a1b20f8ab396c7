//! The program around a client's engine, as the page and the native client are: it carries out what the engine decides, over
//! a network and with a person that can fail.

use crate::{
    action::Action,
    connection::{ConnectionId, Stage},
    device::{Device, Draft, Leg, Recording},
    disk::Fault,
    event::Event,
    office::card,
    process::{HubInput, Request},
    relay::offer,
    watch::SPOKEN,
    world::World,
};
use telcon_core::{
    DeviceState, Engine, Event as EngineEvent, Output, UserCommand,
    call::captions::Caption,
    view::{CallState, ConnectionState},
};
use telcon_proto::{CallId, ClientMessage, DeviceId, Digest, Role};
use telcon_server::switchboard::{Refusal, RefusalKind, Reply, Seal};

/// Backoff of the native client, milliseconds.
const MIN_BACKOFF_MS: u64 = 100;
const MAX_BACKOFF_MS: u64 = 2_000;
/// How long a client waits for a leg, milliseconds.
const LEG_TIMEOUT_MS: u64 = 4_000;
/// How often a note-taker's program looks for a call, and reports that it is free, milliseconds (`client::endpoint`).
const AUTO_JOIN_MS: u64 = 500;
const AVAILABLE_MS: u64 = 5_000;
/// How long a note-taker waits before it offers a record again, milliseconds.
const UPLOAD_RETRY_MS: u64 = 2_000;

impl World {
    // ---- enrolment

    /// Makes keys for a new device of person number `person`, and asks the server to enrol it.
    pub fn enrol(&mut self, person: usize, role: Role) {
        let card = card(person, role);
        // Within what the protocol tolerates between two clocks.
        let exact = self.script.is_some() || self.rng.percent(50);
        let offset = if exact { 0 } else { self.rng.between(0, 40_000) as i64 - 20_000 };
        let state = self.office.certify(card.clone(), &mut self.keys, self.now);
        let new = self.office.new_device(state.chain().to_vec(), self.now);
        self.watch.keep_secret_of(&state.to_text());
        self.drafts.push(Some(Draft { new, state, card, person, offset }));
        let draft = self.drafts.len() - 1;
        let wait = self.wait(10, 10);
        self.after(wait, Event::Http(Request::Enrol(draft)));
    }

    /// The answer to an HTTP request.
    pub fn http_done(&mut self, request: Request, answer: Result<Reply, Refusal>) {
        let request = match request {
            Request::Ask(asker, _) => return self.asked(asker, answer),
            Request::Approval => return,
            request => request,
        };
        let answer = answer.map(drop);
        match request {
            Request::Enrol(draft) => self.enrolled(draft, answer),
            Request::Revoke(device, jws) => {
                if answer.as_ref().is_err_and(|refusal| refusal.kind == RefusalKind::Unavailable) {
                    if self.script.is_none() {
                        self.after(1_000, Event::Http(Request::Revoke(device, jws)));
                    }
                } else {
                    self.watch.revoked(device);
                }
            }
            Request::Record(device, seal) => self.record_answered(device, *seal, answer),
            Request::Ask(..) | Request::Approval => {}
        }
    }

    fn enrolled(&mut self, number: usize, answer: Result<(), Refusal>) {
        // The script has a device of these keys already, and decides what to do.
        if self.script.as_ref().is_some_and(|script| script.puppets.contains_key(&number)) {
            return;
        }
        if answer.as_ref().is_err_and(|refusal| refusal.kind == RefusalKind::Unavailable) {
            return self.after(1_000, Event::Http(Request::Enrol(number)));
        }
        let Some(draft) = self.drafts[number].take() else { return };
        // The answer to the first attempt may have been lost.
        if answer.is_err() && !self.is_enrolled(&draft.new.device) {
            return self.note(format!("enrolment {number} refused: {:?}", answer.err()));
        }
        let mine = self.devices.iter().filter(|device| device.person == draft.person).count();
        let letter = match draft.card.role {
            Role::Principal => 'P',
            Role::Counterpart => 'C',
            Role::DutyOfficer => 'D',
            Role::NoteTaker => 'N',
            Role::SecurityOfficer => 'S',
            Role::RecordsOfficer => 'R',
            Role::Scheduler => 'L',
            Role::Interpreter => 'I',
            Role::Auditor => 'A',
        };
        let name = format!("{letter}{}{}", draft.person, char::from(b'a' + mine as u8));
        self.note(format!("{name}: enrolled"));
        self.devices.push(Device::new(name, &draft));
        self.device_up(self.devices.len() - 1);
    }

    fn is_enrolled(&mut self, device: &DeviceId) -> bool {
        use telcon_server::store::Store as _;
        self.server.store.device(device).is_ok_and(|row| row.is_some_and(|row| row.log_index.is_some()))
    }

    // ---- the program

    /// A device's program starts.
    pub fn device_up(&mut self, d: usize) {
        if self.devices[d].is_on() || self.devices[d].gone {
            return;
        }
        let (seed, now) = (self.keys.bytes(), self.now);
        let device = &mut self.devices[d];
        let opened = DeviceState::parse(&device.state).and_then(|state| Engine::new(state, seed, device.clock(now)));
        let mut engine = match opened {
            Ok(engine) => engine,
            Err(error) => return self.watch.fail(format!("{} does not start: {error}", device.name)),
        };
        engine.set_recording(device.recording);
        device.engine = Some(engine);
        device.run += 1;
        (device.backoff_ms, device.shown, device.leg) = (MIN_BACKOFF_MS, None, None);
        (device.assigned, device.reported_at, device.session) = (None, None, None);
        let (run, takes_notes, name) = (device.run, device.takes_notes(), device.name.clone());
        self.note(format!("{name}: start"));
        self.reconnect(d, 1);
        if takes_notes && self.script.is_none() {
            self.after(AUTO_JOIN_MS, Event::AutoJoin { device: d, run });
            for call in self.devices[d].spool.keys().copied().collect::<Vec<_>>() {
                self.upload(d, call, 500);
            }
        }
    }

    /// A device's program dies, or its battery does.
    pub fn device_crash(&mut self, d: usize) {
        let Some(_) = self.devices[d].engine.take() else { return };
        let name = self.devices[d].name.clone();
        self.note(format!("{name}: crash"));
        (self.devices[d].leg, self.devices[d].session) = (None, None);
        self.drop_connection(d);
    }

    pub(crate) fn drop_connection(&mut self, d: usize) {
        if let Some(connection) = self.devices[d].connection.take() {
            self.close_at_device(connection);
        }
    }

    fn reconnect(&mut self, d: usize, wait_ms: u64) {
        // A script connects devices itself.
        if self.script.is_some() {
            return;
        }
        self.devices[d].attempt += 1;
        let attempt = self.devices[d].attempt;
        self.after(wait_ms, Event::Connect { device: d, attempt });
    }

    /// A device connects, unless it did since or its network is cut.
    pub fn connect(&mut self, d: usize, attempt: u64) {
        let now = self.now;
        let device = &mut self.devices[d];
        if device.attempt != attempt || device.connection.is_some() || !device.is_on() || device.gone {
            return;
        }
        if device.partitioned_until > now || device.frozen_until > now {
            device.backoff_ms = (device.backoff_ms * 2).min(MAX_BACKOFF_MS);
            let wait = device.backoff_ms;
            return self.reconnect(d, wait);
        }
        let connection = self.open_connection(d);
        let device = &mut self.devices[d];
        device.connection = Some(connection);
        let clock = device.clock(now);
        if let Some(engine) = &mut device.engine {
            engine.connected(clock);
        }
        self.drain(d);
    }

    /// The device's connection ended: by the server, by the network, or because the program gave it up.
    pub fn disconnected(&mut self, d: usize) {
        let now = self.now;
        self.drop_connection(d);
        let device = &mut self.devices[d];
        let clock = device.clock(now);
        if let Some(engine) = &mut device.engine {
            engine.disconnected(clock);
        }
        device.backoff_ms = (device.backoff_ms * 2).min(MAX_BACKOFF_MS);
        let wait = device.backoff_ms;
        let wait = self.rng.between(wait / 2, wait);
        self.reconnect(d, wait);
        self.drain(d);
    }

    /// A device notices that its connection has ended.
    pub fn closed_at_device(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.device_open = false;
        let d = connection.device;
        if !connection.server_open {
            self.connections.remove(&id);
        }
        if self.devices[d].connection == Some(id) {
            self.devices[d].connection = None;
            self.disconnected(d);
        }
    }

    /// A message reaches a device.
    pub fn received_by_device(&mut self, id: ConnectionId, text: &str) {
        let now = self.now;
        let Some(d) = self.connections.get(&id).filter(|c| c.device_open).map(|c| c.device) else { return };
        if self.devices[d].connection == Some(id) && self.devices[d].mail.is_some() {
            return self.received_by_puppet(d, text);
        }
        if self.devices[d].connection != Some(id) || !self.devices[d].is_on() {
            return;
        }
        // A program that hangs reads when it goes on.
        if self.devices[d].frozen_until > now {
            let at = self.devices[d].frozen_until;
            return self.at(at, Event::ToDevice(id, text.to_owned()));
        }
        let kind = text.split('"').nth(3).unwrap_or_default().to_owned();
        let quiet = matches!(kind.as_str(), "checkpoint" | "application");
        if !quiet {
            let name = self.devices[d].name.clone();
            self.note(format!("{name} < {kind}"));
        }
        let device = &mut self.devices[d];
        if kind == "signed_in" {
            device.backoff_ms = MIN_BACKOFF_MS;
        }
        let clock = device.clock(now);
        if let Some(engine) = &mut device.engine {
            engine.handle_text(clock, text);
        }
        self.drain(d);
    }

    /// A device's engine wanted to be called now.
    pub fn wake(&mut self, d: usize, turn: u64) {
        let now = self.now;
        let device = &mut self.devices[d];
        if device.turn != turn || !device.is_on() {
            return;
        }
        if device.frozen_until > now {
            let at = device.frozen_until;
            return self.at(at, Event::Wake { device: d, turn });
        }
        let clock = device.clock(now);
        let recording = device.recording;
        if let Some(engine) = &mut device.engine {
            engine.set_recording(recording);
            engine.tick(clock);
        }
        self.drain(d);
    }

    /// A person, or the program, gives the engine a command.
    pub fn command(&mut self, d: usize, command: UserCommand) {
        let now = self.now;
        if self.devices[d].frozen_until > now || !self.devices[d].is_on() {
            return;
        }
        let (name, text) = (self.devices[d].name.clone(), format!("{command:?}"));
        let word = text.split([' ', '{', '(']).next().unwrap_or_default().to_owned();
        if !matches!(command, UserCommand::Available | UserCommand::Offer { .. }) {
            self.note(format!("{name} ! {word}"));
        }
        let device = &mut self.devices[d];
        device.acted |= matches!(
            command,
            UserCommand::HangUp
                | UserCommand::Leave
                | UserCommand::Decline { .. }
                | UserCommand::Dismiss
                | UserCommand::Suspect { .. }
                | UserCommand::SignLineChange { .. }
                | UserCommand::HandBack { .. }
        );
        let clock = device.clock(now);
        if let Some(engine) = &mut device.engine {
            engine.command(clock, command);
        }
        self.drain(d);
        self.devices[d].acted = false;
    }

    /// Carries out what a device's engine wants done.
    pub fn drain(&mut self, d: usize) {
        let mut viewed = false;
        while let Some(output) = self.devices[d].engine.as_mut().and_then(Engine::poll) {
            match output {
                Output::Send(message) => {
                    let kind = crate::kind(&message);
                    if !matches!(kind.as_str(), "ping" | "application" | "available") {
                        let name = self.devices[d].name.clone();
                        self.note(format!("{name} > {kind}"));
                    }
                    self.send_up(d, &message);
                    if matches!(message, ClientMessage::Commit { .. }) {
                        self.committed_by(d);
                    }
                }
                Output::View => viewed = true,
                Output::Persist => {
                    let device = &mut self.devices[d];
                    if let Some(engine) = &device.engine {
                        device.state = engine.state_text().to_string();
                    }
                }
                Output::OpenLeg { call } => self.open_leg(d, call),
                Output::MediaAnswer { sdp } => self.leg_answered(d, &sdp),
                Output::CloseLeg => self.devices[d].leg = None,
                Output::Erase { .. } => return self.erase(d),
                Output::Reconnect => {
                    let name = self.devices[d].name.clone();
                    self.note(format!("{name}: gives up its connection"));
                    self.devices[d].keepalive_timeouts += 1;
                    self.disconnected(d);
                }
                Output::Event(event) => self.engine_event(d, event),
            }
        }
        if viewed {
            self.observe(d);
        }
        self.schedule_wake(d);
    }

    fn schedule_wake(&mut self, d: usize) {
        let now = self.now;
        let device = &mut self.devices[d];
        device.turn += 1;
        let (turn, offset) = (device.turn, device.offset);
        if let Some(at) = device.engine.as_ref().and_then(Engine::next_wakeup_ms) {
            self.at(at.saturating_add_signed(-offset).max(now + 1), Event::Wake { device: d, turn });
        }
    }

    /// The device was revoked and erases what it has.
    fn erase(&mut self, d: usize) {
        let name = self.devices[d].name.clone();
        self.note(format!("{name}: erased"));
        if !self.devices[d].revoked {
            self.watch.fail(format!("{name} erased itself, and nobody revoked it"));
        }
        // A script looks at what the engine shows then.
        let keeps_engine = self.script.is_some();
        let device = &mut self.devices[d];
        if !keeps_engine {
            device.engine = None;
        }
        (device.gone, device.leg, device.session) = (true, None, None);
        device.state.clear();
        device.spool.clear();
        self.drop_connection(d);
    }

    fn engine_event(&mut self, d: usize, event: EngineEvent) {
        if self.script.is_some() {
            self.devices[d].events.push(event.clone());
        }
        match event {
            EngineEvent::Epoch { call, epoch, members, .. } => {
                let key = self.devices[d].engine.as_ref().and_then(Engine::sframe_base_key);
                self.watch.entered_epoch(d, key);
                let name = self.devices[d].name.clone();
                self.note(format!("{name}: epoch {epoch} of {}", members.len()));
                if self.devices[d].takes_notes() && self.devices[d].session.as_ref().is_none_or(|s| s.call != call) {
                    self.devices[d].session = Some(Recording { call, live: false });
                }
            }
            // Its alert fails the run where the office is honest.
            EngineEvent::LogFork(_)
            | EngineEvent::OnShift { .. }
            | EngineEvent::Held { .. }
            | EngineEvent::GreenRoom { .. } => {}
            EngineEvent::Assigned { call } => self.devices[d].assigned = Some(call),
            EngineEvent::Live { call } => {
                if let Some(session) = self.devices[d].session.as_mut().filter(|session| session.call == call) {
                    session.live = true;
                }
            }
            EngineEvent::Ended { call, how, .. } => {
                let acted = self.devices[d].acted;
                let name = self.devices[d].name.clone();
                self.note(format!("{name}: ended {how}"));
                self.devices[d].ended.insert(call, (how, acted));
                self.finish_record(d, call);
            }
        }
    }

    // ---- media legs

    fn open_leg(&mut self, d: usize, call: CallId) {
        let wait = self.wait(5, 80);
        let device = &mut self.devices[d];
        device.legs += 1;
        let number = device.legs;
        device.leg = Some(Leg { number, call, at: None, connected: false });
        self.after(wait, Event::Offer { device: d, leg: number });
        self.after(wait + LEG_TIMEOUT_MS, Event::LegTimeout { device: d, leg: number });
    }

    /// A device's program offers its leg.
    pub fn offer_leg(&mut self, d: usize, number: u64) {
        if self.devices[d].leg.as_ref().is_some_and(|leg| leg.number == number) {
            self.command(d, UserCommand::Offer { sdp: offer(d, number) });
        }
    }

    fn leg_answered(&mut self, d: usize, answer: &str) {
        let Some(at) = self.answers.get(answer).copied() else {
            return self.watch.fail("an answer came that no relay made".to_owned());
        };
        let Some(leg) = &mut self.devices[d].leg else { return };
        leg.at = Some(at);
        let number = leg.number;
        let wait = self.wait(20, 200);
        self.after(wait, Event::LegConnect { device: d, leg: number });
    }

    /// A device's leg reaches its relay, or does not.
    pub fn leg_connect(&mut self, d: usize, number: u64) {
        let cut = self.devices[d].partitioned_until > self.now;
        let Some(leg) = self.devices[d].leg.as_mut().filter(|leg| leg.number == number) else { return };
        let Some((relay, id)) = leg.at else { return };
        let host = &self.relays[relay];
        if host.up && host.reachable && !cut && host.legs.contains_key(&id) {
            leg.connected = true;
            self.relay_connected(relay, id);
        }
    }

    /// A device gives up a leg that is not connected, or is no more: its checks have failed.
    pub fn leg_timeout(&mut self, d: usize, number: u64) {
        let Some(leg) = self.devices[d].leg.as_ref().filter(|leg| leg.number == number) else { return };
        if leg.connected && self.leg_lives(leg) {
            return self.after(LEG_TIMEOUT_MS, Event::LegTimeout { device: d, leg: number });
        }
        if self.devices[d].frozen_until > self.now {
            return self.after(LEG_TIMEOUT_MS, Event::LegTimeout { device: d, leg: number });
        }
        self.devices[d].leg = None;
        self.command(d, UserCommand::MediaFailed);
    }

    /// Whether the relay has the leg that a device believes to have.
    pub fn leg_lives(&self, leg: &Leg) -> bool {
        leg.at.is_some_and(|(relay, id)| {
            let host = &self.relays[relay];
            host.up && host.reachable && host.legs.get(&id).is_some_and(|known| known.call == leg.call)
        })
    }

    // ---- note-takers

    /// A note-taker's program looks for a call (`client::endpoint::auto_join`).
    pub fn auto_join(&mut self, d: usize, run: u64) {
        let now = self.now;
        let device = &mut self.devices[d];
        if device.run != run || device.gone {
            return;
        }
        self.after(AUTO_JOIN_MS, Event::AutoJoin { device: d, run });
        let device = &mut self.devices[d];
        let Some(engine) = device.engine.as_ref().filter(|_| device.frozen_until <= now) else { return };
        let view = engine.view();
        let ready = view.phase == ConnectionState::Ready && view.caught_up && device.recording;
        let call = view.call.filter(|call| call.ended.is_none());
        let live = matches!(call.as_ref().map(|call| call.state), Some(CallState::Live | CallState::Reconnecting));
        match (call, device.assigned) {
            (None, Some(assigned)) => {
                (device.assigned, device.reported_at) = (None, None);
                self.command(d, UserCommand::Listen { call: assigned });
            }
            (None, None) if ready => {
                if device.reported_at.is_none_or(|at| now >= at + AVAILABLE_MS) {
                    device.reported_at = Some(now);
                    self.command(d, UserCommand::Available);
                }
            }
            (None, None) => device.reported_at = None,
            (Some(call), Some(assigned)) if !live && call.call != assigned => {
                self.command(d, UserCommand::Leave);
            }
            (Some(_), _) => (device.assigned, device.reported_at) = (None, None),
        }
    }

    /// A caption of what was said, sealed to the desk.
    pub fn publish_caption(&mut self, d: usize) {
        let now = self.now;
        let device = &mut self.devices[d];
        if !device.takes_notes() || device.frozen_until > now || !device.recording {
            return;
        }
        device.passage += 1;
        let text = format!("{} {} {}", SPOKEN, device.name, device.passage);
        let caption = Caption {
            speaker: device.id,
            passage: device.passage,
            part: 0,
            start_ms: now,
            text,
            done: true,
            behind_ms: 1,
        };
        if let Some(engine) = &mut device.engine {
            engine.publish_caption(caption);
        }
        self.drain(d);
    }

    fn finish_record(&mut self, d: usize, call: CallId) {
        let Some(session) = self.devices[d].session.take_if(|session| session.call == call) else { return };
        if !session.live {
            return;
        }
        let digest = Digest::from_bytes(self.keys.bytes());
        let partial = self.rng.percent(20);
        let now = self.now;
        let device = &self.devices[d];
        let Some(engine) = &device.engine else { return };
        let own = engine.device();
        let jws = telcon_identity::sign_record(own.key(), own.chain(), call, &digest, 1, partial, device.clock(now));
        let seal = Seal { call, device: device.id, digest, jws, parts: 1, partial };
        self.devices[d].spool.entry(call).or_insert(seal);
        let wait = self.rng.between(200, 4_000);
        self.upload(d, call, wait);
    }

    fn upload(&mut self, d: usize, call: CallId, wait: u64) {
        let Some(seal) = self.devices[d].spool.get(&call).cloned() else { return };
        self.after(wait, Event::Http(Request::Record(d, Box::new(seal))));
    }

    fn record_answered(&mut self, d: usize, seal: Seal, answer: Result<(), Refusal>) {
        if !self.devices[d].spool.contains_key(&seal.call) {
            return;
        }
        let name = self.devices[d].name.clone();
        match answer {
            Ok(()) => {
                self.note(format!("{name}: record kept"));
                self.devices[d].spool.remove(&seal.call);
            }
            Err(refusal) if refusal.kind == RefusalKind::Unavailable || refusal.message.contains("not over") => {
                self.upload(d, seal.call, UPLOAD_RETRY_MS);
            }
            Err(refusal) if refusal.message.contains("is being taken into the archive") => {
                self.upload(d, seal.call, UPLOAD_RETRY_MS);
            }
            Err(refusal) => {
                self.note(format!("{name}: record refused: {}", refusal.message));
                self.devices[d].spool.remove(&seal.call);
            }
        }
    }

    /// What a note-taker has not delivered is lost with its disk.
    pub fn lose_disk(&mut self, d: usize) {
        self.devices[d].spool.clear();
    }

    // ---- faults of devices, by name

    /// What people and fate do, once it is time.
    pub fn act(&mut self, action: Action) {
        match action {
            Action::Command(d, command) => self.command(d, command),
            Action::IfRinging(d, call, command) => {
                if self.devices[d].shown == Some((call, CallState::Ringing)) {
                    self.command(d, command);
                }
            }
            Action::IfIn(d, call, command) => {
                if self.devices[d].shown.is_some_and(|(shown, state)| shown == call && state != CallState::Ended) {
                    self.command(d, command);
                }
            }
            Action::Chance => self.chance(),
            Action::TakeLine(link, person) => self.take_line(&link, person),
            Action::Jostle(from, to) => self.jostle(from, to),
            Action::Compete(from, to) => self.compete(from, to),
            Action::Probe => drop(self.probe()),
            Action::Disconnect(d) => {
                if let Some(connection) = self.devices[d].connection {
                    self.close_at_server(connection, true);
                    self.devices[d].connection = None;
                    self.disconnected(d);
                    if let Some(known) = self.connections.get(&connection)
                        && let Stage::Session(session) = known.stage
                    {
                        self.input(HubInput::Disconnected(session));
                    }
                }
            }
            Action::RelayCrash(relay) => {
                self.relay_crash(relay);
                let down = self.rng.between(500, 20_000);
                self.after(down, Event::RelayUp(relay));
            }
        }
    }

    /// The office revokes a device.
    pub fn revoke(&mut self, d: usize) {
        if std::mem::replace(&mut self.devices[d].revoked, true) {
            return;
        }
        let name = self.devices[d].name.clone();
        self.note(format!("{name}: is revoked"));
        let jws = self.office.revoke(self.devices[d].id, self.now);
        // A thief cuts the device off before the office's word reaches it: its keys stay, and must be worth nothing.
        if self.rng.percent(40) {
            self.note(format!("{name}: is in the hands of a thief"));
            self.devices[d].gone = true;
            self.drop_connection(d);
        }
        self.after(5, Event::Http(Request::Revoke(d, jws)));
    }

    /// A fault that this process of the server may have.
    pub fn random_fault(&mut self) -> Fault {
        if self.rng.percent(60) { Fault::Crash } else { Fault::Fail }
    }
}
