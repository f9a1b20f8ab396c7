//! Memoranda in an archive: an auditor is told which version was in force when, and finds out what a server changes, exchanges or withholds.

mod office;

use office::{Office, intact, ok, telcon, text};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
};
use telcon_core::{Device, DeviceState};

const CALL: &str = "0f1e0f1e0f1e0f1e0f1e0f1e0f1e0f1e";

struct Archive {
    office: Office,
    dir: PathBuf,
}

impl Archive {
    /// Five versions of a memorandum, of which the third and the fifth are approved.
    fn new() -> Self {
        let office = Office::new();
        let [desk, principal] =
            [("Desk", "scheduler"), ("Principal", "principal")].map(|(name, role)| office.enrol(name, role));
        let readers = [&desk, &principal].map(|device| person(device));
        for device in [&desk, &principal] {
            ok(telcon().args(["document", "list", "--device"]).arg(device).arg("--server").arg(office.url()));
        }
        let mut document: Option<String> = None;
        let chain = [
            (&desk, "draft"),
            (&desk, "reviewed"),
            (&principal, "approved"),
            (&desk, "draft"),
            (&principal, "approved"),
        ];
        for (at, (device, state)) in chain.into_iter().enumerate() {
            let file = office.path("memorandum.txt");
            fs::write(&file, format!("What was said, as written for the {at}th time")).unwrap();
            let mut put = telcon();
            put.args(["document", "put", "--device"]).arg(device).arg("--server").arg(office.url());
            put.args(["--kind", "memorandum", "--state", state, "--about-call", CALL]);
            put.args(["--reader", &readers[0], "--reader", &readers[1]]);
            put.arg("--custodians").arg(office.path("custodians.txt"));
            if let Some(document) = &document {
                put.args(["--document", document]);
            }
            document = Some(text(&ok(put.arg(&file)).stdout).trim().to_owned());
        }
        let dir = office.path("server/archive/documents").join(document.unwrap());
        Self { office, dir }
    }

    /// The statement of a version, and its sealed file.
    fn version(&self, number: u32) -> [PathBuf; 2] {
        let names = fs::read_dir(&self.dir).unwrap().flatten().map(|entry| entry.path());
        let of = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with(&format!("{number}-"));
        let mut found: Vec<_> = names.filter(of).collect();
        found.sort_by_key(|path| path.extension().is_none());
        found.try_into().unwrap()
    }

    fn verify(&self) -> Output {
        telcon().args(["archive", "verify"]).arg(self.office.path("server/archive")).output().unwrap()
    }

    /// What verification says once files are as `attack` leaves them. They are put back.
    fn attacked(&self, attack: impl FnOnce()) -> String {
        let kept: Vec<_> = fs::read_dir(&self.dir).unwrap().flatten().map(|entry| entry.path()).collect();
        let kept: Vec<_> = kept.into_iter().map(|path| (fs::read(&path).unwrap(), path)).collect();
        attack();
        let output = self.verify();
        fs::create_dir_all(&self.dir).unwrap();
        kept.iter().for_each(|(bytes, path)| fs::write(path, bytes).unwrap());
        assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
        text(&output.stdout)
    }
}

fn person(device: &Path) -> String {
    let state = DeviceState::parse(&fs::read_to_string(device).unwrap()).unwrap();
    Device::open(&state, telcon_client::endpoint::now_ms()).unwrap().me().card().person.to_hex()
}

#[test]
fn an_auditor_is_told_which_version_was_in_force_when_and_finds_every_exchange() {
    let archive = Archive::new();
    let said = text(
        &intact(&mut {
            let mut verify = telcon();
            verify.args(["archive", "verify"]).arg(archive.office.path("server/archive"));
            verify
        })
        .stdout,
    );
    assert!(said.contains("documents   5 of 5 versions as signed"), "{said}");
    let line = said.lines().find(|line| line.starts_with("memorandum")).expect("no line of the memorandum");
    let (newest, before) = line.split_once("; ").unwrap();
    assert!(
        newest.starts_with(&format!("memorandum of call {CALL}: version 5 approved by Principal, in force since "))
    );
    assert!(before.starts_with("version 3 approved by Principal, in force from ") && before.contains(" to "), "{line}");

    let report: Value = archive.office.verify();
    let memorandum = &report["memoranda"][0];
    assert_eq!((&memorandum["call"], &memorandum["verified"]), (&CALL.into(), &true.into()));
    assert_eq!(memorandum["versions"].as_array().unwrap().len(), 5);
    let in_force = memorandum["in_force"].as_array().unwrap();
    assert_eq!((&in_force[0]["version"], &in_force[1]["version"]), (&3.into(), &5.into()));
    assert_eq!(in_force[0]["until_ms"], in_force[1]["from_ms"]);
    assert_eq!(in_force[1]["until_ms"], Value::Null);

    let ([approval, sealed], [later, later_sealed]) = (archive.version(3), archive.version(5));
    // The approved version is exchanged for the one before.
    let said = archive.attacked(|| {
        fs::copy(&sealed, &later_sealed).unwrap();
    });
    assert!(said.contains("version 5 of memorandum") && said.contains("sealed file is another one"), "{said}");
    assert!(said.contains("until when is not known") && !said.contains("version 5 approved"), "{said}");
    // The approval of one version is used for another.
    let said = archive.attacked(|| {
        fs::copy(&approval, &later).unwrap();
    });
    assert!(said.contains("statement is another one than that in the log"), "{said}");
    // A forged approval.
    let forged = fs::read_to_string(&later).unwrap();
    let said = archive.attacked(|| fs::write(&later, forged.replacen('.', "A.", 1)).unwrap());
    assert!(said.contains("statement is another one than that in the log"), "{said}");
    // An addition is withheld: its statement, its sealed file, all of the document.
    let said = archive.attacked(|| fs::remove_file(&later).unwrap());
    assert!(said.contains("its statement is not in the archive"), "{said}");
    let said = archive.attacked(|| fs::remove_file(&later_sealed).unwrap());
    assert!(said.contains("its sealed file is not in the archive"), "{said}");
    let said = archive.attacked(|| fs::remove_dir_all(&archive.dir).unwrap());
    assert!(said.contains("its statement is not in the archive"), "{said}");

    // What the log does not have changes nothing.
    let forged = archive.dir.join(format!("6-{}", "0".repeat(64)));
    fs::copy(&approval, forged.with_extension("jws")).unwrap();
    fs::copy(&sealed, forged).unwrap();
    let output = archive.verify();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
    assert!(text(&output.stdout).contains("version 5 approved by Principal, in force since"));
}
