//! Names of offices, and qualified identifiers.
//!
//! An identifier is drawn at random in one office and is unique in that office only: two offices, or a hostile one, may use
//! the same. Identifiers that leave a device are therefore qualified, `id@office` ([`Qualified`]). The office's name is a claim:
//! it selects the authority to verify with, and proves nothing.

use crate::id::{CallId, DeviceId, IdError, OpaqueId, PersonId};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{borrow::Cow, fmt, str::FromStr, sync::Arc};

/// Longest name of an office, characters (RFC 1035 section 2.3.4, without the root's dot).
pub const MAX_DOMAIN_CHARS: usize = 253;
/// Longest label of a domain, characters (RFC 1035 section 2.3.4).
pub const MAX_LABEL_CHARS: usize = 63;

/// Why a text does not name an office.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an office is named by a lower-case ASCII domain such as office.example")]
pub struct OfficeNameError;

/// Name of an office: a domain in lower-case ASCII labels, in the one spelling that certificates and signed texts compare byte
/// by byte. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OfficeName(Arc<str>);

impl OfficeName {
    /// Reads a domain. Nothing is normalised: another spelling is refused.
    ///
    /// # Errors
    /// [`OfficeNameError`].
    pub fn parse(domain: &str) -> Result<Self, OfficeNameError> {
        if domain.len() <= MAX_DOMAIN_CHARS && domain.split('.').all(is_label) {
            Ok(Self(domain.into()))
        } else {
            Err(OfficeNameError)
        }
    }

    /// The domain.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_label(label: &str) -> bool {
    (1..=MAX_LABEL_CHARS).contains(&label.len())
        && label.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
        && !label.starts_with('-')
        && !label.ends_with('-')
}

impl FromStr for OfficeName {
    type Err = OfficeNameError;
    fn from_str(text: &str) -> Result<Self, OfficeNameError> {
        Self::parse(text)
    }
}

impl fmt::Display for OfficeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for OfficeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OfficeName({})", self.0)
    }
}

impl PartialEq<str> for OfficeName {
    fn eq(&self, other: &str) -> bool {
        &*self.0 == other
    }
}

impl PartialEq<String> for OfficeName {
    fn eq(&self, other: &String) -> bool {
        *self.0 == **other
    }
}

impl Serialize for OfficeName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for OfficeName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&Cow::<'de, str>::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

#[cfg(feature = "schema")]
const NAME_PATTERN: &str = "[a-z0-9-]{1,63}(\\.[a-z0-9-]{1,63})*";

#[cfg(feature = "schema")]
impl schemars::JsonSchema for OfficeName {
    fn schema_name() -> Cow<'static, str> {
        "OfficeName".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": format!("^{NAME_PATTERN}$"),
            "maxLength": MAX_DOMAIN_CHARS,
            "description": "Name of an office: a domain in lower-case ASCII labels."
        })
    }
}

/// Why a text is not an identifier with its office.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QualifiedError {
    /// There is no `@`.
    #[error("an identifier of an office is written as identifier@office")]
    Form,
    /// What is before the `@` is no identifier.
    #[error(transparent)]
    Id(#[from] IdError),
    /// What follows the `@` names no office.
    #[error(transparent)]
    Office(#[from] OfficeNameError),
}

/// An identifier with the office that it belongs to, as text `<32 hexadecimal digits>@<domain>`.
///
/// Only identifiers that may stand in logs have a `Display`; [`Qualified::to_text`] writes any for the wire.
///
/// ```
/// use telcon_proto::{CallId, Qualified};
///
/// let call: Qualified<CallId> = "00112233445566778899aabbccddeeff@office.example".parse().unwrap();
/// assert_eq!(call.office.as_str(), "office.example");
/// assert_ne!(call, call.id.at(&"other.example".parse().unwrap()));
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Qualified<T> {
    /// The identifier, which is unique in its office only.
    pub id: T,
    /// The office.
    pub office: OfficeName,
}

macro_rules! at {
    ($($id:ident),*) => {$(
        impl $id {
            /// This identifier as one of `office`.
            pub fn at(self, office: &OfficeName) -> Qualified<Self> {
                Qualified { id: self, office: office.clone() }
            }
        }
    )*};
}

at!(CallId, DeviceId, PersonId);

impl<T: OpaqueId> Qualified<T> {
    /// The form on the wire and in archives. Of a person it must not be logged.
    pub fn to_text(&self) -> String {
        format!("{}@{}", self.id.to_hex(), self.office)
    }
}

impl<T: OpaqueId> FromStr for Qualified<T> {
    type Err = QualifiedError;
    fn from_str(text: &str) -> Result<Self, QualifiedError> {
        let (id, office) = text.split_once('@').ok_or(QualifiedError::Form)?;
        Ok(Self { id: id.parse()?, office: OfficeName::parse(office)? })
    }
}

impl<T: fmt::Display> fmt::Display for Qualified<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.id, self.office)
    }
}

impl<T: fmt::Debug> fmt::Debug for Qualified<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}@{}", self.id, self.office)
    }
}

impl<T: OpaqueId> Serialize for Qualified<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_text())
    }
}

impl<'de, T: OpaqueId> Deserialize<'de> for Qualified<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(feature = "schema")]
impl<T: OpaqueId> schemars::JsonSchema for Qualified<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("Qualified{}", T::NAME).into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": format!("^[0-9a-f]{{32}}@{NAME_PATTERN}$"),
            "description": format!("A {} with its office.", T::NAME)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn office(name: &str) -> OfficeName {
        OfficeName::parse(name).unwrap()
    }

    #[test]
    fn names_are_domains_in_one_spelling() {
        let long_label = "a".repeat(MAX_LABEL_CHARS + 1);
        for bad in [
            "",
            ".",
            "a.",
            ".a",
            "A.example",
            "a..b",
            "-a",
            "a-",
            "a_b",
            "ä.example",
            "a:1",
            "a@b",
            " a",
            "a ",
            "a\n",
            "a\0",
            "a/b",
            "office.example.",
            &long_label,
            &"a.".repeat(127),
            &"ab.".repeat(85),
        ] {
            assert_eq!(OfficeName::parse(bad), Err(OfficeNameError), "{bad:?}");
            assert!(serde_json::from_value::<OfficeName>(bad.into()).is_err(), "{bad:?}");
        }
        let longest = format!("{}a", "a.".repeat(126));
        assert_eq!(longest.len(), MAX_DOMAIN_CHARS);
        for good in ["localhost", "office.example", "xn--bcher-kva.example", "a-1.b", &longest] {
            let name = office(good);
            assert_eq!((name.as_str(), name.to_string().as_str()), (good, good));
            assert_eq!(serde_json::to_value(&name).unwrap(), good);
            assert_eq!(serde_json::from_value::<OfficeName>(good.into()).unwrap(), name);
        }
    }

    #[test]
    fn qualified_identifiers_read_back_what_they_write() {
        let call = CallId::from_bytes([0xca; 16]).at(&office("office.example"));
        assert_eq!(call.to_text(), format!("{}@office.example", "ca".repeat(16)));
        assert_eq!(call.to_string(), call.to_text());
        assert_eq!(call.to_text().parse(), Ok(call.clone()));
        let json = serde_json::to_string(&call).unwrap();
        assert_eq!(serde_json::from_str::<Qualified<CallId>>(&json).unwrap(), call);
    }

    #[test]
    fn abuse_of_the_qualified_form_is_refused() {
        let id = "ca".repeat(16);
        for (bad, why) in [
            (String::new(), QualifiedError::Form),
            (id.clone(), QualifiedError::Form),
            (format!("{id}%office.example"), QualifiedError::Form),
            (format!("{id}＠office.example"), QualifiedError::Form),
            ("@".into(), IdError.into()),
            ("@office.example".into(), IdError.into()),
            (format!("{}@office.example", &id[1..]), IdError.into()),
            (format!("{id}0@office.example"), IdError.into()),
            (format!("{}@office.example", id.to_uppercase()), IdError.into()),
            (format!(" {id}@office.example"), IdError.into()),
            (format!("{id} @office.example"), IdError.into()),
            (format!("office.example@{id}"), IdError.into()),
            (format!("{id}@"), OfficeNameError.into()),
            (format!("{id}@@office.example"), OfficeNameError.into()),
            (format!("{id}@office.example@other.example"), OfficeNameError.into()),
            (format!("{id}@Office.example"), OfficeNameError.into()),
            (format!("{id}@office.example."), OfficeNameError.into()),
            (format!("{id}@office.example "), OfficeNameError.into()),
            (format!("{id}@office.example\n"), OfficeNameError.into()),
            (format!("{id}@office.example\0"), OfficeNameError.into()),
            // A Cyrillic о: another office on the same screen.
            (format!("{id}@\u{43e}ffice.example"), OfficeNameError.into()),
            (format!("{id}@{}", "a.".repeat(400)), OfficeNameError.into()),
        ] {
            assert_eq!(bad.parse::<Qualified<CallId>>(), Err(why), "{bad:?}");
            assert_eq!(bad.parse::<Qualified<PersonId>>().unwrap_err(), why, "{bad:?}");
            assert!(serde_json::from_value::<Qualified<DeviceId>>(bad.clone().into()).is_err(), "{bad:?}");
        }
        assert!(serde_json::from_str::<Qualified<CallId>>(r#"{"id":"00","office":"a"}"#).is_err());
    }

    #[test]
    fn the_same_identifier_in_two_offices_is_two() {
        let id = PersonId::from_bytes([7; 16]);
        let (here, there) = (id.at(&office("office.example")), id.at(&office("other.example")));
        assert!(here != there && here.to_text() != there.to_text());
        assert_eq!(std::collections::BTreeSet::from([here.clone(), there, here]).len(), 2);
    }

    #[test]
    fn a_qualified_person_cannot_be_formatted_into_a_log_line() {
        let person = PersonId::from_bytes([0xab; 16]).at(&office("office.example"));
        assert_eq!(format!("{person:?}"), "PersonId(…)@office.example");
    }
}
