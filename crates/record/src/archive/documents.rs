//! The documents of an archive against its log, and which version of a memorandum was in force when.
//!
//! ```text
//! archive/documents/<id>/<version>-<sha256 hex>.jws  what its author signed about a version, named after its SHA-256
//! archive/documents/<id>/<version>-<sha256 hex>      its sealed file
//! ```
//!
//! The server stores both before the log has the version: of a version in the log neither can be missing, or on its way.

use std::path::Path;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use telcon_files::FileError;
use telcon_proto::DocumentId;
use telcon_proto::document::{About, DocumentKind, DocumentState, DocumentVersion};
use telcon_proto::limits::MAX_DOCUMENT_BYTES;

use super::Audit;
use crate::digest::sha256;
use crate::history::LoggedVersion;
use crate::report::{InForce, MemorandumReport, MemorandumVersion, ProblemKind};
use crate::signature::SignatureVerifier;

/// The archive's directory of documents.
const DOCUMENTS_DIR: &str = "documents";
/// Longest statement of a version, bytes: a hundred readers, and certificates with post-quantum keys and signatures.
const MAX_STATEMENT_BYTES: u64 = 128 * 1024;

fn path(document: DocumentId, logged: &LoggedVersion) -> String {
    format!("{DOCUMENTS_DIR}/{document}/{}-{}", logged.version, logged.statement_sha256)
}

/// The statement of a version as it is in the archive: what the log has the digest of.
fn statement(archive: &Path, document: DocumentId, logged: &LoggedVersion) -> Result<String, String> {
    let bytes = telcon_files::read_beneath(archive, path(document, logged) + ".jws", MAX_STATEMENT_BYTES)
        .map_err(|error| missing("its statement", &error))?;
    if sha256(&bytes) != logged.statement_sha256 {
        return Err("its statement is another one than that in the log".to_owned());
    }
    String::from_utf8(bytes).map_err(|_| "its statement is not text".to_owned())
}

fn missing(what: &str, error: &FileError) -> String {
    match error.is_not_found() {
        true => format!("{what} is not in the archive"),
        false => format!("{what} cannot be read: {error}"),
    }
}

/// What a statement says, before its signature is verified.
fn unverified(statement: &str) -> Option<DocumentVersion> {
    let payload = URL_SAFE_NO_PAD.decode(statement.split('.').nth(1)?).ok()?;
    serde_json::from_slice(&payload).ok()
}

impl Audit {
    /// Verifies every version of every document, or, with a call, of the documents about it: its statement is the one in the log, by a
    /// device that was enrolled and not revoked, whose person might claim this; it follows the one before; its sealed file is the one
    /// that was signed.
    pub(super) fn documents(&mut self, archive: &Path, verifier: &dyn SignatureVerifier, of_call: Option<&str>) {
        for (document, versions) in std::mem::take(&mut self.history.versions) {
            if of_call.is_some() {
                let first = versions.first().and_then(|first| statement(archive, document, first).ok());
                let about = first.and_then(|first| unverified(&first)).and_then(|first| call_of(&first));
                if about.as_deref() != of_call {
                    continue;
                }
            }
            self.document(archive, verifier, document, &versions);
        }
    }

    fn document(
        &mut self,
        archive: &Path,
        verifier: &dyn SignatureVerifier,
        document: DocumentId,
        versions: &[LoggedVersion],
    ) {
        let mut memorandum = None;
        let mut before: Option<(String, DocumentVersion)> = None;
        for logged in versions {
            self.report.document_versions += 1;
            let followed = before.as_ref().map(|(statement, _)| statement.as_str());
            let (statement, content, device) = match self.version(archive, verifier, document, logged, followed) {
                Ok(verified) => verified,
                Err(why) => {
                    let call = before.as_ref().and_then(|(_, content)| call_of(content));
                    let what = before.as_ref().map_or("document", |(_, content)| content.kind.as_str());
                    let text =
                        format!("version {} of {what} {document} (log entry {}): {why}", logged.version, logged.index);
                    self.problem(ProblemKind::Document, call.as_deref(), text);
                    // Nothing is known of what follows.
                    break;
                }
            };
            self.report.document_versions_good += 1;
            if content.kind == DocumentKind::Memorandum {
                let memorandum = memorandum.get_or_insert_with(|| MemorandumReport::new(document, call_of(&content)));
                memorandum.add(MemorandumVersion {
                    version: content.version,
                    state: content.state,
                    author: content.author.name.clone(),
                    organisation: content.author.organisation.clone(),
                    device,
                    logged_ms: logged.time_ms,
                    log_index: logged.index,
                    statement_sha256: logged.statement_sha256,
                });
            }
            before = Some((statement, content));
        }
        if let Some(mut memorandum) = memorandum {
            memorandum.verified = memorandum.versions.len() == versions.len();
            self.report.memoranda.push(memorandum);
        }
    }

    fn version(
        &self,
        archive: &Path,
        verifier: &dyn SignatureVerifier,
        document: DocumentId,
        logged: &LoggedVersion,
        before: Option<&str>,
    ) -> Result<(String, DocumentVersion, String), String> {
        let statement = statement(archive, document, logged)?;
        let signed = verifier.verify_version(&statement, before)?;
        let content = signed.content;
        if content.document != document || content.version != logged.version {
            return Err("its statement is of another document or version".to_owned());
        }
        if before.is_none() && content.version != 1 {
            return Err("the log lacks the versions before it".to_owned());
        }
        let device = self.history.devices.get(&signed.device);
        let enrolled = device.and_then(|device| device.enrolled.iter().map(|enrolled| enrolled.index).min());
        if !self.history.incomplete && enrolled.is_none_or(|enrolled| enrolled >= logged.index) {
            return Err(format!("it is signed by {}, which was not enrolled before", signed.device));
        }
        if device.and_then(|device| device.revoked).is_some_and(|revoked| revoked < logged.index) {
            return Err(format!("it is signed by {}, which was revoked before", signed.device));
        }
        if let Some(on_behalf) = content.on_behalf
            && let Some(what) = self.history.delegation_flaw(on_behalf.delegation, logged.index, content.at_ms)
        {
            return Err(format!("it was signed under {what}"));
        }
        let sealed = telcon_files::read_beneath(archive, path(document, logged), MAX_DOCUMENT_BYTES as u64)
            .map_err(|error| missing("its sealed file", &error))?;
        if sha256(&sealed) != content.ciphertext_sha256 {
            return Err("its sealed file is another one than the one that was signed".to_owned());
        }
        Ok((statement, content, signed.device))
    }
}

fn call_of(content: &DocumentVersion) -> Option<String> {
    match content.about {
        Some(About::Call(call)) => Some(call.to_hex()),
        _ => None,
    }
}

impl MemorandumReport {
    fn new(document: DocumentId, call: Option<String>) -> Self {
        let document = document.to_hex();
        Self { document, call, verified: false, versions: Vec::new(), in_force: Vec::new() }
    }

    /// An approved version is in force until another one is approved, or the memorandum is ended; a draft of the next changes nothing.
    fn add(&mut self, version: MemorandumVersion) {
        let ends = match version.state {
            DocumentState::Draft | DocumentState::Reviewed => false,
            DocumentState::Approved
            | DocumentState::Declined
            | DocumentState::Published
            | DocumentState::Recalled
            | DocumentState::Closed
            | DocumentState::Destroyed => true,
        };
        if ends && let Some(last) = self.in_force.last_mut() {
            last.until_ms.get_or_insert(version.logged_ms);
        }
        if version.state == DocumentState::Approved {
            self.in_force.push(InForce {
                version: version.version,
                approved_by: version.author.clone(),
                from_ms: version.logged_ms,
                until_ms: None,
            });
        }
        self.versions.push(version);
    }
}
