//! Janus, controlled through its Unix socket API: one JSON text per message.
//!
//! Configured for speed: sixteen event loops, which are cheaper than one thread per connection and than a single loop
//! (which polls all its sockets for each packet); ICE-lite; no header extensions, unused plug-ins, unused transports or
//! logs. Each party publishes on one connection and subscribes to all others on a second one, as Janus 1.x recommends;
//! the suite preferred by both sides is AES-GCM.

use crate::{
    relay::signalling::Signalling,
    testbed::{ServerProcess, Testbed},
};
use anyhow::{Context, Result, bail, ensure};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    fs::{self, File},
    io::{Read, Write},
    os::{fd::AsRawFd, unix::net::UnixStream},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

/// Longest message that is accepted, bytes.
const MAX_MESSAGE: usize = 128 * 1024;
/// Maximum unrelated messages (such as notifications) between a request and its response.
const MAX_UNRELATED: usize = 10_000;
/// Time limit of a response.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Time limit of a start, and maximum attempts.
const START: Duration = Duration::from_secs(5);
const START_ATTEMPTS: u32 = 30;
/// Poll interval during the start.
const START_POLL_INTERVAL: Duration = Duration::from_millis(20);

/// A session with Janus.
pub struct Janus {
    socket: UnixStream,
    parties: u32,
    transaction: u64,
    session: u64,
    control: u64,
    rooms: HashMap<u32, Vec<u32>>,
    subscribers: HashMap<u32, u64>,
    buffer: Vec<u8>,
}

impl Janus {
    /// Starts Janus with its files in `folder`.
    ///
    /// # Errors
    /// When it is not installed or does not start.
    pub fn start(testbed: &Testbed, folder: &Path, parties: u32) -> Result<(ServerProcess, Self)> {
        ensure!(testbed.is_netns(), "Janus ignores loopback: it needs a network namespace");
        let path = configure(testbed, folder)?;
        let mut log = String::new();
        for _ in 0..START_ATTEMPTS {
            let mut command = testbed.command("janus");
            command.arg("--configs-folder").arg(folder);
            let mut process = ServerProcess::start(testbed, command, Some(File::create(folder.join("log"))?))?;
            let deadline = Instant::now() + START;
            // Race in Janus: its socket thread exits, and removes the socket, if it runs before the main thread has recorded
            // it. On a single core this happens about every second time.
            while Instant::now() < deadline && process.child().try_wait()?.is_none() {
                match open_socket(&path).and_then(|socket| Self::connect(socket, parties)) {
                    Ok(janus) => return Ok((process, janus)),
                    Err(_) => thread::sleep(START_POLL_INTERVAL),
                }
            }
            log = fs::read_to_string(folder.join("log")).unwrap_or_default();
        }
        bail!("Janus did not start in {START_ATTEMPTS} attempts. Its log:\n{log}")
    }

    fn connect(socket: UnixStream, parties: u32) -> Result<Self> {
        let mut janus = Self {
            socket,
            parties,
            transaction: 0,
            session: 0,
            control: 0,
            rooms: HashMap::new(),
            subscribers: HashMap::new(),
            buffer: vec![0; MAX_MESSAGE + 1],
        };
        janus.session = id_of(&janus.request(json!({"janus": "create"}))?)?;
        janus.control = janus.attach()?;
        Ok(janus)
    }

    fn attach(&mut self) -> Result<u64> {
        let reply = self.request(json!({"janus": "attach", "plugin": "janus.plugin.videoroom"}))?;
        id_of(&reply)
    }

    fn send_message(&mut self, handle: u64, body: Value, jsep: Option<(&str, String)>) -> Result<Value> {
        let mut message = json!({"janus": "message", "handle_id": handle, "body": body});
        if let Some((kind, sdp)) = jsep {
            message["jsep"] = json!({"type": kind, "sdp": sdp});
        }
        self.request(message)
    }

    /// Sends a request and returns its response, skipping acknowledgements.
    fn request(&mut self, mut request: Value) -> Result<Value> {
        self.transaction += 1;
        let transaction = self.transaction.to_string();
        request["transaction"] = json!(transaction);
        if self.session != 0 {
            request["session_id"] = json!(self.session);
        }
        self.socket.write_all(request.to_string().as_bytes()).context("Janus has ended")?;
        for _ in 0..MAX_UNRELATED {
            let length = self.socket.read(&mut self.buffer).context("Janus does not respond")?;
            ensure!((1..=MAX_MESSAGE).contains(&length), "Janus has ended, or sent more than {MAX_MESSAGE} bytes");
            if let Some(answer) = read(&self.buffer[..length], &transaction)? {
                return Ok(answer);
            }
        }
        bail!("Janus sends notifications, but does not respond")
    }

    fn open_room(&mut self, call: u32) -> Result<()> {
        let room = json!({
            "request": "create", "room": room(call), "publishers": self.parties, "audiocodec": "opus",
            "is_private": true, "notify_joining": false, "audiolevel_ext": false, "audiolevel_event": false,
            "videoorient_ext": false, "playoutdelay_ext": false, "transport_wide_cc_ext": false, "fir_freq": 0,
        });
        self.send_message(self.control, room, None)?;
        self.rooms.insert(call, Vec::new());
        Ok(())
    }
}

impl Signalling for Janus {
    fn publish(&mut self, call: u32, party: u32, offer: String) -> Result<String> {
        if !self.rooms.contains_key(&call) {
            self.open_room(call)?;
        }
        let handle = self.attach()?;
        let body = json!({"request": "joinandconfigure", "ptype": "publisher", "room": room(call), "id": feed(party)});
        let answer = self.send_message(handle, body, Some(("offer", offer)))?;
        self.rooms.entry(call).or_default().push(party);
        description(&answer)
    }

    fn subscribe(&mut self, call: u32, party: u32) -> Result<String> {
        let handle = self.attach()?;
        let others =
            self.rooms.get(&call).context("nobody publishes in this call")?.iter().filter(|other| **other != party);
        let streams: Vec<Value> = others.map(|other| json!({"feed": feed(*other)})).collect();
        let body = json!({"request": "join", "ptype": "subscriber", "room": room(call), "streams": streams});
        let deadline = Instant::now() + TIMEOUT;
        let offer = loop {
            match self.send_message(handle, body.clone(), None) {
                // Janus lists a feed shortly after its publisher is connected.
                Err(refused) if refused.to_string().contains("No such feed") && Instant::now() < deadline => {
                    thread::sleep(START_POLL_INTERVAL);
                }
                answer => break answer?,
            }
        };
        self.subscribers.insert(party, handle);
        description(&offer)
    }

    fn start(&mut self, _call: u32, party: u32, answer: String) -> Result<()> {
        let handle = *self.subscribers.get(&party).context("an answer without an offer")?;
        self.send_message(handle, json!({"request": "start"}), Some(("answer", answer))).map(drop)
    }
}

/// Janus does not accept zero as an id.
fn room(call: u32) -> u64 {
    u64::from(call) + 1
}

fn feed(party: u32) -> u64 {
    u64::from(party) + 1
}

/// Classifies a message for the request `transaction`: its response, an unrelated message (`None`), or an error.
fn read(message: &[u8], transaction: &str) -> Result<Option<Value>> {
    let message: Value = serde_json::from_slice(message).context("Janus sent invalid JSON")?;
    if message["transaction"] != transaction {
        return Ok(None);
    }
    let refused = |error: &Value| anyhow::anyhow!("Janus refused: {error}");
    match message["janus"].as_str() {
        Some("ack") => Ok(None),
        Some("success" | "event") => match &message["plugindata"]["data"]["error"] {
            Value::Null => Ok(Some(message)),
            error => Err(refused(error)),
        },
        Some("error") => Err(refused(&message["error"])),
        _ => bail!("Janus sent an unknown response"),
    }
}

fn id_of(reply: &Value) -> Result<u64> {
    reply["data"]["id"].as_u64().context("Janus sent no id")
}

fn description(reply: &Value) -> Result<String> {
    Ok(reply["jsep"]["sdp"].as_str().context("Janus sent no session description")?.to_owned())
}

fn open_socket(path: &Path) -> Result<UnixStream> {
    let socket = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None)?;
    connect(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
    let socket = UnixStream::from(socket);
    socket.set_read_timeout(Some(TIMEOUT))?;
    Ok(socket)
}

/// Writes the configuration. Returns the path of the socket.
fn configure(testbed: &Testbed, folder: &Path) -> Result<PathBuf> {
    let path = folder.join("socket");
    let core = format!(
        "general: {{\n  debug_level = 1\n  debug_colors = false\n  event_loops = 16\n  session_timeout = 0\n  \
         candidates_timeout = 0\n  hide_dependencies = true\n}}\nmedia: {{\n  ipv6 = false\n  slowlink_threshold = 0\n}}\n\
         nat: {{\n  ice_lite = true\n  ice_tcp = false\n  ignore_mdns = true\n  ice_enforce_list = \"{}\"\n}}\n\
         plugins: {{\n  disable = \"{}\"\n}}\ntransports: {{\n  disable = \"{}\"\n}}\nevents: {{\n  broadcast = false\n}}\n",
        testbed.interface(),
        others("/usr/lib/x86_64-linux-gnu/janus/plugins", "videoroom"),
        others("/usr/lib/x86_64-linux-gnu/janus/transports", "pfunix"),
    );
    let transport = format!(
        "general: {{\n  enabled = true\n  events = false\n  json = \"compact\"\n  path = \"{}\"\n  \
         type = \"SOCK_SEQPACKET\"\n}}\nadmin: {{\n  admin_enabled = false\n}}\n",
        path.display()
    );
    fs::write(folder.join("janus.jcfg"), core)?;
    fs::write(folder.join("janus.transport.pfunix.jcfg"), transport)?;
    fs::write(folder.join("janus.plugin.videoroom.jcfg"), "general: {\n  events = false\n}\n")?;
    Ok(path)
}

/// The libraries of a directory except the used one, in the format of Janus's `disable` option.
fn others(folder: &str, used: &str) -> String {
    let Ok(entries) = fs::read_dir(folder) else { return String::new() };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(".so") && !name.contains(used)).collect();
    names.sort();
    names.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_are_distinguished_from_notifications() {
        let unrelated = |text: &str| assert_eq!(read(text.as_bytes(), "7").unwrap(), None, "{text}");
        unrelated(r#"{"janus":"ack","transaction":"7"}"#);
        unrelated(r#"{"janus":"success","transaction":"6","data":{"id":1}}"#);
        unrelated(r#"{"janus":"webrtcup","session_id":1}"#);
        unrelated(r#"{"janus":"event","plugindata":{"data":{"publishers":[]}}}"#);
        let response = |text: &str| read(text.as_bytes(), "7").unwrap().unwrap();
        assert_eq!(id_of(&response(r#"{"janus":"success","transaction":"7","data":{"id":12}}"#)).unwrap(), 12);
        let event = response(r#"{"janus":"event","transaction":"7","plugindata":{"data":{}},"jsep":{"sdp":"v=0"}}"#);
        assert_eq!(description(&event).unwrap(), "v=0");
    }

    #[test]
    fn error_responses_and_invalid_messages_are_errors() {
        for text in [
            r#"{"janus":"error","transaction":"7","error":{"code":458}}"#,
            r#"{"janus":"event","transaction":"7","plugindata":{"data":{"error_code":426,"error":"No such room"}}}"#,
            r#"{"janus":"surprise","transaction":"7"}"#,
            r#"{"transaction":"7"}"#,
            "",
            "{",
        ] {
            assert!(read(text.as_bytes(), "7").is_err(), "{text}");
        }
        assert!(id_of(&json!({"data": {"id": -1}})).is_err());
        assert!(id_of(&json!({"data": {"id": "1"}})).is_err());
        assert!(description(&json!({"jsep": {}})).is_err());
    }
}
