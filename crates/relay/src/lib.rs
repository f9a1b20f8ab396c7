//! Forwards encrypted media it has no key for.
