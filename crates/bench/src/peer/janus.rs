//! Janus, over its own interface on a Unix socket: one JSON text per message.
//!
//! Configured for speed: sixteen event loops, which cost less than a thread per connection and less than one (it asks all
//! sockets of a loop for each packet); ICE-lite; no header extension, no plug-in and no transport that is not used; no log. Each party publishes on one connection and hears all others
//! on one more, which is how Janus 1.x is meant to be used; the suite that both sides prefer is AES-GCM.

use super::Running;
use crate::{network::Place, signalling::Signalling};
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

/// Longest message that is read, bytes.
const MAX_MESSAGE: usize = 128 * 1024;
/// Messages that are no answer (somebody joined) between a request and its answer, before the run is given up.
const MAX_ASIDES: usize = 10_000;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long Janus may take to start, and how often it may try.
const START: Duration = Duration::from_secs(5);
const STARTS: u32 = 30;
/// Between two looks whether it has.
const LOOK: Duration = Duration::from_millis(20);

/// A session with Janus.
pub struct Janus {
    socket: UnixStream,
    parties: u32,
    transaction: u64,
    session: u64,
    control: u64,
    rooms: HashMap<u32, Vec<u32>>,
    listeners: HashMap<u32, u64>,
    buffer: Vec<u8>,
}

impl Janus {
    /// Starts Janus with its files in `folder`.
    ///
    /// # Errors
    /// When it is not installed or does not start.
    pub fn start(place: &Place, folder: &Path, parties: u32) -> Result<(Running, Self)> {
        ensure!(place.is_cable(), "Janus ignores loopback: it needs a network namespace");
        let path = configure(place, folder)?;
        let mut said = String::new();
        for _ in 0..STARTS {
            let mut command = place.command("janus");
            command.arg("--configs-folder").arg(folder);
            let mut running = Running::start(place, command, Some(File::create(folder.join("log"))?))?;
            let deadline = Instant::now() + START;
            // The thread of its Unix socket ends at once, and takes the socket with it, if it runs before the thread that
            // makes it has noted that it exists: on a single processor that is about every second time.
            while Instant::now() < deadline && running.child().try_wait()?.is_none() {
                match dial(&path).and_then(|socket| Self::greet(socket, parties)) {
                    Ok(janus) => return Ok((running, janus)),
                    Err(_) => thread::sleep(LOOK),
                }
            }
            said = fs::read_to_string(folder.join("log")).unwrap_or_default();
        }
        bail!("Janus did not start {STARTS} times. It says:\n{said}")
    }

    fn greet(socket: UnixStream, parties: u32) -> Result<Self> {
        let mut janus = Self {
            socket,
            parties,
            transaction: 0,
            session: 0,
            control: 0,
            rooms: HashMap::new(),
            listeners: HashMap::new(),
            buffer: vec![0; MAX_MESSAGE + 1],
        };
        janus.session = id_of(&janus.ask(json!({"janus": "create"}))?)?;
        janus.control = janus.attach()?;
        Ok(janus)
    }

    fn attach(&mut self) -> Result<u64> {
        let reply = self.ask(json!({"janus": "attach", "plugin": "janus.plugin.videoroom"}))?;
        id_of(&reply)
    }

    fn tell(&mut self, handle: u64, body: Value, jsep: Option<(&str, String)>) -> Result<Value> {
        let mut message = json!({"janus": "message", "handle_id": handle, "body": body});
        if let Some((kind, sdp)) = jsep {
            message["jsep"] = json!({"type": kind, "sdp": sdp});
        }
        self.ask(message)
    }

    /// Sends a request and gives its answer; for one that is acknowledged first, what follows.
    fn ask(&mut self, mut request: Value) -> Result<Value> {
        self.transaction += 1;
        let transaction = self.transaction.to_string();
        request["transaction"] = json!(transaction);
        if self.session != 0 {
            request["session_id"] = json!(self.session);
        }
        self.socket.write_all(request.to_string().as_bytes()).context("Janus is gone")?;
        for _ in 0..MAX_ASIDES {
            let length = self.socket.read(&mut self.buffer).context("Janus does not answer")?;
            ensure!((1..=MAX_MESSAGE).contains(&length), "Janus ended, or said more than {MAX_MESSAGE} bytes");
            if let Some(answer) = read(&self.buffer[..length], &transaction)? {
                return Ok(answer);
            }
        }
        bail!("Janus says much, but does not answer")
    }

    fn open_room(&mut self, call: u32) -> Result<()> {
        let room = json!({
            "request": "create", "room": room(call), "publishers": self.parties, "audiocodec": "opus",
            "is_private": true, "notify_joining": false, "audiolevel_ext": false, "audiolevel_event": false,
            "videoorient_ext": false, "playoutdelay_ext": false, "transport_wide_cc_ext": false, "fir_freq": 0,
        });
        self.tell(self.control, room, None)?;
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
        let answer = self.tell(handle, body, Some(("offer", offer)))?;
        self.rooms.entry(call).or_default().push(party);
        description(&answer)
    }

    fn subscribe(&mut self, call: u32, party: u32) -> Result<String> {
        let handle = self.attach()?;
        let others =
            self.rooms.get(&call).context("nobody speaks in this call")?.iter().filter(|other| **other != party);
        let streams: Vec<Value> = others.map(|other| json!({"feed": feed(*other)})).collect();
        let body = json!({"request": "join", "ptype": "subscriber", "room": room(call), "streams": streams});
        let deadline = Instant::now() + PATIENCE;
        let offer = loop {
            match self.tell(handle, body.clone(), None) {
                // Janus knows a feed a moment after the feed's own device is connected.
                Err(refused) if refused.to_string().contains("No such feed") && Instant::now() < deadline => {
                    thread::sleep(LOOK);
                }
                answer => break answer?,
            }
        };
        self.listeners.insert(party, handle);
        description(&offer)
    }

    fn start(&mut self, _call: u32, party: u32, answer: String) -> Result<()> {
        let handle = *self.listeners.get(&party).context("an answer to no offer")?;
        self.tell(handle, json!({"request": "start"}), Some(("answer", answer))).map(drop)
    }
}

/// Janus takes no zero for a number.
fn room(call: u32) -> u64 {
    u64::from(call) + 1
}

fn feed(party: u32) -> u64 {
    u64::from(party) + 1
}

/// What a message is for the request `transaction`: its answer, an aside (`None`), or a refusal.
fn read(message: &[u8], transaction: &str) -> Result<Option<Value>> {
    let message: Value = serde_json::from_slice(message).context("Janus said something else than JSON")?;
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
        _ => bail!("Janus said something that is no answer"),
    }
}

fn id_of(reply: &Value) -> Result<u64> {
    reply["data"]["id"].as_u64().context("Janus gave no number")
}

fn description(reply: &Value) -> Result<String> {
    Ok(reply["jsep"]["sdp"].as_str().context("Janus gave no session description")?.to_owned())
}

fn dial(path: &Path) -> Result<UnixStream> {
    let socket = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None)?;
    connect(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
    let socket = UnixStream::from(socket);
    socket.set_read_timeout(Some(PATIENCE))?;
    Ok(socket)
}

/// Writes the configuration. Gives the path of the socket.
fn configure(place: &Place, folder: &Path) -> Result<PathBuf> {
    let path = folder.join("socket");
    let core = format!(
        "general: {{\n  debug_level = 1\n  debug_colors = false\n  event_loops = 16\n  session_timeout = 0\n  \
         candidates_timeout = 0\n  hide_dependencies = true\n}}\nmedia: {{\n  ipv6 = false\n  slowlink_threshold = 0\n}}\n\
         nat: {{\n  ice_lite = true\n  ice_tcp = false\n  ignore_mdns = true\n  ice_enforce_list = \"{}\"\n}}\n\
         plugins: {{\n  disable = \"{}\"\n}}\ntransports: {{\n  disable = \"{}\"\n}}\nevents: {{\n  broadcast = false\n}}\n",
        place.interface(),
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

/// The libraries of a folder other than the one that is used, as Janus wants them listed.
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
    fn answers_are_told_from_asides() {
        let aside = |text: &str| assert_eq!(read(text.as_bytes(), "7").unwrap(), None, "{text}");
        aside(r#"{"janus":"ack","transaction":"7"}"#);
        aside(r#"{"janus":"success","transaction":"6","data":{"id":1}}"#);
        aside(r#"{"janus":"webrtcup","session_id":1}"#);
        aside(r#"{"janus":"event","plugindata":{"data":{"publishers":[]}}}"#);
        let answer = |text: &str| read(text.as_bytes(), "7").unwrap().unwrap();
        assert_eq!(id_of(&answer(r#"{"janus":"success","transaction":"7","data":{"id":12}}"#)).unwrap(), 12);
        let event = answer(r#"{"janus":"event","transaction":"7","plugindata":{"data":{}},"jsep":{"sdp":"v=0"}}"#);
        assert_eq!(description(&event).unwrap(), "v=0");
    }

    #[test]
    fn refusals_and_nonsense_are_errors() {
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
