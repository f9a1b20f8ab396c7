//! Reconciliation after a crash, a store failure or a restore: the log is authoritative, and the store is brought up to it.
//! Entries that the store lacks were appended just before the failure, or after the backup that was restored. A device
//! that the store lacks is rebuilt from its certificates in the archive; one that the archive lacks too is stored as lost
//! ([`LostDevice`]), so that its enrolment stays used and its revocation stays known.
//!
//! A running server advances [`Write::LogSeen`] with its other writes, so that only its newest entries are read here,
//! and not all since its last start.

use crate::{
    archive::{ProofError, Prover},
    objects::ObjectError,
    store::{Certified, DelegationEndRow, LostDevice, RecordRow, Store, StoreError, Write},
};
use telcon_identity::claimed_revocation;
use telcon_proto::{
    OfficeAlert,
    entry::{Entry, ReadEntry},
};

/// Where the certificates of a device are that the store lacks.
pub trait CertificateSource: Send {
    /// The certificates of an enrolled device and the person they name, verified against the log entry's values. None if
    /// they are not there.
    ///
    /// # Errors
    /// If they cannot be read.
    fn certified(&self, lost: &LostDevice) -> Result<Option<Certified>, ObjectError>;
}

/// An archive without certificates.
impl CertificateSource for () {
    fn certified(&self, _: &LostDevice) -> Result<Option<Certified>, ObjectError> {
        Ok(None)
    }
}

/// Entries of the log that are applied in one transaction.
const BATCH: u64 = 1024;

/// Why log and store could not be reconciled.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log cannot be read.
    #[error("the log cannot be read: {0}")]
    Log(#[from] ProofError),
    /// The archive's certificates cannot be read.
    #[error("certificates of devices that the database lacks cannot be read from the archive: {0}")]
    Certificates(#[from] ObjectError),
    /// The log is shorter than recorded in the store.
    #[error(
        "the log has {found} entries and had {seen}: it was rolled back. Restore the whole data directory from one backup"
    )]
    RolledBack {
        /// Entries now.
        found: u64,
        /// Entries recorded in the store.
        seen: u64,
    },
    /// The log has entries, but the store is empty.
    #[error(
        "the database is empty, and the log has {0} entries: it is not this office's database. Name the right one, restore \
         it from a backup, or move it there with `telcon migrate`"
    )]
    EmptyStore(u64),
}

/// Brings the store up to the log. At the start of the process (`nothing_pending`), a device without a log entry will
/// never get one: its enrolment can be used again.
///
/// # Errors
/// [`ReconcileError`].
pub fn reconcile(
    store: &mut dyn Store,
    log: &Prover,
    archive: &dyn CertificateSource,
    nothing_pending: bool,
) -> Result<(), ReconcileError> {
    let (position, (size, _)) = (store.log_position()?, log.checkpoint());
    let seen = position.seen;
    if size < seen {
        return Err(ReconcileError::RolledBack { found: size, seen });
    }
    // A device's row is durable before any entry about it is appended.
    if seen == 0 && size > 0 && store.load()?.devices.is_empty() {
        return Err(ReconcileError::EmptyStore(size));
    }
    let mut next = if position.reread { 0 } else { seen };
    while next < size {
        let end = size.min(next + BATCH);
        let mut writes = Vec::new();
        for (index, bytes) in (next..end).zip(log.entries(next..end)?) {
            // Entries of newer versions and of other tools do not concern the store.
            let Some(entry) = ReadEntry::parse(&bytes).known() else { continue };
            append_writes(store, archive, entry, index, &mut writes)?;
        }
        // If the log is read again from the start, it counts as processed only when all of it was read.
        if end == size || !position.reread {
            writes.push(Write::LogSeen(end));
        }
        store.apply(&writes)?;
        next = end;
    }
    if nothing_pending {
        store.apply(&[Write::UnloggedDevicesForgotten])?;
        find_lost(store, archive)?;
    }
    Ok(())
}

/// Looks again for the certificates of lost devices: the archive may have been restored after the database.
fn find_lost(store: &mut dyn Store, archive: &dyn CertificateSource) -> Result<(), ReconcileError> {
    for lost in store.lost_devices()? {
        if let Some(certified) = archive.certified(&lost)? {
            store.apply(&[Write::EnrolmentFound(Box::new(lost), Some(Box::new(certified)))])?;
        }
    }
    let lost = store.lost_devices()?.len();
    if lost > 0 {
        tracing::warn!(
            lost,
            "enrolled devices cannot sign in: neither the database nor the archive has their certificates; restore \
             archive/devices and archive/issuers from a newer backup and start again, or enrol these people again"
        );
    }
    Ok(())
}

/// The writes that follow from an entry.
fn append_writes(
    store: &mut dyn Store,
    archive: &dyn CertificateSource,
    entry: Entry,
    index: u64,
    writes: &mut Vec<Write>,
) -> Result<(), ReconcileError> {
    writes.extend(OfficeAlert::of_entry(index, &entry).map(|alert| Write::Alert(Box::new(alert.into()))));
    let record = entry.archived_record().map(|record| (record.device, record.record_digest, record.partial));
    match entry {
        Entry::DeviceEnrolled { time_ms, device, cert_sha256, enrolment, second_cert_sha256, .. } => {
            if store.device(&device)?.is_some_and(|row| row.cert_sha256 == cert_sha256) {
                writes.push(Write::DeviceLogged(device, index));
                return Ok(());
            }
            let lost = LostDevice {
                device,
                cert_sha256,
                enrolment,
                enrolled_ms: time_ms,
                log_index: index,
                revoked_ms: None,
                revocation: None,
                revoked_index: None,
                second_cert_sha256,
            };
            let certified = archive.certified(&lost)?;
            writes.push(Write::EnrolmentFound(Box::new(lost), certified.map(Box::new)));
        }
        Entry::DeviceRevoked { device, time_ms, jws } => {
            // A database from an older backup lacks it.
            let erase = jws.clone().filter(|jws| claimed_revocation(jws).is_some_and(|claimed| claimed.erase));
            // The entry of an order to erase is another one than that of the revocation before it, and may be missing.
            let awaits_other =
                erase.is_none() && store.device(&device)?.is_some_and(|row| row.erase_ordered_ms.is_some());
            writes.push(Write::DeviceRevoked(device, time_ms, jws));
            writes.extend(erase.map(|jws| Write::EraseOrdered(device, time_ms, jws)));
            if !awaits_other {
                writes.push(Write::RevocationLogged(device, index));
            }
        }
        Entry::CallOpened { call, .. } => writes.push(Write::CallOpened(call, index)),
        Entry::CallEnded { call, how, time_ms, answered_ms, .. } => {
            writes.extend([Write::EndFound(call, how, time_ms, answered_ms), Write::EndLogged(call, index)]);
        }
        Entry::RecordMissing { call, .. } => writes.push(Write::MissingLogged(call, index)),
        Entry::RegistrarAppointed { device, .. } => writes.push(Write::RegistrarLogged(device, index)),
        Entry::InvitationMade { invitation, .. } => writes.push(Write::InvitationMadeLogged(invitation, index)),
        Entry::InvitationClosed { time_ms, invitation, how, by, .. } => {
            // A database from an older backup has it open.
            writes.extend([
                Write::InvitationClosed(invitation, how, by, time_ms),
                Write::InvitationClosedLogged(invitation, index),
            ]);
        }
        Entry::RecoveryOpened { recovery, .. } => writes.push(Write::RecoveryOpenedLogged(recovery, index)),
        Entry::RecoveryConfirmed { recovery, .. } => writes.push(Write::RecoveryConfirmedLogged(recovery, index)),
        Entry::RecoveryClosed { time_ms, recovery, how, by, device } => {
            writes.extend([
                Write::RecoveryClosed(recovery, how, by, device, time_ms),
                Write::RecoveryClosedLogged(recovery, index),
            ]);
        }
        Entry::DelegationGiven { delegation, .. } => writes.push(Write::DelegationLogged(delegation, index)),
        Entry::DelegationEnded { time_ms, delegation, by, statement_sha256 } => {
            // A database from an older backup has it in force.
            let end = DelegationEndRow { at_ms: time_ms, by, statement_sha256 };
            writes.extend([
                Write::DelegationEnded(delegation, Box::new(end)),
                Write::DelegationEndLogged(delegation, index),
            ]);
        }
        Entry::ShiftStarted { time_ms, shift, device, .. } => {
            writes.push(Write::ShiftFound(shift, device, time_ms, index));
        }
        Entry::ShiftEnded { time_ms, shift, how } => {
            // A database from an older backup has it last.
            writes.extend([Write::ShiftEnded(shift, how, time_ms), Write::ShiftEndLogged(shift, index)]);
        }
        Entry::ArchiveOpened { .. } | Entry::AlertRaised { .. } | Entry::DevicePolicyChanged { .. } => {}
        Entry::RecordArchived { call, time_ms, .. } | Entry::RecordSealed { call, time_ms, .. } => {
            let Some((device, digest, partial)) = record else { return Ok(()) };
            let row = RecordRow { call, device, digest, kept_ms: time_ms, log_index: index, partial };
            writes.push(Write::Record(row));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::LogWriter;
    use crate::store::{CallRow, DeviceRow, Stage, StoreLocation};
    use telcon_log::LogSigner;
    use telcon_proto::{
        Blob, CallId, Card, DeviceId, Digest, Ended, OfficeName, PersonId, RecordMode, Role, SuiteName,
    };

    const CALL: CallId = CallId::from_bytes([0xca; 16]);

    fn home() -> OfficeName {
        OfficeName::parse("office.example").unwrap()
    }

    fn card() -> Card {
        let (person, office) = (PersonId::from_bytes([1; 16]), home());
        Card {
            person,
            office,
            name: "A".into(),
            organisation: "B".into(),
            role: Role::Principal,
            zone: "UTC".into(),
            place: false,
        }
    }

    fn device(n: u8) -> DeviceRow {
        DeviceRow {
            device: DeviceId::from_bytes([n; 16]),
            card: card(),
            chain: vec![Blob(vec![n]), Blob(vec![n])],
            cert_sha256: Digest::from_bytes([n; 32]),
            enrolment: format!("{n}"),
            enrolled_ms: 1,
            revoked_ms: None,
            revocation: None,
            erase_ordered_ms: None,
            log_index: None,
            revoked_index: None,
        }
    }

    #[test]
    fn the_store_is_brought_up_to_the_log() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = StoreLocation::Sqlite(dir.path().join("db")).writer(&home()).unwrap();
        let open = || LogSigner::from_seed(&[1; 32], "office.example/log").unwrap();
        let mut log = LogWriter::open(&dir.path().join("log"), open(), home(), 1).unwrap();
        let call = CallRow {
            call: CALL,
            ring: "r".into(),
            from_device: DeviceId::from_bytes([1; 16]),
            from: card(),
            to: card(),
            mode: RecordMode::Memo,
            stage: Stage::Opening,
            epoch: 0,
            answerer: None,
            noted: false,
            opened_ms: 1,
            answered_ms: None,
            ended_ms: None,
            how: None,
            opened_index: None,
            ended_index: None,
            missing_index: None,
            on_behalf: None,
            answered_under: None,
        };
        store.apply(&[Write::Device(Box::new(device(1))), Write::Device(Box::new(device(2)))]).unwrap();
        store.apply(&[Write::Call(Box::new(call))]).unwrap();
        // The process died after these appends, before it stored their indices. Device 2 was not appended.
        let enrolled = |n: u8, cert: u8| Entry::DeviceEnrolled {
            time_ms: 1,
            device: DeviceId::from_bytes([n; 16]),
            cert_sha256: Digest::from_bytes([cert; 32]),
            enrolment: "e".into(),
            person_sha256: None,
            second_cert_sha256: None,
        };
        let opened = Entry::CallOpened {
            time_ms: 1,
            call: CALL,
            ring_sha256: Digest::from_bytes([0; 32]),
            mode: RecordMode::Memo,
            suite: SuiteName::Hybrid,
            devices: vec![],
            delegation: None,
        };
        let entries = [enrolled(1, 1), enrolled(2, 77), opened];
        let bytes: Vec<_> = entries.iter().map(Entry::to_bytes).chain([b"not ours".to_vec()]).collect();
        log.append(&bytes, 2);
        reconcile(&mut *store, &log.prover(), &(), true).unwrap();
        let found = store.load().unwrap();
        assert_eq!(found.devices.iter().map(|d| d.log_index).collect::<Vec<_>>(), [Some(0)]);
        assert_eq!(found.active[0].row.stage, Stage::Ringing);
        assert_eq!(found.active[0].row.opened_index, Some(2));

        store.apply(&[Write::CallEnded(CALL, Ended::Missed, 3)]).unwrap();
        assert_eq!(store.load().unwrap().unfinished.len(), 1);
        let ended = Entry::CallEnded {
            time_ms: 3,
            call: CALL,
            how: Ended::Missed,
            answered: Some(false),
            answered_ms: None,
            delegation: None,
        };
        log.append(&[ended.to_bytes()], 3);
        reconcile(&mut *store, &log.prover(), &(), true).unwrap();
        assert_eq!(store.load().unwrap().unfinished[0].row.ended_index, Some(4));

        // The database is of an older backup than the log.
        let revoked =
            Entry::DeviceRevoked { time_ms: 4, device: DeviceId::from_bytes([1; 16]), jws: Some("jws".into()) };
        log.append(&[revoked.to_bytes()], 4);
        reconcile(&mut *store, &log.prover(), &(), true).unwrap();
        let restored = &store.load().unwrap().devices[0];
        assert_eq!((restored.revoked_ms, restored.revocation.as_deref()), (Some(4), Some("jws")));

        assert_eq!(store.log_position().unwrap().seen, 6);
        let mut empty = StoreLocation::Sqlite(dir.path().join("another")).writer(&home()).unwrap();
        assert!(matches!(reconcile(&mut *empty, &log.prover(), &(), true), Err(ReconcileError::EmptyStore(6))));

        drop(log);
        std::fs::remove_dir_all(dir.path().join("log")).unwrap();
        let log = LogWriter::open(&dir.path().join("log"), open(), home(), 1).unwrap();
        assert!(matches!(
            reconcile(&mut *store, &log.prover(), &(), true),
            Err(ReconcileError::RolledBack { found: 0, seen: 6 })
        ));
    }
}
