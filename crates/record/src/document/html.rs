//! The document as one HTML file: no scripts, no external resources, light and dark, and fit for printing.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::{DocumentPerson, LineKind, RecordDocument, RecordVerdict, capitalised};

const STYLE: &str = include_str!("record.css");

/// The Content-Security-Policy. No script and no other origin. Escaping is the protection; this is the second one.
fn policy() -> String {
    let style = STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; media-src 'self' file:; base-uri 'none'; form-action 'none'"
    )
}

impl RecordDocument {
    /// `record.html`.
    pub fn to_html(&self) -> String {
        let mut out = String::new();
        let verdict = match self.state.verdict {
            RecordVerdict::Complete => "complete",
            RecordVerdict::Incomplete => "incomplete",
            RecordVerdict::NotGenuine => "not-genuine",
        };
        put(
            &mut out,
            format_args!(
                "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta http-equiv=\"Content-Security-Policy\" \
             content=\"{policy}\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta \
             name=\"color-scheme\" content=\"light dark\">\n<title>Record: {title}</title>\n<style>{STYLE}</style>\n</head>\n\
             <body>\n<main>\n<header>\n<p class=\"kind\">Record of a call</p>\n<h1>{title}</h1>\n<p class=\"state \
             {verdict}\">{state}</p>\n</header>\n",
                policy = policy(),
                title = Text(&self.title),
                state = Text(&self.state.text),
            ),
        );
        self.cover(&mut out);
        self.gaps(&mut out);
        self.lines(&mut out);
        self.proof_table(&mut out);
        out.push_str("</main>\n</body>\n</html>\n");
        out
    }

    fn cover(&self, out: &mut String) {
        out.push_str("<section aria-labelledby=\"who\">\n<h2 id=\"who\">Parties</h2>\n");
        people(out, &self.parties, "No party is named in the record.");
        if let Some(mix) = &self.mix {
            out.push_str("<p><span class=\"note\">The whole call</span>");
            audio_player(out, mix);
            out.push_str("</p>\n");
        }
        out.push_str("</section>\n<section aria-labelledby=\"heard\">\n<h2 id=\"heard\">Who listened</h2>\n");
        people(out, &self.listeners, "Nobody else was in the call.");
        out.push_str("</section>\n<section aria-labelledby=\"when\">\n<h2 id=\"when\">When</h2>\n");
        if self.times.is_empty() {
            out.push_str("<p>The record does not say when the call was answered.</p>\n");
        } else {
            out.push_str("<table>\n<thead><tr><th scope=\"col\">Local time of</th><th scope=\"col\">Date</th><th \
                          scope=\"col\">From</th><th scope=\"col\">To</th><th scope=\"col\">Zone</th></tr></thead>\n<tbody>\n");
            for time in &self.times {
                put(
                    out,
                    format_args!(
                        "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}</td><td>{} ({})</td></tr>\n",
                        Text(&time.of),
                        Text(&time.date),
                        Text(&time.from),
                        Text(&time.to),
                        Text(&time.zone),
                        Text(&time.offset),
                    ),
                );
            }
            out.push_str("</tbody>\n</table>\n");
        }
        out.push_str("<dl>\n");
        let duration = self.duration.as_deref().unwrap_or("unknown");
        for (label, value) in [
            ("Duration", duration),
            ("End", self.ending.as_str()),
            ("Kept", self.kept.as_str()),
            ("Call", self.call.as_str()),
        ] {
            put(out, format_args!("<dt>{label}</dt><dd>{}</dd>\n", Text(value)));
        }
        out.push_str("</dl>\n</section>\n");
    }

    fn gaps(&self, out: &mut String) {
        out.push_str("<section aria-labelledby=\"missing\">\n<h2 id=\"missing\">What is missing</h2>\n");
        if self.missing.is_empty() && self.warnings.is_empty() {
            put(out, format_args!("<p>{}</p>\n", Text(&self.missing_note)));
        } else {
            out.push_str("<ul class=\"missing\">\n");
            for text in self.missing.iter().chain(&self.warnings) {
                put(out, format_args!("<li>{}</li>\n", Text(&sentence(text))));
            }
            out.push_str("</ul>\n");
        }
        out.push_str("</section>\n");
    }

    fn lines(&self, out: &mut String) {
        let uncertain = self.transcript.iter().any(|line| line.text.contains(UNCERTAIN_END));
        let key = if uncertain { " Words in brackets with a question mark are uncertain." } else { "" };
        put(
            out,
            format_args!(
                "<section aria-labelledby=\"said\" class=\"said\">\n<h2 id=\"said\">Transcript</h2>\n<p class=\"note\">{}{key}</p>\n",
                Text(&self.transcript_note),
            ),
        );
        if !self.transcript.is_empty() {
            out.push_str("<table class=\"transcript\">\n<thead><tr>");
            for time in &self.times {
                put(out, format_args!("<th scope=\"col\">{}</th>", Text(&city(&time.zone))));
            }
            out.push_str("<th scope=\"col\">Speaker</th><th scope=\"col\">Words</th></tr></thead>\n<tbody>\n");
            for line in &self.transcript {
                let class = if line.kind == LineKind::Gap { " class=\"gap\"" } else { "" };
                put(out, format_args!("<tr{class}>"));
                for clock in line.clocks.iter().take(self.times.len()) {
                    put(out, format_args!("<td class=\"clock\">{}</td>", Text(clock)));
                }
                let marked = if line.kind == LineKind::Gap { "Gap: " } else { "" };
                put(
                    out,
                    format_args!(
                        "<th scope=\"row\" dir=\"auto\">{}</th><td dir=\"auto\">{marked}{}</td></tr>\n",
                        Text(&line.speaker),
                        Words(&line.text),
                    ),
                );
            }
            out.push_str("</tbody>\n</table>\n");
        }
        out.push_str("</section>\n");
    }

    fn proof_table(&self, out: &mut String) {
        put(
            out,
            format_args!(
                "<section aria-labelledby=\"proof\">\n<h2 id=\"proof\">Proof</h2>\n<p>{}</p>\n",
                Text(&self.proof.summary),
            ),
        );
        if !self.proof.lines.is_empty() {
            out.push_str("<dl class=\"proof\">\n");
            for line in &self.proof.lines {
                put(
                    out,
                    format_args!(
                        "<dt>{}</dt><dd><code>{}</code><br><span class=\"note\">{}</span></dd>\n",
                        Text(&line.label),
                        Text(&line.value),
                        Text(&line.meaning),
                    ),
                );
            }
            out.push_str("</dl>\n");
        }
        out.push_str("</section>\n");
    }
}

fn people(out: &mut String, people: &[DocumentPerson], none: &str) {
    if people.is_empty() {
        return put(out, format_args!("<p>{none}</p>\n"));
    }
    out.push_str("<ul class=\"people\">\n");
    for person in people {
        put(
            out,
            format_args!(
                "<li><strong dir=\"auto\">{}</strong><br><span dir=\"auto\">{}</span><br><span class=\"note\">{}",
                Text(&person.name),
                Text(&person.organisation),
                Text(&person.role),
            ),
        );
        for more in [&person.office, &person.zone].into_iter().filter(|text| !text.is_empty()) {
            put(out, format_args!(" · {}", Text(more)));
        }
        out.push_str("</span>");
        for file in &person.audio {
            audio_player(out, file);
        }
        out.push_str("</li>\n");
    }
    out.push_str("</ul>\n");
}

/// `New York` of `America/New_York`: the heading of a column of clock times.
fn city(zone: &str) -> String {
    zone.rsplit('/').next().unwrap_or(zone).replace('_', " ")
}

/// A player, for browsers that play files beside the page, and a link.
fn audio_player(out: &mut String, file: &str) {
    put(
        out,
        format_args!(
            "<br><audio controls preload=\"none\" src=\"{0}\"></audio> <a href=\"{0}\">{1}</a>",
            Text(&percent_encode(file)),
            Text(file),
        ),
    );
}

/// With a capital letter and a full stop.
fn sentence(text: &str) -> String {
    let stop = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{}{stop}", capitalised(text))
}

/// A relative path as a URL (RFC 3986).
fn percent_encode(path: &str) -> String {
    let mut out = String::new();
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'/' => out.push(char::from(byte)),
            other => put(&mut out, format_args!("%{other:02X}")),
        }
    }
    out
}

/// Text, escaped for content and quoted attributes.
struct Text<'a>(&'a str);

impl std::fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

/// How an uncertain word ends in a transcript (`[word?]`). Other text in brackets is a mark in the place of words.
const UNCERTAIN_END: &str = "?]";

/// Words of a transcript, escaped, with uncertain ones and marks as such.
struct Words<'a>(&'a str);

impl std::fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut rest = self.0;
        while let Some((before, bracketed, after)) = split_at_brackets(rest) {
            let (class, prefix) = if bracketed.ends_with(UNCERTAIN_END) {
                ("uncertain", "<span class=\"visually-hidden\">uncertain: </span>")
            } else {
                ("mark", "")
            };
            write!(f, "{}<span class=\"{class}\">{prefix}{}</span>", Text(before), Text(bracketed))?;
            rest = after;
        }
        write!(f, "{}", Text(rest))
    }
}

/// The first text in brackets, with them, and what is before and after it.
fn split_at_brackets(text: &str) -> Option<(&str, &str, &str)> {
    let start = text.find('[')?;
    let end = start + text[start..].find(']')? + 1;
    Some((&text[..start], &text[start..end], &text[end..]))
}

fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("invariant: writing to a String cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uncertain_words_and_marks_are_distinguished_from_words() {
        let prefix = "<span class=\"visually-hidden\">uncertain: </span>";
        assert_eq!(
            Words("The [harbor?], and <b> [unclear]").to_string(),
            format!(
                "The <span class=\"uncertain\">{prefix}[harbor?]</span>, and &lt;b&gt; <span class=\"mark\">[unclear]</span>"
            ),
        );
        assert_eq!(Words("[<i>?]").to_string(), format!("<span class=\"uncertain\">{prefix}[&lt;i&gt;?]</span>"));
    }

    /// The browser hashes the text between the tags as it stands in the file.
    #[test]
    fn the_policy_admits_the_style_of_the_page_and_no_other() {
        let html = crate::document::build(
            &crate::contents::Contents::default(),
            &crate::document::Facts {
                call: "ab",
                partial: false,
                reason: "",
                bag_info: &[],
                audio: &std::collections::BTreeMap::new(),
            },
        )
        .to_html();
        let between = |start: &str, end: &str| html.split_once(start).unwrap().1.split_once(end).unwrap().0;
        let style = between("<style>", "</style>");
        assert!(style.contains(".visually-hidden") && style.contains(".not-genuine"));
        let hash = STANDARD.encode(Sha256::digest(style));
        let policy = between("Content-Security-Policy\" content=\"", "\"");
        assert!(policy.contains(&format!("style-src 'sha256-{hash}';")), "{policy}");
        assert!(!policy.contains("unsafe") && !html.contains(" style="), "{policy}");
    }

    #[test]
    fn unpaired_brackets_are_text() {
        for text in ["", "a ] b", "a [ b", "]["] {
            assert_eq!(Words(text).to_string(), text);
        }
    }
}
