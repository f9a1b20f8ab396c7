//! Doubts about who holds a line: everybody who gave the same person a line is told of one that was frozen.

use crate::{Card, LineId};
use serde::{Deserialize, Serialize};

/// A line that is not frozen, while another line of the same holder is: the giver of that one, or a security officer, doubted the
/// holder's identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DoubtedLine {
    /// The line that is not frozen.
    pub line: LineId,
    /// Who gave it.
    pub principal: Card,
    /// Who holds it.
    pub holder: Card,
    /// Since when another one is frozen, milliseconds since 1970 UTC, by the switchboard's clock: the latest.
    pub since_ms: u64,
}
