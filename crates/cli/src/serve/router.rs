//! The end of the filter chain: chooses the route and answers or forwards.

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use enginebay_http::LocalBody;
use http::header::{HOST, HeaderValue, LOCATION};
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use tower_service::Service;

use super::attributes::{Exchange, Outcome};
use super::plan::Plan;
use super::reply::{self, ReplyBody};
use super::routes::{Action, Direct};
use super::upstream::{self, Clusters};

/// A request's body behind the filters.
pub(super) type RequestBody = LocalBody<Incoming>;

/// The routes of one listener, on one worker.
#[derive(Clone)]
pub(super) struct Router(Rc<Inner>);

struct Inner {
    plan: Arc<Plan>,
    listener: usize,
    clusters: Rc<Clusters>,
    outcomes: Outcomes,
}

/// Of requests that need no upstream, made once.
struct Outcomes {
    direct: Rc<Outcome>,
    no_route: Rc<Outcome>,
    no_cluster: Rc<Outcome>,
}

impl Router {
    pub(super) fn new(plan: Arc<Plan>, listener: usize, clusters: Rc<Clusters>) -> Self {
        Router(Rc::new(Inner {
            plan,
            listener,
            clusters,
            outcomes: Outcomes {
                direct: Rc::new(Outcome::DIRECT),
                no_route: Rc::new(Outcome::NO_ROUTE),
                no_cluster: Rc::new(Outcome::NO_CLUSTER),
            },
        }))
    }

    /// What plugins can learn of the request from now on, if one can ask.
    fn exchange(&self, request: &Request<RequestBody>, cluster: usize) -> Option<Rc<Exchange>> {
        let body = request.body();
        let exchange = body
            .wants_attributes()
            .then(|| Rc::new(Exchange::new(self.0.plan.facts.clone(), cluster)))?;
        body.set_attributes(exchange.clone());
        Some(exchange)
    }

    fn answer(&self, request: Request<RequestBody>) -> RouterFuture {
        let head = request.method() == Method::HEAD;
        let at_once = |response| RouterFuture::AtOnce(ready(Ok(response)));
        let routes = &self.0.plan.listeners[self.0.listener].routes;
        match routes.find(authority(&request), request.uri().path()) {
            None => {
                note(&request, &self.0.outcomes.no_route);
                at_once(reply::fixed(StatusCode::NOT_FOUND, "", head))
            }
            Some(Action::Direct(direct)) => {
                note(&request, &self.0.outcomes.direct);
                at_once(answer_directly(direct, &request, head))
            }
            Some(Action::Forward(to)) => {
                let cluster = to
                    .cluster
                    .and_then(|index| Some((index, self.0.clusters.get(index)?)));
                match cluster {
                    None => {
                        note(&request, &self.0.outcomes.no_cluster);
                        at_once(reply::fixed(StatusCode::SERVICE_UNAVAILABLE, "", head))
                    }
                    Some((index, cluster)) => {
                        let exchange = self.exchange(&request, index);
                        let sent = upstream::forward(cluster.clone(), to, request, exchange.clone());
                        RouterFuture::Forward(Box::pin(async move {
                            Ok(match sent.await {
                                Ok(response) => response.map(|body| body.noted(exchange)),
                                Err(failure) => {
                                    if let Some(exchange) = exchange {
                                        exchange.failed(failure);
                                    }
                                    failure.response(head)
                                }
                            })
                        }))
                    }
                }
            }
        }
    }
}

/// Tells plugins how the request is answered, if one can ask.
fn note(request: &Request<RequestBody>, outcome: &Rc<Outcome>) {
    if request.body().wants_attributes() {
        request.body().set_attributes(outcome.clone());
    }
}

fn authority<B>(request: &Request<B>) -> &str {
    match request.uri().authority() {
        Some(authority) => authority.as_str(),
        None => request
            .headers()
            .get(HOST)
            .and_then(|host| host.to_str().ok())
            .unwrap_or_default(),
    }
}

fn answer_directly<B>(direct: &Direct, request: &Request<B>, head: bool) -> Response<ReplyBody> {
    let mut response = reply::text(direct.status, direct.body.clone(), direct.length.clone(), head);
    // As Envoy does, whatever the request was for.
    if direct.status == StatusCode::CREATED || direct.status.is_redirection() {
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let location = format!("http://{}{path}", authority(request));
        if let Ok(location) = HeaderValue::try_from(location) {
            response.headers_mut().insert(LOCATION, location);
        }
    }
    response
}

impl Service<Request<RequestBody>> for Router {
    type Response = Response<ReplyBody>;
    type Error = Infallible;
    type Future = RouterFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RequestBody>) -> RouterFuture {
        self.answer(request)
    }
}

type Answer = Result<Response<ReplyBody>, Infallible>;

/// A response: most need no wait and so no allocation.
#[expect(
    clippy::large_enum_variant,
    reason = "a box would be the allocation that is spared"
)]
pub(super) enum RouterFuture {
    AtOnce(Ready<Answer>),
    Forward(Pin<Box<dyn Future<Output = Answer>>>),
}

impl Future for RouterFuture {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answer> {
        match &mut *self {
            RouterFuture::AtOnce(response) => Pin::new(response).poll(context),
            RouterFuture::Forward(response) => response.as_mut().poll(context),
        }
    }
}
