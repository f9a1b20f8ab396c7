//! `telcon migrate`: moves an office to PostgreSQL and S3.

use crate::serve::{ObjectsArgs, StoreArgs};
use anyhow::bail;
use clap::Args;
use std::path::PathBuf;
use telcon_server::{MigrateProgress, migrate};
use tokio::runtime::Handle;

/// Arguments of `telcon migrate`.
#[derive(Args)]
#[command(
    after_help = "Example: telcon migrate --from-data /srv/telcon/server --store postgres://telcon@db.example/telcon --objects \
                  s3://telcon-records/office\nStop the server first. An interrupted migration is run again with the same \
                  arguments. What is in the directory is not changed and not deleted."
)]
pub struct MigrateArgs {
    /// The server's directory. Its log and its keys stay there.
    #[arg(long)]
    pub from_data: PathBuf,
    #[command(flatten)]
    pub store: StoreArgs,
    #[command(flatten)]
    pub objects: ObjectsArgs,
}

/// How many objects go by between two lines.
const LINE_EACH: usize = 1000;

/// `telcon migrate`.
pub fn run(args: &MigrateArgs) -> anyhow::Result<()> {
    let data = &args.from_data;
    if args.store.store.is_none() && args.objects.objects.is_none() {
        bail!("say where the office is to move: --store postgres://…, --objects s3://…, or both");
    }
    let store = args.store.store.is_some().then(|| args.store.location(data)).transpose()?;
    let objects = args.objects.objects.is_some().then(|| args.objects.location(data)).transpose()?;
    let report = migrate(data, store.as_ref(), objects.as_ref(), &Handle::current(), |progress| match progress {
        MigrateProgress::Copied(done, total) if is_told(done, total) => {
            crate::output::tell!("copied {done} of {total} sealed files");
        }
        MigrateProgress::Compared(done, total) if is_told(done, total) => {
            crate::output::tell!("compared {done} of {total} sealed files");
        }
        MigrateProgress::Table(table) => crate::output::tell!("copying the table {table}"),
        MigrateProgress::DatabaseCopied => crate::output::tell!("copied the database"),
        MigrateProgress::Recorded => crate::output::tell!("stores.json names the new places"),
        MigrateProgress::Copied(..) | MigrateProgress::Compared(..) => {}
    })?;
    if let Some(sha256) = &report.objects_sha256 {
        let (count, bytes) = report.objects;
        crate::output::say!(
            "sealed files: {count}, {bytes} bytes, the same in both places (SHA-256 of the list {sha256})"
        );
    }
    for table in &report.tables {
        crate::output::say!(
            "table {}: {} rows, the same in both places (SHA-256 {})",
            table.table,
            table.rows,
            table.sha256
        );
    }
    if report.tables.is_empty() && report.objects_sha256.is_none() {
        crate::output::say!("the office has been migrated before: nothing was copied");
    }
    let mut places = String::new();
    places.extend(store.iter().map(|store| format!(" --store {store}")));
    places.extend(objects.iter().map(|objects| format!(" --objects {objects}")));
    crate::output::tell!("done. From now on: telcon serve --data {}{places}", data.display());
    Ok(())
}

fn is_told(done: usize, total: usize) -> bool {
    done == total || done.is_multiple_of(LINE_EACH)
}
