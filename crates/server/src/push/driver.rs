//! The task that drives the engine: takes commands of the switchboard, sends, and tells it what became of it.

pub use super::queue::Event;
use super::{
    delivery::Client,
    queue::{Outcome, Queue},
};
use crate::{archive::now_ms, limits::PUSH_COMMANDS, switchboard::PushCommand};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use telcon_proto::DeviceId;
use tokio::{sync::mpsc, task::JoinSet};

/// The switchboard's end.
#[derive(Clone)]
pub struct Commands(mpsc::Sender<PushCommand>);

impl Commands {
    /// Queues a command without waiting: neither calls nor alerts wait for push services.
    pub fn send(&self, command: PushCommand) {
        if let Err(mpsc::error::TrySendError::Full(_)) = self.0.try_send(command) {
            tracing::warn!(
                "too many push messages at once: one is sent only after a restart; the alert is in the list"
            );
        }
    }
}

/// The channel between [`Commands`] and [`run`].
pub fn channel() -> (Commands, mpsc::Receiver<PushCommand>) {
    let (commands, receiver) = mpsc::channel(PUSH_COMMANDS);
    (Commands(commands), receiver)
}

/// Sends what is commanded until the other end is gone. Without a client nothing is sent, and commands are dropped.
pub async fn run<F: Future<Output = ()>>(
    client: Option<Arc<Client>>,
    mut commands: mpsc::Receiver<PushCommand>,
    report: impl Fn(Event) -> F,
) {
    let Some(client) = client else {
        while commands.recv().await.is_some() {}
        return;
    };
    let (started, started_ms) = (Instant::now(), now_ms());
    let now = || started_ms + started.elapsed().as_millis() as u64;
    let mut queue = Queue::default();
    let mut under_way: JoinSet<(DeviceId, u64, Outcome)> = JoinSet::new();
    loop {
        while let Some(attempt) = queue.next(now()) {
            let client = client.clone();
            // VAPID is about the wall clock, whatever it was set to.
            under_way.spawn(async move {
                let outcome = client.deliver(&attempt, now_ms()).await;
                (attempt.push.to.device, attempt.id, outcome)
            });
        }
        for event in queue.take_events() {
            report(event).await;
        }
        let wait = queue.next_timeout().map(|at| Duration::from_millis(at.saturating_sub(now())));
        tokio::select! {
            command = commands.recv() => match command {
                Some(command) => queue.command(command),
                None => return,
            },
            Some(Ok((device, id, outcome))) = under_way.join_next() => queue.done(device, id, outcome, now()),
            () = tokio::time::sleep(wait.unwrap_or_default()), if wait.is_some() => {}
        }
    }
}
