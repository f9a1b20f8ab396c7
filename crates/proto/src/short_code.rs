//! A short code that one person reads to another, and the messages with which it carries a small secret text from one device to
//! another through the office's server.
//!
//! A code is [`CodeSlot`] and secret: four digits that name a meeting place at the server, and six that only the two devices know.
//! The server forwards the messages of a password-authenticated key exchange (SPAKE2) and learns neither the secret nor the text:
//! see `docs/protocol.md`.

use crate::{
    Blob, CodeRunId,
    limits::{CODE_SECRET_DIGITS, CODE_SLOT_DIGITS},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Values of a [`CodeSlot`].
pub const CODE_SLOTS: u16 = 10u16.pow(CODE_SLOT_DIGITS as u32);

/// Where two devices meet at the server. It is no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CodeSlot(u16);

impl CodeSlot {
    /// From a number below [`CODE_SLOTS`]; none for another one.
    pub const fn new(number: u16) -> Option<Self> {
        if number < CODE_SLOTS { Some(Self(number)) } else { None }
    }

    /// Its number.
    pub const fn number(self) -> u16 {
        self.0
    }
}

/// Four digits, as on the wire.
impl std::fmt::Display for CodeSlot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:0width$}", self.0, width = CODE_SLOT_DIGITS)
    }
}

impl std::str::FromStr for CodeSlot {
    type Err = CodeTextError;

    fn from_str(text: &str) -> Result<Self, CodeTextError> {
        if text.len() != CODE_SLOT_DIGITS || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(CodeTextError::Length);
        }
        text.parse().ok().and_then(Self::new).ok_or(CodeTextError::Length)
    }
}

impl Serialize for CodeSlot {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for CodeSlot {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(|_| de::Error::custom("not four digits"))
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for CodeSlot {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "CodeSlot".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string", "pattern": "^[0-9]{4}$",
            "description": "Where two devices meet at the server: the first four digits of a short code. No secret."
        })
    }
}

/// Why a text is not a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodeTextError {
    /// It has a character that is neither a digit nor a separator.
    #[error("a code has digits only: type the ten digits that were read to you")]
    Character,
    /// It has fewer or more digits.
    #[error("a code has ten digits: type all of them, as they were read to you")]
    Length,
}

/// A code as a person reads and types it. It has no `Debug` and no `Display`: whoever learns it in time can take what it carries.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ShortCode {
    slot: CodeSlot,
    secret: [u8; CODE_SECRET_DIGITS],
}

impl ShortCode {
    /// A code for a slot, with a secret made of random bytes. 10^6 divides 2^128 with a remainder that no attacker can use.
    pub fn new(slot: CodeSlot, random: &[u8; 16]) -> Self {
        let mut number = u128::from_le_bytes(*random);
        let secret = std::array::from_fn(|_| {
            let digit = (number % 10) as u8;
            number /= 10;
            b'0' + digit
        });
        Self { slot, secret }
    }

    /// Reads what a person typed: ten digits of any script, with or without spaces, hyphens and the like between them.
    ///
    /// # Errors
    /// [`CodeTextError`].
    pub fn parse(text: &str) -> Result<Self, CodeTextError> {
        let mut digits = [0; CODE_SLOT_DIGITS + CODE_SECRET_DIGITS];
        let mut count = 0;
        for character in text.chars().filter(|character| !is_separator(*character)) {
            let digit = digit_value(character).ok_or(CodeTextError::Character)?;
            *digits.get_mut(count).ok_or(CodeTextError::Length)? = digit;
            count += 1;
        }
        if count != digits.len() {
            return Err(CodeTextError::Length);
        }
        let number = digits[..CODE_SLOT_DIGITS].iter().fold(0, |number, digit| number * 10 + u16::from(*digit));
        let secret = std::array::from_fn(|n| b'0' + digits[CODE_SLOT_DIGITS + n]);
        Ok(Self { slot: CodeSlot::new(number).ok_or(CodeTextError::Length)?, secret })
    }

    /// Where the devices meet.
    pub fn slot(&self) -> CodeSlot {
        self.slot
    }

    /// The six digits that the server must not learn.
    pub fn secret(&self) -> &[u8; CODE_SECRET_DIGITS] {
        &self.secret
    }

    /// For the person who reads it out: `1234-567-890`.
    pub fn to_text(&self) -> String {
        let secret: String = self.secret.iter().map(|digit| char::from(*digit)).collect();
        let (first, second) = secret.split_at(CODE_SECRET_DIGITS / 2);
        format!("{}-{first}-{second}", self.slot)
    }
}

/// What people and input methods put between digits: white space, hyphens and dashes, dots, and invisible characters.
fn is_separator(character: char) -> bool {
    character.is_whitespace()
        || matches!(character,
            '-' | '.' | '\u{b7}' | '\u{ad}' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}'
            | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// The zeros of scripts with decimal digits in current use (Unicode, general category Nd); nine more digits follow each.
const ZEROS: [u32; 24] = [
    0x30, 0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6, 0xe50, 0xed0,
    0xf20, 0x1040, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1b50, 0xff10,
];

fn digit_value(character: char) -> Option<u8> {
    let zero = ZEROS.iter().rev().find(|zero| **zero <= u32::from(character))?;
    u8::try_from(u32::from(character) - zero).ok().filter(|value| *value < 10)
}

/// `POST /api/v1/codes/{slot}`: the device whose person typed the code begins an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CodeStart {
    /// Its message of the key exchange.
    pub message: Blob,
    /// Its public key for this attempt alone (HPKE with X-Wing), to which the text is sealed.
    pub key: Blob,
}

/// Answer to [`CodeStart`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CodeStarted {
    /// The attempt.
    pub run: CodeRunId,
    /// The other device's message of the key exchange.
    pub message: Blob,
}

/// `POST /api/v1/codes/{slot}/{run}`: the device proves that the right code was typed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CodeConfirm {
    /// 32 bytes, derived from the exchanged key.
    pub confirmation: Blob,
}

/// Answer to [`CodeConfirm`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum CodeConfirmed {
    /// The code is right.
    Delivered {
        /// The text, sealed.
        text: SealedText,
    },
    /// Another code was typed.
    Wrong {
        /// How many more wrong ones are accepted.
        left: u8,
    },
}

/// The text that a code carries, for the device that typed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SealedText {
    /// 32 bytes, derived from the exchanged key: the sender knows the code. Checked before anything is opened.
    pub confirmation: Blob,
    /// Encapsulated key of HPKE.
    pub enc: Blob,
    /// Ciphertext.
    pub sealed: Blob,
}

/// What the server forwards to the device that shows a code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum CodeStep {
    /// An attempt begins.
    Start(CodeStart),
    /// It goes on.
    Confirm(CodeConfirm),
}

/// What the device that shows a code answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum CodeAnswer {
    /// To the first step: its message of the key exchange.
    Exchange {
        /// As in [`CodeStarted`].
        message: Blob,
    },
    /// To the second: the text.
    Delivered {
        /// As in [`CodeConfirmed::Delivered`].
        text: SealedText,
    },
    /// To the second: another code was typed.
    Wrong {
        /// How many more wrong ones are accepted.
        left: u8,
    },
    /// To either: nothing more comes of this attempt.
    Over {
        /// Why.
        why: CodeOver,
    },
}

/// Why a code, or an attempt with it, is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum CodeOver {
    /// A device received the text.
    Used,
    /// [`crate::limits::MAX_WRONG_CODES`] wrong codes were typed.
    Guessed,
    /// [`crate::limits::CODE_TTL_MS`] have passed.
    Expired,
    /// The device that shows it closed it, or lost its connection.
    Closed,
    /// [`crate::limits::MAX_CODE_RUNS`] attempts were made.
    TooMany,
    /// The attempt's message is not one of this version, or the attempt is not known.
    Unknown,
}

impl CodeOver {
    /// What happened and what to do, for the person who typed the code.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Used => "another device used this code: if that was not you, tell the person who read it to you",
            Self::Guessed => "this code is closed, because wrong codes were typed: ask for a new code",
            Self::Expired => "this code has expired: ask for a new code",
            Self::Closed => "the device that showed this code closed it or is not connected: ask for a new code",
            Self::TooMany => "this code is closed, because it was tried too often: ask for a new code",
            Self::Unknown => "this attempt is not known any more: type the code again",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "0042-017-890";

    fn parsed(text: &str) -> Result<String, CodeTextError> {
        ShortCode::parse(text).map(|code| code.to_text())
    }

    #[test]
    fn a_code_is_read_however_it_is_typed() {
        let ways = [
            TEXT,
            "0042017890",
            " 0042 017 890\n",
            "0042\u{2013}017\u{2011}890",
            "0042.017.890",
            "\u{200e}0042-017-890\u{200f}",
            "00 42 01 78 90",
            // Full-width, Arabic-Indic, Persian, Devanagari.
            "\u{ff10}\u{ff10}\u{ff14}\u{ff12}\u{ff0d}\u{ff10}\u{ff11}\u{ff17}\u{ff0d}\u{ff18}\u{ff19}\u{ff10}",
            "٠٠٤٢ ٠١٧ ٨٩٠",
            "۰۰۴۲ ۰۱۷ ۸۹۰",
            "००४२-०१७-८९०",
        ];
        for text in ways {
            assert_eq!(parsed(text).as_deref(), Ok(TEXT), "{text}");
        }
        let code = ShortCode::parse(TEXT).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((code.slot().number(), code.secret()), (42, b"017890"));
    }

    #[test]
    fn what_is_no_code_is_refused_with_a_reason() {
        for text in ["", "-", "123456789", "12345678901", &"1".repeat(100_000)] {
            assert_eq!(parsed(text), Err(CodeTextError::Length), "{}", text.len());
        }
        for text in ["1234-567-89O", "1234_567_890", "1234/567/890", "²234567890", "一二三四五六七八九十", "\u{1d7ce}"]
        {
            assert_eq!(parsed(text), Err(CodeTextError::Character), "{text}");
        }
    }

    #[test]
    fn each_script_has_ten_digits_and_no_more() {
        for zero in ZEROS {
            for n in 0..10u8 {
                assert_eq!(digit_value(char::from_u32(zero + u32::from(n)).unwrap()), Some(n));
            }
            assert_eq!(digit_value(char::from_u32(zero - 1).unwrap()), None, "before {zero:x}");
            let after = zero + 10;
            assert!(ZEROS.contains(&after) || digit_value(char::from_u32(after).unwrap()).is_none(), "after {zero:x}");
        }
        assert!(ZEROS.is_sorted());
    }

    #[test]
    fn every_digit_of_a_secret_is_drawn() {
        let slot = CodeSlot::new(9_999).unwrap();
        assert_eq!(ShortCode::new(slot, &[0; 16]).to_text(), "9999-000-000");
        assert_eq!(ShortCode::new(slot, &999_999u128.to_le_bytes()).to_text(), "9999-999-999");
        assert_eq!(ShortCode::new(slot, &1_000_001u128.to_le_bytes()).to_text(), "9999-100-000");
    }

    #[test]
    fn a_slot_is_four_digits_on_the_wire() {
        let slot = CodeSlot::new(7).unwrap();
        assert_eq!(serde_json::to_string(&slot).unwrap(), r#""0007""#);
        assert_eq!(serde_json::from_str::<CodeSlot>(r#""0007""#).unwrap(), slot);
        for bad in [r#""7""#, r#""00007""#, r#""+007""#, r#""٠٠٠٧""#, "7", r#""""#] {
            assert!(serde_json::from_str::<CodeSlot>(bad).is_err(), "{bad}");
        }
        assert_eq!(CodeSlot::new(CODE_SLOTS), None);
    }
}
