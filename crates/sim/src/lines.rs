//! Lines are given, taken, changed and rung over, in offices whose charter demands lines; and the invariants about them.

use crate::{
    action::Action,
    device::Device,
    event::Event,
    office::line_of,
    process::{HubInput, Request},
    seen_lines::Asker,
    world::World,
};
use std::collections::{BTreeMap, BTreeSet};
use telcon_core::{
    AskingDevice, DeviceState, UserCommand,
    io::{LineChange, NewLine},
    view::{CallState, CallView, Direction},
};
use telcon_identity::{needs_line, read_request};
use telcon_proto::{
    CallId, DelegationId, Digest, LineId, PersonId, RecordMode, Role,
    http::Asked,
    line::{LineState, LineTerms, OverLine, Reach, Rings},
};
use telcon_server::{
    sign_in::{DelegationHistory, LineHistory},
    store::{SignedLine, Store as _},
    switchboard::{DeviceAsked, Refusal, RefusalKind, Reply, SessionId},
};

/// How often a device asks what became of its request, milliseconds.
const ASK_AGAIN_MS: u64 = 1_500;
/// Guests have person numbers from here on.
const FIRST_GUEST: usize = 100;

/// The newest version of the one line that a statement is about, for its verification.
struct Newest(Option<String>);

impl DelegationHistory for Newest {
    fn delegation(&self, _: &DelegationId) -> Result<Option<String>, String> {
        Ok(None)
    }
}

impl LineHistory for Newest {
    fn newest_line(&self, _: &LineId) -> Result<Option<String>, String> {
        Ok(self.0.clone())
    }
}

fn terms(mode: RecordMode, rings_per_day: Option<u16>) -> LineTerms {
    LineTerms { reach: Reach::Direct, hours: None, until_ms: None, rings_per_day, mode, purpose: String::new() }
}

impl World {
    /// Whether the charter demands lines.
    pub fn has_lines(&self) -> bool {
        self.office.pinned.rings() == Rings::OverLines
    }

    fn principals(&self) -> Vec<usize> {
        self.usable(|d| self.devices[d].card.role == Role::Principal)
    }

    /// The newest versions that the store has, of lines that have not ended.
    fn newest_lines(&mut self) -> Vec<SignedLine> {
        let rows = self.server.store.load().map(|snapshot| snapshot.lines).unwrap_or_default();
        let newest = rows.into_iter().filter_map(|row| {
            let over = OverLine { line: row.line, statement_sha256: row.current?.sha256 };
            self.server.store.signed_line(&over).ok().flatten()
        });
        newest.collect()
    }

    /// Verifies a version of a line, as the server does before the switchboard gets it.
    pub fn line_input(&mut self, session: SessionId, statement: String, stops: bool) -> HubInput {
        let line = line_of(&statement).map(|line| line.line);
        let newest = self.newest_lines().into_iter().find(|known| Some(known.content.line) == line);
        let history = Newest(newest.map(|known| known.statement));
        HubInput::SignLine(session, Box::new(self.office.new_line(statement, stops, &history)))
    }

    // ---- giving and taking

    /// A principal offers a line to somebody who has no device.
    pub fn give_line(&mut self, d: usize) {
        let (mode, rings) = (self.mode(), self.rng.percent(10).then_some(3));
        let new = NewLine {
            name: format!("Guest {}", self.askers.len()),
            organisation: "Elsewhere".into(),
            zone: "Europe/Oslo".into(),
            terms: terms(mode, rings),
            valid_ms: None,
            under: None,
        };
        self.command(d, UserCommand::GiveLine(new));
    }

    /// Reacts to the offers on a principal's screen: each link is opened once, and each request answered once per run of the device.
    pub fn react_to_offers(&mut self, d: usize) {
        let Some(view) = self.devices[d].engine.as_ref().map(|engine| engine.view()) else { return };
        let run = self.devices[d].run;
        for offer in view.invitations.into_iter().filter(|offer| offer.made_here && offer.line.is_some()) {
            let id = offer.invitation;
            if let Some(link) = offer.link.filter(|_| self.lines.opened.insert(id)) {
                let person = FIRST_GUEST + self.lines.opened.len();
                // A link that was photographed: two devices open it at almost the same moment.
                let devices = if self.rng.percent(25) { 2 } else { 1 };
                for _ in 0..devices {
                    let wait = self.rng.between(100, 1_500);
                    self.after(wait, Event::Act(Action::TakeLine(link.clone(), person)));
                }
            }
            let Some(code) = offer.request.and_then(|request| request.code) else { continue };
            if !self.lines.answered.insert((d, run, id)) {
                continue;
            }
            let command = match self.rng.below(100) {
                0..85 => UserCommand::ConfirmLine { invitation: id, code },
                _ => UserCommand::CloseInvitation { invitation: id },
            };
            let wait = self.rng.between(100, 2_000);
            self.after(wait, Event::Act(Action::Command(d, command)));
        }
    }

    /// Principals answer all requests again: the office may have lost an answer.
    pub fn answer_again(&mut self) {
        self.lines.answered.clear();
        for d in self.principals() {
            self.react_to_offers(d);
        }
    }

    /// A new device opens a line's link.
    pub fn take_line(&mut self, link: &str, person: usize) {
        let asking =
            AskingDevice::ask(link, self.office.info.clone(), "a phone", &self.keys.bytes(), self.now).expect("a link");
        self.watch.keep_secret_of(&asking.to_text());
        let request = read_request(asking.request(), self.office.pinned.domain(), self.office.pinned.suite());
        let request = request.expect("its own request");
        let asked = DeviceAsked {
            invitation: request.request().invitation,
            device: request.request().device,
            token_sha256: request.token_sha256(),
            jws: asking.request().to_owned(),
        };
        self.note(format!("guest {person}: opens a link"));
        self.askers.push(Some(Asker { state: asking.to_text().to_string(), asked, person }));
        self.ask(self.askers.len() - 1, 10);
    }

    fn ask(&mut self, n: usize, wait_ms: u64) {
        let Some(asker) = self.askers[n].as_ref() else { return };
        let asked = Box::new(asker.asked.clone());
        self.after(wait_ms, Event::Http(Request::Ask(n, asked)));
    }

    /// What the office says of a device that asked.
    pub fn asked(&mut self, n: usize, answer: Result<Reply, Refusal>) {
        let chain = match answer {
            Ok(Reply::Asked(Asked::Approved { chain })) => chain,
            Ok(Reply::Asked(Asked::Waiting { .. })) => return self.ask(n, ASK_AGAIN_MS),
            Err(refusal) if refusal.kind == RefusalKind::Unavailable => return self.ask(n, ASK_AGAIN_MS),
            // Closed: the store knows how, and whether this device was the one.
            Ok(Reply::NoOpenInvitation) => {
                let device = self.askers[n].as_ref().map(|asker| asker.asked.device);
                let row = device.and_then(|device| self.server.store.device(&device).ok().flatten());
                match row.filter(|row| row.log_index.is_some()) {
                    Some(row) => row.chain,
                    None => return self.askers[n] = None,
                }
            }
            _ => return self.askers[n] = None,
        };
        let Some(asker) = self.askers[n].take() else { return };
        let (invitation, device) = (asker.asked.invitation, asker.asked.device);
        let other = self.lines.taken.insert(invitation, device);
        if other.is_some_and(|other| other != device) {
            return self.watch.fail(format!("two devices took the line {invitation:?}"));
        }
        let state = AskingDevice::parse(&asker.state).and_then(|asking| asking.complete(chain, self.now));
        match state {
            Ok(state) => self.add_holder(&asker, &state),
            Err(error) => self.watch.fail(format!("an approved device does not start: {error}")),
        }
    }

    fn add_holder(&mut self, asker: &Asker, state: &DeviceState) {
        let card = match telcon_core::Device::open(state, self.now) {
            Ok(device) => device.me().card().clone(),
            Err(error) => return self.watch.fail(format!("the device of a holder does not open: {error}")),
        };
        let name = format!("G{}", asker.person);
        self.note(format!("{name}: took its line"));
        self.watch.keep_secret_of(&state.to_text());
        let mut device = Device::of(name, asker.person, card, asker.asked.device, state.to_text().to_string());
        device.offset = if self.rng.percent(50) { 0 } else { self.rng.between(0, 40_000) as i64 - 20_000 };
        self.devices.push(device);
        self.device_up(self.devices.len() - 1);
    }

    // ---- changing

    /// A principal pauses, resumes, freezes, ends or changes one of their lines.
    pub fn change_line(&mut self, d: usize) {
        let person = self.devices[d].card.person;
        let mut lines = self.newest_lines();
        lines.retain(|known| known.content.principal.person == person);
        let at = self.rng.below(lines.len().max(1) as u64) as usize;
        let Some(known) = lines.into_iter().nth(at) else { return };
        let change = match (known.content.state, self.rng.below(100)) {
            (LineState::Live, 0..40) => LineChange { terms: None, state: Some(LineState::Paused) },
            (LineState::Live, 40..60) => LineChange { terms: Some(terms(self.mode(), None)), state: None },
            (LineState::Live, 60..75) => LineChange { terms: None, state: Some(LineState::Suspect) },
            (_, 75..85) => LineChange { terms: None, state: Some(LineState::Ended) },
            (LineState::Live, _) => return,
            _ => LineChange { terms: None, state: Some(LineState::Live) },
        };
        let statement = known.statement;
        self.command(d, UserCommand::SignLineChange { statement, lost: None, change, under: None });
    }

    /// A holder hands their line back.
    pub fn hand_back(&mut self) {
        let lines = self.newest_lines();
        let holders = self.usable(|d| lines.iter().any(|known| known.content.device == Some(self.devices[d].id)));
        let Some(d) = self.rng.pick(&holders) else { return };
        let id = self.devices[d].id;
        if let Some(known) = lines.into_iter().find(|known| known.content.device == Some(id)) {
            self.command(d, UserCommand::HandBack { statement: known.statement });
        }
    }

    /// Sets paused and frozen lines live, then gives up to eight new ones until one principal and one holder can ring each other.
    pub fn settle_lines(&mut self) {
        self.note("---- settle lines");
        for d in self.principals() {
            let person = self.devices[d].card.person;
            for known in self.newest_lines() {
                let line = &known.content;
                if line.principal.person == person && !matches!(line.state, LineState::Live | LineState::Ended) {
                    let change = LineChange { terms: None, state: Some(LineState::Live) };
                    let statement = known.statement;
                    self.command(d, UserCommand::SignLineChange { statement, lost: None, change, under: None });
                    self.run(1_500);
                }
            }
        }
        self.answer_again();
        self.run(6_000);
        for _ in 0..8 {
            if self.reachable().is_some() || self.watch.failed() {
                return;
            }
            let principals = self.principals();
            let Some(d) = self.rng.pick(&principals) else { return };
            self.give_line(d);
            self.run(12_000);
        }
        if !self.principals().is_empty() {
            self.watch
                .fail("without faults, none of eight offered lines connected a principal and a holder".to_owned());
        }
    }

    /// The people whom a device could ring now over a line, as its own list says.
    pub fn over_lines(&self, d: usize) -> Vec<PersonId> {
        let Some(engine) = self.devices[d].engine.as_ref() else { return Vec::new() };
        let live = |line: &telcon_proto::line::ContactLine| {
            line.state == LineState::Live && line.terms.rings_per_day.is_none()
        };
        let people = engine.view().people.into_iter();
        people.filter(|contact| contact.line.as_deref().is_some_and(live)).map(|contact| contact.card.person).collect()
    }

    /// A principal's device, and one of somebody who holds a line of theirs that is in use.
    pub fn reachable(&self) -> Option<(usize, usize)> {
        self.principals().into_iter().find_map(|from| {
            let people = self.over_lines(from);
            let person = self.devices[from].card.person;
            // Both, so that either may ring.
            let reaches =
                |d: usize| people.contains(&self.devices[d].card.person) && self.over_lines(d).contains(&person);
            let to = self.usable(reaches).first().copied()?;
            Some((from, to))
        })
    }

    // ---- what must hold

    /// A ring is shown: not over a version that this device stopped.
    pub fn check_line_of_ring(&mut self, d: usize, call: &CallView) {
        if !self.has_lines() || call.state != CallState::Ringing || call.direction != Direction::In {
            return;
        }
        let name = self.devices[d].name.clone();
        let caller = self.watch.calls.get(&call.call).and_then(|facts| self.device_of(facts.device));
        let needs = caller.is_some_and(|caller| {
            needs_line(Rings::OverLines, self.devices[caller].card.role, self.devices[d].card.role)
        });
        let Some(line) = call.line.as_ref().filter(|_| needs) else {
            if needs {
                self.watch.fail(format!("{name} shows a ring that is over no line"));
            }
            return;
        };
        if self.lines.stopped.get(&(d, line.line)).is_some_and(|stopped| line.version < *stopped) {
            self.watch.fail(format!("{name} shows a ring over a version of a line that it stopped"));
        }
        self.line_rings += 1;
    }

    /// No call goes on over a line that was frozen or ended.
    pub fn check_lines_of_calls(&mut self, live: impl Iterator<Item = CallId>) {
        if !self.has_lines() {
            return;
        }
        let newest: BTreeMap<LineId, LineState> =
            self.newest_lines().into_iter().map(|known| (known.content.line, known.content.state)).collect();
        for call in live {
            let Some(over) = self.lines.ring(&call) else { continue };
            if !matches!(newest.get(&over.line), Some(LineState::Live | LineState::Paused)) {
                return self.watch.fail(format!("{call:?} goes on over {:?}, which is not in use", over.line));
            }
        }
    }

    /// Versions of a line in the log: each follows the one before, and names the same people and device.
    ///
    /// # Errors
    /// What does not hold.
    pub fn check_line_versions(&self, index: usize, sha256: &Digest, before: Option<&Digest>) -> Result<(), String> {
        let of =
            |sha256: &Digest| self.lines.of(sha256).ok_or(format!("entry {index} is of a line that nobody signed"));
        let line = of(sha256)?;
        let Some(before) = before else {
            return match line.version {
                1 => Ok(()),
                version => Err(format!("entry {index} is the first of {:?}, and version {version}", line.line)),
            };
        };
        let old = of(before)?;
        let follows = line.previous.as_ref() == Some(before) && line.version == old.version + 1;
        let same = (line.principal.person, line.holder.person, line.device)
            == (old.principal.person, old.holder.person, old.device);
        match follows && same {
            true => Ok(()),
            false => Err(format!("entry {index} does not follow the version of {:?} before it", line.line)),
        }
    }

    /// A call in the log is over a line where one is needed, and over a line between its two people.
    ///
    /// # Errors
    /// What does not hold.
    pub fn check_line_of_call(&self, call: &CallId, line: Option<LineId>) -> Result<(), String> {
        let Some(facts) = self.watch.calls.get(call).filter(|_| self.has_lines()) else { return Ok(()) };
        let caller = self.device_of(facts.device).map(|d| self.devices[d].card.clone());
        let callee =
            self.devices.iter().find(|device| device.card.person == facts.to).map(|device| device.card.clone());
        let (Some(caller), Some(callee)) = (caller, callee) else { return Ok(()) };
        let needs = needs_line(Rings::OverLines, caller.role, callee.role);
        let Some(over) = self.lines.ring(call).filter(|over| Some(over.line) == line) else {
            return match needs {
                true => Err(format!("{call:?} was opened over no line, and needs one")),
                false => Ok(()),
            };
        };
        let signed = self.lines.of(&over.statement_sha256);
        let parties = BTreeSet::from([caller.person, callee.person]);
        let between = signed.is_some_and(|line| BTreeSet::from([line.principal.person, line.holder.person]) == parties);
        match between {
            true => Ok(()),
            false => Err(format!("{call:?} was opened over a line of other people")),
        }
    }
}
