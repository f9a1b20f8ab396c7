//! The client's engine: signs in, rings, answers, keeps the group and its keys. It is sans-IO: messages, commands, frames
//! and the time go in; messages, media requests and views come out. The same engine runs in a browser's worker, in the
//! native client, and in tests with virtual time.

mod alerts;
mod codes;
mod delegations;
mod documents;
mod gossip;
mod keepalive;
mod line_seals;
mod lines;
mod log_audit;
mod notices;
mod reach;
mod recoveries;
mod registrar;
mod rings;
mod session;

use crate::{
    call::{Call, Parties, ReceivedFrame, captions::Caption},
    clock::Clock,
    context::Context,
    delegations::SentDelegations,
    device::{Device, DeviceError, DeviceState},
    io::{Output, UserCommand},
    lines::{SentLine, Zones, no_zones},
    media::{
        keyring::OpenError,
        rate::{RateController, SendProfile},
    },
    view::{
        Alert, AlertLevel, ConnectionState, LogState, NoteTakersView, NoticeView, OfficeView, RevocationView, View, You,
    },
};
use chacha20::{ChaCha20Rng, rand_core::SeedableRng as _};
use gossip::Gossip;
use keepalive::{KeepAlive, PING_INTERVAL_MS};
use log_audit::Freshness;
use rings::{Present, Rings};
use std::collections::{BTreeMap, VecDeque};
use telcon_identity::{LoggedDevice, VerifiedDelegation, needs_line};
use telcon_proto::{
    CallId, Card, ClientMessage, DeviceId, LineId, PersonId, RecordMode, Role, ServerMessage,
    contact::Contact,
    device_policy::ProgramVersion,
    doubt::DoubtedLine,
    limits::MAX_MESSAGE_BYTES,
    line::{self, ContactLine, LineState, Reach},
    policy::{Action, allows},
    reach::PersonsReach,
    shift::OnShift,
};
use zeroize::Zeroizing;

/// Alerts kept on the screen; older ones are dropped.
const MAX_ALERTS: usize = 8;
/// Finished rings kept to detect replays, after a restart too.
const MAX_FINISHED_RINGS: usize = 64;

/// Whether a person can ring over a line as the office lists it. The list is not authenticated: this spares people a ring that the office
/// and the other side would refuse.
fn may_ring_over(line: Option<&ContactLine>, caller: Role, needed: bool) -> Result<(), &'static str> {
    match line {
        None if needed => Err("There is no line between you and this person."),
        None => Ok(()),
        Some(line) => match line.state {
            LineState::Live if line.terms.reach == Reach::Planned && allows(caller, Action::HoldLines) => {
                Err("This line is for planned calls only: ask for one.")
            }
            LineState::Live => Ok(()),
            LineState::Paused => Err("This line is paused."),
            LineState::Suspect => Err("This line is frozen: its giver has to look into that."),
            LineState::Ended => Err("This line has ended."),
        },
    }
}

/// The engine of one device.
pub struct Engine {
    device: Device,
    state: DeviceState,
    rng: ChaCha20Rng,
    out: VecDeque<Output>,
    phase: ConnectionState,
    people: Vec<Contact>,
    people_more: bool,
    mode: RecordMode,
    token: Option<String>,
    /// The ticket of this device's last unlocking.
    ticket: Option<String>,
    unlock_required: bool,
    /// What the person signs in with at the office's provider, while that is required.
    sso_token: Option<String>,
    /// With which somebody begins a shift at this device of a place, while nobody is on shift.
    shift_token: Option<String>,
    /// Who is on shift at it.
    shift: Option<OnShift>,
    outdated: bool,
    notices: BTreeMap<CallId, NoticeView>,
    /// When this person was asked to a call, by the office's clock, and until when that rings here.
    asked: BTreeMap<CallId, (u64, u64)>,
    alerts: Vec<Alert>,
    /// How many alerts there have been.
    alerts_raised: u32,
    log: Option<LogState>,
    call: Option<Call>,
    /// Further rings. Not empty only while `call` is not over.
    rings: Rings,
    silenced: Vec<Card>,
    /// When principals are reached, as the office stated it last.
    reach: Vec<PersonsReach>,
    /// When the person's sign-in at the office's provider ends, milliseconds since 1970 UTC.
    account_ends_ms: Option<u64>,
    /// What the office says of note-takers, to those who watch calls.
    note_takers: Option<NoteTakersView>,
    invitations: registrar::Invitations,
    /// Recoveries of people who lost all devices, as a registrar sees them.
    recoveries: recoveries::Recoveries,
    /// The verified revocation of this device.
    revocation: Option<RevocationView>,
    /// When this person was recovered, as the office states it, while it is shown.
    recovered_ms: Option<u64>,
    /// Those that came before the message in progress.
    delegations: SentDelegations,
    /// How often the office reported that delegations changed.
    delegations_changed: u32,
    /// The line that came before the message in progress.
    line: SentLine,
    /// How often the office reported that lines changed.
    lines_changed: u32,
    /// How often the office reported that documents changed.
    documents_changed: u32,
    /// The line whose words the screen shows.
    shown_challenge: Option<LineId>,
    /// Lines whose holder somebody doubted on another line.
    doubted_lines: Vec<DoubtedLine>,
    zones: Zones,
    alerts_known: alerts::Alerts,
    codes: codes::Codes,
    /// The call whose end the message in progress reports.
    reported_over: Option<CallId>,
    next_ping_ms: Option<u64>,
    /// Pings since the sign-in, and how many of them the office has answered; it answers in order.
    pings_sent: u64,
    pings_answered: u64,
    keepalive: KeepAlive,
    caught_up: bool,
    log_forked: bool,
    freshness: Freshness,
    gossip: Gossip,
    clock: Clock,
    recording: bool,
}

impl Engine {
    /// Opens a device from its state at rest. `seed` is fresh randomness.
    ///
    /// # Errors
    /// When the state is damaged, or its certificates do not verify at `now_ms`.
    pub fn new(state: DeviceState, seed: [u8; 32], now_ms: u64) -> Result<Self, DeviceError> {
        let device = Device::open(&state, now_ms)?;
        Ok(Self {
            device,
            state,
            rng: ChaCha20Rng::from_seed(seed),
            out: VecDeque::new(),
            phase: ConnectionState::Connecting,
            people: Vec::new(),
            people_more: false,
            mode: RecordMode::LogOnly,
            token: None,
            ticket: None,
            unlock_required: false,
            sso_token: None,
            shift_token: None,
            shift: None,
            outdated: false,
            notices: BTreeMap::new(),
            asked: BTreeMap::new(),
            alerts: Vec::new(),
            alerts_raised: 0,
            log: None,
            call: None,
            rings: Rings::default(),
            silenced: Vec::new(),
            reach: Vec::new(),
            account_ends_ms: None,
            note_takers: None,
            invitations: registrar::Invitations::default(),
            recoveries: recoveries::Recoveries::default(),
            revocation: None,
            recovered_ms: None,
            delegations: SentDelegations::default(),
            delegations_changed: 0,
            line: SentLine::default(),
            lines_changed: 0,
            documents_changed: 0,
            shown_challenge: None,
            doubted_lines: Vec::new(),
            zones: no_zones,
            alerts_known: alerts::Alerts::default(),
            codes: codes::Codes::default(),
            reported_over: None,
            next_ping_ms: None,
            pings_sent: 0,
            pings_answered: 0,
            keepalive: KeepAlive::default(),
            caught_up: false,
            log_forked: false,
            freshness: Freshness::default(),
            gossip: Gossip::default(),
            clock: Clock::default(),
            recording: false,
        })
    }

    /// The ticket with which this device signs in from now on; see [`telcon_proto::protection`]. It is never stored.
    pub fn set_ticket(&mut self, ticket: Option<String>) {
        self.ticket = ticket;
    }

    /// Gives the engine a database of time zones, for the hours of lines. Without one it accepts no holder's ring over a line with
    /// hours, and signs no such line.
    pub fn set_zones(&mut self, zones: Zones) {
        self.zones = zones;
    }

    pub(crate) fn zones(&self) -> Zones {
        self.zones
    }

    /// Whether [`Engine::poll`] has an output.
    pub fn has_output(&self) -> bool {
        !self.out.is_empty()
    }

    /// The next output, until there is none.
    pub fn poll(&mut self) -> Option<Output> {
        loop {
            match self.out.pop_front()? {
                Output::Send(message) if !self.may_send(&message) => {}
                output => return Some(output),
            }
        }
    }

    /// Before it has signed this device in, the office closes a connection over which anything but the sign-in comes. What a
    /// person did in the meantime is sent once it has: see `rejoin_call`.
    fn may_send(&self, message: &ClientMessage) -> bool {
        match message {
            ClientMessage::Hello { .. } | ClientMessage::Prove { .. } => true,
            _ => matches!(self.phase, ConnectionState::Ready),
        }
    }

    /// When [`Engine::tick`] wants to be called, milliseconds since 1970 UTC.
    pub fn next_wakeup_ms(&self) -> Option<u64> {
        let (log, unattended) = (self.state.log.as_ref(), self.may_send_unattended());
        let call = self.call.as_ref().and_then(|call| call.next_wakeup_ms(self.clock, log, unattended));
        let keepalive = self.keepalive.next_check_ms(self.in_call()).filter(|_| self.is_connected());
        let keepalive = keepalive.map(|ms| self.clock.wall_ms + ms);
        [self.next_ping_ms, call, keepalive, self.next_comparison_ms(), self.code_ends_ms()].into_iter().flatten().min()
    }

    fn is_connected(&self) -> bool {
        matches!(self.phase, ConnectionState::Connecting | ConnectionState::Ready)
    }

    /// Each entry point that is given the time calls this first.
    fn advance_clock(&mut self, now_ms: u64) {
        let before = self.clock.uptime_ms;
        // A connected device sleeps until its next ping at most; without a connection nothing that is waited for can come.
        let wait_ms = self.next_wakeup_ms().map_or(0, |at| at.saturating_sub(self.clock.wall_ms));
        self.clock.advance(now_ms, wait_ms.min(PING_INTERVAL_MS));
        self.keepalive.advance(self.clock.uptime_ms - before);
        self.freshness.age(self.clock.elapsed_ms);
    }

    /// Whether a note-taker's program can record now. Heartbeats are sent only while it can; the default is that it cannot.
    pub fn set_recording(&mut self, recording: bool) {
        self.recording = recording;
    }

    /// Time passed.
    pub fn tick(&mut self, now_ms: u64) {
        self.advance_clock(now_ms);
        let mut changed = false;
        self.with_call(|call, context| changed = call.tick(context));
        if changed {
            self.persist_call();
            self.view_changed();
        }
        if self.end_code(now_ms) {
            self.view_changed();
        }
        self.compare_logs(now_ms);
        let ping_due = self.phase == ConnectionState::Ready && self.keepalive.ping_due(self.in_call());
        if ping_due || self.next_ping_ms.is_some_and(|at| now_ms >= at) {
            self.ping(now_ms);
        }
        if self.is_connected() && self.keepalive.timed_out(self.in_call()) {
            self.keepalive.reset();
            self.out.push_back(Output::Reconnect);
        }
    }

    /// A message of the switchboard, as text.
    pub fn handle_text(&mut self, now_ms: u64, text: &str) {
        if text.len() > MAX_MESSAGE_BYTES {
            return self.alert(AlertLevel::Red, "The office's server sent a message over the limit. It was ignored.");
        }
        match serde_json::from_str(text) {
            Ok(message) => self.handle(now_ms, message),
            Err(_) => self.alert(
                AlertLevel::Amber,
                "The office's server sent something this version does not understand. Reload to get the newest page.",
            ),
        }
    }

    /// This device, for signatures made outside the engine (records).
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The state to store.
    pub fn state_text(&self) -> Zeroizing<String> {
        self.state.to_text()
    }

    /// Seals one Opus packet of this device. Gives nothing before the call is live, for a listener, or without a key: there
    /// is no way to send in the clear.
    pub fn seal(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        self.call.as_mut().filter(|call| call.speaks())?.seal(packet)
    }

    /// Opens one frame from the relay. It may change the view: who is muted is part of the frames.
    ///
    /// # Errors
    /// When it is not authentic, not of a member, replayed, or of an epoch without a key.
    pub fn open(&mut self, frame: &[u8]) -> Result<ReceivedFrame, OpenError> {
        let call = self.call.as_mut().ok_or(OpenError::UnknownEpoch)?;
        let (frame, mute_changed) = call.open(frame)?;
        let mut arrived = false;
        if call.awaits_leg() {
            self.with_call(|call, context| arrived = call.on_leg_receives(context));
        }
        if mute_changed || arrived {
            self.view_changed();
        }
        Ok(frame)
    }

    /// How this device's audio is to be encoded and sent; it follows the receivers' reports.
    pub fn send_profile(&self) -> SendProfile {
        self.call.as_ref().map_or_else(|| RateController::default().profile(), Call::send_profile)
    }

    /// Records when an opened frame arrived, microseconds on a monotonic clock: for the report to its sender.
    pub fn record_arrival(&mut self, frame: &ReceivedFrame, now_us: u64) {
        if let Some(call) = &mut self.call {
            call.record_arrival(frame, now_us);
        }
    }

    /// Whether this device sends audio now: the cheap part of [`Engine::view`], for each frame.
    pub fn is_sending(&self) -> bool {
        self.call.as_ref().is_some_and(|call| call.is_live() && call.speaks())
    }

    /// Queues a caption for the members who may read it. Only note-takers do. [`Engine::tick`] sends what is queued at a constant
    /// rate and size, so that the server learns nothing about who speaks when.
    pub fn publish_caption(&mut self, caption: Caption) {
        self.with_call(|call, _| call.publish_caption(caption));
    }

    /// The SFrame base key of the current epoch, for the test that searches the server for it.
    #[cfg(feature = "test-keys")]
    pub fn sframe_base_key(&self) -> Option<Vec<u8>> {
        self.call.as_ref()?.sframe_base_key()
    }

    /// The MLS secrets of the current epoch in JSON, for the test that searches the memory of another member for them.
    #[cfg(feature = "test-keys")]
    pub fn epoch_secrets(&self) -> Option<Vec<u8>> {
        self.call.as_ref()?.epoch_secrets()
    }

    /// The group of the current call, for a test of a device that does not follow its engine's rules.
    #[cfg(feature = "test-keys")]
    pub fn call_group(&mut self) -> Option<&mut crate::mls::group::CallGroup> {
        self.call.as_mut()?.group_mut()
    }

    /// The media keys of the current call, for a test of a device that keeps them.
    #[cfg(feature = "test-keys")]
    pub fn media_keys(&mut self) -> Option<&mut crate::media::keyring::Keyring> {
        self.call.as_mut()?.keys_mut()
    }

    /// Takes over the caption readers that another device of the call knows, for a test of a member that writes captions
    /// although its role may not.
    #[cfg(feature = "test-keys")]
    pub fn copy_caption_readers(&mut self, of: &Self) {
        if let (Some(own), Some(other)) = (&mut self.call, &of.call) {
            own.take_caption_readers(other);
        }
    }

    /// A verified device of the current call.
    pub fn member(&self, device: DeviceId) -> Option<&LoggedDevice> {
        self.call.as_ref()?.member(device)
    }

    /// The signed ring that opened the current call.
    pub fn ring_jws(&self) -> Option<&str> {
        self.call.as_ref()?.ring_jws()
    }

    /// When the current call was opened by its log entry, milliseconds since 1970 UTC.
    pub fn opened_ms(&self) -> Option<u64> {
        self.call.as_ref()?.opened_ms()
    }

    /// Everything a screen shows.
    pub fn view(&self) -> View {
        let me = self.device.me();
        View {
            phase: self.phase,
            caught_up: self.caught_up,
            you: Some(You { card: me.card().clone(), device: me.device() }),
            office: Some(OfficeView {
                domain: self.device.office().domain().clone(),
                name: self.device.office().name().to_owned(),
                lines: self.device.office().rings() == line::Rings::OverLines,
            }),
            people: self.people.clone(),
            people_more: self.people_more,
            mode: self.mode,
            token: self.token.clone(),
            unlock_required: self.unlock_required,
            sso_token: self.sso_token.clone(),
            account_ends_ms: self.account_ends_ms,
            shift_token: self.shift_token.clone(),
            shift: self.shift.clone(),
            outdated: self.outdated,
            log: self.log_state(),
            call: self.call.as_ref().map(Call::view),
            rings: self.rings.views(),
            silenced: self.silenced.clone(),
            reach: self.reach_views(),
            registrar: self.registrar_view(),
            invitations: self.invitation_views(),
            recoveries: self.recovery_views(),
            recovered_ms: self.recovered_ms,
            revocation: self.revocation.clone(),
            code: self.code_view(),
            challenge: self.shown_challenge.map(|line| self.state.challenges.view(line)),
            devices_changed: self.invitations.devices_changed,
            delegations_changed: self.delegations_changed,
            lines_changed: self.lines_changed,
            documents_changed: self.documents_changed,
            doubted_lines: self.doubted_lines.clone(),
            office_alerts: self.office_alerts_view(),
            added_devices: self.added_devices_view(),
            note_takers: self.note_takers,
            notices: self.notices.values().rev().cloned().collect(),
            alerts: self.alerts.iter().cloned().chain(self.fork_alerts()).collect(),
            alerts_raised: self.alerts_raised,
        }
    }

    fn send(&mut self, message: ClientMessage) {
        self.pings_sent += u64::from(matches!(message, ClientMessage::Ping { .. }));
        self.out.push_back(Output::Send(message));
    }

    fn view_changed(&mut self) {
        if self.out.back() != Some(&Output::View) {
            self.out.push_back(Output::View);
        }
    }

    fn alert(&mut self, level: AlertLevel, text: impl Into<String>) {
        let alert = Alert { level, text: text.into(), fork: None };
        self.alerts.retain(|old| *old != alert);
        self.alerts.insert(0, alert);
        self.alerts.truncate(MAX_ALERTS);
        self.alerts_raised = self.alerts_raised.wrapping_add(1);
        self.view_changed();
    }

    /// A command of a person, or of the program around the engine.
    pub fn command(&mut self, now_ms: u64, command: UserCommand) {
        if self.phase == ConnectionState::Revoked {
            return;
        }
        self.advance_clock(now_ms);
        match command {
            UserCommand::Ring { person, mode } => self.ring(now_ms, person, mode, None),
            UserCommand::RingFor { person, mode, statement, prepare } => {
                self.ring_for(now_ms, person, mode, &statement);
                if prepare {
                    self.with_call(|call, _| call.prepare());
                }
            }
            UserCommand::Answer { call } => self.answer(call, Present::Stays),
            UserCommand::AnswerInstead { call } => self.answer(Some(call), Present::Ends),
            UserCommand::Decline { call, reply } => self.decline(call, reply),
            UserCommand::Silence { .. }
            | UserCommand::SetReach { .. }
            | UserCommand::Invite(_)
            | UserCommand::CloseInvitation { .. }
            | UserCommand::ApproveDevice { .. }
            | UserCommand::RevokeDevice { .. }
            | UserCommand::OpenRecovery { .. }
            | UserCommand::ConfirmRecovery { .. }
            | UserCommand::CloseRecovery { .. }
            | UserCommand::Delegate(_)
            | UserCommand::EndDelegation { .. }
            | UserCommand::GiveLine(_)
            | UserCommand::GiveLineTo { .. }
            | UserCommand::ConfirmLine { .. }
            | UserCommand::SignLineChange { .. }
            | UserCommand::HandBack { .. }
            | UserCommand::Suspect { .. }
            | UserCommand::ShowCode { .. }
            | UserCommand::SeeAlerts { .. }
            | UserCommand::AcknowledgeDevice { .. }
            | UserCommand::EndShift { .. }
                if !self.is_connected() =>
            {
                self.alert(AlertLevel::Amber, "There is no connection to your office: try again when it is back.");
            }
            UserCommand::Silence { person, on } => self.send(ClientMessage::Silence { person, on }),
            UserCommand::SetReach { person, settings } => self.send(ClientMessage::SetReach { person, settings }),
            UserCommand::Invite(to) => self.invite(now_ms, to),
            UserCommand::CloseInvitation { invitation } => self.close_invitation(invitation),
            UserCommand::RevokeDevice { device, erase } => self.revoke_device(now_ms, device, erase),
            UserCommand::OpenRecovery { person, reason } => self.open_recovery(now_ms, person, reason),
            UserCommand::ConfirmRecovery { recovery } => self.confirm_recovery(now_ms, recovery),
            UserCommand::CloseRecovery { recovery } => self.send(ClientMessage::CloseRecovery { recovery }),
            UserCommand::ApproveDevice { invitation, code } => self.approve_device(now_ms, invitation, &code),
            UserCommand::Delegate(to) => self.delegate(now_ms, to),
            UserCommand::EndDelegation { delegation } => self.end_delegation(now_ms, delegation),
            UserCommand::GiveLine(to) => self.give_line(now_ms, to),
            UserCommand::GiveLineTo { person, terms, under } => {
                self.give_line_to(now_ms, person, terms, under.as_deref());
            }
            UserCommand::ConfirmLine { invitation, code } => self.confirm_line(now_ms, invitation, &code),
            UserCommand::SignLineChange { statement, lost, change, under } => {
                self.sign_line_change(now_ms, (&statement, lost), change, under.as_deref());
            }
            UserCommand::HandBack { statement } => self.hand_back(now_ms, &statement),
            UserCommand::Suspect { call } => self.suspect(now_ms, call),
            UserCommand::SeeLines { list } => self.see_lines(&list),
            UserCommand::ShowCode { invitation } => self.show_code(invitation),
            UserCommand::ShowChallenge { line } => self.show_challenge(Some(line)),
            UserCommand::HideChallenge => self.show_challenge(None),
            UserCommand::HideCode => self.hide_code(),
            UserCommand::SeeAlerts { alerts } => self.see_alerts(alerts),
            UserCommand::AcknowledgeDevice { device } => self.acknowledge_device(device),
            UserCommand::EndShift { idle } => self.send(ClientMessage::EndShift { idle }),
            UserCommand::HangUp | UserCommand::Leave => self.with_call(Call::hang_up),
            UserCommand::Listen { call } => self.listen(call),
            UserCommand::FindPeople { name } if self.is_connected() => self.send(ClientMessage::FindPeople { name }),
            UserCommand::Available if self.is_connected() => self.send(ClientMessage::Available {}),
            UserCommand::FindPeople { .. } | UserCommand::Available => {}
            UserCommand::Offer { sdp } => self.with_call(|call, context| {
                context.out.push_back(Output::Send(ClientMessage::Offer { call: call.id, sdp }));
            }),
            UserCommand::Mute { on } => {
                self.with_call(|call, _| call.mute(on));
                // A reloaded page stays muted.
                self.state.muted_in = self.call.as_ref().map(|call| call.id).filter(|_| on);
                self.out.push_back(Output::Persist);
            }
            UserCommand::Hold { word, text } => self.with_call(|call, context| call.hold(word, &text, context)),
            UserCommand::Resume => self.with_call(Call::resume_hold),
            UserCommand::HandOver => self.with_call(Call::hand_over),
            UserCommand::GreenRoom(said) => self.with_call(|call, context| call.state_in_room(&said, context)),
            UserCommand::SpeakNow => self.with_call(Call::speak_now),
            UserCommand::MediaFailed => self.with_call(|call, context| call.open_leg(context)),
            UserCommand::Dismiss => self.call = self.call.take().filter(|call| !call.is_over()),
        }
        self.persist_call();
        self.view_changed();
    }

    /// Persists which call a person is engaged in, and which rings are finished: neither a restart nor the server may rejoin
    /// a call that ended here, or show its ring again. Then a ring that waits takes the place of a call that is over.
    fn persist_call(&mut self) {
        if let Some(engaged) = self.call.as_ref().and_then(Call::engaged)
            && self.state.engaged.as_ref() != Some(&engaged)
        {
            self.state.engaged = Some(engaged);
            self.out.push_back(Output::Persist);
        }
        self.persist_finished();
        self.promote_ring();
    }

    /// Remembers the present call if it is over.
    fn persist_finished(&mut self) {
        if let Some(id) = self.call.as_ref().and_then(Call::finished) {
            self.remember_finished(id);
        }
    }

    fn remember_finished(&mut self, id: CallId) {
        if self.state.finished_rings.contains(&id) {
            return;
        }
        self.state.finished_rings.push(id);
        if self.reported_over != Some(id) {
            self.state.unreported_rings.push(id);
        }
        if self.state.finished_rings.len() > MAX_FINISHED_RINGS {
            let oldest = self.state.finished_rings.remove(0);
            self.state.unreported_rings.retain(|id| *id != oldest);
        }
        self.out.push_back(Output::Persist);
    }

    /// Whether this device was in that call, or was rung by it, and it ended here.
    fn has_finished(&self, id: CallId) -> bool {
        self.state.finished_rings.contains(&id)
    }

    /// Acts on the call, if there is one that is not over.
    fn with_call(&mut self, act: impl FnOnce(&mut Call, &mut Context<'_>)) {
        let Some(mut call) = self.call.take() else { return };
        if !call.is_over() {
            act(&mut call, &mut self.context());
        }
        self.call = Some(call);
    }

    fn context(&mut self) -> Context<'_> {
        let may_send_unattended = self.may_send_unattended();
        let Self { device, clock, recording, rng, out, state, freshness, delegations, line, zones, .. } = self;
        Context {
            device,
            clock: *clock,
            recording: *recording,
            may_send_unattended,
            log: state.log.as_ref(),
            fresh_size: freshness.least_size(),
            delegations,
            line,
            known_lines: &state.lines,
            zones: *zones,
            rng,
            out,
        }
    }

    /// See [`Context::may_send_unattended`].
    fn may_send_unattended(&self) -> bool {
        let takes_notes = allows(self.device.me().card().role, Action::WriteRecord);
        self.phase == ConnectionState::Ready && (self.recording || !takes_notes)
    }

    /// Whether there is a call that is not over, ringing ones too.
    pub fn in_call(&self) -> bool {
        self.call.as_ref().is_some_and(|call| !call.is_over())
    }

    fn ring(&mut self, now_ms: u64, person: PersonId, mode: Option<RecordMode>, on_behalf: Option<VerifiedDelegation>) {
        // Being rung does not keep anybody from ringing.
        let rung = self.call.as_ref().is_some_and(Call::is_ringing_here);
        if self.in_call() && !rung {
            return self.alert(AlertLevel::Amber, "End the present call before you ring.");
        }
        let rings_here = |call: &Call| call.rings_here().is_some_and(|caller| caller.person == person);
        if self.call.iter().any(rings_here) || self.rings.iter().any(rings_here) {
            return self.alert(AlertLevel::Amber, "This person rings you now: accept their ring.");
        }
        let Some(contact) = self.people.iter().find(|contact| contact.card.person == person) else {
            return self.alert(AlertLevel::Amber, "This person is not in the office's list.");
        };
        let (to, line) = (contact.card.clone(), contact.line.clone());
        if to.office != *self.device.office().domain() {
            return self
                .alert(AlertLevel::Amber, "This person belongs to another office, which yours is not connected to.");
        }
        if to.is_same_person(self.device.me().card()) {
            return self.alert(AlertLevel::Amber, "You cannot ring yourself.");
        }
        let caller = on_behalf.as_ref().map_or(self.device.me().card(), VerifiedDelegation::principal).role;
        if let Err(why) =
            may_ring_over(line.as_deref(), caller, needs_line(self.device.office().rings(), caller, to.role))
        {
            return self.alert(AlertLevel::Amber, why);
        }
        // The office's list may not show it yet.
        if line.as_ref().is_some_and(|line| self.state.lines.is_stopped(&line.over)) {
            return self.alert(AlertLevel::Amber, "You stopped this line on this device.");
        }
        let lowest = line.as_ref().map_or(self.mode, |line| line.terms.mode);
        let mode = mode.unwrap_or(lowest).max(lowest).max(self.mode).max(self.device.office().floor());
        let over = line.map(|line| line.over);
        match Call::place(&self.device, to, mode, on_behalf, over, &mut self.rng, now_ms) {
            Ok((call, message)) => {
                self.set_ring_aside();
                self.call = Some(call);
                self.send(message);
            }
            Err(error) => {
                self.alert(AlertLevel::Red, format!("This device could not create keys for the call: {error}."))
            }
        }
    }

    fn listen(&mut self, id: CallId) {
        if self.in_call() {
            return self.alert(AlertLevel::Amber, "Leave the present call first.");
        }
        let may_join = |notice: &&NoticeView| notice.can_listen || notice.can_take_over || notice.can_continue;
        let Some(notice) = self.notices.get(&id).filter(may_join) else {
            return self.alert(AlertLevel::Amber, "This call is over, or cannot be joined.");
        };
        let parties = Parties { caller: notice.from.clone(), callee: notice.to.clone() };
        let mode = notice.mode;
        self.state.finished_rings.retain(|finished| *finished != id);
        self.out.push_back(Output::Persist);
        match Call::listen(&mut self.context(), id, mode, parties) {
            Ok(call) => self.call = Some(call),
            Err(error) => {
                self.alert(AlertLevel::Red, format!("This device could not create keys for the call: {error}."))
            }
        }
    }

    /// The connection is up: sign in.
    pub fn connected(&mut self, now_ms: u64) {
        self.advance_clock(now_ms);
        if self.phase == ConnectionState::Revoked {
            return;
        }
        self.phase = ConnectionState::Connecting;
        self.keepalive.reset();
        self.keepalive.on_ping_sent();
        let device = self.device.me().device();
        let program = Some(ProgramVersion::own());
        self.send(ClientMessage::Hello { version: telcon_proto::WIRE_VERSION, device, program });
        self.view_changed();
    }

    /// The connection is lost. Calls and keys stay; media continues as long as the relay works.
    pub fn disconnected(&mut self, now_ms: u64) {
        self.advance_clock(now_ms);
        if self.phase != ConnectionState::Revoked {
            self.phase = ConnectionState::Offline;
            self.pause_comparisons();
        }
        self.token = None;
        self.sso_token = None;
        (self.note_takers, self.account_ends_ms) = (None, None);
        self.shift_token = None;
        self.caught_up = false;
        self.next_ping_ms = None;
        self.code_lost();
        if let Some(call) = &mut self.call {
            call.connection_lost();
        }
        self.view_changed();
    }

    fn ping(&mut self, now_ms: u64) {
        let log_size = self.state.log.as_ref().map_or(0, |head| head.size);
        self.send(ClientMessage::Ping { log_size });
        self.keepalive.on_ping_sent();
        self.request_log_proofs(now_ms);
        self.ask_for_reported_checkpoints();
        self.confirm_reports();
        self.next_ping_ms = Some(now_ms + PING_INTERVAL_MS);
    }

    /// A message of the switchboard.
    pub fn handle(&mut self, now_ms: u64, message: ServerMessage) {
        if self.phase == ConnectionState::Revoked {
            // A device that was revoked may be ordered to erase itself later; it does so once, and nothing else.
            let erased = self.revocation.as_ref().is_some_and(|revocation| revocation.erase);
            if erased || !matches!(message, ServerMessage::Revoked { .. }) {
                return;
            }
        }
        self.advance_clock(now_ms);
        self.keepalive.reset();
        self.on_message(now_ms, message);
        if self.phase != ConnectionState::Revoked {
            self.with_call(Call::send_checkpoint);
            self.compare_logs(now_ms);
            self.persist_call();
            self.view_changed();
        }
        self.reported_over = None;
    }
}
