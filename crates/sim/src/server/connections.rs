//! Connections of devices at the server: what `web::socket` does.

use crate::connection::{Connection, ConnectionId, Stage};
use crate::event::Event;
use crate::process::HubInput;
use crate::world::World;
use telcon_proto::limits::CHALLENGE_TTL_MS;
use telcon_proto::message::RefusalCode;
use telcon_proto::{ClientMessage, ServerMessage, WIRE_VERSION};
use telcon_server::limits::IDLE_TIMEOUT_MS;
use telcon_server::sign_in;
use telcon_server::store::Store as _;
use telcon_server::switchboard::SessionId;

impl World {
    /// A connection reaches the server.
    pub fn accepted(&mut self, id: ConnectionId) {
        let (running, boot, now) = (self.server.process.is_some(), self.server.boots, self.now);
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if !running {
            connection.server_open = true;
            return self.close_at_server(id, true);
        }
        (connection.server_open, connection.boot, connection.heard_at) = (true, boot, now);
        self.after(CHALLENGE_TTL_MS, Event::IdleCheck(id));
    }

    /// The server looks whether a connection is idle, or did not sign in.
    pub fn idle_check(&mut self, id: ConnectionId) {
        let now = self.now;
        let Some(connection) = self.connections.get(&id).filter(|connection| connection.server_open) else { return };
        let signed_in = matches!(connection.stage, Stage::Session(_));
        let due = connection.heard_at + if signed_in { IDLE_TIMEOUT_MS } else { CHALLENGE_TTL_MS };
        if self.devices[connection.device].mail.is_some() {
            // A script does not write the pings of its devices.
            return self.at(now + IDLE_TIMEOUT_MS, Event::IdleCheck(id));
        }
        if now >= due {
            self.end_connection(id, false);
        } else {
            self.at(due, Event::IdleCheck(id));
        }
    }

    /// The server ends a connection and forgets its session.
    fn end_connection(&mut self, id: ConnectionId, abruptly: bool) {
        if let Some(Connection { stage: Stage::Session(session), .. }) = self.connections.get(&id) {
            let session = *session;
            self.input(HubInput::Disconnected(session));
        }
        self.close_at_server(id, abruptly);
    }

    /// The device's end was closed.
    pub fn closed_at_server(&mut self, id: ConnectionId) {
        self.end_connection(id, true);
        self.drop_if_closed(id);
    }

    fn drop_if_closed(&mut self, id: ConnectionId) {
        if self.connections.get(&id).is_some_and(|connection| !connection.device_open && !connection.server_open) {
            self.connections.remove(&id);
        }
    }

    /// A message reaches the server: what `web::socket` does with it.
    pub fn received_by_server(&mut self, id: ConnectionId, text: &str) {
        let now = self.now;
        let Some(connection) = self.connections.get_mut(&id).filter(|connection| connection.server_open) else {
            return;
        };
        connection.heard_at = now;
        let Ok(message) = serde_json::from_str::<ClientMessage>(text) else {
            return self.watch.fail(format!("a device sent what the server does not understand: {text}"));
        };
        match (&connection.stage, message) {
            (Stage::Hello, ClientMessage::Hello { version, device, .. }) if version == WIRE_VERSION => {
                let nonce = self.keys.bytes();
                connection.stage = Stage::Proof(device, nonce);
                self.send_down(
                    id,
                    &ServerMessage::Challenge { nonce: telcon_proto::Blob(nonce.to_vec()), now_ms: now },
                );
            }
            (Stage::Proof(device, nonce), ClientMessage::Prove { jws, .. }) => {
                let (device, nonce) = (*device, *nonce);
                let row = self.server.store.device(&device);
                let refused = |text: &str| {
                    Box::new(ServerMessage::Refused {
                        call: None,
                        code: RefusalCode::Unavailable,
                        message: text.to_owned(),
                    })
                };
                let checked = match row {
                    Ok(row) => sign_in::check_proof(&self.office.pinned, row, device, &nonce, &jws, now)
                        .map_err(|refused| (refused.message, refused.not_proven)),
                    Err(_) => Err((refused("the server failed: try again later"), false)),
                };
                match checked {
                    Ok(_) => {
                        let session = SessionId(self.server.next_session);
                        self.server.next_session += 1;
                        if let Some(connection) = self.connections.get_mut(&id) {
                            connection.stage = Stage::Session(session);
                        }
                        self.input(HubInput::Connected(id, session, device));
                    }
                    Err((message, not_proven)) => {
                        if not_proven {
                            self.input(HubInput::SignInFailed(device));
                        }
                        self.send_down(id, &message);
                        self.close_at_server(id, false);
                    }
                }
            }
            (Stage::Session(session), message) => {
                let session = *session;
                let input = match message {
                    ClientMessage::Ping { log_size } => HubInput::Ping(session, log_size),
                    ClientMessage::Ring { jws } => {
                        HubInput::Ring(session, sign_in::verify_ring(&self.office.pinned, jws, now))
                    }
                    ClientMessage::Delegate { statement } => {
                        HubInput::Delegate(session, sign_in::verify_delegation(&self.office.pinned, statement))
                    }
                    ClientMessage::EndDelegation { statement } => HubInput::EndDelegation(
                        session,
                        sign_in::verify_delegation_end(&self.office.pinned, &statement),
                    ),
                    ClientMessage::SignLine { statement } => self.line_input(session, statement, false),
                    ClientMessage::StopLine { statement } => self.line_input(session, statement, true),
                    ClientMessage::ApproveDevice { invitation, chain, line } => {
                        HubInput::Approve(session, invitation, chain, line)
                    }
                    ClientMessage::PublishKey { statement } => {
                        HubInput::PublishKey(session, sign_in::verify_device_key(&self.office.pinned, statement))
                    }
                    message => HubInput::Message(session, message),
                };
                self.input(input);
            }
            (_, message) => self.watch.fail(format!("a device sent {message:?} before it was signed in")),
        }
    }
}
