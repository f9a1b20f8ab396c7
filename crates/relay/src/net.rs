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
    task::JoinHandle,
};

/// Events buffered per subscriber. A subscriber that lags further loses the oldest and learns how many.
const EVENT_QUEUE: usize = 1024;

/// Binds a socket per worker and starts the workers. `bind` may be unspecified (`0.0.0.0`); `candidate_addrs` are sent to
/// devices. Candidates with port 0 get the port that was bound. Each further worker binds the next port; there are no
/// more workers than consecutive ports are free. Returns the handle, and a task that completes when the last handle is
/// dropped.
///
/// # Errors
/// When the first socket cannot be bound, or no candidate address is usable.
pub async fn start(bind: SocketAddr, config: RelayConfig) -> io::Result<(RelayHandle, JoinHandle<io::Result<()>>)> {
    let (events, _) = broadcast::channel(EVENT_QUEUE);
    let (mut handles, mut results) = (Vec::new(), Vec::new());
    for number in 0..config.workers.clamp(1, limits::MAX_WORKERS) {
        let (worker, handle) = match Worker::new(bind, &config, number, events.clone()) {
            Ok(created) => created,
            Err(error) if number > 0 && error.kind() == ErrorKind::AddrInUse => break,
            Err(error) => return Err(error),
        };
        let (done, result) = oneshot::channel();
        thread::Builder::new().name(format!("telcon-relay-{number}")).spawn(move || done.send(worker.run()))?;
        handles.push(handle);
        results.push(result);
    }
    let task = tokio::spawn(async move {
        for result in results {
            result.await.map_err(|_| io::Error::other("a relay worker has ended unexpectedly"))??;
        }
        Ok(())
    });
    Ok((RelayHandle::new(handles, config.max_calls, events), task))
}
