//! Static files of the web page. Paths without a file serve `index.html`, which routes by itself.

use super::{App, error::HttpError};
use axum::{
    body::Bytes,
    extract::State,
    http::{Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use std::{
    collections::HashMap,
    path::{Component, Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

pub(super) async fn page(State(app): State<Arc<App>>, method: Method, uri: Uri) -> Response {
    let path = uri.path();
    if path == "/healthz" || path == "/metrics" {
        let text = "health and metrics have an address of their own: see `telcon serve --admin-listen`";
        return HttpError::new(StatusCode::NOT_FOUND, text).into_response();
    }
    let reserved = path.starts_with("/api/") || path.starts_with("/log/") || path == "/ws";
    if reserved {
        return super::api::not_found().into_response();
    }
    if method != Method::GET && method != Method::HEAD {
        return HttpError::new(StatusCode::METHOD_NOT_ALLOWED, "pages are read-only: use GET").into_response();
    }
    let Some(page) = &app.page else {
        let text = "this server has no web page: start it with --web";
        return HttpError::new(StatusCode::NOT_FOUND, text).into_response();
    };
    let dir = &page.dir;
    let Some(file) = inside(dir, path) else {
        return super::api::not_found().into_response();
    };
    let (file, bytes) = match page.read(&file).await {
        Some(bytes) => (file, bytes),
        // A route of the page, not a file.
        None if file.extension().is_none() => {
            let index = dir.join("index.html");
            match page.read(&index).await {
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

/// Largest total size of files in memory, bytes. The built page has a few megabytes.
const MAX_CACHED_BYTES: usize = 64 * 1024 * 1024;

/// The web page's files. All downloads of a file share one copy in memory, however slowly they are read.
pub struct Page {
    dir: PathBuf,
    files: Mutex<HashMap<PathBuf, CachedFile>>,
}

/// A file as it was when it was last read.
#[derive(Clone)]
struct CachedFile {
    modified: Option<SystemTime>,
    bytes: Bytes,
}

impl Page {
    /// The files in `dir`. They may be replaced while the server runs.
    pub fn new(dir: PathBuf) -> Self {
        Self { dir, files: Mutex::default() }
    }

    /// The content of a file below the directory. None if there is no such file.
    async fn read(&self, file: &Path) -> Option<Bytes> {
        let found = tokio::fs::metadata(file).await.ok().filter(std::fs::Metadata::is_file)?;
        let modified = found.modified().ok();
        let known = self.files().get(file).cloned();
        if let Some(known) = known.filter(|known| known.modified == modified && known.bytes.len() as u64 == found.len())
        {
            return Some(known.bytes);
        }
        let bytes = Bytes::from(tokio::fs::read(file).await.ok()?);
        let mut files = self.files();
        files.insert(file.to_owned(), CachedFile { modified, bytes: bytes.clone() });
        if files.values().map(|cached| cached.bytes.len()).sum::<usize>() > MAX_CACHED_BYTES {
            files.clear();
        }
        Some(bytes)
    }

    fn files(&self) -> MutexGuard<'_, HashMap<PathBuf, CachedFile>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
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

    #[tokio::test]
    async fn downloads_of_a_file_share_one_copy_until_it_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let (page, file) = (Page::new(dir.path().to_owned()), dir.path().join("app.js"));
        assert_eq!(page.read(&file).await, None);
        assert_eq!(page.read(dir.path()).await, None, "a directory is no file");
        std::fs::write(&file, vec![7; 1_500_000]).unwrap();
        let downloads: Vec<Bytes> = futures_util::future::join_all((0..200).map(|_| page.read(&file)))
            .await
            .into_iter()
            .map(Option::unwrap)
            .collect();
        let cached = page.read(&file).await.unwrap();
        let copies: std::collections::BTreeSet<_> = downloads.iter().map(|bytes| bytes.as_ptr()).collect();
        assert!(copies.contains(&cached.as_ptr()));
        let again: Vec<Bytes> = futures_util::future::join_all((0..200).map(|_| page.read(&file)))
            .await
            .into_iter()
            .map(Option::unwrap)
            .collect();
        assert!(again.iter().all(|bytes| bytes.as_ptr() == cached.as_ptr()), "one copy");
        std::fs::write(&file, b"new").unwrap();
        assert_eq!(page.read(&file).await.unwrap(), "new");
    }
}
