//! All clusters, as one worker sees them.

use std::collections::HashMap;
use std::rc::Rc;

use http::Uri;

use super::cluster::Cluster;

/// The clusters of a configuration, in its order.
#[derive(Default)]
pub(in crate::serve) struct Clusters {
    all: Vec<Rc<Cluster>>,
    by_name: HashMap<String, usize>,
}

impl Clusters {
    pub(in crate::serve) fn new(all: Vec<Rc<Cluster>>) -> Self {
        let by_name = all
            .iter()
            .enumerate()
            .map(|(at, cluster)| (cluster.name().to_owned(), at))
            .collect();
        Clusters { all, by_name }
    }

    /// All of them.
    pub(in crate::serve) fn all(&self) -> &[Rc<Cluster>] {
        &self.all
    }

    /// By its place in the configuration.
    pub(in crate::serve) fn get(&self, at: usize) -> Option<&Rc<Cluster>> {
        self.all.get(at)
    }

    /// By name, which takes a look-up in a hash table: for what a plugin names at run time.
    pub(in crate::serve) fn named(&self, name: &str) -> Option<&Rc<Cluster>> {
        self.get(*self.by_name.get(name)?)
    }

    /// The first one that is for the host of a URI: see [`Cluster::is_for`].
    pub(in crate::serve) fn for_host(&self, uri: &Uri) -> Option<&Rc<Cluster>> {
        self.all.iter().find(|cluster| cluster.is_for(uri))
    }
}
