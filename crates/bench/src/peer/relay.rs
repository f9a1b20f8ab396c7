//! Our relay: see [`crate::node`].

use super::Running;
use crate::{
    network::Place,
    node::{MAX_LINE, Reply, Request},
    signalling::Signalling,
};
use anyhow::{Context, Result, bail, ensure};
use std::{
    io::{BufRead, BufReader, Read, Write},
    path::Path,
    process::{ChildStdin, ChildStdout, Stdio},
};

/// The lines to and from the node.
pub struct Relay {
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Relay {
    /// Starts `program bench relay-node` where contestants run.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(place: &Place, program: &Path) -> Result<(Running, Self)> {
        let mut command = place.command(program);
        command.args(["bench", "relay-node", "--address", &place.server.to_string()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut running = Running::start(place, command, None)?;
        let child = running.child();
        let (to, from) = child.stdin.take().zip(child.stdout.take()).context("invariant: both are pipes")?;
        let mut relay = Self { to, from: BufReader::new(from) };
        ensure!(relay.hear()? == Reply::Ready, "the relay did not say that it is ready");
        Ok((running, relay))
    }

    fn ask(&mut self, request: &Request) -> Result<Reply> {
        let mut line = serde_json::to_string(request)?;
        line.push('\n');
        self.to.write_all(line.as_bytes()).context("the relay is gone")?;
        self.hear()
    }

    fn hear(&mut self) -> Result<Reply> {
        let mut line = String::new();
        self.from.by_ref().take(MAX_LINE as u64).read_line(&mut line).context("the relay is gone")?;
        ensure!(line.ends_with('\n'), "the relay ended, or said more than {MAX_LINE} bytes");
        serde_json::from_str(&line).context("the relay said something else than a reply")
    }
}

impl Signalling for Relay {
    fn publish(&mut self, call: u32, party: u32, offer: String) -> Result<String> {
        match self.ask(&Request::Join { call, leg: party, offer })? {
            Reply::Answer(answer) => Ok(answer),
            other => bail!("the relay said {other:?} to an offer"),
        }
    }

    fn subscribe(&mut self, _call: u32, _party: u32) -> Result<String> {
        bail!("a leg of our relay listens where it speaks")
    }

    fn start(&mut self, _call: u32, _party: u32, _answer: String) -> Result<()> {
        bail!("our relay makes no offers")
    }
}
