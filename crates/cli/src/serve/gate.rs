//! Where requests enter and responses leave: what Envoy's connection manager does around the filters.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use enginebay_http::{ConnectionInfo, LocalService};
use http::header::{CONNECTION, HOST, HeaderName, HeaderValue, SERVER};
use http::uri::PathAndQuery;
use http::{Method, Request, Response, StatusCode, Uri, Version, response};
use hyper::body::Incoming;
use tower_service::Service;

use super::connection::{Active, Connection};
use super::headers;
use super::here::Here;
use super::reply::{self, ReplyBody};
use super::response_body::{ResponseBody, Source};
use super::router::Router;
use super::serving::Serving;

static X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The service of one connection.
pub(super) struct Gate {
    connection: Rc<Connection>,
    info: ConnectionInfo,
    /// What the last request met, with the connection as its plugins see it, if there are any.
    last: RefCell<(Rc<Serving>, Option<Rc<ConnectionInfo>>)>,
}

impl Gate {
    pub(super) fn new(
        connection: Rc<Connection>,
        peer: SocketAddr,
        local: Option<SocketAddr>,
        id: u64,
    ) -> Self {
        let info = Here::connection_info(peer, local, id);
        let serving = connection.here.serving();
        Gate {
            last: RefCell::new((serving.clone(), info_for(&info, &serving))),
            connection,
            info,
        }
    }

    /// Has the request served by what is configured now.
    fn serve(&self, request: Request<Incoming>) -> Served {
        let now = self.connection.here.serving();
        let mut last = self.last.borrow_mut();
        if !Rc::ptr_eq(&last.0, &now) {
            let info = info_for(&self.info, &now);
            *last = (now, info);
        }
        let (serving, info) = &*last;
        serving.service().call_from(info.clone(), request)
    }
}

/// The connection as plugins see it; only they look at it.
fn info_for(info: &ConnectionInfo, serving: &Serving) -> Option<Rc<ConnectionInfo>> {
    serving.tells_of_connections().then(|| {
        let mut info = info.clone();
        info.attributes = Some(serving.attributes());
        Rc::new(info)
    })
}

/// A request on its way through a chain.
type Served = <LocalService<Router> as Service<Request<Incoming>>>::Future;

impl hyper::service::Service<Request<Incoming>> for Gate {
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = GateFuture;

    fn call(&self, mut request: Request<Incoming>) -> GateFuture {
        let active = self.connection.begin();
        let answer = match admit(&mut request) {
            Err((status, text)) => {
                let mut response = reply::fixed(status, text, request.method() == Method::HEAD);
                response
                    .headers_mut()
                    .insert(CONNECTION, HeaderValue::from_static("close"));
                Answer::Own(Some(response))
            }
            Ok(()) => Answer::Chain(self.serve(request)),
        };
        GateFuture {
            answer,
            active: Some(active),
        }
    }
}

/// Makes a request what filters and upstreams expect, or says what to refuse it with.
fn admit(request: &mut Request<Incoming>) -> Result<(), (StatusCode, &'static str)> {
    if request.method() == Method::CONNECT {
        return Err((StatusCode::NOT_FOUND, ""));
    }
    if request.version() < Version::HTTP_2 {
        if request.version() < Version::HTTP_11 {
            return Err((StatusCode::UPGRADE_REQUIRED, "Upgrade Required"));
        }
        if headers::asks_for_upgrade(request.headers()) {
            return Err((StatusCode::FORBIDDEN, ""));
        }
        if request.uri().authority().is_some() {
            to_origin_form(request);
        }
        if !request.headers().contains_key(HOST) {
            return Err((StatusCode::BAD_REQUEST, ""));
        }
    }
    headers::clean_request(request.headers_mut());
    request
        .headers_mut()
        .entry(&X_FORWARDED_PROTO)
        .or_insert(const { HeaderValue::from_static("http") });
    Ok(())
}

/// `GET http://host/path` becomes `GET /path` with `host` (RFC 9112, section 3.2.2).
fn to_origin_form(request: &mut Request<Incoming>) {
    let authority = request.uri().authority().map(|authority| authority.as_str());
    if let Some(Ok(host)) = authority.map(HeaderValue::from_str) {
        request.headers_mut().insert(HOST, host);
    }
    let path = request.uri().path_and_query().cloned();
    *request.uri_mut() = Uri::from(path.unwrap_or_else(|| PathAndQuery::from_static("/")));
}

/// A response on its way.
pub(super) struct GateFuture {
    answer: Answer,
    active: Option<Active>,
}

#[expect(clippy::large_enum_variant, reason = "a box would be one more allocation")]
enum Answer {
    Own(Option<Response<ReplyBody>>),
    Chain(Served),
}

impl Future for GateFuture {
    type Output = Result<Response<ResponseBody>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        // Each kind leaves by itself: bodies are large, and not moved more than need be.
        match &mut this.answer {
            Answer::Own(response) => {
                let (head, body) = once(response).into_parts();
                Poll::Ready(Ok(leave(head, Source::Own(body), once(&mut this.active))))
            }
            Answer::Chain(future) => {
                let Ok(response) = ready!(Pin::new(future).poll(context));
                let (mut head, body) = response.into_parts();
                headers::clean_response(&mut head.headers);
                Poll::Ready(Ok(leave(head, Source::Chain(body), once(&mut this.active))))
            }
        }
    }
}

/// What a future gives away when it is ready.
fn once<T>(value: &mut Option<T>) -> T {
    value.take().expect("a future is not polled after it is ready")
}

#[inline]
fn leave(mut head: response::Parts, source: Source, active: Active) -> Response<ResponseBody> {
    let server = active.here().serving().server_name();
    head.headers.insert(SERVER, server);
    active.stats().answered(head.status);
    Response::from_parts(head, ResponseBody::new(source, active))
}
