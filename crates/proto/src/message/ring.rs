//! The payload of a signed ring, in every version that was ever used.

use crate::{
    CallId, DeviceId, OfficeName, PersonId, Qualified, RecordMode, SuiteName, WIRE_VERSION, delegation::OnBehalf,
    line::OverLine,
};
use serde::{Deserialize, Serialize};

/// The version before qualified identifiers. Archives and spools hold such rings; none is created any more.
const VERSION_3: u16 = 3;

/// Content of a signed ring, the payload of the `telcon-ring+jws`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Ring {
    /// [`crate::WIRE_VERSION`], or the older one in which it was signed.
    pub version: u16,
    /// The call, drawn at random by the caller's device; its identifier is also the MLS group id. Its office opens and logs
    /// it.
    pub call: Qualified<CallId>,
    /// The device that rings.
    pub from: Qualified<DeviceId>,
    /// The person rung.
    pub to: Qualified<PersonId>,
    /// Record mode.
    pub mode: RecordMode,
    /// The suite of the call.
    pub suite: SuiteName,
    /// When it was signed, milliseconds since 1970 UTC, by the device's clock.
    pub at_ms: u64,
    /// The delegation under which the device's person rings for somebody else. The ring is nothing without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf: Option<OnBehalf>,
    /// The line that it is over. Where the office's charter demands lines, a ring between a principal and a counterpart is nothing
    /// without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<OverLine>,
}

/// Why a payload is not a ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RingError {
    /// Not JSON of a ring.
    #[error("a ring has malformed content")]
    Malformed,
    /// Of a version that this program does not know.
    #[error("a ring is of version {0}")]
    Version(u16),
}

/// The one member that every version of a ring has.
#[derive(Deserialize)]
struct Versioned {
    version: u16,
}

/// Version 3: one office for everything.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RingV3 {
    version: u16,
    call: CallId,
    office: OfficeName,
    from: DeviceId,
    to: PersonId,
    mode: RecordMode,
    suite: SuiteName,
    at_ms: u64,
}

impl From<RingV3> for Ring {
    fn from(ring: RingV3) -> Self {
        let RingV3 { version, call, office, from, to, mode, suite, at_ms } = ring;
        let (call, from, to) = (call.at(&office), from.at(&office), to.at(&office));
        Self { version, call, from, to, mode, suite, at_ms, on_behalf: None, over: None }
    }
}

impl Ring {
    /// Reads the payload of a ring of this version or an older one. The version is in [`Ring::version`]: a
    /// receiver of new rings must refuse older versions.
    ///
    /// # Errors
    /// [`RingError`].
    pub fn read(payload: &[u8]) -> Result<Self, RingError> {
        let Versioned { version } = serde_json::from_slice(payload).map_err(|_| RingError::Malformed)?;
        match version {
            WIRE_VERSION => serde_json::from_slice(payload).map_err(|_| RingError::Malformed),
            VERSION_3 => serde_json::from_slice::<RingV3>(payload).map(Self::from).map_err(|_| RingError::Malformed),
            other => Err(RingError::Version(other)),
        }
    }

    /// Whether caller, callee and call are all of one office.
    pub fn is_within(&self, office: &OfficeName) -> bool {
        [&self.call.office, &self.from.office, &self.to.office].into_iter().all(|named| named == office)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn v3() -> Value {
        json!({
            "version": 3, "call": "ca".repeat(16), "office": "office.example", "from": "d0".repeat(16),
            "to": "09".repeat(16), "mode": "memo", "suite": "hybrid", "at_ms": 7,
        })
    }

    fn v4() -> Value {
        json!({
            "version": 4, "call": format!("{}@office.example", "ca".repeat(16)),
            "from": format!("{}@office.example", "d0".repeat(16)), "to": format!("{}@office.example", "09".repeat(16)),
            "mode": "memo", "suite": "hybrid", "at_ms": 7,
        })
    }

    fn read(ring: &Value) -> Result<Ring, RingError> {
        Ring::read(ring.to_string().as_bytes())
    }

    #[test]
    fn both_versions_read_as_the_same_ring() {
        let (old, new) = (read(&v3()).unwrap(), read(&v4()).unwrap());
        assert_eq!((old.version, new.version), (3, WIRE_VERSION));
        assert_eq!(Ring { version: WIRE_VERSION, ..old }, new);
        assert_eq!(serde_json::to_value(&new).unwrap(), v4());
    }

    #[test]
    fn fields_of_another_version_are_refused() {
        for (mut ring, version) in [(v3(), 4), (v4(), 3)] {
            ring["version"] = version.into();
            assert_eq!(read(&ring), Err(RingError::Malformed), "{ring}");
        }
        let mut both = v4();
        both["office"] = "office.example".into();
        assert_eq!(read(&both), Err(RingError::Malformed));
        let mut nameless = v3();
        nameless["office"] = "Office.example".into();
        assert_eq!(read(&nameless), Err(RingError::Malformed));
        let mut unqualified = v4();
        unqualified["to"] = "09".repeat(16).into();
        assert_eq!(read(&unqualified), Err(RingError::Malformed));
    }

    #[test]
    fn an_unknown_version_is_reported_with_its_number() {
        for version in [0, 1, 2, 5, u16::MAX] {
            assert_eq!(read(&json!({ "version": version, "new": [] })), Err(RingError::Version(version)));
        }
        for bad in [&b""[..], b"{}", b"[]", b"null", b"{\"version\":-1}", b"{\"version\":65536}"] {
            assert_eq!(Ring::read(bad), Err(RingError::Malformed));
        }
    }

    #[test]
    fn a_ring_is_within_an_office_if_all_of_it_is() {
        let (here, there) = (OfficeName::parse("office.example").unwrap(), OfficeName::parse("other.example").unwrap());
        let ring = read(&v4()).unwrap();
        assert!(ring.is_within(&here) && !ring.is_within(&there));
        type Change = fn(&mut Ring, &OfficeName);
        let changes: [Change; 3] = [
            |ring, office| ring.call.office = office.clone(),
            |ring, office| ring.from.office = office.clone(),
            |ring, office| ring.to.office = office.clone(),
        ];
        for change in changes {
            let mut ring = ring.clone();
            change(&mut ring, &there);
            assert!(!ring.is_within(&here) && !ring.is_within(&there));
        }
    }
}
