//! Security headers of every response, and the origin check of WebSockets.

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, header},
    middleware::Next,
    response::Response,
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
}
