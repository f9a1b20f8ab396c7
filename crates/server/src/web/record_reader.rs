//! Reads of calls and records for HTTP requests: a database connection of their own, so that a long list never delays a sign-in,
//! and limits on how many requests wait for it.

use super::error::{HttpError, blocking};
use crate::store::Queries;
use axum::http::StatusCode;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};
use telcon_proto::DeviceId;
use tokio::sync::Semaphore;

/// Reads of one device that run or wait. The page shows a list and a record, and downloads one part after the other.
const MAX_READS_PER_DEVICE: usize = 4;
/// Reads that run or wait. Each costs a millisecond or so, and one runs at a time.
const MAX_READS: usize = 256;

/// Serves one read at a time, in the order of the requests.
pub struct RecordReader {
    queries: Arc<dyn Queries>,
    turn: Arc<Semaphore>,
    reads: Arc<Mutex<Reads>>,
}

#[derive(Default)]
struct Reads {
    total: usize,
    by_device: HashMap<DeviceId, usize>,
}

/// A read that runs or waits; its place is free again on drop.
struct Place {
    reads: Arc<Mutex<Reads>>,
    device: DeviceId,
}

impl RecordReader {
    /// Reads over this connection, which nothing else may use.
    pub fn new(queries: Box<dyn Queries>) -> Self {
        Self { queries: queries.into(), turn: Arc::new(Semaphore::new(1)), reads: Arc::default() }
    }

    /// Runs a read for a device when it is its turn.
    ///
    /// # Errors
    /// 429 if the device has too many reads in progress, 503 if all devices together have; else those of `read`.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        device: DeviceId,
        read: impl FnOnce(&dyn Queries) -> Result<T, HttpError> + Send + 'static,
    ) -> Result<T, HttpError> {
        let place = self.place(device)?;
        let turn = self.turn.clone().acquire_owned().await.map_err(|_| HttpError::unavailable())?;
        let queries = self.queries.clone();
        blocking(move || {
            // Held until the read is done, also if its client has gone away.
            let _held = (turn, place);
            read(&*queries)
        })
        .await
    }

    fn place(&self, device: DeviceId) -> Result<Place, HttpError> {
        let mut reads = self.reads.lock().unwrap_or_else(PoisonError::into_inner);
        if reads.total >= MAX_READS {
            return Err(HttpError::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "too many lists are being read: try again soon",
            ));
        }
        let of_device = reads.by_device.entry(device).or_default();
        if *of_device >= MAX_READS_PER_DEVICE {
            let text = "this device has too many requests in progress: wait for their answers";
            return Err(HttpError::new(StatusCode::TOO_MANY_REQUESTS, text));
        }
        *of_device += 1;
        reads.total += 1;
        Ok(Place { reads: self.reads.clone(), device })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut reads = self.reads.lock().unwrap_or_else(PoisonError::into_inner);
        reads.total -= 1;
        if let Some(of_device) = reads.by_device.get_mut(&self.device) {
            *of_device -= 1;
            if *of_device == 0 {
                reads.by_device.remove(&self.device);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::TestStore;
    use std::{
        future::Future as _,
        sync::mpsc,
        task::{Context, Waker},
    };
    use tokio::task::JoinSet;

    fn device(n: u8) -> DeviceId {
        DeviceId::from_bytes([n; 16])
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn reads_wait_for_their_turn_and_one_device_cannot_occupy_it() {
        let disk = TestStore::sqlite();
        drop(disk.writer());
        let reader = Arc::new(RecordReader::new(disk.reader()));
        let (go, wait) = mpsc::channel::<()>();
        let mut running = JoinSet::new();
        let slow = reader.clone();
        running.spawn(async move {
            slow.read(device(1), move |_| {
                let _ = wait.recv();
                Ok(1)
            })
            .await
        });
        while reader.turn.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        // The attacker is a signed-in device that asks again and again, without waiting for answers.
        for _ in 1..MAX_READS_PER_DEVICE {
            let reader = reader.clone();
            running.spawn(async move { reader.read(device(1), |_| Ok(1)).await });
        }
        while reader.reads.lock().unwrap().total < MAX_READS_PER_DEVICE {
            tokio::task::yield_now().await;
        }
        let refused = reader.read(device(1), |_| Ok(1)).await.unwrap_err();
        assert_eq!(refused.0, StatusCode::TOO_MANY_REQUESTS);
        let other = reader.clone();
        let honest = tokio::spawn(async move { other.read(device(2), |_| Ok(2)).await });
        go.send(()).unwrap();
        assert_eq!(honest.await.unwrap().unwrap(), 2);
        while let Some(done) = running.join_next().await {
            assert_eq!(done.unwrap().unwrap(), 1);
        }
        assert_eq!(reader.reads.lock().unwrap().total, 0);
        assert!(reader.reads.lock().unwrap().by_device.is_empty());
    }

    #[tokio::test]
    async fn a_read_whose_client_went_away_frees_its_place() {
        let disk = TestStore::sqlite();
        drop(disk.writer());
        let reader = RecordReader::new(disk.reader());
        let held = reader.turn.clone().acquire_owned().await.unwrap();
        for n in 0..3 * MAX_READS {
            let mut read = Box::pin(reader.read(device((n % 200) as u8), |_| Ok(())));
            assert!(read.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        drop(held);
        reader.read(device(1), |_| Ok(())).await.unwrap();
        assert_eq!(reader.reads.lock().unwrap().total, 0);
    }
}
