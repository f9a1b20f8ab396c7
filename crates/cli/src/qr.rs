//! Enrolment links as QR codes: in the terminal, and on a page to hand over.

use crate::output::{print, remark, say, tell, utc};
use anyhow::{Context as _, bail};
use clap::Args;
use qrcode::{Color, EcLevel, QrCode, render::unicode::Dense1x2};
use std::path::PathBuf;
use telcon_identity::Invitation;
use telcon_pdf::{InvitationSheet, invitation_pdf};

/// Most bytes in a QR code: version 40, level L, byte mode (ISO/IEC 18004, table 7).
const MAX_QR_BYTES: usize = 2953;

/// Where a link is shown besides standard output, as arguments.
#[derive(Args, Clone, Debug, Default)]
pub struct PrintArgs {
    /// Show the link as a QR code in the terminal too.
    #[arg(long)]
    pub qr: bool,
    /// Write a page (PDF) with the person's name and the link as a QR code, to hand over. The file is a secret until then.
    #[arg(long, value_name = "FILE")]
    pub print: Option<PathBuf>,
}

impl PrintArgs {
    /// Whether a code is asked for.
    pub fn is_wanted(&self) -> bool {
        self.qr || self.print.is_some()
    }

    /// Refuses a file that exists, before anything is done.
    pub fn check(&self) -> anyhow::Result<()> {
        match &self.print {
            Some(path) if path.exists() => bail!("{} already exists: choose another file", path.display()),
            _ => Ok(()),
        }
    }
}

/// Refuses a link that no QR code holds.
pub fn check_link(link: &str) -> anyhow::Result<()> {
    if link.len() > MAX_QR_BYTES {
        bail!(
            "the link has {} characters and a QR code holds {MAX_QR_BYTES}: links of a cnsa2 office do not fit. Leave out --qr and \
             --print, and pass the link on, or have a registrar invite, whose links are short",
            link.len()
        );
    }
    Ok(())
}

fn code(link: &str, level: EcLevel) -> anyhow::Result<QrCode> {
    check_link(link)?;
    QrCode::with_error_correction_level(link, level).context("the link does not fit a QR code")
}

/// A code as text, two rows of modules per line: light on a dark terminal. Without a terminal it is always shown.
///
/// # Errors
/// When no code holds the link.
pub fn terminal_code(link: &str) -> anyhow::Result<String> {
    let text = code(link, EcLevel::L)?;
    let text = text.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build();
    let columns = text.lines().next().map_or(0, |line| line.chars().count());
    Ok(match terminal_size::terminal_size_of(std::io::stderr()) {
        Some((terminal_size::Width(width), _)) if usize::from(width) < columns => format!(
            "The QR code takes {columns} columns, and this terminal has {width}: enlarge the window or reduce the font size, or print the code \
             with telcon invite --print.\n"
        ),
        _ => format!("{text}\n"),
    })
}

/// Shows the link of an invitation as the arguments say.
///
/// # Errors
/// When no code holds the link; when the page cannot be written.
pub fn print_link(args: &PrintArgs, link: &str, invitation: &Invitation) -> anyhow::Result<()> {
    if args.qr {
        remark(&terminal_code(link)?);
    }
    let Some(path) = &args.print else { return Ok(()) };
    // Paper is creased and stained: more correction than on a screen, as far as the link leaves room.
    let code = code(link, EcLevel::M).or_else(|_| code(link, EcLevel::L))?;
    let modules: Vec<bool> = code.to_colors().into_iter().map(|color| color == Color::Dark).collect();
    let card = invitation.card();
    let sheet = InvitationSheet {
        name: &card.name,
        organisation: &card.organisation,
        role: &card.role.words(),
        office: card.office.as_str(),
        server: link.split("/#").next().unwrap_or_default(),
        expires: &utc(invitation.expires_ms()),
        modules: &modules,
        columns: code.width(),
        id: &invitation.enrolment(),
    };
    telcon_files::create_private(path, &invitation_pdf(&sheet))
        .with_context(|| format!("cannot write {}; the link above works", path.display()))?;
    tell!("{} has the link as a QR code: print it, and delete the file.", path.display());
    Ok(())
}

/// Prints a link and its code on standard output, as far as a code holds it.
pub fn say_link(link: &str) {
    say!("{link}");
    match terminal_code(link) {
        Ok(code) => print(&code),
        Err(_) => say!("(The links of a cnsa2 office are too long for a QR code.)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_holds_what_the_constant_says() {
        assert!(terminal_code(&"a".repeat(MAX_QR_BYTES)).is_ok());
        assert!(code(&"a".repeat(1100), EcLevel::M).is_ok());
        let error = terminal_code(&"a".repeat(MAX_QR_BYTES + 1)).unwrap_err().to_string();
        assert!(error.contains("2954 characters") && error.contains("cnsa2"), "{error}");
    }
}
