//! What is written about a call: its request, schedule and brief; notes, debrief and memorandum; circulation, readout and actions.
//!
//! The types are the contents of sealed documents, as JSON ([`content::Content`]). Around them: [`marking`] schemes, the first
//! [`draft`] of a memorandum from notes and transcript, [`calendar`] files and feeds, exports ([`plain`], [`docx`]; PDF is in
//! `telcon-pdf`), and [`trace`], which says how well a leaked text fits each copy.
//!
//! Everything here is a function of its arguments: time, random bytes and the rules of time zones ([`clock::ZoneClock`]) are given by
//! the caller. The crate runs natively and in a browser.

pub mod action;
pub mod approval;
pub mod brief;
pub mod calendar;
pub mod changes;
pub mod circulation;
pub mod clock;
pub mod content;
pub mod debrief;
pub mod docx;
pub mod draft;
pub mod marking;
pub mod memorandum;
pub mod notes;
pub mod parties;
pub mod plain;
pub mod profile;
pub mod readout;
pub mod request;
pub mod schedule;
pub mod steps;
pub mod trace;

pub use content::{Content, ContentError, Invalid, Reason};
