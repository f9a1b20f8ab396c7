//! Dispatch of the switchboard's messages: sign-in, rings, refusals; a message about a call goes to the call.

use super::{log_audit::Freshness, rings::Rings};
use crate::{
    Engine,
    call::Call,
    io::{Event, Output},
    view::{AlertLevel, ConnectionState, NoteTakersView, RevocationView},
};
use telcon_identity::{IdentityError, RING_MAX_FUTURE_MS};
use telcon_proto::{
    CallId, ClientMessage, PersonId, ServerMessage,
    alert::ReportedAlert,
    contact::Contact,
    delegation::ProvenDelegation,
    limits::MAX_NAME_CHARS,
    message::{Logged, NoticeState, RefusalCode},
    printable::printable,
    shift::OnShift,
};

/// Who is on shift, with names as they can be shown: nobody certified them to this device.
pub(crate) fn shown_shift(mut shift: OnShift) -> OnShift {
    shift.person.name = printable(&shift.person.name).chars().take(MAX_NAME_CHARS).collect();
    shift.person.organisation = printable(&shift.person.organisation).chars().take(MAX_NAME_CHARS).collect();
    shift
}

/// Difference between the device's clock and the office's from which its person is told, milliseconds: half of what a ring may
/// be dated ahead.
const MAX_CLOCK_DIFFERENCE_MS: u64 = RING_MAX_FUTURE_MS / 2;
/// How much of a refusal's sentence is shown, characters: the office's own have fewer.
const MAX_REFUSAL_CHARS: usize = 200;

impl Engine {
    pub(super) fn on_message(&mut self, now_ms: u64, message: ServerMessage) {
        if let ServerMessage::Delegation(proven) = &message {
            return self.on_delegation(proven, now_ms);
        }
        if let ServerMessage::Line(proven) = &message {
            return self.on_line(proven, now_ms);
        }
        // What else the office sends meanwhile does not part them from their message.
        let relies_on_them = matches!(
            message,
            ServerMessage::Opened { .. }
                | ServerMessage::Ringing { .. }
                | ServerMessage::JoinAsked { .. }
                | ServerMessage::Committed { .. }
                | ServerMessage::Welcome { .. }
        );
        self.on_other_message(now_ms, message);
        if relies_on_them {
            self.delegations.clear();
            self.line.clear();
        }
    }

    /// A delegation on which the next message about a call relies.
    fn on_delegation(&mut self, proven: &ProvenDelegation, now_ms: u64) {
        match self.delegations.add(self.device.trust(), proven) {
            Ok(()) => {
                let checkpoints = [proven.given.checkpoint.clone(), proven.device.checkpoint.clone()];
                self.record_log_claims(checkpoints, now_ms);
            }
            Err(error) => {
                if matches!(error, IdentityError::Hostile(_)) {
                    self.report(ReportedAlert::ProofInvalid, None);
                }
                let text = format!("Somebody's delegation was refused because it could not be verified: {error}.");
                self.alert(AlertLevel::Red, text);
            }
        }
    }

    fn on_other_message(&mut self, now_ms: u64, message: ServerMessage) {
        match message {
            ServerMessage::Challenge { nonce, now_ms: office_ms } => {
                self.compare_clocks(now_ms, office_ms);
                let device = &self.device;
                let jws = telcon_identity::sign_in(
                    device.key(),
                    device.office().domain().as_str(),
                    device.me().device(),
                    nonce.as_slice(),
                );
                self.send(ClientMessage::Prove { jws, ticket: self.ticket.clone() });
            }
            ServerMessage::SignedIn {
                people,
                people_more,
                silenced,
                mode,
                token,
                in_call,
                checkpoint,
                recovered_ms,
                shift,
                key_missing,
                ..
            } => {
                (self.pings_sent, self.pings_answered) = (0, 0);
                self.recovered_ms = recovered_ms;
                self.shift_token = None;
                self.shift = shift.filter(|_| self.device.me().card().place).map(shown_shift);
                self.phase = ConnectionState::Ready;
                self.unlock_required = false;
                self.sso_token = None;
                self.outdated = false;
                self.note_takers = None;
                self.silenced = silenced;
                self.reach.clear();
                self.reset_invitations();
                self.doubted_lines.clear();
                self.reset_recoveries();
                self.reset_alerts();
                (self.people, self.people_more) = (people, people_more);
                // The server may raise the charter's minimum record mode, never lower it.
                self.mode = mode.max(self.device.office().floor());
                self.token = Some(token);
                // The office sends a notice of every open call; one without a notice ended while this device was away.
                self.notices.retain(|_, notice| matches!(notice.state, NoticeState::Ended { .. }));
                self.on_sign_in_checkpoint(&checkpoint, now_ms);
                self.state.claims.iter_mut().for_each(|claim| claim.since_ms = self.clock.uptime_ms);
                self.freshness = Freshness::at_sign_in(self.state.log.as_ref().map_or(0, |head| head.size));
                self.restart_comparisons();
                self.send_stops_again(now_ms);
                self.ping(now_ms);
                self.rejoin_call(in_call);
                self.await_rings_again();
                if key_missing {
                    self.publish_key(now_ms);
                }
            }
            ServerMessage::SsoRequired { token } => {
                // The program around the engine asks its person. The connection stays: the token is valid as long.
                self.phase = ConnectionState::Offline;
                self.sso_token = Some(token);
                self.view_changed();
            }
            ServerMessage::AccountSession { remaining_ms } => {
                self.account_ends_ms = Some(now_ms.saturating_add(remaining_ms));
            }
            ServerMessage::ShiftRequired { token } => {
                // Whoever was on shift is not any more: what they had is not shown to whoever comes next.
                self.phase = ConnectionState::Offline;
                (self.shift_token, self.shift) = (Some(token), None);
                self.notices.clear();
                self.asked.clear();
                self.doubted_lines.clear();
                self.shown_challenge = None;
                self.people.clear();
                self.people_more = false;
                self.silenced.clear();
                self.reach.clear();
                self.rings = Rings::default();
                self.with_call(|call, context| call.end("interrupted", context));
                self.call = None;
                self.alerts.clear();
                self.view_changed();
            }
            ServerMessage::PeopleChanged { changed, removed } => self.on_people_changed(changed, &removed),
            ServerMessage::Silenced { people } => self.silenced = people,
            ServerMessage::Reach { of } => self.reach = of,
            ServerMessage::Registrar { certificate } => self.on_registrar(&certificate, now_ms),
            ServerMessage::Invitations { changed, closed } => self.on_invitations(changed, &closed, now_ms),
            ServerMessage::Recoveries { changed, closed } => self.on_recoveries(changed, &closed),
            ServerMessage::CodeOpened { slot, ttl_ms } => self.on_code_opened(slot, ttl_ms, now_ms),
            ServerMessage::CodeTried { slot, run, step } => self.on_code_tried(slot, run, &step, now_ms),
            ServerMessage::DevicesChanged {} => {
                self.invitations.devices_changed = self.invitations.devices_changed.wrapping_add(1);
            }
            ServerMessage::DelegationsChanged {} => {
                self.delegations_changed = self.delegations_changed.wrapping_add(1);
            }
            ServerMessage::DocumentsChanged { .. } => self.documents_changed = self.documents_changed.wrapping_add(1),
            ServerMessage::LinesChanged {} => self.lines_changed = self.lines_changed.wrapping_add(1),
            ServerMessage::LinesDoubted { lines } => self.doubted_lines = lines,
            ServerMessage::Delegation(_) | ServerMessage::Line(_) => {}
            ServerMessage::Alerts { changed, unseen } => self.on_alerts(changed, unseen),
            ServerMessage::DevicesAdded { devices } => self.on_devices_added(devices),
            ServerMessage::Assigned { call } => self.out.push_back(Output::Event(Event::Assigned { call })),
            ServerMessage::Checkpoint { checkpoint, from_size, consistency } => {
                // The answer to the ping after signing in: everything that the office sends at sign-in came before it.
                self.on_ping_answered();
                self.caught_up = self.phase == ConnectionState::Ready;
                self.end_unconfirmed_rings();
                self.on_checkpoint(&checkpoint, from_size, &consistency, now_ms);
            }
            ServerMessage::Ringing { jws, opened, device } => self.on_ring(now_ms, jws, &opened, &device),
            ServerMessage::Notice(notice) => self.on_notice(notice),
            ServerMessage::NoteTakers { connected, busy } => {
                self.note_takers = Some(NoteTakersView { connected, busy: busy.min(connected) });
            }
            ServerMessage::RecordKept { call, log_index, partial } => {
                if let Some(notice) = self.notices.get_mut(&call) {
                    (notice.kept_index, notice.partial) = (Some(log_index), partial);
                }
                if let Some(own) = self.call.as_mut().filter(|own| own.id == call) {
                    own.record = Some((log_index, partial));
                }
            }
            ServerMessage::Revoked { jws } => {
                let (office, me) = (self.device.office(), self.device.me());
                let verified = jws.and_then(|jws| office.verify_revocation(&jws).ok());
                let revocation = verified.and_then(|verified| Some((RevocationView::of(&verified, me)?, verified)));
                let Some((shown, verified)) = revocation else {
                    // Without the authority's signature a server cannot erase a device, only refuse it.
                    return self.alert(
                    AlertLevel::Red,
                    "The office's server says that this device is revoked, but did not show the signature of your office. \
                     Ask your security officer.",
                );
                };
                let report = shown.erase.then(|| {
                    let (office, order) = (office.domain().as_str(), verified.order_sha256());
                    telcon_identity::sign_erasure(self.device.key(), office, me.device(), order, now_ms)
                });
                self.phase = ConnectionState::Revoked;
                self.revocation = Some(shown);
                (self.token, self.ticket) = (None, None);
                self.rings = Rings::default();
                self.with_call(|call, context| call.end("failed", context));
                // Erase is the last output: nothing may be persisted after it.
                self.view_changed();
                self.out.extend(report.map(|report| Output::Erase { report }));
            }
            ServerMessage::Refused { call, code, message } => {
                if let Some(over) = call.filter(|_| code == RefusalCode::NoSuchCall) {
                    self.on_reported_over(over);
                }
                if call.is_none() {
                    self.no_code_opened();
                }
                if !self.yield_to_glare(call, code, now_ms) && !self.on_ring_refused(call, code) {
                    self.on_refused(call, code, &message);
                }
            }
            mut message => {
                if let ServerMessage::OnShift { on_shift, .. } = &mut message {
                    *on_shift = shown_shift(on_shift.clone());
                }
                if let ServerMessage::Ended { call, .. } | ServerMessage::TakenElsewhere { call } = &message {
                    self.on_reported_over(*call);
                }
                self.on_ring_message(&message);
                let Some(call) = &self.call else { return };
                let concerns_it = !call.is_over() && message.call() == Some(call.id);
                let proofs = if concerns_it { message.proofs_mut() } else { Vec::new() };
                let relied_on: Vec<String> = proofs.into_iter().map(|proof| proof.checkpoint.clone()).collect();
                let (mut problem, concerned) = (None, message.call());
                self.with_call(|call, context| problem = call.handle(context, message));
                self.receive_checkpoints(now_ms);
                if let Some(problem) = problem {
                    if problem.refusal.is_hostile() {
                        self.report(ReportedAlert::ProofInvalid, concerned);
                    }
                    self.alert(problem.level(), problem.text);
                } else {
                    self.record_log_claims(relied_on, now_ms);
                }
            }
        }
    }

    /// Rings are dated, and one that is too old or dated in the future is refused: a person is told before that happens.
    fn compare_clocks(&mut self, now_ms: u64, office_ms: u64) {
        let apart_ms = now_ms.abs_diff(office_ms);
        if office_ms == 0 || apart_ms < MAX_CLOCK_DIFFERENCE_MS {
            return;
        }
        let (apart, unit) = match apart_ms / 1_000 {
            seconds if seconds < 120 => (seconds, "seconds"),
            seconds if seconds < 2 * 3_600 => (seconds / 60, "minutes"),
            seconds => (seconds / 3_600, "hours"),
        };
        let direction = if now_ms > office_ms { "ahead of" } else { "behind" };
        self.alert(
            AlertLevel::Amber,
            format!(
                "This device's clock is {apart} {unit} {direction} the clock of your office's server. Calls may fail until both \
                 are right: set this device's clock, or tell your office."
            ),
        );
    }

    /// Glare: two people rang each other at the same moment, and the other ring was first. It replaces this device's own ring,
    /// and is answered when it arrives, or at once if it was shown beside this one already. Returns whether the refusal was glare.
    fn yield_to_glare(&mut self, id: Option<CallId>, code: RefusalCode, now_ms: u64) -> bool {
        if code != RefusalCode::RingsYou {
            return false;
        }
        let yielded =
            self.call.as_mut().filter(|call| Some(call.id) == id).is_some_and(|call| call.yield_to_glare(now_ms));
        if yielded {
            self.answer_glare();
        }
        yielded
    }

    fn on_refused(&mut self, id: Option<CallId>, code: RefusalCode, message: &str) {
        let mut text: String = printable(message).chars().take(MAX_REFUSAL_CHARS).collect();
        if code == RefusalCode::NoSuchCall && id.is_some_and(|id| self.has_finished(id)) {
            // Both sides agree.
            return;
        }
        if code == RefusalCode::UnlockRequired {
            // The program around the engine asks its person; a sentence would stay after they did.
            self.phase = ConnectionState::Offline;
            self.unlock_required = true;
            return self.view_changed();
        }
        if code == RefusalCode::Outdated {
            // The page loads itself again. Of programs, people read the sentence.
            self.phase = ConnectionState::Offline;
            self.outdated = true;
        }
        if code == RefusalCode::NotSignedIn {
            self.phase = ConnectionState::Offline;
        }
        if text.is_empty() {
            text = "The office's server refused.".into();
        }
        if code == RefusalCode::TooMany
            && self.call.as_mut().is_some_and(|call| Some(call.id) == id && call.ask_again_later(self.clock))
        {
            return;
        }
        if id.is_none() && code == RefusalCode::NotAllowed && !self.caught_up && self.state.lines.awaits_answer() {
            // Until the first ping is answered, only they were sent.
            text = format!("A stop that this device sent again was refused: {text}. Look at your lines.");
            return self.alert(AlertLevel::Amber, text);
        }
        let ours = self.call.as_ref().is_some_and(|call| Some(call.id) == id && call.ends_when_refused(code));
        if ours && code == RefusalCode::NoSuchCall {
            // It ended while the answer or the request to join was on its way. Nothing failed here; how it ended is known from
            // its notice, if this device gets notices.
            let how = match id.and_then(|id| self.notices.get(&id)).map(|notice| &notice.state) {
                Some(NoticeState::Ended { how }) => how.as_str(),
                _ => "interrupted",
            };
            self.with_call(|call, context| call.end(how, context));
        } else if ours {
            // A party that cannot come back ends the call for the other one too, which would wait for it.
            if let Some(call) = self.call.as_ref().filter(|call| call.waits_as_party()) {
                self.send(ClientMessage::HangUp { call: call.id, failed: true });
            }
            self.with_call(|call, context| call.give_up(text.clone(), context));
        } else {
            self.alert(AlertLevel::Amber, text);
        }
    }

    /// The office reports the end of a call: a ring of it that still arrives is a replay.
    fn on_reported_over(&mut self, call: CallId) {
        self.reported_over = Some(call);
        if self.state.unreported_rings.contains(&call) {
            self.state.unreported_rings.retain(|id| *id != call);
            self.out.push_back(Output::Persist);
        }
    }

    /// After signing in: resumes the call, or rejoins it with fresh keys.
    fn rejoin_call(&mut self, in_call: Option<CallId>) {
        let known = self.call.as_ref().filter(|call| !call.is_over()).map(|call| call.id);
        // It ended here while this device was disconnected, and its person has gone on to another call.
        if let Some(id) = in_call.filter(|id| known.is_some_and(|have| have != *id) && self.has_finished(*id)) {
            self.send(ClientMessage::HangUp { call: id, failed: false });
            return self.with_call(Call::on_unknown_to_office);
        }
        match (known, in_call) {
            (Some(have), Some(id)) if have == id => {
                self.with_call(Call::resume);
            }
            (Some(_), Some(_)) => {
                self.with_call(Call::on_unknown_to_office);
                self.alert(
                AlertLevel::Red,
                "The office's server says that this device is in another call than it is. Tell the security officer.",
            );
            }
            // It ended here while disconnected: the office learns of it now. Nobody is brought back into a call that they left.
            (None, Some(id)) if self.has_finished(id) => {
                let failed = self.call.as_ref().is_some_and(|call| call.id == id && call.has_failed());
                self.send(ClientMessage::HangUp { call: id, failed });
            }
            (None, Some(id)) => {
                // The server cannot put a device into a call that no person engaged in on it.
                let Some(engaged) = self.state.engaged.clone().filter(|engaged| engaged.call == id) else {
                    return self.alert(
                    AlertLevel::Red,
                    "The office's server says that this device is in a call that was not answered on this device. Tell the security officer.",
                );
                };
                let (mode, muted) = (self.mode, self.state.muted_in == Some(id));
                match Call::rejoin(&mut self.context(), id, mode, engaged.ring, muted) {
                    Ok(call) => self.call = Some(call),
                    Err(error) => {
                        self.alert(AlertLevel::Red, format!("This device could not make keys for a call: {error}."));
                    }
                }
            }
            (Some(_), None) => self.with_call(Call::on_unknown_to_office),
            (None, None) => {}
        }
    }

    /// The office rings this device.
    fn on_ring(&mut self, now_ms: u64, jws: String, opened: &Logged, device: &Logged) {
        if let Some(call) = self.confirm_repeated_ring(&jws) {
            return self.send(ClientMessage::RingShown { call });
        }
        let glare = self.call.as_ref().is_some_and(Call::yields_on_glare);
        let beside = self.in_call() && !glare;
        if beside && !self.shows_further_rings() {
            return;
        }
        let incoming = Call::incoming(&self.context(), jws.clone(), opened, device);
        match incoming {
            // It ended here while the office could not be told, and so it still rings there.
            Ok(call) if self.state.unreported_rings.contains(&call.id) => {
                let call = call.id;
                let declined = self.rings.decline_of(call);
                let known = declined.is_some() || self.call.as_ref().is_some_and(|own| own.id == call);
                self.send(declined.unwrap_or(ClientMessage::HangUp { call, failed: true }));
                if !known {
                    self.alert(AlertLevel::Amber, "A ring of an earlier call came again. It was not shown.");
                }
            }
            Ok(call) if self.state.finished_rings.contains(&call.id) => {
                self.alert(AlertLevel::Red, "A ring of an earlier call was repeated. It was not shown.");
            }
            // The office sent it again before it had the answer.
            Ok(call) if self.call.as_ref().is_some_and(|own| own.id == call.id) => {}
            Ok(call) => {
                self.record_log_claims([opened.checkpoint.clone(), device.checkpoint.clone()], now_ms);
                // Glare is resolved by the ring that this device waits for, and by no other.
                if beside || glare && !self.call.as_ref().is_some_and(|own| own.matches_glare(&call)) {
                    return self.add_ring(call);
                }
                self.send(ClientMessage::RingShown { call: call.id });
                self.call = Some(call);
                self.with_call(|call, context| call.open_leg(context));
                if glare {
                    self.with_call(Call::answer);
                }
            }
            // Nobody did wrong, and nobody has to be told.
            Err(error) if error.has_crossed() => {
                self.alert(AlertLevel::Amber, format!("A ring was not shown: {error}."))
            }
            Err(error) => {
                if error.is_hostile() {
                    self.report(ReportedAlert::RingInvalid, telcon_identity::claimed_call(&jws));
                }
                self.alert(
                    AlertLevel::Red,
                    format!("A ring was refused because it could not be verified: {error}. Tell the security officer."),
                );
            }
        }
    }

    /// Applies changes to the list of people, which stays sorted by name.
    fn on_people_changed(&mut self, changed: Vec<Contact>, removed: &[PersonId]) {
        let unchanged = |contact: &Contact| {
            let person = contact.card.person;
            !removed.contains(&person) && changed.iter().all(|new| new.card.person != person)
        };
        self.people.retain(unchanged);
        self.people.extend(changed);
        self.people.sort_by(|a, b| (&a.card.name, a.card.person).cmp(&(&b.card.name, b.card.person)));
    }
}
