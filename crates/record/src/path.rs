//! Names of files inside a bag: few characters, so that they mean the same to every tool and every file system.

/// Longest path inside the bag, in bytes. With the 33 bytes of the bag's own directory a member's name is then no longer
/// than the 155 bytes of the prefix field of a POSIX ustar header, so it can be split wherever its slashes are, and no tar
/// extension is ever needed or accepted.
pub const MAX_PATH_BYTES: usize = 120;

/// Longest single name in a path; the ustar name field holds 100 bytes.
pub const MAX_NAME_BYTES: usize = 99;

/// Whether `path` may name a file in a bag: relative, `/` between names of ASCII letters, digits, `.`, `_`, `-`; no name is
/// empty or starts with a dot (so neither `..` nor hidden files) or ends with one (Windows drops it).
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

/// Whether `text` is a call's id: 32 lower-case hexadecimal digits.
pub fn is_call_id(text: &str) -> bool {
    crate::digest::is_hex(text, 32)
}

/// The call and the note-taker's device in the name of a record's directory. Older programs named only the call.
pub(crate) fn record_name(name: &str) -> Option<(&str, Option<&str>)> {
    let (call, device) = match name.split_once('-') {
        Some((call, device)) => (call, Some(device).filter(|device| !device.is_empty())?.into()),
        None => (name, None),
    };
    is_call_id(call).then_some((call, device))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_relative_paths() {
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
