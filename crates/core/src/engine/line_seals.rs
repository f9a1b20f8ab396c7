//! The sealed form of each version of a line that this device signs, for the custodians whom the office's charter names.

use crate::Engine;
use telcon_identity::with_sealed_form;
use telcon_proto::line_seal::{LINE_FORM_VERSION, LineForm};
use telcon_sealing::{Recipient, seal};

impl Engine {
    /// A version of a line as it is sent: with its sealed form behind it, if the charter names custodians.
    pub(super) fn with_custodians(&self, statement: String) -> Result<String, String> {
        let custodians = self.device.office().custodians();
        if custodians.is_empty() {
            return Ok(statement);
        }
        let recipients = custodians.iter().map(|text| Recipient::parse(text)).collect::<Result<Vec<_>, _>>();
        let recipients = recipients.map_err(|error| format!("a custodian's key in the charter is invalid: {error}"))?;
        let form = LineForm { version: LINE_FORM_VERSION, statement };
        let plaintext = serde_json::to_vec(&form).expect("invariant: strings and numbers are JSON");
        let sealed = seal(&plaintext, &recipients).map_err(|error| error.to_string())?;
        Ok(with_sealed_form(&form.statement, &sealed))
    }
}
