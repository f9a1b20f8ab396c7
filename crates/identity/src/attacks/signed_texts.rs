//! Attacks on the form of signed texts.

use super::*;

fn with_header(key: &DeviceKey, header: &str, payload: &[u8]) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes())))
}

#[test]
fn a_jws_of_another_type_is_refused() {
    for suite in SUITES {
        let world = World::new(suite);
        let (caller, note_taker) = (world.enrol(Role::Principal), world.enrol(Role::NoteTaker));
        let content = serde_json::to_vec(&ring(&world, &caller)).unwrap();
        for typ in ["", "JWT", SIGN_IN_TYP, RECORD_TYP, "telcon-ring", "Telcon-ring+jws", "application/telcon-ring+jws"]
        {
            let jws = jws::sign(&caller.key, typ, &content, &caller.chain);
            refused(world.office.verify_ring(&jws, NOW), Flaw::JwsType);
        }
        let jws = signed_ring(&world, &caller);
        refused(world.office.verify_record(&jws, CALL, &Digest::from_bytes([7; 32])), Flaw::JwsType);
        refused(verify_sign_in(&jws, suite, &caller.key.public_bytes(), DOMAIN, caller.id, &[]), Flaw::JwsType);
        let record = sign_record(&note_taker.key, &note_taker.chain, CALL, &Digest::from_bytes([7; 32]), 0, false, NOW);
        refused(world.office.verify_ring(&record, NOW), Flaw::JwsType);
    }
}

#[test]
fn algorithm_confusion_is_refused() {
    for suite in SUITES {
        let world = World::new(suite);
        let caller = world.enrol(Role::Principal);
        let x5c: Vec<_> = caller.chain.iter().map(|der| STANDARD.encode(der)).collect();
        let content = serde_json::to_vec(&ring(&world, &caller)).unwrap();
        let swapped = if suite == SuiteName::Hybrid { "ML-DSA-87" } else { "EdDSA" };
        for alg in ["none", "HS256", "ES256", "Ed25519", "eddsa", "ML-DSA-65", "", swapped] {
            let header = json!({"alg": alg, "typ": RING_TYP, "x5c": x5c}).to_string();
            let jws = with_header(&caller.key, &header, &content);
            refused(world.office.verify_ring(&jws, NOW), Flaw::JwsAlgorithm);
        }
        // Without a signature.
        let jws = signed_ring(&world, &caller);
        let unsigned = &jws[..=jws.rfind('.').unwrap()];
        refused(world.office.verify_ring(unsigned, NOW), Flaw::Signature);
    }
}

#[test]
fn additional_header_parameters_are_refused() {
    let key = DeviceKey::from_seed(SuiteName::Hybrid, &[1; 32]);
    let public = key.public_bytes();
    let verify = |header: &str| jws::verify(&with_header(&key, header, b"content"), "t", SuiteName::Hybrid, &public);
    assert_eq!(verify(r#"{"alg":"EdDSA","typ":"t"}"#).unwrap(), b"content");
    assert_eq!(verify(r#" {"typ":"t", "alg":"EdDSA", "x5c":[]} "#).unwrap(), b"content");
    for header in [
        r#"{"alg":"EdDSA","typ":"t","crit":["b64"],"b64":false}"#,
        r#"{"alg":"EdDSA","typ":"t","crit":[]}"#,
        r#"{"alg":"EdDSA","typ":"t","jwk":{}}"#,
        r#"{"alg":"EdDSA","typ":"t","kid":"1"}"#,
        r#"{"alg":"EdDSA","typ":"t","x5u":"https://a"}"#,
        r#"{"alg":"EdDSA","alg":"EdDSA","typ":"t"}"#,
        r#"{"alg":"EdDSA"}"#,
        r#"{"typ":"t"}"#,
        r#"{"alg":["EdDSA"],"typ":"t"}"#,
        r#"{"alg":"EdDSA","typ":null}"#,
        r#"{"alg":"EdDSA","typ":"t"}{}"#,
        r#"{"alg":"EdDSA","typ":"t","x5c":["!"]}"#,
        "",
        "[]",
        "null",
    ] {
        refused(verify(header), Flaw::JwsForm);
    }
    refused(verify(r#"{"alg":"EdDSA","typ":"t","x5c":["","","","",""]}"#), Flaw::TooLong);
    let long = format!(r#"{{"alg":"EdDSA","typ":"t","x5c":["{}"]}}"#, "A".repeat(20_000));
    refused(verify(&long), Flaw::TooLong);
}

#[test]
fn a_malformed_or_non_canonical_jws_is_refused() {
    let key = DeviceKey::from_seed(SuiteName::Hybrid, &[1; 32]);
    let public = key.public_bytes();
    let verify = |token: &str| jws::verify(token, "t", SuiteName::Hybrid, &public);
    let good = jws::sign(&key, "t", b"content", &[]);
    assert_eq!(verify(&good).unwrap(), b"content");
    let [head, body, mac] = <[&str; 3]>::try_from(good.split('.').collect::<Vec<_>>()).unwrap();
    for bad in [
        String::new(),
        "..".into(),
        "a".into(),
        format!("{head}.{body}"),
        format!(".{body}.{mac}"),
        format!("{good}."),
        format!("{good}.{mac}"),
        format!("{head}.{body}=.{mac}"),
        format!("{good}="),
        format!("{good}\n"),
        format!(" {good}"),
        format!("{head}.{body}+.{mac}"),
    ] {
        refused(verify(&bad), Flaw::JwsForm);
    }
    refused(verify(&"a".repeat(jws::MAX_JWS_CHARS + 1)), Flaw::TooLong);
    // Base64 has several spellings of a last digit; only the one with zero bits is read.
    let last = good.chars().last().unwrap();
    let sloppy = format!("{}{}", &good[..good.len() - 1], char::from(last as u8 + 1));
    assert!(verify(&sloppy).is_err());
}
