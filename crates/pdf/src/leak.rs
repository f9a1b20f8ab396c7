//! Tracing with the lines that copies have on paper.

use crate::turn_lines;
use telcon_papers::{
    circulation::{Circulation, Copy, copy_sheet},
    memorandum::{Colophon, Memorandum},
    trace::{Lines, Material, Trace, trace},
};

/// How well a leaked text fits each copy of a circulation. Without the memorandum, which those who trace may not be allowed to read, only the
/// wordings are compared.
pub fn trace_leak(circulation: &Circulation, memo: Option<&Memorandum>, leaked: &str, lines: Lines) -> Trace {
    let Some(memo) = memo else {
        return trace(&Material::of_wordings(circulation), leaked, Lines::Reflowed);
    };
    let none = Colophon {
        record: String::new(),
        document_version: circulation.memorandum_version,
        state: String::new(),
        digest: String::new(),
        log_index: None,
        checkpoint: String::new(),
    };
    let printed = |copy: &Copy| match lines {
        Lines::AsPrinted => turn_lines(&copy_sheet(memo, &none, (circulation, copy), 0), Some(&copy.layout_key)),
        Lines::Reflowed => Vec::new(),
    };
    trace(&Material::of(circulation, memo, printed), leaked, lines)
}
