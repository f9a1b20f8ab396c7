//! A relay of its own and what it believes.

mod common;

use common::Office;
use std::net::SocketAddr;
use telcon_proto::{
    CallId,
    message::Logged,
    node::{FromNode, ToNode},
};
use telcon_server::node::{Left, RelayNode};
use tokio::sync::mpsc;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_is_not_in_the_log_is_not_opened() {
    let office = Office::start().await;
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let (mut node, handle, _task) = RelayNode::start(office.anchor.clone(), any, Vec::new()).await.unwrap();
    let (tell, mut told) = mpsc::channel(8);
    let (say, mut said) = mpsc::channel(64);
    let talk = tokio::spawn(async move { node.converse(&mut told, &say).await });
    assert!(matches!(said.recv().await, Some(FromNode::Hello { .. })));

    let call = CallId::from_bytes([1; 16]);
    let checkpoint = office.get("/log/checkpoint").await.text();
    let made_up = format!(r#"{{"type":"call_opened","call":"{call}","time_ms":1}}"#);
    let opened = Logged { entry: telcon_proto::Blob(made_up.into_bytes()), index: 0, proof: Vec::new(), checkpoint };
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
    assert_eq!(talk.await.unwrap(), Left::Drained);
}
