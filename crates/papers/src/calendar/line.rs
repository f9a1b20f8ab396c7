//! Content lines (RFC 5545, section 3.1).

/// Longest line in octets, without its break.
const MAX_OCTETS: usize = 75;

/// Appends a line, folded. The value is written as it is.
pub(super) fn write(out: &mut String, name: &str, value: &str) {
    let line = format!("{name}:{value}");
    let mut used = 0;
    for c in line.chars() {
        // A folded line begins with a space, which counts.
        if used + c.len_utf8() > MAX_OCTETS {
            out.push_str("\r\n ");
            used = 1;
        }
        out.push(c);
        used += c.len_utf8();
    }
    out.push_str("\r\n");
}

/// A text value (section 3.3.11). Control characters have no way to be written.
pub(super) fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | ';' | ',' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

/// A parameter's value in quotes (section 3.2): quotes and control characters have no way to be written.
pub(super) fn quoted(text: &str) -> String {
    let safe: String = text.chars().filter(|c| !c.is_control()).map(|c| if c == '"' { '\'' } else { c }).collect();
    format!("\"{safe}\"")
}

/// One line that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ContentLine {
    /// In upper case.
    pub(super) name: String,
    /// Names in upper case, with their first value.
    pub(super) parameters: Vec<(String, String)>,
    pub(super) value: String,
}

impl ContentLine {
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Reads an unfolded line; none if it is not one.
pub(super) fn parse(line: &str) -> Option<ContentLine> {
    let name_end = line.find([';', ':'])?;
    let name = &line[..name_end];
    let is_name = |name: &str| {
        (1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    if !is_name(name) {
        return None;
    }
    let mut rest = &line[name_end..];
    let mut parameters = Vec::new();
    while let Some(after) = rest.strip_prefix(';') {
        let equals = after.find('=')?;
        let key = &after[..equals];
        if !is_name(key) || parameters.len() >= 16 {
            return None;
        }
        rest = &after[equals + 1..];
        let mut first = None;
        loop {
            let (value, after) = match rest.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"')?,
                None => rest.split_at(rest.find([';', ':', ','])?),
            };
            first.get_or_insert(value);
            rest = after;
            match rest.strip_prefix(',') {
                Some(more) => rest = more,
                None => break,
            }
        }
        parameters.push((key.to_ascii_uppercase(), first.unwrap_or_default().to_owned()));
    }
    let value = rest.strip_prefix(':')?;
    Some(ContentLine { name: name.to_ascii_uppercase(), parameters, value: value.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_folded_at_75_octets_between_characters() {
        let mut out = String::new();
        write(&mut out, "SUMMARY", &"é".repeat(100));
        let lines: Vec<&str> = out.trim_end().split("\r\n").collect();
        assert!(lines.len() > 2 && lines.iter().all(|line| line.len() <= MAX_OCTETS));
        assert_eq!(out.replace("\r\n ", "").trim_end(), format!("SUMMARY:{}", "é".repeat(100)));
    }

    #[test]
    fn parameters_and_quotes_are_read() {
        let line = parse("DTSTART;TZID=\"Europe/Oslo: x\";X-A=b,c:20260529T092800").unwrap();
        assert_eq!((line.name.as_str(), line.parameter("TZID")), ("DTSTART", Some("Europe/Oslo: x")));
        assert_eq!((line.parameter("X-A"), line.value.as_str()), (Some("b"), "20260529T092800"));
        for bad in ["", "no colon", ":x", "A;B:c", "A;B=\"c:d", "é:x"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn text_cannot_begin_another_line() {
        assert_eq!(text("a\r\nEND:VCALENDAR;,\\"), "a\\nEND:VCALENDAR\\;\\,\\\\");
        assert_eq!(quoted("a\"b\r\nc"), "\"a'bc\"");
    }
}
