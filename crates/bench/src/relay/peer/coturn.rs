//! coturn: each sender has an allocation, and a channel to each receiver. The server looks up the channel of each packet
//! and forwards it without cryptography or fan-out: the cost of reading and sending alone.

use crate::{
    relay::{
        endpoint::Targets,
        transport,
        turn::{self, FIRST_CHANNEL},
    },
    testbed::{ServerProcess, Testbed},
};
use anyhow::{Context, Result, bail};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::{
    fs::File,
    net::{SocketAddr, UdpSocket},
    os::fd::AsFd,
    path::Path,
    time::{Duration, Instant},
};

const PORT: u16 = 3478;
/// Time limit of the server's start, and of each request.
const START: Duration = Duration::from_secs(10);
/// Retransmission interval of requests, milliseconds.
const RETRY_MS: u16 = 100;

/// A TURN server.
pub struct Coturn {
    server: SocketAddr,
    transaction: u64,
    /// Kept open: its allocation outlives it, and another socket with its port would be refused (437).
    _first: UdpSocket,
}

impl Coturn {
    /// Starts the server with its files in `folder`.
    ///
    /// # Errors
    /// When it is not installed or does not start.
    pub fn start(testbed: &Testbed, folder: &Path) -> Result<(ServerProcess, Self)> {
        let address = testbed.server.to_string();
        let mut command = testbed.command("turnserver");
        command.args(["-n", "--no-auth", "--no-tls", "--no-dtls", "--no-tcp", "--no-tcp-relay", "--no-cli"]);
        command.args(["--no-multicast-peers", "--no-software-attribute", "--allow-loopback-peers", "--simple-log"]);
        command.args(["--relay-threads", "1", "--log-file", "stdout", "--listening-port", &PORT.to_string()]);
        command.args(["--listening-ip", &address, "--relay-ip", &address]);
        command.arg("--pidfile").arg(folder.join("pid")).arg("--userdb").arg(folder.join("users"));
        command.arg("--min-port=10000").arg("--max-port=65000");
        let process = ServerProcess::start(testbed, command, Some(File::create(folder.join("log"))?))?;
        let first = transport::socket(testbed.generator)?;
        let mut coturn = Self { server: (testbed.server, PORT).into(), transaction: 0, _first: first.try_clone()? };
        // It is ready when it grants an allocation.
        let request = turn::allocate(coturn.transaction());
        coturn.request(&first, &request, Instant::now() + START).context("coturn did not start")?;
        Ok((process, coturn))
    }

    /// The sockets of one call, with the targets of each.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn call(&mut self, testbed: &Testbed, parties: u32) -> Result<Vec<(UdpSocket, Targets)>> {
        let sockets: Vec<UdpSocket> =
            (0..parties).map(|_| transport::socket(testbed.generator)).collect::<Result<_>>()?;
        let addresses: Vec<SocketAddr> = sockets.iter().map(UdpSocket::local_addr).collect::<Result<_, _>>()?;
        let mut call = Vec::new();
        for socket in sockets {
            let deadline = Instant::now() + START;
            let request = turn::allocate(self.transaction());
            self.request(&socket, &request, deadline)?;
            let here = socket.local_addr()?;
            let mut channels = Vec::new();
            for (channel, other) in (FIRST_CHANNEL..).zip(addresses.iter().filter(|other| **other != here)) {
                let request = turn::bind_channel(self.transaction(), channel, *other)?;
                self.request(&socket, &request, deadline)?;
                channels.push(channel);
            }
            call.push((socket, Targets::Channels(self.server, channels)));
        }
        Ok(call)
    }

    fn transaction(&mut self) -> turn::Transaction {
        self.transaction += 1;
        let mut transaction = *b"bench-______";
        transaction[4..].copy_from_slice(&self.transaction.to_be_bytes());
        transaction
    }

    fn request(&self, socket: &UdpSocket, request: &[u8], deadline: Instant) -> Result<()> {
        let mut buffer = [0; 2048];
        while Instant::now() < deadline {
            // Before the server has started, this fails with an ICMP error.
            let _ = socket.send_to(request, self.server);
            poll(&mut [PollFd::new(socket.as_fd(), PollFlags::POLLIN)], PollTimeout::from(RETRY_MS))?;
            while let Ok(length) = socket.recv(&mut buffer) {
                // Anything else is a response to a retransmission, or media.
                if buffer[4..20] == request[4..20] {
                    return turn::accepted(&buffer[..length], request);
                }
            }
        }
        bail!("the TURN server does not respond")
    }
}
