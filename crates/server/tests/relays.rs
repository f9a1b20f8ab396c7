//! A relay of its own and what it believes.

mod common;

use common::{Client, Office};
use futures_util::{SinkExt as _, StreamExt as _};
use std::{net::SocketAddr, time::Duration};
use telcon_proto::{
    CallId, ClientMessage as C, RecordMode, Role, ServerMessage as S,
    message::Logged,
    node::{FromNode, NODE_BEAT_MS, NODE_VERSION, ToNode},
};
use telcon_server::node::{RelayNode, SessionEnd};
use tokio::sync::mpsc;
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Message, client::IntoClientRequest as _},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_is_not_in_the_log_is_not_opened() {
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

/// A relay of its own that says how well it is, and answers nothing. What it is told.
async fn mute_relay(office: &Office) -> mpsc::UnboundedReceiver<ToNode> {
    relay_that(office, |_| Vec::new()).await
}

/// One that answers so.
async fn relay_that(
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
        let mut beat = tokio::time::interval(Duration::from_millis(NODE_BEAT_MS));
        loop {
            tokio::select! {
                _ = beat.tick() => if socket.send(load.clone()).await.is_err() { return },
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
async fn a_relay_that_answers_no_offer_loses_its_calls_and_gets_no_others_when_it_comes_back() {
    let office = Office::start().await;
    let (a, b) = (office.person(Role::Principal).await, office.person(Role::Counterpart).await);
    let mut relay = mute_relay(&office).await;
    let (mut caller, _callee) = (Client::sign_in(office.addr(), &a).await, Client::sign_in(office.addr(), &b).await);
    let [one, two] = [1, 2].map(|n| CallId::from_bytes([n; 16]));
    let offer = |call| C::Offer { call, sdp: "v=0".into() };

    caller.send(&office.ring(&a, b.person(), one, RecordMode::Memo)).await;
    caller.until(|m| matches!(m, S::Opened { .. }).then_some(())).await;
    assert!(matches!(relay.recv().await, Some(ToNode::OpenCall { call, .. }) if call == one));
    caller.send(&offer(one)).await;
    assert!(matches!(relay.recv().await, Some(ToNode::AddLeg { call, .. }) if call == one));
    // The device is told to make its leg anew, and the relay of the server's own answers: that this is no offer.
    caller.until(|m| matches!(m, S::MediaLost { call } if call == one).then_some(())).await;
    caller.send(&offer(one)).await;
    caller.until(|m| matches!(m, S::Refused { call: Some(call), .. } if call == one).then_some(())).await;
    assert!(relay.recv().await.is_none(), "the relay is cut off");

    let mut relay = mute_relay(&office).await;
    caller.send(&C::HangUp { call: one, failed: false }).await;
    caller.until(|m| matches!(m, S::Ended { .. }).then_some(())).await;
    caller.send(&office.ring(&a, b.person(), two, RecordMode::Memo)).await;
    caller.send(&offer(two)).await;
    caller.until(|m| matches!(m, S::Refused { call: Some(call), .. } if call == two).then_some(())).await;
    assert!(relay.try_recv().is_err(), "it got the next call");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_refuses_a_leg_loses_the_call_and_does_not_end_it() {
    let office = Office::start().await;
    let (a, b) = (office.person(Role::Principal).await, office.person(Role::Counterpart).await);
    let refuse = |heard: &ToNode| match heard {
        ToNode::AddLeg { leg, .. } => {
            let refused = Some("the relay has all the legs it may have".into());
            vec![FromNode::LegAdded { leg: *leg, answer: None, refused }]
        }
        _ => Vec::new(),
    };
    let mut relay = relay_that(&office, refuse).await;
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
    assert!(caller.until(|m| heard(&m)).await, "it is told to offer again, and nothing of a refusal");
    // The relay of the server's own has the call now, and it is the last to be asked: that this is no offer stands.
    caller.send(&C::Offer { call, sdp: "v=0".into() }).await;
    assert!(!caller.until(|m| heard(&m)).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_a_leg_on_a_relay_that_the_call_has_left_is_no_news() {
    let office = Office::start().await;
    let (a, b) = (office.person(Role::Principal).await, office.person(Role::Counterpart).await);
    // It takes a leg, says that it is about to stop, and then that the leg is gone: the device has ended it to make another.
    let stops = |heard: &ToNode| match heard {
        ToNode::AddLeg { leg, .. } => vec![
            FromNode::LegAdded { leg: *leg, answer: Some("v=0".into()), refused: None },
            FromNode::LegConnected { leg: *leg },
            FromNode::Load { calls: 1, legs: 1, draining: true },
            FromNode::LegGone { leg: *leg },
        ],
        _ => Vec::new(),
    };
    let mut relay = relay_that(&office, stops).await;
    let (mut caller, _callee) = (Client::sign_in(office.addr(), &a).await, Client::sign_in(office.addr(), &b).await);
    let call = CallId::from_bytes([1; 16]);
    caller.send(&office.ring(&a, b.person(), call, RecordMode::Memo)).await;
    caller.until(|m| matches!(m, S::Opened { .. }).then_some(())).await;
    assert!(matches!(relay.recv().await, Some(ToNode::OpenCall { .. })));
    caller.send(&C::Offer { call, sdp: "v=0".into() }).await;
    caller.until(|m| matches!(m, S::MediaLost { .. }).then_some(())).await;
    // What the relay of this process says of such an offer comes after all that the other one said.
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
async fn a_relay_that_is_not_reached_any_more_in_the_middle_of_a_call_loses_it() {
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
    let mut relay = relay_that(&office, once).await;
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
    // A device takes a second at least for a try, and what it sends at once is one try.
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
    // One connected; the next may be of a network that changed; the third in vain after that is one too many.
    assert_eq!(offers, 7);
    let closed = async { while !matches!(relay.recv().await, Some(ToNode::CloseCall { .. })) {} };
    tokio::time::timeout(Duration::from_secs(20), closed).await.expect("it is told that the call is elsewhere");
}
