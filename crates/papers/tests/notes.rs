//! Notes of several note-takers converge, whatever order they meet in.

mod support;

use proptest::prelude::*;
use support::*;
use telcon_papers::Content;
use telcon_papers::notes::{Draft, NoteMark, Notes};

/// One step of a note-taker: which note, what is written; none removes it.
type Step = (u8, Option<String>);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    proptest::collection::vec((0u8..6, proptest::option::of("[a-z]{0,6}")), 0..12)
}

fn written(text: &str) -> Draft {
    Draft { at_ms: text.len() as u64, speaker: String::new(), text: text.into(), kind: NoteMark::Plain }
}

fn apply(notes: &mut Notes, steps: &[Step], who: u8) {
    for (id, text) in steps {
        match text {
            Some(text) => notes.write(item(*id), written(text), device(who), person(who)),
            None => drop(notes.remove(item(*id), device(who), person(who))),
        }
    }
}

fn merged(a: &Notes, b: &Notes) -> Notes {
    let mut merged = a.clone();
    merged.merge(b);
    merged
}

proptest! {
    #[test]
    fn merging_is_commutative_associative_and_idempotent(base in steps(), x in steps(), y in steps(), z in steps()) {
        let mut notes = Notes::default();
        apply(&mut notes, &base, 9);
        let [a, b, c] = [(&x, 1), (&y, 2), (&z, 3)].map(|(steps, who)| {
            let mut notes = notes.clone();
            apply(&mut notes, steps, who);
            notes
        });
        prop_assert_eq!(merged(&a, &b), merged(&b, &a));
        prop_assert_eq!(merged(&merged(&a, &b), &c), merged(&a, &merged(&b, &c)));
        prop_assert_eq!(merged(&a, &a), a.clone());
        prop_assert_eq!(merged(&merged(&a, &b), &b), merged(&a, &b));
        // Nothing that anybody wrote is lost but by a later edit of the same note.
        for id in a.notes.keys().chain(b.notes.keys()) {
            prop_assert!(merged(&a, &b).notes.contains_key(id));
        }
        let json = merged(&a, &b).to_json().unwrap();
        prop_assert_eq!(Notes::from_json(&json).unwrap(), merged(&a, &b));
    }

    #[test]
    fn the_edit_that_saw_the_other_one_wins(x in steps(), y in steps()) {
        let (mut a, mut b) = (Notes::default(), Notes::default());
        apply(&mut a, &x, 1);
        apply(&mut b, &y, 2);
        b.merge(&a);
        b.write(item(0), written("last"), device(2), person(2));
        a.merge(&b);
        prop_assert_eq!(a.notes[&item(0)].text.as_str(), "last");
        // And a device that was offline meanwhile does not bring the older text back.
        let mut late = Notes::default();
        apply(&mut late, &x, 1);
        a.merge(&late);
        prop_assert_eq!(a.notes[&item(0)].text.as_str(), "last");
    }
}

#[test]
fn editing_keeps_the_first_author_and_removal_stays() {
    let mut notes = Notes::default();
    notes.write(item(1), written("first"), device(1), person(1));
    let old = notes.clone();
    notes.write(item(1), written("second"), device(2), person(2));
    let note = &notes.notes[&item(1)];
    assert_eq!((note.author, note.edit.by), (person(1), person(2)));
    assert!(notes.remove(item(1), device(1), person(1)) && !notes.remove(item(2), device(1), person(1)));
    notes.merge(&old);
    assert_eq!(notes.shown().count(), 0);
    assert!(!String::from_utf8(notes.to_json().unwrap()).unwrap().contains("second"));
}

#[test]
fn a_clock_that_leaves_no_later_edit_is_refused() {
    let mut notes = Notes::default();
    notes.write(item(1), written("x"), device(1), person(1));
    notes.notes.get_mut(&item(1)).unwrap().edit.clock = u64::MAX;
    assert!(notes.to_json().is_err());
}
