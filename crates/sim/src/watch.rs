//! What was seen of a run so far, for the invariants.

use crate::office::ring_of;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use telcon_log::VerifierKey;
use telcon_proto::{CallId, ClientMessage, DeviceId, PersonId};

/// What people say in the simulation. It must not reach the server.
pub const SPOKEN: &str = "spoken in confidence";
/// Bytes of a secret that are compared at once.
const WINDOW: usize = 8;

/// A call, by its ring.
#[derive(Clone, Debug)]
pub struct CallFacts {
    /// The device that rang.
    pub device: DeviceId,
    /// The person rung.
    pub to: PersonId,
}

/// What was seen so far.
pub struct Watch {
    failure: Option<String>,
    /// Verifies the log.
    pub log_key: VerifierKey,
    secrets: BTreeSet<Vec<u8>>,
    /// What the server was sent.
    pub wire: Vec<u8>,
    /// Calls that were ever rung.
    pub calls: BTreeMap<CallId, CallFacts>,
    /// Devices that sent something about a call.
    pub mentioned: BTreeSet<(usize, CallId)>,
    /// Devices that asked to join one.
    pub asked: BTreeSet<(usize, CallId)>,
    /// Devices that a commit was to add to one, or that rang it.
    pub added: BTreeSet<(DeviceId, CallId)>,
    /// Calls whose opening is in the log on disk.
    pub opened: BTreeSet<CallId>,
    /// How far the log was read for that.
    pub log_read: u64,
    /// Every checkpoint that a device was sent.
    pub checkpoints: BTreeSet<String>,
    /// How devices were told that calls ended.
    pub told: BTreeMap<CallId, BTreeSet<&'static str>>,
    /// Devices whose revocation was carried out.
    pub revoked: BTreeSet<usize>,
    /// Notices of calls that are over, as staff's screens had them.
    pub over: BTreeMap<(usize, u64), BTreeSet<CallId>>,
}

impl Watch {
    /// Nothing was seen yet.
    pub fn new(log_key: VerifierKey) -> Self {
        Self {
            failure: None,
            log_key,
            secrets: BTreeSet::from([SPOKEN.as_bytes().to_vec()]),
            wire: Vec::new(),
            calls: BTreeMap::new(),
            mentioned: BTreeSet::new(),
            asked: BTreeSet::new(),
            added: BTreeSet::new(),
            opened: BTreeSet::new(),
            log_read: 0,
            checkpoints: BTreeSet::new(),
            told: BTreeMap::new(),
            revoked: BTreeSet::new(),
            over: BTreeMap::new(),
        }
    }

    /// An invariant does not hold. The first one counts.
    pub fn fail(&mut self, what: String) {
        self.failure.get_or_insert(what);
    }

    /// Whether one does not hold.
    pub fn failed(&self) -> bool {
        self.failure.is_some()
    }

    /// Which one does not hold.
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// The key of a device, by its stored state.
    pub fn keep_secret_of(&mut self, state: &str) {
        let state: serde_json::Value = serde_json::from_str(state).unwrap_or_default();
        if let Some(seed) = state["seed"].as_str() {
            self.keep_secret_text(seed);
        }
    }

    fn keep_secret_text(&mut self, base64: &str) {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        self.secrets.insert(base64.as_bytes().to_vec());
        self.secrets.extend(STANDARD.decode(base64));
    }

    /// A device entered an epoch, whose media key is this.
    pub fn entered_epoch(&mut self, _device: usize, key: Option<Vec<u8>>) {
        self.secrets.extend(key);
    }

    /// The office has carried out that a device is revoked.
    pub fn revoked(&mut self, device: usize) {
        self.revoked.insert(device);
    }

    /// A device sends a message: from now on the server has it.
    pub fn sent_up(&mut self, device: usize, message: &ClientMessage, text: &str) {
        use ClientMessage as M;
        let call = match message {
            M::Ring { jws } => {
                let Some(ring) = ring_of(jws) else { return self.fail("a ring that cannot be read".to_owned()) };
                let (call, device) = (ring.call.id, ring.from.id);
                self.calls.insert(call, CallFacts { device, to: ring.to.id });
                self.added.insert((device, call));
                Some(call)
            }
            // A report names a call as evidence; it does not make the device one that the call concerns.
            M::ReportAlert { .. } => None,
            message => message.call(),
        };
        if let Some(call) = call {
            self.mentioned.insert((device, call));
        }
        match message {
            M::Answer { call, key_package } | M::AskJoin { call, key_package } => {
                self.asked.insert((device, *call));
                self.wire.extend(&key_package.0);
            }
            M::Commit { call, commit, welcome, adds, .. } => {
                self.added.extend(adds.iter().map(|device| (*device, *call)));
                self.wire.extend(&commit.0);
                self.wire.extend(welcome.iter().flat_map(|welcome| &welcome.0));
            }
            M::Application { message, .. } => self.wire.extend(&message.0),
            _ => self.wire.extend(text.as_bytes()),
        }
    }

    /// Whether a secret is in what the server was sent.
    pub fn leak(&self) -> Option<String> {
        let mut starts: HashMap<u64, Vec<&[u8]>> = HashMap::new();
        let mut first = vec![false; 1 << 16];
        for secret in self.secrets.iter().filter(|secret| secret.len() >= WINDOW) {
            let start = u64::from_le_bytes(secret[..WINDOW].try_into().expect("eight bytes"));
            starts.entry(start).or_default().push(secret);
            first[usize::from(start as u16)] = true;
        }
        for (at, window) in self.wire.windows(WINDOW).enumerate() {
            if !first[usize::from(u16::from_le_bytes([window[0], window[1]]))] {
                continue;
            }
            let start = u64::from_le_bytes(window.try_into().expect("eight bytes"));
            for secret in starts.get(&start).into_iter().flatten() {
                if self.wire[at..].starts_with(secret) {
                    return Some(format!("{} bytes of a secret at {at} of what the server was sent", secret.len()));
                }
            }
        }
        None
    }
}
