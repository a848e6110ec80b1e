//! TCP listeners: what Envoy's `tcp_proxy` does behind the plugins.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use enginebay::config::model::TcpListener;
use enginebay_http::{LocalChain, TcpEnd, TcpUpstream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::connection::Connection;
use super::here::Here;
use super::upstream::{Cluster, Failure, OneOpen, UpstreamStream, connect};

/// What a worker needs for a TCP listener.
pub(super) struct Proxy {
    chain: LocalChain,
    cluster: Rc<Cluster>,
    max_connect_attempts: u32,
    /// Whole seconds, at least the ones configured.
    idle_timeout: Option<u32>,
}

impl Proxy {
    pub(super) fn new(listener: &TcpListener, chain: &LocalChain, cluster: Rc<Cluster>) -> Self {
        let seconds = |timeout: std::time::Duration| {
            let whole = timeout.as_secs() + u64::from(timeout.subsec_nanos() > 0);
            u32::try_from(whole).unwrap_or(u32::MAX)
        };
        Proxy {
            chain: chain.clone(),
            cluster,
            max_connect_attempts: listener.max_connect_attempts,
            idle_timeout: listener.idle_timeout.map(seconds),
        }
    }

    /// Whether a connection that has had no byte for so many seconds is to be closed.
    pub(super) fn is_idle(&self, seconds: u32) -> bool {
        self.idle_timeout.is_some_and(|timeout| seconds > timeout)
    }

    async fn connect(
        &self,
        connection: &Rc<Connection>,
    ) -> Result<TcpUpstream<Moving<UpstreamStream>>, Failure> {
        let stats = &connection.here.stats().tcp;
        let mut attempt = 0;
        loop {
            attempt += 1;
            let failure = match connect(&self.cluster).await {
                Ok(raw) => {
                    let io = Moving {
                        io: raw.stream,
                        connection: connection.clone(),
                        counted: false,
                        _open: Some(raw.open),
                    };
                    let mut upstream = TcpUpstream::new(io);
                    upstream.address = Some(raw.address);
                    upstream.local = raw.local;
                    return Ok(upstream);
                }
                Err(failure) => failure,
            };
            match failure {
                Failure::NoHost => stats.none_healthy.raise(),
                Failure::Overflow => stats.overflow.raise(),
                Failure::ConnectTimeout => stats.connect_timeout.raise(),
                _ => {}
            }
            let tried = !matches!(failure, Failure::NoHost | Failure::Overflow);
            if tried {
                stats.connect_fail.raise();
            }
            if !tried || attempt >= self.max_connect_attempts {
                return Err(failure);
            }
        }
    }
}

/// Serves a connection to its end.
pub(super) async fn serve(stream: TcpStream, peer: SocketAddr, id: u64, connection: Rc<Connection>) {
    let here = connection.here.clone();
    // The connection stays with this, whatever is configured later.
    let serving = here.serving();
    let Some(proxy) = serving.tcp() else { return };
    // What a plugin lets through must not wait for the acknowledgement of what went before.
    let _ = stream.set_nodelay(true);
    let mut info = Here::connection_info(peer, stream.local_addr().ok(), id);
    info.attributes = Some(serving.attributes());
    let downstream = Moving {
        io: stream,
        connection: connection.clone(),
        counted: true,
        _open: None,
    };
    let serving = proxy.chain.tcp(info, downstream, || proxy.connect(&connection));
    match connection.unless_cut(serving).await {
        None => {
            here.stats().tcp.idle_timeout.raise();
            tracing::debug!("connection {id} from {peer}: idle for too long");
        }
        Some(TcpEnd::Finished) => {}
        Some(end) => tracing::debug!("connection {id} from {peer}: {end:?}"),
    }
}

/// A byte stream that tells its connection when bytes move.
struct Moving<S> {
    io: S,
    connection: Rc<Connection>,
    /// It is the client's, whose bytes are counted.
    counted: bool,
    _open: Option<OneOpen>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Moving<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(context, buffer))?;
        let read = buffer.filled().len() - before;
        if read > 0 {
            self.connection.note_read();
        }
        if self.counted {
            self.connection.here.stats().tcp.rx_bytes.add(read);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Moving<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.io).poll_write(context, bytes))?;
        self.connection.note_write();
        if self.counted {
            self.connection.here.stats().tcp.tx_bytes.add(written);
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
