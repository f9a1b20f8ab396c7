//! The phases of a call on this device. Each carries what has been proved so far, and is made only from the phase before
//! it: a ring that is not in the log has no session, and an ended call has no keys.

use super::{
    Parties,
    admission::{self, Refusal},
    blob,
    glare::Glare,
    green_room::GreenRoom,
    ring::OpenedRing,
    session::Session,
};
use crate::{
    context::Context,
    device::Device,
    mls::{Leaf, group::CallGroup, join::PendingJoin, phrase::Phrase},
    view::{CallState, CallView},
};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use telcon_identity::{LoggedDelegation, LoggedDevice, LoggedRing, VerifiedDelegation};
use telcon_proto::{Blob, CallId, Card, ClientMessage, DeviceId, Role, message::Logged};

/// Phase of the call.
#[expect(clippy::large_enum_variant, reason = "a device is in one call, which rings before anything else")]
pub(super) enum Phase {
    /// This device rang; nothing is proved yet.
    Placing(Placing),
    /// The opening is in the log.
    Ringing(Ringing),
    /// Answered, or asked to join; not live yet.
    Joining(Joining),
    /// In the call, with keys.
    Live(Live),
    /// Over: only the view is left. There are no keys.
    Ended(Ended),
}

/// An outgoing ring that the office has not opened.
#[expect(clippy::large_enum_variant, reason = "a device has few calls; boxing would only add an indirection")]
pub(super) enum Placing {
    /// Sent; the office has to prove its opening.
    Sent(SentRing),
    /// Refused because the callee's ring to this device was first.
    Glare(Glare),
}

/// An outgoing ring on its way to the log.
pub(super) struct SentRing {
    /// The signed ring.
    pub(super) jws: String,
    /// The callee, from the office's list.
    pub(super) shown: Card,
    /// The call's group, with this device as its only member: an answer finds it ready.
    pub(super) group: CallGroup,
    /// Until when the office may prove the opening, milliseconds since 1970 UTC.
    pub(super) deadline_ms: u64,
    /// This device's person rings for its principal.
    pub(super) on_behalf: Option<VerifiedDelegation>,
}

/// A ring that is in the log and not answered.
#[expect(clippy::large_enum_variant, reason = "a device has few calls; boxing would only add an indirection")]
pub(super) enum Ringing {
    /// This device rang. Listeners may have joined already.
    Outgoing(Box<Session>),
    /// This device is rung.
    Incoming(Incoming),
}

/// A verified incoming ring.
pub(super) struct Incoming {
    /// The ring.
    pub(super) ring: OpenedRing,
    /// The caller's device, proved to be in the log.
    pub(super) caller: LoggedDevice,
    /// The key package of an answer. It leaves the device only with one.
    pub(super) join: PendingJoin,
    /// The connection was lost while it rang, and the office has not repeated the ring since.
    pub(super) unconfirmed: bool,
    /// This device's person answers for its principal, who is rung.
    pub(super) answering: Option<LoggedDelegation>,
}

/// On the way into the call.
pub(super) enum Joining {
    /// The key package is sent; a member has to add this device.
    AwaitingWelcome(Box<AwaitingWelcome>),
    /// A listener with keys, while the two parties are not both in the call.
    AwaitingParties(Box<Session>),
}

/// A device that waits to be added.
pub(super) struct AwaitingWelcome {
    /// The key package that was sent.
    pub(super) join: PendingJoin,
    /// The call that the welcome must be to.
    pub(super) expected: ExpectedRing,
    /// This device's person answered for its principal.
    pub(super) answering: Option<LoggedDelegation>,
    /// When to ask again, by the uptime: the office refused a request as one too many. None otherwise.
    pub(super) ask_again_ms: Option<u64>,
}

/// What is known of the ring before the welcome.
#[expect(clippy::large_enum_variant, reason = "a device has few calls; boxing would only add an indirection")]
pub(super) enum ExpectedRing {
    /// Answered: the ring was verified when it was shown.
    Verified(OpenedRing, LoggedDevice),
    /// Rejoining after a restart: SHA-256 of the ring of the call that this device was in.
    Rejoining(Option<Blob>),
    /// Listening: the ring comes with the welcome. The parties are those that the screen showed.
    Listening(Box<Parties>),
}

/// In the call.
pub(super) struct Live {
    /// Ring, group and keys.
    pub(super) session: Box<Session>,
    /// When both parties were first in the call here, milliseconds since 1970 UTC; none for a party that rejoined while
    /// the other is away.
    pub(super) started_ms: Option<u64>,
    /// Whether there is a connection to the office.
    pub(super) connected: bool,
    /// The commit that made it live, while it is not confirmed.
    pub(super) optimistic: Option<OptimisticCommit>,
}

/// A commit of this device that it acts on before the switchboard has confirmed it.
pub(super) struct OptimisticCommit {
    /// The devices in the epoch of the commit: this one and those that it adds.
    pub(super) members: Vec<DeviceId>,
    /// The phrase of that epoch.
    pub(super) phrase: Phrase,
}

/// What remains of an ended call.
pub(super) struct Ended {
    /// How it ended.
    pub(super) how: &'static str,
    /// Who hung up, as far as that is authenticated.
    pub(super) hung_up_by: Option<Card>,
    /// What went wrong, as a sentence for the person.
    pub(super) problem: Option<String>,
    /// The ring, if it was in the log.
    pub(super) ring: Option<OpenedRing>,
    /// The devices that were verified.
    pub(super) verified: BTreeMap<DeviceId, LoggedDevice>,
    /// The screen as it was.
    pub(super) view: Box<CallView>,
}

/// The phase of a call, which changes only by [`Current::replace`] and assignment.
pub(super) struct Current(Option<Phase>);

impl Current {
    pub(super) fn new(phase: Phase) -> Self {
        Self(Some(phase))
    }

    /// Replaces the phase by what `next` makes of it: a phase hands what it has proved to its successor.
    pub(super) fn replace(&mut self, next: impl FnOnce(Phase) -> Phase) {
        self.0 = self.0.take().map(next);
    }
}

impl std::ops::Deref for Current {
    type Target = Phase;

    fn deref(&self) -> &Phase {
        self.0.as_ref().expect("invariant: empty only while it is replaced")
    }
}

impl std::ops::DerefMut for Current {
    fn deref_mut(&mut self) -> &mut Phase {
        self.0.as_mut().expect("invariant: empty only while it is replaced")
    }
}

impl Phase {
    /// The session, in the phases that have one.
    pub(super) fn session(&self) -> Option<&Session> {
        match self {
            Self::Ringing(Ringing::Outgoing(session)) | Self::Joining(Joining::AwaitingParties(session)) => {
                Some(session)
            }
            Self::Live(live) => Some(&live.session),
            Self::Placing(_) | Self::Ringing(Ringing::Incoming(_)) | Self::Joining(_) | Self::Ended(_) => None,
        }
    }

    /// The session, in the phases that have one.
    pub(super) fn session_mut(&mut self) -> Option<&mut Session> {
        match self {
            Self::Ringing(Ringing::Outgoing(session)) | Self::Joining(Joining::AwaitingParties(session)) => {
                Some(session)
            }
            Self::Live(live) => Some(&mut live.session),
            Self::Placing(_) | Self::Ringing(Ringing::Incoming(_)) | Self::Joining(_) | Self::Ended(_) => None,
        }
    }

    /// The verified ring, once there is one.
    pub(super) fn ring(&self) -> Option<&OpenedRing> {
        match self {
            Self::Ringing(Ringing::Incoming(incoming)) => Some(&incoming.ring),
            Self::Joining(Joining::AwaitingWelcome(waiting)) => waiting.expected.verified(),
            Self::Ended(ended) => ended.ring.as_ref(),
            _ => self.session().map(|session| &session.ring),
        }
    }

    /// The state to show.
    pub(super) fn state(&self) -> CallState {
        match self {
            Self::Placing(_) => CallState::Opening,
            Self::Ringing(_) => CallState::Ringing,
            Self::Joining(_) => CallState::Answering,
            Self::Live(live) if live.connected => CallState::Live,
            Self::Live(_) => CallState::Reconnecting,
            Self::Ended(_) => CallState::Ended,
        }
    }

    /// SHA-256 of the ring of this call, as far as it is known: a restart rejoins no other.
    pub(super) fn ring_sha256(&self) -> Option<Blob> {
        let sha256 = |jws: &str| Blob(Sha256::digest(jws).to_vec());
        match self {
            Self::Placing(Placing::Sent(sent)) => Some(sha256(&sent.jws)),
            Self::Joining(Joining::AwaitingWelcome(waiting)) => match &waiting.expected {
                ExpectedRing::Rejoining(ring_sha256) => ring_sha256.clone(),
                expected => expected.verified().map(|ring| sha256(&ring.jws)),
            },
            _ => self.ring().map(|ring| sha256(&ring.jws)),
        }
    }

    /// The devices that were verified.
    pub(super) fn verified(&self, device: DeviceId) -> Option<&LoggedDevice> {
        match self {
            Self::Ringing(Ringing::Incoming(Incoming { caller, .. })) => {
                Some(caller).filter(|caller| caller.device().device() == device)
            }
            Self::Ended(ended) => ended.verified.get(&device),
            _ => self.session()?.membership.verified.get(&device),
        }
    }
}

impl SentRing {
    /// The office proved the opening: it rings.
    pub(super) fn opened(self, ring: OpenedRing) -> Ringing {
        let mut session = Session::new(ring, self.group, 0, vec![self.shown], BTreeMap::new());
        session.room = GreenRoom::none_yet();
        Ringing::Outgoing(Box::new(session))
    }
}

impl Incoming {
    /// A person answers: the key package goes out.
    pub(super) fn answer(self) -> AwaitingWelcome {
        AwaitingWelcome {
            join: self.join,
            expected: ExpectedRing::Verified(self.ring, self.caller),
            answering: self.answering,
            ask_again_ms: None,
        }
    }
}

impl AwaitingWelcome {
    /// The request to be added, which is repeated after a reconnect.
    pub(super) fn request(&self, call: CallId) -> ClientMessage {
        let key_package = blob(self.join.key_package());
        match self.expected {
            ExpectedRing::Verified(..) => ClientMessage::Answer { call, key_package },
            ExpectedRing::Rejoining(_) | ExpectedRing::Listening(_) => ClientMessage::AskJoin { call, key_package },
        }
    }

    /// Whether it answered a ring that it verified.
    pub(super) fn answered(&self) -> bool {
        matches!(self.expected, ExpectedRing::Verified(..))
    }

    /// Whether it was in the call before, and lost its keys.
    pub(super) fn rejoins(&self) -> bool {
        matches!(self.expected, ExpectedRing::Rejoining(_))
    }

    /// Whether its person chose the call from the office's list.
    pub(super) fn listens(&self) -> bool {
        matches!(self.expected, ExpectedRing::Listening(_))
    }

    /// Whether it is to continue here the call that its person is in on another device, as the list showed it.
    pub(super) fn continues(&self, me: &Card) -> bool {
        let party = |parties: &Parties| [&parties.caller, &parties.callee].iter().any(|card| card.is_same_person(me));
        matches!(&self.expected, ExpectedRing::Listening(parties) if party(parties))
    }

    /// Asks again after a reconnect. A member may have added this device while it was away: then the key package is used up,
    /// and the welcome for it is lost, so that another one is needed. An answer stands as it is.
    pub(super) fn renew(&mut self, device: &Device, call: CallId) -> Result<ClientMessage, Refusal> {
        self.ask_again_ms = None;
        if !self.answered() {
            self.join = PendingJoin::new(device, call)?;
        }
        Ok(self.request(call))
    }

    /// A member added this device: verifies the ring and every member before the group is used.
    pub(super) fn welcome(&mut self, context: &Context<'_>, welcome: Welcome<'_>) -> Result<Session, Refusal> {
        let device = context.device;
        let ring = self.expected.ring(context, &welcome)?;
        if ring.logged.ring().ring().call.id != welcome.call {
            return Err(Refusal::NotAllowed("a welcome with the ring of another call"));
        }
        let me = device.me().qualified();
        let mut members = Vec::new();
        let mut check = |leaves: &[Leaf]| -> Result<(), Refusal> {
            for leaf in leaves {
                members.push(ring.verify_member(context, leaf, welcome.devices)?);
            }
            Ok(())
        };
        let suite = ring.logged.ring().ring().suite;
        let group = self.join.join(welcome.call, suite, welcome.welcome.as_slice(), &mut check)?;
        if !members.iter().any(|member| member.device().qualified() == me) {
            return Err(Refusal::NotAllowed("a welcome to a call without this device in it"));
        }
        let shown = self.expected.check_shown(&ring.logged, &members)?;
        let cards: Vec<_> = members.iter().map(|member| member.device().card()).collect();
        for (n, card) in cards.iter().enumerate() {
            cards[..n].iter().try_for_each(|known| admission::check_same_words(known, card))?;
        }
        self.expected.check_line(context, &ring, &members)?;
        let mut verified: BTreeMap<_, _> =
            members.into_iter().map(|member| (member.device().device(), member)).collect();
        if let ExpectedRing::Verified(_, caller) = &self.expected {
            verified.entry(caller.device().device()).or_insert_with(|| caller.clone());
        }
        let mut session = Session::new(ring, group, welcome.seq, shown, verified);
        session.answers = self.answering.clone();
        if self.answered() {
            session.room = GreenRoom::none_yet();
        }
        let cards: Vec<Card> =
            session.membership.verified.values().map(|known| known.device().card().clone()).collect();
        cards.iter().try_for_each(|card| session.note_answer(context, card))?;
        session.arriving = self.listens();
        Ok(session)
    }
}

/// The welcome of a member, with the server's proofs.
pub(super) struct Welcome<'a> {
    /// The call.
    pub(super) call: CallId,
    /// Sequence number of the commit that added this device.
    pub(super) seq: u64,
    /// The MLS welcome.
    pub(super) welcome: &'a Blob,
    /// The signed ring.
    pub(super) ring: String,
    /// Its opening in the log.
    pub(super) opened: &'a Logged,
    /// The members' devices in the log.
    pub(super) devices: &'a [Logged],
}

impl ExpectedRing {
    fn verified(&self) -> Option<&OpenedRing> {
        match self {
            Self::Verified(ring, _) => Some(ring),
            Self::Rejoining(_) | Self::Listening(_) => None,
        }
    }

    /// Holds the ring and the members to what the screen showed before them. Gives the cards that those who join later are
    /// held to.
    fn check_shown(&self, ring: &LoggedRing, members: &[LoggedDevice]) -> Result<Vec<Card>, Refusal> {
        let Self::Listening(parties) = self else { return Ok(Vec::new()) };
        let shown = vec![parties.caller.clone(), parties.callee.clone()];
        let certified = ring.ring().device().card();
        if !parties.caller.is_same_person(certified) || !parties.callee.is_of(&ring.ring().ring().to) {
            return Err(Refusal::NotAllowed("the office's list showed other people than this call's ring names"));
        }
        let members = members.iter().map(|member| member.device().card());
        for card in members.chain([certified]) {
            shown.iter().try_for_each(|shown| admission::check_shown(shown, card))?;
        }
        Ok(shown)
    }

    /// Holds a ring that comes with a welcome to its line.
    fn check_line(&self, context: &Context<'_>, ring: &OpenedRing, members: &[LoggedDevice]) -> Result<(), Refusal> {
        let to = &ring.logged.ring().ring().to;
        let member = members.iter().map(|member| member.device().card()).find(|card| card.is_of(to));
        let callee = match self {
            Self::Verified(..) => return Ok(()),
            _ if member.is_some() => member.map(|card| card.role),
            Self::Listening(parties) => Some(parties.callee.role),
            // The ring was verified here before this device lost its keys.
            Self::Rejoining(Some(_)) => Some(Role::Principal),
            Self::Rejoining(None) => None,
        };
        // Of a callee whose role is not known it is not known either that they need no line.
        ring.check_line_past(context, callee.unwrap_or(Role::Counterpart))
    }

    /// The ring of the call. A ring that was verified here is not replaced: the server cannot change what was answered.
    fn ring(&self, context: &Context<'_>, welcome: &Welcome<'_>) -> Result<OpenedRing, Refusal> {
        match self {
            Self::Verified(ring, _) => return Ok(ring.clone()),
            Self::Rejoining(Some(known)) if known.as_slice() != Sha256::digest(&welcome.ring).as_slice() => {
                return Err(Refusal::NotAllowed("a welcome to another call than this device was in"));
            }
            Self::Rejoining(_) | Self::Listening(_) => {}
        }
        let trust = context.device.trust();
        let ring = trust.verify_ring_past(&welcome.ring)?;
        trust.check_home_ring(&ring)?;
        if ring.ring().mode < trust.home().floor() {
            return Err(Refusal::NotAllowed("its record mode is below the office's minimum"));
        }
        let logged = trust.verify_opening(ring, welcome.opened)?;
        admission::check_fresh(trust, logged.entry(), context.fresh_size)?;
        OpenedRing::new(context, logged, welcome.ring.clone())
    }
}
