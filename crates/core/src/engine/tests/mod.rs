//! Engines against each other, with virtual time and seeds: calls as they should go, and every attack that a hostile
//! switchboard can try on them.

mod attacks;
mod calls;
mod kit;
