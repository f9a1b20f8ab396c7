//! The ports: the interface of the store for the switchboard ([`Store`]) and for HTTP requests ([`Queries`]).

use super::{
    CallRow, CallSummary, DeviceRow, DeviceSummary, DocumentStanding, DocumentsOf, InvitationRow, LineOfCall, LinePage,
    LinesOf, LockerRow, LostDevice, PasskeyRow, ProtectionRow, RecordRow, RecoveryRow, RegistrarRow, SealedVersion,
    SignedLine, Snapshot, StoredDocument, StoredKey, Write,
};
use std::collections::BTreeSet;
use telcon_proto::{
    CallId, Card, DelegationId, DeviceId, Digest, DocumentId, InvitationId, LineId, OfficeAlert, OfficeName, PersonId,
    RecoveryId, delegation::ListedDelegation, device_policy::ProgramVersion, document::ListedDocument,
    http::SignInList, line::OverLine, sso::OfficeAccount,
};

/// Why an operation on the store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk of the database is full.
    #[error("the disk with {0} is full: free space there; the server goes on by itself")]
    Full(String),
    /// The database reported an error: the connection was lost, or the file is damaged.
    #[error("the database failed: {0}")]
    Database(String),
    /// A row with this key exists already: a call id, device id or enrolment was used twice.
    #[error("the database already has this row: {0}")]
    Conflict(String),
    /// Another process has the database open for writing.
    #[error(
        "another telcon server uses this database: stop it first, or wait until its connection to the database has ended"
    )]
    InUse,
    /// It is another office's.
    #[error(
        "the database is that of the office {found}, not of {home}: name the database of {home}, or an empty one for a new \
         office"
    )]
    OtherOffice {
        /// The office whose it is.
        found: String,
        /// The office that was to use it.
        home: OfficeName,
    },
    /// A newer version wrote it.
    #[error("the database has version {found}, this program supports {known}: run the newer program")]
    Newer {
        /// Version of the database.
        found: i64,
        /// Newest version that this program supports.
        known: i64,
    },
    /// A value is not valid for its column.
    #[error("the database contains an invalid {0}: restore it from a backup")]
    Damaged(&'static str),
    /// The location of a store is malformed.
    #[error("{0}")]
    Location(String),
}

/// How far the store has been reconciled with the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogPosition {
    /// Log size below which the store reflects every entry.
    pub seen: u64,
    /// Whether the log has to be read from index 0 nevertheless, because a schema upgrade needs data of entries that
    /// earlier versions did not store.
    pub reread: bool,
}

/// The result of a transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Indices of the [`Write::Protection`]s whose condition did not hold: they changed nothing.
    pub refused: BTreeSet<usize>,
}

/// The only writer. A transaction is durable when [`Store::apply`] returns `Ok`; after an error its outcome is unknown,
/// and the caller restarts from [`Store::load`].
pub trait Store: Send {
    /// Applies all of `writes` in one transaction, or none of them. Each call costs one flush to disk, regardless of
    /// the number of writes: under load, callers pass the writes of several inputs together (group commit).
    ///
    /// # Errors
    /// [`StoreError`]; earlier transactions stay durable.
    fn apply(&mut self, writes: &[Write]) -> Result<Applied, StoreError>;

    /// Loads the live state: calls that have not ended or of which something is pending, and the devices.
    ///
    /// # Errors
    /// [`StoreError`].
    fn load(&mut self) -> Result<Snapshot, StoreError>;

    /// A device, enrolled or being enrolled, revoked or not.
    ///
    /// # Errors
    /// [`StoreError`].
    fn device(&mut self, device: &DeviceId) -> Result<Option<DeviceRow>, StoreError>;

    /// Enrolled devices whose certificates are lost.
    ///
    /// # Errors
    /// [`StoreError`].
    fn lost_devices(&mut self) -> Result<Vec<LostDevice>, StoreError>;

    /// Whether an enrolment was used, by a device that is lost too.
    ///
    /// # Errors
    /// [`StoreError`].
    fn enrolment_is_used(&mut self, enrolment: &str) -> Result<bool, StoreError>;

    /// Whether a call with this id ever existed.
    ///
    /// # Errors
    /// [`StoreError`].
    fn call_exists(&mut self, call: &CallId) -> Result<bool, StoreError>;

    /// Whether an invitation with this id ever existed.
    ///
    /// # Errors
    /// [`StoreError`].
    fn invitation_exists(&mut self, invitation: &InvitationId) -> Result<bool, StoreError>;

    /// Whether a delegation with this id was ever given.
    ///
    /// # Errors
    /// [`StoreError`].
    fn delegation_exists(&mut self, delegation: &DelegationId) -> Result<bool, StoreError>;

    /// Whether a line with this id was ever given, or the log has one.
    ///
    /// # Errors
    /// [`StoreError`].
    fn line_exists(&mut self, line: &LineId) -> Result<bool, StoreError>;

    /// The version of a line that a ring names, if it is in the log.
    ///
    /// # Errors
    /// [`StoreError`].
    fn signed_line(&mut self, over: &OverLine) -> Result<Option<SignedLine>, StoreError>;

    /// What is known of a document when its version of this number comes.
    ///
    /// # Errors
    /// [`StoreError`].
    fn document_standing(&mut self, document: &DocumentId, version: u32) -> Result<DocumentStanding, StoreError>;

    /// How far the store has been reconciled with the log; advanced by [`Write::LogSeen`].
    ///
    /// # Errors
    /// [`StoreError`].
    fn log_position(&mut self) -> Result<LogPosition, StoreError>;

    /// Puts everything into the database's own file, if it has files beside it: an orderly stop leaves one file to copy. What was
    /// applied is durable without it.
    ///
    /// # Errors
    /// [`StoreError`].
    fn settle(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// A call and its archived records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRecord {
    /// The call.
    pub call: CallRow,
    /// Its records, one of each note-taker, in the order in which they arrived.
    pub records: Vec<RecordRow>,
    /// Who answered for the person rung.
    pub answered_by: Option<Card>,
}

impl StoredRecord {
    /// The call as lists show it.
    pub fn summary(&self) -> CallSummary {
        let call = &self.call;
        let summary = CallSummary {
            call: call.call,
            from: call.from.clone(),
            to: call.to.clone(),
            mode: call.mode,
            opened_ms: call.opened_ms,
            answered_ms: call.answered_ms,
            ended_ms: call.ended_ms,
            how: call.how,
            records: 0,
            partial: false,
            missing: call.missing_index.is_some(),
            on_behalf_of: call.on_behalf.as_ref().map(|(_, card)| card.clone()),
            answered_by: self.answered_by.clone(),
        };
        let partial: Vec<bool> = self.records.iter().map(|record| record.partial).collect();
        summary.with_records(&partial)
    }
}

/// The read side. Each instance has its own connection and serves one query at a time: what may be slow or frequent gets an
/// instance of its own, so that it delays nothing else.
pub trait Queries: Send + Sync {
    /// A device whose enrolment is in the log, revoked or not.
    ///
    /// # Errors
    /// [`StoreError`].
    fn device(&self, device: &DeviceId) -> Result<Option<DeviceRow>, StoreError>;

    /// An enrolled device whose certificate is lost.
    ///
    /// # Errors
    /// [`StoreError`].
    fn lost_device(&self, device: &DeviceId) -> Result<Option<LostDevice>, StoreError>;

    /// All devices whose enrolment is in the log, in the order of their enrolment.
    ///
    /// # Errors
    /// [`StoreError`].
    fn devices(&self) -> Result<Vec<DeviceRow>, StoreError>;

    /// All registrars, those whose appointment is not in the log yet included.
    ///
    /// # Errors
    /// [`StoreError`].
    fn registrars(&self) -> Result<Vec<RegistrarRow>, StoreError>;

    /// An invitation, closed or not.
    ///
    /// # Errors
    /// [`StoreError`].
    fn invitation(&self, invitation: &InvitationId) -> Result<Option<InvitationRow>, StoreError>;

    /// A recovery, over or not.
    ///
    /// # Errors
    /// [`StoreError`].
    fn recovery(&self, recovery: &RecoveryId) -> Result<Option<RecoveryRow>, StoreError>;

    /// The devices of a person, or of all people if none, whose enrolment is in the log, in the order of their enrolment.
    ///
    /// # Errors
    /// [`StoreError`].
    fn listed_devices(&self, person: Option<PersonId>) -> Result<Vec<DeviceSummary>, StoreError>;

    /// When the devices of a person were connected, and failed attempts to sign in as one of them, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    fn sign_ins(&self, person: PersonId) -> Result<SignInList, StoreError>;

    /// Alerts that are in the log, newest first, at most `limit`, and how many in all no security officer has seen. The list begins
    /// below the log index `after`, or with the newest.
    ///
    /// # Errors
    /// [`StoreError`].
    fn alerts(&self, after: Option<u64>, limit: u32) -> Result<(Vec<OfficeAlert>, u64), StoreError>;

    /// Calls whose opening is in the log, in the reverse order of their openings there, at most `limit`: those in which `party`
    /// rang or was rung, or of the whole office if none. The list begins after the call `after`, or with the newest; none if it
    /// does not have that call. Reads no more rows than it returns, twice over.
    ///
    /// # Errors
    /// [`StoreError`].
    fn calls(
        &self,
        party: Option<PersonId>,
        after: Option<CallId>,
        limit: u32,
    ) -> Result<Option<Vec<CallSummary>>, StoreError>;

    /// One call whose opening is in the log, with all devices that were ever in it.
    ///
    /// # Errors
    /// [`StoreError`].
    fn record(&self, call: &CallId) -> Result<Option<(StoredRecord, Vec<DeviceRow>)>, StoreError>;

    /// Delegations that are in the log, by or to this person, or of the whole office if none, newest first, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`].
    fn delegations(&self, person: Option<PersonId>, limit: u32) -> Result<Vec<ListedDelegation>, StoreError>;

    /// People who may be chosen as delegates, sorted by name, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`].
    fn delegates(&self, limit: u32) -> Result<Vec<Card>, StoreError>;

    /// The statements under which a call was rung or answered for somebody, each with the log indices of the delegation and of the
    /// device that signed it.
    ///
    /// # Errors
    /// [`StoreError`].
    fn delegations_of_call(&self, call: &CallId) -> Result<Vec<(String, u64, u64)>, StoreError>;

    /// The version of the line that a call is over; none if it is over none.
    ///
    /// # Errors
    /// [`StoreError`].
    fn line_of_call(&self, call: &CallId) -> Result<Option<LineOfCall>, StoreError>;

    /// The statement of a delegation that is in the log, ended or not.
    ///
    /// # Errors
    /// [`StoreError`].
    fn delegation_statement(&self, delegation: &DelegationId) -> Result<Option<String>, StoreError>;

    /// The newest statement of a line that is in the log, and its digest.
    ///
    /// # Errors
    /// [`StoreError`].
    fn newest_line(&self, line: &LineId) -> Result<Option<(String, Digest)>, StoreError>;

    /// A page of lines that are in the log, newest first, given before `before_ms`, about `limit`; and whether there are more. With each,
    /// the devices of which one has to be connected for its holder to be reachable.
    ///
    /// # Errors
    /// [`StoreError`].
    fn lines(&self, of: LinesOf, before_ms: Option<u64>, limit: u32) -> Result<LinePage, StoreError>;

    /// The newest statement of a document that the store has, in the log or not.
    ///
    /// # Errors
    /// [`StoreError`].
    fn newest_document(&self, document: &DocumentId) -> Result<Option<String>, StoreError>;

    /// A document's versions from this number that are in the log, at most `limit`; none if it has no version in the log.
    ///
    /// # Errors
    /// [`StoreError`].
    fn document(&self, document: &DocumentId, from: u32, limit: u32) -> Result<Option<StoredDocument>, StoreError>;

    /// A version of a document that is in the log.
    ///
    /// # Errors
    /// [`StoreError`].
    fn sealed_version(&self, document: &DocumentId, version: u32) -> Result<Option<SealedVersion>, StoreError>;

    /// A page of documents, the newest first, changed before the log index `before`, at most `limit`; and whether there are more.
    ///
    /// # Errors
    /// [`StoreError`].
    fn documents(
        &self,
        of: DocumentsOf,
        before: Option<u64>,
        limit: u32,
    ) -> Result<(Vec<ListedDocument>, bool), StoreError>;

    /// The keys of a person's devices that are not revoked.
    ///
    /// # Errors
    /// [`StoreError`].
    fn device_keys(&self, person: PersonId) -> Result<Vec<StoredKey>, StoreError>;

    /// Whether and how a device is protected.
    ///
    /// # Errors
    /// [`StoreError`].
    fn protection(&self, device: &DeviceId) -> Result<ProtectionRow, StoreError>;

    /// The version of a device's program, as that said last.
    ///
    /// # Errors
    /// [`StoreError`].
    fn program(&self, device: &DeviceId) -> Result<Option<ProgramVersion>, StoreError>;

    /// When the person of a device last signed in on it with an account of this issuer, milliseconds since 1970 UTC.
    ///
    /// # Errors
    /// [`StoreError`].
    fn account_session(&self, device: &DeviceId, issuer: &str) -> Result<Option<u64>, StoreError>;

    /// The accounts at the office's provider of a person, or of all people if none.
    ///
    /// # Errors
    /// [`StoreError`].
    fn accounts(&self, person: Option<PersonId>) -> Result<Vec<OfficeAccount>, StoreError>;

    /// The passkeys of a device, in the order of their registration.
    ///
    /// # Errors
    /// [`StoreError`].
    fn passkeys(&self, device: &DeviceId) -> Result<Vec<PasskeyRow>, StoreError>;

    /// The passkey with this identifier, of whatever device that is not revoked.
    ///
    /// # Errors
    /// [`StoreError`].
    fn passkey(&self, credential: &str) -> Result<Option<PasskeyRow>, StoreError>;

    /// The locker of a PIN, by the digest of its secret identifier.
    ///
    /// # Errors
    /// [`StoreError`].
    fn locker(&self, locker: &Digest) -> Result<Option<LockerRow>, StoreError>;

    /// Address of the Web Push subscription of a device.
    ///
    /// # Errors
    /// [`StoreError`].
    fn push_endpoint(&self, device: &DeviceId) -> Result<Option<String>, StoreError>;

    /// Names of all records; see [`crate::archive::RecordStore`].
    ///
    /// # Errors
    /// [`StoreError`].
    fn record_names(&self) -> Result<BTreeSet<String>, StoreError>;
}
