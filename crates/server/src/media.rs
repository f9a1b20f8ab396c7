//! The switchboard's way to the relay: commands in their order, and events back.

use crate::{
    hub::{HubHandle, Input},
    switchboard::{RelayCommand, SessionId},
};
use std::collections::HashMap;
use telcon_proto::{CallId, DeviceId};
use telcon_relay::{LegId, OpenedCall, RelayEvent, driver::RelayHandle};
use tokio::{
    sync::{broadcast::error::RecvError, mpsc},
    task::JoinHandle,
};

/// Starts the task between switchboard and relay. It ends with the switchboard.
pub(crate) fn spawn(relay: RelayHandle, hub: HubHandle) -> (mpsc::UnboundedSender<RelayCommand>, JoinHandle<()>) {
    // Unbounded, because the switchboard must not wait for the relay. Each device's messages are limited by the second.
    let (sender, commands) = mpsc::unbounded_channel();
    let media = Media { relay, hub, legs: HashMap::new(), names: HashMap::new(), next: 1 };
    (sender, tokio::spawn(media.run(commands)))
}

struct Media {
    relay: RelayHandle,
    hub: HubHandle,
    legs: HashMap<(CallId, DeviceId), LegId>,
    names: HashMap<LegId, (CallId, DeviceId)>,
    next: u64,
}

impl Media {
    async fn run(mut self, mut commands: mpsc::UnboundedReceiver<RelayCommand>) {
        let mut events = self.relay.events();
        loop {
            tokio::select! {
                command = commands.recv() => match command {
                    Some(command) => self.obey(command).await,
                    None => return,
                },
                event = events.recv() => match event {
                    Ok(event) => self.tell(event).await,
                    // Legs whose end was missed are found when their devices offer again.
                    Err(RecvError::Lagged(missed)) => tracing::warn!(missed, "events of the relay were missed"),
                    Err(RecvError::Closed) => return,
                },
            }
        }
    }

    async fn obey(&mut self, command: RelayCommand) {
        match command {
            RelayCommand::OpenCall(call, log_index) => {
                if let Err(error) = self.relay.open_call(OpenedCall { call, log_index }).await {
                    tracing::error!(%call, %error, "the relay did not open a call");
                }
            }
            RelayCommand::CloseCall(call) => {
                // The relay is gone only when the server stops.
                let _ = self.relay.close_call(call).await;
                self.legs.retain(|(of, _), _| *of != call);
                self.names.retain(|_, (of, _)| *of != call);
            }
            RelayCommand::AddLeg { call, device, session, sdp } => self.add(call, device, session, sdp).await,
            RelayCommand::RemoveLeg(call, device) => {
                if let Some(leg) = self.legs.remove(&(call, device)) {
                    self.names.remove(&leg);
                    let _ = self.relay.remove_leg(leg).await;
                }
            }
        }
    }

    async fn add(&mut self, call: CallId, device: DeviceId, session: SessionId, sdp: String) {
        let leg = *self.legs.entry((call, device)).or_insert_with(|| {
            self.next += 1;
            LegId(self.next)
        });
        self.names.insert(leg, (call, device));
        let answer = self.relay.add_leg(call, leg, sdp).await.map_err(|error| error.to_string());
        self.hub.send(Input::LegAdded(call, device, session, answer)).await;
    }

    async fn tell(&mut self, event: RelayEvent) {
        let RelayEvent::LegGone { leg, why, .. } = event else { return };
        if let Some((call, device)) = self.names.remove(&leg) {
            self.legs.remove(&(call, device));
            tracing::info!(%call, %device, ?why, "a leg is gone");
            self.hub.send(Input::LegLost(call, device)).await;
        }
    }
}
