//! The one writer of the log. It runs on a thread of its own, because an append waits for the disk; entries that
//! arrive in the meantime share the next wait.

use super::Prover;
use crate::{limits::LOG_RETRY_MS, switchboard::Ticket};
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
use telcon_proto::entry::Entry;

/// The open log, and what is not known about it.
pub struct LogWriter<S = DiskStorage> {
    log: Log<S>,
    prover: Arc<Prover>,
    /// Entries of an append that failed halfway, and the log's size before it: they may be in the log, or not.
    doubt: Option<(u64, Vec<Vec<u8>>)>,
    /// Who appended entries that are in doubt: they were told that the append failed.
    doubtful: Vec<(Vec<u8>, Ticket)>,
    /// What was appended lately. The same entry again, to the byte, is a repetition after some failure.
    recent: HashMap<Vec<u8>, u64>,
    order: VecDeque<Vec<u8>>,
}

/// Entries remembered against repetition. Repetitions follow a failure within seconds.
const RECENT_ENTRIES: usize = 4096;

impl LogWriter {
    /// Opens the log in `dir`, or starts it.
    ///
    /// # Errors
    /// Those of the log: it is in use, damaged, or of another key.
    pub fn open(dir: &Path, signer: LogSigner, now_ms: u64) -> Result<Self, LogError> {
        Self::over(DiskStorage::open(dir)?, Arc::new(DiskReader::new(dir)), signer, now_ms)
    }
}

impl<S: Storage> LogWriter<S> {
    /// Opens the log in `storage`, or starts it. Proofs are read through `reader`, which reads the same files.
    ///
    /// # Errors
    /// Those of the log.
    pub fn over(
        storage: S,
        reader: Arc<dyn Reader + Send + Sync>,
        signer: LogSigner,
        now_ms: u64,
    ) -> Result<Self, LogError> {
        let log = Log::open_or_create(storage, signer, now_ms)?;
        let prover = Arc::new(Prover::new(reader, log.checkpoint()));
        Ok(Self { log, prover, doubt: None, doubtful: Vec::new(), recent: HashMap::new(), order: VecDeque::new() })
    }

    /// Proves what is in the log.
    pub fn prover(&self) -> Arc<Prover> {
        self.prover.clone()
    }

    /// Size of the log.
    pub fn size(&self) -> u64 {
        self.log.checkpoint().size()
    }

    /// Appends entries: the index of each, or none if it is not known to be in the log. An entry that is appended again
    /// after some failure, the same to the byte, is not put in twice.
    pub fn append(&mut self, entries: &[Vec<u8>], now_ms: u64) -> Vec<Option<u64>> {
        if let Err(error) = self.settle() {
            tracing::error!(%error, "the log cannot be written");
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
                tracing::error!(%error, "an append to the log failed halfway");
                self.doubt = Some((before, fresh));
                None
            }
            Err(error) => {
                tracing::error!(%error, "the log cannot be written");
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

    /// Finds out how an append that failed halfway ended.
    fn settle(&mut self) -> Result<(), LogError> {
        let Some((before, entries)) = self.doubt.take() else { return Ok(()) };
        if let Err(error) = self.log.recover() {
            self.doubt = Some((before, entries));
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

    /// The size below which every entry's index was given to whoever appended it; none while that is in doubt.
    fn reported(&self) -> Option<u64> {
        self.doubt.is_none().then(|| self.size())
    }

    /// Whether an append failed halfway, so that [`LogWriter::append_batch`] is to be called again, without entries too.
    pub fn is_in_doubt(&self) -> bool {
        self.doubt.is_some()
    }

    /// Appends entries, and says what became of each. An entry that was reported as failed, and that turns out to be in the
    /// log, is reported again with its index: an opened call whose opening was given up still needs its end.
    pub fn append_batch(&mut self, batch: Vec<(Ticket, Entry)>, now_ms: u64) -> Vec<LogEvent> {
        let entries: Vec<Vec<u8>> = batch.iter().map(|(_, entry)| entry.to_bytes()).collect();
        let doubtful = std::mem::take(&mut self.doubtful);
        let indices = self.append(&entries, now_ms);
        let mut events = Vec::new();
        for (entry, ticket) in doubtful {
            match self.recent.get(&entry).copied() {
                Some(index) if !entries.contains(&entry) => events.push(LogEvent::Appended(ticket, Some(index))),
                // Settled: it is not in the log, or whoever appended it has asked again.
                _ if self.doubt.is_none() => {}
                _ => self.doubtful.push((entry, ticket)),
            }
        }
        for (((ticket, _), entry), index) in batch.into_iter().zip(entries).zip(indices) {
            if index.is_none() && self.doubt.as_ref().is_some_and(|(_, doubtful)| doubtful.contains(&entry)) {
                self.doubtful.push((entry, ticket.clone()));
            }
            events.push(LogEvent::Appended(ticket, index));
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
        let (sender, jobs) = mpsc::channel::<(Ticket, Entry)>();
        let run = move || {
            loop {
                let first = if self.is_in_doubt() {
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
    Appended(Ticket, Option<u64>),
    /// All entries of the log below this size have been reported.
    Reported(u64),
}

/// Hands entries to the log's thread.
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
        LogWriter::open(dir, signer, 1).unwrap()
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
        }
        assert!(prover.prove(300).is_err());
        assert!(prover.consistency(10, 300).is_ok());
        assert!(matches!(prover.consistency(300, 10), Err(ProofError::Range { size: 300 })));
        assert!(matches!(prover.consistency(0, 301), Err(ProofError::Range { size: 300 })));
    }

    #[test]
    fn an_entry_that_was_in_doubt_is_not_appended_twice() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = open(dir.path());
        writer.append(&[b"a".to_vec()], 2);
        assert_eq!(writer.reported(), Some(1));
        // As if the append of "b" had reached the disk, and its caller had been told that it failed.
        writer.append(&[b"b".to_vec()], 2);
        writer.recent.clear();
        writer.doubt = Some((1, vec![b"b".to_vec()]));
        assert_eq!(writer.reported(), None);
        assert_eq!(writer.append(&[b"c".to_vec(), b"b".to_vec()], 3), [Some(2), Some(1)]);
        assert_eq!(writer.append(&[b"c".to_vec()], 3), [Some(2)]);
        assert_eq!((writer.size(), writer.reported()), (3, Some(3)));
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
        writer.doubt = Some((0, vec![entry.to_bytes()]));
        writer.doubtful = vec![(entry.to_bytes(), Ticket::Opened(call))];
        assert!(writer.is_in_doubt());
        let late = LogEvent::Appended(Ticket::Opened(call), Some(0));
        assert_eq!(writer.append_batch(Vec::new(), 3), [late, LogEvent::Reported(1)]);
        assert_eq!(writer.append_batch(Vec::new(), 3), [LogEvent::Reported(1)], "once");
    }
}
