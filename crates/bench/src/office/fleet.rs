//! The fleet: all devices with their tasks, and which of them are online and in a call.

use super::{
    device::{self, Device, Event, Shared},
    protocol::Incoming,
};
use crate::cancellation::Cancellation;
use anyhow::{Context, Result, bail, ensure};
use std::{
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};
use tokio::{
    sync::mpsc,
    task::{JoinHandle, spawn_local},
    time::timeout_at,
};

/// Concurrent sign-ins while the fleet is connected for the first time. Reconnecting after a restart has no such limit.
const CONNECTING: usize = 128;
/// How long events are awaited before cancellation is checked.
const CHECK_INTERVAL: Duration = Duration::from_millis(200);

struct Member {
    device: Rc<Device>,
    commands: mpsc::UnboundedSender<String>,
    online: bool,
    task: JoinHandle<()>,
}

/// See the module.
pub(super) struct Fleet {
    members: Vec<Member>,
    events: mpsc::UnboundedReceiver<(u32, Event)>,
    shared: Rc<Shared>,
    cancellation: Cancellation,
    online: usize,
    /// The last failed sign-in, for the error message of a fleet that does not get online.
    failure: Option<String>,
}

impl Fleet {
    /// A fleet without devices.
    pub(super) fn new(server: SocketAddr, domain: &str, cancellation: Cancellation) -> Self {
        let (sender, events) = mpsc::unbounded_channel();
        let shared = Rc::new(Shared { server, domain: domain.to_owned(), events: sender });
        Self { members: Vec::new(), events, shared, cancellation, online: 0, failure: None }
    }

    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    pub(super) fn online(&self) -> usize {
        self.online
    }

    pub(super) fn device(&self, number: u32) -> &Rc<Device> {
        &self.members[number as usize].device
    }

    pub(super) fn is_online(&self, number: u32) -> bool {
        self.members[number as usize].online
    }

    /// Sends a message from a device. It is lost if the device is offline.
    pub(super) fn send(&self, number: u32, message: String) {
        // Fails only for a task that has panicked, which shows as a device that is offline.
        let _ = self.members[number as usize].commands.send(message);
    }

    /// Marks all devices as offline after a crash of the server, before their tasks have noticed it.
    pub(super) fn mark_offline(&mut self) {
        self.members.iter_mut().for_each(|member| member.online = false);
        self.online = 0;
    }

    /// Connects further devices, a bounded number at a time. Returns when all are signed in.
    ///
    /// # Errors
    /// When one is not signed in within `limit`, or the run is cancelled.
    pub(super) async fn connect(&mut self, devices: Vec<Rc<Device>>, limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        for device in devices {
            while self.members.len() - self.online >= CONNECTING {
                self.progress(deadline).await?;
            }
            let (commands, receiver) = mpsc::unbounded_channel();
            let number = self.members.len() as u32;
            let task = spawn_local(device::run(device.clone(), number, self.shared.clone(), receiver));
            self.members.push(Member { device, commands, online: false, task });
        }
        self.all_online(deadline).await
    }

    /// Waits until all devices are signed in.
    ///
    /// # Errors
    /// When one is not at the deadline, or the run is cancelled.
    pub(super) async fn all_online(&mut self, deadline: Instant) -> Result<()> {
        while self.online < self.members.len() {
            self.progress(deadline).await?;
        }
        Ok(())
    }

    async fn progress(&mut self, deadline: Instant) -> Result<()> {
        self.next(Instant::now() + CHECK_INTERVAL).await?;
        let (online, all) = (self.online, self.members.len());
        let failure = self.failure.as_deref().unwrap_or("no sign-in failed");
        ensure!(Instant::now() < deadline, "{online} of {all} devices are signed in ({failure})");
        Ok(())
    }

    /// The next message of the server to any device, with its arrival time; `None` at the given time. Updates which
    /// devices are online.
    ///
    /// # Errors
    /// When the run is cancelled.
    pub(super) async fn next(&mut self, until: Instant) -> Result<Option<(u32, Incoming, Instant)>> {
        loop {
            self.cancellation.check()?;
            let Ok(event) = timeout_at(until.into(), self.events.recv()).await else { return Ok(None) };
            let (number, event) = event.context("invariant: the fleet holds a sender")?;
            let member = &mut self.members[number as usize];
            match event {
                Event::Online => {
                    self.online += usize::from(!std::mem::replace(&mut member.online, true));
                    return Ok(None);
                }
                Event::Offline => {
                    self.online -= usize::from(std::mem::replace(&mut member.online, false));
                    return Ok(None);
                }
                Event::Failed(why) => {
                    self.failure = Some(why);
                    if member.task.is_finished() {
                        bail!("a device's task has ended");
                    }
                }
                Event::Message(message, at) => return Ok(Some((number, message, at))),
            }
        }
    }

    /// Passes the time without load.
    ///
    /// # Errors
    /// When the run is cancelled.
    pub(super) async fn idle(&mut self, span: Duration) -> Result<()> {
        let until = Instant::now() + span;
        while Instant::now() < until {
            self.next(until.min(Instant::now() + CHECK_INTERVAL)).await?;
        }
        Ok(())
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.members.iter().for_each(|member| member.task.abort());
    }
}
