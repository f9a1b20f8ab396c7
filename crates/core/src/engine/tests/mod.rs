//! Tests of several engines with virtual time and seeds: calls with an honest switchboard, and attacks by a hostile one.

mod attacks;
mod calls;
mod kit;
mod rings;
