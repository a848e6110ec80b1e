//! A cluster, as one worker sees it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use enginebay::config::model;
use http::uri::Scheme;
use http::{Request, Response, Uri};

use super::body::{Upload, UpstreamBody};
use super::deadline::Deadline;
use super::failure::Failure;
use super::forward;
use super::host::{Host, HostConfig};
use super::open::Open;
use super::resolve::{self, Found};
use super::tls::Tls;
use crate::serve::headers;
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
    of_hosts: Rc<HostConfig>,
    /// Whether its names are to be looked up again from time to time.
    by_name: bool,
    resolved: Cell<u32>,
    resolving: Cell<bool>,
    unresolved: Cell<bool>,
}

impl Cluster {
    /// The cluster; `start` is the host to begin with, so that workers don't all begin with the same.
    pub(in crate::serve) fn new(
        config: model::Cluster,
        tls: Option<Arc<Tls>>,
        clock: Rc<Clock>,
        start: usize,
    ) -> Rc<Self> {
        let of_hosts = HostConfig {
            http2: config.http2,
            connect_timeout: config.connect_timeout,
            idle_timeout: config.idle_timeout,
            tls,
            open: Rc::new(Open::new(MAX_CONNECTIONS)),
            clock: clock.clone(),
        };
        let literal = resolve::literal(&config);
        let cluster = Cluster {
            by_name: literal.is_none(),
            config,
            clock,
            hosts: RefCell::new(Vec::new()),
            next: Cell::new(start),
            of_hosts: Rc::new(of_hosts),
            resolved: Cell::new(0),
            resolving: Cell::new(false),
            unresolved: Cell::new(false),
        };
        if let Some(addresses) = literal {
            cluster.set_addresses(&addresses);
        }
        Rc::new(cluster)
    }

    /// Its name.
    pub(in crate::serve) fn name(&self) -> &str {
        &self.config.name
    }

    /// Whether this is what a configuration wants, so that its connections can stay. Files that TLS was read from may have
    /// changed.
    pub(in crate::serve) fn is(&self, config: &model::Cluster) -> bool {
        self.config == *config && config.tls.is_none()
    }

    /// Whether one of its endpoints has the URI's host, as its address or its `hostname`, and its port; and it is spoken to
    /// over TLS if, and only if, the URI says `https`.
    pub(in crate::serve) fn is_for(&self, uri: &Uri) -> bool {
        let (Some(host), Some(scheme)) = (uri.host(), uri.scheme()) else {
            return false;
        };
        let tls = *scheme == Scheme::HTTPS;
        let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let mut endpoints = self.config.endpoints.iter();
        self.config.tls.is_some() == tls
            && endpoints.any(|endpoint| {
                let names = [&endpoint.host, &endpoint.hostname];
                endpoint.port == port && names.iter().any(|name| name.eq_ignore_ascii_case(host))
            })
    }

    /// Whether requests to it go in HTTP/2.
    pub(in crate::serve) fn http2(&self) -> bool {
        self.config.http2
    }

    /// Sends a request that does not come from the router, and gives the response when its head is there.
    ///
    /// The host is the one whose turn it is, over the connections that routed requests use too. The request needs a path
    /// and, in its target or its `host`, an authority; both are sent as they are. What belongs to a connection
    /// (`connection`, `transfer-encoding` and so on) is removed. There is no timeout but that of connecting.
    ///
    /// Dropping the future or the response's body cancels the request: its connection is closed in HTTP/1.1, its stream
    /// is reset in HTTP/2.
    ///
    /// # Errors
    /// When there is no response.
    pub(in crate::serve) async fn send(
        self: &Rc<Self>,
        request: Request<enginebay_http::Body>,
    ) -> Result<Response<UpstreamBody>, Failure> {
        let host = self.pick().ok_or(Failure::NoHost)?;
        let request = forward::address(request, None, self.config.http2)?;
        let (mut response, lease) = host.send(request.map(Upload::Callout), None).await?;
        headers::clean_response(response.headers_mut());
        Ok(response.map(|body| UpstreamBody::new(body, lease, Deadline::new(None, None))))
    }

    /// Closes connections that have been idle for too long.
    pub(in crate::serve) fn close_idle(&self) {
        for host in self.hosts.borrow().iter() {
            host.close_idle();
        }
    }

    /// Looks names up for the first time.
    pub(in crate::serve) async fn warm(&self) {
        if self.by_name {
            self.refresh().await;
        }
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
    fn set_addresses(&self, addresses: &[Found]) {
        let mut hosts = self.hosts.borrow_mut();
        let known = std::mem::take(&mut *hosts);
        let find = |found: &Found| match known.iter().find(|host| host.is(found)) {
            Some(host) => host.clone(),
            None => Host::new(found, self.of_hosts.clone()),
        };
        *hosts = addresses.iter().map(find).collect();
    }
}
