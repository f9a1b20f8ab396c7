//! The engine: when a message is sent to which device, and what becomes of it. Time is an argument.

use crate::{
    allowance::{Allowance, Rate},
    limits::{
        MAX_CONCURRENT_PUSHES, MAX_CONCURRENT_RING_PUSHES, MAX_PUSH_RETRY_MS, MAX_PUSHES_PER_DEVICE, PUSH_BURST,
        PUSH_INTERVAL_MS, PUSH_RETRY_MS, RING_PUSH_BURST, RING_PUSH_INTERVAL_MS, RING_PUSH_RETRY_MS,
    },
    store::PushRow,
    switchboard::{Push, PushCommand},
};
use std::collections::{BTreeMap, VecDeque};
use telcon_proto::{CallId, DeviceId, push::PushAbout};

/// The limits of one lane.
#[derive(Debug)]
struct Limits {
    /// How often one device is sent something.
    rate: Rate,
    /// The sustained interval of it, milliseconds.
    interval_ms: u64,
    /// Attempts under way at the same time, to all devices.
    concurrent: usize,
    /// Delay before the first repetition, milliseconds.
    retry_ms: u64,
}

const ALERTS: Limits = Limits {
    rate: Rate::every_ms(PUSH_INTERVAL_MS, PUSH_BURST),
    interval_ms: PUSH_INTERVAL_MS,
    concurrent: MAX_CONCURRENT_PUSHES,
    retry_ms: PUSH_RETRY_MS,
};
const RINGS: Limits = Limits {
    rate: Rate::every_ms(RING_PUSH_INTERVAL_MS, RING_PUSH_BURST),
    interval_ms: RING_PUSH_INTERVAL_MS,
    concurrent: MAX_CONCURRENT_RING_PUSHES,
    retry_ms: RING_PUSH_RETRY_MS,
};

/// A message to be sent now, whose result the engine waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attempt {
    /// Number of the attempt.
    pub id: u64,
    pub push: Push,
    /// How long the push service keeps it for a browser that is not connected, seconds.
    pub ttl_s: u64,
}

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The push service accepted it.
    Accepted,
    /// The push service does not know the subscription any more.
    Gone,
    /// The push service does not take this message.
    Refused,
    /// It failed. The push service may have said after how long to try again, milliseconds.
    Failed { retry_ms: Option<u64> },
}

/// What the engine reports to the switchboard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The message need not be sent again.
    Settled(DeviceId, PushAbout),
    /// The subscription with this address is over.
    Gone(DeviceId, String),
}

/// An attempt that is under way.
#[derive(Debug)]
struct UnderWay {
    /// Number of the attempt.
    id: u64,
    /// What it sends.
    push: Push,
    /// Whether the switchboard withdrew the message meanwhile: if the attempt fails, it is not repeated.
    withdrawn: bool,
}

/// A message that waits.
#[derive(Debug)]
struct Message {
    push: Push,
    /// An attempt failed: the push service may have taken it nevertheless.
    attempted: bool,
}

/// What waits for one device.
#[derive(Debug, Default)]
struct Waiting {
    messages: VecDeque<Message>,
    under_way: Option<UnderWay>,
    failures: u32,
    /// No attempt before this time.
    not_before_ms: u64,
    allowance: Allowance,
}

impl Message {
    /// Whether somebody waits for its person, and nothing was tried yet.
    fn is_new_ring(&self) -> bool {
        !self.attempted && matches!(self.push.about, PushAbout::Ring { .. } | PushAbout::Asked { .. })
    }
}

impl Waiting {
    /// Drops a message if more wait than are kept: the oldest alert, or the end of a ring before a ring. Returns what has to be reported
    /// as settled; an alert is stated again at the next start.
    fn limit(&mut self) -> Option<Push> {
        if self.messages.len() <= MAX_PUSHES_PER_DEVICE {
            return None;
        }
        let is_over = |message: &Message| matches!(message.push.about, PushAbout::RingOver { .. });
        let at = match self.messages.front()?.push.about {
            PushAbout::Alert { .. } => 0,
            _ => self.messages.iter().position(is_over).unwrap_or(self.messages.len() - 1),
        };
        let dropped = self.messages.remove(at)?;
        (!matches!(dropped.push.about, PushAbout::Alert { .. })).then_some(dropped.push)
    }

    /// Sends none of these messages any more. The attempt under way cannot be stopped, but is not repeated.
    fn withdraw(&mut self) {
        self.messages.clear();
        if let Some(attempt) = &mut self.under_way {
            attempt.withdrawn = true;
        }
    }

    /// Sends the ring of this call, or that somebody is asked to it, no more. Returns whether its push service cannot have heard of it.
    fn withdraw_ring(&mut self, call: CallId) -> bool {
        let is_ring = |push: &Push| match push.about {
            PushAbout::Ring { call: of, .. } | PushAbout::Asked { call: of, .. } => of == call,
            PushAbout::Alert { .. } | PushAbout::RingOver { .. } => false,
        };
        if let Some(attempt) = self.under_way.as_mut().filter(|attempt| is_ring(&attempt.push)) {
            attempt.withdrawn = true;
            return false;
        }
        let waiting = self.messages.iter().position(|message| is_ring(&message.push));
        waiting.and_then(|at| self.messages.remove(at)).is_some_and(|message| !message.attempted)
    }
}

/// Whether two messages say the same to the same subscription. [`PushRow::notified_below`] rises while a message is sent.
fn is_same(one: &Push, other: &Push) -> bool {
    let PushRow { device, endpoint, key, auth, notified_below: _ } = &one.to;
    let to = &other.to;
    one.about == other.about && (device, endpoint, key, auth) == (&to.device, &to.endpoint, &to.key, &to.auth)
}

/// All messages that were not sent: those about rings wait for none about alerts.
#[derive(Debug)]
pub(super) struct Queue {
    rings: Lane,
    alerts: Lane,
    next_id: u64,
}

impl Default for Queue {
    fn default() -> Self {
        Self { rings: Lane::new(RINGS), alerts: Lane::new(ALERTS), next_id: 0 }
    }
}

impl Queue {
    pub fn command(&mut self, command: PushCommand) {
        match command {
            PushCommand::Restart => self.lanes().for_each(|lane| lane.devices.values_mut().for_each(Waiting::withdraw)),
            PushCommand::Forget(device) => self.lanes().for_each(|lane| lane.forget(device)),
            PushCommand::Withdraw(device, call) => {
                if let Some(waiting) = self.rings.devices.get_mut(&device) {
                    waiting.withdraw_ring(call);
                }
            }
            PushCommand::Send(push) => match push.about {
                PushAbout::Alert { .. } => self.alerts.send(*push),
                PushAbout::Ring { .. } | PushAbout::Asked { .. } | PushAbout::RingOver { .. } => self.rings.send(*push),
            },
        }
    }

    /// The next message to be sent now.
    pub fn next(&mut self, now_ms: u64) -> Option<Attempt> {
        let id = self.next_id;
        let attempt = self.rings.next(id, now_ms).or_else(|| self.alerts.next(id, now_ms))?;
        self.next_id += 1;
        Some(attempt)
    }

    /// An attempt of this number ended.
    pub fn done(&mut self, device: DeviceId, id: u64, outcome: Outcome, now_ms: u64) {
        self.lanes().for_each(|lane| lane.done(device, id, outcome, now_ms));
    }

    /// When [`Queue::next`] has something to do that it has not now.
    pub fn next_timeout(&self) -> Option<u64> {
        [&self.rings, &self.alerts].into_iter().filter_map(Lane::next_timeout).min()
    }

    /// The clock was set: what was waited for in the former time is not waited for any more.
    pub fn clock_set(&mut self) {
        for waiting in self.lanes().flat_map(|lane| lane.devices.values_mut()) {
            (waiting.not_before_ms, waiting.allowance) = (0, Allowance::default());
        }
    }

    /// What happened since it was last asked.
    pub fn take_events(&mut self) -> Vec<Event> {
        self.lanes().flat_map(|lane| std::mem::take(&mut lane.events)).collect()
    }

    fn lanes(&mut self) -> impl Iterator<Item = &mut Lane> {
        [&mut self.rings, &mut self.alerts].into_iter()
    }
}

/// The messages of one kind.
#[derive(Debug)]
struct Lane {
    limits: Limits,
    devices: BTreeMap<DeviceId, Waiting>,
    under_way: usize,
    /// The device of the last attempt: the others have their turn first.
    last: Option<DeviceId>,
    events: Vec<Event>,
}

impl Lane {
    fn new(limits: Limits) -> Self {
        Self { limits, devices: BTreeMap::new(), under_way: 0, last: None, events: Vec::new() }
    }

    fn forget(&mut self, device: DeviceId) {
        if let Some(waiting) = self.devices.get_mut(&device) {
            // The next subscription may be at another push service, which refused nothing.
            (waiting.failures, waiting.not_before_ms) = (0, 0);
            waiting.withdraw();
        }
    }

    fn send(&mut self, push: Push) {
        let waiting = self.devices.entry(push.to.device).or_default();
        if let Some(attempt) = waiting.under_way.as_mut().filter(|attempt| is_same(&attempt.push, &push)) {
            attempt.withdrawn = false;
            return;
        }
        let message = Message { push, attempted: false };
        match message.push.about {
            PushAbout::Alert { .. } => waiting.messages.push_back(message),
            PushAbout::Ring { .. } | PushAbout::Asked { .. } => {
                // It is tried at once, whatever failed before, and before what tells of rings that are over.
                (waiting.failures, waiting.not_before_ms) = (0, 0);
                waiting.messages.push_front(message);
            }
            PushAbout::RingOver { call, missed } => {
                let unknown = waiting.withdraw_ring(call);
                if unknown && !missed {
                    // Nothing is shown there that would have to be replaced.
                    self.events.push(Event::Settled(message.push.to.device, message.push.about));
                    return;
                }
                waiting.messages.push_back(message);
            }
        }
        let dropped = waiting.limit();
        self.events.extend(dropped.map(|push| Event::Settled(push.to.device, push.about)));
    }

    fn next(&mut self, id: u64, now_ms: u64) -> Option<Attempt> {
        self.drop_expired(now_ms);
        if self.under_way == self.limits.concurrent {
            return None;
        }
        let ready = self.devices.iter_mut().filter(|(_, waiting)| {
            waiting.under_way.is_none() && !waiting.messages.is_empty() && waiting.not_before_ms <= now_ms
        });
        let mut turn: Vec<_> = ready.collect();
        // Stable: those before and those after the last one stay in order.
        turn.sort_by_key(|(device, _)| Some(**device) <= self.last);
        for (device, waiting) in turn {
            if !waiting.allowance.take(self.limits.rate, now_ms) {
                waiting.not_before_ms = now_ms + self.limits.interval_ms;
                continue;
            }
            let Some(Message { push, .. }) = waiting.messages.pop_front() else { continue };
            self.under_way += 1;
            self.last = Some(*device);
            waiting.under_way = Some(UnderWay { id, push: push.clone(), withdrawn: false });
            let ttl_s = push.until_ms.saturating_sub(now_ms) / 1000;
            return Some(Attempt { id, push, ttl_s });
        }
        None
    }

    fn done(&mut self, device: DeviceId, id: u64, outcome: Outcome, now_ms: u64) {
        let Some(waiting) = self.devices.get_mut(&device) else { return };
        let Some(UnderWay { push, withdrawn, .. }) = waiting.under_way.take_if(|attempt| attempt.id == id) else {
            return;
        };
        self.under_way -= 1;
        match outcome {
            Outcome::Accepted | Outcome::Refused => {
                waiting.failures = 0;
                self.events.push(Event::Settled(device, push.about));
            }
            Outcome::Gone => {
                // Of this subscription alone: those of a newer one wait on.
                waiting.messages.retain(|other| other.push.to.endpoint != push.to.endpoint);
                self.events.push(Event::Gone(device, push.to.endpoint));
            }
            Outcome::Failed { .. } if withdrawn => {}
            Outcome::Failed { retry_ms } => {
                // A ring that came meanwhile is of use for seconds: it is tried first, and at once.
                let rings = waiting.messages.iter().take_while(|message| message.is_new_ring()).count();
                if rings == 0 {
                    let longest = push.until_ms.saturating_sub(now_ms);
                    let backoff =
                        self.limits.retry_ms.saturating_mul(1 << waiting.failures.min(16)).min(MAX_PUSH_RETRY_MS);
                    waiting.failures = waiting.failures.saturating_add(1);
                    waiting.not_before_ms = now_ms + retry_ms.unwrap_or(0).max(backoff).min(longest.max(backoff));
                }
                waiting.messages.insert(rings, Message { push, attempted: true });
                let dropped = waiting.limit();
                self.events.extend(dropped.map(|push| Event::Settled(push.to.device, push.about)));
            }
        }
    }

    fn next_timeout(&self) -> Option<u64> {
        let idle = self.devices.values().filter(|waiting| waiting.under_way.is_none());
        idle.filter_map(|waiting| {
            let until = waiting.messages.iter().map(|message| message.push.until_ms).min()?;
            // While the limit is reached, the end of an attempt is waited for.
            let is_full = self.under_way == self.limits.concurrent;
            Some(if is_full { until } else { waiting.not_before_ms.min(until) })
        })
        .min()
    }

    /// Messages that are of no use any more; and devices of which nothing has to be remembered.
    fn drop_expired(&mut self, now_ms: u64) {
        for (device, waiting) in &mut self.devices {
            let events = &mut self.events;
            waiting.messages.retain(|Message { push, .. }| {
                let useful = push.until_ms > now_ms;
                if !useful {
                    events.push(Event::Settled(*device, push.about));
                }
                useful
            });
        }
        self.devices.retain(|_, waiting| {
            let rested = waiting.allowance.is_full(now_ms);
            !waiting.messages.is_empty() || waiting.under_way.is_some() || waiting.not_before_ms > now_ms || !rested
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use telcon_proto::{AlertKind, Blob};

    const START: u64 = 1_000_000_000;
    const DAY_MS: u64 = 24 * 60 * 60 * 1000;

    fn device(n: u8) -> DeviceId {
        DeviceId::from_bytes([n; 16])
    }

    fn about(entry: u64) -> PushAbout {
        PushAbout::Alert { kind: AlertKind::DeviceAsked, entry }
    }

    fn push(n: u8, entry: u64) -> Push {
        let endpoint = format!("https://push.example/{n}");
        let to = PushRow { device: device(n), endpoint, key: Blob(vec![4]), auth: Blob(vec![1]), notified_below: 0 };
        Push { to, about: about(entry), until_ms: START + DAY_MS }
    }

    fn send(queue: &mut Queue, n: u8, entry: u64) {
        queue.command(PushCommand::Send(Box::new(push(n, entry))));
    }

    fn entry(attempt: &Attempt) -> u64 {
        match attempt.push.about {
            PushAbout::Alert { entry, .. } => entry,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_device_is_sent_one_message_after_another_and_each_once() {
        let mut queue = Queue::default();
        for entry in 1..=3 {
            send(&mut queue, 1, entry);
        }
        let mut seen = Vec::new();
        while let Some(attempt) = queue.next(START) {
            assert_eq!(queue.next(START), None, "one at a time");
            assert_eq!(attempt.ttl_s, DAY_MS / 1000);
            seen.push(entry(&attempt));
            queue.done(device(1), attempt.id, Outcome::Accepted, START);
            queue.done(device(1), attempt.id, Outcome::Accepted, START);
        }
        assert_eq!(seen, [1, 2, 3]);
        let told: Vec<Event> = (1..=3).map(|entry| Event::Settled(device(1), about(entry))).collect();
        assert_eq!(queue.take_events(), told);
        assert_eq!((queue.take_events(), queue.next_timeout()), (Vec::new(), None));
    }

    #[test]
    fn a_failed_message_is_sent_again_ever_later_until_it_is_of_no_use() {
        let mut queue = Queue::default();
        send(&mut queue, 1, 1);
        let (mut now, mut waits) = (START, Vec::new());
        while let Some(attempt) = queue.next(now) {
            queue.done(device(1), attempt.id, Outcome::Failed { retry_ms: None }, now);
            let Some(at) = queue.next_timeout() else { break };
            waits.push(at - now);
            now = at;
        }
        assert_eq!(waits[..4], [5_000, 10_000, 20_000, 40_000]);
        assert!(waits.iter().all(|wait| *wait <= MAX_PUSH_RETRY_MS) && waits.contains(&MAX_PUSH_RETRY_MS));
        assert!(now >= START + DAY_MS, "it was tried for as long as it is of use");
        assert_eq!(queue.take_events(), [Event::Settled(device(1), about(1))], "and is not stated again at a restart");
        assert_eq!(queue.next_timeout(), None);
    }

    #[test]
    fn a_push_service_that_asks_for_more_time_gets_it_but_no_more_than_the_message_lives() {
        let mut queue = Queue::default();
        send(&mut queue, 1, 1);
        let attempt = queue.next(START).unwrap();
        queue.done(device(1), attempt.id, Outcome::Failed { retry_ms: Some(120_000) }, START);
        assert_eq!((queue.next(START + 119_999), queue.next_timeout()), (None, Some(START + 120_000)));
        let again = queue.next(START + 120_000).unwrap();
        assert_eq!((entry(&again), again.ttl_s), (1, DAY_MS / 1000 - 120));
        queue.done(device(1), again.id, Outcome::Failed { retry_ms: Some(u64::MAX) }, START + 120_000);
        assert_eq!(queue.next_timeout(), Some(START + DAY_MS));
    }

    #[test]
    fn an_address_that_is_gone_is_sent_nothing_more_and_a_newer_one_is() {
        let mut queue = Queue::default();
        send(&mut queue, 1, 1);
        send(&mut queue, 1, 2);
        let attempt = queue.next(START).unwrap();
        let mut newer = push(1, 3);
        newer.to.endpoint = "https://push.example/newer".into();
        queue.command(PushCommand::Send(Box::new(newer)));
        queue.done(device(1), attempt.id, Outcome::Gone, START);
        assert_eq!(queue.take_events(), [Event::Gone(device(1), "https://push.example/1".into())]);
        assert_eq!(queue.next(START).map(|attempt| entry(&attempt)), Some(3));
    }

    #[test]
    fn a_refused_message_is_not_sent_again() {
        let mut queue = Queue::default();
        send(&mut queue, 1, 1);
        let attempt = queue.next(START).unwrap();
        queue.done(device(1), attempt.id, Outcome::Refused, START);
        assert_eq!((queue.next(START), queue.take_events()), (None, vec![Event::Settled(device(1), about(1))]));
    }

    #[test]
    fn a_device_gets_a_burst_and_then_one_in_each_interval_and_the_newest_of_what_waits() {
        let mut queue = Queue::default();
        let mut sent = 0;
        for number in 0..PUSH_BURST + 20 {
            send(&mut queue, 1, u64::from(number));
            while let Some(attempt) = queue.next(START) {
                queue.done(device(1), attempt.id, Outcome::Accepted, START);
                sent += 1;
            }
        }
        assert_eq!(sent, PUSH_BURST);
        let mut later = Vec::new();
        let mut now = START;
        while let Some(at) = queue.next_timeout() {
            now = at;
            while let Some(attempt) = queue.next(now) {
                queue.done(device(1), attempt.id, Outcome::Accepted, now);
                later.push(entry(&attempt));
            }
        }
        let first = u64::from(PUSH_BURST) + 20 - MAX_PUSHES_PER_DEVICE as u64;
        assert_eq!(later, (first..first + MAX_PUSHES_PER_DEVICE as u64).collect::<Vec<_>>());
        assert!(now - START >= (MAX_PUSHES_PER_DEVICE as u64 - 1) * PUSH_INTERVAL_MS);
    }

    #[test]
    fn a_slow_push_service_holds_up_one_device_and_no_more_are_under_way_than_the_limit() {
        let mut queue = Queue::default();
        for n in 0..MAX_CONCURRENT_PUSHES as u8 + 4 {
            send(&mut queue, n, 1);
            send(&mut queue, n, 2);
        }
        let under_way: Vec<Attempt> = std::iter::from_fn(|| queue.next(START)).collect();
        assert_eq!(under_way.len(), MAX_CONCURRENT_PUSHES);
        let last = under_way.last().unwrap();
        queue.done(last.push.to.device, last.id, Outcome::Accepted, START);
        let next = queue.next(START).unwrap();
        assert_eq!(
            (next.push.to.device, entry(&next)),
            (device(MAX_CONCURRENT_PUSHES as u8), 1),
            "the others come first"
        );
    }

    #[test]
    fn a_restart_of_the_switchboard_and_the_end_of_a_subscription_leave_nothing_to_send() {
        let under_way = |command: &PushCommand| {
            let mut queue = Queue::default();
            send(&mut queue, 1, 1);
            send(&mut queue, 1, 2);
            let attempt = queue.next(START).unwrap();
            queue.command(command.clone());
            (queue, attempt.id)
        };
        let failed = Outcome::Failed { retry_ms: None };
        for command in [PushCommand::Restart, PushCommand::Forget(device(1))] {
            for outcome in [Outcome::Accepted, Outcome::Refused, failed] {
                let (mut queue, id) = under_way(&command);
                queue.done(device(1), id, outcome, START);
                assert_eq!(queue.next_timeout(), None, "{command:?} {outcome:?}");
                assert_eq!(queue.next(START + MAX_PUSH_RETRY_MS), None, "{command:?} {outcome:?}");
            }
            // The switchboard states the message again: it is the one under way.
            let (mut queue, id) = under_way(&command);
            send(&mut queue, 1, 1);
            queue.done(device(1), id, Outcome::Accepted, START);
            assert_eq!(queue.next(START), None, "{command:?}: what is under way is not sent twice");
            let (mut queue, id) = under_way(&command);
            send(&mut queue, 1, 1);
            queue.done(device(1), id, failed, START);
            let again = queue.next(START + PUSH_RETRY_MS);
            assert_eq!(again.map(|attempt| entry(&attempt)), Some(1), "{command:?}: it is sent again if it fails");
        }
    }

    #[test]
    fn a_message_under_way_is_the_same_whatever_was_delivered_before_but_not_for_another_subscription() {
        let other = |change: fn(&mut PushRow)| {
            let mut queue = Queue::default();
            send(&mut queue, 1, 7);
            let attempt = queue.next(START).unwrap();
            queue.command(PushCommand::Restart);
            let mut stated = push(1, 7);
            change(&mut stated.to);
            queue.command(PushCommand::Send(Box::new(stated)));
            queue.done(device(1), attempt.id, Outcome::Accepted, START);
            queue.next(START).is_some()
        };
        assert!(!other(|_| {}));
        assert!(!other(|row| row.notified_below = 5));
        assert!(other(|row| row.endpoint.push('x')));
        assert!(other(|row| row.key = Blob(vec![5])));
        assert!(other(|row| row.auth = Blob(vec![2])));
    }

    fn call(n: u8) -> CallId {
        CallId::from_bytes([n; 16])
    }

    fn send_about(queue: &mut Queue, n: u8, about: PushAbout, until_ms: u64) {
        let to = push(n, 0).to;
        queue.command(PushCommand::Send(Box::new(Push { to, about, until_ms })));
    }

    const RING_END: u64 = START + 45_000;

    fn ring_of(queue: &mut Queue, n: u8, of: u8) -> PushAbout {
        let about = PushAbout::Ring { call: call(of), until_ms: RING_END };
        send_about(queue, n, about, RING_END);
        about
    }

    #[test]
    fn a_ring_waits_neither_for_alerts_nor_for_what_its_push_service_refused_before() {
        let mut queue = Queue::default();
        // Alerts are held back for an hour, and all attempts of their kind are under way.
        send(&mut queue, 1, 1);
        let alert = queue.next(START).unwrap();
        queue.done(device(1), alert.id, Outcome::Failed { retry_ms: Some(3_600_000) }, START);
        for n in 2..2 + MAX_CONCURRENT_PUSHES as u8 {
            send(&mut queue, n, 1);
        }
        while queue.next(START).is_some() {}
        let about = ring_of(&mut queue, 1, 1);
        let attempt = queue.next(START).unwrap();
        assert_eq!((attempt.push.about, attempt.ttl_s), (about, 45));
        queue.done(device(1), attempt.id, Outcome::Failed { retry_ms: Some(40_000) }, START);
        assert_eq!(queue.next(START + 39_000), None, "the push service asked for that");
        let about = ring_of(&mut queue, 1, 2);
        assert_eq!(queue.next(START + 39_000).unwrap().push.about, about, "another ring is tried once at once");
    }

    #[test]
    fn a_ring_that_comes_while_something_else_fails_is_tried_first_and_at_once() {
        for busy in
            [PushAbout::RingOver { call: call(1), missed: true }, PushAbout::Ring { call: call(1), until_ms: RING_END }]
        {
            let mut queue = Queue::default();
            send_about(&mut queue, 1, busy, RING_END);
            let attempt = queue.next(START).unwrap();
            let about = ring_of(&mut queue, 1, 2);
            queue.done(device(1), attempt.id, Outcome::Failed { retry_ms: Some(60_000) }, START + 1);
            let ring = queue.next(START + 1).unwrap();
            assert_eq!(ring.push.about, about, "after {busy:?}");
            queue.done(device(1), ring.id, Outcome::Accepted, START + 2);
            assert_eq!(queue.next(START + 2).map(|attempt| attempt.push.about), Some(busy));
        }
    }

    #[test]
    fn what_waits_is_limited_and_a_ring_is_kept_before_the_ends_of_others() {
        let mut queue = Queue::default();
        let ring = ring_of(&mut queue, 1, 100);
        let attempt = queue.next(START).unwrap();
        for n in 0..MAX_PUSHES_PER_DEVICE as u8 {
            send_about(&mut queue, 1, PushAbout::RingOver { call: call(n), missed: true }, START + DAY_MS);
        }
        queue.done(device(1), attempt.id, Outcome::Failed { retry_ms: None }, START);
        let oldest = PushAbout::RingOver { call: call(0), missed: true };
        assert_eq!(queue.take_events(), [Event::Settled(device(1), oldest)]);
        let again = queue.next(queue.next_timeout().unwrap()).unwrap();
        assert_eq!(again.push.about, ring);
    }

    #[test]
    fn after_the_clock_was_set_back_nothing_waits_in_the_former_time() {
        let mut queue = Queue::default();
        send(&mut queue, 1, 1);
        let attempt = queue.next(START).unwrap();
        queue.done(device(1), attempt.id, Outcome::Failed { retry_ms: Some(3_600_000) }, START);
        let before = START - DAY_MS;
        assert_eq!(queue.next(before), None);
        queue.clock_set();
        assert_eq!(queue.next(before).map(|attempt| entry(&attempt)), Some(1));
    }

    #[test]
    fn a_ring_that_fails_is_tried_again_soon_and_not_after_its_end() {
        let mut queue = Queue::default();
        let about = ring_of(&mut queue, 1, 1);
        let (mut now, mut tries) = (START, Vec::new());
        while let Some(attempt) = queue.next(now) {
            tries.push(now - START);
            queue.done(device(1), attempt.id, Outcome::Failed { retry_ms: None }, now);
            now = queue.next_timeout().unwrap();
        }
        assert_eq!(tries, [0, 1_000, 3_000, 7_000, 15_000, 31_000]);
        assert_eq!((now, queue.take_events()), (RING_END, vec![Event::Settled(device(1), about)]));
    }

    #[test]
    fn the_end_of_a_ring_replaces_it_and_is_not_sent_to_a_device_that_cannot_have_heard_of_it() {
        // What became of the ring before its end, and what is sent afterwards if it was missed, and if it was not.
        #[derive(Debug)]
        enum Ring {
            Waits,
            UnderWay(Outcome),
            Failed,
            Taken,
        }
        let failed = Outcome::Failed { retry_ms: None };
        for (before, missed, expected) in [
            (Ring::Waits, true, 1),
            (Ring::Waits, false, 0),
            (Ring::UnderWay(Outcome::Accepted), false, 1),
            (Ring::UnderWay(failed), true, 1),
            (Ring::UnderWay(failed), false, 1),
            (Ring::Failed, false, 1),
            (Ring::Taken, true, 1),
            (Ring::Taken, false, 1),
        ] {
            let mut queue = Queue::default();
            ring_of(&mut queue, 1, 1);
            let under_way = match before {
                Ring::Waits => None,
                _ => queue.next(START),
            };
            match (&before, &under_way) {
                (Ring::Failed, Some(attempt)) => queue.done(device(1), attempt.id, failed, START),
                (Ring::Taken, Some(attempt)) => queue.done(device(1), attempt.id, Outcome::Accepted, START),
                _ => {}
            }
            let over = PushAbout::RingOver { call: call(1), missed };
            send_about(&mut queue, 1, over, START + DAY_MS);
            if let (Ring::UnderWay(outcome), Some(attempt)) = (&before, &under_way) {
                queue.done(device(1), attempt.id, *outcome, START);
            }
            let mut sent = Vec::new();
            let mut now = START;
            loop {
                while let Some(attempt) = queue.next(now) {
                    sent.push(attempt.push.about);
                    queue.done(device(1), attempt.id, Outcome::Accepted, now);
                }
                match queue.next_timeout() {
                    Some(at) => now = at,
                    None => break,
                }
            }
            assert_eq!(sent, vec![over; expected], "{before:?} {missed}: never the ring after its end");
            assert!(queue.take_events().contains(&Event::Settled(device(1), over)), "{before:?} {missed}");
        }
    }

    #[test]
    fn a_ring_is_withdrawn_from_a_device_that_is_connected() {
        let mut queue = Queue::default();
        ring_of(&mut queue, 1, 1);
        let other = ring_of(&mut queue, 1, 2);
        queue.command(PushCommand::Withdraw(device(1), call(1)));
        queue.command(PushCommand::Withdraw(device(2), call(1)));
        let attempt = queue.next(START).unwrap();
        assert_eq!(attempt.push.about, other);
        queue.command(PushCommand::Withdraw(device(1), call(2)));
        queue.done(device(1), attempt.id, Outcome::Failed { retry_ms: None }, START);
        assert_eq!((queue.next(START + 5_000), queue.next_timeout()), (None, None));
    }

    #[test]
    fn push_services_that_hang_do_not_hold_up_rings_of_others() {
        let mut queue = Queue::default();
        let hanging = MAX_CONCURRENT_RING_PUSHES as u8 - 1;
        for n in 0..hanging {
            ring_of(&mut queue, n, n);
            ring_of(&mut queue, n, n + 100);
        }
        let under_way: Vec<Attempt> = std::iter::from_fn(|| queue.next(START)).collect();
        assert_eq!(under_way.len(), usize::from(hanging), "one of each device");
        ring_of(&mut queue, 200, 1);
        assert_eq!(queue.next(START).unwrap().push.to.device, device(200));
    }

    #[test]
    fn many_rings_to_one_device_are_limited_and_what_is_left_out_is_reported() {
        let mut queue = Queue::default();
        let mut sent = 0;
        for n in 0..100 {
            ring_of(&mut queue, 1, n);
            while let Some(attempt) = queue.next(START) {
                queue.done(device(1), attempt.id, Outcome::Accepted, START);
                sent += 1;
            }
            let over = PushAbout::RingOver { call: call(n), missed: true };
            send_about(&mut queue, 1, over, START + DAY_MS);
        }
        assert_eq!(sent, RING_PUSH_BURST);
        let waiting = queue.rings.devices[&device(1)].messages.len();
        assert_eq!(waiting, MAX_PUSHES_PER_DEVICE);
        let ends = queue
            .take_events()
            .into_iter()
            .filter(|event| matches!(event, Event::Settled(_, PushAbout::RingOver { .. })));
        assert!(ends.count() >= 100 - sent as usize - MAX_PUSHES_PER_DEVICE);
    }

    #[test]
    fn nothing_is_remembered_of_a_device_that_was_sent_everything() {
        let mut queue = Queue::default();
        send(&mut queue, 1, 1);
        let attempt = queue.next(START).unwrap();
        queue.done(device(1), attempt.id, Outcome::Accepted, START);
        assert_eq!(queue.next(START + DAY_MS), None);
        assert!(queue.alerts.devices.is_empty() && queue.rings.devices.is_empty());
    }
}
