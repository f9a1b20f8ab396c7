//! Documents: versions that devices sign, one after the other; the keys that they are sealed to; openings of copies.
//!
//! A version counts once the log has it. The driver stores its sealed file first, verifies its statement, and looks up what the store has
//! of the document; that the version follows the newest one is decided here, by its digest. It is durable before it is appended, and no
//! other of its document is taken until the log has it. An upload that is repeated is the same version. What changes concerns its readers.

use super::{
    Switchboard,
    context::Timer,
    held_documents::{HeldKey, PendingVersion},
    port::{
        Effects, NewDeviceKey, NewDocument, Output, PendingAppend, Refusal, RefusalKind, Reply, RequestId, SessionId,
    },
};
use crate::{
    limits::LOG_RETRY_MS,
    store::{DeviceKeyRow, DocumentRow, Write},
};
use std::collections::BTreeSet;
use telcon_identity::CLOCK_TOLERANCE_S;
use telcon_proto::{
    DeviceId, Digest, DocumentId, ItemId, PersonId, ServerMessage, document_policy::may_read, entry::Entry,
    limits::MAX_DOCUMENT_READERS, message::RefusalCode,
};

const CHANGED: &str = "this document has changed meanwhile: read its newest version, then write again";
const LOG_FAILED: &str = "the office's log cannot be written now: what was sent counts once it can";

impl Switchboard {
    pub(super) fn restore_documents(&mut self, documents: Vec<DocumentRow>, keys: Vec<(DeviceKeyRow, Option<u64>)>) {
        for row in documents {
            let document = row.content.document;
            self.context.append(PendingAppend::DocumentSigned(document), signed(&row));
            self.context
                .documents
                .pending
                .insert(document, PendingVersion { row, before: Vec::new(), requests: Vec::new() });
        }
        for (row, index) in keys {
            if index.is_none() {
                self.context.append(PendingAppend::DeviceKey(row.device), stated(&row));
            }
            self.context.documents.keys.insert(row.device, HeldKey { row, logged: index.is_some(), asked_by: None });
        }
    }

    /// A device states its key, which the driver verified, unless `new` says why not.
    pub fn publish_key(&mut self, session: SessionId, new: Result<NewDeviceKey, String>, now_ms: u64) -> Effects {
        let signer = self.context.directory.session(session).map(|signer| signer.device);
        match new {
            Ok(new) if signer != Some(new.device) => {
                let text = "a device's key is sent by that device";
                self.context.refuse(session, None, RefusalCode::NotAllowed, text);
            }
            Ok(new) => self.take_key(session, new, now_ms),
            Err(text) => self.context.refuse(session, None, RefusalCode::NotAllowed, &text),
        }
        self.finish(now_ms)
    }

    fn take_key(&mut self, session: SessionId, new: NewDeviceKey, now_ms: u64) {
        let NewDeviceKey { device, statement, sha256 } = new;
        if let Some(held) = self.context.documents.keys.get_mut(&device) {
            // The same again, or another while the first is not logged. A device that makes its key anew is enrolled anew.
            held.asked_by = Some(session).filter(|_| !held.logged);
            return;
        }
        let row = DeviceKeyRow { device, sha256, signed_ms: now_ms };
        self.context.write(Write::DeviceKey(row.clone(), statement));
        self.context.append(PendingAppend::DeviceKey(device), stated(&row));
        self.context.documents.keys.insert(device, HeldKey { row, logged: false, asked_by: Some(session) });
    }

    pub(super) fn key_logged(&mut self, device: DeviceId, index: Option<u64>, now_ms: u64) {
        let Some(held) = self.context.documents.keys.get_mut(&device) else { return };
        let (sha256, session) = (held.row.sha256, held.asked_by.take());
        held.logged = index.is_some();
        match index {
            Some(index) => {
                self.context.timers.set(Timer::DeviceKey(device), None);
                self.context.write(Write::DeviceKeyLogged(device, sha256, index));
            }
            None => {
                self.context.timers.set(Timer::DeviceKey(device), Some(now_ms + LOG_RETRY_MS));
                if let Some(session) = session {
                    self.context.refuse(session, None, RefusalCode::Unavailable, LOG_FAILED);
                }
            }
        }
    }

    pub(super) fn append_key(&mut self, device: DeviceId) {
        let held = self.context.documents.keys.get(&device).filter(|held| !held.logged);
        if let Some(entry) = held.map(|held| stated(&held.row)) {
            self.context.append(PendingAppend::DeviceKey(device), entry);
        }
    }

    /// A device uploads a version of a document, whose sealed file is stored, and whose statement the driver verified.
    pub fn put_document(&mut self, request: RequestId, new: NewDocument, now_ms: u64) -> Effects {
        match self.may_put(&new, now_ms) {
            Ok(Put::Waits) => {
                if let Some(pending) = self.context.documents.pending_of(&new.content.document, &new.sha256) {
                    pending.requests.push(request);
                }
            }
            Ok(Put::Logged(index)) => self.context.output(Output::Reply(request, Ok(Reply::Logged(index)))),
            Ok(Put::Found(index)) => {
                let (row, statement, before) = row(new, now_ms);
                let (document, version, sha256) = (row.content.document, row.content.version, row.sha256);
                let readers = row.content.readers.clone();
                self.context.write(Write::DocumentSigned(Box::new(row), statement));
                self.context.write(Write::DocumentLogged(document, version, sha256, index));
                self.context.output(Output::Reply(request, Ok(Reply::Logged(index))));
                self.tell_readers(document, version, readers.into_iter().chain(before));
            }
            Ok(Put::New) => {
                let (row, statement, before) = row(new, now_ms);
                let document = row.content.document;
                self.context.write(Write::DocumentSigned(Box::new(row.clone()), statement));
                self.context.append(PendingAppend::DocumentSigned(document), signed(&row));
                let pending = PendingVersion { row, before, requests: vec![request] };
                self.context.documents.pending.insert(document, pending);
            }
            Err(refusal) => self.context.output(Output::Reply(request, Err(refusal))),
        }
        self.finish(now_ms)
    }

    fn may_put(&mut self, new: &NewDocument, now_ms: u64) -> Result<Put, Refusal> {
        let content = &new.content;
        let forbidden = |text: &str| Refusal::new(RefusalKind::Forbidden, text);
        if self.context.directory.device(&new.by).is_none_or(|device| !device.is_valid()) {
            return Err(forbidden("the device that signed this version is revoked"));
        }
        let same = |sha256: &Digest| *sha256 == new.sha256;
        if self.context.documents.pending_of(&content.document, &new.sha256).is_some() {
            return Ok(Put::Waits);
        }
        if self.context.documents.pending.contains_key(&content.document) {
            // That one is the next once the log has it. Nothing of this one stays: the caller deletes its sealed file.
            return Err(Refusal::new(RefusalKind::Conflict, CHANGED));
        }
        let conflict = || Refusal::new(RefusalKind::Conflict, CHANGED);
        if let Some((version, sha256, _, index)) = &new.standing.newest {
            if *version == content.version && same(sha256) {
                // In the log, or else it would wait above.
                return index.map(Put::Logged).ok_or_else(conflict);
            }
            if *version != content.version.saturating_sub(1) || content.previous != Some(*sha256) {
                return Err(conflict());
            }
            if new.follows != Some(*sha256) {
                return Err(Refusal::new(
                    RefusalKind::Unavailable,
                    "the server could not verify this version: try again",
                ));
            }
        } else if content.version != 1 {
            return Err(Refusal::new(RefusalKind::NotFound, "there is no such document"));
        }
        match &new.standing.found {
            Some((sha256, index)) if same(sha256) => return Ok(Put::Found(*index)),
            Some(_) => {
                let text = "the office's server was restored from a backup that is older than this version of the document: whoever has it \
                            sends it again, or begins another document";
                return Err(Refusal::new(RefusalKind::Conflict, text));
            }
            None => {}
        }
        if content.at_ms.abs_diff(now_ms) > CLOCK_TOLERANCE_S * 1000 {
            return Err(forbidden("this device's clock differs from the office's: set it, then try again"));
        }
        let directory = &self.context.directory;
        if content.readers.iter().any(|reader| directory.devices_of(*reader).next().is_none()) {
            return Err(forbidden("a reader is not enrolled in this office: choose the readers again"));
        }
        let role = |reader: &PersonId| directory.devices_of(*reader).next().map(|(_, device)| device.card.role);
        if content.readers.iter().filter_map(role).any(|role| !may_read(role, content.kind)) {
            return Err(forbidden("people of the other side read requests and schedules: choose the readers again"));
        }
        if !self.context.documents.recent.may_write(new.by, now_ms) {
            let text = "this device writes too often: wait a minute, then try again";
            // Not one that is retried by itself: its sealed file is removed.
            return Err(Refusal::new(RefusalKind::Forbidden, text));
        }
        Ok(Put::New)
    }

    pub(super) fn document_logged(&mut self, document: DocumentId, index: Option<u64>, now_ms: u64) {
        let Some(pending) = self.context.documents.pending.get_mut(&document) else { return };
        let requests = std::mem::take(&mut pending.requests);
        let Some(index) = index else {
            self.context.timers.set(Timer::Document(document), Some(now_ms + LOG_RETRY_MS));
            for request in requests {
                let refusal = Refusal::new(RefusalKind::Unavailable, LOG_FAILED);
                self.context.output(Output::Reply(request, Err(refusal)));
            }
            return;
        };
        let Some(PendingVersion { row, before, .. }) = self.context.documents.pending.remove(&document) else { return };
        self.context.timers.set(Timer::Document(document), None);
        let DocumentRow { content, sha256, .. } = row;
        self.context.write(Write::DocumentLogged(document, content.version, sha256, index));
        for request in requests {
            self.context.output(Output::Reply(request, Ok(Reply::Logged(index))));
        }
        self.tell_readers(document, content.version, content.readers.into_iter().chain(before));
    }

    pub(super) fn append_document(&mut self, document: DocumentId) {
        if let Some(entry) = self.context.documents.pending.get(&document).map(|pending| signed(&pending.row)) {
            self.context.append(PendingAppend::DocumentSigned(document), entry);
        }
    }

    /// A reader's device asks for a copy in circulation: it gets the sealed file once the log says that it was opened.
    pub fn open_copy(
        &mut self,
        request: RequestId,
        document: DocumentId,
        version: u32,
        device: DeviceId,
        now_ms: u64,
    ) -> Effects {
        if let Some(index) = self.context.documents.recent.opened(document, version, device, now_ms) {
            self.context.output(Output::Reply(request, Ok(Reply::Logged(index))));
            return self.finish(now_ms);
        }
        let entry = Entry::DocumentOpened { time_ms: now_ms, document, version, device };
        self.context.append(PendingAppend::DocumentOpened((document, version, device, now_ms), request), entry);
        self.finish(now_ms)
    }

    pub(super) fn copy_opened(
        &mut self,
        (document, version, device, at_ms): (DocumentId, u32, DeviceId, u64),
        request: RequestId,
        index: Option<u64>,
    ) {
        let reply = match index {
            Some(index) => {
                self.context.write(Write::DocumentOpened((document, version, device, at_ms, index)));
                self.context.documents.recent.note_opening(document, version, device, index);
                Ok(Reply::Logged(index))
            }
            None => {
                let text = "the office's log cannot be written now, and no copy is opened without it: try again";
                Err(Refusal::new(RefusalKind::Unavailable, text))
            }
        };
        self.context.output(Output::Reply(request, reply));
    }

    /// A readout, whose signed text is stored, is published once the log has its digest. The driver verified that it may be.
    pub fn publish_readout(&mut self, request: RequestId, readout: ItemId, sha256: Digest, now_ms: u64) -> Effects {
        let entry = Entry::ReadoutPublished { time_ms: now_ms, readout, statement_sha256: sha256 };
        self.context.append(PendingAppend::ReadoutPublished(request), entry);
        self.finish(now_ms)
    }

    pub(super) fn readout_logged(&mut self, request: RequestId, index: Option<u64>) {
        let reply = index.map(Reply::Logged).ok_or_else(|| Refusal::new(RefusalKind::Unavailable, LOG_FAILED));
        self.context.output(Output::Reply(request, reply));
    }

    /// Tells those who may read a document, or could until now, that it has a new version.
    fn tell_readers(&mut self, document: DocumentId, version: u32, readers: impl Iterator<Item = PersonId>) {
        let readers: BTreeSet<PersonId> = readers.take(2 * MAX_DOCUMENT_READERS).collect();
        for person in readers {
            for device in self.context.directory.online_devices_of(person) {
                self.context.tell(&device, ServerMessage::DocumentsChanged { document, version });
            }
        }
    }
}

/// What becomes of an upload.
enum Put {
    /// It is stored and appended.
    New,
    /// It is stored, and not in the log yet.
    Waits,
    /// It is in the log already.
    Logged(u64),
    /// The log has it, and the database did not.
    Found(u64),
}

fn row(new: NewDocument, now_ms: u64) -> (DocumentRow, String, Vec<PersonId>) {
    let NewDocument { content, by, statement, sha256, standing, .. } = new;
    let before = standing.newest.map(|(_, _, readers, _)| readers).unwrap_or_default();
    (DocumentRow { content, sha256, by, signed_ms: now_ms }, statement, before)
}

/// The entry of a version.
fn signed(row: &DocumentRow) -> Entry {
    Entry::DocumentVersion {
        time_ms: row.signed_ms,
        document: row.content.document,
        version: row.content.version,
        statement_sha256: row.sha256,
    }
}

/// The entry of a device's key.
fn stated(row: &DeviceKeyRow) -> Entry {
    Entry::DeviceKey { time_ms: row.signed_ms, device: row.device, statement_sha256: row.sha256 }
}

#[cfg(test)]
mod tests;
