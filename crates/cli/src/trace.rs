//! `telcon trace`: how well a leaked text fits each copy of a memorandum in circulation.

use crate::output::{Printable, say};
use anyhow::Context as _;
use clap::Args;
use std::path::{Path, PathBuf};
use telcon_papers::{Content, circulation::Circulation, memorandum::Memorandum, trace::Lines};
use telcon_proto::limits::MAX_DOCUMENT_BYTES;

/// Arguments of `telcon trace`.
#[derive(Args)]
pub struct TraceArgs {
    /// The circulation, as `telcon document get` writes it.
    #[arg(long)]
    circulation: PathBuf,
    /// The memorandum that was circulated. Without it only the wordings of the copies are compared.
    #[arg(long)]
    memorandum: Option<PathBuf>,
    /// The text has the lines of the page that it was typed off: they are compared as well.
    #[arg(long, requires = "memorandum")]
    as_printed: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// The leaked text, UTF-8.
    leaked: PathBuf,
}

fn bytes(path: &Path) -> anyhow::Result<Vec<u8>> {
    telcon_files::read_named(path, MAX_DOCUMENT_BYTES as u64).with_context(|| format!("cannot read {}", path.display()))
}

fn paper<T: Content>(path: &Path) -> anyhow::Result<T> {
    T::from_json(&bytes(path)?).with_context(|| format!("{} cannot be used", path.display()))
}

/// `telcon trace`.
pub fn run(args: &TraceArgs) -> anyhow::Result<()> {
    let circulation: Circulation = paper(&args.circulation)?;
    let memorandum = args.memorandum.as_deref().map(paper::<Memorandum>).transpose()?;
    if let Some(memorandum) = &memorandum {
        circulation.fits(memorandum).context("the circulation is of another memorandum")?;
    }
    let leaked = String::from_utf8(bytes(&args.leaked)?).context("the leaked text is not UTF-8")?;
    let lines = if args.as_printed { Lines::AsPrinted } else { Lines::Reflowed };
    let trace = telcon_pdf::trace_leak(&circulation, memorandum.as_ref(), &leaked, lines);
    if args.json {
        say!("{}", serde_json::to_string(&trace)?);
        return Ok(());
    }
    say!("{}", trace.summary());
    say!("{} words were compared; {} portions tell wordings apart", trace.words, trace.telling);
    for fit in &trace.fits {
        let name = circulation.copies.iter().find(|copy| copy.number == fit.number).map_or("", |copy| &copy.name);
        let (probability, chance) = (fit.probability * 100.0, fit.chance * 100.0);
        say!("copy {}, {}: {probability:.1} %; as good by chance: {chance:.3} %", fit.number, Printable(name));
    }
    say!("none of them alone: {:.1} %", trace.none * 100.0);
    Ok(())
}
