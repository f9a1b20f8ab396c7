//! The sans-IO engine of a leg. It creates the offer that a browser would create, with one sending and
//! [`RECEIVE_SLOTS`] receiving audio sections, and then moves payloads. Payloads are SFrame ciphertext, which this module
//! neither seals nor opens.
//!
//! Time is an argument. The WebRTC library draws its keys and ICE credentials from the system's random source.

use super::sdp;
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

/// RTP timestamp units of one Opus frame: the RTP clock rate of Opus is 48 kHz (RFC 7587 section 4.1).
pub const FRAME_TICKS: u32 = 48 * FRAME_MS as u32;
/// Time from the answer until the leg must be connected. A reachable relay answers within a round trip.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Head start of UDP over TCP, and of TCP over TURN: several intercontinental round trips.
const FALLBACK_DELAY: Duration = Duration::from_millis(1_500);
/// Initial retransmission timeout of connectivity checks. The relay has a public address, so a check is repeated only after
/// packet loss; the usual 250 ms would be half of the time that a reconnection may take.
const INITIAL_CHECK_RTO: Duration = Duration::from_millis(100);
/// Interval of later connectivity checks, and the number of consecutive unanswered ones after which the leg is lost: about
/// eight seconds. After a shorter outage (a tunnel) the same leg resumes at once; after a longer one the caller creates a
/// new leg, which takes a few round trips.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
const MAX_UNANSWERED_CHECKS: usize = 10;
/// Receive timeout of a leg that has carried media. Participants send every 20 ms, so this is a hundred packets: the local
/// network has changed, and a new leg connects sooner than `MAX_UNANSWERED_CHECKS` would detect it. A new leg has this
/// timeout only after it has carried media, so that an outage does not cause a storm of new legs.
pub const MEDIA_TIMEOUT: Duration = Duration::from_secs(2);
/// Packets after which a leg counts as having carried media: a second of one speaker.
const MIN_MEDIA_PACKETS: u32 = 50;
/// Largest datagram that the relay sends.
pub(super) const MAX_DATAGRAM_BYTES: usize = 1_500;
const OPUS_PAYLOAD_TYPE: u8 = 111;

/// Why a leg could not be created or used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LegError {
    /// The local address is unspecified or cannot be a candidate.
    #[error("the local address cannot be an ICE candidate")]
    Address,
    /// The answer does not match the offer: a hostile or incompatible server.
    #[error("the answer does not match the offer")]
    Answer,
    /// The answer is for the offer of another leg of this device.
    #[error("the answer is for another offer")]
    WrongOffer,
    /// The leg already has an answer.
    #[error("the leg already has an answer")]
    AlreadyAnswered,
    /// The leg is not connected.
    #[error("the leg is not connected")]
    NotConnected,
    /// The payload is empty or longer than [`MAX_FRAME_BYTES`].
    #[error("a frame has 1 to {MAX_FRAME_BYTES} bytes")]
    FrameSize,
}

/// Why a leg ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LegFailure {
    /// Not connected within [`CONNECT_TIMEOUT`].
    ConnectTimeout,
    /// The relay closed it.
    Closed,
    /// Connectivity checks stay unanswered.
    ConnectivityLost,
    /// The leg carried media, then received nothing for [`MEDIA_TIMEOUT`].
    MediaTimeout,
    /// The DTLS handshake or the transport failed, for example because the relay's certificate does not match the answer.
    Transport,
}

/// A payload from another participant.
#[derive(Clone, PartialEq, Eq)]
pub struct ReceivedPacket {
    /// The receiving section, 0 to [`RECEIVE_SLOTS`] - 1. A slot carries one participant at a time.
    pub slot: usize,
    /// Extended RTP sequence number of the slot, which does not wrap. A gap is packet loss.
    pub rtp_seq: u64,
    /// RTP timestamp of the slot, 48 kHz, wraps.
    pub rtp_time: u32,
    /// Set on the first packet after a pause, or of the next participant in this slot.
    pub marker: bool,
    /// The payload, as sent by the other device.
    pub payload: Arc<[u8]>,
}

/// An action for the driver.
pub enum LegOutput {
    /// Send a datagram from the leg's socket.
    Transmit {
        /// Destination.
        dst: SocketAddr,
        /// The datagram.
        bytes: Vec<u8>,
    },
    /// A payload arrived.
    Received(ReceivedPacket),
    /// The leg is connected: payloads can be sent.
    Connected,
    /// The leg ended. Create another one.
    Failed(LegFailure),
    /// Nothing to do until this time: then call [`Leg::handle_timeout`].
    Timeout(Instant),
}

/// When a leg that gets no answer over UDP tries other transports, and the relay's addresses for them.
pub(super) struct FallbackSchedule {
    /// ICE-TCP (RFC 6544).
    pub(super) tcp: Option<(Instant, SocketAddr)>,
    /// TURN over TLS (RFC 8656).
    pub(super) turn: Option<(Instant, SocketAddr)>,
}

/// The engine of one leg.
pub struct Leg {
    rtc: Rtc,
    /// Session id of the offer (RFC 8866 section 5.2).
    session_id: String,
    local: SocketAddr,
    sending: Mid,
    receiving: Vec<Mid>,
    pending: Option<SdpPendingOffer>,
    payload_type: Option<Pt>,
    sequence: u64,
    /// Media packets received.
    media_packets: u32,
    /// Time of the last received datagram.
    last_received: Instant,
    state: State,
    /// The relay's UDP and TCP candidates.
    relay_udp: Option<SocketAddr>,
    relay_tcp: Option<SocketAddr>,
    outputs: VecDeque<LegOutput>,
    timeout: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Offered,
    Connecting { since: Instant },
    Connected,
    Closed,
}

impl Leg {
    /// Creates a leg whose socket is bound to `local`; returns it with its offer.
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
        let (offer, pending) = api.apply().expect("invariant: adding media produces an offer");
        let offer = offer.to_sdp_string();
        let leg = Self {
            rtc,
            session_id: sdp::session_id(&offer).unwrap_or_default().to_owned(),
            local,
            sending,
            receiving,
            pending: Some(pending),
            payload_type: None,
            sequence: 0,
            media_packets: 0,
            last_received: now,
            state: State::Offered,
            relay_udp: None,
            relay_tcp: None,
            outputs: VecDeque::new(),
            timeout: now,
        };
        Ok((leg, offer))
    }

    /// Applies the relay's answer and starts to connect.
    ///
    /// # Errors
    /// [`LegError::Answer`], after which the leg is unusable, [`LegError::WrongOffer`], and [`LegError::AlreadyAnswered`].
    pub fn accept_answer(&mut self, now: Instant, answer: &str) -> Result<(), LegError> {
        if sdp::answered_offer(answer).is_some_and(|session| session != self.session_id) {
            return Err(LegError::WrongOffer);
        }
        let pending = self.pending.take().ok_or(LegError::AlreadyAnswered)?;
        let accepted = self.try_accept(pending, answer);
        self.state = if accepted.is_ok() { State::Connecting { since: now } } else { State::Closed };
        if accepted.is_ok() {
            self.relay_udp = sdp::udp_candidate(answer);
            self.relay_tcp = sdp::passive_tcp_candidate(answer);
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
        // The relay must receive our audio as Opus.
        let sends = media.direction() == Direction::SendOnly;
        self.payload_type = media.remote_pts().first().copied().filter(|_| sends);
        self.payload_type.map(drop).ok_or(LegError::Answer)
    }

    /// Sends one payload. `rtp_timestamp` has a clock rate of 48 kHz and increases by [`FRAME_TICKS`] per frame.
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

    /// Handles a datagram received on the leg's socket. It is untrusted input.
    pub fn handle_packet(&mut self, now: Instant, src: SocketAddr, datagram: &[u8]) {
        if datagram.len() > MAX_DATAGRAM_BYTES || self.state == State::Offered {
            return;
        }
        if let Ok(receive) = Receive::new(Protocol::Udp, src, self.local, datagram) {
            self.last_received = now;
            self.step(Input::Receive(now, receive));
        }
    }

    /// Handles timers that are due.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let State::Connecting { since } = self.state
            && now >= since + CONNECT_TIMEOUT
        {
            self.fail(LegFailure::ConnectTimeout);
            return;
        }
        if self.media_timeout_at().is_some_and(|at| now >= at) {
            self.fail(LegFailure::MediaTimeout);
            return;
        }
        self.step(Input::Timeout(now));
    }

    /// Closes the connection. Transmit what [`Leg::poll`] returns afterwards.
    pub fn close(&mut self) {
        if self.state != State::Closed && self.rtc.close().is_ok() {
            self.state = State::Closed;
            self.drain();
        }
    }

    /// The next action. Call until it returns [`LegOutput::Timeout`].
    pub fn poll(&mut self) -> LegOutput {
        if let Some(output) = self.outputs.pop_front() {
            return output;
        }
        LegOutput::Timeout(match self.state {
            State::Connecting { since } => self.timeout.min(since + CONNECT_TIMEOUT),
            _ => self.media_timeout_at().map_or(self.timeout, |at| self.timeout.min(at)),
        })
    }

    /// When the media timeout expires.
    fn media_timeout_at(&self) -> Option<Instant> {
        (self.state == State::Connected && self.media_packets >= MIN_MEDIA_PACKETS)
            .then(|| self.last_received + MEDIA_TIMEOUT)
    }

    /// When to try other transports if nothing has been received by then: first TCP, then TURN over TLS.
    pub(super) fn fallback_schedule(&self) -> Option<FallbackSchedule> {
        let State::Connecting { since } = self.state else { return None };
        let tcp = self.relay_tcp.map(|relay| (since + FALLBACK_DELAY, relay));
        let turn = self.relay_udp.map(|relay| (since + 2 * FALLBACK_DELAY, relay));
        (self.last_received <= since).then_some(FallbackSchedule { tcp, turn })
    }

    /// Whether payloads can be sent.
    pub fn is_connected(&self) -> bool {
        self.state == State::Connected
    }

    fn step(&mut self, input: Input<'_>) {
        if self.state == State::Closed {
            return;
        }
        // A forged datagram may cause an error; the leg ends only if the transport is dead afterwards.
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
                self.fail(LegFailure::ConnectivityLost);
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
        self.media_packets = self.media_packets.saturating_add(1);
        self.outputs.push_back(LegOutput::Received(ReceivedPacket {
            slot,
            rtp_seq: *packet.seq_no,
            rtp_time: packet.header.timestamp,
            marker: packet.header.marker,
            payload: packet.payload,
        }));
    }

    fn fail(&mut self, why: LegFailure) {
        if self.state != State::Closed {
            self.state = State::Closed;
            self.outputs.push_back(LegOutput::Failed(why));
        }
    }
}

/// Only Opus, and no header extensions: the audio level extension would tell the relay who speaks.
fn transport_config() -> RtcConfig {
    let mut config = RtcConfig::new().set_rtp_mode(true).clear_codecs().clear_extension_map();
    config.set_initial_stun_rto(INITIAL_CHECK_RTO);
    config.set_max_stun_rto(CHECK_INTERVAL);
    config.set_max_stun_retransmits(MAX_UNANSWERED_CHECKS);
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
