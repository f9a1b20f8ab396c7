//! Identity: the office authority, device certificates, signed rings. Signs and verifies; encrypts nothing.
//!
//! ```text
//! office authority          self-signed, its key offline; its digest is in every enrolment link
//!   └─ enrolment            one person, one link, one-time key in the link's fragment: the server never sees it
//!        └─ device          made and signed on the device; valid for a year; its digest is in the log
//!   └─ registrar             a security officer's device, for a year and for some roles
//!        └─ device          made on the device, certified by the registrar after two people compared a code; by two
//!                           registrars of different people where the charter demands it
//!             └─ holder     of a principal's device: the device of a counterpart who took a line, certified by it
//! ```
//! A device trusts its home office, and any others that its [`TrustStore`] holds. The office named in an
//! identifier, a ring or a proof is a claim: it selects the authority and the log to verify with, and proves nothing.
//!
//! Verified types have no public constructor, only verification creates them: [`VerifiedDevice`] (valid certificate chain),
//! [`LoggedDevice`] (and its certificate is in the log), [`VerifiedRing`] (signed by such a device, recent, for this office),
//! [`LoggedRing`] (and the opening of the call is in the log), [`VerifiedDelegation`] and [`LoggedDelegation`] (who may act for whom).
//!
//! This crate has no clock, randomness, file or socket: seeds and times are arguments, and it builds for wasm32.
//!
//! # Trust model
//! * **The authority's seed**: its holder can enrol anybody as anybody. Devices refuse an enrolment that is not in the log.
//! * **A registrar's seed**: its holder can enrol devices of the roles in its certificate, visibly, until it is revoked; nothing
//!   alone where the charter demands two.
//! * **A registrar's link**: its first user asks; the registrar decides.
//! * **An enrolment link** of the authority: its first user, before it expires, enrols one device as that person.
//! * **A device's seed**: its holder can act as that device until it is revoked.
//! * **The server**: trusted for availability, and for the order and time of log entries. It can issue, sign and change
//!   nothing here.

mod ask;
mod attestation;
mod authority;
mod certificate;
mod chain;
mod checkpoint;
mod credential;
mod delegation;
mod device_key;
mod document;
mod error;
mod invitation;
pub mod jws;
mod key;
mod line;
mod line_seal;
mod link;
mod logged;
mod look;
mod name;
mod office;
mod readout;
mod recovery;
mod registrar;
mod rights;
mod ring;
mod statement;
mod trust;
mod validity;

#[cfg(test)]
mod attacks;
#[cfg(test)]
mod parsers;
#[cfg(test)]
mod testkit;

pub use ask::{Ask, DEVICE_REQUEST_TYP, VerifiedRequest, label_of, read_request, verify_request};
pub use attestation::{HOLDER_ATTESTATION_TYP, VerifiedAttestation, attest_holder, request_sha256};
pub use authority::{Authority, CharterTerms, INVITATION_TYP, InviteSpec, REVOCATION_TYP};
pub use certificate::MAX_CERTIFICATE_BYTES;
pub use chain::VerifiedDevice;
pub use credential::{parse_x509_credential, x509_credential};
pub use delegation::{
    DELEGATION_END_TYP, DELEGATION_TYP, LoggedDelegation, VerifiedDelegation, VerifiedDelegationEnd, sign_delegation,
    sign_delegation_end,
};
pub use device_key::{DEVICE_KEY_TYP, LoggedDeviceKey, VerifiedDeviceKey, sign_device_key};
pub use document::{
    DOCUMENT_MAX_DELAY_MS, DOCUMENT_TYP, DocumentHead, LoggedDocumentVersion, VerifiedVersion, sign_document,
};
pub use error::{Flaw, IdentityError, Mismatch, Misuse, Result, Validity};
pub use invitation::{Invitation, MAX_FRAGMENT_CHARS};
pub use jws::MAX_JWS_CHARS;
pub use key::{DeviceKey, SEED_BYTES, verify_signature};
pub use line::{LINE_TYP, LoggedLine, VerifiedLine, ZoneClock, certify_holder, needs_line, sign_line};
pub use line_seal::{split_sealed_form, with_sealed_form};
pub use logged::{LoggedDevice, LoggedEntry, LoggedRing};
pub use look::Look;
pub use office::{Office, VerifiedRevocation};
pub use readout::{READOUT_TYP, sign_readout};
pub use recovery::{
    RECOVERY_CONFIRMATION_TYP, RECOVERY_TYP, VerifiedConfirmation, VerifiedRecovery, claimed_recovery_id,
};
pub use registrar::{
    APPOINTMENT_REQUEST_TYP, VerifiedApproval, check_card, claimed_revocation, claimed_revoker, orders_erasure,
    request_appointment, with_certificate, without_certificate,
};
pub use rights::Registrar;
pub use ring::{RING_MAX_FUTURE_MS, RING_TYP, VerifiedRing, claimed_call, sign_ring};
pub use statement::{
    ERASURE_TYP, RECORD_TYP, SIGN_IN_TYP, VerifiedRecord, claimed_erasure, sign_erasure, sign_in, sign_record,
    verify_erasure, verify_sign_in,
};
pub use trust::TrustStore;
pub use validity::{AUTHORITY_VALIDITY_S, CLOCK_TOLERANCE_S, DEVICE_VALIDITY_S, MAX_INVITATION_TTL_S};
