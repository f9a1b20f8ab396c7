//! The interface to other programs: `docs/api` holds JSON Schemas of all wire messages and HTTP bodies, generated from
//! the Rust types, and the OpenAPI description generated from the server's handlers. This test fails when a file is out
//! of date; `cargo xtask contract --write` rewrites them.

use schemars::{
    JsonSchema, SchemaGenerator,
    generate::{Contract, SchemaSettings},
};
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, fs, path::PathBuf};
use telcon_core::{
    UserCommand,
    page::{PageAsking, PageDraft, PageEnrolment, PageOutput, PageVersion},
    proof::Report,
};
use telcon_papers::{
    action::Action,
    approval::{Approval, Assessment},
    brief::Brief,
    changes::Change,
    circulation::{Circulation, IssuedCopy, Reader},
    debrief::{Countdown, Debrief},
    memorandum::{Colophon, Memorandum},
    notes::{Draft, Notes},
    plain::Sheet,
    profile::Profile,
    readout::ReadoutFile,
    request::Request,
    schedule::Schedule,
    trace::Trace,
};
use telcon_proto::{
    delegation::{Delegation, DelegationEnd, DelegationList},
    device_key::PersonKeys,
    document::{DocumentKept, DocumentList, DocumentUpload, ProvenDocument},
    entry::Entry,
    http, limits,
    line::LineList,
    message, node, protection, push,
    readout::{ReadoutPublished, ReadoutUpload},
    seal::Seal,
    shift, short_code, sso,
};

/// Set by `cargo xtask contract --write`.
const WRITE: &str = "TELCON_CONTRACT_WRITE";
const IN_DOCUMENT: &str = "/$defs";
const IN_OPENAPI: &str = "/components/schemas";

/// Collects the schemas of types. A type that is both read and written must have one schema for both.
struct Definitions {
    path: &'static str,
    all: Map<String, Value>,
}

impl Definitions {
    fn below(path: &'static str) -> Self {
        Self { path, all: Map::new() }
    }

    /// The schema for the receiving program: fields with defaults are optional.
    fn read<T: JsonSchema>(self) -> Self {
        self.add::<T>(Contract::Deserialize)
    }

    /// The schema for the sending program.
    fn written<T: JsonSchema>(self) -> Self {
        self.add::<T>(Contract::Serialize)
    }

    fn add<T: JsonSchema>(mut self, contract: Contract) -> Self {
        let mut settings = SchemaSettings::draft2020_12();
        settings.definitions_path = self.path.into();
        settings.contract = contract;
        let mut generator: SchemaGenerator = settings.into_generator();
        generator.subschema_for::<T>();
        for (name, schema) in generator.take_definitions(true) {
            if let Some(before) = self.all.insert(name.clone(), schema.clone()) {
                assert_eq!(before, schema, "{name} is read and written in different forms: give it two types");
            }
        }
        self
    }

    fn document(self, title: &str, root: &str, description: &str) -> Value {
        json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": title,
            "description": description,
            "$ref": format!("#{IN_DOCUMENT}/{root}"),
            "$defs": self.all,
        })
    }
}

fn documents() -> BTreeMap<&'static str, Value> {
    let here = || Definitions::below(IN_DOCUMENT);
    BTreeMap::from([
        (
            "client-message.schema.json",
            here().read::<message::ClientMessage>().document(
                "Device to server",
                "ClientMessage",
                "Messages that a device sends over the WebSocket `/ws`, as JSON text.",
            ),
        ),
        (
            "server-message.schema.json",
            here().written::<message::ServerMessage>().document(
                "Server to device",
                "ServerMessage",
                "Messages that the server sends over the WebSocket `/ws`, as JSON text. Clients ignore unknown fields.",
            ),
        ),
        (
            "relay-to-server.schema.json",
            here().read::<node::FromNode>().document(
                "Relay to server",
                "FromNode",
                "Messages that a standalone relay sends over the WebSocket `/relays`, as JSON text.",
            ),
        ),
        (
            "server-to-relay.schema.json",
            here().read::<node::ToNode>().document(
                "Server to relay",
                "ToNode",
                "Messages that the server sends to a standalone relay over the WebSocket `/relays`, as JSON text.",
            ),
        ),
        (
            "ring.schema.json",
            here().read::<message::Ring>().document("Ring", "Ring", "Payload of the signed ring (`telcon-ring+jws`)."),
        ),
        (
            "charter.schema.json",
            here().read::<http::Charter>().document(
                "Charter",
                "Charter",
                "Payload of the office's charter (`telcon-charter+jws`).",
            ),
        ),
        (
            "revocation.schema.json",
            here().read::<http::Revocation>().document(
                "Revocation",
                "Revocation",
                "Payload of a revocation (`telcon-revocation+jws`).",
            ),
        ),
        (
            "invitation.schema.json",
            here().read::<http::IssuedInvitation>().document(
                "Invitation",
                "Invitation",
                "Payload of the statement that a person was invited (`telcon-invitation+jws`).",
            ),
        ),
        (
            "delegation.schema.json",
            here().read::<Delegation>().document(
                "Delegation",
                "Delegation",
                "Payload of the statement that a person may act for a principal (`telcon-delegation+jws`).",
            ),
        ),
        (
            "delegation-end.schema.json",
            here().read::<DelegationEnd>().document(
                "End of a delegation",
                "DelegationEnd",
                "Payload of the statement that ends a delegation before its time (`telcon-delegation-end+jws`).",
            ),
        ),
        (
            "log-entry.schema.json",
            here().written::<Entry>().document("Log entry", "Entry", "An entry of the transparency log."),
        ),
        ("seal.schema.json", here().read::<Seal>().document("Seal", "Seal", "`seal.json` of a sealed record.")),
        ("page.schema.json", page()),
        ("papers.schema.json", papers()),
        ("openapi.json", openapi()),
    ])
}

/// What the web page exchanges with the engine and reads from the server: its TypeScript types are generated from this.
fn page() -> Value {
    let types = Definitions::below(IN_DOCUMENT)
        .read::<UserCommand>()
        .read::<PageDraft>()
        .written::<PageVersion>()
        .written::<DocumentList>()
        .written::<DocumentKept>()
        .written::<ReadoutPublished>()
        .written::<PersonKeys>()
        .written::<ProvenDocument>()
        .written::<PageOutput>()
        .written::<PageEnrolment>()
        .written::<PageAsking>()
        .written::<Report>()
        .written::<http::OfficeInfo>()
        .written::<http::IceServers>()
        .written::<http::RecordLine>()
        .written::<http::Asked>()
        .written::<short_code::CodeStarted>()
        .written::<short_code::CodeConfirmed>()
        .written::<http::DeviceList>()
        .written::<http::SignInList>()
        .written::<http::Orders>()
        .written::<http::AlertList>()
        .written::<DelegationList>()
        .written::<LineList>()
        .written::<push::PushSettings>()
        .written::<push::PushMessage>()
        .read::<push::PushSubscription>()
        .written::<protection::ProtectionPolicy>()
        .written::<protection::PasskeyOptions>()
        .written::<protection::IssuedTicket>()
        .written::<protection::LockerAnswer>()
        .read::<protection::ChallengeRequest>()
        .read::<protection::PasskeyAnswer>()
        .read::<protection::MakeLocker>()
        .read::<protection::OpenLocker>()
        .read::<protection::RemoveProtector>()
        .written::<shift::ShiftOptions>()
        .written::<shift::ShiftBegun>()
        .written::<sso::SsoStarted>()
        .read::<sso::SsoFinish>()
        .read::<sso::SsoUnlink>()
        .written::<http::ApiError>();
    let constants = json!({
        "API_PREFIX": http::API_PREFIX,
        "CONFIRMATION_MAX_AGE_MS": limits::CONFIRMATION_MAX_AGE_MS,
        "LOCKER_ID_BYTES": protection::LOCKER_ID_BYTES,
        "MAX_PIN_CHARS": protection::MAX_PIN_CHARS,
        "MIN_PIN_CHARS": protection::MIN_PIN_CHARS,
        "IDLE_LOCK_MINUTES": telcon_proto::device_policy::IDLE_LOCK_MINUTES,
        "NEED_CONFIRMATION": message::ClientMessage::NEED_CONFIRMATION,
        "RECEIVE_SLOTS": limits::RECEIVE_SLOTS,
        "SALT_BYTES": protection::SALT_BYTES,
    });
    by_name(types, constants)
}

/// What is written about a call, as the page reads and writes it: the contents of sealed documents.
fn papers() -> Value {
    let types = Definitions::below(IN_DOCUMENT)
        .written::<Request>()
        .written::<Schedule>()
        .written::<Brief>()
        .written::<Profile>()
        .written::<Notes>()
        .written::<Memorandum>()
        .written::<Circulation>()
        .written::<IssuedCopy>()
        .written::<Reader>()
        .written::<Debrief>()
        .written::<ReadoutFile>()
        .written::<Sheet>()
        .written::<Trace>()
        .written::<Action>()
        .written::<Approval>()
        .written::<Assessment>()
        .written::<Change>()
        .written::<Colophon>()
        .written::<Countdown>()
        .written::<Draft>();
    by_name(types, json!({}))
}

/// A schema that has all these types, and constants, for a program that generates its own types.
fn by_name(types: Definitions, constants: Value) -> Value {
    let properties: Map<String, Value> =
        types.all.keys().map(|name| (name.clone(), json!({ "$ref": format!("#{IN_DOCUMENT}/{name}") }))).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Contract",
        "description": "All types of this file, by name.",
        "type": "object",
        "properties": properties,
        "$defs": types.all,
        "x-constants": constants,
    })
}

fn openapi() -> Value {
    let mut types = Definitions::below(IN_OPENAPI)
        .read::<http::EnrolRequest>()
        .read::<http::InviteRequest>()
        .read::<http::RevokeRequest>()
        .read::<http::OrderRequest>()
        .read::<http::ErasureReport>()
        .read::<http::AppointRequest>()
        .read::<http::AskRequest>()
        .read::<short_code::CodeStart>()
        .read::<short_code::CodeConfirm>()
        .written::<short_code::CodeStarted>()
        .written::<short_code::CodeConfirmed>()
        .read::<Seal>()
        .written::<http::OfficeInfo>()
        .written::<http::Invited>()
        .written::<http::Enrolled>()
        .written::<http::Appointed>()
        .written::<http::Asked>()
        .written::<http::DeviceList>()
        .written::<http::SignInList>()
        .written::<http::Orders>()
        .written::<http::ErasureNoted>()
        .written::<http::AlertList>()
        .written::<DelegationList>()
        .written::<LineList>()
        .read::<DocumentUpload>()
        .read::<ReadoutUpload>()
        .written::<DocumentKept>()
        .written::<ReadoutPublished>()
        .written::<DocumentList>()
        .written::<ProvenDocument>()
        .written::<PersonKeys>()
        .written::<push::PushSettings>()
        .read::<push::PushSubscription>()
        .read::<protection::ChallengeRequest>()
        .read::<protection::PasskeyAnswer>()
        .read::<protection::MakeLocker>()
        .read::<protection::OpenLocker>()
        .read::<protection::RemoveProtector>()
        .written::<protection::ProtectionPolicy>()
        .written::<protection::PasskeyOptions>()
        .written::<protection::IssuedTicket>()
        .written::<protection::LockerAnswer>()
        .written::<shift::ShiftOptions>()
        .written::<shift::ShiftBegun>()
        .written::<sso::SsoStarted>()
        .read::<sso::SsoFinish>()
        .read::<sso::SsoUnlink>()
        .written::<message::Logged>()
        .written::<http::RecordKept>()
        .written::<http::RecordLine>()
        .written::<http::RecordProof>()
        .written::<http::IceServers>()
        .written::<http::Consistency>()
        .written::<http::ApiError>()
        .all;
    types.insert(
        "RecordLines".into(),
        json!({ "type": "array", "items": { "$ref": format!("#{IN_OPENAPI}/RecordLine") } }),
    );
    let mut description = serde_json::to_value(telcon_server::openapi()).expect("a description is JSON");
    description["components"]["schemas"] = Value::Object(types);
    description
}

/// Replaces rustdoc links, which are meaningless outside Rust: [`crate::x::Y`] becomes `Y`.
fn plain(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match field {
                    Value::String(text) if name == "description" => *text = without_links(text),
                    other => plain(other),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(plain),
        _ => {}
    }
}

fn without_links(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("[`") {
        let Some((link, end)) = after.split_once("`]") else { break };
        let name = link.rsplit("::").next().unwrap_or(link);
        out.push_str(&format!("{before}`{name}`"));
        rest = end;
    }
    out.push_str(rest);
    // Lines of a comment are one paragraph unless an empty line parts them.
    out.split("\n\n").map(|paragraph| paragraph.replace('\n', " ")).collect::<Vec<_>>().join("\n\n")
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/api")
}

#[test]
fn the_files_in_docs_api_are_those_generated_from_the_types() {
    let write = std::env::var_os(WRITE).is_some();
    let mut outdated = Vec::new();
    for (name, mut document) in documents() {
        plain(&mut document);
        let text = serde_json::to_string_pretty(&document).expect("a document is JSON") + "\n";
        let path = folder().join(name);
        if fs::read_to_string(&path).is_ok_and(|before| before == text) {
            continue;
        }
        if write {
            fs::write(&path, text).expect("docs/api can be written");
            println!("wrote docs/api/{name}");
        } else {
            outdated.push(name);
        }
    }
    assert!(outdated.is_empty(), "out of date in docs/api: {outdated:?}. Run `cargo xtask contract --write`");
    let known = documents();
    for file in fs::read_dir(folder()).expect("docs/api is there") {
        let name = file.expect("docs/api can be listed").file_name().into_string().expect("names are UTF-8");
        assert!(!name.ends_with(".json") || known.contains_key(name.as_str()), "docs/api/{name} is not generated");
    }
}

#[test]
fn every_reference_in_the_description_of_the_api_is_defined() {
    let description = openapi();
    let mut references = Vec::new();
    collect(&description, &mut references);
    assert!(references.len() > 50, "{}", references.len());
    for reference in references {
        let pointer = reference.strip_prefix('#').expect("references are within the document");
        assert!(description.pointer(pointer).is_some(), "{reference}");
    }
}

fn collect(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match field {
                    Value::String(text) if name == "$ref" => references.push(text.clone()),
                    other => collect(other, references),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, references)),
        _ => {}
    }
}

#[test]
fn every_operation_describes_itself_and_its_errors() {
    let description = openapi();
    for (path, operations) in description["paths"].as_object().expect("there are paths") {
        for (method, operation) in operations.as_object().expect("a path has operations") {
            assert!(operation["summary"].is_string(), "{method} {path} has no summary");
            let responses = operation["responses"].as_object().expect("an operation has responses");
            assert!(!responses.is_empty(), "{method} {path}");
            if operation.get("security").is_some() {
                assert!(responses.contains_key("401"), "{method} {path} does not say that it needs a token");
            }
        }
    }
}
