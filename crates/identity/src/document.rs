//! Versions of documents: a device of the author signs each, over the one before; the chain that they make.
//!
//! One version proves what its author said, not that it is the newest. Devices that have seen a newer version refuse an older one, a chain
//! that is shown is verified from its first version or from the one that the device knows, and the log has every version in this order.

use crate::{
    chain::VerifiedDevice,
    delegation::{Basis, LoggedDelegation, VerifiedDelegation},
    error::{Flaw, Result},
    jws,
    key::DeviceKey,
    logged::LoggedEntry,
    office::Office,
};
use sha2::{Digest as _, Sha256};
use telcon_proto::{
    Digest, DocumentId,
    delegation::Act,
    document::{DocumentVersion, ProvenVersion},
    document_policy::{may_begin, may_claim, may_follow},
    entry::Entry,
    policy::{Action, allows},
};

/// Type of a version of a document (RFC 7515 section 4.1.9).
pub const DOCUMENT_TYP: &str = "telcon-document+jws";

/// How far the date that a version was signed with may be from that of its log entry, milliseconds: by the date a delegation is judged, and
/// what was written on a device without a connection is signed when it is sent.
pub const DOCUMENT_MAX_DELAY_MS: u64 = 10 * 60_000;

/// Signs a version of a document with a device key and its chain.
pub fn sign_document(key: &DeviceKey, chain: &[Vec<u8>], version: &DocumentVersion) -> String {
    let payload = serde_json::to_vec(version).expect("invariant: strings and numbers are JSON");
    jws::sign(key, DOCUMENT_TYP, &payload, chain)
}

/// A version of a document that a device signed which may, in everything but a delegation that it names
/// ([`VerifiedVersion::check_delegation`]). Only verification creates one. It does not prove that the log has it
/// ([`LoggedDocumentVersion`]), or that no newer one exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedVersion {
    content: DocumentVersion,
    device: VerifiedDevice,
    sha256: [u8; 32],
}

impl VerifiedVersion {
    /// The signed payload.
    pub fn content(&self) -> &DocumentVersion {
        &self.content
    }

    /// The device that signed it.
    pub fn device(&self) -> &VerifiedDevice {
        &self.device
    }

    /// SHA-256 over the text of the JWS, as the log and the next version have it.
    pub fn sha256(&self) -> Digest {
        Digest::from_bytes(self.sha256)
    }

    /// Holds a version that was signed for a principal to the delegation that it names: exactly this one, to the author, to answer, valid
    /// when it was signed, of somebody who may claim this.
    ///
    /// # Errors
    /// [`Flaw::DelegationMissing`], [`Flaw::OtherDelegation`], [`Flaw::DocumentClaim`], and those of [`VerifiedDelegation::check`].
    pub fn check_delegation(&self, delegation: Option<&VerifiedDelegation>) -> Result<()> {
        match (self.content.on_behalf, delegation) {
            (None, None) => Ok(()),
            (Some(_), None) => Err(Flaw::DelegationMissing.into()),
            (None, Some(_)) => Err(Flaw::OtherDelegation.into()),
            (Some(named), Some(delegation)) if named != delegation.on_behalf() => Err(Flaw::OtherDelegation.into()),
            (Some(_), Some(delegation)) => {
                let principal = delegation.principal();
                if !may_claim(principal.role, self.content.kind, self.content.state)
                    || self.content.readers.binary_search(&principal.person).is_err()
                {
                    return Err(Flaw::DocumentClaim.into());
                }
                delegation.check(Act::Answer, self.device.card(), self.content.at_ms)
            }
        }
    }

    /// Checks that another version follows this one: of the same document, kind and subject, naming this one, in a state that may follow,
    /// by somebody who could read this one.
    ///
    /// # Errors
    /// [`Flaw::OtherDocument`], [`Flaw::DocumentVersion`], [`Flaw::DocumentState`], [`Flaw::DocumentAuthor`].
    pub fn check_next(&self, next: &Self) -> Result<()> {
        let (old, new) = (&self.content, &next.content);
        if new.document != old.document || new.kind != old.kind || new.about != old.about {
            return Err(Flaw::OtherDocument.into());
        }
        if new.version != old.version.saturating_add(1) || new.previous != Some(self.sha256()) {
            return Err(Flaw::DocumentVersion.into());
        }
        if !may_follow(old.state, new.state) {
            return Err(Flaw::DocumentState.into());
        }
        // Only a reader of a version writes the next one: otherwise a server could add readers through an author of its choice.
        if old.readers.binary_search(&new.author.person).is_err() {
            return Err(Flaw::DocumentAuthor.into());
        }
        Ok(())
    }

    /// Checks that a sealed file is the one that was signed.
    ///
    /// # Errors
    /// [`Flaw::DocumentContent`].
    pub fn check_ciphertext(&self, ciphertext: &[u8]) -> Result<()> {
        check_digest(ciphertext, self.content.ciphertext_sha256)
    }

    /// Checks that opened content is what was signed, from whichever sealed file it came.
    ///
    /// # Errors
    /// [`Flaw::DocumentContent`].
    pub fn check_content(&self, content: &[u8]) -> Result<()> {
        check_digest(content, self.content.content_sha256)
    }
}

fn check_digest(bytes: &[u8], signed: Digest) -> Result<()> {
    let found: [u8; 32] = Sha256::digest(bytes).into();
    if found == *signed.as_bytes() { Ok(()) } else { Err(Flaw::DocumentContent.into()) }
}

/// A version of a document that the log has, by a device that the log has and that was not revoked before, under a delegation that the log
/// has if it names one.
#[derive(Clone, Debug, PartialEq)]
pub struct LoggedDocumentVersion {
    version: VerifiedVersion,
    basis: Basis,
}

impl LoggedDocumentVersion {
    /// The version.
    pub fn version(&self) -> &VerifiedVersion {
        &self.version
    }

    /// The signed payload.
    pub fn content(&self) -> &DocumentVersion {
        &self.version.content
    }

    /// Its entry.
    pub fn entry(&self) -> &LoggedEntry {
        &self.basis.signed
    }

    /// The delegation under which it was signed.
    pub fn delegation(&self) -> Option<&LoggedDelegation> {
        self.basis.delegation.as_ref()
    }

    /// Which version of its document it is, to be remembered.
    pub fn head(&self) -> DocumentHead {
        DocumentHead { version: self.content().version, statement_sha256: self.version.sha256() }
    }

    /// The entries that prove it.
    pub fn entries(&self) -> Vec<&LoggedEntry> {
        self.basis.entries()
    }
}

/// A version that a device has verified, below which it accepts none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct DocumentHead {
    /// Its number.
    pub version: u32,
    /// SHA-256 of its statement.
    pub statement_sha256: Digest,
}

impl Office {
    /// Verifies a version of a document in everything but the version before it and a delegation that it names: signature and chain of a
    /// device of this office, whose certificate was valid when it was signed, and whose person is the author; numbers and lists within
    /// their limits; a role that may claim this.
    ///
    /// # Errors
    /// [`Flaw`]s of the signed text and the chain; [`Flaw::OtherOffice`], [`Flaw::DocumentForm`], [`Flaw::DocumentAuthor`],
    /// [`Flaw::DocumentClaim`], [`Flaw::DocumentState`]; [`crate::Validity`] of the certificate.
    pub fn verify_version(&self, jws: &str) -> Result<VerifiedVersion> {
        let (device, payload) = self.verify_signed(jws, DOCUMENT_TYP)?;
        let content: DocumentVersion = serde_json::from_slice(&payload).map_err(|_| Flaw::Payload)?;
        if content.office != *self.domain() {
            return Err(Flaw::OtherOffice.into());
        }
        if content.author != *device.card() {
            return Err(Flaw::DocumentAuthor.into());
        }
        if !content.is_well_formed() {
            return Err(Flaw::DocumentForm.into());
        }
        let role = content.author.role;
        // What the delegation is, and whose, is checked with it.
        let for_other = content.on_behalf.is_some() && allows(role, Action::ActForPrincipal);
        if !may_claim(role, content.kind, content.state) && !for_other {
            return Err(Flaw::DocumentClaim.into());
        }
        if content.version == 1 && !may_begin(content.kind, content.state) {
            return Err(Flaw::DocumentState.into());
        }
        device.check_time(content.at_ms)?;
        Ok(VerifiedVersion { content, device, sha256: Sha256::digest(jws).into() })
    }

    /// Verifies a version of a document, and that it, the device that signed it and the delegation that it names are in the log, and the
    /// device's revocation, if it was revoked, is not before it.
    ///
    /// # Errors
    /// Those of [`Office::verify_version`], [`Office::verify_logged`], [`Office::verify_device_logged`],
    /// [`Office::verify_delegation_logged`] and [`VerifiedVersion::check_delegation`]; [`Flaw::LogEntry`], [`Flaw::OtherEntry`],
    /// [`Flaw::EntryTime`], [`Flaw::RevokedSigner`].
    pub fn verify_version_logged(&self, proven: &ProvenVersion) -> Result<LoggedDocumentVersion> {
        let version = self.verify_version(&proven.statement)?;
        let basis = self.verify_basis(&version.device, &proven.signed, &proven.device, proven.delegation.as_deref())?;
        version.check_delegation(basis.under())?;
        let signed = &basis.signed;
        let Some(Entry::DocumentVersion { document, version: number, statement_sha256, .. }) = signed.entry() else {
            return Err(Flaw::LogEntry.into());
        };
        let same = *document == version.content.document
            && *number == version.content.version
            && *statement_sha256 == version.sha256();
        if !same {
            return Err(Flaw::OtherEntry.into());
        }
        basis.check_date(version.content.at_ms, DOCUMENT_MAX_DELAY_MS)?;
        if signed.index() <= basis.device.entry().index() {
            return Err(Flaw::DocumentOrder.into());
        }
        if let Some(revoked) = &proven.revoked {
            let entry = self.verify_logged(revoked)?;
            match entry.entry() {
                Some(Entry::DeviceRevoked { device: id, .. }) if *id == version.device.device() => {}
                Some(_) => return Err(Flaw::OtherEntry.into()),
                None => return Err(Flaw::LogEntry.into()),
            }
            if entry.index() < signed.index() {
                return Err(Flaw::RevokedSigner.into());
            }
        }
        Ok(LoggedDocumentVersion { version, basis })
    }

    /// Verifies the versions of a document that a server shows, in their order: from the first one, or from the one that the device knows;
    /// in either case up to that one at least.
    /// Returns them; the last is the newest that is shown.
    ///
    /// # Errors
    /// Those of [`Office::verify_version_logged`] and [`VerifiedVersion::check_next`]; [`Flaw::OtherDocument`] of another document's;
    /// [`Flaw::DocumentVersion`] if there is none, or they begin elsewhere; [`Flaw::DocumentFork`] if the version that is known is another
    /// one; [`Flaw::DocumentOrder`] if the log has them in another order.
    pub fn verify_document(
        &self,
        document: DocumentId,
        known: Option<&DocumentHead>,
        versions: &[ProvenVersion],
    ) -> Result<Vec<LoggedDocumentVersion>> {
        let mut verified: Vec<LoggedDocumentVersion> = Vec::with_capacity(versions.len());
        for proven in versions {
            let next = self.verify_version_logged(proven)?;
            if next.content().document != document {
                return Err(Flaw::OtherDocument.into());
            }
            match (verified.last(), known) {
                (Some(before), _) => {
                    before.version.check_next(&next.version)?;
                    if before.entry().index() >= next.entry().index() {
                        return Err(Flaw::DocumentOrder.into());
                    }
                }
                (None, _) if next.content().version == 1 => {}
                (None, Some(known)) if next.content().version == known.version => {}
                (None, _) => return Err(Flaw::DocumentVersion.into()),
            }
            let same_number = known.filter(|known| known.version == next.content().version);
            if same_number.is_some_and(|known| known.statement_sha256 != next.version.sha256()) {
                return Err(Flaw::DocumentFork.into());
            }
            verified.push(next);
        }
        // Versions before the known one are bound to it by the ones in between.
        let last = verified.last().ok_or(Flaw::DocumentVersion)?.content().version;
        if known.is_some_and(|known| last < known.version) {
            return Err(Flaw::DocumentVersion.into());
        }
        Ok(verified)
    }
}
