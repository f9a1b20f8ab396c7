//! An S3 server: PyPI `moto`, on loopback.

use super::{end, wait_until_ready};
use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

/// Moto requires a signature and does not verify it.
const AUTHORIZATION: &str = "Authorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, \
     SignedHeaders=host, Signature=0";

/// The server. It stores its objects in memory.
pub struct MotoServer {
    child: Child,
    /// Its URL, `http://127.0.0.1:port`.
    pub endpoint: String,
}

impl MotoServer {
    /// Starts one.
    ///
    /// # Panics
    /// If there is none on this machine: a test that cannot run fails.
    pub fn start() -> Self {
        let mut server = Command::new(find());
        // Port 0: any free port.
        server.args(["-H", "127.0.0.1", "-p", "0"]).env("PYTHONUNBUFFERED", "1");
        let mut child = server.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("moto_server runs");
        let output = child.stderr.take().expect("a pipe");
        let line = wait_until_ready(output, |line| line.contains("Running on http://"));
        let line = line.unwrap_or_else(|output| panic!("moto_server did not start: {output}"));
        let endpoint = line.split_whitespace().find(|word| word.starts_with("http://")).expect("an address");
        Self { child, endpoint: endpoint.to_owned() }
    }
}

impl MotoServer {
    /// Deletes all objects and creates an empty bucket.
    pub fn reset(&self, bucket: &str) {
        self.request("POST", "/moto-api/reset", b"");
        self.request("PUT", &format!("/{bucket}"), b"");
    }

    /// Stores an object unconditionally.
    pub fn put(&self, bucket: &str, key: &str, bytes: &[u8]) {
        self.request("PUT", &format!("/{bucket}/{key}"), bytes);
    }

    /// All objects under a key prefix: keys without the prefix, and contents.
    pub fn objects(&self, bucket: &str, prefix: &str) -> Vec<(String, Vec<u8>)> {
        let list = self.request("GET", &format!("/{bucket}?list-type=2&prefix={prefix}"), b"");
        let list = String::from_utf8(list).expect("XML");
        let keys = list.split("<Key>").skip(1).map(|rest| rest.split("</Key>").next().expect("an end").to_owned());
        let rest =
            |key: String| (key[prefix.len()..].to_owned(), self.request("GET", &format!("/{bucket}/{key}"), b""));
        keys.map(rest).collect()
    }

    /// Environment variables that point an S3 client to this server.
    pub fn environment(&self) -> [(&'static str, String); 4] {
        [
            ("AWS_ENDPOINT_URL", self.endpoint.clone()),
            ("AWS_ACCESS_KEY_ID", "test".into()),
            ("AWS_SECRET_ACCESS_KEY", "test".into()),
            ("AWS_REGION", "us-east-1".into()),
        ]
    }

    fn request(&self, method: &str, path: &str, body: &[u8]) -> Vec<u8> {
        let host = self.endpoint.trim_start_matches("http://");
        let mut stream = TcpStream::connect(host).unwrap();
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.0\r\nHost: {host}\r\n{AUTHORIZATION}\r\nContent-Length: {length}\r\n\r\n"
        )
        .unwrap();
        stream.write_all(body).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a header") + 4;
        let head = String::from_utf8_lossy(&answer[..end]);
        assert!(head.split(' ').nth(1) == Some("200"), "{method} {path}: {head}");
        answer.split_off(end)
    }
}

impl Drop for MotoServer {
    fn drop(&mut self) {
        end(&mut self.child, "-KILL");
    }
}

/// Where it is: `TELCON_MOTO`, or where `cargo xtask fixtures` puts it.
fn find() -> PathBuf {
    if let Some(path) = std::env::var_os("TELCON_MOTO") {
        return path.into();
    }
    panic!("this test needs an S3 server: run the tests with `cargo xtask unit`, or name moto_server in TELCON_MOTO")
}
