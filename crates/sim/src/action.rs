//! What people and fate do.

use telcon_core::UserCommand;
use telcon_proto::CallId;

/// Something that a person or fate does.
#[derive(Debug)]
pub enum Action {
    /// A person commands a device.
    Command(usize, UserCommand),
    /// The same, if the device still rings with this call.
    IfRinging(usize, CallId, UserCommand),
    /// The same, if the device is still in this call.
    IfIn(usize, CallId, UserCommand),
    /// Something, decided when it is time.
    Chance,
    /// Something in the call of these two.
    Jostle(usize, usize),
    /// Commits compete in the call of these two.
    Compete(usize, usize),
    /// Everybody speaks and listens.
    Probe,
    /// A new device of this person opens the link of a line.
    TakeLine(String, usize),
    /// A device's connection breaks.
    Disconnect(usize),
    /// A standalone relay dies, and comes back.
    RelayCrash(usize),
}
