//! One call on this device: its group, its keys, who is in it.

use super::{Event, Output, blob, roster};
use crate::{
    captions::{self, Caption, CaptionKey, MAX_CAPTION_BYTES, Say},
    device::Device,
    group::{CallGroup, GroupError, Incoming, Joiner, Leaf, OwnCommit, PendingJoin, StagedChange, read_key_package},
    keyring::{Keyring, OpenError},
    view::{CallState, CallView, CaptionView, Direction, MemberView},
};
use chacha20::{ChaCha20Rng, rand_core::Rng as _};
use roster::Refusal;
use std::collections::{BTreeMap, VecDeque};
use telcon_identity::{LoggedDevice, LoggedRing};
use telcon_proto::{
    Blob, CallId, Card, ClientMessage, DeviceId, RecordMode, Role, ServerMessage, SuiteName,
    limits::MAX_MEMBERS,
    message::{Logged, Ring},
};

/// Captions kept on the screen.
const MAX_CAPTIONS: usize = 500;
/// Changes of membership that wait for a commit. A call has eight members; more asks than this are a flood.
const MAX_WAITING: usize = 2 * MAX_MEMBERS;

/// A frame that was opened, with who spoke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The member whose key sealed it. (Any member could forge another's frames: SFrame keys are symmetric.)
    pub device: DeviceId,
    /// Epoch and leaf of the key.
    pub stream: (u64, u32),
    /// The sender's frame counter, one per 20 ms, running on over epochs.
    pub counter: u64,
    /// The Opus packet.
    pub packet: Vec<u8>,
}

enum Change {
    Join { device: DeviceId, key_package: Vec<u8>, logged: Box<LoggedDevice> },
    Remove(DeviceId),
}

struct Pending {
    own: OwnCommit,
    message: ClientMessage,
    changes: Vec<Change>,
}

/// Somebody who may read captions.
#[derive(Clone)]
pub(super) struct Reader {
    key: Blob,
    /// Since when they are in the call, milliseconds since 1970 UTC.
    since_ms: u64,
}

struct Member {
    device: DeviceId,
    muted: bool,
}

pub(super) struct Call {
    pub(super) id: CallId,
    pub(super) keys: Keyring,
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
    pub(super) group: Option<CallGroup>,
    pending: Option<Pending>,
    waiting: Vec<Change>,
    seq: u64,
    verified: BTreeMap<DeviceId, LoggedDevice>,
    roster: BTreeMap<u32, Member>,
    /// Who sat on which leaf, for frames of the epoch before.
    seats: BTreeMap<(u64, u32), DeviceId>,
    started_ms: Option<u64>,
    opened: Option<(u64, u64)>,
    muted: bool,
    caption_key: Option<CaptionKey>,
    pub(super) readers: BTreeMap<DeviceId, Reader>,
    captions: Vec<CaptionView>,
    behind_ms: Option<u64>,
    /// Whether a note-taker was ever in it.
    noted: bool,
    /// It rang here before a reconnect, and the office has not said whether it still does.
    may_be_over: bool,
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
            group: None,
            pending: None,
            waiting: Vec::new(),
            seq: 0,
            verified: BTreeMap::new(),
            roster: BTreeMap::new(),
            seats: BTreeMap::new(),
            started_ms: None,
            opened: None,
            muted: false,
            caption_key: None,
            readers: BTreeMap::new(),
            captions: Vec::new(),
            behind_ms: None,
            noted: false,
            may_be_over: false,
        }
    }

    /// Rings: signs the ring and starts the group, so that an answer finds it ready.
    pub(super) fn ring(
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
        call.hint = Some((me.card().clone(), to));
        call.ring_jws = Some(jws.clone());
        Ok((call, ClientMessage::Ring { jws }))
    }

    /// Is rung: everything about the ring is verified here, before anything is shown.
    pub(super) fn rung(
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
        let mut call =
            Self::new(ring.ring().ring().call, device, Direction::In, CallState::Ringing, ring.ring().ring().mode);
        call.hint = Some((ring.ring().device().card().clone(), device.me().card().clone()));
        call.join = Some(PendingJoin::new(device)?);
        call.verified.insert(logged_caller.device().device(), logged_caller);
        call.take_ring(ring, jws);
        Ok(call)
    }

    /// Asks to join: as a listener, or after a reload took this device's keys.
    pub(super) fn join(
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
        let join = PendingJoin::new(device)?;
        out.push_back(Output::Send(ClientMessage::AskJoin { call: id, key_package: blob(join.key_package()) }));
        call.join = Some(join);
        call.open_leg(out);
        Ok(call)
    }

    fn take_ring(&mut self, ring: LoggedRing, jws: String) {
        self.mode = ring.ring().ring().mode;
        self.opened = Some((ring.entry().index(), ring.entry().time_ms()));
        self.ring = Some(ring);
        self.ring_jws = Some(jws);
    }

    pub(super) fn is_over(&self) -> bool {
        self.state == CallState::Ended
    }

    /// Whether a refusal of the server about this call does not end it.
    pub(super) fn is_established(&self) -> bool {
        !self.roster.is_empty() || self.state == CallState::Live
    }

    pub(super) fn declinable(&self) -> bool {
        self.direction == Direction::In && self.state == CallState::Ringing
    }

    pub(super) fn finished_ring(&self) -> Option<CallId> {
        (self.is_over() && self.ring.is_some()).then_some(self.id)
    }

    pub(super) fn ring_jws(&self) -> Option<&str> {
        self.ring_jws.as_deref()
    }

    pub(super) fn member(&self, device: DeviceId) -> Option<&LoggedDevice> {
        self.verified.get(&device)
    }

    pub(super) fn open_leg(&self, out: &mut VecDeque<Output>) {
        out.push_back(Output::OpenLeg { call: self.id });
    }

    pub(super) fn answer(&mut self, out: &mut VecDeque<Output>) {
        if !self.declinable() {
            return;
        }
        if let Some(join) = &self.join {
            let key_package = blob(join.key_package());
            out.push_back(Output::Send(ClientMessage::Answer { call: self.id, key_package }));
            self.state = CallState::Answering;
        }
    }

    pub(super) fn hang_up(&mut self, out: &mut VecDeque<Output>) {
        out.push_back(Output::Send(ClientMessage::HangUp { call: self.id, failed: false }));
        let how = if self.direction == Direction::Out && self.started_ms.is_none() { "cancelled" } else { "hung_up" };
        self.end(how, out);
    }

    /// Ends the call here because it cannot go on safely, and says so to the office.
    fn fail(&mut self, problem: String, out: &mut VecDeque<Output>) -> String {
        out.push_back(Output::Send(ClientMessage::HangUp { call: self.id, failed: true }));
        self.give_up(problem.clone(), out);
        problem
    }

    pub(super) fn give_up(&mut self, problem: String, out: &mut VecDeque<Output>) {
        self.problem = Some(problem);
        self.end("failed", out);
    }

    pub(super) fn end(&mut self, how: &'static str, out: &mut VecDeque<Output>) {
        if self.is_over() {
            return;
        }
        self.state = CallState::Ended;
        self.ended = Some(how);
        self.keys.clear();
        self.group = None;
        self.join = None;
        self.pending = None;
        self.waiting.clear();
        out.push_back(Output::CloseLeg);
        out.push_back(Output::Event(Event::Ended { call: self.id, how }));
    }

    /// The office does not count this device into this call, after a reconnect. If it rang, it may ring still: the ring
    /// comes again then, before the office has caught up.
    pub(super) fn unknown_to_office(&mut self, out: &mut VecDeque<Output>) {
        if self.declinable() {
            self.may_be_over = true;
        } else {
            self.end("interrupted", out);
        }
    }

    /// Whether this is the ring that rings here already, as the office sends it after a reconnect.
    pub(super) fn rings_again(&mut self, jws: &str) -> Option<CallId> {
        let same = self.declinable() && self.ring_jws.as_deref() == Some(jws);
        self.may_be_over &= !same;
        same.then_some(self.id)
    }

    /// The office has said everything, and no ring came again.
    pub(super) fn missed_meanwhile(&mut self, out: &mut VecDeque<Output>) {
        if self.may_be_over {
            self.end("missed", out);
        }
    }

    pub(super) fn connection_lost(&mut self) {
        if self.state == CallState::Live {
            self.state = CallState::Reconnecting;
        }
    }

    /// The connection is back, and the office still has this call.
    pub(super) fn resume(&mut self, out: &mut VecDeque<Output>) {
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

    pub(super) fn mute(&mut self, on: bool, out: &mut VecDeque<Output>) {
        self.muted = on;
        self.say(&Say::Muted { on }, out);
    }

    fn say(&mut self, say: &Say, out: &mut VecDeque<Output>) {
        let Some(group) = self.group.as_mut().filter(|_| !self.roster.is_empty()) else { return };
        // Between this device's commit and its confirmation MLS refuses to encrypt for the epoch that may be over;
        // mute state and reader keys are said again in the new epoch.
        let Ok(json) = serde_json::to_vec(say) else { return };
        if let Ok(message) = group.encrypt(&json) {
            out.push_back(Output::Send(ClientMessage::Application { call: self.id, message: Blob(message) }));
        }
    }

    pub(super) fn seal(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        self.is_live().then(|| self.keys.seal(packet))?
    }

    pub(super) fn is_live(&self) -> bool {
        matches!(self.state, CallState::Live | CallState::Reconnecting)
    }

    pub(super) fn open(&mut self, frame: &[u8]) -> Result<Opened, OpenError> {
        let frame = self.keys.open(frame)?;
        let device = self.seats.get(&(frame.epoch, frame.leaf)).copied().ok_or(OpenError::NotAMember)?;
        Ok(Opened { device, stream: (frame.epoch, frame.leaf), counter: frame.counter, packet: frame.payload })
    }

    pub(super) fn expire(&mut self, now_ms: u64) {
        self.keys.expire(now_ms);
    }

    /// A message about this call. Gives what a person must know, if the call had to be ended or something was refused.
    pub(super) fn handle(
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
                match self.join_asked(device, from, key_package.0, &logged, answer, now_ms) {
                    Ok(()) => self.try_commit(out),
                    // Somebody who may not join is a matter for the security officer, not the end of the call.
                    Err(refusal) => return Some(format!("Somebody was kept out of the call: {refusal}.")),
                }
            }
            ServerMessage::RemoveAsked { devices, .. } => {
                self.remove_asked(devices);
                self.try_commit(out)
            }
            ServerMessage::Committed { seq, from, commit, devices, .. } => {
                self.committed(device, seq, from, &commit, &devices, now_ms, rng, out)
            }
            ServerMessage::CommitRefused { epoch, now, .. } => self.commit_refused(epoch, now, out),
            ServerMessage::Welcome { seq, welcome, ring, opened, devices, .. } => {
                self.welcomed(device, seq, &welcome, ring, &opened, &devices, now_ms, rng, out)
            }
            ServerMessage::Application { message, .. } => {
                self.heard(&message, device.me().device(), now_ms);
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

    fn join_asked(
        &mut self,
        device: &Device,
        from: DeviceId,
        key_package: Vec<u8>,
        logged: &Logged,
        answer: bool,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        let (Some(ring), Some(_)) = (&self.ring, &self.group) else { return Ok(()) };
        let joiner = read_key_package(&key_package, self.suite)?;
        let joining = roster::verify(device.office(), &joiner.leaf, std::slice::from_ref(logged), now_ms)?;
        roster::admit(ring, joining.device())?;
        if joining.device().device() != from {
            return Err(Refusal::NotAllowed("a key package of another device was handed over"));
        }
        if answer && joining.device().card().person != ring.ring().ring().to {
            return Err(Refusal::NotAllowed("somebody else answered"));
        }
        // The list that a person rings from is the server's; the name in the certificate is the office authority's.
        let rung = self.hint.as_ref().filter(|_| self.direction == Direction::Out).map(|(_, to)| &to.name);
        if answer && rung.is_some_and(|name| *name != joining.device().card().name) {
            return Err(Refusal::NotAllowed("who answered has another name than the one that was rung"));
        }
        if self.waiting.len() >= MAX_WAITING {
            return Err(Refusal::NotAllowed("too many asked to join at once"));
        }
        self.waiting.retain(|change| !matches!(change, Change::Join { device, .. } if *device == from));
        self.waiting.push(Change::Join { device: from, key_package, logged: Box::new(joining) });
        Ok(())
    }

    fn remove_asked(&mut self, devices: Vec<DeviceId>) {
        for device in devices {
            self.waiting.retain(|change| !matches!(change, Change::Join { device: joining, .. } if *joining == device));
            if self.waiting.len() < MAX_WAITING {
                self.waiting.push(Change::Remove(device));
            }
        }
    }

    fn leaf_of(&self, device: DeviceId) -> Option<u32> {
        self.roster.iter().find(|(_, member)| member.device == device).map(|(leaf, _)| *leaf)
    }

    /// Commits what waits, all in one epoch, unless a commit is already on its way.
    fn try_commit(&mut self, out: &mut VecDeque<Output>) -> Result<(), Refusal> {
        if self.pending.is_some() || self.waiting.is_empty() {
            return Ok(());
        }
        let changes = std::mem::take(&mut self.waiting);
        let (mut joiners, mut removed): (Vec<Joiner>, Vec<u32>) = (Vec::new(), Vec::new());
        let own = self.group.as_ref().map(CallGroup::own_index);
        let (mut adds, mut removes) = (Vec::new(), Vec::new());
        for change in &changes {
            let (Change::Join { device, .. } | Change::Remove(device)) = change;
            // A device that joins again lost its keys: its old leaf goes in the same commit.
            if let Some(leaf) = self.leaf_of(*device).filter(|leaf| Some(*leaf) != own && !removed.contains(leaf)) {
                removed.push(leaf);
                removes.push(*device);
            }
            if let Change::Join { key_package, .. } = change {
                joiners.push(read_key_package(key_package, self.suite)?);
                adds.push(*device);
            }
        }
        if joiners.is_empty() && removed.is_empty() {
            return Ok(());
        }
        let Some(group) = &mut self.group else { return Ok(()) };
        let own = group.commit(joiners, &removed)?;
        let message = commit_message(self.id, &own, adds, removes);
        out.push_back(Output::Send(message.clone()));
        self.pending = Some(Pending { own, message, changes });
        Ok(())
    }

    fn resend(&self, out: &mut VecDeque<Output>) {
        out.extend(self.pending.as_ref().map(|pending| Output::Send(pending.message.clone())));
    }

    /// The switchboard did not take the commit that this device made in `epoch`; the call is in `now`.
    fn commit_refused(&mut self, epoch: u64, now: u64, out: &mut VecDeque<Output>) -> Result<(), Refusal> {
        // Of an earlier commit, when another member's was processed meanwhile: what waited is in a new one already.
        let Some(pending) = self.pending.take_if(|pending| pending.own.epoch == epoch) else { return Ok(()) };
        let Some(group) = &mut self.group else { return Ok(()) };
        group.discard()?;
        if now > epoch {
            // Another member's commit was first. It is on its way, and what is still to do is done after it.
            self.waiting.splice(0..0, pending.changes);
            return Ok(());
        }
        self.try_commit(out)
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of one wire message, and what they are checked against")]
    fn committed(
        &mut self,
        device: &Device,
        seq: u64,
        from: DeviceId,
        commit: &Blob,
        proofs: &[Logged],
        now_ms: u64,
        rng: &mut ChaCha20Rng,
        out: &mut VecDeque<Output>,
    ) -> Result<(), Refusal> {
        if self.group.is_none() || seq <= self.seq {
            // Before the welcome, or a second copy of what was processed.
            return Ok(());
        }
        let own = self.pending.as_ref().is_some_and(|pending| pending.own.commit == commit.0);
        if own {
            let pending = self.pending.take().expect("invariant: it was just compared");
            self.group.as_mut().expect("invariant: checked above").confirm()?;
            for change in pending.changes {
                if let Change::Join { device, logged, .. } = change {
                    self.verified.insert(device, *logged);
                }
            }
        } else if from == device.me().device() {
            return Err(Refusal::NotAllowed("a commit came under this device's name that it did not make"));
        } else {
            let group = self.group.as_mut().expect("invariant: checked above");
            let Incoming::Commit(change) = group.process(commit.as_slice())? else {
                return Err(Refusal::NotAllowed("another kind of message came in place of a commit"));
            };
            self.agree(device, *change, proofs, now_ms)?;
            if let Some(pending) = self.pending.take() {
                // Ours was made in the epoch that just ended, and cannot be taken any more.
                self.waiting.splice(0..0, pending.changes);
            }
        }
        self.seq = seq;
        self.enter_epoch(device, now_ms, rng, out)?;
        self.try_commit(out)
    }

    /// Checks everybody whom a commit adds, and only then enters its epoch.
    fn agree(&mut self, device: &Device, change: StagedChange, proofs: &[Logged], now_ms: u64) -> Result<(), Refusal> {
        let ring = self.ring.as_ref().ok_or(Refusal::NotAllowed("a commit before the ring was verified"))?;
        let mut joined = Vec::new();
        for leaf in &change.added {
            let logged = roster::verify(device.office(), leaf, proofs, now_ms)?;
            roster::admit(ring, logged.device())?;
            joined.push(logged);
        }
        let group = self.group.as_mut().expect("invariant: the commit was processed by it");
        if self.pending.is_some() {
            group.discard()?;
        }
        group.merge(change)?;
        for logged in joined {
            self.verified.insert(logged.device().device(), logged);
        }
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of one wire message, and what they are checked against")]
    fn welcomed(
        &mut self,
        device: &Device,
        seq: u64,
        welcome: &Blob,
        jws: String,
        opened: &Logged,
        proofs: &[Logged],
        now_ms: u64,
        rng: &mut ChaCha20Rng,
        out: &mut VecDeque<Output>,
    ) -> Result<(), Refusal> {
        let Some(join) = self.join.take() else { return Ok(()) };
        let office = device.office();
        let ring = match self.ring.take() {
            // A welcome to a ring this device verified: the server cannot change what it rang for.
            Some(ring) => ring,
            None => office.verify_opening(office.verify_ring_past(&jws)?, opened)?,
        };
        if ring.ring().ring().call != self.id {
            return Err(Refusal::NotAllowed("a welcome with the ring of another call"));
        }
        let me = device.me().device();
        let mut members = Vec::new();
        let mut check = |leaves: &[Leaf]| -> Result<(), Refusal> {
            for leaf in leaves {
                let identified = roster::identified(office, leaf, now_ms)?;
                roster::admit(&ring, &identified)?;
                members.push(roster::verify(office, leaf, proofs, now_ms)?);
            }
            Ok(())
        };
        let group = join.join(self.id, ring.ring().ring().suite, welcome.as_slice(), &mut check)?;
        if !members.iter().any(|member| member.device().device() == me) {
            return Err(Refusal::NotAllowed("a welcome to a call without this device in it"));
        }
        self.verified.extend(members.into_iter().map(|member| (member.device().device(), member)));
        let ring_jws = self.ring_jws.take().unwrap_or(jws);
        self.take_ring(ring, ring_jws);
        self.group = Some(group);
        self.seq = seq;
        self.enter_epoch(device, now_ms, rng, out)
    }

    /// Takes the new epoch's keys first and changes the list on the screen with them.
    fn enter_epoch(
        &mut self,
        device: &Device,
        now_ms: u64,
        rng: &mut ChaCha20Rng,
        out: &mut VecDeque<Output>,
    ) -> Result<(), Refusal> {
        let group = self.group.as_ref().ok_or(Refusal::NotAllowed("an epoch without a group"))?;
        if group.is_removed() {
            self.end(if self.own_role.speaks() { "hung_up" } else { "interrupted" }, out);
            return Ok(());
        }
        let first = self.roster.is_empty();
        let (epoch, own) = (group.epoch(), group.own_index());
        let mut roster = BTreeMap::new();
        for leaf in group.members()? {
            let identified = roster::identified(device.office(), &leaf, now_ms)?;
            let id = identified.device();
            let known = id == device.me().device()
                || self.verified.get(&id).is_some_and(|known| known.device().public_key() == leaf.signature_key);
            if !known {
                return Err(Refusal::NotAllowed("a member that this device never verified"));
            }
            let muted = self.roster.values().any(|member| member.device == id && member.muted);
            self.seats.insert((epoch, leaf.index), id);
            roster.insert(leaf.index, Member { device: id, muted });
        }
        let base_key = group.sframe_base_key()?;
        let authenticator = group.epoch_authenticator();
        self.keys.enter(epoch, base_key, own, roster.keys().copied().collect(), now_ms);
        self.seats.retain(|(of, _), _| of + 2 > epoch);
        self.roster = roster;
        self.noted |= self.has_note_taker();
        self.readers.retain(|reader, _| self.roster.values().any(|member| member.device == *reader));
        let members = self
            .roster
            .values()
            .filter_map(|member| Some((member.device, self.card(device, member.device)?)))
            .collect();
        out.push_back(Output::Event(Event::Epoch { call: self.id, epoch, authenticator, members }));
        self.go_live(device, now_ms, out);
        // Others may remember this device as muted, or as not, from before it came back.
        if self.muted || first {
            self.say(&Say::Muted { on: self.muted }, out);
        }
        if self.own_role == Role::DutyOfficer {
            let key = self.caption_key.get_or_insert_with(|| CaptionKey::new(rng)).public();
            self.say(&Say::ReadCaptions { key }, out);
        }
        Ok(())
    }

    fn has_note_taker(&self) -> bool {
        let role = |member: &Member| self.verified.get(&member.device).map(|known| known.device().card().role);
        self.own_role == Role::NoteTaker && !self.roster.is_empty()
            || self.roster.values().any(|member| role(member) == Some(Role::NoteTaker))
    }

    /// The checkpoints by which a message proves something.
    pub(super) fn proofs_in(&self, message: &ServerMessage) -> Vec<String> {
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

    fn card(&self, device: &Device, id: DeviceId) -> Option<Card> {
        if id == device.me().device() {
            return Some(device.me().card().clone());
        }
        Some(self.verified.get(&id)?.device().card().clone())
    }

    /// A call is live when both its people are in it.
    fn go_live(&mut self, device: &Device, now_ms: u64, out: &mut VecDeque<Output>) {
        let Some(ring) = &self.ring else { return };
        let people = [ring.ring().device().card().person, ring.ring().ring().to];
        let present = |person| {
            self.roster
                .values()
                .any(|member| self.card(device, member.device).is_some_and(|card| card.person == person))
        };
        if people.iter().all(|person| present(*person)) {
            self.state = CallState::Live;
            if self.started_ms.is_none() {
                self.started_ms = Some(now_ms);
                out.push_back(Output::Event(Event::Live { call: self.id }));
            }
        } else if self.own_role.speaks() && self.state == CallState::Answering {
            // Came back to a call whose other person is away for a moment.
            self.state = CallState::Live;
        }
    }

    /// An application message. A forged or damaged one is dropped: it can only say less.
    fn heard(&mut self, message: &Blob, me: DeviceId, now_ms: u64) {
        let Some(group) = &mut self.group else { return };
        let Ok(Incoming::Application { leaf, bytes }) = group.process(message.as_slice()) else { return };
        let Ok(say) = serde_json::from_slice::<Say>(&bytes) else { return };
        let Some(sender) = self.roster.get_mut(&leaf) else { return };
        let from = sender.device;
        match say {
            Say::Muted { on } => sender.muted = on,
            Say::ReadCaptions { key } => {
                let staff = self.verified.get(&from).is_some_and(|d| d.device().card().role == Role::DutyOfficer);
                if staff && self.own_role == Role::NoteTaker {
                    let since_ms = self.readers.get(&from).map_or(now_ms, |reader| reader.since_ms);
                    self.readers.insert(from, Reader { key, since_ms });
                }
            }
            Say::Caption { to, enc, sealed } if to == me => {
                let writer = self.verified.get(&from).is_some_and(|d| d.device().card().role == Role::NoteTaker);
                let caption = self.caption_key.as_ref().and_then(|key| key.open(&enc, &sealed));
                if let Some(caption) = caption.filter(|c| writer && c.text.len() <= MAX_CAPTION_BYTES) {
                    self.show(caption);
                }
            }
            Say::Caption { .. } => {}
        }
    }

    fn show(&mut self, caption: Caption) {
        self.behind_ms = Some(caption.behind_ms);
        let name = self.verified.get(&caption.speaker).map_or_else(String::new, |d| d.device().card().name.clone());
        let line = CaptionView { name, caption };
        let new = &line.caption;
        self.captions.retain(|old| {
            let old = &old.caption;
            let draft_of_it = !old.done && old.speaker == new.speaker && old.passage == new.passage;
            !(draft_of_it && (new.done || old.part == new.part))
        });
        // A passage of which nothing was left once it was understood: its drafts are gone, and there is no line.
        if new.text.is_empty() {
            return;
        }
        self.captions.push(line);
        self.captions.sort_by_key(|line| line.caption.start_ms);
        if self.captions.len() > MAX_CAPTIONS {
            self.captions.remove(0);
        }
    }

    pub(super) fn publish_caption(&mut self, caption: &Caption, rng: &mut ChaCha20Rng, out: &mut VecDeque<Output>) {
        // Who came later does not read what was said before: neither the sound nor the words of it are theirs.
        let there = self.readers.iter().filter(|(_, reader)| caption.start_ms >= reader.since_ms);
        let says: Vec<Say> =
            there.filter_map(|(device, reader)| captions::seal(&reader.key, caption, *device, rng)).collect();
        for say in says {
            self.say(&say, out);
        }
    }

    pub(super) fn view(&self, me: DeviceId) -> CallView {
        let from = self.ring.as_ref().map(|ring| ring.ring().device().card().clone());
        let from = from.or_else(|| self.hint.as_ref().map(|hint| hint.0.clone()));
        let callee = self.ring.as_ref().and_then(|ring| {
            let to = ring.ring().ring().to;
            self.verified.values().map(|d| d.device().card()).find(|card| card.person == to).cloned()
        });
        let callee_verified = callee.is_some();
        let to = callee.or_else(|| self.hint.as_ref().map(|hint| hint.1.clone()));
        let own_person = self.verified.get(&me).map(|d| d.device().card().person);
        let i_rang = match self.direction {
            Direction::Out => true,
            Direction::In => own_person.is_some() && own_person == from.as_ref().map(|card| card.person),
            Direction::Listen => false,
        };
        let other = if i_rang { to.clone() } else { from.clone() };
        let verified = if i_rang { callee_verified } else { self.ring.is_some() };
        CallView {
            call: self.id,
            direction: self.direction,
            state: self.state,
            ended: self.ended,
            problem: self.problem.clone(),
            other,
            from,
            to,
            verified,
            mode: self.mode,
            suite: self.suite,
            phrase: self.group.as_ref().filter(|_| self.started_ms.is_some()).and_then(|group| group.phrase().ok()),
            members: self
                .roster
                .values()
                .filter_map(|member| {
                    let you = member.device == me;
                    let card = self.verified.get(&member.device).map(|d| d.device().card().clone());
                    let card = card.or_else(|| you.then(|| self.own_card()).flatten())?;
                    let muted = if you { self.muted } else { member.muted };
                    Some(MemberView { card, device: member.device, you, muted })
                })
                .collect(),
            started_ms: self.started_ms,
            note_taker: self.has_note_taker(),
            noted: self.noted,
            muted: self.muted,
            epoch: self.group.as_ref().map(CallGroup::epoch),
            opened_index: self.opened.map(|(index, _)| index),
            opened_ms: self.opened.map(|(_, time)| time),
            captions: self.captions.clone(),
            captions_behind_ms: self.behind_ms,
        }
    }

    fn own_card(&self) -> Option<Card> {
        let hint = self.hint.as_ref()?;
        match self.direction {
            Direction::Out => Some(hint.0.clone()),
            Direction::In => Some(hint.1.clone()),
            Direction::Listen => None,
        }
    }
}

fn commit_message(call: CallId, own: &OwnCommit, adds: Vec<DeviceId>, removes: Vec<DeviceId>) -> ClientMessage {
    ClientMessage::Commit {
        call,
        epoch: own.epoch,
        commit: blob(&own.commit),
        welcome: own.welcome.as_deref().map(blob),
        adds,
        removes,
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
