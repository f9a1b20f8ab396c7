//! Objects in an S3 bucket, or in a compatible store that honours `If-None-Match`.
//!
//! Credentials, region and endpoint are those of the environment (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`,
//! `AWS_REGION`, `AWS_ENDPOINT_URL`), as the AWS tools read them.

use super::{Key, Listed, ObjectError, Objects, Spool};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use object_store::{
    BackoffConfig, ClientOptions, Error, ObjectStore as _, ObjectStoreExt as _, PutMode, PutOptions, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey, Checksum},
    path::Path,
};
use std::{
    fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::runtime::Handle;

/// Concurrent copies and deletions while objects are relocated.
const CONCURRENT: usize = 16;
/// How long a failing request is retried.
const RETRY_FOR: Duration = Duration::from_secs(20);
/// How long one request may take: 64 MiB over a slow line.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(120);

/// A bucket, or a prefix in it.
pub(super) struct S3Objects {
    bucket: Arc<AmazonS3>,
    /// Prefix of all keys; empty for none.
    prefix: String,
    spool: PathBuf,
    spools: AtomicU64,
    runtime: Handle,
}

impl S3Objects {
    /// Opens `s3://bucket` or `s3://bucket/prefix` with settings named as in the environment. Files that are not uploaded yet
    /// are in `spool`, which is emptied.
    pub(super) fn open(
        url: &str,
        spool: PathBuf,
        settings: impl IntoIterator<Item = (String, String)>,
        runtime: Handle,
    ) -> Result<Self, ObjectError> {
        let bad = |what: &str| ObjectError::Location(format!("{url}: {what}"));
        let (bucket, prefix) =
            url.strip_prefix("s3://").map(|rest| rest.split_once('/').unwrap_or((rest, ""))).unwrap_or_default();
        let prefix = prefix.trim_end_matches('/');
        if bucket.is_empty() || !(prefix.is_empty() || Key::parse(prefix).is_some()) {
            return Err(bad("an object store is s3://bucket or s3://bucket/prefix"));
        }
        let backoff = BackoffConfig { init_backoff: Duration::from_millis(100), ..BackoffConfig::default() };
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(bucket)
            // The store refuses an object that was corrupted in transit.
            .with_checksum_algorithm(Checksum::SHA256)
            .with_retry(RetryConfig { backoff, max_retries: 8, retry_timeout: RETRY_FOR });
        let mut local = false;
        for (name, value) in settings {
            let Ok(key) = name.to_ascii_lowercase().parse::<AmazonS3ConfigKey>() else { continue };
            local |= matches!(key, AmazonS3ConfigKey::Endpoint) && is_loopback(&value);
            builder = builder.with_config(key, value);
        }
        let client = ClientOptions::new().with_connect_timeout(Duration::from_secs(5)).with_timeout(REQUEST_TIMEOUT);
        let builder = builder.with_client_options(client.with_allow_http(local)).with_allow_http(local);
        let bucket = builder.build().map_err(|error| bad(&error.to_string()))?;
        match fs::remove_dir_all(&spool) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => crate::private::create_dir_all(&spool)?,
        }
        Ok(Self { bucket: Arc::new(bucket), prefix: prefix.to_owned(), spool, spools: AtomicU64::new(0), runtime })
    }

    fn path(&self, key: &Key) -> Path {
        if self.prefix.is_empty() { Path::from(key.as_str()) } else { Path::from(format!("{}/{key}", self.prefix)) }
    }

    fn key(&self, path: &Path) -> Option<Key> {
        let path = path.as_ref();
        let path = if self.prefix.is_empty() { path } else { path.strip_prefix(&self.prefix)?.strip_prefix('/')? };
        Key::parse(path)
    }

    /// Runs all of `work`, up to [`CONCURRENT`] futures at a time.
    fn each<F: Future<Output = Result<(), Error>>>(
        &self,
        work: impl IntoIterator<Item = F>,
    ) -> Result<(), ObjectError> {
        let all = stream::iter(work).buffer_unordered(CONCURRENT).try_for_each(|()| async { Ok(()) });
        self.runtime.block_on(all).map_err(failed)
    }

    async fn delete_if_there(bucket: Arc<AmazonS3>, path: Path) -> Result<(), Error> {
        match bucket.delete(&path).await {
            Err(Error::NotFound { .. }) => Ok(()),
            deleted => deleted,
        }
    }
}

/// The endpoint among settings named as in the environment, without a final slash.
pub(super) fn endpoint(settings: impl IntoIterator<Item = (String, String)>) -> Option<String> {
    let is_endpoint = |name: &str| matches!(name.to_ascii_lowercase().parse(), Ok(AmazonS3ConfigKey::Endpoint));
    let found = settings.into_iter().filter(|(name, _)| is_endpoint(name)).last();
    found.map(|(_, value)| value.trim_end_matches('/').to_owned())
}

/// Sealed files need no confidentiality in transit, but names and credentials do: plain HTTP is allowed to loopback
/// only.
fn is_loopback(endpoint: &str) -> bool {
    let host = endpoint.strip_prefix("http://").and_then(|rest| rest.split(['/', ':']).next());
    host.is_some_and(|host| host == "localhost" || host.parse().is_ok_and(|addr: std::net::IpAddr| addr.is_loopback()))
}

fn failed(error: Error) -> ObjectError {
    ObjectError::Remote(error.to_string())
}

impl Objects for S3Objects {
    fn spool(&self) -> Result<Spool, ObjectError> {
        let number = self.spools.fetch_add(1, Ordering::Relaxed);
        Ok(Spool::at(self.spool.join(number.to_string())))
    }

    fn put(&self, key: &Key, spool: Spool) -> Result<(), ObjectError> {
        let bytes = fs::read(spool.path())?;
        self.runtime.block_on(self.bucket.put(&self.path(key), bytes.into())).map(drop).map_err(failed)
    }

    fn create(&self, key: &Key, bytes: &[u8]) -> Result<bool, ObjectError> {
        let (path, options) = (self.path(key), PutOptions::from(PutMode::Create));
        match self.runtime.block_on(self.bucket.put_opts(&path, bytes.to_vec().into(), options)) {
            Ok(_) => Ok(true),
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => Ok(false),
            Err(error) => Err(failed(error)),
        }
    }

    fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, ObjectError> {
        let path = self.path(key);
        let read = async { self.bucket.get(&path).await?.bytes().await };
        match self.runtime.block_on(read) {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    fn list(&self, below: &Key) -> Result<Vec<Listed>, ObjectError> {
        let path = self.path(below);
        let objects = self.runtime.block_on(self.bucket.list(Some(&path)).try_collect::<Vec<_>>()).map_err(failed)?;
        let mut found: Vec<Listed> = objects
            .into_iter()
            .filter_map(|object| {
                let modified_ms = u64::try_from(object.last_modified.timestamp_millis()).unwrap_or_default();
                Some(Listed { key: self.key(&object.location)?, bytes: object.size, modified_ms })
            })
            .collect();
        found.sort();
        Ok(found)
    }

    fn delete(&self, key: &Key) -> Result<(), ObjectError> {
        self.runtime.block_on(Self::delete_if_there(self.bucket.clone(), self.path(key))).map_err(failed)
    }

    fn relocate(&self, from: &Key, to: &Key, marker: &str) -> Result<(), ObjectError> {
        let (mut parts, mut markers) = (Vec::new(), Vec::new());
        for object in self.list(from)? {
            let Some(target) = object.key.moved(from, to) else { continue };
            let list = if object.key.name() == marker { &mut markers } else { &mut parts };
            list.push((self.path(&object.key), self.path(&target)));
        }
        if parts.is_empty() && markers.is_empty() {
            return Err(ObjectError::Remote(format!("there are no objects below {from}")));
        }
        let stale = self.list(to)?.into_iter().map(|object| self.path(&object.key));
        let stale = stale.filter(|path| !parts.iter().chain(&markers).any(|(_, target)| target == path));
        let stale: Vec<Path> = stale.collect();
        self.each(stale.into_iter().map(|path| Self::delete_if_there(self.bucket.clone(), path)))?;
        for list in [&parts, &markers] {
            self.each(list.iter().map(|(from, to)| self.bucket.copy(from, to)))?;
        }
        for list in [markers, parts] {
            self.each(list.into_iter().map(|(from, _)| Self::delete_if_there(self.bucket.clone(), from)))?;
        }
        Ok(())
    }
}
