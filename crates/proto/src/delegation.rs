//! Delegations: a principal lets a person of the staff act for them, in stated ways and for a limited time.
//!
//! The principal's device signs the statement; its digest and identifier are in the log. Whoever is shown an act for somebody else
//! verifies the statement, and the server grants nothing beyond it. A delegate cannot delegate.

use crate::{Card, DelegationId, Digest, OfficeName, PersonId, message::Logged};
use serde::{Deserialize, Serialize};

/// What a delegate may do for the principal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Ring whom the principal may ring, and speak until the principal takes the call.
    Ring,
    /// Be rung when the principal is, answer, and speak until the principal takes the call.
    Answer,
    /// Offer lines that the principal confirms; change, pause, freeze and end the principal's lines.
    Lines,
}

impl Act {
    /// All acts.
    pub const ALL: [Self; 3] = [Self::Ring, Self::Answer, Self::Lines];
}

/// Payload of `telcon-delegation+jws`, signed by a device of the principal with its certificates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Delegation {
    /// The office of both.
    pub office: OfficeName,
    /// Drawn at random by the principal's device.
    pub delegation: DelegationId,
    /// Who lets somebody act for them.
    pub principal: PersonId,
    /// Who may act, as the principal saw them: a certificate with other words is another person.
    pub delegate: Card,
    /// In which ways, each once.
    pub acts: Vec<Act>,
    /// From when, milliseconds since 1970 UTC.
    pub not_before_ms: u64,
    /// Until when; at most [`crate::limits::MAX_DELEGATION_MS`] later.
    pub not_after_ms: u64,
    /// When it was signed, by the device's clock.
    pub at_ms: u64,
}

/// Payload of `telcon-delegation-end+jws`, signed by a device of the principal, or of a person who may end delegations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct DelegationEnd {
    /// The office.
    pub office: OfficeName,
    /// Which delegation.
    pub delegation: DelegationId,
    /// When it was signed, by the device's clock.
    pub at_ms: u64,
}

/// In a ring: on whose behalf it is, by the delegation that allows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct OnBehalf {
    /// The delegation.
    pub delegation: DelegationId,
    /// SHA-256 of its statement.
    pub statement_sha256: Digest,
}

/// A delegation with the proofs that it, and the device that signed it, are in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProvenDelegation {
    /// The statement, a compact JWS of type `telcon-delegation+jws`.
    pub statement: String,
    /// Proof that the log has it.
    pub given: Logged,
    /// Proof that the certificate of the signing device is in the log.
    pub device: Logged,
}

/// Who acts in a call for one of its two parties.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ActsFor {
    /// The party.
    pub principal: Card,
    /// Who acts.
    pub delegate: Card,
    /// What they did: rang, or answered.
    pub act: Act,
}

/// A delegation in the list of `GET /api/v1/delegations`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ListedDelegation {
    /// The statement, a compact JWS: its certificates name the principal.
    pub statement: String,
    /// Which.
    pub delegation: DelegationId,
    /// The principal.
    pub principal: Card,
    /// Who may act for them.
    pub delegate: Card,
    /// In which ways.
    pub acts: Vec<Act>,
    /// From when, milliseconds since 1970 UTC.
    pub not_before_ms: u64,
    /// Until when.
    pub not_after_ms: u64,
    /// When it was ended before its time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_ms: Option<u64>,
}

/// `GET /api/v1/delegations`: those by and to the bearer's person, or all for who may end all; newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DelegationList {
    /// Delegations.
    pub delegations: Vec<ListedDelegation>,
    /// To a principal: the people who may be chosen as delegates, sorted by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<Card>,
}
