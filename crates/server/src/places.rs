//! `stores.json` in the server's directory: the locations of an office's database and sealed files. A server that is
//! started with other locations refuses to start, instead of serving an old copy or an empty one.

use crate::{
    limits::MAX_CONFIGURATION_BYTES,
    objects::{ObjectError, ObjectsLocation},
    store::{StoreError, StoreLocation},
};
use serde::{Deserialize, Serialize};
use std::{
    io,
    path::{Path, PathBuf},
};

const FILE: &str = "stores.json";
/// Version of the file. Version 1 named neither the user and schema of a PostgreSQL database nor the endpoint of a bucket:
/// such a file fits any of them, and the next start completes it and makes it version 2.
const VERSION: u32 = 2;

/// Why the locations cannot be determined or do not match.
#[derive(Debug, thiserror::Error)]
pub enum PlacesError {
    /// The file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The file is damaged, or was written by a newer version.
    #[error("{path} is damaged or was written by a newer version: {what}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The server was started with another database.
    #[error(
        "this office's database is {used}, and not {given}: name that one with --store, or move it with `telcon migrate`"
    )]
    OtherStore {
        /// The location in use.
        used: String,
        /// The location given.
        given: String,
    },
    /// The server was started with another object store.
    #[error(
        "this office's sealed files are at {used}, and not at {given}: name that place with --objects (and AWS_ENDPOINT_URL), \
         or move them with `telcon migrate`"
    )]
    OtherObjects {
        /// The location in use.
        used: String,
        /// The location given.
        given: String,
    },
    /// The location in the file lacks credentials or options.
    #[error("stores.json names {0} without password and options: give the full location with --store")]
    NotEnough(String),
}

/// The locations, as in messages and in the file: without passwords. None is the default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Places {
    /// As it was read; [`Places::set_store`] makes it the present one.
    version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    store: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    objects: Option<String>,
    /// Endpoint of the bucket; empty for that of AWS, none if version 1 wrote the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    endpoint: Option<String>,
}

impl Default for Places {
    fn default() -> Self {
        Self { version: VERSION, store: None, objects: None, endpoint: None }
    }
}

impl Places {
    /// Reads the file; without one the defaults apply.
    ///
    /// # Errors
    /// [`PlacesError`].
    pub fn read(data_dir: &Path) -> Result<Self, PlacesError> {
        let path = data_dir.join(FILE);
        let bytes = match telcon_files::read_named(&path, MAX_CONFIGURATION_BYTES) {
            Err(error) if error.is_not_found() => return Ok(Self::default()),
            read => read.map_err(|error| PlacesError::File { path: path.clone(), source: error.into() })?,
        };
        let damaged = |what: String| PlacesError::Damaged { path: path.clone(), what };
        let places: Self = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        if !(1..=VERSION).contains(&places.version) {
            return Err(damaged(format!("its version is {}, this program supports up to {VERSION}", places.version)));
        }
        Ok(places)
    }

    /// Writes the file atomically and durably.
    ///
    /// # Errors
    /// [`PlacesError::File`].
    pub fn write(&self, data_dir: &Path) -> Result<(), PlacesError> {
        let path = data_dir.join(FILE);
        let text = serde_json::to_vec_pretty(self).expect("invariant: places have no map keys that JSON cannot hold");
        telcon_files::replace_private(&path, &text).map_err(|source| PlacesError::File { path: path.clone(), source })
    }

    /// Checks the locations with which a server is started. An office whose log is empty adopts them.
    ///
    /// # Errors
    /// [`PlacesError`].
    pub fn check(
        data_dir: &Path,
        store: &StoreLocation,
        objects: &ObjectsLocation,
        new_office: bool,
    ) -> Result<(), PlacesError> {
        let mut places = Self::read(data_dir)?;
        if new_office && (&places.store, &places.objects) == (&None, &None) {
            places.set_store(data_dir, store);
            places.set_objects(data_dir, objects);
            return if places == Self::default() { Ok(()) } else { places.write(data_dir) };
        }
        if !places.is_at_store(data_dir, store) {
            let used = places.store.unwrap_or_else(|| StoreLocation::default_in(data_dir).to_string());
            return Err(PlacesError::OtherStore { used, given: store.to_string() });
        }
        if !places.is_at_objects(data_dir, objects) {
            let used = places.objects.unwrap_or_else(|| ObjectsLocation::default_in(data_dir).to_string());
            let used = at_endpoint(used, places.endpoint.as_deref());
            return Err(PlacesError::OtherObjects {
                used,
                given: at_endpoint(objects.to_string(), objects.endpoint()),
            });
        }
        let recorded = places.clone();
        places.set_store(data_dir, store);
        places.set_objects(data_dir, objects);
        if places == recorded { Ok(()) } else { places.write(data_dir) }
    }

    pub(crate) fn is_at_store(&self, data_dir: &Path, store: &StoreLocation) -> bool {
        let name = store_name(data_dir, store);
        self.store == name
            || self.version == 1 && self.store.is_some() && self.store == name.map(|_| store.former_name())
    }

    pub(crate) fn is_at_objects(&self, data_dir: &Path, objects: &ObjectsLocation) -> bool {
        self.objects == objects_name(data_dir, objects)
            && (self.endpoint.is_none() || self.endpoint.as_deref() == objects.endpoint())
    }

    pub(crate) fn set_store(&mut self, data_dir: &Path, store: &StoreLocation) {
        self.store = store_name(data_dir, store);
        self.version = VERSION;
    }

    pub(crate) fn set_objects(&mut self, data_dir: &Path, objects: &ObjectsLocation) {
        self.objects = objects_name(data_dir, objects);
        self.endpoint = objects.endpoint().map(str::to_owned);
    }

    /// The database in use, if the file names it completely.
    pub(crate) fn store(&self, data_dir: &Path) -> Result<StoreLocation, PlacesError> {
        match &self.store {
            None => Ok(StoreLocation::default_in(data_dir)),
            Some(text) => {
                let not_enough = |_: StoreError| PlacesError::NotEnough(text.clone());
                let location = StoreLocation::parse(text).map_err(not_enough)?;
                // The password is not in the file.
                if matches!(location, StoreLocation::Postgres(_)) {
                    Err(PlacesError::NotEnough(text.clone()))
                } else {
                    Ok(location)
                }
            }
        }
    }

    /// The object store in use.
    pub(crate) fn objects(&self, data_dir: &Path) -> Result<ObjectsLocation, PlacesError> {
        match &self.objects {
            None => Ok(ObjectsLocation::default_in(data_dir)),
            Some(text) => {
                ObjectsLocation::parse(text, data_dir).map_err(|_: ObjectError| PlacesError::NotEnough(text.clone()))
            }
        }
    }
}

fn at_endpoint(name: String, endpoint: Option<&str>) -> String {
    match endpoint.filter(|endpoint| !endpoint.is_empty()) {
        Some(endpoint) => format!("{name} at {endpoint}"),
        None => name,
    }
}

fn store_name(data_dir: &Path, store: &StoreLocation) -> Option<String> {
    (*store != StoreLocation::default_in(data_dir)).then(|| store.to_string())
}

fn objects_name(data_dir: &Path, objects: &ObjectsLocation) -> Option<String> {
    (*objects != ObjectsLocation::default_in(data_dir)).then(|| objects.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_server_does_not_start_with_other_locations_than_its_office_uses() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path();
        let (store, objects) = (StoreLocation::default_in(data), ObjectsLocation::default_in(data));
        let postgres = StoreLocation::parse("postgres://telcon:secret@db.example/telcon").unwrap();
        let at = |endpoint: &str| ObjectsLocation::S3 {
            url: "s3://sealed/office".into(),
            endpoint: endpoint.into(),
            spool: data.join("upload"),
        };
        let bucket = at("");
        // An office created before locations were configurable.
        Places::check(data, &store, &objects, false).unwrap();
        assert!(matches!(Places::check(data, &postgres, &objects, false), Err(PlacesError::OtherStore { .. })));
        assert!(matches!(Places::check(data, &store, &bucket, false), Err(PlacesError::OtherObjects { .. })));
        // A new office adopts any location, and keeps it.
        Places::check(data, &postgres, &bucket, true).unwrap();
        Places::check(data, &postgres, &bucket, false).unwrap();
        Places::check(data, &postgres, &bucket, true).unwrap();
        let other_password = StoreLocation::parse("postgres://telcon:another@db.example/telcon").unwrap();
        Places::check(data, &other_password, &bucket, false).unwrap();
        let refused = Places::check(data, &store, &objects, true).unwrap_err();
        assert!(refused.to_string().contains("postgres://telcon@db.example/telcon"), "{refused}");
        assert!(!fs::read_to_string(data.join(FILE)).unwrap().contains("secret"));
        fs::write(data.join(FILE), r#"{"version":3,"shards":[]}"#).unwrap();
        assert!(matches!(Places::read(data), Err(PlacesError::Damaged { .. })));
    }

    #[test]
    fn user_schema_and_endpoint_distinguish_places() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path();
        let at = |endpoint: &str| ObjectsLocation::S3 {
            url: "s3://sealed/office".into(),
            endpoint: endpoint.into(),
            spool: data.join("upload"),
        };
        let north = StoreLocation::parse("postgres://north:a@db.example/telcon?options=-csearch_path%3Dn").unwrap();
        let others = [
            "postgres://south:a@db.example/telcon?options=-csearch_path%3Dn",
            "postgres://north:a@db.example/telcon?options=-csearch_path%3Ds",
            "postgres://north:a@db.example/telcon",
        ];
        let check = |store: &StoreLocation, objects: &ObjectsLocation| Places::check(data, store, objects, false);
        // Version 1 recorded neither; the first start completes the file.
        for (file, new_office) in [
            (Some(r#"{"version":1,"store":"postgres://db.example/telcon","objects":"s3://sealed/office"}"#), false),
            (None, true),
        ] {
            match file {
                Some(text) => fs::write(data.join(FILE), text).unwrap(),
                None => fs::remove_file(data.join(FILE)).unwrap(),
            }
            Places::check(data, &north, &at("https://a.example"), new_office).unwrap();
            check(&north, &at("https://a.example")).unwrap();
            for other in others {
                let other = StoreLocation::parse(other).unwrap();
                let refused = check(&other, &at("https://a.example"));
                assert!(matches!(refused, Err(PlacesError::OtherStore { .. })), "{other}");
            }
            for endpoint in ["", "https://b.example"] {
                let refused = check(&north, &at(endpoint)).unwrap_err().to_string();
                assert!(refused.contains("s3://sealed/office at https://a.example"), "{refused}");
            }
        }
        let text = fs::read_to_string(data.join(FILE)).unwrap();
        assert!(text.contains("\"version\": 2") && !text.contains(":a@"), "{text}");
        // In a file of version 2 the shorter name is that of another database, the one without a user.
        fs::write(data.join(FILE), r#"{"version":2,"store":"postgres://db.example/telcon"}"#).unwrap();
        let refused = check(&north, &ObjectsLocation::default_in(data));
        assert!(matches!(refused, Err(PlacesError::OtherStore { .. })), "{refused:?}");
    }
}
