//! Delegations: a principal's device signs who may act for them, in which ways and how long; and their ends.
//!
//! A delegation is verified wherever an act for somebody else is shown or counts. It is no certificate: a delegate cannot pass it on,
//! and it makes nobody a party of any call but the one that was rung or answered under it.

use crate::{
    chain::VerifiedDevice,
    error::{Flaw, Result, Validity},
    jws,
    key::DeviceKey,
    logged::{LoggedDevice, LoggedEntry},
    office::Office,
    ring::VerifiedRing,
    validity::CLOCK_TOLERANCE_S,
};
use sha2::{Digest as _, Sha256};
use telcon_proto::{
    Card, DelegationId, Digest,
    delegation::{Act, Delegation, DelegationEnd, OnBehalf, ProvenDelegation},
    entry::Entry,
    limits::MAX_DELEGATION_MS,
    message::Logged,
    policy::{Action, allows},
};

/// Type of a delegation (RFC 7515 section 4.1.9).
pub const DELEGATION_TYP: &str = "telcon-delegation+jws";
/// Type of the end of a delegation.
pub const DELEGATION_END_TYP: &str = "telcon-delegation-end+jws";

/// Signs a delegation with the principal's device key and its chain.
pub fn sign_delegation(key: &DeviceKey, chain: &[Vec<u8>], delegation: &Delegation) -> String {
    let payload = serde_json::to_vec(delegation).expect("invariant: strings and numbers are JSON");
    jws::sign(key, DELEGATION_TYP, &payload, chain)
}

/// Signs the end of a delegation.
pub fn sign_delegation_end(key: &DeviceKey, chain: &[Vec<u8>], end: &DelegationEnd) -> String {
    let payload = serde_json::to_vec(end).expect("invariant: strings and numbers are JSON");
    jws::sign(key, DELEGATION_END_TYP, &payload, chain)
}

/// A delegation that a device of a principal signed. Only verification creates one. It does not prove that the log has it
/// ([`LoggedDelegation`]), or that it has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedDelegation {
    content: Delegation,
    device: VerifiedDevice,
    sha256: [u8; 32],
}

impl VerifiedDelegation {
    /// The signed payload.
    pub fn content(&self) -> &Delegation {
        &self.content
    }

    /// The device that signed it.
    pub fn device(&self) -> &VerifiedDevice {
        &self.device
    }

    /// The principal, as certified.
    pub fn principal(&self) -> &Card {
        self.device.card()
    }

    /// SHA-256 over the text of the JWS, as the log has it.
    pub fn sha256(&self) -> Digest {
        Digest::from_bytes(self.sha256)
    }

    /// What a ring says that is signed under it.
    pub fn on_behalf(&self) -> OnBehalf {
        OnBehalf { delegation: self.content.delegation, statement_sha256: self.sha256() }
    }

    /// Checks that it lets this person do this at a time.
    ///
    /// # Errors
    /// [`Flaw::OtherDelegate`], [`Flaw::DelegationAct`]; [`Validity::Delegation`], [`Validity::DelegationNotYet`]; those of the
    /// signing device's certificate.
    pub fn check(&self, act: Act, delegate: &Card, at_ms: u64) -> Result<()> {
        if self.content.delegate != *delegate {
            return Err(Flaw::OtherDelegate.into());
        }
        if !self.content.acts.contains(&act) {
            return Err(Flaw::DelegationAct.into());
        }
        if at_ms > self.content.not_after_ms {
            return Err(Validity::Delegation.into());
        }
        if at_ms.saturating_add(CLOCK_TOLERANCE_S * 1000) < self.content.not_before_ms {
            return Err(Validity::DelegationNotYet.into());
        }
        self.device.check_time(at_ms)
    }
}

/// A delegation that the log has, by a device that the log has. It does not prove that it has not ended: the server is asked not to
/// use one that has, and the log shows a call under it.
#[derive(Clone, Debug, PartialEq)]
pub struct LoggedDelegation {
    delegation: VerifiedDelegation,
    given: LoggedEntry,
    device: LoggedDevice,
}

impl LoggedDelegation {
    /// The delegation.
    pub fn delegation(&self) -> &VerifiedDelegation {
        &self.delegation
    }

    /// Its identifier.
    pub fn id(&self) -> DelegationId {
        self.delegation.content.delegation
    }

    /// The principal, as certified.
    pub fn principal(&self) -> &Card {
        self.delegation.principal()
    }

    /// Who may act.
    pub fn delegate(&self) -> &Card {
        &self.delegation.content.delegate
    }

    /// The entries that prove it.
    pub fn entries(&self) -> [&LoggedEntry; 2] {
        [&self.given, self.device.entry()]
    }
}

/// The end of a delegation, signed by a device of its principal or of somebody who may end all. Only verification creates one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedDelegationEnd {
    content: DelegationEnd,
    device: VerifiedDevice,
    sha256: [u8; 32],
}

impl VerifiedDelegationEnd {
    /// Which delegation.
    pub fn delegation(&self) -> DelegationId {
        self.content.delegation
    }

    /// The device that signed it.
    pub fn device(&self) -> &VerifiedDevice {
        &self.device
    }

    /// SHA-256 over the text of the JWS, as the log has it.
    pub fn sha256(&self) -> Digest {
        Digest::from_bytes(self.sha256)
    }
}

/// What proves that a statement is in the log: its entry, the device that signed it, and the delegation under which it did.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Basis {
    pub(crate) signed: LoggedEntry,
    pub(crate) device: LoggedDevice,
    pub(crate) delegation: Option<LoggedDelegation>,
}

impl Basis {
    /// All entries of it, the statement's own first.
    pub(crate) fn entries(&self) -> Vec<&LoggedEntry> {
        let delegation = self.delegation.iter().flat_map(LoggedDelegation::entries);
        [&self.signed, self.device.entry()].into_iter().chain(delegation).collect()
    }

    /// The delegation, without its proofs.
    pub(crate) fn under(&self) -> Option<&VerifiedDelegation> {
        self.delegation.as_ref().map(LoggedDelegation::delegation)
    }

    /// Checks that the statement's date, by which its delegation was judged and which the signer chose, is within `max_ms` of its entry's.
    ///
    /// # Errors
    /// [`Flaw::EntryTime`].
    pub(crate) fn check_date(&self, at_ms: u64, max_ms: u64) -> Result<()> {
        if self.signed.time_ms().abs_diff(at_ms) > max_ms { Err(Flaw::EntryTime.into()) } else { Ok(()) }
    }
}

impl Office {
    /// Verifies a delegation in everything but the present time: signature and chain of a device of a principal of this office, whose
    /// certificate was valid when it was signed; a delegate of this office who may act for principals; a term that is allowed.
    ///
    /// # Errors
    /// [`Flaw`]s of the signed text and the chain; [`Flaw::OtherOffice`], [`Flaw::DelegationRole`], [`Flaw::OtherPrincipal`],
    /// [`Flaw::DelegationTerm`]; [`Validity::Device`], [`Validity::DeviceNotYet`].
    pub fn verify_delegation(&self, jws: &str) -> Result<VerifiedDelegation> {
        let (device, payload) = self.verify_signed(jws, DELEGATION_TYP)?;
        let content: Delegation = serde_json::from_slice(&payload).map_err(|_| Flaw::Payload)?;
        if content.office != *self.domain() || content.delegate.office != *self.domain() {
            return Err(Flaw::OtherOffice.into());
        }
        if !allows(device.card().role, Action::Delegate) || !allows(content.delegate.role, Action::ActForPrincipal) {
            return Err(Flaw::DelegationRole.into());
        }
        if content.principal != device.card().person || content.delegate.person == content.principal {
            return Err(Flaw::OtherPrincipal.into());
        }
        let Delegation { not_before_ms, not_after_ms, acts, .. } = &content;
        let once = acts.iter().enumerate().all(|(at, act)| !acts[..at].contains(act));
        let term = not_after_ms.checked_sub(*not_before_ms).is_some_and(|term| (1..=MAX_DELEGATION_MS).contains(&term));
        if acts.is_empty() || !once || !term {
            return Err(Flaw::DelegationTerm.into());
        }
        device.check_time(content.at_ms)?;
        Ok(VerifiedDelegation { content, device, sha256: Sha256::digest(jws).into() })
    }

    /// Verifies a delegation, and that it and the device that signed it are in the log.
    ///
    /// # Errors
    /// Those of [`Office::verify_delegation`], [`Office::verify_logged`] and [`Office::verify_device_logged`];
    /// [`Flaw::LogEntry`], [`Flaw::OtherEntry`].
    pub fn verify_delegation_logged(&self, proven: &ProvenDelegation) -> Result<LoggedDelegation> {
        let delegation = self.verify_delegation(&proven.statement)?;
        let device = self.verify_device_logged(delegation.device.clone(), &proven.device)?;
        let given = self.verify_logged(&proven.given)?;
        let Some(Entry::DelegationGiven { delegation: id, device: signer, statement_sha256, until_ms, .. }) =
            given.entry()
        else {
            return Err(Flaw::LogEntry.into());
        };
        let same = *id == delegation.content.delegation
            && *signer == delegation.device.device()
            && *statement_sha256 == delegation.sha256()
            && *until_ms == delegation.content.not_after_ms;
        if !same {
            return Err(Flaw::OtherEntry.into());
        }
        Ok(LoggedDelegation { delegation, given, device })
    }

    /// Verifies what proves that a statement of `signer` is in the log. Whether the entry is that of the statement, and the delegation
    /// the one that it names, is for the caller.
    ///
    /// # Errors
    /// Those of [`Office::verify_logged`], [`Office::verify_device_logged`] and [`Office::verify_delegation_logged`].
    pub(crate) fn verify_basis(
        &self,
        signer: &VerifiedDevice,
        signed: &Logged,
        device: &Logged,
        delegation: Option<&ProvenDelegation>,
    ) -> Result<Basis> {
        Ok(Basis {
            delegation: delegation.map(|under| self.verify_delegation_logged(under)).transpose()?,
            device: self.verify_device_logged(signer.clone(), device)?,
            signed: self.verify_logged(signed)?,
        })
    }

    /// Verifies the end of a delegation: by a device of this office, certificate valid when it was signed. Whether it is a device of
    /// the delegation's principal, or of somebody who may end all, is for the caller, who has the delegation.
    ///
    /// # Errors
    /// [`Flaw`]s of the signed text and the chain; [`Flaw::OtherOffice`]; [`Validity::Device`], [`Validity::DeviceNotYet`].
    pub fn verify_delegation_end(&self, jws: &str) -> Result<VerifiedDelegationEnd> {
        let (device, payload) = self.verify_signed(jws, DELEGATION_END_TYP)?;
        let content: DelegationEnd = serde_json::from_slice(&payload).map_err(|_| Flaw::Payload)?;
        if content.office != *self.domain() {
            return Err(Flaw::OtherOffice.into());
        }
        device.check_time(content.at_ms)?;
        Ok(VerifiedDelegationEnd { content, device, sha256: Sha256::digest(jws).into() })
    }
}

impl VerifiedRing {
    /// Holds a ring on somebody's behalf to the delegation that it names: exactly this statement, to the caller's person, for ringing,
    /// valid when the ring was signed. A ring of one's own needs none.
    ///
    /// # Errors
    /// [`Flaw::DelegationMissing`], [`Flaw::OtherDelegation`], and those of [`VerifiedDelegation::check`].
    pub fn check_delegation(&self, delegation: Option<&VerifiedDelegation>) -> Result<()> {
        match (self.ring().on_behalf, delegation) {
            (None, None) => Ok(()),
            (Some(_), None) => Err(Flaw::DelegationMissing.into()),
            (None, Some(_)) => Err(Flaw::OtherDelegation.into()),
            (Some(named), Some(delegation)) if named != delegation.on_behalf() => Err(Flaw::OtherDelegation.into()),
            (Some(_), Some(delegation)) => delegation.check(Act::Ring, self.device().card(), self.ring().at_ms),
        }
    }
}
