//! Documents: the engine seals, verifies and opens; the page carries bytes to and from the office's HTTP API.

use crate::{Telcon, fail};
use telcon_core::page::{PageDraft, PageVersion};
use telcon_identity::LoggedDocumentVersion;
use telcon_proto::{
    DocumentId,
    device_key::{PersonKeys, ProvenDeviceKey},
    document::ProvenDocument,
};
use wasm_bindgen::prelude::*;

fn document_id(text: &str) -> Result<DocumentId, JsError> {
    serde_json::from_value(text.into()).map_err(fail)
}

impl Telcon {
    fn seen(&self, document: &str, version: u32) -> Result<&LoggedDocumentVersion, JsError> {
        let seen = self.documents.get(&document_id(document)?).and_then(|versions| versions.get(&version));
        seen.ok_or_else(|| JsError::new("this version of the document was not read yet: read it first"))
    }
}

#[wasm_bindgen]
impl Telcon {
    /// An identifier for a new document.
    pub fn new_document(&mut self) -> String {
        self.engine.new_document().to_string()
    }

    /// The number of the newest version that this device has seen: the office is asked for versions from this one.
    pub fn known_document(&self, document: &str) -> Result<Option<u32>, JsError> {
        Ok(self.engine.known_document(&document_id(document)?).map(|head| head.version))
    }

    /// Takes JSON of a `ProvenDocument`; returns JSON of `PageVersion[]`, verified. They can be opened, and followed, from now on.
    pub fn see_document(&mut self, proven: &str, now_ms: f64) -> Result<String, JsError> {
        let proven: ProvenDocument = serde_json::from_str(proven).map_err(fail)?;
        let versions = self.engine.see_document(&proven, now_ms as u64).map_err(fail)?;
        let shown: Vec<_> = versions.iter().map(PageVersion::new).collect();
        let seen = self.documents.entry(proven.document).or_default();
        seen.extend(versions.into_iter().map(|version| (version.content().version, version)));
        serde_json::to_string(&shown).map_err(fail)
    }

    /// Forgets what was read of a document; that a device accepts no older version stays.
    pub fn forget_document(&mut self, document: &str) -> Result<(), JsError> {
        self.documents.remove(&document_id(document)?);
        Ok(())
    }

    /// Opens the sealed file of a version that was seen.
    pub fn open_document(&self, document: &str, version: u32, ciphertext: &[u8]) -> Result<Vec<u8>, JsError> {
        let opened = self.engine.open_document(self.seen(document, version)?, ciphertext).map_err(fail)?;
        Ok(opened.to_vec())
    }

    /// Takes JSON of a `PageDraft`, its content, JSON of the readers' `PersonKeys[]`, and which version it follows: 0 for the first.
    /// Returns JSON of a `DocumentUpload`.
    pub fn write_document(
        &mut self,
        draft: &str,
        content: &[u8],
        keys: &str,
        follows: u32,
        now_ms: f64,
    ) -> Result<String, JsError> {
        let draft: PageDraft = serde_json::from_str(draft).map_err(fail)?;
        let keys: Vec<PersonKeys> = serde_json::from_str(keys).map_err(fail)?;
        let before = match follows {
            0 => None,
            version => Some(self.seen(&draft.document.to_string(), version)?.clone()),
        };
        let (draft, custodians) = draft.with_content(content);
        let upload = self.engine.write_document(draft, before.as_ref(), &keys, &custodians, now_ms as u64);
        serde_json::to_string(&upload.map_err(fail)?).map_err(fail)
    }

    /// Seals a version again for a device whose key (JSON of a `ProvenDeviceKey`) is newer than it; nothing if it needs none.
    pub fn seal_document_again(
        &mut self,
        document: &str,
        version: u32,
        ciphertext: &[u8],
        key: &str,
        now_ms: f64,
    ) -> Result<Option<Vec<u8>>, JsError> {
        let version = self.seen(document, version)?.clone();
        let key: ProvenDeviceKey = serde_json::from_str(key).map_err(fail)?;
        self.engine.seal_again(&version, ciphertext, &key, now_ms as u64).map_err(fail)
    }

    /// Takes JSON of `PersonKeys`; returns JSON of the person's `Card`, as the certificate of their device says it; `null` without a key.
    pub fn card_of_keys(&self, keys: &str) -> Result<String, JsError> {
        let keys: PersonKeys = serde_json::from_str(keys).map_err(fail)?;
        serde_json::to_string(&telcon_core::document::card_of(self.engine.device(), &keys).map_err(fail)?).map_err(fail)
    }

    /// What a delegation's statement says (JSON of a `Delegation`), if a principal's device of this office signed it.
    pub fn delegation_of(&self, statement: &str) -> Result<String, JsError> {
        let verified = self.engine.device().office().verify_delegation(statement).map_err(fail)?;
        serde_json::to_string(verified.content()).map_err(fail)
    }

    /// The device of a `ProvenDeviceKey` (JSON), verified.
    pub fn device_of_key(&self, key: &str) -> Result<String, JsError> {
        let key: ProvenDeviceKey = serde_json::from_str(key).map_err(fail)?;
        let verified = self.engine.device().office().verify_device_key_logged(&key).map_err(fail)?;
        Ok(verified.key().device().device().to_string())
    }

    /// Signs the payload of a readout (JSON as the module of papers writes it): returns the signed text that is published.
    pub fn sign_readout(&self, payload: &str) -> Result<String, JsError> {
        self.engine.sign_readout(payload.as_bytes()).map_err(fail)
    }

    /// Seals something for this device alone: what a person has written and not sent, to be stored by the browser.
    pub fn seal_unsent(&self, content: &[u8]) -> Result<Vec<u8>, JsError> {
        self.engine.seal_unsent(content).map_err(fail)
    }

    /// Opens what [`Telcon::seal_unsent`] returned.
    pub fn open_unsent(&self, sealed: &[u8]) -> Result<Vec<u8>, JsError> {
        Ok(self.engine.open_unsent(sealed).map_err(fail)?.to_vec())
    }
}
