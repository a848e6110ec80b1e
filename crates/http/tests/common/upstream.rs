//! The service behind the chain.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use enginebay_http::{Body, BoxError, LocalBody};
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt;
use tower::Service;

type Respond = dyn Fn() -> Response<Body> + Send + Sync;

/// A request as the upstream saw it.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub uri: String,
    pub method: String,
    pub headers: HeaderMap,
    pub frames: Vec<Bytes>,
    pub trailers: Option<HeaderMap>,
    pub error: Option<String>,
}

impl Seen {
    pub fn text(&self) -> String {
        String::from_utf8(self.frames.concat()).unwrap()
    }
}

/// Notes each request and answers it, by default with the request's body.
#[derive(Clone, Default)]
pub struct Upstream {
    /// Number of requests whose head came.
    pub called: Arc<Mutex<usize>>,
    /// Requests that were read to their end.
    pub seen: Arc<Mutex<Vec<Seen>>>,
    respond: Option<Arc<Respond>>,
    /// Answers before the request's body was read.
    pub early: bool,
    /// Never answers.
    pub stuck: bool,
}

impl Upstream {
    pub fn respond(&mut self, with: impl Fn() -> Response<Body> + Send + Sync + 'static) {
        self.respond = Some(Arc::new(with));
    }

    pub fn called(&self) -> usize {
        *self.called.lock().unwrap()
    }

    pub fn last(&self) -> Seen {
        self.seen
            .lock()
            .unwrap()
            .last()
            .cloned()
            .expect("the upstream was not called")
    }

    async fn answer<B>(self, request: Request<B>) -> Result<Response<Body>, Infallible>
    where
        B: http_body::Body<Data = Bytes, Error = BoxError> + Unpin,
    {
        *self.called.lock().unwrap() += 1;
        let (parts, mut body) = request.into_parts();
        let mut seen = Seen {
            uri: parts.uri.to_string(),
            method: parts.method.to_string(),
            headers: parts.headers,
            ..Seen::default()
        };
        if self.stuck {
            std::future::pending::<()>().await;
        }
        if !self.early {
            while let Some(frame) = body.frame().await {
                match frame.map(|frame| frame.into_data()) {
                    Ok(Ok(data)) => seen.frames.push(data),
                    Ok(Err(frame)) => seen.trailers = frame.into_trailers().ok(),
                    Err(error) => seen.error = Some(error.to_string()),
                }
            }
        }
        let echo = Bytes::from(seen.frames.concat());
        self.seen.lock().unwrap().push(seen);
        Ok(match &self.respond {
            Some(respond) => respond(),
            None => Response::new(echo.into()),
        })
    }
}

impl Service<Request<Body>> for Upstream {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.clone().answer(request))
    }
}

impl Service<Request<LocalBody<Body>>> for Upstream {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<LocalBody<Body>>) -> Self::Future {
        Box::pin(self.clone().answer(request))
    }
}
