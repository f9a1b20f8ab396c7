//! The engine: when a message is sent to which device, and what becomes of it. Time is an argument.

use crate::{
    allowance::{Allowance, Rate},
    limits::{
        MAX_PUSH_RETRY_MS, MAX_PUSHES_AT_ONCE, MAX_PUSHES_PER_DEVICE, PUSH_PAUSE_MS, PUSH_RETRY_MS, PUSHES_AT_ONCE,
    },
    switchboard::{Push, PushCommand},
};
use std::collections::{BTreeMap, VecDeque};
use telcon_proto::{DeviceId, push::PushAbout};

/// How often one device is sent something.
const RATE: Rate = Rate::every_ms(PUSH_PAUSE_MS, PUSHES_AT_ONCE);

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
    /// The push service took it.
    Taken,
    /// The push service does not know the subscription any more.
    Gone,
    /// The push service does not take this message.
    Refused,
    /// It failed. The push service may have said after how long to try again, milliseconds.
    Failed { retry_ms: Option<u64> },
}

/// What the switchboard is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The message needs not be sent again.
    Told(DeviceId, PushAbout),
    /// The subscription with this address is over.
    Gone(DeviceId, String),
}

/// What waits for one device.
#[derive(Debug, Default)]
struct Waiting {
    messages: VecDeque<Push>,
    /// The attempt that is under way, and what it sends.
    under_way: Option<(u64, Push)>,
    failures: u32,
    /// No attempt before this time.
    not_before_ms: u64,
    allowance: Allowance,
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
                for waiting in self.devices.values_mut() {
                    waiting.messages.clear();
                }
            }
            PushCommand::Forget(device) => {
                if let Some(waiting) = self.devices.get_mut(&device) {
                    // The next subscription may be at another push service, which refused nothing.
                    (waiting.failures, waiting.not_before_ms) = (0, 0);
                    waiting.messages.clear();
                }
            }
            PushCommand::Send(push) => {
                let waiting = self.devices.entry(push.to.device).or_default();
                if waiting.under_way.as_ref().is_some_and(|(_, other)| *other == *push) {
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
        self.drop_late(now_ms);
        if self.under_way == MAX_PUSHES_AT_ONCE {
            return None;
        }
        let mut ready = self.devices.iter_mut().filter(|(_, waiting)| {
            waiting.under_way.is_none() && !waiting.messages.is_empty() && waiting.not_before_ms <= now_ms
        });
        let last = self.last;
        let mut turn: Vec<_> = ready.by_ref().collect();
        turn.sort_by_key(|(device, _)| (last.is_some_and(|last| **device <= last), **device));
        for (device, waiting) in turn {
            if !waiting.allowance.take(RATE, now_ms) {
                waiting.not_before_ms = now_ms + PUSH_PAUSE_MS;
                continue;
            }
            let Some(push) = waiting.messages.pop_front() else { continue };
            let id = self.next_id;
            self.next_id += 1;
            self.under_way += 1;
            self.last = Some(*device);
            waiting.under_way = Some((id, push.clone()));
            let ttl_s = push.until_ms.saturating_sub(now_ms) / 1000;
            return Some(Attempt { id, push, ttl_s });
        }
        None
    }

    /// An attempt of this number ended.
    pub fn done(&mut self, device: DeviceId, id: u64, outcome: Outcome, now_ms: u64) {
        let Some(waiting) = self.devices.get_mut(&device) else { return };
        let Some((_, push)) = waiting.under_way.take_if(|(number, _)| *number == id) else { return };
        self.under_way -= 1;
        match outcome {
            Outcome::Taken | Outcome::Refused => {
                waiting.failures = 0;
                self.events.push(Event::Told(device, push.about));
            }
            Outcome::Gone => {
                // Of this subscription alone: those of a newer one wait on.
                waiting.messages.retain(|other| other.to.endpoint != push.to.endpoint);
                self.events.push(Event::Gone(device, push.to.endpoint));
            }
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
            Some(if self.under_way == MAX_PUSHES_AT_ONCE { until } else { waiting.not_before_ms.min(until) })
        })
        .min()
    }

    /// What happened since it was last asked.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Messages that are of no use any more; and devices of which nothing has to be remembered.
    fn drop_late(&mut self, now_ms: u64) {
        for (device, waiting) in &mut self.devices {
            let events = &mut self.events;
            waiting.messages.retain(|push| {
                let useful = push.until_ms > now_ms;
                if !useful {
                    events.push(Event::Told(*device, push.about));
                }
                useful
            });
        }
        self.devices.retain(|_, waiting| {
            let mut full = waiting.allowance;
            let rested = full.take_many(u64::from(PUSHES_AT_ONCE), RATE, now_ms);
            !waiting.messages.is_empty() || waiting.under_way.is_some() || waiting.not_before_ms > now_ms || !rested
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::PushRow;
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
        let to = PushRow { device: device(n), endpoint, key: Blob(vec![4]), auth: Blob(vec![1]), told_below: 0 };
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
            queue.done(device(1), attempt.id, Outcome::Taken, START);
            queue.done(device(1), attempt.id, Outcome::Taken, START);
        }
        assert_eq!(seen, [1, 2, 3]);
        let told: Vec<Event> = (1..=3).map(|entry| Event::Told(device(1), about(entry))).collect();
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
        assert_eq!(queue.take_events(), [Event::Told(device(1), about(1))], "and is not stated again at a restart");
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
        assert_eq!((queue.next(START), queue.take_events()), (None, vec![Event::Told(device(1), about(1))]));
    }

    #[test]
    fn a_device_gets_a_burst_and_then_one_in_each_interval_and_the_newest_of_what_waits() {
        let mut queue = Queue::default();
        let mut sent = 0;
        for number in 0..PUSHES_AT_ONCE + 20 {
            send(&mut queue, 1, u64::from(number));
            while let Some(attempt) = queue.next(START) {
                queue.done(device(1), attempt.id, Outcome::Taken, START);
                sent += 1;
            }
        }
        assert_eq!(sent, PUSHES_AT_ONCE);
        let mut later = Vec::new();
        let mut now = START;
        while let Some(at) = queue.next_timeout() {
            now = at;
            while let Some(attempt) = queue.next(now) {
                queue.done(device(1), attempt.id, Outcome::Taken, now);
                later.push(entry(&attempt));
            }
        }
        let first = u64::from(PUSHES_AT_ONCE) + 20 - MAX_PUSHES_PER_DEVICE as u64;
        assert_eq!(later, (first..first + MAX_PUSHES_PER_DEVICE as u64).collect::<Vec<_>>());
        assert!(now - START >= (MAX_PUSHES_PER_DEVICE as u64 - 1) * PUSH_PAUSE_MS);
    }

    #[test]
    fn a_slow_push_service_holds_up_one_device_and_no_more_are_under_way_than_the_limit() {
        let mut queue = Queue::default();
        for n in 0..MAX_PUSHES_AT_ONCE as u8 + 4 {
            send(&mut queue, n, 1);
            send(&mut queue, n, 2);
        }
        let under_way: Vec<Attempt> = std::iter::from_fn(|| queue.next(START)).collect();
        assert_eq!(under_way.len(), MAX_PUSHES_AT_ONCE);
        let last = under_way.last().unwrap();
        queue.done(last.push.to.device, last.id, Outcome::Taken, START);
        let next = queue.next(START).unwrap();
        assert_eq!((next.push.to.device, entry(&next)), (device(MAX_PUSHES_AT_ONCE as u8), 1), "the others come first");
    }

    #[test]
    fn a_restart_of_the_switchboard_and_the_end_of_a_subscription_leave_nothing_to_send() {
        for command in [PushCommand::Restart, PushCommand::Forget(device(1))] {
            let mut queue = Queue::default();
            send(&mut queue, 1, 1);
            send(&mut queue, 1, 2);
            let attempt = queue.next(START).unwrap();
            queue.command(command.clone());
            send(&mut queue, 1, 1);
            queue.done(device(1), attempt.id, Outcome::Taken, START);
            assert_eq!(queue.next(START), None, "{command:?}: what is under way is not sent twice");
        }
    }

    #[test]
    fn nothing_is_remembered_of_a_device_that_was_sent_everything() {
        let mut queue = Queue::default();
        send(&mut queue, 1, 1);
        let attempt = queue.next(START).unwrap();
        queue.done(device(1), attempt.id, Outcome::Taken, START);
        assert_eq!(queue.next(START + DAY_MS), None);
        assert!(queue.devices.is_empty());
    }
}
