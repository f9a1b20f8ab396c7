//! A WebAuthn authenticator in software, which does what the test wants also where a real one would refuse.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Flags of authenticator data (WebAuthn Level 3, section 6.1).
pub const USER_PRESENT: u8 = 0x01;
pub const USER_VERIFIED: u8 = 0x04;
const ATTESTED: u8 = 0x40;
/// What an honest authenticator says.
pub const HONEST: u8 = USER_PRESENT | USER_VERIFIED;

pub struct Authenticator {
    key: EcdsaKeyPair,
    id: [u8; 16],
    pub origin: String,
    pub flags: u8,
    pub counter: u32,
    /// The user handle that a discoverable passkey gives.
    pub user: Option<[u8; 16]>,
}

impl Authenticator {
    pub fn new(n: u8, origin: &str) -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        Self { key, id: [n; 16], origin: origin.to_owned(), flags: HONEST, counter: 0, user: None }
    }

    pub fn credential(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.id)
    }

    /// `RegistrationResponseJSON` for these options.
    pub fn create(&self, options: &Value) -> Value {
        let mut data = self.data(options["rp"]["id"].as_str().unwrap(), ATTESTED);
        data.extend([0; 16]);
        data.extend((self.id.len() as u16).to_be_bytes());
        data.extend(self.id);
        let point = self.key.public_key().as_ref();
        // COSE_Key: kty EC2, alg ES256, crv P-256, x, y (RFC 9053, sections 2.1 and 7.1).
        data.extend([0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 32]);
        data.extend(&point[1..33]);
        data.extend([0x22, 0x58, 32]);
        data.extend(&point[33..65]);
        // {"fmt": "none", "attStmt": {}, "authData": …}
        let mut object = vec![0xa3];
        for (name, value) in [("fmt", &b"\x64none"[..]), ("attStmt", &[0xa0])] {
            object.push(0x60 + name.len() as u8);
            object.extend(name.as_bytes());
            object.extend(value);
        }
        object.extend([0x68]);
        object.extend(b"authData");
        object.extend([0x58, data.len() as u8]);
        object.extend(&data);
        self.answer(json!({
            "attestationObject": URL_SAFE_NO_PAD.encode(object),
            "clientDataJSON": URL_SAFE_NO_PAD.encode(self.client_data("webauthn.create", options)),
        }))
    }

    /// `AuthenticationResponseJSON` for these options.
    pub fn get(&self, options: &Value) -> Value {
        let data = self.data(options["rpId"].as_str().unwrap(), 0);
        let client_data = self.client_data("webauthn.get", options);
        let signed = [&data[..], &Sha256::digest(&client_data)].concat();
        let signature = self.key.sign(&SystemRandom::new(), &signed).unwrap();
        let mut response = json!({
            "authenticatorData": URL_SAFE_NO_PAD.encode(data),
            "clientDataJSON": URL_SAFE_NO_PAD.encode(client_data),
            "signature": URL_SAFE_NO_PAD.encode(signature.as_ref()),
        });
        if let Some(user) = self.user {
            response["userHandle"] = URL_SAFE_NO_PAD.encode(user).into();
        }
        self.answer(response)
    }

    fn answer(&self, response: Value) -> Value {
        let id = self.credential();
        json!({ "id": id, "rawId": id, "type": "public-key", "response": response, "clientExtensionResults": {} })
    }

    fn data(&self, rp_id: &str, more_flags: u8) -> Vec<u8> {
        let mut data = Sha256::digest(rp_id).to_vec();
        data.push(self.flags | more_flags);
        data.extend(self.counter.to_be_bytes());
        data
    }

    fn client_data(&self, kind: &str, options: &Value) -> Vec<u8> {
        json!({ "type": kind, "challenge": options["challenge"], "origin": self.origin, "crossOrigin": false })
            .to_string()
            .into_bytes()
    }
}
