//! What a thread needs to run plugins: clusters, VMs, and the plugins that serve no request.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use enginebay::Plugin;
use enginebay::config::model::{Bootstrap, StatsFlush};
use enginebay_http::{LocalVms, Resident};
use tokio::task::spawn_local;
use tokio::time::{interval, timeout};

use super::attributes::ServerPlatform;
use super::callouts::ClusterUpstreams;
use super::plan::{self, ClusterPlan, Plan, ServicePlan};
use super::serving::Serving;
use super::sinks::Sinks;
use super::stats::Stats;
use super::upstream::{Cluster, Clusters};
use super::worker::Clock;

/// How long the first look-up of names may hold up the start, as in Envoy (`warming`).
const WARM_TIMEOUT: Duration = Duration::from_secs(5);

/// A thread's clusters and VMs, over all configurations.
pub(super) struct Rig {
    thread: usize,
    clock: Rc<Clock>,
    stats: Arc<Stats>,
    upstreams: ClusterUpstreams,
    /// Made with the first configuration, whose limits hold for good.
    vms: RefCell<Option<LocalVms>>,
    residents: RefCell<Vec<Resident>>,
    /// None on a worker.
    sinks: Rc<Sinks>,
}

/// A configuration that is started and does not serve yet.
pub(super) struct Prepared {
    clusters: Rc<Clusters>,
    servings: Vec<Rc<Serving>>,
    residents: Vec<Resident>,
    sinks: Vec<Resident>,
    flush: StatsFlush,
}

impl Rig {
    /// `thread` is a number that no other thread has.
    pub(super) fn new(thread: usize, clock: Rc<Clock>, stats: &Arc<Stats>) -> Self {
        Rig {
            thread,
            clock,
            stats: stats.clone(),
            upstreams: ClusterUpstreams::default(),
            vms: RefCell::default(),
            residents: RefCell::default(),
            sinks: Rc::new(Sinks::new(stats)),
        }
    }

    pub(super) fn clock(&self) -> &Rc<Clock> {
        &self.clock
    }

    pub(super) fn upstreams(&self) -> &ClusterUpstreams {
        &self.upstreams
    }

    pub(super) fn sinks(&self) -> &Rc<Sinks> {
        &self.sinks
    }

    fn vms(&self, plan: &Plan) -> LocalVms {
        let mut vms = self.vms.borrow_mut();
        let made = vms.get_or_insert_with(|| {
            let platform = Rc::new(ServerPlatform::new(plan.facts.clone()));
            let upstreams = Rc::new(self.upstreams.clone());
            let options = plan.callout_options;
            let vms = LocalVms::observed(platform, upstreams, options, self.stats.observer());
            spawn_local(vms.background());
            vms
        });
        made.clone()
    }

    /// Starts what a worker needs for a plan and is not there yet, and looks up the names of its clusters.
    ///
    /// # Errors
    /// A plugin can't be started. What was started for nothing goes.
    pub(super) async fn prepare(&self, plan: Arc<Plan>) -> Result<Prepared, String> {
        let clusters = self.clusters(&plan.clusters).await;
        let services = plan.services.iter().filter(|service| !service.singleton);
        self.start(&plan, clusters, services, &[], plan.listeners.len())
    }

    fn start<'p>(
        &self,
        plan: &Arc<Plan>,
        clusters: Rc<Clusters>,
        services: impl Iterator<Item = &'p ServicePlan>,
        sinks: &[Plugin],
        listeners: usize,
    ) -> Result<Prepared, String> {
        // The first configuration's plugins may call out while they start.
        if self.vms.borrow().is_none() {
            self.upstreams.set(clusters.clone());
        }
        let vms = self.vms(plan);
        let reside = |plugin| vms.reside(plugin).map_err(|failure| failure.to_string());
        let residents = services.map(|service| reside(&service.plugin));
        let residents = residents.collect::<Result<_, _>>()?;
        let sinks = sinks.iter().map(reside).collect::<Result<_, _>>()?;
        let servings = (0..listeners).map(|listener| Serving::start(plan, listener, &vms, &clusters));
        Ok(Prepared {
            servings: servings.collect::<Result<_, _>>()?,
            clusters,
            residents,
            sinks,
            flush: plan.flush,
        })
    }

    /// Likewise, for the main thread: it has all services and the stats sinks, and no listeners.
    ///
    /// # Errors
    /// Likewise.
    pub(super) async fn prepare_services(&self, plan: Arc<Plan>) -> Result<Prepared, String> {
        let clusters = self.clusters(&plan.clusters).await;
        self.start(&plan, clusters, plan.services.iter(), &plan.sinks, 0)
    }

    /// Has clusters to fetch code from before there is a plan.
    ///
    /// # Errors
    /// A cluster's TLS can't be set up.
    pub(super) async fn know_clusters(&self, bootstrap: &Bootstrap) -> Result<(), String> {
        let plans = plan::clusters(bootstrap).collect::<Result<Vec<_>, _>>()?;
        let clusters = self.clusters(&plans).await;
        self.upstreams.set(clusters);
        Ok(())
    }

    /// What is prepared holds from now on. Its listeners, in order.
    pub(super) fn commit(&self, prepared: Prepared) -> Vec<Rc<Serving>> {
        self.upstreams.set(prepared.clusters);
        let old = self.residents.replace(prepared.residents);
        drop(old);
        self.sinks.set(prepared.sinks, prepared.flush);
        prepared.servings
    }

    /// Keeps the clock of a thread that has no connections of clients.
    pub(super) async fn keep_time(self: Rc<Self>) {
        let mut ticks = interval(Duration::from_secs(1));
        let started = ticks.tick().await;
        loop {
            let now = ticks.tick().await;
            self.clock.set(now.saturating_duration_since(started));
            self.tick();
        }
    }

    /// Once a second.
    pub(super) fn tick(&self) {
        for cluster in self.upstreams.get().all() {
            cluster.close_idle();
        }
        for resident in &*self.residents.borrow() {
            resident.revive();
        }
        self.sinks.revive();
        if let Some(vms) = &*self.vms.borrow() {
            vms.renew();
            self.stats.usage(self.thread).set(vms.usage());
        }
    }

    /// The clusters of a plan. Those that stay as they are keep their connections.
    async fn clusters(&self, plans: &[ClusterPlan]) -> Rc<Clusters> {
        let known = self.upstreams.get();
        let mut warming = Vec::new();
        let clusters = plans.iter().map(|plan| {
            let known = known.named(&plan.cluster.name);
            if let Some(known) = known.filter(|known| known.is(&plan.cluster)) {
                return known.clone();
            }
            let new = Cluster::new(
                plan.cluster.clone(),
                plan.tls.clone(),
                self.clock.clone(),
                self.thread,
            );
            let cluster = new.clone();
            warming.push(spawn_local(async move { cluster.warm().await }));
            new
        });
        let clusters = Rc::new(Clusters::new(clusters.collect()));
        let all = async {
            for task in warming {
                let _ = task.await;
            }
        };
        // Those that take longer go on by themselves.
        let _ = timeout(WARM_TIMEOUT, all).await;
        clusters
    }
}
