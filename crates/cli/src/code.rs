//! A short code that a security officer read out: it gives an enrolment link.

use crate::store::random;
use anyhow::bail;
use telcon_client::http::{get_json, post_json};
use telcon_core::page::EnteredCode;
use telcon_proto::{
    http::{API_PREFIX, OfficeInfo},
    short_code::{CodeConfirmed, CodeStarted},
};

/// The link that a code carries. `server` is the office's address.
pub fn redeem(code: &str, server: &str) -> anyhow::Result<String> {
    let server = server.trim_end_matches('/');
    if !server.starts_with("https://") && !server.starts_with("http://") {
        bail!("with --code, give the office's address instead of the link: https://office.example");
    }
    let office: OfficeInfo = get_json(&format!("{server}{API_PREFIX}/office"), None)?;
    let (mut entered, slot, start) = EnteredCode::start(code, &office, random()?)?;
    let url = format!("{server}{API_PREFIX}/codes/{slot}");
    let started: CodeStarted = post_json(&url, None, &serde_json::to_vec(&start)?)?;
    let confirm = serde_json::to_vec(&entered.answer(&started)?)?;
    match post_json(&format!("{url}/{}", started.run), None, &confirm)? {
        CodeConfirmed::Delivered { text } => Ok(format!("{server}/#enrol={}", entered.open(&text)?)),
        CodeConfirmed::Wrong { left: 0 } => {
            bail!("this is not the code. Three wrong codes were typed, and it is closed now: ask for a new code")
        }
        CodeConfirmed::Wrong { left } => {
            bail!("this is not the code: check it, and try again. Wrong codes that are still accepted: {left}")
        }
    }
}
