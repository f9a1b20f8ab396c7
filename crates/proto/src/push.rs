//! Web Push: what a device asks its office for, and what it is sent while no page is open. A push service carries the messages and
//! cannot read them (RFC 8291).

use crate::{AlertKind, CallId, Digest};
use serde::{Deserialize, Serialize};

/// Version of [`PushMessage`]. A service worker that does not know the version shows a notification without details.
pub const PUSH_VERSION: u16 = 1;

/// `GET /api/v1/push`: Web Push of the office, and of the bearer's device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PushSettings {
    /// Public key of the office for push services (VAPID, RFC 8292), base64url without padding: a subscription is made for it and is
    /// of no use under another one. None if the office sends no push messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// SHA-256 of the address of the device's subscription; none without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint_sha256: Option<Digest>,
}

/// `PUT /api/v1/push`: the subscription of the bearer's device, as its browser made it. It replaces the one before.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PushSubscription {
    /// Address at the push service, at most [`crate::limits::MAX_PUSH_ENDPOINT_BYTES`]. Sending to it takes this
    /// address and the office's private key.
    pub endpoint: String,
    /// The browser's public key (P-256, uncompressed), base64url without padding.
    pub p256dh: String,
    /// The browser's authentication secret of 16 bytes, base64url without padding.
    pub auth: String,
}

/// Shows neither address nor secret.
impl std::fmt::Debug for PushSubscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PushSubscription")
    }
}

/// Content of a push message, as JSON. It names nobody: the page shows the rest, verified, once it is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PushMessage {
    /// [`PUSH_VERSION`].
    pub version: u16,
    /// What it is about.
    #[serde(flatten)]
    pub about: PushAbout,
}

/// What a push message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "about", rename_all = "snake_case")]
pub enum PushAbout {
    /// An alert of the office, to security officers.
    Alert {
        /// What happened.
        kind: AlertKind,
        /// Index of its entry in the log. The same entry is shown once.
        entry: u64,
    },
    /// Somebody rings this device's person, or one for whom they may answer.
    Ring {
        /// The call. The same call is shown once.
        call: CallId,
        /// When the ring ends if nobody answers, milliseconds since 1970 UTC: what a push service holds back for longer is no
        /// ring any more.
        until_ms: u64,
    },
    /// Who acts for this device's person asks them to a call that is live.
    Asked {
        /// The call.
        call: CallId,
        /// Until when it is worth interrupting a person for it, milliseconds since 1970 UTC.
        until_ms: u64,
    },
    /// A ring that the device was sent is over, or nobody waits for the person who was asked to the call: this replaces it.
    RingOver {
        /// The call.
        call: CallId,
        /// Whether nobody answered or declined it.
        missed: bool,
    },
}

impl PushAbout {
    /// The call that it is about.
    pub fn call(self) -> Option<CallId> {
        match self {
            Self::Alert { .. } => None,
            Self::Ring { call, .. } | Self::Asked { call, .. } | Self::RingOver { call, .. } => Some(call),
        }
    }
}

impl From<PushAbout> for PushMessage {
    fn from(about: PushAbout) -> Self {
        Self { version: PUSH_VERSION, about }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_its_kind_and_entry_and_nobody() {
        let message = PushMessage::from(PushAbout::Alert { kind: AlertKind::DeviceAsked, entry: 42 });
        let text = serde_json::to_string(&message).unwrap();
        assert_eq!(text, r#"{"version":1,"about":"alert","kind":"device_asked","entry":42}"#);
        assert_eq!(serde_json::from_str::<PushMessage>(&text).unwrap(), message);
    }

    #[test]
    fn a_ring_and_its_end_name_the_call_and_nobody() {
        let call = CallId::from_bytes([0xca; 16]);
        for (about, expected) in [
            (
                PushAbout::Ring { call, until_ms: 9 },
                r#""about":"ring","call":"cacacacacacacacacacacacacacacaca","until_ms":9}"#,
            ),
            (
                PushAbout::Asked { call, until_ms: 9 },
                r#""about":"asked","call":"cacacacacacacacacacacacacacacaca","until_ms":9}"#,
            ),
            (
                PushAbout::RingOver { call, missed: true },
                r#""about":"ring_over","call":"cacacacacacacacacacacacacacacaca","missed":true}"#,
            ),
        ] {
            let message = PushMessage::from(about);
            let text = serde_json::to_string(&message).unwrap();
            assert_eq!(text, format!(r#"{{"version":1,{expected}"#));
            assert_eq!(serde_json::from_str::<PushMessage>(&text).unwrap(), message);
        }
    }

    #[test]
    fn a_subscription_in_a_log_line_shows_neither_address_nor_secret() {
        let subscription =
            PushSubscription { endpoint: "https://push.example/secret".into(), p256dh: "key".into(), auth: "s".into() };
        assert_eq!(format!("{subscription:?}"), "PushSubscription");
    }
}
