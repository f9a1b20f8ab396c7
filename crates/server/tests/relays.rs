//! Standalone relays: what they verify, and failover when one misbehaves.

mod common;

use common::{Client, Office};
use futures_util::{SinkExt as _, StreamExt as _};
use std::{net::SocketAddr, time::Duration};
use telcon_proto::{
    CallId, ClientMessage as C, RecordMode, Role, ServerMessage as S,
    message::Logged,
    node::{FromNode, NODE_HEARTBEAT_INTERVAL_MS, NODE_VERSION, ToNode},
};
use telcon_server::node::{RelayNode, SessionEnd};
use tokio::sync::mpsc;
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Message, client::IntoClientRequest as _},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_does_not_open_a_call_that_is_not_in_the_log() {
    let office = Office::start().await;
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let (mut node, handle, _task) = RelayNode::start(office.anchor.clone(), any, Vec::new()).await.unwrap();
    let (tell, mut told) = mpsc::channel(8);
    let (say, mut said) = mpsc::channel(64);
    let talk = tokio::spawn(async move { node.run_session(&mut told, &say).await });
    assert!(matches!(said.recv().await, Some(FromNode::Hello { .. })));

    let call = CallId::from_bytes([1; 16]);
    let checkpoint = office.get("/log/checkpoint").await.text();
    let made_up = format!(r#"{{"type":"call_opened","call":"{call}","time_ms":1}}"#);
    let opened = Logged {
        entry: telcon_proto::Blob(made_up.into_bytes()),
        index: 0,
        proof: Vec::new(),
        checkpoint,
        office: None,
    };
    tell.send(ToNode::OpenCall { call, opened: Box::new(opened) }).await.unwrap();
    tell.send(ToNode::AddLeg { call, leg: 7, offer: "v=0".into() }).await.unwrap();
    let answer = loop {
        match said.recv().await.unwrap() {
            FromNode::LegAdded { leg, answer, refused } => break (leg, answer, refused),
            FromNode::Load { .. } => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(answer, (7, None, Some("the call is not opened".into())));
    assert_eq!(handle.stats().await.unwrap().calls, 0);

    handle.drain();
    assert_eq!(talk.await.unwrap(), SessionEnd::Drained);
}

/// A standalone relay that sends heartbeats and answers nothing. Returns the messages that it receives.
async fn unresponsive_relay(office: &Office) -> mpsc::UnboundedReceiver<ToNode> {
    scripted_relay(office, |_| Vec::new()).await
}

/// A standalone relay with scripted answers.
async fn scripted_relay(
    office: &Office,
    mut answer: impl FnMut(&ToNode) -> Vec<FromNode> + Send + 'static,
) -> mpsc::UnboundedReceiver<ToNode> {
    let token = std::fs::read_to_string(office.dir.path().join("server/relay.token")).unwrap();
    let mut request = format!("ws://{}/relays", office.addr()).into_client_request().unwrap();
    request.headers_mut().insert("authorization", format!("Bearer {}", token.trim()).parse().unwrap());
    let (mut socket, _) = connect_async(request).await.unwrap();
    let text = |said: &FromNode| Message::Text(serde_json::to_string(said).unwrap().into());
    socket
        .send(text(&FromNode::Hello { version: NODE_VERSION, max_calls: 100, address: ([127, 0, 0, 1], 9).into() }))
        .await
        .unwrap();
    let load = text(&FromNode::Load { calls: 0, legs: 0, draining: false });
    socket.send(load.clone()).await.unwrap();
    let (tell, told) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut heartbeat = tokio::time::interval(Duration::from_millis(NODE_HEARTBEAT_INTERVAL_MS));
        loop {
            tokio::select! {
                _ = heartbeat.tick() => if socket.send(load.clone()).await.is_err() { return },
                heard = socket.next() => match heard {
                    Some(Ok(Message::Text(heard))) => {
                        let heard: ToNode = serde_json::from_str(&heard).unwrap();
                        for said in answer(&heard) {
                            if socket.send(text(&said)).await.is_err() {
                                return;
                            }
                        }
                        drop(tell.send(heard));
                    }
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                    Some(Ok(_)) => {}
                },
            }
        }
    });
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unresponsive_relay_loses_its_calls_and_gets_no_new_ones_after_reconnecting() {
    let office = Office::start().await;
    let (a, b) = (office.person(Role::Principal).await, office.person(Role::Counterpart).await);
    let mut relay = unresponsive_relay(&office).await;
    let (mut caller, _callee) = (Client::sign_in(office.addr(), &a).await, Client::sign_in(office.addr(), &b).await);
    let [one, two] = [1, 2].map(|n| CallId::from_bytes([n; 16]));
    let offer = |call| C::Offer { call, sdp: "v=0".into() };

    caller.send(&office.ring(&a, b.person(), one, RecordMode::Memo)).await;
    caller.until(|m| matches!(m, S::Opened { .. }).then_some(())).await;
    assert!(matches!(relay.recv().await, Some(ToNode::OpenCall { call, .. }) if call == one));
    caller.send(&offer(one)).await;
    assert!(matches!(relay.recv().await, Some(ToNode::AddLeg { call, .. }) if call == one));
    // The device is asked to reconnect its leg. The embedded relay answers now: it refuses the invalid offer.
    caller.until(|m| matches!(m, S::MediaLost { call } if call == one).then_some(())).await;
    caller.send(&offer(one)).await;
    caller.until(|m| matches!(m, S::Refused { call: Some(call), .. } if call == one).then_some(())).await;
    assert!(relay.recv().await.is_none(), "the server disconnects the relay");

    let mut relay = unresponsive_relay(&office).await;
    caller.send(&C::HangUp { call: one, failed: false }).await;
    caller.until(|m| matches!(m, S::Ended { .. }).then_some(())).await;
    caller.send(&office.ring(&a, b.person(), two, RecordMode::Memo)).await;
    caller.send(&offer(two)).await;
    caller.until(|m| matches!(m, S::Refused { call: Some(call), .. } if call == two).then_some(())).await;
    assert!(relay.try_recv().is_err(), "the next call was placed on it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_whose_relay_refuses_a_leg_moves_to_another_relay() {
    let office = Office::start().await;
    let (a, b) = (office.person(Role::Principal).await, office.person(Role::Counterpart).await);
    let refuse = |heard: &ToNode| match heard {
        ToNode::AddLeg { leg, .. } => {
            let refused = Some("the relay has all the legs it may have".into());
            vec![FromNode::LegAdded { leg: *leg, answer: None, refused }]
        }
        _ => Vec::new(),
    };
    let mut relay = scripted_relay(&office, refuse).await;
    let (mut caller, _callee) = (Client::sign_in(office.addr(), &a).await, Client::sign_in(office.addr(), &b).await);
    let call = CallId::from_bytes([1; 16]);
    caller.send(&office.ring(&a, b.person(), call, RecordMode::Memo)).await;
    caller.until(|m| matches!(m, S::Opened { .. }).then_some(())).await;
    assert!(matches!(relay.recv().await, Some(ToNode::OpenCall { .. })));
    caller.send(&C::Offer { call, sdp: "v=0".into() }).await;
    let heard = |m: &S| match m {
        S::MediaLost { .. } => Some(true),
        S::Refused { .. } => Some(false),
        _ => None,
    };
    assert!(caller.until(|m| heard(&m)).await, "it is asked to offer again and gets no refusal");
    // The embedded relay has the call now. It is the last candidate, so its refusal of the invalid offer is final.
    caller.send(&C::Offer { call, sdp: "v=0".into() }).await;
    assert!(!caller.until(|m| heard(&m)).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_a_leg_on_a_previous_relay_is_ignored() {
    let office = Office::start().await;
    let (a, b) = (office.person(Role::Principal).await, office.person(Role::Counterpart).await);
    // It accepts a leg, reports that it drains, then that the leg ended: the device closed it to connect elsewhere.
    let stops = |heard: &ToNode| match heard {
        ToNode::AddLeg { leg, .. } => vec![
            FromNode::LegAdded { leg: *leg, answer: Some("v=0".into()), refused: None },
            FromNode::LegConnected { leg: *leg },
            FromNode::Load { calls: 1, legs: 1, draining: true },
            FromNode::LegGone { leg: *leg },
        ],
        _ => Vec::new(),
    };
    let mut relay = scripted_relay(&office, stops).await;
    let (mut caller, _callee) = (Client::sign_in(office.addr(), &a).await, Client::sign_in(office.addr(), &b).await);
    let call = CallId::from_bytes([1; 16]);
    caller.send(&office.ring(&a, b.person(), call, RecordMode::Memo)).await;
    caller.until(|m| matches!(m, S::Opened { .. }).then_some(())).await;
    assert!(matches!(relay.recv().await, Some(ToNode::OpenCall { .. })));
    caller.send(&C::Offer { call, sdp: "v=0".into() }).await;
    caller.until(|m| matches!(m, S::MediaLost { .. }).then_some(())).await;
    // The embedded relay's answer to the next offer comes after all messages of this relay.
    while !matches!(relay.recv().await, Some(ToNode::AddLeg { .. })) {}
    let lost_again = |m| match m {
        S::MediaLost { .. } => Some(true),
        S::Refused { .. } => Some(false),
        _ => None,
    };
    caller.send(&C::Offer { call, sdp: "v=0".into() }).await;
    assert!(!caller.until(lost_again).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_becomes_unreachable_during_a_call_loses_the_call() {
    let office = Office::start().await;
    let (a, b) = (office.person(Role::Principal).await, office.person(Role::Counterpart).await);
    let mut connects = true;
    let once = move |heard: &ToNode| match heard {
        ToNode::AddLeg { leg, .. } => {
            let mut said = vec![FromNode::LegAdded { leg: *leg, answer: Some("v=0".into()), refused: None }];
            if std::mem::take(&mut connects) {
                said.insert(0, FromNode::LegConnected { leg: *leg });
            }
            said
        }
        _ => Vec::new(),
    };
    let mut relay = scripted_relay(&office, once).await;
    let (mut caller, _callee) = (Client::sign_in(office.addr(), &a).await, Client::sign_in(office.addr(), &b).await);
    let call = CallId::from_bytes([1; 16]);
    caller.send(&office.ring(&a, b.person(), call, RecordMode::Memo)).await;
    caller.until(|m| matches!(m, S::Opened { .. }).then_some(())).await;
    assert!(matches!(relay.recv().await, Some(ToNode::OpenCall { .. })));
    let answered = |m| match m {
        S::MediaAnswer { .. } => Some(true),
        S::MediaLost { .. } => Some(false),
        _ => None,
    };
    // A device's attempts are at least a second apart; offers within that time count as one attempt.
    let mut tries = tokio::time::interval(Duration::from_millis(600));
    let mut offers = 0;
    'tries: loop {
        tries.tick().await;
        for _ in 0..2 {
            caller.send(&C::Offer { call, sdp: "v=0".into() }).await;
            offers += 1;
            if !caller.until(answered).await {
                break 'tries;
            }
        }
    }
    // The first attempt connected; the second may be due to a changed network; the third failure after that exceeds the
    // limit.
    assert_eq!(offers, 7);
    let closed = async { while !matches!(relay.recv().await, Some(ToNode::CloseCall { .. })) {} };
    tokio::time::timeout(Duration::from_secs(20), closed).await.expect("the relay is told to close the call");
}
