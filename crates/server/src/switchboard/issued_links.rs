//! Links that the authority issues, which it states before it hands them out: nobody is invited or enrolled whose name looks like
//! that of another person, unless the office knows of both and says so.

use super::{
    Switchboard,
    namesakes::ByLook,
    port::{Effects, Output, Refusal, RefusalKind, Reply, RequestId},
};
use crate::{
    limits::MAX_ISSUED_LINKS,
    store::{IssuedLinkRow, Write},
};
use std::collections::{BTreeSet, HashMap};
use telcon_proto::{Card, PersonId};

/// Links that have not expired, those that were used included.
#[derive(Debug, Default)]
pub(super) struct IssuedLinks {
    by_enrolment: HashMap<String, IssuedLinkRow>,
    by_look: ByLook<String>,
    by_expiry: BTreeSet<(u64, String)>,
}

impl IssuedLinks {
    pub fn insert(&mut self, row: IssuedLinkRow) {
        self.remove(&row.enrolment);
        self.by_look.insert(&row.card.name, &row.enrolment);
        self.by_expiry.insert((row.expires_ms, row.enrolment.clone()));
        self.by_enrolment.insert(row.enrolment.clone(), row);
    }

    fn remove(&mut self, enrolment: &str) {
        let Some(row) = self.by_enrolment.remove(enrolment) else { return };
        self.by_look.remove(&row.card.name, &row.enrolment);
        self.by_expiry.remove(&(row.expires_ms, row.enrolment));
    }

    fn expire(&mut self, now_ms: u64) {
        while let Some((expires_ms, enrolment)) = self.by_expiry.first()
            && *expires_ms <= now_ms
        {
            let enrolment = enrolment.clone();
            self.remove(&enrolment);
        }
    }

    fn like(&self, name: &str) -> impl Iterator<Item = &IssuedLinkRow> {
        self.by_look.like(name).into_iter().filter_map(|enrolment| self.by_enrolment.get(enrolment))
    }
}

impl Switchboard {
    /// The authority issued a link; the driver verified its statement.
    pub fn link_issued(&mut self, request: RequestId, row: IssuedLinkRow, now_ms: u64) -> Effects {
        self.issued_links.expire(now_ms);
        let answer = self.may_issue(&row).map(|()| Reply::LinkKept);
        if answer.is_ok() {
            self.issued_links.insert(row.clone());
            self.context.write(Write::LinkIssued(Box::new(row), now_ms));
        }
        self.context.output(Output::Reply(request, answer));
        self.finish(now_ms)
    }

    fn may_issue(&self, row: &IssuedLinkRow) -> Result<(), Refusal> {
        if self.issued_links.by_enrolment.len() >= MAX_ISSUED_LINKS
            && !self.issued_links.by_enrolment.contains_key(&row.enrolment)
        {
            let text =
                format!("{MAX_ISSUED_LINKS} enrolment links have not expired, which is the limit: try again later");
            return Err(Refusal::new(RefusalKind::Conflict, text));
        }
        match self.namesake(&row.card, Some(&row.enrolment), &row.same_name_as) {
            None => Ok(()),
            Some((other, state)) => {
                let text = format!(
                    "{} looks the same as {}, who is {state}. If this is the same person, invite them with --person {}; if it \
                     is another person, with --same-name-as {}",
                    described(&row.card),
                    described(&other),
                    other.person.to_hex(),
                    other.person.to_hex(),
                );
                Err(Refusal::new(RefusalKind::Conflict, text))
            }
        }
    }

    /// Whether a person may be enrolled under this name, by the invitation with this enrolment.
    pub(super) fn may_be_named(&mut self, card: &Card, enrolment: &str, now_ms: u64) -> Result<(), Refusal> {
        self.issued_links.expire(now_ms);
        let known = self.issued_links.by_enrolment.get(enrolment);
        let same_name_as = known.map(|row| row.same_name_as.as_slice()).unwrap_or_default();
        match self.namesake(card, Some(enrolment), same_name_as) {
            // Of two that are only invited, the first to enrol has the name.
            None | Some((_, State::Invited)) => Ok(()),
            Some((other, State::Enrolled)) => {
                let text = format!(
                    "{} looks the same as {}, who is enrolled: ask your office for another link, made with --person {} if \
                     this is the same person, with --same-name-as {} if it is another person",
                    described(card),
                    described(&other),
                    other.person.to_hex(),
                    other.person.to_hex(),
                );
                Err(Refusal::new(RefusalKind::Conflict, text))
            }
        }
    }

    /// Why a registrar may not invite a person under this name.
    pub(super) fn looks_like_another(&self, card: &Card) -> Option<String> {
        let (other, state) = self.namesake(card, None, &[])?;
        Some(format!(
            "{} looks the same as {}, who is {state}: if this is the same person, add a device to them; if it is another \
             person, choose words that tell the two apart",
            described(card),
            described(&other),
        ))
    }

    /// Another person whose name looks the same, enrolled or invited, unless the office said that it knows of both: in this
    /// invitation, or in one of theirs. None for a person who is enrolled under this name already.
    fn namesake(&self, card: &Card, enrolment: Option<&str>, same_name_as: &[PersonId]) -> Option<(Card, State)> {
        let directory = &self.context.directory;
        if directory.devices_of(card.person).any(|(_, device)| device.card.name == card.name) {
            return None;
        }
        let invited = || self.issued_links.like(&card.name).filter(|other| Some(&*other.enrolment) != enrolment);
        let known: BTreeSet<PersonId> = invited()
            .filter(|other| other.same_name_as.contains(&card.person))
            .map(|other| other.card.person)
            .chain(same_name_as.iter().copied())
            .chain([card.person])
            .collect();
        let enrolled = directory.cards_like(&card.name).find(|other| !known.contains(&other.person));
        let enrolled = enrolled.map(|other| (other.clone(), State::Enrolled));
        let invited = || {
            let other = invited().find(|other| !known.contains(&other.card.person))?;
            Some((other.card.clone(), State::Invited))
        };
        enrolled.or_else(invited)
    }
}

/// Whether a person is already known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Enrolled,
    Invited,
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Enrolled => "enrolled",
            Self::Invited => "invited",
        })
    }
}

/// A person, as the office has to tell them apart. Names are quoted, as two of them differ by little.
fn described(card: &Card) -> String {
    format!("\u{201c}{}\u{201d}, {}, {}", card.name, card.organisation, card.role.words())
}
