//! iCalendar (RFC 5545, RFC 5546): invitations that calendars accept as the same event, and feeds read for conflicts.
//!
//! Written here and not by the crate `icalendar`: it brings `chrono` and `uuid` (with a source of randomness), writes no time zone
//! from a browser's rules, does not expand recurrences, and its parser has no limits, while feeds come from outside the office.

mod feed;
mod invite;
mod line;
mod recurrence;
mod written;

pub use feed::{Busy, Conflict, Feed, FeedError, MAX_EVENTS, MAX_FEED_BYTES, conflicts};
pub use invite::{Invitation, Party, invitation};
