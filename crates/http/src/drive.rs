//! The driver: a request through the plugins to the service, its response back.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use bytes::Bytes;
use http::{Request, Response};
use tower_service::Service;

use crate::context::{EndGuard, StreamCx};
use crate::filtered::Filtered;
use crate::lane::LaneError;
use crate::message::ResponseHead;
use crate::reply::Reply;
use crate::source::Source;
use crate::state::Dir;
use crate::{BoxError, LocalBody};

/// Passes a request on where there is nothing in the chain.
pub(crate) async fn pass<B, S, R>(
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
    let response = inner.call(request.map(LocalBody::plain)).await?;
    Ok(response.map(LocalBody::plain))
}

/// Runs one stream up to its response's head. `inner` is ready.
///
/// Heads and bodies are some hundred bytes each, so they are made where they stay: the request's head is in the stream's state
/// already, what brings them through the plugins has references, and what moves them is no part of this future.
pub(crate) async fn drive<B, S, R>(
    cx: StreamCx,
    mut inner: S,
    body: B,
) -> Result<Response<LocalBody<R>>, S::Error>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
    S: Service<Request<LocalBody<B>>, Response = Response<R>>,
    R: http_body::Body<Data = Bytes> + Unpin,
    R::Error: Into<BoxError>,
{
    let guard = EndGuard::new(cx.clone());
    let mut body = Filtered::new(Dir::Request, Source::Body(body), cx.clone());
    let call = match request_through(&cx, &mut body).await {
        true => send_on(&cx, &mut inner, LocalBody::filtered(body)),
        false => {
            drop(body);
            None
        }
    };
    let response = match call {
        Some(call) => {
            let mut call = pin!(call);
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
    let mut body = note_response(&cx, response);
    match response_through(&cx, &mut body).await {
        Ok(()) => Ok(send_back(&cx, body, guard)),
        Err(reply) => Ok(direct(&cx, guard, &reply)),
    }
}

/// Hands the request to the service. `None` if its head is gone, which it is not.
fn send_on<B, S>(cx: &StreamCx, inner: &mut S, body: LocalBody<B>) -> Option<S::Future>
where
    S: Service<Request<LocalBody<B>>>,
{
    let parts = cx.stream.state().request.take()?;
    Some(inner.call(Request::from_parts(parts, body)))
}

/// Takes note of the service's response, or of what the plugins answered instead, and gives its body.
fn note_response<R>(cx: &StreamCx, response: Option<Response<R>>) -> Box<Filtered<R>>
where
    R: http_body::Body<Data = Bytes> + Unpin,
    R::Error: Into<BoxError>,
{
    let (parts, source) = match response {
        Some(response) => {
            let (parts, body) = response.into_parts();
            match body.is_end_stream() {
                true => (parts, Source::End),
                false => (parts, Source::Body(body)),
            }
        }
        None => {
            let reply = cx.stream.state().reply.take().unwrap_or(Reply::Closed);
            let (parts, body) = build(cx, &reply);
            match body.is_empty() {
                true => (parts, Source::End),
                false => (parts, Source::Bytes(body)),
            }
        }
    };
    cx.answered(parts);
    Filtered::new(Dir::Response, source, cx.clone())
}

/// Sends the response that came through the plugins.
fn send_back<R>(cx: &StreamCx, mut body: Box<Filtered<R>>, guard: EndGuard) -> Response<LocalBody<R>>
where
    R: http_body::Body<Data = Bytes> + Unpin,
    R::Error: Into<BoxError>,
{
    let parts = cx.stream.state().response.as_mut().and_then(ResponseHead::take);
    match parts {
        Some(parts) => {
            body.guard(guard);
            Response::from_parts(parts, LocalBody::filtered(body))
        }
        None => direct(cx, guard, &Reply::BadResponse),
    }
}

/// Brings the request's head through the plugins, to what is to be sent on. False if they answered instead.
async fn request_through<B>(cx: &StreamCx, body: &mut Filtered<B>) -> bool
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    let lane = body.lane();
    let end = lane.source().is_end();
    if lane.start(cx, end).is_err() {
        return false;
    }
    match poll_fn(|task| lane.poll_head(cx, task)).await {
        Ok(()) => {}
        Err(LaneError::Stopped) => return false,
        // The client is gone, or broke off its request.
        Err(LaneError::Source(_)) => {
            cx.stream.state().answer(Reply::Closed);
            return false;
        }
    }
    if cx.chain.body_callbacks[Dir::Request as usize] && !end {
        // Also keeps a request from the service that a plugin answers as soon as it sees the body.
        look_ahead(body).await;
        if cx.check(Dir::Request).is_err() {
            return false;
        }
    }
    let mut state = cx.stream.state();
    if cx.chain.keeps_request {
        state.request_map();
    }
    match state.request.finish(&cx.chain.known) {
        Ok(headers) => {
            body.declare(headers);
            true
        }
        Err(bad) => {
            state.answer(Reply::BadRequest(bad));
            false
        }
    }
}

/// Brings the response's head through the plugins that saw the request, to what is to be sent.
///
/// # Errors
/// What is to be sent instead.
async fn response_through<R>(cx: &StreamCx, body: &mut Filtered<R>) -> Result<(), Reply>
where
    R: http_body::Body<Data = Bytes> + Unpin,
    R::Error: Into<BoxError>,
{
    let lane = body.lane();
    let end = lane.has_no_body();
    let went = match lane.start(cx, end) {
        Ok(()) => poll_fn(|task| lane.poll_head(cx, task)).await,
        Err(stopped) => Err(stopped.into()),
    };
    if let Err(error) = went {
        let instead = cx.stream.state().reply.take();
        return Err(match (instead, error) {
            (Some(reply), _) => reply,
            (None, LaneError::Stopped) => Reply::Closed,
            (None, LaneError::Source(_)) => Reply::Upstream,
        });
    }
    cx.stream.state().responded = true;
    if cx.chain.body_callbacks[Dir::Response as usize] && !end {
        // A body that is there already gets its length announced.
        look_ahead(body).await;
    }
    let mut state = cx.stream.state();
    if cx.chain.keeps_response {
        state.response_map();
    }
    let Some(head) = &mut state.response else {
        return Err(Reply::BadResponse);
    };
    if cx.chain.asks_properties {
        head.keep_details();
    }
    let headers = head.finish(&cx.chain.known).map_err(|_| Reply::BadResponse)?;
    body.declare(headers);
    Ok(())
}

/// Moves the plugins along as far as there is something of the body ready.
async fn look_ahead<B>(body: &mut Filtered<B>)
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    poll_fn(|task| {
        body.look_ahead(task);
        Poll::Ready(())
    })
    .await;
}

/// A response that no plugin sees any more.
fn direct<R>(cx: &StreamCx, guard: EndGuard, reply: &Reply) -> Response<LocalBody<R>>
where
    R: http_body::Body<Data = Bytes> + Unpin,
    R::Error: Into<BoxError>,
{
    let (parts, body) = build(cx, reply);
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
    let parts = head.take();
    cx.stream.state().response = Some(head);
    let parts = parts.unwrap_or_else(|| Response::new(()).into_parts().0);
    Response::from_parts(parts, LocalBody::last(body, guard))
}

fn build(cx: &StreamCx, reply: &Reply) -> (http::response::Parts, Bytes) {
    let state = cx.stream.state();
    reply.build(state.request.is_grpc(), state.request.is_head())
}
