//! Forwarding to clusters.

mod body;
mod cluster;
mod deadline;
mod failure;
mod forward;
mod host;
mod raw;
mod resolve;

pub(super) use body::UpstreamBody;
pub(super) use cluster::Cluster;
pub(super) use failure::Failure;
pub(super) use forward::forward;
pub(super) use host::OneOpen;
pub(super) use raw::{RawStream, connect};

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
