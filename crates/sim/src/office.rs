//! The office that is simulated: its authority, its people's cards, enrolments and revocations. Everything that makes or reads
//! an identity, a card or a ring is in this file.

use crate::rng::Rng;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use telcon_core::DeviceState;
use telcon_identity::{Authority, CharterTerms, InviteSpec, Office as Pinned, read_request};
use telcon_log::{LogSigner, VerifierKey};
use telcon_proto::{
    Blob, Card, DeviceId, Digest, OfficeName, PersonId, Role, SuiteName,
    http::OfficeInfo,
    line::{Line, LineState},
    message::Ring,
};
use telcon_server::{
    sign_in::{self, LineHistory},
    store::InvitationRow,
    switchboard::{Approved, NewDevice, NewLine},
};

pub(crate) const DOMAIN: &str = "office.example";
const HOUR_MS: u64 = 3_600_000;

/// An office.
pub struct Office {
    pub(crate) authority: Authority,
    log_seed: [u8; 32],
    /// As the server publishes it.
    pub info: OfficeInfo,
    /// As devices and the server pin it.
    pub pinned: Pinned,
}

impl Office {
    /// A new office.
    pub fn new(rng: &mut Rng, suite: SuiteName, terms: impl Into<CharterTerms>, now_ms: u64) -> Self {
        let before = now_ms - HOUR_MS;
        let authority =
            Authority::create(suite, &rng.bytes(), DOMAIN, "Chancellery", before).expect("an authority of this name");
        let log_seed = rng.bytes();
        let key = signer(&log_seed).verifier_key().to_string();
        let info = authority.office(&key, terms, before).expect("a charter");
        let pinned = Pinned::pin(&info, None).expect("its own office");
        Self { authority, log_seed, info, pinned }
    }

    /// The key that signs the log.
    pub fn signer(&self) -> LogSigner {
        signer(&self.log_seed)
    }

    /// The key that the log is verified by.
    pub fn log_key(&self) -> VerifierKey {
        self.pinned.log_key().clone()
    }

    /// Its domain.
    pub fn domain(&self) -> OfficeName {
        domain()
    }

    /// Keys and certificates of a new device of a person.
    pub fn certify(&self, card: Card, rng: &mut Rng, now_ms: u64) -> DeviceState {
        let spec = InviteSpec { card, enrolment_id: rng.bytes(), enrolment_seed: rng.bytes(), now_ms, ttl_ms: HOUR_MS };
        let fragment = self.authority.invite(&spec).expect("an invitation").to_fragment();
        DeviceState::enrol(&fragment, self.info.clone(), &rng.bytes(), now_ms).expect("an enrolment")
    }

    /// What the server checks of a request to enrol a device, and what it makes of it.
    pub fn new_device(&self, chain: Vec<Blob>, now_ms: u64) -> NewDevice {
        let ders: Vec<&[u8]> = chain.iter().map(Blob::as_slice).collect();
        let verified = self.pinned.verify_chain(&ders, now_ms).expect("a chain of this office");
        NewDevice {
            device: verified.device(),
            card: verified.card().clone(),
            cert_sha256: Digest::from_bytes(verified.cert_sha256()),
            second_cert_sha256: verified.second_cert_sha256().map(Digest::from_bytes),
            registrars: verified.registrars().to_vec(),
            enrolment: verified.enrolment_hex(),
            enrolment_is_used: false,
            chain,
        }
    }

    /// What the server checks of the answer to a device that asked to take a line: of the switchboard's driver.
    ///
    /// # Errors
    /// Why it refuses, for its sender.
    pub fn new_holder(
        &self,
        row: Option<&InvitationRow>,
        chain: Vec<Blob>,
        line: Option<String>,
        now_ms: u64,
    ) -> Result<Approved, String> {
        let row = row.ok_or("this invitation is closed already")?;
        let asked = row.request.as_deref().ok_or("no device has asked yet")?;
        let asked =
            read_request(asked, self.pinned.domain(), self.pinned.suite()).map_err(|error| error.to_string())?;
        let ders: Vec<&[u8]> = chain.iter().map(Blob::as_slice).collect();
        let verified = self.pinned.verify_holder(&ders, &asked, &row.card, row.made_by, now_ms);
        verified.map_err(|error| error.to_string())?;
        let line = sign_in::verify_first_line(&self.pinned, line.ok_or("the line is missing")?)?;
        Ok(Approved::Holder(self.new_device(chain, now_ms), Box::new(line)))
    }

    /// What the server checks of a version of a line, `stops` being whether it came with the message for those that are not in use.
    ///
    /// # Errors
    /// Why it refuses, for its sender.
    pub fn new_line(&self, statement: String, stops: bool, history: &impl LineHistory) -> Result<NewLine, String> {
        let new = sign_in::verify_line(&self.pinned, statement, history)?;
        match stops == (new.content.state == LineState::Live) {
            true => Err("it came with the wrong message".to_owned()),
            false => Ok(new),
        }
    }

    /// The authority's word that a device is revoked.
    pub fn revoke(&self, device: DeviceId, now_ms: u64) -> String {
        self.authority.revoke_and_erase(device, now_ms).expect("a revocation")
    }
}

/// The name of the one office.
pub fn domain() -> OfficeName {
    DOMAIN.parse().expect("a domain")
}

fn signer(seed: &[u8; 32]) -> LogSigner {
    LogSigner::from_seed(seed, &format!("{DOMAIN}/log")).expect("a log key of this name")
}

/// Person number `n`.
pub fn card(n: usize, role: Role) -> Card {
    Card {
        person: person(n),
        office: domain(),
        name: format!("Person {n}"),
        organisation: "Chancellery".into(),
        role,
        zone: "Europe/Oslo".into(),
        place: false,
    }
}

/// The id of person number `n`.
pub fn person(n: usize) -> PersonId {
    PersonId::from_bytes([n as u8 + 1; 16])
}

/// What a ring says, unverified: for the simulation's own bookkeeping.
pub fn ring_of(jws: &str) -> Option<Ring> {
    payload_of(jws)
}

/// What a version of a line says, unverified.
pub fn line_of(statement: &str) -> Option<Line> {
    payload_of(statement)
}

fn payload_of<T: serde::de::DeserializeOwned>(jws: &str) -> Option<T> {
    let payload = URL_SAFE_NO_PAD.decode(jws.split('.').nth(1)?).ok()?;
    serde_json::from_slice(&payload).ok()
}
