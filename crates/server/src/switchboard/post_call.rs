//! Pending records: what is pending after a call, that is its end in the log and its records in the archive. Both
//! survive a restart.

use super::{
    Switchboard,
    context::{Context, Timer},
    enrolment::{append_revocation, log_failed},
    port::{Effects, Output, PendingAppend, Refusal, RefusalKind, Reply, RequestId, Seal},
};
use crate::{
    digest::sha256,
    limits::LOG_RETRY_MS,
    store::{CallRow, RecordRow, Unfinished, Write},
};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use telcon_proto::{CallId, DelegationId, DeviceId, Digest, Ended, RecordMode, ServerMessage, entry::Entry};

/// Calls whose end or records are pending, and revocations whose append failed. Deadlines are in [`Context::timers`].
#[derive(Default)]
pub(super) struct PendingRecords {
    ends: HashMap<CallId, End>,
    records: HashMap<CallId, Pending>,
    /// When the device was revoked.
    revocations: HashMap<DeviceId, u64>,
    /// Number of calls without any archived record.
    without_record: usize,
}

/// The end of a call that is not in the log yet.
struct End {
    how: Ended,
    answered_ms: Option<u64>,
    /// The delegation under which it was answered.
    delegation: Option<DelegationId>,
    time_ms: u64,
}

/// Records of a call that are not in the archive yet.
struct Pending {
    /// The reason to log if none arrives.
    why: &'static str,
    /// Devices that were ever in the call, to be notified.
    participants: BTreeSet<DeviceId>,
    /// Note-takers among them that have not delivered a record: only they can.
    note_takers: BTreeSet<DeviceId>,
    /// The records that arrived.
    kept: Kept,
    /// Digests of the records that arrived, because two note-takers cannot deliver the same record.
    digests: BTreeSet<Digest>,
    /// Entries whose append was not confirmed. They may be in the log, so they are retried byte-identically.
    unconfirmed: BTreeMap<DeviceId, Entry>,
    /// Time in the *record missing* entry, kept for the same reason.
    missing_ms: Option<u64>,
    /// Until when the note-takers' records are expected, milliseconds since 1970 UTC. They are accepted later, too.
    expected_until_ms: u64,
    /// When the record is to be logged as missing; none once that was appended.
    due_ms: Option<u64>,
    /// Whether the entry of a record is being appended.
    arriving: bool,
}

/// The archived records of a call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    Nothing,
    /// Partial records only.
    Parts,
    /// At least one complete record.
    Whole,
}

impl Kept {
    fn of(records: &[RecordRow]) -> Self {
        records.iter().fold(Self::Nothing, |kept, record| kept.with(record.partial))
    }

    fn with(self, partial: bool) -> Self {
        if partial && self != Self::Whole { Self::Parts } else { Self::Whole }
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
                pending.arriving = true;
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
            Some(pending) if pending.arriving => {
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

    pub(super) fn on_pending_timer(&mut self, timer: Timer, now_ms: u64) {
        match timer {
            Timer::AppendEnd(call) => self.pending.append_end_again(call, &mut self.context),
            Timer::Record(call) => self.pending.record_due(call, &mut self.context, now_ms),
            Timer::AppendRevocation(device) => {
                if let Some(revoked_ms) = self.pending.revocations.remove(&device) {
                    append_revocation(&mut self.context, device, revoked_ms, None);
                }
            }
            Timer::Call(_)
            | Timer::Invitation(_)
            | Timer::Recovery(_)
            | Timer::RecoveryShown(_)
            | Timer::Delegation(_)
            | Timer::Contacts
            | Timer::Alerts => {}
        }
    }
}

const NO_RECORD_PENDING: &str =
    "no record of this call is pending: all were delivered, it was not answered, or its record mode is log only";

const NO_NOTE_TAKER: &str = "no note-taker was in the call";

const NOBODY_ANSWERED: &str = "nobody answered, so nothing was said";

impl PendingRecords {
    /// A call ended now.
    pub fn ended(&mut self, row: &CallRow, participants: &BTreeSet<DeviceId>, context: &mut Context) {
        self.await_records(row, participants, &[], context);
        self.append_end_of(row, context);
    }

    /// A call that had ended when the server stopped.
    pub fn restore(&mut self, stored: &Unfinished, context: &mut Context) {
        self.await_records(&stored.row, &stored.participants, &stored.records, context);
        if stored.row.ended_index.is_none() {
            self.append_end_of(&stored.row, context);
        }
    }

    /// Appends the end of a call to the log, until the log has it.
    pub fn append_end(
        &mut self,
        call: CallId,
        how: Ended,
        (answered_ms, delegation): (Option<u64>, Option<DelegationId>),
        time_ms: u64,
        context: &mut Context,
    ) {
        let end = End { how, answered_ms, delegation, time_ms };
        end.append(call, context);
        self.ends.insert(call, end);
    }

    fn append_end_of(&mut self, row: &CallRow, context: &mut Context) {
        if let (Some(how), Some(time_ms)) = (row.how, row.ended_ms) {
            self.append_end(row.call, how, (row.answered_ms, row.answered_under), time_ms, context);
        }
    }

    fn append_end_again(&mut self, call: CallId, context: &mut Context) {
        if let Some(end) = self.ends.get(&call) {
            end.append(call, context);
        }
    }

    fn await_records<'a>(
        &mut self,
        row: &CallRow,
        participants: impl IntoIterator<Item = &'a DeviceId>,
        records: &[RecordRow],
        context: &mut Context,
    ) {
        let ended_ms = row.ended_ms.unwrap_or_default();
        let expected_until_ms = ended_ms.saturating_add(context.policy.record_due_ms);
        let brought = |device: &DeviceId| records.iter().any(|r| r.device.is_none_or(|by| by == *device));
        let awaited = |device: &&DeviceId| context.directory.writes_records(device) && !brought(device);
        let participants: BTreeSet<DeviceId> = participants.into_iter().copied().collect();
        let note_takers: BTreeSet<DeviceId> = participants.iter().filter(awaited).copied().collect();
        let kept = Kept::of(records);
        if row.mode == RecordMode::LogOnly || (kept != Kept::Nothing && note_takers.is_empty()) {
            return;
        }
        let (due_ms, why) = match (row.answered_ms, row.noted) {
            (Some(_), true) => {
                let why = "a note-taker was in the call, and its record did not arrive in time";
                (expected_until_ms, why)
            }
            // There was no note-taker to record it.
            (Some(_), false) => (ended_ms, NO_NOTE_TAKER),
            // After a failure it is not certain whether anybody spoke; other endings are.
            (None, _) if matches!(row.how, Some(Ended::Failed | Ended::Interrupted | Ended::Revoked)) => {
                (ended_ms, NOBODY_ANSWERED)
            }
            (None, _) => return,
        };
        let due_ms = (row.missing_index.is_none() && kept == Kept::Nothing).then_some(due_ms);
        let digests = records.iter().map(|record| record.digest).collect();
        let (unconfirmed, missing_ms, arriving) = (BTreeMap::new(), None, false);
        let pending = Pending {
            why,
            participants,
            note_takers,
            kept,
            digests,
            unconfirmed,
            missing_ms,
            expected_until_ms,
            due_ms,
            arriving,
        };
        pending.schedule(row.call, context);
        self.without_record += usize::from(kept == Kept::Nothing);
        self.records.insert(row.call, pending);
    }

    fn remove(&mut self, call: CallId, context: &mut Context) {
        if let Some(pending) = self.records.remove(&call) {
            self.without_record -= usize::from(pending.kept == Kept::Nothing);
            context.timers.set(Timer::Record(call), None);
        }
    }

    /// Whether a record is expected from this device now: it has not delivered that of a call that ended, and the record is not overdue,
    /// or one of that call is being archived.
    pub fn is_expected_from(&self, device: &DeviceId, now_ms: u64) -> bool {
        let expected = |pending: &Pending| {
            (pending.arriving || now_ms < pending.expected_until_ms) && pending.note_takers.contains(device)
        };
        self.records.values().any(expected)
    }

    /// Number of calls that should have a record and have none.
    pub fn without_record(&self) -> usize {
        self.without_record
    }

    fn record_due(&mut self, call: CallId, context: &mut Context, now_ms: u64) {
        let Some(pending) = self.records.get_mut(&call) else { return };
        pending.due_ms = None;
        let time_ms = *pending.missing_ms.get_or_insert(now_ms);
        let entry = Entry::RecordMissing { time_ms, call, why: pending.why.to_owned() };
        context.append(PendingAppend::Missing(call), entry);
    }

    pub fn retry_revocation(&mut self, device: DeviceId, revoked_ms: u64, now_ms: u64, context: &mut Context) {
        self.revocations.insert(device, revoked_ms);
        context.timers.set(Timer::AppendRevocation(device), Some(now_ms + LOG_RETRY_MS));
    }

    pub fn end_logged(&mut self, call: CallId, index: Option<u64>, context: &mut Context, now_ms: u64) {
        match index {
            Some(index) => {
                self.ends.remove(&call);
                context.write(Write::EndLogged(call, index));
            }
            None if self.ends.contains_key(&call) => {
                context.timers.set(Timer::AppendEnd(call), Some(now_ms + LOG_RETRY_MS));
            }
            None => {}
        }
    }

    pub fn missing_logged(&mut self, call: CallId, index: Option<u64>, context: &mut Context, now_ms: u64) {
        match (index, self.records.get_mut(&call)) {
            (Some(index), pending) => {
                let over = pending.is_some_and(|pending| [NOBODY_ANSWERED, NO_NOTE_TAKER].contains(&pending.why));
                context.write(Write::MissingLogged(call, index));
                if over {
                    self.remove(call, context);
                }
            }
            (None, Some(pending)) => {
                pending.due_ms = Some(now_ms + LOG_RETRY_MS);
                pending.schedule(call, context);
            }
            (None, None) => {}
        }
    }

    pub fn sealed(&mut self, seal: Seal, request: RequestId, index: Option<u64>, context: &mut Context, now_ms: u64) {
        let Some(index) = index else {
            if let Some(pending) = self.records.get_mut(&seal.call) {
                pending.arriving = false;
                pending.schedule(seal.call, context);
            }
            return context.output(Output::Reply(request, Err(log_failed())));
        };
        let mut kept = Kept::Nothing.with(seal.partial);
        let mut told: BTreeSet<_> = context.staff().into_iter().collect();
        if let Some(pending) = self.records.get_mut(&seal.call) {
            kept = pending.kept.with(seal.partial);
            told.extend(pending.participants.iter().filter_map(|device| context.directory.session_of(device)));
            pending.note_takers.remove(&seal.device);
            pending.unconfirmed.remove(&seal.device);
            pending.digests.insert(seal.digest);
            self.without_record -= usize::from(pending.kept == Kept::Nothing);
            (pending.kept, pending.due_ms, pending.arriving) = (kept, None, false);
            pending.schedule(seal.call, context);
            if pending.note_takers.is_empty() {
                self.remove(seal.call, context);
            }
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
        for session in told {
            let partial = kept == Kept::Parts;
            context.send(session, ServerMessage::RecordKept { call: seal.call, log_index: index, partial });
        }
    }
}

impl Pending {
    fn schedule(&self, call: CallId, context: &mut Context) {
        context.timers.set(Timer::Record(call), self.due_ms.filter(|_| !self.arriving));
    }
}

/// Whether the entry is of the record with this digest.
fn is_of_record(entry: &Entry, digest: Digest) -> bool {
    entry.archived_record().is_some_and(|record| record.record_digest == digest)
}

impl End {
    fn append(&self, call: CallId, context: &mut Context) {
        let Self { how, answered_ms, delegation, time_ms } = *self;
        let answered = Some(answered_ms.is_some());
        let entry = Entry::CallEnded { time_ms, call, how, answered, answered_ms, delegation };
        context.append(PendingAppend::Ended(call), entry);
    }
}
