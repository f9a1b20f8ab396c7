//! The engine: when a message is sent to which device, and what becomes of it. Time is an argument.

use crate::{
    allowance::{Allowance, Rate},
    limits::{
        MAX_CONCURRENT_PUSHES, MAX_PUSH_RETRY_MS, MAX_PUSHES_PER_DEVICE, PUSH_BURST, PUSH_INTERVAL_MS, PUSH_RETRY_MS,
    },
    store::PushRow,
    switchboard::{Push, PushCommand},
};
use std::collections::{BTreeMap, VecDeque};
use telcon_proto::{DeviceId, push::PushAbout};

/// How often one device is sent something.
const RATE: Rate = Rate::every_ms(PUSH_INTERVAL_MS, PUSH_BURST);

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

/// What waits for one device.
#[derive(Debug, Default)]
struct Waiting {
    messages: VecDeque<Push>,
    under_way: Option<UnderWay>,
    failures: u32,
    /// No attempt before this time.
    not_before_ms: u64,
    allowance: Allowance,
}

impl Waiting {
    /// Sends none of these messages any more. The attempt under way cannot be stopped, but is not repeated.
    fn withdraw(&mut self) {
        self.messages.clear();
        if let Some(attempt) = &mut self.under_way {
            attempt.withdrawn = true;
        }
    }
}

/// Whether two messages say the same to the same subscription. [`PushRow::notified_below`] rises while a message is sent.
fn is_same(one: &Push, other: &Push) -> bool {
    let PushRow { device, endpoint, key, auth, notified_below: _ } = &one.to;
    let to = &other.to;
    one.about == other.about && (device, endpoint, key, auth) == (&to.device, &to.endpoint, &to.key, &to.auth)
}

/// All messages that were not sent.
#[derive(Debug, Default)]
pub(super) struct Queue {
    devices: BTreeMap<DeviceId, Waiting>,
    next_id: u64,
    under_way: usize,
    /// The device of the last attempt: the others have their turn first.
    last: Option<DeviceId>,
    events: Vec<Event>,
}

impl Queue {
    pub fn command(&mut self, command: PushCommand) {
        match command {
            PushCommand::Restart => {
                self.devices.values_mut().for_each(Waiting::withdraw);
            }
            PushCommand::Forget(device) => {
                if let Some(waiting) = self.devices.get_mut(&device) {
                    // The next subscription may be at another push service, which refused nothing.
                    (waiting.failures, waiting.not_before_ms) = (0, 0);
                    waiting.withdraw();
                }
            }
            PushCommand::Send(push) => {
                let waiting = self.devices.entry(push.to.device).or_default();
                if let Some(attempt) = waiting.under_way.as_mut().filter(|attempt| is_same(&attempt.push, &push)) {
                    attempt.withdrawn = false;
                    return;
                }
                if waiting.messages.len() == MAX_PUSHES_PER_DEVICE {
                    waiting.messages.pop_front();
                }
                waiting.messages.push_back(*push);
            }
        }
    }

    /// The next message to be sent now.
    pub fn next(&mut self, now_ms: u64) -> Option<Attempt> {
        self.drop_expired(now_ms);
        if self.under_way == MAX_CONCURRENT_PUSHES {
            return None;
        }
        let ready = self.devices.iter_mut().filter(|(_, waiting)| {
            waiting.under_way.is_none() && !waiting.messages.is_empty() && waiting.not_before_ms <= now_ms
        });
        let mut turn: Vec<_> = ready.collect();
        // Stable: those before and those after the last one stay in order.
        turn.sort_by_key(|(device, _)| Some(**device) <= self.last);
        for (device, waiting) in turn {
            if !waiting.allowance.take(RATE, now_ms) {
                waiting.not_before_ms = now_ms + PUSH_INTERVAL_MS;
                continue;
            }
            let Some(push) = waiting.messages.pop_front() else { continue };
            let id = self.next_id;
            self.next_id += 1;
            self.under_way += 1;
            self.last = Some(*device);
            waiting.under_way = Some(UnderWay { id, push: push.clone(), withdrawn: false });
            let ttl_s = push.until_ms.saturating_sub(now_ms) / 1000;
            return Some(Attempt { id, push, ttl_s });
        }
        None
    }

    /// An attempt of this number ended.
    pub fn done(&mut self, device: DeviceId, id: u64, outcome: Outcome, now_ms: u64) {
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
                waiting.messages.retain(|other| other.to.endpoint != push.to.endpoint);
                self.events.push(Event::Gone(device, push.to.endpoint));
            }
            Outcome::Failed { .. } if withdrawn => {}
            Outcome::Failed { retry_ms } => {
                let longest = push.until_ms.saturating_sub(now_ms);
                let backoff = PUSH_RETRY_MS.saturating_mul(1 << waiting.failures.min(16)).min(MAX_PUSH_RETRY_MS);
                waiting.failures = waiting.failures.saturating_add(1);
                waiting.not_before_ms = now_ms + retry_ms.unwrap_or(0).max(backoff).min(longest.max(backoff));
                if waiting.messages.len() < MAX_PUSHES_PER_DEVICE {
                    waiting.messages.push_front(push);
                }
            }
        }
    }

    /// When [`Queue::next`] has something to do that it has not now.
    pub fn next_timeout(&self) -> Option<u64> {
        let idle = self.devices.values().filter(|waiting| waiting.under_way.is_none());
        idle.filter_map(|waiting| {
            let until = waiting.messages.iter().map(|push| push.until_ms).min()?;
            // While the limit is reached, the end of an attempt is waited for.
            Some(if self.under_way == MAX_CONCURRENT_PUSHES { until } else { waiting.not_before_ms.min(until) })
        })
        .min()
    }

    /// What happened since it was last asked.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Messages that are of no use any more; and devices of which nothing has to be remembered.
    fn drop_expired(&mut self, now_ms: u64) {
        for (device, waiting) in &mut self.devices {
            let events = &mut self.events;
            waiting.messages.retain(|push| {
                let useful = push.until_ms > now_ms;
                if !useful {
                    events.push(Event::Settled(*device, push.about));
                }
                useful
            });
        }
        self.devices.retain(|_, waiting| {
            let mut full = waiting.allowance;
            let rested = full.take_many(u64::from(PUSH_BURST), RATE, now_ms);
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
        let PushAbout::Alert { entry, .. } = attempt.push.about;
        entry
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

    #[test]
    fn nothing_is_remembered_of_a_device_that_was_sent_everything() {
        let mut queue = Queue::default();
        send(&mut queue, 1, 1);
        let attempt = queue.next(START).unwrap();
        queue.done(device(1), attempt.id, Outcome::Accepted, START);
        assert_eq!(queue.next(START + DAY_MS), None);
        assert!(queue.devices.is_empty());
    }
}
