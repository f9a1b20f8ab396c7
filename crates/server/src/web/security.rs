//! Security headers of every response, and the origin check of WebSockets.

use crate::allowance::{Allowance, Rate};
use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, header},
    middleware::Next,
    response::Response,
};
use std::{
    net::{Ipv4Addr, Ipv6Addr},
    sync::{Mutex, PoisonError},
    time::Instant,
};

/// No inline scripts, nothing from other origins; the engine is WebAssembly in a worker, and sounds are blobs.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; \
     connect-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob: mediastream:; \
     font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, &str); 8] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("permissions-policy"), "microphone=(self), camera=(), geolocation=(), display-capture=()"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("x-robots-tag"), "noindex"),
];

/// Middleware that adds the headers.
pub(super) async fn headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in HEADERS {
        // A published readout has a stricter one.
        if name == header::CONTENT_SECURITY_POLICY && response.headers().contains_key(&name) {
            continue;
        }
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    if !response.headers().contains_key(header::CACHE_CONTROL) {
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

/// Whether the page's origin is the host that it addressed, or the office's domain. Programs other than browsers send no
/// `Origin`. It is no authentication: the device's key is.
///
/// That host has to be one that nobody else can point at this server: any page has the origin that it addresses if its name is the
/// attacker's, who changes the name's address once the page is loaded (DNS rebinding).
pub(super) fn same_origin(headers: &HeaderMap, domain: &str) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let Ok(origin) = origin.to_str() else { return false };
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    if !matches!(scheme, "http" | "https") {
        return false;
    }
    let host = headers.get(header::HOST).and_then(|h| h.to_str().ok());
    (host == Some(authority) && is_own(authority, domain)) || (scheme == "https" && authority == domain)
}

/// Whether a host is an address, this machine, or a name of the office.
fn is_own(authority: &str, domain: &str) -> bool {
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let host = authority.rsplit_once(':').filter(|(_, port)| is_port(port)).map_or(authority, |(host, _)| host);
    if let Some(address) = host.strip_prefix('[') {
        return address.strip_suffix(']').is_some_and(|address| address.parse::<Ipv6Addr>().is_ok());
    }
    let is_at_or_below =
        |name: &str| host.strip_suffix(name).is_some_and(|below| below.is_empty() || below.ends_with('.'));
    host.parse::<Ipv4Addr>().is_ok() || is_at_or_below("localhost") || is_at_or_below(domain)
}

/// Log lines about refused origins: one per 10 s, because any web page can cause them.
const WARNING_RATE: Rate = Rate::every_ms(10_000, 1);
/// Longest part of a header in a log line, characters: the name of any real host is shorter, and a page can send kilobytes.
const MAX_LOGGED_CHARS: usize = 100;

/// Warns the operator of pages whose origin was refused, usually because a proxy replaced the `Host` header.
pub struct RefusedOrigins {
    since: Instant,
    /// The log lines that are left, and how many requests were refused without one since the last.
    warnings: Mutex<(Allowance, u64)>,
}

impl RefusedOrigins {
    /// None was refused yet.
    pub fn new(now: Instant) -> Self {
        Self { since: now, warnings: Mutex::default() }
    }

    /// Logs that a request's origin was refused, unless that is over [`WARNING_RATE`].
    ///
    /// The one exception to the rule that log lines have no address: both headers name hosts of web pages, not people, and
    /// without them the operator cannot tell the office's own page behind a wrong proxy from somebody else's.
    pub(super) fn warn(&self, headers: &HeaderMap, domain: &str, now: Instant) {
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        let now_ms = now.saturating_duration_since(self.since).as_millis() as u64;
        if !warnings.0.take(WARNING_RATE, now_ms) {
            warnings.1 += 1;
            return;
        }
        let not_logged = std::mem::take(&mut warnings.1);
        let (origin, host) = (header_text(headers, &header::ORIGIN), header_text(headers, &header::HOST));
        tracing::warn!(
            origin,
            host,
            not_logged,
            "a page was refused because its origin is not this server's: if it is the office's page, have the proxy pass the \
             Host header on (nginx: proxy_set_header Host $host), or open the page at https://{domain}, a name below it, or this \
             server's address"
        );
    }
}

/// A header for the log: of limited length, without anything that a terminal interprets.
fn header_text(headers: &HeaderMap, name: &HeaderName) -> String {
    let Some(value) = headers.get(name) else { return "(none)".to_owned() };
    let text = String::from_utf8_lossy(value.as_bytes());
    text.chars().take(MAX_LOGGED_CHARS).map(|c| if c.is_ascii_graphic() { c } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_may_connect_from_the_offices_page_only() {
        let check = |origin: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, "10.0.0.1:8443".parse().unwrap());
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, origin.parse().unwrap());
            }
            same_origin(&headers, "office.example")
        };
        for good in [None, Some("http://10.0.0.1:8443"), Some("https://10.0.0.1:8443"), Some("https://office.example")]
        {
            assert!(check(good), "{good:?}");
        }
        for bad in
            ["null", "https://evil.example", "http://10.0.0.1", "http://office.example", "file://10.0.0.1:8443", ""]
        {
            assert!(!check(Some(bad)), "{bad:?}");
        }
    }

    /// The attacker's page is at a name of theirs, which resolves to this server once the page is loaded.
    #[test]
    fn a_page_at_a_foreign_name_that_leads_here_may_not_connect() {
        let check = |authority: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, authority.parse().unwrap());
            headers.insert(header::ORIGIN, format!("http://{authority}").parse().unwrap());
            same_origin(&headers, "office.example")
        };
        for own in [
            "10.0.0.1",
            "10.0.0.1:8443",
            "[::1]",
            "[2001:db8::1]:8443",
            "localhost:8080",
            "auditor.localhost:8080",
            "office.example:8443",
            "telcon.office.example",
        ] {
            assert!(check(own), "{own}");
        }
        for foreign in [
            "evil.example",
            "evil.example:8443",
            "notoffice.example",
            "office.example.evil.example",
            "xlocalhost",
            "localhost.evil.example",
            "10.0.0.1.evil.example",
            "[evil.example]:1",
            "[::1].evil.example",
            "",
        ] {
            assert!(!check(foreign), "{foreign}");
        }
    }

    #[test]
    fn a_header_in_the_log_is_short_and_plain() {
        let mut headers = HeaderMap::new();
        assert_eq!(header_text(&headers, &header::ORIGIN), "(none)");
        let hostile = [&b"https://a\tb\xff"[..], &[b'x'; 5_000]].concat();
        headers.insert(header::ORIGIN, HeaderValue::from_bytes(&hostile).unwrap());
        let text = header_text(&headers, &header::ORIGIN);
        assert!(text.starts_with("https://a?b?xx") && text.chars().count() == MAX_LOGGED_CHARS, "{text}");
    }
}
