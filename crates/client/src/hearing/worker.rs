//! The thread that the recogniser runs on, and the queue before it.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;

use super::recogniser::{Effort, HearingError, Phrase, Recogniser};
use super::speaker::Passage;

/// A passage of one speaker.
pub(super) struct Job {
    pub(super) speaker: u32,
    pub(super) passage: Passage,
}

/// What became of a job.
pub(super) struct Done {
    pub(super) speaker: u32,
    pub(super) passage: Passage,
    pub(super) result: Result<Vec<Phrase>, HearingError>,
}

/// Runs one recogniser, passage by passage. Final passages come first and are never left out; of the provisional
/// ones only each speaker's newest waits, so that captions are late at most by the pass that is running.
pub(super) struct Worker {
    shared: Arc<Shared>,
    done: Receiver<Done>,
    thread: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
}

#[derive(Default)]
struct Queue {
    finals: VecDeque<Job>,
    provisional: VecDeque<Job>,
    closed: bool,
}

impl Worker {
    pub(super) fn start(recogniser: Box<dyn Recogniser + Send>) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (sender, done) = channel();
        let theirs = Arc::clone(&shared);
        let thread =
            std::thread::Builder::new().name("scribe".into()).spawn(move || work(&theirs, recogniser, &sender))?;
        Ok(Self { shared, done, thread })
    }

    pub(super) fn submit(&self, job: Job) {
        let mut queue = self.shared.lock();
        // What is newer of the same speaker takes the place of what still waits.
        queue.provisional.retain(|waiting| waiting.speaker != job.speaker);
        if job.passage.is_final {
            queue.finals.push_back(job);
        } else {
            queue.provisional.push_back(job);
        }
        drop(queue);
        self.shared.wake.notify_one();
    }

    /// What is done by now.
    pub(super) fn done(&self) -> impl Iterator<Item = Done> + '_ {
        self.done.try_iter()
    }

    /// Waits until all final passages are heard. Gives what is done, and whether the thread ended as it should.
    pub(super) fn finish(self) -> (Vec<Done>, bool) {
        {
            let mut queue = self.shared.lock();
            queue.closed = true;
            queue.provisional.clear();
        }
        self.shared.wake.notify_one();
        let done = self.done.iter().collect();
        (done, self.thread.join().is_ok())
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // The queue is whole whoever panicked: nothing is done with it between two states.
        self.queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn next(&self) -> Option<Job> {
        let mut queue = self.lock();
        loop {
            let job = queue.finals.pop_front().or_else(|| queue.provisional.pop_front());
            if job.is_some() || queue.closed {
                return job;
            }
            queue = self.wake.wait(queue).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
    }
}

fn work(shared: &Shared, mut recogniser: Box<dyn Recogniser + Send>, done: &Sender<Done>) {
    while let Some(Job { speaker, passage }) = shared.next() {
        let effort = if passage.is_final { Effort::Best } else { Effort::Quick };
        let result = recogniser.transcribe(&passage.sound, effort);
        if done.send(Done { speaker, passage, result }).is_err() {
            // The scribe was dropped: nobody waits for the rest.
            return;
        }
    }
}
