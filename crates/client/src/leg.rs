//! The media leg of this device: one WebRTC connection to its own office's relay.
//!
//! [`Leg`] is a sans-IO engine. It makes the offer that a browser would make, one sending and
//! [`RECEIVE_SLOTS`] receiving audio sections, and then moves payloads: what goes in and out is SFrame ciphertext, which
//! this module neither makes nor opens. [`driver`] runs it over a socket.
//!
//! The engine is told the time. The transport library draws its keys and ICE credentials from the system's random
//! source.

pub mod driver;
mod tcp;
pub mod turn;
mod way;

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};
use str0m::{
    Candidate, Event, IceConnectionState, Input, Rtc, RtcConfig,
    change::{SdpAnswer, SdpPendingOffer},
    format::{Codec, FormatParams},
    media::{Direction, Frequency, MediaKind, Mid, Pt},
    net::{Protocol, Receive},
    rtp::{RtpPacket, RtpWrite},
};
use telcon_proto::limits::{FRAME_MS, MAX_FRAME_BYTES, MAX_SDP_BYTES, RECEIVE_SLOTS};

/// RTP ticks of one Opus frame: Opus always counts at 48 kHz (RFC 7587 section 4.1).
pub const FRAME_TICKS: u32 = 48 * FRAME_MS as u32;
/// How long a leg may take to connect once it has its answer, before it is given up. A relay that is there answers
/// within a round trip.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the relay is tried by UDP before TCP, and by TCP before TLS: some round trips over half the world.
const UDP_FIRST_FOR: Duration = Duration::from_millis(1_500);
/// First wait for an answer to a connectivity check. The relay has a public address, so a lost check is the only
/// thing to wait for; the usual 250 ms would be half of the time that a reconnection may take.
const FIRST_CHECK_TIMEOUT: Duration = Duration::from_millis(100);
/// Interval of connectivity checks afterwards, and how many in a row stay unanswered until the leg is lost: about eight
/// seconds. A shorter gap is a tunnel, after which the same leg goes on at once; after a longer one the caller makes
/// a new leg, which takes a few round trips.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
const CHECKS_UNTIL_LOST: usize = 10;
/// How long nothing at all may come from the relay on a leg where sound flowed, before it is given up. Somebody sends every
/// 20 ms in a call, so this is a hundred packets: the network has changed under the leg, and a new one is there sooner than
/// `CHECKS_UNTIL_LOST` would tell. A new leg is not given up for this before it carried sound itself, so that an outage
/// is not a storm of new legs.
pub const SILENT_AFTER: Duration = Duration::from_secs(2);
/// So many packets are a flow: a second of one speaker.
const FLOW: u32 = 50;
/// Largest datagram that the relay sends.
const MAX_DATAGRAM_BYTES: usize = 1_500;
const OPUS_PAYLOAD_TYPE: u8 = 111;

/// Why a leg could not be made or used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LegError {
    /// The local address is unspecified, or not one that can be offered.
    #[error("a leg needs a local address that packets can come to")]
    Address,
    /// The answer is not one to our offer: a hostile or incompatible server.
    #[error("the answer does not fit the offer")]
    Answer,
    /// The answer is to the offer of another leg of this device.
    #[error("the answer is to another offer")]
    OfAnother,
    /// There was an answer already.
    #[error("the leg has its answer already")]
    Answered,
    /// The leg is not connected, or no longer.
    #[error("the leg is not connected")]
    NotConnected,
    /// The payload is empty or longer than [`MAX_FRAME_BYTES`].
    #[error("a frame has 1 to {MAX_FRAME_BYTES} bytes")]
    FrameSize,
}

/// Why a leg that was made is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LegFailure {
    /// Not connected within [`CONNECT_TIMEOUT`].
    NeverConnected,
    /// The relay closed it.
    Closed,
    /// Nothing comes back from the relay.
    Lost,
    /// Sound flowed, and then nothing came for [`SILENT_AFTER`].
    Silent,
    /// The handshake or the transport failed, for example because the relay has another certificate than the answer says.
    Transport,
}

/// A payload from another member of the call.
#[derive(Clone, PartialEq, Eq)]
pub struct Received {
    /// Which receiving section it came on, 0 to [`RECEIVE_SLOTS`] - 1. One member at a time uses a slot.
    pub slot: usize,
    /// RTP sequence number of the slot, extended: it does not wrap. A gap is a lost packet.
    pub rtp_seq: u64,
    /// RTP timestamp of the slot, 48 kHz, wraps.
    pub rtp_time: u32,
    /// The first packet after a pause, or of the next member in this slot.
    pub marker: bool,
    /// The payload as the other device sent it.
    pub payload: Arc<[u8]>,
}

/// What the engine wants done.
pub enum LegOutput {
    /// Send a datagram from the leg's socket.
    Transmit {
        /// Where to.
        dst: SocketAddr,
        /// The datagram.
        bytes: Vec<u8>,
    },
    /// Somebody spoke.
    Received(Received),
    /// Payloads can flow.
    Connected,
    /// The leg is over. Make another.
    Failed(LegFailure),
    /// Nothing now. Call [`Leg::handle_timeout`] at this time, unless something comes first.
    Timeout(Instant),
}

/// Attribute by which a relay says which offer it answers: its session id.
const ANSWERS: &str = "a=x-telcon-offer:";

/// The address in a candidate that takes TCP connections (RFC 6544 section 4.5).
fn tcp_candidate(line: &str) -> Option<SocketAddr> {
    candidate(line, "tcp").filter(|_| line.ends_with("tcptype passive"))
}

/// The address in a candidate of this transport (RFC 8839 section 5.1).
fn candidate(line: &str, transport: &str) -> Option<SocketAddr> {
    let mut words = line.strip_prefix("a=candidate:")?.split(' ');
    let (found, address, port) = (words.nth(2)?, words.nth(1)?, words.next()?);
    found.eq_ignore_ascii_case(transport).then(|| Some(SocketAddr::new(address.parse().ok()?, port.parse().ok()?)))?
}

fn session_id(sdp: &str) -> Option<&str> {
    sdp.lines().find_map(|line| line.strip_prefix("o="))?.split(' ').nth(1)
}

/// Ways other than UDP: from when on, and where the relay is by them.
struct OtherWays {
    by_tcp: Option<(Instant, SocketAddr)>,
    by_tls: Option<(Instant, SocketAddr)>,
}

/// The engine.
pub struct Leg {
    rtc: Rtc,
    /// Session id of the offer (RFC 8866, section 5.2).
    origin: String,
    local: SocketAddr,
    sending: Mid,
    receiving: Vec<Mid>,
    pending: Option<SdpPendingOffer>,
    payload_type: Option<Pt>,
    sequence: u64,
    /// Packets of sound that came.
    flowed: u32,
    /// When anything came last.
    last_came: Instant,
    state: State,
    /// Where the relay takes UDP, and where TCP.
    udp_at: Option<SocketAddr>,
    tcp_at: Option<SocketAddr>,
    outputs: VecDeque<LegOutput>,
    timeout: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Offered,
    Connecting { since: Instant },
    Connected,
    Over,
}

impl Leg {
    /// A leg whose socket is at `local`, and its offer.
    ///
    /// # Errors
    /// [`LegError::Address`].
    pub fn new(now: Instant, local: SocketAddr) -> Result<(Self, String), LegError> {
        let mut rtc = transport_config().build(now);
        let candidate = Candidate::host(local, Protocol::Udp).map_err(|_| LegError::Address)?;
        rtc.add_local_candidate(candidate);
        let mut api = rtc.sdp_api();
        let sending = api.add_media(MediaKind::Audio, Direction::SendOnly, None, None, None);
        let mut receive = || api.add_media(MediaKind::Audio, Direction::RecvOnly, None, None, None);
        let receiving = (0..RECEIVE_SLOTS).map(|_| receive()).collect();
        let (offer, pending) = api.apply().expect("invariant: added media makes an offer");
        let offer = offer.to_sdp_string();
        let leg = Self {
            rtc,
            origin: session_id(&offer).unwrap_or_default().to_owned(),
            local,
            sending,
            receiving,
            pending: Some(pending),
            payload_type: None,
            sequence: 0,
            flowed: 0,
            last_came: now,
            state: State::Offered,
            udp_at: None,
            tcp_at: None,
            outputs: VecDeque::new(),
            timeout: now,
        };
        Ok((leg, offer))
    }

    /// Takes the relay's answer, and begins to connect.
    ///
    /// # Errors
    /// [`LegError::Answer`], after which the leg is of no use, and [`LegError::Answered`].
    pub fn accept_answer(&mut self, now: Instant, answer: &str) -> Result<(), LegError> {
        let named = answer.lines().find_map(|line| line.strip_prefix(ANSWERS));
        if named.is_some_and(|session| session != self.origin) {
            return Err(LegError::OfAnother);
        }
        let pending = self.pending.take().ok_or(LegError::Answered)?;
        let accepted = self.try_accept(pending, answer);
        self.state = if accepted.is_ok() { State::Connecting { since: now } } else { State::Over };
        if accepted.is_ok() {
            self.udp_at = answer.lines().find_map(|line| candidate(line, "udp"));
            self.tcp_at = answer.lines().find_map(tcp_candidate);
            self.step(Input::Timeout(now));
        }
        accepted
    }

    fn try_accept(&mut self, pending: SdpPendingOffer, answer: &str) -> Result<(), LegError> {
        if answer.len() > MAX_SDP_BYTES {
            return Err(LegError::Answer);
        }
        let answer = SdpAnswer::from_sdp_string(answer).map_err(|_| LegError::Answer)?;
        self.rtc.sdp_api().accept_answer(pending, answer).map_err(|_| LegError::Answer)?;
        let media = self.rtc.media(self.sending).ok_or(LegError::Answer)?;
        // A relay that does not take our sound, or not as Opus, is no relay of a call.
        let sends = media.direction() == Direction::SendOnly;
        self.payload_type = media.remote_pts().first().copied().filter(|_| sends);
        self.payload_type.map(drop).ok_or(LegError::Answer)
    }

    /// Sends one payload. `rtp_timestamp` counts at 48 kHz and grows by [`FRAME_TICKS`] from frame to frame.
    ///
    /// # Errors
    /// [`LegError::NotConnected`] and [`LegError::FrameSize`].
    pub fn send(&mut self, now: Instant, payload: &[u8], rtp_timestamp: u32) -> Result<(), LegError> {
        if payload.is_empty() || payload.len() > MAX_FRAME_BYTES {
            return Err(LegError::FrameSize);
        }
        let payload_type =
            self.payload_type.filter(|_| self.state == State::Connected).ok_or(LegError::NotConnected)?;
        let write = RtpWrite::new(payload_type, self.sequence.into(), rtp_timestamp, now, payload);
        let write = write.marker(self.sequence == 0);
        let mut api = self.rtc.direct_api();
        api.stream_tx_by_mid(self.sending, None).ok_or(LegError::NotConnected)?.write_rtp(write);
        self.sequence += 1;
        self.step(Input::Timeout(now));
        Ok(())
    }

    /// Takes a datagram that came to the leg's socket. Anything may be in it.
    pub fn handle_packet(&mut self, now: Instant, src: SocketAddr, datagram: &[u8]) {
        if datagram.len() > MAX_DATAGRAM_BYTES || self.state == State::Offered {
            return;
        }
        if let Ok(receive) = Receive::new(Protocol::Udp, src, self.local, datagram) {
            self.last_came = now;
            self.step(Input::Receive(now, receive));
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let State::Connecting { since } = self.state
            && now >= since + CONNECT_TIMEOUT
        {
            self.fail(LegFailure::NeverConnected);
            return;
        }
        if self.silent_at().is_some_and(|at| now >= at) {
            self.fail(LegFailure::Silent);
            return;
        }
        self.step(Input::Timeout(now));
    }

    /// Says goodbye to the relay. What [`Leg::poll`] then gives is to be sent.
    pub fn close(&mut self) {
        if self.state != State::Over && self.rtc.close().is_ok() {
            self.state = State::Over;
            self.drain();
        }
    }

    /// The next thing to do. Call until it is [`LegOutput::Timeout`].
    pub fn poll(&mut self) -> LegOutput {
        if let Some(output) = self.outputs.pop_front() {
            return output;
        }
        LegOutput::Timeout(match self.state {
            State::Connecting { since } => self.timeout.min(since + CONNECT_TIMEOUT),
            _ => self.silent_at().map_or(self.timeout, |at| self.timeout.min(at)),
        })
    }

    /// When a leg on which sound flows is given up if nothing comes.
    fn silent_at(&self) -> Option<Instant> {
        (self.state == State::Connected && self.flowed >= FLOW).then(|| self.last_came + SILENT_AFTER)
    }

    /// When the leg goes another way than UDP, if nothing has come by then: first by TCP, then by TLS.
    fn other_ways(&self) -> Option<OtherWays> {
        let State::Connecting { since } = self.state else { return None };
        let by_tcp = self.tcp_at.map(|relay| (since + UDP_FIRST_FOR, relay));
        let by_tls = self.udp_at.map(|relay| (since + 2 * UDP_FIRST_FOR, relay));
        (self.last_came <= since).then_some(OtherWays { by_tcp, by_tls })
    }

    /// Whether payloads can flow.
    pub fn is_connected(&self) -> bool {
        self.state == State::Connected
    }

    fn step(&mut self, input: Input<'_>) {
        if self.state == State::Over {
            return;
        }
        // One forged datagram may fail; only a transport that is dead afterwards ends the leg.
        let failed = self.rtc.handle_input(input).is_err();
        self.drain();
        if failed && !self.rtc.is_alive() {
            self.fail(LegFailure::Transport);
        }
    }

    fn drain(&mut self) {
        loop {
            match self.rtc.poll_output() {
                Ok(str0m::Output::Timeout(at)) => {
                    self.timeout = at;
                    return;
                }
                Ok(str0m::Output::Transmit(t)) => {
                    self.outputs.push_back(LegOutput::Transmit { dst: t.destination, bytes: t.contents.into() });
                }
                Ok(str0m::Output::Event(event)) => self.handle_event(event),
                Err(_) => {
                    self.fail(LegFailure::Transport);
                    return;
                }
            }
        }
    }

    fn handle_event(&mut self, event: Event) {
        match event {
            Event::Connected => {
                self.state = State::Connected;
                self.outputs.push_back(LegOutput::Connected);
            }
            Event::RtpPacket(packet) => self.receive(packet),
            Event::Closed => self.fail(LegFailure::Closed),
            Event::IceConnectionStateChange(IceConnectionState::Disconnected) if self.state == State::Connected => {
                self.fail(LegFailure::Lost);
            }
            _ => {}
        }
    }

    fn receive(&mut self, packet: RtpPacket) {
        let mid = self.rtc.direct_api().stream_rx(&packet.header.ssrc).map(|s| s.mid());
        let Some(slot) = self.receiving.iter().position(|m| Some(*m) == mid) else { return };
        if packet.payload.is_empty() {
            return;
        }
        self.flowed = self.flowed.saturating_add(1);
        self.outputs.push_back(LegOutput::Received(Received {
            slot,
            rtp_seq: *packet.seq_no,
            rtp_time: packet.header.timestamp,
            marker: packet.header.marker,
            payload: packet.payload,
        }));
    }

    fn fail(&mut self, why: LegFailure) {
        if self.state != State::Over {
            self.state = State::Over;
            self.outputs.push_back(LegOutput::Failed(why));
        }
    }
}

/// Opus and nothing else, and no header extension: one would tell the relay who speaks.
fn transport_config() -> RtcConfig {
    let mut config = RtcConfig::new().set_rtp_mode(true).clear_codecs().clear_extension_map();
    config.set_initial_stun_rto(FIRST_CHECK_TIMEOUT);
    config.set_max_stun_rto(CHECK_INTERVAL);
    config.set_max_stun_retransmits(CHECKS_UNTIL_LOST);
    let format = FormatParams {
        min_p_time: Some(FRAME_MS as u8),
        use_inband_fec: Some(true),
        use_dtx: Some(false),
        ..FormatParams::default()
    };
    config.codec_config().add_config(
        OPUS_PAYLOAD_TYPE.into(),
        None,
        Codec::Opus,
        Frequency::FORTY_EIGHT_KHZ,
        Some(2),
        format,
    );
    config
}

#[cfg(test)]
mod tests;
