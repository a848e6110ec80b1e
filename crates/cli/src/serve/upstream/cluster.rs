//! A cluster, as one worker sees it.

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use enginebay::config::model;

use super::host::{Host, Open};
use super::resolve;
use crate::serve::worker::Clock;

/// Seconds after which names are looked up again, as in Envoy (`dns_refresh_rate`).
const REFRESH: u32 = 5;
/// Connections to one cluster from one worker, as in Envoy (`circuit_breakers`).
const MAX_CONNECTIONS: usize = 1024;

/// The hosts of a cluster with their connections.
pub(in crate::serve) struct Cluster {
    config: model::Cluster,
    clock: Rc<Clock>,
    hosts: RefCell<Vec<Rc<Host>>>,
    next: Cell<usize>,
    open: Rc<Open>,
    /// Whether its names are to be looked up again from time to time.
    by_name: bool,
    resolved: Cell<u32>,
    resolving: Cell<bool>,
    unresolved: Cell<bool>,
}

impl Cluster {
    /// The cluster; `start` is the host to begin with, so that workers don't all begin with the same.
    pub(in crate::serve) fn new(config: model::Cluster, clock: Rc<Clock>, start: usize) -> Rc<Self> {
        let literal = resolve::literal(&config);
        let cluster = Cluster {
            by_name: literal.is_none(),
            config,
            clock,
            hosts: RefCell::new(Vec::new()),
            next: Cell::new(start),
            open: Rc::new(Open::new(MAX_CONNECTIONS)),
            resolved: Cell::new(0),
            resolving: Cell::new(false),
            unresolved: Cell::new(false),
        };
        if let Some(addresses) = literal {
            cluster.set_addresses(&addresses);
        }
        Rc::new(cluster)
    }

    /// Looks names up for the first time.
    pub(in crate::serve) async fn warm(&self) {
        if self.by_name {
            self.refresh().await;
        }
    }

    /// Which endpoint of the configuration a host is. Not known of the hosts of several names with the same port.
    pub(super) fn endpoint_of(&self, address: SocketAddr) -> Option<usize> {
        let endpoints = || self.config.endpoints.iter().enumerate();
        let exact = endpoints().find(|(_, endpoint)| {
            endpoint.port == address.port() && endpoint.host.parse() == Ok(address.ip())
        });
        let named = || {
            let mut named = endpoints().filter(|(_, endpoint)| {
                endpoint.port == address.port() && endpoint.host.parse::<IpAddr>().is_err()
            });
            named.next().filter(|_| named.next().is_none())
        };
        exact.or_else(named).map(|(at, _)| at)
    }

    /// The host whose turn it is; none if there are none.
    pub(super) fn pick(self: &Rc<Self>) -> Option<Rc<Host>> {
        if self.by_name {
            self.refresh_if_old();
        }
        let hosts = self.hosts.borrow();
        let next = self.next.get();
        self.next.set(next.wrapping_add(1));
        let at = next.checked_rem(hosts.len())?;
        hosts.get(at).cloned()
    }

    /// Looks names up again in the background, so that no request waits for it.
    fn refresh_if_old(self: &Rc<Self>) {
        let age = self.clock.seconds().saturating_sub(self.resolved.get());
        if age < REFRESH || self.resolving.replace(true) {
            return;
        }
        let cluster = self.clone();
        tokio::task::spawn_local(async move { cluster.refresh().await });
    }

    async fn refresh(&self) {
        self.resolving.set(true);
        let name = &self.config.name;
        match resolve::resolve(&self.config).await {
            Ok(addresses) => {
                self.unresolved.set(false);
                self.set_addresses(&addresses);
            }
            // The addresses known so far stay. Said once, not every few seconds.
            Err(error) if self.unresolved.replace(true) => {
                tracing::debug!("cluster {name}: can't resolve its endpoints: {error}");
            }
            Err(error) => tracing::warn!("cluster {name}: can't resolve its endpoints: {error}"),
        }
        self.resolved.set(self.clock.seconds());
        self.resolving.set(false);
    }

    /// Hosts whose address stays keep their connections.
    fn set_addresses(&self, addresses: &[SocketAddr]) {
        let mut hosts = self.hosts.borrow_mut();
        let known = std::mem::take(&mut *hosts);
        let find = |address: &SocketAddr| match known.iter().find(|host| host.address() == *address) {
            Some(host) => host.clone(),
            None => Host::new(
                *address,
                self.config.http2,
                self.config.connect_timeout,
                self.open.clone(),
            ),
        };
        *hosts = addresses.iter().map(find).collect();
    }
}
