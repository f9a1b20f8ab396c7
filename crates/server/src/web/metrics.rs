//! Metrics in the Prometheus text format, and the health check. Neither identifies anybody.

use super::App;
use crate::{hub::Input, push::DeliveryCounters};
use axum::{
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use std::{
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// Timeout of the switchboard's answer to a health check.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(2);

/// Counters of connections and requests.
#[derive(Default)]
pub struct Counters {
    /// Connections that signed in.
    pub signed_in: AtomicU64,
    /// Connections refused before or at sign-in.
    pub refused: AtomicU64,
    /// Connections closed for a protocol violation.
    pub violations: AtomicU64,
    /// Messages received from signed-in devices.
    pub messages: AtomicU64,
    /// Records archived.
    pub records: AtomicU64,
}

pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Health check: whether the switchboard answers within 2 s.
pub(super) async fn health(State(app): State<Arc<App>>) -> impl IntoResponse {
    match tokio::time::timeout(HEALTH_TIMEOUT, app.hub.ask(Input::Gauges)).await {
        Ok(Some(_)) => (StatusCode::OK, "ok\n"),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "the switchboard does not answer\n"),
    }
}

/// A page in the Prometheus text format.
#[derive(Default)]
struct Page(String);

impl Page {
    fn line(&mut self, name: &str, kind: &str, help: &str, value: u64) {
        writeln!(self.0, "# HELP telcon_{name} {help}\n# TYPE telcon_{name} {kind}\ntelcon_{name} {value}")
            .expect("invariant: writing to a String cannot fail");
    }
}

/// Metrics in the Prometheus text format. They identify nobody.
pub(super) async fn metrics(State(app): State<Arc<App>>) -> impl IntoResponse {
    let gauges = tokio::time::timeout(HEALTH_TIMEOUT, app.hub.ask(Input::Gauges)).await.ok().flatten();
    let mut page = Page::default();
    page.line("up", "gauge", "Whether the switchboard answers (1) or not (0).", u64::from(gauges.is_some()));
    if let Some(g) = gauges {
        page.line("calls_ringing", "gauge", "Calls that are ringing.", g.ringing as u64);
        page.line("calls_live", "gauge", "Calls that were answered and have not ended.", g.live as u64);
        page.line("sessions", "gauge", "Signed-in connections.", g.sessions as u64);
        page.line("devices", "gauge", "Enrolled devices.", g.devices as u64);
        page.line(
            "records_pending",
            "gauge",
            "Ended calls whose record is not in the archive.",
            g.records_pending as u64,
        );
    }
    page.line("log_entries", "gauge", "Entries in the log.", app.prover.checkpoint().0);
    let c = &app.counters;
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    page.line("sign_ins_total", "counter", "Connections that signed in.", read(&c.signed_in));
    page.line("refused_total", "counter", "Connections refused before or at sign-in.", read(&c.refused));
    page.line(
        "protocol_violations_total",
        "counter",
        "Connections closed for a protocol violation.",
        read(&c.violations),
    );
    page.line("messages_total", "counter", "Messages received from devices.", read(&c.messages));
    page.line("records_total", "counter", "Records archived.", read(&c.records));
    let m = &app.media;
    page.line("relays", "gauge", "Registered standalone relays.", read(&m.relays));
    page.line("call_failovers_total", "counter", "Calls placed on another relay.", read(&m.moved));
    page.line(
        "relays_unreachable_total",
        "counter",
        "Times that no device of a call could reach its relay.",
        read(&m.unreachable),
    );
    let pushes = app.push.as_ref().map(|push| push.counters());
    let pushed = |counter: fn(&DeliveryCounters) -> &AtomicU64| pushes.map_or(0, |counters| read(counter(counters)));
    page.line("push_accepted_total", "counter", "Push messages that a push service accepted.", pushed(|c| &c.accepted));
    page.line(
        "push_failed_total",
        "counter",
        "Attempts to send a push message that failed; it is sent again.",
        pushed(|c| &c.failed),
    );
    page.line("push_refused_total", "counter", "Push messages that a push service refused.", pushed(|c| &c.rejected));
    page.line("push_ended_total", "counter", "Subscriptions that a push service ended.", pushed(|c| &c.expired));
    if let Ok(stats) = app.relay.stats().await {
        relay(&stats, &mut page);
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], page.0)
}

/// Metrics of a standalone relay.
pub(crate) fn relay_metrics(stats: &telcon_relay::RelayStats, registered: bool, draining: bool) -> String {
    let mut page = Page::default();
    page.line("relay_registered", "gauge", "Whether it is registered with the office's server.", u64::from(registered));
    page.line("relay_draining", "gauge", "Whether it drains: no new calls.", u64::from(draining));
    relay(stats, &mut page);
    page.0
}

fn relay(stats: &telcon_relay::RelayStats, page: &mut Page) {
    page.line("relay_calls", "gauge", "Calls on this process's relay.", stats.calls);
    page.line("relay_legs", "gauge", "Legs (media connections of devices) on this process's relay.", stats.legs);
    let counters = [
        ("legs_opened", "Legs opened.", stats.legs_opened),
        ("datagrams_in", "Datagrams received.", stats.datagrams_in),
        ("datagrams_out", "Datagrams sent.", stats.datagrams_out),
        ("media_in", "Media packets received and authenticated.", stats.media_in),
        ("media_forwarded", "Media packets forwarded.", stats.media_forwarded),
        ("dropped_malformed", "Datagrams of an unknown protocol.", stats.dropped_malformed),
        ("dropped_oversized", "Datagrams above the size limit.", stats.dropped_oversized),
        ("dropped_unknown_source", "Datagrams from an address without a leg.", stats.dropped_unknown_source),
        ("dropped_unknown_user", "STUN requests with an unknown user name.", stats.dropped_unknown_user),
        ("dropped_address_taken", "STUN requests from an address that another leg uses.", stats.dropped_address_taken),
        ("dropped_flood", "Datagrams above a leg's rate limit.", stats.dropped_flood),
        (
            "dropped_refused",
            "Datagrams that failed authentication, were replayed, or belong to a failed handshake.",
            stats.dropped_refused,
        ),
        ("dropped_rate", "Media packets above a leg's rate limit.", stats.dropped_rate),
        ("dropped_frame_size", "Media packets of an invalid size.", stats.dropped_frame_size),
        ("dropped_no_slot", "Packets of more simultaneous speakers than a leg has slots.", stats.dropped_no_slot),
        ("dropped_not_connected", "Packets for a leg that is not connected.", stats.dropped_not_connected),
        ("dropped_unsent", "Datagrams that the operating system did not send.", stats.dropped_unsent),
        ("dropped_too_old", "Packets older than the current speaker of their slot.", stats.dropped_too_old),
        ("contained_panics", "Legs closed because of a caught panic; must be zero.", stats.contained_panics),
    ];
    for (name, help, value) in counters {
        page.line(&format!("relay_{name}_total"), "counter", help, value);
    }
}
