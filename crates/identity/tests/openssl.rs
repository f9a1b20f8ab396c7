//! Interoperability with a third-party tool: OpenSSL verifies the chain and a signed text.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use std::{path::Path, process::Command};
use telcon_identity::{Authority, DEVICE_VALIDITY_S, InviteSpec, jws};
use telcon_proto::{Card, DeviceId, PersonId, Role, SuiteName};

/// 1 June 2026.
const NOW: u64 = 1_780_272_000_000;

/// Runs OpenSSL in `dir`; gives whether it succeeded and its output, or `None` if OpenSSL is not installed.
fn openssl(dir: &Path, arguments: &[&str]) -> Option<(bool, String)> {
    let output = Command::new("openssl").args(arguments).current_dir(dir).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    Some((output.status.success(), text.into_owned()))
}

fn pem(dir: &Path, name: &str, label: &str, der: &[u8]) {
    let body = STANDARD.encode(der);
    let lines: Vec<_> = body.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let text = format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"));
    std::fs::write(dir.join(name), text).unwrap();
}

fn verify_with_openssl(suite: SuiteName) {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let algorithm = if suite == SuiteName::Hybrid { "ED25519" } else { "ML-DSA-87" };
    match openssl(dir, &["list", "-signature-algorithms"]) {
        None => return eprintln!("skipped: there is no openssl here"),
        Some((_, list)) if !list.to_uppercase().contains(algorithm) => {
            let (_, version) = openssl(dir, &["version"]).unwrap();
            return eprintln!("skipped: {} has no {algorithm} (OpenSSL 3.5 has)", version.trim());
        }
        Some(_) => {}
    }
    let authority = Authority::create(suite, &[1; 32], "office.example", "Chancellery of Norland", NOW).unwrap();
    let card = Card {
        person: PersonId::from_bytes([3; 16]),
        office: authority.domain().clone(),
        name: "Førsteminister Ødegård".into(),
        organisation: "Chancellery of Norland".into(),
        role: Role::Principal,
        zone: "Europe/Oslo".into(),
        place: false,
    };
    let spec = InviteSpec { card, enrolment_id: [4; 16], enrolment_seed: [5; 32], now_ms: NOW, ttl_ms: 3_600_000 };
    let invitation = authority.invite(&spec).unwrap();
    let (key, chain) = invitation.enrol(&[6; 32], DeviceId::from_bytes([7; 16]), NOW).unwrap();
    pem(dir, "root.pem", "CERTIFICATE", authority.certificate_der());
    pem(dir, "device.pem", "CERTIFICATE", &chain[0]);
    pem(dir, "enrolment.pem", "CERTIFICATE", &chain[1]);

    let verify = |time_s: u64, untrusted: &str, leaf: &str| {
        let time = time_s.to_string();
        let arguments = ["verify", "-x509_strict", "-check_ss_sig", "-no-CApath", "-no-CAstore", "-attime", &time];
        openssl(dir, &[&arguments[..], &["-CAfile", "root.pem", "-untrusted", untrusted, leaf]].concat()).unwrap()
    };
    let now_s = NOW / 1000;
    for time_s in [now_s, now_s + DEVICE_VALIDITY_S - 61] {
        let (good, output) = verify(time_s, "enrolment.pem", "device.pem");
        assert!(good, "{output}");
    }
    // Negative controls: other times and other positions in the chain are refused.
    assert!(!verify(now_s + DEVICE_VALIDITY_S + 1, "enrolment.pem", "device.pem").0);
    assert!(!verify(now_s, "root.pem", "device.pem").0);

    let (good, text) = openssl(dir, &["x509", "-in", "device.pem", "-noout", "-text", "-nameopt", "utf8"]).unwrap();
    assert!(good, "{text}");
    for part in ["CA:FALSE", "Digital Signature", "Førsteminister Ødegård", "principal"] {
        assert!(text.contains(part), "{part} in {text}");
    }

    // The signature of a JWS is valid under the certificate's key.
    let token = jws::sign(&key, "test", b"content", &[]);
    let (signed, signature) = token.rsplit_once('.').unwrap();
    std::fs::write(dir.join("signed"), signed).unwrap();
    std::fs::write(dir.join("signature"), URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
    let check =
        ["pkeyutl", "-verify", "-certin", "-inkey", "device.pem", "-rawin", "-in", "signed", "-sigfile", "signature"];
    let (good, output) = openssl(dir, &check).unwrap();
    assert!(good, "{output}");
}

#[test]
fn openssl_accepts_an_ed25519_chain() {
    verify_with_openssl(SuiteName::Hybrid);
}

#[test]
fn openssl_accepts_an_ml_dsa_87_chain() {
    verify_with_openssl(SuiteName::Cnsa2);
}
