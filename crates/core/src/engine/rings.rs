//! Rings beside the call: several people may ring this device at once. The first ring is the engine's call; the others wait here
//! until one of them is answered or declined, or becomes the first.

use crate::{
    Engine,
    call::Call,
    context::Context,
    io::Output,
    view::{AlertLevel, CallView},
};
use std::collections::VecDeque;
use telcon_proto::{
    CallId, ClientMessage, LineId, ServerMessage,
    limits::MAX_RINGS_AT_ONCE,
    message::{DeclineReply, RefusalCode},
};

/// How many declined rings are remembered: one comes again if the office could not be told.
const MAX_DECLINED: usize = 2 * MAX_RINGS_AT_ONCE;

/// What becomes of the call that a person is in when they answer a ring.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Present {
    /// They are told to end it first.
    Stays,
    /// It ends for everybody.
    Ends,
}

/// Rings beside the call.
#[derive(Default)]
pub(super) struct Rings {
    /// Verified rings that were not answered, in the order of their arrival. None of them has a media leg.
    waiting: VecDeque<Call>,
    /// The newest rings that the person declined.
    declined: VecDeque<(CallId, Option<DeclineReply>)>,
}

impl Rings {
    pub(super) fn views(&self) -> Vec<CallView> {
        self.waiting.iter().map(Call::view).collect()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Call> {
        self.waiting.iter()
    }

    /// With what the person declined this ring, if they did since the program started.
    pub(super) fn decline_of(&self, id: CallId) -> Option<ClientMessage> {
        let &(call, reply) = self.declined.iter().find(|(declined, _)| *declined == id)?;
        Some(ClientMessage::Decline { call, reply })
    }

    fn take(&mut self, id: CallId) -> Option<Call> {
        let at = self.waiting.iter().position(|ring| ring.id == id)?;
        self.waiting.remove(at)
    }
}

impl Engine {
    /// Whether this ring is shown already; then it is confirmed once more.
    pub(super) fn confirm_repeated_ring(&mut self, jws: &str) -> Option<CallId> {
        let mut known = self.call.iter_mut().chain(&mut self.rings.waiting);
        known.find_map(|call| call.on_ring_repeated(jws).then_some(call.id))
    }

    /// Whether a further ring is shown beside the present call: while that rings too, or this person talks in it. Whom a principal lets
    /// ring then, the office knows; it is the office's word that nobody else does.
    pub(super) fn shows_further_rings(&self) -> bool {
        let beside = |call: &Call| call.is_ringing() || call.speaks();
        self.call.as_ref().is_some_and(beside) && self.rings.waiting.len() + 1 < MAX_RINGS_AT_ONCE
    }

    /// Shows a verified ring beside the present call, unless too many are shown.
    pub(super) fn add_ring(&mut self, ring: Call) {
        if !self.shows_further_rings() {
            return;
        }
        self.send(ClientMessage::RingShown { call: ring.id });
        self.rings.waiting.push_back(ring);
    }

    /// Answers a ring. What this device rings itself is cancelled; another ring that was the first one waits. A call that this person is in
    /// ends first if they want that.
    pub(super) fn answer(&mut self, id: Option<CallId>, present: Present) {
        if let Some(ring) = id.and_then(|id| self.rings.take(id)) {
            match self.call.take() {
                Some(first) if first.is_ringing_here() => self.rings.waiting.push_front(first),
                Some(own) if !own.is_over() && !own.is_ringing() && present == Present::Stays => {
                    self.call = Some(own);
                    self.rings.waiting.push_back(ring);
                    return self.alert(AlertLevel::Amber, "End the present call before you answer another one.");
                }
                own => {
                    self.call = own;
                    self.with_call(Call::hang_up);
                    self.persist_finished();
                }
            }
            self.call = Some(ring);
            self.with_call(|call, context| call.open_leg(context));
        } else if id.is_some() && self.call.as_ref().map(|call| call.id) != id {
            return self.alert(AlertLevel::Amber, "That ring is over.");
        }
        self.with_call(Call::answer);
    }

    /// This device's ring yielded to glare: answers the ring that resolves it, if that came before the office's refusal.
    pub(super) fn answer_glare(&mut self) {
        let Some(own) = &self.call else { return };
        let resolves = self.rings.waiting.iter().find(|ring| own.matches_glare(ring)).map(|ring| ring.id);
        let Some(ring) = resolves.and_then(|id| self.rings.take(id)) else { return };
        self.call = Some(ring);
        self.with_call(|call, context| call.open_leg(context));
        self.with_call(Call::answer);
    }

    /// Declines a ring: this one, or the first.
    pub(super) fn decline(&mut self, id: Option<CallId>, reply: Option<DeclineReply>) {
        let ringing = self.call.iter().filter(|call| call.is_ringing_here()).chain(&self.rings.waiting);
        let first = ringing.map(|ring| ring.id).find(|ring| id.is_none_or(|id| id == *ring));
        let Some(id) = first else { return };
        self.rings.declined.push_back((id, reply));
        if self.rings.declined.len() > MAX_DECLINED {
            self.rings.declined.pop_front();
        }
        match self.rings.take(id) {
            Some(ring) => self.end_ring(ring, |ring, context| ring.decline(reply, context)),
            None => self.with_call(|call, context| call.decline(reply, context)),
        }
    }

    /// Puts the first ring aside, because its person rings somebody else.
    pub(super) fn set_ring_aside(&mut self) {
        if let Some(first) = self.call.take_if(|call| call.is_ringing_here()) {
            self.rings.waiting.push_front(first);
            self.out.push_back(Output::CloseLeg);
        }
    }

    /// A message about a ring beside the call. Only its end concerns it: it has no leg and no keys.
    pub(super) fn on_ring_message(&mut self, message: &ServerMessage) {
        let how = match message {
            ServerMessage::Ended { how, .. } => how.as_str(),
            ServerMessage::TakenElsewhere { .. } => "taken_elsewhere",
            _ => return,
        };
        if let Some(ring) = message.call().and_then(|call| self.rings.take(call)) {
            self.end_ring(ring, |ring, context| ring.end(how, context));
        }
    }

    /// A line was stopped: who rings over it beside the call does not any more.
    pub(super) fn end_rings_over(&mut self, line: LineId) {
        for ring in std::mem::take(&mut self.rings.waiting) {
            match ring.is_over_line(line) {
                true => self.end_ring(ring, |ring, context| ring.stop_line(true, context)),
                false => self.rings.waiting.push_back(ring),
            }
        }
    }

    /// The office refused something about a ring beside the call; that there is no such call ends it. Returns whether it was one.
    pub(super) fn on_ring_refused(&mut self, call: Option<CallId>, code: RefusalCode) -> bool {
        if code != RefusalCode::NoSuchCall {
            return false;
        }
        let ring = call.and_then(|call| self.rings.take(call));
        ring.map(|ring| self.end_ring(ring, |ring, context| ring.end("missed", context))).is_some()
    }

    /// After a reconnect the office repeats the rings that still ring; see [`Engine::end_unconfirmed_rings`].
    pub(super) fn await_rings_again(&mut self) {
        for mut ring in std::mem::take(&mut self.rings.waiting) {
            ring.on_unknown_to_office(&mut self.context());
            self.rings.waiting.push_back(ring);
        }
    }

    /// The office has sent its whole state: rings that it did not repeat ended meanwhile.
    pub(super) fn end_unconfirmed_rings(&mut self) {
        self.with_call(Call::end_unconfirmed_ring);
        for ring in std::mem::take(&mut self.rings.waiting) {
            self.end_ring(ring, Call::end_unconfirmed_ring);
        }
    }

    /// Acts on a ring beside the call and remembers it if that ended it; otherwise it stays. Media leg and events are the call's:
    /// a ring that ends does not close the leg, and is no end of a call for the program around the engine.
    fn end_ring(&mut self, mut ring: Call, act: impl FnOnce(&mut Call, &mut Context<'_>)) {
        let mut out = VecDeque::new();
        act(&mut ring, &mut Context { out: &mut out, ..self.context() });
        self.out.extend(out.into_iter().filter(|output| !matches!(output, Output::CloseLeg | Output::Event(_))));
        match ring.finished() {
            Some(id) => self.remember_finished(id),
            None => self.rings.waiting.push_back(ring),
        }
    }

    /// The first of the waiting rings takes the place of a call that is over.
    pub(super) fn promote_ring(&mut self) {
        if self.in_call() {
            return;
        }
        if let Some(ring) = self.rings.waiting.pop_front() {
            self.call = Some(ring);
            self.with_call(|call, context| call.open_leg(context));
        }
    }
}
