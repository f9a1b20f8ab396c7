//! The office's rules for devices in the log: each change of them has an entry with their digest.

use crate::{
    archive::{LogWriter, now_ms},
    digest::sha256,
    limits::MAX_CONFIGURATION_BYTES,
    reconcile::ReconcileError,
    start_error::StartError,
    store::{Store, Write},
};
use std::{io, path::Path};
use telcon_files::{read_named, replace_private};
use telcon_proto::{device_policy::DevicePolicy, entry::Entry};

/// The rules for devices that the log has last, in the server's directory.
const DEVICE_POLICY_FILE: &str = "device-policy.json";

/// At start, logs the digest of the device policy if it changed. A new office's is logged at its second start: an empty database beside a
/// log that has entries is refused.
pub(crate) fn log_device_policy(
    dir: &Path,
    policy: &DevicePolicy,
    log: &mut LogWriter,
    store: &mut dyn Store,
) -> Result<(), StartError> {
    let path = dir.join(DEVICE_POLICY_FILE);
    let before = match read_named(&path, MAX_CONFIGURATION_BYTES) {
        Ok(bytes) => bytes,
        Err(error) if error.is_not_found() => policy_json(&DevicePolicy::default()),
        Err(error) => return Err(StartError::File { path, source: error.into() }),
    };
    let now = policy_json(policy);
    if now == before || log.size() == 0 {
        return Ok(());
    }
    // Commit: the entry. If the server stops before the file is replaced, the next start logs the same digest again, which readers accept.
    let entry = Entry::DevicePolicyChanged { time_ms: now_ms(), policy_sha256: sha256(&now) };
    let [Some(index)] = log.append(&[entry.to_bytes()], now_ms())[..] else {
        let text = "the changed device policy could not be logged: check disk space and permissions";
        return Err(StartError::File { path: dir.join("archive/log"), source: io::Error::other(text) });
    };
    store.apply(&[Write::LogSeen(index + 1)]).map_err(ReconcileError::Store)?;
    replace_private(&path, &now).map_err(|source| StartError::File { path, source })?;
    tracing::info!(index, "the device policy has changed: its digest is in the log");
    Ok(())
}

/// The policy in the encoding that is hashed.
fn policy_json(policy: &DevicePolicy) -> Vec<u8> {
    serde_json::to_vec(policy).expect("invariant: texts, numbers and maps of texts are JSON")
}
