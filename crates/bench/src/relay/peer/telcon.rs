//! Our relay, see [`crate::relay::node`].

use crate::{
    relay::{
        node::{MAX_LINE, Reply, Request},
        signalling::Signalling,
    },
    testbed::{ServerProcess, Testbed},
};
use anyhow::{Context, Result, bail, ensure};
use std::{
    io::{BufRead, BufReader, Read, Write},
    path::Path,
    process::{ChildStdin, ChildStdout, Stdio},
};

/// The control connection to `telcon bench relay-node`.
pub struct Telcon {
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Telcon {
    /// Starts `program bench relay-node` on the testbed.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(testbed: &Testbed, program: &Path) -> Result<(ServerProcess, Self)> {
        let mut command = testbed.command(program);
        command.args(["bench", "relay-node", "--address", &testbed.server.to_string()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = ServerProcess::start(testbed, command, None)?;
        let child = process.child();
        let (to, from) = child.stdin.take().zip(child.stdout.take()).context("invariant: both are pipes")?;
        let mut relay = Self { to, from: BufReader::new(from) };
        ensure!(relay.receive()? == Reply::Ready, "the relay did not report that it is ready");
        Ok((process, relay))
    }

    fn request(&mut self, request: &Request) -> Result<Reply> {
        let mut line = serde_json::to_string(request)?;
        line.push('\n');
        self.to.write_all(line.as_bytes()).context("the relay has ended")?;
        self.receive()
    }

    fn receive(&mut self) -> Result<Reply> {
        let mut line = String::new();
        self.from.by_ref().take(MAX_LINE as u64).read_line(&mut line).context("the relay has ended")?;
        ensure!(line.ends_with('\n'), "the relay has ended, or sent more than {MAX_LINE} bytes");
        serde_json::from_str(&line).context("the relay sent an invalid reply")
    }
}

impl Signalling for Telcon {
    fn publish(&mut self, call: u32, party: u32, offer: String) -> Result<String> {
        match self.request(&Request::Join { call, leg: party, offer })? {
            Reply::Answer(answer) => Ok(answer),
            other => bail!("the relay replied to an offer with {other:?}"),
        }
    }

    fn subscribe(&mut self, _call: u32, _party: u32) -> Result<String> {
        bail!("a leg of our relay sends and receives on one connection")
    }

    fn start(&mut self, _call: u32, _party: u32, _answer: String) -> Result<()> {
        bail!("our relay makes no offers")
    }
}
