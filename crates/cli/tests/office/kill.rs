//! Processes that are killed at any change of what they write.

use nix::{
    sys::{
        ptrace,
        wait::{WaitStatus, waitpid},
    },
    unistd::Pid,
};
use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The files and directories below a directory, with their lengths.
pub fn sizes(dir: &Path) -> BTreeMap<PathBuf, u64> {
    let mut found = BTreeMap::new();
    // The traced process stands still meanwhile.
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let metadata = entry.metadata().unwrap();
        if metadata.is_dir() {
            found.extend(sizes(&entry.path()));
        }
        found.insert(entry.path(), if metadata.is_dir() { 0 } else { metadata.len() });
    }
    found
}

/// Runs a command and kills it (SIGKILL) at the system call after which what is below the directory has changed `changes` times.
/// Returns whether it lived to be killed. The command reads `input` before it writes anything.
pub fn killed_after(changes: usize, dir: &Path, command: &mut Command, input: &str) -> bool {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("telcon starts");
    let pid = Pid::from_raw(child.id().try_into().unwrap());
    // It waits for its input, so that nothing happens before it is traced.
    ptrace::seize(pid, ptrace::Options::PTRACE_O_TRACESYSGOOD).unwrap();
    ptrace::interrupt(pid).unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let (mut seen, mut left) = (sizes(dir), changes);
    let killed = loop {
        let signal = match waitpid(pid, None).unwrap() {
            WaitStatus::Exited(..) => break false,
            WaitStatus::Stopped(_, signal) => Some(signal),
            _ => None,
        };
        let now = sizes(dir);
        if now != seen {
            (seen, left) = (now, left - 1);
        }
        if left == 0 {
            child.kill().unwrap();
            break true;
        }
        ptrace::syscall(pid, signal).unwrap();
    };
    // It fails for one that has exited, which was waited for above.
    let _ = child.wait();
    killed
}
