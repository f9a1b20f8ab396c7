//! The task that drives the engine: it takes commands from the switchboard, sends messages and reports the results.

pub use super::queue::Event;
use super::{
    delivery::Client,
    queue::{Outcome, Queue},
};
use crate::{archive::now_ms, clock::Clock, switchboard::PushCommand};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use telcon_proto::DeviceId;
use tokio::{sync::mpsc, task::JoinSet};

/// The switchboard's end.
#[derive(Clone)]
pub struct Commands(mpsc::UnboundedSender<PushCommand>);

impl Commands {
    /// Queues a command without waiting: neither calls nor alerts wait for push services. The task takes commands at once and keeps
    /// at most [`crate::limits::MAX_PUSHES_PER_DEVICE`] messages for each device.
    pub fn send(&self, command: PushCommand) {
        // Fails only while the server stops: after the next start the message is stated again.
        let _ = self.0.send(command);
    }
}

/// The channel between [`Commands`] and [`run`].
pub fn channel() -> (Commands, mpsc::UnboundedReceiver<PushCommand>) {
    let (commands, receiver) = mpsc::unbounded_channel();
    (Commands(commands), receiver)
}

/// Sends what is commanded until the other end is gone. Without a client nothing is sent, and commands are dropped.
pub async fn run<F: Future<Output = ()>>(
    client: Option<Arc<Client>>,
    mut commands: mpsc::UnboundedReceiver<PushCommand>,
    report: impl Fn(Event) -> F,
) {
    let Some(client) = client else {
        while commands.recv().await.is_some() {}
        return;
    };
    // As the switchboard's, which says until when a message is of use.
    let mut clock = Clock::new(Instant::now(), now_ms());
    let mut queue = Queue::default();
    let mut under_way: JoinSet<(DeviceId, u64, Outcome)> = JoinSet::new();
    loop {
        if clock.follow(Instant::now(), now_ms()).is_some() {
            queue.clock_set();
        }
        let now = || clock.at(Instant::now());
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
