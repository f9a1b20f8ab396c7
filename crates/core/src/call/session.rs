//! A call with a verified ring and a group on this device: who is in it, the media keys, and what members send each other.

use super::{
    captions::CaptionState,
    checkpoints::{CHECKPOINT_MESSAGE_VERSION, CheckpointExchange},
    green_room::{GreenRoom, PADDED_BYTES},
    group::Membership,
    hold::Holds,
    message::GroupMessage,
    presence::{HEARTBEAT_INTERVAL_MS, Presence},
    ring::{OpenedRing, check_fresh},
};
use crate::{
    context::Context,
    device::LogHead,
    io::{Event, Output},
    mls::group::{CallGroup, Incoming},
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use telcon_identity::{LoggedDelegation, LoggedDevice, VerifiedDevice};
use telcon_proto::{
    Blob, CallId, Card, ClientMessage, DelegationId, DeviceId,
    delegation::{Act, ActsFor},
    policy::{Action, allows},
};

/// Interval at which a party's device commits fresh keys, milliseconds. The two devices take turns, so that keys are
/// replaced every two minutes.
const REKEY_INTERVAL_MS: u64 = 4 * 60_000;

/// How often a device to which its person's call has come tells their other devices to stop, milliseconds.
const CONTINUE_INTERVAL_MS: u64 = 2_000;

/// See the module.
pub(super) struct Session {
    /// The ring.
    pub(super) ring: OpenedRing,
    /// The group, its members and keys.
    pub(super) membership: Membership,
    /// Liveness of the note-takers.
    pub(super) presence: Presence,
    /// Captions read or written here.
    pub(super) captions: CaptionState,
    /// Log checkpoints sent and received.
    pub(super) checkpoints: CheckpointExchange,
    /// Whether a note-taker was ever in the call while this device was.
    pub(super) noted: bool,
    /// When this note-taker sends its next heartbeat, by engine uptime.
    pub(super) heartbeat_due_ms: Option<u64>,
    /// When this party's device commits fresh keys, by engine uptime.
    pub(super) rekey_due_ms: Option<u64>,
    /// Somebody answered for the callee, under this delegation.
    pub(super) answers: Option<LoggedDelegation>,
    /// Delegations whose principal has joined: who acted for them does not speak any more, whatever happens then.
    taken_over: BTreeSet<DelegationId>,
    /// Whether this device's person continues the call here, and their other device has not been told to stop: until then this device
    /// sends no sound.
    pub(super) arriving: bool,
    /// Whether it did, and their other devices are told to stop as long as there are any.
    continues: bool,
    /// When they are told again, by engine uptime.
    continue_due_ms: Option<u64>,
    /// The epoch in which this device was added.
    since_epoch: u64,
    /// Who holds the call.
    pub(super) holds: Holds,
    /// Its green room.
    pub(super) room: GreenRoom,
    /// Whether this device waits in it: it neither sends nor plays sound.
    pub(super) waits_in_room: bool,
    /// Whether this device has received sound.
    pub(super) receives: bool,
    /// Another device of this person said that they continue on it.
    pub(super) continued_on: Option<DeviceId>,
    /// The party's device that announced the end of the call to all members.
    pub(super) hang_up_signed_by: Option<DeviceId>,
}

impl Session {
    pub(super) fn new(
        ring: OpenedRing,
        group: CallGroup,
        seq: u64,
        shown: Vec<Card>,
        verified: BTreeMap<DeviceId, LoggedDevice>,
    ) -> Self {
        let since_epoch = group.epoch();
        Self {
            ring,
            membership: Membership::new(group, seq, shown, verified),
            presence: Presence::default(),
            captions: CaptionState::default(),
            checkpoints: CheckpointExchange::default(),
            noted: false,
            heartbeat_due_ms: None,
            rekey_due_ms: None,
            answers: None,
            taken_over: BTreeSet::new(),
            arriving: false,
            continues: false,
            continue_due_ms: None,
            since_epoch,
            holds: Holds::default(),
            room: GreenRoom::default(),
            waits_in_room: false,
            receives: false,
            continued_on: None,
            hang_up_signed_by: None,
        }
    }

    /// Other devices of this device's person in the call.
    pub(super) fn own_other_devices(&self, me: &VerifiedDevice) -> impl Iterator<Item = DeviceId> {
        let same = |device: &DeviceId| self.membership.card(me, *device).is_some_and(|card| card == *me.card());
        self.membership.devices().filter(move |device| *device != me.device() && same(device))
    }

    /// The media leg is up, and this device's person continues the call here: tells their other devices to stop. Returns whether it
    /// could.
    pub(super) fn arrive(&mut self, context: &mut Context<'_>) -> bool {
        if !self.arriving || !self.send(&GroupMessage::Continue { since: self.since_epoch }, context.out) {
            return false;
        }
        (self.arriving, self.continues) = (false, true);
        self.continue_due_ms = Some(context.clock.uptime_ms + CONTINUE_INTERVAL_MS);
        true
    }

    /// When [`Session::continue_again`] is due, by engine uptime.
    pub(super) fn continue_due_ms(&self) -> Option<u64> {
        self.continue_due_ms
    }

    /// Tells other devices of this person once more to stop: one that was not connected, or whose message the office lost, has its
    /// microphone open still.
    pub(super) fn continue_again(&mut self, context: &mut Context<'_>) {
        let uptime_ms = context.clock.uptime_ms;
        if self.continue_due_ms.is_none_or(|due_ms| uptime_ms < due_ms) {
            return;
        }
        let others = self.own_other_devices(context.device.me()).next().is_some();
        self.continue_due_ms = others.then_some(uptime_ms + CONTINUE_INTERVAL_MS);
        if others {
            self.send(&GroupMessage::Continue { since: self.since_epoch }, context.out);
        }
    }

    /// Two devices of one person are in a call only with the same words on the screen: an office that certified somebody else under
    /// the person's identifier would otherwise put them in the person's place.
    pub(super) fn check_same_words(&self, card: &Card) -> Result<(), super::admission::Refusal> {
        let known = self.membership.verified.values().map(|known| known.device().card());
        known.chain([self.ring.caller()]).try_for_each(|known| super::admission::check_same_words(known, card))
    }

    /// A person joined: whether they answered for the callee, by a delegation that came with this message.
    pub(super) fn note_answer(&mut self, context: &Context<'_>, card: &Card) -> Result<(), super::admission::Refusal> {
        let (to, opened_ms) = (&self.ring.logged.ring().ring().to, self.ring.opened().1);
        if self.answers.is_none()
            && let Some(delegation) = context.delegations.answering(to, card, &[opened_ms, context.now_ms()])
        {
            check_fresh(context, delegation)?;
            self.answers = Some(delegation.clone());
        }
        Ok(())
    }

    /// Who acts for a party, whether that party has taken over, and what they did.
    pub(super) fn acting(&self) -> impl Iterator<Item = (&LoggedDelegation, Act, bool)> {
        let rang = self.ring.on_behalf.iter().map(|delegation| (delegation, Act::Ring));
        let acts = rang.chain(self.answers.iter().map(|delegation| (delegation, Act::Answer)));
        acts.map(|(delegation, act)| (delegation, act, self.taken_over.contains(&delegation.id())))
    }

    /// Whether a person is heard in this call: by their role, or because they act for a party that has not taken over.
    ///
    /// In a green room they are heard until both principals are there: the principal who waits is not.
    pub(super) fn speaks(&self, card: &Card) -> bool {
        self.is_party(card) || self.room.has_aides_speak() && self.acting().any(|(known, ..)| known.delegate() == card)
    }

    /// Whether a person is a party of this call, or acts for one that has not taken over: they end it for all.
    pub(super) fn is_party(&self, card: &Card) -> bool {
        card.role.speaks() || self.acting().any(|(delegation, _, taken)| !taken && delegation.delegate() == card)
    }

    fn call(&self) -> CallId {
        self.ring.logged.ring().ring().call.id
    }

    /// Takes the group's current epoch: the keys first, then the list of members, who `changed` or not.
    ///
    /// # Errors
    /// When a member was never verified here.
    pub(super) fn enter_epoch(
        &mut self,
        context: &mut Context<'_>,
        changed: bool,
    ) -> Result<(), super::admission::Refusal> {
        let entered = self.membership.enter_epoch(context.device, changed, context.now_ms())?;
        let me = context.device.me();
        let mut note_takers = self.membership.note_takers(me);
        self.noted |= !note_takers.is_empty();
        note_takers.remove(&me.device());
        self.presence.set_note_takers(note_takers, context.clock.uptime_ms);
        self.captions.retain_readers(|reader| self.membership.contains(reader));
        if changed {
            self.checkpoints.on_members_changed(|device| self.membership.contains(device));
        }
        let members = self.membership.devices();
        let members: Vec<(DeviceId, Card)> =
            members.filter_map(|device| Some((device, self.membership.card(me, device)?))).collect();
        let present = |person: &Card| members.iter().any(|(_, card)| card.is_same_person(person));
        let taken: Vec<_> =
            self.acting().filter(|(known, ..)| present(known.principal())).map(|(known, ..)| known.id()).collect();
        self.taken_over.extend(taken);
        self.settle_room(context);
        let speakers = members.iter().filter(|(_, card)| self.speaks(card)).map(|(device, _)| *device).collect();
        let mut holds = std::mem::take(&mut self.holds);
        let over = holds.end_unless(|by| self.speaks(by) && present(by));
        self.holds = holds;
        let acts_for = self.acting().map(|(delegation, act, _)| ActsFor {
            principal: delegation.principal().clone(),
            delegate: delegation.delegate().clone(),
            act,
        });
        let acts_for = acts_for.collect();
        let line = self.ring.line.as_ref().map(|line| Box::new(line.line().content().clone()));
        let (call, epoch, authenticator) = (self.call(), entered.epoch, entered.authenticator);
        let epoch = Event::Epoch { call, epoch, authenticator, members, speakers, acts_for, line };
        context.out.push_back(Output::Event(epoch));
        context.out.extend(over.into_iter().map(|by| Output::Event(Event::Held { call, by, said: None })));
        Ok(())
    }

    /// Tells the members of a new epoch what they may not know of this device.
    pub(super) fn announce(&mut self, context: &mut Context<'_>) {
        let role = context.device.me().card().role;
        if allows(role, Action::WriteRecord) {
            self.send_heartbeat(context);
        }
        if allows(role, Action::ReadCaptions) {
            let key = self.captions.reader_key(context.rng);
            self.send(&GroupMessage::ReadCaptions { key }, context.out);
        }
        self.announce_hold(context);
        self.announce_room(context);
        if self.continues && self.own_other_devices(context.device.me()).next().is_some() {
            self.continue_due_ms.get_or_insert(context.clock.uptime_ms + CONTINUE_INTERVAL_MS);
        }
        self.send_checkpoint(context);
    }

    /// Tells the members whether this device's person holds the call, if they ever did.
    pub(super) fn announce_hold(&mut self, context: &mut Context<'_>) {
        let message = match self.holds.of(context.device.me().card()) {
            Some(hold) => GroupMessage::Hold { word: hold.word, text: hold.text.clone() },
            None if self.holds.held_before => GroupMessage::Resume,
            None => return,
        };
        self.holds.held_before = true;
        self.send(&message, context.out);
    }

    /// When [`Session::send_checkpoint`] has something to send, by engine uptime. `unattended`: see
    /// [`Context::may_send_unattended`].
    pub(super) fn checkpoint_due_ms(&self, head: Option<&LogHead>, unattended: bool) -> Option<u64> {
        let others = self.membership.devices().nth(1).is_some();
        head.filter(|_| unattended && others && self.membership.can_encrypt())
            .and_then(|head| self.checkpoints.due_ms(head))
    }

    /// Sends the newest verified checkpoint of the log to the members, if they do not have it yet and the rate allows it.
    pub(super) fn send_checkpoint(&mut self, context: &mut Context<'_>) {
        let uptime_ms = context.clock.uptime_ms;
        let due_ms = self.checkpoint_due_ms(context.log, context.may_send_unattended);
        let (Some(head), true) = (context.log, due_ms.is_some_and(|due_ms| uptime_ms >= due_ms)) else { return };
        if let Some(message) = self.checkpoints.message(context.device.office().domain(), head, uptime_ms) {
            self.send(&message, context.out);
        }
    }

    /// Encrypts a message to all members. Between this device's commit and its confirmation MLS cannot encrypt: reader keys are
    /// sent again in the new epoch, and captions wait. Returns whether it was sent.
    pub(super) fn send(&mut self, message: &GroupMessage, out: &mut VecDeque<Output>) -> bool {
        if self.membership.is_empty() {
            return false;
        }
        let Ok(mut json) = serde_json::to_vec(message) else { return false };
        if matches!(message, GroupMessage::GreenRoom { .. }) {
            json.resize(json.len().max(PADDED_BYTES), b' ');
        }
        let Ok(message) = self.membership.group.encrypt(&json) else { return false };
        out.push_back(Output::Send(ClientMessage::Application { call: self.call(), message: Blob(message) }));
        true
    }

    /// Sends the next batch of captions to each reader, if it is due.
    pub(super) fn send_captions(&mut self, context: &mut Context<'_>) {
        // The switchboard takes any message for attendance: one that cannot record sends none.
        if !self.captions.take_due(context.clock.uptime_ms) || !self.membership.can_encrypt() || !context.recording {
            return;
        }
        for message in self.captions.next_batch(context.rng) {
            self.send(&message, context.out);
        }
    }

    /// A note-taker's heartbeat, sent only while it can record.
    pub(super) fn send_heartbeat(&mut self, context: &mut Context<'_>) {
        let uptime_ms = context.clock.uptime_ms;
        self.heartbeat_due_ms = Some(uptime_ms + HEARTBEAT_INTERVAL_MS);
        if context.recording {
            self.send(&GroupMessage::Heartbeat { uptime_ms }, context.out);
        }
    }

    /// Commits fresh keys if that is due. The caller's device does so first, then the two take turns.
    ///
    /// # Errors
    /// When the commit cannot be made.
    pub(super) fn rekey(&mut self, context: &mut Context<'_>) -> Result<(), super::admission::Refusal> {
        let uptime_ms = context.clock.uptime_ms;
        let caller = context.device.me().card().is_same_person(self.ring.caller());
        let first_ms = if caller { REKEY_INTERVAL_MS / 2 } else { REKEY_INTERVAL_MS };
        if uptime_ms >= *self.rekey_due_ms.get_or_insert(uptime_ms + first_ms) {
            self.rekey_due_ms = Some(uptime_ms + REKEY_INTERVAL_MS);
            let message = self.membership.commit_fresh_keys(self.call())?;
            context.out.extend(message.map(Output::Send));
        }
        Ok(())
    }

    /// Whether both parties of the call are among `devices`.
    pub(super) fn has_both_parties(&self, context: &Context<'_>, devices: &[DeviceId]) -> bool {
        let me = context.device.me();
        let present: Vec<_> =
            devices.iter().filter_map(|device| Some(self.membership.card(me, *device)?.qualified())).collect();
        let callee = &self.ring.logged.ring().ring().to;
        let caller = present.contains(&self.ring.caller().qualified())
            || self.ring.principal().is_some_and(|principal| present.contains(&principal.qualified()));
        let answers = self.answers.as_ref().map(|delegation| delegation.delegate().qualified());
        caller && (present.contains(callee) || answers.is_some_and(|delegate| present.contains(&delegate)))
    }

    /// An application message. A forged or damaged one is dropped. Gives the time at which the call went live, if the message
    /// says so.
    pub(super) fn on_group_message(&mut self, context: &mut Context<'_>, message: &Blob) -> Option<u64> {
        let membership = &mut self.membership;
        let Ok(Incoming::Application { epoch, leaf, bytes }) = membership.group.process(message.as_slice()) else {
            return None;
        };
        let message = serde_json::from_slice::<GroupMessage>(&bytes).ok()?;
        let from = membership.leaf_owner(epoch, leaf).filter(|from| membership.contains(*from))?;
        let role = membership.role(from);
        let card = membership.verified.get(&from).map(|known| known.device().card().clone());
        let may = |action| role.is_some_and(|role| allows(role, action));
        let me = context.device.me();
        match message {
            GroupMessage::HangUp => {
                // Who acts for a party ends the call as that party could.
                let ends = may(Action::EndForAll) || card.is_some_and(|card| self.is_party(&card));
                self.hang_up_signed_by = Some(from).filter(|_| ends);
            }
            // Signed by that device, whose certificate has this person's words: neither the server nor another member can say it.
            // Of two that say so, the one that was added last has the call.
            GroupMessage::Continue { since } => {
                let own = card.as_ref() == Some(me.card()) && self.speaks(me.card());
                if own && from != me.device() && (since, from) > (self.since_epoch, me.device()) {
                    self.continued_on = Some(from);
                }
            }
            GroupMessage::Hold { word, text } => {
                if let Some(by) = card.filter(|card| self.speaks(card))
                    && self.holds.hold(&by, word, &text, context.now_ms())
                {
                    self.holds.held_before |= by == *me.card();
                    let said = self.holds.of(&by).map(|hold| (hold.word, hold.text.clone()));
                    context.out.push_back(Output::Event(Event::Held { call: self.call(), by, said }));
                }
            }
            GroupMessage::Resume => {
                if let Some(by) = card.filter(|card| self.holds.resume(card)) {
                    context.out.push_back(Output::Event(Event::Held { call: self.call(), by, said: None }));
                }
            }
            GroupMessage::GreenRoom { statement } => self.on_room_statement(context, card.as_ref(), statement),
            GroupMessage::InPlace => {
                self.room.on_in_place(from);
                self.settle_room(context);
            }
            GroupMessage::Heartbeat { uptime_ms } => {
                self.presence.on_heartbeat(from, uptime_ms, context.clock.uptime_ms);
            }
            // A member could lie about it: only the timer on the screen depends on it.
            GroupMessage::Live { since_ms } => return Some(since_ms),
            GroupMessage::ReadCaptions { key } => {
                if may(Action::ReadCaptions) && allows(me.card().role, Action::WriteRecord) {
                    self.captions.add_reader(from, key, context.now_ms(), context.clock.uptime_ms);
                }
            }
            GroupMessage::Captions { to, enc, sealed } if to == me.device() && may(Action::WriteRecord) => {
                for caption in self.captions.open(&enc, &sealed) {
                    let speaker = membership.verified.get(&caption.speaker);
                    let name = speaker.map_or_else(String::new, |device| device.device().card().name.clone());
                    self.captions.show(name, caption);
                }
            }
            GroupMessage::Captions { .. } => {}
            GroupMessage::Checkpoint { version: CHECKPOINT_MESSAGE_VERSION, office, checkpoint } => {
                let home = context.device.office().domain();
                self.checkpoints.on_received(from, &office, home, checkpoint, context.clock.uptime_ms);
            }
            GroupMessage::Checkpoint { .. } => {}
        }
        None
    }
}
