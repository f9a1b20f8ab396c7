//! The switchboard as an engine: no sockets, no clock, no disk. Time is an argument; what is to be done comes out as
//! [`Effects`], whose writes are durable before anything else leaves the server.
//!
//! | module | idea |
//! |---|---|
//! | `port` | what goes in and out |
//! | `desk` | who is enrolled, who is connected, whom they can ring |
//! | `call` | one call that is not over |
//! | `ring` | opening, ringing, answering, ending |
//! | `group` | who is in the group: asks, commits, leaving, coming back |
//! | `takers` | which note-taker writes it |
//! | `media` | legs and application messages |
//! | `enrol` | enrolling and revoking devices |
//! | `after` | what is owed after a call: its end in the log, its record |

mod after;
mod call;
mod desk;
mod enrol;
mod group;
mod media;
mod port;
mod ring;
mod takers;

pub use port::{
    CheckRing, CloseReason, Effects, NewDevice, Output, Policy, Refusal, RefusalKind, RelayCommand, Reply, RequestId,
    Seal, SessionId, Ticket,
};

use crate::{
    limits::RECENT_ENDS,
    store::{Snapshot, Stage},
};
use after::Afters;
use call::Call;
use desk::{Desk, Device, Session};
use std::collections::{BTreeMap, HashSet, VecDeque};
use telcon_proto::{CallId, ClientMessage, DeviceId, Ended, Role, ServerMessage, message::RefusalCode};

/// Sign-ins, rings and calls of one office.
pub struct Switchboard {
    desk: Desk,
    rings: Box<dyn CheckRing>,
    calls: BTreeMap<CallId, Call>,
    /// All calls there ever were.
    known: HashSet<CallId>,
    recent: VecDeque<(CallId, Ended)>,
    afters: Afters,
}

/// Whose connection a session number stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedIn {
    /// The device.
    pub device: DeviceId,
    /// What its person does.
    pub role: Role,
}

/// Numbers for the operator. They name nobody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Calls that ring.
    pub ringing: usize,
    /// Calls that were answered and are not over.
    pub live: usize,
    /// Connections that are signed in.
    pub sessions: usize,
    /// Devices that may sign in.
    pub devices: usize,
    /// Calls whose record is due or missing.
    pub records_owed: usize,
}

impl Switchboard {
    /// Starts from what was stored. Calls that were not over go on: their members have
    /// [`telcon_proto::limits::ABANDONED_AFTER_MS`] to come back.
    pub fn new(policy: Policy, rings: Box<dyn CheckRing>, stored: Snapshot, now_ms: u64) -> (Self, Effects) {
        let mut desk = Desk::new(policy);
        for row in stored.devices {
            desk.enrolments.insert(row.enrolment);
            let device = Device {
                card: row.card,
                enrolled_ms: row.enrolled_ms,
                revoked_ms: row.revoked_ms,
                revocation: row.revocation,
                log_index: row.log_index,
            };
            desk.devices.insert(row.device, device);
            if let (Some(ms), None) = (row.revoked_ms, row.revoked_index) {
                enrol::append_revocation(&mut desk, row.device, ms, None);
            }
        }
        let mut this = Self {
            desk,
            rings,
            calls: BTreeMap::new(),
            known: stored.known.into_iter().collect(),
            recent: VecDeque::new(),
            afters: Afters::default(),
        };
        for active in stored.active {
            let call = Call::restored(active, now_ms);
            this.restore(call, now_ms);
        }
        for unfinished in stored.unfinished {
            let row = &unfinished.row;
            this.remember_end(row.call, row.how.unwrap_or(Ended::Interrupted));
            this.afters.restore(&unfinished, &mut this.desk);
        }
        this.tick(now_ms);
        let effects = this.desk.take_effects();
        (this, effects)
    }

    /// A device proved who it is. `token` is what it will show over HTTP.
    ///
    /// # Errors
    /// If the device is unknown or revoked: what to tell it, before the connection is closed.
    pub fn connected(
        &mut self,
        session: SessionId,
        device: DeviceId,
        token: String,
        now_ms: u64,
    ) -> Result<(SignedIn, Effects), Box<ServerMessage>> {
        let known = self.desk.devices.get(&device);
        let card = match known {
            Some(d) if d.revoked_ms.is_some() => {
                return Err(Box::new(ServerMessage::Revoked { jws: d.revocation.clone() }));
            }
            Some(d) if d.log_index.is_some() => d.card.clone(),
            _ => return Err(Box::new(unknown_device())),
        };
        if let Some(older) = self.desk.online.get(&device).copied() {
            self.desk.close(older, CloseReason::Replaced);
            self.forget_session(older, now_ms);
        }
        let new_here = !self.desk.sessions.values().any(|s| s.card.person == card.person);
        self.desk.sessions.insert(session, Session { device, card: card.clone() });
        self.desk.online.insert(device, session);
        let in_call =
            self.calls.values().find(|c| c.row.stage != Stage::Opening && c.takes_part(&device)).map(Call::id);
        let signed_in = ServerMessage::SignedIn {
            you: card.clone(),
            people: self.desk.contacts_of(&card),
            suite: self.desk.policy.suite,
            mode: self.desk.policy.floor,
            token,
            in_call,
            checkpoint: String::new(),
        };
        self.desk.send(session, signed_in);
        if new_here {
            self.desk.people_changed(&card);
        }
        if desk::is_staff(card.role) {
            for call in self.calls.values().filter(|c| c.row.stage != Stage::Opening) {
                let notice = ServerMessage::Notice(call.notice(&self.desk));
                self.desk.send(session, notice);
            }
        }
        for call in self.calls.values_mut() {
            call.ring_device(device, &mut self.desk);
        }
        Ok((SignedIn { device, role: card.role }, self.finish(now_ms)))
    }

    /// A connection is gone.
    pub fn disconnected(&mut self, session: SessionId, now_ms: u64) -> Effects {
        self.forget_session(session, now_ms);
        self.finish(now_ms)
    }

    /// A signed-in device sent a message.
    pub fn message(&mut self, session: SessionId, message: ClientMessage, now_ms: u64) -> Effects {
        let Some(from) = self.desk.sessions.get(&session).map(|s| s.device) else { return Effects::default() };
        use ClientMessage as M;
        match message {
            M::Ring { jws } => self.ring(session, from, jws, now_ms),
            M::RingShown { call } => self.on_call(session, call, |c, desk| c.ring_shown(from, desk)),
            M::Answer { call, key_package } => {
                self.on_call(session, call, |c, desk| c.answer(session, from, key_package, desk, now_ms));
            }
            M::Decline { call } => self.decline(session, from, call, now_ms),
            M::HangUp { call, failed } => self.hang_up(session, from, call, failed, now_ms),
            M::AskJoin { call, key_package } => {
                // A listener waits at one call's door.
                for other in self.calls.values_mut().filter(|other| other.id() != call && !other.takes_part(&from)) {
                    other.stop_waiting(&from, &mut self.desk);
                }
                self.on_call(session, call, |c, desk| c.ask_join(session, from, key_package, desk, now_ms));
            }
            M::Commit { call, epoch, commit, welcome, adds, removes } => {
                let proposed = group::Proposed { epoch, commit, welcome, adds, removes };
                self.on_call(session, call, |c, desk| c.commit(session, from, proposed, desk, now_ms));
            }
            M::Application { call, message } => {
                self.on_call(session, call, |c, desk| c.application(session, from, message, desk, now_ms));
            }
            M::Offer { call, sdp } => self.on_call(session, call, |c, desk| c.offer(session, from, sdp, desk)),
            M::Resume { call, after } => self.on_call(session, call, |c, desk| c.resume(session, from, after, desk)),
            M::Hello { .. } | M::Prove { .. } | M::Ping { .. } => {
                let text = "this connection is signed in already: open another one to sign in again";
                self.desk.refuse(session, None, RefusalCode::Malformed, text);
            }
        }
        self.finish(now_ms)
    }

    /// Time passed. Call it at [`Switchboard::next_timeout`].
    pub fn timeout(&mut self, now_ms: u64) -> Effects {
        self.finish(now_ms)
    }

    /// When [`Switchboard::timeout`] is due next, milliseconds since 1970 UTC.
    pub fn next_timeout(&self) -> Option<u64> {
        self.calls.values().filter_map(|call| call.next_timeout(&self.desk)).chain(self.afters.next_timeout()).min()
    }

    /// What became of an entry that [`Output::Append`] asked for: its index, or that the log failed.
    pub fn logged(&mut self, ticket: Ticket, index: Option<u64>, now_ms: u64) -> Effects {
        match ticket {
            Ticket::Enrolled(device, request) => self.enrolment_logged(device, request, index),
            Ticket::Revoked(device, request) => self.revocation_logged(device, request, index, now_ms),
            Ticket::Opened(call) => self.opened(call, index, now_ms),
            Ticket::Ended(call) => self.afters.end_logged(call, index, &mut self.desk, now_ms),
            Ticket::Sealed(seal, request) => self.afters.sealed(*seal, request, index, &mut self.desk, now_ms),
            Ticket::Missing(call) => self.afters.missing_logged(call, index, &mut self.desk, now_ms),
        }
        self.finish(now_ms)
    }

    /// Numbers for the operator.
    pub fn gauges(&self) -> Gauges {
        let count = |stage| self.calls.values().filter(|c| c.row.stage == stage).count();
        Gauges {
            ringing: count(Stage::Ringing),
            live: count(Stage::Live),
            sessions: self.desk.sessions.len(),
            devices: self.desk.devices.values().filter(|d| d.revoked_ms.is_none() && d.log_index.is_some()).count(),
            records_owed: self.afters.records_owed(),
        }
    }

    fn finish(&mut self, now_ms: u64) -> Effects {
        self.tick(now_ms);
        for call in self.calls.values_mut() {
            call.ask_committer(&mut self.desk);
        }
        self.desk.take_effects()
    }

    /// Does what is due.
    fn tick(&mut self, now_ms: u64) {
        let due: Vec<(CallId, Ended)> =
            self.calls.values_mut().filter_map(|c| Some((c.id(), c.due(&mut self.desk, now_ms)?))).collect();
        for (call, how) in due {
            self.end(call, how, now_ms);
        }
        self.afters.tick(&mut self.desk, now_ms);
    }

    fn on_call(&mut self, session: SessionId, call: CallId, act: impl FnOnce(&mut Call, &mut Desk)) {
        match self.calls.get_mut(&call).filter(|c| c.row.stage != Stage::Opening) {
            Some(found) => act(found, &mut self.desk),
            None => self.no_such_call(session, call),
        }
    }

    /// A call that is over says how, to whoever was away when it ended.
    fn no_such_call(&mut self, session: SessionId, call: CallId) {
        match self.recent.iter().find(|(id, _)| *id == call) {
            Some((_, how)) => self.desk.send(session, ServerMessage::Ended { call, how: *how }),
            None => self.desk.refuse(session, Some(call), RefusalCode::NoSuchCall, "no such call, or it is over"),
        }
    }

    fn remember_end(&mut self, call: CallId, how: Ended) {
        if self.recent.len() == RECENT_ENDS {
            self.recent.pop_front();
        }
        self.recent.push_back((call, how));
    }

    fn forget_session(&mut self, session: SessionId, now_ms: u64) {
        let Some(gone) = self.desk.sessions.remove(&session) else { return };
        self.desk.online.remove(&gone.device);
        for call in self.calls.values_mut() {
            let asked = call.note_taker_asks(&self.desk) == Some(gone.device);
            call.depart(gone.device, now_ms);
            if !call.takes_part(&gone.device) {
                // Whoever is let in is there: it asks again.
                call.stop_waiting(&gone.device, &mut self.desk);
            }
            if asked {
                call.notify_staff(&mut self.desk);
            }
        }
        if !self.desk.sessions.values().any(|s| s.card.person == gone.card.person) {
            self.desk.people_changed(&gone.card);
        }
    }
}

fn unknown_device() -> ServerMessage {
    ServerMessage::Refused {
        call: None,
        code: RefusalCode::NotSignedIn,
        message: "this device is not enrolled here: ask your office for an enrolment link".to_owned(),
    }
}

#[cfg(test)]
mod tests;
