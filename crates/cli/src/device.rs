//! This machine as a device of a person.

use crate::store::{private_dir, random, write_secret};
use anyhow::{Context as _, bail};
use clap::Args;
use std::{
    fs::{File, TryLockError},
    io::Read as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};
use telcon_client::{
    endpoint::{Endpoint, now_ms},
    upload::{get_json, is_unanswered, post_json},
};
use telcon_core::{DeviceState, view::ConnectionState};
use telcon_proto::http::{API_PREFIX, EnrolRequest, Enrolled};

/// Open flag: fail if the lock file is a symbolic link.
const O_NOFOLLOW: i32 = 0o400_000;
/// Message for the user of a revoked device.
pub const REVOKED: &str =
    "the office has revoked this device; its keys are erased. Ask the office for a new enrolment link.";
/// Maximum length of an enrolment link, bytes: one with suite `cnsa2` has 10,600.
const MAX_LINK_BYTES: u64 = 64 * 1024;

/// Arguments of `telcon enrol`.
#[derive(Args)]
#[command(after_help = "Example: telcon enrol --device note-taker.json 'http://localhost:8080/#enrol=…'")]
pub struct EnrolArgs {
    /// File for the device's keys; it must not exist.
    #[arg(long)]
    pub device: PathBuf,
    /// The enrolment link, or `-` to read it from standard input, hidden from other users of this machine.
    pub link: String,
}

/// `telcon enrol`.
pub fn enrol(args: EnrolArgs) -> anyhow::Result<()> {
    let link = match args.link.as_str() {
        "-" => {
            let mut line = String::new();
            std::io::stdin().take(MAX_LINK_BYTES).read_to_string(&mut line).context("cannot read standard input")?;
            line.lines().next().unwrap_or_default().to_owned()
        }
        link => link.to_owned(),
    };
    let Some((server, fragment)) = link.trim().split_once("/#enrol=") else {
        bail!("not an enrolment link: it has the form https://office.example/#enrol=…");
    };
    if args.device.exists() {
        bail!("{} already exists; choose another file", args.device.display());
    }
    enrol_at(server, fragment, &args.device)?;
    println!("This machine is enrolled; its keys are in {}.", args.device.display());
    Ok(())
}

/// Enrols at a server and writes the device's state to `path`.
pub fn enrol_at(server: &str, fragment: &str, path: &Path) -> anyhow::Result<()> {
    let office = get_json(&format!("{server}{API_PREFIX}/office"), None)?;
    let state = DeviceState::enrol(fragment, office, &random()?, now_ms())?;
    if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        private_dir(dir)?;
    }
    // Written under another name first, so that a crash after the office accepted the certificate does not lose the key.
    let early = path.with_extension("enrolling");
    write_secret(&early, state.to_text().as_bytes())?;
    let body = serde_json::to_vec(&EnrolRequest { chain: state.chain().to_vec() })?;
    let enrolled: anyhow::Result<Enrolled> = post_json(&format!("{server}{API_PREFIX}/devices"), None, &body);
    match enrolled {
        Ok(_) => std::fs::rename(&early, path).with_context(|| format!("cannot write {}", path.display())),
        // Without a response it is unknown whether the office accepted the device; its key must be kept.
        Err(error) if is_unanswered(&error) => Err(error.context(format!(
            "the keys are kept in {}: if the link turns out to be used, the office accepted this device, and that file is its state",
            early.display()
        ))),
        Err(error) => {
            let _ = std::fs::remove_file(&early);
            Err(error)
        }
    }
}

/// Reads a device's state.
pub fn open(path: &Path) -> anyhow::Result<DeviceState> {
    let text = std::fs::read_to_string(path).with_context(|| {
        format!(
            "cannot read {}: enrol this machine first with telcon enrol (a revoked device's file is deleted)",
            path.display()
        )
    })?;
    Ok(DeviceState::parse(&text)?)
}

/// Locks a device's file or a note-taker's spool for this process. Two processes would take each other's calls.
///
/// # Errors
/// If another process holds the lock.
pub fn hold(path: &Path) -> anyhow::Result<File> {
    // Canonical, so that one device has one lock. A separate file, because the state file is replaced on every change.
    let mut place =
        std::fs::canonicalize(path).with_context(|| format!("cannot read {}", path.display()))?.into_os_string();
    place.push(".lock");
    let place = PathBuf::from(place);
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(O_NOFOLLOW);
    let lock = options.open(&place).with_context(|| format!("cannot open {}", place.display()))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => {
            bail!("{} is in use by another telcon process: stop that one first", path.display())
        }
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("cannot lock {}", place.display())),
    }
}

/// Writes the state to `path` whenever it changes, and removes it when the device is revoked.
pub fn keeper(path: PathBuf) -> Box<dyn Fn(&str) + Send> {
    Box::new(move |text| {
        let kept = if text.is_empty() {
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    Err(error).context("cannot remove the revoked device's keys")
                }
                _ => Ok(()),
            }
        } else {
            write_secret(&path, text.as_bytes())
        };
        if let Err(error) = kept {
            tracing::error!("{error:#}");
        }
    })
}

/// Fails when the office has revoked this device.
pub async fn revoked(endpoint: &Endpoint) -> anyhow::Result<()> {
    endpoint.until(|view| view.phase == ConnectionState::Revoked).await?;
    bail!(REVOKED)
}
