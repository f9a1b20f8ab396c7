//! The DTLS handshake of one leg (RFC 5764), of which the relay is always the server.
//!
//! The peer's certificate is compared with the fingerprint of its offer (RFC 8122), which came over the signalling
//! connection; nothing is made of the keys until then.

use crate::srtp::{Keys, Profile};
use aws_lc_rs::digest::{SHA256, digest};
use dimpl::{Config, DtlsCertificate, Output, SrtpProfile};
use std::{sync::Arc, time::Instant};

/// Largest handshake datagram. It fits every path that carries IPv6.
const MTU: usize = 1200;
/// Room for one datagram or message out of the library.
const OUTPUT_BYTES: usize = 2048;

/// SHA-256 of a certificate.
pub(crate) type Fingerprint = [u8; 32];

/// What all handshakes of a relay share: options, and one certificate. Making one costs more than the rest of a leg.
/// Devices check its fingerprint, which their own office's switchboard gave them with the answer.
#[derive(Clone)]
pub(crate) struct Identity {
    config: Arc<Config>,
    certificate: DtlsCertificate,
    pub(crate) fingerprint: Fingerprint,
}

impl Identity {
    /// A new certificate. `None` if the library cannot make one, which no one can do without.
    pub(crate) fn make() -> Option<Self> {
        let certificate = dimpl::certificate::generate_self_signed_certificate().ok()?;
        // ICE has proved that the peer receives where it sends from, so a cookie would prove nothing more.
        let config = Config::builder().mtu(MTU).use_server_cookie(false).build().ok()?;
        let fingerprint = fingerprint_of(&certificate.certificate);
        Some(Self { config: Arc::new(config), certificate, fingerprint })
    }
}

/// What came of a step.
#[derive(Default)]
pub(crate) struct Step {
    pub(crate) packets: Vec<Vec<u8>>,
    /// The handshake ended well: the certificate is the offered one, and these are the keys.
    pub(crate) keys: Option<Keys>,
    /// The device said goodbye.
    pub(crate) closed: bool,
    /// It will never be: another certificate, no profile in common, or out of time.
    pub(crate) failed: bool,
    /// The input was not taken. It can have come from anybody.
    pub(crate) refused: bool,
}

/// One end of a DTLS association.
pub(crate) struct Handshake {
    inner: dimpl::Dtls,
    expected: Fingerprint,
    verified: bool,
    keys: Option<Keys>,
    wake: Instant,
}

impl Handshake {
    /// Waits for the device whose certificate has this fingerprint.
    pub(crate) fn new(identity: &Identity, expected: Fingerprint, now: Instant) -> Self {
        let inner = dimpl::Dtls::new_12(identity.config.clone(), identity.certificate.clone(), now);
        Self { inner, expected, verified: false, keys: None, wake: now }
    }

    /// Takes a datagram.
    pub(crate) fn receive(&mut self, now: Instant, datagram: &[u8]) -> Step {
        // The clock first, as the library asks for.
        let late = self.inner.handle_timeout(now).is_err();
        let refused = self.inner.handle_packet(datagram).is_err();
        let step = self.drain();
        Step { failed: step.failed || late, refused, ..step }
    }

    /// Does what is due.
    pub(crate) fn tick(&mut self, now: Instant) -> Step {
        let late = self.inner.handle_timeout(now).is_err();
        let step = self.drain();
        Step { failed: step.failed || late, ..step }
    }

    /// Says goodbye.
    pub(crate) fn close(&mut self) -> Step {
        // Before the end of the handshake there is nobody to say it to.
        let _ = self.inner.close();
        self.drain()
    }

    /// When [`Handshake::tick`] is due.
    pub(crate) fn wake(&self) -> Instant {
        self.wake
    }

    fn drain(&mut self) -> Step {
        let mut step = Step::default();
        let mut buffer = [0; OUTPUT_BYTES];
        let mut connected = false;
        loop {
            match self.inner.poll_output(&mut buffer) {
                Output::Packet(packet) => step.packets.push(packet.to_vec()),
                Output::PeerCert(certificate) => self.verified = fingerprint_of(certificate) == self.expected,
                Output::KeyingMaterial(material, profile) => self.keys = keys(profile, &material),
                Output::Connected => connected = true,
                Output::CloseNotify => step.closed = true,
                Output::Timeout(at) => {
                    self.wake = at;
                    // Certificate and keys come in the same step, after the news of the connection.
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
                // Nothing is carried in DTLS itself.
                _ => {}
            }
        }
    }
}

fn keys(profile: SrtpProfile, material: &[u8]) -> Option<Keys> {
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
