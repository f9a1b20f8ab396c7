//! Only `proto` defines what leaves a process: a second definition of a format drifts away from the first.

use super::{
    files, read,
    source::{tokens, without_comments, without_tests},
};
use std::collections::{BTreeMap, BTreeSet};

/// Files outside of `proto` that may read a serialized format, and why it is not in `proto`. Entries without a use fail.
const READERS: &[(&str, &str)] = &[
    ("crates/client/src/note/pending.rs", "pending sound in the spool, which only this file reads and writes"),
    ("crates/core/src/call/green_room.rs", "end-to-end encrypted between members: servers must not know it"),
    ("crates/core/src/call/hold.rs", "end-to-end encrypted between members: servers must not know it"),
    ("crates/core/src/call/message.rs", "end-to-end encrypted between members: servers must not know it"),
    ("crates/core/src/challenge.rs", "a part of a device's state"),
    ("crates/core/src/device.rs", "a device's state at rest, which only this crate reads"),
    ("crates/core/src/io.rs", "commands of a screen to the engine in the same process"),
    ("crates/core/src/known_documents.rs", "a part of a device's state"),
    ("crates/core/src/lines.rs", "a part of a device's state"),
    ("crates/core/src/page.rs", "what a page writes, to the engine in the same process"),
    ("crates/core/src/peer_log.rs", "a part of a device's state, with a version of its own"),
    ("crates/identity/src/document.rs", "the newest version seen of a document, as part of a device's state"),
    ("crates/identity/src/jws.rs", "the JOSE header of RFC 7515"),
    ("crates/identity/src/logged.rs", "the time of an entry of a type that this version does not know"),
    ("crates/log/src/checkpoint.rs", "a checkpoint as part of a device's state"),
    ("crates/papers/src/action.rs", "the content of a sealed document: servers must not know it"),
    ("crates/papers-wasm/src/memoranda.rs", "arguments of a page, in the same process"),
    ("crates/papers/src/approval.rs", "what a page shows of a chain of contents"),
    ("crates/papers/src/brief.rs", "the content of a sealed document: servers must not know it"),
    ("crates/papers/src/changes.rs", "what a page shows of two contents"),
    ("crates/papers/src/circulation.rs", "the content of a sealed document: servers must not know it"),
    ("crates/papers/src/content.rs", "the version of a sealed document's content, read before the rest"),
    ("crates/papers/src/debrief.rs", "the content of a sealed document: servers must not know it"),
    ("crates/papers/src/draft.rs", "transcript.json of an opened record, read without the crate that opens it"),
    ("crates/papers/src/marking.rs", "the content of a sealed document: servers must not know it"),
    ("crates/papers/src/memorandum.rs", "the content of a sealed document: servers must not know it"),
    ("crates/papers/src/notes.rs", "the content of a sealed document: servers must not know it"),
    ("crates/papers/src/profile.rs", "the content of a sealed document: servers must not know it"),
    ("crates/papers/src/readout.rs", "the content of a sealed document: servers must not know it"),
    ("crates/papers/src/request.rs", "the content of a sealed document: servers must not know it"),
    ("crates/papers/src/schedule.rs", "the content of a sealed document: servers must not know it"),
    ("crates/papers/src/steps.rs", "steps of a page, in the same process"),
    ("crates/record/src/bag.rs", "part of the journal, which only this crate reads"),
    ("crates/record/src/journal.rs", "the spool's journal, which only this crate reads"),
    ("crates/record/src/progress.rs", "events inside the sealed bag"),
    ("crates/record/src/transcript.rs", "a file inside the sealed bag"),
    ("crates/server/src/places.rs", "stores.json, which only this file reads and writes"),
    ("crates/server/src/store/rows.rs", "two columns of the database, which only the store reads and writes"),
    ("crates/server/src/web/alerts.rs", "a query string"),
    ("crates/server/src/web/documents.rs", "a query string"),
    ("crates/server/src/sso/config.rs", "the operator's file about the provider, which only this file reads"),
    ("crates/server/src/web/lines.rs", "a query string"),
    ("crates/server/src/web/log_files.rs", "a query string"),
    ("crates/server/src/web/passkeys.rs", "the counter in a stored passkey, whose form is the library's"),
    ("crates/server/src/web/records.rs", "a query string"),
];

/// Files of the servers that may write one beside `proto`.
const WRITERS: &[(&str, &str)] = &[
    ("crates/server/src/places.rs", "stores.json, which only this file reads and writes"),
    ("crates/server/src/store/rows.rs", "two columns of the database, which only the store reads and writes"),
];

/// Files outside of `proto` whose code derives `trait_name`, below directories that start with one of `places`.
fn deriving(trait_name: &str, places: &[&str]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for path in files("crates", "rs") {
        let name = path.to_string_lossy().replace('\\', "/");
        // Programs may have reports of their own.
        let exempt = ["crates/proto/", "crates/cli/", "crates/bench/"].iter().any(|dir| name.starts_with(dir));
        let is_product = name.contains("/src/") && !exempt;
        let is_test = name.ends_with("_tests.rs") || name.ends_with("/tests.rs") || name.contains("/tests/");
        if !is_product || is_test || !places.iter().any(|place| name.starts_with(place)) {
            continue;
        }
        let code = without_tests(&without_comments(&read(&path)));
        let words = tokens(&code);
        let derives = words.windows(2).enumerate().filter(|(_, w)| *w == ["derive", "("]).any(|(at, _)| {
            let end = words[at..].iter().position(|word| *word == ")").unwrap_or(0);
            words[at..at + end].contains(&trait_name)
        });
        if derives {
            found.insert(name);
        }
    }
    found
}

fn compare(found: &BTreeSet<String>, allowed: &[(&str, &str)], what: &str) {
    let allowed: BTreeMap<&str, &str> = allowed.iter().copied().collect();
    let new: Vec<_> = found.iter().filter(|file| !allowed.contains_key(file.as_str())).collect();
    assert!(
        new.is_empty(),
        "{what} in {new:?}: define the format in crates/proto, or say here why it does not belong there"
    );
    let gone: Vec<_> = allowed.keys().filter(|file| !found.contains(**file)).collect();
    assert!(gone.is_empty(), "{gone:?} no longer need their exception: remove it");
}

#[test]
fn only_proto_defines_formats_that_are_read() {
    compare(&deriving("Deserialize", &["crates/"]), READERS, "a format is read");
}

#[test]
fn only_proto_defines_formats_that_servers_write() {
    compare(&deriving("Serialize", &["crates/server/", "crates/relay/"]), WRITERS, "a format is written");
}
