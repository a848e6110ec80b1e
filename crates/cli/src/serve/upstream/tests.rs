//! Requests that do not come from the router, and connections that wait for one.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use enginebay::config::{Process, load_bootstrap};
use enginebay_http::{Body, BoxError};
use http::{HeaderMap, HeaderValue, Request, Response, Version};
use http_body::{Body as _, Frame};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};
use tokio::task::{LocalSet, spawn_local};

use super::{Cluster, Clusters, LocalExecutor, UpstreamBody};
use crate::serve::worker::Clock;

/// What an upstream saw.
#[derive(Default)]
struct Seen {
    connections: Cell<usize>,
    closed: Cell<usize>,
    lines: RefCell<Vec<String>>,
    /// A request was given up by the client.
    cancelled: Cell<usize>,
    changed: Notify,
}

impl Seen {
    async fn until(&self, condition: impl Fn(&Seen) -> bool) {
        let waiting = async {
            while !condition(self) {
                self.changed.notified().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), waiting)
            .await
            .expect("what is waited for happens");
    }

    fn count(&self, counter: &Cell<usize>) {
        counter.set(counter.get() + 1);
        self.changed.notify_one();
    }
}

/// Counts when it is dropped before its request was answered.
struct Pending(Rc<Seen>);

impl Drop for Pending {
    fn drop(&mut self) {
        self.0.count(&self.0.cancelled);
    }
}

/// An upstream that gives bodies and trailers back as they come, and at `/never` nothing.
async fn upstream(http2: bool) -> (u16, Rc<Seen>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen = Rc::new(Seen::default());
    let shared = seen.clone();
    spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let seen = shared.clone();
            seen.count(&seen.connections);
            let io = TokioIo::new(stream);
            let of_service = seen.clone();
            let service = service_fn(move |request| answer(of_service.clone(), request));
            spawn_local(async move {
                if http2 {
                    let _ = http2::Builder::new(LocalExecutor)
                        .serve_connection(io, service)
                        .await;
                } else {
                    let _ = http1::Builder::new().serve_connection(io, service).await;
                }
                seen.count(&seen.closed);
            });
        }
    });
    (port, seen)
}

async fn answer(
    seen: Rc<Seen>,
    request: Request<Incoming>,
) -> Result<Response<BoxBody<Bytes, hyper::Error>>, Infallible> {
    let host = request
        .headers()
        .get("host")
        .map(|host| host.to_str().unwrap().to_owned());
    seen.lines
        .borrow_mut()
        .push(format!("{} {} {host:?}", request.method(), request.uri()));
    if request.uri().path() == "/never" {
        seen.changed.notify_one();
        let _pending = Pending(seen.clone());
        std::future::pending::<()>().await;
    }
    let mut response = Response::new(request.into_body().boxed());
    response
        .headers_mut()
        .insert("keep-alive", HeaderValue::from_static("x"));
    if response.body().size_hint().exact() == Some(0) {
        *response.body_mut() = Full::new(Bytes::from_static(b"empty"))
            .map_err(|never| match never {})
            .boxed();
    }
    Ok(response)
}

fn cluster(port: u16, http2: bool, more: &str) -> (Rc<Cluster>, Rc<Clock>) {
    let http2 = if http2 { "http2_protocol_options: {}" } else { "" };
    let text = format!(
        "static_resources:\n  clusters:\n  - name: up\n    {http2}\n    {more}\n    load_assignment: {{cluster_name: up, \
         endpoints: [{{lb_endpoints: [{{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: \
         {port}}}}}}}}}]}}]}}\n"
    );
    let mut bootstrap = load_bootstrap(&text, "test", &Process).unwrap();
    let clock = Rc::new(Clock::default());
    let cluster = Cluster::new(bootstrap.clusters.remove(0), None, clock.clone(), 0);
    (cluster, clock)
}

fn request(path: &str, body: Body) -> Request<Body> {
    Request::post(format!("https://api.example{path}"))
        .header("connection", "x-named")
        .header("x-named", "1")
        .body(body)
        .unwrap()
}

fn whole(data: &'static str) -> Body {
    Body::from(Bytes::from_static(data.as_bytes()))
}

/// A body that comes frame by frame, and breaks off with an error when its sender goes away.
struct Frames(mpsc::UnboundedReceiver<Option<Frame<Bytes>>>);

fn stream() -> (mpsc::UnboundedSender<Option<Frame<Bytes>>>, Body) {
    let (sender, frames) = mpsc::unbounded_channel();
    (sender, Body::new(Frames(frames)))
}

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.0.poll_recv(context).map(|next| match next {
            Some(Some(frame)) => Some(Ok(frame)),
            Some(None) => None,
            None => Some(Err("the sender is gone".into())),
        })
    }
}

/// The whole body of a response.
async fn read(response: Response<UpstreamBody>) -> Bytes {
    response.into_body().collect().await.unwrap().to_bytes()
}

/// Runs a test on one thread, once for each version of HTTP.
fn both<F: Future<Output = ()>>(test: impl Fn(bool) -> F) {
    for http2 in [false, true] {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        LocalSet::new().block_on(&runtime, test(http2));
    }
}

#[test]
fn a_callout_gets_its_answer_over_the_connections_of_the_cluster() {
    both(|http2| async move {
        let (port, seen) = upstream(http2).await;
        let (cluster, _) = cluster(port, http2, "");
        assert_eq!(cluster.http2(), http2);
        let clusters = Clusters::new(vec![cluster]);
        assert!(clusters.named("down").is_none());
        let cluster = clusters.named("up").unwrap();
        for _ in 0..3 {
            let response = cluster.send(request("/a?b", whole("abc"))).await.unwrap();
            assert_eq!(response.status(), 200);
            assert!(response.headers().get("keep-alive").is_none());
            assert_eq!(read(response).await, "abc");
        }
        assert_eq!(seen.connections.get(), 1);
        let expected = if http2 {
            // The scheme stays as the authority does.
            "POST https://api.example/a?b None"
        } else {
            r#"POST /a?b Some("api.example")"#
        };
        assert_eq!(*seen.lines.borrow(), [expected; 3]);

        let response = cluster.send(request("/", Body::empty())).await.unwrap();
        assert_eq!(read(response).await, "empty");
    });
}

#[test]
fn trailers_go_both_ways_with_a_body_that_is_there() {
    both(|http2| async move {
        let (port, _) = upstream(http2).await;
        let (cluster, _) = cluster(port, http2, "");
        let mut trailers = HeaderMap::new();
        trailers.insert("x-end", HeaderValue::from_static("1"));
        let ended = std::future::ready(Some(Ok(trailers.clone())));
        let body = Body::new(Full::new(Bytes::from_static(b"abc")).with_trailers(ended));
        let mut request = request("/", body);
        // HTTP/1.1 sends only what is announced.
        request
            .headers_mut()
            .insert("trailer", HeaderValue::from_static("x-end"));
        request
            .headers_mut()
            .insert("te", HeaderValue::from_static("trailers"));
        let response = cluster.send(request).await.unwrap();
        let received = response.into_body().collect().await.unwrap();
        if http2 {
            assert_eq!(received.trailers(), Some(&trailers));
        }
        assert_eq!(received.to_bytes(), "abc");
    });
}

#[test]
fn a_body_goes_out_piece_by_piece_while_the_answer_comes_in() {
    both(|http2| async move {
        let (port, _) = upstream(http2).await;
        let (cluster, _) = cluster(port, http2, "");
        let (sender, body) = stream();
        sender
            .send(Some(Frame::data(Bytes::from_static(b"one"))))
            .unwrap();
        let response = cluster.send(request("/", body)).await.unwrap();
        assert_eq!(
            response.version(),
            if http2 { Version::HTTP_2 } else { Version::HTTP_11 }
        );
        let mut body = response.into_body();
        let mut next = async || body.frame().await.unwrap().unwrap();
        assert_eq!(next().await.into_data().unwrap(), "one");
        sender
            .send(Some(Frame::data(Bytes::from_static(b"two"))))
            .unwrap();
        assert_eq!(next().await.into_data().unwrap(), "two");
        let mut trailers = HeaderMap::new();
        trailers.insert("x-end", HeaderValue::from_static("1"));
        sender.send(Some(Frame::trailers(trailers.clone()))).unwrap();
        sender.send(None).unwrap();
        if http2 {
            assert_eq!(next().await.into_trailers().unwrap(), trailers);
        }
        assert!(body.frame().await.is_none());
    });
}

#[test]
fn dropping_the_future_cancels_the_request() {
    both(|http2| async move {
        let (port, seen) = upstream(http2).await;
        let (cluster, _) = cluster(port, http2, "");
        let sending = cluster.clone();
        let task = spawn_local(async move { sending.send(request("/never", whole("a"))).await.is_ok() });
        seen.until(|seen| !seen.lines.borrow().is_empty()).await;
        assert_eq!(seen.cancelled.get(), 0);
        task.abort();
        seen.until(|seen| seen.cancelled.get() == 1).await;
        if http2 {
            // Only the stream is gone.
            let response = cluster.send(request("/", whole("abc"))).await.unwrap();
            assert_eq!(read(response).await, "abc");
            assert_eq!((seen.connections.get(), seen.closed.get()), (1, 0));
        } else {
            seen.until(|seen| seen.closed.get() == 1).await;
        }
    });
}

#[test]
fn a_sender_that_goes_away_cancels_the_request() {
    both(|http2| async move {
        let (port, seen) = upstream(http2).await;
        let (cluster, _) = cluster(port, http2, "");
        let (sender, body) = stream();
        let sending = cluster.clone();
        let task = spawn_local(async move { sending.send(request("/never", body)).await.err() });
        seen.until(|seen| !seen.lines.borrow().is_empty()).await;
        drop(sender);
        assert!(task.await.unwrap().is_some());
        // An HTTP/1.1 server that reads nothing is not told.
        if http2 {
            seen.until(|seen| seen.cancelled.get() == 1).await;
        }
    });
}

#[test]
fn idle_connections_are_closed_after_an_hour() {
    both(|http2| async move {
        let (port, seen) = upstream(http2).await;
        let (cluster, clock) = cluster(port, http2, "");
        let send = async || {
            let response = cluster.send(request("/", whole("abc"))).await.unwrap();
            read(response).await
        };
        clock.set(std::time::Duration::from_secs(10));
        send().await;
        // One with a request is not idle, however long it takes.
        let (_sender, body) = stream();
        let long = spawn_local({
            let cluster = cluster.clone();
            async move { cluster.send(request("/never", body)).await.is_ok() }
        });
        seen.until(|seen| seen.lines.borrow().len() == 2).await;
        send().await;
        let open = seen.connections.get();
        assert_eq!(open, if http2 { 1 } else { 2 });
        clock.set(std::time::Duration::from_secs(3609));
        cluster.close_idle();
        send().await;
        assert_eq!((seen.connections.get(), seen.closed.get()), (open, 0));
        clock.set(std::time::Duration::from_secs(3609 + 3600));
        cluster.close_idle();
        if http2 {
            // Its long request is still there.
            send().await;
            assert_eq!(seen.closed.get(), 0);
            long.abort();
            seen.until(|seen| seen.cancelled.get() == 1).await;
            clock.set(std::time::Duration::from_secs(3609 + 7200));
            cluster.close_idle();
        } else {
            assert!(!long.is_finished());
        }
        seen.until(|seen| seen.closed.get() == 1).await;
        send().await;
        assert_eq!(seen.connections.get(), open + 1);
    });
}

#[test]
fn the_idle_timeout_can_be_changed() {
    both(|http2| async move {
        let (port, seen) = upstream(http2).await;
        let protocol = if http2 {
            "http2_protocol_options"
        } else {
            "http_protocol_options"
        };
        let options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
        let with = |timeout: &str| {
            let more = format!(
                "typed_extension_protocol_options: {{{options}: {{'@type': type.googleapis.com/{options}, \
                 common_http_protocol_options: {{idle_timeout: {timeout}}}, explicit_http_config: {{{protocol}: {{}}}}}}}}"
            );
            cluster(port, false, &more)
        };
        for (timeout, closed) in [("60s", 1), ("0s", 1)] {
            let (cluster, clock) = with(timeout);
            let response = cluster.send(request("/", whole("abc"))).await.unwrap();
            read(response).await;
            clock.set(std::time::Duration::from_secs(1_000_000));
            cluster.close_idle();
            seen.until(|seen| seen.closed.get() == closed).await;
            // The one without a timeout is still there.
            if timeout == "0s" {
                let response = cluster.send(request("/", whole("abc"))).await.unwrap();
                read(response).await;
                assert_eq!((seen.connections.get(), seen.closed.get()), (2, 1));
            }
        }
    });
}
