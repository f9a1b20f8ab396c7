//! The offices that a device trusts, and the selection of the office to verify with.
//!
//! Every statement names an office: the issuer in a certificate, the office in a proof or in an identifier. The name is a
//! claim. It selects the authority and the log to verify with, and the statement is verified against that office alone: no
//! office certifies another, and no other key is tried.

use crate::{
    chain::{VerifiedDevice, claimed_office},
    delegation::{DELEGATION_TYP, LoggedDelegation},
    error::{Flaw, Mismatch, Result},
    jws,
    line::{LINE_TYP, LoggedLine},
    logged::{LoggedDevice, LoggedEntry, LoggedRing},
    office::Office,
    ring::{RING_TYP, VerifiedRing},
    statement::{RECORD_TYP, VerifiedRecord},
};
use std::collections::BTreeMap;
use telcon_proto::{CallId, Digest, OfficeName, delegation::ProvenDelegation, line::ProvenLine, message::Logged};

/// The offices that a device trusts: its home office, and others that were added.
#[derive(Clone, Debug)]
pub struct TrustStore {
    home: Office,
    others: BTreeMap<OfficeName, Office>,
}

impl From<Office> for TrustStore {
    fn from(home: Office) -> Self {
        Self::new(home)
    }
}

impl TrustStore {
    /// Trusts the home office, and no other.
    pub fn new(home: Office) -> Self {
        Self { home, others: BTreeMap::new() }
    }

    /// The office of the device itself.
    pub fn home(&self) -> &Office {
        &self.home
    }

    /// The office of this name.
    ///
    /// # Errors
    /// [`Mismatch::UnknownOffice`].
    pub fn office(&self, name: &OfficeName) -> Result<&Office> {
        if name == self.home.domain() {
            return Ok(&self.home);
        }
        Ok(self.others.get(name).ok_or(Mismatch::UnknownOffice)?)
    }

    /// All offices, the home office first.
    pub fn offices(&self) -> impl Iterator<Item = &Office> {
        std::iter::once(&self.home).chain(self.others.values())
    }

    /// Trusts another office, which the caller pinned by a digest obtained out of band. Adding the same authority again changes
    /// nothing: the first pinned description stays.
    ///
    /// # Errors
    /// [`Flaw::SecondAuthority`] if this store has an office of the same name and another authority, [`Flaw::SecondLog`] if
    /// it has the same authority with another log.
    pub fn add(&mut self, office: Office) -> Result<()> {
        match self.office(office.domain()) {
            Ok(known) if known.authority_sha256() != office.authority_sha256() => Err(Flaw::SecondAuthority.into()),
            Ok(known) if known.log_key() != office.log_key() => Err(Flaw::SecondLog.into()),
            Ok(_) => Ok(()),
            Err(_) => {
                self.others.insert(office.domain().clone(), office);
                Ok(())
            }
        }
    }

    /// Verifies a chain up to the authority that it claims, as [`Office::verify_chain`].
    ///
    /// # Errors
    /// [`Mismatch::UnknownOffice`], and those of [`Office::verify_chain`].
    pub fn verify_chain(&self, chain: &[impl AsRef<[u8]>], now_ms: u64) -> Result<VerifiedDevice> {
        self.office(&claimed_office(chain)?)?.verify_chain(chain, now_ms)
    }

    /// Verifies a new ring against the office of the device that signed it, as [`Office::verify_ring`]. It may be
    /// to another office: see [`TrustStore::check_home_ring`].
    ///
    /// # Errors
    /// [`Mismatch::UnknownOffice`], and those of [`Office::verify_ring`].
    pub fn verify_ring(&self, jws: &str, now_ms: u64) -> Result<VerifiedRing> {
        self.signers_office(jws, RING_TYP)?.verify_ring(jws, now_ms)
    }

    /// Verifies a past ring against the office of the device that signed it, as [`Office::verify_ring_past`].
    ///
    /// # Errors
    /// [`Mismatch::UnknownOffice`], and those of [`Office::verify_ring_past`].
    pub fn verify_ring_past(&self, jws: &str) -> Result<VerifiedRing> {
        self.signers_office(jws, RING_TYP)?.verify_ring_past(jws)
    }

    /// Verifies a delegation and its proofs against the office of the device that signed it, as
    /// [`Office::verify_delegation_logged`].
    ///
    /// # Errors
    /// [`Mismatch::UnknownOffice`], and those of [`Office::verify_delegation_logged`].
    pub fn verify_delegation_logged(&self, proven: &ProvenDelegation) -> Result<LoggedDelegation> {
        self.signers_office(&proven.statement, DELEGATION_TYP)?.verify_delegation_logged(proven)
    }

    /// Verifies a version of a line and its proofs against the office of the device that signed it, as
    /// [`Office::verify_line_logged`].
    ///
    /// # Errors
    /// [`Mismatch::UnknownOffice`], and those of [`Office::verify_line_logged`].
    pub fn verify_line_logged(&self, proven: &ProvenLine) -> Result<LoggedLine> {
        self.signers_office(&proven.statement, LINE_TYP)?.verify_line_logged(proven)
    }

    /// Checks that caller, callee and call of a ring belong to the home office. Calls between offices are not implemented: no
    /// honest switchboard forwards such a ring.
    ///
    /// # Errors
    /// [`Mismatch::BetweenOffices`].
    pub fn check_home_ring(&self, ring: &VerifiedRing) -> Result<()> {
        match ring.ring().is_within(self.home.domain()) {
            true => Ok(()),
            false => Err(Mismatch::BetweenOffices.into()),
        }
    }

    /// Verifies a record's signature against the office of the device that signed it, as [`Office::verify_record`].
    ///
    /// # Errors
    /// [`Mismatch::UnknownOffice`], and those of [`Office::verify_record`].
    pub fn verify_record(&self, jws: &str, call: CallId, record_digest: &Digest) -> Result<VerifiedRecord> {
        self.signers_office(jws, RECORD_TYP)?.verify_record(jws, call, record_digest)
    }

    /// Verifies an entry against the log of the office that the proof names, of the home office if it names none. The
    /// caller has to check that it is the right log ([`LoggedEntry::office`]).
    ///
    /// # Errors
    /// [`Mismatch::UnknownOffice`], and those of [`Office::verify_logged`].
    pub fn verify_logged(&self, logged: &Logged) -> Result<LoggedEntry> {
        self.office(self.named_in(logged))?.verify_logged(logged)
    }

    /// Verifies that a device is in the log of the office that certified it, as [`Office::verify_device_logged`].
    ///
    /// # Errors
    /// [`Flaw::OtherOffice`] if the proof is from another office's log; [`Mismatch::UnknownOffice`], and those of
    /// [`Office::verify_device_logged`].
    pub fn verify_device_logged(&self, device: VerifiedDevice, logged: &Logged) -> Result<LoggedDevice> {
        let office = self.office_of_proof(device.office(), logged)?;
        office.verify_device_logged(device, logged)
    }

    /// Verifies that the opening of a ring's call is in the log of the call's office, as [`Office::verify_opening`].
    ///
    /// # Errors
    /// [`Flaw::OtherOffice`] if the proof is from another office's log; [`Mismatch::UnknownOffice`], and those of
    /// [`Office::verify_opening`].
    pub fn verify_opening(&self, ring: VerifiedRing, opened: &Logged) -> Result<LoggedRing> {
        let office = self.office_of_proof(&ring.ring().call.office, opened)?;
        office.verify_opening(ring, opened)
    }

    /// The office of the device that claims to have signed a text with its chain.
    fn signers_office(&self, token: &str, typ: &str) -> Result<&Office> {
        let signed = jws::decode(token)?;
        if signed.typ() != typ {
            return Err(Flaw::JwsType.into());
        }
        self.office(&claimed_office(signed.x5c())?)
    }

    /// The office whose log has to contain a statement of `wanted`. A proof that names no office is of the home office's log
    /// and proves nothing about another office.
    fn office_of_proof(&self, wanted: &OfficeName, logged: &Logged) -> Result<&Office> {
        let office = self.office(wanted)?;
        match self.named_in(logged) == wanted {
            true => Ok(office),
            false => Err(Flaw::OtherOffice.into()),
        }
    }

    fn named_in<'a>(&'a self, logged: &'a Logged) -> &'a OfficeName {
        logged.office.as_ref().unwrap_or(self.home.domain())
    }
}
