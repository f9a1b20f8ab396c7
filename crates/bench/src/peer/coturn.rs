//! Coturn: each sender has an allocation, and a channel to each receiver. The server reads a packet, looks the channel
//! up and sends it on: no cryptography, no copies. It is what reading and sending alone cost.

use super::Running;
use crate::{
    network::Place,
    transport,
    turn::{self, FIRST_CHANNEL},
    world::Targets,
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
/// How long the server may take to start.
const START: Duration = Duration::from_secs(10);
/// Until a request is repeated, milliseconds.
const AGAIN: u16 = 100;

/// A TURN server.
pub struct Coturn {
    server: SocketAddr,
    transaction: u64,
    /// Its allocation outlives it, so another socket must not get its port: the server would refuse it (437).
    _first: UdpSocket,
}

impl Coturn {
    /// Starts the server with its files in `folder`.
    ///
    /// # Errors
    /// When it is not installed or does not start.
    pub fn start(place: &Place, folder: &Path) -> Result<(Running, Self)> {
        let address = place.server.to_string();
        let mut command = place.command("turnserver");
        command.args(["-n", "--no-auth", "--no-tls", "--no-dtls", "--no-tcp", "--no-tcp-relay", "--no-cli"]);
        command.args(["--no-multicast-peers", "--no-software-attribute", "--allow-loopback-peers", "--simple-log"]);
        command.args(["--relay-threads", "1", "--log-file", "stdout", "--listening-port", &PORT.to_string()]);
        command.args(["--listening-ip", &address, "--relay-ip", &address]);
        command.arg("--pidfile").arg(folder.join("pid")).arg("--userdb").arg(folder.join("users"));
        command.arg("--min-port=10000").arg("--max-port=65000");
        let running = Running::start(place, command, Some(File::create(folder.join("log"))?))?;
        let first = transport::socket(place.generator)?;
        let mut coturn = Self { server: (place.server, PORT).into(), transaction: 0, _first: first.try_clone()? };
        // It is up when it gives somebody an address.
        let request = turn::allocate(coturn.transaction());
        coturn.ask(&first, &request, Instant::now() + START).context("coturn does not start")?;
        Ok((running, coturn))
    }

    /// The sockets of one call, and where each sends to.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn call(&mut self, place: &Place, parties: u32) -> Result<Vec<(UdpSocket, Targets)>> {
        let sockets: Vec<UdpSocket> =
            (0..parties).map(|_| transport::socket(place.generator)).collect::<Result<_>>()?;
        let addresses: Vec<SocketAddr> = sockets.iter().map(UdpSocket::local_addr).collect::<Result<_, _>>()?;
        let mut call = Vec::new();
        for socket in sockets {
            let deadline = Instant::now() + START;
            let request = turn::allocate(self.transaction());
            self.ask(&socket, &request, deadline)?;
            let here = socket.local_addr()?;
            let mut channels = Vec::new();
            for (channel, other) in (FIRST_CHANNEL..).zip(addresses.iter().filter(|other| **other != here)) {
                let request = turn::bind_channel(self.transaction(), channel, *other)?;
                self.ask(&socket, &request, deadline)?;
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

    fn ask(&self, socket: &UdpSocket, request: &[u8], deadline: Instant) -> Result<()> {
        let mut buffer = [0; 2048];
        while Instant::now() < deadline {
            // A server that is not there yet answers with an ICMP error.
            let _ = socket.send_to(request, self.server);
            poll(&mut [PollFd::new(socket.as_fd(), PollFlags::POLLIN)], PollTimeout::from(AGAIN))?;
            while let Ok(length) = socket.recv(&mut buffer) {
                // The answer to a request that was repeated, or a packet of somebody who speaks already.
                if buffer[4..20] == request[4..20] {
                    return turn::accepted(&buffer[..length], request);
                }
            }
        }
        bail!("the TURN server does not answer")
    }
}
