//! Where sealed files are kept.

use super::{
    DiskObjects, ObjectError, Objects,
    s3::{self, S3Objects},
};
use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::runtime::Handle;

/// The object store of an office.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObjectsLocation {
    /// A directory.
    Disk(PathBuf),
    /// An `s3://` URL.
    S3 {
        /// `s3://bucket` or `s3://bucket/prefix`.
        url: String,
        /// Endpoint of the store, from the environment (`AWS_ENDPOINT_URL`); empty for that of AWS.
        endpoint: String,
        /// Directory of files that are not uploaded yet. The server owns it and empties it at start.
        spool: PathBuf,
    },
}

impl ObjectsLocation {
    /// The default: `archive` in the server's data directory.
    pub fn default_in(data_dir: &Path) -> Self {
        Self::Disk(data_dir.join("archive"))
    }

    /// Parses a location: `s3://…`, or `disk:` and the path of a directory. Files that are not uploaded yet are below
    /// `data_dir`.
    ///
    /// # Errors
    /// [`ObjectError::Location`] if it is neither.
    pub fn parse(text: &str, data_dir: &Path) -> Result<Self, ObjectError> {
        if text.starts_with("s3://") {
            let endpoint = s3::endpoint(environment()).unwrap_or_default();
            Ok(Self::S3 { url: text.to_owned(), endpoint, spool: data_dir.join("upload") })
        } else if let Some(path) = text.strip_prefix("disk:").filter(|path| !path.is_empty()) {
            Ok(Self::Disk(path.into()))
        } else {
            Err(ObjectError::Location("an object store is s3://bucket/prefix, or disk:/path/of/archive".into()))
        }
    }

    /// The endpoint of a bucket; none for a directory.
    pub(crate) fn endpoint(&self) -> Option<&str> {
        match self {
            Self::Disk(_) => None,
            Self::S3 { endpoint, .. } => Some(endpoint),
        }
    }

    /// Opens it for the one process that writes there. Requests over a network run on `runtime`.
    ///
    /// # Errors
    /// [`ObjectError`].
    pub fn open(&self, runtime: Handle) -> Result<Arc<dyn Objects>, ObjectError> {
        Ok(match self {
            Self::Disk(root) => Arc::new(DiskObjects::open(root)?),
            Self::S3 { url, spool, .. } => Arc::new(S3Objects::open(url, spool.clone(), environment(), runtime)?),
        })
    }
}

/// The environment variables, as the AWS tools read them.
fn environment() -> impl Iterator<Item = (String, String)> {
    // Variables that are not UTF-8 are ignored.
    let text =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    text.filter(|(name, _)| name.starts_with("AWS_"))
}

impl fmt::Display for ObjectsLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disk(root) => write!(f, "disk:{}", root.display()),
            Self::S3 { url, .. } => f.write_str(url),
        }
    }
}
