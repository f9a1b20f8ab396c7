//! After the call: memorandum, circulation and tracing, readout, and what was promised.

use super::{
    Cast, Person, Told,
    before::{Prepared, SUBJECT},
    during::Call,
    item, random_id, write,
};
use crate::{
    custodian,
    demo::{
        STEP_TIMEOUT, endpoint_with, prove,
        shared::{Report, enrol, entries},
        until,
    },
    secret::PassphraseArgs,
    store::random,
};
use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use telcon_client::{
    documents::Documents,
    endpoint::{NullSink, now_ms},
    http::put,
    papers::{Clock, Paper, colophon},
};
use telcon_core::view::MemberView;
use telcon_identity::{sign_document, sign_readout};
use telcon_papers::{
    Content,
    action::Action,
    brief::Brief,
    circulation::{Alternatives, Circulation, IssuedCopy, POLICY, Printing, Reader},
    clock::ZoneClock,
    docx::docx,
    draft::{Facts, Segment, Transcript, draft},
    marking::{Mark, Scheme},
    memorandum::{Attendee, AttendeeSource, Basis, ClassificationBlock, Colophon, Memorandum},
    notes::Notes,
    plain::sheet,
    profile::{PastCall, Profile},
    readout::{Approved, ReadoutFile, Says},
    schedule::Place,
    trace::{Lines, Material, trace},
};
use telcon_pdf::memorandum_pdf;
use telcon_proto::{
    Blob, CallId, DocumentId, Role,
    document::{About, DocumentKind, DocumentState, DocumentUpload, DocumentVersion},
    http::API_PREFIX,
    readout::{Readout, ReadoutPublished, ReadoutUpload},
};
use telcon_record::digest::sha256;

/// The mark of what was said.
const CONFIDENTIAL: &str = "C";
/// Interval at which a reader's device looks whether a new one has stated its key.
const KEY_INTERVAL: Duration = Duration::from_millis(50);

/// What was kept of the call.
pub(super) struct Said {
    pub(super) call: CallId,
    pub(super) transcript: Vec<Value>,
    pub(super) record_path: std::path::PathBuf,
}

/// A reader's copy, and when they opened it.
pub(super) struct Circulated {
    reader: String,
    number: u32,
    document: DocumentId,
    opened_ms: u64,
    log_index: u64,
}

impl Circulated {
    pub(super) fn report(&self) -> Value {
        let Self { reader, number, document, opened_ms, log_index } = self;
        json!({ "reader": reader, "copy": number, "document": document, "opened_at_ms": opened_ms, "log_index": log_index })
    }
}

/// The approved memorandum.
pub(super) struct Finished {
    paper: Paper,
    memo: Memorandum,
    colophon: Colophon,
    offset_seconds: i32,
    alternatives: Vec<Alternatives>,
}

/// When a call was answered and when it ended, by the office's log.
fn times(cast: &Cast<'_>, call: CallId) -> anyhow::Result<(u64, u64)> {
    let call = call.to_hex();
    let logged = entries(cast.data)?;
    let ended = logged.iter().map(|one| &one["entry"]).find(|one| one["type"] == "call_ended" && one["call"] == call);
    let ended = ended.context("the log has no end of the call")?;
    let time = |name: &str| ended[name].as_u64().with_context(|| format!("the end of the call has no {name}"));
    Ok((time("answered_ms")?, time("time_ms")?))
}

fn attendees(members: &[MemberView], is_one: impl Fn(&MemberView) -> bool) -> Vec<Attendee> {
    let attendee = |member: &MemberView| Attendee {
        name: member.card.name.clone(),
        organisation: member.card.organisation.clone(),
        person: Some(member.card.person),
        source: AttendeeSource::Call,
    };
    members.iter().filter(|member| is_one(member)).map(attendee).collect()
}

/// The note-taker drafts it, the Chief of Staff reviews it, the President approves it; its record is opened and verified.
pub(super) async fn memorandum(
    cast: &mut Cast<'_>,
    report: &mut Report,
    told: &mut Told,
    held: Call,
) -> anyhow::Result<Finished> {
    let cast: &Cast<'_> = cast;
    let Cast { president, chief, adviser, duty, note_taker, .. } = cast;
    let call = held.call;
    let machine = &note_taker.uploader.endpoint;
    let by_machine = Documents::new(machine, cast.server.to_owned());
    let mut paper = told.paper(DocumentKind::Memorandum, Some(About::Call(call)), &[president, chief, adviser])?;
    paper.readers.push(machine.with_engine(|engine, _| engine.device().me().card().person).await?);
    let (answered_ms, ended_ms) = times(cast, call)?;
    let clocks = [&president.card, &cast.counterpart.card].map(|card| (card, Clock::of(&card.zone)));
    let drafted = report
        .step("the note-taker drafts a memorandum from the transcript and both people's notes", async {
            let mut notes = Notes::default();
            for paper in &held.notes {
                let (_, other) = by_machine.read_paper::<Notes>(paper.document).await?;
                notes.merge(&other);
            }
            let name = |speaker| held.members.iter().find(|member| member.device == speaker);
            let segment = |line: &telcon_client::note::TranscriptLine| Segment {
                start_ms: (line.start_s * 1_000.0) as u64,
                end_ms: (line.end_s * 1_000.0) as u64,
                speaker: line.speaker.to_hex(),
                name: name(line.speaker).map(|member| member.card.name.clone()).unwrap_or_default(),
                text: line.text.clone(),
            };
            let transcript = Transcript { segments: held.record.transcript.iter().map(segment).collect() };
            let is_writer = |member: &MemberView| {
                member.card.role == Role::NoteTaker || [chief.id(), duty.id()].contains(&member.card.person)
            };
            let memo = draft(
                Facts {
                    call,
                    scheme: Scheme::named("us").context("there is no such scheme")?,
                    letterhead: "OFFICE OF THE PRESIDENT".to_owned(),
                    subject: SUBJECT.to_owned(),
                    participants: attendees(&held.members, |member| held.speakers.contains(&member.device)),
                    interpreters: attendees(&held.members, |member| member.card.role == Role::Interpreter),
                    note_takers: attendees(&held.members, is_writer),
                    listeners: attendees(&held.members, |member| {
                        !is_writer(member) && !held.speakers.contains(&member.device)
                    }),
                    answered_ms,
                    ended_ms,
                    places: clocks
                        .iter()
                        .map(|(card, clock)| {
                            let place = Place { of: card.name.clone(), zone: card.zone.clone(), place: String::new() };
                            (place, clock as &dyn ZoneClock)
                        })
                        .collect(),
                    caution: None,
                    now_ms: now_ms(),
                    seed: random()?[..12].try_into().expect("invariant: 12 of 32 bytes"),
                },
                &transcript,
                &notes,
            );
            ensure!(memo.participants.len() == 2 && memo.actions.len() == 2, "the draft lacks people or promises");
            ensure!(memo.turns.len() >= held.quotes.len(), "the draft lacks turns");
            by_machine.write_paper((&paper, true), DocumentState::Draft, &memo, None, &[]).await?;
            Ok(memo)
        })
        .await?;
    let attempt = async {
        let approved = by_machine.claim::<Memorandum>((paper.document, 1), DocumentState::Approved, &[]);
        Ok(approved.await?)
    };
    report.refuses("the note-taker approves its own draft", "its own device", attempt).await?;
    let attempt = async { Ok(president.documents().approve_memorandum(paper.document, 1, &cast.custodians).await?) };
    report.refuses("a memorandum without marks is approved", "the approver's device", attempt).await?;
    report
        .step("the Chief of Staff marks every portion, signs the machine's words off, and reviews it", async {
            let (_, mut memo) = chief.documents().read_paper::<Memorandum>(paper.document).await?;
            ensure!(memo == drafted, "another draft than the note-taker's");
            let mark = || Some(Mark::level(CONFIDENTIAL));
            memo.subject.mark = Some(Mark::level("U"));
            for turn in &mut memo.turns {
                turn.mark = mark();
                turn.confirm();
            }
            memo.decisions.iter_mut().for_each(|decision| decision.mark = mark());
            memo.actions_mark = mark();
            memo.classification = Some(ClassificationBlock {
                by: format!("{}, {}", chief.card.name, chief.card.organisation),
                basis: Basis::Original { reason: "1.4(b)".to_owned() },
                declassify_on: "25 years".to_owned(),
            });
            memo.distribution = readers(cast).iter().map(|reader| reader.card.name.clone()).collect();
            chief.documents().write_paper((&paper, false), DocumentState::Reviewed, &memo, None, &[]).await?;
            Ok(())
        })
        .await?;
    report
        .refuses("a changed program of the note-taker's sends a forged approval", "the server", forge(cast, &paper))
        .await?;
    let memo = report
        .step("the President approves what was reviewed, sealed to the custodians too", async {
            let documents = president.documents();
            let (written, memo) = documents.approve_memorandum(paper.document, 2, &cast.custodians).await?;
            ensure!(written.version == 3, "version {} was approved", written.version);
            Ok(memo)
        })
        .await?;
    let offset_seconds = clocks[0].1.offset_seconds(i64::try_from(answered_ms)?);
    let colophon = report
        .step("laid out on the device: memorandum.pdf and memorandum.docx", async {
            let history = chief.documents().history(paper.document).await?;
            let states: Vec<_> = history.iter().map(|version| version.content().state).collect();
            ensure!(states == [DocumentState::Draft, DocumentState::Reviewed, DocumentState::Approved], "{states:?}");
            let colophon = colophon(&held.record.record, history.last().context("it has no version")?);
            let sheet = sheet(&memo, &colophon, None, offset_seconds, &|_| None);
            write(cast.out.join("memorandum.pdf"), memorandum_pdf(&sheet, None))?;
            write(cast.out.join("memorandum.docx"), docx(&sheet))?;
            Ok(colophon)
        })
        .await?;
    report
        .step("a custodian opens the approved memorandum without the server", open_offline(cast, &paper, &memo))
        .await?;
    let speakers: Vec<_> = held.speakers.into_iter().zip(["a", "b"]).collect();
    let (transcript, _) = report
        .step("the record is verified offline and opened with the custodian's key", async {
            prove(cast.data, &held.record, &speakers)
        })
        .await?;
    let record_path = cast.data.join("server/archive/records").join(&held.record.record);
    told.said = Some(Said { call, transcript, record_path });
    let alternatives = held.quotes.iter().map(|(portion, wordings)| Alternatives {
        portion: *portion,
        wordings: wordings.iter().map(|wording| (*wording).to_owned()).collect(),
    });
    let alternatives = alternatives.collect();
    Ok(Finished { paper, memo, colophon, offset_seconds, alternatives })
}

/// A program that does not check its own role signs and sends an approval.
async fn forge(cast: &Cast<'_>, paper: &Paper) -> anyhow::Result<Vec<u8>> {
    let newest = cast.chief.documents().history(paper.document).await?.pop().context("there is no version")?;
    let endpoint = &cast.note_taker.uploader.endpoint;
    let ciphertext = b"whatever it would say".to_vec();
    let body = endpoint.with_engine({
        let ciphertext = ciphertext.clone();
        move |engine, now_ms| {
            let device = engine.device();
            let version = DocumentVersion {
                version: newest.content().version + 1,
                previous: Some(newest.version().sha256()),
                ciphertext_sha256: sha256(&ciphertext),
                state: DocumentState::Approved,
                at_ms: now_ms,
                author: device.me().card().clone(),
                ..newest.content().clone()
            };
            let statement = sign_document(device.key(), device.chain(), &version);
            serde_json::to_vec(&DocumentUpload { statement, ciphertext: Blob(ciphertext) })
        }
    });
    let body = body.await??;
    let url = format!("{}{API_PREFIX}/documents/{}/3", cast.server, paper.document);
    let token = endpoint.view().borrow().token.clone().context("the note-taker is not signed in")?;
    Ok(tokio::task::spawn_blocking(move || put(&url, &token, "application/json", &body)).await??)
}

/// Opens the sealed file of the approved version, as the archive has it.
async fn open_offline(cast: &Cast<'_>, paper: &Paper, memo: &Memorandum) -> anyhow::Result<()> {
    let approved = cast.chief.documents().history(paper.document).await?.pop().context("there is no version")?;
    let digest = approved.version().sha256();
    let dir = cast.data.join("server/archive/documents").join(paper.document.to_hex());
    let file = dir.join(format!("{}-{digest}", approved.content().version));
    let sealed = std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let identities = custodian::identities(&cast.data.join("custodian/identity.txt"), &PassphraseArgs::default())?;
    let opened = telcon_core::document::read_as(&identities, approved.version(), &sealed)?;
    ensure!(Memorandum::from_json(&opened)? == *memo, "the archive has another memorandum");
    Ok(())
}

/// Who gets a copy, in the order of the copies' numbers.
fn readers<'a>(cast: &'a Cast<'_>) -> [&'a Person; 4] {
    [&cast.adviser, &cast.minister, &cast.duty, &cast.records]
}

/// A copy of their own for each of four readers, and one of them leaked and traced.
pub(super) async fn circulate(
    cast: &Cast<'_>,
    report: &mut Report,
    told: &mut Told,
    finished: &Finished,
) -> anyhow::Result<()> {
    let Cast { chief, minister, duty, records, .. } = cast;
    let Finished { paper, memo, colophon, offset_seconds, alternatives } = finished;
    let mut circulation = Circulation {
        group: "small clutch".to_owned(),
        version: 1,
        memorandum: Circulation::digest_of(&memo.to_json()?),
        memorandum_version: colophon.document_version,
        policy: POLICY.to_owned(),
        alternatives: alternatives.clone(),
        copies: Vec::new(),
    };
    for reader in readers(cast) {
        let printing = Printing::Marked;
        let reader = Reader { person: reader.id(), name: reader.card.name.clone(), printing, expires_ms: None };
        circulation.add(reader, random()?);
    }
    circulation.fits(memo)?;
    let about = Some(About::Document(paper.document));
    let registry = told.paper(DocumentKind::Circulation, about, &[chief, records])?;
    let issued = report
        .step("four copies are issued, each sealed to its reader", async {
            let ids = (0..circulation.copies.len()).map(|_| random_id().map(DocumentId::from_bytes));
            let ids = ids.collect::<anyhow::Result<Vec<_>>>()?;
            // A copy whose reader and wording nobody could tell later is never issued.
            chief.documents().write_paper((&registry, true), DocumentState::Draft, &circulation, None, &[]).await?;
            Ok(chief.documents().issue_copies(&circulation, paper.document, memo, colophon, ids).await?)
        })
        .await?;
    told.documents.extend(issued.iter().map(|(copy, document)| Paper {
        document: *document,
        kind: DocumentKind::Copy,
        about: Some(About::Document(paper.document)),
        readers: vec![copy.copy.reader],
    }));
    report
        .step("each reader opens their copy, and the log has it: copies", async {
            for (reader, (issued, document)) in readers(cast).into_iter().zip(&issued) {
                let listed = reader.documents().list(Some(DocumentKind::Copy)).await?;
                ensure!(listed.iter().map(|one| one.document).eq([*document]), "a reader sees other copies");
                let (_, copy) = reader.documents().read_paper::<IssuedCopy>(*document).await?;
                ensure!(copy == *issued && copy.is_open(now_ms()), "another copy than the one that was issued");
                let pdf = memorandum_pdf(&copy.sheet(*offset_seconds), Some(&copy.copy.layout_key));
                write(cast.out.join(format!("copies/{}.pdf", copy.copy.number)), pdf)?;
                told.circulation.push(opened(cast, reader, &copy, *document).await?);
            }
            Ok(())
        })
        .await?;
    let attempt = async { Ok(minister.documents().read(issued[2].1).await?) };
    report.refuses("a reader opens somebody else's copy", "the server", attempt).await?;
    report.step("a reader's new device reads on", new_device(cast, minister, issued[1].1)).await?;
    told.trace = report
        .step("one copy's text is found outside, and traced", async {
            let (copy, document) = &issued[2];
            let (_, copy_read) = duty.documents().read_paper::<IssuedCopy>(*document).await?;
            ensure!(copy_read == *copy, "another copy");
            let (_, circulation) = records.documents().read_paper::<Circulation>(registry.document).await?;
            circulation.fits(memo)?;
            let leaked: Vec<_> = copy_read.memorandum.turns.iter().map(|turn| turn.text()).collect();
            let found = trace(&Material::of(&circulation, memo, |_| Vec::new()), &leaked.join(" "), Lines::Reflowed);
            let best = found.fits.first().context("no copy was compared")?;
            ensure!(
                best.number == copy.copy.number && best.probability > found.none,
                "the text of copy {} fits copy {} best: {found:?}",
                copy.copy.number,
                best.number
            );
            let fits = found
                .fits
                .iter()
                .map(|fit| json!({ "copy": fit.number, "probability": fit.probability, "by_chance": fit.chance }));
            Ok(json!({
                "leaked_copy": copy.copy.number,
                "copies": fits.collect::<Vec<_>>(),
                "none": found.none,
                "summary": found.summary(),
            }))
        })
        .await?;
    Ok(())
}

/// That a reader opened their copy, as the office says and its log has.
async fn opened(
    cast: &Cast<'_>,
    reader: &Person,
    copy: &IssuedCopy,
    document: DocumentId,
) -> anyhow::Result<Circulated> {
    let device = reader.endpoint.with_engine(|engine, _| engine.device().me().device()).await?;
    let openings = cast.chief.documents().openings(document).await?;
    let opening =
        openings.iter().find(|opening| opening.device == device).context("nobody logged that it was opened")?;
    let logged = entries(cast.data)?;
    let entry = usize::try_from(opening.log_index).ok().and_then(|index| logged.get(index));
    let entry = &entry.context("the log has no such entry")?["entry"];
    ensure!(
        entry["type"] == "document_opened"
            && entry["document"] == document.to_hex()
            && entry["device"] == device.to_hex(),
        "the log has something else in place of the opening: {entry}"
    );
    Ok(Circulated {
        reader: reader.card.name.clone(),
        number: copy.copy.number,
        document,
        opened_ms: opening.at_ms,
        log_index: opening.log_index,
    })
}

/// A reader enrols another device, which can open what their first one seals again for it.
async fn new_device(cast: &Cast<'_>, reader: &Person, copy: DocumentId) -> anyhow::Result<()> {
    let file = "foreign-ministers-tablet";
    enrol(cast.data, cast.server, &reader.card, file).await?;
    let tablet = endpoint_with(cast.data, cast.server, file, false, Box::new(NullSink))?;
    until(&tablet, "the new device to sign in", |view| view.token.is_some() && view.caught_up).await?;
    let tablet = Person { card: reader.card.clone(), endpoint: tablet, server: cast.server.to_owned() };
    if tablet.documents().read(copy).await.is_ok() {
        bail!("a new device opened a copy that nobody had sealed again for it");
    }
    let begun = Instant::now();
    while reader.documents().seal_all_again().await? == 0 {
        ensure!(begun.elapsed() < STEP_TIMEOUT, "the new device has stated no key");
        tokio::time::sleep(KEY_INTERVAL).await;
    }
    tablet.documents().read_paper::<IssuedCopy>(copy).await?;
    tablet.endpoint.stop().await;
    Ok(())
}

/// What the office says in public: written, approved, published and signed.
pub(super) async fn readout(
    cast: &Cast<'_>,
    report: &mut Report,
    told: &mut Told,
    finished: &Finished,
) -> anyhow::Result<()> {
    let Cast { president, chief, adviser, .. } = cast;
    let about = Some(About::Document(finished.paper.document));
    let paper = told.paper(DocumentKind::Readout, about, &[president, chief, adviser])?;
    let says = Says::Text {
        paragraphs: vec![
            format!("The President spoke with {} today.", cast.counterpart.card.name),
            // Public: in words that nothing sealed has.
            "They agreed that ships carry grain again from Thursday on.".to_owned(),
        ],
    };
    let mut file = ReadoutFile {
        version: 1,
        title: format!("Call with {}", cast.counterpart.card.name),
        draft: Some(says),
        shown_to_them: None,
        approved: None,
        published: Vec::new(),
        enquiries: Vec::new(),
    };
    report
        .step("the readout is written and reviewed", async {
            adviser.documents().write_paper((&paper, true), DocumentState::Draft, &file, None, &[]).await?;
            Ok(chief.documents().claim::<ReadoutFile>((paper.document, 1), DocumentState::Reviewed, &[]).await?)
        })
        .await?;
    let attempt =
        async { Ok(chief.documents().claim::<ReadoutFile>((paper.document, 2), DocumentState::Published, &[]).await?) };
    report.refuses("a readout is published without an approval", "the desk's own device", attempt).await?;
    report
        .step("the President approves the readout", async {
            let (_, read) = president.documents().read_paper::<ReadoutFile>(paper.document).await?;
            ensure!(read == file, "another readout than the one that was written");
            file.approved = Some(Approved { by: president.id(), at_ms: now_ms() });
            let documents = president.documents();
            Ok(documents.write_paper((&paper, false), DocumentState::Approved, &file, None, &[]).await?)
        })
        .await?;
    report
        .step("it is published with a signature that stock tools check: readout.html, readout.jws", async {
            let readout = file.next(item()?, chief.card.office.clone(), "en", now_ms())?;
            let payload = readout.payload()?;
            let signed = payload.clone();
            let sign = move |engine: &mut telcon_core::Engine, _| {
                let device = engine.device();
                sign_readout(device.key(), device.chain(), &signed)
            };
            let jws = chief.endpoint.with_engine(sign).await?;
            file.published.push(readout.clone());
            let documents = chief.documents();
            documents.write_paper((&paper, false), DocumentState::Published, &file, None, &[]).await?;
            let to_verify = jws.clone();
            let verify = move |engine: &mut telcon_core::Engine, _| engine.device().office().verify_readout(&to_verify);
            let (device, verified) = president.endpoint.with_engine(verify).await??;
            ensure!(verified == payload && device.card().person == chief.id(), "the signature is over something else");
            let log_index = publish(chief, &readout, paper.document, &jws).await?;
            write(cast.out.join("readout.html"), readout.html("readout.jws", Some(log_index)))?;
            write(cast.out.join("readout.jws"), &jws)
        })
        .await
}

/// Sends a signed readout to the office's server, which logs its digest and serves it from then on. Returns the index of the log entry.
async fn publish(by: &Person, readout: &Readout, document: DocumentId, jws: &str) -> anyhow::Result<u64> {
    let url = format!("{}{API_PREFIX}/readouts/{}", by.server, readout.id.to_hex());
    let token = by.endpoint.view().borrow().token.clone().context("who publishes is not signed in")?;
    let body = serde_json::to_vec(&ReadoutUpload { document, jws: jws.to_owned() })?;
    let published = tokio::task::spawn_blocking(move || put(&url, &token, "application/json", &body)).await??;
    Ok(serde_json::from_slice::<ReadoutPublished>(&published)?.log_index)
}

/// What was promised: with reminders, in the profile, and from there in the next brief.
pub(super) async fn promises(
    cast: &Cast<'_>,
    report: &mut Report,
    told: &mut Told,
    finished: &Finished,
    prepared: Prepared,
) -> anyhow::Result<()> {
    let Cast { president, chief, adviser, .. } = cast;
    let memo = &finished.memo;
    report
        .step("each promise becomes an action with its date, in the profile and the next brief", async {
            for action in &memo.actions {
                let paper =
                    told.paper(DocumentKind::Actions, Some(About::Call(memo.call)), &[president, chief, adviser])?;
                let written = chief.documents();
                written.write_paper((&paper, true), DocumentState::Draft, action, action.due_ms, &[]).await?;
                let (version, read) = adviser.documents().read_paper::<Action>(paper.document).await?;
                ensure!(read == *action && version.due_ms == action.due_ms, "another action, or no reminder");
            }
            let (_, mut profile) = chief.documents().read_paper::<Profile>(prepared.profile.document).await?;
            let before = profile.promises.len();
            let call = PastCall { call: memo.call, at_ms: memo.answered_ms, subject: memo.subject.text.clone() };
            profile.add_call(call, &memo.actions);
            ensure!(profile.promises.len() == before + memo.actions.len(), "the profile lacks a promise");
            let documents = chief.documents();
            documents.write_paper((&prepared.profile, false), DocumentState::Draft, &profile, None, &[]).await?;
            let (_, known) = adviser.documents().read_paper::<Profile>(prepared.profile.document).await?;
            let mut next = next_brief(&known.name);
            known.fill(&mut next);
            ensure!(next.promised.len() == known.promises.len(), "the next brief lacks a promise");
            Ok(())
        })
        .await
}

fn next_brief(counterpart: &str) -> Brief {
    let none = Vec::new;
    Brief {
        version: 1,
        template: String::new(),
        counterpart: counterpart.to_owned(),
        purpose: String::new(),
        they_want: none(),
        we_want: none(),
        points: Vec::new(),
        ticks: std::collections::BTreeMap::new(),
        background: none(),
        promised: none(),
        limits: none(),
        comments: Vec::new(),
    }
}
