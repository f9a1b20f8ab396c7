//! The switchboard's messages about a call.

use super::{
    Call,
    admission::{self, Problem, Refusal},
    group::Processed,
    message::GroupMessage,
    phase::{Joining, Live, Phase, Placing, Ringing, Welcome},
    ring::OpenedRing,
};
use crate::{
    context::Context,
    io::{Event, Output},
    mls::GroupError,
    view::Direction,
};
use telcon_proto::{Blob, ClientMessage, DeviceId, Ended, ServerMessage, message::Logged, shift::OnShift};

impl Call {
    /// Handles a message about this call. Gives the problem, if the call had to be ended or a device was refused.
    pub(crate) fn handle(&mut self, context: &mut Context<'_>, message: ServerMessage) -> Option<Problem> {
        if self.is_over() || message.call() != Some(self.id) {
            return None;
        }
        let result = match message {
            ServerMessage::Opened { opened, notified, .. } => {
                self.notified = notified;
                self.on_opened(context, &opened)
            }
            ServerMessage::RingingThere { .. } => {
                self.notified = false;
                Ok(())
            }
            ServerMessage::JoinAsked { from, key_package, device, answer, .. } => {
                let session = self.phase.session_mut()?;
                match session.on_join_request(context, from, key_package.0, &device, answer) {
                    Ok(()) => self.commit_queued(context),
                    // A device that may not join concerns the security officer; the call goes on.
                    Err(refusal) => {
                        let text = format!("Somebody was refused admission to the call: {refusal}.");
                        return Some(Problem { refusal, text });
                    }
                }
            }
            ServerMessage::RemoveAsked { devices, .. } => {
                self.phase.session_mut()?.membership.queue_removals(devices);
                self.commit_queued(context)
            }
            ServerMessage::Committed { seq, from, commit, devices, .. } => {
                self.on_committed(context, seq, from, &commit, &devices)
            }
            ServerMessage::CommitRefused { epoch, now, .. } => self.on_commit_refused(context, epoch, now),
            ServerMessage::Welcome { call, seq, welcome, ring, opened, devices } => self.on_welcome(
                context,
                Welcome { call, seq, welcome: &welcome, ring, opened: &opened, devices: &devices },
            ),
            ServerMessage::Application { message, .. } => {
                self.on_application(context, &message);
                Ok(())
            }
            ServerMessage::MediaAnswer { sdp, .. } => {
                context.out.push_back(Output::MediaAnswer { sdp });
                Ok(())
            }
            ServerMessage::OnShift { device, on_shift, .. } => {
                self.note_shift(context, device, on_shift);
                Ok(())
            }
            ServerMessage::MediaLost { .. } => {
                self.open_leg(context);
                Ok(())
            }
            ServerMessage::TakenElsewhere { .. } => {
                self.end("taken_elsewhere", context);
                Ok(())
            }
            ServerMessage::Diverted { .. } => {
                self.diverted |= self.direction == Direction::Out && self.is_ringing();
                Ok(())
            }
            ServerMessage::Ended { how, reply, .. } => {
                self.reply = reply.filter(|_| self.direction == Direction::Out && how == Ended::Declined);
                self.end(how.as_str(), context);
                Ok(())
            }
            _ => Ok(()),
        };
        let refusal = result.err()?;
        let text = match refusal.has_crossed() {
            true => format!("The call was ended: {refusal}."),
            false => format!("The call was ended because it could not be trusted: {refusal}."),
        };
        context.out.push_back(Output::Send(ClientMessage::HangUp { call: self.id, failed: true }));
        self.give_up(text.clone(), context);
        Some(Problem { refusal, text })
    }

    /// Who is on shift at a member that is a device of a place. The server says so, and nothing else follows from it.
    fn note_shift(&mut self, context: &mut Context<'_>, device: DeviceId, on_shift: OnShift) {
        let is_place = self.member(device).is_some_and(|known| known.device().card().place);
        if !is_place || self.on_shift.get(&device) == Some(&on_shift) {
            return;
        }
        self.on_shift.insert(device, on_shift.clone());
        context.out.push_back(Output::Event(Event::OnShift { call: self.id, device, on_shift }));
    }

    /// The office proves to the caller that the opening is in the log.
    fn on_opened(&mut self, context: &mut Context<'_>, opened: &Logged) -> Result<(), Refusal> {
        let Phase::Placing(Placing::Sent(sent)) = &*self.phase else { return Ok(()) };
        let trust = context.device.trust();
        let ring = trust.verify_ring(&sent.jws, context.now_ms())?;
        let logged = trust.verify_opening(ring, opened)?;
        admission::check_fresh(trust, logged.entry(), context.fresh_size)?;
        let ring = OpenedRing::new(context, logged, sent.jws.clone())?;
        ring.check_line(context, sent.shown.role)?;
        self.phase.replace(|phase| match phase {
            Phase::Placing(Placing::Sent(sent)) => Phase::Ringing(sent.opened(ring)),
            other => other,
        });
        self.open_leg(context);
        Ok(())
    }

    /// A member added this device.
    fn on_welcome(&mut self, context: &mut Context<'_>, welcome: Welcome<'_>) -> Result<(), Refusal> {
        let Phase::Joining(Joining::AwaitingWelcome(waiting)) = &mut *self.phase else { return Ok(()) };
        let rejoined = waiting.rejoins();
        let session = match waiting.welcome(context, welcome) {
            // To an earlier request, while the present one was on its way: only this one's keys are left.
            Err(Refusal::Group(GroupError::OtherKeyPackage)) if !waiting.answered() => {
                context.out.push_back(Output::Send(waiting.request(self.id)));
                return Ok(());
            }
            welcomed => welcomed?,
        };
        if self.direction == Direction::Listen && session.speaks(self.me.card()) {
            // After a reload: this device acts for a party.
            let rang = session.ring.caller().is_same_person(self.me.card());
            self.direction = if rang { Direction::Out } else { Direction::In };
        }
        *self.phase = Phase::Joining(Joining::AwaitingParties(Box::new(session)));
        self.enter_epoch(context, true)?;
        let speaks = self.speaks();
        let Some(session) = self.phase.session_mut() else { return Ok(()) };
        let other = session.own_other_devices(context.device.me()).next().filter(|_| speaks);
        match (session.arriving, other) {
            // It lost its keys, and its person continued on another device meanwhile: nobody asked for the call here.
            (false, Some(other)) if rejoined => self.leave_to(other, context),
            (arriving, other) => {
                session.arriving = arriving && other.is_some();
            }
        }
        Ok(())
    }

    fn on_committed(
        &mut self,
        context: &mut Context<'_>,
        seq: u64,
        from: DeviceId,
        commit: &Blob,
        proofs: &[Logged],
    ) -> Result<(), Refusal> {
        // Before the welcome there is no group to apply it to.
        let Some(session) = self.phase.session_mut() else { return Ok(()) };
        let (added, changed) = match session.on_committed(context, seq, from, commit, proofs)? {
            Processed::Known => return Ok(()),
            Processed::Own { added, changed } => {
                if let Phase::Live(live) = &mut *self.phase {
                    live.optimistic = None;
                }
                (added, changed)
            }
            Processed::Other { lost, changed } => {
                if lost {
                    self.roll_back();
                }
                (false, changed)
            }
        };
        self.enter_epoch(context, changed)?;
        if let Phase::Live(Live { session, started_ms: Some(since_ms), .. }) = &mut *self.phase
            && added
        {
            session.send(&GroupMessage::Live { since_ms: *since_ms }, context.out);
        }
        self.commit_queued(context)
    }

    fn on_commit_refused(&mut self, context: &mut Context<'_>, epoch: u64, now: u64) -> Result<(), Refusal> {
        let Some(session) = self.phase.session_mut() else { return Ok(()) };
        if !session.membership.on_commit_refused(epoch, now)? {
            return Ok(());
        }
        self.roll_back();
        // A commit that lost against another one is repeated after that one.
        if now > epoch { Ok(()) } else { self.commit_queued(context) }
    }

    fn on_application(&mut self, context: &mut Context<'_>, message: &Blob) {
        let Some(session) = self.phase.session_mut() else { return };
        let since_ms = session.on_group_message(context, message);
        let (continued_on, leaves) = (session.continued_on.take(), session.leaves_room(context.device.me()));
        if let (Some(since_ms), Phase::Live(Live { session, started_ms: Some(started), .. })) =
            (since_ms, &mut *self.phase)
        {
            let (_, opened_ms) = session.ring.opened();
            *started = since_ms.clamp(opened_ms.min(*started), *started);
        }
        if let Some(other) = continued_on {
            self.leave_to(other, context);
        } else if leaves {
            self.step_out(context);
        }
    }

    /// Commits what waits, and goes live with that commit at once if it brings both parties together.
    fn commit_queued(&mut self, context: &mut Context<'_>) -> Result<(), Refusal> {
        let speaks = self.speaks();
        let Some(session) = self.phase.session_mut() else { return Ok(()) };
        if !session.commit_queued(context)? || !speaks {
            return Ok(());
        }
        let Phase::Ringing(Ringing::Outgoing(session)) = &mut *self.phase else { return Ok(()) };
        if let Some(optimistic) = session.optimistic_commit(context)? {
            self.phase.replace(|phase| match phase {
                Phase::Ringing(Ringing::Outgoing(session)) => Phase::Live(Live {
                    session,
                    started_ms: Some(context.now_ms()),
                    connected: true,
                    optimistic: Some(optimistic),
                }),
                other => other,
            });
            context.out.push_back(Output::Event(Event::Live { call: self.id }));
        }
        Ok(())
    }

    /// The optimistic commit was not accepted: nobody joined, and nothing more is sealed.
    fn roll_back(&mut self) {
        self.phase.replace(|phase| match phase {
            Phase::Live(Live { mut session, optimistic: Some(_), .. }) => {
                session.membership.keys.stop_sealing();
                Phase::Ringing(Ringing::Outgoing(session))
            }
            other => other,
        });
    }

    /// Enters the group's current epoch. A call is live when both its parties are in it.
    /// `changed` is whether its members are others than before.
    fn enter_epoch(&mut self, context: &mut Context<'_>, changed: bool) -> Result<(), Refusal> {
        let speaks = self.speaks();
        let Some(session) = self.phase.session_mut() else { return Ok(()) };
        if session.membership.group.is_removed() {
            self.end(if speaks { "hung_up" } else { "interrupted" }, context);
            return Ok(());
        }
        session.enter_epoch(context, changed)?;
        let members: Vec<_> = session.membership.devices().collect();
        let complete = session.has_both_parties(context, &members);
        let was_started = self.started_ms().is_some();
        let now_ms = context.now_ms();
        self.phase.replace(|phase| match phase {
            Phase::Ringing(Ringing::Outgoing(session)) | Phase::Joining(Joining::AwaitingParties(session))
                if complete =>
            {
                Phase::Live(Live { session, started_ms: Some(now_ms), connected: true, optimistic: None })
            }
            // A party rejoined while the other one is away for a moment.
            Phase::Joining(Joining::AwaitingParties(session)) if speaks => {
                Phase::Live(Live { session, started_ms: None, connected: true, optimistic: None })
            }
            Phase::Live(live) if complete => {
                Phase::Live(Live { started_ms: live.started_ms.or(Some(now_ms)), connected: true, ..live })
            }
            other => other,
        });
        if !was_started && self.started_ms().is_some() {
            context.out.push_back(Output::Event(Event::Live { call: self.id }));
        }
        self.open_prepared(context);
        if let Some(session) = self.phase.session_mut() {
            session.announce(context);
            if session.leaves_room(context.device.me()) {
                self.step_out(context);
            }
        }
        Ok(())
    }
}
