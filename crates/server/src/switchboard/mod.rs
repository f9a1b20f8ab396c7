//! The switchboard, a sans-IO engine: time is an argument, results are [`Effects`], whose writes are durable before
//! anything else leaves the server.
//!
//! A driver (the hub, a test, a simulation) calls one method for each input, carries the effects out in their order, and calls
//! [`Switchboard::timeout`] at [`Switchboard::next_timeout`]. Facts that only the store or cryptography knows are arguments:
//! whether a ring's signature holds ([`VerifiedRing`]), whether a call id or an enrolment was used before.
//!
//! Handling an input scans nothing unrelated to it: calls are indexed by person and device, deadlines by time, and
//! contact changes are sent to subscribed connections only.
//!
//! | module | idea |
//! |---|---|
//! | `port` | inputs and outputs |
//! | `context` | state shared by all calls: directory, effects, timers |
//! | `delegations`, `held_delegations` | who may act for whom, and the calls under it; what is held of them |
//! | `lines`, `held_lines` | lines: offered, bound, changed and ended, and the calls over them; what is held of them |
//! | `documents`, `held_documents` | documents and the keys that they are sealed to; what is held of them |
//! | `directory` | enrolled devices and connections |
//! | `contacts` | contact lists: sign-in, changes, search |
//! | `live_calls` | calls that have not ended, with indexes |
//! | `call` | one call |
//! | `asks` | limits of requests to join |
//! | `ring` | opening, ringing, answering, ending |
//! | `ring_limits` | how often people may ring |
//! | `alerts` | alerts: entries of the log, sent to devices whose role may see them |
//! | `push` | subscriptions, and which devices are notified of alerts while their page is closed |
//! | `ring_pushes` | which devices are notified of rings while their page is closed |
//! | `added_devices` | added devices, of which the person's other devices notify them |
//! | `invitations` | registrars, their invitations, devices that ask |
//! | `approvals` | registrars' approvals of those devices |
//! | `sign_in_limits` | how often a device may sign in |
//! | `shifts`, `held_shifts` | who is at a device of a place, and until when |
//! | `reach` | when, and in which order, principals are reached |
//! | `silence` | callers whom a person has silenced |
//! | `group` | group membership: join requests, commits, leaving, resuming |
//! | `note_takers` | the driver of `assignment` |
//! | `legs` | media legs |
//! | `enrolment` | enrolling and revoking devices |
//! | `recoveries` | recovery of people who lost all devices |
//! | `issued_links` | links of the authority, and whether their names may be enrolled |
//! | `namesakes` | finding names that look the same |
//! | `post_call` | what is pending after a call: its end in the log, its records |

mod added_devices;
mod alerts;
mod approvals;
mod asks;
mod call;
mod contacts;
mod context;
mod delegated_offers;
mod delegations;
mod directory;
mod documents;
mod enrolment;
mod group;
mod held_delegations;
mod held_documents;
mod held_lines;
mod held_shifts;
mod invitations;
mod issued_links;
mod legs;
mod lines;
mod live_calls;
mod moves;
mod namesakes;
mod note_takers;
mod port;
mod post_call;
mod push;
mod reach;
mod recoveries;
mod ring;
mod ring_limits;
mod ring_pushes;
mod shifts;
mod sides;
mod sign_in_limits;
mod silence;
mod subscriptions;

pub use shifts::NOT_A_PLACE;

pub use port::{
    Approved, BeginningShift, CloseReason, ConfirmingRecovery, DelegationEnding, DeviceAsked, Effects, FirstApproved,
    LegRefusal, NewAttestation, NewDelegation, NewDevice, NewDeviceKey, NewDocument, NewLine, OpeningRecovery, Output,
    PendingAppend, Policy, Push, PushCommand, Refusal, RefusalKind, RefusedRing, RelayCommand, Reply, RequestId,
    Revocation, RevocationAppend, Seal, SealedLine, SessionId, VerifiedRing,
};

use crate::{
    limits::{NOTICES_AT_SIGN_IN, RECENT_ENDS},
    store::{InvitationRow, Snapshot, Stage},
};
use added_devices::AddedDevices;
use alerts::Alerts;
use call::Call;
use contacts::TooManySearches;
use context::{Context, Timer, watches_calls};
use directory::Device;
use enrolment::Enrolling;
use invitations::Invitations;
use issued_links::IssuedLinks;
use live_calls::LiveCalls;
use post_call::PendingRecords;
use reach::Reached;
use recoveries::Recoveries;
use ring_limits::RingLimits;
use sign_in_limits::SignInLimits;
use silence::Silenced;
use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::Arc,
};
use telcon_proto::{
    CallId, ClientMessage, DeviceId, Ended, PersonId, Role, ServerMessage,
    limits::{MAX_COMMIT_BYTES, max_key_package_bytes},
    message::{DeclineReply, RefusalCode},
};

/// Sign-ins, rings and calls of one office.
pub struct Switchboard {
    context: Context,
    calls: LiveCalls,
    /// The most recent ended calls, for devices that were disconnected at the end.
    recent: VecDeque<CallId>,
    recent_ends: HashMap<CallId, (Ended, Option<DeclineReply>)>,
    pending: PendingRecords,
    /// Enrolments of devices whose log entry is not confirmed.
    enrolling: HashMap<DeviceId, Enrolling>,
    ring_limits: RingLimits,
    sign_in_limits: SignInLimits,
    /// Devices whose report that they erased themselves came since the start.
    erased: BTreeSet<DeviceId>,
    silenced: Silenced,
    reached: Reached,
    issued_links: IssuedLinks,
    invitations: Invitations,
    recoveries: Recoveries,
    alerts: Alerts,
    added_devices: AddedDevices,
    /// When this engine was started.
    started_ms: u64,
    /// Number of settled calls, for the cost test.
    #[cfg(test)]
    settled: usize,
}

/// A signed-in device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedIn {
    /// The device.
    pub device: DeviceId,
    /// Its person's role.
    pub role: Role,
}

/// Figures for the operator. They identify nobody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Ringing calls.
    pub ringing: usize,
    /// Calls that were answered and have not ended.
    pub live: usize,
    /// Signed-in connections.
    pub sessions: usize,
    /// Devices that may sign in.
    pub devices: usize,
    /// Ended calls that should have a record and have none.
    pub records_pending: usize,
}

impl Switchboard {
    /// Starts from the stored state. Calls that had not ended continue: their participants have
    /// [`telcon_proto::limits::ABANDONED_AFTER_MS`] to resume.
    pub fn new(policy: Policy, stored: Snapshot, now_ms: u64) -> (Self, Effects) {
        let mut this = Self {
            context: Context::new(policy),
            calls: LiveCalls::default(),
            recent: VecDeque::new(),
            recent_ends: HashMap::new(),
            pending: PendingRecords::default(),
            enrolling: HashMap::new(),
            ring_limits: RingLimits::default(),
            sign_in_limits: SignInLimits::default(),
            erased: BTreeSet::new(),
            silenced: Silenced::default(),
            reached: Reached::default(),
            issued_links: IssuedLinks::default(),
            invitations: Invitations::default(),
            recoveries: Recoveries::default(),
            alerts: Alerts::default(),
            added_devices: AddedDevices::default(),
            started_ms: now_ms,
            #[cfg(test)]
            settled: 0,
        };
        for row in stored.devices {
            let given = row.is_holders();
            if row.log_index.is_none() {
                let second_cert_sha256 = row.second_cert_sha256();
                let (enrolment, cert_sha256) = (row.enrolment, row.cert_sha256);
                let begun = Enrolling { enrolment, cert_sha256, second_cert_sha256, approval: None };
                this.enrolling.insert(row.device, begun);
            }
            let device = Device {
                card: Arc::new(row.card),
                enrolled_ms: row.enrolled_ms,
                revoked_ms: row.revoked_ms,
                revocation: row.revocation.map(String::into_boxed_str),
                erase_ordered_ms: row.erase_ordered_ms,
                log_index: row.log_index,
                given,
            };
            this.context.directory.insert(row.device, device);
            if let (Some(ms), None) = (row.revoked_ms, row.revoked_index) {
                enrolment::append_revocation(&mut this.context, row.device, row.erase_ordered_ms.unwrap_or(ms), None);
            }
        }
        for lost in stored.lost {
            this.context.directory.insert_lost(lost.device, lost.revoked_ms, lost.revocation);
            if let (Some(ms), None) = (lost.revoked_ms, lost.revoked_index) {
                enrolment::append_revocation(&mut this.context, lost.device, ms, None);
            }
        }
        this.silenced.restore(stored.silenced);
        this.reached.restore(stored.reach);
        for row in stored.issued_links {
            this.issued_links.insert(row);
        }
        this.alerts = Alerts::restore(stored.alerts, stored.unseen_alerts, &mut this.context, now_ms);
        this.added_devices.restore(stored.added_devices);
        this.restore_push(stored.push, now_ms);
        this.restore_recoveries(stored.recoveries, stored.recovered, now_ms);
        // Before the invitations, which are closed when their lines are in the log.
        this.restore_lines(stored.lines);
        this.restore_documents(stored.documents, stored.device_keys);
        this.restore_invitations(stored.registrars, stored.invitations);
        this.context.contacts.load(&this.context.directory);
        // Before the calls that need them; what has ended meanwhile ends after these are restored.
        let delegations = this.restore_delegations(stored.delegations);
        this.context.relay(RelayCommand::KeepOnly(stored.active.iter().map(|active| active.row.call).collect()));
        let over: HashMap<_, _> =
            stored.call_lines.into_iter().map(|line| ((line.content.line, line.content.version), line)).collect();
        for active in stored.active {
            let line = active.row.line.and_then(|line| over.get(&line).cloned());
            let mut call = Call::restored(active, now_ms);
            call.load_line(line, &this.context);
            this.restore(call, now_ms);
        }
        this.restore_ring_pushes(stored.ring_pushes, now_ms);
        for unfinished in stored.unfinished {
            let row = &unfinished.row;
            this.remember_end(row.call, row.how.unwrap_or(Ended::Interrupted), None);
            this.pending.restore(&unfinished, &mut this.context, now_ms);
        }
        this.settle_delegations(&delegations, now_ms);
        // After the calls, which devices leave whose shift is over.
        this.restore_shifts(stored.shifts, now_ms);
        let effects = this.finish(now_ms);
        (this, effects)
    }

    /// A device proved its identity. `token` is its bearer token for HTTP requests.
    ///
    /// # Errors
    /// If the device is unknown or revoked, or signs in too often: the message to send before the connection is closed.
    pub fn connected(
        &mut self,
        session: SessionId,
        device: DeviceId,
        token: String,
        now_ms: u64,
    ) -> Result<(SignedIn, Effects), Box<ServerMessage>> {
        let card = match self.context.directory.device(&device) {
            Some(d) if d.revoked_ms.is_some() => {
                return Err(Box::new(ServerMessage::Revoked { jws: d.revocation.as_deref().map(str::to_owned) }));
            }
            Some(d) if d.is_valid() => d.card.clone(),
            _ => return Err(Box::new(unknown_device())),
        };
        if !self.sign_in_limits.sign_in(device, now_ms) {
            return Err(Box::new(signs_in_too_often()));
        }
        let shift = self.context.shifts.on_shift(&device);
        if card.place && shift.is_none() {
            // The driver adds the token with which one is begun.
            return Err(Box::new(ServerMessage::ShiftRequired { token: String::new() }));
        }
        if let Some(older) = self.context.directory.session_of(&device) {
            self.context.close(older, CloseReason::Replaced);
            self.forget_session(older, now_ms);
        }
        let first = self.context.directory.sign_in(session, device, card.clone());
        self.context.shift_device_connected(&device);
        let viewer = self.context.list_viewer(&card, device);
        let (contacts, known) = self.context.contacts();
        let (people, people_more) = contacts.open_list(session, viewer, &known);
        let own = self.calls.of_device(&device);
        let in_call = own.iter().filter_map(|id| self.calls.get(id));
        let in_call = in_call.filter(|c| c.row.stage != Stage::Opening && c.takes_part(&device)).map(Call::id).next();
        let signed_in = ServerMessage::SignedIn {
            you: (*card).clone(),
            people,
            people_more,
            silenced: self.silenced.of(card.person),
            suite: self.context.policy.suite,
            mode: self.context.policy.floor,
            token,
            in_call,
            checkpoint: String::new(),
            recovered_ms: self.context.directory.recovered_ms(card.person),
            shift,
            key_missing: self.context.documents.lacks_key(&device),
        };
        self.context.send(session, signed_in);
        if first {
            self.person_changed(card.person);
        }
        self.send_devices_added(session, device);
        self.send_reach(session, card.person);
        self.send_invitations(session, device, card.role);
        self.send_doubted_lines(session, card.person);
        self.send_alerts(session, card.role);
        self.context.send_note_takers(session, card.role);
        if watches_calls(card.role) {
            self.send_notices(session, in_call);
        } else {
            self.send_notices_for(session, card.person);
        }
        let ringing: Vec<CallId> = self.calls.of_person(card.person).map(Call::id).collect();
        for id in ringing {
            if let Some(call) = self.calls.get_mut(&id) {
                call.ring_device(device, &mut self.context);
            }
        }
        self.ring_for_principals(device, card.person);
        Ok((SignedIn { device, role: card.role }, self.finish(now_ms)))
    }

    /// A device's person signed in at the office's provider, for so long. One that is connected is told.
    pub fn account_renewed(&mut self, device: DeviceId, remaining_ms: u64, now_ms: u64) -> Effects {
        self.context.tell(&device, ServerMessage::AccountSession { remaining_ms });
        self.finish(now_ms)
    }

    /// Whether a device takes part in a call now, or the record of one is expected from it.
    pub fn device_is_in_use(&self, device: &DeviceId, now_ms: u64) -> bool {
        self.calls.of_device(device).iter().filter_map(|id| self.calls.get(id)).any(|call| call.takes_part(device))
            || self.pending.is_expected_from(device, now_ms)
    }

    /// Sends notices of the newest calls, and of the device's own, to staff that signs in.
    fn send_notices(&mut self, session: SessionId, in_call: Option<CallId>) {
        let newest: Vec<&Call> = self.calls.newest(NOTICES_AT_SIGN_IN).collect();
        let own = in_call.filter(|own| newest.iter().all(|call| call.id() != *own));
        let own = own.and_then(|own| self.calls.get(&own));
        for call in own.into_iter().chain(newest.into_iter().rev()) {
            let notice = ServerMessage::Notice(call.notice(&self.context));
            self.context.send(session, notice);
        }
    }

    /// A connection ended.
    pub fn disconnected(&mut self, session: SessionId, now_ms: u64) -> Effects {
        let device = self.context.directory.session(session).map(|session| session.device);
        let rings = self.rings_on(session);
        self.forget_session(session, now_ms);
        if let Some(device) = device {
            self.notify_of(rings, device);
        }
        self.finish(now_ms)
    }

    /// A signed-in device sent a message. A ring goes to [`Switchboard::ring`], once it is verified.
    pub fn message(&mut self, session: SessionId, message: ClientMessage, now_ms: u64) -> Effects {
        let Some(from) = self.context.directory.session(session).map(|s| s.device) else { return Effects::default() };
        use ClientMessage as M;
        match message {
            M::RingShown { call } => self.on_call(session, call, |c, context| c.ring_shown(from, context)),
            M::Answer { call, key_package } | M::AskJoin { call, key_package }
                if key_package.0.len() > max_key_package_bytes(self.context.policy.suite) =>
            {
                let text = "the key package is over the limit";
                self.context.refuse(session, Some(call), RefusalCode::Malformed, text);
            }
            M::Commit { call, commit, welcome, .. }
                if commit.0.len() + welcome.as_ref().map_or(0, |welcome| welcome.0.len()) > MAX_COMMIT_BYTES =>
            {
                let text = "the commit is over the limit";
                self.context.refuse(session, Some(call), RefusalCode::Malformed, text);
            }
            M::Answer { call, key_package } => {
                self.answer(session, from, call, key_package, now_ms);
            }
            M::Decline { call, reply } => self.decline(session, from, call, reply, now_ms),
            M::HangUp { call, failed } => self.hang_up(session, from, call, failed, now_ms),
            M::AskJoin { call, key_package } => {
                // A listener has at most one pending request to join.
                for other in self.calls.of_device(&from).into_iter().filter(|other| *other != call) {
                    if let Some(other) = self.calls.get_mut(&other).filter(|other| !other.takes_part(&from)) {
                        other.stop_waiting(&from, &mut self.context);
                    }
                }
                self.on_call(session, call, |c, context| c.ask_join(session, from, key_package, context, now_ms));
            }
            M::Leave { call } => self.leave_to_other_device(session, from, call, now_ms),
            M::HandOver { call } => {
                self.on_call(session, call, |c, context| c.hand_over(session, from, context, now_ms));
            }
            M::Commit { call, epoch, commit, welcome, adds, removes } => {
                let submitted = group::SubmittedCommit { epoch, commit, welcome, adds, removes };
                self.on_call(session, call, |c, context| c.commit(session, from, submitted, context, now_ms));
            }
            M::Application { call, message } => {
                self.on_call(session, call, |c, context| c.application(session, from, message, context, now_ms));
            }
            M::Offer { call, sdp } => self.on_call(session, call, |c, context| c.offer(session, from, sdp, context)),
            M::Resume { call, after } => {
                self.on_call(session, call, |c, context| c.resume(session, from, after, context))
            }
            M::FindPeople { name } => {
                let (contacts, known) = self.context.contacts();
                match contacts.find(session, &name, &known, now_ms) {
                    Some(Ok(found)) => self.context.send(session, found),
                    Some(Err(TooManySearches)) => {
                        let text = "too many searches: wait a second, then search again";
                        self.context.refuse(session, None, RefusalCode::TooMany, text);
                    }
                    None => {}
                }
            }
            M::Silence { person, on } => self.silence(session, from, person, on, now_ms),
            M::SetReach { person, settings } => self.set_reach(session, from, person, settings, now_ms),
            M::Invite { invitation, card, expires_ms, token_sha256, line } => {
                let row = InvitationRow::new(invitation, card, from, token_sha256, now_ms, expires_ms);
                self.invite(session, InvitationRow { line, ..row }, now_ms);
            }
            M::OfferLine { invitation, card, expires_ms, token_sha256, line, on_behalf } => {
                let row = InvitationRow::new(invitation, card, from, token_sha256, now_ms, expires_ms);
                self.offer_line(session, InvitationRow { line: Some(line), ..row }, on_behalf, now_ms);
            }
            M::CloseInvitation { invitation } => self.close_invitation(session, from, invitation, now_ms),
            M::CloseRecovery { recovery } => self.close_recovery(session, from, recovery, now_ms),
            M::ReportAlert { kind, call } => self.report_alert(from, kind, call, now_ms),
            M::SeeAlerts { alerts } => self.see_alerts(session, from, &alerts, now_ms),
            M::AcknowledgeDevice { device } => self.acknowledge_device(from, device),
            M::EndShift { idle } => self.end_own_shift(session, from, idle, now_ms),
            M::Available {} => self.available(session, from, now_ms),
            M::OpenRecovery { .. } | M::ConfirmRecovery { .. } => {
                let text = "the server did not verify this statement about a recovery: try again";
                self.context.refuse(session, None, RefusalCode::Unavailable, text);
            }
            M::Delegate { .. } | M::EndDelegation { .. } => {
                let text = "the server did not verify this statement: try again";
                self.context.refuse(session, None, RefusalCode::Unavailable, text);
            }
            M::PublishKey { .. } => {
                let text = "the server did not verify this device's key: sign in again";
                self.context.refuse(session, None, RefusalCode::Unavailable, text);
            }
            M::AttestHolder { .. } => {
                let text = "the server did not verify this statement: try again";
                self.context.refuse(session, None, RefusalCode::Unavailable, text);
            }
            M::SignLine { .. } | M::StopLine { .. } => {
                let text = "the server did not verify this version of a line: try again";
                self.context.refuse(session, None, RefusalCode::Unavailable, text);
            }
            M::RevokeDevice { .. } => {
                let text = "the server did not verify this revocation: revoke the device again";
                self.context.refuse(session, None, RefusalCode::Unavailable, text);
            }
            M::ApproveDevice { .. } => {
                let text = "the server did not verify this certificate: approve the device again";
                self.context.refuse(session, None, RefusalCode::Unavailable, text);
            }
            M::Ring { .. } => {
                let text = "the server did not verify this ring: ring again";
                self.context.refuse(session, None, RefusalCode::Unavailable, text);
            }
            M::OpenCode {} | M::AnswerCode { .. } | M::CloseCode { .. } => {
                let text = "the server did not forward this: make another code";
                self.context.refuse(session, None, RefusalCode::Unavailable, text);
            }
            M::Hello { .. } | M::Prove { .. } | M::Ping { .. } => {
                let text = "this connection is signed in already: open another one to sign in again";
                self.context.refuse(session, None, RefusalCode::Malformed, text);
            }
        }
        self.finish(now_ms)
    }

    /// Time passed. Call it at [`Switchboard::next_timeout`].
    pub fn timeout(&mut self, now_ms: u64) -> Effects {
        self.finish(now_ms)
    }

    /// When [`Switchboard::timeout`] is due next, milliseconds since 1970 UTC.
    pub fn next_timeout(&self) -> Option<u64> {
        self.context.timers.next().into_iter().chain(self.context.assignment.next_timeout()).min()
    }

    /// The result of [`Output::Append`]: the entry's index, or none if the append failed.
    pub fn logged(&mut self, append: PendingAppend, index: Option<u64>, now_ms: u64) -> Effects {
        match append {
            PendingAppend::Enrolled(device, request) => self.enrolment_logged(device, request, index, now_ms),
            PendingAppend::Alert(id) => self.alerts.logged(id, index, &mut self.context, now_ms),
            PendingAppend::Appointed(device, request) => self.appointment_logged(device, request, index),
            PendingAppend::InvitationMade(id) => self.invitation_logged(id, index, now_ms),
            PendingAppend::InvitationClosed(id) => self.invitation_close_logged(id, index, now_ms),
            PendingAppend::RecoveryOpened(id) => self.recovery_logged(id, index, now_ms),
            PendingAppend::RecoveryConfirmed(id) => self.recovery_confirmation_logged(id, index, now_ms),
            PendingAppend::RecoveryClosed(id) => self.recovery_close_logged(id, index, now_ms),
            PendingAppend::Revoked(order) => self.revocation_logged(order, index, now_ms),
            PendingAppend::DelegationGiven(id) => self.delegation_logged(id, index, now_ms),
            PendingAppend::DelegationEnded(id) => self.delegation_end_logged(id, index, now_ms),
            PendingAppend::LineSigned(id) => self.line_logged(id, index, now_ms),
            PendingAppend::DocumentSigned(id) => self.document_logged(id, index, now_ms),
            PendingAppend::DeviceKey(id) => self.key_logged(id, index, now_ms),
            PendingAppend::DocumentOpened(opening, request) => self.copy_opened(opening, request, index),
            PendingAppend::ReadoutPublished(request) => self.readout_logged(request, index),
            PendingAppend::ShiftStarted(id) => self.shift_logged(id, index, now_ms),
            PendingAppend::ShiftEnded(id) => self.shift_end_logged(id, index, now_ms),
            PendingAppend::Opened(call) => self.opened(call, index, now_ms),
            PendingAppend::Ended(call) => self.pending.end_logged(call, index, &mut self.context, now_ms),
            PendingAppend::Sealed(seal, request) => {
                self.pending.sealed(*seal, request, index, &mut self.context, now_ms)
            }
            PendingAppend::Missing(call) => self.pending.missing_logged(call, index, &mut self.context, now_ms),
        }
        self.finish(now_ms)
    }

    /// Numbers for the operator.
    pub fn gauges(&self) -> Gauges {
        Gauges {
            ringing: self.calls.ringing(),
            live: self.calls.live(),
            sessions: self.context.directory.sessions(),
            devices: self.context.directory.valid_devices(),
            records_pending: self.pending.without_record(),
        }
    }

    /// Concludes every input: processes due timers, and settles the calls that were changed.
    fn finish(&mut self, now_ms: u64) -> Effects {
        let mut changed = BTreeSet::new();
        let mut fired = BTreeSet::new();
        loop {
            let touched = self.calls.take_touched();
            for id in &touched {
                self.settle(*id, &fired, now_ms);
            }
            let settled = touched.is_empty();
            changed.extend(touched);
            if self.context.assignment.next_timeout().is_some_and(|at| at <= now_ms) {
                self.context.assignment.timeout(now_ms);
            }
            if self.carry_out_assignments() {
                continue;
            }
            match self.context.timers.pop_due(now_ms) {
                Some(Timer::Call(id)) => {
                    fired.insert(id);
                    self.ring_desk_when_due(id, now_ms);
                    self.notify_late(id, now_ms);
                    let due = self.calls.get_mut(&id).and_then(|call| call.due(&mut self.context, now_ms));
                    if let Some(how) = due {
                        self.end(id, how, now_ms);
                    }
                }
                Some(Timer::Alerts) => self.alerts.due(&mut self.context, now_ms),
                Some(Timer::Delegation(id)) => self.delegation_due(id, now_ms),
                Some(Timer::Document(id)) => self.append_document(id),
                Some(Timer::DeviceKey(id)) => self.append_key(id),
                Some(Timer::Line(id)) => self.append_line(id),
                Some(Timer::Shift(id)) => self.shift_due(id, now_ms),
                Some(Timer::Invitation(id)) => self.invitation_expired(id, now_ms),
                Some(Timer::Recovery(id)) => self.recovery_due(id, now_ms),
                Some(Timer::RecoveryShown(person)) => self.recovery_shown_long_enough(person),
                Some(Timer::AppendRevocation(device)) => self.append_revocation_again(device),
                Some(timer) => self.on_pending_timer(timer, now_ms),
                None if settled => break,
                None => {}
            }
        }
        for id in changed {
            self.calls.conclude(&id, &mut self.context);
        }
        self.context.send_contact_changes(now_ms);
        self.context.send_note_taker_changes();
        // Calls touched by the last step are settled with the next input.
        self.calls.take_touched();
        self.context.take_effects()
    }

    /// Updates indexes, timers and note-taker assignment to a call's state.
    fn settle(&mut self, id: CallId, fired: &BTreeSet<CallId>, now_ms: u64) {
        #[cfg(test)]
        {
            self.settled += 1;
        }
        self.calls.reindex(&id);
        let call = self.calls.get(&id);
        let due = call.and_then(Call::next_timeout);
        // A call whose timer fired in this input is not processed again in the same millisecond.
        let due = due.map(|at| if fired.contains(&id) { at.max(now_ms + 1) } else { at });
        self.context.timers.set(Timer::Call(id), due);
        let facts = call.and_then(|call| call.assignment_facts(&self.context.directory));
        self.context.assignment.update(id, facts, now_ms);
    }

    /// A person's devices or connections have changed.
    fn person_changed(&mut self, person: PersonId) {
        self.context.contacts.changed(person, &self.context.directory);
    }

    fn on_call(&mut self, session: SessionId, call: CallId, act: impl FnOnce(&mut Call, &mut Context)) {
        match self.calls.known_mut(&call) {
            Some(found) => act(found, &mut self.context),
            None => self.no_such_call(session, call),
        }
    }

    /// Tells a device that was disconnected at the end of the call how it ended.
    fn no_such_call(&mut self, session: SessionId, call: CallId) {
        match self.recent_ends.get(&call) {
            Some((how, reply)) => {
                let ended = ServerMessage::Ended { call, how: *how, reply: *reply };
                self.context.send(session, ended);
            }
            None => self.context.refuse(session, Some(call), RefusalCode::NoSuchCall, "no such call, or it is over"),
        }
    }

    fn remember_end(&mut self, call: CallId, how: Ended, reply: Option<DeclineReply>) {
        if self.recent.len() == RECENT_ENDS
            && let Some(oldest) = self.recent.pop_front()
        {
            self.recent_ends.remove(&oldest);
        }
        self.recent.push_back(call);
        self.recent_ends.insert(call, (how, reply));
    }

    fn has_ended(&self, call: CallId) -> bool {
        self.recent_ends.contains_key(&call)
    }

    fn forget_session(&mut self, session: SessionId, now_ms: u64) {
        let Some((gone, last)) = self.context.directory.sign_out(session) else { return };
        self.context.contacts.close_list(session);
        self.context.shift_device_disconnected(&gone.device, now_ms);
        self.context.assignment.disconnected(gone.device, now_ms);
        for id in self.calls.of_device(&gone.device) {
            let Some(call) = self.calls.get_mut(&id) else { continue };
            call.disconnect(gone.device, now_ms);
            if !call.takes_part(&gone.device) {
                // A device that was not admitted yet requests again after it reconnects.
                call.stop_waiting(&gone.device, &mut self.context);
            }
        }
        if last {
            self.person_changed(gone.card.person);
        }
    }
}

fn unknown_device() -> ServerMessage {
    ServerMessage::Refused {
        call: None,
        code: RefusalCode::NotSignedIn,
        message: "this device is not enrolled here: ask your office for an enrolment link".to_owned(),
    }
}

fn signs_in_too_often() -> ServerMessage {
    let message = "this device signs in too often: wait a minute, and make sure that it runs once".to_owned();
    ServerMessage::Refused { call: None, code: RefusalCode::TooMany, message }
}

#[cfg(test)]
mod office_with_faults;
#[cfg(test)]
mod tests;
