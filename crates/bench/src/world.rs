//! All devices of a run, in one thread: their sockets, who sends when, and what arrived.

use crate::{
    clock::{self, MILLISECOND, SECOND},
    frame::{self, FRAME, PACKET},
    histogram::Histogram,
    sdp,
    signalling::{Job, Outcome, Switchboard},
    srtp::{self, HEADER, Keys, Session, Streams},
    stop::Stop,
    transport::{Identity, MAX_DATAGRAM, Transport},
    wheel::Wheel,
};
use anyhow::{Context, Result, bail};
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, ppoll},
    sys::{
        epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout},
        socket::{ControlMessageOwned, MsgFlags, MultiHeaders, recvmmsg},
        time::TimeSpec,
    },
};
use std::{
    collections::VecDeque,
    io::IoSliceMut,
    net::{IpAddr, SocketAddr, UdpSocket},
    os::fd::{AsFd, AsRawFd, RawFd},
    time::{Duration, Instant},
};

/// Datagrams read from one socket in one go.
const BATCH: usize = 16;
/// Sockets looked at in one go.
const READY: usize = 256;
/// Slots that are sent before sockets are read again: 2 ms, so that a generator that is behind still hears.
const SLOTS_AT_ONCE: usize = 40;
/// Between two looks at endpoints that are being set up.
const SETUP_TICK: u64 = 2 * MILLISECOND;
/// How often an endpoint shows that it is still there (RFC 7675 section 5.1).
const CONSENT: u64 = 5 * SECOND;
/// Between two rounds of those.
const CONSENT_TICK: u64 = 20 * MILLISECOND;
/// What the epoll says of the switchboard's answers.
const SWITCHBOARD: u64 = u64::MAX;
/// How long setting up one party may take before the run is given up.
const SETUP_PATIENCE: Duration = Duration::from_secs(20);

/// Where an endpoint's packets go.
pub enum Targets {
    /// To the media server that its socket is connected to.
    Server,
    /// To each of these, one packet each.
    Direct(Vec<SocketAddr>),
    /// To a TURN server, one packet for each of these channels.
    Channels(SocketAddr, Vec<u16>),
}

enum Link {
    Server(Box<Transport>),
    Plain(UdpSocket),
}

struct Outgoing {
    session: Session,
    ssrc: u32,
    index: u64,
    timestamp: u32,
    targets: Targets,
}

struct Endpoint {
    link: Link,
    party: u32,
    incoming: Option<Session>,
    outgoing: Option<Outgoing>,
    streams: Streams,
    /// Whether it sends once it is up.
    sends: bool,
}

impl Endpoint {
    fn socket(&self) -> &UdpSocket {
        match &self.link {
            Link::Server(transport) => transport.socket(),
            Link::Plain(socket) => socket,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Waiting,
    Sending,
    Complete,
}

struct Party {
    call: u32,
    stage: Stage,
    began: Option<Instant>,
    endpoint: Option<u32>,
    listener: Option<u32>,
    heard: bool,
}

/// What was counted between two moments.
#[derive(Clone, Default)]
pub struct Window {
    /// Packets that endpoints sent.
    pub sent: u64,
    /// Packets that should have arrived for those.
    pub expected: u64,
    /// Packets sent in the window that arrived, were authentic and were our own.
    pub received: u64,
    /// From just before `send` to the arrival at the receiving socket.
    pub delay: Histogram,
    /// How much later than its moment each packet was sent: whether the generator itself keeps up.
    pub lateness: Histogram,
    /// Packets that could not be decrypted, at any time.
    pub refused: u64,
}

/// How the devices behave.
#[derive(Clone, Copy)]
pub struct Manners {
    /// Parties of each call.
    pub parties: u32,
    /// Sound per packet.
    pub frame_ms: u64,
    /// Whether they send at all.
    pub speak: bool,
    /// Whether they listen on a connection of its own, as Janus wants it.
    pub separate_listener: bool,
    /// How many parties join at the same time.
    pub joins: usize,
}

/// See the module.
pub struct World {
    manners: Manners,
    stop: Stop,
    address: IpAddr,
    identity: Identity,
    epoll: Epoll,
    switchboard: Option<Switchboard>,
    endpoints: Vec<Endpoint>,
    parties: Vec<Party>,
    to_publish: VecDeque<u32>,
    to_subscribe: VecDeque<u32>,
    joining: usize,
    settling: Vec<u32>,
    wheel: Wheel,
    counting: Option<(u64, u64)>,
    window: Window,
    setup: Histogram,
    next_setup_tick: u64,
    next_consent_tick: u64,
    consent_cursor: usize,
    suite: Option<String>,
    headers: MultiHeaders<()>,
    buffers: Vec<[u8; MAX_DATAGRAM]>,
}

impl World {
    /// Nobody yet. `address` is where the devices' sockets are; `stop` makes whatever goes on fail.
    ///
    /// # Errors
    /// When the system lacks something.
    pub fn new(address: IpAddr, manners: Manners, switchboard: Option<Switchboard>, stop: Stop) -> Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        if let Some(switchboard) = &switchboard {
            epoll.add(switchboard.bell(), EpollEvent::new(EpollFlags::EPOLLIN, SWITCHBOARD))?;
        }
        // Sleeps end when they should, not up to 50 µs later. Where it cannot be had, lateness shows it.
        let _ = nix::sys::prctl::set_timerslack(1);
        let now = clock::now();
        Ok(Self {
            manners,
            stop,
            address,
            identity: Identity::new()?,
            epoll,
            switchboard,
            endpoints: Vec::new(),
            parties: Vec::new(),
            to_publish: VecDeque::new(),
            to_subscribe: VecDeque::new(),
            joining: 0,
            settling: Vec::new(),
            wheel: Wheel::new(manners.frame_ms, now),
            counting: None,
            window: Window::default(),
            setup: Histogram::default(),
            next_setup_tick: now,
            next_consent_tick: now,
            consent_cursor: 0,
            suite: None,
            headers: MultiHeaders::preallocate(BATCH, Some(nix::cmsg_space!(TimeSpec))),
            buffers: vec![[0; MAX_DATAGRAM]; BATCH],
        })
    }

    /// Where the devices send to, once there is one.
    pub fn contestant(&self) -> Option<SocketAddr> {
        self.endpoints.iter().find_map(|endpoint| endpoint.socket().peer_addr().ok())
    }

    /// How many parties there are.
    pub fn parties(&self) -> usize {
        self.parties.len()
    }

    /// How many calls there are.
    pub fn calls(&self) -> u32 {
        self.parties.len() as u32 / self.manners.parties
    }

    /// Times from a party's request to join to the first packet that it could decrypt. Who is first in a call waits for
    /// nobody and is not counted.
    pub fn setup(&self) -> &Histogram {
        &self.setup
    }

    /// The SRTP suite that was agreed on.
    pub fn suite(&self) -> Option<&str> {
        self.suite.as_deref()
    }

    /// Adds calls through the switchboard, and returns when everybody is heard.
    ///
    /// # Errors
    /// When one cannot be set up.
    pub fn add_calls(&mut self, calls: u32) -> Result<()> {
        let first = self.parties.len() as u32 / self.manners.parties;
        for index in 0..self.manners.parties {
            for call in first..first + calls {
                // The n-th parties of all calls, then the next: whoever joins finds others there.
                self.to_publish.push_back(call * self.manners.parties + index);
            }
        }
        for call in first..first + calls {
            for _ in 0..self.manners.parties {
                self.parties.push(Party {
                    call,
                    stage: Stage::Waiting,
                    began: None,
                    endpoint: None,
                    listener: None,
                    heard: false,
                });
            }
        }
        if self.manners.separate_listener {
            self.to_subscribe.extend(first * self.manners.parties..(first + calls) * self.manners.parties);
        }
        let mut waiting_for = (usize::MAX, Instant::now());
        loop {
            self.join_more()?;
            let left = self.parties.iter().filter(|party| party.stage != Stage::Complete).count();
            if left == 0 {
                return Ok(());
            }
            if left != waiting_for.0 {
                waiting_for = (left, Instant::now());
            } else if waiting_for.1.elapsed() > SETUP_PATIENCE {
                let (all, refused) = (self.parties.len(), self.window.refused);
                bail!("{left} of {all} parties hear nothing after {SETUP_PATIENCE:?}; {refused} packets were no good");
            }
            self.run(clock::now() + MILLISECOND)?;
        }
    }

    /// Adds a call without a switchboard: each party a socket and where it sends to.
    ///
    /// # Errors
    /// When a socket cannot be watched.
    pub fn add_plain_call(&mut self, sockets: Vec<(UdpSocket, Targets)>) -> Result<()> {
        let call = self.parties.len() as u32 / self.manners.parties;
        for (socket, targets) in sockets {
            let party = self.parties.len() as u32;
            let key = || Session::derive(&[7; 32], &[7; 12]);
            let outgoing = Outgoing { session: key()?, ssrc: ssrc_of(party), index: 1, timestamp: 0, targets };
            let link = Link::Plain(socket);
            let endpoint = self.watch(Endpoint {
                link,
                party,
                incoming: Some(key()?),
                outgoing: Some(outgoing),
                streams: Streams::default(),
                sends: true,
            })?;
            self.parties.push(Party {
                call,
                stage: Stage::Complete,
                began: None,
                endpoint: Some(endpoint),
                listener: None,
                heard: false,
            });
            if self.manners.speak {
                self.wheel.add(endpoint);
            }
        }
        Ok(())
    }

    /// Lets the devices talk for a while, and then counts for `seconds`; a moment more for what is still under way.
    /// `around` is called when counting begins and when it ends.
    ///
    /// # Errors
    /// When an endpoint fails.
    pub fn measure(&mut self, warm: f64, seconds: f64, mut around: impl FnMut() -> Result<()>) -> Result<Window> {
        self.run(clock::now() + (warm * SECOND as f64) as u64)?;
        around()?;
        let from = clock::now();
        let to = from + (seconds * SECOND as f64) as u64;
        self.window = Window::default();
        self.counting = Some((from, to));
        self.run(to)?;
        around()?;
        self.run(to + SECOND / 2)?;
        self.counting = None;
        Ok(std::mem::take(&mut self.window))
    }

    /// Runs until a moment.
    ///
    /// # Errors
    /// When an endpoint fails, or the run is to stop.
    pub fn run(&mut self, until: u64) -> Result<()> {
        let mut ready = [EpollEvent::empty(); READY];
        loop {
            self.stop.check()?;
            self.send_due();
            let now = clock::now();
            if now >= self.next_setup_tick {
                self.next_setup_tick = now + SETUP_TICK;
                self.tick_setup()?;
            }
            if now >= self.next_consent_tick {
                self.next_consent_tick = now + CONSENT_TICK;
                self.keep_paths_open()?;
            }
            if now >= until {
                return Ok(());
            }
            let count = match self.epoll.wait(&mut ready, EpollTimeout::ZERO) {
                Ok(count) => count,
                Err(Errno::EINTR) => 0,
                Err(error) => return Err(error).context("epoll"),
            };
            for event in &ready[..count] {
                match event.data() {
                    SWITCHBOARD => self.hear_switchboard()?,
                    endpoint => self.receive(endpoint as usize)?,
                }
            }
            if count == 0 {
                let due = self.wheel.next_due().unwrap_or(until);
                let timers = if self.settling.is_empty() { until } else { self.next_setup_tick };
                self.sleep_until(due.min(until).min(timers).min(self.next_consent_tick))?;
            }
        }
    }

    /// While somebody joins, whatever arrives wakes us. Otherwise nothing does until there is something to send or a
    /// millisecond is over: arrivals are stamped by the kernel, so that looking later changes no figure, and whoever
    /// sends does not pay for waking us, as no relay pays for waking a device across a network.
    fn sleep_until(&self, at: u64) -> Result<()> {
        let Some(span) = at.checked_sub(clock::now()).filter(|span| *span > 0) else { return Ok(()) };
        if self.joining == 0 {
            std::thread::sleep(Duration::from_nanos(span.min(MILLISECOND)));
            return Ok(());
        }
        let mut wait = [PollFd::new(self.epoll.0.as_fd(), PollFlags::POLLIN)];
        match ppoll(&mut wait, Some(TimeSpec::from_duration(Duration::from_nanos(span))), None) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(error) => Err(error).context("ppoll"),
        }
    }

    fn watch(&mut self, endpoint: Endpoint) -> Result<u32> {
        let number = self.endpoints.len() as u32;
        let event = EpollEvent::new(EpollFlags::EPOLLIN, u64::from(number));
        self.epoll.add(endpoint.socket(), event).context("cannot watch a socket")?;
        self.endpoints.push(endpoint);
        Ok(number)
    }

    // ---- joining -------------------------------------------------------------------------------------------------

    fn join_more(&mut self) -> Result<()> {
        while self.joining < self.manners.joins {
            if let Some(&party) = self.to_publish.front() {
                let first_of_call = party % self.manners.parties == 0;
                if !first_of_call && self.parties[party as usize - 1].stage == Stage::Waiting {
                    return Ok(());
                }
                self.to_publish.pop_front();
                self.publish(party)?;
            } else if let Some(&party) = self.to_subscribe.front() {
                if self.parties.iter().any(|party| party.stage == Stage::Waiting) {
                    return Ok(());
                }
                self.to_subscribe.pop_front();
                self.parties[party as usize].began = Some(Instant::now());
                self.joining += 1;
                let call = self.parties[party as usize].call;
                self.ask(Job::Subscribe { call, party })?;
            } else {
                return Ok(());
            }
        }
        Ok(())
    }

    fn publish(&mut self, party: u32) -> Result<()> {
        let transport = Transport::new(self.address)?;
        let slots = if self.manners.separate_listener { 0 } else { self.manners.parties as usize - 1 };
        let began = Instant::now();
        let offer = transport.offer(&self.identity, ssrc_of(party), slots);
        let endpoint = self.add_endpoint(transport, party, true)?;
        let call = self.parties[party as usize].call;
        let joined = &mut self.parties[party as usize];
        (joined.began, joined.endpoint) = (Some(began), Some(endpoint));
        self.joining += 1;
        self.ask(Job::Publish { call, party, offer })
    }

    fn add_endpoint(&mut self, transport: Transport, party: u32, sends: bool) -> Result<u32> {
        let link = Link::Server(Box::new(transport));
        let streams = Streams::default();
        self.watch(Endpoint { link, party, incoming: None, outgoing: None, streams, sends })
    }

    fn ask(&mut self, job: Job) -> Result<()> {
        self.switchboard.as_ref().context("no switchboard in this run")?.ask(job)
    }

    fn hear_switchboard(&mut self) -> Result<()> {
        while let Some(outcome) = self.switchboard.as_ref().and_then(Switchboard::hear) {
            match outcome {
                Outcome::Answer { party, answer } => {
                    let endpoint = self.parties[party as usize].endpoint.context("an answer nobody asked for")?;
                    self.begin(endpoint, sdp::read(&answer)?)?;
                }
                Outcome::Offer { party, offer } => {
                    let offer = sdp::read(&offer)?;
                    let transport = Transport::new(self.address)?;
                    let answer = transport.answer(&self.identity, &offer);
                    let endpoint = self.add_endpoint(transport, party, false)?;
                    self.parties[party as usize].listener = Some(endpoint);
                    self.begin(endpoint, offer)?;
                    let call = self.parties[party as usize].call;
                    self.ask(Job::Start { call, party, answer })?;
                }
                Outcome::Started => {}
                Outcome::Failed(why) => return Err(why),
            }
        }
        Ok(())
    }

    fn begin(&mut self, endpoint: u32, remote: sdp::Remote) -> Result<()> {
        if let Link::Server(transport) = &mut self.endpoints[endpoint as usize].link {
            transport.begin(remote, Instant::now())?;
            self.settling.push(endpoint);
        }
        Ok(())
    }

    fn tick_setup(&mut self) -> Result<()> {
        let now = Instant::now();
        let mut settling = std::mem::take(&mut self.settling);
        let mut failed = None;
        settling.retain(|endpoint| match &mut self.endpoints[*endpoint as usize].link {
            Link::Plain(_) => false,
            Link::Server(transport) => {
                failed = transport.tick(now).err().or(failed.take());
                !transport.settled()
            }
        });
        self.settling = settling;
        failed.map_or(Ok(()), Err)
    }

    fn connected(&mut self, endpoint: usize, keys: Keys) {
        let speak = self.manners.speak;
        let known = &mut self.endpoints[endpoint];
        if self.suite.is_none()
            && let Link::Server(transport) = &known.link
        {
            self.suite = transport.suite.map(|suite| suite.to_string());
        }
        let party = known.party;
        known.incoming = Some(keys.receive);
        if known.sends {
            let (ssrc, targets) = (ssrc_of(party), Targets::Server);
            known.outgoing = Some(Outgoing { session: keys.send, ssrc, index: 1, timestamp: 0, targets });
            if speak {
                self.wheel.add(endpoint as u32);
            }
        }
        let two = self.manners.separate_listener;
        let first_of_call = party.is_multiple_of(self.manners.parties);
        let known = &mut self.parties[party as usize];
        let was = known.stage;
        // Who is first hears nobody yet; who listens apart is heard of when that connection is there.
        known.stage = match was {
            Stage::Waiting if two || (speak && !first_of_call) => Stage::Sending,
            Stage::Sending if two && speak => Stage::Sending,
            _ => Stage::Complete,
        };
        if (was == Stage::Waiting && two) || known.stage == Stage::Complete {
            self.joining -= 1;
        }
    }

    fn keep_paths_open(&mut self) -> Result<()> {
        let count = (self.endpoints.len() as u64 * CONSENT_TICK).div_ceil(CONSENT) as usize;
        for _ in 0..count {
            self.consent_cursor = (self.consent_cursor + 1) % self.endpoints.len();
            if let Link::Server(transport) = &self.endpoints[self.consent_cursor].link {
                transport.check()?;
            }
        }
        Ok(())
    }

    // ---- media ---------------------------------------------------------------------------------------------------

    fn send_due(&mut self) {
        for _ in 0..SLOTS_AT_ONCE {
            let Some((due, who)) = self.wheel.take(clock::now()) else { return };
            for endpoint in who {
                let endpoint = &mut self.endpoints[*endpoint as usize];
                let sent_at = clock::now();
                let sent = speak(endpoint, self.manners.frame_ms);
                if self.counting.is_some_and(|(from, to)| (from..to).contains(&sent_at)) {
                    self.window.sent += sent;
                    self.window.lateness.record(sent_at.saturating_sub(due));
                    self.window.expected += u64::from(self.manners.parties - 1);
                }
            }
        }
    }

    fn receive(&mut self, number: usize) -> Result<()> {
        let mut got = [(0, 0); BATCH];
        let count =
            read_batch(self.endpoints[number].socket().as_raw_fd(), &mut self.headers, &mut self.buffers, &mut got);
        for (index, (length, stamp)) in got[..count].iter().copied().enumerate() {
            let first = self.buffers[index][0];
            match first {
                128..=191 if (192..=223).contains(&self.buffers[index][1]) => {}
                128..=191 => self.media(number, index, length, stamp),
                _ => self.control(number, index, length)?,
            }
        }
        Ok(())
    }

    fn control(&mut self, number: usize, buffer: usize, length: usize) -> Result<()> {
        let Link::Server(transport) = &mut self.endpoints[number].link else { return Ok(()) };
        let datagram = &self.buffers[buffer][..length];
        if let Some(keys) = transport.receive(&self.identity, datagram, Instant::now())? {
            self.connected(number, keys);
        }
        Ok(())
    }

    fn media(&mut self, number: usize, buffer: usize, length: usize, stamp: u64) {
        let endpoint = &mut self.endpoints[number];
        let Some(sent_at) = hear(endpoint, &mut self.buffers[buffer][..length]) else {
            self.window.refused += 1;
            return;
        };
        if let Some((from, to)) = self.counting
            && (from..to).contains(&sent_at)
        {
            self.window.received += 1;
            self.window.delay.record(stamp.saturating_sub(sent_at));
        }
        let party = &mut self.parties[endpoint.party as usize];
        if !party.heard {
            party.heard = true;
            if party.stage == Stage::Sending {
                party.stage = Stage::Complete;
                self.joining -= 1;
                if let Some(began) = party.began {
                    self.setup.record(began.elapsed().as_nanos() as u64);
                }
            }
        }
    }
}

/// The stream of a party; streams to several receivers count on from there.
fn ssrc_of(party: u32) -> u32 {
    0x0100_0000 + party * 16
}

/// Sends one frame to each target. Gives how many packets the system took.
fn speak(endpoint: &mut Endpoint, frame_ms: u64) -> u64 {
    let Some(outgoing) = &mut endpoint.outgoing else { return 0 };
    let socket = match &endpoint.link {
        Link::Server(transport) => transport.socket(),
        Link::Plain(socket) => socket,
    };
    outgoing.index += 1;
    outgoing.timestamp = outgoing.timestamp.wrapping_add(frame_ms as u32 * 48);
    let seal = |packet: &mut [u8; PACKET], stream: u32| {
        let (header, payload) = packet.split_at_mut(HEADER);
        let header = header.try_into().expect("invariant: split at its length");
        srtp::write_header(header, sdp::OPUS, outgoing.index as u16, outgoing.timestamp, outgoing.ssrc + stream);
        frame::write(&mut payload[..FRAME], endpoint.party, outgoing.index as u32, clock::now());
        outgoing.session.protect(packet, outgoing.index).is_ok()
    };
    // A send that fails is a packet that does not arrive, which is counted there.
    let mut packet = [0; PACKET];
    match &outgoing.targets {
        Targets::Server => u64::from(seal(&mut packet, 0) && socket.send(&packet).is_ok()),
        Targets::Direct(receivers) => {
            let send =
                |(stream, to): (u32, &SocketAddr)| seal(&mut packet, stream) && socket.send_to(&packet, to).is_ok();
            (0..).zip(receivers).map(send).filter(|sent| *sent).count() as u64
        }
        Targets::Channels(server, channels) => {
            let mut wrapped = [0; 4 + PACKET];
            let send = |(stream, channel): (u32, &u16)| {
                let (head, body) = wrapped.split_at_mut(4);
                head[..2].copy_from_slice(&channel.to_be_bytes());
                head[2..].copy_from_slice(&(PACKET as u16).to_be_bytes());
                seal(body.try_into().expect("invariant: split at its length"), stream)
                    && socket.send_to(&wrapped, server).is_ok()
            };
            (0..).zip(channels).map(send).filter(|sent| *sent).count() as u64
        }
    }
}

/// Decrypts a packet and gives the time at which one of us sent it.
fn hear(endpoint: &mut Endpoint, packet: &mut [u8]) -> Option<u64> {
    let session = endpoint.incoming.as_ref()?;
    let header = srtp::read_header(packet).ok()?;
    let index = endpoint.streams.guess(header).ok()?;
    let payload = session.open(packet, header, index).ok()?;
    endpoint.streams.seen(header.ssrc, index);
    frame::read(payload)
}

/// Reads what a socket has. Gives how many datagrams; `got` has each one's length and the time of its arrival.
fn read_batch(
    socket: RawFd,
    headers: &mut MultiHeaders<()>,
    buffers: &mut [[u8; MAX_DATAGRAM]],
    got: &mut [(usize, u64); BATCH],
) -> usize {
    let mut buffers = buffers.iter_mut();
    let mut slices: [[IoSliceMut<'_>; 1]; BATCH] = std::array::from_fn(|_| {
        [IoSliceMut::new(buffers.next().expect("invariant: a buffer for each").as_mut_slice())]
    });
    // An error belongs to an earlier datagram, or there is nothing.
    let Ok(messages) = recvmmsg(socket, headers, slices.iter_mut(), MsgFlags::MSG_DONTWAIT, None) else { return 0 };
    let mut count = 0;
    for (message, place) in messages.zip(got.iter_mut()) {
        let stamp = message.cmsgs().ok().and_then(|mut all| {
            all.find_map(|one| match one {
                ControlMessageOwned::ScmTimestampns(at) => Some(at.tv_sec() as u64 * SECOND + at.tv_nsec() as u64),
                _ => None,
            })
        });
        *place = (message.bytes, stamp.unwrap_or_else(clock::now));
        count += 1;
    }
    count
}
