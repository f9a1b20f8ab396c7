//! Signed texts: JWS compact serialization (RFC 7515), with Ed25519 as `EdDSA` (RFC 8037) or `ML-DSA-87` (RFC 9964).
//!
//! The header has three parameters at most: `alg`, `typ`, `x5c`. Any other, such as `crit` or an embedded key, is refused
//! rather than ignored. The type separates domains: a JWS of one type is never accepted as another. The algorithm is that of
//! the verifier's key, and the header has to name the same.

use crate::{
    certificate::MAX_CERTIFICATE_BYTES,
    error::{Flaw, Result},
    key::{DeviceKey, verify_signature},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde::{Deserialize, Serialize};
use telcon_proto::SuiteName;

/// Longest signed text, characters. A ring in the CNSA 2.0 profile has two certificates of 8 KB, or four by two registrars, grown
/// by 16/9 in base64 within base64, and a signature of 6 KB: 35,000, or 64,000.
pub const MAX_JWS_CHARS: usize = 96 * 1024;
/// Most certificates in a header: device and registrar, by two registrars.
const MAX_X5C: usize = 4;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    typ: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    x5c: Vec<String>,
}

/// A parsed, unverified JWS: it exposes the certificates that select the verification key. Its payload is a claim.
pub struct Unverified {
    typ: String,
    suite: SuiteName,
    x5c: Vec<Vec<u8>>,
    signed: String,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

/// Signs `payload` as type `typ`, with the certificates `x5c` (DER, leaf first; RFC 7515 section 4.1.6) in the header.
pub fn sign(key: &DeviceKey, typ: &str, payload: &[u8], x5c: &[Vec<u8>]) -> String {
    let x5c = x5c.iter().map(|der| STANDARD.encode(der)).collect();
    let header = Header { alg: algorithm(key.suite()).to_owned(), typ: typ.to_owned(), x5c };
    let header = serde_json::to_vec(&header).expect("invariant: strings are JSON");
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let signature = URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

/// Parses a JWS without verifying it.
///
/// # Errors
/// [`Flaw::TooLong`], [`Flaw::JwsForm`], [`Flaw::JwsAlgorithm`].
pub fn decode(token: &str) -> Result<Unverified> {
    if token.len() > MAX_JWS_CHARS {
        return Err(Flaw::TooLong.into());
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(Flaw::JwsForm)?;
    let (header, payload) = signed.split_once('.').ok_or(Flaw::JwsForm)?;
    let bytes = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| Flaw::JwsForm);
    let header: Header = serde_json::from_slice(&bytes(header)?).map_err(|_| Flaw::JwsForm)?;
    if header.x5c.len() > MAX_X5C || header.x5c.iter().any(|text| text.len() / 4 * 3 > MAX_CERTIFICATE_BYTES) {
        return Err(Flaw::TooLong.into());
    }
    let x5c = header.x5c.iter().map(|text| STANDARD.decode(text).map_err(|_| Flaw::JwsForm));
    Ok(Unverified {
        suite: match header.alg.as_str() {
            "EdDSA" => SuiteName::Hybrid,
            "ML-DSA-87" => SuiteName::Cnsa2,
            _ => return Err(Flaw::JwsAlgorithm.into()),
        },
        x5c: x5c.collect::<std::result::Result<_, _>>()?,
        payload: bytes(payload)?,
        signature: bytes(signature)?,
        typ: header.typ,
        signed: signed.to_owned(),
    })
}

/// Parses a JWS, verifies it with a known key, and returns its payload.
///
/// # Errors
/// Those of [`decode`] and [`Unverified::verify`].
pub fn verify(token: &str, typ: &str, suite: SuiteName, public: &[u8]) -> Result<Vec<u8>> {
    decode(token)?.verify(typ, suite, public)
}

impl Unverified {
    /// The type in the header.
    pub fn typ(&self) -> &str {
        &self.typ
    }

    /// The certificates in the header, DER, leaf first. They are not verified.
    pub fn x5c(&self) -> &[Vec<u8>] {
        &self.x5c
    }

    /// The payload, unverified: only to read the key from it that it has to be verified with.
    pub(crate) fn claimed_payload(&self) -> &[u8] {
        &self.payload
    }

    /// Verifies type, algorithm and signature, and returns the payload.
    ///
    /// # Errors
    /// [`Flaw::JwsType`], [`Flaw::JwsAlgorithm`], [`Flaw::Signature`], [`Flaw::PublicKey`].
    pub fn verify(self, typ: &str, suite: SuiteName, public: &[u8]) -> Result<Vec<u8>> {
        if self.typ != typ {
            return Err(Flaw::JwsType.into());
        }
        if self.suite != suite {
            return Err(Flaw::JwsAlgorithm.into());
        }
        verify_signature(suite, public, self.signed.as_bytes(), &self.signature)?;
        Ok(self.payload)
    }
}

fn algorithm(suite: SuiteName) -> &'static str {
    match suite {
        SuiteName::Hybrid => "EdDSA",
        SuiteName::Cnsa2 => "ML-DSA-87",
    }
}
