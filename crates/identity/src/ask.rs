//! How a new device asks a registrar to certify its key.
//!
//! The link that a registrar hands out carries an identifier and a secret, and no key that could sign anything. The new device
//! makes its own key and a request, signed with that key and authenticated with the secret ([`Ask::request`]). The server forwards
//! it and can neither make nor change one. The registrar verifies it ([`verify_request`]), compares a short code with the person
//! over another channel, and issues the certificate. A link is worth nothing after its first use, so what stays of it in a
//! history or on a photograph opens nothing; somebody who uses it first is found by the code.

use crate::{
    error::{Flaw, Mismatch, Result},
    jws,
    key::{DeviceKey, SEED_BYTES, public_key_bytes},
    link::{bare_fragment, suite_byte, suite_of_byte},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};
use std::fmt;
use telcon_proto::{
    Blob, DeviceId, Digest, InvitationId, OfficeName, SuiteName,
    limits::{MAX_DEVICE_REQUEST_CHARS, MAX_LABEL_CHARS},
    printable,
    statement::DeviceRequest,
};
use zeroize::Zeroizing;

/// Type of a device's request (RFC 7515 section 4.1.9).
pub const DEVICE_REQUEST_TYP: &str = "telcon-device-request+jws";
/// First byte of the fragment of a registrar's link. 1 is a link of the authority ([`crate::Invitation`]).
const VERSION: u8 = 2;
/// First byte of the fragment of a recovery's link: its device demands the certificates of two registrars.
const RECOVERY_VERSION: u8 = 3;
/// First byte of the fragment of a line's link: its device accepts the certificate of a principal only.
const LINE_VERSION: u8 = 4;
/// Version, suite, secret, digest of the authority, invitation.
const FRAGMENT_BYTES: usize = 2 + SEED_BYTES + 32 + 16;
/// Separates what the secret authenticates from anything else that it might.
const MAC_CONTEXT: &[u8] = b"telcon device request 1";
/// Separates the token, which the server learns, from it.
const TOKEN_CONTEXT: &[u8] = b"telcon link token 1";
/// Separates challenge phrases from other uses of the link's secret.
const CHALLENGE_CONTEXT: &[u8] = b"telcon line challenge 1";
/// Bytes that a challenge phrase is made of.
const CHALLENGE_BYTES: usize = 8;
/// Decimal digits of the code that two people compare: 2^39 keys have to be tried to hit a given one.
const CODE_DIGITS: usize = 12;

/// The content of a registrar's link: what lets one device ask. `Debug` does not show the secret, which is erased when dropped.
pub struct Ask {
    suite: SuiteName,
    secret: Zeroizing<[u8; SEED_BYTES]>,
    authority_sha256: [u8; 32],
    invitation: InvitationId,
    kind: Kind,
}

/// Who certifies the device that asks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// As many registrars as the charter says.
    Registrar,
    /// Two registrars.
    Recovery,
    /// The principal who gives a line.
    Line,
}

impl Kind {
    const fn version(self) -> u8 {
        match self {
            Self::Registrar => VERSION,
            Self::Recovery => RECOVERY_VERSION,
            Self::Line => LINE_VERSION,
        }
    }

    const fn of_version(version: u8) -> Option<Self> {
        match version {
            VERSION => Some(Self::Registrar),
            RECOVERY_VERSION => Some(Self::Recovery),
            LINE_VERSION => Some(Self::Line),
            _ => None,
        }
    }
}

impl Ask {
    /// A link for an invitation. The secret must be fresh and random, and the registrar keeps it until a device has asked.
    pub fn new(
        suite: SuiteName,
        secret: [u8; SEED_BYTES],
        authority_sha256: [u8; 32],
        invitation: InvitationId,
    ) -> Self {
        Self { suite, secret: Zeroizing::new(secret), authority_sha256, invitation, kind: Kind::Registrar }
    }

    /// The same as a recovery's link: whoever asks with it accepts the certificates of two registrars only, in every office.
    #[must_use]
    pub fn for_recovery(self, recovery: bool) -> Self {
        if recovery { Self { kind: Kind::Recovery, ..self } } else { self }
    }

    /// Whether it is a recovery's link.
    pub fn is_recovery(&self) -> bool {
        self.kind == Kind::Recovery
    }

    /// The same as a line's link: whoever asks with it accepts the certificate of a principal only.
    #[must_use]
    pub fn for_line(self, line: bool) -> Self {
        if line { Self { kind: Kind::Line, ..self } } else { self }
    }

    /// Whether it is a line's link.
    pub fn is_line(&self) -> bool {
        self.kind == Kind::Line
    }

    /// Whether a fragment is of this kind, to choose the parser: it may be malformed all the same.
    pub fn is_ask(fragment: &str) -> bool {
        let fragment = bare_fragment(fragment);
        // Four characters are three bytes.
        let first = fragment.get(..4).and_then(|start| URL_SAFE_NO_PAD.decode(start).ok());
        first.and_then(|bytes| Kind::of_version(*bytes.first()?)).is_some()
    }

    /// The link's fragment: 110 characters in either suite, which fit a QR code.
    pub fn to_fragment(&self) -> String {
        let mut bytes = Zeroizing::new(Vec::with_capacity(FRAGMENT_BYTES));
        bytes.extend_from_slice(&[self.kind.version(), suite_byte(self.suite)]);
        bytes.extend_from_slice(&*self.secret);
        bytes.extend_from_slice(&self.authority_sha256);
        bytes.extend_from_slice(self.invitation.as_bytes());
        URL_SAFE_NO_PAD.encode(&*bytes)
    }

    /// Parses a fragment, with or without its `#` and surrounding blanks.
    ///
    /// # Errors
    /// [`Flaw::Invitation`], [`Flaw::TooLong`].
    pub fn parse(fragment: &str) -> Result<Self> {
        let fragment = bare_fragment(fragment);
        if fragment.len() > FRAGMENT_BYTES * 4 / 3 + 4 {
            return Err(Flaw::TooLong.into());
        }
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(fragment).map_err(|_| Flaw::Invitation)?);
        let (header, rest) = bytes.split_at_checked(2).ok_or(Flaw::Invitation)?;
        let kind = Kind::of_version(header[0]).filter(|_| bytes.len() == FRAGMENT_BYTES).ok_or(Flaw::Invitation)?;
        let suite = suite_of_byte(header[1]).ok_or(Flaw::Invitation)?;
        let (mut secret, mut authority, mut invitation) = (Zeroizing::new([0; SEED_BYTES]), [0; 32], [0; 16]);
        secret.copy_from_slice(&rest[..SEED_BYTES]);
        authority.copy_from_slice(&rest[SEED_BYTES..SEED_BYTES + 32]);
        invitation.copy_from_slice(&rest[SEED_BYTES + 32..]);
        let invitation = InvitationId::from_bytes(invitation);
        Ok(Self { suite, secret, authority_sha256: authority, invitation, kind })
    }

    /// SHA-256 of the authority's certificate, for [`crate::Office::pin`].
    pub fn authority_sha256(&self) -> [u8; 32] {
        self.authority_sha256
    }

    /// SHA-256 of the token that requests with this link carry, for the server.
    pub fn token_sha256(&self) -> Digest {
        Digest::from_bytes(Sha256::digest(self.token()).into())
    }

    fn token(&self) -> Vec<u8> {
        hmac(&self.secret, &[TOKEN_CONTEXT]).finalize().into_bytes().to_vec()
    }

    /// What the words are made of that a line's giver and its holder may ask each other for: of the link's secret, which no server has,
    /// and of the device that asked.
    pub fn challenge(&self, request: &VerifiedRequest) -> [u8; CHALLENGE_BYTES] {
        let DeviceRequest { invitation, device, key, .. } = request.request();
        // As in `mac`: all parts but the last have a fixed length.
        let parts = [CHALLENGE_CONTEXT, invitation.as_bytes(), device.as_bytes(), key.as_slice()];
        let digest = hmac(&self.secret, &parts).finalize().into_bytes();
        digest[..CHALLENGE_BYTES].try_into().expect("invariant: SHA-256 is longer")
    }

    /// The request of a device: its public key with proof that it has the private key and this link.
    ///
    /// # Errors
    /// [`Mismatch::Suite`] if the key is of another suite than the office's.
    pub fn request(
        &self,
        key: &DeviceKey,
        device: DeviceId,
        office: &OfficeName,
        label: &str,
        now_ms: u64,
    ) -> Result<String> {
        if key.suite() != self.suite {
            return Err(Mismatch::Suite { office: self.suite, other: key.suite() }.into());
        }
        let public = key.public_bytes();
        let request = DeviceRequest {
            office: office.to_string(),
            invitation: self.invitation,
            device,
            label: printable::printable(label).chars().take(MAX_LABEL_CHARS).collect(),
            at_ms: now_ms,
            token: Blob(self.token()),
            mac: Blob(mac(&self.secret, self.invitation, device, &public).finalize().into_bytes().to_vec()),
            key: Blob(public),
        };
        let payload = serde_json::to_vec(&request).expect("invariant: strings and numbers are JSON");
        Ok(jws::sign(key, DEVICE_REQUEST_TYP, &payload, &[]))
    }
}

impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ask").field("invitation", &self.invitation).finish_non_exhaustive()
    }
}

fn hmac(secret: &[u8; SEED_BYTES], parts: &[&[u8]]) -> Hmac<Sha256> {
    let mut mac =
        <Hmac<Sha256> as hmac::Mac>::new_from_slice(secret).expect("invariant: HMAC takes keys of any length");
    parts.iter().for_each(|part| mac.update(part));
    mac
}

fn mac(secret: &[u8; SEED_BYTES], invitation: InvitationId, device: DeviceId, public: &[u8]) -> Hmac<Sha256> {
    // All parts but the last have a fixed length, so that no two inputs are the same bytes.
    hmac(secret, &[MAC_CONTEXT, invitation.as_bytes(), device.as_bytes(), public])
}

/// A request whose device proved to have its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedRequest {
    request: DeviceRequest,
    code: String,
}

impl VerifiedRequest {
    /// The content.
    pub fn request(&self) -> &DeviceRequest {
        &self.request
    }

    /// SHA-256 of the token in it, which the server compares with the invitation's.
    pub fn token_sha256(&self) -> Digest {
        Digest::from_bytes(Sha256::digest(self.request.token.as_slice()).into())
    }

    /// The code to compare with the person over another channel: twelve digits in groups of three.
    pub fn code(&self) -> &str {
        &self.code
    }
}

/// Verifies the signature of a request with the key in it, and its form. Whether the sender had the link is not checked: only the
/// registrar that made it can ([`verify_request`]).
///
/// # Errors
/// [`Flaw`]s of the signed text; [`Flaw::OtherOffice`].
pub fn read_request(jws: &str, office: &OfficeName, suite: SuiteName) -> Result<VerifiedRequest> {
    if jws.len() > MAX_DEVICE_REQUEST_CHARS {
        return Err(Flaw::TooLong.into());
    }
    let signed = jws::decode(jws)?;
    if !signed.x5c().is_empty() {
        return Err(Flaw::JwsForm.into());
    }
    let claimed: DeviceRequest = serde_json::from_slice(signed.claimed_payload()).map_err(|_| Flaw::Payload)?;
    if claimed.key.0.len() != public_key_bytes(suite) {
        return Err(Flaw::PublicKey.into());
    }
    let payload = signed.verify(DEVICE_REQUEST_TYP, suite, claimed.key.as_slice())?;
    let request: DeviceRequest = serde_json::from_slice(&payload).map_err(|_| Flaw::Payload)?;
    if *office != request.office {
        return Err(Flaw::OtherOffice.into());
    }
    if request.label.chars().count() > MAX_LABEL_CHARS || printable::printable(&request.label) != request.label {
        return Err(Flaw::Payload.into());
    }
    Ok(VerifiedRequest { code: code(jws), request })
}

/// What a device called itself in a request that was verified before.
pub fn label_of(jws: &str, office: &OfficeName) -> Option<String> {
    let signed = jws::decode(jws).ok()?;
    let request: DeviceRequest = serde_json::from_slice(signed.claimed_payload()).ok()?;
    (*office == request.office).then(|| printable::printable(&request.label))
}

/// Verifies a request as the registrar that made the link: signature, and that its sender had the link's secret.
///
/// # Errors
/// Those of [`read_request`]; [`Flaw::OtherInvitation`], [`Flaw::InvitationSecret`].
pub fn verify_request(jws: &str, office: &OfficeName, ask: &Ask) -> Result<VerifiedRequest> {
    let verified = read_request(jws, office, ask.suite)?;
    let DeviceRequest { invitation, device, key, mac: sent, .. } = &verified.request;
    if *invitation != ask.invitation {
        return Err(Flaw::OtherInvitation.into());
    }
    let expected = mac(&ask.secret, *invitation, *device, key.as_slice());
    expected.verify_slice(sent.as_slice()).map_err(|_| Flaw::InvitationSecret)?;
    Ok(verified)
}

/// The code of a request: both screens compute it from the same text.
fn code(jws: &str) -> String {
    let digest = Sha256::digest([b"telcon device code 1".as_slice(), jws.as_bytes()].concat());
    let number = digest[..8].iter().fold(0, |number: u64, byte| number << 8 | u64::from(*byte));
    let digits = format!("{:0width$}", number % 10u64.pow(CODE_DIGITS as u32), width = CODE_DIGITS);
    let groups: Vec<&str> = (0..CODE_DIGITS).step_by(3).map(|at| &digits[at..at + 3]).collect();
    groups.join(" ")
}
