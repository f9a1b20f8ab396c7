//! What makes a PDF one for archives (ISO 19005-2): its metadata, and the meaning of its gray.

/// XMP metadata with the claim of conformance. Title and producer are those of the document's information dictionary.
pub(crate) fn metadata(title: &str) -> String {
    let mut escaped = String::new();
    for c in title.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    format!(
        r#"<?xpacket begin="{}" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:pdf="http://ns.adobe.com/pdf/1.3/" xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/"><dc:title><rdf:Alt><rdf:li xml:lang="x-default">{escaped}</rdf:li></rdf:Alt></dc:title><pdf:Producer>telcon</pdf:Producer><pdfaid:part>2</pdfaid:part><pdfaid:conformance>A</pdfaid:conformance></rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="r"?>"#,
        '\u{feff}'
    )
}

/// An ICC profile (version 2.1) of a gray with the gamma 2.2 and the white of D50, as ICC.1:2001-04 lays it out.
pub(crate) fn gray_profile() -> Vec<u8> {
    let text = |kind: &[u8; 4], text: &[u8]| [&kind[..], &[0; 4], text, &[0]].concat();
    let name = b"Gray gamma 2.2";
    // The description's type: its length, the text, and no Unicode and no Macintosh text.
    let mut description = [&b"desc\0\0\0\0"[..], &(name.len() as u32 + 1).to_be_bytes(), name, &[0]].concat();
    description.extend([0; 4 + 4 + 2 + 1 + 67]);
    let copyright = text(b"text", b"No rights reserved");
    let white = [&b"XYZ \0\0\0\0"[..], &[0, 0, 0xf6, 0xd6, 0, 1, 0, 0, 0, 0, 0xd3, 0x2d]].concat();
    // One value: a gamma in 8.8 fixed point.
    let curve = [&b"curv\0\0\0\0"[..], &1u32.to_be_bytes(), &0x0233u16.to_be_bytes()].concat();
    let tags: [(&[u8; 4], Vec<u8>); 4] =
        [(b"desc", description), (b"cprt", copyright), (b"wtpt", white), (b"kTRC", curve)];
    let mut table = (tags.len() as u32).to_be_bytes().to_vec();
    let (mut data, start) = (Vec::new(), 128 + 4 + 12 * tags.len());
    for (tag, content) in &tags {
        table.extend_from_slice(&tag[..]);
        table.extend_from_slice(&((start + data.len()) as u32).to_be_bytes());
        table.extend_from_slice(&(content.len() as u32).to_be_bytes());
        data.extend_from_slice(content);
        data.resize(data.len().next_multiple_of(4), 0);
    }
    let mut profile = ((start + data.len()) as u32).to_be_bytes().to_vec();
    profile.extend_from_slice(&[0, 0, 0, 0, 2, 0x10, 0, 0]);
    profile.extend_from_slice(b"mntrGRAYXYZ ");
    // A date that is not now: 1 January 2026.
    for number in [2026u16, 1, 1, 0, 0, 0] {
        profile.extend_from_slice(&number.to_be_bytes());
    }
    profile.extend_from_slice(b"acsp");
    profile.resize(68, 0);
    // The illuminant of the profile's space, D50.
    profile.extend_from_slice(&[0, 0, 0xf6, 0xd6, 0, 1, 0, 0, 0, 0, 0xd3, 0x2d]);
    profile.resize(128, 0);
    [profile, table, data].concat()
}
