//! What a test looks at: screens, sound, and what went over the wire.

use super::{Node, Scenario, ring_of};
use telcon_core::{
    DeviceState, Engine, Event, ReceivedFrame,
    media::keyring::OpenError,
    view::{AlertLevel, CallState, CallView, View},
};
use telcon_proto::{
    Blob, CallId, Card, ClientMessage, DeviceId, Ended, ServerMessage,
    message::{Logged, Notice, NoticeState, Ring},
};
use telcon_server::store::Store as _;

/// The newest call, as the wire showed it.
pub struct SeenCall {
    /// Its id.
    pub id: CallId,
    /// The signed ring.
    pub jws: String,
    /// The content of the ring.
    pub ring: Ring,
    /// Its commits ([`ServerMessage::Committed`]), in order.
    pub handshakes: Vec<ServerMessage>,
    /// Its epoch: the number of commits that were ordered.
    pub epoch: u64,
    /// How it ended.
    pub over: Option<Ended>,
}

impl Scenario {
    /// The newest call that was rung and reached the log.
    ///
    /// # Panics
    /// When there is none.
    pub fn seen(&self) -> SeenCall {
        let opened = self.script().sent.iter().rev().find_map(|(_, message)| match message {
            ServerMessage::Opened { call, .. } => Some(*call),
            ServerMessage::Ringing { jws, .. } => ring_of(jws).map(|ring| ring.call.id),
            _ => None,
        });
        let id = opened.expect("a call was opened");
        let rings = self.script().received.iter().filter_map(|(_, message)| match message {
            ClientMessage::Ring { jws } => Some(jws),
            _ => None,
        });
        let (jws, ring) = rings
            .filter_map(|jws| Some((jws.clone(), ring_of(jws)?)))
            .find(|(_, ring)| ring.call.id == id)
            .expect("the call was rung");
        let (mut handshakes, mut over): (Vec<ServerMessage>, _) = (Vec::new(), None);
        let sequence = |message: &ServerMessage| match message {
            ServerMessage::Committed { call, seq, .. } if *call == id => Some(*seq),
            _ => None,
        };
        for (_, message) in &self.script().sent {
            match message {
                ServerMessage::Ended { call, how, .. } if *call == id => over = Some(*how),
                ServerMessage::Notice(Notice { call, state: NoticeState::Ended { how }, .. }) if *call == id => {
                    over = Some(*how);
                }
                message
                    if sequence(message).is_some() && handshakes.iter().all(|h| sequence(h) != sequence(message)) =>
                {
                    handshakes.push(message.clone());
                }
                _ => {}
            }
        }
        handshakes.sort_by_key(sequence);
        let epoch = handshakes.iter().filter_map(sequence).max().unwrap_or(0);
        SeenCall { id, jws, ring, handshakes, epoch, over }
    }

    /// Proof that the newest call's opening is in the log, as the server sent it.
    pub fn opened(&self) -> Logged {
        let id = self.seen().id;
        let sent = self.script().sent.iter().rev().find_map(|(_, message)| match message {
            ServerMessage::Opened { call, opened, .. } if *call == id => Some(opened.clone()),
            ServerMessage::Ringing { jws, opened, .. } if ring_of(jws).is_some_and(|ring| ring.call.id == id) => {
                Some(opened.clone())
            }
            _ => None,
        });
        sent.expect("the opening was sent")
    }

    /// Proof that a device's certificate is in the log.
    pub fn proof(&mut self, node: Node) -> Logged {
        let id = self.id(node);
        self.proof_of(id)
    }

    /// Proof that a device's certificate is in the log, by its id.
    pub fn proof_of(&mut self, device: DeviceId) -> Logged {
        let row = self.world.server.store.device(&device).expect("the store").expect("it is enrolled");
        let process = self.world.server.process.as_ref().expect("the server runs");
        process.prover.prove(row.log_index.expect("it is in the log")).expect("a proof")
    }

    /// How many devices there are.
    pub fn nodes(&self) -> usize {
        self.world.devices.len()
    }

    /// A device's id.
    pub fn id(&self, node: Node) -> DeviceId {
        self.world.devices[node].id
    }

    /// A device's person.
    pub fn card(&self, node: Node) -> Card {
        self.world.devices[node].card.clone()
    }

    /// A device's engine.
    pub fn engine(&mut self, node: Node) -> &mut Engine {
        self.world.devices[node].engine.as_mut().expect("the device is on")
    }

    /// What a device has stored.
    pub fn state_of(&self, node: Node) -> DeviceState {
        DeviceState::parse(&self.world.devices[node].state).expect("a stored state")
    }

    /// What a device's engine reported.
    pub fn events(&self, node: Node) -> &[Event] {
        &self.world.devices[node].events
    }

    /// How many media legs a device offered.
    pub fn legs(&self, node: Node) -> u64 {
        self.world.devices[node].legs
    }

    /// Whether a device has erased itself.
    pub fn is_erased(&self, node: Node) -> bool {
        self.world.devices[node].gone
    }

    /// How many connections a device gave up because the office did not answer.
    pub fn keepalive_timeouts(&self, node: Node) -> usize {
        self.world.devices[node].keepalive_timeouts
    }

    /// Everything that a device shows.
    pub fn screen_of(&self, node: Node) -> View {
        self.world.devices[node].engine.as_ref().expect("the device is on").view()
    }

    /// The call that a device shows.
    pub fn view(&self, node: Node) -> CallView {
        self.screen_of(node).call.expect("this device has a call")
    }

    /// The state of the call that a device shows.
    pub fn state(&self, node: Node) -> CallState {
        self.view(node).state
    }

    /// Names on a device's screen, sorted.
    pub fn screen(&self, node: Node) -> Vec<String> {
        let mut names: Vec<_> = self.view(node).members.into_iter().map(|member| member.card.name).collect();
        names.sort();
        names
    }

    /// Red alerts on a device's screen.
    pub fn red(&self, node: Node) -> Vec<String> {
        let alerts = self.screen_of(node).alerts.into_iter();
        alerts.filter(|alert| alert.level == AlertLevel::Red).map(|alert| alert.text).collect()
    }

    /// Red alerts by device.
    pub fn problems(&self) -> Vec<(Node, Vec<String>)> {
        let on = (0..self.nodes()).filter(|node| self.world.devices[*node].is_on());
        on.map(|node| (node, self.red(node))).filter(|(_, red)| !red.is_empty()).collect()
    }

    /// One frame of a device's speech, sealed.
    pub fn speak(&mut self, node: Node, packet: &[u8]) -> Option<Vec<u8>> {
        self.engine(node).seal(packet)
    }

    /// A device gets a frame from the relay.
    ///
    /// # Errors
    /// When it does not open it.
    pub fn hear(&mut self, node: Node, frame: &[u8]) -> Result<ReceivedFrame, OpenError> {
        let opened = self.engine(node).open(frame);
        // A frame may be what the device waited for.
        if self.engine(node).has_output() {
            self.world.drain(node);
        }
        opened
    }

    /// Whether `listener` opens a frame of `speaker` whose sound is kept back.
    pub fn hear_silence(&mut self, listener: Node, speaker: Node) -> bool {
        let Some(frame) = self.speak(speaker, &[0x78; 80]) else { return false };
        self.hear(listener, &frame).is_ok_and(|opened| opened.packet == telcon_core::media::silence::silence(80))
    }

    /// Whether `listener` opens a frame of `speaker`, and attributes it to them.
    pub fn hears(&mut self, listener: Node, speaker: Node) -> bool {
        let packet = [0x78, speaker as u8, 1, 2, 3];
        let Some(frame) = self.speak(speaker, &packet) else { return false };
        let id = self.id(speaker);
        self.hear(listener, &frame).is_ok_and(|opened| opened.device == id && opened.packet == packet)
    }

    /// A device's group, for a device that does not follow its engine's rules.
    pub fn group(&mut self, node: Node) -> &mut telcon_core::mls::group::CallGroup {
        self.honest = false;
        self.engine(node).call_group().expect("a call with a group")
    }

    /// An application message that a device of the call encrypts past its engine.
    pub fn encrypt(&mut self, node: Node, text: &[u8]) -> Blob {
        Blob(self.group(node).encrypt(text).expect("a group that encrypts"))
    }
}
