//! The ports over any [`Database`].

use super::{
    Applied, CallSummary, DeviceRow, DeviceSummary, DocumentStanding, DocumentsOf, InvitationRow, LineOfCall, LinePage,
    LinesOf, LockerRow, LogPosition, LostDevice, PasskeyRow, ProtectionRow, Queries, RecoveryRow, RegistrarRow,
    SealedVersion, SignedLine, Snapshot, Store, StoreError, StoredDocument, StoredKey, StoredRecord, Write, alerts,
    database::{Access, Database, Statements},
    delegations, documents, lines, load, office, protection, push, read, recoveries, sign_ins,
    value::values,
    write,
};
use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};
use telcon_proto::{
    CallId, Card, DelegationId, DeviceId, Digest, DocumentId, InvitationId, LineId, OfficeAlert, OfficeName, PersonId,
    RecoveryId, delegation::ListedDelegation, device_policy::ProgramVersion, document::ListedDocument,
    http::SignInList, line::OverLine, sso::OfficeAccount,
};

/// The writer over a database.
pub(super) struct Writer<D> {
    database: D,
    /// The office of cards that were stored before cards named their office.
    home: OfficeName,
}

impl<D: Database> Writer<D> {
    /// A writer of the office `home`, whose database it becomes.
    pub fn new(mut database: D, home: &OfficeName) -> Result<Self, StoreError> {
        database.transaction(Access::Write, |t| office::bind(t, home))?;
        Ok(Self { database, home: home.clone() })
    }
}

impl<D: Database> Store for Writer<D> {
    fn settle(&mut self) -> Result<(), StoreError> {
        self.database.settle()
    }

    fn apply(&mut self, writes: &[Write]) -> Result<Applied, StoreError> {
        let mut applied = Applied::default();
        if writes.is_empty() {
            return Ok(applied);
        }
        self.database.transaction(Access::Write, |t| {
            for (at, one) in writes.iter().enumerate() {
                if !write::apply(t, one)? {
                    applied.refused.insert(at);
                }
            }
            Ok(applied)
        })
    }

    fn load(&mut self) -> Result<Snapshot, StoreError> {
        self.database.transaction(Access::Read, |t| load::snapshot(t, &self.home))
    }

    fn device(&mut self, device: &DeviceId) -> Result<Option<DeviceRow>, StoreError> {
        self.database.transaction(Access::Read, |t| load::device(t, device, &self.home))
    }

    fn lost_devices(&mut self) -> Result<Vec<LostDevice>, StoreError> {
        self.database.transaction(Access::Read, load::lost_devices)
    }

    fn enrolment_is_used(&mut self, enrolment: &str) -> Result<bool, StoreError> {
        let sql =
            "SELECT 1 FROM devices WHERE enrolment = $1 UNION ALL SELECT 1 FROM lost_devices WHERE enrolment = $1";
        self.database.transaction(Access::Read, |t| Ok(!t.query(sql, values![enrolment])?.is_empty()))
    }

    fn call_exists(&mut self, call: &CallId) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM calls WHERE call = $1";
        self.database.transaction(Access::Read, |t| Ok(!t.query(sql, values![call])?.is_empty()))
    }

    fn invitation_exists(&mut self, invitation: &InvitationId) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM invitations WHERE invitation = $1";
        self.database.transaction(Access::Read, |t| Ok(!t.query(sql, values![invitation])?.is_empty()))
    }

    fn delegation_exists(&mut self, delegation: &DelegationId) -> Result<bool, StoreError> {
        self.database.transaction(Access::Read, |t| delegations::exists(t, delegation))
    }

    fn line_exists(&mut self, line: &LineId) -> Result<bool, StoreError> {
        self.database.transaction(Access::Read, |t| lines::exists(t, line))
    }

    fn signed_line(&mut self, over: &OverLine) -> Result<Option<SignedLine>, StoreError> {
        self.database.transaction(Access::Read, |t| lines::signed(t, over))
    }

    fn document_standing(&mut self, document: &DocumentId, version: u32) -> Result<DocumentStanding, StoreError> {
        self.database.transaction(Access::Read, |t| documents::standing(t, document, version))
    }

    fn log_position(&mut self) -> Result<LogPosition, StoreError> {
        self.database.transaction(Access::Read, |t| {
            let mut position = LogPosition::default();
            for row in t.query("SELECT name, value FROM marks", &[])? {
                match &*row.text(0)? {
                    "log_seen" => position.seen = row.number(1)?,
                    "log_again" => position.reread = true,
                    _ => {}
                }
            }
            Ok(position)
        })
    }
}

/// The reader over a database.
pub(super) struct Reader<D> {
    database: Mutex<D>,
    /// As of [`Writer`].
    home: OfficeName,
}

impl<D: Database> Reader<D> {
    /// A reader of the office `home`, whose database it must be.
    pub fn new(mut database: D, home: &OfficeName) -> Result<Self, StoreError> {
        database.transaction(Access::Read, |t| office::check(t, home))?;
        Ok(Self { database: Mutex::new(database), home: home.clone() })
    }
}

impl<D: Database> Reader<D> {
    fn read<T>(&self, body: impl FnOnce(&mut dyn Statements) -> Result<T, StoreError>) -> Result<T, StoreError> {
        // A panic in a query leaves the connection usable: its transaction is rolled back.
        self.database.lock().unwrap_or_else(PoisonError::into_inner).transaction(Access::Read, body)
    }
}

impl<D: Database> Queries for Reader<D> {
    fn device(&self, device: &DeviceId) -> Result<Option<DeviceRow>, StoreError> {
        Ok(self.read(|t| load::device(t, device, &self.home))?.filter(|row| row.log_index.is_some()))
    }

    fn lost_device(&self, device: &DeviceId) -> Result<Option<LostDevice>, StoreError> {
        self.read(|t| load::lost_device(t, device))
    }

    fn devices(&self) -> Result<Vec<DeviceRow>, StoreError> {
        self.read(|t| read::devices(t, &self.home))
    }

    fn registrars(&self) -> Result<Vec<RegistrarRow>, StoreError> {
        self.read(load::registrars)
    }

    fn invitation(&self, invitation: &InvitationId) -> Result<Option<InvitationRow>, StoreError> {
        self.read(|t| load::invitation(t, invitation, &self.home))
    }

    fn recovery(&self, recovery: &RecoveryId) -> Result<Option<RecoveryRow>, StoreError> {
        self.read(|t| recoveries::recovery(t, recovery, &self.home))
    }

    fn listed_devices(&self, person: Option<PersonId>) -> Result<Vec<DeviceSummary>, StoreError> {
        self.read(|t| read::listed_devices(t, person, &self.home))
    }

    fn sign_ins(&self, person: PersonId) -> Result<SignInList, StoreError> {
        self.read(|t| sign_ins::of_person(t, person, &self.home))
    }

    fn alerts(&self, after: Option<u64>, limit: u32) -> Result<(Vec<OfficeAlert>, u64), StoreError> {
        self.read(|t| alerts::page(t, after, limit))
    }

    fn calls(
        &self,
        party: Option<PersonId>,
        after: Option<CallId>,
        limit: u32,
    ) -> Result<Option<Vec<CallSummary>>, StoreError> {
        self.read(|t| read::calls(t, party, after, limit, &self.home))
    }

    fn record(&self, call: &CallId) -> Result<Option<(StoredRecord, Vec<DeviceRow>)>, StoreError> {
        self.read(|t| read::record(t, call, &self.home))
    }

    fn delegations(&self, person: Option<PersonId>, limit: u32) -> Result<Vec<ListedDelegation>, StoreError> {
        self.read(|t| delegations::listed(t, person, limit, &self.home))
    }

    fn delegates(&self, limit: u32) -> Result<Vec<Card>, StoreError> {
        self.read(|t| delegations::candidates(t, limit, &self.home))
    }

    fn delegations_of_call(&self, call: &CallId) -> Result<Vec<(String, u64, u64)>, StoreError> {
        self.read(|t| delegations::of_call(t, call))
    }

    fn line_of_call(&self, call: &CallId) -> Result<Option<LineOfCall>, StoreError> {
        self.read(|t| lines::of_call(t, call))
    }

    fn newest_document(&self, document: &DocumentId) -> Result<Option<String>, StoreError> {
        self.read(|t| documents::newest(t, document))
    }

    fn document(&self, document: &DocumentId, from: u32, limit: u32) -> Result<Option<StoredDocument>, StoreError> {
        self.read(|t| documents::document(t, document, from, limit))
    }

    fn sealed_version(&self, document: &DocumentId, version: u32) -> Result<Option<SealedVersion>, StoreError> {
        self.read(|t| documents::sealed(t, document, version))
    }

    fn documents(
        &self,
        of: DocumentsOf,
        before: Option<u64>,
        limit: u32,
    ) -> Result<(Vec<ListedDocument>, bool), StoreError> {
        self.read(|t| documents::listed(t, of, before, limit))
    }

    fn device_keys(&self, person: PersonId) -> Result<Vec<StoredKey>, StoreError> {
        self.read(|t| documents::keys_of(t, person))
    }

    fn delegation_statement(&self, delegation: &DelegationId) -> Result<Option<String>, StoreError> {
        self.read(|t| delegations::statement(t, delegation))
    }

    fn newest_line(&self, line: &LineId) -> Result<Option<(String, Digest)>, StoreError> {
        self.read(|t| lines::newest(t, line))
    }

    fn lines(&self, of: LinesOf, before_ms: Option<u64>, limit: u32) -> Result<LinePage, StoreError> {
        self.read(|t| lines::listed(t, of, before_ms, limit))
    }

    fn protection(&self, device: &DeviceId) -> Result<ProtectionRow, StoreError> {
        self.read(|t| protection::protection(t, device))
    }

    fn program(&self, device: &DeviceId) -> Result<Option<ProgramVersion>, StoreError> {
        self.read(|t| protection::program(t, device))
    }

    fn account_session(&self, device: &DeviceId, issuer: &str) -> Result<Option<u64>, StoreError> {
        self.read(|t| protection::account_session(t, device, issuer))
    }

    fn accounts(&self, person: Option<PersonId>) -> Result<Vec<OfficeAccount>, StoreError> {
        self.read(|t| protection::accounts(t, person))
    }

    fn passkeys(&self, device: &DeviceId) -> Result<Vec<PasskeyRow>, StoreError> {
        self.read(|t| protection::passkeys(t, device))
    }

    fn passkey(&self, credential: &str) -> Result<Option<PasskeyRow>, StoreError> {
        self.read(|t| protection::passkey(t, credential))
    }

    fn locker(&self, locker: &Digest) -> Result<Option<LockerRow>, StoreError> {
        self.read(|t| protection::locker(t, locker))
    }

    fn push_endpoint(&self, device: &DeviceId) -> Result<Option<String>, StoreError> {
        self.read(|t| push::subscription(t, device))
    }

    fn record_names(&self) -> Result<BTreeSet<String>, StoreError> {
        self.read(read::record_names)
    }
}
