//! The office's TURN servers (RFC 8656): the fallback transport for networks that let only TLS through.
//!
//! The TURN server is a separate program such as coturn. It shares a secret with this server, from which each signed-in
//! device gets short-lived credentials (`use-auth-secret`, draft-uberti-behave-turn-rest): the user name is their expiry
//! time, which identifies nobody, and the password is HMAC-SHA1 of the user name.

use super::{App, error::HttpError};
use crate::archive::now_ms;
use aws_lc_rs::hmac;
use axum::{Json, extract::State, http::HeaderMap};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::sync::Arc;
use telcon_proto::http::{IceServer, IceServers};

/// Lifetime of credentials, seconds: longer than a call.
const TTL_S: u64 = 12 * 3600;
/// Expiry times are rounded up to this, seconds, so that all devices that ask within an hour share a user name.
const EXPIRY_STEP_S: u64 = 3600;
/// Most TURN servers of an office: a browser tries all of them.
pub const MAX_TURN_URLS: usize = 4;
/// Longest secret, bytes.
pub const MAX_TURN_SECRET_BYTES: usize = 1024;

/// The office's TURN servers.
#[derive(Clone, Debug)]
pub struct Turn {
    urls: Vec<String>,
    key: hmac::Key,
}

/// Why the configuration of TURN servers is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TurnError {
    /// Not a TURN URL (RFC 7065).
    #[error("{0:?} is not the URL of a TURN server, such as turns:turn.office.example:443?transport=tcp")]
    Url(String),
    /// No URL, or more than [`MAX_TURN_URLS`].
    #[error("name one to {MAX_TURN_URLS} TURN servers")]
    Count,
    /// Empty or too long.
    #[error("the secret shared with the TURN server has 1 to {MAX_TURN_SECRET_BYTES} bytes")]
    Secret,
}

impl Turn {
    /// From the servers' URLs (RFC 7065) and the secret that this server shares with them.
    ///
    /// # Errors
    /// [`TurnError`].
    pub fn new(urls: Vec<String>, secret: &str) -> Result<Self, TurnError> {
        if urls.is_empty() || urls.len() > MAX_TURN_URLS {
            return Err(TurnError::Count);
        }
        if let Some(wrong) = urls.iter().find(|url| !is_turn_url(url)) {
            return Err(TurnError::Url(wrong.clone()));
        }
        if secret.is_empty() || secret.len() > MAX_TURN_SECRET_BYTES {
            return Err(TurnError::Secret);
        }
        Ok(Self { urls, key: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.as_bytes()) })
    }

    /// The server entry for a device at `now_ms`, and its time to live, milliseconds.
    fn server(&self, now_ms: u64) -> (IceServer, u64) {
        let expires_s = (now_ms / 1000 + TTL_S).next_multiple_of(EXPIRY_STEP_S);
        let username = expires_s.to_string();
        let credential = STANDARD.encode(hmac::sign(&self.key, username.as_bytes()));
        (IceServer { urls: self.urls.clone(), username, credential }, expires_s * 1000 - now_ms)
    }
}

fn is_turn_url(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("turns:").or_else(|| url.strip_prefix("turn:")) else { return false };
    let (place, transport) = rest.split_once('?').unwrap_or((rest, ""));
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-:[]".contains(c);
    !place.is_empty()
        && place.len() <= 255
        && place.chars().all(plain)
        && matches!(transport, "" | "transport=tcp" | "transport=udp")
}

/// The office's TURN servers, with credentials that are valid for about 12 hours.
#[utoipa::path(
    get, path = "/ice-servers", tag = "media", security(("bearer" = [])),
    responses(
        (status = 200, description = "TURN servers; none if the office has none", body = ref("#/components/schemas/IceServers")),
        (status = 401, description = "No valid bearer token: sign in again", body = ref("#/components/schemas/ApiError")),
        (status = 403, description = "The device's role joins no calls", body = ref("#/components/schemas/ApiError")),
    ),
)]
pub(super) async fn ice_servers(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
) -> Result<Json<IceServers>, HttpError> {
    app.tokens.bearer(&headers).ok_or_else(HttpError::unauthorized)?;
    let entry = app.turn.as_ref().map(|turn| turn.server(now_ms()));
    let (ice_servers, ttl_ms) = entry.map_or((Vec::new(), None), |(server, ttl_ms)| (vec![server], Some(ttl_ms)));
    Ok(Json(IceServers { ice_servers, ttl_ms }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "turns:turn.office.example:443?transport=tcp";

    #[test]
    fn the_password_matches_that_of_a_turn_server_with_the_secret() {
        // Computed with `printf 46800 | openssl dgst -sha1 -hmac "north wind" -binary | base64`.
        let turn = Turn::new(vec![URL.into()], "north wind").unwrap();
        let (server, ttl_ms) = turn.server(2_000_000);
        assert_eq!((server.username.as_str(), ttl_ms), ("46800", 44_800_000));
        assert_eq!(server.credential, "Ld+1sOB6JMl1+7aSMsFcs4qay8Q=");
        assert_eq!(turn.server(3_600_000).0, server, "all devices share a user name within an hour");
        assert_ne!(turn.server(3_601_000).0, server);
    }

    #[test]
    fn invalid_turn_servers_are_refused() {
        let entry =
            |urls: &[&str], secret: &str| Turn::new(urls.iter().map(|u| (*u).to_owned()).collect(), secret).err();
        assert_eq!(entry(&[], "s"), Some(TurnError::Count));
        assert_eq!(entry(&[URL; MAX_TURN_URLS + 1], "s"), Some(TurnError::Count));
        assert_eq!(entry(&[URL], ""), Some(TurnError::Secret));
        assert_eq!(entry(&["turn:203.0.113.7", "turn:[2001:db8::1]:3478?transport=udp", URL], "s"), None);
        for wrong in ["stun:a", "https://a", "turns:", "turns:a b", "turns:a?transport=sctp", "turns:a/b"] {
            assert_eq!(entry(&[wrong], "s"), Some(TurnError::Url(wrong.into())), "{wrong}");
        }
    }
}
