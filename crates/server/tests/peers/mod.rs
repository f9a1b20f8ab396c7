//! Third-party servers that tests start, one per test, and stop by process id.

#![allow(dead_code, unused_imports, reason = "each test binary uses its part of it")]

mod moto;
mod postgres;

pub use moto::MotoServer;
pub use postgres::PostgresServer;

use std::{
    io::{BufRead as _, BufReader, Read},
    process::{Child, Command},
};

/// Reads the lines of a server's output until one says that it is ready, and drains the rest.
fn wait_until_ready(output: impl Read + Send + 'static, ready: impl Fn(&str) -> bool) -> Result<String, String> {
    let (mut lines, mut read) = (BufReader::new(output).lines(), String::new());
    for line in lines.by_ref() {
        let Ok(line) = line else { break };
        if ready(&line) {
            std::thread::spawn(move || lines.for_each(drop));
            return Ok(line);
        }
        read.extend([&line, "\n"]);
    }
    Err(read)
}

/// Ends a process that this test started.
fn end(child: &mut Child, signal: &str) {
    let _ = Command::new("kill").args([signal, &child.id().to_string()]).status();
    let _ = child.wait();
}
