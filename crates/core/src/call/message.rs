//! Application messages of a call: mute state, heartbeats of note-takers, captions.

use super::{captions::MAX_CAPTION_BYTES, session::Session};
use crate::{engine::Context, mls::group::Incoming};
use serde::{Deserialize, Serialize};
use telcon_proto::{Blob, DeviceId, Role};

/// An application message to all members of a call, encrypted by MLS. The JSON names are part of the wire format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case", deny_unknown_fields)]
pub enum GroupMessage {
    /// The sender's microphone is muted or unmuted. Its frames keep their size and rate.
    Muted {
        /// Whether it is muted.
        on: bool,
    },
    /// When the call went live: for the timer on the screen of a device that has just joined.
    Live {
        /// Milliseconds since 1970 UTC, by the sender's clock.
        since_ms: u64,
    },
    /// The sender, one of the two parties, ends the call. The switchboard announces the end too, but could announce it to
    /// one member only.
    #[serde(rename = "over")]
    HangUp,
    /// The sender, a note-taker, is alive and recording. Sent periodically, so that a missing heartbeat is noticed.
    #[serde(rename = "taking")]
    Heartbeat {
        /// Uptime of the sender's engine, milliseconds: a delayed message is recognised as late.
        #[serde(rename = "at_ms")]
        uptime_ms: u64,
    },
    /// The sender requests captions, sealed to this X-Wing public key.
    ReadCaptions {
        /// 1216 bytes.
        key: Blob,
    },
    /// A caption for one reader.
    Caption {
        /// The reader that it is sealed to.
        to: DeviceId,
        /// HPKE encapsulated key.
        enc: Blob,
        /// The sealed [`Caption`](super::captions::Caption) as JSON.
        sealed: Blob,
    },
}

impl Session {
    /// An application message. A forged or damaged one is dropped. Gives the time at which the call went live, if the message
    /// says so.
    pub(super) fn on_group_message(&mut self, context: &Context<'_>, message: &Blob) -> Option<u64> {
        let membership = &mut self.membership;
        let Ok(Incoming::Application { epoch, leaf, bytes }) = membership.group.process(message.as_slice()) else {
            return None;
        };
        let message = serde_json::from_slice::<GroupMessage>(&bytes).ok()?;
        let from = membership.leaf_owner(epoch, leaf).filter(|from| membership.contains(*from))?;
        let role = membership.role(from);
        let me = context.device.me();
        match message {
            GroupMessage::Muted { on } => membership.set_muted(from, on),
            GroupMessage::HangUp => self.hang_up_signed_by = Some(from).filter(|_| role.is_some_and(Role::speaks)),
            GroupMessage::Heartbeat { uptime_ms } => {
                self.presence.on_heartbeat(from, uptime_ms, context.clock.uptime_ms);
            }
            // A member could lie about it: only the timer on the screen depends on it.
            GroupMessage::Live { since_ms } => return Some(since_ms),
            GroupMessage::ReadCaptions { key } => {
                if role == Some(Role::DutyOfficer) && me.card().role == Role::NoteTaker {
                    self.captions.add_reader(from, key, context.now_ms());
                }
            }
            GroupMessage::Caption { to, enc, sealed } if to == me.device() && role == Some(Role::NoteTaker) => {
                let caption = self.captions.open(&enc, &sealed);
                if let Some(caption) = caption.filter(|caption| caption.text.len() <= MAX_CAPTION_BYTES) {
                    let speaker = membership.verified.get(&caption.speaker);
                    let name = speaker.map_or_else(String::new, |device| device.device().card().name.clone());
                    self.captions.show(name, caption);
                }
            }
            GroupMessage::Caption { .. } => {}
        }
        None
    }
}
