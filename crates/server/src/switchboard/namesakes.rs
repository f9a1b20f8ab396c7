//! People whose names look the same: who is enrolled or invited is found by what is seen of a name.

use std::collections::{BTreeSet, HashMap};
use telcon_identity::Look;

/// An index by what is seen of a name, so that no invitation is compared with everybody.
#[derive(Debug)]
pub(super) struct ByLook<T>(HashMap<String, BTreeSet<T>>);

impl<T> Default for ByLook<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T: Ord + Clone> ByLook<T> {
    pub fn insert(&mut self, name: &str, value: &T) {
        for key in Look::of(name).keys() {
            self.0.entry(key.to_owned()).or_default().insert(value.clone());
        }
    }

    pub fn remove(&mut self, name: &str, value: &T) {
        for key in Look::of(name).keys() {
            let Some(found) = self.0.get_mut(key) else { continue };
            found.remove(value);
            if found.is_empty() {
                self.0.remove(key);
            }
        }
    }

    /// Everything whose name looks like this one.
    pub fn like(&self, name: &str) -> BTreeSet<&T> {
        Look::of(name).keys().filter_map(|key| self.0.get(key)).flatten().collect()
    }
}
