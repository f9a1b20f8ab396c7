//! Rows of documents and of the keys that they are sealed to.

use telcon_proto::{
    DeviceId, Digest, DocumentId, PersonId,
    document::{DocumentKind, DocumentOpening, DocumentVersion},
};

/// A version of a document, without its statement, which is as long as everything else together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentRow {
    /// What was signed.
    pub content: DocumentVersion,
    /// SHA-256 of the statement.
    pub sha256: Digest,
    /// The device that signed it.
    pub by: DeviceId,
    /// When the server took it, as the log has it, milliseconds since 1970 UTC.
    pub signed_ms: u64,
}

/// The key of a device, as the device stated it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceKeyRow {
    /// The device.
    pub device: DeviceId,
    /// SHA-256 of the statement.
    pub sha256: Digest,
    /// When the server took it, as the log has it, milliseconds since 1970 UTC.
    pub signed_ms: u64,
}

/// What is known of a document when its next version comes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DocumentStanding {
    /// The newest version that the store has, in the log or not: its number, digest and readers, and the index of its entry.
    pub newest: Option<(u32, Digest, Vec<PersonId>, Option<u64>)>,
    /// The version of the number that comes, if the log has it and the database, of an older backup, does not.
    pub found: Option<(Digest, u64)>,
}

/// Which documents are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DocumentsOf {
    /// Whose: those that this person may read.
    pub person: PersonId,
    /// Of this kind.
    pub kind: Option<DocumentKind>,
    /// About the call or document of this identifier.
    pub about: Option<[u8; 16]>,
}

/// A version with the log entries that prove it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredVersion {
    /// The statement.
    pub statement: String,
    /// Index of its entry.
    pub signed: u64,
    /// Of the device that signed it.
    pub signer: u64,
    /// Of that device's revocation.
    pub revoked: Option<u64>,
    /// The delegation that it names: statement, and the entries of it and of the device that signed it.
    pub delegation: Option<(String, u64, u64)>,
}

/// A document, as far as one request asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredDocument {
    /// Who may read its newest version.
    pub readers: Vec<PersonId>,
    /// What it is.
    pub kind: DocumentKind,
    /// Number of the newest version in the log.
    pub newest: u32,
    /// Its versions, in order.
    pub versions: Vec<StoredVersion>,
    /// Openings, if it is a copy.
    pub opened: Vec<DocumentOpening>,
}

/// What a request for a sealed file needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedVersion {
    /// Who may read the document's newest version.
    pub readers: Vec<PersonId>,
    /// What was signed of the version that is asked for.
    pub content: DocumentVersion,
    /// SHA-256 of its statement.
    pub sha256: Digest,
}

/// The statement of a device's key, and the log entries of it and of the device.
pub type StoredKey = (String, u64, u64);

/// An opening of a copy: of which document, and the rest but the person, whom the store knows by the device.
pub type OpeningRow = (DocumentId, u32, DeviceId, u64, u64);
