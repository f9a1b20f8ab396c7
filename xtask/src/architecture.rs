//! Tests of the allowed dependencies of each crate, from `cargo metadata` with all features enabled.

use crate::metadata::Metadata;
use std::collections::BTreeSet;

/// Each workspace crate and its allowed direct dependencies within the workspace. Transitive ones are implied.
const MAY_USE: &[(&str, &[&str])] = &[
    ("telcon-proto", &[]),
    // Opens files that others wrote: a leaf that every crate with files may use.
    ("telcon-files", &[]),
    ("telcon-log", &["telcon-files"]),
    ("telcon-identity", &["telcon-proto", "telcon-log"]),
    // Sealed files, for documents and records. A crate of its own, because `core` is built for wasm32 without the rest of `record`.
    ("telcon-sealing", &["telcon-proto"]),
    ("telcon-core", &["telcon-proto", "telcon-identity", "telcon-sealing"]),
    ("telcon-record", &["telcon-proto", "telcon-log", "telcon-sealing"]),
    // The contents of sealed documents about a call. A leaf: native programs and browsers use it, servers must not.
    ("telcon-papers", &["telcon-proto"]),
    // Lays records, memoranda and briefs out as PDF. A crate of its own, so that fonts and shaping are in no other build.
    ("telcon-pdf", &["telcon-record", "telcon-papers"]),
    ("telcon-relay", &["telcon-proto"]),
    ("telcon-server", &["telcon-proto", "telcon-identity", "telcon-log", "telcon-relay"]),
    ("telcon-client", &["telcon-core", "telcon-record", "telcon-papers"]),
    ("telcon-wasm", &["telcon-core"]),
    ("telcon-papers-wasm", &["telcon-papers"]),
    ("telcon-pdf-wasm", &["telcon-pdf"]),
    // It measures the relay and the log directly, and enrols a fleet of devices with its own authority. The server
    // under test is another process, so it does not depend on `telcon-server`.
    ("telcon-bench", &["telcon-proto", "telcon-identity", "telcon-log", "telcon-relay"]),
    // Development only: the engines of both sides in one process. Nothing may use it.
    ("telcon-sim", &["telcon-core", "telcon-identity", "telcon-log", "telcon-proto", "telcon-relay", "telcon-server"]),
    ("telcon", &["telcon-server", "telcon-client", "telcon-record", "telcon-papers", "telcon-pdf", "telcon-bench"]),
    ("xtask", &[]),
];

/// Crates with sockets, threads or timers: forbidden in sans-IO crates.
const INPUT_AND_OUTPUT: &[&str] = &["tokio", "mio", "socket2", "async-std", "smol", "polling"];

/// Crates that decrypt content or derive content keys: forbidden in servers.
const OPENS_CONTENT: &[&str] =
    &["telcon-core", "telcon-record", "telcon-sealing", "telcon-papers", "openmls", "age", "hpke"];

fn named(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn with_transitive(names: &[&str]) -> BTreeSet<String> {
    let mut all = named(names);
    for name in names {
        let (_, direct) = MAY_USE.iter().find(|(crate_name, _)| crate_name == name).expect("a crate of the table");
        all.extend(with_transitive(direct));
    }
    all
}

fn common(metadata: &Metadata, name: &str, refused: &[&str]) -> Vec<String> {
    metadata.dependencies(name, true).intersection(&named(refused)).cloned().collect()
}

#[test]
fn each_crate_has_only_allowed_dependencies() {
    let metadata = Metadata::read().unwrap();
    let members = metadata.members();
    let table = MAY_USE.iter().map(|(name, _)| (*name).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(members, table, "a crate was added or removed: update MAY_USE");
    for (name, allowed) in MAY_USE {
        let ours: BTreeSet<_> = metadata.dependencies(name, false).intersection(&members).cloned().collect();
        let allowed = with_transitive(allowed);
        let refused: Vec<_> = ours.difference(&allowed).collect();
        assert!(refused.is_empty(), "{name} must not be built with {refused:?}");
    }
}

#[test]
fn servers_have_no_code_that_decrypts_content() {
    let metadata = Metadata::read().unwrap();
    for name in ["telcon-server", "telcon-relay"] {
        let found = common(&metadata, name, OPENS_CONTENT);
        assert!(
            found.is_empty(),
            "{name} is built with {found:?}: servers must not contain code that decrypts content"
        );
    }
}

#[test]
fn the_log_depends_on_no_workspace_crate_but_the_one_that_opens_files() {
    let metadata = Metadata::read().unwrap();
    let ours: Vec<_> = metadata.dependencies("telcon-log", true).intersection(&metadata.members()).cloned().collect();
    assert_eq!(ours, ["telcon-files"]);
}

#[test]
fn sans_io_crates_have_no_io_dependencies() {
    let metadata = Metadata::read().unwrap();
    // telcon-relay is not listed because of its driver; clippy.toml of that crate keeps its engine sans-IO.
    for name in ["telcon-proto", "telcon-log", "telcon-identity", "telcon-core", "telcon-papers"] {
        let found = common(&metadata, name, INPUT_AND_OUTPUT);
        assert!(found.is_empty(), "{name} is built with {found:?}");
    }
}

/// The tests above assert that dependencies are absent: this one shows that present ones are detected.
#[test]
fn present_dependencies_are_detected() {
    let metadata = Metadata::read().unwrap();
    assert!(metadata.dependencies("telcon-relay", false).contains("telcon-proto"));
    assert!(metadata.dependencies("telcon-relay", true).contains("tokio"), "through the feature `driver`");
    assert!(!metadata.dependencies("telcon-relay", false).contains("criterion"), "only its benchmarks use it");
}

/// Programs, whose errors are for people to read. Libraries have typed errors, which callers can match.
const MAY_USE_ANYHOW: &[&str] = &["telcon", "telcon-bench", "xtask"];

#[test]
fn only_programs_have_untyped_errors() {
    let metadata = Metadata::read().unwrap();
    let uses = |name: &String| metadata.dependencies(name, false).contains("anyhow");
    let found: BTreeSet<_> = metadata.members().into_iter().filter(uses).collect();
    let libraries: BTreeSet<_> = found.difference(&named(MAY_USE_ANYHOW)).cloned().collect();
    assert!(libraries.is_empty(), "libraries have typed errors: {libraries:?}");
}

#[test]
fn no_crate_is_a_collection_of_helpers() {
    for name in Metadata::read().unwrap().members() {
        let words = name.split('-').collect::<Vec<_>>();
        let refused = ["common", "util", "utils", "helpers", "misc", "shared"];
        assert!(!words.iter().any(|word| refused.contains(word)), "{name}: name the crate after its one purpose");
    }
}
