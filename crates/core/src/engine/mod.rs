//! The client's engine: signs in, rings, answers, keeps the group and its keys. Without input or output: messages,
//! commands, frames and the time go in; messages, media orders and views come out. One engine runs in a browser's
//! worker, in the native client, and in tests with virtual time.

mod call;
mod clock;
mod roster;
mod session;
mod silence;
#[cfg(test)]
mod tests;

use crate::{
    captions::Caption,
    device::{Device, DeviceError, DeviceState},
    keyring::OpenError,
    shape::{Shape, Shaper},
    view::{Alert, AlertLevel, LogState, NoticeView, OfficeName, Phase, View, You},
};
use call::Call;
pub use call::Opened;
use chacha20::{ChaCha20Rng, rand_core::SeedableRng as _};
use clock::Clock;
use serde::Deserialize;
use silence::Silence;
use std::collections::{BTreeMap, VecDeque};
use telcon_identity::LoggedDevice;
use telcon_proto::{
    Blob, CallId, ClientMessage, DeviceId, PersonId, RecordMode, ServerMessage, limits::MAX_MESSAGE_BYTES,
    words::Contact,
};
use zeroize::Zeroizing;

/// Time between two pings, milliseconds: below the minute after which middleboxes forget a silent connection, and
/// often enough that the log on the screen is of this minute.
const PING_EVERY_MS: u64 = 20_000;
/// Alerts kept on the screen. More than this is the same one again.
const MAX_ALERTS: usize = 8;
/// Finished rings remembered, against replays after a restart.
const MAX_RUNG: usize = 64;

/// What a person, or the program around the engine, asks for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Ring a person.
    Ring {
        /// Whom.
        person: PersonId,
        /// What to keep; the office's floor if not given.
        #[serde(default)]
        mode: Option<RecordMode>,
    },
    /// Answer the ring.
    Answer,
    /// Say no.
    Decline,
    /// Give up ringing, or end the call; a listener leaves.
    HangUp,
    /// Same as [`Command::HangUp`], for a listener.
    Leave,
    /// Join a call as a listener.
    Listen {
        /// Which.
        call: CallId,
    },
    /// The media leg's offer, after [`Output::OpenLeg`].
    Offer {
        /// WebRTC offer.
        sdp: String,
    },
    /// The microphone is off or on. Sound of the same size and rate goes on either way.
    Mute {
        /// Off.
        on: bool,
    },
    /// The media leg broke.
    MediaFailed,
    /// Clears an ended call from the screen.
    Dismiss,
}

/// What the engine wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Send this to the switchboard.
    Send(ClientMessage),
    /// The view changed: [`Engine::view`].
    View,
    /// Store [`Engine::state_text`] again.
    Persist,
    /// Make a media leg and give its offer with [`Command::Offer`]. A leg that is there is replaced.
    OpenLeg {
        /// For this call.
        call: CallId,
    },
    /// The relay's answer to the offer.
    MediaAnswer {
        /// WebRTC answer.
        sdp: String,
    },
    /// End the media leg.
    CloseLeg,
    /// This device was revoked: erase all it stored.
    Erase,
    /// The office does not answer on this connection: give it up, and connect anew.
    Reconnect,
    /// Something for the record.
    Event(Event),
}

/// What a note-taker writes down.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// This device is in the call, in a new epoch.
    Epoch {
        /// The call.
        call: CallId,
        /// The epoch.
        epoch: u64,
        /// RFC 9420 epoch authenticator.
        authenticator: Vec<u8>,
        /// Everybody who holds the epoch's key.
        members: Vec<(DeviceId, telcon_proto::Card)>,
    },
    /// Both principals are in the call.
    Live {
        /// The call.
        call: CallId,
    },
    /// The call is over, or this device is out of it.
    Ended {
        /// The call.
        call: CallId,
        /// How.
        how: &'static str,
        /// Which party's device said so, to all members and under its own signature. None: only the switchboard did.
        said_by: Option<DeviceId>,
    },
}

/// The engine of one device.
pub struct Engine {
    device: Device,
    state: DeviceState,
    rng: ChaCha20Rng,
    out: VecDeque<Output>,
    phase: Phase,
    people: Vec<Contact>,
    mode: RecordMode,
    token: Option<String>,
    notices: BTreeMap<CallId, NoticeView>,
    alerts: Vec<Alert>,
    log: Option<LogState>,
    call: Option<Call>,
    next_ping_ms: Option<u64>,
    silence: Silence,
    caught_up: bool,
    log_broken: bool,
    clock: Clock,
    writes: bool,
}

impl Engine {
    /// Opens a device from its state at rest. `seed` is fresh randomness.
    pub fn new(state: DeviceState, seed: [u8; 32], now_ms: u64) -> Result<Self, DeviceError> {
        let device = Device::open(&state, now_ms)?;
        Ok(Self {
            device,
            state,
            rng: ChaCha20Rng::from_seed(seed),
            out: VecDeque::new(),
            phase: Phase::Connecting,
            people: Vec::new(),
            mode: RecordMode::LogOnly,
            token: None,
            notices: BTreeMap::new(),
            alerts: Vec::new(),
            log: None,
            call: None,
            next_ping_ms: None,
            silence: Silence::default(),
            caught_up: false,
            log_broken: false,
            clock: Clock::default(),
            writes: false,
        })
    }

    /// What to do next, until there is nothing more.
    pub fn poll(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// When [`Engine::tick`] wants to be called, milliseconds since 1970 UTC.
    pub fn next_wakeup_ms(&self) -> Option<u64> {
        let call = self.call.as_ref().and_then(Call::next_wakeup_ms);
        let silence = self.silence.next_ms(self.in_call()).filter(|_| self.is_connected());
        let silence = silence.map(|ms| self.clock.wall_ms + ms);
        [self.next_ping_ms, call, silence].into_iter().flatten().min()
    }

    fn is_connected(&self) -> bool {
        matches!(self.phase, Phase::Connecting | Phase::Ready)
    }

    /// Every entry that knows the time goes through here.
    fn pass(&mut self, now_ms: u64) {
        let before = self.clock.uptime_ms;
        self.clock.pass(now_ms);
        self.silence.pass(self.clock.uptime_ms - before);
        if let Some(call) = &mut self.call {
            call.clock = self.clock;
            call.writes = self.writes;
        }
    }

    /// A note-taker's program writes, or cannot any more: from then on the members are told so, or nothing. One that has not
    /// said so is no program that writes.
    pub fn set_writes(&mut self, writes: bool) {
        self.writes = writes;
    }

    /// Time passed.
    pub fn tick(&mut self, now_ms: u64) {
        self.pass(now_ms);
        if self.call.as_mut().is_some_and(|call| call.tick(now_ms, &mut self.out)) {
            self.changed();
        }
        let asks = self.phase == Phase::Ready && self.silence.asks(self.in_call());
        if asks || self.next_ping_ms.is_some_and(|at| now_ms >= at) {
            self.ping(now_ms);
        }
        if self.is_connected() && self.silence.is_too_long(self.in_call()) {
            self.silence.ends();
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

    /// What this device is, for signing beside the engine (records).
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The state to store.
    pub fn state_text(&self) -> Zeroizing<String> {
        self.state.to_text()
    }

    /// Seals one Opus packet of this device. Nothing comes out before the call is live, from a listener, or without
    /// a key: there is no way to send in the clear.
    pub fn seal(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        if !self.device.me().card().role.speaks() {
            return None;
        }
        self.call.as_mut()?.seal(packet)
    }

    /// Opens one frame from the relay.
    pub fn open(&mut self, frame: &[u8]) -> Result<Opened, OpenError> {
        self.call.as_mut().ok_or(OpenError::UnknownEpoch)?.open(frame)
    }

    /// How this device's sound is to be encoded: it follows what the others hear of it.
    pub fn shape(&self) -> Shape {
        self.call.as_ref().map_or_else(|| Shaper::default().shape(), |call| call.keys.shape())
    }

    /// A frame that was opened had come at `now_us`, by a clock that does not go back: for the report to its sender.
    pub fn arrived(&mut self, opened: &Opened, now_us: u64) {
        if let Some(call) = &mut self.call {
            call.keys.arrived(opened.stream.1, opened.counter, now_us);
        }
    }

    /// Whether this device's sound goes out now: the cheap part of [`Engine::view`], for each frame.
    pub fn view_live(&self) -> bool {
        self.device.me().card().role.speaks() && self.call.as_ref().is_some_and(Call::is_live)
    }

    /// Sends a caption to those members who may read it. Only a note-taker's engine does.
    pub fn publish_caption(&mut self, caption: &Caption) {
        if let Some(call) = &mut self.call {
            call.publish_caption(caption, &mut self.rng, &mut self.out);
        }
    }

    /// The SFrame base key of the present epoch, for the test that looks for it where it must not be.
    #[cfg(feature = "test-keys")]
    pub fn sframe_base_key(&self) -> Option<Vec<u8>> {
        let group = self.call.as_ref()?.group.as_ref()?;
        group.sframe_base_key().ok().map(|key| key.to_vec())
    }

    /// A verified device of the present call.
    pub fn member(&self, device: DeviceId) -> Option<&LoggedDevice> {
        self.call.as_ref()?.member(device)
    }

    /// The ring that opened the present call, as its caller signed it.
    pub fn ring_jws(&self) -> Option<&str> {
        self.call.as_ref()?.ring_jws()
    }

    /// When the present call was opened, as its entry in the log says, milliseconds since 1970 UTC.
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
            office: Some(OfficeName {
                domain: self.device.office().domain().to_owned(),
                name: self.device.office().name().to_owned(),
            }),
            people: self.people.clone(),
            mode: self.mode,
            token: self.token.clone(),
            log: self.log.clone(),
            call: self.call.as_ref().map(|call| call.view(me.device())),
            notices: self.notices.values().rev().cloned().collect(),
            alerts: self.alerts.clone(),
        }
    }

    fn send(&mut self, message: ClientMessage) {
        self.out.push_back(Output::Send(message));
    }

    fn changed(&mut self) {
        if self.out.back() != Some(&Output::View) {
            self.out.push_back(Output::View);
        }
    }

    fn alert(&mut self, level: AlertLevel, text: impl Into<String>) {
        let alert = Alert { level, text: text.into() };
        self.alerts.retain(|old| *old != alert);
        self.alerts.insert(0, alert);
        self.alerts.truncate(MAX_ALERTS);
        self.changed();
    }

    /// A person's command.
    pub fn command(&mut self, now_ms: u64, command: Command) {
        if self.phase == Phase::Revoked {
            return;
        }
        self.pass(now_ms);
        match command {
            Command::Ring { person, mode } => self.ring(now_ms, person, mode),
            Command::Answer => self.with_call(|call, out| call.answer(out)),
            Command::Decline => self.with_call(|call, out| {
                if call.declinable() {
                    out.push_back(Output::Send(ClientMessage::Decline { call: call.id }));
                    call.end("declined", out);
                }
            }),
            Command::HangUp | Command::Leave => self.with_call(|call, out| call.hang_up(out)),
            Command::Listen { call } => self.listen(call),
            Command::Offer { sdp } => self.with_call(|call, out| {
                out.push_back(Output::Send(ClientMessage::Offer { call: call.id, sdp }));
            }),
            Command::Mute { on } => {
                self.with_call(|call, out| call.mute(on, out));
                // A page that is loaded again comes back as quiet as it was.
                self.state.muted_in = self.call.as_ref().map(|call| call.id).filter(|_| on);
                self.out.push_back(Output::Persist);
            }
            Command::MediaFailed => self.with_call(|call, out| call.open_leg(out)),
            Command::Dismiss => self.call = self.call.take().filter(|call| !call.is_over()),
        }
        self.remember_finished();
        self.changed();
    }

    /// What a person took up is remembered. A call that ended here is not joined again by itself, and its ring is not shown
    /// again, after a restart either.
    fn remember_finished(&mut self) {
        if let Some(engaged) = self.call.as_ref().and_then(Call::engaged)
            && self.state.engaged.as_ref() != Some(&engaged)
        {
            self.state.engaged = Some(engaged);
            self.out.push_back(Output::Persist);
        }
        if let Some(id) = self.call.as_ref().and_then(Call::finished_ring)
            && !self.state.rung.contains(&id)
        {
            self.state.rung.push(id);
            if self.state.rung.len() > MAX_RUNG {
                self.state.rung.remove(0);
            }
            self.out.push_back(Output::Persist);
        }
    }

    /// Whether this device was in that call, or was rung by it, and is out of it.
    fn has_left(&self, id: CallId) -> bool {
        self.state.rung.contains(&id)
    }

    fn with_call(&mut self, act: impl FnOnce(&mut Call, &mut VecDeque<Output>)) {
        if let Some(call) = self.call.as_mut().filter(|call| !call.is_over()) {
            act(call, &mut self.out);
        }
    }

    /// Whether there is a call that is not over, ringing ones too.
    pub fn in_call(&self) -> bool {
        self.call.as_ref().is_some_and(|call| !call.is_over())
    }

    fn ring(&mut self, now_ms: u64, person: PersonId, mode: Option<RecordMode>) {
        if self.in_call() {
            return self.alert(AlertLevel::Amber, "End the present call before you ring.");
        }
        let Some(to) = self.people.iter().find(|contact| contact.card.person == person).map(|c| c.card.clone()) else {
            return self.alert(AlertLevel::Amber, "This person is not in the office's list.");
        };
        if person == self.device.me().card().person {
            return self.alert(AlertLevel::Amber, "This is the person of this device.");
        }
        let mode = mode.unwrap_or(self.mode).max(self.mode).max(self.device.office().floor());
        match Call::ring(&self.device, to, mode, &mut self.rng, now_ms) {
            Ok((call, message)) => {
                self.call = Some(call);
                self.send(message);
            }
            Err(error) => self.alert(AlertLevel::Red, format!("This device could not make keys for a call: {error}.")),
        }
    }

    fn listen(&mut self, id: CallId) {
        if self.in_call() {
            return self.alert(AlertLevel::Amber, "Leave the present call first.");
        }
        let Some(notice) = self.notices.get(&id).filter(|notice| notice.can_listen) else {
            return self.alert(AlertLevel::Amber, "This call is over, or keeps no listeners.");
        };
        let (mode, from, to) = (notice.mode, notice.from.clone(), notice.to.clone());
        self.state.rung.retain(|left| *left != id);
        self.out.push_back(Output::Persist);
        match Call::join(&self.device, id, mode, Some((from, to)), false, &mut self.out) {
            Ok(call) => self.call = Some(call),
            Err(error) => self.alert(AlertLevel::Red, format!("This device could not make keys for a call: {error}.")),
        }
    }

    /// The connection is up: sign in.
    pub fn connected(&mut self, now_ms: u64) {
        self.pass(now_ms);
        self.phase = Phase::Connecting;
        self.silence.ends();
        self.silence.asked();
        let device = self.device.me().device();
        self.send(ClientMessage::Hello { version: telcon_proto::WIRE_VERSION, device });
        self.changed();
    }

    /// The connection is lost. Keys and calls stay; sound goes on as long as the relay lives.
    pub fn disconnected(&mut self, _now_ms: u64) {
        if self.phase != Phase::Revoked {
            self.phase = Phase::Offline;
        }
        self.token = None;
        self.caught_up = false;
        self.next_ping_ms = None;
        if let Some(call) = &mut self.call {
            call.connection_lost();
        }
        self.changed();
    }

    fn ping(&mut self, now_ms: u64) {
        let log_size = self.state.log.as_ref().map_or(0, |head| head.size);
        self.send(ClientMessage::Ping { log_size });
        self.silence.asked();
        session::ask_about_claims(self, now_ms);
        self.next_ping_ms = Some(now_ms + PING_EVERY_MS);
    }

    /// A message of the switchboard.
    pub fn handle(&mut self, now_ms: u64, message: ServerMessage) {
        if self.phase == Phase::Revoked {
            return;
        }
        self.pass(now_ms);
        self.silence.ends();
        session::handle(self, now_ms, message);
        if self.phase != Phase::Revoked {
            self.remember_finished();
            self.changed();
        }
    }
}

fn blob(bytes: &[u8]) -> Blob {
    Blob(bytes.to_vec())
}
