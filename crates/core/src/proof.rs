//! Whether a record is what it says, checked on this device from what the archive gives for it.

use serde::Serialize;
use telcon_identity::{LoggedEntry, Office};
use telcon_proto::{RecordMode, http::RecordProof, message::Logged};

/// One thing that was checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Whether it holds.
    pub ok: bool,
    /// What it is, as a short sentence.
    pub title: &'static str,
    /// Numbers and digests, for those who look.
    pub detail: String,
}

/// All that was checked of one record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether everything holds.
    pub ok: bool,
    /// One by one.
    pub checks: Vec<Check>,
}

fn check(title: &'static str, result: Result<String, String>) -> Check {
    match result {
        Ok(detail) => Check { ok: true, title, detail },
        Err(detail) => Check { ok: false, title, detail },
    }
}

fn entry(office: &Office, logged: &Logged, kind: &str, proof: &RecordProof) -> Result<LoggedEntry, String> {
    let entry = office.verify_logged(logged).map_err(|e| e.to_string())?;
    let about = entry.value().get("call").and_then(|call| call.as_str()).unwrap_or_default();
    if entry.kind() != kind || about != proof.line.call.to_hex() {
        return Err("the log entry is of another matter".into());
    }
    Ok(entry)
}

fn check_opening(office: &Office, proof: &RecordProof) -> Result<String, String> {
    let ring = office.verify_ring_past(&proof.ring).map_err(|e| e.to_string())?;
    if ring.ring().call != proof.line.call {
        return Err("the ring is of another call".into());
    }
    let logged = office.verify_opening(ring, &proof.opened).map_err(|e| e.to_string())?;
    Ok(format!("log entry {}", logged.entry().index()))
}

fn check_devices(office: &Office, proof: &RecordProof) -> Result<String, String> {
    let mut indices = Vec::new();
    for device in &proof.devices {
        let chain: Vec<_> = device.chain.iter().map(|blob| blob.as_slice()).collect();
        // Valid when it was entered: that a certificate has expired since does not undo the call.
        let entered = office.verify_logged(&device.logged).map_err(|e| e.to_string())?.time_ms();
        let verified = office.verify_chain(&chain, entered).map_err(|e| e.to_string())?;
        let logged = office.verify_device_logged(verified, &device.logged).map_err(|e| e.to_string())?;
        indices.push(logged.entry().index().to_string());
    }
    if indices.is_empty() {
        return Err("no device is named".into());
    }
    Ok(format!("device log {}", indices.join(", ")))
}

fn check_sealed(office: &Office, proof: &RecordProof) -> Result<(String, String), String> {
    let logged = proof.sealed.as_ref().ok_or("the sealed record is not in the log yet")?;
    let entry = entry(office, logged, "record_sealed", proof)?;
    let text = proof.seal.as_ref().ok_or("the record's seal is missing")?;
    let seal: serde_json::Value = serde_json::from_str(text).map_err(|_| "the record's seal cannot be read")?;
    let digest = seal.get("record_digest").and_then(|d| d.as_str()).ok_or("the record's seal cannot be read")?;
    if entry.value().get("record_digest").and_then(|d| d.as_str()) != Some(digest) {
        return Err("the digest in the log is of another record".into());
    }
    let jws = seal.get("jws").and_then(|jws| jws.as_str()).ok_or("the record is not signed")?;
    let signed = office.verify_record(jws, proof.line.call, digest).map_err(|e| e.to_string())?;
    let custodians = seal.get("custodians").and_then(|c| c.as_array()).map_or(0, Vec::len);
    let note = if signed.partial() { " · partial" } else { "" };
    Ok((
        format!("note-taker’s device · to {custodians} custodian{}{note}", if custodians == 1 { "" } else { "s" }),
        format!("entry {} · proof of {} hashes", entry.index(), logged.proof.len()),
    ))
}

/// Checks everything that the archive gives for a record, without believing the server.
pub fn check_record(office: &Office, proof: &RecordProof) -> Report {
    let ended = proof.ended.as_ref().ok_or_else(|| "the call has not ended".to_owned());
    let ended = ended.and_then(|logged| entry(office, logged, "call_ended", proof));
    let mut checks = vec![
        check("Opened before it rang", check_opening(office, proof)),
        check("Each device known", check_devices(office, proof)),
        check("Its end is in the log", ended.map(|entry| format!("log entry {}", entry.index()))),
    ];
    if proof.line.answered_ms.is_some() && proof.line.mode != RecordMode::LogOnly {
        let (sealed, digest) = match check_sealed(office, proof) {
            Ok((sealed, digest)) => (Ok(sealed), Ok(digest)),
            Err(error) => (Err(error.clone()), Err(error)),
        };
        checks.push(check("Sealed where it was heard", sealed));
        checks.push(check("Digest in the log", digest));
    }
    Report { ok: checks.iter().all(|check| check.ok), checks }
}
