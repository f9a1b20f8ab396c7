//! The network between devices and server, in the hands of a test.

use super::{Node, Scenario};
use crate::event::Event;
use std::collections::BTreeMap;
use telcon_proto::{ClientMessage, ServerMessage};
use telcon_server::switchboard::{CloseReason, Refusal, RelayCommand, Reply, SessionId};

/// Gets each message of the server to a device, and gives those to deliver instead.
type Down = Box<dyn FnMut(Node, ServerMessage) -> Vec<ServerMessage>>;
/// Gets each message of a device to the server, and gives those to deliver instead.
type Up = Box<dyn FnMut(Node, ClientMessage) -> Vec<ClientMessage>>;

/// A direction of a device's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the device to the server.
    Up,
    /// From the server to the device.
    Down,
}

/// What a script decides in place of chance, and what it has seen.
#[derive(Default)]
pub struct Script {
    down: Option<Down>,
    up: Option<Up>,
    held_down: BTreeMap<Node, Vec<ServerMessage>>,
    held_up: BTreeMap<Node, Vec<ClientMessage>>,
    /// What devices sent.
    pub(crate) received: Vec<(Node, ClientMessage)>,
    /// What the server sent, before the script changed it.
    pub(crate) sent: Vec<(Node, ServerMessage)>,
    /// What the switchboard told the relays.
    pub(crate) relay: Vec<RelayCommand>,
    /// Answers to HTTP requests.
    pub(crate) replies: Vec<Result<Reply, Refusal>>,
    /// Connections that the switchboard closed.
    pub(crate) closed: Vec<(SessionId, CloseReason)>,
    /// Entries wait for the log.
    pub(crate) hold_log: bool,
    /// Enrolments of devices without an engine, and their devices' keys.
    pub(crate) puppets: BTreeMap<usize, Node>,
    pub(crate) keys: BTreeMap<Node, telcon_core::Device>,
}

impl Script {
    /// A device sends a message; gives what is to be delivered.
    pub(crate) fn on_the_way_up(&mut self, node: Node, message: &ClientMessage) -> Vec<ClientMessage> {
        self.received.push((node, message.clone()));
        let messages = match &mut self.up {
            Some(up) => up(node, message.clone()),
            None => vec![message.clone()],
        };
        match self.held_up.get_mut(&node) {
            Some(held) => {
                held.extend(messages);
                Vec::new()
            }
            None => messages,
        }
    }

    /// The server sends a message; gives what is to be delivered.
    pub(crate) fn on_the_way_down(&mut self, node: Node, message: &ServerMessage) -> Vec<ServerMessage> {
        self.sent.push((node, message.clone()));
        let messages = match &mut self.down {
            Some(down) => down(node, message.clone()),
            None => vec![message.clone()],
        };
        match self.held_down.get_mut(&node) {
            Some(held) => {
                held.extend(messages);
                Vec::new()
            }
            None => messages,
        }
    }
}

impl Event {
    /// Whether it is something on its way, and no deadline.
    pub(crate) fn is_delivery(&self) -> bool {
        self.is_to_device()
            || matches!(
                self,
                Self::Accepted(_)
                    | Self::ToServer(..)
                    | Self::ClosedAtServer(_)
                    | Self::Http(_)
                    | Self::HttpDone(..)
                    | Self::Input(..)
            )
    }

    /// Whether it is on its way to a device.
    pub(crate) fn is_to_device(&self) -> bool {
        matches!(self, Self::ToDevice(..) | Self::ClosedAtDevice(_))
    }
}

impl Scenario {
    /// From now on each message of the server passes through `change`, which gives those to deliver instead.
    pub fn tamper(&mut self, change: impl FnMut(Node, ServerMessage) -> Vec<ServerMessage> + 'static) {
        self.honest = false;
        self.script_mut().down = Some(Box::new(change));
    }

    /// From now on each message to the server passes through `change`, which gives those to deliver instead.
    pub fn tamper_up(&mut self, change: impl FnMut(Node, ClientMessage) -> Vec<ClientMessage> + 'static) {
        self.honest = false;
        self.script_mut().up = Some(Box::new(change));
    }

    /// Messages pass unchanged again.
    pub fn stop_tampering(&mut self) {
        (self.script_mut().down, self.script_mut().up) = (None, None);
    }

    /// From now on nothing passes in a direction of a device; it is held.
    pub fn hold(&mut self, direction: Direction, node: Node) {
        match direction {
            Direction::Up => drop(self.script_mut().held_up.entry(node).or_default()),
            Direction::Down => drop(self.script_mut().held_down.entry(node).or_default()),
        }
    }

    /// The messages of the server that are held, to be dropped or reordered before [`Scenario::release`].
    pub fn held(&mut self, node: Node) -> &mut Vec<ServerMessage> {
        self.honest = false;
        self.script_mut().held_down.entry(node).or_default()
    }

    /// What was held is on its way, and the direction passes again.
    pub fn release(&mut self, direction: Direction, node: Node) {
        match direction {
            Direction::Down => {
                for message in self.script_mut().held_down.remove(&node).unwrap_or_default() {
                    self.put_on_the_way(node, &message);
                }
            }
            Direction::Up => {
                let messages = self.script_mut().held_up.remove(&node).unwrap_or_default();
                let Some(connection) = self.world.devices[node].connection else { return };
                for message in messages {
                    let text = serde_json::to_string(&message).expect("a message is JSON");
                    self.world.after(0, Event::ToServer(connection, text));
                }
                self.deliver_to_server();
            }
        }
    }

    /// Adds a message to those on the way to a device, as if the server had sent it.
    pub fn post(&mut self, node: Node, message: &ServerMessage) {
        self.honest = false;
        self.put_on_the_way(node, message);
    }

    fn put_on_the_way(&mut self, node: Node, message: &ServerMessage) {
        let Some(connection) = self.world.devices[node].connection else { return };
        let text = serde_json::to_string(message).expect("a message is JSON");
        self.world.after(0, Event::ToDevice(connection, text));
    }

    /// Drops what is on its way to a device.
    pub fn drop_messages(&mut self, node: Node) {
        self.honest = false;
        let connection = self.world.devices[node].connection;
        self.world.queue.retain(|_, event| !matches!(event, Event::ToDevice(id, _) if Some(*id) == connection));
    }
}
