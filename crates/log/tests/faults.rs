//! Fault matrix: at every storage operation an error, an error although the operation took effect, a crash, and a power
//! loss. Invariants after each: no acknowledged entry is lost, an append in doubt is complete or absent, no published file
//! changes, and no signed tree is forked.

use proptest::prelude::*;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::rc::Rc;
use telcon_log::{
    Checkpoint, Error, Log, LogSigner, MemoryStorage, Reader, Storage, StorageError, TilePath, VerifierKey, verify_tree,
};

/// The fault at one storage operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// An error; the operation had no effect.
    Fails,
    /// An error, although the operation took effect.
    FailsPersisted,
    /// The process dies before the operation.
    Dies,
    /// The process dies after the operation.
    DiesPersisted,
    /// The power fails after the operation: removals, which are not durable, are undone.
    PowerLoss,
}

const FAULTS: [Fault; 5] = [Fault::Fails, Fault::FailsPersisted, Fault::Dies, Fault::DiesPersisted, Fault::PowerLoss];

/// The disk, which outlives the process, and the test's observations.
#[derive(Default)]
struct World {
    files: MemoryStorage,
    plan: BTreeMap<usize, Fault>,
    operations: usize,
    dead: bool,
    /// Files removed so far: a power loss may restore them.
    removed: MemoryStorage,
    /// Batches are written last file first: their order is not specified.
    reversed: bool,
    /// First content of each published path.
    published: BTreeMap<String, Vec<u8>>,
    /// All checkpoints that were signed and could have been seen.
    signed: Vec<Checkpoint>,
    /// The notes of `signed`.
    notes: BTreeSet<Vec<u8>>,
    /// Audit after every write, not only after faults.
    audit_every_write: bool,
}

fn signer() -> LogSigner {
    LogSigner::from_seed(&[1; 32], "office.example/log").unwrap()
}

fn key() -> VerifierKey {
    signer().verifier_key().clone()
}

impl World {
    fn begin(&mut self) -> Option<Fault> {
        let fault = if self.dead { Some(Fault::Dies) } else { self.plan.get(&self.operations).copied() };
        self.operations += 1;
        self.dead |= matches!(fault, Some(Fault::Dies | Fault::DiesPersisted | Fault::PowerLoss));
        fault
    }

    fn write(
        &mut self,
        write: impl FnOnce(&mut MemoryStorage) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        let fault = self.begin();
        if !matches!(fault, Some(Fault::Fails | Fault::Dies)) {
            write(&mut self.files)?;
            self.watch();
        }
        if fault == Some(Fault::PowerLoss) {
            self.undo_removals();
        }
        fault.map_or(Ok(()), |_| Err(StorageError::io("disk", io::Error::other("planned fault"))))
    }

    /// A power loss restores every removed file that was not written again.
    fn undo_removals(&mut self) {
        for (path, bytes) in self.removed.files() {
            self.files.files_mut().entry(path.clone()).or_insert_with(|| bytes.clone());
        }
    }

    /// After each write that took effect: everything visible now must hold forever.
    fn watch(&mut self) {
        for (path, bytes) in self.files.files() {
            if path.starts_with("tile/") {
                let first = self.published.entry(path.clone()).or_insert_with(|| bytes.clone());
                assert_eq!(first, bytes, "{path} changed after it was published");
            }
            if (path == ".state/lock" || path == "checkpoint") && self.notes.insert(bytes.clone()) {
                let note = std::str::from_utf8(bytes).unwrap();
                let checkpoint = key().verify_checkpoint(note).unwrap();
                if !self.signed.contains(&checkpoint) {
                    self.signed.push(checkpoint);
                }
            }
        }
        if self.audit_every_write {
            self.audit();
        }
    }

    /// The published log verifies, and is consistent with everything ever signed.
    fn audit(&self) {
        let Some(note) = self.files.files().get("checkpoint") else { return };
        let size = key().verify_checkpoint(std::str::from_utf8(note).unwrap()).unwrap().size;
        let seen: Vec<Checkpoint> = self.signed.iter().filter(|seen| seen.size <= size).cloned().collect();
        verify_tree(&self.files, &key(), &seen).unwrap();
    }
}

/// A process's handle to the world.
#[derive(Clone)]
struct Disk(Rc<RefCell<World>>);

impl Reader for Disk {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, StorageError> {
        let mut world = self.0.borrow_mut();
        match world.begin() {
            None => world.files.read(path),
            Some(_) => Err(StorageError::io(path, io::Error::other("planned fault"))),
        }
    }
}

impl Storage for Disk {
    fn write_once(&mut self, path: &str, bytes: &[u8]) -> Result<(), StorageError> {
        TilePath::parse(path).expect("only tiles are written once");
        self.0.borrow_mut().write(|files| files.write_once(path, bytes))
    }
    fn replace(&mut self, path: &str, bytes: &[u8]) -> Result<(), StorageError> {
        self.0.borrow_mut().write(|files| files.replace(path, bytes))
    }
    fn swap(&mut self, path: &str, expected: Option<&[u8]>, bytes: &[u8]) -> Result<(), StorageError> {
        self.0.borrow_mut().write(|files| files.swap(path, expected, bytes))
    }
    fn write_all_once(&mut self, files: &[(String, &[u8])]) -> Result<(), StorageError> {
        let reversed = self.0.borrow().reversed;
        let order: Vec<_> = if reversed { files.iter().rev().collect() } else { files.iter().collect() };
        order.into_iter().try_for_each(|(path, bytes)| self.write_once(path, bytes))
    }
    fn remove(&mut self, path: &str) -> Result<(), StorageError> {
        let inside = format!("{path}/");
        let affected = |file: &str| file == path || file.starts_with(&inside);
        let files: Vec<_> = {
            let world = self.0.borrow();
            let files = world.files.files().iter().filter(|(file, _)| affected(file));
            files.map(|(file, bytes)| (file.clone(), bytes.clone())).collect()
        };
        // Before the operation, so that a power loss during it restores them. Files that are still there are not affected.
        self.0.borrow_mut().removed.files_mut().extend(files);
        self.0.borrow_mut().write(|files| files.remove(path))
    }
    fn list(&self, dir: &str) -> Result<Vec<String>, StorageError> {
        let mut world = self.0.borrow_mut();
        match world.begin() {
            None => world.files.list(dir),
            Some(_) => Err(StorageError::io(dir, io::Error::other("planned fault"))),
        }
    }
}

/// A caller of the log: opens it, appends the batches in order, and handles errors.
struct Caller {
    disk: Disk,
    log: Option<Log<Disk>>,
    acknowledged: Vec<Vec<u8>>,
    in_doubt: Option<Vec<Vec<u8>>>,
    /// After an error, reopen the log instead of calling [`Log::recover`].
    reopens: bool,
}

/// More errors than any plan here can cause: the log must recover from each.
const MAX_ATTEMPTS: usize = 200;

impl Caller {
    fn run(batches: &[usize], plan: BTreeMap<usize, Fault>, reopens: bool, audit_every_write: bool) -> usize {
        let world = World { plan, audit_every_write, reversed: reopens, ..World::default() };
        let disk = Disk(Rc::new(RefCell::new(world)));
        let mut caller = Caller { disk, log: None, acknowledged: Vec::new(), in_doubt: None, reopens };
        for &size in batches {
            caller.append(size);
        }
        caller.check();
        caller.disk.0.borrow().operations
    }

    fn append(&mut self, size: usize) {
        let first = self.acknowledged.len();
        let batch: Vec<_> = (first..first + size).map(|index| format!("entry {index}").into_bytes()).collect();
        for _ in 0..MAX_ATTEMPTS {
            if !self.ready() {
                continue;
            }
            if self.acknowledged.len() == first + size && size > 0 {
                return; // The append in doubt turned out to be complete.
            }
            let log = self.log.as_mut().unwrap();
            match log.append(&batch, 1_000) {
                Ok(appended) => {
                    assert_eq!(appended.first_index, first as u64);
                    assert_eq!(appended.checkpoint.size(), (first + size) as u64);
                    self.acknowledged.extend(batch);
                    self.disk.0.borrow().audit();
                    return;
                }
                Err(error) => self.failed(error, Some(batch.clone())),
            }
        }
        panic!("the log did not recover from its faults");
    }

    /// Whether the log is open and its state known.
    fn ready(&mut self) -> bool {
        let outcome = match &mut self.log {
            Some(log) => log.recover(),
            None => Log::open_or_create(self.disk.clone(), signer(), 0).map(|log| self.log = Some(log)),
        };
        match outcome {
            Ok(()) => self.resolve_doubt(),
            Err(error) => {
                self.failed(error, None);
                return false;
            }
        }
        true
    }

    fn failed(&mut self, error: Error, batch: Option<Vec<Vec<u8>>>) {
        match error {
            Error::InDoubt(_) => self.in_doubt = batch.or(self.in_doubt.take()),
            Error::Storage(_) | Error::Read(_) => {}
            other => panic!("a failing disk must not cause: {other}"),
        }
        let mut world = self.disk.0.borrow_mut();
        world.audit();
        if world.dead || self.reopens {
            world.dead = false; // A new process.
            self.log = None;
        }
    }

    /// An append in doubt is complete or absent; acknowledged entries are present.
    fn resolve_doubt(&mut self) {
        let size = self.log.as_ref().unwrap().checkpoint().size() as usize;
        if size != self.acknowledged.len() {
            let batch = self.in_doubt.clone().expect("entries appeared that nobody appended");
            assert_eq!(size, self.acknowledged.len() + batch.len());
            self.acknowledged.extend(batch);
        }
        self.in_doubt = None;
    }

    fn check(&mut self) {
        let mut world = self.disk.0.borrow_mut();
        world.plan.clear();
        world.dead = false; // A new process.
        drop(world);
        self.log = None;
        assert!(self.ready());
        let world = self.disk.0.borrow();
        let report = verify_tree(&world.files, &key(), &world.signed).unwrap();
        let entries: Vec<Vec<u8>> = report.entries().map(|entry| entry.unwrap().1).collect();
        assert!(entries == self.acknowledged, "entries were lost, changed or doubled");
        let leftover = world.files.files().keys().find(|path| path.starts_with(".state/") && *path != ".state/lock");
        assert_eq!(leftover, None);
    }
}

/// Single entries, several, none, and batches across tile boundaries at two levels.
const BATCHES: [usize; 9] = [1, 3, 0, 250, 2, 1, 300, 0, 1];

#[test]
fn without_faults_the_published_log_verifies_after_every_write() {
    let operations = Caller::run(&BATCHES, BTreeMap::new(), false, true);
    assert!(operations > 60, "the plans below reach {operations} operations");
}

#[test]
fn every_fault_at_every_operation() {
    let operations = Caller::run(&BATCHES, BTreeMap::new(), false, false);
    for at in 0..operations {
        for fault in FAULTS {
            for reopens in [false, true] {
                Caller::run(&BATCHES, [(at, fault)].into(), reopens, false);
            }
        }
    }
}

/// A second fault at every operation of the recovery from a crash or power loss.
#[test]
fn every_fault_during_recovery_from_every_crash() {
    let batches = [2, 254, 3];
    let operations = Caller::run(&batches, BTreeMap::new(), false, false);
    for at in 0..operations {
        for again in 1..24 {
            for fault in [Fault::Fails, Fault::FailsPersisted, Fault::DiesPersisted, Fault::PowerLoss] {
                let first = if again % 3 == 0 { Fault::PowerLoss } else { Fault::DiesPersisted };
                Caller::run(&batches, [(at, first), (at + again, fault)].into(), again % 2 == 0, false);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn any_faults(
        batches in prop::collection::vec(prop_oneof![3 => 0..4usize, 1 => 240..270usize], 1..8),
        faults in prop::collection::btree_map(0..250usize, prop::sample::select(FAULTS.to_vec()), 0..40),
        reopens: bool,
    ) {
        Caller::run(&batches, faults, reopens, false);
    }
}
