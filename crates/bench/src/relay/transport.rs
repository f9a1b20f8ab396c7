//! One endpoint's transport to a media server: socket, ICE, DTLS handshake, SRTP keys.

use crate::{
    relay::ice::{self, Credentials, StunEvent},
    relay::sdp::{self, Local, Remote},
    relay::srtp::Keys,
};
use anyhow::{Context, Result, bail, ensure};
use aws_lc_rs::digest;
use dimpl::{Config, Dtls, DtlsCertificate, Output};
use nix::sys::socket::{setsockopt, sockopt};
use std::{
    net::{IpAddr, SocketAddr, UdpSocket},
    sync::Arc,
    time::{Duration, Instant},
};

/// Longest datagram that is accepted, bytes.
pub const MAX_DATAGRAM: usize = 2048;
/// Receive buffer of each socket, bytes: datagrams that arrive while the thread serves other sockets.
const SOCKET_BUFFER: usize = 1024 * 1024;
/// Retransmission interval of checks.
const CHECK_INTERVAL: Duration = Duration::from_millis(50);
/// Initial retransmission timeout of the handshake, similar to browsers, which know the round-trip time from ICE. The
/// default of a second would dominate the setup time of Janus, which is not ready at once.
const INITIAL_RTO: Duration = Duration::from_millis(50);
/// Retransmissions with exponential backoff: 25 s in total, which only an overloaded machine needs.
const RETRIES: usize = 8;
/// How long a completed handshake is kept to retransmit its last flight.
const HANDSHAKE_LINGER: Duration = Duration::from_secs(3);

/// The certificate, shared by all endpoints of a run: generating certificates is not measured.
pub struct Identity {
    certificate: DtlsCertificate,
    config: Arc<Config>,
    fingerprint: [u8; 32],
}

impl Identity {
    /// Generates a certificate.
    ///
    /// # Errors
    /// When the library fails to.
    pub fn new() -> Result<Self> {
        let certificate = dimpl::certificate::generate_self_signed_certificate().context("no certificate")?;
        let config = Config::builder()
            .use_server_cookie(false)
            .flight_start_rto(INITIAL_RTO)
            .flight_retries(RETRIES)
            .build()
            .context("no DTLS configuration")?;
        let fingerprint = sha256(&certificate.certificate);
        Ok(Self { certificate, config: Arc::new(config), fingerprint })
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest::digest(&digest::SHA256, bytes).as_ref().try_into().expect("invariant: SHA-256 has 32 bytes")
}

/// A non-blocking socket with arrival timestamps from the kernel.
///
/// # Errors
/// When the system refuses it.
pub fn socket(address: IpAddr) -> Result<UdpSocket> {
    let socket = UdpSocket::bind((address, 0)).context("no socket")?;
    socket.set_nonblocking(true)?;
    setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
    setsockopt(&socket, sockopt::RcvBuf, &SOCKET_BUFFER)?;
    Ok(socket)
}

enum Phase {
    /// Waiting for the peer's description.
    Offered,
    /// Sending connectivity checks.
    Checking { next: Instant },
    /// In the handshake, or shortly after its completion.
    Handshake { dtls: Box<Dtls>, timeout: Instant, keys: Option<Keys>, verified: bool, done: Option<Instant> },
    /// The handshake was discarded after its completion.
    Settled,
}

/// See the module.
pub struct Transport {
    socket: UdpSocket,
    address: SocketAddr,
    ice: Credentials,
    remote: Option<Box<Remote>>,
    phase: Phase,
    /// The negotiated SRTP suite.
    pub suite: Option<dimpl::SrtpProfile>,
}

impl Transport {
    /// A socket with random ICE credentials.
    ///
    /// # Errors
    /// When the system refuses a socket.
    pub fn new(address: IpAddr) -> Result<Self> {
        let socket = socket(address)?;
        let address = socket.local_addr()?;
        Ok(Self { socket, address, ice: Credentials::random()?, remote: None, phase: Phase::Offered, suite: None })
    }

    /// The socket.
    pub fn socket(&self) -> &UdpSocket {
        &self.socket
    }

    /// An offer; see [`sdp::offer`].
    pub fn offer(&self, identity: &Identity, ssrc: u32, slots: usize) -> String {
        sdp::offer(&self.local(identity, ssrc), slots)
    }

    /// An answer; see [`sdp::answer`].
    pub fn answer(&self, identity: &Identity, offer: &Remote) -> String {
        sdp::answer(&self.local(identity, 0), offer)
    }

    fn local<'a>(&'a self, identity: &'a Identity, ssrc: u32) -> Local<'a> {
        Local { ice: &self.ice, fingerprint: &identity.fingerprint, address: self.address, ssrc }
    }

    /// Applies the peer's description and starts connectivity checks.
    ///
    /// # Errors
    /// When the peer's address is not reachable.
    pub fn connect(&mut self, remote: Remote, now: Instant) -> Result<()> {
        self.socket.connect(remote.address).context("cannot send to the peer")?;
        self.remote = Some(Box::new(remote));
        self.phase = Phase::Checking { next: now };
        self.send_check()
    }

    /// Sends a connectivity check, to connect or to renew consent.
    ///
    /// # Errors
    /// When the message cannot be encoded.
    pub fn send_check(&self) -> Result<()> {
        let Some(remote) = &self.remote else { return Ok(()) };
        // A lost check is retransmitted.
        let _ = self.socket.send(&ice::check(&self.ice, &remote.ice)?);
        Ok(())
    }

    /// Processes due timers.
    ///
    /// # Errors
    /// When the handshake fails.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<()> {
        match &mut self.phase {
            Phase::Checking { next } if now >= *next => {
                *next = now + CHECK_INTERVAL;
                self.send_check()
            }
            Phase::Handshake { done: Some(done), .. } if now >= *done + HANDSHAKE_LINGER => {
                self.phase = Phase::Settled;
                Ok(())
            }
            Phase::Handshake { dtls, timeout, .. } if now >= *timeout => {
                dtls.handle_timeout(now).context("the handshake timed out")?;
                self.drain(now)
            }
            _ => Ok(()),
        }
    }

    /// Whether no timers are left.
    pub fn is_settled(&self) -> bool {
        matches!(self.phase, Phase::Settled)
    }

    /// Handles a datagram other than media. Returns the keys, once.
    ///
    /// # Errors
    /// When the handshake fails. An invalid STUN message is ignored.
    pub fn receive(&mut self, identity: &Identity, datagram: &[u8], now: Instant) -> Result<Option<Keys>> {
        match datagram.first() {
            Some(0..=3) => {
                let Some(remote) = &self.remote else { return Ok(None) };
                match ice::read(datagram, remote.address, &self.ice, &remote.ice) {
                    Ok(StunEvent::Check(response)) => drop(self.socket.send(&response)),
                    Ok(StunEvent::Response) if matches!(self.phase, Phase::Checking { .. }) => {
                        self.start_handshake(identity, now)?
                    }
                    Ok(StunEvent::Response) | Err(_) => {}
                }
            }
            Some(20..=63) => {
                if matches!(self.phase, Phase::Checking { .. }) {
                    // The server may start the handshake before its response to our check arrives.
                    self.start_handshake(identity, now)?;
                }
                if let Phase::Handshake { dtls, .. } = &mut self.phase {
                    dtls.handle_packet(datagram).context("the handshake failed")?;
                    self.drain(now)?;
                }
            }
            _ => {}
        }
        Ok(self.take_keys(now))
    }

    fn start_handshake(&mut self, identity: &Identity, now: Instant) -> Result<()> {
        let active = self.remote.as_ref().is_some_and(|remote| !remote.active);
        let mut dtls = Box::new(Dtls::new_12(identity.config.clone(), identity.certificate.clone(), now));
        dtls.set_active(active);
        dtls.handle_timeout(now).context("the handshake did not start")?;
        self.phase = Phase::Handshake { dtls, timeout: now, keys: None, verified: false, done: None };
        self.drain(now)
    }

    fn drain(&mut self, now: Instant) -> Result<()> {
        let Phase::Handshake { dtls, timeout, keys, verified, .. } = &mut self.phase else { return Ok(()) };
        let mut buffer = [0; MAX_DATAGRAM];
        loop {
            match dtls.poll_output(&mut buffer) {
                Output::Packet(packet) => drop(self.socket.send(packet)),
                Output::Timeout(at) => {
                    *timeout = at.max(now);
                    return Ok(());
                }
                Output::PeerCert(certificate) => {
                    let expected = self.remote.as_ref().map(|remote| remote.fingerprint);
                    ensure!(Some(sha256(certificate)) == expected, "the certificate does not match the fingerprint");
                    *verified = true;
                }
                Output::KeyingMaterial(material, profile) => {
                    self.suite = Some(profile);
                    *keys = Some(Keys::derive(profile, &material, dtls.is_active())?);
                }
                Output::BufferTooSmall { needed } => bail!("a handshake packet of {needed} bytes"),
                Output::CloseNotify => bail!("the peer closed the connection"),
                _ => {}
            }
        }
    }

    fn take_keys(&mut self, now: Instant) -> Option<Keys> {
        let Phase::Handshake { keys, verified: true, done, .. } = &mut self.phase else { return None };
        let keys = keys.take()?;
        *done = Some(now);
        Some(keys)
    }
}
