//! The log's only writer. It runs on its own thread, because an append waits for the disk; entries that arrive in the
//! meantime share the next flush.

use super::Prover;
use crate::switchboard::Ticket;
use std::{
    collections::{HashMap, VecDeque},
    path::Path,
    sync::{Arc, mpsc},
    thread::JoinHandle,
    time::{SystemTime, UNIX_EPOCH},
};
use telcon_log::{DiskStorage, Log, LogSigner, MAX_APPEND_ENTRIES, log::Error as LogError};
use telcon_proto::{OfficeName, entry::Entry};

/// The open log, and the append whose outcome is unknown, if there is one.
pub struct LogWriter {
    log: Log<DiskStorage>,
    prover: Arc<Prover>,
    /// Entries of an append with unknown outcome, and the log's size before it.
    unresolved: Option<(u64, Vec<Vec<u8>>)>,
    /// Whether entries turned out to be in the log after their append was reported as failed.
    unreported: bool,
    /// Recently appended entries, to deduplicate: a byte-identical entry is a retry after a failure.
    recent: HashMap<Vec<u8>, u64>,
    order: VecDeque<Vec<u8>>,
}

/// Entries remembered for deduplication. Retries follow a failure within seconds.
const RECENT_ENTRIES: usize = 2 * MAX_APPEND_ENTRIES;

impl LogWriter {
    /// Opens the log of `office` in `dir`, or creates it.
    ///
    /// # Errors
    /// Errors of the log: it is locked, damaged, or has another key.
    pub fn open(dir: &Path, signer: LogSigner, office: OfficeName, now_ms: u64) -> Result<Self, LogError> {
        let log = Log::open_or_create(DiskStorage::open(dir)?, signer, now_ms)?;
        let prover = Arc::new(Prover::new(dir.to_owned(), office, log.checkpoint()));
        Ok(Self { log, prover, unresolved: None, unreported: false, recent: HashMap::new(), order: VecDeque::new() })
    }

    /// The prover over this log.
    pub fn prover(&self) -> Arc<Prover> {
        self.prover.clone()
    }

    /// Size of the log.
    pub fn size(&self) -> u64 {
        self.log.checkpoint().size()
    }

    /// Appends entries: the index of each, or none if it is not known to be in the log. Idempotent: a byte-identical
    /// entry that is retried after a failure is not appended twice.
    pub fn append(&mut self, entries: &[Vec<u8>], now_ms: u64) -> Vec<Option<u64>> {
        if let Err(error) = self.settle() {
            tracing::error!(%error, "log append failed: no call can be opened until it succeeds; check disk space and permissions of archive/log");
            return vec![None; entries.len()];
        }
        let known: Vec<Option<u64>> = entries.iter().map(|e| self.recent.get(e).copied()).collect();
        let fresh: Vec<Vec<u8>> =
            entries.iter().zip(&known).filter(|(_, k)| k.is_none()).map(|(e, _)| e.clone()).collect();
        if fresh.is_empty() {
            return known;
        }
        let before = self.size();
        let first = match self.log.append(&fresh, now_ms) {
            Ok(appended) => {
                self.remember(&fresh, appended.first_index);
                Some(appended.first_index)
            }
            Err(LogError::InDoubt(error)) => {
                tracing::error!(%error, "log append failed with unknown outcome: the log is read again before the next append; check disk space and permissions of archive/log");
                self.unresolved = Some((before, fresh));
                None
            }
            Err(error) => {
                tracing::error!(%error, "log append failed: no call can be opened until it succeeds; check disk space and permissions of archive/log");
                None
            }
        };
        self.prover.publish(self.log.checkpoint());
        let mut next = first;
        known
            .into_iter()
            .map(|k| {
                k.or_else(|| {
                    let index = next;
                    next = next.map(|n| n + 1);
                    index
                })
            })
            .collect()
    }

    /// Determines the outcome of an append that failed with unknown outcome.
    fn settle(&mut self) -> Result<(), LogError> {
        let Some((before, entries)) = self.unresolved.take() else { return Ok(()) };
        if let Err(error) = self.log.recover() {
            self.unresolved = Some((before, entries));
            return Err(error);
        }
        if self.log.checkpoint().size() > before {
            self.unreported = true;
            self.remember(&entries, before);
            self.prover.publish(self.log.checkpoint());
        }
        Ok(())
    }

    fn remember(&mut self, entries: &[Vec<u8>], first: u64) {
        for (entry, index) in entries.iter().zip(first..) {
            if self.recent.insert(entry.clone(), index).is_none() {
                self.order.push_back(entry.clone());
            }
        }
        while self.order.len() > RECENT_ENTRIES {
            if let Some(oldest) = self.order.pop_front() {
                self.recent.remove(&oldest);
            }
        }
    }

    /// The size below which the index of every entry was reported to its appender; `None` if some index never was: then
    /// the next start finds those entries when it reconciles the store with the log.
    fn reported(&self) -> Option<u64> {
        (self.unresolved.is_none() && !self.unreported).then(|| self.size())
    }

    /// Starts the thread. `report` is called on it for each entry, and with [`LogEvent::Reported`] after each batch; the
    /// thread ends when the [`Appender`] is dropped.
    pub fn spawn(mut self, report: impl Fn(LogEvent) + Send + 'static) -> std::io::Result<(Appender, JoinHandle<()>)> {
        let (sender, jobs) = mpsc::channel::<(Ticket, Entry)>();
        let run = move || {
            while let Ok(first) = jobs.recv() {
                let mut batch = vec![first];
                batch.extend(jobs.try_iter().take(MAX_APPEND_ENTRIES - 1));
                let entries: Vec<Vec<u8>> = batch.iter().map(|(_, entry)| entry.to_bytes()).collect();
                for ((ticket, _), index) in batch.into_iter().zip(self.append(&entries, now_ms())) {
                    report(LogEvent::Appended(ticket, index));
                }
                if let Some(size) = self.reported() {
                    report(LogEvent::Reported(size));
                }
            }
        };
        let thread = std::thread::Builder::new().name("log".into()).spawn(run)?;
        Ok((Appender(sender), thread))
    }
}

/// What the log's thread reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogEvent {
    /// An entry has this index, or is not known to be in the log.
    Appended(Ticket, Option<u64>),
    /// All entries of the log below this size have been reported.
    Reported(u64),
}

/// Sends entries to the log's thread.
#[derive(Clone)]
pub struct Appender(mpsc::Sender<(Ticket, Entry)>);

impl Appender {
    /// Queues an entry. `false` if the thread is gone.
    pub fn append(&self, ticket: Ticket, entry: Entry) -> bool {
        self.0.send((ticket, entry)).is_ok()
    }
}

/// Milliseconds since 1970 UTC.
pub(crate) fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64)
}

#[cfg(test)]
mod tests {
    use super::{super::ProofError, *};

    fn open(dir: &Path) -> LogWriter {
        let signer = LogSigner::from_seed(&[1; 32], "office.example/log").unwrap();
        LogWriter::open(dir, signer, OfficeName::parse("office.example").unwrap(), 1).unwrap()
    }

    #[test]
    fn proofs_hold_under_the_newest_checkpoint() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = open(dir.path());
        let prover = writer.prover();
        for i in 0..300u32 {
            assert_eq!(writer.append(&[i.to_string().into_bytes()], 2), [Some(u64::from(i))]);
        }
        let key = LogSigner::from_seed(&[1; 32], "office.example/log").unwrap().verifier_key().clone();
        for index in [0, 255, 256, 299] {
            let logged = prover.prove(index).unwrap();
            let checkpoint = key.verify_checkpoint(&logged.checkpoint).unwrap();
            let proof: Vec<_> =
                logged.proof.iter().map(|b| telcon_log::Hash(b.0.clone().try_into().unwrap())).collect();
            telcon_log::verify_inclusion(&logged.entry.0, index, checkpoint.size, &proof, &checkpoint.root).unwrap();
            assert_eq!(logged.entry.0, index.to_string().into_bytes());
            assert!(logged.office.is_some_and(|office| office == *"office.example"));
        }
        assert!(prover.prove(300).is_err());
        assert!(prover.consistency(10, 300).is_ok());
        assert!(matches!(prover.consistency(300, 10), Err(ProofError::Range { size: 300 })));
        assert!(matches!(prover.consistency(0, 301), Err(ProofError::Range { size: 300 })));
    }

    #[test]
    fn an_entry_with_unknown_outcome_is_not_appended_twice() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = open(dir.path());
        writer.append(&[b"a".to_vec()], 2);
        assert_eq!(writer.reported(), Some(1));
        // As if the append of "b" had reached the disk, and its caller had been told that it failed.
        writer.append(&[b"b".to_vec()], 2);
        writer.recent.clear();
        writer.unresolved = Some((1, vec![b"b".to_vec()]));
        assert_eq!(writer.reported(), None);
        assert_eq!(writer.append(&[b"c".to_vec(), b"b".to_vec()], 3), [Some(2), Some(1)]);
        assert_eq!(writer.reported(), None, "whether the index of b was reported is unknown");
        assert_eq!(writer.append(&[b"c".to_vec()], 3), [Some(2)]);
        assert_eq!(writer.size(), 3);
    }
}
