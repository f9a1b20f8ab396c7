//! The log's thread.

use crate::event::Event;
use crate::process::HubInput;
use crate::world::World;
use telcon_log::MAX_APPEND_ENTRIES;
use telcon_proto::entry::Entry;
use telcon_server::archive::LogEvent;
use telcon_server::limits::LOG_RETRY_MS;
use telcon_server::switchboard::PendingAppend;

impl World {
    /// Appends what waits, and reports it.
    pub fn log_thread(&mut self, boot: u64) {
        let now = self.now;
        if self.process().is_none_or(|process| process.boot != boot) {
            return;
        }
        if self.script.as_ref().is_some_and(|script| script.hold_log) {
            return;
        }
        let Some(process) = self.process() else { return };
        process.log_busy = false;
        let many = process.entries.len().min(MAX_APPEND_ENTRIES);
        let batch: Vec<(PendingAppend, Entry)> = process.entries.drain(..many).collect();
        let events = process.writer.append_batch(batch, now);
        let in_doubt = process.writer.has_unresolved();
        if self.server.disk.has_crashed() {
            return self.crash_server();
        }
        let wait = self.wait(0, 4);
        for event in events {
            let input = match event {
                LogEvent::Appended(append, index) => {
                    let name = format!("{append:?}");
                    let name = name.split(['(', ' ']).next().unwrap_or_default();
                    self.note(format!("log: {name} {}", index.map_or("-".to_owned(), |index| index.to_string())));
                    HubInput::Logged(append, index)
                }
                LogEvent::Reported(size) => HubInput::LogReported(size),
            };
            self.after(wait, Event::Input(boot, Box::new(input)));
        }
        if in_doubt {
            self.after(LOG_RETRY_MS, Event::Log(boot));
        }
    }
}
