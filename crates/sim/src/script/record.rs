//! The archive's proof of a call, from the office's log or from one that its server made up.

use super::{Node, Scenario};
use telcon_core::proof::Report;
use telcon_log::{Log, MemoryStorage};
use telcon_proto::{
    Blob,
    entry::{Entry, ReadEntry},
    http::{ProvenDevice, RecordLine, RecordProof},
    message::Logged,
};

impl Scenario {
    /// All entries of the office's log.
    pub fn log_entries(&self) -> Vec<Vec<u8>> {
        let log = self.fork_log();
        log.entries(0..log.checkpoint().size()).expect("the log")
    }

    /// A log of these entries under the office's key.
    pub fn log_of(&self, entries: &[Vec<u8>]) -> Log<MemoryStorage> {
        let mut log = self.new_log();
        log.append(entries, self.now()).expect("an append in memory");
        log
    }

    /// The proof of the newest call, whose parties are nodes 0 and 1 and which keeps no record, as an archive with this log
    /// gives it to a device that follows a tree of `from_size` entries.
    ///
    /// # Panics
    /// When the log does not have the call.
    pub fn record_proof(&self, log: &Log<MemoryStorage>, from_size: u64) -> RecordProof {
        let seen = self.seen();
        let (size, note) = (log.checkpoint().size(), log.checkpoint().note().to_owned());
        let all = log.entries(0..size).expect("the log");
        let read = |bytes: &[u8]| ReadEntry::parse(bytes).known();
        let find = |wanted: &dyn Fn(&Entry) -> bool| {
            let index = all.iter().position(|bytes| read(bytes).is_some_and(|entry| wanted(&entry)))?;
            let proof = log.inclusion_proof(index as u64, size).expect("a proof");
            let office = Some(seen.ring.call.office.clone());
            let (entry, proof) = (Blob(all[index].clone()), proof.iter().map(|hash| Blob(hash.0.to_vec())).collect());
            Some(Logged { entry, index: index as u64, proof, checkpoint: note.clone(), office })
        };
        let opened = find(&|entry| matches!(entry, Entry::CallOpened { call, .. } if *call == seen.id));
        let ended = find(&|entry| matches!(entry, Entry::CallEnded { call, .. } if *call == seen.id));
        let device = |node: Node| {
            let (id, chain) = (self.id(node), self.stolen(node).chain().iter().cloned().map(Blob).collect());
            let logged = find(&|entry| matches!(entry, Entry::DeviceEnrolled { device, .. } if *device == id));
            ProvenDevice { chain, logged: logged.expect("an enrolled device") }
        };
        let (mut line, opened) = (
            RecordLine {
                call: seen.id,
                from: self.card(0),
                to: self.card(1),
                mode: seen.ring.mode,
                opened_ms: 0,
                answered_ms: None,
                ended_ms: None,
                how: None,
                records: 0,
                partial: false,
                missing: false,
                on_behalf_of: None,
                answered_by: None,
            },
            opened.expect("the call was opened"),
        );
        if let Some(Entry::CallOpened { time_ms, .. }) = read(opened.entry.as_slice()) {
            line.opened_ms = time_ms;
        }
        let end = ended.as_ref().and_then(|logged| read(logged.entry.as_slice()));
        if let Some(Entry::CallEnded { time_ms, how, answered_ms, .. }) = end {
            (line.ended_ms, line.how, line.answered_ms) = (Some(time_ms), Some(how), answered_ms);
        }
        let consistency = match (1..=size).contains(&from_size) {
            true => log.consistency_proof(from_size, size).expect("a proof"),
            false => Vec::new(),
        };
        RecordProof {
            line,
            ring: seen.jws,
            opened,
            ended,
            records: Vec::new(),
            missing: None,
            devices: vec![device(0), device(1)],
            delegations: Vec::new(),
            over: None,
            from_size,
            consistency: consistency.iter().map(|hash| Blob(hash.0.to_vec())).collect(),
        }
    }

    /// A device verifies the proof of a call.
    pub fn check_record(&mut self, node: Node, proof: &RecordProof) -> Report {
        self.honest = false;
        let clock = self.world.devices[node].clock(self.now());
        let report = self.engine(node).check_record(clock, proof);
        self.world.drain(node);
        self.deliver_to_server();
        report
    }
}
