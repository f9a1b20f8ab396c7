//! The rules about which crate may know which, held against `cargo metadata` with all features on.

use crate::metadata::Metadata;
use std::collections::BTreeSet;

/// Each crate of ours, and those of ours that it may name in its manifest; what these may use comes with them.
const MAY_USE: &[(&str, &[&str])] = &[
    ("telcon-proto", &[]),
    ("telcon-log", &[]),
    ("telcon-identity", &["telcon-proto", "telcon-log"]),
    ("telcon-core", &["telcon-proto", "telcon-identity"]),
    ("telcon-record", &["telcon-proto", "telcon-log"]),
    ("telcon-relay", &["telcon-proto"]),
    ("telcon-server", &["telcon-proto", "telcon-identity", "telcon-log", "telcon-relay"]),
    ("telcon-client", &["telcon-core", "telcon-record"]),
    ("telcon-wasm", &["telcon-core"]),
    // It measures the relay and the log directly, and enrols a fleet of devices with an authority of its own. The server
    // it measures is another process, so it has no code of it.
    ("telcon-bench", &["telcon-proto", "telcon-identity", "telcon-log", "telcon-relay"]),
    // Development only: the engines of both sides in one process. Nothing may use it.
    ("telcon-sim", &["telcon-core", "telcon-identity", "telcon-log", "telcon-proto", "telcon-relay", "telcon-server"]),
    ("telcon", &["telcon-server", "telcon-client", "telcon-record", "telcon-bench"]),
    ("xtask", &[]),
];

/// What brings sockets, threads or timers: not for crates whose every input is an argument.
const INPUT_AND_OUTPUT: &[&str] = &["tokio", "mio", "socket2", "async-std", "smol", "polling"];

/// What opens sealed content or derives keys to it: the servers are built without.
const OPENS_CONTENT: &[&str] = &["telcon-core", "telcon-record", "openmls", "age", "hpke"];

fn named(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn with_theirs(names: &[&str]) -> BTreeSet<String> {
    let mut all = named(names);
    for name in names {
        let (_, theirs) = MAY_USE.iter().find(|(crate_name, _)| crate_name == name).expect("a crate of the table");
        all.extend(with_theirs(theirs));
    }
    all
}

fn common(metadata: &Metadata, name: &str, refused: &[&str]) -> Vec<String> {
    metadata.dependencies(name, true).intersection(&named(refused)).cloned().collect()
}

#[test]
fn each_crate_uses_only_those_that_it_may() {
    let metadata = Metadata::read().unwrap();
    let members = metadata.members();
    let table = MAY_USE.iter().map(|(name, _)| (*name).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(members, table, "a crate came or went: say in MAY_USE what it may use");
    for (name, allowed) in MAY_USE {
        let ours: BTreeSet<_> = metadata.dependencies(name, false).intersection(&members).cloned().collect();
        let allowed = with_theirs(allowed);
        let refused: Vec<_> = ours.difference(&allowed).collect();
        assert!(refused.is_empty(), "{name} must not be built with {refused:?}");
    }
}

#[test]
fn the_servers_have_nothing_that_opens_content() {
    let metadata = Metadata::read().unwrap();
    for name in ["telcon-server", "telcon-relay"] {
        let found = common(&metadata, name, OPENS_CONTENT);
        assert!(
            found.is_empty(),
            "{name} is built with {found:?}: a server must have no code that could open anything"
        );
    }
}

#[test]
fn the_log_knows_none_of_ours() {
    let metadata = Metadata::read().unwrap();
    let ours: Vec<_> = metadata.dependencies("telcon-log", true).intersection(&metadata.members()).cloned().collect();
    assert!(ours.is_empty(), "telcon-log is built with {ours:?}");
}

#[test]
fn what_takes_its_inputs_as_arguments_has_no_way_to_get_them_itself() {
    let metadata = Metadata::read().unwrap();
    // telcon-relay's driver is the one exception; its engine is held by the crate's clippy.toml.
    for name in ["telcon-proto", "telcon-log", "telcon-identity", "telcon-core"] {
        let found = common(&metadata, name, INPUT_AND_OUTPUT);
        assert!(found.is_empty(), "{name} is built with {found:?}");
    }
}

/// The tests above look for absences: this one shows that they would see a presence.
#[test]
fn presences_are_seen() {
    let metadata = Metadata::read().unwrap();
    assert!(metadata.dependencies("telcon-relay", false).contains("telcon-proto"));
    assert!(metadata.dependencies("telcon-relay", true).contains("tokio"), "through the feature `driver`");
    assert!(!metadata.dependencies("telcon-relay", false).contains("criterion"), "only its benchmarks use it");
}

/// Crates in which a person reads every error. Libraries have typed errors, which callers can tell apart.
const MAY_USE_ANYHOW: &[&str] = &["telcon", "telcon-bench", "xtask"];

/// Libraries that still use it. This list may only shrink.
const STILL_USE_ANYHOW: &[&str] = &["telcon-client"];

#[test]
fn only_programs_have_untyped_errors() {
    let metadata = Metadata::read().unwrap();
    let uses = |name: &String| metadata.dependencies(name, false).contains("anyhow");
    let found: BTreeSet<_> = metadata.members().into_iter().filter(uses).collect();
    let libraries: BTreeSet<_> = found.difference(&named(MAY_USE_ANYHOW)).cloned().collect();
    assert_eq!(
        libraries,
        named(STILL_USE_ANYHOW),
        "libraries have typed errors; a library that has them is not listed"
    );
}

#[test]
fn no_crate_is_a_grab_bag() {
    for name in Metadata::read().unwrap().members() {
        let words = name.split('-').collect::<Vec<_>>();
        let refused = ["common", "util", "utils", "helpers", "misc", "shared"];
        assert!(!words.iter().any(|word| refused.contains(word)), "{name}: name it after the one thing it is for");
    }
}
