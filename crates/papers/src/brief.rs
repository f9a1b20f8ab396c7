//! A brief: what a principal reads before a call, and keeps beside it.

use crate::content::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use telcon_proto::{ItemId, PersonId};

/// When a talking point is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// Say it.
    Say,
    /// If they ask.
    IfAsked,
    /// Not to be raised.
    Avoid,
}

/// A talking point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Point {
    /// Identifies it: ticks and comments name it.
    pub id: ItemId,
    /// When it is said.
    pub when: When,
    /// What.
    pub text: String,
}

/// A remark on a brief or memorandum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Comment {
    /// Identifies it.
    pub id: ItemId,
    /// What it is about; none: the whole.
    pub about: Option<ItemId>,
    /// Who wrote it.
    pub by: PersonId,
    /// When, milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// What.
    pub text: String,
    /// Who settled it; none while it is open.
    pub settled_by: Option<PersonId>,
}

pub(crate) fn comments(comments: &[Comment], exists: impl Fn(ItemId) -> bool) -> Result<(), Invalid> {
    count("comments", comments, 1_000)?;
    unique("comments", comments.iter().map(|comment| comment.id))?;
    comments.iter().try_for_each(|comment| {
        required("text", &comment.text, MAX_PARAGRAPH_CHARS)?;
        time("at_ms", comment.at_ms)?;
        ensure(comment.about.is_none_or(&exists), "about", Reason::Dangling)
    })
}

/// A brief.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Brief {
    /// [`Content::VERSION`].
    pub version: u32,
    /// Name of the template that it was made from; empty if none.
    pub template: String,
    /// With whom.
    pub counterpart: String,
    /// What the call is for, in a sentence or two.
    pub purpose: String,
    /// What they want.
    pub they_want: Vec<String>,
    /// What we want.
    pub we_want: Vec<String>,
    /// Talking points, in the order in which they are shown.
    pub points: Vec<Point>,
    /// Points that were raised, with the time: milliseconds since the Unix epoch.
    pub ticks: BTreeMap<ItemId, u64>,
    /// Background on the other leader and the matter.
    pub background: Vec<String>,
    /// What was promised last time, ours and theirs, put there from the profile.
    pub promised: Vec<String>,
    /// How far the principal may go.
    pub limits: Vec<String>,
    /// Remarks of those who draft it; not shown to the principal.
    pub comments: Vec<Comment>,
}

impl Brief {
    /// A brief with a template's talking points and headings; `id` gives each point a fresh identifier.
    pub fn from_template(name: &str, template: &Self, counterpart: &str, mut id: impl FnMut() -> ItemId) -> Self {
        let points = template.points.iter().map(|point| Point { id: id(), ..point.clone() }).collect();
        Self {
            template: name.to_owned(),
            counterpart: counterpart.to_owned(),
            points,
            ticks: BTreeMap::new(),
            comments: Vec::new(),
            ..template.clone()
        }
    }

    /// Marks a point as raised, once: the first time counts. What is to be avoided can be ticked too: it was raised all the same.
    pub fn tick(&mut self, point: ItemId, now_ms: u64) -> bool {
        let exists = self.points.iter().any(|known| known.id == point);
        if exists {
            self.ticks.entry(point).or_insert(now_ms);
        }
        exists
    }

    /// What was to be said and was not.
    pub fn unsaid(&self) -> impl Iterator<Item = &Point> {
        self.points.iter().filter(|point| point.when == When::Say && !self.ticks.contains_key(&point.id))
    }
}

pub(crate) fn paragraphs(field: &'static str, texts: &[String]) -> Result<(), Invalid> {
    count(field, texts, MAX_ITEMS)?;
    texts.iter().try_for_each(|text| required(field, text, MAX_PARAGRAPH_CHARS))
}

impl Content for Brief {
    fn check(&self) -> Result<(), Invalid> {
        optional("template", &self.template, MAX_SHORT_CHARS)?;
        short("counterpart", &self.counterpart)?;
        optional("purpose", &self.purpose, MAX_PARAGRAPH_CHARS)?;
        paragraphs("they_want", &self.they_want)?;
        paragraphs("we_want", &self.we_want)?;
        count("points", &self.points, MAX_ITEMS)?;
        unique("points", self.points.iter().map(|point| point.id))?;
        self.points.iter().try_for_each(|point| required("text", &point.text, MAX_PARAGRAPH_CHARS))?;
        let exists = |id: ItemId| self.points.iter().any(|point| point.id == id);
        for (point, at_ms) in &self.ticks {
            ensure(exists(*point), "ticks", Reason::Dangling)?;
            time("ticks", *at_ms)?;
        }
        paragraphs("background", &self.background)?;
        paragraphs("promised", &self.promised)?;
        paragraphs("limits", &self.limits)?;
        comments(&self.comments, exists)
    }
}
