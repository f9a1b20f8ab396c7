//! What attackers make: other offices, devices that are in no log, and logs that the office's server forks.

use super::{Node, Scenario, ring_of};
use crate::office::{DOMAIN, card};
use sha2::{Digest as _, Sha256};
use telcon_core::{Device, DeviceState};
use telcon_identity::{Authority, InviteSpec};
use telcon_log::{Log, LogSigner, MemoryStorage};
use telcon_proto::{
    Blob, Card, Digest, OfficeName, RecordMode, Role, SuiteName, entry::Entry, http::OfficeInfo, message::Logged,
};

const HOUR_MS: u64 = 3_600_000;

impl Scenario {
    /// A device with certificates of this office that are not in its log.
    pub fn certify(&mut self, person: usize, role: Role) -> (DeviceState, Card) {
        let card = card(person, role);
        let now = self.world.now;
        (self.world.office.certify(card.clone(), &mut self.world.keys, now), card)
    }

    /// A device that the office enrols, and that never connects.
    pub fn enrol_only(&mut self, person: usize, role: Role) -> (DeviceState, Card, Logged) {
        let (node, _) = self.prepare_puppet(person, role);
        self.settle();
        (self.state_of(node), self.card(node), self.proof(node))
    }

    /// A device's keys and certificates, in the hands of an attacker.
    pub fn stolen(&self, node: Node) -> Device {
        Device::open(&self.state_of(node), self.now()).expect("an enrolled device")
    }

    /// A copy of the office's log under the same key, with which its server can fork it.
    pub fn fork_log(&self) -> Log<MemoryStorage> {
        Log::open(self.world.server.disk.copy(), self.world.office.signer()).expect("a copy of the log")
    }

    /// An empty log under the office's key.
    pub fn new_log(&self) -> Log<MemoryStorage> {
        Log::create(MemoryStorage::new(), self.world.office.signer(), self.now()).expect("a log")
    }

    /// An entry that the office's server puts into its log, with proof.
    pub fn forge_entry(&self, entry: &serde_json::Value) -> Logged {
        append(&mut self.fork_log(), DOMAIN.parse().expect("a domain"), entry, self.now())
    }

    /// The office's public description.
    pub fn info(&self) -> OfficeInfo {
        self.world.office.info.clone()
    }

    /// SHA-256 of the authority's certificate.
    pub fn authority_sha256(&self) -> [u8; 32] {
        self.world.office.authority.certificate_sha256()
    }
}

/// Another office: its authority and its log, in an attacker's hands.
pub struct OtherOffice {
    /// Its authority.
    pub authority: Authority,
    /// Its public description.
    pub info: OfficeInfo,
    /// Its log.
    pub log: Log<MemoryStorage>,
    seed: u8,
    made: u8,
    now_ms: u64,
}

impl OtherOffice {
    /// An office of this name with keys of its own.
    pub fn new(suite: SuiteName, seed: u8, domain: &str, now_ms: u64) -> Self {
        let before = now_ms - HOUR_MS;
        let authority = Authority::create(suite, &[seed; 32], domain, "Chancellery", before).expect("an authority");
        let signer = LogSigner::from_seed(&[seed ^ 0xff; 32], &format!("{domain}/log")).expect("a log key");
        let info =
            authority.office(&signer.verifier_key().to_string(), RecordMode::LogOnly, before).expect("a charter");
        let log = Log::create(MemoryStorage::new(), signer, before).expect("a log");
        Self { authority, info, log, seed, made: 0, now_ms }
    }

    /// Enrols a device and puts it into this office's log.
    pub fn enrol(&mut self, person: usize, role: Role) -> (DeviceState, Card, Logged) {
        let card = Card { office: self.domain(), ..card(person, role) };
        self.made += 1;
        let seed = |salt: u8| Sha256::digest([self.seed, self.made, salt]).into();
        let id: [u8; 32] = seed(1);
        let spec = InviteSpec {
            card: card.clone(),
            enrolment_id: id[..16].try_into().expect("16 of 32 bytes"),
            enrolment_seed: seed(2),
            now_ms: self.now_ms,
            ttl_ms: HOUR_MS,
        };
        let fragment = self.authority.invite(&spec).expect("an invitation").to_fragment();
        let state = DeviceState::enrol(&fragment, self.info.clone(), &seed(3), self.now_ms).expect("an enrolment");
        let device = Device::open(&state, self.now_ms).expect("its own device");
        let me = device.me();
        let entry = Entry::DeviceEnrolled {
            time_ms: self.now_ms,
            device: me.device(),
            cert_sha256: Digest::from_bytes(me.cert_sha256()),
            enrolment: me.enrolment_hex(),
            person_sha256: Some(me.person_sha256()),
            second_cert_sha256: None,
        };
        let proof = self.append(&value(&entry));
        (state, card, proof)
    }

    /// Appends an entry to its log, with proof.
    pub fn append(&mut self, entry: &serde_json::Value) -> Logged {
        let (domain, now_ms) = (self.domain(), self.now_ms);
        append(&mut self.log, domain, entry, now_ms)
    }

    /// Its name.
    pub fn domain(&self) -> OfficeName {
        self.authority.domain().clone()
    }
}

fn append(log: &mut Log<MemoryStorage>, office: OfficeName, entry: &serde_json::Value, now_ms: u64) -> Logged {
    let bytes = entry.to_string().into_bytes();
    log.append(std::slice::from_ref(&bytes), now_ms).expect("an append in memory");
    let checkpoint = log.checkpoint();
    let index = checkpoint.size() - 1;
    let proof = log.inclusion_proof(index, checkpoint.size()).expect("a proof");
    Logged {
        entry: Blob(bytes),
        index,
        proof: proof.iter().map(|hash| Blob(hash.0.to_vec())).collect(),
        checkpoint: checkpoint.note().to_owned(),
        office: Some(office),
    }
}

/// The log entry that an honest switchboard would write for a ring.
///
/// # Panics
/// When it is no ring.
pub fn opening(jws: &str, now_ms: u64) -> serde_json::Value {
    let ring = ring_of(jws).expect("a ring");
    value(&Entry::CallOpened {
        time_ms: now_ms,
        call: ring.call.id,
        ring_sha256: digest(jws),
        mode: ring.mode,
        suite: ring.suite,
        devices: vec![ring.from.id],
        delegation: None,
        line: None,
    })
}

/// An entry as JSON, for a test to alter.
fn value(entry: &Entry) -> serde_json::Value {
    serde_json::to_value(entry).expect("an entry is JSON")
}

/// SHA-256 of a text.
pub fn digest(text: &str) -> Digest {
    Digest::from_bytes(Sha256::digest(text).into())
}
