//! One call on this device: its group, its keys, who is in it.

mod admission;
pub mod captions;
mod group;
mod message;
mod presence;
mod view;

use crate::{
    device::{Device, Engaged},
    engine::{Event, Output, clock::Clock},
    media::{
        keyring::{Keyring, OpenError, OpenedFrame},
        repacketize::repacketize,
    },
    mls::{
        GroupError,
        group::{CallGroup, OwnCommit},
        key_package::PendingJoin,
        phrase::Phrase,
    },
    view::{CallState, CaptionView, Direction},
};
use admission::Refusal;
use captions::CaptionKey;
use chacha20::{ChaCha20Rng, rand_core::Rng as _};
use message::GroupMessage;
use presence::Presence;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, VecDeque};
use telcon_identity::{LoggedDevice, LoggedRing};
use telcon_proto::{
    Blob, CallId, Card, ClientMessage, DeviceId, RecordMode, Role, ServerMessage, SuiteName,
    limits::{MAX_MEMBERS, RING_MAX_AGE_MS},
    message::{Logged, Ring},
};

/// Glare: how long a device whose own ring was refused waits for the other party's ring, milliseconds.
const GLARE_TIMEOUT_MS: u64 = 5_000;
const NOT_PUT_THROUGH: &str =
    "Your office did not put this call through. Ring again; if that does not help, tell your office.";
/// Captions kept on the screen.
const MAX_CAPTIONS: usize = 500;
/// Queued membership changes. A call has eight members; more requests than this are a flood.
const MAX_WAITING: usize = 2 * MAX_MEMBERS;

/// An opened frame, with its sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedFrame {
    /// The member whose key sealed it. (Any member could forge another's frames: SFrame keys are symmetric.)
    pub device: DeviceId,
    /// Epoch and leaf of the key.
    pub stream: (u64, u32),
    /// The sender's frame counter, one per 20 ms, continuing across epochs.
    pub counter: u64,
    /// The Opus packet.
    pub packet: Vec<u8>,
    /// Whether that packet was received before, as a redundant copy.
    pub duplicate: bool,
    /// Earlier packets that were not received before, each with its counter, oldest first.
    pub earlier: Vec<(u64, Vec<u8>)>,
    /// Whether the earlier packets were sent here for the first time, to be played with this one.
    pub aggregated: bool,
}

impl ReceivedFrame {
    /// The packet to play where the player takes exactly one packet per frame: a browser.
    pub fn into_single_packet(self) -> Vec<u8> {
        let mut packets: Vec<&[u8]> = self.earlier.iter().map(|(_, packet)| &packet[..]).collect();
        packets.push(&self.packet);
        let combined = self.aggregated.then(|| repacketize(&packets)).flatten();
        combined.unwrap_or(self.packet)
    }
}

enum MembershipChange {
    Join { device: DeviceId, key_package: Vec<u8>, logged: Box<LoggedDevice> },
    Remove(DeviceId),
}

struct PendingCommit {
    own: OwnCommit,
    message: ClientMessage,
    changes: Vec<MembershipChange>,
}

/// What this device goes optimistic with before its commit is confirmed.
struct OptimisticCommit {
    joining: Vec<DeviceId>,
    phrase: Phrase,
    /// The state without it.
    was: CallState,
}

/// Somebody who may read captions.
#[derive(Clone)]
pub(crate) struct CaptionReader {
    key: Blob,
    /// Since when they are in the call, milliseconds since 1970 UTC.
    since_ms: u64,
}

struct Member {
    device: DeviceId,
    muted: bool,
}

pub(crate) struct Call {
    pub(crate) id: CallId,
    pub(crate) keys: Keyring,
    direction: Direction,
    state: CallState,
    ended: Option<&'static str>,
    problem: Option<String>,
    mode: RecordMode,
    suite: SuiteName,
    own_role: Role,
    ring_jws: Option<String>,
    ring: Option<LoggedRing>,
    /// Names from the office's list, until certificates have been verified.
    hint: Option<(Card, Card)>,
    join: Option<PendingJoin>,
    /// SHA-256 of the ring of the call that this device was in before it lost its keys.
    pub(crate) rejoin_ring_sha256: Option<Blob>,
    pub(crate) group: Option<CallGroup>,
    pending: Option<PendingCommit>,
    optimistic: Option<OptimisticCommit>,
    waiting: Vec<MembershipChange>,
    seq: u64,
    verified: BTreeMap<DeviceId, LoggedDevice>,
    roster: BTreeMap<u32, Member>,
    /// Who sat on which leaf, for frames of the epoch before.
    leaf_owners: BTreeMap<(u64, u32), DeviceId>,
    started_ms: Option<u64>,
    opened: Option<(u64, u64)>,
    /// When this device rang, and how long it waits to be put through, milliseconds.
    asked_ms: Option<u64>,
    waits_ms: u64,
    /// They ring this device at the same moment: theirs is on its way.
    glare: bool,
    muted: bool,
    caption_key: Option<CaptionKey>,
    pub(crate) readers: BTreeMap<DeviceId, CaptionReader>,
    captions: Vec<CaptionView>,
    behind_ms: Option<u64>,
    /// Whether a note-taker was ever in it.
    noted: bool,
    /// Log entry of its sealed record, and whether every note-taker that brought one says that something is missing.
    pub(crate) kept: Option<(u64, bool)>,
    /// When this note-taker is to say again that it is there, by the engine's running.
    next_heartbeat_ms: Option<u64>,
    presence: Presence,
    pub(crate) clock: Clock,
    /// Whether this note-taker can write.
    pub(crate) recording: bool,
    /// Which party's device said that it ends the call.
    hang_up_signed_by: Option<DeviceId>,
    /// It rang here before a reconnect, and the office has not said whether it still does.
    ring_unconfirmed: bool,
}

impl Call {
    fn new(id: CallId, device: &Device, direction: Direction, state: CallState, mode: RecordMode) -> Self {
        Self {
            id,
            keys: Keyring::new(),
            direction,
            state,
            ended: None,
            problem: None,
            mode,
            suite: device.office().suite(),
            own_role: device.me().card().role,
            ring_jws: None,
            ring: None,
            hint: None,
            join: None,
            rejoin_ring_sha256: None,
            group: None,
            pending: None,
            optimistic: None,
            waiting: Vec::new(),
            seq: 0,
            verified: BTreeMap::new(),
            roster: BTreeMap::new(),
            leaf_owners: BTreeMap::new(),
            started_ms: None,
            opened: None,
            asked_ms: None,
            waits_ms: RING_MAX_AGE_MS,
            glare: false,
            muted: false,
            caption_key: None,
            readers: BTreeMap::new(),
            captions: Vec::new(),
            behind_ms: None,
            noted: false,
            kept: None,
            next_heartbeat_ms: None,
            presence: Presence::default(),
            clock: Clock::default(),
            recording: false,
            hang_up_signed_by: None,
            ring_unconfirmed: false,
        }
    }

    /// Rings: signs the ring and starts the group, so that an answer finds it ready.
    pub(crate) fn ring(
        device: &Device,
        to: Card,
        mode: RecordMode,
        rng: &mut ChaCha20Rng,
        now_ms: u64,
    ) -> Result<(Self, ClientMessage), GroupError> {
        let mut id = [0; 16];
        rng.fill_bytes(&mut id);
        let id = CallId::from_bytes(id);
        let me = device.me();
        let suite = device.office().suite();
        let ring = Ring {
            version: telcon_proto::WIRE_VERSION,
            call: id,
            office: device.office().domain().to_owned(),
            from: me.device(),
            to: to.person,
            mode,
            suite,
            at_ms: now_ms,
        };
        let jws = telcon_identity::sign_ring(device.key(), device.chain(), &ring);
        let mut call = Self::new(id, device, Direction::Out, CallState::Opening, mode);
        call.group = Some(CallGroup::create(device, id, suite)?);
        call.asked_ms = Some(now_ms);
        call.hint = Some((me.card().clone(), to));
        call.ring_jws = Some(jws.clone());
        Ok((call, ClientMessage::Ring { jws }))
    }

    /// Is rung: everything about the ring is verified here, before anything is shown.
    pub(crate) fn incoming(
        device: &Device,
        jws: String,
        opened: &Logged,
        caller: &Logged,
        now_ms: u64,
    ) -> Result<Self, Refusal> {
        let office = device.office();
        let ring = office.verify_ring(&jws, now_ms)?;
        let logged_caller = office.verify_device_logged(ring.device().clone(), caller)?;
        let ring = office.verify_opening(ring, opened)?;
        if ring.ring().ring().to != device.me().card().person {
            return Err(Refusal::NotAllowed("it rings somebody else"));
        }
        if ring.ring().device().card().person == ring.ring().ring().to {
            return Err(Refusal::NotAllowed("somebody rings themselves"));
        }
        let mut call =
            Self::new(ring.ring().ring().call, device, Direction::In, CallState::Ringing, ring.ring().ring().mode);
        call.hint = Some((ring.ring().device().card().clone(), device.me().card().clone()));
        call.join = Some(PendingJoin::new(device, call.id)?);
        call.verified.insert(logged_caller.device().device(), logged_caller);
        call.take_ring(ring, jws);
        Ok(call)
    }

    /// Asks to join: as a listener, or after a reload took this device's keys.
    pub(crate) fn join(
        device: &Device,
        id: CallId,
        mode: RecordMode,
        hint: Option<(Card, Card)>,
        muted: bool,
        out: &mut VecDeque<Output>,
    ) -> Result<Self, GroupError> {
        let direction = if device.me().card().role.speaks() { Direction::In } else { Direction::Listen };
        let mut call = Self::new(id, device, direction, CallState::Answering, mode);
        call.hint = hint;
        call.muted = muted;
        let join = PendingJoin::new(device, id)?;
        out.push_back(Output::Send(ClientMessage::AskJoin { call: id, key_package: blob(join.key_package()) }));
        call.join = Some(join);
        call.open_leg(out);
        Ok(call)
    }

    #[cfg(test)]
    pub(crate) fn rename_callee(&mut self, name: &str) {
        if let Some((_, to)) = &mut self.hint {
            to.name = name.to_owned();
        }
    }

    fn take_ring(&mut self, ring: LoggedRing, jws: String) {
        self.mode = ring.ring().ring().mode;
        self.opened = Some((ring.entry().index(), ring.entry().time_ms()));
        self.ring = Some(ring);
        self.ring_jws = Some(jws);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.state == CallState::Ended
    }

    /// Whether a refusal of the server about this call does not end it.
    pub(crate) fn is_established(&self) -> bool {
        !self.roster.is_empty() || self.state == CallState::Live && self.optimistic.is_none()
    }

    /// The office says that whom this device rings is ringing it at the same moment, and was first: their ring is waited for.
    /// Says whether this device has just rung, so that it can be so.
    pub(crate) fn yield_to_glare(&mut self, now_ms: u64) -> bool {
        if self.state != CallState::Opening || self.glare {
            return false;
        }
        self.glare = true;
        (self.asked_ms, self.waits_ms) = (Some(now_ms), GLARE_TIMEOUT_MS);
        true
    }

    /// Whether this device's own ring gave way to theirs, and waits for it.
    pub(crate) fn yields_on_glare(&self) -> bool {
        self.glare && self.state == CallState::Opening
    }

    /// Whether a verified ring is the one that this call waits for: of the person that was rung, by the name that was on
    /// the screen, and keeping no less.
    pub(crate) fn matches_glare(&self, theirs: &Self) -> bool {
        let (Some((_, to)), Some(ring)) = (&self.hint, &theirs.ring) else { return false };
        let from = ring.ring().device().card();
        self.yields_on_glare() && from.person == to.person && from.name == to.name && theirs.mode >= self.mode
    }

    /// What a person took up here: a device is brought back to nothing else.
    pub(crate) fn engaged(&self) -> Option<Engaged> {
        let taken_up = !self.is_over() && !self.declinable();
        let ring = self.ring_jws.as_ref().map(|jws| Blob(Sha256::digest(jws).to_vec()));
        // On the way back the ring has not come again: the one to come back to is still known.
        let ring = ring.or_else(|| self.rejoin_ring_sha256.clone());
        taken_up.then_some(Engaged { call: self.id, ring })
    }

    pub(crate) fn declinable(&self) -> bool {
        self.direction == Direction::In && self.state == CallState::Ringing
    }

    pub(crate) fn finished_ring(&self) -> Option<CallId> {
        (self.is_over() && self.ring.is_some()).then_some(self.id)
    }

    pub(crate) fn opened_ms(&self) -> Option<u64> {
        self.opened.map(|(_, opened_ms)| opened_ms)
    }

    pub(crate) fn ring_jws(&self) -> Option<&str> {
        self.ring_jws.as_deref()
    }

    pub(crate) fn member(&self, device: DeviceId) -> Option<&LoggedDevice> {
        self.verified.get(&device)
    }

    pub(crate) fn open_leg(&self, out: &mut VecDeque<Output>) {
        out.push_back(Output::OpenLeg { call: self.id });
    }

    pub(crate) fn answer(&mut self, out: &mut VecDeque<Output>) {
        if !self.declinable() {
            return;
        }
        if let Some(join) = &self.join {
            let key_package = blob(join.key_package());
            out.push_back(Output::Send(ClientMessage::Answer { call: self.id, key_package }));
            self.state = CallState::Answering;
        }
    }

    pub(crate) fn hang_up(&mut self, out: &mut VecDeque<Output>) {
        if self.own_role.speaks() {
            self.send_group_message(&GroupMessage::HangUp, out);
        }
        // Of a ring that gave way to theirs the office knows nothing.
        if !self.glare {
            out.push_back(Output::Send(ClientMessage::HangUp { call: self.id, failed: false }));
        }
        let how = if self.direction == Direction::Out && self.started_ms.is_none() { "cancelled" } else { "hung_up" };
        self.end(how, out);
    }

    /// Ends the call here because it cannot go on safely, and says so to the office.
    fn fail(&mut self, problem: String, out: &mut VecDeque<Output>) -> String {
        out.push_back(Output::Send(ClientMessage::HangUp { call: self.id, failed: true }));
        self.give_up(problem.clone(), out);
        problem
    }

    pub(crate) fn give_up(&mut self, problem: String, out: &mut VecDeque<Output>) {
        self.problem = Some(problem);
        self.end("failed", out);
    }

    pub(crate) fn end(&mut self, how: &'static str, out: &mut VecDeque<Output>) {
        if self.is_over() {
            return;
        }
        self.state = CallState::Ended;
        self.ended = Some(how);
        self.keys.clear();
        self.group = None;
        self.join = None;
        self.pending = None;
        self.optimistic = None;
        self.waiting.clear();
        out.push_back(Output::CloseLeg);
        out.push_back(Output::Event(Event::Ended { call: self.id, how, signed_by: self.hang_up_signed_by }));
    }

    /// The office does not count this device into this call, after a reconnect. If it rang, it may ring still: the ring
    /// comes again then, before the office has caught up.
    pub(crate) fn on_unknown_to_office(&mut self, out: &mut VecDeque<Output>) {
        if self.declinable() {
            self.ring_unconfirmed = true;
        } else {
            self.end("interrupted", out);
        }
    }

    /// Whether this is the ring that rings here already, as the office sends it after a reconnect.
    pub(crate) fn on_ring_repeated(&mut self, jws: &str) -> Option<CallId> {
        let same = self.declinable() && self.ring_jws.as_deref() == Some(jws);
        self.ring_unconfirmed &= !same;
        same.then_some(self.id)
    }

    /// The office has said everything, and no ring came again.
    pub(crate) fn end_unconfirmed_ring(&mut self, out: &mut VecDeque<Output>) {
        if self.ring_unconfirmed {
            self.end("missed", out);
        }
    }

    pub(crate) fn connection_lost(&mut self) {
        if self.state == CallState::Live {
            self.state = CallState::Reconnecting;
        }
    }

    /// The connection is back, and the office still has this call.
    pub(crate) fn resume(&mut self, out: &mut VecDeque<Output>) {
        self.presence.grant_grace(self.clock.uptime_ms);
        if self.group.is_some() {
            if self.state == CallState::Reconnecting {
                self.state = CallState::Live;
            }
            out.push_back(Output::Send(ClientMessage::Resume { call: self.id, after: self.seq }));
            // A commit that was on its way may or may not have been taken; its echo or another commit tells. Until
            // then it is sent again: the switchboard takes it once.
            self.resend(out);
        } else if let Some(join) = &self.join {
            let key_package = blob(join.key_package());
            let message = match self.state {
                CallState::Ringing => return,
                _ if self.direction == Direction::In && self.ring.is_some() => {
                    ClientMessage::Answer { call: self.id, key_package }
                }
                _ => ClientMessage::AskJoin { call: self.id, key_package },
            };
            out.push_back(Output::Send(message));
        }
        self.open_leg(out);
    }

    pub(crate) fn seal(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        self.is_live().then(|| self.keys.seal(packet))?
    }

    pub(crate) fn is_live(&self) -> bool {
        matches!(self.state, CallState::Live | CallState::Reconnecting)
    }

    pub(crate) fn open(&mut self, frame: &[u8]) -> Result<ReceivedFrame, OpenError> {
        let frame = self.keys.open(frame)?;
        let device = self.leaf_owners.get(&(frame.epoch, frame.leaf)).copied().ok_or(OpenError::NotAMember)?;
        let OpenedFrame { leaf, epoch, counter, packet, duplicate, earlier, aggregated } = frame;
        Ok(ReceivedFrame { device, stream: (epoch, leaf), counter, packet, duplicate, earlier, aggregated })
    }

    /// When [`Call::tick`] is due.
    pub(crate) fn next_wakeup_ms(&self) -> Option<u64> {
        let lost = self.presence.next_deadline_ms().filter(|_| self.state == CallState::Live);
        let running = [self.next_heartbeat_ms, lost].into_iter().flatten().min().filter(|_| !self.is_over());
        let running = running.map(|at| self.clock.wall_ms + at.saturating_sub(self.clock.uptime_ms));
        [self.keys.next_expiry_ms(), running, self.opening_deadline_ms()].into_iter().flatten().min()
    }

    /// Time passed. Says whether the screen shows something else by it.
    pub(crate) fn tick(&mut self, now_ms: u64, out: &mut VecDeque<Output>) -> bool {
        self.keys.expire(now_ms);
        if self.is_over() {
            return false;
        }
        if self.opening_deadline_ms().is_some_and(|at| now_ms >= at) {
            self.give_up(NOT_PUT_THROUGH.to_owned(), out);
            return true;
        }
        let uptime_ms = self.clock.uptime_ms;
        if self.next_heartbeat_ms.is_some_and(|at| uptime_ms >= at) {
            self.send_heartbeat(out);
        }
        // While this device is not connected it hears of nobody, and says so otherwise.
        self.state == CallState::Live && self.presence.expire(uptime_ms)
    }

    /// Until when a ring that nobody has shown to be in the log may wait for it: it could not be verified any more.
    fn opening_deadline_ms(&self) -> Option<u64> {
        self.asked_ms.filter(|_| self.state == CallState::Opening).map(|asked| asked + self.waits_ms)
    }

    /// A message about this call. Gives what a person must know, if the call had to be ended or something was refused.
    pub(crate) fn handle(
        &mut self,
        device: &Device,
        now_ms: u64,
        message: ServerMessage,
        rng: &mut ChaCha20Rng,
        out: &mut VecDeque<Output>,
    ) -> Option<String> {
        if self.is_over() || about(&message) != Some(self.id) {
            return None;
        }
        let result = match message {
            ServerMessage::Opened { opened, .. } => self.opened(device, &opened, now_ms, out),
            ServerMessage::RingingThere { .. } => Ok(()),
            ServerMessage::JoinAsked { from, key_package, device: logged, answer, .. } => {
                match self.on_join_request(device, from, key_package.0, &logged, answer, now_ms) {
                    Ok(()) => self.try_commit(device, now_ms, out),
                    // Somebody who may not join is a matter for the security officer, not the end of the call.
                    Err(refusal) => return Some(format!("Somebody was kept out of the call: {refusal}.")),
                }
            }
            ServerMessage::RemoveAsked { devices, .. } => {
                self.on_remove_request(devices);
                self.try_commit(device, now_ms, out)
            }
            ServerMessage::Committed { seq, from, commit, devices, .. } => {
                self.on_committed(device, seq, from, &commit, &devices, now_ms, rng, out)
            }
            ServerMessage::CommitRefused { epoch, now, .. } => self.on_commit_refused(device, epoch, now, now_ms, out),
            ServerMessage::Welcome { seq, welcome, ring, opened, devices, .. } => {
                self.on_welcome(device, seq, &welcome, ring, &opened, &devices, now_ms, rng, out)
            }
            ServerMessage::Application { message, .. } => {
                self.on_group_message(&message, device.me().device(), now_ms);
                Ok(())
            }
            ServerMessage::MediaAnswer { sdp, .. } => {
                out.push_back(Output::MediaAnswer { sdp });
                Ok(())
            }
            ServerMessage::MediaLost { .. } => {
                self.open_leg(out);
                Ok(())
            }
            ServerMessage::TakenElsewhere { .. } => {
                self.end("taken_elsewhere", out);
                Ok(())
            }
            ServerMessage::Ended { how, .. } => {
                self.end(how.as_str(), out);
                Ok(())
            }
            _ => Ok(()),
        };
        result
            .err()
            .map(|refusal| self.fail(format!("The call was ended because it could not be trusted: {refusal}."), out))
    }

    /// The caller learns, with proof, that the opening is in the log.
    fn opened(
        &mut self,
        device: &Device,
        opened: &Logged,
        now_ms: u64,
        out: &mut VecDeque<Output>,
    ) -> Result<(), Refusal> {
        let Some(jws) = self.ring_jws.clone().filter(|_| self.state == CallState::Opening) else { return Ok(()) };
        let ring = device.office().verify_ring(&jws, now_ms)?;
        let ring = device.office().verify_opening(ring, opened)?;
        self.take_ring(ring, jws);
        self.state = CallState::Ringing;
        self.open_leg(out);
        Ok(())
    }

    /// The checkpoints by which a message proves something.
    pub(crate) fn checkpoints_in(&self, message: &ServerMessage) -> Vec<String> {
        let of = |proofs: &[Logged]| proofs.iter().map(|proof| proof.checkpoint.clone()).collect();
        match message {
            _ if self.is_over() || about(message) != Some(self.id) => Vec::new(),
            ServerMessage::Opened { opened, .. } => vec![opened.checkpoint.clone()],
            ServerMessage::JoinAsked { device, .. } => vec![device.checkpoint.clone()],
            ServerMessage::Committed { devices, .. } => of(devices),
            ServerMessage::Welcome { opened, devices, .. } => {
                let mut all: Vec<String> = of(devices);
                all.push(opened.checkpoint.clone());
                all
            }
            _ => Vec::new(),
        }
    }
}

/// The call that a message is about.
fn about(message: &ServerMessage) -> Option<CallId> {
    match message {
        ServerMessage::Opened { call, .. }
        | ServerMessage::RingingThere { call }
        | ServerMessage::JoinAsked { call, .. }
        | ServerMessage::RemoveAsked { call, .. }
        | ServerMessage::Committed { call, .. }
        | ServerMessage::CommitRefused { call, .. }
        | ServerMessage::Welcome { call, .. }
        | ServerMessage::Application { call, .. }
        | ServerMessage::MediaAnswer { call, .. }
        | ServerMessage::MediaLost { call }
        | ServerMessage::TakenElsewhere { call }
        | ServerMessage::Ended { call, .. } => Some(*call),
        _ => None,
    }
}

fn blob(bytes: &[u8]) -> Blob {
    Blob(bytes.to_vec())
}
