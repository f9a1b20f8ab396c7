//! In-memory caches of what proofs read repeatedly: hash tiles and single entries. Both are immutable under their
//! names, so nothing is ever invalidated.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
};
use telcon_log::{Reader, StorageError};

/// Cached tiles: 4 MiB, the right edge of any log and the tiles above the entries of recent calls.
const TILES: usize = 512;
/// Cached entries: those of devices and calls that are proven to members.
const ENTRIES: usize = 8_192;

/// A FIFO cache: the newest values by key, up to a capacity.
struct Recent<K, V> {
    values: HashMap<K, V>,
    order: VecDeque<K>,
    capacity: usize,
}

impl<K: Clone + Eq + Hash, V: Clone> Recent<K, V> {
    fn with_capacity(capacity: usize) -> Self {
        Self { values: HashMap::new(), order: VecDeque::new(), capacity }
    }

    fn get(&self, key: &K) -> Option<V> {
        self.values.get(key).cloned()
    }

    fn insert(&mut self, key: K, value: V) {
        if self.values.insert(key.clone(), value).is_some() {
            return;
        }
        self.order.push_back(key);
        if self.order.len() > self.capacity
            && let Some(oldest) = self.order.pop_front()
        {
            self.values.remove(&oldest);
        }
    }
}

/// A log reader that caches hash tiles.
#[derive(Clone)]
pub(super) struct TileCache<R> {
    reader: R,
    tiles: Arc<Mutex<Recent<String, Vec<u8>>>>,
}

impl<R> TileCache<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, tiles: Arc::new(Mutex::new(Recent::with_capacity(TILES))) }
    }
}

impl<R: Reader> Reader for TileCache<R> {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, StorageError> {
        // Entry bundles are not cached here: `EntryCache` holds single entries.
        if !path.starts_with("tile/") || path.starts_with("tile/entries/") {
            return self.reader.read(path);
        }
        if let Some(tile) = self.tiles.lock().unwrap_or_else(PoisonError::into_inner).get(&path.to_owned()) {
            return Ok(Some(tile));
        }
        let read = self.reader.read(path)?;
        if let Some(tile) = &read {
            self.tiles.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), tile.clone());
        }
        Ok(read)
    }
}

/// A cache of entries by index.
pub(super) struct EntryCache(Mutex<Recent<u64, Arc<[u8]>>>);

impl EntryCache {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Recent::with_capacity(ENTRIES)))
    }

    /// The entry at `index`, read at most once.
    pub(super) fn get<E>(&self, index: u64, read: impl FnOnce() -> Result<Vec<u8>, E>) -> Result<Vec<u8>, E> {
        if let Some(entry) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&index) {
            return Ok(entry.to_vec());
        }
        let entry = read()?;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(index, entry.as_slice().into());
        Ok(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    struct Counted(Cell<usize>);

    impl Reader for Counted {
        fn read(&self, path: &str) -> Result<Option<Vec<u8>>, StorageError> {
            self.0.set(self.0.get() + 1);
            Ok((!path.contains("missing")).then(|| path.as_bytes().to_vec()))
        }
    }

    #[test]
    fn tiles_are_cached_and_mutable_files_are_not() {
        let cache = TileCache::new(Counted(Cell::new(0)));
        for _ in 0..3 {
            assert_eq!(cache.read("tile/0/000.p/3").unwrap().unwrap(), b"tile/0/000.p/3");
        }
        assert_eq!(cache.reader.0.get(), 1);
        for path in ["checkpoint", "tile/entries/000", "tile/0/missing"] {
            cache.reader.0.set(0);
            for _ in 0..2 {
                cache.read(path).unwrap();
            }
            assert_eq!(cache.reader.0.get(), 2, "{path}");
        }
    }

    #[test]
    fn the_oldest_value_is_evicted() {
        let mut recent = Recent::with_capacity(2);
        (0..3).for_each(|n| recent.insert(n, n));
        recent.insert(2, 9);
        assert_eq!((recent.get(&0), recent.get(&1), recent.get(&2)), (None, Some(1), Some(9)));
        assert_eq!(recent.order.len(), 2);
    }
}
