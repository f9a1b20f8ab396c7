//! What an office publishes about a call: the readout, which its server serves to everybody as a page and as a signed text.
//!
//! Everything else about a call is sealed from the server; this is public once somebody who may has published it.

use crate::{Digest, DocumentId, ItemId, OfficeName, civil::Date, printable::printable};
use serde::{Deserialize, Serialize};

/// What is published. It is signed as it stands ([`Readout::payload`]); nothing in it is secret, and nothing names a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Readout {
    /// 1 so far.
    pub version: u32,
    /// Always `readout`: a signature over another kind of document cannot be shown as one over this.
    #[serde(rename = "type")]
    pub kind: ReadoutType,
    /// Identifies it in public.
    pub id: ItemId,
    /// Whose it is.
    pub office: OfficeName,
    /// When it was published, milliseconds since the Unix epoch.
    pub published_ms: u64,
    /// Language, a BCP 47 tag.
    pub language: String,
    /// The headline.
    pub title: String,
    /// What is said.
    pub says: Says,
    /// The readout that it corrects, and the digest of that one's payload. The first stays published.
    pub corrects: Option<Corrects>,
}

/// The type of a readout's payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ReadoutType {
    /// A readout.
    TelconReadout,
}

/// What a readout says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "says", rename_all = "snake_case", deny_unknown_fields)]
pub enum Says {
    /// These paragraphs.
    Text {
        /// In order.
        paragraphs: Vec<String>,
    },
    /// The office has no comment.
    NoComment,
}

/// Which readout another one corrects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Corrects {
    /// Its identifier.
    pub id: ItemId,
    /// SHA-256 of its payload.
    pub digest: Digest,
}

impl Readout {
    /// The bytes that are signed: the payload of `readout.jws`. The same readout gives the same bytes.
    ///
    /// # Errors
    /// Those of the JSON writer, which has none for these types.
    pub fn payload(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }

    /// Reads a payload whose signature was verified.
    ///
    /// # Errors
    /// What is wrong with the JSON.
    pub fn from_payload(payload: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(payload)
    }

    /// The page that is published: no script, nothing from elsewhere. `jws` is where the signature is, relative to the page;
    /// `log_index` the entry by which it can be found.
    pub fn html(&self, jws: &str, log_index: Option<u64>) -> String {
        let date = Date::of(self.published_ms);
        let body = match &self.says {
            Says::Text { paragraphs } => {
                paragraphs.iter().map(|text| format!("<p dir=\"auto\">{}</p>\n", escape(text))).collect::<String>()
            }
            Says::NoComment => "<p>The office has no comment on this call.</p>\n".to_owned(),
        };
        let correction = self.corrects.map_or(String::new(), |corrects| {
            format!(
                "<p><strong>This corrects an earlier readout</strong> ({}), which stays published.</p>\n",
                corrects.id.to_hex()
            )
        });
        let entry = log_index.map_or(String::new(), |index| format!(" It is entry {index} of the office’s log."));
        let title = escape(&self.title);
        format!(
            "<!doctype html>\n<html lang=\"{}\">\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
             <title>{title}</title>\n\
             <style>body{{max-width:42rem;margin:2rem auto;padding:0 1rem;font:1.1rem/1.6 serif;color:#1b1f2a;background:#fffef9}}\
             footer{{font:.9rem/1.5 sans-serif;color:#555;border-top:1px solid #ddd;margin-top:2rem;padding-top:1rem}}\
             @media(prefers-color-scheme:dark){{body{{color:#eee;background:#16181d}}footer{{color:#aaa;border-color:#333}}\
             a{{color:#9cd}}}}</style>\n\
             <main>\n<h1 dir=\"auto\">{title}</h1>\n{correction}{body}</main>\n\
             <footer>{} · {}, {} UTC<br>Signed by the office: <a href=\"{}\">signature</a> (JWS, RFC 7515).{entry}</footer>\n</html>\n",
            escape(&self.language),
            escape(self.office.as_str()),
            date.long,
            date.clock,
            escape(jws),
        )
    }
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in printable(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// `PUT /api/v1/readouts/{readout}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ReadoutUpload {
    /// The sealed document of the office about this readout, whose newest version has to claim that it is published.
    pub document: DocumentId,
    /// The readout, a compact JWS of type `telcon-readout+jws`.
    pub jws: String,
}

/// The answer to it: everybody can read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReadoutPublished {
    /// Index of its log entry.
    pub log_index: u64,
}
