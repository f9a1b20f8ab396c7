//! The command line as people see it: help and common errors, compared with files in `tests/golden`.
//!
//! After an intended change, `TELCON_BLESS=1 cargo test -p telcon --test golden` rewrites the files; read the difference.

mod office;

use office::{NEW_OFFICE, fed, text};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// Placeholder in golden files for the test's temporary directory.
const DIR: &str = "[DIR]";

fn telcon(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_telcon"))
        .args(arguments)
        .env_remove("TELCON_LOG")
        .env_remove("COLUMNS")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// The command, its exit code and its output, as a golden file has them.
fn transcript(arguments: &[&str], dir: &Path) -> String {
    let output = telcon(arguments);
    let mut shown = format!("$ telcon {}\n", arguments.join(" "));
    shown.push_str(&text(&output.stdout));
    shown.push_str(&text(&output.stderr));
    shown.push_str(&format!("exit code {}\n", output.status.code().unwrap()));
    shown.replace(&dir.display().to_string(), DIR)
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.txt"))
}

/// Compares with the golden file of this name, or rewrites it.
fn compare(name: &str, found: &str) {
    let path = golden(name);
    if std::env::var_os("TELCON_BLESS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        return fs::write(path, found).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        expected == found,
        "tests/golden/{name}.txt differs. If that is intended: TELCON_BLESS=1 cargo test -p telcon --test golden\n\
         --- expected\n{expected}--- found\n{found}"
    );
}

/// Names of the subcommands in a help text.
fn subcommands(help: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    // Descriptions that go on in a second line are indented further.
    let first = |line: &&str| line.starts_with("  ") && !line.starts_with("   ");
    let names =
        lines.take_while(|line| !line.is_empty()).filter(first).filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

#[test]
fn help() {
    let mut waiting = vec![Vec::new()];
    let mut seen = 0;
    while let Some(command) = waiting.pop() {
        let mut arguments: Vec<&str> = command.iter().map(String::as_str).collect();
        arguments.push("--help");
        let text = transcript(&arguments, Path::new("/nonexistent"));
        assert!(text.ends_with("exit code 0\n"), "{text}");
        for name in subcommands(&text) {
            let mut longer = command.clone();
            longer.push(name);
            waiting.push(longer);
        }
        let name = if command.is_empty() { "help".to_owned() } else { format!("help-{}", command.join("-")) };
        compare(&name, &text);
        seen += 1;
    }
    assert!(seen > 15, "only {seen} commands were found");
}

#[test]
fn no_golden_file_is_left_over() {
    let known =
        |name: &str| name.starts_with("help") || name == OFFICE_INIT || ERRORS.iter().any(|(error, _)| *error == name);
    for entry in fs::read_dir(golden("x").parent().unwrap()).unwrap().flatten() {
        let name = entry.path().file_stem().unwrap().to_string_lossy().into_owned();
        assert!(known(&name), "{name} is compared with nothing");
    }
}

/// Digest of some authority.
const DIGEST: &str = "5d1c0000000000000000000000000000000000000000000000000000000000ff";

/// Errors that people meet, by the name of the golden file. `DIR` is a directory with an office that was just created.
const ERRORS: &[(&str, &[&str])] = &[
    ("error-unknown-command", &["serv"]),
    ("error-missing-argument", &["serve"]),
    ("error-bad-value", &["init", "--data", "DIR/x", "--domain", "office.example", "--name", "X", "--suite", "rot13"]),
    ("error-init-twice", &["init", "--data", "DIR", "--domain", "office.example", "--name", "X"]),
    (
        "error-init-weak-passphrase",
        &["init", "--data", "DIR/x", "--domain", "x.example", "--name", "X", "--passphrase-file", "DIR/weak"],
    ),
    ("error-office-init-missing", &["office", "init", "DIR/x", "--yes", "--domain", "office.example"]),
    (
        "error-office-init-custodian",
        &[
            "office",
            "init",
            "DIR/x",
            "--yes",
            "--domain",
            "office.example",
            "--name",
            "X",
            "--officer",
            "Ann",
            "--custodian",
            "DIR/custodian/identity.txt",
        ],
    ),
    ("error-custodian-new-existing", &["custodian", "new", "DIR/custodian/identity.txt"]),
    ("error-serve-no-office", &["serve", "--data", "DIR/nothing"]),
    ("error-serve-whole-office", &["serve", "--data", "DIR"]),
    ("error-serve-no-page", &["serve", "--data", "DIR/server", "--web", "DIR"]),
    (
        "error-relay-token",
        &["relay", "--server", "http://127.0.0.1:1", "--token", "DIR/custodians.txt", "--media", "127.0.0.1:0"],
    ),
    (
        "error-invite-zone",
        &["invite", "--data", "DIR", "--name", "X", "--organisation", "Y", "--role", "principal", "--zone", "Oslo"],
    ),
    ("error-invite-role", &["invite", "--data", "DIR", "--name", "X", "--organisation", "Y", "--role", "king"]),
    (
        "error-invite-server",
        &[
            "invite",
            "--data",
            "DIR",
            "--name",
            "X",
            "--organisation",
            "Y",
            "--role",
            "principal",
            "--server",
            "office.example",
        ],
    ),
    (
        "error-invite-no-authority",
        &["invite", "--data", "DIR/server", "--name", "X", "--organisation", "Y", "--role", "principal"],
    ),
    ("error-enrol-link", &["enrol", "--device", "DIR/new.json", "https://office.example/"]),
    ("error-enrol-existing", &["enrol", "--device", "DIR/custodians.txt", "https://office.example/#enrol=AAAA"]),
    ("error-devices-no-database", &["devices", "--data", "DIR"]),
    ("error-revoke-id", &["revoke", "--data", "DIR", "--device", "the red one"]),
    ("error-call-no-device", &["call", "--device", "DIR/new.json", "--answer"]),
    ("error-call-not-a-device", &["call", "--device", "DIR/custodians.txt", "--answer"]),
    (
        "error-note-not-a-device",
        &["note", "--device", "DIR/custodians.txt", "--spool", "DIR/spool", "--custodians", "DIR/custodians.txt"],
    ),
    ("error-verify-not-an-archive", &["archive", "verify", "DIR/server"]),
    ("error-verify-digest", &["archive", "verify", "DIR/server/archive", "--authority", "5d1c"]),
    ("error-log-address", &["log", "verify", "--office", "office.example", "--authority", DIGEST]),
    ("error-log-unreachable", &["log", "verify", "--office", "http://127.0.0.1:1", "--authority", DIGEST]),
    ("error-log-watch-nobody", &["log", "watch", "--office", "http://127.0.0.1:1", "--authority", DIGEST]),
    (
        "error-open-not-a-record",
        &["archive", "open", "--identity", "DIR/custodian/identity.txt", "DIR/server", "--out", "DIR/out"],
    ),
    (
        "error-open-not-an-identity",
        &["archive", "open", "--identity", "DIR/custodians.txt", "DIR/server", "--out", "DIR/out"],
    ),
];

/// A SHA-256 in hexadecimal digits.
fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The golden file of [`the_first_office_step_by_step`].
const OFFICE_INIT: &str = "office-init";

/// A dialogue as a person sees it, whose answers are not shown. What is random, dated or a code is replaced.
#[test]
fn the_first_office_step_by_step() {
    let dir = tempfile::tempdir().unwrap();
    let recipient = dir.path().join("recipient.txt");
    fs::write(&recipient, telcon_record::CustodianIdentity::from_seed(&[1; 32]).recipient().to_string()).unwrap();
    let recipient = recipient.display().to_string();
    let answers = [&NEW_OFFICE[..], &[recipient.as_str(), "", "", "correct horse battery staple"]].concat();
    let mut init = office::telcon();
    init.args(["office", "init"]).arg(dir.path().join("office"));
    let output = fed(&mut init, &(answers.join("\n") + "\n"));
    let said = text(&output.stderr) + &text(&output.stdout);
    assert!(output.status.success(), "{said}");
    let mut shown = String::new();
    for line in said.replace(&dir.path().display().to_string(), DIR).lines() {
        let is_code = line.contains(['█', '▀', '▄']);
        let line = match (line.split_once("#enrol="), line.split_once(", until "), line.rsplit_once("  ")) {
            (Some((server, _)), _, _) => format!("{server}#enrol=[LINK]"),
            (_, Some((words, _)), _) => format!("{words}, until [TIME]"),
            (_, _, Some((label, digest))) if is_digest(digest) => format!("{label}  [DIGEST]"),
            _ if is_code && shown.ends_with("[QR CODE]\n") => continue,
            _ if is_code => "[QR CODE]".to_owned(),
            _ => line.to_owned(),
        };
        shown += &format!("{}\n", line.trim_end());
    }
    compare(OFFICE_INIT, &shown);
}

#[test]
fn errors() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().display().to_string();
    let made = telcon(&["init", "--data", &data, "--domain", "office.example", "--name", "Office", "--no-passphrase"]);
    assert!(made.status.success());
    fs::write(dir.path().join("weak"), "password").unwrap();
    for (name, arguments) in ERRORS {
        let arguments: Vec<String> = arguments.iter().map(|argument| argument.replace("DIR", &data)).collect();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let text = transcript(&arguments, dir.path());
        assert!(!text.ends_with("exit code 0\n"), "{name}: {text}");
        compare(name, &text);
    }
}
