//! Stretching of the PIN that protects a device's keys: Argon2id (RFC 9106), then HKDF-SHA-256 (RFC 5869) for two values that say
//! nothing about each other. The office gets the proof and never the key.

use argon2::{Algorithm, Argon2, Params, Version};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

pub use telcon_proto::protection::{MAX_PIN_CHARS, MIN_PIN_CHARS, SALT_BYTES};

/// RFC 9106, section 4, second recommended option: 64 MiB, three passes, four lanes.
const MEMORY_KIB: u32 = 64 * 1024;
const PASSES: u32 = 3;
const LANES: u32 = 4;

/// What a PIN is stretched to.
pub struct Stretched {
    /// Part of the input of the key that wraps the device's data key. It stays on the device.
    pub key: Zeroizing<[u8; 32]>,
    /// Proves the PIN to the office.
    pub proof: Zeroizing<[u8; 32]>,
}

/// Why a PIN cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PinError {
    /// Too short or too long.
    #[error("a PIN has {MIN_PIN_CHARS} to {MAX_PIN_CHARS} characters: choose another")]
    Length,
    /// The salt has another length: the stored protector is damaged.
    #[error("the salt of the PIN is damaged: use a passkey, or ask your office for a new enrolment link")]
    Salt,
    /// There is no memory.
    #[error("this device has too little free memory for the PIN: close other programs and try again")]
    Memory,
}

/// Stretches a PIN with the salt of its protector.
///
/// # Errors
/// [`PinError`].
pub fn stretch(pin: &str, salt: &[u8]) -> Result<Stretched, PinError> {
    if !(MIN_PIN_CHARS..=MAX_PIN_CHARS).contains(&pin.chars().count()) {
        return Err(PinError::Length);
    }
    if salt.len() != SALT_BYTES {
        return Err(PinError::Salt);
    }
    let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(32)).map_err(|_| PinError::Memory)?;
    let mut output = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(pin.as_bytes(), salt, &mut *output)
        .map_err(|_| PinError::Memory)?;
    let hkdf = Hkdf::<Sha256>::new(None, &*output);
    let derive = |label: &str| {
        let mut derived = Zeroizing::new([0; 32]);
        hkdf.expand(label.as_bytes(), &mut *derived).expect("invariant: HKDF expands to 32 bytes");
        derived
    };
    Ok(Stretched { key: derive("telcon pin 1 key"), proof: derive("telcon pin 1 proof") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Devices that were protected with this version must open with every later one.
    #[test]
    fn the_stretched_pin_of_version_1_stays_the_same() {
        let stretched = stretch("271828", &[7; SALT_BYTES]).unwrap();
        assert_eq!(hex(&*stretched.key), KEY_V1);
        assert_eq!(hex(&*stretched.proof), PROOF_V1);
    }

    // Computed with the reference implementation of Argon2 and Python's HMAC.
    const KEY_V1: &str = "bd5c02981f8085edf75da876735253698509d770a3e96a8c087fed3a00e25695";
    const PROOF_V1: &str = "291ae6579a5dbe30fad73ccdad3270fe3b6dfd59255abe18e43127a2947ee0de";

    #[test]
    fn another_pin_or_salt_gives_other_values() {
        let [a, b, c] =
            [("271828", 7), ("271829", 7), ("271828", 8)].map(|(pin, n)| stretch(pin, &[n; SALT_BYTES]).unwrap());
        assert!(*a.key != *b.key && *a.proof != *b.proof && *a.key != *c.key && *a.proof != *c.proof);
        assert_ne!(*a.key, *a.proof);
    }

    #[test]
    fn short_and_endless_pins_are_refused() {
        for pin in ["", "12345", &"1".repeat(65)] {
            assert_eq!(stretch(pin, &[7; SALT_BYTES]).err(), Some(PinError::Length), "{pin}");
        }
        assert_eq!(PinError::Length.to_string(), "a PIN has 6 to 64 characters: choose another");
        assert_eq!(stretch("123456", &[7; 8]).err(), Some(PinError::Salt));
    }
}
