//! Keys behind a passphrase: of the authority and of custodians.

#[path = "office/foreign.rs"]
mod foreign;
#[path = "office/kill.rs"]
mod kill;
mod office;

use kill::{killed_after, sizes};
use nix::{
    pty::openpty,
    sys::termios::{LocalFlags, tcgetattr},
};
use office::{PATIENCE, fed, ok, telcon, text};
use std::{
    fs,
    fs::File,
    io::{Read as _, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Output, Stdio},
    time::Instant,
};

const FIRST: &str = "correct horse battery staple";
const SECOND: &str = "Vier zufällige Wörter genügen";

/// What a command that fails says; it exits with 1.
fn refusal(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    text(&output.stderr)
}

fn custodian(action: &str, file: &Path) -> Command {
    let mut command = telcon();
    command.args(["custodian", action]).arg(file);
    command
}

/// Makes a custodian's key; returns its recipient.
fn new_key(file: &Path, passphrase: &str) -> String {
    let output = fed(&mut custodian("new", file), &format!("{passphrase}\n"));
    assert!(output.status.success(), "{output:?}");
    text(&output.stdout)
}

#[test]
fn a_custodians_key_opens_with_its_passphrase_only() {
    let dir = tempfile::tempdir().unwrap();
    let (file, passphrase) = (dir.path().join("identity.age"), dir.path().join("passphrase"));
    let recipient = new_key(&file, FIRST);
    assert!(recipient.starts_with("age1pq1") && recipient.lines().count() == 1, "{recipient}");
    let sealed = fs::read_to_string(&file).unwrap();
    assert!(sealed.starts_with("-----BEGIN AGE ENCRYPTED FILE-----\n") && !sealed.contains("SECRET"), "{sealed}");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

    fs::write(&passphrase, format!("{FIRST}\r\n")).unwrap();
    let opened = ok(custodian("recipient", &file).arg("--passphrase-file").arg(&passphrase));
    assert_eq!(text(&opened.stdout), recipient);
    let wrong = refusal(&fed(&mut custodian("recipient", &file), &format!("{SECOND}\n{FIRST}\n")));
    assert!(wrong.contains("the passphrase is wrong"), "a script has one attempt: {wrong}");
    let none = refusal(&fed(&mut custodian("recipient", &file), ""));
    assert!(none.contains("run this at a terminal, or give --passphrase-file"), "{none}");

    let exists = refusal(&fed(&mut custodian("new", &file), &format!("{SECOND}\n")));
    assert!(exists.contains("already exists; nothing was changed"), "{exists}");
    assert_eq!(fs::read_to_string(&file).unwrap(), sealed);
    let other = dir.path().join("other");
    for (weak, words) in [("short", "at least 16 characters"), ("aaaaaaaaaaaaaaaaaaaa", "different ones")] {
        let weak = refusal(&fed(&mut custodian("new", &other), &format!("{weak}\n")));
        assert!(weak.contains(words), "{weak}");
    }
    assert!(!other.exists());
}

#[test]
fn files_open_with_a_foreign_age_and_foreign_files_open_here() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("identity.age");
    let recipient = new_key(&file, SECOND);
    let content = foreign::age("open", SECOND, &fs::read(&file).unwrap());
    assert!(
        text(&content).starts_with(&format!("# public key: {recipient}AGE-SECRET-KEY-PQ-1")),
        "an age identity file"
    );

    let theirs = dir.path().join("theirs.age");
    fs::write(&theirs, foreign::age("seal", "short", &content)).unwrap();
    let opened = fed(&mut custodian("recipient", &theirs), "short\n");
    assert_eq!(text(&opened.stdout), recipient, "an old passphrase may be short");

    // What a foreign program decrypted is the plain file, which opens without a passphrase.
    let plain = dir.path().join("plain.txt");
    fs::write(&plain, content).unwrap();
    assert_eq!(text(&ok(&mut custodian("recipient", &plain)).stdout), recipient);
}

#[test]
fn an_older_offices_plain_keys_open_and_get_a_passphrase() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path();
    let mut init = telcon();
    init.args(["init", "--domain", "office.example", "--name", "Office", "--no-passphrase", "--data"]).arg(data);
    let said = text(&ok(&mut init).stderr);
    assert!(said.contains("Without a passphrase, anyone who can read the file"), "{said}");
    let (seed_file, identity) = (data.join("authority/seed"), data.join("custodian/identity.txt"));
    let seed = fs::read(&seed_file).unwrap();
    assert_eq!(seed.len(), 32);
    let invite = |input: &str| {
        let mut invite = telcon();
        invite.args(["invite", "--name", "Ann", "--organisation", "Office", "--role", "principal"]);
        fed(invite.args(["--server", "http://127.0.0.1:1", "--data"]).arg(data), input)
    };
    assert!(invite("").status.success());
    let authority = |input: &str, arguments: &[&str]| {
        let mut passphrase = telcon();
        fed(passphrase.args(["authority", "passphrase", "--data"]).arg(data).args(arguments), input)
    };
    assert!(authority(&format!("{FIRST}\n"), &[]).status.success(), "one is added");
    assert!(fs::read(&seed_file).unwrap().starts_with(b"-----BEGIN AGE ENCRYPTED FILE-----\n"));
    assert_eq!(foreign::age("open", FIRST, &fs::read(&seed_file).unwrap()), seed);
    assert!(refusal(&invite(&format!("{SECOND}\n"))).contains("the passphrase is wrong"));
    assert!(invite(&format!("{FIRST}\n")).status.success());

    let before = fs::read(&seed_file).unwrap();
    for (input, words) in [
        (format!("{SECOND}\n{SECOND}\n"), "the passphrase is wrong"),
        (format!("{FIRST}\nshort\n"), "at least 16 characters"),
        (format!("{FIRST}\n"), "run this at a terminal"),
    ] {
        let said = refusal(&authority(&input, &[]));
        assert!(said.contains(words), "{said}");
        assert_eq!(fs::read(&seed_file).unwrap(), before, "nothing is changed by a failure");
    }
    assert!(authority(&format!("{FIRST}\n{SECOND}\n"), &[]).status.success(), "it is changed");
    assert!(refusal(&invite(&format!("{FIRST}\n"))).contains("the passphrase is wrong"));
    assert!(authority(&format!("{SECOND}\n"), &["--no-passphrase"]).status.success(), "it is removed");
    assert_eq!(fs::read(&seed_file).unwrap(), seed);

    assert!(fed(&mut custodian("passphrase", &identity), &format!("{FIRST}\n")).status.success());
    let recipients = fs::read_to_string(data.join("custodians.txt")).unwrap();
    let opened = fed(&mut custodian("recipient", &identity), &format!("{FIRST}\n"));
    assert_eq!(text(&opened.stdout), recipients);
    let useless = refusal(&fed(&mut custodian("passphrase", &seed_file), &format!("{FIRST}\n")));
    assert!(useless.contains("has no custodian's key"), "another file is not touched: {useless}");
    assert_eq!(fs::read(&seed_file).unwrap(), seed);
}

#[test]
fn a_kill_while_the_passphrase_changes_leaves_one_file_whole() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("identity.age");
    let recipient = new_key(&file, FIRST);
    let old = fs::read(&file).unwrap();
    let input = format!("{FIRST}\n{SECOND}\n");
    let left_over = dir.path().join("identity.age.tmp");
    let mut kills = 0;
    while killed_after(kills + 1, dir.path(), &mut custodian("passphrase", &file), &input) {
        kills += 1;
        let passphrase = if fs::read(&file).unwrap() == old { FIRST } else { SECOND };
        let opened = fed(&mut custodian("recipient", &file), &format!("{passphrase}\n"));
        assert_eq!(text(&opened.stdout), recipient, "after change {kills}");
        fs::write(&file, &old).unwrap();
        let _ = fs::remove_file(&left_over);
    }
    assert_eq!(kills, 3, "the new file is created, written, and renamed");
    fs::write(&left_over, "half").unwrap();
    assert!(fed(&mut custodian("passphrase", &file), &format!("{SECOND}\n{FIRST}\n")).status.success());
    assert_eq!(sizes(dir.path()).len(), 1, "what a killed process left is gone");
}

/// A command at a terminal of its own.
struct AtTerminal {
    child: std::process::Child,
    terminal: File,
    /// What it showed since the last text that was waited for.
    shown: String,
    /// All that it showed.
    all: String,
}

impl AtTerminal {
    fn start(arguments: &[&str]) -> Self {
        let pty = openpty(None, None).unwrap();
        let side = || Stdio::from(pty.slave.try_clone().unwrap());
        // `setsid` makes the terminal the controlling one, where passphrases are asked for.
        let mut command = Command::new("setsid");
        command.args(["--ctty", "--wait", env!("CARGO_BIN_EXE_telcon")]).args(arguments);
        let child = command.stdin(side()).stdout(side()).stderr(side()).spawn().unwrap();
        Self { child, terminal: File::from(pty.master), shown: String::new(), all: String::new() }
    }

    /// Waits until the terminal shows this.
    fn shows(&mut self, text: &str) {
        let mut buffer = [0; 4096];
        while !self.shown.contains(text) {
            let read = self.terminal.read(&mut buffer).unwrap_or_else(|error| panic!("{error}: {}", self.shown));
            let text = String::from_utf8_lossy(&buffer[..read]);
            self.shown.push_str(&text);
            self.all.push_str(&text);
        }
        self.shown = self.shown.split_once(text).unwrap().1.to_owned();
    }

    /// Types a line once the terminal does not echo.
    fn types_unseen(&mut self, text: &str) {
        let until = Instant::now() + PATIENCE;
        while tcgetattr(&self.terminal).unwrap().local_flags.contains(LocalFlags::ECHO) {
            assert!(Instant::now() < until, "the terminal still echoes");
            std::thread::yield_now();
        }
        writeln!(self.terminal, "{text}").unwrap();
    }

    fn exit_code(mut self) -> i32 {
        self.child.wait().unwrap().code().unwrap()
    }
}

#[test]
fn a_person_types_unseen_and_has_three_attempts() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("identity.age").display().to_string();
    let mut new = AtTerminal::start(&["custodian", "new", &file]);
    for (prompt, typed) in [
        ("New passphrase for the custodian's key: ", "short"),
        ("at least 16 characters", ""),
        ("New passphrase for the custodian's key: ", FIRST),
        ("Repeat the passphrase: ", SECOND),
        ("the passphrases do not match", ""),
        ("New passphrase for the custodian's key: ", FIRST),
        ("Repeat the passphrase: ", FIRST),
    ] {
        new.shows(prompt);
        if !typed.is_empty() {
            new.types_unseen(typed);
        }
    }
    new.shows("age1pq1");
    assert!(!new.all.contains("horse") && !new.all.contains("Wörter"), "{}", new.all);
    assert_eq!(new.exit_code(), 0);

    let mut wrong = AtTerminal::start(&["custodian", "recipient", &file]);
    for left in ["2 more to try", "1 more to try", "the passphrase is wrong"] {
        wrong.shows("Passphrase of ");
        wrong.types_unseen(SECOND);
        wrong.shows(left);
    }
    assert_eq!(wrong.exit_code(), 1);
}
