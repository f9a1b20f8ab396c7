//! Opaque identifiers of calls, devices and people: 128 random bits each, written as 32 lowercase hex digits.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{fmt, hash::Hash, str::FromStr};

/// Why a text is not an identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an identifier is 32 lowercase hexadecimal digits")]
pub struct IdError;

fn parse(text: &str) -> Result<[u8; 16], IdError> {
    let digits = text.as_bytes();
    if digits.len() != 32 {
        return Err(IdError);
    }
    let mut bytes = [0; 16];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Ok(bytes)
}

fn nibble(digit: u8) -> Result<u8, IdError> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(IdError),
    }
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("invariant: writing to a String cannot fail");
        text
    })
}

/// Common interface of all identifiers, with which [`crate::Qualified`] parses and formats any of them.
pub trait OpaqueId: Copy + Eq + Ord + Hash + FromStr<Err = IdError> + sealed::Sealed {
    /// The type's name, for schemas.
    const NAME: &'static str;

    /// 32 lowercase hexadecimal digits, as on the wire.
    fn to_hex(&self) -> String;
}

mod sealed {
    /// Identifiers are defined here and nowhere else.
    pub trait Sealed {}
}

macro_rules! id {
    // One that may be logged.
    (loggable $name:ident, $doc:literal) => {
        id!($name, $doc);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.to_hex())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.to_hex())
            }
        }
    };
    ($name:ident, $doc:literal) => {
        #[doc = $doc]
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// From 16 bytes, which the caller drew at random.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// The 16 bytes.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }

            /// 32 lowercase hexadecimal digits, as on the wire.
            pub fn to_hex(&self) -> String {
                hex(&self.0)
            }
        }

        impl sealed::Sealed for $name {}

        impl OpaqueId for $name {
            const NAME: &'static str = stringify!($name);

            fn to_hex(&self) -> String {
                hex(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                parse(text).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.to_hex())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }

        #[cfg(feature = "schema")]
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "pattern": "^[0-9a-f]{32}$", "description": $doc })
            }
        }
    };
}

id!(loggable CallId, "One call. Opaque: it reveals no participant and may be logged.");
id!(loggable DeviceId, "One enrolled device. Opaque: it may be logged.");
id!(loggable InvitationId, "One invitation to enrol a device. Opaque: it may be logged.");
id!(loggable RecoveryId, "One recovery of a person who lost all devices. Opaque: it may be logged.");
id!(loggable ShiftId, "One shift of a person at a device of a place. Opaque: the log names it.");
id!(loggable DelegationId, "One delegation of a principal. Opaque: it may be logged.");
id!(loggable LineId, "One line that a principal gave. Opaque: it may be logged.");
id!(loggable DocumentId, "One sealed document. Opaque: the log names it.");
id!(loggable CodeRunId, "One attempt with a short code. Opaque: only the device that made it learns it from the server.");
id!(PersonId, "One person. It must not be logged: it has no `Display`, and its `Debug` shows nothing.");
id!(
    ItemId,
    "One item of what is written about a call: a note, a turn, a promise. It stays inside of sealed documents."
);

impl LineId {
    /// The line that is offered with an invitation.
    pub const fn of_offer(invitation: InvitationId) -> Self {
        Self(invitation.0)
    }

    /// The invitation with which it was offered. A line that was given without one has this identifier to itself.
    pub const fn offer(self) -> InvitationId {
        InvitationId(self.0)
    }
}

impl fmt::Debug for PersonId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PersonId(…)")
    }
}

impl fmt::Debug for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ItemId({})", self.to_hex())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_round_trip_and_malformed_ones_are_refused() {
        let id = CallId::from_bytes(std::array::from_fn(|i| i as u8 * 16));
        assert_eq!(id.to_hex().parse::<CallId>(), Ok(id));
        for bad in ["", "00", &"g".repeat(32), &"A".repeat(32), &"0".repeat(33), "é0000000000000000000000000000000"] {
            assert_eq!(bad.parse::<CallId>(), Err(IdError), "{bad}");
        }
    }

    #[test]
    fn a_person_cannot_be_formatted_into_a_log_line() {
        let id = PersonId::from_bytes([0xab; 16]);
        assert!(!format!("{id:?}").contains("ab"));
    }
}
