//! All benchmarks that need no third-party servers.

use crate::metadata::Metadata;
use crate::{network, process, rust, transcript, wasm, web};
use anyhow::Result;

/// The benchmark that starts a server and makes calls.
const SETUP: &str = "setup";

/// Runs the criterion benchmarks. Arguments are passed to `cargo bench`: `-p CRATE`, or `-- FILTER`.
pub fn run(arguments: &[String]) -> Result<()> {
    let mut command = rust::cargo(&["bench", "--locked"])?;
    let one_crate = arguments.iter().any(|argument| argument == "-p" || argument.starts_with("--package"));
    let metadata = Metadata::read()?;
    if one_crate {
        command.arg("--benches");
    } else {
        command.arg("--workspace");
        for bench in metadata
            .benches()
            .into_iter()
            .filter(|bench| ![SETUP, network::BENCH, transcript::BENCH].contains(&bench.as_str()))
        {
            command.args(["--bench", &bench]);
        }
    }
    command.args(rust::features_from(&metadata)).args(arguments);
    process::run(&mut command)?;
    if arguments.is_empty() {
        // User-visible delays, in the test profile: a release build of everything would take longer than the benchmark.
        let mut setup = rust::cargo(&["bench", "--locked", "--workspace", "--profile", "dev", "--bench", SETUP])?;
        process::run(setup.args(rust::features()?))?;
        wasm::bench()?;
        web::measure()?;
    }
    Ok(())
}
