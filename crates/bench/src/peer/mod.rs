//! The contestants: what carries the packets, each in a process of its own.

mod coturn;
mod janus;
mod relay;

pub use coturn::Coturn;
pub use janus::Janus;
pub use relay::Relay;

use crate::{network::Place, process};
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::{
    fs::File,
    process::{Child, Command, Stdio},
};

/// Who carries the packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Peer {
    /// Our relay.
    Telcon,
    /// Janus, as a videoroom: it forwards packets.
    Janus,
    /// Coturn: a TURN relay, without cryptography and without making copies.
    Coturn,
    /// Nobody: from endpoint to endpoint.
    None,
}

impl Peer {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Telcon => "Telcon",
            Self::Janus => "Janus",
            Self::Coturn => "coturn",
            Self::None => "none",
        }
    }
}

/// A process that ends when this is dropped.
pub struct Running(Child);

impl Running {
    /// Starts a program where contestants run, on the relay's core. What it prints goes to `log`, or is dropped.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(place: &Place, mut command: Command, log: Option<File>) -> Result<Self> {
        let shown = command.get_args().map(|argument| argument.to_string_lossy()).collect::<Vec<_>>().join(" ");
        if let Some(log) = log {
            command.stdout(log.try_clone()?).stderr(log).stdin(Stdio::null());
        }
        // A child starts with the affinity of the thread that starts it.
        if let Some(cores) = place.cores {
            process::pin(cores.relay)?;
        }
        let child =
            command.spawn().with_context(|| format!("cannot start {shown}; scripts/setup.sh bench installs it"));
        if let Some(cores) = place.cores {
            process::pin(cores.generator)?;
        }
        Ok(Self(child?))
    }

    /// Its number.
    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// The child.
    pub fn child(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
