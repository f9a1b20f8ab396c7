//! The call engine for browsers: `wasm-bindgen` bindings without logic. JSON and bytes go in and out; every decision is
//! `telcon-core`'s, and so are the types of the JSON (`telcon_core::page`).

mod documents;
mod zones;

use std::collections::BTreeMap;
use telcon_core::{
    AskingDevice, DeviceState, Engine, UserCommand,
    device::Anchor,
    page::{self, PageAsking, PageEnrolment, PageOutput},
};
use telcon_identity::LoggedDocumentVersion;
use telcon_proto::{
    DocumentId,
    http::{ErasureReport, OfficeInfo, RecordProof},
};
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
    /// Verified versions of documents that the page reads, by number.
    documents: BTreeMap<DocumentId, BTreeMap<u32, LoggedDocumentVersion>>,
}

#[wasm_bindgen]
impl Telcon {
    /// Restores a device from the last state that was persisted. `seed_bytes` are 32 fresh random bytes; times are
    /// milliseconds since 1970 UTC.
    #[wasm_bindgen(constructor)]
    pub fn new(state: &str, seed_bytes: &[u8], now_ms: f64) -> Result<Telcon, JsError> {
        let state = DeviceState::parse(state).map_err(fail)?;
        let mut engine = Engine::new(state, seed(seed_bytes)?, now_ms as u64).map_err(fail)?;
        engine.set_zones(zones::local_minute);
        Ok(Self { engine, documents: BTreeMap::new() })
    }

    /// Makes a device from a link's fragment; returns JSON of a `PageEnrolment`.
    pub fn enrol(fragment: &str, office: &str, seed_bytes: &[u8], now_ms: f64) -> Result<String, JsError> {
        let office: OfficeInfo = serde_json::from_str(office).map_err(fail)?;
        let state = DeviceState::enrol(fragment, office, &seed(seed_bytes)?, now_ms as u64).map_err(fail)?;
        serde_json::to_string(&PageEnrolment::new(&state)).map_err(fail)
    }

    /// Verifies a link's fragment; returns JSON of the invited person's `Card`, to show before enrolment.
    pub fn read_invitation(fragment: &str, office: &str) -> Result<String, JsError> {
        let office: OfficeInfo = serde_json::from_str(office).map_err(fail)?;
        let card = telcon_core::device::invited(fragment, &office).map_err(fail)?;
        serde_json::to_string(&card).map_err(fail)
    }

    /// Whether a fragment is a registrar's link: a device asks with it ([`Telcon::ask`]) instead of enrolling at once.
    pub fn is_ask(fragment: &str) -> bool {
        telcon_core::device::is_ask(fragment)
    }

    /// Whether a stored state is of a device that waits for a registrar.
    pub fn is_asking(state: &str) -> bool {
        AskingDevice::parse(state).is_ok()
    }

    /// Makes a device's key and request from a registrar's link; returns JSON of a `PageAsking`. `label` is what the device says
    /// it is.
    pub fn ask(fragment: &str, office: &str, label: &str, seed_bytes: &[u8], now_ms: f64) -> Result<String, JsError> {
        let office: OfficeInfo = serde_json::from_str(office).map_err(fail)?;
        let asking = AskingDevice::ask(fragment, office, label, &seed(seed_bytes)?, now_ms as u64).map_err(fail)?;
        serde_json::to_string(&PageAsking::new(&asking).map_err(fail)?).map_err(fail)
    }

    /// The `PageAsking` of a stored state.
    pub fn asking(state: &str) -> Result<String, JsError> {
        let asking = AskingDevice::parse(state).map_err(fail)?;
        serde_json::to_string(&PageAsking::new(&asking).map_err(fail)?).map_err(fail)
    }

    /// Takes the certificates (JSON of base64 texts) with which a registrar approved the device; returns its state.
    pub fn complete(state: &str, chain: &str, now_ms: f64) -> Result<String, JsError> {
        let chain = serde_json::from_str(chain).map_err(fail)?;
        let state = AskingDevice::parse(state).and_then(|asking| asking.complete(chain, now_ms as u64));
        Ok(state.map_err(fail)?.to_text().as_str().to_owned())
    }

    /// What a stored state lets a locked device verify, readable: JSON for [`Telcon::order_request`] and [`Telcon::revocation`].
    pub fn anchor(state: &str) -> Result<String, JsError> {
        Ok(DeviceState::parse(state).map_err(fail)?.anchor().to_text())
    }

    /// Body of `POST /api/v1/orders` for the device of an anchor.
    pub fn order_request(anchor: &str) -> Result<String, JsError> {
        serde_json::to_string(&Anchor::parse(anchor).map_err(fail)?.order_request()).map_err(fail)
    }

    /// JSON of a `RevocationView` if the statement revokes the device of an anchor; nothing if it does not verify.
    pub fn revocation(anchor: &str, statement: &str) -> Result<Option<String>, JsError> {
        let revocation = Anchor::parse(anchor).map_err(fail)?.revocation(statement);
        revocation.map(|revocation| serde_json::to_string(&revocation).map_err(fail)).transpose()
    }

    /// Body of `POST /api/v1/erasures` of a device that cannot be opened, because its certificate has expired; nothing if the statement
    /// does not order it to erase itself.
    pub fn erasure_report(state: &str, statement: &str, now_ms: f64) -> Result<Option<String>, JsError> {
        let report = DeviceState::parse(state).map_err(fail)?.erasure_report(statement, now_ms as u64);
        report.map(|jws| serde_json::to_string(&ErasureReport { jws }).map_err(fail)).transpose()
    }

    /// A text with which the holder of the office's authority appoints this device as a registrar.
    pub fn appointment_request(&self, now_ms: f64) -> String {
        self.engine.appointment_request(now_ms as u64)
    }

    /// The ticket with which this device signs in from now on.
    pub fn set_ticket(&mut self, ticket: Option<String>) {
        self.engine.set_ticket(ticket);
    }

    /// Stretches a PIN; returns 32 bytes for the wrapping key and 32 bytes that prove the PIN to the office.
    pub fn stretch_pin(pin: &str, salt: &[u8]) -> Result<Vec<u8>, JsError> {
        let stretched = telcon_core::pin::stretch(pin, salt).map_err(fail)?;
        Ok([stretched.key.as_slice(), stretched.proof.as_slice()].concat())
    }

    /// The WebSocket is open.
    pub fn connected(&mut self, now_ms: f64) {
        self.engine.connected(now_ms as u64);
    }

    /// The WebSocket closed.
    pub fn disconnected(&mut self, now_ms: f64) {
        self.engine.disconnected(now_ms as u64);
    }

    /// A text message was received.
    pub fn handle_server(&mut self, now_ms: f64, text: &str) {
        self.engine.handle_text(now_ms as u64, text);
    }

    /// Advances time.
    pub fn tick(&mut self, now_ms: f64) {
        self.engine.tick(now_ms as u64);
    }

    /// When `tick` must be called next, milliseconds since 1970 UTC.
    pub fn next_wakeup_ms(&self) -> Option<f64> {
        self.engine.next_wakeup_ms().map(|ms| ms as f64)
    }

    /// Executes a `Command`, given as JSON.
    pub fn command(&mut self, now_ms: f64, command: &str) -> Result<(), JsError> {
        let command: UserCommand = serde_json::from_str(command).map_err(fail)?;
        self.engine.command(now_ms as u64, command);
        Ok(())
    }

    /// The next output, as JSON of a `PageOutput`; nothing when all have been returned.
    pub fn poll(&mut self) -> Option<String> {
        loop {
            let output = self.engine.poll()?;
            if let Some(output) = PageOutput::new(&self.engine, output) {
                return serde_json::to_string(&output).ok();
            }
        }
    }

    /// Encrypts one encoded frame (SFrame); nothing when it must not be sent.
    pub fn seal(&mut self, frame: &[u8]) -> Option<Vec<u8>> {
        self.engine.seal(frame)
    }

    /// Decrypts one encoded frame; nothing when it must not be played. `steady_ms` is of a monotonic clock.
    pub fn open(&mut self, frame: &[u8], steady_ms: f64) -> Option<Vec<u8>> {
        let opened = self.engine.open(frame).ok()?;
        self.engine.record_arrival(&opened, (steady_ms * 1e3) as u64);
        Some(opened.into_single_packet())
    }

    /// Whether `poll` has an output: a frame may change the view.
    pub fn has_output(&self) -> bool {
        self.engine.has_output()
    }

    /// Verifies a `RecordProof`; returns JSON of a `Report`.
    pub fn check_record(&mut self, proof: &str, now_ms: f64) -> Result<String, JsError> {
        let proof: RecordProof = serde_json::from_str(proof).map_err(fail)?;
        let report = self.engine.check_record(now_ms as u64, &proof);
        serde_json::to_string(&report).map_err(fail)
    }
}

/// A short code that was typed into the page: see `telcon_core::page::EnteredCode`.
#[wasm_bindgen]
pub struct EnteredCode {
    code: page::EnteredCode,
    slot: String,
    message: String,
}

#[wasm_bindgen]
impl EnteredCode {
    /// Reads what was typed. `seed_bytes` are 32 fresh random bytes.
    #[wasm_bindgen(constructor)]
    pub fn new(typed: &str, office: &str, seed_bytes: &[u8]) -> Result<EnteredCode, JsError> {
        let office: OfficeInfo = serde_json::from_str(office).map_err(fail)?;
        let (code, slot, message) = page::EnteredCode::start(typed, &office, seed(seed_bytes)?).map_err(fail)?;
        Ok(Self { code, slot, message: serde_json::to_string(&message).map_err(fail)? })
    }

    /// The first four digits.
    pub fn slot(&self) -> String {
        self.slot.clone()
    }

    /// JSON of a `CodeStart`, to be sent.
    pub fn message(&self) -> String {
        self.message.clone()
    }

    /// Takes JSON of a `CodeStarted`; returns JSON of a `CodeConfirm`, to be sent.
    pub fn answer(&mut self, started: &str) -> Result<String, JsError> {
        let started = serde_json::from_str(started).map_err(fail)?;
        serde_json::to_string(&self.code.answer(&started).map_err(fail)?).map_err(fail)
    }

    /// Takes JSON of a `SealedText`; returns the fragment of a registrar's link.
    pub fn open(&mut self, text: &str) -> Result<String, JsError> {
        let text = serde_json::from_str(text).map_err(fail)?;
        self.code.open(&text).map_err(fail)
    }
}
