//! Command lines in documents and in help texts are ones that this program accepts.

use super::Cli;
use clap::{CommandFactory as _, error::ErrorKind};
use std::{fs, path::Path};

/// The words of a shell command line: up to a comment, pipe or redirection.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote, mut is_word) = (Vec::new(), String::new(), None, false);
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => (quote, is_word) = (Some(c), true),
            (None, '|' | '>' | ';' | '&') => break,
            (None, '#') if !is_word => break,
            (None, c) if c.is_whitespace() => {
                if is_word {
                    words.push(std::mem::take(&mut word));
                }
                is_word = false;
            }
            (_, c) => {
                word.push(c);
                is_word = true;
            }
        }
    }
    if is_word {
        words.push(word);
    }
    words
}

/// Why the program does not accept these words. With placeholders (`…`, or `named` alone), only its subcommands and flags
/// are looked at.
fn refusal(line: &str, named: bool) -> Option<String> {
    let words = words(line);
    if !named && !line.contains('…') {
        return match Cli::command().try_get_matches_from(&words) {
            Err(error) if error.kind() != ErrorKind::DisplayHelp => Some(error.to_string()),
            _ => None,
        };
    }
    let mut command = Cli::command();
    command.build();
    let mut rest = &words[1..];
    while let Some(next) = rest.first().and_then(|word| command.find_subcommand(word)) {
        command = next.clone();
        rest = &rest[1..];
    }
    let is_new = |name: &str| !command.get_arguments().any(|argument| argument.get_long() == Some(name));
    let flags = rest.iter().filter_map(|word| word.strip_prefix("--"));
    let unknown = flags.map(|flag| flag.split('=').next().unwrap_or_default()).find(|flag| is_new(flag));
    let is_group = command.get_subcommands().next().is_some();
    match (unknown, rest.first()) {
        (Some(flag), _) => Some(format!("no flag --{flag}")),
        (None, Some(word)) if is_group && !word.starts_with('…') => Some(format!("no subcommand {word}")),
        _ => None,
    }
}

/// Lines of code blocks that start with `telcon`, and the text in backticks that does.
fn command_lines(text: &str) -> (Vec<String>, Vec<String>) {
    let (mut blocks, mut spans) = (Vec::new(), Vec::new());
    for (number, part) in text.split("```").enumerate() {
        if number % 2 == 1 {
            let joined = part.replace("\\\n", " ");
            blocks.extend(joined.lines().map(str::trim).filter(|line| line.starts_with("telcon ")).map(str::to_owned));
        } else {
            for paragraph in part.split("\n\n") {
                let inside = paragraph.split('`').skip(1).step_by(2).map(|span| span.replace('\n', " "));
                spans.extend(inside.filter(|span| span.starts_with("telcon ")));
            }
        }
    }
    (blocks, spans)
}

#[test]
fn commands_in_documents_are_accepted() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut paths: Vec<_> = fs::read_dir(root.join("docs")).unwrap().flatten().map(|entry| entry.path()).collect();
    paths.extend(["README.md", "SECURITY.md", "CONTRIBUTING.md", "ARCHITECTURE.md"].map(|name| root.join(name)));
    let mut seen = 0;
    for path in paths.iter().filter(|path| path.extension().is_some_and(|extension| extension == "md")) {
        let (blocks, spans) = command_lines(&fs::read_to_string(path).unwrap());
        let all = blocks.iter().map(|line| (line, false)).chain(spans.iter().map(|line| (line, true)));
        for (line, named) in all {
            seen += 1;
            assert_eq!(refusal(line, named), None, "{}: {line}", path.display());
        }
    }
    assert!(seen > 20, "only {seen} command lines were found");
}

#[test]
fn examples_in_help_are_accepted() {
    let mut command = Cli::command();
    command.build();
    let mut waiting = vec![command];
    let mut seen = 0;
    while let Some(command) = waiting.pop() {
        waiting.extend(command.get_subcommands().cloned());
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        for line in help.lines() {
            let line = line.trim_start().trim_start_matches("Example: ");
            if line.starts_with("telcon ") {
                seen += 1;
                assert_eq!(refusal(line, false), None, "{line}");
            }
        }
    }
    assert!(seen > 10, "only {seen} examples were found");
}

#[test]
fn wrong_command_lines_are_refused() {
    assert!(refusal("telcon serve --data x --nonsense", false).is_some());
    assert!(refusal("telcon serve --nonsense …", false).is_some());
    assert!(refusal("telcon archive verfy", true).is_some());
    assert_eq!(refusal("telcon archive verify DIR", true), None);
    assert_eq!(words("a 'b c' \"d\" e#f # g | h"), ["a", "b c", "d", "e#f"]);
}
