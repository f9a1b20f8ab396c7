//! A line that is frozen: everybody who gave the same person one is told, whatever fails in between.

use super::*;
use telcon_proto::doubt::DoubtedLine;

const OTHER_GIVER: DeviceId = DeviceId::from_bytes([24; 16]);
const STRANGER: DeviceId = DeviceId::from_bytes([25; 16]);
const OTHER_LINE: LineId = LineId::from_bytes([0x2e; 16]);

fn other() -> Card {
    card(24, telcon_proto::Role::Principal)
}

/// Two principals (sessions 2 and 4) who gave one counterpart a line each, and a third (5) who gave none.
fn two_lines() -> (Office, NewLine, NewLine) {
    let mut office = office();
    office.enrol(HOLDER, guest());
    office.enrol(OTHER_GIVER, other());
    office.enrol(STRANGER, card(25, telcon_proto::Role::Principal));
    connect_all(&mut office);
    let one = NewLine {
        content: Line { device: None, ..line(&mut office, 1, None, LineState::Live).content },
        ..line(&mut office, 1, None, LineState::Live)
    };
    sign(&mut office, one.clone());
    let two = of_other(&one, "other 1");
    sign_as(&mut office, 4, two.clone());
    assert_eq!(versions(&office).len(), 2);
    office.done.clear();
    (office, one, two)
}

fn of_other(new: &NewLine, statement: &str) -> NewLine {
    NewLine {
        content: Line { line: OTHER_LINE, principal: other(), ..new.content.clone() },
        by: OTHER_GIVER,
        statement: statement.into(),
        sha256: sha256(statement.as_bytes()),
        ..new.clone()
    }
}

fn connect_all(office: &mut Office) {
    connect(office);
    assert!(office.connect(4, OTHER_GIVER) && office.connect(5, STRANGER));
}

fn sign_as(office: &mut Office, session: u64, new: NewLine) {
    let effects = office.board.sign_line(SessionId(session), Ok(new), office.now);
    office.run(effects);
}

fn next(office: &Office, before: &NewLine, state: LineState) -> NewLine {
    let statement = format!("{} then {}", before.statement, state.as_str());
    let content = Line {
        version: before.content.version + 1,
        previous: Some(before.sha256),
        state,
        at_ms: office.now,
        ..before.content.clone()
    };
    NewLine {
        content,
        sha256: sha256(statement.as_bytes()),
        statement,
        sealed: None,
        follows: Some(before.sha256),
        exists: true,
        by: before.by,
    }
}

/// What a device was told last of lines whose holder is doubted.
fn told(office: &Office, session: u64) -> Option<Vec<LineId>> {
    let told = |message: &S| match message {
        S::LinesDoubted { lines } => Some(lines.iter().map(|one: &DoubtedLine| one.line).collect()),
        _ => None,
    };
    office.sent_to(session).filter_map(told).last()
}

#[test]
fn freezing_a_line_warns_everybody_who_gave_its_holder_one_and_freezes_nothing_of_theirs() {
    let (mut office, one, two) = two_lines();
    let frozen = next(&office, &one, LineState::Suspect);
    sign(&mut office, frozen.clone());
    assert_eq!(told(&office, 4), Some(vec![OTHER_LINE]));
    // Who froze theirs is not warned of it, and nobody else hears of it. Whose line it is stays unsaid.
    assert_eq!((told(&office, 2), told(&office, 5), told(&office, 3)), (Some(vec![]), None, None));
    assert_eq!(office.board.context.lines.rows[&OTHER_LINE].state(), LineState::Live);
    // The other one freezes theirs, too: now both are frozen, and there is nothing to warn of.
    office.done.clear();
    let also = next(&office, &two, LineState::Suspect);
    sign_as(&mut office, 4, also.clone());
    assert_eq!((told(&office, 2), told(&office, 4)), (Some(vec![]), Some(vec![])));
    // The doubt is cleared for one: they are warned of the other's.
    let again = next(&office, &frozen, LineState::Live);
    sign(&mut office, again.clone());
    assert_eq!(told(&office, 2), Some(vec![LINE]));
    let again = next(&office, &also, LineState::Ended);
    sign_as(&mut office, 4, again);
    assert_eq!(told(&office, 2), Some(vec![]));
}

#[test]
fn a_pause_an_end_or_a_change_of_terms_is_no_doubt() {
    for state in [LineState::Paused, LineState::Ended, LineState::Live] {
        let (mut office, one, _) = two_lines();
        let new = next(&office, &one, state);
        sign(&mut office, new);
        assert_eq!(told(&office, 4), None, "{state:?}");
    }
}

#[test]
fn a_crash_at_any_output_of_a_freeze_warns_once_the_log_has_it() {
    let mut outcomes = BTreeSet::new();
    for left in 0.. {
        let (mut office, one, _) = two_lines();
        let frozen = next(&office, &one, LineState::Suspect);
        office.left = left;
        sign(&mut office, frozen);
        let all = office.left > 0;
        office.restart();
        office.done.clear();
        connect_all(&mut office);
        let logged = versions(&office).contains(&(2, LineState::Suspect));
        outcomes.insert(logged);
        // At sign-in, whatever was sent before the crash.
        assert_eq!(told(&office, 4), logged.then(|| vec![OTHER_LINE]), "after {left} outputs");
        assert_eq!((told(&office, 2), told(&office, 5)), (None, None), "after {left} outputs");
        if all {
            break;
        }
    }
    assert_eq!(outcomes, BTreeSet::from([false, true]));
}
