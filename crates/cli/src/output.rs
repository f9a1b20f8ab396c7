//! The one way to terminals and logs: text of others cannot act on them, and a closed or full output is no crash.
//!
//! [`say`] writes results to standard output and [`tell`] remarks to standard error. Both pass [`printable_lines`]; text of
//! others is also passed through [`Printable`] where it is inserted, so that its line breaks forge no line.

use std::io::{self, ErrorKind, Write as _};
use std::sync::Mutex;

pub use telcon_proto::printable::Printable;
use telcon_proto::printable::{printable, printable_lines};

/// The first failure of standard output. After it, nothing more is written there.
static FAILED: Mutex<Option<io::Error>> = Mutex::new(None);

/// Prints a line on standard output. [`failure`] says at the end whether that worked.
macro_rules! say {
    ($($text:tt)*) => { $crate::output::print(&format!("{}\n", format_args!($($text)*))) };
}
pub(crate) use say;

/// Prints a line on standard error. A closed pipe is ignored.
macro_rules! tell {
    ($($text:tt)*) => { $crate::output::remark(&format!("{}\n", format_args!($($text)*))) };
}
pub(crate) use tell;

/// Prints text, with its line breaks, on standard output.
pub fn print(text: &str) {
    let mut failed = FAILED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if failed.is_none() {
        let mut out = io::stdout().lock();
        *failed = out.write_all(printable_lines(text).as_bytes()).and_then(|()| out.flush()).err();
    }
}

/// Prints text, with its line breaks, on standard error.
pub fn remark(text: &str) {
    let _ = io::stderr().lock().write_all(printable_lines(text).as_bytes());
}

/// Why not everything reached standard output. A reader that closed it, as `head` does, has what it wanted.
pub fn failure() -> Option<io::Error> {
    let failed = FAILED.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
    failed.filter(|error| error.kind() != ErrorKind::BrokenPipe)
}

/// Where log lines go: standard error. The subscriber writes each event with one call, so every line break inside of it is
/// from a value. A closed output is ignored.
#[derive(Debug, Clone, Copy, Default)]
pub struct LogWriter;

impl io::Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = io::stderr().lock().write_all(log_line(bytes).as_bytes());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An event as one line.
fn log_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let (text, end) = text.strip_suffix('\n').map_or((&*text, ""), |text| (text, "\n"));
    printable(text) + end
}

/// A time for people, to the minute. Milliseconds since 1970 UTC.
pub fn utc(ms: u64) -> String {
    format!("{} UTC", telcon_record::local_time::utc_minute(ms))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};
    use telcon_proto::printable::is_active;

    #[test]
    fn an_event_is_one_line_without_control_or_direction_characters() {
        #[derive(Clone, Default)]
        struct Captured(Arc<Mutex<Vec<u8>>>);
        impl io::Write for Captured {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.lock().unwrap().extend(log_line(bytes).bytes());
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let captured = Captured::default();
        let writer = captured.clone();
        let subscriber =
            tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).without_time().finish();
        tracing::subscriber::with_default(subscriber, || {
            let name = "Ann\u{1b}[2J\nERROR telcon: forged\u{202e}\u{200b}\u{9b}1m";
            tracing::warn!(device = name, error = %name, "refused: {name}");
        });
        let text = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.matches('\n').count(), 1, "{text:?}");
        assert!(text.ends_with('\n') && !text.trim_end().contains(is_active), "{text:?}");
    }
}
