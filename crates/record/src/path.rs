//! Paths inside a bag, restricted to characters that every tool and file system treats alike.

/// Longest path inside the bag, bytes. Together with the 33 bytes of the bag's own directory it fits the 155-byte prefix field
/// of a POSIX ustar header, so a name can be split at any slash and no tar extension is needed or accepted.
pub const MAX_PATH_BYTES: usize = 120;

/// Longest single name in a path, bytes; the ustar name field has 100.
pub const MAX_NAME_BYTES: usize = 99;

/// Whether `path` is valid in a bag: relative, with `/` between names of ASCII letters, digits, `.`, `_` and `-`. No name is
/// empty, starts with a dot (which excludes `..` and hidden files) or ends with one (Windows strips it).
pub fn is_bag_path(path: &str) -> bool {
    let name_ok = |name: &str| {
        !name.is_empty()
            && name.len() <= MAX_NAME_BYTES
            && !name.starts_with('.')
            && !name.ends_with('.')
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
    };
    path.len() <= MAX_PATH_BYTES && path.split('/').all(name_ok)
}

/// Whether `text` is a call id: 32 lower-case hexadecimal digits.
pub fn is_call_id(text: &str) -> bool {
    crate::digest::is_hex(text, 32)
}

/// The call and the note-taker's device in a record directory's name. Versions before 0.1 named only the call.
pub(crate) fn record_name(name: &str) -> Option<(&str, Option<&str>)> {
    let (call, device) = match name.split_once('-') {
        Some((call, device)) => (call, Some(device).filter(|device| !device.is_empty())?.into()),
        None => (name, None),
    };
    is_call_id(call).then_some((call, device))
}

/// The name of a record's directory, which [`record_name`] reads.
pub(crate) fn record_directory(call: &str, device: Option<&str>) -> String {
    device.map_or_else(|| call.to_owned(), |device| format!("{call}-{device}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_relative_paths_are_valid() {
        for good in ["data/session-1/events/000003.jsonl", "a", "bag-info.txt"] {
            assert!(is_bag_path(good), "{good}");
        }
        let long = "a/".repeat(60) + "a";
        for bad in
            ["", "/a", "a/", "a//b", "../a", "a/../b", "./a", ".a", "a.", "a\\b", "c:a", "é", "a b", "a\0", &long]
        {
            assert!(!is_bag_path(bad), "{bad}");
        }
        assert!(!is_bag_path(&"a".repeat(100)));
    }
}
