//! Bodies on their way to and from an upstream.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use enginebay_http::BoxError;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::deadline::{Deadline, Uploaded};
use super::host::Lease;
use crate::serve::router::RequestBody;

/// A request's body.
pub(super) enum Upload {
    /// Of a client's request.
    Routed(Routed),
    /// Of a plugin's.
    Callout(enginebay_http::Body),
}

impl Body for Upload {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut *self {
            Upload::Routed(body) => Pin::new(body).poll_frame(context),
            Upload::Callout(body) => Pin::new(body).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Upload::Routed(body) => body.is_end_stream(),
            Upload::Callout(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Upload::Routed(body) => body.size_hint(),
            Upload::Callout(body) => body.size_hint(),
        }
    }
}

/// The body of a client's request, which says when it is over.
pub(super) struct Routed {
    body: RequestBody,
    uploaded: Option<Rc<Uploaded>>,
}

impl Routed {
    pub(super) fn new(body: RequestBody, uploaded: Option<Rc<Uploaded>>) -> Self {
        Routed { body, uploaded }
    }

    fn over(&self) {
        if let Some(uploaded) = &self.uploaded {
            uploaded.set_done();
        }
    }
}

impl Drop for Routed {
    fn drop(&mut self) {
        self.over();
    }
}

impl Body for Routed {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if self.body.is_end_stream() || matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.over();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A response's body. At its end the connection can be used again.
pub(in crate::serve) struct UpstreamBody {
    body: Incoming,
    lease: Option<Lease>,
    deadline: Deadline,
}

impl UpstreamBody {
    pub(super) fn new(body: Incoming, lease: Lease, deadline: Deadline) -> Self {
        let mut body = UpstreamBody {
            body,
            lease: Some(lease),
            deadline,
        };
        body.release_at_end();
        body
    }

    fn release_at_end(&mut self) {
        if self.body.is_end_stream() {
            self.release();
        }
    }

    fn release(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.release();
        }
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Pending => match self.deadline.poll(context) {
                Poll::Ready(()) => Poll::Ready(Some(Err("upstream request timeout".into()))),
                Poll::Pending => Poll::Pending,
            },
            Poll::Ready(None) => {
                self.release();
                Poll::Ready(None)
            }
            Poll::Ready(Some(Ok(frame))) => {
                self.release_at_end();
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                self.lease = None;
                Poll::Ready(Some(Err(error.into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
