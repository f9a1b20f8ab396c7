//! The green room in a call: who is of which side, by the ring, the delegations and the verified members.

use super::{
    Call,
    green_room::{Change, RoomEvent, RoomParty, RoomSaid, Seat, Statement, view::GreenRoomView},
    message::GroupMessage,
    phase::Phase,
    session::Session,
};
use crate::{
    context::Context,
    io::{Event, Output},
};
use telcon_identity::{LoggedDelegation, VerifiedDevice};
use telcon_proto::{Card, ClientMessage, RecordMode};

impl Session {
    /// The two sides, the caller's first.
    fn room_parties(&self, me: &VerifiedDevice) -> [RoomParty; 2] {
        let members: Vec<_> =
            self.membership.devices().filter_map(|device| Some((device, self.membership.card(me, device)?))).collect();
        let (to, caller) = (&self.ring.logged.ring().ring().to, self.ring.caller());
        let answers = self.answers.as_ref();
        let rung = || members.iter().map(|(_, card)| card).find(|card| card.is_of(to)).cloned();
        let mut parties = [
            RoomParty {
                principal: Some(self.ring.principal().unwrap_or(caller).clone()),
                delegate: self.ring.principal().map(|_| caller.clone()),
                devices: Vec::new(),
            },
            RoomParty {
                principal: answers.map(LoggedDelegation::principal).cloned().or_else(rung),
                delegate: answers.map(|known| known.delegate().clone()),
                devices: Vec::new(),
            },
        ];
        for party in &mut parties {
            let Some(principal) = &party.principal else { continue };
            let own = members.iter().filter(|(_, card)| card.is_same_person(principal));
            party.devices = own.map(|(device, _)| *device).collect();
        }
        parties
    }

    /// Of which side a person is.
    fn seat(parties: &[RoomParty; 2], person: &Card) -> Option<Seat> {
        let is = |card: &Option<Card>| card.as_ref().is_some_and(|card| card.is_same_person(person));
        (0..2).find_map(|side| {
            let in_person = is(&parties[side].principal);
            (in_person || is(&parties[side].delegate)).then_some(Seat { side, in_person })
        })
    }

    fn mode(&self) -> RecordMode {
        self.ring.logged.ring().ring().mode
    }

    fn room_event(&self, what: RoomEvent, context: &mut Context<'_>) {
        let call = self.ring.logged.ring().ring().call.id;
        context.out.push_back(Output::Event(Event::GreenRoom { call, what }));
    }

    /// Follows the members, and the time.
    pub(super) fn settle_room(&mut self, context: &mut Context<'_>) {
        let me = context.device.me();
        let parties = self.room_parties(me);
        if let Some(connected) = self.room.settle(&parties, context.clock.uptime_ms, context.now_ms()) {
            self.room_event(connected, context);
        }
        let seat = Self::seat(&parties, me.card());
        self.waits_in_room = self.room.waits(seat, &parties);
        let mode = self.mode();
        if self.room.take_hand_over(seat, mode, &parties) {
            let call = self.ring.logged.ring().ring().call.id;
            context.out.push_back(Output::Send(ClientMessage::HandOver { call }));
        }
    }

    /// Tells the members of a new epoch what this device's side stated.
    pub(super) fn announce_room(&mut self, context: &mut Context<'_>) {
        let me = context.device.me();
        let parties = self.room_parties(me);
        let Some(seat) = Self::seat(&parties, me.card()) else { return };
        if let Some(statement) = self.room.statement(seat.side) {
            self.send(&GroupMessage::GreenRoom { statement: Some(Box::new(statement)) }, context.out);
        } else if !seat.in_person && self.room.denies(&parties) {
            self.send(&GroupMessage::GreenRoom { statement: None }, context.out);
        }
        self.announce_place(context);
    }

    /// Tells the members that this principal's device receives, if that matters to them.
    fn announce_place(&mut self, context: &mut Context<'_>) {
        let me = context.device.me();
        let parties = self.room_parties(me);
        let took_over =
            Self::seat(&parties, me.card()).is_some_and(|seat| seat.in_person && parties[seat.side].delegate.is_some());
        if took_over && self.receives && self.room.is_open() && self.send(&GroupMessage::InPlace, context.out) {
            self.room.on_in_place(me.device());
        }
    }

    /// The media leg is up. Returns whether that connects the principals.
    pub(super) fn take_place(&mut self, context: &mut Context<'_>) -> bool {
        let waited = self.waits_in_room;
        if !std::mem::replace(&mut self.receives, true) {
            self.announce_place(context);
            self.settle_room(context);
        }
        waited && !self.waits_in_room
    }

    /// A member's word on the green room.
    pub(super) fn on_room_statement(
        &mut self,
        context: &mut Context<'_>,
        from: Option<&Card>,
        statement: Option<Box<Statement>>,
    ) {
        let parties = self.room_parties(context.device.me());
        let seat = from.and_then(|card| Self::seat(&parties, card));
        let mine = Self::seat(&parties, context.device.me().card());
        let change = match statement {
            Some(statement) => self.room.on_statement(seat, mine, *statement, &parties, context.now_ms()),
            None => {
                self.room.on_none(seat, mine);
                Change::Nothing
            }
        };
        if change == Change::Opened {
            self.room_event(RoomEvent::Opened, context);
            self.announce_place(context);
        }
        self.settle_room(context);
        // After a reload this device has lost its side's statement, which the others still show: an empty one replaces it.
        let states = mine.filter(|seat| !seat.in_person || parties[seat.side].delegate.is_none());
        if let Some(seat) = states
            && change == Change::Opened
            && self.room.statement(seat.side).is_none()
        {
            self.state_in_room(&RoomSaid::default(), context);
        }
    }

    /// States what this device's side brings.
    fn state_in_room(&mut self, said: &RoomSaid, context: &mut Context<'_>) {
        let me = context.device.me();
        let parties = self.room_parties(me);
        let Some(seat) = Self::seat(&parties, me.card()) else { return };
        let mode = self.mode();
        let Some((change, statement)) = self.room.state(seat.side, said, mode, &parties, context.now_ms()) else {
            return;
        };
        // If MLS cannot encrypt now, the statement goes out with the next epoch.
        self.send(&GroupMessage::GreenRoom { statement: Some(Box::new(statement)) }, context.out);
        if change == Change::Opened {
            self.room_event(RoomEvent::Opened, context);
        }
        self.settle_room(context);
    }

    /// Whether this aide's device leaves now, as its side stated.
    pub(super) fn leaves_room(&self, me: &VerifiedDevice) -> bool {
        self.room.leaves(Self::seat(&self.room_parties(me), me.card()))
    }

    /// What the screen shows of it.
    pub(super) fn room_view(&self, me: &VerifiedDevice) -> Option<GreenRoomView> {
        let parties = self.room_parties(me);
        self.room.view(Self::seat(&parties, me.card()), &parties, self.mode())
    }
}

impl Call {
    /// A green room opens once it is answered.
    pub(crate) fn prepare(&mut self) {
        self.prepares = true;
    }

    /// Opens the green room for which this device rang.
    pub(super) fn open_prepared(&mut self, context: &mut Context<'_>) {
        if self.prepares && matches!(&*self.phase, Phase::Live(live) if live.optimistic.is_none()) {
            self.prepares = false;
            self.state_in_room(&RoomSaid::default(), context);
        }
    }

    /// States what this person's side brings to the call, and opens its green room.
    pub(crate) fn state_in_room(&mut self, said: &RoomSaid, context: &mut Context<'_>) {
        if let Phase::Live(live) = &mut *self.phase {
            live.session.state_in_room(said, context);
        }
    }

    /// Does not wait for the other principal.
    pub(crate) fn speak_now(&mut self, context: &mut Context<'_>) {
        if let Some(session) = self.phase.session_mut() {
            session.room.speak_now();
            session.settle_room(context);
        }
    }

    /// Whether this device waits for the other principal.
    pub(super) fn waits_in_room(&self) -> bool {
        self.phase.session().is_some_and(|session| session.waits_in_room)
    }

    /// A principal who waits leaves, or an aide, as agreed: the call goes on without them.
    pub(super) fn step_out(&mut self, context: &mut Context<'_>) {
        context.out.push_back(Output::Send(match self.waits_in_room() {
            true => ClientMessage::Leave { call: self.id },
            false => ClientMessage::HangUp { call: self.id, failed: false },
        }));
        self.conclude("stepped_out", None, None, context);
    }
}
