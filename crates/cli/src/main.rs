//! The `telcon` command.
fn main() {}
