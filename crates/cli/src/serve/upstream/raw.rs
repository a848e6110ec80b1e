//! Connections for bytes that are not HTTP.

use std::net::SocketAddr;
use std::rc::Rc;

use super::cluster::Cluster;
use super::failure::Failure;
use super::open::OneOpen;
use super::stream::{UpstreamConnection, UpstreamStream};
use super::tls::Protocol;

/// A connection to a host of a cluster, for one client alone.
pub(in crate::serve) struct Raw {
    pub(in crate::serve) stream: UpstreamStream,
    /// The host's address, and this side's.
    pub(in crate::serve) address: SocketAddr,
    pub(in crate::serve) local: Option<SocketAddr>,
    /// Counts it as open.
    pub(in crate::serve) open: OneOpen,
}

/// Connects to the host of the cluster whose turn it is.
pub(in crate::serve) async fn connect(cluster: &Rc<Cluster>) -> Result<Raw, Failure> {
    let host = cluster.pick().ok_or(Failure::NoHost)?;
    let UpstreamConnection { stream, open } = host.connect(Protocol::Bytes).await?;
    Ok(Raw {
        local: stream.link().local,
        stream,
        address: host.address(),
        open,
    })
}
