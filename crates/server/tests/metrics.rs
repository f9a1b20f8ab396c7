//! The operator's manual lists every metric that server and relay serve, with the same words, and no other.

mod common;

use common::Office;
use std::collections::BTreeSet;
use telcon_server::node::RelayNode;

/// The rows of the manual's table for a page in the Prometheus text format.
fn rows(page: &str) -> Vec<String> {
    let help = |name: &str| {
        let line = page.lines().find_map(|line| line.strip_prefix(&format!("# HELP {name} ")));
        line.expect("help precedes the type").to_owned()
    };
    let types = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    types.map(|(name, kind)| format!("| `{name}` | {kind} | {} |", help(name))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_manual_lists_every_metric_and_no_other() {
    let mut office = Office::start().await;
    let mut served = rows(&office.get_admin("/metrics").await.text());
    let local = "127.0.0.1:0".parse().unwrap();
    let (_node, handle, task) = RelayNode::start(office.anchor.clone(), local, Vec::new()).await.unwrap();
    for row in rows(&handle.metrics().await.unwrap()) {
        if !served.contains(&row) {
            served.push(row);
        }
    }
    task.abort();
    office.stop().await;

    let manual = include_str!("../../../docs/operating.md");
    let listed: Vec<&str> = manual.lines().skip_while(|line| *line != "### All metrics").collect();
    let listed: Vec<&str> = listed.into_iter().filter(|line| line.starts_with("| `telcon_")).collect();
    assert_eq!(listed, served, "the table should be:\n{}\n", served.join("\n"));
    // Metrics that the manual mentions elsewhere exist.
    let names: BTreeSet<&str> = served.iter().filter_map(|row| row.split('`').nth(1)).collect();
    let mentioned = manual.split('`').filter(|span| span.starts_with("telcon_"));
    let unknown: Vec<&str> = mentioned.filter(|name| !names.contains(name)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}
