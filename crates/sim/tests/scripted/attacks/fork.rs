//! A server that shows devices another log than the office's.

use std::{cell::RefCell, rc::Rc};
use telcon_log::{Log, MemoryStorage};
use telcon_proto::{Blob, ServerMessage, message::Logged};
use telcon_sim::script::Scenario;

/// A log under the office's key that has an entry which the office's log does not have.
pub(super) struct Fork {
    log: Log<MemoryStorage>,
    now_ms: u64,
}

impl Fork {
    /// The same statement, proven in this log.
    pub(super) fn prove(&mut self, logged: &Logged) -> Logged {
        let size = self.log.checkpoint().size();
        let known = (0..size).find(|index| self.log.entry(*index).unwrap() == logged.entry.0);
        let index = known.unwrap_or_else(|| {
            self.log.append(std::slice::from_ref(&logged.entry.0), self.now_ms).unwrap();
            size
        });
        let proof = self.log.inclusion_proof(index, self.log.checkpoint().size()).unwrap();
        Logged {
            index,
            proof: proof.iter().map(|hash| Blob(hash.0.to_vec())).collect(),
            checkpoint: self.log.checkpoint().note().to_owned(),
            ..logged.clone()
        }
    }

    /// This log's answer to a ping: where it does not continue the tree that the device asks about, a proof of something else.
    fn checkpoint(&self, from_size: u64) -> ServerMessage {
        let newest = self.log.checkpoint();
        let proof = if (1..newest.size()).contains(&from_size) {
            self.log.consistency_proof(from_size, newest.size()).unwrap()
        } else {
            Vec::new()
        };
        let consistency = proof.iter().map(|hash| Blob(hash.0.to_vec())).collect();
        ServerMessage::Checkpoint { checkpoint: newest.note().to_owned(), from_size, consistency }
    }
}

/// From now on the server shows one device a log of its own, in everything: `ahead` entries longer than the others'. Nothing that
/// this device alone is shown is inconsistent.
pub(super) fn show_fork_to(world: &mut Scenario, node: usize, ahead: u64) {
    let mut log = world.fork_log();
    let entries: Vec<Vec<u8>> =
        (0..ahead).map(|n| format!("{{\"type\":\"started\",\"n\":{n}}}").into_bytes()).collect();
    if !entries.is_empty() {
        log.append(&entries, world.now()).unwrap();
    }
    let mut fork = Fork { log, now_ms: world.now() };
    world.tamper(move |to, mut message| {
        if to == node {
            message.proofs_mut().into_iter().for_each(|proof| *proof = fork.prove(proof));
            if let ServerMessage::Checkpoint { from_size, .. } = message {
                return vec![fork.checkpoint(from_size)];
            }
        }
        vec![message]
    });
}

/// From now on the server shows devices proofs from another log than the office's.
pub(super) fn show_fork(world: &mut Scenario) -> Rc<RefCell<Fork>> {
    let mut log = world.fork_log();
    log.append(&[br#"{"type":"started"}"#.to_vec()], world.now()).unwrap();
    let fork = Rc::new(RefCell::new(Fork { log, now_ms: world.now() }));
    let shown = fork.clone();
    world.tamper(move |_, mut message| {
        message.proofs_mut().into_iter().for_each(|proof| *proof = shown.borrow_mut().prove(proof));
        vec![message]
    });
    fork
}
