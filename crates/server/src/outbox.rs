//! Send queue of a connection, limited in messages and in bytes: one that does not read costs the server no more than this.

use crate::{
    limits::{MAX_OUTBOX_BYTES, OUTBOX_MESSAGES},
    switchboard::CloseReason,
};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use tokio::sync::mpsc;

/// An instruction to a connection.
#[derive(Debug)]
pub enum Outgoing {
    /// Send this text.
    Text(String),
    /// Close.
    Close(CloseReason),
}

impl Outgoing {
    fn bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Close(_) => 0,
        }
    }
}

/// Why nothing more can be queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotQueued {
    /// The queue is full: the connection is a slow consumer.
    Full,
    /// The connection has ended.
    Closed,
}

/// The end that queues.
pub struct Outbox {
    sender: mpsc::Sender<Outgoing>,
    bytes: Arc<AtomicUsize>,
    /// What ends with it.
    _held: Option<Box<dyn Send>>,
}

/// The end that sends.
pub struct OutboxReader {
    receiver: mpsc::Receiver<Outgoing>,
    bytes: Arc<AtomicUsize>,
}

/// A new queue.
pub fn outbox() -> (Outbox, OutboxReader) {
    let (sender, receiver) = mpsc::channel(OUTBOX_MESSAGES);
    let bytes = Arc::new(AtomicUsize::new(0));
    (Outbox { sender, bytes: bytes.clone(), _held: None }, OutboxReader { receiver, bytes })
}

impl Outbox {
    /// The same, with something that ends when the switchboard forgets the connection: its peer may take a while to notice.
    #[must_use]
    pub fn holding(self, held: impl Send + 'static) -> Self {
        Self { _held: Some(Box::new(held)), ..self }
    }

    /// Queues without waiting.
    ///
    /// # Errors
    /// [`NotQueued`].
    pub fn try_send(&self, outgoing: Outgoing) -> Result<(), NotQueued> {
        let bytes = outgoing.bytes();
        // Only the switchboard's thread adds, so the sum cannot grow between check and addition.
        if self.bytes.load(Ordering::Relaxed) + bytes > MAX_OUTBOX_BYTES {
            return Err(NotQueued::Full);
        }
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.sender.try_send(outgoing).map_err(|error| {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
            match error {
                mpsc::error::TrySendError::Full(_) => NotQueued::Full,
                mpsc::error::TrySendError::Closed(_) => NotQueued::Closed,
            }
        })
    }
}

impl OutboxReader {
    /// The next message; none once the other end is gone. Cancel safe.
    pub async fn recv(&mut self) -> Option<Outgoing> {
        let outgoing = self.receiver.recv().await?;
        self.bytes.fetch_sub(outgoing.bytes(), Ordering::Relaxed);
        Some(outgoing)
    }

    /// The next message, if there is one: for tests, which have no runtime.
    ///
    /// # Errors
    /// As of the channel.
    #[cfg(test)]
    pub fn try_recv(&mut self) -> Result<Outgoing, mpsc::error::TryRecvError> {
        let outgoing = self.receiver.try_recv()?;
        self.bytes.fetch_sub(outgoing.bytes(), Ordering::Relaxed);
        Ok(outgoing)
    }

    /// Whether nothing is queued.
    pub fn is_empty(&self) -> bool {
        self.receiver.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The attacker does not read, so that its connection closes late, and goes on with its token.
    #[test]
    fn what_is_held_ends_when_the_switchboard_forgets_the_connection() {
        let token = Arc::new(());
        let (outbox, _reader) = outbox();
        let outbox = outbox.holding(token.clone());
        assert_eq!(Arc::strong_count(&token), 2);
        drop(outbox);
        assert_eq!(Arc::strong_count(&token), 1);
    }

    #[test]
    fn a_queue_is_full_at_its_limit_of_bytes_or_messages_and_free_again_when_it_is_read() {
        let (outbox, mut reader) = outbox();
        let large = || Outgoing::Text("x".repeat(MAX_OUTBOX_BYTES / 4));
        for _ in 0..4 {
            assert_eq!(outbox.try_send(large()), Ok(()));
        }
        assert_eq!(outbox.try_send(large()), Err(NotQueued::Full));
        assert_eq!(outbox.try_send(Outgoing::Close(CloseReason::Replaced)), Ok(()), "it can be closed");
        assert!(matches!(reader.try_recv(), Ok(Outgoing::Text(_))));
        assert_eq!(outbox.try_send(large()), Ok(()));
        while reader.try_recv().is_ok() {}
        assert_eq!(outbox.bytes.load(Ordering::Relaxed), 0);
        let small = (0..OUTBOX_MESSAGES + 9).filter(|_| outbox.try_send(Outgoing::Text("x".into())).is_ok()).count();
        assert_eq!((small, outbox.bytes.load(Ordering::Relaxed)), (OUTBOX_MESSAGES, OUTBOX_MESSAGES));
        drop(reader);
        assert_eq!(outbox.try_send(large()), Err(NotQueued::Closed));
    }
}
