//! Keys that files are sealed to: age's post-quantum hybrid recipient `mlkem768x25519`, of custodians and of devices.
//!
//! Stanza `-> mlkem768x25519 <base64 of the 1120-byte X-Wing ciphertext>` with a 32-byte body: HPKE (RFC 9180) base
//! mode with KEM 0x647a (X-Wing), HKDF-SHA256 and ChaCha20-Poly1305, `info` = `age-encryption.org/mlkem768x25519`, empty
//! associated data, over the 16-byte file key. Stock age 1.3 and npm `age-encryption` read and write the same.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use age::{DecryptError, EncryptError};
use age_core::format::{FILE_KEY_BYTES, FileKey, Stanza};
use age_core::secrecy::ExposeSecret;
use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use bech32::primitives::decode::CheckedHrpstring;
use bech32::{Bech32, Checksum, Hrp};
use curve25519_dalek::MontgomeryPoint;
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::XWing;
use hpke::rand_core::CryptoRng;
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};
use zeroize::Zeroizing;

use sha2::{Digest as _, Sha256};
use telcon_proto::Digest;

/// Tag of the stanza that this recipient writes.
pub const STANZA_TAG: &str = "mlkem768x25519";

const HPKE_INFO: &[u8] = b"age-encryption.org/mlkem768x25519";
const RECIPIENT_HRP: Hrp = Hrp::parse_unchecked("age1pq");
const IDENTITY_HRP: Hrp = Hrp::parse_unchecked("age-secret-key-pq-");

/// Size of an X-Wing ciphertext, bytes: ML-KEM-768 and X25519.
const XWING_SHARE_BYTES: usize = 1088 + 32;

/// Size of an X-Wing secret seed, bytes.
pub const SEED_BYTES: usize = 32;

/// Size of the stanza body: file key and Poly1305 tag. Checked before decryption, as age requires, because this AEAD does not
/// commit to its key and a longer ciphertext could decrypt under several.
const BODY_BYTES: usize = FILE_KEY_BYTES + 16;

/// Why a text is not a key of these. Never contains the text, which may be a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not Bech32, or a wrong checksum.
    #[error("not valid Bech32 (mistyped?)")]
    InvalidEncoding,
    /// Bech32, but another kind of key, such as a classical `age1…` recipient.
    #[error("not a post-quantum age key")]
    WrongKind,
    /// The right kind, but the bytes are not a valid key.
    #[error("the key is invalid")]
    InvalidKey,
}

/// A public key; text form `age1pq1…`.
#[derive(Clone, PartialEq, Eq)]
pub struct Recipient(<XWing as Kem>::PublicKey);

/// A secret key; text form `AGE-SECRET-KEY-PQ-1…`. It has no `Display`, so that it cannot be logged by accident;
/// see [`Identity::to_secret_string`].
#[derive(Clone)]
pub struct Identity(<XWing as Kem>::PrivateKey);

impl Identity {
    /// A new identity from `rng`.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut seed = Zeroizing::new([0; SEED_BYTES]);
        rng.fill_bytes(seed.as_mut());
        Self::from_seed(&seed)
    }

    /// The identity with this X-Wing seed. Every seed is a valid key.
    pub fn from_seed(seed: &[u8; SEED_BYTES]) -> Self {
        Self(<XWing as Kem>::PrivateKey::from_bytes(seed).expect("invariant: any 32 bytes are an X-Wing seed"))
    }

    /// Parses `AGE-SECRET-KEY-PQ-1…`, in upper case as age writes it; surrounding whitespace is ignored.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let text = text.trim();
        let bytes = Zeroizing::new(decode(text, IDENTITY_HRP)?);
        if !text.starts_with("AGE-SECRET-KEY-PQ-1") {
            return Err(KeyError::WrongKind);
        }
        <XWing as Kem>::PrivateKey::from_bytes(&bytes).map(Self).map_err(|_| KeyError::InvalidKey)
    }

    /// The secret in age's text form. It decrypts everything that is sealed to this key.
    pub fn to_secret_string(&self) -> Zeroizing<String> {
        let mut bytes = self.0.to_bytes();
        let mut text = encode(IDENTITY_HRP, &bytes);
        zeroize::Zeroize::zeroize(bytes.as_mut_slice());
        text.make_ascii_uppercase();
        Zeroizing::new(text)
    }

    /// The public key.
    pub fn recipient(&self) -> Recipient {
        Recipient(XWing::sk_to_pk(&self.0))
    }
}

impl Recipient {
    /// Parses `age1pq1…`; surrounding whitespace is ignored.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let text = text.trim();
        let bytes = decode(text, RECIPIENT_HRP)?;
        if !text.starts_with("age1pq1") {
            return Err(KeyError::WrongKind);
        }
        if has_low_order_share(&bytes) {
            return Err(KeyError::InvalidKey);
        }
        <XWing as Kem>::PublicKey::from_bytes(&bytes).map(Self).map_err(|_| KeyError::InvalidKey)
    }

    /// The fingerprint that people compare: SHA-256 of the text form, as `printf %s age1pq1… | sha256sum` prints it.
    pub fn fingerprint(&self) -> Digest {
        Digest::from_bytes(Sha256::digest(self.to_string().as_bytes()).into())
    }
}

/// Bech32 without a length limit: a recipient has 1,959 characters. At that length the checksum only detects typing errors,
/// which is what age uses it for.
enum LongBech32 {}

impl Checksum for LongBech32 {
    type MidstateRepr = u32;
    const CODE_LENGTH: usize = usize::MAX;
    const CHECKSUM_LENGTH: usize = Bech32::CHECKSUM_LENGTH;
    const GENERATOR_SH: [u32; 5] = Bech32::GENERATOR_SH;
    const TARGET_RESIDUE: u32 = Bech32::TARGET_RESIDUE;
}

fn encode(hrp: Hrp, bytes: &[u8]) -> String {
    bech32::encode_lower::<LongBech32>(hrp, bytes).expect("invariant: no text is too long without a limit")
}

fn decode(text: &str, hrp: Hrp) -> Result<Vec<u8>, KeyError> {
    let decoded = CheckedHrpstring::new::<LongBech32>(text).map_err(|_| KeyError::InvalidEncoding)?;
    if decoded.hrp() == hrp { Ok(decoded.byte_iter().collect()) } else { Err(KeyError::WrongKind) }
}

impl FromStr for Recipient {
    type Err = KeyError;
    fn from_str(text: &str) -> Result<Self, KeyError> {
        Self::parse(text)
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&encode(RECIPIENT_HRP, &self.0.to_bytes()))
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The first characters distinguish keys; the rest is two kilobytes of base 32.
        let text = self.to_string();
        write!(f, "Recipient({}…)", &text[..24])
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(secret)")
    }
}

/// Whether an X25519 share or key, the last 32 bytes of an X-Wing value, is of low order: the shared secret would then be the
/// same for every key. RFC 9180, section 7.1.4, requires that it is refused.
fn has_low_order_share(xwing: &[u8]) -> bool {
    let share = xwing.last_chunk::<32>().map(|share| MontgomeryPoint(*share));
    // Every clamped scalar is a multiple of 8, so a point of low order becomes the identity, whose u-coordinate is 0.
    share.is_none_or(|share| share.mul_clamped([1; 32]).to_bytes() == [0; 32])
}

/// Checks the arguments of one of our stanzas without a key.
///
/// # Errors
/// What is wrong with them.
pub fn check_share(arguments: &str) -> Result<(), &'static str> {
    match BASE64_STANDARD_NO_PAD.decode(arguments) {
        Ok(share) if share.len() != XWING_SHARE_BYTES => Err("the share of a stanza has the wrong length"),
        Ok(share) if has_low_order_share(&share) => {
            Err("the share of a stanza is of low order (RFC 9180, section 7.1.4)")
        }
        Ok(_) => Ok(()),
        Err(_) => Err("the share of a stanza is not base64"),
    }
}

impl age::Recipient for Recipient {
    fn wrap_file_key(&self, file_key: &FileKey) -> Result<(Vec<Stanza>, HashSet<String>), EncryptError> {
        let (encapsulated, body) = hpke::single_shot_seal::<ChaCha20Poly1305, HkdfSha256, XWing>(
            &OpModeS::Base,
            &self.0,
            HPKE_INFO,
            file_key.expose_secret(),
            &[],
        )
        .map_err(|e| EncryptError::Io(std::io::Error::other(format!("HPKE: {e}"))))?;
        let stanza = Stanza {
            tag: STANZA_TAG.to_owned(),
            args: vec![BASE64_STANDARD_NO_PAD.encode(encapsulated.to_bytes())],
            body,
        };
        // With this label age refuses to seal a file to this and a classical recipient, whose compromise would expose it.
        Ok((vec![stanza], HashSet::from(["postquantum".to_owned()])))
    }
}

impl age::Identity for Identity {
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<Result<FileKey, DecryptError>> {
        if stanza.tag != STANZA_TAG {
            return None;
        }
        let [share] = stanza.args.as_slice() else {
            return Some(Err(DecryptError::InvalidHeader));
        };
        let share = BASE64_STANDARD_NO_PAD.decode(share).ok().filter(|share| !has_low_order_share(share));
        let encapsulated = share.and_then(|bytes| <XWing as Kem>::EncappedKey::from_bytes(&bytes).ok());
        let (Some(encapsulated), BODY_BYTES) = (encapsulated, stanza.body.len()) else {
            return Some(Err(DecryptError::InvalidHeader));
        };
        // X-Wing uses implicit rejection: a stanza of another key fails at the AEAD, which means "not for this key".
        let opened = hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, XWing>(
            &OpModeR::Base,
            &self.0,
            &encapsulated,
            HPKE_INFO,
            &stanza.body,
            &[],
        )
        .ok()
        .map(Zeroizing::new)?;
        Some(FileKey::try_init_with_mut(|key| {
            if opened.len() != key.len() {
                return Err(DecryptError::InvalidHeader);
            }
            key.copy_from_slice(&opened);
            Ok(())
        }))
    }
}

#[cfg(test)]
mod tests {
    use age::{Identity as _, Recipient as _};
    use hpke::rand_core::{TryCryptoRng, TryRng};

    use super::*;

    fn identity(n: u8) -> Identity {
        Identity::from_seed(&[n; SEED_BYTES])
    }

    /// Yields 1, 2, 3, …, which shows that randomness is taken from the argument.
    struct Counter(u8);

    impl TryRng for Counter {
        type Error = std::convert::Infallible;
        fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
            unreachable!("only bytes are drawn")
        }
        fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
            unreachable!("only bytes are drawn")
        }
        fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
            self.0 += 1;
            bytes.fill(self.0);
            Ok(())
        }
    }

    impl TryCryptoRng for Counter {}

    #[test]
    fn randomness_comes_from_the_argument() {
        let mut rng = Counter(0);
        assert_eq!(Identity::generate(&mut rng).recipient(), identity(1).recipient());
        assert_eq!(Identity::generate(&mut rng).recipient(), identity(2).recipient());
    }

    #[test]
    fn text_forms_round_trip() {
        let secret = identity(1).to_secret_string();
        assert!(secret.starts_with("AGE-SECRET-KEY-PQ-1"));
        assert_eq!(Identity::parse(&secret).unwrap().to_secret_string(), secret);
        let public = identity(1).recipient().to_string();
        assert!(public.starts_with("age1pq1"));
        assert_eq!(Recipient::parse(&format!(" {public}\n")).unwrap(), identity(1).recipient());
    }

    #[test]
    fn wrong_and_damaged_keys_are_refused() {
        let classical = age::x25519::Identity::generate();
        assert_eq!(Recipient::parse(&classical.to_public().to_string()), Err(KeyError::WrongKind));
        let public = identity(1).recipient().to_string();
        assert_eq!(Recipient::parse(&public[..public.len() - 1]), Err(KeyError::InvalidEncoding));
        assert_eq!(Recipient::parse(&public.to_uppercase()), Err(KeyError::WrongKind));
        assert_eq!(Recipient::parse(&encode(RECIPIENT_HRP, &[0; 32])), Err(KeyError::InvalidKey));
        let secret = identity(1).to_secret_string();
        assert_eq!(Identity::parse(&secret.to_lowercase()).unwrap_err(), KeyError::WrongKind);
        assert_eq!(Identity::parse(&public).unwrap_err(), KeyError::WrongKind);
    }

    #[test]
    fn stanza_decrypts_with_its_key_only() {
        let key = FileKey::new(Box::new([7; 16]));
        let (stanzas, labels) = identity(1).recipient().wrap_file_key(&key).unwrap();
        assert!(labels.contains("postquantum"));
        assert_eq!((stanzas.len(), stanzas[0].tag.as_str()), (1, STANZA_TAG));
        let opened = identity(1).unwrap_stanza(&stanzas[0]).unwrap().ok().unwrap();
        assert_eq!(opened.expose_secret(), &[7; 16]);
        assert!(identity(2).unwrap_stanza(&stanzas[0]).is_none());
    }

    #[test]
    fn malformed_stanza_is_an_error_not_a_mismatch() {
        let key = FileKey::new(Box::new([7; 16]));
        let good = || identity(1).recipient().wrap_file_key(&key).unwrap().0.remove(0);
        let mut long_body = good();
        long_body.body.push(0);
        let mut extra_argument = good();
        extra_argument.args.push("x".to_owned());
        let mut short_share = good();
        short_share.args[0].truncate(100);
        for stanza in [long_body, extra_argument, short_share] {
            assert!(matches!(identity(1).unwrap_stanza(&stanza), Some(Err(DecryptError::InvalidHeader))));
        }
        assert!(identity(1).unwrap_stanza(&Stanza { tag: "X25519".into(), args: vec![], body: vec![] }).is_none());
    }

    #[test]
    fn low_order_shares_and_keys_are_refused() {
        let key = FileKey::new(Box::new([7; 16]));
        let stanza = identity(1).recipient().wrap_file_key(&key).unwrap().0.remove(0);
        let share = BASE64_STANDARD_NO_PAD.decode(&stanza.args[0]).unwrap();
        let public = decode(&identity(1).recipient().to_string(), RECIPIENT_HRP).unwrap();
        // 0, 1, a point of order 8, p-1, p, p+1, and 0 with the bit that X25519 ignores (RFC 7748, section 5).
        let order8 = "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800";
        let hex = |text: &str| -> Vec<u8> {
            (0..32).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect()
        };
        let p = |low: u8| [&[low][..], &[0xff; 30], &[0x7f]].concat();
        let one = [&[1][..], &[0; 31]].concat();
        let zero = [&[0; 31][..], &[0x80]].concat();
        for low in [vec![0; 32], one, hex(order8), p(0xec), p(0xed), p(0xee), zero] {
            let changed = [&share[..share.len() - 32], &low].concat();
            let text = BASE64_STANDARD_NO_PAD.encode(changed);
            assert!(check_share(&text).unwrap_err().contains("low order"), "{low:?}");
            let stanza = Stanza { tag: STANZA_TAG.into(), args: vec![text], body: stanza.body.clone() };
            assert!(matches!(identity(1).unwrap_stanza(&stanza), Some(Err(DecryptError::InvalidHeader))));
            let weak = encode(RECIPIENT_HRP, &[&public[..public.len() - 32], &low].concat());
            assert_eq!(Recipient::parse(&weak), Err(KeyError::InvalidKey));
        }
        assert!(check_share(&stanza.args[0]).is_ok());
    }

    #[test]
    fn age_refuses_mixing_with_classical_recipient() {
        let classical = age::x25519::Identity::generate().to_public();
        let ours = identity(1).recipient();
        let mixed: [&dyn age::Recipient; 2] = [&ours, &classical];
        let result = age::Encryptor::with_recipients(mixed.into_iter());
        assert!(matches!(result, Err(EncryptError::IncompatibleRecipients { .. })));
    }

    #[test]
    fn debug_output_hides_secrets() {
        assert_eq!(format!("{:?}", identity(1)), "Identity(secret)");
    }
}
