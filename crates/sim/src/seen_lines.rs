//! What was seen of lines so far, for the invariants, and the devices that wait to take one.

use crate::office::{line_of, ring_of};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use telcon_proto::{
    CallId, ClientMessage, DeviceId, Digest, InvitationId, LineId,
    line::{Line, LineState, OverLine},
};
use telcon_server::switchboard::DeviceAsked;

/// A device that opened a line's link.
pub struct Asker {
    /// Its keys and its request, as it stores them.
    pub state: String,
    /// Its request, as the server gets it.
    pub asked: DeviceAsked,
    /// The number of the person who took the link: a thief's device has the same.
    pub person: usize,
}

/// What was seen of lines, for the invariants.
#[derive(Default)]
pub struct SeenLines {
    /// What was signed, by the digest of the statement.
    signed: BTreeMap<Digest, Line>,
    /// By device and line: the version with which the device stopped the line. It must not show a ring over an older one.
    pub stopped: BTreeMap<(usize, LineId), u32>,
    /// The line that each call was rung over.
    rings: BTreeMap<CallId, Option<OverLine>>,
    /// Invitations whose request a run of a device's program has answered.
    pub answered: BTreeSet<(usize, u64, InvitationId)>,
    /// Links that somebody opened.
    pub opened: BTreeSet<InvitationId>,
    /// Invitations with the device that was let in.
    pub taken: BTreeMap<InvitationId, DeviceId>,
}

impl SeenLines {
    /// A device sends a message about a line.
    pub fn sent_up(&mut self, d: usize, message: &ClientMessage) {
        let statement = match message {
            ClientMessage::SignLine { statement } | ClientMessage::StopLine { statement } => statement,
            ClientMessage::ApproveDevice { line: Some(statement), .. } => statement,
            ClientMessage::Ring { jws } => {
                if let Some(ring) = ring_of(jws) {
                    self.rings.insert(ring.call.id, ring.over);
                }
                return;
            }
            _ => return,
        };
        let Some(line) = line_of(statement) else { return };
        match line.state {
            LineState::Live => self.stopped.retain(|(device, id), _| (*device, *id) != (d, line.line)),
            _ => drop(self.stopped.insert((d, line.line), line.version)),
        }
        self.signed.insert(Digest::from_bytes(Sha256::digest(statement).into()), line);
    }

    /// What a statement said.
    pub fn of(&self, sha256: &Digest) -> Option<&Line> {
        self.signed.get(sha256)
    }

    /// The line that a call was rung over.
    pub fn ring(&self, call: &CallId) -> Option<OverLine> {
        self.rings.get(call).copied().flatten()
    }
}
