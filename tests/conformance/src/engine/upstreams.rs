//! The upstreams of a case: `cluster`, which answers, and `down`, to which nothing can be sent.

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use enginebay::host::{CalloutError, CalloutId, Callouts, GrpcTarget, HttpCall, HttpCallResponse};
use enginebay::{Body, Failure, HeaderMap, Vm};

use super::embedder::{Seen, Stream};
use crate::host::TOO_MUCH;

/// Sends nothing anywhere, and remembers what it was.
pub(super) struct Upstreams {
    seen: Rc<RefCell<Seen>>,
    started: RefCell<Vec<Started>>,
}

/// A callout that was started.
#[derive(Clone, Copy)]
pub(super) struct Started {
    id: CalloutId,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Http,
    GrpcCall,
    GrpcStream,
}

fn map(headers: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.push_valid(name, value);
    }
    map
}

impl Started {
    /// Answers, or says that there is no answer.
    pub(super) fn answer(self, vm: &Vm<Stream>, unanswered: bool) -> Result<(), Failure> {
        let id = self.id;
        match self.kind {
            Kind::Http if unanswered => vm.on_http_call_response(id, None),
            Kind::Http => {
                let response = HttpCallResponse {
                    headers: map(&[(":status", "200"), ("k", "v")]),
                    body: Body::from(Bytes::from_static(b"reply")),
                    trailers: map(&[("t", "1")]),
                };
                vm.on_http_call_response(id, Some(response))
            }
            Kind::GrpcCall if unanswered => vm.on_grpc_close(id, 14, b"down"),
            Kind::GrpcCall => {
                vm.on_grpc_receive_initial_metadata(id, map(&[("i", "1")]))?;
                vm.on_grpc_receive(id, Bytes::from_static(b"message"))
            }
            Kind::GrpcStream if unanswered => vm.on_grpc_close(id, 14, b"down"),
            Kind::GrpcStream => {
                vm.on_grpc_receive_initial_metadata(id, map(&[("i", "1")]))?;
                vm.on_grpc_receive(id, Bytes::from_static(b"message"))?;
                vm.on_grpc_receive_trailing_metadata(id, map(&[("t", "1"), ("u", "2")]))?;
                vm.on_grpc_close(id, 0, b"")
            }
        }
    }
}

impl Upstreams {
    pub(super) fn new(seen: Rc<RefCell<Seen>>) -> Self {
        Upstreams {
            seen,
            started: RefCell::default(),
        }
    }

    pub(super) fn started(&self) -> Vec<Started> {
        self.started.take()
    }

    fn start(&self, id: CalloutId, kind: Kind, upstream: &str, line: String) -> Result<(), CalloutError> {
        match upstream {
            "cluster" => {}
            "down" => return Err(CalloutError::Failed),
            _ => return Err(CalloutError::UnknownUpstream),
        }
        self.note(line);
        self.started.borrow_mut().push(Started { id, kind });
        Ok(())
    }

    fn note(&self, line: String) {
        self.seen.borrow_mut().called.push(line);
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn headers(map: &HeaderMap) -> String {
    let pairs: Vec<String> = map
        .iter()
        .map(|(name, value)| format!("{}={}", text(name), text(value)))
        .collect();
    pairs.join(",")
}

impl Callouts for Upstreams {
    fn http_call(&self, id: CalloutId, call: HttpCall) -> Result<(), CalloutError> {
        let line = format!(
            "http {} [{}] {} [{}] {:?}",
            call.upstream,
            headers(&call.headers),
            text(&call.body),
            headers(&call.trailers),
            call.timeout,
        );
        self.start(id, Kind::Http, &call.upstream, line)
    }

    fn grpc_call(&self, id: CalloutId, target: GrpcTarget, message: Bytes) -> Result<(), CalloutError> {
        let line = format!(
            "grpc call {} {}/{} [{}] {} {:?}",
            target.upstream,
            target.service,
            target.method,
            headers(&target.initial_metadata),
            text(&message),
            target.timeout,
        );
        self.start(id, Kind::GrpcCall, &target.upstream, line)
    }

    fn grpc_stream(&self, id: CalloutId, target: GrpcTarget) -> Result<(), CalloutError> {
        let line = format!(
            "grpc stream {} {}/{} [{}]",
            target.upstream,
            target.service,
            target.method,
            headers(&target.initial_metadata),
        );
        self.start(id, Kind::GrpcStream, &target.upstream, line)
    }

    fn grpc_send(&self, id: CalloutId, message: Bytes, end_of_stream: bool) -> Result<(), CalloutError> {
        if message == TOO_MUCH {
            return Err(CalloutError::Failed);
        }
        self.note(format!("send {} {} {end_of_stream}", id.get(), text(&message)));
        Ok(())
    }

    fn grpc_close(&self, id: CalloutId) {
        self.note(format!("close {}", id.get()));
    }

    fn cancel(&self, id: CalloutId) {
        self.note(format!("cancel {}", id.get()));
    }
}
