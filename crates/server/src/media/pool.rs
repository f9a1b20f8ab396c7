//! Relays of their own that are connected, and which of them has least to do.

use std::collections::BTreeMap;
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
}

/// All of them.
#[derive(Default)]
pub(super) struct Pool {
    nodes: BTreeMap<NodeId, Node>,
}

impl Pool {
    pub(super) fn add(&mut self, id: NodeId, to: mpsc::Sender<ToNode>, max_calls: u64) {
        self.nodes.insert(id, Node { to, max_calls, calls: 0, legs: 0, placed: 0, draining: false });
    }

    pub(super) fn remove(&mut self, id: NodeId) {
        self.nodes.remove(&id);
    }

    /// The relay that a new call goes to. None: there is none of its own that has room.
    pub(super) fn least_loaded(&mut self) -> Option<NodeId> {
        let open = self
            .nodes
            .iter_mut()
            .filter(|(_, node)| !node.draining && node.calls.saturating_add(node.placed) < node.max_calls);
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

    #[test]
    fn calls_go_to_the_least_loaded_that_has_room_and_stays() {
        let mut pool = Pool::default();
        assert_eq!(pool.least_loaded(), None);
        let ways: Vec<_> = (0..3).map(|_| mpsc::channel(4)).collect();
        for (n, (to, _)) in ways.iter().enumerate() {
            pool.add(NodeId(n as u64), to.clone(), 10);
        }
        pool.loaded(NodeId(0), 2, 5, false);
        pool.loaded(NodeId(1), 1, 3, false);
        assert!(pool.loaded(NodeId(2), 0, 0, true), "about to stop");
        assert!(!pool.loaded(NodeId(2), 0, 0, true), "that is no news");
        assert_eq!(pool.least_loaded(), Some(NodeId(1)));
        assert_eq!(pool.least_loaded(), Some(NodeId(0)), "what was placed a moment ago counts");
        pool.loaded(NodeId(0), 10, 0, false);
        assert_eq!(pool.least_loaded(), Some(NodeId(1)), "the other is full");
        pool.loaded(NodeId(1), u64::MAX, u64::MAX, false);
        assert_eq!(pool.least_loaded(), None, "whatever a relay says, sums do not overflow");
        pool.loaded(NodeId(1), 0, u64::MAX, false);
        assert_eq!((pool.least_loaded(), pool.least_loaded()), (Some(NodeId(1)), Some(NodeId(1))));
        pool.remove(NodeId(1));
        assert_eq!(pool.least_loaded(), None);
    }

    #[test]
    fn a_relay_that_does_not_read_is_cut_off() {
        let mut pool = Pool::default();
        let (to, mut read) = mpsc::channel(1);
        pool.add(NodeId(1), to, 10);
        pool.send(NodeId(1), ToNode::RemoveLeg { leg: 1 });
        pool.send(NodeId(1), ToNode::RemoveLeg { leg: 2 });
        assert_eq!(pool.least_loaded(), None);
        assert!(read.try_recv().is_ok() && read.try_recv().is_err());
        assert!(read.is_closed() || read.try_recv().is_err());
    }
}
