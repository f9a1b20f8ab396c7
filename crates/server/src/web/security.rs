//! Security headers of every response, and the origin check of WebSockets.

use crate::allowance::{Allowance, Rate};
use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, header},
    middleware::Next,
    response::Response,
};
use std::{
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
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    if !response.headers().contains_key(header::CACHE_CONTROL) {
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

/// Whether a browser's request comes from this office's page. Programs other than browsers send no `Origin`.
pub(super) fn same_origin(headers: &HeaderMap, domain: &str) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let Ok(origin) = origin.to_str() else { return false };
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    if !matches!(scheme, "http" | "https") {
        return false;
    }
    let host = headers.get(header::HOST).and_then(|h| h.to_str().ok());
    host == Some(authority) || (scheme == "https" && authority == domain)
}

/// Reports of refused origins: any page in the world can cause them.
const REPORT_RATE: Rate = Rate::every_ms(10_000, 1);
/// Longest part of a header in a report, characters.
const MAX_REPORTED_CHARS: usize = 100;

/// Tells the operator about pages whose origin was refused, usually because a proxy replaced the `Host` header.
pub struct RefusedOrigins {
    since: Instant,
    /// The reports that are left, and how many requests came since the last one.
    reports: Mutex<(Allowance, u64)>,
}

impl RefusedOrigins {
    /// Nothing was reported yet.
    pub fn new(now: Instant) -> Self {
        Self { since: now, reports: Mutex::default() }
    }

    /// Reports a request whose origin was refused, unless it is over [`REPORT_RATE`].
    pub(super) fn report(&self, headers: &HeaderMap, domain: &str, now: Instant) {
        let mut reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        let now_ms = now.saturating_duration_since(self.since).as_millis() as u64;
        if !reports.0.take(REPORT_RATE, now_ms) {
            reports.1 += 1;
            return;
        }
        let unreported = std::mem::take(&mut reports.1);
        let (origin, host) = (header_text(headers, &header::ORIGIN), header_text(headers, &header::HOST));
        tracing::warn!(
            origin,
            host,
            unreported,
            "a page was refused because its origin is not this server's: if it is the office's page, have the proxy pass the \
             Host header on (nginx: proxy_set_header Host $host), or open the page at https://{domain}"
        );
    }
}

/// A header for the log: of limited length, without anything that a terminal interprets.
fn header_text(headers: &HeaderMap, name: &HeaderName) -> String {
    let Some(value) = headers.get(name) else { return "(none)".to_owned() };
    let text = String::from_utf8_lossy(value.as_bytes());
    text.chars().take(MAX_REPORTED_CHARS).map(|c| if c.is_ascii_graphic() { c } else { '?' }).collect()
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

    #[test]
    fn a_header_in_the_log_is_short_and_plain() {
        let mut headers = HeaderMap::new();
        assert_eq!(header_text(&headers, &header::ORIGIN), "(none)");
        let hostile = [&b"https://a\tb\xff"[..], &[b'x'; 5_000]].concat();
        headers.insert(header::ORIGIN, HeaderValue::from_bytes(&hostile).unwrap());
        let text = header_text(&headers, &header::ORIGIN);
        assert!(text.starts_with("https://a?b?xx") && text.chars().count() == MAX_REPORTED_CHARS, "{text}");
    }
}
