//! Application messages of a call: mute state, heartbeats of note-takers, captions.

use super::{
    Call, CaptionReader, MAX_CAPTIONS,
    captions::{self, Caption, MAX_CAPTION_BYTES},
    presence,
};
use crate::{engine::Output, mls::group::Incoming, view::CaptionView};
use chacha20::ChaCha20Rng;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use telcon_proto::{Blob, ClientMessage, DeviceId, Role};

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

impl Call {
    pub(crate) fn mute(&mut self, on: bool, out: &mut VecDeque<Output>) {
        self.muted = on;
        self.send_group_message(&GroupMessage::Muted { on }, out);
    }

    pub(super) fn send_group_message(&mut self, message: &GroupMessage, out: &mut VecDeque<Output>) {
        let Some(group) = self.group.as_mut().filter(|_| !self.roster.is_empty()) else { return };
        // Between this device's commit and its confirmation MLS refuses to encrypt for the epoch that may be over;
        // mute state and reader keys are said again in the new epoch.
        let Ok(json) = serde_json::to_vec(message) else { return };
        if let Ok(message) = group.encrypt(&json) {
            out.push_back(Output::Send(ClientMessage::Application { call: self.id, message: Blob(message) }));
        }
    }

    /// A note-taker messages that it recording, if it can.
    pub(super) fn send_heartbeat(&mut self, out: &mut VecDeque<Output>) {
        let uptime_ms = self.clock.uptime_ms;
        self.next_heartbeat_ms = Some(uptime_ms + presence::HEARTBEAT_INTERVAL_MS);
        if self.recording {
            self.send_group_message(&GroupMessage::Heartbeat { uptime_ms }, out);
        }
    }

    /// An application message. A forged or damaged one is dropped: it can only say less.
    pub(super) fn on_group_message(&mut self, message: &Blob, me: DeviceId, now_ms: u64) {
        let Some(group) = &mut self.group else { return };
        let Ok(Incoming::Application { epoch, leaf, bytes }) = group.process(message.as_slice()) else { return };
        let Ok(message) = serde_json::from_slice::<GroupMessage>(&bytes) else { return };
        // Whoever sat there then, and sits anywhere now: a leaf may be somebody else's in the next epoch.
        let Some(from) = self.leaf_owners.get(&(epoch, leaf)).copied() else { return };
        let Some(sender) = self.roster.values_mut().find(|member| member.device == from) else { return };
        match message {
            GroupMessage::Muted { on } => sender.muted = on,
            GroupMessage::HangUp => {
                let party = self.verified.get(&from).is_some_and(|d| d.device().card().role.speaks());
                self.hang_up_signed_by = Some(from).filter(|_| party);
            }
            GroupMessage::Heartbeat { uptime_ms } => self.presence.on_heartbeat(from, uptime_ms, self.clock.uptime_ms),
            // A member could lie about it; nothing but the clock on the screen hangs on it.
            GroupMessage::Live { since_ms } => {
                let opened = self.opened.map_or(0, |(_, opened_ms)| opened_ms);
                self.started_ms = self.started_ms.map(|started| since_ms.clamp(opened.min(started), started));
            }
            GroupMessage::ReadCaptions { key } => {
                let staff = self.verified.get(&from).is_some_and(|d| d.device().card().role == Role::DutyOfficer);
                if staff && self.own_role == Role::NoteTaker {
                    let since_ms = self.readers.get(&from).map_or(now_ms, |reader| reader.since_ms);
                    self.readers.insert(from, CaptionReader { key, since_ms });
                }
            }
            GroupMessage::Caption { to, enc, sealed } if to == me => {
                let writer = self.verified.get(&from).is_some_and(|d| d.device().card().role == Role::NoteTaker);
                let caption = self.caption_key.as_ref().and_then(|key| key.open(&enc, &sealed));
                if let Some(caption) = caption.filter(|c| writer && c.text.len() <= MAX_CAPTION_BYTES) {
                    self.show(caption);
                }
            }
            GroupMessage::Caption { .. } => {}
        }
    }

    fn show(&mut self, caption: Caption) {
        self.behind_ms = Some(caption.behind_ms);
        let name = self.verified.get(&caption.speaker).map_or_else(String::new, |d| d.device().card().name.clone());
        let line = CaptionView { name, caption };
        let new = &line.caption;
        self.captions.retain(|old| {
            let old = &old.caption;
            let draft_of_it = !old.done && old.speaker == new.speaker && old.passage == new.passage;
            !(draft_of_it && (new.done || old.part == new.part))
        });
        // A passage of which nothing was left once it was understood: its drafts are gone, and there is no line.
        if new.text.is_empty() {
            return;
        }
        self.captions.push(line);
        self.captions.sort_by_key(|line| line.caption.start_ms);
        if self.captions.len() > MAX_CAPTIONS {
            self.captions.remove(0);
        }
    }

    pub(crate) fn publish_caption(&mut self, caption: &Caption, rng: &mut ChaCha20Rng, out: &mut VecDeque<Output>) {
        // Who came later does not read what was said before: neither the sound nor the words of it are theirs.
        let there = self.readers.iter().filter(|(_, reader)| caption.start_ms >= reader.since_ms);
        let messages: Vec<GroupMessage> =
            there.filter_map(|(device, reader)| captions::seal(&reader.key, caption, *device, rng)).collect();
        for message in messages {
            self.send_group_message(&message, out);
        }
    }
}
