//! A listener, as one worker sees it.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use enginebay::config::model::Codec;
use enginebay_http::{
    Attributes, ConnectionInfo, ConnectionState, LocalChain, LocalService, LocalVms, Usage,
};
use http::HeaderValue;

use super::attributes::{ListenerAttributes, ServerPlatform};
use super::callouts::ClusterUpstreams;
use super::plan::{ListenerPlan, Plan};
use super::router::Router;
use super::stats::{ListenerCounts, ListenerStats};
use super::tcp;
use super::upstream::Clusters;
use super::worker::Task;

/// What serves the connections of a listener.
pub(super) struct Here {
    plan: Arc<Plan>,
    counts: Arc<ListenerCounts>,
    worker: usize,
    listener: usize,
    max_connections: usize,
    server_name: HeaderValue,
    chain: LocalChain,
    service: LocalService<Router>,
    /// For a TCP listener; then the service is not used.
    tcp: Option<tcp::Proxy>,
    attributes: Arc<dyn Attributes + Send + Sync>,
}

impl Here {
    pub(super) fn start(
        task: &Task,
        index: usize,
        listener: &ListenerPlan,
        clusters: &Rc<Clusters>,
    ) -> Result<Self, String> {
        let vms = LocalVms::observed(
            Rc::new(ServerPlatform::new(task.plan.facts.clone())),
            Rc::new(ClusterUpstreams(clusters.clone())),
            *listener.chain.options(),
            task.stats.observer(),
        );
        let chain = vms
            .start(&listener.chain)
            .map_err(|failure| format!("worker {}: {failure}", task.index))?;
        let http = listener.listener.http();
        let server_name = http.and_then(|http| http.server_name.as_deref());
        let tcp = listener.listener.tcp().and_then(|tcp| {
            // One that is not there was refused with the configuration.
            Some(tcp::Proxy::new(
                tcp,
                &chain,
                clusters.named(&tcp.cluster)?.clone(),
            ))
        });
        let router = Router::new(task.plan.clone(), index, clusters.clone());
        Ok(Here {
            plan: task.plan.clone(),
            counts: listener.counts.clone(),
            worker: task.index,
            listener: index,
            max_connections: task.max_connections,
            server_name: server_name
                .and_then(|name| HeaderValue::from_str(name).ok())
                .unwrap_or(const { HeaderValue::from_static("enginebay") }),
            service: chain.service(router),
            attributes: Arc::new(ListenerAttributes::new(task.plan.clone(), index)),
            tcp,
            chain,
        })
    }

    /// What plugins do without a request: timers, queues and callouts. It ends when this is gone.
    pub(super) fn background(&self) -> impl Future<Output = ()> + 'static {
        self.chain.background()
    }

    fn plan(&self) -> &ListenerPlan {
        &self.plan.listeners[self.listener]
    }

    pub(super) fn name(&self) -> &str {
        &self.plan().listener.name
    }

    #[inline]
    pub(super) fn stats(&self) -> &ListenerStats {
        self.counts.worker(self.worker)
    }

    pub(super) fn codec(&self) -> Codec {
        self.plan()
            .listener
            .http()
            .map_or_else(Codec::default, |http| http.codec)
    }

    /// How it serves TCP, if it does.
    #[inline]
    pub(super) fn tcp(&self) -> Option<&tcp::Proxy> {
        self.tcp.as_ref()
    }

    #[inline]
    pub(super) fn server_name(&self) -> HeaderValue {
        self.server_name.clone()
    }

    /// Whether plugins look at requests.
    pub(super) fn has_plugins(&self) -> bool {
        !self.plan().chain.is_empty()
    }

    pub(super) fn service(&self) -> LocalService<Router> {
        self.service.clone()
    }

    /// A connection as plugins see it.
    pub(super) fn connection_info(
        &self,
        peer: SocketAddr,
        local: Option<SocketAddr>,
        id: u64,
    ) -> ConnectionInfo {
        let mut info = ConnectionInfo::default();
        info.peer = Some(peer);
        info.local = local;
        info.id = Some(id);
        info.state = Some(ConnectionState::default());
        info.attributes = Some(self.attributes.clone());
        info
    }

    pub(super) fn admit(&self) -> bool {
        self.counts.admit(self.max_connections)
    }

    /// A connection that was admitted is gone.
    pub(super) fn leave(&self) {
        self.counts.leave();
    }

    /// What its VMs hold now.
    pub(super) fn usage(&self) -> Usage {
        self.chain.vms().usage()
    }
}
