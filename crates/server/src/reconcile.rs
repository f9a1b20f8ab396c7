//! Reconciliation after a crash, a store failure or a restore: the log is authoritative, and the store is brought up to it.
//! Entries that the store lacks were appended just before the failure, or after the backup that was restored. A device
//! that the store lacks is rebuilt from its certificates in the archive; one that the archive lacks too is stored as lost
//! ([`LostDevice`]), so that its enrolment stays used and its revocation stays known.
//!
//! The log has revocations without the certificate of the registrar that signed them, which names a person, and no device accepts one
//! without it. It is added from the store or the archive. Where neither has it, the device is stored as revoked and the statement as
//! unknown: a registrar can give it again.
//!
//! A running server advances [`Write::LogSeen`] with its other writes, so that only its newest entries are read here,
//! and not all since its last start.

use crate::{
    archive::{ProofError, Prover},
    objects::ObjectError,
    store::{Certified, DelegationEndRow, LostDevice, RecordRow, Store, StoreError, Write},
};
use std::collections::BTreeMap;
use telcon_identity::{claimed_revoker, orders_erasure, with_certificate, without_certificate};
use telcon_proto::{
    Blob, DeviceId, Digest, OfficeAlert,
    entry::{Entry, ReadEntry},
    line::LoggedVersion,
};

/// Of devices that two registrars certified: the digest of the second certificate by that of the first, as the log names them.
pub type SecondCertificates = BTreeMap<Digest, Digest>;

/// Where the certificates are that the store lacks.
pub trait CertificateSource: Send {
    /// The certificates of an enrolled device and the person they name, verified against the log entry's values. None if
    /// they are not there. The chain of a line's holder goes on with that of the principal's device, of which `seconds` has the
    /// second certificate.
    ///
    /// # Errors
    /// If they cannot be read.
    fn certified(&self, lost: &LostDevice, seconds: &SecondCertificates) -> Result<Option<Certified>, ObjectError>;

    /// The certificate of a registrar with this digest, DER. None if it is not there.
    ///
    /// # Errors
    /// If it cannot be read.
    fn registrar(&self, cert_sha256: &Digest) -> Result<Option<Blob>, ObjectError>;

    /// Whether a device accepts this revocation, which has the certificate of a registrar.
    fn verifies(&self, revocation: &str) -> bool;
}

/// An archive without certificates.
impl CertificateSource for () {
    fn certified(&self, _: &LostDevice, _: &SecondCertificates) -> Result<Option<Certified>, ObjectError> {
        Ok(None)
    }

    fn registrar(&self, _: &Digest) -> Result<Option<Blob>, ObjectError> {
        Ok(None)
    }

    fn verifies(&self, _: &str) -> bool {
        true
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
    let mut this = Reconciliation { store, log, archive, registrars: None, seconds: None };
    let mut next = if position.reread { 0 } else { seen };
    while next < size {
        let end = size.min(next + BATCH);
        let mut writes = Vec::new();
        for (index, bytes) in (next..end).zip(log.entries(next..end)?) {
            // Entries of newer versions and of other tools do not concern the store.
            let Some(entry) = ReadEntry::parse(&bytes).known() else { continue };
            this.append_writes(entry, index, &mut writes)?;
        }
        // If the log is read again from the start, it counts as processed only when all of it was read.
        if end == size || !position.reread {
            writes.push(Write::LogSeen(end));
        }
        this.store.apply(&writes)?;
        next = end;
    }
    if nothing_pending {
        this.store.apply(&[Write::UnloggedDevicesForgotten])?;
        this.find_lost()?;
        this.find_orders()?;
    }
    Ok(())
}

/// Whether a revocation has what it is verified with.
fn is_complete(revocation: &str) -> bool {
    claimed_revoker(revocation).is_none() || without_certificate(revocation) != revocation
}

/// What the entries of a log are applied to.
struct Reconciliation<'a> {
    store: &'a mut dyn Store,
    log: &'a Prover,
    archive: &'a dyn CertificateSource,
    /// Certificates of registrars, once they were needed: those of the store, and those in the archive that the log names.
    registrars: Option<BTreeMap<DeviceId, BTreeMap<Digest, Blob>>>,
    /// Second certificates of all devices, once they were needed.
    seconds: Option<SecondCertificates>,
}

impl Reconciliation<'_> {
    /// The writes that follow from an entry.
    fn append_writes(&mut self, entry: Entry, index: u64, writes: &mut Vec<Write>) -> Result<(), ReconcileError> {
        writes.extend(OfficeAlert::of_entry(index, &entry).map(|alert| Write::Alert(Box::new(alert.into()))));
        let record = entry.archived_record().map(|record| (record.device, record.record_digest, record.partial));
        match entry {
            Entry::DeviceEnrolled { time_ms, device, cert_sha256, enrolment, second_cert_sha256, .. } => {
                if self.store.device(&device)?.is_some_and(|row| row.cert_sha256 == cert_sha256) {
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
                let certified = self.certified(&lost)?;
                writes.push(Write::EnrolmentFound(Box::new(lost), certified.map(Box::new)));
            }
            Entry::DeviceRevoked { device, time_ms, jws } => {
                let known = self.revocation(&device)?;
                let (is_known, erase) = (
                    known.as_deref().map(without_certificate) == jws.as_deref(),
                    jws.as_deref().is_some_and(orders_erasure) && !known.as_deref().is_some_and(orders_erasure),
                );
                // The store has another order, whose entry is another one and may be missing.
                let awaits_other = known.is_some() && !is_known && !erase;
                // A database from an older backup lacks it.
                let found = match jws {
                    Some(jws) if !is_known => self.complete(&jws)?,
                    _ => known,
                };
                writes.push(Write::DeviceRevoked(device, time_ms, found.clone()));
                writes.extend(found.filter(|_| erase).map(|jws| Write::EraseOrdered(device, time_ms, jws)));
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
            Entry::LineSigned { time_ms, line, version, state, statement_sha256, .. } => {
                // A database from an older backup has an earlier version: it is not rung over until the next one is signed.
                let found = LoggedVersion { version, state, statement_sha256 };
                writes.push(Write::LineLogged(line, found, index, time_ms));
            }
            Entry::DeviceKey { device, statement_sha256, .. } => {
                // A database from an older backup lacks it: the device is asked for it at its next sign-in.
                writes.push(Write::DeviceKeyLogged(device, statement_sha256, index));
            }
            Entry::DocumentVersion { document, version, statement_sha256, .. } => {
                writes.push(Write::DocumentLogged(document, version, statement_sha256, index));
            }
            Entry::DocumentOpened { time_ms, document, version, device } => {
                writes.push(Write::DocumentOpened((document, version, device, time_ms, index)));
            }
            Entry::ShiftStarted { time_ms, shift, device, .. } => {
                writes.push(Write::ShiftFound(shift, device, time_ms, index));
            }
            Entry::ShiftEnded { time_ms, shift, how } => {
                // A database from an older backup has it last.
                writes.extend([Write::ShiftEnded(shift, how, time_ms), Write::ShiftEndLogged(shift, index)]);
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
            Entry::ArchiveOpened { .. }
            | Entry::AlertRaised { .. }
            | Entry::DevicePolicyChanged { .. }
            // Beside its signed text, in the object store.
            | Entry::ReadoutPublished { .. } => {}
            Entry::RecordArchived { call, time_ms, .. } | Entry::RecordSealed { call, time_ms, .. } => {
                let Some((device, digest, partial)) = record else { return Ok(()) };
                let row = RecordRow { call, device, digest, kept_ms: time_ms, log_index: index, partial };
                writes.push(Write::Record(row));
            }
        }
        Ok(())
    }

    /// Looks again for the certificates of lost devices: the archive may have been restored after the database.
    fn find_lost(&mut self) -> Result<(), ReconcileError> {
        for lost in self.store.lost_devices()? {
            if let Some(certified) = self.certified(&lost)? {
                self.store.apply(&[Write::EnrolmentFound(Box::new(lost), Some(Box::new(certified)))])?;
            }
        }
        let lost = self.store.lost_devices()?.len();
        if lost > 0 {
            tracing::warn!(
                lost,
                "enrolled devices cannot sign in: neither the database nor the archive has their certificates; restore \
                 archive/devices and archive/issuers from a newer backup and start again, or enrol these people again"
            );
        }
        Ok(())
    }

    /// The certificates of a device that the store lacks, if the archive has them.
    fn certified(&mut self, lost: &LostDevice) -> Result<Option<Certified>, ReconcileError> {
        let archive = self.archive;
        let seconds = match self.seconds.take() {
            Some(seconds) => seconds,
            None => {
                let mut seconds = SecondCertificates::new();
                self.each_entry(|entry| {
                    if let Entry::DeviceEnrolled { cert_sha256, second_cert_sha256: Some(second), .. } = entry {
                        seconds.insert(cert_sha256, second);
                    }
                    Ok(())
                })?;
                seconds
            }
        };
        let certified = archive.certified(lost, self.seconds.insert(seconds));
        Ok(certified?)
    }

    /// Reads the whole log.
    fn each_entry(&self, mut with: impl FnMut(Entry) -> Result<(), ReconcileError>) -> Result<(), ReconcileError> {
        let (size, _) = self.log.checkpoint();
        for from in (0..size).step_by(BATCH as usize) {
            for bytes in self.log.entries(from..size.min(from + BATCH))? {
                if let Some(entry) = ReadEntry::parse(&bytes).known() {
                    with(entry)?;
                }
            }
        }
        Ok(())
    }

    /// The revocation that the store has of a device, also of a lost one.
    fn revocation(&mut self, device: &DeviceId) -> Result<Option<String>, ReconcileError> {
        if let Some(row) = self.store.device(device)? {
            return Ok(row.revocation);
        }
        let lost = self.store.lost_devices()?.into_iter().find(|lost| lost.device == *device);
        Ok(lost.and_then(|lost| lost.revocation))
    }

    /// A revocation of the log with the certificate that it is verified with; none if that is nowhere.
    fn complete(&mut self, jws: &str) -> Result<Option<String>, ReconcileError> {
        let Some(by) = claimed_revoker(jws).filter(|_| !is_complete(jws)) else { return Ok(Some(jws.to_owned())) };
        let archive = self.archive;
        let found = self.registrars()?.get(&by).into_iter().flat_map(BTreeMap::values);
        let mut complete = found.map(|der| with_certificate(without_certificate(jws), der.as_slice()));
        Ok(complete.find(|revocation| archive.verifies(revocation)))
    }

    /// The certificates of registrars. The store may have been restored from a backup that is older than an appointment.
    fn registrars(&mut self) -> Result<&BTreeMap<DeviceId, BTreeMap<Digest, Blob>>, ReconcileError> {
        if self.registrars.is_none() {
            let mut found: BTreeMap<DeviceId, BTreeMap<Digest, Blob>> = BTreeMap::new();
            for row in self.store.load()?.registrars {
                found.entry(row.device).or_default().insert(row.cert_sha256, row.certificate);
            }
            let archive = self.archive;
            self.each_entry(|entry| {
                if let Entry::RegistrarAppointed { device, cert_sha256, .. } = entry {
                    let of_device = found.entry(device).or_default();
                    if !of_device.contains_key(&cert_sha256)
                        && let Some(der) = archive.registrar(&cert_sha256)?
                    {
                        of_device.insert(cert_sha256, der);
                    }
                }
                Ok(())
            })?;
            self.registrars = Some(found);
        }
        Ok(self.registrars.as_ref().expect("invariant: it was just set"))
    }

    /// Looks again for what devices verify their revocations with: the archive may have been restored after the database, or an
    /// earlier version stored the revocation without.
    fn find_orders(&mut self) -> Result<(), ReconcileError> {
        let snapshot = self.store.load()?;
        let devices = snapshot.devices.into_iter().map(|row| {
            // One that was lost, and found again, has the order and not when it was given.
            let is_dated = row.erase_ordered_ms.is_some() || !row.revocation.as_deref().is_some_and(orders_erasure);
            (row.device, row.revoked_ms, row.revocation, row.revoked_index, row.erase_ordered_ms, is_dated)
        });
        let lost = snapshot.lost.into_iter();
        let lost = lost.map(|row| (row.device, row.revoked_ms, row.revocation, row.revoked_index, None, true));
        let mut missing = 0;
        for (device, revoked_ms, stored, index, erase_ms, is_dated) in devices.chain(lost) {
            let is_settled = is_dated && stored.as_deref().is_some_and(is_complete);
            let Some(revoked_ms) = revoked_ms.filter(|_| !is_settled) else { continue };
            let logged = match (&stored, index) {
                (Some(stored), _) => Some((stored.clone(), erase_ms.unwrap_or(revoked_ms))),
                (None, Some(index)) => self.logged_revocation(&device, index)?,
                (None, None) => None,
            };
            // One of the first version has no statement.
            let Some((jws, at_ms)) = logged else { continue };
            let found = self.complete(&jws)?;
            missing += usize::from(found.is_none());
            let found = found.map(|jws| (orders_erasure(&jws).then_some(at_ms), jws));
            if found.is_some() || stored.is_some() && index.is_some() {
                self.store.apply(&[Write::RevocationFound(device, found)])?;
            }
        }
        if missing > 0 {
            tracing::warn!(
                missing,
                "revoked devices cannot verify that they were revoked: neither the database nor the archive has the certificate of the \
                 registrar that signed it; restore archive/issuers from a newer backup and start again, or revoke these devices again"
            );
        }
        Ok(())
    }

    /// The statement and time of the entry of a device's revocation.
    fn logged_revocation(&self, device: &DeviceId, index: u64) -> Result<Option<(String, u64)>, ReconcileError> {
        let entries = self.log.entries(index..index.saturating_add(1))?;
        Ok(entries.first().and_then(|bytes| match ReadEntry::parse(bytes).known()? {
            Entry::DeviceRevoked { device: revoked, time_ms, jws } if revoked == *device => Some((jws?, time_ms)),
            _ => None,
        }))
    }
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
            line: None,
            diverted: false,
            desk_from_ms: None,
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
            line: None,
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
