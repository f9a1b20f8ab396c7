//! Delivery of sealed records from the spool to the archive, with retries.

use super::{NoteConfig, NoteEvent, TranscriptLine};
use crate::{
    endpoint::{Endpoint, now_ms},
    error::ClientError,
    http::upload,
};
use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{Receiver, TryRecvError},
    },
    time::{Duration, Instant},
};
use telcon_core::{
    Device,
    view::{CallState, View},
};
use telcon_identity::Office;
use telcon_proto::{
    CallId, DeviceId, Digest,
    entry::Entry,
    message::{Logged, NoticeState},
};

/// Interval at which the note-taker's events are polled.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// Initial backoff of a record that the office did not accept, doubled after each failure up to [`MAX_BACKOFF`].
const MIN_BACKOFF: Duration = Duration::from_secs(1);
const MAX_BACKOFF: Duration = Duration::from_secs(60);

/// Suffix of the directory of a record that is in the archive and being deleted from the spool. It is not a call id, so that
/// a half-deleted record is not mistaken for one that waits for delivery.
const DELIVERED: &str = "kept";

/// Delivers the records of a spool.
pub struct RecordUploader {
    /// The note-taker's endpoint.
    pub endpoint: Endpoint,
    events: Receiver<NoteEvent>,
    server: String,
    config: Arc<NoteConfig>,
    device: Arc<Device>,
    /// Calls with unfinished records, which may still continue.
    unfinished: Vec<CallId>,
    queue: VecDeque<Delivery>,
    /// The delivery in progress: it goes on when nobody waits for it any more.
    in_progress: Option<tokio::task::JoinHandle<(Result<u64, ClientError>, Delivery)>>,
}

/// A sealed record that waits for delivery.
struct Delivery {
    call: CallId,
    dir: PathBuf,
    transcript: Vec<TranscriptLine>,
    next_attempt: Instant,
    backoff: Duration,
}

/// A record that reached the archive.
pub struct DeliveredRecord {
    /// The call.
    pub call: CallId,
    /// The record's directory below the archive's `records`.
    pub record: String,
    /// Index of its log entry.
    pub log_index: u64,
    /// The transcript.
    pub transcript: Vec<TranscriptLine>,
}

impl Delivery {
    fn new(call: CallId, dir: PathBuf, transcript: Vec<TranscriptLine>) -> Self {
        Self { call, dir, transcript, next_attempt: Instant::now(), backoff: MIN_BACKOFF }
    }

    /// Uploads the record and deletes it from the spool; returns the index of its log entry. Blocks.
    ///
    /// # Errors
    /// When the record cannot be uploaded, or the server does not prove that it is in the log: it stays in the spool.
    fn attempt(&self, server: &str, token: &str, office: &Office, me: DeviceId) -> Result<u64, ClientError> {
        let digest = telcon_record::seal::load(&self.dir)?.record_digest;
        let kept = upload(server, token, self.call, &self.dir)?;
        // This is the only copy outside of the server, so it is not deleted on the server's word. With this proof the log names
        // the record, and its loss would be noticed.
        check_logged(office, &kept.logged, self.call, me, digest)?;
        let delivered = self.dir.with_extension(DELIVERED);
        std::fs::rename(&self.dir, &delivered).map_err(ClientError::file(&self.dir))?;
        if let Err(error) = std::fs::remove_dir_all(&delivered) {
            tracing::warn!(call = %self.call, %error, "cannot delete {}: the archive has it; delete it by hand", delivered.display());
        }
        Ok(kept.logged.index)
    }
}

/// Checks that a log entry is that of this record.
fn check_logged(
    office: &Office,
    logged: &Logged,
    call: CallId,
    me: DeviceId,
    digest: Digest,
) -> Result<(), ClientError> {
    let proven = office.verify_logged(logged).map_err(|error| ClientError::NotLogged(error.to_string()))?;
    let entry = proven.entry().filter(|entry| entry.call() == Some(call)).and_then(Entry::archived_record);
    match entry {
        Some(record) if record.record_digest == digest && record.device.is_none_or(|device| device == me) => Ok(()),
        _ => Err(ClientError::NotLogged("the entry is not of this record".into())),
    }
}

/// Deletes records from the spool that are in the archive.
pub fn delete_delivered(spool: &Path) {
    for entry in std::fs::read_dir(spool).into_iter().flatten().flatten() {
        if entry.path().extension().is_some_and(|suffix| suffix == DELIVERED) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

impl RecordUploader {
    /// An uploader for the note-taker at this endpoint, with the same configuration. `device` is the note-taker's device, which signs unfinished records;
    /// `unfinished` are the calls whose records an earlier run left in the spool.
    pub fn new(
        endpoint: Endpoint,
        events: Receiver<NoteEvent>,
        server: String,
        config: NoteConfig,
        device: Device,
        unfinished: Vec<CallId>,
    ) -> Self {
        let (config, device) = (Arc::new(config), Arc::new(device));
        Self { endpoint, events, server, config, device, unfinished, queue: VecDeque::new(), in_progress: None }
    }

    /// Whether every record of the spool has been delivered, and no call is being recorded.
    fn is_idle(&self) -> bool {
        let in_call = self.endpoint.view().borrow().call.as_ref().is_some_and(|call| call.state != CallState::Ended);
        !in_call
            && self.queue.is_empty()
            && self.in_progress.is_none()
            && super::unfinished_records(&self.config.spool).is_empty()
    }

    /// Waits until the next record is delivered. Records that the office does not accept stay in the spool and are retried
    /// with backoff.
    ///
    /// # Errors
    /// A problem of the note-taker, with what to do about it. Call again to continue.
    ///
    /// Cancel safe while no unfinished record is being sealed: that is repeated after a restart.
    pub async fn next(&mut self) -> Result<DeliveredRecord, ClientError> {
        loop {
            if let Some(delivered) = self.step().await? {
                return Ok(delivered);
            }
        }
    }

    /// As [`RecordUploader::next`], but ends when there is nothing more to deliver.
    ///
    /// # Errors
    /// A problem of the note-taker, with what to do about it. Call again to continue.
    pub async fn next_or_idle(&mut self) -> Result<Option<DeliveredRecord>, ClientError> {
        while !self.is_idle() {
            if let Some(delivered) = self.step().await? {
                return Ok(Some(delivered));
            }
        }
        Ok(None)
    }

    async fn step(&mut self) -> Result<Option<DeliveredRecord>, ClientError> {
        match self.events.try_recv() {
            Ok(NoteEvent::Problem(problem)) => return Err(ClientError::NoteTaker(problem)),
            Ok(NoteEvent::Sealed { call, dir, transcript }) => {
                tracing::info!(%call, "record sealed; waiting for delivery to the archive");
                self.enqueue(call, dir, transcript);
            }
            Ok(NoteEvent::Unfinished(call)) => self.unfinished.push(call),
            Err(TryRecvError::Empty) => {
                self.seal_unfinished().await;
                if let Some(delivered) = self.attempt_due().await? {
                    return Ok(Some(delivered));
                }
                tokio::time::sleep(POLL_INTERVAL).await;
            }
            Err(TryRecvError::Disconnected) => return Err(ClientError::EndpointEnded),
        }
        Ok(None)
    }

    /// Queues a record. Idempotent: a record may be found at the end of its call and again in the spool.
    fn enqueue(&mut self, call: CallId, dir: PathBuf, transcript: Vec<TranscriptLine>) {
        match self.queue.iter_mut().find(|queued| queued.call == call) {
            Some(queued) if queued.transcript.is_empty() => queued.transcript = transcript,
            Some(_) => {}
            None => self.queue.push_back(Delivery::new(call, dir, transcript)),
        }
    }

    /// Seals the unfinished records of calls that are over. Those of calls that continue are resumed by rejoining.
    async fn seal_unfinished(&mut self) {
        if self.unfinished.is_empty() {
            return;
        }
        let view = self.endpoint.view().borrow().clone();
        if !view.caught_up {
            return;
        }
        let (over, continuing) = partition_unfinished(std::mem::take(&mut self.unfinished), &view);
        self.unfinished = continuing;
        for call in over {
            let (config, device) = (Arc::clone(&self.config), Arc::clone(&self.device));
            // Transcribing what is left takes seconds.
            let sealed = tokio::task::spawn_blocking(move || super::seal_unfinished(&config, &device, call, now_ms()));
            match sealed.await.expect("invariant: sealing does not panic") {
                Ok(true) => self.enqueue(call, self.config.spool.join(call.to_hex()), Vec::new()),
                Ok(false) => {}
                // Left for an operator, so that it does not block other records.
                Err(error) => {
                    tracing::error!(%call, %error, "an unfinished record in the spool cannot be sealed; inspect it there");
                }
            }
        }
    }

    /// Attempts the next delivery that is due, if there is a connection.
    async fn attempt_due(&mut self) -> Result<Option<DeliveredRecord>, ClientError> {
        if self.in_progress.is_none() {
            let Some(token) = self.endpoint.view().borrow().token.clone() else { return Ok(None) };
            let Some(due) = self.queue.iter().position(|queued| queued.next_attempt <= Instant::now()) else {
                return Ok(None);
            };
            let delivery = self.queue.remove(due).expect("invariant: it was just found");
            let server = self.server.clone();
            let (office, me) = (self.device.office().clone(), self.device.me().device());
            let attempt = move || (delivery.attempt(&server, &token, &office, me), delivery);
            self.in_progress = Some(tokio::task::spawn_blocking(attempt));
        }
        let Some(in_progress) = &mut self.in_progress else { return Ok(None) };
        let (outcome, mut delivery) = in_progress.await.expect("invariant: a delivery does not panic");
        self.in_progress = None;
        match outcome {
            Ok(log_index) => {
                let Delivery { call, transcript, .. } = delivery;
                let record = format!("{call}-{}", self.device.me().device());
                Ok(Some(DeliveredRecord { call, record, log_index, transcript }))
            }
            Err(error) => {
                tracing::warn!(
                    call = %delivery.call, retry_s = delivery.backoff.as_secs(),
                    "the archive did not accept a record; it stays in the spool and is retried: {error}"
                );
                delivery.next_attempt = Instant::now() + delivery.backoff;
                delivery.backoff = (delivery.backoff * 2).min(MAX_BACKOFF);
                self.queue.push_back(delivery);
                Ok(None)
            }
        }
    }
}

/// Splits calls with unfinished records into those that are over and those that continue. The call that this device is in
/// is in neither: its record is being resumed.
fn partition_unfinished(unfinished: Vec<CallId>, view: &View) -> (Vec<CallId>, Vec<CallId>) {
    let current = view.call.as_ref().filter(|call| call.state != CallState::Ended).map(|call| call.call);
    let is_over = |call: &CallId| {
        let notice = view.notices.iter().find(|notice| notice.call == *call);
        notice.is_none_or(|notice| matches!(notice.state, NoticeState::Ended { .. }))
    };
    unfinished.into_iter().filter(|call| Some(*call) != current).partition(is_over)
}

#[cfg(test)]
mod tests {
    use super::*;
    use telcon_identity::Authority;
    use telcon_log::{Log, LogSigner, MemoryStorage};
    use telcon_proto::{Blob, RecordMode, SuiteName};

    const NOW: u64 = 1_780_272_000_000;
    const CALL: CallId = CallId::from_bytes([7; 16]);
    const ME: DeviceId = DeviceId::from_bytes([3; 16]);
    const DIGEST: Digest = Digest::from_bytes([5; 32]);

    /// An office, and the proof that its log has this record's entry. `seed` makes another log.
    fn logged(seed: u8) -> (Office, Logged) {
        let authority = Authority::create(SuiteName::Hybrid, &[1; 32], "office.example", "Chancellery", NOW).unwrap();
        let signer = LogSigner::from_seed(&[seed; 32], "office.example/log").unwrap();
        let info = authority.office(&signer.verifier_key().to_string(), RecordMode::Memo, NOW).unwrap();
        let office = Office::pin(&info, None).unwrap();
        let entry = Entry::RecordArchived {
            time_ms: NOW,
            call: CALL,
            device: ME,
            record_digest: DIGEST,
            jws_sha256: DIGEST,
            parts: 1,
            partial: false,
        };
        let mut log = Log::create(MemoryStorage::new(), signer, NOW).unwrap();
        log.append(&[entry.to_bytes()], NOW).unwrap();
        // The only entry of its tree needs no hashes.
        let checkpoint = log.checkpoint().note().to_owned();
        let entry = Blob(entry.to_bytes());
        let logged = Logged { entry, index: 0, proof: Vec::new(), checkpoint, office: Some(office.domain().clone()) };
        (office, logged)
    }

    #[test]
    fn a_record_counts_as_delivered_only_with_proof_that_the_log_has_this_very_record() {
        let (office, proof) = logged(1);
        assert!(check_logged(&office, &proof, CALL, ME, DIGEST).is_ok());
        let other = DeviceId::from_bytes([4; 16]);
        assert!(check_logged(&office, &proof, CallId::from_bytes([8; 16]), ME, DIGEST).is_err());
        assert!(check_logged(&office, &proof, CALL, other, DIGEST).is_err());
        assert!(check_logged(&office, &proof, CALL, ME, Digest::from_bytes([6; 32])).is_err());
        let (_, of_another_log) = logged(2);
        assert!(check_logged(&office, &of_another_log, CALL, ME, DIGEST).is_err(), "a checkpoint of another key");
        let forged = Logged { entry: Blob(b"{}".to_vec()), ..proof };
        assert!(check_logged(&office, &forged, CALL, ME, DIGEST).is_err(), "an entry that is not in the tree");
    }
}
