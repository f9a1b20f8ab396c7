//! When a principal is reached, on real sockets: what the server does with rings, whom it tells, and whom it refuses.

mod common;

use common::{Client, Device, Office, now_ms};
use telcon_identity::sign_delegation;
use telcon_proto::{
    CallId, ClientMessage as C, DelegationId, Ended, PersonId, RecordMode, Role, ServerMessage as S,
    delegation::{Act, Delegation},
    message::{NoticeState, RefusalCode},
    reach::{DoNotDisturb, PersonsReach, ReachSettings},
};

fn call(n: u8) -> CallId {
    CallId::from_bytes([n; 16])
}

fn quiet() -> ReachSettings {
    ReachSettings { do_not_disturb: Some(DoNotDisturb { until_ms: None }), ..Default::default() }
}

async fn set(client: &mut Client, person: PersonId, settings: ReachSettings) {
    client.send(&C::SetReach { person, settings }).await;
}

async fn told(client: &mut Client) -> Vec<PersonsReach> {
    client.until(|message| if let S::Reach { of } = message { Some(of) } else { None }).await
}

async fn refused(client: &mut Client) -> (RefusalCode, String) {
    let refusal = |message| match message {
        S::Refused { code, message, .. } => Some((code, message)),
        _ => None,
    };
    client.until(refusal).await
}

/// The duty officer may answer for the principal.
async fn delegate(office: &Office, by: &Device, client: &mut Client, to: &Device, of_desk: &mut Client) {
    let content = Delegation {
        office: office.anchor.domain().clone(),
        delegation: DelegationId::from_bytes([1; 16]),
        principal: by.person(),
        delegate: to.card.clone(),
        acts: vec![Act::Answer],
        not_before_ms: now_ms(),
        not_after_ms: now_ms() + 3_600_000,
        at_ms: now_ms(),
    };
    client.send(&C::Delegate { statement: sign_delegation(&by.key, &by.chain, &content) }).await;
    of_desk.until(|message| matches!(message, S::DelegationsChanged {}).then_some(())).await;
}

/// What the caller is told of a ring until it is over or rings somewhere, and how it ended.
async fn heard(client: &mut Client, ring: CallId) -> (bool, Option<Ended>) {
    let mut diverted = false;
    loop {
        match client.next().await.expect("the connection stays") {
            S::Diverted { call } if call == ring => diverted = true,
            S::RingingThere { call } if call == ring => return (diverted, None),
            S::Ended { call, how, reply } if call == ring => {
                assert_eq!(reply, None);
                return (diverted, Some(how));
            }
            // Nothing else says why: neither of the settings nor of the desk's list.
            S::Reach { .. } | S::Notice(_) => panic!("a caller is told of the callee's settings"),
            _ => {}
        }
    }
}

#[tokio::test]
async fn do_not_disturb_gives_rings_to_the_office_and_the_caller_learns_no_more_than_that() {
    let mut office = Office::start().await;
    let (principal, caller) = (office.person(Role::Principal).await, office.person(Role::Counterpart).await);
    let desk = office.person(Role::DutyOfficer).await;
    let mut of_principal = Client::sign_in(office.addr(), &principal).await;
    let mut of_caller = Client::sign_in(office.addr(), &caller).await;
    let mut of_desk = Client::sign_in(office.addr(), &desk).await;
    set(&mut of_principal, principal.person(), quiet()).await;
    assert_eq!(told(&mut of_principal).await[0].settings, quiet());

    // Nobody may answer for them: what a caller hears when nobody is there.
    of_caller.send(&office.ring(&caller, principal.person(), call(1), RecordMode::Memo)).await;
    assert_eq!(heard(&mut of_caller, call(1)).await, (false, Some(Ended::Missed)));
    let missed = |message| match message {
        S::Ringing { .. } => panic!("they are not to be disturbed"),
        S::Notice(notice) if matches!(notice.state, NoticeState::Ended { .. }) => Some(notice.from),
        _ => None,
    };
    assert_eq!(of_principal.until(missed).await, caller.card);
    assert_eq!(of_desk.until(missed).await, caller.card);

    delegate(&office, &principal, &mut of_principal, &desk, &mut of_desk).await;
    of_caller.send(&office.ring(&caller, principal.person(), call(2), RecordMode::Memo)).await;
    of_desk.until(|message| matches!(message, S::Ringing { .. }).then_some(())).await;
    of_desk.send(&C::RingShown { call: call(2) }).await;
    assert_eq!(heard(&mut of_caller, call(2)).await, (true, None));
    of_caller.send(&C::HangUp { call: call(2), failed: false }).await;
    assert_eq!(heard(&mut of_caller, call(2)).await.1, Some(Ended::Cancelled));

    // It is durable.
    office.stop().await;
    office.run().await;
    let mut of_principal = Client::sign_in(office.addr(), &principal).await;
    assert_eq!(told(&mut of_principal).await[0].settings, quiet());
    let mut of_desk = Client::sign_in(office.addr(), &desk).await;
    assert_eq!(told(&mut of_desk).await[0].principal, principal.card);
    let mut of_caller = Client::sign_in(office.addr(), &caller).await;
    of_caller.send(&office.ring(&caller, principal.person(), call(3), RecordMode::Memo)).await;
    of_desk.until(|message| matches!(message, S::Ringing { .. }).then_some(())).await;
    // The desk turns it off, and the principal sees who did.
    set(&mut of_desk, principal.person(), ReachSettings::default()).await;
    let of = told(&mut of_principal).await;
    assert_eq!((&of[0].settings, &of[0].set_by), (&ReachSettings::default(), &Some(desk.card.clone())));
}

#[tokio::test]
async fn nobody_but_a_principal_and_who_may_answer_for_them_sets_it() {
    let office = Office::start().await;
    let principal = office.person(Role::Principal).await;
    let mut of_principal = Client::sign_in(office.addr(), &principal).await;
    for role in [Role::Principal, Role::DutyOfficer, Role::Scheduler] {
        let other = office.person(role).await;
        let mut client = Client::sign_in(office.addr(), &other).await;
        set(&mut client, principal.person(), quiet()).await;
        assert_eq!(refused(&mut client).await.0, RefusalCode::NotAllowed, "{role:?}");
    }
    for role in [Role::Counterpart, Role::SecurityOfficer, Role::NoteTaker] {
        let other = office.person(role).await;
        let mut client = Client::sign_in(office.addr(), &other).await;
        set(&mut client, other.person(), quiet()).await;
        let text = refused(&mut client).await.1;
        assert!(text.ends_with("roles that may: principal, scheduler, duty officer"), "{text}");
    }
    set(&mut of_principal, principal.person(), ReachSettings { desk_after_s: Some(41), ..Default::default() }).await;
    assert_eq!(refused(&mut of_principal).await.0, RefusalCode::Malformed);
    set(&mut of_principal, principal.person(), ReachSettings { desk_after_s: Some(40), ..Default::default() }).await;
    assert_eq!(told(&mut of_principal).await[0].set_by, None);
}
