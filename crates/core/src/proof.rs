//! Verification of a record's proof on this device.

use crate::{Engine, Zones};
use serde::Serialize;
use std::collections::BTreeSet;
use telcon_identity::{LoggedDelegation, LoggedDevice, LoggedEntry, LoggedLine, LoggedRing, TrustStore, VerifiedRing};
use telcon_proto::{
    Card, Ended, RecordMode,
    delegation::Act,
    entry::{ArchivedRecord, Entry},
    http::{ProvenDevice, RecordProof},
    message::Logged,
    printable::printable,
    seal::Seal,
    sealing::{SealSigner, SealedCall, check_signer},
};

/// Longest reason that is shown, characters.
const MAX_WHY_CHARS: usize = 200;

/// Result of one check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Check {
    /// Whether it passed.
    pub ok: bool,
    /// What was checked, as a short sentence.
    pub title: &'static str,
    /// Numbers and digests, or the reason of a failure.
    pub detail: String,
}

/// All checks of one call's records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Report {
    /// Whether all checks passed.
    pub ok: bool,
    /// The checks in order.
    pub checks: Vec<Check>,
    /// Whether all records are partial.
    pub partial: bool,
    /// Reason of the *record missing* log entry, if there is one.
    pub missing: Option<String>,
    /// All participants, each once, from the certificates of their devices. A server can omit participants here; the sealed
    /// record has the list that the note-taker's device saw.
    pub people: Vec<Card>,
    /// Recipients (age) of the custodians to whom its records are sealed, as their note-takers signed it: what is added to the record is
    /// sealed to them, too. None unless all checks passed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub custodians: Vec<String>,
}

/// The custodians that seals name. The digest that a note-taker signed, and the log has, covers them: a seal whose digest is of another
/// list names nobody.
fn custodians<'a>(seals: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let whole = seals.into_iter().filter_map(|seal| Seal::parse(seal.as_bytes(), crate::document::sha256).ok());
    let named: BTreeSet<String> = whole.flat_map(|seal| seal.custodians).collect();
    named.into_iter().collect()
}

fn check(title: &'static str, result: Result<String, String>) -> Check {
    match result {
        Ok(detail) => Check { ok: true, title, detail },
        Err(detail) => Check { ok: false, title, detail },
    }
}

/// Longest time by which an entry's date may be ahead of this device's clock, milliseconds.
const MAX_AHEAD_MS: u64 = 5 * 60_000;

/// The one checkpoint that all entries are proven under, with the size of its tree. Entries under several checkpoints could be
/// of several logs.
fn one_checkpoint<'a>(trust: &TrustStore, proof: &'a RecordProof, now_ms: u64) -> Result<(u64, &'a str), String> {
    let checkpoint = proof.opened.checkpoint.as_str();
    if proof.entries().any(|logged| logged.checkpoint != checkpoint) {
        return Err("the log entries are proven under several checkpoints instead of one".into());
    }
    for logged in proof.entries() {
        let time_ms = trust.verify_logged(logged).map_err(|e| e.to_string())?.time_ms();
        if time_ms > now_ms + MAX_AHEAD_MS {
            return Err("a log entry is dated in the future: compare this device's clock with the office's".into());
        }
    }
    Ok((trust.home().verify_checkpoint(checkpoint).map_err(|e| e.to_string())?, checkpoint))
}

const OTHER_ENTRY: &str = "the log entry is about something else";

/// An entry about the call, with its verified log proof.
fn entry(trust: &TrustStore, logged: &Logged, proof: &RecordProof) -> Result<(LoggedEntry, Entry), String> {
    let logged = trust.verify_logged(logged).map_err(|e| e.to_string())?;
    // The line has the call's unqualified identifier: the archive is the home office's.
    if logged.office() != trust.home().domain() {
        return Err("the log entry is in another office's log".into());
    }
    match logged.entry().filter(|entry| entry.call() == Some(proof.line.call)).cloned() {
        Some(entry) => Ok((logged, entry)),
        None => Err(OTHER_ENTRY.into()),
    }
}

/// The end of the call according to the log.
struct LoggedEnd {
    index: u64,
    time_ms: u64,
    how: Ended,
    answered: Option<bool>,
    answered_ms: Option<u64>,
}

fn check_end(trust: &TrustStore, proof: &RecordProof) -> Result<LoggedEnd, String> {
    let logged = proof.ended.as_ref().ok_or("the call has not ended")?;
    match entry(trust, logged, proof)? {
        (logged, Entry::CallEnded { time_ms, how, answered, answered_ms, .. }) => {
            Ok(LoggedEnd { index: logged.index(), time_ms, how, answered, answered_ms })
        }
        _ => Err(OTHER_ENTRY.into()),
    }
}

/// The delegations under which somebody rang or answered.
fn check_delegations(trust: &TrustStore, proof: &RecordProof) -> Result<Vec<LoggedDelegation>, String> {
    let verify = |proven| trust.verify_delegation_logged(proven).map_err(|e| e.to_string());
    proof.delegations.iter().map(verify).collect()
}

fn check_opening(
    trust: &TrustStore,
    proof: &RecordProof,
    delegations: &Result<Vec<LoggedDelegation>, String>,
    zones: Zones,
) -> Result<LoggedRing, String> {
    let ring = trust.verify_ring_past(&proof.ring).map_err(|e| e.to_string())?;
    trust.check_home_ring(&ring).map_err(|e| e.to_string())?;
    if ring.ring().call.id != proof.line.call {
        return Err("the ring is of another call".into());
    }
    if ring.ring().mode < trust.home().floor() {
        return Err("its record mode is below the office's minimum".into());
    }
    let delegations = delegations.as_ref().map_err(Clone::clone)?;
    let named = ring.ring().on_behalf;
    let rang = named.and_then(|named| delegations.iter().find(|known| known.id() == named.delegation));
    ring.check_delegation(rang.map(LoggedDelegation::delegation)).map_err(|e| e.to_string())?;
    check_over(trust, proof, &ring, rang, zones)?;
    trust.verify_opening(ring, &proof.opened).map_err(|e| e.to_string())
}

/// The line that the ring is over, as of its opening.
fn check_over(
    trust: &TrustStore,
    proof: &RecordProof,
    ring: &VerifiedRing,
    rang: Option<&LoggedDelegation>,
    zones: Zones,
) -> Result<(), String> {
    let over = proof.over.as_deref().map(|proven| trust.verify_line_logged(proven)).transpose();
    let over = over.map_err(|e| e.to_string())?;
    let opened_ms = trust.verify_logged(&proof.opened).map_err(|e| e.to_string())?.time_ms();
    let (principal, line) = (rang.map(LoggedDelegation::principal), over.as_ref().map(LoggedLine::line));
    ring.check_line(trust.home().rings(), principal, proof.line.to.role, line, opened_ms, &zones)
        .map_err(|e| e.to_string())
}

fn check_devices(trust: &TrustStore, proof: &RecordProof) -> Result<Vec<LoggedDevice>, String> {
    let one = |device: &ProvenDevice| {
        let chain: Vec<_> = device.chain.iter().map(|blob| blob.as_slice()).collect();
        // Verified at the time of the entry: the certificate may have expired since.
        let entered = trust.verify_logged(&device.logged).map_err(|e| e.to_string())?.time_ms();
        let verified = trust.verify_chain(&chain, entered).map_err(|e| e.to_string())?;
        if verified.office() != trust.home().domain() {
            return Err("the archive lists a device of another office as a participant".into());
        }
        trust.verify_device_logged(verified, &device.logged).map_err(|e| e.to_string())
    };
    proof.devices.iter().map(one).collect()
}

/// Whether the archive's line matches the ring, the certificates and the log.
fn check_line(
    proof: &RecordProof,
    ring: &LoggedRing,
    ended: Option<&LoggedEnd>,
    devices: &[LoggedDevice],
    delegations: &[LoggedDelegation],
) -> bool {
    let line = &proof.line;
    let content = ring.ring().ring();
    let rang = content.on_behalf.and_then(|named| delegations.iter().find(|known| known.id() == named.delegation));
    let times = [Some(ring.entry().time_ms()), line.answered_ms];
    let answered_for = |by: &Card| {
        let valid = |known: &LoggedDelegation| {
            let valid = |at_ms: &u64| known.delegation().check(Act::Answer, by, *at_ms).is_ok();
            known.principal().is_of(&content.to) && times.iter().flatten().any(valid)
        };
        delegations.iter().any(valid)
    };
    let callee = devices.iter().map(|known| known.device().card()).find(|card| card.is_of(&content.to));
    line.from == *ring.ring().device().card()
        && line.to.is_of(&content.to)
        && line.on_behalf_of.as_ref() == rang.map(LoggedDelegation::principal)
        && line.answered_by.as_ref().is_none_or(answered_for)
        && callee.is_none_or(|card| *card == line.to)
        && line.mode == content.mode
        && line.opened_ms == ring.entry().time_ms()
        && line.how == ended.map(|end| end.how)
        && line.ended_ms == ended.map(|end| end.time_ms)
        && line.records == proof.records.len()
        && line.missing == (proof.records.is_empty() && proof.missing.is_some())
        && ended.is_none_or(|end| {
            end.answered == Some(line.answered_ms.is_some())
                && (end.answered_ms.is_none() || end.answered_ms == line.answered_ms)
        })
}

/// Summary of the sealed records of a call.
struct SealedRecords {
    /// Their note-takers, with numbers of parts.
    by: String,
    /// Their log entries.
    at: String,
    /// None of the records is complete.
    partial: bool,
}

/// Verifies each record of the call: one per note-taker that recorded some of it.
fn check_sealed(
    trust: &TrustStore,
    proof: &RecordProof,
    devices: &[LoggedDevice],
    ended: Option<u64>,
) -> Result<SealedRecords, String> {
    if proof.records.is_empty() {
        return Err("the sealed record is not in the log yet".into());
    }
    let (mut by, mut at, mut partial, mut signers) = (Vec::new(), Vec::new(), true, Vec::new());
    let mut entries = BTreeSet::new();
    for record in &proof.records {
        let (logged, entry) = entry(trust, &record.logged, proof)?;
        let ArchivedRecord { device, record_digest, signature, parts, partial: logged_partial } =
            entry.archived_record().ok_or(OTHER_ENTRY)?;
        // Parts and custodians are verified by the auditor, who has the parts: the digest is only compared here.
        let seal: Seal = serde_json::from_str(&record.seal).map_err(|_| "the record's seal is malformed")?;
        if record_digest != seal.record_digest {
            return Err("the digest in the log is of another record".into());
        }
        let jws = seal.jws.as_deref().ok_or("the record is not signed")?;
        let signed = trust.verify_record(jws, proof.line.call, &record_digest).map_err(|e| e.to_string())?;
        let signer = signed.device();
        // The log entry must match the signed payload. Entries of older versions do not name the device.
        let same = signature.is(jws, |_| signed.jws_sha256())
            && parts == signed.parts() as u64
            && logged_partial == signed.partial()
            && device.is_none_or(|device| device == signer.device());
        if !same {
            return Err("the log entry of a record does not match its note-taker's signature".into());
        }
        let known = devices.iter().find(|known| known.device().qualified() == signer.qualified());
        let known = known.ok_or("there is no proof that the device that signed it is in the log")?;
        let facts = SealSigner {
            role: signer.card().role,
            signed_ms: signed.at_ms(),
            valid_ms: signer.valid_ms(),
            enrolled: Some(known.entry().index()),
            revoked: None,
            was_member: None,
        };
        check_signer(&facts, &SealedCall { ended, sealed: Some(logged.index()) })
            .map_err(|flaw| format!("the device that signed the record may not have: {flaw}"))?;
        if signers.contains(&signer.qualified()) || !entries.insert(logged.index()) {
            return Err("two records of the call are signed by the same device".into());
        }
        signers.push(signer.qualified());
        let (parts, lacks) = (signed.parts(), if signed.partial() { " · partial" } else { "" });
        by.push(format!("{} · {parts} part{}{lacks}", signer.card().name, if parts == 1 { "" } else { "s" }));
        at.push(format!("entry {} · proof of {} hashes", logged.index(), record.logged.proof.len()));
        partial &= signed.partial();
    }
    if proof.line.partial != partial {
        return Err("the archive shows another completeness of the records than their note-takers signed".into());
    }
    Ok(SealedRecords { by: by.join("; "), at: at.join("; "), partial })
}

/// Verifies the *record missing* entry; gives its index and reason.
fn check_missing(trust: &TrustStore, logged: &Logged, proof: &RecordProof) -> Result<(u64, String), String> {
    let (entry, Entry::RecordMissing { why, .. }) = entry(trust, logged, proof)? else {
        return Err(OTHER_ENTRY.into());
    };
    let why: String = printable(why.trim()).chars().take(MAX_WHY_CHARS).collect();
    if why.is_empty() { Err("the log entry has no reason".into()) } else { Ok((entry.index(), why)) }
}

impl Engine {
    /// Verifies the proof of a call's records without trusting the server, and holds its checkpoint to the log that this device
    /// follows.
    pub fn check_record(&mut self, now_ms: u64, proof: &RecordProof) -> Report {
        let log = one_checkpoint(self.device().trust(), proof, now_ms).and_then(|(size, checkpoint)| {
            self.follow_log(size, checkpoint, proof.from_size, &proof.consistency, now_ms)?;
            Ok(format!("log of {size} entries"))
        });
        let mut report = check_record(self.device().trust(), proof, self.zones());
        report.checks.push(check("Its log continues what this device has seen", log));
        report.ok = report.checks.iter().all(|check| check.ok);
        if !report.ok {
            report.custodians.clear();
        }
        report
    }
}

/// Verifies the proof of a call's records without trusting the server, except for which log the entries are in
/// ([`Engine::check_record`]): the record mode comes from the signed ring, whether the call was answered from the log, its
/// participants from certificates.
pub fn check_record(trust: &TrustStore, proof: &RecordProof, zones: Zones) -> Report {
    let ended = check_end(trust, proof);
    let delegations = check_delegations(trust, proof);
    let opened = check_opening(trust, proof, &delegations, zones);
    let devices = check_devices(trust, proof);
    let known = devices.as_deref().unwrap_or_default();
    let line = opened.as_ref().map_err(Clone::clone).and_then(|ring| {
        let caller = ring.ring().device().qualified();
        if !known.iter().any(|known| known.device().qualified() == caller) {
            return Err("there is no proof that the caller's device is in the log".into());
        }
        match check_line(proof, ring, ended.as_ref().ok(), known, delegations.as_deref().unwrap_or_default()) {
            true => Ok("names, mode and times".to_owned()),
            false => Err("the archive's list does not match the ring and the log".into()),
        }
    });
    let answered = ended.as_ref().is_ok_and(|end| end.answered != Some(false));
    let kept = opened.as_ref().map_or(true, |ring| ring.ring().ring().mode != RecordMode::LogOnly);
    let indices = |known: &[LoggedDevice]| {
        let indices: Vec<_> = known.iter().map(|known| known.entry().index().to_string()).collect();
        format!("device log {}", indices.join(", "))
    };
    let missing = proof.missing.as_ref().filter(|_| answered && kept && proof.records.is_empty());
    let missing = missing.map(|logged| check_missing(trust, logged, proof));
    let sealed = (answered && kept && missing.is_none())
        .then(|| check_sealed(trust, proof, known, ended.as_ref().ok().map(|end| end.index)));
    let mut checks = vec![
        check("Opened before it rang", opened.map(|ring| format!("log entry {}", ring.entry().index()))),
        check("Every device is in the log", devices.as_deref().map(indices).map_err(Clone::clone)),
        check("Its end is in the log", ended.map(|end| format!("log entry {}", end.index))),
        check("Matches what was signed", line),
    ];
    let (mut partial, mut why) = (false, None);
    if let Some(missing) = missing {
        why = missing.as_ref().ok().map(|(_, why)| why.clone());
        checks.push(check(
            "Its record is missing, and the log says so",
            missing.map(|(index, _)| format!("log entry {index}")),
        ));
    }
    if let Some(sealed) = sealed {
        let (sealed, digest) = match sealed {
            Ok(records) => {
                partial = records.partial;
                (Ok(records.by), Ok(records.at))
            }
            Err(error) => (Err(error.clone()), Err(error)),
        };
        checks.push(check("Sealed by its note-taker", sealed));
        checks.push(check("Digest in the log", digest));
    }
    let mut people: Vec<Card> = Vec::new();
    for card in known.iter().map(|known| known.device().card()) {
        if !people.iter().any(|other| other.is_same_person(card)) {
            people.push(card.clone());
        }
    }
    let ok = checks.iter().all(|check| check.ok);
    let seals = proof.records.iter().map(|record| record.seal.as_str());
    Report { ok, checks, partial, missing: why, people, custodians: if ok { custodians(seals) } else { Vec::new() } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use telcon_proto::{
        CallId, Digest,
        seal::{PartDigest, part_name},
    };

    #[test]
    fn a_server_cannot_add_itself_to_the_custodians_of_a_record() {
        let part = PartDigest { name: part_name(0), sha256: Digest::from_bytes([1; 32]), bytes: 4 };
        let named = vec!["age1pq1x".to_owned(), "age1pq1y".to_owned()];
        let sha256 = crate::document::sha256;
        let seal = Seal::unsigned(CallId::from_bytes([7; 16]), vec![part], named.clone(), false, sha256);
        let text = |seal: &Seal| String::from_utf8(seal.to_json()).unwrap();
        assert_eq!(custodians([text(&seal).as_str()]), named);
        let mut more = seal.clone();
        more.custodians.push("age1pq1z".to_owned());
        assert_eq!(custodians([text(&more).as_str(), text(&seal).as_str()]), named);
        assert!(custodians([text(&more).as_str()]).is_empty());
    }
}
