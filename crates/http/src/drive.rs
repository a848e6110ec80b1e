//! The driver: a request through the plugins to the service, its response back.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{Request, Response};
use tower_service::Service;

use crate::context::{EndGuard, StreamCx};
use crate::lane::{Lane, LaneError, Source};
use crate::message::ResponseHead;
use crate::reply::Reply;
use crate::state::Dir;
use crate::{BoxError, LocalBody, LocalChain, StreamAttributes};

/// Runs one stream up to its response's head. `inner` is ready.
pub(crate) async fn drive<B, S, R>(
    chain: LocalChain,
    mut inner: S,
    request: Request<B>,
) -> Result<Response<LocalBody<R>>, S::Error>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
    S: Service<Request<LocalBody<B>>, Response = Response<R>>,
    R: http_body::Body<Data = Bytes> + Unpin,
    R::Error: Into<BoxError>,
{
    if chain.0.is_empty() {
        let request = request.map(|body| LocalBody::plain(Dir::Request, Source::Body(body)));
        let response = inner.call(request).await?;
        return Ok(response.map(|body| LocalBody::plain(Dir::Response, Source::Body(body))));
    }
    let (parts, body) = request.into_parts();
    let head_request = parts.method == http::Method::HEAD;
    let cx = StreamCx::new(&chain, parts);
    let guard = EndGuard::new(cx.clone());

    let response = match send_request(&cx, body).await {
        Some(request) => {
            let mut call = pin!(inner.call(request));
            poll_fn(|task| {
                // The plugins may answer while the service reads the request's body.
                if cx.check(Dir::Request).is_err() {
                    return Poll::Ready(Ok(None));
                }
                let polled = call.as_mut().poll(task);
                if cx.check(Dir::Request).is_err() {
                    return Poll::Ready(Ok(None));
                }
                if polled.is_pending() {
                    cx.wait(Dir::Response, task);
                }
                polled.map_ok(Some)
            })
            .await?
        }
        None => None,
    };
    match response {
        Some(response) => {
            let (parts, body) = response.into_parts();
            let source = match body.is_end_stream() {
                true => Source::End,
                false => Source::Body(body),
            };
            Ok(respond(cx, guard, head_request, parts, source).await)
        }
        None => {
            let reply = cx.stream.state().reply.take().unwrap_or(Reply::Closed);
            let (parts, body) = build(&cx, &reply, head_request);
            let source = match body.is_empty() {
                true => Source::End,
                false => Source::Bytes(body),
            };
            Ok(respond(cx, guard, head_request, parts, source).await)
        }
    }
}

/// Brings the request's head through the plugins. `None` if they answered instead.
async fn send_request<B>(cx: &StreamCx, body: B) -> Option<Request<LocalBody<B>>>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    let end = body.is_end_stream();
    let mut lane = Lane::new(Dir::Request, Source::Body(body));
    lane.start(cx, end).ok()?;
    match poll_fn(|task| lane.poll_head(cx, task)).await {
        Ok(()) => {}
        Err(LaneError::Stopped) => return None,
        // The client is gone, or broke off its request.
        Err(LaneError::Source(_)) => {
            cx.stream.state().answer(Reply::Closed);
            return None;
        }
    }
    let mut body = LocalBody::new(Dir::Request, lane, cx.clone(), None);
    if cx.chain.body_callbacks[Dir::Request as usize] && !end {
        // Also keeps a request from the service that a plugin answers as soon as it sees the body.
        poll_fn(|task| {
            body.look_ahead(task);
            Poll::Ready(())
        })
        .await;
        cx.check(Dir::Request).ok()?;
    }
    let taken = {
        let mut state = cx.stream.state();
        if cx.chain.keeps_request {
            state.request_map();
        }
        state.request.take(&cx.chain.known)
    };
    match taken {
        Ok(mut parts) => {
            if body.resized() {
                parts.headers.remove(CONTENT_LENGTH);
            }
            body.declare(&parts.headers);
            Some(Request::from_parts(parts, body))
        }
        Err(bad) => {
            cx.stream.state().answer(Reply::BadRequest(bad));
            None
        }
    }
}

/// Brings a response's head through the plugins that saw the request.
async fn respond<R>(
    cx: StreamCx,
    guard: EndGuard,
    head_request: bool,
    parts: http::response::Parts,
    source: Source<R>,
) -> Response<LocalBody<R>>
where
    R: http_body::Body<Data = Bytes> + Unpin,
    R::Error: Into<BoxError>,
{
    {
        let mut state = cx.stream.state();
        if cx.chain.asks_properties {
            state.given[1] = parts.extensions.get::<StreamAttributes>().cloned();
        }
        state.response = Some(ResponseHead::new(parts));
        state.responding = true;
    }
    let end = matches!(source, Source::End);
    let mut lane = Lane::new(Dir::Response, source);
    let went = match lane.start(&cx, end) {
        Ok(()) => poll_fn(|task| lane.poll_head(&cx, task)).await,
        Err(stopped) => Err(stopped.into()),
    };
    if let Err(error) = went {
        let instead = cx.stream.state().reply.take();
        let reply = match (instead, error) {
            (Some(reply), _) => reply,
            (None, LaneError::Stopped) => Reply::Closed,
            (None, LaneError::Source(_)) => Reply::Upstream,
        };
        return direct(&cx, guard, &reply, head_request);
    }
    cx.stream.state().responded = true;
    let mut body = LocalBody::new(Dir::Response, lane, cx.clone(), None);
    if cx.chain.body_callbacks[Dir::Response as usize] && !end {
        // A body that is there already gets its length announced.
        poll_fn(|task| {
            body.look_ahead(task);
            Poll::Ready(())
        })
        .await;
    }
    let taken = {
        let mut state = cx.stream.state();
        if cx.chain.keeps_response {
            state.response_map();
        }
        state.response.as_mut().map(|head| {
            if cx.chain.asks_properties {
                head.keep_details();
            }
            head.take(&cx.chain.known)
        })
    };
    match taken {
        Some(Ok(mut parts)) => {
            if body.resized() {
                parts.headers.remove(CONTENT_LENGTH);
            }
            body.declare(&parts.headers);
            body.guard(guard);
            Response::from_parts(parts, body)
        }
        _ => direct(&cx, guard, &Reply::BadResponse, head_request),
    }
}

/// A response that no plugin sees any more.
fn direct<R>(cx: &StreamCx, guard: EndGuard, reply: &Reply, head_request: bool) -> Response<LocalBody<R>>
where
    R: http_body::Body<Data = Bytes> + Unpin,
    R::Error: Into<BoxError>,
{
    let (parts, body) = build(cx, reply, head_request);
    let mut head = ResponseHead::new(parts);
    {
        let mut state = cx.stream.state();
        state.closed = [true; 2];
        state.responded = true;
        state.facts.sent = body.len() as u64;
        if cx.chain.asks_properties {
            head.keep_details();
        }
        // What `on_log` reads is what was sent.
        if cx.chain.keeps_response {
            head.map(|| cx.chain.spare_map());
        }
    }
    let taken = head.take(&cx.chain.known);
    cx.stream.state().response = Some(head);
    let parts = taken.unwrap_or_else(|_| {
        let (mut parts, ()) = Response::new(()).into_parts();
        parts.status = http::StatusCode::INTERNAL_SERVER_ERROR;
        parts
    });
    Response::from_parts(parts, LocalBody::last(Source::Bytes(body), guard))
}

fn build(cx: &StreamCx, reply: &Reply, head_request: bool) -> (http::response::Parts, Bytes) {
    let state = cx.stream.state();
    reply.build(state.request.is_grpc(), head_request)
}
