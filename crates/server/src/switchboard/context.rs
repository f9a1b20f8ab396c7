//! The state shared by all calls: directory, effects of the current input, note-taker assignment and timers.

use super::{
    contacts::{Contacts, Known, ListViewer},
    directory::Directory,
    held_delegations::Delegations,
    held_documents::Documents,
    held_lines::Lines,
    held_shifts::Shifts,
    port::{CloseReason, Effects, Output, PendingAppend, Policy, RelayCommand, SessionId},
    subscriptions::Subscriptions,
};
use crate::{assignment::Assignment, store::Write, timers::Timers};
use telcon_proto::{
    CallId, Card, DelegationId, DeviceId, DocumentId, InvitationId, LineId, PersonId, RecoveryId, Role, ServerMessage,
    ShiftId,
    entry::Entry,
    message::RefusalCode,
    policy::{Action, ROLES, allows},
};

/// A timer. Deadlines of note-takers are in [`Assignment`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Timer {
    /// A deadline of a call: nobody answered, or a party was disconnected for too long.
    Call(CallId),
    /// Retry appending the entry of a call's end.
    AppendEnd(CallId),
    /// A call's record is due.
    Record(CallId),
    /// Retry appending the entry of a revocation.
    AppendRevocation(DeviceId),
    /// An invitation expires, or the entry of its end is to be appended again.
    Invitation(InvitationId),
    /// A recovery expires, or its entries are to be appended again.
    Recovery(RecoveryId),
    /// A person was recovered long enough ago that it need not be shown any more.
    RecoveryShown(PersonId),
    /// A delegation begins or ends by its term, or an entry about it is to be appended again.
    Delegation(DelegationId),
    /// The entry of a version of a line is to be appended again.
    Line(LineId),
    /// The entry of a version of a document is to be appended again.
    Document(DocumentId),
    /// The entry of a device's key is to be appended again.
    DeviceKey(DeviceId),
    /// A shift has lasted long enough or nobody uses its device, or an entry about it is to be appended again.
    Shift(ShiftId),
    /// Send contact changes.
    Contacts,
    /// Alerts that were counted are due, or the log is tried again.
    Alerts,
}

/// The switchboard without its calls.
pub(super) struct Context {
    pub policy: Policy,
    pub directory: Directory,
    pub contacts: Contacts,
    pub delegations: Delegations,
    pub lines: Lines,
    pub documents: Documents,
    pub shifts: Shifts,
    pub assignment: Assignment,
    pub timers: Timers<Timer>,
    /// Web Push subscriptions.
    pub push: Subscriptions,
    /// How many note-takers those who watch calls were told of.
    told_note_takers: (u32, u32),
    effects: Effects,
}

impl Context {
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            directory: Directory::default(),
            contacts: Contacts::default(),
            delegations: Delegations::default(),
            lines: Lines::default(),
            documents: Documents::default(),
            shifts: Shifts::default(),
            assignment: Assignment::default(),
            timers: Timers::default(),
            push: Subscriptions::default(),
            told_note_takers: (0, 0),
            effects: Effects::default(),
        }
    }

    pub fn take_effects(&mut self) -> Effects {
        std::mem::take(&mut self.effects)
    }

    pub fn write(&mut self, write: Write) {
        self.effects.writes.push(write);
    }

    pub fn output(&mut self, output: Output) {
        self.effects.outputs.push(output);
    }

    pub fn send(&mut self, to: SessionId, message: ServerMessage) {
        self.output(Output::Send(to, Box::new(message)));
    }

    /// Sends to the device, if it is connected.
    pub fn tell(&mut self, device: &DeviceId, message: ServerMessage) {
        if let Some(session) = self.directory.session_of(device) {
            self.send(session, message);
        }
    }

    pub fn refuse(&mut self, to: SessionId, call: Option<CallId>, code: RefusalCode, message: &str) {
        self.send(to, ServerMessage::Refused { call, code, message: message.to_owned() });
    }

    pub fn append(&mut self, append: PendingAppend, entry: Entry) {
        self.output(Output::Append(append, entry));
    }

    pub fn relay(&mut self, command: RelayCommand) {
        self.output(Output::Relay(command));
    }

    pub fn close(&mut self, session: SessionId, reason: CloseReason) {
        self.output(Output::Close(session, reason));
    }

    /// Who looks at a device's contact list.
    pub fn list_viewer(&self, card: &Card, device: DeviceId) -> ListViewer {
        let (role, line_viewer, sides) = (self.contact_role(card), self.viewer(card, device), self.sides(card));
        ListViewer { person: card.person, role, line_viewer, sides }
    }

    /// The contact lists, and what decides whom they show.
    pub fn contacts(&mut self) -> (&mut Contacts, Known<'_>) {
        let Self { contacts, directory, lines, policy, .. } = self;
        (contacts, Known { directory, lines, rings: policy.rings })
    }

    /// Sends contact changes that are due, and sets the timer for the others.
    pub fn send_contact_changes(&mut self, now_ms: u64) {
        let (contacts, known) = self.contacts();
        match contacts.collect(&known, now_ms) {
            Ok(messages) => {
                self.timers.set(Timer::Contacts, None);
                messages.into_iter().for_each(|(session, message)| self.send(session, message));
            }
            Err(due) => self.timers.set(Timer::Contacts, due),
        }
    }

    /// How many note-takers are connected, and how many of them accept no call now.
    fn note_takers(&self) -> (u32, u32) {
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let connected: usize =
            ROLES.into_iter().filter(|role| writes_records(*role)).map(|role| self.directory.connected(role)).sum();
        (count(connected), count(connected.saturating_sub(self.assignment.free())))
    }

    /// What somebody who watches calls is told of note-takers at sign-in.
    pub fn send_note_takers(&mut self, session: SessionId, role: Role) {
        if watches_note_takers(role) {
            let (connected, busy) = self.note_takers();
            self.send(session, ServerMessage::NoteTakers { connected, busy });
        }
    }

    /// Tells those who watch calls of note-takers, if their number has changed.
    pub fn send_note_taker_changes(&mut self) {
        let (connected, busy) = self.note_takers();
        if std::mem::replace(&mut self.told_note_takers, (connected, busy)) == (connected, busy) {
            return;
        }
        let roles = ROLES.into_iter().filter(|role| watches_note_takers(*role));
        let sessions: Vec<_> = roles.flat_map(|role| self.directory.sessions_of_role(role)).collect();
        for session in sessions {
            self.send(session, ServerMessage::NoteTakers { connected, busy });
        }
    }

    /// Connections of staff, who receive notices of every call.
    pub fn staff(&self) -> Vec<SessionId> {
        let roles = ROLES.into_iter().filter(|role| watches_calls(*role));
        let mut sessions: Vec<_> = roles.flat_map(|role| self.directory.sessions_of_role(role)).collect();
        sessions.sort_unstable();
        sessions
    }
}

fn writes_records(role: Role) -> bool {
    allows(role, Action::WriteRecord)
}

/// Whether the role is told how many note-takers there are: not note-takers, of which each would be told of each other.
fn watches_note_takers(role: Role) -> bool {
    watches_calls(role) && !writes_records(role)
}

/// Whether the role receives notices of the office's calls.
pub(super) fn watches_calls(role: Role) -> bool {
    allows(role, Action::WatchCalls)
}
