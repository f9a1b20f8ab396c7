//! Single sign-on: sign-ins at the office's provider under way, the bearers that wait for theirs, and how long one is valid.

use super::{
    App,
    error::{HttpError, blocking},
    extract::Body,
    protection::{confirmed_bearer, in_use, store},
    security::same_origin,
    tokens::{Bearer, Tokens},
};
use crate::{
    allowance::Allowance,
    archive::now_ms,
    hub::Input,
    limits::{
        EXPIRED_IN_USE_MS, MAX_CEREMONIES, MAX_CEREMONIES_FROM_ONE_ADDRESS, MAX_SSO_OF_ONE_DEVICE, SSO_REQUESTS,
        SSO_TTL_MS,
    },
    protection::{Ceremonies, CeremonyLimits, Client, InUse, Origin},
    sso::{Expected, Provider, Redirect, SsoConfig, SsoError},
    store::{AccountUse, ProtectionWrite},
};
use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode, header},
};
use std::{
    collections::HashMap,
    io,
    sync::{Arc, LazyLock, Mutex, PoisonError},
    time::Instant,
};
use telcon_proto::{
    DeviceId, Role,
    sso::{MAX_SSO_PARAMETER_BYTES, SsoFinish, SsoStarted, SsoUnlink},
};
use tokio::sync::broadcast;
use url::Url;

/// Sign-ins that connections have not been told of yet. One that lags behind is closed later, by the end of its token.
const MAX_UNTOLD: usize = 64;
/// Devices whose requests are remembered before those that have all of them again are forgotten.
const REMEMBERED: usize = 512;

/// A sign-in under way.
struct Pending {
    device: DeviceId,
    expected: Expected,
}

/// Single sign-on of an office that has a provider.
pub struct Sso {
    provider: Provider,
    pending: Mutex<Ceremonies<Pending>>,
    /// Tokens of connections whose devices have proven their keys and wait for their people. They are valid for nothing else.
    pub(super) waiting: Tokens,
    /// Devices whose people have signed in.
    pub(super) signed_in: broadcast::Sender<DeviceId>,
    /// What devices have left of [`SSO_REQUESTS`], of those that have asked lately.
    asked: Mutex<HashMap<DeviceId, Allowance>>,
}

impl Sso {
    /// Of the provider that the operator names. It is not asked for anything yet.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub fn new(config: SsoConfig) -> io::Result<Self> {
        let limits = CeremonyLimits {
            ttl_ms: SSO_TTL_MS,
            total: MAX_CEREMONIES,
            per_address: MAX_CEREMONIES_FROM_ONE_ADDRESS,
            per_device: MAX_SSO_OF_ONE_DEVICE,
        };
        Ok(Self {
            provider: Provider::new(config)?,
            pending: Mutex::new(Ceremonies::new(limits)),
            waiting: Tokens::default(),
            signed_in: broadcast::channel(MAX_UNTOLD).0,
            asked: Mutex::default(),
        })
    }
}

impl Sso {
    /// The provider's issuer identifier.
    pub(super) fn issuer(&self) -> &str {
        self.provider.config().issuer()
    }

    /// Closes the connection in which a device waits, if it has one: it connects again, and is looked up anew.
    pub(super) fn release(&self, device: DeviceId) {
        // Nobody waits: that is no error.
        let _ = self.signed_in.send(device);
    }

    /// Counts a request of a device.
    fn may_ask(&self, device: DeviceId) -> Result<(), HttpError> {
        // Not by the machine's clock, which may be set.
        static FIRST: LazyLock<Instant> = LazyLock::new(Instant::now);
        let now_ms = FIRST.elapsed().as_millis() as u64;
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if asked.len() >= REMEMBERED {
            asked.retain(|_, allowance| !allowance.is_full(now_ms));
        }
        if asked.entry(device).or_default().take(SSO_REQUESTS, now_ms) {
            return Ok(());
        }
        let text = "this device signs in with the office account too often: wait a minute, then try again";
        Err(HttpError::new(StatusCode::TOO_MANY_REQUESTS, text))
    }
}

/// How long a device may go on without its person signing in at the provider, milliseconds; none if they need not. A call is not
/// interrupted.
///
/// # Errors
/// If the database cannot be read.
pub(super) async fn remaining_ms(app: &Arc<App>, device: DeviceId, role: Role) -> Result<Option<u64>, HttpError> {
    let Some(sso) = app.sso.as_ref().filter(|sso| sso.provider.config().concerns(role)) else { return Ok(None) };
    let (reading, issuer) = (app.clone(), sso.provider.config().issuer().to_owned());
    let signed_in = blocking(move || Ok(reading.reader.account_session(&device, &issuer)?)).await?;
    let max_age_ms = sso.provider.config().max_age_ms();
    let remaining = signed_in.map_or(0, |at_ms| crate::protection::remaining_ms(at_ms, max_age_ms, now_ms()));
    Ok(Some(match remaining {
        0 if signed_in.is_some() && in_use(app, device).await == InUse::InCall => EXPIRED_IN_USE_MS,
        remaining => remaining,
    }))
}

/// Who asks: a device that waits for its person, or one that is signed in and renews that.
pub(super) fn bearer(app: &App, headers: &HeaderMap) -> Option<Bearer> {
    let waiting = || app.sso.as_ref()?.waiting.bearer(headers);
    app.tokens.bearer(headers).or_else(waiting)
}

fn provider_of(app: &App) -> Result<&Sso, HttpError> {
    let none = || HttpError::new(StatusCode::NOT_FOUND, "people of this office do not sign in at a provider");
    app.sso.as_ref().ok_or_else(none)
}

/// What a person is told; the reason is for the operator. Neither names them.
fn failed(error: SsoError, device: DeviceId) -> HttpError {
    match error {
        SsoError::Unavailable(why) => {
            tracing::warn!(
                %device, why,
                "the office's provider does not answer as one: nobody can sign in there; who is signed in stays so. Check its address \
                 and the file of --oidc"
            );
            let text = "your office's sign-in service does not answer: try again, and tell your office if it goes on";
            HttpError::new(StatusCode::SERVICE_UNAVAILABLE, text)
        }
        SsoError::Refused(why) => {
            tracing::warn!(%device, why, "a sign-in at the office's provider was not accepted: its page is told");
            let text = "your office's sign-in service did not confirm who you are: sign in again, and tell your security officer if it \
                        goes on";
            HttpError::new(StatusCode::FORBIDDEN, text)
        }
    }
}

/// Begins a sign-in at the office's provider.
///
/// The token is that of a device that is signed in, or of `sso_required`. The answer is the provider's page, to which the page
/// sends its browser; it returns to `/sso` of the page's own origin.
#[utoipa::path(
    post, path = "/sso/start", tag = "sso",
    security(("bearer" = [])),
    responses(
        (status = 200, description = "Where the person signs in", body = ref("#/components/schemas/SsoStarted")),
        (status = 401, description = "No valid token", body = ref("#/components/schemas/ApiError")),
        (status = 403, description = "Not the office's page", body = ref("#/components/schemas/ApiError")),
        (status = 404, description = "The office has no provider", body = ref("#/components/schemas/ApiError")),
        (status = 429, description = "The device asks too often", body = ref("#/components/schemas/ApiError")),
        (status = 503, description = "The provider does not answer; retry", body = ref("#/components/schemas/ApiError")),
    ),
)]
pub(super) async fn start(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Json<SsoStarted>, HttpError> {
    let bearer = bearer(&app, &headers).ok_or_else(HttpError::unauthorized)?;
    let sso = provider_of(&app)?;
    sso.may_ask(bearer.device)?;
    let Redirect { url, state, expected } = match return_address(&headers, &app.info.domain) {
        Some(address) => sso.provider.begin(&address).await.map_err(|error| failed(error, bearer.device))?,
        None => return Err(HttpError::new(StatusCode::FORBIDDEN, "only your office's page can begin this")),
    };
    let origin = Origin { client: Client::Proven, device: bearer.device };
    let pending = Pending { device: bearer.device, expected };
    sso.pending.lock().unwrap_or_else(PoisonError::into_inner).begin(state, origin, pending, now_ms());
    Ok(Json(SsoStarted { url }))
}

/// `/sso` of the page that asks, which names its origin: programs other than browsers cannot come back. Nothing else of a request
/// decides where the provider sends somebody.
fn return_address(headers: &HeaderMap, domain: &str) -> Option<Url> {
    let origin = headers.get(header::ORIGIN).filter(|_| same_origin(headers, domain))?.to_str().ok()?;
    let mut url = Url::parse(origin).ok()?;
    url.set_path("/sso");
    Some(url)
}

/// Ends a sign-in at the office's provider: exchanges the code, and verifies the ID token.
///
/// The sign-in has to be one that the same device began within the last ten minutes. The account becomes the person's if they have none
/// there; security officers are told. Body: at most 64 KB.
#[utoipa::path(
    post, path = "/sso/finish", tag = "sso",
    security(("bearer" = [])),
    request_body(content = ref("#/components/schemas/SsoFinish"), description = "What the provider's redirect carried"),
    responses(
        (status = 204, description = "Signed in: a device that waited connects again, one that was signed in goes on"),
        (status = 400, description = "The body is not JSON", body = ref("#/components/schemas/ApiError")),
        (status = 401, description = "No valid token", body = ref("#/components/schemas/ApiError")),
        (status = 403, description = "Another device's sign-in, another person's account, or a token that proves nothing", body = ref("#/components/schemas/ApiError")),
        (status = 404, description = "The office has no provider", body = ref("#/components/schemas/ApiError")),
        (status = 410, description = "The sign-in is not known: it expired, or was ended already", body = ref("#/components/schemas/ApiError")),
        (status = 413, description = "The body is longer than 64 KB", body = ref("#/components/schemas/ApiError")),
        (status = 415, description = "The content type is not application/json", body = ref("#/components/schemas/ApiError")),
        (status = 422, description = "The body does not have the documented form", body = ref("#/components/schemas/ApiError")),
        (status = 429, description = "The device asks too often", body = ref("#/components/schemas/ApiError")),
        (status = 503, description = "The provider does not answer, or the server failed; retry", body = ref("#/components/schemas/ApiError")),
    ),
)]
pub(super) async fn finish(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    request: Result<Body<SsoFinish>, HttpError>,
) -> Result<StatusCode, HttpError> {
    let Body(SsoFinish { state, code }) = request?;
    let bearer = bearer(&app, &headers).ok_or_else(HttpError::unauthorized)?;
    let sso = provider_of(&app)?;
    sso.may_ask(bearer.device)?;
    if [&state, &code].iter().any(|text| text.is_empty() || text.len() > MAX_SSO_PARAMETER_BYTES) {
        let text = "state and code are what the provider's redirect carried: sign in again";
        return Err(HttpError::new(StatusCode::UNPROCESSABLE_ENTITY, text));
    }
    let begun = sso.pending.lock().unwrap_or_else(PoisonError::into_inner).end(&state, now_ms());
    let Some(Pending { device, expected }) = begun else {
        return Err(HttpError::new(
            StatusCode::GONE,
            "this sign-in took too long, or was ended already: begin it again",
        ));
    };
    if device != bearer.device {
        // Somebody was sent here with a sign-in that another device began.
        app.hub.send(Input::SignInFailed(bearer.device)).await;
        return Err(HttpError::new(StatusCode::FORBIDDEN, "this sign-in was begun on another device: begin it here"));
    }
    let subject = match sso.provider.finish(code, expected).await {
        Ok(subject) => subject,
        Err(error) => {
            if matches!(error, SsoError::Refused(_)) {
                app.hub.send(Input::SignInFailed(device)).await;
            }
            return Err(failed(error, device));
        }
    };
    take(&app, sso, bearer, subject).await?;
    // A device that is signed in has renewed its session; one that waits is not signed in yet.
    app.hub.send(Input::AccountRenewed(device, sso.provider.config().max_age_ms())).await;
    sso.release(device);
    Ok(StatusCode::NO_CONTENT)
}

/// The provider says that this account was signed in with.
async fn take(app: &Arc<App>, sso: &Sso, bearer: Bearer, subject: String) -> Result<(), HttpError> {
    let issuer = sso.provider.config().issuer().to_owned();
    let (reading, person) = (app.clone(), bearer.person);
    let known = blocking(move || Ok(reading.reader.accounts(Some(person))?)).await?;
    if !known.iter().any(|account| account.issuer == issuer) {
        // Before it is theirs: a crash between the two leaves an alert without an account, never an account without an alert.
        app.hub.send(Input::AccountLinked(bearer.device)).await;
    }
    let used = AccountUse { device: bearer.device, person, issuer, subject, at_ms: now_ms() };
    if !store(app, vec![ProtectionWrite::AccountUsed(Box::new(used))]).await? {
        tracing::warn!(
            device = %bearer.device,
            "a person signed in at the office's provider with another account than theirs, or with another person's: refused; security \
             officers are told"
        );
        app.hub.send(Input::SignInFailed(bearer.device)).await;
        let text = "this is not the account that your office knows as yours: sign in with your own, or ask your security officer";
        return Err(HttpError::new(StatusCode::FORBIDDEN, text));
    }
    Ok(())
}

/// Forgets which account at the provider is a person's, for a security officer: they were given another one, or the first sign-in was not
/// theirs.
///
/// Their next sign-in links an account anew, of which security officers are told. Needs a confirmation within the last five minutes.
/// Body: at most 64 KB.
#[utoipa::path(
    post, path = "/sso/unlink", tag = "sso",
    security(("bearer" = [])),
    request_body(content = ref("#/components/schemas/SsoUnlink"), description = "The person"),
    responses(
        (status = 204, description = "Forgotten"),
        (status = 400, description = "The body is not JSON", body = ref("#/components/schemas/ApiError")),
        (status = 401, description = "No valid token", body = ref("#/components/schemas/ApiError")),
        (status = 403, description = "Not a security officer, or not confirmed", body = ref("#/components/schemas/ApiError")),
        (status = 413, description = "The body is longer than 64 KB", body = ref("#/components/schemas/ApiError")),
        (status = 415, description = "The content type is not application/json", body = ref("#/components/schemas/ApiError")),
        (status = 422, description = "The body does not have the documented form", body = ref("#/components/schemas/ApiError")),
        (status = 503, description = "The server failed; retry", body = ref("#/components/schemas/ApiError")),
    ),
)]
pub(super) async fn unlink(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    request: Result<Body<SsoUnlink>, HttpError>,
) -> Result<StatusCode, HttpError> {
    let Body(SsoUnlink { person }) = request?;
    let (bearer, _) = confirmed_bearer(&app, &headers).await?;
    store(&app, vec![ProtectionWrite::AccountsForgotten(person)]).await?;
    tracing::warn!(by = %bearer.device, "a security officer had a person's account at the provider forgotten: their next sign-in links one anew");
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The attacker controls every header but `Origin`, which browsers set.
    #[test]
    fn the_provider_sends_people_to_the_page_that_asked_and_nowhere_else() {
        let address = |origin: Option<&str>, host: &str| {
            let mut headers = HeaderMap::new();
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, origin.parse().unwrap());
            }
            headers.insert(header::HOST, host.parse().unwrap());
            return_address(&headers, "office.example").map(|url| url.to_string())
        };
        let own = Some("https://office.example/sso".to_owned());
        assert_eq!(address(Some("https://office.example"), "office.example"), own);
        assert_eq!(address(Some("https://office.example"), "10.0.0.1:8080"), own, "behind a proxy");
        assert_eq!(
            address(Some("http://localhost:8080"), "localhost:8080").as_deref(),
            Some("http://localhost:8080/sso")
        );
        for origin in [None, Some("https://evil.example"), Some("null"), Some("https://office.example.evil.example")] {
            assert_eq!(address(origin, "office.example"), None, "{origin:?}");
        }
    }
}
