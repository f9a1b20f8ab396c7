//! Web Push: notifies devices whose page is closed (RFC 8030), with content that the push service cannot read (RFC 8291).
//!
//! | module | idea |
//! |---|---|
//! | `queue` | the engine: which message is sent when, again, or not at all |
//! | `endpoint` | which addresses the server connects to: they come from devices |
//! | `encryption` | content that only the subscribed browser reads, all of one size |
//! | `vapid` | the office's key for push services, and what it signs |
//! | `delivery` | one request to a push service |
//! | `driver` | the task that drives the engine |
//!
//! The switchboard ([`crate::switchboard`]) decides which device is sent what.
//!
//! # What a push service learns
//! That this office sent something of one size to one browser, when, how urgent it is and how long it is of use; the office's domain,
//! which signs, and the address of the server. Not what it says, and not to whom.

mod delivery;
mod driver;
mod encryption;
mod endpoint;
mod queue;
mod vapid;

pub use delivery::{Client, DeliveryCounters};
pub use driver::{Commands, Event, channel, run};
pub use encryption::BrowserKeys;
pub use endpoint::{Endpoint, PushService, PushServiceError, Services};
pub use vapid::Vapid;
