//! WebVTT (W3C) for transcripts: cues with a voice, and a parser for what is written here.

use std::fmt::Write;

/// One cue: speaker, text, start and end, in milliseconds since the start of the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cue {
    /// Start, milliseconds.
    pub start_ms: u64,
    /// End, milliseconds; written as at least one millisecond after the start, as WebVTT requires.
    pub end_ms: u64,
    /// The speaker's name for the `<v Name>` tag; empty for no tag.
    pub voice: String,
    /// The text. Line breaks and runs of spaces become one space.
    pub text: String,
}

/// A text is not WebVTT as this crate writes it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a transcript in WebVTT: line {line}: {what}")]
pub struct VttError {
    /// Line, from 1.
    pub line: usize,
    /// What is wrong.
    pub what: &'static str,
}

/// A complete WebVTT file. For files in a record use [`crate::salted_vtt`].
pub fn write_vtt(cues: &[Cue]) -> String {
    format!("WEBVTT\n\n{}", cues_text(cues))
}

/// The cue blocks without the header.
pub(crate) fn cues_text(cues: &[Cue]) -> String {
    let mut out = String::new();
    for cue in cues {
        let end = cue.end_ms.max(cue.start_ms.saturating_add(1));
        let (start, end, text) = (timestamp(cue.start_ms), timestamp(end), escape(&cue.text));
        let voice = {
            let voice = escape(&cue.voice);
            if voice.is_empty() { String::new() } else { format!("<v {voice}>") }
        };
        write!(out, "{start} --> {end}\n{voice}{text}\n\n").expect("invariant: writing to a String cannot fail");
    }
    out
}

/// Parses a WebVTT file by the parser of the W3C's specification, which recovers from every mistake but a missing signature:
/// blocks that are no cues are skipped. Cue identifiers and settings are ignored, `<v>` tags and escapes decoded; other tags
/// remain in the text.
///
/// # Errors
/// There is no WebVTT signature.
pub fn parse_vtt(text: &str) -> Result<Vec<Cue>, VttError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace('\0', "\u{fffd}");
    // CR LF, LF and a lone CR end a line.
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut lines: &[&str] = &text.split('\n').collect::<Vec<_>>();
    let signature = lines.first().copied().unwrap_or_default();
    if !(signature == "WEBVTT" || signature.starts_with("WEBVTT ") || signature.starts_with("WEBVTT\t")) {
        return Err(VttError { line: 1, what: "no WEBVTT signature" });
    }
    lines = &lines[1..];
    if lines.first().is_some_and(|line| !line.is_empty()) {
        collect_block(&mut lines, true);
    }
    let mut cues = Vec::new();
    while !lines.is_empty() {
        match lines[0].is_empty() {
            true => lines = &lines[1..],
            false => cues.extend(collect_block(&mut lines, false)),
        }
    }
    Ok(cues)
}

/// Reads one block (W3C WebVTT, section 6.1, "collect a WebVTT block"); none if it is not a cue. A line with an arrow that is
/// neither the first nor the second of the block begins the next one.
fn collect_block(lines: &mut &[&str], in_header: bool) -> Option<Cue> {
    let (mut count, mut timing, mut seen_arrow, mut body) = (0, None, false, Vec::new());
    while let Some((line, rest)) = lines.split_first() {
        count += 1;
        if line.contains("-->") {
            if in_header || seen_arrow || count > 2 {
                break;
            }
            (seen_arrow, timing) = (true, parse_timing(line));
            // What came before was the identifier.
            body.clear();
        } else if line.is_empty() {
            break;
        } else {
            body.push(*line);
        }
        *lines = rest;
    }
    let (start_ms, end_ms) = timing?;
    let body = body.join(" ");
    let (voice, text) = match split_voice(&body) {
        Some((voice, text)) => (unescape(voice), unescape(text.strip_suffix("</v>").unwrap_or(text))),
        None => (String::new(), unescape(&body)),
    };
    Some(Cue { start_ms, end_ms, voice, text })
}

/// The name in a voice tag that begins a cue, `<v Name>` or `<v.class Name>`, and the rest.
fn split_voice(body: &str) -> Option<(&str, &str)> {
    let rest = body.strip_prefix("<v").filter(|rest| rest.starts_with([' ', '.', '\t']))?;
    let (tag, text) = rest.split_once('>')?;
    let name = tag.split_once([' ', '\t']).map_or("", |(_, name)| name);
    Some((name.trim(), text))
}

fn timestamp(ms: u64) -> String {
    let (hours, minutes, seconds) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    format!("{hours:02}:{minutes:02}:{seconds:02}.{:03}", ms % 1000)
}

fn parse_timing(line: &str) -> Option<(u64, u64)> {
    let (start, rest) = line.split_once("-->")?;
    let end = rest.split_whitespace().next()?;
    Some((parse_timestamp(start.trim())?, parse_timestamp(end)?))
}

fn parse_timestamp(text: &str) -> Option<u64> {
    let (clock, millis) = text.split_once('.')?;
    let number = |digits: &str, longest: usize| {
        let plain = digits.len() >= 2 && digits.len() <= longest && digits.bytes().all(|b| b.is_ascii_digit());
        if plain { digits.parse::<u64>().ok() } else { None }
    };
    let fields: Vec<&str> = clock.split(':').collect();
    let (hours, minutes, seconds) = match fields.as_slice() {
        [m, s] => (0, number(m, 2)?, number(s, 2)?),
        [h, m, s] => (number(h, 9)?, number(m, 2)?, number(s, 2)?),
        _ => return None,
    };
    if minutes > 59 || seconds > 59 || millis.len() != 3 {
        return None;
    }
    Some(((hours * 60 + minutes) * 60 + seconds) * 1000 + number(millis, 3)?)
}

/// Escapes markup and joins lines: a blank line would end the cue, and `-->` would start another.
fn escape(text: &str) -> String {
    let words: Vec<&str> =
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()).collect();
    words.join(" ").replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn unescape(text: &str) -> String {
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&nbsp;", "\u{a0}");
    text.replace("&lrm;", "\u{200e}").replace("&rlm;", "\u{200f}").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cue(voice: &str, text: &str) -> Cue {
        Cue { start_ms: 3_723_004, end_ms: 3_724_000, voice: voice.into(), text: text.into() }
    }

    #[test]
    fn output_conforms_to_the_specification() {
        let text = write_vtt(&[cue("President <A>", "Yes & no.\n\n00:00.000 --> 00:01.000\nforged")]);
        let expected = "WEBVTT\n\n01:02:03.004 --> 01:02:04.000\n<v President &lt;A&gt;>Yes &amp; no. 00:00.000 --&gt; \
                        00:01.000 forged\n\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn empty_interval_is_extended_to_one_millisecond() {
        let cues =
            parse_vtt(&write_vtt(&[Cue { start_ms: 5, end_ms: 5, voice: "A".into(), text: "x".into() }])).unwrap();
        assert_eq!((cues[0].start_ms, cues[0].end_ms), (5, 6));
    }

    #[test]
    fn comments_identifiers_and_settings_are_skipped() {
        let text = "\u{feff}WEBVTT - title\r\n\r\nNOTE a\r\nb\r\n\r\n7\r\n00:01.000 --> 00:02.000 align:start\r\nHello\r\nthere\r\n";
        let expected = Cue { start_ms: 1000, end_ms: 2000, voice: String::new(), text: "Hello there".into() };
        assert_eq!(parse_vtt(text).unwrap(), [expected]);
    }

    #[test]
    fn only_a_missing_signature_is_an_error() {
        for text in ["", "WEBVTTX", "webvtt", " WEBVTT", "WEBVTT-"] {
            assert_eq!(parse_vtt(text).unwrap_err().line, 1, "{text:?}");
        }
    }

    /// Each case states what the W3C's parser does with it (web-platform-tests, `webvtt/parsing/file-parsing`).
    #[test]
    fn mistakes_are_recovered_from_as_the_specification_says() {
        let texts = |file: &str| parse_vtt(file).unwrap().into_iter().map(|cue| cue.text).collect::<Vec<_>>();
        const T: &str = "00:00.000 --> 00:01.000";
        // A cue directly after the signature, and one after a line of the header.
        assert_eq!(texts(&format!("WEBVTT\n{T}\none")), ["one"]);
        assert_eq!(texts(&format!("WEBVTT\nheader\n{T}\none")), ["one"]);
        // Text that looks like a comment, a style, a region or a signature.
        for text in ["NOTE x", "STYLE", "REGION", "WEBVTT"] {
            assert_eq!(texts(&format!("WEBVTT\n\n{T}\n{text}\n")), [text]);
            assert_eq!(texts(&format!("WEBVTT\n\n{text}\n{T}\none\n")), ["one"], "an identifier");
        }
        // Comments and styles, and blocks that are nothing.
        assert_eq!(texts(&format!("WEBVTT\n\nNOTE\na\n\nSTYLE\n::cue{{}}\n\nstray\n\n{T}\none")), ["one"]);
        // An arrow inside a cue begins the next one.
        assert_eq!(texts(&format!("WEBVTT\n\n{T}\none\n{T}\ntwo\n")), ["one", "two"]);
        // A cue whose times cannot be read is dropped alone.
        for bad in [
            "00:61.000 --> 01:62.000",
            "0:01.000 --> 00:02.000",
            "00:00.00 --> 00:01.000",
            "-->",
            "00:00,000 --> 00:01,000",
        ] {
            assert_eq!(texts(&format!("WEBVTT\n\n{bad}\nbad\n\n{T}\none")), ["one"], "{bad}");
        }
        // Line ends: CR LF, LF, a lone CR.
        for end in ["\r\n", "\n", "\r"] {
            assert_eq!(texts(&["WEBVTT", "", T, "a", "b", "", T, "c"].join(end)), ["a b", "c"]);
        }
        assert_eq!(texts(&format!("WEBVTT\n\n{T}\na\0b")), ["a\u{fffd}b"]);
        let cue = &parse_vtt(&format!("WEBVTT\n\n{T}\n<v.loud.first Ann B.>Hello &amp;lt;</v>")).unwrap()[0];
        assert_eq!((cue.voice.as_str(), cue.text.as_str()), ("Ann B.", "Hello &lt;"));
    }

    #[test]
    fn blank_voice_has_no_tag() {
        for voice in ["", " ", "\u{1}", "\u{2003}"] {
            let file = write_vtt(&[cue(voice, "x")]);
            assert!(!file.contains("<v"), "{file}");
        }
    }

    proptest! {
        #[test]
        fn written_cues_round_trip(voice in "\\PC{0,20}", text in "\\PC{0,40}", start in 0u64..1 << 36, length in 1u64..1 << 20) {
            let normal = |s: &str| s.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()).collect::<Vec<_>>().join(" ");
            let cue = Cue { start_ms: start, end_ms: start + length, voice: normal(&voice), text: normal(&text) };
            let read = parse_vtt(&write_vtt(&[Cue { voice, text, ..cue.clone() }])).unwrap();
            prop_assert_eq!(read, vec![cue]);
        }

        #[test]
        fn random_text_never_panics(text in "(WEBVTT\n\n)?[\\PC\n\r:.>0-9-]{0,200}") {
            let _ = parse_vtt(&text);
        }

        #[test]
        fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse_vtt(&String::from_utf8_lossy(&bytes));
        }
    }
}
