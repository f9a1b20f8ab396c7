//! What a packet costs on this machine whoever relays it: the system calls that carry it, and its cipher, in a loop that does
//! nothing else. Measured where a contestant would run, with as many receivers, between the rounds of the same run.

use crate::{
    frame::PACKET,
    network::Place,
    peer::Running,
    srtp::{self, HEADER, Session},
    stop::Stop,
    transport,
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

/// Packets that are sent in one piece: see [`Floor::send_sixteen`].
const SEGMENTS: usize = 16;
/// Datagrams of one read: see [`Floor::receive_batch`].
const BATCH: usize = 32;
/// Receivers: as many as there are parties in thirty calls of four.
const RECEIVERS: usize = 120;
/// Packets that each of them gets before it is emptied: what a socket's buffer holds on a system as it comes.
const EACH: usize = 96;
/// Packets that are read in one go: as above.
const WAITING: usize = 192;
/// How often each is done. The least counts: whatever else ran made it slower, and nothing makes it faster.
const TIMES: usize = 12;
/// Packets that are encrypted for one figure: not more than a processor's nearer memory holds.
const SEALED: usize = 2_000;
/// Wake-ups for one figure.
const SLEEPS: u64 = 20;
const MAX_LINE: u64 = 64 * 1024;

/// Nanoseconds of a processor for one packet.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Floor {
    /// One `sendto`, each packet to another socket than the one before.
    pub send: f64,
    /// `sendmsg` of sixteen packets of equal size to one socket, which the kernel cuts (UDP GSO).
    pub send_sixteen: f64,
    /// One `recvmmsg` with room for one.
    pub receive: f64,
    /// `recvmmsg` with room for thirty-two, all of it filled.
    pub receive_batch: f64,
    /// AES-256-GCM of an SRTP packet: sealing it.
    pub seal: f64,
    /// Opening it.
    pub open: f64,
    /// Not for a packet: a sleep of a millisecond and the wake-up from it.
    pub wake: f64,
}

impl Floor {
    /// The least of each figure.
    pub(crate) fn least(of: &[Self]) -> Option<Self> {
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

    /// In words, microseconds.
    pub fn line(&self) -> String {
        format!(
            "floor, µs of processor per packet: sendto {:.2}, sixteen in one send {:.2}, recvmmsg of one {:.2}, of \
             thirty-two {:.2}, AES-GCM {:.2} to seal and {:.2} to open; a wake-up {:.2}",
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
    /// Send to each of these sockets.
    Send { to: Vec<SocketAddrV4>, each: usize, segments: usize },
    /// Read what is there.
    Receive { room: usize },
    /// Encrypt and decrypt.
    Encrypt,
    /// Sleep and wake up.
    Sleep,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Reply {
    /// It listens here.
    Ready(SocketAddrV4),
    /// Packets, or wake-ups, and nanoseconds for all of them.
    Took(u64, u64),
    /// Nanoseconds for a packet: sealed, opened.
    Encrypted(f64, f64),
}

/// Measures it.
///
/// # Errors
/// When the process that does so ends early.
pub(crate) fn measure(place: &Place, program: &Path, stop: &Stop) -> Result<Floor> {
    let mut command = place.command(program);
    command.args(["bench", "floor", "--address", &place.server.to_string()]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut running = Running::start(place, command, None)?;
    let child = running.child();
    let (to, from) = child.stdin.take().zip(child.stdout.take()).context("invariant: both are pipes")?;
    let mut child = Far { to, from: BufReader::new(from) };
    let Reply::Ready(there) = child.hear()? else { anyhow::bail!("the floor's process said something else") };
    let sockets: Vec<UdpSocket> = (0..RECEIVERS).map(|_| transport::socket(place.generator)).collect::<Result<_>>()?;
    let to = sockets.iter().map(|socket| v4(socket.local_addr()?)).collect::<Result<Vec<_>>>()?;
    let mut least = [f64::INFINITY; 5];
    for _ in 0..TIMES {
        stop.check()?;
        for (place, segments) in [(0, 1), (1, SEGMENTS)] {
            let took = child.took(&Request::Send { to: to.clone(), each: EACH, segments })?;
            least[place] = least[place].min(took);
            sockets.iter().for_each(empty);
        }
        for (place, room) in [(2, 1), (3, BATCH)] {
            for _ in 0..WAITING {
                sockets[0].send_to(&[0; PACKET], there)?;
            }
            let took = child.took(&Request::Receive { room })?;
            least[place] = least[place].min(took);
        }
        least[4] = least[4].min(child.took(&Request::Sleep)?);
    }
    let Reply::Encrypted(seal, open) = child.ask(&Request::Encrypt)? else {
        anyhow::bail!("the floor's process did not encrypt")
    };
    let [send, send_sixteen, receive, receive_batch, wake] = least;
    Ok(Floor { send, send_sixteen, receive, receive_batch, seal, open, wake })
}

/// The process that measures.
struct Far {
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Far {
    fn ask(&mut self, request: &Request) -> Result<Reply> {
        let mut line = serde_json::to_string(request)?;
        line.push('\n');
        self.to.write_all(line.as_bytes()).context("the floor's process is gone")?;
        self.hear()
    }

    fn hear(&mut self) -> Result<Reply> {
        let mut line = String::new();
        self.from.by_ref().take(MAX_LINE).read_line(&mut line).context("the floor's process is gone")?;
        serde_json::from_str(&line).context("the floor's process ended")
    }

    /// Nanoseconds for a packet.
    fn took(&mut self, request: &Request) -> Result<f64> {
        match self.ask(request)? {
            Reply::Took(packets, nanoseconds) if packets > 0 => Ok(nanoseconds as f64 / packets as f64),
            other => anyhow::bail!("the floor's process said {other:?}"),
        }
    }
}

fn v4(address: SocketAddr) -> Result<SocketAddrV4> {
    match address {
        SocketAddr::V4(address) => Ok(address),
        SocketAddr::V6(_) => anyhow::bail!("only IPv4 is measured"),
    }
}

fn empty(socket: &UdpSocket) {
    let mut buffer = [0; PACKET];
    while socket.recv(&mut buffer).is_ok() {}
}

/// The process that measures, on a contestant's core, until standard input ends.
///
/// # Errors
/// When the system refuses something, or a line is not a request.
pub fn serve(address: IpAddr) -> Result<()> {
    let socket = UdpSocket::bind((address, 0))?;
    socket.set_nonblocking(true)?;
    // A socket's buffer of this size holds the packets that wait, whatever the system's own is.
    setsockopt(&socket, sockopt::RcvBuf, &(1 << 20))?;
    let mut input = BufReader::new(stdin().lock());
    say(&Reply::Ready(v4(socket.local_addr()?)?))?;
    loop {
        let mut line = String::new();
        input.by_ref().take(MAX_LINE).read_line(&mut line)?;
        if line.is_empty() {
            return Ok(());
        }
        say(&match serde_json::from_str(&line).context("not a request")? {
            Request::Send { to, each, segments } => send(&socket, &to, each, segments)?,
            Request::Receive { room } => receive(&socket, room)?,
            Request::Encrypt => encrypt()?,
            Request::Sleep => sleep()?,
        })?;
    }
}

fn say(reply: &Reply) -> Result<()> {
    let mut out = stdout().lock();
    serde_json::to_writer(&mut out, reply)?;
    out.write_all(b"\n")?;
    Ok(out.flush()?)
}

/// Processor time of this thread, nanoseconds.
fn spent() -> Result<u64> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.num_nanoseconds() as u64)
}

fn send(socket: &UdpSocket, to: &[SocketAddrV4], each: usize, segments: usize) -> Result<Reply> {
    ensure!((1..=SEGMENTS).contains(&segments), "that many packets are not sent at once");
    let bytes = [0xa5; PACKET * SEGMENTS];
    let piece = [IoSlice::new(&bytes[..PACKET * segments])];
    let size = PACKET as u16;
    let began = spent()?;
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
    Ok(Reply::Took((each / segments * segments * to.len()) as u64, spent()? - began))
}

fn receive(socket: &UdpSocket, room: usize) -> Result<Reply> {
    ensure!((1..=BATCH).contains(&room), "that many packets are not read at once");
    let mut headers = MultiHeaders::<SockaddrIn>::preallocate(room, Some(cmsg_space!(u16)));
    let mut buffers = vec![[0; PACKET]; room];
    let began = spent()?;
    let mut packets = 0;
    loop {
        let mut slices: Vec<[IoSliceMut<'_>; 1]> = buffers.iter_mut().map(|buffer| [IoSliceMut::new(buffer)]).collect();
        match recvmmsg(socket.as_raw_fd(), &mut headers, slices.iter_mut(), MsgFlags::MSG_DONTWAIT, None) {
            Ok(got) => packets += got.count() as u64,
            Err(Errno::EAGAIN) => return Ok(Reply::Took(packets, spent()? - began)),
            Err(error) => return Err(error.into()),
        }
    }
}

fn sleep() -> Result<Reply> {
    let began = spent()?;
    (0..SLEEPS).for_each(|_| thread::sleep(Duration::from_millis(1)));
    Ok(Reply::Took(SLEEPS, spent()? - began))
}

fn encrypt() -> Result<Reply> {
    let session = Session::derive(&[7; 32], &[7; 12])?;
    let mut packets = vec![[0; PACKET]; SEALED];
    let (mut seal, mut open) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..TIMES {
        for packet in &mut packets {
            let header = packet.first_chunk_mut::<HEADER>().context("invariant: a packet begins with a header")?;
            srtp::write_header(header, 111, 1, 960, 7);
        }
        let began = spent()?;
        for packet in &mut packets {
            session.protect(black_box(packet), 1)?;
        }
        let sealed = spent()?;
        for packet in &mut packets {
            let header = srtp::read_header(packet)?;
            black_box(session.open(packet, header, 1)?);
        }
        let opened = spent()?;
        let each = |nanoseconds: u64| nanoseconds as f64 / SEALED as f64;
        seal = seal.min(each(sealed - began));
        open = open.min(each(opened - sealed));
    }
    Ok(Reply::Encrypted(seal, open))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_arrive_as_the_packets_that_they_are_made_of() {
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
    fn what_is_sealed_can_be_opened_and_both_take_time() {
        let Reply::Encrypted(seal, open) = encrypt().unwrap() else { panic!() };
        assert!(seal > 0.0 && seal.is_finite() && open.is_finite());
    }
}
