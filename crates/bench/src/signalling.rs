//! Talking to a contestant about who joins, in a thread of its own: it waits for answers, which the thread that sends
//! and receives media must not.

use anyhow::{Context, Result};
use nix::sys::eventfd::{EfdFlags, EventFd};
use std::{
    os::fd::{AsFd, BorrowedFd},
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    thread::JoinHandle,
};

/// How one contestant is told of parties. Calls block.
pub trait Signalling: Send {
    /// Hands over a party's offer, and gives the answer.
    ///
    /// # Errors
    /// When it refuses.
    fn publish(&mut self, call: u32, party: u32, offer: String) -> Result<String>;

    /// Asks for what the others of a call say, and gives the contestant's offer.
    ///
    /// # Errors
    /// When it refuses.
    fn subscribe(&mut self, call: u32, party: u32) -> Result<String>;

    /// Hands over the answer to that offer.
    ///
    /// # Errors
    /// When it refuses.
    fn start(&mut self, call: u32, party: u32, answer: String) -> Result<()>;
}

/// What is to be done.
pub enum Job {
    /// See [`Signalling::publish`].
    Publish { call: u32, party: u32, offer: String },
    /// See [`Signalling::subscribe`].
    Subscribe { call: u32, party: u32 },
    /// See [`Signalling::start`].
    Start { call: u32, party: u32, answer: String },
}

/// What became of it.
pub enum Outcome {
    /// Of [`Job::Publish`].
    Answer { party: u32, answer: String },
    /// Of [`Job::Subscribe`].
    Offer { party: u32, offer: String },
    /// Of [`Job::Start`].
    Started,
    /// Of any.
    Failed(anyhow::Error),
}

/// See the module.
pub struct Switchboard {
    jobs: Option<Sender<Job>>,
    outcomes: Mutex<Receiver<Outcome>>,
    bell: Arc<EventFd>,
    thread: Option<JoinHandle<()>>,
}

impl Switchboard {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system lacks something.
    pub fn start(mut contestant: Box<dyn Signalling>) -> Result<Self> {
        let flags = EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC;
        let bell = Arc::new(EventFd::from_value_and_flags(0, flags).context("no event descriptor")?);
        let (jobs, to_do) = channel();
        let (done, outcomes) = channel();
        let ring = Arc::clone(&bell);
        let thread = std::thread::Builder::new().name("signalling".into()).spawn(move || {
            while let Ok(job) = to_do.recv() {
                let outcome = perform(contestant.as_mut(), job).unwrap_or_else(Outcome::Failed);
                if done.send(outcome).is_err() || ring.write(1).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { jobs: Some(jobs), outcomes: Mutex::new(outcomes), bell, thread: Some(thread) })
    }

    /// Becomes readable when there is something to hear.
    pub fn bell(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }

    /// Has something done.
    ///
    /// # Errors
    /// When the thread is gone.
    pub fn ask(&self, job: Job) -> Result<()> {
        let jobs = self.jobs.as_ref().context("the signalling has stopped")?;
        jobs.send(job).ok().context("the signalling has stopped")
    }

    /// The next outcome, if there is one.
    pub fn hear(&self) -> Option<Outcome> {
        // Before looking, so that whatever comes after rings again. An empty bell is no error.
        let _ = self.bell.read();
        self.outcomes.lock().ok()?.try_recv().ok()
    }
}

impl Drop for Switchboard {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // It was asked to end; how it ended no longer matters.
            let _ = thread.join();
        }
    }
}

fn perform(contestant: &mut dyn Signalling, job: Job) -> Result<Outcome> {
    Ok(match job {
        Job::Publish { call, party, offer } => {
            Outcome::Answer { party, answer: contestant.publish(call, party, offer)? }
        }
        Job::Subscribe { call, party } => Outcome::Offer { party, offer: contestant.subscribe(call, party)? },
        Job::Start { call, party, answer } => {
            contestant.start(call, party, answer)?;
            Outcome::Started
        }
    })
}
