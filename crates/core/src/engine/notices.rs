//! The staff's list of the office's calls.

use crate::{Engine, view::NoticeView};
use telcon_proto::{
    RecordMode,
    limits::RING_TIMEOUT_MS,
    message::{Notice, NoticeState},
    policy::{Action, allows},
};

/// Finished calls kept in the list.
const MAX_NOTICES: usize = 64;

impl Engine {
    /// The office reports the state of a call.
    pub(super) fn on_notice(&mut self, notice: Notice) {
        let role = self.device.me().card().role;
        let open = !matches!(notice.state, NoticeState::Ended { .. });
        let keeps = notice.mode != RecordMode::LogOnly || !allows(role, Action::WriteRecord);
        let me = self.device.me();
        let live = matches!(notice.state, NoticeState::Live { .. });
        let mine = |card: &telcon_proto::Card| card.is_same_person(me.card());
        let party = mine(&notice.from)
            || mine(&notice.to.card)
            || notice.acts_for.iter().any(|acts| mine(&acts.delegate) || mine(&acts.principal));
        let own = notice.members.iter().filter(|member| mine(&member.card)).map(|member| member.device);
        let own_devices: Vec<_> = own.collect();
        let can_continue = live && party && !own_devices.is_empty() && !own_devices.contains(&me.device());
        // A notice is repeated with every change of the call: the same request does not ring again.
        let asked_me = notice.asked.iter().find(|asked| asked.principal == me.card().person).filter(|_| live);
        let asked_ms = self.asked.get(&notice.call).copied();
        let asks_until_ms = asked_me.map(|asked| match asked_ms {
            Some((at_ms, until_ms)) if at_ms == asked.at_ms => until_ms,
            _ => self.clock.wall_ms + RING_TIMEOUT_MS,
        });
        match (asked_me, asks_until_ms) {
            (Some(asked), Some(until_ms)) => drop(self.asked.insert(notice.call, (asked.at_ms, until_ms))),
            _ => drop(self.asked.remove(&notice.call)),
        }
        let old = self.notices.get(&notice.call);
        let (kept_index, partial) = old.map_or((None, false), |old| (old.kept_index, old.partial));
        let view = NoticeView {
            call: notice.call,
            from: notice.from,
            to: notice.to.card,
            mode: notice.mode,
            state: notice.state,
            members: notice.members.len(),
            opened_ms: notice.opened_ms,
            kept_index,
            partial,
            can_take_over: matches!(notice.state, NoticeState::Live { .. })
                && notice.acts_for.iter().any(|acts| acts.principal.is_same_person(self.device.me().card())),
            acts_for: notice.acts_for,
            can_continue,
            own_devices,
            asked: live && !notice.asked.is_empty(),
            asks_until_ms,
            can_listen: allows(role, Action::ListenIn) && open && keeps,
            noted: !notice.note_taker_silent
                && notice.members.iter().any(|member| allows(member.card.role, Action::WriteRecord)),
            note_taker_asks: notice.note_taker_asks,
        };
        self.notices.insert(notice.call, view);
        while self.notices.len() > MAX_NOTICES {
            let oldest = self.notices.values().min_by_key(|n| n.opened_ms).map(|n| n.call);
            let Some(oldest) = oldest else { break };
            self.notices.remove(&oldest);
            self.asked.remove(&oldest);
        }
    }
}
