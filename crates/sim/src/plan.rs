//! What people do, and what goes wrong, drawn from the seed.

use crate::{
    action::Action,
    event::Event,
    world::{Weather, World},
};
use std::collections::BTreeSet;
use telcon_core::{
    UserCommand,
    view::{CallState, CallView, Direction},
};
use telcon_proto::{CallId, RecordMode, Role, limits::MAX_RINGS_AT_ONCE};

/// Person numbers of the simulated office: two principals, two counterparts, a duty officer, two note-takers.
const PEOPLE: [Role; 7] = [
    Role::Principal,
    Role::Counterpart,
    Role::Principal,
    Role::Counterpart,
    Role::DutyOfficer,
    Role::NoteTaker,
    Role::NoteTaker,
];

impl World {
    /// Enrols the people of the office.
    pub fn move_in(&mut self) {
        let mut persons = vec![0, 0, 1, 2, 4, 5];
        for (person, percent) in [(1, 50), (3, 40), (4, 50), (6, 40)] {
            if self.rng.percent(percent) {
                persons.push(person);
            }
        }
        for person in persons {
            self.enrol(person, PEOPLE[person]);
        }
        self.run(2_500);
        self.heal();
        self.run(2_500);
        if self.has_lines() {
            for d in self.usable(|d| self.devices[d].card.role == Role::Principal) {
                self.give_line(d);
            }
            self.run(6_000);
        }
    }

    /// People call each other, and things go wrong, for so many milliseconds.
    pub fn storm(&mut self, ms: u64) {
        self.note("---- storm");
        self.storm = true;
        self.weather = match self.rng.below(3) {
            0 => Weather { delay: (1, 20) },
            1 => Weather { delay: (5, 150) },
            _ => Weather { delay: (20, 900) },
        };
        let acts = self.rng.between(8, 24);
        for _ in 0..acts {
            let at = self.rng.below(ms);
            self.after(at, Event::Act(Action::Chance));
        }
        for at in (1_700..ms).step_by(2_900) {
            self.after(at, Event::Act(Action::Probe));
        }
        self.run(ms);
    }

    /// A call in which listeners come and go while connections break: commits meet each other.
    pub fn crowd(&mut self, ms: u64) {
        self.note("---- crowd");
        self.storm = true;
        self.weather = Weather { delay: (5, 400) };
        let Some((from, to)) = self.pair() else { return };
        self.ring(from, to, RecordMode::Memo);
        self.run(2_500);
        self.command(to, UserCommand::Answer { call: None });
        let acts = self.rng.between(20, 60);
        for _ in 0..acts {
            let at = self.rng.below(ms);
            let action = if self.rng.percent(75) { Action::Jostle(from, to) } else { Action::Compete(from, to) };
            self.after(at, Event::Act(action));
        }
        for at in (700..ms).step_by(1_900) {
            self.after(at, Event::Act(Action::Probe));
        }
        self.run(ms);
    }

    /// Somebody comes, goes, or loses a connection.
    pub fn jostle(&mut self, from: usize, to: usize) {
        if !self.storm {
            return;
        }
        let anyone = self.usable(|_| true);
        let party = if self.rng.percent(50) { from } else { to };
        match self.rng.below(100) {
            0..50 => self.listen_in(),
            50..68 => self.act(Action::Disconnect(party)),
            68..78 => {
                if let Some(d) = self.rng.pick(&anyone) {
                    self.act(Action::Disconnect(d));
                }
            }
            78..86 => {
                let ms = self.rng.between(200, 3_000);
                self.devices[party].partitioned_until = self.now + ms;
            }
            86..93 => {
                if let Some(d) = self.rng.pick(&anyone) {
                    self.device_crash(d);
                    let down = self.rng.between(50, 1_500);
                    self.after(down, Event::DeviceUp(d));
                }
            }
            93..97 => {
                let on = self.rng.percent(50);
                self.command(party, UserCommand::Mute { on });
            }
            _ => self.crash_server(),
        }
    }

    /// Makes commits compete: devices come and go at the same moment, and the member that commits loses its connection between
    /// its commit and the office's acceptance. Then another one is asked for the same changes, and both commit in one epoch:
    /// the one that loses must commit what is left of its changes again, or be asked again.
    pub fn compete(&mut self, from: usize, to: usize) {
        if !self.storm {
            return;
        }
        let first = if self.rng.percent(70) { from } else { to };
        self.devices[first].cut_on_commit = true;
        // The other one may be cut off too, so that nobody is left who was asked.
        self.devices[if first == from { to } else { from }].cut_on_commit = self.rng.percent(30);
        for _ in 0..self.rng.between(1, 3) {
            self.listen_in();
        }
        // A party that loses its keys has to be added anew, by a commit that removes its old leaf.
        let other = if first == from { to } else { from };
        let wait = self.rng.below(400);
        if self.rng.percent(25) && self.devices[other].is_on() {
            self.device_crash(other);
            self.after(wait, Event::DeviceUp(other));
        } else if self.rng.percent(50) {
            self.after(wait, Event::Act(Action::Jostle(from, to)));
        }
    }

    /// A device has sent a commit.
    pub fn committed_by(&mut self, d: usize) {
        if std::mem::take(&mut self.devices[d].cut_on_commit) && self.storm {
            let (_, most) = self.weather.delay;
            let wait = self.rng.below(most + 1);
            self.after(wait, Event::Act(Action::Disconnect(d)));
        }
    }

    /// Devices that a person could take into their hand.
    pub(crate) fn usable(&self, of: impl Fn(usize) -> bool) -> Vec<usize> {
        (0..self.devices.len())
            .filter(|d| self.devices[*d].is_on() && !self.devices[*d].gone && !self.devices[*d].revoked && of(*d))
            .collect()
    }

    fn ring(&mut self, from: usize, to: usize, mode: RecordMode) {
        let person = self.devices[to].card.person;
        self.after(0, Event::Act(Action::Command(from, UserCommand::Ring { person, mode: Some(mode) })));
    }

    pub(crate) fn mode(&mut self) -> RecordMode {
        match self.rng.below(10) {
            0..2 => RecordMode::LogOnly,
            2..8 => RecordMode::Memo,
            _ => RecordMode::Audio,
        }
    }

    /// Somebody does something, or something fails.
    pub fn chance(&mut self) {
        if !self.storm {
            return;
        }
        let speakers = self.usable(|d| self.devices[d].speaks());
        let anyone = self.usable(|_| true);
        if self.has_lines() && self.rng.percent(45) {
            return self.chance_of_lines(&speakers);
        }
        match self.rng.below(100) {
            0..24 => {
                let (from, to) = (self.rng.pick(&speakers), self.rng.pick(&speakers));
                if let (Some(from), Some(to)) = (from, to)
                    && self.devices[from].person != self.devices[to].person
                {
                    let mode = self.mode();
                    self.ring(from, to, mode);
                }
            }
            24..34 => {
                // Glare: both ring each other at almost the same moment.
                let (from, to) = (self.rng.pick(&speakers), self.rng.pick(&speakers));
                if let (Some(from), Some(to)) = (from, to)
                    && self.devices[from].person != self.devices[to].person
                {
                    let (mode, other) = (self.mode(), self.mode());
                    self.ring(from, to, mode);
                    let person = self.devices[from].card.person;
                    let wait = self.rng.below(120);
                    let ring = UserCommand::Ring { person, mode: Some(other) };
                    self.after(wait, Event::Act(Action::Command(to, ring)));
                }
            }
            34..40 => {
                if let Some(d) = self.rng.pick(&anyone) {
                    let on = self.rng.percent(50);
                    let command = match self.rng.below(3) {
                        0 => UserCommand::HangUp,
                        1 => UserCommand::Mute { on },
                        _ => UserCommand::MediaFailed,
                    };
                    self.command(d, command);
                }
            }
            40..50 => self.listen_in(),
            50..58 => {
                if let Some(d) = self.rng.pick(&anyone) {
                    self.device_crash(d);
                    if self.devices[d].takes_notes() && self.rng.percent(20) {
                        self.lose_disk(d);
                    }
                    let down = if self.rng.percent(80) { self.rng.between(50, 4_000) } else { 70_000 };
                    self.after(down, Event::DeviceUp(d));
                }
            }
            58..66 => {
                if let Some(d) = self.rng.pick(&anyone) {
                    self.act(Action::Disconnect(d));
                }
            }
            66..74 => {
                if let Some(d) = self.rng.pick(&anyone) {
                    let ms = if self.rng.percent(70) {
                        self.rng.between(200, 6_000)
                    } else {
                        self.rng.between(6_000, 80_000)
                    };
                    let name = self.devices[d].name.clone();
                    self.note(format!("{name}: network cut for {ms} ms"));
                    self.devices[d].partitioned_until = self.now + ms;
                }
            }
            74..79 => self.crash_server(),
            79..85 => {
                let fault = self.random_fault();
                self.note(format!("server: a {fault:?} is to come"));
                self.server_fault(fault);
            }
            85..89 => {
                let relay = self.rng.below(self.relays.len() as u64) as usize;
                if relay > 0 {
                    match self.rng.below(3) {
                        0 => self.act(Action::RelayCrash(relay)),
                        1 => self.relays[relay].reachable = false,
                        _ => self.relays[relay].draining = true,
                    }
                    self.note(format!("relay {relay}: trouble"));
                }
            }
            89..92 => {
                // Somebody's device is revoked, and they may get another.
                let several = |d: usize| {
                    let person = self.devices[d].person;
                    self.usable(|other| self.devices[other].person == person).len() > 1
                };
                let spared = self.usable(several);
                let candidates = if self.rng.percent(70) { spared } else { self.usable(|_| true) };
                let revoked = self.devices.iter().filter(|device| device.revoked).count();
                if let Some(d) = self.rng.pick(&candidates).filter(|_| revoked < 2) {
                    self.revoke(d);
                    let (person, role) = (self.devices[d].person, self.devices[d].card.role);
                    if self.rng.percent(50) {
                        self.enrol(person, role);
                    }
                }
            }
            92..96 => {
                let note_takers = self.usable(|d| self.devices[d].takes_notes());
                if let Some(d) = self.rng.pick(&note_takers) {
                    let name = self.devices[d].name.clone();
                    if self.rng.percent(50) {
                        self.note(format!("{name}: cannot record"));
                        self.devices[d].recording = false;
                    } else {
                        let ms = self.rng.between(1_000, 20_000);
                        self.note(format!("{name}: hangs for {ms} ms"));
                        self.devices[d].frozen_until = self.devices[d].frozen_until.max(self.now + ms);
                    }
                }
            }
            96..98 => {
                for d in self.usable(|d| self.devices[d].takes_notes()) {
                    self.publish_caption(d);
                }
            }
            _ => {
                // Somebody sets a clock.
                if let Some(d) = self.rng.pick(&anyone) {
                    self.devices[d].offset = self.rng.between(0, 40_000) as i64 - 20_000;
                }
            }
        }
    }

    /// Something about lines: one is given, changed, handed back, doubted, or rung over.
    fn chance_of_lines(&mut self, speakers: &[usize]) {
        let principals = self.usable(|d| self.devices[d].card.role == Role::Principal);
        match self.rng.below(100) {
            0..18 => {
                if let Some(d) = self.rng.pick(&principals) {
                    self.give_line(d);
                }
            }
            18..45 => {
                if let Some(d) = self.rng.pick(&principals) {
                    self.change_line(d);
                }
            }
            45..50 => self.hand_back(),
            50..55 => {
                if let Some(d) = self.rng.pick(&principals) {
                    self.command(d, UserCommand::Suspect { call: None });
                }
            }
            55..62 => self.answer_again(),
            _ => {
                let from = self.rng.pick(speakers);
                let to = from.and_then(|from| self.rng.pick(&self.over_lines(from)));
                if let (Some(from), Some(person)) = (from, to) {
                    let ring = UserCommand::Ring { person, mode: Some(self.mode()) };
                    // A line may be stopped while the ring is on its way.
                    self.command(from, ring);
                    if self.rng.percent(30)
                        && let Some(d) = self.rng.pick(&principals)
                    {
                        self.change_line(d);
                    }
                }
            }
        }
    }

    fn listen_in(&mut self) {
        let desks = self.usable(|d| !self.devices[d].speaks() && !self.devices[d].takes_notes());
        let Some(d) = self.rng.pick(&desks) else { return };
        if self.call_view(d).is_some() {
            return self.command(d, UserCommand::Leave);
        }
        let view = self.devices[d].engine.as_ref().map(|engine| engine.view());
        let open: Vec<CallId> = view
            .iter()
            .flat_map(|view| &view.notices)
            .filter(|notice| notice.can_listen)
            .map(|notice| notice.call)
            .collect();
        if let Some(call) = self.rng.pick(&open) {
            self.command(d, UserCommand::Listen { call });
        }
    }

    /// What a person does when their screen changes.
    pub fn react(&mut self, d: usize, call: &CallView) {
        if !self.devices[d].speaks() {
            return;
        }
        let id = call.call;
        match (call.state, call.direction) {
            (CallState::Ringing, Direction::In) => {
                let wait = self.rng.between(300, 6_000);
                let command = match self.rng.below(100) {
                    0..75 => UserCommand::Answer { call: None },
                    75..85 => UserCommand::Decline { call: None, reply: None },
                    _ => return,
                };
                self.after(wait, Event::Act(Action::IfRinging(d, id, command)));
            }
            (CallState::Ringing, _) if self.rng.percent(15) => {
                let wait = self.rng.between(200, 9_000);
                self.after(wait, Event::Act(Action::IfIn(d, id, UserCommand::HangUp)));
            }
            (CallState::Live, _) if self.rng.percent(40) => {
                let wait = self.rng.between(1_000, 40_000);
                self.after(wait, Event::Act(Action::IfIn(d, id, UserCommand::HangUp)));
            }
            _ => {}
        }
    }

    /// Everybody hangs up.
    pub fn hang_up_all(&mut self) {
        self.note("---- hang up");
        for d in 0..self.devices.len() {
            // Behind a ring that is declined another one may wait.
            for _ in 0..MAX_RINGS_AT_ONCE {
                if self.call_view(d).is_some() && !self.devices[d].gone && !self.devices[d].takes_notes() {
                    self.command(d, UserCommand::HangUp);
                }
            }
        }
    }

    // ---- a calm day: what people ask for happens

    fn state(&self, d: usize) -> Option<CallState> {
        self.devices[d].engine.as_ref()?.view().call.map(|call| call.state)
    }

    fn expect(&mut self, holds: bool, what: &str) -> bool {
        if !holds && !self.watch.failed() {
            let states: Vec<String> =
                (0..self.devices.len()).map(|d| format!("{} {:?}", self.devices[d].name, self.state(d))).collect();
            self.watch.fail(format!("on a calm day {what}; {}", states.join(", ")));
        }
        holds && !self.watch.failed()
    }

    /// Two people who can ring each other, by one device each.
    fn pair(&mut self) -> Option<(usize, usize)> {
        if self.has_lines() {
            let (principal, holder) = self.reachable()?;
            return Some(if self.rng.percent(50) { (principal, holder) } else { (holder, principal) });
        }
        let principals = self.usable(|d| self.devices[d].card.role == Role::Principal);
        let from = self.rng.pick(&principals)?;
        let others = self.usable(|d| self.devices[d].speaks() && self.devices[d].person != self.devices[from].person);
        Some((from, self.rng.pick(&others)?))
    }

    /// A call as people make it, from ring to hang-up, with what may happen in between and must not matter.
    pub fn calm_call(&mut self) {
        self.note("---- calm call");
        let Some((from, to)) = self.pair().filter(|_| !self.watch.failed()) else { return };
        self.ring(from, to, RecordMode::Memo);
        self.run(2_500);
        let theirs = self.usable(|d| self.devices[d].person == self.devices[to].person);
        let rung = theirs.iter().all(|d| self.state(*d) == Some(CallState::Ringing));
        if !self.expect(rung, "a ring does not ring on all devices of the person") {
            return;
        }
        self.command(to, UserCommand::Answer { call: None });
        self.run(2_000);
        let live = self.state(from) == Some(CallState::Live) && self.state(to) == Some(CallState::Live);
        if !self.expect(live, "an answer does not put the call through") {
            return;
        }
        let others = theirs.iter().filter(|d| **d != to).all(|d| self.state(*d) == Some(CallState::Ended));
        if !self.expect(others, "other devices go on ringing after an answer") {
            return;
        }
        let desk = self.usable(|d| self.devices[d].card.role == Role::DutyOfficer).first().copied();
        if let Some(desk) = desk {
            let call = self.call_view(from).map(|call| call.call);
            if let Some(call) = call {
                self.command(desk, UserCommand::Listen { call });
            }
        }
        self.run(9_000);
        let note_takers = self.usable(|d| self.devices[d].takes_notes());
        let noted = note_takers.is_empty() || note_takers.iter().any(|d| self.state(*d) == Some(CallState::Live));
        if !self.expect(noted, "no note-taker comes") {
            return;
        }
        if let Some(desk) = desk {
            let listens = self.state(desk) == Some(CallState::Live);
            if !self.expect(listens, "the duty officer is not let in") {
                return;
            }
        }
        self.check_settled();
        self.disturb(from, to);
        self.run(9_000);
        self.check_settled();
        let live = self.state(from) == Some(CallState::Live) && self.state(to) == Some(CallState::Live);
        if !self.expect(live, "a call does not survive a reload or a lost connection") {
            return;
        }
        let call = self.call_view(from).map(|call| call.call);
        let who = if self.rng.percent(50) { from } else { to };
        self.command(who, UserCommand::HangUp);
        self.run(3_000);
        let over = (0..self.devices.len()).filter(|d| !self.devices[*d].gone).all(|d| self.call_view(d).is_none());
        if !self.expect(over, "a call goes on after a hang-up") {
            return;
        }
        let words: BTreeSet<&str> =
            [from, to].iter().filter_map(|d| Some(self.devices[*d].ended.get(&call?)?.0)).collect();
        self.expect(words == BTreeSet::from(["hung_up"]), "the two sides disagree on how the call ended");
    }

    /// What must not end a call: a reload, a lost connection, a server that restarts, a relay that dies.
    fn disturb(&mut self, from: usize, to: usize) {
        let victim = if self.rng.percent(50) { from } else { to };
        match self.rng.below(5) {
            0 => {
                self.device_crash(victim);
                self.after(300, Event::DeviceUp(victim));
            }
            1 => self.act(Action::Disconnect(victim)),
            2 => {
                self.note("server: restart");
                self.stop_process();
                self.after(400, Event::ServerUp);
            }
            3 => {
                for relay in 1..self.relays.len() {
                    self.relay_crash(relay);
                    self.after(3_000, Event::RelayUp(relay));
                }
            }
            _ => {
                self.devices[victim].partitioned_until = self.now + 1_500;
            }
        }
    }

    /// Glare: two people ring each other at the same moment, and are put through.
    pub fn calm_glare(&mut self) {
        self.note("---- calm glare");
        let Some((from, to)) = self.pair().filter(|_| !self.watch.failed()) else { return };
        self.ring(from, to, RecordMode::Memo);
        let person = self.devices[from].card.person;
        let wait = self.rng.below(30);
        let ring = UserCommand::Ring { person, mode: Some(RecordMode::Memo) };
        self.after(wait, Event::Act(Action::Command(to, ring)));
        self.run(wait);
        let glare = self.state(from) == Some(CallState::Opening) && self.state(to) == Some(CallState::Opening);
        self.run(4_000);
        let both = self.state(from) == Some(CallState::Live) && self.state(to) == Some(CallState::Live);
        let ringing = self.state(from) == Some(CallState::Ringing) && self.state(to) == Some(CallState::Ringing);
        // The second one to ring may have seen the other's ring first, and then did not ring at all.
        if !self.expect(both || (ringing && !glare), "two people who ring each other are not put through") {
            return;
        }
        if ringing {
            let incoming =
                [from, to].into_iter().find(|d| self.call_view(*d).is_some_and(|call| call.direction == Direction::In));
            if let Some(d) = incoming {
                self.command(d, UserCommand::Answer { call: None });
            }
            self.run(2_000);
        }
        let both = self.state(from) == Some(CallState::Live) && self.state(to) == Some(CallState::Live);
        self.expect(both, "two people who ring each other are not put through");
        self.run(3_000);
        self.hang_up_all();
        self.run(3_000);
    }
}
