//! Encryption of push messages (RFC 8291 over RFC 8188): each for one subscription, with a key of its own, padded to one size.

use aws_lc_rs::{
    aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    agreement::{self, ECDH_P256, PrivateKey, UnparsedPublicKey},
    error::Unspecified,
    hkdf::{HKDF_SHA256, KeyType, Salt},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use telcon_proto::push::PushSubscription;

/// Content of every message with its padding, bytes: the push service sees messages of one length only.
pub const CONTENT_BYTES: usize = 1024;
/// Salt, record size, length of the key, key.
const HEADER_BYTES: usize = 16 + 4 + 1 + PUBLIC_KEY_BYTES;
/// An uncompressed point of P-256.
const PUBLIC_KEY_BYTES: usize = 65;
const SALT_BYTES: usize = 16;
const AUTH_BYTES: usize = 16;
/// The one record is shorter: 4,096 is what push services take at least (RFC 8030, section 7.2).
const RECORD_BYTES: u32 = 4096;
/// Marks the last record, before the padding (RFC 8188, section 2).
const LAST_RECORD: u8 = 2;

/// Why a subscription is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubscriptionError {
    /// The key is no uncompressed point of P-256 in base64url.
    #[error("p256dh must be an uncompressed point of P-256 in base64url: subscribe again")]
    Key,
    /// The secret has another length.
    #[error("auth must be 16 bytes in base64url: subscribe again")]
    Secret,
}

/// The keys of a subscription.
#[derive(Clone, PartialEq, Eq)]
pub struct BrowserKeys {
    public: [u8; PUBLIC_KEY_BYTES],
    auth: [u8; AUTH_BYTES],
}

impl BrowserKeys {
    /// The keys in a subscription as the browser states them.
    ///
    /// # Errors
    /// If nothing can be encrypted for them.
    pub fn parse(subscription: &PushSubscription) -> Result<Self, SubscriptionError> {
        // Browsers differ in whether they pad.
        let decoded = |text: &str| URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok();
        let public = decoded(&subscription.p256dh).ok_or(SubscriptionError::Key)?;
        let auth = decoded(&subscription.auth).ok_or(SubscriptionError::Secret)?;
        let keys = Self::from_bytes(&public, &auth)?;
        // A point that is not on the curve agrees with no key.
        keys.encrypt(b"").map_err(|Unspecified| SubscriptionError::Key)?;
        Ok(keys)
    }

    /// The keys as they are stored. Whether the key is a point of the curve is found when something is encrypted for it.
    ///
    /// # Errors
    /// If one has another length.
    pub(super) fn from_bytes(public: &[u8], auth: &[u8]) -> Result<Self, SubscriptionError> {
        Ok(Self {
            public: public.try_into().map_err(|_| SubscriptionError::Key)?,
            auth: auth.try_into().map_err(|_| SubscriptionError::Secret)?,
        })
    }

    /// The public key.
    pub fn public(&self) -> &[u8] {
        &self.public
    }

    /// The secret.
    pub fn auth(&self) -> &[u8] {
        &self.auth
    }

    /// Encrypts a content of less than [`CONTENT_BYTES`].
    ///
    /// # Errors
    /// If it is longer, or the key is no point of the curve.
    pub(super) fn encrypt(&self, content: &[u8]) -> Result<Vec<u8>, Unspecified> {
        let mut salt = [0; SALT_BYTES];
        aws_lc_rs::rand::fill(&mut salt)?;
        let mut padded = content.to_vec();
        padded.push(LAST_RECORD);
        if padded.len() > CONTENT_BYTES {
            return Err(Unspecified);
        }
        padded.resize(CONTENT_BYTES, 0);
        self.seal(padded, &PrivateKey::generate(&ECDH_P256)?, salt)
    }

    /// RFC 8291, section 3.4.
    fn seal(&self, mut padded: Vec<u8>, ours: &PrivateKey, salt: [u8; SALT_BYTES]) -> Result<Vec<u8>, Unspecified> {
        let our_public = ours.compute_public_key()?;
        let theirs = UnparsedPublicKey::new(&ECDH_P256, &self.public[..]);
        let key_material = agreement::agree(ours, theirs, Unspecified, |shared| {
            let info: [&[u8]; 3] = [b"WebPush: info\0", &self.public, our_public.as_ref()];
            let mut key_material = [0; 32];
            Salt::new(HKDF_SHA256, &self.auth).extract(shared).expand(&info, Bytes(32))?.fill(&mut key_material)?;
            Ok(key_material)
        })?;
        let secret = Salt::new(HKDF_SHA256, &salt).extract(&key_material);
        let (mut key, mut nonce) = ([0; 16], [0; 12]);
        secret.expand(&[b"Content-Encoding: aes128gcm\0"], Bytes(16))?.fill(&mut key)?;
        secret.expand(&[b"Content-Encoding: nonce\0"], Bytes(12))?.fill(&mut nonce)?;
        // The key is used once: the first record has the nonce as it is.
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key)?);
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut padded)?;
        let mut message = Vec::with_capacity(HEADER_BYTES + padded.len());
        message.extend_from_slice(&salt);
        message.extend_from_slice(&RECORD_BYTES.to_be_bytes());
        message.push(PUBLIC_KEY_BYTES as u8);
        message.extend_from_slice(our_public.as_ref());
        message.append(&mut padded);
        Ok(message)
    }
}

/// Length of what is derived.
struct Bytes(usize);

impl KeyType for Bytes {
    fn len(&self) -> usize {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(text: &str) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(text).unwrap()
    }

    const BROWSER: &str = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
    const AUTH: &str = "BTBZMqHH6r4Tts7J_aSIgg";

    fn browser() -> BrowserKeys {
        BrowserKeys::from_bytes(&decoded(BROWSER), &decoded(AUTH)).unwrap()
    }

    #[test]
    fn the_example_of_rfc_8291_is_reproduced() {
        let ours = PrivateKey::from_private_key(&ECDH_P256, &decoded("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"));
        let salt = decoded("DGv6ra1nlYgDCS1FRnbzlw").try_into().unwrap();
        let mut content = b"When I grow up, I want to be a watermelon".to_vec();
        content.push(LAST_RECORD);
        let message = browser().seal(content, &ours.unwrap(), salt).unwrap();
        let expected = "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN";
        assert_eq!(URL_SAFE_NO_PAD.encode(message), expected);
    }

    #[test]
    fn another_implementation_decrypts_and_all_messages_have_one_size_and_no_two_are_alike() {
        use web_push_native::{Auth, p256::SecretKey};
        let secret = SecretKey::from_slice(&decoded("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94")).unwrap();
        let auth = Auth::clone_from_slice(&decoded(AUTH));
        let mut seen = Vec::new();
        for content in ["", "short", &"x".repeat(CONTENT_BYTES - 1)] {
            let message = browser().encrypt(content.as_bytes()).unwrap();
            assert_eq!(message.len(), HEADER_BYTES + CONTENT_BYTES + 16);
            assert!(!seen.contains(&message[..HEADER_BYTES].to_vec()));
            seen.push(message[..HEADER_BYTES].to_vec());
            // It returns the padding too, which a browser removes.
            let opened = web_push_native::decrypt(message, &secret, &auth).unwrap();
            let text: Vec<u8> = opened.into_iter().take(content.len()).collect();
            assert_eq!(String::from_utf8(text).unwrap(), content);
        }
        assert!(browser().encrypt(&[0; CONTENT_BYTES]).is_err(), "it does not fit");
    }

    #[test]
    fn a_subscription_for_which_nothing_can_be_encrypted_is_refused() {
        let with = |p256dh: &str, auth: &str| {
            let subscription =
                PushSubscription { endpoint: "https://push.example".into(), p256dh: p256dh.into(), auth: auth.into() };
            BrowserKeys::parse(&subscription).map(|_| ())
        };
        assert_eq!(with(BROWSER, AUTH), Ok(()));
        assert_eq!(with(&format!("{BROWSER}="), &format!("{AUTH}==")), Ok(()), "padded");
        let mut off_curve = decoded(BROWSER);
        off_curve[64] ^= 1;
        let compressed = [&[2], &decoded(BROWSER)[1..33]].concat();
        let zero = [&[4][..], &[0; 64]].concat();
        for key in [off_curve, compressed, zero, Vec::new()].map(|bytes| URL_SAFE_NO_PAD.encode(bytes)) {
            assert_eq!(with(&key, AUTH), Err(SubscriptionError::Key), "{key}");
        }
        assert_eq!(with("not base64!", AUTH), Err(SubscriptionError::Key));
        assert_eq!(with(BROWSER, "AAAA"), Err(SubscriptionError::Secret));
    }
}
