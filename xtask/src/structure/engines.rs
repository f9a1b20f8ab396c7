//! The engines of `server` are in one crate with their drivers, so that no `clippy.toml` can tell them apart: their sources are
//! searched instead.

use super::{
    files, read,
    source::{tokens, without_comments, without_tests},
};

/// Directories of engines.
const ENGINES: &[&str] =
    &["crates/server/src/switchboard", "crates/server/src/placement", "crates/server/src/assignment"];

/// Engines of one file, beside their drivers.
const ENGINE_FILES: &[&str] = &["crates/server/src/codes.rs", "crates/server/src/push/queue.rs"];

/// Words of clocks, randomness, threads, sockets and files. Times and random numbers are arguments of an engine; everything
/// else is done by its driver.
const REFUSED: &[&str] =
    &["Instant", "SystemTime", "thread", "tokio", "getrandom", "rand", "fs", "File", "UdpSocket", "TcpStream", "env"];

/// The refused words in the code of a file, without its tests.
fn refused(source: &str) -> Vec<String> {
    let code = without_tests(&without_comments(source));
    tokens(&code).into_iter().filter(|word| REFUSED.contains(word)).map(str::to_owned).collect()
}

#[test]
fn engines_of_the_server_take_everything_as_arguments() {
    let mut seen = 0;
    let alone = ENGINE_FILES.iter().map(std::path::PathBuf::from);
    for file in ENGINES.iter().flat_map(|dir| files(dir, "rs")).chain(alone) {
        let is_test = file.components().any(|part| part.as_os_str() == "tests") || file.ends_with("tests.rs");
        if !is_test {
            seen += 1;
            let found = refused(&read(&file));
            assert!(found.is_empty(), "{}: {found:?}: an engine takes it as an argument", file.display());
        }
    }
    assert!(seen > 10, "the engines' sources have moved");
}

#[test]
fn a_clock_in_an_engine_is_found() {
    assert_eq!(refused("fn f() { let now = std::time::Instant::now(); }"), ["Instant"]);
    assert!(refused("// Instant\n#[cfg(test)] mod tests { use std::time::Instant; } fn f(now_ms: u64) {}").is_empty());
}
