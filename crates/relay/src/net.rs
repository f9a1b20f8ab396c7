//! The I/O driver: worker threads, each with a UDP socket, a TCP listener and an engine, and a handle to control them.
//!
//! A system call and a wake-up each cost more than all other work for a packet. A busy worker therefore collects
//! datagrams for a batch window, reads them with few system calls, and sends what is destined for one device with one.
//! An idle worker sleeps until a datagram arrives. Handling a packet takes no lock and updates no timer.
//!
//! A call is assigned to one worker with all its legs. Each worker has its own port, UDP and TCP, which its SDP answers
//! contain.

mod driver;
mod handle;
mod load;
mod tcp;

pub use handle::{HandleError, RelayHandle, Stopped};

use crate::{api::RelayConfig, limits};
use driver::Worker;
use std::{
    io::{self, ErrorKind},
    net::SocketAddr,
    thread,
};
use tokio::{
    sync::{broadcast, oneshot},
    task::{JoinHandle, JoinSet},
};

/// Events buffered per subscriber. A subscriber that lags further loses the oldest and learns how many.
const EVENT_QUEUE: usize = 1024;

/// Binds a socket per worker and starts the workers. `bind` may be unspecified (`0.0.0.0`); `candidate_addrs` are sent to
/// devices. Candidates with port 0 get the port that was bound. Each further worker binds the next port; there are no
/// more workers than consecutive ports are free. Returns the handle, and a task that completes when the last handle is
/// dropped. It completes with an error as soon as one worker fails: the calls of that worker have no media, and the caller
/// should stop the relay.
///
/// # Errors
/// When the first socket cannot be bound, or no candidate address is usable.
pub async fn start(bind: SocketAddr, config: RelayConfig) -> io::Result<(RelayHandle, JoinHandle<io::Result<()>>)> {
    let (events, _) = broadcast::channel(EVENT_QUEUE);
    let (mut handles, mut results) = (Vec::new(), Vec::new());
    for number in 0..config.workers.clamp(1, limits::MAX_WORKERS) {
        let (worker, handle) = match Worker::new(bind, &config, number, events.clone()) {
            Ok(created) => created,
            // Taken by another process, or beyond the last port.
            Err(error) if number > 0 && matches!(error.kind(), ErrorKind::AddrInUse | ErrorKind::AddrNotAvailable) => {
                break;
            }
            Err(error) => return Err(error),
        };
        let (done, result) = oneshot::channel();
        thread::Builder::new().name(format!("telcon-relay-{number}")).spawn(move || done.send(worker.run()))?;
        handles.push(handle);
        results.push(result);
    }
    let task = tokio::spawn(first_failure(results));
    Ok((RelayHandle::new(handles, config.max_calls, events), task))
}

/// Completes when all workers have ended, or with the first worker's error.
async fn first_failure(results: Vec<oneshot::Receiver<io::Result<()>>>) -> io::Result<()> {
    let mut running = JoinSet::new();
    for (number, result) in results.into_iter().enumerate() {
        running.spawn(async move {
            let ended = result.await.unwrap_or_else(|_| Err(io::Error::other("it panicked")));
            ended.map_err(|error| io::Error::new(error.kind(), format!("relay worker {number}: {error}")))
        });
    }
    while let Some(ended) = running.join_next().await {
        ended.map_err(io::Error::other)??;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_failure_of_any_worker_is_reported_while_the_others_run() {
        let (_first, still_running) = oneshot::channel();
        let (second, failed) = oneshot::channel();
        second.send(Err(ErrorKind::OutOfMemory.into())).unwrap();
        let error = first_failure(vec![still_running, failed]).await.unwrap_err();
        assert!(error.kind() == ErrorKind::OutOfMemory && error.to_string().contains("worker 1"), "{error}");

        let (_first, still_running) = oneshot::channel();
        let (second, panicked) = oneshot::channel();
        drop(second);
        let error = first_failure(vec![still_running, panicked]).await.unwrap_err();
        assert!(error.to_string().contains("worker 1: it panicked"), "{error}");
    }

    #[tokio::test]
    async fn workers_that_were_stopped_are_no_failure() {
        let (stopped, result) = oneshot::channel();
        stopped.send(Ok(())).unwrap();
        first_failure(vec![result]).await.unwrap();
    }
}
