//! What the server is told.

use std::sync::Arc;

use enginebay::config::model::Plugin;
use prost_types::Any;
use tokio::sync::oneshot;

use super::Subscription;

/// Something happened to a subscription.
pub(in crate::serve) struct Event {
    /// Which one.
    pub(in crate::serve) subscription: Arc<Subscription>,
    /// What.
    pub(in crate::serve) what: What,
}

/// What happened.
pub(in crate::serve) enum What {
    /// There is another configuration.
    Update(Update),
    /// The configuration in use is no longer good, because its `ttl` ran out: back to the default, or to none.
    Removed,
    /// No configuration is in sight, so whoever waits for the first is to go on with the default. Told at most once, and
    /// never after an [`Update`] that was accepted.
    GoOn(Why),
}

/// Why there is no first configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::serve) enum Why {
    /// None came within `initial_fetch_timeout`.
    TimedOut,
    /// The first was no good, or was refused by the server itself.
    Refused,
}

/// A configuration to judge. It is not the one in use: one that is sent again is acknowledged without asking.
pub(in crate::serve) struct Update {
    /// The configuration.
    pub(in crate::serve) resource: Resource,
    /// Where the answer goes.
    pub(in crate::serve) verdict: Verdict,
}

/// A filter's configuration.
#[derive(Clone, Debug)]
pub(in crate::serve) struct Resource {
    /// `version_info` of the response that it came in.
    pub(in crate::serve) version: String,
    /// The plugin.
    pub(in crate::serve) plugin: Arc<Plugin>,
    /// What came, a `TypedExtensionConfig` alone or in a `Resource`.
    pub(in crate::serve) message: Option<Any>,
}

/// The server's answer to an [`Update`]. Dropped, it is a refusal.
pub(in crate::serve) struct Verdict(oneshot::Sender<Result<(), String>>);

impl Verdict {
    pub(super) fn new() -> (Self, oneshot::Receiver<Result<(), String>>) {
        let (sender, receiver) = oneshot::channel();
        (Verdict(sender), receiver)
    }

    /// The configuration is used from now on: an ACK.
    pub(in crate::serve) fn accept(self) {
        // Nobody waits for it any more where the subscription was given up.
        let _ = self.0.send(Ok(()));
    }

    /// The old one stays: a NACK, which says why.
    pub(in crate::serve) fn refuse(self, why: impl Into<String>) {
        let _ = self.0.send(Err(why.into()));
    }
}
