//! The interface to other programs: JSON Schemas and OpenAPI in `docs/api`, and the page's TypeScript types.

use crate::{process, rust, web};
use anyhow::{Result, bail};

/// `cargo xtask contract [--write]`.
pub fn command(arguments: &[String]) -> Result<()> {
    match arguments {
        [] => run(false),
        [flag] if flag == "--write" => run(true),
        _ => bail!("usage: cargo xtask contract [--write]"),
    }
}

/// Regenerates everything; fails if a file differs.
pub fn check() -> Result<()> {
    run(false)
}

fn run(write: bool) -> Result<()> {
    let mut test = rust::cargo(&["test", "--locked", "--workspace", "--test", "contract"])?;
    test.args(rust::features()?).args(["--", "--quiet"]);
    if write {
        test.env("TELCON_CONTRACT_WRITE", "1");
    }
    process::run(&mut test)?;
    web::contract(write)
}
