//! The upstreams of a script: `cluster`, which answers when the script says so, and `down`, to which nothing can be sent.

use std::cell::RefCell;

use bytes::Bytes;
use enginebay::host::{CalloutError, CalloutId, Callouts, GrpcTarget, HttpCall, HttpCallResponse};
use enginebay::{Body, Failure, Vm};

use crate::embedder::{Asked, Stream, pairs, text};
use crate::script::Reply;

/// Sends nothing anywhere, and remembers what it was.
pub(crate) struct Upstreams {
    asked: Asked,
    started: RefCell<Vec<CalloutId>>,
}

impl Upstreams {
    pub(crate) fn new(asked: Asked) -> Self {
        Upstreams {
            asked,
            started: RefCell::default(),
        }
    }

    /// A callout by its number among all that the VM started, over or not.
    pub(crate) fn callout(&self, number: u32) -> Option<CalloutId> {
        let started = self.started.borrow();
        let count = started.len();
        // From the last, which is more likely to be under way.
        started.get(count.checked_sub(1 + number as usize)?).copied()
    }

    fn start(&self, id: CalloutId, upstream: &str, line: String) -> Result<(), CalloutError> {
        match upstream {
            "cluster" => {}
            "down" => return Err(CalloutError::Failed),
            _ => return Err(CalloutError::UnknownUpstream),
        }
        self.note(format!("callout {} {line}", id.get()));
        self.started.borrow_mut().push(id);
        Ok(())
    }

    fn note(&self, line: String) {
        self.asked.borrow_mut().push(line);
    }
}

/// Tells a VM what came of a callout.
pub(crate) fn answer(vm: &Vm<Stream>, id: CalloutId, reply: Reply) -> Result<(), Failure> {
    match reply {
        Reply::Http => {
            let response = HttpCallResponse {
                headers: pairs(":status", "200"),
                body: Body::from(Bytes::from_static(b"reply")),
                trailers: pairs("t", "1"),
            };
            vm.on_http_call_response(id, Some(response))
        }
        Reply::NoHttp => vm.on_http_call_response(id, None),
        Reply::GrpcInitial => vm.on_grpc_receive_initial_metadata(id, pairs("i", "1")),
        Reply::GrpcMessage => vm.on_grpc_receive(id, Bytes::from_static(b"message")),
        Reply::GrpcTrailing => vm.on_grpc_receive_trailing_metadata(id, pairs("t", "2")),
        Reply::GrpcClose(status) => vm.on_grpc_close(id, status, b"closed"),
    }
}

impl Callouts for Upstreams {
    fn http_call(&self, id: CalloutId, call: HttpCall) -> Result<(), CalloutError> {
        let (headers, trailers) = (text(&call.headers), text(&call.trailers));
        let line = format!("http [{headers}] {:?} [{trailers}] {:?}", call.body, call.timeout);
        self.start(id, &call.upstream, line)
    }

    fn grpc_call(&self, id: CalloutId, target: GrpcTarget, message: Bytes) -> Result<(), CalloutError> {
        let line = format!("grpc {target:?} {message:?}");
        self.start(id, &target.upstream, line)
    }

    fn grpc_stream(&self, id: CalloutId, target: GrpcTarget) -> Result<(), CalloutError> {
        let line = format!("grpc stream {target:?}");
        self.start(id, &target.upstream, line)
    }

    fn grpc_send(&self, id: CalloutId, message: Bytes, end_of_stream: bool) -> Result<(), CalloutError> {
        if message == "too much" {
            return Err(CalloutError::Failed);
        }
        self.note(format!("send {} {message:?} {end_of_stream}", id.get()));
        Ok(())
    }

    fn grpc_close(&self, id: CalloutId) {
        self.note(format!("close {}", id.get()));
    }

    fn cancel(&self, id: CalloutId) {
        self.note(format!("cancel {}", id.get()));
    }
}
