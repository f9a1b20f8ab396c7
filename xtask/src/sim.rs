//! The simulation of a whole office, over many seeds. `unit` runs a few of them with every other test.

use crate::{process, rust};
use anyhow::{Context, Result, bail};

/// Enough to find what happens in one office in a thousand, in less than an hour of two cores.
const DEFAULT_SEEDS: u64 = 10_000;

/// `[--seeds N] [--first N]`: runs the seeds, in the build that tests use.
pub fn run(arguments: &[String]) -> Result<()> {
    let (first, seeds) = parse(arguments)?;
    let mut command = process::cargo(&["test", "--locked", "--workspace", "--test", "seeds"]);
    command.args(rust::features()?).args(["--", "every_seed"]);
    command.env("TELCON_SIM_SEEDS", seeds.to_string()).env("TELCON_SIM_FIRST", first.to_string());
    process::run(&mut command)
}

fn parse(arguments: &[String]) -> Result<(u64, u64)> {
    let (mut first, mut seeds) = (1, DEFAULT_SEEDS);
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let value = match argument.as_str() {
            "--seeds" => &mut seeds,
            "--first" => &mut first,
            _ => bail!("usage: cargo xtask sim [--seeds N] [--first N]"),
        };
        let number = rest.next().with_context(|| format!("{argument} needs a number"))?;
        *value = number.parse().with_context(|| format!("{number:?} is no number"))?;
    }
    Ok((first, seeds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_its_arguments() {
        let parse = |words: &str| parse(&words.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(parse("").unwrap(), (1, DEFAULT_SEEDS));
        assert_eq!(parse("--seeds 5 --first 900").unwrap(), (900, 5));
        for wrong in ["--seeds", "--seeds many", "7", "--help"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
