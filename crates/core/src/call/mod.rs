//! One call on this device, as a state machine: [`phase`] has its states, [`group`] who is in it, [`message`] what members
//! send each other. It takes messages, commands and the time, and puts what is to be done into the engine's output.

mod admission;
pub mod captions;
pub mod checkpoints;
mod frame;
mod glare;
pub mod green_room;
mod group;
mod handle;
pub mod hold;
pub(crate) mod message;
mod phase;
mod preparation;
mod presence;
mod ring;
mod session;
mod view;

use crate::{
    clock::Clock,
    context::Context,
    device::{Device, Engaged, LogHead},
    io::{Event, Output},
    media::silence::silence,
    media::{keyring::OpenError, keyring::OpenedFrame, rate::RateController, rate::SendProfile},
    mls::{GroupError, group::CallGroup, join::PendingJoin},
    view::Direction,
};
use admission::Refusal;
use captions::Caption;
use chacha20::{ChaCha20Rng, rand_core::Rng as _};
pub use frame::ReceivedFrame;
use glare::Glare;
use hold::HoldWord;
use message::GroupMessage;
use phase::{AwaitingWelcome, Current, Ended, ExpectedRing, Incoming, Joining, Phase, Placing, Ringing, SentRing};
use ring::{OpenedRing, check_fresh};
use std::collections::{BTreeMap, BTreeSet};
use telcon_identity::{LoggedDelegation, LoggedDevice, LoggedLine, VerifiedDelegation, VerifiedDevice};
use telcon_proto::{
    Blob, CallId, Card, ClientMessage, DeviceId, LineId, RecordMode, SuiteName,
    delegation::Act,
    limits::{JOIN_REQUEST_INTERVAL_MS, RING_MAX_AGE_MS},
    line::OverLine,
    message::{DeclineReply, Logged, RefusalCode, Ring},
    shift::OnShift,
};

const NOT_OPENED: &str = "Your office did not open this call. Ring again; if that does not help, tell your office.";

/// The two people of a call from the office's list, until their certificates are verified.
#[derive(Clone)]
pub(crate) struct Parties {
    /// The caller.
    pub(crate) caller: Card,
    /// The callee.
    pub(crate) callee: Card,
}

/// A call on this device.
pub(crate) struct Call {
    pub(crate) id: CallId,
    me: VerifiedDevice,
    direction: Direction,
    suite: SuiteName,
    /// Record mode as the office sent it, until the ring is verified.
    mode: RecordMode,
    parties: Option<Parties>,
    muted: bool,
    /// What the callee let the caller know when they declined.
    reply: Option<DeclineReply>,
    /// The callee passed the ring to their office, as the server states it.
    diverted: bool,
    /// The office said that no device of the callee is connected, and that it notifies them.
    notified: bool,
    /// Log index of its sealed record, and whether every note-taker reported its record as incomplete.
    pub(crate) record: Option<(u64, bool)>,
    /// Members of whom a checkpoint was compared and is part of the log that this device follows.
    same_log: BTreeSet<DeviceId>,
    /// The newest checkpoint of each member, until it was compared.
    uncompared: BTreeMap<DeviceId, String>,
    /// Checkpoints that members sent in this call and that this device had already got, perhaps in an earlier call, and that wait for
    /// a proof or are evidence of a fork.
    pub(crate) known_checkpoints: BTreeSet<String>,
    /// Whether a member was shown another log, or may have been.
    pub(crate) log_differs: bool,
    /// Checkpoints of members that the log did not sign.
    pub(crate) invalid_checkpoints: u32,
    /// Who is on shift at devices of places, as the office's server says.
    on_shift: BTreeMap<DeviceId, OnShift>,
    /// The device on which this device's person continues it.
    continued_on: Option<DeviceId>,
    /// A green room opens once it is answered.
    prepares: bool,
    phase: Current,
}

impl Call {
    /// Rings a person: signs the ring, and creates the group so that an answer finds it ready.
    pub(crate) fn place(
        device: &Device,
        callee: Card,
        mode: RecordMode,
        on_behalf: Option<VerifiedDelegation>,
        over: Option<OverLine>,
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
            call: id.at(device.office().domain()),
            from: me.qualified(),
            to: callee.qualified(),
            mode,
            suite,
            at_ms: now_ms,
            on_behalf: on_behalf.as_ref().map(VerifiedDelegation::on_behalf),
            over,
        };
        let jws = telcon_identity::sign_ring(device.key(), device.chain(), &ring);
        let sent = SentRing {
            jws: jws.clone(),
            shown: callee.clone(),
            group: CallGroup::create(device, id, suite)?,
            deadline_ms: now_ms + RING_MAX_AGE_MS,
            on_behalf,
        };
        let parties = Some(Parties { caller: me.card().clone(), callee });
        let phase = Phase::Placing(Placing::Sent(sent));
        let call = Self { parties, ..Self::new(id, device, Direction::Out, mode, phase) };
        Ok((call, ClientMessage::Ring { jws }))
    }

    /// An incoming ring. Everything about it is verified here, before anything is shown.
    pub(crate) fn incoming(
        context: &Context<'_>,
        jws: String,
        opened: &Logged,
        caller: &Logged,
    ) -> Result<Self, Refusal> {
        let (device, fresh_size, now_ms) = (context.device, context.fresh_size, context.now_ms());
        let trust = device.trust();
        let ring = trust.verify_ring(&jws, now_ms)?;
        trust.check_home_ring(&ring)?;
        let caller = trust.verify_device_logged(ring.device().clone(), caller)?;
        let ring = OpenedRing::new(context, trust.verify_opening(ring, opened)?, jws)?;
        admission::check_fresh(trust, caller.entry(), fresh_size)?;
        admission::check_fresh(trust, ring.logged.entry(), fresh_size)?;
        let content = ring.logged.ring().ring();
        if let Some(delegation) = &ring.on_behalf {
            // It may have ended since the ring was signed.
            delegation.delegation().check(Act::Ring, ring.caller(), now_ms)?;
        }
        let me = device.me().card();
        let answering = match me.is_of(&content.to) {
            true => None,
            false => {
                let delegation = context.delegations.answering(&content.to, me, &[now_ms]);
                let delegation = delegation.ok_or(Refusal::NotAllowed("it is for another person"))?;
                check_fresh(context, delegation)?;
                Some(delegation.clone())
            }
        };
        if ring.caller().is_of(&content.to) || ring.principal().is_some_and(|principal| principal.is_of(&content.to)) {
            return Err(Refusal::NotAllowed("the caller rings themselves"));
        }
        let (id, mode) = (content.call.id, content.mode);
        let callee = answering.as_ref().map_or(me, LoggedDelegation::principal).clone();
        ring.check_line(context, callee.role)?;
        let parties = Some(Parties { caller: ring.caller().clone(), callee });
        let join = PendingJoin::new(device, id)?;
        let phase = Phase::Ringing(Ringing::Incoming(Incoming { ring, caller, join, unconfirmed: false, answering }));
        Ok(Self { parties, ..Self::new(id, device, Direction::In, mode, phase) })
    }

    /// Asks to join as a listener.
    pub(crate) fn listen(
        context: &mut Context<'_>,
        id: CallId,
        mode: RecordMode,
        parties: Parties,
    ) -> Result<Self, GroupError> {
        let expected = ExpectedRing::Listening(Box::new(parties.clone()));
        let call = Self::join(context, id, mode, expected)?;
        Ok(Self { parties: Some(parties), ..call })
    }

    /// Rejoins after a restart took this device's keys. `ring_sha256` is the digest of the ring of the call, if known.
    pub(crate) fn rejoin(
        context: &mut Context<'_>,
        id: CallId,
        mode: RecordMode,
        ring_sha256: Option<Blob>,
        muted: bool,
    ) -> Result<Self, GroupError> {
        let call = Self::join(context, id, mode, ExpectedRing::Rejoining(ring_sha256))?;
        Ok(Self { muted, ..call })
    }

    fn join(
        context: &mut Context<'_>,
        id: CallId,
        mode: RecordMode,
        expected: ExpectedRing,
    ) -> Result<Self, GroupError> {
        let device = context.device;
        let direction = if device.me().card().role.speaks() { Direction::In } else { Direction::Listen };
        let waiting =
            AwaitingWelcome { join: PendingJoin::new(device, id)?, expected, answering: None, ask_again_ms: None };
        context.out.push_back(Output::Send(waiting.request(id)));
        context.out.push_back(Output::OpenLeg { call: id });
        let phase = Phase::Joining(Joining::AwaitingWelcome(Box::new(waiting)));
        Ok(Self::new(id, device, direction, mode, phase))
    }

    fn new(id: CallId, device: &Device, direction: Direction, mode: RecordMode, phase: Phase) -> Self {
        let (me, suite) = (device.me().clone(), device.office().suite());
        Self {
            id,
            me,
            direction,
            suite,
            mode,
            parties: None,
            muted: false,
            reply: None,
            diverted: false,
            notified: false,
            record: None,
            same_log: BTreeSet::new(),
            uncompared: BTreeMap::new(),
            known_checkpoints: BTreeSet::new(),
            log_differs: false,
            invalid_checkpoints: 0,
            on_shift: BTreeMap::new(),
            continued_on: None,
            prepares: false,
            phase: Current::new(phase),
        }
    }

    // ---- queries of the engine

    /// Whether it ended.
    pub(crate) fn is_over(&self) -> bool {
        matches!(*self.phase, Phase::Ended(_))
    }

    /// Whether it ended because something failed here.
    pub(crate) fn has_failed(&self) -> bool {
        matches!(&*self.phase, Phase::Ended(ended) if ended.how == "failed")
    }

    /// Whether a refusal of the server ends it: while this device waits to be put through or let in. What is refused later, a
    /// commit or a leg, is one step that failed; only that there is no such call ends a call that nobody has joined yet.
    pub(crate) fn ends_when_refused(&self, code: RefusalCode) -> bool {
        match self.phase.session() {
            None => true,
            Some(session) => code == RefusalCode::NoSuchCall && session.membership.is_empty(),
        }
    }

    /// Whether it rings here and can be answered or declined.
    pub(crate) fn is_ringing_here(&self) -> bool {
        matches!(*self.phase, Phase::Ringing(Ringing::Incoming(_)))
    }

    /// Whether it rings, here or at the other side.
    pub(crate) fn is_ringing(&self) -> bool {
        matches!(*self.phase, Phase::Placing(_) | Phase::Ringing(_))
    }

    /// The person who rings here.
    pub(crate) fn rings_here(&self) -> Option<&Card> {
        match &*self.phase {
            Phase::Ringing(Ringing::Incoming(incoming)) => Some(incoming.ring.caller()),
            _ => None,
        }
    }

    /// Whether this device's person is heard in it: by their role, or because they act for a party.
    pub(crate) fn speaks(&self) -> bool {
        let me = self.me.card();
        // Before there is a session, somebody of another role rings or is rung only for somebody.
        let acts = self.phase.session().map_or(self.direction != Direction::Listen, |session| session.speaks(me));
        me.role.speaks() || acts
    }

    /// Whether this device's audio is sent.
    pub(crate) fn is_live(&self) -> bool {
        matches!(*self.phase, Phase::Live(_))
    }

    /// The call that a person entered here: the device rejoins no other. The office does not know a ring that yielded.
    pub(crate) fn engaged(&self) -> Option<Engaged> {
        match &*self.phase {
            Phase::Placing(Placing::Glare(_)) | Phase::Ringing(Ringing::Incoming(_)) | Phase::Ended(_) => None,
            phase => Some(Engaged { call: self.id, ring: phase.ring_sha256() }),
        }
    }

    /// The id of an ended call: the device neither shows its ring again nor rejoins it.
    pub(crate) fn finished(&self) -> Option<CallId> {
        self.is_over().then_some(self.id)
    }

    /// Whether this device is a party that lost its keys and waits to be let in again.
    pub(crate) fn waits_as_party(&self) -> bool {
        let rejoins = matches!(&*self.phase, Phase::Joining(Joining::AwaitingWelcome(waiting)) if waiting.rejoins());
        rejoins && self.me.card().role.speaks()
    }

    /// The office refused a request as one too many. A party asks again in a moment: giving up would end the call for the other one
    /// too. Returns whether it does.
    pub(crate) fn ask_again_later(&mut self, clock: Clock) -> bool {
        let waits = self.waits_as_party();
        match &mut *self.phase {
            Phase::Joining(Joining::AwaitingWelcome(waiting)) if waits => {
                waiting.ask_again_ms = Some(clock.uptime_ms + JOIN_REQUEST_INTERVAL_MS);
                true
            }
            _ => false,
        }
    }

    fn ask_again_ms(&self) -> Option<u64> {
        match &*self.phase {
            Phase::Joining(Joining::AwaitingWelcome(waiting)) => waiting.ask_again_ms,
            _ => None,
        }
    }

    /// When it was opened, by its log entry, milliseconds since 1970 UTC.
    pub(crate) fn opened_ms(&self) -> Option<u64> {
        self.phase.ring().map(|ring| ring.opened().1)
    }

    /// The signed ring.
    pub(crate) fn ring_jws(&self) -> Option<&str> {
        match &*self.phase {
            Phase::Placing(Placing::Sent(sent)) => Some(&sent.jws),
            phase => phase.ring().map(|ring| ring.jws.as_str()),
        }
    }

    /// A verified device of the call.
    pub(crate) fn member(&self, device: DeviceId) -> Option<&LoggedDevice> {
        self.phase.verified(device)
    }

    /// The version of the line that it is over, once that is verified.
    pub(crate) fn line(&self) -> Option<&LoggedLine> {
        self.phase.ring()?.line.as_ref()
    }

    /// Whether it is over this line.
    pub(crate) fn is_over_line(&self, line: LineId) -> bool {
        self.line().is_some_and(|over| over.id() == line)
    }

    fn mode(&self) -> RecordMode {
        self.phase.ring().map_or(self.mode, |ring| ring.logged.ring().ring().mode)
    }

    fn started_ms(&self) -> Option<u64> {
        if let Phase::Live(live) = &*self.phase { live.started_ms } else { None }
    }

    // ---- glare

    /// The office refused this device's ring because the callee's ring was first. Returns whether that can be: only while the
    /// ring is not opened.
    pub(crate) fn yield_to_glare(&mut self, now_ms: u64) -> bool {
        let Phase::Placing(Placing::Sent(sent)) = &*self.phase else { return false };
        let glare = Glare::new(sent.shown.clone(), self.mode, now_ms);
        *self.phase = Phase::Placing(Placing::Glare(glare));
        true
    }

    /// The glare that this call waits to be resolved by the other party's ring.
    pub(crate) fn yields_on_glare(&self) -> bool {
        matches!(*self.phase, Phase::Placing(Placing::Glare(_)))
    }

    /// Whether `theirs` is the ring that resolves the glare.
    pub(crate) fn matches_glare(&self, theirs: &Self) -> bool {
        match (&*self.phase, theirs.phase.ring()) {
            (Phase::Placing(Placing::Glare(glare)), Some(ring)) => glare.matches(ring),
            _ => false,
        }
    }

    // ---- commands

    /// Answers the ring.
    pub(crate) fn answer(&mut self, context: &mut Context<'_>) {
        let call = self.id;
        self.phase.replace(|phase| match phase {
            Phase::Ringing(Ringing::Incoming(incoming)) => {
                let waiting = incoming.answer();
                context.out.push_back(Output::Send(waiting.request(call)));
                Phase::Joining(Joining::AwaitingWelcome(Box::new(waiting)))
            }
            other => other,
        });
    }

    /// Declines the ring.
    pub(crate) fn decline(&mut self, reply: Option<DeclineReply>, context: &mut Context<'_>) {
        if self.is_ringing_here() {
            self.reply = reply;
            context.out.push_back(Output::Send(ClientMessage::Decline { call: self.id, reply }));
            self.end("declined", context);
        }
    }

    /// Whether this device waits to continue here what its person's other device has.
    fn arrives(&self) -> bool {
        match &*self.phase {
            Phase::Joining(Joining::AwaitingWelcome(waiting)) => waiting.continues(self.me.card()),
            phase => phase.session().is_some_and(|session| session.arriving),
        }
    }

    /// Whether this device's sound is kept back: the packets that it sends are silence.
    fn is_kept_back(&self) -> bool {
        self.phase.session().is_some_and(|session| session.arriving || session.waits_in_room || session.holds.any())
    }

    /// A frame was opened: the media leg is up. If the person continues the call here, their other device stops now, and this one
    /// begins to be heard. Returns whether it did.
    pub(crate) fn on_leg_receives(&mut self, context: &mut Context<'_>) -> bool {
        let Phase::Live(live) = &mut *self.phase else { return false };
        live.session.take_place(context) | live.session.arrive(context)
    }

    /// Whether [`Call::on_leg_receives`] has something to do.
    pub(crate) fn awaits_leg(&self) -> bool {
        matches!(&*self.phase, Phase::Live(live) if live.session.arriving || !live.session.receives)
    }

    /// This device's person continues on another of their devices: the call is over here, and goes on.
    fn leave_to(&mut self, other: DeviceId, context: &mut Context<'_>) {
        self.continued_on = Some(other);
        context.out.push_back(Output::Send(ClientMessage::Leave { call: self.id }));
        self.conclude("continued", None, None, context);
    }

    /// Holds the call with a word to the others, or changes the word. Sound is kept back on all devices that speak.
    pub(crate) fn hold(&mut self, word: HoldWord, text: &str, context: &mut Context<'_>) {
        let (id, me, now_ms) = (self.id, self.me.card().clone(), context.now_ms());
        let Phase::Live(live) = &mut *self.phase else { return };
        let session = &mut live.session;
        if !session.arriving && session.speaks(&me) && session.holds.hold(&me, word, text, now_ms) {
            let said = session.holds.of(&me).map(|hold| (hold.word, hold.text.clone()));
            session.announce_hold(context);
            context.out.push_back(Output::Event(Event::Held { call: id, by: me, said }));
        }
    }

    /// Ends this person's hold.
    pub(crate) fn resume_hold(&mut self, context: &mut Context<'_>) {
        let (id, me) = (self.id, self.me.card().clone());
        let Some(session) = self.phase.session_mut() else { return };
        if session.holds.resume(&me) {
            session.holds.held_before = true;
            session.announce_hold(context);
            context.out.push_back(Output::Event(Event::Held { call: id, by: me, said: None }));
        }
    }

    /// Asks the principal for whom this device's person acts, or acted, to the call.
    pub(crate) fn hand_over(&mut self, context: &mut Context<'_>) {
        let me = self.me.card();
        let session = self.phase.session();
        let acts = session.is_some_and(|session| session.acting().any(|(known, ..)| known.delegate() == me));
        if acts {
            context.out.push_back(Output::Send(ClientMessage::HandOver { call: self.id }));
        }
    }

    /// Cancels the ring, ends the call, or leaves it. While the person's other device has it, it stays there.
    pub(crate) fn hang_up(&mut self, context: &mut Context<'_>) {
        if self.arrives() {
            let session = self.phase.session();
            self.continued_on = session.and_then(|session| session.own_other_devices(&self.me).next());
            context.out.push_back(Output::Send(ClientMessage::Leave { call: self.id }));
            return self.conclude("continued", None, None, context);
        }
        if self.waits_in_room() {
            return self.step_out(context);
        }
        let me = self.me.card();
        if let Some(session) = self.phase.session_mut()
            && session.is_party(me)
        {
            session.send(&GroupMessage::HangUp, context.out);
        }
        if !self.yields_on_glare() {
            context.out.push_back(Output::Send(ClientMessage::HangUp { call: self.id, failed: false }));
        }
        let unanswered = self.direction == Direction::Out && self.started_ms().is_none();
        self.conclude(if unanswered { "cancelled" } else { "hung_up" }, None, Some(self.me.card().clone()), context);
    }

    /// Mutes or unmutes the microphone. The members learn it from this device's next frame.
    pub(crate) fn mute(&mut self, on: bool) {
        self.muted = on;
    }

    /// Queues a caption for the members who may read it.
    pub(crate) fn publish_caption(&mut self, caption: Caption) {
        if let Some(session) = self.phase.session_mut() {
            session.captions.queue(caption);
        }
    }

    /// Sends the members the newest checkpoint of the log, if they do not have it.
    pub(crate) fn send_checkpoint(&mut self, context: &mut Context<'_>) {
        if let Some(session) = self.phase.session_mut() {
            session.send_checkpoint(context);
        }
    }

    /// The checkpoints that members sent since the last time.
    pub(crate) fn take_checkpoints(&mut self) -> BTreeMap<DeviceId, String> {
        let Some(session) = self.phase.session_mut() else { return BTreeMap::new() };
        self.same_log.retain(|device| session.membership.contains(*device));
        self.uncompared.retain(|device, _| session.membership.contains(*device));
        session.checkpoints.take_received()
    }

    /// A member sent a checkpoint that the log signed. Several members send the same one.
    pub(crate) fn await_comparison(&mut self, device: DeviceId, checkpoint: String) {
        self.uncompared.insert(device, checkpoint);
    }

    /// A checkpoint is part of the log that this device follows: so are those of all members who sent it.
    pub(crate) fn mark_same_log(&mut self, checkpoint: &str) {
        let same = self.uncompared.extract_if(.., |_, uncompared| uncompared.as_str() == checkpoint);
        self.same_log.extend(same.map(|(device, _)| device));
    }

    /// A member's checkpoint cannot be compared.
    pub(crate) fn mark_unknown_log(&mut self, device: DeviceId) {
        self.same_log.remove(&device);
    }

    /// Asks for a media leg, replacing one that is there.
    pub(crate) fn open_leg(&self, context: &mut Context<'_>) {
        context.out.push_back(Output::OpenLeg { call: self.id });
    }

    // ---- the end

    /// Ends the call because of a problem that the person must know.
    pub(crate) fn give_up(&mut self, problem: String, context: &mut Context<'_>) {
        self.conclude("failed", Some(problem), None, context);
    }

    /// Ends the call.
    pub(crate) fn end(&mut self, how: &'static str, context: &mut Context<'_>) {
        let session = self.phase.session();
        let by = session.and_then(|session| session.membership.card(&self.me, session.hang_up_signed_by?));
        self.conclude(how, None, by, context);
    }

    fn conclude(
        &mut self,
        how: &'static str,
        problem: Option<String>,
        hung_up_by: Option<Card>,
        context: &mut Context<'_>,
    ) {
        if self.is_over() {
            return;
        }
        let signed_by = self.phase.session().and_then(|session| session.hang_up_signed_by);
        let verified = self.phase.session().map(|session| session.membership.verified.clone()).unwrap_or_default();
        let (ring, view) = (self.phase.ring().cloned(), Box::new(self.view()));
        *self.phase = Phase::Ended(Ended { how, hung_up_by, problem, ring, verified, view });
        context.out.push_back(Output::CloseLeg);
        context.out.push_back(Output::Event(Event::Ended { call: self.id, how, signed_by }));
    }

    /// Its line was stopped: a ring ends here and is not answered; a call ends for everybody, unless the line is only paused.
    pub(crate) fn stop_line(&mut self, paused: bool, context: &mut Context<'_>) {
        if self.is_ringing_here() {
            self.end("revoked", context);
        } else if !paused && !self.is_over() {
            context.out.push_back(Output::Send(ClientMessage::HangUp { call: self.id, failed: false }));
            self.end("revoked", context);
        }
    }

    // ---- the connection

    /// The connection to the office is lost. Media goes on.
    pub(crate) fn connection_lost(&mut self) {
        if let Phase::Live(live) = &mut *self.phase {
            live.connected = false;
        }
    }

    /// The connection is back, and the office still has this call.
    pub(crate) fn resume(&mut self, context: &mut Context<'_>) {
        match &mut *self.phase {
            Phase::Ringing(Ringing::Incoming(_)) | Phase::Ended(_) => return,
            Phase::Placing(Placing::Glare(_)) => {}
            Phase::Placing(Placing::Sent(_)) => {
                context.out.push_back(Output::Send(ClientMessage::Resume { call: self.id, after: 0 }));
            }
            Phase::Joining(Joining::AwaitingWelcome(waiting)) => match waiting.renew(context.device, self.id) {
                Ok(request) => context.out.push_back(Output::Send(request)),
                Err(refusal) => return self.give_up(format!("This device could not make keys: {refusal}."), context),
            },
            Phase::Live(live) => live.connected = true,
            Phase::Ringing(Ringing::Outgoing(_)) | Phase::Joining(Joining::AwaitingParties(_)) => {}
        }
        if let Some(session) = self.phase.session_mut() {
            session.presence.grant_grace(context.clock.uptime_ms);
            session.checkpoints.on_resumed(context.clock.uptime_ms);
            let after = session.membership.seq;
            context.out.push_back(Output::Send(ClientMessage::Resume { call: self.id, after }));
            context.out.extend(session.membership.pending_message().map(Output::Send));
        }
        self.open_leg(context);
    }

    /// After a reconnect, this device is not in the call according to the office. If it rang here it may still ring: then the
    /// office repeats the ring before it has sent its whole state. A request that the office may not have received is sent
    /// again; the office handles it once, or refuses it with a reason.
    pub(crate) fn on_unknown_to_office(&mut self, context: &mut Context<'_>) {
        match &mut *self.phase {
            Phase::Ringing(Ringing::Incoming(incoming)) => incoming.unconfirmed = true,
            Phase::Placing(Placing::Sent(sent)) => {
                context.out.push_back(Output::Send(ClientMessage::Ring { jws: sent.jws.clone() }));
            }
            Phase::Joining(Joining::AwaitingWelcome(waiting)) if waiting.answered() => {
                context.out.push_back(Output::Send(waiting.request(self.id)));
                self.open_leg(context);
            }
            _ => self.end("interrupted", context),
        }
    }

    /// Whether this is the ring that rings here already, repeated after a reconnect.
    pub(crate) fn on_ring_repeated(&mut self, jws: &str) -> bool {
        let Phase::Ringing(Ringing::Incoming(incoming)) = &mut *self.phase else { return false };
        let same = incoming.ring.jws == jws;
        incoming.unconfirmed &= !same;
        same
    }

    /// The office has sent its whole state: a ring that was not repeated ended while this device was disconnected.
    pub(crate) fn end_unconfirmed_ring(&mut self, context: &mut Context<'_>) {
        if matches!(&*self.phase, Phase::Ringing(Ringing::Incoming(Incoming { unconfirmed: true, .. }))) {
            self.end("missed", context);
        }
    }

    // ---- media

    /// Seals one packet. Nothing is sent before the call is live.
    pub(crate) fn seal(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        let kept_back = self.is_kept_back();
        let Phase::Live(live) = &mut *self.phase else { return None };
        live.session.membership.keys.set_muted(self.muted || kept_back);
        match kept_back {
            true => live.session.membership.keys.seal(&silence(packet.len())),
            false => live.session.membership.keys.seal(packet),
        }
    }

    /// Opens one frame. Also returns whether its sender muted or unmuted its microphone.
    pub(crate) fn open(&mut self, frame: &[u8]) -> Result<(ReceivedFrame, bool), OpenError> {
        let session = self.phase.session_mut().ok_or(OpenError::UnknownEpoch)?;
        let OpenedFrame { leaf, epoch, counter, packet, duplicate, earlier, aggregated, muted } =
            session.membership.keys.open(frame)?;
        let device = session.membership.leaf_owner(epoch, leaf).ok_or(OpenError::NotAMember)?;
        let mute_changed = session.membership.on_frame(device, (epoch, counter), muted);
        let mut frame =
            ReceivedFrame { device, stream: (epoch, leaf), counter, packet, duplicate, earlier, aggregated };
        if session.waits_in_room {
            frame.silence();
        }
        Ok((frame, mute_changed))
    }

    /// How this device sends.
    pub(crate) fn send_profile(&self) -> SendProfile {
        let session = self.phase.session();
        session.map_or_else(|| RateController::default().profile(), |session| session.membership.keys.send_profile())
    }

    /// See [`crate::Engine::record_arrival`].
    pub(crate) fn record_arrival(&mut self, frame: &ReceivedFrame, now_us: u64) {
        if let Some(session) = self.phase.session_mut() {
            session.membership.keys.record_arrival(frame.stream.1, frame.counter, now_us);
        }
    }

    // ---- time

    /// When [`Call::tick`] is due, milliseconds since 1970 UTC.
    pub(crate) fn next_wakeup_ms(&self, clock: Clock, log: Option<&LogHead>, unattended: bool) -> Option<u64> {
        let wall_ms = |uptime_ms: u64| clock.wall_ms + uptime_ms.saturating_sub(clock.uptime_ms);
        let session = self.phase.session();
        let expiry = session.and_then(|session| session.membership.keys.next_expiry_ms());
        let heartbeat = session.and_then(|session| session.heartbeat_due_ms).map(wall_ms);
        let captions = session.and_then(|session| session.captions.due_ms()).map(wall_ms);
        let checkpoint = session.and_then(|session| session.checkpoint_due_ms(log, unattended)).map(wall_ms);
        let (lost, rekey) = match &*self.phase {
            Phase::Live(live) if live.connected => {
                (live.session.presence.next_deadline_ms().map(wall_ms), live.session.rekey_due_ms.map(wall_ms))
            }
            _ => (None, None),
        };
        let ask_again = self.ask_again_ms().map(wall_ms);
        let continues = session.and_then(|session| session.continue_due_ms()).map(wall_ms);
        let room = session.and_then(|session| session.room.due_ms()).map(wall_ms);
        [expiry, heartbeat, captions, checkpoint, lost, rekey, ask_again, continues, room, self.placing_deadline_ms()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Time passed. Returns whether the view changed.
    pub(crate) fn tick(&mut self, context: &mut Context<'_>) -> bool {
        if self.placing_deadline_ms().is_some_and(|at| context.now_ms() >= at) {
            if !self.yields_on_glare() {
                // The office may have opened it all the same.
                context.out.push_back(Output::Send(ClientMessage::HangUp { call: self.id, failed: true }));
            }
            self.give_up(NOT_OPENED.to_owned(), context);
            return true;
        }
        if let Phase::Joining(Joining::AwaitingWelcome(waiting)) = &mut *self.phase
            && waiting.ask_again_ms.is_some_and(|at| context.clock.uptime_ms >= at)
        {
            waiting.ask_again_ms = None;
            context.out.push_back(Output::Send(waiting.request(self.id)));
        }
        let Some(session) = self.phase.session_mut() else { return false };
        session.membership.keys.expire(context.now_ms());
        if session.heartbeat_due_ms.is_some_and(|at| context.clock.uptime_ms >= at) {
            session.send_heartbeat(context);
        }
        session.send_captions(context);
        session.continue_again(context);
        session.send_checkpoint(context);
        let connected = session.room.due_ms().is_some_and(|at| context.clock.uptime_ms >= at);
        if connected {
            session.settle_room(context);
        }
        let speaks = session.speaks(self.me.card());
        // While this device is disconnected it receives no heartbeats.
        let Phase::Live(live) = &mut *self.phase else { return false };
        if !live.connected {
            return connected;
        }
        let rekeyed = if speaks { live.session.rekey(context) } else { Ok(()) };
        let lost = live.session.presence.expire(context.clock.uptime_ms);
        if let Err(refusal) = rekeyed {
            context.out.push_back(Output::Send(ClientMessage::HangUp { call: self.id, failed: true }));
            self.give_up(format!("This device could not make new keys for the call: {refusal}."), context);
            return true;
        }
        lost || connected
    }

    /// Until when the office may prove the opening of a ring: later it could not be verified any more.
    fn placing_deadline_ms(&self) -> Option<u64> {
        match &*self.phase {
            Phase::Placing(Placing::Sent(sent)) => Some(sent.deadline_ms),
            Phase::Placing(Placing::Glare(glare)) => Some(glare.deadline_ms),
            _ => None,
        }
    }
}

#[cfg(feature = "test-keys")]
impl Call {
    /// The group, for a device that does not follow its engine's rules.
    pub(crate) fn group_mut(&mut self) -> Option<&mut CallGroup> {
        Some(&mut self.phase.session_mut()?.membership.group)
    }

    /// The media keys.
    pub(crate) fn keys_mut(&mut self) -> Option<&mut crate::media::keyring::Keyring> {
        Some(&mut self.phase.session_mut()?.membership.keys)
    }

    /// Takes over the caption readers that another device of the call knows.
    pub(crate) fn take_caption_readers(&mut self, of: &Self) {
        if let (Some(own), Some(other)) = (self.phase.session_mut(), of.phase.session()) {
            own.captions.take_readers_of(&other.captions);
        }
    }

    /// The secrets of the current epoch, as MLS stores them.
    pub(crate) fn epoch_secrets(&self) -> Option<Vec<u8>> {
        self.phase.session()?.membership.group.epoch_secrets().map(|secrets| secrets.to_vec())
    }

    /// The SFrame base key of the current epoch.
    pub(crate) fn sframe_base_key(&self) -> Option<Vec<u8>> {
        self.phase.session()?.membership.group.sframe_base_key().ok().map(|key| key.to_vec())
    }
}

fn blob(bytes: &[u8]) -> Blob {
    Blob(bytes.to_vec())
}
