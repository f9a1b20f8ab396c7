//! The name of a PostgreSQL database: what distinguishes it from others, and no password.

use postgres::{Config, config::Host};
use std::fmt::Write as _;

/// The port that a URL without one means.
const DEFAULT_PORT: u16 = 5432;

/// The URL of a database with its user, hosts, database and schema only. None for a malformed URL.
pub(in super::super) fn name(url: &str) -> Option<String> {
    let config: Config = url.parse().ok()?;
    let mut name = "postgres://".to_owned();
    if let Some(user) = config.get_user() {
        name.push_str(&encoded(user));
        name.push('@');
    }
    let ports = config.get_ports();
    for (index, host) in config.get_hosts().iter().enumerate() {
        if index > 0 {
            name.push(',');
        }
        match host {
            Host::Tcp(host) => name.push_str(&encoded(host)),
            Host::Unix(path) => name.push_str(&encoded(&path.to_string_lossy())),
        }
        // One port is for all hosts.
        if let Some(port) = ports.get(index).or(ports.first()).filter(|port| **port != DEFAULT_PORT) {
            let _ = write!(name, ":{port}");
        }
    }
    if let Some(database) = config.get_dbname() {
        name.push('/');
        name.push_str(&encoded(database));
    }
    if let Some(schema) = config.get_options().and_then(search_path) {
        name.push_str("?options=-csearch_path%3D");
        name.push_str(&encoded(schema));
    }
    Some(name)
}

/// The schema that the options of a session choose; the last setting counts.
fn search_path(options: &str) -> Option<&str> {
    options.split_whitespace().filter_map(|word| word.split_once("search_path=")).map(|(_, schema)| schema).next_back()
}

/// Percent-encoding (RFC 3986) of everything but unreserved characters.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}
