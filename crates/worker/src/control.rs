//! What may be said to a command while it runs: pause, stop, cancel, another mix.

use std::cell::Cell;
use std::time::Duration;

use gloo_timers::future::sleep;
use pema_protocol::MixSettings;

/// Flags set by messages and looked at between two batches.
#[derive(Debug, Default)]
pub(crate) struct Control {
    pub(crate) paused: Cell<bool>,
    pub(crate) stop: Cell<bool>,
    pub(crate) cancel: Cell<bool>,
    pub(crate) mix: Cell<Option<MixSettings>>,
}

impl Control {
    /// Forgets what was said to an earlier command.
    pub(crate) fn begin(&self) {
        self.paused.set(false);
        self.stop.set(false);
        self.cancel.set(false);
    }

    /// Lets messages in.
    pub(crate) async fn listen(&self) {
        sleep(Duration::ZERO).await;
    }

    /// Waits while paused.
    pub(crate) async fn wait(&self) {
        while self.paused.get() && !self.stop.get() && !self.cancel.get() {
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Lets messages in, and waits while paused.
    pub(crate) async fn breathe(&self) {
        self.listen().await;
        self.wait().await;
    }
}
