//! The server is blind: its traffic, memory, files and logs during a call contain neither content nor a key to it.

#[path = "office/memory.rs"]
mod memory;
mod office;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use memory::{Search, memory};
use office::{Office, members, ring, state, until};
use std::{
    collections::BTreeSet,
    fs,
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    path::Path,
    sync::{Arc, Mutex},
};
use telcon_client::{
    audio::{frame::frames, wav},
    endpoint::MediaSink,
};
use telcon_core::{Engine, Event, UserCommand, view::CallState};
use telcon_proto::DeviceId;

/// Length of the packet pieces searched for: long enough to exclude coincidence.
const PIECE: usize = 12;
/// Number of memory scans during the call.
const SCANS: usize = 6;

/// Data that only members of the call may have.
#[derive(Default)]
struct Secrets {
    opus: BTreeSet<Vec<u8>>,
    keys: BTreeSet<Vec<u8>>,
}

/// Collects the packets and keys of a device in the call.
struct Collects(Arc<Mutex<Secrets>>);

impl MediaSink for Collects {
    fn on_packet(&mut self, _: DeviceId, _: (u64, u32), _: u64, packet: &[u8], _: u64) {
        self.0.lock().unwrap().opus.insert(packet.to_vec());
    }

    fn on_event(&mut self, event: &Event, engine: &Engine, _: u64) {
        if let Event::Epoch { .. } = event {
            self.0.lock().unwrap().keys.extend(engine.sframe_base_key());
        }
    }
}

/// The bytes of one direction of a connection.
type Stream = Arc<Mutex<Vec<u8>>>;

/// Forwards connections to the server and records all bytes.
struct Wire {
    port: u16,
    streams: Arc<Mutex<Vec<Stream>>>,
}

impl Wire {
    fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let streams = Arc::new(Mutex::new(Vec::new()));
        let kept = streams.clone();
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let Ok(far) = TcpStream::connect(("127.0.0.1", server)) else { continue };
                for (from, to) in [(&near, &far), (&far, &near)] {
                    let stream = Arc::new(Mutex::new(Vec::new()));
                    kept.lock().unwrap().push(stream.clone());
                    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    std::thread::spawn(move || {
                        let mut buffer = [0; 16 * 1024];
                        while let Ok(n @ 1..) = from.read(&mut buffer) {
                            stream.lock().unwrap().extend(&buffer[..n]);
                            if to.write_all(&buffer[..n]).is_err() {
                                break;
                            }
                        }
                        let _ = to.shutdown(Shutdown::Write);
                    });
                }
            }
        });
        Self { port, streams }
    }

    /// The recorded bytes, with WebSocket frames unmasked (RFC 6455, section 5).
    fn carried(&self) -> Vec<Vec<u8>> {
        self.streams.lock().unwrap().iter().map(|stream| unmasked(&stream.lock().unwrap())).collect()
    }
}

fn unmasked(stream: &[u8]) -> Vec<u8> {
    let head = stream.windows(4).position(|window| window == b"\r\n\r\n").map_or(stream.len(), |at| at + 4);
    let is_upgrade = String::from_utf8_lossy(&stream[..head]).to_lowercase().contains("upgrade: websocket");
    if !is_upgrade {
        return stream.to_vec();
    }
    let (mut out, mut rest) = (stream[..head].to_vec(), &stream[head..]);
    while let [_, second, ..] = *rest {
        let (length, from) = match second & 0x7f {
            126 if rest.len() >= 4 => (u16::from_be_bytes([rest[2], rest[3]]).into(), 4),
            127 if rest.len() >= 10 => (u64::from_be_bytes(rest[2..10].try_into().unwrap()) as usize, 10),
            short => (usize::from(short), 2),
        };
        let masked = second & 0x80 != 0;
        let body = from + if masked { 4 } else { 0 };
        if rest.len() < body + length {
            break;
        }
        let mask = if masked { &rest[from..body] } else { &[0; 4] };
        out.extend(rest[body..body + length].iter().enumerate().map(|(i, byte)| byte ^ mask[i % 4]));
        rest = &rest[body + length..];
    }
    out
}

fn files(dir: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(dir).unwrap().flatten() {
        if entry.path().is_dir() {
            files(&entry.path(), found);
        } else {
            found.push((entry.path().display().to_string(), fs::read(entry.path()).unwrap()));
        }
    }
}

/// A secret in raw form and as in JSON: base64 at each of the three alignments, and hexadecimal.
fn forms(secret: &[u8]) -> Vec<Vec<u8>> {
    let mut forms =
        vec![secret.to_vec(), secret.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into_bytes()];
    for skip in 0..3 {
        let whole = &secret[skip..];
        forms.push(STANDARD.encode(&whole[..whole.len() / 3 * 3]).into_bytes());
    }
    forms
}

#[tokio::test(flavor = "multi_thread")]
async fn server_traffic_memory_files_and_logs_contain_no_content_or_keys() {
    let office = Office::new();
    let server = office.server.as_ref().unwrap();
    let wire = Wire::to(office.port);
    let url = format!("http://127.0.0.1:{}", wire.port);
    let devices = ["A", "B"].map(|name| office.enrol(name, "principal"));
    let note_taker = office.enrol("Notes", "note-taker");
    let mut note = office.note(&note_taker);
    // This --server replaces the default.
    let arguments: Vec<_> =
        note.get_args().map(|arg| if *arg == *office.url() { url.clone().into() } else { arg.to_owned() }).collect();
    note = office::telcon();
    note.args(arguments);
    let model = std::env::var_os("TELCON_ASR_MODEL");
    match &model {
        Some(model) => drop(note.arg("--asr-model").arg(model)),
        None => office::not_run("the search does not cover a transcript: TELCON_ASR_MODEL is not set"),
    }
    let notes = office::Running::start(&mut note);
    notes.wait_for_line("waits for calls");

    let secrets = Arc::new(Mutex::new(Secrets::default()));
    let listen = || Box::new(Collects(secrets.clone()));
    let (a, b) =
        (office.endpoint_at(&url, &devices[0], false, listen()), office.endpoint_at(&url, &devices[1], true, listen()));
    ring(&a, &b).await;
    until(&a, "the note-taker", |view| members(view) == 3).await;
    until(&b, "the note-taker", |view| members(view) == 3).await;

    let speech = |file: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../client/fixtures").join(file);
        frames(&wav::read(&path).unwrap()).collect::<Vec<_>>()
    };
    let mut scanned = Vec::new();
    let (said_a, said_b) = (a.send_audio(speech("a.wav")), b.send_audio(speech("b.wav")));
    for scan in 0..SCANS {
        tokio::time::timeout(office::PATIENCE, b.until_received(40 * (scan as u64 + 1))).await.unwrap().unwrap();
        scanned.push((format!("the server's memory, scan {scan}"), memory(server.id())));
    }
    said_a.await.unwrap();
    said_b.await.unwrap();
    let of_note_taker = memory(notes.id());
    a.command(UserCommand::HangUp);
    until(&b, "the end", |view| state(view) == Some(CallState::Ended)).await;
    notes.wait_for_line("is in the archive");
    scanned.push(("the server's memory after the call".into(), memory(server.id())));
    files(&office.path("server"), &mut scanned);
    scanned.push(("the server's log output".into(), server.output().into_bytes()));
    scanned.extend(wire.carried().into_iter().enumerate().map(|(n, bytes)| (format!("connection {n}"), bytes)));

    // The search patterns.
    let secrets = std::mem::take(&mut *secrets.lock().unwrap());
    assert!(secrets.opus.len() > 200 && secrets.keys.len() >= 2, "{} {}", secrets.opus.len(), secrets.keys.len());
    let mut keys: Vec<Vec<u8>> = secrets.keys.into_iter().collect();
    for device in devices.iter().chain([&note_taker]) {
        let state: serde_json::Value = serde_json::from_slice(&fs::read(device).unwrap()).unwrap();
        keys.push(STANDARD.decode(state["seed"].as_str().unwrap()).unwrap());
    }
    keys.push(fs::read(office.path("authority/seed")).unwrap());
    let custodian = fs::read_to_string(office.path("custodian/identity.txt")).unwrap();
    let mut needles: Vec<Vec<u8>> = keys.iter().flat_map(|key| forms(key)).collect();
    let (_, secret) = custodian.trim().split_once("AGE-SECRET-KEY-PQ-1").unwrap();
    needles.push(secret.as_bytes().to_vec());
    if model.is_some() {
        let (_, out) = office.open_record();
        let transcript = fs::read_to_string(out.join("transcript.vtt")).unwrap();
        let printed: Vec<_> =
            transcript.lines().filter_map(|line| line.split_once('>').filter(|_| line.starts_with("<v"))).collect();
        assert!(printed.len() >= 3, "{transcript}");
        needles.extend(
            printed.into_iter().filter(|(_, text)| text.len() > 2 * PIECE).flat_map(|(_, text)| forms(text.as_bytes())),
        );
    }
    let content = Search::<PIECE>::new(secrets.opus.iter().map(Vec::as_slice));
    let known = Search::<PIECE>::new(needles.iter().map(Vec::as_slice));

    // The search works: it finds audio in the note-taker's memory, and a message inserted by hand.
    assert!(content.finds(&of_note_taker).is_some(), "the search is blind itself");
    assert!(known.finds(format!("{{\"key\":\"{}\"}}", STANDARD.encode(&keys[0])).as_bytes()).is_some());
    let names = Search::<PIECE>::new([&b"Office of the President"[..]]);
    assert!(names.finds(&scanned[0].1).is_some(), "the server's memory was not read");
    let rings = scanned
        .iter()
        .filter(|(at, bytes)| at.starts_with("connection") && bytes.windows(8).any(|w| w == b"\"ring\",\""));
    assert!(
        rings.count() > 0
            || scanned
                .iter()
                .any(|(at, bytes)| at.starts_with("connection") && bytes.windows(6).any(|w| w == b"\"ring\""))
    );

    let mut total = 0;
    for (at, bytes) in &scanned {
        total += bytes.len();
        assert_eq!(content.finds(bytes), None, "{at} holds sound in the clear");
        assert_eq!(known.finds(bytes), None, "{at} holds a key or words in the clear");
    }
    println!("scanned {} sources, {total} bytes, for {} pieces", scanned.len(), content.pieces() + known.pieces());
}
