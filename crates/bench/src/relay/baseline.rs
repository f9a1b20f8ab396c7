//! Baseline cost of a packet on this machine, independent of the relay: its system calls and its cipher, in a tight loop.
//! Measured on the server's core, with as many receivers, between the rounds of the same run.

use crate::{
    cancellation::Cancellation,
    relay::{
        frame::PACKET,
        srtp::{self, HEADER, Session},
        transport,
    },
    testbed::{ServerProcess, Testbed},
};
use anyhow::{Context, Result, ensure};
use nix::{
    cmsg_space,
    errno::Errno,
    sys::{
        socket::{ControlMessage, MsgFlags, MultiHeaders, SockaddrIn, recvmmsg, sendmsg, setsockopt, sockopt},
        time::TimeValLike,
    },
    time::{ClockId, clock_gettime},
};
use serde::{Deserialize, Serialize};
use std::{
    hint::black_box,
    io::{BufRead, BufReader, IoSlice, IoSliceMut, Read, Write, stdin, stdout},
    net::{IpAddr, SocketAddr, SocketAddrV4, UdpSocket},
    os::fd::AsRawFd,
    path::Path,
    process::{ChildStdin, ChildStdout, Stdio},
    thread,
    time::Duration,
};

/// Packets per GSO send, see [`Baseline::send_sixteen`].
const SEGMENTS: usize = 16;
/// Datagrams per read, see [`Baseline::receive_batch`].
const BATCH: usize = 32;
/// Number of receivers: thirty calls of four parties.
const RECEIVERS: usize = 120;
/// Packets per receiver before it is drained: fits into the default socket buffer.
const PACKETS_PER_RECEIVER: usize = 96;
/// Packets queued for one read measurement: fits into the socket buffer.
const QUEUED_PACKETS: usize = 192;
/// Repetitions of each measurement, of which the minimum counts: interference only makes it slower.
const REPETITIONS: usize = 12;
/// Packets encrypted per measurement: fits into the L2 cache.
const ENCRYPTED_PACKETS: usize = 2_000;
/// Wake-ups per measurement.
const WAKE_UPS: u64 = 20;
const MAX_LINE: u64 = 64 * 1024;

/// CPU time per packet, nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// One `sendto`, to a different socket each time.
    pub send: f64,
    /// `sendmsg` of sixteen packets of equal size to one socket (UDP GSO).
    pub send_sixteen: f64,
    /// `recvmmsg` of one datagram.
    pub receive: f64,
    /// `recvmmsg` of 32 datagrams.
    pub receive_batch: f64,
    /// AES-256-GCM encryption of an SRTP packet.
    pub seal: f64,
    /// AES-256-GCM decryption of an SRTP packet.
    pub open: f64,
    /// Per wake-up from a sleep of one millisecond.
    pub wake: f64,
}

impl Baseline {
    /// The minimum of each figure.
    pub(crate) fn minimum(of: &[Self]) -> Option<Self> {
        of.iter().copied().reduce(|one, other| Self {
            send: one.send.min(other.send),
            send_sixteen: one.send_sixteen.min(other.send_sixteen),
            receive: one.receive.min(other.receive),
            receive_batch: one.receive_batch.min(other.receive_batch),
            seal: one.seal.min(other.seal),
            open: one.open.min(other.open),
            wake: one.wake.min(other.wake),
        })
    }

    /// One line, in microseconds.
    pub fn line(&self) -> String {
        format!(
            "baseline, µs CPU per packet: sendto {:.2}, GSO of 16 {:.2}, recvmmsg of 1 {:.2}, of 32 {:.2}, AES-GCM encrypt \
             {:.2}, decrypt {:.2}; per wake-up {:.2}",
            self.send / 1e3,
            self.send_sixteen / 1e3,
            self.receive / 1e3,
            self.receive_batch / 1e3,
            self.seal / 1e3,
            self.open / 1e3,
            self.wake / 1e3,
        )
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Request {
    /// Send to each of these addresses.
    Send { to: Vec<SocketAddrV4>, each: usize, segments: usize },
    /// Read all queued datagrams.
    Receive { room: usize },
    /// Encrypt and decrypt.
    Encrypt,
    /// Sleep and wake up repeatedly.
    Sleep,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Reply {
    /// Listening at this address.
    Ready(SocketAddrV4),
    /// Number of packets or wake-ups, and their CPU time in nanoseconds.
    Took(u64, u64),
    /// Nanoseconds per packet: encryption, decryption.
    Encrypted(f64, f64),
}

/// Measures the baseline in a process on the server's core.
///
/// # Errors
/// When the process ends early.
pub(crate) fn measure(testbed: &Testbed, program: &Path, cancellation: &Cancellation) -> Result<Baseline> {
    let mut command = testbed.command(program);
    command.args(["bench", "baseline", "--address", &testbed.server.to_string()]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut process = ServerProcess::start(testbed, command, None)?;
    let child = process.child();
    let (to, from) = child.stdin.take().zip(child.stdout.take()).context("invariant: both are pipes")?;
    let mut probe = Probe { to, from: BufReader::new(from) };
    let Reply::Ready(there) = probe.receive()? else { anyhow::bail!("the baseline process sent an unexpected reply") };
    let sockets: Vec<UdpSocket> =
        (0..RECEIVERS).map(|_| transport::socket(testbed.generator)).collect::<Result<_>>()?;
    let to = sockets.iter().map(|socket| v4(socket.local_addr()?)).collect::<Result<Vec<_>>>()?;
    let mut minimum = [f64::INFINITY; 5];
    for _ in 0..REPETITIONS {
        cancellation.check()?;
        for (index, segments) in [(0, 1), (1, SEGMENTS)] {
            let took = probe.measure(&Request::Send { to: to.clone(), each: PACKETS_PER_RECEIVER, segments })?;
            minimum[index] = minimum[index].min(took);
            sockets.iter().for_each(drain);
        }
        for (index, room) in [(2, 1), (3, BATCH)] {
            for _ in 0..QUEUED_PACKETS {
                sockets[0].send_to(&[0; PACKET], there)?;
            }
            let took = probe.measure(&Request::Receive { room })?;
            minimum[index] = minimum[index].min(took);
        }
        minimum[4] = minimum[4].min(probe.measure(&Request::Sleep)?);
    }
    let Reply::Encrypted(seal, open) = probe.request(&Request::Encrypt)? else {
        anyhow::bail!("the baseline process sent an unexpected reply")
    };
    let [send, send_sixteen, receive, receive_batch, wake] = minimum;
    Ok(Baseline { send, send_sixteen, receive, receive_batch, seal, open, wake })
}

/// Connection to the baseline process.
struct Probe {
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Probe {
    fn request(&mut self, request: &Request) -> Result<Reply> {
        let mut line = serde_json::to_string(request)?;
        line.push('\n');
        self.to.write_all(line.as_bytes()).context("the baseline process has ended")?;
        self.receive()
    }

    fn receive(&mut self) -> Result<Reply> {
        let mut line = String::new();
        self.from.by_ref().take(MAX_LINE).read_line(&mut line).context("the baseline process has ended")?;
        serde_json::from_str(&line).context("the baseline process sent an invalid reply")
    }

    /// Nanoseconds per packet.
    fn measure(&mut self, request: &Request) -> Result<f64> {
        match self.request(request)? {
            Reply::Took(packets, nanoseconds) if packets > 0 => Ok(nanoseconds as f64 / packets as f64),
            other => anyhow::bail!("the baseline process replied {other:?}"),
        }
    }
}

fn v4(address: SocketAddr) -> Result<SocketAddrV4> {
    match address {
        SocketAddr::V4(address) => Ok(address),
        SocketAddr::V6(_) => anyhow::bail!("only IPv4 is measured"),
    }
}

fn drain(socket: &UdpSocket) {
    let mut buffer = [0; PACKET];
    while socket.recv(&mut buffer).is_ok() {}
}

/// The baseline process, which runs until standard input is closed.
///
/// # Errors
/// When a system call fails, or a line is not a request.
pub fn serve(address: IpAddr) -> Result<()> {
    let socket = UdpSocket::bind((address, 0))?;
    socket.set_nonblocking(true)?;
    // Large enough for all queued packets, whatever the default is.
    setsockopt(&socket, sockopt::RcvBuf, &(1 << 20))?;
    let mut input = BufReader::new(stdin().lock());
    reply(&Reply::Ready(v4(socket.local_addr()?)?))?;
    loop {
        let mut line = String::new();
        input.by_ref().take(MAX_LINE).read_line(&mut line)?;
        if line.is_empty() {
            return Ok(());
        }
        reply(&match serde_json::from_str(&line).context("not a request")? {
            Request::Send { to, each, segments } => send(&socket, &to, each, segments)?,
            Request::Receive { room } => receive(&socket, room)?,
            Request::Encrypt => encrypt()?,
            Request::Sleep => sleep()?,
        })?;
    }
}

fn reply(reply: &Reply) -> Result<()> {
    let mut out = stdout().lock();
    serde_json::to_writer(&mut out, reply)?;
    out.write_all(b"\n")?;
    Ok(out.flush()?)
}

/// CPU time of this thread, nanoseconds.
fn cpu_time() -> Result<u64> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.num_nanoseconds() as u64)
}

fn send(socket: &UdpSocket, to: &[SocketAddrV4], each: usize, segments: usize) -> Result<Reply> {
    ensure!((1..=SEGMENTS).contains(&segments), "at most {SEGMENTS} packets per send");
    let bytes = [0xa5; PACKET * SEGMENTS];
    let piece = [IoSlice::new(&bytes[..PACKET * segments])];
    let size = PACKET as u16;
    let began = cpu_time()?;
    for _ in 0..each / segments {
        for to in to {
            if segments == 1 {
                socket.send_to(&bytes[..PACKET], to)?;
            } else {
                let cut = [ControlMessage::UdpGsoSegments(&size)];
                sendmsg(socket.as_raw_fd(), &piece, &cut, MsgFlags::empty(), Some(&SockaddrIn::from(*to)))?;
            }
        }
    }
    Ok(Reply::Took((each / segments * segments * to.len()) as u64, cpu_time()? - began))
}

fn receive(socket: &UdpSocket, room: usize) -> Result<Reply> {
    ensure!((1..=BATCH).contains(&room), "at most {BATCH} datagrams per read");
    let mut headers = MultiHeaders::<SockaddrIn>::preallocate(room, Some(cmsg_space!(u16)));
    let mut buffers = vec![[0; PACKET]; room];
    let began = cpu_time()?;
    let mut packets = 0;
    loop {
        let mut slices: Vec<[IoSliceMut<'_>; 1]> = buffers.iter_mut().map(|buffer| [IoSliceMut::new(buffer)]).collect();
        match recvmmsg(socket.as_raw_fd(), &mut headers, slices.iter_mut(), MsgFlags::MSG_DONTWAIT, None) {
            Ok(got) => packets += got.count() as u64,
            Err(Errno::EAGAIN) => return Ok(Reply::Took(packets, cpu_time()? - began)),
            Err(error) => return Err(error.into()),
        }
    }
}

fn sleep() -> Result<Reply> {
    let began = cpu_time()?;
    (0..WAKE_UPS).for_each(|_| thread::sleep(Duration::from_millis(1)));
    Ok(Reply::Took(WAKE_UPS, cpu_time()? - began))
}

fn encrypt() -> Result<Reply> {
    let session = Session::derive(&[7; 32], &[7; 12])?;
    let mut packets = vec![[0; PACKET]; ENCRYPTED_PACKETS];
    let (mut seal, mut open) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..REPETITIONS {
        for packet in &mut packets {
            let header = packet.first_chunk_mut::<HEADER>().context("invariant: a packet begins with a header")?;
            srtp::write_header(header, 111, 1, 960, 7);
        }
        let began = cpu_time()?;
        for packet in &mut packets {
            session.protect(black_box(packet), 1)?;
        }
        let sealed = cpu_time()?;
        for packet in &mut packets {
            let header = srtp::read_header(packet)?;
            black_box(session.open(packet, header, 1)?);
        }
        let opened = cpu_time()?;
        let each = |nanoseconds: u64| nanoseconds as f64 / ENCRYPTED_PACKETS as f64;
        seal = seal.min(each(sealed - began));
        open = open.min(each(opened - sealed));
    }
    Ok(Reply::Encrypted(seal, open))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segmented_sends_arrive_as_single_packets() {
        let receivers =
            [transport::socket([127, 0, 0, 1].into()).unwrap(), transport::socket([127, 0, 0, 1].into()).unwrap()];
        let to: Vec<_> = receivers.iter().map(|socket| v4(socket.local_addr().unwrap()).unwrap()).collect();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        for segments in [1, SEGMENTS] {
            let Reply::Took(packets, nanoseconds) = send(&sender, &to, 2 * SEGMENTS, segments).unwrap() else {
                panic!()
            };
            assert_eq!(packets, 2 * 2 * SEGMENTS as u64);
            assert!(nanoseconds > 0);
            for receiver in &receivers {
                let Reply::Took(packets, _) = receive(receiver, 7).unwrap() else { panic!() };
                assert_eq!(packets, 2 * SEGMENTS as u64);
            }
        }
        assert!(send(&sender, &to, 1, 0).is_err());
        assert!(receive(&sender, BATCH + 1).is_err());
    }

    #[test]
    fn encryption_round_trips_and_takes_time() {
        let Reply::Encrypted(seal, open) = encrypt().unwrap() else { panic!() };
        assert!(seal > 0.0 && seal.is_finite() && open.is_finite());
    }
}
