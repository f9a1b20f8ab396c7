//! Every parser with random, truncated and mutated bytes: it never panics and accepts no forgery.

use crate::{
    certificate::Certificate,
    credential::{parse_x509_credential, x509_credential},
    invitation::Invitation,
    jws,
    office::Office,
    testkit::*,
};
use proptest::prelude::*;
use std::sync::LazyLock;
use telcon_proto::{
    Role, SuiteName,
    message::{Logged, Ring},
};

struct Honest {
    world: World,
    chain: Vec<Vec<u8>>,
    ring: String,
    content: Ring,
    fragment: String,
    logged: Logged,
}

static HONEST: [LazyLock<std::sync::Mutex<Honest>>; 2] =
    [LazyLock::new(|| honest(SuiteName::Hybrid)), LazyLock::new(|| honest(SuiteName::Cnsa2))];

fn honest(suite: SuiteName) -> std::sync::Mutex<Honest> {
    let mut world = World::new(suite);
    let device = world.enrol(Role::Principal);
    let logged = world.log(&enrolled_entry(&world, &device));
    let honest = Honest {
        ring: signed_ring(&world, &device),
        content: ring(&world, &device),
        fragment: world.authority.invite(&world.spec(card(Role::Principal))).unwrap().to_fragment(),
        chain: device.chain,
        logged,
        world,
    };
    honest.into()
}

fn with<T>(suite: usize, run: impl FnOnce(&Honest) -> T) -> T {
    run(&HONEST[suite].lock().unwrap_or_else(std::sync::PoisonError::into_inner))
}

/// One mutation of valid bytes.
#[derive(Clone, Debug)]
enum Mutation {
    Cut(prop::sample::Index),
    Flip(prop::sample::Index, u8),
    Insert(prop::sample::Index, u8),
    Remove(prop::sample::Index),
}

impl Mutation {
    fn apply(&self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        match self {
            Self::Cut(at) => bytes.truncate(at.index(bytes.len())),
            Self::Flip(at, bits) => {
                let at = at.index(bytes.len());
                bytes[at] ^= bits;
            }
            Self::Insert(at, byte) => bytes.insert(at.index(bytes.len() + 1), *byte),
            Self::Remove(at) => drop(bytes.remove(at.index(bytes.len()))),
        }
        bytes
    }
}

fn mutation() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        any::<prop::sample::Index>().prop_map(Mutation::Cut),
        (any::<prop::sample::Index>(), 1..=255u8).prop_map(|(at, bits)| Mutation::Flip(at, bits)),
        (any::<prop::sample::Index>(), any::<u8>()).prop_map(|(at, byte)| Mutation::Insert(at, byte)),
        any::<prop::sample::Index>().prop_map(Mutation::Remove),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(Certificate::read(&bytes).is_err());
        let text = String::from_utf8_lossy(&bytes);
        prop_assert!(Invitation::parse(&text).is_err());
        prop_assert!(jws::decode(&text).is_err());
        if let Ok(chain) = parse_x509_credential(&bytes) {
            prop_assert_eq!(x509_credential(&chain), bytes);
        }
    }

    #[test]
    fn a_mutated_chain_is_refused(suite in 0..2usize, place in 0..2usize, mutation in mutation()) {
        with(suite, |honest| {
            let mut chain = honest.chain.clone();
            chain[place] = mutation.apply(&chain[place]);
            prop_assume!(chain != honest.chain);
            prop_assert!(honest.world.office.verify_chain(&chain, NOW).is_err());
            Ok(())
        })?;
    }

    #[test]
    fn a_mutated_ring_is_refused(suite in 0..2usize, mutation in mutation()) {
        with(suite, |honest| {
            let mutated = String::from_utf8_lossy(&mutation.apply(honest.ring.as_bytes())).into_owned();
            prop_assume!(mutated != honest.ring);
            prop_assert!(honest.world.office.verify_ring(&mutated, NOW).is_err());
            let good = honest.world.office.verify_ring(&honest.ring, NOW).unwrap();
            prop_assert_eq!(good.ring(), &honest.content);
            Ok(())
        })?;
    }

    #[test]
    fn a_mutated_link_is_refused(suite in 0..2usize, mutation in mutation()) {
        with(suite, |honest| {
            let mutated = String::from_utf8_lossy(&mutation.apply(honest.fragment.as_bytes())).into_owned();
            prop_assume!(mutated.trim().trim_start_matches('#') != honest.fragment);
            // The link does not protect the digest of the authority itself; pinning it does.
            let accepted = Invitation::parse(&mutated).is_ok_and(|link| honest.world.office.verify_invitation(&link).is_ok());
            prop_assert!(!accepted);
            Ok(())
        })?;
    }

    #[test]
    fn a_mutated_authority_is_refused(suite in 0..2usize, mutation in mutation()) {
        with(suite, |honest| {
            let mut info = honest.world.info.clone();
            info.authority = mutation.apply(&info.authority.0).into();
            prop_assume!(info != honest.world.info);
            prop_assert!(Office::pin(&info, None).is_err());
            Ok(())
        })?;
    }

    #[test]
    fn a_mutated_log_proof_is_refused(part in 0..3usize, mutation in mutation()) {
        with(0, |honest| {
            let mut logged = honest.logged.clone();
            match part {
                0 => logged.entry = mutation.apply(&logged.entry.0).into(),
                1 => logged.proof[0] = mutation.apply(&logged.proof[0].0).into(),
                // The note may carry more signatures than the log's own: mutate what the log signed.
                _ => {
                    let (text, rest) = logged.checkpoint.split_once("\n\n").unwrap();
                    logged.checkpoint = format!("{}\n\n{rest}", String::from_utf8_lossy(&mutation.apply(text.as_bytes())));
                }
            }
            prop_assume!(logged != honest.logged);
            prop_assert!(honest.world.office.verify_logged(&logged).is_err());
            Ok(())
        })?;
    }

    #[test]
    fn credentials_round_trip(first in prop::collection::vec(any::<u8>(), 0..200), second in prop::collection::vec(any::<u8>(), 0..200)) {
        let chain = vec![first, second];
        prop_assert_eq!(parse_x509_credential(&x509_credential(&chain)).unwrap(), chain);
    }
}
