//! Exchange of log checkpoints between the members of a call. A server that shows two of them two histories of its log is found
//! out, because it cannot read or change what they send each other.

use super::message::GroupMessage;
use crate::device::LogHead;
use std::collections::BTreeMap;
use telcon_proto::{
    DeviceId, OfficeName,
    limits::{CHECKPOINT_GOSSIP_BURST, CHECKPOINT_GOSSIP_INTERVAL_MS, MAX_GOSSIP_CHECKPOINT_BYTES},
};

/// Version of [`GroupMessage::Checkpoint`].
pub const CHECKPOINT_MESSAGE_VERSION: u16 = 1;

/// How long after a reconnect the newest checkpoint is sent again, milliseconds: first the office sends the commits that this
/// device missed, so that the others can decrypt the message.
const AFTER_RESUME_MS: u64 = 2_000;

/// What this device sent of its log, and got of the others'. All times are engine uptime, in milliseconds.
#[derive(Default)]
pub(super) struct CheckpointExchange {
    /// The newest checkpoint that all members were sent.
    sent: Option<String>,
    /// The last checkpoint that was sent. Unlike `sent` it is never reset.
    last: Option<String>,
    /// When a checkpoint was last sent for the second time.
    repeated_ms: Option<u64>,
    /// When the next one may be sent.
    next_ms: u64,
    /// How many checkpoints of each member are accepted.
    allowances: BTreeMap<DeviceId, Allowance>,
    /// The newest checkpoint of each member, until the engine takes it.
    received: BTreeMap<DeviceId, String>,
    /// The newest checkpoint of each member.
    newest: BTreeMap<DeviceId, String>,
}

/// A token bucket.
struct Allowance {
    left: u32,
    since_ms: u64,
}

impl Allowance {
    fn take(&mut self, now_ms: u64) -> bool {
        let more = (now_ms - self.since_ms) / (CHECKPOINT_GOSSIP_INTERVAL_MS / 2);
        self.since_ms += more * (CHECKPOINT_GOSSIP_INTERVAL_MS / 2);
        self.left = u32::try_from(more).map_or(u32::MAX, |more| self.left.saturating_add(more));
        self.left = self.left.min(CHECKPOINT_GOSSIP_BURST);
        let allowed = self.left > 0;
        self.left = self.left.saturating_sub(1);
        allowed
    }
}

impl CheckpointExchange {
    /// The members changed: who joined was not sent the newest checkpoint.
    pub(super) fn on_members_changed(&mut self, is_member: impl Fn(DeviceId) -> bool) {
        self.sent = None;
        self.allowances.retain(|device, _| is_member(*device));
        self.newest.retain(|device, _| is_member(*device));
    }

    /// The connection is back. What was sent over the one before may be lost: the newest checkpoint is sent again.
    pub(super) fn on_resumed(&mut self, now_ms: u64) {
        self.sent = None;
        self.next_ms = self.next_ms.max(now_ms + AFTER_RESUME_MS);
    }

    /// When there is something to send, if the members do not have `head` yet.
    pub(super) fn due_ms(&self, head: &LogHead) -> Option<u64> {
        (self.sent.as_ref() != Some(&head.checkpoint)).then_some(self.next_ms)
    }

    /// The message with `head`. It counts as sent.
    pub(super) fn message(&mut self, office: &OfficeName, head: &LogHead, now_ms: u64) -> Option<GroupMessage> {
        self.sent = Some(head.checkpoint.clone());
        if head.checkpoint.len() > MAX_GOSSIP_CHECKPOINT_BYTES {
            return None;
        }
        self.next_ms = now_ms + CHECKPOINT_GOSSIP_INTERVAL_MS;
        if self.last.replace(head.checkpoint.clone()).as_ref() == Some(&head.checkpoint) {
            self.repeated_ms = Some(now_ms);
        }
        let (version, office, checkpoint) = (CHECKPOINT_MESSAGE_VERSION, office.clone(), head.checkpoint.clone());
        Some(GroupMessage::Checkpoint { version, office, checkpoint })
    }

    /// A member's checkpoint, of the office `of`. Those of other offices cannot be compared yet. Excess or oversized checkpoints are
    /// dropped; the next one reveals the same fork.
    pub(super) fn on_received(
        &mut self,
        from: DeviceId,
        of: &OfficeName,
        home: &OfficeName,
        text: String,
        now_ms: u64,
    ) {
        let allowance =
            self.allowances.entry(from).or_insert(Allowance { left: CHECKPOINT_GOSSIP_BURST, since_ms: now_ms });
        if of == home && text.len() <= MAX_GOSSIP_CHECKPOINT_BYTES && allowance.take(now_ms) {
            if self.newest.insert(from, text.clone()).as_ref() == Some(&text) {
                self.on_repeated(now_ms);
            }
            self.received.insert(from, text);
        }
    }

    /// A member that sends a checkpoint again was away, and may not have got this device's. An answer is not answered.
    fn on_repeated(&mut self, now_ms: u64) {
        let answered = |at_ms| now_ms.saturating_sub(at_ms) < 2 * CHECKPOINT_GOSSIP_INTERVAL_MS;
        if !self.repeated_ms.is_some_and(answered) {
            self.sent = None;
        }
    }

    /// What members sent since the last time.
    pub(super) fn take_received(&mut self) -> BTreeMap<DeviceId, String> {
        std::mem::take(&mut self.received)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const PEER: DeviceId = DeviceId::from_bytes([1; 16]);

    fn home() -> OfficeName {
        "office.example".parse().unwrap()
    }

    /// How many of a hundred checkpoints that come at this moment are accepted.
    fn accepted(exchange: &mut CheckpointExchange, now_ms: u64) -> usize {
        let send = |n: &usize| {
            exchange.on_received(PEER, &home(), &home(), n.to_string(), now_ms);
            !exchange.take_received().is_empty()
        };
        (0..100).filter(send).count()
    }

    #[test]
    fn a_flood_of_one_member_is_limited_to_its_rate() {
        let (mut exchange, half) = (CheckpointExchange::default(), CHECKPOINT_GOSSIP_INTERVAL_MS / 2);
        let burst = CHECKPOINT_GOSSIP_BURST as usize;
        assert_eq!(accepted(&mut exchange, 1_000), burst);
        assert_eq!([accepted(&mut exchange, 1_000 + half), accepted(&mut exchange, 1_001 + half)], [1, 0]);
        assert_eq!(accepted(&mut exchange, 1_000 + 100 * half), burst, "time does not add up beyond the burst");
    }

    #[test]
    fn other_offices_and_long_notes_are_dropped() {
        let mut exchange = CheckpointExchange::default();
        exchange.on_received(PEER, &"other.example".parse().unwrap(), &home(), "note".into(), 0);
        exchange.on_received(PEER, &home(), &home(), "x".repeat(MAX_GOSSIP_CHECKPOINT_BYTES + 1), 0);
        assert!(exchange.take_received().is_empty());
    }

    #[test]
    fn each_checkpoint_is_sent_once_at_its_rate_and_again_when_somebody_joined() {
        let mut exchange = CheckpointExchange::default();
        let head = |size| LogHead { size, checkpoint: size.to_string() };
        assert_eq!(exchange.due_ms(&head(1)), Some(0));
        assert!(exchange.message(&home(), &head(1), 50).is_some());
        assert_eq!(exchange.due_ms(&head(1)), None);
        assert_eq!(exchange.due_ms(&head(2)), Some(50 + CHECKPOINT_GOSSIP_INTERVAL_MS));
        exchange.on_members_changed(|_| true);
        assert_eq!(exchange.due_ms(&head(1)), Some(50 + CHECKPOINT_GOSSIP_INTERVAL_MS));
        let long = LogHead { size: 3, checkpoint: "x".repeat(MAX_GOSSIP_CHECKPOINT_BYTES + 1) };
        assert!(exchange.message(&home(), &long, 60).is_none() && exchange.due_ms(&long).is_none());
    }

    #[test]
    fn both_members_send_again_when_one_was_away_and_then_rest() {
        let head = LogHead { size: 1, checkpoint: "1".into() };
        let mut pair = [CheckpointExchange::default(), CheckpointExchange::default()];
        // One round: who has something to send by `now_ms` sends it, and the other one gets it, unless it is away.
        let round = |pair: &mut [CheckpointExchange; 2], now_ms: u64, gets: [bool; 2]| {
            [0, 1].map(|from| {
                let due = pair[from].due_ms(&head).is_some_and(|due_ms| now_ms >= due_ms);
                let Some(_) = due.then(|| pair[from].message(&home(), &head, now_ms)).flatten() else { return false };
                let to = 1 - from;
                if gets[to] {
                    pair[to].on_received(PEER, &home(), &home(), head.checkpoint.clone(), now_ms);
                }
                true
            })
        };
        // The first is away when the other one sends.
        assert_eq!(round(&mut pair, 0, [false, true]), [true, true]);
        assert_eq!(round(&mut pair, 60_000, [true, true]), [false, false]);
        pair[0].on_resumed(60_000);
        assert_eq!(round(&mut pair, 60_000, [true, true]), [false, false], "the commits come first");
        assert_eq!(round(&mut pair, 60_000 + AFTER_RESUME_MS, [true, true]), [true, true]);
        assert!(pair.iter_mut().all(|exchange| !exchange.take_received().is_empty()));
        for now_ms in (70_000..300_000).step_by(1_000) {
            assert_eq!(round(&mut pair, now_ms, [true, true]), [false, false], "{now_ms}");
        }
    }
}
