//! `telcon migrate`, stopped after every step and started again.

mod common;

use common::Office;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};
use telcon_proto::Role;
use telcon_server::{
    MigrateError, MigrateProgress, MigrateReport, Server, ServerConfig, migrate, objects::ObjectsLocation,
    store::StoreLocation,
};
use tokio::runtime::Handle;

const RECORD: &str = "01010101010101010101010101010101-02020202020202020202020202020202";

/// An office that moves.
struct Move {
    data: PathBuf,
    store: StoreLocation,
    objects: ObjectsLocation,
    target: PathBuf,
}

impl Move {
    fn of(office: &Office) -> Self {
        let target = office.dir.path().join("target");
        fs::create_dir(&target).unwrap();
        Self {
            data: office.dir.path().join("server"),
            store: StoreLocation::Sqlite(target.join("telcon.db")),
            objects: ObjectsLocation::Disk(target.join("objects")),
            target,
        }
    }

    /// Migrates, and stops after so many steps. Returns the steps that were made, and the report if it was not stopped.
    async fn run(&self, steps: usize) -> (usize, Option<Result<MigrateReport, MigrateError>>) {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        MADE.store(0, Ordering::Relaxed);
        let (data, store, objects) = (self.data.clone(), self.store.clone(), self.objects.clone());
        let on = Handle::current();
        let run = tokio::task::spawn_blocking(move || {
            migrate(&data, Some(&store), Some(&objects), &on, |_: MigrateProgress| {
                assert!(MADE.fetch_add(1, Ordering::Relaxed) < steps, "stopped by the test");
            })
        });
        let report = run.await.ok();
        (MADE.load(Ordering::Relaxed), report)
    }

    /// Starts and stops the server where `stores.json` says: of the two places one is right, and only that one.
    async fn serve(&self, what: &str) {
        let old = ServerConfig::local(&self.data);
        let new = ServerConfig { store: self.store.clone(), objects: self.objects.clone(), ..old.clone() };
        let (old, new) = (Server::start(old).await, Server::start(new).await);
        match (old, new) {
            (Ok(running), Err(_)) | (Err(_), Ok(running)) => running.shutdown().await,
            (old, new) => panic!("{what}: {:?} {:?}", old.err(), new.err()),
        }
    }

    fn archived(&self, root: &Path) -> BTreeMap<String, Vec<u8>> {
        let (mut found, mut dirs) = (BTreeMap::new(), Vec::new());
        for group in ["devices", "issuers", "records", ".incoming", ".pending"] {
            dirs.push(root.join(group));
        }
        while let Some(dir) = dirs.pop() {
            for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
                if entry.path().is_dir() {
                    dirs.push(entry.path());
                } else {
                    let name = entry.path().strip_prefix(root).unwrap().display().to_string();
                    found.insert(name, fs::read(entry.path()).unwrap());
                }
            }
        }
        found
    }
}

/// Puts a file into the source's archive.
fn put(data: &Path, key: &str, bytes: &[u8]) {
    let path = data.join("archive").join(key);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_stopped_after_any_step_is_completed_by_the_next_one() {
    let pending = format!(".pending/{RECORD}");
    let incoming = format!(".incoming/{RECORD}/part-000000.tar.age");
    let mut steps = 0;
    loop {
        for serve_between in [false, true] {
            let mut office = Office::start().await;
            office.person(Role::Principal).await;
            office.stop().await;
            let this = Move::of(&office);
            put(&this.data, &pending, b"");
            put(&this.data, &incoming, b"first");
            let what = format!("stopped after {steps} steps, served: {serve_between}");
            let (made, report) = this.run(steps).await;
            if made <= steps {
                assert!(report.is_some_and(|report| report.is_ok()), "{what}");
                assert!(steps > 20, "there are more steps than that: {steps}");
                return;
            }
            // The source goes on: an upload is replaced by another one of the same length, a record becomes pending, and a
            // server forgets those that were never archived.
            if !this.data.join("stores.json").exists() {
                put(&this.data, &incoming, b"again");
                put(&this.data, &format!(".pending/{RECORD}-2"), b"");
                fs::remove_file(this.data.join("archive").join(&pending)).unwrap();
            }
            if serve_between {
                this.serve(&what).await;
            }
            let (_, report) = this.run(usize::MAX).await;
            report.expect(&what).unwrap_or_else(|error| panic!("{what}: {error}"));
            let (_, again) = this.run(usize::MAX).await;
            let again = again.expect(&what).unwrap();
            assert!(again.tables.is_empty() && again.objects_sha256.is_none(), "{what}: moved already");
            if !serve_between {
                let (source, target) = (this.data.join("archive"), this.target.join("objects"));
                let (source, target) = (this.archived(&source), this.archived(&target));
                assert!(source.keys().any(|key| key.starts_with(".pending")) && source.len() >= 4, "{source:?}");
                assert_eq!(source.keys().collect::<Vec<_>>(), target.keys().collect::<Vec<_>>(), "{what}");
                assert_eq!(source, target, "{what}");
            }
            let marks = rusqlite::Connection::open(this.target.join("telcon.db")).unwrap();
            let left: i64 = marks
                .query_row("SELECT count(*) FROM marks WHERE name LIKE 'unused copy of %'", [], |row| row.get(0))
                .unwrap();
            assert_eq!(left, 0, "{what}: a later migration would take the office's database for an unused copy");
            this.serve(&what).await;
        }
        steps += 1;
    }
}
