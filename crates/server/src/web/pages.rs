//! Static files of the web page. Paths without a file serve `index.html`, which routes by itself.

use super::{App, error::HttpError};
use axum::{
    extract::State,
    http::{Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use std::{
    path::{Component, Path, PathBuf},
    sync::Arc,
};

pub(super) async fn page(State(app): State<Arc<App>>, method: Method, uri: Uri) -> Response {
    let path = uri.path();
    let reserved = path.starts_with("/api/") || path.starts_with("/log/") || path == "/ws";
    if reserved {
        return super::api::not_found().into_response();
    }
    if method != Method::GET && method != Method::HEAD {
        return HttpError::new(StatusCode::METHOD_NOT_ALLOWED, "pages are read-only: use GET").into_response();
    }
    let Some(dir) = &app.web_dir else {
        let text = "this server has no web page: start it with --web";
        return HttpError::new(StatusCode::NOT_FOUND, text).into_response();
    };
    let Some(file) = inside(dir, path) else {
        return super::api::not_found().into_response();
    };
    let (file, bytes) = match read(&file).await {
        Some(bytes) => (file, bytes),
        // A route of the page, not a file.
        None if file.extension().is_none() => {
            let index = dir.join("index.html");
            match read(&index).await {
                Some(bytes) => (index, bytes),
                None => return HttpError::new(StatusCode::NOT_FOUND, "the web page is not built").into_response(),
            }
        }
        None => return HttpError::new(StatusCode::NOT_FOUND, "there is no such file").into_response(),
    };
    // The build puts a content digest into the names of files under assets/.
    let immutable = file.strip_prefix(dir).is_ok_and(|f| f.starts_with("assets"));
    let caching = if immutable { "public, max-age=31536000, immutable" } else { "no-cache" };
    ([(header::CONTENT_TYPE, content_type(&file)), (header::CACHE_CONTROL, caching)], bytes).into_response()
}

/// The file below `dir` that a path names; nothing for hidden files or a path that could leave `dir`.
fn inside(dir: &Path, path: &str) -> Option<PathBuf> {
    let relative = Path::new(path.trim_start_matches('/'));
    let plain = relative.components().all(|c| matches!(c, Component::Normal(_)));
    let hidden = path.split('/').any(|s| s.starts_with('.'));
    // No built file has a percent sign in its name: an encoded path names nothing.
    (plain && !hidden && !path.contains(['%', '\\', '\0'])).then(|| dir.join(relative))
}

async fn read(file: &Path) -> Option<Vec<u8>> {
    let file = file.to_owned();
    tokio::fs::read(file).await.ok()
}

fn content_type(file: &Path) -> &'static str {
    match file.extension().and_then(|e| e.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("wasm") => "application/wasm",
        Some("json" | "map") => "application/json",
        Some("webmanifest") => "application/manifest+json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some("ogg" | "opus") => "audio/ogg",
        Some("mp3") => "audio/mpeg",
        Some("wav") => "audio/wav",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_cannot_leave_the_directory() {
        let dir = Path::new("web");
        assert_eq!(inside(dir, "/assets/a.js"), Some(dir.join("assets/a.js")));
        assert_eq!(inside(dir, "/"), Some(dir.join("")));
        for bad in ["/../x", "/a/../../x", "/.git/config", "/%2e%2e/x", "/a\\..\\x"] {
            assert_eq!(inside(dir, bad), None, "{bad}");
        }
    }
}
