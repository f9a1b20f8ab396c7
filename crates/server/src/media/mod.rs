//! The switchboard's way to its relays: commands in their order, and events back.
//!
//! There is one relay in this process, and there may be others of their own (`telcon relay`). A call is on one of them, the
//! least loaded when it opened; when that one dies or is about to stop, the call moves to another, and its devices are told
//! to make their legs anew, which they do without anybody's hand.

mod pool;

use crate::{
    archive::Prover,
    hub::{HubHandle, Input},
    switchboard::{RelayCommand, SessionId},
};
use pool::Pool;
pub(crate) use pool::{NodeId, NodeInput};
use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use telcon_proto::{
    CallId, DeviceId,
    node::{FromNode, ToNode},
};
use telcon_relay::{LegId, OpenedCall, RelayEvent, net::RelayHandle};
use tokio::{
    sync::{broadcast::error::RecvError, mpsc},
    task::JoinHandle,
};

/// Words of relays that may wait to be read.
const NODE_INPUTS: usize = 1024;

/// How long a relay of its own may take to answer an offer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(3);

/// A try of a device to reach its relay takes longer: it waits a second at least before it offers again. What comes sooner was on
/// its way when the call moved, and says nothing of the relay that it moved to.
const TRY_TAKES: Duration = Duration::from_millis(500);

/// What is counted of relays.
#[derive(Default)]
pub struct Numbers {
    /// Relays of their own that are registered.
    pub relays: AtomicU64,
    /// Calls that moved from one relay to another.
    pub moved: AtomicU64,
    /// Times that devices did not reach a call's relay.
    pub unreached: AtomicU64,
}

/// Ways to the task between switchboard and relays.
pub(crate) struct Ways {
    pub(crate) numbers: Arc<Numbers>,
    pub(crate) commands: mpsc::UnboundedSender<RelayCommand>,
    pub(crate) nodes: mpsc::Sender<NodeInput>,
    pub(crate) task: JoinHandle<()>,
}

/// Starts the task. It ends with the switchboard. `first_leg` is a number that no earlier run of this server has reached:
/// relays of their own outlive it.
pub(crate) fn spawn(relay: RelayHandle, hub: HubHandle, prover: Arc<Prover>, first_leg: u64) -> Ways {
    // Unbounded, because the switchboard must not wait for the relay. Each device's messages are limited by the second.
    let (commands, received) = mpsc::unbounded_channel();
    let (nodes, inputs) = mpsc::channel(NODE_INPUTS);
    let numbers = Arc::new(Numbers::default());
    let media = Media {
        numbers: numbers.clone(),
        relay,
        hub,
        prover,
        pool: Pool::default(),
        calls: HashMap::new(),
        legs: HashMap::new(),
        names: HashMap::new(),
        next: first_leg,
    };
    Ways { numbers, commands, nodes, task: tokio::spawn(media.run(received, inputs)) }
}

/// Where a call is. None: on the relay of this process.
struct Placed {
    node: Option<NodeId>,
    log_index: u64,
    /// Times that its devices tried to reach it there since one of them was connected, and when each began the last.
    tries: HashMap<DeviceId, (u32, Instant)>,
    /// Relays of their own that its devices did not reach.
    unreached: BTreeSet<NodeId>,
}

impl Placed {
    fn at(node: Option<NodeId>, log_index: u64, unreached: BTreeSet<NodeId>) -> Self {
        Self { node, log_index, tries: HashMap::new(), unreached }
    }
}

struct Leg {
    id: LegId,
    node: Option<NodeId>,
    /// Offers that a relay of its own has not answered yet, in their order.
    asked: VecDeque<(SessionId, Instant)>,
    /// Sound can flow, by the last word of the relay, on the leg that was offered last.
    connected: bool,
}

struct Media {
    numbers: Arc<Numbers>,
    relay: RelayHandle,
    hub: HubHandle,
    prover: Arc<Prover>,
    pool: Pool,
    calls: HashMap<CallId, Placed>,
    legs: HashMap<(CallId, DeviceId), Leg>,
    names: HashMap<LegId, (CallId, DeviceId)>,
    next: u64,
}

impl Media {
    async fn run(mut self, mut commands: mpsc::UnboundedReceiver<RelayCommand>, mut inputs: mpsc::Receiver<NodeInput>) {
        let mut events = self.relay.events();
        loop {
            tokio::select! {
                command = commands.recv() => match command {
                    Some(command) => self.obey(command).await,
                    None => return,
                },
                event = events.recv() => match event {
                    Ok(RelayEvent::LegGone { leg, .. }) => self.gone(leg, None).await,
                    Ok(RelayEvent::LegConnected { leg, .. }) => self.connected(leg, None),
                    Ok(_) => {}
                    // Legs whose end was missed are found when their devices offer again.
                    Err(RecvError::Lagged(missed)) => tracing::warn!(missed, "events of the relay were missed"),
                    Err(RecvError::Closed) => return,
                },
                Some(input) = inputs.recv() => self.hear(input).await,
            }
        }
    }

    async fn obey(&mut self, command: RelayCommand) {
        match command {
            // Said again after a failure of the store: it stays where it is.
            RelayCommand::OpenCall(call, log_index)
                if self.calls.get(&call).is_some_and(|placed| placed.log_index == log_index) => {}
            RelayCommand::OpenCall(call, log_index) => {
                let node = self.pool.least_loaded(&BTreeSet::new(), Instant::now());
                self.place(call, Placed::at(node, log_index, BTreeSet::new())).await;
            }
            RelayCommand::CloseCall(call) => {
                if let Some(placed) = self.calls.remove(&call) {
                    self.close(call, placed.node).await;
                }
                self.legs.retain(|(of, _), _| *of != call);
                self.names.retain(|_, (of, _)| *of != call);
            }
            RelayCommand::AddLeg { call, device, session, sdp } => self.add(call, device, session, sdp).await,
            RelayCommand::RemoveLeg(call, device) => {
                if let Some(leg) = self.legs.remove(&(call, device)) {
                    self.remove(&leg).await;
                }
            }
        }
    }

    /// Opens a call where it is placed, and remembers where that is.
    async fn place(&mut self, call: CallId, placed: Placed) {
        let log_index = placed.log_index;
        match placed.node {
            Some(node) => {
                let prover = self.prover.clone();
                // The relay of its own believes nobody: it is shown the entry in the log.
                match tokio::task::spawn_blocking(move || prover.prove(log_index)).await {
                    Ok(Ok(opened)) => self.pool.send(node, ToNode::OpenCall { call, opened: Box::new(opened) }),
                    _ => tracing::error!(%call, "the opening of a call could not be proven to a relay"),
                }
            }
            None => {
                if let Err(error) = self.relay.open_call(OpenedCall { call, log_index }).await {
                    tracing::error!(%call, %error, "the relay did not open a call");
                }
            }
        }
        self.calls.insert(call, placed);
    }

    async fn close(&mut self, call: CallId, node: Option<NodeId>) {
        match node {
            Some(node) => self.pool.send(node, ToNode::CloseCall { call }),
            // The relay is gone only when the server stops.
            None => drop(self.relay.close_call(call).await),
        }
    }

    async fn remove(&mut self, leg: &Leg) {
        self.names.remove(&leg.id);
        match leg.node {
            Some(node) => self.pool.send(node, ToNode::RemoveLeg { leg: leg.id.0 }),
            None => drop(self.relay.remove_leg(leg.id).await),
        }
    }

    async fn add(&mut self, call: CallId, device: DeviceId, session: SessionId, sdp: String) {
        self.leave_unreached(call, device).await;
        let node = self.calls.get(&call).and_then(|placed| placed.node);
        // A leg that is elsewhere is another leg.
        if self.legs.get(&(call, device)).is_some_and(|leg| leg.node != node)
            && let Some(old) = self.legs.remove(&(call, device))
        {
            self.remove(&old).await;
        }
        let next = &mut self.next;
        let leg = self.legs.entry((call, device)).or_insert_with(|| {
            *next += 1;
            Leg { id: LegId(*next), node, asked: VecDeque::new(), connected: false }
        });
        leg.connected = false;
        let id = leg.id;
        self.names.insert(id, (call, device));
        if let Some(node) = node {
            leg.asked.push_back((session, Instant::now()));
            return self.pool.send(node, ToNode::AddLeg { call, leg: id.0, offer: sdp });
        }
        let answer = self.relay.add_leg(call, id, sdp).await.map_err(|error| error.to_string());
        self.hub.send(Input::LegAdded(call, device, session, answer)).await;
    }

    /// A leg is connected, says the relay that has it.
    fn connected(&mut self, leg: LegId, says: Option<NodeId>) {
        let Some((call, device)) = self.names.get(&leg) else { return };
        let known = self.legs.get_mut(&(*call, *device)).filter(|known| known.id == leg && known.node == says);
        if let (Some(known), Some(placed)) = (known, self.calls.get_mut(call)) {
            known.connected = true;
            placed.tries.clear();
            if let Some(node) = says {
                self.pool.reached(node, Instant::now());
            }
        }
    }

    /// A device offers a leg again. Where its offers came to nothing, and nobody else of its call reaches the relay either, the call
    /// moves: a relay may be at another address than it says, or behind a firewall.
    async fn leave_unreached(&mut self, call: CallId, device: DeviceId) {
        let (Some(placed), now) = (self.calls.get_mut(&call), Instant::now()) else { return };
        let node = placed.node;
        if self.legs.iter().any(|((of, _), leg)| *of == call && leg.node == node && leg.connected) {
            return;
        }
        let (tries, began) = placed.tries.entry(device).or_insert((0, now));
        if *tries > 0 && now.duration_since(*began) < TRY_TAKES {
            return;
        }
        (*tries, *began) = (*tries + 1, now);
        // One that other calls reach has one more try, and no doubt falls on it: it may be this device's network.
        let carries = self.legs.values().any(|leg| leg.node == node && leg.connected);
        let is_reached = node.is_none_or(|node| carries || self.pool.is_reached(node, now));
        if *tries <= if is_reached { 2 } else { 1 } {
            return;
        }
        match node {
            Some(node) => {
                placed.unreached.insert(node);
                if !carries {
                    self.pool.doubt(node, now);
                }
            }
            // The last that is asked: after it, they are all asked again.
            None => placed.unreached.clear(),
        }
        if self.give_up(call, node).await {
            let relay = self.name(node);
            tracing::warn!(
                %call, relay,
                "a call's devices do not reach its relay, and the call moves: is the relay at the address that it says, and open to \
                 UDP and TCP?"
            );
            self.numbers.unreached.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn name(&self, node: Option<NodeId>) -> String {
        node.map_or_else(|| "of this process".to_owned(), |node| self.pool.name(node))
    }

    /// A leg is gone, says the relay that has it. What another one says of it counts for nothing.
    async fn gone(&mut self, leg: LegId, says: Option<NodeId>) {
        let Some(&(call, device)) = self.names.get(&leg) else { return };
        let known = self.legs.get(&(call, device)).filter(|known| known.id == leg && known.node == says);
        // Where an offer is not answered yet, this is of the leg before it.
        if known.is_some_and(|known| known.asked.is_empty()) {
            self.names.remove(&leg);
            self.legs.remove(&(call, device));
            // Where the call has left that relay, the device knows.
            if self.calls.get(&call).is_some_and(|placed| placed.node != says) {
                return;
            }
            let relay = self.name(says);
            tracing::info!(%call, relay, "a leg is gone");
            self.hub.send(Input::LegLost(call, device)).await;
        }
    }

    async fn hear(&mut self, input: NodeInput) {
        match input {
            NodeInput::Arrived { node, to, max_calls, address } => {
                self.pool.add(node, to, max_calls, address, Instant::now());
                tracing::info!(relay = self.pool.name(node), "a relay of its own is there");
                if self.pool.is_there_twice(node) {
                    tracing::warn!(
                        relay = self.pool.name(node),
                        "another relay says that it is at this address: devices reach one of them, if any; see --media-addr"
                    );
                }
                self.count_relays();
            }
            NodeInput::Gone(node) => {
                let relay = self.pool.name(node);
                let (as_told, calls) = (self.pool.remove(node), self.calls_on(node).len());
                match as_told {
                    true => tracing::info!(relay, calls, "a relay of its own has stopped; its calls move"),
                    false => tracing::warn!(relay, calls, "a relay of its own is gone; its calls move"),
                }
                self.count_relays();
                self.leave(node).await;
            }
            NodeInput::Said(node, FromNode::Load { calls, legs, draining }) => {
                let mute = self.legs.values().filter(|leg| leg.node == Some(node));
                if mute.filter_map(|leg| leg.asked.front()).any(|(_, since)| since.elapsed() > ANSWERS_WITHIN) {
                    tracing::warn!(
                        relay = self.pool.name(node),
                        "a relay of its own does not answer offers: its calls move"
                    );
                    self.pool.drop_mute(node, Instant::now());
                    self.count_relays();
                    self.leave(node).await;
                } else if self.pool.loaded(node, calls, legs, draining) {
                    let calls = self.calls_on(node).len();
                    tracing::info!(
                        relay = self.pool.name(node),
                        calls,
                        "a relay of its own is about to stop: its calls move"
                    );
                    self.leave(node).await;
                }
            }
            NodeInput::Said(node, FromNode::LegAdded { leg, answer, refused }) => {
                self.answered(node, LegId(leg), answer.ok_or_else(|| refused.unwrap_or_default())).await;
            }
            NodeInput::Said(node, FromNode::LegGone { leg }) => self.gone(LegId(leg), Some(node)).await,
            NodeInput::Said(node, FromNode::LegConnected { leg }) => self.connected(LegId(leg), Some(node)),
            NodeInput::Said(_, FromNode::Hello { .. }) => {}
        }
    }

    async fn answered(&mut self, node: NodeId, id: LegId, answer: Result<String, String>) {
        let Some(&(call, device)) = self.names.get(&id) else { return };
        let Some(leg) = self.legs.get_mut(&(call, device)).filter(|leg| leg.node == Some(node)) else { return };
        let Some((session, _)) = leg.asked.pop_front() else { return };
        let moves = self.calls.get_mut(&call).filter(|placed| placed.node == Some(node));
        if let (Err(why), Some(placed)) = (&answer, moves) {
            // Full, or it does not know the call, or the offer is none: another relay may say something else, and the last that
            // is asked is the one of this process.
            tracing::warn!(%call, relay = self.pool.name(node), ?why, "a relay of its own did not take a leg, and the call moves");
            placed.unreached.insert(node);
            self.give_up(call, Some(node)).await;
            return;
        }
        self.hub.send(Input::LegAdded(call, device, session, answer)).await;
    }

    fn count_relays(&self) {
        self.numbers.relays.store(self.pool.len() as u64, Ordering::Relaxed);
    }

    fn calls_on(&self, node: NodeId) -> Vec<CallId> {
        self.calls.iter().filter(|(_, placed)| placed.node == Some(node)).map(|(call, _)| *call).collect()
    }

    /// Moves every call that is on a relay to another. Legs that were there are made anew by their devices.
    async fn leave(&mut self, node: NodeId) {
        for call in self.calls_on(node) {
            self.move_call(call, Some(node)).await;
        }
    }

    /// Says whether there was another relay for it.
    async fn move_call(&mut self, call: CallId, from: Option<NodeId>) -> bool {
        let Some(old) = self.calls.get(&call) else { return false };
        let to = self.pool.least_loaded(&old.unreached, Instant::now());
        if to == from {
            return false;
        }
        let Some(old) = self.calls.remove(&call) else { return false };
        self.numbers.moved.fetch_add(1, Ordering::Relaxed);
        self.place(call, Placed::at(to, old.log_index, old.unreached)).await;
        let mut devices = Vec::new();
        for ((of, device), leg) in &mut self.legs {
            if *of == call && leg.node == from {
                leg.asked.clear();
                devices.push(*device);
            }
        }
        for device in devices {
            // The old leg goes on carrying sound until the device has offered a new one. An offer that was not answered is
            // not handed on: it may be what the relay died of.
            self.hub.send(Input::LegLost(call, device)).await;
        }
        true
    }

    /// Moves a call from a relay that lives, and carries nothing of it.
    async fn give_up(&mut self, call: CallId, on: Option<NodeId>) -> bool {
        let moved = self.move_call(call, on).await;
        if moved {
            self.legs.retain(|(of, _), leg| *of != call || leg.node != on);
            let kept: BTreeSet<LegId> = self.legs.values().map(|leg| leg.id).collect();
            self.names.retain(|id, (of, _)| *of != call || kept.contains(id));
            self.close(call, on).await;
        }
        moved
    }
}
