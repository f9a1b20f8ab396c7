//! An office whose charter demands lines: its log, and what its server sends. A test is the server: it forwards what is right, or lies.

use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use telcon_core::{AskingDevice, Device, DeviceState, Engine, Output, UserCommand, io::NewLine};
use telcon_identity::{Authority, CharterTerms, InviteSpec, VerifiedDevice, VerifiedLine};
use telcon_log::{Log, LogSigner, MemoryStorage};
use telcon_proto::{
    Blob, CallId, Card, ClientMessage, DeviceId, Digest, InvitationId, PersonId, RecordMode, Role, ServerMessage,
    SuiteName,
    contact::Contact,
    delegation::{Delegation, ProvenDelegation},
    entry::Entry,
    http::{OfficeInfo, Registrars},
    line::{ContactLine, Line, LineState, LineTerms, ListedLine, LocalMinute, ProvenLine, Reach, Rings, Weekday},
    message::{Logged, OpenInvitation, Ring},
};

/// Monday, 1 June 2026, 12:00 in Oslo.
pub const NOW: u64 = 1_780_308_000_000;
pub const HOUR: u64 = 3_600_000;

/// The clocks of two zones; in summer, which is when these tests are.
pub fn zones(zone: &str, at_ms: u64) -> Option<LocalMinute> {
    let offset_min = match zone {
        "UTC" => 0,
        "Europe/Oslo" => 120,
        _ => return None,
    };
    let minutes = at_ms / 60_000 + offset_min;
    // 1 January 1970 was a Thursday.
    let day = Weekday::ALL[((minutes / 1440 + 3) % 7) as usize];
    Some(LocalMinute { day, minute: (minutes % 1440) as u16 })
}

pub struct Office {
    authority: Authority,
    info: OfficeInfo,
    log: Log<MemoryStorage>,
    devices: BTreeMap<DeviceId, u64>,
    lines: BTreeMap<Digest, (String, u64)>,
}

pub fn terms() -> LineTerms {
    LineTerms {
        reach: Reach::Direct,
        hours: None,
        until_ms: None,
        rings_per_day: None,
        mode: RecordMode::Memo,
        purpose: "Talks on the strait".into(),
    }
}

pub fn outputs(engine: &mut Engine) -> Vec<Output> {
    std::iter::from_fn(|| engine.poll()).collect()
}

pub fn sent(engine: &mut Engine) -> Vec<ClientMessage> {
    let sent = |output| if let Output::Send(message) = output { Some(message) } else { None };
    outputs(engine).into_iter().filter_map(sent).collect()
}

/// The one message of a kind that an engine sends now.
pub fn sent_one(engine: &mut Engine, kind: &str) -> ClientMessage {
    let alerts = engine.view().alerts;
    let all = sent(engine);
    let mut found = all.into_iter().filter(|message| message.kind() == kind);
    match (found.next(), found.next()) {
        (Some(message), None) => message,
        (first, _) => panic!("{kind}: {first:?} of none or several; {alerts:?}"),
    }
}

/// A device read again from what it stored.
pub fn restarted(engine: &Engine, now_ms: u64) -> Engine {
    let state = DeviceState::parse(&engine.state_text()).unwrap();
    let mut again = Engine::new(state, [5; 32], now_ms).unwrap();
    again.set_zones(zones);
    again
}

impl Office {
    pub fn new(suite: SuiteName, rings: Rings) -> Self {
        let authority = Authority::create(suite, &[1; 32], "office.example", "Office", NOW - 1_000).unwrap();
        let signer = LogSigner::from_seed(&[2; 32], "office.example/log").unwrap();
        let terms = CharterTerms { floor: RecordMode::Memo, registrars: Registrars::One, rings };
        let info = authority.office(&signer.verifier_key().to_string(), terms, NOW - 1_000).unwrap();
        let log = Log::create(MemoryStorage::default(), signer, NOW).unwrap();
        Self { authority, info, log, devices: BTreeMap::new(), lines: BTreeMap::new() }
    }

    pub fn info(&self) -> OfficeInfo {
        self.info.clone()
    }

    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    pub fn append(&mut self, entry: &Entry) -> u64 {
        self.log.append(&[serde_json::to_vec(entry).unwrap()], NOW).unwrap().first_index
    }

    /// A proof under the newest tree.
    pub fn prove(&self, index: u64) -> Logged {
        let checkpoint = self.log.checkpoint();
        let proof = self.log.inclusion_proof(index, checkpoint.size()).unwrap();
        Logged {
            entry: Blob(self.log.entry(index).unwrap()),
            index,
            proof: proof.iter().map(|hash| Blob(hash.0.to_vec())).collect(),
            checkpoint: checkpoint.note().to_owned(),
            office: Some(self.authority.domain().clone()),
        }
    }

    pub fn proof_of(&self, device: DeviceId) -> Logged {
        self.prove(self.devices[&device])
    }

    pub fn log_device(&mut self, device: &VerifiedDevice) {
        let index = self.append(&Entry::DeviceEnrolled {
            time_ms: NOW,
            device: device.device(),
            cert_sha256: Digest::from_bytes(device.cert_sha256()),
            enrolment: device.enrolment_hex(),
            person_sha256: Some(device.person_sha256()),
            second_cert_sha256: None,
        });
        self.devices.insert(device.device(), index);
    }

    pub fn card(&self, person: u8, role: Role) -> Card {
        Card {
            person: PersonId::from_bytes([person; 16]),
            office: self.authority.domain().clone(),
            name: format!("Person {person}"),
            organisation: "Chancellery".into(),
            role,
            zone: "Europe/Oslo".into(),
            place: false,
        }
    }

    /// A device with a link of the authority.
    pub fn enrol(&mut self, person: u8, device: u8, role: Role) -> Engine {
        let (card, n) = (self.card(person, role), device);
        let spec = InviteSpec { card, enrolment_id: [n; 16], enrolment_seed: [n; 32], now_ms: NOW, ttl_ms: 3_600_000 };
        let link = self.authority.invite(&spec).unwrap().to_fragment();
        let state = DeviceState::enrol(&link, self.info.clone(), &[n + 20; 32], NOW).unwrap();
        self.started(state)
    }

    /// The engine of an enrolled device, signed in.
    pub fn started(&mut self, state: DeviceState) -> Engine {
        // Calls have different identifiers.
        let seed = [30 + self.devices.len() as u8; 32];
        let mut engine = Engine::new(state, seed, NOW).unwrap();
        engine.set_zones(zones);
        let me = engine.device().me().clone();
        self.log_device(&me);
        self.sign_in(&mut engine, NOW, &[]);
        engine
    }

    pub fn sign_in(&self, engine: &mut Engine, now_ms: u64, people: &[Contact]) {
        self.sign_in_to(engine, now_ms, people, None);
        outputs(engine);
    }

    /// Signs in a device that is in a call, according to the office.
    pub fn sign_in_to(&self, engine: &mut Engine, now_ms: u64, people: &[Contact], in_call: Option<CallId>) {
        engine.connected(now_ms);
        engine.handle(now_ms, self.signed_in(engine, people, in_call, false));
    }

    /// What the office answers to a sign-in. `key_missing` is whether it lacks the key that documents are sealed to.
    pub fn signed_in(
        &self,
        engine: &Engine,
        people: &[Contact],
        in_call: Option<CallId>,
        key_missing: bool,
    ) -> ServerMessage {
        ServerMessage::SignedIn {
            you: engine.device().me().card().clone(),
            people: people.to_vec(),
            people_more: false,
            silenced: Vec::new(),
            suite: self.info.suite,
            mode: RecordMode::Memo,
            token: "token".into(),
            in_call,
            shift: None,
            checkpoint: self.log.checkpoint().note().to_owned(),
            recovered_ms: None,
            key_missing,
        }
    }

    /// The office answers the pings among these messages of a device.
    pub fn answer_pings(&self, engine: &mut Engine, sent: &[ClientMessage], now_ms: u64) {
        for message in sent {
            let ClientMessage::Ping { log_size } = message else { continue };
            let newest = self.log.checkpoint();
            let consistency = self.log.consistency_proof(*log_size, newest.size()).unwrap();
            let consistency = consistency.iter().map(|hash| Blob(hash.0.to_vec())).collect();
            let checkpoint = newest.note().to_owned();
            engine.handle(now_ms, ServerMessage::Checkpoint { checkpoint, from_size: *log_size, consistency });
        }
    }

    /// The office tells a device whom it can ring.
    pub fn tell_of(&self, engine: &mut Engine, card: &Card, line: Option<&VerifiedLine>) {
        let line = line.map(|line| {
            let content = line.content();
            Box::new(ContactLine { over: line.over(), state: content.state, terms: content.terms.clone() })
        });
        let contact = Contact {
            card: card.clone(),
            reachable: true,
            recovered_ms: None,
            line,
            notified: false,
            needs_line: false,
        };
        engine.handle(NOW, ServerMessage::PeopleChanged { changed: vec![contact], removed: Vec::new() });
        outputs(engine);
    }

    // ---- lines

    /// An invitation as the office shows it.
    pub fn invited(&self, invite: &ClientMessage, by: DeviceId, request: Option<String>) -> OpenInvitation {
        let ClientMessage::Invite { invitation, card, expires_ms, line, .. } = invite else { panic!("{invite:?}") };
        OpenInvitation {
            invitation: *invitation,
            card: card.clone(),
            by,
            made_ms: NOW,
            expires_ms: *expires_ms,
            request,
            refused_requests: 0,
            first_approval: None,
            recovery: None,
            line: line.clone(),
            offered_for: None,
        }
    }

    /// A principal offers a line: what their device sends, the link, and the identifier.
    pub fn offered(&self, giver: &mut Engine, name: &str, terms: LineTerms) -> (ClientMessage, String, InvitationId) {
        let new = NewLine {
            name: name.into(),
            organisation: "Presidency of Sudland".into(),
            zone: "Europe/Oslo".into(),
            terms,
            valid_ms: None,
            under: None,
        };
        giver.command(NOW, UserCommand::GiveLine(new));
        let invite = sent_one(giver, "invite");
        let by = giver.device().me().device();
        self.show(giver, self.invited(&invite, by, None));
        let view = giver.view().invitations[0].clone();
        (invite, view.link.unwrap(), view.invitation)
    }

    pub fn show(&self, engine: &mut Engine, invitation: OpenInvitation) {
        engine.handle(NOW, ServerMessage::Invitations { changed: vec![invitation], closed: Vec::new() });
        outputs(engine);
    }

    /// A new device opens the link. `n` makes its key.
    pub fn asks(&self, link: &str, n: u8) -> AskingDevice {
        AskingDevice::ask(link, self.info.clone(), "Safari on a phone", &[n; 32], NOW).unwrap()
    }

    /// A principal gives a line, a guest takes it, and the principal confirms it: the guest's device, and the first version.
    pub fn taken(&mut self, giver: &mut Engine, n: u8, terms: LineTerms) -> (Engine, VerifiedLine) {
        let (invite, link, invitation) = self.offered(giver, &format!("Guest {n}"), terms);
        let asking = self.asks(&link, n);
        let by = giver.device().me().device();
        self.show(giver, self.invited(&invite, by, Some(asking.request().to_owned())));
        giver.command(NOW, UserCommand::ConfirmLine { invitation, code: asking.code().unwrap() });
        let approval = sent_one(giver, "approve_device");
        let ClientMessage::ApproveDevice { chain, line: Some(statement), .. } = approval else { panic!("no line") };
        giver.handle(NOW, ServerMessage::Invitations { changed: Vec::new(), closed: vec![invitation] });
        outputs(giver);
        let state = asking.complete(chain, NOW).unwrap();
        let holder = self.started(DeviceState::parse(&state.to_text()).unwrap());
        let line = self.log_line(&statement);
        (holder, line)
    }

    pub fn verify(&self, statement: &str) -> VerifiedLine {
        telcon_identity::Office::pin(&self.info, None).unwrap().verify_line(statement).unwrap()
    }

    /// The office logs a version that a device signed.
    pub fn log_line(&mut self, statement: &str) -> VerifiedLine {
        let line = self.verify(statement);
        let Line { line: id, version, state, .. } = *line.content();
        let index = self.append(&Entry::LineSigned {
            time_ms: NOW,
            line: id,
            version,
            state,
            by: line.device().device(),
            statement_sha256: line.sha256(),
            sealed_sha256: None,
        });
        self.lines.insert(line.sha256(), (statement.to_owned(), index));
        line
    }

    pub fn statement(&self, line: &VerifiedLine) -> String {
        self.lines[&line.sha256()].0.clone()
    }

    pub fn proven(&self, line: &VerifiedLine) -> ProvenLine {
        let (statement, index) = self.lines[&line.sha256()].clone();
        ProvenLine {
            statement,
            signed: self.prove(index),
            device: self.proof_of(line.device().device()),
            delegation: None,
        }
    }

    pub fn listed(&self, line: &VerifiedLine, changed_ms: u64) -> ListedLine {
        ListedLine {
            lost: None,
            statement: self.statement(line),
            statement_sha256: line.sha256(),
            line: line.content().clone(),
            given_ms: NOW,
            changed_ms,
            last_rung_ms: None,
            reachable: true,
        }
    }

    /// A device changes a line, and the office logs what it signed.
    pub fn changed(
        &mut self,
        by: &mut Engine,
        line: &VerifiedLine,
        change: telcon_core::io::LineChange,
    ) -> VerifiedLine {
        let statement = self.statement(line);
        by.command(NOW, UserCommand::SignLineChange { statement, lost: None, change, under: None });
        let signed = sent(by).into_iter().find_map(|message| match message {
            ClientMessage::SignLine { statement } | ClientMessage::StopLine { statement } => Some(statement),
            _ => None,
        });
        self.log_line(&signed.expect("a signed version"))
    }

    pub fn log_delegation(&mut self, statement: &str, content: &Delegation, by: DeviceId) -> ProvenDelegation {
        let given = self.append(&Entry::DelegationGiven {
            time_ms: NOW,
            delegation: content.delegation,
            device: by,
            statement_sha256: Digest::from_bytes(Sha256::digest(statement).into()),
            until_ms: content.not_after_ms,
        });
        ProvenDelegation { statement: statement.into(), given: self.prove(given), device: self.proof_of(by) }
    }

    // ---- calls

    /// The office opens the call of a ring, at a time that it states. Gives the call and its proof.
    pub fn opened_at(&mut self, jws: &str, time_ms: u64) -> (Ring, Logged) {
        let payload = jws.split('.').nth(1).unwrap();
        let payload = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, payload).unwrap();
        let ring = Ring::read(&payload).unwrap();
        let index = self.append(&Entry::CallOpened {
            time_ms,
            call: ring.call.id,
            ring_sha256: Digest::from_bytes(Sha256::digest(jws).into()),
            mode: ring.mode,
            suite: ring.suite,
            devices: vec![ring.from.id],
            delegation: ring.on_behalf.map(|named| named.delegation),
            line: ring.over.map(|named| named.line),
        });
        (ring, self.prove(index))
    }

    /// A device rings a person in its list.
    pub fn rung(&mut self, caller: &mut Engine, person: &Card, now_ms: u64) -> Rung {
        caller.command(now_ms, UserCommand::Ring { person: person.person, mode: None });
        let ClientMessage::Ring { jws } = sent_one(caller, "ring") else { panic!("no ring") };
        self.ring_of(jws, caller.device().me().device(), now_ms)
    }

    pub fn ring_of(&mut self, jws: String, from: DeviceId, now_ms: u64) -> Rung {
        let (ring, opened) = self.opened_at(&jws, now_ms);
        Rung { call: ring.call.id, ring, jws, opened, from }
    }

    pub fn tell_caller(&self, caller: &mut Engine, rung: &Rung, line: Option<&VerifiedLine>, now_ms: u64) {
        if let Some(line) = line {
            caller.handle(now_ms, ServerMessage::Line(Box::new(self.proven(line))));
        }
        caller.handle(now_ms, ServerMessage::Opened { call: rung.call, opened: rung.opened.clone(), notified: false });
    }

    pub fn ringing(&self, rung: &Rung) -> ServerMessage {
        let device = self.proof_of(rung.from);
        ServerMessage::Ringing { jws: rung.jws.clone(), opened: rung.opened.clone(), device }
    }

    pub fn tell_callee(&self, callee: &mut Engine, rung: &Rung, line: Option<&VerifiedLine>, now_ms: u64) {
        if let Some(line) = line {
            callee.handle(now_ms, ServerMessage::Line(Box::new(self.proven(line))));
        }
        callee.handle(now_ms, self.ringing(rung));
    }

    /// The callee answers, or a listener asks, and the caller adds them.
    pub fn joined(
        &self,
        caller: &mut Engine,
        joiner: &mut Engine,
        rung: &Rung,
        line: Option<&VerifiedLine>,
        now_ms: u64,
    ) {
        let (key_package, answer) = sent(joiner)
            .into_iter()
            .find_map(|message| match message {
                ClientMessage::Answer { key_package, .. } => Some((key_package, true)),
                ClientMessage::AskJoin { key_package, .. } => Some((key_package, false)),
                _ => None,
            })
            .expect("a request to join");
        let from = joiner.device().me().device();
        outputs(caller);
        let device = self.proof_of(from);
        caller.handle(now_ms, ServerMessage::JoinAsked { call: rung.call, from, key_package, device, answer });
        let ClientMessage::Commit { epoch, commit, welcome: Some(welcome), .. } = sent_one(caller, "commit") else {
            panic!("no welcome")
        };
        let (by, seq) = (caller.device().me().device(), epoch + 1);
        let devices = vec![self.proof_of(from)];
        caller.handle(now_ms, ServerMessage::Committed { call: rung.call, seq, from: by, commit, devices });
        if let Some(line) = line {
            joiner.handle(now_ms, ServerMessage::Line(Box::new(self.proven(line))));
        }
        let devices = self.devices.keys().map(|device| self.proof_of(*device)).collect();
        let (ring, opened) = (rung.jws.clone(), rung.opened.clone());
        joiner.handle(now_ms, ServerMessage::Welcome { call: rung.call, seq, welcome, ring, opened, devices });
    }
}

/// A ring that the office opened.
pub struct Rung {
    pub call: CallId,
    pub ring: Ring,
    pub jws: String,
    pub opened: Logged,
    pub from: DeviceId,
}

/// The device of an engine, for what a program that does not follow its rules could sign.
pub fn stolen(engine: &Engine) -> Device {
    Device::open(&DeviceState::parse(&engine.state_text()).unwrap(), NOW).unwrap()
}

pub fn stop(state: LineState) -> telcon_core::io::LineChange {
    telcon_core::io::LineChange { terms: None, state: Some(state) }
}
