//! One upstream host and its connections.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::task::spawn_local;

use super::LocalExecutor;
use super::body::Upload;
use super::failure::Failure;
use super::open::Open;
use super::pool::{Idle, OpenStream, Streams};
use super::resolve::Found;
use super::stream::{Link, UpstreamConnection, UpstreamStream};
use super::tls::{Protocol, Tls};
use crate::serve::attributes::Exchange;
use crate::serve::connection::MAX_HEADERS;
use crate::serve::worker::Clock;

/// An HTTP/1.1 connection.
pub(super) struct Http1 {
    sender: http1::SendRequest<Upload>,
    link: Rc<Link>,
}

type Http2 = http2::SendRequest<Upload>;

/// What the hosts of a cluster have in common.
pub(super) struct HostConfig {
    pub(super) http2: bool,
    pub(super) connect_timeout: Duration,
    /// How long a connection may be without a request.
    pub(super) idle_timeout: Option<Duration>,
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) open: Rc<Open>,
    pub(super) clock: Rc<Clock>,
}

/// A host.
pub(super) struct Host {
    address: SocketAddr,
    endpoint: usize,
    name: Option<Rc<str>>,
    config: Rc<HostConfig>,
    /// The name for TLS, where there is TLS.
    tls_name: Option<ServerName<'static>>,
    /// HTTP/1.1 connections without a request.
    idle: Idle<Http1>,
    /// The HTTP/2 connection that all requests share.
    shared: RefCell<Option<Shared>>,
    /// Held while the shared connection is made, so that it is made once.
    connecting: tokio::sync::Mutex<()>,
    failed: Cell<Option<(Instant, Failure)>>,
    /// Its last handshake failed and that has been said.
    warned: Cell<bool>,
}

#[derive(Clone)]
struct Shared {
    sender: Http2,
    streams: Rc<Streams>,
    link: Rc<Link>,
}

impl Host {
    pub(super) fn new(found: &Found, config: Rc<HostConfig>) -> Rc<Self> {
        let Found {
            address,
            endpoint,
            name,
        } = found;
        let tls_name = config.tls.as_ref().map(|tls| tls.name(*address, name.as_deref()));
        Rc::new(Host {
            address: *address,
            endpoint: *endpoint,
            name: name.clone(),
            config,
            tls_name,
            idle: Idle::default(),
            shared: RefCell::default(),
            connecting: tokio::sync::Mutex::default(),
            failed: Cell::new(None),
            warned: Cell::new(false),
        })
    }

    /// Whether this is what was found, so that its connections can stay.
    pub(super) fn is(&self, found: &Found) -> bool {
        self.address == found.address && self.endpoint == found.endpoint && self.name == found.name
    }

    /// Which endpoint of the configuration it is of.
    pub(super) fn endpoint(&self) -> usize {
        self.endpoint
    }

    /// Its address.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether requests to it go in HTTP/2.
    pub(super) fn http2(&self) -> bool {
        self.config.http2
    }

    /// Closes connections that have been idle for too long, and forgets those that their host closed.
    pub(super) fn close_idle(&self) {
        let now = self.config.clock.seconds();
        let before = self
            .config
            .idle_timeout
            .and_then(|timeout| now.checked_sub(u32::try_from(timeout.as_secs()).ok()?));
        let closed = self.idle.take_older(before, |http1| http1.sender.is_closed());
        let shared = self.shared.borrow_mut().take_if(|shared| {
            shared.sender.is_closed() || before.is_some_and(|before| shared.streams.idle_since(before))
        });
        // Without a borrow: what they drop may ask for the host.
        drop((closed, shared));
    }

    /// Sends a request and waits for the head of the response. The lease is to be kept until the response's
    /// body is over.
    pub(super) async fn send(
        self: &Rc<Self>,
        request: Request<Upload>,
        exchange: Option<&Exchange>,
    ) -> Result<(Response<Incoming>, Lease), Failure> {
        if self.config.http2 {
            self.send_http2(request, exchange).await
        } else {
            self.send_http1(request, exchange).await
        }
    }

    async fn send_http1(
        self: &Rc<Self>,
        mut request: Request<Upload>,
        exchange: Option<&Exchange>,
    ) -> Result<(Response<Incoming>, Lease), Failure> {
        loop {
            let (mut http1, used) = match self.idle.take(|http1| http1.sender.is_ready()) {
                Some(http1) => (http1, true),
                None => (self.connect_http1().await?, false),
            };
            if let Some(exchange) = exchange {
                exchange.connected(&http1.link);
            }
            match http1.sender.try_send_request(request).await {
                Ok(response) => {
                    let host = self.clone();
                    return Ok((response, Lease::Http1 { host, http1 }));
                }
                Err(error) => request = unsent(error, used)?,
            }
        }
    }

    async fn send_http2(
        &self,
        mut request: Request<Upload>,
        exchange: Option<&Exchange>,
    ) -> Result<(Response<Incoming>, Lease), Failure> {
        loop {
            let (mut shared, used) = self.shared_connection().await?;
            if let Some(exchange) = exchange {
                exchange.connected(&shared.link);
            }
            let stream = shared.streams.begin(&self.config.clock);
            match shared.sender.try_send_request(request).await {
                Ok(response) => return Ok((response, Lease::Http2 { _stream: stream })),
                Err(error) => request = unsent(error, used)?,
            }
        }
    }

    async fn shared_connection(&self) -> Result<(Shared, bool), Failure> {
        if let Some(shared) = self.open_shared() {
            return Ok((shared, true));
        }
        let asked = Instant::now();
        let _connecting = self.connecting.lock().await;
        if let Some(shared) = self.open_shared() {
            return Ok((shared, true));
        }
        // Whoever waited for an attempt that failed shares its result instead of making another one.
        if let Some((when, failure)) = self.failed.get()
            && when >= asked
        {
            return Err(failure);
        }
        match self.connect_http2().await {
            Ok((sender, link)) => {
                let streams = Streams::new(&self.config.clock);
                let shared = Shared {
                    sender,
                    streams,
                    link,
                };
                *self.shared.borrow_mut() = Some(shared.clone());
                Ok((shared, false))
            }
            Err(failure) => {
                self.failed.set(Some((Instant::now(), failure)));
                Err(failure)
            }
        }
    }

    fn open_shared(&self) -> Option<Shared> {
        let shared = self.shared.borrow();
        shared
            .as_ref()
            .filter(|shared| !shared.sender.is_closed())
            .cloned()
    }

    async fn connect_http1(&self) -> Result<Http1, Failure> {
        let UpstreamConnection { stream, open } = self.connect(Protocol::Http).await?;
        let link = Rc::new(stream.link());
        let io = TokioIo::new(stream);
        let mut builder = http1::Builder::new();
        builder.max_buf_size(MAX_HEADERS);
        let (sender, connection) = builder.handshake(io).await.map_err(|_| Failure::Connect)?;
        spawn_local(async move {
            let _open = open;
            let _ = connection.await;
        });
        Ok(Http1 { sender, link })
    }

    async fn connect_http2(&self) -> Result<(Http2, Rc<Link>), Failure> {
        let UpstreamConnection { stream, open } = self.connect(Protocol::Http).await?;
        let link = Rc::new(stream.link());
        let io = TokioIo::new(stream);
        let mut builder = http2::Builder::new(LocalExecutor);
        builder.max_header_list_size(MAX_HEADERS as u32);
        let (sender, connection) = builder.handshake(io).await.map_err(|_| Failure::Connect)?;
        spawn_local(async move {
            let _open = open;
            let _ = connection.await;
        });
        Ok((sender, link))
    }

    /// Keeps a connection for the next request.
    fn keep(&self, http1: Http1) {
        self.idle.put(http1, self.config.clock.seconds());
    }

    /// A new connection.
    pub(super) async fn connect(&self, protocol: Protocol) -> Result<UpstreamConnection, Failure> {
        let open = self.config.open.one_more().ok_or(Failure::Overflow)?;
        let connecting = self.stream(protocol);
        match tokio::time::timeout(self.config.connect_timeout, connecting).await {
            Ok(stream) => Ok(UpstreamConnection {
                stream: stream?,
                open,
            }),
            Err(_) => Err(Failure::ConnectTimeout),
        }
    }

    async fn stream(&self, protocol: Protocol) -> Result<UpstreamStream, Failure> {
        let stream = TcpStream::connect(self.address).await.map_err(|error| {
            tracing::debug!("{}: {error}", self.address);
            Failure::Connect
        })?;
        let _ = stream.set_nodelay(true);
        let (Some(tls), Some(name)) = (&self.config.tls, &self.tls_name) else {
            return Ok(UpstreamStream::Plain(stream));
        };
        match tls.connect(stream, name.clone(), protocol).await {
            Ok(stream) => {
                self.warned.set(false);
                Ok(UpstreamStream::Tls(Box::new(stream)))
            }
            Err(error) => {
                // Once, not with every request: it is the configuration that is wrong, or the host.
                if self.warned.replace(true) {
                    tracing::debug!("{}: TLS: {error}", self.address);
                } else {
                    tracing::warn!("{}: TLS: {error}", self.address);
                }
                Err(Failure::Connect)
            }
        }
    }
}

/// The request back, if nothing of it was sent on a connection that the upstream may have closed meanwhile.
fn unsent(mut error: TrySendError<Request<Upload>>, used: bool) -> Result<Request<Upload>, Failure> {
    match error.take_message() {
        Some(request) if used => Ok(request),
        _ if error.error().is_parse() => Err(Failure::Protocol),
        _ => Err(Failure::Terminated),
    }
}

/// What a request holds until its response is over.
pub(super) enum Lease {
    /// An HTTP/1.1 connection that is in use. Dropped, it closes; released, it can be used again.
    Http1 { host: Rc<Host>, http1: Http1 },
    /// A stream of a connection.
    Http2 { _stream: OpenStream },
}

impl Lease {
    /// The response is over.
    pub(super) fn release(self) {
        let Lease::Http1 { host, mut http1 } = self else {
            return;
        };
        if http1.sender.is_ready() {
            host.keep(http1);
        } else if !http1.sender.is_closed() {
            // The request may still be going out.
            spawn_local(async move {
                if http1.sender.ready().await.is_ok() {
                    host.keep(http1);
                }
            });
        }
    }
}
