//! Child processes: started in the repository's root, with the environment of a plain shell.

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Arguments of npm to install exactly the lock file's versions, quietly.
pub const NPM_CI: &[&str] = &["ci", "--no-audit", "--no-fund", "--loglevel=error"];

/// The repository's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("invariant: xtask/ lies in the repository")
}

/// The directory of all build outputs and downloads: `CARGO_TARGET_DIR`, or `target/`.
pub fn target_dir() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => root().join(folder),
        None => root().join("target"),
    }
}

/// A command in the root directory. Variables that `cargo run` set are removed: build scripts that depend on them would
/// otherwise rerun whenever `cargo` and `cargo xtask` alternate.
pub fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root());
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(is_from_cargo_run) {
            command.env_remove(name);
        }
    }
    command
}

fn is_from_cargo_run(name: &str) -> bool {
    name.starts_with("CARGO_PKG_")
        || name.starts_with("CARGO_MANIFEST_")
        || name.starts_with("CARGO_BIN_")
        // LIBRARY_PATH comes from `.cargo/config.toml`, which the child cargo reads itself.
        || matches!(
            name,
            "CARGO" | "CARGO_CRATE_NAME" | "CARGO_PRIMARY_PACKAGE" | "OUT_DIR" | "LD_LIBRARY_PATH" | "LIBRARY_PATH"
        )
}

/// Cargo, with the environment of [`set_cargo_env`].
pub fn cargo(arguments: &[&str]) -> Command {
    let mut command = command("cargo");
    set_cargo_env(command.args(arguments));
    command
}

/// Sets the environment of cargo, or of a tool that runs it: no incremental compilation on CI, where its files are never
/// used again.
pub fn set_cargo_env(command: &mut Command) {
    if in_ci() {
        command.env("CARGO_INCREMENTAL", "0");
    }
}

/// Whether this runs on CI (`CI=true`).
pub fn in_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| !value.is_empty() && value != "false")
}

/// Runs a command to its end, with its output on the terminal.
pub fn run(command: &mut Command) -> Result<()> {
    let shown = show(command);
    let status = command.status().with_context(|| format!("cannot start {shown}"))?;
    if !status.success() {
        bail!("{shown}\n    ended with {status}");
    }
    Ok(())
}

/// Runs a command and returns its standard output, trimmed. Standard error goes to the terminal.
pub fn output(command: &mut Command) -> Result<String> {
    let shown = show(command);
    let output = command.stderr(Stdio::inherit()).output().with_context(|| format!("cannot start {shown}"))?;
    if !output.status.success() {
        bail!("{shown}\n    ended with {}", output.status);
    }
    Ok(String::from_utf8(output.stdout).with_context(|| format!("{shown} did not print text"))?.trim().to_owned())
}

/// Whether a command starts and succeeds. Prints nothing.
pub fn succeeds(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// The command as a shell line, with the variables that were set.
fn show(command: &Command) -> String {
    let variables = command.get_envs().filter_map(|(name, value)| {
        let value = value?.to_string_lossy().into_owned();
        Some(format!("{}='{value}'", name.to_string_lossy()))
    });
    let program = std::iter::once(command.get_program().to_string_lossy().into_owned());
    let arguments = command.get_args().map(|argument| argument.to_string_lossy().into_owned());
    variables.chain(program).chain(arguments).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_of_cargo_run_are_removed() {
        // A test runs under cargo too, so that these are set in it.
        assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
        let seen = output(&mut command("env")).unwrap();
        assert!(!seen.lines().any(|line| line.starts_with("CARGO_MANIFEST_DIR=") || line.starts_with("CARGO_PKG_")));
        assert!(seen.lines().any(|line| line.starts_with("PATH=")));
    }

    #[test]
    fn a_failure_names_the_command_that_failed() {
        let failure = run(command("sh").args(["-c", "exit 3"]).env("TELCON_SHOWN", "yes")).unwrap_err().to_string();
        assert!(failure.contains("TELCON_SHOWN='yes' sh -c exit 3"), "{failure}");
        assert!(failure.contains("exit status: 3"), "{failure}");
    }

    #[test]
    fn a_missing_program_does_not_succeed() {
        assert!(!succeeds(&mut command("telcon-no-such-program")));
        assert!(succeeds(&mut command("true")));
        assert!(!succeeds(&mut command("false")));
    }
}
