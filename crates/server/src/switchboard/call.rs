//! One call that has not ended.

use super::{
    asks::Asks,
    context::Context,
    directory::Directory,
    held_delegations::Acting,
    port::{Output, RelayCommand, SessionId, entry_at},
    sides::{Moves, Side},
};
use crate::{
    limits::{MAX_HANDSHAKE_BYTES, NOTIFIED_AFTER_RESTART_MS},
    store::{ActiveCall, Ask, CallRow, Handshake, Stage, Write},
};
use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use telcon_proto::{
    Blob, CallId, DeviceId, RecordMode, Role, ServerMessage,
    limits::{ABANDONED_AFTER_MS, MAX_HANDSHAKES_KEPT, RING_TIMEOUT_MS},
    line::ProvenLine,
    message::{DeclineReply, Notice, NoticeState, PersonNamed},
    policy::{Action, allows},
};

/// A request to join, and the committer that was asked to add the device.
#[derive(Debug)]
pub(super) struct Waiting {
    pub ask: Ask,
    pub asked: Option<SessionId>,
}

/// The version of a line over which a call is.
#[derive(Debug)]
pub(super) struct Over {
    /// Log proofs are references, as in every message.
    pub proven: Box<ProvenLine>,
    /// Whether it reaches only those who may answer for the person rung.
    pub desk_alone: bool,
}

/// A call and its whole state on the server.
#[derive(Debug)]
pub(super) struct Call {
    pub row: CallRow,
    /// Devices that were ever in it.
    pub participants: BTreeSet<DeviceId>,
    /// Oldest first.
    pub members: Vec<DeviceId>,
    /// Members that left, were lost or were revoked, until a commit removes them.
    pub leaving: BTreeSet<DeviceId>,
    /// The committer that was last asked to remove members, and those members.
    pub removal_asked: Option<(SessionId, BTreeSet<DeviceId>)>,
    pub waiting: Vec<Waiting>,
    pub asks: Asks,
    /// Connected participants and their connections, over which they joined or resumed.
    pub present: BTreeMap<DeviceId, SessionId>,
    /// Connections to which the handshakes were replayed that their device had missed.
    pub replayed: BTreeMap<DeviceId, SessionId>,
    /// Disconnected participants, and since when.
    pub lost: BTreeMap<DeviceId, u64>,
    /// Devices of the callee to which the ring was sent.
    pub ringing: BTreeSet<DeviceId>,
    /// Devices of the callee that refused the ring.
    pub failed: BTreeSet<DeviceId>,
    pub shown: bool,
    /// Since when it rings. Earlier than its opening if the clock was set back meanwhile; later if it was handed to an office.
    pub ring_since_ms: u64,
    /// Devices that were notified of the ring by push messages, and whether that need not be repeated.
    pub notified: BTreeMap<DeviceId, bool>,
    /// Whether it rang on no connected device so far, and devices were notified instead.
    pub only_notified: bool,
    /// Devices that said that they show the ring.
    pub shown_by: BTreeSet<DeviceId>,
    /// When devices are notified that do not show the ring by then, milliseconds: their pages may be frozen, or did not reconnect
    /// after a restart.
    pub notify_ms: Option<u64>,
    pub legs: HashSet<DeviceId>,
    pub handshakes: VecDeque<Handshake>,
    handshake_bytes: usize,
    /// Sequence number of the newest discarded handshake.
    pub forgotten: u64,
    /// A notice has to be sent to staff at the end of the input.
    notice_due: bool,
    /// Devices under which the call is indexed.
    pub indexed: BTreeSet<DeviceId>,
    /// The caller, if they rang for somebody.
    pub rang: Option<Acting>,
    /// Who answered for the callee.
    pub answered: Option<Acting>,
    /// The line that it is over.
    pub over: Option<Over>,
    /// When those who may answer for the person rung are rung as well, while that is to come.
    pub desk_waits: Option<u64>,
    /// The person rung is in a call: it rings at these devices of theirs alone.
    pub only_on: Option<BTreeSet<DeviceId>>,
    /// What the person rung had the caller told.
    pub reply: Option<DeclineReply>,
    /// See [`super::moves`].
    pub moves: Moves,
}

impl Call {
    pub fn new(row: CallRow, session: SessionId) -> Self {
        let (caller, ring_since_ms) = (row.from_device, row.opened_ms);
        Self {
            row,
            participants: BTreeSet::from([caller]),
            members: vec![caller],
            leaving: BTreeSet::new(),
            removal_asked: None,
            waiting: Vec::new(),
            asks: Asks::default(),
            present: BTreeMap::from([(caller, session)]),
            replayed: BTreeMap::new(),
            lost: BTreeMap::new(),
            ringing: BTreeSet::new(),
            failed: BTreeSet::new(),
            shown: false,
            notified: BTreeMap::new(),
            only_notified: false,
            shown_by: BTreeSet::new(),
            notify_ms: None,
            ring_since_ms,
            legs: HashSet::new(),
            handshakes: VecDeque::new(),
            handshake_bytes: 0,
            forgotten: 0,
            notice_due: false,
            indexed: BTreeSet::new(),
            rang: None,
            answered: None,
            over: None,
            desk_waits: None,
            only_on: None,
            reply: None,
            moves: Moves::default(),
        }
    }

    /// Restores a stored call. Nobody is connected yet: every participant counts as disconnected from now on.
    pub fn restored(stored: ActiveCall, now_ms: u64) -> Self {
        let taking_part = stored.members.iter().chain(stored.row.answerer.iter());
        let lost = taking_part.filter(|d| !stored.leaving.contains(d)).map(|d| (*d, now_ms)).collect();
        let desk_since = stored.row.desk_from_ms.filter(|at| *at <= now_ms);
        let forgotten = stored.handshakes.first().map_or(stored.row.epoch, |h| h.seq - 1);
        Self {
            participants: stored.participants.into_iter().collect(),
            members: stored.members,
            leaving: stored.leaving.into_iter().collect(),
            removal_asked: None,
            waiting: stored.asks.into_iter().map(|ask| Waiting { ask, asked: None }).collect(),
            asks: Asks::default(),
            present: BTreeMap::new(),
            replayed: BTreeMap::new(),
            lost,
            ringing: BTreeSet::new(),
            failed: BTreeSet::new(),
            shown: false,
            notified: BTreeMap::new(),
            only_notified: false,
            shown_by: BTreeSet::new(),
            notify_ms: Some(now_ms + NOTIFIED_AFTER_RESTART_MS),
            ring_since_ms: desk_since.unwrap_or(stored.row.opened_ms).min(now_ms),
            legs: HashSet::new(),
            handshake_bytes: stored.handshakes.iter().map(size).sum(),
            handshakes: stored.handshakes.into(),
            forgotten,
            notice_due: false,
            indexed: BTreeSet::new(),
            rang: None,
            answered: None,
            over: None,
            desk_waits: stored.row.desk_from_ms.filter(|at| now_ms < *at && !stored.row.diverted),
            only_on: None,
            reply: None,
            moves: Moves::default(),
            row: stored.row,
        }
    }

    pub fn id(&self) -> CallId {
        self.row.call
    }

    pub fn is_member(&self, device: &DeviceId) -> bool {
        self.members.contains(device) && !self.leaving.contains(device)
    }

    /// The caller's device, or the one that answered; where that acted for somebody who took the call over, theirs; where its person
    /// continued on another device, that one.
    pub fn is_principals(&self, device: &DeviceId) -> bool {
        [Side::Caller, Side::Callee].into_iter().any(|side| self.has_side(side, device))
    }

    pub fn is_waiting(&self, device: &DeviceId) -> bool {
        self.waiting.iter().any(|w| w.ask.device == *device)
    }

    /// Whether the device waits with this very request: then repeating it changes nothing.
    pub fn waits_with(&self, device: &DeviceId, key_package: &Blob) -> bool {
        self.waiting.iter().any(|w| w.ask.device == *device && w.ask.key_package == *key_package)
    }

    /// Whether the device is a participant, which may resume or rejoin after its connection was lost.
    pub fn takes_part(&self, device: &DeviceId) -> bool {
        self.is_member(device) || self.is_principals(device)
    }

    /// Whether this is the only device of one of the two parties, so that the call ends with it.
    pub fn depends_on(&self, device: &DeviceId) -> bool {
        matches!(self.row.stage, Stage::Ringing | Stage::Live)
            && self.is_principals(device)
            && !self.has_other_device(device)
    }

    /// Every device that is concerned by the call.
    pub fn involved(&self) -> BTreeSet<DeviceId> {
        let waiting = self.waiting.iter().map(|w| &w.ask.device);
        let connected = self.present.keys().chain(self.lost.keys()).chain(&self.ringing).chain(&self.legs);
        let connected = connected.chain(self.notified.keys());
        let sides = [&self.row.from_device].into_iter().chain(&self.row.answerer);
        self.members.iter().chain(waiting).chain(connected).chain(sides).copied().collect()
    }

    /// The device participates over this connection from now on.
    pub fn connect(&mut self, device: DeviceId, session: SessionId) {
        self.present.insert(device, session);
        self.lost.remove(&device);
    }

    /// The device's connection ended.
    pub fn disconnect(&mut self, device: DeviceId, now_ms: u64) {
        self.present.remove(&device);
        self.ringing.remove(&device);
        self.shown_by.remove(&device);
        if self.takes_part(&device) {
            self.lost.entry(device).or_insert(now_ms);
        }
    }

    /// The member that is asked to commit: the caller's device if it can, else the oldest member that can. A device
    /// that itself requests to join has lost the group's state and cannot.
    pub(super) fn committer(&self) -> Option<(DeviceId, SessionId)> {
        let can = |device: &DeviceId| {
            let session = self.present.get(device)?;
            (self.is_member(device) && !self.is_waiting(device)).then_some((*device, *session))
        };
        can(&self.row.from_device).or_else(|| self.members.iter().find_map(can))
    }

    /// Asks the committer for all changes that it was not asked for yet.
    pub fn ask_committer(&mut self, context: &mut Context) {
        if self.leaving.is_empty() {
            // Done: a device that joins again and leaves again is to be removed again.
            self.removal_asked = None;
        }
        let Some((_, session)) = self.committer() else { return };
        if !self.leaving.is_empty() {
            let wanted = (session, self.leaving.clone());
            if self.removal_asked.as_ref() != Some(&wanted) {
                let devices = self.leaving.iter().copied().collect();
                context.send(session, ServerMessage::RemoveAsked { call: self.row.call, devices });
                self.removal_asked = Some(wanted);
            }
        }
        for waiting in &mut self.waiting {
            // A disconnected device asks again, with a fresh KeyPackage, when it reconnects.
            if waiting.asked == Some(session) || !self.present.contains_key(&waiting.ask.device) {
                continue;
            }
            waiting.asked = Some(session);
            let Ask { device, key_package, answer } = waiting.ask.clone();
            let logged = context.directory.device_entry(&device);
            for acting in self.answered.iter().filter(|_| self.row.answerer == Some(device)) {
                context.send(session, ServerMessage::Delegation(acting.proven.clone()));
            }
            context.send(
                session,
                ServerMessage::JoinAsked { call: self.row.call, from: device, key_package, device: logged, answer },
            );
        }
    }

    /// Records a request to join; its KeyPackage replaces that of an earlier request.
    pub fn wait(&mut self, ask: Ask, context: &mut Context) {
        context.write(Write::Asked(self.row.call, ask.clone()));
        self.waiting.retain(|w| w.ask.device != ask.device);
        self.waiting.push(Waiting { ask, asked: None });
    }

    pub fn stop_waiting(&mut self, device: &DeviceId, context: &mut Context) {
        if self.is_waiting(device) {
            self.waiting.retain(|w| w.ask.device != *device);
            context.write(Write::AskDropped(self.row.call, *device));
        }
    }

    /// Marks a member for removal from the group. It receives no further messages of the call.
    pub fn leave(&mut self, device: DeviceId, context: &mut Context) {
        self.present.remove(&device);
        self.lost.remove(&device);
        self.drop_leg(device, context);
        if self.members.contains(&device) && self.leaving.insert(device) {
            context.write(Write::Leaving(self.row.call, device));
        }
    }

    pub fn drop_leg(&mut self, device: DeviceId, context: &mut Context) {
        if self.legs.remove(&device) {
            context.relay(RelayCommand::RemoveLeg(self.row.call, device));
        }
    }

    /// Keeps a handshake for devices that resume, and discards the oldest beyond the limits.
    pub fn keep(&mut self, handshake: Handshake, context: &mut Context) {
        self.handshake_bytes += size(&handshake);
        self.handshakes.push_back(handshake);
        let before = self.forgotten;
        while self.handshakes.len() > MAX_HANDSHAKES_KEPT || self.handshake_bytes > MAX_HANDSHAKE_BYTES {
            let Some(oldest) = self.handshakes.pop_front() else { break };
            self.handshake_bytes -= size(&oldest);
            self.forgotten = oldest.seq;
        }
        if self.forgotten != before {
            context.write(Write::HandshakesForgotten(self.row.call, self.forgotten));
        }
    }

    /// The message with a handshake for existing members.
    pub fn committed(&self, handshake: &Handshake, directory: &Directory) -> ServerMessage {
        ServerMessage::Committed {
            call: self.row.call,
            seq: handshake.seq,
            from: handshake.from,
            commit: handshake.commit.clone(),
            devices: handshake.adds.iter().map(|d| directory.device_entry(d)).collect(),
        }
    }

    /// The message with the welcome of a handshake for the members that it adds.
    pub fn welcome(&self, handshake: &Handshake, directory: &Directory) -> Option<ServerMessage> {
        Some(ServerMessage::Welcome {
            call: self.row.call,
            seq: handshake.seq,
            welcome: handshake.welcome.clone()?,
            ring: self.row.ring.clone(),
            opened: entry_at(self.row.opened_index.unwrap_or_default()),
            devices: handshake.members.iter().map(|d| directory.device_entry(d)).collect(),
        })
    }

    /// Whether every member lost its keys and waits to be added. A member that is not connected may come back with them.
    pub fn has_lost_its_keys(&self) -> bool {
        let open = matches!(self.row.stage, Stage::Ringing | Stage::Live);
        open && !self.members.iter().any(|device| self.is_member(device) && !self.is_waiting(device))
    }

    /// The next deadline, milliseconds since 1970 UTC.
    pub fn next_timeout(&self) -> Option<u64> {
        if self.has_lost_its_keys() {
            return Some(0);
        }
        let ring = (self.row.stage == Stage::Ringing).then(|| {
            let steps = self.notify_ms.into_iter().chain(self.desk_waits);
            steps.chain([self.ring_until_ms()]).min().unwrap_or(u64::MAX)
        });
        let lost = match self.row.stage {
            Stage::Live | Stage::Ringing => self.lost.values().min().map(|since| since + ABANDONED_AFTER_MS),
            _ => None,
        };
        ring.into_iter().chain(lost).min()
    }

    /// When an unanswered ring ends.
    pub fn ring_until_ms(&self) -> u64 {
        self.ring_since_ms + RING_TIMEOUT_MS
    }

    /// Whether no device of this party, or of who acts for it, has been connected for too long.
    pub fn abandoned_by(&self, side: Side, directory: &Directory, now_ms: u64) -> bool {
        let (own, person, acting) = match side {
            Side::Caller => (Some(self.row.from_device), self.row.from.person, &self.rang),
            Side::Callee => (self.row.answerer, self.row.to.person, &self.answered),
        };
        let mine = |d: &&DeviceId| match acting {
            None => directory.is_person(d, person),
            Some(acting) => {
                directory.is_person(d, acting.who.principal.person)
                    || acting.taken_by.is_none() && (Some(**d) == own || directory.is_person(d, person))
            }
        };
        if self.present.keys().any(|d| mine(&d)) {
            return false;
        }
        let since = self.lost.iter().filter(|(d, _)| mine(d)).map(|(_, since)| *since).max();
        // None connected and none disconnected: all of the person's devices left or were revoked.
        since.is_none_or(|since| now_ms >= since + ABANDONED_AFTER_MS)
    }

    /// Schedules a notice to staff for the end of the current input.
    pub fn notify_staff(&mut self) {
        self.notice_due = true;
    }

    /// Sends the notice scheduled by [`Call::notify_staff`].
    pub fn send_notice(&mut self, context: &mut Context) {
        if std::mem::take(&mut self.notice_due) {
            let notice = ServerMessage::Notice(self.notice(context));
            let mut sessions = context.staff();
            for acting in self.acting() {
                let devices = context.directory.online_devices_of(acting.who.principal.person);
                sessions.extend(devices.iter().filter_map(|device| context.directory.session_of(device)));
            }
            sessions.extend(self.sessions_elsewhere(context));
            sessions.sort_unstable();
            sessions.dedup();
            for session in sessions {
                context.send(session, notice.clone());
            }
        }
    }

    pub fn notice(&self, context: &Context) -> Notice {
        let state = match (self.row.stage, self.row.how, self.row.answered_ms) {
            (Stage::Ended, Some(how), _) => NoticeState::Ended { how },
            (Stage::Live, _, Some(since_ms)) => NoticeState::Live { since_ms },
            _ => NoticeState::Ringing,
        };
        let members =
            self.members.iter().filter(|d| !self.leaving.contains(d)).filter_map(|d| context.directory.party(d));
        let status = context.assignment.status(self.row.call);
        Notice {
            call: self.row.call,
            from: self.row.from.clone(),
            to: PersonNamed { card: self.row.to.clone() },
            mode: self.row.mode,
            state,
            members: members.collect(),
            note_taker_asks: status.expected,
            note_taker_silent: status.silent,
            opened_ms: self.row.opened_ms,
            acts_for: self.acting().map(|acting| acting.who.clone()).collect(),
            asked: self.moves.asked(),
            reply: self.reply.or(self.row.diverted.then_some(DeclineReply::Office {})),
        }
    }

    /// Whether a listener of this role may join.
    pub fn admits(&self, role: Role) -> bool {
        let writes = allows(role, Action::WriteRecord);
        allows(role, Action::ListenIn) && (!writes || self.row.mode != RecordMode::LogOnly)
    }

    /// Every device that is notified of the end of the call.
    pub fn audience(&self) -> BTreeSet<DeviceId> {
        let waiting = self.waiting.iter().map(|w| w.ask.device);
        let members = self.members.iter().filter(|d| !self.leaving.contains(d)).copied();
        members.chain(waiting).chain(self.ringing.iter().copied()).chain(self.row.answerer).collect()
    }
}

fn size(handshake: &Handshake) -> usize {
    handshake.commit.0.len() + handshake.welcome.as_ref().map_or(0, |w| w.0.len())
}

/// Sends `message` to the connected members except `except`.
pub(super) fn tell_members(call: &Call, context: &mut Context, except: &[DeviceId], message: &ServerMessage) {
    for (device, session) in &call.present {
        if call.is_member(device) && !except.contains(device) {
            context.output(Output::Send(*session, Box::new(message.clone())));
        }
    }
}
