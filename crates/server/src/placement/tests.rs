//! Placement in virtual time: each cause of a failover, and random histories against the invariants.

use super::{
    pool::{QUARANTINE_MS, REACHED_FOR_MS},
    *,
};
use proptest::prelude::*;
use std::collections::BTreeMap;

const ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9);
const ONE: Host = Host::Standalone(RelayId(1));
const TWO: Host = Host::Standalone(RelayId(2));

fn call(n: u8) -> CallId {
    CallId::from_bytes([n; 16])
}

fn device(n: u8) -> DeviceId {
    DeviceId::from_bytes([n; 16])
}

struct World {
    placement: Placement,
    now: u64,
}

impl World {
    fn with_relays(relays: u64) -> Self {
        let mut world = Self { placement: Placement::new(0), now: 1_000_000 };
        for n in 1..=relays {
            world.register(n);
        }
        world
    }

    fn register(&mut self, n: u64) {
        self.event(Event::Registered { relay: RelayId(n), max_calls: 100, address: ADDRESS });
    }

    /// The decisions, without log reports.
    fn event(&mut self, event: Event) -> Vec<Decision> {
        self.placement.handle(event, self.now);
        self.decisions()
    }

    fn decisions(&mut self) -> Vec<Decision> {
        let all = std::iter::from_fn(|| self.placement.poll());
        all.filter(|decision| !matches!(decision, Decision::Report(_))).collect()
    }

    fn open(&mut self, n: u8) -> Host {
        match &self.event(Event::CallOpened(call(n), u64::from(n)))[..] {
            [Decision::OpenCall { host, .. }] => *host,
            other => panic!("{other:?}"),
        }
    }

    fn offer(&mut self, n: u8, from: u8) -> Vec<Decision> {
        self.offer_sdp(n, from, "v=0")
    }

    fn offer_sdp(&mut self, n: u8, from: u8, sdp: &str) -> Vec<Decision> {
        let (session, offer) = (SessionId(u64::from(from)), sdp.to_owned());
        self.event(Event::Offered { call: call(n), device: device(from), session, offer })
    }

    /// Offers a leg; returns its relay and number.
    fn leg(&mut self, n: u8, from: u8) -> (Host, LegId) {
        match self.offer(n, from).pop() {
            Some(Decision::AddLeg { host, leg, .. }) => (host, leg),
            other => panic!("{other:?}"),
        }
    }

    fn answer(&mut self, (host, leg): (Host, LegId)) -> Vec<Decision> {
        self.event(Event::Answered { host, leg, answer: Ok("v=0".into()) })
    }

    fn advance(&mut self, ms: u64) -> Vec<Decision> {
        let until = self.now + ms;
        while let Some(at) = self.placement.next_timeout().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.placement.timeout(self.now);
        }
        self.now = until;
        self.decisions()
    }
}

/// Whether the call moved to `to` and exactly `devices` were notified.
fn moved(decisions: &[Decision], to: Host, devices: &[u8]) {
    let opened = decisions.iter().any(|d| matches!(d, Decision::OpenCall { host, .. } if *host == to));
    let lost: Vec<_> = decisions
        .iter()
        .filter_map(|d| if let Decision::LegLost(_, device) = d { Some(*device) } else { None })
        .collect();
    let expected: Vec<_> = devices.iter().map(|n| device(*n)).collect();
    assert!(opened && lost == expected, "{decisions:?}");
}

#[test]
fn a_call_is_placed_on_a_standalone_relay_if_one_is_registered_and_opened_once() {
    let mut world = World::with_relays(0);
    assert_eq!(world.open(1), Host::Embedded);
    world.register(1);
    assert_eq!(world.open(2), ONE);
    assert_eq!(world.event(Event::CallOpened(call(2), 2)), [], "repeated after the store recovered");
    assert_eq!(world.event(Event::CallClosed(call(2))), [Decision::CloseCall { host: ONE, call: call(2) }]);
    assert_eq!(world.event(Event::CallClosed(call(2))), []);
}

#[test]
fn offers_are_routed_to_the_calls_relay_and_answers_to_the_device() {
    let mut world = World::with_relays(1);
    world.open(1);
    let leg = world.leg(1, 5);
    assert_eq!(leg.0, ONE);
    assert_eq!(
        world.event(Event::Answered { host: TWO, leg: leg.1, answer: Ok("x".into()) }),
        [],
        "from another relay"
    );
    let answer = Ok("v=0".to_owned());
    assert_eq!(
        world.answer(leg),
        [Decision::Answer { call: call(1), device: device(5), session: SessionId(5), answer }]
    );
    world.event(Event::Connected { host: ONE, leg: leg.1 });
    assert_eq!(world.leg(1, 5), leg, "a new offer renews the leg");
    assert!(matches!(&world.offer(9, 5)[..], [Decision::Answer { answer: Err(_), .. }]), "no such call");
}

#[test]
fn calls_of_a_lost_relay_fail_over_and_their_devices_offer_again() {
    let mut world = World::with_relays(1);
    world.open(1);
    let leg = world.leg(1, 5);
    world.answer(leg);
    world.event(Event::Connected { host: ONE, leg: leg.1 });
    world.register(2);
    moved(&world.event(Event::Lost(RelayId(1))), TWO, &[5]);
    assert_eq!(world.event(Event::Lost(RelayId(1))), []);
    assert_eq!(world.event(Event::Gone { host: ONE, leg: leg.1 }), [], "the device was notified already");
    let again = world.leg(1, 5);
    assert_eq!(again.0, TWO);
    moved(&world.event(Event::Lost(RelayId(2))), Host::Embedded, &[5]);
    assert_eq!(world.placement.counts(), Counts { relays: 0, moved: 2, unreachable: 0 });
}

#[test]
fn calls_of_a_draining_relay_fail_over_once_and_old_legs_stay_until_new_ones_connect() {
    let mut world = World::with_relays(1);
    world.open(1);
    let leg = world.leg(1, 5);
    world.answer(leg);
    let heartbeat = Event::Heartbeat { relay: RelayId(1), calls: 1, legs: 1, draining: true };
    moved(&world.event(heartbeat.clone()), Host::Embedded, &[5]);
    assert_eq!(world.event(heartbeat), []);
    assert_eq!(world.open(2), Host::Embedded, "no new calls");
    let decisions = world.offer(1, 5);
    assert_eq!(decisions[0], Decision::RemoveLeg { host: ONE, leg: leg.1 });
    assert!(matches!(decisions[1], Decision::AddLeg { host: Host::Embedded, .. }));
}

#[test]
fn a_relay_that_does_not_answer_offers_is_evicted() {
    let mut world = World::with_relays(1);
    world.open(1);
    world.leg(1, 5);
    assert_eq!(world.advance(ANSWER_TIMEOUT_MS - 1), []);
    let decisions = world.advance(1);
    assert_eq!(decisions[0], Decision::Evict(RelayId(1)));
    moved(&decisions, Host::Embedded, &[5]);
    assert_eq!(world.placement.next_timeout(), None);
    world.register(2);
    assert_eq!(world.open(2), Host::Embedded, "it may be the same relay again");
    world.advance(QUARANTINE_MS);
    assert_eq!(world.open(3), TWO);
    // After an answer in time, or the end of the call, no timer is left.
    let leg = world.leg(3, 5);
    assert!(world.placement.next_timeout().is_some());
    world.answer(leg);
    assert_eq!(world.placement.next_timeout(), None);
    world.leg(3, 6);
    world.event(Event::CallClosed(call(3)));
    assert_eq!(world.placement.next_timeout(), None);
}

#[test]
fn a_refused_leg_moves_the_call_and_the_embedded_relays_refusal_is_final() {
    let mut world = World::with_relays(1);
    world.open(1);
    let (host, leg) = world.leg(1, 5);
    let refusal = || Err("full".to_owned());
    let decisions = world.event(Event::Answered { host, leg, answer: refusal() });
    moved(&decisions, Host::Embedded, &[5]);
    assert_eq!(decisions.last(), Some(&Decision::CloseCall { host: ONE, call: call(1) }));
    let (host, leg) = world.leg(1, 5);
    assert_eq!(host, Host::Embedded);
    let decisions = world.event(Event::Answered { host, leg, answer: refusal() });
    assert!(matches!(&decisions[..], [Decision::Answer { answer: Err(_), .. }]));
}

#[test]
fn an_unreachable_relay_loses_the_call_at_the_second_offer_and_is_quarantined() {
    let mut world = World::with_relays(1);
    world.open(1);
    let leg = world.leg(1, 5);
    world.answer(leg);
    world.advance(ATTEMPT_WINDOW_MS - 1);
    let again = world.leg(1, 5);
    assert_eq!(again.0, ONE, "sent before the failover reached the device: the same attempt");
    world.answer(again);
    world.advance(ATTEMPT_WINDOW_MS);
    let decisions = world.offer(1, 5);
    moved(&decisions, Host::Embedded, &[5]);
    assert!(matches!(decisions.last(), Some(Decision::AddLeg { host: Host::Embedded, .. })), "{decisions:?}");
    assert_eq!(world.open(2), Host::Embedded);
    world.advance(QUARANTINE_MS);
    assert_eq!(world.open(3), ONE);
    assert_eq!(world.placement.counts().unreachable, 1);
}

#[test]
fn one_device_with_a_bad_network_does_not_quarantine_a_working_relay() {
    let mut world = World::with_relays(1);
    world.open(1);
    world.open(2);
    let works = world.leg(2, 7);
    world.answer(works);
    world.event(Event::Connected { host: ONE, leg: works.1 });
    world.advance(REACHED_FOR_MS);
    let mut offers = 0;
    while world.leg(1, 5).0 == ONE {
        offers += 1;
        world.advance(1_000);
        assert!(offers < 5);
        let leg = world.placement.legs.call(call(1)).unwrap().legs[&device(5)].id;
        world.answer((ONE, leg));
    }
    assert_eq!(offers, 2, "one attempt more than at an unreachable relay");
    assert_eq!(world.open(3), ONE);
}

#[test]
fn the_call_stays_while_another_of_its_devices_is_connected() {
    let mut world = World::with_relays(1);
    world.open(1);
    let works = world.leg(1, 6);
    world.answer(works);
    world.event(Event::Connected { host: ONE, leg: works.1 });
    for _ in 0..10 {
        let leg = world.leg(1, 5);
        assert_eq!(leg.0, ONE);
        world.answer(leg);
        world.advance(1_000);
    }
    world.event(Event::Gone { host: ONE, leg: works.1 });
    world.leg(1, 5);
    world.advance(1_000);
    let leg = world.placement.legs.call(call(1)).unwrap().legs[&device(5)].id;
    world.answer((ONE, leg));
    let again = world.leg(1, 5);
    world.advance(1_000);
    world.answer(again);
    assert_eq!(world.leg(1, 5).0, Host::Embedded);
}

#[test]
fn the_end_of_a_leg_is_ignored_from_other_relays_and_while_a_newer_offer_is_unanswered() {
    let mut world = World::with_relays(1);
    world.open(1);
    let (_, leg) = world.leg(1, 5);
    assert_eq!(world.event(Event::Gone { host: ONE, leg }), [], "the previous leg ended");
    world.answer((ONE, leg));
    assert_eq!(world.event(Event::Gone { host: TWO, leg }), []);
    assert_eq!(world.event(Event::Gone { host: ONE, leg }), [Decision::LegLost(call(1), device(5))]);
    assert_eq!(world.event(Event::LegClosed(call(1), device(5))), []);
}

#[test]
fn one_offer_of_a_device_is_in_flight_and_the_newest_one_waits() {
    let mut world = World::with_relays(1);
    world.open(1);
    let leg = world.leg(1, 5);
    for sdp in ["second", "third", "newest"] {
        assert_eq!(world.offer_sdp(1, 5, sdp), [], "{sdp}");
    }
    let other = world.leg(1, 6);
    assert_ne!(other, leg, "other devices do not wait for it");
    world.answer(other);
    world.event(Event::Connected { host: ONE, leg: other.1 });
    assert_eq!(world.event(Event::Gone { host: ONE, leg: leg.1 }), [], "the previous leg ended");
    let (of_first, then) = (world.answer(leg), world.answer(leg));
    let next = Decision::AddLeg { host: ONE, call: call(1), leg: leg.1, offer: "newest".into() };
    assert!(matches!(&of_first[..], [Decision::Answer { .. }, sent] if *sent == next), "{of_first:?}");
    assert!(matches!(&then[..], [Decision::Answer { .. }]), "the others were replaced: {then:?}");
    // What waits for a relay that is lost does not follow the call: its device is told to offer again.
    world.advance(10_000);
    world.leg(1, 5);
    world.offer_sdp(1, 5, "waits");
    moved(&world.event(Event::Lost(RelayId(1))), Host::Embedded, &[5, 6]);
    let again = world.leg(1, 5);
    assert_eq!(again.0, Host::Embedded);
    assert!(matches!(&world.answer(again)[..], [Decision::Answer { .. }]));
}

/// The attacker is a device in a call of two, whose other device is connected. It offers every 10 ms, also after leaving
/// and coming back; the relay needs 700 ms for each offer, and works them off one after the other.
#[test]
fn a_device_that_offers_without_pause_is_refused_and_evicts_no_relay() {
    for leaves in [false, true] {
        let mut world = World::with_relays(1);
        world.open(1);
        let works = world.leg(1, 6);
        world.answer(works);
        world.event(Event::Connected { host: ONE, leg: works.1 });
        let (mut handed, mut refused) = (Vec::new(), 0);
        let mut due = VecDeque::new();
        for at in 0..1_000u64 {
            if leaves && at % 7 == 0 {
                world.event(Event::LegClosed(call(1), device(5)));
            }
            let mut decisions = world.offer(1, 5);
            if due.front().is_some_and(|(ready, _)| *ready <= at * 10) {
                let (_, leg) = due.pop_front().unwrap();
                decisions.extend(world.answer((ONE, leg)));
            }
            decisions.extend(world.advance(10));
            for decision in decisions {
                match decision {
                    Decision::AddLeg { host, leg, .. } => {
                        assert_eq!(host, ONE);
                        handed.push(at);
                        // A relay is done with a removed leg at once, with others after 700 ms.
                        due.retain(|(_, other)| *other == leg);
                        due.push_back((at * 10 + 700, leg));
                    }
                    Decision::Answer { answer: Err(LegRefusal::TooMany), device: whose, .. } => {
                        assert_eq!(whose, device(5));
                        refused += 1;
                    }
                    Decision::Answer { .. } | Decision::RemoveLeg { .. } => {}
                    other => panic!("{other:?}"),
                }
            }
        }
        let most = u64::from(OFFER_RATE.burst()) + 10_000 / OFFER_RATE.interval_ms();
        assert!(handed.len() as u64 <= most && handed.len() > 10, "{leaves}: {} offers reach the relay", handed.len());
        assert!(refused >= 970, "{leaves}: {refused}");
        world.advance(1_000);
        assert!(matches!(&world.offer(1, 6)[..], [Decision::AddLeg { host: ONE, .. }]), "others are not limited by it");
    }
}

/// One step of a random history. Numbers are small, so that events concern the same calls and relays.
#[derive(Clone, Debug)]
enum Step {
    Register,
    Lose(u8),
    Heartbeat(u8, u8, bool),
    Open(u8),
    Close(u8),
    Offer(u8, u8),
    CloseLeg(u8, u8),
    Answer(u8, bool),
    Connect(u8),
    Gone(u8),
    Pass(u16),
}

fn step() -> impl Strategy<Value = Step> {
    let (relay, id, dev, leg) = (1..5u8, 1..7u8, 1..4u8, 0..16u8);
    prop_oneof![
        1 => Just(Step::Register),
        1 => relay.clone().prop_map(Step::Lose),
        1 => (relay, 0..4u8, prop::bool::weighted(0.2)).prop_map(|(r, load, drain)| Step::Heartbeat(r, load, drain)),
        3 => id.clone().prop_map(Step::Open),
        1 => id.clone().prop_map(Step::Close),
        6 => (id.clone(), dev.clone()).prop_map(|(c, d)| Step::Offer(c, d)),
        1 => (id, dev).prop_map(|(c, d)| Step::CloseLeg(c, d)),
        5 => (leg.clone(), prop::bool::weighted(0.8)).prop_map(|(l, ok)| Step::Answer(l, ok)),
        3 => leg.clone().prop_map(Step::Connect),
        1 => leg.prop_map(Step::Gone),
        3 => (0..5_000u16).prop_map(Step::Pass),
    ]
}

/// The state of relays and devices after carrying out the decisions.
#[derive(Default)]
struct Model {
    registered: BTreeMap<u64, bool>,
    open: BTreeMap<CallId, Host>,
    /// Legs offered to relays, newest last.
    handed: Vec<(Host, LegId)>,
}

impl Model {
    fn carry_out(&mut self, decisions: &[Decision], opened: &BTreeSet<CallId>) -> Result<(), TestCaseError> {
        for decision in decisions {
            match decision {
                Decision::OpenCall { host, call, .. } => {
                    prop_assert!(opened.contains(call));
                    if let Host::Standalone(RelayId(n)) = host {
                        prop_assert_eq!(self.registered.get(n), Some(&false), "placed on a lost or draining relay");
                    }
                    self.open.insert(*call, *host);
                }
                Decision::CloseCall { host, call } => {
                    if self.open.get(call) == Some(host) {
                        self.open.remove(call);
                    }
                }
                Decision::AddLeg { host, call, leg, .. } => {
                    prop_assert_eq!(self.open.get(call), Some(host), "a leg on another relay than its call");
                    self.handed.push((*host, *leg));
                }
                Decision::Evict(RelayId(n)) => drop(self.registered.remove(n)),
                Decision::LegLost(call, _) => prop_assert!(opened.contains(call)),
                Decision::RemoveLeg { .. } | Decision::Answer { .. } | Decision::Report(_) => {}
            }
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_open_call_is_on_exactly_one_registered_relay(steps in prop::collection::vec(step(), 1..120)) {
        let mut world = World::with_relays(0);
        let mut model = Model::default();
        let mut opened = BTreeSet::new();
        let mut connections = 0u64;
        for step in steps {
            let nth = |model: &Model, n: u8| model.handed.iter().rev().nth(usize::from(n)).copied();
            // Connection numbers are never reused.
            let relay = |model: &Model, n: u8| model.registered.keys().nth(usize::from(n - 1)).copied().map(RelayId);
            let event = match step {
                Step::Register => {
                    connections += 1;
                    model.registered.insert(connections, false);
                    let (relay, max_calls) = (RelayId(connections), 3);
                    Some(Event::Registered { relay, max_calls, address: ADDRESS })
                }
                Step::Lose(n) => relay(&model, n).map(|lost| {
                    model.registered.remove(&lost.0);
                    Event::Lost(lost)
                }),
                Step::Heartbeat(n, load, drain) => relay(&model, n).map(|relay| {
                    let draining = model.registered.get(&relay.0) == Some(&true) || drain;
                    model.registered.insert(relay.0, draining);
                    Event::Heartbeat { relay, calls: u64::from(load), legs: u64::from(load), draining }
                }),
                Step::Open(n) => {
                    opened.insert(call(n));
                    Some(Event::CallOpened(call(n), u64::from(n)))
                }
                Step::Close(n) => {
                    opened.remove(&call(n));
                    Some(Event::CallClosed(call(n)))
                }
                Step::Offer(n, from) => {
                    let (call, device, session) = (call(n), device(from), SessionId(1));
                    Some(Event::Offered { call, device, session, offer: String::new() })
                }
                Step::CloseLeg(n, of) => Some(Event::LegClosed(call(n), device(of))),
                Step::Answer(n, ok) => nth(&model, n).map(|(host, leg)| {
                    let answer = if ok { Ok(String::new()) } else { Err(String::new()) };
                    Event::Answered { host, leg, answer }
                }),
                Step::Connect(n) => nth(&model, n).map(|(host, leg)| Event::Connected { host, leg }),
                Step::Gone(n) => nth(&model, n).map(|(host, leg)| Event::Gone { host, leg }),
                Step::Pass(ms) => {
                    let decisions = world.advance(u64::from(ms));
                    model.carry_out(&decisions, &opened)?;
                    None
                }
            };
            if let Some(event) = event {
                let decisions = world.event(event);
                model.carry_out(&decisions, &opened)?;
            }
            // Each open call is on the relay that was told to open it, and that relay is registered.
            let placed: BTreeMap<CallId, Host> =
                opened.iter().filter_map(|id| Some((*id, world.placement.legs.call(*id)?.host))).collect();
            prop_assert_eq!(&placed, &model.open);
            prop_assert_eq!(placed.len(), opened.len());
            for host in placed.values() {
                if let Host::Standalone(RelayId(n)) = host {
                    prop_assert!(model.registered.contains_key(n));
                }
            }
            world.placement.legs.check();
        }
    }
}

#[test]
fn calls_that_ended_while_the_switchboard_recovered_are_closed() {
    let mut world = World::with_relays(1);
    assert_eq!([world.open(1), world.open(2)], [ONE, ONE]);
    let closed = world.event(Event::KeepOnly(BTreeSet::from([call(2)])));
    assert_eq!(closed, [Decision::CloseCall { host: ONE, call: call(1) }]);
}
