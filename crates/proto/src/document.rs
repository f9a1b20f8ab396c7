//! Sealed documents: requests, schedules, briefs, profiles, notes, memoranda, circulations, copies, debriefs, readouts, actions.
//!
//! A document is a chain of versions. A version is an age file sealed to the devices of its readers, and a statement by the device of its
//! author, which names the digest of the statement before, of the sealed file and of its content, the readers, and the state that it
//! claims. The digest of the statement is in the log. A server keeps both and can read neither content nor title; devices verify the chain
//! and refuse gaps, forks and statements of roles that may not ([`crate::document_policy`]).

use crate::{
    Blob, CallId, Card, DeviceId, Digest, DocumentId, OfficeName, PersonId,
    delegation::{OnBehalf, ProvenDelegation},
    limits::{MAX_DOCUMENT_BYTES, MAX_DOCUMENT_READERS, MAX_DOCUMENT_VERSIONS},
    message::Logged,
};
use serde::{Deserialize, Serialize};

/// What a document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum DocumentKind {
    /// A wish for a call.
    Request,
    /// What a party of a call has to know and say.
    Brief,
    /// What an office knows of somebody, from call to call.
    Profile,
    /// Notes of one note-taker.
    Notes,
    /// The memorandum of a call.
    Memorandum,
    /// A memorandum or brief in circulation, for one reader.
    Copy,
    /// What was said in a call that nobody recorded.
    Debrief,
    /// What an office says of a call in public.
    Readout,
    /// What was promised, by whom, until when.
    Actions,
    /// Times that were offered for a call, and the one that was agreed.
    Schedule,
    /// Who got which copy of a memorandum, for its author and those who may trace a copy.
    Circulation,
}

impl DocumentKind {
    /// All kinds.
    pub const ALL: [Self; 11] = [
        Self::Request,
        Self::Brief,
        Self::Profile,
        Self::Notes,
        Self::Memorandum,
        Self::Copy,
        Self::Debrief,
        Self::Readout,
        Self::Actions,
        Self::Schedule,
        Self::Circulation,
    ];

    /// The word on the wire and in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Brief => "brief",
            Self::Profile => "profile",
            Self::Notes => "notes",
            Self::Memorandum => "memorandum",
            Self::Copy => "copy",
            Self::Debrief => "debrief",
            Self::Readout => "readout",
            Self::Actions => "actions",
            Self::Schedule => "schedule",
            Self::Circulation => "circulation",
        }
    }
}

/// What a version claims to be. Which of them a kind has, and who may claim it: [`crate::document_policy`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum DocumentState {
    /// In work.
    Draft,
    /// Somebody who may has read it and agrees.
    Reviewed,
    /// It holds. Of a copy: it is issued. Of a schedule: the time is agreed.
    Approved,
    /// Of a request: no.
    Declined,
    /// Of a readout: it is public.
    Published,
    /// It does not hold any more.
    Recalled,
    /// Done, or withdrawn.
    Closed,
    /// A draft that was not finished: only this entry is left of it.
    Destroyed,
}

impl DocumentState {
    /// All states.
    pub const ALL: [Self; 8] = [
        Self::Draft,
        Self::Reviewed,
        Self::Approved,
        Self::Declined,
        Self::Published,
        Self::Recalled,
        Self::Closed,
        Self::Destroyed,
    ];

    /// The word on the wire and in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Reviewed => "reviewed",
            Self::Approved => "approved",
            Self::Declined => "declined",
            Self::Published => "published",
            Self::Recalled => "recalled",
            Self::Closed => "closed",
            Self::Destroyed => "destroyed",
        }
    }
}

/// What a document is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// A call.
    Call(CallId),
    /// Another document.
    Document(DocumentId),
}

impl About {
    /// The identifier, without saying of what.
    pub const fn id(&self) -> &[u8; 16] {
        match self {
            Self::Call(call) => call.as_bytes(),
            Self::Document(document) => document.as_bytes(),
        }
    }
}

/// Payload of `telcon-document+jws`: one version of a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct DocumentVersion {
    /// The office of all who read and write it.
    pub office: OfficeName,
    /// The document; drawn at random by the first author's device.
    pub document: DocumentId,
    /// What it is; the same in every version.
    pub kind: DocumentKind,
    /// From 1, by one each.
    pub version: u32,
    /// SHA-256 of the statement of the version before; none of the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Digest>,
    /// SHA-256 of the sealed file.
    pub ciphertext_sha256: Digest,
    /// SHA-256 of what is sealed, which begins with 32 random bytes: the digest tells nobody anything, and binds a file that is sealed
    /// again for another device to this version.
    pub content_sha256: Digest,
    /// Who may read it, sorted, each once; the author among them.
    pub readers: Vec<PersonId>,
    /// What it is about; the same in every version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<About>,
    /// What this version claims to be.
    pub state: DocumentState,
    /// When the office's server is to remind its readers, milliseconds since 1970 UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_ms: Option<u64>,
    /// When it was signed, by the author's clock.
    pub at_ms: u64,
    /// Who wrote it.
    pub author: Card,
    /// The delegation under which the author claims for a principal what only that principal may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf: Option<OnBehalf>,
}

impl DocumentVersion {
    /// Whether numbers and lists are within their limits, and the readers sorted.
    pub fn is_well_formed(&self) -> bool {
        let sorted = self.readers.windows(2).all(|pair| pair[0] < pair[1]);
        let readers = (1..=MAX_DOCUMENT_READERS).contains(&self.readers.len());
        let number = (1..=MAX_DOCUMENT_VERSIONS).contains(&self.version);
        sorted
            && readers
            && number
            && (self.version == 1) == self.previous.is_none()
            && self.readers.binary_search(&self.author.person).is_ok()
            && self.about != Some(About::Document(self.document))
    }
}

/// A version with the proofs that it, and the device that signed it, are in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProvenVersion {
    /// The statement, a compact JWS of type `telcon-document+jws`.
    pub statement: String,
    /// Proof that the log has it.
    pub signed: Logged,
    /// Proof that the certificate of the signing device is in the log.
    pub device: Logged,
    /// The delegation that it names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegation: Option<Box<ProvenDelegation>>,
    /// Proof that the signing device was revoked, if it was: what it signed before that stays valid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<Box<Logged>>,
}

/// An opening of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DocumentOpening {
    /// Which version.
    pub version: u32,
    /// Who, as the server knows the device's person.
    pub person: PersonId,
    /// On which device.
    pub device: DeviceId,
    /// When, milliseconds since 1970 UTC by the server's clock.
    pub at_ms: u64,
    /// Index of the log entry.
    pub log_index: u64,
}

/// `GET /api/v1/documents/{document}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProvenDocument {
    /// Which.
    pub document: DocumentId,
    /// Its versions in order, from the one that was asked for, at most [`crate::limits::MAX_VERSIONS_LISTED`].
    pub versions: Vec<ProvenVersion>,
    /// The number of the newest one.
    pub newest: u32,
    /// When it was opened, if it is a copy, newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub opened: Vec<DocumentOpening>,
}

/// `PUT /api/v1/documents/{document}/{version}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct DocumentUpload {
    /// The statement, a compact JWS of type `telcon-document+jws`.
    pub statement: String,
    /// The sealed file, at most [`MAX_DOCUMENT_BYTES`].
    pub ciphertext: Blob,
}

impl DocumentUpload {
    /// Whether the sealed file is within its limit.
    pub fn is_well_formed(&self) -> bool {
        self.ciphertext.0.len() <= MAX_DOCUMENT_BYTES
    }
}

/// The answer to an upload: the version is in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DocumentKept {
    /// Index of its log entry.
    pub log_index: u64,
}

/// A document in a list: what the server knows of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ListedDocument {
    /// Which.
    pub document: DocumentId,
    /// What it is.
    pub kind: DocumentKind,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<About>,
    /// The number of its newest version.
    pub version: u32,
    /// SHA-256 of that version's statement.
    pub statement_sha256: Digest,
    /// What that claims to be.
    pub state: DocumentState,
    /// Who may read it.
    pub readers: Vec<PersonId>,
    /// Who wrote it.
    pub author: Card,
    /// When its readers are to be reminded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_ms: Option<u64>,
    /// When it was logged, milliseconds since 1970 UTC by the server's clock.
    pub changed_ms: u64,
    /// Index of its log entry: the list is in their order, newest first.
    pub log_index: u64,
}

/// `GET /api/v1/documents`: those that the bearer's person may read, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DocumentList {
    /// Documents, at most [`crate::limits::MAX_DOCUMENTS_LISTED`].
    pub documents: Vec<ListedDocument>,
    /// Whether there are more: ask again with the parameter `before`, the last one's `log_index`.
    pub more: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Role;

    fn version() -> DocumentVersion {
        let office = OfficeName::parse("office.example").unwrap();
        let author = Card {
            person: PersonId::from_bytes([2; 16]),
            office: office.clone(),
            name: "A".into(),
            organisation: "B".into(),
            role: Role::Scheduler,
            zone: "UTC".into(),
            place: false,
        };
        DocumentVersion {
            office,
            document: DocumentId::from_bytes([1; 16]),
            kind: DocumentKind::Brief,
            version: 1,
            previous: None,
            ciphertext_sha256: Digest::from_bytes([3; 32]),
            content_sha256: Digest::from_bytes([4; 32]),
            readers: vec![PersonId::from_bytes([1; 16]), PersonId::from_bytes([2; 16])],
            about: Some(About::Call(CallId::from_bytes([5; 16]))),
            state: DocumentState::Draft,
            due_ms: None,
            at_ms: 7,
            author,
            on_behalf: None,
        }
    }

    #[test]
    fn words_are_those_on_the_wire() {
        for kind in DocumentKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        for state in DocumentState::ALL {
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
    }

    #[test]
    fn a_version_has_this_json() {
        let id = "05".repeat(16);
        let json = serde_json::to_value(version()).unwrap();
        assert_eq!(json["about"], serde_json::json!({ "call": id }));
        assert_eq!((&json["kind"], &json["state"], &json["version"]), (&"brief".into(), &"draft".into(), &1.into()));
        assert_eq!(json["readers"], serde_json::json!(["01".repeat(16), "02".repeat(16)]));
        assert_eq!(serde_json::from_value::<DocumentVersion>(json.clone()).unwrap(), version());
        let mut newer = json;
        newer["added_later"] = true.into();
        assert!(serde_json::from_value::<DocumentVersion>(newer).is_err(), "what is signed is understood as a whole");
    }

    #[test]
    fn every_part_of_a_version_has_a_limit() {
        type Change = fn(&mut DocumentVersion);
        assert!(version().is_well_formed());
        let bad: [Change; 9] = [
            |v| v.version = 0,
            |v| v.version = 2,
            |v| v.previous = Some(Digest::from_bytes([0; 32])),
            |v| (v.version, v.previous) = (MAX_DOCUMENT_VERSIONS + 1, Some(Digest::from_bytes([0; 32]))),
            |v| v.readers.clear(),
            |v| v.readers.reverse(),
            |v| v.readers.push(PersonId::from_bytes([2; 16])),
            |v| v.author.person = PersonId::from_bytes([9; 16]),
            |v| v.about = Some(About::Document(v.document)),
        ];
        for (at, change) in bad.into_iter().enumerate() {
            let mut version = version();
            change(&mut version);
            assert!(!version.is_well_formed(), "{at}");
        }
        let mut many = version();
        many.readers =
            (0..=MAX_DOCUMENT_READERS as u128).map(|n| PersonId::from_bytes((n + (2 << 120)).to_be_bytes())).collect();
        many.author.person = many.readers[0];
        assert!(!many.is_well_formed(), "too many readers");
        many.readers.pop();
        assert!(many.is_well_formed());
    }
}
