//! Papers about a call ([`telcon_papers`]) as sealed documents: read and written as their kind, issued as copies, traced by a leaked text.

use crate::{documents::Documents, error::ClientError};
use telcon_core::document::Draft;
use telcon_identity::LoggedDocumentVersion;
use telcon_papers::{
    Content,
    circulation::{Circulation, IssuedCopy},
    clock::ZoneClock,
    memorandum::{Colophon, Memorandum},
};
use telcon_proto::{
    DocumentId, PersonId,
    document::{About, DocumentKind, DocumentState, DocumentVersion},
    hex,
};
use telcon_record::local_time::Zone;
use zeroize::Zeroizing;

/// The clock of a zone, from the compiled-in database.
#[derive(Clone, Debug)]
pub struct Clock(Zone);

impl Clock {
    /// Of the zone of this IANA name; of UTC if there is none.
    pub fn of(zone: &str) -> Self {
        Self(Zone::named(zone).unwrap_or_else(Zone::utc))
    }

    fn at(&self, at_ms: i64) -> Option<telcon_record::local_time::LocalTime> {
        self.0.at(u64::try_from(at_ms).ok()?)
    }
}

impl ZoneClock for Clock {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn offset_seconds(&self, at_ms: i64) -> i32 {
        self.at(at_ms).map_or(0, |time| time.offset_seconds())
    }

    fn abbreviation(&self, at_ms: i64) -> Option<String> {
        self.at(at_ms).map(|time| time.letters())
    }
}

/// What the next version of a paper claims, and who reads it.
#[derive(Clone, Debug)]
pub struct Paper {
    /// The document.
    pub document: DocumentId,
    /// What it is.
    pub kind: DocumentKind,
    /// What it is about.
    pub about: Option<About>,
    /// Who may read it, beside its author.
    pub readers: Vec<PersonId>,
}

/// A version that was written: its number and the index of its log entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// The version.
    pub version: u32,
    /// Index of its log entry.
    pub log_index: u64,
}

impl Documents<'_> {
    /// Writes the next version of a paper, in a state; the first of a new one if `is_new`. The same content can be read: it is held to the
    /// limits of its kind before it is sealed.
    ///
    /// # Errors
    /// [`ClientError::Content`]; those of [`Documents::write`].
    pub async fn write_paper<C: Content>(
        &self,
        (paper, is_new): (&Paper, bool),
        state: DocumentState,
        content: &C,
        due_ms: Option<u64>,
        custodians: &[String],
    ) -> Result<Written, ClientError> {
        let draft = Draft {
            document: paper.document,
            kind: paper.kind,
            about: paper.about,
            state,
            due_ms,
            readers: paper.readers.clone(),
            on_behalf: None,
            content: Zeroizing::new(content.to_json()?),
        };
        let (version, log_index) = self.write(draft, is_new, custodians.to_vec()).await?;
        Ok(Written { version, log_index })
    }

    /// Reads the newest version of a paper, verified, opened and within the limits of its kind.
    ///
    /// # Errors
    /// Those of [`Documents::read`]; [`ClientError::Content`].
    pub async fn read_paper<C: Content>(&self, document: DocumentId) -> Result<(DocumentVersion, C), ClientError> {
        let (version, content) = self.read(document).await?;
        Ok((version, C::from_json(&content)?))
    }

    /// Claims the next state of a paper for its newest version as it stands, which this person has read: `version` is that version. A
    /// review or an approval is of one version; if somebody wrote another one since, nothing is claimed.
    ///
    /// # Errors
    /// [`ClientError::WrittenSince`]; those of [`Documents::read_paper`] and [`Documents::write_paper`].
    pub async fn claim<C: Content>(
        &self,
        (document, version): (DocumentId, u32),
        state: DocumentState,
        custodians: &[String],
    ) -> Result<(Written, C), ClientError> {
        let (newest, content) = self.read_paper::<C>(document).await?;
        if newest.version != version {
            return Err(ClientError::WrittenSince { newest: newest.version });
        }
        let paper = Paper { document, kind: newest.kind, about: newest.about, readers: newest.readers };
        let written = self.write_paper((&paper, false), state, &content, newest.due_ms, custodians).await?;
        Ok((written, content))
    }

    /// Approves a memorandum that somebody else reviewed, if nothing stands in the way, and seals it to the custodians beside its readers,
    /// so that it is kept with the record of its call.
    ///
    /// # Errors
    /// [`ClientError::NotReady`], [`ClientError::OwnReview`]; those of [`Documents::claim`].
    pub async fn approve_memorandum(
        &self,
        document: DocumentId,
        version: u32,
        custodians: &[String],
    ) -> Result<(Written, Memorandum), ClientError> {
        let (newest, memo) = self.read_paper::<Memorandum>(document).await?;
        let blockers = memo.blockers().len();
        if blockers > 0 {
            return Err(ClientError::NotReady { blockers });
        }
        if newest.author.person == self.own().await? {
            return Err(ClientError::OwnReview);
        }
        self.claim((document, version), DocumentState::Approved, custodians).await
    }

    /// Issues every copy of a circulation of an approved memorandum: a document for each reader, sealed to that reader and to who issues
    /// it, whose openings are logged. `ids` are drawn at random, one for each copy.
    ///
    /// # Errors
    /// Those of [`Documents::write_paper`]. Copies before the one that failed are issued.
    pub async fn issue_copies(
        &self,
        circulation: &Circulation,
        memorandum: DocumentId,
        memo: &Memorandum,
        colophon: &Colophon,
        ids: Vec<DocumentId>,
    ) -> Result<Vec<(IssuedCopy, DocumentId)>, ClientError> {
        let mut issued = Vec::new();
        for (copy, document) in circulation.issue(memo, colophon).zip(ids) {
            let paper = Paper {
                document,
                kind: DocumentKind::Copy,
                about: Some(About::Document(memorandum)),
                readers: vec![copy.copy.reader],
            };
            self.write_paper((&paper, true), DocumentState::Approved, &copy, None, &[]).await?;
            issued.push((copy, paper.document));
        }
        Ok(issued)
    }
}

/// The colophon of a version of a memorandum that the log has.
pub fn colophon(record: &str, version: &LoggedDocumentVersion) -> Colophon {
    let content = version.content();
    Colophon {
        record: record.to_owned(),
        document_version: content.version,
        state: content.state.as_str().to_owned(),
        digest: hex(content.content_sha256.as_bytes()),
        log_index: Some(version.entry().index()),
        checkpoint: format!("{} {}", version.entry().size(), version.entry().root()),
    }
}
