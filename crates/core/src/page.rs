//! What crosses the boundary between the engine and a web page, as JSON: [`PageOutput`] out, [`crate::UserCommand`] in.
//! The page's TypeScript types are generated from these types (`cargo xtask contract`).

use crate::{
    AskingDevice, DeviceError, DeviceState, Engine, Output,
    document::Draft,
    short_code::{CodeError, Purpose, TypedCode, UnconfirmedCode},
    view::View,
};
use chacha20::{ChaCha20Rng, rand_core::SeedableRng as _};
use serde::{Deserialize, Serialize};
use telcon_identity::LoggedDocumentVersion;
use telcon_proto::{
    CallId, Digest, DocumentId, OfficeName, PersonId,
    delegation::OnBehalf,
    document::{About, DocumentKind, DocumentState, DocumentVersion},
    http::{AskRequest, EnrolRequest, ErasureReport, OfficeInfo},
    short_code::{CodeConfirm, CodeStart, CodeStarted, SealedText, ShortCode},
};
use zeroize::Zeroizing;

/// An output of the engine, for the page to carry out in order.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum PageOutput {
    /// Send this over the WebSocket, after states that were output before are durable.
    Send {
        /// A `ClientMessage` as text.
        text: String,
    },
    /// The view changed.
    View {
        /// All of it.
        view: Box<View>,
    },
    /// Store this state durably. It contains the device's keys.
    Persist {
        /// Opaque to the page.
        state: String,
    },
    /// Create a media leg and pass its offer to the engine.
    OpenLeg {
        /// The call.
        call: CallId,
    },
    /// The relay's answer to the offer.
    MediaAnswer {
        /// WebRTC answer.
        sdp: String,
    },
    /// Close the media leg.
    CloseLeg,
    /// Erase everything stored: a verified revocation orders it.
    Erase {
        /// Body of `POST /api/v1/erasures`, once it is erased.
        report: ErasureReport,
    },
    /// The connection to the office timed out: open another.
    Reconnect,
}

impl PageOutput {
    /// An engine's output as the page gets it; nothing for outputs that concern native programs only.
    pub fn new(engine: &Engine, output: Output) -> Option<Self> {
        Some(match output {
            Output::Send(message) => Self::Send { text: serde_json::to_string(&message).ok()? },
            Output::View => Self::View { view: Box::new(engine.view()) },
            Output::Persist => Self::Persist { state: engine.state_text().as_str().to_owned() },
            Output::OpenLeg { call } => Self::OpenLeg { call },
            Output::MediaAnswer { sdp } => Self::MediaAnswer { sdp },
            Output::CloseLeg => Self::CloseLeg,
            Output::Erase { report } => Self::Erase { report: ErasureReport { jws: report } },
            Output::Reconnect => Self::Reconnect,
            Output::Event(_) => return None,
        })
    }
}

/// A device that was created from an enrolment link and is not enrolled yet.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PageEnrolment {
    /// Body of `POST /api/v1/devices`.
    pub request: EnrolRequest,
    /// The device's state, to be stored once the office accepted the request.
    pub state: String,
}

impl PageEnrolment {
    /// Of a new device.
    pub fn new(state: &DeviceState) -> Self {
        let request = EnrolRequest { chain: state.chain().to_vec() };
        Self { request, state: state.to_text().as_str().to_owned() }
    }
}

/// A device that asks a registrar to enrol it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PageAsking {
    /// Body of `POST /api/v1/device-requests`, to be sent until it is answered.
    pub request: AskRequest,
    /// The code to read to the registrar.
    pub code: String,
    /// The name of the office.
    pub office: String,
    /// Whether it takes a line: who gave it answers, and not a security officer.
    pub line: bool,
    /// The state to store before the request is sent. It contains the device's keys.
    pub state: String,
}

impl PageAsking {
    /// Of a device.
    ///
    /// # Errors
    /// When its state is damaged.
    pub fn new(asking: &AskingDevice) -> Result<Self, DeviceError> {
        Ok(Self {
            request: AskRequest { request: asking.request().to_owned() },
            code: asking.code()?,
            office: asking.office_name().to_owned(),
            line: asking.takes_line(),
            state: asking.to_text().as_str().to_owned(),
        })
    }
}

/// A short code that was typed on this device, for an enrolment. Each step is taken once, in this order.
pub struct EnteredCode(CodeProgress);

enum CodeProgress {
    Started(TypedCode),
    Proved(UnconfirmedCode),
    Over,
}

impl EnteredCode {
    /// Reads what was typed. Returns the slot, and the body of `POST /api/v1/codes/{slot}`.
    ///
    /// # Errors
    /// When it is not a code, or the office's description is damaged.
    pub fn start(typed: &str, office: &OfficeInfo, seed: [u8; 32]) -> Result<(Self, String, CodeStart), CodeError> {
        let code = ShortCode::parse(typed)?;
        let office = OfficeName::parse(&office.domain).map_err(|_| CodeError::Malformed)?;
        let typed = TypedCode::start(&code, &office, Purpose::Enrolment, &mut ChaCha20Rng::from_seed(seed));
        let message = typed.message().clone();
        Ok((Self(CodeProgress::Started(typed)), code.slot().to_string(), message))
    }

    /// Takes the office's answer; returns the body of `POST /api/v1/codes/{slot}/{run}`.
    ///
    /// # Errors
    /// When the answer is malformed.
    pub fn answer(&mut self, started: &CodeStarted) -> Result<CodeConfirm, CodeError> {
        let CodeProgress::Started(typed) = std::mem::replace(&mut self.0, CodeProgress::Over) else {
            return Err(CodeError::Malformed);
        };
        let (proved, confirm) = typed.answer(started)?;
        self.0 = CodeProgress::Proved(proved);
        Ok(confirm)
    }

    /// Takes the sealed text; returns the fragment of a registrar's link.
    ///
    /// # Errors
    /// When whoever sealed it does not know the code, or it is no link.
    pub fn open(&mut self, text: &SealedText) -> Result<String, CodeError> {
        let CodeProgress::Proved(proved) = std::mem::replace(&mut self.0, CodeProgress::Over) else {
            return Err(CodeError::Malformed);
        };
        let fragment = proved.open(text)?;
        if !crate::device::is_ask(&fragment) {
            return Err(CodeError::Malformed);
        }
        Ok(fragment.as_str().to_owned())
    }
}

/// What a person writes on a page: [`crate::document::Draft`] without its content, which crosses as bytes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PageDraft {
    /// The document; one of the engine's new identifiers for a new one.
    pub document: DocumentId,
    /// What it is.
    pub kind: DocumentKind,
    /// What it is about.
    #[serde(default)]
    pub about: Option<About>,
    /// What this version claims to be.
    pub state: DocumentState,
    /// When its readers are to be reminded, milliseconds since 1970 UTC.
    #[serde(default)]
    pub due_ms: Option<u64>,
    /// Who may read it, beside its author.
    pub readers: Vec<PersonId>,
    /// The delegation under which it is written for a principal.
    #[serde(default)]
    pub on_behalf: Option<OnBehalf>,
    /// Recipients (age) of custodians, for what belongs to a record.
    #[serde(default)]
    pub custodians: Vec<String>,
}

impl PageDraft {
    /// With its content, and the recipients of custodians.
    pub fn with_content(self, content: &[u8]) -> (Draft, Vec<String>) {
        let Self { document, kind, about, state, due_ms, readers, on_behalf, custodians } = self;
        let content = Zeroizing::new(content.to_vec());
        (Draft { document, kind, about, state, due_ms, readers, on_behalf, content }, custodians)
    }
}

/// A verified version of a document, as a page sees it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PageVersion {
    /// What its author signed.
    pub signed: DocumentVersion,
    /// SHA-256 of the statement, which the log has.
    pub statement_sha256: Digest,
    /// Index of its log entry.
    pub log_index: u64,
    /// When the log had it, milliseconds since 1970 UTC by the office's clock.
    pub logged_ms: u64,
}

impl PageVersion {
    /// Of a version that the engine verified.
    pub fn new(version: &LoggedDocumentVersion) -> Self {
        Self {
            signed: version.content().clone(),
            statement_sha256: version.version().sha256(),
            log_index: version.entry().index(),
            logged_ms: version.entry().time_ms(),
        }
    }
}
