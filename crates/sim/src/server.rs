//! What `hub`, `media`, `web::socket` and the log's thread do in the real server, with the real engines, store, log writer and
//! reconciliation, in virtual time.

use crate::connection::ConnectionId;
use crate::event::Event;
use crate::process::{Batch, HubInput, Process, RECORD_DUE_MS, Request};
use crate::relay::RelayHost;
use crate::world::World;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use telcon_server::archive::LogWriter;
use telcon_server::placement::Placement;
use telcon_server::reconcile;
use telcon_server::store::Store as _;
use telcon_server::switchboard::{Policy, Refusal, RefusalKind, Switchboard};

mod connections;
mod hub;
mod log;
mod relays;

impl World {
    fn policy(&self) -> Policy {
        Policy {
            domain: self.office.domain(),
            suite: self.office.info.suite,
            floor: self.office.pinned.floor(),
            record_due_ms: RECORD_DUE_MS,
            devices: Default::default(),
            rings: self.office.pinned.rings(),
        }
    }

    /// Starts the server's process over what is durable. A fault may end the attempt.
    pub fn start_server(&mut self) {
        self.server.boots += 1;
        self.server.store.reopen();
        let boot = self.server.boots;
        self.note(format!("server: start {boot}"));
        let files = self.server.disk.writer();
        let reader = Arc::new(self.server.disk.clone());
        let writer = match LogWriter::over(files, reader, self.office.signer(), self.office.domain(), self.now) {
            Ok(writer) => writer,
            Err(error) => return self.start_failed(&error),
        };
        let prover = writer.prover();
        if let Err(error) = reconcile(&mut self.server.store, &prover, &(), true) {
            return self.start_failed(&error);
        }
        let snapshot = match self.server.store.load() {
            Ok(snapshot) => snapshot,
            Err(error) => return self.start_failed(&error),
        };
        let (board, effects) = Switchboard::new(self.policy(), snapshot, self.now);
        self.relays[0] = RelayHost::new(0);
        self.server.process = Some(Box::new(Process {
            boot,
            board,
            writer,
            prover,
            placement: Placement::new(self.now << 16),
            inbox: VecDeque::new(),
            hub_at: None,
            entries: VecDeque::new(),
            log_busy: false,
            outboxes: BTreeMap::new(),
            requests: BTreeMap::new(),
            next_request: boot << 32,
            log_reported: None,
            state_unknown: false,
            relays: BTreeMap::new(),
        }));
        let mut batch = Batch::default();
        batch.add(effects);
        self.commit(batch);
        self.schedule_board();
    }

    fn start_failed(&mut self, error: &dyn std::fmt::Display) {
        // The process that runs next finds it in order, or this is a fault of ours.
        let crashed = self.server.disk.has_crashed() || self.server.store.has_crashed();
        let injected = error.to_string().contains("injected");
        if !crashed && !injected {
            return self.watch.fail(format!("the server does not start: {error}"));
        }
        self.note("server: start failed");
        self.after(500, Event::ServerUp);
    }

    /// The process is gone, and with it what was not durable.
    pub fn stop_process(&mut self) {
        let Some(process) = self.server.process.take() else { return };
        self.server.crash_in_outputs = None;
        self.relays[0].up = false;
        for (_, request) in process.requests {
            self.fail_request(request);
        }
        let open: Vec<ConnectionId> =
            self.connections.iter().filter(|(_, connection)| connection.server_open).map(|(id, _)| *id).collect();
        for id in open {
            self.close_at_server(id, true);
        }
        for relay in 1..self.relays.len() {
            if let Some(connection) = self.relays[relay].connection {
                self.after(1, Event::RelayLost { connection });
            }
        }
    }

    fn fail_request(&mut self, request: Request) {
        let refusal = Refusal::new(RefusalKind::Unavailable, "the server's store failed");
        if let Some(script) = &mut self.script {
            script.replies.push(Err(refusal.clone()));
        }
        self.after(20, Event::HttpDone(request, Err(refusal)));
    }

    fn process(&mut self) -> Option<&mut Process> {
        self.server.process.as_deref_mut()
    }

    /// An HTTP request reaches the server.
    pub fn http(&mut self, request: Request) {
        if self.server.process.is_none() {
            return self.fail_request(request);
        }
        if let Request::Revoke(device, jws) = &request {
            let revocation = self.office.pinned.verify_revocation(jws).expect("the authority's own word");
            assert_eq!(revocation.device(), self.devices[*device].id);
        }
        self.input(HubInput::Http(request));
    }
}
