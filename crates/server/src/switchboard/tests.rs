//! Whole calls in virtual time, against the real store.

mod assignment;
mod calls;
mod contacts;
mod cost;
mod kit;
mod membership;
mod recovery;
mod rings;
