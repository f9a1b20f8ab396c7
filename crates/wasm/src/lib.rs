//! The call engine for browsers: a thin shell without logic. Text and bytes go in and out; every decision is
//! `telcon-core`'s.

use serde_json::{Value, json};
use telcon_core::{DeviceState, Engine, Output, UserCommand};
use telcon_proto::http::{EnrolRequest, OfficeInfo, RecordProof};
use wasm_bindgen::prelude::*;

fn fail(error: impl std::fmt::Display) -> JsError {
    JsError::new(&error.to_string())
}

fn seed(bytes: &[u8]) -> Result<[u8; 32], JsError> {
    bytes.try_into().map_err(|_| JsError::new("a seed is 32 random bytes"))
}

/// One device's engine.
#[wasm_bindgen]
pub struct Telcon {
    engine: Engine,
}

#[wasm_bindgen]
impl Telcon {
    /// Opens a device from what `persist` gave. `seed` is 32 fresh random bytes.
    #[wasm_bindgen(constructor)]
    pub fn new(state: &str, seed_bytes: &[u8], now_ms: f64) -> Result<Telcon, JsError> {
        let state = DeviceState::parse(state).map_err(fail)?;
        let engine = Engine::new(state, seed(seed_bytes)?, now_ms as u64).map_err(fail)?;
        Ok(Self { engine })
    }

    /// Enrols from a link's fragment; gives `{"request": …, "state": "…"}`.
    pub fn enrol(fragment: &str, office: &str, seed_bytes: &[u8], now_ms: f64) -> Result<String, JsError> {
        let office: OfficeInfo = serde_json::from_str(office).map_err(fail)?;
        let state = DeviceState::enrol(fragment, office, &seed(seed_bytes)?, now_ms as u64).map_err(fail)?;
        let request = EnrolRequest { chain: state.chain().to_vec() };
        Ok(json!({ "request": request, "state": state.to_text().as_str() }).to_string())
    }

    /// Whom a link's fragment is for, as JSON: the name to show before a person enrols.
    pub fn read_invitation(fragment: &str, office: &str) -> Result<String, JsError> {
        let office: OfficeInfo = serde_json::from_str(office).map_err(fail)?;
        let card = telcon_core::device::invited(fragment, &office).map_err(fail)?;
        serde_json::to_string(&card).map_err(fail)
    }

    /// The WebSocket is open.
    pub fn connected(&mut self, now_ms: f64) {
        self.engine.connected(now_ms as u64);
    }

    /// The WebSocket closed.
    pub fn disconnected(&mut self, now_ms: f64) {
        self.engine.disconnected(now_ms as u64);
    }

    /// A text message came.
    pub fn handle_server(&mut self, now_ms: f64, text: &str) {
        self.engine.handle_text(now_ms as u64, text);
    }

    /// Time passed.
    pub fn tick(&mut self, now_ms: f64) {
        self.engine.tick(now_ms as u64);
    }

    /// When `tick` is wanted next.
    pub fn next_wakeup_ms(&self) -> Option<f64> {
        self.engine.next_wakeup_ms().map(|ms| ms as f64)
    }

    /// A command as JSON.
    pub fn command(&mut self, now_ms: f64, command: &str) -> Result<(), JsError> {
        let command: UserCommand = serde_json::from_str(command).map_err(fail)?;
        self.engine.command(now_ms as u64, command);
        Ok(())
    }

    /// The next thing to do, as JSON, until there is nothing.
    pub fn poll(&mut self) -> Option<String> {
        loop {
            let output = self.engine.poll()?;
            if let Some(value) = self.write(output) {
                return Some(value.to_string());
            }
        }
    }

    fn write(&self, output: Output) -> Option<Value> {
        Some(match output {
            Output::Send(message) => json!({ "out": "send", "text": serde_json::to_string(&message).ok()? }),
            Output::View => json!({ "out": "view", "view": self.engine.view() }),
            Output::Persist => json!({ "out": "persist", "state": self.engine.state_text().as_str() }),
            Output::OpenLeg { call } => json!({ "out": "open_leg", "call": call }),
            Output::MediaAnswer { sdp } => json!({ "out": "media_answer", "sdp": sdp }),
            Output::CloseLeg => json!({ "out": "close_leg" }),
            Output::Erase => json!({ "out": "erase" }),
            Output::Reconnect => json!({ "out": "reconnect" }),
            Output::Event(_) => return None,
        })
    }

    /// Seals one encoded frame; nothing when it must not be sent.
    pub fn seal(&mut self, frame: &[u8]) -> Option<Vec<u8>> {
        self.engine.seal(frame)
    }

    /// Opens one encoded frame; nothing when it must not be played. `steady_ms` is of a clock that nobody sets.
    pub fn open(&mut self, frame: &[u8], steady_ms: f64) -> Option<Vec<u8>> {
        let opened = self.engine.open(frame).ok()?;
        self.engine.record_arrival(&opened, (steady_ms * 1e3) as u64);
        Some(opened.into_single_packet())
    }

    /// Checks what proves a record; gives `{"ok": …, "checks": […]}`.
    pub fn check_record(&self, proof: &str, _now_ms: f64) -> Result<String, JsError> {
        let proof: RecordProof = serde_json::from_str(proof).map_err(fail)?;
        let report = telcon_core::proof::check_record(self.engine.device().office(), &proof);
        serde_json::to_string(&report).map_err(fail)
    }
}
