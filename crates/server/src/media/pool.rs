//! Relays of their own that are connected, and which of them has least to do.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    time::{Duration, Instant},
};
use telcon_proto::node::{FromNode, ToNode};
use tokio::sync::mpsc;

/// A connection of a relay. One that comes back is another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NodeId(pub(crate) u64);

/// What happens to connections of relays.
pub(crate) enum NodeInput {
    /// One is there.
    Arrived {
        /// Which.
        node: NodeId,
        /// The way to it.
        to: mpsc::Sender<ToNode>,
        /// Most calls that it takes.
        max_calls: u64,
        /// Where it tells devices that it is.
        address: SocketAddr,
    },
    /// It said something.
    Said(NodeId, FromNode),
    /// It is gone, or was silent for too long.
    Gone(NodeId),
}

struct Node {
    to: mpsc::Sender<ToNode>,
    max_calls: u64,
    calls: u64,
    legs: u64,
    /// Calls placed on it since it last said how many it has.
    placed: u64,
    draining: bool,
    address: SocketAddr,
    /// When a device reached it last.
    reached_at: Option<Instant>,
    /// It gets no calls before.
    from: Instant,
}

/// For how long relays that come get no calls after one was dropped for not answering: it may be the same one again, and
/// would have nothing to do and so be the next to get a call. The relay of the server's own process has the calls meanwhile.
const NOT_AGAIN_FOR: Duration = Duration::from_secs(60);

/// For how long it is believed of a relay that devices reach it, after one did.
const REACHED_FOR: Duration = Duration::from_secs(300);

/// All of them.
#[derive(Default)]
pub(super) struct Pool {
    nodes: BTreeMap<NodeId, Node>,
    /// Until when newcomers get no calls.
    not_before: Option<Instant>,
}

impl Pool {
    pub(super) fn add(
        &mut self,
        id: NodeId,
        to: mpsc::Sender<ToNode>,
        max_calls: u64,
        address: SocketAddr,
        now: Instant,
    ) {
        let from = self.not_before.map_or(now, |at| at.max(now));
        let (calls, legs, placed, draining, reached_at) = (0, 0, 0, false, None);
        self.nodes.insert(id, Node { to, max_calls, calls, legs, placed, draining, address, reached_at, from });
    }

    /// Removes one that is gone. True if it had said that it would go.
    pub(super) fn remove(&mut self, id: NodeId) -> bool {
        self.nodes.remove(&id).is_some_and(|node| node.draining)
    }

    /// Where it is, and its number, for the operator.
    pub(super) fn name(&self, id: NodeId) -> String {
        self.nodes
            .get(&id)
            .map_or_else(|| format!("number {}", id.0), |node| format!("{} (number {})", node.address, id.0))
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether another one says that it is where this one is.
    pub(super) fn is_there_twice(&self, id: NodeId) -> bool {
        let at = |id: &NodeId| self.nodes.get(id).map(|node| node.address).filter(|at| at.port() > 0);
        at(&id).is_some_and(|here| self.nodes.iter().any(|(other, node)| *other != id && node.address == here))
    }

    /// A device reaches it.
    pub(super) fn reached(&mut self, id: NodeId, now: Instant) {
        if let Some(node) = self.nodes.get_mut(&id) {
            node.reached_at = Some(now);
        }
    }

    /// Whether any device reached it lately.
    pub(super) fn is_reached(&self, id: NodeId, now: Instant) -> bool {
        let lately = |at: Instant| now.saturating_duration_since(at) < REACHED_FOR;
        self.nodes.get(&id).is_some_and(|node| node.reached_at.is_some_and(lately))
    }

    /// Devices of a call did not reach it. Where nobody else did lately it gets no calls for a while: a single device cannot
    /// keep calls from a relay that works.
    pub(super) fn doubt(&mut self, id: NodeId, now: Instant) {
        let reached = self.is_reached(id, now);
        if let Some(node) = self.nodes.get_mut(&id).filter(|_| !reached) {
            node.from = now + NOT_AGAIN_FOR;
        }
    }

    /// Removes one that does not answer.
    pub(super) fn drop_mute(&mut self, id: NodeId, now: Instant) {
        self.nodes.remove(&id);
        self.not_before = Some(now + NOT_AGAIN_FOR);
    }

    /// The relay that a call goes to, other than those that its devices did not reach. None: there is none of its own that has
    /// room.
    pub(super) fn least_loaded(&mut self, unreached: &BTreeSet<NodeId>, now: Instant) -> Option<NodeId> {
        let takes =
            |node: &Node| !node.draining && now >= node.from && node.calls.saturating_add(node.placed) < node.max_calls;
        let open = self.nodes.iter_mut().filter(|(id, node)| takes(node) && !unreached.contains(id));
        // A call that was placed a moment ago will have two legs at least.
        let (id, node) = open.min_by_key(|(_, node)| node.legs.saturating_add(2 * node.placed))?;
        node.placed += 1;
        Some(*id)
    }

    /// A relay says how loaded it is. True if it says for the first time that it is about to stop.
    pub(super) fn loaded(&mut self, id: NodeId, calls: u64, legs: u64, draining: bool) -> bool {
        let Some(node) = self.nodes.get_mut(&id) else { return false };
        let news = draining && !node.draining;
        (node.calls, node.legs, node.placed, node.draining) = (calls, legs, 0, draining);
        news
    }

    /// Never waits: a relay that does not read what it is told is cut off by its connection.
    pub(super) fn send(&mut self, id: NodeId, message: ToNode) {
        let cut = self.nodes.get(&id).is_some_and(|node| node.to.try_send(message).is_err());
        if cut {
            // Dropping the way to it ends its connection, which then says that it is gone.
            self.nodes.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const AT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

    #[test]
    fn calls_go_to_the_least_loaded_that_has_room_and_stays() {
        let (mut pool, now) = (Pool::default(), Instant::now());
        assert_eq!(pool.least_loaded(&BTreeSet::new(), now), None);
        let ways: Vec<_> = (0..3).map(|_| mpsc::channel(4)).collect();
        for (n, (to, _)) in ways.iter().enumerate() {
            pool.add(NodeId(n as u64), to.clone(), 10, AT, now);
        }
        pool.loaded(NodeId(0), 2, 5, false);
        pool.loaded(NodeId(1), 1, 3, false);
        assert!(pool.loaded(NodeId(2), 0, 0, true), "about to stop");
        assert!(!pool.loaded(NodeId(2), 0, 0, true), "that is no news");
        assert_eq!(pool.least_loaded(&BTreeSet::new(), now), Some(NodeId(1)));
        assert_eq!(pool.least_loaded(&BTreeSet::new(), now), Some(NodeId(0)), "what was placed a moment ago counts");
        pool.loaded(NodeId(0), 10, 0, false);
        assert_eq!(pool.least_loaded(&BTreeSet::new(), now), Some(NodeId(1)), "the other is full");
        pool.loaded(NodeId(1), u64::MAX, u64::MAX, false);
        assert_eq!(pool.least_loaded(&BTreeSet::new(), now), None, "whatever a relay says, sums do not overflow");
        pool.loaded(NodeId(1), 0, u64::MAX, false);
        assert_eq!(
            (pool.least_loaded(&BTreeSet::new(), now), pool.least_loaded(&BTreeSet::new(), now)),
            (Some(NodeId(1)), Some(NodeId(1)))
        );
        pool.remove(NodeId(1));
        assert_eq!(pool.least_loaded(&BTreeSet::new(), now), None);
    }

    #[test]
    fn one_that_devices_do_not_reach_gets_no_calls_for_a_while() {
        let (mut pool, now) = (Pool::default(), Instant::now());
        let (to, _read) = mpsc::channel(4);
        pool.add(NodeId(1), to.clone(), 10, AT, now);
        assert!(!pool.is_there_twice(NodeId(1)) && !pool.is_reached(NodeId(1), now));
        pool.reached(NodeId(1), now);
        pool.doubt(NodeId(1), now);
        assert_eq!(pool.least_loaded(&BTreeSet::new(), now), Some(NodeId(1)), "others reach it");
        assert_eq!(pool.least_loaded(&[NodeId(1)].into(), now), None, "this call does not");
        let now = now + REACHED_FOR;
        assert!(!pool.is_reached(NodeId(1), now));
        pool.doubt(NodeId(1), now);
        assert_eq!(pool.least_loaded(&BTreeSet::new(), now), None);
        assert_eq!(pool.least_loaded(&BTreeSet::new(), now + NOT_AGAIN_FOR), Some(NodeId(1)));
        pool.add(NodeId(2), to, 10, AT, now);
        assert!(pool.is_there_twice(NodeId(2)), "two at one address");
    }

    #[test]
    fn a_relay_that_does_not_read_is_cut_off() {
        let (mut pool, now) = (Pool::default(), Instant::now());
        let (to, mut read) = mpsc::channel(1);
        pool.add(NodeId(1), to, 10, AT, now);
        pool.send(NodeId(1), ToNode::RemoveLeg { leg: 1 });
        pool.send(NodeId(1), ToNode::RemoveLeg { leg: 2 });
        assert_eq!(pool.least_loaded(&BTreeSet::new(), now), None);
        assert!(read.try_recv().is_ok() && read.try_recv().is_err());
        assert!(read.is_closed() || read.try_recv().is_err());
    }

    #[test]
    fn one_that_came_back_after_it_did_not_answer_gets_no_calls_for_a_while() {
        let (mut pool, now) = (Pool::default(), Instant::now());
        let (to, _read) = mpsc::channel(4);
        for n in [1, 2] {
            pool.add(NodeId(n), to.clone(), 10, AT, now);
        }
        pool.drop_mute(NodeId(1), now);
        pool.add(NodeId(3), to.clone(), 10, AT, now);
        pool.loaded(NodeId(2), 5, 10, false);
        assert_eq!(pool.least_loaded(&BTreeSet::new(), now), Some(NodeId(2)), "whoever was there before stays");
        pool.remove(NodeId(2));
        assert_eq!(pool.least_loaded(&BTreeSet::new(), now + NOT_AGAIN_FOR - Duration::from_millis(1)), None);
        assert_eq!(pool.least_loaded(&BTreeSet::new(), now + NOT_AGAIN_FOR), Some(NodeId(3)));
        pool.add(NodeId(4), to, 10, AT, now + 2 * NOT_AGAIN_FOR);
        pool.remove(NodeId(3));
        assert_eq!(pool.least_loaded(&BTreeSet::new(), now + 2 * NOT_AGAIN_FOR), Some(NodeId(4)));
    }
}
