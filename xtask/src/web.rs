//! The web pages: npm packages, build, tests.

use crate::{process, stamp, wasm};
use anyhow::Result;
use std::path::PathBuf;

/// Directories that are no input of the build: installed packages, build outputs, tests.
const NOT_SOURCES: &[&str] = &["node_modules", "dist", "dist-fake", "dist-screenshots", "screenshots", "e2e"];

/// The directory of the built pages.
pub fn dist() -> PathBuf {
    folder().join("dist")
}

/// Installs packages and builds the pages, each only if its inputs have changed.
pub fn build() -> Result<()> {
    wasm::build()?;
    packages()?;
    let page = dist().join("index.html");
    let inputs = stamp::Inputs::default().path(&folder(), NOT_SOURCES)?;
    let built = stamp::unless_done(&stamp::place("web"), inputs, &[&page], || npm(&["run", "build"]))?;
    if !built {
        println!("web/dist is up to date");
    }
    Ok(())
}

/// View model tests, type checks, linter and formatter.
pub fn test() -> Result<()> {
    build()?;
    npm(&["test"])
}

/// The page's TypeScript types, generated from `docs/api`: written, or compared with the existing file.
pub fn contract(write: bool) -> Result<()> {
    packages()?;
    npm(&["run", if write { "contract" } else { "contract:check" }])
}

/// End-to-end tests in a real browser against real servers.
pub fn e2e() -> Result<()> {
    in_browsers("e2e")
}

/// User-visible delays in a browser.
pub fn measure() -> Result<()> {
    in_browsers("measure")
}

fn in_browsers(script: &str) -> Result<()> {
    build()?;
    let binary = crate::rust::binary()?;
    let model = crate::fixtures::model()?;
    let mut command = process::command("npm");
    command.args(["run", script]).current_dir(folder());
    command.env("TELCON_BIN", binary).env("TELCON_WEB", dist()).env("TELCON_ASR_MODEL", model);
    process::run(&mut command)
}

fn packages() -> Result<()> {
    let node = process::output(process::command("node").arg("--version"))?;
    let inputs = stamp::Inputs::default()
        .value(&node)
        .path(&folder().join("package.json"), &[])?
        .path(&folder().join("package-lock.json"), &[])?;
    // Inside node_modules, so that removing it removes the stamp.
    let stamp = folder().join("node_modules/.telcon-stamp");
    stamp::unless_done(&stamp, inputs, &[], || npm(process::NPM_CI)).map(drop)
}

fn npm(arguments: &[&str]) -> Result<()> {
    process::run(process::command("npm").args(arguments).current_dir(folder()))
}

fn folder() -> PathBuf {
    process::root().join("web")
}
