//! The WebSocket of devices: sign-in, then messages both ways. Every resource that a peer can use is limited.

use super::{
    App, Bearer,
    codes::CodeConnection,
    connections::{ClientAddress, ReadBudget},
    metrics::count,
    security::same_origin,
    slots::SlotHandle,
};
use crate::{
    allowance::{Allowance, Rate},
    archive::now_ms,
    hub::Input,
    limits::{
        EXPIRED_IN_USE_MS, FIRST_MESSAGE_TIMEOUT_MS, IDLE_TIMEOUT_MS, SHIFT_WAIT_MS, SOCKET_READ_BUFFER_BYTES,
        SSO_TTL_MS,
    },
    outbox::{OutboxReader, Outgoing, outbox},
    protection::session_remaining_ms,
    random::random,
    sign_in::{self, RefusedSignIn},
    store::{DeviceRow, ProtectionRow},
    switchboard::{CloseReason, RefusedRing, SessionId, VerifiedRing},
    web::{
        error::HttpError,
        extract::{Upgrade, holds_nul},
    },
};
use axum::{
    Extension,
    extract::{
        State,
        ws::{CloseFrame, Message, WebSocket},
    },
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use telcon_proto::{
    Blob, ClientMessage, DeviceId, Role, ServerMessage, WIRE_VERSION, access,
    device_policy::{DeviceKind, ProgramVersion},
    limits::{
        CHALLENGE_TTL_MS, MAX_BYTE_BURST, MAX_BYTES_PER_SECOND, MAX_MESSAGE_BYTES, MAX_MESSAGES_PER_SECOND,
        MAX_SIGN_IN_MESSAGE_BYTES,
    },
    message::{Object, RefusalCode},
};
use tokio::{
    sync::broadcast,
    time::{timeout, timeout_at},
};

/// Bytes beyond the longest message that a device may send at each step of its sign-in: headers of its frames, and pings.
const FRAMING_BYTES: usize = 1024;
/// Timeout of sending one message.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long after the last message that went to the switchboard pings go there too. Longer than the switchboard may take to
/// answer before it counts as hanging.
const ORDERED_PINGS: Duration = Duration::from_secs(10);
/// WebSocket close codes (RFC 6455, section 7.4; 4000 and above are private).
const CLOSE_POLICY: u16 = 1008;
const CLOSE_REPLACED: u16 = 4001;
const CLOSE_REVOKED: u16 = 4002;
const CLOSE_LOCKED: u16 = 4003;
const CLOSE_SSO: u16 = 4004;
const CLOSE_SHIFT: u16 = 4005;

static NEXT_SESSION: AtomicU64 = AtomicU64::new(1);

/// WebSocket of a device.
///
/// Messages are JSON text: `ClientMessage` to the server, `ServerMessage` to the device (see `docs/api`). The first message
/// is `hello` with the version of the messages, within 5 s, answered by a challenge; the device must sign in within 30 s. Then
/// at most 100 messages and 256 KiB a second, after 7 MiB at once. A
/// connection without a message for 75 s is closed; devices send `ping`. Close codes: 1008 for a violation, 4001 when the device
/// signed in elsewhere, 4002 when it was revoked, 4003 when its person must unlock it again, 4004 when they have signed in with
/// their office account, or must do so again, 4005 when a shift began or ended at it, as a device of a place.
#[utoipa::path(
    get, path = "/ws", tag = "connections",
    responses(
        (status = 101, description = "The connection is a WebSocket now"),
        (status = 400, description = "The request does not open a WebSocket", body = ref("#/components/schemas/ApiError")),
        (status = 403, description = "The Origin header is not the office's", body = ref("#/components/schemas/ApiError")),
        (status = 503, description = "Too many connections are signing in; retry", body = ref("#/components/schemas/ApiError")),
    ),
)]
pub(super) async fn upgrade(
    State(app): State<Arc<App>>,
    Extension(ClientAddress { address, is_proxy }): Extension<ClientAddress>,
    Extension(connection_slot): Extension<SlotHandle>,
    Extension(budget): Extension<ReadBudget>,
    headers: HeaderMap,
    upgrade: Upgrade,
) -> Response {
    if !same_origin(&headers, &app.info.domain) {
        count(&app.counters.refused);
        app.refused_origins.warn(&headers, &app.info.domain, Instant::now());
        return HttpError::new(StatusCode::FORBIDDEN, "the origin of this page is not the office's").into_response();
    }
    let upgrade = match upgrade.checked() {
        Ok(upgrade) => upgrade,
        Err(error) => return error.into_response(),
    };
    let Some((slot, evicted)) = app.unauthenticated.acquire(address, is_proxy, Instant::now()) else {
        count(&app.counters.refused);
        return HttpError::new(StatusCode::SERVICE_UNAVAILABLE, "too many connections are signing in: try again soon")
            .into_response();
    };
    // Browsers say where a connection comes from, and pages cannot keep them from it.
    let kind = if headers.contains_key(header::ORIGIN) { DeviceKind::Browser } else { DeviceKind::Native };
    let upgrade = upgrade.max_message_size(MAX_MESSAGE_BYTES).max_frame_size(MAX_MESSAGE_BYTES);
    upgrade.read_buffer_size(SOCKET_READ_BUFFER_BYTES).on_upgrade(async move |socket| {
        let mut connection = Connection { socket, app, kind, budget };
        let signed_in = tokio::select! {
            signed_in = timeout(Duration::from_millis(CHALLENGE_TTL_MS), connection.sign_in()) => signed_in,
            Ok(()) = evicted => {
                count(&connection.app.counters.refused);
                return connection.close(CLOSE_POLICY, "too many connections are signing in").await;
            }
        };
        drop(slot);
        match signed_in {
            Ok(Ok(Admitted::SignedIn(signed_in))) => {
                connection_slot.keep();
                connection.budget.lift();
                connection.run(*signed_in).await;
            }
            Ok(Ok(Admitted::Waits(waiting))) => {
                connection_slot.keep();
                connection.wait(waiting).await;
            }
            Ok(Err(refused)) => {
                count(&connection.app.counters.refused);
                if let Some(message) = refused {
                    connection.send(&message).await;
                }
                connection.close(CLOSE_POLICY, "not signed in").await;
            }
            Err(_) => {
                count(&connection.app.counters.refused);
                connection.close(CLOSE_POLICY, "sign-in timeout").await;
            }
        }
    })
}

struct Connection {
    socket: WebSocket,
    app: Arc<App>,
    kind: DeviceKind,
    budget: ReadBudget,
}

/// What came of a sign-in.
enum Admitted {
    SignedIn(Box<SignedInAs>),
    /// The device has proven its key, and its person has to sign in at the provider, or somebody has to begin a shift at it.
    Waits(Waiting),
}

/// A connection whose device gets nothing until its person has signed in at the provider, or a shift has begun at it.
struct Waiting {
    device: DeviceId,
    /// Devices for which that has happened.
    released: broadcast::Receiver<DeviceId>,
    /// What it waits for: the code with which it is closed, and why.
    close: (u16, &'static str),
    /// How long it may wait, milliseconds.
    ttl_ms: u64,
    _token: super::tokens::TokenGuard,
}

struct SignedInAs {
    session: SessionId,
    device: DeviceId,
    role: Role,
    /// Whether it is a device of a place.
    place: bool,
    kind: DeviceKind,
    /// Whether it was found to be protected, or needs no protection: the last passkey or PIN of a device cannot be removed.
    may_act: bool,
    /// How long it stays signed in, milliseconds.
    remaining_ms: u64,
    messages: OutboxReader,
    _token: super::tokens::TokenGuard,
}

impl SignedInAs {
    /// Why the device may not send this message now. An unprotected device may keep its connection and report: what is wrong with
    /// the office's log or with a ring does not depend on how the device's keys are kept.
    async fn refuses(&mut self, app: &Arc<App>, message: &ClientMessage) -> Option<(RefusalCode, String)> {
        if let Some(text) = access::refuses_message(self.role, message) {
            return Some((RefusalCode::NotAllowed, text));
        }
        if self.may_act || matches!(message, ClientMessage::Ping { .. } | ClientMessage::ReportAlert { .. }) {
            return None;
        }
        match super::protection::unprotected(app, self.device, self.role, self.kind).await {
            Ok(None) => {
                self.may_act = true;
                None
            }
            Ok(Some(text)) => Some((RefusalCode::NotAllowed, text.to_owned())),
            Err(HttpError(_, text)) => Some((RefusalCode::Unavailable, text)),
        }
    }
}

/// The message to send before closing; nothing if the peer is gone.
type Refused = Option<Box<ServerMessage>>;

fn refused(code: RefusalCode, message: &str) -> Refused {
    Some(Box::new(ServerMessage::Refused { call: None, code, message: message.to_owned() }))
}

fn too_long() -> Refused {
    refused(RefusalCode::Malformed, "the message is too long: update this device")
}

fn other_kind(kind: DeviceKind) -> &'static str {
    match kind {
        DeviceKind::Browser => {
            "your office does not allow browsers for your role: ask your security officer which device to use"
        }
        DeviceKind::Native => "your office allows only browsers for your role: ask your security officer for a link",
    }
}

impl Connection {
    async fn sign_in(&mut self) -> Result<Admitted, Refused> {
        let first = timeout(Duration::from_millis(FIRST_MESSAGE_TIMEOUT_MS), self.read_sign_in()).await;
        let Ok(first) = first else {
            return Err(refused(RefusalCode::NotSignedIn, "the first message did not come in time: connect again"));
        };
        let (device, program) = match first? {
            ClientMessage::Hello { version: WIRE_VERSION, device, program } => (device, program),
            ClientMessage::Hello { version, .. } => {
                let text =
                    format!("this server speaks version {WIRE_VERSION}, not {version}: reload the page, or update");
                return Err(refused(RefusalCode::Version, &text));
            }
            _ => return Err(refused(RefusalCode::NotSignedIn, "the first message must be hello")),
        };
        let no_random =
            |_| refused(RefusalCode::Unavailable, "the server cannot make random numbers: tell its operator");
        let nonce = random().map_err(no_random)?;
        self.send(&ServerMessage::Challenge { nonce: Blob(nonce.to_vec()), now_ms: now_ms() }).await;
        let ClientMessage::Prove { jws, ticket } = self.read_sign_in().await? else {
            return Err(refused(RefusalCode::NotSignedIn, "the second message must be prove"));
        };
        let app = self.app.clone();
        let checked = tokio::task::spawn_blocking(move || check_proof(&app, device, &nonce, &jws)).await;
        let checked = checked.map_err(|_| refused(RefusalCode::Unavailable, "the server could not check the proof"))?;
        let (device_row, protection, seen) = match checked {
            Ok(known) => known,
            Err(RefusedSignIn { message, not_proven }) => {
                if not_proven {
                    self.app.hub.send(Input::SignInFailed(device)).await;
                }
                return Err(Some(message));
            }
        };
        // Only who has the device's key learns more.
        if !self.app.protection.rules(device_row.card.role).allows(self.kind) {
            return Err(refused(RefusalCode::NotAllowed, other_kind(self.kind)));
        }
        if device_row.card.place && self.kind == DeviceKind::Native {
            let text = "a place's device is a browser, in which people begin their shifts with their passkeys";
            return Err(refused(RefusalCode::NotAllowed, text));
        }
        if !self.app.protection.rules(device_row.card.role).allows_version(program) {
            let text = "this page or program is older than your office allows: reload the page, or update the program";
            return Err(refused(RefusalCode::Outdated, text));
        }
        if let Some(program) = program.filter(|program| Some(*program) != seen) {
            super::protection::program_seen(&self.app, device, program).await;
        }
        if !super::protection::may_sign_in(&self.app, device, &protection, ticket.as_deref()).await {
            return Err(Some(Box::new(unlock_required())));
        }
        let token = URL_SAFE_NO_PAD.encode(random().map_err(no_random)?);
        let role = device_row.card.role;
        let bearer = Bearer { device, person: device_row.card.person, role, kind: self.kind };
        // A device has one connection that waits: the ones before it are closed. Subscribed before it is looked up, so that a sign-in
        // in between is not missed.
        let sso = self.app.sso.as_ref().map(|sso| {
            sso.release(device);
            (sso, sso.signed_in.subscribe())
        });
        let place = device_row.card.place;
        let sso_ms = sso_remaining_ms(&self.app, device, role, place).await;
        let sso_ms = sso_ms.map_err(|HttpError(_, text)| refused(RefusalCode::Unavailable, &text))?;
        // One that is revoked is told so: it erases its keys by that.
        if let (Some(0), Some((sso, signed_in)), None) = (sso_ms, sso, device_row.revoked_ms) {
            if self.kind == DeviceKind::Native {
                let text = "your office allows only browsers for your role: its people sign in with their office accounts, which a \
                            program cannot";
                return Err(refused(RefusalCode::NotAllowed, text));
            }
            let (close, ttl_ms) = ((CLOSE_SSO, "sign in with the office account"), SSO_TTL_MS);
            let _token = sso.waiting.hold(&token, bearer);
            let waiting = Waiting { device, released: signed_in, close, ttl_ms, _token };
            self.send(&ServerMessage::SsoRequired { token }).await;
            return Ok(Admitted::Waits(waiting));
        }
        // As of sign-ins at the provider.
        if place {
            self.app.shifts.release(device);
        }
        let begun = self.app.shifts.begun.subscribe();
        let session = SessionId(NEXT_SESSION.fetch_add(1, Ordering::Relaxed));
        // Valid before the device learns it. If the sign-in fails, the guard is dropped and the token with it.
        let guard = self.app.tokens.hold(&token, bearer);
        let (sender, messages) = outbox();
        // The switchboard ends it with the session, however long this connection takes to close.
        let sender = sender.holding(guard.clone());
        let connect = |reply| Input::Connected { session, device, token, outbox: sender, reply };
        match self.app.hub.ask(connect).await {
            Some(Ok(_)) => {
                count(&self.app.counters.signed_in);
                super::protection::signed_in(&self.app, device, self.kind).await;
                if let Some(remaining_ms) = sso_ms {
                    self.send(&ServerMessage::AccountSession { remaining_ms }).await;
                }
                // With a ticket that has ended it was admitted because of a call, which may be over in a moment.
                let remaining_ms = match session_remaining_ms(&protection, now_ms()) {
                    0 => EXPIRED_IN_USE_MS,
                    remaining => remaining,
                };
                let (kind, may_act) = (self.kind, false);
                let remaining_ms = remaining_ms.min(sso_ms.unwrap_or(u64::MAX));
                let _token = guard;
                let signed_in =
                    SignedInAs { session, device, role, place, kind, may_act, remaining_ms, messages, _token };
                Ok(Admitted::SignedIn(Box::new(signed_in)))
            }
            Some(Err(message)) if matches!(*message, ServerMessage::ShiftRequired { .. }) => {
                drop(guard);
                let token = URL_SAFE_NO_PAD.encode(random().map_err(no_random)?);
                let (close, ttl_ms) = ((CLOSE_SHIFT, "begin a shift"), SHIFT_WAIT_MS);
                let _token = self.app.shifts.waiting.hold(&token, bearer);
                self.send(&ServerMessage::ShiftRequired { token }).await;
                Ok(Admitted::Waits(Waiting { device, released: begun, close, ttl_ms, _token }))
            }
            Some(Err(message)) => Err(Some(message)),
            None => Err(refused(RefusalCode::Unavailable, "the server is restarting: connect again")),
        }
    }

    /// Until the device's person has signed in at the provider, or somebody has begun a shift at it: then, or after as long as that may
    /// take, the device connects again. It has nothing to send meanwhile.
    async fn wait(&mut self, mut waiting: Waiting) {
        let (code, why) = waiting.close;
        let end = tokio::time::sleep(Duration::from_millis(waiting.ttl_ms));
        let mut end = std::pin::pin!(end);
        let close = loop {
            tokio::select! {
                () = &mut end => break (code, why),
                released = waiting.released.recv() => match released {
                    Ok(device) if device != waiting.device => {}
                    // Or it is revoked, or connected again; or there were too many to know: it connects again, and that is looked up.
                    _ => break (code, "connect again"),
                },
                read = self.read(MAX_SIGN_IN_MESSAGE_BYTES) => {
                    if !matches!(read, Err(None)) {
                        count(&self.app.counters.violations);
                    }
                    break (CLOSE_POLICY, why);
                }
            }
        };
        // Its token ends before its device learns that the connection does.
        drop(waiting);
        self.close(close.0, close.1).await;
    }

    async fn run(&mut self, mut signed_in: SignedInAs) {
        let session = signed_in.session;
        let mut allowance = SendAllowance::new(Instant::now());
        let mut codes = CodeConnection::new(self.app.clone(), session);
        let idle = Duration::from_millis(IDLE_TIMEOUT_MS);
        let mut idle_at = tokio::time::Instant::now() + idle;
        // Devices rely on the answer to a ping coming after everything that sign-in and their earlier messages caused, so the
        // switchboard answers pings after those. With nothing queued on an idle connection there is no order to keep.
        let mut in_order_until = Instant::now() + ORDERED_PINGS;
        let mut unlocked_until = tokio::time::Instant::now() + Duration::from_millis(signed_in.remaining_ms);
        let (code, why) = loop {
            tokio::select! {
                () = tokio::time::sleep_until(unlocked_until) => {
                    match super::protection::session_remaining(&self.app, signed_in.device).await {
                        0 => {
                            self.send(&unlock_required()).await;
                            break (CLOSE_LOCKED, "unlock the device");
                        }
                        remaining => match sso_remaining_ms(&self.app, signed_in.device, signed_in.role, signed_in.place).await {
                            Ok(Some(0)) => break (CLOSE_SSO, "sign in with the office account"),
                            sso => {
                                // If it cannot be read, it is looked up again.
                                let remaining = remaining.min(sso.map_or(EXPIRED_IN_USE_MS, |ms| ms.unwrap_or(u64::MAX)));
                                unlocked_until = tokio::time::Instant::now() + Duration::from_millis(remaining);
                            }
                        },
                    }
                }
                outgoing = signed_in.messages.recv() => match outgoing {
                    Some(Outgoing::Text(text)) => {
                        if !self.write(Message::Text(text.into())).await {
                            break (CLOSE_POLICY, "send queue full");
                        }
                    }
                    Some(Outgoing::Close(CloseReason::Replaced)) => break (CLOSE_REPLACED, "signed in elsewhere"),
                    Some(Outgoing::Close(CloseReason::ShiftOver)) => break (CLOSE_SHIFT, "the shift is over"),
                    Some(Outgoing::Close(CloseReason::Revoked)) => break (CLOSE_REVOKED, "revoked"),
                    None => break (CLOSE_POLICY, "connect again"),
                },
                tried = codes.next() => self.send(&tried).await,
                read = timeout_at(idle_at, self.read(MAX_MESSAGE_BYTES)) => {
                    let (message, bytes) = match read {
                        Ok(Ok(read)) => read,
                        Ok(Err(refused)) => {
                            if let Some(message) = refused {
                                count(&self.app.counters.violations);
                                self.send(&message).await;
                            }
                            break (CLOSE_POLICY, "malformed");
                        }
                        Err(_) => break (CLOSE_POLICY, "keepalive timeout"),
                    };
                    idle_at = tokio::time::Instant::now() + idle;
                    if !allowance.take(bytes, Instant::now()) {
                        count(&self.app.counters.violations);
                        let text = "rate limit exceeded: connect again and send fewer or shorter messages";
                        if let Some(message) = refused(RefusalCode::TooMany, text) {
                            self.send(&message).await;
                        }
                        break (CLOSE_POLICY, "rate limit");
                    }
                    count(&self.app.counters.messages);
                    if let Some((code, text)) = signed_in.refuses(&self.app, &message).await {
                        self.send(&ServerMessage::Refused { call: message.call(), code, message: text }).await;
                        continue;
                    }
                    if message.needs_confirmation() && !super::protection::is_confirmed(&self.app, signed_in.device).await {
                        let text = "confirm this with your passkey or PIN: the last confirmation is more than five minutes old";
                        if let Some(message) = refused(RefusalCode::ConfirmationRequired, text) {
                            self.send(&message).await;
                        }
                        continue;
                    }
                    let input = match message {
                        ClientMessage::Ping { log_size } if Instant::now() < in_order_until || !signed_in.messages.is_empty() => {
                            Input::Ping(session, log_size)
                        }
                        ClientMessage::Ping { log_size } => {
                            if self.app.liveness.is_alive(Instant::now()) {
                                let answer = checkpoint(self.app.clone(), log_size).await;
                                self.send(&answer).await;
                            }
                            continue;
                        }
                        ClientMessage::Ring { jws } => Input::Ring(session, Box::new(verify_ring(self.app.clone(), jws).await)),
                        ClientMessage::ApproveDevice { invitation, chain, line } => {
                            super::registrars::approve(self.app.clone(), session, invitation, chain, line).await;
                            continue;
                        }
                        ClientMessage::OpenRecovery { person, statement } => {
                            super::recoveries::open(self.app.clone(), session, person, statement).await;
                            continue;
                        }
                        ClientMessage::ConfirmRecovery { statement, token_sha256, revocations } => {
                            let app = self.app.clone();
                            super::recoveries::confirm(app, session, statement, token_sha256, revocations).await;
                            continue;
                        }
                        ClientMessage::RevokeDevice { statement } => {
                            super::registrars::revoke(self.app.clone(), session, statement).await;
                            continue;
                        }
                        ClientMessage::Delegate { statement } => {
                            Input::Delegate(session, Box::new(super::delegations::verify(self.app.clone(), statement).await))
                        }
                        ClientMessage::EndDelegation { statement } => {
                            Input::EndDelegation(session, super::delegations::verify_end(self.app.clone(), statement).await)
                        }
                        ClientMessage::PublishKey { statement } => {
                            Input::PublishKey(session, super::documents::verify_key(self.app.clone(), statement).await)
                        }
                        ClientMessage::SignLine { statement } => {
                            Input::SignLine(session, Box::new(super::lines::verify(self.app.clone(), signed_in.device, statement, false).await))
                        }
                        ClientMessage::StopLine { statement } => {
                            Input::SignLine(session, Box::new(super::lines::verify(self.app.clone(), signed_in.device, statement, true).await))
                        }
                        ClientMessage::AttestHolder { invitation, statement } => {
                            let app = self.app.clone();
                            let verified = super::lines::verify_attestation(app, invitation, statement).await;
                            Input::AttestHolder(session, Box::new(verified))
                        }
                        ClientMessage::OpenCode {} => {
                            let opened = codes.open(signed_in.device);
                            self.send(&opened).await;
                            continue;
                        }
                        ClientMessage::AnswerCode { slot, run, answer } => {
                            codes.answer(slot, run, answer);
                            continue;
                        }
                        ClientMessage::CloseCode { slot } => {
                            codes.close(slot);
                            continue;
                        }
                        message => Input::Message(session, Box::new(message)),
                    };
                    in_order_until = Instant::now() + ORDERED_PINGS;
                    if !self.app.hub.send_sized(input, bytes).await {
                        break (CLOSE_POLICY, "server shutting down");
                    }
                }
            }
        };
        drop(codes);
        // The token is revoked before the switchboard forgets the connection.
        let device = signed_in.device;
        drop(signed_in);
        self.app.hub.send(Input::Disconnected(session)).await;
        super::protection::connected(&self.app, vec![device]).await;
        self.close(code, why).await;
    }

    /// The next message of a peer that has not signed in. The socket keeps pieces of a message of the size that signed-in devices
    /// may send: what the peer may send at all is limited instead.
    async fn read_sign_in(&mut self) -> Result<ClientMessage, Refused> {
        self.budget.limit(MAX_SIGN_IN_MESSAGE_BYTES + FRAMING_BYTES);
        self.read(MAX_SIGN_IN_MESSAGE_BYTES).await.map(|(message, _)| message)
    }

    /// The next message of the peer, of at most `limit` bytes, and its length. Cancel safe.
    async fn read(&mut self, limit: usize) -> Result<(ClientMessage, usize), Refused> {
        loop {
            let text = match self.socket.recv().await {
                Some(Ok(Message::Text(text))) => text,
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                Some(Ok(Message::Binary(_))) => {
                    return Err(refused(RefusalCode::Malformed, "messages are JSON text"));
                }
                Some(Err(_)) if self.budget.is_used_up() => return Err(too_long()),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(None),
            };
            if text.len() > limit {
                return Err(too_long());
            }
            if holds_nul(text.as_bytes()) {
                return Err(refused(RefusalCode::Malformed, "the message holds the character NUL: update this device"));
            }
            return serde_json::from_str(&text).map(|Object(message)| (message, text.len())).map_err(|error| {
                // The position only: a parser's message may quote the content.
                let text = format!("not a message of this version (column {}): update this device", error.column());
                refused(RefusalCode::Malformed, &text)
            });
        }
    }

    async fn send(&mut self, message: &ServerMessage) {
        let text = serde_json::to_string(message).expect("invariant: messages have no map keys that JSON cannot hold");
        self.write(Message::Text(text.into())).await;
    }

    async fn write(&mut self, message: Message) -> bool {
        matches!(timeout(WRITE_TIMEOUT, self.socket.send(message)).await, Ok(Ok(())))
    }

    async fn close(&mut self, code: u16, why: &'static str) {
        self.write(Message::Close(Some(CloseFrame { code, reason: why.into() }))).await;
    }
}

/// How long a device may go on without its person signing in at the provider. A place has no account there: who begins a shift proves
/// who they are with a passkey.
async fn sso_remaining_ms(app: &Arc<App>, device: DeviceId, role: Role, place: bool) -> Result<Option<u64>, HttpError> {
    if place { Ok(None) } else { super::sso::remaining_ms(app, device, role).await }
}

/// The answer to a ping.
async fn checkpoint(app: Arc<App>, from_size: u64) -> ServerMessage {
    let prover = app.prover.clone();
    if prover.needs_no_proof(from_size) {
        return prover.checkpoint_message(from_size);
    }
    let read = tokio::task::spawn_blocking(move || prover.checkpoint_message(from_size)).await;
    read.unwrap_or_else(|_| crate::archive::Prover::unavailable())
}

/// A protected device's person must unlock it.
fn unlock_required() -> ServerMessage {
    let message = "unlock this device with its passkey or PIN: it was not unlocked, or too long ago".to_owned();
    ServerMessage::Refused { call: None, code: RefusalCode::UnlockRequired, message }
}

/// Verifies a sign-in with what the store knows of the device. Also returns how it is protected, and the version
/// that its program said last.
fn check_proof(
    app: &App,
    device: DeviceId,
    nonce: &[u8],
    jws: &str,
) -> Result<(DeviceRow, ProtectionRow, Option<ProgramVersion>), RefusedSignIn> {
    let unreadable = |error| {
        tracing::error!(%error, "sign-in failed: the database cannot be read");
        let (code, message) = (RefusalCode::Unavailable, "the server failed: try again later".to_owned());
        RefusedSignIn { message: Box::new(ServerMessage::Refused { call: None, code, message }), not_proven: false }
    };
    let row = app.reader.device(&device).map_err(unreadable)?;
    if row.is_none()
        && let Some(lost) = app.reader.lost_device(&device).map_err(unreadable)?
    {
        return Err(RefusedSignIn { message: sign_in::refuse_lost(&lost), not_proven: false });
    }
    let row = sign_in::check_proof(&app.office, row, device, nonce, jws, now_ms())?;
    let protection = app.reader.protection(&device).map_err(unreadable)?;
    let program = app.reader.program(&device).map_err(unreadable)?;
    Ok((row, protection, program))
}

/// Off the switchboard's thread: verifying signatures costs more than all that the switchboard does with a ring.
async fn verify_ring(app: Arc<App>, jws: String) -> Result<VerifiedRing, RefusedRing> {
    let verified = tokio::task::spawn_blocking(move || sign_in::verify_ring(&app.office, jws, now_ms()));
    let verified =
        verified.await.unwrap_or_else(|_| Err(RefusedRing::unavailable(None, "the server could not verify it")));
    if let Err(RefusedRing { call, why, .. }) = &verified {
        let call = call.map(tracing::field::display);
        tracing::info!(call, why, "a ring was refused: its device is told why");
    }
    verified
}

const MESSAGE_RATE: Rate = Rate::per_second(MAX_MESSAGES_PER_SECOND, MAX_MESSAGES_PER_SECOND);
const BYTE_RATE: Rate = Rate::per_second(MAX_BYTES_PER_SECOND, MAX_BYTE_BURST);

/// What a connection may still send.
struct SendAllowance {
    since: Instant,
    messages: Allowance,
    bytes: Allowance,
}

impl SendAllowance {
    fn new(now: Instant) -> Self {
        Self { since: now, messages: Allowance::default(), bytes: Allowance::default() }
    }

    fn take(&mut self, bytes: usize, now: Instant) -> bool {
        let now_ms = now.saturating_duration_since(self.since).as_millis() as u64;
        self.messages.take(MESSAGE_RATE, now_ms) && self.bytes.take_many(bytes as u64, BYTE_RATE, now_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_may_send_a_burst_and_a_sustained_rate() {
        let start = Instant::now();
        let mut allowance = SendAllowance::new(start);
        let burst = (0..1000).filter(|_| allowance.take(100, start)).count();
        assert_eq!(burst, MAX_MESSAGES_PER_SECOND as usize);
        let later = (1..=2000).filter(|ms| allowance.take(100, start + Duration::from_millis(*ms))).count();
        assert!((195..=201).contains(&later), "{later}");
    }

    /// The attacker repeats the longest messages, each of which is valid.
    #[test]
    fn long_messages_are_limited_in_bytes() {
        let start = Instant::now();
        let mut allowance = SendAllowance::new(start);
        let sent: usize = (0..6_000)
            .map(|ms| start + Duration::from_millis(ms * 10))
            .filter(|now| allowance.take(MAX_MESSAGE_BYTES, *now))
            .map(|_| MAX_MESSAGE_BYTES)
            .sum();
        assert!(sent <= MAX_BYTE_BURST as usize + 60 * MAX_BYTES_PER_SECOND as usize, "{sent} bytes within a minute");
        assert!(sent >= 60 * MAX_BYTES_PER_SECOND as usize * 9 / 10);
    }
}
