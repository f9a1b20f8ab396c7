//! Documents name only existing files, routes and metrics, and cover the whole protocol.

use super::{files, read, root};
use std::{collections::BTreeSet, path::Path};

/// Every document that is written by hand.
fn documents() -> Vec<std::path::PathBuf> {
    let generated = ["docs/benchmarks.md", "docs/network.md"];
    let all = files("docs", "md")
        .into_iter()
        .chain(["README.md", "ARCHITECTURE.md", "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(Into::into));
    all.filter(|path: &std::path::PathBuf| !generated.iter().any(|name| path == Path::new(name))).collect()
}

/// The text between backticks, outside of code blocks.
fn code_spans(text: &str) -> Vec<String> {
    let mut spans = Vec::new();
    for (number, block) in text.split("```").enumerate() {
        // A span ends with its paragraph, so an unpaired backtick affects one paragraph only.
        for paragraph in block.split("\n\n").filter(|_| number % 2 == 0) {
            spans.extend(paragraph.split('`').skip(1).step_by(2).map(|span| span.replace('\n', " ")));
        }
    }
    spans
}

/// The name that GitHub gives a heading's anchor.
fn anchor(heading: &str) -> String {
    let kept =
        heading.to_lowercase().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-')).collect::<String>();
    kept.trim().replace(' ', "-")
}

fn anchors(text: &str) -> BTreeSet<String> {
    text.lines().filter(|line| line.starts_with('#')).map(|line| anchor(line.trim_start_matches('#'))).collect()
}

#[test]
fn links_in_documents_resolve() {
    for document in documents() {
        let text = read(&document);
        let dir = document.parent().unwrap_or(Path::new(""));
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let (path, fragment) = link.split_once('#').unwrap_or((link, ""));
            if path.contains("://") {
                continue;
            }
            let target = if path.is_empty() { document.clone() } else { dir.join(path) };
            assert!(root().join(&target).exists(), "{}: {link} does not exist", document.display());
            if !fragment.is_empty() {
                let found = anchors(&read(&target)).contains(fragment);
                assert!(found, "{}: {link}: there is no such heading", document.display());
            }
        }
    }
}

#[test]
fn paths_in_documents_exist() {
    // Paths of generated files and of an office's directories are not in this repository.
    let roots = ["crates/", "docs/", "xtask/", "scripts/", "web/src/", "web/e2e/", "fuzz/"];
    let generated = ["web/src/wasm"];
    for document in documents().iter().filter(|document| !document.ends_with("CHANGELOG.md")) {
        for span in code_spans(&read(document)) {
            let is_path = roots.iter().any(|root| span.starts_with(root))
                && !generated.contains(&span.as_str())
                && !span.contains([' ', '*', '…', '<']);
            assert!(!is_path || root().join(&span).exists(), "{}: `{span}` does not exist", document.display());
        }
    }
}

/// `SomeName` as serde's `snake_case`.
fn snake_case(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.extend(c.to_lowercase());
    }
    out
}

/// The variants of a public enumeration in `crates/proto/src`, wherever it is defined.
fn variants(name: &str) -> Vec<String> {
    let head = format!("pub enum {name} {{");
    for path in files("crates/proto/src", "rs") {
        let text = read(&path);
        let Some(at) = text.find(&head) else { continue };
        let body = &text[at + head.len()..];
        let body = &body[..body.find("\n}").expect("the end of the enumeration")];
        // Variants are indented by four spaces; fields and documentation are not.
        let lines = body.lines().filter_map(|line| line.strip_prefix("    "));
        let names = lines.filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()));
        return names.map(|line| line.split([' ', ',', '(', '{']).next().unwrap_or_default().to_owned()).collect();
    }
    panic!("crates/proto/src has no {name}");
}

#[test]
fn the_protocol_document_names_every_message() {
    let spans: BTreeSet<String> = code_spans(&read(Path::new("docs/protocol.md"))).into_iter().collect();
    for name in ["ClientMessage", "ServerMessage", "RefusalCode", "ToNode", "FromNode"] {
        let found = variants(name);
        assert!(!found.is_empty(), "{name} has no variants");
        for variant in found.iter().map(|variant| snake_case(variant)) {
            assert!(spans.contains(&variant), "docs/protocol.md does not name `{variant}` of {name}");
        }
    }
}

#[test]
fn the_protocol_document_names_every_route() {
    let text = read(Path::new("docs/protocol.md"));
    for path in files("crates/server/src/web", "rs") {
        for route in read(&path).split(".route(").skip(1).filter_map(|rest| rest.split('"').nth(1)) {
            assert!(text.contains(route), "docs/protocol.md does not name {route}");
        }
    }
}

#[test]
fn metrics_in_the_operating_document_exist() {
    let source: String = files("crates/server/src", "rs").iter().map(|path| read(path)).collect();
    for span in code_spans(&read(Path::new("docs/operating.md"))) {
        let Some(name) = span.strip_prefix("telcon_") else { continue };
        // Counters of relays are made from a list of names.
        let inner = name.strip_prefix("relay_").and_then(|name| name.strip_suffix("_total")).unwrap_or(name);
        let exists = [name, inner].iter().any(|name| source.contains(&format!("\"{name}\"")));
        assert!(exists, "docs/operating.md names the metric {span}, which the server does not have");
    }
}

#[test]
fn headings_and_spans_are_found() {
    assert_eq!(anchor(" What it does, and why "), "what-it-does-and-why");
    assert_eq!(code_spans("a `b c` d\n```sh\n`no`\n```\n`e`"), ["b c", "e"]);
    assert_eq!(snake_case("RingingThere"), "ringing_there");
}
