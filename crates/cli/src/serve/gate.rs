//! Where requests enter and responses leave: what Envoy's connection manager does around the filters.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use enginebay_http::{ConnectionInfo, LocalService};
use http::header::{CONNECTION, HOST, HeaderName, HeaderValue, SERVER};
use http::uri::PathAndQuery;
use http::{Method, Request, Response, StatusCode, Uri, Version};
use hyper::body::Incoming;
use tower_service::Service;

use super::connection::{Active, Connection};
use super::headers;
use super::reply::{self, ReplyBody};
use super::response_body::{ResponseBody, Source};
use super::router::Router;

static X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The service of one connection.
pub(super) struct Gate {
    connection: Rc<Connection>,
    service: LocalService<Router>,
    info: Option<ConnectionInfo>,
}

impl Gate {
    pub(super) fn new(
        connection: Rc<Connection>,
        peer: SocketAddr,
        local: Option<SocketAddr>,
        id: u64,
    ) -> Self {
        // Only plugins look at it.
        let info = connection
            .here
            .has_plugins()
            .then(|| connection.here.connection_info(peer, local, id));
        Gate {
            service: connection.here.service(),
            connection,
            info,
        }
    }
}

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
            Ok(()) => {
                if let Some(info) = &self.info {
                    request.extensions_mut().insert(info.clone());
                }
                Answer::Chain(self.service.clone().call(request))
            }
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
    Chain(<LocalService<Router> as Service<Request<Incoming>>>::Future),
}

impl Future for GateFuture {
    type Output = Result<Response<ResponseBody>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let response = match &mut this.answer {
            Answer::Own(response) => {
                let response = response.take().expect("a future is not polled after it is ready");
                response.map(Source::Own)
            }
            Answer::Chain(future) => {
                let Ok(response) = ready!(Pin::new(future).poll(context));
                let mut response = response.map(Source::Chain);
                headers::clean_response(response.headers_mut());
                response
            }
        };
        let active = this
            .active
            .take()
            .expect("a future is not polled after it is ready");
        Poll::Ready(Ok(leave(response, active)))
    }
}

fn leave(mut response: Response<Source>, active: Active) -> Response<ResponseBody> {
    response.headers_mut().insert(SERVER, active.here().server_name());
    active.stats().answered(response.status());
    response.map(|source| ResponseBody::new(source, active))
}
