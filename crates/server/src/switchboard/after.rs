//! What is owed after a call: its end in the log, and its record in the archive. Both are owed across restarts.

use super::{
    Switchboard,
    desk::Desk,
    enrol::{append_revocation, log_failed},
    port::{Effects, Output, Refusal, RefusalKind, Reply, RequestId, Seal, Ticket},
};
use crate::{
    limits::LOG_RETRY_MS,
    store::{CallRow, RecordRow, Unfinished, Write},
};
use std::collections::{BTreeMap, BTreeSet};
use telcon_proto::{CallId, DeviceId, Digest, Ended, RecordMode, Role, ServerMessage, entry::Entry};

/// Debts to the log and to the archive.
#[derive(Default)]
pub(super) struct Afters {
    ends: BTreeMap<CallId, End>,
    records: BTreeMap<CallId, Owed>,
    /// When the device was revoked, and when to try again.
    revocations: BTreeMap<DeviceId, (u64, u64)>,
}

/// The end of a call that is not in the log yet.
struct End {
    how: Ended,
    answered_ms: Option<u64>,
    time_ms: u64,
    /// When to try again; none while the log is at it.
    retry_ms: Option<u64>,
}

/// Records of a call that are not in the archive yet.
struct Owed {
    /// What the log will say if all of them stay away.
    why: &'static str,
    /// Devices that were ever in the call: they are told.
    participants: BTreeSet<DeviceId>,
    /// Note-takers among them that brought none so far: only they know what was said.
    takers: BTreeSet<DeviceId>,
    /// Records that came.
    kept: Kept,
    /// Their digests: a record is one note-taker's.
    digests: BTreeSet<Digest>,
    /// Entries that the log was asked for and did not confirm. It may have them: they are asked for again as they were.
    asked: BTreeMap<DeviceId, Entry>,
    /// When the record was found missing, for the same reason.
    missing_ms: Option<u64>,
    /// When the log is to say that there is none; none when it was told, or is being told.
    due_ms: Option<u64>,
    /// Whether a record is on its way to the log.
    arriving: bool,
}

/// What the archive has of a call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    Nothing,
    /// Records that lack something, all of them.
    Parts,
    /// One record at least that lacks nothing.
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
    /// A note-taker's record of a call is in the archive's hands, checked. The request is answered once the log has it.
    pub fn seal(&mut self, request: RequestId, seal: Seal, now_ms: u64) -> Effects {
        let mut refused = self.may_seal(&seal.call, &seal.device).err();
        if self.afters.records.get(&seal.call).is_some_and(|owed| owed.digests.contains(&seal.digest)) {
            refused.get_or_insert(Refusal::new(RefusalKind::Conflict, "another note-taker brought this very record"));
        }
        match (refused, self.afters.records.get_mut(&seal.call)) {
            (None, Some(owed)) => {
                owed.arriving = true;
                let again = owed.asked.get(&seal.device).filter(|entry| is_of_record(entry, seal.digest)).cloned();
                let entry = again.unwrap_or_else(|| Entry::RecordSealed {
                    time_ms: now_ms,
                    call: seal.call,
                    device: Some(seal.device),
                    record_digest: seal.digest,
                    jws: seal.jws.clone(),
                    parts: seal.parts as u64,
                    partial: seal.partial,
                });
                owed.asked.insert(seal.device, entry.clone());
                self.desk.append(Ticket::Sealed(Box::new(seal), request), entry);
            }
            (refused, _) => {
                let refusal = refused.unwrap_or_else(|| Refusal::new(RefusalKind::NotFound, NO_RECORD_OWED));
                self.desk.output(Output::Reply(request, Err(refusal)));
            }
        }
        self.finish(now_ms)
    }

    /// Whether a record of this call is owed, and this device may bring it.
    ///
    /// # Errors
    /// Why not.
    pub fn may_seal(&self, call: &CallId, device: &DeviceId) -> Result<(), Refusal> {
        if self.calls.contains_key(call) {
            let text = "the call is not over: send its record when it is";
            return Err(Refusal::new(RefusalKind::Conflict, text));
        }
        if self.desk.devices.get(device).is_none_or(|known| known.revoked_ms.is_some()) {
            return Err(Refusal::new(RefusalKind::Forbidden, "this device is revoked"));
        }
        match self.afters.records.get(call) {
            Some(owed) if owed.arriving => {
                Err(Refusal::new(RefusalKind::Conflict, "a record of this call is being taken into the archive"))
            }
            Some(owed) if !owed.takers.contains(device) => Err(Refusal::new(
                RefusalKind::Forbidden,
                "this device was not in the call, or brought its record of it already",
            )),
            Some(_) => Ok(()),
            None if self.known.contains(call) => Err(Refusal::new(RefusalKind::Conflict, NO_RECORD_OWED)),
            None => Err(Refusal::new(RefusalKind::NotFound, "no such call")),
        }
    }
}

const NO_RECORD_OWED: &str =
    "no record of this call is awaited: it has all of them, was not answered, or is kept as log only";

const NO_NOTE_TAKER: &str = "no note-taker was in the call";

const NOBODY_ANSWERED: &str = "nobody answered, so nothing was said";

impl Afters {
    /// A call ended now.
    pub fn ended(&mut self, row: &CallRow, participants: &BTreeSet<DeviceId>, desk: &mut Desk) {
        self.owe_records(row, participants, &[], desk);
        self.owe_end_of(row, desk);
    }

    /// A call that had ended when the server stopped.
    pub fn restore(&mut self, stored: &Unfinished, desk: &mut Desk) {
        self.owe_records(&stored.row, &stored.participants, &stored.records, desk);
        if stored.row.ended_index.is_none() {
            self.owe_end_of(&stored.row, desk);
        }
    }

    /// The log is to hear of the end of a call.
    pub fn owe_end(&mut self, call: CallId, how: Ended, answered_ms: Option<u64>, time_ms: u64, desk: &mut Desk) {
        let end = End { how, answered_ms, time_ms, retry_ms: None };
        end.append(call, desk);
        self.ends.insert(call, end);
    }

    fn owe_end_of(&mut self, row: &CallRow, desk: &mut Desk) {
        if let (Some(how), Some(time_ms)) = (row.how, row.ended_ms) {
            self.owe_end(row.call, how, row.answered_ms, time_ms, desk);
        }
    }

    fn owe_records<'a>(
        &mut self,
        row: &CallRow,
        participants: impl IntoIterator<Item = &'a DeviceId>,
        records: &[RecordRow],
        desk: &Desk,
    ) {
        let ended_ms = row.ended_ms.unwrap_or_default();
        let brought = |device: &DeviceId| records.iter().any(|r| r.device.is_none_or(|by| by == *device));
        let owes = |device: &&DeviceId| desk.role(device) == Some(Role::NoteTaker) && !brought(device);
        let participants: BTreeSet<DeviceId> = participants.into_iter().copied().collect();
        let takers: BTreeSet<DeviceId> = participants.iter().filter(owes).copied().collect();
        let kept = Kept::of(records);
        if row.mode == RecordMode::LogOnly || (kept != Kept::Nothing && takers.is_empty()) {
            return;
        }
        let (due_ms, why) = match (row.answered_ms, row.noted) {
            (Some(_), true) => {
                let why = "a note-taker was in the call, and its record did not arrive in time";
                (ended_ms.saturating_add(desk.policy.record_due_ms), why)
            }
            // Nobody could bring one.
            (Some(_), false) => (ended_ms, NO_NOTE_TAKER),
            // An end by failure does not tell an auditor whether anybody spoke; the other ends do.
            (None, _) if matches!(row.how, Some(Ended::Failed | Ended::Interrupted | Ended::Revoked)) => {
                (ended_ms, NOBODY_ANSWERED)
            }
            (None, _) => return,
        };
        let due_ms = (row.missing_index.is_none() && kept == Kept::Nothing).then_some(due_ms);
        let digests = records.iter().map(|record| record.digest).collect();
        let (asked, missing_ms) = (BTreeMap::new(), None);
        let owed = Owed { why, participants, takers, kept, digests, asked, missing_ms, due_ms, arriving: false };
        self.records.insert(row.call, owed);
    }

    /// How many calls have no record, and should have one.
    pub fn records_owed(&self) -> usize {
        self.records.values().filter(|owed| owed.kept == Kept::Nothing).count()
    }

    pub fn next_timeout(&self) -> Option<u64> {
        let ends = self.ends.values().filter_map(|e| e.retry_ms);
        let records = self.records.values().filter(|o| !o.arriving).filter_map(|o| o.due_ms);
        ends.chain(records).chain(self.revocations.values().map(|(_, retry)| *retry)).min()
    }

    pub fn tick(&mut self, desk: &mut Desk, now_ms: u64) {
        for (call, end) in &mut self.ends {
            if end.retry_ms.is_some_and(|at| now_ms >= at) {
                end.retry_ms = None;
                end.append(*call, desk);
            }
        }
        for (call, owed) in &mut self.records {
            if !owed.arriving && owed.due_ms.is_some_and(|at| now_ms >= at) {
                owed.due_ms = None;
                let time_ms = *owed.missing_ms.get_or_insert(now_ms);
                let entry = Entry::RecordMissing { time_ms, call: *call, why: owed.why.to_owned() };
                desk.append(Ticket::Missing(*call), entry);
            }
        }
        let due: BTreeSet<DeviceId> =
            self.revocations.iter().filter(|(_, (_, at))| now_ms >= *at).map(|(d, _)| *d).collect();
        for device in due {
            if let Some((revoked_ms, _)) = self.revocations.remove(&device) {
                append_revocation(desk, device, revoked_ms, None);
            }
        }
    }

    pub fn retry_revocation(&mut self, device: DeviceId, revoked_ms: u64, now_ms: u64) {
        self.revocations.insert(device, (revoked_ms, now_ms + LOG_RETRY_MS));
    }

    pub fn end_logged(&mut self, call: CallId, index: Option<u64>, desk: &mut Desk, now_ms: u64) {
        match index {
            Some(index) => {
                self.ends.remove(&call);
                desk.write(Write::EndLogged(call, index));
            }
            None => {
                if let Some(end) = self.ends.get_mut(&call) {
                    end.retry_ms = Some(now_ms + LOG_RETRY_MS);
                }
            }
        }
    }

    pub fn missing_logged(&mut self, call: CallId, index: Option<u64>, desk: &mut Desk, now_ms: u64) {
        match (index, self.records.get_mut(&call)) {
            (Some(index), owed) => {
                let over = owed.is_some_and(|owed| [NOBODY_ANSWERED, NO_NOTE_TAKER].contains(&owed.why));
                desk.write(Write::MissingLogged(call, index));
                if over {
                    self.records.remove(&call);
                }
            }
            (None, Some(owed)) => owed.due_ms = Some(now_ms + LOG_RETRY_MS),
            (None, None) => {}
        }
    }

    pub fn sealed(&mut self, seal: Seal, request: RequestId, index: Option<u64>, desk: &mut Desk, now_ms: u64) {
        let Some(index) = index else {
            if let Some(owed) = self.records.get_mut(&seal.call) {
                owed.arriving = false;
            }
            return desk.output(Output::Reply(request, Err(log_failed())));
        };
        let mut kept = Kept::Nothing.with(seal.partial);
        let mut told: BTreeSet<_> = desk.staff().into_iter().collect();
        if let Some(owed) = self.records.get_mut(&seal.call) {
            kept = owed.kept.with(seal.partial);
            told.extend(owed.participants.iter().filter_map(|device| desk.online.get(device)));
            owed.takers.remove(&seal.device);
            owed.asked.remove(&seal.device);
            owed.digests.insert(seal.digest);
            (owed.kept, owed.due_ms, owed.arriving) = (kept, None, false);
            if owed.takers.is_empty() {
                self.records.remove(&seal.call);
            }
        }
        desk.write(Write::Record(RecordRow {
            call: seal.call,
            device: Some(seal.device),
            digest: seal.digest,
            kept_ms: now_ms,
            log_index: index,
            partial: seal.partial,
        }));
        desk.output(Output::Reply(request, Ok(Reply::Logged(index))));
        for session in told {
            let partial = kept == Kept::Parts;
            desk.send(session, ServerMessage::RecordKept { call: seal.call, log_index: index, partial });
        }
    }
}

/// Whether the entry says that the record of this digest is in the archive.
fn is_of_record(entry: &Entry, digest: Digest) -> bool {
    matches!(entry, Entry::RecordSealed { record_digest, .. } if *record_digest == digest)
}

impl End {
    fn append(&self, call: CallId, desk: &mut Desk) {
        let Self { how, answered_ms, time_ms, .. } = *self;
        let answered = Some(answered_ms.is_some());
        desk.append(Ticket::Ended(call), Entry::CallEnded { time_ms, call, how, answered, answered_ms });
    }
}
