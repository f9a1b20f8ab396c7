//! What protects devices, for the handlers: the relying parties, ceremonies under way, and tickets.

use super::{
    App,
    error::{HttpError, blocking},
    security::same_origin,
    tokens::Bearer,
};
use crate::{
    archive::now_ms,
    hub::Input,
    limits::{CEREMONY_TTL_MS, EXPIRED_IN_CALL_MS, MAX_CEREMONIES, MAX_CEREMONIES_FROM_ONE_ADDRESS},
    protection::{Ceremonies, CeremonyLimits, is_protected, remains_ms, sha256},
    store::{ProtectionRow, ProtectionWrite, TicketRow},
};
use axum::{
    Json,
    extract::{State, rejection::JsonRejection},
    http::{HeaderMap, StatusCode, header},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use std::sync::{Arc, Mutex};
use telcon_proto::{
    DeviceId,
    http::OfficeInfo,
    protection::{IssuedTicket, ProtectionPolicy, RemoveProtector},
};
use url::Url;
use webauthn_rs::prelude::{PasskeyAuthentication, PasskeyRegistration, Webauthn, WebauthnBuilder};

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
    Assertion(PasskeyAuthentication),
}

/// A ceremony under way.
pub(super) struct Begun {
    pub device: DeviceId,
    pub party: Party,
    pub ceremony: Ceremony,
}

/// For which relying party a passkey is. An authenticator uses it for no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Party {
    /// The office's domain, over https.
    Office,
    /// `localhost`: the page is on the machine of the server itself, as in demonstrations and tests.
    Local,
}

/// Passkeys and PINs of devices.
pub struct Protection {
    required: bool,
    office: Webauthn,
    local: Webauthn,
    pub(super) ceremonies: Mutex<Ceremonies<Begun>>,
    /// PINs are tried one after the other, so that parallel attempts are counted like others.
    pub(super) lockers: tokio::sync::Mutex<()>,
}

impl Protection {
    /// Of an office.
    ///
    /// # Errors
    /// If an origin is not the office's.
    pub fn new(info: &OfficeInfo, config: &ProtectionConfig) -> Result<Self, OriginError> {
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
        let here = url("http://localhost")?;
        let local = WebauthnBuilder::new("localhost", &here)
            .map_err(|_| wrong("http://localhost"))?
            .rp_name(&info.name)
            .allow_any_port(true);
        let limits = CeremonyLimits {
            ttl_ms: CEREMONY_TTL_MS,
            total: MAX_CEREMONIES,
            per_address: MAX_CEREMONIES_FROM_ONE_ADDRESS,
        };
        Ok(Self {
            required: config.required,
            office: office.build().map_err(|_| wrong(&own))?,
            local: local.build().map_err(|_| wrong("http://localhost"))?,
            ceremonies: Mutex::new(Ceremonies::new(limits)),
            lockers: tokio::sync::Mutex::default(),
        })
    }

    pub(super) fn party(&self, party: Party) -> &Webauthn {
        match party {
            Party::Office => &self.office,
            Party::Local => &self.local,
        }
    }

    /// The relying party of the page that asks. A page of another origin is refused.
    pub(super) fn party_of(&self, headers: &HeaderMap, domain: &str) -> Result<Party, HttpError> {
        if !same_origin(headers, domain) {
            return Err(HttpError::new(StatusCode::FORBIDDEN, "the origin of this page is not the office's"));
        }
        let origin = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok()).unwrap_or_default();
        let host = origin.strip_prefix("http://").map(|host| host.split(':').next().unwrap_or_default());
        Ok(if host == Some("localhost") { Party::Local } else { Party::Office })
    }
}

/// 32 random bytes.
pub(super) fn random() -> Result<[u8; 32], HttpError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| HttpError::internal(&error, "make random numbers"))?;
    Ok(bytes)
}

/// A random text: the name of a ceremony, or a ticket.
pub(super) fn random_text() -> Result<String, HttpError> {
    random().map(|bytes| URL_SAFE_NO_PAD.encode(bytes))
}

/// Makes changes durable.
pub(super) async fn store(app: &App, writes: Vec<ProtectionWrite>) -> Result<(), HttpError> {
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

/// How long a connected device stays signed in, milliseconds; 0 if it has to be unlocked now. During a call it is not.
pub(super) async fn remains(app: &Arc<App>, device: DeviceId) -> u64 {
    let Ok(row) = read(app, device).await else { return EXPIRED_IN_CALL_MS };
    match remains_ms(&row, now_ms()) {
        0 if app.hub.ask(|reply| Input::IsInCall(device, reply)).await != Some(false) => EXPIRED_IN_CALL_MS,
        remains => remains,
    }
}

/// Whether a device's person confirmed lately that they are there. If that cannot be read, they did not.
pub(super) async fn is_confirmed(app: &Arc<App>, device: DeviceId) -> bool {
    read(app, device).await.is_ok_and(|row| crate::protection::is_confirmed(&row, now_ms()))
}

/// The device is or was connected with its ticket until now.
pub(super) async fn ticket_used(app: &App, device: DeviceId) {
    // Without it the ticket ends sooner by idleness.
    let _ = store(app, vec![ProtectionWrite::TicketUsed(device, now_ms())]).await;
}

/// The connection of a device ended. The device may have been protected since it signed in.
pub(super) async fn disconnected(app: &Arc<App>, device: DeviceId) {
    if read(app, device).await.is_ok_and(|row| is_protected(&row)) {
        ticket_used(app, device).await;
    }
}

/// The bearer of a request that changes how their device is protected, which needs a confirmation like other dangerous commands.
pub(super) async fn confirmed_bearer(
    app: &Arc<App>,
    headers: &HeaderMap,
) -> Result<(Bearer, ProtectionRow), HttpError> {
    let bearer = app.tokens.bearer(headers).ok_or_else(HttpError::unauthorized)?;
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
    Json(ProtectionPolicy { required: app.protection.required })
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
        (status = 409, description = "It is the last one", body = ref("#/components/schemas/ApiError")),
        (status = 413, description = "The body is longer than 64 KB", body = ref("#/components/schemas/ApiError")),
        (status = 415, description = "The content type is not application/json", body = ref("#/components/schemas/ApiError")),
        (status = 422, description = "The body does not have the documented form", body = ref("#/components/schemas/ApiError")),
        (status = 503, description = "The server failed; retry", body = ref("#/components/schemas/ApiError")),
    ),
)]
pub(super) async fn remove(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    request: Result<Json<RemoveProtector>, JsonRejection>,
) -> Result<StatusCode, HttpError> {
    let Json(which) = request?;
    let (bearer, row) = confirmed_bearer(&app, &headers).await?;
    if row.passkeys + row.lockers < 2 {
        let text = "this is the last passkey or PIN of the device: add another one first";
        return Err(HttpError::new(StatusCode::CONFLICT, text));
    }
    let write = match which {
        RemoveProtector::Passkey { credential } => ProtectionWrite::PasskeyRemoved(bearer.device, credential),
        RemoveProtector::Locker { locker_sha256 } => ProtectionWrite::LockerRemoved(bearer.device, locker_sha256),
    };
    store(&app, vec![write]).await?;
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
        Protection::new(&info(), &ProtectionConfig { required: false, origins })
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
        assert_eq!(party("http://localhost:8080", "localhost:8080"), Some(Party::Local));
        assert_eq!(party("https://office.example", "office.example"), Some(Party::Office));
        assert_eq!(party("https://localhost.evil.example", "localhost.evil.example"), Some(Party::Office));
        assert_eq!(party("https://evil.example", "office.example"), None);
    }
}
