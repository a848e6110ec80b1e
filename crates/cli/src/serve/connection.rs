//! One connection: its protocol, its life and its end.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use enginebay::config::model::Codec;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::gate::Gate;
use super::here::Here;
use super::io::ConnectionIo;
use super::stats::ListenerStats;
use super::upstream::LocalExecutor;
use super::worker::Clock;

/// Largest head of a message, as in Envoy (`max_request_headers_kb`).
pub(super) const MAX_HEADERS: usize = 60 << 10;
/// HTTP/2 streams of one connection, as in Envoy.
const MAX_STREAMS: u32 = 1024;
/// Seconds a client may take for the head of an HTTP/1.1 request.
const HEAD_TIMEOUT: u32 = 60;
/// Seconds without a byte in either direction, while a request is on its way, as in Envoy (`stream_idle_timeout`).
const STREAM_IDLE_TIMEOUT: u32 = 5 * 60;
/// Seconds without a request, as in Envoy (`idle_timeout`).
const IDLE_TIMEOUT: u32 = 60 * 60;

const NEVER: u32 = u32::MAX;

/// How a connection is to end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Closing {
    No,
    /// After the requests on their way.
    Soon,
    Now,
}

/// What is known of a connection. Times are seconds of the worker's [`Clock`], so that noting one costs nothing.
pub(super) struct Connection {
    pub(super) here: Rc<Here>,
    clock: Rc<Clock>,
    active: Cell<u32>,
    /// When a byte last moved.
    moved: Cell<u32>,
    /// When the last request was over.
    idle: Cell<u32>,
    /// When the first byte behind the last request came, in HTTP/1.1.
    head: Cell<u32>,
    http2: Cell<bool>,
    closing: Cell<Closing>,
    waker: RefCell<Option<Waker>>,
}

impl Connection {
    pub(super) fn new(here: Rc<Here>, clock: Rc<Clock>) -> Rc<Self> {
        let now = clock.seconds();
        here.stats().cx_total.raise();
        here.stats().cx_active.raise();
        Rc::new(Connection {
            here,
            clock,
            active: Cell::new(0),
            moved: Cell::new(now),
            idle: Cell::new(now),
            head: Cell::new(NEVER),
            http2: Cell::new(false),
            closing: Cell::new(Closing::No),
            waker: RefCell::new(None),
        })
    }

    #[inline]
    pub(super) fn note_read(&self) {
        let now = self.clock.seconds();
        self.moved.set(now);
        if self.active.get() == 0 && self.head.get() == NEVER {
            self.head.set(now);
        }
    }

    #[inline]
    pub(super) fn note_write(&self) {
        self.moved.set(self.clock.seconds());
    }

    /// A request begins; it is over when what comes back is dropped.
    #[inline]
    pub(super) fn begin(self: &Rc<Self>) -> Active {
        self.active.set(self.active.get() + 1);
        self.head.set(NEVER);
        let stats = self.here.stats();
        stats.rq_total.raise();
        stats.rq_active.raise();
        Active(self.clone())
    }

    /// Closes the connection if it has been idle or has stood still for too long.
    pub(super) fn check_time(&self) {
        let now = self.clock.seconds();
        let longer = |since: u32, limit: u32| now.saturating_sub(since) > limit;
        if let Some(tcp) = self.here.serving().tcp() {
            if tcp.is_idle(now.saturating_sub(self.moved.get())) {
                self.close(Closing::Now);
            }
            return;
        }
        if self.active.get() > 0 {
            if longer(self.moved.get(), STREAM_IDLE_TIMEOUT) {
                self.close(Closing::Now);
            }
        } else if !self.http2.get() && self.head.get() != NEVER && longer(self.head.get(), HEAD_TIMEOUT) {
            self.close(Closing::Now);
        } else if longer(self.idle.get(), IDLE_TIMEOUT) {
            self.close(Closing::Soon);
        }
    }

    /// Ends the connection after the requests that are on their way.
    pub(super) fn drain(&self) {
        if self.closing.get() == Closing::No {
            self.close(Closing::Soon);
        }
    }

    /// What `serving` gives, unless the connection is cut before.
    pub(super) async fn unless_cut<F: Future>(&self, serving: F) -> Option<F::Output> {
        let mut serving = pin!(serving);
        poll_fn(|context| match self.closing(context) {
            Closing::Now => Poll::Ready(None),
            _ => serving.as_mut().poll(context).map(Some),
        })
        .await
    }

    fn close(&self, closing: Closing) {
        self.closing.set(closing);
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }

    fn closing(&self, context: &Context<'_>) -> Closing {
        let mut waker = self.waker.borrow_mut();
        if !waker
            .as_ref()
            .is_some_and(|waker| waker.will_wake(context.waker()))
        {
            *waker = Some(context.waker().clone());
        }
        self.closing.get()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.here.stats().cx_active.lower();
        self.here.leave();
    }
}

/// A request on its way.
pub(super) struct Active(Rc<Connection>);

impl Active {
    #[inline]
    pub(super) fn stats(&self) -> &ListenerStats {
        self.0.here.stats()
    }

    pub(super) fn here(&self) -> &Here {
        &self.0.here
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        let connection = &self.0;
        connection.active.set(connection.active.get() - 1);
        connection.idle.set(connection.clock.seconds());
        connection.here.stats().rq_active.lower();
    }
}

/// Serves a connection to its end.
pub(super) async fn serve(stream: TcpStream, peer: SocketAddr, id: u64, connection: Rc<Connection>) {
    // Small answers must not wait for the acknowledgement of earlier ones.
    let _ = stream.set_nodelay(true);
    let gate = Gate::new(connection.clone(), peer, stream.local_addr().ok(), id);
    let mut io = ConnectionIo::new(stream, connection.clone());
    let http2 = match connection.here.serving().codec() {
        Codec::Http1 => false,
        Codec::Http2 => true,
        Codec::Auto => {
            let told = tell_protocol(&connection, io.speaks_http2());
            let Some(Ok(http2)) = told.await else { return };
            http2
        }
    };
    connection.http2.set(http2);
    let io = TokioIo::new(io);
    let result = if http2 {
        let mut builder = http2::Builder::new(LocalExecutor);
        builder
            .max_concurrent_streams(MAX_STREAMS)
            .max_header_list_size(MAX_HEADERS as u32);
        let served = builder.serve_connection(io, gate);
        drive(&connection, served, |served| served.graceful_shutdown()).await
    } else {
        let mut builder = http1::Builder::new();
        builder.max_buf_size(MAX_HEADERS);
        let served = builder.serve_connection(io, gate);
        drive(&connection, served, |served| served.graceful_shutdown()).await
    };
    if let Some(Err(error)) = result {
        tracing::debug!("connection {id} from {peer}: {error}");
    }
}

/// The protocol, unless the connection is to end first.
async fn tell_protocol<F: Future>(connection: &Connection, reading: F) -> Option<F::Output> {
    let mut reading = pin!(reading);
    poll_fn(|context| {
        if let Poll::Ready(result) = reading.as_mut().poll(context) {
            return Poll::Ready(Some(result));
        }
        match connection.closing(context) {
            Closing::No => Poll::Pending,
            _ => Poll::Ready(None),
        }
    })
    .await
}

async fn drive<C: Future>(
    connection: &Connection,
    served: C,
    graceful_shutdown: impl Fn(Pin<&mut C>),
) -> Option<C::Output> {
    let mut served = pin!(served);
    let mut told = false;
    poll_fn(|context| {
        let closing = connection.closing(context);
        if closing == Closing::Now {
            return Poll::Ready(None);
        }
        let result = served.as_mut().poll(context);
        if result.is_pending() && closing == Closing::Soon && !told {
            // Told only now, so that a request that had come already is served.
            told = true;
            graceful_shutdown(served.as_mut());
            return served.as_mut().poll(context).map(Some);
        }
        result.map(Some)
    })
    .await
}
