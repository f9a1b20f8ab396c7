//! Devices that come by TCP, because their network lets no UDP through (RFC 6544). Each packet has its length before it
//! (RFC 4571).

use super::super::{LinkId, Relay, framing::Unframer, limits};
use mio::{
    Interest, Registry, Token,
    net::{TcpListener, TcpStream},
};
use std::{
    collections::{BTreeSet, HashMap},
    io::{self, ErrorKind, Read, Write},
    net::SocketAddr,
    time::{Duration, Instant},
};

/// Tokens below this are the driver's own; a link has its number above it.
const FIRST_TOKEN: usize = 16;
/// The listener's token.
pub(super) const LISTENER: Token = Token(FIRST_TOKEN - 1);
/// Bytes read of one link before others get their turn: more than a second of eight speakers.
const READ_BYTES: usize = 16 * 1024;
/// How long the system may have no file for a connection before it is asked again.
const ACCEPT_AGAIN: Duration = Duration::from_millis(200);
/// How often a busy thread looks for newcomers where nobody is connected.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How often links without a leg are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(2);

/// The listener of one thread, and who came.
pub(super) struct Links {
    listener: TcpListener,
    registry: Registry,
    links: HashMap<LinkId, Link>,
    /// Links from which more may be read: the system tells of what comes, not of what is left.
    unread: BTreeSet<LinkId>,
    next: u64,
    swept: Instant,
    looked: Instant,
    /// When connections that wait are to be taken in, where they could not be.
    accepts_again: Option<Instant>,
    buffer: Vec<u8>,
}

struct Link {
    stream: TcpStream,
    peer: SocketAddr,
    since: Instant,
    input: Unframer,
    /// What waits for room in the system's buffer.
    output: Vec<u8>,
}

impl Links {
    pub(super) fn new(bind: SocketAddr, registry: Registry) -> io::Result<Self> {
        let mut listener = TcpListener::bind(bind)?;
        registry.register(&mut listener, LISTENER, Interest::READABLE)?;
        let (links, unread) = (HashMap::new(), BTreeSet::new());
        let now = Instant::now();
        let (swept, looked, buffer) = (now, now, vec![0; READ_BYTES]);
        Ok(Self { listener, registry, links, unread, next: 0, swept, looked, accepts_again: None, buffer })
    }

    /// Something happened to what has this token.
    pub(super) fn ready(&mut self, token: Token, now: Instant, relay: &mut Relay) {
        if token == LISTENER {
            return self.accept(now);
        }
        let Some(number) = token.0.checked_sub(FIRST_TOKEN) else { return };
        let id = LinkId(number as u64);
        let Some(link) = self.links.get_mut(&id) else { return };
        match link.flush() {
            Ok(()) => drop(self.unread.insert(id)),
            Err(_) => self.close(id, relay),
        }
    }

    /// Reads what there is, a turn of each link. Gives the number of packets; whether some is left, see
    /// [`Links::has_more`].
    pub(super) fn read(&mut self, now: Instant, relay: &mut Relay) -> usize {
        let mut packets = 0;
        for id in std::mem::take(&mut self.unread) {
            let Some(link) = self.links.get_mut(&id) else { continue };
            match link.read(id, now, relay, &mut self.buffer, &mut packets) {
                Ok(true) => drop(self.unread.insert(id)),
                Ok(false) => {}
                Err(_) => self.close(id, relay),
            }
        }
        if now >= self.swept + SWEEP_EVERY {
            self.sweep(now, relay);
        }
        if self.accepts_again.is_some_and(|at| now >= at) {
            self.accepts_again = None;
            self.accept(now);
        }
        packets
    }

    pub(super) fn has_more(&self) -> bool {
        !self.unread.is_empty()
    }

    /// Whether a thread that does not wait is to ask what happened to connections.
    pub(super) fn is_to_be_looked_at(&mut self, now: Instant) -> bool {
        let is_time = !self.links.is_empty() || now >= self.looked + LOOK_EVERY;
        if is_time {
            self.looked = now;
        }
        is_time
    }

    /// How long the thread may wait, as far as links are concerned.
    pub(super) fn patience(&self) -> Duration {
        match (self.accepts_again, self.links.is_empty()) {
            (Some(_), _) => ACCEPT_AGAIN,
            (None, false) => SWEEP_EVERY,
            (None, true) => Duration::MAX,
        }
    }

    /// Sends packets of `segment` bytes each, the last one shorter. Gives the number that found no room.
    pub(super) fn send(&mut self, id: LinkId, bytes: &[u8], segment: usize, relay_lost: &mut Vec<LinkId>) -> u64 {
        let packets = bytes.chunks(segment.max(1));
        let Some(link) = self.links.get_mut(&id) else { return packets.count() as u64 };
        let lost = packets.filter(|packet| !link.queue(packet)).count();
        if link.flush().is_err() {
            relay_lost.push(id);
        }
        lost as u64
    }

    pub(super) fn close(&mut self, id: LinkId, relay: &mut Relay) {
        self.unread.remove(&id);
        if let Some(mut link) = self.links.remove(&id) {
            // A stream that is dropped is taken from the poll by the system as well.
            let _ = self.registry.deregister(&mut link.stream);
            relay.drop_link(id);
        }
    }

    fn accept(&mut self, now: Instant) {
        loop {
            let (mut stream, peer) = match self.listener.accept() {
                Ok(came) => came,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                // One that was gone before it was taken: the next may be better.
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => continue,
                // No file is left for it. Nobody tells when there is one again, nor of those who wait still.
                Err(_) => {
                    self.accepts_again = Some(now + ACCEPT_AGAIN);
                    return;
                }
            };
            let subscriber = limits::subscriber(peer.ip());
            let of_peer = self.links.values().filter(|link| limits::subscriber(link.peer.ip()) == subscriber).count();
            if self.links.len() >= limits::MAX_LINKS || of_peer >= limits::MAX_LINKS_PER_ADDRESS {
                continue;
            }
            // Speech does not wait for more to fill a segment.
            let _ = stream.set_nodelay(true);
            self.next += 1;
            let id = LinkId(self.next);
            let token = Token(FIRST_TOKEN + self.next as usize);
            if self.registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE).is_ok() {
                self.links
                    .insert(id, Link { stream, peer, since: now, input: Unframer::default(), output: Vec::new() });
                self.unread.insert(id);
            }
        }
    }

    /// Ends links that belong to no leg, or to none any more.
    fn sweep(&mut self, now: Instant, relay: &mut Relay) {
        self.swept = now;
        let idle = |link: &Link| now >= link.since + limits::LINK_PROVES_WITHIN;
        let ended: Vec<LinkId> =
            self.links.iter().filter(|(id, link)| idle(link) && !relay.knows_link(**id)).map(|(id, _)| *id).collect();
        ended.into_iter().for_each(|id| self.close(id, relay));
    }
}

impl Link {
    /// Takes in what came, a limited amount. Says whether more may be there.
    fn read(
        &mut self,
        id: LinkId,
        now: Instant,
        relay: &mut Relay,
        buffer: &mut [u8],
        packets: &mut usize,
    ) -> io::Result<bool> {
        let read = match self.stream.read(buffer) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(true),
            Err(error) => return Err(error),
        };
        let peer = self.peer;
        let came = self.input.take(&buffer[..read], |packet| relay.handle_link(now, id, peer, packet));
        *packets += came.map_err(|_| ErrorKind::InvalidData)?;
        Ok(true)
    }

    /// Whether there was room for it. A packet that is late is worth nothing, so little may wait.
    fn queue(&mut self, packet: &[u8]) -> bool {
        let Ok(length) = u16::try_from(packet.len()) else { return false };
        if self.output.len() + packet.len() > limits::MAX_LINK_QUEUE_BYTES {
            return false;
        }
        self.output.extend_from_slice(&length.to_be_bytes());
        self.output.extend_from_slice(packet);
        true
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut sent = 0;
        while sent < self.output.len() {
            match self.stream.write(&self.output[sent..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => sent += written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.output.drain(..sent);
        Ok(())
    }
}
