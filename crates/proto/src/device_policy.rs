//! What an office wants of devices: rules for each role, in a file that its server reads at start (`telcon serve --policy`).
//!
//! The rules only restrict: they give nobody a permission, so a server may hold them. A server that ignores them is no worse than an
//! office without. The log has the digest of each version that was in force.
//!
//! ```
//! use telcon_proto::{Role, device_policy::{DeviceKind, DevicePolicy}};
//!
//! let policy = DevicePolicy::parse(r#"{
//!   "version": 1,
//!   "everybody": { "devices_per_person": 3 },
//!   "roles": { "note_taker": { "kinds": ["native"] } }
//! }"#).unwrap();
//! assert!(!policy.rules(Role::NoteTaker).allows(DeviceKind::Browser));
//! assert_eq!(policy.rules(Role::NoteTaker).devices_per_person, 3);
//! ```

use crate::{Role, limits::MAX_DEVICES_PER_PERSON};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{collections::BTreeMap, fmt, str::FromStr};

/// Version of the file.
pub const DEVICE_POLICY_VERSION: u16 = 1;
/// Longest file, bytes: a few hundred for each role.
pub const MAX_DEVICE_POLICY_BYTES: usize = 16 * 1024;
/// After how many minutes without use a page locks where the office says nothing; also the longest that it may say.
pub const IDLE_LOCK_MINUTES: u32 = 240;

/// What kind of program a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum DeviceKind {
    /// The page in a browser. Browsers state it in a header of every request, which no page can change.
    Browser,
    /// A program such as `telcon note` or `telcon call`.
    Native,
}

/// Version of a device's program, `MAJOR.MINOR.PATCH`. What follows a hyphen or plus sign in a semantic version is not part of it: a
/// pre-release counts as its release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProgramVersion([u32; 3]);

/// Longest text of a version that is read, characters.
const MAX_VERSION_CHARS: usize = 64;

impl ProgramVersion {
    /// Of this program.
    ///
    /// # Panics
    /// Never: Cargo accepts semantic versions alone.
    pub fn own() -> Self {
        env!("CARGO_PKG_VERSION").parse().expect("invariant: a package has a semantic version")
    }
}

impl FromStr for ProgramVersion {
    type Err = DevicePolicyError;

    fn from_str(text: &str) -> Result<Self, DevicePolicyError> {
        let wrong = || DevicePolicyError("a version is MAJOR.MINOR.PATCH, such as 1.4.0".to_owned());
        if text.len() > MAX_VERSION_CHARS {
            return Err(wrong());
        }
        let release = text.split(['-', '+']).next().unwrap_or_default();
        let number = |part: &str| match part.bytes().all(|byte| byte.is_ascii_digit()) {
            true => part.parse().map_err(|_| wrong()),
            false => Err(wrong()),
        };
        let numbers: Vec<u32> = release.split('.').map(number).collect::<Result<_, _>>()?;
        numbers.try_into().map(Self).map_err(|_| wrong())
    }
}

impl fmt::Display for ProgramVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.0;
        write!(f, "{major}.{minor}.{patch}")
    }
}

impl Serialize for ProgramVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ProgramVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for ProgramVersion {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ProgramVersion".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "Version of a device's program, MAJOR.MINOR.PATCH.",
            "type": "string",
            "pattern": r"^[0-9]+\.[0-9]+\.[0-9]+([-+].*)?$",
        })
    }
}

impl DeviceKind {
    /// The word on the wire and in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Browser => "browser",
            Self::Native => "native",
        }
    }
}

/// Rules for some devices. What is absent is not restricted further.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct DeviceRules {
    /// Which kinds of device may sign in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kinds: Option<Vec<DeviceKind>>,
    /// Whether browsers have to be protected by a passkey or PIN before they can do anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protection: Option<bool>,
    /// After how many minutes without use a protected page locks, 1 to [`IDLE_LOCK_MINUTES`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_lock_minutes: Option<u32>,
    /// How many devices a person may have, 1 to [`MAX_DEVICES_PER_PERSON`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub devices_per_person: Option<u32>,
    /// The oldest version of the page or program with which a device may sign in. A device states its version itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum_version: Option<ProgramVersion>,
}

/// An office's policy for devices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct DevicePolicy {
    /// [`DEVICE_POLICY_VERSION`].
    pub version: u16,
    /// Rules for all roles.
    #[serde(default)]
    pub everybody: DeviceRules,
    /// Rules for some roles, each in place of the rule for everybody.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub roles: BTreeMap<Role, DeviceRules>,
}

/// A policy that cannot be used. The text names the line, as far as there is one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DevicePolicyError(String);

/// The rules for devices of one role, with defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleRules {
    kinds: Option<Vec<DeviceKind>>,
    /// Whether browsers have to be protected.
    pub protection: bool,
    /// After how many minutes without use a page locks.
    pub idle_lock_minutes: u32,
    /// How many devices a person may have.
    pub devices_per_person: usize,
    /// The oldest version that may sign in.
    pub minimum_version: Option<ProgramVersion>,
}

impl RoleRules {
    /// Whether devices of this kind may sign in.
    pub fn allows(&self, kind: DeviceKind) -> bool {
        self.kinds.as_ref().is_none_or(|kinds| kinds.contains(&kind))
    }

    /// Whether a device that says this of its version may sign in. One that says nothing is older than every version that says it.
    pub fn allows_version(&self, program: Option<ProgramVersion>) -> bool {
        self.minimum_version.is_none_or(|oldest| program.is_some_and(|own| own >= oldest))
    }
}

impl Default for DevicePolicy {
    fn default() -> Self {
        Self { version: DEVICE_POLICY_VERSION, everybody: DeviceRules::default(), roles: BTreeMap::new() }
    }
}

impl DevicePolicy {
    /// Reads the file.
    ///
    /// # Errors
    /// If it is too long, not such a file, of another version, or has a value out of bounds.
    pub fn parse(text: &str) -> Result<Self, DevicePolicyError> {
        let wrong = |text: String| Err(DevicePolicyError(text));
        if text.len() > MAX_DEVICE_POLICY_BYTES {
            return wrong(format!(
                "a policy has at most {MAX_DEVICE_POLICY_BYTES} bytes, and this one has {}",
                text.len()
            ));
        }
        let policy: Self = match serde_json::from_str(text) {
            Ok(policy) => policy,
            Err(error) => return wrong(error.to_string()),
        };
        if policy.version != DEVICE_POLICY_VERSION {
            let version = policy.version;
            return wrong(format!("it is of version {version}, and this server reads version {DEVICE_POLICY_VERSION}"));
        }
        for (name, rules) in policy.all() {
            if let Some(text) = rules.out_of_bounds() {
                return wrong(format!("{name}: {text}"));
            }
        }
        Ok(policy)
    }

    /// Whether it restricts nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn all(&self) -> impl Iterator<Item = (&'static str, &DeviceRules)> {
        let roles = self.roles.iter().map(|(role, rules)| (role.as_str(), rules));
        std::iter::once(("everybody", &self.everybody)).chain(roles)
    }

    /// The rules for devices of a role.
    pub fn rules(&self, role: Role) -> RoleRules {
        let layers = || self.roles.get(&role).into_iter().chain([&self.everybody]);
        RoleRules {
            kinds: layers().find_map(|rules| rules.kinds.clone()),
            protection: layers().find_map(|rules| rules.protection).unwrap_or(false),
            idle_lock_minutes: layers().find_map(|rules| rules.idle_lock_minutes).unwrap_or(IDLE_LOCK_MINUTES),
            devices_per_person: layers()
                .find_map(|rules| rules.devices_per_person)
                .map_or(MAX_DEVICES_PER_PERSON, |most| most as usize),
            minimum_version: layers().find_map(|rules| rules.minimum_version),
        }
    }
}

impl DeviceRules {
    fn out_of_bounds(&self) -> Option<String> {
        if self.kinds.as_ref().is_some_and(Vec::is_empty) {
            return Some("kinds has no kind, so that nobody could sign in: name browser or native".to_owned());
        }
        if self.idle_lock_minutes.is_some_and(|minutes| !(1..=IDLE_LOCK_MINUTES).contains(&minutes)) {
            return Some(format!("idle_lock_minutes is 1 to {IDLE_LOCK_MINUTES}"));
        }
        let most = MAX_DEVICES_PER_PERSON as u32;
        if self.devices_per_person.is_some_and(|devices| !(1..=most).contains(&devices)) {
            return Some(format!("devices_per_person is 1 to {most}"));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_has_its_own_rule_or_that_of_everybody() {
        let policy = DevicePolicy::parse(
            r#"{"version":1,"everybody":{"protection":true,"devices_per_person":2},
                "roles":{"principal":{"devices_per_person":4},"note_taker":{"kinds":["native"],"protection":false}}}"#,
        )
        .unwrap();
        let (principal, notes) = (policy.rules(Role::Principal), policy.rules(Role::NoteTaker));
        assert_eq!((principal.protection, principal.devices_per_person), (true, 4));
        assert_eq!((notes.protection, notes.devices_per_person), (false, 2));
        assert!(principal.allows(DeviceKind::Browser) && !notes.allows(DeviceKind::Browser));
        assert_eq!(principal.idle_lock_minutes, IDLE_LOCK_MINUTES);
        let none = DevicePolicy::default().rules(Role::Auditor);
        assert!(none.allows(DeviceKind::Native) && !none.protection);
        assert_eq!(none.devices_per_person, MAX_DEVICES_PER_PERSON);
    }

    #[test]
    fn versions_are_compared_by_their_numbers() {
        let rules = DevicePolicy::parse(
            r#"{"version":1,"everybody":{"minimum_version":"1.10.0"},"roles":{"note_taker":{"minimum_version":"0.9.9"}}}"#,
        )
        .unwrap();
        let allows = |role, version: &str| rules.rules(role).allows_version(Some(version.parse().unwrap()));
        for (version, allowed) in
            [("1.10.0", true), ("1.10.1", true), ("2.0.0", true), ("1.9.9", false), ("0.99.99", false)]
        {
            assert_eq!(allows(Role::Auditor, version), allowed, "{version}");
        }
        assert!(allows(Role::NoteTaker, "0.9.9") && allows(Role::Auditor, "1.10.0-rc.1"));
        assert!(!rules.rules(Role::Auditor).allows_version(None), "one that says nothing is older");
        assert!(DevicePolicy::default().rules(Role::Auditor).allows_version(None));
        for bad in ["", "1", "1.2", "1.2.3.4", "1.2.x", "+1.2.3", "1..3", "99999999999.0.0", &"1".repeat(65)] {
            assert!(bad.parse::<ProgramVersion>().is_err(), "{bad:?}");
        }
        assert_eq!(ProgramVersion::own().to_string(), env!("CARGO_PKG_VERSION").split('-').next().unwrap());
    }

    #[test]
    fn what_is_not_understood_is_refused_with_its_line() {
        for (text, part) in [
            ("{\n \"version\": 1,\n \"everybdy\": {}\n}", "line 3"),
            ("{\"version\":1,\n\"roles\":{\"president\":{}}}", "line 2"),
            ("{\"version\":1,\n\"everybody\":{\"kinds\":[\"phone\"]}}", "line 2"),
            ("{\"version\":1,\"everybody\":{\"protection\":\"yes\"}}", "line 1"),
            ("", "line 1"),
            ("{\"version\":1,\"everybody\":{\"minimum_version\":\"1.4\"}}", "MAJOR.MINOR.PATCH"),
            ("{\"version\":2}", "version 2"),
            ("{\"version\":1,\"everybody\":{\"kinds\":[]}}", "everybody: kinds"),
            ("{\"version\":1,\"everybody\":{\"idle_lock_minutes\":0}}", "1 to 240"),
            (
                "{\"version\":1,\"roles\":{\"auditor\":{\"devices_per_person\":9}}}",
                "auditor: devices_per_person is 1 to 8",
            ),
            (&" ".repeat(MAX_DEVICE_POLICY_BYTES + 1), "at most"),
        ] {
            let error = DevicePolicy::parse(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text:.80}: {error}");
        }
    }
}
