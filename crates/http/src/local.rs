//! The chain in front of a service on one thread.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use crate::context::StreamCx;
use crate::drive::{drive, pass};
use crate::{BoxError, ConnectionInfo, LocalBody, LocalChain};

/// Puts a chain in front of services on one thread.
#[derive(Clone)]
pub struct LocalLayer(LocalChain);

impl LocalLayer {
    pub(crate) fn new(chain: LocalChain) -> Self {
        LocalLayer(chain)
    }
}

impl<S> Layer<S> for LocalLayer {
    type Service = LocalService<S>;

    fn layer(&self, inner: S) -> LocalService<S> {
        LocalService::new(self.0.clone(), inner)
    }
}

/// A service with a chain in front of it, on one thread: its futures and bodies are not `Send`.
///
/// What the chain does itself is never an error of the service: see the crate's documentation. Errors of the
/// inner service come out as they are, without passing the plugins.
#[derive(Clone)]
pub struct LocalService<S> {
    chain: LocalChain,
    inner: S,
}

impl<S> LocalService<S> {
    pub(crate) fn new(chain: LocalChain, inner: S) -> Self {
        LocalService { chain, inner }
    }
}

/// A response on its way through the chain.
type Driven<R, E> = Pin<Box<dyn Future<Output = Result<Response<LocalBody<R>>, E>>>>;

impl<S> LocalService<S> {
    /// [`Service::call`] for a request that came by this connection: it need not be among the request's extensions.
    pub fn call_from<B, R>(
        &mut self,
        connection: Option<Rc<ConnectionInfo>>,
        request: Request<B>,
    ) -> Driven<R, S::Error>
    where
        B: http_body::Body<Data = Bytes> + Unpin + 'static,
        B::Error: Into<BoxError>,
        S: Service<Request<LocalBody<B>>, Response = Response<R>> + Clone + 'static,
        R: http_body::Body<Data = Bytes> + Unpin + 'static,
        R::Error: Into<BoxError>,
    {
        // The one that is ready goes with the request.
        let next = self.inner.clone();
        let ready = std::mem::replace(&mut self.inner, next);
        if self.chain.0.is_empty() {
            return Box::pin(pass(ready, request));
        }
        let (parts, body) = request.into_parts();
        let cx = StreamCx::new(&self.chain, parts, connection);
        // Made where it stays: it is large.
        let place = Box::new_uninit();
        let driven = Box::write(place, drive(cx, ready, body));
        Box::into_pin(driven)
    }
}

impl<B, S, R> Service<Request<B>> for LocalService<S>
where
    B: http_body::Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BoxError>,
    S: Service<Request<LocalBody<B>>, Response = Response<R>> + Clone + 'static,
    R: http_body::Body<Data = Bytes> + Unpin + 'static,
    R::Error: Into<BoxError>,
{
    type Response = Response<LocalBody<R>>;
    type Error = S::Error;
    type Future = Driven<R, S::Error>;

    fn poll_ready(&mut self, task: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(task)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        self.call_from(None, request)
    }
}
