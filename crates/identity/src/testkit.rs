//! An office in memory for tests: authority, log, people, devices. Every seed is fixed.

use crate::{
    authority::{Authority, CharterTerms, InviteSpec},
    key::DeviceKey,
    office::Office,
    ring::sign_ring,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use telcon_log::{Log, LogSigner, MemoryStorage};
use telcon_proto::{
    Blob, CallId, Card, DeviceId, OfficeName, PersonId, RecordMode, Role, SuiteName, WIRE_VERSION,
    http::OfficeInfo,
    message::{Logged, Ring},
};

pub(crate) const SUITES: [SuiteName; 2] = [SuiteName::Hybrid, SuiteName::Cnsa2];
/// 1 June 2026, 123 ms past a full second.
pub(crate) const NOW: u64 = 1_780_272_000_123;
pub(crate) const HOUR: u64 = 3_600_000;
pub(crate) const DAY: u64 = 24 * HOUR;
pub(crate) const CALL: CallId = CallId::from_bytes([0xca; 16]);
pub(crate) const DOMAIN: &str = "office.example";

/// [`DOMAIN`] as a name.
pub(crate) fn domain() -> OfficeName {
    OfficeName::parse(DOMAIN).unwrap()
}

/// Another office's name.
pub(crate) fn elsewhere() -> OfficeName {
    OfficeName::parse("other.example").unwrap()
}

pub(crate) fn card(role: Role) -> Card {
    Card {
        person: PersonId::from_bytes([role as u8 + 1; 16]),
        office: domain(),
        name: "The President of Norland".into(),
        organisation: "Chancellery of Norland".into(),
        role,
        zone: "Europe/Oslo".into(),
        place: false,
    }
}

/// A device with its key and chain.
pub(crate) struct Device {
    pub(crate) key: DeviceKey,
    pub(crate) chain: Vec<Vec<u8>>,
    pub(crate) id: DeviceId,
}

/// An office with its log.
pub(crate) struct World {
    pub(crate) authority: Authority,
    pub(crate) info: OfficeInfo,
    pub(crate) office: Office,
    log: Log<MemoryStorage>,
}

impl World {
    pub(crate) fn new(suite: SuiteName) -> Self {
        Self::of(suite, 1, DOMAIN)
    }

    /// An office whose keys differ with `seed`.
    pub(crate) fn of(suite: SuiteName, seed: u8, domain: &str) -> Self {
        Self::chartered(suite, seed, domain, RecordMode::Memo)
    }

    /// The same with these terms in its charter.
    pub(crate) fn chartered(suite: SuiteName, seed: u8, domain: &str, terms: impl Into<CharterTerms>) -> Self {
        let authority = Authority::create(suite, &[seed; 32], domain, "Chancellery", NOW - DAY).unwrap();
        let signer = LogSigner::from_seed(&[seed + 100; 32], &format!("{domain}/log")).unwrap();
        let info = authority.office(&signer.verifier_key().to_string(), terms, NOW - DAY).unwrap();
        let office = Office::pin(&info, Some(&authority.certificate_sha256())).unwrap();
        let mut log = Log::create(MemoryStorage::new(), signer, NOW - DAY).unwrap();
        log.append(&[b"{\"type\":\"started\",\"time_ms\":1}".to_vec()], NOW - DAY).unwrap();
        Self { authority, info, office, log }
    }

    /// An invitation to this office, whatever office the card names.
    pub(crate) fn spec(&self, card: Card) -> InviteSpec {
        let n = card.role as u8;
        let card = Card { office: self.office.domain().clone(), ..card };
        InviteSpec { card, enrolment_id: [0xe0 + n; 16], enrolment_seed: [0x50 + n; 32], now_ms: NOW, ttl_ms: HOUR }
    }

    pub(crate) fn enrol(&self, role: Role) -> Device {
        let id = DeviceId::from_bytes([0xd0 + role as u8; 16]);
        let invitation = self.authority.invite(&self.spec(card(role))).unwrap();
        let (key, chain) = invitation.enrol(&[0x70 + role as u8; 32], id, NOW).unwrap();
        Device { key, chain, id }
    }

    /// The log's newest checkpoint.
    pub(crate) fn checkpoint(&self) -> String {
        self.log.checkpoint().note().to_owned()
    }

    /// Proof that the log's tree of `newer` entries continues the one of `older`.
    pub(crate) fn consistency(&self, older: u64, newer: u64) -> Vec<Blob> {
        let proof = self.log.consistency_proof(older, newer).unwrap();
        proof.iter().map(|hash| Blob(hash.0.to_vec())).collect()
    }

    /// Appends an entry to the log and proves it.
    pub(crate) fn log(&mut self, entry: &Value) -> Logged {
        let bytes = entry.to_string().into_bytes();
        self.log.append(std::slice::from_ref(&bytes), NOW).unwrap();
        let checkpoint = self.log.checkpoint();
        let (size, note) = (checkpoint.size(), checkpoint.note().to_owned());
        let proof = self.log.inclusion_proof(size - 1, size).unwrap();
        Logged {
            entry: Blob(bytes),
            index: size - 1,
            proof: proof.iter().map(|hash| Blob(hash.0.to_vec())).collect(),
            checkpoint: note,
            office: Some(self.office.domain().clone()),
        }
    }
}

pub(crate) fn ring(world: &World, from: &Device) -> Ring {
    Ring {
        version: WIRE_VERSION,
        call: CALL.at(world.office.domain()),
        from: from.id.at(world.office.domain()),
        to: PersonId::from_bytes([9; 16]).at(world.office.domain()),
        mode: RecordMode::Memo,
        suite: world.office.suite(),
        at_ms: NOW,
        on_behalf: None,
        over: None,
    }
}

/// The ring in version 3, which had one office for all identifiers.
pub(crate) fn ring_v3(ring: &Ring) -> Value {
    json!({
        "version": 3,
        "call": ring.call.id.to_hex(),
        "office": ring.call.office,
        "from": ring.from.id.to_hex(),
        "to": ring.to.id.to_hex(),
        "mode": ring.mode,
        "suite": ring.suite,
        "at_ms": ring.at_ms,
    })
}

/// The caller's ring, signed.
pub(crate) fn signed_ring(world: &World, from: &Device) -> String {
    sign_ring(&from.key, &from.chain, &ring(world, from))
}

pub(crate) fn enrolled_entry(world: &World, device: &Device) -> Value {
    let verified = world.office.verify_chain(&device.chain, NOW).unwrap();
    let mut entry = json!({
        "type": "device_enrolled",
        "device": device.id.to_hex(),
        "cert_sha256": telcon_proto::hex(&verified.cert_sha256()),
        "enrolment": verified.enrolment_hex(),
        "person_sha256": verified.person_sha256().to_string(),
        "time_ms": NOW,
    });
    if let Some(second) = verified.second_cert_sha256() {
        entry["second_cert_sha256"] = telcon_proto::hex(&second).into();
    }
    entry
}

pub(crate) fn opened_entry(world: &World, jws: &str, ring: &Ring) -> Value {
    json!({
        "type": "call_opened",
        "call": ring.call.id.to_hex(),
        "ring_sha256": telcon_proto::hex(&Sha256::digest(jws)),
        "mode": "memo",
        "suite": serde_json::to_value(world.office.suite()).unwrap(),
        "devices": [ring.from.id.to_hex()],
        "time_ms": NOW + 50,
    })
}
