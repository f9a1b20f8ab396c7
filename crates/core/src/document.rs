//! Documents on this device: sealing and opening their versions, verifying chains, and the newest version of each that this device has
//! seen, below which it accepts none.
//!
//! What is sealed is 32 random bytes, the length of the content (4 bytes, big-endian), the content, and zeros up to a multiple of
//! [`PADDING`]: the digest in the statement tells nobody anything of a short content, and the length of the file little.

use crate::{device::Device, known_documents::KnownDocuments};
use telcon_identity::{
    Flaw, IdentityError, LoggedDeviceKey, LoggedDocumentVersion, VerifiedVersion, sign_device_key, sign_document,
};
use telcon_proto::{
    Blob, Card, Digest, DocumentId, PersonId,
    delegation::OnBehalf,
    device_key::{DEVICE_KEY_VERSION, DeviceKeyStatement, PersonKeys, ProvenDeviceKey},
    document::{About, DocumentKind, DocumentState, DocumentUpload, DocumentVersion, ProvenDocument},
    document_policy::may_read,
    limits::MAX_DOCUMENT_BYTES,
};
use telcon_sealing::{Identity, KeyError, OpenError, Recipient, SealError, open, seal};
use zeroize::Zeroizing;

/// Sealed content is padded to a multiple of this, bytes.
pub const PADDING: usize = 1024;
/// Random bytes before the content.
const SALT_BYTES: usize = 32;
/// Bytes of the content's length.
const LENGTH_BYTES: usize = 4;
/// Largest header of a sealed file, bytes: the stanzas of all devices that may be sealed to.
const MAX_HEADER_BYTES: usize = 1 << 20;
/// Devices that one version is sealed to, custodians included: as many stanzas leave room for content.
pub const MAX_SEALED_TO: usize = 600;

/// Why a document is not written or read.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// What the server shows does not verify, or is not what it showed before.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// It was not sealed to this device, which had no key then.
    #[error("this document was not sealed to this device: open it once on another device of a reader")]
    NotForThisDevice,
    /// The sealed file is damaged.
    #[error("the sealed file of this document is damaged: {0}")]
    Damaged(String),
    /// The content is too long, or there are too many readers' devices.
    #[error("the document is too long, or has too many readers: shorten it, or write another")]
    TooLong,
    /// A reader whose role keeps them from it, by the certificate of their device.
    #[error("\u{201c}{0}\u{201d} is of the other side and may not read this: choose the readers again")]
    Reader(String),
    /// A key that nothing can be sealed to.
    #[error("the key of a reader's device or of a custodian is invalid: {0}")]
    Key(#[from] KeyError),
    /// The server did not list all versions that it has.
    #[error("the office's server did not show the newest version of this document: read it again")]
    NotTheNewest,
    /// This program failed.
    #[error("the document could not be sealed: {0}")]
    Sealing(#[from] SealError),
}

/// What a person writes.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The document; drawn at random for a new one.
    pub document: DocumentId,
    /// What it is.
    pub kind: DocumentKind,
    /// What it is about.
    pub about: Option<About>,
    /// What this version claims to be.
    pub state: DocumentState,
    /// When its readers are to be reminded.
    pub due_ms: Option<u64>,
    /// Who may read it, beside its author.
    pub readers: Vec<PersonId>,
    /// The delegation under which it is written for a principal.
    pub on_behalf: Option<OnBehalf>,
    /// Title and all: the server knows nothing of it.
    pub content: Zeroizing<Vec<u8>>,
}

/// The statement of a device's own key.
pub(crate) fn own_key(device: &Device, at_ms: u64) -> String {
    let statement = DeviceKeyStatement {
        office: device.office().domain().clone(),
        device: device.me().device(),
        recipient: device.encryption().recipient().to_string(),
        version: DEVICE_KEY_VERSION,
        at_ms,
    };
    sign_device_key(device.key(), device.chain(), &statement)
}

/// Verifies the versions of a document that a server shows, and that they continue what this device knows.
///
/// # Errors
/// Those of [`telcon_identity::Office::verify_document`]; [`Flaw::DocumentRollback`].
pub fn verify(
    device: &Device,
    known: &KnownDocuments,
    proven: &ProvenDocument,
) -> Result<Vec<LoggedDocumentVersion>, IdentityError> {
    let head = known.get(&proven.document);
    if head.is_some_and(|head| proven.newest < head.version || proven.versions.is_empty()) {
        return Err(Flaw::DocumentRollback.into());
    }
    device.office().verify_document(proven.document, head, &proven.versions)
}

/// Refuses a reader whose role keeps them from a kind of document, by the certificate of their device and not by what a server says.
fn check_reader(key: &LoggedDeviceKey, kind: DocumentKind) -> Result<(), DocumentError> {
    let card = key.key().device().card();
    if may_read(card.role, kind) { Ok(()) } else { Err(DocumentError::Reader(card.name.clone())) }
}

/// The person whose keys a server lists, as the certificate of the device with the newest one says; none without a key.
///
/// # Errors
/// [`DocumentError::Identity`], also for a key of somebody else.
pub fn card_of(device: &Device, listed: &PersonKeys) -> Result<Option<Card>, DocumentError> {
    let mut newest: Option<LoggedDeviceKey> = None;
    for proven in &listed.keys {
        let key = device.office().verify_device_key_logged(proven)?;
        if key.person() != listed.person {
            return Err(IdentityError::from(Flaw::OtherDevice).into());
        }
        if newest.as_ref().is_none_or(|other| other.entry().index() < key.entry().index()) {
            newest = Some(key);
        }
    }
    Ok(newest.map(|key| key.key().device().card().clone()))
}

/// The keys of readers' devices that a document is sealed to: verified, of those people, the newest of each device.
fn recipients(
    device: &Device,
    kind: DocumentKind,
    readers: &[PersonId],
    keys: &[PersonKeys],
) -> Result<Vec<LoggedDeviceKey>, DocumentError> {
    let mut found: Vec<LoggedDeviceKey> = Vec::new();
    for proven in keys.iter().flat_map(|keys| &keys.keys) {
        let key = device.office().verify_device_key_logged(proven)?;
        if readers.binary_search(&key.person()).is_err() {
            // The server lists the key of somebody else as a reader's.
            return Err(IdentityError::from(Flaw::OtherDevice).into());
        }
        check_reader(&key, kind)?;
        let id = key.key().device().device();
        match found.iter_mut().find(|other| other.key().device().device() == id) {
            Some(other) if other.key().content().version < key.key().content().version => *other = key,
            Some(_) => {}
            None => found.push(key),
        }
    }
    Ok(found)
}

/// Seals and signs the next version of a document, or the first of a new one. `before` is the newest version, verified. Keys of readers are
/// as the server listed them: they are verified here. A reader who has none yet can read once another reader's device seals it again.
///
/// # Errors
/// [`DocumentError`].
pub fn write(
    device: &Device,
    draft: Draft,
    before: Option<&LoggedDocumentVersion>,
    keys: &[PersonKeys],
    custodians: &[String],
    salt: [u8; SALT_BYTES],
    at_ms: u64,
) -> Result<DocumentUpload, DocumentError> {
    let Draft { document, kind, about, state, due_ms, mut readers, on_behalf, content } = draft;
    let author = device.me().card().clone();
    readers.push(author.person);
    readers.sort_unstable();
    readers.dedup();
    let mut recipients = recipients(device, kind, &readers, keys)?
        .iter()
        .map(|key| Recipient::parse(&key.key().content().recipient))
        .chain(custodians.iter().map(|text| Recipient::parse(text)))
        .collect::<Result<Vec<_>, _>>()?;
    // This device reads what it wrote, whatever the server lists.
    let own = device.encryption().recipient();
    if !recipients.contains(&own) {
        recipients.push(own);
    }
    if recipients.len() > MAX_SEALED_TO {
        return Err(DocumentError::TooLong);
    }
    let plaintext = framed(&content, salt)?;
    let ciphertext = seal(&plaintext, &recipients)?;
    if ciphertext.len() > MAX_DOCUMENT_BYTES {
        return Err(DocumentError::TooLong);
    }
    let version = DocumentVersion {
        office: device.office().domain().clone(),
        document,
        kind,
        version: before.map_or(0, |before| before.content().version) + 1,
        previous: before.map(|before| before.version().sha256()),
        ciphertext_sha256: sha256(&ciphertext),
        content_sha256: sha256(&plaintext),
        readers,
        about,
        state,
        due_ms,
        at_ms,
        author,
        on_behalf,
    };
    let statement = sign_document(device.key(), device.chain(), &version);
    // What the others would refuse is not sent.
    let verified = device.office().verify_version(&statement)?;
    if let Some(before) = before {
        before.version().check_next(&verified)?;
    }
    Ok(DocumentUpload { statement, ciphertext: Blob(ciphertext) })
}

/// Opens the sealed file of a version, from its author or sealed again for this device: in either case the content is what was signed.
///
/// # Errors
/// [`DocumentError`].
pub fn read(
    device: &Device,
    version: &LoggedDocumentVersion,
    ciphertext: &[u8],
) -> Result<Zeroizing<Vec<u8>>, DocumentError> {
    read_as(std::slice::from_ref(device.encryption()), version.version(), ciphertext)
}

/// Seals what is not sent yet for this device alone.
pub(crate) fn seal_unsent(device: &Device, content: &[u8]) -> Result<Vec<u8>, DocumentError> {
    Ok(seal(content, &[device.encryption().recipient()])?)
}

/// Opens what [`seal_unsent`] returned.
pub(crate) fn open_unsent(device: &Device, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, DocumentError> {
    open(sealed, std::slice::from_ref(device.encryption()), MAX_HEADER_BYTES).map_err(not_opened)
}

fn not_opened(error: OpenError) -> DocumentError {
    match error {
        OpenError::OtherKey => DocumentError::NotForThisDevice,
        OpenError::Header(what) => DocumentError::Damaged(what.to_owned()),
        OpenError::Damaged(what) => DocumentError::Damaged(what),
    }
}

/// The same with other keys: a custodian's, of a version that was sealed to custodians.
///
/// # Errors
/// [`DocumentError`].
pub fn read_as(
    identities: &[Identity],
    version: &VerifiedVersion,
    ciphertext: &[u8],
) -> Result<Zeroizing<Vec<u8>>, DocumentError> {
    unframed(&open_framed(identities, version, ciphertext)?)
}

fn open_framed(
    identities: &[Identity],
    version: &VerifiedVersion,
    ciphertext: &[u8],
) -> Result<Zeroizing<Vec<u8>>, DocumentError> {
    let opened = open(ciphertext, identities, MAX_HEADER_BYTES);
    let plaintext = opened.map_err(not_opened)?;
    version.check_content(&plaintext)?;
    Ok(plaintext)
}

/// Whether a version has to be sealed again for a device: its key was stated after the version was signed.
pub fn needs_seal(version: &LoggedDocumentVersion, key: &LoggedDeviceKey) -> bool {
    key.entry().index() > version.entry().index()
}

/// Seals a version again for a device of a reader, whose key is as the server listed it. Nothing about the version changes.
///
/// # Errors
/// [`DocumentError`]; [`Flaw::OtherDevice`] for a device of somebody who is no reader of this version.
pub fn seal_again(
    device: &Device,
    version: &LoggedDocumentVersion,
    ciphertext: &[u8],
    key: &ProvenDeviceKey,
) -> Result<Vec<u8>, DocumentError> {
    let key = device.office().verify_device_key_logged(key)?;
    if version.content().readers.binary_search(&key.person()).is_err() {
        return Err(IdentityError::from(Flaw::OtherDevice).into());
    }
    check_reader(&key, version.content().kind)?;
    let plaintext = open_framed(std::slice::from_ref(device.encryption()), version.version(), ciphertext)?;
    Ok(seal(&plaintext, &[Recipient::parse(&key.key().content().recipient)?])?)
}

fn framed(content: &[u8], salt: [u8; SALT_BYTES]) -> Result<Zeroizing<Vec<u8>>, DocumentError> {
    let length = SALT_BYTES + LENGTH_BYTES + content.len();
    let padded = length.next_multiple_of(PADDING);
    if padded > MAX_DOCUMENT_BYTES {
        return Err(DocumentError::TooLong);
    }
    let mut framed = Zeroizing::new(Vec::with_capacity(padded));
    framed.extend_from_slice(&salt);
    framed.extend_from_slice(&(content.len() as u32).to_be_bytes());
    framed.extend_from_slice(content);
    framed.resize(padded, 0);
    Ok(framed)
}

fn unframed(framed: &[u8]) -> Result<Zeroizing<Vec<u8>>, DocumentError> {
    let damaged = || DocumentError::Damaged("its content has not the form of a document".to_owned());
    let rest = framed.get(SALT_BYTES..).ok_or_else(damaged)?;
    let (length, rest) = rest.split_first_chunk::<LENGTH_BYTES>().ok_or_else(damaged)?;
    let content = rest.get(..u32::from_be_bytes(*length) as usize).ok_or_else(damaged)?;
    Ok(Zeroizing::new(content.to_vec()))
}

pub(crate) fn sha256(bytes: &[u8]) -> Digest {
    use sha2::{Digest as _, Sha256};
    Digest::from_bytes(Sha256::digest(bytes).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn content_is_framed_and_padded_and_comes_back() {
        for content in [&b""[..], b"a", &[7; PADDING - 36], &[7; PADDING]] {
            let framed = framed(content, [9; 32]).unwrap();
            assert_eq!(framed.len() % PADDING, 0);
            assert_eq!(*unframed(&framed).unwrap(), content);
        }
        assert_eq!(framed(b"short", [9; 32]).unwrap().len(), framed(b"as long as that", [9; 32]).unwrap().len());
        for damaged in [&b""[..], &[0; 32], &[0xff; 64]] {
            assert!(unframed(damaged).is_err());
        }
        assert!(matches!(framed(&vec![0; MAX_DOCUMENT_BYTES], [0; 32]), Err(DocumentError::TooLong)));
    }
}
