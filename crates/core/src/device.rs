//! This device: its keys, its certificates and the offices it trusts.

use crate::{
    challenge::{self, Challenges},
    known_documents::KnownDocuments,
    lines::KnownLines,
    peer_log::PeerLog,
    view::RevocationView,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use openmls::prelude::{Ciphersuite, CredentialWithKey};
use openmls::prelude::{Credential, CredentialType};
use openmls_traits::{
    signatures::{Signer, SignerError},
    types::SignatureScheme,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use telcon_identity::{
    Ask, DeviceKey, IdentityError, Invitation, Office, TrustStore, VerifiedDevice, read_request, sign_erasure,
};
use telcon_proto::{
    Blob, Card, DeviceId, Digest, OfficeName, SuiteName,
    http::{OfficeInfo, OrderRequest},
    line::LineTerms,
};
use telcon_sealing::Identity;
use zeroize::Zeroizing;

/// Version of [`DeviceState`] at rest.
const STATE_VERSION: u16 = 2;
/// The version before a device could trust more offices than its own.
const ONE_OFFICE_VERSION: u16 = 1;

/// Why a device could not be enrolled or opened.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// The link or a certificate does not verify.
    #[error(transparent)]
    Identity(#[from] telcon_identity::IdentityError),
    /// The text is not an enrolment link, or is truncated.
    #[error(
        "this is not a complete enrolment link: copy all of it, to its last character, or ask your office for another"
    )]
    Link,
    /// The stored state cannot be read.
    #[error(
        "this device's stored keys cannot be read ({0}): is it the right file? If it is, enrol the device again with a new link"
    )]
    State(String),
}

/// A device's state at rest. It holds the secret key: the program that stores it must encrypt it.
#[derive(Serialize, Deserialize)]
pub struct DeviceState {
    version: u16,
    suite: SuiteName,
    /// Base64 of the 32-byte seed of the device key.
    seed: Zeroizing<String>,
    device: DeviceId,
    chain: Vec<Blob>,
    /// The home office.
    office: OfficeInfo,
    /// Other offices that this device trusts, each pinned when it was added.
    #[serde(default)]
    trusted: Vec<OfficeInfo>,
    /// The newest tree of the home office's log that this device verified: size and root, base64.
    #[serde(default)]
    pub log: Option<LogHead>,
    /// Recent calls that rang here and ended: a ring replayed after a restart is recognised.
    #[serde(default, rename = "rung")]
    pub finished_rings: Vec<telcon_proto::CallId>,
    /// Those of them that the office has not reported as over: it may ring once more until it has received that they ended.
    /// A ring of any other is a replay.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreported_rings: Vec<telcon_proto::CallId>,
    /// The call that a person entered here, by ringing, answering or listening.
    #[serde(default)]
    pub engaged: Option<Engaged>,
    /// The call in which this device's microphone is off.
    #[serde(default)]
    pub muted_in: Option<telcon_proto::CallId>,
    /// Invitations that this device made and that are not answered, with the secrets of their links.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub invitations: Vec<KeptInvitation>,
    /// Versions of lines below which this device accepts none.
    #[serde(default, skip_serializing_if = "KnownLines::is_empty")]
    pub lines: KnownLines,
    /// Versions of documents below which this device accepts none.
    #[serde(default, skip_serializing_if = "KnownDocuments::is_empty")]
    pub documents: KnownDocuments,
    /// The words that givers and holders of lines may ask each other for.
    #[serde(default, skip_serializing_if = "Challenges::is_empty")]
    pub(crate) challenges: Challenges,
    /// Checkpoints that accepted proofs rest on, until the log is shown to continue them.
    #[serde(default)]
    pub claims: Vec<Claim>,
    /// What members of calls showed of the home office's log.
    #[serde(default, skip_serializing_if = "PeerLog::is_empty")]
    pub peer_log: PeerLog,
}

/// A call that a person entered on this device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Engaged {
    /// The call.
    pub call: telcon_proto::CallId,
    /// SHA-256 of the ring that opened it, once this device knows it.
    pub ring: Option<Blob>,
}

/// An invitation whose answer this device alone can verify.
#[derive(Serialize, Deserialize)]
pub struct KeptInvitation {
    /// Which.
    pub invitation: telcon_proto::InvitationId,
    /// Base64 of the secret of its link.
    secret: Zeroizing<String>,
    /// Until when it may be used, milliseconds since 1970 UTC.
    pub expires_ms: u64,
    /// The line that whoever is confirmed gets, of an invitation to take one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) line: Option<KeptLine>,
}

/// What a giver said of a line when it was made: the server's account of it is not what is signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeptLine {
    /// Who is to hold it.
    pub(crate) holder: Card,
    /// What it allows.
    pub(crate) terms: LineTerms,
    /// The delegation under which it was offered for a principal, who confirms it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) under: Option<String>,
}

impl KeptInvitation {
    /// With the secret of its link.
    pub fn new(invitation: telcon_proto::InvitationId, secret: &[u8; 32], expires_ms: u64) -> Self {
        Self { invitation, secret: Zeroizing::new(STANDARD.encode(secret)), expires_ms, line: None }
    }

    /// The same, to take a line.
    pub(crate) fn for_line(self, line: KeptLine) -> Self {
        Self { line: Some(line), ..self }
    }

    /// The secret; none if the stored text is damaged.
    pub(crate) fn secret(&self) -> Option<[u8; 32]> {
        STANDARD.decode(self.secret.as_bytes()).ok()?.try_into().ok()
    }
}

/// What a device keeps readable beside its locked keys: enough to verify that it was revoked, and nothing secret. Who can change it
/// can as well delete the keys.
#[derive(Debug, Serialize, Deserialize)]
pub struct Anchor {
    office: OfficeInfo,
    device: DeviceId,
    chain: Vec<Blob>,
}

impl Anchor {
    /// As text, to be stored readable.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).expect("invariant: plain data serialises")
    }

    /// Reads what [`Anchor::to_text`] wrote.
    ///
    /// # Errors
    /// When it is damaged.
    pub fn parse(text: &str) -> Result<Self, DeviceError> {
        serde_json::from_str(text).map_err(|e| DeviceError::State(e.to_string()))
    }

    /// What the device sends to learn whether it is revoked.
    pub fn order_request(&self) -> OrderRequest {
        OrderRequest { device: self.device, certificate: self.chain.first().cloned().unwrap_or_default() }
    }

    /// What a revocation means for this device, if it is one of its office, for this device, by who may revoke it. The device's own
    /// certificate may have expired.
    pub fn revocation(&self, statement: &str) -> Option<RevocationView> {
        self.verified(statement).map(|(shown, ..)| shown)
    }

    /// Also the office's domain, and the digest of the order.
    fn verified(&self, statement: &str) -> Option<(RevocationView, OfficeName, Digest)> {
        let office = Office::pin(&self.office, None).ok()?;
        let revocation = office.verify_revocation(statement).ok()?;
        let chain: Vec<&[u8]> = self.chain.iter().map(Blob::as_slice).collect();
        let me = office.identify(&chain).ok().filter(|me| me.device() == self.device)?;
        let shown = RevocationView::of(&revocation, &me)?;
        Some((shown, office.domain().clone(), revocation.order_sha256()))
    }
}

/// A checkpoint that an accepted proof of the server rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Entries.
    pub size: u64,
    /// The signed checkpoint.
    pub checkpoint: String,
    /// Since when its proof is waited for, milliseconds of the engine's uptime: set anew at each sign-in, so that a stored value
    /// means nothing.
    pub since_ms: u64,
}

/// A verified tree head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogHead {
    /// Entries.
    pub size: u64,
    /// The signed checkpoint.
    pub checkpoint: String,
}

impl DeviceState {
    /// Enrols: makes the device's key and certificate from an invitation. The chain is sent to the office; the state is
    /// stored once the office accepted it.
    ///
    /// `info` is the server's description of the office; it is trusted only as far as the invitation confirms it.
    ///
    /// # Errors
    /// When the invitation is damaged or expired, or belongs to another office.
    pub fn enrol(fragment: &str, info: OfficeInfo, seed: &[u8; 32], now_ms: u64) -> Result<Self, DeviceError> {
        let invitation = read_link(fragment)?;
        Office::pin(&info, Some(&invitation.authority_sha256()))?;
        let (key_seed, device) = key_and_id(seed);
        let (_, chain) = invitation.enrol(&key_seed, device, now_ms)?;
        Ok(Self::new(info, &key_seed, device, chain))
    }

    fn new(office: OfficeInfo, seed: &[u8; 32], device: DeviceId, chain: Vec<Vec<u8>>) -> Self {
        Self {
            version: STATE_VERSION,
            suite: office.suite,
            seed: Zeroizing::new(STANDARD.encode(seed)),
            device,
            chain: chain.into_iter().map(Blob).collect(),
            office,
            trusted: Vec::new(),
            log: None,
            finished_rings: Vec::new(),
            unreported_rings: Vec::new(),
            engaged: None,
            muted_in: None,
            invitations: Vec::new(),
            lines: KnownLines::default(),
            documents: KnownDocuments::default(),
            challenges: Challenges::default(),
            claims: Vec::new(),
            peer_log: PeerLog::default(),
        }
    }

    /// Trusts another office, whose authority has this digest, obtained out of band. Adding the same authority again changes
    /// nothing.
    ///
    /// # Errors
    /// When `info` is not of that authority, or this device trusts another authority under the office's name.
    pub fn trust_office(&mut self, info: OfficeInfo, authority_sha256: &[u8; 32]) -> Result<(), DeviceError> {
        let office = Office::pin(&info, Some(authority_sha256))?;
        let mut trust = self.trust()?;
        let is_new = trust.office(office.domain()).is_err();
        trust.add(office)?;
        if is_new {
            self.trusted.push(info);
        }
        Ok(())
    }

    /// The offices that the state holds. They were pinned when they were put into it.
    fn trust(&self) -> Result<TrustStore, DeviceError> {
        let mut trust = TrustStore::new(Office::pin(&self.office, None)?);
        for info in &self.trusted {
            trust.add(Office::pin(info, None)?)?;
        }
        Ok(trust)
    }

    /// The certificates to send to the office: device, enrolment.
    pub fn chain(&self) -> &[Blob] {
        &self.chain
    }

    /// What may be stored readable beside it.
    pub fn anchor(&self) -> Anchor {
        Anchor { office: self.office.clone(), device: self.device, chain: self.chain.clone() }
    }

    /// The signed report that this device erased itself by an order that [`Anchor::revocation`] verifies: for a device that cannot be
    /// opened, because its certificate has expired. None if it was not ordered to.
    pub fn erasure_report(&self, order: &str, now_ms: u64) -> Option<String> {
        let (shown, domain, order_sha256) = self.anchor().verified(order)?;
        let key = DeviceKey::from_seed(self.suite, &*self.seed().ok()?);
        shown.erase.then(|| sign_erasure(&key, domain.as_str(), self.device, order_sha256, now_ms))
    }

    fn seed(&self) -> Result<Zeroizing<[u8; 32]>, DeviceError> {
        let bytes = STANDARD.decode(self.seed.as_bytes()).map(Zeroizing::new).ok();
        let seed = bytes.and_then(|bytes| bytes.as_slice().try_into().ok()).map(Zeroizing::new);
        seed.ok_or_else(|| DeviceError::State("the key is damaged".into()))
    }

    /// As text, to be encrypted and stored.
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(serde_json::to_string(self).expect("invariant: plain data serialises"))
    }

    /// Reads what [`DeviceState::to_text`] wrote, in this version or an older one. A version 1 state, from before a device
    /// could trust more than one office, trusts its home office alone.
    ///
    /// # Errors
    /// When it is damaged or of a newer version.
    pub fn parse(text: &str) -> Result<Self, DeviceError> {
        let mut state: Self = serde_json::from_str(text).map_err(|e| DeviceError::State(e.to_string()))?;
        if state.version == ONE_OFFICE_VERSION && state.trusted.is_empty() {
            state.version = STATE_VERSION;
        }
        if state.version != STATE_VERSION {
            return Err(DeviceError::State(format!("version {}, this program reads {STATE_VERSION}", state.version)));
        }
        state.peer_log.check_version().map_err(DeviceError::State)?;
        Ok(state)
    }
}

/// Two independent values from one seed: the device's key, and its public id.
fn key_and_id(seed: &[u8; 32]) -> (Zeroizing<[u8; 32]>, DeviceId) {
    let mut okm = Zeroizing::new([0; 48]);
    hkdf::Hkdf::<sha2::Sha512>::new(Some(b"telcon device"), seed)
        .expand(b"key and id", &mut *okm)
        .expect("invariant: 48 bytes are fewer than 255 hashes");
    let key_seed: Zeroizing<[u8; 32]> = Zeroizing::new(okm[..32].try_into().expect("invariant: 32 of 48 bytes"));
    (key_seed, DeviceId::from_bytes(okm[32..].try_into().expect("invariant: 16 of 48 bytes")))
}

/// A device that asked to be enrolled and waits for a registrar. It holds the device's secret key: the program that stores it
/// must encrypt it.
#[derive(Serialize, Deserialize)]
pub struct AskingDevice {
    version: u16,
    seed: Zeroizing<String>,
    device: DeviceId,
    office: OfficeInfo,
    request: String,
    /// Whether it asked with a recovery's link: it accepts the certificates of two registrars only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    recovery: bool,
    /// Whether it asked with a line's link: it accepts the certificate of a principal only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    line: bool,
    /// Of a line's link: the words that its giver's device has, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    challenge: Option<Zeroizing<String>>,
}

/// Version of [`AskingDevice`] at rest.
const ASKING_VERSION: u16 = 1;

impl AskingDevice {
    /// Makes the device's key and its request from a registrar's link. `label` is what the device says it is.
    ///
    /// # Errors
    /// When the link is damaged or belongs to another office.
    pub fn ask(
        fragment: &str,
        info: OfficeInfo,
        label: &str,
        seed: &[u8; 32],
        now_ms: u64,
    ) -> Result<Self, DeviceError> {
        let ask = Ask::parse(fragment).map_err(|_| DeviceError::Link)?;
        let office = Office::pin(&info, Some(&ask.authority_sha256()))?;
        let (key_seed, device) = key_and_id(seed);
        let key = DeviceKey::from_seed(info.suite, &key_seed);
        let request = ask.request(&key, device, office.domain(), label, now_ms)?;
        let challenge = match ask.is_line() {
            true => Some(challenge::words(&ask, &read_request(&request, office.domain(), office.suite())?)),
            false => None,
        };
        Ok(Self {
            version: ASKING_VERSION,
            seed: Zeroizing::new(STANDARD.encode(key_seed.as_slice())),
            device,
            office: info,
            request,
            recovery: ask.is_recovery(),
            line: ask.is_line(),
            challenge,
        })
    }

    /// Whether the request was made with this link.
    pub fn is_for(&self, fragment: &str) -> bool {
        let request = Office::pin(&self.office, None)
            .and_then(|office| read_request(&self.request, office.domain(), office.suite()));
        let ask = Ask::parse(fragment);
        matches!((request, ask), (Ok(request), Ok(ask)) if request.token_sha256() == ask.token_sha256())
    }

    /// The request to send, as often as needed.
    pub fn request(&self) -> &str {
        &self.request
    }

    /// The code to compare with the registrar's screen.
    ///
    /// # Errors
    /// When the stored state is damaged.
    pub fn code(&self) -> Result<String, DeviceError> {
        let office = Office::pin(&self.office, None)?;
        Ok(read_request(&self.request, office.domain(), office.suite())?.code().to_owned())
    }

    /// Whether it takes a line: a principal answers it, and not the office's security officers.
    pub fn takes_line(&self) -> bool {
        self.line
    }

    /// The name of the office.
    pub fn office_name(&self) -> &str {
        &self.office.name
    }

    /// Takes the certificates that a registrar, or the giver of a line, issued: the device is enrolled.
    ///
    /// # Errors
    /// When they do not verify, or are not for this device and its key.
    pub fn complete(self, chain: Vec<Blob>, now_ms: u64) -> Result<DeviceState, DeviceError> {
        let damaged = || DeviceError::State("the key is damaged".into());
        let seed = STANDARD.decode(self.seed.as_bytes()).map(Zeroizing::new).map_err(|_| damaged())?;
        let seed: Zeroizing<[u8; 32]> = Zeroizing::new(seed.as_slice().try_into().map_err(|_| damaged())?);
        let chain = chain.into_iter().map(|blob| blob.0).collect();
        let asked = read_request(&self.request, Office::pin(&self.office, None)?.domain(), self.office.suite)?;
        let mut state = DeviceState::new(self.office, &seed, self.device, chain);
        let device = Device::open(&state, now_ms)?;
        if self.line != device.me().given_by().is_some() {
            // A server passed the answer to one kind of link off as the answer to another.
            return Err(telcon_identity::IdentityError::from(telcon_identity::Flaw::OtherRequest).into());
        }
        if self.recovery && device.me().registrars().len() < 2 {
            // A server and one registrar, or a server that says that this is an ordinary invitation.
            return Err(telcon_identity::IdentityError::from(telcon_identity::Flaw::OneRegistrar).into());
        }
        if let Some(words) = self.challenge {
            state.challenges.keep(asked.request().invitation, words);
        }
        Ok(state)
    }

    /// As text, to be encrypted and stored.
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(serde_json::to_string(self).expect("invariant: plain data serialises"))
    }

    /// Reads what [`AskingDevice::to_text`] wrote.
    ///
    /// # Errors
    /// When it is damaged or of another version.
    pub fn parse(text: &str) -> Result<Self, DeviceError> {
        let this: Self = serde_json::from_str(text).map_err(|e| DeviceError::State(e.to_string()))?;
        if this.version != ASKING_VERSION {
            return Err(DeviceError::State(format!("version {}, this program reads {ASKING_VERSION}", this.version)));
        }
        Ok(this)
    }
}

/// This device, ready to sign.
pub struct Device {
    key: Arc<DeviceKey>,
    encryption: Identity,
    chain: Vec<Vec<u8>>,
    trust: TrustStore,
    me: VerifiedDevice,
}

impl Device {
    /// Opens a device from its state at rest, and verifies its own certificates.
    ///
    /// # Errors
    /// When the state is damaged, or the certificates do not verify at `now_ms`.
    pub fn open(state: &DeviceState, now_ms: u64) -> Result<Self, DeviceError> {
        let trust = state.trust()?;
        let seed = state.seed()?;
        let (key, encryption) = (DeviceKey::from_seed(state.suite, &seed), encryption_key(&seed));
        let chain: Vec<_> = state.chain.iter().map(|blob| blob.0.clone()).collect();
        let me = trust.home().verify_chain(&chain, now_ms)?;
        if me.public_key() != key.public_bytes() || me.device() != state.device {
            return Err(DeviceError::State("the key does not match the certificate".into()));
        }
        Ok(Self { key: Arc::new(key), encryption, chain, trust, me })
    }

    /// This device's verified certificate.
    pub fn me(&self) -> &VerifiedDevice {
        &self.me
    }

    /// Its home office: the one whose server it talks to.
    pub fn office(&self) -> &Office {
        self.trust.home()
    }

    /// The offices it trusts, with which statements of others are verified.
    pub fn trust(&self) -> &TrustStore {
        &self.trust
    }

    /// Its key, to sign rings and sign-ins.
    pub fn key(&self) -> &DeviceKey {
        &self.key
    }

    /// Its encryption key: what documents are sealed to.
    pub(crate) fn encryption(&self) -> &Identity {
        &self.encryption
    }

    /// The key, for a thread that signs later.
    pub fn shared_key(&self) -> Arc<DeviceKey> {
        self.key.clone()
    }

    /// Its certificates: device, enrolment.
    pub fn chain(&self) -> &[Vec<u8>] {
        &self.chain
    }

    pub(crate) fn signer(&self) -> MlsSigner {
        MlsSigner(self.key.clone())
    }

    pub(crate) fn credential(&self) -> CredentialWithKey {
        let content = telcon_identity::x509_credential(&self.chain);
        CredentialWithKey {
            credential: Credential::new(CredentialType::X509, content),
            signature_key: self.key.public_bytes().into(),
        }
    }
}

/// The encryption key of a device, from the seed of its signing key: it is protected at rest and erased as that is, and devices that were
/// enrolled before there were documents have one. A stolen seed opens what was sealed to the device, as a second stored key would.
fn encryption_key(seed: &[u8; 32]) -> Identity {
    let mut okm = Zeroizing::new([0; telcon_sealing::SEED_BYTES]);
    hkdf::Hkdf::<sha2::Sha512>::new(Some(b"telcon device"), seed)
        .expand(b"encryption key 1", &mut *okm)
        .expect("invariant: 32 bytes are fewer than 255 hashes");
    Identity::from_seed(&okm)
}

/// The MLS cipher suite of an office's choice.
pub fn ciphersuite(suite: SuiteName) -> Ciphersuite {
    match suite {
        SuiteName::Hybrid => Ciphersuite::MLS_128_MLKEM768X25519_AES256GCM_SHA384_Ed25519,
        SuiteName::Cnsa2 => Ciphersuite::MLS_256_MLKEM1024_AES256GCM_SHA384_MLDSA87,
    }
}

/// Lets MLS sign with the device key.
#[derive(Clone)]
pub(crate) struct MlsSigner(Arc<DeviceKey>);

impl Signer for MlsSigner {
    fn sign(&self, payload: &[u8]) -> Result<Vec<u8>, SignerError> {
        Ok(self.0.sign(payload))
    }

    fn signature_scheme(&self) -> SignatureScheme {
        match self.0.suite() {
            SuiteName::Hybrid => SignatureScheme::ED25519,
            SuiteName::Cnsa2 => SignatureScheme::MLDSA87,
        }
    }
}

/// A truncated link is unusable, but not an attack.
fn read_link(fragment: &str) -> Result<Invitation, DeviceError> {
    Invitation::parse(fragment).map_err(|error| match error {
        IdentityError::Incompatible(_) => error.into(),
        _ => DeviceError::Link,
    })
}

/// Whether a fragment is a registrar's link ([`AskingDevice::ask`]) and not one of the authority ([`DeviceState::enrol`]).
pub fn is_ask(fragment: &str) -> bool {
    Ask::is_ask(fragment)
}

/// The person whom an invitation is for, after verifying that it is of the office described by `info`.
///
/// # Errors
/// When the link is damaged, or belongs to another office.
pub fn invited(fragment: &str, info: &OfficeInfo) -> Result<telcon_proto::Card, DeviceError> {
    let invitation = read_link(fragment)?;
    let office = Office::pin(info, Some(&invitation.authority_sha256()))?;
    office.verify_invitation(&invitation)?;
    Ok(invitation.card().clone())
}
