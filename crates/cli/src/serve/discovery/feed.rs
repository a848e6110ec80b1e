//! A subscription while it runs: what its source and its timers both need.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::pending;
use std::rc::Rc;
use std::sync::Arc;

use enginebay::config::model::{ConfigSource, Plugin};
use enginebay::config::proto::envoy::service::discovery::v3::DiscoveryResponse;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep, sleep_until};

use super::event::{Event, Resource, Update, Verdict, What, Why};
use super::{Setting, Subscription};

/// Whether the first configuration is there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum First {
    Waiting,
    /// The server looks at it.
    Judged,
    /// It is there, or the server went on without it.
    Over,
}

pub(super) struct Feed {
    pub(super) subscription: Arc<Subscription>,
    pub(super) setting: Rc<Setting>,
    events: mpsc::Sender<Event>,
    first: Cell<First>,
    in_use: RefCell<Option<Arc<Plugin>>>,
    /// When the configuration in use is no longer good.
    expires: Cell<Option<Instant>>,
    expiry_changed: Notify,
}

impl Feed {
    pub(super) fn new(
        subscription: Arc<Subscription>,
        setting: Rc<Setting>,
        events: mpsc::Sender<Event>,
    ) -> Self {
        Feed {
            subscription,
            setting,
            events,
            first: Cell::new(First::Waiting),
            in_use: RefCell::new(None),
            expires: Cell::new(None),
            expiry_changed: Notify::new(),
        }
    }

    /// Has the server judge a configuration, the resource at `index` of a response, unless it is the one in use.
    pub(super) async fn offer(
        &self,
        response: &DiscoveryResponse,
        index: usize,
        plugin: Arc<Plugin>,
    ) -> Result<(), String> {
        if self.in_use.borrow().as_ref() == Some(&plugin) {
            return Ok(());
        }
        if self.first.get() == First::Waiting {
            self.first.set(First::Judged);
        }
        let (verdict, answer) = Verdict::new();
        let resource = Resource {
            version: response.version_info.clone(),
            plugin: plugin.clone(),
            message: response.resources.get(index).cloned(),
        };
        self.tell(What::Update(Update { resource, verdict })).await;
        answer
            .await
            .unwrap_or_else(|_| Err("the server gave it up".to_owned()))?;
        self.first.set(First::Over);
        self.in_use.replace(Some(plugin));
        Ok(())
    }

    /// Something came that is no good.
    pub(super) async fn refused(&self) {
        self.go_on(Why::Refused).await;
    }

    async fn go_on(&self, why: Why) {
        if self.first.replace(First::Over) != First::Over {
            self.tell(What::GoOn(why)).await;
        }
    }

    async fn tell(&self, what: What) {
        let event = Event {
            subscription: self.subscription.clone(),
            what,
        };
        if self.events.send(event).await.is_err() {
            // It is about to be dropped.
            pending::<()>().await;
        }
    }

    /// When the configuration in use ends, unless something comes before.
    pub(super) fn set_expiry(&self, at: Option<Instant>) {
        self.expires.set(at);
        self.expiry_changed.notify_one();
    }

    /// Does what is due by time.
    pub(super) async fn keep_time(&self) -> Infallible {
        let (_, never) = tokio::join!(self.time_out(), self.expire());
        never
    }

    async fn time_out(&self) {
        let subscription = &self.subscription;
        // A file is there or it is not.
        let (ConfigSource::Grpc(_), Some(timeout)) =
            (&subscription.source, subscription.initial_fetch_timeout)
        else {
            return;
        };
        sleep(timeout).await;
        if self.first.get() == First::Waiting {
            let name = &subscription.name;
            tracing::warn!(
                "gRPC config: initial fetch timed out for {} ({name})",
                super::grpc::TYPE_URL
            );
            self.go_on(Why::TimedOut).await;
        }
    }

    async fn expire(&self) -> Infallible {
        loop {
            let Some(at) = self.expires.get() else {
                self.expiry_changed.notified().await;
                continue;
            };
            tokio::select! {
                () = self.expiry_changed.notified() => {}
                () = sleep_until(at) => {
                    self.expires.set(None);
                    if self.in_use.take().is_some() {
                        tracing::info!("Removing filter config {}: its ttl is over", self.subscription.name);
                        self.tell(What::Removed).await;
                    }
                }
            }
        }
    }
}
