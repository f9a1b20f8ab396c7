//! Whole calls in virtual time, against the real store.

mod calls;
mod kit;
mod membership;
mod recovery;
