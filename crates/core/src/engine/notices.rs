//! The staff's list of the office's calls.

use crate::{Engine, view::NoticeView};
use telcon_proto::{
    RecordMode,
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
        }
    }
}
