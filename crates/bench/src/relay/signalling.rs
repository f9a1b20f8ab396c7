//! Blocking signalling with a server under test, in its own thread, so that the media thread never blocks.

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

/// The signalling of a server. Calls block.
pub trait Signalling: Send {
    /// Sends a party's offer and returns the answer.
    ///
    /// # Errors
    /// When the server refuses.
    fn publish(&mut self, call: u32, party: u32, offer: String) -> Result<String>;

    /// Subscribes to the other parties of a call and returns the server's offer.
    ///
    /// # Errors
    /// When the server refuses.
    fn subscribe(&mut self, call: u32, party: u32) -> Result<String>;

    /// Sends the answer to that offer.
    ///
    /// # Errors
    /// When the server refuses.
    fn start(&mut self, call: u32, party: u32, answer: String) -> Result<()>;
}

/// A request to the signalling thread.
pub enum Job {
    /// See [`Signalling::publish`].
    Publish { call: u32, party: u32, offer: String },
    /// See [`Signalling::subscribe`].
    Subscribe { call: u32, party: u32 },
    /// See [`Signalling::start`].
    Start { call: u32, party: u32, answer: String },
}

/// The result of a [`Job`].
pub enum Outcome {
    /// Of [`Job::Publish`].
    Answer { party: u32, answer: String },
    /// Of [`Job::Subscribe`].
    Offer { party: u32, offer: String },
    /// Of [`Job::Start`].
    Started,
    /// Of any job.
    Failed(anyhow::Error),
}

/// See the module.
pub struct SignallingThread {
    jobs: Option<Sender<Job>>,
    outcomes: Mutex<Receiver<Outcome>>,
    ready_fd: Arc<EventFd>,
    thread: Option<JoinHandle<()>>,
}

impl SignallingThread {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system refuses a resource.
    pub fn start(mut server: Box<dyn Signalling>) -> Result<Self> {
        let flags = EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC;
        let ready_fd = Arc::new(EventFd::from_value_and_flags(0, flags).context("no event descriptor")?);
        let (jobs, to_do) = channel();
        let (done, outcomes) = channel();
        let notify = Arc::clone(&ready_fd);
        let thread = std::thread::Builder::new().name("signalling".into()).spawn(move || {
            while let Ok(job) = to_do.recv() {
                let outcome = perform(server.as_mut(), job).unwrap_or_else(Outcome::Failed);
                if done.send(outcome).is_err() || notify.write(1).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { jobs: Some(jobs), outcomes: Mutex::new(outcomes), ready_fd, thread: Some(thread) })
    }

    /// A descriptor that becomes readable when an outcome is available.
    pub fn ready_fd(&self) -> BorrowedFd<'_> {
        self.ready_fd.as_fd()
    }

    /// Submits a job.
    ///
    /// # Errors
    /// When the thread has ended.
    pub fn submit(&self, job: Job) -> Result<()> {
        let jobs = self.jobs.as_ref().context("the signalling has stopped")?;
        jobs.send(job).ok().context("the signalling has stopped")
    }

    /// The next outcome, if one is available.
    pub fn next(&self) -> Option<Outcome> {
        // Cleared before receiving, so that a later outcome makes it readable again. Fails if it is not readable.
        let _ = self.ready_fd.read();
        self.outcomes.lock().ok()?.try_recv().ok()
    }
}

impl Drop for SignallingThread {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been reported as a failed job.
            let _ = thread.join();
        }
    }
}

fn perform(server: &mut dyn Signalling, job: Job) -> Result<Outcome> {
    Ok(match job {
        Job::Publish { call, party, offer } => Outcome::Answer { party, answer: server.publish(call, party, offer)? },
        Job::Subscribe { call, party } => Outcome::Offer { party, offer: server.subscribe(call, party)? },
        Job::Start { call, party, answer } => {
            server.start(call, party, answer)?;
            Outcome::Started
        }
    })
}
