//! Documents: the engine of a page or a program writes, reads and seals them again, with this device's keys and what it has seen.

use crate::{
    Engine,
    document::{self, DocumentError, Draft},
    io::Output,
};
use chacha20::rand_core::Rng as _;
use telcon_identity::{DocumentHead, Flaw, IdentityError, LoggedDocumentVersion, sign_readout};
use telcon_proto::{
    ClientMessage, DocumentId,
    alert::ReportedAlert,
    device_key::{PersonKeys, ProvenDeviceKey},
    document::{DocumentUpload, ProvenDocument},
    message::Logged,
    readout::Readout,
};
use zeroize::Zeroizing;

impl Engine {
    /// The office's server does not have the key that documents are sealed to for this device.
    pub(super) fn publish_key(&mut self, now_ms: u64) {
        let statement = document::own_key(&self.device, now_ms);
        self.send(ClientMessage::PublishKey { statement });
    }

    /// An identifier for a new document.
    pub fn new_document(&mut self) -> DocumentId {
        let mut id = [0; 16];
        self.rng.fill_bytes(&mut id);
        DocumentId::from_bytes(id)
    }

    /// The newest version of a document that this device has seen: the server is asked for versions from this one.
    pub fn known_document(&self, document: &DocumentId) -> Option<DocumentHead> {
        self.state.documents.get(document).copied()
    }

    /// The office's server shows versions of a document (`GET /api/v1/documents/{document}`): they are verified, and the last one is
    /// the oldest that this device accepts from now on.
    ///
    /// # Errors
    /// If they do not verify, or do not continue what this device has seen.
    pub fn see_document(
        &mut self,
        proven: &ProvenDocument,
        now_ms: u64,
    ) -> Result<Vec<LoggedDocumentVersion>, IdentityError> {
        let seen = document::verify(&self.device, &self.state.documents, proven);
        let versions = match seen {
            Ok(versions) => versions,
            Err(error) => {
                if matches!(error, IdentityError::Hostile(_)) {
                    self.report(ReportedAlert::ProofInvalid, None);
                }
                return Err(error);
            }
        };
        let proofs = proven.versions.iter().flat_map(|version| {
            let under = version.delegation.iter().flat_map(|under| [&under.given, &under.device]);
            [&version.signed, &version.device].into_iter().chain(under)
        });
        self.rely_on(proofs, now_ms);
        if let Some(last) = versions.last()
            && self.state.documents.saw(proven.document, last.head())
        {
            self.out.push_back(Output::Persist);
        }
        Ok(versions)
    }

    fn rely_on<'a>(&mut self, proofs: impl Iterator<Item = &'a Logged>, now_ms: u64) {
        let mut checkpoints: Vec<String> = proofs.map(|proof| proof.checkpoint.clone()).collect();
        checkpoints.sort_unstable();
        checkpoints.dedup();
        self.record_log_claims(checkpoints, now_ms);
    }

    /// Seals and signs the next version of a document, or the first of a new one, for `PUT /api/v1/documents/{document}/{version}`.
    /// `before` is what [`Engine::see_document`] returned last; `keys` are those that the server lists of the readers.
    ///
    /// # Errors
    /// [`DocumentError`].
    pub fn write_document(
        &mut self,
        draft: Draft,
        before: Option<&LoggedDocumentVersion>,
        keys: &[PersonKeys],
        custodians: &[String],
        now_ms: u64,
    ) -> Result<DocumentUpload, DocumentError> {
        let mut salt = [0; 32];
        self.rng.fill_bytes(&mut salt);
        let upload = document::write(&self.device, draft, before, keys, custodians, salt, now_ms)?;
        let proofs = keys.iter().flat_map(|keys| &keys.keys).flat_map(|key| [&key.signed, &key.device]);
        self.rely_on(proofs, now_ms);
        Ok(upload)
    }

    /// Signs what the office says in public of a call: the payload of a [`Readout`].
    ///
    /// # Errors
    /// If it is not a readout of this office, or its person may not publish.
    pub fn sign_readout(&self, payload: &[u8]) -> Result<String, IdentityError> {
        let readout = Readout::from_payload(payload).map_err(|_| Flaw::Payload)?;
        if readout.office != *self.device.office().domain() {
            return Err(Flaw::OtherOffice.into());
        }
        let jws = sign_readout(self.device.key(), self.device.chain(), payload);
        // What the others would refuse is not sent.
        self.device.office().verify_readout(&jws)?;
        Ok(jws)
    }

    /// Seals something for this device alone: what a person has written and not sent.
    ///
    /// # Errors
    /// [`DocumentError::Sealing`].
    pub fn seal_unsent(&self, content: &[u8]) -> Result<Vec<u8>, DocumentError> {
        document::seal_unsent(&self.device, content)
    }

    /// Opens what [`Engine::seal_unsent`] returned.
    ///
    /// # Errors
    /// [`DocumentError`].
    pub fn open_unsent(&self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, DocumentError> {
        document::open_unsent(&self.device, sealed)
    }

    /// Opens the sealed file of a version that [`Engine::see_document`] returned.
    ///
    /// # Errors
    /// [`DocumentError`].
    pub fn open_document(
        &self,
        version: &LoggedDocumentVersion,
        ciphertext: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, DocumentError> {
        document::read(&self.device, version, ciphertext)
    }

    /// Seals a version again for a device of a reader that had no key when it was written, if it needs that.
    ///
    /// # Errors
    /// [`DocumentError`].
    pub fn seal_again(
        &mut self,
        version: &LoggedDocumentVersion,
        ciphertext: &[u8],
        key: &ProvenDeviceKey,
        now_ms: u64,
    ) -> Result<Option<Vec<u8>>, DocumentError> {
        let verified = self.device.office().verify_device_key_logged(key)?;
        if !document::needs_seal(version, &verified) {
            return Ok(None);
        }
        let sealed = document::seal_again(&self.device, version, ciphertext, key)?;
        self.rely_on([&key.signed, &key.device].into_iter(), now_ms);
        Ok(Some(sealed))
    }
}
