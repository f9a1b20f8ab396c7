//! Documents between the devices of two people, with real processes: one writes, the other reads, a third cannot; the server, which may be
//! killed at any time, has neither title nor content, in memory, files, logs or traffic.

#[path = "office/memory.rs"]
mod memory;
mod office;

use memory::{Search, memory};
use office::{Office, ok, telcon, text};
use std::{fs, path::Path};
use telcon_core::{Device, DeviceState};
use telcon_proto::document::DocumentKind;

const PIECE: usize = 12;
/// What is written in a document of each kind.
const WORDS: [&str; DocumentKind::ALL.len()] = [
    "Lapwings ask for a call before the thaw",
    "Limpets want the mooring tax repealed",
    "Goes by Skipper; collects brass sextants",
    "Curlew said the breakwater stays ours",
    "Both cormorants signed under the lantern",
    "Turnstone undertook to dredge the sound",
    "Petrels remembered it from the car phone",
    "Fulmars will say nothing of the lobsters",
    "Deliver the anchor chains by Whitsun",
    "Noon by the quay clock, or the ferry's hour",
    "Guillemots circulate among eleven names",
];
const TITLE: &str = "Seventeen herons over the harbour of Norland";

fn person(device: &Path, at_ms: u64) -> String {
    let state = DeviceState::parse(&fs::read_to_string(device).unwrap()).unwrap();
    Device::open(&state, at_ms).unwrap().me().card().person.to_hex()
}

fn document(office: &Office, what: &str, device: &Path) -> std::process::Command {
    let mut command = telcon();
    command.args(["document", what, "--device"]).arg(device).arg("--server").arg(office.url());
    command
}

fn files(dir: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(dir).unwrap().flatten() {
        if entry.path().is_dir() {
            files(&entry.path(), found);
        } else {
            found.push((entry.path().display().to_string(), fs::read(entry.path()).unwrap()));
        }
    }
}

#[test]
fn one_writes_another_reads_a_third_cannot_and_the_server_has_nothing_of_it() {
    let mut office = Office::new();
    let (author, reader) = (office.enrol("Desk", "scheduler"), office.enrol("Principal", "principal"));
    let third = office.enrol("Duty", "duty-officer");
    // Devices state their keys when they sign in.
    for device in [&reader, &third] {
        ok(&mut document(&office, "list", device));
    }
    let draft = office.path("brief.txt");
    let content = format!("{TITLE}\n\nSay: we want the grain convoys back by Thursday.\n");
    fs::write(&draft, &content).unwrap();
    let now_ms = telcon_client::endpoint::now_ms();
    let to = person(&reader, now_ms);
    let put = ok(document(&office, "put", &author).args(["--kind", "brief", "--reader", &to]).arg(&draft));
    let id = text(&put.stdout).trim().to_owned();
    let server = office.server.as_ref().unwrap();
    let mut scanned = vec![("the server's memory".to_owned(), memory(server.id()))];

    let out = office.path("read.txt");
    ok(document(&office, "get", &reader).arg("--out").arg(&out).arg(&id));
    assert_eq!(fs::read_to_string(&out).unwrap(), content);
    assert!(text(&ok(&mut document(&office, "list", &reader)).stdout).contains(&id));
    assert_eq!(text(&ok(&mut document(&office, "list", &third)).stdout), "");
    let refused = document(&office, "get", &third).arg("--out").arg(office.path("none")).arg(&id).output().unwrap();
    assert!(!refused.status.success() && !office.path("none").exists());

    for (kind, words) in DocumentKind::ALL.into_iter().zip(WORDS) {
        let file = office.path("words.txt");
        fs::write(&file, words).unwrap();
        // Copies are issued.
        let state = if kind == DocumentKind::Copy { "approved" } else { "draft" };
        let arguments = ["--kind", kind.as_str(), "--state", state, "--reader", &to];
        ok(document(&office, "put", &author)
            .args(arguments)
            .arg("--custodians")
            .arg(office.path("custodians.txt"))
            .arg(file));
    }
    scanned.push(("the server's memory with every kind".to_owned(), memory(server.id())));

    // The reader writes the next version; a kill of the server loses nothing.
    fs::write(&draft, format!("{content}Avoid: the harbour.\n")).unwrap();
    let second = ["--kind", "brief", "--document", &id, "--reader", &person(&author, now_ms)];
    ok(document(&office, "put", &reader).args(second).arg(&draft));
    office.kill_server();
    office.serve();
    let out = office.path("second.txt");
    ok(document(&office, "get", &author).arg("--out").arg(&out).arg(&id));
    assert!(fs::read_to_string(&out).unwrap().ends_with("Avoid: the harbour.\n"));

    let server = office.server.as_ref().unwrap();
    scanned.push(("the server's memory after a restart".to_owned(), memory(server.id())));
    scanned.push(("the server's log output".to_owned(), server.output().into_bytes()));
    files(&office.path("server"), &mut scanned);
    let needles = [TITLE.as_bytes(), &b"grain convoys back by Thursday"[..], b"Avoid: the harbour."];
    let search = Search::<PIECE>::new(needles.into_iter().chain(WORDS.map(str::as_bytes)));
    assert!(search.finds(content.as_bytes()).is_some(), "the search is blind itself");
    assert!(Search::<PIECE>::new([id.as_bytes()]).finds(&scanned[1].1).is_some(), "the server's memory was not read");
    for (at, bytes) in &scanned {
        let found = search.finds(bytes).map(|found| String::from_utf8_lossy(&bytes[found..found + PIECE]));
        assert_eq!(found, None, "{at}");
    }

    // Somebody exchanges the sealed files of the two versions: refused, not shown.
    let dir = office.path("server/archive/documents").join(&id);
    let is_sealed = |path: &std::path::PathBuf| path.extension().is_none();
    let mut sealed: Vec<_> =
        fs::read_dir(&dir).unwrap().flatten().map(|entry| entry.path()).filter(is_sealed).collect();
    sealed.sort();
    let [one, two] = &sealed[..] else { panic!("{sealed:?}") };
    fs::copy(one, two).unwrap();
    let tampered =
        document(&office, "get", &author).arg("--out").arg(office.path("tampered")).arg(&id).output().unwrap();
    assert!(!tampered.status.success() && !office.path("tampered").exists());
    let said = text(&tampered.stderr);
    assert!(said.contains("not what its author signed"), "{said}");
    let verified = telcon().args(["archive", "verify"]).arg(office.path("server/archive")).output().unwrap();
    assert_eq!(verified.status.code(), Some(1), "{}", text(&verified.stdout));
    assert!(text(&verified.stdout).contains("sealed file is another one"), "{}", text(&verified.stdout));
}
