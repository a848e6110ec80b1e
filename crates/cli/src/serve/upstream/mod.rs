//! Forwarding to clusters.

mod body;
mod cluster;
mod clusters;
mod deadline;
mod failure;
mod forward;
mod host;
mod open;
mod pool;
mod raw;
mod resolve;
mod stream;
#[cfg(test)]
mod tests;
mod tls;
mod verify;

pub(super) use body::UpstreamBody;
pub(super) use cluster::Cluster;
pub(super) use clusters::Clusters;
pub(super) use failure::Failure;
pub(super) use forward::forward;
pub(super) use open::OneOpen;
pub(super) use raw::connect;
pub(super) use stream::{Link, UpstreamStream};
pub(super) use tls::Tls;

/// Runs hyper's background work on this worker's thread.
#[derive(Clone, Copy)]
pub(super) struct LocalExecutor;

impl<F> hyper::rt::Executor<F> for LocalExecutor
where
    F: Future + 'static,
{
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}
