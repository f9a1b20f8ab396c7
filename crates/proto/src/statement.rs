//! Payloads of statements that devices sign, as compact JWS (RFC 7515); `telcon-identity` signs and verifies them. Rings
//! ([`crate::message::Ring`]) and the authority's statements ([`crate::http::Charter`], [`crate::http::Revocation`]) are
//! where they are sent.

use crate::{Blob, CallId, DeviceId, Digest, InvitationId};
use serde::{Deserialize, Serialize};

/// Payload of `telcon-sign-in+jws`: the answer to a switchboard's challenge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    /// The office, by domain.
    pub office: String,
    /// The device.
    pub device: DeviceId,
    /// The challenge.
    pub nonce: Blob,
}

/// Payload of `telcon-record+jws`: a note-taker's signature of a record, in its seal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordSigned {
    /// The call.
    pub call: CallId,
    /// The record digest ([`crate::seal`]).
    pub digest: Digest,
    /// Number of parts.
    pub parts: u64,
    /// Whether something is missing from it.
    pub partial: bool,
    /// When it was signed, milliseconds since 1970 UTC by the device's clock.
    pub at_ms: u64,
}

/// Payload of `telcon-device-request+jws`: a new device asks a registrar to certify its key. It is signed with that key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceRequest {
    /// The office, by domain.
    pub office: String,
    /// The invitation that it has.
    pub invitation: InvitationId,
    /// The identifier that it chose.
    pub device: DeviceId,
    /// Its public key, raw.
    pub key: Blob,
    /// What it says it is, such as "Firefox on Android": shown to the registrar as a claim.
    pub label: String,
    /// When it was signed, milliseconds since 1970 UTC by the device's clock.
    pub at_ms: u64,
    /// HMAC-SHA256 with the secret of the invitation over a constant: shows the server that the sender has the link. Invitations'
    /// identifiers are in the public log, and nobody may use one up who only read that.
    pub token: Blob,
    /// HMAC-SHA256 with the secret of the invitation over invitation, device and key: proves possession of the link to the
    /// registrar, and to nobody else.
    pub mac: Blob,
}

/// Payload of `telcon-appointment-request+jws`: a device asks the authority to be appointed as a registrar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppointmentRequest {
    /// The office, by domain.
    pub office: String,
    /// The device.
    pub device: DeviceId,
    /// When it was signed, milliseconds since 1970 UTC by the device's clock.
    pub at_ms: u64,
}

/// Payload of `telcon-erasure+jws`: a device erases itself as a revocation orders. It is signed before the key is erased.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Erasure {
    /// The office, by domain.
    pub office: String,
    /// The device.
    pub device: DeviceId,
    /// SHA-256 of the revocation's compact JWS, without a certificate beside it.
    pub order_sha256: Digest,
    /// When, milliseconds since 1970 UTC by the device's clock.
    pub at_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_have_the_documented_json() {
        let (id, digest) = ("01".repeat(16), "ab".repeat(32));
        let signed = RecordSigned {
            call: CallId::from_bytes([1; 16]),
            digest: Digest::from_bytes([0xab; 32]),
            parts: 2,
            partial: true,
            at_ms: 9,
        };
        let json = format!(r#"{{"call":"{id}","digest":"{digest}","parts":2,"partial":true,"at_ms":9}}"#);
        assert_eq!(serde_json::to_string(&signed).unwrap(), json);
        assert_eq!(serde_json::from_str::<RecordSigned>(&json).unwrap(), signed);
        assert!(serde_json::from_str::<RecordSigned>(&json.replacen('{', r#"{"more":1,"#, 1)).is_err());
        let sign_in = SignIn {
            office: "office.example".into(),
            device: DeviceId::from_bytes([1; 16]),
            nonce: Blob(vec![0xff; 3]),
        };
        let json = format!(r#"{{"office":"office.example","device":"{id}","nonce":"////"}}"#);
        assert_eq!(serde_json::to_string(&sign_in).unwrap(), json);
        assert_eq!(serde_json::from_str::<SignIn>(&json).unwrap(), sign_in);
    }
}
