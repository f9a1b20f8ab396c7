//! What `telcon log` remembers of an office between runs.

use super::source::Source;
use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs::{File, TryLockError},
    path::{Path, PathBuf},
};
use telcon_files::{beside, open_lock, remove_left_over};
use telcon_log::{Checkpoint, SignedCheckpoint, VerifierKey};
use telcon_proto::PersonId;

/// Version of the file.
const VERSION: u16 = 1;
/// Largest file, bytes: a charter and a checkpoint have some 10 kB, and each person that is watched adds 50.
const MAX_STATE_BYTES: u64 = 1 << 20;

/// The newest verified state of an office's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    version: u16,
    /// The office, by domain.
    pub office: String,
    /// SHA-256 of the authority's certificate, hexadecimal.
    pub authority_sha256: String,
    /// The charter with which the authority certified the log's key, a compact JWS.
    pub charter: String,
    /// C2SP verifier key of the log.
    pub log_key: String,
    /// The newest checkpoint up to which the log was verified, a signed note.
    pub checkpoint: String,
    /// Since when every checkpoint has been shown to continue the one before, milliseconds since 1970 UTC.
    pub since_ms: u64,
    /// When the checkpoint was verified, milliseconds since 1970 UTC.
    pub verified_ms: u64,
    /// For each person that is watched, by identifier: the index of the first entry that was not reported.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub reported: BTreeMap<String, u64>,
}

impl State {
    fn parse(text: &str) -> anyhow::Result<Self> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u16,
        }
        let Versioned { version } = serde_json::from_str(text)?;
        if version != VERSION {
            bail!("it has version {version}, and this program reads version {VERSION}: use a newer telcon");
        }
        Ok(serde_json::from_str(text)?)
    }

    /// The checkpoint, whose signature is verified again.
    pub fn verified(&self) -> anyhow::Result<Checkpoint> {
        let key = VerifierKey::parse(&self.log_key).context("its log key is damaged")?;
        key.verify_checkpoint(&self.checkpoint).context("its checkpoint is damaged")
    }

    /// The state after `checkpoint` of the office's log was verified to continue `before`.
    pub fn after(source: &Source, before: Option<&Self>, checkpoint: &SignedCheckpoint, now_ms: u64) -> Self {
        Self {
            version: VERSION,
            office: source.office.domain().to_string(),
            authority_sha256: telcon_proto::hex(&source.office.authority_sha256()),
            charter: source.info.charter.clone(),
            log_key: source.office.log_key().to_string(),
            checkpoint: checkpoint.note().to_owned(),
            since_ms: before.map_or(now_ms, |before| before.since_ms),
            verified_ms: now_ms,
            reported: before.map(|before| before.reported.clone()).unwrap_or_default(),
        }
    }

    /// The first entry that was not reported to whoever watches this person.
    pub fn first_unreported(&self, person: PersonId) -> u64 {
        self.reported.get(&person.to_hex()).copied().unwrap_or(0)
    }
}

/// The state's file, locked for this process: two would lose each other's state.
pub struct StateFile {
    path: PathBuf,
    _lock: File,
}

impl StateFile {
    /// Locks the file, which need not exist, and reads it.
    ///
    /// # Errors
    /// When another process uses it, it cannot be read, or it is of another authority.
    pub fn open(path: &Path, authority: &[u8; 32]) -> anyhow::Result<(Self, Option<State>)> {
        let lock_path = beside(path, ".lock");
        let lock = open_lock(&lock_path).with_context(|| format!("cannot open {}", lock_path.display()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                bail!("{} is in use by another telcon process: give each its own file", path.display())
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {}", lock_path.display()));
            }
        }
        remove_left_over(path).with_context(|| format!("cannot remove what is left beside {}", path.display()))?;
        let file = Self { path: path.to_owned(), _lock: lock };
        let text = match telcon_files::read_text_named(path, MAX_STATE_BYTES) {
            Ok(text) => text,
            Err(error) if error.is_not_found() => return Ok((file, None)),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        let damaged = || {
            format!(
                "{} is not a state of telcon log: restore it from a backup. Without it a rewritten log cannot be detected",
                path.display()
            )
        };
        let state = State::parse(&text).with_context(damaged)?;
        state.verified().with_context(damaged)?;
        if state.authority_sha256 != telcon_proto::hex(authority) {
            bail!(
                "{} is of the office {} with the authority {}: give each office its own file",
                path.display(),
                crate::output::Printable(&state.office),
                crate::output::Printable(&state.authority_sha256)
            );
        }
        Ok((file, Some(state)))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Replaces it atomically.
    ///
    /// # Errors
    /// When it cannot be written. The old state stays.
    pub fn write(&self, state: &State) -> anyhow::Result<()> {
        crate::store::write_secret(&self.path, &serde_json::to_vec_pretty(state)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_of_version_1_is_read() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/log-state-1.json");
        let state = State::parse(&std::fs::read_to_string(path).unwrap()).unwrap();
        assert_eq!((state.office.as_str(), state.verified().unwrap().size), ("office.example", 1));
        let person = "6e993e49a8a60ccfbd8649b76487901d".parse().unwrap();
        assert_eq!(state.first_unreported(person), 1);
        assert_eq!(state.first_unreported(PersonId::from_bytes([0; 16])), 0);
    }
}
