//! The DTLS-SRTP handshake of one leg (RFC 5764). The relay is always the DTLS server.
//!
//! The peer's certificate must match the fingerprint of its offer (RFC 8122), which came over the authenticated
//! signalling connection; the SRTP keys are not released before that.

use crate::srtp::{Keys, Profile};
use aws_lc_rs::digest::{SHA256, digest};
use dimpl::{Config, DtlsCertificate, Output, SrtpProfile};
use std::{sync::Arc, time::Instant};

/// Largest handshake datagram, bytes. Below the minimum IPv6 MTU of 1,280.
const MTU: usize = 1200;
/// Buffer for one output of the library, bytes.
const OUTPUT_BYTES: usize = 2048;

/// SHA-256 digest of a certificate.
pub(crate) type Fingerprint = [u8; 32];

/// Configuration and certificate shared by all handshakes of a relay. Generating a certificate costs more than the rest
/// of a leg. Devices verify its fingerprint, which the switchboard delivers in the SDP answer.
#[derive(Clone)]
pub(crate) struct Identity {
    config: Arc<Config>,
    certificate: DtlsCertificate,
    pub(crate) fingerprint: Fingerprint,
}

impl Identity {
    /// Generates a certificate. `None` if the library fails to.
    pub(crate) fn generate() -> Option<Self> {
        let certificate = dimpl::certificate::generate_self_signed_certificate().ok()?;
        // ICE has already proved that the peer receives at its source address, which is what a cookie proves.
        let config = Config::builder().mtu(MTU).use_server_cookie(false).build().ok()?;
        let fingerprint = fingerprint_of(&certificate.certificate);
        Some(Self { config: Arc::new(config), certificate, fingerprint })
    }
}

/// Result of a handshake step.
#[derive(Default)]
pub(crate) struct Step {
    pub(crate) packets: Vec<Vec<u8>>,
    /// Set once, when the handshake has completed with the offered certificate.
    pub(crate) keys: Option<Keys>,
    /// The device sent `close_notify`.
    pub(crate) closed: bool,
    /// The handshake failed: certificate mismatch, no common SRTP profile, or retransmissions exhausted.
    pub(crate) failed: bool,
    /// The datagram was rejected. Not an error of the leg: an off-path attacker can send one.
    pub(crate) refused: bool,
}

/// One end of a DTLS association.
pub(crate) struct Handshake {
    inner: dimpl::Dtls,
    expected: Fingerprint,
    verified: bool,
    keys: Option<Keys>,
    timeout: Instant,
}

impl Handshake {
    /// Waits for a client whose certificate has this fingerprint.
    pub(crate) fn new(identity: &Identity, expected: Fingerprint, now: Instant) -> Self {
        let inner = dimpl::Dtls::new_12(identity.config.clone(), identity.certificate.clone(), now);
        Self { inner, expected, verified: false, keys: None, timeout: now }
    }

    /// Processes a datagram.
    pub(crate) fn receive(&mut self, now: Instant, datagram: &[u8]) -> Step {
        // The library requires its clock to be advanced first.
        let expired = self.inner.handle_timeout(now).is_err();
        let refused = self.inner.handle_packet(datagram).is_err();
        let step = self.drain();
        Step { failed: step.failed || expired, refused, ..step }
    }

    /// Processes due retransmissions and timeouts.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Step {
        let expired = self.inner.handle_timeout(now).is_err();
        let step = self.drain();
        Step { failed: step.failed || expired, ..step }
    }

    /// Sends `close_notify`.
    pub(crate) fn close(&mut self) -> Step {
        // Fails before the handshake has completed, when there is no association to close.
        let _ = self.inner.close();
        self.drain()
    }

    /// When [`Handshake::handle_timeout`] is due.
    pub(crate) fn timeout(&self) -> Instant {
        self.timeout
    }

    fn drain(&mut self) -> Step {
        let mut step = Step::default();
        let mut buffer = [0; OUTPUT_BYTES];
        let mut connected = false;
        loop {
            match self.inner.poll_output(&mut buffer) {
                Output::Packet(packet) => step.packets.push(packet.to_vec()),
                Output::PeerCert(certificate) => self.verified = fingerprint_of(certificate) == self.expected,
                Output::KeyingMaterial(material, profile) => self.keys = srtp_keys(profile, &material),
                Output::Connected => connected = true,
                Output::CloseNotify => step.closed = true,
                Output::Timeout(at) => {
                    self.timeout = at;
                    // Certificate and keys arrive in the same step as `Connected`, in any order.
                    if connected {
                        step.keys = self.keys.take().filter(|_| self.verified);
                        step.failed |= step.keys.is_none();
                    }
                    return step;
                }
                Output::BufferTooSmall { .. } => {
                    step.failed = true;
                    return step;
                }
                // No application data is carried over DTLS.
                _ => {}
            }
        }
    }
}

fn srtp_keys(profile: SrtpProfile, material: &[u8]) -> Option<Keys> {
    let profile = match profile {
        SrtpProfile::AEAD_AES_128_GCM => Profile::Aes128Gcm,
        SrtpProfile::AEAD_AES_256_GCM => Profile::Aes256Gcm,
        _ => return None,
    };
    Keys::from_handshake(profile, material)
}

fn fingerprint_of(certificate: &[u8]) -> Fingerprint {
    digest(&SHA256, certificate).as_ref().try_into().expect("invariant: SHA-256 has 32 bytes")
}
