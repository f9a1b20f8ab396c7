//! Child processes: started from the repository's root, with the environment that a plain shell would give them.

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Arguments of npm to install exactly what the lock file says, without remarks.
pub const NPM_CI: &[&str] = &["ci", "--no-audit", "--no-fund", "--loglevel=error"];

/// The repository's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("invariant: xtask/ lies in the repository")
}

/// Where everything that is built or fetched goes: `CARGO_TARGET_DIR`, or `target/`.
pub fn target_dir() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => root().join(folder),
        None => root().join("target"),
    }
}

/// A command in the root. What `cargo run` put into our environment is taken out again: build scripts that watch those
/// variables would otherwise run anew each time that somebody alternates between `cargo` and `cargo xtask`.
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
        // LIBRARY_PATH is from `.cargo/config.toml`, where the next cargo finds it again.
        || matches!(
            name,
            "CARGO" | "CARGO_CRATE_NAME" | "CARGO_PRIMARY_PACKAGE" | "OUT_DIR" | "LD_LIBRARY_PATH" | "LIBRARY_PATH"
        )
}

/// Cargo, without incremental compilation where nothing will be compiled a second time.
pub fn cargo(arguments: &[&str]) -> Command {
    let mut command = command("cargo");
    command.args(arguments);
    if in_ci() {
        command.env("CARGO_INCREMENTAL", "0");
    }
    command
}

/// Whether this is an integration machine (`CI=true`).
pub fn in_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| !value.is_empty() && value != "false")
}

/// Runs to the end; what it prints goes to the terminal.
pub fn run(command: &mut Command) -> Result<()> {
    let shown = show(command);
    let status = command.status().with_context(|| format!("cannot start {shown}"))?;
    if !status.success() {
        bail!("{shown}\n    ended with {status}");
    }
    Ok(())
}

/// What it prints on standard output, trimmed. Standard error goes to the terminal.
pub fn output(command: &mut Command) -> Result<String> {
    let shown = show(command);
    let output = command.stderr(Stdio::inherit()).output().with_context(|| format!("cannot start {shown}"))?;
    if !output.status.success() {
        bail!("{shown}\n    ended with {}", output.status);
    }
    Ok(String::from_utf8(output.stdout).with_context(|| format!("{shown} did not print text"))?.trim().to_owned())
}

/// Whether it can be started and succeeds. Prints nothing.
pub fn succeeds(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// The command as somebody could type it (variables that matter first).
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
    fn hides_what_cargo_run_sets() {
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
    fn a_program_that_is_not_there_does_not_succeed() {
        assert!(!succeeds(&mut command("telcon-no-such-program")));
        assert!(succeeds(&mut command("true")));
        assert!(!succeeds(&mut command("false")));
    }
}
