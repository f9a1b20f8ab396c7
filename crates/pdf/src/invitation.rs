//! An invitation on paper: one page with the QR code of its link, handed to one person.

use crate::page::Pages;
use crate::{BODY, SOFT, STRONG, TITLE};

/// Side of the QR code, points: 14 cm, so that a module of the longest link is wider than half a millimetre.
const CODE_SIDE: f32 = 397.0;

/// What an invitation's page shows. The link is in the code only: nobody types it.
#[derive(Clone, Copy, Debug)]
pub struct InvitationSheet<'a> {
    /// The invited person's displayed name.
    pub name: &'a str,
    /// The person's organisation.
    pub organisation: &'a str,
    /// The person's role, in words.
    pub role: &'a str,
    /// The office that invites, by domain.
    pub office: &'a str,
    /// The address that the link leads to.
    pub server: &'a str,
    /// Until when the link works, as people read it.
    pub expires: &'a str,
    /// The code's modules, row by row; true is dark.
    pub modules: &'a [bool],
    /// Modules in a row.
    pub columns: usize,
    /// Identifies the file: the same invitation gives the same bytes.
    pub id: &'a [u8],
}

/// The page.
pub fn invitation_pdf(sheet: &InvitationSheet<'_>) -> Vec<u8> {
    let mut pages = Pages::new();
    pages.paragraph(&format!("Invitation to {}", sheet.office), SOFT);
    pages.paragraph(sheet.name, TITLE);
    pages.paragraph(&format!("{} · {}", sheet.organisation, sheet.role), BODY);
    pages.space(14.0);
    pages.modules(sheet.modules, sheet.columns, CODE_SIDE);
    pages.space(14.0);
    pages.paragraph("Scan the code with the device that you will use for calls.", BODY);
    pages.paragraph(
        &format!("Check that the page that opens is {}, and shows your name as it stands here.", sheet.server),
        BODY,
    );
    pages.paragraph("Let nobody else see this sheet, and destroy it afterwards: the code works once.", BODY);
    pages.space(8.0);
    pages.paragraph(&format!("Valid until {}", sheet.expires), STRONG);
    pages.finish(&format!("Invitation: {}", sheet.name), "Hand over in person", sheet.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invitation_is_one_page_with_its_code() {
        let modules: Vec<bool> = (0..121 * 121).map(|n| n % 3 == 0).collect();
        let sheet = InvitationSheet {
            name: "Åsa Ødegård, security officer of an office with a name of many words",
            organisation: "Office of the President",
            role: "security officer",
            office: "office.example",
            server: "https://office.example",
            expires: "1 December 2026, 08:10 UTC",
            modules: &modules,
            columns: 121,
            id: b"id",
        };
        let pdf = invitation_pdf(&sheet);
        assert!(pdf.starts_with(b"%PDF-"));
        let text = String::from_utf8_lossy(&pdf);
        assert!(text.contains("/Count 1"), "one page");
        assert_eq!(pdf, invitation_pdf(&sheet), "the same invitation gives the same bytes");
    }
}
