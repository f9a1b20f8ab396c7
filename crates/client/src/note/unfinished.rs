//! Records that an earlier run of the process left unfinished in the spool.

use super::{
    NoteConfig,
    files::{salt, sign},
    pending::PendingStore,
    session::{date, transcribed_later},
    transcript::{LeftTranscript, transcribe_left},
};
use std::path::Path;
use telcon_proto::CallId;
use telcon_record::{BagInfo, RecordError, RecordWriter, Recovered, salted_jsonl};

/// Calls with unfinished records in the spool, left by an earlier run of the process.
pub fn unfinished_records(spool: &Path) -> Vec<CallId> {
    let Ok(entries) = std::fs::read_dir(spool) else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_string_lossy().parse().ok()).collect()
}

/// Seals and signs the unfinished record of a call that is over, as a partial one, after transcribing what was received and not
/// transcribed. Returns false if nothing of it was written. Blocks for seconds.
///
/// # Errors
/// When it cannot be read or written. It is left unchanged.
pub fn seal_unfinished(
    config: &NoteConfig,
    device: &telcon_core::Device,
    call: CallId,
    now_ms: u64,
) -> Result<bool, RecordError> {
    let dir = &config.spool.join(call.to_hex());
    let pending = PendingStore::new(&config.spool, call);
    let mut sealed = match RecordWriter::recover(dir, &config.custodians) {
        Ok(Recovered::Sealed(sealed)) => sealed,
        Ok(Recovered::Unfinished(mut writer)) => {
            add_left_transcript(&mut writer, config, &pending, now_ms)?;
            writer.finish(&BagInfo {
                date: date(now_ms),
                partial: true,
                reason: "the note-taker was interrupted, and the call ended before it resumed".into(),
                extra: Vec::new(),
            })?
        }
        Err(RecordError::NoRecord(_)) => {
            pending.delete();
            return Ok(false);
        }
        Err(error) => return Err(error),
    };
    if sealed.seal().jws.is_none() {
        sign(&mut sealed, device.key(), device.chain(), call, now_ms)?;
    }
    pending.delete();
    Ok(true)
}

/// Adds the transcript of what an earlier run left. What cannot be transcribed stays a gap, which opening the record shows.
fn add_left_transcript(
    writer: &mut RecordWriter,
    config: &NoteConfig,
    pending: &PendingStore,
    now_ms: u64,
) -> Result<(), RecordError> {
    let (Some(left), Some(recognizers)) = (pending.read(), &config.recognizers) else { return Ok(()) };
    let call = writer.call_id();
    tracing::info!(%call, packets = left.packets.len(), "transcribing what was received before the interruption");
    let LeftTranscript { segments, span } = match transcribe_left(call, left, recognizers, config.languages.clone()) {
        Ok(done) => done,
        Err(error) => {
            tracing::error!(%call, %error, "what was received before the interruption cannot be transcribed");
            return Ok(());
        }
    };
    let events: Vec<_> = span.map(|span| transcribed_later(now_ms, span)).into_iter().collect();
    let files = [
        ("transcript/000000.jsonl", salted_jsonl(salt(), &segments)),
        ("events/000000.jsonl", salted_jsonl(salt(), &events)),
    ];
    for (path, payload) in files {
        if let Ok(payload) = payload {
            writer.add(path, payload).map_err(|(error, _)| error)?;
        }
    }
    Ok(())
}
