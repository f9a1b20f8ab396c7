//! Messages between a device and the switchboard of its office, over one WebSocket.
//!
//! The server orders and forwards messages. They are signed (rings), encrypted to the members (MLS messages) or carry a proof
//! (log entries), and a client verifies each before it acts on it.
//!
//! | module | content |
//! |---|---|
//! | `client` | messages of a device |
//! | `server` | messages of the switchboard, and its refusal codes |
//! | `ring` | the signed content of a ring |
//! | `invitation` | an invitation as registrars see it |
//! | `decline` | what somebody who declines lets the caller know |
//! | `logged` | a log entry with its proof |
//! | `notice` | a call as staff sees it |
//! | `object` | JSON that has to be an object |

mod client;
mod decline;
mod invitation;
mod logged;
mod notice;
mod object;
mod ring;
mod server;

pub use client::ClientMessage;
pub use decline::DeclineReply;
pub use invitation::{FirstApproval, OpenInvitation};
pub use logged::Logged;
pub use notice::{Notice, NoticeState, PersonNamed};
pub use object::Object;
pub use ring::{Ring, RingError};
pub use server::{RefusalCode, ServerMessage};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CallId;

    #[test]
    fn messages_are_tagged_json_and_unknown_fields_are_refused() {
        let call = CallId::from_bytes([7; 16]);
        let json = serde_json::to_value(ClientMessage::RingShown { call }).unwrap();
        assert_eq!(json["type"], "ring_shown");
        assert_eq!(serde_json::from_value::<ClientMessage>(json).unwrap(), ClientMessage::RingShown { call });
        let extra = format!(r#"{{"type":"ring_shown","call":"{call}","also":1}}"#);
        assert!(serde_json::from_str::<ClientMessage>(&extra).is_err());
    }
}
