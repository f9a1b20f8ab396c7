//! The readout: what an office says in public about a call.

use crate::content::*;
use serde::{Deserialize, Serialize};
use telcon_proto::printable::printable;
use telcon_proto::{Digest, ItemId, OfficeName, PersonId};

/// Most questions that an office keeps for one call.
pub const MAX_ENQUIRIES: usize = 500;

/// What is published. It is signed as it stands ([`Readout::payload`]); nothing in it is secret, and nothing names a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Readout {
    /// [`Content::VERSION`].
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
    pub fn payload(&self) -> Result<Vec<u8>, ContentError> {
        self.to_json()
    }

    /// The page that is published: no script, nothing from elsewhere. `jws` is where the signature is, relative to the page;
    /// `log_index` the entry by which it can be found.
    pub fn html(&self, jws: &str, log_index: Option<u64>) -> String {
        let date = crate::clock::Shown::of(&crate::clock::Utc, self.published_ms);
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
            date.long_date(),
            date.hour_minute(),
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

impl Content for Readout {
    fn check(&self) -> Result<(), Invalid> {
        time("published_ms", self.published_ms)?;
        ensure(crate::request::is_language(&self.language), "language", Reason::OutOfRange)?;
        short("title", &self.title)?;
        if let Says::Text { paragraphs } = &self.says {
            ensure(!paragraphs.is_empty(), "paragraphs", Reason::Empty)?;
            crate::brief::paragraphs("paragraphs", paragraphs)?;
        }
        let of_itself = self.corrects.is_some_and(|corrects| corrects.id == self.id);
        ensure(!of_itself, "corrects", Reason::Contradiction)
    }
}

/// A question from outside about a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Enquiry {
    /// Identifies it.
    pub id: ItemId,
    /// Who asks.
    pub from: String,
    /// When, milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// What.
    pub question: String,
    /// What was answered, and when; none while nobody did.
    pub answered_ms: Option<u64>,
}

/// What an office keeps about the readout of a call; not published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ReadoutFile {
    /// [`Content::VERSION`].
    pub version: u32,
    /// The draft; none before it is begun.
    pub draft: Option<Says>,
    /// When it was shown to the other side, and what they said; none if it was not.
    pub shown_to_them: Option<ShownTo>,
    /// Who approved it, and when.
    pub approved: Option<Approved>,
    /// What was published, oldest first: the readout, then corrections.
    pub published: Vec<Readout>,
    /// Questions from outside.
    pub enquiries: Vec<Enquiry>,
}

/// That a draft was shown to the other side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ShownTo {
    /// When, milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// What they said; empty while they have not.
    pub answer: String,
}

/// An approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Approved {
    /// By whom.
    pub by: PersonId,
    /// When, milliseconds since the Unix epoch.
    pub at_ms: u64,
}

impl ReadoutFile {
    /// Questions that nobody answered, oldest first.
    pub fn unanswered(&self) -> Vec<&Enquiry> {
        let mut open: Vec<&Enquiry> = self.enquiries.iter().filter(|enquiry| enquiry.answered_ms.is_none()).collect();
        open.sort_by_key(|enquiry| (enquiry.at_ms, enquiry.id));
        open
    }
}

impl Content for ReadoutFile {
    const MAX_BYTES: usize = 4 * 1024 * 1024;

    fn check(&self) -> Result<(), Invalid> {
        if let Some(Says::Text { paragraphs }) = &self.draft {
            crate::brief::paragraphs("draft", paragraphs)?;
        }
        if let Some(shown) = &self.shown_to_them {
            time("at_ms", shown.at_ms)?;
            optional("answer", &shown.answer, MAX_PARAGRAPH_CHARS)?;
        }
        self.approved.as_ref().map_or(Ok(()), |approved| time("at_ms", approved.at_ms))?;
        count("published", &self.published, 64)?;
        unique("published", self.published.iter().map(|readout| readout.id))?;
        self.published.iter().try_for_each(Content::check)?;
        for (at, readout) in self.published.iter().enumerate() {
            let Some(corrects) = readout.corrects else { continue };
            let exists = self.published[..at].iter().any(|earlier| earlier.id == corrects.id);
            ensure(exists, "corrects", Reason::Dangling)?;
        }
        count("enquiries", &self.enquiries, MAX_ENQUIRIES)?;
        unique("enquiries", self.enquiries.iter().map(|enquiry| enquiry.id))?;
        self.enquiries.iter().try_for_each(|enquiry| {
            short("from", &enquiry.from)?;
            time("at_ms", enquiry.at_ms)?;
            required("question", &enquiry.question, MAX_PARAGRAPH_CHARS)?;
            enquiry.answered_ms.map_or(Ok(()), |ms| time("answered_ms", ms))
        })
    }
}
