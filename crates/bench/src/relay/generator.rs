//! The load generator: all devices of a run in one thread. Sets calls up, sends on schedule, and counts what arrives.

use crate::{
    cancellation::Cancellation,
    clock::{self, MILLISECOND, SECOND},
    histogram::Histogram,
    relay::{
        endpoint::{BATCH, Connection, Endpoint, Outgoing, Targets, read_batch, ssrc_of},
        schedule::SendSchedule,
        sdp,
        signalling::{Job, Outcome, SignallingThread},
        srtp::{Keys, Session},
        transport::{Identity, MAX_DATAGRAM, Transport},
    },
};
use anyhow::{Context, Result, bail};
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, ppoll},
    sys::{
        epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout},
        socket::MultiHeaders,
        time::TimeSpec,
    },
};
use std::{
    collections::VecDeque,
    net::{IpAddr, SocketAddr, UdpSocket},
    os::fd::{AsFd, AsRawFd},
    time::{Duration, Instant},
};

/// Events per `epoll_wait`.
const MAX_EVENTS: usize = 256;
/// Schedule slots that are sent before sockets are read again: 2 ms, so that a late generator still receives.
const MAX_SLOTS: usize = 40;
/// Timer interval of connecting endpoints, nanoseconds.
const SETUP_TICK: u64 = 2 * MILLISECOND;
/// Interval at which each endpoint renews its consent (RFC 7675 section 5.1), nanoseconds.
const CONSENT_INTERVAL: u64 = 5 * SECOND;
/// Interval at which a fraction of the endpoints renews, nanoseconds.
const CONSENT_TICK: u64 = 20 * MILLISECOND;
/// Epoll key of the signalling thread.
const SIGNALLING: u64 = u64::MAX;
/// The run fails when no further party could be set up for this long.
const SETUP_TIMEOUT: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, PartialEq, Eq)]
enum SetupState {
    /// Not connected.
    Joining,
    /// Connected, and has received nothing yet.
    Connected,
    /// Has received a packet, or has nothing to wait for.
    Complete,
}

struct Party {
    call: u32,
    state: SetupState,
    began: Option<Instant>,
    endpoint: Option<u32>,
    received: bool,
}

impl Party {
    fn new(call: u32, state: SetupState, endpoint: Option<u32>) -> Self {
        Self { call, state, began: None, endpoint, received: false }
    }
}

/// Counts of one measurement.
#[derive(Clone, Default)]
pub struct Measurement {
    /// Packets sent by endpoints.
    pub sent: u64,
    /// Packets that have to arrive for those.
    pub expected: u64,
    /// Authentic packets that arrived, of those sent during the measurement.
    pub received: u64,
    /// From just before `send` to the arrival at the receiving socket, nanoseconds.
    pub latency: Histogram,
    /// Delay of each packet behind its schedule: whether the generator itself keeps up, nanoseconds.
    pub lateness: Histogram,
    /// Packets that failed to decrypt, at any time.
    pub refused: u64,
}

/// What the devices do.
#[derive(Clone, Copy)]
pub struct LoadProfile {
    /// Parties per call.
    pub parties: u32,
    /// Frame duration, milliseconds.
    pub frame_ms: u64,
    /// Whether they send media.
    pub send: bool,
    /// Whether they receive on a second connection, as Janus requires.
    pub separate_subscriber: bool,
    /// Parties that join concurrently.
    pub joins: usize,
}

/// See the module.
pub struct Generator {
    profile: LoadProfile,
    cancellation: Cancellation,
    address: IpAddr,
    identity: Identity,
    epoll: Epoll,
    signalling: Option<SignallingThread>,
    endpoints: Vec<Endpoint>,
    parties: Vec<Party>,
    to_publish: VecDeque<u32>,
    to_subscribe: VecDeque<u32>,
    joining: usize,
    /// Endpoints with handshake timers.
    connecting: Vec<u32>,
    schedule: SendSchedule,
    /// Start and end of the current measurement.
    counting: Option<(u64, u64)>,
    measured: Measurement,
    setup: Histogram,
    next_setup_tick: u64,
    next_consent_tick: u64,
    consent_cursor: usize,
    suite: Option<String>,
    headers: MultiHeaders<()>,
    buffers: Vec<[u8; MAX_DATAGRAM]>,
}

impl Generator {
    /// A generator without devices. `address` is the local address of their sockets.
    ///
    /// # Errors
    /// When the system refuses a resource.
    pub fn new(
        address: IpAddr,
        profile: LoadProfile,
        signalling: Option<SignallingThread>,
        cancellation: Cancellation,
    ) -> Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        if let Some(signalling) = &signalling {
            epoll.add(signalling.ready_fd(), EpollEvent::new(EpollFlags::EPOLLIN, SIGNALLING))?;
        }
        // The default timer slack of 50 µs would delay packets. If it cannot be changed, the lateness shows it.
        let _ = nix::sys::prctl::set_timerslack(1);
        let now = clock::now();
        Ok(Self {
            profile,
            cancellation,
            address,
            identity: Identity::new()?,
            epoll,
            signalling,
            endpoints: Vec::new(),
            parties: Vec::new(),
            to_publish: VecDeque::new(),
            to_subscribe: VecDeque::new(),
            joining: 0,
            connecting: Vec::new(),
            schedule: SendSchedule::new(profile.frame_ms, now),
            counting: None,
            measured: Measurement::default(),
            setup: Histogram::default(),
            next_setup_tick: now,
            next_consent_tick: now,
            consent_cursor: 0,
            suite: None,
            headers: MultiHeaders::preallocate(BATCH, Some(nix::cmsg_space!(TimeSpec))),
            buffers: vec![[0; MAX_DATAGRAM]; BATCH],
        })
    }

    /// The address that the devices send to, once one is connected.
    pub fn server_address(&self) -> Option<SocketAddr> {
        self.endpoints.iter().find_map(|endpoint| endpoint.socket().peer_addr().ok())
    }

    /// Number of parties.
    pub fn parties(&self) -> usize {
        self.parties.len()
    }

    /// Number of calls.
    pub fn calls(&self) -> u32 {
        self.parties.len() as u32 / self.profile.parties
    }

    /// Setup times: from a party's join request to the first packet that it decrypts. The first party of a call has
    /// nobody to receive from and is not counted.
    pub fn setup(&self) -> &Histogram {
        &self.setup
    }

    /// The negotiated SRTP suite.
    pub fn suite(&self) -> Option<&str> {
        self.suite.as_deref()
    }

    /// Adds calls through signalling, and returns when every party receives media.
    ///
    /// # Errors
    /// When one cannot be set up.
    pub fn add_calls(&mut self, calls: u32) -> Result<()> {
        let first = self.parties.len() as u32 / self.profile.parties;
        for index in 0..self.profile.parties {
            for call in first..first + calls {
                // The n-th parties of all calls before the next ones, so that joining parties find others in the call.
                self.to_publish.push_back(call * self.profile.parties + index);
            }
        }
        for call in first..first + calls {
            (0..self.profile.parties).for_each(|_| self.parties.push(Party::new(call, SetupState::Joining, None)));
        }
        if self.profile.separate_subscriber {
            self.to_subscribe.extend(first * self.profile.parties..(first + calls) * self.profile.parties);
        }
        let mut progress = (usize::MAX, Instant::now());
        loop {
            self.join_more()?;
            let left = self.parties.iter().filter(|party| party.state != SetupState::Complete).count();
            if left == 0 {
                return Ok(());
            }
            if left != progress.0 {
                progress = (left, Instant::now());
            } else if progress.1.elapsed() > SETUP_TIMEOUT {
                let (all, refused) = (self.parties.len(), self.measured.refused);
                bail!(
                    "{left} of {all} parties receive nothing after {SETUP_TIMEOUT:?}; {refused} packets failed to decrypt"
                );
            }
            self.run(clock::now() + MILLISECOND)?;
        }
    }

    /// Adds a call without signalling, with the socket and targets of each party.
    ///
    /// # Errors
    /// When a socket cannot be registered.
    pub fn add_plain_call(&mut self, sockets: Vec<(UdpSocket, Targets)>) -> Result<()> {
        let call = self.calls();
        for (socket, targets) in sockets {
            let party = self.parties.len() as u32;
            let key = || Session::derive(&[7; 32], &[7; 12]);
            let mut endpoint = Endpoint::new(Connection::Plain(socket), party, true);
            endpoint.incoming = Some(key()?);
            endpoint.outgoing = Some(Outgoing::new(key()?, party, targets));
            let endpoint = self.add_endpoint(endpoint)?;
            self.parties.push(Party::new(call, SetupState::Complete, Some(endpoint)));
            if self.profile.send {
                self.schedule.add(endpoint);
            }
        }
        Ok(())
    }

    /// Runs for `warm` seconds, counts for `seconds`, and waits half a second for packets in flight. `sample` is called
    /// at the start and at the end of counting.
    ///
    /// # Errors
    /// When an endpoint fails.
    pub fn measure(&mut self, warm: f64, seconds: f64, mut sample: impl FnMut() -> Result<()>) -> Result<Measurement> {
        self.run(clock::now() + (warm * SECOND as f64) as u64)?;
        sample()?;
        let from = clock::now();
        let to = from + (seconds * SECOND as f64) as u64;
        self.measured = Measurement::default();
        self.counting = Some((from, to));
        self.run(to)?;
        sample()?;
        self.run(to + SECOND / 2)?;
        self.counting = None;
        Ok(std::mem::take(&mut self.measured))
    }

    /// Runs until a time.
    ///
    /// # Errors
    /// When an endpoint fails, or the run is cancelled.
    pub fn run(&mut self, until: u64) -> Result<()> {
        let mut ready = [EpollEvent::empty(); MAX_EVENTS];
        loop {
            self.cancellation.check()?;
            self.send_due();
            let now = clock::now();
            if now >= self.next_setup_tick {
                self.next_setup_tick = now + SETUP_TICK;
                self.tick_connecting()?;
            }
            if now >= self.next_consent_tick {
                self.next_consent_tick = now + CONSENT_TICK;
                self.renew_consent()?;
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
                    SIGNALLING => self.on_signalling()?,
                    endpoint => self.receive(endpoint as usize)?,
                }
            }
            if count == 0 {
                let due = self.schedule.next_due().unwrap_or(until);
                let timers = if self.connecting.is_empty() { until } else { self.next_setup_tick };
                self.sleep_until(due.min(until).min(timers).min(self.next_consent_tick))?;
            }
        }
    }

    /// While parties join, any arrival wakes the generator. During a measurement it sleeps until something is to be sent,
    /// at most a millisecond: arrivals are stamped by the kernel, so reading them later changes no figure, and the server
    /// is not charged for waking the generator, as it would not be across a network.
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

    fn add_endpoint(&mut self, endpoint: Endpoint) -> Result<u32> {
        let number = self.endpoints.len() as u32;
        let event = EpollEvent::new(EpollFlags::EPOLLIN, u64::from(number));
        self.epoll.add(endpoint.socket(), event).context("cannot register a socket")?;
        self.endpoints.push(endpoint);
        Ok(number)
    }

    fn join_more(&mut self) -> Result<()> {
        while self.joining < self.profile.joins {
            if let Some(&party) = self.to_publish.front() {
                let first_of_call = party % self.profile.parties == 0;
                if !first_of_call && self.parties[party as usize - 1].state == SetupState::Joining {
                    return Ok(());
                }
                self.to_publish.pop_front();
                self.publish(party)?;
            } else if let Some(&party) = self.to_subscribe.front() {
                if self.parties.iter().any(|party| party.state == SetupState::Joining) {
                    return Ok(());
                }
                self.to_subscribe.pop_front();
                self.parties[party as usize].began = Some(Instant::now());
                self.joining += 1;
                let call = self.parties[party as usize].call;
                self.submit(Job::Subscribe { call, party })?;
            } else {
                return Ok(());
            }
        }
        Ok(())
    }

    fn publish(&mut self, party: u32) -> Result<()> {
        let transport = Transport::new(self.address)?;
        let slots = if self.profile.separate_subscriber { 0 } else { self.profile.parties as usize - 1 };
        let began = Instant::now();
        let offer = transport.offer(&self.identity, ssrc_of(party), slots);
        let connection = Connection::Server(Box::new(transport));
        let endpoint = self.add_endpoint(Endpoint::new(connection, party, true))?;
        let joined = &mut self.parties[party as usize];
        (joined.began, joined.endpoint) = (Some(began), Some(endpoint));
        let call = joined.call;
        self.joining += 1;
        self.submit(Job::Publish { call, party, offer })
    }

    fn submit(&mut self, job: Job) -> Result<()> {
        self.signalling.as_ref().context("invariant: this run has signalling")?.submit(job)
    }

    fn on_signalling(&mut self) -> Result<()> {
        while let Some(outcome) = self.signalling.as_ref().and_then(SignallingThread::next) {
            match outcome {
                Outcome::Answer { party, answer } => {
                    let endpoint = self.parties[party as usize].endpoint.context("an unsolicited answer")?;
                    self.connect(endpoint, sdp::read(&answer)?)?;
                }
                Outcome::Offer { party, offer } => {
                    let offer = sdp::read(&offer)?;
                    let transport = Transport::new(self.address)?;
                    let answer = transport.answer(&self.identity, &offer);
                    let connection = Connection::Server(Box::new(transport));
                    let endpoint = self.add_endpoint(Endpoint::new(connection, party, false))?;
                    self.connect(endpoint, offer)?;
                    let call = self.parties[party as usize].call;
                    self.submit(Job::Start { call, party, answer })?;
                }
                Outcome::Started => {}
                Outcome::Failed(why) => return Err(why),
            }
        }
        Ok(())
    }

    fn connect(&mut self, endpoint: u32, remote: sdp::Remote) -> Result<()> {
        if let Connection::Server(transport) = &mut self.endpoints[endpoint as usize].connection {
            transport.connect(remote, Instant::now())?;
            self.connecting.push(endpoint);
        }
        Ok(())
    }

    fn tick_connecting(&mut self) -> Result<()> {
        let now = Instant::now();
        let mut connecting = std::mem::take(&mut self.connecting);
        let mut failed = None;
        connecting.retain(|endpoint| match &mut self.endpoints[*endpoint as usize].connection {
            Connection::Plain(_) => false,
            Connection::Server(transport) => {
                failed = transport.handle_timeout(now).err().or(failed.take());
                !transport.is_settled()
            }
        });
        self.connecting = connecting;
        failed.map_or(Ok(()), Err)
    }

    fn on_connected(&mut self, number: usize, keys: Keys) {
        let send = self.profile.send;
        let endpoint = &mut self.endpoints[number];
        if self.suite.is_none()
            && let Connection::Server(transport) = &endpoint.connection
        {
            self.suite = transport.suite.map(|suite| suite.to_string());
        }
        let party = endpoint.party;
        endpoint.incoming = Some(keys.receive);
        if endpoint.sends {
            endpoint.outgoing = Some(Outgoing::new(keys.send, party, Targets::Server));
            if send {
                self.schedule.add(number as u32);
            }
        }
        let separate = self.profile.separate_subscriber;
        let first_of_call = party.is_multiple_of(self.profile.parties);
        let party = &mut self.parties[party as usize];
        let previous = party.state;
        // The first party of a call has nobody to receive from; a separate subscriber completes on its own connection.
        party.state = match previous {
            SetupState::Joining if separate || (send && !first_of_call) => SetupState::Connected,
            SetupState::Connected if separate && send => SetupState::Connected,
            _ => SetupState::Complete,
        };
        if (previous == SetupState::Joining && separate) || party.state == SetupState::Complete {
            self.joining -= 1;
        }
    }

    fn renew_consent(&mut self) -> Result<()> {
        let count = (self.endpoints.len() as u64 * CONSENT_TICK).div_ceil(CONSENT_INTERVAL) as usize;
        for _ in 0..count {
            self.consent_cursor = (self.consent_cursor + 1) % self.endpoints.len();
            if let Connection::Server(transport) = &self.endpoints[self.consent_cursor].connection {
                transport.send_check()?;
            }
        }
        Ok(())
    }

    fn send_due(&mut self) {
        for _ in 0..MAX_SLOTS {
            let Some((due, endpoints)) = self.schedule.take(clock::now()) else { return };
            for endpoint in endpoints {
                let sent_at = clock::now();
                let sent = self.endpoints[*endpoint as usize].send_frame(self.profile.frame_ms);
                if self.counting.is_some_and(|(from, to)| (from..to).contains(&sent_at)) {
                    self.measured.sent += sent;
                    self.measured.lateness.record(sent_at.saturating_sub(due));
                    self.measured.expected += u64::from(self.profile.parties - 1);
                }
            }
        }
    }

    fn receive(&mut self, number: usize) -> Result<()> {
        let mut read = [(0, 0); BATCH];
        let socket = self.endpoints[number].socket().as_raw_fd();
        let count = read_batch(socket, &mut self.headers, &mut self.buffers, &mut read);
        for (index, (length, stamp)) in read[..count].iter().copied().enumerate() {
            let first = self.buffers[index][0];
            match first {
                // RTCP is ignored.
                128..=191 if (192..=223).contains(&self.buffers[index][1]) => {}
                128..=191 => self.on_media(number, index, length, stamp),
                _ => self.on_control(number, index, length)?,
            }
        }
        Ok(())
    }

    fn on_control(&mut self, number: usize, buffer: usize, length: usize) -> Result<()> {
        let Connection::Server(transport) = &mut self.endpoints[number].connection else { return Ok(()) };
        let datagram = &self.buffers[buffer][..length];
        if let Some(keys) = transport.receive(&self.identity, datagram, Instant::now())? {
            self.on_connected(number, keys);
        }
        Ok(())
    }

    fn on_media(&mut self, number: usize, buffer: usize, length: usize, stamp: u64) {
        let endpoint = &mut self.endpoints[number];
        let Some(sent_at) = endpoint.receive_frame(&mut self.buffers[buffer][..length]) else {
            self.measured.refused += 1;
            return;
        };
        if let Some((from, to)) = self.counting
            && (from..to).contains(&sent_at)
        {
            self.measured.received += 1;
            self.measured.latency.record(stamp.saturating_sub(sent_at));
        }
        let party = &mut self.parties[endpoint.party as usize];
        if !party.received {
            party.received = true;
            if party.state == SetupState::Connected {
                party.state = SetupState::Complete;
                self.joining -= 1;
                if let Some(began) = party.began {
                    self.setup.record(began.elapsed().as_nanos() as u64);
                }
            }
        }
    }
}
