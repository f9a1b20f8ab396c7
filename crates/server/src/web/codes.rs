//! Short codes: attempts over HTTP, forwarded to the connection of the device that shows the code.

use super::{
    App,
    connections::ClientAddress,
    error::HttpError,
    extract::{Body, Path},
    slots::network_of,
};
use crate::{
    codes::{CodeRefusal, Codes},
    limits::{CODE_ANSWER_TIMEOUT_MS, IPV6_PREFIX, WAITING_CODE_STEPS},
    random::random,
    switchboard::SessionId,
};
use axum::{Extension, Json, extract::State, http::StatusCode};
use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use telcon_proto::{
    CodeRunId, DeviceId, ServerMessage,
    limits::{CODE_TTL_MS, MAX_CODE_MESSAGE_BYTES, MAX_CODE_TEXT_BYTES},
    message::RefusalCode,
    short_code::{CodeAnswer, CodeConfirm, CodeConfirmed, CodeOver, CodeSlot, CodeStart, CodeStarted, CodeStep},
};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

type Waiter = oneshot::Sender<CodeAnswer>;

/// The codes that connections show.
#[derive(Default)]
pub struct CodeRelay(Mutex<Shown>);

#[derive(Default)]
struct Shown {
    codes: Codes<Waiter>,
    /// Connections that have shown a code.
    connections: HashMap<SessionId, mpsc::Sender<ServerMessage>>,
}

/// Milliseconds since the first code: terms and limits of codes must not depend on corrections of the machine's clock.
fn elapsed_ms() -> u64 {
    static FIRST: LazyLock<Instant> = LazyLock::new(Instant::now);
    FIRST.elapsed().as_millis() as u64
}

/// One connection's part: its codes end with it.
pub(super) struct CodeConnection {
    app: Arc<App>,
    session: SessionId,
    /// Of the few connections that show codes: a channel's buffer is larger than all that other connections hold.
    steps: Option<(mpsc::Sender<ServerMessage>, mpsc::Receiver<ServerMessage>)>,
}

impl CodeConnection {
    pub fn new(app: Arc<App>, session: SessionId) -> Self {
        Self { app, session, steps: None }
    }

    /// The next step to forward to the device. Cancel safe.
    pub async fn next(&mut self) -> ServerMessage {
        match &mut self.steps {
            Some((_, receiver)) => receiver.recv().await.expect("invariant: this holds a sender"),
            None => std::future::pending().await,
        }
    }

    /// Allots a slot to the device, which shows a code with it.
    pub fn open(&mut self, device: DeviceId) -> ServerMessage {
        let refused = |code, message: &str| ServerMessage::Refused { call: None, code, message: message.to_owned() };
        let Ok(random) = random() else {
            return refused(RefusalCode::Unavailable, "the server cannot make random numbers: tell its operator");
        };
        let number = random.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let mut shown = self.app.codes.lock();
        match shown.codes.open(self.session, device, number, elapsed_ms()) {
            Some(slot) => {
                let (sender, _) = self.steps.get_or_insert_with(|| mpsc::channel(WAITING_CODE_STEPS));
                shown.connections.insert(self.session, sender.clone());
                ServerMessage::CodeOpened { slot, ttl_ms: CODE_TTL_MS }
            }
            None => refused(RefusalCode::TooMany, "too many codes were made: wait a minute, then make another one"),
        }
    }

    /// Passes the device's answer on to who waits for it.
    pub fn answer(&self, slot: CodeSlot, run: CodeRunId, answer: CodeAnswer) {
        let last = !matches!(answer, CodeAnswer::Exchange { .. });
        let waiter = self.app.codes.lock().codes.answer(self.session, slot, run, last);
        if let Some(waiter) = waiter {
            // Nobody waits any more: their request was broken off.
            let _ = waiter.send(answer);
        }
    }

    pub fn close(&self, slot: CodeSlot) {
        self.app.codes.lock().codes.close(self.session, slot);
    }
}

impl Drop for CodeConnection {
    fn drop(&mut self) {
        if self.steps.is_none() {
            return;
        }
        let mut shown = self.app.codes.lock();
        shown.codes.disconnected(self.session);
        shown.connections.remove(&self.session);
    }
}

impl CodeRelay {
    fn lock(&self) -> MutexGuard<'_, Shown> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forwards a step and waits for the answer.
    async fn ask(
        &self,
        slot: CodeSlot,
        run: CodeRunId,
        step: CodeStep,
        take: impl FnOnce(&mut Codes<Waiter>, Waiter) -> Result<SessionId, CodeRefusal>,
    ) -> Result<CodeAnswer, HttpError> {
        let (waiter, answer) = oneshot::channel();
        {
            let mut shown = self.lock();
            let session = take(&mut shown.codes, waiter)?;
            let connection = shown.connections.get(&session).ok_or(CodeRefusal::Over(CodeOver::Closed))?;
            // A device that does not keep up has more attempts than it can answer.
            connection.try_send(ServerMessage::CodeTried { slot, run, step }).map_err(|_| CodeRefusal::TooOften)?;
        }
        match timeout(Duration::from_millis(CODE_ANSWER_TIMEOUT_MS), answer).await {
            Ok(Ok(answer)) => Ok(answer),
            // Its connection closed, or other attempts took the place of this one.
            Ok(Err(_)) => Err(CodeRefusal::Over(CodeOver::Unknown).into()),
            Err(_) => {
                let text = "the device that shows this code does not answer: try again, or ask for a new code";
                Err(HttpError::new(StatusCode::SERVICE_UNAVAILABLE, text))
            }
        }
    }
}

impl From<CodeRefusal> for HttpError {
    fn from(refusal: CodeRefusal) -> Self {
        match refusal {
            CodeRefusal::Unknown => {
                Self::new(StatusCode::NOT_FOUND, "no such code is open: check it, or ask for a new code")
            }
            CodeRefusal::Over(why) => Self::new(StatusCode::GONE, why.sentence()),
            CodeRefusal::TooOften => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "too many codes were typed: wait a minute, then try again")
            }
        }
    }
}

/// An answer that does not belong to the step. The device that shows the code is of another version, or hostile.
fn unexpected() -> HttpError {
    HttpError::new(
        StatusCode::BAD_GATEWAY,
        "the device that shows this code is of another version: update both devices",
    )
}

fn too_long() -> HttpError {
    HttpError::new(StatusCode::UNPROCESSABLE_ENTITY, "the message of this code is too long: update this device")
}

/// Begins an attempt with a short code.
///
/// Needs no sign-in: the code is the proof, and the server does not know it. The server forwards the message to the device that shows
/// the code and answers with that device's message. Ten attempts at once from one address, then one each five seconds. Body: at most
/// 64 KB.
#[utoipa::path(
    post, path = "/codes/{slot}", tag = "office",
    params(("slot" = String, Path, description = "The first four digits of the code")),
    request_body(content = ref("#/components/schemas/CodeStart"), description = "First message of the attempt"),
    responses(
        (status = 200, description = "The other device's message", body = ref("#/components/schemas/CodeStarted")),
        (status = 400, description = "The slot is malformed, or the body is not JSON", body = ref("#/components/schemas/ApiError")),
        (status = 404, description = "No code has this slot", body = ref("#/components/schemas/ApiError")),
        (status = 410, description = "The code is over: used, guessed at, expired or closed", body = ref("#/components/schemas/ApiError")),
        (status = 413, description = "The body is longer than 64 KB", body = ref("#/components/schemas/ApiError")),
        (status = 415, description = "The content type is not application/json", body = ref("#/components/schemas/ApiError")),
        (status = 422, description = "The body does not have the documented form, or a message is too long", body = ref("#/components/schemas/ApiError")),
        (status = 429, description = "Too many attempts", body = ref("#/components/schemas/ApiError")),
        (status = 502, description = "The other device answered something else", body = ref("#/components/schemas/ApiError")),
        (status = 503, description = "The other device did not answer; retry", body = ref("#/components/schemas/ApiError")),
    ),
)]
pub(super) async fn start(
    State(app): State<Arc<App>>,
    Extension(ClientAddress { address, is_proxy }): Extension<ClientAddress>,
    slot: Result<Path<CodeSlot>, HttpError>,
    start: Result<Body<CodeStart>, HttpError>,
) -> Result<Json<CodeStarted>, HttpError> {
    let (Path(slot), Body(start)) = (slot?, start?);
    if start.message.0.len() > MAX_CODE_MESSAGE_BYTES || start.key.0.len() > MAX_CODE_MESSAGE_BYTES {
        return Err(too_long());
    }
    let random = random().map_err(|error| HttpError::internal(&error, "make random numbers"))?;
    let run = CodeRunId::from_bytes(*random.first_chunk().expect("invariant: 16 of 32 bytes"));
    let address = (!is_proxy).then(|| network_of(address, IPV6_PREFIX));
    let take = |codes: &mut Codes<Waiter>, waiter| codes.start(slot, address, run, waiter, elapsed_ms());
    match app.codes.ask(slot, run, CodeStep::Start(start), take).await? {
        CodeAnswer::Exchange { message } if message.0.len() <= MAX_CODE_MESSAGE_BYTES => {
            Ok(Json(CodeStarted { run, message }))
        }
        CodeAnswer::Over { why } => Err(CodeRefusal::Over(why).into()),
        _ => Err(unexpected()),
    }
}

/// Goes on with an attempt: proves that the right code was typed, and receives what it carries.
///
/// An attempt is over with this, whatever the answer. Three wrong codes close the code; the device that shows it counts them. Body: at
/// most 64 KB.
#[utoipa::path(
    post, path = "/codes/{slot}/{run}", tag = "office",
    params(
        ("slot" = String, Path, description = "The first four digits of the code"),
        ("run" = String, Path, description = "The attempt"),
    ),
    request_body(content = ref("#/components/schemas/CodeConfirm"), description = "Proof that the code was typed"),
    responses(
        (status = 200, description = "The sealed text, or that another code was typed", body = ref("#/components/schemas/CodeConfirmed")),
        (status = 400, description = "A parameter is malformed, or the body is not JSON", body = ref("#/components/schemas/ApiError")),
        (status = 404, description = "No code has this slot, or this attempt is not under way", body = ref("#/components/schemas/ApiError")),
        (status = 410, description = "The code is over: used, guessed at, expired or closed", body = ref("#/components/schemas/ApiError")),
        (status = 413, description = "The body is longer than 64 KB", body = ref("#/components/schemas/ApiError")),
        (status = 415, description = "The content type is not application/json", body = ref("#/components/schemas/ApiError")),
        (status = 422, description = "The body does not have the documented form, or is too long", body = ref("#/components/schemas/ApiError")),
        (status = 429, description = "Too many attempts", body = ref("#/components/schemas/ApiError")),
        (status = 502, description = "The other device answered something else", body = ref("#/components/schemas/ApiError")),
        (status = 503, description = "The other device did not answer; type the code again", body = ref("#/components/schemas/ApiError")),
    ),
)]
pub(super) async fn confirm(
    State(app): State<Arc<App>>,
    parameters: Result<Path<(CodeSlot, CodeRunId)>, HttpError>,
    confirm: Result<Body<CodeConfirm>, HttpError>,
) -> Result<Json<CodeConfirmed>, HttpError> {
    let (Path((slot, run)), Body(confirm)) = (parameters?, confirm?);
    if confirm.confirmation.0.len() > MAX_CODE_MESSAGE_BYTES {
        return Err(too_long());
    }
    let take = |codes: &mut Codes<Waiter>, waiter| codes.go_on(slot, run, waiter, elapsed_ms());
    match app.codes.ask(slot, run, CodeStep::Confirm(confirm), take).await? {
        CodeAnswer::Delivered { text }
            if text.enc.0.len() + text.sealed.0.len() + text.confirmation.0.len() <= MAX_CODE_TEXT_BYTES =>
        {
            Ok(Json(CodeConfirmed::Delivered { text }))
        }
        CodeAnswer::Wrong { left } => Ok(Json(CodeConfirmed::Wrong { left })),
        CodeAnswer::Over { why } => Err(CodeRefusal::Over(why).into()),
        _ => Err(unexpected()),
    }
}
