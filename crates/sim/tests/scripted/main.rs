//! The office by explicit steps: the real engines of both sides, in virtual time, with a hostile server, device or network
//! where a promise needs one.

mod attacks;
mod calls;
mod rings;
mod switchboard;
