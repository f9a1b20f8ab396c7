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
use telcon_proto::http::{EnrolRequest, Enrolled};

/// A link that somebody put where a lock is to be is not followed.
const O_NOFOLLOW: i32 = 0o400_000;
/// What a device is told that was revoked.
pub const REVOKED: &str =
    "the office has revoked this device, and its keys are erased. Ask the office for a new enrolment link.";
/// Longest enrolment link, bytes: a CNSA 2.0 one has 10,600.
const MAX_LINK_BYTES: u64 = 64 * 1024;

/// Arguments of `telcon enrol`.
#[derive(Args)]
#[command(after_help = "Example: telcon enrol --device note-taker.json 'http://localhost:8080/#enrol=…'")]
pub struct EnrolArgs {
    /// File to keep the device's keys in. It must not exist.
    #[arg(long)]
    pub device: PathBuf,
    /// The enrolment link; `-` reads it from standard input, where other users of this machine do not see it.
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
        bail!("that is no enrolment link: it looks like http://office.example/#enrol=…");
    };
    if args.device.exists() {
        bail!("{} exists; a device is enrolled once. Choose another file.", args.device.display());
    }
    enrol_at(server, fragment, &args.device)?;
    println!("This machine is enrolled; its keys are in {}.", args.device.display());
    Ok(())
}

/// Enrols at a server and keeps the device's state at `path`.
pub fn enrol_at(server: &str, fragment: &str, path: &Path) -> anyhow::Result<()> {
    let office = get_json(&format!("{server}/api/office"), None)?;
    let state = DeviceState::enrol(fragment, office, &random()?, now_ms())?;
    if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        private_dir(dir)?;
    }
    // Kept under another name first: if this machine dies after the office took the certificate, the key is not lost.
    let early = path.with_extension("enrolling");
    write_secret(&early, state.to_text().as_bytes())?;
    let body = serde_json::to_vec(&EnrolRequest { chain: state.chain().to_vec() })?;
    let enrolled: anyhow::Result<Enrolled> = post_json(&format!("{server}/api/devices"), None, &body);
    match enrolled {
        Ok(_) => std::fs::rename(&early, path).with_context(|| format!("cannot write {}", path.display())),
        // Without an answer nobody knows whether the office took this device: then its key is all there is of it.
        Err(error) if is_unanswered(&error) => Err(error.context(format!(
            "the keys are kept in {}: if the link turns out to be used, the office took this device, and that file is it",
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
            "cannot read {}; enrol this machine first: telcon enrol (the file of a device that heard of its revocation is gone)",
            path.display()
        )
    })?;
    Ok(DeviceState::parse(&text)?)
}

/// Holds a device's file, or a note-taker's spool, for this process: two that used it at once would take each other's calls.
///
/// # Errors
/// If another process holds it.
pub fn hold(path: &Path) -> anyhow::Result<File> {
    // One device by whatever name. The file itself is replaced whenever it changes; what is locked must stay.
    let mut place =
        std::fs::canonicalize(path).with_context(|| format!("cannot read {}", path.display()))?.into_os_string();
    place.push(".lock");
    let place = PathBuf::from(place);
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(O_NOFOLLOW);
    let lock = options.open(&place).with_context(|| format!("cannot open {}", place.display()))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => bail!("{} is in use by another telcon: end that one first", path.display()),
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("cannot lock {}", place.display())),
    }
}

/// A function that keeps the state at `path` whenever it changes, and removes it when the device was revoked.
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

/// Ends with an error when the office says that this device is revoked.
pub async fn revoked(endpoint: &Endpoint) -> anyhow::Result<()> {
    endpoint.until(|view| view.phase == ConnectionState::Revoked).await?;
    bail!(REVOKED)
}
