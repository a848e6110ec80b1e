//! The chain in front of a service on many threads: each stream's plugins run on a worker, its service where the
//! request came from.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::sync::{mpsc, oneshot};
use tower_layer::Layer;
use tower_service::Service;

use crate::context::{EndGuard, StreamCx};
use crate::drive::{drive, pass};
use crate::filtered::Cut;
use crate::message::is_grpc;
use crate::reply::Reply;
use crate::source::Source;
use crate::{Body, BoxError, LocalBody, LocalChain, Workers};

/// Puts the chain of [`Workers`] in front of services.
#[derive(Clone, Debug)]
pub struct WasmLayer(Workers);

impl WasmLayer {
    pub(crate) fn new(workers: Workers) -> Self {
        WasmLayer(workers)
    }
}

impl<S> Layer<S> for WasmLayer {
    type Service = WasmService<S>;

    fn layer(&self, inner: S) -> WasmService<S> {
        WasmService::new(self.0.clone(), inner)
    }
}

/// A service with the chain of [`Workers`] in front of it.
///
/// What the chain does itself is never an error of the service: see the crate's documentation. Errors of the
/// inner service come out as they are, without passing the plugins. Dropping the future or the response's body
/// ends the stream.
#[derive(Clone, Debug)]
pub struct WasmService<S> {
    workers: Workers,
    inner: S,
}

impl<S> WasmService<S> {
    pub(crate) fn new(workers: Workers, inner: S) -> Self {
        WasmService { workers, inner }
    }
}

impl<B, S, R> Service<Request<B>> for WasmService<S>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
    S: Service<Request<Body>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    R: http_body::Body<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, task: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(task)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The one that is ready goes with the request.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        let head = request.method() == http::Method::HEAD;
        let grpc = request
            .headers()
            .get(http::header::CONTENT_TYPE)
            .is_some_and(|value| is_grpc(value.as_bytes()));
        let (answer_to, answer) = oneshot::channel();
        let (call_to, call) = oneshot::channel();
        let request = request.map(boxed);
        // Sent now and not in the future: a stream begins when the request comes.
        let submitted = self.workers.submit(Box::new(move |chain| {
            start(chain.clone(), request, call_to, answer_to)
        }));
        let handle = self.workers.clone();
        Box::pin(async move {
            let gone = || {
                let (parts, body) = Reply::Failed.build(grpc, head);
                Ok(Response::from_parts(parts, body.into()))
            };
            if !submitted {
                return gone();
            }
            let mut answer = std::pin::pin!(answer);
            let call = tokio::select! {
                biased;
                answer = &mut answer => return answer.or_else(|_| gone()),
                call = call => call,
            };
            if let Ok(Call { request, response }) = call {
                let result = tokio::select! {
                    biased;
                    // The plugins may answer while the service is at work.
                    answer = &mut answer => return answer.or_else(|_| gone()),
                    result = inner.call(request) => result?,
                };
                // If nobody waits for it, the answer is on its way.
                let _ = response.send(result.map(boxed));
            }
            let answer = answer.await;
            drop(handle);
            answer.or_else(|_| gone())
        })
    }
}

fn boxed<B>(body: B) -> Body
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    match body.is_end_stream() {
        true => Body::empty(),
        false => Body::new(body),
    }
}

/// A request for the service, and where its response goes.
struct Call {
    request: Request<Body>,
    response: oneshot::Sender<Response<Body>>,
}

/// On the worker: starts a stream.
fn start(
    chain: LocalChain,
    request: Request<Body>,
    call_to: oneshot::Sender<Call>,
    mut answer_to: oneshot::Sender<Response<Body>>,
) {
    tokio::task::spawn_local(async move {
        let bridge = Bridge(Some(call_to));
        let driven = async {
            if chain.0.is_empty() {
                return pass(bridge, request).await;
            }
            let (parts, body) = request.into_parts();
            drive(StreamCx::new(&chain, parts, None), bridge, body).await
        };
        let response = tokio::select! {
            biased;
            response = driven => response,
            // Whoever asked is gone.
            () = answer_to.closed() => return,
        };
        // An error means that the service failed and its error is returned already.
        if let Ok(response) = response {
            let (parts, body) = response.into_parts();
            let (body, rest) = carry(body);
            // Before the stream goes on here, so that what ends with it comes after the answer.
            let _ = answer_to.send(Response::from_parts(parts, body));
            rest.run().await;
        }
    });
}

/// The service, as a worker sees it.
struct Bridge(Option<oneshot::Sender<Call>>);

impl Service<Request<LocalBody<Body>>> for Bridge {
    type Response = Response<Body>;
    type Error = Cut;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Cut>>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Cut>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<LocalBody<Body>>) -> Self::Future {
        let call_to = self.0.take();
        let (parts, body) = request.into_parts();
        let (body, rest) = carry(body);
        if let Rest::Pump(..) | Rest::Wait(..) = rest {
            tokio::task::spawn_local(rest.run());
        }
        let (response, result) = oneshot::channel();
        let request = Request::from_parts(parts, body);
        let sent = call_to.is_some_and(|to| to.send(Call { request, response }).is_ok());
        Box::pin(async move {
            match sent {
                true => result.await.map_err(|_| Cut::Gone),
                false => Err(Cut::Gone),
            }
        })
    }
}

/// Makes a body that can leave the worker, and what has to be done on the worker for it.
fn carry(body: LocalBody<Body>) -> (Body, Rest) {
    if body.is_end_stream() {
        return (Body::empty(), Rest::End(body.into_guard()));
    }
    match body.into_untouched() {
        Ok((source, guard)) => {
            let inner = match source {
                Source::Body(body) => body,
                Source::Bytes(bytes) => bytes.into(),
                Source::End => Body::empty(),
            };
            match guard {
                None => (inner, Rest::End(None)),
                Some(guard) => {
                    let (end, ended) = oneshot::channel();
                    let body = Watched { inner, _end: end };
                    (Body::new(body), Rest::Wait(ended, guard))
                }
            }
        }
        Err(body) => {
            let (to, frames) = mpsc::channel(Carried::WINDOW);
            let carried = Carried {
                frames,
                size: body.size_hint(),
                ended: false,
            };
            (Body::new(carried), Rest::Pump(Box::new(body), to))
        }
    }
}

/// What is left to do on the worker for a body that left it.
enum Rest {
    /// Ends the stream, if the body was a response's.
    End(Option<EndGuard>),
    /// Ends the stream when the body is gone.
    Wait(oneshot::Receiver<Infallible>, EndGuard),
    /// Runs the body through the plugins.
    Pump(Box<LocalBody<Body>>, mpsc::Sender<Item>),
}

impl Rest {
    async fn run(self) {
        match self {
            Rest::End(guard) => drop(guard),
            Rest::Wait(ended, guard) => {
                let _ = ended.await;
                drop(guard);
            }
            Rest::Pump(body, to) => pump(*body, to).await,
        }
    }
}

/// A part of a body that is carried between threads.
enum Item {
    /// A frame, and whether it is the last.
    Frame(Frame<Bytes>, bool),
    Error(BoxError),
    End,
}

async fn pump(mut body: LocalBody<Body>, to: mpsc::Sender<Item>) {
    loop {
        let frame = tokio::select! {
            biased;
            // Nobody wants the rest, also while a plugin holds it.
            () = to.closed() => return,
            frame = body.frame() => frame,
        };
        let (item, last) = match frame {
            Some(Ok(frame)) => {
                let last = body.is_end_stream();
                (Item::Frame(frame, last), last)
            }
            Some(Err(error)) => (Item::Error(error), true),
            None => (Item::End, true),
        };
        if to.send(item).await.is_err() || last {
            return;
        }
    }
}

/// A body whose frames come from a worker.
struct Carried {
    frames: mpsc::Receiver<Item>,
    size: SizeHint,
    ended: bool,
}

impl Carried {
    /// Frames on their way: few, so that a slow reader slows the sender.
    const WINDOW: usize = 2;
}

impl http_body::Body for Carried {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        match ready!(self.frames.poll_recv(task)) {
            Some(Item::Frame(frame, last)) => {
                self.ended = last;
                let len = frame.data_ref().map_or(0, Bytes::len) as u64;
                self.size = match self.size.exact() {
                    Some(size) => SizeHint::with_exact(size.saturating_sub(len)),
                    None => SizeHint::default(),
                };
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Item::End) => {
                self.ended = true;
                Poll::Ready(None)
            }
            Some(Item::Error(error)) => {
                self.ended = true;
                Poll::Ready(Some(Err(error)))
            }
            // A worker that is gone has said no end.
            None => {
                self.ended = true;
                Poll::Ready(Some(Err(Cut::Gone.into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }

    fn size_hint(&self) -> SizeHint {
        self.size
    }
}

/// A body whose end the worker learns of.
struct Watched {
    inner: Body,
    _end: oneshot::Sender<Infallible>,
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Pin::new(&mut self.inner).poll_frame(task)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
