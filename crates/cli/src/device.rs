//! Enrolment of this machine as a device, and its key file.

use crate::store::{private_dir, random, write_secret};
use anyhow::{Context as _, bail};
use clap::Args;
use std::{
    fs::{File, TryLockError},
    io::Read as _,
    path::{Path, PathBuf},
    time::Duration,
};
use telcon_client::{
    endpoint::{Endpoint, now_ms},
    http::{get_json, post_json},
};
use telcon_core::{
    AskingDevice, Device, DeviceError, DeviceState,
    view::{ConnectionState, View},
};
use telcon_files::{beside, create_private, open_lock, remove_left_over, remove_private, rename_new};
use telcon_identity::{Ask, IdentityError};
use telcon_proto::http::{API_PREFIX, AskRequest, Asked, EnrolRequest, Enrolled, ErasureNoted, ErasureReport, Orders};

/// Suffix of a key file until the office has enrolled its device.
const ENROLLING: &str = ".enrolling";
/// How often a registrar's answer is asked for.
const ASK_AGAIN: Duration = Duration::from_secs(2);
/// Message for a revoked device.
const REVOKED: &str =
    "the office has revoked this device. It can do nothing any more. Ask the office for a new enrolment link.";
/// Message for a device that was ordered to erase itself.
const ERASED: &str =
    "the office has revoked this device, and its keys are erased. Ask the office for a new enrolment link.";

/// What to tell the person of a revoked device.
pub fn why_revoked(view: &View) -> &'static str {
    if view.revocation.as_ref().is_some_and(|revocation| revocation.erase) { ERASED } else { REVOKED }
}

/// Largest device file, bytes: keys, the office's description and the state of one call have some 100 kB.
const MAX_DEVICE_BYTES: u64 = 64 << 20;
/// Longest enrolment link, bytes: a CNSA 2.0 link has 10,600.
const MAX_LINK_BYTES: u64 = 64 * 1024;

/// Arguments of `telcon enrol`.
#[derive(Args)]
#[command(after_help = "Example: telcon enrol --device note-taker.json 'http://localhost:8080/#enrol=…'")]
pub struct EnrolArgs {
    /// File for the device's keys. It must not exist.
    #[arg(long)]
    pub device: PathBuf,
    /// A code of ten digits that a security officer reads out; `-` reads it from standard input. Then LINK is the office's address.
    #[arg(long)]
    pub code: Option<String>,
    /// The enrolment link; `-` reads it from standard input, so that other users of this machine cannot see it.
    pub link: String,
}

/// `telcon enrol`.
pub fn enrol(args: EnrolArgs) -> anyhow::Result<()> {
    if args.device.exists() {
        bail!("{} already exists; choose another file", args.device.display());
    }
    let link = match &args.code {
        Some(code) => crate::code::redeem(&or_standard_input(code)?, &args.link)?,
        None => or_standard_input(&args.link)?,
    };
    let Some((server, fragment)) = link.trim().split_once("/#enrol=") else {
        bail!("not an enrolment link: it has the form https://office.example/#enrol=…");
    };
    if Ask::is_ask(fragment) {
        ask_at(server, fragment, &args.device)?;
    } else {
        enrol_at(server, fragment, &args.device)?;
    }
    crate::output::say!("This machine is enrolled; its keys are in {}.", args.device.display());
    Ok(())
}

/// An argument, or the first line of standard input in the place of `-`.
fn or_standard_input(argument: &str) -> anyhow::Result<String> {
    if argument != "-" {
        return Ok(argument.to_owned());
    }
    let mut line = String::new();
    std::io::stdin().take(MAX_LINK_BYTES).read_to_string(&mut line).context("cannot read standard input")?;
    Ok(line.lines().next().unwrap_or_default().to_owned())
}

/// Enrols at a server and saves the device's state at `path`.
pub fn enrol_at(server: &str, fragment: &str, path: &Path) -> anyhow::Result<()> {
    let office = get_json(&format!("{server}{API_PREFIX}/office"), None)?;
    let state = DeviceState::enrol(fragment, office, &random()?, now_ms())?;
    if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        private_dir(dir)?;
    }
    // Saved under another name first, so that the key is not lost if this process dies after the office accepted the certificate.
    let temporary = beside(path, ENROLLING);
    create_private(&temporary, state.to_text().as_bytes()).with_context(|| {
        format!(
            "cannot write {}. If it exists, another enrolment of this file is in progress, or one was interrupted: if its link is used \
             up, that file has the device's keys; otherwise delete it",
            temporary.display()
        )
    })?;
    let body = serde_json::to_vec(&EnrolRequest { chain: state.chain().to_vec() })?;
    let enrolled: Result<Enrolled, _> = post_json(&format!("{server}{API_PREFIX}/devices"), None, &body);
    match enrolled {
        Ok(_) => rename_new(&temporary, path).with_context(|| {
            format!(
                "this device is enrolled, and its keys are in {}: rename that file to {}, or to a free name",
                temporary.display(),
                path.display()
            )
        }),
        Err(error) if error.is_outcome_unknown() => Err(anyhow::Error::from(error).context(format!(
            "the keys are saved in {}: if the link turns out to be used up, the office has enrolled this device, and that \
             file is its key file",
            temporary.display()
        ))),
        Err(error) => {
            let _ = std::fs::remove_file(&temporary);
            Err(error.into())
        }
    }
}

/// Asks a registrar to enrol this machine, waits for the answer, and saves the device's state at `path`. An interrupted wait goes
/// on with the same request.
fn ask_at(server: &str, fragment: &str, path: &Path) -> anyhow::Result<()> {
    let waiting = beside(path, ENROLLING);
    let finish = || {
        rename_new(&waiting, path).with_context(|| {
            format!("this device is enrolled, and its keys are in {}: rename that file", waiting.display())
        })
    };
    let asking = if waiting.exists() {
        let text = telcon_files::read_text_named(&waiting, MAX_DEVICE_BYTES)?;
        // Killed after a registrar's certificates were saved: only the name of the file is missing.
        let enrolled = DeviceState::parse(&text).and_then(|state| Device::open(&state, now_ms()));
        if let Ok(device) = enrolled.as_ref()
            && (!device.me().registrars().is_empty() || device.me().given_by().is_some())
        {
            finish()?;
            let card = device.me().card();
            crate::output::tell!(
                "This finished an enrolment that was interrupted, as {}, {}. The link was not opened.",
                crate::output::Printable(&card.name),
                crate::output::Printable(&card.organisation)
            );
            return Ok(());
        }
        match AskingDevice::parse(&text) {
            Ok(asking) if asking.is_for(fragment) => asking,
            _ => bail!(
                "{} is of another enrolment: finish that one with its own link, or delete the file",
                waiting.display()
            ),
        }
    } else {
        let office = get_json(&format!("{server}{API_PREFIX}/office"), None)?;
        let asking = AskingDevice::ask(fragment, office, &label(), &random()?, now_ms())?;
        if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
            private_dir(dir)?;
        }
        create_private(&waiting, asking.to_text().as_bytes())
            .with_context(|| format!("cannot write {}", waiting.display()))?;
        asking
    };
    let body = serde_json::to_vec(&AskRequest { request: asking.request().to_owned() })?;
    let url = format!("{server}{API_PREFIX}/device-requests");
    let (mut told, mut told_first) = (false, false);
    let chain = loop {
        let asked: Result<Asked, _> = post_json(&url, None, &body);
        match asked {
            Ok(Asked::Waiting { approvals, .. }) => {
                if !told {
                    crate::output::say!("Code: {}", asking.code()?);
                    let who =
                        if asking.takes_line() { "the person who gave you the line" } else { "your security officer" };
                    crate::output::tell!(
                        "Read this code to {who}, over another channel than the link came by. Waiting for approval …"
                    );
                    told = true;
                }
                if approvals > 0 && !told_first {
                    crate::output::tell!(
                        "One of two approvals: a second security officer has to compare the code and approve."
                    );
                    told_first = true;
                }
                std::thread::sleep(ASK_AGAIN);
            }
            Ok(Asked::Approved { chain }) => break chain,
            Ok(Asked::Refused {}) => {
                remove_private(&waiting)?;
                let who = if asking.takes_line() { "the person who gave the line" } else { "the security officer" };
                bail!("{who} refused this device: ask why, and for another link");
            }
            Ok(Asked::Expired {}) => {
                remove_private(&waiting)?;
                bail!("nobody answered in time: ask your office for another link");
            }
            Err(error) if told && error.is_outcome_unknown() => std::thread::sleep(ASK_AGAIN),
            Err(error) => {
                if !error.is_outcome_unknown() {
                    remove_private(&waiting)?;
                }
                return Err(error.into());
            }
        }
    };
    let state = asking.complete(chain, now_ms())?;
    write_secret(&waiting, state.to_text().as_bytes())?;
    finish()
}

/// What this machine says it is.
fn label() -> String {
    let host = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    host.map_or_else(|| "telcon".to_owned(), |host| format!("telcon on {host}"))
}

/// Reads a device's state.
pub fn open(path: &Path) -> anyhow::Result<DeviceState> {
    let text = telcon_files::read_text_named(path, MAX_DEVICE_BYTES).with_context(|| {
        format!(
            "cannot read {}; enrol this machine first: telcon enrol (the key file of a revoked device is deleted)",
            path.display()
        )
    })?;
    Ok(DeviceState::parse(&text)?)
}

/// Reads a device's state and opens it. One whose certificate has expired asks `server` whether it is to erase itself, and does so if that
/// verifies: it cannot sign in to learn that.
///
/// # Errors
/// When it cannot be opened; when it is to erase itself and another process uses it.
pub async fn open_or_erase(path: &Path, server: &str) -> anyhow::Result<Device> {
    let state = open(path)?;
    let error = match Device::open(&state, now_ms()) {
        Err(error @ DeviceError::Identity(IdentityError::Expired(_))) => error,
        opened => return Ok(opened?),
    };
    let (path, server) = (path.to_owned(), server.to_owned());
    let erased = tokio::task::spawn_blocking(move || erase_if_ordered(&state, &path, &server)).await??;
    if erased {
        bail!(ERASED);
    }
    Err(error.into())
}

/// Erases a device that cannot sign in, if there is an order that verifies. Returns whether it is erased.
fn erase_if_ordered(state: &DeviceState, path: &Path, server: &str) -> anyhow::Result<bool> {
    let request = serde_json::to_vec(&state.anchor().order_request())?;
    // Without an answer its person is told what is wrong with the certificate.
    let orders = post_json::<Orders>(&format!("{server}{API_PREFIX}/orders"), None, &request).ok();
    let report = orders.and_then(|orders| state.erasure_report(&orders.revocation?, now_ms()));
    let Some(report) = report else { return Ok(false) };
    let _lock = lock(path)?;
    remove_private(path).with_context(|| format!("cannot delete {}: delete it", path.display()))?;
    remove_private(&beside(path, ENROLLING))?;
    let report = serde_json::to_vec(&ErasureReport { jws: report })?;
    if post_json::<ErasureNoted>(&format!("{server}{API_PREFIX}/erasures"), None, &report).is_err() {
        tracing::warn!("the office was not told that this device erased its keys; they are erased");
    }
    Ok(true)
}

/// Locks a device's key file, or a note-taker's spool, for this process: two processes with one device would take each other's
/// calls.
///
/// # Errors
/// When another process holds the lock.
pub fn lock(path: &Path) -> anyhow::Result<File> {
    // Canonical, so that every name of the file has the same lock. Not the file itself, which is replaced on each change.
    let canonical = std::fs::canonicalize(path).with_context(|| format!("cannot read {}", path.display()))?;
    let lock_path = beside(&canonical, ".lock");
    let lock = open_lock(&lock_path).with_context(|| format!("cannot open {}", lock_path.display()))?;
    match lock.try_lock() {
        // Nobody else writes the file now.
        Ok(()) => match remove_left_over(path) {
            Ok(()) => Ok(lock),
            Err(error) => Err(error).with_context(|| format!("cannot remove what is left beside {}", path.display())),
        },
        Err(TryLockError::WouldBlock) => {
            bail!("{} is in use by another telcon process: stop that one first", path.display())
        }
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("cannot lock {}", lock_path.display())),
    }
}

/// A function that saves the state at `path`, and deletes the file when the state is empty because the device was revoked.
pub fn persister(path: PathBuf) -> Box<dyn Fn(&str) + Send> {
    Box::new(move |text| {
        let saved = if text.is_empty() {
            let removed = remove_private(&path).and_then(|()| remove_private(&beside(&path, ENROLLING)));
            removed
                .with_context(|| format!("cannot delete the revoked device's keys: delete {} by hand", path.display()))
        } else {
            write_secret(&path, text.as_bytes())
        };
        if let Err(error) = saved {
            tracing::error!("{error:#}");
        }
    })
}

/// Waits until this device is revoked; returns that as an error.
pub async fn revoked(endpoint: &Endpoint) -> anyhow::Result<()> {
    let view = endpoint.until(|view| view.phase == ConnectionState::Revoked).await?;
    bail!(why_revoked(&view))
}
