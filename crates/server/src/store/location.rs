//! Location of a store.

use super::{
    Queries, Store, StoreError,
    over_sql::{Reader, Writer},
    postgres, sqlite,
};
use std::{
    fmt,
    path::{Path, PathBuf},
};
use telcon_proto::OfficeName;

/// The location of an office's database. `Debug` and `Display` name user and schema, and omit passwords and other options.
#[derive(Clone, PartialEq, Eq)]
pub enum StoreLocation {
    /// An SQLite file.
    Sqlite(PathBuf),
    /// A `postgres://` URL.
    Postgres(String),
}

impl StoreLocation {
    /// The default: `telcon.db` in the server's data directory.
    pub fn default_in(data_dir: &Path) -> Self {
        Self::Sqlite(data_dir.join("telcon.db"))
    }

    /// Parses a location: `postgres://…`, or `sqlite:` and the path of a file.
    ///
    /// # Errors
    /// [`StoreError::Location`] if it is neither.
    pub fn parse(text: &str) -> Result<Self, StoreError> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            Ok(Self::Postgres(text.to_owned()))
        } else if let Some(path) = text.strip_prefix("sqlite:").filter(|path| !path.is_empty()) {
            Ok(Self::Sqlite(path.into()))
        } else {
            Err(StoreError::Location("a store is postgres://user@host/database, or sqlite:/path/of/telcon.db".into()))
        }
    }

    /// Opens the database of the office `home` for its only writer, and migrates its schema. Blocks: must not be called
    /// on a thread of an async runtime.
    ///
    /// # Errors
    /// [`StoreError::OtherOffice`] for another office's database; [`StoreError::InUse`] while another process writes to a
    /// PostgreSQL database. An SQLite file is protected by the lock of the log beside it.
    pub fn writer(&self, home: &OfficeName) -> Result<Box<dyn Store>, StoreError> {
        Ok(match self {
            Self::Sqlite(path) => Box::new(Writer::new(sqlite::writer(path)?, home)?),
            Self::Postgres(url) => Box::new(Writer::new(postgres::writer(url)?, home)?),
        })
    }

    /// Opens the database of the office `home` for reading. Blocks: must not be called on a thread of an async runtime.
    ///
    /// # Errors
    /// [`StoreError`], also if no writer of this version has opened it before.
    pub fn reader(&self, home: &OfficeName) -> Result<Box<dyn Queries>, StoreError> {
        Ok(match self {
            Self::Sqlite(path) => Box::new(Reader::new(sqlite::reader(path)?, home)?),
            Self::Postgres(url) => Box::new(Reader::new(postgres::reader(url)?, home)?),
        })
    }
}

impl StoreLocation {
    /// The name that version 1 of `stores.json` gave it, without user and schema.
    pub(crate) fn former_name(&self) -> String {
        match self {
            Self::Sqlite(_) => self.to_string(),
            Self::Postgres(url) => {
                let rest = url.split_once("://").map_or("", |(_, rest)| rest);
                let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
                format!("postgres://{}", rest.split('?').next().unwrap_or_default())
            }
        }
    }
}

impl fmt::Display for StoreLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(url) => f.write_str(&postgres::name(url).unwrap_or_else(|| self.former_name())),
        }
    }
}

impl fmt::Debug for StoreLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_user_and_schema_and_no_password() {
        for (url, name) in [
            ("postgres://telcon:hunter2@db.example:5432/telcon", "postgres://telcon@db.example/telcon"),
            ("postgres://telcon@db.example:6432/telcon?sslmode=require", "postgres://telcon@db.example:6432/telcon"),
            ("postgresql://db.example/telcon?user=telcon&password=hunter2", "postgres://telcon@db.example/telcon"),
            (
                "postgres://telcon@a.example,b.example/telcon?options=-c%20statement_timeout%3D9%20-c%20search_path%3Dnorth",
                "postgres://telcon@a.example,b.example/telcon?options=-csearch_path%3Dnorth",
            ),
            ("postgres://telcon@%2Frun%2Fpostgresql/telcon", "postgres://telcon@%2Frun%2Fpostgresql/telcon"),
        ] {
            let location = StoreLocation::parse(url).unwrap();
            assert_eq!((location.to_string(), format!("{location:?}")), (name.to_owned(), name.to_owned()));
            assert_eq!(StoreLocation::parse(name).unwrap().to_string(), name, "a name is a location");
        }
        let malformed = StoreLocation::parse("postgres://telcon:hunter2@db.example/telcon?nothing=1").unwrap();
        assert_eq!(malformed.to_string(), "postgres://db.example/telcon");
    }

    #[test]
    fn malformed_locations_are_refused() {
        for bad in ["", "telcon.db", "mysql://x", "sqlite:"] {
            assert!(matches!(StoreLocation::parse(bad), Err(StoreError::Location(_))), "{bad:?}");
        }
        assert_eq!(StoreLocation::parse("sqlite:a.db").unwrap(), StoreLocation::Sqlite("a.db".into()));
    }
}
