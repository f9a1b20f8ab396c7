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
        let voice = if cue.voice.is_empty() { String::new() } else { format!("<v {}>", escape(&cue.voice)) };
        write!(out, "{start} --> {end}\n{voice}{text}\n\n").expect("invariant: writing to a String cannot fail");
    }
    out
}

/// Parses a WebVTT file. Comments and styles are skipped, cue identifiers and settings ignored, `<v>` tags and escapes
/// decoded; other tags remain in the text.
///
/// # Errors
/// The first line that is neither part of a cue nor of a comment.
pub fn parse_vtt(text: &str) -> Result<Vec<Cue>, VttError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = text.lines().enumerate().map(|(n, line)| (n + 1, line)).peekable();
    let fail = |line, what| Err(VttError { line, what });
    match lines.next() {
        Some((_, line)) if line == "WEBVTT" || line.starts_with("WEBVTT ") || line.starts_with("WEBVTT\t") => {}
        _ => return fail(1, "no WEBVTT signature"),
    }
    while lines.next_if(|(_, line)| !line.is_empty()).is_some() {}
    let mut cues = Vec::new();
    while let Some((number, line)) = lines.next() {
        if line.is_empty() {
            continue;
        }
        let mut timing = (number, line);
        if !line.contains("-->") {
            match lines.next_if(|(_, line)| line.contains("-->")) {
                Some(next) if !line.starts_with("NOTE") => timing = next,
                _ => {
                    while lines.next_if(|(_, line)| !line.is_empty()).is_some() {}
                    if ["NOTE", "STYLE", "REGION"].iter().any(|kind| line.starts_with(kind)) {
                        continue;
                    }
                    return fail(number, "a block that is neither a cue nor a comment");
                }
            }
        }
        let Some((start_ms, end_ms)) = parse_timing(timing.1) else {
            return fail(timing.0, "an invalid timing line");
        };
        let mut body = Vec::new();
        while let Some((_, line)) = lines.next_if(|(_, line)| !line.is_empty()) {
            body.push(line);
        }
        let body = body.join(" ");
        let (voice, text) = match body.strip_prefix("<v ").and_then(|rest| rest.split_once('>')) {
            Some((voice, text)) => (unescape(voice), unescape(text.strip_suffix("</v>").unwrap_or(text))),
            None => (String::new(), unescape(&body)),
        };
        cues.push(Cue { start_ms, end_ms, voice, text });
    }
    Ok(cues)
}

fn timestamp(ms: u64) -> String {
    let (hours, minutes, seconds) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    format!("{hours:02}:{minutes:02}:{seconds:02}.{:03}", ms % 1000)
}

fn parse_timing(line: &str) -> Option<(u64, u64)> {
    let (start, rest) = line.split_once("-->")?;
    let end = rest.split_whitespace().next()?;
    let (start, end) = (parse_timestamp(start.trim())?, parse_timestamp(end)?);
    (start < end).then_some((start, end))
}

fn parse_timestamp(text: &str) -> Option<u64> {
    let (clock, millis) = text.split_once('.')?;
    let number = |digits: &str, least: usize| {
        let plain = digits.len() >= least && digits.len() <= 9 && digits.bytes().all(|b| b.is_ascii_digit());
        if plain { digits.parse::<u64>().ok() } else { None }
    };
    let fields: Vec<&str> = clock.split(':').collect();
    let (hours, minutes, seconds) = match fields.as_slice() {
        [m, s] => (0, number(m, 2)?, number(s, 2)?),
        [h, m, s] => (number(h, 2)?, number(m, 2)?, number(s, 2)?),
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
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
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
    fn malformed_files_are_refused() {
        for (text, line) in [
            ("", 1),
            ("WEBVTTX", 1),
            ("WEBVTT\n\nstray\n", 3),
            ("WEBVTT\n\n00:02.000 --> 00:01.000\nx\n", 3),
            ("WEBVTT\n\n00:61.000 --> 01:62.000\nx\n", 3),
        ] {
            assert_eq!(parse_vtt(text).unwrap_err().line, line, "{text:?}");
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
