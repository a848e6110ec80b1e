//! One upstream host and its connections.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::spawn_local;

use super::LocalExecutor;
use super::body::Upload;
use super::failure::Failure;
use crate::serve::connection::MAX_HEADERS;

type Http1 = http1::SendRequest<Upload>;
type Http2 = http2::SendRequest<Upload>;

/// How many connections are open, and how many may be.
pub(super) struct Open {
    now: Cell<usize>,
    limit: usize,
}

impl Open {
    pub(super) fn new(limit: usize) -> Self {
        Open {
            now: Cell::new(0),
            limit,
        }
    }

    fn one_more(self: &Rc<Self>) -> Option<OneOpen> {
        if self.now.get() >= self.limit {
            return None;
        }
        self.now.set(self.now.get() + 1);
        Some(OneOpen(self.clone()))
    }
}

/// Counts as an open connection.
pub(in crate::serve) struct OneOpen(Rc<Open>);

impl Drop for OneOpen {
    fn drop(&mut self) {
        self.0.now.set(self.0.now.get() - 1);
    }
}

/// A host.
pub(super) struct Host {
    address: SocketAddr,
    http2: bool,
    connect_timeout: Duration,
    open: Rc<Open>,
    /// HTTP/1.1 connections without a request, the last used last.
    idle: RefCell<Vec<Http1>>,
    /// The HTTP/2 connection that all requests share.
    shared: RefCell<Option<Http2>>,
    /// Held while the shared connection is made, so that it is made once.
    connecting: tokio::sync::Mutex<()>,
    failed: Cell<Option<(Instant, Failure)>>,
}

impl Host {
    pub(super) fn new(
        address: SocketAddr,
        http2: bool,
        connect_timeout: Duration,
        open: Rc<Open>,
    ) -> Rc<Self> {
        Rc::new(Host {
            address,
            http2,
            connect_timeout,
            open,
            idle: RefCell::default(),
            shared: RefCell::default(),
            connecting: tokio::sync::Mutex::default(),
            failed: Cell::new(None),
        })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether requests to it go in HTTP/2.
    pub(super) fn http2(&self) -> bool {
        self.http2
    }

    /// Sends a request and waits for the head of the response. The lease is to be kept until the response's
    /// body is over.
    pub(super) async fn send(
        self: &Rc<Self>,
        request: Request<Upload>,
    ) -> Result<(Response<Incoming>, Option<Lease>), Failure> {
        if self.http2 {
            let response = self.send_http2(request).await?;
            return Ok((response, None));
        }
        self.send_http1(request).await
    }

    async fn send_http1(
        self: &Rc<Self>,
        mut request: Request<Upload>,
    ) -> Result<(Response<Incoming>, Option<Lease>), Failure> {
        loop {
            let (mut sender, used) = match self.idle_connection() {
                Some(sender) => (sender, true),
                None => (self.connect_http1().await?, false),
            };
            match sender.try_send_request(request).await {
                Ok(response) => {
                    let host = self.clone();
                    return Ok((response, Some(Lease { host, sender })));
                }
                Err(error) => request = unsent(error, used)?,
            }
        }
    }

    async fn send_http2(&self, mut request: Request<Upload>) -> Result<Response<Incoming>, Failure> {
        loop {
            let (mut sender, used) = self.shared_connection().await?;
            match sender.try_send_request(request).await {
                Ok(response) => return Ok(response),
                Err(error) => request = unsent(error, used)?,
            }
        }
    }

    fn idle_connection(&self) -> Option<Http1> {
        let mut idle = self.idle.borrow_mut();
        while let Some(sender) = idle.pop() {
            if sender.is_ready() {
                return Some(sender);
            }
        }
        None
    }

    async fn shared_connection(&self) -> Result<(Http2, bool), Failure> {
        if let Some(sender) = self.open_shared() {
            return Ok((sender, true));
        }
        let asked = Instant::now();
        let _connecting = self.connecting.lock().await;
        if let Some(sender) = self.open_shared() {
            return Ok((sender, true));
        }
        // Whoever waited for an attempt that failed shares its result instead of making another one.
        if let Some((when, failure)) = self.failed.get()
            && when >= asked
        {
            return Err(failure);
        }
        match self.connect_http2().await {
            Ok(sender) => {
                *self.shared.borrow_mut() = Some(sender.clone());
                Ok((sender, false))
            }
            Err(failure) => {
                self.failed.set(Some((Instant::now(), failure)));
                Err(failure)
            }
        }
    }

    fn open_shared(&self) -> Option<Http2> {
        let shared = self.shared.borrow();
        shared.as_ref().filter(|sender| !sender.is_closed()).cloned()
    }

    async fn connect_http1(&self) -> Result<Http1, Failure> {
        let (io, open) = self.connect().await?;
        let mut builder = http1::Builder::new();
        builder.max_buf_size(MAX_HEADERS);
        let (sender, connection) = builder.handshake(io).await.map_err(|_| Failure::Connect)?;
        spawn_local(async move {
            let _open = open;
            let _ = connection.await;
        });
        Ok(sender)
    }

    async fn connect_http2(&self) -> Result<Http2, Failure> {
        let (io, open) = self.connect().await?;
        let mut builder = http2::Builder::new(LocalExecutor);
        builder.max_header_list_size(MAX_HEADERS as u32);
        let (sender, connection) = builder.handshake(io).await.map_err(|_| Failure::Connect)?;
        spawn_local(async move {
            let _open = open;
            let _ = connection.await;
        });
        Ok(sender)
    }

    pub(super) async fn connect(&self) -> Result<(TokioIo<TcpStream>, OneOpen), Failure> {
        let open = self.open.one_more().ok_or(Failure::Overflow)?;
        let connecting = TcpStream::connect(self.address);
        match tokio::time::timeout(self.connect_timeout, connecting).await {
            Ok(Ok(stream)) => {
                let _ = stream.set_nodelay(true);
                Ok((TokioIo::new(stream), open))
            }
            Ok(Err(error)) => {
                tracing::debug!("{}: {error}", self.address);
                Err(Failure::Connect)
            }
            Err(_) => Err(Failure::ConnectTimeout),
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

/// An HTTP/1.1 connection that is in use. Dropped, it closes; released, it can be used again.
pub(super) struct Lease {
    host: Rc<Host>,
    sender: Http1,
}

impl Lease {
    /// The response is over.
    pub(super) fn release(self) {
        let Lease { host, mut sender } = self;
        if sender.is_ready() {
            host.idle.borrow_mut().push(sender);
        } else if !sender.is_closed() {
            // The request may still be going out.
            spawn_local(async move {
                if sender.ready().await.is_ok() {
                    host.idle.borrow_mut().push(sender);
                }
            });
        }
    }
}
