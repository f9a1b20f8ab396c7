//! Pending records: what is pending after a call, that is its end in the log and its records in the archive. Both
//! survive a restart. A call of which nothing is pending is *settled*: the store does not load it at start.

use super::{
    Switchboard,
    context::{Context, Timer},
    enrolment::log_failed,
    port::{Effects, Output, PendingAppend, Refusal, RefusalKind, Reply, RequestId, Seal},
};
use crate::{
    digest::sha256,
    limits::{LATE_RECORD_MS, LOG_RETRY_MS, RECALLED_MS},
    store::{CallRow, RecordRow, Unfinished, Write},
};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use telcon_proto::{CallId, DelegationId, DeviceId, Digest, Ended, RecordMode, ServerMessage, entry::Entry};

/// Calls whose end or records are pending. Deadlines are in [`Context::timers`].
///
/// Invariant: `by_note_taker` refers to exactly those in `records`, by their note-takers. Only [`PendingRecords::insert`] adds, and
/// only [`PendingRecords::remove`] and what takes a note-taker from a call remove.
#[derive(Default)]
pub(super) struct PendingRecords {
    ends: HashMap<CallId, UnloggedEnd>,
    records: HashMap<CallId, Pending>,
    /// The calls whose record each note-taker has not delivered.
    by_note_taker: HashMap<DeviceId, BTreeSet<CallId>>,
    /// Number of calls without any archived record.
    without_record: usize,
}

/// The end of a call that is not in the log yet.
struct UnloggedEnd {
    how: Ended,
    answered_ms: Option<u64>,
    /// The delegation under which it was answered.
    delegation: Option<DelegationId>,
    time_ms: u64,
    /// Whether it is known what else is pending of the call. Otherwise the next start finds out, and the call is not settled.
    is_known: bool,
}

/// Records of a call that are not in the archive yet.
struct Pending {
    /// The reason to log if none arrives.
    reason: MissingReason,
    /// Devices that were ever in the call, to be notified.
    participants: BTreeSet<DeviceId>,
    /// Note-takers among them that have not delivered a record: only they can. None is revoked.
    note_takers: BTreeSet<DeviceId>,
    /// The records that arrived.
    archived: Archived,
    /// Digests of the records that arrived, because two note-takers cannot deliver the same record.
    digests: BTreeSet<Digest>,
    /// Entries whose append was not confirmed. They may be in the log, so they are retried byte-identically.
    unconfirmed: BTreeMap<DeviceId, Entry>,
    /// The *record missing* entry.
    missing: MissingEntry,
    /// Time in it, kept for the same reason.
    missing_ms: Option<u64>,
    /// Until when the note-takers' records are expected, milliseconds since 1970 UTC. They are accepted later, too.
    expected_until_ms: u64,
    /// Until when it is in memory for them.
    late_until_ms: u64,
    /// Whose record's entry is being appended.
    append_in_flight: Option<DeviceId>,
}

/// Why a call has no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MissingReason {
    /// A note-taker was in the call.
    NotDelivered,
    /// None was.
    NoNoteTaker,
    /// After these endings it is not certain whether anybody spoke; other endings of unanswered calls are.
    AnswerUnknown,
}

impl MissingReason {
    const fn text(self) -> &'static str {
        match self {
            Self::NotDelivered => "a note-taker was in the call, and its record did not arrive in time",
            Self::NoNoteTaker => "no note-taker was in the call",
            // Logs of earlier versions say "nobody answered, so nothing was said", which is not certain.
            Self::AnswerUnknown => {
                "the call ended (failed, interrupted or revoked) before the server learned of an answer"
            }
        }
    }
}

/// What is to be done about the *record missing* entry of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MissingEntry {
    /// It is to be appended at this time, unless a record arrives.
    Due(u64),
    /// It is being appended.
    InFlight,
    /// It is in the log, or a record arrived.
    Done,
}

/// The archived records of a call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Archived {
    None,
    PartialOnly,
    /// At least one complete record.
    Whole,
}

impl Archived {
    fn of(records: &[RecordRow]) -> Self {
        records.iter().fold(Self::None, |archived, record| archived.with(record.partial))
    }

    fn with(self, partial: bool) -> Self {
        if partial && self != Self::Whole { Self::PartialOnly } else { Self::Whole }
    }
}

impl Switchboard {
    /// A note-taker's record of a call was verified and is in the archive. The request is answered once the log has it.
    /// `call_exists`: see [`Switchboard::may_seal`].
    pub fn seal(&mut self, request: RequestId, seal: Seal, call_exists: bool, now_ms: u64) -> Effects {
        let mut refused = self.may_seal(&seal.call, &seal.device, call_exists).err();
        if self.pending.records.get(&seal.call).is_some_and(|pending| pending.digests.contains(&seal.digest)) {
            refused.get_or_insert(Refusal::new(RefusalKind::Conflict, "another note-taker delivered the same record"));
        }
        match (refused, self.pending.records.get_mut(&seal.call)) {
            (None, Some(pending)) => {
                pending.append_in_flight = Some(seal.device);
                pending.schedule(seal.call, &mut self.context);
                let again =
                    pending.unconfirmed.get(&seal.device).filter(|entry| is_of_record(entry, seal.digest)).cloned();
                let entry = again.unwrap_or_else(|| Entry::RecordArchived {
                    time_ms: now_ms,
                    call: seal.call,
                    device: seal.device,
                    record_digest: seal.digest,
                    jws_sha256: sha256(seal.jws.as_bytes()),
                    parts: seal.parts as u64,
                    partial: seal.partial,
                });
                pending.unconfirmed.insert(seal.device, entry.clone());
                self.context.append(PendingAppend::Sealed(Box::new(seal), request), entry);
            }
            (refused, _) => {
                let refusal = refused.unwrap_or_else(|| Refusal::new(RefusalKind::NotFound, NO_RECORD_PENDING));
                self.context.output(Output::Reply(request, Err(refusal)));
            }
        }
        self.finish(now_ms)
    }

    /// Whether a record of this call is pending, and this device may deliver it. `call_exists`: whether the store has a
    /// call with this id; used only if [`Switchboard::awaits_record`] is false.
    ///
    /// # Errors
    /// Why not.
    pub fn may_seal(&self, call: &CallId, device: &DeviceId, call_exists: bool) -> Result<(), Refusal> {
        if self.calls.contains(call) {
            let text = "the call is not over: send its record when it is";
            return Err(Refusal::new(RefusalKind::Conflict, text));
        }
        if self.context.directory.device(device).is_none_or(|known| known.revoked_ms.is_some()) {
            return Err(Refusal::new(RefusalKind::Forbidden, "this device is revoked"));
        }
        match self.pending.records.get(call) {
            Some(pending) if pending.append_in_flight.is_some() => {
                Err(Refusal::new(RefusalKind::Conflict, "a record of this call is being archived: try again"))
            }
            Some(pending) if !pending.note_takers.contains(device) => Err(Refusal::new(
                RefusalKind::Forbidden,
                "this device was not in the call, or has delivered its record already",
            )),
            Some(_) => Ok(()),
            None if call_exists || self.has_ended(*call) => Err(Refusal::new(RefusalKind::Conflict, NO_RECORD_PENDING)),
            None => Err(Refusal::new(RefusalKind::NotFound, "no such call")),
        }
    }

    /// Whether the call is live, or a record of it pending.
    pub fn awaits_record(&self, call: &CallId) -> bool {
        self.calls.contains(call) || self.pending.records.contains_key(call)
    }

    /// A device wants to deliver the record of a call that ended too long ago to be in memory; this is what the store has of it. If
    /// the device still may, the record is awaited again for [`RECALLED_MS`].
    pub fn recall(&mut self, ended: &Unfinished, device: &DeviceId, now_ms: u64) -> Effects {
        let call = ended.row.call;
        if !self.awaits_record(&call) && ended.row.ended_index.is_some() {
            let pending = Pending::of(ended, &self.context, now_ms).filter(|p| p.note_takers.contains(device));
            if let Some(pending) = pending {
                let late_until_ms = pending.late_until_ms.max(now_ms + RECALLED_MS);
                self.pending.insert(call, Pending { late_until_ms, ..pending }, &mut self.context);
            }
        }
        self.finish(now_ms)
    }

    /// A timer of a pending end or record is due.
    pub(super) fn on_pending_timer(&mut self, timer: Timer, now_ms: u64) {
        match timer {
            Timer::AppendEnd(call) => self.pending.append_end_again(call, &mut self.context),
            Timer::Record(call) => self.pending.record_due(call, &mut self.context, now_ms),
            Timer::Call(_)
            | Timer::AppendRevocation(_)
            | Timer::Invitation(_)
            | Timer::Recovery(_)
            | Timer::RecoveryShown(_)
            | Timer::Delegation(_)
            | Timer::Line(_)
            | Timer::Document(_)
            | Timer::DeviceKey(_)
            | Timer::Shift(_)
            | Timer::Contacts
            | Timer::Alerts => {}
        }
    }
}

const NO_RECORD_PENDING: &str =
    "no record of this call is pending: all were delivered, it was not answered, or its record mode is log only";

impl PendingRecords {
    /// A call ended now.
    pub fn ended(&mut self, row: &CallRow, participants: &BTreeSet<DeviceId>, context: &mut Context, now_ms: u64) {
        let participants = participants.iter().copied().collect();
        let ended = Unfinished { row: row.clone(), participants, records: Vec::new() };
        self.await_records(&ended, context, now_ms);
        self.append_end_of(row, context);
    }

    /// A call that had ended when the server stopped.
    pub fn restore(&mut self, stored: &Unfinished, context: &mut Context, now_ms: u64) {
        let row = &stored.row;
        if row.opened_index.is_none() {
            // Without a log entry there was no call.
            return self.mark_settled(row.call, context);
        }
        self.await_records(stored, context, now_ms);
        if row.ended_index.is_none() {
            self.append_end_of(row, context);
        } else {
            self.mark_settled(row.call, context);
        }
    }

    /// Appends the end of a call to the log, until the log has it. The log turned out to have its opening after the call was given
    /// up: whether a record is missing is found out at the next start.
    pub fn append_end(&mut self, call: CallId, how: Ended, time_ms: u64, context: &mut Context) {
        self.append(call, UnloggedEnd { how, answered_ms: None, delegation: None, time_ms, is_known: false }, context);
    }

    fn append_end_of(&mut self, row: &CallRow, context: &mut Context) {
        if let (Some(how), Some(time_ms)) = (row.how, row.ended_ms) {
            let end = UnloggedEnd {
                how,
                answered_ms: row.answered_ms,
                delegation: row.answered_under,
                time_ms,
                is_known: true,
            };
            self.append(row.call, end, context);
        }
    }

    fn append(&mut self, call: CallId, end: UnloggedEnd, context: &mut Context) {
        end.append(call, context);
        self.ends.insert(call, end);
    }

    fn append_end_again(&mut self, call: CallId, context: &mut Context) {
        if let Some(end) = self.ends.get(&call) {
            end.append(call, context);
        }
    }

    fn await_records(&mut self, ended: &Unfinished, context: &mut Context, now_ms: u64) {
        if let Some(pending) = Pending::of(ended, context, now_ms) {
            self.insert(ended.row.call, pending, context);
        }
    }

    fn insert(&mut self, call: CallId, pending: Pending, context: &mut Context) {
        pending.schedule(call, context);
        self.without_record += usize::from(pending.archived == Archived::None);
        for device in &pending.note_takers {
            self.by_note_taker.entry(*device).or_default().insert(call);
        }
        self.records.insert(call, pending);
    }

    /// Nothing is awaited of this call any more.
    fn remove(&mut self, call: CallId, context: &mut Context) {
        if let Some(pending) = self.records.remove(&call) {
            self.without_record -= usize::from(pending.archived == Archived::None);
            for device in &pending.note_takers {
                self.forget_note_taker(device, &call);
            }
            context.timers.set(Timer::Record(call), None);
            self.mark_settled(call, context);
        }
    }

    fn forget_note_taker(&mut self, device: &DeviceId, call: &CallId) {
        if let Some(calls) = self.by_note_taker.get_mut(device) {
            calls.remove(call);
            if calls.is_empty() {
                self.by_note_taker.remove(device);
            }
        }
    }

    /// Stores that a call is settled, if nothing is pending of it.
    pub fn mark_settled(&self, call: CallId, context: &mut Context) {
        if !self.ends.contains_key(&call) && !self.records.contains_key(&call) {
            context.write(Write::CallSettled(call));
        }
    }

    /// Something of a call was concluded: sets its next deadline, or removes it.
    fn conclude(&mut self, call: CallId, context: &mut Context) {
        match self.records.get(&call) {
            Some(pending) if pending.is_over() => self.remove(call, context),
            Some(pending) => pending.schedule(call, context),
            None => {}
        }
    }

    /// A device was revoked: it delivers no record any more.
    pub fn revoked(&mut self, device: &DeviceId, context: &mut Context) {
        for call in self.by_note_taker.remove(device).unwrap_or_default() {
            if let Some(pending) = self.records.get_mut(&call) {
                pending.note_takers.remove(device);
                pending.unconfirmed.remove(device);
            }
            self.conclude(call, context);
        }
    }

    /// Whether a record is expected from this device now: it was a note-taker of a call that ended and has not delivered its record,
    /// and the deadline has not passed or the record's append is in flight.
    pub fn is_expected_from(&self, device: &DeviceId, now_ms: u64) -> bool {
        let pending = self.by_note_taker.get(device).into_iter().flatten().filter_map(|call| self.records.get(call));
        let mut expected =
            pending.map(|pending| pending.append_in_flight == Some(*device) || now_ms < pending.expected_until_ms);
        expected.any(|expected| expected)
    }

    /// Number of calls that should have a record and have none.
    pub fn without_record(&self) -> usize {
        self.without_record
    }

    fn record_due(&mut self, call: CallId, context: &mut Context, now_ms: u64) {
        let Some(pending) = self.records.get_mut(&call) else { return };
        if pending.missing == MissingEntry::Done {
            // It is too late for memory. If a record arrives still, the store is asked for the call.
            return self.remove(call, context);
        }
        pending.missing = MissingEntry::InFlight;
        let time_ms = *pending.missing_ms.get_or_insert(now_ms);
        let entry = Entry::RecordMissing { time_ms, call, why: pending.reason.text().to_owned() };
        context.append(PendingAppend::Missing(call), entry);
    }

    /// The result of appending the end of a call.
    pub fn end_logged(&mut self, call: CallId, index: Option<u64>, context: &mut Context, now_ms: u64) {
        match index {
            Some(index) => {
                let is_known = self.ends.remove(&call).is_some_and(|end| end.is_known);
                context.write(Write::EndLogged(call, index));
                if is_known {
                    self.mark_settled(call, context);
                }
            }
            None if self.ends.contains_key(&call) => {
                context.timers.set(Timer::AppendEnd(call), Some(now_ms + LOG_RETRY_MS));
            }
            None => {}
        }
    }

    /// The result of appending the *record missing* entry of a call.
    pub fn missing_logged(&mut self, call: CallId, index: Option<u64>, context: &mut Context, now_ms: u64) {
        if let Some(index) = index {
            context.write(Write::MissingLogged(call, index));
        }
        if let Some(pending) = self.records.get_mut(&call) {
            pending.missing = match index {
                Some(_) => MissingEntry::Done,
                None => MissingEntry::Due(now_ms + LOG_RETRY_MS),
            };
            self.conclude(call, context);
        }
    }

    /// The result of appending the entry of a record.
    pub fn sealed(&mut self, seal: Seal, request: RequestId, index: Option<u64>, context: &mut Context, now_ms: u64) {
        let Some(index) = index else {
            if let Some(pending) = self.records.get_mut(&seal.call) {
                pending.append_in_flight = None;
                self.conclude(seal.call, context);
            }
            return context.output(Output::Reply(request, Err(log_failed())));
        };
        let mut archived = Archived::None.with(seal.partial);
        let mut recipients: BTreeSet<_> = context.staff().into_iter().collect();
        if let Some(pending) = self.records.get_mut(&seal.call) {
            archived = pending.archived.with(seal.partial);
            recipients.extend(pending.participants.iter().filter_map(|device| context.directory.session_of(device)));
            pending.note_takers.remove(&seal.device);
            pending.unconfirmed.remove(&seal.device);
            pending.digests.insert(seal.digest);
            self.without_record -= usize::from(pending.archived == Archived::None);
            (pending.archived, pending.missing, pending.append_in_flight) = (archived, MissingEntry::Done, None);
            self.forget_note_taker(&seal.device, &seal.call);
            self.conclude(seal.call, context);
        }
        context.write(Write::Record(RecordRow {
            call: seal.call,
            device: Some(seal.device),
            digest: seal.digest,
            kept_ms: now_ms,
            log_index: index,
            partial: seal.partial,
        }));
        context.output(Output::Reply(request, Ok(Reply::Logged(index))));
        for session in recipients {
            let partial = archived == Archived::PartialOnly;
            context.send(session, ServerMessage::RecordKept { call: seal.call, log_index: index, partial });
        }
    }
}

impl Pending {
    /// What is pending of the records of a call that ended; none if nothing is.
    fn of(ended: &Unfinished, context: &Context, now_ms: u64) -> Option<Self> {
        let Unfinished { row, participants, records } = ended;
        if row.mode == RecordMode::LogOnly {
            return None;
        }
        let reason = match (row.answered_ms, row.noted) {
            (Some(_), true) => MissingReason::NotDelivered,
            (Some(_), false) => MissingReason::NoNoteTaker,
            (None, _) if matches!(row.how, Some(Ended::Failed | Ended::Interrupted | Ended::Revoked)) => {
                MissingReason::AnswerUnknown
            }
            (None, _) => return None,
        };
        // If it ended in the future, the clock was set back since: its record has no longer to arrive than any other.
        let ended_ms = row.ended_ms.unwrap_or_default().min(now_ms);
        let expected_until_ms = ended_ms.saturating_add(context.policy.record_due_ms);
        let has_delivered = |device: &DeviceId| records.iter().any(|r| r.device.is_none_or(|by| by == *device));
        let is_awaited = |device: &&DeviceId| {
            let is_revoked = context.directory.revoked_ms(device).is_some();
            context.directory.writes_records(device) && !is_revoked && !has_delivered(device)
        };
        let archived = Archived::of(records);
        let due_ms = if reason == MissingReason::NotDelivered { expected_until_ms } else { ended_ms };
        let is_needed = row.missing_index.is_none() && archived == Archived::None;
        let pending = Self {
            reason,
            participants: participants.iter().copied().collect(),
            note_takers: participants.iter().filter(is_awaited).copied().collect(),
            archived,
            digests: records.iter().map(|record| record.digest).collect(),
            unconfirmed: BTreeMap::new(),
            missing: if is_needed { MissingEntry::Due(due_ms) } else { MissingEntry::Done },
            missing_ms: None,
            expected_until_ms,
            late_until_ms: expected_until_ms.saturating_add(LATE_RECORD_MS),
            append_in_flight: None,
        };
        Some(pending).filter(|pending| !pending.is_over())
    }

    /// Whether nothing is pending any more: neither an entry, nor the record of a note-taker that was in the call.
    fn is_over(&self) -> bool {
        let may_follow = self.reason == MissingReason::NotDelivered && !self.note_takers.is_empty();
        self.append_in_flight.is_none() && self.missing == MissingEntry::Done && !may_follow
    }

    fn schedule(&self, call: CallId, context: &mut Context) {
        let at_ms = match self.missing {
            _ if self.append_in_flight.is_some() => None,
            MissingEntry::Due(at_ms) => Some(at_ms),
            MissingEntry::InFlight => None,
            MissingEntry::Done => Some(self.late_until_ms),
        };
        context.timers.set(Timer::Record(call), at_ms);
    }
}

/// Whether the entry is of the record with this digest.
fn is_of_record(entry: &Entry, digest: Digest) -> bool {
    entry.archived_record().is_some_and(|record| record.record_digest == digest)
}

impl UnloggedEnd {
    fn append(&self, call: CallId, context: &mut Context) {
        let Self { how, answered_ms, delegation, time_ms, is_known: _ } = *self;
        let answered = Some(answered_ms.is_some());
        let entry = Entry::CallEnded { time_ms, call, how, answered, answered_ms, delegation };
        context.append(PendingAppend::Ended(call), entry);
    }
}

#[cfg(test)]
mod tests;
