//! The log's only writer. It runs on its own thread, because an append waits for the disk; entries that arrive in the
//! meantime share the next flush.

use super::Prover;
use crate::{limits::LOG_RETRY_MS, switchboard::PendingAppend};
use std::{
    collections::{HashMap, VecDeque},
    path::Path,
    sync::{
        Arc,
        mpsc::{self, RecvTimeoutError},
    },
    thread::JoinHandle,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use telcon_log::{
    DiskReader, DiskStorage, Log, LogSigner, MAX_APPEND_ENTRIES, Reader, Storage, log::Error as LogError,
};
use telcon_proto::{OfficeName, entry::Entry};

/// The open log, and the append whose outcome is unknown, if there is one.
pub struct LogWriter<S = DiskStorage> {
    log: Log<S>,
    prover: Arc<Prover>,
    /// Entries of an append with unknown outcome, and the log's size before it.
    unresolved: Option<(u64, Vec<Vec<u8>>)>,
    /// Appenders of entries with unknown outcome: they were told that the append failed.
    reported_failed: Vec<(Vec<u8>, PendingAppend)>,
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
        Self::over(DiskStorage::open(dir)?, Arc::new(DiskReader::new(dir)), signer, office, now_ms)
    }
}

impl<S: Storage> LogWriter<S> {
    /// Opens the log in `storage`, or creates it. Proofs are read through `reader`, which reads the same files.
    ///
    /// # Errors
    /// Errors of the log.
    pub fn over(
        storage: S,
        reader: Arc<dyn Reader + Send + Sync>,
        signer: LogSigner,
        office: OfficeName,
        now_ms: u64,
    ) -> Result<Self, LogError> {
        let log = Log::open_or_create(storage, signer, now_ms)?;
        let prover = Arc::new(Prover::new(reader, office, log.checkpoint()));
        Ok(Self {
            log,
            prover,
            unresolved: None,
            reported_failed: Vec::new(),
            recent: HashMap::new(),
            order: VecDeque::new(),
        })
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
    /// entry that is retried after a failure is not appended twice, also if both are in this batch.
    pub fn append(&mut self, entries: &[Vec<u8>], now_ms: u64) -> Vec<Option<u64>> {
        if let Err(error) = self.settle() {
            tracing::error!(%error, "log append failed: no call can be opened until it succeeds; check disk space and permissions of archive/log");
            return vec![None; entries.len()];
        }
        let known: Vec<Option<u64>> = entries.iter().map(|e| self.recent.get(e).copied()).collect();
        // Where in `fresh` each one is: an entry and its retry can be in one batch.
        let (mut fresh, mut places) = (Vec::new(), HashMap::new());
        for (entry, _) in entries.iter().zip(&known).filter(|(_, known)| known.is_none()) {
            places.entry(entry).or_insert_with(|| {
                fresh.push(entry.clone());
                fresh.len() as u64 - 1
            });
        }
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
        let placed = |entry| Some(first? + places.get(entry)?);
        entries.iter().zip(known).map(|(entry, known)| known.or_else(|| placed(entry))).collect()
    }

    /// Determines the outcome of an append that failed with unknown outcome.
    fn settle(&mut self) -> Result<(), LogError> {
        let Some((before, entries)) = self.unresolved.take() else { return Ok(()) };
        if let Err(error) = self.log.recover() {
            self.unresolved = Some((before, entries));
            return Err(error);
        }
        if self.log.checkpoint().size() > before {
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

    /// The size below which the index of every entry was reported to its appender; `None` while some outcome is unknown.
    fn reported(&self) -> Option<u64> {
        self.unresolved.is_none().then(|| self.size())
    }

    /// Whether the outcome of an append is unknown, so that [`LogWriter::append_batch`] must be called again, if only with
    /// no entries.
    pub fn has_unresolved(&self) -> bool {
        self.unresolved.is_some()
    }

    /// Appends entries, and reports the outcome of each. An entry that was reported as failed and turns out to be in the log
    /// is reported again with its index: a call whose opening was given up still needs its end in the log.
    pub fn append_batch(&mut self, batch: Vec<(PendingAppend, Entry)>, now_ms: u64) -> Vec<LogEvent> {
        let entries: Vec<Vec<u8>> = batch.iter().map(|(_, entry)| entry.to_bytes()).collect();
        let reported_failed = std::mem::take(&mut self.reported_failed);
        let indices = self.append(&entries, now_ms);
        let mut events = Vec::new();
        for (entry, append) in reported_failed {
            match self.recent.get(&entry).copied() {
                Some(index) if !entries.contains(&entry) => events.push(LogEvent::Appended(append, Some(index))),
                // Resolved: it is not in the log, or its appender has retried.
                _ if self.unresolved.is_none() => {}
                _ => self.reported_failed.push((entry, append)),
            }
        }
        for (((append, _), entry), index) in batch.into_iter().zip(entries).zip(indices) {
            if index.is_none() && self.unresolved.as_ref().is_some_and(|(_, unresolved)| unresolved.contains(&entry)) {
                self.reported_failed.push((entry, append.clone()));
            }
            events.push(LogEvent::Appended(append, index));
        }
        events.extend(self.reported().map(LogEvent::Reported));
        events
    }

    /// Starts the thread. `report` is called on it for each entry, and with [`LogEvent::Reported`] after each batch; the
    /// thread ends when the [`Appender`] is dropped.
    pub fn spawn(mut self, report: impl Fn(LogEvent) + Send + 'static) -> std::io::Result<(Appender, JoinHandle<()>)>
    where
        S: Send + 'static,
    {
        let (sender, jobs) = mpsc::channel::<(PendingAppend, Entry)>();
        let run = move || {
            loop {
                let first = if self.has_unresolved() {
                    jobs.recv_timeout(Duration::from_millis(LOG_RETRY_MS))
                } else {
                    jobs.recv().map_err(|_| RecvTimeoutError::Disconnected)
                };
                let mut batch = Vec::new();
                match first {
                    Ok(first) => batch.push(first),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                }
                batch.extend(jobs.try_iter().take(MAX_APPEND_ENTRIES - 1));
                self.append_batch(batch, now_ms()).into_iter().for_each(&report);
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
    Appended(PendingAppend, Option<u64>),
    /// All entries of the log below this size have been reported.
    Reported(u64),
}

/// Sends entries to the log's thread.
#[derive(Clone)]
pub struct Appender(mpsc::Sender<(PendingAppend, Entry)>);

impl Appender {
    /// Queues an entry. `false` if the thread is gone.
    pub fn append(&self, append: PendingAppend, entry: Entry) -> bool {
        self.0.send((append, entry)).is_ok()
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
        assert_eq!(writer.append(&[b"c".to_vec()], 3), [Some(2)]);
        assert_eq!((writer.size(), writer.reported()), (3, Some(3)));
    }

    #[test]
    fn an_entry_and_its_retry_in_one_batch_are_appended_once() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = open(dir.path());
        let batch = [b"a", b"b", b"a", b"c", b"b"].map(|entry| entry.to_vec());
        assert_eq!(writer.append(&batch, 2), [0, 1, 0, 2, 1].map(Some));
        assert_eq!(writer.append(&[b"d".to_vec(), b"a".to_vec(), b"d".to_vec()], 2), [3, 0, 3].map(Some));
        assert_eq!(writer.size(), 4);
    }

    #[test]
    fn an_entry_that_was_in_doubt_and_is_in_the_log_is_reported_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = open(dir.path());
        let call = telcon_proto::CallId::from_bytes([1; 16]);
        let entry = Entry::RecordMissing { time_ms: 1, call, why: "w".into() };
        // As if its append had reached the disk, and had been reported as failed.
        writer.append(&[entry.to_bytes()], 2);
        writer.recent.clear();
        writer.unresolved = Some((0, vec![entry.to_bytes()]));
        writer.reported_failed = vec![(entry.to_bytes(), PendingAppend::Opened(call))];
        assert!(writer.has_unresolved());
        let late = LogEvent::Appended(PendingAppend::Opened(call), Some(0));
        assert_eq!(writer.append_batch(Vec::new(), 3), [late, LogEvent::Reported(1)]);
        assert_eq!(writer.append_batch(Vec::new(), 3), [LogEvent::Reported(1)], "once");
    }
}
