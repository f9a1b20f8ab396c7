//! What members say to each other beside their voices: who is muted, and captions.

use super::{Call, MAX_CAPTIONS, Reader, presence};
use crate::{
    captions::{self, Caption, MAX_CAPTION_BYTES, Say},
    engine::Output,
    group::Incoming,
    view::CaptionView,
};
use chacha20::ChaCha20Rng;
use std::collections::VecDeque;
use telcon_proto::{Blob, ClientMessage, DeviceId, Role};

impl Call {
    pub(in crate::engine) fn mute(&mut self, on: bool, out: &mut VecDeque<Output>) {
        self.muted = on;
        self.say(&Say::Muted { on }, out);
    }

    pub(super) fn say(&mut self, say: &Say, out: &mut VecDeque<Output>) {
        let Some(group) = self.group.as_mut().filter(|_| !self.roster.is_empty()) else { return };
        // Between this device's commit and its confirmation MLS refuses to encrypt for the epoch that may be over;
        // mute state and reader keys are said again in the new epoch.
        let Ok(json) = serde_json::to_vec(say) else { return };
        if let Ok(message) = group.encrypt(&json) {
            out.push_back(Output::Send(ClientMessage::Application { call: self.id, message: Blob(message) }));
        }
    }

    /// A note-taker says that it writes, if it can.
    pub(super) fn say_taking(&mut self, out: &mut VecDeque<Output>) {
        let at_ms = self.clock.uptime_ms;
        self.next_taking_ms = Some(at_ms + presence::SAY_EVERY_MS);
        if self.writes {
            self.say(&Say::Taking { at_ms }, out);
        }
    }

    /// An application message. A forged or damaged one is dropped: it can only say less.
    pub(super) fn heard(&mut self, message: &Blob, me: DeviceId, now_ms: u64) {
        let Some(group) = &mut self.group else { return };
        let Ok(Incoming::Application { epoch, leaf, bytes }) = group.process(message.as_slice()) else { return };
        let Ok(say) = serde_json::from_slice::<Say>(&bytes) else { return };
        // Whoever sat there then, and sits anywhere now: a leaf may be somebody else's in the next epoch.
        let Some(from) = self.seats.get(&(epoch, leaf)).copied() else { return };
        let Some(sender) = self.roster.values_mut().find(|member| member.device == from) else { return };
        match say {
            Say::Muted { on } => sender.muted = on,
            Say::Over => {
                let party = self.verified.get(&from).is_some_and(|d| d.device().card().role.speaks());
                self.over_by = Some(from).filter(|_| party);
            }
            Say::Taking { at_ms } => self.presence.said(from, at_ms, self.clock.uptime_ms),
            // A member could lie about it; nothing but the clock on the screen hangs on it.
            Say::Live { since_ms } => {
                let opened = self.opened.map_or(0, |(_, opened_ms)| opened_ms);
                self.started_ms = self.started_ms.map(|started| since_ms.clamp(opened.min(started), started));
            }
            Say::ReadCaptions { key } => {
                let staff = self.verified.get(&from).is_some_and(|d| d.device().card().role == Role::DutyOfficer);
                if staff && self.own_role == Role::NoteTaker {
                    let since_ms = self.readers.get(&from).map_or(now_ms, |reader| reader.since_ms);
                    self.readers.insert(from, Reader { key, since_ms });
                }
            }
            Say::Caption { to, enc, sealed } if to == me => {
                let writer = self.verified.get(&from).is_some_and(|d| d.device().card().role == Role::NoteTaker);
                let caption = self.caption_key.as_ref().and_then(|key| key.open(&enc, &sealed));
                if let Some(caption) = caption.filter(|c| writer && c.text.len() <= MAX_CAPTION_BYTES) {
                    self.show(caption);
                }
            }
            Say::Caption { .. } => {}
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

    pub(in crate::engine) fn publish_caption(
        &mut self,
        caption: &Caption,
        rng: &mut ChaCha20Rng,
        out: &mut VecDeque<Output>,
    ) {
        // Who came later does not read what was said before: neither the sound nor the words of it are theirs.
        let there = self.readers.iter().filter(|(_, reader)| caption.start_ms >= reader.since_ms);
        let says: Vec<Say> =
            there.filter_map(|(device, reader)| captions::seal(&reader.key, caption, *device, rng)).collect();
        for say in says {
            self.say(&say, out);
        }
    }
}
