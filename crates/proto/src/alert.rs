//! Alerts for an office's security officers. Each is an entry of the office's log, so that nobody can hide one: the list that
//! officers see is what [`OfficeAlert::of_entry`] makes of the log, for the server and for auditors.

use crate::{CallId, DeviceId, InvitationId, entry::Entry, entry::InvitationClosed, line::LineState};
use serde::{Deserialize, Serialize};

/// What an alert is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum AlertKind {
    /// A new device asks to be enrolled.
    DeviceAsked,
    /// A device was enrolled.
    DeviceEnrolled,
    /// A registrar refused a device.
    DeviceRefused,
    /// A device was revoked.
    DeviceRevoked,
    /// A registrar's link was opened by another device than the one that used it up.
    LinkOpenedAgain,
    /// The authority appointed a registrar.
    RegistrarAppointed,
    /// A security officer states that a person lost all devices.
    RecoveryOpened,
    /// Another one confirmed it: the person's devices are revoked, and a new one may ask.
    RecoveryConfirmed,
    /// A recovery is over.
    RecoveryClosed,
    /// Somebody tried to sign in as a device without its key.
    SignInFailed,
    /// A person signed in with an account at the office's provider for the first time: from now on it is theirs.
    AccountLinked,
    /// A device rang, and the server could not verify the ring.
    RingRefused,
    /// A device reports that a certificate or a proof of a call did not verify.
    ProofInvalid,
    /// A device reports that the office's log does not continue what it saw before, or what a member of its call follows.
    LogForked,
    /// A device reports that the server delivered a ring that did not verify.
    RingInvalid,
    /// A registrar's device reports that wrong codes were typed until it closed the short code that it showed.
    CodeGuessed,
    /// A line was frozen: somebody doubted that its holder is who they say.
    LineSuspect,
}

impl AlertKind {
    /// All kinds, in the order of the documentation.
    pub const ALL: [Self; 17] = [
        Self::DeviceAsked,
        Self::DeviceEnrolled,
        Self::DeviceRefused,
        Self::DeviceRevoked,
        Self::LinkOpenedAgain,
        Self::RegistrarAppointed,
        Self::RecoveryOpened,
        Self::RecoveryConfirmed,
        Self::RecoveryClosed,
        Self::SignInFailed,
        Self::AccountLinked,
        Self::RingRefused,
        Self::ProofInvalid,
        Self::LogForked,
        Self::RingInvalid,
        Self::CodeGuessed,
        Self::LineSuspect,
    ];

    /// The word on the wire, in the log and in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DeviceAsked => "device_asked",
            Self::DeviceEnrolled => "device_enrolled",
            Self::DeviceRefused => "device_refused",
            Self::DeviceRevoked => "device_revoked",
            Self::LinkOpenedAgain => "link_opened_again",
            Self::RegistrarAppointed => "registrar_appointed",
            Self::RecoveryOpened => "recovery_opened",
            Self::RecoveryConfirmed => "recovery_confirmed",
            Self::RecoveryClosed => "recovery_closed",
            Self::SignInFailed => "sign_in_failed",
            Self::AccountLinked => "account_linked",
            Self::RingRefused => "ring_refused",
            Self::ProofInvalid => "proof_invalid",
            Self::LogForked => "log_forked",
            Self::RingInvalid => "ring_invalid",
            Self::CodeGuessed => "code_guessed",
            Self::LineSuspect => "line_suspect",
        }
    }

    /// The kind of this word; none of a newer version.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// Whether its entry is [`Entry::AlertRaised`]. The others are alerts by the entry that states what happened: a second one
    /// would say nothing more.
    pub const fn has_own_entry(self) -> bool {
        !matches!(
            self,
            Self::DeviceEnrolled
                | Self::DeviceRefused
                | Self::DeviceRevoked
                | Self::RegistrarAppointed
                | Self::RecoveryOpened
                | Self::RecoveryConfirmed
                | Self::RecoveryClosed
                | Self::LineSuspect
        )
    }
}

/// What a device reports to its office ([`crate::ClientMessage::ReportAlert`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ReportedAlert {
    /// [`AlertKind::ProofInvalid`].
    ProofInvalid,
    /// [`AlertKind::LogForked`].
    LogForked,
    /// [`AlertKind::RingInvalid`].
    RingInvalid,
    /// [`AlertKind::CodeGuessed`].
    CodeGuessed,
}

impl From<ReportedAlert> for AlertKind {
    fn from(reported: ReportedAlert) -> Self {
        match reported {
            ReportedAlert::ProofInvalid => Self::ProofInvalid,
            ReportedAlert::LogForked => Self::LogForked,
            ReportedAlert::RingInvalid => Self::RingInvalid,
            ReportedAlert::CodeGuessed => Self::CodeGuessed,
        }
    }
}

/// An alert that is in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OfficeAlert {
    /// Index of its entry in the log: no two alerts have the same.
    pub log_index: u64,
    /// When, milliseconds since 1970 UTC.
    pub time_ms: u64,
    /// What happened.
    pub kind: AlertKind,
    /// The device that it is about; of what a device reports, that device. None where it is not of this office, or where several
    /// are counted together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceId>,
    /// The invitation that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invitation: Option<InvitationId>,
    /// The call that the ring or the report names. The server did not verify it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<CallId>,
    /// How often it happened since the entry before it about the same.
    pub count: u64,
    /// Which security officer has seen it first. It is not in the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<AlertSeen>,
}

/// A security officer saw an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AlertSeen {
    /// The officer's device.
    pub by: DeviceId,
    /// When, milliseconds since 1970 UTC.
    pub at_ms: u64,
}

impl OfficeAlert {
    /// The alert that an entry is; none if it is not one, or of a kind of a newer version.
    pub fn of_entry(log_index: u64, entry: &Entry) -> Option<Self> {
        let alert = |time_ms, kind, device, invitation| Self {
            log_index,
            time_ms,
            kind,
            device,
            invitation,
            call: None,
            count: 1,
            seen: None,
        };
        match entry {
            Entry::DeviceEnrolled { time_ms, device, .. } => {
                Some(alert(*time_ms, AlertKind::DeviceEnrolled, Some(*device), None))
            }
            Entry::DeviceRevoked { time_ms, device, .. } => {
                Some(alert(*time_ms, AlertKind::DeviceRevoked, Some(*device), None))
            }
            Entry::RegistrarAppointed { time_ms, device, .. } => {
                Some(alert(*time_ms, AlertKind::RegistrarAppointed, Some(*device), None))
            }
            // Of the registrar that opened or confirmed it: the person has no device, and the log names nobody.
            Entry::RecoveryOpened { time_ms, by, .. } => {
                Some(alert(*time_ms, AlertKind::RecoveryOpened, Some(*by), None))
            }
            Entry::RecoveryConfirmed { time_ms, by, invitation, .. } => {
                Some(alert(*time_ms, AlertKind::RecoveryConfirmed, Some(*by), Some(*invitation)))
            }
            Entry::RecoveryClosed { time_ms, by, device, .. } => {
                Some(alert(*time_ms, AlertKind::RecoveryClosed, device.or(*by), None))
            }
            Entry::InvitationClosed { time_ms, invitation, how: InvitationClosed::Refused, device, .. } => {
                Some(alert(*time_ms, AlertKind::DeviceRefused, *device, Some(*invitation)))
            }
            // By the device that froze it. A line that was offered by a link has its invitation's identifier; another names no
            // invitation.
            Entry::LineSigned { time_ms, line, state: LineState::Suspect, by, .. } => {
                let offered = line.offer();
                Some(alert(*time_ms, AlertKind::LineSuspect, Some(*by), Some(offered)))
            }
            Entry::AlertRaised { time_ms, kind, device, invitation, call, count } => {
                let kind = AlertKind::parse(kind).filter(|kind| kind.has_own_entry())?;
                Some(Self { call: *call, count: *count, ..alert(*time_ms, kind, *device, *invitation) })
            }
            _ => None,
        }
    }
}

/// A device that was enrolled in a person's name, as their other devices are told
/// ([`crate::ServerMessage::DevicesAdded`]).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AddedDevice {
    /// Which.
    pub device: DeviceId,
    /// What it said it was when it asked; none of devices enrolled by the authority's link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The name of the registrar who approved it, the last of two, as the server states it; none if it was enrolled by the authority's link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<String>,
    /// When it was enrolled, milliseconds since 1970 UTC.
    pub enrolled_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Digest;

    #[test]
    fn every_kind_has_one_word_which_is_also_its_json() {
        for kind in AlertKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
            assert_eq!(AlertKind::parse(kind.as_str()), Some(kind));
        }
        assert_eq!(AlertKind::parse("line_cut"), None);
    }

    #[test]
    fn entries_are_alerts_by_what_they_state() {
        let (device, invitation) = (DeviceId::from_bytes([1; 16]), InvitationId::from_bytes([2; 16]));
        let closed = |how| Entry::InvitationClosed { time_ms: 5, invitation, how, by: None, device: Some(device) };
        let raised = |kind: AlertKind| Entry::AlertRaised {
            time_ms: 5,
            kind: kind.as_str().into(),
            device: Some(device),
            invitation: None,
            call: None,
            count: 3,
        };
        let of =
            |entry: &Entry| OfficeAlert::of_entry(9, entry).map(|alert| (alert.log_index, alert.kind, alert.count));
        let enrolled = Entry::DeviceEnrolled {
            time_ms: 5,
            device,
            cert_sha256: Digest::from_bytes([0; 32]),
            enrolment: "e".into(),
            person_sha256: None,
            second_cert_sha256: None,
        };
        assert_eq!(of(&enrolled), Some((9, AlertKind::DeviceEnrolled, 1)));
        assert_eq!(of(&closed(InvitationClosed::Refused)), Some((9, AlertKind::DeviceRefused, 1)));
        for how in [InvitationClosed::Approved, InvitationClosed::Withdrawn, InvitationClosed::Expired] {
            assert_eq!(of(&closed(how)), None);
        }
        let signed = |state| Entry::LineSigned {
            time_ms: 5,
            line: crate::LineId::from_bytes([2; 16]),
            version: 2,
            state,
            by: device,
            statement_sha256: Digest::from_bytes([0; 32]),
            sealed_sha256: None,
        };
        for state in LineState::ALL {
            let expected = (state == LineState::Suspect).then_some((9, AlertKind::LineSuspect, 1));
            assert_eq!(of(&signed(state)), expected, "{state:?}");
        }
        for kind in AlertKind::ALL {
            let expected = kind.has_own_entry().then_some((9, kind, 3));
            assert_eq!(of(&raised(kind)), expected, "{kind:?}: nobody states twice what another entry states");
        }
    }
}
