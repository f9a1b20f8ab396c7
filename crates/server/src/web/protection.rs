//! What protects devices, for the handlers: the relying parties, ceremonies under way, and tickets.

use super::{
    App,
    error::{HttpError, blocking},
    extract::Body,
    security::same_origin,
    tokens::Bearer,
};
use crate::{
    archive::now_ms,
    digest::sha256,
    hub::Input,
    limits::{
        CEREMONY_TTL_MS, EXPIRED_IN_USE_MS, MAX_CEREMONIES, MAX_CEREMONIES_FROM_ONE_ADDRESS,
        MAX_CEREMONIES_OF_ONE_DEVICE, MAX_WAITING_PIN_ATTEMPTS, MAX_WAITING_PIN_ATTEMPTS_TOTAL, TICKET_USE_STORED_MS,
    },
    protection::{Ceremonies, CeremonyLimits, InUse, TurnLimits, Turns, admits, is_protected, session_remaining_ms},
    random::random,
    store::{ProtectionRow, ProtectionWrite, TicketRow},
};
use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode, header},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use telcon_proto::{
    DeviceId, Role, ShiftId,
    device_policy::{DeviceKind, DevicePolicy, ProgramVersion, RoleRules},
    http::OfficeInfo,
    protection::{IssuedTicket, MAX_CREDENTIAL_ID_BYTES, ProtectionPolicy, RemoveProtector},
};
use tokio::sync::oneshot;
use url::Url;
use webauthn_rs::prelude::{
    DiscoverableAuthentication, PasskeyAuthentication, PasskeyRegistration, Webauthn, WebauthnBuilder,
};

/// What the office wants of devices in browsers.
#[derive(Clone, Debug, Default)]
pub struct ProtectionConfig {
    /// Whether the page lets nobody go on without protecting the device.
    pub required: bool,
    /// Further origins of the web page, beside `https://` and the office's domain: hosts below that domain, over https.
    pub origins: Vec<String>,
}

/// An origin of the web page does not fit the office.
#[derive(Debug, thiserror::Error)]
#[error("{origin} cannot be an origin of this office's page: write https://{domain}, or https:// and a host below it")]
pub struct OriginError {
    origin: String,
    domain: String,
}

/// State of a WebAuthn ceremony.
pub(super) enum Ceremony {
    Registration(PasskeyRegistration),
    /// None for a device that has no passkeys, or does not exist: who begins one does not learn that, whatever they answer.
    Assertion(Option<PasskeyAuthentication>),
    /// With any passkey of the office: a person begins this shift at the device.
    Shift(ShiftId, DiscoverableAuthentication),
}

/// A ceremony under way.
pub(super) struct Begun {
    pub device: DeviceId,
    pub party: Party,
    pub ceremony: Ceremony,
}

/// For which relying party a passkey is. An authenticator uses it for no other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Party {
    /// The office's domain, over https.
    Office,
    /// `localhost` or a name below it: the page is on the machine of the server itself, as in demonstrations and tests. Browsers let
    /// a page below `localhost` use passkeys for its own name alone.
    Local(String),
}

impl Party {
    /// Its identifier, in an office of this domain.
    pub fn rp_id<'a>(&'a self, domain: &'a str) -> &'a str {
        match self {
            Self::Local(host) => host,
            Self::Office => domain,
        }
    }
}

/// Passkeys and PINs of devices.
pub struct Protection {
    required: bool,
    devices: DevicePolicy,
    office: Arc<Webauthn>,
    /// The office's name, which authenticators show.
    name: String,
    pub(super) ceremonies: Mutex<Ceremonies<Begun>>,
    /// Attempts at PINs.
    pub(super) turns: Arc<Turns>,
}

impl Protection {
    /// Of an office.
    ///
    /// # Errors
    /// If an origin is not the office's.
    pub fn new(info: &OfficeInfo, config: &ProtectionConfig, devices: DevicePolicy) -> Result<Self, OriginError> {
        let domain = info.domain.as_str();
        let wrong = |origin: &str| OriginError { origin: origin.to_owned(), domain: domain.to_owned() };
        let own = format!("https://{domain}");
        let url = |origin: &str| Url::parse(origin).map_err(|_| wrong(origin));
        let home = url(&own)?;
        let mut office = WebauthnBuilder::new(domain, &home).map_err(|_| wrong(&own))?.rp_name(&info.name);
        for origin in &config.origins {
            let parsed = url(origin)?;
            let below = parsed.host_str().is_some_and(|h| h == domain || h.ends_with(&format!(".{domain}")));
            if parsed.scheme() != "https" || !below || parsed.path() != "/" {
                return Err(wrong(origin));
            }
            office = office.append_allowed_origin(&parsed);
        }
        let limits = CeremonyLimits {
            ttl_ms: CEREMONY_TTL_MS,
            total: MAX_CEREMONIES,
            per_address: MAX_CEREMONIES_FROM_ONE_ADDRESS,
            per_device: MAX_CEREMONIES_OF_ONE_DEVICE,
        };
        let turns = TurnLimits { per_locker: MAX_WAITING_PIN_ATTEMPTS, total: MAX_WAITING_PIN_ATTEMPTS_TOTAL };
        Ok(Self {
            required: config.required,
            devices,
            office: Arc::new(office.build().map_err(|_| wrong(&own))?),
            name: info.name.clone(),
            ceremonies: Mutex::new(Ceremonies::new(limits)),
            turns: Turns::new(turns),
        })
    }

    /// The office's rules for devices of a role.
    pub(super) fn rules(&self, role: Role) -> RoleRules {
        self.devices.rules(role)
    }

    pub(super) fn party(&self, party: &Party) -> Result<Arc<Webauthn>, HttpError> {
        let Party::Local(host) = party else { return Ok(self.office.clone()) };
        let failed = |error: &dyn std::fmt::Display| HttpError::internal(error, "name a relying party");
        let origin = Url::parse(&format!("http://{host}")).map_err(|error| failed(&error))?;
        let local = WebauthnBuilder::new(host, &origin).map_err(|error| failed(&error))?;
        let local = local.rp_name(&self.name).allow_any_port(true).build().map_err(|error| failed(&error))?;
        Ok(Arc::new(local))
    }

    /// The relying party of the page that asks. A page of another origin is refused.
    pub(super) fn party_of(&self, headers: &HeaderMap, domain: &str) -> Result<Party, HttpError> {
        if !same_origin(headers, domain) {
            return Err(HttpError::new(StatusCode::FORBIDDEN, "the origin of this page is not the office's"));
        }
        let origin = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok()).unwrap_or_default();
        let host = origin.strip_prefix("http://").map(|host| host.split(':').next().unwrap_or_default());
        Ok(match host {
            Some(host) if is_local(host) => Party::Local(host.to_owned()),
            _ => Party::Office,
        })
    }
}

/// Whether a host is `localhost` or one label below it.
fn is_local(host: &str) -> bool {
    let is_label = |label: &str| {
        (1..=MAX_LABEL_CHARS).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    host == "localhost" || host.strip_suffix(".localhost").is_some_and(is_label)
}

/// Longest label of a name, RFC 1035.
const MAX_LABEL_CHARS: usize = 63;

/// 32 random bytes.
pub(super) fn random_bytes() -> Result<[u8; 32], HttpError> {
    random().map_err(|error| HttpError::internal(&error, "make random numbers"))
}

/// A random text: the name of a ceremony, or a ticket.
pub(super) fn random_text() -> Result<String, HttpError> {
    random_bytes().map(|bytes| URL_SAFE_NO_PAD.encode(bytes))
}

/// Makes the changes of one request durable; false if the condition of the first does not hold: then nothing was changed.
pub(super) async fn store(app: &App, writes: Vec<ProtectionWrite>) -> Result<bool, HttpError> {
    app.hub.ask(|reply| Input::Protection(writes, reply)).await.ok_or_else(HttpError::unavailable)
}

/// A new ticket for a device, whose person was there just now, and the write that makes it valid in place of the one before.
pub(super) fn new_ticket(device: DeviceId) -> Result<(IssuedTicket, ProtectionWrite), HttpError> {
    let (ticket, now) = (random_text()?, now_ms());
    let row = TicketRow { sha256: sha256(ticket.as_bytes()), issued_ms: now, used_ms: now };
    Ok((IssuedTicket { ticket }, ProtectionWrite::TicketIssued(device, row)))
}

/// What is stored of a device's protection.
pub(super) async fn read(app: &Arc<App>, device: DeviceId) -> Result<ProtectionRow, HttpError> {
    let app = app.clone();
    blocking(move || Ok(app.reader.protection(&device)?)).await
}

/// What a device is doing. If the switchboard does not answer it is taken to be in a call, so that its restart locks nobody.
pub(super) async fn in_use(app: &App, device: DeviceId) -> InUse {
    match app.hub.ask(|reply| Input::IsInCall(device, reply)).await {
        Some(false) if app.tokens.is_connected(&device) => InUse::Connected,
        Some(false) => InUse::No,
        Some(true) | None => InUse::InCall,
    }
}

/// Whether a device whose key was proven may sign in with this ticket.
pub(super) async fn may_sign_in(app: &App, device: DeviceId, row: &ProtectionRow, ticket: Option<&str>) -> bool {
    if admits(row, ticket, InUse::No, now_ms()) {
        return true;
    }
    // The switchboard is asked only where its answer decides.
    admits(row, ticket, InUse::InCall, now_ms()) && admits(row, ticket, in_use(app, device).await, now_ms())
}

/// How long a connected device stays signed in, milliseconds; 0 if it has to be unlocked now, which it is not in a call or while the
/// record of one is expected from it.
pub(super) async fn session_remaining(app: &Arc<App>, device: DeviceId) -> u64 {
    let Ok(row) = read(app, device).await else { return EXPIRED_IN_USE_MS };
    match session_remaining_ms(&row, now_ms()) {
        0 if in_use(app, device).await == InUse::InCall => EXPIRED_IN_USE_MS,
        remaining => remaining,
    }
}

/// Whether a device's person confirmed lately that they are there. If that cannot be read, they did not.
pub(super) async fn is_confirmed(app: &Arc<App>, device: DeviceId) -> bool {
    read(app, device).await.is_ok_and(|row| crate::protection::is_confirmed(&row, now_ms()))
}

/// A device signed in: its person sees it, and its ticket is in use.
pub(super) async fn signed_in(app: &App, device: DeviceId, kind: DeviceKind) {
    note(app, ProtectionWrite::SignedIn(device, kind, now_ms())).await;
}

/// A device signs in with this version of its program, as it says. Without it the list of devices shows an earlier one.
pub(super) async fn program_seen(app: &App, device: DeviceId, program: ProgramVersion) {
    let _ = store(app, vec![ProtectionWrite::ProgramSeen(device, program)]).await;
}
/// These devices are or were connected until now.
pub(super) async fn connected(app: &App, devices: Vec<DeviceId>) {
    // Without it tickets end sooner by idleness, and the time last seen is older.
    note(app, ProtectionWrite::Connected(devices, now_ms())).await;
}

/// Stores what nobody waits for.
async fn note(app: &App, write: ProtectionWrite) {
    let (reply, _) = oneshot::channel();
    app.hub.send(Input::Protection(vec![write], reply)).await;
}

/// Stores from time to time which devices are connected, so that their tickets are not idle if the server is killed.
pub(crate) async fn store_connected(app: Arc<App>) {
    let mut interval = tokio::time::interval(Duration::from_millis(TICKET_USE_STORED_MS));
    loop {
        interval.tick().await;
        let connected = app.tokens.connected();
        if !connected.is_empty() {
            self::connected(&app, connected).await;
        }
    }
}

/// Why a device may do nothing but be protected; none if it may do more. Only browsers have passkeys and PINs.
///
/// # Errors
/// If the database cannot be read.
pub(super) async fn unprotected(
    app: &Arc<App>,
    device: DeviceId,
    role: Role,
    kind: DeviceKind,
) -> Result<Option<&'static str>, HttpError> {
    if kind != DeviceKind::Browser || !app.protection.rules(role).protection || is_protected(&read(app, device).await?)
    {
        return Ok(None);
    }
    Ok(Some("protect this device with a passkey or PIN first: your office requires it for your role"))
}

/// The bearer of a request that changes how their device is protected, which needs a confirmation like other dangerous commands.
pub(super) async fn confirmed_bearer(
    app: &Arc<App>,
    headers: &HeaderMap,
) -> Result<(Bearer, ProtectionRow), HttpError> {
    // Also of a place's device at which nobody is on shift: it is protected as any other.
    let bearer = super::shift_tokens::bearer(app, headers).ok_or_else(HttpError::unauthorized)?;
    let row = read(app, bearer.device).await?;
    if !crate::protection::is_confirmed(&row, now_ms()) {
        let text = "confirm this with your passkey or PIN: the last confirmation is more than five minutes old";
        return Err(HttpError::new(StatusCode::FORBIDDEN, text));
    }
    Ok((bearer, row))
}

/// What the office wants of devices in browsers.
#[utoipa::path(
    get, path = "/protection", tag = "protection",
    responses((status = 200, description = "The office's policy", body = ref("#/components/schemas/ProtectionPolicy"))),
)]
pub(super) async fn policy(State(app): State<Arc<App>>) -> Json<ProtectionPolicy> {
    Json(ProtectionPolicy { required: app.protection.required, devices: app.protection.devices.clone() })
}

/// Removes a passkey or a PIN of the bearer's device.
///
/// The last one cannot be removed. Needs a confirmation within the last five minutes.
#[utoipa::path(
    post, path = "/protection/remove", tag = "protection",
    security(("bearer" = [])),
    request_body(content = ref("#/components/schemas/RemoveProtector"), description = "Which"),
    responses(
        (status = 204, description = "Removed, or not there"),
        (status = 400, description = "The body is not JSON", body = ref("#/components/schemas/ApiError")),
        (status = 401, description = "No valid token", body = ref("#/components/schemas/ApiError")),
        (status = 403, description = "Not confirmed", body = ref("#/components/schemas/ApiError")),
        (status = 409, description = "It is the last one that unlocks the device", body = ref("#/components/schemas/ApiError")),
        (status = 413, description = "The body is longer than 64 KB", body = ref("#/components/schemas/ApiError")),
        (status = 415, description = "The content type is not application/json", body = ref("#/components/schemas/ApiError")),
        (status = 422, description = "The body does not have the documented form", body = ref("#/components/schemas/ApiError")),
        (status = 503, description = "The server failed; retry", body = ref("#/components/schemas/ApiError")),
    ),
)]
pub(super) async fn remove(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    request: Result<Body<RemoveProtector>, HttpError>,
) -> Result<StatusCode, HttpError> {
    let Body(which) = request?;
    let (bearer, _) = confirmed_bearer(&app, &headers).await?;
    let write = match which {
        RemoveProtector::Passkey { credential } => {
            let is_id = URL_SAFE_NO_PAD.decode(&credential).is_ok_and(|id| id.len() <= MAX_CREDENTIAL_ID_BYTES);
            if !is_id {
                let text =
                    "a credential's identifier is base64url without padding, of at most 1023 bytes: reload the page";
                return Err(HttpError::new(StatusCode::UNPROCESSABLE_ENTITY, text));
            }
            ProtectionWrite::PasskeyRemoved(bearer.device, credential)
        }
        RemoveProtector::Locker { locker_sha256 } => ProtectionWrite::LockerRemoved(bearer.device, locker_sha256),
    };
    if !store(&app, vec![write]).await? {
        let text = "nothing else unlocks this device: add another passkey or PIN first";
        return Err(HttpError::new(StatusCode::CONFLICT, text));
    }
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use telcon_proto::{Blob, SuiteName};

    fn info() -> OfficeInfo {
        OfficeInfo {
            domain: "office.example".into(),
            name: "Office".into(),
            authority: Blob::default(),
            suite: SuiteName::Hybrid,
            charter: String::new(),
        }
    }

    fn with(origins: &[&str]) -> Result<Protection, OriginError> {
        let origins = origins.iter().map(|&origin| origin.to_owned()).collect();
        Protection::new(&info(), &ProtectionConfig { required: false, origins }, DevicePolicy::default())
    }

    #[test]
    fn origins_are_the_offices_own_over_https() {
        assert!(with(&["https://telcon.office.example", "https://office.example:8443"]).is_ok());
        let foreign = [
            "https://evil.example",
            "http://office.example",
            "https://notoffice.example",
            "office.example",
            "",
            "https://office.example/a",
        ];
        for origin in foreign {
            assert!(with(&[origin]).is_err(), "{origin}");
        }
    }

    #[test]
    fn only_a_page_at_localhost_uses_the_local_relying_party() {
        let protection = with(&[]).unwrap();
        let party = |origin: &str, host: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ORIGIN, origin.parse().unwrap());
            headers.insert(header::HOST, host.parse().unwrap());
            protection.party_of(&headers, "office.example").ok()
        };
        let local = |host: &str| Some(Party::Local(host.to_owned()));
        assert_eq!(party("http://localhost:8080", "localhost:8080"), local("localhost"));
        assert_eq!(party("http://auditor.localhost:8080", "auditor.localhost:8080"), local("auditor.localhost"));
        assert!(protection.party(&Party::Local("auditor.localhost".into())).is_ok());
        for host in [".localhost", "a.b.localhost"] {
            assert_eq!(party(&format!("http://{host}"), host), Some(Party::Office), "{host}");
        }
        for host in ["evil.example", "xlocalhost", "Localhost"] {
            assert_eq!(party(&format!("http://{host}"), host), None, "{host}");
        }
        assert_eq!(party("https://office.example", "office.example"), Some(Party::Office));
        assert_eq!(party("https://localhost.evil.example", "localhost.evil.example"), None);
        assert_eq!(party("https://evil.example", "office.example"), None);
    }
}
