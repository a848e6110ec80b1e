//! Plugins on TCP connections: any two byte streams, on one thread.

mod calls;
mod drive;
mod filters;
mod pipe;
mod properties;
mod state;

use std::future::Future;
use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncWrite};

pub(crate) use state::TcpHandle;

use crate::{ConnectionInfo, LocalChain};

/// A connection to a server, made for a client of [`LocalChain::tcp`].
#[derive(Debug)]
#[non_exhaustive]
pub struct TcpUpstream<U> {
    /// The connection itself.
    pub io: U,
    /// The server's address: the properties `upstream.address` and `upstream.port`.
    pub address: Option<SocketAddr>,
    /// This side's address: the property `upstream.local_address`.
    pub local: Option<SocketAddr>,
}

impl<U> TcpUpstream<U> {
    /// A connection whose addresses plugins don't learn.
    pub fn new(io: U) -> Self {
        TcpUpstream {
            io,
            address: None,
            local: None,
        }
    }
}

/// How a TCP connection ended. `E` is the error of whoever connects to servers.
#[derive(Debug)]
#[non_exhaustive]
pub enum TcpEnd<E> {
    /// Both sides sent all they had.
    Finished,
    /// A plugin closed it (`proxy_close_stream`).
    ClosedByPlugin,
    /// A plugin failed, and its policy does not let connections go on.
    PluginFailed,
    /// There was no connection to a server.
    NoUpstream(E),
    /// The client broke the connection off.
    Downstream(io::Error),
    /// The server broke the connection off.
    Upstream(io::Error),
}

impl LocalChain {
    /// Runs a client's connection through the plugins to a server, to its end.
    ///
    /// Every plugin gets `proxy_on_new_connection`; `connect` is called once all of them let the connection go on, and
    /// nothing is read from the client before its future is ready. What the client sends passes the plugins in order,
    /// what the server sends in reverse order. Either side may end before the other. The last callbacks are
    /// `proxy_on_downstream_connection_close`, `proxy_on_done`, `proxy_on_log` and `proxy_on_delete`, and then
    /// `proxy_on_log` of the access loggers; they come too when the future is dropped, which is how to cut a connection.
    ///
    /// A plugin that pauses keeps its bytes and sees them again with those that follow, up to
    /// [`ChainOptions::body_buffer`](crate::ChainOptions::body_buffer) bytes; then reading stops until it lets go.
    pub async fn tcp<D, U, E, F>(
        &self,
        info: ConnectionInfo,
        downstream: D,
        connect: impl FnOnce() -> F,
    ) -> TcpEnd<E>
    where
        D: AsyncRead + AsyncWrite + Unpin,
        U: AsyncRead + AsyncWrite + Unpin,
        F: Future<Output = Result<TcpUpstream<U>, E>>,
    {
        drive::drive(self, info, downstream, connect).await
    }
}
