//! The switchboard with devices whose messages the tests write: order of events, rules, limits, recovery.

mod assignment;
mod calls;
mod contacts;
mod membership;
mod recovery;
mod rings;
