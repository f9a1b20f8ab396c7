//! Statements of the two registrars that recover a person who lost all devices.
//!
//! Both are compact JWS with the signer's registrar certificate beside it, as revocations are; the log has them without the certificate,
//! which names people. Who may sign: a registrar that may enrol the person's role; never for itself; and the second is another
//! person's than the first.

use crate::{
    certificate::Certificate,
    error::{Flaw, Misuse, Result, Validity},
    jws,
    key::DeviceKey,
    office::Office,
    registrar::{with_certificate, without_certificate},
    rights::{BESIDE, Registrar, verify_registrar},
    validity::CLOCK_TOLERANCE_S,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest as _, Sha256};
use telcon_proto::{
    DeviceId, Digest, InvitationId, PersonId, RecoveryId, Role,
    limits::RECOVERY_MS,
    recovery::{RecoveryConfirmation, RecoveryReason, RecoveryStatement, person_commitment},
};

/// Type of the statement that opens a recovery (RFC 7515 section 4.1.9).
pub const RECOVERY_TYP: &str = "telcon-recovery+jws";
/// Type of its confirmation.
pub const RECOVERY_CONFIRMATION_TYP: &str = "telcon-recovery-confirmation+jws";

/// A registrar's statement that a person lost all devices. Only verification creates one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedRecovery {
    statement: RecoveryStatement,
    registrar: Registrar,
    jws_sha256: Digest,
}

impl VerifiedRecovery {
    /// Which recovery.
    pub fn recovery(&self) -> RecoveryId {
        self.statement.recovery
    }

    /// Why.
    pub fn reason(&self) -> RecoveryReason {
        self.statement.reason
    }

    /// When it was signed, milliseconds since 1970 UTC by the registrar's clock.
    pub fn at_ms(&self) -> u64 {
        self.statement.at_ms
    }

    /// Whether it may be confirmed at a time: within [`RECOVERY_MS`], and the tolerance of clocks. A server that withholds a
    /// statement cannot show it as new later.
    pub fn may_be_confirmed(&self, at_ms: u64) -> bool {
        let tolerance_ms = CLOCK_TOLERANCE_S * 1000;
        let opened_ms = self.statement.at_ms;
        (opened_ms.saturating_sub(tolerance_ms)..=opened_ms.saturating_add(RECOVERY_MS + tolerance_ms)).contains(&at_ms)
    }

    /// The registrar that signed it.
    pub fn registrar(&self) -> &Registrar {
        &self.registrar
    }

    /// Whether it is for this person.
    pub fn is_of(&self, person: PersonId) -> bool {
        self.statement.person_sha256 == commitment(person, self.statement.recovery)
    }

    /// Whether its signer may enrol people of this role.
    pub fn is_allowed(&self, role: Role) -> bool {
        self.registrar.roles().contains(&role)
    }
}

/// A confirmation of a recovery, by another person's registrar. Only verification creates one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedConfirmation {
    confirmation: RecoveryConfirmation,
    registrar: Registrar,
}

impl VerifiedConfirmation {
    /// Which recovery.
    pub fn recovery(&self) -> RecoveryId {
        self.confirmation.recovery
    }

    /// The invitation with which the new device asks.
    pub fn invitation(&self) -> InvitationId {
        self.confirmation.invitation
    }

    /// The devices that are revoked with it.
    pub fn devices(&self) -> &[DeviceId] {
        &self.confirmation.devices
    }

    /// The registrar that signed it.
    pub fn registrar(&self) -> &Registrar {
        &self.registrar
    }

    /// Whether its signer may enrol people of this role.
    pub fn is_allowed(&self, role: Role) -> bool {
        self.registrar.roles().contains(&role)
    }
}

impl Registrar {
    /// States that a person lost all devices. The identifier must be fresh and random.
    ///
    /// # Errors
    /// [`Misuse::RegistrarKey`] if `key` is not this registrar's; [`Misuse::SamePerson`] if it is about the registrar's own person.
    pub fn open_recovery(
        &self,
        key: &DeviceKey,
        recovery: RecoveryId,
        person: PersonId,
        reason: RecoveryReason,
        now_ms: u64,
    ) -> Result<String> {
        if person == self.card().person {
            return Err(Misuse::SamePerson.into());
        }
        let statement = RecoveryStatement {
            office: self.card().office.to_string(),
            recovery,
            person_sha256: commitment(person, recovery),
            reason,
            at_ms: now_ms,
            by: self.device(),
        };
        self.state(key, RECOVERY_TYP, &statement)
    }

    /// Confirms what another person's registrar stated. `devices` are the person's, which are revoked with it.
    ///
    /// # Errors
    /// [`Misuse::RegistrarKey`] if `key` is not this registrar's; [`Misuse::SamePerson`] if its person opened the recovery, or is
    /// recovered by it.
    pub fn confirm_recovery(
        &self,
        key: &DeviceKey,
        opened: &VerifiedRecovery,
        invitation: InvitationId,
        devices: Vec<DeviceId>,
        now_ms: u64,
    ) -> Result<String> {
        if !are_two_people(&opened.registrar, self) || opened.is_of(self.card().person) {
            return Err(Misuse::SamePerson.into());
        }
        let confirmation = RecoveryConfirmation {
            office: self.card().office.to_string(),
            recovery: opened.recovery(),
            opened_sha256: opened.jws_sha256,
            invitation,
            devices,
            at_ms: now_ms,
            by: self.device(),
        };
        self.state(key, RECOVERY_CONFIRMATION_TYP, &confirmation)
    }

    fn state(&self, key: &DeviceKey, typ: &str, statement: &impl Serialize) -> Result<String> {
        if key.public_bytes() != self.public_key() {
            return Err(Misuse::RegistrarKey.into());
        }
        let payload = serde_json::to_vec(statement).expect("invariant: strings and numbers are JSON");
        Ok(with_certificate(&jws::sign(key, typ, &payload, &[]), self.der()))
    }
}

impl Office {
    /// Verifies a registrar's statement that a person lost all devices (a JWS, `~`, base64 of its certificate). Whether it may enrol
    /// that person, by role and by the log, is for the caller.
    ///
    /// # Errors
    /// [`Flaw`]s of the signed text and the certificate; [`Flaw::OtherOffice`], [`Flaw::OtherDevice`], [`Validity::Registrar`];
    /// [`Flaw::SameRegistrar`] if it is about its signer's own person.
    pub fn verify_recovery(&self, statement: &str) -> Result<VerifiedRecovery> {
        let (registrar, statement, jws_sha256) =
            self.registrars_statement::<RecoveryStatement>(statement, RECOVERY_TYP)?;
        self.check_signer(&registrar, &statement.office, statement.by, statement.at_ms)?;
        let verified = VerifiedRecovery { statement, registrar, jws_sha256 };
        if verified.is_of(verified.registrar.card().person) {
            return Err(Flaw::SameRegistrar.into());
        }
        Ok(verified)
    }

    /// Verifies the confirmation of exactly this statement, by another person's registrar.
    ///
    /// # Errors
    /// Those of [`Office::verify_recovery`]; [`Flaw::SameRegistrar`] if its person opened the recovery, or is recovered by it;
    /// [`Flaw::OtherApproval`] if it is for another recovery or another statement.
    pub fn verify_recovery_confirmation(
        &self,
        statement: &str,
        opened: &VerifiedRecovery,
    ) -> Result<VerifiedConfirmation> {
        let (registrar, confirmation, _) =
            self.registrars_statement::<RecoveryConfirmation>(statement, RECOVERY_CONFIRMATION_TYP)?;
        self.check_signer(&registrar, &confirmation.office, confirmation.by, confirmation.at_ms)?;
        if confirmation.recovery != opened.recovery() || confirmation.opened_sha256 != opened.jws_sha256 {
            return Err(Flaw::OtherApproval.into());
        }
        if !are_two_people(&opened.registrar, &registrar) || opened.is_of(registrar.card().person) {
            return Err(Flaw::SameRegistrar.into());
        }
        if !opened.may_be_confirmed(confirmation.at_ms) {
            return Err(Validity::Recovery.into());
        }
        Ok(VerifiedConfirmation { confirmation, registrar })
    }

    fn registrars_statement<T: DeserializeOwned>(&self, statement: &str, typ: &str) -> Result<(Registrar, T, Digest)> {
        let (jws, certificate) = statement.split_once(BESIDE).ok_or(Flaw::CertificateForm)?;
        let der = STANDARD.decode(certificate).map_err(|_| Flaw::CertificateForm)?;
        let certificate = Certificate::read(&der)?;
        let rights = verify_registrar(&self.authority, &certificate)?;
        let registrar = Registrar { certificate, rights };
        let payload = jws::verify(jws, typ, self.suite(), registrar.public_key())?;
        let content = serde_json::from_slice(&payload).map_err(|_| Flaw::Payload)?;
        Ok((registrar, content, Digest::from_bytes(Sha256::digest(jws).into())))
    }

    fn check_signer(&self, registrar: &Registrar, office: &str, by: DeviceId, at_ms: u64) -> Result<()> {
        if *self.domain() != *office {
            return Err(Flaw::OtherOffice.into());
        }
        if by != registrar.device() {
            return Err(Flaw::OtherDevice.into());
        }
        if !registrar.rights.key_use.contains_s(at_ms / 1000) {
            return Err(Validity::Registrar.into());
        }
        Ok(())
    }
}

/// The recovery that a confirmation names, unverified.
pub fn claimed_recovery_id(statement: &str) -> Option<RecoveryId> {
    let signed = jws::decode(without_certificate(statement)).ok()?;
    serde_json::from_slice::<RecoveryConfirmation>(signed.claimed_payload()).ok().map(|claimed| claimed.recovery)
}

fn are_two_people(one: &Registrar, other: &Registrar) -> bool {
    one.card().person != other.card().person && one.device() != other.device() && one.public_key() != other.public_key()
}

fn commitment(person: PersonId, recovery: RecoveryId) -> Digest {
    person_commitment(person, recovery, |bytes| Digest::from_bytes(Sha256::digest(bytes).into()))
}
