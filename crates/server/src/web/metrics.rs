//! Numbers for the operator, in the Prometheus text format, and whether the server works. They name nobody.

use super::App;
use crate::hub::Input;
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

/// How long the switchboard may take to say that it works.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(2);

/// What is counted at the door.
#[derive(Default)]
pub struct Counters {
    /// Connections that signed in.
    pub signed_in: AtomicU64,
    /// Connections that were refused before or at sign-in.
    pub refused: AtomicU64,
    /// Connections cut for what they sent.
    pub cut: AtomicU64,
    /// Messages taken.
    pub messages: AtomicU64,
    /// Records taken into the archive.
    pub records: AtomicU64,
}

pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

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

pub(super) async fn metrics(State(app): State<Arc<App>>) -> impl IntoResponse {
    let gauges = tokio::time::timeout(HEALTH_TIMEOUT, app.hub.ask(Input::Gauges)).await.ok().flatten();
    let mut page = Page::default();
    page.line("up", "gauge", "Whether the switchboard answers.", u64::from(gauges.is_some()));
    if let Some(g) = gauges {
        page.line("calls_ringing", "gauge", "Calls that ring.", g.ringing as u64);
        page.line("calls_live", "gauge", "Calls that were answered and are not over.", g.live as u64);
        page.line("sessions", "gauge", "Connections that are signed in.", g.sessions as u64);
        page.line("devices", "gauge", "Devices that may sign in.", g.devices as u64);
        page.line("records_owed", "gauge", "Calls whose record is not in the archive.", g.records_owed as u64);
    }
    page.line("log_entries", "gauge", "Entries of the log.", app.prover.checkpoint().0);
    let c = &app.counters;
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    page.line("sign_ins_total", "counter", "Connections that signed in.", read(&c.signed_in));
    page.line("refused_total", "counter", "Connections refused before or at sign-in.", read(&c.refused));
    page.line("cut_total", "counter", "Connections cut for what they sent.", read(&c.cut));
    page.line("messages_total", "counter", "Messages taken from devices.", read(&c.messages));
    page.line("records_total", "counter", "Records taken into the archive.", read(&c.records));
    let m = &app.media;
    page.line("relays", "gauge", "Relays of their own that are registered.", read(&m.relays));
    page.line("calls_moved_total", "counter", "Calls that moved from one relay to another.", read(&m.moved));
    page.line(
        "relays_unreached_total",
        "counter",
        "Times that devices did not reach a call's relay.",
        read(&m.unreached),
    );
    if let Ok(stats) = app.relay.stats().await {
        relay(&stats, &mut page);
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], page.0)
}

/// The numbers of a relay of its own.
pub(crate) fn relay_metrics(stats: &telcon_relay::RelayStats, registered: bool, draining: bool) -> String {
    let mut page = Page::default();
    page.line("relay_registered", "gauge", "Whether the office's server knows it now.", u64::from(registered));
    page.line("relay_draining", "gauge", "Whether it takes no new calls.", u64::from(draining));
    relay(stats, &mut page);
    page.0
}

fn relay(stats: &telcon_relay::RelayStats, page: &mut Page) {
    page.line("relay_calls", "gauge", "Calls at the relay of this process.", stats.calls);
    page.line(
        "relay_legs",
        "gauge",
        "Legs (a device's way for sound in a call) at the relay of this process.",
        stats.legs,
    );
    let counters = [
        ("legs_opened", "Legs made.", stats.legs_opened),
        ("datagrams_in", "Datagrams received.", stats.datagrams_in),
        ("datagrams_out", "Datagrams sent.", stats.datagrams_out),
        ("media_in", "Media packets received and authenticated.", stats.media_in),
        ("media_forwarded", "Media packets forwarded.", stats.media_forwarded),
        ("dropped_malformed", "Datagrams of no known protocol.", stats.dropped_malformed),
        ("dropped_oversized", "Datagrams that are too long.", stats.dropped_oversized),
        ("dropped_unknown_source", "Datagrams from nobody's address.", stats.dropped_unknown_source),
        ("dropped_unknown_user", "STUN requests for nobody.", stats.dropped_unknown_user),
        ("dropped_address_taken", "STUN requests from another leg's address.", stats.dropped_address_taken),
        ("dropped_flood", "Datagrams above a leg's rate.", stats.dropped_flood),
        ("dropped_refused", "Datagrams of a wrong key, replayed, or of a broken handshake.", stats.dropped_refused),
        ("dropped_rate", "Media packets above a leg's rate.", stats.dropped_rate),
        ("dropped_frame_size", "Media packets of a wrong size.", stats.dropped_frame_size),
        ("dropped_no_slot", "Packets of more speakers at once than a leg can receive.", stats.dropped_no_slot),
        ("dropped_not_connected", "Packets for a leg that is not connected.", stats.dropped_not_connected),
        ("dropped_unsent", "Datagrams that the system would not send.", stats.dropped_unsent),
        ("dropped_too_old", "Packets older than their slot.", stats.dropped_too_old),
        ("contained_panics", "Legs ended by a bug; must be zero.", stats.contained_panics),
    ];
    for (name, help, value) in counters {
        page.line(&format!("relay_{name}_total"), "counter", help, value);
    }
}
