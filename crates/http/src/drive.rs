//! The driver: a request through the plugins to the service, its response back.

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use bytes::Bytes;
use http::{Request, Response};
use tower_service::Service;

use crate::context::{EndGuard, StreamCx};
use crate::lane::{LaneError, Source};
use crate::message::ResponseHead;
use crate::reply::Reply;
use crate::state::Dir;
use crate::{BoxError, ConnectionInfo, LocalBody, LocalChain};

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
    let request = request.map(|body| LocalBody::plain(Dir::Request, Source::Body(body)));
    let response = inner.call(request).await?;
    Ok(response.map(|body| LocalBody::plain(Dir::Response, Source::Body(body))))
}

/// Runs one stream up to its response's head. `inner` is ready. Without a `connection`, that among the request's extensions
/// is it.
///
/// Heads and bodies are some hundred bytes each, so they are made where they stay: what brings them through the plugins has
/// references.
pub(crate) async fn drive<B, S, R>(
    chain: LocalChain,
    mut inner: S,
    request: Request<B>,
    connection: Option<Rc<ConnectionInfo>>,
) -> Result<Response<LocalBody<R>>, S::Error>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
    S: Service<Request<LocalBody<B>>, Response = Response<R>>,
    R: http_body::Body<Data = Bytes> + Unpin,
    R::Error: Into<BoxError>,
{
    let (parts, body) = request.into_parts();
    let head_request = parts.method == http::Method::HEAD;
    let cx = StreamCx::new(&chain, parts, connection);
    let guard = EndGuard::new(cx.clone());

    let mut body = LocalBody::new(Dir::Request, Source::Body(body), cx.clone());
    let on = match request_through(&cx, &mut body).await {
        true => cx.stream.state().request.take(),
        false => None,
    };
    let response = match on {
        Some(parts) => {
            let mut call = pin!(inner.call(Request::from_parts(parts, body)));
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
        None => {
            drop(body);
            None
        }
    };
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
            let (parts, body) = build(&cx, &reply, head_request);
            match body.is_empty() {
                true => (parts, Source::End),
                false => (parts, Source::Bytes(body)),
            }
        }
    };
    cx.answered(parts);
    let end = matches!(source, Source::End);
    let mut body = LocalBody::new(Dir::Response, source, cx.clone());
    let instead = match response_through(&cx, &mut body, end).await {
        Ok(()) => {
            let parts = cx.stream.state().response.as_mut().and_then(ResponseHead::take);
            if let Some(parts) = parts {
                body.guard(guard);
                return Ok(Response::from_parts(parts, body));
            }
            Reply::BadResponse
        }
        Err(reply) => reply,
    };
    Ok(direct(&cx, guard, &instead, head_request))
}

/// Brings the request's head through the plugins, to what is to be sent on. False if they answered instead.
async fn request_through<B>(cx: &StreamCx, body: &mut LocalBody<B>) -> bool
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    let lane = body.lane();
    let end = lane.plain_is_end();
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

/// Brings the response's head through the plugins that saw the request, to what is to be sent. `end` says that there is no
/// body.
///
/// # Errors
/// What is to be sent instead.
async fn response_through<R>(
    cx: &StreamCx,
    body: &mut LocalBody<R>,
    end: bool,
) -> Result<(), Reply>
where
    R: http_body::Body<Data = Bytes> + Unpin,
    R::Error: Into<BoxError>,
{
    let lane = body.lane();
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
async fn look_ahead<B>(body: &mut LocalBody<B>)
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
    let parts = head.take();
    cx.stream.state().response = Some(head);
    let parts = parts.unwrap_or_else(|| Response::new(()).into_parts().0);
    Response::from_parts(parts, LocalBody::last(Source::Bytes(body), guard))
}

fn build(cx: &StreamCx, reply: &Reply, head_request: bool) -> (http::response::Parts, Bytes) {
    let state = cx.stream.state();
    reply.build(state.request.is_grpc(), head_request)
}
