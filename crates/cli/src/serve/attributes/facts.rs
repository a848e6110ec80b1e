//! What plugins can learn of the configuration, and what they have in common.

use enginebay::config::model::{Bootstrap, Cluster, Endpoint, Listener};
use enginebay::host::{ForeignFunctions, Shared, VmLimits};

use super::Tree;
use crate::serve::limits::Limits;

/// All of it, in the order of the configuration.
pub(in crate::serve) struct Facts {
    /// What plugins share.
    pub(in crate::serve) shared: Shared,
    /// What one VM may keep.
    pub(super) limits: VmLimits,
    pub(super) foreign_functions: ForeignFunctions,
    pub(super) node: Tree,
    pub(super) listeners: Vec<ListenerFacts>,
    pub(super) clusters: Vec<ClusterFacts>,
}

pub(super) struct ListenerFacts {
    pub(super) direction: i64,
    pub(super) metadata: Tree,
    pub(super) filter_chain: String,
}

pub(super) struct ClusterFacts {
    pub(super) name: String,
    pub(super) metadata: Tree,
    pub(super) endpoints: Vec<EndpointFacts>,
}

pub(super) struct EndpointFacts {
    pub(super) metadata: Tree,
    pub(super) locality: Tree,
    pub(super) locality_metadata: Tree,
}

impl Facts {
    pub(in crate::serve) fn new(bootstrap: &Bootstrap, shared: Shared, limits: &Limits) -> Self {
        Facts {
            shared,
            limits: limits.vm,
            foreign_functions: limits.foreign_functions(),
            node: Tree::node(&bootstrap.node),
            listeners: bootstrap.listeners.iter().map(ListenerFacts::new).collect(),
            clusters: bootstrap.clusters.iter().map(ClusterFacts::new).collect(),
        }
    }
}

impl ListenerFacts {
    fn new(listener: &Listener) -> Self {
        ListenerFacts {
            direction: listener.direction as i64,
            metadata: Tree::metadata(&listener.metadata),
            filter_chain: listener.filter_chain_name.clone(),
        }
    }
}

impl ClusterFacts {
    fn new(cluster: &Cluster) -> Self {
        ClusterFacts {
            name: cluster.name.clone(),
            metadata: Tree::metadata(&cluster.metadata),
            endpoints: cluster.endpoints.iter().map(EndpointFacts::new).collect(),
        }
    }
}

impl EndpointFacts {
    fn new(endpoint: &Endpoint) -> Self {
        EndpointFacts {
            metadata: Tree::metadata(&endpoint.metadata),
            locality: Tree::locality(&endpoint.locality),
            locality_metadata: Tree::metadata(&endpoint.locality_metadata),
        }
    }
}
