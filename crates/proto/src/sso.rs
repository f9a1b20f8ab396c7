//! Bodies of the HTTP API for single sign-on (OpenID Connect): people of some roles sign in with their account at the office's provider
//! after their device has proven its key, and never instead of it ([`crate::ServerMessage::SsoRequired`]).

use crate::PersonId;
use serde::{Deserialize, Serialize};

/// Longest `state` and `code` of a provider's answer, bytes.
pub const MAX_SSO_PARAMETER_BYTES: usize = 4096;

/// Answer to `POST /api/v1/sso/start`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SsoStarted {
    /// Where the person signs in, at the provider. It sends the browser back to `/sso` of the page that asked, with `code` and `state`
    /// or with `error`.
    pub url: String,
}

/// `POST /api/v1/sso/finish`: what the provider's redirect carried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SsoFinish {
    /// Names the sign-in that was started, once and within ten minutes.
    pub state: String,
    /// The provider's authorization code.
    pub code: String,
}

/// `POST /api/v1/sso/unlink`: forgets which account is a person's. Their next sign-in links one anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SsoUnlink {
    /// The person.
    pub person: PersonId,
}

/// A person's account at the office's provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OfficeAccount {
    /// The person.
    pub person: PersonId,
    /// The provider's issuer identifier.
    pub issuer: String,
    /// What names the person there.
    pub subject: String,
    /// When it was linked, by the person's first sign-in, milliseconds since 1970 UTC.
    pub linked_ms: u64,
}
