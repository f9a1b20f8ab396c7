//! Old keys are gone from memory: whoever gets an image of a device's memory opens nothing that was said under earlier keys.

#[path = "office/memory.rs"]
mod memory;
mod office;

use memory::{Search, memory};
use office::{Office, PATIENCE, members, ring, state, until};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Instant,
};
use telcon_client::endpoint::{MediaSink, NullSink};
use telcon_core::{Engine, Event, UserCommand, view::CallState};

/// Name of an epoch's SFrame key.
const SFRAME: &str = "SFrame";
/// Length of the pieces of a key that are searched for, bytes.
const PIECE: usize = 12;
/// Length of the pieces of a key in JSON, which is decimal numbers, characters.
const JSON_PIECE: usize = 40;

/// The secrets of an epoch, which all its members have, by name.
type Secrets = BTreeMap<String, Vec<u8>>;

/// Collects the secrets of a member, by epoch.
#[derive(Clone, Default)]
struct Collects(Arc<Mutex<BTreeMap<u64, Secrets>>>);

impl MediaSink for Collects {
    fn on_event(&mut self, event: &Event, engine: &Engine, _: u64) {
        if let Event::Epoch { epoch, .. } = event {
            let mut secrets = Secrets::new();
            let stored = serde_json::from_slice(&engine.epoch_secrets().unwrap()).unwrap();
            byte_arrays("", &stored, &mut secrets);
            // It is no key: the record has it.
            secrets.retain(|name, _| !name.starts_with(".epoch_authenticator"));
            assert!(secrets.keys().any(|name| name.starts_with(".exporter_secret")), "{:?}", secrets.keys());
            secrets.insert(SFRAME.into(), engine.sframe_base_key().unwrap());
            self.0.lock().unwrap().insert(*epoch, secrets);
        }
    }
}

impl Collects {
    fn epochs(&self) -> BTreeMap<u64, Secrets> {
        self.0.lock().unwrap().clone()
    }
}

fn byte_arrays(name: &str, value: &serde_json::Value, found: &mut Secrets) {
    match value {
        serde_json::Value::Array(items) if items.len() >= 32 && items.iter().all(serde_json::Value::is_u64) => {
            found.insert(name.into(), items.iter().map(|byte| byte.as_u64().unwrap() as u8).collect());
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| byte_arrays(name, item, found)),
        serde_json::Value::Object(fields) => {
            fields.iter().for_each(|(field, value)| byte_arrays(&format!("{name}.{field}"), value, found));
        }
        _ => {}
    }
}

/// Which of these secrets are in a process's memory: epoch and name.
fn found(process: u32, secrets: &BTreeMap<u64, Secrets>) -> Vec<(u64, String)> {
    let memory = memory(process);
    let all =
        secrets.iter().flat_map(|(epoch, secrets)| secrets.iter().map(move |(name, bytes)| (*epoch, name, bytes)));
    let are_there = |secrets: &[&Vec<u8>]| {
        let json: Vec<_> =
            secrets.iter().map(|bytes| bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(",")).collect();
        Search::<PIECE>::new(secrets.iter().map(|bytes| bytes.as_slice())).finds(&memory).is_some()
            || Search::<JSON_PIECE>::new(json.iter().map(String::as_bytes)).finds(&memory).is_some()
    };
    if !are_there(&all.clone().map(|(_, _, bytes)| bytes).collect::<Vec<_>>()) {
        return Vec::new();
    }
    all.filter(|(_, _, bytes)| are_there(&[bytes])).map(|(epoch, name, _)| (epoch, name.clone())).collect()
}

/// Searches until `so` holds of what is found: a device enters an epoch a little later than another one, and keeps the keys of the
/// previous epoch for two seconds.
fn until_found(
    process: u32,
    what: &str,
    secrets: impl Fn() -> BTreeMap<u64, Secrets>,
    so: impl Fn(&[(u64, String)]) -> bool,
) {
    let start = Instant::now();
    loop {
        let found = found(process, &secrets());
        if so(&found) {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "{what}: in memory are {found:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_note_taker_has_no_key_of_an_earlier_epoch_in_its_memory_nor_any_after_the_call() {
    let office = Office::new();
    let devices = ["A", "B"].map(|name| office.enrol(name, "principal"));
    let desk = office.enrol("Desk", "duty-officer");
    let notes = office.take_notes(&office.enrol("Notes", "note-taker"));
    let keys = Collects::default();
    let a = office.endpoint(&devices[0], false, Box::new(keys.clone()));
    let b = office.endpoint(&devices[1], true, Box::new(NullSink));
    ring(&a, &b).await;
    until(&a, "the note-taker", |view| members(view) == 3).await;

    let desk = office.endpoint(&desk, false, Box::new(NullSink));
    let call = a.view().borrow().call.as_ref().unwrap().call;
    until(&desk, "the call at the desk", |view| view.notices.iter().any(|notice| notice.call == call)).await;
    desk.command(UserCommand::Listen { call });
    until(&a, "the desk", |view| members(view) == 4).await;
    let current = *keys.epochs().last_key_value().unwrap().0;
    assert!(current >= 2);
    // The search works: it finds what the note-taker needs, which are the media key and secrets of MLS.
    let in_use = || keys.epochs().range(current..).map(|(epoch, secrets)| (*epoch, secrets.clone())).collect();
    until_found(notes.id(), "the search is blind", in_use, |found| {
        found.contains(&(current, SFRAME.into())) && found.len() >= 3
    });
    // One epoch later, so that MLS does not keep it to decrypt messages that are on their way.
    desk.command(UserCommand::Leave);
    until(&a, "the desk to leave", |view| members(view) == 3).await;
    let earlier = || keys.epochs().range(..current).map(|(epoch, secrets)| (*epoch, secrets.clone())).collect();
    until_found(notes.id(), "old keys", earlier, <[_]>::is_empty);

    a.command(UserCommand::HangUp);
    until(&b, "the end", |view| state(view) == Some(CallState::Ended)).await;
    notes.wait_for_line("is in the archive");
    until_found(notes.id(), "keys of a call that is over", || keys.epochs(), <[_]>::is_empty);
}
