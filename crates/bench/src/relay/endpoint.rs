//! One media endpoint of the generator: its connection, its SRTP contexts, and sending and receiving of frames.

use crate::{
    clock::{self, SECOND},
    relay::{
        frame::{self, FRAME, PACKET},
        sdp,
        srtp::{self, HEADER, Session, Streams},
        transport::{MAX_DATAGRAM, Transport},
    },
};
use nix::sys::{
    socket::{ControlMessageOwned, MsgFlags, MultiHeaders, recvmmsg},
    time::TimeSpec,
};
use std::{
    io::IoSliceMut,
    net::{SocketAddr, UdpSocket},
    os::fd::RawFd,
};

/// Datagrams per `recvmmsg`.
pub(super) const BATCH: usize = 16;

/// Destinations of an endpoint's packets.
pub enum Targets {
    /// The media server that its socket is connected to.
    Server,
    /// Each of these addresses, one packet each.
    Direct(Vec<SocketAddr>),
    /// A TURN server, one packet for each of these channels.
    Channels(SocketAddr, Vec<u16>),
}

/// How an endpoint is connected.
pub(super) enum Connection {
    /// To a media server, by ICE and DTLS.
    Server(Box<Transport>),
    /// By a plain UDP socket with a fixed key.
    Plain(UdpSocket),
}

/// The stream that an endpoint sends.
pub(super) struct Outgoing {
    session: Session,
    ssrc: u32,
    index: u64,
    timestamp: u32,
    targets: Targets,
}

impl Outgoing {
    /// The stream of `party`.
    pub(super) fn new(session: Session, party: u32, targets: Targets) -> Self {
        Self { session, ssrc: ssrc_of(party), index: 1, timestamp: 0, targets }
    }
}

/// See the module.
pub(super) struct Endpoint {
    pub(super) connection: Connection,
    pub(super) party: u32,
    pub(super) incoming: Option<Session>,
    pub(super) outgoing: Option<Outgoing>,
    streams: Streams,
    /// Whether it sends once it is connected.
    pub(super) sends: bool,
}

impl Endpoint {
    /// An endpoint that is not connected yet.
    pub(super) fn new(connection: Connection, party: u32, sends: bool) -> Self {
        Self { connection, party, incoming: None, outgoing: None, streams: Streams::default(), sends }
    }

    pub(super) fn socket(&self) -> &UdpSocket {
        match &self.connection {
            Connection::Server(transport) => transport.socket(),
            Connection::Plain(socket) => socket,
        }
    }

    /// Sends one frame to each target. Returns the number of packets that the system accepted.
    pub(super) fn send_frame(&mut self, frame_ms: u64) -> u64 {
        let Some(outgoing) = &mut self.outgoing else { return 0 };
        let socket = match &self.connection {
            Connection::Server(transport) => transport.socket(),
            Connection::Plain(socket) => socket,
        };
        outgoing.index += 1;
        outgoing.timestamp = outgoing.timestamp.wrapping_add(frame_ms as u32 * 48);
        let encrypt = |packet: &mut [u8; PACKET], stream: u32| {
            let (header, payload) = packet.split_at_mut(HEADER);
            let header = header.try_into().expect("invariant: split at its length");
            srtp::write_header(header, sdp::OPUS, outgoing.index as u16, outgoing.timestamp, outgoing.ssrc + stream);
            let frame = payload.first_chunk_mut::<FRAME>().expect("invariant: a packet holds a frame");
            frame::write(frame, self.party, outgoing.index as u32, clock::now());
            outgoing.session.protect(packet, outgoing.index).is_ok()
        };
        // A packet that cannot be sent is counted as lost by its receiver.
        let mut packet = [0; PACKET];
        match &outgoing.targets {
            Targets::Server => u64::from(encrypt(&mut packet, 0) && socket.send(&packet).is_ok()),
            Targets::Direct(receivers) => {
                let send = |(stream, to): (u32, &SocketAddr)| {
                    encrypt(&mut packet, stream) && socket.send_to(&packet, to).is_ok()
                };
                (0..).zip(receivers).map(send).filter(|sent| *sent).count() as u64
            }
            Targets::Channels(server, channels) => {
                let mut wrapped = [0; 4 + PACKET];
                let send = |(stream, channel): (u32, &u16)| {
                    let (head, body) = wrapped.split_at_mut(4);
                    head[..2].copy_from_slice(&channel.to_be_bytes());
                    head[2..].copy_from_slice(&(PACKET as u16).to_be_bytes());
                    encrypt(body.try_into().expect("invariant: split at its length"), stream)
                        && socket.send_to(&wrapped, server).is_ok()
                };
                (0..).zip(channels).map(send).filter(|sent| *sent).count() as u64
            }
        }
    }

    /// Decrypts a packet. Returns the send time in its frame, or `None` if it is not an authentic frame of the generator.
    pub(super) fn receive_frame(&mut self, packet: &mut [u8]) -> Option<u64> {
        let session = self.incoming.as_ref()?;
        let header = srtp::read_header(packet).ok()?;
        let index = self.streams.estimate_index(header).ok()?;
        let payload = session.open(packet, header, index).ok()?;
        self.streams.record(header.ssrc, index);
        frame::read(payload)
    }
}

/// SSRC of a party's stream. Streams to further receivers have the following numbers.
pub(super) fn ssrc_of(party: u32) -> u32 {
    0x0100_0000 + party * 16
}

/// Reads pending datagrams of a socket. Returns their number; `read` contains the length and arrival time of each.
pub(super) fn read_batch(
    socket: RawFd,
    headers: &mut MultiHeaders<()>,
    buffers: &mut [[u8; MAX_DATAGRAM]],
    read: &mut [(usize, u64); BATCH],
) -> usize {
    let mut buffers = buffers.iter_mut();
    let mut slices: [[IoSliceMut<'_>; 1]; BATCH] = std::array::from_fn(|_| {
        [IoSliceMut::new(buffers.next().expect("invariant: a buffer for each").as_mut_slice())]
    });
    // Fails if nothing is pending, or with the error of an earlier datagram.
    let Ok(messages) = recvmmsg(socket, headers, slices.iter_mut(), MsgFlags::MSG_DONTWAIT, None) else { return 0 };
    let mut count = 0;
    for (message, entry) in messages.zip(read.iter_mut()) {
        let stamp = message.cmsgs().ok().and_then(|mut all| {
            all.find_map(|one| match one {
                ControlMessageOwned::ScmTimestampns(at) => Some(arrival(at)),
                _ => None,
            })
        });
        *entry = (message.bytes, stamp.unwrap_or_else(clock::now));
        count += 1;
    }
    count
}

fn arrival(at: TimeSpec) -> u64 {
    at.tv_sec() as u64 * SECOND + at.tv_nsec() as u64
}
