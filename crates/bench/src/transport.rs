//! One endpoint's way to a media server: its socket, ICE, the DTLS handshake, and at the end the keys for SRTP.

use crate::{
    ice::{self, Credentials, Heard},
    sdp::{self, Local, Remote},
    srtp::Keys,
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

/// Longest datagram that is looked at.
pub const MAX_DATAGRAM: usize = 2048;
/// Socket buffers, bytes: what arrives while the one thread is elsewhere.
const SOCKET_BUFFER: usize = 1024 * 1024;
/// Until a check is repeated.
const CHECK_AGAIN: Duration = Duration::from_millis(50);
/// Until a first handshake message is repeated: as browsers do, whose own ICE tells them how near the other side is. The
/// standard's second would be most of the time that Janus needs, which is not ready at once.
const FIRST_RETRY: Duration = Duration::from_millis(50);
/// How often a handshake message is repeated, each time after twice the time: for 25 s in all, which only a machine that is
/// overloaded needs.
const RETRIES: usize = 8;
/// How long the handshake's state is kept after its end, for a last flight that was lost.
const KEEP_HANDSHAKE: Duration = Duration::from_secs(3);

/// What all endpoints of a run share: one certificate, because making a thousand is not what is measured.
pub struct Identity {
    certificate: DtlsCertificate,
    config: Arc<Config>,
    fingerprint: [u8; 32],
}

impl Identity {
    /// Makes a certificate.
    ///
    /// # Errors
    /// When the library cannot.
    pub fn new() -> Result<Self> {
        let certificate = dimpl::certificate::generate_self_signed_certificate().context("no certificate")?;
        let config = Config::builder()
            .use_server_cookie(false)
            .flight_start_rto(FIRST_RETRY)
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

/// A socket that is not waited on, whose packets the kernel stamps with the time of their arrival.
///
/// # Errors
/// When the system gives none.
pub fn socket(address: IpAddr) -> Result<UdpSocket> {
    let socket = UdpSocket::bind((address, 0)).context("no socket")?;
    socket.set_nonblocking(true)?;
    setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
    setsockopt(&socket, sockopt::RcvBuf, &SOCKET_BUFFER)?;
    Ok(socket)
}

enum Phase {
    /// The other side's description has not come.
    Offered,
    /// Asking whether the other side can be reached.
    Checking { again: Instant },
    /// In the handshake, or just after it.
    Handshake { dtls: Box<Dtls>, timeout: Instant, keys: Option<Keys>, verified: bool, done: Option<Instant> },
    /// The handshake's state is gone.
    Settled,
}

/// See the module.
pub struct Transport {
    socket: UdpSocket,
    address: SocketAddr,
    ice: Credentials,
    remote: Option<Box<Remote>>,
    phase: Phase,
    /// The suite that the handshake chose.
    pub suite: Option<dimpl::SrtpProfile>,
}

impl Transport {
    /// A socket, and names for it.
    ///
    /// # Errors
    /// When the system gives no socket.
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

    /// The other side is known: starts to ask for it.
    ///
    /// # Errors
    /// When the socket refuses its address.
    pub fn begin(&mut self, remote: Remote, now: Instant) -> Result<()> {
        self.socket.connect(remote.address).context("cannot send to the other side")?;
        self.remote = Some(Box::new(remote));
        self.phase = Phase::Checking { again: now };
        self.check()
    }

    /// Asks the other side whether it is there: at first, and to keep the path open.
    ///
    /// # Errors
    /// When the message cannot be made.
    pub fn check(&self) -> Result<()> {
        let Some(remote) = &self.remote else { return Ok(()) };
        // One that is lost is asked again.
        let _ = self.socket.send(&ice::check(&self.ice, &remote.ice)?);
        Ok(())
    }

    /// Does what is due.
    ///
    /// # Errors
    /// When the handshake fails.
    pub fn tick(&mut self, now: Instant) -> Result<()> {
        match &mut self.phase {
            Phase::Checking { again } if now >= *again => {
                *again = now + CHECK_AGAIN;
                self.check()
            }
            Phase::Handshake { done: Some(done), .. } if now >= *done + KEEP_HANDSHAKE => {
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

    /// Whether there is nothing more to tick.
    pub fn settled(&self) -> bool {
        matches!(self.phase, Phase::Settled)
    }

    /// Takes a datagram that is not media. Gives the keys, once.
    ///
    /// # Errors
    /// When the handshake fails. A STUN message that is no good is ignored.
    pub fn receive(&mut self, identity: &Identity, datagram: &[u8], now: Instant) -> Result<Option<Keys>> {
        match datagram.first() {
            Some(0..=3) => {
                let Some(remote) = &self.remote else { return Ok(None) };
                match ice::read(datagram, remote.address, &self.ice, &remote.ice) {
                    Ok(Heard::Answer(answer)) => drop(self.socket.send(&answer)),
                    Ok(Heard::Answered) if matches!(self.phase, Phase::Checking { .. }) => self.shake(identity, now)?,
                    Ok(Heard::Answered) | Err(_) => {}
                }
            }
            Some(20..=63) => {
                if matches!(self.phase, Phase::Checking { .. }) {
                    // The other side starts as soon as our check arrived, which can be before its answer does.
                    self.shake(identity, now)?;
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

    fn shake(&mut self, identity: &Identity, now: Instant) -> Result<()> {
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
                    ensure!(Some(sha256(certificate)) == expected, "a certificate other than the one announced");
                    *verified = true;
                }
                Output::KeyingMaterial(material, profile) => {
                    self.suite = Some(profile);
                    *keys = Some(Keys::derive(profile, &material, dtls.is_active())?);
                }
                Output::BufferTooSmall { needed } => bail!("a handshake packet of {needed} bytes"),
                Output::CloseNotify => bail!("the other side ended the connection"),
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
