//! Documents on a native device: what its engine seals and verifies, carried to and from the office's server.

use crate::{
    endpoint::Endpoint,
    error::ClientError,
    http::{get_bytes, get_json, put},
};
use telcon_core::{
    Engine,
    document::{DocumentError, Draft},
};
use telcon_identity::LoggedDocumentVersion;
use telcon_proto::{
    DocumentId, PersonId,
    device_key::PersonKeys,
    document::{
        DocumentKept, DocumentKind, DocumentList, DocumentOpening, DocumentVersion, ListedDocument, ProvenDocument,
    },
    http::API_PREFIX,
};
use zeroize::Zeroizing;

/// Documents of the person of a signed-in endpoint.
pub struct Documents<'a> {
    endpoint: &'a Endpoint,
    server: String,
}

async fn blocking<T: Send + 'static>(
    request: impl FnOnce() -> Result<T, ClientError> + Send + 'static,
) -> Result<T, ClientError> {
    tokio::task::spawn_blocking(request).await.map_err(|_| ClientError::EndpointEnded)?
}

impl<'a> Documents<'a> {
    /// Over this endpoint, at the server that it is connected to.
    pub fn new(endpoint: &'a Endpoint, server: String) -> Self {
        Self { endpoint, server }
    }

    /// The person of the endpoint.
    pub(crate) async fn own(&self) -> Result<PersonId, ClientError> {
        self.endpoint.with_engine(|engine, _| engine.device().me().card().person).await
    }

    async fn token(&self) -> Result<String, ClientError> {
        let view = self.endpoint.until(|view| view.token.is_some() && view.caught_up).await?;
        view.token.ok_or(ClientError::EndpointEnded)
    }

    async fn get<T: serde::de::DeserializeOwned + Send + 'static>(&self, path: String) -> Result<T, ClientError> {
        let (url, token) = (format!("{}{API_PREFIX}{path}", self.server), self.token().await?);
        blocking(move || get_json(&url, Some(&token))).await
    }

    /// The documents that this person may read, newest first, with what the server says of them.
    ///
    /// # Errors
    /// When the server refuses, or there is no answer.
    pub async fn list(&self, kind: Option<DocumentKind>) -> Result<Vec<ListedDocument>, ClientError> {
        let mut listed: Vec<ListedDocument> = Vec::new();
        loop {
            let mut query = kind.map(|kind| format!("kind={}&", kind.as_str())).unwrap_or_default();
            if let Some(last) = listed.last() {
                query.push_str(&format!("before={}", last.log_index));
            }
            let page: DocumentList = self.get(format!("/documents?{query}")).await?;
            let more = page.more && !page.documents.is_empty();
            listed.extend(page.documents);
            if !more {
                return Ok(listed);
            }
        }
    }

    /// The versions of a document from the newest that this device had seen, or from the first: verified, and seen from now on.
    ///
    /// # Errors
    /// [`DocumentError`] of what does not verify; when the server refuses, or there is no answer.
    pub async fn see(&self, document: DocumentId) -> Result<Vec<LoggedDocumentVersion>, ClientError> {
        let known = self.endpoint.with_engine(move |engine, _| engine.known_document(&document)).await?;
        self.see_from(document, known.map_or(1, |known| known.version)).await
    }

    /// All versions of a document from the first, verified: who claimed what, when. The newest is the one that this device has seen.
    ///
    /// # Errors
    /// Those of [`Documents::see`].
    pub async fn history(&self, document: DocumentId) -> Result<Vec<LoggedDocumentVersion>, ClientError> {
        let newest = self.see(document).await?.pop().ok_or(DocumentError::NotTheNewest)?;
        let mut history: Vec<LoggedDocumentVersion> = Vec::new();
        loop {
            let before = history.pop();
            let (from, head) = before.as_ref().map_or((1, None), |last| (last.content().version, Some(last.head())));
            let proven: ProvenDocument = self.get(format!("/documents/{document}?from={from}")).await?;
            let verify = move |engine: &mut Engine, _| {
                engine.device().office().verify_document(document, head.as_ref(), &proven.versions)
            };
            let page = self.endpoint.with_engine(verify).await?.map_err(DocumentError::from)?;
            let had = history.len() + usize::from(before.is_some());
            history.extend(page);
            match history.last() {
                Some(last) if last.head() == newest.head() => return Ok(history),
                // Neither is it that version, nor does the page lead on to it.
                Some(last) if last.content().version < newest.content().version && history.len() > had => {}
                _ => return Err(DocumentError::NotTheNewest.into()),
            }
        }
    }

    /// Who opened a copy, newest first, as the server says; an auditor compares it with the log.
    ///
    /// # Errors
    /// When the server refuses, or there is no answer.
    pub async fn openings(&self, copy: DocumentId) -> Result<Vec<DocumentOpening>, ClientError> {
        let proven: ProvenDocument = self.get(format!("/documents/{copy}")).await?;
        Ok(proven.opened)
    }

    async fn see_from(&self, document: DocumentId, mut from: u32) -> Result<Vec<LoggedDocumentVersion>, ClientError> {
        let mut seen: Vec<LoggedDocumentVersion> = Vec::new();
        loop {
            let proven: ProvenDocument = self.get(format!("/documents/{document}?from={from}")).await?;
            let newest = proven.newest;
            let page = self.endpoint.with_engine(move |engine, now_ms| engine.see_document(&proven, now_ms)).await?;
            let page = page.map_err(DocumentError::from)?;
            let last = page.last().map_or(0, |last| last.content().version);
            // Pages overlap by one, so that each continues the one before.
            let overlap = usize::from(!seen.is_empty());
            seen.extend(page.into_iter().skip(overlap));
            if last >= newest {
                return Ok(seen);
            }
            if last <= from {
                return Err(DocumentError::NotTheNewest.into());
            }
            from = last;
        }
    }

    /// Reads the newest version of a document: what its author signed, and the content.
    ///
    /// # Errors
    /// Those of [`Documents::see`]; [`DocumentError`] of a file that does not open, or is not what was signed.
    pub async fn read(&self, document: DocumentId) -> Result<(DocumentVersion, Zeroizing<Vec<u8>>), ClientError> {
        let seen = self.see(document).await?;
        let newest = seen.into_iter().next_back().ok_or(DocumentError::NotTheNewest)?;
        let ciphertext = self.sealed(&newest).await?;
        let content = newest.content().clone();
        let opened = self.endpoint.with_engine(move |engine, _| engine.open_document(&newest, &ciphertext)).await??;
        Ok((content, opened))
    }

    async fn sealed(&self, version: &LoggedDocumentVersion) -> Result<Vec<u8>, ClientError> {
        let content = version.content();
        let url = format!("{}{API_PREFIX}/documents/{}/{}", self.server, content.document, content.version);
        let token = self.token().await?;
        blocking(move || get_bytes(&url, &token)).await
    }

    async fn keys(&self, readers: &[PersonId]) -> Result<Vec<PersonKeys>, ClientError> {
        let mut keys = Vec::new();
        for reader in readers {
            keys.push(self.get(format!("/people/{}/keys", reader.to_hex())).await?);
        }
        Ok(keys)
    }

    /// Writes the next version of a document, or the first of a new one, sealed to the devices of its readers and to custodians. Returns
    /// its number and the index of its log entry.
    ///
    /// # Errors
    /// [`DocumentError`]; when the server refuses (409: somebody was faster: read it, and write again), or there is no answer.
    pub async fn write(&self, draft: Draft, is_new: bool, custodians: Vec<String>) -> Result<(u32, u64), ClientError> {
        let document = draft.document;
        let before = if is_new { None } else { self.see(document).await?.pop() };
        let own = self.own().await?;
        let mut readers = draft.readers.clone();
        if !readers.contains(&own) {
            readers.push(own);
        }
        let keys = self.keys(&readers).await?;
        let version = before.as_ref().map_or(0, |before| before.content().version) + 1;
        let write = move |engine: &mut Engine, now_ms: u64| {
            engine.write_document(draft, before.as_ref(), &keys, &custodians, now_ms)
        };
        let upload = self.endpoint.with_engine(write).await??;
        let url = format!("{}{API_PREFIX}/documents/{document}/{version}", self.server);
        let body = serde_json::to_vec(&upload).map_err(ClientError::Response)?;
        let token = self.token().await?;
        let kept: DocumentKept = blocking(move || {
            serde_json::from_slice(&put(&url, &token, "application/json", &body)?).map_err(ClientError::Response)
        })
        .await?;
        // Seen from now on: a server that withholds what was written here is noticed.
        self.see(document).await?;
        Ok((version, kept.log_index))
    }

    /// Seals the newest version of a document again for the readers' devices whose keys came after it. Returns for how many.
    ///
    /// # Errors
    /// As of [`Documents::read`].
    pub async fn seal_again(&self, document: DocumentId) -> Result<usize, ClientError> {
        let newest = self.see(document).await?.pop().ok_or(DocumentError::NotTheNewest)?;
        let ciphertext = self.sealed(&newest).await?;
        let mut sealed_again = 0;
        for key in self.keys(&newest.content().readers).await?.into_iter().flat_map(|keys| keys.keys) {
            let (version, ciphertext) = (newest.clone(), ciphertext.clone());
            let seal = move |engine: &mut Engine, now_ms: u64| {
                let device = engine.device().office().verify_device_key_logged(&key)?.key().device().device();
                Ok::<_, DocumentError>((device, engine.seal_again(&version, &ciphertext, &key, now_ms)?))
            };
            let (device, Some(sealed)) = self.endpoint.with_engine(seal).await?? else { continue };
            let content = newest.content();
            let url = format!("{}{API_PREFIX}/documents/{document}/{}/seals/{device}", self.server, content.version);
            let token = self.token().await?;
            blocking(move || put(&url, &token, "application/octet-stream", &sealed)).await?;
            sealed_again += 1;
        }
        Ok(sealed_again)
    }

    /// Seals the newest versions of all documents that this person reads again for new devices of their readers, which then read on. What
    /// cannot be opened here, because this device came later itself, is left to others. Returns for how many devices it sealed.
    ///
    /// # Errors
    /// As of [`Documents::read`], but for documents that were not sealed to this device.
    pub async fn seal_all_again(&self) -> Result<usize, ClientError> {
        let mut sealed = 0;
        for listed in self.list(None).await? {
            match self.seal_again(listed.document).await {
                Ok(again) => sealed += again,
                Err(ClientError::Document(DocumentError::NotForThisDevice)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(sealed)
    }
}
