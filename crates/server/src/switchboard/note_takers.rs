//! Feeds the state of calls to [`crate::assignment`], and carries its decisions out.

use super::{Switchboard, call::Call, directory::Directory, port::SessionId};
use crate::{
    assignment::{CallFacts, Decision},
    store::Stage,
};
use telcon_proto::{CallId, DeviceId, RecordMode, ServerMessage, message::RefusalCode};

impl Call {
    /// The input of the assignment engine; none for a call that is not to be recorded.
    pub(super) fn assignment_facts(&self, directory: &Directory) -> Option<CallFacts> {
        if !self.is_ringing_or_live() || self.row.mode == RecordMode::LogOnly {
            return None;
        }
        let note_taker = |device: &&DeviceId| directory.writes_records(device);
        let waiting = self.waiting.iter().map(|waiting| &waiting.ask.device);
        let asking = waiting.filter(|device| self.present.contains_key(device) && !self.is_member(device));
        Some(CallFacts {
            live: self.row.stage == Stage::Live,
            opened_ms: self.row.opened_ms,
            note_taker_members: self.members.iter().filter(|d| self.is_member(d)).filter(note_taker).copied().collect(),
            asking: asking.filter(note_taker).copied().collect(),
        })
    }
}

impl Switchboard {
    /// A note-taker has no call, and accepts any.
    pub(super) fn available(&mut self, session: SessionId, from: DeviceId, now_ms: u64) {
        if !self.context.directory.writes_records(&from) {
            let text = "only a note-taker is assigned to calls";
            return self.context.refuse(session, None, RefusalCode::NotAllowed, text);
        }
        self.context.assignment.available(from, now_ms);
    }

    /// Carries out the decisions of the assignment engine. Returns whether there were any.
    pub(super) fn carry_out_assignments(&mut self) -> bool {
        let mut any = false;
        while let Some(decision) = self.context.assignment.poll() {
            any = true;
            match decision {
                Decision::Assign { call, device } => self.assign(call, device),
                Decision::ExpireRequest { call, device } => self.expire_request(call, device),
                Decision::StatusChanged(call) => {
                    if let Some(call) = self.calls.get_mut(&call) {
                        call.notify_staff();
                    }
                }
            }
        }
        any
    }

    fn assign(&mut self, id: CallId, device: DeviceId) {
        let Some(session) = self.context.directory.session_of(&device) else { return };
        let Some(call) = self.calls.get(&id) else { return };
        // It may not have been sent the notice of this call: at sign-in it gets a limited number.
        let notice = call.notice(&self.context);
        self.context.send(session, ServerMessage::Notice(notice));
        self.context.send(session, ServerMessage::Assigned { call: id });
    }

    fn expire_request(&mut self, id: CallId, device: DeviceId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.stop_waiting(&device, &mut self.context);
        if let Some(session) = call.present.remove(&device) {
            let text = "nobody in the call admitted this note-taker: it may ask again";
            self.context.refuse(session, Some(id), RefusalCode::NotAllowed, text);
        }
        call.drop_leg(device, &mut self.context);
    }
}

#[cfg(test)]
mod tests {
    use super::super::office_with_faults::*;
    use super::*;
    use telcon_proto::{ClientMessage, Role};

    #[test]
    fn who_watches_calls_is_told_how_many_note_takers_there_are_and_how_many_are_busy() {
        let mut office = Office::new();
        for (n, role) in [(20, Role::DutyOfficer), (21, Role::NoteTaker), (22, Role::NoteTaker), (23, Role::Principal)]
        {
            office.enrol(device(n), card(n, role));
        }
        assert!(office.connect(50, device(20)) && office.connect(53, device(23)));
        let told = |office: &mut Office, session| -> Vec<(u32, u32)> {
            let counts = office.sent_to(session).filter_map(|message| match message {
                ServerMessage::NoteTakers { connected, busy } => Some((*connected, *busy)),
                _ => None,
            });
            let counts = counts.collect();
            office.done.clear();
            counts
        };
        assert_eq!(told(&mut office, 50), [(0, 0)], "at sign-in");
        office.connect(51, device(21));
        office.send(51, ClientMessage::Available {});
        assert_eq!(told(&mut office, 50), [(1, 1), (1, 0)]);
        office.connect(52, device(22));
        // Again says nothing new.
        office.send(51, ClientMessage::Available {});
        assert_eq!(told(&mut office, 50), [(2, 1)]);
        let effects = office.board.disconnected(SessionId(51), office.now);
        office.run(effects);
        assert_eq!(told(&mut office, 50), [(1, 1)]);
        // Nor is anybody told of others who do not watch calls, or is a note-taker.
        assert!(office.connect(54, device(20)));
        assert_eq!(told(&mut office, 54), [(1, 1)]);
        office.connect(51, device(21));
        let of_others = [51, 52, 53].map(|session| told(&mut office, session));
        assert_eq!(of_others, [vec![], vec![], vec![]]);
    }
}
